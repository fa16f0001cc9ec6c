"""Normalisation of few elements: what ``runtime.normalization`` says, in the NumPy calls that are quick for small arrays.

On some hundred elements NumPy's loops cost less than what it does before them. A reduction (1 µs) is a product with ones
(0.4 µs), and a step that broadcasts one value of each row (1 µs) is ``repeat`` and a step of two arrays of one shape (0.3 µs
each), so that layer norm of 8 × 32 takes 4 µs instead of 9.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, F64

Array = NDArray[Any]
asarray = np.asarray

SMALL: Final = 4096  # elements: one BLAS call adds all of them as accurately as a pairwise sum, on one thread
_ONES: Final = {F32: np.ones(SMALL, F32), F64: np.ones(SMALL, F64)}


def small_forward(
    x: Array, w: Array | None, b: Array | None, columns: int, positions: int, rows: int | None, eps: float
) -> tuple[Array, Array, Array, Array]:
    """``normalize_forward`` of a contiguous ``x`` of 1 to ``SMALL`` elements of float32 or float64."""
    kind = x.dtype
    ones = _ONES[kind]
    if rows is None:
        return _forward_by_columns(x, w, b, columns, positions, eps, ones)
    groups = x.size // rows
    share = asarray(1 / rows, kind)
    along = ones[:rows]
    mean = x.reshape(groups, rows).dot(along)
    mean *= share
    y = x.reshape(-1) - mean.repeat(rows)
    by_group = y.reshape(groups, rows)
    variance = np.vecdot(by_group, by_group)
    variance *= share
    inverse = variance + asarray(eps, kind)
    np.sqrt(inverse, inverse)
    np.reciprocal(inverse, inverse)
    if w is None:
        y *= inverse.repeat(rows)
    elif positions == 1 and rows == columns:
        y *= inverse.reshape(groups, 1).dot(w.reshape(1, rows)).reshape(-1)
    else:
        scale = inverse.repeat(rows // positions) if rows > positions else inverse
        scale = scale * w if scale.size == columns else (scale.reshape(-1, columns) * w).reshape(-1)
        y *= scale.repeat(positions)
    if b is not None:
        by_sample = y.reshape(-1, columns * positions)
        by_sample += b.reshape(-1) if positions == 1 else b.repeat(positions)
    return y.reshape(x.shape), mean, variance, inverse


def _forward_by_columns(
    x: Array, w: Array | None, b: Array | None, columns: int, positions: int, eps: float, ones: Array
) -> tuple[Array, Array, Array, Array]:
    width = columns * positions
    samples = x.size // width
    values = x.reshape(samples, width)
    share = asarray(1 / (samples * positions), x.dtype)
    mean = _sums(values, columns, positions, ones)
    mean *= share
    y = values - (mean if positions == 1 else mean.repeat(positions))
    variance = _sums(y * y, columns, positions, ones)
    variance *= share
    inverse = variance + asarray(eps, x.dtype)
    np.sqrt(inverse, inverse)
    np.reciprocal(inverse, inverse)
    scale = inverse if w is None else inverse * w
    y *= scale if positions == 1 else scale.repeat(positions)
    if b is not None:
        y += b if positions == 1 else b.repeat(positions)
    return y.reshape(x.shape), mean, variance, inverse


def _sums(by_sample: Array, columns: int, positions: int, ones: Array) -> Array:
    """The sum of each column of a contiguous array (samples, columns × positions)."""
    samples = len(by_sample)
    sums = ones[:samples].dot(by_sample) if samples > 1 else by_sample[0]
    if positions > 1:
        return sums.reshape(columns, positions).dot(ones[:positions])  # type: ignore[no-any-return]
    return sums if samples > 1 else sums.copy()  # type: ignore[no-any-return]


def small_scaled(
    x: Array, mean: Array, variance: Array, w: Array | None, b: Array | None, eps: float
) -> Array:
    """``x`` (N, C, …) standardised by the statistics of its columns, then scaled and shifted."""
    columns = x.shape[1]
    scale = variance + asarray(eps, x.dtype)
    np.sqrt(scale, scale)
    np.reciprocal(scale, scale)
    if w is not None:
        scale *= w
    shift = mean * scale
    np.negative(shift, shift) if b is None else np.subtract(b, shift, shift)
    by_sample = x.reshape(len(x), -1)
    positions = by_sample.shape[1] // columns
    if positions > 1:
        scale, shift = scale.repeat(positions), shift.repeat(positions)
    y: Array = by_sample * scale
    y += shift
    return y.reshape(x.shape)


def small_gradient(
    g: Array,
    x: Array,
    mean: Array,
    inverse: Array,
    w: Array | None,
    columns: int,
    positions: int,
    rows: int | None,
    wanted: tuple[bool, bool, bool] = (True, True, True),
) -> tuple[Array | None, Array | None, Array | None]:
    """``normalize_gradient`` of what ``small_forward`` takes; None for those of ``x``, ``w`` and ``b`` not ``wanted``."""
    kind = x.dtype
    ones = _ONES[kind]
    width = columns * positions
    for_x, for_w, for_b = wanted
    by_sample = g.reshape(-1, width)
    if rows is None:
        return _gradient_by_columns(by_sample, x, mean, inverse, w, columns, positions, wanted, ones)
    shift = _sums(by_sample, columns, positions, ones) if for_b else None
    if not for_x and not for_w:
        return None, None, shift
    groups = len(mean)
    flat = g.reshape(-1)
    spread = inverse.repeat(rows)
    standard = x.reshape(-1) - mean.repeat(rows)
    standard *= spread
    product = flat * standard
    scale = _sums(product.reshape(-1, width), columns, positions, ones) if for_w else None
    if not for_x:
        return None, scale, shift
    if w is not None:
        factor = w.reshape(-1) if positions == 1 else w.repeat(positions)
        flat = (by_sample * factor).reshape(-1)
        np.multiply(flat, standard, product)
        total = flat
    else:
        total = flat.copy()
    share = asarray(1 / rows, kind)
    along = ones[:rows]
    slope = product.reshape(groups, rows).dot(along)
    slope *= share
    offset = flat.reshape(groups, rows).dot(along)
    offset *= share
    standard *= slope.repeat(rows)
    total -= standard
    total -= offset.repeat(rows)
    total *= spread
    return total.reshape(x.shape), scale, shift


def _gradient_by_columns(
    g: Array,
    x: Array,
    mean: Array,
    inverse: Array,
    w: Array | None,
    columns: int,
    positions: int,
    wanted: tuple[bool, bool, bool],
    ones: Array,
) -> tuple[Array | None, Array | None, Array | None]:
    shift = _sums(g, columns, positions, ones)
    if not wanted[0] and not wanted[1]:
        return None, None, shift
    centred = x.reshape(g.shape) - (mean if positions == 1 else mean.repeat(positions))
    scale = _sums(g * centred, columns, positions, ones)
    scale *= inverse
    if not wanted[0]:
        return None, scale, shift
    share = asarray(1 / (len(g) * positions), x.dtype)
    slope = scale * inverse
    slope *= share
    offset = shift * share
    factor = inverse if w is None else inverse * w
    if positions > 1:
        slope, offset, factor = slope.repeat(positions), offset.repeat(positions), factor.repeat(positions)
    centred *= slope
    centred += offset
    total = g - centred
    total *= factor
    return total.reshape(x.shape), scale, shift
