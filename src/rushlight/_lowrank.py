"""``torch._lowrank``: factors of low rank in the place where PyTorch defines them."""

from __future__ import annotations

from .core.tensor import Tensor
from .ops.decompositions import linalg_qr as qr
from .ops.linalg import matmul
from .ops.random import randn
from .ops.symmetric_factors import pca_lowrank as pca_lowrank, svd_lowrank as svd_lowrank

__all__ = ["get_approximate_basis", "pca_lowrank", "svd_lowrank"]


def get_approximate_basis(A: Tensor, q: int, niter: int | None = 2, M: Tensor | None = None) -> Tensor:
    """``q`` orthonormal columns (m, q) that nearly span the range of ``A`` (m, n), less ``M`` where given.

    Found by ``niter`` steps of subspace iteration from a random matrix (Halko et al., 2009, algorithm 4.4).

    Example:
        >>> import rushlight as torch
        >>> a = torch.ones(4, 1) @ torch.ones(1, 3)
        >>> basis = get_approximate_basis(a, 1)
        >>> torch.allclose(basis @ (basis.mT @ a), a)
        True
    """
    if M is not None:
        A = A - M
    random = randn(A.shape[-1], q, dtype=A.dtype, device=A.device)
    basis: Tensor = qr(matmul(A, random))[0]
    for _ in range(2 if niter is None else niter):
        basis = qr(matmul(A.mH, basis))[0]
        basis = qr(matmul(A, basis))[0]
    return basis
