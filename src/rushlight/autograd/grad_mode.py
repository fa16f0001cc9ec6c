"""Whether operations are recorded: ``no_grad``, ``enable_grad``, ``set_grad_enabled``, ``inference_mode``.

Each is a context manager and a decorator (of functions and of generator functions). The modes belong to the context of
execution: every thread starts with recording on, and asyncio tasks have their own.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..core.grad_mode import GRAD_MODE, INFERENCE_MODE
from ..core.storage import InferenceStorage
from ..core.tensor import MARKING, Tensor, storage_of

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled", "set_multithreading_enabled"]


class _Mode:
    """A context manager that is also a decorator; one object may be entered again while it is active."""

    _previous: Any = None  # what was before the last entry, and the same of the entries before it

    def _fresh(self) -> _Mode:
        """Another one like this, for one call of a decorated function."""
        return type(self)()

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, *exc: object) -> None:
        raise NotImplementedError

    def __call__(self, function: Any) -> Any:
        if isinstance(function, type):
            import warnings

            warnings.warn(
                "Decorating classes is deprecated and will be disabled in future versions. You should only decorate "
                "functions or methods. To preserve the current behavior of class decoration, you can directly decorate the "
                "`__init__` method and nothing else.",
                FutureWarning,
                stacklevel=2,
            )
            return _within(self._fresh, _calling(function))
        if inspect.isgeneratorfunction(function):
            return _stepping_within(self._fresh, function)
        return _within(self._fresh, function)


def _calling(cls: Any) -> Callable[..., Any]:
    """A function in place of a class: what is decorated is how instances are made."""

    @functools.wraps(cls, updated=())
    def make(*args: Any, **kwargs: Any) -> Any:
        return cls(*args, **kwargs)

    return make


def _within(fresh: Callable[[], _Mode], function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with fresh():
            return function(*args, **kwargs)

    return call


def _stepping_within(fresh: Callable[[], _Mode], function: Callable[..., Any]) -> Callable[..., Any]:
    """The mode holds while the generator runs, not between its steps."""

    @functools.wraps(function)
    def drive(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        step: Callable[[Any], Any] = generator.send
        given: Any = None
        while True:
            try:
                with fresh():
                    result = step(given)
            except StopIteration as stop:
                return stop.value
            try:
                given = yield result
                step = generator.send
            except GeneratorExit:
                with fresh():
                    generator.close()
                raise
            except BaseException as error:  # thrown into us: it is the generator's
                step, given = generator.throw, error

    return drive


class _GradMode(_Mode):
    """Sets grad mode on entry; ``@no_grad`` works without parentheses, too."""

    _recording = False

    def __new__(cls, function: Any = None) -> Any:
        self = object.__new__(cls)
        return self if function is None else self(function)

    def __enter__(self) -> None:
        self._previous = (GRAD_MODE.get(), self._previous)
        GRAD_MODE.set(self._recording and not INFERENCE_MODE.get())

    def __exit__(self, *exc: object) -> None:
        previous, self._previous = self._previous
        GRAD_MODE.set(previous)


class no_grad(_GradMode):
    """Within this context nothing is recorded: results do not require grad. Also a decorator.

    Example:
        >>> import rushlight as torch
        >>> x = torch.ones(1, requires_grad=True)
        >>> with torch.no_grad():
        ...     (x * 2).requires_grad
        False
        >>> @torch.no_grad()
        ... def double(x):
        ...     return x * 2
        >>> double(x).requires_grad
        False
    """


class enable_grad(_GradMode):
    """Within this context operations are recorded, also inside ``no_grad``. Also a decorator.

    Example:
        >>> import rushlight as torch
        >>> x = torch.ones(1, requires_grad=True)
        >>> with torch.no_grad(), torch.enable_grad():
        ...     (x * 2).requires_grad
        True
    """

    _recording = True


class set_grad_enabled(_Mode):
    """Turn recording on or off, at once; as a context manager it is put back at the end. Also a decorator.

    Raises ``TypeError`` unless ``mode`` is a bool.

    Example:
        >>> import rushlight as torch
        >>> x = torch.ones(1, requires_grad=True)
        >>> with torch.set_grad_enabled(False):
        ...     (x * 2).requires_grad
        False
    """

    def __init__(self, mode: bool) -> None:
        if mode is not True and mode is not False:
            raise TypeError(
                f"set_grad_enabled(): argument 'enabled' (position 1) must be bool, not {type(mode).__name__}"
            )
        self.prev = GRAD_MODE.get()
        self.mode = mode
        GRAD_MODE.set(mode and not INFERENCE_MODE.get())

    def _fresh(self) -> _Mode:
        return set_grad_enabled(self.mode)

    def __enter__(self) -> None:
        GRAD_MODE.set(self.mode and not INFERENCE_MODE.get())

    def __exit__(self, *exc: object) -> None:
        GRAD_MODE.set(self.prev)

    def __call__(self, function: Any) -> Any:
        GRAD_MODE.set(self.prev)  # decorating is not entering
        return super().__call__(function)

    def __str__(self) -> str:
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self.mode})"

    __repr__ = __str__


class enforce_grad_layout_policy(_Mode):
    """Whether a leaf's gradient gets the leaf's order of memory: accepted, in force at once and within the context. Gradients
    always get it.

    Example:
        >>> import rushlight as torch
        >>> with torch.autograd.enforce_grad_layout_policy(False):
        ...     torch.ones(1, requires_grad=True).backward()
    """

    def __init__(self, enable: bool = True) -> None:
        self.enable = enable

    def _fresh(self) -> _Mode:
        return enforce_grad_layout_policy(self.enable)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        pass


class set_multithreading_enabled(_Mode):
    """Whether backward may use several threads: accepted, in force at once and within the context; backward runs in the
    thread that calls it either way.

    Example:
        >>> import rushlight as torch
        >>> with torch.autograd.set_multithreading_enabled(False):
        ...     torch.ones(1, requires_grad=True).backward()
    """

    _enabled = True

    def __init__(self, mode: bool) -> None:
        self.prev = set_multithreading_enabled._enabled
        self.mode = mode
        set_multithreading_enabled._enabled = mode

    def _fresh(self) -> _Mode:
        return set_multithreading_enabled(self.mode)

    def __enter__(self) -> None:
        set_multithreading_enabled._enabled = self.mode

    def __exit__(self, *exc: object) -> None:
        set_multithreading_enabled._enabled = self.prev


class _unsafe_preserve_version_counter(_Mode):
    """Within this context changes in place of these tensors are not counted, so backward does not notice them."""

    def __init__(self, tensors: Tensor | tuple[Tensor, ...]) -> None:
        self.tensors = (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
        self.versions = [tensor._version for tensor in self.tensors]

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        for tensor, version in zip(self.tensors, self.versions, strict=True):
            storage_of(tensor).version = version


class _force_original_view_tracking(_Mode):
    """Accepted: a view that was changed in place always gets the history of the view operation itself."""

    _enabled = False

    def __init__(self, mode: bool) -> None:
        self.prev = _force_original_view_tracking._enabled
        self.mode = mode
        _force_original_view_tracking._enabled = mode

    def _fresh(self) -> _Mode:
        return _force_original_view_tracking(self.mode)

    def __enter__(self) -> None:
        _force_original_view_tracking._enabled = self.mode

    def __exit__(self, *exc: object) -> None:
        _force_original_view_tracking._enabled = self.prev


def is_view_replay_enabled() -> bool:
    """What ``_force_original_view_tracking`` was given."""
    return _force_original_view_tracking._enabled


class inference_mode(_Mode):
    """Within this context nothing is recorded and nothing counts versions; what is made in it stays out of autograd.

    Results are *inference tensors*: outside they can be read, but neither saved for backward nor changed in place nor made
    to require grad (``RuntimeError``); ``clone()`` makes a normal tensor of one. ``inference_mode(False)`` leaves the mode
    within. Also a decorator.

    Example:
        >>> import rushlight as torch
        >>> x = torch.ones(1, requires_grad=True)
        >>> with torch.inference_mode():
        ...     y = x * 2
        >>> y.requires_grad, y.is_inference()
        (False, True)
    """

    mode: bool

    def __new__(cls, mode: Any = True) -> Any:
        self = object.__new__(cls)
        if isinstance(mode, bool):
            self.mode = mode
            return self
        self.mode = True
        return self(mode)

    def _fresh(self) -> _Mode:
        return inference_mode(self.mode)  # type: ignore[no-any-return]

    def __enter__(self) -> None:
        self._previous = ((GRAD_MODE.get(), INFERENCE_MODE.get()), self._previous)
        if self.mode:
            MARKING.turn_on()
        GRAD_MODE.set(not self.mode)
        INFERENCE_MODE.set(self.mode)

    def __exit__(self, *exc: object) -> None:
        (grad, inference), self._previous = self._previous
        GRAD_MODE.set(grad)
        INFERENCE_MODE.set(inference)
        if self.mode:
            MARKING.turn_off()


def is_inference(input: Tensor) -> bool:
    """Whether ``input`` was made in inference mode.

    Example:
        >>> import rushlight as torch
        >>> torch.is_inference(torch.ones(1))
        False
    """
    return isinstance(input._storage, InferenceStorage)


METHODS: dict[str, Any] = {"is_inference": is_inference}
