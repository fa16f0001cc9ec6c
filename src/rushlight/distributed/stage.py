"""Memory that the ranks of one host share, through which large gradients are averaged.

MPI's own sum moves a large array in small pieces through its mailboxes, several copies for each element. Where all ranks of
a group are on one host, they take an MPI window of shared memory instead: each rank puts its numbers there once, and adds
where they lie. That is a third of the traffic, and no messages: counters in the same memory say how far each rank is.

All ranks use the stage for the same sums in the same order, so that they agree on the places without a word. The counters
count sums; each rank writes its own ones and reads the others'.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from . import engine
from .work import Steps

if TYPE_CHECKING:
    from .process_group import ProcessGroup

Array = NDArray[Any]

WORTH_STAGING: Final = 1 << 18  # bytes: smaller sums are quicker as one message
_LINE: Final = 64  # bytes of a cache line: each counter has its own
_GIVEN, _REDUCED, _READ = range(3)
_HEADER: Final = 3 * _LINE
_PIECE: Final = 1 << 15  # elements that are added at a time: they stay in the processor's own cache
_SHARED_MEMORY: Final = "/dev/shm"


class Sum:
    """One sum under way in a stage, of elements of ``dtype``."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.number = 0
        self.parts: list[Array] = []  # of all ranks
        self.given = False  # whether this rank's numbers are in


class Stage:
    """``capacity`` bytes for each rank of ``group``, all of whose ranks make it at the same time (see ``prepare``)."""

    def __init__(self, group: ProcessGroup, capacity: int) -> None:
        self.capacity = capacity
        self._rank, self._size = group.rank(), group.size()
        self._window: Any = engine.mpi().Win.Allocate_shared(_HEADER + capacity, 1, comm=group.comm)
        self._window.Lock_all(engine.mpi().MODE_NOCHECK)
        memory = [
            np.frombuffer(self._window.Shared_query(rank)[0], np.uint8, _HEADER + capacity)
            for rank in range(self._size)
        ]
        memory[self._rank][:_HEADER] = 0
        self._counters = [
            [part[_LINE * i : _LINE * i + 8].view(np.int64) for part in memory] for i in range(3)
        ]
        self._data = [part[_HEADER:] for part in memory]
        self._sums = 0  # begun so far
        self._position = 0
        self._in_use: list[
            tuple[int, int, int]
        ] = []  # (sum, start, stop), whose places others may still read
        self._done: tuple[set[int], ...] = (set(), set(), set())
        self._window.Sync()
        group.comm.Barrier()  # nobody counts before all counters are 0

    def put(self, sum_: Sum, sources: Sequence[Array], scale: float | None) -> Steps:
        """Give this rank's ``sources``, times ``scale``, and go on when all ranks have given theirs: ``take`` comes next.

        ``sum_.given`` says when ``sources`` are no longer needed. All ranks' together have the same size.
        """
        number = self._sums = self._sums + 1
        nbytes = sum([source.size for source in sources]) * sum_.dtype.itemsize
        start = self._place_for(number, nbytes)
        stop = start + nbytes
        earlier = [n for n, low, high in self._in_use if low < stop and start < high and n != number]
        if earlier:
            yield _Reached(self, _READ, max(earlier)), False
            self._in_use = [entry for entry in self._in_use if entry[0] not in earlier]
        sum_.number = number
        sum_.parts = [part[start:stop].view(sum_.dtype) for part in self._data]
        own = sum_.parts[self._rank]
        begin = 0
        for source in sources:
            place = own[begin : begin + source.size].reshape(source.shape)
            begin += source.size
            if scale is None:
                place[...] = source
            else:
                np.multiply(source, sum_.dtype.type(scale), out=place, casting="same_kind")
        sum_.given = True
        self._finished(_GIVEN, number)
        yield _Reached(self, _GIVEN, number), True
        if self._size > 2:
            # Each rank adds a part of it for all. Its own part is read by nobody else before it says so.
            mine = self._share_of(self._rank, own.size)
            self._add([one[mine] for one in sum_.parts], own[mine])
            self._finished(_REDUCED, number)
            yield _Reached(self, _REDUCED, number), True
        return sum_

    def take(self, sum_: Sum, targets: Sequence[Array]) -> None:
        """The sum, the same bits on all ranks, in contiguous arrays of the sources' sizes, which may be the sources."""
        parts = sum_.parts
        begin = 0
        for target in targets:
            piece = slice(begin, begin + target.size)
            begin = piece.stop
            flat = target.reshape(-1)
            if self._size > 2:
                for rank, part in enumerate(parts):
                    share = self._share_of(rank, part.size)
                    low, high = max(share.start, piece.start), min(share.stop, piece.stop)
                    if low < high:
                        flat[low - piece.start : high - piece.start] = part[low:high]
            elif flat.dtype == sum_.dtype:
                np.add(parts[0][piece], parts[1][piece], out=flat)
            else:
                flat[...] = parts[0][piece] + parts[1][piece]
        self._finished(_READ, sum_.number)
        sum_.parts = []

    def _share_of(self, rank: int, size: int) -> slice:
        each = -(-size // self._size)
        return slice(min(rank * each, size), min((rank + 1) * each, size))

    @staticmethod
    def _add(parts: list[Array], total: Array) -> None:
        """The sum of ``parts`` in their order in ``total``, which is one of them."""
        for begin in range(0, total.size, _PIECE):
            piece = slice(begin, begin + _PIECE)
            added = parts[0][piece] + parts[1][piece]
            for part in parts[2:]:
                added += part[piece]
            total[piece] = added

    def _place_for(self, number: int, nbytes: int) -> int:
        length = -(-nbytes // _LINE) * _LINE
        start = self._position if self._position + length <= self.capacity else 0
        self._position = start + length
        self._in_use.append((number, start, start + length))
        return start

    def _finished(self, what: int, number: int) -> None:
        """Count, in order: a later sum may be finished before an earlier one."""
        done, counter = self._done[what], self._counters[what][self._rank]
        done.add(number)
        reached = int(counter[0])
        while reached + 1 in done:
            reached += 1
            done.remove(reached)
        self._window.Sync()  # what was written before is seen before the counter
        counter[0] = reached

    def reached(self, what: int, number: int) -> bool:
        """Whether all ranks have counted to ``number``."""
        for counter in self._counters[what]:
            if counter[0] < number:
                return False
        self._window.Sync()
        return True

    def free(self) -> None:
        """Give the memory back; all ranks do at the same time."""
        self._window.Unlock_all()
        self._counters, self._data = [], []
        self._window.Free()


class _Reached:
    """Has the one method of an MPI request that ``work`` asks for."""

    def __init__(self, stage: Stage, what: int, number: int) -> None:
        self._stage, self._what, self._number = stage, what, number

    def Test(self) -> bool:
        return self._stage.reached(self._what, self._number)


def prepare(group: ProcessGroup, sizes: Sequence[int]) -> None:
    """Give ``group`` a stage for sums of so many bytes at the same time, where its ranks share a host with room for that.

    All ranks call this at the same time, with nothing under way.
    """
    capacity = sum([-(-size // _LINE) * _LINE for size in sizes if size >= WORTH_STAGING])
    if group.size() == 1 or not capacity or (group.stage is not None and group.stage.capacity >= capacity):
        return
    module = engine.mpi()
    nearby = group.comm.Split_type(module.COMM_TYPE_SHARED)
    possible = nearby.Get_size() == group.size() and _has_room(2 * group.size() * (capacity + _HEADER))
    nearby.Free()
    everywhere = np.array([possible], np.int32)
    group.comm.Allreduce(module.IN_PLACE, everywhere, module.MIN)
    if not everywhere[0]:
        return
    if group.stage is not None:
        group.stage.free()
    group.stage = Stage(group, capacity)


def _has_room(nbytes: int) -> bool:
    # Memory that is promised but not there ends the process when it is touched, so a container with a small /dev/shm must
    # be found out before.
    try:
        found = os.statvfs(_SHARED_MEMORY)
    except (AttributeError, OSError):
        return False
    return found.f_bavail * found.f_frsize > nbytes
