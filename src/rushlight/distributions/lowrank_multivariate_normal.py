"""The multivariate normal distribution with a covariance of low rank plus a diagonal."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import math
from typing import Any, ClassVar

from ..core.shapes import broadcast_shape
from ..core.tensor import Tensor
from ..ops.creation import eye
from ..ops.decompositions import linalg_cholesky as cholesky
from ..ops.triangular import solve_triangular
from . import constraints
from .distribution import Distribution, Shape
from .multivariate_normal import batch_mahalanobis, batch_mv, half_log_det
from .utils import lazy_property, standard_normal

__all__ = ["LowRankMultivariateNormal"]


def capacitance_factor(factor: Tensor, diagonal: Tensor) -> Tensor:
    """The Cholesky factor of I + Wᵀ D⁻¹ W."""
    inner = (factor.mT / diagonal.unsqueeze(-2)) @ factor
    return cholesky(inner + eye(factor.shape[-1], dtype=inner.dtype, device=inner.device))


def lowrank_log_det(distribution: Any) -> Tensor:
    """log det(W Wᵀ + D), by the matrix determinant lemma."""
    lower, diagonal = distribution._capacitance_tril, distribution._unbroadcasted_cov_diag
    return 2 * half_log_det(lower) + diagonal.log().sum(-1)


def lowrank_mahalanobis(distribution: Any, x: Tensor) -> Tensor:
    """xᵀ (W Wᵀ + D)⁻¹ x, by the Woodbury identity."""
    factor, diagonal = distribution._unbroadcasted_cov_factor, distribution._unbroadcasted_cov_diag
    projected = batch_mv(factor.mT / diagonal.unsqueeze(-2), x)
    return (x.pow(2) / diagonal).sum(-1) - batch_mahalanobis(distribution._capacitance_tril, projected)


class LowRankMultivariateNormal(Distribution):
    """Vectors of mean ``loc`` and covariance W Wᵀ + diag(D), for ``cov_factor`` W of shape n × m and ``cov_diag`` D.

    Nothing larger than m × m is factorized (the Woodbury identity and the matrix determinant lemma).

    Example:
        >>> import rushlight as torch
        >>> from rushlight.distributions import LowRankMultivariateNormal
        >>> LowRankMultivariateNormal(torch.zeros(2), torch.ones(2, 1), torch.ones(2)).variance
        tensor([2., 2.])
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True
    _unbroadcasted_cov_factor: Tensor
    _unbroadcasted_cov_diag: Tensor
    _capacitance_tril: Tensor

    def __init__(
        self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        event = loc.shape[-1:]
        if cov_factor.dim() < 2:
            raise ValueError(
                "cov_factor must be at least two-dimensional, with optional leading batch dimensions"
            )
        if cov_factor.shape[-2:-1] != event:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {event[0]} x m")
        if cov_diag.shape[-1:] != event:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {event}")
        try:
            batch = broadcast_shape(
                tuple(loc.shape[:-1]), tuple(cov_factor.shape[:-2]), tuple(cov_diag.shape[:-1])
            )
        except RuntimeError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, cov_diag {cov_diag.shape}"
            ) from error
        self.loc = loc.expand((*batch, -1))
        self.cov_factor = cov_factor.expand((*batch, -1, -1))
        self.cov_diag = cov_diag.expand((*batch, -1))
        super().__init__(batch, event, validate_args=validate_args)
        self._unbroadcasted_cov_factor = cov_factor
        self._unbroadcasted_cov_diag = cov_diag
        self._capacitance_tril = capacitance_factor(cov_factor, cov_diag)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        new = self._expanded(
            LowRankMultivariateNormal, batch_shape, _instance, loc=1, cov_factor=2, cov_diag=1
        )
        for name in ("_unbroadcasted_cov_factor", "_unbroadcasted_cov_diag", "_capacitance_tril"):
            setattr(new, name, getattr(self, name))
        return new

    def _matrix(self, matrix: Tensor) -> Tensor:
        return matrix.expand((*self._batch_shape, *self._event_shape, *self._event_shape))

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @lazy_property
    def variance(self) -> Any:
        """The diagonal of the covariance."""
        variance = self._unbroadcasted_cov_factor.pow(2).sum(-1) + self._unbroadcasted_cov_diag
        return variance.expand((*self._batch_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Any:
        """The Cholesky factor of the covariance."""
        deviations = self._unbroadcasted_cov_diag.sqrt().unsqueeze(-1)
        scaled = self._unbroadcasted_cov_factor / deviations
        inner = scaled @ scaled.mT + eye(self._event_shape[0], dtype=scaled.dtype, device=scaled.device)
        return self._matrix(deviations * cholesky(inner))

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance matrix, n × n."""
        factor = self._unbroadcasted_cov_factor
        return self._matrix(factor @ factor.mT + self._unbroadcasted_cov_diag.diag_embed())

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance matrix."""
        scaled = self._unbroadcasted_cov_factor.mT / self._unbroadcasted_cov_diag.unsqueeze(-2)
        part = solve_triangular(self._capacitance_tril, scaled, upper=False)
        return self._matrix(self._unbroadcasted_cov_diag.reciprocal().diag_embed() - part.mT @ part)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        rank = self.cov_factor.shape[-1:]
        common = standard_normal((*shape[:-1], *rank), self.loc.dtype, self.loc.device)
        own = standard_normal(shape, self.loc.dtype, self.loc.device)
        spread = batch_mv(self._unbroadcasted_cov_factor, common)
        return self.loc + spread + self._unbroadcasted_cov_diag.sqrt() * own

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        distance = lowrank_mahalanobis(self, value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + lowrank_log_det(self) + distance)

    def entropy(self) -> Tensor:
        entropy = 0.5 * (self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + lowrank_log_det(self))
        return entropy.expand(self._batch_shape)
