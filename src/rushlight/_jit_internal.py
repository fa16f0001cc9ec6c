"""``torch._jit_internal``: what libraries import from it to mark methods for TorchScript. Without effect, as all of it here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final as Final, TypeVar

from .jit.scripting import (
    _overload as _overload,
    _overload_method as _overload_method,
    export as export,
    ignore as ignore,
    is_scripting as is_scripting,
    unused as unused,
)
from .missing import lazily as _lazily

__all__ = ["boolean_dispatch", "export", "ignore", "is_scripting", "unused"]

F = TypeVar("F", bound=Callable[..., Any])


def _copy_to_script_wrapper(fn: F) -> F:
    """``fn`` as it is."""
    return fn


def boolean_dispatch(
    arg_name: str,
    arg_index: int,
    default: bool,
    if_true: Callable[..., Any],
    if_false: Callable[..., Any],
    module_name: str,
    func_name: str,
) -> Callable[..., Any]:
    """A function that calls ``if_true`` or ``if_false`` by its argument ``arg_name``, at ``arg_index`` or by keyword.

    Example:
        >>> import rushlight as torch
        >>> either = boolean_dispatch("negate", 1, False, lambda x, negate: -x, lambda x, negate=False: x, "", "either")
        >>> either(torch.ones(1)), either(torch.ones(1), negate=True)
        (tensor([1.]), tensor([-1.]))
    """

    def chosen(*args: Any, **kwargs: Any) -> Any:
        flag = args[arg_index] if arg_index < len(args) else kwargs.get(arg_name, default)
        return (if_true if flag else if_false)(*args, **kwargs)

    chosen.__name__ = func_name or chosen.__name__
    chosen.__module__ = module_name or chosen.__module__
    return chosen


# Names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
