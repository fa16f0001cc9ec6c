"""``torch.fx`` by name only: no Python function is rewritten here, so nothing is traced into a graph of calls.

``wrap`` marks functions and changes nothing; the classes are there for ``isinstance`` and for subclassing; tracing raises
``NotImplementedError``.
"""

from __future__ import annotations

from typing import Any, TypeVar

from .absent import absent_class, absent_function
from .missing import lazily as _lazily

T = TypeVar("T")
__path__: list[str] = []  # what is under it stands in absent_modules
_INSTEAD = "torch.compile, which records operations without rewriting Python code"

Graph: Any = absent_class(__name__, "Graph", _INSTEAD)
GraphModule: Any = absent_class(__name__, "GraphModule", _INSTEAD)
Interpreter: Any = absent_class(__name__, "Interpreter", _INSTEAD)
Node: Any = absent_class(__name__, "Node", _INSTEAD)
Proxy: Any = absent_class(__name__, "Proxy", _INSTEAD)
Tracer: Any = absent_class(__name__, "Tracer", _INSTEAD)
Transformer: Any = absent_class(__name__, "Transformer", _INSTEAD)
replace_pattern = absent_function(__name__, "replace_pattern", _INSTEAD)
symbolic_trace = absent_function(__name__, "symbolic_trace", _INSTEAD)


def wrap(fn_or_name: T) -> T:
    """``fn_or_name`` itself: a mark for tracing, which does not take place. ``RuntimeError`` for other things.

    Example:
        >>> wrap(len) is len
        True
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError("Unsupported type for global function! Must be either a callable or string name")
    return fn_or_name


__getattr__ = _lazily(__name__)
