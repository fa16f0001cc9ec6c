"""What a profile is made of while it runs: events, each with its parent, kept thread by thread.

The functions that are watched (``seam``) and ``record_function`` call ``opened`` and ``closed`` around what they measure.
Every profile that runs is a ``Session``: it takes the events of its own thread that began after it did. While none runs
``SESSIONS`` is empty and nothing here is ever called.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, Final

from ..core.storage import LIBRARY, line_of

now = time.perf_counter_ns
get_ident = threading.get_ident

OPERATION: Final = "cpu_op"
ANNOTATION: Final = "user_annotation"
FUNCTION: Final = "python_function"
KERNEL: Final = "kernel"
MEMORY: Final = "cpu_instant_event"

FORWARD_SCOPE: Final = 0
BACKWARD_SCOPE: Final = 1
USER_SCOPE: Final = 7

_DEEPEST_STACK: Final = 64


class Recorded:
    """One event: what ran, from when to when (nanoseconds of ``time.perf_counter_ns``), inside what."""

    __slots__ = (
        "arguments", "category", "differentiable", "end", "flops", "memory", "name", "parent", "scope", "sequence",
        "stack", "start", "thread",
    )  # fmt: skip

    def __init__(self, name: str, category: str, parent: Recorded | None, thread: int, scope: int) -> None:
        self.name = name
        self.category = category
        self.parent = parent
        self.thread = thread
        self.scope = scope
        self.arguments: Any = None  # shapes, dtypes and values, where a session wants them
        self.stack: tuple[str, ...] = ()
        self.sequence = -1
        self.memory = (
            0  # bytes that were allocated in it (not in events inside it) less those that were freed
        )
        self.flops = 0
        self.differentiable = 0  # factors of a product that need gradients
        self.end = 0
        self.start = now()


class Session:
    """One running profile: what it wants to know, and, once it is over, its events in the order in which they began."""

    def __init__(
        self,
        *,
        shapes: bool = False,
        stack: bool = False,
        memory: bool = False,
        flops: bool = False,
        modules: bool = False,
    ) -> None:
        self.shapes, self.stack, self.memory, self.flops = shapes, stack, memory, flops
        self.modules = modules
        self.thread = get_ident()
        self.events: list[Recorded] = []
        self.start = self.end = 0
        self.started_at = time.time_ns()

    def begin(self) -> None:
        """Take events from now on."""
        from . import seam

        with _LOCK:
            if not SESSIONS:
                seam.watch()
            SESSIONS.append(self)
            _note_wishes()
        self.start = now()

    def finish(self) -> None:
        """Take no more events; those that are still open end now."""
        from . import seam

        self.end = now()
        with _LOCK:
            SESSIONS.remove(self)
            _note_wishes()
            if not SESSIONS:
                seam.unwatch()


class _Wishes:
    """What any of the running sessions wants."""

    shapes = stack = memory = flops = modules = False


SESSIONS: Final[list[Session]] = []
WISHES: Final = _Wishes()
_LOCK: Final = threading.RLock()


class _OpenEvents(threading.local):
    innermost: Recorded | None = None
    paused: bool = False


OPEN: Final = _OpenEvents()


def _note_wishes() -> None:
    for wish in ("shapes", "stack", "memory", "flops", "modules"):
        setattr(WISHES, wish, any(getattr(session, wish) for session in SESSIONS))


def opened(name: str, category: str, scope: int = FORWARD_SCOPE) -> Recorded:
    """An event that begins now, inside the innermost open one of this thread."""
    thread = get_ident()
    event = Recorded(name, category, OPEN.innermost, thread, scope)
    OPEN.innermost = event
    if WISHES.stack:
        event.stack = program_stack()
    for session in SESSIONS:
        if session.thread == thread:
            session.events.append(event)
    event.start = now()
    return event


def closed(event: Recorded) -> None:
    """The event, and whatever is still open inside it, ends now."""
    event.end = now()
    OPEN.innermost = event.parent


def noted(event: Recorded) -> None:
    """Give the sessions an event that was measured elsewhere."""
    for session in SESSIONS:
        if session.thread == event.thread:
            session.events.append(event)


def program_stack() -> tuple[str, ...]:
    """Where the program is, innermost first, as ``file.py(line): function``; this library's own frames are left out."""
    frame = sys._getframe(1)
    places: list[str] = []
    while frame is not None and len(places) < _DEEPEST_STACK:
        code = frame.f_code
        if not code.co_filename.startswith(LIBRARY):
            places.append(f"{_short(code.co_filename)}({line_of((code, frame.f_lasti))}): {code.co_name}")
        frame = frame.f_back  # type: ignore[assignment]
    return tuple(places)


def _short(path: str) -> str:
    """A file's name as programs import it: without the folder of ``sys.path`` that it was found in."""
    best = ""
    for folder in sys.path:
        if folder and path.startswith(folder.rstrip("/") + "/") and len(folder) > len(best):
            best = folder
    return path[len(best.rstrip("/")) + 1 :] if best else path
