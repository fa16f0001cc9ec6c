"""Memory formats of convolution weights: accepted; NumPy's strides say how a weight lies in memory."""

from __future__ import annotations

from typing import Any

from ..module import Module


def convert_conv2d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """``module``, unchanged: results do not depend on the memory format."""
    return module


def convert_conv3d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """``module``, unchanged: results do not depend on the memory format."""
    return module
