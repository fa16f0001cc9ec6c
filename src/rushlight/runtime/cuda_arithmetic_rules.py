"""Arithmetic that compiled kernels leave out: division of integers, integer powers, and norms and sums of complex numbers.

Division of integers by zero gives 0 and raises nothing: to look would make every division wait for the GPU (PyTorch's
kernels leave the result undefined). Functions of (cupy, arrays, parameters), see ``cuda_rules``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.dtypes import C64, F16, F32, F64, I64, default_numpy

# --- division and powers ----------------------------------------------------------------------------------------------


def _div_rounded(cupy: Any, x: Any, y: Any, rounding_mode: str) -> Any:
    if rounding_mode == "floor":
        return cupy.floor_divide(x, y)
    if x.dtype.kind not in "iu":
        return cupy.trunc(cupy.true_divide(x, y))
    quotient = cupy.floor_divide(x, y)
    # The quotient was rounded down; towards zero is one up where it is negative and something is left.
    return quotient + ((quotient < 0) & (quotient * y != x)).astype(x.dtype)


def _floor_divide(cupy: Any, x: Any, y: Any) -> Any:
    return cupy.floor_divide(x, y)


def _remainder(cupy: Any, x: Any, y: Any) -> Any:
    return cupy.remainder(x, y)


def _fmod(cupy: Any, x: Any, y: Any) -> Any:
    return cupy.fmod(x, y)


def _pow(cupy: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind != "i":
        return NotImplemented if x.dtype.kind == "b" else cupy.power(x, y)
    zero, one = x.dtype.type(0), x.dtype.type(1)
    result = cupy.power(x, cupy.maximum(y, zero))
    # C's: 0 below an exponent of 0, unless the base is 1 or -1.
    sign = cupy.where((x == -1) & ((y & one) != 0), -one, one)
    return cupy.where(y < 0, cupy.where(cupy.abs(x) == 1, sign, zero), result)


def _left_shift(cupy: Any, x: Any, y: Any) -> Any:
    outside = (y < 0) | (y >= 8 * x.itemsize)
    zero = x.dtype.type(0)
    return cupy.where(outside, zero, cupy.left_shift(x, cupy.where(outside, zero, y)))


def _right_shift(cupy: Any, x: Any, y: Any) -> Any:
    # By all bits, or a negative number of them: nothing stays but the sign.
    most = x.dtype.type(8 * x.itemsize - 1)
    outside = (y < 0) | (y > most)
    shifted = cupy.right_shift(x, cupy.where(outside, most, y))
    return cupy.where(outside, x.dtype.type(0), shifted) if x.dtype.kind == "u" else shifted


# --- comparison -------------------------------------------------------------------------------------------------------


def _isclose(cupy: Any, x: Any, y: Any, rtol: float, atol: float, equal_nan: bool) -> Any:
    close = x == y
    if equal_nan and x.dtype.kind in "fc":
        close |= cupy.isnan(x) & cupy.isnan(y)
    if rtol == 0 and atol == 0:
        return close
    if x.dtype.kind not in "fc":
        x, y = x.astype(default_numpy()), y.astype(default_numpy())
    difference = cupy.abs(x - y)
    return close | (cupy.isfinite(difference) & (difference <= atol + cupy.abs(rtol * y)))


def _count_nonzero(cupy: Any, x: Any, axis: Any) -> Any:
    return cupy.asarray(cupy.count_nonzero(x, axis=axis)).astype(I64, copy=False)


# --- sums of exponentials ---------------------------------------------------------------------------------------------


def _logaddexp(cupy: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind != "c":
        return cupy.logaddexp(x, y)
    larger = cupy.where(x.real < y.real, y, x)
    finite = cupy.isfinite(larger.real)
    shift = cupy.where(finite, larger, x.dtype.type(0))
    total = cupy.log(cupy.exp(x - shift) + cupy.exp(y - shift)) + shift
    return cupy.where(finite | (x != y), total, x)


def _logsumexp(cupy: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    if not x.size:
        return NotImplemented
    dtype = x.dtype
    x = x.astype(F32) if dtype == F16 else x
    real = x.real if dtype.kind == "c" else x
    top = cupy.amax(real, axis=axis, keepdims=True) if axis else real
    top = cupy.where(cupy.isinf(top), real.dtype.type(0), top)
    powers = cupy.exp(x - top)
    result = cupy.log(cupy.sum(powers, axis=axis, keepdims=True) if axis else powers) + top
    if not keepdims:
        result = result.reshape([n for i, n in enumerate(x.shape) if i not in axis])
    return result.astype(dtype, copy=False)


# --- spread -----------------------------------------------------------------------------------------------------------


def _spread(root: bool) -> Callable[..., Any]:
    def rule(cupy: Any, x: Any, axis: Any, correction: float, keepdims: bool) -> Any:
        dtype = x.dtype
        n = x.size if axis is None else int(np.prod([x.shape[i] for i in axis], dtype=np.int64))
        divisor = max(0.0, n - correction)
        if dtype == F16:
            x = x.astype(F32)
        if n:
            center = cupy.sum(x, axis=axis, keepdims=True) / n
            gap = cupy.abs(x - center)
            squares = cupy.sum(gap * gap, axis=axis, keepdims=keepdims)
        else:
            squares = cupy.sum(cupy.abs(x), axis=axis, keepdims=keepdims)
        kind = squares.dtype.type
        variance = squares / kind(divisor)  # of nothing: 0 / 0
        return (cupy.sqrt(variance) if root else variance).astype(_real(dtype), copy=False)

    return rule


def _real(dtype: Any) -> Any:
    """The dtype of the parts of complex numbers; of others their own."""
    return F32 if dtype == C64 else F64 if dtype.kind == "c" else dtype


def _vector_norm(cupy: Any, x: Any, ord: float, axis: Any, keepdims: bool) -> Any:
    dtype = x.dtype
    sizes = cupy.abs(x.astype(F32) if dtype == F16 else x)
    kind = sizes.dtype.type
    if ord == 2:
        result = cupy.sqrt(cupy.sum(sizes * sizes, axis=axis, keepdims=keepdims))
    elif ord == 1:
        result = cupy.sum(sizes, axis=axis, keepdims=keepdims)
    elif ord == 0:
        result = cupy.sum(sizes != 0, axis=axis, dtype=sizes.dtype, keepdims=keepdims)
    elif math.isinf(ord):
        if not x.size:
            return NotImplemented
        result = (cupy.amax if ord > 0 else cupy.amin)(sizes, axis=axis, keepdims=keepdims) if axis else sizes
    else:
        powers = cupy.sum(cupy.power(sizes, kind(ord)), axis=axis, keepdims=keepdims)
        result = cupy.power(powers, kind(1 / ord))
    return result.astype(_real(dtype), copy=False)


ARITHMETIC: Final[dict[str, Callable[..., Any]]] = {
    "div_rounded": _div_rounded, "floor_divide": _floor_divide, "remainder": _remainder, "fmod": _fmod, "pow": _pow,
    "bitwise_left_shift": _left_shift, "bitwise_right_shift": _right_shift,
    "isclose": _isclose, "count_nonzero": _count_nonzero, "logaddexp": _logaddexp, "logsumexp": _logsumexp,
    "var": _spread(False), "std": _spread(True), "linalg_vector_norm": _vector_norm,
}  # fmt: skip
