"""Transposing small blocks in registers, and copies of whole arrays made of such blocks."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from llvmlite import ir

from ..codegen.structured import F32, F64, I8, Function
from .vector_registers import registers

OUTER: Final = 4  # dimensions besides the two that are exchanged
STRETCH: Final = (
    256  # rows at a time: each may be on a page of its own, and the processor remembers where few pages are
)


def transposed(f: Function, rows: list[Any]) -> list[Any]:
    """The columns of a square block given as vectors: as many as each has lanes, a power of two.

    Each round interleaves vector i with vector i + n/2, which doubles the runs of elements that belong together.
    """
    count = len(rows)
    low = [x for i in range(count // 2) for x in (i, i + count)]
    high = [x for i in range(count // 2, count) for x in (i, i + count)]
    step = count
    while step > 1:
        half = count // 2
        interleaved = []
        for i in range(half):
            interleaved += [f.shuffle(rows[i], rows[i + half], low), f.shuffle(rows[i], rows[i + half], high)]
        rows = interleaved
        step //= 2
    return rows


def block_extent(itemsize: int) -> int:
    """How many rows and columns a block has for elements of so many bytes."""
    return min(16, registers().size // itemsize)


@lru_cache(maxsize=8)
def copy_text(itemsize: int) -> str:
    """The copy of an array whose elements are neighbours along one dimension into one where they are along another.

    Units: (outer position, stretch of ``STRETCH`` rows, block of columns). ints: rows and columns (columns: the dimension of
    neighbours in the source; rows: in the target), the step between rows of the source, the step between columns of the
    target, the numbers of stretches and of blocks, and for each of the outer dimensions, from the innermost, its extent and
    its steps in source and target. Steps are counted in elements. pointers: source, target.
    """
    element = {1: I8, 2: ir.IntType(16), 4: F32, 8: F64}[itemsize]
    lanes = block_extent(itemsize)
    f = Function("kernel", as_written=True)
    rows, columns, source_step, target_step, stretches, blocks = [f.int_(i) for i in range(6)]
    outer = [[f.int_(6 + 3 * i + j) for j in range(3)] for i in range(OUTER)]
    source, target = f.pointer(0), f.pointer(1)
    with f.loop(f.begin, f.end) as unit:
        rest = f.divide(unit, blocks)
        first = f.mul(f.remainder(rest, stretches), STRETCH)
        stop = f.minimum(f.add(first, STRETCH), rows)
        rest = f.divide(rest, stretches)
        column = f.mul(f.remainder(unit, blocks), lanes)
        read_at: Any = column
        write_at: Any = f.mul(column, target_step)
        for extent, from_step, to_step in outer:
            position = f.remainder(rest, extent)
            rest = f.divide(rest, extent)
            read_at = f.add(read_at, f.mul(position, from_step))
            write_at = f.add(write_at, f.mul(position, to_step))
        inside = f.sub(columns, column)

        def block(row: Any, whole: bool) -> None:
            mask = None if whole else f.lanes_below(inside, lanes)
            left = f.sub(stop, row)
            vectors = []
            for i in range(lanes):
                # Rows past the end are read again from the last one, and never written.
                line = f.add(row, i) if whole else f.add(row, f.minimum(i, f.sub(left, 1)))
                vectors.append(
                    f.load_vector(element, lanes, source, f.add(read_at, f.mul(line, source_step)), mask)
                )
            kept = None if whole else f.lanes_below(left, lanes)
            for i, vector in enumerate(transposed(f, vectors)):
                at = f.add(f.add(write_at, f.mul(i, target_step)), row)
                if whole:
                    f.store_vector(vector, target, at)
                else:
                    with f.when(f.less(i, inside)):
                        f.store_vector(vector, target, at, kept)

        whole_blocks = f.mul(f.divide(f.sub(stop, first), lanes), lanes)
        whole_stop = f.select(f.less(inside, lanes), first, f.add(first, whole_blocks))
        with f.loop(first, whole_stop, lanes) as row:
            block(row, True)
        with f.loop(whole_stop, stop, lanes) as row:
            block(row, False)
    return f.finish()


def copy_of(
    shape: tuple[int, ...], source: tuple[int, ...], target: tuple[int, ...], itemsize: int
) -> tuple[str, list[int], int] | None:
    """The kernel, its integers and its number of units for a copy between arrays of these steps (in elements); None where
    nothing is exchanged, or too little for blocks."""
    if itemsize not in (1, 2, 4, 8):
        return None
    axes = [[extent, source[i], target[i]] for i, extent in enumerate(shape) if extent > 1]
    axes.sort(key=lambda axis: -axis[2])
    merged: list[list[int]] = []
    for extent, from_step, to_step in axes:
        if merged and merged[-1][1] == extent * from_step and merged[-1][2] == extent * to_step:
            merged[-1] = [merged[-1][0] * extent, from_step, to_step]
        else:
            merged.append([extent, from_step, to_step])
    rows = [axis for axis in merged if axis[2] == 1]
    columns = [axis for axis in merged if axis[1] == 1]
    if len(rows) != 1 or len(columns) != 1 or rows[0] is columns[0]:
        return None
    row, column = rows[0], columns[0]
    outer = [axis for axis in merged if axis is not row and axis is not column]
    if min(row[0], column[0]) < 2 or row[0] * column[0] < 32 or len(outer) > OUTER:
        return None
    outer.reverse()
    stretches, blocks = -(-row[0] // STRETCH), -(-column[0] // block_extent(itemsize))
    units = blocks * stretches
    ints = [row[0], column[0], row[1], column[2], stretches, blocks]
    for axis in outer:
        units *= axis[0]
        ints += axis
    ints += [1, 0, 0] * (OUTER - len(outer))
    return copy_text(itemsize), ints, units
