"""``torch.cuda.nvtx``: ranges for NVIDIA's profilers; nothing happens where CUDA is not in use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..runtime import cuda as runtime

_DEPTH = [0]


def range_push(msg: str) -> int:
    """Open a range; its depth, from 0."""
    backend = runtime.started()
    if backend is not None:
        backend.cupy.cuda.nvtx.RangePush(msg)
    _DEPTH[0] += 1
    return _DEPTH[0] - 1


def range_pop() -> int:
    """Close the innermost range; the depth that is left."""
    backend = runtime.started()
    if backend is not None:
        backend.cupy.cuda.nvtx.RangePop()
    _DEPTH[0] = max(_DEPTH[0] - 1, 0)
    return _DEPTH[0]


def mark(msg: str) -> None:
    """Mark this moment."""
    backend = runtime.started()
    if backend is not None:
        backend.cupy.cuda.nvtx.Mark(msg)


@contextmanager
def range(msg: str, *args: Any, **kwargs: Any) -> Iterator[None]:
    """A range around the ``with`` block.

    Example:
        >>> import rushlight as torch
        >>> with torch.cuda.nvtx.range("forward"):
        ...     pass
    """
    range_push(msg.format(*args, **kwargs))
    try:
        yield
    finally:
        range_pop()
