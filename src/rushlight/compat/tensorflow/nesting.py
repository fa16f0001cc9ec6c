"""Nested lists, tuples and dicts of tensors, flattened and built up again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def flatten(structure: Any) -> list[Any]:
    """The leaves, from left to right; a dict's in the order of its sorted keys."""
    return list(_leaves(structure))


def _leaves(structure: Any) -> Iterator[Any]:
    if isinstance(structure, Mapping):
        for key in sorted(structure):
            yield from _leaves(structure[key])
    elif isinstance(structure, list | tuple):
        for item in structure:
            yield from _leaves(item)
    else:
        yield structure


def pack_like(structure: Any, leaves: list[Any]) -> Any:
    """The structure with other leaves."""
    waiting = iter(leaves)
    result = _packed(structure, waiting)
    if next(waiting, None) is not None:
        raise ValueError("The structures have different numbers of leaves")
    return result


def _packed(structure: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(structure, Mapping):
        values = {key: _packed(structure[key], leaves) for key in sorted(structure)}
        kind: Any = type(structure)
        return kind([(key, values[key]) for key in structure])
    if hasattr(structure, "_fields"):
        return type(structure)(*[_packed(item, leaves) for item in structure])
    if isinstance(structure, list | tuple):
        return type(structure)([_packed(item, leaves) for item in structure])
    # A TensorArray among the leaves stays one: the tensor that stands for its new state goes into it.
    restate = getattr(structure, "_with_value", None)
    return next(leaves) if restate is None else restate(next(leaves))


def map_structure(function: Any, *structures: Any) -> Any:
    """``function`` of the corresponding leaves, in the structure of the first."""
    columns = zip(*[flatten(structure) for structure in structures], strict=True)
    return pack_like(structures[0], [function(*column) for column in columns])
