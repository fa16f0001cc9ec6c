"""Distributions of the exponential family, whose entropy and divergence follow from the log normalizer."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from typing import Any

from ..autograd.differentiate import grad
from ..core.tensor import Tensor
from .distribution import Distribution

__all__ = ["ExponentialFamily"]


def normalizer_and_slopes(
    distribution: Any, parameters: tuple[Tensor, ...]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The log normalizer at the natural parameters and its gradients, which can be differentiated again."""
    normalizer = distribution._log_normalizer(*parameters)
    return normalizer, grad(normalizer.sum(), parameters, create_graph=True)


class ExponentialFamily(Distribution):
    """The base of distributions with density exp(⟨t(x), θ⟩ - F(θ) + k(x)).

    A subclass gives the natural parameters θ as ``_natural_params``, F as ``_log_normalizer(*params)`` and the mean of k
    as ``_mean_carrier_measure``; the entropy is then the Bregman divergence of F.

    F. Nielsen and R. Nock, "Entropies and cross-entropies of exponential families", 2010.
    """

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self) -> Any:
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """The entropy from the log normalizer and its gradient: F(θ) - ⟨θ, ∇F(θ)⟩ - E[k]."""
        carrier = self._mean_carrier_measure
        parameters = tuple([p.detach().requires_grad_() for p in self._natural_params])
        normalizer, slopes = normalizer_and_slopes(self, parameters)
        result = normalizer - carrier
        for parameter, slope in zip(parameters, slopes, strict=True):
            result = result - (parameter * slope).reshape((*self._batch_shape, -1)).sum(-1)
        return result
