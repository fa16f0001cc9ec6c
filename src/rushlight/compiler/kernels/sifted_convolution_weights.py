"""The gradient of a convolution in its weights, without the zeros of the output's gradient, or of the input.

One of the two is sifted (``sifted_convolution`` says why): for each of its channels the elements of a block of rows that are
not zero are listed, with where the windows of their points begin in the other one, which lies beside the lists with the
channels of a point side by side. Every element then gives to all weights of its channel: their sums, for all taps and a few
vectors of the other's channels, stay in registers while a list goes by. A work unit takes some of the blocks; a second
launch adds up the units' sums in a fixed order.

Zero times infinity, or NaN, is NaN: where the other one holds such a number, all elements of the block are listed.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, Final, NamedTuple

import numpy as np

from ..codegen.structured import I32, I64, Function
from ..launch import KernelCall, Pointer, Role
from .convolution import element_of, suits, three
from .sieve import append, entry, float_type, lists_can_be_made, partners
from .transposing import transposed
from .vector_registers import registers

# Sums in registers, at most.
_MOST_SUMS: Final = 27
# Bytes of a block's points (a tile of the other one's channels): they stay in the first-level cache.
_POINTS_BYTES: Final = 24 << 10
# Bytes of a unit's sums, which stay in the second-level cache, and of all units'.
_SUMS_BYTES: Final = 512 << 10
_PARTIAL_BYTES: Final = 8 << 20
_PARTS: Final = 16
# Leaving out zeros pays from such a share of them on, for so many channels of either kind, and so many multiplications.
_ZEROS_FROM: Final = 0.5
_CHANNELS_FROM: Final = 16
_WASTE: Final = 1.25  # vectors of channels, over channels
_WORK_FROM: Final = 1 << 22

(
    NUMBER, PARTS, GROUPS, TOGETHER, SIFTED, OTHERS, HEIGHT, WIDTH, OTHER_HEIGHT, OTHER_WIDTH, ROWS, BLOCKS, STEP_ROW,
    STEP_COLUMN, LOW_ROW, LOW_COLUMN, DILATION_ROW, TALL, ACROSS, TILES, ROOM, PLACES, LISTS, COUNTS,
) = range(24)  # fmt: skip


class Shape(NamedTuple):
    """What the code depends on."""

    double: bool
    lanes: int
    taps: tuple[int, int]
    rows_of_taps: int  # whose sums are in registers at the same time
    dilation: int  # along the columns
    vectors: int  # of the other one's channels

    @property
    def dtype(self) -> np.dtype[Any]:
        return float_type(self.double)

    @property
    def pitch(self) -> int:
        """Elements of a point."""
        return self.vectors * self.lanes

    @property
    def line(self) -> int:
        """Elements of the sums of a channel and a tile."""
        return self.taps[0] * self.taps[1] * self.pitch


class _Unit(NamedTuple):
    """A block of rows of a sample: values in the code."""

    sifted: Any  # the first channel's first row
    other: Any
    count: Any  # points of a channel
    top: Any  # the row of the other one that the first tap of the first row looks at
    channels: Any
    sums: Any


class _Writer:
    """Writes the kernel. Units: (part of all samples' blocks of rows, group of sifted channels). pointers: sifted, other,
    sums."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.element = element_of(shape.dtype)
        self.size = shape.dtype.itemsize
        self.lanes = shape.lanes
        f = self.f = Function("kernel", as_written=True)
        self.others, self.height, self.width = f.int_(OTHERS), f.int_(HEIGHT), f.int_(WIDTH)
        self.other_height, self.other_width = f.int_(OTHER_HEIGHT), f.int_(OTHER_WIDTH)
        self.tall, self.across, self.tiles, self.room = (f.int_(i) for i in (TALL, ACROSS, TILES, ROOM))
        self.points = f.scratch
        self.places = f.at(self.element, f.scratch, f.int_(PLACES))
        self.lists = f.at(self.element, f.scratch, f.int_(LISTS))
        self.counts = f.at(self.element, f.scratch, f.int_(COUNTS))

    def text(self) -> str:
        f, shape, element = self.f, self.shape, self.element
        sifted, other, sums = (f.pointer(i) for i in range(3))
        every, parts, groups, together, channels = (
            f.int_(i) for i in (NUMBER, PARTS, GROUPS, TOGETHER, SIFTED)
        )
        rows, blocks = f.int_(ROWS), f.int_(BLOCKS)
        self.place_points(rows)
        with f.loop(f.begin, f.end) as unit:
            part, first = f.divide(unit, groups), f.mul(f.remainder(unit, groups), together)
            count = f.minimum(together, f.sub(channels, first))
            own = f.at(element, sums, f.mul(f.mul(unit, together), f.mul(self.tiles, shape.line)))
            with f.loop(0, f.mul(f.mul(count, self.tiles), shape.line), self.lanes) as i:
                f.store_vector(f.zero(element, self.lanes), own, i)
            begin = f.divide(f.mul(part, every), parts)
            end = f.divide(f.mul(f.add(part, 1), every), parts)
            with f.loop(begin, end) as number:
                sample, top = f.divide(number, blocks), f.mul(f.remainder(number, blocks), rows)
                row = f.mul(f.add(f.mul(sample, channels), first), self.height)
                space = f.mul(f.mul(self.other_height, self.other_width), self.others)
                some = _Unit(
                    f.at(element, sifted, f.mul(f.add(row, top), self.width)),
                    f.at(element, other, f.mul(sample, space)),
                    f.mul(f.minimum(rows, f.sub(self.height, top)), self.width),
                    f.add(f.mul(top, f.int_(STEP_ROW)), f.int_(LOW_ROW)),
                    count,
                    own,
                )
                special = self.lay_out(some)
                self.list_channels(some, special)
                with f.loop(0, self.tiles) as tile, f.loop(0, count) as channel:
                    for row_of_taps in range(0, shape.taps[0], shape.rows_of_taps):
                        self.add_up(some, tile, channel, row_of_taps)
        return f.finish()

    def place_points(self, rows: Any) -> None:
        """Where each point's window begins, in bytes: the same for all blocks."""
        f = self.f
        with f.loop(0, rows) as row, f.loop(0, self.width) as column:
            at = f.mul(f.mul(row, f.int_(STEP_ROW)), self.across)
            at = f.add(at, f.mul(column, f.int_(STEP_COLUMN)))
            place = f.b.trunc(f.mul(at, self.shape.pitch * self.size), I32)
            f.store(place, self.places, f.add(f.mul(row, self.width), column))

    def tile_at(self, tile: Any) -> Any:
        f = self.f
        size = f.mul(f.mul(self.tall, self.across), self.shape.pitch)
        return f.at(self.element, self.points, f.mul(tile, size))

    def lay_out(self, some: _Unit) -> Any:
        """Copy what the block looks at, zeros where that is outside; whether there is infinity or NaN."""
        f, shape, lanes, element = self.f, self.shape, self.lanes, self.element
        channel_step = f.mul(self.other_height, self.other_width)
        low = f.int_(LOW_COLUMN)
        ranges: list[tuple[Any, ...]] = [
            (0, self.tiles),
            (0, shape.vectors),
            (0, self.tall),
            (0, self.across, lanes),
        ]
        with f.carried_over(ranges, [f.zero(element, lanes)]) as (indices, current):
            tile, vector, row, column = indices
            at_row = f.add(some.top, row)
            there = f.b.icmp_unsigned("<", at_row, self.other_height)
            first = f.add(low, column)
            last = f.select(there, self.other_width, 0)
            mask = f.lanes_between(f.sub(0, first), f.sub(last, first), lanes)
            of_row = f.add(f.mul(at_row, self.other_width), first)
            channel = f.add(f.mul(tile, shape.pitch), f.mul(vector, lanes))
            lines = []
            for i in range(lanes):
                number = f.add(channel, i)
                own = f.b.and_(mask, f.splat(f.less(number, self.others), lanes))
                x = f.load_vector(element, lanes, some.other, f.add(f.mul(number, channel_step), of_row), own)
                current[0] = f.b.fadd(current[0], f.b.fsub(x, x))
                lines.append(x)
            into = f.add(f.mul(f.add(f.mul(row, self.across), column), shape.pitch), f.mul(vector, lanes))
            for i, x in enumerate(transposed(f, lines)):
                f.store_vector(x, self.tile_at(tile), f.add(into, i * shape.pitch))
            found = current
        return f.any_nan(found)

    def list_of(self, channel: Any) -> Any:
        f = self.f
        return f.at(self.element, self.lists, f.mul(f.mul(channel, self.room), 2))

    def list_channels(self, some: _Unit, everything: Any) -> None:
        f, lanes, element = self.f, self.lanes, self.element
        channel_step = f.mul(self.height, self.width)
        with f.loop(0, some.channels) as channel:
            source = f.at(element, some.sifted, f.mul(channel, channel_step))
            list_ = self.list_of(channel)
            with f.carried(0, some.count, [f.i64(0)], lanes) as (point, current):
                inside = f.lanes_below(f.sub(some.count, point), lanes)
                x = f.load_vector(element, lanes, source, point, inside)
                kept = f.b.fcmp_unordered("!=", x, f.zero(element, lanes))
                kept = f.b.or_(kept, f.b.and_(inside, f.splat(everything, lanes)))
                places = f.load_vector(I32, lanes, self.places, point)
                current[0] = append(f, list_, self.room, current[0], x, places, kept)
            f.store(current[0], self.counts, channel)

    def add_up(self, some: _Unit, tile: Any, channel: Any, first: int) -> None:
        """Add a channel's list to its sums for some rows of taps and a tile."""
        f, shape, lanes, element = self.f, self.shape, self.lanes, self.element
        tall, wide = shape.taps
        rows = range(first, min(first + shape.rows_of_taps, tall))
        list_ = self.list_of(channel)
        line = f.add(f.mul(f.add(f.mul(channel, self.tiles), tile), shape.line), first * wide * shape.pitch)
        sums = f.at(element, some.sums, line)
        count = len(rows) * wide * shape.vectors
        initial = [f.load_vector(element, lanes, sums, i * lanes) for i in range(count)]
        step = f.mul(f.mul(f.int_(DILATION_ROW), self.across), shape.pitch)
        lines = [f.at(element, self.tile_at(tile), f.mul(step, row)) for row in rows]
        with f.carried(0, f.load(I64, self.counts, channel), initial) as (i, totals):
            factor, place = entry(f, element, lanes, list_, self.room, i)
            number = 0
            for of_row in lines:
                here = partners(f, of_row, place)
                for tap in range(wide):
                    for vector in range(shape.vectors):
                        at = tap * shape.dilation * shape.pitch + vector * lanes
                        x = f.load_vector(element, lanes, here, at)
                        totals[number] = f.multiply_add(factor, x, totals[number])
                        number += 1
        for i, total in enumerate(totals):
            f.store_vector(total, sums, i * lanes)


@lru_cache(maxsize=32)
def _sums_text(shape: Shape) -> str:
    return _Writer(shape).text()


@lru_cache(maxsize=32)
def _total_text(shape: Shape) -> str:
    """The kernel that adds up the units' sums. Units: sifted channels. ints: parts, how far they are apart, tiles, the
    other one's channels, strides of sifted and other channels in the result, then each tap's place."""
    dtype = shape.dtype
    element, lanes, taps = element_of(dtype), shape.lanes, shape.taps[0] * shape.taps[1]
    f = Function("kernel", as_written=True)
    parts, apart, tiles, others, sifted_step, other_step = [f.int_(i) for i in range(6)]
    sums, result = f.pointer(0), f.pointer(1)
    length = f.mul(tiles, shape.line)
    with f.loop(f.begin, f.end) as channel:
        own = f.at(element, sums, f.mul(channel, length))
        with f.loop(0, length, lanes) as i:
            with f.carried(1, parts, [f.load_vector(element, lanes, own, i)]) as (part, current):
                more = f.load_vector(element, lanes, own, f.add(f.mul(part, apart), i))
                current[0] = f.b.fadd(current[0], more)
            f.store_vector(current[0], f.scratch, i)
        into = f.at(element, result, f.mul(channel, sifted_step))
        with f.loop(0, others) as other:
            tile, lane = f.divide(other, shape.pitch), f.remainder(other, shape.pitch)
            of = f.at(element, f.scratch, f.add(f.mul(tile, shape.line), lane))
            to = f.at(element, into, f.mul(other, other_step))
            with f.loop(0, taps) as tap:
                x = f.load(element, of, f.mul(tap, shape.pitch))
                f.store(x, to, f.load(I64, f.ints, f.add(tap, 6)))
    return f.finish()


def weight_gradient(
    shapes: tuple[tuple[int, ...], ...],
    dtypes: Any,
    results: Any,
    parameters: dict[str, Any],
    zeros: tuple[float, ...],
) -> tuple[KernelCall, ...] | None:
    """``convolution_weight_gradient``: the output's gradient, and the input, of which the one with more zeros is sifted."""
    if not suits(shapes, dtypes, results) or len(shapes[0]) > 4 or parameters["groups"] != 1:
        return None
    if not lists_can_be_made():
        return None
    dtype, samples = dtypes[0], shapes[0][0]
    taps = three(parameters["kernel"], 1)[1:]
    stride, dilation = (three(parameters[name], 1)[1:] for name in ("stride", "dilation"))
    before = [first for first, _ in three(parameters["padding"], (0, 0))[1:]]
    gradient, picture = ((*shape[:2], *three(shape[2:], 1)[1:]) for shape in shapes[:2])
    inner = prod(taps)
    places = list(range(inner))
    lanes = registers().lanes(dtype)
    of_gradient = zeros[0] >= _ZEROS_FROM and _suit(gradient[1], picture[1], lanes, taps)
    of_input = zeros[1] >= _ZEROS_FROM and stride == (1, 1) and _suit(picture[1], gradient[1], lanes, taps)
    if of_gradient and not (of_input and zeros[1] > zeros[0]):
        sifted, other, step = gradient, picture, stride
        low = [-before[0], -before[1]]
        strides = (picture[1] * inner, inner)
    elif of_input:
        # A point of the input has met the taps of the results before it.
        sifted, other, step = picture, gradient, (1, 1)
        low = [b - d * (t - 1) for b, d, t in zip(before, dilation, taps, strict=True)]
        strides = (inner, picture[1] * inner)
        places.reverse()
    else:
        return None
    if samples * prod(sifted[1:]) * other[1] * inner < _WORK_FROM:
        return None
    first = 0 if sifted is gradient else 1
    pointers = (Pointer(Role.OPERAND, first), Pointer(Role.OPERAND, 1 - first))
    return _calls(sifted, other, taps, step, dilation, low, strides, places, dtype, pointers)


def _suit(sifted: int, others: int, lanes: int, taps: tuple[int, int]) -> bool:
    return (
        sifted >= _CHANNELS_FROM and -(-others // lanes) * lanes <= _WASTE * others and taps[1] <= _MOST_SUMS
    )


def _calls(
    sifted: tuple[int, ...],
    other: tuple[int, ...],
    taps: tuple[int, int],
    step: tuple[int, int],
    dilation: tuple[int, int],
    low: list[int],
    strides: tuple[int, int],
    places: list[int],
    dtype: np.dtype[Any],
    pointers: tuple[Pointer, Pointer],
) -> tuple[KernelCall, ...] | None:
    samples, channels, height, width = sifted
    _, others, other_height, other_width = other
    lanes = registers().lanes(dtype)
    in_all = -(-others // lanes)
    # As many vectors as there is room for the sums of all taps, or of one row of them.
    vectors = max(1, min(in_all, _MOST_SUMS // prod(taps) or _MOST_SUMS // taps[1] // 2))
    tiles = -(-in_all // vectors)
    vectors = -(-in_all // tiles)
    rows_of_taps = max(1, min(taps[0], _MOST_SUMS // (taps[1] * vectors)))
    shape = Shape(dtype.itemsize == 8, lanes, taps, rows_of_taps, dilation[1], vectors)
    reach = (width - 1) * step[1] + (taps[1] - 1) * dilation[1] + 1
    across = -(-reach // lanes) * lanes

    def tall(rows: int) -> int:
        return (rows - 1) * step[0] + (taps[0] - 1) * dilation[0] + 1

    rows = height
    while rows > 1 and tall(rows) * reach * shape.pitch * dtype.itemsize > _POINTS_BYTES:
        rows -= 1
    blocks = -(-height // rows)
    rows = -(-height // blocks)
    line = tiles * shape.line
    together = max(1, min(channels, _SUMS_BYTES // (line * dtype.itemsize)))
    groups = -(-channels // together)
    together = -(-channels // groups)
    groups = -(-channels // together)
    whole = groups * together * line
    parts = max(1, min(samples * blocks, _PARTS, _PARTIAL_BYTES // (whole * dtype.itemsize)))
    points = tiles * tall(rows) * across * shape.pitch
    room = -(-rows * width // lanes) * lanes + lanes
    lists = points + -(-(room * 4) // dtype.itemsize // lanes) * lanes + lanes
    counts = lists + together * 2 * room
    scratch = counts + -(-(together * 8) // dtype.itemsize) + lanes
    size = (parts * whole * dtype.itemsize,)
    add = KernelCall(
        _sums_text(shape),
        "kernel",
        (
            samples * blocks, parts, groups, together, channels, others, height, width, other_height, other_width, rows, blocks,
            *step, *low, dilation[0], tall(rows), across, tiles, room, points, lists, counts,
        ),
        (*pointers, Pointer(Role.WORKSPACE, 0)),
        parts * groups,
        workspaces=size,
        scratch=scratch * dtype.itemsize,
        flops=2 * samples * channels * height * width * others * prod(taps),
        label="convolution_weight_gradient without zeros",
    )  # fmt: skip
    total = KernelCall(
        _total_text(shape),
        "kernel",
        (parts, whole, tiles, others, *strides, *places),
        (Pointer(Role.WORKSPACE, 0), Pointer(Role.RESULT, 0)),
        channels,
        max(1, 4096 // (parts * line)),
        size,
        line * dtype.itemsize,
        flops=parts * channels * line,
        label="convolution_weight_gradient: total",
    )
    return add, total
