"""Convolution of plain arrays, in one, two or three dimensions, and its two gradients.

Three functions, each bilinear:

=============================  ==============================================================================
``conv_forward(x, w)``         y[n, o, t] = Σ over c, k of w[o, c, k] · x[n, c, t·stride + k·dilation − padding]
``conv_input_gradient(g, w)``  the same sum read for x: the adjoint of ``conv_forward`` in its first argument
``conv_weight_gradient(g, x)`` the same sum read for w: the adjoint in its second argument
=============================  ==============================================================================

**They are closed under differentiation.** All three are ways to read one trilinear form
⟨g, conv_forward(x, w)⟩ = ⟨x, conv_input_gradient(g, w)⟩ = ⟨w, conv_weight_gradient(g, x)⟩, so the gradient of each
of them is made of the other two (h is the gradient that arrives, of the shape of the function's result):

============================  ==========================================  =========================================
function                      gradient for its first argument             gradient for its second argument
============================  ==========================================  =========================================
``conv_forward(x, w)``        x: ``conv_input_gradient(h, w)``            w: ``conv_weight_gradient(h, x)``
``conv_input_gradient(g, w)``  g: ``conv_forward(h, w)``                  w: ``conv_weight_gradient(g, h)``
``conv_weight_gradient(g, x)``  g: ``conv_forward(x, h)``                 x: ``conv_input_gradient(g, h)``
============================  ==========================================  =========================================

That gives derivatives of every order. No function conjugates: for complex numbers the caller passes the conjugate of the
argument that is not h.

**Transposed convolution** is ``conv_input_gradient``: ``conv_transpose(x, w, stride, padding, output_padding, groups,
dilation)`` is ``conv_input_gradient(x, w, spatial, stride, padding, dilation, groups)`` with ``spatial`` from
``conv_transpose_output_shape``, which is where ``output_padding`` enters. Its weight has PyTorch's layout as it is:
(channels of x, channels of the result / groups, *kernel).

Where ``output_padding`` reaches the stride (PyTorch allows it below the dilation), a plain convolution of the result has
more positions than x had; ``conv_forward`` then needs ``output_spatial_shape``, the spatial shape of x.

How it is done: the input is cut into tiles of samples (and of rows, where one sample is large), each tile's windows are packed
into a buffer of a few MB, and a matrix product (BLAS) does the rest. Where the stride of the first spatial dimension is 1, the
windows of that dimension are not copied: they are slices of the same buffer, and the products add up. The cuts depend
on the shapes alone, so that the result does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from rushlight.core.dtypes import F32, LOW_PRECISION
from rushlight.core.shapes import count
from rushlight.runtime.depthwise import Window, depthwise_forward, depthwise_weight_gradient
from rushlight.runtime.window_shapes import check_conv_dtypes, conv_output_shape

Array = NDArray[Any]
Shape = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]

# Measured on 2 cores with 1 MB of second-level cache each: from 256 KB to 4 MB the time is flat within 10%.
_TILE_BYTES = 2 << 20
_SAMPLE_BYTES = 8 << 20  # a sample whose windows take more than this is cut into tiles of rows
_SHIFT_FROM = 6  # packed rows below which slices of a shared buffer lose: their products are too thin
_MERGE_BELOW = 64  # output positions of a sample below which the samples of a tile share one product


class _Layout(NamedTuple):
    """How the windows of one tile lie in its buffer."""

    shifted: bool  # the first spatial dimension's windows are slices, not copies
    merged: bool  # the tile's samples stand side by side in one matrix
    samples: int  # of one tile
    rows: int  # of one tile: positions along the first spatial dimension of the output


@lru_cache(maxsize=512)
def _layout(window: Window, samples: int, channels: int, itemsize: int) -> _Layout:
    kernel, output = window.kernel, window.output
    packed = channels // window.groups * count(kernel[1:])
    shifted = kernel[0] > 1 and window.stride[0] == 1 and packed >= _SHIFT_FROM
    if shifted:
        halo = (kernel[0] - 1) * window.dilation[0]
        row_bytes = channels * count(kernel[1:]) * count(output[1:]) * itemsize
    else:
        halo = 0
        row_bytes = channels * count(kernel) * count(output[1:]) * itemsize
    rows = output[0]
    if row_bytes * (rows + halo) > _SAMPLE_BYTES:
        rows = min(rows, max(1, halo, _SAMPLE_BYTES // row_bytes - halo))
    tile_samples = max(1, min(samples, _TILE_BYTES // max(1, row_bytes * (rows + halo))))
    merged = samples > 1 and count(output) < _MERGE_BELOW
    return _Layout(shifted, merged, tile_samples, rows)


class _Tile(NamedTuple):
    first: int  # sample
    last: int
    top: int  # row of the output
    bottom: int


def _tiles(layout: _Layout, samples: int, rows: int) -> Iterator[_Tile]:
    for first in range(0, samples, layout.samples):
        last = min(samples, first + layout.samples)
        for top in range(0, rows, layout.rows):
            yield _Tile(first, last, top, min(rows, top + layout.rows))


class _Columns:
    """The windows of the input, tile by tile, as the right-hand operand of a matrix product.

    ``load`` gives an array (batch, groups, packed, span): the packed rows are the channels of a group with the kernel's
    offsets (all but the first dimension's, where the layout is shifted), the columns are the output positions.
    """

    __slots__ = ("buffer", "layout", "source", "stage", "window", "x")

    def __init__(self, x: Array, window: Window, layout: _Layout) -> None:
        self.x = x
        self.window = window
        self.layout = layout
        self.buffer: Array | None = None
        self.stage: Array | None = None
        kernel, stride, padding, dilation, output, _ = window
        extents = [(o - 1) * s + (k - 1) * d + 1 for o, s, k, d in zip(output, stride, kernel, dilation, strict=True)]
        needs_zeros = any(
            before > 0 or extent - before > size
            for extent, (before, _), size in zip(extents, padding, x.shape[2:], strict=True)
        )
        if needs_zeros:
            rows = (layout.rows - 1) * stride[0] + (kernel[0] - 1) * dilation[0] + 1
            self.stage = np.zeros((layout.samples, x.shape[1], rows, *extents[1:]), x.dtype)

    def _input_rows(self, tile: _Tile) -> Array:
        """The rows of the input that the tile reads, with its zeros around them."""
        kernel, stride, padding, dilation, _, _ = self.window
        start = tile.top * stride[0] - padding[0][0]
        rows = (tile.bottom - tile.top - 1) * stride[0] + (kernel[0] - 1) * dilation[0] + 1
        x = self.x[tile.first : tile.last]
        stage = self.stage
        if stage is None:
            inner = [slice(-before, None) for before, _ in padding[1:]]
            return x[(slice(None), slice(None), slice(start, start + rows), *inner)]
        stage = stage[: tile.last - tile.first, :, :rows]
        size = x.shape[2]
        low, high = min(max(0, -start), rows), min(rows, max(0, size - start))
        stage[:, :, :low] = 0
        stage[:, :, high:] = 0
        if high > low:
            to: list[slice] = [slice(low, high)]
            of: list[slice] = [slice(start + low, start + high)]
            for (before, _), extent, size in zip(padding[1:], stage.shape[3:], x.shape[3:], strict=True):
                left, right = max(0, before), max(before, 0, min(extent, size + before))
                to.append(slice(left, right))
                of.append(slice(left - before, right - before))
            stage[(slice(None), slice(None), *to)] = x[(slice(None), slice(None), *of)]
        return stage

    def load(self, tile: _Tile) -> Array:
        kernel, stride, _, dilation, output, groups = self.window
        x = self._input_rows(tile)
        samples, channels = tile.last - tile.first, x.shape[1]
        sample_step, channel_step, *steps = x.strides
        shifted, merged, _, _ = self.layout
        skip = 1 if shifted else 0
        rows = tile.bottom - tile.top + (kernel[0] - 1) * dilation[0] if shifted else tile.bottom - tile.top
        packed = channels // groups * count(kernel[skip:])
        span = rows * count(output[1:])
        if not merged and count(kernel[skip:]) == 1 and channel_step >= span * x.itemsize and _adjoin(
            (rows, *output[1:]), stride, steps, x.itemsize
        ):
            # Nothing to pack: every window is one element of each row of the input.
            shape: Shape = (samples, groups, packed, span)
            return as_strided(x, shape, (sample_step, packed * channel_step, channel_step, x.itemsize))
        sizes = (channels, *kernel[skip:], rows)
        moves = (
            channel_step,
            *(s * d for s, d in zip(steps[skip:], dilation[skip:], strict=True)),
            steps[0] * stride[0],
        )
        inner = tuple(s * t for s, t in zip(steps[1:], stride[1:], strict=True))
        if merged:
            sizes = (*sizes, samples, *output[1:])
            moves = (*moves, sample_step, *inner)
            shape = (1, groups, packed, span * samples)
        else:
            sizes = (samples, *sizes, *output[1:])
            moves = (sample_step, *moves, *inner)
            shape = (samples, groups, packed, span)
        size = count(sizes)
        if self.buffer is None or self.buffer.size < size:
            self.buffer = np.empty(size, x.dtype)
        columns = self.buffer[:size]
        np.copyto(columns.reshape(sizes), as_strided(x, sizes, moves))
        return columns.reshape(shape)


def _adjoin(sizes: Shape, stride: Shape, steps: list[int], itemsize: int) -> bool:
    """Whether the elements that one kernel offset meets follow each other in memory without a gap."""
    expected = itemsize
    for size, jump, step in zip(reversed(sizes), reversed(stride), reversed(steps), strict=True):
        if size > 1 and step * jump != expected:
            return False
        expected *= size
    return True


def _taps(w: Array, window: Window, shifted: bool) -> Array:
    """The weight as (slices of the first dimension, groups, outputs of a group, packed rows)."""
    per_group = w.shape[0] // window.groups
    if not shifted:
        return w.reshape(1, window.groups, per_group, -1)
    first_axis = np.moveaxis(w, 2, 0)
    return first_axis.reshape(window.kernel[0], window.groups, per_group, -1)


def _correlate(x: Array, w: Array, window: Window) -> Array:
    """``conv_forward`` for arguments known to fit, any sign of padding, and a dtype to compute in."""
    groups, output = window.groups, window.output
    samples, channels = x.shape[:2]
    if groups > 1 and channels == groups:
        return depthwise_forward(x, w, window)
    layout = _layout(window, samples, channels, x.itemsize)
    taps = _taps(w, window, layout.shifted)
    per_group = w.shape[0] // groups
    row = count(output[1:])
    result = np.empty((samples, groups, per_group, output[0] * row), x.dtype)
    columns = _Columns(x, window, layout)
    for tile in _tiles(layout, samples, output[0]):
        loaded = columns.load(tile)
        rows = tile.bottom - tile.top
        if layout.merged:
            step = row * (tile.last - tile.first)
            target = np.empty((1, groups, per_group, rows * step), x.dtype)
        else:
            step = row
            target = result[tile.first : tile.last, :, :, tile.top * row : tile.bottom * row]
        span = rows * step
        np.matmul(taps[0], loaded[..., :span], out=target)
        if len(taps) > 1:
            part = np.empty(target.shape, x.dtype)
            for i in range(1, len(taps)):
                start = i * window.dilation[0] * step
                np.matmul(taps[i], loaded[..., start : start + span], out=part)
                np.add(target, part, out=target)
        if layout.merged:
            by_sample = target.reshape(groups, per_group, rows, tile.last - tile.first, row).transpose(3, 0, 1, 2, 4)
            result.reshape(samples, groups, per_group, output[0], row)[
                tile.first : tile.last, :, :, tile.top : tile.bottom
            ] = by_sample
    return result.reshape(samples, w.shape[0], *output)


def _correlate_weight(g: Array, x: Array, window: Window) -> Array:
    """``conv_weight_gradient`` for arguments known to fit."""
    groups, kernel, output = window.groups, window.kernel, window.output
    samples, channels = x.shape[:2]
    per_group, packed_channels = g.shape[1] // groups, channels // groups
    layout = _layout(window, samples, channels, x.itemsize)
    row = count(output[1:])
    slices = kernel[0] if layout.shifted else 1
    packed = packed_channels * count(kernel) // slices
    result = np.zeros((slices, groups, packed, per_group), x.dtype)
    columns = _Columns(x, window, layout)
    for tile in _tiles(layout, samples, output[0]):
        loaded = columns.load(tile)
        size, rows = tile.last - tile.first, tile.bottom - tile.top
        if layout.merged:
            step = row * size
            spread = g.reshape(samples, groups, per_group, output[0], row)
            spread = spread[tile.first : tile.last, :, :, tile.top : tile.bottom].transpose(1, 2, 3, 0, 4)
            given = spread.reshape(1, groups, per_group, rows * step)
        else:
            step = row
            flat = g.reshape(samples, groups, per_group, output[0] * row)
            given = flat[tile.first : tile.last, :, :, tile.top * row : tile.bottom * row]
        given = given.swapaxes(-1, -2)
        span = rows * step
        for i in range(slices):
            start = i * window.dilation[0] * step
            parts = np.matmul(loaded[..., start : start + span], given)
            result[i] += parts[0] if len(parts) == 1 else parts.sum(axis=0, dtype=x.dtype)
    rest = kernel[1:] if layout.shifted else kernel
    by_axis = result.reshape(slices, groups, packed_channels, *rest, per_group)
    # (slices, group, channel, *rest, output) -> (group, output, channel, slices, *rest)
    order = (1, by_axis.ndim - 1, 2, 0, *range(3, by_axis.ndim - 1))
    return np.ascontiguousarray(by_axis.transpose(order)).reshape(g.shape[1], packed_channels, *kernel)


def _scatter(g: Array, w: Array, spatial: Shape, window: Window) -> Array:
    """``conv_input_gradient`` as the transpose of ``_correlate``: products, then sums into the input's positions."""
    kernel, stride, padding, dilation, output, groups = window
    samples = len(g)
    channels, per_group = w.shape[1] * groups, w.shape[0] // groups
    layout = _layout(window, samples, channels, g.itemsize)
    taps = _taps(w, window, layout.shifted).swapaxes(-1, -2)
    row = count(output[1:])
    skip = 1 if layout.shifted else 0
    rest = kernel[skip:]
    packed = w.shape[1] * count(rest)
    result = np.zeros((samples, channels, *spatial), g.dtype)
    for tile in _tiles(layout, samples, output[0]):
        size, rows = tile.last - tile.first, tile.bottom - tile.top
        span = rows * row
        flat = g.reshape(samples, groups, per_group, output[0] * row)
        given = flat[tile.first : tile.last, :, :, tile.top * row : tile.bottom * row]
        if not layout.shifted:
            columns = np.matmul(taps[0], given)
            reach = rows
        else:
            reach = rows + (kernel[0] - 1) * dilation[0]
            columns = np.empty((size, groups, packed, reach * row), g.dtype)
            np.matmul(taps[0], given, out=columns[..., :span])
            columns[..., span:] = 0
            part = np.empty((size, groups, packed, span), g.dtype)
            for i in range(1, len(taps)):
                start = i * dilation[0] * row
                np.matmul(taps[i], given, out=part)
                columns[..., start : start + span] += part
        pieces = columns.reshape(size, channels, *rest, reach, *output[1:])
        into = result[tile.first : tile.last]
        for offsets in product(*map(range, rest)):
            of: list[slice] = []
            to: list[slice] = []
            for axis, (length, count_out) in enumerate(zip(spatial, (reach, *output[1:]), strict=True)):
                offset = -padding[axis][0]
                if axis >= skip:
                    offset += offsets[axis - skip] * dilation[axis]
                if axis == 0:
                    offset += tile.top * stride[0]
                # the positions t of this axis with 0 <= t * step + offset < length
                step = stride[axis]
                low = max(0, -(offset // step))
                high = max(low, min(count_out, (length - offset + step - 1) // step))
                of.append(slice(low, high))
                begin = low * step + offset
                to.append(slice(begin, begin + (high - low - 1) * step + 1 if high > low else begin, step))
            into[(slice(None), slice(None), *to)] += pieces[(slice(None), slice(None), *offsets, *of)]
    return result


def _flipped(g: Array, w: Array, spatial: Shape, window: Window) -> Array:
    """``conv_input_gradient`` for stride 1: the convolution of g with the mirrored weight."""
    kernel, _, padding, dilation, _, groups = window
    per_group = w.shape[0] // groups
    mirrored = np.flip(w, tuple(range(2, w.ndim))).reshape(groups, per_group, w.shape[1], *kernel)
    mirrored = mirrored.swapaxes(1, 2).reshape(groups * w.shape[1], per_group, *kernel)
    around = []
    for k, d, (before, _), size, given in zip(kernel, dilation, padding, spatial, g.shape[2:], strict=True):
        left = (k - 1) * d - before
        around.append((left, size + (k - 1) * d - given - left))
    ones = (1,) * len(kernel)
    return _correlate(g, mirrored, Window(kernel, ones, tuple(around), dilation, spatial, groups))


def conv_forward(
    x: Array,
    w: Array,
    stride: Shape,
    padding: Pairs,
    dilation: Shape,
    groups: int,
    output_spatial_shape: Shape | None = None,
) -> Array:
    """The convolution of ``x`` (samples, channels, *spatial) with ``w`` (outputs, channels / groups, *kernel)."""
    check_conv_dtypes("conv", x.dtype, w.dtype)
    shape = conv_output_shape(x.shape, w.shape, stride, padding, dilation, groups)
    output = shape[2:] if output_spatial_shape is None else output_spatial_shape
    window = Window(w.shape[2:], stride, padding, dilation, output, groups)
    if x.dtype in LOW_PRECISION:
        return _correlate(x.astype(F32), w.astype(F32), window).astype(x.dtype)
    return _correlate(x, w, window)


def conv_input_gradient(
    g: Array, w: Array, input_spatial_shape: Shape, stride: Shape, padding: Pairs, dilation: Shape, groups: int
) -> Array:
    check_conv_dtypes("conv_input_gradient", g.dtype, w.dtype)
    window = Window(w.shape[2:], stride, padding, dilation, g.shape[2:], groups)
    if g.dtype in LOW_PRECISION:
        return _input_gradient(g.astype(F32), w.astype(F32), input_spatial_shape, window).astype(g.dtype)
    return _input_gradient(g, w, input_spatial_shape, window)


def conv_weight_gradient(
    g: Array, x: Array, kernel_shape: Shape, stride: Shape, padding: Pairs, dilation: Shape, groups: int
) -> Array:
    check_conv_dtypes("conv_weight_gradient", g.dtype, x.dtype)
    window = Window(kernel_shape, stride, padding, dilation, g.shape[2:], groups)
    if g.dtype in LOW_PRECISION:
        return _weight_gradient(g.astype(F32), x.astype(F32), window).astype(g.dtype)
    return _weight_gradient(g, x, window)


def _input_gradient(g: Array, w: Array, spatial: Shape, window: Window) -> Array:
    if _mirror(w.shape, spatial, window):
        return _flipped(g, w, spatial, window)
    return _scatter(g, w, spatial, window)


def _mirror(w_shape, spatial, window):
    return max(window.stride) == 1


def _weight_gradient(g: Array, x: Array, window: Window) -> Array:
    if 1 < window.groups == x.shape[1]:
        return depthwise_weight_gradient(g, x, window)
    return _correlate_weight(g, x, window)
