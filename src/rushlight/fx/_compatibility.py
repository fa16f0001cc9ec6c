"""Marks of PyTorch's own functions, which libraries put on theirs too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def compatibility(is_backward_compatible: bool) -> Callable[[T], T]:
    """Decorator that notes whether a function's interface stays.

    Example:
        >>> @compatibility(is_backward_compatible=True)
        ... def mine(): ...
        >>> mine._backward_compatible
        True
    """

    def mark(fn: T) -> T:
        marked: Any = fn
        marked._backward_compatible = is_backward_compatible
        return fn

    return mark
