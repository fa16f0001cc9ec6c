"""Orthogonal polynomials of degree n at x, elementwise, by their three-term recurrences.

Source: M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions", chapter 22. A degree below 0 gives 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
# p(k + 1) from k, x, p(k), p(k - 1)
Step = Callable[[int, Array, Array, Array], Array]
LARGE = 2048  # above this degree the recurrence has overflowed, or takes too long


def recurrence(x: Array, n: Array, first: Array, step: Step) -> Array:
    """p(n), where p(0) = 1 and p(1) = ``first``."""
    x, n, first = np.broadcast_arrays(x, n, first)
    before, now = np.ones(x.shape), first.astype(np.float64)
    result = np.where(n == 0, before, np.where(n == 1, now, 0.0))
    top = int(n.max(initial=0))
    for k in range(1, min(top, LARGE)):
        before, now = now, step(k, x, now, before)
        result = np.where(n == k + 1, now, result)
    return np.where((n > LARGE) | np.isnan(x), np.nan, result)


def _chebyshev(x: Array, n: Array, first: Array, of_angle: Callable[[Array, Array], Array]) -> Array:
    """By recurrence up to degree 6 or outside (-1, 1), by the angle whose cosine is x otherwise."""
    x, n, first = np.broadcast_arrays(x, n, first)
    inside = (np.abs(x) < 1) & (n > 6)
    result = np.zeros(x.shape)
    if inside.any():
        result[inside] = of_angle(np.arccos(x[inside]), n[inside])
    rest = ~inside
    if rest.any():
        result[rest] = recurrence(
            x[rest], n[rest], first[rest], lambda k, x, now, before: 2 * x * now - before
        )
    return result


def chebyshev_t(x: Array, n: Array) -> Array:
    return _chebyshev(x, n, x, lambda angle, n: np.cos(n * angle))


def chebyshev_u(x: Array, n: Array) -> Array:
    return _chebyshev(x, n, 2 * x, lambda angle, n: np.sin((n + 1) * angle) / np.sin(angle))


def chebyshev_v(x: Array, n: Array) -> Array:
    return _chebyshev(x, n, 2 * x - 1, lambda angle, n: np.cos((n + 0.5) * angle) / np.cos(angle / 2))


def chebyshev_w(x: Array, n: Array) -> Array:
    return _chebyshev(x, n, 2 * x + 1, lambda angle, n: np.sin((n + 0.5) * angle) / np.sin(angle / 2))


def shifted(function: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """The polynomials on (0, 1) instead of (-1, 1)."""
    return lambda x, n: function(2 * x - 1, n)


def hermite_h(x: Array, n: Array) -> Array:
    return recurrence(x, n, 2 * x, lambda k, x, now, before: 2 * (x * now - k * before))


def hermite_he(x: Array, n: Array) -> Array:
    return recurrence(x, n, x, lambda k, x, now, before: x * now - k * before)


def laguerre_l(x: Array, n: Array) -> Array:
    return recurrence(x, n, 1 - x, lambda k, x, now, before: ((2 * k + 1 - x) * now - k * before) / (k + 1))


def legendre_p(x: Array, n: Array) -> Array:
    return recurrence(x, n, x, lambda k, x, now, before: ((2 * k + 1) * x * now - k * before) / (k + 1))


POLYNOMIALS: dict[str, Callable[[Array, Array], Array]] = {
    "chebyshev_polynomial_t": chebyshev_t,
    "chebyshev_polynomial_u": chebyshev_u,
    "chebyshev_polynomial_v": chebyshev_v,
    "chebyshev_polynomial_w": chebyshev_w,
    "shifted_chebyshev_polynomial_t": shifted(chebyshev_t),
    "shifted_chebyshev_polynomial_u": shifted(chebyshev_u),
    "shifted_chebyshev_polynomial_v": shifted(chebyshev_v),
    "shifted_chebyshev_polynomial_w": shifted(chebyshev_w),
    "hermite_polynomial_h": hermite_h,
    "hermite_polynomial_he": hermite_he,
    "laguerre_polynomial_l": laguerre_l,
    "legendre_polynomial_p": legendre_p,
}


def evaluate(x: Array, n: Array, kind: str) -> Array:
    """The polynomial of that name; a degree is rounded towards 0, and one below 0 gives 0."""
    with np.errstate(all="ignore"):
        degree = np.trunc(n)
        return POLYNOMIALS[kind](x, np.where(np.isfinite(degree), degree, math.nan))
