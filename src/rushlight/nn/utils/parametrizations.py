"""Weights that are normalised, of spectral norm 1, or orthogonal: parametrizations for any module."""

from __future__ import annotations

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

from enum import Enum, auto
from typing import Any

from ...core.grad_mode import GRAD_MODE
from ...core.limits import finfo
from ...core.tensor import Tensor
from ...ops.comparison import allclose
from ...ops.creation import empty, eye, zeros, zeros_like
from ...ops.decompositions import solve
from ...ops.joining import cat
from ...ops.matrix_functions import matrix_exp
from ...ops.random import randn
from ...ops.reflections import geqrf, householder_product
from ..functional.distance import normalize
from ..module import Module
from . import parametrize
from .weight_norm import norm_except_dim


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / norm_except_dim(weight_v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Parametrize a weight by its norms (``original0``) and its direction (``original1``).

    ``dim`` is the dimension that keeps a norm for each index; None takes one norm of everything.
    Salimans & Kingma, "Weight normalization", 2016.

    Example:
        >>> import rushlight as torch
        >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(20, 40))
        >>> layer.parametrizations.weight.original0.shape
        torch.Size([40, 1])
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def take_old_names(
        state_dict: Any, prefix: str, metadata: Any, strict: Any, missing: Any, unexpected: Any, errors: Any
    ) -> None:
        """Checkpoints of the older ``nn.utils.weight_norm`` are understood."""
        old = [f"{prefix}{name}_{part}" for part in ("g", "v")]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(take_old_names)
    return module


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        ndim = weight.dim()
        if dim >= ndim or dim < -ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim if dim >= 0 else dim + ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = self._reshape_weight_to_matrix(weight)
            for buffer, size in zip(("_u", "_v"), matrix.shape, strict=True):
                start = empty(size, dtype=matrix.dtype, device=matrix.device).normal_(0, 1)
                self.register_buffer(buffer, normalize(start, dim=0, eps=eps))
            self._power_method(matrix, 15)

    def _reshape_weight_to_matrix(self, weight: Tensor) -> Tensor:
        if self.dim != 0:
            weight = weight.movedim(self.dim, 0)
        return weight.flatten(1)  # type: ignore[no-any-return]

    def _power_method(self, matrix: Tensor, n_power_iterations: int) -> None:
        token = GRAD_MODE.set(False)
        try:
            for _ in range(n_power_iterations):
                self._u.copy_(normalize(matrix.mv(self._v), dim=0, eps=self.eps))
                self._v.copy_(normalize(matrix.mH.mv(self._u), dim=0, eps=self.eps))
        finally:
            GRAD_MODE.reset(token)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.dim() == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = self._reshape_weight_to_matrix(weight)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        # Copies: the next call changes the buffers before backward has used them.
        u, v = self._u.clone(), self._v.clone()
        return weight / u.vdot(matrix.mv(v))  # type: ignore[no-any-return]

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Parametrize a weight by itself divided by its largest singular value, which power iterations estimate.

    ``dim`` is the dimension of the outputs: 0, or 1 for transposed convolutions. Each reading in training runs
    ``n_power_iterations``. Raises ``ValueError`` for a missing name.
    Miyato et al., "Spectral normalization for generative adversarial networks", 2018.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if dim is None:
        dim = 1 if getattr(module, "transposed", False) else 0
    parametrization = _SpectralNorm(weight.detach(), n_power_iterations, dim, eps)
    return parametrize.register_parametrization(module, name, parametrization)


class _OrthMaps(Enum):
    matrix_exp = auto()
    cayley = auto()
    householder = auto()


def _is_orthogonal(q: Tensor) -> bool:
    rows, columns = q.shape[-2:]
    tolerance = 10.0 * rows * finfo(q.dtype).eps
    return allclose(q.mH @ q, eye(columns, dtype=q.dtype), atol=tolerance)


def _make_orthogonal(a: Tensor) -> Tensor:
    """The Q of QR with a positive diagonal of R: the identity for what is orthogonal already."""
    x, tau = geqrf(a)
    return householder_product(x, tau) * x.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)  # type: ignore[no-any-return]


class _Orthogonal(Module):
    base: Tensor | None

    def __init__(self, weight: Tensor, orthogonal_map: _OrthMaps, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map is _OrthMaps.householder:
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Tensor) -> Tensor:
        n, k = x.shape[-2:]
        wide = n < k
        if wide:
            x, n, k = x.mT, k, n
        if self.orthogonal_map is _OrthMaps.householder:
            q = self._householder(x)
        else:
            q = self._from_skew(x, n, k)
        if hasattr(self, "base") and self.base is not None:
            q = self.base @ q
        return q.mT if wide else q

    def _householder(self, x: Tensor) -> Tensor:
        a = x.tril(-1)
        tau = 2.0 / (1.0 + (a * a).sum(-2))
        # The diagonal holds signs, which are no part of the gradient.
        signs = x.diagonal(dim1=-2, dim2=-1).detach().sign()
        return householder_product(a, tau) * signs.unsqueeze(-2)  # type: ignore[no-any-return]

    def _from_skew(self, x: Tensor, n: int, k: int) -> Tensor:
        x = x.tril()
        if n != k:
            x = cat([x, zeros((*x.shape[:-2], n, n - k), dtype=x.dtype, device=x.device)], -1)
        a = x - x.mH
        if self.orthogonal_map is _OrthMaps.matrix_exp:
            q = matrix_exp(a)
        else:
            identity = eye(n, dtype=a.dtype)
            q = solve(identity - 0.5 * a, identity + 0.5 * a)
        return q[..., :k] if n != k else q

    def right_inverse(self, q: Tensor) -> Tensor:
        if q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {q.shape}."
            )
        given = q
        n, k = q.shape[-2:]
        wide = n < k
        if wide:
            q, n, k = q.mT, k, n
        if not hasattr(self, "base"):
            if self.orthogonal_map is not _OrthMaps.householder:
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                    "use_trivialization=False."
                )
            a, tau = geqrf(q)
            diagonal = a.diagonal(dim1=-2, dim2=-1)
            # A tau of 0 is a reflection that LAPACK left out, but `forward` does it.
            diagonal.copy_(diagonal.sign() * (1 - 2 * tau.eq(0).to(a.dtype)))
            return a.mT if wide else a  # type: ignore[no-any-return]
        if n == k:
            q = q.clone() if _is_orthogonal(q) else _make_orthogonal(q)
        else:
            more = randn(*q.shape[:-2], n, n - k, dtype=q.dtype, device=q.device)
            q = _make_orthogonal(cat([q, more], -1))
        self.base = q
        minus_identity = zeros_like(given)
        minus_identity.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return minus_identity  # type: ignore[no-any-return]


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Parametrize a matrix (or batch of matrices) so that its columns, or rows where it is wide, are orthonormal.

    ``orthogonal_map`` is ``"matrix_exp"`` or ``"cayley"`` of a skew-symmetric matrix, or ``"householder"`` reflections;
    ``use_trivialization`` multiplies by a fixed matrix, so that any value can be assigned. Raises ``ValueError`` for a
    missing name, vectors and other maps. Lezcano-Casado, "Trivializations for gradient-based optimization on manifolds",
    2019.

    Example:
        >>> import rushlight as torch
        >>> layer = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(4, 3))
        >>> torch.allclose(layer.weight @ layer.weight.T, torch.eye(3), atol=1e-5)
        True
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.dim() < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.dim()} dimensions."
        )
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    chosen = getattr(_OrthMaps, orthogonal_map, None)
    if chosen is None:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    parametrization = _Orthogonal(weight, chosen, use_trivialization=use_trivialization)
    return parametrize.register_parametrization(module, name, parametrization, unsafe=True)
