"""What a finished profile holds: events in a tree, their averages, and the tables made of them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any, Final

from .chrome_trace import write_trace
from .recording import ANNOTATION, FUNCTION, MEMORY, Recorded, Session
from .table import build_table, time_text


class DeviceType(Enum):
    """Where an event ran: always on the CPU here."""

    CPU = 0
    CUDA = 1


class Interval:
    """A stretch of time in microseconds since the profile began."""

    def __init__(self, start: float, end: float) -> None:
        self.start = start
        self.end = end

    def elapsed_us(self) -> float:
        """How long it is."""
        return self.end - self.start


class _Times:
    """What single events and averages share: the names that PyTorch's profiler gives to times, and the GPU's, all 0."""

    cpu_time_total: float
    self_cpu_time_total: float
    count: int
    device_time: float = 0.0
    device_time_total: float = 0.0
    self_device_time_total: float = 0.0
    cuda_time: float = 0.0
    cuda_time_total: float = 0.0
    self_cuda_time_total: float = 0.0
    device_memory_usage: int = 0
    self_device_memory_usage: int = 0
    cuda_memory_usage: int = 0
    self_cuda_memory_usage: int = 0

    @property
    def cpu_time(self) -> float:
        """Microseconds for each call, with what it called."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def cpu_time_str(self) -> str:
        """``cpu_time`` with its unit."""
        return time_text(self.cpu_time)

    @property
    def cpu_time_total_str(self) -> str:
        """``cpu_time_total`` with its unit."""
        return time_text(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        """``self_cpu_time_total`` with its unit."""
        return time_text(self.self_cpu_time_total)


class FunctionEvent(_Times):
    """One call. Times are in microseconds; ``cpu_children`` are the calls inside it, ``cpu_parent`` the one around it.

    ``input_shapes`` needs ``record_shapes``, ``stack`` (innermost first) ``with_stack``, ``cpu_memory_usage`` (bytes
    allocated less bytes freed) ``profile_memory``, and ``flops`` ``with_flops``.
    """

    is_async = is_remote = is_legacy = False
    node_id = -1
    overload_name = ""
    use_device: str | None = None
    device_type = DeviceType.CPU
    device_index = 0

    def __init__(self, number: int, event: Recorded, start: int, thread: int) -> None:
        self.id = number
        self.name = self.key = self.trace_name = event.name
        self.time_range = Interval((event.start - start) / 1000, (event.end - start) / 1000)
        self.thread = thread
        self.count = 1
        self.category = event.category
        self.cpu_children: list[FunctionEvent] = []
        self.cpu_parent: FunctionEvent | None = None
        self.kernels: list[Any] = []
        self.scope = event.scope
        self.sequence_nr = event.sequence
        self.fwd_thread = thread if event.scope == 1 else 0
        arguments = event.arguments
        self.input_shapes: list[Any] = arguments.shapes if arguments is not None else []
        self.input_dtypes: list[str] = arguments.dtypes if arguments is not None else []
        self.concrete_inputs: list[str] = arguments.values if arguments is not None else []
        self.stack = list(event.stack)
        self.self_cpu_memory_usage = event.memory
        self.flops = event.flops
        self.is_user_annotation = event.category == ANNOTATION
        self.is_python_function = event.category == FUNCTION

    @property
    def cpu_time_total(self) -> float:  # type: ignore[override]
        """Microseconds, with what it called."""
        return self.time_range.elapsed_us()

    @property
    def self_cpu_time_total(self) -> float:  # type: ignore[override]
        """Microseconds, without what it called."""
        return self.cpu_time_total - sum([child.cpu_time_total for child in self.cpu_children])

    @property
    def cpu_memory_usage(self) -> int:
        """Bytes allocated less bytes freed, with what it called."""
        return self.self_cpu_memory_usage + sum([child.cpu_memory_usage for child in self.cpu_children])

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent id={self.id} name={self.name} cpu_time={self.cpu_time_str} "
            f"start_us={self.time_range.start:.3f} end_us={self.time_range.end:.3f} "
            f"cpu_children={[child.id for child in self.cpu_children]} thread={self.thread} "
            f"input_shapes={self.input_shapes} cpu_memory_usage={self.cpu_memory_usage}>"
        )


class FunctionEventAvg(_Times):
    """All calls of one name (and, where asked for, of one kind of shapes or one place): sums, and how many there were."""

    def __init__(self) -> None:
        self.key = ""
        self.count = 0
        self.node_id = -1
        self.is_async = self.is_remote = self.is_legacy = False
        self.use_device: str | None = None
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0
        self.input_shapes: Any = ""
        self.overload_name = ""
        self.stack: list[str] = []
        self.scope = 0
        self.flops = 0
        self.cpu_children: list[FunctionEvent] = []
        self.cpu_parent: FunctionEvent | None = None
        self.device_type = DeviceType.CPU
        self.is_user_annotation = False

    def add(self, other: FunctionEvent | FunctionEventAvg) -> FunctionEventAvg:
        """Count another call, or other averages, in; returns itself."""
        if not self.key:
            self.key, self.scope, self.is_user_annotation = other.key, other.scope, other.is_user_annotation
            self.input_shapes, self.stack = other.input_shapes, other.stack
            self.cpu_parent = other.cpu_parent
            self.cpu_children = list(other.cpu_children)
        self.count += other.count
        self.cpu_time_total += other.cpu_time_total
        self.self_cpu_time_total += other.self_cpu_time_total
        self.cpu_memory_usage += other.cpu_memory_usage
        self.self_cpu_memory_usage += other.self_cpu_memory_usage
        self.flops += other.flops
        return self

    def __iadd__(self, other: FunctionEvent | FunctionEventAvg) -> FunctionEventAvg:
        return self.add(other)

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str} input_shapes={self.input_shapes} "
            f"cpu_memory_usage={self.cpu_memory_usage}>"
        )


_STACK_METRICS: Final = [
    "self_cpu_time_total",
    "self_cuda_time_total",
    "self_xpu_time_total",
    "self_privateuse1_time_total",
]


class EventList(list[Any]):
    """Events, or averages of them: a list that can be averaged, printed as a table, and written to a file."""

    def __init__(
        self,
        events: Iterable[Any] = (),
        *,
        session: Session | None = None,
        profile_memory: bool = False,
        with_flops: bool = False,
    ) -> None:
        super().__init__(events)
        self._session = session
        self._profile_memory = profile_memory
        self._with_flops = with_flops

    def __str__(self) -> str:
        return self.table()

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds in all events together."""
        return float(sum([event.self_cpu_time_total for event in self]))

    @property
    def supported_export_stacks_metrics(self) -> list[str]:
        """What ``export_stacks`` takes for ``metric``."""
        return list(_STACK_METRICS)

    def key_averages(
        self,
        group_by_input_shapes: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """One average for each name; also for each kind of input shapes, or for each of the top ``group_by_stack_n`` lines
        of the stack, if asked for."""
        groups: dict[Any, FunctionEventAvg] = {}
        for event in self:
            key: tuple[Any, ...] = (event.key, event.is_user_annotation)
            if group_by_input_shapes:
                key += (str(event.input_shapes),)
            if group_by_stack_n > 0:
                key += tuple(event.stack[:group_by_stack_n])
            groups.setdefault(key, FunctionEventAvg()).add(event)
        for average in groups.values():
            if not group_by_input_shapes:
                average.input_shapes = ""
            average.stack = average.stack[:group_by_stack_n] if group_by_stack_n > 0 else []
        return EventList(
            groups.values(),
            session=self._session,
            profile_memory=self._profile_memory,
            with_flops=self._with_flops,
        )

    def total_average(self) -> FunctionEventAvg:
        """One average of everything, under the name ``Total``."""
        total = FunctionEventAvg()
        for event in self:
            total.add(event)
        total.key = "Total"
        return total

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """A table of text with one line for each event or average.

        Args:
            sort_by: what the largest come first by: an attribute such as ``"cpu_time_total"``, ``"self_cpu_time_total"``,
                ``"cpu_memory_usage"`` or ``"count"``; ``AttributeError`` for another. As they are if None.
            row_limit: how many lines at most.
            header: a line above the table.
            top_level_events_only: leave out what ran inside something else.
            time_unit: ``"us"``, ``"ms"`` or ``"s"``; by default each time has the unit that suits it.
        """
        return build_table(
            self,
            sort_by=sort_by,
            row_limit=row_limit,
            widths=(max_name_column_width, max_src_column_width, max_shapes_column_width),
            header=header,
            memory=self._profile_memory,
            flops=self._with_flops,
            top_level_events_only=top_level_events_only,
            unit=time_unit,
        )

    def export_chrome_trace(self, path: str, use_python_export: bool = False) -> None:
        """Write the events for ``chrome://tracing`` or Perfetto; gzipped if ``path`` ends in ``.gz``."""
        if self._session is None:
            raise RuntimeError("export_chrome_trace: these events come from no profile")
        write_trace(self._session, path)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write one line for each event that has a stack, outermost call first, for flame graphs.

        ``metric`` must be one of ``supported_export_stacks_metrics``, else ``ValueError``.
        """
        if metric not in _STACK_METRICS:
            raise ValueError(f"metric should be one of: {_STACK_METRICS}")
        with open(path, "w", encoding="utf-8") as file:
            for event in self:
                value = int(getattr(event, metric, 0))
                if event.stack and value > 0:
                    entries = [_flame_name(entry) for entry in reversed(event.stack)]
                    file.write(f"{';'.join([*entries, _flame_name(event.name)])} {value}\n")


def _flame_name(text: str) -> str:
    """Without what separates entries and values in the format."""
    return text.translate(str.maketrans(" ;\n", "___"))


def events_of(session: Session) -> EventList:
    """The events of a finished session as a tree."""
    made: dict[int, FunctionEvent] = {}
    threads: dict[int, int] = {}
    events: list[FunctionEvent] = []
    for event in session.events:
        end = event.end or session.end
        event.end = end
        thread = threads.setdefault(event.thread, len(threads) + 1)
        made[id(event)] = found = FunctionEvent(len(events), event, session.start, thread)
        parent = made.get(id(event.parent)) if event.parent is not None else None
        if parent is not None and event.category != MEMORY:
            found.cpu_parent = parent
            parent.cpu_children.append(found)
        events.append(found)
    return EventList(events, session=session, profile_memory=session.memory, with_flops=session.flops)


__all__ = [
    "DeviceType",
    "EventList",
    "FunctionEvent",
    "FunctionEventAvg",
    "Interval",
    "events_of",
]
