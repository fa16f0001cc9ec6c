"""Special functions of float64 vectors: the inverse error function, the gamma function's logarithm and derivatives, and
polynomials on intervals for those that are given by tables.

The approximations are those of ``runtime.special_functions`` (see there for the sources), in which a region that no lane needs
is passed over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ...core.approximations import (
    BERNOULLI,
    DIGAMMA,
    ERFC_LARGE,
    HALF_LOG_TWO_PI,
    INVERSE_SQRT_PI,
    LOG_GAMMA_1,
    LOG_GAMMA_2,
    LOG_GAMMA_4,
    NORMAL_CENTER,
    NORMAL_MIDDLE,
    NORMAL_TAIL,
    STIRLING,
)
from ...ir.scalar import ScalarOp
from . import vector_math
from .loop_text import Body, Value
from .vector_float64 import ERFC

INFINITY, NAN = float("inf"), float("nan")
S = ScalarOp


def _polynomial(b: Body, x: Value, coefficients: Sequence[float]) -> Value:
    """With the coefficient of the highest power first."""
    return b.polynomial(x, coefficients[::-1])


def _ratio(b: Body, x: Value, fit: Sequence[Sequence[float]]) -> Value:
    return _polynomial(b, x, fit[0]) / _polynomial(b, x, fit[1])


def _math(b: Body, op: ScalarOp, x: Value) -> Value:
    return vector_math.call(b, op, [x])


class _Pieces:
    """A result put together from regions, each computed if one of the lanes lies in it."""

    def __init__(self, b: Body, start: Value) -> None:
        self.b, self.type, self.place = b, start.type, b.slot(start.type)
        b.store(start, self.place)

    def where(self, condition: Value, value: Callable[[], Value]) -> None:
        with self.b.when(self.b.any(condition)):
            self.b.store(self.b.select(condition, value(), self.value()), self.place)

    def value(self) -> Value:
        return self.b.load(self.type, self.place)


# --- the error function -----------------------------------------------------------------------------------------------


def _normal_quantile(b: Body, q: Value, tail: Value) -> Value:
    """The quantile of 0.5 + q of the standard normal distribution; ``tail`` is 0.5 - |q|."""
    result = _Pieces(b, q * _ratio(b, 0.180625 - q * q, NORMAL_CENTER))

    def outer() -> Value:
        root = b.sqrt(-_math(b, S.LOG, tail))
        value = _Pieces(b, _ratio(b, root - 1.6, NORMAL_MIDDLE))
        value.where(root > 5.0, lambda: _ratio(b, b.smaller(30.0, root) - 5.0, NORMAL_TAIL))
        ended = b.select(tail.same(0.0), INFINITY, value.value())
        return b.copysign(b.select(tail < 0.0, NAN, ended), q)

    result.where(b.fabs(q) > 0.425, outer)
    return result.value()


def erfinv(b: Body, x: Value) -> Value:
    return _normal_quantile(b, x * 0.5, (1.0 - b.fabs(x)) * 0.5) * math.sqrt(0.5)


def ndtri(b: Body, x: Value) -> Value:
    return _normal_quantile(b, x - 0.5, b.smaller(x, 1.0 - x))


def erfcx(b: Body, x: Value) -> Value:
    # R(u) / (1 + 2a) is erfc(a) exp(a²), for a from 0.4 to 28.
    start = _polynomial(b, (x - 3.0) / (x + 3.0), ERFC[::-1]) / b.fma(x, 2.0, 1.0)
    result = _Pieces(b, start)

    def large() -> Value:
        inverse = 1.0 / x
        square = inverse * inverse
        return (INVERSE_SQRT_PI - square * _ratio(b, square, ERFC_LARGE)) * inverse

    result.where(x > 4.0, large)
    near = x <= 0.46875
    result.where(near, lambda: _math(b, S.EXP, x * x) * _math(b, S.ERFC, x))
    return b.select(x.is_nan(), x, result.value())


# --- the gamma function -----------------------------------------------------------------------------------------------


def _near(b: Body, x: Value, fit: tuple[float, Sequence[float], Sequence[float]]) -> Value:
    return x * b.fma(x, _ratio(b, x, fit[1:]), fit[0])


def lgamma(b: Body, x: Value) -> Value:
    negative = x <= 0.0
    z = b.select(negative, 1.0 - x, x)
    log_z = _math(b, S.LOG, z)
    result = _Pieces(b, z)
    small, below_one = z <= 0.5, (z > 0.5) & (z < 0.6796875)
    one, two = (z >= 0.6796875) & (z <= 1.5), (z > 1.5) & (z <= 4.0)
    result.where(small | one, lambda: _near(b, b.select(one, z - 1.0, z), LOG_GAMMA_1))
    result.where(below_one | two, lambda: _near(b, z - b.select(two, b.const(z.type, 2.0), 1.0), LOG_GAMMA_2))
    result.where(small | below_one, lambda: result.value() - log_z)
    result.where(
        (z > 4.0) & (z <= 12.0), lambda: LOG_GAMMA_4[0] + (z - 4.0) * _ratio(b, z - 4.0, LOG_GAMMA_4[1:])
    )

    def large() -> Value:
        inverse = 1.0 / z
        series = _polynomial(b, inverse * inverse, STIRLING) * inverse
        return b.select(z.same(INFINITY), z, (z - 0.5) * log_z - z + HALF_LOG_TWO_PI + series)

    result.where(z > 12.0, large)

    def reflected() -> Value:
        sine = b.fabs(_math(b, S.SIN, (x - b.intrinsic("rint", x)) * math.pi))
        value = math.log(math.pi) - _math(b, S.LOG, sine) - result.value()
        return b.select(x.same(-INFINITY), INFINITY, value)

    result.where(negative, reflected)
    return result.value()


def _cotangent(b: Body, fraction: Value) -> Value:
    return 1.0 / _math(b, S.TAN, fraction * math.pi)


def digamma(b: Body, x: Value) -> Value:
    reflect = x < 0.0
    z = _Pieces(b, b.select(reflect, 1.0 - x, x))
    shift = _Pieces(b, b.const(x.type, 0.0))
    with b.when(b.any(z.value() < 10.0)):
        # The sum of 1 / z, 1 / (z + 1), ... up to 10, as one fraction.
        at, above, below = z.value(), b.const(x.type, 0.0), b.const(x.type, 1.0)
        for _ in range(10):
            less = at < 10.0
            above = b.select(less, b.fma(above, at, below), above)
            below = b.select(less, below * at, below)
            at = b.select(less, at + 1.0, at)
        b.store(at, z.place)
        b.store(above / below, shift.place)
    inverse = 1.0 / z.value()
    square = inverse * inverse
    series = b.fma(square, _polynomial(b, square, DIGAMMA), inverse * 0.5)
    result = _Pieces(b, _math(b, S.LOG, z.value()) - series - shift.value())

    def reflected() -> Value:
        fraction = x - b.intrinsic("rint", x)
        cotangent = b.select(fraction.same(0.0), NAN, _cotangent(b, fraction))
        return result.value() - cotangent * math.pi

    result.where(reflect, reflected)
    poles = b.copysign(b.const(x.type, INFINITY), -x)
    return b.select(x.same(0.0), poles, result.value())


def _power(x: Value, exponent: int) -> Value:
    result = None
    while exponent:
        if exponent & 1:
            result = x if result is None else result * x
        x, exponent = x * x, exponent >> 1
    assert result is not None
    return result


def polygamma(b: Body, x: Value, n: int, cotangent_derivative: Sequence[float]) -> Value:
    """Of order ``n`` >= 1; ``cotangent_derivative``: the polynomial of cot(z) that is the n-th derivative of cot(z)."""
    s, factorial = n + 1, float(math.factorial(n))
    sign = -1.0 if n % 2 == 0 else 1.0
    negative = x < 0.0
    q = b.select(negative, 1.0 - x, x)
    total = b.const(x.type, 0.0)
    for k in range(12):
        total = total + _power(1.0 / (q + float(k)), s)
    inverse = 1.0 / (q + 12.0)
    power = _power(inverse, s)
    total = total + (_power(inverse, s - 1) * (1 / (s - 1)) + power * 0.5)
    terms, factor = [], float(s)
    for k, bernoulli in enumerate(BERNOULLI, 1):
        terms.append(bernoulli / math.factorial(2 * k) * factor)
        factor *= (s + 2 * k - 1) * (s + 2 * k)
    total = b.fma(power * inverse, b.polynomial(inverse * inverse, terms), total)
    result = _Pieces(b, total * (sign * factorial))

    def reflected() -> Value:
        fraction = x - b.intrinsic("rint", x)
        derivative = _polynomial(b, _cotangent(b, fraction), cotangent_derivative)
        value = -(derivative * math.pi**s) - total * factorial
        return b.select(fraction.same(0.0), sign * INFINITY, value)

    result.where(negative, reflected)
    return result.value()


# --- modified Bessel functions of the first kind ----------------------------------------------------------------------

BESSEL_BORDER = 8.0


def _chebyshev(b: Body, t: Value, coefficients: Sequence[float]) -> Value:
    """The sum of coefficients times Chebyshev's polynomials, by Clenshaw's recurrence."""
    now = before = b.const(t.type, 0.0)
    twice = t + t
    for coefficient in reversed(coefficients[1:]):
        now, before = b.fma(twice, now, coefficient - before), now
    return b.fma(t, now, coefficients[0] - before)


def bessel_i(
    b: Body, x: Value, order: int, scaled: bool, near: Sequence[float], far: Sequence[float]
) -> Value:
    """Of order 0 or 1; times e^-|x| if ``scaled``.

    ``near``: the scaled function (of order 1: over x) on [0, 8], by Chebyshev's polynomials of x/4 - 1. ``far``: times √x from
    8 on, of 16/x - 1.
    """
    size = b.fabs(x)
    start = _chebyshev(b, size * (2 / BESSEL_BORDER) - 1.0, near)
    result = _Pieces(b, start * size if order else start)
    beyond = size > BESSEL_BORDER
    result.where(beyond, lambda: _chebyshev(b, (2 * BESSEL_BORDER) / size - 1.0, far) / b.sqrt(size))
    value = result.value()
    if scaled:
        value = b.select(size.same(INFINITY), 0.0, value)
    else:
        half = _math(b, S.EXP, size * 0.5)  # twice half the power: it overflows only where the result does
        value = b.select(size.same(INFINITY), INFINITY, value * half * half)
    return b.copysign(value, x) if order else value


FUNCTIONS: dict[str, Callable[[Body, Value], Value]] = {
    "erfinv": erfinv,
    "ndtri": ndtri,
    "erfcx": erfcx,
    "lgamma": lgamma,
    "digamma": digamma,
}
