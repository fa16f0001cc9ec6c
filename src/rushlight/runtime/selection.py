"""Choosing between the elements of two arrays."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_AS_INTEGERS: Final = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}
_LARGE: Final = 2048  # elements: below, the shorter way of np.where is as fast


def select(condition: Array, x: Array, y: Array) -> Array:
    """``np.where(condition, x, y)`` for a condition of bools and ``x`` and ``y`` of one dtype.

    np.where branches at every element. Where the condition has no pattern, as in the gradient of a rectifier, the processor
    guesses half of the branches wrong: 7 ns for each element, against 0.4 ns for the masks of bits that large arrays get.

    Example:
        >>> import numpy as np
        >>> from rushlight.runtime.selection import select
        >>> select(np.array([True, False]), np.array([1.0, 2.0]), np.array([3.0, 4.0]))
        array([1., 4.])
    """
    integers = _AS_INTEGERS.get(x.dtype.itemsize)
    if condition.size < _LARGE or integers is None:
        return np.where(condition, x, y)
    mask = condition.view(np.int8).astype(integers)
    if _is_zero(x):  # so that the mask clears where the condition is true
        mask -= integers(1)
        kept = y
    else:
        np.negative(mask, out=mask)  # all bits where it is true
        kept = x
        if not _is_zero(y):
            bits, others = x.view(integers), y.view(integers)
            result = np.bitwise_and(np.bitwise_xor(bits, others), mask)
            # Broadcasting may make the result larger than the mask; it is never smaller.
            chosen: Array = np.bitwise_xor(result, others, out=result).view(x.dtype)
            return chosen
    given = kept.view(integers)
    into = mask if _covers(mask.shape, given.shape) else None
    kept_bits: Array = np.bitwise_and(mask, given, out=into).view(x.dtype)
    return kept_bits


def _is_zero(x: Array) -> bool:
    return not x.ndim and not x.view(_AS_INTEGERS[x.dtype.itemsize])


def _covers(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    if shape == other:
        return True
    lead = len(shape) - len(other)
    return lead >= 0 and all(n in (1, m) for n, m in zip(other, shape[lead:], strict=True))
