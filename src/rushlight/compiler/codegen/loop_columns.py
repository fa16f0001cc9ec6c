"""Column kernels: sums over dimensions other than the last.

Work units that lie next to each other are done together, so that the rows are read through once, in the order that they
have in memory. The accumulators of all columns are on the stack, which is in the first-level cache. Light code takes four rows
at a time and adds those up in pairs first; every 32 rows go to the second level (as in ``loop_nest``). Which columns are
done together makes no difference to any of them.
"""

from __future__ import annotations

from collections.abc import Callable

from ...ir.loops import COLUMNS, ColumnKernel
from ...ir.scalar import ReduceOp
from . import loop_scalars as scalars
from .loop_nest import ADDITIONS, Loops, Point, in_one, lanes_of, two_sum, unrolling_of
from .loop_text import I64, Body, Type, Value

CHUNKS = 16  # units that are done together, at most


class Accumulators:
    """One reduction of all columns that are done together, in stack memory."""

    def __init__(self, b: Body, op: ReduceOp, kind: scalars.DType, lanes: int, columns: int) -> None:
        self.b = b
        self.op = op
        self.dtype = kind
        self.type = scalars.register_type(scalars.accumulator_dtype(kind), lanes)
        self.start = b.const(self.type, scalars.neutral(op, kind))
        self.compensated = op is ReduceOp.SUM and self.type.floating
        self.levels = [b.slot(self.type, columns // lanes) for _ in range(3 if self.compensated else 1)]

    def _at(self, level: int, column: Value) -> Value:
        return self.b.element(Type(self.type.scalar), self.levels[level], column)

    def clear(self, column: Value) -> None:
        for level in range(len(self.levels)):
            self.b.store(self.start, self._at(level, column))

    def add(self, column: Value, values: list[Value]) -> None:
        if self.dtype.kind == "b":
            values = [value.convert("zext", "i8") for value in values]
        while len(values) > 1:
            values = [
                scalars.combine(self.b, self.op, values[k], values[k + 1], self.dtype)
                for k in range(0, len(values), 2)
            ]
        place = self._at(0, column)
        total = scalars.combine(self.b, self.op, self.b.load(self.type, place), values[0], self.dtype)
        self.b.store(total, place)

    def _sum(self, column: Value) -> tuple[Value, Value]:
        first, high, low = (self.b.load(self.type, self._at(level, column)) for level in range(3))
        return two_sum(high, low, first)

    def fold(self, column: Value) -> None:
        """Move the first level to the second."""
        for level, value in enumerate((self.start, *self._sum(column))):
            self.b.store(value, self._at(level, column))

    def result(self, column: Value) -> Value:
        if self.compensated:
            return in_one(self.b, *self._sum(column))
        value = self.b.load(self.type, self._at(0, column))
        return value.compare("ne", 0) if self.dtype.kind == "b" else value


class Columns:
    """The state of writing one column kernel."""

    def __init__(self, b: Body, loops: Loops, kernel: ColumnKernel) -> None:
        self.b = b
        self.loops = loops
        self.kernel = kernel
        self.lanes = lanes_of([kernel.body, kernel.finish], kernel.arguments)
        light = unrolling_of(kernel.body, kernel.arguments, kernel.outer + kernel.reduced) > 1
        self.rows = 4 if light else 1
        self.chunks = max(1, CHUNKS // max(1, len(kernel.body.reductions)))
        self.accumulators = [
            Accumulators(b, op, kernel.body.code[n].dtype, self.lanes, self.chunks * COLUMNS)
            for op, n in kernel.body.reductions
        ]
        self.count = b.slot(I64, align=8)  # of rows in the first level
        self.first = self.stop = self.vectors = b.i64(0)

    def write(self) -> None:
        b, loops = self.b, self.loops
        begin, end = b.parameters[0], b.parameters[1]
        columns = loops.extents[-1]
        chunks = b.binary("udiv", columns + (COLUMNS - 1), b.i64(COLUMNS))
        following = b.slot(I64, align=8)
        b.store(begin, following)
        with b.loop(begin, end, 1) as unit, b.when(unit.same(b.load(I64, following))):
            row = b.binary("udiv", unit, chunks)
            chunk = unit - row * chunks
            together = b.intrinsic(
                "smin", b.intrinsic("smin", end - unit, chunks - chunk), b.i64(self.chunks)
            )
            b.store(unit + together, following)
            self.first = chunk * COLUMNS
            self.stop = b.intrinsic("smin", self.first + together * COLUMNS, columns)
            self.vectors = self.first + ((self.stop - self.first) & -self.lanes)
            for d in reversed(range(loops.outer)):
                above = b.binary("udiv", row, loops.extents[d]) if d else b.i64(0)
                loops.indices[d] = row - above * loops.extents[d] if d else row
                row = above
            pointers = loops.moved(loops.bases, range(loops.outer))
            self._reduce(pointers)
            self._finish(pointers)

    def _reduce(self, pointers: list[Value]) -> None:
        b = self.b
        b.store(b.i64(0), self.count)
        with b.loop(b.i64(0), self.stop - self.first, self.lanes) as column:
            for one in self.accumulators:
                one.clear(column)
        self._nest(self.kernel.outer, pointers)
        self.loops.indices[self.kernel.outer :] = [b.i64(0)] * (self.loops.dims - self.kernel.outer)

    def _nest(self, d: int, pointers: list[Value]) -> None:
        b, loops, kernel = self.b, self.loops, self.kernel
        innermost = kernel.outer + kernel.reduced - 1
        if d > innermost:  # no reduced dimensions at all
            self._add_rows(pointers, 1)
        elif d < innermost:
            with b.loop(b.i64(0), loops.extents[d], 1) as index:
                loops.indices[d] = index
                self._nest(d + 1, pointers)
        else:
            whole = loops.extents[d] & -self.rows
            with b.loop(b.i64(0), whole, self.rows) as index:
                loops.indices[d] = index
                self._add_rows(pointers, self.rows)
            if self.rows > 1:
                with b.loop(whole, loops.extents[d], 1) as index:
                    loops.indices[d] = index
                    self._add_rows(pointers, 1)

    def _add_rows(self, pointers: list[Value], count: int) -> None:
        """Add ``count`` rows, the first of which is at the present indices."""
        loops, kernel = self.loops, self.kernel
        places = []
        for k in range(count):
            if k:
                loops.indices[kernel.outer + kernel.reduced - 1] += 1
            loops.pointers = loops.moved(pointers, range(kernel.outer, kernel.outer + kernel.reduced))
            loops.hoist(kernel.body)
            place = (loops.pointers, dict(loops.hoisted), list(loops.indices))
            places.append(place)

        def add(point: Point) -> None:
            assert point.start is not None
            rows = []
            for loops.pointers, loops.hoisted, loops.indices in places:
                rows.append(loops.evaluate(kernel.body, point, point.rest is None))
            for one, (_, code) in zip(self.accumulators, kernel.body.reductions, strict=True):
                # The lanes beyond the rest add up what nobody reads.
                one.add(point.start - self.first, [values[code] for values in rows])

        self._all_columns(add)
        loops.hoisted = {}
        self._count_rows(count)

    def _all_columns(self, do: Callable[[Point], None]) -> None:
        b = self.b
        with b.loop(self.first, self.vectors, self.lanes) as column:
            do(Point(column, self.lanes))
        with b.when(self.vectors < self.stop):
            do(Point(self.vectors, self.lanes, self.stop - self.vectors))

    def _count_rows(self, rows: int) -> None:
        b = self.b
        sums = [one for one in self.accumulators if one.compensated]
        if not sums:
            return
        count = b.load(I64, self.count) + rows
        full = count >= ADDITIONS
        b.store(b.select(full, 0, count), self.count)
        with b.when(full), b.loop(b.i64(0), self.stop - self.first, self.lanes) as column:
            for one in sums:
                one.fold(column)

    def _finish(self, pointers: list[Value]) -> None:
        loops, kernel = self.loops, self.kernel
        loops.pointers = pointers
        with self.b.when(self.first < self.stop):
            loops.hoist(kernel.finish)

            def finish(point: Point) -> None:
                assert point.start is not None
                column = point.start - self.first
                results = [one.result(column) for one in self.accumulators]
                loops.evaluate(kernel.finish, point, point.rest is None, results)

            self._all_columns(finish)
            loops.hoisted = {}
