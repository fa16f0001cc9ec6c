"""Further layers of ``tf.layers``: three-dimensional and separable convolutions, and pooling of all kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import nn
from .conversion import convert_to_tensor
from .initializers import Zeros
from .ops_windows import avg_pool1d, avg_pool3d, conv3d_transpose as transposed, max_pool1d, max_pool3d
from .variable_scope import get_variable, variable_scope


def _several(value: Any, count: int) -> list[int]:
    return [int(value)] * count if isinstance(value, int) else [int(item) for item in value]


def _layout(data_format: str, spatial: int) -> str:
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            f"The `data_format` argument must be one of 'channels_first', 'channels_last'. Received: {data_format}"
        )
    letters = "DHW"[3 - spatial :]
    return f"NC{letters}" if data_format == "channels_first" else f"N{letters}C"


def _channels(x: Any, layout: str) -> int:
    count = x.shape[1 if layout[1] == "C" else -1].value
    if count is None:
        raise ValueError("The channel dimension of the inputs should be defined. Found `None`.")
    return int(count)


def _with_bias(x: Any, channels: int, layout: str, initializer: Any, trainable: bool) -> Any:
    bias = get_variable("bias", [channels], None, initializer or Zeros(), None, trainable)
    return nn.bias_add(x, bias, "NCHW" if layout[1] == "C" else None)


def conv3d(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: Any = (1, 1, 1),
    activation: Callable[..., Any] | None = None,
    use_bias: bool = True,
    kernel_initializer: Any = None,
    bias_initializer: Any = None,
    kernel_regularizer: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
    **_: Any,
) -> Any:
    """A three-dimensional convolution (batch, depth, height, width, channels) with bias and activation."""
    layout = _layout(data_format, 3)
    with variable_scope(name, default_name="conv3d", reuse=reuse):
        x = convert_to_tensor(inputs)
        size = [*_several(kernel_size, 3), _channels(x, layout), filters]
        kernel = get_variable("kernel", size, None, kernel_initializer, kernel_regularizer, trainable)
        steps, spread = _several(strides, 3), _several(dilation_rate, 3)
        result: Any = nn.conv3d(x, kernel, steps, padding.upper(), layout, spread)
        if use_bias:
            result = _with_bias(result, filters, layout, bias_initializer, trainable)
        return result if activation is None else activation(result)


def conv3d_transpose(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str = "channels_last",
    activation: Callable[..., Any] | None = None,
    use_bias: bool = True,
    kernel_initializer: Any = None,
    bias_initializer: Any = None,
    kernel_regularizer: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
    **_: Any,
) -> Any:
    """The transpose of a three-dimensional convolution, with bias and activation."""
    from .ops_array import shape, stack

    layout = _layout(data_format, 3)
    with variable_scope(name, default_name="conv3d_transpose", reuse=reuse):
        x = convert_to_tensor(inputs)
        sizes, steps = _several(kernel_size, 3), _several(strides, 3)
        kernel_shape = [*sizes, filters, _channels(x, layout)]
        kernel = get_variable("kernel", kernel_shape, None, kernel_initializer, kernel_regularizer, trainable)
        computed = shape(x)
        inner: list[Any] = []
        for i, axis in enumerate((2, 3, 4) if layout[1] == "C" else (1, 2, 3)):
            known = x.shape[axis].value
            extent: Any = computed[axis] if known is None else known
            inner.append(extent * steps[i] + (max(sizes[i] - steps[i], 0) if padding == "valid" else 0))
        batch: Any = computed[0] if x.shape[0].value is None else x.shape[0].value
        to = [batch, filters, *inner] if layout[1] == "C" else [batch, *inner, filters]
        wanted: Any = to if all(isinstance(item, int) for item in to) else stack(to)
        result: Any = transposed(x, kernel, wanted, steps, padding.upper(), layout)
        if use_bias:
            result = _with_bias(result, filters, layout, bias_initializer, trainable)
        return result if activation is None else activation(result)


def separable_conv2d(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: Any = (1, 1),
    depth_multiplier: int = 1,
    activation: Callable[..., Any] | None = None,
    use_bias: bool = True,
    depthwise_initializer: Any = None,
    pointwise_initializer: Any = None,
    bias_initializer: Any = None,
    depthwise_regularizer: Any = None,
    pointwise_regularizer: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
    **_: Any,
) -> Any:
    """Each channel convolved by itself, then mixed, with bias and activation."""
    layout = _layout(data_format, 2)
    with variable_scope(name, default_name="separable_conv2d", reuse=reuse):
        x = convert_to_tensor(inputs)
        channels = _channels(x, layout)
        deep = get_variable(
            "depthwise_kernel",
            [*_several(kernel_size, 2), channels, depth_multiplier],
            None,
            depthwise_initializer,
            depthwise_regularizer,
            trainable,
        )
        mixing = get_variable(
            "pointwise_kernel",
            [1, 1, channels * depth_multiplier, filters],
            None,
            pointwise_initializer,
            pointwise_regularizer,
            trainable,
        )
        steps = _several(strides, 2)
        four = [1, 1, *steps] if layout[1] == "C" else [1, *steps, 1]
        result: Any = nn.separable_conv2d(
            x, deep, mixing, four, padding.upper(), _several(dilation_rate, 2), data_format=layout
        )
        if use_bias:
            result = _with_bias(result, filters, layout, bias_initializer, trainable)
        return result if activation is None else activation(result)


def _pooling(function: Callable[..., Any], spatial: int, default: str, doc: str) -> Callable[..., Any]:
    def public(
        inputs: Any,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str = "channels_last",
        name: str | None = None,
    ) -> Any:
        sizes, steps = _several(pool_size, spatial), _several(strides, spatial)
        layout = _layout(data_format, spatial)
        return function(inputs, sizes, steps, padding.upper(), layout, name or default)

    public.__doc__ = doc
    return public


max_pooling1d = _pooling(
    max_pool1d, 1, "max_pooling1d", "The largest value in each window of (batch, width, channels)."
)
average_pooling1d = _pooling(
    avg_pool1d, 1, "average_pooling1d", "The mean of each window of (batch, width, channels)."
)
max_pooling3d = _pooling(
    max_pool3d,
    3,
    "max_pooling3d",
    "The largest value in each window of (batch, depth, height, width, channels).",
)
average_pooling3d = _pooling(
    avg_pool3d, 3, "average_pooling3d", "The mean of each window of (batch, depth, height, width, channels)."
)


class _Pooling:
    """A pooling layer as an object: ``layer(inputs)``."""

    function: Callable[..., Any]
    variables: list[Any] = []  # noqa: RUF012  (there never are any)

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str = "channels_last",
        name: str | None = None,
        **_: Any,
    ) -> None:
        self._options = pool_size, strides, padding, data_format, name

    def __call__(self, inputs: Any) -> Any:
        return type(self).function(inputs, *self._options)

    apply = __call__


class MaxPooling1D(_Pooling):
    """See :func:`max_pooling1d`."""

    function = staticmethod(max_pooling1d)


class AveragePooling1D(_Pooling):
    """See :func:`average_pooling1d`."""

    function = staticmethod(average_pooling1d)


class MaxPooling2D(_Pooling):
    """See ``tf.layers.max_pooling2d``."""

    function = staticmethod(_pooling(nn.max_pool, 2, "max_pooling2d", ""))


class AveragePooling2D(_Pooling):
    """See ``tf.layers.average_pooling2d``."""

    function = staticmethod(_pooling(nn.avg_pool, 2, "average_pooling2d", ""))


class MaxPooling3D(_Pooling):
    """See :func:`max_pooling3d`."""

    function = staticmethod(max_pooling3d)


class AveragePooling3D(_Pooling):
    """See :func:`average_pooling3d`."""

    function = staticmethod(average_pooling3d)
