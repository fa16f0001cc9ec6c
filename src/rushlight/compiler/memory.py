"""The memory plan: one arena, in which buffers whose lives do not overlap share bytes."""

from __future__ import annotations

from bisect import insort
from typing import Any

from .launch import Place, Space

ALIGNMENT = 64


class Buffer:
    """A block of memory that lives from launch ``first`` to launch ``last``. ``place``: None until it has one.

    ``shared``: it took over the memory of a value that dies where this one is born.
    """

    __slots__ = ("dtype", "first", "last", "nbytes", "place", "shared", "size")

    def __init__(self, size: int, dtype: Any, first: int, last: int, place: Place | None = None) -> None:
        self.size = size
        self.dtype = dtype
        self.nbytes = size * dtype.itemsize
        self.first = first
        self.last = last
        self.place = place
        self.shared = False


def allocate(buffers: list[Buffer]) -> int:
    """Give every buffer without a place one in the arena; the arena's size in bytes. Best fit, in the order of birth."""
    waiting = sorted([b for b in buffers if b.place is None], key=lambda b: (b.first, -b.nbytes))
    free: list[tuple[int, int]] = []  # (offset, bytes), by offset
    dying: list[tuple[int, int, int]] = []  # (last, offset, bytes)
    end = 0
    for buffer in waiting:
        while dying and dying[0][0] < buffer.first:
            _, offset, size = dying.pop(0)
            _release(free, offset, size)
        size = max(ALIGNMENT, -(-buffer.nbytes // ALIGNMENT) * ALIGNMENT)
        best = -1
        for i, (_, room) in enumerate(free):
            if room >= size and (best < 0 or room < free[best][1]):
                best = i
        if best >= 0:
            offset, room = free.pop(best)
            if room > size:
                insort(free, (offset + size, room - size))
        elif free and sum(free[-1]) == end:  # the last gap grows
            offset, room = free.pop()
            end = offset + size
        else:
            offset, end = end, end + size
        buffer.place = Place(Space.ARENA, 0, offset)
        insort(dying, (buffer.last, offset, size))
    return end


def _release(free: list[tuple[int, int]], offset: int, size: int) -> None:
    """Return bytes to the gaps, joined with the neighbours."""
    low = 0
    while low < len(free) and free[low][0] < offset:
        low += 1
    if low < len(free) and offset + size == free[low][0]:
        size += free.pop(low)[1]
    if low and sum(free[low - 1]) == offset:
        start, room = free.pop(low - 1)
        offset, size = start, room + size
    insort(free, (offset, size))
