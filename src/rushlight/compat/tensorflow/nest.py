"""``tf.nest``: nested structures of tensors."""

from __future__ import annotations

# ruff: noqa: F401  (imported to be given away, some under other names)
from typing import Any

from .nesting import flatten as flatten, map_structure as _map_structure, pack_like as pack_sequence_as


def map_structure(func: Any, *structure: Any, **_: Any) -> Any:
    """``func`` of the corresponding leaves, in the structure of the first."""
    return _map_structure(func, *structure)


def is_nested(structure: Any) -> bool:
    """Whether this is a list, tuple or dict."""
    return isinstance(structure, list | tuple | dict)


def assert_same_structure(nest1: Any, nest2: Any, check_types: bool = True, **_: Any) -> None:
    """``ValueError`` unless both are nested alike; ``TypeError`` if their types of sequences differ."""
    if is_nested(nest1) != is_nested(nest2) or (is_nested(nest1) and len(nest1) != len(nest2)):
        raise ValueError(f"The two structures don't have the same nested structure: {nest1} and {nest2}")
    if not is_nested(nest1):
        return
    if check_types and type(nest1) is not type(nest2):
        raise TypeError(f"The two structures don't have the same sequence type: {nest1} and {nest2}")
    if isinstance(nest1, dict):
        if set(nest1) != set(nest2):
            raise ValueError(f"The two dictionaries don't have the same set of keys: {nest1} and {nest2}")
        for key in nest1:
            assert_same_structure(nest1[key], nest2[key], check_types)
        return
    for a, b in zip(nest1, nest2, strict=True):
        assert_same_structure(a, b, check_types)
