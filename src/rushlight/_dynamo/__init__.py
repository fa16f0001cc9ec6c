"""The names of PyTorch's bytecode compiler that programs set or call beside ``torch.compile``. There is none here.

Example:
    >>> import rushlight as torch
    >>> torch._dynamo.config.suppress_errors = True
    >>> torch._dynamo.reset()
"""

from __future__ import annotations

import types
from typing import Any, TypeVar

from ..jit.compile import disable as disable, is_compiling as is_compiling, reset as reset
from . import eval_frame as eval_frame
from .eval_frame import OptimizedModule as OptimizedModule

__all__ = [
    "OptimizedModule", "allow_in_graph", "assume_constant_result", "config", "disable", "disallow_in_graph", "eval_frame",
    "graph_break", "is_compiling", "mark_dynamic", "mark_static", "mark_static_address", "maybe_mark_dynamic", "reset",
]  # fmt: skip

T = TypeVar("T")

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


def maybe_mark_dynamic(t: Any, index: Any) -> None:
    """Accepted, without effect."""


def mark_static_address(t: Any, guard: bool = True) -> None:
    """Accepted, without effect: a tensor's address is looked up at each call."""


def allow_in_graph(fn: T) -> T:
    """``fn`` itself: every function is recorded."""
    return fn


def disallow_in_graph(fn: T) -> T:
    """``fn`` itself."""
    return fn


def assume_constant_result(fn: T) -> T:
    """``fn`` itself: Python runs it where a recording is made."""
    return fn
