"""Pointwise operations: one record each."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import BOOL, COMPLEXES
from ..core.history import Node
from ..core.tensor import Tensor
from .define import Primitive, Rule
from .dispatch import apply, binary, unary

BOTH = (0, 1)


def conj_of(value: Any) -> Any:
    """The complex conjugate of a tensor or number; real ones come back as they are."""
    if isinstance(value, Tensor):
        return conj(value) if value._array.dtype in COMPLEXES else value
    return value.conjugate() if isinstance(value, complex) else value


# --- arithmetic -------------------------------------------------------------------------------------------------------


def _subtract(x: Any, y: Any, out: Any = None) -> Any:
    if x.dtype == BOOL:
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use "
            "the `~` or `logical_not()` operator instead."
        )
    return np.subtract(x, y, out)


def _mul_vjp(g: Tensor, node: Node) -> Any:
    a, b = node.unpack()
    edge_a, edge_b = node.edges
    return (
        None if edge_a is None else g * conj_of(b),
        None if edge_b is None else g * conj_of(a),
    )


def _div_vjp(g: Tensor, node: Node) -> Any:
    a, b = node.unpack()
    edge_a, edge_b = node.edges
    by = g / conj_of(b)
    return (
        None if edge_a is None else by,
        None if edge_b is None else -by * conj_of(a / b),
    )


ADD = Primitive("add", np.add, lambda g, node: (g, g), rule=Rule.PROMOTE)
SUB = Primitive("sub", np.subtract, lambda g, node: (g, None if node.edges[1] is None else -g), rule=Rule.PROMOTE)
MUL = Primitive("mul", np.multiply, _mul_vjp, rule=Rule.PROMOTE, saves=((0, (1,)), (1, (0,))))
DIV = Primitive("div", np.true_divide, _div_vjp, rule=Rule.PROMOTE_FLOAT, saves=((0, (1,)), (1, BOTH)))

add = binary(ADD)
sub = binary(SUB)
mul = binary(MUL)
div = binary(DIV, float_only=True)

neg = unary(Primitive("neg", np.negative, lambda g, node: -g))
exp = unary(
    Primitive("exp", np.exp, lambda g, node: g * conj_of(node.unpack()[0]), rule=Rule.PROMOTE_FLOAT, saves_output=True)
)
conj = unary(Primitive("conj", np.conjugate, lambda g, node: conj_of(g)))
real = unary(Primitive("real", np.real, lambda g, node: g))

METHODS: dict[str, Any] = {
    "__add__": add.operator,
    "__radd__": add.reflected,
    "__iadd__": ADD.inplace,
    "add": ADD.method,
    "add_": ADD.inplace,
    "__sub__": sub.operator,
    "__rsub__": sub.reflected,
    "__isub__": SUB.inplace,
    "sub": SUB.method,
    "sub_": SUB.inplace,
    "__mul__": mul.operator,
    "__rmul__": mul.reflected,
    "__imul__": MUL.inplace,
    "mul": MUL.method,
    "mul_": MUL.inplace,
    "__truediv__": div.operator,
    "__rtruediv__": div.reflected,
    "__itruediv__": DIV.inplace,
    "div": DIV.method,
    "div_": DIV.inplace,
    "__neg__": neg,
    "neg": neg,
    "exp": exp,
    "conj": conj,
}

_ = apply
