"""The few names of PyTorch's C++ module that libraries call without need. There is no C++ here."""  # noqa: N999

from __future__ import annotations

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
