"""Convolutions, and their gradients in the input, that leave out the zeros of what slides past the weights.

Behind a ReLU half of a picture is zero, and of the gradient that comes back through ReLU and max pooling four fifths. As in
``sifted_products`` the elements that are not zero are listed first: for each point of the picture, and each part of the
channels, their values and where their weights begin. A point then gives to every result whose window it is in: along a row
the sums of as many neighbouring results as the window is wide stay in registers, move on by one result with every point, and
what has left the window is put back. The weights of a part of the channels and a row of taps stay in the first-level cache.

Zero times infinity, or NaN, is NaN: with such weights all elements are listed.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, Final, NamedTuple

import numpy as np
from llvmlite import ir

from ..codegen.structured import I32, I64, Function
from ..launch import KernelCall, Pointer, Role
from .convolution import element_of, suits, three
from .sieve import append, entry, float_type, lists_can_be_made, partners
from .transposing import transposed
from .vector_registers import registers

# Sums in registers, at most; the rest is for a value, a place and what the processor renames.
_MOST_SUMS: Final = 24
# Bytes of weights that stay in the first-level cache beside lists and sums.
_PART_BYTES: Final = 24 << 10
# Bytes of lists and of sums that a block of rows should keep in the second-level cache. Of a list only as much is touched as
# there are elements that are not zero.
_BLOCK_BYTES: Final = 512 << 10
_LEAST_BLOCKS: Final = 8
# Leaving out zeros pays from such a share of them on: it is higher where an element gives to few sums; and for sums over so
# many channels (more where only ReLU made the zeros, of which there may be fewer than half) and so many multiplications.
_ZEROS_FROM: Final = 0.5
_MANY_ZEROS_FROM: Final = 0.75
_SUMS_FROM: Final = 6
_CHANNELS_FROM: Final = 16
_CHANNELS_FROM_FORWARD: Final = 64
_WASTE: Final = 1.25  # vectors of results, over results
_WORK_FROM: Final = 1 << 22
_MOST_WEIGHTS: Final = 1 << 30  # bytes: places are 32-bit numbers
# Cycles (Zen 4): a list's entry besides its multiplications, a list, a vector of sums read and written; and the part that
# is listed, about.
_ENTRY: Final = 1.3
_LIST: Final = 12.0
_SUMS: Final = 3.0
_DENSITY: Final = 0.35

(
    CHANNELS, OUTPUTS, HEIGHT, WIDTH, DOWN, ACROSS, LOW_ROW, LOW_COLUMN, ROWS, BLOCKS, PARTS, PART, TILES, FLAGS, ROOM,
    COUNTS, SUMS,
) = range(17)  # fmt: skip


class Window(NamedTuple):
    """Which points a result looks at, along rows and columns: from ``low`` on, as many as there are taps."""

    low: tuple[int, int]
    taps: tuple[int, int]
    reversed: bool  # whether the first point meets the last tap


class Shape(NamedTuple):
    """What the code depends on."""

    double: bool
    lanes: int
    taps: tuple[int, int]
    vectors: int  # of results at a point
    bias: bool

    @property
    def dtype(self) -> np.dtype[Any]:
        return float_type(self.double)

    @property
    def pitch(self) -> int:
        """Elements of the sums at a point."""
        return self.vectors * self.lanes

    @property
    def line(self) -> int:
        """Elements of the weights that an element of the picture meets in one row of taps."""
        return self.taps[1] * self.pitch


def _pays(
    shapes: tuple[tuple[int, ...], ...],
    dtypes: Any,
    results: Any,
    parameters: dict[str, Any],
    zeros: float,
    channels_from: int,
) -> bool:
    """Whether there is a kernel for this convolution and it is worth its while; ``shapes``: picture, weights, perhaps bias.
    ``zeros``: the share of the picture that is zero."""
    if not suits(shapes, dtypes, results) or len(shapes[0]) > 4 or parameters["groups"] != 1:
        return False
    if not lists_can_be_made():
        return False
    if any(step != 1 for step in (*parameters["stride"], *parameters["dilation"])):
        return False
    lanes = registers().lanes(dtypes[0])
    outputs, channels = results[0][1], shapes[0][1]
    taps = shapes[1][2:]
    sums = taps[-1] * -(-outputs // lanes)  # what an element gives to in one row of taps
    return (
        channels >= channels_from
        and zeros >= (_ZEROS_FROM if sums >= _SUMS_FROM and prod(taps) > 1 else _MANY_ZEROS_FROM)
        and -(-outputs // lanes) * lanes <= _WASTE * outputs
        and taps[-1] <= _MOST_SUMS
        and prod(shapes[1]) * dtypes[0].itemsize <= _MOST_WEIGHTS
        and prod(shapes[0]) * outputs * prod(taps) >= _WORK_FROM
    )


def _cut(channels: int, outputs: int, lanes: int, taps: tuple[int, int], itemsize: int) -> tuple[int, int]:
    """How many vectors of results are made at a time, and for how many channels: the quickest by a small model."""
    best: tuple[float, tuple[int, int]] | None = None
    in_all = -(-outputs // lanes)
    for vectors in range(1, min(in_all, _MOST_SUMS // taps[1]) + 1):
        tiles = -(-in_all // vectors)
        if vectors > 1 and tiles == -(-in_all // (vectors - 1)):
            continue
        fits = _PART_BYTES // (taps[1] * vectors * lanes * itemsize)
        part = max(lanes, min(fits, channels + lanes - 1) // lanes * lanes)
        parts = -(-channels // part)
        part = -(-channels // (parts * lanes)) * lanes
        entries = channels * _DENSITY * (_ENTRY + taps[1] * vectors)
        time = tiles * (entries + parts * (_LIST + _SUMS * vectors))
        if best is None or time < best[0]:
            best = (time, (vectors, part))
    assert best is not None
    return best[1]


@lru_cache(maxsize=32)
def _weights_text(shape: Shape) -> str:
    """The kernel that arranges the weights. Units: (tile of results, row of taps, channel). ints: tiles' number, channels,
    results, strides of results and channels, then each tap's place. To (unit, tap of the row, result), zeros for results
    that do not exist; and for each unit whether a weight is infinite or NaN, as NaN among ``FLAGS``."""
    dtype = shape.dtype
    element = element_of(dtype)
    f = Function("kernel", as_written=True)
    tall, wide = shape.taps
    flags, channels, outputs, output, channel = [f.int_(i) for i in range(5)]
    source, target = f.pointer(0), f.pointer(1)
    with f.loop(f.begin, f.end) as unit:
        c, rest = f.remainder(unit, channels), f.divide(unit, channels)
        row, tile = f.remainder(rest, tall), f.divide(rest, tall)
        into = f.at(element, target, f.mul(unit, shape.line))
        marked = [ir.Constant(element, 0.0)]
        for tap in range(wide):
            place = f.load(I64, f.ints, f.add(f.mul(row, wide), 5 + tap))
            of = f.at(element, source, f.add(f.mul(c, channel), place))
            with f.carried(0, shape.pitch, marked) as (lane, current):
                number = f.add(f.mul(tile, shape.pitch), lane)
                exists = f.less(number, outputs)
                x = f.load(element, of, f.mul(f.select(exists, number, 0), output))
                x = f.b.select(exists, x, x.type(0.0))
                f.store(x, into, f.add(lane, tap * shape.pitch))
                current[0] = f.b.fadd(current[0], f.b.fsub(x, x))
            marked = current
        f.store(marked[0], f.at(element, target, flags), unit)
    return f.finish()


class _Unit(NamedTuple):
    """A block of rows of a sample's result: values in the code."""

    picture: Any
    result: Any
    top: Any
    count: Any  # rows
    first: Any  # the row of the picture that the first tap of the first row looks at
    everything: Any  # whether to list zeros too
    lists: Any
    counts: Any
    sums: Any


class _Writer:
    """Writes the product's kernel. pointers: picture, arranged weights, result, perhaps bias."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.element = element_of(shape.dtype)
        self.size = shape.dtype.itemsize
        self.lanes = shape.lanes
        f = self.f = Function("kernel", as_written=True)
        self.channels, self.outputs, self.height, self.width = (
            f.int_(i) for i in (CHANNELS, OUTPUTS, HEIGHT, WIDTH)
        )
        self.down, self.across = f.int_(DOWN), f.int_(ACROSS)
        self.parts, self.part, self.room = f.int_(PARTS), f.int_(PART), f.int_(ROOM)
        # Sums at a few points before and behind a row are computed and never looked at.
        self.beside = shape.taps[1] - 1
        self.row_of_sums = f.add(self.across, 2 * self.beside)
        self.padded = f.mul(f.divide(f.add(self.width, self.lanes - 1), self.lanes), self.lanes)
        self.tall_block = f.add(f.int_(ROWS), shape.taps[0] - 1)

    def text(self) -> str:
        f, shape, element = self.f, self.shape, self.element
        picture, self.weights, result = f.pointer(0), f.pointer(1), f.pointer(2)
        self.biases = f.pointer(3) if shape.bias else None
        tiles, rows, blocks = f.int_(TILES), f.int_(ROWS), f.int_(BLOCKS)
        everything = self.has_special_weights(tiles)
        with f.loop(f.begin, f.end) as unit:
            sample, top = f.divide(unit, blocks), f.mul(f.remainder(unit, blocks), rows)
            space = f.mul(f.mul(self.height, self.width), self.channels)
            made = f.mul(f.mul(self.down, self.across), self.outputs)
            some = _Unit(
                f.at(element, picture, f.mul(sample, space)),
                f.at(element, result, f.mul(sample, made)),
                top,
                f.minimum(rows, f.sub(self.down, top)),
                f.add(top, f.int_(LOW_ROW)),
                everything,
                f.scratch,
                f.at(element, f.scratch, f.int_(COUNTS)),
                f.at(element, f.scratch, f.int_(SUMS)),
            )
            low = f.maximum(some.first, 0)
            high = f.minimum(f.add(some.first, f.add(some.count, shape.taps[0] - 1)), self.height)
            with f.loop(low, high) as row:
                self.list_row(some, row)
            with f.loop(0, tiles) as tile:
                self.begin(some, tile)
                with f.loop(0, self.parts) as part, f.loop(0, shape.taps[0]) as tap:
                    number = f.add(f.mul(tile, shape.taps[0]), tap)
                    of_taps = f.at(element, self.weights, f.mul(f.mul(number, self.channels), shape.line))
                    with f.loop(0, some.count) as row:
                        at = f.add(f.add(some.first, row), tap)
                        with f.when(f.b.icmp_unsigned("<", at, self.height)):
                            self.roll(some, part, row, f.sub(at, some.first), of_taps)
                with f.loop(0, some.count) as row:
                    self.write(some, tile, row)
        return f.finish()

    def has_special_weights(self, tiles: Any) -> Any:
        f, shape = self.f, self.shape
        flags = f.at(self.element, self.weights, f.int_(FLAGS))
        units = f.mul(f.mul(tiles, shape.taps[0]), self.channels)
        with f.carried(0, units, [f.zero(self.element, self.lanes)], self.lanes) as (i, current):
            mask = f.lanes_below(f.sub(units, i), self.lanes)
            x = f.load_vector(self.element, self.lanes, flags, i, mask)
            current[0] = f.b.fadd(current[0], x)
        return f.any_nan(current)

    # Lists.

    def list_number(self, part: Any, row: Any, column: Any) -> Any:
        f = self.f
        return f.add(f.mul(f.add(f.mul(part, self.tall_block), row), self.padded), column)

    def list_at(self, some: _Unit, number: Any) -> Any:
        """A list: room for values, then for the places of their weights."""
        return self.f.at(self.element, some.lists, self.f.mul(number, self.f.mul(self.room, 2)))

    def list_row(self, some: _Unit, row: Any) -> None:
        """List what is not zero in a row of the picture: for each part of the channels, and each point."""
        f, lanes, element = self.f, self.lanes, self.element
        of_row = f.at(element, some.picture, f.mul(row, self.width))
        channel_step = f.mul(self.height, self.width)
        ramp = ir.Constant(ir.VectorType(I32, lanes), [i * self.shape.line * self.size for i in range(lanes)])
        everything = f.b.select(
            some.everything,
            ir.Constant(ir.IntType(lanes), (1 << lanes) - 1),
            ir.Constant(ir.IntType(lanes), 0),
        )
        everything = f.b.bitcast(everything, ir.VectorType(ir.IntType(1), lanes))
        with f.loop(0, self.width, lanes) as column, f.loop(0, self.parts) as part:
            inside = f.lanes_below(f.sub(self.width, column), lanes)
            begin = f.mul(part, self.part)
            end = f.minimum(f.add(begin, self.part), self.channels)
            first = self.list_number(part, f.sub(row, some.first), column)
            lists = [self.list_at(some, f.add(first, i)) for i in range(lanes)]
            with f.carried(begin, end, [f.i64(0)] * lanes, lanes) as (channel, current):
                lines = []
                for i in range(lanes):
                    number = f.add(channel, i)
                    there = f.b.and_(inside, f.splat(f.less(number, end), lanes))
                    at = f.add(f.mul(number, channel_step), column)
                    lines.append(f.load_vector(element, lanes, of_row, at, there))
                exists = f.lanes_below(f.sub(end, channel), lanes)
                base = f.b.trunc(f.mul(channel, self.shape.line * self.size), I32)
                places = f.b.add(ramp, f.splat(base, lanes))
                for i, x in enumerate(transposed(f, lines)):
                    kept = f.b.fcmp_unordered("!=", x, f.zero(element, lanes))
                    kept = f.b.and_(f.b.or_(kept, everything), exists)
                    current[i] = append(f, lists[i], self.room, current[i], x, places, kept)
            for i, count in enumerate(current):
                f.store(count, some.counts, f.add(first, i))

    # Sums.

    def begin(self, some: _Unit, tile: Any) -> None:
        """The sums before anything is added: the bias, or zero."""
        f, shape, lanes = self.f, self.shape, self.lanes
        values = [f.zero(self.element, lanes)] * shape.vectors
        if self.biases is not None:
            first = f.mul(tile, shape.pitch)
            values = [
                f.load_vector(
                    self.element, lanes, self.biases, f.add(first, v * lanes),
                    f.lanes_below(f.sub(self.outputs, f.add(first, v * lanes)), lanes),
                )
                for v in range(shape.vectors)
            ]  # fmt: skip
        with f.loop(0, f.mul(some.count, self.row_of_sums)) as point:
            for v, value in enumerate(values):
                f.store_vector(value, some.sums, f.add(f.mul(point, shape.pitch), v * lanes))

    def roll(self, some: _Unit, part: Any, row: Any, of_picture: Any, of_taps: Any) -> None:
        """Add to a row of results what one row of the picture gives through one row of taps."""
        f, shape, lanes, vectors = self.f, self.shape, self.lanes, self.shape.vectors
        element, taps = self.element, shape.taps[1]
        # The results that the first point gives to begin before the row.
        sums = f.at(element, some.sums, f.mul(f.mul(row, self.row_of_sums), shape.pitch))
        low = f.int_(LOW_COLUMN)
        lists = self.list_number(part, of_picture, 0)
        moving = [f.zero(element, lanes)] * (vectors * (taps - 1))
        with f.carried(0, f.add(self.across, taps - 1), moving) as (point, current):
            at = f.add(point, low)
            inside = f.b.icmp_unsigned("<", at, self.width)
            number = f.add(lists, f.select(inside, at, 0))
            count = f.select(inside, f.load(I64, some.counts, number), 0)
            list_ = self.list_at(some, number)
            newest = f.at(element, sums, f.mul(f.add(point, self.beside), shape.pitch))
            own = [f.load_vector(element, lanes, newest, v * lanes) for v in range(vectors)]
            # Sum j is of the result j before this point.
            with f.carried(0, count, [*own, *current]) as (i, totals):
                factor, place = entry(f, element, lanes, list_, self.room, i)
                line = partners(f, of_taps, place)
                for v in range(taps * vectors):
                    x = f.load_vector(element, lanes, line, v * lanes)
                    totals[v] = f.multiply_add(factor, x, totals[v])
            oldest = f.at(element, sums, f.mul(point, shape.pitch))
            for v in range(vectors):
                f.store_vector(totals[(taps - 1) * vectors + v], oldest, v * lanes)
            current[:] = totals[: (taps - 1) * vectors]

    def write(self, some: _Unit, tile: Any, row: Any) -> None:
        """A row of sums to the result, where the points of a channel are neighbours."""
        f, shape, lanes, element = self.f, self.shape, self.lanes, self.element
        first = f.add(f.mul(row, self.row_of_sums), self.beside)
        sums = f.at(element, some.sums, f.mul(first, shape.pitch))
        target = f.at(element, some.result, f.mul(f.add(some.top, row), self.across))
        step = f.mul(self.down, self.across)
        with f.loop(0, self.across, lanes) as column:
            mask = f.lanes_below(f.sub(self.across, column), lanes)
            for v in range(shape.vectors):
                at = f.mul(column, shape.pitch)
                lines = [
                    f.load_vector(element, lanes, sums, f.add(at, i * shape.pitch + v * lanes))
                    for i in range(lanes)
                ]
                for i, x in enumerate(transposed(f, lines)):
                    output = f.add(f.mul(tile, shape.pitch), v * lanes + i)
                    with f.when(f.less(output, self.outputs)):
                        f.store_vector(x, target, f.add(f.mul(output, step), column), mask)


@lru_cache(maxsize=32)
def _product_text(shape: Shape) -> str:
    return _Writer(shape).text()


def _calls(
    picture: tuple[int, ...],
    result: tuple[int, ...],
    window: Window,
    strides: tuple[int, int],
    dtype: np.dtype[Any],
    bias: bool,
    label: str,
) -> tuple[KernelCall, ...]:
    """``strides``: of the weights, along results and channels. Pointers: the picture is operand 0, the weights operand 1."""
    samples, channels, *spatial = picture
    outputs = result[1]
    _, height, width = three(spatial, 1)
    _, down, across = three(result[2:], 1)
    lanes = registers().lanes(dtype)
    vectors, part = _cut(channels, outputs, lanes, window.taps, dtype.itemsize)
    shape = Shape(dtype.itemsize == 8, lanes, window.taps, vectors, bias)
    tiles, parts = -(-outputs // shape.pitch), -(-channels // part)
    tall, wide = window.taps
    room = part + lanes
    padded = -(-width // lanes) * lanes
    row_of_sums = across + 2 * (wide - 1)
    # A number in a list has a place beside it, and about half of them are zero.
    of_row = (width * channels + row_of_sums * shape.pitch) * dtype.itemsize
    rows = max(1, min(down, _BLOCK_BYTES // of_row))
    while rows > 1 and samples * -(-down // rows) < _LEAST_BLOCKS:
        rows = -(-rows // 2)
    blocks = -(-down // rows)
    rows = -(-down // blocks)
    lists = parts * (rows + tall - 1) * padded
    counts = -(-lists * 2 * room // lanes) * lanes
    sums = counts + -(-(lists + lanes) * 8 // dtype.itemsize // lanes) * lanes
    scratch = sums + (rows * row_of_sums + lanes) * shape.pitch
    units = tiles * tall * channels
    flags = units * shape.line
    sizes = ((flags + units) * dtype.itemsize,)
    order = range(tall * wide)
    places = list(reversed(order)) if window.reversed else list(order)
    arrange = KernelCall(
        _weights_text(shape),
        "kernel",
        (flags, channels, outputs, *strides, *places),
        (Pointer(Role.OPERAND, 1), Pointer(Role.WORKSPACE, 0)),
        units,
        max(1, 4096 // shape.line),
        sizes,
        label=f"{label}: arrange the weights",
    )
    pointers = [Pointer(Role.OPERAND, 0), Pointer(Role.WORKSPACE, 0), Pointer(Role.RESULT, 0)]
    if bias:
        pointers.append(Pointer(Role.OPERAND, 2))
    multiply = KernelCall(
        _product_text(shape),
        "kernel",
        (
            channels, outputs, height, width, down, across, *window.low, rows, blocks, parts, part, tiles, flags, room,
            counts, sums,
        ),
        tuple(pointers),
        samples * blocks,
        workspaces=sizes,
        scratch=scratch * dtype.itemsize,
        flops=2 * samples * down * across * outputs * channels * tall * wide,
        label=label,
    )  # fmt: skip
    return arrange, multiply


def forward(
    shapes: tuple[tuple[int, ...], ...],
    dtypes: Any,
    results: Any,
    parameters: dict[str, Any],
    zeros: tuple[float, ...],
) -> tuple[KernelCall, ...] | None:
    """``convolution``: input, weight and perhaps bias; the input's zeros are left out."""
    if not _pays(shapes, dtypes, results, parameters, zeros[0], _CHANNELS_FROM_FORWARD):
        return None
    taps, before = _taps_and_padding(shapes, parameters)
    window = Window((-before[0], -before[1]), taps, False)
    inner = prod(taps)
    return _calls(
        shapes[0], results[0], window, (shapes[0][1] * inner, inner), dtypes[0], len(shapes) > 2,
        "convolution without zeros",
    )  # fmt: skip


def input_gradient(
    shapes: tuple[tuple[int, ...], ...],
    dtypes: Any,
    results: Any,
    parameters: dict[str, Any],
    zeros: tuple[float, ...],
) -> tuple[KernelCall, ...] | None:
    """``convolution_input_gradient``: gradient, weight and perhaps bias; the gradient's zeros are left out."""
    if not _pays(shapes, dtypes, results, parameters, zeros[0], _CHANNELS_FROM):
        return None
    taps, before = _taps_and_padding(shapes, parameters)
    window = Window((before[0] - taps[0] + 1, before[1] - taps[1] + 1), taps, True)
    inner = prod(taps)
    return _calls(
        shapes[0], results[0], window, (inner, results[0][1] * inner), dtypes[0], len(shapes) > 2,
        "convolution_input_gradient without zeros",
    )  # fmt: skip


def _taps_and_padding(
    shapes: tuple[tuple[int, ...], ...], parameters: dict[str, Any]
) -> tuple[tuple[Any, Any], tuple[int, int]]:
    """Along rows and columns; the padding before the first point."""
    _, rows, columns = three(parameters["padding"], (0, 0))
    return three(shapes[1][2:], 1)[1:], (rows[0], columns[0])
