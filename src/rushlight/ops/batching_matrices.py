"""Rules for batches: matrix products and linear algebra, whose implementations take stacks of matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.dtypes import F32, LOW_PRECISION
from ..runtime.batched import batch_size, lined_up, spread, top_level
from ..runtime.batching import product
from .batching_core import Arrays, belongs, inward, looped
from .define import Primitive
from .dispatch import compute


def _wide(*arrays: Any) -> list[Any]:
    """16-bit arrays as float32, in which PyTorch's products add up; others as they are."""
    return [a.astype(F32) if a is not None and a.dtype in LOW_PRECISION else a for a in arrays]


def _matrices(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    x, y = arrays
    kind = x.dtype
    if record.name == "mm_nt":
        y = y.T
    elif record.name == "mm_tn":
        x = x.T
    if (kind.kind not in "fciub" and kind not in LOW_PRECISION) or kind != y.dtype:
        return looped(record, level, arrays, attrs)
    result = compute(product, tuple(_wide(x, y)), {})
    return result.astype(kind) if kind in LOW_PRECISION else result


def _sum_of_product(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    c, x, y = arrays
    beta, alpha = attrs["beta"], attrs["alpha"]
    kind = x.dtype
    if kind.kind not in "fciu" and kind not in LOW_PRECISION:
        return looped(record, level, arrays, attrs)
    c, x, y = _wide(c, x, y)
    number = x.dtype.type
    result = compute(product, (x, y), {}) if top_level((x, y)) >= 0 else np.matmul(x, y)
    if alpha != 1:
        result = result * number(alpha)
    if beta == 0:
        result = result if top_level((result,)) >= level else result + c * number(0)
    else:
        result = result + (c if beta == 1 else c * number(beta))
    return result.astype(kind) if kind in LOW_PRECISION else result


def _linear(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    bias, x, w = arrays
    kind = x.dtype
    if kind.kind not in "fciu" and kind not in LOW_PRECISION:
        return looped(record, level, arrays, attrs)
    if not belongs(w, level) and not belongs(bias, level):
        return inward(record, level, [bias, x.value, w], attrs)  # any number of leading dimensions
    bias, x, w = _wide(bias, x, w)
    if belongs(w, level) or belongs(x, level):
        result = compute(product, (x, w.T), {})
    else:
        result = np.matmul(x, w.T)
    if bias is not None:
        result = result + bias
    return result.astype(kind) if kind in LOW_PRECISION else result


def _stacks_of_matrices(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Implementations that take any number of leading dimensions, of one tensor."""
    return inward(record, level, [arrays[0].value], attrs)


def _stacks_that_broadcast(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """As ``_stacks_of_matrices``, of two tensors whose leading dimensions broadcast."""
    a, b = arrays
    if b.ndim == 1:
        columns = b.reshape((*b.shape, 1))
        return _stacks_that_broadcast(record, level, [a, columns], attrs)[..., 0]
    ndim = max(a.ndim, b.ndim)
    values = [lined_up(array, ndim) if belongs(array, level) else array for array in (a, b)]
    return inward(record, level, values, attrs)


def _stacks_alike(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Implementations that take one leading dimension more, of several tensors that all have it."""
    size = batch_size(arrays, level)
    return inward(record, level, [None if a is None else spread(a, level, size) for a in arrays], attrs)


def _factors_solved(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    factors, pivots, b = arrays
    size, ndim = batch_size(arrays, level), max(factors.ndim, b.ndim)
    values = []
    for array, rank in ((factors, ndim), (pivots, ndim - 1), (b, ndim)):
        value = spread(array, level, size)
        values.append(value.reshape((size, *(1,) * (rank - array.ndim), *array.shape)))
    return inward(record, level, values, attrs)


RULES: Final[dict[str, Callable[..., Any]]] = {
    **dict.fromkeys(("mm", "mm_nt", "mm_tn", "bmm", "mv", "dot"), _matrices),
    **dict.fromkeys(("addmm", "addmv", "baddbmm"), _sum_of_product),
    "linear": _linear,
    **dict.fromkeys(
        [
            "linalg_inv", "linalg_cholesky", "linalg_qr", "linalg_eigh", "linalg_eig", "linalg_svd", "linalg_det",
            "linalg_slogdet", "linalg_matrix_exp", "linalg_lu_factor", "linalg_ldl_factor_ex", "cofactors", "linalg_pinv",
            "tril", "triu", "view_as_real", "view_as_complex", "to_copy", "to_device", "contiguous",
        ],
        _stacks_of_matrices,
    ),
    **dict.fromkeys(("linalg_solve", "linalg_solve_triangular", "cholesky_solve", "cdist"), _stacks_that_broadcast),
    "linalg_lstsq": _stacks_alike,
    "linalg_ldl_solve": _factors_solved,
}  # fmt: skip

__all__ = ["RULES"]
