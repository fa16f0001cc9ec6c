"""``tf.linalg``: functions of matrices."""

from __future__ import annotations

# ruff: noqa: F401  (imported to be given away, some under other names)
from collections.abc import Callable
from typing import Any

import rushlight as rl

from .clipping import global_norm as global_norm, norm as norm
from .conversion import convert_n_to_tensor, convert_to_tensor
from .graph import Tensor, node
from .ops_array import (
    diag as tensor_diag,
    diag_part as tensor_diag_part,
    eye as eye,
    matrix_band_part as band_part,
    matrix_diag_part as diag_part,
    matrix_transpose as matrix_transpose,
    matrix_transpose as transpose,
)
from .ops_math import einsum as einsum, matmul as matmul, tensordot as tensordot
from .ops_rearranging import cross as cross, matrix_diag as diag, matrix_set_diag as set_diag
from .tensor_shape import UNKNOWN, TensorShape


def _of_matrix(kind: str, function: Callable[[Any], Any], dropped: int, doc: str) -> Callable[..., Tensor]:
    def public(input: Any, name: str | None = None) -> Tensor:
        x = convert_to_tensor(input)
        extents = x.shape.extents
        shape = UNKNOWN if extents is None else TensorShape(extents[: len(extents) - dropped])
        return node(kind, function, [x], x.dtype, shape, name)

    public.__doc__ = doc
    return public


def _trace(value: Any) -> Any:
    return rl.diagonal(value, 0, -2, -1).sum(-1)


inv = _of_matrix("MatrixInverse", rl.linalg.inv, 0, "The inverse of each matrix.")
cholesky = _of_matrix("Cholesky", rl.linalg.cholesky, 0, "The lower triangular L with L · Lᵀ = the matrix.")
det = _of_matrix("MatrixDeterminant", rl.linalg.det, 2, "The determinant of each matrix.")
trace = _of_matrix("Trace", _trace, 2, "The sum of each matrix's diagonal.")


def solve(matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None) -> Tensor:
    """The X with ``matrix · X = rhs``, for matrices ``rhs``; with ``adjoint``, for the matrix's adjoint."""
    a, b = convert_n_to_tensor([matrix, rhs])

    def kernel(left: Any, right: Any) -> Any:
        return rl.linalg.solve(rl.adjoint(left) if adjoint else left, right)

    return node("MatrixSolve", kernel, [a, b], b.dtype, b.shape, name)


def triangular_solve(
    matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False, name: str | None = None
) -> Tensor:
    """The X with ``matrix · X = rhs``, of a triangular matrix of which only that half is read."""
    a, b = convert_n_to_tensor([matrix, rhs])

    def kernel(left: Any, right: Any) -> Any:
        half = rl.tril(left) if lower else rl.triu(left)
        half = rl.adjoint(half) if adjoint else half
        return rl.linalg.solve_triangular(half, right, upper=lower == adjoint)

    return node("MatrixTriangularSolve", kernel, [a, b], b.dtype, b.shape, name)


def cholesky_solve(chol: Any, rhs: Any, name: str | None = None) -> Tensor:
    """The X with ``chol · cholᵀ · X = rhs``, for the lower triangular ``chol`` of :func:`cholesky`."""
    return triangular_solve(chol, triangular_solve(chol, rhs), adjoint=True, name=name)


def lstsq(
    matrix: Any, rhs: Any, l2_regularizer: float = 0.0, fast: bool = True, name: str | None = None
) -> Tensor:
    """The X that makes ``|matrix · X - rhs|² + l2_regularizer · |X|²`` least."""
    a, b = convert_n_to_tensor([matrix, rhs])

    def kernel(left: Any, right: Any) -> Any:
        if l2_regularizer == 0:
            return rl.matmul(rl.linalg.pinv(left), right)
        adjoint = rl.adjoint(left)
        gram = rl.matmul(adjoint, left)
        gram = gram + l2_regularizer * rl.eye(gram.shape[-1], dtype=gram.dtype)
        return rl.linalg.solve(gram, rl.matmul(adjoint, right))

    shape = UNKNOWN
    if a.shape.extents is not None and b.shape.extents is not None:
        shape = TensorShape([*a.shape.extents[:-2], a.shape.extents[-1], b.shape.extents[-1]])
    return node("MatrixSolveLs", kernel, [a, b], b.dtype, shape, name)


def _least(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else min(a, b)


def eigh(tensor: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """The eigenvalues, in increasing order, and eigenvectors (columns) of self-adjoint matrices."""
    x = convert_to_tensor(tensor)
    shape = x.shape.extents
    values = UNKNOWN if shape is None else TensorShape(shape[:-1])
    results = [(x.dtype.real_dtype, values), (x.dtype, x.shape)]
    op = x.graph.create_op("SelfAdjointEigV2", [x], results, lambda v: tuple(rl.linalg.eigh(v)), name=name)
    return op.outputs[0], op.outputs[1]


def eigvalsh(tensor: Any, name: str | None = None) -> Tensor:
    """The eigenvalues, in increasing order, of self-adjoint matrices."""
    return eigh(tensor, name)[0]


def svd(tensor: Any, full_matrices: bool = False, compute_uv: bool = True, name: str | None = None) -> Any:
    """``(s, u, v)`` with ``tensor = u · diag(s) · vᴴ``; only ``s`` without ``compute_uv``."""
    x = convert_to_tensor(tensor)
    extents = x.shape.extents

    def kernel(value: Any) -> tuple[Any, ...]:
        u, s, vh = rl.linalg.svd(value, full_matrices=full_matrices)
        return s, u, rl.adjoint(vh)

    shapes = [UNKNOWN] * 3
    if extents is not None:
        *batch, m, n = extents
        k = _least(m, n)
        shapes = [
            TensorShape([*batch, k]),
            TensorShape([*batch, m, m if full_matrices else k]),
            TensorShape([*batch, n, n if full_matrices else k]),
        ]
    results = [(x.dtype.real_dtype, shapes[0]), (x.dtype, shapes[1]), (x.dtype, shapes[2])]
    op = x.graph.create_op("Svd", [x], results, kernel, name=name)
    return tuple(op.outputs) if compute_uv else op.outputs[0]


def qr(input: Any, full_matrices: bool = False, name: str | None = None) -> Any:
    """``(q, r)`` with orthonormal columns and an upper triangle, whose product is the matrix."""
    from collections import namedtuple

    x = convert_to_tensor(input)
    mode = "complete" if full_matrices else "reduced"
    shapes = [UNKNOWN] * 2
    if x.shape.extents is not None:
        *batch, m, n = x.shape.extents
        k = m if full_matrices else _least(m, n)
        shapes = [TensorShape([*batch, m, k]), TensorShape([*batch, k, n])]
    results = [(x.dtype, shape) for shape in shapes]
    op = x.graph.create_op("Qr", [x], results, lambda v: tuple(rl.linalg.qr(v, mode)), name=name)
    return namedtuple("Qr", ["q", "r"])(*op.outputs)


def slogdet(input: Any, name: str | None = None) -> Any:
    """The sign and the logarithm of the absolute value of each determinant."""
    from collections import namedtuple

    x = convert_to_tensor(input)
    extents = x.shape.extents
    shape = UNKNOWN if extents is None else TensorShape(extents[:-2])
    results = [(x.dtype, shape), (x.dtype.real_dtype, shape)]
    op = x.graph.create_op(
        "LogMatrixDeterminant", [x], results, lambda v: tuple(rl.linalg.slogdet(v)), name=name
    )
    return namedtuple("LogMatrixDeterminant", ["sign", "log_abs_determinant"])(*op.outputs)


def logdet(matrix: Any, name: str | None = None) -> Tensor:
    """The logarithm of the determinant of each positive definite matrix."""
    result: Tensor = slogdet(matrix, name)[1]
    return result


pinv = _of_matrix("PseudoInverse", rl.linalg.pinv, 0, "The pseudo-inverse of each square matrix.")
expm = _of_matrix("MatrixExponential", rl.linalg.matrix_exp, 0, "The exponential of each matrix.")


def matvec(
    a: Any, b: Any, transpose_a: bool = False, adjoint_a: bool = False, name: str | None = None
) -> Tensor:
    """The products of matrices and vectors."""
    from .ops_array import expand_dims, squeeze

    product = matmul(a, expand_dims(b, -1), transpose_a=transpose_a, adjoint_a=adjoint_a)
    return squeeze(product, [-1], name=name)


def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None) -> Tensor:
    """See ``tf.nn.l2_normalize``."""
    from .nn import l2_normalize as normalize

    return normalize(x, axis, epsilon, name)


def adjoint(matrix: Any, name: str | None = None) -> Tensor:
    """Each matrix transposed and conjugated."""
    from .ops_math import conj

    return matrix_transpose(conj(matrix), name or "adjoint")
