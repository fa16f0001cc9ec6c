"""NumPy's names for the keyword arguments ``dim`` and ``keepdim``, which PyTorch's functions take too: ``axis``, ``keepdims``.

The functions that programs call in every step have these parameters themselves, because the wrapper costs 60 ns a call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def required_dim(name: str, axis: Any) -> Any:
    """The ``axis`` that was given in place of a ``dim`` that must be given."""
    if axis is None:
        raise TypeError(f'{name}() missing 1 required positional arguments: "dim"')
    return axis


def numpy_names(function: F) -> F:
    """``function``, which also takes ``axis`` for its ``dim`` and ``keepdims`` for its ``keepdim``.

    Example:
        >>> import rushlight as torch
        >>> torch.diff(torch.tensor([[1, 3], [2, 7]]), axis=0)
        tensor([[1, 4]])
    """

    @wraps(function)
    def named(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            for theirs, ours in (("axis", "dim"), ("keepdims", "keepdim")):
                if theirs in kwargs:
                    if ours in kwargs:
                        raise TypeError(
                            f"{function.__name__}() got both {ours!r} and {theirs!r}, its other name"
                        )
                    kwargs[ours] = kwargs.pop(theirs)
        return function(*args, **kwargs)

    return named  # type: ignore[return-value]
