"""``torch.compiler.set_stance``: what compiled functions do until further notice."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, Final, TypeVar

from .recorded import ACTIVE

T = TypeVar("T")

_KNOWN: Final = (
    "default",
    "eager_then_compile",
    "aot_eager_then_compile",
    "force_eager",
    "eager_on_recompile",
    "fail_on_recompile",
)
# Those that compile everything, as "default" does.
_COMPILING: Final = ("default", "aot_eager_then_compile")
# What is in force: None for the stances that compile everything, so that a call asks for no more than that.
IN_FORCE: Final[list[str | None]] = [None]
# Compiled functions that "eager_then_compile" has run once.
_STARTED: Final[weakref.WeakSet[Any]] = weakref.WeakSet()


class set_stance:
    """From now on compiled functions behave as ``stance`` says; a context manager or decorator does so for a while.

    "default" and "aot_eager_then_compile" compile; "force_eager" runs the functions as they are; "eager_then_compile" does so
    at a function's first call. With "eager_on_recompile" and "fail_on_recompile" a call whose arguments have no compiled
    program yet (by shapes, dtypes and the values of numbers) runs eagerly, or raises ``RuntimeError``. Other options are
    accepted and without effect.

    Raises ``RuntimeError`` for a stance that PyTorch does not know, and for a ``force_backend`` with another than "default";
    ``AssertionError`` inside of a compiled function.

    Example:
        >>> import rushlight as torch
        >>> @torch.compile
        ... def compiled(x):
        ...     return torch.compiler.is_compiling()
        >>> with torch.compiler.set_stance("force_eager"):
        ...     compiled(torch.ones(2))
        False
        >>> compiled(torch.ones(2))
        True
    """

    def __init__(
        self,
        stance: str = "default",
        *,
        skip_guard_eval_unsafe: bool = False,
        force_backend: Any = None,
    ) -> None:
        if stance not in _KNOWN:
            raise RuntimeError(f"set_stance: invalid stance {stance!r}; allowed are {', '.join(_KNOWN)}")
        if force_backend is not None and stance != "default":
            raise RuntimeError("non-default stance cannot have force_backend set")
        if getattr(ACTIVE, "tape", None) is not None or getattr(ACTIVE, "light", False):
            raise AssertionError(
                "set_stance: called inside of a compiled function; call it, or what is decorated with it, outside"
            )
        self._stance, self._before = stance, IN_FORCE[0]
        self.__enter__()

    def __call__(self, fn: Callable[..., T]) -> Callable[..., T]:
        IN_FORCE[0] = self._before  # as a decorator it is in force in the function only

        @functools.wraps(fn)
        def with_stance(*args: Any, **kwargs: Any) -> T:
            with set_stance(self._stance):
                return fn(*args, **kwargs)

        return with_stance

    def __enter__(self) -> None:
        IN_FORCE[0] = None if self._stance in _COMPILING else self._stance

    def __exit__(self, *exception: object) -> None:
        IN_FORCE[0] = self._before


def call(function: Callable[..., Any], run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``run(*args, **kwargs)``, or ``function`` where the stance in force wants that."""
    stance = IN_FORCE[0]
    if getattr(ACTIVE, "tape", None) is not None:
        return function(*args, **kwargs)  # a part of the recording that is going on
    if stance == "eager_then_compile":
        if run not in _STARTED:
            _STARTED.add(run)
            return function(*args, **kwargs)
    elif stance == "force_eager":
        return function(*args, **kwargs)
    elif not run.knows(args, kwargs):
        if stance == "eager_on_recompile":
            return function(*args, **kwargs)
        code = getattr(getattr(function, "__func__", function), "__code__", None)
        place = (
            f"filename: {code.co_filename!r}, function name: {code.co_name!r}, line number: {code.co_firstlineno}"
            if code is not None
            else repr(function)
        )
        raise RuntimeError(
            f"Detected recompile when torch.compile stance is 'fail_on_recompile'. {place}; call it with such arguments once "
            "before, or use another stance"
        )
    return run(*args, **kwargs)
