"""The incomplete gamma functions and Hurwitz's zeta function, on float64 arrays.

Source: M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions", 6.5.29 (the series), 6.5.31 (the continued
fraction) and 23.2; W. J. Lentz, "Generating Bessel functions in Mie scattering calculations using continued
fractions", 1976.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.approximations import BERNOULLI
from .special_functions import lgamma

Array = NDArray[Any]
ROUNDS = 20_000  # of the series; it needs about 6 sqrt(a)


def _log1p_less_argument(mu: Array) -> Array:
    """log(1 + mu) - mu, exact for small mu too."""
    small = np.abs(mu) < 0.1
    series = np.zeros_like(mu)
    for k in range(24, 1, -1):
        series = series * mu + (-1.0) ** (k + 1) / k
    return np.asarray(np.where(small, series * mu * mu, np.log1p(mu) - mu))


def _prefactor(a: Array, x: Array) -> Array:
    """x^a e^-x / gamma(a + 1), by Stirling's series where the terms of its logarithm would cancel."""
    plain = np.exp(a * np.log(x) - x - lgamma(a + 1))
    large = a > 20
    if not large.any():
        result: Array = plain
        return result
    a = np.where(large, a, 21.0)
    inverse = 1 / a
    stirling = inverse / 12 - inverse**3 / 360 + inverse**5 / 1260 - inverse**7 / 1680 + inverse**9 / 1188
    scaled = np.exp(a * _log1p_less_argument((x - a) / a) - stirling) / np.sqrt(2 * math.pi * a)
    return np.where(large, scaled, plain)


def _series(a: Array, x: Array) -> Array:
    """Where a sum has converged it is left alone: a few elements may need a hundred times the rounds of the rest."""
    result = np.empty_like(x)
    left, a_left, x_left = np.arange(x.size), a, x
    term = np.ones_like(x)
    total = term.copy()
    for k in range(1, ROUNDS):
        term = term * x_left / (a_left + k)
        total += term
        if k % 8 == 0:
            going = term > 1e-17 * total
            remaining = np.count_nonzero(going)
            if not remaining:
                break
            if 2 * remaining < going.size:
                result[left] = total
                left, a_left, x_left = left[going], a_left[going], x_left[going]
                term, total = term[going], total[going]
    result[left] = total
    return result * _prefactor(a, x)


def _fraction(a: Array, x: Array) -> Array:
    tiny = 1e-300
    result = np.empty_like(x)
    left, a_left = np.arange(x.size), a
    b = x + 1 - a
    c = np.full_like(x, 1 / tiny)
    d = 1 / b
    value = d.copy()
    for k in range(1, ROUNDS):
        numerator = k * (a_left - k)
        b = b + 2
        d = numerator * d + b
        d = 1 / np.where(np.abs(d) < tiny, tiny, d)
        c = b + numerator / c
        c = np.where(np.abs(c) < tiny, tiny, c)
        change = c * d
        value *= change
        if k % 8 == 0:
            going = np.abs(change - 1) > 5e-16  # the last bits of the two factors need not settle
            remaining = np.count_nonzero(going)
            if not remaining:
                break
            if 2 * remaining < going.size:
                result[left] = value
                left, a_left = left[going], a_left[going]
                b, c, d, value = b[going], c[going], d[going], value[going]
    result[left] = value
    return result * _prefactor(a, x) * a


def _lower_or_upper(a: Array, x: Array, upper: bool) -> Array:
    a, x = (part.reshape(-1) for part in np.broadcast_arrays(a, x))
    result = np.full(x.shape, np.nan)
    valid = (a >= 0) & (x >= 0)
    ends: list[tuple[Array, float]] = [
        ((x == 0) & (a > 0), 0.0),
        ((a == 0) & (x > 0), 1.0),
        (np.isinf(a) & np.isfinite(x), 0.0),
        (np.isinf(x) & np.isfinite(a), 1.0),
    ]
    for where, limit in ends:
        result[where & valid] = 1 - limit if upper else limit
    inside = valid & (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    by_series = inside & ((x <= 1) | (x <= a))
    by_fraction = inside & ~by_series
    for where, function, is_upper in ((by_series, _series, False), (by_fraction, _fraction, True)):
        if where.any():
            value = function(a[where], x[where])
            result[where] = value if upper == is_upper else 1 - value
    return result


def igamma(a: Array, x: Array) -> Array:
    """The regularized lower incomplete gamma function."""
    shape = np.broadcast_shapes(a.shape, x.shape)
    with np.errstate(all="ignore"):
        return _lower_or_upper(a, x, False).reshape(shape)


def igammac(a: Array, x: Array) -> Array:
    """The regularized upper incomplete gamma function."""
    shape = np.broadcast_shapes(a.shape, x.shape)
    with np.errstate(all="ignore"):
        return _lower_or_upper(a, x, True).reshape(shape)


def zeta(s: Array, q: Array) -> Array:
    """The sum of (q + k)^-s over k = 0, 1, 2, …: infinite for s = 1 and at the poles, nan for s < 1."""
    with np.errstate(all="ignore"):
        s, q = np.broadcast_arrays(s, q)
        terms = 12
        # Below 0 the sum is made from where q is positive on.
        steps = np.where(q < 0, np.minimum(np.ceil(-q), 1000.0), 0.0)
        total = np.zeros(q.shape)
        for k in range(terms + int(steps.max(initial=0))):
            total += np.where(k < terms + steps, np.power(q + k, -s), 0.0)
        z = q + terms + steps
        power = z**-s
        total += z * power / (s - 1) + 0.5 * power
        factor, power = s.copy(), power / z
        for k, bernoulli in enumerate(BERNOULLI, 1):
            total += bernoulli / math.factorial(2 * k) * factor * power
            factor = factor * (s + 2 * k - 1) * (s + 2 * k)
            power = power / (z * z)
        total = np.where(np.isinf(q) & (q > 0), 0.0, total)
        whole = q == np.floor(q)
        total = np.where((q <= 0) & whole, np.inf, np.where((q <= 0) & (s != np.floor(s)), np.nan, total))
        return np.where(s == 1, np.inf, np.where(s < 1, np.nan, total))
