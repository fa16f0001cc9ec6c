"""A compiled program: a table of native launches and calls of Python functions, and the memory that they work in.

The table is built once. A run writes the addresses of its arrays into the table and calls one native function for every
stretch of native lines; see ``table`` for how threads share it.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiler import native
from ..compiler.launch import HostLaunch, Launch, Place, Space
from . import workers
from .sharing import Sharing
from .table import (
    CACHE_LINE_WORDS,
    LAYOUT,
    REVIEW_NANOSECONDS,
    REVIEW_RUNS,
    REVIEW_STALLED,
    WORD,
    Expected,
    Line,
    Relocation,
    Segment,
)

Array = NDArray[Any]
Signature = tuple[tuple[int, ...], Any]

# What an estimate of a line's time takes a core to do in a nanosecond.
_FLOPS_PER_NANOSECOND: Final = 40.0
_BYTES_PER_NANOSECOND: Final = 12.0
# A line of which nothing is known but its units: what one grain of them may take.
_NANOSECONDS_PER_GRAIN: Final = 1000.0
# Less than this is not worth taking separately.
_NANOSECONDS_PER_CHUNK: Final = 1500.0
_CHUNKS_PER_THREAD: Final = 4
_HUGE_PAGE: Final = 2 << 20
_ALIGNMENT: Final = 64
# NumPy's flags: C contiguous, aligned, writeable.
_READABLE: Final = 0x101
_WRITEABLE: Final = 0x501


def aligned_memory(size: int) -> NDArray[np.uint8]:
    """``size`` bytes that begin on a cache line, and on a huge page if they are many."""
    # NumPy asks the system for huge pages for arrays of 4 MiB and more.
    alignment = _HUGE_PAGE if size >= 2 * _HUGE_PAGE else _ALIGNMENT
    memory = np.empty(size + alignment, np.uint8)
    start = -memory.ctypes.data % alignment
    return memory[start : start + size]


def estimated_nanoseconds(launch: Launch) -> float:
    """About how long one core needs for a line."""
    if launch.flops or launch.bytes:
        return max(launch.flops / _FLOPS_PER_NANOSECOND, launch.bytes / _BYTES_PER_NANOSECOND)
    return launch.units / max(launch.grain, 1) * _NANOSECONDS_PER_GRAIN


class LineTime(NamedTuple):
    """What profiling measured of a line: nanoseconds in all its runs together, and how many runs."""

    label: str
    nanoseconds: int
    runs: int


class Plan:
    """``lines`` on ``arena_bytes`` of memory of the plan's own, and on arrays of these shapes and dtypes.

    Threads may share a plan: they run it one after the other. ``RuntimeError`` if a line's module cannot be compiled.
    """

    def __init__(
        self,
        lines: Sequence[Launch | HostLaunch],
        arena_bytes: int,
        inputs: Sequence[Signature],
        outputs: Sequence[Signature],
    ) -> None:
        self.lines = tuple(lines)
        self._signatures = tuple((tuple(shape), np.dtype(dtype)) for shape, dtype in (*inputs, *outputs))
        self._input_count = len(inputs)
        self._count = len(self._signatures)
        self._code = workers.code()
        self._slots = workers.most_threads()
        self.arena = aligned_memory(arena_bytes)
        self._lock = threading.Lock()
        self._owner = 0
        self._build()
        _plans.add(self)

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Run it on C-contiguous arrays of the plan's shapes and dtypes; ``outputs`` must not overlap anything.

        Raises ``ValueError`` for other arrays, and whatever a Python line raises; the arrays that lines before that one
        have written to stay written.
        """
        if self._owner and self._owner == threading.get_ident():
            raise RuntimeError("a plan was run again by one of its own lines, before it had finished")
        # No instruction lies between taking the lock and what gives it back: an interrupt leaves it free.
        with self._lock:
            try:
                self._owner = threading.get_ident()
                self._run(inputs, outputs)
            finally:
                self._owner = 0

    def _run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        arrays = (*inputs, *outputs)
        if len(inputs) != self._input_count or len(arrays) != self._count:
            self._explain(inputs, outputs)
        pool = workers.pool_address() if self._shared else 0
        run, process, addresses = self._code.run, self._process, self._addresses
        objects = id(arrays) + _items_offset if _items_offset else 0
        answer = 1
        if objects:
            answer = run(self._first, pool, process, addresses, objects, self._expected, self._count)
        if answer > 0:
            self._bind_slowly(arrays)
            answer = run(self._first, pool, process, addresses, 0, 0, 0)
        if answer:
            self._review()
        for call, segment in self._rest:
            call(arrays)
            if run(segment, pool, process, addresses, 0, 0, 0):
                self._review()

    def profile(self, on: bool = True, *, alone: bool = False) -> None:
        """Measure each line's time in the runs from now on, or stop that. ``alone``: these runs are on the calling thread only.

        With workers a line's time is what the calling thread saw: the wait for the workers' part counts, and what they had
        done before it came does not.
        """
        self._shared = not (on and alone) and self._may_share()
        for words, times in zip(self._segments, self._times, strict=True):
            times[:] = 0
            words[Segment.PROFILE] = times.ctypes.data if on and times.size else 0
        for call in self._calls:
            call.profiled, call.nanoseconds, call.runs = on, 0, 0

    def times(self) -> list[LineTime]:
        """What has been measured since ``profile()``, line by line."""
        measured = []
        natives = iter([pair for times in self._times for pair in times.reshape(-1, 2).tolist()])
        calls = iter(self._calls)
        for line in self.lines:
            if isinstance(line, Launch):
                nanoseconds, runs = next(natives)
            else:
                call = next(calls)
                nanoseconds, runs = call.nanoseconds, call.runs
            measured.append(LineTime(line.label, nanoseconds, runs))
        return measured

    def __del__(self) -> None:
        table = getattr(self, "_table", None)
        if table is not None and workers is not None:
            workers.bury(table)

    # Building.

    def _build(self) -> None:
        functions = iter(
            native.load_many([(line.text, line.name) for line in self.lines if isinstance(line, Launch)])
        )
        stretches: list[list[Launch]] = [[]]
        self._calls: list[_HostCall] = []
        for line in self.lines:
            if isinstance(line, Launch):
                stretches[-1].append(line)
            else:
                self._calls.append(_HostCall(line, self.arena, self._input_count))
                stretches.append([])
        stride = max((_rounded(line.scratch) for part in stretches for line in part), default=0)
        self._scratch = aligned_memory(stride * self._slots)
        parts = [_Stretch(part, functions, self._slots) for part in stretches]
        self._table = workers.words(sum(part.size for part in parts) + 1)
        self._segments, self._times = [], []
        at = 0
        for part in parts:
            memory = self._table[at : at + part.size]
            part.write(memory, self.arena.ctypes.data, self._input_count, self._slots)
            memory[Segment.SCRATCH], memory[Segment.SCRATCH_STRIDE] = self._scratch.ctypes.data, stride
            self._segments.append(memory)
            self._times.append(np.zeros(2 * len(part.lines), np.int64))
            at += part.size
        self._sharing = [Sharing() for _ in parts]
        places = [int(memory.ctypes.data) for memory in self._segments]
        self._first = places[0]
        self._rest = tuple(zip(self._calls, places[1:], strict=True))
        self._shared = self._may_share()
        self._process = workers.process_address()
        self._address_words = workers.words(self._count + 1)
        self._addresses = int(self._address_words.ctypes.data)
        self._expected = self._expectations()

    def _expectations(self) -> int:
        """What ``table``'s ``bind`` compares arrays with."""
        self._expected_words = workers.words(self._count * Expected.SIZE + 1)
        self._shapes = [np.array(shape or (0,), np.int64) for shape, _ in self._signatures]
        for number, (shape, dtype) in enumerate(self._signatures):
            entry = self._expected_words[number * Expected.SIZE :]
            entry[Expected.TYPE] = id(np.ndarray)
            entry[Expected.DESCRIPTION] = id(dtype)
            entry[Expected.DIMENSIONS] = len(shape)
            entry[Expected.SHAPE] = self._shapes[number].ctypes.data
            entry[Expected.FLAGS] = _READABLE if number < self._input_count else _WRITEABLE
        return int(self._expected_words.ctypes.data)

    def _may_share(self) -> bool:
        return any(int(memory[Segment.PARALLEL_TIME]) for memory in self._segments)

    # What a run does rarely.

    def _review(self) -> None:
        """Whether workers help, for the segments that have been measured long enough."""
        for words, sharing in zip(self._segments, self._sharing, strict=True):
            spent, runs, stalled = words[Segment.SPENT : Segment.STALLED + 1].tolist()
            bad = REVIEW_STALLED * stalled >= spent
            if spent > REVIEW_NANOSECONDS and (runs > REVIEW_RUNS or bad):
                if not sharing.alone:
                    workers.judge(bad)
                words[Segment.ALONE] = sharing.review(spent, runs, stalled)
                words[Segment.SPENT : Segment.STALLED + 1] = 0

    def _bind_slowly(self, arrays: tuple[Array, ...]) -> None:
        """Addresses by way of Python, for arrays that are right but not as the quick way expects them."""
        for number, (array, (shape, dtype)) in enumerate(zip(arrays, self._signatures, strict=True)):
            output = number >= self._input_count
            what = f"output {number - self._input_count}" if output else f"input {number}"
            if not isinstance(array, np.ndarray):
                raise ValueError(f"run: {what} is {type(array).__name__}; a NumPy array is wanted")
            if array.shape != shape or array.dtype != dtype:
                raise ValueError(
                    f"run: {what} is {array.dtype} of shape {array.shape}; the plan was made for {dtype} of shape {shape}"
                )
            if (
                not array.flags.c_contiguous
                or not array.flags.aligned
                or (output and not array.flags.writeable)
            ):
                raise ValueError(f"run: {what} must be C-contiguous, aligned and, for an output, writeable")
            self._address_words[number] = array.__array_interface__["data"][0]

    def _explain(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        wanted = (self._input_count, self._count - self._input_count)
        raise ValueError(
            f"run: {len(inputs)} inputs and {len(outputs)} outputs were given; the plan has {wanted[0]} and {wanted[1]}"
        )

    def _after_fork(self) -> None:
        self._lock, self._owner = threading.Lock(), 0


_plans: weakref.WeakSet[Plan] = weakref.WeakSet()


def _rounded(size: int, to: int = _ALIGNMENT) -> int:
    return -(-size // to) * to


class _Stretch:
    """Native lines with no Python between them, and how they lie in memory."""

    def __init__(self, lines: list[Launch], functions: Iterable[int], slots: int) -> None:
        self.lines = lines
        # ``functions`` goes on from one stretch to the next.
        self.functions = [address for _, address in zip(lines, functions, strict=False)]
        self.cuts = [_cut(line, slots) for line in lines]
        self.relocated = sum(place.space is not Space.ARENA for line in lines for place in line.places)
        count = len(lines)
        self.lines_at = int(Segment.SIZE)
        self.state_at = self.lines_at + count * Line.SIZE
        state = sum((1 + cut.regions) * CACHE_LINE_WORDS for cut in self.cuts)
        self.relocations_at = self.state_at + state
        self.values_at = self.relocations_at + self.relocated * Relocation.SIZE
        self.size = _rounded(self.values_at + sum(len(line.ints) + len(line.places) for line in lines), 8)

    def write(self, memory: workers.Words, arena: int, input_count: int, slots: int) -> None:
        base = int(memory.ctypes.data)
        state, value, relocation = self.state_at, self.values_at, self.relocations_at
        memory[Segment.LINES] = base + self.lines_at * WORD
        memory[Segment.LINE_COUNT] = len(self.lines)
        memory[Segment.SLOTS] = slots
        memory[Segment.RELOCATIONS] = base + self.relocations_at * WORD
        memory[Segment.RELOCATION_COUNT] = self.relocated
        memory[Segment.USES_BLAS] = any(
            "@rushlight_cblas" in line.text or '@"rushlight_cblas' in line.text for line in self.lines
        )
        groups = self._groups()
        shared = [group for group in groups if self._worth_sharing(group)] if slots > 1 else []
        if shared:
            memory[Segment.FIRST], memory[Segment.LAST] = shared[0].start, shared[-1].stop
            time = sum(estimated_nanoseconds(self.lines[number]) for group in shared for number in group)
            memory[Segment.PARALLEL_TIME] = max(1, int(min(time, 1e18)))
        for number, (line, function, cut) in enumerate(
            zip(self.lines, self.functions, self.cuts, strict=True)
        ):
            entry = memory[self.lines_at + number * Line.SIZE :]
            entry[Line.FUNCTION] = function
            entry[Line.INTS] = base + value * WORD
            memory[value : value + len(line.ints)] = line.ints
            value += len(line.ints)
            entry[Line.POINTERS] = base + value * WORD
            entry[Line.UNITS : Line.STATE] = (
                line.units,
                cut.chunk,
                cut.chunks,
                cut.regions,
                cut.region_chunks,
            )
            entry[Line.STATE] = base + state * WORD
            entry[Line.WAIT_FROM] = -1
            state += (1 + cut.regions) * CACHE_LINE_WORDS
            for place in line.places:
                if place.space is Space.ARENA:
                    memory[value] = arena + place.offset
                else:
                    array = place.number + (input_count if place.space is Space.OUTPUT else 0)
                    memory[relocation : relocation + Relocation.SIZE] = (
                        base + value * WORD,
                        array,
                        place.offset,
                    )
                    relocation += int(Relocation.SIZE)
                value += 1
        for group in groups:
            memory[self.lines_at + group[-1] * Line.SIZE + Line.WAIT_FROM] = group.start

    def _groups(self) -> list[range]:
        """Lines that may run at the same time."""
        starts = [number for number, line in enumerate(self.lines) if number == 0 or not line.overlaps]
        return [range(start, stop) for start, stop in pairwise((*starts, len(self.lines)))]

    def _worth_sharing(self, group: range) -> bool:
        if any(self.cuts[number].chunks > 1 for number in group):
            return True
        times = [estimated_nanoseconds(self.lines[number]) for number in group]
        return sum(times) - max(times) >= _NANOSECONDS_PER_CHUNK


class _Cut(NamedTuple):
    """How a line's units are shared out: see ``table``."""

    chunk: int
    chunks: int
    regions: int
    region_chunks: int


def _cut(line: Launch, slots: int) -> _Cut:
    grain = max(line.grain, 1)
    pieces = min(-(-line.units // grain), int(estimated_nanoseconds(line) / _NANOSECONDS_PER_CHUNK))
    pieces = min(pieces, slots * _CHUNKS_PER_THREAD)
    if slots == 1 or pieces <= 1:
        return _Cut(max(line.units, 1), 1, 1, 1)
    chunk = _rounded(-(-line.units // pieces), grain)
    if chunk > 256:
        chunk = _rounded(chunk, 16)  # so that two threads seldom write to one cache line
    chunks = -(-line.units // chunk)
    region_chunks = -(-chunks // min(slots, chunks))
    return _Cut(chunk, chunks, -(-chunks // region_chunks), region_chunks)


class _HostCall:
    """A line that runs in Python."""

    def __init__(self, line: HostLaunch, arena: NDArray[np.uint8], input_count: int) -> None:
        self.function: Callable[..., Any] = line.function
        self.into = getattr(line.function, "into", None)
        self.operands = [_view(*operand, arena, input_count) for operand in line.operands]
        self.results = [_view(*result, arena, input_count) for result in line.results]
        self.profiled, self.nanoseconds, self.runs = False, 0, 0

    def __call__(self, arrays: tuple[Array, ...]) -> None:
        if self.profiled:
            import time

            start = time.perf_counter_ns()
            self._call(arrays)
            self.nanoseconds += time.perf_counter_ns() - start
            self.runs += 1
        else:
            self._call(arrays)

    def _call(self, arrays: tuple[Array, ...]) -> None:
        operands = [find if isinstance(find, np.ndarray) else find(arrays) for find in self.operands]
        if self.into is not None:
            self.into(
                [find if isinstance(find, np.ndarray) else find(arrays) for find in self.results], operands
            )
            return
        given = self.function(*operands)
        values = given if isinstance(given, tuple) else (given,)
        for find, value in zip(self.results, values, strict=True):
            (find if isinstance(find, np.ndarray) else find(arrays))[...] = value


def _view(
    place: Place, shape: tuple[int, ...], dtype: Any, arena: NDArray[np.uint8], input_count: int
) -> Array | Callable[[tuple[Array, ...]], Array]:
    """The array at ``place``: itself if it is always the same, else what finds it among a run's arrays."""
    dtype = np.dtype(dtype)
    size = dtype.itemsize
    for extent in shape:
        size *= extent
    if size == 0:
        return np.empty(shape, dtype)
    if place.space is Space.ARENA:
        always: Array = arena[place.offset : place.offset + size].view(dtype).reshape(shape)
        return always
    number = place.number + (input_count if place.space is Space.OUTPUT else 0)

    def find(arrays: tuple[Array, ...]) -> Array:
        array = arrays[number]
        if place.offset == 0 and array.shape == shape and array.dtype == dtype:
            return array
        part = array.reshape(-1).view(np.uint8)[place.offset : place.offset + size]
        found: Array = part.view(dtype).reshape(shape)
        return found

    return find


def _tuple_items_offset() -> int:
    """Where a tuple keeps its items, in bytes from its ``id``; 0 if objects do not lie in memory as ``table`` reads them."""
    if sys.implementation.name != "cpython" or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return 0
    if ctypes.sizeof(ctypes.c_void_p) != WORD or np.ndarray.__basicsize__ < LAYOUT.flags + 4:
        return 0
    probe = np.zeros((3, 5), np.float32)[1:]
    pair = (probe, None)
    offset = tuple.__basicsize__

    def word(address: int) -> int:
        return int(ctypes.c_int64.from_address(address).value)

    def half(address: int) -> int:
        return int(ctypes.c_int32.from_address(address).value)

    array = id(probe)
    read = (word(id(pair) + offset), word(id(pair) + offset + WORD))
    if read != (array, id(None)) or word(array + LAYOUT.type) != id(np.ndarray):
        return 0
    if word(array + LAYOUT.data) != probe.ctypes.data or half(array + LAYOUT.dimensions) != 2:
        return 0
    if (
        word(array + LAYOUT.description) != id(probe.dtype)
        or half(array + LAYOUT.flags) & _WRITEABLE != _WRITEABLE
    ):
        return 0
    shape = word(array + LAYOUT.shape)
    # `ctypes.shape` knows the values; that the address is right shows in the strides, which NumPy keeps behind the shape.
    if word(array + LAYOUT.shape + WORD) != shape + 2 * WORD or (word(shape), word(shape + WORD)) != (2, 5):
        return 0
    probe.flags.writeable = False
    return 0 if half(array + LAYOUT.flags) & _WRITEABLE == _WRITEABLE else offset


_items_offset = _tuple_items_offset()


def _after_fork_in_child() -> None:
    """The thread that was running a plan is not there to release it."""
    for plan in list(_plans):
        plan._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
