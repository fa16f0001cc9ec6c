"""The Wishart distribution."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import math
from typing import Any

from ..core.limits import finfo
from ..core.shapes import broadcast_shape
from ..core.tensor import Tensor
from ..ops.comparison import where
from ..ops.creation import arange, tensor
from ..ops.decompositions import linalg_cholesky as cholesky
from ..ops.normal_distribution import mvlgamma
from ..ops.random import randn
from ..ops.rearranging import tril_indices
from ..ops.triangular import cholesky_inverse, cholesky_solve
from . import constraints
from .chi2 import Chi2
from .distribution import Shape
from .exp_family import ExponentialFamily
from .multivariate_normal import half_log_det, precision_to_scale_tril
from .utils import lazy_property

__all__ = ["Wishart"]


class Wishart(ExponentialFamily):
    """Sums of ``df`` products x xᵀ of normal vectors, whose covariance is given by just one of the three matrices.

    p(X) ∝ det(X)^((df - p - 1) / 2) exp(-tr(V⁻¹ X) / 2) for p × p matrices and the covariance V. Sampling: Bartlett's
    decomposition (W. B. Smith and R. R. Hocking, "Wishart variate generator", 1972).

    Raises ``ValueError`` where ``df`` is not above p - 1, ``AssertionError`` where not exactly one matrix is given.

    Example:
        >>> import rushlight as torch
        >>> torch.distributions.Wishart(torch.tensor(3.0), torch.eye(2)).mean
        tensor([[3., 0.],
                [0., 3.]])
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0
    _unbroadcasted_scale_tril: Tensor
    _dist_chi2: Chi2

    def __init__(
        self,
        df: Any,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        matrices = {name: matrix for name, matrix in given.items() if matrix is not None}
        if len(matrices) != 1:
            raise AssertionError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        ((name, matrix),) = matrices.items()
        if matrix.dim() < 2:
            raise ValueError(
                "scale_tril must be at least two-dimensional, with optional leading batch dimensions"
            )
        if not isinstance(df, Tensor):
            df = tensor(df, dtype=matrix.dtype, device=matrix.device)
        batch = broadcast_shape(tuple(matrix.shape[:-2]), tuple(df.shape))
        event = matrix.shape[-2:]
        self.df = df.expand(batch)
        if self.df.le(event[-1] - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {event[-1] - 1}.")
        setattr(self, name, matrix.expand((*batch, -1, -1)))
        super().__init__(batch, event, validate_args=validate_args)
        if self.df.lt(event[-1]).any():
            import warnings

            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        if name == "scale_tril":
            self._unbroadcasted_scale_tril = matrix
        elif name == "covariance_matrix":
            self._unbroadcasted_scale_tril = cholesky(matrix)
        else:
            self._unbroadcasted_scale_tril = precision_to_scale_tril(matrix)
        self._dist_chi2 = self._chi2_of_rows()

    def _chi2_of_rows(self) -> Chi2:
        rows = arange(self._event_shape[-1], dtype=self.df.dtype, device=self.df.device)
        return Chi2(self.df.unsqueeze(-1) - rows.expand((*self._batch_shape, -1)))

    @property
    def arg_constraints(self) -> dict[str, Any]:
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self._event_shape[-1] - 1),
        }

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        new = self._expanded(
            Wishart, batch_shape, _instance, df=0, covariance_matrix=2, precision_matrix=2, scale_tril=2
        )
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        new._dist_chi2 = new._chi2_of_rows()
        return new

    @lazy_property
    def scale_tril(self) -> Any:
        """The Cholesky factor of the covariance."""
        return self._unbroadcasted_scale_tril.expand((*self._batch_shape, *self._event_shape))

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance matrix."""
        lower = self._unbroadcasted_scale_tril
        return (lower @ lower.mT).expand((*self._batch_shape, *self._event_shape))

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance matrix."""
        return cholesky_inverse(self._unbroadcasted_scale_tril).expand(
            (*self._batch_shape, *self._event_shape)
        )

    @property
    def mean(self) -> Tensor:
        return self.df.view((*self._batch_shape, 1, 1)) * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        factor = self.df - self.covariance_matrix.shape[-1] - 1
        factor = where(factor <= 0, math.nan, factor)
        return factor.view((*self._batch_shape, 1, 1)) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        covariance = self.covariance_matrix
        diagonal = covariance.diagonal(dim1=-2, dim2=-1)
        products = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self.df.view((*self._batch_shape, 1, 1)) * (covariance.pow(2) + products)

    def _bartlett_sampling(self, sample_shape: Shape = ()) -> Tensor:
        p = self._event_shape[-1]
        squares = self._dist_chi2.rsample(sample_shape)
        noise = squares.clamp(min=finfo(squares.dtype).tiny).sqrt().diag_embed(dim1=-2, dim2=-1)
        rows, columns = tril_indices(p, p, offset=-1)
        below = randn(
            (*sample_shape, *self._batch_shape, p * (p - 1) // 2), dtype=noise.dtype, device=noise.device
        )
        noise[..., rows, columns] = below
        lower = self._unbroadcasted_scale_tril @ noise
        return lower @ lower.mT

    def rsample(self, sample_shape: Shape = (), max_try_correction: int | None = None) -> Tensor:
        """Samples with gradients; singular ones are drawn again, ``max_try_correction`` (10) times at most.

        PyTorch takes good samples for singular ones and draws them a second time. So does this, for the same numbers.
        """
        tries = 10 if max_try_correction is None else max_try_correction
        shape = tuple(sample_shape)
        batch_dims = tuple(range(-len(self._batch_shape), 0))
        sample = self._bartlett_sampling(shape)
        again = self.support.check(sample.detach())
        for _ in range(tries):
            chosen = again.amax(batch_dims) if batch_dims else again
            count = int(chosen.sum())
            if count == 0:
                break
            drawn = self._bartlett_sampling((count,))
            if shape:
                sample = sample.clone()
                sample[chosen] = drawn
            else:
                sample = drawn[0]
            again = self.support.check(sample.detach()).logical_not()
        if again.any():
            import warnings

            warnings.warn("Singular sample detected.", stacklevel=2)
        return sample

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        nu, p = self.df, self._event_shape[-1]
        lower = self._unbroadcasted_scale_tril
        log_normalizer = nu * (p * math.log(2) / 2 + half_log_det(lower)) + mvlgamma(nu / 2, p)
        trace = cholesky_solve(value, lower).diagonal(dim1=-2, dim2=-1).sum(-1)
        return (nu - p - 1) / 2 * value.logdet() - 0.5 * trace - log_normalizer

    def entropy(self) -> Tensor:
        nu, p = self.df, self._event_shape[-1]
        log_scale = p * math.log(2) / 2 + half_log_det(self._unbroadcasted_scale_tril)
        orders = arange(p, dtype=nu.dtype, device=nu.device)
        digammas = (nu.unsqueeze(-1) / 2 - 0.5 * orders).digamma().sum(-1)
        return (p + 1) * log_scale + mvlgamma(nu / 2, p) - (nu - p - 1) / 2 * digammas + nu * p / 2

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        p = self._event_shape[-1]
        return -self.precision_matrix / 2, (self.df - p - 1) / 2

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        p = self._event_shape[-1]
        half = y + (p + 1) / 2
        return half * (-(-2 * x).slogdet()[1] + p * math.log(2)) + mvlgamma(half, p)
