"""How a convolution is cut into tiles, and how one tile's windows are packed for a matrix product."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from rushlight.core.shapes import Shape, count

Array = NDArray[Any]
Pairs = tuple[tuple[int, int], ...]

# Measured with float32 on two cores with 1 MB of second-level cache each, OpenBLAS on one thread and on two. Between
# 256 KB and 4 MB for a tile the times differ by less than 10%.
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
    """How the windows of one tile lie in its buffer."""

    shifted: bool  # the windows along the first spatial dimension are slices of the buffer, not copies
    merged: bool  # the samples of a tile stand side by side in one matrix
    samples: int  # of one tile
    rows: int  # of one tile: positions along the first spatial dimension of the output


@lru_cache(maxsize=512)
def layout_of(window: Window, samples: int, channels: int, outputs: int, itemsize: int, purpose: Purpose) -> Layout:
    """The layout for an input of so many channels and a result of so many; from the shapes alone."""
    kernel, output, groups = window.kernel, window.output, window.groups
    positions = count(output)
    packed, per_group = channels // groups * count(kernel[1:]), outputs // groups
    halo = (kernel[0] - 1) * window.dilation[0]
    # Slices save copies, but split one product into kernel[0] thinner ones and add their results up.
    shifted = kernel[0] > 1 and window.stride[0] == 1 and output[0] >= halo
    if purpose is not Purpose.SCATTER:
        shifted = shifted and len(kernel) > 1 and (packed >= 24 or 3 * packed >= 2 * per_group)
    # A weight that is large beside a sample's positions should be read (or its gradient written) once, not once a sample.
    times = 256 if purpose is Purpose.WEIGHT else 32768
    merged = samples > 1 and per_group * packed * kernel[0] >= times * positions
    if shifted:
        row_bytes = channels * count(kernel[1:]) * count(output[1:]) * itemsize
    else:
        halo = 0
        row_bytes = channels * count(kernel) * count(output[1:]) * itemsize
    rows = output[0]
    if row_bytes * (rows + halo) > _SAMPLE_BYTES:
        rows = min(rows, max(1, halo, _SAMPLE_BYTES // row_bytes - halo))
    some = max(1, min(samples, _TILE_BYTES // max(1, row_bytes * (rows + halo))))
    return Layout(shifted, merged, some, rows)


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


class Columns:
    """The windows of the input, tile by tile, as the right-hand operand of a matrix product.

    ``load`` gives an array (batch, groups, packed, span): the packed rows are the channels of a group with the kernel's
    offsets (all but the first dimension's, where the layout is shifted), the columns are the output positions.
    """

    __slots__ = ("buffer", "layout", "stage", "window", "x")

    def __init__(self, x: Array, window: Window, layout: Layout) -> None:
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

    def _input_rows(self, tile: Tile) -> Array:
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

    def load(self, tile: Tile) -> Array:
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
