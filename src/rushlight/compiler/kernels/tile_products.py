"""Matrix products in register tiles of our own: what large products run on where the processor has AVX-512.

A work unit is a tile of the result. A few rows by two vectors of its columns stay in registers while a slice of k goes by.
Operands are read where they lie, or, where that would be slow (the right one lies column by column, or far apart for many
rows; the left one's rows fall into the same places of the cache), from copies of the slice in the worker's scratch memory.
Each element of the result is the sum over k in order, slice by slice, whatever tile it is in: other tiles, other threads and
other vector widths give the same bits. The slices are those of OpenBLAS on one thread of such a processor, whose bits these
are, so that either may do a product.

The rows are cut in blocks as equal as possible, so there are at most two sizes of blocks; and columns that do not fill two
vectors have a block of their own with one and a half, one or half a vector. A kernel has code for just those of its shape.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

from llvmlite import ir

from ..codegen import structured
from ..codegen.structured import F32, F64, I8, I32, I64, PTR, VOID, Function
from .transposing import transposed
from .vector_registers import registers

#: Elements of k in a slice, at most, of float32 and of float64: what OpenBLAS takes at a time on processors with AVX-512.
DEPTH: Final = {False: 448, True: 384}
# What is left after that, where it is more than one slice and less than two, is halved, and the half rounded up to this.
_HALF_MULTIPLE: Final = 16
# A row of the copied left operand begins so many elements further after the one before than its slice is long: not a power of
# two, so that rows do not fall into the same part of the first-level cache.
_PADDING: Final = 16
# So many such blocks are copied side by side: the memory that is written to should stay near.
_TURNED_TOGETHER: Final = 4
# The same for panels of the right operand.
_PANELS_TOGETHER: Final = 4
# What is copied is asked for some rows or columns before: each may lie on a page of its own, where the processor does not see
# it coming.
_ROWS_AHEAD: Final = 4
_COLUMNS_AHEAD: Final = 8
(
    ALPHA, BETA, M, N, K, DOWN, SPAN, ACROSS, TILES, SLICE, SLICES, LAST_SLICE, FULL, NUMBER, A_STEP, B_STEP, C_STEP, LAST,
) = range(18)  # fmt: skip


class Machine(NamedTuple):
    """The register tile: rows, vectors of columns, and lanes of a vector."""

    rows: int
    vectors: int
    lanes: int

    @property
    def columns(self) -> int:
        return self.vectors * self.lanes


class Shape(NamedTuple):
    """How a product's rows and columns fall into blocks: what the kernel's code depends on."""

    machine: Machine
    double: bool
    rows: int  # of the larger blocks
    uneven: bool  # whether there are blocks of one row less
    wide: bool  # whether there are blocks of all vectors
    inner: tuple[int, ...]  # lanes of each vector of the last block of columns in a tile; none: no such block
    tail: tuple[int, ...]  # the same in the tiles that end with the result's last column
    ragged: bool  # whether the last vector of those is not full
    a_turned: bool  # the left operand's neighbours in memory are along m
    b_turned: bool  # the right operand's along k
    a_copied: bool
    b_copied: bool  # always, where ``b_turned``
    adds: bool  # to what the result's memory holds; False: k is one slice, and beta is zero


@lru_cache(maxsize=2)
def machine(double: bool) -> Machine | None:
    """This processor's register tile; None where OpenBLAS is as good.

    With 32 registers of 64 bytes such tiles ran at 1.05 to 1.35 of OpenBLAS's speed (Zen 4, products of 1e6 multiplications
    and more); with AVX2's 16 registers, at 0.35 to 1.1.
    """
    found = registers()
    if found.number < 32 or found.size < 64:
        return None
    return Machine(14, 2, found.size // (8 if double else 4))


class Slices(NamedTuple):
    """How k is cut: all slices begin a multiple of ``depth`` from the start, but for the last."""

    depth: int
    number: int
    last: int  # where the last one begins


def slices_of(k: int, double: bool) -> Slices:
    """The cut, from k alone."""
    depth = DEPTH[double]
    whole = max(0, k // depth - 1)
    rest = k - whole * depth
    if rest <= depth:
        return Slices(depth, whole + 1, whole * depth)
    half = -(-(rest // 2) // _HALF_MULTIPLE) * _HALF_MULTIPLE
    return Slices(depth, whole + 2, whole * depth + half)


def shape_of(
    n: int,
    double: bool,
    a_turned: bool,
    b_turned: bool,
    adds: bool,
    tile: Machine,
    tiles: Tiles,
) -> Shape:
    """What the kernel's code depends on."""
    last = n - (-(-n // tiles.span) - 1) * tiles.span
    inner, _ = _vectors(tiles.span % tile.columns, tile) if last < n else ((), False)
    tail, ragged = _vectors(last % tile.columns, tile)
    wide = (tiles.span if last < n else last) >= tile.columns
    return Shape(
        tile, double, tiles.rows, tiles.full < tiles.blocks, wide, inner, tail, ragged,
        a_turned, b_turned, tiles.a_copied, tiles.b_copied, adds,
    )  # fmt: skip


def _vectors(columns: int, tile: Machine) -> tuple[tuple[int, ...], bool]:
    """Lanes of the vectors for so many columns, less than a block has; and whether the last one is not full."""
    half = tile.lanes // 2
    whole, left = divmod(columns, tile.lanes)
    lanes = (tile.lanes,) * whole
    if left:
        lanes += (half,) if left <= half else (tile.lanes,)
    return lanes, sum(lanes) != columns


class Tiles(NamedTuple):
    """How a product is cut in tiles, and whether they copy their operands first."""

    blocks: int  # of rows, in all
    rows: int  # of the larger blocks
    full: int  # how many are of that size; the others, which come after, have one row less
    together: int  # blocks of a tile, at most
    span: int  # columns of a tile; a multiple of half a vector
    a_copied: bool
    b_copied: bool


# Nanoseconds on a Zen 4 core: a multiplication and addition, bringing an element of an operand into the second-level cache,
# copying one, a tile.
_NS_MULTIPLY: Final = 0.0175
_NS_READ: Final = 0.08
_NS_COPY: Final = 0.09
_NS_TILE: Final = 300.0
_NS_SHARE: Final = 1500.0
# What an element costs that another core has to fetch later: whoever goes over the result next cuts it in rows.
_NS_FETCH: Final = 0.3
# How much the time with so many workers counts in choosing a cut.
_WEIGHTS: Final = ((1, 0.3), (2, 1.0), (4, 0.2), (8, 0.1))
_COUNTS: Final = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)
# Rows and columns of a tile whose slices stay in the second-level cache.
_MOST_ROWS: Final = 352
_MOST_COLUMNS: Final = 512
# A right operand whose rows are far apart is worth copying for this many rows of the left one.
_COPY_FROM_ROWS: Final = 160
_FAR: Final = 2048
# Memory at this distance falls into the same places of a first-level cache.
_SAME_PLACE: Final = 4096


@lru_cache(maxsize=512)
def tiles_of(
    m: int, n: int, k: int, batch: int, double: bool, tile: Machine, a_step: int, b_step: int, b_turned: bool
) -> Tiles:
    """The cut, from the shape and the strides (in bytes) alone."""
    scale = 2.0 if double else 1.0
    half = tile.lanes // 2
    a_copied = a_step % _SAME_PLACE == 0 and m > 1
    best: tuple[float, Tiles] | None = None
    least = -(-m // tile.rows)
    # One block more than needed may make the tiles more equal.
    for blocks in (least, least + 1) if 1 < least < m else (least,):
        rows = -(-m // blocks)
        full = m - blocks * (rows - 1)
        for down, span in [(down, span) for down in _COUNTS for span in _spans(n, tile)]:
            together, across = -(-blocks // down), -(-n // span)
            if down > 1 and together == -(-blocks // (down - 1)):
                continue  # no more tiles than with fewer
            if (together * rows > _MOST_ROWS and together > 1 and down < _COUNTS[-1]) or (
                span > _MOST_COLUMNS and across < _COUNTS[-1]
            ):
                continue
            own_rows = min(together * rows, m)
            b_copied = b_turned or (own_rows >= _COPY_FROM_ROWS and b_step >= _FAR)
            columns = min(span, -(-n // half) * half)
            time = _NS_MULTIPLY * scale * own_rows * columns * k + _NS_TILE
            moved = (_NS_READ + _NS_COPY * b_copied) * columns + (_NS_READ + _NS_COPY * a_copied) * own_rows
            time += scale * k * moved
            count = -(-blocks // together) * across * batch
            total = sum(weight * -(-count // workers) * time for workers, weight in _WEIGHTS)
            total += _NS_SHARE if count > batch else 0.0
            if across > 1 and together == blocks:
                total += _NS_FETCH * scale * m * n / 2
            if best is None or total < best[0]:
                best = (total, Tiles(blocks, rows, full, together, span, a_copied, b_copied))
    assert best is not None
    return best[1]


def _spans(n: int, tile: Machine) -> list[int]:
    """Columns of a tile to choose from: as equal as whole blocks allow, and as half vectors do."""
    found: dict[int, None] = {}
    for step in (tile.columns, tile.lanes // 2):
        pieces = -(-n // step)
        for across in _COUNTS:
            found[-(-pieces // across) * step] = None
    return list(found)


def scratch_bytes(shape: Shape, tiles: Tiles) -> int:
    """Memory that a worker needs for the copies of a tile."""
    size = 8 if shape.double else 4
    depth = DEPTH[shape.double]
    panels = -(-tiles.span // shape.machine.columns) * shape.machine.columns
    columns = panels * depth if shape.b_copied else 0
    rows = tiles.together * shape.rows * (depth + _PADDING) if shape.a_copied else 0
    return (columns + rows + 64) * size if columns + rows else 0


# --- code -------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def text_of(shape: Shape, coefficients: Any, batch_offsets: Any) -> str:
    """The kernel. ``coefficients(f, type)`` gives alpha and beta; ``batch_offsets(f, batch, at)`` the operands' beginnings."""
    return _Writer(shape).text(coefficients, batch_offsets)


class _Tile(NamedTuple):
    """Where a tile is: the operands' and the result's beginnings, its blocks of rows, and its columns."""

    a: Any
    b: Any
    c: Any
    low: Any
    high: Any
    top: Any  # the first row
    start: Any
    width: Any


class _Writer:
    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.type = F64 if shape.double else F32
        self.size = 8 if shape.double else 4
        self.lanes = shape.machine.lanes
        self.depth = DEPTH[shape.double]
        f = self.f = Function("kernel", as_written=True)
        self.functions: dict[str, str] = {}  # by the name in their declaration
        self.full = f.int_(FULL)
        self.a_step, self.b_step, self.c_step = (f.int_(at) for at in (A_STEP, B_STEP, C_STEP))
        self.right = f.scratch
        self.left = self.right
        if shape.b_copied:
            columns = shape.machine.columns
            panels = f.divide(f.add(f.int_(SPAN), columns - 1), columns)
            self.left = f.at(self.type, self.right, f.mul(panels, columns * self.depth))

    def first_row(self, block: Any) -> Any:
        """Where a block of rows begins."""
        f = self.f
        start = f.mul(block, self.shape.rows)
        return f.sub(start, f.maximum(f.sub(block, self.full), 0)) if self.shape.uneven else start

    def slice_start(self, part: Any) -> Any:
        f = self.f
        return f.minimum(f.mul(part, f.int_(SLICE)), f.int_(LAST_SLICE))

    def row_ranges(self, tile: _Tile) -> list[tuple[int, Any, Any]]:
        """The tile's blocks of each size: rows, first block, end."""
        f, rows = self.f, self.shape.rows
        if not self.shape.uneven:
            return [(rows, tile.low, tile.high)]
        found = [(rows, tile.low, f.minimum(tile.high, self.full))]
        return [*found, (rows - 1, f.maximum(tile.low, self.full), tile.high)]

    def text(self, coefficients: Any, batch_offsets: Any) -> str:
        f, shape = self.f, self.shape
        n, k, slices = (f.int_(at) for at in (N, K, SLICES))
        down, span, across, tiles = (f.int_(at) for at in (DOWN, SPAN, ACROSS, TILES))
        alpha, beta = coefficients(f, self.type)
        bases = [f.pointer(number) for number in range(3)]
        one = ir.Constant(self.type, 1.0)
        fresh = f.b.fcmp_ordered("==", beta, ir.Constant(self.type, 0.0))
        with f.loop(f.begin, f.end) as unit:
            offsets = batch_offsets(f, f.divide(unit, tiles), LAST)
            number = f.remainder(unit, tiles)
            row = f.divide(number, across)
            start = f.mul(f.remainder(number, across), span)
            # Tiles differ by a block at most, so that workers with as many of them have as much to do.
            low = f.divide(f.mul(row, f.int_(NUMBER)), down)
            high = f.divide(f.mul(f.add(row, 1), f.int_(NUMBER)), down)
            a, b, c = (f.at(I8, base, offset) for base, offset in zip(bases, offsets, strict=True))
            top, bottom = self.first_row(low), self.first_row(high)
            tile = _Tile(a, b, c, low, high, top, start, f.minimum(span, f.sub(n, start)))
            if shape.adds:
                # What the memory held is not looked at where it does not count: it may be NaN.
                with f.when(fresh):
                    self.clear(tile, bottom)
            with f.loop(0, slices) as part:
                inner = self.slice_start(part)
                following = f.add(part, 1)
                end = f.select(f.less(following, slices), self.slice_start(following), k)
                length = f.sub(end, inner)
                if shape.b_copied:
                    self.copy_right(tile, inner, length)
                if shape.a_copied and shape.a_turned:
                    self.turn_left(tile, inner, length)
                elif shape.a_copied:
                    self.copy_left(tile, inner, length, bottom)
                added = f.b.or_(fresh, f.b.icmp_signed("!=", inner, f.i64(0)))
                self.products(tile, inner, length, alpha, f.b.select(added, one, beta))
        return self.finish()

    def products(self, tile: _Tile, inner: Any, length: Any, alpha: Any, factor: Any) -> None:
        """A tile's part of a slice, added to ``factor`` times what is there."""
        f, shape = self.f, self.shape
        columns = shape.machine.columns
        wide = f.mul(f.divide(tile.width, columns), columns)
        ends = f.b.not_(f.less(f.add(tile.start, tile.width), f.int_(N)))
        parts: list[tuple[Any, Any, tuple[int, ...], bool]] = []
        if shape.wide:
            parts.append((f.i64(0), wide, (self.lanes,) * shape.machine.vectors, False))
        if shape.inner:
            parts.append((wide, f.select(ends, wide, tile.width), shape.inner, False))
        if shape.tail:
            parts.append((wide, f.select(ends, tile.width, wide), shape.tail, shape.ragged))
        for rows, begin, end in self.row_ranges(tile):
            for first, last, vectors, ragged in parts:
                multiply = self.multiply(rows, vectors, ragged)
                with f.loop(first, last, columns) as column, f.loop(begin, end) as block:
                    at = self.first_row(block)
                    here = f.mul(f.add(tile.start, column), self.size)
                    f.b.call(
                        multiply,
                        [
                            length,
                            self.left_of(tile, at, inner),
                            f.at(self.type, self.right, f.mul(column, self.depth))
                            if shape.b_copied
                            else f.at(I8, tile.b, f.add(f.mul(inner, self.b_step), here)),
                            f.at(I8, tile.c, f.add(f.mul(at, self.c_step), here)),
                            *(self.a_step, self.b_step, self.c_step),
                            *(alpha, factor, f.sub(tile.width, column)),
                        ],
                    )

    def left_of(self, tile: _Tile, row: Any, inner: Any) -> Any:
        """Where a slice of a block of rows begins."""
        f, shape = self.f, self.shape
        if shape.a_copied:
            apart = self.depth if shape.a_turned else self.depth + _PADDING
            return f.at(self.type, self.left, f.mul(f.sub(row, tile.top), apart))
        along, across = (inner, row) if shape.a_turned else (row, inner)
        return f.at(I8, tile.a, f.add(f.mul(along, self.a_step), f.mul(across, self.size)))

    def clear(self, tile: _Tile, bottom: Any) -> None:
        f, lanes = self.f, self.lanes
        zero = f.zero(self.type, lanes)
        whole = f.mul(f.divide(tile.width, lanes), lanes)
        mask = f.lanes_below(f.sub(tile.width, whole), lanes)
        with f.loop(tile.top, bottom) as row:
            target = f.at(self.type, f.at(I8, tile.c, f.mul(row, self.c_step)), tile.start)
            with f.loop(0, whole, lanes) as column:
                f.store_vector(zero, target, column)
            f.store_vector(zero, target, whole, mask)

    # Copies.

    def copy_right(self, tile: _Tile, inner: Any, length: Any) -> None:
        """The tile's columns of a slice, in panels of all vectors."""
        f, columns = self.f, self.shape.machine.columns
        if self.shape.b_turned:
            with f.loop(0, tile.width, columns) as column:
                panel = f.at(self.type, self.right, f.mul(column, self.depth))
                here, room = f.add(tile.start, column), f.sub(tile.width, column)
                self.turn_panel(tile.b, inner, length, here, room, panel)
            return
        source = f.at(I8, tile.b, f.add(f.mul(inner, self.b_step), f.mul(tile.start, self.size)))
        whole = f.mul(f.divide(tile.width, columns), columns)
        with f.loop(0, whole, _PANELS_TOGETHER * columns) as first:
            end = f.minimum(f.add(first, _PANELS_TOGETHER * columns), whole)
            with f.loop(0, length) as k, f.loop(first, end, columns) as column:
                self.copy_row(source, k, column, None)
        with f.when(f.less(whole, tile.width)), f.loop(0, length) as k:
            self.copy_row(source, k, whole, f.sub(tile.width, whole))

    def copy_row(self, source: Any, k: Any, column: Any, room: Any) -> None:
        """A panel's row; ``room``: how many columns there are (None: all)."""
        f, lanes, columns = self.f, self.lanes, self.shape.machine.columns
        row = f.at(self.type, f.at(I8, source, f.mul(k, self.b_step)), column)
        later = f.at(I8, row, f.mul(self.b_step, _COLUMNS_AHEAD))
        into = f.at(self.type, self.right, f.add(f.mul(column, self.depth), f.mul(k, columns)))
        for vector in range(self.shape.machine.vectors):
            start = vector * lanes
            mask = None if room is None else f.lanes_below(f.sub(room, start), lanes)
            f.prefetch(f.at(self.type, later, start), write=False)
            f.store_vector(f.load_vector(self.type, lanes, row, start, mask), into, start)

    def turn_panel(self, b: Any, inner: Any, length: Any, here: Any, room: Any, panel: Any) -> None:
        """A panel of a right operand that lies column by column."""
        f, lanes, columns = self.f, self.lanes, self.shape.machine.columns
        for start in range(0, columns, lanes):
            with f.when(f.less(start, room)), f.loop(0, length, lanes) as k:
                mask = f.lanes_below(f.sub(length, k), lanes)
                rows = []
                for lane in range(lanes):
                    # A column that does not exist reads the last one that does.
                    at = f.add(here, f.minimum(start + lane, f.sub(room, 1)))
                    column = f.at(I8, b, f.mul(at, self.b_step))
                    rows.append(f.load_vector(self.type, lanes, column, f.add(inner, k), mask))
                for lane, row in enumerate(transposed(f, rows)):
                    f.store_vector(row, panel, f.add(f.mul(f.add(k, lane), columns), start))

    def copy_left(self, tile: _Tile, inner: Any, length: Any, bottom: Any) -> None:
        """Rows of a slice, as far apart as ``left_of`` has them."""
        f, lanes = self.f, self.lanes
        whole = f.mul(f.divide(length, lanes), lanes)
        mask = f.lanes_below(f.sub(length, whole), lanes)
        with f.loop(tile.top, bottom) as row:
            source = f.at(I8, tile.a, f.add(f.mul(row, self.a_step), f.mul(inner, self.size)))
            into = f.at(self.type, self.left, f.mul(f.sub(row, tile.top), self.depth + _PADDING))
            later = f.at(I8, source, f.mul(self.a_step, _ROWS_AHEAD))
            with f.loop(0, whole, lanes) as k:
                f.prefetch(f.at(self.type, later, k), write=False)
                f.store_vector(f.load_vector(self.type, lanes, source, k), into, k)
            f.store_vector(f.load_vector(self.type, lanes, source, whole, mask), into, whole)

    def turn_left(self, tile: _Tile, inner: Any, length: Any) -> None:
        """Rows of a slice that lies column by column: for each block of rows and each k its elements."""
        f, lanes = self.f, self.lanes
        source = f.at(I8, tile.a, f.mul(inner, self.a_step))
        for rows, begin, end in self.row_ranges(tile):
            with f.loop(begin, end, _TURNED_TOGETHER) as group, f.loop(0, length) as k:
                column = f.at(I8, source, f.mul(k, self.a_step))
                later = f.at(I8, column, f.mul(self.a_step, _COLUMNS_AHEAD))
                with f.loop(group, f.minimum(f.add(group, _TURNED_TOGETHER), end)) as block:
                    at = self.first_row(block)
                    place = f.add(f.mul(f.sub(at, tile.top), self.depth), f.mul(k, rows))
                    into = f.at(self.type, self.left, place)
                    f.prefetch(f.at(self.type, later, at), write=False)
                    for first in range(0, rows, lanes):
                        lanes_there = [int(first + i < rows) for i in range(lanes)]
                        mask = ir.Constant(ir.VectorType(structured.I1, lanes), lanes_there)
                        kept = None if all(lanes_there) else mask
                        x = f.load_vector(self.type, lanes, column, f.add(at, first), kept)
                        f.store_vector(x, into, first, kept)

    # The product.

    def multiply(self, rows: int, vectors: tuple[int, ...], ragged: bool) -> Any:
        """A function that makes ``rows`` by ``vectors`` of the result, over a slice."""
        name = f"multiply_{rows}_{'_'.join(map(str, vectors))}{'_ragged' if ragged else ''}"
        if name not in self.f.module.globals:
            arguments = [I64, PTR, PTR, PTR, I64, I64, I64, self.type, self.type, I64]
            ir.Function(self.f.module, ir.FunctionType(VOID, arguments), name)
            self.functions[f'@"{name}"'] = self.multiply_text(name, rows, vectors, ragged)
        return self.f.module.globals[name]

    def declare(self, name: str, result: Any, arguments: list[Any]) -> str:
        if name not in self.f.module.globals:
            ir.Function(self.f.module, ir.FunctionType(result, arguments), name)
        return f"@{name}"

    def multiply_text(self, name: str, rows: int, vectors: tuple[int, ...], ragged: bool) -> str:
        """The function as text: most of the kernel, which llvmlite's builder would take thirty times as long to write."""
        shape, size, element = self.shape, self.size, str(self.type)
        suffix = "f64" if shape.double else "f32"
        types = [f"<{lanes} x {element}>" for lanes in vectors]
        starts = [sum(vectors[:i]) * size for i in range(len(vectors))]
        a_row: int | str
        a_inner: int | str
        if shape.a_copied:
            a_row, a_inner = (size, rows * size) if shape.a_turned else ((self.depth + _PADDING) * size, size)
        else:
            a_row, a_inner = (size, "%a_step") if shape.a_turned else ("%a_step", size)
        b_inner = shape.machine.columns * size if shape.b_copied else "%b_step"
        vector_types = [ir.VectorType(self.type, lanes) for lanes in vectors]
        fma = [
            self.declare(f"llvm.fmuladd.v{lanes}{suffix}", type_, [type_] * 3)
            for lanes, type_ in zip(vectors, vector_types, strict=True)
        ]
        prefetch = self.declare("llvm.prefetch.p0", VOID, [PTR, I32, I32, I32])
        last, mask_type = vectors[-1], ir.VectorType(structured.I1, vectors[-1])
        masked = f"v{last}{suffix}.p0"
        load = store = ""
        if ragged:
            load = self.declare(
                f"llvm.masked.load.{masked}", vector_types[-1], [PTR, I32, mask_type, vector_types[-1]]
            )
            store = self.declare(f"llvm.masked.store.{masked}", VOID, [vector_types[-1], PTR, I32, mask_type])
        lines = [
            f"define internal void @{name}(i64 %length, ptr noalias %source, ptr noalias %panel, ptr noalias %place, "
            f"i64 %a_step, i64 %b_step, i64 %step, {element} %alpha, {element} %beta, i64 %room) noinline {{",
            "entry:",
        ]
        add = lines.append

        def splat(to: str, value: str, lanes: int) -> None:
            type_ = f"<{lanes} x {element}>"
            add(f"  {to}.first = insertelement {type_} undef, {element} {value}, i32 0")
            add(f"  {to} = shufflevector {type_} {to}.first, {type_} undef, <{lanes} x i32> zeroinitializer")

        def read(to: str, address: str, number: int, ends: bool) -> None:
            type_ = types[number]
            if ends and number == len(vectors) - 1:
                add(
                    f"  {to} = call {type_} {load}(ptr {address}, i32 {size}, {mask_type} %mask, {type_} zeroinitializer)"
                )
            else:
                add(f"  {to} = load {type_}, ptr {address}, align {size}")

        for row in range(rows):
            add(f"  %to{row}.far = mul i64 %step, {row}")
            add(f"  %to{row} = getelementptr inbounds i8, ptr %place, i64 %to{row}.far")
            add(f"  call void {prefetch}(ptr %to{row}, i32 1, i32 3, i32 1)")
            add(f"  %far{row} = mul i64 {a_row}, {row}")
        if ragged:
            numbers = ", ".join([f"i32 {lane}" for lane in range(last)])
            ints = f"<{last} x i32>"
            add(f"  %left = sub i64 %room, {starts[-1] // size}")
            add("  %left.short = trunc i64 %left to i32")
            add(f"  %left.first = insertelement {ints} undef, i32 %left.short, i32 0")
            add(f"  %left.all = shufflevector {ints} %left.first, {ints} undef, {ints} zeroinitializer")
            add(f"  %mask = icmp slt {ints} <{numbers}>, %left.all")
        lines += ["  br label %head", "head:", "  %k = phi i64 [ 0, %entry ], [ %k.next, %body ]"]
        for row in range(rows):
            for number, type_ in enumerate(types):
                add(
                    f"  %sum{row}.{number} = phi {type_} [ zeroinitializer, %entry ], [ %next{row}.{number}, %body ]"
                )
        lines += ["  %more = icmp slt i64 %k, %length", "  br i1 %more, label %body, label %after", "body:"]
        add(f"  %here.far = mul i64 %k, {b_inner}")
        add("  %here = getelementptr inbounds i8, ptr %panel, i64 %here.far")
        add(f"  %there.far = mul i64 %k, {a_inner}")
        add("  %there = getelementptr inbounds i8, ptr %source, i64 %there.far")
        for number, start in enumerate(starts):
            add(f"  %x{number}.at = getelementptr inbounds i8, ptr %here, i64 {start}")
            read(f"%x{number}", f"%x{number}.at", number, ragged and not shape.b_copied)
        for row in range(rows):
            add(f"  %y{row}.at = getelementptr inbounds i8, ptr %there, i64 %far{row}")
            add(f"  %y{row} = load {element}, ptr %y{row}.at, align {size}")
            for lanes in dict.fromkeys(vectors):
                splat(f"%y{row}.{lanes}", f"%y{row}", lanes)
            for number, (lanes, type_) in enumerate(zip(vectors, types, strict=True)):
                operands = f"{type_} %y{row}.{lanes}, {type_} %x{number}, {type_} %sum{row}.{number}"
                add(f"  %next{row}.{number} = call {type_} {fma[number]}({operands})")
        add("  %k.next = add i64 %k, 1")
        add(f"  br label %head, !llvm.loop {self.f.loop_name()}")
        add("after:")
        for lanes in dict.fromkeys(vectors):
            splat(f"%alpha.{lanes}", "%alpha", lanes)
            splat(f"%beta.{lanes}", "%beta", lanes)
        for row in range(rows):
            for number, (lanes, type_) in enumerate(zip(vectors, types, strict=True)):
                at, value = f"%at{row}.{number}", f"%scaled{row}.{number}"
                add(f"  {at} = getelementptr inbounds i8, ptr %to{row}, i64 {starts[number]}")
                add(f"  {value} = fmul {type_} %sum{row}.{number}, %alpha.{lanes}")
                if shape.adds:
                    read(f"%old{row}.{number}", at, number, ragged)
                    operands = f"{type_} %old{row}.{number}, {type_} %beta.{lanes}, {type_} {value}"
                    value = f"%added{row}.{number}"
                    add(f"  {value} = call {type_} {fma[number]}({operands})")
                if ragged and number == len(vectors) - 1:
                    add(f"  call void {store}({type_} {value}, ptr {at}, i32 {size}, {mask_type} %mask)")
                else:
                    add(f"  store {type_} {value}, ptr {at}, align {size}")
        lines += ["  ret void", "}"]
        return "\n".join(lines)

    def finish(self) -> str:
        """The module's text, with the functions that were written as text."""
        lines = []
        for line in self.f.finish().splitlines():
            name = line.split("(", 1)[0].split(" ")[-1] if line.startswith("declare") else ""
            lines.append(self.functions.get(name, line))
        return "\n".join(lines)
