"""Checks that libraries make through ``torch._assert`` and ``torch._check``: an error unless a condition holds."""

from __future__ import annotations

from typing import Any

from .core.tensor import Tensor

_UNSAID = (
    "Expected cond to be True, but got False. (Could this error message be improved? If so, please report an "
    "enhancement request to PyTorch.)"
)


def assert_true(condition: Any, message: Any) -> Any:
    """``assert condition, message``, as a function. A condition with a ``__torch_function__`` that is no tensor is asked."""
    if not isinstance(condition, bool | Tensor) and hasattr(type(condition), "__torch_function__"):
        from .overrides import handle_torch_function

        return handle_torch_function(assert_true, (condition,), condition, message)
    if not condition:
        raise AssertionError(message)
    return None


assert_true.__name__ = assert_true.__qualname__ = "_assert"  # as torch._assert, which graphs of calls show


def assert_async(input: Tensor, assert_msg: str | None = None) -> None:
    """``RuntimeError`` unless the one element of a tensor is not zero."""
    if input._array.size != 1:
        kind = "more than one value is" if input._array.size else "no values is"
        raise RuntimeError(f"Boolean value of Tensor with {kind} ambiguous")
    if not input.item():
        raise RuntimeError(assert_msg or "Expected Tensor with single nonzero value, but got zero")


def check_with(error_type: type[Exception], cond: Any, message: Any = None) -> None:
    """Raise ``error_type`` with ``message()`` unless ``cond``, a bool, is True. ``TypeError`` for another condition."""
    if isinstance(cond, Tensor):
        raise TypeError(
            "cond must be a bool, but got a Tensor. For tensor conditions, use torch._check_tensor_all() to assert "
            "that all elements are true."
        )
    if not isinstance(cond, bool):
        raise TypeError(f"cond must be a bool, but got {type(cond)}")
    if cond:
        return
    if message is None:
        raise error_type(_UNSAID)
    if not callable(message):
        raise TypeError("message must be a callable")
    raise error_type(str(message()))


def check(cond: Any, message: Any = None) -> None:
    """``RuntimeError`` unless ``cond`` is True."""
    check_with(RuntimeError, cond, message)


def check_index(cond: Any, message: Any = None) -> None:
    """``IndexError`` unless ``cond`` is True."""
    check_with(IndexError, cond, message)


def check_value(cond: Any, message: Any = None) -> None:
    """``ValueError`` unless ``cond`` is True."""
    check_with(ValueError, cond, message)


def check_type(cond: Any, message: Any = None) -> None:
    """``TypeError`` unless ``cond`` is True."""
    check_with(TypeError, cond, message)


def check_not_implemented(cond: Any, message: Any = None) -> None:
    """``NotImplementedError`` unless ``cond`` is True."""
    check_with(NotImplementedError, cond, message)


def check_is_size(i: Any, message: Any = None, *, max: int | None = None) -> None:
    """``RuntimeError`` unless ``i`` is at least 0, and at most ``max``."""
    check(bool(i >= 0 and (max is None or i <= max)), message)


def check_tensor_all_with(error_type: type[Exception], cond: Any, message: Any = None) -> None:
    """Raise ``error_type`` unless all elements of a bool tensor are True."""
    if not isinstance(cond, Tensor):
        raise TypeError(f"cond must be a tensor, but got {type(cond)}")
    if cond._array.dtype.kind != "b":
        raise TypeError(f"cond tensor must have dtype torch.bool, but got {cond.dtype}")
    check_with(error_type, bool(cond.all().item()), message)


def check_tensor_all(cond: Any, message: Any = None) -> None:
    """``RuntimeError`` unless all elements of a bool tensor are True."""
    check_tensor_all_with(RuntimeError, cond, message)


def shape_as_tensor(input: Tensor) -> Tensor:
    """A tensor's shape, as a tensor of int64."""
    from .ops.creation import tensor

    return tensor(list(input.shape))
