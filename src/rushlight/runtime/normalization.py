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

NumPy makes a pass over memory for each step, so the steps are ordered to need few of them, and a vector with one value for
each column is written out to a whole sample's length where the planes are small: loops over 64 elements cost twice as much.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, LOW_PRECISION

Array = NDArray[Any]

_SMALL_PLANE = 256  # positions; measured between 64 (1.3 times as fast written out) and 784 (no difference)
_LONGEST_SUM = 256  # samples that are added one after the other: more of them would lose digits
_FEW_SAMPLES = 4  # from here on adding up samples first, which runs along whole samples, is faster


def normalize_forward(
    x: Array, w: Array | None, b: Array | None, columns: int, positions: int, rows: int | None, eps: float
) -> tuple[Array, Array, Array, Array, Array]:
    """The result, x - mean (both of the shape of ``x``), and 1 / √(variance + eps), mean, and variance, one each for a group.

    float16 and bfloat16 are computed in float32, in which all but the first of the results then are.
    """
    kind = x.dtype
    wide = x.astype(F32) if kind in LOW_PRECISION else x
    w, b = _like(w, wide), _like(b, wide)
    real = wide.dtype.type
    if rows is None:
        size = x.size // columns if columns else 0
        values = _as_columns(wide, columns, positions)
        mean = _sums(wide, columns, positions) * real(_share(size))
        centred = values - _spread(mean, positions)
        variance = _products(centred, centred, columns, positions) * real(_share(size))
        inverse = 1 / np.sqrt(variance + real(eps))
        y = centred * _spread(inverse if w is None else inverse * w, positions)
    else:
        values = wide.reshape(x.size // rows if rows else 0, rows)
        mean = np.add.reduce(values, 1) * real(_share(rows))
        centred = values - mean[:, None]
        variance = np.einsum("rd,rd->r", centred, centred) * real(_share(rows))
        inverse = 1 / np.sqrt(variance + real(eps))
        y = _as_columns(centred * inverse[:, None], columns, positions)
        if w is not None:
            y *= _spread(w, positions)
    if b is not None:
        y += _spread(b, positions)
    shape = x.shape
    return y.reshape(shape).astype(kind, copy=False), centred.reshape(shape), inverse, mean, variance


def normalize_gradient(
    g: Array, centred: Array, inverse: Array, w: Array | None, columns: int, positions: int, rows: int | None
) -> tuple[Array, Array, Array]:
    """The gradients for x, w and b from ``g``, that for the result of ``normalize_forward``, and what that gave."""
    kind = g.dtype
    wide = np.ascontiguousarray(g, centred.dtype)
    w = _like(w, wide)
    real = wide.dtype.type
    shift = _sums(wide, columns, positions)
    if rows is None:
        share = real(_share(wide.size // columns if columns else 0))
        products = _products(wide, centred, columns, positions)
        scale = products * inverse
        slope = scale * inverse
        slope *= -share
        total = _as_columns(centred, columns, positions) * _spread(slope, positions)
        total += _as_columns(wide, columns, positions)
        total -= _spread(shift * share, positions)
        total *= _spread(inverse if w is None else inverse * w, positions)
    else:
        share = real(_share(rows))
        c = centred.reshape(len(inverse), rows)
        total = wide.reshape(len(inverse), rows) * inverse[:, None]
        scale = _products(total, c, columns, positions)
        if w is not None:
            by_column = _as_columns(total, columns, positions)
            by_column *= _spread(w, positions)
        slope = np.einsum("rd,rd->r", total, c)
        slope *= inverse * inverse * share
        correction = c * slope[:, None]
        correction += (np.add.reduce(total, 1) * share)[:, None]
        total -= correction
    return total.reshape(g.shape).astype(kind, copy=False), scale, shift


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
    return np.repeat(values, positions) if positions <= _SMALL_PLANE else values[:, None]


def _sums(x: Array, columns: int, positions: int) -> Array:
    """The sum of each column."""
    samples = x.size // (columns * positions) if x.size else 0
    if samples < _FEW_SAMPLES:
        inner = np.add.reduce(x.reshape(samples, columns, positions), 2)
        return np.add.reduce(inner, 0)  # type: ignore[no-any-return]
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
