"""Pointwise records: arithmetic, comparisons, functions, activations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ir.evaluate import is_low_precision
from ...ir.scalar import ScalarOp
from .builder import BOOL, F32, Value
from .table import TABLE, Lowering, NotLowered, common, lowers, require, widened

S = ScalarOp


def _direct(op: ScalarOp, kinds: str = "biufV") -> Lowering:
    def lower(*operands: Any) -> Any:
        values = common(*_promoted(operands))
        require(values[0].dtype.kind in kinds)
        return values[0].map(op, *values[1:])

    return lower


def _promoted(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """Operands of a NumPy ufunc that the recorder met on its own may have several dtypes, which NumPy brings to one."""
    dtypes = {x.dtype for x in operands if isinstance(x, Value)}
    if len(dtypes) < 2:
        return operands
    require(not any(d.kind == "V" for d in dtypes))
    dtype = np.result_type(*dtypes)
    return tuple([x.cast(dtype) if isinstance(x, Value) else x for x in operands])


_FLOAT_FUNCTIONS = {
    "exp": S.EXP, "expm1": S.EXPM1, "exp2": S.EXP2, "log": S.LOG, "log2": S.LOG2, "log10": S.LOG10, "log1p": S.LOG1P,
    "sqrt": S.SQRT, "sin": S.SIN, "cos": S.COS, "tan": S.TAN, "asin": S.ASIN, "acos": S.ACOS, "atan": S.ATAN,
    "sinh": S.SINH, "cosh": S.COSH, "tanh": S.TANH, "asinh": S.ASINH, "acosh": S.ACOSH, "atanh": S.ATANH,
    "atan2": S.ATAN2, "sigmoid": S.SIGMOID, "erf": S.ERF, "erfc": S.ERFC, "copysign": S.COPYSIGN, "div": S.DIV,
}  # fmt: skip
for _name, _op in _FLOAT_FUNCTIONS.items():
    lowers(_name)(_direct(_op, "fV"))
_ANY = {
    "add": S.ADD, "sub": S.SUB, "mul": S.MUL, "maximum": S.MAXIMUM, "minimum": S.MINIMUM, "eq": S.EQUAL,
    "ne": S.NOT_EQUAL, "lt": S.LESS, "le": S.LESS_EQUAL,
}  # fmt: skip
for _name, _op in _ANY.items():
    lowers(_name)(_direct(_op))
for _name, _op in {
    "bitwise_and": S.AND,
    "bitwise_or": S.OR,
    "bitwise_xor": S.XOR,
    "bitwise_not": S.NOT,
}.items():
    lowers(_name)(_direct(_op, "biu"))
lowers("neg")(_direct(S.NEG, "iufV"))


@lowers("gt")
def _greater(x: Any, y: Any) -> Any:
    x, y = common(x, y)
    return y.map(S.LESS, x)


@lowers("ge")
def _greater_equal(x: Any, y: Any) -> Any:
    x, y = common(x, y)
    return y.map(S.LESS_EQUAL, x)


@lowers("where")
def _where(condition: Any, x: Any, y: Any) -> Any:
    require(isinstance(condition, Value) and condition.dtype == BOOL)
    x, y = common(x, y)
    return condition.b.where(condition, x, y)


@lowers("masked_fill")
def _masked_fill(x: Any, value: Any, mask: Any) -> Any:
    return _where(mask, value, x)


@lowers("abs")
def _abs(x: Value) -> Any:
    return x if x.dtype.kind == "u" else x.abs()


@lowers("reciprocal")
def _reciprocal(x: Value) -> Any:
    require(x.dtype.kind in "fV")
    return 1.0 / x


@lowers("sgn")
def _sgn(x: Value) -> Any:
    if x.dtype.kind == "b":
        return x
    if x.dtype.kind in "iu":
        return x.map(S.SIGN)
    return x.greater(0.0).cast(x.dtype) - x.less(0.0).cast(x.dtype)  # nan has the sign 0


def _rounding(op: ScalarOp) -> Lowering:
    return lambda x: x if x.dtype.kind in "iu" else x.map(op)


for _name, _op in {"floor": S.FLOOR, "ceil": S.CEIL, "round": S.ROUND, "trunc": S.TRUNC}.items():
    lowers(_name)(_rounding(_op))


def _division(op: ScalarOp) -> Lowering:
    def lower(x: Any, y: Any) -> Any:
        x, y = common(x, y)
        if x.dtype.kind in "iu":
            require(y.number_or_none())  # division by zero is an error, which only the record raises
        return x.map(op, y)

    return lower


lowers("floor_divide")(_division(S.FLOOR_DIVIDE))
lowers("remainder")(_division(S.REMAINDER))
lowers("fmod")(_division(S.FMOD))


@lowers("div_rounded")
def _div_rounded(x: Any, y: Any, rounding_mode: str) -> Any:
    x, y = common(x, y)
    if rounding_mode == "floor":
        return _division(S.FLOOR_DIVIDE)(x, y)
    require(x.dtype.kind in "fV")
    return (x / y).map(S.TRUNC)


@lowers("isclose")
def _isclose(x: Any, y: Any, rtol: float, atol: float, equal_nan: bool) -> Any:
    x, y = common(x, y)
    require(x.dtype.itemsize > 2)  # half precision is compared in half precision
    close = x.equal(y)
    if equal_nan:
        close = close | (x.is_nan() & y.is_nan())
    if rtol == 0 and atol == 0:
        return close
    require(x.dtype.kind == "f")
    difference = (x - y).abs()
    finite = difference.less(math.inf)  # false for nan too
    return close | (finite & difference.map(S.LESS_EQUAL, (y * rtol).abs() + atol))


@lowers("bitwise_left_shift")
def _left_shift(x: Any, y: Any) -> Any:
    x, y = common(x, y)
    return x.b.where(
        y.less(0) | x.like(8 * x.dtype.itemsize).map(S.LESS_EQUAL, y), x.like(0), x.map(S.SHIFT_LEFT, y)
    )


@lowers("bitwise_right_shift")
def _right_shift(x: Any, y: Any) -> Any:
    x, y = common(x, y)
    bits = 8 * x.dtype.itemsize
    require(x.dtype.kind == "i")
    limit = x.like(bits - 1)
    return x.map(S.SHIFT_RIGHT, x.b.where(y.less(0) | limit.map(S.LESS_EQUAL, y), limit, y))


@lowers("clamp")
def _clamp(x: Value, lower: Any, upper: Any) -> Any:
    if lower is not None:
        x = common(x, lower)[0].maximum(lower)
    if upper is not None:
        x = common(x, upper)[0].minimum(upper)
    return x


@lowers("heaviside")
def _heaviside(x: Value, values: Any) -> Any:
    x, values = common(x, values)
    return x.b.where(x.equal(0), values, x.greater(0).cast(x.dtype))


# --- powers -----------------------------------------------------------------------------------------------------------


@lowers("pow")
def _pow(x: Any, y: Any) -> Any:
    x, y = common(x, y)
    if x.dtype.kind == "i":
        exponent = y.number_or_none()
        require(exponent is not None and exponent >= 0)
    return x.map(S.POW, y)


@lowers("pow_number")
def _pow_number(x: Value, exponent: Any) -> Any:
    if isinstance(exponent, Value):
        exponent = exponent.number_or_none()
    require(isinstance(exponent, int | float))
    if exponent == 2:
        return x * x
    if exponent == 3:
        return x * x * x
    if exponent == 1:
        return x
    if x.dtype.kind in "iub":
        require(x.dtype.kind != "b" and exponent >= 0)
        return x.map(S.POW, exponent)
    if exponent == 0.5:
        return x.sqrt()
    if is_low_precision(x.dtype):
        return x.cast(F32).map(S.POW, exponent).cast(x.dtype)
    if exponent == -1:
        return 1.0 / x
    if exponent == -2:
        return 1.0 / (x * x)
    if exponent == -0.5:
        return 1.0 / x.sqrt()
    return x.map(S.POW, exponent)


# --- functions by formula ---------------------------------------------------------------------------------------------


@lowers("logit")
@widened
def _logit(x: Value, eps: float | None) -> Any:
    if eps is not None:
        kind = x.dtype.type
        x = x.maximum(eps).minimum(kind(1) - kind(eps))
    return (x / (1.0 - x)).log()


@lowers("xlogy")
@widened
def _xlogy(x: Any, y: Any) -> Any:
    x, y = common(x, y)
    return x.b.where(x.equal(0) & ~y.is_nan(), x.like(0.0), x * y.log())


@lowers("xlog1py")
@widened
def _xlog1py(x: Any, y: Any) -> Any:
    x, y = common(x, y)
    return x.b.where(x.equal(0) & ~y.is_nan(), x.like(0.0), x * y.map(S.LOG1P))


@lowers("entr")
@widened
def _entr(x: Value) -> Any:
    positive = x.greater(0.0)
    term = -x * x.b.where(positive, x, x.like(1.0)).log()
    return x.b.where(x.less(0.0), x.like(-math.inf), x.b.where(x.is_nan(), x, term))


@lowers("logaddexp")
@widened
def _logaddexp(x: Any, y: Any) -> Any:
    x, y = common(x, y)
    # Equal ones apart: the difference of two infinities is no number.
    return x.b.where(x.equal(y), x + math.log(2), x.maximum(y) + (-(x - y).abs()).exp().map(S.LOG1P))


@lowers("logaddexp2")
@widened
def _logaddexp2(x: Any, y: Any) -> Any:
    x, y = common(x, y)
    more = (-(x - y).abs()).map(S.EXP2).map(S.LOG1P) * (1 / math.log(2))
    return x.b.where(x.equal(y), x + 1.0, x.maximum(y) + more)


# --- activations ------------------------------------------------------------------------------------------------------


@lowers("relu")
def _relu(x: Value) -> Any:
    return x.maximum(0)


@lowers("hardtanh")
def _hardtanh(x: Value, lower: Any, upper: Any) -> Any:
    if not isinstance(lower, Value):
        lower, upper = _rounded(x, lower), _rounded(x, upper)
    return x.maximum(lower).minimum(upper)


def _rounded(x: Value, number: Any) -> Any:
    return np.asarray(number).astype(x.dtype).item()


@lowers("leaky_relu")
@widened
def _leaky_relu(x: Value, slope: Any) -> Any:
    return x.b.where(x.greater(0.0), x, x * slope)


@lowers("elu")
@widened
def _elu(x: Value, alpha: Any, scale: Any, input_scale: Any) -> Any:
    low = (x.minimum(0.0) * input_scale).map(S.EXPM1) * (alpha * scale)
    return x.b.where(x.greater(0.0), x * scale, low)


@lowers("softplus")
@widened
def _softplus(x: Value, beta: Any, threshold: Any) -> Any:
    z = x * beta
    soft = z.maximum(0.0) + (-z.abs()).exp().map(S.LOG1P)
    return x.b.where(z.greater(threshold), x, soft / beta)


@lowers("dropout")
def _dropout(x: Value, noise: Any) -> Any:
    return x.map(S.MUL, common(x, noise)[1])


@lowers("to_copy")
def _to_copy(x: Value, dtype: Any) -> Any:
    require(np.dtype(dtype).kind != "c")
    return x.cast(dtype)


def _same(x: Any, *_: Any, **__: Any) -> Any:
    if not isinstance(x, Value):
        raise NotLowered
    return x


for _name in ("alias", "clone", "conj", "untracked_view", "function_view"):
    TABLE[_name] = _same
