"""Reductions of many elements to few, in two steps: parts of a fixed size first, so that there is work for all workers.

The sizes follow from the shape alone, so that results do not depend on the number of threads.
"""

from __future__ import annotations

from functools import lru_cache

from ...ir.graph import Graph, Kind, Node
from ...ir.regions import count
from ..lowering.builder import GraphBuilder, Value
from .rewrite import rewrite

_LARGE = 65536  # elements: less is not worth a second launch
_FEW = 8  # rows, or blocks of 64 columns, that are work enough for the workers
_PART = 16384


@lru_cache(maxsize=1024)
def part_length(total: int, wanted: int) -> int:
    """The divisor of ``total`` nearest to ``wanted`` (as a ratio) within a factor of 8; 1 if there is none."""
    best, ratio = 1, 8.0
    n = 1
    while n * n <= total:
        if total % n == 0:
            for divisor in (n, total // n):
                off = max(divisor / wanted, wanted / divisor)
                if off < ratio:
                    best, ratio = divisor, off
        n += 1
    return best


def split_reductions(graph: Graph) -> Graph:
    """The graph with long reductions to few results in two steps."""
    return rewrite(graph, _rule)


def _rule(b: GraphBuilder, number: int, node: Node, operands: tuple[int, ...]) -> int | None:
    if node.kind is not Kind.REDUCE:
        return None
    op, axes, _ = node.attrs
    x = Value(b, operands[0])
    shape = x.shape
    if x.node.size < _LARGE:
        return None
    dims = [i for i, n in enumerate(shape) if n != 1]
    axes = tuple([i for i in axes if shape[i] != 1])
    first = len(dims) - len(axes)
    if tuple(dims[first:]) == axes:  # the last dimensions: parts of rows
        rows, length = count(tuple([shape[i] for i in dims[:first]])), count(tuple([shape[i] for i in axes]))
        if rows >= _FEW or length < _LARGE // 2:
            return None
        part = part_length(length, _PART)
        if part in (1, length):
            return None
        partial = x.reshape((rows, length // part, part)).reduce(op, 2, False)
        return partial.reduce(op, 1, False).reshape(node.shape).number
    if tuple(dims[: len(axes)]) == axes:  # the first dimensions: parts of columns
        columns, length = (
            count(tuple([shape[i] for i in dims[len(axes) :]])),
            count(tuple([shape[i] for i in axes])),
        )
        if columns > 64 * _FEW // 2 or length < 512:
            return None
        part = part_length(length, max(64, _PART // columns))
        if part in (1, length):
            return None
        partial = x.reshape((length // part, part, columns)).reduce(op, 1, False)
        return partial.reduce(op, 0, False).reshape(node.shape).number
    return None
