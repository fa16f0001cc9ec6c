"""Inverse, solve, Cholesky and QR by LAPACK (through ``numpy.linalg``), over stacks of matrices, with their gradients.

Sources of the gradients: M. Giles, "An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation", 2008; I. Murray, "Differentiation of the Cholesky decomposition", arXiv:1602.07527; S.
Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions", 2010, and D. and L. Roberts, "QR and
LQ decomposition matrix backpropagation algorithms for square, wide, and deep matrices", arXiv:2009.10071 (qr).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arguments import check_flag, check_tensor as check_tensor_argument
from ..core.device import on_host
from ..core.dtypes import INEXACT, LOW_PRECISION
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node, OutputNode
from ..core.once import warn_once
from ..core.return_types import maker
from ..core.shapes import broadcast_shape, count
from ..core.tensor import Tensor, make_tensor
from ..runtime import lapack
from .define import Primitive
from .dispatch import apply, type_name, write_out
from .joining import cat
from .linalg import batched, mH_of, mT_of, write_exact
from .movement import narrow, reshape, unsqueeze
from .placement import tensor_beside
from .rearranging import tril, triu

Array = NDArray[Any]
grad_enabled = GRAD_MODE.get


class LinAlgError(RuntimeError):
    """A decomposition that does not exist for the given values: a singular or an indefinite matrix."""


# --- checks -----------------------------------------------------------------------------------------------------------


def check_matrices(A: Any, name: str) -> None:
    if not isinstance(A, Tensor):
        raise TypeError(
            f"{name.replace('.', '_')}(): argument 'A' (position 1) must be Tensor, not {type(A).__name__}"
        )
    if A._array.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")


def check_square(A: Any, name: str) -> None:
    check_matrices(A, name)
    rows, columns = A._array.shape[-2:]
    if rows != columns:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are {rows} by {columns} matrices"
        )


def check_inexact(A: Tensor, name: str, *, low_precision: bool = False) -> None:
    dtype = A._array.dtype
    if dtype not in INEXACT:
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {type_name(dtype)}"
        )
    if dtype in LOW_PRECISION and not low_precision:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {type_name(dtype)}")


def check_same_dtype(A: Tensor, B: Tensor, name: str) -> None:
    if A._array.dtype != B._array.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type {type_name(A._array.dtype)} "
            f"and B of type {type_name(B._array.dtype)} instead"
        )


def _batch_prefix(index: int, batch: tuple[int, ...]) -> str:
    return f"(Batch element {index}): " if batch else ""


# --- building blocks of the gradients ---------------------------------------------------------------------------------


def masked(tensor: Tensor, mask: Array) -> Tensor:
    """``tensor`` times a constant pattern of its last two dimensions."""
    return tensor * tensor_beside(tensor, mask.astype(tensor._array.dtype))


def lower_part(tensor: Tensor, diagonal: float = 1.0) -> Tensor:
    """The lower triangles; the diagonals scaled."""
    if diagonal in (0.0, 1.0):
        return tril(tensor, int(diagonal) - 1)
    rows, columns = tensor._array.shape[-2:]
    return masked(tensor, np.tri(rows, columns, -1) + diagonal * np.eye(rows, columns))


def upper_part(tensor: Tensor, diagonal: float = 1.0) -> Tensor:
    """The upper triangles; the diagonals scaled."""
    if diagonal in (0.0, 1.0):
        return triu(tensor, 1 - int(diagonal))
    rows, columns = tensor._array.shape[-2:]
    return masked(tensor, np.tri(columns, rows, -1).T + diagonal * np.eye(rows, columns))


def identity(n: int, like: Tensor) -> Tensor:
    return tensor_beside(like, np.eye(n, dtype=like._array.dtype))


def with_history(node: Node, values: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The first results of the operation at ``node``, as saved; with their histories where backward is recorded."""
    if not grad_enabled():
        return values
    return tuple([make_tensor(t._array, OutputNode(node, i, t._array)) for i, t in enumerate(values)])


def svd_arrays(a: Array, full_matrices: bool) -> tuple[Array, ...]:
    """``(U, S, Vh)``; ``LinAlgError`` for a nan."""
    try:
        if not np.isinf(a).any():
            return tuple(np.linalg.svd(a, full_matrices))
        if np.isnan(a).any():
            raise np.linalg.LinAlgError("nan")
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "linalg.svd: The algorithm failed to converge because the input matrix contained non-finite values."
        ) from None
    # LAPACK's routine may never come back from an infinity. PyTorch's singular values are nan then, its vectors anything.
    finite: Any = np.isfinite(a).all((-2, -1))
    u, s, vh = np.linalg.svd(np.where(finite[..., None, None], a, 0), full_matrices)
    s[~finite] = np.nan
    return u, s, vh


# --- inverse and solve ------------------------------------------------------------------------------------------------


def lu_arrays(a: Array, pivot: bool) -> tuple[Array, Array]:
    """Both triangular factors in one array, and the row (from 1) that each step swapped in. ``a``: ``(..., m, n)``."""
    if pivot and (factored := lapack.lu_factor(a)) is not None:
        return factored
    lu = np.array(a, order="C")
    rows, columns = lu.shape[-2:]
    steps = min(rows, columns)
    pivots = np.empty((*lu.shape[:-2], steps), np.int32)
    batch = count(lu.shape[:-2])
    flat, chosen = lu.reshape(batch, rows, columns), pivots.reshape(batch, steps)
    every = np.arange(len(flat))
    with np.errstate(all="ignore"):
        for k in range(steps):
            column = flat[:, k:, k]
            # LAPACK measures complex numbers by the sum of their parts, too.
            sizes = np.abs(column) if column.dtype.kind == "f" else np.abs(column.real) + np.abs(column.imag)
            best = k + sizes.argmax(1) if pivot else np.full(len(flat), k)
            chosen[:, k] = best + 1
            top = flat[every, k].copy()
            flat[every, k] = flat[every, best]
            flat[every, best] = top
            corner = flat[:, k, k]
            divisor = np.where(corner == 0, corner.dtype.type(1), corner)[:, None]
            flat[:, k + 1 :, k] /= divisor
            flat[:, k + 1 :, k + 1 :] -= flat[:, k + 1 :, k, None] * flat[:, k, None, k + 1 :]
    return lu, pivots


def _first_zero_pivot(a: Array) -> tuple[int, int]:
    """The first singular matrix of the stack and the place (from 1) of its first zero pivot."""
    lu, _ = lu_arrays(a.reshape(count(a.shape[:-2]), *a.shape[-2:]), True)
    zero = np.diagonal(lu, axis1=-2, axis2=-1) == 0
    where = np.argwhere(zero)
    return (int(where[0, 0]), int(where[0, 1]) + 1) if where.size else (0, a.shape[-1])


def _inv_impl(a: Array, name: str = "linalg.inv") -> Any:
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        batch, place = _first_zero_pivot(a)
        raise LinAlgError(
            f"{name}: {_batch_prefix(batch, a.shape[:-2])}The diagonal element {place} is zero, the inversion could "
            "not be completed because the input matrix is singular."
        ) from None


def _inv_vjp(g: Tensor, node: Node) -> Tensor:
    (inverse,) = node.unpack()
    transposed = mH_of(inverse)
    return -batched(batched(transposed, g), transposed)


INV = Primitive(
    "linalg_inv",
    _inv_impl,
    _inv_vjp,
    saves_output=True,
    grad_name="LinalgInvExBackward0",
    samples=lambda: [(np.array([[2.0, 1.0], [0.5, 3.0]]),)],
)


def inverse(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``linalg.inv``, with the parameter's older name.

    Example:
        >>> import rushlight as torch
        >>> torch.inverse(torch.tensor([[2., 0.], [0., 4.]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """
    return inv(input, out=out)


def inv(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverses of square matrices ``(..., n, n)``.

    Raises ``linalg.LinAlgError`` where one is singular.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.inv(torch.tensor([[2., 0.], [0., 4.]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """
    check_square(A, "linalg.inv")
    check_inexact(A, "linalg.inv")
    result = apply(INV, (A,))
    return result if out is None else write_exact(out, result, "linalg_inv")


def _zero_pivot(a: Array) -> int:
    return _first_zero_pivot(a)[1]


def _one_by_one(a: Array, attempt: Any, explain: Any) -> tuple[Array, Array]:
    """For each matrix what ``attempt`` makes of it, or nan, and LAPACK's info number: 0, or what ``explain`` says."""
    a = on_host(a)  # a GPU's solvers say nothing of single matrices
    stack = a.reshape(count(a.shape[:-2]), *a.shape[-2:])
    info = np.zeros(len(stack), np.int32)
    results = np.full_like(stack, np.nan)
    for i, matrix in enumerate(stack):
        try:
            results[i] = attempt(matrix)
        except LinAlgError:
            info[i] = explain(matrix)
    return results.reshape(a.shape), info.reshape(a.shape[:-2])


def inv_ex(A: Tensor, *, check_errors: bool = False, out: Any = None) -> Any:
    """As ``inv``, with LAPACK's number of the first zero pivot (0: none) for each matrix instead of an error.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.inv_ex(torch.zeros(2, 2)).info
        tensor(1, dtype=torch.int32)
    """
    check_flag("linalg_inv_ex", "check_errors", check_errors)
    check_square(A, "linalg.inv_ex")
    check_inexact(A, "linalg.inv_ex")
    try:
        result: Tensor = apply(INV, (A,))
        info = np.zeros(A._array.shape[:-2], np.int32)
    except LinAlgError:
        if check_errors:
            raise
        values, info = _one_by_one(A._array, _inv_impl, _zero_pivot)
        result = tensor_beside(A, values)
    return named_result("linalg_inv_ex", (result, tensor_beside(A, info)), out)


def written_parts(name: str, parts: tuple[Tensor, ...], out: Any) -> tuple[Tensor, ...]:
    """The tensors of ``out``, once the parts are in them; ``TypeError`` for what is not as many tensors."""
    if not isinstance(out, tuple | list):
        raise TypeError(f"{name}(): argument 'out' must be tuple of Tensors, not {type(out).__name__}")
    if len(out) != len(parts):
        raise TypeError(f"expected tuple of {len(parts)} elements but got {len(out)}")
    return tuple([write_exact(target, part, name) for target, part in zip(out, parts, strict=True)])


def named_result(name: str, parts: tuple[Tensor, ...], out: Any = None) -> Any:
    """The parts as PyTorch's named tuple, written into the tensors of ``out`` if there are any."""
    if out is not None:
        parts = written_parts(name, parts, out)
    return maker(name)(parts)


def _solve_impl(a: Array, b: Array) -> Any:
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        batch, _ = _first_zero_pivot(a)
        raise LinAlgError(
            f"torch.linalg.solve: {_batch_prefix(batch, a.shape[:-2])}The solver failed because the input matrix is "
            "singular."
        ) from None


def _solve_vjp(g: Tensor, node: Node) -> Any:
    a, x = node.unpack()
    grad_b = apply(SOLVE, (mH_of(a), g))
    return (
        None if node.edges[0] is None else -batched(grad_b, mH_of(x)),
        grad_b,
    )


# The right-hand sides are always matrices: `solve` adds the dimension for vectors.
SOLVE = Primitive(
    "linalg_solve",
    _solve_impl,
    _solve_vjp,
    saves=((0, (0, 1)),),
    saves_output=True,
    grad_name="LinalgSolveExBackward0",
    samples=lambda: [(np.array([[2.0, 1.0], [0.5, 3.0]]), np.ones((2, 3)))],
)


def is_vector_case(A: Tensor, B: Tensor) -> bool:
    """Whether ``B`` holds vectors for ``A``: it is 1-D, or has the shape of ``A`` without its last dimension."""
    return B._array.ndim == 1 or B._array.shape == A._array.shape[:-1]  # type: ignore[no-any-return]


def check_solvable(A: Tensor, B: Tensor, name: str, left: bool) -> None:
    shape_a, shape_b = A._array.shape, B._array.shape
    if shape_b[-2 if left else -1] != shape_a[-2 if left else -1]:
        equation = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {equation} "
            f"({shape_a[-2]}x{shape_a[-1]} and {shape_b[-2]}x{shape_b[-1]})"
        )


def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Tensor | None = None) -> Tensor:
    """``X`` with ``A X = B`` (``left=False``: ``X A = B``) for square ``A``.

    Shapes: ``(..., n, n)`` with ``(..., n, k)``, or ``(n)``, or ``(..., n)`` with exactly the leading dimensions of
    ``A``; the leading dimensions of matrices broadcast. Raises ``linalg.LinAlgError`` where ``A`` is singular.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.solve(torch.tensor([[2., 0.], [0., 4.]]), torch.tensor([2., 8.]))
        tensor([1., 2.])
    """
    check_tensor_argument("linalg_solve", "A", A)
    check_tensor_argument("linalg_solve", "B", B)
    check_flag("linalg_solve", "left", left)
    result = _solve(A, B, left, "linalg.solve")
    return result if out is None else write_exact(out, result, "linalg_solve")


def _solve(A: Tensor, B: Tensor, left: bool, name: str) -> Tensor:
    check_square(A, name)
    check_inexact(A, name)
    check_same_dtype(A, B, name)
    vector = is_vector_case(A, B)
    if vector and not left:
        raise RuntimeError(
            f"{name}: Vector broadcasting of the left hand side is not supported for left=False. "
            "In this case linalg.solve is equivalent to B / A.squeeze(-1)"
        )
    columns = unsqueeze(B, -1) if vector else B
    check_solvable(A, columns, name, left)
    if left:
        result = apply(SOLVE, (A, columns))
    else:
        result = mT_of(apply(SOLVE, (mT_of(A), mT_of(columns))))
    return reshape(result, result._array.shape[:-1]) if vector else result


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """As ``solve``, with the number of the first zero pivot of each ``A`` (0: none) instead of an error.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.solve_ex(torch.zeros(2, 2), torch.ones(2)).info
        tensor(1, dtype=torch.int32)
    """
    check_flag("linalg_solve_ex", "left", left)
    check_flag("linalg_solve_ex", "check_errors", check_errors)
    try:
        result = _solve(A, B, left, "linalg.solve")
        info = tensor_beside(A, np.zeros(A._array.shape[:-2], np.int32))
    except LinAlgError:
        if check_errors:
            raise
        a, b = A._array, B._array
        _, codes = _one_by_one(a, _inv_impl, _zero_pivot)
        if is_vector_case(A, B):
            shape = a.shape[:-1]
        else:
            shape = (*broadcast_shape(a.shape[:-2], b.shape[:-2]), *b.shape[-2:])
        result, info = [tensor_beside(A, part) for part in (np.full(shape, np.nan, b.dtype), codes)]
    return named_result("linalg_solve_ex", (result, info), out)


# --- cholesky ---------------------------------------------------------------------------------------------------------


def _first_indefinite_minor(a: Array) -> int:
    """The order of the smallest leading minor of one matrix that has no Cholesky factor."""
    low, high = 0, int(a.shape[-1])
    while high - low > 1:  # the minors have one up to some order and none from there on
        middle = (low + high) // 2
        try:
            np.linalg.cholesky(a[:middle, :middle])
            low = middle
        except np.linalg.LinAlgError:
            high = middle
    return high


# NumPy's call of the same routine costs less, its copies of the matrix and of the factor more.
_OWN_CHOLESKY_FROM = 96


def _cholesky_impl(a: Array, name: str = "linalg.cholesky", upper: bool = False) -> Any:
    """The lower factor, of a matrix whose lower or upper triangle is given."""
    if upper:
        a = np.conj(np.swapaxes(a, -2, -1))
    factored = lapack.cholesky(a) if a.shape[-1] >= _OWN_CHOLESKY_FROM else None
    if factored is not None and not factored[1].any():
        return factored[0]
    try:
        return np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        for batch, matrix in enumerate(a.reshape(count(a.shape[:-2]), *a.shape[-2:])):
            try:
                np.linalg.cholesky(matrix)
            except np.linalg.LinAlgError:
                raise LinAlgError(
                    f"{name}: {_batch_prefix(batch, a.shape[:-2])}The factorization could not be completed because the "
                    "input is not positive-definite (the leading minor of order "
                    f"{_first_indefinite_minor(matrix)} is not positive-definite)."
                ) from None
        raise


def _cholesky_vjp(g: Tensor, node: Node) -> Tensor:
    (factor,) = node.unpack()
    transposed = mH_of(factor)
    product = batched(transposed, g)
    inner = (lower_part(product) + mH_of(lower_part(product, 0.0))) * 0.5
    # L^-H inner L^-1, by two solves.
    half = apply(SOLVE, (transposed, inner))
    return mH_of(apply(SOLVE, (transposed, mH_of(half))))


CHOLESKY = Primitive(
    "linalg_cholesky",
    _cholesky_impl,
    _cholesky_vjp,
    saves_output=True,
    grad_name="LinalgCholeskyExBackward0",
    samples=lambda: [(np.array([[4.0, 1.0], [1.0, 3.0]]),)],
)


def _cholesky(A: Tensor, upper: bool, name: str) -> Tensor:
    check_square(A, name)
    check_inexact(A, name)
    factor: Tensor = apply(CHOLESKY, (A,), {"name": name, "upper": upper})
    return mH_of(factor) if upper else factor


def linalg_cholesky(input: Tensor, *, upper: bool = False, out: Tensor | None = None) -> Tensor:
    """The triangular ``L`` with ``A = L L^H`` (``upper``: ``U`` with ``A = U^H U``) of positive-definite matrices.

    Only the named triangle of ``input`` is read. Raises ``linalg.LinAlgError`` where a matrix is not positive-definite.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.cholesky(torch.tensor([[4., 2.], [2., 5.]]))
        tensor([[2., 0.],
                [1., 2.]])
    """
    check_flag("linalg_cholesky", "upper", upper)
    result = _cholesky(input, upper, "linalg.cholesky")
    return result if out is None else write_exact(out, result, "linalg_cholesky")


def cholesky(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The older name of ``linalg.cholesky``.

    Example:
        >>> import rushlight as torch
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):  # that it is deprecated
        ...     torch.cholesky(torch.eye(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    check_flag("cholesky", "upper", upper)
    warn_once(
        "torch.cholesky is deprecated in favor of torch.linalg.cholesky and will be removed in a future PyTorch release.\n"
        "L = torch.cholesky(A)\nshould be replaced with\nL = torch.linalg.cholesky(A)\nand\n"
        "U = torch.cholesky(A, upper=True)\nshould be replaced with\nU = torch.linalg.cholesky(A).mH"
    )
    result = _cholesky(input, upper, "cholesky")
    return result if out is None else write_out(out, result, "cholesky")


def cholesky_ex(input: Tensor, *, upper: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """As ``linalg.cholesky``, with the order of the first minor that is not positive-definite (0: none) instead of an
    error.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.cholesky_ex(-torch.eye(2)).info
        tensor(1, dtype=torch.int32)
    """
    check_flag("linalg_cholesky_ex", "upper", upper)
    check_flag("linalg_cholesky_ex", "check_errors", check_errors)
    check_square(input, "linalg.cholesky_ex")
    check_inexact(input, "linalg.cholesky_ex")
    try:
        factor: Tensor = apply(CHOLESKY, (input,), {"upper": upper})
        info = np.zeros(input._array.shape[:-2], np.int32)
    except LinAlgError:
        if check_errors:
            raise
        array = mH_of(input)._array if upper else input._array
        values, info = _one_by_one(array, _cholesky_impl, _first_indefinite_minor)
        factor = tensor_beside(input, values)
    return named_result(
        "linalg_cholesky_ex", (mH_of(factor) if upper else factor, tensor_beside(input, info)), out
    )


# --- qr ---------------------------------------------------------------------------------------------------------------


def _qr_vjp(gradients: Any, node: Node) -> Tensor:
    g_q, g_r = gradients
    q, r = with_history(node, node.unpack())
    rows, columns = q._array.shape[-2], r._array.shape[-1]
    if node.attrs["mode"] == "complete" and rows > columns:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols. "
        )
    if rows >= columns:
        return _qr_tall(g_q, g_r, q, r)
    # A wide matrix [X Y] has R = [U V] with X = Q U and V = Q^H Y.
    x_r, v = narrow(r, -1, 0, rows), narrow(r, -1, rows, columns - rows)
    if g_r is None:
        g_x = _qr_tall(g_q, None, q, x_r)
        g_y = batched(q, v * 0)
    else:
        g_u, g_v = narrow(g_r, -1, 0, rows), narrow(g_r, -1, rows, columns - rows)
        from_v = batched(q, batched(v, mH_of(g_v)))
        g_x = _qr_tall(from_v if g_q is None else g_q + from_v, g_u, q, x_r)
        g_y = batched(q, g_v)
    return cat((g_x, g_y), -1)


def _qr_tall(g_q: Tensor | None, g_r: Tensor | None, q: Tensor, r: Tensor) -> Tensor:
    inner = None
    if g_r is not None:
        inner = batched(g_r, mH_of(r))
    if g_q is not None:
        part = batched(mH_of(q), g_q)
        inner = -part if inner is None else inner - part
    assert inner is not None
    inner = upper_part(inner)
    hermitian = inner + mH_of(inner)
    n = hermitian._array.shape[-1]
    middle = batched(q, masked(hermitian, np.ones((n, n)) - 0.5 * np.eye(n)))
    if g_q is not None:
        middle = g_q + middle
    return mH_of(apply(SOLVE, (r, mH_of(middle))))  # middle R^-H


def _qr_impl(a: Array, mode: str) -> tuple[Array, Array]:
    factored = lapack.qr(a, mode == "complete")
    if factored is None:
        q, r = np.linalg.qr(a, "complete" if mode == "complete" else "reduced")
        return q, r
    return factored


QR = Primitive(
    "linalg_qr",
    _qr_impl,
    _qr_vjp,
    saves_output=(0, 1),
    samples=lambda: [((np.arange(6.0).reshape(3, 2) + np.eye(3, 2),), {"mode": "reduced"})],
)


def _qr(A: Tensor, mode: str, name: str) -> tuple[Tensor, Tensor]:
    check_matrices(A, "linalg.qr")
    check_inexact(A, "linalg.qr")
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    if mode == "r":
        if A._node is not None and grad_enabled():
            raise RuntimeError(
                "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. "
                "Please use linalg.qr(A, mode='reduced') if you are going to require gradients."
            )
        triangle: Any = np.linalg.qr(A._array, "r")
        return tensor_beside(A, np.empty((0,), A._array.dtype)), make_tensor(triangle)
    q, r = apply(QR, (A,), {"mode": mode})
    return q, r


def linalg_qr(A: Tensor, mode: str = "reduced", *, out: Any = None) -> Any:
    """``A = Q R`` with orthonormal columns in ``Q`` and upper triangular ``R``, as ``(Q, R)``.

    ``mode``: ``"reduced"``, ``"complete"`` (``Q`` is square), or ``"r"`` (``Q`` is empty).

    Example:
        >>> import rushlight as torch
        >>> Q, R = torch.linalg.qr(torch.eye(3, 2))
        >>> Q.shape, R.shape
        (torch.Size([3, 2]), torch.Size([2, 2]))
    """
    return named_result("linalg_qr", _qr(A, mode, "linalg.qr"), out)


def qr(input: Tensor, some: bool = True, *, out: Any = None) -> Any:
    """The older name of ``linalg.qr``; ``some=False`` is its mode ``"complete"``.

    Example:
        >>> import rushlight as torch
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):  # that it is deprecated
        ...     torch.qr(torch.eye(2)).R.shape
        torch.Size([2, 2])
    """
    warn_once(
        "torch.qr is deprecated in favor of torch.linalg.qr and will be removed in a future PyTorch release.\n"
        "The boolean parameter 'some' has been replaced with a string parameter 'mode'.\nQ, R = torch.qr(A, some)\n"
        "should be replaced with\nQ, R = torch.linalg.qr(A, 'reduced' if some else 'complete')"
    )
    return named_result("qr", _qr(input, "reduced" if some else "complete", "qr"), out)


METHODS: dict[str, Any] = {
    "inverse": inverse,
    "cholesky": cholesky,
    "qr": qr,
}
