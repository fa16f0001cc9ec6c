"""``torch.overrides``: what libraries ask before they hand a call to an argument's ``__torch_function__``.

Rushlight's own functions do not look for ``__torch_function__`` on their arguments (see "Porting from PyTorch" in the
documentation); functions that ask through this module get true answers, and their calls are handed on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from .core.tensor import Tensor


def _run(cls: type, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """``func(*args, **kwargs)``: a tensor's own ``__torch_function__``, for overrides that call ``super``'s."""
    return func(*args, **(kwargs or {}))


Tensor.__torch_function__ = classmethod(_run)  # type: ignore[attr-defined]


def _overrides(value: Any) -> bool:
    method = getattr(type(value), "__torch_function__", None)
    return method is not None and getattr(method, "__func__", None) is not _run


def has_torch_function(relevant_args: Iterable[Any], /) -> bool:
    """Whether the type of one of the arguments has a ``__torch_function__``.

    Example:
        >>> import rushlight as torch
        >>> class Meters:
        ...     @classmethod
        ...     def __torch_function__(cls, func, types, args=(), kwargs=None):
        ...         return f"{func.__name__} of meters"
        >>> has_torch_function((torch.ones(1),)), has_torch_function((Meters(),))
        (False, True)
        >>> handle_torch_function(torch.add, (Meters(),), Meters(), 1)
        'add of meters'
    """
    return any(_overrides(value) for value in relevant_args)


def has_torch_function_unary(value: Any, /) -> bool:
    """``has_torch_function`` of one argument."""
    return _overrides(value)


def has_torch_function_variadic(*relevant_args: Any) -> bool:
    """``has_torch_function`` of the arguments."""
    return has_torch_function(relevant_args)


def _in_order(relevant_args: Iterable[Any]) -> list[Any]:
    """One argument of each overriding type, subclasses before their bases."""
    found: list[Any] = []
    for value in relevant_args:
        cls = type(value)
        if not _overrides(value) or any(type(other) is cls for other in found):
            continue
        place = next((i for i, other in enumerate(found) if issubclass(cls, type(other))), len(found))
        found.insert(place, value)
    return found


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """What the first ``__torch_function__`` among the arguments' types that does not give ``NotImplemented`` returns.

    Raises ``TypeError`` where all of them do.
    """
    owners = _in_order(relevant_args)
    types = tuple([type(value) for value in owners])
    for value in owners:
        result = value.__torch_function__(public_api, types, args, kwargs)
        if result is not NotImplemented:
            return result
    name = f"{getattr(public_api, '__module__', '')}.{getattr(public_api, '__name__', public_api)}"
    raise TypeError(
        f"no implementation found for '{name}' on types that implement __torch_function__: {list(types)}"
    )


def is_tensor_like(inp: Any) -> bool:
    """Whether ``inp`` is a tensor or its type has a ``__torch_function__``."""
    return isinstance(inp, Tensor) or hasattr(inp, "__torch_function__")


def is_tensor_method_or_property(func: Callable[..., Any]) -> bool:
    """Whether ``func`` is bound to ``Tensor`` under its name."""
    return getattr(Tensor, getattr(func, "__name__", ""), None) is func


def resolve_name(f: Callable[..., Any]) -> str | None:
    """A function's dotted name as programs write it; None for what has no name."""
    from .missing import spoken

    name = getattr(f, "__qualname__", None)
    return None if name is None else f"{spoken(str(getattr(f, '__module__', 'rushlight')))}.{name}"


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
    """Empty: no function here calls ``__torch_function__`` by itself."""
    return set()


def get_overridable_functions() -> dict[Any, list[Any]]:
    """Empty, for the same reason."""
    return {}


class TorchFunctionMode:
    """Not there: raises ``NotImplementedError`` when entered."""

    def __enter__(self) -> TorchFunctionMode:
        raise NotImplementedError(
            "torch.overrides.TorchFunctionMode: Rushlight's functions do not look for overrides; "
            "torch.autograd.graph and torch.nn's global hooks watch what runs"
        )

    def __exit__(self, *exception: object) -> None:
        return None


@contextmanager
def enable_reentrant_dispatch() -> Iterator[None]:
    """Accepted and without effect."""
    yield
