"""What is known of each kernel of a program: its nodes and lines, operations, traffic and arithmetic.

A kernel here is what one step of the plan runs: a loop over fused operations, a matrix product, a primitive's own kernel (of
one launch or of several), a copy, or a call of a Python function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..compiler.emit import Line
from ..compiler.groups import matrix_access
from ..compiler.launch import HostLaunch, Launch
from ..core.storage import Site, line_of
from ..ir.graph import Graph, Kind, Node
from ..ir.loops import RowKernel


class SourceLine(NamedTuple):
    """A line of the program. ``gradient_of``: the line of the operation whose gradient is computed, if it is one."""

    file: str
    number: int
    function: str
    text: str
    gradient_of: SourceLine | None = None

    def __str__(self) -> str:
        own = f"{self.file}:{self.number}  {self.text}".rstrip()
        of = self.gradient_of
        if of is None:
            return own
        where = f"line {of.number}" if of.file == self.file else f"{of.file}:{of.number}"
        return f"{own}  [gradient of {where}: {of.text}]"


class Facts(NamedTuple):
    """A kernel. ``launches``: its lines in the plan, from ``first`` on; ``read`` and ``written``: bytes, each array once.

    ``exact``: whether ``flops`` is the number of multiplications and additions; else it is an estimate, in which division,
    roots and functions such as exp count 16.
    """

    name: str
    form: str
    nodes: tuple[int, ...]
    operations: tuple[str, ...]
    lines: tuple[SourceLine, ...]
    first: int
    launches: tuple[Launch | HostLaunch, ...]
    read: int
    written: int
    flops: int
    exact: bool
    dtype: Any
    overlaps: bool


def facts_of(graph: Graph, lines: Sequence[Line]) -> list[Facts]:
    """The kernels behind the lines of a plan for ``graph`` (the graph after all passes)."""
    found = []
    start = 0
    while start < len(lines):
        stop = start + 1
        if _several(lines[start]):
            while stop < len(lines) and _several(lines[stop]) and lines[stop].nodes == lines[start].nodes:
                stop += 1
        found.append(_facts(graph, start, lines[start:stop]))
        start = stop
    return found


def _several(line: Line) -> bool:
    """Whether the line may be one of several launches for one node."""
    return line.kernel is None and bool(line.nodes) and isinstance(line.line, Launch)


def _facts(graph: Graph, first: int, lines: Sequence[Line]) -> Facts:
    line = lines[0]
    launches = tuple([one.line for one in lines])
    nodes = [graph.nodes[i] for i in line.nodes]
    origins = dict.fromkeys([node.site for node in nodes if node.site is not None])
    read, written = _traffic(graph, line)
    flops = sum([launch.flops for launch in launches if isinstance(launch, Launch)])
    form = _form(line, nodes)
    exact = form == "matrix product"
    if exact:
        flops = sum([_product_flops(graph, node) for node in nodes if node.kind is Kind.MATMUL])
    operations = tuple([text for node in nodes if (text := _operation(graph, node))])
    first_launch = launches[0]
    return Facts(
        _name(form, first_launch.label, operations),
        form,
        line.nodes,
        operations,
        tuple(dict.fromkeys([found for origin in origins if (found := source_line(origin)) is not None])),
        first,
        launches,
        read,
        written,
        flops,
        exact,
        next((node.dtype for node in nodes if not node.several), np.dtype(np.float32)),
        isinstance(first_launch, Launch) and first_launch.overlaps,
    )


def source_line(origin: Any) -> SourceLine | None:
    """The line behind a node's ``Origin``."""
    line = _at(origin.line)
    if line is None:
        return None
    forward = _at(origin.forward)
    return line if forward is None else line._replace(gradient_of=forward)


def _at(site: Site | None) -> SourceLine | None:
    if site is None:
        return None
    import linecache

    code, number = site[0], line_of(site)
    text = linecache.getline(code.co_filename, number).strip()
    return SourceLine(code.co_filename, number, code.co_name, text)


def _form(line: Line, nodes: Sequence[Node]) -> str:
    if isinstance(line.line, HostLaunch):
        return "Python call"
    if not nodes or line.line.label in ("copy", "fill"):
        return "copy" if line.line.label == "copy" else "fill"
    if any(node.kind is Kind.MATMUL for node in nodes) and line.kernel is None:
        return "matrix product"
    if line.kernel is None:
        return "kernel of its own"
    return "loop over rows" if isinstance(line.kernel, RowKernel) else "loop over columns"


def _name(form: str, label: str, operations: Sequence[str]) -> str:
    if form in ("copy", "fill") or not operations:
        return label or form
    text = ", ".join(operations[:6])
    return text if len(operations) <= 6 else f"{text}, … ({len(operations)})"


def _operation(graph: Graph, node: Node) -> str:
    """What a node does, in a word or two; nothing for those that only read."""
    if node.kind in (Kind.MAP, Kind.REDUCE):
        return repr(node.attrs[0])
    if node.kind is Kind.MATMUL:
        m, n = node.shape[-2:]
        k = graph.nodes[node.operands[0]].shape[-1]
        batch = "".join([f"{extent}×" for extent in node.shape[:-2]])
        added = "" if len(node.operands) == 2 else ", scaled and added"
        return f"matmul {batch}({m}×{k} @ {k}×{n}){added}"
    if node.kind is Kind.CALL:
        return str(node.attrs[0].name)
    if node.kind is Kind.CAST:
        return f"to {node.dtype}"
    return "write part" if node.kind is Kind.WRITE else ""


def _product_flops(graph: Graph, node: Node) -> int:
    return 2 * node.size * graph.nodes[node.operands[0]].shape[-1]


def _size(node: Node) -> int:
    return 0 if node.several else int(node.size * node.dtype.itemsize)


def _traffic(graph: Graph, line: Line) -> tuple[int, int]:
    """Bytes read and written, each array counted once however often the kernel comes back to it."""
    launch = line.line
    if isinstance(launch, HostLaunch):
        return _described(launch.operands), _described(launch.results)
    if line.kernel is not None:
        return _loop_traffic(line.kernel, launch)
    nodes = [graph.nodes[i] for i in line.nodes]
    if not nodes:
        return (launch.bytes // 2, launch.bytes // 2) if launch.label == "copy" else (0, launch.bytes)
    for node in nodes:
        if node.kind is Kind.MATMUL:
            read = sum([_touched(graph, operand) for operand in node.operands[:2]])
            if len(node.operands) == 5:
                beta = graph.nodes[node.operands[4]]
                if not (beta.kind is Kind.CONST and beta.attrs[0] == 0):
                    read += _size(node)
            return read, _size(node)
    first = nodes[0]
    return sum([_touched(graph, i) for i in first.operands]), sum([_size(node) for node in nodes])


def _touched(graph: Graph, operand: int) -> int:
    """The bytes of an operand: of one that is repeated by strides of 0, those that exist."""
    node = graph.nodes[operand]
    if node.several or not node.shape:
        return _size(node)
    access = matrix_access(graph.nodes, operand)
    size = node.dtype.itemsize
    for extent, stride in zip(access.shape, access.strides, strict=True):
        size *= extent if stride else 1
    return int(size)


def _loop_traffic(kernel: Any, launch: Launch) -> tuple[int, int]:
    arguments = kernel.arguments
    dims = len(launch.ints) // (1 + len(arguments))
    extents = launch.ints[:dims]
    read = written = 0
    for number, argument in enumerate(arguments, 1):
        size = argument.dtype.itemsize
        for extent, stride in zip(extents, launch.ints[number * dims : (number + 1) * dims], strict=True):
            size *= extent if stride else 1
        if argument.written:
            written += size
        else:
            read += size
    return read, written


def _described(arrays: Sequence[tuple[Any, tuple[int, ...], Any]]) -> int:
    total = 0
    for _, shape, dtype in arrays:
        size = np.dtype(dtype).itemsize
        for extent in shape:
            size *= extent
        total += size
    return total
