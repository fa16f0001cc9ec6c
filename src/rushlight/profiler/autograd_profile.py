"""``torch.autograd.profiler``: the older names of the profiler, for what begins and ends once."""

from __future__ import annotations

from typing import Any

from .events import EventList, FunctionEventAvg, events_of
from .recording import Session


class profile:
    """Records what runs in its ``with`` block; the older form of ``torch.profiler.profile``.

    Args:
        enabled: False: do nothing.
        record_shapes, with_flops, profile_memory, with_stack, with_modules: as for ``torch.profiler.profile``.

    The other arguments are accepted without effect. ``RuntimeError`` where it is entered twice, and where its events are
    asked for before it has run.

    Example:
        >>> import rushlight as torch
        >>> with torch.autograd.profiler.profile() as prof:
        ...     y = torch.ones(2) + 1
        >>> [event.name for event in prof.function_events]
        ['aten::ones', 'aten::add']
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
        experimental_config: Any = None,
        acc_events: bool = False,
        custom_trace_id_callback: Any = None,
        post_processing_timeout_s: float | None = None,
    ) -> None:
        self.enabled = enabled
        self.record_shapes = record_shapes
        self.profile_memory = profile_memory
        self._wishes = {
            "shapes": record_shapes,
            "flops": with_flops,
            "memory": profile_memory,
            "stack": with_stack,
            "modules": with_modules,
        }
        self.entered = False
        self._session: Session | None = None
        self._events: EventList | None = None

    def __enter__(self) -> profile | None:
        if not self.enabled:
            return None
        if self.entered:
            raise RuntimeError("Profiler context manager is not reentrant")
        self.entered = True
        self._session = Session(**self._wishes)
        self._session.begin()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.enabled and self._session is not None and self._events is None:
            self._session.finish()
            self._events = events_of(self._session)

    @property
    def function_events(self) -> EventList:
        """The events, in the order in which they began."""
        if self._events is None:
            raise RuntimeError("Profiler didn't finish running")
        return self._events

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds in all events together."""
        return self.function_events.self_cpu_time_total

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """The events by name."""
        return self.function_events.key_averages(
            group_by_input_shape, group_by_stack_n, group_by_overload_name
        )

    def total_average(self) -> FunctionEventAvg:
        """One average of everything."""
        return self.function_events.total_average()

    def table(self, *args: Any, **kwargs: Any) -> str:
        """The events as a table: arguments as for ``EventList.table``."""
        return self.function_events.table(*args, **kwargs)

    def export_chrome_trace(self, path: str, use_python_export: bool = False) -> None:
        """Write the trace for ``chrome://tracing`` or Perfetto."""
        self.function_events.export_chrome_trace(path)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write stacks for flame graphs; needs ``with_stack``."""
        self.function_events.export_stacks(path, metric)

    def __repr__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self._events is None else repr(self._events)

    def __str__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self._events is None else str(self._events)


class _ForAnotherTool:
    """The base of what hands ranges to a tool that is not there; entering it raises ``NotImplementedError``."""

    _what = ""

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        self.enabled = enabled

    def __enter__(self) -> Any:
        if self.enabled:
            raise NotImplementedError(
                f"{self._what}: Rushlight does not have it; torch.profiler.profile() records the same ranges, and "
                "export_chrome_trace() writes them to a file"
            )
        return self

    def __exit__(self, *exception: object) -> None:
        pass


class emit_itt(_ForAnotherTool):
    """Ranges for Intel's VTune: not there, entering it raises ``NotImplementedError``."""

    _what = "torch.autograd.profiler.emit_itt"


class emit_nvtx(_ForAnotherTool):
    """Ranges for NVIDIA's Nsight: not there, entering it raises ``NotImplementedError``."""

    _what = "torch.autograd.profiler.emit_nvtx"


__all__ = ["emit_itt", "emit_nvtx", "profile"]
