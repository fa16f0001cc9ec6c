"""``torch._tensor_str``: how tensors print, in pieces, for classes that print like tensors."""

from __future__ import annotations

from typing import Any

from .core import printing
from .core.printing import (
    get_printoptions as get_printoptions,
    printoptions as printoptions,
    set_printoptions as set_printoptions,
)

__all__ = ["PRINT_OPTS", "get_printoptions", "printoptions", "set_printoptions"]


class _Options:
    """The print options as attributes, which can be set."""

    def __getattr__(self, name: str) -> Any:
        return getattr(printing._current, name)

    def __setattr__(self, name: str, value: Any) -> None:
        printing._current = printing._current._replace(**{name: value})


PRINT_OPTS = _Options()


def _tensor_str(self: Any, indent: int) -> str:
    """The elements as they stand inside of ``tensor(...)``, whose column is ``indent``.

    Example:
        >>> import rushlight as torch
        >>> _tensor_str(torch.tensor([1.5, 2.0]), 7)
        '[1.5000, 2.0000]'
    """
    if self.numel() == 0:
        return "[]"
    return printing._format_elements(self.detach().cpu()._array, indent, printing._current)


def _add_suffixes(tensor_str: str, suffixes: list[str], indent: int, force_newline: bool) -> str:
    """``tensor_str`` with more arguments and the closing bracket, in lines that fit.

    Example:
        >>> _add_suffixes("tensor([1]", ["size=(1,)"], 7, False)
        'tensor([1], size=(1,))'
    """
    return printing._with_suffixes(
        tensor_str, suffixes, indent, 0, printing._current.linewidth, force_newline
    )


def _str(self: Any, *, tensor_contents: str | None = None) -> str:
    """The text of a tensor; ``tensor_contents`` in the place of its elements."""
    plain = self.as_subclass(_plain_class()) if type(self) is not _plain_class() else self
    if tensor_contents is None:
        return repr(plain)
    suffixes = []
    if self.dtype not in _silent_dtypes():
        suffixes.append(f"dtype={self.dtype}")
    if self.grad_fn is not None:
        suffixes.append(f"grad_fn=<{type(self.grad_fn).__name__}>")
    elif self.requires_grad:
        suffixes.append("requires_grad=True")
    prefix = "tensor(" if type(self) is _plain_class() else f"{type(self).__name__}("
    return _add_suffixes(prefix + tensor_contents, suffixes, len(prefix), False)


_str_intern = _str


def _plain_class() -> type:
    from .core.tensor import Tensor

    return Tensor


def _silent_dtypes() -> tuple[Any, ...]:
    from .core import dtypes

    return (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool_)
