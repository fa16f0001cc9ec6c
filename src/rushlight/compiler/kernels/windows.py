"""The arithmetic of sliding windows: what convolutions read, however they slide, in one form.

Along one dimension, output ``t`` reads through tap ``j`` the input at ``step · t + offset[j]``, and nothing where that lies
outside. A convolution has ``offset = j · dilation − padding`` and ``step = stride``. The gradient in its input falls
apart into ``stride`` interleaved parts (*phases*), each such a sum over the output's gradient with ``step`` 1 and only some
of the taps: so one kernel does both.

A *panel* is the part of the input that a block of outputs reads, arranged so that every tap reads its elements for
consecutive outputs from consecutive addresses: one copy for each tap along the last dimension (the shift), with padding in
place, and rows sorted by what they are modulo the step. Taps along the rows then differ by an offset alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir

from ..codegen.structured import I32, I64, VOID, Function


class Axis(NamedTuple):
    """One dimension: the input's size, the step, each tap's offset and place in the kernel, and the outputs.

    Output ``t`` is at ``start + t · stride`` of ``extent`` places in the result.
    """

    size: int
    step: int
    offsets: tuple[int, ...]
    taps: tuple[int, ...]
    outputs: int
    start: int
    stride: int
    extent: int


def forward_axis(size: int, kernel: int, stride: int, before: int, dilation: int, outputs: int) -> Axis:
    """Of a convolution."""
    offsets = tuple([j * dilation - before for j in range(kernel)])
    return Axis(size, stride, offsets, tuple(range(kernel)), outputs, 0, 1, outputs)


def gradient_axes(
    size: int, kernel: int, stride: int, before: int, dilation: int, outputs: int
) -> list[Axis]:
    """Of the gradient in the input, of ``size``: one for each phase that is not empty. ``outputs``: the gradient's extent."""
    axes = []
    for phase in range(min(stride, size)):
        taps = [j for j in range(kernel) if (phase + before - j * dilation) % stride == 0]
        offsets = tuple([(phase + before - j * dilation) // stride for j in taps])
        count = -(-(size - phase) // stride)
        axes.append(Axis(outputs, 1, offsets, tuple(taps), count, phase, stride, size))
    return axes


class Panel(NamedTuple):
    """How blocks of outputs are cut and their panels laid out. ``axes``: depth, rows, columns.

    A block is ``rows`` × ``columns`` outputs at one depth; where columns are cut, it is one row. A plane (for one channel, tap
    along the depth, and tap along the columns) has for each of ``phases`` (offsets of input rows) ``height`` rows.
    ``row_offsets``: where in the plane each tap along the rows begins.
    """

    axes: tuple[Axis, Axis, Axis]
    rows: int
    columns: int
    phases: tuple[int, ...]
    height: int
    row_offsets: tuple[int, ...]

    @property
    def plane(self) -> int:
        """Elements of a plane, with those that let the next one begin with a cache line."""
        return -(-len(self.phases) * self.height * self.columns // 16) * 16

    @property
    def planes(self) -> int:
        """For one channel."""
        return len(self.axes[0].taps) * len(self.axes[2].taps)

    @property
    def row_blocks(self) -> int:
        return -(-self.axes[1].outputs // self.rows)

    @property
    def column_blocks(self) -> int:
        return -(-self.axes[2].outputs // self.columns)

    @property
    def blocks(self) -> int:
        """For one sample."""
        return self.axes[0].outputs * self.row_blocks * self.column_blocks

    @property
    def positions(self) -> int:
        return self.rows * self.columns

    @property
    def is_input(self) -> bool:
        """Whether a plane is the input's own: nothing to copy."""
        depth, height, width = self.axes
        return (
            depth.offsets == height.offsets == width.offsets == (0,)
            and height.step == width.step == 1
            and height.size == height.outputs
            and width.size == width.outputs
            and (self.rows == 1 or width.outputs == self.columns)
        )


def panel(
    axes: tuple[Axis, Axis, Axis], channels: int, itemsize: int, budget: int, samples: int, extra: int = 0
) -> Panel:
    """The largest block of outputs for which panel (and ``extra`` elements for each position) fit ``budget`` bytes.

    Smaller where fewer than eight blocks would come out of all ``samples``.
    """
    _, height, width = axes
    columns, rows = width.outputs, height.outputs
    planes = channels * len(axes[0].taps) * len(axes[2].taps)

    def made(rows: int, columns: int) -> Panel:
        lowest = min(height.offsets, default=0)
        phases = sorted({(e - lowest) % height.step for e in height.offsets})
        reach = max([(e - lowest) // height.step for e in height.offsets], default=0)
        tall = rows + reach
        places = tuple(
            [
                (phases.index((e - lowest) % height.step) * tall + (e - lowest) // height.step) * columns
                for e in height.offsets
            ]
        )
        return Panel(axes, rows, columns, tuple([lowest + v for v in phases]), tall, places)

    def fits(rows: int, columns: int) -> bool:
        return (planes * made(rows, columns).plane + extra * rows * columns) * itemsize <= budget

    def enough(rows: int, columns: int) -> bool:
        return samples * axes[0].outputs * -(-height.outputs // rows) * -(-width.outputs // columns) >= 8

    # A block of a few positions wastes its vectors: 96 are worth more than units for many workers.
    while rows > 1 and not (fits(rows, columns) and (enough(rows, columns) or rows * columns <= 96)):
        rows = -(-rows // 2)
    if rows == 1:
        while columns > 96 and not (fits(1, columns) and enough(1, columns)):
            columns = -(-columns // 96) * 48
    elif columns == width.outputs:
        # Equal blocks rather than a small last one.
        rows = -(-height.outputs // -(-height.outputs // rows))
    return made(rows, columns)


# The panel's part of a kernel's ints, and the values that its code has loaded from them.

HEADER = (
    "groups", "column_blocks", "row_blocks", "depth_count", "rows", "columns", "row_count", "column_count",
    "sample", "group", "channel", "depth", "height", "width", "channels", "depth_taps", "column_taps", "phases",
    "tall", "plane", "depth_step", "row_step", "column_step", "tables",
)  # fmt: skip


def panel_ints(layout: Panel, groups: int, channels: int, total_channels: int) -> list[int]:
    """``HEADER``'s values, for an input of ``total_channels`` of which ``channels`` belong to a group. ``tables`` is 0."""
    depth, height, width = layout.axes
    space = depth.size * height.size * width.size
    return [
        groups, layout.column_blocks, layout.row_blocks, depth.outputs, layout.rows, layout.columns, height.outputs,
        width.outputs, total_channels * space, channels * space, space, depth.size, height.size, width.size, channels,
        len(depth.taps), len(width.taps), len(layout.phases), layout.height, layout.plane, depth.step, height.step,
        width.step, 0,
    ]  # fmt: skip


def panel_tables(layout: Panel) -> list[int]:
    """Offsets along the depth, along the columns, of the row phases, and of the row taps in a plane."""
    depth, _, width = layout.axes
    return [*depth.offsets, *width.offsets, *layout.phases, *layout.row_offsets]


class PanelCode:
    """Writes the code that packs a panel. ``value``: the ints by the names of ``HEADER``; ``step``: the columns'."""

    def __init__(self, f: Function, element: Any, lanes: int, step: int) -> None:
        self.f, self.element, self.lanes, self.step = f, element, lanes, step
        self.value = {name: f.int_(i) for i, name in enumerate(HEADER)}
        v = self.value
        self.depth_table = v["tables"]
        self.column_table = f.add(self.depth_table, v["depth_taps"])
        self.phase_table = f.add(self.column_table, v["column_taps"])
        self.row_table = f.add(self.phase_table, v["phases"])

    def table(self, start: Any, index: Any) -> Any:
        return self.f.load(I64, self.f.ints, self.f.add(start, index))

    def pack(self, source: Any, panel: Any, channels: Any, depth: Any, row: Any, column: Any) -> None:
        """Fill ``panel`` for the block at ``depth``, ``row``, ``column``; ``source`` is the first channel.

        Whole vectors are written, the last ones of all rows first: what runs over a row's end is written again afterwards, and
        behind the last plane there must be room for a vector.
        """
        f, v, lanes = self.f, self.value, self.lanes
        wide, step = v["columns"], v["row_step"]
        rows_of_plane = f.mul(v["height"], v["width"])
        last = f.mul(f.divide(f.sub(wide, 1), lanes), lanes)
        zero = f.zero(self.element, lanes)
        with f.loop(0, channels) as c, f.loop(0, v["depth_taps"]) as jd:
            at_depth = f.add(f.mul(depth, v["depth_step"]), self.table(self.depth_table, jd))
            inside_depth = f.b.icmp_unsigned("<", at_depth, v["depth"])
            plane_of = f.at(
                self.element, source, f.add(f.mul(c, v["channel"]), f.mul(at_depth, rows_of_plane))
            )
            self._fetch_next(plane_of, row)
            with f.loop(0, v["column_taps"]) as jw:
                offset = f.add(self.table(self.column_table, jw), f.mul(column, v["column_step"]))
                q = f.add(f.mul(f.add(f.mul(c, v["depth_taps"]), jd), v["column_taps"]), jw)
                target = f.at(self.element, panel, f.mul(q, v["plane"]))
                with f.loop(0, f.add(last, 1), lanes) as back, f.loop(0, v["phases"]) as phase:
                    t = f.sub(last, back)
                    at = f.add(offset, f.mul(t, self.step))
                    first = f.add(self.table(self.phase_table, phase), f.mul(row, step))
                    into = f.at(self.element, target, f.add(f.mul(phase, f.mul(v["tall"], wide)), t))
                    # Rows inside the input: from -first/step up, to (height - first)/step up.
                    up = f.sub(step, 1)
                    low = f.divide(f.add(f.maximum(f.sub(0, first), 0), up), step)
                    high = f.divide(f.add(f.maximum(f.sub(v["height"], first), 0), up), step)
                    low, high = f.minimum(low, v["tall"]), f.minimum(high, v["tall"])
                    high = f.select(inside_depth, f.maximum(high, low), low)
                    with f.loop(0, low) as r:
                        f.store_vector(zero, into, f.mul(r, wide))
                    with f.loop(low, high) as r:
                        row_of = f.at(self.element, plane_of, f.mul(f.add(first, f.mul(r, step)), v["width"]))
                        x = f.load_apart(self.element, lanes, row_of, at, self.step, 0, v["width"])
                        f.store_vector(x, into, f.mul(r, wide))
                    with f.loop(high, v["tall"]) as r:
                        f.store_vector(zero, into, f.mul(r, wide))

    def _fetch_next(self, plane_of: Any, row: Any) -> None:
        """Ask for what the block needs of the next channel: too short a stretch for the processor to see it coming."""
        f, v = self.f, self.value
        first = f.maximum(f.add(f.load(I64, f.ints, self.phase_table), f.mul(row, v["row_step"])), 0)
        count = f.mul(f.minimum(f.mul(v["tall"], v["row_step"]), f.sub(v["height"], first)), v["width"])
        start = f.at(self.element, plane_of, f.add(v["channel"], f.mul(first, v["width"])))
        with f.loop(0, count, self.lanes) as i:
            flags = [
                ir.Constant(I32, 0),
                ir.Constant(I32, 2),
                ir.Constant(I32, 1),
            ]  # to read, second level, data
            f.call("llvm.prefetch.p0", VOID, [f.at(self.element, start, i), *flags])

    def unit(self, number: Any) -> tuple[Any, Any, Any, Any]:
        """A block's number within all samples as sample, depth, first row, first column."""
        f, v = self.f, self.value
        column = f.remainder(number, v["column_blocks"])
        number = f.divide(number, v["column_blocks"])
        row = f.remainder(number, v["row_blocks"])
        number = f.divide(number, v["row_blocks"])
        depth = f.remainder(number, v["depth_count"])
        sample = f.divide(number, v["depth_count"])
        return sample, depth, f.mul(row, v["rows"]), f.mul(column, v["columns"])

    def positions(self, row: Any, column: Any) -> Any:
        """How many outputs the block at ``row``, ``column`` has: consecutive ones."""
        f, v = self.f, self.value
        rows = f.minimum(v["rows"], f.sub(v["row_count"], row))
        columns = f.minimum(v["columns"], f.sub(v["column_count"], column))
        return f.mul(rows, columns)
