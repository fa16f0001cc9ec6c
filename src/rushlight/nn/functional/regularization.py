"""Dropout in its forms."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ...core.shapes import Shape
from ...core.tensor import Tensor, make_tensor
from ...ops.dispatch import type_name
from ...ops.placement import tensor_beside
from ...ops.pointwise import add, mul
from ...ops.random import dropout as _dropout, dropout_noise as _noise_for, generator_beside, streams

# SELU's saturation value, -scale * alpha: what alpha dropout puts in place of what it drops.
_SATURATION = 1.7580993408473766


def _check(name: str, input: Any, p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")


def _drops(input: Tensor, p: float, training: bool) -> bool:
    """Whether there is anything to do. Raises ``RuntimeError`` where it can't be done to integers."""
    array = input._array
    if not training or p == 0 or not array.size:
        return False
    if array.dtype.kind in "biu":
        raise RuntimeError(
            f"result type Float can't be cast to the desired output type {type_name(array.dtype)}"
        )
    return True


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """``input`` with each element zeroed with probability ``p`` and the others scaled by ``1 / (1 - p)``.

    Unless ``training`` it comes back as it is. Raises ``ValueError`` for ``p`` outside [0, 1].
    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.

    Example:
        >>> import rushlight as torch
        >>> _ = torch.manual_seed(0)
        >>> torch.nn.functional.dropout(torch.ones(5), 0.5)
        tensor([0., 0., 2., 0., 0.])
    """
    _check("dropout", input, p)
    if not _drops(input, p, training):
        return input
    if not inplace:
        return _dropout(input, p)
    return input.mul_(_noise(input, p))  # type: ignore[no-any-return]


def _noise(input: Tensor, p: float) -> Tensor:
    return make_tensor(_noise_for(input, p))


def _channel_noise(input: Tensor, p: float) -> Tensor:
    shape = input._array.shape
    if len(shape) < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    source = generator_beside(None, input)
    return make_tensor(streams.dropout_noise(source, _channel_shape(shape), input._array.dtype, p))


def _channel_shape(shape: Shape) -> Shape:
    return (*shape[:2], *(1,) * (len(shape) - 2))


def _feature_dropout(input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    if not _drops(input, p, training):
        return input
    noise = _channel_noise(input, p)
    return input.mul_(noise) if inplace else mul(input, noise)  # type: ignore[no-any-return]


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes whole channels of ``(N, C, L)`` or ``(C, L)`` with probability ``p``; scales the others by ``1 / (1 - p)``.

    Raises ``RuntimeError`` for another number of dimensions.
    """
    _check("dropout1d", input, p)
    ndim = input._array.ndim
    if ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {ndim}D input. Note that dropout1d exists to provide "
            "channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional batch dimension "
            "(i.e. 2D or 3D inputs)."
        )
    return (
        _unbatched(input, p, training, inplace)
        if ndim == 2
        else _feature_dropout(input, p, training, inplace)
    )


def _unbatched(input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    batched = input.unsqueeze_(0) if inplace else input.unsqueeze(0)
    result = _feature_dropout(batched, p, training, inplace)
    return result.squeeze_(0) if inplace else result.squeeze(0)  # type: ignore[no-any-return]


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes whole channels of ``(N, C, H, W)`` with probability ``p``; scales the others by ``1 / (1 - p)``.

    Tompson et al., "Efficient object localization using convolutional networks", 2015. A 3-dimensional input counts as
    ``(N, C, L)``, with a warning, as in PyTorch.
    """
    _check("dropout2d", input, p)
    ndim = input._array.ndim
    if ndim not in (3, 4):
        _warn_of_dimensions("dropout2d", ndim, 2)
    if ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired - "
            "input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a future "
            "release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain the 1D "
            "channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _feature_dropout(input, p, training, inplace)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes whole channels of ``(N, C, D, H, W)`` or ``(C, D, H, W)`` with probability ``p``; scales the others."""
    _check("dropout3d", input, p)
    ndim = input._array.ndim
    if ndim not in (4, 5):
        _warn_of_dimensions("dropout3d", ndim, 3)
    return (
        _feature_dropout(input, p, training, inplace)
        if ndim == 5
        else _unbatched(input, p, training, inplace)
    )


def _warn_of_dimensions(name: str, ndim: int, spatial: int) -> None:
    warnings.warn(
        f"{name}: Received a {ndim}-D input to {name}, which is deprecated and will result in an error in a future release. "
        f"To retain the behavior and silence this warning, please use dropout instead. Note that {name} exists to provide "
        f"channel-wise dropout on inputs with {spatial} spatial dimensions, a channel dimension, and an optional batch "
        f"dimension (i.e. {spatial + 1}D or {spatial + 2}D inputs).",
        stacklevel=3,
    )


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps mean 0 and variance 1, for networks of SELUs: dropped elements go to SELU's saturation value.

    Klambauer et al., "Self-normalizing neural networks", 2017.
    """
    _check("alpha_dropout", input, p)
    return _alpha_dropout(input, p, training, inplace, channels=False)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """``alpha_dropout`` of whole channels (dimension 1)."""
    _check("feature_alpha_dropout", input, p)
    return _alpha_dropout(input, p, training, inplace, channels=True)


def _alpha_dropout(input: Tensor, p: float, training: bool, inplace: bool, *, channels: bool) -> Tensor:
    if not _drops(input, p, training):
        return input
    if p == 1:
        zero = tensor_beside(input, np.zeros((), input._array.dtype))
        return input.mul_(zero) if inplace else mul(input, zero)  # type: ignore[no-any-return]
    drawn = (_channel_noise if channels else _noise)(input, p)._array
    chosen = make_tensor((drawn != 0).astype(drawn.dtype))
    scale = 1.0 / math.sqrt((_SATURATION * _SATURATION * p + 1) * (1 - p))
    shift = add(mul(add(chosen, -1), _SATURATION * scale), _SATURATION * scale * p)
    kept = mul(chosen, scale)
    return input.mul_(kept).add_(shift) if inplace else add(mul(input, kept), shift)  # type: ignore[no-any-return]
