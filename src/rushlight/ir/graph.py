"""The tensor graph: what a recording is, and what every pass of the compiler takes and gives.

A ``Graph`` is an immutable list of nodes in an order in which each only refers to earlier ones. Every node has one value:
a contiguous array (C order) of a known shape and dtype. Memory does not appear: a change in place is a new value
(``WRITE``), a view is a value read through strides (``VIEW``), and what must end up in which memory is said by
``Graph.outputs`` alone.

=========  ==========================================================================================================
kind       value
=========  ==========================================================================================================
INPUT      memory that exists before the graph runs, contiguous; ``attrs = (number,)``. Numbers that change from run
           to run (a learning rate) are 0-dim inputs.
CONST      one number, ``attrs = (python number,)``, in ``shape`` (every element the same)
MAP        ``attrs = (ScalarOp,)`` on the operands, which broadcast to ``shape`` as in NumPy and have one dtype
           (WHERE: the first is bool)
CAST       the operand in another dtype
REDUCE     ``attrs = (ReduceOp, axes, keepdims)``: axes sorted, not negative
VIEW       ``attrs = (strides, offset)`` in elements: element ``i`` is the operand's memory at ``offset + i · strides``.
           Complex numbers can be seen as pairs of their parts, and pairs as complex numbers; strides are in elements of
           the result's dtype
WRITE      ``attrs = (shape, strides, offset)``: the first operand with the elements of that region replaced by the
           second operand, which has the region's shape. Regions never name one element twice. The second operand may
           be of the dtype of the first one's parts, or the other way round; strides are in its elements
MATMUL     ``(..., m, k) @ (..., k, n)``, batch dimensions broadcasting; both at least 2-dimensional. With five operands
           ``a, b, c, alpha, beta`` (the last two 0-dim, ``c`` of the result's shape): ``beta · c + alpha · a @ b``
INDEX      ``attrs = (axis,)``: the index along that axis of ``shape``, int64
CALL       ``attrs = (record, literals, parameters)``: a primitive's ``record`` on the operands, with ``literals`` (pairs of
           position and value) among its arguments; ``parameters`` are pairs of name and value. Those with several
           results have ``shape``/``dtype`` None and are read by ITEM.
ITEM       ``attrs = (number,)``: one result of a CALL
=========  ==========================================================================================================
"""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

import numpy as np

Shape = tuple[int, ...]


class Kind(Enum):
    """What a node is. See the module's table."""

    INPUT = 0
    CONST = 1
    MAP = 2
    CAST = 3
    REDUCE = 4
    VIEW = 5
    WRITE = 6
    MATMUL = 7
    CALL = 8
    ITEM = 9
    INDEX = 10

    def __hash__(self) -> int:
        return int(self.value)


class Node(NamedTuple):
    """One value: its kind, the numbers of its operands in ``Graph.nodes``, its parameters, shape and dtype.

    ``site``: where in the program it comes from (``jit.observed.Origin``), noted only for ``explain``.
    """

    kind: Kind
    operands: tuple[int, ...]
    attrs: tuple[Any, ...]
    shape: Shape
    dtype: np.dtype[Any]
    site: Any = None

    @property
    def several(self) -> bool:
        """Whether the node is a CALL with several results, which ITEM nodes read."""
        return self.shape is None

    @property
    def size(self) -> int:
        """The number of elements."""
        size = 1
        for extent in self.shape:
            size *= extent
        return size


class Output(NamedTuple):
    """The value ``node`` must be in memory after the run: that of INPUT ``into``, or fresh memory where it is -1."""

    node: int
    into: int


class Graph(NamedTuple):
    """Nodes, and which of them are wanted. ``inputs``: the node number of each INPUT, in order."""

    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[Output, ...]

    def users(self) -> list[list[int]]:
        """For every node, the nodes that read it (a node that reads it twice is listed twice)."""
        users: list[list[int]] = [[] for _ in self.nodes]
        for number, node in enumerate(self.nodes):
            for operand in node.operands:
                users[operand].append(number)
        return users

    def draw(self) -> str:
        """The graph as SVG: see ``drawing.draw``, which also takes groups."""
        from .drawing import draw

        return draw(self)


def count_as(size: int, dtype: np.dtype[Any], other: np.dtype[Any]) -> int:
    """How many elements of ``other`` are in memory of ``size`` elements of ``dtype``."""
    return size if dtype == other else size * dtype.itemsize // other.itemsize


def contiguous_strides(shape: Shape) -> Shape:
    """The strides in elements of a C-ordered array."""
    strides = []
    step = 1
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return tuple(reversed(strides))
