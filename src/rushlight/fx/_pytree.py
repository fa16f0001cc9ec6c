"""Flattening by a known structure: what the code of traced functions with trees as inputs calls."""

from __future__ import annotations

from typing import Any

from ..utils._pytree import TreeSpec

__all__ = ["register_pytree_flatten_spec", "tree_flatten_spec"]


def tree_flatten_spec(pytree: Any, spec: TreeSpec, exact_structural_match: bool = False) -> list[Any]:
    """The parts of ``pytree`` at the places of ``spec``'s leaves. ``ValueError`` where it has another structure.

    Example:
        >>> from rushlight.utils._pytree import tree_flatten
        >>> _, spec = tree_flatten(([1, 2], 3))
        >>> tree_flatten_spec(([4, 5], {"a": 6}), spec)
        [4, 5, {'a': 6}]
    """
    value = tuple(pytree) if spec.type is tuple and isinstance(pytree, list) else pytree
    return spec.flatten_up_to(value)


def register_pytree_flatten_spec(cls: type, flatten_fn_spec: Any, *rest: Any) -> None:
    """Accepted: the structure of registered classes is known already (``torch.utils._pytree``)."""
