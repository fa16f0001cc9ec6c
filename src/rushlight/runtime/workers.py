"""The worker threads that share a plan's lines: Python threads that live inside one native function.

They start with the first plan that is worth sharing, as many as ``set_num_threads`` or the machine says (affinity and the
cgroup's quota), less the calling thread; spin for some tens of microseconds after a run, then sleep until the next. One
run at a time uses them: a run that finds them taken goes alone, which changes no result. A forked child has none and
starts its own.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..compiler import blas, native
from ..core import threads as thread_settings
from ..core.machine import processors
from .table import PoolWord, ProcessWord, System, native_text, this_system

Words = NDArray[np.int64]

# How long a worker stays awake after a run: eager programs have their next product within a few hundred microseconds, and
# waking a thread takes fifty. It offers its processor to others now and then.
_IDLE_NANOSECONDS: Final = 25_000
_IDLE_OFFERS: Final = 8
_WAIT_NANOSECONDS: Final = 20_000
_WORTH_SHARING_NANOSECONDS: Final = 3_000
_WORTH_WAKING_NANOSECONDS: Final = 30_000
_LEAVING_SECONDS: Final = 1.0
_FIRST_REST_NANOSECONDS: Final = 200_000_000
_LONGEST_REST_NANOSECONDS: Final = 5_000_000_000


def words(count: int) -> Words:
    """Zeros, beginning on a cache line."""
    memory = np.zeros(count + 8, np.int64)
    start = (-memory.ctypes.data % 64) // 8
    return memory[start : start + count]


class Code:
    """The native functions of ``table``."""

    def __init__(self, system: System) -> None:
        addresses = words(4)
        fill = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(native.load(native_text(system), "functions"))
        fill(addresses.ctypes.data)
        run, work, spin, wake = (int(address) for address in addresses)
        integer, pointer = ctypes.c_int64, ctypes.c_void_p
        self.system = system
        self.run = ctypes.CFUNCTYPE(integer, *[pointer] * 6, integer)(run)
        self.work = ctypes.CFUNCTYPE(integer, pointer, integer, integer)(work)
        self.spin = ctypes.CFUNCTYPE(None, integer)(spin)
        self.wake = ctypes.CFUNCTYPE(None, pointer)(wake)
        self.pause_nanoseconds = self._time_pause()

    def _time_pause(self) -> float:
        best = 1e9
        for _ in range(5):
            start = time.perf_counter_ns()
            self.spin(1000)
            best = min(best, (time.perf_counter_ns() - start) / 1000)
        return max(best, 0.2)


class Pool:
    """``workers`` threads."""

    def __init__(self, workers: int, code: Code) -> None:
        self.code = code
        self.words = words(PoolWord.SIZE)
        self.address = int(self.words.ctypes.data)
        self.workers = 0
        self._threads: list[tuple[threading.Thread, threading.Event]] = []
        pause = code.pause_nanoseconds
        self.words[PoolWord.IDLE_SPINS] = int(_IDLE_NANOSECONDS / pause)
        self.words[PoolWord.IDLE_OFFERS] = _IDLE_OFFERS
        self.words[PoolWord.WAIT_SPINS] = int(_WAIT_NANOSECONDS / pause)
        self.words[PoolWord.AWAKE_TIME] = _WORTH_SHARING_NANOSECONDS
        self.words[PoolWord.ASLEEP_TIME] = _WORTH_WAKING_NANOSECONDS
        self.resize(workers)

    def resize(self, workers: int) -> bool:
        """Have so many threads. Those that are too many finish what they hold and leave.

        False: one has not left in time, because it holds something long. It would meet a new worker of its number, so
        this pool must be given up; its threads leave by themselves.
        """
        self.words[PoolWord.WORKERS] = workers
        leaving, self._threads = self._threads[workers:], self._threads[:workers]
        if leaving:
            self.wake()
            for _, event in leaving:
                event.set()
            for thread, _ in leaving:
                thread.join(_LEAVING_SECONDS)
            if any(thread.is_alive() for thread, _ in leaving):
                self.words[PoolWord.WORKERS] = 0
                self.wake()
                for _, event in self._threads:
                    event.set()
                return False
        for index in range(len(self._threads) + 1, workers + 1):
            event = threading.Event()
            thread = threading.Thread(
                target=_live,
                args=(self.code, self.words, index, event),
                name=f"rushlight-{index}",
                daemon=True,
            )
            try:
                thread.start()
            except RuntimeError:
                # Python 3.12 starts no thread once it has begun to end: those there are must do.
                self.words[PoolWord.WORKERS] = workers = index - 1
                break
            self._threads.append((thread, event))
        self.workers = workers
        return True

    def wake(self) -> None:
        """Wake all sleeping workers."""
        if self.code.system.futex:
            self.code.wake(self.address)
        elif self.words[PoolWord.PARKED]:
            for _, event in self._threads:
                event.set()

    @property
    def inside(self) -> int:
        """How many workers may be looking at a segment."""
        return int(self.words[PoolWord.INSIDE])


def _live(code: Code, pool: Words, index: int, event: threading.Event) -> None:
    """A worker thread. It holds the pool's memory for as long as it lives."""
    address, back = pool.ctypes.data, 0
    while code.work(address, index, back):
        event.wait()
        event.clear()
        back = 1


class _Process:
    """What there is once in a process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.words = words(ProcessWord.SIZE)
        self.address = int(self.words.ctypes.data)
        self.code: Code | None = None
        self.pool: Pool | None = None
        self.usable = 0
        # For how long plans run alone when sharing is next found to be bad.
        self.rest = _FIRST_REST_NANOSECONDS
        self.leaving = False
        # Pools that were given up.
        self.abandoned: list[Pool] = []
        # Tables of plans that are gone, while a late worker may still look at them.
        self.buried: list[Any] = []


_process = _Process()


def process_address() -> int:
    """Where the process's own words are."""
    return _process.address


def code() -> Code:
    """The native functions, compiled on the first call."""
    found = _process.code
    if found is None:
        with _process.lock:
            if _process.code is None:
                library = blas.find()
                if library is not None:
                    _process.words[ProcessWord.BLAS_SET] = library.set_threads
                    _process.words[ProcessWord.BLAS_GET] = library.get_threads
                _process.code = Code(this_system())
            found = _process.code
    return found


def judge(bad: bool) -> None:
    """After a window of shared runs. If most of it went by in waiting, there are far more programs than processors: all plans
    run alone for a while, and longer each time that it is still so."""
    process = _process
    if not bad:
        process.rest = _FIRST_REST_NANOSECONDS
    elif process.pool is not None:
        process.pool.words[PoolWord.ALONE_UNTIL] = time.monotonic_ns() + process.rest
        process.rest = min(2 * process.rest, _LONGEST_REST_NANOSECONDS)


def loaded() -> bool:
    """Whether the native functions are there already."""
    return _process.code is not None


def threads() -> int:
    """How many threads a run may use, the calling one included."""
    chosen = thread_settings._chosen
    if chosen:
        return chosen[0]
    if not _process.usable:
        _process.usable = processors().usable
    return _process.usable


def most_threads() -> int:
    """How many threads a plan should be ready for: those wanted now, and those that the machine offers."""
    if not _process.usable:
        _process.usable = processors().usable
    return max(threads(), _process.usable)


def pool_address() -> int:
    """The pool, with as many workers as are wanted now; 0: one thread is."""
    pool, workers = _process.pool, threads() - 1
    if pool is None or pool.workers != workers:
        if workers == 0 or _process.leaving:
            return 0
        pool = _sized_pool(workers)
        if not pool.workers:
            return 0
    if not pool.code.system.futex:
        pool.wake()
    return pool.address


def _sized_pool(workers: int) -> Pool:
    loops = code()
    with _process.lock:
        pool = _process.pool
        if pool is None or (pool.workers != workers and not _resized(pool, workers)):
            pool = _process.pool = Pool(workers, loops)
        return pool


def _resized(pool: Pool, workers: int) -> bool:
    if pool.resize(workers):
        return True
    _process.abandoned.append(pool)
    _process.pool = None
    return False


def bury(memory: Any) -> None:
    """Keep ``memory`` until no worker can be looking at it."""
    pools = [*_process.abandoned] if _process.pool is None else [*_process.abandoned, _process.pool]
    if not pools:
        return
    _process.buried.append(memory)
    if all(pool.inside == 0 for pool in pools):
        _process.buried.clear()


def stop() -> None:
    """Let all workers leave, and wait for them; the next plan starts new ones."""
    with _process.lock:
        if _process.pool is not None:
            _resized(_process.pool, 0)


def _at_exit() -> None:
    _process.leaving = True
    stop()


def _after_fork_in_child() -> None:
    """The child has the memory, but none of the threads: no workers, and nobody who would release a lock."""
    _process.lock = threading.Lock()
    _process.pool = None
    _process.abandoned = []
    _process.buried = []
    held = _process.words
    if held[ProcessWord.BLAS_USERS]:
        restore = ctypes.CFUNCTYPE(None, ctypes.c_int)(int(held[ProcessWord.BLAS_SET]))
        restore(int(held[ProcessWord.BLAS_THREADS]))
    held[ProcessWord.BLAS_LOCK] = held[ProcessWord.BLAS_USERS] = 0


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
