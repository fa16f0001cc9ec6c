"""The names of PyTorch's bytecode compiler that programs set or call beside ``torch.compile``. There is none here.

Example:
    >>> import rushlight as torch
    >>> torch._dynamo.config.suppress_errors = True
    >>> torch._dynamo.reset()
"""

from __future__ import annotations

import types
from typing import Any

from .jit.compile import disable as disable, is_compiling as is_compiling, reset as reset

__all__ = ["config", "disable", "graph_break", "is_compiling", "mark_dynamic", "mark_static", "reset"]

# Any setting is taken and none has an effect: nothing falls back, and no program is dropped for having many shapes.
config = types.SimpleNamespace(
    cache_size_limit=8, capture_scalar_outputs=False, recompile_limit=8, suppress_errors=False, verbose=False
)


def graph_break(msg: str = "") -> None:
    """Accepted, without effect: a recording is split where Python reads a value."""


def mark_dynamic(t: Any, index: Any, **options: Any) -> None:
    """Accepted, without effect: every shape has a program of its own."""


def mark_static(t: Any, index: Any = None) -> None:
    """Accepted, without effect."""
