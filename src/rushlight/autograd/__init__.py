"""Automatic differentiation: gradients, custom functions, grad modes, checks. See ``engine`` for backward itself."""

from __future__ import annotations

from typing import TYPE_CHECKING as _TYPE_CHECKING

from . import function as function, grad_mode as grad_mode, graph as graph, variable as variable
from .anomaly_mode import detect_anomaly as detect_anomaly, set_detect_anomaly as set_detect_anomaly
from .differentiate import backward as backward, grad as grad
from .function import Function as Function
from .grad_mode import (
    _force_original_view_tracking as _force_original_view_tracking,
    _unsafe_preserve_version_counter as _unsafe_preserve_version_counter,
    enable_grad as enable_grad,
    enforce_grad_layout_policy as enforce_grad_layout_policy,
    inference_mode as inference_mode,
    is_view_replay_enabled as is_view_replay_enabled,
    no_grad as no_grad,
    set_grad_enabled as set_grad_enabled,
    set_multithreading_enabled as set_multithreading_enabled,
)
from .gradcheck import gradcheck as gradcheck, gradgradcheck as gradgradcheck
from .saved_tensors import SavedTensor as SavedTensor
from .variable import Variable as Variable


def kineto_available() -> bool:
    """False: the profiler here is not built on Kineto.

    Example:
        >>> import rushlight as torch
        >>> torch.autograd.kineto_available()
        False
    """
    return False


__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "enforce_grad_layout_policy",
    "forward_ad",
    "function",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
    "variable",
]

if _TYPE_CHECKING:
    from . import forward_ad as forward_ad, functional as functional, profiler as profiler
else:
    from ..missing import on_first_use as _on_first_use

    __getattr__, __dir__ = _on_first_use(
        __name__,
        {"forward_ad": ".forward_ad", "functional": ".functional"},
        {"profiler": ".profiler", "torch": ".."},
    )
