"""Nested tuples, lists and dicts of tensors: taken apart and put together again."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from typing import Any, Final, NamedTuple

from ..core.return_types import NamedResult


class Tree(NamedTuple):
    """The structure of a nested value: ``kind`` and ``keys`` of the container and its parts; a leaf has kind None."""

    kind: Any
    keys: Any
    parts: tuple[Any, ...]

    def __str__(self) -> str:
        if self.kind is None:
            return "*"
        inside = ", ".join([str(part) for part in self.parts])
        if self.kind is tuple:
            return f"({inside}{',' if len(self.parts) == 1 else ''})"
        if self.kind is list:
            return f"[{inside}]"
        if self.keys is not None and self.kind in _DICTS:
            pairs = ", ".join([f"{key!r}: {part}" for key, part in zip(self.keys, self.parts, strict=True)])
            return f"{{{pairs}}}"
        return f"{self.kind.__name__}({inside})"


LEAF: Final = Tree(None, None, ())
_DICTS: Final = frozenset((dict, OrderedDict, defaultdict))


def _is_named(value: Any) -> bool:
    return isinstance(value, NamedResult) or (isinstance(value, tuple) and hasattr(value, "_fields"))


def is_container(value: Any) -> bool:
    """Whether ``value`` has parts: a tuple, a named tuple, a list or a dict."""
    return type(value) is tuple or type(value) is list or type(value) in _DICTS or _is_named(value)


def flatten(value: Any) -> tuple[list[Any], Tree]:
    """The leaves of a nested value, and its structure.

    >>> leaves, tree = flatten({"a": 1, "b": (2, [3])})
    >>> leaves, str(tree)
    ([1, 2, 3], "{'a': *, 'b': (*, [*])}")
    """
    leaves: list[Any] = []
    return leaves, _structure(value, leaves)


def _structure(value: Any, leaves: list[Any]) -> Tree:
    if not is_container(value):
        leaves.append(value)
        return LEAF
    if type(value) in _DICTS:
        keys: Any = tuple(value)
        parts = value.values()
        if type(value) is defaultdict:
            return Tree(
                defaultdict, (value.default_factory, keys), tuple([_structure(p, leaves) for p in parts])
            )
    else:
        keys, parts = None, value
    return Tree(type(value), keys, tuple([_structure(part, leaves) for part in parts]))


def unflatten(leaves: Any, tree: Tree) -> Any:
    """The nested value of ``tree``'s structure with the given leaves."""
    return _built(iter(leaves), tree)


def _built(leaves: Any, tree: Tree) -> Any:
    kind = tree.kind
    if kind is None:
        return next(leaves)
    parts = [_built(leaves, part) for part in tree.parts]
    if kind is list:
        return parts
    if kind is tuple:
        return tuple(parts)
    if kind is defaultdict:
        return defaultdict(tree.keys[0], zip(tree.keys[1], parts, strict=True))
    if kind in _DICTS:
        return kind(zip(tree.keys, parts, strict=True))
    return kind(parts) if issubclass(kind, NamedResult) else kind(*parts)


def map_leaves(function: Any, value: Any) -> Any:
    """``value`` with ``function`` of each leaf in its place."""
    leaves, tree = flatten(value)
    return unflatten([function(leaf) for leaf in leaves], tree)


def broadcast_prefix(prefix: Any, tree: Tree) -> list[Any] | None:
    """For each leaf of ``tree`` what ``prefix``, whose leaves may stand for whole parts, has there; None if it does not fit."""
    if not is_container(prefix):
        return [prefix] * count_leaves(tree)
    if type(prefix) in _DICTS:
        if tree.kind not in _DICTS or tree.keys is None or set(prefix) != set(tree.keys):
            return None
        parts: Any = [prefix[key] for key in tree.keys]
    else:
        if tree.kind is not type(prefix) or len(tree.parts) != len(prefix):
            return None
        parts = prefix
    result: list[Any] = []
    for part, inside in zip(parts, tree.parts, strict=True):
        leaves = broadcast_prefix(part, inside)
        if leaves is None:
            return None
        result += leaves
    return result


def count_leaves(tree: Tree) -> int:
    """How many leaves a structure has."""
    return 1 if tree.kind is None else sum([count_leaves(part) for part in tree.parts])
