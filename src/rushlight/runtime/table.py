"""The native loop that runs a plan's table, alone or with workers, and the layout of what it reads.

All memory here is arrays of 8-byte words; the enumerations below name the words of each record. A *segment* is a
stretch of native lines between two calls of Python functions. Each run of a segment has a *generation*, a number never
used before.

How threads share a line: its units are cut in chunks, and the chunks in as many regions as there may be threads. Every
region has a claim word, (generation << 24) + the number of chunks taken, and every line a done word, (generation << 24) +
the number of chunks done. A thread takes a chunk by compare-and-swap, first in its own region (so that the same thread
tends to touch the same memory in line after line), then in the others'. Words of an older generation count as zero, so
nothing is reset between runs, and a thread that wakes up after its run is over cannot take anything: it finds a newer
generation, or nothing left. No thread waits for one that has taken nothing: whoever is there does the work, so a worker
that the system does not run costs nothing. Who has to wait for a chunk in another's hands spins briefly, then sleeps.

Sleeping follows one pattern: announce (add one to a counter of sleepers), read the event word, look again at what is
waited for, sleep on the event word only if it has not changed. Who makes it true looks at the counter afterwards. All of
these are sequentially consistent, so at least one of the two sees the other.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

WORD: Final = 8
CACHE_LINE_WORDS: Final = 8
CHUNK_BITS: Final = 24


class Segment(IntEnum):
    """Words of a segment. The first cache line is written in every run, the others never."""

    GENERATION = 0
    ALONE = 1  # not 0: workers are not to be asked
    SPENT = 2  # nanoseconds of the runs since these words were last cleared, in which workers could have been asked
    RUNS = 3
    STALLED = 4  # nanoseconds that the calling thread slept for workers
    LINES = 8
    LINE_COUNT = 9
    SLOTS = 10  # threads that there is scratch memory for
    SCRATCH = 11
    SCRATCH_STRIDE = 12
    RELOCATIONS = 13
    RELOCATION_COUNT = 14
    PROFILE = 15  # 0, or two words a line: nanoseconds, runs
    PARALLEL_TIME = 16  # estimated nanoseconds that workers could share; 0: none
    FIRST = 17  # lines before this and from LAST on are done by the calling thread
    LAST = 18
    USES_BLAS = 19
    SIZE = 24


class Line(IntEnum):
    """Words of a line: constant after the plan is built."""

    FUNCTION = 0
    INTS = 1
    POINTERS = 2
    UNITS = 3
    CHUNK = 4  # units that are claimed at a time
    CHUNKS = 5
    REGIONS = 6
    REGION_CHUNKS = 7
    STATE = 8  # the done word, and each region's claim word, a cache line each
    WAIT_FROM = 9  # lines from this to this one must be complete before the next begins; -1: the next may begin anyway
    SIZE = 16


class Relocation(IntEnum):
    """Words of a relocation: ``*(void **)TARGET = addresses[ARRAY] + OFFSET``."""

    TARGET = 0
    ARRAY = 1
    OFFSET = 2
    SIZE = 3


class Expected(IntEnum):
    """Words of what an input or output array must be: the fields of NumPy's array object."""

    TYPE = 0
    DESCRIPTION = 1
    DIMENSIONS = 2
    SHAPE = 3  # address of its words
    FLAGS = 4
    SIZE = 5


class PoolWord(IntEnum):
    """Words of a pool of workers. Words written by different threads lie in different cache lines."""

    SEGMENT = 0  # what is being run; 0: nothing
    PARK_EVENT = 8
    PARKED = 9
    INSIDE = 16  # workers that may be looking at a segment
    LINE_EVENT = 24
    LINE_SLEEPERS = 25
    BUSY = 32
    WORKERS = 40  # workers with a higher number leave
    IDLE_SPINS = 41
    WAIT_SPINS = 42
    AWAKE_TIME = 43  # the least PARALLEL_TIME worth sharing with workers that are awake, in nanoseconds
    ASLEEP_TIME = 44  # and with workers that must be woken
    IDLE_OFFERS = (
        45  # how often they offer their processor to others, each time after so many spins, before they sleep
    )
    ALONE_UNTIL = 46  # a time, in the clock's nanoseconds: runs that begin before it leave the workers out
    SIZE = 48


class ProcessWord(IntEnum):
    """Words that a process has once, whatever pools come and go."""

    GENERATION = 0
    BLAS_LOCK = 8
    BLAS_USERS = 9
    BLAS_THREADS = 10  # to be restored
    BLAS_SET = 11  # addresses; 0 without OpenBLAS
    BLAS_GET = 12
    SIZE = 16


class Layout(NamedTuple):
    """Where CPython and NumPy keep the fields of an array object, in bytes."""

    type: int = 8
    data: int = 16
    dimensions: int = 24  # 32 bits
    shape: int = 32
    description: int = 56
    flags: int = 64  # 32 bits


LAYOUT: Final = Layout()


class System(NamedTuple):
    """What native code can ask of the operating system: the number of Linux's futex call (0: none), and a clock."""

    futex: int
    clock: bool


def this_system() -> System:
    """What there is here."""
    import platform

    futex = {"x86_64": 202, "aarch64": 98, "riscv64": 98}.get(platform.machine(), 0)
    linux = sys.platform == "linux" and sys.maxsize > 1 << 32
    return System(futex if linux else 0, sys.platform in ("linux", "darwin"))


_FUTEX_WAIT_PRIVATE: Final = 128
_FUTEX_WAKE_PRIVATE: Final = 129
_EVERYONE: Final = (1 << 31) - 1
# A sleep between lines ends by itself after this long, in case a wake-up is ever lost.
_LINE_SLEEP_NANOSECONDS: Final = 5_000_000
# A worker that the system stops in the middle of a chunk stops the whole run, for milliseconds. So it offers its processor to
# others by itself, between two chunks, before its time slice is over: that costs nothing where nobody else wants it.
_WORK_WITHOUT_PAUSE_NANOSECONDS: Final = 500_000
# When ``run`` asks for a review of whether workers help: after so much time, and so many runs.
REVIEW_NANOSECONDS: Final = 40_000_000
REVIEW_RUNS: Final = 16
# Or after so much time, if one part in so many of it was spent asleep, waiting for a worker that was not running.
REVIEW_STALLED: Final = 2
_MONOTONIC: Final = {"linux": 1, "darwin": 6}


@lru_cache(maxsize=4)
def native_text(system: System) -> str:
    """The module. Its function ``functions(void **out)`` gives the addresses of run, work and spin."""
    from llvmlite import ir

    from ..compiler.codegen import structured
    from ..compiler.codegen.structured import I32, I64, PTR, VOID

    module = ir.Module(name="table")

    class Code(structured.Function):
        """Atomics, endless loops and the system's calls, on top of ``structured``."""

        def __init__(self, name: str, result: Any, arguments: list[Any]) -> None:
            super().__init__(name, ir.FunctionType(result, arguments), module)
            self.arguments = self.function.args
            self.time: Any = None

        @contextmanager
        def repeat(self) -> Iterator[Any]:
            """A loop that is left by ``self.b.branch`` to the block that it gives."""
            body = self.function.append_basic_block("repeat")
            after = self.function.append_basic_block("left")
            self.b.branch(body)
            self.b.position_at_end(body)
            yield after
            if not self.b.block.is_terminated:
                self.b.branch(body)
            self.b.position_at_end(after)

        def word(self, base: Any, number: int) -> Any:
            return self.at(I64, base, int(number))

        def read(self, base: Any, number: int) -> Any:
            return self.load(I64, base, int(number))

        def read_pointer(self, base: Any, number: int) -> Any:
            return self.load(PTR, self.word(base, number))

        def peek(self, pointer: Any, ordering: str = "acquire", type_: Any = I64) -> Any:
            return self.b.load_atomic(pointer, ordering, type_.width // 8, typ=type_)

        def poke(self, value: Any, pointer: Any) -> None:
            # llvmlite's atomic store does not take pointers without a type.
            self.b.atomic_rmw("xchg", pointer, self.i64(value), "seq_cst")

        def increase(self, pointer: Any, amount: int = 1, type_: Any = I64) -> Any:
            """The old value."""
            return self.b.atomic_rmw("add", pointer, ir.Constant(type_, amount), "seq_cst")

        def swap_if(self, pointer: Any, old: Any, new: Any) -> Any:
            """Whether ``pointer`` held ``old`` and so holds ``new`` now."""
            pair = self.b.cmpxchg(pointer, old, new, "seq_cst", "acquire")
            return self.b.extract_value(pair, 1)

        def is_(self, a: Any, b: Any) -> Any:
            return self.b.icmp_unsigned("==", self.i64(a), self.i64(b))

        def is_not(self, a: Any, b: Any) -> Any:
            return self.b.icmp_unsigned("!=", self.i64(a), self.i64(b))

        def beyond(self, a: Any, b: Any) -> Any:
            return self.b.icmp_unsigned(">", self.i64(a), self.i64(b))

        def pause(self) -> None:
            name, operands = _pause_intrinsic()
            if name:
                self.call(name, VOID, [ir.Constant(I32, operand) for operand in operands])

        def sleep_on(self, event: Any, seen: Any, forever: bool) -> None:
            """Until the 32-bit word ``event`` is not ``seen``, or something else happens."""
            if not system.futex:
                self.call("usleep", I32, [ir.Constant(I32, 50)])
                return
            none = ir.Constant(PTR, None)
            timeout = none if forever else nap
            self.system_call(event, _FUTEX_WAIT_PRIVATE, self.b.zext(seen, I64), timeout)

        def wake_all(self, event: Any) -> None:
            self.increase(event, 1, I32)
            if system.futex:
                self.system_call(event, _FUTEX_WAKE_PRIVATE, self.i64(_EVERYONE), ir.Constant(PTR, None))

        def system_call(self, event: Any, operation: int, value: Any, timeout: Any) -> None:
            self.call("syscall", I64, [self.i64(system.futex), event, self.i64(operation), value, timeout])

        def now(self) -> Any:
            """Nanoseconds."""
            if not system.clock:
                return self.i64(0)
            if self.time is None:
                with self.b.goto_entry_block():
                    self.time = self.b.alloca(ir.ArrayType(I64, 2))
            self.call("clock_gettime", I32, [ir.Constant(I32, _MONOTONIC[sys.platform]), self.time])
            return self.add(self.mul(self.read(self.time, 0), 1_000_000_000), self.read(self.time, 1))

    nap = ir.GlobalVariable(module, ir.ArrayType(I64, 2), "nap")
    nap.initializer = ir.Constant(ir.ArrayType(I64, 2), [0, _LINE_SLEEP_NANOSECONDS])
    nap.global_constant = True

    def launch(f: Code, line: Any, begin: Any, end: Any, scratch: Any) -> None:
        ints, pointers = f.read_pointer(line, Line.INTS), f.read_pointer(line, Line.POINTERS)
        f.call_address(f.read(line, Line.FUNCTION), VOID, [begin, end, ints, pointers, scratch])

    def record(f: Code, profile: Any, number: Any, started: Any) -> None:
        entry = f.at(I64, profile, f.mul(number, 2))
        f.store(f.add(f.read(entry, 0), f.sub(f.now(), started)), entry)
        f.store(f.add(f.read(entry, 1), 1), entry, 1)

    def make_alone() -> Any:
        """``alone(segment, first, last)``: the lines on this thread."""
        f = Code("alone", VOID, [PTR, I64, I64])
        segment, first, last = f.arguments
        lines, scratch = f.read_pointer(segment, Segment.LINES), f.read_pointer(segment, Segment.SCRATCH)
        profile = f.read_pointer(segment, Segment.PROFILE)
        profiled = f.is_not(f.b.ptrtoint(profile, I64), 0)
        started = f.variable(I64, f.i64(0))
        with f.loop(first, last) as number:
            line = f.at(I64, lines, f.mul(number, Line.SIZE.value))
            with f.when(profiled):
                f.set(started, f.now())
            launch(f, line, f.i64(0), f.read(line, Line.UNITS), scratch)
            with f.when(profiled):
                record(f, profile, number, f.get(started, I64))
        f.b.ret_void()
        return f.function

    def make_share() -> Any:
        """``share(segment, pool, me, generation, rested)``: the lines FIRST to LAST, together with whoever else is there.

        ``clock``: where a worker keeps the time of its last pause, and the calling thread adds up how long it slept.
        """
        f = Code("share", VOID, [PTR, PTR, I64, I64, PTR])
        segment, pool, me, generation, clock = f.arguments
        stale = f.function.append_basic_block("stale")
        tag = f.b.shl(generation, f.i64(CHUNK_BITS))
        lines = f.read_pointer(segment, Segment.LINES)
        scratch = f.at(
            structured.I8,
            f.read_pointer(segment, Segment.SCRATCH),
            f.mul(me, f.read(segment, Segment.SCRATCH_STRIDE)),
        )
        profile = f.read_pointer(segment, Segment.PROFILE)
        profiled = f.b.and_(f.is_not(f.b.ptrtoint(profile, I64), 0), f.is_(me, 0))
        worker = f.is_not(me, 0)
        spins = f.read(pool, PoolWord.WAIT_SPINS)
        event, sleepers = f.word(pool, PoolWord.LINE_EVENT), f.word(pool, PoolWord.LINE_SLEEPERS)
        started, mine, spun = (f.variable(I64, f.i64(0)) for _ in range(3))

        def newer(word: Any) -> Any:
            return f.beyond(f.b.lshr(word, f.i64(CHUNK_BITS)), generation)

        def count(word: Any) -> Any:
            """The number in a claim or done word; 0 if it is of an older generation."""
            current = f.is_(f.b.lshr(word, f.i64(CHUNK_BITS)), generation)
            return f.b.select(current, f.sub(word, tag), f.i64(0))

        def declare(done: Any, complete: Any) -> None:
            """Add to the done word what this thread has done, and wake the others if that was the last of the line."""
            with f.when(f.is_not(f.get(mine, I64), 0)), f.repeat() as added:
                word = f.peek(done)
                total = f.add(f.add(tag, count(word)), f.get(mine, I64))
                with f.when(f.swap_if(done, word, total)):
                    finished = f.b.and_(f.is_(total, complete), f.is_not(f.peek(sleepers, "seq_cst"), 0))
                    with f.when(finished):
                        f.wake_all(event)
                    f.set(mine, f.i64(0))
                    f.b.branch(added)

        def wait(line: Any) -> None:
            """Until all of a line is done."""
            done, complete = f.read_pointer(line, Line.STATE), f.add(tag, f.read(line, Line.CHUNKS))
            f.set(spun, f.i64(0))
            with f.repeat() as over:
                word = f.peek(done)
                with f.when(f.is_(word, complete)):
                    f.b.branch(over)
                with f.when(newer(word)):
                    f.b.branch(stale)
                f.pause()
                f.set(spun, f.add(f.get(spun, I64), 1))
                with f.when(f.beyond(f.get(spun, I64), spins)):
                    f.increase(sleepers)
                    seen = f.peek(event, "seq_cst", I32)
                    word = f.peek(done, "seq_cst")
                    waiting = f.b.and_(f.is_not(word, complete), f.b.not_(newer(word)))
                    with f.when(waiting):
                        asleep = f.now()
                        f.sleep_on(event, seen, forever=False)
                        slept = f.add(f.load(I64, clock), f.sub(f.now(), asleep))
                        f.store(f.b.select(worker, f.load(I64, clock), slept), clock)
                    f.increase(sleepers, -1)

        with f.loop(f.read(segment, Segment.FIRST), f.read(segment, Segment.LAST)) as number:
            line = f.at(I64, lines, f.mul(number, Line.SIZE.value))
            units, chunk = f.read(line, Line.UNITS), f.read(line, Line.CHUNK)
            chunks, regions = f.read(line, Line.CHUNKS), f.read(line, Line.REGIONS)
            region_chunks, done = f.read(line, Line.REGION_CHUNKS), f.read_pointer(line, Line.STATE)
            complete = f.add(tag, chunks)
            with f.when(profiled):
                f.set(started, f.now())
            f.set(mine, f.i64(0))
            with f.loop(0, regions) as turn:
                region = f.remainder(f.add(me, turn), regions)
                low = f.mul(region, region_chunks)
                there = f.sub(f.minimum(f.add(low, region_chunks), chunks), low)
                claim = f.at(I64, done, f.mul(f.add(region, 1), CACHE_LINE_WORDS))
                with f.repeat() as empty:
                    word = f.peek(claim)
                    with f.when(newer(word)):
                        f.b.branch(stale)
                    taken = count(word)
                    with f.when(f.b.not_(f.less(taken, there))):
                        f.b.branch(empty)
                    with f.when(f.swap_if(claim, word, f.add(f.add(tag, taken), 1))):
                        begin = f.mul(f.add(low, taken), chunk)
                        launch(f, line, begin, f.minimum(f.add(begin, chunk), units), scratch)
                        f.set(mine, f.add(f.get(mine, I64), 1))
                        if system.clock:
                            with f.when(worker):
                                late = f.sub(f.now(), f.load(I64, clock))
                                with f.when(f.beyond(late, _WORK_WITHOUT_PAUSE_NANOSECONDS)):
                                    # Nothing may wait for this thread while it is away.
                                    declare(done, complete)
                                    f.call("sched_yield", I32, [])
                                    f.store(f.now(), clock)
            declare(done, complete)
            from_ = f.read(line, Line.WAIT_FROM)
            # An unsigned comparison: -1 is beyond every number.
            with f.when(f.b.not_(f.beyond(from_, number))), f.loop(from_, f.add(number, 1)) as awaited:
                wait(f.at(I64, lines, f.mul(awaited, Line.SIZE.value)))
            with f.when(profiled):
                record(f, profile, number, f.get(started, I64))
        f.b.ret_void()
        f.b.position_at_end(stale)
        f.b.ret_void()
        return f.function

    def make_bind() -> Any:
        """``bind(objects, expected, count, addresses)``: 0, or 1 + the number of the first array that is not as expected."""
        f = Code("bind", I64, [PTR, PTR, I64, PTR])
        objects, expected, count, addresses = f.arguments
        wrong = f.function.append_basic_block("wrong")
        position = f.variable(I64, f.i64(0))
        with f.loop(0, count) as number:
            f.set(position, number)
            array = f.load(PTR, objects, number)
            entry = f.at(I64, expected, f.mul(number, Expected.SIZE.value))

            def field(offset: int, type_: Any, base: Any = array) -> Any:
                return f.load(type_, f.at(structured.I8, base, offset))

            right = f.is_(field(LAYOUT.type, I64), f.read(entry, Expected.TYPE))
            with f.when(f.b.not_(right)):
                f.b.branch(wrong)
            dimensions = f.read(entry, Expected.DIMENSIONS)
            flags = f.b.zext(field(LAYOUT.flags, I32), I64)
            right = f.is_(field(LAYOUT.description, I64), f.read(entry, Expected.DESCRIPTION))
            right = f.b.and_(right, f.is_(f.b.zext(field(LAYOUT.dimensions, I32), I64), dimensions))
            wanted = f.read(entry, Expected.FLAGS)
            right = f.b.and_(right, f.is_(f.b.and_(flags, wanted), wanted))
            with f.when(f.b.not_(right)):
                f.b.branch(wrong)
            shape, given = f.read_pointer(entry, Expected.SHAPE), field(LAYOUT.shape, PTR)
            with f.loop(0, dimensions) as dimension:
                right = f.is_(f.load(I64, shape, dimension), f.load(I64, given, dimension))
                with f.when(f.b.not_(right)):
                    f.b.branch(wrong)
            f.store(field(LAYOUT.data, I64), addresses, number)
        f.b.ret(f.i64(0))
        f.b.position_at_end(wrong)
        f.b.ret(f.add(f.get(position, I64), 1))
        return f.function

    def make_blas(name: str, entering: bool) -> Any:
        """``enter(process)`` and ``leave(process)``: OpenBLAS uses one thread a call while anyone is in between."""
        f = Code(name, VOID, [PTR])
        (process,) = f.arguments
        lock = f.word(process, ProcessWord.BLAS_LOCK)
        with f.repeat() as locked:
            with f.when(f.swap_if(lock, f.i64(0), f.i64(1))):
                f.b.branch(locked)
            f.call("sched_yield", I32, [])
        users = f.read(process, ProcessWord.BLAS_USERS)

        def set_threads(number: Any) -> None:
            f.call_address(f.read(process, ProcessWord.BLAS_SET), VOID, [number])

        def get_threads() -> Any:
            return f.call_address(f.read(process, ProcessWord.BLAS_GET), I32, [])

        one = ir.Constant(I32, 1)
        saved = f.word(process, ProcessWord.BLAS_THREADS)
        if entering:
            with f.when(f.is_(users, 0)):
                threads = get_threads()
                f.store(f.b.sext(threads, I64), saved)
                with f.when(f.b.icmp_signed("!=", threads, one)):
                    set_threads(one)
            f.store(f.add(users, 1), f.word(process, ProcessWord.BLAS_USERS))
        else:
            f.store(f.sub(users, 1), f.word(process, ProcessWord.BLAS_USERS))
            with f.when(f.is_(users, 1)):
                threads = f.b.trunc(f.load(I64, saved), I32)
                # Whoever has set another number in the meantime meant it.
                unchanged = f.b.icmp_signed("==", get_threads(), one)
                with f.when(f.b.and_(unchanged, f.b.icmp_signed("!=", threads, one))):
                    set_threads(threads)
        f.poke(0, lock)
        f.b.ret_void()
        return f.function

    alone, share, bind = make_alone(), make_share(), make_bind()
    enter_blas, leave_blas = make_blas("enter_blas", True), make_blas("leave_blas", False)

    def make_run() -> Any:
        """``run(segment, pool, process, addresses, objects, expected, count)``: 0, or what ``bind`` gave.

        ``pool`` 0: alone. ``objects`` 0: the addresses are there already. -1: done, and SPENT and RUNS have become worth a
        look.
        """
        f = Code("run", I64, [PTR, PTR, PTR, PTR, PTR, PTR, I64])
        segment, pool, process, addresses, objects, expected, count = f.arguments
        with f.when(f.is_not(f.b.ptrtoint(objects, I64), 0)):
            wrong = f.b.call(bind, [objects, expected, count, addresses])
            with f.when(f.is_not(wrong, 0)):
                f.b.ret(wrong)
        relocations = f.read_pointer(segment, Segment.RELOCATIONS)
        with f.loop(0, f.read(segment, Segment.RELOCATION_COUNT)) as number:
            entry = f.at(I64, relocations, f.mul(number, Relocation.SIZE.value))
            base = f.load(I64, addresses, f.read(entry, Relocation.ARRAY))
            f.store(f.add(base, f.read(entry, Relocation.OFFSET)), f.read_pointer(entry, Relocation.TARGET))
        uses_blas = f.is_not(f.read(segment, Segment.USES_BLAS), 0)
        with f.when(uses_blas):
            f.b.call(enter_blas, [process])
        lines, time = f.read(segment, Segment.LINE_COUNT), f.read(segment, Segment.PARALLEL_TIME)
        first, counted, started = (f.variable(I64, f.i64(0)) for _ in range(3))
        with f.when(f.b.and_(f.is_not(f.b.ptrtoint(pool, I64), 0), f.is_not(time, 0))):
            busy = f.word(pool, PoolWord.BUSY)
            parked, park_event = f.word(pool, PoolWord.PARKED), f.word(pool, PoolWord.PARK_EVENT)
            least = f.b.select(
                f.is_(f.peek(parked), 0),
                f.read(pool, PoolWord.AWAKE_TIME),
                f.read(pool, PoolWord.ASLEEP_TIME),
            )
            f.set(started, f.now())
            early = f.less(f.get(started, I64), f.read(pool, PoolWord.ALONE_UNTIL))
            f.set(counted, f.b.zext(f.b.not_(f.b.or_(early, f.less(time, least))), I64))
            asked = f.b.and_(f.is_not(f.get(counted, I64), 0), f.is_(f.read(segment, Segment.ALONE), 0))
            with f.when(asked), f.when(f.swap_if(busy, f.i64(0), f.i64(1))):
                begin, end = f.read(segment, Segment.FIRST), f.read(segment, Segment.LAST)
                with f.when(f.is_not(begin, 0)):
                    # Workers wake up while this thread does what only one can do.
                    with f.when(f.is_not(f.peek(parked, "seq_cst"), 0)):
                        f.wake_all(park_event)
                    f.b.call(alone, [segment, f.i64(0), begin])
                generation = f.add(f.increase(f.word(process, ProcessWord.GENERATION)), 1)
                f.poke(generation, f.word(segment, Segment.GENERATION))
                published = f.word(pool, PoolWord.SEGMENT)
                f.poke(f.b.ptrtoint(segment, I64), published)
                with f.when(f.is_not(f.peek(parked, "seq_cst"), 0)):
                    f.wake_all(park_event)
                f.b.call(share, [segment, pool, f.i64(0), generation, f.word(segment, Segment.STALLED)])
                f.poke(0, published)
                f.poke(0, busy)
                f.set(first, end)
        f.b.call(alone, [segment, f.get(first, I64), lines])
        with f.when(uses_blas):
            f.b.call(leave_blas, [process])
        if system.clock:
            with f.when(f.is_not(f.get(counted, I64), 0)):
                spent = f.add(f.read(segment, Segment.SPENT), f.sub(f.now(), f.get(started, I64)))
                runs = f.add(f.read(segment, Segment.RUNS), 1)
                f.store(spent, segment, int(Segment.SPENT))
                f.store(runs, segment, int(Segment.RUNS))
                asleep = f.read(segment, Segment.STALLED)
                bad = f.b.not_(f.less(f.mul(asleep, REVIEW_STALLED), spent))
                enough = f.b.or_(f.beyond(runs, REVIEW_RUNS), bad)
                enough = f.b.and_(f.beyond(spent, REVIEW_NANOSECONDS), enough)
                with f.when(enough):
                    f.b.ret(f.i64(-1))
        f.b.ret(f.i64(0))
        return f.function

    def make_work() -> Any:
        """``work(pool, me, back)``: a worker's life. 0: it is not wanted any more; 1: it should sleep in Python, because there
        is no futex, and come ``back`` afterwards.
        """
        f = Code("work", I64, [PTR, I64, I64])
        pool, me, back = f.arguments
        published, inside = f.word(pool, PoolWord.SEGMENT), f.word(pool, PoolWord.INSIDE)
        event, parked = f.word(pool, PoolWord.PARK_EVENT), f.word(pool, PoolWord.PARKED)
        spun, offered, last = (f.variable(I64, f.i64(0)) for _ in range(3))
        rested = f.variable(I64)
        f.set(rested, f.now())
        with f.when(f.is_not(back, 0)):
            f.increase(parked, -1)

        def wanted() -> Any:
            return f.b.not_(f.beyond(me, f.peek(f.word(pool, PoolWord.WORKERS), "seq_cst")))

        with f.repeat():
            with f.when(f.b.not_(wanted())):
                f.b.ret(f.i64(0))
            with f.when(f.is_not(f.peek(published), 0)):
                f.increase(inside)
                segment = f.peek(published, "seq_cst")
                with f.when(f.is_not(segment, 0)):
                    place = f.b.inttoptr(segment, PTR)
                    generation = f.peek(f.word(place, Segment.GENERATION))
                    mine = f.b.and_(
                        f.beyond(generation, f.get(last, I64)), f.less(me, f.read(place, Segment.SLOTS))
                    )
                    with f.when(mine):
                        f.b.call(share, [place, pool, me, generation, f.b.bitcast(rested, PTR)])
                        f.set(last, generation)
                        f.set(spun, f.i64(0))
                        f.set(offered, f.i64(0))
                f.increase(inside, -1)
            f.pause()
            f.set(spun, f.add(f.get(spun, I64), 1))
            spins = f.read(pool, PoolWord.IDLE_SPINS)
            with f.when(f.beyond(f.get(spun, I64), spins)):
                # Still awake, but only while nobody else wants this processor.
                f.set(spun, f.i64(0))
                f.set(offered, f.add(f.get(offered, I64), 1))
                f.call("sched_yield", I32, [])
            with f.when(f.beyond(f.get(offered, I64), f.read(pool, PoolWord.IDLE_OFFERS))):
                f.set(offered, f.i64(0))
                f.increase(parked)
                if not system.futex:
                    f.b.ret(f.i64(1))
                else:
                    seen = f.peek(event, "seq_cst", I32)
                    nothing = f.b.and_(f.is_(f.peek(published, "seq_cst"), 0), wanted())
                    with f.when(nothing):
                        f.sleep_on(event, seen, forever=True)
                        f.set(rested, f.now())
                    f.increase(parked, -1)
        f.b.unreachable()
        return f.function

    def make_spin() -> Any:
        """``spin(n)``: so many pauses, to learn how long one takes."""
        f = Code("spin", VOID, [I64])
        with f.loop(0, f.arguments[0]):
            f.pause()
        f.b.ret_void()
        return f.function

    def make_wake() -> Any:
        """``wake(pool)``: whoever is parked."""
        f = Code("wake", VOID, [PTR])
        f.wake_all(f.word(f.arguments[0], PoolWord.PARK_EVENT))
        f.b.ret_void()
        return f.function

    made = (make_run(), make_work(), make_spin(), make_wake())
    f = Code("functions", VOID, [PTR])
    for number, function in enumerate(made):
        f.store(f.b.ptrtoint(function, I64), f.arguments[0], number)
    f.b.ret_void()
    return str(module)


def _pause_intrinsic() -> tuple[str, tuple[int, ...]]:
    """LLVM's name for what tells a processor that this is a waiting loop, and its operands."""
    import platform

    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        return "llvm.x86.sse2.pause", ()
    return ("llvm.aarch64.isb", (15,)) if machine in ("aarch64", "arm64") else ("", ())
