"""CUDA graphs by name only: a compiled function's launches are captured by ``torch.compile`` itself."""

from __future__ import annotations

from typing import Any

from ..absent import absent_class, absent_function

_INSTEAD = "torch.compile, whose programs are captured as CUDA graphs"

CUDAGraph: Any = absent_class("rushlight.cuda", "CUDAGraph", _INSTEAD)
graph: Any = absent_class("rushlight.cuda", "graph", _INSTEAD)
graph_pool_handle = absent_function("rushlight.cuda", "graph_pool_handle", _INSTEAD)
make_graphed_callables = absent_function("rushlight.cuda", "make_graphed_callables", _INSTEAD)


def is_current_stream_capturing() -> bool:
    """False: programs capture nothing themselves."""
    return False
