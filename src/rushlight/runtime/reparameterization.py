"""How gamma and beta numbers move with their parameters at a fixed quantile: implicit reparameterization.

Where F(x; θ) is the distribution function and f its density, a number x that stays at its quantile has
dx/dθ = -(∂F/∂θ) / f(x). Here ∂F/∂θ is an integral over the tail of F on x's own side of the mean, computed
relative to f(x) so that nothing cancels or underflows, by the trapezoidal rule after t = exp(u - exp(-u)), which converges
exponentially for tails that decay like an exponential or faster.

Sources: M. Figurnov, S. Mohamed and A. Mnih, "Implicit reparameterization gradients", 2018; H. Takahasi and M. Mori, "Double
exponential formulas for numerical integration", 1974.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .special_functions import digamma

Array = NDArray[Any]

_STEP: Final = 1.0 / 16
_U: Final = np.arange(-4.25, 6.5, _STEP)
_NODES: Final = np.exp(_U - np.exp(-_U))
_WEIGHTS: Final = _STEP * _NODES * (1.0 + np.exp(-_U))
_AT_ONCE: Final = 2048  # elements, each with all nodes, that are integrated together


def _integral(scale: Array, integrand: Callable[[Array], Array]) -> Array:
    """The integral of ``integrand`` over (0, ∞), which decays on the scale given for each element (a column)."""
    values = np.asarray(integrand(scale * _NODES))
    return (
        np.asarray(np.einsum("ij,j->i", np.where(np.isfinite(values), values, 0.0), _WEIGHTS)) * scale[:, 0]
    )


def _in_pieces(function: Callable[..., Array], *arrays: Array) -> Array:
    """``function`` on columns of the broadcast float64 arrays, some elements at a time."""
    parts = np.broadcast_arrays(*arrays)
    shape = parts[0].shape
    columns = [part.reshape(-1, 1).astype(np.float64) for part in parts]
    result = np.empty(columns[0].shape[0])
    with np.errstate(all="ignore"):
        for start in range(0, result.size, _AT_ONCE):
            result[start : start + _AT_ONCE] = function(*[c[start : start + _AT_ONCE] for c in columns])
    return result.reshape(shape)


def _apart(function: Callable[..., Array], where: Array, result: Array, *columns: Array) -> None:
    if where.any():
        result[where] = function(*[column[where] for column in columns])


def _gamma_from_below(alpha: Array, x: Array) -> Array:
    # t = x exp(-s)
    scale = 1.0 / np.maximum(alpha - x, np.minimum(alpha, np.sqrt(alpha)))
    offset = np.log(x) - digamma(alpha)
    return -x[:, 0] * _integral(scale, lambda s: np.exp(-alpha * s - x * np.expm1(-s)) * (offset - s))


def _gamma_from_above(alpha: Array, x: Array) -> Array:
    # t = x + s
    scale = np.maximum(np.minimum(x / (x - alpha + 1.0), np.sqrt(x)), 1.0)
    offset = np.log(x) - digamma(alpha)

    def integrand(s: Array) -> Array:
        growth = np.log1p(s / x)
        return np.asarray(np.exp((alpha - 1.0) * growth - s) * (offset + growth))

    return _integral(scale, integrand)


def _gamma_columns(alpha: Array, x: Array) -> Array:
    result = np.full(alpha.shape[0], np.nan)
    below = x[:, 0] <= alpha[:, 0]
    known = (alpha[:, 0] > 0) & (x[:, 0] > 0) & np.isfinite(x[:, 0]) & np.isfinite(alpha[:, 0])
    _apart(_gamma_from_below, known & below, result, alpha, x)
    _apart(_gamma_from_above, known & ~below, result, alpha, x)
    result[(alpha[:, 0] > 0) & (x[:, 0] == 0)] = 0.0
    return result


def gamma_slope(alpha: Array, x: Array) -> Array:
    """dx/dalpha for gamma numbers ``x`` of shape parameter ``alpha`` and scale 1, at a fixed quantile; float64."""
    return _in_pieces(_gamma_columns, alpha, x)


def _beta_scale(x: Array, rest: Array, a: Array, b: Array) -> Array:
    """The scale of the decay of t**(a-1) (1-t)**(b-1) as t = x exp(-s) falls from x ≤ a / (a + b)."""
    decay = a - (b - 1.0) * x / rest
    curvature = np.maximum(b - 1.0, 0.0) * x / (rest * rest)
    at_the_mode = np.minimum(a, np.maximum(np.sqrt(curvature), np.sqrt(a)))
    return np.asarray(1.0 / np.where(b >= 1.0, np.maximum(decay, at_the_mode), a))


def _beta_from_below(a: Array, b: Array, x: Array, rest: Array) -> Array:
    # t = x exp(-s), and 1 - t = rest + x (1 - exp(-s))
    offset = np.log(x) - digamma(a) + digamma(a + b)
    ratio = x / rest

    def integrand(s: Array) -> Array:
        return np.asarray(np.exp(-a * s + (b - 1.0) * np.log1p(-ratio * np.expm1(-s))) * (offset - s))

    return -x[:, 0] * _integral(_beta_scale(x, rest, a, b), integrand)


def _beta_from_above(a: Array, b: Array, x: Array, rest: Array) -> Array:
    # 1 - t = rest exp(-s), and t = x + rest (1 - exp(-s))
    offset = digamma(a + b) - digamma(a)
    log_x = np.where(x > 0.5, np.log1p(-rest), np.log(x))
    ratio = rest / x

    def integrand(s: Array) -> Array:
        growth = np.log1p(-ratio * np.expm1(-s))
        return np.asarray(np.exp(-b * s + (a - 1.0) * growth) * (offset + log_x + growth))

    return rest[:, 0] * _integral(_beta_scale(rest, x, b, a), integrand)


def _beta_columns(x: Array, a: Array, b: Array) -> Array:
    result = np.full(x.shape[0], np.nan)
    rest = 1.0 - x
    below = (x <= a / (a + b))[:, 0]
    known = ((a > 0) & (b > 0) & (x > 0) & (rest > 0) & np.isfinite(a) & np.isfinite(b))[:, 0]
    _apart(_beta_from_below, known & below, result, a, b, x, rest)
    _apart(_beta_from_above, known & ~below, result, a, b, x, rest)
    result[((a > 0) & (b > 0) & ((x == 0) | (rest == 0)))[:, 0]] = 0.0
    # (1 - x) in the denominator: see dirichlet_slope
    return result / np.where(rest > 0, rest, 1.0)[:, 0]


def dirichlet_slope(x: Array, alpha: Array, total: Array) -> Array:
    """dx/dalpha / (1 - x) for one component ``x`` of a Dirichlet number whose concentrations sum to ``total``; float64.

    The component is a beta number of ``alpha`` and ``total - alpha``, the latter held fixed; the other components give
    way in proportion, which the factor 1 / (1 - x) accounts for.
    """
    return _in_pieces(lambda x, a, total: _beta_columns(x, a, total - a), x, alpha, total)
