"""Triangular systems, and the LU decomposition by Gaussian elimination with partial pivoting.

NumPy has neither. Both are calls of LAPACK where NumPy brings OpenBLAS (``runtime/lapack.py``); without, triangular systems
go through NumPy's general solver (which eliminates nothing for them), and LU is a loop over the columns that treats a whole
stack of matrices at once.

Source of the gradients: S. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions with
application in optimum experimental design", 2010.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arguments import check_flag, check_tensor as check_tensor_argument
from ..core.device import on_host
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node
from ..core.once import warn_once
from ..core.shapes import count
from ..core.tensor import Tensor, make_tensor
from ..runtime import lapack
from ..runtime.batched import Batched, each, whole
from .decompositions import (
    SOLVE,
    check_inexact,
    check_matrices,
    check_same_dtype,
    check_solvable,
    check_square,
    identity,
    lower_part,
    lu_arrays,
    named_result,
    upper_part,
    with_history,
    written_parts,
)
from .define import Primitive
from .dispatch import apply, write_out
from .joining import cat
from .linalg import batched, mH_of, mT_of, write_exact
from .movement import narrow
from .placement import tensor_beside

Array = NDArray[Any]
grad_enabled = GRAD_MODE.get

# --- triangular systems -----------------------------------------------------------------------------------------------


def _substitute(a: Array, b: Array, upper: bool) -> Array:
    """Solve by substitution, which divides by zero where the diagonal has one, as BLAS does."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = np.broadcast_to(b, (*batch, *b.shape[-2:])).copy()
    n = a.shape[-1]
    with np.errstate(all="ignore"):
        for i in reversed(range(n)) if upper else range(n):
            x[..., i, :] /= a[..., i, i, None]
            rest = slice(0, i) if upper else slice(i + 1, n)
            x[..., rest, :] -= a[..., rest, i, None] * x[..., None, i, :]
    return x


def _solve_triangular_impl(a: Array, b: Array, upper: bool, unitriangular: bool) -> Any:
    solved = lapack.solve_triangular(a, b, upper, unitriangular)
    if solved is not None:
        return solved
    a = np.triu(a) if upper else np.tril(a)
    if unitriangular:
        diagonal = np.einsum("...ii->...i", a)
        diagonal[...] = 1
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        return _substitute(a, b, upper)


def _solve_triangular_vjp(g: Tensor, node: Node) -> Any:
    a, x = node.unpack()
    upper, unitriangular = node.attrs["upper"], node.attrs["unitriangular"]
    grad_b = apply(SOLVE_TRIANGULAR, (mH_of(a), g), {"upper": not upper, "unitriangular": unitriangular})
    grad_a = None
    if node.edges[0] is not None:
        product = -batched(grad_b, mH_of(x))
        scale = 0.0 if unitriangular else 1.0
        grad_a = upper_part(product, scale) if upper else lower_part(product, scale)
    return grad_a, grad_b


SOLVE_TRIANGULAR = Primitive(
    "linalg_solve_triangular",
    _solve_triangular_impl,
    _solve_triangular_vjp,
    saves=((0, (0, 1)),),
    saves_output=True,
    samples=lambda: [
        ((np.array([[2.0, 1.0], [0.0, 3.0]]), np.ones((2, 3))), {"upper": True, "unitriangular": False})
    ],
)


def solve_triangular(
    input: Tensor,
    B: Tensor,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """``X`` with ``A X = B`` (``left=False``: ``X A = B``) for the triangular ``input``, ``A``; only that triangle is read.

    ``unitriangular``: the diagonal counts as ones. A zero on the diagonal gives inf or nan, not an error.
    Shapes: ``(..., n, n)`` and ``(..., n, k)``; the leading dimensions broadcast.

    Example:
        >>> import rushlight as torch
        >>> A = torch.tensor([[2., 1.], [0., 4.]])
        >>> torch.linalg.solve_triangular(A, torch.tensor([[4.], [8.]]), upper=True)
        tensor([[1.],
                [2.]])
    """
    check_tensor_argument("linalg_solve_triangular", "input", input)
    check_tensor_argument("linalg_solve_triangular", "B", B)
    check_flag("linalg_solve_triangular", "upper", upper)
    check_flag("linalg_solve_triangular", "left", left)
    check_flag("linalg_solve_triangular", "unitriangular", unitriangular)
    result = _solve_triangular(input, B, upper, left, unitriangular, "linalg.solve_triangular")
    return result if out is None else write_exact(out, result, "linalg_solve_triangular")


def _solve_triangular(
    A: Tensor, B: Tensor, upper: bool, left: bool, unitriangular: bool, name: str
) -> Tensor:
    check_square(A, name)
    if B._array.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor B must have at least 2 dimensions.")
    check_same_dtype(A, B, name)
    check_inexact(A, name)
    check_solvable(A, B, name, left)
    if left:
        return apply(SOLVE_TRIANGULAR, (A, B), {"upper": upper, "unitriangular": unitriangular})  # type: ignore[no-any-return]
    attrs = {"upper": not upper, "unitriangular": unitriangular}
    return mT_of(apply(SOLVE_TRIANGULAR, (mT_of(A), mT_of(B)), attrs))


def triangular_solve(
    input: Tensor,
    A: Tensor,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
    *,
    out: Any = None,
) -> Any:
    """The older form of ``linalg.solve_triangular``: ``(solution, cloned_coefficient)`` of ``A X = input``.

    Example:
        >>> import rushlight as torch
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):  # that it is deprecated
        ...     torch.triangular_solve(torch.ones(2, 1), torch.eye(2)).solution.shape
        torch.Size([2, 1])
    """
    coefficients = mT_of(A) if transpose else A
    warn_once(
        "torch.triangular_solve is deprecated in favor of torch.linalg.solve_triangular and will be removed in a future "
        "PyTorch release.\ntorch.linalg.solve_triangular has its arguments reversed and does not return a copy of one of the "
        "inputs.\nX = torch.triangular_solve(B, A).solution\nshould be replaced with\nX = torch.linalg.solve_triangular(A, B)."
    )
    solution = _solve_triangular(
        coefficients, input, upper != transpose, True, unitriangular, "triangular_solve"
    )
    return named_result("triangular_solve", (solution, A.clone()), out)


def _cholesky_solve_impl(a: Array, b: Array, upper: bool) -> Any:
    adjoint = np.conj(np.swapaxes(a, -1, -2))
    first, second = (adjoint, a) if upper else (a, adjoint)
    half = _solve_triangular_impl(first, b, upper=False, unitriangular=False)
    return _solve_triangular_impl(second, half, upper=True, unitriangular=False)


def _cholesky_solve_vjp(g: Tensor, node: Node) -> Any:
    # As if the whole factor had been read, as in PyTorch: the gradient of its product with its adjoint. Programs compare
    # it with that product's.
    factor, x = node.unpack()
    upper = node.attrs["upper"]
    grad_b = apply(CHOLESKY_SOLVE, (factor, g), {"upper": upper})
    grad_factor = None
    if node.edges[0] is not None:
        half = batched(grad_b, mH_of(x))
        both = -(half + mH_of(half))
        grad_factor = batched(factor, both) if upper else batched(both, factor)
    return grad_factor, grad_b


CHOLESKY_SOLVE = Primitive(
    "cholesky_solve",
    _cholesky_solve_impl,
    _cholesky_solve_vjp,
    saves=((0, (0, 1)),),
    saves_output=True,
    samples=lambda: [((np.array([[2.0, 0.0], [1.0, 3.0]]), np.ones((2, 3))), {"upper": False})],
)


def cholesky_solve(
    input: Tensor, input2: Tensor, upper: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """``X`` with ``A X = B`` for the matrix ``A`` whose Cholesky factor is ``input2``.

    Example:
        >>> import rushlight as torch
        >>> torch.cholesky_solve(torch.tensor([[4.]]), torch.tensor([[2.]]))
        tensor([[1.]])
    """
    check_tensor_argument("cholesky_solve", "input", input)
    check_tensor_argument("cholesky_solve", "input2", input2)
    check_flag("cholesky_solve", "upper", upper)
    for name, tensor in (("b", input), ("u", input2)):
        if tensor._array.ndim < 2:
            raise RuntimeError(
                f"{name} should have at least 2 dimensions, but has {tensor._array.ndim} dimensions instead"
            )
    check_square(input2, "cholesky_solve")
    check_same_dtype(input2, input, "cholesky_solve")
    check_inexact(input2, "cholesky_solve")
    check_solvable(input2, input, "cholesky_solve", True)
    result = apply(CHOLESKY_SOLVE, (input2, input), {"upper": upper})
    return result if out is None else write_out(out, result, "cholesky_solve")


def cholesky_inverse(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The inverse of the matrix whose Cholesky factor is ``input``.

    Example:
        >>> import rushlight as torch
        >>> torch.cholesky_inverse(torch.tensor([[2.]]))
        tensor([[0.2500]])
    """
    check_flag("cholesky_inverse", "upper", upper)
    check_square(input, "cholesky_inverse")
    check_inexact(input, "cholesky_inverse")
    result = cholesky_solve(identity(input._array.shape[-1], input), input, upper)
    return result if out is None else write_out(out, result, "cholesky_inverse")


# --- lu ---------------------------------------------------------------------------------------------------------------


# Below that many matrices, swaps in lists are faster than in columns of arrays.
_FEW = 64


def permutation_of(pivots: Any, rows: int) -> Any:
    """``p`` with ``A[i] = (L U)[p^-1[i]]``: the rows of ``A`` in the order in which the factors have them."""
    if type(pivots) is Batched:
        return each(permutation_of, (pivots, rows), {})
    pivots = on_host(pivots)
    batch = pivots.shape[:-1]
    flat = pivots.reshape(count(batch), pivots.shape[-1])
    if len(flat) < _FEW:
        orders = []
        for swaps in flat.tolist():
            places = list(range(rows))
            for k, other in enumerate(swaps):
                places[k], places[other - 1] = places[other - 1], places[k]
            orders.append(places)
        return np.array(orders, np.intp).reshape(*batch, rows)
    order = np.broadcast_to(np.arange(rows), (len(flat), rows)).copy()
    every = np.arange(len(order))
    for k in range(flat.shape[1]):
        other = flat[:, k] - 1
        here = order[:, k].copy()
        order[:, k] = order[every, other]
        order[every, other] = here
    return order.reshape(*batch, rows)


def permutation_matrix(pivots: Any, rows: int, dtype: Any) -> Any:
    """``P`` with ``A = P L U``."""
    if type(pivots) is Batched:
        return each(permutation_matrix, (pivots, rows, dtype), {})
    order = permutation_of(pivots, rows)
    if order.ndim == 1:
        matrix = np.zeros((rows, rows), dtype)
        matrix[order, np.arange(rows)] = 1
        return matrix
    return np.swapaxes(np.eye(rows, dtype=dtype)[order], -2, -1)


def _lu_vjp(gradients: Any, node: Node) -> Tensor | None:
    g = gradients[0]
    if g is None:
        return None
    saved, pivots = node.unpack()
    (factors,) = with_history(node, (saved,))
    rows, columns = factors._array.shape[-2:]
    k = min(rows, columns)
    low = lower_part(narrow(factors, -1, 0, k), 0.0) + tensor_beside(
        factors, np.eye(rows, k, dtype=factors._array.dtype)
    )
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
        result = cat((result, rest), -1 if columns > k else -2)
    if node.attrs["pivot"]:
        result = batched(
            tensor_beside(result, permutation_matrix(pivots._array, rows, result._array.dtype)), result
        )
    return result


LU = Primitive(
    "linalg_lu_factor",
    lu_arrays,
    _lu_vjp,
    saves_output=(0, 1),
    grad_name="LinalgLuFactorExBackward0",
    samples=lambda: [((np.array([[1.0, 2.0], [3.0, 4.0]]),), {"pivot": True})],
)


# --- public forms of lu -----------------------------------------------------------------------------------------------


def _factors(A: Tensor, pivot: bool, name: str) -> tuple[Tensor, Tensor]:
    check_matrices(A, name)
    check_inexact(A, name)
    factors, pivots = apply(LU, (A,), {"pivot": pivot})
    return factors, pivots


def _zero_pivot_info(factors: Tensor) -> Array:
    """For each matrix the place (from 1) of the first zero on U's diagonal; 0 where there is none."""
    diagonal = factors._array.diagonal(0, -2, -1)
    if type(diagonal) is np.ndarray and diagonal.all():
        return np.zeros(diagonal.shape[:-1], np.int32)
    zero = diagonal == 0
    return (
        np.where(zero.any(-1), zero.argmax(-1) + 1, 0).astype(np.int32)
        if zero.size
        else np.zeros(zero.shape[:-1], np.int32)
    )


def lu_factor(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """``A = P L U`` in compact form: ``(LU, pivots)``, with LAPACK's row numbers from 1 (int32).

    Raises ``RuntimeError`` where a matrix is singular.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.lu_factor(torch.tensor([[1., 2.], [4., 4.]]))
        torch.return_types.linalg_lu_factor(
        LU=tensor([[4.0000, 4.0000],
                [0.2500, 1.0000]]),
        pivots=tensor([2, 2], dtype=torch.int32))
    """
    check_flag("linalg_lu_factor", "pivot", pivot)
    factors, pivots = _factors(A, pivot, "torch.linalg.lu_factor")
    info = _zero_pivot_info(factors)
    if whole(info).any():
        info = whole(info)
        place = int(info[info != 0].flat[0]) if info.ndim else int(info)
        raise RuntimeError(
            f"torch.linalg.lu_factor: U[{place},{place}] is zero and using it on lu_solve would result in a division "
            "by zero. If you still want to perform the factorization, consider calling linalg.lu(A, pivot) or "
            "linalg.lu_factor_ex(A, pivot)"
        )
    return named_result("linalg_lu_factor", (factors, pivots), out)


def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """As ``lu_factor``, with the place of the first zero pivot (0: none) instead of an error.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.lu_factor_ex(torch.zeros(2, 2)).info
        tensor(1, dtype=torch.int32)
    """
    check_flag("linalg_lu_factor_ex", "pivot", pivot)
    check_flag("linalg_lu_factor_ex", "check_errors", check_errors)
    if check_errors:
        lu_factor(A.detach(), pivot=pivot)
    factors, pivots = _factors(A, pivot, "torch.linalg.lu_factor_ex")
    return named_result("linalg_lu_factor_ex", (factors, pivots, make_tensor(_zero_pivot_info(factors))), out)


def compact_lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """The older form of ``linalg.lu_factor_ex``: ``(LU, pivots)``, with ``get_infos`` also the infos.

    Example:
        >>> import rushlight as torch
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):  # that it is deprecated
        ...     LU, pivots = torch.lu(torch.eye(2))
        >>> pivots
        tensor([1, 2], dtype=torch.int32)
    """
    warn_once(
        "torch.lu is deprecated in favor of torch.linalg.lu_factor / torch.linalg.lu_factor_ex and will be removed in a future "
        "PyTorch release.\nLU, pivots = torch.lu(A, compute_pivots)\nshould be replaced with\n"
        "LU, pivots = torch.linalg.lu_factor(A, compute_pivots)\nand\n"
        "LU, pivots, info = torch.lu(A, compute_pivots, get_infos=True)\nshould be replaced with\n"
        "LU, pivots, info = torch.linalg.lu_factor_ex(A, compute_pivots)"
    )
    parts = tuple(lu_factor_ex(A, pivot=pivot))
    if not get_infos:
        parts = parts[:2]
    return parts if out is None else written_parts("lu", parts, out)


def _unpack(factors: Tensor, pivots: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    rows, columns = factors._array.shape[-2:]
    k = min(rows, columns)
    dtype = factors._array.dtype
    lower = lower_part(narrow(factors, -1, 0, k), 0.0) + tensor_beside(factors, np.eye(rows, k, dtype=dtype))
    upper = upper_part(narrow(factors, -2, 0, k))
    if pivots is None:
        return tensor_beside(factors, np.empty((0,), dtype)), lower, upper
    permutation = permutation_matrix(pivots._array, rows, dtype)
    if permutation.ndim > 2:
        permutation = permutation.copy()
    return tensor_beside(factors, permutation), lower, upper


def lu(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """``A = P L U``: a permutation, a unit lower and an upper triangular matrix; ``P`` is empty without ``pivot``.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.lu(torch.tensor([[1., 2.], [4., 4.]])).U
        tensor([[4., 4.],
                [0., 1.]])
    """
    check_flag("linalg_lu", "pivot", pivot)
    factors, pivots = _factors(A, pivot, "linalg.lu")
    return named_result("linalg_lu", _unpack(factors, pivots if pivot else None), out)


def check_unpacked(LU_data: Tensor) -> tuple[int, ...]:
    """The shape of ``lu_unpack``'s matrices; ``RuntimeError`` where they are none."""
    shape: tuple[int, ...] = LU_data._array.shape
    if len(shape) < 2:
        raise RuntimeError(
            f"torch.lu_unpack: Expected tensor with 2 or more dimensions. Got size: {list(shape)} instead"
        )
    return shape


def lu_unpack(
    LU_data: Tensor,
    LU_pivots: Tensor,
    unpack_data: bool = True,
    unpack_pivots: bool = True,
    *,
    out: Any = None,
) -> Any:
    """``(P, L, U)`` from the compact form of ``linalg.lu_factor``; what is not asked for is empty.

    Example:
        >>> import rushlight as torch
        >>> P, L, U = torch.lu_unpack(*torch.linalg.lu_factor(torch.tensor([[1., 2.], [4., 4.]])))
        >>> P @ L @ U
        tensor([[1., 2.],
                [4., 4.]])
    """
    check_tensor_argument("lu_unpack", "LU_data", LU_data)
    check_tensor_argument("lu_unpack", "LU_pivots", LU_pivots)
    check_flag("lu_unpack", "unpack_data", unpack_data)
    check_flag("lu_unpack", "unpack_pivots", unpack_pivots)
    if unpack_pivots and LU_pivots._array.dtype != np.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\n"
            "Note: this function is intended to be used with the output produced by torch.linalg.lu_factor"
        )
    if unpack_pivots:
        places, (*batch, rows, columns) = whole(LU_pivots._array), check_unpacked(LU_data)
        given = LU_pivots._array.shape  # of one example, inside of vmap
        if given != (*batch, min(rows, columns)):
            raise RuntimeError(
                f"torch.lu_unpack: LU_pivots should have the shape {[*batch, min(rows, columns)]} for LU_data of shape "
                f"{[*batch, rows, columns]}, got {list(given)}"
            )
        if type(places) is np.ndarray and places.size and (places.min() < 1 or places.max() > rows):
            raise RuntimeError(
                "pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive."
                "Did you properly pass the result of lu_factor?"
            )
    permutation, lower, upper = _unpack(LU_data, LU_pivots if unpack_pivots else None)
    if not unpack_data:
        lower = upper = tensor_beside(LU_data, np.empty((0,), LU_data._array.dtype))
    return named_result("lu_unpack", (permutation, lower, upper), out)


def _check_pivots(pivots: Tensor, rows: int) -> None:
    """Raise for rows that the matrices do not have: LAPACK would write wherever they lead."""
    places = whole(pivots._array)
    if type(places) is np.ndarray and places.size:
        if places.min() < 1:
            raise RuntimeError(
                "Pivots given to lu_solve must all be greater or equal to 1. Did you properly pass the result of lu_factor?"
            )
        if places.max() > rows:
            raise RuntimeError(
                "Pivots given to lu_solve must all be smaller or equal to LU.size(-2). "
                "Did you properly pass the result of lu_factor?"
            )


def linalg_lu_solve(
    LU: Tensor,
    pivots: Tensor,
    B: Tensor,
    *,
    left: bool = True,
    adjoint: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """``X`` with ``A X = B`` (``left=False``: ``X A = B``; ``adjoint``: ``A^H`` for ``A``) from ``lu_factor(A)``.

    Example:
        >>> import rushlight as torch
        >>> LU, pivots = torch.linalg.lu_factor(torch.tensor([[2., 0.], [0., 4.]]))
        >>> torch.linalg.lu_solve(LU, pivots, torch.tensor([[2.], [8.]]))
        tensor([[1.],
                [2.]])
    """
    check_tensor_argument("linalg_lu_solve", "LU", LU)
    check_tensor_argument("linalg_lu_solve", "pivots", pivots)
    check_tensor_argument("linalg_lu_solve", "B", B)
    check_flag("linalg_lu_solve", "left", left)
    check_flag("linalg_lu_solve", "adjoint", adjoint)
    name = "torch.linalg.lu_solve"
    check_square(LU, name)
    check_same_dtype(LU, B, "linalg.lu_solve")
    check_inexact(LU, name)
    if pivots._array.dtype != np.int32:
        raise RuntimeError(f"{name}: pivots should be a Tensor of scalar type torch.int32")
    if pivots._array.shape != LU._array.shape[:-1]:
        raise RuntimeError(
            f"{name}: Number of pivots per batch should be same as the dimension of the matrix"
        )
    if B._array.ndim < 2:
        raise RuntimeError("linalg.lu_solve: The input tensor B must have at least 2 dimensions.")
    check_solvable(LU, B, "linalg.lu_solve", left)
    _check_pivots(pivots, LU._array.shape[-1])
    if not left:  # X A = B is A^H X^H = B^H
        result = mH_of(linalg_lu_solve(LU, pivots, mH_of(B), adjoint=not adjoint))
        return result if out is None else write_exact(out, result, "linalg_lu_solve")
    if (LU._node is None and B._node is None) or not grad_enabled():
        arrays = (LU._array, pivots._array, B._array)
        if all([type(array) is np.ndarray for array in arrays]):
            solved = lapack.lu_solve(*arrays, "C" if adjoint else "N")
            if solved is not None:
                result = make_tensor(solved)
                return result if out is None else write_exact(out, result, "linalg_lu_solve")
    permutation = tensor_beside(LU, permutation_matrix(pivots._array, LU._array.shape[-1], LU._array.dtype))
    if adjoint:
        half = apply(SOLVE_TRIANGULAR, (mH_of(LU), B), {"upper": False, "unitriangular": False})
        half = apply(SOLVE_TRIANGULAR, (mH_of(LU), half), {"upper": True, "unitriangular": True})
        result = batched(permutation, half)
    else:
        half = batched(mT_of(permutation), B)
        half = apply(SOLVE_TRIANGULAR, (LU, half), {"upper": False, "unitriangular": True})
        result = apply(SOLVE_TRIANGULAR, (LU, half), {"upper": True, "unitriangular": False})
    return result if out is None else write_exact(out, result, "linalg_lu_solve")


def lu_solve(input: Tensor, LU_data: Tensor, LU_pivots: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The older form of ``linalg.lu_solve``.

    Example:
        >>> import rushlight as torch
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):  # that it is deprecated
        ...     torch.lu_solve(torch.ones(2, 1), *torch.linalg.lu_factor(torch.eye(2))).shape
        torch.Size([2, 1])
    """
    warn_once(
        "torch.lu_solve is deprecated in favor of torch.linalg.lu_solve and will be removed in a future PyTorch release.\n"
        "Note that torch.linalg.lu_solve has its arguments reversed.\nX = torch.lu_solve(B, LU, pivots)\nshould be replaced "
        "with\nX = torch.linalg.lu_solve(LU, pivots, B)"
    )
    return linalg_lu_solve(LU_data, LU_pivots, input, out=out)


METHODS: dict[str, Any] = {
    "triangular_solve": triangular_solve,
    "cholesky_solve": cholesky_solve,
    "cholesky_inverse": cholesky_inverse,
    "lu": compact_lu,
    "lu_solve": lu_solve,
}
