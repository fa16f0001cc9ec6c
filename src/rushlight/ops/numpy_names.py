"""NumPy's names for keyword arguments, which PyTorch's functions take too: ``axis`` for ``dim``, ``keepdims`` for ``keepdim``,
``x``, ``x1`` and ``a`` for ``input``, and ``x2`` for ``other``.

The functions that programs call in every step have these parameters themselves, because the wrapper costs 60 ns a call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
_OURS: Final = {
    "axis": "dim",
    "keepdims": "keepdim",
    "x": "input",
    "x1": "input",
    "a": "input",
    "x2": "other",
}


def required_dim(name: str, axis: Any) -> Any:
    """The ``axis`` that was given in place of a ``dim`` that must be given."""
    if axis is None:
        raise TypeError(f'{name}() missing 1 required positional arguments: "dim"')
    return axis


def numpy_names(function: F) -> F:
    """``function``, which also takes NumPy's names for its parameters.

    Example:
        >>> import rushlight as torch
        >>> torch.diff(torch.tensor([[1, 3], [2, 7]]), axis=0)
        tensor([[1, 4]])
    """

    code = function.__code__
    own = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    names = {theirs: ours for theirs, ours in _OURS.items() if ours in own and theirs not in own}

    @wraps(function)
    def named(*args: Any, **kwargs: Any) -> Any:
        if kwargs and not names.keys().isdisjoint(kwargs):
            for theirs in [name for name in kwargs if name in names]:
                ours = names[theirs]
                if ours in kwargs:
                    raise TypeError(f"{function.__name__}() got both {ours!r} and {theirs!r}, its other name")
                kwargs[ours] = kwargs.pop(theirs)
        return function(*args, **kwargs)

    return named  # type: ignore[return-value]
