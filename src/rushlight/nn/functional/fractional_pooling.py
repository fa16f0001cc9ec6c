"""Fractional max pooling: windows whose positions are drawn at random.

Source: B. Graham, "Fractional max-pooling", 2014 (overlapping, pseudorandom).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.dtypes import FLOATS
from ...core.tensor import Tensor
from ...ops.batching import for_each_example
from ...ops.dispatch import not_implemented
from ...ops.extrema import max as max_of
from ...ops.movement import reshape, squeeze, unsqueeze
from ...ops.placement import tensor_beside
from ...ops.random import rand
from ...ops.scattering import gather
from ...runtime.batched import Batched


def _many(value: Any, dims: int, name: str) -> tuple[int, ...]:
    many = (value,) * dims if isinstance(value, int) else tuple(value)
    if len(many) != dims:
        raise RuntimeError(f"{name} must either be a single int, or a tuple of {dims} ints")
    return many


def _starts(sample: float, extent: int, count: int, window: int) -> np.ndarray[Any, Any]:
    """Where the windows begin along one dimension."""
    if count == 1:
        return np.array([extent - window])
    step = (extent - window) / (count - 1)
    starts = ((np.arange(count) + sample) * step).astype(np.int64) - int(sample * step)
    starts[-1] = extent - window
    return starts


_AXES = ("time", "height", "width")


def _pool(
    input: Tensor,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    samples: Tensor | None,
    dims: int,
) -> tuple[Tensor, Tensor]:
    name = f"fractional_max_pool{dims}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    shape = input._array.shape
    if len(shape) not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"{name}: expected {dims + 1}D or {dims + 2}D input, but got a tensor of {len(shape)} dimensions"
        )
    window = _many(kernel_size, dims, "kernel_size")
    if output_size is None:
        ratios = (output_ratio,) * dims if isinstance(output_ratio, float | int) else tuple(output_ratio)
        if len(ratios) != dims:
            raise ValueError(f"{name} requires output_ratio to either be a single Int or tuple of Ints.")
        output_size = [int(n * ratio) for n, ratio in zip(shape[-dims:], ratios, strict=True)]
    counts = _many(output_size, dims, "output_size")
    if 0 in shape[1:]:
        raise RuntimeError(f"{name}: expected input with non-zero dimensions, but got sizes {list(shape)}")
    for axis, extent, k, n in zip(_AXES[-dims:], shape[-dims:], window, counts, strict=True):
        if n < 1 or k < 1 or n + k - 1 > extent:
            raise RuntimeError(
                f"{name}(): pool {axis} {k} too large relative to input {axis} {extent}: {n} windows do not fit; input sizes "
                f"{list(shape)}"
            )
    if input._array.dtype not in FLOATS:
        raise not_implemented(f"{name}_out", input._array.dtype)
    single = len(shape) == dims + 1
    if single:
        input = unsqueeze(input, 0)
    batch, channels = input._array.shape[:2]
    if samples is None:
        samples = rand(batch, channels, dims, dtype=input.dtype, device=input.device)
    if type(samples._array) is Batched:
        result, places = for_each_example(_pool, (input, window, counts, None, samples, dims))
        return (squeeze(result, 0), squeeze(places, 0)) if single else (result, places)
    drawn = np.asarray(samples.tolist()).reshape(samples._array.shape)
    if drawn.ndim != 3:
        raise RuntimeError(f"Expect _random_samples to have 3 dimensions, got {drawn.ndim}")
    if drawn.shape[0] < batch:
        raise RuntimeError(
            f"Expect _random_samples.size(0) no less then input batch size {batch}; got {drawn.shape[0]}"
        )
    for dim, extent, what in ((1, channels, "input channel size"), (2, dims, str(dims))):
        if drawn.shape[dim] != extent:
            raise RuntimeError(
                f"Expect _random_samples.size({dim}) equals to {what}; got {drawn.shape[dim]}."
            )
    index = tensor_beside(input, _elements(drawn, input._array.shape, window, counts))
    # One gather along each image, not one of each window from a copy of its whole image: that would take gigabytes.
    flat = reshape(input, (batch, channels, int(np.prod(input._array.shape[2:]))))
    windows = reshape(
        gather(flat, 2, reshape(index, (batch, channels, int(np.prod(index._array.shape[2:]))))),
        index._array.shape,
    )
    best = max_of(windows, 3, True)
    places = gather(index, 3, best.indices)
    result = reshape(best.values, (batch, channels, *counts))
    places = reshape(places, (batch, channels, *counts))
    return (squeeze(result, 0), squeeze(places, 0)) if single else (result, places)


def _elements(
    drawn: np.ndarray[Any, Any], shape: Sequence[int], window: Sequence[int], counts: Sequence[int]
) -> np.ndarray[Any, Any]:
    """(N, C, windows, elements of a window): the elements' numbers in their image."""
    batch, channels, *extents = shape
    dims = len(extents)
    index = np.empty((batch, channels, int(np.prod(counts)), int(np.prod(window))), np.int64)
    for i in range(batch):
        for j in range(channels):
            total: Any = 0
            for d in range(dims):
                # In two dimensions the first number is for the last dimension, in three for the first.
                sample = float(drawn[i, j, dims - 1 - d if dims == 2 else d])
                starts = _starts(sample, extents[d], counts[d], window[d])
                along = starts[:, None] + np.arange(window[d])
                spread = [1] * (2 * dims)
                spread[d], spread[dims + d] = counts[d], window[d]
                total = total * extents[d] + along.reshape(spread)
            index[i, j] = total.reshape(index.shape[2:])
    return index


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """``fractional_max_pool2d``, and where in its image each maximum was."""
    return _pool(input, kernel_size, output_size, output_ratio, _random_samples, 2)


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """``fractional_max_pool3d``, and where in its volume each maximum was."""
    return _pool(input, kernel_size, output_size, output_ratio, _random_samples, 3)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The maxima of windows at random positions in ``input`` (N, C, H, W) or (C, H, W), ``output_size`` of them.

    ``output_ratio``: the size of the output as a part of the input's. ``_random_samples`` (N, C, 2): the numbers in [0, 1)
    that place the windows, drawn if None. Raises ``ValueError`` without a size, ``RuntimeError`` if the windows do not fit.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.fractional_max_pool2d(torch.ones(1, 1, 6, 6), 2, output_size=3).shape
        torch.Size([1, 1, 3, 3])
    """
    pair = _pool(input, kernel_size, output_size, output_ratio, _random_samples, 2)
    return pair if return_indices else pair[0]


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """As ``fractional_max_pool2d``, for volumes (N, C, D, H, W) or (C, D, H, W)."""
    pair = _pool(input, kernel_size, output_size, output_ratio, _random_samples, 3)
    return pair if return_indices else pair[0]
