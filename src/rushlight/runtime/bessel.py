"""Bessel and Airy functions on float64 arrays: power series near 0, asymptotic expansions far out, and in between the
trapezoidal rule on an integral that represents the function, which converges exponentially for these.

Sources: M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions", chapters 9 and 10 (numbers in brackets);
L. N. Trefethen and J. A. C. Weideman, "The exponentially convergent trapezoidal rule", 2014. Errors are a few units in
the last place of a float64; near the zeros of a function, of its amplitude.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .special_kernels import SpecialKernel

Array = NDArray[Any]
EULER = 0.57721566490153286061
FAR = 25.0  # from here on the asymptotic expansions give every digit
CHUNK = 4096  # elements of one table of an integrand


def pieces(x: Array, *regions: tuple[Array, Callable[[Array], Array]]) -> Array:
    """Each function on the elements of its region; nan elsewhere."""
    result = np.full(x.shape, np.nan)
    for where, function in regions:
        if where.any():
            result[where] = function(x[where])
    return result


def power_series(square: Array, first: float, step: Callable[[int], float]) -> Array:
    """The sum of terms of which number k is the one before times ``square * step(k)``."""
    term = np.full(square.shape, first)
    total = term.copy()
    for k in range(1, 200):
        term = term * square * step(k)
        total += term
        if np.all(np.abs(term) <= 1e-18 * np.abs(total)):
            break
    return total


def expansion(order: int, z: Array, signed: bool) -> Array:
    """Hankel's coefficients a_k(order) / z^k summed to the smallest term: all of them, with signs (-1)^k if ``signed``."""
    mu = 4.0 * order * order
    term = np.ones_like(z)
    total = term.copy()
    for k in range(1, 40):
        following = term * (mu - (2 * k - 1) ** 2) / (k * 8.0 * z) * (-1.0 if signed else 1.0)
        shrinking = np.abs(following) < np.abs(term)
        term = np.where(shrinking, following, 0.0)
        total += term
        if np.all(np.abs(term) < 1e-18):
            break
    return total


# --- the oscillating ones ---------------------------------------------------------------------------------------------


def _hankel(order: int, x: Array) -> tuple[Array, Array]:
    """J and Y for large x [9.2.5, 9.2.6]."""
    mu = 4.0 * order * order
    p, q = np.ones_like(x), np.zeros_like(x)
    term = np.ones_like(x)
    for k in range(1, 30):
        term = term * (mu - (2 * k - 1) ** 2) / (k * 8.0 * x)
        sign = -1.0 if k % 4 in (2, 3) else 1.0
        if k % 2:
            q += sign * term
        else:
            p += sign * term
        if np.all(np.abs(term) < 1e-18):
            break
    # cos and sin of x - (order/2 + 1/4) pi, from those of x, so that no digit of a large x is lost.
    sine, cosine = np.sin(x), np.cos(x)
    root = math.sqrt(0.5)
    c, s = (cosine + sine) * root, (sine - cosine) * root
    if order == 1:
        c, s = s, -c
    scale = np.sqrt(2.0 / (math.pi * x))
    return scale * (p * c - q * s), scale * (p * s + q * c)


def _on_circle(x: Array, order: int, weights: Array | None = None) -> Array:
    """The mean of cos(order t - x sin t), times ``weights`` if given, over 128 points of a circle [9.1.21]."""
    angles = _angles()
    result = np.empty_like(x)
    for at in range(0, x.size, CHUNK):
        part = x[at : at + CHUNK, None]
        values = np.cos(order * angles - part * np.sin(angles))
        result[at : at + CHUNK] = values.mean(1) if weights is None else (values * weights).mean(1)
    return result


@cache
def _angles() -> Array:
    return (np.arange(128) + 0.5) * (2 * math.pi / 128)


def _j_near(order: int, x: Array) -> Array:
    first = 1.0 if order == 0 else 0.5
    series = power_series(x * x, first, lambda k: -0.25 / (k * (k + order)))
    return series * x if order else series


def _bessel_j(order: int, x: Array) -> Array:
    size = np.abs(x)
    result = pieces(
        size,
        (size < 2.0, lambda x: _j_near(order, x)),
        ((size >= 2.0) & (size < FAR), lambda x: _on_circle(x, order)),
        ((size >= FAR) & np.isfinite(size), lambda x: _hankel(order, x)[0]),
        (np.isinf(size), np.zeros_like),
    )
    return np.where(x < 0, -result, result) if order else result


def j0(x: Array) -> Array:
    return _bessel_j(0, x)


def j1(x: Array) -> Array:
    return _bessel_j(1, x)


@cache
def _neumann_weights(order: int) -> Array:
    """With which the mean over the circle gives the sums of J of even (odd) order in Y's series [9.1.88]."""
    angles = _angles()
    total = np.zeros_like(angles)
    for k in range(1, 31):
        if order == 0:
            total += (-1.0) ** k / k * np.cos(2 * k * angles)
        else:
            total += (-1.0) ** k * (2 * k + 1) / (k * (k + 1)) * np.sin((2 * k + 1) * angles)
    return total


def _y_middle(order: int, x: Array) -> Array:
    angles = _angles()
    weights = _neumann_weights(order)
    sums = np.empty_like(x)
    for at in range(0, x.size, CHUNK):
        phase = x[at : at + CHUNK, None] * np.sin(angles)
        sums[at : at + CHUNK] = ((np.sin(phase) if order else np.cos(phase)) * weights).mean(1)
    logarithm = np.log(x / 2) + EULER
    if order == 0:
        return 2 / math.pi * logarithm * _bessel_j(0, x) - 4 / math.pi * sums
    from_j = -_bessel_j(0, x) / x + (logarithm - 1) * _bessel_j(1, x)
    return 2 / math.pi * (from_j - sums)


def _y_near(order: int, x: Array) -> Array:
    """[9.1.11, 9.1.13]"""
    square = x * x / 4
    term = np.ones_like(x)
    harmonic = 0.0 if order == 0 else 1.0
    total = term * harmonic
    for k in range(1, 20):
        term = term * -square / (k * (k + order))
        harmonic += 1 / k if order == 0 else 1 / k + 1 / (k + 1)
        total += term * harmonic
    logarithm = np.log(x / 2) + EULER
    if order == 0:
        return 2 / math.pi * (logarithm * _bessel_j(0, x) - total)
    return -2 / (math.pi * x) + 2 / math.pi * logarithm * _bessel_j(1, x) - x / (2 * math.pi) * total


def _bessel_y(order: int, x: Array) -> Array:
    return pieces(
        x,
        (x == 0, lambda x: np.full_like(x, -np.inf)),
        ((x > 0) & (x < 2.0), lambda x: _y_near(order, x)),
        ((x >= 2.0) & (x < FAR), lambda x: _y_middle(order, x)),
        ((x >= FAR) & np.isfinite(x), lambda x: _hankel(order, x)[1]),
    )


def y0(x: Array) -> Array:
    return _bessel_y(0, x)


def y1(x: Array) -> Array:
    return _bessel_y(1, x)


def spherical_j0(x: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.where(np.isinf(x), 0.0, np.where(np.abs(x) < 1e-4, 1 - x * x / 6, np.sin(x) / x))


# --- the growing ones -------------------------------------------------------------------------------------------------


def _bessel_i(order: int, x: Array, scaled: bool) -> Array:
    """[9.6.10, 9.7.1]"""

    def near(x: Array) -> Array:
        series = power_series(x * x, 1.0 if order == 0 else 0.5, lambda k: 0.25 / (k * (k + order)))
        series = series * x if order else series
        return series * np.exp(-x) if scaled else series

    def far(x: Array) -> Array:
        series = expansion(order, x, True) / np.sqrt(2 * math.pi * x)
        if scaled:
            return series
        half = np.exp(x / 2)  # twice half the power: the product overflows only where the result does
        return series * half * half

    size = np.abs(x)
    infinite = 0.0 if scaled else np.inf
    result = pieces(
        size,
        (size < FAR, near),
        ((size >= FAR) & np.isfinite(size), far),
        (np.isinf(size), lambda x: np.full_like(x, infinite)),
    )
    return np.where(x < 0, -result, result) if order else result


def i0(x: Array) -> Array:
    return _bessel_i(0, x, False)


def i1(x: Array) -> Array:
    return _bessel_i(1, x, False)


def i0e(x: Array) -> Array:
    return _bessel_i(0, x, True)


def i1e(x: Array) -> Array:
    return _bessel_i(1, x, True)


@cache
def _fits(order: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Chebyshev's coefficients for ``vector_special.bessel_i``, found from the series above."""
    from ..compiler.codegen.vector_special import BESSEL_BORDER

    def near(t: Array) -> Array:
        x = (t + 1) * (BESSEL_BORDER / 2)
        return _bessel_i(order, x, True) / x if order else _bessel_i(order, x, True)

    def far(t: Array) -> Array:
        x = 2 * BESSEL_BORDER / (t + 1)
        return _bessel_i(order, x, True) * np.sqrt(x)

    return _chebyshev_coefficients(near, 30), _chebyshev_coefficients(far, 30)


def _chebyshev_coefficients(function: Callable[[Array], Array], terms: int) -> tuple[float, ...]:
    """Of a function on [-1, 1], by the sums over its values at a polynomial's zeros, to a few roundings."""
    points = 64
    angles = (np.arange(points) + 0.5) * (np.longdouble(math.pi) / points)
    values = function(np.cos(angles).astype(np.float64)).astype(np.longdouble)
    sums = [2 / points * (values * np.cos(k * angles)).sum() for k in range(terms)]
    return (float(sums[0]) / 2, *map(float, sums[1:]))


def kernel_of_i(order: int, scaled: bool) -> SpecialKernel:
    """The kernels of ``i0``, ``i1``, ``i0e`` or ``i1e``."""

    def text(itemsize: int) -> str:
        from ..compiler.kernels import special

        return special.bessel_text(order, scaled, *_fits(order), itemsize)

    return SpecialKernel(text)


# --- the falling ones -------------------------------------------------------------------------------------------------


def _falling(order: float, x: Array) -> Array:
    """exp(x) K(x) for x not near 0: the integral of exp(-x (cosh t - 1)) cosh(order t) over t > 0 [9.6.24]."""
    steps = 48
    result = np.empty_like(x)
    for at in range(0, x.size, CHUNK):
        part = x[at : at + CHUNK, None]
        step = np.arccosh(1 + 42 / part) / steps  # beyond, the integrand is below 1e-18
        t = step * np.arange(steps + 1)
        values = np.exp(-2 * part * np.sinh(t / 2) ** 2) * np.cosh(order * t)
        result[at : at + CHUNK] = (values.sum(1) - values[:, 0] / 2) * step[:, 0]
    return result


def _k_near(order: int, x: Array) -> Array:
    """[9.6.11, 9.6.13]"""
    square = x * x / 4
    term = np.ones_like(x)
    harmonic = 0.0 if order == 0 else 1.0
    total = term * harmonic
    for k in range(1, 20):
        term = term * square / (k * (k + order))
        harmonic += 1 / k if order == 0 else 1 / k + 1 / (k + 1)
        total += term * harmonic
    logarithm = np.log(x / 2) + EULER
    if order == 0:
        return total - logarithm * _bessel_i(0, x, False)
    return 1 / x + logarithm * _bessel_i(1, x, False) - x / 4 * total


def _bessel_k(order: int, x: Array, scaled: bool) -> Array:
    return pieces(
        x,
        (x == 0, lambda x: np.full_like(x, np.inf)),
        ((x > 0) & (x <= 1), lambda x: _k_near(order, x) * (np.exp(x) if scaled else 1.0)),
        (
            (x > 1) & np.isfinite(x),
            lambda x: _falling(order, x) * (1.0 if scaled else np.exp(-x)),
        ),
        (x == np.inf, np.zeros_like),
    )


def k0(x: Array) -> Array:
    return _bessel_k(0, x, False)


def k1(x: Array) -> Array:
    return _bessel_k(1, x, False)


def k0e(x: Array) -> Array:
    return _bessel_k(0, x, True)


def k1e(x: Array) -> Array:
    return _bessel_k(1, x, True)


# --- Airy's function --------------------------------------------------------------------------------------------------

_AI_0, _AI_SLOPE = 0.35502805388781723926, -0.25881940379280679840


def _airy_near(x: Array) -> Array:
    """[10.4.2]"""
    cube = x**3
    even, odd = np.ones_like(x), x.copy()
    total = _AI_0 * even + _AI_SLOPE * odd
    for k in range(1, 30):
        even = even * cube / ((3 * k - 1) * (3 * k))
        odd = odd * cube / ((3 * k) * (3 * k + 1))
        total += _AI_0 * even + _AI_SLOPE * odd
    return total


def _airy_falling(x: Array) -> Array:
    """[10.4.14]"""
    z = 2 / 3 * x**1.5
    return np.sqrt(x / 3) / math.pi * _falling(1 / 3, z) * np.exp(-z)


def _airy_contour(x: Array) -> Array:
    """The integral of exp(z^3/3 - x z) / (2 pi i) along z = 1/4 + i t [10.4.32, with the line moved]."""
    shift, step = 0.25, 0.02
    t = step * np.arange(0, round(13 / step))
    z = shift + 1j * t
    weights = np.full(t.shape, step / math.pi)
    weights[0] /= 2
    cubes = z**3 / 3
    result = np.empty_like(x)
    for at in range(0, x.size, CHUNK // 16):
        part = x[at : at + CHUNK // 16, None]
        result[at : at + CHUNK // 16] = (np.exp(cubes - part * z).real * weights).sum(1)
    return result


def _airy_oscillating(x: Array) -> Array:
    """[10.4.60]"""
    size = -x
    z = 2 / 3 * size**1.5
    even, odd, term = np.ones_like(z), np.zeros_like(z), np.ones_like(z)
    for k in range(1, 24):
        term = term * (6 * k - 5) * (6 * k - 3) * (6 * k - 1) / (216 * k * (2 * k - 1)) / z
        sign = -1.0 if k % 4 in (2, 3) else 1.0
        if k % 2:
            odd += sign * term
        else:
            even += sign * term
        if np.all(np.abs(term) < 1e-18):
            break
    phase = z + math.pi / 4
    return (np.sin(phase) * even - np.cos(phase) * odd) / (math.sqrt(math.pi) * size**0.25)


def airy_ai(x: Array) -> Array:
    return pieces(
        x,
        (np.abs(x) < 1.5, _airy_near),
        ((x >= 1.5) & np.isfinite(x), _airy_falling),
        ((x <= -1.5) & (x > -10), _airy_contour),
        ((x <= -10) & np.isfinite(x), _airy_oscillating),
        (np.isinf(x), np.zeros_like),
    )
