"""Convolution and pooling with TensorFlow's layouts (NHWC or NCHW) and its "SAME" and "VALID" padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl
import rushlight.nn.functional as F

from .conversion import convert_to_tensor, numbers_of, shape_argument
from .graph import Tensor, node
from .shape_rules import windows
from .tensor_shape import UNKNOWN, TensorShape


def _padding(padding: Any) -> str:
    text = str(padding).upper()
    if text not in ("SAME", "VALID"):
        raise ValueError(f"padding is {padding!r}; it must be 'SAME' or 'VALID'")
    return text


def _per_axis(values: Any, spatial: int, channels_first: bool, name: str) -> list[int]:
    """The numbers for the spatial axes, from one number, one for each of them, or one for each axis of the input."""
    if isinstance(values, int):
        return [values] * spatial
    numbers = [int(value) for value in values]
    if len(numbers) == 1:
        return numbers * spatial
    if len(numbers) == spatial:
        return numbers
    if len(numbers) != spatial + 2:
        raise ValueError(f"{name} is {list(values)}; it must have {spatial} or {spatial + 2} numbers")
    inner = numbers[2:] if channels_first else numbers[1:-1]
    if numbers[0] != 1 or numbers[1 if channels_first else -1] != 1:
        raise ValueError(
            f"Current implementation does not yet support {name} in the batch and depth dimensions."
        )
    return inner


def same_padding(
    extents: Sequence[int], sizes: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[int]:
    """What "SAME" adds, as ``pad`` takes it (last axis first). An odd number of elements has the extra one at the end."""
    amounts: list[int] = []
    for extent, size, stride, dilation in zip(extents, sizes, strides, dilations, strict=True):
        reach = (size - 1) * dilation + 1
        total = max((-(-extent // stride) - 1) * stride + reach - extent, 0)
        amounts = [total // 2, total - total // 2, *amounts]
    return amounts


def _channels_first(x: Any, is_first: bool) -> Any:
    return x if is_first else rl.movedim(x, -1, 1)


def _as_given(x: Any, is_first: bool) -> Any:
    return x if is_first else rl.movedim(x, 1, -1)


def _spatial_shape(
    x: Tensor,
    is_first: bool,
    sizes: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    padding: str,
    channels: int | None,
) -> TensorShape:
    extents = x.shape.extents
    if extents is None:
        return UNKNOWN
    if len(extents) != len(sizes) + 2:
        raise ValueError(
            f"Shape must be rank {len(sizes) + 2} but is rank {len(extents)}: the input has shape {x.shape}"
        )
    inner = extents[2:] if is_first else extents[1:-1]
    counts = []
    for extent, size, stride, dilation in zip(inner, sizes, strides, dilations, strict=True):
        if padding == "VALID" and extent is not None and extent < (size - 1) * dilation + 1:
            raise ValueError(
                f"Negative dimension size caused by subtracting {(size - 1) * dilation + 1} from {extent}: the window does not "
                f"fit in the input of shape {x.shape} with 'VALID' padding"
            )
        counts.append(windows(extent, size, stride, padding, dilation))
    return TensorShape([extents[0], channels, *counts] if is_first else [extents[0], *counts, channels])


def _convolution(spatial: int, function: Callable[..., Any], kind: str) -> Callable[..., Tensor]:
    default = ("NWC", "NHWC", "NDHWC")[spatial - 1]

    def convolve(
        input: Any,
        filter: Any,
        strides: Any,
        padding: Any,
        data_format: str | None,
        dilations: Any,
        name: str | None,
    ) -> Tensor:
        x, kernel_tensor = convert_to_tensor(input), convert_to_tensor(filter)
        if x.dtype is not kernel_tensor.dtype:
            raise TypeError(
                f"Input 'filter' of '{kind}' Op has type {kernel_tensor.dtype.name} that does not match type {x.dtype.name} of "
                "argument 'input'."
            )
        is_first = (data_format or default)[1] == "C"
        steps = _per_axis(strides, spatial, is_first, "strides")
        spread = _per_axis(1 if dilations is None else dilations, spatial, is_first, "dilations")
        border = _padding(padding)
        filters = kernel_tensor.shape.extents
        groups = 1
        known = UNKNOWN
        if filters is not None:
            if len(filters) != spatial + 2:
                raise ValueError(
                    f"Shape must be rank {spatial + 2} but is rank {len(filters)}: the filter of {kind}"
                )
            channels = x.shape.extents[1 if is_first else -1] if x.shape.extents else None
            if channels is not None and filters[-2] is not None and channels % filters[-2]:
                raise ValueError(
                    f"Depth of input ({channels}) is not a multiple of input depth of filter ({filters[-2]}) for '{kind}'"
                )
            if channels and filters[-2]:
                groups = channels // filters[-2]
            if None not in filters[:-2]:
                known = _spatial_shape(
                    x, is_first, [int(f or 0) for f in filters[:-2]], steps, spread, border, filters[-1]
                )

        def kernel(value: Any, weight: Any) -> Any:
            value = _channels_first(value, is_first)
            weight = rl.permute(weight, (spatial + 1, spatial, *range(spatial)))
            before: Any = 0
            if border == "SAME":
                amounts = same_padding(value.shape[2:], weight.shape[2:], steps, spread)
                if amounts[::2] == amounts[1::2]:
                    before = amounts[::-2]
                elif any(amounts):
                    value = F.pad(value, amounts)
            return _as_given(function(value, weight, None, steps, before, spread, groups), is_first)

        attributes = {"strides": steps, "padding": border}
        return node(kind, kernel, [x, kernel_tensor], x.dtype, known, name, attributes=attributes)

    return convolve


_conv1d = _convolution(1, rl.conv1d, "Conv1D")
_conv2d = _convolution(2, rl.conv2d, "Conv2D")
_conv3d = _convolution(3, rl.conv3d, "Conv3D")


def conv2d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """Convolve ``input`` (batch, height, width, channels) with ``filter`` (height, width, in channels, out channels).

    Args:
        strides: one number, two, or four, of which those for batch and channels must be 1.
        padding: "SAME": ceil(extent / stride) results, the border filled with zeros; "VALID": windows inside only.
        data_format: "NHWC" or "NCHW".

    Raises:
        ValueError: if the channels do not fit or a window is larger than the input.
    """
    return _conv2d(
        input, filters if filter is None else filter, strides, padding, data_format, dilations, name
    )


def conv1d(
    value: Any = None,
    filters: Any = None,
    stride: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool | None = None,
    data_format: str | None = None,
    name: str | None = None,
    input: Any = None,
    dilations: Any = None,
) -> Tensor:
    """Convolve (batch, width, channels) with a filter (width, in channels, out channels)."""
    return _conv1d(input if value is None else value, filters, stride, padding, data_format, dilations, name)


def conv3d(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NDHWC",
    dilations: Any = 1,
    name: str | None = None,
) -> Tensor:
    """Convolve (batch, depth, height, width, channels) with a filter (depth, height, width, in channels, out channels)."""
    return _conv3d(input, filter, strides, padding, data_format, dilations, name)


def depthwise_conv2d(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
) -> Tensor:
    """Convolve each channel by itself with ``filter`` (height, width, channels, multiplier)."""
    from .ops_array import reshape

    weight = convert_to_tensor(filter)
    height, width, channels, multiplier = weight.shape.as_list()
    if None in (height, width, channels, multiplier):
        raise ValueError(f"depthwise_conv2d: the filter's shape {weight.shape} must be fully defined")
    joined = reshape(weight, [height, width, 1, (channels or 0) * (multiplier or 0)])
    return _conv2d(input, joined, strides, padding, data_format, rate, name or "depthwise")


def conv2d_transpose(
    value: Any = None,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: Any = "SAME",
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """The transpose of :func:`conv2d`: ``filter`` is (height, width, out channels, in channels)."""
    x, weights = convert_to_tensor(input if value is None else value), convert_to_tensor(filter)
    is_first = data_format[1] == "C"
    steps = _per_axis(strides, 2, is_first, "strides")
    border = _padding(padding)
    numbers, computed, known = shape_argument(output_shape)

    def kernel(small: Any, weight: Any, *run_time: Any) -> Any:
        extents = numbers_of(run_time[0]) if run_time else list(numbers or ())
        inner = extents[2:] if is_first else extents[1:3]
        small = _channels_first(small, is_first)
        weight = rl.permute(weight, (3, 2, 0, 1))
        full = rl.conv_transpose2d(small, weight, None, steps)
        cut = same_padding(inner, weight.shape[2:], steps, (1, 1)) if border == "SAME" else [0, 0, 0, 0]
        for axis, extent, before in ((2, inner[0], cut[2]), (3, inner[1], cut[0])):
            missing = before + extent - full.shape[axis]
            if missing > 0:  # rows that no window reached
                full = F.pad(full, (0, missing) if axis == 3 else (0, 0, 0, missing))
            full = full.narrow(axis, before, extent)
        return _as_given(full, is_first)

    inputs = [x, weights] if computed is None else [x, weights, computed]
    return node("Conv2DBackpropInput", kernel, inputs, x.dtype, known, name or "conv2d_transpose")


def _pooling(kind: str, doc: str) -> Callable[..., Tensor]:
    def public(
        value: Any = None,
        ksize: Any = None,
        strides: Any = None,
        padding: Any = None,
        data_format: str = "NHWC",
        name: str | None = None,
        input: Any = None,
    ) -> Tensor:
        x = convert_to_tensor(input if value is None else value)
        is_first = data_format[1] == "C"
        sizes = _per_axis(ksize, 2, is_first, "ksize")
        steps = _per_axis(strides, 2, is_first, "strides")
        border = _padding(padding)
        extents = x.shape.extents
        channels = None if extents is None else extents[1 if is_first else -1]
        known = _spatial_shape(x, is_first, sizes, steps, (1, 1), border, channels)

        def kernel(tensor: Any) -> Any:
            tensor = _channels_first(tensor, is_first)
            amounts = same_padding(tensor.shape[2:], sizes, steps, (1, 1)) if border == "SAME" else [0] * 4
            if kind == "MaxPool":
                if any(amounts):
                    tensor = F.pad(tensor, amounts, value=float("-inf"))
                return _as_given(F.max_pool2d(tensor, sizes, steps), is_first)
            if not any(amounts):
                return _as_given(F.avg_pool2d(tensor, sizes, steps), is_first)
            # Only what is inside counts in a mean: the border's share is divided out.
            inside = F.pad(rl.ones((1, 1, *tensor.shape[2:]), dtype=tensor.dtype), amounts)
            means = F.avg_pool2d(F.pad(tensor, amounts), sizes, steps)
            return _as_given(means / F.avg_pool2d(inside, sizes, steps), is_first)

        return node(kind, kernel, [x], x.dtype, known, name)

    public.__doc__ = doc
    return public


max_pool = _pooling(
    "MaxPool",
    "The largest value in each window; ``ksize`` and ``strides`` have four numbers, as the input has axes.",
)
avg_pool = _pooling("AvgPool", "The mean of each window; what padding adds does not count.")
