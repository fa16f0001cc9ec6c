"""How many threads NumPy's BLAS uses, which is where this version runs in parallel."""

from __future__ import annotations

from typing import Any

from .machine import processors

_limits: list[Any] = []
_chosen: list[int] = []


def get_num_threads() -> int:
    """The number of threads that matrix products use: what ``set_num_threads`` said, else what the machine offers."""
    return _chosen[0] if _chosen else processors().usable


def set_num_threads(threads: int) -> None:
    """Let matrix products use this many threads. Needs `threadpoolctl` to reach NumPy's BLAS; without it only the
    number is remembered. Raises ``RuntimeError`` for less than one."""
    if not isinstance(threads, int) or isinstance(threads, bool):
        raise RuntimeError(f"set_num_threads expects an int, but got {type(threads).__name__}")
    if threads < 1:
        raise RuntimeError("set_num_threads expects a positive integer")
    _chosen[:] = [threads]
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return
    _limits[:] = [threadpool_limits(threads, user_api="blas")]


def get_num_interop_threads() -> int:
    """1: operations run one after the other."""
    return 1


def set_num_interop_threads(threads: int) -> None:
    """Accepted and without effect: operations run one after the other."""
