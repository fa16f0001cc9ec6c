"""The LKJ distribution of correlation matrices, by their Cholesky factors."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import math
from typing import Any, ClassVar

from ..autograd.grad_mode import no_grad
from ..core.limits import finfo
from ..core.tensor import Tensor
from ..ops.creation import arange, zeros
from ..ops.joining import cat
from ..ops.normal_distribution import mvlgamma
from ..ops.random import randn
from . import constraints
from .beta import Beta
from .distribution import Distribution, Shape
from .utils import broadcast_all

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Cholesky factors of ``dim`` × ``dim`` correlation matrices of density ∝ det^(concentration - 1).

    D. Lewandowski, D. Kurowicka and H. Joe, "Generating random correlation matrices based on vines and extended onion
    method", 2009 (section 3, the onion method).

    Example:
        >>> import rushlight as torch
        >>> torch.distributions.LKJCholesky(3, 1.0).sample().shape
        torch.Size([3, 3])
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "concentration": constraints.positive,
    }
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        batch, dtype, device = self.concentration.size(), self.concentration.dtype, self.concentration.device
        # the distribution of the squared length of each row below the diagonal
        marginal = self.concentration + 0.5 * (dim - 2)
        offset = cat([zeros(1, dtype=dtype, device=device), arange(dim - 1, dtype=dtype, device=device)])
        self._beta = Beta(offset + 0.5, marginal.unsqueeze(-1) - 0.5 * offset)
        super().__init__(batch, (dim, dim), validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        new = self._expanded(LKJCholesky, batch_shape, _instance, concentration=0)
        new.dim = self.dim
        new._beta = self._beta.expand((*batch_shape, self.dim))
        return new

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        with no_grad():
            squared = self._beta.sample(sample_shape).unsqueeze(-1)
            normals = randn(
                self._extended_shape(sample_shape), dtype=squared.dtype, device=squared.device
            ).tril(-1)
            directions = normals / normals.norm(dim=-1, keepdim=True)
            directions[..., 0, :] = 0.0  # the first row has nothing below the diagonal
            below = squared.sqrt() * directions
            tiny = finfo(below.dtype).tiny
            return below + (1 - (below * below).sum(-1)).clamp(min=tiny).sqrt().diag_embed()

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        c, below = self.concentration, self.dim - 1
        order = 2 * (c - 1).unsqueeze(-1) + self.dim - arange(2, self.dim + 1, device=c.device)
        unnormalized = (order * diagonal.log()).sum(-1)
        alpha = c + 0.5 * below
        normalizer = 0.5 * below * math.log(math.pi) + mvlgamma(alpha - 0.5, below) - alpha.lgamma() * below
        return unnormalized - normalizer
