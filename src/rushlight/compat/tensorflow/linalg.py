"""``tf.linalg``: functions of matrices."""

from __future__ import annotations

# ruff: noqa: F401  (imported to be given away, some under other names)
from collections.abc import Callable
from typing import Any

import rushlight as rl

from .clipping import norm as norm
from .conversion import convert_n_to_tensor, convert_to_tensor
from .graph import Tensor, node
from .ops_array import (
    diag as diag,
    diag_part as diag_part,
    eye as eye,
    matrix_band_part as band_part,
    matrix_transpose as transpose,
)
from .ops_math import einsum as einsum, matmul as matmul, tensordot as tensordot
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
