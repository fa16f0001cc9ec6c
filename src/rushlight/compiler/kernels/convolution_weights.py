"""The gradient of a convolution in its weights.

For every weight it is a sum over all positions of all samples. A work unit takes some of the samples and some of the
input's channels; for every block of positions it packs the panel as the forward direction does (``windows``), turns the
output's gradient round so that the channels of a position lie side by side, and multiplies: sums of a few weights for a
few vectors of outputs stay in registers while the positions go by, and are then added to the unit's own partial sums. A
second launch adds those up in a fixed order. How samples and channels are shared out depends on the shapes alone.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, Final

import numpy as np

from ..codegen.structured import I64, Function
from ..launch import KernelCall, Pointer, Role
from .convolution import element_of, suits, three
from .transposing import transposed
from .vector_registers import registers
from .windows import HEADER, PanelCode, forward_axis, panel, panel_ints, panel_tables

_BUDGET: Final = 320 << 10  # bytes of a panel and the turned gradient
_PARTIAL: Final = 4 << 20  # bytes of all partial sums, about
_CHUNKS: Final = 16
_ALONG: Final = 256  # positions at a time: what a tile reads of them stays in the first-level cache
(
    _SAMPLES, _PARTS, _CHANNEL_BLOCKS, _AT_ONCE, _OUTPUTS, _WIDE, _TAPS, _TALL, _SAMPLE, _GROUP, _SPACE, _TURNED,
) = range(len(HEADER), len(HEADER) + 12)  # fmt: skip


@lru_cache(maxsize=32)
def _sums_text(
    dtype: np.dtype[Any], lanes: int, rows: int, widths: tuple[int, ...], column_step: int, dots: bool
) -> str:
    """Units: (part of the samples, group, block of channels). Tiles of ``rows`` weights and ``widths`` vectors of outputs.

    ``dots``: with few outputs a vector runs over positions instead, and is added up at the end of a block.
    """
    element = element_of(dtype)
    f = Function("kernel", as_written=True)
    code = PanelCode(f, element, lanes, column_step)
    v = code.value
    samples, parts, channel_blocks, at_once, outputs, wide, taps, tall = [
        f.int_(i) for i in (_SAMPLES, _PARTS, _CHANNEL_BLOCKS, _AT_ONCE, _OUTPUTS, _WIDE, _TAPS, _TALL)
    ]
    x, gradient, sums = f.pointer(0), f.pointer(1), f.pointer(2)
    turned = f.at(element, f.scratch, f.int_(_TURNED))
    space = f.int_(_SPACE)
    per_sample = f.mul(f.mul(v["depth_count"], v["row_blocks"]), v["column_blocks"])

    def turn(source: Any, positions: Any) -> None:
        """(outputs, positions) as (positions, wide), zeros for outputs that do not exist."""
        with f.loop(0, wide, lanes) as first, f.loop(0, positions, lanes) as at:
            mask = f.lanes_below(f.sub(positions, at), lanes)
            block = []
            for i in range(lanes):
                row = f.add(first, i)
                there = f.less(row, outputs)
                # No lane of a row that does not exist.
                inside = f.b.and_(mask, f.splat(there, lanes))
                block.append(f.load_vector(element, lanes, source, f.add(f.mul(row, space), at), inside))
            for i, column in enumerate(transposed(f, block)):
                # Positions behind the last fill room that is there for them.
                f.store_vector(column, turned, f.add(f.mul(f.add(at, i), wide), first))

    def weight_places(weight: Any, count: Any) -> list[Any]:
        """Where the panel has what ``rows`` weights are multiplied with.

        Weights that do not exist are the last one again, and their sums go to rows that are there for them.
        """
        places = []
        for i in range(rows):
            number = f.minimum(f.add(weight, i), f.sub(count, 1))
            plane = f.mul(f.divide(number, taps), v["plane"])
            tap = code.table(code.row_table, f.remainder(number, taps))
            places.append(f.at(element, f.scratch, f.add(plane, tap)))
        return places

    def tile(partial: Any, weight: Any, count: Any, first: Any, start: Any, stop: Any, width: int) -> None:
        """Add to the sums of ``rows`` weights from ``weight`` on and ``width`` vectors of outputs from ``first`` on."""
        places = weight_places(weight, count)
        here = f.at(element, partial, f.add(f.mul(weight, wide), first))
        initial = [
            f.load_vector(element, lanes, here, f.add(f.mul(wide, i), j * lanes))
            for i in range(rows)
            for j in range(width)
        ]
        with f.carried(start, stop, initial) as (t, current):
            of = f.at(element, turned, f.add(f.mul(t, wide), first))
            gs = [f.load_vector(element, lanes, of, j * lanes) for j in range(width)]
            for i in range(rows):
                value = f.splat(f.load(element, places[i], t), lanes)
                for j in range(width):
                    current[i * width + j] = f.multiply_add(value, gs[j], current[i * width + j])
        for i in range(rows):
            for j in range(width):
                f.store_vector(current[i * width + j], here, f.add(f.mul(wide, i), j * lanes))

    def tiles(partial: Any, weights: Any, positions: Any) -> None:
        """Add a block of positions to all sums."""
        with f.loop(0, positions, _ALONG) as start:
            stop = f.minimum(f.add(start, _ALONG), positions)
            first: Any = f.i64(0)
            for width in widths:
                span = width * lanes
                last = f.add(first, f.mul(f.divide(f.sub(wide, first), span), span))
                with f.loop(first, last, span) as at, f.loop(0, weights, rows) as weight:
                    tile(partial, weight, weights, at, start, stop, width)
                first = last

    def dot(partial: Any, of: Any, output: Any, weight: Any, count: Any, positions: Any) -> None:
        """Add to the sums of ``rows`` weights from ``weight`` on and one output, whose gradient is at ``of``."""
        places = weight_places(weight, count)
        sums = [f.zero(element, lanes)] * rows
        whole = f.mul(f.divide(positions, lanes), lanes)
        for start, stop in ((f.i64(0), whole), (whole, positions)):
            with f.carried(start, stop, sums, lanes) as (t, current):
                mask = None if stop is whole else f.lanes_below(f.sub(positions, t), lanes)
                g = f.load_vector(element, lanes, of, t, mask)
                for i in range(rows):
                    current[i] = f.multiply_add(
                        g, f.load_vector(element, lanes, places[i], t, mask), current[i]
                    )
            sums = current
        for i in range(rows):
            here = f.add(f.mul(f.add(weight, i), wide), output)
            f.store(f.b.fadd(f.load(element, partial, here), f.total(sums[i])), partial, here)

    with f.loop(f.begin, f.end) as unit:
        channel_block = f.remainder(unit, channel_blocks)
        rest = f.divide(unit, channel_blocks)
        group, part = f.remainder(rest, v["groups"]), f.divide(rest, v["groups"])
        channel = f.mul(channel_block, at_once)
        channels = f.minimum(at_once, f.sub(v["channels"], channel))
        weights = f.mul(f.mul(f.mul(channels, v["depth_taps"]), v["column_taps"]), taps)
        partial = f.at(element, sums, f.mul(unit, f.mul(tall, wide)))
        with f.loop(0, f.mul(tall, wide), lanes) as i:
            f.store_vector(f.zero(element, lanes), partial, i)
        begin = f.divide(f.mul(part, samples), parts)
        end = f.divide(f.mul(f.add(part, 1), samples), parts)
        with f.loop(f.mul(begin, per_sample), f.mul(end, per_sample)) as number:
            sample, depth, row, column = code.unit(number)
            source = f.add(f.mul(sample, v["sample"]), f.mul(group, v["group"]))
            source = f.at(element, x, f.add(source, f.mul(channel, v["channel"])))
            code.pack(source, f.scratch, channels, depth, row, column)
            positions = code.positions(row, column)
            place = f.add(f.mul(sample, f.int_(_SAMPLE)), f.mul(group, f.int_(_GROUP)))
            place = f.add(place, f.mul(f.add(f.mul(depth, v["row_count"]), row), v["column_count"]))
            given = f.at(element, gradient, f.add(place, column))
            if dots:
                with f.loop(0, outputs) as output, f.loop(0, weights, rows) as weight:
                    dot(
                        partial,
                        f.at(element, given, f.mul(output, space)),
                        output,
                        weight,
                        weights,
                        positions,
                    )
            else:
                turn(given, positions)
                tiles(partial, weights, positions)
    return f.finish()


@lru_cache(maxsize=8)
def _total_text(dtype: np.dtype[Any], lanes: int) -> str:
    """Units: (group, channel). ints: parts, channels, outputs, wide, taps, tall, channels at once, channel blocks, groups,
    then each tap's place. Adds up the parts and turns them to (output, channel, tap)."""
    element = element_of(dtype)
    f = Function("kernel", as_written=True)
    parts, channels, outputs, wide, taps, tall, at_once, channel_blocks, groups = [
        f.int_(i) for i in range(9)
    ]
    sums, result = f.pointer(0), f.pointer(1)
    with f.loop(f.begin, f.end) as unit:
        channel, group = f.remainder(unit, channels), f.divide(unit, channels)
        block = f.add(f.mul(group, channel_blocks), f.divide(channel, at_once))
        row = f.add(f.mul(block, tall), f.mul(f.remainder(channel, at_once), taps))
        first = f.at(element, sums, f.mul(row, wide))
        step = f.mul(f.mul(f.mul(groups, channel_blocks), tall), wide)
        with f.loop(0, f.mul(taps, wide), lanes) as i:
            with f.carried(1, parts, [f.load_vector(element, lanes, first, i)]) as (p, current):
                more = f.load_vector(element, lanes, first, f.add(f.mul(p, step), i))
                current[0] = f.b.fadd(current[0], more)
            f.store_vector(current[0], f.scratch, i)
        with f.loop(0, outputs) as output:
            place = f.mul(f.add(f.mul(f.add(f.mul(group, outputs), output), channels), channel), taps)
            with f.loop(0, taps) as t:
                value = f.load(element, f.scratch, f.add(f.mul(t, wide), output))
                f.store(value, result, f.add(place, f.load(I64, f.ints, f.add(t, 9))))
    return f.finish()


def weight_gradient(
    shapes: tuple[tuple[int, ...], ...], dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``convolution_weight_gradient``: the output's gradient, and the input."""
    if not suits(shapes, dtypes, results):
        return None
    dtype = dtypes[0]
    (samples, total_outputs, *counts), (_, total, *spatial) = shapes[:2]
    groups = parameters["groups"]
    outputs, channels = total_outputs // groups, total // groups
    taps, stride = three(parameters["kernel"], 1), three(parameters["stride"], 1)
    padding, dilation = three(parameters["padding"], (0, 0)), three(parameters["dilation"], 1)
    depth, height, width = [
        forward_axis(n, k, s, p[0], d, t)
        for n, k, s, p, d, t in zip(
            three(spatial, 1), taps, stride, padding, dilation, three(counts, 1), strict=True
        )
    ]
    machine = registers()
    lanes = machine.lanes(dtype)
    dots = outputs < 4
    while lanes > 4 and outputs <= lanes // 2 and not dots:
        lanes //= 2
    wide = -(-outputs // lanes) * lanes
    inner = prod(taps)
    free = 24 if machine.number >= 32 else 12
    vectors = min(4 if machine.number >= 32 else 2, wide // lanes)
    rest = wide // lanes % vectors
    widths = (vectors, rest) if rest else (vectors,)
    rows = min(8, free // vectors)
    rows = min(
        range(rows, 0, -1),
        key=lambda r: (-(-channels * inner // r) * r) / channels / inner + 0.02 * (rows - r),
    )
    partial = groups * (channels * inner + rows) * wide * dtype.itemsize
    parts = max(1, min(samples, _CHUNKS, _PARTIAL // partial))
    channel_blocks = min(channels, -(-8 // (parts * groups)))
    at_once = -(-channels // channel_blocks)
    channel_blocks = -(-channels // at_once)
    layout = panel((depth, height, width), at_once, dtype.itemsize, _BUDGET, 8, wide)
    tall = -(-at_once * inner // rows) * rows
    size = parts * groups * channel_blocks * tall * wide * dtype.itemsize
    planes = at_once * layout.planes
    turned = -(-(planes * layout.plane + 2 * lanes) // lanes) * lanes
    header = panel_ints(layout, groups, channels, total)
    space = prod(counts)
    tail = [
        samples, parts, channel_blocks, at_once, outputs, wide, len(height.taps), tall, total_outputs * space,
        outputs * space, space, turned,
    ]  # fmt: skip
    header[HEADER.index("tables")] = len(header) + len(tail)
    add = KernelCall(
        _sums_text(dtype, lanes, rows, widths, width.step, dots),
        "kernel",
        (*header, *tail, *panel_tables(layout)),
        (Pointer(Role.OPERAND, 1), Pointer(Role.OPERAND, 0), Pointer(Role.WORKSPACE, 0)),
        parts * groups * channel_blocks,
        workspaces=(size,),
        scratch=(turned + (layout.positions + 2 * lanes) * wide) * dtype.itemsize,
        flops=2 * samples * groups * outputs * channels * inner * space,
        label="convolution_weight_gradient",
    )
    places = [
        (d * taps[1] + h) * taps[2] + w
        for d in range(taps[0])
        for w in range(taps[2])
        for h in range(taps[1])
    ]
    total_call = KernelCall(
        _total_text(dtype, lanes),
        "kernel",
        (parts, channels, outputs, wide, inner, tall, at_once, channel_blocks, groups, *places),
        (Pointer(Role.WORKSPACE, 0), Pointer(Role.RESULT, 0)),
        groups * channels,
        max(1, 4096 // (parts * inner * wide)),
        (size,),
        inner * wide * dtype.itemsize,
        flops=parts * groups * outputs * channels * inner,
        label="convolution_weight_gradient: total",
    )
    return add, total_call
