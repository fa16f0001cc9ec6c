"""What subclasses of Tensor have: results of their class, and how they are made."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from ..core.storage import LIBRARY
from ..core.tensor import Tensor, init_fields
from ..ops import conversion
from ..ops.dispatch import alias_of
from .state import KINDS, STATE, DisableTorchFunctionSubclass, disabled_torch_function


def _torch_function(
    cls: type[Tensor], func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
) -> Any:
    """``func(*args, **kwargs)`` without asking again; tensors among the results become objects of ``cls``.

    ``NotImplemented`` where one of ``types`` is no base of ``cls``. Overrides call it through ``super()``.
    """
    for kind in types:
        if not issubclass(cls, kind):
            return NotImplemented
    before = STATE.disabled
    STATE.disabled = before or 1
    try:
        result = func(*args, **(kwargs or {}))
        if func in _kept():
            return result
        return _converted(result, cls, (*args, *(kwargs or {}).values()))
    finally:
        STATE.disabled = before


_kept_functions: Final[set[Any]] = set()


def _kept() -> set[Any]:
    """The functions whose results stay what they are."""
    if not _kept_functions:
        for name in ("_base", "grad"):
            _kept_functions.add(vars(Tensor)[name].__get__)
    return _kept_functions


def _converted(value: Any, cls: type[Tensor], given: tuple[Any, ...]) -> Any:
    if isinstance(value, Tensor):
        if isinstance(value, cls) or cls is Tensor:
            return value
        if not any([value is argument for argument in given]) and type(value) is Tensor:
            try:
                value.__class__ = cls  # a fresh result: nobody else has it
                return value
            except TypeError:
                pass  # the subclass has fields of its own in __slots__
        return value.as_subclass(cls)
    if isinstance(value, tuple | list) and any([isinstance(part, Tensor | tuple | list) for part in value]):
        kind: Any = type(value)
        parts = [_converted(part, cls, given) for part in value]
        return kind(*parts) if hasattr(kind, "_make") else kind(parts)
    return value


def _make_subclass(
    cls: type[Tensor], data: Tensor, require_grad: bool = False, *args: Any, **kwargs: Any
) -> Tensor:
    """``data``'s memory, without its history, as an object of ``cls``; asks for a gradient if ``require_grad``."""
    if not isinstance(cls, type) or not issubclass(cls, Tensor):
        raise TypeError(f"cls must be a type (got {type(cls).__name__})")
    _refuse_dispatching(cls)
    if not isinstance(data, Tensor):
        raise TypeError(f"_make_subclass(): argument 'data' must be Tensor, not {type(data).__name__}")
    alias = alias_of(data)
    made: Tensor = object.__new__(cls)
    init_fields(made, alias._array)
    made._storage = alias._storage
    if require_grad:
        with DisableTorchFunctionSubclass():
            made.requires_grad_(True)
    return made


def _make_wrapper_subclass(cls: type[Tensor], *args: Any, **kwargs: Any) -> Tensor:
    """Raises ``NotImplementedError``: a tensor without memory would need a ``__torch_dispatch__``, which no type has here."""
    raise NotImplementedError(
        f"Tensor._make_wrapper_subclass: {cls.__name__} would have no memory of its own and answer for every operation in "
        "__torch_dispatch__, which Rushlight asks of modes alone; use Tensor._make_subclass(cls, data), or a class of your own "
        "with __torch_function__ that holds a tensor"
    )


def as_subclass(self: Tensor, cls: type[Tensor]) -> Tensor:
    """This tensor, sharing memory and history, as an object of the subclass ``cls``.

    Raises ``TypeError`` where ``cls`` is no subclass, ``NotImplementedError`` where it has a ``__torch_dispatch__``.
    """
    _refuse_dispatching(cls)
    return conversion.as_subclass(self, cls)


def _new_unless_dispatching(cls: type[Tensor], *args: Any, **kwargs: Any) -> Tensor:
    _refuse_dispatching(cls)
    return Tensor.__new__(cls, *args, **kwargs)


def _refuse_dispatching(cls: type) -> None:
    """Raise ``NotImplementedError`` for a class whose ``__torch_dispatch__`` would never be asked."""
    own = getattr(cls, "__torch_dispatch__", None)
    if own is not None and own is not disabled_torch_function:
        raise NotImplementedError(
            f"{cls.__name__}.__torch_dispatch__: Rushlight asks modes alone (torch.utils._python_dispatch.TorchDispatchMode), "
            "not types of tensors; give the class a __torch_function__"
        )


def _init_subclass(cls: type[Tensor], **kwargs: Any) -> None:
    """From the first subclass on that is not the library's own, operations ask."""
    super(Tensor, cls).__init_subclass__(**kwargs)
    if "__torch_dispatch__" in vars(cls) and "__new__" not in vars(cls):
        kind: Any = cls
        kind.__new__ = (
            _new_unless_dispatching  # only its objects are refused: libraries define classes that nobody uses
        )
    if not getattr(cls, "__module__", "").startswith("rushlight.") or "__torch_function__" in vars(cls):
        from .calls import start_asking

        start_asking()


def mentions_overrides(code: Any) -> bool:
    """Whether this code, or code inside it, defines a ``__torch_function__``."""
    if "__torch_function__" in code.co_names:
        return True
    return any([mentions_overrides(part) for part in code.co_consts if hasattr(part, "co_consts")])


def program_overrides() -> bool:
    """Whether one of the modules that are being imported just now, the program itself among them, defines a
    ``__torch_function__``. A class that is no Tensor announces itself in no other way before its first call."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if (
            code.co_name == "<module>"
            and not code.co_filename.startswith(LIBRARY)
            and mentions_overrides(code)
        ):
            return True
        frame = frame.f_back
    return False


def install(own: tuple[type, ...]) -> None:
    """Give Tensor what its subclasses inherit. ``own``: the library's subclasses, which override nothing."""
    tensor: Any = Tensor
    tensor.__torch_function__ = classmethod(_torch_function)
    tensor.as_subclass = as_subclass
    tensor._make_subclass = staticmethod(_make_subclass)
    tensor._make_wrapper_subclass = staticmethod(_make_wrapper_subclass)
    hook: Any = _init_subclass
    tensor.__init_subclass__ = classmethod(hook)
    for cls in own:
        kind: Any = cls
        kind.__torch_function__ = staticmethod(disabled_torch_function)
        KINDS.pop(cls, None)
    if program_overrides():
        from .calls import start_asking

        start_asking()
