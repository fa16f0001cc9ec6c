"""The few names of PyTorch's C++ module that libraries call without need. There is no C++ here."""  # noqa: N999

from __future__ import annotations

from typing import Any

from .core.device import get_default_device
from .core.tensor import Tensor
from .ops.batching import ACTIVE
from .ops.conversion import parse_to
from .overriding.state import (
    DisableTorchFunction as DisableTorchFunction,
    DisableTorchFunctionSubclass as DisableTorchFunctionSubclass,
    disabled_torch_function as _disabled_torch_function_impl,
)

__all__ = ["DisableTorchFunction", "DisableTorchFunctionSubclass", "_disabled_torch_function_impl"]


def _log_api_usage_once(*args: object) -> None:
    """Accepted and without effect: nothing is logged."""


def _get_tracing_state() -> None:
    """None: nothing is being traced."""


def _get_default_device() -> str:
    """The name of the device that factory functions use."""
    return str(get_default_device())


def _are_functorch_transforms_active() -> bool:
    """Whether a function is being mapped by ``vmap`` now."""
    return bool(ACTIVE.get())


class _TensorMeta(type(Tensor)):  # type: ignore[misc]
    """A metaclass for classes whose ``isinstance`` is their own."""


class _nn:
    """Functions of ``torch._C._nn``; those of ``nn.functional`` are there too."""

    @staticmethod
    def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, Any, bool, Any]:
        """What the arguments of ``to`` ask for: device, dtype, whether not to wait, and memory format."""
        order = kwargs.get("memory_format")
        waits = bool(kwargs.get("non_blocking", args[2] if len(args) > 2 else False))
        target, _, where = parse_to(args, dict(kwargs))
        return where, target, waits, order
