"""``compile``: a function or module whose tensor operations run as native code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..ops.batching import ACTIVE as BATCHES, TRANSFORMED
from ..runtime.programs import forget
from .recorded import ACTIVE, Recorded
from .stance import IN_FORCE, call as call_by_stance
from .static import Static

_BACKENDS = frozenset(("inductor", "eager", "aot_eager", "cudagraphs"))
_MODES = frozenset((None, "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"))

_default_backend: list[str | Callable[..., Any]] = ["inductor"]


def compile(
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | Callable[..., Any] | None = None,
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    name: str | None = None,
    disable: bool = False,
    recompile_limit: int | None = None,
    isolate_recompiles: bool = False,
    shapes_spec: Any = None,
) -> Any:
    """``model``, a function or a module, with its tensor operations compiled: forward, backward and optimizer steps alike.

    By default every call runs the Python code and records what it asks of tensors; the recording runs as one native
    program, which is looked up by its structure. All of Python is allowed. Reading a value (``item``, ``if t:``,
    ``print``) runs what is recorded so far and goes on. A function that was found to do nothing in Python that would show
    (no printing, no counters, no values read) stops running Python after a few equal calls: its state is compared, and
    the program runs.
    A function whose operations are few and on small arrays, and that reads values on the way or does something else in Python,
    runs eagerly after 16 such calls, which is quicker than recording it; one call in 256 is recorded to see whether that
    still holds.

    Args:
        fullgraph: record once for each signature (shapes, dtypes, grad mode, values of other arguments) and then run only the
            program, without the Python code. Reading a value while recording raises ``RuntimeError`` with the line;
            ``item()`` gives a number that can be computed with and returned. Changes of Python's state by the function raise
            (what it only adds once, as to a cache, does not); changes of the state that it reads (flags, numbers, lists,
            attributes) lead to a new recording.
        options: {"replay": False} runs the Python code on every call whatever it does; other options and the arguments that
            are not listed here are accepted for PyTorch programs: there is one way of compiling.
        backend: "inductor" compiles; "eager" runs as it is; None is what ``compiler.set_default_backend`` chose, "inductor"
            unless it was called.
        disable: return ``model`` as it is.

    Also a decorator, with or without arguments. Results equal those of eager mode to rounding.
    Raises ``RuntimeError`` for an unknown mode, and ``TypeError`` for a model that can't be called.

    Example:
        >>> import rushlight as torch
        >>> @torch.compile
        ... def f(x):
        ...     return (x.sin() ** 2 + x.cos() ** 2).sum()
        >>> f(torch.ones(4))
        tensor(4.)
    """
    if mode not in _MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {sorted(m for m in _MODES if m)}")
    if mode is not None and options is not None:
        raise RuntimeError(
            "Either mode or options can be specified, but both can't be specified at the same time."
        )
    if backend is None:
        backend = _default_backend[0]
    if isinstance(backend, str) and backend not in _BACKENDS:
        raise RuntimeError(f"Invalid backend: {backend!r}; known are {sorted(_BACKENDS)}")
    if model is None:
        return lambda function: compile(
            function,
            fullgraph=fullgraph,
            dynamic=dynamic,
            backend=backend,
            mode=mode,
            options=options,
            disable=disable,
        )
    if not callable(model):
        raise TypeError(f"compile(): expected a function or a module, got {type(model).__name__}")
    optimized = getattr(model, "_optimized", None)
    if disable:
        return model
    if backend == "eager":
        return model if optimized is None else optimized(_as_it_is)
    always_python = options is not None and options.get("replay") is False
    make = _Compilation(fullgraph, always_python)
    return make(model) if optimized is None else optimized(make)


def set_default_backend(backend: str | Callable[..., Any] | None) -> None:
    """Say what ``compile`` uses where no ``backend`` is given; None: "inductor" again.

    Example:
        >>> from rushlight.jit.compile import get_default_backend, set_default_backend
        >>> set_default_backend("eager")
        >>> get_default_backend()
        'eager'
        >>> set_default_backend(None)
    """
    _default_backend[0] = "inductor" if backend is None else backend


def get_default_backend() -> str | Callable[..., Any]:
    """What ``compile`` uses where no ``backend`` is given."""
    return _default_backend[0]


class _Compilation:
    """Compiles functions with given options. A compiled module keeps one, and is pickled with it."""

    def __init__(self, fullgraph: bool, always_python: bool) -> None:
        self.fullgraph = fullgraph
        self.always_python = always_python

    def __call__(self, function: Callable[..., Any]) -> Any:
        return _compiled(function, self.fullgraph, self.always_python)


def _as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _compiled(function: Callable[..., Any], fullgraph: bool, always_python: bool) -> Any:
    run: Any = Static(function) if fullgraph else Recorded(function, always_python=always_python)

    @functools.wraps(function)
    def compiled(*args: Any, **kwargs: Any) -> Any:
        # Inside of vmap tensors hold batches, which have rules instead of programs; and what transforms differentiate twice
        # has to be recorded operation by operation.
        if BATCHES.get() or TRANSFORMED.get():
            return function(*args, **kwargs)
        return run(*args, **kwargs) if IN_FORCE[0] is None else call_by_stance(function, run, args, kwargs)

    compiled._compiled = run  # type: ignore[attr-defined]  # for explain
    return compiled if _watcher is None else _watcher(compiled)


_watcher: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None


def watch(watcher: Callable[[Callable[..., Any]], Callable[..., Any]] | None) -> None:
    """Hand every function that is compiled from now on to ``watcher``, and use what it gives instead; None: no longer."""
    global _watcher
    _watcher = watcher


def is_compiling() -> bool:
    """Whether this thread is inside of a compiled function, which is recorded or (``jit/light.py``) runs eagerly."""
    return getattr(ACTIVE, "tape", None) is not None or getattr(ACTIVE, "light", False)


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """``fn`` run eagerly also where it is called from a compiled function."""
    if fn is None:
        return lambda function: disable(function, recursive, reason=reason)

    @functools.wraps(fn)
    def eager(*args: Any, **kwargs: Any) -> Any:
        tape = getattr(ACTIVE, "tape", None)
        if tape is not None:
            tape.flush()
        return fn(*args, **kwargs)

    return eager


def reset() -> None:
    """Forget all compiled programs of this process."""
    forget()
