"""Convolutions and their gradients in the input: products of packed weights with panels of the input, in register tiles.

A work unit is a block of outputs of one sample and group. It packs the block's panel (``windows``) for some channels
into the worker's scratch and multiplies, until no channels are left: for each few vectors of positions and each block
of outputs the sums stay in registers while these channels and their taps go by. What a tile reads stays in the first-level
cache for all outputs, panel and sums in the second. There is never more of the im2col matrix than those channels' copies for
the taps along the last dimension.

Tiles of our own rather than calls of OpenBLAS, which would pack again what is packed already. On one Zen 4 core they ran at 85
to 110 GFLOP/s on the 3×3 and 1×1 layers that were tried, about what oneDNN reached there. Going over all channels at once,
so that a tile's part of the panel came from the second-level cache every time, ran at half of that.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import lru_cache
from math import prod
from typing import Any, Final

import numpy as np

from ..codegen.structured import F32, F64, I64, Function
from ..launch import KernelCall, Pointer, Role
from .vector_registers import FLOATS, registers, widths
from .windows import (
    HEADER,
    Axis,
    PanelCode,
    forward_axis,
    gradient_axes,
    panel,
    panel_ints,
    panel_tables,
)

_BUDGET: Final = 320 << 10  # bytes of a panel: with the weights of a block it should stay in 512 KiB
# Bytes of it that a tile reads in one pass: they stay in the first-level cache for all outputs.
_SLICE: Final = 20 << 10
_UNROLLED: Final = 8  # row taps
_MOST_PHASES: Final = 64
(
    _BLOCKS,
    _ROWS,
    _GROUP_WEIGHTS,
    _SAMPLE,
    _GROUP,
    _CHANNEL,
    _DEPTH,
    _ROW,
    _COLUMN,
    _BASE,
    _TAPS,
    _PLANES,
    _BUFFER,
    _AT_ONCE,
) = range(len(HEADER), len(HEADER) + 14)
_ONE_POINT: Final = Axis(1, 1, (0,), (0,), 1, 0, 1, 1)


def element_of(dtype: np.dtype[Any]) -> Any:
    return F32 if dtype.itemsize == 4 else F64


# --- packing of weights -----------------------------------------------------------------------------------------------


@lru_cache(maxsize=16)
def _weights_text(dtype: np.dtype[Any], rows: int) -> str:
    """Units: (group, block of ``rows`` outputs). ints: blocks, outputs, channels, taps, strides of group, output and
    channel, then each tap's place. To (group, block, channel, tap, row), zeros for outputs that do not exist."""
    element = element_of(dtype)
    f = Function("kernel", as_written=True)
    blocks, outputs, channels, taps, group, output, channel = [f.int_(i) for i in range(7)]
    source, target = f.pointer(0), f.pointer(1)
    with f.loop(f.begin, f.end) as unit:
        block = f.remainder(unit, blocks)
        first = f.mul(block, rows)
        here = f.at(element, source, f.add(f.mul(f.divide(unit, blocks), group), f.mul(first, output)))
        into = f.at(element, target, f.mul(unit, f.mul(f.mul(channels, taps), rows)))
        with f.loop(0, rows) as row:
            exists = f.less(f.add(first, row), outputs)
            # An output that does not exist reads the block's first, which does.
            of = f.at(element, here, f.mul(f.select(exists, row, 0), output))
            to = f.at(element, into, row)
            with f.loop(0, channels) as c, f.loop(0, taps) as t:
                x = f.load(element, of, f.add(f.mul(c, channel), f.load(I64, f.ints, f.add(t, 7))))
                f.store(f.b.select(exists, x, x.type(0.0)), to, f.mul(f.add(f.mul(c, taps), t), rows))
    return f.finish()


# --- the product ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _product_text(
    dtype: np.dtype[Any],
    lanes: int,
    rows: int,
    vectors: int,
    taps: int,
    packed: bool,
    column_step: int,
    bias: bool,
    scattered: bool,
    whole: bool,
) -> str:
    """``taps``: those along the rows, -1 for too many to unroll; ``whole``: the outputs are a multiple of ``rows``."""
    element = element_of(dtype)
    f = Function("kernel", as_written=True)
    code = PanelCode(f, element, lanes, column_step)
    v = code.value
    blocks, outputs, group_weights, planes = (
        f.int_(_BLOCKS),
        f.int_(_ROWS),
        f.int_(_GROUP_WEIGHTS),
        f.int_(_PLANES),
    )
    row_apart, column_apart = f.int_(_ROW), f.int_(_COLUMN)
    x, weights, out = f.pointer(0), f.pointer(1), f.pointer(2)
    biases = f.pointer(3) if bias else None
    known = [code.table(code.row_table, i) for i in range(max(taps, 0))]
    tap_count = f.int_(_TAPS)
    buffer = f.at(element, f.scratch, f.int_(_BUFFER))
    room = f.mul(f.divide(f.add(f.mul(v["rows"], v["columns"]), lanes - 1), lanes), lanes)

    def turn(current: list[Any], w: Any, source: Any, mask: Any, width: int) -> None:
        """One tap: its vectors times the weights of all rows."""
        xs = [f.load_vector(element, lanes, source, i * lanes, mask) for i in range(width)]
        for m in range(rows):
            weight = f.splat(f.load(element, w, m), lanes)
            for i in range(width):
                number = m * width + i
                current[number] = f.multiply_add(xs[i], weight, current[number])

    def tile(panel: Any, w: Any, count: Any, width: int, mask: Any, initial: list[Any]) -> list[Any]:
        """The sums of ``rows`` × ``width`` vectors over ``count`` planes from ``panel`` on."""
        with f.carried(0, count, [*initial, panel, w]) as (_, current):
            plane, weight = current[-2:]
            if taps >= 0:
                for j in range(taps):
                    turn(
                        current, f.at(element, weight, j * rows), f.at(element, plane, known[j]), mask, width
                    )
                current[-1] = f.at(element, weight, taps * rows)
            else:
                with f.carried(0, tap_count, [*current[:-2], weight]) as (j, inner):
                    turn(inner, inner[-1], f.at(element, plane, code.table(code.row_table, j)), mask, width)
                    inner[-1] = f.at(element, inner[-1], rows)
                current[:-2], current[-1] = inner[:-1], inner[-1]
            current[-2] = f.at(element, plane, v["plane"])
        return current[:-2]

    with f.loop(f.begin, f.end) as unit:
        group = f.remainder(unit, v["groups"])
        sample, depth, row, column = code.unit(f.divide(unit, v["groups"]))
        source = f.at(element, x, f.add(f.mul(sample, v["sample"]), f.mul(group, v["group"])))
        positions = code.positions(row, column)
        target = f.add(f.add(f.mul(sample, f.int_(_SAMPLE)), f.mul(group, f.int_(_GROUP))), f.int_(_BASE))
        target = f.add(target, f.mul(depth, f.int_(_DEPTH)))
        target = f.add(target, f.add(f.mul(row, row_apart), f.mul(column, column_apart)))
        place = f.at(element, out, target)
        group_weights_start = f.at(element, weights, f.mul(group, group_weights))
        group_first = f.mul(group, outputs)
        channel = f.int_(_CHANNEL)

        def sums_at(block_first: Any, m: int) -> Any:
            """Where the sums of a row are kept: the result, or the buffer if the result's positions are not neighbours."""
            if scattered:
                return f.at(element, buffer, f.mul(f.add(block_first, m), room))
            return f.at(element, place, f.mul(f.add(block_first, m), channel))

        def exists(block_first: Any, m: int) -> Any:
            return None if whole or scattered else f.less(f.add(block_first, m), outputs)

        step, of_channel = f.int_(_AT_ONCE), f.mul(v["depth_taps"], v["column_taps"])
        with f.loop(0, v["channels"], step) as first_input:
            # All outputs' sums over some of the channels; the first pass starts from the bias.
            begins = f.b.icmp_signed("==", first_input, f.i64(0))
            channels = f.minimum(step, f.sub(v["channels"], first_input))
            first_plane, count = f.mul(first_input, of_channel), f.mul(channels, of_channel)
            panel_start = f.at(element, source, f.mul(first_input, v["channel"]))
            if packed:
                code.pack(panel_start, f.scratch, channels, depth, row, column)
                panel_start = f.scratch
            else:
                panel_start = f.at(element, panel_start, f.add(f.mul(row, v["width"]), column))
            start: Any = f.i64(0)
            for width in widths(vectors):
                # Full tiles, then smaller ones; the last of width 1 may end inside its vector.
                span = width * lanes
                last = width == 1
                stop = (
                    positions if last else f.add(start, f.mul(f.divide(f.sub(positions, start), span), span))
                )
                with f.loop(start, stop, span) as at, f.loop(0, blocks) as block:
                    mask = f.lanes_below(f.sub(positions, at), lanes) if last else None
                    first = f.mul(block, rows)
                    first_row = [first, *[f.add(first, m) for m in range(1, rows)]]
                    bias_values, so_far = [], []
                    with f.b.if_else(begins) as (yes, no):
                        with yes:
                            for row_of in first_row:
                                if biases is None:
                                    bias_values.append(f.zero(element, lanes))
                                    continue
                                row_of = row_of if whole else f.minimum(row_of, f.sub(outputs, 1))
                                bias_values.append(
                                    f.splat(f.load(element, biases, f.add(group_first, row_of)), lanes)
                                )
                            yes_block = f.b.block
                        with no:
                            for m in range(rows):
                                there = exists(first, m)
                                # Rows that do not exist read the block's first.
                                of = sums_at(first, m)
                                of = of if there is None else f.b.select(there, of, sums_at(first, 0))
                                so_far += [
                                    f.load_vector(element, lanes, of, f.add(at, i * lanes), mask)
                                    for i in range(width)
                                ]
                            no_block = f.b.block
                    initial = []
                    for number, old in enumerate(so_far):
                        phi = f.b.phi(old.type)
                        phi.add_incoming(bias_values[number // width], yes_block)
                        phi.add_incoming(old, no_block)
                        initial.append(phi)
                    w = f.add(f.mul(block, planes), first_plane)
                    w = f.at(element, group_weights_start, f.mul(w, f.mul(tap_count, rows)))
                    source_at = f.at(element, panel_start, at)
                    sums = tile(source_at, w, count, width, None if packed else mask, initial)
                    for m in range(rows):
                        there = exists(first, m)
                        with nullcontext() if there is None else f.when(there):
                            for i in range(width):
                                f.store_vector(
                                    sums[m * width + i], sums_at(first, m), f.add(at, i * lanes), mask
                                )
                start = stop

        if scattered:
            row_total = f.minimum(v["rows"], f.sub(v["row_count"], row))
            column_total = f.minimum(v["columns"], f.sub(v["column_count"], column))
            with f.loop(0, outputs) as m:
                to_channel = f.at(element, place, f.mul(m, channel))
                of_channel = f.at(element, buffer, f.mul(m, room))
                with f.loop(0, row_total) as r:
                    to_row = f.at(element, to_channel, f.mul(r, row_apart))
                    of_row = f.at(element, of_channel, f.mul(r, v["columns"]))
                    with f.loop(0, column_total, vectorise=True) as t:
                        f.store(f.load(element, of_row, t), to_row, f.mul(t, column_apart))
    return f.finish()


def _products(
    samples: int,
    axes: tuple[Axis, Axis, Axis],
    groups: int,
    channels: int,
    outputs: int,
    weights: tuple[int, int, int],
    kernel: tuple[int, int, int],
    dtype: np.dtype[Any],
    bias: bool,
    workspaces: tuple[int, ...],
    number: int,
    label: str,
) -> tuple[KernelCall, KernelCall]:
    """The packing of weights and the product for one phase.

    ``channels`` and ``outputs``: of a group. ``weights``: their strides along groups, outputs and channels.
    ``number``: the workspace for the packed weights. Pointers: x is operand 0, the weights operand 1.
    """
    machine = registers()
    lanes = machine.lanes(dtype)
    rows, vectors = machine.tile(outputs)
    depth, height, width = axes
    blocks = -(-outputs // rows)
    taps = len(height.taps)
    # What a tile reads of one plane: taps along the rows overlap.
    reach = max(height.offsets, default=0) - min(height.offsets, default=0)
    span = vectors * lanes
    of_channel = min(max(taps, 1) * span, span + reach * width.outputs) * len(depth.taps) * len(width.taps)
    passes = -(-channels * of_channel * dtype.itemsize // _SLICE) or 1
    at_once = -(-channels // passes)
    layout = panel(
        axes, at_once, dtype.itemsize, _BUDGET, samples * groups, outputs if at_once < channels else 0
    )
    planes = channels * layout.planes
    places = [
        (depth.taps[d] * kernel[1] + height.taps[h]) * kernel[2] + width.taps[w]
        for d in range(len(depth.taps))
        for w in range(len(width.taps))
        for h in range(taps)
    ]
    pack = KernelCall(
        _weights_text(dtype, rows),
        "kernel",
        (blocks, outputs, channels, len(places), *weights, *places),
        (Pointer(Role.OPERAND, 1), Pointer(Role.WORKSPACE, number)),
        groups * blocks,
        max(1, 2048 // max(1, channels * len(places) * rows)),
        workspaces,
        label=f"{label}: arrange the weights",
    )
    packed = not layout.is_input
    scattered = not (
        width.stride == 1 and (layout.rows == 1 or (height.stride == 1 and width.extent == layout.columns))
    )
    space = depth.extent * height.extent * width.extent
    buffer = (at_once * layout.planes * layout.plane + 2 * lanes) if packed else 0
    header = panel_ints(layout, groups, channels, groups * channels)
    tail = [
        blocks, outputs, blocks * planes * taps * rows, groups * outputs * space, outputs * space, space,
        depth.stride * height.extent * width.extent, height.stride * width.extent, width.stride,
        (depth.start * height.extent + height.start) * width.extent + width.start, taps, planes, buffer, at_once,
    ]  # fmt: skip
    header[HEADER.index("tables")] = len(header) + len(tail)
    if not packed:
        # Planes are the channels themselves.
        header[HEADER.index("plane")] = height.size * width.size
    scratch = buffer + (blocks * rows * (layout.positions + lanes) if scattered else 0)
    pointers = [Pointer(Role.OPERAND, 0), Pointer(Role.WORKSPACE, number), Pointer(Role.RESULT, 0)]
    if bias:
        pointers.append(Pointer(Role.OPERAND, 2))
    multiply = KernelCall(
        _product_text(
            dtype, lanes, rows, vectors, taps if taps <= _UNROLLED else -1, packed, width.step, bias, scattered,
            outputs % rows == 0,
        ),
        "kernel",
        (*header, *tail, *panel_tables(layout)),
        tuple(pointers),
        samples * layout.blocks * groups,
        max(1, 20_000 // max(1, outputs * planes * max(taps, 1) * layout.positions)),
        workspaces,
        (scratch + vectors * lanes) * dtype.itemsize,
        flops=2 * samples * groups * outputs * planes * taps * depth.outputs * height.outputs * width.outputs,
        label=label,
    )  # fmt: skip
    return pack, multiply


def packed_weights(
    axes: tuple[Axis, Axis, Axis], groups: int, channels: int, outputs: int, dtype: np.dtype[Any]
) -> int:
    """Bytes of the packed weights."""
    rows, _ = registers().tile(outputs)
    taps = prod([len(axis.taps) for axis in axes])
    return max(1, groups * -(-outputs // rows) * rows * channels * taps) * dtype.itemsize


def three(values: Any, fill: Any) -> tuple[Any, Any, Any]:
    """One entry for depth, rows and columns, from those of one to three dimensions."""
    values = tuple(values)
    return (*(fill,) * (3 - len(values)), *values)


def suits(shapes: tuple[tuple[int, ...], ...], dtypes: Any, results: Any) -> bool:
    return (
        all(dtype == dtypes[0] for dtype in dtypes)
        and dtypes[0] in FLOATS
        and len(shapes[0]) in (3, 4, 5)
        and all(prod(shape) for shape in (*shapes, *results))
    )


def forward(
    shapes: tuple[tuple[int, ...], ...], dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``convolution``: input, weight and perhaps bias."""
    if not suits(shapes, dtypes, results):
        return None
    dtype = dtypes[0]
    (samples, _, *spatial), (outputs, channels, *kernel) = shapes[:2]
    groups = parameters["groups"]
    sizes, taps, counts = three(spatial, 1), three(kernel, 1), three(results[0][2:], 1)
    stride, dilation = three(parameters["stride"], 1), three(parameters["dilation"], 1)
    padding = three(parameters["padding"], (0, 0))
    depth, height, width = [
        forward_axis(n, k, s, p[0], d, t)
        for n, k, s, p, d, t in zip(sizes, taps, stride, padding, dilation, counts, strict=True)
    ]
    axes = _flattened((depth, height, width))
    inner = prod(kernel)
    strides = (outputs // groups * channels * inner, channels * inner, inner)
    size = packed_weights(axes, groups, channels, outputs // groups, dtype)
    return _products(
        samples, axes, groups, channels, outputs // groups, strides, taps, dtype, len(shapes) > 2, (size,), 0,
        "convolution",
    )  # fmt: skip


def _flattened(axes: tuple[Axis, Axis, Axis]) -> tuple[Axis, Axis, Axis]:
    """A convolution that looks at single points without a step has one long row, in whose middle no vector ends."""
    if all(
        axis.offsets == (0,) and axis.step == axis.stride == 1 and axis.size == axis.outputs for axis in axes
    ):
        size = prod([axis.size for axis in axes])
        return _ONE_POINT, _ONE_POINT, Axis(size, 1, (0,), (0,), size, 0, 1, size)
    return axes


def input_gradient(
    shapes: tuple[tuple[int, ...], ...], dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``convolution_input_gradient`` (which is the transposed convolution too): gradient, weight and perhaps bias."""
    if not suits(shapes, dtypes, results):
        return None
    dtype = dtypes[0]
    (samples, _, *counts), (outputs, channels, *kernel) = shapes[:2]
    groups = parameters["groups"]
    sizes, taps = three(parameters["spatial"], 1), three(kernel, 1)
    stride, dilation = three(parameters["stride"], 1), three(parameters["dilation"], 1)
    padding = three(parameters["padding"], (0, 0))
    along = [
        gradient_axes(n, k, s, p[0], d, t)
        for n, k, s, p, d, t in zip(sizes, taps, stride, padding, dilation, three(counts, 1), strict=True)
    ]
    if prod([len(axes) for axes in along]) > _MOST_PHASES:
        return None
    phases = [(a, b, c) for a in along[0] for b in along[1] for c in along[2]]
    if len(phases) == 1:
        phases = [_flattened(phases[0])]
    inner = prod(kernel)
    of_group = outputs // groups
    strides = (of_group * channels * inner, inner, channels * inner)
    sizes_of = tuple([packed_weights(axes, groups, of_group, channels, dtype) for axes in phases])
    calls: list[KernelCall] = []
    for number, axes in enumerate(phases):
        calls += _products(
            samples, axes, groups, of_group, channels, strides, taps, dtype, len(shapes) > 2, sizes_of, number,
            "convolution_input_gradient",
        )  # fmt: skip
    # All weights first: what does not wait for each other can overlap.
    return (*calls[0::2], *calls[1::2])
