"""Vector mathematics in LLVM IR: exp, log, tanh and so on for any number of lanes of float32 or float64.

Every function is right for infinities, NaN, zeros of both signs and subnormal numbers, and gives the same bits for any
number of lanes. ``ACCURACY`` says how far results are from the exact ones at most, in units in the last place as the
tests measured them; ``tests/compiler/test_vector_math.py`` holds them to it. Rarely used float32 functions are computed in
float64 and rounded once. Only sines, cosines and tangents of very large angles (float32: 131072; float64 and tan: 2**30)
call the C library, lane by lane.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ...ir.scalar import ScalarOp
from . import vector_float32, vector_float64, vector_trigonometry
from .loop_text import Body, Type, Value

S = ScalarOp

# float32 in float32
_FLOAT32: Final[dict[ScalarOp, Callable[..., Value]]] = {
    S.EXP: vector_float32.exp,
    S.EXP2: vector_float32.exp2,
    S.EXPM1: vector_float32.expm1,
    S.LOG: vector_float32.log,
    S.LOG1P: vector_float32.log1p,
    S.TANH: vector_float32.tanh,
    S.SIGMOID: vector_float32.sigmoid,
    S.SIN: vector_float32.sin,
    S.COS: vector_float32.cos,
    S.ERF: vector_float32.erf,
}
# float64, and float32 in float64
_FLOAT64: Final[dict[ScalarOp, Callable[..., Value]]] = {
    S.EXP: vector_float64.exp,
    S.EXP2: vector_float64.exp2,
    S.EXPM1: vector_float64.expm1,
    S.LOG: vector_float64.log,
    S.LOG2: vector_float64.log2,
    S.LOG10: vector_float64.log10,
    S.LOG1P: vector_float64.log1p,
    S.TANH: vector_float64.tanh,
    S.SIGMOID: vector_float64.sigmoid,
    S.SINH: vector_float64.sinh,
    S.COSH: vector_float64.cosh,
    S.ASINH: vector_float64.asinh,
    S.ACOSH: vector_float64.acosh,
    S.ATANH: vector_float64.atanh,
    S.ERF: vector_float64.erf,
    S.ERFC: vector_float64.erfc,
    S.POW: vector_float64.power,
    S.SIN: vector_trigonometry.sin,
    S.COS: vector_trigonometry.cos,
    S.TAN: vector_trigonometry.tan,
    S.ASIN: vector_trigonometry.asin,
    S.ACOS: vector_trigonometry.acos,
    S.ATAN: vector_trigonometry.atan,
    S.ATAN2: vector_trigonometry.atan2,
}
# In lanes beyond a size where reducing the angle takes more precision, the C library is called
_BEYOND: Final = {S.SIN: "sin", S.COS: "cos", S.TAN: "tan"}
FUNCTIONS: Final = frozenset(_FLOAT64)

# The largest error in units in the last place: of float32, of float64. float32 from (nearly) all bit patterns, float64
# from random numbers; a little above what was measured.
ACCURACY: Final[dict[ScalarOp, tuple[float, float]]] = {
    S.EXP: (1.1, 1.1),
    S.EXP2: (1.1, 1.3),
    S.EXPM1: (1.5, 2.1),
    S.LOG: (0.9, 1.0),
    S.LOG2: (0.6, 1.1),
    S.LOG10: (0.6, 1.0),
    S.LOG1P: (1.5, 1.0),
    S.TANH: (1.4, 2.1),
    S.SIGMOID: (2.5, 1.6),
    S.SINH: (0.6, 2.6),
    S.COSH: (0.6, 1.6),
    S.ASINH: (0.6, 2.0),
    S.ACOSH: (0.6, 2.4),
    S.ATANH: (0.6, 1.9),
    S.ERF: (1.3, 1.1),
    S.ERFC: (0.6, 4.0),
    S.POW: (0.6, 1.3),
    S.SIN: (1.7, 0.9),
    S.COS: (1.7, 0.9),
    S.TAN: (1.2, 2.3),
    S.ASIN: (0.6, 1.8),
    S.ACOS: (0.6, 1.3),
    S.ATAN: (0.6, 2.0),
    S.ATAN2: (0.6, 2.0),
}


def call(body: Body, op: ScalarOp, operands: Sequence[Value], inline: bool = True) -> Value:
    """The function ``op`` of float32 or float64 values; defines it in the module on its first use.

    ``inline=False`` keeps it a call: for code off the hot path, whose size matters more than its speed. Other operations
    and types raise NotImplementedError.
    """
    type_ = operands[0].type
    name = f"rushlight.{op.label}.{type_.suffix}"
    if name not in body.module.functions:
        if type_.scalar not in {"float", "double"} or op not in FUNCTIONS:
            raise NotImplementedError(f"vector_math: {op.label} of {type_.scalar}; has no vector form")
        function = Body(body.module, name, type_, [type_] * op.arity)
        function.finish(_result(function, op, type_))
    return body.call(name, type_, operands, " #0" if inline else " #1")


def _result(b: Body, op: ScalarOp, type_: Type) -> Value:
    operands = b.parameters
    limit = vector_trigonometry.LARGE
    if type_.scalar == "float" and op in _FLOAT32:
        result = _FLOAT32[op](b, *operands)
        limit = vector_float32.LARGE
    elif type_.scalar == "double":
        result = _FLOAT64[op](b, *operands)
    else:
        wide = [operand.convert("fpext", "double") for operand in operands]
        result = _FLOAT64[op](b, *wide, short=True).convert("fptrunc", "float")
    return result if op not in _BEYOND else _replaced(b, op, operands[0], result, limit)


def _replaced(b: Body, op: ScalarOp, x: Value, result: Value, limit: float) -> Value:
    """The C library's results in the lanes where |x| is at least ``limit``: a branch that is hardly ever taken."""
    size = b.fabs(x)
    beyond = (size >= limit) & (size < float("inf"))
    place = b.slot(x.type)
    b.store(result, place)
    name = f"rushlight.{op.label}.beyond.{x.type.suffix}"
    with b.when(b.any(beyond)):
        if name not in b.module.functions:
            outside = Body(b.module, name, x.type, [x.type])
            called = _BEYOND[op] + ("f" if x.type.scalar == "float" else "")
            outside.finish(_lane_by_lane(outside, called, outside.parameters))
        b.store(b.select(beyond, b.call(name, x.type, [x], " #1"), result), place)
    return b.load(x.type, place)


def _lane_by_lane(b: Body, name: str, operands: Sequence[Value]) -> Value:
    type_ = operands[0].type
    result = Value(b, type_, "poison")
    for lane in range(type_.lanes):
        one = b.call(name, Type(type_.scalar), [b.lane(operand, lane) for operand in operands])
        result = b.with_lane(result, one, lane)
    return result
