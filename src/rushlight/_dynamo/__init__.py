"""The names of PyTorch's bytecode compiler that programs set or call beside ``torch.compile``. There is none here.

Example:
    >>> import rushlight as torch
    >>> torch._dynamo.config.suppress_errors = True
    >>> torch._dynamo.reset()
"""

from __future__ import annotations

import types
from typing import Any, TypeVar

from ..jit.compile import compile, disable as disable, is_compiling as is_compiling, reset as reset
from . import eval_frame as eval_frame
from .eval_frame import OptimizedModule as OptimizedModule

__all__ = [
    "OptimizedModule", "allow_in_graph", "assume_constant_result", "config", "disable", "disallow_in_graph", "eval_frame",
    "forbid_in_graph", "graph_break", "is_compiling", "mark_dynamic", "mark_static", "mark_static_address",
    "maybe_mark_dynamic", "nonstrict_trace", "optimize", "optimize_assert", "reset",
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


def forbid_in_graph(fn: T) -> T:
    """``fn`` itself."""
    return fn


def nonstrict_trace(traceable_fn: T) -> T:
    """``traceable_fn`` itself: every function is recorded."""
    return traceable_fn


def optimize(backend: Any = "inductor", *, nopython: bool = False, **options: Any) -> Any:
    """A decorator: ``torch.compile`` with this ``backend``, and ``fullgraph`` where ``nopython``; what PyTorch 2.0's programs
    wrote.

    Example:
        >>> import rushlight as torch
        >>> @torch._dynamo.optimize("inductor")
        ... def double(x):
        ...     return x * 2
        >>> double(torch.ones(2))
        tensor([2., 2.])
    """
    return compile(backend=backend, fullgraph=nopython)


def optimize_assert(backend: Any = "inductor", **options: Any) -> Any:
    """``optimize`` with ``nopython``."""
    return optimize(backend, nopython=True, **options)


def assume_constant_result(fn: T) -> T:
    """``fn`` itself: Python runs it where a recording is made."""
    return fn
