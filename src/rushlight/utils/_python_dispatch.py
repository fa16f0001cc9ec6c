"""``TorchDispatchMode``: a context in which a program's handler is asked for every operation, backward's too.

The handler gets the operation as ``torch.ops.aten`` has it. It is asked where PyTorch's ``__torch_function__`` modes would be,
only later and for more: the tensors that it sees have their history, what it returns is what the program gets, and functions
that PyTorch composes of others (``linear``, ``matmul``) arrive as what they are composed of, most losses and layers as one
operation. Tensor subclasses with a ``__torch_dispatch__`` of their own are not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..core.tensor import Tensor
from ..missing import lazily as _lazily
from ..overriding.calls import start_asking
from ..overriding.dispatch_modes import DispatchEntry
from ..overriding.state import STATE


class TorchDispatchMode:
    """A context in which every operation calls ``self.__torch_dispatch__(func, types, args, kwargs)`` instead.

    While the handler runs, this mode is off (the modes around it are on), so it may call ``func(*args, **kwargs)``.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.utils._python_dispatch import TorchDispatchMode
        >>> class Names(TorchDispatchMode):
        ...     def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        ...         print(func)
        ...         return func(*args, **(kwargs or {}))
        >>> layer = torch.nn.Linear(2, 1)
        >>> with Names():
        ...     y = layer(torch.ones(1, 2)).exp()
        aten.ones.default
        aten.t.default
        aten.addmm.default
        aten.exp.default
    """

    def __init__(self, _dispatch_key: Any = None) -> None:
        if _dispatch_key is not None:
            raise NotImplementedError(
                "TorchDispatchMode: there are no dispatch keys here; leave _dispatch_key out"
            )

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """To be given by the subclass. Raises ``NotImplementedError``."""
        raise NotImplementedError

    def __enter__(self) -> Any:
        start_asking()  # also of what was imported since
        modes = STATE.modes
        first = next(
            (place for place, mode in enumerate(modes) if type(mode) is not DispatchEntry), len(modes)
        )
        STATE.modes = (*modes[:first], DispatchEntry(self), *modes[first:])
        return self

    def __exit__(self, *exception: object) -> None:
        modes = STATE.modes
        own = [place for place, mode in enumerate(modes) if type(mode) is DispatchEntry and mode.mode is self]
        STATE.modes = (*modes[: own[-1]], *modes[own[-1] + 1 :])

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> Any:
        """An instance, to be entered."""
        return cls(*args, **kwargs)

    @classmethod
    def is_infra_mode(cls) -> bool:
        """False: it belongs to the program."""
        return False


class BaseTorchDispatchMode(TorchDispatchMode):
    """A mode that calls the operation."""

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """``func(*args, **kwargs)``."""
        return func(*args, **(kwargs or {}))


def _get_current_dispatch_mode() -> TorchDispatchMode | None:
    """The innermost mode; None if there is none."""
    found = _get_current_dispatch_mode_stack()
    return found[-1] if found else None


def _get_current_dispatch_mode_stack() -> list[TorchDispatchMode]:
    """The modes that are on, the innermost last."""
    return [mode.mode for mode in STATE.modes if type(mode) is DispatchEntry]


@contextmanager
def _disable_current_modes() -> Iterator[list[TorchDispatchMode]]:
    """Inside, no dispatch mode is asked."""
    before, found = STATE.modes, _get_current_dispatch_mode_stack()
    STATE.modes = tuple([mode for mode in before if type(mode) is not DispatchEntry])
    try:
        yield found
    finally:
        STATE.modes = before


def is_traceable_wrapper_subclass(t: Any) -> bool:
    """False: there are no tensors that answer for operations in ``__torch_dispatch__``."""
    return False


def return_and_correct_aliasing(func: Any, args: Any, kwargs: Any, out: Any) -> Any:
    """What a handler returns: for an operation in place its first argument, else ``out``."""
    name = str(getattr(func, "overloadpacket", func)).rpartition(".")[2]
    if name.endswith("_") and not name.startswith("_") and args and isinstance(args[0], Tensor):
        return args[0]
    return out


__all__ = [
    "BaseTorchDispatchMode",
    "TorchDispatchMode",
    "is_traceable_wrapper_subclass",
    "return_and_correct_aliasing",
]

# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
