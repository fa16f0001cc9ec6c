"""Normalisation of plain arrays: each group of elements brought to mean 0 and variance 1, then scaled and shifted.

An array is read in two ways. As **columns** (samples, columns, positions) it says which scale and shift belong to an
element: those of its column. Its statistics are those of its column too (batch normalisation), or else those of its
**row** of ``rows`` elements that lie side by side:

==================  ====================  ==========  =========================
normalisation       columns               positions   rows
==================  ====================  ==========  =========================
batch               channels              plane       (statistics of a column)
layer               normalised elements   1           normalised elements
group               channels              plane       channels of a group × plane
instance            channels              plane       plane
==================  ====================  ==========  =========================

With c = x - mean, i = 1 / √(variance + eps) and y = c·i·w + b, the gradients of a sum of g·y are (means over the group
that shares the statistics)

    for b: Σ g        for w: Σ g·c·i        for x: i·(g·w - mean(g·w) - c·i²·mean(g·w·c))

NumPy makes a pass over an array for each step. So the steps are ordered to need few, large arrays are worked through in blocks
that stay in the processor's cache, and a vector with one value for each column is written out to a whole sample's length
where the planes are small: loops over 64 elements cost twice as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, F64, LOW_PRECISION
from .small_normalization import SMALL, small_forward, small_gradient

Array = NDArray[Any]

_SMALL_PLANE = 256  # positions; measured between 64 (1.3 times as fast written out) and 784 (no difference)
_LONGEST_SUM = 256  # samples that are added one after the other: more of them would lose digits
_FEW_SAMPLES = 4  # from here on adding up samples first, which runs along whole samples, is faster
_BLOCK = (
    1 << 17
)  # elements; with 2 million, the gradient of LayerNorm takes a fifth less time than without blocks


def normalize_forward(
    x: Array, w: Array | None, b: Array | None, columns: int, positions: int, rows: int | None, eps: float
) -> tuple[Array, Array, Array, Array]:
    """The result, and of each group of elements mean, variance, and 1 / √(variance + eps).

    float16 and bfloat16 are computed in float32, in which the statistics then are.
    """
    kind = x.dtype
    wide = np.ascontiguousarray(x, F32 if kind in LOW_PRECISION else None)
    w, b = _like(w, wide), _like(b, wide)
    if 0 < wide.size <= SMALL and (wide.dtype is F32 or wide.dtype is F64):
        y, mean, variance, inverse = small_forward(wide, w, b, columns, positions, rows, eps)
        return y.reshape(x.shape).astype(kind, copy=False), mean, variance, inverse
    along = _forward_by_columns if rows is None else _forward_by_rows
    y, mean, variance, inverse = along(wide, w, b, columns, positions, rows or 0, eps)
    return y.reshape(x.shape).astype(kind, copy=False), mean, variance, inverse


def _forward_by_columns(
    x: Array, w: Array | None, b: Array | None, columns: int, positions: int, _: int, eps: float
) -> tuple[Array, Array, Array, Array]:
    share = np.asarray(_share(x.size // columns if columns else 0), x.dtype)
    values = _as_columns(x, columns, positions)
    mean = _sums(x, columns, positions)
    mean *= share
    y = np.empty(values.shape, x.dtype)
    spread = _spread(mean, positions)
    variance = np.zeros(mean.shape, x.dtype)
    for block in _blocks(values):
        centred = np.subtract(values[block], spread, out=y[block])
        variance += _products(centred, centred, columns, positions)
    variance *= share
    inverse = _inverse_root(variance, np.asarray(eps, x.dtype))
    scale = _spread(inverse if w is None else inverse * w, positions)
    shift = None if b is None else _spread(b, positions)
    for block in _blocks(values):
        part = y[block]
        part *= scale
        if shift is not None:
            part += shift
    return y, mean, variance, inverse


def _forward_by_rows(
    x: Array, w: Array | None, b: Array | None, columns: int, positions: int, rows: int, eps: float
) -> tuple[Array, Array, Array, Array]:
    values = x.reshape(x.size // rows if rows else 0, rows)
    share, small = np.asarray(_share(rows), x.dtype), np.asarray(eps, x.dtype)
    if 0 < x.size <= _BLOCK:  # the steps below, for one block
        mean = np.add.reduce(values, 1)
        mean *= share
        y = np.subtract(values, mean[:, None])
        variance = np.vecdot(y, y)
        variance *= share
        inverse = _inverse_root(variance, small)
        y *= inverse[:, None]
        by_column = _as_columns(y, columns, positions)
        if w is not None:
            by_column *= _spread(w, positions)
        if b is not None:
            by_column += _spread(b, positions)
        return y, mean, variance, inverse
    y = np.empty(values.shape, x.dtype)
    mean, variance = np.empty(len(values), x.dtype), np.empty(len(values), x.dtype)
    inverse = np.empty(len(values), x.dtype)
    scale, shift = [None if v is None else _spread(v, positions) for v in (w, b)]
    for block in _blocks(values, columns * positions):
        given, part = values[block], y[block]
        np.einsum("rd->r", given, out=mean[block])
        mean[block] *= share
        np.subtract(given, mean[block, None], out=part)
        np.einsum("rd,rd->r", part, part, out=variance[block])
        variance[block] *= share
        inverse[block] = _inverse_root(variance[block], small)
        part *= inverse[block, None]
        part = _as_columns(part, columns, positions)
        if scale is not None:
            part *= scale
        if shift is not None:
            part += shift
    return y, mean, variance, inverse


def normalize_gradient(
    g: Array,
    x: Array,
    mean: Array,
    inverse: Array,
    w: Array | None,
    columns: int,
    positions: int,
    rows: int | None,
) -> tuple[Array, Array, Array]:
    """The gradients for ``x``, ``w`` and ``b`` from ``g``, that for the result of ``normalize_forward``."""
    kind = g.dtype
    wide, x = np.ascontiguousarray(g, mean.dtype), np.ascontiguousarray(x, mean.dtype)
    if 0 < x.size <= SMALL and (mean.dtype is F32 or mean.dtype is F64):
        found: Any = small_gradient(wide, x, mean, inverse, _like(w, wide), columns, positions, rows)
        return found[0].reshape(g.shape).astype(kind, copy=False), *found[1:]
    along = _gradient_by_columns if rows is None else _gradient_by_rows
    total, scale, shift = along(wide, x, mean, inverse, _like(w, wide), columns, positions, rows or 0)
    return total.reshape(g.shape).astype(kind, copy=False), scale, shift


def _gradient_by_columns(
    g: Array, x: Array, mean: Array, inverse: Array, w: Array | None, columns: int, positions: int, _: int
) -> tuple[Array, Array, Array]:
    share = np.asarray(_share(g.size // columns if columns else 0), g.dtype)
    given, values = _as_columns(g, columns, positions), _as_columns(x, columns, positions)
    total = np.empty(given.shape, g.dtype)
    spread = _spread(mean, positions)
    scale = np.zeros(mean.shape, g.dtype)
    for block in _blocks(given):
        centred = np.subtract(values[block], spread, out=total[block])
        scale += _products(given[block], centred, columns, positions)
    scale *= inverse
    shift = _sums(g, columns, positions)
    slope = _spread(scale * inverse * -share, positions)
    offset = _spread(shift * share, positions)
    factor = _spread(inverse if w is None else inverse * w, positions)
    for block in _blocks(given):
        part = total[block]
        part *= slope
        part += given[block]
        part -= offset
        part *= factor
    return total, scale, shift


def _gradient_by_rows(
    g: Array, x: Array, mean: Array, inverse: Array, w: Array | None, columns: int, positions: int, rows: int
) -> tuple[Array, Array, Array]:
    given, values = g.reshape(len(mean), rows), x.reshape(len(mean), rows)
    share = np.asarray(_share(rows), g.dtype)
    total = np.empty(given.shape, g.dtype)
    scale, shift = np.zeros(columns, g.dtype), np.zeros(columns, g.dtype)
    factor = None if w is None else _spread(w, positions)
    for block in _blocks(given, columns * positions):
        part, own = total[block], inverse[block, None]
        centred = values[block] - mean[block, None]
        np.multiply(given[block], own, out=part)
        scale += _products(part, centred, columns, positions)
        shift += _sums(given[block], columns, positions)
        if factor is not None:
            by_column = _as_columns(part, columns, positions)
            by_column *= factor
        slope = np.einsum("rd,rd->r", part, centred)[:, None]
        slope *= own * own * share
        centred *= slope
        centred += (np.einsum("rd->r", part) * share)[:, None]
        part -= centred
    return total, scale, shift


def scale_and_shift(x: Array, scale: Array, shift: Array | None, columns: int, positions: int) -> Array:
    """Each column of ``x`` times its scale, plus its shift."""
    kind = x.dtype
    wide = np.ascontiguousarray(x, F32 if kind in LOW_PRECISION else None)
    y: Array = _as_columns(wide, columns, positions) * _spread(scale, positions)
    if shift is not None:
        offset = _spread(shift, positions)
        for block in _blocks(y):
            part = y[block]
            part += offset
    return y.reshape(x.shape).astype(kind, copy=False)


_ALL_AT_ONCE = (slice(None),)


def _blocks(x: Array, sample: int = 1) -> Sequence[slice]:
    """Slices of the first dimension that together cover ``x``, each with whole samples of ``sample`` elements."""
    if x.size <= _BLOCK:
        return _ALL_AT_ONCE if len(x) else ()
    length = x.size // len(x)
    least = max(1, sample // length)
    step = max(1, _BLOCK // (least * length)) * least
    return [slice(start, start + step) for start in range(0, len(x), step)]


def _inverse_root(variance: Array, small: Array) -> Array:
    """1 / √(variance + small)."""
    inverse: Array = np.add(variance, small)
    np.sqrt(inverse, inverse)
    return np.reciprocal(inverse, inverse)


def _share(size: int) -> float:
    return 1 / size if size else np.nan


def _like(values: Array | None, x: Array) -> Array | None:
    return None if values is None else values.reshape(-1).astype(x.dtype, copy=False)


def _as_columns(x: Array, columns: int, positions: int) -> Array:
    """``x`` in the shape against which ``_spread`` broadcasts."""
    samples = x.size // (columns * positions) if x.size else 0
    if positions <= _SMALL_PLANE:
        return x.reshape(samples, columns * positions)
    return x.reshape(samples, columns, positions)


def _spread(values: Array, positions: int) -> Array:
    """A value for each column, to be broadcast against ``_as_columns``."""
    if positions == 1:
        return values
    return values.repeat(positions) if positions <= _SMALL_PLANE else values[:, None]


def _sums(x: Array, columns: int, positions: int) -> Array:
    """The sum of each column."""
    samples = x.size // (columns * positions) if x.size else 0
    if samples < _FEW_SAMPLES:
        return np.einsum("ncp->c", x.reshape(samples, columns, positions))  # type: ignore[no-any-return]
    return _over_positions(_sum_samples(x.reshape(samples, columns * positions)), columns, positions)


def _products(a: Array, b: Array, columns: int, positions: int) -> Array:
    """The sum of a·b over each column."""
    samples = a.size // (columns * positions) if a.size else 0
    if samples < _FEW_SAMPLES:
        shape = samples, columns, positions
        return np.einsum("ncp,ncp->c", a.reshape(shape), b.reshape(shape))  # type: ignore[no-any-return]
    flat = samples, columns * positions
    return _over_positions(_sum_samples(a.reshape(flat), b.reshape(flat)), columns, positions)


def _over_positions(sums: Array, columns: int, positions: int) -> Array:
    return sums if positions == 1 else np.add.reduce(sums.reshape(columns, positions), 1)


def _sum_samples(a: Array, b: Array | None = None) -> Array:
    """The sum of ``a`` (or of a·b) over the first dimension, in blocks where there are many samples."""
    samples, length = a.shape
    if samples <= _LONGEST_SUM:
        return np.add.reduce(a, 0) if b is None else np.einsum("nm,nm->m", a, b)  # type: ignore[no-any-return]
    block = samples // _LONGEST_SUM
    whole = _LONGEST_SUM * block
    shape = _LONGEST_SUM, block * length
    sums = _sum_samples(a[:whole].reshape(shape), None if b is None else b[:whole].reshape(shape))
    total = _sum_samples(sums.reshape(block, length))
    if whole < samples:
        total += _sum_samples(a[whole:], None if b is None else b[whole:])
    return total
