"""The continuous Bernoulli distribution."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import math
from typing import Any, ClassVar

from ..autograd.grad_mode import no_grad
from ..core.tensor import Tensor
from ..nn.functional import binary_cross_entropy_with_logits
from ..ops.comparison import where
from ..ops.random import rand
from . import constraints
from .distribution import Shape
from .exp_family import ExponentialFamily
from .probabilities import ChanceOrLogit, check_one_given
from .utils import broadcast_all, clamp_probs, probs_to_logits

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(ChanceOrLogit, ExponentialFamily):
    """Numbers in [0, 1] of density ∝ probs^x (1 - probs)^(1 - x).

    Between the ``lims``, where the formulas cancel, Taylor series around 1/2 are used. G. Loaiza-Ganem and J. P. Cunningham,
    "The continuous Bernoulli", 2019.

    Example:
        >>> import rushlight as torch
        >>> torch.distributions.ContinuousBernoulli(0.5).mean
        tensor(0.5000)
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        check_one_given(probs, logits)
        if probs is not None:
            (self.probs,) = broadcast_all(probs)
            if validate_args is not None and not constraints.unit_interval.check(self.probs).all():
                raise ValueError("The parameter probs has invalid values")
            self.probs = clamp_probs(self.probs)
        else:
            (self.logits,) = broadcast_all(logits)
        self._lims = lims
        super().__init__(self._param.size(), validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        new = self._expanded(ContinuousBernoulli, batch_shape, _instance, probs=0, logits=0)
        new._lims = self._lims
        return new

    def _stable(self) -> tuple[Tensor, Tensor]:
        """Where the formulas are stable, and ``probs`` with a stable number elsewhere."""
        stable = (self.probs <= self._lims[0]) | (self.probs > self._lims[1])
        return stable, where(stable, self.probs, self._lims[0])

    def _log_norm(self) -> Tensor:
        stable, p = self._stable()
        below, above = where(p <= 0.5, p, 0.0), where(p >= 0.5, p, 1.0)
        log_norm = ((-p).log1p() - p.log()).abs().log() - where(
            p <= 0.5, (-2.0 * below).log1p(), (2.0 * above - 1.0).log()
        )
        x = (self.probs - 0.5).pow(2)
        return where(stable, log_norm, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x)

    @property
    def mean(self) -> Tensor:
        stable, p = self._stable()
        x = self.probs - 0.5
        mean = p / (2.0 * p - 1.0) + 1.0 / ((-p).log1p() - p.log())
        return where(stable, mean, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x.pow(2)) * x)

    @property
    def stddev(self) -> Tensor:
        return self.variance.sqrt()

    @property
    def variance(self) -> Tensor:
        stable, p = self._stable()
        x = (self.probs - 0.5).pow(2)
        variance = p * (p - 1.0) / (1.0 - 2.0 * p).pow(2) + 1.0 / ((-p).log1p() - p.log()).pow(2)
        return where(stable, variance, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        return self.icdf(
            rand(self._extended_shape(sample_shape), dtype=self.probs.dtype, device=self.probs.device)
        )

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none") + self._log_norm()

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        stable, p = self._stable()
        inner = (p.pow(value) * (1.0 - p).pow(1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        inner = where(stable, inner, value)
        return where(value <= 0.0, 0.0, where(value >= 1.0, 1.0, inner))

    def icdf(self, value: Tensor) -> Tensor:
        stable, p = self._stable()
        inner = ((-p + value * (2.0 * p - 1.0)).log1p() - (-p).log1p()) / (p.log() - (-p).log1p())
        return where(stable, inner, value)

    def entropy(self) -> Tensor:
        log_fail, log_hit = (-self.probs).log1p(), self.probs.log()
        return self.mean * (log_fail - log_hit) - self._log_norm() - log_fail

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (probs_to_logits(self.probs, is_binary=True),)

    def _log_normalizer(self, x: Tensor) -> Tensor:  # type: ignore[override]
        low, high = self._lims
        stable = (x <= low - 0.5) | (x > high - 0.5)
        safe = where(stable, x, low - 0.5)
        log_norm = (safe.exp() - 1.0).abs().log() - safe.abs().log()
        return where(stable, log_norm, 0.5 * x + x.pow(2) / 24.0 - x.pow(4) / 2880.0)
