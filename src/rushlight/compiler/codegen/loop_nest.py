"""How loop kernels walk their index space: rows, the nest of inner dimensions, and vectors along the last one.

The last dimension is walked in explicit vectors: blocks of ``lanes`` elements, unrolled where the code is light, then one
block for the rest with only some lanes in use. Steps of one are vector loads, steps of zero are loaded once before the
loop, others are gathered one by one.

Sums of floats, whose order must depend on the extents alone: element i of a row goes to accumulator (i / lanes) mod
unrolling, lane i mod lanes (rest: accumulator 0); after every 32 additions the accumulators are added up into a second
one which keeps what it rounds off (Knuth's TwoSum), so the error does not grow with the length of the row; at the end
the lanes are added pairwise. No operation is reassociated or contracted: units may be split anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...ir.loops import Argument, Instruction, Leaf, Stage, Step
from ...ir.scalar import PART, ReduceOp
from . import loop_scalars as scalars
from .loop_text import I32, I64, PTR, Body, Type, Value

ADDITIONS = 32  # of one accumulator, before it goes to the second level
TILE = 16  # rows
NOT_NAN = frozenset({"b", "i", "u"})


class Point(NamedTuple):
    """Where the code of a stage is evaluated: ``lanes`` elements from ``start`` of the last dimension on.

    ``start`` is None outside of loops. ``rest``: how many of the lanes are in use (None: all).
    """

    start: Value | None
    lanes: int
    rest: Value | None = None


def lanes_of(stages: Sequence[Stage], arguments: Sequence[Argument]) -> int:
    """How many elements make a vector: 64 bytes of the widest dtype that is computed with."""
    used = {code.payload for stage in stages for code in stage.code if code.op is Leaf.LOAD}
    kinds = {code.dtype for stage in stages for code in stage.code if code.op is not Leaf.CONST}
    sizes = [scalars.lane_bytes(d) if d.kind == "c" else d.itemsize for d in kinds]
    sizes += [scalars.lane_bytes(arguments[k].dtype) for k in used]
    sizes += [4 for stage in stages for code in stage.code if scalars.is_float(code.dtype)]
    return int(min(64, max(8, 64 // max(sizes, default=4))))


def unrolling_of(stage: Stage, arguments: Sequence[Argument], last: int) -> int:
    """How many vectors one iteration takes: several where light code is reduced, to overlap the additions' latencies."""
    gathers = any(
        code.op is Leaf.LOAD and arguments[code.payload].steps[last] is Step.ANY for code in stage.code
    )
    work = sum(1 for code in stage.code if not isinstance(code.op, Leaf) or code.op is Leaf.CAST)
    if not stage.reductions or gathers:
        return 1
    if any(is_heavy(code) for code in stage.code):
        return 2  # their constants then stay in registers
    if work > 24:
        return 1
    return 4 if work <= 8 else 2


def is_heavy(code: Instruction) -> bool:
    return code.op in scalars.HEAVY


def two_sum(high: Value, low: Value, value: Value) -> tuple[Value, Value]:
    """high + low + value as two numbers, the second of which is what the first rounded off."""
    new = high + value
    back = new - high
    return new, low + ((high - (new - back)) + (value - back))


def in_one(b: Body, high: Value, low: Value) -> Value:
    return b.select(low.is_nan(), high, high + low)  # with an infinity the rounded-off part is NaN


class Reduction:
    """One reduction of a stage: its accumulators, in stack slots that LLVM makes registers of."""

    def __init__(self, b: Body, op: ReduceOp, dtype: np.dtype[Any], lanes: int, count: int) -> None:
        self.b = b
        self.op = op
        self.dtype = dtype
        kept = scalars.accumulator_dtype(dtype)
        self.type = scalars.register_type(kept, lanes)
        self.start = b.const(self.type, scalars.neutral(op, dtype))
        self.slots = [b.slot(self.type) for _ in range(count)]
        self.compensated = op is ReduceOp.SUM and self.type.floating
        self.high: Value | None = b.slot(self.type) if self.compensated else None
        self.low: Value | None = b.slot(self.type) if self.compensated else None

    def clear(self) -> None:
        for slot in self.slots:
            self.b.store(self.start, slot)
        if self.high is not None and self.low is not None:
            self.b.store(self.start, self.high)
            self.b.store(self.start, self.low)

    def add(self, number: int, value: Value, mask: Value | None) -> None:
        b = self.b
        if self.dtype.kind == "b":
            value = value.convert("zext", "i8")
        if mask is not None:
            value = b.select(mask, value, self.start)
        slot = self.slots[number]
        b.store(scalars.combine(b, self.op, b.load(self.type, slot), value, self.dtype), slot)

    def total(self) -> Value:
        """The accumulators as one vector."""
        parts = [self.b.load(self.type, slot) for slot in self.slots]
        while len(parts) > 1:
            parts = [
                scalars.combine(self.b, self.op, parts[k], parts[k + 1], self.dtype)
                for k in range(0, len(parts), 2)
            ]
        return parts[0]

    def _second_level(self) -> tuple[Value, Value]:
        b = self.b
        assert self.high is not None and self.low is not None
        return two_sum(b.load(self.type, self.high), b.load(self.type, self.low), self.total())

    def fold(self) -> None:
        """Move the first level to the second."""
        high, low = self._second_level()
        assert self.high is not None and self.low is not None
        self.b.store(high, self.high)
        self.b.store(low, self.low)
        for slot in self.slots:
            self.b.store(self.start, slot)

    def vector(self) -> Value:
        """The result of every lane."""
        if not self.compensated:
            return self.total()
        return in_one(self.b, *self._second_level())

    def result(self) -> Value:
        """One number, in the register type of the dtype."""
        value = self.vector()
        while value.type.lanes > 1:
            value = scalars.combine(
                self.b, self.op, self.b.half_of(value, False), self.b.half_of(value, True), self.dtype
            )
        return self.finish(value)

    def finish(self, value: Value) -> Value:
        if self.dtype.name in scalars.HALVES:
            return scalars.decode(self.b, scalars.encode(self.b, value, self.dtype), self.dtype)
        return value.compare("ne", 0) if self.dtype.kind == "b" else value


class Loops:
    """The state of writing one kernel: extents and steps, the present row, its pointers, and the results of stages."""

    def __init__(self, b: Body, arguments: tuple[Argument, ...], outer: int, inner: int) -> None:
        self.b = b
        self.arguments = arguments
        self.outer = outer
        self.dims = outer + inner
        self.last = self.dims - 1 if inner else None
        self.registers: dict[tuple[int, int], Any] = {}
        ints, pointers = b.parameters[2], b.parameters[3]
        self.extents = [b.load(I64, b.element(I64, ints, d)) for d in range(self.dims)]
        self.steps: list[list[Value]] = []
        place = self.dims
        for argument in arguments:
            row = []
            for step in argument.steps:
                if step is Step.ANY:
                    row.append(b.load(I64, b.element(I64, ints, place)))
                else:
                    row.append(b.i64(step.value))
                place += 1
            self.steps.append(row)
        self.bases = [b.load(PTR, b.element(PTR, pointers, k)) for k in range(len(arguments))]
        self.pointers = list(self.bases)  # to the elements at the present indices
        self.indices: list[Value] = [b.i64(0)] * self.dims
        self.counters: list[Value] = []
        self.hoisted: dict[int, Any] = {}
        self.buffers: dict[str, Value] = {}
        self.unfolded = b.slot(
            I64, align=8
        )  # how many elements the first level of sums has got from earlier runs

    # Rows

    def enter_row(self, row: Value, begin: Value) -> None:
        """Point at a row. Its indices count up from those of ``begin``, which are the only ones that need division."""
        b = self.b
        if self.outer == 1:
            self.indices[0] = row
        elif self.outer > 1:
            self.counters = [b.slot(Type("i64"), align=8) for _ in range(self.outer)]
            with b.when(row.same(begin)):
                left = row
                for d in reversed(range(self.outer)):
                    # The extents are not zero, or there would be no row.
                    index = b.binary("urem", left, self.extents[d]) if d else left
                    b.store(index, self.counters[d])
                    left = b.binary("udiv", left, self.extents[d]) if d else left
            self.indices[: self.outer] = [b.load(I64, slot) for slot in self.counters]
        self.pointers = self.moved(self.bases, range(self.outer))

    def next_row(self) -> None:
        b = self.b
        if self.outer < 2:
            return
        carry: Value | None = None
        for d in reversed(range(self.outer)):
            up = self.indices[d] + (1 if carry is None else carry.convert("zext", "i64"))
            full = up >= self.extents[d]
            b.store(b.select(full, 0, up), self.counters[d])
            carry = full

    def moved(self, pointers: Sequence[Value], dims: Sequence[int]) -> list[Value]:
        """The pointers, moved along some dimensions to their present indices."""
        b = self.b
        result = []
        for k, argument in enumerate(self.arguments):
            offset: Value | None = None
            for d in dims:
                if argument.steps[d] is Step.ZERO:
                    continue
                part = (
                    self.indices[d] if argument.steps[d] is Step.ONE else self.indices[d] * self.steps[k][d]
                )
                offset = part if offset is None else offset + part
            pointer = pointers[k]
            if offset is not None:
                pointer = b.element(scalars.memory_type(argument.dtype), pointer, offset)
            result.append(pointer)
        return result

    def tiles(self, stage: Stage, begin: Value, end: Value) -> None:
        """A pointwise kernel over tiles of ``TILE`` rows by one vector.

        An array that is walked across its rows has the neighbours of an element in the next rows: a tile uses all of a
        cache line before it is pushed out.
        """
        b = self.b
        assert self.last is not None
        depth = self.outer - 1
        lanes = lanes_of([stage], self.arguments)
        following = b.slot(I64, align=8)
        b.store(begin, following)
        with b.loop(begin, end, 1) as unit, b.when(unit.same(b.load(I64, following))):
            left = unit
            for d in reversed(range(self.outer)):
                above = b.binary("udiv", left, self.extents[d]) if d else b.i64(0)
                self.indices[d] = left - above * self.extents[d] if d else left
                left = above
            first = self.indices[depth]
            room = b.intrinsic("smin", end - unit, self.extents[depth] - first)
            count = b.intrinsic("smin", room, b.i64(TILE))
            b.store(unit + count, following)
            with b.loop(b.i64(0), self.extents[self.last], lanes) as column:
                stop = b.intrinsic("smin", column + lanes, self.extents[self.last])
                with b.loop(first, first + count, 1) as row:
                    self.indices[depth] = row
                    self.pointers = self.moved(self.bases, range(self.outer))
                    self.run([], stage, column, stop)

    # Stages

    def reductions(self, stage: Stage) -> list[Reduction]:
        if not stage.reductions:
            return []
        lanes, count = 1, 1
        if self.last is not None:
            lanes = lanes_of([stage], self.arguments)
            count = unrolling_of(stage, self.arguments, self.last)
        return [Reduction(self.b, op, stage.code[n].dtype, lanes, count) for op, n in stage.reductions]

    def stage(self, number: int, stage: Stage) -> None:
        """One stage of the present row."""
        if not stage.loops or self.last is None:
            values = self.evaluate(stage, Point(None, 1), True)
            if stage.loops:
                for n, (_, code) in enumerate(stage.reductions):
                    self.registers[number, n] = values[code]
            else:
                for n, value in enumerate(values):
                    self.registers[number, -1 - n] = value
            return
        reductions = self.reductions(stage)
        for reduction in reductions:
            reduction.clear()
        self.b.store(self.b.i64(0), self.unfolded)
        row_pointers = self.pointers
        self._nest(reductions, stage, self.outer, row_pointers)
        self.pointers = row_pointers
        self.indices[self.outer :] = [self.b.i64(0)] * (self.dims - self.outer)
        for n, reduction in enumerate(reductions):
            self.registers[number, n] = reduction.result()

    def _nest(self, reductions: list[Reduction], stage: Stage, d: int, row: list[Value]) -> None:
        b = self.b
        assert self.last is not None
        if d < self.last:
            with b.loop(b.i64(0), self.extents[d], 1) as index:
                self.indices[d] = index
                self._nest(reductions, stage, d + 1, row)
            return
        self.pointers = self.moved(row, range(self.outer, self.last))
        self.run(reductions, stage, b.i64(0), self.extents[self.last])

    def run(self, reductions: list[Reduction], stage: Stage, first: Value, stop: Value) -> None:
        """A looping stage over part of the last dimension."""
        b = self.b
        assert self.last is not None
        lanes = lanes_of([stage], self.arguments)
        count = unrolling_of(stage, self.arguments, self.last)
        sums = [reduction for reduction in reductions if reduction.compensated]
        with b.when(first < stop):
            self.hoist(stage)
            step = lanes * count
            length = stop - first
            whole = first + (length & -step)

            def blocks(start: Value, end: Value) -> None:
                with b.loop(start, end, step) as index:
                    for k in range(count):
                        at = index + k * lanes if k else index
                        self._block(reductions, stage, Point(at, lanes), k)

            if sums:
                chunk = step * ADDITIONS
                with b.loop(first, whole, chunk) as start:
                    end = b.intrinsic("smin", start + chunk, whole)
                    blocks(start, end)
                    with b.when((end - start).same(chunk)):
                        for reduction in sums:
                            reduction.fold()
            else:
                blocks(first, whole)
            if count > 1:
                vectors = first + (length & -lanes)
                with b.loop(whole, vectors, lanes) as index:
                    self._block(reductions, stage, Point(index, lanes), 0)
                whole = vectors
            if self.last > self.outer:  # many runs: the rests of them must not pile up in the first level
                self._fold_rests(sums, length, step * ADDITIONS)
            with b.when(whole < stop):
                self._block(reductions, stage, Point(whole, lanes, stop - whole), 0)
            self.hoisted.clear()

    def _fold_rests(self, sums: list[Reduction], length: Value, chunk: int) -> None:
        b = self.b
        if not sums:
            return
        count = b.load(I64, self.unfolded) + (length & (chunk - 1))
        full = count >= chunk
        b.store(b.select(full, 0, count), self.unfolded)
        with b.when(full):
            for reduction in sums:
                reduction.fold()

    def hoist(self, stage: Stage) -> None:
        """Load once what does not move along the last dimension."""
        assert self.last is not None
        self.hoisted.clear()
        for code in stage.code:
            if code.op is Leaf.LOAD and self.arguments[code.payload].steps[self.last] is Step.ZERO:
                self.hoisted[code.payload] = self._scalar(code.payload, self.pointers[code.payload])

    def _block(self, reductions: list[Reduction], stage: Stage, point: Point, number: int) -> None:
        values = self.evaluate(stage, point, point.rest is None)
        mask = self.mask(point)
        for reduction, (_, code) in zip(reductions, stage.reductions, strict=True):
            reduction.add(number, values[code], mask)

    # Code

    def evaluate(
        self, stage: Stage, point: Point, inline: bool, results: Sequence[Value] | None = None
    ) -> list[Any]:
        """Every instruction of a stage at a point; its stores are done. ``results``: what REGISTER means in ``finish``."""
        b = self.b
        values: list[Any] = []
        for code in stage.code:
            operands = [values[k] for k in code.operands]
            if code.op is Leaf.LOAD:
                value = self.load(code.payload, point)
                if code.dtype.kind != "c":
                    value = scalars.cast(b, value, self.arguments[code.payload].dtype, code.dtype)
            elif code.op is Leaf.CONST:
                value = scalars.constant(b, code.dtype, code.payload, point.lanes)
            elif code.op is Leaf.REGISTER:
                if results is not None:
                    value = results[code.payload[1]]
                else:
                    value = self.splat(self.registers[tuple(code.payload)], point.lanes)
            elif code.op is Leaf.CAST:
                value = scalars.cast(b, operands[0], stage.code[code.operands[0]].dtype, code.dtype)
            elif code.op is Leaf.INDEX:
                value = self.index(code.payload, point)
            else:
                sources = [stage.code[k] for k in code.operands]
                numbers = [_is_number(source) for source in sources]
                value = scalars.apply(b, code.op, operands, sources[-1].dtype, numbers, inline)
                value = scalars.rounded(b, code.op, value, code.dtype)
            values.append(value)
        for argument, code_number in stage.stores:
            target, value = self.arguments[argument].dtype, values[code_number]
            if target not in PART:
                value = scalars.cast(b, value, stage.code[code_number].dtype, target)
            self.save(argument, value, point)
        return values

    def index(self, dim: int, point: Point) -> Value:
        b = self.b
        if dim != self.last or point.start is None:
            return b.splat(self.indices[dim], point.lanes)
        return b.splat(point.start, point.lanes) + b.counting("i64", point.lanes)

    def mask(self, point: Point) -> Value | None:
        if point.rest is None:
            return None
        b = self.b
        rest = b.splat(point.rest.convert("trunc", "i32"), point.lanes)
        return b.counting(I32.scalar, point.lanes).compare("ult", rest)

    def splat(self, value: Any, lanes: int) -> Any:
        """A number in every lane."""
        if isinstance(value, scalars.Pair):
            return scalars.Pair(self.b.splat(value.real, lanes), self.b.splat(value.imag, lanes))
        return self.b.splat(value, lanes)

    def _scalar(self, argument: int, pointer: Value) -> Any:
        dtype = self.arguments[argument].dtype
        if dtype in PART:
            return self._apart(self.b.load(scalars.memory_type(dtype), pointer, PART[dtype].itemsize))
        return scalars.decode(self.b, self.b.load(scalars.memory_type(dtype), pointer, dtype.itemsize), dtype)

    def _apart(self, pairs: Value) -> scalars.Pair:
        return scalars.Pair(self.b.alternate(pairs, False), self.b.alternate(pairs, True))

    def load(self, argument: int, point: Point) -> Any:
        b = self.b
        dtype = self.arguments[argument].dtype
        pointer = self.pointers[argument]
        if point.start is None:
            return self._scalar(argument, pointer)
        assert self.last is not None
        step = self.arguments[argument].steps[self.last]
        if step is Step.ZERO:
            return self.splat(self.hoisted[argument], point.lanes)
        if dtype in PART:
            return self._load_pairs(argument, point, PART[dtype])
        element = scalars.memory_type(dtype)
        type_ = scalars.memory_type(dtype, point.lanes)
        if step is Step.ONE:
            at = b.element(element, pointer, point.start)
            if point.rest is None:
                return scalars.decode(b, b.load(type_, at, dtype.itemsize), dtype)
            if element.bits >= 32:
                mask = self.mask(point)
                assert mask is not None
                return scalars.decode(b, b.masked_load(type_, at, dtype.itemsize, mask), dtype)
            between: Value | int = 1
        else:
            between = self.steps[argument][self.last]
            at = b.element(element, pointer, point.start * between)
        if point.rest is None:
            raw = Value(b, type_, "poison")
            for lane in range(point.lanes):
                raw = b.with_lane(raw, b.load(element, at, dtype.itemsize), lane)
                at = b.element(element, at, between)
            return scalars.decode(b, raw, dtype)
        buffer = self.buffer(type_)
        b.store(b.const(type_, 0), buffer)
        with b.loop(b.i64(0), point.rest, 1) as lane_index:
            source = b.element(element, at, lane_index * between)
            b.store(b.load(element, source, dtype.itemsize), b.element(element, buffer, lane_index))
        return scalars.decode(b, b.load(type_, buffer), dtype)

    def _pairs_mask(self, point: Point) -> Value:
        """Of complex numbers as pairs: the lanes of those that are in use."""
        b = self.b
        assert point.rest is not None
        rest = b.splat((point.rest + point.rest).convert("trunc", "i32"), 2 * point.lanes)
        return b.counting(I32.scalar, 2 * point.lanes).compare("ult", rest)

    def _load_pairs(self, argument: int, point: Point, part: np.dtype[Any]) -> scalars.Pair:
        """Complex numbers from memory."""
        b = self.b
        assert self.last is not None and point.start is not None
        pair, both = scalars.register_type(part, 2), scalars.register_type(part, 2 * point.lanes)
        pointer, align = self.pointers[argument], part.itemsize
        if self.arguments[argument].steps[self.last] is Step.ONE:
            at = b.element(pair, pointer, point.start)
            if point.rest is None:
                return self._apart(b.load(both, at, align))
            return self._apart(b.masked_load(both, at, align, self._pairs_mask(point)))
        between = self.steps[argument][self.last]
        at = b.element(pair, pointer, point.start * between)
        if point.rest is None:
            element = scalars.register_type(part)
            real = imag = Value(b, scalars.register_type(part, point.lanes), "poison")
            for lane in range(point.lanes):
                real = b.with_lane(real, b.load(element, at, align), lane)
                imag = b.with_lane(imag, b.load(element, b.element(element, at, 1), align), lane)
                at = b.element(pair, at, between)
            return scalars.Pair(real, imag)
        buffer = self.buffer(both)
        b.store(b.const(both, 0), buffer)
        with b.loop(b.i64(0), point.rest, 1) as lane_index:
            source = b.element(pair, at, lane_index * between)
            b.store(b.load(pair, source, align), b.element(pair, buffer, lane_index), align)
        return self._apart(b.load(both, buffer))

    def _save_pairs(self, argument: int, value: scalars.Pair, point: Point, part: np.dtype[Any]) -> None:
        """Complex numbers to memory."""
        b = self.b
        pair, align = scalars.register_type(part, 2), part.itemsize
        pointer = self.pointers[argument]
        if point.start is None:
            b.store(b.alternating(value.real, value.imag), pointer, align)
            return
        assert self.last is not None
        if self.arguments[argument].steps[self.last] is Step.ONE:
            at = b.element(pair, pointer, point.start)
            both = b.alternating(value.real, value.imag)
            if point.rest is None:
                b.store(both, at, align)
            else:
                b.masked_store(both, at, align, self._pairs_mask(point))
            return
        between = self.steps[argument][self.last]
        at = b.element(pair, pointer, point.start * between)
        if point.rest is None:
            element = scalars.register_type(part)
            for lane in range(point.lanes):
                b.store(b.lane(value.real, lane), at, align)
                b.store(b.lane(value.imag, lane), b.element(element, at, 1), align)
                at = b.element(pair, at, between)
            return
        both = b.alternating(value.real, value.imag)
        buffer = self.buffer(both.type)
        b.store(both, buffer)
        with b.loop(b.i64(0), point.rest, 1) as lane_index:
            target = b.element(pair, at, lane_index * between)
            b.store(b.load(pair, b.element(pair, buffer, lane_index), align), target, align)

    def buffer(self, type_: Type) -> Value:
        """Stack memory for a vector whose lanes are moved one by one."""
        if str(type_) not in self.buffers:
            self.buffers[str(type_)] = self.b.slot(type_)
        return self.buffers[str(type_)]

    def save(self, argument: int, value: Any, point: Point) -> None:
        b = self.b
        dtype = self.arguments[argument].dtype
        if dtype in PART:
            self._save_pairs(argument, value, point, PART[dtype])
            return
        raw = scalars.encode(b, value, dtype)
        pointer = self.pointers[argument]
        if point.start is None:
            b.store(raw, pointer, dtype.itemsize)
            return
        assert self.last is not None
        step = self.arguments[argument].steps[self.last]
        element = Type(raw.type.scalar)
        if step is Step.ONE:
            at = b.element(element, pointer, point.start)
            if point.rest is None:
                b.store(raw, at, dtype.itemsize)
                return
            if element.bits >= 32:
                mask = self.mask(point)
                assert mask is not None
                b.masked_store(raw, at, dtype.itemsize, mask)
                return
            between: Value | int = 1
        else:
            between = self.steps[argument][self.last]
            at = b.element(element, pointer, point.start * between)
        if point.rest is None:
            for lane in range(point.lanes):
                b.store(b.lane(raw, lane), at, dtype.itemsize)
                at = b.element(element, at, between)
            return
        buffer = self.buffer(raw.type)
        b.store(raw, buffer)
        with b.loop(b.i64(0), point.rest, 1) as lane_index:
            target = b.element(element, at, lane_index * between)
            b.store(b.load(element, b.element(element, buffer, lane_index)), target, dtype.itemsize)


def _is_number(code: Instruction) -> bool:
    """Whether an instruction can't be NaN."""
    if code.dtype.kind in NOT_NAN:
        return True
    return code.op is Leaf.CONST and code.payload == code.payload
