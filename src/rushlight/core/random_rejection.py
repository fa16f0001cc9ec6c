"""Gamma, Dirichlet and binomial numbers by rejection, from the draws that PyTorch's CPU functions make.

Sources: G. Marsaglia and W. W. Tsang, "A simple method for generating gamma variables", 2000; W. Hörmann, "The generation of
binomial random variates", 1993 (BTRS); L. Devroye, "Non-Uniform Random Variate Generation", 1986 (waiting times).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .dtypes import F64
from .generator import Generator
from .random_dtypes import DIGITS, Array, narrowed, not_implemented

Draw = Callable[[], float]
_THIRD: Final = float(np.float32(1.0 / 3.0))  # PyTorch subtracts the float32 number, in float64 too


class _Draws:
    """Uniform numbers and normals, one by one, from a generator whose lock is held.

    A normal takes two uniforms and leaves a second normal for the next time, with the generator, as PyTorch's do.
    """

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self.uniform: Final = generator.units64_unlocked().__next__

    def normal(self) -> float:
        kept = self.generator._normal
        if kept is not None:
            self.generator._normal = None
            return kept
        angle = 2.0 * math.pi * self.uniform()
        radius = math.sqrt(-2.0 * math.log1p(-self.uniform()))
        self.generator._normal = radius * math.sin(angle)
        return radius * math.cos(angle)


def _as_it_is(value: float) -> float:
    return value


def _to_float32(value: float) -> float:
    return float(np.float32(value))


def _gamma(draws: _Draws, alpha: float, kept: Callable[[float], float]) -> float:
    # ``kept`` is the precision in which PyTorch holds what depends on alpha alone.
    if not alpha > 0.0:
        return 0.0 if alpha == 0.0 else math.nan
    scale = 1.0
    if alpha < 1.0:  # a gamma number of alpha + 1 times a power of a uniform one
        scale = (1.0 - draws.uniform()) ** kept(1.0 / alpha)
        alpha = kept(alpha + 1.0)
    d = kept(alpha - _THIRD)
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        while True:
            x = draws.normal()
            y = 1.0 + c * x
            if y > 0.0:
                break
        v = y * y * y
        u = 1.0 - draws.uniform()
        square = x * x
        if u < 1.0 - 0.0331 * square * square:
            return scale * d * v
        if math.log(u) < 0.5 * square + d * (1.0 - v + math.log(v)):
            return scale * d * v


def _gammas(
    generator: Generator, alphas: Array, kept: Callable[[float], float] = _as_it_is
) -> NDArray[np.float64]:
    with generator.lock:
        draws = _Draws(generator)
        values = [_gamma(draws, alpha, kept) for alpha in alphas.reshape(-1).tolist()]
    return np.array(values, F64).reshape(alphas.shape)


def _at_least_tiny(values: Array) -> Array:
    dtype = values.dtype
    tiny = np.finfo(dtype).tiny if dtype.kind == "f" else narrowed(np.array(2.0**-126), dtype)
    return np.maximum(values, tiny)


def standard_gamma(generator: Generator, alphas: Array) -> Array:
    """A gamma number of scale 1 for each shape parameter, in their dtype: ``torch._standard_gamma``.

    Raises ``NotImplementedError`` where the parameters are no floats.

    Example:
        >>> import numpy as np
        >>> from rushlight.core.generator import Generator
        >>> from rushlight.core.random_rejection import standard_gamma
        >>> standard_gamma(Generator().manual_seed(0), np.float32([0.5, 3.0])).shape
        (2,)
    """
    if alphas.dtype not in DIGITS:
        raise not_implemented("gamma_cpu", alphas.dtype)
    kept = _as_it_is if alphas.dtype == F64 else _to_float32
    return _at_least_tiny(narrowed(_gammas(generator, alphas, kept), alphas.dtype))


def dirichlet(generator: Generator, alphas: Array) -> Array:
    """A point of the simplex for each row of concentrations, in their dtype: ``torch._sample_dirichlet``.

    Raises ``NotImplementedError`` where the concentrations are no floats.
    """
    if alphas.dtype not in DIGITS:
        raise not_implemented("dirichlet", alphas.dtype)
    gammas = _gammas(generator, alphas)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = narrowed(gammas / gammas.sum(-1, keepdims=True), alphas.dtype)
    below_one = narrowed(np.array(1.0), alphas.dtype)
    if alphas.dtype.kind == "f":
        below_one = np.nextafter(below_one, np.zeros_like(below_one))
    return _at_least_tiny(np.minimum(shares, below_one))


def _stirling_rest(k: float) -> float:
    """log(k!) less Stirling's formula of it."""
    if k < 10:
        return math.lgamma(k + 1) - (k + 0.5) * math.log(k + 1) + (k + 1) - 0.5 * math.log(2 * math.pi)
    square = (k + 1) * (k + 1)
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)


def _binomial_by_waiting(draw: Draw, count: float, p: float) -> float:
    """Successes before the waiting times between them exceed the number of trials."""
    log_fail = math.log1p(-p)
    trials, successes = 0.0, 0.0
    while True:
        u = draw()
        trials += math.ceil(math.log(u) / log_fail) if u else math.inf
        if trials > count:
            return successes
        successes += 1.0


def _binomial_by_rejection(draw: Draw, count: float, p: float) -> float:
    deviation = math.sqrt(count * p * (1 - p))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    center = count * p + 0.5
    sure = 0.92 - 4.2 / b
    odds = p / (1 - p)
    alpha = (2.83 + 5.1 / b) * deviation
    m = math.floor((count + 1) * p)
    while True:
        u = draw() - 0.5
        v = draw()
        distance = 0.5 - abs(u)
        if distance == 0.0:  # infinitely far out, never accepted
            continue
        k = math.floor((2 * a / distance + b) * u + center)
        if distance >= 0.07 and v <= sure:
            return float(k)
        if k < 0 or k > count:
            continue
        v = math.log(v * alpha / (a / (distance * distance) + b)) if v > 0.0 else -math.inf
        bound = (
            (m + 0.5) * math.log((m + 1) / (odds * (count - m + 1)))
            + (count + 1) * math.log((count - m + 1) / (count - k + 1))
            + (k + 0.5) * math.log(odds * (count - k + 1) / (k + 1))
            + _stirling_rest(m)
            + _stirling_rest(count - m)
            - _stirling_rest(k)
            - _stirling_rest(count - k)
        )
        if v <= bound:
            return float(k)


def _binomial(draw: Draw, count: float, p: float) -> float:
    if not count > 0.0 or not p > 0.0:
        return math.nan if math.isnan(count) or math.isnan(p) else 0.0
    if p >= 1.0:
        return count
    q = p if p <= 0.5 else 1.0 - p
    successes = (_binomial_by_rejection if count * q >= 10.0 else _binomial_by_waiting)(draw, count, q)
    return successes if p <= 0.5 else count - successes


def binomial(generator: Generator, counts: Array, chances: Array) -> Array:
    """The successes among so many trials of so much chance, in the counts' dtype: ``torch.binomial``.

    Raises ``NotImplementedError`` where the counts are no floats.

    Example:
        >>> import numpy as np
        >>> from rushlight.core.generator import Generator
        >>> from rushlight.core.random_rejection import binomial
        >>> binomial(Generator().manual_seed(0), np.float32([10.0]), np.float32([1.0])).tolist()
        [10.0]
    """
    if counts.dtype not in DIGITS:
        raise not_implemented("binomial_cpu", counts.dtype)
    counts, chances = np.broadcast_arrays(counts, chances)
    with generator.lock:
        draw = generator.units64_unlocked().__next__
        values = [
            _binomial(draw, count, p)
            for count, p in zip(counts.reshape(-1).tolist(), chances.reshape(-1).tolist(), strict=True)
        ]
    return narrowed(np.array(values, F64), counts.dtype).reshape(counts.shape)
