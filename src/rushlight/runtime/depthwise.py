"""Convolution with one input channel in each group (``groups == channels``), whose matrix products would be too thin.

Two ways, chosen by an estimate from the shapes alone:

- *banded*: the kernel is written into a band matrix (kernel rows · width, output width) for each channel; one output
  row of all samples is then one matrix product. That is more arithmetic, as most of the matrix is zero, at the speed
  of BLAS.
- *multiply and add*: one pass over the input for each element of the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ..core.shapes import Shape, count
from .conv_tiles import Pairs, Window, overlap

Array = NDArray[Any]

_TILE_BYTES = 2 << 20
# Nanoseconds, measured with float32 on one core at 3 GHz with AVX-512; only their proportion matters.
_BAND_PER_PRODUCT = 0.028
_BAND_PER_CALL = 200.0
_PASS_PER_ELEMENT = 0.35
_COPY_PER_ELEMENT = 1.0


def _padded(x: Array, padding: Pairs, extents: Shape) -> Array:
    """``x`` with ``extents``: zeros around it or cropped before, by ``padding``, and behind."""
    to: list[slice] = []
    of: list[slice] = []
    for (before, _), extent, size in zip(padding, extents, x.shape[2:], strict=True):
        inner, taken = overlap(before, extent, size)
        to.append(inner)
        of.append(taken)
    every = (slice(None), slice(None))
    if all(t.stop - t.start == extent for t, extent in zip(to, extents, strict=True)):
        return x[(*every, *of)]
    result = np.zeros((*x.shape[:2], *extents), x.dtype)
    result[(*every, *to)] = x[(*every, *of)]
    return result


def depthwise_forward(x: Array, w: Array, window: Window) -> Array:
    """The convolution of ``x`` (samples, channels, *spatial) with ``w`` (channels · multiplier, 1, *kernel)."""
    samples, channels = x.shape[:2]
    multiplier = w.shape[0] // channels
    result = np.empty((samples, channels, multiplier, *window.output), x.dtype)
    by_channel = w.reshape(channels, multiplier, *window.kernel)
    banded = _prefers_bands(x.shape, window)
    if banded:
        source = np.ascontiguousarray(_padded(x, window.padding, _reach(window)))
        for i in range(multiplier):
            _bands(source, by_channel[:, i], window, result[:, :, i])
    # The zeros of a band matrix make NaN of an infinity that no window meets.
    if not banded or not _finite(result):
        _passes(x, by_channel, window, result)
    return result.reshape(samples, channels * multiplier, *window.output)


def _reach(window: Window) -> Shape:
    """How many positions of the padded input the windows span."""
    kernel, stride, _, dilation, output, _ = window
    return tuple(
        [(o - 1) * s + (k - 1) * d + 1 for o, s, k, d in zip(output, stride, kernel, dilation, strict=True)]
    )


def _finite(values: Array) -> bool:
    return values.dtype.kind not in "fc" or bool(np.isfinite(values).all())


def _prefers_bands(shape: Shape, window: Window) -> bool:
    samples, channels, *spatial = shape
    if len(spatial) != 2 or window.dilation[0] != 1:
        return False
    products = samples * channels * window.output[0] * window.kernel[0] * spatial[1] * window.output[1]
    bands = products * _BAND_PER_PRODUCT + channels * window.output[0] * _BAND_PER_CALL
    copied = samples * channels * count(spatial)
    per_pass = copied / count(window.stride) * _PASS_PER_ELEMENT
    return bands < count(window.kernel) * per_pass + copied * _COPY_PER_ELEMENT


def _bands(x: Array, w: Array, window: Window, result: Array) -> None:
    """One product for each channel and output row: (samples, rows · width) times the band matrix."""
    (samples, channels, _, width), (height, out_width) = x.shape, window.output
    rows, columns = window.kernel
    bands = np.zeros((channels, rows, width, out_width), x.dtype)
    a, b, c, d = bands.strides
    diagonals = as_strided(
        bands, (channels, rows, columns, out_width), (a, b, c * window.dilation[1], c * window.stride[1] + d)
    )
    diagonals[...] = w[..., None]
    sample_step, channel_step, row_step, step = x.strides
    lines = as_strided(
        x,
        (channels, height, samples, rows * width),
        (channel_step, row_step * window.stride[0], sample_step, step),
    )
    np.matmul(lines, bands.reshape(channels, 1, rows * width, out_width), out=result.transpose(1, 2, 0, 3))


class _Grid(NamedTuple):
    """Planes as vectors, in which a shift by rows and columns is one offset.

    Where there is a stride, each residue of the positions modulo the stride gets a plane of its own, so that
    neighbours are met by neighbours. A vector holds the positions of ``extents``; the output's are the first ones
    along each dimension, the others are not used.
    """

    extents: Shape
    size: int  # of one plane
    shifts: tuple[tuple[int, int], ...]  # for each kernel element: its plane's number and its offset in it


@lru_cache(maxsize=256)
def _grid_of(window: Window) -> _Grid:
    kernel, stride, _, dilation, output, _ = window
    extents = tuple(
        [o + (k - 1) * d // s for o, k, d, s in zip(output, kernel, dilation, stride, strict=True)]
    )
    shifts = []
    for index in product(*map(range, kernel)):
        turns = [divmod(i * d, s) for i, d, s in zip(index, dilation, stride, strict=True)]
        residue = _along_rows([r for _, r in turns], stride)
        shifts.append((residue, _along_rows([q for q, _ in turns], extents)))
    return _Grid(extents, count(extents), tuple(shifts))


def _along_rows(index: Sequence[int], extents: Shape) -> int:
    """The position of ``index`` in an array of ``extents`` that is read row after row."""
    position = 0
    for at, extent in zip(index, extents, strict=True):
        position = position * extent + at
    return position


def _planes(x: Array, window: Window, grid: _Grid) -> Array:
    """The input as (samples, residues, channels, grid.size)."""
    stride = window.stride
    samples, channels = x.shape[:2]
    x = _padded(x, window.padding, tuple([n * s for n, s in zip(grid.extents, stride, strict=True)]))
    if max(stride) > 1:
        split = [extent for pair in zip(grid.extents, stride, strict=True) for extent in pair]
        axes = 2 * len(stride) + 2
        x = x.reshape(samples, channels, *split).transpose(0, *range(3, axes, 2), 1, *range(2, axes, 2))
    return np.ascontiguousarray(x).reshape(samples, count(stride), channels, grid.size)


def _chunks(x: Array, elements: int) -> Iterator[tuple[slice, slice]]:
    """Slices of samples and of channels for which planes with so many elements each fit the cache together."""
    samples, channels = x.shape[:2]
    plane_bytes = elements * x.itemsize
    few = max(1, min(channels, _TILE_BYTES // plane_bytes))
    some = max(1, min(samples, _TILE_BYTES // (few * plane_bytes)))
    for start in range(0, channels, few):
        for first in range(0, samples, some):
            yield slice(first, min(samples, first + some)), slice(start, min(channels, start + few))


def _passes(x: Array, w: Array, window: Window, result: Array) -> None:
    """One multiplication and one addition of whole (shifted) planes for each element of the kernel and multiplier."""
    grid = _grid_of(window)
    last = max(shift for _, shift in grid.shifts)
    crop = (slice(None), slice(None), *[slice(n) for n in window.output])
    chunk: slice | None = None
    for samples, channels in _chunks(x, count(window.stride) * grid.size):
        size = (channels.stop - channels.start) * grid.size
        length = size - last
        values = _planes(x[samples, channels], window, grid).reshape(-1, count(window.stride), size)
        if chunk != channels:
            # The channels' factors written out, so that a whole sample is one run for NumPy's loops.
            chunk = channels
            by_element = (
                w[channels].reshape(channels.stop - channels.start, w.shape[1], -1).transpose(1, 2, 0)
            )
            factors = np.repeat(by_element, grid.size, axis=2)[..., :length]
        total = np.empty((len(values), size), x.dtype)
        into = total[:, :length]
        for i in range(w.shape[1]):
            np.multiply(values[:, 0, :length], factors[i, 0], out=into)
            for k, (residue, shift) in enumerate(grid.shifts[1:], 1):
                into += values[:, residue, shift : shift + length] * factors[i, k]
            spread = total.reshape(len(values), -1, *grid.extents)
            result[samples, channels, i] = spread[crop]


def depthwise_weight_gradient(g: Array, x: Array, window: Window) -> Array:
    """The gradient for the weight (channels · multiplier, 1, *kernel), from ``g`` of the result's shape."""
    channels = x.shape[1]
    multiplier = g.shape[1] // channels
    grid = _grid_of(window)
    g = g.reshape(len(g), channels, multiplier, *window.output)
    result = np.zeros((channels, multiplier, len(grid.shifts)), x.dtype)
    place = (slice(None), slice(None), slice(None), *[slice(n) for n in window.output])
    last = max(shift for _, shift in grid.shifts)
    for some, few in _chunks(x, (count(window.stride) + multiplier) * grid.size):
        # For each channel the planes of all samples are one vector, and so are those of g, made as wide, with zeros at
        # the positions that are not the output's: each sum is then one dot product.
        values = _planes(x[some, few].swapaxes(0, 1), window, grid)
        size = values.shape[2] * grid.size
        values = values.reshape(-1, count(window.stride), size, 1)
        wide = np.zeros((len(values), multiplier, some.stop - some.start, *grid.extents), x.dtype)
        wide[place] = np.moveaxis(g[some, few], 0, 2)
        rows = wide.reshape(len(values), multiplier, size)[..., : size - last]
        for k, (residue, shift) in enumerate(grid.shifts):
            met = values[:, residue, shift : shift + size - last]
            result[few, :, k] += np.matmul(rows, met)[..., 0]
    if not _finite(result):
        # The zeros between the rows make NaN of an infinity that the output positions do not meet.
        result = _weight_sums(g, x, window)
    return result.reshape(channels * multiplier, 1, *window.kernel)


def _weight_sums(g: Array, x: Array, window: Window) -> Array:
    """What ``depthwise_weight_gradient`` computes, from the output positions alone: slower."""
    kernel, stride, padding, dilation, output, _ = window
    x = _padded(x, padding, _reach(window))
    result = np.empty((*g.shape[1:3], count(kernel)), x.dtype)
    for k, index in enumerate(product(*map(range, kernel))):
        window_slice = [
            slice(i * d, i * d + (n - 1) * s + 1, s)
            for i, d, n, s in zip(index, dilation, output, stride, strict=True)
        ]
        met = x[(slice(None), slice(None), *window_slice)]
        for m in range(g.shape[2]):
            products: Array = g[:, :, m] * met
            result[:, m, k] = products.sum(axis=(0, *range(2, x.ndim)), dtype=x.dtype)
    return result
