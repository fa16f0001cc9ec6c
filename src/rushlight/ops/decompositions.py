"""Matrix decompositions by LAPACK (through ``numpy.linalg``), over stacks of matrices, with their gradients.

An operation with several results saves them detached, which is all that first-order gradients need. When the backward
pass is itself recorded (``create_graph``), the vjps compute the decomposition again from the saved input, so that the
second derivative goes through it.

Sources of the gradients: M. Giles, "An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation", 2008; I. Murray, "Differentiation of the Cholesky decomposition", arXiv:1602.07527; S.
Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions", 2010, with D. Roberts and L. Roberts,
"QR and LQ decomposition matrix backpropagation algorithms", arXiv:2009.10071 (qr); J. Townsend, "Differentiating the
singular value decomposition", 2016, with Z.-Q. Wan and S.-X. Zhang, "Automatic differentiation for complex valued
SVD", arXiv:1909.02659 (svd); C. Boeddeker et al., "On the computation of complex-valued gradients with application to
statistically optimum beamforming", arXiv:1701.00392 (eig, eigh).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import C64, C128, COMPLEXES, F32, INEXACT, LOW_PRECISION
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node
from ..core.return_types import maker
from ..core.tensor import Tensor, make_tensor
from .define import Primitive
from .dispatch import apply, type_name, write_out
from .linalg import batched, mH_of, mT_of
from .movement import narrow, reshape, unsqueeze
from .pointwise import conj_of

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
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {type_name(dtype)}")
    if dtype in LOW_PRECISION and not low_precision:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {type_name(dtype)}")


def check_kernel(A: Tensor, kernel: str) -> None:
    dtype = A._array.dtype
    if dtype not in INEXACT or dtype in LOW_PRECISION:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{type_name(dtype)}'")


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
    return tensor * make_tensor(mask.astype(tensor._array.dtype))


def lower_part(tensor: Tensor, diagonal: float = 1.0) -> Tensor:
    """The lower triangles; the diagonals scaled."""
    rows, columns = tensor._array.shape[-2:]
    return masked(tensor, np.tri(rows, columns, -1) + diagonal * np.eye(rows, columns))


def upper_part(tensor: Tensor, diagonal: float = 1.0) -> Tensor:
    """The upper triangles; the diagonals scaled."""
    rows, columns = tensor._array.shape[-2:]
    return masked(tensor, np.tri(columns, rows, -1).T + diagonal * np.eye(rows, columns))


def identity(n: int, like: Tensor) -> Tensor:
    return make_tensor(np.eye(n, dtype=like._array.dtype))


def diagonal_part(tensor: Tensor) -> Tensor:
    """The diagonals of square matrices, as a last dimension."""
    n = tensor._array.shape[-1]
    return masked(tensor, np.eye(n)).sum(-1)  # type: ignore[no-any-return]


def as_diagonal(vector: Tensor) -> Tensor:
    """Matrices with ``vector``'s last dimension on their diagonals."""
    return masked(unsqueeze(vector, -1), np.eye(vector._array.shape[-1]))


def real_of(tensor: Tensor) -> Tensor:
    from .pointwise import real

    return real(tensor) if tensor._array.dtype in COMPLEXES else tensor  # type: ignore[no-any-return]


def _complex_dtype(x: Array) -> Any:
    return C64 if x.dtype == F32 or x.dtype == C64 else C128


def _imag_of_diagonal(tensor: Tensor) -> Tensor:
    """``i`` times the imaginary parts of the diagonals."""
    diagonal = diagonal_part(tensor)
    return (diagonal - conj_of(diagonal)) * 0.5  # type: ignore[no-any-return]


def _check_gauge(phase: Tensor, name: str) -> None:
    array = phase._array
    tolerance = 1e-2 if array.dtype == C64 else 1e-5
    if array.size and not np.allclose(array, 0, atol=tolerance):
        raise RuntimeError(
            f"{name}: The eigenvectors or singular vectors in the complex case are specified up to multiplication by "
            "e^{i phi}. The specified loss function depends on this quantity, so it is ill-defined."
        )


def _saved(node: Node, recompute: Any) -> Any:
    """The results of the operation at ``node``: as saved, or computed anew where backward is recorded."""
    return recompute() if grad_enabled() else node.attrs["outputs"]


# --- inverse and solve ------------------------------------------------------------------------------------------------


def _first_zero_pivot(a: Array) -> tuple[int, int]:
    """The first singular matrix of the stack and the place (from 1) of its first zero pivot."""
    lu, _ = lu_arrays(a.reshape(-1, *a.shape[-2:]), True)
    zero = np.diagonal(lu, axis1=-2, axis2=-1) == 0
    where = np.argwhere(zero)
    return (int(where[0, 0]), int(where[0, 1]) + 1) if where.size else (0, a.shape[-1])


def _inv_impl(a: Array, name: str = "linalg.inv") -> Any:
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        batch, place = _first_zero_pivot(a)
        raise LinAlgError(
            f"{name}: {_batch_prefix(batch, a.shape[:-2])}The diagonal element {place} is zero, the inversion could not "
            "be completed because the input matrix is singular."
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
    return result if out is None else write_out(out, result, "linalg_inv")


def _info_of(a: Array, attempt: Any) -> tuple[Array, Array]:
    """For each matrix, whether ``attempt`` worked on it: its result, or nan, and LAPACK's info number."""
    stack = a.reshape(-1, *a.shape[-2:])
    info = np.zeros(len(stack), np.int32)
    results = np.full_like(stack, np.nan)
    for i, matrix in enumerate(stack):
        try:
            results[i] = attempt(matrix)
        except LinAlgError:
            info[i] = _first_zero_pivot(matrix)[1] if attempt is _inv_impl else _first_indefinite_minor(matrix)
    return results.reshape(a.shape), info.reshape(a.shape[:-2])


def inv_ex(A: Tensor, *, check_errors: bool = False, out: Any = None) -> Any:
    """As ``inv``, with LAPACK's number of the first zero pivot (0: none) for each matrix instead of an error.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.inv_ex(torch.zeros(2, 2)).info
        tensor(1, dtype=torch.int32)
    """
    check_square(A, "linalg.inv_ex")
    check_inexact(A, "linalg.inv_ex")
    return _with_info(A, INV, _inv_impl, "linalg_inv_ex", check_errors, out)


def _with_info(A: Tensor, record: Primitive, impl: Any, name: str, check_errors: bool, out: Any) -> Any:
    array = A._array
    try:
        result: Tensor = apply(record, (A,))
        info = make_tensor(np.zeros(array.shape[:-2], np.int32))
    except LinAlgError:
        if check_errors:
            raise
        values, codes = _info_of(array, impl)
        result, info = make_tensor(values), make_tensor(codes)
    return _named(name, (result, info), out)


def _named(name: str, parts: tuple[Tensor, ...], out: Any = None) -> Any:
    """The parts as PyTorch's named tuple, written into the tensors of ``out`` if there are any."""
    if out is not None:
        parts = tuple([write_out(target, part, name) for target, part in zip(out, parts, strict=True)])
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
    return B._array.ndim == 1 or B._array.shape == A._array.shape[:-1]


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
    result = _solve(A, B, left, "linalg.solve")
    return result if out is None else write_out(out, result, "linalg_solve")


def _solve(A: Tensor, B: Tensor, left: bool, name: str) -> Tensor:
    check_square(A, name)
    check_inexact(A, name)
    check_same_dtype(A, B, name)
    vector = is_vector_case(A, B)
    if vector and not left:
        raise RuntimeError(f"{name}: Vector broadcasting of the left hand side is not supported for left=False. "
                           "In this case linalg.solve is equivalent to B / A.squeeze(-1)")
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
    try:
        result = _solve(A, B, left, "linalg.solve")
        info = make_tensor(np.zeros(A._array.shape[:-2], np.int32))
    except LinAlgError:
        if check_errors:
            raise
        _, codes = _info_of(A._array, _inv_impl)
        shape = B._array.shape
        result, info = make_tensor(np.full(shape, np.nan, B._array.dtype)), make_tensor(codes)
    return _named("linalg_solve_ex", (result, info), out)


# --- cholesky ---------------------------------------------------------------------------------------------------------


def _first_indefinite_minor(a: Array) -> int:
    """The order of the smallest leading minor of one matrix that has no Cholesky factor."""
    low, high = 0, a.shape[-1]
    while high - low > 1:  # the minors have one up to some order and none from there on
        middle = (low + high) // 2
        try:
            np.linalg.cholesky(a[:middle, :middle])
            low = middle
        except np.linalg.LinAlgError:
            high = middle
    return high


def _cholesky_impl(a: Array, name: str = "linalg.cholesky") -> Any:
    try:
        return np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        for batch, matrix in enumerate(a.reshape(-1, *a.shape[-2:])):
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
    inner = lower_part(batched(transposed, g), 0.5)
    inner = (inner + mH_of(inner)) * 0.5
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
    attrs = {"name": name}
    return mH_of(apply(CHOLESKY, (mH_of(A),), attrs)) if upper else apply(CHOLESKY, (A,), attrs)  # type: ignore[no-any-return]


def linalg_cholesky(A: Tensor, *, upper: bool = False, out: Tensor | None = None) -> Tensor:
    """The triangular ``L`` with ``A = L L^H`` (``upper``: ``U`` with ``A = U^H U``) of positive-definite matrices.

    Only the named triangle of ``A`` is read. Raises ``linalg.LinAlgError`` where a matrix is not positive-definite.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.cholesky(torch.tensor([[4., 2.], [2., 5.]]))
        tensor([[2., 0.],
                [1., 2.]])
    """
    result = _cholesky(A, upper, "linalg.cholesky")
    return result if out is None else write_out(out, result, "linalg_cholesky")


def cholesky(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The older name of ``linalg.cholesky``.

    Example:
        >>> import rushlight as torch
        >>> torch.cholesky(torch.eye(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    result = _cholesky(input, upper, "cholesky")
    return result if out is None else write_out(out, result, "cholesky")


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """As ``linalg.cholesky``, with the order of the first minor that is not positive-definite (0: none) instead of an
    error.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.cholesky_ex(-torch.eye(2)).info
        tensor(1, dtype=torch.int32)
    """
    check_square(A, "linalg.cholesky_ex")
    check_inexact(A, "linalg.cholesky_ex")
    if upper:
        factor, info = _with_info(mH_of(A), CHOLESKY, _cholesky_impl, "linalg_cholesky_ex", check_errors, None)
        return _named("linalg_cholesky_ex", (mH_of(factor), info), out)
    return _with_info(A, CHOLESKY, _cholesky_impl, "linalg_cholesky_ex", check_errors, out)


# --- qr ---------------------------------------------------------------------------------------------------------------


def _qr_vjp(gradients: Any, node: Node) -> Tensor:
    g_q, g_r = gradients
    (a,) = node.unpack()
    q, r = _saved(node, lambda: apply(QR, (a,), {"mode": node.attrs["mode"]}))
    rows, columns = a._array.shape[-2:]
    if node.attrs["mode"] == "complete" and rows > columns:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols. "
        )
    if rows >= columns:
        return _qr_tall(g_q, g_r, q, r)
    # A wide matrix [X Y] has R = [U V] with X = Q U and V = Q^H Y.
    x_r, y = narrow(r, -1, 0, rows), narrow(a, -1, rows, columns - rows)
    if g_r is None:
        g_x = _qr_tall(g_q, None, q, x_r)
        g_y = y * 0
    else:
        g_u, g_v = narrow(g_r, -1, 0, rows), narrow(g_r, -1, rows, columns - rows)
        from_v = batched(y, mH_of(g_v))
        g_x = _qr_tall(from_v if g_q is None else g_q + from_v, g_u, q, x_r)
        g_y = batched(q, g_v)
    from .movement import cat

    return cat((g_x, g_y), -1)  # type: ignore[no-any-return]


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


QR = Primitive(
    "linalg_qr",
    lambda a, mode: tuple(np.linalg.qr(a, mode)),
    _qr_vjp,
    saves=((0, (0,)),),
    saves_output=True,
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
        return make_tensor(np.empty((0,), A._array.dtype)), make_tensor(np.linalg.qr(A._array, "r"))
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
    return _named("linalg_qr", _qr(A, mode, "linalg.qr"), out)


def qr(input: Tensor, some: bool = True, *, out: Any = None) -> Any:
    """The older name of ``linalg.qr``; ``some=False`` is its mode ``"complete"``.

    Example:
        >>> import rushlight as torch
        >>> torch.qr(torch.eye(2)).R.shape
        torch.Size([2, 2])
    """
    return _named("qr", _qr(input, "reduced" if some else "complete", "qr"), out)


# --- lu ---------------------------------------------------------------------------------------------------------------


def lu_arrays(a: Array, pivot: bool) -> tuple[Array, Array]:
    """Both triangular factors in one array, and the row (from 1) that each step swapped in. ``a``: ``(..., m, n)``."""
    lu = a.copy()
    rows, columns = lu.shape[-2:]
    steps = min(rows, columns)
    pivots = np.empty((*lu.shape[:-2], steps), np.int32)
    flat, chosen = lu.reshape(-1, rows, columns), pivots.reshape(-1, steps)
    every = np.arange(len(flat))
    with np.errstate(all="ignore"):
        for k in range(steps):
            best = k + np.abs(flat[:, k:, k]).argmax(1) if pivot else np.full(len(flat), k)
            chosen[:, k] = best + 1
            top = flat[every, k].copy()
            flat[every, k] = flat[every, best]
            flat[every, best] = top
            corner = flat[:, k, k]
            divisor = np.where(corner == 0, corner.dtype.type(1), corner)[:, None]
            flat[:, k + 1 :, k] /= divisor
            flat[:, k + 1 :, k + 1 :] -= flat[:, k + 1 :, k, None] * flat[:, k, None, k + 1 :]
    return lu, pivots


def permutation_of(pivots: Array, rows: int) -> Array:
    """``p`` with ``A[i] = (L U)[p^-1[i]]``: the rows of ``A`` in the order in which the factors have them."""
    batch = pivots.shape[:-1]
    order = np.broadcast_to(np.arange(rows), (*batch, rows)).copy().reshape(-1, rows)
    flat = pivots.reshape(-1, pivots.shape[-1])
    every = np.arange(len(order))
    for k in range(flat.shape[1]):
        other = flat[:, k] - 1
        here = order[:, k].copy()
        order[:, k] = order[every, other]
        order[every, other] = here
    return order.reshape(*batch, rows)


def permutation_matrix(pivots: Array, rows: int, dtype: Any) -> Array:
    """``P`` with ``A = P L U``."""
    order = permutation_of(pivots, rows)
    return np.swapaxes(np.eye(rows, dtype=dtype)[order], -2, -1)


def _lu_vjp(gradients: Any, node: Node) -> Tensor | None:
    g = gradients[0]
    if g is None:
        return None
    (a,) = node.unpack()
    factors, pivots = _saved(node, lambda: apply(LU, (a,), {"pivot": node.attrs["pivot"]}))
    rows, columns = factors._array.shape[-2:]
    k = min(rows, columns)
    low = lower_part(narrow(factors, -1, 0, k), 0.0) + make_tensor(np.eye(rows, k, dtype=factors._array.dtype))
    up = upper_part(narrow(factors, -2, 0, k))
    g_low, g_up = lower_part(narrow(g, -1, 0, k), 0.0), upper_part(narrow(g, -2, 0, k))
    low1, up1 = narrow(low, -2, 0, k), narrow(up, -1, 0, k)
    g_low1, g_up1 = narrow(g_low, -2, 0, k), narrow(g_up, -1, 0, k)
    below, above = batched(mH_of(low1), g_low1), batched(g_up1, mH_of(up1))
    rest: Tensor | None = None
    if columns > k:  # U2 = L^-1 (P^T A2)
        up2, g_up2 = narrow(up, -1, k, columns - k), narrow(g_up, -1, k, columns - k)
        below = below - batched(g_up2, mH_of(up2))
        rest = apply(SOLVE, (mH_of(low1), g_up2))
    elif rows > k:  # L2 = (P^T A)2 U^-1
        low2, g_low2 = narrow(low, -2, k, rows - k), narrow(g_low, -2, k, rows - k)
        above = above - batched(mH_of(low2), g_low2)
        rest = mH_of(apply(SOLVE, (up1, mH_of(g_low2))))
    inner = lower_part(below, 0.0) + upper_part(above)
    half = apply(SOLVE, (mH_of(low1), inner))
    result: Tensor = mH_of(apply(SOLVE, (up1, mH_of(half))))
    if rest is not None:
        from .movement import cat

        result = cat((result, rest), -1 if columns > k else -2)
    if node.attrs["pivot"]:
        result = batched(make_tensor(permutation_matrix(pivots._array, rows, result._array.dtype)), result)
    return result


LU = Primitive(
    "linalg_lu_factor",
    lu_arrays,
    _lu_vjp,
    saves=((0, (0,)),),
    saves_output=True,
    grad_name="LinalgLuFactorExBackward0",
    samples=lambda: [((np.array([[1.0, 2.0], [3.0, 4.0]]),), {"pivot": True})],
)


# --- eigh, eig --------------------------------------------------------------------------------------------------------


def _eigh_vjp(gradients: Any, node: Node) -> Tensor:
    g_values, g_vectors = gradients
    (a,) = node.unpack()
    values, vectors = _saved(node, lambda: apply(EIGH, (a,), {"uplo": node.attrs["uplo"]}))
    transposed = mH_of(vectors)
    if g_vectors is None:
        return batched(vectors * unsqueeze(g_values, -2), transposed)
    projected = batched(transposed, g_vectors)
    if projected._array.dtype in COMPLEXES:
        _check_gauge(_imag_of_diagonal(projected), "linalg_eigh_backward")
    n = values._array.shape[-1]
    gaps = unsqueeze(values, -2) - unsqueeze(values, -1) + identity(n, values)
    inner = masked(projected, 1 - np.eye(n)) / gaps
    if g_values is not None:
        inner = inner + as_diagonal(g_values)
    return batched(batched(vectors, inner), transposed)


EIGH = Primitive(
    "linalg_eigh",
    lambda a, uplo: tuple(np.linalg.eigh(a, uplo)),
    _eigh_vjp,
    saves=((0, (0,)),),
    saves_output=True,
    samples=lambda: [((np.array([[2.0, 1.0], [1.0, 3.0]]),), {"uplo": "L"})],
)


def _checked_uplo(A: Tensor, UPLO: str, name: str) -> dict[str, Any]:
    check_square(A, name)
    check_kernel(A, "linalg_eigh_cpu")
    if not isinstance(UPLO, str) or UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return {"uplo": UPLO.upper()}


def eigh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Any:
    """``(eigenvalues, eigenvectors)`` of Hermitian matrices, in ascending order; only one triangle is read.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.eigh(torch.tensor([[2., 0.], [0., 1.]])).eigenvalues
        tensor([1., 2.])
    """
    return _named("linalg_eigh", apply(EIGH, (A,), _checked_uplo(A, UPLO, "linalg.eigh")), out)


def eigvalsh(A: Tensor, UPLO: str = "L", *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of Hermitian matrices, in ascending order.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.eigvalsh(torch.tensor([[2., 0.], [0., 1.]]))
        tensor([1., 2.])
    """
    result: Tensor = apply(EIGH, (A,), _checked_uplo(A, UPLO, "linalg.eigvalsh"))[0]
    return result if out is None else write_out(out, result, "linalg_eigvalsh")


def _eig_impl(a: Array) -> tuple[Array, Array]:
    if not np.isfinite(a).all():
        raise LinAlgError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
    values, vectors = np.linalg.eig(a)
    dtype = _complex_dtype(a)
    return values.astype(dtype), vectors.astype(dtype)


def _eig_vjp(gradients: Any, node: Node) -> Tensor:
    g_values, g_vectors = gradients
    (a,) = node.unpack()
    values, vectors = _saved(node, lambda: apply(EIG, (a,)))
    transposed = mH_of(vectors)
    if g_vectors is None:
        scaled = unsqueeze(g_values, -1) * transposed
    else:
        projected = batched(transposed, g_vectors)
        _check_gauge(_imag_of_diagonal(projected), "linalg_eig_backward")
        n = values._array.shape[-1]
        gram = batched(transposed, vectors)
        inner = projected - gram * unsqueeze(real_of(diagonal_part(projected)), -2)
        gaps = unsqueeze(values, -2) - unsqueeze(values, -1) + identity(n, values)
        inner = masked(inner, 1 - np.eye(n)) / conj_of(gaps)
        if g_values is not None:
            inner = inner + as_diagonal(g_values)
        scaled = batched(inner, transposed)
    return apply(SOLVE, (transposed, scaled))  # type: ignore[no-any-return]


EIG = Primitive(
    "linalg_eig",
    _eig_impl,
    _eig_vjp,
    saves=((0, (0,)),),
    saves_output=True,
    samples=lambda: [(np.array([[2.0, 1.0], [1.5, 3.0]]),)],
)


def eig(A: Tensor, *, out: Any = None) -> Any:
    """``(eigenvalues, eigenvectors)`` of square matrices, complex, in no order.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.eig(torch.tensor([[0., 1.], [-1., 0.]])).eigenvalues
        tensor([0.+1.j, 0.-1.j])
    """
    check_square(A, "linalg.eig")
    check_kernel(A, "linalg_eig_cpu")
    return _named("linalg_eig", apply(EIG, (A,)), out)


def eigvals(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of square matrices, complex, in no order.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.eigvals(torch.eye(2)).dtype
        torch.complex64
    """
    check_square(A, "linalg.eigvals")
    check_kernel(A, "linalg_eig_cpu")
    result: Tensor = apply(EIG, (A,))[0]
    return result if out is None else write_out(out, result, "linalg_eigvals")
