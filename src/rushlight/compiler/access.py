"""How a node reads memory: from an operand, through views and broadcasting, to the node whose memory it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir.graph import Kind, Node, Shape, contiguous_strides, count_as
from ..ir.regions import compose, count, is_whole


class Access(NamedTuple):
    """Element ``i`` of an index space of extents ``shape`` is the memory of node ``root`` at ``offset + i · strides``.

    ``dtype``: what the memory is seen as, where that is not the root's dtype; strides and offset are in its elements.
    """

    root: int
    shape: Shape
    strides: Shape
    offset: int
    dtype: np.dtype[Any] | None = None

    def is_identity(self, size: int) -> bool:
        """Whether all ``size`` elements of the root are read, each at its own place."""
        return self.dtype is None and is_whole(self.shape, self.strides, self.offset, size)


def resolve(nodes: Sequence[Node], operand: int, shape: Shape) -> Access:
    """The access of ``operand``, broadcast to ``shape``."""
    own = nodes[operand].shape
    if own == shape:
        strides = contiguous_strides(shape)
    else:
        lead = len(shape) - len(own)
        steps = contiguous_strides(own)
        strides = (0,) * lead + tuple(
            [s if n == m else 0 for n, m, s in zip(own, shape[lead:], steps, strict=True)]
        )
    offset = 0
    dtype = nodes[operand].dtype
    while True:
        node = nodes[operand]
        seen_as = None if node.dtype == dtype else dtype
        if node.kind is not Kind.VIEW:
            return Access(operand, shape, strides, offset, seen_as)
        base = node.operands[0]
        if not is_reshape(nodes, node):
            if seen_as is not None:  # no strides say parts of what is not in one piece
                return Access(operand, shape, strides, offset, seen_as)
            composed = compose(shape, strides, offset, node.shape, *node.attrs)
            if composed is None:
                if not is_whole(shape, strides, offset, node.size):
                    return Access(operand, shape, strides, offset)
                shape, strides, offset = node.shape, *node.attrs
            else:
                strides, offset = composed
        operand = base


def is_reshape(nodes: Sequence[Node], view: Node) -> bool:
    """Whether a VIEW is all of its operand's memory in the same order."""
    base = nodes[view.operands[0]]
    return is_whole(view.shape, view.attrs[0], view.attrs[1], count_as(base.size, base.dtype, view.dtype))


def root_of(nodes: Sequence[Node], number: int) -> int:
    """The node whose memory holds the value of ``number`` in the same order: reshapes have none of their own."""
    while True:
        node = nodes[number]
        if node.kind is not Kind.VIEW:
            return number
        if not is_reshape(nodes, node):
            return number
        number = node.operands[0]


def refined(space: Shape, shape: Shape) -> Shape | None:
    """The coarsest extents of which those of ``space`` and of ``shape`` (of as many elements) are both products.

    None where there are none.

    Example:
        >>> refined((8, 12), (24, 4))
        (8, 3, 4)
    """
    if space == shape:
        return space
    if 0 in space or 0 in shape:
        return None
    result: list[int] = []
    a, b = [n for n in space if n != 1], [n for n in shape if n != 1]
    i = j = 0
    left, right = (a[0] if a else 1), (b[0] if b else 1)
    while i < len(a) and j < len(b):
        # From the front: the products of the extents so far are equal.
        if left == right:
            result.append(left)
            i, j = i + 1, j + 1
            left, right = (a[i] if i < len(a) else 1), (b[j] if j < len(b) else 1)
        elif left > right:
            if left % right:
                return None
            result.append(right)
            left //= right
            j += 1
            right = b[j] if j < len(b) else 1
        else:
            if right % left:
                return None
            result.append(left)
            right //= left
            i += 1
            left = a[i] if i < len(a) else 1
    return tuple(result) if i == len(a) and j == len(b) else None


def split_strides(shape: Shape, strides: Shape, space: Shape) -> Shape:
    """The strides of an access over ``shape`` along the dimensions of ``space``, of which ``shape``'s are products."""
    result: list[int] = []
    position = len(space) - 1
    for extent, stride in zip(reversed(shape), reversed(strides), strict=True):
        while extent != 1:
            n = space[position]
            result.append(stride)
            stride *= n
            extent //= n
            position -= 1
    return tuple(reversed(result))


def dims_of(shape: Shape, axes: Sequence[int], space: Shape) -> frozenset[int]:
    """Which dimensions of ``space`` the ``axes`` of ``shape`` are made of."""
    found = []
    position = len(space) - 1
    for axis in range(len(shape) - 1, -1, -1):
        extent = shape[axis]
        while extent != 1:
            if axis in axes:
                found.append(position)
            extent //= space[position] or 1
            position -= 1
            if not extent:
                break
    return frozenset(found)


__all__ = ["Access", "count", "dims_of", "refined", "resolve", "root_of", "split_strides"]
