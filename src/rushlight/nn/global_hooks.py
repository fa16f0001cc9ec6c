"""Hooks that every module runs: on calls, in backward, and when parts of a module are registered."""

from __future__ import annotations

from typing import Any, Final

from ..core.history import RemovableHandle

Hooks = dict[int, Any]
FORWARD_PRE: Final[Hooks] = {}
FORWARD: Final[Hooks] = {}
FORWARD_WITH_KWARGS: Final[Hooks] = {}
FORWARD_ALWAYS_CALLED: Final[Hooks] = {}
BACKWARD: Final[Hooks] = {}
BACKWARD_PRE: Final[Hooks] = {}
# Whether the hooks in BACKWARD are full ones; None before the first one.
KIND: Final[dict[str, bool | None]] = {"full": None}
REGISTRATION: Final[dict[str, Hooks]] = {"buffer": {}, "module": {}, "parameter": {}}


def register_module_forward_pre_hook(hook: Any) -> RemovableHandle:
    """Call ``hook(module, args)`` before every module's ``forward``; what it returns replaces the arguments."""
    return RemovableHandle(FORWARD_PRE, hook)


def register_module_forward_hook(
    hook: Any, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after every module's ``forward``; what it returns replaces the output.

    With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``; with ``always_call`` also where an error was raised.
    """
    handle = RemovableHandle(FORWARD, hook, (FORWARD_WITH_KWARGS, FORWARD_ALWAYS_CALLED))
    if with_kwargs:
        FORWARD_WITH_KWARGS[handle.id] = True
    if always_call:
        FORWARD_ALWAYS_CALLED[handle.id] = True
    return handle


def register_module_full_backward_hook(hook: Any) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` in every module's backward."""
    _choose(full=True)
    return RemovableHandle(BACKWARD, hook)


def register_module_backward_hook(hook: Any) -> RemovableHandle:
    """The older form: ``hook`` sees the gradients of the operation that made the result, which need not be the module's.

    Raises ``RuntimeError`` where ``register_module_full_backward_hook`` was used before.
    """
    _choose(full=False)
    return RemovableHandle(BACKWARD, hook)


def _choose(*, full: bool) -> None:
    if KIND["full"] is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. Please use only one of "
            "them."
        )
    KIND["full"] = full


def register_module_full_backward_pre_hook(hook: Any) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` before every module's backward."""
    return RemovableHandle(BACKWARD_PRE, hook)


def register_module_module_registration_hook(hook: Any) -> RemovableHandle:
    """Call ``hook(module, name, child)`` whenever a module gets a child; what it returns takes the child's place."""
    return RemovableHandle(REGISTRATION["module"], hook)


def register_module_parameter_registration_hook(hook: Any) -> RemovableHandle:
    """Call ``hook(module, name, parameter)`` whenever a module gets a parameter; what it returns takes its place."""
    return RemovableHandle(REGISTRATION["parameter"], hook)


def register_module_buffer_registration_hook(hook: Any) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` whenever a module gets a buffer; what it returns takes its place."""
    return RemovableHandle(REGISTRATION["buffer"], hook)


def registered(kind: str, module: Any, name: str, value: Any) -> Any:
    """``value`` after the registration hooks saw it."""
    for hook in REGISTRATION[kind].values():
        changed = hook(module, name, value)
        if changed is not None:
            value = changed
    return value
