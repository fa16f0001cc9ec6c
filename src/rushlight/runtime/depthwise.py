"""Convolution with one input channel in each group (``groups == channels``), where a matrix product per group is too thin.

Two ways, chosen by an estimate from the shapes alone:

- *banded*: the kernel's rows are written into a band matrix (kernel rows · width, output width) for each channel; one output row
  of all samples is then one matrix product. It does more arithmetic (most of the matrix is zero), at BLAS speed.
- *multiply and add*: one pass over the input for each element of the kernel.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from rushlight.core.shapes import Shape, count
from rushlight.runtime.conv_tiles import Window

Array = NDArray[Any]

_TILE_BYTES = 512 << 10
# Nanoseconds, measured with float32 on one core at 3 GHz with AVX-512; only their proportion matters.
_BAND_PER_PRODUCT = 1 / 30
_BAND_PER_CALL = 500.0
_PASS_PER_ELEMENT = 0.7
_PASS_PER_ROW = 200.0


def padded(x: Array, window: Window) -> Array:
    """``x`` cropped or with zeros around it, just as far as the windows reach."""
    kernel, stride, padding, dilation, output, _ = window
    extents = [(o - 1) * s + (k - 1) * d + 1 for o, s, k, d in zip(output, stride, kernel, dilation, strict=True)]
    to: list[slice] = []
    of: list[slice] = []
    for (before, _), extent, size in zip(padding, extents, x.shape[2:], strict=True):
        left, right = max(0, before), max(before, 0, min(extent, size + before))
        to.append(slice(left, right))
        of.append(slice(left - before, right - before))
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
    x = padded(x, window)
    result = np.empty((samples, channels, multiplier, *window.output), x.dtype)
    by_channel = w.reshape(channels, multiplier, *window.kernel)
    banded = _prefers_bands(x.shape, window)
    for i in range(multiplier):
        if banded:
            _bands(x, by_channel[:, i], window, result[:, :, i])
        else:
            _passes(x, by_channel[:, i], window, result[:, :, i])
    return result.reshape(samples, channels * multiplier, *window.output)


def _prefers_bands(shape: Shape, window: Window) -> bool:
    samples, channels, *spatial = shape
    if len(spatial) != 2 or window.dilation[0] != 1:
        return False
    products = samples * channels * window.output[0] * window.kernel[0] * spatial[1] * window.output[1]
    bands = products * _BAND_PER_PRODUCT + channels * window.output[0] * _BAND_PER_CALL
    rows = samples * channels * (1 if max(window.stride) == 1 else window.output[0])
    elements = samples * channels * count(spatial)
    passes = count(window.kernel) * (rows * _PASS_PER_ROW + elements * _PASS_PER_ELEMENT)
    return bands < passes


def _bands(x: Array, w: Array, window: Window, result: Array) -> None:
    """One product for each channel and output row: (samples, rows · width) times the band matrix."""
    (samples, channels, _, width), (height, out_width) = x.shape, window.output
    rows, columns = window.kernel
    x = np.ascontiguousarray(x)
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


def _along_rows(index: Shape, extents: Shape) -> int:
    """The position of ``index`` in a plane that is read row after row."""
    position = 0
    for at, extent in zip(index, extents, strict=True):
        position = position * extent + at
    return position


class _Planes:
    """The input's planes, and for each element of the kernel the slices of them that meet the output positions.

    With stride 1 a plane is one vector, and a shift by rows and columns is one offset in it; ``width`` output positions,
    those in the gaps between rows included, are then neighbours. Otherwise the slices have the output's dimensions.
    """

    __slots__ = ("flat", "sizes", "slices", "spread", "values")

    def __init__(self, x: Array, window: Window) -> None:
        kernel, stride, _, dilation, output, _ = window
        extents = x.shape[2:]
        offsets = [[i * d for i, d in zip(index, dilation, strict=True)] for index in product(*map(range, kernel))]
        self.flat = max(stride) == 1
        self.slices: list[tuple[slice, ...]] = []
        every = (slice(None), slice(None))
        if self.flat:
            reach = _along_rows(tuple([n - 1 for n in output]), extents) + 1
            self.values = np.ascontiguousarray(x).reshape(*x.shape[:2], count(extents))
            self.sizes: Shape = (reach,)
            self.spread: Shape = (output[0], *extents[1:])
            for offset in offsets:
                start = _along_rows(tuple(offset), extents)
                self.slices.append((*every, slice(start, start + reach)))
        else:
            self.values = x
            self.sizes = self.spread = output
            for offset in offsets:
                starts_and_more = zip(offset, output, stride, strict=True)
                self.slices.append((*every, *[slice(o, o + (n - 1) * s + 1, s) for o, n, s in starts_and_more]))


def _passes(x: Array, w: Array, window: Window, result: Array) -> None:
    """One multiplication and one addition of whole (shifted) planes for each element of the kernel."""
    planes = _Planes(x, window)
    samples, channels = x.shape[:2]
    scales = w.reshape(channels, len(planes.slices), *(1,) * len(planes.sizes))
    plane_bytes = count(planes.spread) * x.itemsize
    some = max(1, min(samples, _TILE_BYTES // max(1, plane_bytes * channels)))
    few = channels if some > 1 else max(1, min(channels, _TILE_BYTES // plane_bytes))
    totals = np.empty((some, few, count(planes.spread)), x.dtype)
    part = np.empty((some, few, *planes.sizes), x.dtype)
    crop = (slice(None), slice(None), *[slice(n) for n in window.output])
    for first, start in product(range(0, samples, some), range(0, channels, few)):
        values = planes.values[first : first + some, start : start + few]
        tile = values.shape[:2]
        total = totals[: tile[0], : tile[1]]
        into = total[..., : planes.sizes[0]] if planes.flat else total.reshape(*tile, *planes.sizes)
        product_of_one = part[: tile[0], : tile[1]]
        for i, window_slice in enumerate(planes.slices):
            scale = scales[start : start + few, i]
            if i == 0:
                np.multiply(values[window_slice], scale, out=into)
            else:
                np.multiply(values[window_slice], scale, out=product_of_one)
                np.add(into, product_of_one, out=into)
        result[first : first + some, start : start + few] = total.reshape(*tile, *planes.spread)[crop]


def depthwise_weight_gradient(g: Array, x: Array, window: Window) -> Array:
    """The gradient for the weight (channels · multiplier, 1, *kernel), from ``g`` of the result's shape."""
    samples, channels = x.shape[:2]
    multiplier = g.shape[1] // channels
    planes = _Planes(padded(x, window), window)
    result = np.empty((channels, multiplier, len(planes.slices)), x.dtype)
    given = g.reshape(samples, channels, multiplier, *window.output)
    if planes.flat:
        # g as vectors as wide as the planes, with zeros in the gaps: each sum is then a dot product.
        wide = np.zeros((samples, channels, multiplier, *planes.spread), x.dtype)
        wide[(slice(None), slice(None), slice(None), *[slice(n) for n in window.output])] = given
        rows = wide.reshape(samples, channels, multiplier, count(planes.spread))[..., : planes.sizes[0]]
        for i, window_slice in enumerate(planes.slices):
            sums = np.matmul(rows, planes.values[window_slice][..., None])
            result[:, :, i] = sums.sum(axis=0, dtype=x.dtype)[..., 0]
    else:
        axes = (0, *range(2, x.ndim))
        for i, window_slice in enumerate(planes.slices):
            met = planes.values[window_slice]
            for m in range(multiplier):
                result[:, m, i] = (given[:, :, m] * met).sum(axis=axes, dtype=x.dtype)
    return result.reshape(channels * multiplier, 1, *window.kernel)
