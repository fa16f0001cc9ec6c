"""Matrix products that leave out the zeros of their left operand.

Behind a ReLU about half of what is multiplied is zero, in the gradients too. Here the left operand is sifted first: of each
row, and of each part of k of up to 64, the elements that are not zero are listed, with a bit for each element that says
whether it is. The product then walks over the lists. A part of the right operand (some rows, some vectors of columns) is
copied to where it stays in the first-level cache, and a multiplication reads it from there: a processor that can load as
many vectors as it can multiply (Zen 4: one a cycle) is then one and a half times as quick as with register tiles if half is
zero. Rows that have hardly any zeros are multiplied as they are, a few at a time.

The results' bits are those of ``tile_products`` (but for the sign of a zero): the same sums, in the same order, cut in the
same slices, without summands that are zero. Zero times infinity, or NaN, is NaN: a part of the right operand that holds one is
multiplied by all elements.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

from llvmlite import ir

from ..codegen.structured import F32, F64, I1, I8, I64, Function
from .tile_products import Machine, Slices
from .transposing import transposed

# Parts of k and vectors of columns to choose from: all fit into a first-level cache of 32 KiB, with room for the lists.
_DEPTHS: Final = (64, 48, 32)
_MOST_VECTORS: Final = 12
_PANEL_BYTES: Final = 28 << 10
# Rows of sums that stay in the second-level cache.
_MOST_ROWS: Final = 512
_COUNTS: Final = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32)
_WEIGHTS: Final = ((1, 0.3), (2, 1.0), (4, 0.2), (8, 0.1))
# Cycles (Zen 4): a list's entry besides its multiplications, a list, a vector of sums read and written, a vector copied, a
# tile.
_ENTRY: Final = 1.2
_LIST: Final = 10.0
_SUMS: Final = 2.0
_COPY: Final = 3.0
_TILE: Final = 1000.0
_DENSITY: Final = 0.5
# From so many sixteenths of elements that are not zero on, all are multiplied, a few rows at a time: as many as there are
# registers for.
_HARDLY: Final = 13
_REGISTERS: Final = 31

# ints[FIRST_PART:]: for each part of k where it begins, and what it is; then k.
(
    ALPHA, BETA, M, N, ROWS, PANELS, PARTS, A_ROW, A_INNER, B_INNER, B_COLUMN, C_ROW, C_COLUMN, FIRST_PART,
) = range(14)  # fmt: skip
_HEAD: Final = 16  # bytes of a list before its values
# What a part of k is.
_BEGINS_SLICE: Final = 1
_ENDS_SLICE: Final = 2
_IN_FIRST_SLICE: Final = 4


class Cut(NamedTuple):
    """How a product is cut."""

    depth: int  # elements of k in a part, at most
    vectors: int  # of columns in a tile
    rows: int  # of a tile; a multiple of the lanes


class Shape(NamedTuple):
    """What the code depends on."""

    double: bool
    lanes: int
    depth: int
    vectors: int
    a_turned: bool  # the left operand's neighbours in memory are along m
    b_turned: bool  # the right operand's along k
    c_turned: bool  # the result's along m
    ragged: bool  # whether the last vectors of columns are not full
    adds: bool  # to what the result's memory holds

    @property
    def type(self) -> Any:
        return F64 if self.double else F32

    @property
    def size(self) -> int:
        return 8 if self.double else 4

    @property
    def pitch(self) -> int:
        """Bytes from one row of the copied right operand to the next."""
        return self.vectors * self.lanes * self.size

    @property
    def room(self) -> int:
        """Elements for which a list has memory: whole vectors are written, the last ones past its end."""
        return self.depth + self.lanes

    @property
    def list_bytes(self) -> int:
        """Of one list: which elements are in it, a bit for each, and their values."""
        return _HEAD + self.room * self.size


@lru_cache(maxsize=512)
def cut_of(m: int, n: int, slices: Slices, k: int, tile: Machine) -> Cut:
    """The cut that is quickest by a small model, from the shape alone."""
    best: tuple[float, Cut] | None = None
    vectors_in_all = -(-n // tile.lanes)
    for depth in _DEPTHS:
        parts = len(parts_of(slices, k, depth)) // 2
        for vectors in range(2, min(_MOST_VECTORS, _PANEL_BYTES // (depth * 64)) + 1):
            panels = -(-vectors_in_all // vectors)
            if vectors > 2 and panels == -(-vectors_in_all // (vectors - 1)):
                continue
            row = k * _DENSITY * (vectors + _ENTRY) + parts * (_LIST + _SUMS * vectors)
            for down in _COUNTS:
                rows = -(-m // (down * tile.lanes)) * tile.lanes
                if rows > _MOST_ROWS and down < _COUNTS[-1]:
                    continue
                time = min(rows, m) * row + _COPY * vectors * k + _TILE
                count = -(-m // rows) * panels
                total = sum(weight * -(-count // workers) * time for workers, weight in _WEIGHTS)
                if best is None or total < best[0]:
                    best = (total, Cut(depth, vectors, rows))
    assert best is not None
    return best[1]


def parts_of(slices: Slices, k: int, depth: int) -> list[int]:
    """For each part of k its beginning and what it is; then k. Parts begin at multiples of 16."""
    found = []
    for number in range(slices.number):
        start = min(number * slices.depth, slices.last)
        end = k if number == slices.number - 1 else min((number + 1) * slices.depth, slices.last)
        count = -(-(end - start) // depth)
        length = -(-(end - start) // (count * 16)) * 16
        starts = range(start, end, length)
        for at in starts:
            kind = (
                _BEGINS_SLICE * (at == start)
                | _ENDS_SLICE * (at == starts[-1])
                | _IN_FIRST_SLICE * (number == 0)
            )
            found += [at, kind]
    return [*found, k]


def lists_bytes(shape: Shape, m: int, parts: int) -> int:
    """Memory for all lists."""
    return -(-m // shape.lanes) * shape.lanes * parts * shape.list_bytes


def sift_scratch_bytes(shape: Shape) -> int:
    """Memory that a worker needs to make lists."""
    return shape.lanes * shape.depth * shape.size if shape.a_turned else 0


def product_scratch_bytes(shape: Shape, rows: int) -> int:
    """Memory that a worker needs to multiply: a panel, the sums, a row of zeros."""
    return shape.pitch * (shape.depth + rows + 1)


class _Code:
    """What both kernels know."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.f = Function("kernel", as_written=True)
        f = self.f
        self.m, self.parts = f.int_(M), f.int_(PARTS)
        self.padded_rows = f.mul(f.divide(f.add(self.m, shape.lanes - 1), shape.lanes), shape.lanes)

    def part(self, number: Any) -> tuple[Any, Any, Any]:
        """Where a part of k begins and ends, and what it is."""
        f = self.f
        at = f.add(f.mul(number, 2), FIRST_PART)
        return f.load(I64, f.ints, at), f.load(I64, f.ints, f.add(at, 2)), f.load(I64, f.ints, f.add(at, 1))

    def list_of(self, lists: Any, part: Any, row: Any) -> Any:
        f = self.f
        number = f.add(f.mul(part, self.padded_rows), row)
        return f.at(I8, lists, f.mul(number, self.shape.list_bytes))

    def values(self, list_: Any) -> Any:
        return self.f.at(I8, list_, _HEAD)


@lru_cache(maxsize=64)
def sift_text(shape: Shape) -> str:
    """The kernel that makes the lists: a unit is as many rows as a vector has lanes. pointers: a, and the lists."""
    return _Sift(shape).text()


class _Sift(_Code):
    def text(self) -> str:
        f, shape = self.f, self.shape
        lanes = shape.lanes
        a, lists = f.pointer(0), f.pointer(1)
        with f.loop(f.begin, f.end) as unit:
            first = f.mul(unit, lanes)
            if shape.a_turned:
                with f.loop(0, self.parts) as part:
                    start, end, _ = self.part(part)
                    self.turn(a, first, start, end)
                    with f.loop(0, lanes) as row:
                        source = f.at(shape.type, f.scratch, f.mul(row, shape.depth))
                        self.sift(source, f.sub(end, start), self.list_of(lists, part, f.add(first, row)))
            else:
                with f.loop(0, lanes) as row:
                    # Rows that do not exist have lists too, of the last one that does.
                    own = f.minimum(f.add(first, row), f.sub(self.m, 1))
                    whole = f.at(I8, a, f.mul(own, f.int_(A_ROW)))
                    with f.loop(0, self.parts) as part:
                        start, end, _ = self.part(part)
                        source = f.at(shape.type, whole, start)
                        self.sift(source, f.sub(end, start), self.list_of(lists, part, f.add(first, row)))
        return f.finish()

    def sift(self, source: Any, length: Any, list_: Any) -> None:
        """List what is not zero."""
        f, shape = self.f, self.shape
        with f.carried(0, length, [f.i64(0), f.i64(0)], shape.lanes) as (k, current):
            bits, count = current
            x = f.load_vector(
                shape.type, shape.lanes, source, k, f.lanes_below(f.sub(length, k), shape.lanes)
            )
            kept = f.b.fcmp_unordered("!=", x, f.zero(shape.type, shape.lanes))
            f.store_vector(f.compressed(x, kept), self.values(list_), count)
            mask = f.bits(kept)
            current[0] = f.b.or_(bits, f.b.shl(mask, k))
            current[1] = f.add(count, f.call("llvm.ctpop.i64", I64, [mask]))
        f.store(current[0], list_)

    def turn(self, a: Any, first: Any, start: Any, end: Any) -> None:
        """Copy rows of a part that lie column by column to the scratch memory, row by row."""
        f, shape = self.f, self.shape
        step, left = f.int_(A_INNER), f.sub(self.m, first)
        with f.loop(start, end, shape.lanes) as k:
            found = []
            for number in range(shape.lanes):
                at = f.add(k, number)
                mask = f.lanes_below(f.select(f.less(at, end), left, 0), shape.lanes)
                found.append(
                    f.load_vector(shape.type, shape.lanes, f.at(I8, a, f.mul(at, step)), first, mask)
                )
            for row, x in enumerate(transposed(f, found)):
                f.store_vector(x, f.scratch, f.add(f.sub(k, start), row * shape.depth))


@lru_cache(maxsize=256)
def product_text(shape: Shape, coefficients: Any, lists: int) -> str:
    """The kernel that multiplies: a unit is a tile. pointers: a, b, c, what alpha and beta are made of, and the lists, which
    are pointer number ``lists``. ``coefficients(f, type)`` gives alpha and beta."""
    return _Multiply(shape).text(coefficients, lists)


class _Rows(NamedTuple):
    """Rows of a tile, as many as a vector has lanes, and the part of k: all of them values in the code."""

    block: Any  # the first row
    below: Any
    top: Any  # the tile's first row
    start: Any  # and column
    zeros: Any  # a row of them
    begins: Any  # whether a slice begins with this part
    ends: Any


class _Multiply(_Code):
    def text(self, coefficients: Any, lists: int) -> str:
        f, shape = self.f, self.shape
        self.a, self.b, self.c = (f.pointer(number) for number in range(3))
        all_lists = f.pointer(lists)
        self.alpha, self.beta = coefficients(f, shape.type)
        n, rows, panels = (f.int_(at) for at in (N, ROWS, PANELS))
        self.panel = f.scratch
        self.sums = f.at(I8, self.panel, shape.pitch * shape.depth)
        zeros = f.at(I8, self.sums, f.mul(rows, shape.pitch))
        columns = shape.vectors * shape.lanes
        for vector in range(shape.vectors):
            f.store_vector(f.zero(shape.type, shape.lanes), f.at(shape.type, zeros, vector * shape.lanes))
        with f.loop(f.begin, f.end) as unit:
            chunk, panel = f.divide(unit, panels), f.remainder(unit, panels)
            top, start = f.mul(chunk, rows), f.mul(panel, columns)
            bottom = f.minimum(f.add(top, rows), self.m)
            width = f.minimum(columns, f.sub(n, start))
            self.masks = [self.mask(width, vector) for vector in range(shape.vectors)]
            with f.loop(0, self.parts) as part:
                first, last, kind = self.part(part)
                length = f.sub(last, first)
                special = (self.turn if shape.b_turned else self.copy)(first, length, start, width)
                begins, ends = self.has(kind, _BEGINS_SLICE), self.has(kind, _ENDS_SLICE)
                self.weigh(kind)
                # As many rows as a vector has lanes, which a turned result takes together.
                with f.loop(top, bottom, shape.lanes) as block:
                    below = f.minimum(f.add(block, shape.lanes), bottom)
                    rows_of = _Rows(block, below, top, start, zeros, begins, ends)
                    lists_of = self.list_of(all_lists, part, block)
                    every = f.b.or_(special, self.hardly_sifted(lists_of, f.sub(below, block), length))
                    with f.b.if_else(every) as (then, otherwise):
                        with then:
                            self.multiply_all(rows_of, first, length)
                        with otherwise, f.loop(block, below) as row:
                            list_ = f.at(I8, lists_of, f.mul(f.sub(row, block), shape.list_bytes))
                            self.multiply(rows_of, row, list_)
                    if shape.c_turned:
                        with f.when(ends):
                            self.write_turned(rows_of, width)
        return f.finish()

    def has(self, kind: Any, mark: int) -> Any:
        f = self.f
        return f.b.icmp_signed("!=", f.b.and_(kind, f.i64(mark)), f.i64(0))

    def mask(self, width: Any, vector: int) -> Any:
        shape = self.shape
        if not shape.ragged:
            return None
        return self.f.lanes_below(self.f.sub(width, vector * shape.lanes), shape.lanes)

    # The right operand's part.

    def copy(self, first: Any, length: Any, start: Any, width: Any) -> Any:
        """Copy a part; whether it holds infinity or NaN."""
        f, shape = self.f, self.shape
        source = f.at(I8, self.b, f.add(f.mul(first, f.int_(B_INNER)), f.mul(start, shape.size)))
        found = [f.zero(shape.type, shape.lanes)] * shape.vectors
        with f.carried(0, length, found) as (k, current):
            line = f.at(I8, source, f.mul(k, f.int_(B_INNER)))
            into = f.at(I8, self.panel, f.mul(k, shape.pitch))
            for vector, mask in enumerate(self.masks):
                x = f.load_vector(shape.type, shape.lanes, line, vector * shape.lanes, mask)
                f.store_vector(x, into, vector * shape.lanes)
                current[vector] = f.b.fadd(current[vector], f.b.fsub(x, x))
            found = current
        return f.any_nan(found)

    def turn(self, first: Any, length: Any, start: Any, width: Any) -> Any:
        """The same of an operand that lies column by column."""
        f, shape = self.f, self.shape
        step, lanes = f.int_(B_COLUMN), shape.lanes
        found = [f.zero(shape.type, lanes)]
        with f.carried_over([(0, f.i64(shape.vectors)), (0, length, lanes)], found) as (indices, current):
            vector, k = indices
            mask = f.lanes_below(f.sub(length, k), lanes)
            rows = []
            for lane in range(lanes):
                # A column that does not exist reads the last one that does.
                column = f.minimum(f.add(f.mul(vector, lanes), lane), f.sub(width, 1))
                source = f.at(I8, self.b, f.mul(f.add(start, column), step))
                x = f.load_vector(shape.type, lanes, source, f.add(first, k), mask)
                current[0] = f.b.fadd(current[0], f.b.fsub(x, x))
                rows.append(x)
            for lane, x in enumerate(transposed(f, rows)):
                into = f.at(I8, self.panel, f.mul(f.add(k, lane), shape.pitch))
                f.store_vector(x, into, f.mul(vector, lanes))
            found = current
        return f.any_nan(found)

    # Rows.

    def hardly_sifted(self, lists: Any, rows: Any, length: Any) -> Any:
        """Whether so little of some rows is zero that it does not pay to leave it out."""
        f = self.f
        with f.carried(0, rows, [f.i64(0)]) as (row, current):
            bits = f.load(I64, f.at(I8, lists, f.mul(row, self.shape.list_bytes)))
            current[0] = f.add(current[0], f.call("llvm.ctpop.i64", I64, [bits]))
        return f.less(f.mul(f.mul(rows, length), _HARDLY), f.mul(current[0], 16))

    def sums_of(self, some: _Rows, row: Any) -> tuple[Any, list[Any]]:
        """Where a row's sums are kept, and what they are so far."""
        f, shape = self.f, self.shape
        place = f.at(I8, self.sums, f.mul(f.sub(row, some.top), shape.pitch))
        before = f.b.select(some.begins, some.zeros, place)
        return place, [
            f.load_vector(shape.type, shape.lanes, before, v * shape.lanes) for v in range(shape.vectors)
        ]

    def multiply(self, some: _Rows, row: Any, list_: Any) -> None:
        """Add to a row's sums what its list has."""
        f, shape = self.f, self.shape
        lanes = shape.lanes
        with f.when(some.ends):
            self.fetch(some, row)
        place, sums = self.sums_of(some, row)
        bits, values = f.load(I64, list_), self.values(list_)
        # The bits alone say where the loop ends, long before the multiplications have come so far: a branch that was not
        # foreseen costs nothing.
        with f.carried_while(bits, [values, *sums]) as (left, current):
            value = current[0]
            factor = f.splat(f.load(shape.type, value), lanes)
            number = f.call("llvm.cttz.i64", I64, [left, ir.Constant(I1, 1)])
            line = f.at(I8, self.panel, f.mul(number, shape.pitch))
            current[0] = f.at(shape.type, value, 1)
            for vector in range(shape.vectors):
                x = f.load_vector(shape.type, lanes, line, vector * lanes)
                current[1 + vector] = f.multiply_add(factor, x, current[1 + vector])
            sums = current
        self.finish(some, row, place, sums[1:])

    def multiply_all(self, some: _Rows, first: Any, length: Any) -> None:
        """Add to some rows' sums the products with all of their elements, a few rows at a time."""
        f, shape = self.f, self.shape
        lanes, together = shape.lanes, max(1, (_REGISTERS - shape.vectors) // shape.vectors)
        with f.loop(some.block, some.below, together) as row:
            # Rows past the end are the last one again.
            rows = [f.minimum(f.add(row, i), f.sub(some.below, 1)) for i in range(together)]
            with f.when(some.ends):
                for one in rows:
                    self.fetch(some, one)
            inside = f.mul(first, f.int_(A_INNER))
            sources = [f.at(I8, self.a, f.add(f.mul(one, f.int_(A_ROW)), inside)) for one in rows]
            places, sums = [], []
            for one in rows:
                place, so_far = self.sums_of(some, one)
                places.append(place)
                sums += so_far
            with f.carried(0, length, sums) as (k, current):
                line = f.at(I8, self.panel, f.mul(k, shape.pitch))
                xs = [f.load_vector(shape.type, lanes, line, v * lanes) for v in range(shape.vectors)]
                along = f.mul(k, f.int_(A_INNER))
                for number, source in enumerate(sources):
                    factor = f.splat(f.load(shape.type, f.at(I8, source, along)), lanes)
                    for at, x in enumerate(xs, number * shape.vectors):
                        current[at] = f.multiply_add(factor, x, current[at])
                sums = current
            for i, (one, place) in enumerate(zip(rows, places, strict=True)):
                with f.when(f.less(f.add(row, i), some.below)):
                    self.finish(some, one, place, sums[i * shape.vectors : (i + 1) * shape.vectors])

    def finish(self, some: _Rows, row: Any, place: Any, totals: list[Any]) -> None:
        """Keep a row's sums, or write them to the result."""
        if self.shape.c_turned:
            self.keep(totals, place)
            return
        with self.f.b.if_else(some.ends) as (then, otherwise):
            with then:
                self.write_row(totals, row, some.start)
            with otherwise:
                self.keep(totals, place)

    def keep(self, totals: list[Any], place: Any) -> None:
        for vector, total in enumerate(totals):
            self.f.store_vector(total, place, vector * self.shape.lanes)

    # The result.

    def weigh(self, kind: Any) -> None:
        """What the result's memory counts with; where beta is zero it is not looked at: it may be NaN."""
        if not self.shape.adds:
            return
        f, type_ = self.f, self.shape.type
        first = self.has(kind, _IN_FIRST_SLICE)
        fresh = f.b.and_(first, f.b.fcmp_ordered("==", self.beta, ir.Constant(type_, 0.0)))
        self.factor = f.splat(f.b.select(first, self.beta, ir.Constant(type_, 1.0)), self.shape.lanes)
        self.counting = f.b.not_(fresh)

    def fetch(self, some: _Rows, row: Any) -> None:
        """Ask for the memory that is written soon: another processor may have read it since, or have it."""
        f, shape, start = self.f, self.shape, some.start
        if shape.c_turned:
            # The rows of a block ask for as many lines as they will write together.
            across, step = f.mul(f.sub(row, some.block), shape.vectors), f.int_(C_COLUMN)
            at = f.add(f.mul(f.add(start, across), step), f.mul(some.block, shape.size))
        else:
            at = f.add(f.mul(row, f.int_(C_ROW)), f.mul(start, shape.size))
            step = f.i64(shape.lanes * shape.size)
        for vector in range(shape.vectors):
            f.prefetch(f.at(I8, self.c, f.add(at, f.mul(step, vector))))

    def write(self, total: Any, target: Any, mask: Any) -> None:
        """``target = alpha · total + factor · target``."""
        f, shape = self.f, self.shape
        value = f.b.fmul(total, f.splat(self.alpha, shape.lanes))
        if shape.adds:
            old = f.load_vector(shape.type, shape.lanes, target, 0, mask)
            old = f.b.select(self.counting, old, f.zero(shape.type, shape.lanes))
            value = f.multiply_add(old, self.factor, value)
        f.store_vector(value, target, 0, mask)

    def write_row(self, totals: list[Any], row: Any, start: Any) -> None:
        f, shape = self.f, self.shape
        target = f.at(I8, self.c, f.add(f.mul(row, f.int_(C_ROW)), f.mul(start, shape.size)))
        for vector, (total, mask) in enumerate(zip(totals, self.masks, strict=True)):
            self.write(total, f.at(shape.type, target, vector * shape.lanes), mask)

    def write_turned(self, some: _Rows, width: Any) -> None:
        """Some rows' sums to where the result's columns lie row by row."""
        f, shape = self.f, self.shape
        lanes, step, row = shape.lanes, f.int_(C_COLUMN), some.block
        sums = f.at(I8, self.sums, f.mul(f.sub(row, some.top), shape.pitch))
        count = f.sub(some.below, row)

        def columns(column: Any, mask: Any) -> None:
            # Rows past the end are memory that holds anything, and are not written.
            lines = [
                f.load_vector(shape.type, lanes, f.at(I8, sums, lane * shape.pitch), column)
                for lane in range(lanes)
            ]
            for lane, x in enumerate(transposed(f, lines)):
                at = f.add(column, lane)
                with f.when(f.less(at, width)):
                    place = f.add(f.mul(f.add(some.start, at), step), f.mul(row, shape.size))
                    self.write(x, f.at(I8, self.c, place), mask)

        # A store of all lanes is quicker than one with a mask.
        with f.b.if_else(f.less(count, lanes)) as (few, all_):
            with few, f.loop(0, width, lanes) as column:
                columns(column, f.lanes_below(count, lanes))
            with all_, f.loop(0, width, lanes) as column:
                columns(column, None)
