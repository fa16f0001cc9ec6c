"""Records of complex numbers, as formulas in their real and imaginary parts.

Only loads, stores and three scalar operations know complex numbers (``REAL``, ``IMAG``, ``COMPLEX``); everything else is
arithmetic with real numbers here, so it is fused, split and vectorised as that. Products are the plain four, as in NumPy
and PyTorch; quotients are Smith's (R. L. Smith, "Algorithm 116: complex division", Communications of the ACM 5(8), 1962);
functions are what annex G of C99 asks for at zeros, infinities and NaN. The bounds of the parts are those of the real
functions; where a result overflows although its parts do not, exponentials are taken in two steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...ir.graph import contiguous_strides
from ...ir.regions import count
from ...ir.scalar import PART, WHOLE, ScalarOp
from .builder import BOOL, F32, F64, Value
from .reductions import _vector_norm
from .table import COMPLEX_TABLE, Lowering, axes_of, require

S = ScalarOp


class Parts(NamedTuple):
    """Complex numbers as two values."""

    real: Value
    imag: Value

    @classmethod
    def of(cls, x: Value) -> Parts:
        """Of complex numbers, or of real ones, whose imaginary part is 0."""
        if x.dtype.kind == "c":
            return cls(*x.parts())
        return cls(x, x.b.const(0.0, x.dtype))

    @property
    def whole(self) -> Value:
        """The complex numbers."""
        return self.real.map(S.COMPLEX, self.imag)


_Function = Callable[[Parts], Parts]


def _common(*operands: Any) -> list[Parts]:
    """Operands in one complex dtype, as parts; numbers take that of the values."""
    values = [x for x in operands if isinstance(x, Value)]
    require(values)
    dtype = np.result_type(*[x.dtype for x in values])
    require(dtype.kind == "c")
    b = values[0].b
    made = [x.cast(dtype) if isinstance(x, Value) else b.const(x, dtype) for x in operands]
    return [Parts.of(x) for x in made]


def _enter(*names: str) -> Callable[[Lowering], Lowering]:
    def enter(function: Lowering) -> Lowering:
        for name in names:
            COMPLEX_TABLE[name] = function
        return function

    return enter


def _of_one(*names: str) -> Callable[[_Function], _Function]:
    """Enter a function from parts to parts."""

    def enter(function: _Function) -> _Function:
        _enter(*names)(lambda x: function(Parts.of(x)).whole)
        return function

    return enter


# --- arithmetic -------------------------------------------------------------------------------------------------------


@_enter("add")
def _add(x: Any, y: Any) -> Value:
    a, c = _common(x, y)
    return Parts(a.real + c.real, a.imag + c.imag).whole


@_enter("sub", "subtract")
def _sub(x: Any, y: Any) -> Value:
    a, c = _common(x, y)
    return Parts(a.real - c.real, a.imag - c.imag).whole


def _times(a: Parts, c: Parts) -> Parts:
    return Parts(a.real * c.real - a.imag * c.imag, a.real * c.imag + a.imag * c.real)


@_enter("mul", "multiply")
def _mul(x: Any, y: Any) -> Value:
    return _times(*_common(x, y)).whole


def _over(a: Parts, c: Parts) -> Parts:
    """Smith's quotient: by the larger part of the divisor first."""
    b = a.real.b
    larger = c.imag.abs().map(S.LESS_EQUAL, c.real.abs())
    p, q = b.where(larger, c.real, c.imag), b.where(larger, c.imag, c.real)
    ratio = q / p
    scale = 1.0 / (p + q * ratio)
    x, y = b.where(larger, a.real, a.imag), b.where(larger, a.imag, a.real)
    real = (x + y * ratio) * scale
    cross = b.where(larger, y - x * ratio, x * ratio - y)
    zero = larger & p.equal(0.0)
    size = p.abs()
    return Parts(b.where(zero, a.real / size, real), b.where(zero, a.imag / size, cross * scale))


@_enter("div", "divide")
def _div(x: Any, y: Any) -> Value:
    return _over(*_common(x, y)).whole


@_of_one("reciprocal")
def _reciprocal(z: Parts) -> Parts:
    return _over(Parts(z.real.like(1.0), z.real.like(0.0)), z)


@_of_one("neg", "negative")
def _neg(z: Parts) -> Parts:
    return Parts(-z.real, -z.imag)


@_of_one("conj", "conjugate")
def _conj(z: Parts) -> Parts:
    return Parts(z.real, -z.imag)


@_of_one("square")
def _square(z: Parts) -> Parts:
    return _times(z, z)


@_enter("pow_number")
def _pow_number(x: Value, exponent: Any) -> Value:
    if isinstance(exponent, Value):
        exponent = exponent.number_or_none()
    z = Parts.of(x)
    if exponent == 1:
        return x
    if exponent == 2:
        return _times(z, z).whole
    if exponent == 3:
        return _times(_times(z, z), z).whole
    if exponent in (-1, -2):
        return _reciprocal(z if exponent == -1 else _times(z, z)).whole
    require(exponent == 0.5)
    return _sqrt(z).whole


# --- magnitudes and angles --------------------------------------------------------------------------------------------


def _size(z: Parts) -> Value:
    """The magnitude, scaled by powers of two where squares would overflow or vanish; infinite if one part is."""
    b, dtype = z.real.b, z.real.dtype
    x, y = z.real.abs(), z.imag.abs()
    most = b.where(x.less(y), y, x)
    limit, down, up = (2.0**60, 2.0**-70, 2.0**90) if dtype == F32 else (2.0**500, 2.0**-600, 2.0**600)
    large, small = most.greater(limit), most.less(1 / limit)
    factor = b.where(large, x.like(down), b.where(small, x.like(up), x.like(1.0)))
    back = b.where(large, x.like(1 / down), b.where(small, x.like(1 / up), x.like(1.0)))
    x, y = x * factor, y * factor
    infinite = x.equal(math.inf) | y.equal(math.inf)
    return b.where(infinite, x.like(math.inf), (x * x + y * y).sqrt() * back)


@_enter("abs", "absolute")
def _abs(x: Value) -> Value:
    return _size(Parts.of(x))


@_enter("sgn")
def _sgn(x: Value) -> Value:
    z = Parts.of(x)
    size = _size(z)
    zero = size.equal(0.0)
    b = x.b
    return Parts(*[b.where(zero, size.like(0.0), part / size) for part in z]).whole


# --- functions --------------------------------------------------------------------------------------------------------


def _limits(dtype: Any) -> tuple[float, float]:
    """From where on exponentials are taken in two steps, and how much of the exponent the second one has."""
    return (80.0, 24.0) if dtype == F32 else (700.0, 64.0)


def _not_finite(x: Value) -> Value:
    return ~x.abs().less(math.inf)


@_of_one("exp")
def _exp(z: Parts) -> Parts:
    x, y = z
    b = x.b
    bound, rest = _limits(x.dtype)
    large = x.greater(bound)
    size = (x - b.where(large, x.like(rest), x.like(0.0))).exp()
    more = b.where(large, x.like(math.exp(rest)), x.like(1.0))
    odd = _not_finite(y)  # no angle: only what is infinitely small or large is known
    vanishes, grows = odd & x.equal(-math.inf), odd & x.equal(math.inf)
    real = size * y.map(S.COS) * more
    imag = b.where(y.equal(0.0), y, size * y.map(S.SIN) * more)
    real = b.where(vanishes, x.like(0.0), b.where(grows, x.like(math.inf), real))
    return Parts(real, b.where(vanishes, x.like(0.0).map(S.COPYSIGN, y), imag))


@_of_one("log")
def _log(z: Parts) -> Parts:
    x, y = z
    b, dtype = x.b, x.dtype
    if dtype == F32:  # squares are exact in float64, so nothing is lost where the magnitude is near 1
        wide = [part.cast(F64) for part in z]
        size = ((wide[0] * wide[0] + wide[1] * wide[1]).log() * 0.5).cast(dtype)
    else:
        least, most = x.abs().minimum(y.abs()), x.abs().maximum(y.abs())
        near = most.greater(0.5) & most.less(1.5)
        close = ((most - 1.0) * (most + 1.0) + least * least).map(S.LOG1P) * 0.5
        size = b.where(near, close, _size(z).log())
    infinite = x.abs().equal(math.inf) | y.abs().equal(math.inf)
    return Parts(b.where(infinite, x.like(math.inf), size), y.map(S.ATAN2, x))


@_of_one("sqrt")
def _sqrt(z: Parts) -> Parts:
    x, y = z
    b = x.b
    most = x.abs().maximum(y.abs())
    far, tiny = (2.0**120, 2.0**-60) if x.dtype == F32 else (2.0**1020, 2.0**-500)
    large, small = most.greater(far), most.less(tiny)
    up = 2.0**80 if x.dtype == F32 else 2.0**600
    factor = b.where(large, x.like(2.0**-4), b.where(small, x.like(up), x.like(1.0)))
    back = b.where(large, x.like(4.0), b.where(small, x.like(math.sqrt(1 / up)), x.like(1.0)))
    u, v = x * factor, y * factor
    larger = ((_size(Parts(u, v)) + u.abs()) * 0.5).sqrt()
    half = v.abs() / (larger + larger)
    negative = x.less(0.0)
    zero = larger.equal(0.0)
    real = b.where(negative, half, larger) * back
    imag = b.where(negative, larger, half) * back
    real, imag = b.where(zero, x.like(0.0), real), b.where(zero, x.like(0.0), imag)
    endless = y.abs().equal(math.inf)
    real = b.where(endless, x.like(math.inf), real)
    imag = b.where(endless, x.like(math.inf), imag)
    return Parts(real, imag.map(S.COPYSIGN, y))


def _sine_parts(x: Value, y: Value) -> tuple[Value, Value, Value, Value]:
    """sin x, cos x, sinh y and cosh y; the last two each times a number that brings no product over the limit too early."""
    return x.map(S.SIN), x.map(S.COS), y.map(S.SINH), y.map(S.COSH)


def _in_two_steps(y: Value) -> tuple[Value, Value]:
    """``y`` made smaller where its exponential is large, and the factor by which that is then too small."""
    b = y.b
    bound, rest = _limits(y.dtype)
    large = y.abs().greater(bound)
    less = y - y.like(rest).map(S.COPYSIGN, y)
    return b.where(large, less, y), b.where(large, y.like(math.exp(rest)), y.like(1.0))


def _sine(x: Value, y: Value) -> Parts:
    """sin(x + iy) = sin x cosh y + i cos x sinh y."""
    b = x.b
    less, more = _in_two_steps(y)
    sin, cos, sinh, cosh = _sine_parts(x, less)
    odd = _not_finite(x)
    real = b.where(x.equal(0.0), x, sin * cosh * more)
    imag = b.where(odd & y.equal(0.0), y, cos * sinh * more)
    return Parts(real, b.where(odd & y.abs().equal(math.inf), y.like(math.inf), imag))


def _cosine(x: Value, y: Value) -> Parts:
    """cos(x + iy) = cos x cosh y - i sin x sinh y."""
    b = x.b
    less, more = _in_two_steps(y)
    sin, cos, sinh, cosh = _sine_parts(x, less)
    odd = _not_finite(x)
    real = b.where(odd & y.abs().equal(math.inf), x.like(math.inf), cos * cosh * more)
    signed = b.where(y.is_nan(), x, -(x * x.like(1.0).map(S.COPYSIGN, y)))
    imag = b.where(x.equal(0.0), signed, b.where(odd & y.equal(0.0), x.like(0.0), -(sin * sinh * more)))
    return Parts(real, imag)


@_of_one("sin")
def _sin(z: Parts) -> Parts:
    return _sine(z.real, z.imag)


@_of_one("cos")
def _cos(z: Parts) -> Parts:
    return _cosine(z.real, z.imag)


@_of_one("sinh")
def _sinh(z: Parts) -> Parts:
    turned = _sine(z.imag, z.real)
    return Parts(turned.imag, turned.real)


@_of_one("cosh")
def _cosh(z: Parts) -> Parts:
    return _cosine(z.imag, -z.real)


# --- comparisons and choices ------------------------------------------------------------------------------------------


@_enter("eq", "equal")
def _equal(x: Any, y: Any) -> Value:
    a, c = _common(x, y)
    return a.real.equal(c.real) & a.imag.equal(c.imag)


@_enter("ne", "not_equal")
def _differs(x: Any, y: Any) -> Value:
    a, c = _common(x, y)
    return a.real.differs(c.real) | a.imag.differs(c.imag)


@_enter("isnan")
def _is_nan(x: Value) -> Value:
    z = Parts.of(x)
    return z.real.is_nan() | z.imag.is_nan()


@_enter("where")
def _where(condition: Any, x: Any, y: Any) -> Value:
    require(isinstance(condition, Value) and condition.dtype == BOOL)
    a, c = _common(x, y)
    b = condition.b
    return Parts(b.where(condition, a.real, c.real), b.where(condition, a.imag, c.imag)).whole


@_enter("masked_fill")
def _masked_fill(x: Any, value: Any, mask: Any) -> Value:
    return _where(mask, value, x)  # type: ignore[no-any-return]


# --- making, and the same numbers in another form ---------------------------------------------------------------------


@_enter("complex")
def _complex(real: Any, imag: Any) -> Value:
    require(isinstance(real, Value) and isinstance(imag, Value) and real.dtype == imag.dtype)
    require(real.dtype in WHOLE)
    return real.map(S.COMPLEX, imag)  # type: ignore[no-any-return]


@_enter("to_copy")
def _to_copy(x: Value, dtype: Any) -> Value:
    return x.cast(dtype)


@_enter("view_as_real")
def _view_as_real(x: Value) -> Value:
    shape = (*x.shape, 2)
    return x.view(shape, contiguous_strides(shape), 0, PART[x.dtype])


@_enter("view_as_complex")
def _view_as_complex(x: Value) -> Value:
    shape = x.shape[:-1]
    return x.view(shape, contiguous_strides(shape), 0, WHOLE[x.dtype])


# --- reductions -------------------------------------------------------------------------------------------------------


@_enter("sum")
def _sum(x: Value, axis: Any, keepdims: bool) -> Value:
    axes = axes_of(axis, x.shape)
    return Parts(*[part.sum(axes, keepdims) for part in Parts.of(x)]).whole


@_enter("mean")
def _mean(x: Value, axis: Any, keepdims: bool) -> Value:
    axes = axes_of(axis, x.shape)
    n = float(count(tuple([x.shape[i] for i in axes])))
    return Parts(*[part.sum(axes, keepdims) / n for part in Parts.of(x)]).whole


@_enter("prod")
def _prod(x: Value, axis: Any, keepdims: bool) -> Value:
    """Halves are multiplied with each other until one number is left."""
    axes = axes_of(axis, x.shape)
    kept = [i for i in range(len(x.shape)) if i not in axes]
    n, rest = count(tuple([x.shape[i] for i in axes])), count(tuple([x.shape[i] for i in kept]))
    shape = tuple([1 if i in axes else m for i, m in enumerate(x.shape) if keepdims or i not in axes])
    if not n:
        return x.b.const(1.0, x.dtype, shape)
    rows = x.permute((*axes, *kept)).reshape((n, rest))
    left: list[Value] = []  # rows without a partner
    while n > 1:
        half = n // 2
        if n % 2:
            left.append(rows.view((1, rest), (rest, 1), (n - 1) * rest))
        first, second = [Parts.of(rows.view((half, rest), (rest, 1), k * half * rest)) for k in (0, 1)]
        rows, n = _times(first, second).whole, half
    for row in left:
        rows = _times(Parts.of(rows), Parts.of(row)).whole
    return rows.reshape(shape)


@_enter("linalg_vector_norm")
def _norm(x: Value, ord: Any, axis: Any, keepdims: bool) -> Value:
    if ord != 2:
        return _vector_norm(_abs(x), ord, axis, keepdims)  # type: ignore[no-any-return]
    z = Parts.of(x)
    return (z.real * z.real + z.imag * z.imag).sum(axes_of(axis, x.shape), keepdims).sqrt()


@_enter("dot")
def _dot(x: Value, y: Value) -> Value:
    product = _times(*_common(x, y))
    return Parts(*[part.sum(None, False) for part in product]).whole
