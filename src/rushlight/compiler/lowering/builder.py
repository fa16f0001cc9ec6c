"""Making graphs: a list of nodes without duplicates, and values with operators for writing formulas.

Example::

    b = GraphBuilder()
    x = b.input((2, 3), float32)
    y = (x - x.max(1)).exp()
    graph = b.graph([y / y.sum(1)])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...ir.graph import Graph, Kind, Node, Output, Shape, contiguous_strides, count_as
from ...ir.regions import compose, count, is_whole
from ...ir.scalar import PART, ReduceOp, ScalarOp, result_dtype

BOOL, F32, F64, I64 = np.dtype(bool), np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)
# In boolean arithmetic a sum is "or" and a product is "and".
_ON_BOOLS = {
    ScalarOp.ADD: ScalarOp.OR,
    ScalarOp.MUL: ScalarOp.AND,
    ScalarOp.MAXIMUM: ScalarOp.OR,
    ScalarOp.MINIMUM: ScalarOp.AND,
}


class GraphBuilder:
    """Nodes in order, each only once (effects excepted). ``site`` is given to every node that is added."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.inputs: list[int] = []
        self.site: Any = None
        self.checked: set[int] = set()  # values that a check looks at already
        self._known: dict[Any, int] = {}

    def add(self, node: Node) -> int:
        """The number of ``node``, which may have been there before."""
        key = key_of(node)
        if key is None:
            self.nodes.append(node)
            return len(self.nodes) - 1
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = len(self.nodes)
            self.nodes.append(node)
        return number

    def known(self, node: Node) -> int | None:
        """The number of a node like this, if there is one."""
        return self._known.get(key_of(node))

    def make(
        self, kind: Kind, operands: tuple[int, ...], attrs: tuple[Any, ...], shape: Shape, dtype: Any
    ) -> Value:
        """A node as a value."""
        return Value(self, self.add(Node(kind, operands, attrs, shape, dtype, self.site)))

    def value(self, number: int) -> Value:
        return Value(self, number)

    def input(self, shape: Shape, dtype: Any) -> Value:
        """The next input."""
        number = len(self.nodes)
        self.nodes.append(Node(Kind.INPUT, (), (len(self.inputs),), shape, np.dtype(dtype), self.site))
        self.inputs.append(number)
        return Value(self, number)

    def const(self, number: Any, dtype: Any, shape: Shape = ()) -> Value:
        """One number everywhere."""
        dtype = np.dtype(dtype)
        return self.make(Kind.CONST, (), (_python_number(number, dtype),), shape, dtype)

    def index(self, shape: Shape, axis: int) -> Value:
        """The index along ``axis``."""
        return self.make(Kind.INDEX, (), (axis,), shape, I64)

    def map(self, op: ScalarOp, *operands: Value) -> Value:
        """A pointwise operation on values of one dtype."""
        shape: Shape = operands[0].shape
        for operand in operands[1:]:
            if operand.shape != shape:
                shape = tuple(np.broadcast_shapes(*[x.shape for x in operands]))
                break
        dtype = operands[-1].dtype
        if dtype == BOOL:
            op = _ON_BOOLS.get(op, op)
        return self.make(Kind.MAP, tuple([x.number for x in operands]), (op,), shape, result_dtype(op, dtype))

    def where(self, condition: Value, x: Value, y: Value) -> Value:
        return self.map(ScalarOp.WHERE, condition, x, y)

    def graph(self, outputs: Iterable[Any]) -> Graph:
        """The graph with these values (or pairs of a value and the input that it goes into) as outputs."""
        wanted = []
        for output in outputs:
            value, into = output if isinstance(output, tuple) else (output, -1)
            wanted.append(Output(value.number, into))
        return Graph(tuple(self.nodes), tuple(self.inputs), tuple(wanted))


def has_effects(node: Node) -> bool:
    """Whether a node does more than give a value: draws random numbers, for example. A record says so by ``effects``."""
    return node.kind is Kind.CALL and bool(getattr(node.attrs[0], "effects", False))


def key_of(node: Node) -> Any:
    """What two nodes of one value have in common; None for a node that is like no other."""
    kind = node.kind
    if kind is Kind.CONST:
        return kind, repr(node.attrs[0]), node.shape, node.dtype  # 0.0 and -0.0 are equal, as numbers
    if kind is Kind.INPUT or has_effects(node):
        return None
    key = kind, node.operands, node.attrs, node.shape, node.dtype
    if kind is Kind.CALL:
        if not node.operands:
            return None
        try:
            hash(key)
        except TypeError:
            return None
    return key


def _python_number(number: Any, dtype: np.dtype[Any]) -> Any:
    if isinstance(number, np.generic | np.ndarray):
        number = number.item()
    if dtype.kind == "b":
        return bool(number)
    if dtype.kind in "iu":
        return int(number)
    return complex(number) if dtype.kind == "c" else float(number)


class Value:
    """A node under construction. Numbers among operands become constants of the value's dtype."""

    __slots__ = ("b", "number")

    def __init__(self, builder: GraphBuilder, number: int) -> None:
        self.b = builder
        self.number = number

    @property
    def node(self) -> Node:
        return self.b.nodes[self.number]

    @property
    def shape(self) -> Shape:
        return self.b.nodes[self.number].shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.b.nodes[self.number].dtype

    def like(self, other: Any) -> Value:
        """``other``, a value or a number, as a value."""
        return other if isinstance(other, Value) else self.b.const(other, self.dtype)

    def number_or_none(self) -> Any:
        """The number that this is everywhere, if it is a constant."""
        return self.node.attrs[0] if self.node.kind is Kind.CONST else None

    # --- pointwise ----------------------------------------------------------------------------------------------------

    def map(self, op: ScalarOp, *others: Any) -> Value:
        return self.b.map(op, self, *[self.like(other) for other in others])

    def __add__(self, other: Any) -> Value:
        return self.map(ScalarOp.ADD, other)

    def __sub__(self, other: Any) -> Value:
        return self.map(ScalarOp.SUB, other)

    def __mul__(self, other: Any) -> Value:
        return self.map(ScalarOp.MUL, other)

    def __truediv__(self, other: Any) -> Value:
        return self.map(ScalarOp.DIV, other)

    def __radd__(self, other: Any) -> Value:
        return self.like(other).map(ScalarOp.ADD, self)

    def __rsub__(self, other: Any) -> Value:
        return self.like(other).map(ScalarOp.SUB, self)

    def __rmul__(self, other: Any) -> Value:
        return self.like(other).map(ScalarOp.MUL, self)

    def __rtruediv__(self, other: Any) -> Value:
        return self.like(other).map(ScalarOp.DIV, self)

    def __neg__(self) -> Value:
        return self.map(ScalarOp.NEG)

    def __and__(self, other: Any) -> Value:
        return self.map(ScalarOp.AND, other)

    def __or__(self, other: Any) -> Value:
        return self.map(ScalarOp.OR, other)

    def __invert__(self) -> Value:
        return self.map(ScalarOp.NOT)

    def less(self, other: Any) -> Value:
        return self.map(ScalarOp.LESS, other)

    def greater(self, other: Any) -> Value:
        return self.like(other).map(ScalarOp.LESS, self)

    def equal(self, other: Any) -> Value:
        return self.map(ScalarOp.EQUAL, other)

    def differs(self, other: Any) -> Value:
        return self.map(ScalarOp.NOT_EQUAL, other)

    def is_nan(self) -> Value:
        if self.dtype.kind in "iub":
            return self.b.const(False, BOOL, self.shape)
        return self.map(ScalarOp.IS_NAN)

    def exp(self) -> Value:
        return self.map(ScalarOp.EXP)

    def log(self) -> Value:
        return self.map(ScalarOp.LOG)

    def sqrt(self) -> Value:
        return self.map(ScalarOp.SQRT)

    def abs(self) -> Value:
        return self.map(ScalarOp.ABS)

    def maximum(self, other: Any) -> Value:
        return self.map(ScalarOp.MAXIMUM, other)

    def minimum(self, other: Any) -> Value:
        return self.map(ScalarOp.MINIMUM, other)

    def cast(self, dtype: Any) -> Value:
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        if self.dtype.kind == "c":
            real, imag = self.parts()
            if dtype.kind == "c":
                return real.cast(PART[dtype]).map(ScalarOp.COMPLEX, imag.cast(PART[dtype]))
            return real.cast(BOOL) | imag.cast(BOOL) if dtype == BOOL else real.cast(dtype)
        if dtype.kind == "c":
            real = self.cast(PART[dtype])
            return real.map(ScalarOp.COMPLEX, 0.0)
        return self.b.make(Kind.CAST, (self.number,), (), self.shape, dtype)

    def parts(self) -> tuple[Value, Value]:
        """The real and the imaginary part of complex numbers."""
        node = self.node
        if node.kind is Kind.CONST:
            number, part = node.attrs[0], PART[node.dtype]
            return self.b.const(number.real, part, node.shape), self.b.const(number.imag, part, node.shape)
        if node.kind is Kind.MAP and node.attrs[0] is ScalarOp.COMPLEX:
            found = [Value(self.b, operand) for operand in node.operands]
            real, imag = [x if x.shape == node.shape else x.expand(node.shape) for x in found]
            return real, imag
        return self.map(ScalarOp.REAL), self.map(ScalarOp.IMAG)

    # --- reductions ---------------------------------------------------------------------------------------------------

    def reduce(self, op: ReduceOp, axes: Any = None, keepdims: bool = True) -> Value:
        """Over ``axes`` (an int, several, or None: all); the reduced dimensions stay unless ``keepdims`` is False."""
        shape = self.shape
        if axes is None:
            axes = range(len(shape))
        elif isinstance(axes, int):
            axes = (axes,)
        axes = tuple(sorted({axis % len(shape) for axis in axes}))
        if not axes:
            return self
        reduced = tuple([1 if i in axes else n for i, n in enumerate(shape) if keepdims or i not in axes])
        return self.b.make(Kind.REDUCE, (self.number,), (op, axes, keepdims), reduced, self.dtype)

    def sum(self, axes: Any = None, keepdims: bool = True) -> Value:
        return self.reduce(ReduceOp.SUM, axes, keepdims)

    def max(self, axes: Any = None, keepdims: bool = True) -> Value:
        return self.reduce(ReduceOp.MAX, axes, keepdims)

    # --- movement -----------------------------------------------------------------------------------------------------

    def view(self, shape: Shape, strides: Shape, offset: int = 0, dtype: Any = None) -> Value:
        """Elements of this value's contiguous memory; views of views are brought back to what they are views of.

        ``dtype``: what the memory is seen as: complex numbers as their parts, or the other way round.
        """
        number, node = self.number, self.node
        dtype = dtype or node.dtype
        while True:
            same = node.dtype == dtype
            if same and node.shape == shape and is_whole(shape, strides, offset, node.size):
                return Value(self.b, number)
            if node.kind is Kind.CONST and same:
                return self.b.const(node.attrs[0], node.dtype, shape)
            if node.kind is not Kind.VIEW:
                break
            parent = self.b.nodes[node.operands[0]]
            if same:
                composed = compose(shape, strides, offset, node.shape, *node.attrs)
                if composed is None:
                    break
                strides, offset = composed
            elif not is_whole(
                node.shape, node.attrs[0], node.attrs[1], count_as(parent.size, parent.dtype, node.dtype)
            ):
                break
            number, node = node.operands[0], parent
        if node.dtype != dtype:
            return Value(self.b, number)._seen_as(shape, strides, offset, dtype)
        return self.b.make(Kind.VIEW, (number,), (strides, offset), shape, dtype)

    def _seen_as(self, shape: Shape, strides: Shape, offset: int, dtype: Any) -> Value:
        """A view of this value's memory as another dtype."""
        if dtype.kind == "c":
            pair = self._written_parts(shape, strides, offset)
            if pair is not None:
                return pair[0].map(ScalarOp.COMPLEX, pair[1])
            if self.node.kind is Kind.CONST:
                number = self.node.attrs[0]
                return self.b.const(complex(number, number), dtype, shape)
        elif all(n == 1 or s % 2 == 0 for n, s in zip(shape, strides, strict=True)):
            part = ScalarOp.IMAG if offset % 2 else ScalarOp.REAL
            halves = tuple([0 if n == 1 else s // 2 for n, s in zip(shape, strides, strict=True)])
            whole = self.view(shape, halves, offset // 2)
            return whole.parts()[part is ScalarOp.IMAG]
        elif self.node.kind is Kind.CONST:
            place = self.b.const(offset, I64)
            for axis, stride in enumerate(strides):
                place = place + self.b.index(shape, axis) * stride
            real, imag = [self.b.const(x, dtype) for x in (self.node.attrs[0].real, self.node.attrs[0].imag)]
            return self.b.where((place & 1).equal(0), real, imag)
        return self.b.make(Kind.VIEW, (self.number,), (strides, offset), shape, dtype)

    def _written_parts(self, shape: Shape, strides: Shape, offset: int) -> tuple[Value, Value] | None:
        """The parts of what is seen as complex numbers, where they were just written into zeros: what the gradient of a part
        is."""
        node = self.node
        size = count(shape)
        if node.size != 2 * size or not is_whole(shape, strides, offset, size):
            return None
        found: dict[int, Value] = {}
        while node.kind is Kind.WRITE:
            region, steps, start = node.attrs
            value = Value(self.b, node.operands[1])
            if value.dtype != node.dtype or start not in (0, 1) or count(region) != size:
                return None
            if any(s % 2 for n, s in zip(region, steps, strict=True) if n != 1):
                return None
            halves = tuple([0 if n == 1 else s // 2 for n, s in zip(region, steps, strict=True)])
            if not is_whole(region, halves, 0, size):
                return None
            found.setdefault(start, value.reshape(shape))
            node = self.b.nodes[node.operands[0]]
        if not found or (len(found) < 2 and node.kind is not Kind.CONST):
            return None
        rest = self.b.const(node.attrs[0], node.dtype, shape) if node.kind is Kind.CONST else None
        real, imag = found.get(0, rest), found.get(1, rest)
        assert real is not None and imag is not None
        return real, imag

    def reshape(self, shape: Shape) -> Value:
        return self.view(shape, contiguous_strides(shape))

    def expand(self, shape: Shape) -> Value:
        """Broadcast to ``shape``."""
        own = contiguous_strides(self.shape)
        lead = len(shape) - len(own)
        strides = [0] * lead
        for n, extent, stride in zip(self.shape, shape[lead:], own, strict=True):
            strides.append(stride if n == extent and n != 1 else 0)
        return self.view(shape, tuple(strides))

    def permute(self, dims: Sequence[int]) -> Value:
        own = contiguous_strides(self.shape)
        return self.view(tuple([self.shape[i] for i in dims]), tuple([own[i] for i in dims]))

    def transpose(self) -> Value:
        """The last two dimensions swapped."""
        n = len(self.shape)
        return self.permute((*range(n - 2), n - 1, n - 2))

    def write(self, value: Value, strides: Shape, offset: int = 0) -> Value:
        """This with a region, in elements of ``value``'s dtype, replaced by ``value``."""
        return self.b.make(
            Kind.WRITE, (self.number, value.number), (value.shape, strides, offset), self.shape, self.dtype
        )

    def matmul(self, other: Value) -> Value:
        """A matrix product; many matrices with one are one product of more rows."""
        a, b = self, other
        lead = a.shape[:-2]
        if lead and count(b.shape[:-2]) == 1 and len(b.shape) <= len(a.shape):
            rows = a.reshape((count(a.shape[:-1]), a.shape[-1]))
            flat = rows.matmul(b.reshape(b.shape[-2:]))
            return flat.reshape((*a.shape[:-1], b.shape[-1]))
        batch = tuple(np.broadcast_shapes(lead, b.shape[:-2]))
        shape = (*batch, a.shape[-2], b.shape[-1])
        return self.b.make(Kind.MATMUL, (a.number, b.number), (), shape, a.dtype)
