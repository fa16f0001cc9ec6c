"""Copies of arrays that lie in memory in another order of dimensions.

NumPy copies a transposed array element by element: it reads neighbours and writes far apart, or the other way around. The
kernel here exchanges blocks of 16 by 16 in registers, so that both are read and written in whole lines of the cache.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from . import direct
from .programs import compiles

Array = NDArray[Any]
ndarray = np.ndarray

# From how many elements on the kernel is faster than NumPy, calling it included.
LARGE_FROM: Final = 8192


def contiguous(array: Array) -> Array:
    """``array``, or a copy of it that is contiguous in row-major order (``numpy.ascontiguousarray``)."""
    if type(array) is not ndarray or array.size < LARGE_FROM or array.flags.c_contiguous:
        return np.ascontiguousarray(array)
    result = np.empty(array.shape, array.dtype)
    copy_into(result, array)
    return result


def copy_into(target: Array, source: Array) -> None:
    """``target[...] = source``."""
    if target.dtype == source.dtype and target.shape == source.shape and target.size >= LARGE_FROM:
        way = _way(target.shape, source.strides, target.strides, target.itemsize)
        if (
            way is not None
            and source.dtype.isnative
            and target.flags.aligned
            and source.flags.aligned
            and not np.may_share_memory(target, source)
        ):
            call, ints, units = way
            call(0, units, ints, direct.addresses(source, target), None)
            return
    target[...] = source


@lru_cache(maxsize=256)
def _way(
    shape: tuple[int, ...], source: tuple[int, ...], target: tuple[int, ...], itemsize: int
) -> tuple[Any, Any, int] | None:
    """The kernel, its integers and its number of units; None where NumPy's copy is as good."""
    if itemsize not in (1, 2, 4, 8) or any([step % itemsize for step in (*source, *target)]):
        return None
    axes = [
        [extent, source[i] // itemsize, target[i] // itemsize] for i, extent in enumerate(shape) if extent > 1
    ]
    axes.sort(key=lambda axis: -axis[2])
    merged: list[list[int]] = []
    for extent, from_step, to_step in axes:
        if merged and merged[-1][1] == extent * from_step and merged[-1][2] == extent * to_step:
            merged[-1] = [merged[-1][0] * extent, from_step, to_step]
        else:
            merged.append([extent, from_step, to_step])
    rows = [axis for axis in merged if axis[2] == 1]
    columns = [axis for axis in merged if axis[1] == 1]
    if len(rows) != 1 or len(columns) != 1 or rows[0] is columns[0] or not compiles():
        return None
    row, column = rows[0], columns[0]
    outer = [axis for axis in merged if axis is not row and axis is not column]
    if min(row[0], column[0]) < 2 or row[0] * column[0] < 32:
        return None
    from ..compiler.kernels.transposing import OUTER, STRETCH, block_extent, copy_text

    if len(outer) > OUTER:
        return None
    outer.reverse()
    blocks = -(-column[0] // block_extent(itemsize))
    stretches = -(-row[0] // STRETCH)
    units = blocks * stretches
    ints = [row[0], column[0], row[1], column[2], stretches, blocks]
    for axis in outer:
        units *= axis[0]
        ints += axis
    ints += [1, 0, 0] * (OUTER - len(outer))
    return direct.kernel(copy_text(itemsize)), direct.integers(ints), units
