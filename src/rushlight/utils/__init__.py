"""Utilities: data loading, checkpointing, measuring; those that are rarely used are imported on first use."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

if _TYPE_CHECKING:
    from . import benchmark as benchmark, checkpoint as checkpoint, data as data, tensorboard as tensorboard
else:
    from ..missing import on_first_use as _on_first_use

    __getattr__, __dir__ = _on_first_use(
        __name__,
        {"checkpoint": ".checkpoint", "data": ".data"},
        {
            "benchmark": ".benchmark",
            "module_tracker": ".module_tracker",
            "swap_tensors": "..nn.conversion_settings:swap_tensors",
            "tensorboard": ".tensorboard",
            "weak": ".weak",
        },
    )
