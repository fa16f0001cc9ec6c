"""Operations under way: how they move on, and how a process waits for them.

An operation is a generator that yields MPI requests: ``(request, last)``, where ``last`` says that nothing will be sent
after it. MPI moves messages only while the program is inside a call of it, so every wait here moves all operations of this
process on, and the operations of one group start strictly in the order in which the program asked for them: the next one
starts when the one before has sent its last message. All ranks see one order, whatever the timing.

Waiting first spins, giving way to other processes, because large messages move in pieces and only as fast as both sides look
for them. Then it sleeps, for about a tenth of the time waited so far: ranks that share processors must not keep each other
from working.
"""

from __future__ import annotations

import _thread
import os
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from ..core.machine import processors
from . import engine
from .errors import DistBackendError

if TYPE_CHECKING:
    from .process_group import ProcessGroup

Steps = Generator[tuple[Any, bool], None, Any]

_LOCK = _thread.RLock()
_busy: list[ProcessGroup] = []  # groups with operations that have not finished
_messages: list[
    Work
] = []  # under way between two ranks: programs drop what isend returns, and MPI must keep the memory
_steps_taken = 0
_yield: Callable[[], Any] = getattr(os, "sched_yield", lambda: time.sleep(0))
_SPIN_SECONDS = 2e-3
_SPIN_SECONDS_WHERE_CROWDED = 5e-5  # more ranks than processors: whoever spins keeps another from working
LOOK_FOR_DEPARTURES_AFTER = 0.5


class Future:
    """The result of an operation under way, as ``Work.get_future()`` gives it."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._transform: Callable[[Any], Any] | None = None

    def wait(self) -> Any:
        """Wait, and return the operation's tensors (or what the functions given to ``then`` made of them)."""
        self._work.wait()
        return self.value()

    def value(self) -> Any:
        """The result of an operation that has finished."""
        found = self._work.result()
        return found if self._transform is None else self._transform(found)

    def done(self) -> bool:
        """Whether the result is there."""
        return self._work.is_completed()

    def then(self, callback: Callable[[Future], Any]) -> Future:
        """A future of ``callback(this future)``, which runs when the new future is waited for."""
        chained = Future(self._work)
        chained._transform = lambda _: callback(self)
        return chained


class OnStream:
    """Work that was put into a stream of a GPU: has the one method of an MPI request that is asked for here.

    It has passed when the GPU has done it, or, for ``wanted`` work, at once: then the current stream waits for it instead of
    this process. ``kept``: the arrays whose memory it uses.
    """

    def __init__(self, is_done: Callable[[], bool], arrived: Callable[[], None], kept: Any) -> None:
        self.wanted = False
        self._is_done, self._arrived, self._kept = is_done, arrived, kept

    def Test(self) -> bool:
        """Whether what follows may be put into the current stream."""
        if not (self.wanted or self._is_done()):
            return False
        self._arrived()
        self._kept = None
        return True


class Work:
    """A collective or a message under way; ``async_op=True`` and ``isend``/``irecv`` return one.

    The tensors that were given belong to the operation until ``wait()`` returns.
    """

    def __init__(
        self, group: ProcessGroup, what: str, steps: Steps, tensors: list[Any] | None = None
    ) -> None:
        self._group = group
        self._what = what
        self._steps = steps
        self._tensors = tensors or []
        self._request: Any = None
        self._sent = False  # nothing will be sent any more
        self._done = False
        self._wanted = False
        self._error: Exception | None = None
        self._value: Any = None
        self._source = -1

    def wait(self, timeout: Any = None) -> bool:
        """Wait until the operation has finished; returns True.

        ``timeout``: a ``timedelta``, instead of the group's. Raises ``DistBackendError`` when it has passed or MPI fails,
        ``RanksDisagree`` where the ranks did not ask for the same.
        """
        if not self._done:
            self._wanted = True
            if type(self._request) is OnStream:
                self._request.wanted = True
            limit = self._group.timeout if timeout is None else timeout.total_seconds()
            wait_until(self._is_done, limit, self._what, self._group)
        if self._error is not None:
            raise self._error
        return True

    synchronize = wait

    def is_completed(self) -> bool:
        """Whether the operation has finished; moves it on."""
        if not self._done:
            progress()
        return self._is_done()

    def is_success(self) -> bool:
        """Whether the operation has finished without an error."""
        return self.is_completed() and self._error is None

    def exception(self) -> Exception | None:
        """The error that the operation ended with."""
        return self._error

    def result(self) -> Any:
        """The tensors that the operation wrote to."""
        return self._tensors

    def source_rank(self) -> int:
        """For a receive that has finished: the (global) rank that sent."""
        return self._source

    def get_future(self) -> Future:
        """The operation as a future of its tensors."""
        return Future(self)

    def _is_done(self) -> bool:
        return self._done

    def move_on(self) -> None:
        """Take every step that can be taken without waiting."""
        global _steps_taken
        if self._done:
            return
        try:
            while self._request is None or self._request.Test():
                _steps_taken += 1
                self._request, self._sent = next(self._steps)
                if self._wanted and type(self._request) is OnStream:
                    self._request.wanted = True
        except StopIteration as end:
            self._value = end.value
            if isinstance(end.value, int):  # a receive tells who sent
                self._source = end.value
            self._finish()
        except Exception as error:
            self._error = engine.translated(error, self._what)
            self._finish()

    def _finish(self) -> None:
        self._done = self._sent = True
        self._request = None
        self._steps.close()


def start(group: ProcessGroup, what: str, steps: Steps, tensors: list[Any] | None = None) -> Work:
    """Put a collective into its group's order and send what can be sent now."""
    work = Work(group, what, steps, tensors)
    with _LOCK:
        if not group.queue:
            work.move_on()
            if work._done:
                return work
            _busy.append(group)
            group.queue.append(work)
        else:
            group.queue.append(work)
            _progress(group)
    return work


def start_message(group: ProcessGroup, what: str, steps: Steps, tensors: list[Any] | None = None) -> Work:
    """Begin a message between two ranks, which has no place in the group's order."""
    work = Work(group, what, steps, tensors)
    with _LOCK:
        work.move_on()
        if not work._done:
            _messages.append(work)
    return work


def run(group: ProcessGroup, what: str, steps: Steps) -> Any:
    """Run a collective to its end and return what its steps return."""
    work = start(group, what, steps)
    work.wait()
    return work._value


def finished(group: ProcessGroup, what: str, tensors: list[Any]) -> Work:
    """A ``Work`` that has nothing left to do."""
    work = Work(group, what, _no_steps(), tensors)
    work._finish()
    return work


def _no_steps() -> Steps:
    yield from ()


def progress() -> None:
    """Move all operations of this process on, as far as they go without waiting."""
    with _LOCK:
        for group in list(_busy):
            _progress(group)
        if _messages:
            for work in _messages:
                work.move_on()
            _messages[:] = [work for work in _messages if not work._done]


def _progress(group: ProcessGroup) -> None:
    queue = group.queue
    for work in queue:
        work.move_on()
        if not work._sent:
            break
    if any(work._done for work in queue):
        queue[:] = [work for work in queue if not work._done]
        if not queue and group in _busy:
            _busy.remove(group)


def spin_seconds(local_size: int) -> float:
    """How long a wait spins before it sleeps, with ``local_size`` ranks on this host."""
    return _SPIN_SECONDS if local_size <= processors().usable else _SPIN_SECONDS_WHERE_CROWDED


def forget(group: ProcessGroup) -> None:
    """Drop a group that is destroyed."""
    with _LOCK:
        group.queue.clear()
        if group in _busy:
            _busy.remove(group)


def wait_until(done: Callable[[], bool], limit: float, what: str, group: ProcessGroup) -> None:
    """Move all operations on until ``done()``.

    Raises ``DistBackendError`` after ``limit`` seconds, and when a rank of ``group`` has left the job.
    """
    progress()
    if done():
        return
    began = spinning_since = time.monotonic()
    steps = _steps_taken
    look_at = began + LOOK_FOR_DEPARTURES_AFTER
    while True:
        progress()
        if done():
            return
        now = time.monotonic()
        waited = now - began
        if _steps_taken != steps:
            steps = _steps_taken
            spinning_since = now
        if now - spinning_since < group.spin_seconds and waited < limit:
            _yield()
            continue
        if now >= look_at:
            look_at = now + LOOK_FOR_DEPARTURES_AFTER
            gone = sorted(engine.departed(group.generation).intersection(group.ranks))
            if gone:
                raise DistBackendError(
                    f"{what}: rank {group.world_rank} waits for rank {', '.join(map(str, gone))}, which has left the job "
                    "(its program ended, or it called destroy_process_group())"
                )
        if waited > limit:
            raise DistBackendError(
                f"{what}: rank {group.world_rank} waited {limit:g} s for the other ranks of its group of {group.size()}; each "
                "of them must make the same call. A longer limit: init_process_group(timeout=...)"
            )
        time.sleep(min(2e-5 + 0.1 * waited, 1e-3))
