"""How a convolution is cut into tiles, and how one tile's windows are packed for a matrix product.

Two packings, each the faster one for a kind of shape:

- ``Columns``: a matrix for each sample and group, with one row for each channel and kernel element and one column for
  each output position. The product has PyTorch's memory order at once. Copies run along the width, which makes them
  slow where it is small.
- ``Rows``: a matrix for each sample, with one row for each output position, in which the channels lie side by side.
  Copies run along the channels. The samples of a tile can share one product, which then reads a large weight once;
  its result has to be transposed.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ..core.shapes import Shape, count

Array = NDArray[Any]
Pairs = tuple[tuple[int, int], ...]

# Measured with float32 on two cores with 1 MB of second-level cache each, OpenBLAS on one thread and on two.
# Between 256 KB and 4 MB for a tile the times differ by less than 10%.
_TILE_BYTES = 2 << 20
_SAMPLE_BYTES = 8 << 20  # a sample whose windows take more is cut into tiles of rows


class Window(NamedTuple):
    """One convolution's arguments and the spatial shape of its result; padding may be negative (a crop)."""

    kernel: Shape
    stride: Shape
    padding: Pairs
    dilation: Shape
    output: Shape
    groups: int


class Purpose(IntEnum):
    """What a layout is for: each has its own point from which a trick pays."""

    FORWARD = 0
    WEIGHT = 1
    SCATTER = 2


class Layout(NamedTuple):
    """How one convolution is packed and cut."""

    by_rows: bool  # Rows, not Columns
    joined: bool  # Rows: the samples of a tile share one product
    shifted: (
        bool  # Columns: the windows along the first spatial dimension are slices of the buffer, not copies
    )
    samples: int  # of one tile
    rows: int  # of one tile: positions along the first spatial dimension of the output


@lru_cache(maxsize=512)
def layout_of(
    window: Window, samples: int, channels: int, outputs: int, itemsize: int, purpose: Purpose
) -> Layout:
    """The layout for an input of ``channels`` and a result of ``outputs`` channels; it depends on nothing else."""
    kernel, output, groups = window.kernel, window.output, window.groups
    by_rows, joined = False, False
    if groups == 1:
        by_rows, joined = _rows_pay(window, channels, outputs, purpose)
    halo, copied = 0, count(kernel)
    shifted = False
    if not by_rows and kernel[0] > 1 and window.stride[0] == 1:
        # Slices save copies, but split one product into kernel[0] thinner ones and add their results up.
        halo = (kernel[0] - 1) * window.dilation[0]
        packed, per_group = channels // groups * count(kernel[1:]), outputs // groups
        shifted = output[0] >= halo
        if purpose is not Purpose.SCATTER:
            shifted = shifted and len(kernel) > 1 and (packed >= 24 or 3 * packed >= 2 * per_group)
    if shifted:
        copied = count(kernel[1:])
    else:
        halo = 0
    row_bytes = max(1, channels * copied * count(output[1:]) * itemsize)
    rows = output[0]
    if row_bytes * (rows + halo) > _SAMPLE_BYTES:
        rows = min(rows, max(1, halo, _SAMPLE_BYTES // row_bytes - halo))
    some = max(1, min(samples, _TILE_BYTES // (row_bytes * (rows + halo))))
    return Layout(by_rows, joined, shifted, some, rows)


def _rows_pay(window: Window, channels: int, outputs: int, purpose: Purpose) -> tuple[bool, bool]:
    """Whether to pack by rows, and whether to join the samples in one product."""
    positions, width = count(window.output), window.output[-1]
    elements = count(window.kernel)
    weight = outputs * channels * elements
    # A weight that is large beside a sample's positions should be read once and not for each sample.
    if weight >= 4096 * positions:
        return True, True
    pays = elements > 1 and channels >= 4 and (width <= 8 or (width <= 12 and channels >= 32))
    # OpenBLAS multiplies small matrices without packing them, up to about this size.
    return pays, purpose is Purpose.FORWARD and weight * positions > 1_000_000


class Tile(NamedTuple):
    first: int  # sample
    last: int
    top: int  # row of the output
    bottom: int


def tiles(layout: Layout, samples: int, rows: int) -> Iterator[Tile]:
    for first in range(0, samples, layout.samples):
        last = min(samples, first + layout.samples)
        for top in range(0, rows, layout.rows):
            yield Tile(first, last, top, min(rows, top + layout.rows))


def overlap(before: int, extent: int, size: int) -> tuple[slice, slice]:
    """Where ``size`` positions lie among ``extent`` that begin ``before`` earlier, and which of them lie there."""
    left, right = max(0, before), max(before, 0, min(extent, size + before))
    return slice(left, right), slice(left - before, right - before)


class _Source:
    """The part of the input that a tile reads, with its zeros around it: (samples, channels, *spatial)."""

    __slots__ = ("stage", "window", "x")

    def __init__(self, x: Array, window: Window, layout: Layout, channels_last: bool) -> None:
        self.x = x
        self.window = window
        self.stage: Array | None = None
        kernel, stride, padding, dilation, output, _ = window
        extents = [
            (o - 1) * s + (k - 1) * d + 1 for o, s, k, d in zip(output, stride, kernel, dilation, strict=True)
        ]
        has_zeros = any(
            before > 0 or extent - before > size
            for extent, (before, _), size in zip(extents, padding, x.shape[2:], strict=True)
        )
        extents[0] = (layout.rows - 1) * stride[0] + (kernel[0] - 1) * dilation[0] + 1
        allocate = np.zeros if has_zeros else np.empty
        if channels_last:
            self.stage = np.moveaxis(allocate((layout.samples, *extents, x.shape[1]), x.dtype), -1, 1)
        elif has_zeros:
            self.stage = allocate((layout.samples, x.shape[1], *extents), x.dtype)

    def load(self, tile: Tile) -> Array:
        kernel, stride, padding, dilation, _, _ = self.window
        start = tile.top * stride[0] - padding[0][0]
        rows = (tile.bottom - tile.top - 1) * stride[0] + (kernel[0] - 1) * dilation[0] + 1
        x = self.x[tile.first : tile.last]
        if self.stage is None:
            inner = [slice(-before, None) for before, _ in padding[1:]]
            return x[(slice(None), slice(None), slice(start, start + rows), *inner)]
        stage = self.stage[: tile.last - tile.first, :, :rows]
        to: list[slice] = []
        of: list[slice] = []
        befores = (-start, *(before for before, _ in padding[1:]))
        for before, extent, size in zip(befores, stage.shape[2:], x.shape[2:], strict=True):
            place, taken = overlap(before, extent, size)
            to.append(place)
            of.append(taken)
        # Which rows lie outside the input changes from tile to tile; the other dimensions' zeros stay.
        if to[0].start > 0:
            stage[:, :, : to[0].start] = 0
        if to[0].stop < rows:
            stage[:, :, to[0].stop :] = 0
        stage[(slice(None), slice(None), *to)] = x[(slice(None), slice(None), *of)]
        return stage


class Columns:
    """The windows of the input, tile by tile, with one column for each output position.

    ``load`` gives an array (samples, groups, packed, span): the packed rows are a group's channels with the kernel's
    elements (but for the first dimension's, where the layout is shifted), the span is the tile's output positions
    (and the further input rows that the shifts reach).
    """

    __slots__ = ("buffer", "shifted", "source", "window")

    def __init__(self, x: Array, window: Window, layout: Layout) -> None:
        self.window = window
        self.shifted = layout.shifted
        self.source = _Source(x, window, layout, channels_last=False)
        self.buffer: Array | None = None

    def load(self, tile: Tile) -> Array:
        kernel, stride, _, dilation, output, groups = self.window
        x = self.source.load(tile)
        samples, channels = x.shape[:2]
        sample_step, channel_step, *steps = x.strides
        skip = 1 if self.shifted else 0
        rows = tile.bottom - tile.top
        if self.shifted:
            rows += (kernel[0] - 1) * dilation[0]
        packed, span = channels // groups * count(kernel[skip:]), rows * count(output[1:])
        shape = (samples, groups, packed, span)
        one_element = count(kernel[skip:]) == 1 and channel_step >= span * x.itemsize
        if one_element and _adjoin((rows, *output[1:]), stride, steps, x.itemsize):
            # Nothing to pack: every window is one element of each channel's plane.
            return as_strided(x, shape, (sample_step, packed * channel_step, channel_step, x.itemsize))
        reach = [s * d for s, d in zip(steps[skip:], dilation[skip:], strict=True)]
        moves = [s * t for s, t in zip(steps, stride, strict=True)]
        windows = as_strided(
            x,
            (samples, channels, *kernel[skip:], rows, *output[1:]),
            (sample_step, channel_step, *reach, *moves),
        )
        if self.buffer is None:
            self.buffer = np.empty(windows.size, x.dtype)  # the first tile is the largest
        columns = self.buffer[: windows.size]
        np.copyto(columns.reshape(windows.shape), windows)
        return columns.reshape(shape)


def _adjoin(sizes: Shape, stride: Shape, steps: list[int], itemsize: int) -> bool:
    """Whether the input positions that one kernel element meets follow each other in memory without a gap."""
    expected = itemsize
    for size, jump, step in zip(reversed(sizes), reversed(stride), reversed(steps), strict=True):
        if size > 1 and step * jump != expected:
            return False
        expected *= size
    return True


class Rows:
    """The windows of the input, tile by tile, with one row for each output position: (samples, positions, packed).

    A row has the order (*kernel, channels), but with a single output position (channels, *kernel), as that may need
    no copy.
    """

    __slots__ = ("buffer", "source", "window")

    def __init__(self, x: Array, window: Window, layout: Layout) -> None:
        self.window = window
        self.source = _Source(x, window, layout, channels_last=count(window.output) > 1)
        self.buffer: Array | None = None

    def load(self, tile: Tile) -> Array:
        kernel, stride, _, dilation, output, _ = self.window
        x = self.source.load(tile)
        samples, channels = x.shape[:2]
        sample_step, channel_step, *steps = x.strides
        reach = [s * d for s, d in zip(steps, dilation, strict=True)]
        packed = channels * count(kernel)
        if count(output) == 1:
            windows = as_strided(x, (samples, channels, *kernel), (sample_step, channel_step, *reach))
            return np.ascontiguousarray(windows).reshape(samples, 1, packed)
        moves = [s * t for s, t in zip(steps, stride, strict=True)]
        windows = as_strided(
            x,
            (samples, tile.bottom - tile.top, *output[1:], *kernel, channels),
            (sample_step, *moves, *reach, channel_step),
        )
        if self.buffer is None:
            self.buffer = np.empty(windows.size, x.dtype)
        rows = self.buffer[: windows.size]
        np.copyto(rows.reshape(windows.shape), windows)
        return rows.reshape(samples, -1, packed)


def row_order(w: Array, window: Window) -> Array:
    """The weight (outputs, channels, *kernel) as (outputs, packed), in the order of ``Rows``."""
    if count(window.output) > 1:
        w = np.moveaxis(w, 1, -1)
    return np.ascontiguousarray(w).reshape(len(w), count(w.shape[1:]))


def from_row_order(packed: Array, shape: Shape, window: Window) -> Array:
    """The inverse of ``row_order``: (outputs, packed) as an array of ``shape`` (outputs, channels, *kernel)."""
    if count(window.output) == 1:
        return packed.reshape(shape)
    return np.moveaxis(packed.reshape(shape[0], *shape[2:], shape[1]), -1, 1)
