"""``torch._prims_common``: the few of PyTorch's rules for shapes and layouts that programs ask for by name."""

from __future__ import annotations

from typing import Any

from .core.memory_order import suggests_channels_last
from .core.tensor import Tensor
from .missing import lazily as _lazily
from .ops.memory_formats import channels_last, channels_last_3d, contiguous_format, is_contiguous


def suggest_memory_format(x: Tensor) -> Any:
    """The memory format in which operations on ``x`` give their results: channels-last if its strides are in that order.

    Example:
        >>> import rushlight as torch
        >>> from rushlight._prims_common import suggest_memory_format
        >>> suggest_memory_format(torch.ones(1, 2, 3, 4).to(memory_format=torch.channels_last))
        torch.channels_last
    """
    if x.is_sparse or not suggests_channels_last(x._array):
        return contiguous_format
    return channels_last if x.dim() == 4 else channels_last_3d


def is_contiguous_for_memory_format(a: Tensor, *, memory_format: Any) -> bool:
    """``a.is_contiguous(memory_format=memory_format)``."""
    return is_contiguous(a, memory_format)


def is_channels_last_contiguous(a: Tensor) -> bool:
    """Whether ``a`` lies densely in memory in channels-last order, of images or of volumes."""
    return is_contiguous(a, channels_last) or is_contiguous(a, channels_last_3d)


# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
