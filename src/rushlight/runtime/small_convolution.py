"""Convolutions so small that what is done around their arithmetic takes most of the time.

The windows of all samples fit a processor's cache: they are packed by one copy and multiplied by one call. Everything
that depends on shapes alone is found once for a kind of call and kept.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
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


@lru_cache(maxsize=256)
def _sources(spatial: Shape, window: Window) -> tuple[Array, bool]:
    """For each position of a convolution's input, the products of kernel elements and output positions that add up there, by
    their places among all of them: (positions, as many as the most have), filled up with the place behind the last one. And
    whether there is such filling."""
    kernel, stride, padding, dilation, output, _ = window
    along = []  # for each dimension and position: the pairs of a kernel element and an output position
    for size, k, s, (before, _), d, o in zip(spatial, kernel, stride, padding, dilation, output, strict=True):
        pairs: list[list[tuple[int, int]]] = [[] for _ in range(size)]
        for i, t in product(range(k), range(o)):
            position = t * s - before + i * d
            if 0 <= position < size:
                pairs[position].append((i, t))
        along.append(pairs)
    positions = count(output)
    found = []
    for each in product(*along):
        places = []
        for pair in product(*each):
            element = place = 0
            for (i, t), k, o in zip(pair, kernel, output, strict=True):
                element, place = element * k + i, place * o + t
            places.append(element * positions + place)
        found.append(places)
    most = max(map(len, found))
    last = count(kernel) * positions
    index = np.array([places + [last] * (most - len(places)) for places in found], np.int64)
    return index, any([len(places) < most for places in found])


def input_gradient(g: Array, w: Array, spatial: Shape, window: Window) -> Array | None:
    """``conv_input_gradient`` for arguments known to fit, ``g`` and ``w`` contiguous; None where these are not small: one
    product, and each position's terms gathered and added up."""
    samples, channels = len(g), w.shape[1]
    products = count(window.kernel) * count(window.output)
    if (
        window.groups > 1
        or not 0 < samples * channels * products <= _LARGEST
        or not 0 < count(spatial) <= 2 * products
        or not w.size
        or g.dtype.isbuiltin != 1
        or g.dtype.kind != "f"
    ):
        return None
    index, filled = _sources(spatial, window)
    columns = np.matmul(w.reshape(len(w), -1).T, g.reshape(samples, len(w), -1)).reshape(-1, products)
    if not index.shape[1]:
        return np.zeros((samples, channels, *spatial), g.dtype)
    if filled:
        room = np.zeros((len(columns), products + 1), g.dtype)
        room[:, :products] = columns
        columns = room
    terms = columns.take(index, 1)
    total: Array = (
        terms[..., 0] if index.shape[1] == 1 else np.matmul(terms, np.ones(index.shape[1], g.dtype))
    )
    return total.reshape(samples, channels, *spatial)
