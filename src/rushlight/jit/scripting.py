"""``torch.jit.script``, ``trace`` and what goes with them: accepted, and without effect on what runs.

TorchScript takes a model out of Python. Here it stays in Python, so these give back what they are given: the function or
module itself, which computes the same values. ``rushlight.compile`` is what makes it fast; ``save`` and ``load`` of
``torch.jit`` are not there, because there is no TorchScript program to write.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")


class ScriptFunction:
    """The class of scripted functions: none are made here."""


class Error(Exception):
    """What TorchScript raises; for ``except`` clauses."""


class TracingCheckError(Exception):
    """What a failed check of a trace raises; for ``except`` clauses."""


class TracerWarning(Warning):
    """What PyTorch warns of while it traces; for filters. Nothing warns of it here."""

    @staticmethod
    def ignore_lib_warnings() -> None:
        """Nothing is warned of."""


class ScriptWarning(Warning):
    """What PyTorch warns of while it scripts; for filters. Nothing warns of it here."""


class CompilationUnit:
    """Would hold TorchScript source. Raises ``NotImplementedError``: there is no TorchScript compiler here."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "torch.jit.CompilationUnit: Rushlight runs Python, not TorchScript source; define the function in Python"
        )


def script(obj: T, *args: Any, **kwargs: Any) -> T:
    """``obj``, a function, class or module, as it is.

    Example:
        >>> import rushlight as torch
        >>> @torch.jit.script
        ... def double(x):
        ...     return 2 * x
        >>> double(torch.ones(1))
        tensor([2.])
    """
    return obj


def trace(func: T, example_inputs: Any = None, *args: Any, **kwargs: Any) -> T:
    """``func``, a function or module, as it is; PyTorch's would keep only the path that ``example_inputs`` take.

    Raises ``RuntimeError`` where neither example inputs nor ``example_kwarg_inputs`` are given, as PyTorch does.

    Example:
        >>> import rushlight as torch
        >>> torch.jit.trace(torch.nn.ReLU(), torch.ones(1))(torch.tensor([-1.0]))
        tensor([0.])
    """
    if example_inputs is None and kwargs.get("example_kwarg_inputs") is None:
        raise RuntimeError(
            "trace: example_inputs should not be None; give the inputs that the function is called with"
        )
    return func


def trace_module(mod: T, inputs: Any, *args: Any, **kwargs: Any) -> T:
    """``mod`` as it is."""
    return mod


def script_if_tracing(fn: T) -> T:
    """``fn`` as it is."""
    return fn


def freeze(mod: Any, *args: Any, **kwargs: Any) -> Any:
    """``mod`` as it is. Raises ``RuntimeError`` for a module in training mode, as PyTorch does."""
    if getattr(mod, "training", False):
        raise RuntimeError(
            "freeze: freezing is currently only implemented for modules in eval mode; call .eval() first"
        )
    return mod


def optimize_for_inference(mod: T, *args: Any, **kwargs: Any) -> T:
    """``mod`` as it is."""
    return mod


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """Decorator, with or without arguments: the function as it is."""
    return drop if callable(drop) else lambda function: function


def unused(fn: T) -> T:
    """Decorator: the function as it is."""
    return fn


export = interface = unused


def _overload(fn: T) -> T:
    return fn


_overload_method = _overload


def annotate(the_type: Any, the_value: T) -> T:
    """``the_value`` as it is."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Python's ``isinstance``, also for types such as ``list[int]``, of which only the container is looked at."""
    import builtins

    kinds: Any = target_type if builtins.isinstance(target_type, tuple) else (target_type,)
    origins: Any = tuple([typing.get_origin(kind) or kind for kind in kinds])
    return builtins.isinstance(obj, origins)


class Attribute(NamedTuple):
    """A value with a type that TorchScript can't infer."""

    value: Any
    type: Any = None


def is_scripting() -> bool:
    """False: programs take their Python branch."""
    return False


def is_tracing() -> bool:
    """False: programs take their Python branch."""
    return False


class Future(Generic[T]):
    """The result of ``fork``: there already."""

    def __init__(self, value: T) -> None:
        self._value = value

    def wait(self) -> T:
        """The value."""
        return self._value

    value = wait

    def done(self) -> bool:
        """True."""
        return True


def fork(func: Callable[..., T], *args: Any, **kwargs: Any) -> Future[T]:
    """Call ``func`` now; gives a future whose ``wait`` returns the result.

    Example:
        >>> import rushlight as torch
        >>> torch.jit.wait(torch.jit.fork(lambda x: x + 1, torch.ones(1)))
        tensor([2.])
    """
    return Future(func(*args, **kwargs))


def wait(future: Future[T]) -> T:
    """The result of a ``fork``."""
    return future.wait()


@contextmanager
def optimized_execution(should_optimize: bool) -> Iterator[None]:
    """Accepted and without effect."""
    yield


strict_fusion = fuser = optimized_execution


def set_fusion_strategy(strategy: Any) -> list[Any]:
    """Accepted and without effect."""
    return []


def enable_onednn_fusion(enabled: bool) -> None:
    """Accepted and without effect."""


def onednn_fusion_enabled() -> bool:
    """False."""
    return False


def _no_program(name: str) -> Any:
    def missing(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f"torch.jit.{name}: there are no TorchScript programs here; use torch.{name} with a state_dict, and make the "
            "module in Python"
        )

    missing.__name__ = missing.__qualname__ = name
    missing.__doc__ = f"Raises ``NotImplementedError``: use ``torch.{name}`` with a ``state_dict``."
    return missing


save, load = _no_program("save"), _no_program("load")


def _get_trace_graph(*args: Any, **kwargs: Any) -> Any:
    """Raises ``NotImplementedError``: nothing is traced into a graph of TorchScript's; ``torch.fx`` makes graphs."""
    raise NotImplementedError(
        "torch.jit._get_trace_graph: there are no TorchScript graphs here; use torch.fx"
    )
