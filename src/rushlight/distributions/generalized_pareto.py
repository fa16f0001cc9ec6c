"""The generalized Pareto distribution."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import math
from typing import Any, ClassVar

from ..core.tensor import Tensor
from ..ops.comparison import isclose, where
from ..ops.creation import ones_like, zeros_like
from ..ops.random import rand
from . import constraints
from .distribution import Distribution, Shape
from .utils import broadcast_all

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """Excesses over a threshold: P(X > x) = (1 + c z)^(-1 / c) for z = (x - loc) / scale and
    c = ``concentration``; exp(-z) where that is 0.

    Example:
        >>> import rushlight as torch
        >>> torch.distributions.GeneralizedPareto(0.0, 1.0, 0.5).mean
        tensor(2.)
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.size(), validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        return self._expanded(GeneralizedPareto, batch_shape, _instance, loc=0, scale=0, concentration=0)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        return self.icdf(
            rand(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device)
        )

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        z, flat, c = self._z(value), *self._flat()
        return -self.scale.log() - where(flat, z, (1 + 1 / c) * (c * z).log1p())

    def log_survival_function(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        z, flat, c = self._z(value), *self._flat()
        return where(flat, -z, -(c * z).log1p() / c)

    def log_cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return self.log_cdf(value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        flat, c = self._flat()
        log_rest = (-value).log1p()
        return self.loc + self.scale * where(flat, -log_rest, (-c * log_rest).expm1() / c)

    def _z(self, value: Tensor) -> Tensor:
        return (value - self.loc) / self.scale

    def _flat(self) -> tuple[Tensor, Tensor]:
        """Where the concentration is 0, and the concentration with 1 in its place there."""
        flat = isclose(self.concentration, zeros_like(self.concentration))
        return flat, where(flat, ones_like(self.concentration), self.concentration)

    @property
    def mean(self) -> Tensor:
        return where(
            self.concentration < 1,
            self.loc + self.scale / (1 - where(self.concentration < 1, self.concentration, 0.0)),
            math.nan,
        )

    @property
    def variance(self) -> Tensor:
        finite = self.concentration < 0.5
        c = where(finite, self.concentration, 0.0)
        return where(finite, self.scale.pow(2) / ((1 - c).pow(2) * (1 - 2 * c)), math.nan)

    def entropy(self) -> Tensor:
        return (self.scale.log() + self.concentration + 1).expand(self._batch_shape)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        c = self.concentration
        safe = where(c < 0, c, -1.0)
        return constraints.interval(self.loc, where(c < 0, self.loc - self.scale / safe, math.inf))
