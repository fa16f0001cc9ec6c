"""Linear algebra on a GPU: cuSOLVER and cuBLAS through ``cupy.linalg`` and ``cupyx.scipy.linalg``.

CuPy looks at the solvers' info numbers only when told to (``cupyx.errstate(linalg="raise")``), which waits for the device;
a matrix that they refuse goes to the CPU, which says what is wrong in PyTorch's words. Stacks of matrices: CuPy asks for equal
leading dimensions, so they are broadcast here. Functions of (cupy, arrays, parameters), see ``cuda_rules``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.dtypes import F16, F32, I64


def _checked(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The call's result; NotImplemented if a solver reports an error, or if the cuSOLVER that is there has no such solver."""
    import cupyx

    try:
        with cupyx.errstate(linalg="raise"):
            return function(*args, **kwargs)
    except np.linalg.LinAlgError:
        return NotImplemented


def _broadcast(cupy: Any, a: Any, b: Any) -> tuple[Any, Any]:
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    both = [x if x.shape[:-2] == batch else cupy.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (a, b)]
    return both[0], both[1]


def _adjoint(cupy: Any, a: Any) -> Any:
    turned = cupy.swapaxes(a, -2, -1)
    return cupy.conjugate(turned) if a.dtype.kind == "c" else turned


# --- systems ----------------------------------------------------------------------------------------------------------


def _solve(cupy: Any, a: Any, b: Any) -> Any:
    a, b = _broadcast(cupy, a, b)
    if not a.size or not b.size:
        return cupy.zeros(b.shape, b.dtype)
    return _checked(cupy.linalg.solve, a, b)


def _inv(cupy: Any, a: Any, name: str = "") -> Any:
    return _checked(cupy.linalg.inv, a) if a.size else a.copy()


def _solve_triangular(cupy: Any, a: Any, b: Any, upper: bool, unitriangular: bool) -> Any:
    a, b = _broadcast(cupy, a, b)
    if not a.size or not b.size:
        return cupy.zeros(b.shape, b.dtype)
    from cupyx.scipy.linalg import solve_triangular

    # A zero on the diagonal gives inf or nan: BLAS does not look.
    return solve_triangular(
        cupy.ascontiguousarray(a), cupy.ascontiguousarray(b), lower=not upper, unit_diagonal=unitriangular
    )


def _cholesky_solve(cupy: Any, a: Any, b: Any, upper: bool) -> Any:
    first, second = (_adjoint(cupy, a), a) if upper else (a, _adjoint(cupy, a))
    half = _solve_triangular(cupy, first, b, upper=False, unitriangular=False)
    return _solve_triangular(cupy, second, half, upper=True, unitriangular=False)


# --- decompositions ---------------------------------------------------------------------------------------------------


def _cholesky(cupy: Any, a: Any, name: str = "", upper: bool = False) -> Any:
    """The lower factor, of a matrix whose lower or upper triangle is given."""
    if not a.size:
        return a.copy()
    return _checked(cupy.linalg.cholesky, _adjoint(cupy, a) if upper else a)


def _qr(cupy: Any, a: Any, mode: str) -> Any:
    result = _checked(cupy.linalg.qr, a, mode)
    return result if result is NotImplemented else tuple(result)


def _svd(cupy: Any, a: Any, full_matrices: bool) -> Any:
    result = _checked(cupy.linalg.svd, a, full_matrices=full_matrices)
    return result if result is NotImplemented else tuple(result)


def _eigh(cupy: Any, a: Any, uplo: str) -> Any:
    if not a.size:
        return cupy.zeros(a.shape[:-1], a.dtype.char.lower()), a.copy()
    result = _checked(cupy.linalg.eigh, a, uplo)
    return result if result is NotImplemented else tuple(result)


def _eig(cupy: Any, a: Any) -> Any:
    if not a.size or not bool(cupy.isfinite(a).all()):
        return NotImplemented  # the CPU raises, in PyTorch's words
    try:
        result = _checked(cupy.linalg.eig, a)
    except (RuntimeError, NotImplementedError, AttributeError):
        return NotImplemented  # a cuSOLVER without geev
    return result if result is NotImplemented else tuple(result)


def _lu_factor(cupy: Any, a: Any, pivot: bool) -> Any:
    """Both triangular factors in one array, and the row (from 1) that each step swapped in."""
    rows, columns = a.shape[-2:]
    steps = min(rows, columns)
    batch = int(np.prod(a.shape[:-2], dtype=np.int64))
    if not a.size:
        return a.copy(), cupy.zeros((*a.shape[:-2], steps), np.int32)
    stack = cupy.array(a, copy=True, order="C").reshape(batch, rows, columns)
    if pivot and batch <= steps:
        factors, pivots = _lu_one_by_one(cupy, stack, steps)
    else:
        factors, pivots = _lu_together(cupy, stack, steps, pivot)
    return factors.reshape(a.shape), pivots.reshape(*a.shape[:-2], steps)


def _lu_one_by_one(cupy: Any, stack: Any, steps: int) -> tuple[Any, Any]:
    """By cuSOLVER, which has no stacks."""
    from cupyx.scipy.linalg import lu_factor

    pivots = cupy.empty((stack.shape[0], steps), np.int32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a zero pivot is no error here
        for i in range(stack.shape[0]):
            factors, places = lu_factor(stack[i], check_finite=False)
            stack[i] = factors
            pivots[i] = places + 1
    return stack, pivots


def _lu_together(cupy: Any, stack: Any, steps: int, pivot: bool) -> tuple[Any, Any]:
    """By elimination, one column of all matrices at a time: for many small ones, and for those without pivots."""
    count = stack.shape[0]
    pivots = cupy.empty((count, steps), np.int32)
    every = cupy.arange(count)
    for k in range(steps):
        best = cupy.full(count, k, I64)
        if pivot:
            column = stack[:, k:, k]
            # LAPACK measures complex numbers by the sum of their parts.
            sizes = (
                cupy.abs(column.real) + cupy.abs(column.imag)
                if column.dtype.kind == "c"
                else cupy.abs(column)
            )
            best = k + cupy.argmax(sizes, axis=1)
        pivots[:, k] = best + 1
        top, other = stack[:, k].copy(), stack[every, best]
        stack[every, best] = top
        stack[:, k] = other
        corner = stack[:, k, k]
        divisor = cupy.where(corner == 0, corner.dtype.type(1), corner)[:, None]
        below = stack[:, k + 1 :, k] / divisor
        stack[:, k + 1 :, k] = below
        stack[:, k + 1 :, k + 1 :] -= below[:, :, None] * stack[:, k, None, k + 1 :]
    return stack, pivots


# --- determinants -----------------------------------------------------------------------------------------------------


def _slogdet(cupy: Any, a: Any) -> Any:
    return tuple(cupy.linalg.slogdet(a))


def _det(cupy: Any, a: Any) -> Any:
    return cupy.linalg.det(a)


def _cofactors(cupy: Any, a: Any) -> Any:
    """As on the CPU (``ops.matrix_functions``): conj(det U det V^H) U diag(products of the other singular values) V^H."""
    if not a.size:
        return a.copy()
    found = _svd(cupy, a, True)
    if found is NotImplemented:
        return found
    u, s, vh = found
    one = cupy.ones_like(s[..., :1])
    before = cupy.cumprod(cupy.concatenate([one, s[..., :-1]], -1), axis=-1)
    after = cupy.flip(cupy.cumprod(cupy.concatenate([one, cupy.flip(s[..., 1:], -1)], -1), axis=-1), -1)
    sign = cupy.conjugate(cupy.linalg.det(u) * cupy.linalg.det(vh))[..., None, None]
    return cupy.matmul(u * (before * after)[..., None, :], vh) * sign


# --- least squares ----------------------------------------------------------------------------------------------------


def _inverted(cupy: Any, s: Any, keep: Any) -> Any:
    """1 / s where ``keep`` is true, zero elsewhere."""
    one = s.dtype.type(1)
    return cupy.where(keep, one / cupy.where(keep, s, one), s.dtype.type(0))


def _pinv(cupy: Any, a: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:
    if not a.size:
        return cupy.zeros((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)
    found = _eigh(cupy, a, "L") if hermitian else _svd(cupy, a, False)
    if found is NotImplemented:
        return found
    if hermitian:
        values, vectors = found
        sizes = cupy.abs(values)
        keep = sizes > _bounds(cupy, a, cupy.amax(sizes, axis=-1), atol, rtol)
        return cupy.matmul(vectors * _inverted(cupy, values, keep)[..., None, :], _adjoint(cupy, vectors))
    u, s, vh = found
    scale = _inverted(cupy, s, s > _bounds(cupy, a, s[..., 0], atol, rtol))
    return cupy.matmul(_adjoint(cupy, vh) * scale[..., None, :], _adjoint(cupy, u))


def _bounds(cupy: Any, a: Any, largest: Any, atol: Any, rtol: Any) -> Any:
    """Below what a singular value counts as zero: the greater of ``atol`` and ``rtol`` times the largest one."""
    least = cupy.asarray(0.0 if atol is None else atol)
    if rtol is None:
        rtol = max(a.shape[-2:]) * float(np.finfo(a.dtype).eps)
        if atol is not None:
            rtol = cupy.where(least > 0, 0.0, rtol)
    return cupy.maximum(least, cupy.asarray(rtol) * largest)[..., None]


def _lstsq(cupy: Any, a: Any, b: Any, rcond: float) -> Any:
    if not a.size or not b.size:
        return NotImplemented
    found = _svd(cupy, a, False)
    if found is NotImplemented:
        return found
    u, s, vh = found
    keep = s > rcond * s[..., :1]
    scaled = _inverted(cupy, s, keep)[..., None] * cupy.matmul(_adjoint(cupy, u), b)
    return cupy.matmul(_adjoint(cupy, vh), scaled), cupy.sum(keep, axis=-1, dtype=I64), s


# --- functions of matrices --------------------------------------------------------------------------------------------

# The coefficients of the Padé approximant of degree 13, and the norm up to which it is exact to double precision
# (N. Higham, "The scaling and squaring method for the matrix exponential revisited", SIAM J. Matrix Anal. Appl. 26, 2005).
_PADE: Final = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
    10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
_PADE_REACH: Final = 5.371920351148152


def _matrix_exp(cupy: Any, a: Any) -> Any:
    if not a.size:
        return a.copy()
    dtype = a.dtype
    # Double precision inside: squaring would lose the digits that the result has room for.
    a = a.astype(np.complex128 if dtype.kind == "c" else np.float64)
    norms = cupy.amax(cupy.sum(cupy.abs(a), axis=-2), axis=-1)
    over = cupy.isfinite(norms) & (norms > _PADE_REACH)
    squarings = cupy.ceil(cupy.log2(cupy.where(over, norms / _PADE_REACH, 1.0)))
    a = a / cupy.exp2(squarings)[..., None, None]
    eye = cupy.eye(a.shape[-1], dtype=a.dtype)
    a2 = cupy.matmul(a, a)
    a4 = cupy.matmul(a2, a2)
    a6 = cupy.matmul(a4, a2)
    b = _PADE
    odd = (
        cupy.matmul(a6, b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * eye
    )
    odd = cupy.matmul(a, odd)
    even = (
        cupy.matmul(a6, b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * eye
    )
    bad = ~cupy.all(cupy.isfinite(even), axis=(-2, -1))[..., None, None]
    even, odd = cupy.where(bad, eye, even), cupy.where(bad, 0 * eye, odd)
    result = _solve(cupy, even - odd, even + odd)
    if result is NotImplemented:
        return result
    result = cupy.where(bad, result.dtype.type(np.nan), result)
    for step in range(int(cupy.amax(squarings))):
        result = cupy.where((squarings > step)[..., None, None], cupy.matmul(result, result), result)
    return result.astype(dtype)


# --- products and distances -------------------------------------------------------------------------------------------


def _cross(cupy: Any, a: Any, b: Any, dim: int) -> Any:
    shape = np.broadcast_shapes(a.shape, b.shape)
    if shape[dim] != 3:
        return NotImplemented
    dtype = a.dtype
    kind = F32 if dtype == F16 else dtype
    x, y = [cupy.moveaxis(cupy.broadcast_to(v, shape), dim, 0).astype(kind, copy=False) for v in (a, b)]
    parts = [x[(i + 1) % 3] * y[(i + 2) % 3] - x[(i + 2) % 3] * y[(i + 1) % 3] for i in range(3)]
    return cupy.stack(parts, axis=dim % len(shape)).astype(dtype, copy=False)


_AT_ONCE: Final = 1 << 24  # differences that are in memory at a time


def _cdist(cupy: Any, x1: Any, x2: Any, p: float, product: bool) -> Any:
    batch = np.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    rows, columns, width = x1.shape[-2], x2.shape[-2], x1.shape[-1]
    result = cupy.zeros((*batch, rows, columns), x1.dtype)
    if not result.size or not width:
        return result
    if p == 2 and product:
        # |a - b|² = |a|² + |b|² - 2ab; rounding may bring it below 0.
        squares = cupy.matmul(x1, cupy.swapaxes(x2, -1, -2)) * x1.dtype.type(-2)
        squares = squares + cupy.sum(x1 * x1, axis=-1)[..., None] + cupy.sum(x2 * x2, axis=-1)[..., None, :]
        return cupy.sqrt(cupy.maximum(squares, squares.dtype.type(0)))
    step = max(1, _AT_ONCE // max(1, result.size // rows * width))
    for i in range(0, rows, step):
        gaps = cupy.abs(x1[..., i : i + step, None, :] - x2[..., None, :, :])
        if p == 2:
            part = cupy.sqrt(cupy.sum(gaps * gaps, axis=-1))
        elif p == 1:
            part = cupy.sum(gaps, axis=-1)
        elif p == 0:
            part = cupy.sum(gaps != 0, axis=-1).astype(x1.dtype)
        elif math.isinf(p):
            part = cupy.amax(gaps, axis=-1)
        else:
            kind = gaps.dtype.type
            part = cupy.power(cupy.sum(cupy.power(gaps, kind(p)), axis=-1), kind(1.0 / p))
        result[..., i : i + step, :] = part
    return result


LINALG: Final[dict[str, Callable[..., Any]]] = {
    "linalg_solve": _solve, "linalg_inv": _inv, "linalg_solve_triangular": _solve_triangular,
    "cholesky_solve": _cholesky_solve,
    "linalg_cholesky": _cholesky, "linalg_qr": _qr, "linalg_svd": _svd, "linalg_eigh": _eigh, "linalg_eig": _eig,
    "linalg_lu_factor": _lu_factor, "linalg_slogdet": _slogdet, "linalg_det": _det, "cofactors": _cofactors,
    "linalg_pinv": _pinv, "linalg_lstsq": _lstsq, "linalg_matrix_exp": _matrix_exp, "cross": _cross, "cdist": _cdist,
}  # fmt: skip
