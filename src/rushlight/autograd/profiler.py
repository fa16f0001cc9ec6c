"""``torch.autograd.profiler``: the older names of the profiler. They are imported when a program asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..missing import lazily

if TYPE_CHECKING:
    from ..profiler.annotations import record_function as record_function
    from ..profiler.autograd_profile import (
        emit_itt as emit_itt,
        emit_nvtx as emit_nvtx,
        profile as profile,
    )
    from ..profiler.events import (
        EventList as EventList,
        FunctionEvent as FunctionEvent,
        FunctionEventAvg as FunctionEventAvg,
    )
else:
    # By name, because the profiler watches layers that are above this one.
    __getattr__ = lazily(
        __name__,
        {
            "EventList": "rushlight.profiler.events:EventList",
            "FunctionEvent": "rushlight.profiler.events:FunctionEvent",
            "FunctionEventAvg": "rushlight.profiler.events:FunctionEventAvg",
            "emit_itt": "rushlight.profiler.autograd_profile:emit_itt",
            "emit_nvtx": "rushlight.profiler.autograd_profile:emit_nvtx",
            "kineto_available": "rushlight.profiler.profile:kineto_available",
            "profile": "rushlight.profiler.autograd_profile:profile",
            "record_function": "rushlight.profiler.annotations:record_function",
        },
    )
