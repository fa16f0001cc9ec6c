"""Streams and events: work on a GPU in several queues, and the time between two moments of a queue."""

from __future__ import annotations

from typing import Any

from ..core.device import device as Device
from ..runtime.cuda import check_faults
from .devices import gpu


class Stream:
    """A queue of work on a GPU. Work in one stream is done in order; ``wait_stream`` and events order several.

    Raises as asking for a CUDA device does where there is no GPU.
    """

    def __init__(self, device: Any = None, priority: int = 0, **given: Any) -> None:
        backend, index = gpu(device)
        self._backend = backend
        self._index = index
        self.priority = priority
        if "stream" in given:
            self._stream = given["stream"]
        else:
            with backend.cupy.cuda.Device(index):
                self._stream = backend.cupy.cuda.Stream(non_blocking=True)

    @property
    def device(self) -> Device:
        """The GPU that the stream is on."""
        return self._backend.devices[self._index]

    @property
    def cuda_stream(self) -> int:
        """The driver's handle."""
        return int(self._stream.ptr)

    def synchronize(self) -> None:
        """Wait until all work in this stream is done. Raises what compiled kernels found wrong (``IndexError``)."""
        self._stream.synchronize()
        check_faults()

    def query(self) -> bool:
        """Whether all work in this stream is done."""
        return bool(self._stream.done)

    def record_event(self, event: Event | None = None) -> Event:
        """Mark this moment of the stream in an event, a new one unless given."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """What comes into this stream from now on waits for the event."""
        if event._event is not None:
            self._stream.wait_event(event._event)

    def wait_stream(self, stream: Stream) -> None:
        """What comes into this stream from now on waits for all that is in ``stream`` now."""
        self.wait_event(stream.record_event())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and (self._index, self.cuda_stream) == (
            other._index,
            other.cuda_stream,
        )

    def __hash__(self) -> int:
        return hash((self._index, self.cuda_stream))

    def __repr__(self) -> str:
        return f"<torch.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class ExternalStream(Stream):
    """A stream that another library made, by its handle."""

    def __init__(self, stream_ptr: int, device: Any = None) -> None:
        backend, index = gpu(device)
        super().__init__(index, stream=backend.cupy.cuda.ExternalStream(stream_ptr, index))


class Event:
    """A moment of a stream: something to wait for, and with ``enable_timing`` the time since another one.

    ``elapsed_time`` raises ``ValueError`` where one of the two was not recorded or has no timing.
    """

    def __init__(
        self,
        enable_timing: bool = False,
        blocking: bool = False,
        interprocess: bool = False,
        external: bool = False,
        device: Any = None,
    ) -> None:
        self._options = (blocking, not enable_timing, interprocess)
        self._event: Any = None
        gpu(device)  # raises where there is none

    def record(self, stream: Stream | None = None) -> None:
        """Mark this moment of ``stream`` (the current one)."""
        stream = current_stream() if stream is None else stream
        if self._event is None:
            blocking, no_timing, interprocess = self._options
            with stream._backend.cupy.cuda.Device(stream._index):
                self._event = stream._backend.cupy.cuda.Event(
                    block=blocking, disable_timing=no_timing, interprocess=interprocess
                )
        self._event.record(stream._stream)

    def wait(self, stream: Stream | None = None) -> None:
        """Make ``stream`` (the current one) wait for this event."""
        (current_stream() if stream is None else stream).wait_event(self)

    def query(self) -> bool:
        """Whether the moment has passed."""
        return self._event is None or bool(self._event.done)

    def synchronize(self) -> None:
        """Wait until the moment has passed. Raises what compiled kernels found wrong (``IndexError``)."""
        if self._event is not None:
            self._event.synchronize()
            check_faults()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to ``end_event``."""
        if self._options[1] or end_event._options[1]:
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._event is None or end_event._event is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        backend = gpu()[0]
        return float(backend.cupy.cuda.get_elapsed_time(self._event, end_event._event))

    def __repr__(self) -> str:
        return (
            "<torch.cuda.Event uninitialized>"
            if self._event is None
            else f"<torch.cuda.Event {id(self._event):#x}>"
        )


def current_stream(device: Any = None) -> Stream:
    """The stream that work goes to."""
    backend, index = gpu(device)
    return Stream(index, stream=backend.cupy.cuda.get_current_stream(index))


def default_stream(device: Any = None) -> Stream:
    """The stream that work goes to unless a program chose another."""
    backend, index = gpu(device)
    return Stream(index, stream=backend.cupy.cuda.Stream(null=True))


def set_stream(stream: Stream | None) -> None:
    """Make ``stream`` the current one of its GPU, and that GPU the current one."""
    if stream is not None:
        stream._backend.cupy.cuda.Device(stream._index).use()
        stream._stream.use()


class StreamContext:
    """``with torch.cuda.stream(s): …``: work goes to ``s`` inside; None changes nothing."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream
        self._entered: list[Any] = []

    def __enter__(self) -> StreamContext:
        if self.stream is not None:
            device = self.stream._backend.cupy.cuda.Device(self.stream._index)
            self._entered = [device, self.stream._stream]
            for context in self._entered:
                context.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        for context in reversed(self._entered):
            context.__exit__(*exc)


def stream(stream: Stream | None) -> StreamContext:
    """A context in which work goes to ``stream``."""
    return StreamContext(stream)
