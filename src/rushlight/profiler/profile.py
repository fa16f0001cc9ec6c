"""``torch.profiler.profile``: a profile of a stretch of a program, once or by a schedule of steps."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from .annotations import record_function
from .chrome_trace import write_trace
from .events import EventList, events_of
from .recording import OPEN, Session


class ProfilerActivity(Enum):
    """What to profile. Only ``CPU`` is recorded; the others are accepted."""

    CPU = 0
    XPU = 1
    CUDA = 2
    HPU = 3
    MTIA = 4
    PrivateUse1 = 5


class ProfilerAction(Enum):
    """What a profile does in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """``{ProfilerActivity.CPU}``."""
    return {ProfilerActivity.CPU}


def kineto_available() -> bool:
    """True: ``profile`` records. (PyTorch's own recording library, after which this is named, is not used.)"""
    return True


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """What to do in which step: after ``skip_first`` steps, cycles of ``wait``, ``warmup`` and ``active`` steps.

    ``repeat`` cycles, or until the end if it is 0; with ``skip_first_wait`` the first cycle does not wait. Raises
    ``AssertionError`` for negative numbers and for ``active`` 0.

    Example:
        >>> plan = schedule(wait=1, warmup=1, active=1)
        >>> [plan(step).name for step in range(4)]
        ['NONE', 'WARMUP', 'RECORD_AND_SAVE', 'NONE']
    """
    if wait < 0 or warmup < 0 or active <= 0 or repeat < 0 or skip_first < 0:
        raise AssertionError(
            f"Invalid profiler schedule arguments. Got wait={wait} (need >= 0), warmup={warmup} (need >= 0), "
            f"active={active} (need > 0), repeat={repeat} (need >= 0), skip_first={skip_first} (need >= 0)."
        )

    def action(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"Step must be non-negative. Got {step}.")
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        cycle = wait + warmup + active
        if skip_first_wait:
            step += wait
        if repeat > 0 and step // cycle >= repeat:
            return ProfilerAction.NONE
        at = step % cycle
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if at < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False, use_python_export: bool = False
) -> Callable[[profile], None]:
    """For ``on_trace_ready``: writes each trace to a file of its own in a folder, which is made if need be.

    ``RuntimeError`` where it can't be made.
    """
    import socket

    def write(prof: profile) -> None:
        try:
            os.makedirs(dir_name, exist_ok=True)
        except OSError as error:
            raise RuntimeError(f"Can't create directory: {dir_name}") from error
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json{'.gz' if use_gzip else ''}"
        prof.export_chrome_trace(os.path.join(dir_name, name))

    return write


def _always(step: int) -> ProfilerAction:
    return ProfilerAction.RECORD


class profile:
    """Records what a stretch of a program does: every operation, backward, optimizer steps, and ``record_function``'s names.

    Args:
        activities: accepted; an empty list is an ``AssertionError``.
        schedule: what to do in which step (see ``schedule``); ``step()`` says that one is over.
        on_trace_ready: called with the profile whenever a cycle (or, without a schedule, the whole) is over.
        record_shapes: keep the shapes, dtypes and numbers that operations were given.
        profile_memory: count the bytes that were allocated and freed in each operation.
        with_stack: keep the program's lines that led to each operation, and record modules' calls.
        with_flops: estimate the arithmetic of products, convolutions, additions and multiplications.
        with_modules: record modules' calls.
        acc_events: keep the events of all cycles, not only the last one's.

    Another profile may run at the same time, in this thread or another. Operations are only slower while one runs: see
    ``seam``. ``experimental_config``, ``execution_trace_observer`` and ``custom_trace_id_callback`` are accepted without
    effect.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.profiler import profile
        >>> x = torch.ones(2, 3, requires_grad=True)
        >>> with profile(record_shapes=True) as prof:
        ...     (x * x).sum().backward()
        >>> prof.events()[0].name, prof.events()[0].input_shapes
        ('aten::mul', [[2, 3], [2, 3]])
        >>> print(prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=5)) # doctest: +ELLIPSIS
        ----...
    """

    def __init__(
        self,
        *,
        activities: Iterable[Any] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[..., Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: Any = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Any = None,
        post_processing_timeout_s: float | None = None,
    ) -> None:
        self.activities = set(activities) if activities is not None else supported_activities()
        if not self.activities:
            raise AssertionError("No valid profiler activities found")
        self.record_shapes, self.profile_memory, self.with_stack = record_shapes, profile_memory, with_stack
        self.with_flops, self.with_modules, self.acc_events = with_flops, with_modules, acc_events
        self.schedule = schedule or _always
        self.record_steps = schedule is not None
        self.on_trace_ready = on_trace_ready
        self.step_num = 0
        self.current_action = self.schedule(0)
        self.profiler: Session | None = None  # PyTorch's name; None until something was recorded
        self._running = False
        self._finished: list[Session] = []
        self._list: EventList | None = None
        self._step_range: record_function | None = None
        self._metadata: dict[str, Any] = {}

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin, as the first step's action says."""
        if self.current_action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE):
            self.start_trace()
        self._open_step()

    def stop(self) -> None:
        """End, and hand what was recorded to ``on_trace_ready``."""
        self._close_step()
        if self._running:
            self.stop_trace()
            self._ready()

    def step(self) -> None:
        """A step of the schedule is over."""
        self._close_step()
        before = self.current_action
        self.step_num += 1
        self.current_action = now = self.schedule(self.step_num)
        recording = now in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        if self._running and (before is ProfilerAction.RECORD_AND_SAVE or not recording):
            self.stop_trace()
            self._ready()
        if recording and not self._running:
            self.start_trace()
        self._open_step()

    def start_trace(self) -> None:
        """Begin to record, whatever the schedule says."""
        self.profiler = Session(
            shapes=self.record_shapes,
            stack=self.with_stack,
            memory=self.profile_memory,
            flops=self.with_flops,
            modules=self.with_modules,
        )
        self.profiler.begin()
        self._running = True

    def stop_trace(self) -> None:
        """End what ``start_trace`` began."""
        if not self._running or self.profiler is None:
            return
        self.profiler.finish()
        self._running = False
        self._list = None
        if not self.acc_events:
            self._finished.clear()
        self._finished.append(self.profiler)

    def prepare_trace(self) -> None:
        """Accepted: there is nothing to prepare."""

    def _ready(self) -> None:
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def _open_step(self) -> None:
        if self.record_steps and self._running:
            self._step_range = record_function(f"ProfilerStep#{self.step_num}")
            self._step_range.__enter__()

    def _close_step(self) -> None:
        if self._step_range is not None:
            self._step_range.__exit__()
            self._step_range = None

    # --- what was recorded --------------------------------------------------------------------------------------------

    def _recorded(self, wanted: str) -> Session:
        if self.profiler is None:
            raise AssertionError(f"Profiler must be initialized before {wanted}")
        return self.profiler

    def events(self) -> EventList:
        """All events, in the order in which they began. ``AssertionError`` if nothing was recorded yet."""
        session = self._recorded("accessing events")
        if self._running:
            return EventList(session=session)
        if self._list is None:
            if self.acc_events:
                parts = [events_of(finished) for finished in self._finished]
                together = EventList(
                    [event for part in parts for event in part],
                    session=session,
                    profile_memory=self.profile_memory,
                    with_flops=self.with_flops,
                )
                self._list = together
            else:
                self._list = events_of(session)
        return self._list

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """The events by name: see ``EventList.key_averages``. Steps' numbers are left out of their names."""
        self._recorded("getting key averages")
        averages = self.events()
        for event in averages:
            if event.name.startswith("ProfilerStep#"):
                event.key = "ProfilerStep*"
        return averages.key_averages(group_by_input_shape, group_by_stack_n, group_by_overload_name)

    def export_chrome_trace(self, path: str, use_python_export: bool = False) -> None:
        """Write the last trace for ``chrome://tracing`` or Perfetto; gzipped if ``path`` ends in ``.gz``."""
        write_trace(self._recorded("exporting chrome trace"), path, self._metadata)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write stacks for flame graphs; needs ``with_stack``. ``ValueError`` for another metric than a time."""
        self._recorded("exporting stacks")
        self.events().export_stacks(path, metric)

    def export_memory_timeline(self, path: str, device: str | None = None) -> None:
        """Not there: raises ``NotImplementedError``."""
        raise NotImplementedError(
            "export_memory_timeline: Rushlight does not have it; profile_memory=True with key_averages().table("
            'sort_by="self_cpu_memory_usage") says what allocated how much, export_chrome_trace when'
        )

    def add_metadata(self, key: str, value: str) -> None:
        """Keep a text with the trace."""
        self._metadata[key] = value

    def add_metadata_json(self, key: str, value: str) -> None:
        """Keep a value, given as JSON, with the trace; ``ValueError`` for what is no JSON."""
        import json

        self._metadata[key] = json.loads(value)

    preset_metadata_json = add_metadata_json

    def toggle_collection_dynamic(self, enable: bool, activities: Iterable[Any]) -> None:
        """Stop or go on recording in the middle of a step."""
        if not set(activities) & {ProfilerActivity.CPU}:
            return
        OPEN.paused = not enable
