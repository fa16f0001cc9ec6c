"""``torch.lobpcg``: a few of the eigenvalues of a symmetric matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .core.tensor import Tensor
from .ops.decompositions import linalg_cholesky
from .ops.random import randn
from .ops.spectra import eigh
from .ops.triangular import solve_triangular

__all__ = ["lobpcg"]


def lobpcg(
    A: Tensor,
    k: int | None = None,
    B: Tensor | None = None,
    X: Tensor | None = None,
    n: int | None = None,
    iK: Tensor | None = None,
    niter: int | None = None,
    tol: float | None = None,
    largest: bool | None = None,
    method: str | None = None,
    tracker: Callable[[Any], None] | None = None,
    ortho_iparams: dict[str, int] | None = None,
    ortho_fparams: dict[str, float] | None = None,
    ortho_bparams: dict[str, bool] | None = None,
) -> tuple[Tensor, Tensor]:
    """The ``k`` greatest eigenvalues (``largest=False``: the least) of symmetric matrices, and their eigenvectors.

    They are those of all that ``linalg.eigh`` finds, exact to rounding, not PyTorch's iteration from a random start: the
    arguments that steer it are accepted, and ``tracker`` is not called. So a sparse matrix is made dense, ``m * m`` numbers.

    Args:
        A: (..., m, m), symmetric; a sparse matrix (m, m) too.
        k: how many; by default as many as ``X`` has columns, else 1.
        B: positive-definite: ``A x = E B x``; the vectors are orthonormal in its inner product. None: the identity.

    Returns:
        The values (..., k), in the order of finding: the wanted extreme first; the vectors (..., m, k).

    Raises:
        ValueError: where ``m < 3 k``, as PyTorch does.
        AssertionError: for a matrix that is not square.

    Source: A. V. Knyazev, "Toward the Optimal Preconditioned Eigensolver", SIAM J. Sci. Comput. 23 (2001).

    Example:
        >>> import rushlight as torch
        >>> values, vectors = torch.lobpcg(torch.diag(torch.tensor([3.0, 1.0, 2.0])), 1)
        >>> values, vectors.abs()
        (tensor([3.]), tensor([[1.],
                [0.],
                [0.]]))
    """
    rows = A.shape[-2]
    if rows != A.shape[-1]:
        raise AssertionError(f"A must be square, got shape {A.shape}")
    k = (1 if X is None else X.shape[-1]) if k is None else k
    if rows < 3 * k:
        raise ValueError(
            f"LOBPCG algorithm is not applicable when the number of A rows (={rows}) is smaller than 3 x the number of "
            f"requested eigenpairs (={k})"
        )
    if X is None:  # PyTorch's start, drawn so that what a program draws next is the same
        randn((*A.shape[:-1], k if n is None else n), dtype=A.dtype)
    dense = A.to_dense() if A.is_sparse or A.is_sparse_csr else A
    if B is None:
        values, vectors = eigh(dense)
    else:
        lower = linalg_cholesky(B.to_dense() if B.is_sparse or B.is_sparse_csr else B)
        halfway = solve_triangular(lower, dense, upper=False)
        values, vectors = eigh(solve_triangular(lower, halfway.mT, upper=False))
        vectors = solve_triangular(lower.mT, vectors, upper=True)
    if largest is None or largest:
        values, vectors = values.flip(-1), vectors.flip(-1)
    return values[..., :k].clone(), vectors[..., :k].clone()
