"""The LDL factorization of symmetric (Hermitian) indefinite matrices, and systems solved with it; low-rank SVD and PCA.

Sources: J. R. Bunch and L. Kaufman, "Some stable methods for calculating inertia and solving symmetric linear systems",
1977 (partial pivoting, the lower triangle; L is a product of factors and permutations as in LAPACK's ?sytrf);
N. Halko, P. G. Martinsson and J. A. Tropp, "Finding structure with randomness", 2011, algorithm 4.4.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arguments import check_flag, check_tensor as check_tensor_argument
from ..core.device import device_of
from ..core.return_types import maker
from ..core.tensor import Tensor
from ..runtime.batched import whole
from .decompositions import check_inexact, check_matrices, check_square, linalg_qr, written_parts
from .define import Primitive
from .dispatch import apply
from .linalg import batched, mH_of, write_exact
from .random import randn
from .reductions import mean, no_derivative
from .spectra import linalg_svd

Array = NDArray[Any]
LdlResult, LdlExResult = maker("linalg_ldl_factor"), maker("linalg_ldl_factor_ex")
_THRESHOLD = (1 + math.sqrt(17)) / 8


def _swap(a: Array, first: int, second: int, hermitian: bool) -> None:
    """Exchange two rows and columns of the trailing matrix, of which only the lower triangle counts."""
    if first == second:
        return
    i, j = min(first, second), max(first, second)
    a[j + 1 :, [i, j]] = a[j + 1 :, [j, i]]
    between = a[i + 1 : j, i].copy()
    a[i + 1 : j, i] = a[j, i + 1 : j].conj() if hermitian else a[j, i + 1 : j]
    a[j, i + 1 : j] = between.conj() if hermitian else between
    if hermitian:
        a[j, i] = a[j, i].conj()
    a[i, i], a[j, j] = a[j, j], a[i, i]


def _factor(a: Array, hermitian: bool) -> tuple[Array, Array, int]:
    """L and D of one matrix in its lower triangle, the pivots, and the number of the first pivot that is 0."""
    a = np.tril(a)
    n = len(a)
    pivots = np.zeros(n, np.int32)
    info = 0
    size = (lambda z: np.abs(z.real) + np.abs(z.imag)) if a.dtype.kind == "c" else np.abs
    k = 0
    while k < n:
        step, chosen = 1, k
        diagonal = abs(a[k, k].real) if hermitian else size(a[k, k])
        column = size(a[k + 1 :, k])
        largest = column.max(initial=0)
        row = k + 1 + int(column.argmax()) if column.size else k
        if max(diagonal, largest) == 0 or np.isnan(diagonal):
            info = info or k + 1
        else:
            if diagonal < _THRESHOLD * largest:
                others = np.concatenate([size(a[row, k:row]), size(a[row + 1 :, row])])
                in_row = others.max()
                if diagonal >= _THRESHOLD * largest * (largest / in_row):
                    chosen = k
                elif (abs(a[row, row].real) if hermitian else size(a[row, row])) >= _THRESHOLD * in_row:
                    chosen = row
                else:
                    chosen, step = row, 2
            _swap_pivot(a, k, k + step - 1, chosen, hermitian)
            _eliminate(a, k, step, hermitian)
        if step == 1:
            pivots[k] = chosen + 1
        else:
            pivots[k] = pivots[k + 1] = -(chosen + 1)
        k += step
    return a, pivots, info


def _swap_pivot(a: Array, k: int, at: int, chosen: int, hermitian: bool) -> None:
    if chosen == at:
        if hermitian:
            a[k, k] = a[k, k].real
        return
    _swap(a, at, chosen, hermitian)
    if at != k:  # a pair: the element that couples it follows the exchange
        a[at, k], a[chosen, k] = a[chosen, k], a[at, k]
    if hermitian:
        a[k, k] = a[k, k].real
        a[at, at] = a[at, at].real


def _eliminate(a: Array, k: int, step: int, hermitian: bool) -> None:
    n = len(a)
    if k + step >= n:
        return
    block = a[k : k + step, k : k + step]
    whole = block.copy()
    if step == 2:
        whole[0, 1] = whole[1, 0].conj() if hermitian else whole[1, 0]
    panel = a[k + step :, k : k + step]
    factor = np.linalg.solve(whole.T, panel.T).T if step == 2 else panel / whole
    update = factor @ (panel.conj().T if hermitian else panel.T)
    rest = a[k + step :, k + step :]
    rest -= np.tril(update)
    if hermitian:
        np.fill_diagonal(rest, rest.diagonal().real)
    a[k + step :, k : k + step] = factor


def _ldl_impl(a: Array, hermitian: bool) -> Any:
    batch, n = a.shape[:-2], a.shape[-1]
    factors = np.empty(a.shape, a.dtype)
    pivots = np.empty((*batch, n), np.int32)
    info = np.zeros(batch, np.int32)
    for at in np.ndindex(*batch):
        factors[at], pivots[at], info[at] = _factor(a[at], hermitian and a.dtype.kind == "c")
    return factors, pivots, info


LDL = Primitive("linalg_ldl_factor_ex", _ldl_impl, no_derivative("linalg_ldl_factor_ex"))


def ldl_factor_ex(
    input: Tensor, *, hermitian: bool = False, check_errors: bool = False, out: Any = None
) -> Any:
    """``ldl_factor`` and, for each matrix, ``info``: 0, or the number of the first pivot that is 0.

    ``check_errors``: raise ``RuntimeError`` for those instead.
    """
    check_flag("linalg_ldl_factor_ex", "hermitian", hermitian)
    check_flag("linalg_ldl_factor_ex", "check_errors", check_errors)
    check_matrices(input, "torch.linalg.ldl_factor_ex")
    check_square(input, "torch.linalg.ldl_factor_ex")
    check_inexact(input, "torch.linalg.ldl_factor_ex")
    results = apply(LDL, (input,), {"hermitian": hermitian})
    if check_errors and any(results[2].reshape(-1).tolist()):
        raise RuntimeError("torch.linalg.ldl_factor_ex: a pivot is 0: the matrix is singular")
    if out is not None:
        results = written_parts("linalg_ldl_factor_ex", tuple(results), out)
    return LdlExResult(results)


def ldl_factor(input: Tensor, *, hermitian: bool = False, out: Any = None) -> Any:
    """The factors of symmetric matrices (``hermitian``: Hermitian ones) (..., n, n), of which the lower triangle is read.

    Gives ``LD``, which holds the unit lower triangular L and the block diagonal D, and the ``pivots`` (int32), both as
    ``ldl_solve`` takes them. Raises ``RuntimeError`` for a singular matrix.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.ldl_factor(torch.tensor([[2., 1.], [1., 3.]])).LD
        tensor([[2.0000, 0.0000],
                [0.5000, 2.5000]])
    """
    check_flag("linalg_ldl_factor", "hermitian", hermitian)
    check_matrices(input, "torch.linalg.ldl_factor")
    check_square(input, "torch.linalg.ldl_factor")
    check_inexact(input, "torch.linalg.ldl_factor")
    factors, pivots, info = apply(LDL, (input,), {"hermitian": hermitian})
    if whole(info._array).any():
        raise RuntimeError("torch.linalg.ldl_factor: a pivot is 0: the matrix is singular")
    if out is not None:
        factors, pivots = written_parts("linalg_ldl_factor", (factors, pivots), out)
    return LdlResult((factors, pivots))


def _solve(factors: Array, pivots: Array, b: Array, hermitian: bool) -> Array:
    """One system: the factors of L with their exchanges, D, and L's transpose backwards."""
    x = b.copy()
    n = len(factors)
    k = 0
    blocks: list[tuple[int, int]] = []
    while k < n:
        step = 1 if pivots[k] > 0 else 2
        other = abs(int(pivots[k])) - 1
        at = k + step - 1
        x[[at, other]] = x[[other, at]]
        x[k + step :] -= factors[k + step :, k : k + step] @ x[k : k + step]
        block = factors[k : k + step, k : k + step].copy()
        if step == 2:
            block[0, 1] = block[1, 0].conj() if hermitian else block[1, 0]
        x[k : k + step] = np.linalg.solve(block, x[k : k + step]) if step == 2 else x[k : k + 1] / block
        blocks.append((k, step))
        k += step
    for k, step in reversed(blocks):
        panel = factors[k + step :, k : k + step]
        x[k : k + step] -= (panel.conj().T if hermitian else panel.T) @ x[k + step :]
        other, at = abs(int(pivots[k])) - 1, k + step - 1
        x[[at, other]] = x[[other, at]]
    return x


def _ldl_solve_impl(factors: Array, pivots: Array, b: Array, hermitian: bool) -> Any:
    batch = np.broadcast_shapes(factors.shape[:-2], b.shape[:-2])
    n = factors.shape[-1]
    factors = np.broadcast_to(factors, (*batch, n, n))
    pivots = np.broadcast_to(pivots, (*batch, n))
    result = np.broadcast_to(b, (*batch, *b.shape[-2:])).copy()
    for at in np.ndindex(*batch):
        result[at] = _solve(factors[at], pivots[at], result[at], hermitian and b.dtype.kind == "c")
    return result


LDL_SOLVE = Primitive("linalg_ldl_solve", _ldl_solve_impl, no_derivative("linalg_ldl_solve"))


def ldl_solve(
    LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False, out: Tensor | None = None
) -> Tensor:
    """``X`` with ``A X = B``, from the result of ``ldl_factor(A)``; the leading dimensions broadcast.

    Raises ``RuntimeError`` for shapes or dtypes that do not go together.

    Example:
        >>> import rushlight as torch
        >>> LD, pivots = torch.linalg.ldl_factor(torch.tensor([[2., 1.], [1., 3.]]))
        >>> torch.linalg.ldl_solve(LD, pivots, torch.tensor([[3.], [4.]]))
        tensor([[1.],
                [1.]])
    """
    check_tensor_argument("linalg_ldl_solve", "LD", LD)
    check_tensor_argument("linalg_ldl_solve", "pivots", pivots)
    check_tensor_argument("linalg_ldl_solve", "B", B)
    check_flag("linalg_ldl_solve", "hermitian", hermitian)
    check_matrices(LD, "torch.linalg.ldl_solve")
    check_square(LD, "torch.linalg.ldl_solve")
    check_inexact(LD, "torch.linalg.ldl_solve")
    a, p, b = LD._array, pivots._array, B._array
    if b.ndim < 2:
        raise RuntimeError(
            f"torch.linalg.ldl_solve: Expected B to have at least 2 dimensions, but it has {b.ndim} dimensions instead"
        )
    if p.shape != a.shape[:-1]:
        raise RuntimeError(
            "torch.linalg.ldl_solve: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(p.shape)} instead"
        )
    if p.dtype.kind not in "iu":
        raise RuntimeError(f"torch.linalg.ldl_solve: Expected pivots to be integers. Got {pivots.dtype}")
    if a.dtype != b.dtype:
        raise RuntimeError(f"torch.linalg.ldl_solve: LD dtype{LD.dtype} does not match b dtype {B.dtype}")
    if a.shape[-1] != b.shape[-2]:
        raise RuntimeError(
            "torch.linalg.ldl_solve: Expected B to have as many rows as LD, got shapes "
            f"{list(b.shape)} and {list(a.shape)}"
        )
    result = apply(LDL_SOLVE, (LD, pivots, B), {"hermitian": hermitian})
    return result if out is None else write_exact(out, result, "linalg_ldl_solve")


# --- low rank ---------------------------------------------------------------------------------------------------------


def _basis(A: Tensor, q: int, niter: int) -> Tensor:
    """Orthonormal columns (..., m, q) that span nearly what A does, by subspace iteration from random vectors."""
    start = randn(A._array.shape[-1], q, dtype=A.dtype, device=device_of(A._array))
    basis = linalg_qr(batched(A, start))[0]
    for _ in range(niter):
        basis = linalg_qr(batched(mH_of(A), basis))[0]
        basis = linalg_qr(batched(A, basis))[0]
    return basis  # type: ignore[no-any-return]


def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """``U``, ``S`` and ``V`` of the first ``q`` singular values of ``A - M`` (..., m, n), nearly, by random projection.

    Raises ``ValueError`` for a ``q`` beyond min(m, n) or a negative number of iterations.

    Example:
        >>> import rushlight as torch
        >>> u, s, v = torch.svd_lowrank(torch.eye(4) * 3, q=2)
        >>> s.round()
        tensor([3., 3.])
    """
    q = 6 if q is None else q
    niter = 2 if niter is None else niter
    _check_rank(A, q, niter)
    if M is not None:
        A = A - M
    m, n = A._array.shape[-2:]
    if m < n:
        basis = _basis(mH_of(A), q, niter)
        u, s, vh = linalg_svd(batched(A, basis), False)
        return u, s, batched(basis, mH_of(vh))
    basis = _basis(A, q, niter)
    u, s, vh = linalg_svd(batched(mH_of(basis), A), False)
    return batched(basis, u), s, mH_of(vh)


def _check_rank(A: Tensor, q: int, niter: int) -> None:
    check_matrices(A, "svd_lowrank")
    m, n = A._array.shape[-2:]
    if not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")


def pca_lowrank(
    A: Tensor, q: int | None = None, center: bool = True, niter: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """The principal components of ``A`` (..., samples, features): ``svd_lowrank`` of ``A`` less its columns' means.

    ``q``: how many, by default min(6, m, n). Raises ``ValueError`` as ``svd_lowrank`` does.
    """
    m, n = A._array.shape[-2:]
    if q is None:
        q = min(6, m, n)
    _check_rank(A, q, niter)
    return svd_lowrank(A - mean(A, -2, True) if center else A, q, niter)


METHODS: dict[str, Any] = {}
