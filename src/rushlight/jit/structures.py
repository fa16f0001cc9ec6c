"""Tensors inside tuples, lists and dicts: taken out in order, and put back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..core.tensor import Tensor

_LEAF = "*"


def flatten(value: Any) -> tuple[list[Any], Any]:
    """The leaves of nested tuples, lists and dicts in order, and the structure without them. None is part of the structure."""
    leaves: list[Any] = []
    return leaves, _walk(value, leaves)


def _walk(value: Any, leaves: list[Any]) -> Any:
    kind = type(value)
    if value is None:
        return None
    if isinstance(value, tuple | list):
        return (kind, tuple([_walk(part, leaves) for part in value]))
    if isinstance(value, dict):
        return (kind, tuple(value), tuple([_walk(part, leaves) for part in value.values()]))
    leaves.append(value)
    return _LEAF


def unflatten(structure: Any, leaves: Sequence[Any]) -> Any:
    """What ``flatten`` was given, with other leaves."""
    return _build(structure, iter(leaves))


def _build(structure: Any, leaves: Iterator[Any]) -> Any:
    if structure is None:
        return None
    if structure is _LEAF:
        return next(leaves)
    kind = structure[0]
    if issubclass(kind, dict):
        parts = [_build(part, leaves) for part in structure[2]]
        return kind(zip(structure[1], parts, strict=True))
    parts = [_build(part, leaves) for part in structure[1]]
    return kind(*parts) if hasattr(kind, "_fields") else kind(parts)


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors among the leaves."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, tuple | list):
        return [tensor for part in value for tensor in tensors_in(part)]
    if isinstance(value, dict):
        return [tensor for part in value.values() for tensor in tensors_in(part)]
    return []


def described(value: Any) -> str:
    """A value's structure for messages: tensors as ``float32[2, 3]``."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).rpartition('.')[2]}{list(value.shape)}"
    if isinstance(value, tuple | list):
        inside = ", ".join([described(part) for part in value])
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return "{" + ", ".join([f"{key!r}: {described(part)}" for key, part in value.items()]) + "}"
    return repr(value)


def leaves(value: Any) -> list[Any]:
    """Every container and what is in it, down through nested lists, tuples and dicts; and the attributes of tensors."""
    if isinstance(value, list | tuple):
        return [value, len(value), *[leaf for part in value for leaf in leaves(part)]]
    if isinstance(value, dict):
        inside = [leaf for key, part in value.items() for leaf in (key, *leaves(part))]
        return [value, len(value), *inside]
    return [value, *leaves(value.__dict__)] if isinstance(value, Tensor) else [value]


def same_leaves(before: list[Any], now: list[Any]) -> bool:
    """Whether nothing has been put in, taken out or exchanged."""
    return len(before) == len(now) and all(
        [a is b or (type(a) is type(b) is int and a == b) for a, b in zip(before, now, strict=True)]
    )
