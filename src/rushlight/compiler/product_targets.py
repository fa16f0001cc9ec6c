"""Matrix products written straight to where their elements are wanted: a permuted copy, or a part of another array."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ..ir.graph import Kind, Node, Shape, contiguous_strides
from ..ir.regions import count
from .access import refined, resolve, split_strides


class Target(NamedTuple):
    """Where a product's elements go: strides and offset, in elements, in the memory of ``node``."""

    node: int
    strides: Shape
    offset: int


def accumulated(nodes: Sequence[Node], node: Node) -> int | None:
    """The operand whose memory a MATMUL adds to; None where it only writes."""
    if node.kind is not Kind.MATMUL or len(node.operands) < 5:
        return None
    beta = nodes[node.operands[4]]
    return None if beta.kind is Kind.CONST and beta.attrs[0] == 0 else node.operands[2]


def target_of(nodes: Sequence[Node], product: int, reader: int) -> Target | None:
    """How to write ``product`` so that ``reader``, a VIEW or a WRITE of all of it, is done by that. None where it can't."""
    node, result = nodes[reader], nodes[product]
    if node.kind is Kind.WRITE:
        shape, strides, offset = node.attrs
        access = resolve(nodes, node.operands[1], shape)
    else:
        shape, strides, offset = node.shape, contiguous_strides(node.shape), 0
        access = resolve(nodes, reader, shape)
    if access.root != product or access.offset or access.dtype or count(shape) != result.size:
        return None
    space = refined(tuple([n for n in shape if n != 1]), tuple([n for n in access.shape if n != 1]))
    if space is None:
        return None
    source = split_strides(access.shape, access.strides, space)
    target = split_strides(shape, strides, space)
    found = []
    for extent, step in zip(result.shape, contiguous_strides(result.shape), strict=True):
        dims = sorted(
            [d for d, s in enumerate(source) if step <= s < step * extent], key=lambda d: -source[d]
        )
        size = 1
        for d in dims:
            size *= space[d]
        if size != extent:
            return None
        for d, e in pairwise(dims):
            if target[d] != target[e] * space[e] or source[d] != source[e] * space[e]:
                return None
        if dims and source[dims[-1]] != step:
            return None
        found.append(target[dims[-1]] if dims else 0)
    rows, columns = result.shape[-2:]
    if not ((found[-1] == 1 or columns == 1) or (found[-2] == 1 or rows == 1)):
        return None
    return Target(reader, tuple(found), offset)
