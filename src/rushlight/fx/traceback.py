"""Where the nodes of graphs come from: notes that passes hand on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = [
    "annotate",
    "format_stack",
    "get_current_meta",
    "has_preserved_node_meta",
    "preserve_node_meta",
    "set_current_meta",
    "set_stack_trace",
]

_current: dict[str, Any] = {}
_preserved = False


@contextmanager
def preserve_node_meta(enable: bool = True) -> Iterator[None]:
    """Inside, ``has_preserved_node_meta()`` is true."""
    global _preserved
    before = _preserved
    _preserved = enable
    try:
        yield
    finally:
        _preserved = before


def has_preserved_node_meta() -> bool:
    """Whether notes are handed on now.

    Example:
        >>> has_preserved_node_meta()
        False
    """
    return _preserved


@contextmanager
def set_current_meta(node: Any, pass_name: str = "") -> Iterator[None]:
    """Inside, ``get_current_meta()`` is a copy of the node's notes."""
    global _current
    before = _current
    _current = dict(node.meta)
    try:
        yield
    finally:
        _current = before


def get_current_meta() -> dict[str, Any]:
    """The notes of the node that is being worked on."""
    return _current


@contextmanager
def annotate(annotation_dict: dict[str, Any]) -> Iterator[None]:
    """Inside, ``get_current_meta()["custom"]`` has these notes."""
    global _current
    before = _current
    _current = {**before, "custom": {**before.get("custom", {}), **annotation_dict}}
    try:
        yield
    finally:
        _current = before


def set_stack_trace(stack: list[str]) -> None:
    """Note where the present node comes from."""
    _current["stack_trace"] = "".join(stack)


def format_stack() -> list[str]:
    """The lines that led here, or the present node's own."""
    if _preserved:
        return [_current.get("stack_trace", "")]
    import traceback

    return list(reversed(traceback.format_list(traceback.extract_stack()[:-1])))
