"""``tf.layers``: layers that make their variables, as functions and as objects that can be called several times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import nn
from .control_flow import cond
from .conversion import convert_to_tensor
from .graph import GraphKeys, Tensor, get_default_graph
from .initializers import Ones, Zeros
from .layers_windows import (
    AveragePooling1D as AveragePooling1D,
    AveragePooling2D as AveragePooling2D,
    AveragePooling3D as AveragePooling3D,
    MaxPooling1D as MaxPooling1D,
    MaxPooling2D as MaxPooling2D,
    MaxPooling3D as MaxPooling3D,
    average_pooling1d as average_pooling1d,
    average_pooling3d as average_pooling3d,
    conv3d as conv3d,
    conv3d_transpose as conv3d_transpose,
    max_pooling1d as max_pooling1d,
    max_pooling3d as max_pooling3d,
    separable_conv2d as separable_conv2d,
)
from .ops_array import identity, reshape, shape as shape_of, transpose
from .ops_math import matmul, tensordot
from .variable_scope import get_variable, variable_scope
from .variables import update as update_variables


class Layer:
    """The base of layers: ``layer(inputs)`` makes the variables on the first call and uses them on all later ones."""

    base_name = "layer"

    def __init__(
        self, name: str | None = None, trainable: bool = True, dtype: Any = None, _reuse: Any = None, **_: Any
    ) -> None:
        self._given_name, self.trainable, self._reuse = name, trainable, _reuse
        self._built = False
        self._scope: Any = None
        self.variables: list[Any] = []
        self.updates: list[Any] = []
        self.name = name or self.base_name

    @property
    def trainable_variables(self) -> list[Any]:
        """The layer's variables that optimizers change."""
        return [variable for variable in self.variables if variable.trainable]

    @property
    def non_trainable_variables(self) -> list[Any]:
        """The layer's other variables."""
        return [variable for variable in self.variables if not variable.trainable]

    weights = property(lambda self: list(self.variables))
    trainable_weights = trainable_variables

    @property
    def losses(self) -> list[Any]:
        """The penalties on the layer's variables."""
        scope = self._scope.name + "/" if self._scope is not None else None
        return get_default_graph().get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)

    def __call__(self, inputs: Any, *args: Any, **options: Any) -> Any:
        scope: Any = options.pop("scope", None)
        opened: Any = (
            self._scope if self._scope is not None else scope if scope is not None else self._given_name
        )
        reuse = True if self._built else self._reuse
        if opened is None and reuse is True:
            opened = self.base_name  # what is used again has no number behind its name
        with variable_scope(
            opened, default_name=self.base_name, reuse=reuse, auxiliary_name_scope=True
        ) as found:
            if self._scope is None:
                self._scope = found
                self.name = found.name
            x = convert_to_tensor(inputs)
            if not self._built:
                self.build(x.shape)
                self._built = True
            return self.call(x, *args, **options)

    apply = __call__

    def build(self, input_shape: Any) -> None:
        """Make the variables."""

    def call(self, inputs: Tensor) -> Any:
        """What the layer computes."""
        raise NotImplementedError

    def add_weight(
        self,
        name: str,
        shape: Any,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool = True,
        constraint: Any = None,
    ) -> Any:
        """A variable of the layer."""
        variable = get_variable(
            name,
            shape,
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable and self.trainable,
            constraint=constraint,
        )
        if variable not in self.variables:
            self.variables.append(variable)
        return variable

    add_variable = add_weight


def _last(shape: Any, layer: str) -> int:
    last = shape[-1].value if shape.ndims else None
    if last is None:
        raise ValueError(f"The last dimension of the inputs to `{layer}` should be defined. Found `None`.")
    return int(last)


def _need_rank(shape: Any, least: int, layer: str, exactly: bool = False) -> None:
    """``ValueError`` if the inputs are known to have too few axes (or, ``exactly``, another number)."""
    if shape.ndims is None or shape.ndims == least or (shape.ndims > least and not exactly):
        return
    kind = "ndim" if exactly else "min_ndim"
    raise ValueError(
        f"Input 0 of layer {layer} is incompatible with the layer: expected {kind}={least}, found ndim={shape.ndims}. Full "
        f"shape received: {shape}"
    )


class Dense(Layer):
    """``activation(inputs · kernel + bias)`` over the last axis."""

    base_name = "dense"

    def __init__(
        self,
        units: int,
        activation: Callable[..., Any] | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, trainable, **options)
        self.units, self.activation, self.use_bias = int(units), activation, use_bias
        self._kernel_options = (kernel_initializer, kernel_regularizer, kernel_constraint)
        self._bias_options = (bias_initializer or Zeros(), bias_regularizer, bias_constraint)
        self._penalty = activity_regularizer

    def build(self, input_shape: Any) -> None:
        """Make ``kernel`` (features, units) and ``bias``."""
        _need_rank(input_shape, 2, self.name)
        initializer, regularizer, constraint = self._kernel_options
        self.kernel = self.add_weight(
            "kernel",
            [_last(input_shape, "Dense"), self.units],
            initializer,
            regularizer,
            constraint=constraint,
        )
        self.bias = None
        if self.use_bias:
            initializer, regularizer, constraint = self._bias_options
            self.bias = self.add_weight("bias", [self.units], initializer, regularizer, constraint=constraint)

    def call(self, inputs: Tensor) -> Any:
        """What the layer computes."""
        rank = inputs.shape.ndims
        result: Any = (
            matmul(inputs, self.kernel) if rank in (2, None) else tensordot(inputs, self.kernel, [[-1], [0]])
        )
        if self.bias is not None:
            result = nn.bias_add(result, self.bias)
        if self.activation is not None:
            result = self.activation(result)
        if self._penalty is not None:
            get_default_graph().add_to_collection(GraphKeys.REGULARIZATION_LOSSES, self._penalty(result))
        return result


class Conv2D(Layer):
    """A two-dimensional convolution with bias and activation."""

    base_name = "conv2d"

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: Any = (1, 1),
        activation: Callable[..., Any] | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, trainable, **options)
        self.filters, self.size, self.strides = int(filters), _pair(kernel_size), _pair(strides)
        self.padding, self.dilation, self.activation = padding.upper(), _pair(dilation_rate), activation
        self.first = _is_first(data_format)
        self.use_bias = use_bias
        self._kernel_options = (kernel_initializer, kernel_regularizer, kernel_constraint)
        self._bias_options = (bias_initializer or Zeros(), bias_regularizer, bias_constraint)

    def kernel_shape(self, channels: int) -> list[int]:
        """The shape of ``kernel``."""
        return [*self.size, channels, self.filters]

    def build(self, input_shape: Any) -> None:
        """Make ``kernel`` (height, width, channels, filters) and ``bias``."""
        _need_rank(input_shape, len(self.size) + 2, self.name, exactly=True)
        channels = input_shape[1 if self.first else -1].value if input_shape.ndims else None
        if channels is None:
            raise ValueError("The channel dimension of the inputs should be defined. Found `None`.")
        initializer, regularizer, constraint = self._kernel_options
        self.kernel = self.add_weight(
            "kernel", self.kernel_shape(channels), initializer, regularizer, constraint=constraint
        )
        self.bias = None
        if self.use_bias:
            initializer, regularizer, constraint = self._bias_options
            self.bias = self.add_weight(
                "bias", [self.filters], initializer, regularizer, constraint=constraint
            )

    def convolve(self, inputs: Tensor) -> Any:
        """The convolution alone."""
        layout = "NCHW" if self.first else "NHWC"
        return nn.conv2d(
            inputs, self.kernel, self.strides, self.padding, data_format=layout, dilations=self.dilation
        )

    def call(self, inputs: Tensor) -> Any:
        """What the layer computes."""
        result = self.convolve(inputs)
        if self.bias is not None:
            result = nn.bias_add(result, self.bias, "NCHW" if self.first else "NHWC")
        return result if self.activation is None else self.activation(result)


class Conv2DTranspose(Conv2D):
    """The transpose of a two-dimensional convolution, with bias and activation."""

    base_name = "conv2d_transpose"

    def kernel_shape(self, channels: int) -> list[int]:
        """The shape of ``kernel``: (height, width, filters, channels)."""
        return [*self.size, self.filters, channels]

    def convolve(self, inputs: Tensor) -> Any:
        """The transposed convolution alone."""
        from .ops_array import stack

        known, computed = inputs.shape, shape_of(inputs)
        extents: list[Any] = []
        for i, axis in enumerate((2, 3) if self.first else (1, 2)):
            size, stride = self.size[i], self.strides[i]
            extent = known[axis].value
            small: Any = computed[axis] if extent is None else extent
            extents.append(small * stride + (max(size - stride, 0) if self.padding == "VALID" else 0))
        batch: Any = computed[0] if known[0].value is None else known[0].value
        to = [batch, self.filters, *extents] if self.first else [batch, *extents, self.filters]
        wanted: Any = (
            to
            if all(isinstance(item, int) for item in to)
            else stack([convert_to_tensor(i, "int32") for i in to])
        )
        layout = "NCHW" if self.first else "NHWC"
        return nn.conv2d_transpose(inputs, self.kernel, wanted, self.strides, self.padding, layout)


def _pair(value: Any) -> list[int]:
    return [int(value)] * 2 if isinstance(value, int) else [int(item) for item in value]


def _is_first(data_format: str) -> bool:
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            f"The `data_format` argument must be one of 'channels_first', 'channels_last'. Received: {data_format}"
        )
    return data_format == "channels_first"


class BatchNormalization(Layer):
    """Normalizes the axis ``axis`` over all others: by the batch's mean and variance in training, otherwise by the moving ones.

    The operations that update the moving ones are in ``GraphKeys.UPDATE_OPS``: run them with the training step.

    Source: S. Ioffe and C. Szegedy, "Batch Normalization", 2015.
    """

    base_name = "batch_normalization"

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = None,
        gamma_initializer: Any = None,
        moving_mean_initializer: Any = None,
        moving_variance_initializer: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, trainable, **options)
        self.axis, self.momentum, self.epsilon, self.center, self.scale = (
            axis,
            momentum,
            epsilon,
            center,
            scale,
        )
        self._initializers = (
            gamma_initializer or Ones(),
            beta_initializer or Zeros(),
            moving_mean_initializer or Zeros(),
            moving_variance_initializer or Ones(),
        )

    def build(self, input_shape: Any) -> None:
        """Make gamma, beta and the moving mean and variance, one number for each entry of the axis."""
        extent = input_shape[self.axis].value
        if extent is None:
            raise ValueError(f"Input has undefined `axis` dimension. Input shape: {input_shape}")
        gamma, beta, mean, variance = self._initializers
        self.gamma = self.add_weight("gamma", [extent], gamma) if self.scale else None
        self.beta = self.add_weight("beta", [extent], beta) if self.center else None
        self.moving_mean = self.add_weight("moving_mean", [extent], mean, trainable=False)
        self.moving_variance = self.add_weight("moving_variance", [extent], variance, trainable=False)

    def call(self, inputs: Tensor, training: Any = False) -> Any:
        """What the layer computes; ``training`` may be a bool tensor."""
        rank = len(inputs.shape)
        axis = self.axis % rank
        others = [i for i in range(rank) if i != axis]
        fused = rank == 4 and axis in (1, 3)  # as in TensorFlow, the moving variance is then divided by n - 1

        def batch() -> list[Any]:
            mean, variance = nn.moments(inputs, others)
            return [mean, variance, _unbiased(inputs, others, variance) if fused else variance]

        def moving() -> list[Any]:
            return [identity(self.moving_mean), *[identity(self.moving_variance)] * 2]

        if isinstance(training, bool | int):
            training = bool(training)
            mean, variance, kept = batch() if training else moving()
            keep: Any = self.momentum
        else:
            mean, variance, kept = cond(training, batch, moving)
            keep = cond(training, lambda: convert_to_tensor(self.momentum), lambda: convert_to_tensor(1.0))
        if training is not False:
            for average, value in ((self.moving_mean, mean), (self.moving_variance, kept)):
                update = _moved(average, value, keep)
                self.updates.append(update)
                get_default_graph().add_to_collection(GraphKeys.UPDATE_OPS, update)
        if axis == rank - 1:
            return nn.batch_normalization(inputs, mean, variance, self.beta, self.gamma, self.epsilon)
        broad = [1] * rank
        broad[axis] = -1
        parts = [
            None if item is None else reshape(item, broad) for item in (mean, variance, self.beta, self.gamma)
        ]
        return nn.batch_normalization(inputs, parts[0], parts[1], parts[2], parts[3], self.epsilon)


def _moved(average: Any, value: Any, keep: Any) -> Tensor:
    """An operation that moves an average towards ``value``; several of one run come one after the other."""

    def kernel(mean: Any, new: Any, share: Any) -> Any:
        return mean.sub_((mean - new) * (1 - share))

    operands = [value, convert_to_tensor(keep, average.dtype)]
    result: Tensor = update_variables(
        [average], operands, kernel, "AssignMovingAvg", average.dtype, average.shape
    )
    return result


def _unbiased(inputs: Tensor, axes: list[int], variance: Tensor) -> Tensor:
    """The variance over ``axes`` of ``inputs``, which was divided by n, divided by n - 1."""
    from .graph import node

    def kernel(x: Any, value: Any) -> Any:
        count = 1
        for axis in axes:
            count *= x.shape[axis]
        return value * (count / max(count - 1, 1))

    return node("UnbiasedVariance", kernel, [inputs, variance], variance.dtype, variance.shape)


class Dropout(Layer):
    """Sets a share ``rate`` of the elements to 0 in training, and scales the others up."""

    base_name = "dropout"

    def __init__(
        self,
        rate: Any = 0.5,
        noise_shape: Any = None,
        seed: int | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed

    def call(self, inputs: Tensor, training: Any = False) -> Any:
        """What the layer computes; ``training`` may be a bool tensor."""

        def dropped() -> Any:
            return nn.dropout(inputs, noise_shape=self.noise_shape, seed=self.seed, rate=self.rate)

        if isinstance(training, bool | int):
            return dropped() if training else identity(inputs)
        return cond(training, dropped, lambda: identity(inputs))


class Flatten(Layer):
    """All axes but the first as one."""

    base_name = "flatten"

    def call(self, inputs: Tensor) -> Any:
        """What the layer computes."""
        known = inputs.shape
        count = None if known.extents is None else known[1:].num_elements()
        if count is not None:
            return reshape(inputs, [-1, count])
        return reshape(inputs, [shape_of(inputs)[0], -1])


def dense(inputs: Any, units: int, *args: Any, reuse: Any = None, **options: Any) -> Any:
    """``activation(inputs · kernel + bias)``: see :class:`Dense` for the arguments.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default():
        ...     y = tf.layers.dense(tf.placeholder(tf.float32, [None, 3]), 2, activation=tf.nn.relu)
        ...     print([v.name for v in tf.trainable_variables()], y.shape)
        ['dense/kernel:0', 'dense/bias:0'] (?, 2)
    """
    return Dense(units, *args, _reuse=reuse, **options)(inputs)


def conv2d(inputs: Any, filters: int, kernel_size: Any, *args: Any, reuse: Any = None, **options: Any) -> Any:
    """A convolution with bias and activation: see :class:`Conv2D` for the arguments."""
    return Conv2D(filters, kernel_size, *args, _reuse=reuse, **options)(inputs)


def conv2d_transpose(
    inputs: Any, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid", **options: Any
) -> Any:
    """A transposed convolution with bias and activation: see :class:`Conv2DTranspose`."""
    reuse = options.pop("reuse", None)
    return Conv2DTranspose(filters, kernel_size, strides, padding, _reuse=reuse, **options)(inputs)


def conv1d(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: Any = 1,
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
    """A one-dimensional convolution (batch, width, channels) with bias and activation."""
    if _is_first(data_format):
        raise NotImplementedError("conv1d: only data_format='channels_last' is available")
    size, stride, spread = [v if isinstance(v, int) else v[0] for v in (kernel_size, strides, dilation_rate)]
    with variable_scope(name, default_name="conv1d", reuse=reuse):
        x = convert_to_tensor(inputs)
        kernel = get_variable(
            "kernel",
            [size, _last(x.shape, "conv1d"), filters],
            None,
            kernel_initializer,
            kernel_regularizer,
            trainable,
        )
        result: Any = nn.conv1d(x, kernel, stride, padding.upper(), dilations=spread)
        if use_bias:
            result = result + get_variable(
                "bias", [filters], None, bias_initializer or Zeros(), None, trainable
            )
        return result if activation is None else activation(result)


def batch_normalization(
    inputs: Any, axis: int = -1, *args: Any, training: Any = False, reuse: Any = None, **options: Any
) -> Any:
    """Batch normalization: see :class:`BatchNormalization` for the arguments."""
    return BatchNormalization(axis, *args, _reuse=reuse, **options)(inputs, training=training)


def dropout(
    inputs: Any,
    rate: Any = 0.5,
    noise_shape: Any = None,
    seed: int | None = None,
    training: Any = False,
    name: str | None = None,
) -> Any:
    """Dropout, only where ``training``: see :class:`Dropout`."""
    return Dropout(rate, noise_shape, seed, name)(inputs, training=training)


def flatten(inputs: Any, name: str | None = None, data_format: str = "channels_last") -> Any:
    """All axes but the first as one."""
    x = convert_to_tensor(inputs)
    if _is_first(data_format) and x.shape.ndims is not None and x.shape.ndims > 2:
        x = transpose(x, [0, *range(2, x.shape.ndims), 1])
    return Flatten(name)(x)


def _pooling(function: Callable[..., Any], default_name: str, doc: str) -> Callable[..., Any]:
    def public(
        inputs: Any,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str = "channels_last",
        name: str | None = None,
    ) -> Any:
        layout = "NCHW" if _is_first(data_format) else "NHWC"
        return function(
            inputs, _pair(pool_size), _pair(strides), padding.upper(), layout, name or default_name
        )

    public.__doc__ = doc
    return public


max_pooling2d = _pooling(nn.max_pool, "max_pooling2d", "The largest value in each window.")
average_pooling2d = _pooling(nn.avg_pool, "average_pooling2d", "The mean of each window.")
