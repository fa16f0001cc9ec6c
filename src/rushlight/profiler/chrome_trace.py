"""A profile as a Chrome trace: the JSON that chrome://tracing, Perfetto and TensorBoard's plug-in read."""

from __future__ import annotations

import os
import sys
from typing import Any

from ..serialization.atomic_file import replacing
from .recording import ANNOTATION, FUNCTION, MEMORY, OPERATION, Recorded, Session


def trace_of(session: Session) -> dict[str, Any]:
    """The trace of a finished session. Times are in microseconds, ``ts`` since the epoch of ``baseTimeNanoseconds``."""
    import socket

    process = os.getpid()
    first = next(iter(session.events), None)
    thread = session.thread if first is None else first.thread
    entries: list[dict[str, Any]] = []
    for kind, named in (("process_name", {"name": os.path.basename(sys.executable or "python")}),
                        ("process_labels", {"labels": "CPU"}), ("process_sort_index", {"sort_index": process})):  # fmt: skip
        entries.append({"name": kind, "ph": "M", "ts": 0, "pid": process, "tid": 0, "args": named})
    entries.append(
        {
            "name": "thread_name",
            "ph": "M",
            "ts": 0,
            "pid": process,
            "tid": thread,
            "args": {"name": f"thread {thread}"},
        }
    )
    numbers = {id(event): number for number, event in enumerate(session.events)}
    started: dict[int, Recorded] = {}
    arrows = 0
    allocated = 0
    for event in session.events:
        at = _microseconds(event.start, session)
        common = {"name": event.name, "pid": process, "tid": event.thread, "ts": at}
        if event.category == MEMORY:
            allocated += event.memory
            detail = {"Bytes": event.memory, "Total Allocated": allocated, "Device Type": 0, "Device Id": -1}
            entries.append({"ph": "i", "cat": MEMORY, "s": "t", **common, "args": detail})
            continue
        allocated += event.memory
        entries.append(
            {
                "ph": "X",
                "cat": event.category,
                **common,
                "dur": ((event.end or session.end) - event.start) / 1000,
                "args": _details(event, numbers),
            }
        )
        if event.category == OPERATION and event.sequence >= 0:
            if event.scope == 0 and not event.name.startswith("autograd::"):
                started[event.sequence] = event
            elif event.scope == 1 and (cause := started.pop(event.sequence, None)) is not None:
                arrows += 1
                arrow = {"id": arrows, "cat": "fwdbwd", "name": "fwdbwd", "pid": process}
                entries.append(
                    {"ph": "s", **arrow, "tid": cause.thread, "ts": _microseconds(cause.start, session)}
                )
                entries.append({"ph": "f", "bp": "e", **arrow, "tid": event.thread, "ts": at})
    span = {"name": "Rushlight Profiler (0)", "pid": "Spans", "tid": "Rushlight Profiler", "ts": 0.0}
    entries.append(
        {
            "ph": "X",
            "cat": "Trace",
            **span,
            "dur": (session.end - session.start) / 1000,
            "args": {"Op count": 0},
        }
    )
    return {
        "schemaVersion": 1,
        "deviceProperties": [],
        "record_shapes": int(session.shapes),
        "profile_memory": int(session.memory),
        "with_stack": int(session.stack),
        "with_flops": int(session.flops),
        "host_name": socket.gethostname(),
        "displayTimeUnit": "ms",
        "baseTimeNanoseconds": session.started_at,
        "traceEvents": entries,
    }


def _microseconds(nanoseconds: int, session: Session) -> float:
    return (nanoseconds - session.start) / 1000


def _details(event: Recorded, numbers: dict[int, int]) -> dict[str, Any]:
    number = numbers[id(event)]
    details: dict[str, Any] = {"External id": number + 1, "Ev Idx": number}
    if event.category in (ANNOTATION, FUNCTION):
        parent = numbers.get(id(event.parent)) if event.parent is not None else None
        if event.category == FUNCTION:
            details |= {"Python id": number + 1, "Python parent id": None if parent is None else parent + 1}
    if event.sequence >= 0:
        details["Sequence number"] = event.sequence
    if event.arguments is not None:
        details["Input Dims"] = event.arguments.shapes
        details["Input type"] = event.arguments.dtypes
        details["Concrete Inputs"] = event.arguments.values
    if event.stack:
        details["Call stack"] = ";".join(event.stack)
    if event.memory:
        details["Bytes"] = event.memory
    if event.flops:
        details["Flops"] = event.flops
    return details


def write_trace(session: Session, path: str, metadata: dict[str, Any] | None = None) -> None:
    """Write it to ``path``, gzipped if that ends in ``.gz``; nothing half-written stays behind.

    ``RuntimeError`` where the folder is missing.
    """
    import json

    trace = trace_of(session)
    trace.update(metadata or {})
    trace["traceName"] = os.fspath(path)
    data = json.dumps(trace).encode()
    if os.fspath(path).endswith(".gz"):
        import gzip

        data = gzip.compress(data)
    with replacing(path) as file:
        file.write(data)
