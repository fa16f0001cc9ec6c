"""Tensor methods that call a Python function for each element: slow, on the CPU only, and never part of a history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from .conversion import tolist
from .creation import tensor as tensor_of
from .movement import reshape


def _refuse_history(tensor: Tensor, name: str) -> None:
    if tensor._node is not None:
        raise RuntimeError(
            f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead."
        )


def _write(target: Tensor, values: list[Any]) -> Tensor:
    made = reshape(tensor_of(values, dtype=target.dtype), target.shape)
    return target.copy_(made)  # type: ignore[no-any-return]


def _elements(tensor: Tensor) -> list[Any]:
    return tolist(reshape(tensor, (-1,)))  # type: ignore[no-any-return]


def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replace each element by ``callable(element)``, in place. ``RuntimeError`` for a tensor that requires a gradient.

    Example:
        >>> import rushlight as torch
        >>> torch.tensor([1.0, 2.0]).apply_(lambda x: x + 1)
        tensor([2., 3.])
    """
    _refuse_history(self, "apply_")
    return _write(self, [callable(value) for value in _elements(self)])


def map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replace each element by ``callable(element, other)``, in place; ``tensor`` is broadcast. Errors as ``apply_``."""
    for one in (self, tensor):
        _refuse_history(one, "map_")
    others = tensor.expand(self.shape)
    return _write(self, [callable(a, b) for a, b in zip(_elements(self), _elements(others), strict=True)])


def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Tensor:
    """Replace each element by ``callable(element, of x, of y)``, in place; both are broadcast. Errors as ``apply_``."""
    for one in (self, x, y):
        _refuse_history(one, "map2_")
    rows = zip(_elements(self), _elements(x.expand(self.shape)), _elements(y.expand(self.shape)), strict=True)
    return _write(self, [callable(*row) for row in rows])


def is_same_size(self: Tensor, other: Tensor) -> bool:
    """Whether the shapes are equal."""
    return bool(np.array_equal(self._array.shape, other._array.shape))


METHODS: dict[str, Any] = {"apply_": apply_, "map_": map_, "map2_": map2_, "is_same_size": is_same_size}
