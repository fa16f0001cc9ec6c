"""What functions say of arguments that are not of the type that they take, in PyTorch's words.

A function that programs call in every step does not ask first: it explains an error that came up (``not_a_tensor``). Where a
wrong argument would go through unseen, or where a call costs far more than the question, it asks.
"""

from __future__ import annotations

from typing import Any

from .tensor import Tensor


def type_of(value: Any) -> str:
    """The name of a value's type as PyTorch's messages have it."""
    kind = type(value)
    return f"numpy.{kind.__name__}" if kind.__module__ == "numpy" else kind.__name__


def not_a_tensor(name: str, argument: str, value: Any) -> TypeError:
    """The error for an argument that had to be a tensor."""
    return TypeError(f"{name}(): argument '{argument}' must be Tensor, not {type_of(value)}")


def check_tensor(name: str, argument: str, value: Any) -> None:
    """Raise ``TypeError`` for what is no tensor."""
    if not isinstance(value, Tensor):
        raise not_a_tensor(name, argument, value)


def check_flag(name: str, argument: str, value: Any) -> None:
    """Raise ``TypeError`` for what is neither True nor False: 1 and ``numpy.True_`` are neither."""
    if value is not True and value is not False:
        raise TypeError(f"{name}(): argument '{argument}' must be bool, not {type_of(value)}")


def check_tensors_in(name: str, argument: str, values: Any) -> None:
    """Raise ``TypeError`` for an element that is no tensor."""
    for place, value in enumerate(values):
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{name}(): expected Tensor as element {place} in argument '{argument}', but got {type_of(value)}"
            )
