"""Orders of memory: whether an array lies in channels-last order, and results in the order that their operands have.

``channels_last`` keeps the channels of one position side by side: the strides of (N, C, H, W) are those of a contiguous
(N, H, W, C). Extents of 1 leave open which order an array is in; the two questions that PyTorch asks answer differently then:
``lies_channels_last`` (``is_contiguous(memory_format=...)``) passes over such dimensions, ``suggests_channels_last``
(``suggest_memory_format``, which decides what operations do) goes by their strides.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

_TO_LAST: Final = {4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}
_FROM_LAST: Final = {4: (0, 3, 1, 2), 5: (0, 4, 1, 2, 3)}


def lies_channels_last(array: Any, ndim: int) -> bool:
    """Whether ``array`` is of rank ``ndim`` (4 or 5) and its elements lie densely in channels-last order."""
    return bool(array.ndim == ndim and array.transpose(_TO_LAST[ndim]).flags.c_contiguous)


def suggests_channels_last(array: Any) -> bool:
    """Whether operations give results in channels-last order for ``array``, which need not be dense."""
    ndim = array.ndim
    if ndim not in _TO_LAST:
        return False
    shape, strides = array.shape, array.strides
    by_channel = strides[1]
    if not by_channel or 0 in shape:
        return False
    least = 0
    for axis in (1, *range(ndim - 1, 1, -1), 0):
        stride = strides[axis]
        # Where all but the channels and the samples have extent 1 both orders fit; row-major order then has preference.
        if stride < least or (axis == 0 and least == by_channel):
            return False
        least = stride * max(shape[axis], 1)
    return True


def in_channels_last(array: Any) -> Any:
    """A copy of ``array``, of rank 4 or 5, in channels-last order."""
    ndim = array.ndim
    return array.transpose(_TO_LAST[ndim]).copy().transpose(_FROM_LAST[ndim])


def ordered_like(result: Any, *operands: Any) -> Any:
    """``result``, in channels-last order if one of ``operands`` is."""
    if result.ndim in _TO_LAST and type(result) is np.ndarray:
        for operand in operands:
            # Where extents are 1, an array may be in both orders; then channels side by side tell.
            aside = operand.strides[1] == operand.itemsize or not operand.flags.c_contiguous
            if aside and suggests_channels_last(operand):
                return result if suggests_channels_last(result) else in_channels_last(result)
    return result


def in_order_of_input(impl: Any, largest_rank: int = 5) -> Any:
    """``impl``, an operation's implementation, with results in the order of memory of its first operand, for ranks up to
    ``largest_rank``: some of PyTorch's operations know the order in two dimensions alone."""

    def computed(x: Any, *args: Any, **attrs: Any) -> Any:
        result = impl(x, *args, **attrs)
        if x.flags.c_contiguous or x.ndim > largest_rank or not suggests_channels_last(x):
            return result
        if isinstance(result, tuple):
            return tuple([ordered_like(each, x) for each in result])
        return ordered_like(result, x)

    return computed
