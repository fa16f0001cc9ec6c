"""Scalar operations in CUDA C: the types of values, casts, and an expression for every ``ScalarOp``.

Arithmetic follows ``loop_scalars``: bools are 0 and 1, integers wrap around, float16 and bfloat16 are computed as floats
and rounded where they are stored. Functions are CUDA's own; their largest errors, in ulp, as NVIDIA's programming guide
gives them for float (double):
exp, expm1, log, log1p 1 (1); exp2, log10 2 (1); sin, cos 2 (2); tan 4 (2); asin, acos, atan 2 (2); atan2 3 (2); sinh 3 (2);
cosh 2 (1); tanh 2 (1); asinh 3 (3); acosh 4 (3); atanh 3 (2); erf 2 (2); erfc 4 (5); pow 4 (2). Division and square root
are rounded correctly; ``a * b + c`` may be contracted to one rounding, as in every CUDA program.

No header is needed: the few functions that CUDA C has no operator for are in ``HELPERS``.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ...ir.scalar import PART, ReduceOp, ScalarOp

S = ScalarOp
DType = np.dtype[Any]

HALVES: Final = frozenset({"float16", "bfloat16"})
_TYPES: Final = {
    "bool": "bool", "int8": "signed char", "int16": "short", "int32": "int", "int64": "long long",
    "uint8": "unsigned char", "uint16": "unsigned short", "uint32": "unsigned int", "uint64": "unsigned long long",
    "float16": "float", "bfloat16": "float", "float32": "float", "float64": "double",
    "complex64": "Complex<float>", "complex128": "Complex<double>",
}  # fmt: skip
_STORED: Final = {"bool": "unsigned char", "float16": "unsigned short", "bfloat16": "unsigned short"}
_UNSIGNED: Final = {
    "signed char": "unsigned char", "short": "unsigned short", "int": "unsigned int",
    "long long": "unsigned long long",
}  # fmt: skip

# Device functions, each with the ones that it needs.
HELPERS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "from_half": (
        """static __device__ __forceinline__ float from_half(unsigned short bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}""",
        (),
    ),
    "to_half": (
        """static __device__ __forceinline__ unsigned short to_half(float value) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}""",
        (),
    ),
    "from_brain": (
        """static __device__ __forceinline__ float from_brain(unsigned short bits) {
    return __uint_as_float((unsigned int)bits << 16);
}""",
        (),
    ),
    "to_brain": (
        """static __device__ __forceinline__ unsigned short to_brain(float value) {
    const unsigned int bits = __float_as_uint(value);
    if (value != value) return 0x7fc0;
    return (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}""",
        (),
    ),
    "larger": (
        """template <class T> static __device__ __forceinline__ T larger(T x, T y) {
    return (x > y || x != x) ? x : y;
}""",
        (),
    ),
    "smaller": (
        """template <class T> static __device__ __forceinline__ T smaller(T x, T y) {
    return (x < y || x != x) ? x : y;
}""",
        (),
    ),
    "sign_of": (
        """template <class T> static __device__ __forceinline__ T sign_of(T x) {
    return x > T(0) ? T(1) : x < T(0) ? T(-1) : x != x ? x : T(0);
}""",
        (),
    ),
    "logistic_float": (
        """static __device__ __forceinline__ float logistic(float x) {
    const float small = expf(-fabsf(x));
    return (x >= 0.0f ? 1.0f : small) / (1.0f + small);
}""",
        (),
    ),
    "logistic_double": (
        """static __device__ __forceinline__ double logistic(double x) {
    const double small = exp(-fabs(x));
    return (x >= 0.0 ? 1.0 : small) / (1.0 + small);
}""",
        (),
    ),
    "float_rest_float": (
        """static __device__ __forceinline__ float float_rest(float x, float y) { return fmodf(x, y); }
static __device__ __forceinline__ float whole_below(float x) { return floorf(x); }
static __device__ __forceinline__ float with_sign(float x, float y) { return copysignf(x, y); }""",
        (),
    ),
    "float_rest_double": (
        """static __device__ __forceinline__ double float_rest(double x, double y) { return fmod(x, y); }
static __device__ __forceinline__ double whole_below(double x) { return floor(x); }
static __device__ __forceinline__ double with_sign(double x, double y) { return copysign(x, y); }""",
        (),
    ),
    "float_remainder": (
        """template <class T> static __device__ T float_remainder(T x, T y) {
    T rest = float_rest(x, y);
    const bool differs = rest != T(0) && (rest < T(0)) != (y < T(0));
    if (rest == T(0)) rest = with_sign(T(0), y);
    return differs ? rest + y : rest;
}""",
        (),
    ),
    "float_floor_divide": (
        """template <class T> static __device__ T float_floor_divide(T x, T y) {
    const T direct = x / y;
    if (y == T(0)) return direct;
    const T rest = float_rest(x, y);
    const bool differs = rest != T(0) && (rest < T(0)) != (y < T(0));
    T quotient = (x - rest) / y;
    if (differs) quotient -= T(1);
    if (quotient == T(0)) return with_sign(T(0), direct);
    T whole = whole_below(quotient);
    if (quotient - whole > T(0.5)) whole += T(1);
    return whole;
}""",
        (),
    ),
    "floor_divide": (
        """template <class T, class U> static __device__ T floor_divide(T x, T y) {
    if (y == T(0)) return T(0);
    if (T(-1) < T(0) && y == T(-1)) return T(U(0) - U(x));
    const T quotient = T(x / y), rest = T(x - quotient * y);
    return (rest != T(0) && (rest < T(0)) != (y < T(0))) ? T(quotient - 1) : quotient;
}""",
        (),
    ),
    "remainder_of": (
        """template <class T> static __device__ T remainder_of(T x, T y) {
    if (y == T(0) || (T(-1) < T(0) && y == T(-1))) return T(0);
    const T rest = T(x % y);
    return (rest != T(0) && (rest < T(0)) != (y < T(0))) ? T(rest + y) : rest;
}""",
        (),
    ),
    "rest_of": (
        """template <class T> static __device__ T rest_of(T x, T y) {
    return (y == T(0) || (T(-1) < T(0) && y == T(-1))) ? T(0) : T(x % y);
}""",
        (),
    ),
    "power_of": (
        """template <class T, class U> static __device__ T power_of(T x, T y) {
    if (T(-1) < T(0) && y < T(0))
        return x == T(1) ? T(1) : x == T(-1) ? ((y & T(1)) ? T(-1) : T(1)) : T(0);
    unsigned long long total = 1, square = (unsigned long long)(U)x;
    for (U left = (U)y; left; left = U(left >> 1)) {
        if (left & 1) total *= square;
        square *= square;
    }
    return T(total);
}""",
        (),
    ),
    "shift_left": (
        """template <class T, class U> static __device__ __forceinline__ T shift_left(T x, T y) {
    return U(y) < U(8 * sizeof(T)) ? T(U(U(x) << int(y))) : T(0);
}""",
        (),
    ),
    "shift_right": (
        """template <class T, class U> static __device__ __forceinline__ T shift_right(T x, T y) {
    return U(y) < U(8 * sizeof(T)) ? T(x >> int(y)) : T(x < T(0) ? -1 : 0);
}""",
        (),
    ),
    "to_unsigned": (
        """template <class T> static __device__ __forceinline__ unsigned long long to_unsigned(T x) {
    return x < T(0) ? (unsigned long long)(long long)x : (unsigned long long)x;
}""",
        (),
    ),
    "Complex": (
        """template <class T> struct Complex { T real, imag; };
template <class T> static __device__ __forceinline__ Complex<T> complex_of(T real, T imag) {
    Complex<T> z;
    z.real = real;
    z.imag = imag;
    return z;
}""",
        (),
    ),
    "Pack": (
        """template <class T, int N> struct __align__(sizeof(T) * N) Pack { T of[N]; };""",
        (),
    ),
}


def helpers(*texts: str) -> str:
    """The device functions that the texts name, each after those that it needs."""
    import re

    words = set(re.findall(r"[A-Za-z_]\w*", " ".join(texts)))
    if "logistic" in words:
        words |= {"logistic_float", "logistic_double"}
    if words & {"float_remainder", "float_floor_divide"}:
        words |= {"float_rest_float", "float_rest_double"}
    return "\n".join([text for name, (text, _) in HELPERS.items() if name in words])


def register_type(dtype: DType) -> str:
    """What a value of ``dtype`` is while it is computed with. NotImplementedError for dtypes that loops don't have."""
    found = _TYPES.get(dtype.name)
    if found is None:
        raise NotImplementedError(
            f"CUDA kernel: an array of {dtype.name}; kernels have bool, integers and floats; the line runs in NumPy"
        )
    return found


def memory_type(dtype: DType) -> str:
    """What an element of ``dtype`` is in memory."""
    return _STORED.get(dtype.name) or register_type(dtype)


def decode(raw: str, dtype: DType) -> str:
    """From memory to a value."""
    if dtype.kind == "b":
        return f"({raw} != 0)"
    if dtype.name in HALVES:
        return f"{'from_half' if dtype.name == 'float16' else 'from_brain'}({raw})"
    return raw


def encode(value: str, dtype: DType) -> str:
    """From a value to memory."""
    if dtype.kind == "b":
        return f"(unsigned char)({value})"
    if dtype.name in HALVES:
        return f"{'to_half' if dtype.name == 'float16' else 'to_brain'}({value})"
    return value


def is_float(dtype: DType) -> bool:
    return register_type(dtype) in ("float", "double")


def constant(dtype: DType, value: Any) -> str:
    """A number as a literal of the dtype's register type."""
    type_ = register_type(dtype)
    if type_ == "bool":
        return "true" if value else "false"
    if type_ in ("float", "double"):
        single = type_ == "float"
        number = float(np.float32(value)) if single else float(value)
        if math.isnan(number):
            return "__int_as_float(0x7fc00000)" if single else "__longlong_as_double(0x7ff8000000000000LL)"
        if math.isinf(number):
            sign = "-" if number < 0 else ""
            return sign + (
                "__int_as_float(0x7f800000)" if single else "__longlong_as_double(0x7ff0000000000000LL)"
            )
        text = str(np.float32(number)) if single else repr(number)
        if "." not in text and "e" not in text:
            text += ".0"
        text += "f" if single else ""
        return f"({text})" if text.startswith("-") else text
    if dtype in PART:
        parts = [constant(PART[dtype], part) for part in (value.real, value.imag)]
        return f"complex_of({', '.join(parts)})"
    number = int(value)
    if type_ == "long long":
        return "(-9223372036854775807LL - 1)" if number == -(2**63) else f"({number}LL)"
    if type_ == "unsigned long long":
        return f"{number}ULL"
    if type_ == "int":
        return "(-2147483647 - 1)" if number == -(2**31) else f"({number})"
    return f"(({type_}){number}{'u' if dtype.kind == 'u' else ''})"


def cast(value: str, source: DType, target: DType) -> str:
    """NumPy's ``astype`` where that is defined; some number elsewhere. To float16 and bfloat16 it rounds."""
    if source == target:
        return value
    to, fro = register_type(target), register_type(source)
    if target.kind == "b":
        return f"({value} != {constant(source, 0)})"
    if target.name in HALVES:
        single = value if fro == "float" else f"(float)({value})"
        return decode(encode(single, target), target)
    if to == fro:
        return value
    if fro in ("float", "double") and to not in ("float", "double"):
        if to == "unsigned long long":
            return f"to_unsigned({value})"
        return f"({to})({value})" if to == "long long" else f"({to})(long long)({value})"
    return f"({to})({value})"


# Operations whose results are representable where their operands are: nothing is left to be rounded.
_EXACT: Final = frozenset(
    {S.NEG, S.ABS, S.SIGN, S.MAXIMUM, S.MINIMUM, S.WHERE, S.COPYSIGN, S.FLOOR, S.CEIL, S.TRUNC, S.ROUND}
)


def rounded(op: ScalarOp, value: str, dtype: DType) -> str:
    """The result of ``op`` as a value of ``dtype``: float16 and bfloat16 are computed in float32 and rounded once for each
    node, as ``ir.evaluate`` has it and as eager mode does, although nothing of it may reach memory."""
    if dtype.name not in HALVES or op in _EXACT:
        return value
    return decode(encode(value, dtype), dtype)


_FUNCTIONS: Final = {
    S.SQRT: "sqrt", S.EXP: "exp", S.EXP2: "exp2", S.EXPM1: "expm1", S.LOG: "log", S.LOG2: "log2", S.LOG10: "log10",
    S.LOG1P: "log1p", S.SIN: "sin", S.COS: "cos", S.TAN: "tan", S.ASIN: "asin", S.ACOS: "acos", S.ATAN: "atan",
    S.ATAN2: "atan2", S.SINH: "sinh", S.COSH: "cosh", S.TANH: "tanh", S.ASINH: "asinh", S.ACOSH: "acosh",
    S.ATANH: "atanh", S.ERF: "erf", S.ERFC: "erfc", S.FLOOR: "floor", S.CEIL: "ceil", S.TRUNC: "trunc",
    S.ROUND: "rint", S.ABS: "fabs", S.COPYSIGN: "copysign", S.FMOD: "fmod", S.POW: "pow",
}  # fmt: skip
_COMPARE: Final = {S.LESS: "<", S.LESS_EQUAL: "<=", S.EQUAL: "==", S.NOT_EQUAL: "!="}
_ARITHMETIC: Final = {S.ADD: "+", S.SUB: "-", S.MUL: "*"}


def _refuse(op: ScalarOp, dtype: DType) -> NotImplementedError:
    return NotImplementedError(f"CUDA kernel: {op.label} of {dtype.name} has no form; the line runs in NumPy")


def apply(op: ScalarOp, operands: list[str], dtype: DType) -> str:
    """``op`` of operands that have ``dtype`` (of WHERE: the last two)."""
    if op is S.COMPLEX:
        return f"complex_of({operands[0]}, {operands[1]})"
    if op is S.REAL or op is S.IMAG:
        return f"({operands[0]}).{op.label}"
    if dtype in PART:
        raise NotImplementedError(f"CUDA kernel: {op.label} of {dtype.name}; the line runs in NumPy")
    if op is S.WHERE:
        return f"({operands[0]} ? {operands[1]} : {operands[2]})"
    if dtype.kind == "b":
        return _of_bools(op, operands, dtype)
    if is_float(dtype):
        return _of_floats(op, operands, dtype)
    return _of_integers(op, operands, dtype)


def _of_bools(op: ScalarOp, operands: list[str], dtype: DType) -> str:
    x, y = operands[0], operands[-1]
    if op in {S.ADD, S.MAXIMUM, S.OR}:
        return f"({x} || {y})"
    if op in {S.MUL, S.MINIMUM, S.AND}:
        return f"({x} && {y})"
    if op in {S.XOR, S.NOT_EQUAL}:
        return f"({x} != {y})"
    if op is S.NOT:
        return f"(!{x})"
    if op is S.EQUAL:
        return f"({x} == {y})"
    if op is S.LESS:
        return f"(!{x} && {y})"
    if op is S.LESS_EQUAL:
        return f"(!{x} || {y})"
    if op in {S.ABS, S.SIGN, S.FLOOR, S.CEIL, S.TRUNC, S.ROUND}:
        return x
    if op is S.IS_NAN:
        return "false"
    raise _refuse(op, dtype)


def _of_floats(op: ScalarOp, operands: list[str], dtype: DType) -> str:
    x, y = operands[0], operands[-1]
    single = register_type(dtype) == "float"
    if op in _ARITHMETIC or op is S.DIV:
        return f"({x} {_ARITHMETIC.get(op, '/')} {y})"
    if op is S.NEG:
        return f"(-{x})"
    if op in _COMPARE:
        return f"({x} {_COMPARE[op]} {y})"
    if op is S.MAXIMUM:
        return f"larger({x}, {y})"
    if op is S.MINIMUM:
        return f"smaller({x}, {y})"
    if op is S.IS_NAN:
        return f"({x} != {x})"
    if op is S.SIGN:
        return f"sign_of({x})"
    if op is S.SIGMOID:
        return f"logistic({x})"
    if op is S.REMAINDER:
        return f"float_remainder({x}, {y})"
    if op is S.FLOOR_DIVIDE:
        return f"float_floor_divide({x}, {y})"
    if op in _FUNCTIONS:
        return f"{_FUNCTIONS[op]}{'f' if single else ''}({', '.join(operands)})"
    raise _refuse(op, dtype)


def _of_integers(op: ScalarOp, operands: list[str], dtype: DType) -> str:
    x, y = operands[0], operands[-1]
    type_ = register_type(dtype)
    wraps = _UNSIGNED.get(type_, type_)
    if op in _ARITHMETIC:
        # Unsigned numbers wrap around where signed ones are undefined; 64 bits, since short ones become int.
        wide = "unsigned int" if dtype.itemsize <= 4 else "unsigned long long"
        return f"(({type_})(({wide}){x} {_ARITHMETIC[op]} ({wide}){y}))"
    if op is S.NEG:
        return f"(({type_})(({wraps})0 - ({wraps}){x}))"
    if op is S.ABS:
        return x if dtype.kind == "u" else f"({x} < 0 ? ({type_})(({wraps})0 - ({wraps}){x}) : {x})"
    if op in _COMPARE:
        return f"({x} {_COMPARE[op]} {y})"
    if op is S.MAXIMUM:
        return f"({x} > {y} ? {x} : {y})"
    if op is S.MINIMUM:
        return f"({x} < {y} ? {x} : {y})"
    if op is S.SIGN:
        return f"(({type_})({x} != 0))" if dtype.kind == "u" else f"(({type_})(({x} > 0) - ({x} < 0)))"
    if op in {S.FLOOR, S.CEIL, S.TRUNC, S.ROUND}:
        return x
    if op is S.IS_NAN:
        return "false"
    if op in {S.AND, S.OR, S.XOR}:
        return f"(({type_})({x} { {S.AND: '&', S.OR: '|', S.XOR: '^'}[op] } {y}))"
    if op is S.NOT:
        return f"(({type_})(~{x}))"
    two = {
        S.FLOOR_DIVIDE: "floor_divide",
        S.POW: "power_of",
        S.SHIFT_LEFT: "shift_left",
        S.SHIFT_RIGHT: "shift_right",
    }
    if op in two:
        return f"{two[op]}<{type_}, {wraps}>({x}, {y})"
    if op is S.REMAINDER:
        return f"remainder_of<{type_}>({x}, {y})"
    if op is S.FMOD:
        return f"rest_of<{type_}>({x}, {y})"
    raise _refuse(op, dtype)


# --- reductions -------------------------------------------------------------------------------------------------------


def accumulator_type(dtype: DType) -> str:
    """What a reduction of ``dtype`` is accumulated in: bools and short integers in int, which threads can exchange."""
    type_ = register_type(dtype)
    return "int" if type_ == "bool" else type_


def exchanged_type(dtype: DType) -> str:
    """What threads exchange for an accumulator: shuffles know 32 and 64 bits."""
    type_ = accumulator_type(dtype)
    return "int" if type_ in ("signed char", "short", "unsigned char", "unsigned short") else type_


def neutral(op: ReduceOp, dtype: DType) -> str:
    """What a reduction begins with."""
    if dtype.kind == "b":
        return "0" if op in (ReduceOp.SUM, ReduceOp.MAX) else "1"
    if op in (ReduceOp.SUM, ReduceOp.PROD):
        return constant(dtype, 0 if op is ReduceOp.SUM else 1)
    if is_float(dtype):
        return constant(dtype, -math.inf if op is ReduceOp.MAX else math.inf)
    limits = np.iinfo(dtype)
    return constant(dtype, int(limits.min if op is ReduceOp.MAX else limits.max))


def combine(op: ReduceOp, total: str, value: str, dtype: DType) -> str:
    """One step of a reduction."""
    if dtype.kind == "b":
        return f"({total} {'|' if op in (ReduceOp.SUM, ReduceOp.MAX) else '&'} (int)({value}))"
    scalar = {ReduceOp.SUM: S.ADD, ReduceOp.PROD: S.MUL, ReduceOp.MAX: S.MAXIMUM, ReduceOp.MIN: S.MINIMUM}[op]
    return apply(scalar, [value, total] if op in (ReduceOp.MAX, ReduceOp.MIN) else [total, value], dtype)


def result_of(accumulated: str, dtype: DType) -> str:
    """An accumulator's value as one of the dtype."""
    if dtype.name in HALVES:
        return decode(encode(accumulated, dtype), dtype)
    return f"({accumulated} != 0)" if dtype.kind == "b" else accumulated
