"""Convolutions so small that what is done around their arithmetic takes most of the time.

The windows of all samples fit a processor's cache: they are packed by one copy and multiplied by one call. Everything
that depends on shapes alone is found once for a kind of call and kept.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..core.shapes import Shape, count
from .conv_tiles import Window, overlap

Array = NDArray[Any]
# Elements of all windows. Beyond, tiles and a packing chosen for the shape gain more than they cost.
_LARGEST: Final = 32_768


class _Packing:
    """How the windows of an input of one shape become columns: (samples, channels · kernel, positions)."""

    __slots__ = ("columns", "of", "stage", "steps", "to", "windows")

    def __init__(self, shape: Shape, window: Window, itemsize: int) -> None:
        kernel, stride, padding, dilation, output, _ = window
        extents = [
            (o - 1) * s + (k - 1) * d + 1 for o, s, k, d in zip(output, stride, kernel, dilation, strict=True)
        ]
        befores = [before for before, _ in padding]
        source = shape
        # The shape of the input with its zeros, where it needs some or is cropped.
        self.stage: Shape | None = None
        if any(befores) or any([extent > size for extent, size in zip(extents, shape[2:], strict=True)]):
            source = self.stage = (*shape[:2], *extents)
            places = [overlap(*sizes) for sizes in zip(befores, extents, shape[2:], strict=True)]
            both = (slice(None), slice(None))
            self.to = (*both, *[to for to, _ in places])
            self.of = (*both, *[of for _, of in places])
        strides = [itemsize] * len(source)
        for i in range(len(source) - 2, -1, -1):
            strides[i] = strides[i + 1] * source[i + 1]
        along = strides[2:]
        self.windows = (*shape[:2], *kernel, *output)
        self.steps = (
            *strides[:2],
            *[step * d for step, d in zip(along, dilation, strict=True)],
            *[step * s for step, s in zip(along, stride, strict=True)],
        )
        self.columns = (shape[0], shape[1] * count(kernel), count(output))

    def of_input(self, x: Array) -> Array:
        """The columns of ``x``."""
        if self.stage is not None:
            stage = np.zeros(self.stage, x.dtype)
            stage[self.to] = x[self.of]
            x = stage
        elif not x.flags.c_contiguous:
            x = np.ascontiguousarray(x)
        # A tenth of the time of as_strided; the reshape makes the copy.
        return np.ndarray(self.windows, x.dtype, x, 0, self.steps).reshape(self.columns)


_packing = lru_cache(maxsize=512)(_Packing)


def is_small(x: Array, window: Window) -> bool:
    """Whether the functions here take a convolution of ``x``."""
    return (
        window.groups == 1
        and 0 < x.size * count(window.kernel) * count(window.output) <= _LARGEST * count(x.shape[2:])
        and x.dtype.isbuiltin == 1
    )


def forward(x: Array, w: Array, window: Window) -> Array:
    """``conv_forward`` for arguments known to fit; ``w`` is contiguous."""
    columns = _packing(x.shape, window, x.itemsize).of_input(x)
    products: Array = np.matmul(w.reshape(len(w), columns.shape[1]), columns)
    return products.reshape(len(x), len(w), *window.output)


def weight_gradient(g: Array, x: Array, window: Window) -> Array:
    """``conv_weight_gradient`` for arguments known to fit; ``g`` is contiguous."""
    columns = _packing(x.shape, window, x.itemsize).of_input(x)
    given = g.reshape(len(g), g.shape[1], columns.shape[2])
    if len(g) == 1:
        total = given[0].dot(columns[0].T)
    else:
        total = np.add.reduce(np.matmul(given, columns.swapaxes(1, 2)), 0, x.dtype)
    return total.reshape(g.shape[1], x.shape[1], *window.kernel)  # type: ignore[no-any-return]
