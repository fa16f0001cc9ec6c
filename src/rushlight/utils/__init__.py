"""Utilities: data loading, checkpointing, measuring; those that are rarely used are imported on first use."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from . import checkpoint as checkpoint, data as data

if _TYPE_CHECKING:
    from . import benchmark as benchmark, tensorboard as tensorboard
else:
    from ..missing import lazily as _lazily

    __getattr__ = _lazily(
        __name__,
        {
            "benchmark": ".benchmark",
            "module_tracker": ".module_tracker",
            "swap_tensors": "..nn.conversion_settings:swap_tensors",
            "tensorboard": ".tensorboard",
            "weak": ".weak",
        },
    )
