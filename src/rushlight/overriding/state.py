"""Which types override operations, and what this thread has switched off or on."""

from __future__ import annotations

from _thread import _local
from collections.abc import Callable
from typing import Any, Final

from ..core.tensor import Tensor

PLAIN: Final = 0
OVERRIDES: Final = 1
SEQUENCE: Final = 2  # may hold tensors
ALL: Final = 2


class _State(_local):
    modes: tuple[Any, ...] = ()  # the innermost last
    disabled: int = 0  # 1: types are not asked; 2: modes neither
    # What a dispatch mode's handler is asked about: the operation, its arguments, and what carries it out.
    call: tuple[Any, tuple[Any, ...], dict[str, Any], Callable[[], Any]] | None = None


STATE: Final = _State()


def disabled_torch_function(
    func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None, *rest: Any
) -> Any:
    """``torch._C._disabled_torch_function_impl``: a class with this as its ``__torch_function__`` overrides nothing."""
    if rest:  # bound as an ordinary method: (self, func, types, args, kwargs)
        func, types, args, kwargs = types, args, kwargs, rest[0]
    with DisableTorchFunctionSubclass():
        return func(*(args or ()), **(kwargs or {}))


class DisableTorchFunctionSubclass:
    """Inside, no type's ``__torch_function__`` is asked; modes still are."""

    _level: int = 1
    __slots__ = ("_before",)
    _before: int

    def __enter__(self) -> None:
        self._before = STATE.disabled
        STATE.disabled = max(self._before, self._level)

    def __exit__(self, *exception: object) -> None:
        STATE.disabled = self._before


class DisableTorchFunction(DisableTorchFunctionSubclass):
    """Inside, neither types nor modes are asked."""

    __slots__ = ()
    _level = ALL


def overrides_operations(cls: type) -> bool:
    """Whether ``cls`` has a ``__torch_function__`` of its own, or one that it shares with all subclasses of Tensor."""
    if cls is Tensor:
        return False
    method = getattr(cls, "__torch_function__", None)
    if method is None or method is disabled_torch_function:
        return False
    return not (
        issubclass(cls, Tensor) and getattr(cls, "__module__", "").startswith("rushlight.")
    )  # stand-ins of the library's own


class _Kinds(dict[type, int]):
    def __hash__(self) -> int:  # type: ignore[override]
        # It is a constant of the functions' code, and code is looked up by what is in it.
        return id(self)

    def __missing__(self, cls: type) -> int:
        if len(self) > 10_000:  # classes made in a loop must not pile up here
            self.clear()
        if cls is tuple or cls is list:
            kind = SEQUENCE
        else:
            kind = OVERRIDES if overrides_operations(cls) else PLAIN
            if kind is PLAIN and issubclass(cls, tuple | list) and not hasattr(cls, "numel"):
                kind = SEQUENCE
        self[cls] = kind
        return kind


KINDS: Final = _Kinds()


def overriding_arguments(values: Any) -> list[Any]:
    """One argument of each type that overrides, in the order in which they are asked: as they come, but a subclass before
    its bases."""
    found: list[Any] = []
    for value in values:
        cls = type(value)
        if not overrides_operations(cls) or any([type(other) is cls for other in found]):
            continue
        place = next((i for i, other in enumerate(found) if issubclass(cls, type(other))), len(found))
        found.insert(place, value)
    return found


def ask(
    function: Any, owners: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, tuple[type, ...]]:
    """What this thread's innermost mode or, after it, the first of ``owners`` answers that does not answer
    ``NotImplemented``; and the types."""
    types = tuple([type(owner) for owner in owners])
    modes = STATE.modes
    if modes and STATE.disabled < ALL and hasattr(modes[-1], "__torch_function__"):
        STATE.modes = modes[:-1]
        try:
            result = modes[-1].__torch_function__(function, types, args, kwargs)
        finally:
            STATE.modes = modes
        if result is not NotImplemented:
            return result, types
    for owner in owners:
        result = owner.__torch_function__(function, types, args, kwargs)
        if result is not NotImplemented:
            return result, types
    return NotImplemented, types
