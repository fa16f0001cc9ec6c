"""Normalisation: batch, layer, group, instance, root mean square, local response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.dtypes import finfo_eps
from ...core.grad_mode import GRAD_MODE
from ...core.shapes import count
from ...core.tensor import Tensor
from ...ops.movement import reshape
from ...ops.normalization import standardize


def _per_channel(values: Tensor, ndim: int) -> Tensor:
    return reshape(values, (1, -1, *(1,) * (ndim - 2)))


def _affine(y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """``input`` (N, C, …) with each channel standardised, by the batch's statistics in training (the running ones are
    updated with ``momentum``) and by the running ones otherwise; then scaled and shifted.

    Raises ``ValueError`` in training with a single value for each channel. Ioffe & Szegedy, 2015.
    """
    shape = input._array.shape
    ndim = len(shape)
    for name, values in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)):
        if values is not None and values._array.size != shape[1]:
            raise RuntimeError(f"{name} should contain {shape[1]} elements not {values._array.size}")
    shaped_weight = None if weight is None else _per_channel(weight, ndim)
    shaped_bias = None if bias is None else _per_channel(bias, ndim)
    if training:
        size = count(shape) // shape[1] if shape[1] else 0
        if size == 1:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(shape)}")
        y, mean, variance = standardize(input, (0, *range(2, ndim)), eps)
        token = GRAD_MODE.set(False)
        try:
            if running_mean is not None:
                running_mean.mul_(1 - momentum).add_(reshape(mean, (-1,)).to(running_mean.dtype), alpha=momentum)
            if running_var is not None:
                unbiased = reshape(variance, (-1,)) * (size / (size - 1) if size > 1 else float("nan"))
                running_var.mul_(1 - momentum).add_(unbiased.to(running_var.dtype), alpha=momentum)
        finally:
            GRAD_MODE.reset(token)
        return _affine(y, shaped_weight, shaped_bias)
    if running_mean is None or running_var is None:
        raise RuntimeError("Expected running_mean and running_var to be defined when training=False")
    inverse = (_per_channel(running_var, ndim) + eps).rsqrt()
    mean = _per_channel(running_mean, ndim)
    scale = inverse if shaped_weight is None else inverse * shaped_weight
    shift = -mean * scale if shaped_bias is None else shaped_bias - mean * scale
    return (input * scale + shift).to(input.dtype)  # type: ignore[no-any-return]


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """``input`` standardised over its last dimensions ``normalized_shape``, then scaled and shifted.

    Raises ``RuntimeError`` if the shape does not end in ``normalized_shape``. Ba, Kiros & Hinton, "Layer
    Normalization", 2016.
    """
    axes = _last_dimensions(input, normalized_shape, weight, bias)
    return _affine(standardize(input, axes, eps)[0], weight, bias)


def _last_dimensions(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None
) -> tuple[int, ...]:
    shape, wanted = input._array.shape, tuple(normalized_shape)
    if not wanted:
        raise RuntimeError("Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element")
    for name, values in (("weight", weight), ("bias", bias)):
        if values is not None and values._array.shape != wanted:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{list(values._array.shape)} and normalized_shape = {list(wanted)}"
            )
    if shape[len(shape) - len(wanted) :] != wanted or len(shape) < len(wanted):
        raise RuntimeError(
            f"Given normalized_shape={list(wanted)}, expected input with shape [*, {', '.join(map(str, wanted))}], but got "
            f"input of size{list(shape)}"
        )
    return tuple(range(len(shape) - len(wanted), len(shape)))


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """``input`` divided by the root of its mean square over the last dimensions, then scaled.

    Zhang & Sennrich, "Root Mean Square Layer Normalization", 2019. ``eps`` is the dtype's unless given.
    """
    axes = _last_dimensions(input, normalized_shape, weight, None)
    wide = input.float() if input.dtype.itemsize == 2 and input.dtype.is_floating_point else input
    small = finfo_eps(wide._array.dtype) if eps is None else eps
    y = (wide * (wide * wide).mean(axes, True).add(small).rsqrt()).to(input.dtype)
    return y if weight is None else y * weight  # type: ignore[no-any-return]


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """``input`` (N, C, …) standardised over groups of channels, then scaled and shifted by channel.

    Raises ``RuntimeError`` if the groups do not divide the channels. Wu & He, "Group Normalization", 2018.
    """
    shape = input._array.shape
    if len(shape) < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {len(shape)}")
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if shape[1] % num_groups:
        raise RuntimeError(
            f"Expected number of channels in input to be divisible by num_groups, but got input of shape {list(shape)} and "
            f"num_groups={num_groups}"
        )
    for name, values in (("weight", weight), ("bias", bias)):
        if values is not None and values._array.shape != (shape[1],):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of shape "
                f"{list(values._array.shape)} and input of shape {list(shape)}"
            )
    rest = count(shape[1:]) // num_groups
    grouped = reshape(input, (shape[0], num_groups, rest))
    y = reshape(standardize(grouped, (2,), eps)[0], shape)
    return _affine(
        y,
        None if weight is None else _per_channel(weight, len(shape)),
        None if bias is None else _per_channel(bias, len(shape)),
    )


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """``input`` (N, C, …) with every channel of every sample standardised by itself. Ulyanov et al., 2016."""
    shape = input._array.shape
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    size = count(shape[2:])
    if size <= 1 and len(shape) > 2:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {list(shape)}")
    y, mean, variance = standardize(input, tuple(range(2, len(shape))), eps)
    token = GRAD_MODE.set(False)
    try:
        if running_mean is not None:
            running_mean.mul_(1 - momentum).add_(reshape(mean.mean(0), (-1,)), alpha=momentum)
        if running_var is not None:
            unbiased = reshape(variance.mean(0), (-1,)) * (size / (size - 1))
            running_var.mul_(1 - momentum).add_(unbiased, alpha=momentum)
    finally:
        GRAD_MODE.reset(token)
    return _affine(
        y,
        None if weight is None else _per_channel(weight, len(shape)),
        None if bias is None else _per_channel(bias, len(shape)),
    )


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """``input`` divided by a power of the mean square of ``size`` neighbouring channels. Krizhevsky et al., 2012."""
    from .padding import pad
    from .pooling import avg_pool2d

    shape = input._array.shape
    if len(shape) < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {len(shape)} dimensions)")
    if not input._array.size:
        return input
    squares = reshape(input * input, (shape[0], 1, shape[1], -1))
    padded = pad(squares, (0, 0, size // 2, (size - 1) // 2))
    means = reshape(avg_pool2d(padded, (size, 1), 1), shape)
    divided: Any = input / (means * alpha + k) ** beta
    return divided  # type: ignore[no-any-return]
