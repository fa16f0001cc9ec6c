"""Copies of arrays that lie in memory in another order of dimensions.

NumPy copies a transposed array element by element: it reads neighbours and writes far apart, or the other way around. The
kernel here exchanges blocks of 16 by 16 in registers, so that both are read and written in whole lines of the cache.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..core.errors import no_memory
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
    try:
        result = np.empty(array.shape, array.dtype)
    except MemoryError as error:
        raise no_memory(error) from None
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
    if any([step % itemsize for step in (*source, *target)]) or not compiles():
        return None
    from ..compiler.kernels.transposing import copy_of

    way = copy_of(
        shape,
        tuple([step // itemsize for step in source]),
        tuple([step // itemsize for step in target]),
        itemsize,
    )
    if way is None:
        return None
    text, ints, units = way
    return direct.kernel(text), direct.integers(ints), units
