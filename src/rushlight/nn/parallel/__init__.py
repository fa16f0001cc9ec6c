"""Models on several devices or processes: ``torch.nn.parallel``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .data_parallel import DataParallel as DataParallel, data_parallel as data_parallel

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        # Written in a layer above this one, and imported only by programs that use it.
        if name == "DistributedDataParallel":
            from importlib import import_module

            return import_module("rushlight.distributed.data_parallel").DistributedDataParallel
        if name == "distributed":
            from importlib import import_module

            return import_module("rushlight.nn.parallel.distributed")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
