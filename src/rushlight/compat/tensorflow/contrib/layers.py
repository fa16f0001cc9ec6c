"""``tf.contrib.layers``: layers with an activation by default, penalties and initializers."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .. import layers as core, nn
from ..conversion import convert_to_tensor
from ..graph import GraphKeys, Tensor, get_default_graph
from ..initializers import VarianceScaling
from ..ops_indexing import one_hot
from ..ops_math import abs as absolute, add_n
from ..ops_reduce import reduce_sum
from ..variable_scope import get_variable, variable_scope

__path__: list[str] = []  # modules below this one can be imported: see the table in contrib/__init__.py

_DEFAULTS: list[dict[Any, dict[str, Any]]] = [{}]  # what the open arg_scopes say, the innermost last


def add_arg_scope(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose defaults :func:`arg_scope` can change."""

    @functools.wraps(function)
    def scoped(*args: Any, **options: Any) -> Any:
        return function(*args, **(_DEFAULTS[-1].get(scoped, {}) | options))

    return scoped


@contextlib.contextmanager
def arg_scope(list_ops_or_scope: Any, **options: Any) -> Iterator[Any]:
    """Other defaults for layers in the ``with`` block: for a list of them, or as an earlier scope had them."""
    current = {key: dict(value) for key, value in _DEFAULTS[-1].items()}
    if isinstance(list_ops_or_scope, dict):
        current = {key: dict(value) for key, value in list_ops_or_scope.items()}
    else:
        for function in list_ops_or_scope:
            current[function] = current.get(function, {}) | options
    _DEFAULTS.append(current)
    try:
        yield current
    finally:
        _DEFAULTS.pop()


# --- initializers and penalties -----------------------------------------------------------------------------------------


def xavier_initializer(uniform: bool = True, seed: int | None = None, dtype: Any = "float32") -> Any:
    """Random numbers with variance 2 / (inputs + outputs)."""
    return VarianceScaling(1.0, "fan_avg", "uniform" if uniform else "truncated_normal", seed, dtype)


xavier_initializer_conv2d = xavier_initializer


def variance_scaling_initializer(
    factor: float = 2.0,
    mode: str = "FAN_IN",
    uniform: bool = False,
    seed: int | None = None,
    dtype: Any = "float32",
) -> Any:
    """Random numbers with variance ``factor / n``."""
    kinds = {"FAN_IN": "fan_in", "FAN_OUT": "fan_out", "FAN_AVG": "fan_avg"}
    if mode not in kinds:
        raise TypeError(f"Unknown mode {mode} [FAN_IN, FAN_OUT, FAN_AVG]")
    return VarianceScaling(factor, kinds[mode], "uniform" if uniform else "truncated_normal", seed, dtype)


def _scale(scale: Any) -> float:
    if isinstance(scale, int) and not isinstance(scale, bool):
        raise ValueError(f"scale cannot be an integer: {scale}")
    if scale < 0.0:
        raise ValueError(f"Setting a scale less than 0 on a regularizer: {scale}.")
    return float(scale)


def l2_regularizer(scale: float, scope: str | None = None) -> Callable[[Any], Any]:
    """A penalty of ``scale`` times half the sum of squares."""
    factor = _scale(scale)
    return lambda weights: None if factor == 0 else nn.l2_loss(weights) * factor


def l1_regularizer(scale: float, scope: str | None = None) -> Callable[[Any], Any]:
    """A penalty of ``scale`` times the sum of absolute values."""
    factor = _scale(scale)
    return lambda weights: None if factor == 0 else reduce_sum(absolute(convert_to_tensor(weights))) * factor


def l1_l2_regularizer(
    scale_l1: float = 1.0, scale_l2: float = 1.0, scope: str | None = None
) -> Callable[[Any], Any]:
    """The sum of both penalties."""
    return sum_regularizer([l1_regularizer(scale_l1), l2_regularizer(scale_l2)])


def sum_regularizer(regularizer_list: Sequence[Any], scope: str | None = None) -> Callable[[Any], Any]:
    """The sum of several penalties."""

    def total(weights: Any) -> Any:
        parts = [penalty(weights) for penalty in regularizer_list if penalty is not None]
        parts = [part for part in parts if part is not None]
        return add_n(parts) if parts else None

    return total


def apply_regularization(regularizer: Callable[[Any], Any], weights_list: Any = None) -> Any:
    """The sum of a penalty over weights (those in ``GraphKeys.WEIGHTS`` by default), which becomes a regularization loss."""
    graph = get_default_graph()
    weights = graph.get_collection(GraphKeys.WEIGHTS) if weights_list is None else list(weights_list)
    if not weights:
        raise ValueError("No weights to regularize.")
    total = add_n([regularizer(item) for item in weights])
    graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, total)
    return total


# --- layers -------------------------------------------------------------------------------------------------------------


def _finished(
    result: Any, normalizer_fn: Any, normalizer_params: Any, activation_fn: Any, collections: Any
) -> Tensor:
    if normalizer_fn is not None:
        result = normalizer_fn(result, **(normalizer_params or {}))
    if activation_fn is not None:
        result = activation_fn(result)
    for name in [collections] if isinstance(collections, str) else collections or ():
        get_default_graph().add_to_collection(name, result)
    made: Tensor = result
    return made


def _variable(
    name: str, shape: Any, initializer: Any, regularizer: Any, trainable: bool, collections: Any
) -> Any:
    if isinstance(collections, dict):
        collections = collections.get(name)
    every = [GraphKeys.GLOBAL_VARIABLES, GraphKeys.MODEL_VARIABLES, *(collections or ())]
    return get_variable(name, shape, None, initializer, regularizer, trainable, every)


@add_arg_scope
def fully_connected(
    inputs: Any,
    num_outputs: int,
    activation_fn: Callable[..., Any] | None = nn.relu,
    normalizer_fn: Any = None,
    normalizer_params: Any = None,
    weights_initializer: Any = None,
    weights_regularizer: Any = None,
    biases_initializer: Any = "zeros",
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Tensor:
    """``activation(inputs · weights + biases)`` over the last axis, with ``relu`` by default.

    Args:
        biases_initializer: None for no biases.
        normalizer_fn: takes the place of the biases.
    """
    from ..initializers import Zeros
    from ..ops_math import matmul, tensordot

    x = convert_to_tensor(inputs)
    with variable_scope(scope, default_name="fully_connected", reuse=reuse):
        features = x.shape[-1].value
        if features is None:
            raise ValueError("The last dimension of the inputs to `Dense` should be defined. Found `None`.")
        weights = _variable(
            "weights",
            [features, num_outputs],
            weights_initializer or xavier_initializer(),
            weights_regularizer,
            trainable,
            variables_collections,
        )
        result: Any = matmul(x, weights) if x.shape.ndims == 2 else tensordot(x, weights, [[-1], [0]])
        if normalizer_fn is None and biases_initializer is not None:
            start = Zeros() if biases_initializer == "zeros" else biases_initializer
            result = nn.bias_add(
                result,
                _variable(
                    "biases", [num_outputs], start, biases_regularizer, trainable, variables_collections
                ),
            )
        return _finished(result, normalizer_fn, normalizer_params, activation_fn, outputs_collections)


def linear(inputs: Any, num_outputs: int, **options: Any) -> Tensor:
    """:func:`fully_connected` without an activation."""
    made: Tensor = fully_connected(inputs, num_outputs, **({"activation_fn": None} | options))
    return made


relu = fully_connected


def _pair(value: Any) -> list[int]:
    return [int(value)] * 2 if isinstance(value, int) else [int(item) for item in value]


@add_arg_scope
def conv2d(
    inputs: Any,
    num_outputs: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str | None = None,
    rate: Any = 1,
    activation_fn: Callable[..., Any] | None = nn.relu,
    normalizer_fn: Any = None,
    normalizer_params: Any = None,
    weights_initializer: Any = None,
    weights_regularizer: Any = None,
    biases_initializer: Any = "zeros",
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Tensor:
    """A two-dimensional convolution with "SAME" padding and ``relu`` by default."""
    from ..initializers import Zeros

    x, layout = convert_to_tensor(inputs), data_format or "NHWC"
    with variable_scope(scope, default_name="Conv", reuse=reuse):
        channels = x.shape[1 if layout == "NCHW" else -1].value
        weights = _variable(
            "weights",
            [*_pair(kernel_size), channels, num_outputs],
            weights_initializer or xavier_initializer(),
            weights_regularizer,
            trainable,
            variables_collections,
        )
        result: Any = nn.conv2d(x, weights, _pair(stride), padding, data_format=layout, dilations=_pair(rate))
        if normalizer_fn is None and biases_initializer is not None:
            start = Zeros() if biases_initializer == "zeros" else biases_initializer
            biases = _variable(
                "biases", [num_outputs], start, biases_regularizer, trainable, variables_collections
            )
            result = nn.bias_add(result, biases, layout)
        return _finished(result, normalizer_fn, normalizer_params, activation_fn, outputs_collections)


convolution2d = convolution = conv2d


@add_arg_scope
def conv2d_transpose(
    inputs: Any,
    num_outputs: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str = "NHWC",
    activation_fn: Callable[..., Any] | None = nn.relu,
    normalizer_fn: Any = None,
    normalizer_params: Any = None,
    weights_initializer: Any = None,
    weights_regularizer: Any = None,
    biases_initializer: Any = None,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Tensor:
    """The transpose of a two-dimensional convolution, with ``relu`` by default."""
    result = core.conv2d_transpose(
        inputs,
        num_outputs,
        kernel_size,
        stride,
        padding.lower(),
        data_format="channels_last" if data_format == "NHWC" else "channels_first",
        kernel_initializer=weights_initializer or xavier_initializer(),
        kernel_regularizer=weights_regularizer,
        use_bias=normalizer_fn is None,
        bias_initializer=biases_initializer,
        trainable=trainable,
        name=scope or "Conv2d_transpose" if scope else None,
        reuse=reuse,
    )
    return _finished(result, normalizer_fn, normalizer_params, activation_fn, outputs_collections)


convolution2d_transpose = conv2d_transpose


def _pooled(function: Callable[..., Any], doc: str) -> Callable[..., Tensor]:
    def public(
        inputs: Any,
        kernel_size: Any,
        stride: Any = 2,
        padding: str = "VALID",
        data_format: str = "NHWC",
        outputs_collections: Any = None,
        scope: str | None = None,
    ) -> Tensor:
        result = function(inputs, _pair(kernel_size), _pair(stride), padding, data_format, scope)
        return _finished(result, None, None, None, outputs_collections)

    public.__doc__ = doc
    return add_arg_scope(public)


max_pool2d = _pooled(nn.max_pool, "The largest value in each window, with a stride of 2.")
avg_pool2d = _pooled(nn.avg_pool, "The mean of each window, with a stride of 2.")


@add_arg_scope
def batch_norm(
    inputs: Any,
    decay: float = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: float = 0.001,
    activation_fn: Callable[..., Any] | None = None,
    param_initializers: Any = None,
    param_regularizers: Any = None,
    updates_collections: Any = GraphKeys.UPDATE_OPS,
    is_training: Any = True,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    batch_weights: Any = None,
    fused: bool | None = None,
    data_format: str = "NHWC",
    zero_debias_moving_mean: bool = False,
    scope: Any = None,
    **_: Any,
) -> Tensor:
    """Batch normalization, in training by default. With ``updates_collections=None`` the averages move at once."""
    from ..control_flow import with_dependencies

    start = param_initializers or {}
    with variable_scope(scope, default_name="BatchNorm", reuse=reuse) as found:
        layer = core.BatchNormalization(
            1 if data_format == "NCHW" else -1,
            decay,
            epsilon,
            center,
            scale,
            beta_initializer=start.get("beta"),
            gamma_initializer=start.get("gamma"),
            moving_mean_initializer=start.get("moving_mean"),
            moving_variance_initializer=start.get("moving_variance"),
            trainable=trainable,
        )
        layer._scope = found
        result: Any = layer(inputs, training=is_training)
        if updates_collections is None and layer.updates:
            updates = get_default_graph().get_collection_ref(GraphKeys.UPDATE_OPS)
            updates[:] = [update for update in updates if update not in layer.updates]
            result = with_dependencies(layer.updates, result)
        return _finished(result, None, None, activation_fn, outputs_collections)


@add_arg_scope
def dropout(
    inputs: Any,
    keep_prob: Any = 0.5,
    noise_shape: Any = None,
    is_training: Any = True,
    outputs_collections: Any = None,
    scope: str | None = None,
    seed: int | None = None,
) -> Tensor:
    """Dropout, in training by default."""
    made: Tensor = core.dropout(inputs, 1.0 - keep_prob, noise_shape, seed, is_training, scope)
    return made


@add_arg_scope
def flatten(inputs: Any, outputs_collections: Any = None, scope: str | None = None) -> Tensor:
    """All axes but the first as one."""
    made: Tensor = core.flatten(inputs, scope)
    return made


def embed_sequence(
    ids: Any,
    vocab_size: int | None = None,
    embed_dim: int | None = None,
    unique: bool = False,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    scope: Any = None,
    reuse: Any = None,
) -> Tensor:
    """The rows of a new table (vocab_size, embed_dim) at ``ids``."""
    with variable_scope(scope, default_name="EmbedSequence", reuse=reuse):
        table = get_variable("embeddings", [vocab_size, embed_dim], None, initializer, regularizer, trainable)
        return nn.embedding_lookup(table, ids)


@add_arg_scope
def one_hot_encoding(
    labels: Any,
    num_classes: int,
    on_value: float = 1.0,
    off_value: float = 0.0,
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Tensor:
    """``tf.one_hot`` of class numbers."""
    return one_hot(labels, num_classes, on_value, off_value, name=scope)


def layer_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    activation_fn: Callable[..., Any] | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    begin_norm_axis: int = 1,
    begin_params_axis: int = -1,
    scope: Any = None,
) -> Tensor:
    """Layer normalization over the axes from ``begin_norm_axis`` on.

    Source: J. Ba et al., "Layer Normalization", 2016.
    """
    from ..initializers import Ones, Zeros

    x = convert_to_tensor(inputs)
    with variable_scope(scope, default_name="LayerNorm", reuse=reuse):
        extents = x.shape.as_list()[begin_params_axis:]
        beta = get_variable("beta", extents, None, Zeros(), None, trainable) if center else None
        gamma = get_variable("gamma", extents, None, Ones(), None, trainable) if scale else None
        axes = list(range(begin_norm_axis, x.shape.ndims or 0))
        mean, variance = nn.moments(x, axes, keep_dims=True)
        result: Any = nn.batch_normalization(x, mean, variance, beta, gamma, 1e-12)
        return _finished(result, None, None, activation_fn, outputs_collections)


def stack(inputs: Any, layer: Callable[..., Any], stack_args: Sequence[Any], **options: Any) -> Any:
    """A layer after the other, with the arguments in ``stack_args``."""
    scope = options.pop("scope", None)
    with variable_scope(scope, default_name="Stack"):
        for i, args in enumerate(stack_args):
            given = args if isinstance(args, list | tuple) else [args]
            inputs = layer(inputs, *given, scope=f"{getattr(layer, '__name__', 'layer')}_{i + 1}", **options)
        return inputs


def repeat(inputs: Any, repetitions: int, layer: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """The same kind of layer several times."""
    scope = options.pop("scope", None)
    with variable_scope(scope, default_name="Repeat"):
        for i in range(repetitions):
            inputs = layer(inputs, *args, scope=f"{scope or 'layer'}_{i + 1}", **options)
        return inputs


def optimize_loss(
    loss: Any,
    global_step: Any,
    learning_rate: Any,
    optimizer: Any,
    gradient_noise_scale: Any = None,
    gradient_multipliers: Any = None,
    clip_gradients: Any = None,
    learning_rate_decay_fn: Callable[..., Any] | None = None,
    update_ops: Any = None,
    variables: Any = None,
    name: str | None = None,
    **_: Any,
) -> Tensor:
    """The loss, after a training step of an optimizer ("SGD", "Adam", "Adagrad", "RMSProp", "Momentum", or a class)."""
    from .. import optimizers
    from ..clipping import clip_by_global_norm
    from ..control_flow import with_dependencies

    graph = get_default_graph()
    with variable_scope(name, default_name="OptimizeLoss"):
        rate = learning_rate
        if learning_rate_decay_fn is not None:
            rate = learning_rate_decay_fn(learning_rate, global_step)
        kinds: dict[str, Any] = {
            "Adagrad": optimizers.AdagradOptimizer,
            "Adam": optimizers.AdamOptimizer,
            "Ftrl": optimizers.FtrlOptimizer,
            "Momentum": lambda value: optimizers.MomentumOptimizer(value, 0.9),
            "RMSProp": optimizers.RMSPropOptimizer,
            "SGD": optimizers.GradientDescentOptimizer,
        }
        if isinstance(optimizer, str):
            if optimizer not in kinds:
                raise ValueError(
                    f"Optimizer name should be one of [{', '.join(kinds)}], you provided {optimizer}."
                )
            chosen = kinds[optimizer](rate)
        else:
            chosen = optimizer if isinstance(optimizer, optimizers.Optimizer) else optimizer(rate)
        updates = graph.get_collection(GraphKeys.UPDATE_OPS) if update_ops is None else list(update_ops)
        if updates:
            loss = with_dependencies(updates, loss)
        pairs = [pair for pair in chosen.compute_gradients(loss, variables) if pair[0] is not None]
        if clip_gradients is not None:
            clipped, _norm = clip_by_global_norm([gradient for gradient, _ in pairs], clip_gradients)
            pairs = list(zip(clipped, [variable for _, variable in pairs], strict=True))
        step = chosen.apply_gradients(pairs, global_step)
        return with_dependencies([step], loss)
