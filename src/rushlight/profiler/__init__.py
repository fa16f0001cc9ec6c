"""What a program spends its time and memory on: PyTorch's ``torch.profiler``.

Each operation, each node of backward, each optimizer step and each ``record_function`` becomes an event. ``seam`` says how
they are seen without a cost to programs that are not profiled.
"""

from __future__ import annotations

from ..missing import lazily
from .annotations import record_function as record_function
from .events import DeviceType as DeviceType
from .profile import (
    ProfilerAction as ProfilerAction,
    ProfilerActivity as ProfilerActivity,
    kineto_available as kineto_available,
    profile as profile,
    schedule as schedule,
    supported_activities as supported_activities,
    tensorboard_trace_handler as tensorboard_trace_handler,
)

__all__ = [
    "DeviceType",
    "ProfilerAction",
    "ProfilerActivity",
    "kineto_available",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]

__getattr__ = lazily(__name__)
