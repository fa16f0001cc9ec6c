"""The binomial distribution."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from typing import Any, ClassVar

from ..autograd.grad_mode import no_grad
from ..core.tensor import Tensor
from ..ops.comparison import where
from ..ops.creation import arange
from ..ops.gamma_variates import binomial
from . import constraints
from .distribution import Shape
from .probabilities import ChanceOrLogit, check_one_given
from .utils import broadcast_all

__all__ = ["Binomial"]


class Binomial(ChanceOrLogit):
    """The number of successes among ``total_count`` trials, each with chance ``probs`` (or log-odds ``logits``).

    Example:
        >>> import rushlight as torch
        >>> torch.distributions.Binomial(10, torch.tensor(0.5)).mean
        tensor(5.)
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(
        self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        check_one_given(probs, logits)
        if probs is not None:
            self.total_count, self.probs = broadcast_all(total_count, probs)
        else:
            self.total_count, self.logits = broadcast_all(total_count, logits)
        self.total_count = self.total_count.type_as(self._param)
        super().__init__(self._param.size(), validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        return self._expanded(Binomial, batch_shape, _instance, total_count=0, probs=0, logits=0)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        most = ((self.total_count + 1) * self.probs).floor()
        return where(most > self.total_count, self.total_count, most)

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        n, logits = self.total_count, self.logits
        log_choices = (n + 1).lgamma() - (value + 1).lgamma() - (n - value + 1).lgamma()
        # n log(1 + exp(logits)), which does not overflow; the clamps together have the right slope at 0 too
        above_zero = (logits.clamp(min=0) + logits - logits.clamp(max=0)) / 2
        log_total = n * above_zero + n * (-logits.abs()).exp().log1p()
        return value * logits + log_choices - log_total

    def entropy(self) -> Tensor:
        self._one_count("entropy")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(log_prob.exp() * log_prob).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        count = self._one_count("enumerate_support")
        values = arange(1 + count, dtype=self._param.dtype, device=self._param.device).view(
            (-1, *[1] * len(self._batch_shape))
        )
        return values.expand((-1, *self._batch_shape)) if expand else values

    def _one_count(self, what: str) -> int:
        count = int(self.total_count.max())
        if not self.total_count.min() == count:
            raise NotImplementedError(f"Inhomogeneous total count not supported by `{what}`.")
        return count
