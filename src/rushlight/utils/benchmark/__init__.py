"""Measuring how long statements take: PyTorch's ``torch.utils.benchmark``."""

from __future__ import annotations

from ...missing import lazily
from .compare import Colorize as Colorize, Compare as Compare
from .measurement import (
    Measurement as Measurement,
    ordered_unique as ordered_unique,
    select_unit as select_unit,
    trim_sigfig as trim_sigfig,
    unit_to_english as unit_to_english,
)
from .task import TaskSpec as TaskSpec
from .timer import (
    Language as Language,
    Timer as Timer,
    set_torch_threads as set_torch_threads,
    timer as timer,
)

__all__ = [
    "Colorize",
    "Compare",
    "Language",
    "Measurement",
    "TaskSpec",
    "Timer",
    "ordered_unique",
    "select_unit",
    "set_torch_threads",
    "timer",
    "trim_sigfig",
    "unit_to_english",
]

__getattr__ = lazily(__name__)
