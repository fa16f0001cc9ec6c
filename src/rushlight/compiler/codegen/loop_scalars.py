"""Scalar operations as LLVM instructions, for every dtype and any number of lanes.

Registers: a complex number is a ``Pair`` of its parts, bool is i1, integers are themselves, float16 and bfloat16 are float;
in memory bool is a byte, and the 16-bit floats have 16 bits. No instruction may trap or give poison: division by zero gives
what NumPy gives (0 for integers), shifts by the width or more give 0 or the sign, and float to integer conversions out of
range give some number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...ir.scalar import PART, ReduceOp, ScalarOp
from . import vector_math
from .loop_text import Body, Type, Value

S = ScalarOp
DType = np.dtype[Any]

_COMPARE = {
    S.LESS: ("olt", "slt", "ult"),
    S.LESS_EQUAL: ("ole", "sle", "ule"),
    S.EQUAL: ("oeq", "eq", "eq"),
    S.NOT_EQUAL: ("une", "ne", "ne"),
}
_ROUNDING = {S.FLOOR: "floor", S.CEIL: "ceil", S.TRUNC: "trunc", S.ROUND: "rint"}
HALVES = frozenset({"float16", "bfloat16"})
# Operations that cost more than a few instructions: loops that have them are not unrolled.
HEAVY = vector_math.FUNCTIONS | {S.FLOOR_DIVIDE, S.REMAINDER, S.FMOD, S.POW}


class Pair(NamedTuple):
    """Complex numbers while they are computed with."""

    real: Value
    imag: Value


def register_type(dtype: DType, lanes: int = 1) -> Type:
    """What a value of ``dtype`` is while it is computed with."""
    if dtype.name in HALVES or dtype.name == "float32":
        return Type("float", lanes)
    if dtype.name == "float64":
        return Type("double", lanes)
    if dtype.kind == "b":
        return Type("i1", lanes)
    if dtype.kind in "iu":
        return Type(f"i{dtype.itemsize * 8}", lanes)
    raise NotImplementedError(f"loop kernel: an array of {dtype.name}; loops have bool, integers and floats")


def lane_bytes(dtype: DType) -> int:
    """The size of a lane of a vector of ``dtype``; complex numbers take two vectors, one for each part."""
    return register_type(PART.get(dtype, dtype)).bits // 8


def memory_type(dtype: DType, lanes: int = 1) -> Type:
    """What an element of ``dtype`` is in memory."""
    if dtype in PART:
        return register_type(PART[dtype], 2 * lanes)
    special = {"float16": "half", "bfloat16": "i16", "bool": "i8"}.get(dtype.name)
    return Type(special, lanes) if special else register_type(dtype, lanes)


def decode(b: Body, raw: Value, dtype: DType) -> Value:
    """From memory to a register."""
    if dtype.kind == "b":
        return raw.compare("ne", 0)
    if dtype.name == "float16":
        return raw.convert("fpext", "float")
    if dtype.name == "bfloat16":
        return (raw.convert("zext", "i32") << 16).float_of_bits()
    return raw


def encode(b: Body, value: Value, dtype: DType) -> Value:
    """From a register to memory."""
    if dtype.kind == "b":
        return value.convert("zext", "i8")
    if dtype.name == "float16":
        return value.convert("fptrunc", "half")
    if dtype.name == "bfloat16":
        bits = value.bits()
        odd = b.binary("lshr", bits, b.const(bits.type, 16)) & 1
        rounded = b.binary("lshr", bits + 0x7FFF + odd, b.const(bits.type, 16))
        return b.select(value.is_nan(), 0x7FC0, rounded).convert("trunc", "i16")
    return value


def constant(b: Body, dtype: DType, value: Any, lanes: int) -> Any:
    if dtype in PART:
        part = register_type(PART[dtype], lanes)
        return Pair(b.const(part, value.real), b.const(part, value.imag))
    return b.const(register_type(dtype, lanes), bool(value) if dtype.kind == "b" else value)


def is_float(dtype: DType) -> bool:
    return dtype in PART or register_type(dtype).floating


# Operations whose results are representable where their operands are: nothing is left to be rounded.
_EXACT = frozenset(
    {S.NEG, S.ABS, S.SIGN, S.MAXIMUM, S.MINIMUM, S.WHERE, S.COPYSIGN, S.FLOOR, S.CEIL, S.TRUNC, S.ROUND}
)


def rounded(b: Body, op: ScalarOp, value: Value, dtype: DType) -> Value:
    """The result of ``op`` as a value of ``dtype``: float16 and bfloat16 are computed in float32 and rounded once for each
    node, as ``ir.evaluate`` has it and as eager mode does, although nothing of it may reach memory."""
    if dtype.name not in HALVES or op in _EXACT:
        return value
    return decode(b, encode(b, value, dtype), dtype)


def cast(b: Body, value: Value, source: DType, target: DType) -> Value:
    """NumPy's ``astype`` where that is defined; some number elsewhere.

    To float16 and bfloat16 it rounds, although the register stays a float. (From float64 it rounds to float32 before.)
    """
    if target.name in HALVES and source != target:
        return decode(b, encode(b, _cast(b, value, source, target), target), target)
    return _cast(b, value, source, target)


def _cast(b: Body, value: Value, source: DType, target: DType) -> Value:
    to = register_type(target, value.type.lanes)
    from_float = value.type.floating
    if target.kind == "b":
        return value if source.kind == "b" else value.compare("une" if from_float else "ne", 0)
    if to.floating:
        if from_float:
            if value.type == to:
                return value
            return value.convert("fpext" if to.scalar == "double" else "fptrunc", to.scalar)
        return value.convert("uitofp" if source.kind in "bu" else "sitofp", to.scalar)
    if from_float:
        # Through 32 bits for the narrow ones, as NumPy's C casts do: -1.0 is 255 as uint8.
        middle = f"i{max(to.bits, 32)}"
        how = "fptoui" if target.kind == "u" and to.bits >= 32 else "fptosi"
        wide = value.convert(how, middle)
        wide = b.emit(wide.type, f"freeze {wide.type} {wide.name}")  # out of range: some number, not poison
        return wide if wide.type == to else wide.convert("trunc", to.scalar)
    if value.type.bits == to.bits:
        return value
    if value.type.bits > to.bits:
        return value.convert("trunc", to.scalar)
    return value.convert("zext" if source.kind in "bu" else "sext", to.scalar)


def apply(
    b: Body,
    op: ScalarOp,
    operands: Sequence[Value],
    dtype: DType,
    numbers: Sequence[bool],
    inline: bool = True,
) -> Any:
    """``op`` of operands that have ``dtype`` (of WHERE: the last two).

    ``numbers``: which operands are known not to be NaN. ``inline``: whether functions may be expanded in place.
    """
    if op in _OF_PARTS:
        return _part(op, operands)
    if op is S.WHERE:
        return b.select(operands[0], operands[1], operands[2])
    if dtype.kind == "b":
        return _of_bools(b, op, operands)
    if dtype in PART:
        raise _refuse(op, dtype.name)
    if is_float(dtype):
        return _of_floats(b, op, operands, numbers, inline)
    return _of_integers(b, op, operands, dtype)


_OF_PARTS = frozenset({S.REAL, S.IMAG, S.COMPLEX})


def _part(op: ScalarOp, operands: Sequence[Any]) -> Any:
    if op is S.COMPLEX:
        return Pair(operands[0], operands[1])
    return operands[0].real if op is S.REAL else operands[0].imag


def _refuse(op: ScalarOp, what: str) -> NotImplementedError:
    return NotImplementedError(
        f"loop kernel: {op.label} of {what}; has no native form; cast first or use a host call"
    )


def _of_bools(b: Body, op: ScalarOp, operands: Sequence[Value]) -> Value:
    x = operands[0]
    y = operands[-1]
    if op in {S.ADD, S.MAXIMUM, S.OR}:
        return x | y
    if op in {S.MUL, S.MINIMUM, S.AND}:
        return x & y
    if op in {S.XOR, S.NOT_EQUAL}:
        return x ^ y
    if op is S.NOT:
        return ~x
    if op is S.EQUAL:
        return ~(x ^ y)
    if op is S.LESS:
        return ~x & y
    if op is S.LESS_EQUAL:
        return ~x | y
    if op in {S.ABS, S.SIGN, S.FLOOR, S.CEIL, S.TRUNC, S.ROUND}:
        return x
    if op is S.IS_NAN:
        return b.const(x.type, 0)
    raise _refuse(op, "bools")


# Floats


def maximum(
    b: Body, x: Value, y: Value, numbers: Sequence[bool] = (False, False), least: bool = False
) -> Value:
    """The larger (``least``: the smaller) of two; NaN if one is. Zeros of both signs are equal."""
    if numbers[1]:
        x, y = y, x
    result = b.smaller(x, y) if least else b.larger(x, y)  # gives y unless x is beyond it: so a NaN y stays
    return result if numbers[0] or numbers[1] else b.select(x.is_nan(), x, result)


def _of_floats(
    b: Body, op: ScalarOp, operands: Sequence[Value], numbers: Sequence[bool], inline: bool
) -> Value:
    x = operands[0]
    y = operands[-1]
    if op is S.ADD:
        return x + y
    if op is S.SUB:
        return x - y
    if op is S.MUL:
        return x * y
    if op is S.DIV:
        return x / y
    if op is S.NEG:
        return -x
    if op is S.ABS:
        return b.fabs(x)
    if op in _COMPARE:
        return x.compare(_COMPARE[op][0], y)
    if op in {S.MAXIMUM, S.MINIMUM}:
        return maximum(b, x, y, numbers, least=op is S.MINIMUM)
    if op is S.SQRT:
        return b.sqrt(x)
    if op in _ROUNDING:
        return b.intrinsic(_ROUNDING[op], x)
    if op is S.IS_NAN:
        return x.is_nan()
    if op is S.SIGN:
        return b.select(
            x.compare("one", 0.0), b.copysign(b.const(x.type, 1.0), x), b.select(x.is_nan(), x, 0.0)
        )
    if op is S.COPYSIGN:
        return b.copysign(x, y)
    if op in {S.FMOD, S.REMAINDER, S.FLOOR_DIVIDE}:
        return _float_division(b, op, x, y)
    if op in vector_math.FUNCTIONS:
        return vector_math.call(b, op, operands, inline)
    raise _refuse(op, "floats")


def _float_division(b: Body, op: ScalarOp, x: Value, y: Value) -> Value:
    name = f"rushlight.fmod.{x.type.suffix}"
    if name not in b.module.functions:
        _define_fmod(b, name, x.type)
    rest = b.call(name, x.type, [x, y], " #1")
    if op is S.FMOD:
        return rest
    differs = rest.compare("une", 0.0) & ((rest < 0.0) ^ (y < 0.0))
    if op is S.REMAINDER:
        rest = b.select(rest.same(0.0), b.copysign(b.const(x.type, 0.0), y), rest)
        return b.select(differs, rest + y, rest)
    quotient = (x - rest) / y
    quotient = b.select(differs, quotient - 1.0, quotient)
    whole = b.intrinsic("floor", quotient)
    whole = b.select(quotient - whole > 0.5, whole + 1.0, whole)
    direct = x / y
    whole = b.select(quotient.same(0.0), b.copysign(b.const(x.type, 0.0), direct), whole)
    return b.select(y.same(0.0), direct, whole)


def _define_fmod(caller: Body, name: str, type_: Type) -> None:
    """fmod: by one division where the quotient is small (it is exact then), by the C library in other lanes."""
    b = Body(caller.module, name, type_, [type_, type_])
    x, y = b.parameters
    quotient = b.intrinsic("trunc", x / y)
    rest = b.fma(-quotient, y, x)
    size = b.fabs(y)
    # The quotient may have been rounded up to the next integer: then the rest is on the other side of zero.
    away = (rest < 0.0).convert("zext", "i8").compare("ne", (x < 0.0).convert("zext", "i8"))
    rest = b.select(away & rest.compare("une", 0.0), rest + b.copysign(size, x), rest)
    rest = b.select(b.fabs(rest) >= size, rest - b.copysign(size, x), rest)
    limit = 2.0**22 if type_.scalar == "float" else 2.0**51
    easy = (b.fabs(quotient) < limit) & (size < math.inf)
    result = b.slot(type_)
    b.store(b.copysign(rest, x), result)
    with b.when(b.any(~easy)):
        outside = "fmodf" if type_.scalar == "float" else "fmod"
        total = b.load(type_, result)
        for lane in range(type_.lanes):
            one = b.call(outside, Type(type_.scalar), [b.lane(x, lane), b.lane(y, lane)])
            total = b.with_lane(total, one, lane)
        b.store(total, result)
    b.finish(b.load(type_, result))


# Integers


def _of_integers(b: Body, op: ScalarOp, operands: Sequence[Value], dtype: DType) -> Value:
    unsigned = dtype.kind == "u"
    x = operands[0]
    y = operands[-1]
    if op is S.ADD:
        return x + y
    if op is S.SUB:
        return x - y
    if op is S.MUL:
        return x * y
    if op is S.NEG:
        return -x
    if op is S.ABS:
        return x if unsigned else b.select(x < 0, -x, x)
    if op in _COMPARE:
        return x.compare(_COMPARE[op][2 if unsigned else 1], y)
    if op is S.MAXIMUM:
        return b.intrinsic("umax" if unsigned else "smax", x, y)
    if op is S.MINIMUM:
        return b.intrinsic("umin" if unsigned else "smin", x, y)
    if op is S.SIGN:
        positive = x.compare("ne", 0) if unsigned else x > 0
        one = positive.convert("zext", x.type.scalar)
        return one if unsigned else one - (x < 0).convert("zext", x.type.scalar)
    if op in _ROUNDING:
        return x
    if op is S.IS_NAN:
        return b.const(x.type.of("i1"), 0)
    if op is S.AND:
        return x & y
    if op is S.OR:
        return x | y
    if op is S.XOR:
        return x ^ y
    if op is S.NOT:
        return ~x
    if op in {S.SHIFT_LEFT, S.SHIFT_RIGHT}:
        return _shift(b, op, x, y, unsigned)
    if op in {S.FLOOR_DIVIDE, S.REMAINDER, S.FMOD}:
        return _integer_division(b, op, x, y, unsigned)
    if op is S.POW:
        return _integer_power(b, x, y, unsigned)
    raise _refuse(op, f"{dtype.name}")


def _shift(b: Body, op: ScalarOp, x: Value, y: Value, unsigned: bool) -> Value:
    """Shifts by a negative number, by the width or by more move everything out."""
    width = x.type.bits
    inside = y.compare("ult", width)
    amount = b.select(inside, y, 0)
    if op is S.SHIFT_LEFT:
        return b.select(inside, x << amount, 0)
    if unsigned:
        return b.select(inside, b.binary("lshr", x, amount), 0)
    return x >> b.select(inside, y, width - 1)


def _integer_division(b: Body, op: ScalarOp, x: Value, y: Value, unsigned: bool) -> Value:
    zero = y.same(0)
    if unsigned:
        safe = b.select(zero, 1, y)
        return b.select(zero, 0, b.binary("udiv" if op is S.FLOOR_DIVIDE else "urem", x, safe))
    minus_one = y.same(-1)  # the least number over -1 traps; its negative wraps around to itself
    safe = b.select(zero | minus_one, 1, y)
    quotient = b.binary("sdiv", x, safe)
    rest = x - quotient * safe
    differs = rest.compare("ne", 0) & ((rest ^ safe) < 0)
    if op is S.FMOD:
        return rest  # 0 with a divisor of 0 or -1, which became 1
    if op is S.REMAINDER:
        return b.select(differs, rest + safe, rest)
    quotient = b.select(differs, quotient - 1, quotient)
    return b.select(zero, 0, b.select(minus_one, -x, quotient))


def _integer_power(b: Body, x: Value, y: Value, unsigned: bool) -> Value:
    """By squaring; negative powers are 1/x rounded towards zero (1 and -1 have them, others give 0), as in PyTorch."""
    name = f"rushlight.pow.{'u' if unsigned else 's'}.{x.type.suffix}"
    if name not in b.module.functions:
        f = Body(b.module, name, x.type, [x.type, x.type])
        base, power = f.parameters
        result, square, left = f.slot(x.type), f.slot(x.type), f.slot(x.type)
        f.store(f.const(x.type, 1), result)
        f.store(base, square)
        f.store(power if unsigned else f.select(power < 0, 0, power), left)
        with f.loop(f.i64(0), f.i64(x.type.bits), 1):
            now, value = f.load(x.type, left), f.load(x.type, square)
            total = f.load(x.type, result)
            f.store(f.select((now & 1).compare("ne", 0), total * value, total), result)
            f.store(value * value, square)
            f.store(f.binary("lshr", now, f.const(x.type, 1)), left)
        total = f.load(x.type, result)
        if not unsigned:
            sign = f.select((power & 1).same(0), f.const(x.type, 1), -1)
            inverse = f.select(base.same(1), f.const(x.type, 1), f.select(base.same(-1), sign, 0))
            total = f.select(power < 0, inverse, total)
        f.finish(total)
    return b.call(name, x.type, [x, y], " #1")


# Reductions


def accumulator_dtype(dtype: DType) -> DType:
    """What a reduction of ``dtype`` is accumulated in: bools in bytes, since vectors of bits are slow."""
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    return np.dtype(np.float32) if dtype.name in HALVES else dtype


def neutral(op: ReduceOp, dtype: DType) -> float:
    """Of accumulators of bools: 0 or 1."""
    if op is ReduceOp.SUM:
        return 0
    if op is ReduceOp.PROD:
        return 1
    if dtype.kind == "b":
        return 0 if op is ReduceOp.MAX else 1
    if is_float(dtype):
        return -math.inf if op is ReduceOp.MAX else math.inf
    limits = np.iinfo(dtype)
    return int(limits.min if op is ReduceOp.MAX else limits.max)


def combine(b: Body, op: ReduceOp, total: Value, value: Value, dtype: DType) -> Value:
    """One step of a reduction."""
    if dtype.kind == "b":
        return total | value if op in {ReduceOp.SUM, ReduceOp.MAX} else total & value
    if op is ReduceOp.SUM:
        return total + value
    if op is ReduceOp.PROD:
        return total * value
    if is_float(dtype):
        return maximum(b, value, total, least=op is ReduceOp.MIN)
    kind = "u" if dtype.kind == "u" else "s"
    return b.intrinsic(kind + ("max" if op is ReduceOp.MAX else "min"), total, value)
