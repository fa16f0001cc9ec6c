"""Scalar operations: what one element of a pointwise operation or of a reduction computes.

Each has a NumPy function as its definition (``reference``), which the tests hold every backend to. Comparisons give bool;
``WHERE`` takes (condition, a, b) and has the dtype of a and b; ``REAL`` and ``IMAG`` give a part of a complex number and
``COMPLEX`` makes one of its parts; everything else has its operands' common dtype, which the graph makes equal by explicit
casts. All arithmetic with complex numbers is written in their parts (``compiler/lowering/complex_numbers.py``). Integers wrap
around; floats follow IEEE 754, NaN propagates through MAXIMUM and MINIMUM.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np


class ScalarOp(Enum):
    """An operation on scalars. ``arity``: the number of operands; ``boolean``: whether the result is a bool."""

    ADD = ("add", 2)
    SUB = ("sub", 2)
    MUL = ("mul", 2)
    DIV = ("div", 2)  # floats and complex numbers only
    NEG = ("neg", 1)
    ABS = ("abs", 1)
    MAXIMUM = ("maximum", 2)
    MINIMUM = ("minimum", 2)
    FLOOR_DIVIDE = ("floor_divide", 2)  # rounds towards minus infinity
    REMAINDER = ("remainder", 2)  # has the divisor's sign
    FMOD = ("fmod", 2)  # has the dividend's sign
    POW = ("pow", 2)
    SQRT = ("sqrt", 1)
    EXP = ("exp", 1)
    EXP2 = ("exp2", 1)
    EXPM1 = ("expm1", 1)
    LOG = ("log", 1)
    LOG2 = ("log2", 1)
    LOG10 = ("log10", 1)
    LOG1P = ("log1p", 1)
    SIN = ("sin", 1)
    COS = ("cos", 1)
    TAN = ("tan", 1)
    ASIN = ("asin", 1)
    ACOS = ("acos", 1)
    ATAN = ("atan", 1)
    ATAN2 = ("atan2", 2)
    SINH = ("sinh", 1)
    COSH = ("cosh", 1)
    TANH = ("tanh", 1)
    ASINH = ("asinh", 1)
    ACOSH = ("acosh", 1)
    ATANH = ("atanh", 1)
    ERF = ("erf", 1)
    ERFC = ("erfc", 1)
    SIGMOID = ("sigmoid", 1)  # 1 / (1 + exp(-x)), without overflow on either side
    FLOOR = ("floor", 1)
    CEIL = ("ceil", 1)
    TRUNC = ("trunc", 1)
    ROUND = ("round", 1)  # halves to even
    SIGN = ("sign", 1)
    COPYSIGN = ("copysign", 2)
    LESS = ("less", 2, True)
    LESS_EQUAL = ("less_equal", 2, True)
    EQUAL = ("equal", 2, True)
    NOT_EQUAL = ("not_equal", 2, True)
    IS_NAN = ("is_nan", 1, True)
    AND = ("and", 2)  # bitwise; logical on bools
    OR = ("or", 2)
    XOR = ("xor", 2)
    NOT = ("not", 1)
    SHIFT_LEFT = ("shift_left", 2)
    SHIFT_RIGHT = ("shift_right", 2)  # arithmetic
    WHERE = ("where", 3)
    REAL = ("real", 1)
    IMAG = ("imag", 1)
    COMPLEX = ("complex", 2)

    def __init__(self, label: str, arity: int, boolean: bool = False) -> None:
        self.label = label
        self.arity = arity
        self.boolean = boolean

    @property
    def reference(self) -> Callable[..., Any]:
        """The operation on NumPy arrays."""
        return _REFERENCE[self]

    def __hash__(self) -> int:
        return hash(self.label)

    def __repr__(self) -> str:
        return self.label


class ReduceOp(Enum):
    """How many elements become one. Empty reductions give the neutral element (an error for MAX and MIN)."""

    SUM = "sum"
    PROD = "prod"
    MAX = "max"  # NaN propagates
    MIN = "min"

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return self.value


def _erf(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype)


def _erfc(x: Any) -> Any:
    return np.vectorize(math.erfc, otypes=[np.float64])(x).astype(x.dtype)


def _sigmoid(x: Any) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small)).astype(x.dtype)


def _complex(real: Any, imag: Any) -> Any:
    real, imag = np.broadcast_arrays(real, imag)
    result = np.empty(real.shape, WHOLE[real.dtype])
    result.real, result.imag = real, imag
    return result


# The dtype of a complex number's parts, and the other way round.
PART: dict[Any, Any] = {
    np.dtype(np.complex64): np.dtype(np.float32),
    np.dtype(np.complex128): np.dtype(np.float64),
}
WHOLE: dict[Any, Any] = {part: whole for whole, part in PART.items()}


def result_dtype(op: ScalarOp, dtype: np.dtype[Any]) -> Any:
    """The dtype of ``op`` of operands of ``dtype``; None where there is none."""
    if op.boolean:
        return np.dtype(bool)
    if op is ScalarOp.REAL or op is ScalarOp.IMAG:
        return PART.get(dtype)
    return WHOLE.get(dtype) if op is ScalarOp.COMPLEX else dtype


S = ScalarOp
_REFERENCE: dict[ScalarOp, Callable[..., Any]] = {
    S.ADD: np.add, S.SUB: np.subtract, S.MUL: np.multiply, S.DIV: np.divide, S.NEG: np.negative, S.ABS: np.abs,
    S.MAXIMUM: np.maximum, S.MINIMUM: np.minimum, S.FLOOR_DIVIDE: np.floor_divide, S.REMAINDER: np.remainder,
    S.FMOD: np.fmod, S.POW: np.power, S.SQRT: np.sqrt, S.EXP: np.exp, S.EXP2: np.exp2, S.EXPM1: np.expm1, S.LOG: np.log,
    S.LOG2: np.log2, S.LOG10: np.log10, S.LOG1P: np.log1p, S.SIN: np.sin, S.COS: np.cos, S.TAN: np.tan, S.ASIN: np.arcsin,
    S.ACOS: np.arccos, S.ATAN: np.arctan, S.ATAN2: np.arctan2, S.SINH: np.sinh, S.COSH: np.cosh, S.TANH: np.tanh,
    S.ASINH: np.arcsinh, S.ACOSH: np.arccosh, S.ATANH: np.arctanh, S.ERF: _erf, S.ERFC: _erfc, S.SIGMOID: _sigmoid,
    S.FLOOR: np.floor, S.CEIL: np.ceil, S.TRUNC: np.trunc, S.ROUND: np.rint, S.SIGN: np.sign, S.COPYSIGN: np.copysign,
    S.LESS: np.less, S.LESS_EQUAL: np.less_equal, S.EQUAL: np.equal, S.NOT_EQUAL: np.not_equal, S.IS_NAN: np.isnan,
    S.AND: np.bitwise_and, S.OR: np.bitwise_or, S.XOR: np.bitwise_xor, S.NOT: np.invert, S.SHIFT_LEFT: np.left_shift,
    S.SHIFT_RIGHT: np.right_shift, S.WHERE: np.where, S.REAL: np.real, S.IMAG: np.imag, S.COMPLEX: _complex,
}  # fmt: skip

REDUCE_REFERENCE: dict[ReduceOp, Any] = {
    ReduceOp.SUM: np.sum,
    ReduceOp.PROD: np.prod,
    ReduceOp.MAX: np.max,
    ReduceOp.MIN: np.min,
}
