"""``torch.overrides``: classes and modes that answer for operations, and what libraries ask about them.

A type's ``__torch_function__(cls, func, types, args, kwargs)`` is called in the place of every public function, method,
operator and property that gets an argument of that type. See "Extending" in the documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from .core.tensor import Tensor
from .missing import lazily as _lazily
from .overriding.calls import NAMES, OVERRIDABLE, refused, start_asking
from .overriding.state import ALL, STATE, ask, overrides_operations, overriding_arguments

# Who imports this module may have a type that is no Tensor: it announces itself in no other way.
start_asking()


def has_torch_function(relevant_args: Iterable[Any], /) -> bool:
    """Whether the type of one of the arguments has a ``__torch_function__`` that would be asked, or a mode would.

    Example:
        >>> import rushlight as torch
        >>> class Meters:
        ...     @classmethod
        ...     def __torch_function__(cls, func, types, args=(), kwargs=None):
        ...         return f"{func.__name__} of meters"
        >>> has_torch_function((torch.ones(1),)), has_torch_function((Meters(),))
        (False, True)
        >>> torch.add(Meters(), 1)
        'add of meters'
    """
    if STATE.modes and STATE.disabled < ALL:
        return True
    if STATE.disabled:
        return False
    return any(overrides_operations(type(value)) for value in relevant_args)


def has_torch_function_unary(value: Any, /) -> bool:
    """``has_torch_function`` of one argument."""
    return has_torch_function((value,))


def has_torch_function_variadic(*relevant_args: Any) -> bool:
    """``has_torch_function`` of the arguments."""
    return has_torch_function(relevant_args)


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """What the innermost mode, or the first ``__torch_function__`` among the arguments' types, returns that does not return
    ``NotImplemented``.

    Raises ``TypeError`` where all of them do.
    """
    owners = [] if STATE.disabled else overriding_arguments(relevant_args)
    result, types = ask(public_api, owners, args, kwargs)
    if result is NotImplemented:
        name = NAMES.get(public_api)
        if name is not None:
            raise TypeError(
                f"no implementation found for '{name}' on types that implement __torch_function__: {list(types)}"
            )
        refused(public_api, types)
    return result


def is_tensor_like(inp: Any) -> bool:
    """Whether ``inp`` is a tensor or its type has a ``__torch_function__``."""
    return isinstance(inp, Tensor) or hasattr(inp, "__torch_function__")


def is_tensor_method_or_property(func: Callable[..., Any]) -> bool:
    """Whether ``func`` is a method of ``Tensor``, or a property's ``__get__`` or ``__set__``."""
    name = getattr(func, "__name__", "")
    return name in ("__get__", "__set__", "__delete__") or vars(Tensor).get(name) is func


def resolve_name(f: Callable[..., Any]) -> str | None:
    """The dotted name by which programs find a public function; None for any other.

    Example:
        >>> import rushlight as torch
        >>> resolve_name(torch.Tensor.add), resolve_name(torch.Tensor.shape.__get__)
        ('torch.Tensor.add', 'torch.Tensor.shape.__get__')
    """
    try:
        return NAMES.get(f)
    except TypeError:  # no hash
        return None


def wrap_torch_function(dispatcher: Callable[..., Iterable[Any]]) -> Callable[[Any], Any]:
    """Decorator: the function's calls go to ``__torch_function__`` where one of ``dispatcher``'s arguments has it."""

    def decorate(function: Any) -> Any:
        import functools

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            relevant = tuple(dispatcher(*args, **kwargs))
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return wrapped

    return decorate


def get_ignored_functions() -> set[Any]:
    """The public functions that never ask: settings, files, and questions about dtypes."""
    import rushlight

    from .overriding.calls import _NEVER

    return {getattr(rushlight, name) for name in _NEVER if name in dir(rushlight)}


def get_overridable_functions() -> dict[Any, list[Any]]:
    """The public functions that ask, by where they are found: modules and ``Tensor``."""
    return {space: list(functions) for space, functions in OVERRIDABLE.items() if functions}


def get_testing_overrides() -> dict[Any, Callable[..., Any]]:
    """For each function that asks, one with its signature that returns -1.

    Example:
        >>> import rushlight as torch
        >>> get_testing_overrides()[torch.add](1, 2)
        -1
    """
    import functools

    def stand_in(function: Any) -> Callable[..., Any]:
        @functools.wraps(function, assigned=("__name__", "__qualname__", "__doc__"), updated=())
        def minus_one(*args: Any, **kwargs: Any) -> int:
            return -1

        return minus_one

    return {function: stand_in(function) for function in NAMES}


def get_default_nowrap_functions() -> set[Any]:
    """The functions whose results ``Tensor.__torch_function__`` leaves as they are."""
    from .overriding.subclasses import _kept

    return set(_kept())


class TorchFunctionMode:
    """A context in which every public function calls ``self.__torch_function__`` instead, whatever its arguments are.

    While the handler runs, this mode is off (the modes around it are on), so it may call ``func(*args, **kwargs)``.

    Example:
        >>> import rushlight as torch
        >>> class Names(TorchFunctionMode):
        ...     def __torch_function__(self, func, types, args=(), kwargs=None):
        ...         print(resolve_name(func))
        ...         return func(*args, **(kwargs or {}))
        >>> with Names():
        ...     x = torch.ones(2) + 1
        torch.ones
        torch.Tensor.add
    """

    def __init__(self) -> None: ...

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """To be given by the subclass. Raises ``NotImplementedError``."""
        raise NotImplementedError

    def __enter__(self) -> Any:
        start_asking()  # also of what was imported since
        STATE.modes = (*STATE.modes, self)
        return self

    def __exit__(self, *exception: object) -> None:
        STATE.modes = STATE.modes[:-1]

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> Any:
        """An instance, to be entered."""
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that calls the function."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """``func(*args, **kwargs)``."""
        return func(*args, **(kwargs or {}))


def _get_current_function_mode() -> TorchFunctionMode | None:
    return STATE.modes[-1] if STATE.modes else None


def _get_current_function_mode_stack() -> list[TorchFunctionMode]:
    return list(STATE.modes)


def _push_mode(mode: TorchFunctionMode) -> None:
    STATE.modes = (*STATE.modes, mode)


def _pop_mode() -> TorchFunctionMode:
    mode: TorchFunctionMode = STATE.modes[-1]
    STATE.modes = STATE.modes[:-1]
    return mode


@contextmanager
def _pop_mode_temporarily() -> Iterator[TorchFunctionMode]:
    mode = _pop_mode()
    try:
        yield mode
    finally:
        _push_mode(mode)


@contextmanager
def enable_reentrant_dispatch() -> Iterator[None]:
    """Accepted and without effect: handlers may call operations."""
    yield


__all__ = [
    "BaseTorchFunctionMode",
    "TorchFunctionMode",
    "enable_reentrant_dispatch",
    "get_default_nowrap_functions",
    "get_ignored_functions",
    "get_overridable_functions",
    "get_testing_overrides",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
    "is_tensor_like",
    "is_tensor_method_or_property",
    "resolve_name",
    "wrap_torch_function",
]

# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
