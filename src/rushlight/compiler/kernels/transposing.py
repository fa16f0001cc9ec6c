"""Transposing small blocks in registers."""

from __future__ import annotations

from typing import Any

from ..codegen.structured import Function


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
