"""Special functions on float64 arrays: erf, erfc, erfinv, the logarithm of the gamma function and its derivatives.

Each is one published approximation, evaluated for every region on the elements that lie in it. The coefficients are
those of the papers named at each function; accuracy is a few units in the last place of a float64, so a float32 result,
which is computed in float64 and rounded (``in_float64``), is right to its last bit but for ties. ``erf_float32`` is
quicker, for activations of large arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.approximations import (
    BERNOULLI,
    DIGAMMA,
    ERF_SMALL,
    ERFC_LARGE,
    ERFC_MIDDLE,
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
from .special_kernels import SpecialKernel, kernel_of

Array = NDArray[Any]
F32, F64 = np.dtype(np.float32), np.dtype(np.float64)


def in_float64(
    function: Callable[[Array], Array], kernel: SpecialKernel | None = None
) -> Callable[[Array], Array]:
    """``function`` for arrays of any floating-point dtype: computed in float64 and rounded once; by ``kernel`` where that
    can."""

    def rounded(x: Array) -> Array:
        if kernel is not None:
            computed = kernel(x)
            if computed is not None:
                return in_order_of(x, computed)
        flat = x.reshape(-1)  # a row has elements that can be assigned, which a 0-dim result has not
        result = function(flat if x.dtype is F64 else flat.astype(F64))
        return in_order_of(x, result.astype(x.dtype, copy=False).reshape(x.shape))

    return rounded


def in_order_of(x: Array, result: Array) -> Array:
    """``result`` in the order of memory that ``x`` has, as NumPy's own functions give it."""
    if x.flags.c_contiguous:
        return result
    ordered = np.empty_like(x, result.dtype, subok=False)
    ordered[...] = result
    return ordered


def polynomial(x: Array, coefficients: Sequence[Any]) -> Array:
    """The polynomial with the given coefficients, the highest power's first, by Horner's rule."""
    result: Array = x * coefficients[0]
    result += coefficients[1]
    for coefficient in coefficients[2:]:
        result *= x
        result += coefficient
    return result


# --- the error function -----------------------------------------------------------------------------------------------
def _erfc_of_large(y: Array, scaled: bool = False) -> Array:
    """erfc of ``y`` > 0.46875; times exp(y**2) if ``scaled``."""
    result = np.empty_like(y)
    middle = y <= 4.0
    z = y[middle]
    result[middle] = polynomial(z, ERFC_MIDDLE[0]) / polynomial(z, ERFC_MIDDLE[1])
    large = ~middle
    z = y[large]
    inverse_square = 1.0 / (z * z)
    tail = (
        inverse_square * polynomial(inverse_square, ERFC_LARGE[0]) / polynomial(inverse_square, ERFC_LARGE[1])
    )
    result[large] = (INVERSE_SQRT_PI - tail) / z
    if scaled:
        return result
    # exp(-y*y) with y split so that the square of its first part is exact.
    head = np.trunc(np.minimum(y, 30.0) * 16.0) / 16.0
    result *= np.exp(-head * head) * np.exp(-(y - head) * (y + head))
    return result


def erf(x: Array) -> Array:
    """The error function: 2/sqrt(pi) times the integral of exp(-t**2) from 0 to x."""
    magnitude = np.abs(x)
    small = magnitude <= 0.46875
    result = np.empty_like(x)
    z = x[small]
    square = z * z
    result[small] = z * (polynomial(square, ERF_SMALL[0]) / polynomial(square, ERF_SMALL[1]))
    rest = ~small
    result[rest] = np.copysign(1.0 - _erfc_of_large(magnitude[rest]), x[rest])
    return result


def erfc(x: Array) -> Array:
    """1 - erf(x), without the loss of digits where erf is near 1."""
    magnitude = np.abs(x)
    small = magnitude <= 0.46875
    result = np.empty_like(x)
    result[small] = 1.0 - erf(x[small])
    rest = ~small
    tail = _erfc_of_large(magnitude[rest])
    result[rest] = np.where(x[rest] < 0, 2.0 - tail, tail)
    return result


def erfcx(x: Array) -> Array:
    """exp(x**2) * erfc(x), which does not underflow for large x."""
    large = x > 0.46875
    result = np.empty_like(x)
    result[large] = _erfc_of_large(x[large], scaled=True)
    rest = ~large
    z = x[rest]
    result[rest] = np.exp(z * z) * erfc(z)
    return result


# For float32: polynomials fitted for this project by iteratively reweighted least squares, with relative errors below
# 5e-10 and 2e-9. erf(x) = x + x * P(x**2) for abs(x) < 0.93, and 1 - exp(-Q(abs(x))) beyond.
_ERF32_SMALL = tuple(
    np.asarray(c, F32)  # 0-dim arrays: NumPy takes them twice as fast as its scalars
    for c in (
        8.316778985317796e-05, -0.0008130015921778977, 0.005199907347559929, -0.026858942583203316,
        0.11283687502145767, -0.37612631916999817, 0.12837916612625122,
    )
)  # fmt: skip
_ERF32_LARGE = tuple(
    np.asarray(c, F32)
    for c in (
        -0.00019477927708067, 0.0030318356584757566, -0.022181449458003044, 0.1038370430469513,
        0.6372902393341064, 1.1276112794876099, 0.00021129066590219736,
    )
)  # fmt: skip
_ERF32_BORDER, _ERF32_END, _ONE32 = np.asarray(0.93, F32), np.asarray(4.0, F32), np.asarray(1.0, F32)
_BLOCK = 8192  # elements that stay in the cache through all passes


def erf_float32(x: Array) -> Array:
    """erf of a float32 array within 1.5 units in the last place, computed in float32."""
    flat = x.reshape(-1)
    result = np.empty_like(flat)
    for start in range(0, flat.size, _BLOCK):
        z = flat[start : start + _BLOCK]
        magnitude = np.abs(z)
        large = magnitude > _ERF32_BORDER
        np.minimum(magnitude, _ERF32_END, out=magnitude)
        tail = np.negative(polynomial(magnitude, _ERF32_LARGE))
        np.subtract(_ONE32, np.exp(tail, tail), tail)
        np.copysign(tail, z, tail)
        square = z * z
        center = polynomial(square, _ERF32_SMALL)
        center *= z
        center += z
        np.copyto(center, tail, where=large)
        result[start : start + _BLOCK] = center
    return in_order_of(x, result.reshape(x.shape))


# --- the inverse error function ---------------------------------------------------------------------------------------
def _normal_quantile(q: Array, tail: Array) -> Array:
    """The standard normal quantile of 0.5 + ``q``; ``tail`` = 0.5 - abs(q), given apart so that it keeps its digits."""
    result = np.empty_like(q)
    center = np.abs(q) <= 0.425
    z = q[center]
    r = 0.180625 - z * z
    result[center] = z * polynomial(r, NORMAL_CENTER[0]) / polynomial(r, NORMAL_CENTER[1])
    rest = ~center
    root = np.sqrt(-np.log(tail[rest]))
    near = root <= 5.0
    value = np.empty_like(root)
    r = root[near] - 1.6
    value[near] = polynomial(r, NORMAL_MIDDLE[0]) / polynomial(r, NORMAL_MIDDLE[1])
    r = np.minimum(root[~near], 30.0) - 5.0
    value[~near] = polynomial(r, NORMAL_TAIL[0]) / polynomial(r, NORMAL_TAIL[1])
    value = np.where(
        tail[rest] == 0, np.inf, value
    )  # the ends; outside them the root is nan, and so is the value
    result[rest] = np.copysign(value, q[rest])
    return result


def erfinv(x: Array) -> Array:
    """The y with erf(y) = x: infinite at -1 and 1, nan outside."""
    return _normal_quantile(0.5 * x, 0.5 * (1.0 - np.abs(x))) * math.sqrt(0.5)


def ndtri(p: Array) -> Array:
    """The quantile of the standard normal distribution."""
    return _normal_quantile(p - 0.5, np.minimum(p, 1.0 - p))


# --- the gamma function -----------------------------------------------------------------------------------------------
def _near(x: Array, fit: tuple[float, tuple[float, ...], tuple[float, ...]]) -> Array:
    slope, numerator, denominator = fit
    return x * (slope + x * (polynomial(x, numerator) / polynomial(x, denominator)))


def _log_gamma_positive(x: Array) -> Array:
    result = np.empty_like(x)
    large = x > 12.0
    z = x[large]
    inverse = 1.0 / z
    series = polynomial(inverse * inverse, STIRLING) * inverse
    result[large] = (z - 0.5) * np.log(z) - z + HALF_LOG_TWO_PI + series
    result[x == np.inf] = np.inf
    middle = (x > 4.0) & ~large
    z = x[middle] - 4.0
    result[middle] = LOG_GAMMA_4[0] + z * polynomial(z, LOG_GAMMA_4[1]) / polynomial(z, LOG_GAMMA_4[2])
    two = (x > 1.5) & (x <= 4.0)
    result[two] = _near(x[two] - 2.0, LOG_GAMMA_2)
    one = (x >= 0.6796875) & (x <= 1.5)
    z = x[one] - 1.0
    result[one] = _near(z, LOG_GAMMA_1)
    # log(gamma(x)) = log(gamma(x + 1)) - log(x)
    below_one = (x > 0.5) & (x < 0.6796875)
    z = x[below_one]
    result[below_one] = _near(z - 1.0, LOG_GAMMA_2) - np.log(z)
    small = x <= 0.5
    z = x[small]
    result[small] = _near(z, LOG_GAMMA_1) - np.log(z)
    result[np.isnan(x)] = np.nan
    return result


def lgamma(x: Array) -> Array:
    """The logarithm of the absolute value of the gamma function; infinite at 0, -1, -2, …"""
    result = np.empty_like(x)
    negative = x <= 0
    positive = ~negative
    result[positive] = _log_gamma_positive(x[positive])
    z = x[negative]
    # gamma(z) gamma(1 - z) = pi / sin(pi z); the sine of the distance to the next integer keeps its digits.
    sine = np.abs(np.sin(math.pi * (z - np.rint(z))))
    reflected = math.log(math.pi) - np.log(sine) - _log_gamma_positive(1.0 - z)
    result[negative] = np.where(np.isinf(z), np.inf, reflected)
    return result


def digamma(x: Array) -> Array:
    """The derivative of log(gamma): nan at negative integers, -inf at 0 and inf at -0.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 6.3.5 (recurrence), 6.3.7 (reflection) and 6.3.18.
    """
    reflect = x < 0
    z = np.where(reflect, 1.0 - x, x)
    shift = np.zeros_like(z)
    for _ in range(10):
        below = z < 10.0
        if not below.any():
            break
        shift[below] += 1.0 / z[below]
        z = np.where(below, z + 1.0, z)
    inverse = 1.0 / z
    square = inverse * inverse
    result = np.log(z) - 0.5 * inverse - square * polynomial(square, DIGAMMA) - shift
    result[x == np.inf] = np.inf
    fraction = x[reflect] - np.rint(x[reflect])
    cotangent = np.where(fraction == 0, np.nan, 1.0 / np.tan(math.pi * fraction))
    result[reflect] -= math.pi * cotangent
    zero = x == 0
    result[zero] = np.copysign(np.inf, -x[zero])
    return result


def polygamma(n: int, x: Array) -> Array:
    """The derivative of order ``n`` of digamma (``n`` = 0: digamma itself).

    For positive arguments (-1)**(n+1) n! zeta(n+1, x), the Hurwitz zeta function by the sum of its first terms and the
    Euler-Maclaurin formula for the rest (Handbook of Mathematical Functions, 6.4.10 and 23.1.30); for negative ones the
    reflection 6.4.7.
    """
    if n == 0:
        return digamma(x)
    sign = -1.0 if n % 2 == 0 else 1.0
    factorial = math.factorial(n) if n <= 170 else math.inf
    result = np.empty_like(x)
    negative = x < 0
    positive = ~negative
    result[positive] = sign * factorial * hurwitz_zeta(n + 1, x[positive])
    z = x[negative]
    fraction = z - np.rint(z)
    cotangent = 1.0 / np.tan(math.pi * fraction)
    derivative = polynomial(cotangent, _cotangent_derivative(n)) * math.pi ** (n + 1)
    # psi_n(1 - z) + (-1)**(n+1) psi_n(z) = (-1)**n pi d^n/dz^n cot(pi z)
    reflected = -derivative - factorial * hurwitz_zeta(n + 1, 1.0 - z)
    result[negative] = np.where(fraction == 0, sign * np.inf, reflected)
    return result


@lru_cache(maxsize=32)
def polygamma_of_floats(n: int) -> Callable[[Array], Array]:
    """``polygamma`` of order ``n``, of arrays of any floating-point dtype."""

    def text(itemsize: int) -> str:
        from ..compiler.kernels import special

        return special.polygamma_text(n, _cotangent_derivative(n), itemsize)

    if n == 0:
        return in_float64(digamma, kernel_of("digamma"))
    return in_float64(lambda x: polygamma(n, x), SpecialKernel(text) if n <= 8 else None)


@lru_cache(maxsize=64)
def _cotangent_derivative(n: int) -> tuple[float, ...]:
    """The polynomial P (highest power first) with d^n/dz^n cot(z) = P(cot(z)): cot' = -(1 + cot**2)."""
    powers = [0.0, 1.0]  # the lowest power first
    for _ in range(n):
        slopes = [k * c for k, c in enumerate(powers)][1:]
        powers = [0.0] * (len(slopes) + 2)
        for k, c in enumerate(slopes):
            powers[k] -= c
            powers[k + 2] -= c
    return tuple(reversed(powers))


def hurwitz_zeta(s: float, q: Array) -> Array:
    """The sum of (q + k)**-s over k = 0, 1, 2, … for s > 1 and q > 0 (infinite at q = 0)."""
    terms = 12
    total = np.zeros_like(q)
    for k in range(terms):
        total += (q + k) ** -s
    z = q + terms
    power = z**-s
    total += z * power / (s - 1) + 0.5 * power
    factor = s
    power = power / z
    for k, bernoulli in enumerate(BERNOULLI, 1):
        total += bernoulli / math.factorial(2 * k) * factor * power
        factor *= (s + 2 * k - 1) * (s + 2 * k)
        power = power / (z * z)
    total[np.isinf(q)] = 0.0
    return total
