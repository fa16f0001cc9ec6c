"""Vector mathematics in LLVM IR: exp, log, tanh and so on for any number of lanes of float32 or float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...ir.scalar import ScalarOp
from . import vector_float32, vector_float64
from .loop_text import Body, Type, Value

S = ScalarOp
_NATIVE32: dict[ScalarOp, Callable[..., Value]] = {
    S.EXP: vector_float32.exp,
    S.LOG: vector_float32.log,
    S.TANH: vector_float32.tanh,
    S.SIGMOID: vector_float32.sigmoid,
}
_NATIVE64: dict[ScalarOp, Callable[..., Value]] = {
    S.EXP: vector_float64.exp,
    S.LOG: vector_float64.log,
    S.TANH: vector_float64.tanh,
    S.SIGMOID: vector_float64.sigmoid,
}
_LIBM: dict[ScalarOp, str] = {}
FUNCTIONS = frozenset({*_NATIVE32, *_NATIVE64, *_LIBM})


def call(body: Body, op: ScalarOp, operands: Sequence[Value], inline: bool = True) -> Value:
    """The function ``op`` of float32 or float64 values; defines it in the module on its first use.

    ``inline=False`` keeps it a call: for code off the hot path, whose size matters more than its speed.
    """
    type_ = operands[0].type
    name = f"rushlight.{op.label}.{type_.suffix}"
    if name not in body.module.functions:
        _define(body, name, op, type_)
    return body.call(name, type_, operands, " #0" if inline else " #1")


def _define(caller: Body, name: str, op: ScalarOp, type_: Type) -> None:
    if type_.scalar not in {"float", "double"} or op not in FUNCTIONS:
        raise NotImplementedError(f"vector_math: {op.label} of {type_.scalar}; has no vector form")
    body = Body(caller.module, name, type_, [type_] * op.arity)
    body.finish(_result(body, op, type_))


def _result(body: Body, op: ScalarOp, type_: Type) -> Value:
    operands = body.parameters
    if type_.scalar == "float" and op in _NATIVE32:
        return _NATIVE32[op](body, *operands)
    if op in _NATIVE64:
        if type_.scalar == "double":
            return _NATIVE64[op](body, *operands)
        wide = [operand.convert("fpext", "double") for operand in operands]
        return _NATIVE64[op](body, *wide, short=True).convert("fptrunc", "float")
    scalar = Type(type_.scalar)
    outside = _LIBM[op] + ("f" if type_.scalar == "float" else "")
    result = Value(body, type_, "poison")
    for lane in range(type_.lanes):
        one = body.call(outside, scalar, [body.lane(operand, lane) for operand in operands])
        result = body.with_lane(result, one, lane)
    return result
