"""Further convolutions and poolings of ``tf.nn``: dilated, separable, three-dimensional, with places, morphological."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import rushlight as rl
import rushlight.nn.functional as F

from . import dtypes
from .conversion import convert_to_tensor, numbers_of, shape_argument
from .graph import Tensor, name_scope, node
from .ops_conv import (
    _as_given,
    _channels_first,
    _padding,
    _per_axis,
    _spatial_shape,
    avg_pool,
    conv1d,
    conv2d,
    conv2d_transpose,
    conv3d,
    depthwise_conv2d,
    max_pool,
    same_padding,
)
from .tensor_shape import UNKNOWN


def atrous_conv2d(value: Any, filters: Any, rate: int, padding: str, name: str | None = None) -> Tensor:
    """A convolution whose filter has ``rate - 1`` holes between its elements."""
    return conv2d(value, filters, [1, 1, 1, 1], padding, dilations=[1, rate, rate, 1], name=name)


def atrous_conv2d_transpose(
    value: Any, filters: Any, output_shape: Any, rate: int, padding: str, name: str | None = None
) -> Tensor:
    """The transpose of :func:`atrous_conv2d`, for ``rate`` 1."""
    if rate != 1:
        raise NotImplementedError("atrous_conv2d_transpose: only rate 1 is available")
    return conv2d_transpose(value, filters, output_shape, [1, 1, 1, 1], padding, name=name)


def separable_conv2d(
    input: Any,
    depthwise_filter: Any,
    pointwise_filter: Any,
    strides: Any,
    padding: str,
    rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """Each channel convolved by itself, then mixed by ``pointwise_filter`` (1, 1, channels · multiplier, out)."""
    with name_scope(name, "separable_conv2d"):
        deep = depthwise_conv2d(
            input, depthwise_filter, strides, padding, rate or dilations, data_format=data_format
        )
        return conv2d(deep, pointwise_filter, [1, 1, 1, 1], "VALID", data_format=data_format or "NHWC")


def convolution(
    input: Any,
    filter: Any = None,
    padding: str = "VALID",
    strides: Any = None,
    dilation_rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """A convolution over one, two or three axes, as the filter has."""
    weights = convert_to_tensor(filters if filter is None else filter)
    spatial = (weights.shape.ndims or 0) - 2
    if spatial not in (1, 2, 3):
        raise ValueError(f"convolution: the filter has shape {weights.shape}; its rank must be 3, 4 or 5")
    steps = [1] * spatial if strides is None else list(strides)
    given = dilations if dilation_rate is None else dilation_rate
    spread = [1] * spatial if given is None else list(given)
    if spatial == 1:
        return conv1d(input, weights, steps, padding, data_format=data_format, dilations=spread, name=name)
    if spatial == 2:
        return conv2d(input, weights, steps, padding, True, data_format or "NHWC", spread, name)
    return conv3d(input, weights, steps, padding, data_format or "NDHWC", spread, name)


def conv3d_transpose(
    value: Any,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: str = "SAME",
    data_format: str = "NDHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
) -> Tensor:
    """The transpose of ``conv3d``: the filter is (depth, height, width, out channels, in channels)."""
    x = convert_to_tensor(input if value is None else value)
    weights = convert_to_tensor(filters if filter is None else filter)
    is_first = data_format[1] == "C"
    steps = _per_axis(strides, 3, is_first, "strides")
    border = _padding(padding)
    numbers, computed, known = shape_argument(output_shape)

    def kernel(small: Any, weight: Any, *run_time: Any) -> Any:
        extents = numbers_of(run_time[0]) if run_time else list(numbers or ())
        inner = extents[2:] if is_first else extents[1:4]
        small = _channels_first(small, is_first)
        weight = rl.permute(weight, (4, 3, 0, 1, 2))
        full = rl.conv_transpose3d(small, weight, None, steps)
        cut = same_padding(inner, weight.shape[2:], steps, (1, 1, 1)) if border == "SAME" else [0] * 6
        for i, extent in enumerate(inner):
            axis, before = i + 2, cut[2 * (2 - i)]
            missing = before + extent - full.shape[axis]
            if missing > 0:
                full = F.pad(full, [0, 0] * (4 - axis) + [0, missing])
            full = full.narrow(axis, before, extent)
        return _as_given(full, is_first)

    inputs = [x, weights] if computed is None else [x, weights, computed]
    return node("Conv3DBackpropInputV2", kernel, inputs, x.dtype, known, name or "conv3d_transpose")


def _pooling(kind: str, spatial: int, default: str, doc: str) -> Callable[..., Tensor]:
    def public(
        input: Any = None,
        ksize: Any = None,
        strides: Any = None,
        padding: Any = None,
        data_format: str | None = None,
        name: str | None = None,
        value: Any = None,
    ) -> Tensor:
        x = convert_to_tensor(value if input is None else input)
        is_first = (data_format or default)[1] == "C"
        sizes = _per_axis(ksize, spatial, is_first, "ksize")
        steps = _per_axis(strides, spatial, is_first, "strides")
        border, ones = _padding(padding), (1,) * spatial
        extents = x.shape.extents
        channels = None if extents is None else extents[1 if is_first else -1]
        known = _spatial_shape(x, is_first, sizes, steps, ones, border, channels)
        largest = {1: F.max_pool1d, 3: F.max_pool3d}[spatial]
        mean = {1: F.avg_pool1d, 3: F.avg_pool3d}[spatial]

        def kernel(tensor: Any) -> Any:
            tensor = _channels_first(tensor, is_first)
            amounts = [0] * (2 * spatial)
            if border == "SAME":
                amounts = same_padding(tensor.shape[2:], sizes, steps, ones)
            if kind == "MaxPool":
                if any(amounts):
                    tensor = F.pad(tensor, amounts, value=float("-inf"))
                return _as_given(largest(tensor, sizes, steps), is_first)
            if not any(amounts):
                return _as_given(mean(tensor, sizes, steps), is_first)
            inside = F.pad(rl.ones((1, 1, *tensor.shape[2:]), dtype=tensor.dtype), amounts)
            means = mean(F.pad(tensor, amounts), sizes, steps)
            return _as_given(means / mean(inside, sizes, steps), is_first)

        return node(f"{kind}{spatial}D", kernel, [x], x.dtype, known, name)

    public.__doc__ = doc
    return public


max_pool3d = _pooling(
    "MaxPool", 3, "NDHWC", "The largest value in each window of (batch, depth, height, width, channels)."
)
avg_pool3d = _pooling(
    "AvgPool", 3, "NDHWC", "The mean of each window of (batch, depth, height, width, channels)."
)
max_pool1d = _pooling("MaxPool", 1, "NWC", "The largest value in each window of (batch, width, channels).")
avg_pool1d = _pooling("AvgPool", 1, "NWC", "The mean of each window of (batch, width, channels).")
max_pool2d, avg_pool2d = max_pool, avg_pool


def pool(
    input: Any,
    window_shape: Any,
    pooling_type: str,
    padding: str,
    dilation_rate: Any = None,
    strides: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """Pooling of ``pooling_type`` "MAX" or "AVG" over as many axes as ``window_shape`` has."""
    if any(int(rate) != 1 for rate in (dilation_rate or dilations or ())):
        raise NotImplementedError("pool: dilated windows are not available")
    spatial = len(window_shape)
    steps = [1] * spatial if strides is None else list(strides)
    functions = {
        "MAX": (max_pool1d, max_pool, max_pool3d),
        "AVG": (avg_pool1d, avg_pool, avg_pool3d),
    }
    if pooling_type not in functions:
        raise ValueError(f"pool: pooling_type is {pooling_type!r}; it must be 'MAX' or 'AVG'")
    layout = data_format or ("NWC", "NHWC", "NDHWC")[spatial - 1]
    return functions[pooling_type][spatial - 1](input, list(window_shape), steps, padding, layout, name)


def max_pool_with_argmax(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str = "NHWC",
    Targmax: Any = None,
    name: str | None = None,
    output_dtype: Any = None,
    include_batch_in_index: bool = False,
) -> Any:
    """The largest value in each window and its place in the flattened entry ``(y · width + x) · channels + c``, int64."""
    x = convert_to_tensor(input)
    sizes, steps = _per_axis(ksize, 2, False, "ksize"), _per_axis(strides, 2, False, "strides")
    border = _padding(padding)
    channels = None if x.shape.extents is None else x.shape.extents[-1]
    known = _spatial_shape(x, False, sizes, steps, (1, 1), border, channels)

    def kernel(value: Any) -> tuple[Any, ...]:
        tensor = rl.movedim(value, -1, 1)
        batch, depth, height, width = tensor.shape
        amounts = same_padding((height, width), sizes, steps, (1, 1)) if border == "SAME" else [0] * 4
        if any(amounts):
            tensor = F.pad(tensor, amounts, value=float("-inf"))
        found, index = F.max_pool2d(tensor, sizes, steps, return_indices=True)
        row = rl.floor_divide(index, tensor.shape[3]) - amounts[2]
        column = index % tensor.shape[3] - amounts[0]
        channel = rl.arange(depth).reshape(1, depth, 1, 1)
        place = (row * width + column) * depth + channel
        if include_batch_in_index:
            place = place + rl.arange(batch).reshape(batch, 1, 1, 1) * (height * width * depth)
        return rl.movedim(found, 1, -1), rl.movedim(place, 1, -1)

    results = [(x.dtype, known), (dtypes.int64, known)]
    op = x.graph.create_op("MaxPoolWithArgmax", [x], results, kernel, name=name)
    return namedtuple("MaxPoolWithArgmax", ["output", "argmax"])(*op.outputs)


def _morphology(kind: str, doc: str) -> Callable[..., Tensor]:
    def public(
        input: Any = None,
        filter: Any = None,
        strides: Any = None,
        rates: Any = None,
        padding: str = "SAME",
        name: str | None = None,
        value: Any = None,
        kernel: Any = None,
    ) -> Tensor:
        x = convert_to_tensor(value if input is None else input)
        weights = convert_to_tensor(kernel if filter is None else filter, x.dtype)
        steps, spread = _per_axis(strides, 2, False, "strides"), _per_axis(rates, 2, False, "rates")
        border = _padding(padding)
        filters = weights.shape.extents
        known = UNKNOWN
        if filters is not None and None not in filters:
            sizes = [int(extent or 0) for extent in filters[:2]]
            known = _spatial_shape(x, False, sizes, steps, spread, border, filters[2])
        sign = 1 if kind == "Dilation2D" else -1

        def compute(tensor: Any, weight: Any) -> Any:
            if sign < 0:
                weight = rl.flip(weight, (0, 1))
            tensor = rl.movedim(sign * tensor, -1, 1)
            rows, columns, depth = weight.shape
            if border == "SAME":
                amounts = same_padding(tensor.shape[2:], (rows, columns), steps, spread)
                tensor = F.pad(tensor, amounts, value=float("-inf"))
            counts = [
                (extent - (size - 1) * rate - 1) // step + 1
                for extent, size, rate, step in zip(
                    tensor.shape[2:], (rows, columns), spread, steps, strict=True
                )
            ]
            best: Any = None
            for i in range(rows):
                for j in range(columns):
                    part = tensor[
                        :,
                        :,
                        i * spread[0] : i * spread[0] + (counts[0] - 1) * steps[0] + 1 : steps[0],
                        j * spread[1] : j * spread[1] + (counts[1] - 1) * steps[1] + 1 : steps[1],
                    ]
                    part = part + weight[i, j].reshape(1, depth, 1, 1)
                    best = part if best is None else rl.maximum(best, part)
            return rl.movedim(sign * best, 1, -1)

        return node(kind, compute, [x, weights], x.dtype, known, name)

    public.__doc__ = doc
    return public


dilation2d = _morphology(
    "Dilation2D",
    "The largest sum of input and filter in each window: grey-scale dilation, with a filter (height, width, channels).",
)
erosion2d = _morphology(
    "Erosion2D", "The least difference of input and filter in each window: grey-scale erosion."
)


def fused_batch_norm(
    x: Any,
    scale: Any,
    offset: Any,
    mean: Any = None,
    variance: Any = None,
    epsilon: float = 0.001,
    data_format: str = "NHWC",
    is_training: bool = True,
    name: str | None = None,
    exponential_avg_factor: float = 1.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch normalization over all axes but the channels: ``(result, mean, variance)``.

    When training, mean and variance are the batch's, and the variance that is returned is divided by n - 1; otherwise they
    are the given ones.
    """
    value = convert_to_tensor(x)
    is_first = data_format == "NCHW"
    factor, shift = convert_to_tensor(scale), convert_to_tensor(offset)
    given = [] if is_training else [convert_to_tensor(mean), convert_to_tensor(variance)]

    def kernel(v: Any, gamma: Any, beta: Any, *running: Any) -> tuple[Any, ...]:
        v = _channels_first(v, is_first)
        axes = [axis for axis in range(v.ndim) if axis != 1]
        lift = (1, -1, *[1] * (v.ndim - 2))
        if running:
            center, spread = running
            outgoing = spread
        else:
            count = v.numel() // v.shape[1]
            center = rl.mean(v, axes)
            spread = rl.var(v, axes, correction=0)
            outgoing = spread * (count / max(count - 1, 1))
        scaled = gamma * rl.rsqrt(spread + epsilon)
        result = (v - center.reshape(lift)) * scaled.reshape(lift) + beta.reshape(lift)
        return _as_given(result, is_first), center.clone(), outgoing.clone()

    channels = factor.shape
    results = [(value.dtype, value.shape), (factor.dtype, channels), (factor.dtype, channels)]
    op = value.graph.create_op(
        "FusedBatchNormV3", [value, factor, shift, *given], results, kernel, name=name or "FusedBatchNorm"
    )
    return op.outputs[0], op.outputs[1], op.outputs[2]
