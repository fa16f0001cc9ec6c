"""The check of ``out=`` for operations that read their inputs while they write."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from ..core.shapes import Shape, count
from ..core.tensor import Tensor
from .conversion import memory_root


def check_apart(out: Any, shape: Shape, *arrays: Any) -> None:
    """Raise ``RuntimeError`` if ``out`` shares memory with one of ``arrays``, or would once it has ``shape``.

    No tensor, or other than plain memory, passes. An ``out`` of another shape is resized in its memory where that suffices.
    """
    if not isinstance(out, Tensor) or not isinstance(out._array, np.ndarray):
        return
    target = out._array
    start, end = byte_bounds(target)
    if target.shape != shape:
        resized = start + count(shape) * target.itemsize
        root = memory_root(target)
        if isinstance(root, np.ndarray) and resized <= byte_bounds(root)[1]:
            end = max(end, resized)
    for array in arrays:
        if isinstance(array, np.ndarray):
            low, high = byte_bounds(array)
            if array is target or (array.size and low < end and start < high):
                raise RuntimeError(
                    "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single "
                    "memory location. Please clone() the tensor before performing the operation."
                )
