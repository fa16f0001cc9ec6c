"""PyTorch's other path to ``DistributedDataParallel``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name == "DistributedDataParallel":
            from importlib import import_module

            return import_module("rushlight.distributed.data_parallel").DistributedDataParallel
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
