"""Random matrices with stated properties, as PyTorch's tests ask for them: ``random_symmetric_psd_matrix(3, 2)`` gives two."""

from __future__ import annotations

from typing import Any

from ... import linalg
from ...core.dtypes import get_default_dtype
from ...core.tensor import Tensor
from ...ops.creation import arange, eye, linspace
from ...ops.random import rand, randn, randperm
from ...ops.views import diag_embed


def _given(dtype: Any, device: Any) -> dict[str, Any]:
    return {"dtype": dtype or get_default_dtype(), "device": device}


def random_square_matrix_of_rank(
    length: int, rank: int, *batch: int, dtype: Any = None, device: Any = None
) -> Tensor:
    """Square matrices of a rank."""
    a = randn(*batch, length, length, **_given(dtype, device))
    u, s, vh = linalg.svd(a, full_matrices=False)
    values = s.clone()
    values[..., :rank] += 1
    values[..., rank:] = 0
    return (u * values.unsqueeze(-2).to(u.dtype)) @ vh  # type: ignore[no-any-return]


def random_well_conditioned_matrix(
    *shape: int, dtype: Any, device: Any, mean: float = 1.0, sigma: float = 0.001
) -> Tensor:
    """Matrices whose singular values are near ``mean``."""
    x = randn(shape, **_given(dtype, device))
    count = min(shape[-1], shape[-2])
    u, _, vh = linalg.svd(x, full_matrices=False)
    values = (randn(*shape[:-2], count, dtype=x.real.dtype, device=device) * sigma + mean).sort(
        -1, descending=True
    )[0]
    return (u * values.unsqueeze(-2).to(x.dtype)) @ vh  # type: ignore[no-any-return]


def random_symmetric_matrix(length: int, *batch: int, dtype: Any = None, device: Any = None) -> Tensor:
    """Matrices that are their own transposes."""
    a = randn(*batch, length, length, **_given(dtype, device))
    return (a + a.mT) / 2  # type: ignore[no-any-return]


def random_symmetric_psd_matrix(length: int, *batch: int, dtype: Any = None, device: Any = None) -> Tensor:
    """Symmetric matrices without negative eigenvalues."""
    a = randn(*batch, length, length, **_given(dtype, device))
    return a @ a.mT  # type: ignore[no-any-return]


def random_symmetric_pd_matrix(length: int, *batch: int, dtype: Any = None, device: Any = None) -> Tensor:
    """Symmetric matrices with positive eigenvalues."""
    a = randn(*batch, length, length, **_given(dtype, device))
    return a @ a.mT + eye(length, **_given(dtype, device)) * 1e-5  # type: ignore[no-any-return]


def random_hermitian_matrix(length: int, *batch: int, dtype: Any = None, device: Any = None) -> Tensor:
    """Matrices that are their own conjugate transposes."""
    a = randn(*batch, length, length, **_given(dtype, device))
    return (a + a.mH) / 2  # type: ignore[no-any-return]


def random_hermitian_psd_matrix(length: int, *batch: int, dtype: Any = None, device: Any = None) -> Tensor:
    """Hermitian matrices without negative eigenvalues."""
    a = randn(*batch, length, length, **_given(dtype, device))
    return a @ a.mH  # type: ignore[no-any-return]


def random_hermitian_pd_matrix(length: int, *batch: int, dtype: Any = None, device: Any = None) -> Tensor:
    """Hermitian matrices with positive eigenvalues."""
    a = randn(*batch, length, length, **_given(dtype, device))
    return a @ a.mH + eye(length, **_given(dtype, device))  # type: ignore[no-any-return]


def make_fullrank_matrices_with_distinct_singular_values(
    *shape: int, device: Any, dtype: Any, requires_grad: bool = False
) -> Tensor:
    """Matrices whose singular values lie about 1, each apart from the others."""
    x = randn(shape, **_given(dtype, device))
    u, _, vh = linalg.svd(x, full_matrices=False)
    count = min(shape[-1], shape[-2])
    values = linspace(2, 1, count, dtype=x.real.dtype, device=device) if count else x.real.new_empty((0,))
    made = (u * values.to(x.dtype)) @ vh
    return made.detach().requires_grad_(requires_grad)  # type: ignore[no-any-return]


def random_fullrank_matrix_distinct_singular_value(
    matrix_size: int, *batch_dims: int, **kwargs: Any
) -> Tensor:
    """Square matrices whose singular values differ."""
    if kwargs.get("silent"):
        return randn(*batch_dims, matrix_size, matrix_size)  # type: ignore[no-any-return]
    given = _given(kwargs.get("dtype"), kwargs.get("device"))
    u, _, vh = linalg.svd(randn(*batch_dims, matrix_size, matrix_size, **given), full_matrices=False)
    values = arange(1.0, matrix_size + 1, device=kwargs.get("device")).mul_(1.0 / (matrix_size + 1)).diag()
    return u @ values.to(u.dtype) @ vh  # type: ignore[no-any-return]


def random_matrix(rows: int, columns: int, *batch_dims: int, **kwargs: Any) -> Tensor:
    """Matrices of full rank, or with ``singular=True`` of a lower one."""
    given = _given(kwargs.get("dtype"), kwargs.get("device"))
    if kwargs.get("silent"):
        return rand(*batch_dims, rows, columns, **given)  # type: ignore[no-any-return]
    u, _, vh = linalg.svd(randn(*batch_dims, rows, columns, **given), full_matrices=False)
    count = min(rows, columns)
    values = linspace(
        1 / (count + 1), 1 - 1 / (count + 1), count, dtype=u.real.dtype, device=kwargs.get("device")
    )
    if kwargs.get("singular"):
        values[0] = 0
        if count > 1:
            values[:2] = 0
    return (u * values.to(u.dtype)) @ vh  # type: ignore[no-any-return]


def random_lowrank_matrix(rank: int, rows: int, columns: int, *batch_dims: int, **kwargs: Any) -> Tensor:
    """Products of two matrices with only ``rank`` columns and rows between them."""
    return random_matrix(rows, rank, *batch_dims, **kwargs) @ random_matrix(
        rank, columns, *batch_dims, **kwargs
    )


def random_sparse_matrix(rows: int, columns: int, density: float = 0.01, **kwargs: Any) -> Tensor:
    """A sparse matrix in which about that share of the elements is not zero."""
    from ...ops.sparse_creation import sparse_coo_tensor

    given = _given(kwargs.get("dtype"), kwargs.get("device"))
    count = min(max(int(rows * columns * density), rows, columns), rows * columns)
    places = randperm(rows * columns)[:count]
    indices = [(places // columns).tolist(), (places % columns).tolist()]
    return sparse_coo_tensor(indices, randn(count, **given), (rows, columns))


def random_sparse_pd_matrix(matrix_size: int, density: float = 0.01, **kwargs: Any) -> Tensor:
    """A sparse symmetric matrix with positive eigenvalues: mostly a diagonal."""
    a = random_sparse_matrix(matrix_size, matrix_size, density, **kwargs).to_dense()
    symmetric = (a + a.mT) / 2
    row_sums = symmetric.abs().sum(-1)
    return (symmetric + diag_embed(row_sums + 1)).to_sparse()  # type: ignore[no-any-return]
