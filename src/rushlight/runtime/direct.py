"""Kernels called at once, on arrays that the caller has made sure of, without a graph and a plan around them.

For what eager mode does to arrays of any shape (a copy in another order, rows added to rows): a plan is made for one shape.
They run on the calling thread.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..compiler import native
from .programs import compiles

Array = NDArray[Any]
_SIGNATURE: Final = ctypes.CFUNCTYPE(
    None, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)


def kernel(text: str) -> Any:
    """The native function ``kernel(begin, end, ints, pointers, scratch)`` of an LLVM module."""
    return _SIGNATURE(native.load(text))


def addresses(*arrays: Array) -> Any:
    """The arrays' addresses, as a kernel takes them. The caller keeps the arrays alive."""
    return (ctypes.c_void_p * len(arrays))(*[array.__array_interface__["data"][0] for array in arrays])


def integers(values: list[int]) -> Any:
    return (ctypes.c_int64 * len(values))(*values)


@lru_cache(maxsize=16)
def _row_adder(dtype: np.dtype[Any], single: bool) -> Any:
    if not compiles():
        return None
    from ..compiler.kernels import row_updates

    return kernel(row_updates.text(dtype, single)) if row_updates.takes(dtype) else None


def add_rows(target: Array, index: Array, values: Array) -> bool:
    """``target[index[i]] += values[i]`` for each i, in order; False, and nothing done, where there is no kernel for that.

    ``target``: contiguous, (rows, columns) or (rows); ``index``: int64, (n), in [0, rows); ``values``: (n, columns) or (n).
    """
    if not (
        target.dtype == values.dtype
        and target.dtype.isnative
        and index.dtype == np.int64
        and target.flags.carray
        and target.ndim == values.ndim
    ):
        return False
    columns = 1 if target.ndim == 1 else target.shape[1]
    run = _row_adder(target.dtype, columns == 1)
    if run is None:
        return False
    index, values = np.ascontiguousarray(index), np.ascontiguousarray(values)
    run(0, index.size, integers([columns]), addresses(target, index, values), None)
    return True


# From how many numbers on ``ramp`` is faster than NumPy.
RAMP_FROM: Final = 4096


@lru_cache(maxsize=8)
def _ramp_maker(dtype: np.dtype[Any], fused: bool) -> Any:
    if not compiles() or dtype not in (np.float32, np.float64):
        return None
    from ..compiler.kernels import ramps

    return kernel(ramps.text(dtype, fused))


def ramp(target: Array, first: int, step: int, factor: float, offset: float, fused: bool) -> bool:
    """``target[i] = (first + step · i) · factor + offset``; False, and nothing done, where there is no kernel for that.

    ``target``: contiguous, float32 or float64. ``fused``: computed in its dtype and rounded once (with x rounded to it
    first), otherwise in float64, rounded after each step.
    """
    run = _ramp_maker(target.dtype, fused)
    if run is None:
        return False
    numbers = np.array([factor, offset], target.dtype if fused else np.float64)
    run(0, target.size, integers([first, step]), addresses(target, numbers), None)
    return True


# From how many numbers on ``transformed_rows`` is faster than NumPy.
TRANSFORM_FROM: Final = 8192


@lru_cache(maxsize=16)
def _transformer(itemsize: int, real: bool, inverse: bool) -> Any:
    if not compiles():
        return None
    from ..compiler.kernels import fourier

    return kernel(fourier.text(itemsize, real, inverse))


def transformed_rows(x: Array, inverse: bool, half: bool, scale: float) -> Array | None:
    """The Fourier transforms of the rows (along the last dimension) times ``scale``, of which ``half`` keeps the first half and
    one; None where there is no kernel for that.

    ``x``: contiguous, of real or complex numbers, with a power of two of them in a row.
    """
    points = x.shape[-1]
    if points & (points - 1) or points < 8 or x.size < TRANSFORM_FROM or x.size < 4 * points:
        return None
    if x.dtype not in (np.float32, np.float64, np.complex64, np.complex128) or not x.dtype.isnative:
        return None
    real = x.dtype.kind == "f"
    itemsize = x.dtype.itemsize if real else x.dtype.itemsize // 2
    run = _transformer(itemsize, real, inverse)
    if run is None:
        return None
    from ..compiler.kernels import fourier

    if points > fourier.LONGEST or not (x.flags.c_contiguous and x.flags.aligned):
        return None
    wanted = points // 2 + 1 if half else points
    rows, exponent = x.size // points, points.bit_length() - 1
    lanes = fourier.lanes_of(itemsize)
    result = np.empty((*x.shape[:-1], wanted), f"c{2 * itemsize}")
    roots = fourier.factors(points, itemsize)
    number = np.array(scale, roots.dtype)
    room = np.empty(4 * points * lanes + 16, roots.dtype)
    start = room.__array_interface__["data"][0]
    run(
        0,
        -(-rows // lanes),
        integers([rows, points, exponent // 2, exponent % 2, wanted]),
        addresses(x, result, roots, number),
        start + -start % 64,
    )
    return result
