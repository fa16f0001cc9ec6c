"""Transposing small blocks in registers, and copies of whole arrays made of such blocks."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from llvmlite import ir

from ..codegen.structured import F32, F64, I8, Function
from .vector_registers import registers

OUTER: Final = 4  # dimensions besides the two that are exchanged
STRETCH: Final = 256  # rows at a time: each may be on a page of its own, and the processor remembers where few pages are


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
