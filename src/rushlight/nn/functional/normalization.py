"""Normalisation: batch, layer, group, instance, root mean square, local response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.dtypes import LOW_PRECISION, finfo_eps
from ...core.grad_mode import GRAD_MODE
from ...core.history import known_as
from ...core.shapes import Shape, Size, count
from ...core.tensor import Tensor
from ...ops.dispatch import apply, not_implemented
from ...ops.inplace import announce, changed
from ...ops.movement import contiguous, ordered_as, reshape
from ...ops.normalization import SCALE_AND_SHIFT, check_same_dtype, normalize, scaled_by_statistics
from ...runtime.batched import Batched


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
    """Standardises each channel of ``(N, C, …)``, then scales it by ``weight`` and shifts it by ``bias``, both ``(C)``.

    In ``training`` by the batch's own mean and variance, which also move the running ones by ``momentum``; otherwise by the
    running ones. Raises ``ValueError`` in training with a single value for each channel, and ``RuntimeError`` where sizes
    or dtypes do not fit. Ioffe & Szegedy, "Batch normalization", 2015.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.batch_norm(torch.tensor([[1.0], [3.0]]), None, None, training=True, eps=1e-12)
        tensor([[-1.],
                [ 1.]])
    """
    shape = input._array.shape
    if training:
        _verify_batch_size(shape)
        if eps <= 0:
            raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
        if (running_mean is None) != (running_var is None):
            raise ValueError("running_mean and running_var must either both be None or neither be None")
    elif eps < 0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
    if len(shape) < 2:
        if shape == (0,):
            return input.clone()  # type: ignore[no-any-return]
        raise IndexError(
            f"Dimension out of range (expected to be in range of [-1, 0], but got 1): input has shape {list(shape)}"
        )
    channels = shape[1]
    for values in (running_mean, running_var, weight, bias):
        if values is not None and (values._array.size != channels or values._node is not None):
            _check_sizes(
                channels, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
            )
            break
    if input._array.dtype.kind in "biuc":
        raise not_implemented("batch_norm", input._array.dtype)
    check_same_dtype(input, running_mean, running_var)
    if not training:
        return _by_running_statistics(input, running_mean, running_var, weight, bias, eps)
    y, mean, variance = normalize(input, weight, bias, channels, count(shape[2:]), None, eps, "Batch")
    if running_mean is not None and running_var is not None and input._array.size:
        size = input._array.size // channels
        _move(running_mean, mean, momentum)
        _move(running_var, variance, momentum, size / (size - 1))
    return y


def _verify_batch_size(shape: Sequence[int]) -> None:
    if shape[0] == 1 and count(shape[2:]) == 1:
        given = Size(shape) if isinstance(shape, tuple) else shape
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {given}")


def _check_sizes(expected: int, **vectors: Tensor | None) -> None:
    for name, values in vectors.items():
        if values is not None:
            if values._array.size != expected:
                raise RuntimeError(f"{name} should contain {expected} elements not {values._array.size}")
            if values._node is not None and name.startswith("running"):
                raise RuntimeError(
                    f"The function 'native_batch_norm' is not differentiable with respect to argument '{name}'. This input "
                    "cannot have requires_grad True."
                )


def _move(running: Tensor, observed: Tensor, momentum: float, factor: float = 1.0) -> None:
    """Move a running statistic toward the one observed now."""
    old, new = running._array, observed._array
    if (
        type(old) is np.ndarray is type(new) and old.dtype == new.dtype
    ):  # what the operations below would do to them
        storage = announce(running, "batch_norm")
        old *= np.asarray(1 - momentum, old.dtype)
        old += new * np.asarray(momentum * factor, old.dtype)
        changed(running, storage, None)
        return
    token = GRAD_MODE.set(False)
    try:
        if observed._array.dtype != running._array.dtype:
            observed = observed.to(running.dtype)
        if type(observed._array) is Batched and type(running._array) is not Batched:
            raise RuntimeError(
                "Batch norm got a batched tensor as input while the running_mean or running_var, which will be updated in "
                "place, were not batched. If you are using a module and do not need eval mode, please set "
                "`track_running_stats` to be False. If you are using a prebuilt module and do not need eval mode, please see "
                "rushlight.func.replace_all_batch_norm_modules_"
            )
        running.mul_(1 - momentum)
        running.add_(observed, alpha=momentum * factor)
    finally:
        GRAD_MODE.reset(token)


def _by_running_statistics(
    input: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    for name, values in (("running_mean", mean), ("running_var", variance)):
        if values is None:
            raise RuntimeError(f"{name} must be defined in evaluation mode")
    assert mean is not None and variance is not None
    check_same_dtype(input, weight, bias)
    quick = scaled_by_statistics(input, mean, variance, weight, bias, eps)
    if quick is not None:
        return quick
    scale = (_wide(variance) + eps).rsqrt()
    if weight is not None:
        scale = scale * _wide(weight)
    shift = -_wide(mean) * scale if bias is None else _wide(bias) - _wide(mean) * scale
    shape = input._array.shape
    attrs = {"columns": shape[1], "positions": count(shape[2:])}
    return apply(SCALE_AND_SHIFT, (input, scale, shift), attrs)  # type: ignore[no-any-return]


def _wide(values: Tensor) -> Tensor:
    """16-bit numbers as float32, in which they are computed."""
    return values.float() if values._array.dtype in LOW_PRECISION else values


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Standardises over the last dimensions, which are ``normalized_shape``, then scales and shifts element by element.

    Raises ``RuntimeError`` if the input's shape does not end in ``normalized_shape``. Ba, Kiros & Hinton, "Layer
    normalization", 2016.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.layer_norm(torch.tensor([[1.0, 3.0], [5.0, 9.0]]), (2,))
        tensor([[-1.0000,  1.0000],
                [-1.0000,  1.0000]])
    """
    size = count(_last_dimensions("layer_norm", input, normalized_shape, weight, bias))
    return normalize(input, weight, bias, size, 1, size, eps, "Layer")[0]


def _last_dimensions(
    name: str, input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None
) -> Shape:
    if not isinstance(normalized_shape, list | tuple):
        raise TypeError(
            f"{name}(): argument 'normalized_shape' (position 2) must be tuple of ints, not {type(normalized_shape).__name__}"
        )
    shape, wanted = input._array.shape, tuple(normalized_shape)
    if not wanted:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            "normalized_shape = []"
        )
    for operand, values in (("weight", weight), ("bias", bias)):
        if values is not None and values._array.shape != wanted:
            raise RuntimeError(
                f"Expected {operand} to be of same shape as normalized_shape, but got {operand} of shape "
                f"{list(values._array.shape)} and normalized_shape = {list(wanted)}"
            )
    if len(shape) < len(wanted) or shape[len(shape) - len(wanted) :] != wanted:
        raise RuntimeError(
            f"Given normalized_shape={list(wanted)}, expected input with shape [*, {', '.join(map(str, wanted))}], but got "
            f"input of size{list(shape)}"
        )
    return wanted


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Divides by the root of the mean square over the last dimensions, then scales element by element.

    ``eps``, added to the mean square, is the dtype's own unless given. Raises ``RuntimeError`` if the input's shape does
    not end in ``normalized_shape``. Zhang & Sennrich, "Root mean square layer normalization", 2019.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.rms_norm(torch.tensor([3.0, 4.0]), (2,))
        tensor([0.8485, 1.1314])
    """
    wanted = _last_dimensions("rms_norm", input, normalized_shape, weight, None)
    if input._array.dtype.kind in "biu":
        raise not_implemented("rms_norm", input._array.dtype)
    dims = tuple(range(input._array.ndim - len(wanted), input._array.ndim))
    wide = _wide(input)
    small = finfo_eps(wide._array.dtype) if eps is None else eps
    y = wide * ((wide * wide).mean(dims, True) + small).rsqrt()
    if weight is not None:
        y = y * weight
    return y.to(input.dtype)  # type: ignore[no-any-return]


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Standardises each of ``num_groups`` groups of channels of ``(N, C, …)``; scale and shift, ``(C)``, are the channels'.

    Raises ``RuntimeError`` if the groups do not divide the channels. Wu & He, "Group normalization", 2018.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.group_norm(torch.tensor([[1.0, 3.0, 5.0, 9.0]]), 2)
        tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    shape = input._array.shape
    if len(shape) < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {len(shape)}")
    channels = shape[1]
    _verify_batch_size([shape[0] * channels // num_groups, num_groups, *shape[2:]])
    if num_groups < 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if channels % num_groups:
        raise RuntimeError(
            f"Expected number of channels in input to be divisible by num_groups, but got input of shape {list(shape)} and "
            f"num_groups={num_groups}"
        )
    for name, values in (("weight", weight), ("bias", bias)):
        if values is not None and values._array.shape != (channels,):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of shape "
                f"{list(values._array.shape)} and input of shape {list(shape)}"
            )
    positions = count(shape[2:])
    rows = channels // num_groups * positions
    return normalize(input, weight, bias, channels, positions, rows, eps, "Group")[0]


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
    """Standardises every channel of every sample of ``(N, C, …)`` by itself, then scales and shifts by channel.

    With ``use_input_stats=False`` by the running statistics, as ``batch_norm`` does. Raises ``ValueError`` for planes of one
    element. Ulyanov, Vedaldi & Lempitsky, "Instance normalization", 2016.
    """
    shape = input._array.shape
    if use_input_stats:
        if count(shape[2:]) == 1:
            raise ValueError(
                f"Expected more than 1 spatial element when training, got input size {input.shape}"
            )
        if (running_mean is None) != (running_var is None):
            raise ValueError("running_mean and running_var must either both be None or neither be None")
    elif running_mean is None or running_var is None:
        raise RuntimeError(
            "Expected running_mean and running_var to be defined when use_input_stats is false"
        )
    channels = shape[1]
    _check_sizes(channels, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if input._array.dtype.kind in "biuc":
        raise not_implemented("batch_norm", input._array.dtype)
    check_same_dtype(input, running_mean, running_var)
    if not use_input_stats:
        return _by_running_statistics(contiguous(input), running_mean, running_var, weight, bias, eps)
    positions = count(shape[2:])
    # Whatever order the input has in memory, the result is in row-major order, as in PyTorch.
    y, mean, variance = normalize(
        contiguous(input), weight, bias, channels, positions, positions, eps, "Batch"
    )
    if running_mean is not None and running_var is not None:
        samples = shape[0], channels
        factor = positions / (positions - 1) if positions else float("nan")
        _move(running_mean, reshape(mean, samples).mean(0), momentum)
        _move(running_var, reshape(variance, samples).mean(0), momentum, factor)
    return known_as(y, "ViewBackward0")


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divides each element of ``(N, C, …)`` by a power of the mean square over ``size`` neighbouring channels.

    Raises ``ValueError`` for less than 3 dimensions. Krizhevsky, Sutskever & Hinton, "ImageNet classification with deep
    convolutional neural networks", 2012.
    """
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
    return ordered_as(divided, input)
