"""Algebra that changes no bit: constants are computed, steps that change nothing go, views and casts in a row become one.

Sums with 0.0 stay (-0.0 + 0.0 is 0.0) and so do products with 0.0 (nan and inf), except that gradients which fill
different parts of zeros are brought together without the sum: there the sign of a zero may differ.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ir.evaluate import evaluate_node
from ...ir.graph import Graph, Kind, Node, contiguous_strides, count_as
from ...ir.regions import count, is_whole
from ...ir.scalar import ReduceOp, ScalarOp
from ..lowering.builder import GraphBuilder, Value
from .rewrite import rewrite

S = ScalarOp
_OF_PARTS = (S.REAL, S.IMAG, S.COMPLEX)
# From a dtype (by kind and bytes) to those that hold all its numbers.
_HELD = {
    "b1": "b1 u1 i1 i2 i4 i8 f2 V2 f4 f8", "u1": "u1 i2 i4 i8 f2 V2 f4 f8", "i1": "i1 i2 i4 i8 f2 V2 f4 f8",
    "i2": "i2 i4 i8 f4 f8", "i4": "i4 i8 f8", "i8": "i8", "f2": "f2 f4 f8", "V2": "V2 f4 f8", "f4": "f4 f8", "f8": "f8",
}  # fmt: skip


def simplify(graph: Graph) -> Graph:
    """The same graph, with less in it."""
    return rewrite(graph, _rule)


def _rule(b: GraphBuilder, number: int, node: Node, operands: tuple[int, ...]) -> int | None:
    rule = _RULES.get(node.kind)
    return None if rule is None else rule(b, node, operands)


def _number(b: GraphBuilder, operand: int) -> Any:
    """The number that an operand is everywhere, or None."""
    node = b.nodes[operand]
    return node.attrs[0] if node.kind is Kind.CONST else None


def _in_shape(b: GraphBuilder, operand: int, node: Node) -> int:
    value = Value(b, operand)
    return operand if value.shape == node.shape else value.expand(node.shape).number


def _made(b: GraphBuilder, op: ScalarOp, operands: tuple[int, ...], node: Node) -> int:
    return b.add(node._replace(operands=operands, attrs=(op,)))


def _constant(b: GraphBuilder, node: Node, operands: tuple[int, ...]) -> int | None:
    """The node on constants, as a constant."""
    parts = node.kind is Kind.MAP and node.attrs[0] in _OF_PARTS
    if not parts and (node.dtype.kind == "c" or any(b.nodes[i].dtype.kind == "c" for i in operands)):
        return None
    values = [np.asarray(_number(b, i)).astype(b.nodes[i].dtype) for i in operands]
    result = evaluate_node(node._replace(shape=(), operands=operands), values)
    return b.const(result, node.dtype, node.shape).number


def _is(number: Any, wanted: float) -> bool:
    """Whether a constant is this very number; 0.0 is not -0.0."""
    return (
        number is not None
        and number == wanted
        and (wanted != 0 or math.copysign(1, number) == math.copysign(1, wanted))
    )


def _negated(b: GraphBuilder, operand: int) -> int | None:
    node = b.nodes[operand]
    return node.operands[0] if node.kind is Kind.MAP and node.attrs[0] is S.NEG else None


def _map(b: GraphBuilder, node: Node, operands: tuple[int, ...]) -> int | None:
    (op,) = node.attrs
    numbers = [_number(b, i) for i in operands]
    if all(n is not None for n in numbers):
        return _constant(b, node, operands)
    rule = _MAP_RULES.get(op)
    if rule is None or (op not in _OF_PARTS and b.nodes[operands[-1]].dtype.kind == "c"):
        return None
    return rule(b, node, operands, numbers)  # type: ignore[no-any-return]


def _mul(b: GraphBuilder, node: Node, operands: tuple[int, ...], numbers: list[Any]) -> int | None:
    for own, other in ((0, 1), (1, 0)):
        if _is(numbers[other], 1):
            return _in_shape(b, operands[own], node)
        if _is(numbers[other], -1) and node.dtype.kind in "fiV":
            return _made(b, S.NEG, (_in_shape(b, operands[own], node),), node)
        if _is(numbers[other], 0) and node.dtype.kind in "iu":
            return b.const(0, node.dtype, node.shape).number
    return None


def _div(b: GraphBuilder, node: Node, operands: tuple[int, ...], numbers: list[Any]) -> int | None:
    number = numbers[1]
    if _is(number, 1):
        return _in_shape(b, operands[0], node)
    if number and math.isfinite(number) and abs(math.frexp(number)[0]) == 0.5 and 1e-4 < abs(number) < 1e4:
        inverse = b.const(1 / number, node.dtype, b.nodes[operands[1]].shape).number
        return _made(b, S.MUL, (operands[0], inverse), node)
    return None


def _add(b: GraphBuilder, node: Node, operands: tuple[int, ...], numbers: list[Any]) -> int | None:
    for own, other in ((0, 1), (1, 0)):
        if _is(numbers[other], -0.0 if node.dtype.kind in "fV" else 0):
            return _in_shape(b, operands[own], node)
        negated = _negated(b, operands[other])
        if negated is not None:
            return _made(b, S.SUB, (operands[own], negated), node)
    return _joined_parts(b, node, operands)


def _sub(b: GraphBuilder, node: Node, operands: tuple[int, ...], numbers: list[Any]) -> int | None:
    if _is(numbers[1], 0.0):
        return _in_shape(b, operands[0], node)
    negated = _negated(b, operands[1])
    return None if negated is None else _made(b, S.ADD, (operands[0], negated), node)


def _neg(b: GraphBuilder, node: Node, operands: tuple[int, ...], numbers: list[Any]) -> int | None:
    return _negated(b, operands[0])


def _not(b: GraphBuilder, node: Node, operands: tuple[int, ...], numbers: list[Any]) -> int | None:
    inner = b.nodes[operands[0]]
    return inner.operands[0] if inner.kind is Kind.MAP and inner.attrs[0] is S.NOT else None


def _where(b: GraphBuilder, node: Node, operands: tuple[int, ...], numbers: list[Any]) -> int | None:
    if numbers[0] is not None:
        return _in_shape(b, operands[1 if numbers[0] else 2], node)
    if operands[1] == operands[2]:
        return _in_shape(b, operands[1], node)
    return None


def _part(which: int) -> Any:
    def rule(b: GraphBuilder, node: Node, operands: tuple[int, ...], numbers: list[Any]) -> int | None:
        inner = b.nodes[operands[0]]
        if inner.kind is Kind.MAP and inner.attrs[0] is S.COMPLEX:
            return _in_shape(b, inner.operands[which], node)
        if inner.kind is Kind.VIEW and b.nodes[inner.operands[0]].dtype == inner.dtype:
            made = b.nodes[inner.operands[0]]
            if (
                made.kind is Kind.MAP and made.attrs[0] is S.COMPLEX
            ):  # a view of a part: that of the complex number goes
                part = Value(b, _in_shape(b, made.operands[which], made._replace(dtype=node.dtype)))
                return part.view(inner.shape, *inner.attrs).number
        return None

    return rule


def _whole(b: GraphBuilder, node: Node, operands: tuple[int, ...], numbers: list[Any]) -> int | None:
    """A complex number made of the parts of one."""
    real, imag = [b.nodes[i] for i in operands]
    if real.kind is not Kind.MAP or imag.kind is not Kind.MAP or real.operands != imag.operands:
        return None
    if (real.attrs[0], imag.attrs[0]) != (S.REAL, S.IMAG) or real.shape != node.shape:
        return None
    return real.operands[0]


def _same_twice(b: GraphBuilder, node: Node, operands: tuple[int, ...], numbers: list[Any]) -> int | None:
    return operands[0] if operands[0] == operands[1] else None


def _logic(neutral: bool) -> Any:
    def rule(b: GraphBuilder, node: Node, operands: tuple[int, ...], numbers: list[Any]) -> int | None:
        if operands[0] == operands[1]:
            return operands[0]
        if node.dtype.kind == "b":
            for own, other in ((0, 1), (1, 0)):
                if numbers[other] is neutral:
                    return _in_shape(b, operands[own], node)
                if numbers[other] is (not neutral):
                    return b.const(not neutral, node.dtype, node.shape).number
        return None

    return rule


def _less(b: GraphBuilder, node: Node, operands: tuple[int, ...], numbers: list[Any]) -> int | None:
    """``0 < x`` where ``max(x, 0)`` is there: asked of that, so that x need not be kept for backward."""
    if numbers[0] == 0 and b.nodes[operands[1]].shape == node.shape:
        x = b.nodes[operands[1]]
        rectified = b.known(Node(Kind.MAP, (operands[1], operands[0]), (S.MAXIMUM,), x.shape, x.dtype))
        if rectified is not None:
            return _made(b, S.LESS, (operands[0], rectified), node)
    return None


_MAP_RULES: dict[ScalarOp, Any] = {
    S.MUL: _mul,
    S.DIV: _div,
    S.ADD: _add,
    S.SUB: _sub,
    S.NEG: _neg,
    S.NOT: _not,
    S.WHERE: _where,
    S.MAXIMUM: _same_twice,
    S.MINIMUM: _same_twice,
    S.AND: _logic(True),
    S.OR: _logic(False),
    S.LESS: _less,
    S.REAL: _part(0),
    S.IMAG: _part(1),
    S.COMPLEX: _whole,
}


def _cast(b: GraphBuilder, node: Node, operands: tuple[int, ...]) -> int | None:
    inner = b.nodes[operands[0]]
    if inner.dtype == node.dtype:
        return operands[0]
    if inner.kind is Kind.CONST:
        return _constant(b, node, operands)
    if inner.kind is Kind.CAST:
        source = b.nodes[inner.operands[0]]
        if _letters(inner.dtype) in _HELD.get(_letters(source.dtype), "").split():
            if source.dtype == node.dtype:
                return inner.operands[0]
            return b.add(node._replace(operands=inner.operands))
    return None


def _letters(dtype: np.dtype[Any]) -> str:
    return f"{dtype.kind}{dtype.itemsize}"


def _reduce(b: GraphBuilder, node: Node, operands: tuple[int, ...]) -> int | None:
    op, axes, _ = node.attrs
    inner = b.nodes[operands[0]]
    number = count(tuple([inner.shape[i] for i in axes]))
    if number == 1:
        return Value(b, operands[0]).reshape(node.shape).number
    constant = _number(b, operands[0])
    if constant is not None and number and node.dtype.kind in "fiub":
        if op in (ReduceOp.MAX, ReduceOp.MIN):
            return b.const(constant, node.dtype, node.shape).number
        if op is ReduceOp.SUM and node.dtype.kind == "f":
            return b.const(float(constant) * number, node.dtype, node.shape).number
    return None


def _view(b: GraphBuilder, node: Node, operands: tuple[int, ...]) -> int | None:
    strides, offset = node.attrs
    inner = b.nodes[operands[0]]
    written = inner.kind is Kind.WRITE and inner.attrs == (node.shape, strides, offset)
    if written and b.nodes[inner.operands[1]].dtype == node.dtype:
        return inner.operands[1]  # what was just written there
    return Value(b, operands[0]).view(node.shape, strides, offset, node.dtype).number


def _write(b: GraphBuilder, node: Node, operands: tuple[int, ...]) -> int | None:
    base, value = operands
    shape, strides, offset = node.attrs
    if not count(shape):
        return base
    inner = b.nodes[value]
    if is_whole(shape, strides, offset, count_as(node.size, node.dtype, inner.dtype)):
        return Value(b, value).view(node.shape, contiguous_strides(node.shape), 0, node.dtype).number
    if inner.kind is Kind.VIEW and inner.operands[0] == base and inner.attrs == (strides, offset):
        return base
    below = b.nodes[base]
    if (
        below.kind is Kind.WRITE
        and below.attrs == node.attrs
        and b.nodes[below.operands[1]].dtype == inner.dtype
    ):
        return b.add(node._replace(operands=(below.operands[0], value)))
    return None


# --- gradients of parts -----------------------------------------------------------------------------------------------


def _parts(b: GraphBuilder, number: int) -> list[Node] | None:
    """The WRITEs that fill parts of zeros, in order; None where the node is no such thing."""
    found: list[Node] = []
    while b.nodes[number].kind is Kind.WRITE:
        if b.nodes[b.nodes[number].operands[1]].dtype != b.nodes[number].dtype:
            return None
        found.append(b.nodes[number])
        number = b.nodes[number].operands[0]
    node = b.nodes[number]
    if found and node.kind is Kind.CONST and node.attrs[0] == 0:
        return found[::-1]
    return None


def _slab(part: Node) -> tuple[int, int, int] | None:
    """The axis, beginning and length of a region that is whole in all other dimensions."""
    shape, steps, offset = part.attrs
    strides = contiguous_strides(part.shape)
    if len(shape) != len(part.shape):
        return None
    axes = [i for i, (n, m) in enumerate(zip(shape, part.shape, strict=True)) if n != m]
    if len(axes) != 1 or any(s != t and n != 1 for n, s, t in zip(shape, steps, strides, strict=True)):
        return None
    axis = axes[0]
    if offset % strides[axis]:
        return None
    return axis, offset // strides[axis], shape[axis]


def _joined_parts(b: GraphBuilder, node: Node, operands: tuple[int, ...]) -> int | None:
    """The sum of zeros with some parts filled and zeros with other parts filled: zeros with all of them filled."""
    if any(b.nodes[i].shape != node.shape or b.nodes[i].kind is not Kind.WRITE for i in operands):
        return None
    first, second = _parts(b, operands[0]), _parts(b, operands[1])
    if first is None or second is None:
        return None
    slabs = [_slab(part) for part in (*first, *second)]
    taken: list[tuple[int, int]] = []
    axes = set()
    for slab in slabs:
        if slab is None:
            return None
        axis, start, length = slab
        axes.add(axis)
        if any(start < end and begin < start + length for begin, end in taken):
            return None
        taken.append((start, start + length))
    if len(axes) != 1:
        return None
    result = operands[0]
    for part in second:
        result = b.add(part._replace(operands=(result, part.operands[1])))
    return result


_RULES: dict[Kind, Any] = {
    Kind.MAP: _map,
    Kind.CAST: _cast,
    Kind.REDUCE: _reduce,
    Kind.VIEW: _view,
    Kind.WRITE: _write,
}
