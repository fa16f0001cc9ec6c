"""Arithmetic on strided regions of contiguous arrays: which memory a view of a view is."""

from __future__ import annotations

from .graph import Shape, contiguous_strides


def count(shape: Shape) -> int:
    """The number of elements."""
    size = 1
    for extent in shape:
        size *= extent
    return size


def is_whole(shape: Shape, strides: Shape, offset: int, size: int) -> bool:
    """Whether a region is all ``size`` elements in their order: the view is a reshape."""
    if offset or count(shape) != size:
        return False
    step = 1
    for extent, stride in zip(reversed(shape), reversed(strides), strict=True):
        if extent != 1:
            if stride != step:
                return False
            step *= extent
    return True


def compose(
    shape: Shape, strides: Shape, offset: int, base_shape: Shape, base_strides: Shape, base_offset: int
) -> tuple[Shape, int] | None:
    """The strides and offset in the base's memory of a view, given in elements of a contiguous array of ``base_shape``, of
    the view ``(base_shape, base_strides, base_offset)``. None where no strides say it.

    Example:
        >>> compose((3,), (4,), 1, (3, 4), (1, 3), 0)  # column 1 of a transposed (4, 3) array
        ((1,), 3)
    """
    if base_strides == contiguous_strides(base_shape):
        return strides, offset + base_offset
    if 0 in shape:
        return (0,) * len(shape), 0
    dims = [i for i, n in enumerate(base_shape) if n != 1]
    steps = contiguous_strides(base_shape)
    low, rest = {}, offset
    for i in dims:
        low[i], rest = divmod(rest, steps[i])
    if rest:
        return None
    high = dict(low)
    start = base_offset + sum([low[i] * base_strides[i] for i in dims])
    composed = []
    for extent, stride in zip(shape, strides, strict=True):
        if extent == 1 or stride == 0:
            composed.append(0)
            continue
        sign, rest, total = (1, stride, 0) if stride > 0 else (-1, -stride, 0)
        for i in dims:
            digit, rest = divmod(rest, steps[i])
            if digit:
                total += sign * digit * base_strides[i]
                if sign > 0:
                    high[i] += digit * (extent - 1)
                else:
                    low[i] -= digit * (extent - 1)
        if rest:
            return None
        composed.append(total)
    if any(low[i] < 0 or high[i] >= base_shape[i] for i in dims):
        return None
    return tuple(composed), start
