"""``tf.nn``: activations, losses by element, normalization, convolution and recurrent nets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl
import rushlight.nn.functional as F
from rushlight.ops.index_tensors import check_range

from . import dtypes, rnn_cell as rnn_cell
from .conversion import convert_to_tensor
from .graph import Tensor, name_scope, node
from .ops_array import squeeze
from .ops_conv import (
    avg_pool as avg_pool,
    conv1d as conv1d,
    conv2d as conv2d,
    conv2d_transpose as conv2d_transpose,
    conv3d as conv3d,
    depthwise_conv2d as depthwise_conv2d,
    max_pool as max_pool,
)
from .ops_indexing import gather
from .ops_math import (
    sigmoid as sigmoid,
    softplus as softplus,
    square,
    tanh as tanh,
)
from .ops_random import drawing
from .ops_reduce import (
    either,
    in_top_k as in_top_k,
    reduce_mean,
    reduce_sum,
    top_k as top_k,
)
from .rnn import (
    bidirectional_dynamic_rnn as bidirectional_dynamic_rnn,
    dynamic_rnn as dynamic_rnn,
    static_rnn as static_rnn,
)
from .static_step import is_static
from .tensor_shape import UNKNOWN


def _activation(kind: str, function: Callable[[Any], Any], doc: str) -> Callable[..., Tensor]:
    def public(features: Any, name: str | None = None) -> Tensor:
        x = convert_to_tensor(features)
        return node(kind, function, [x], x.dtype, x.shape, name)

    public.__doc__ = doc
    public.__name__ = public.__qualname__ = kind.lower()
    return public


relu = _activation("Relu", rl.relu, "``max(x, 0)`` of each element.")
relu6 = _activation("Relu6", F.relu6, "``min(max(x, 0), 6)`` of each element.")
elu = _activation("Elu", F.elu, "``x`` where positive, else ``exp(x) - 1``.")
selu = _activation("Selu", rl.selu, "The scaled exponential linear unit of each element.")
softsign = _activation("Softsign", F.softsign, "``x / (1 + |x|)`` of each element.")
swish = _activation("Swish", F.silu, "``x · sigmoid(x)`` of each element.")
log_sigmoid = _activation("LogSigmoid", F.logsigmoid, "``log(sigmoid(x))`` of each element.")


def leaky_relu(features: Any, alpha: float = 0.2, name: str | None = None) -> Tensor:
    """``x`` where positive, else ``alpha · x``."""
    x = convert_to_tensor(features)
    return node(
        "LeakyRelu", lambda value: F.leaky_relu(value, alpha), [x], x.dtype, x.shape, name or "LeakyRelu"
    )


def crelu(features: Any, name: str | None = None, axis: int = -1) -> Tensor:
    """``relu(x)`` and ``relu(-x)`` joined along ``axis``."""
    from .ops_array import concat
    from .ops_math import negative

    x = convert_to_tensor(features)
    return relu(concat([x, negative(x)], axis), name=name)


def _along(kind: str, function: Callable[..., Any], doc: str) -> Callable[..., Tensor]:
    def public(
        logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None
    ) -> Tensor:
        x = convert_to_tensor(logits)
        given = either(axis, dim, "axis", "dim")
        at = -1 if given is None else int(given)
        return node(kind, lambda value: function(value, at), [x], x.dtype, x.shape, name)

    public.__doc__ = doc
    return public


softmax = _along("Softmax", rl.softmax, "``exp(x) / sum(exp(x))`` along ``axis``, the last by default.")
log_softmax = _along(
    "LogSoftmax", rl.log_softmax, "``x - log(sum(exp(x)))`` along ``axis``, the last by default."
)


def _need_keywords(sentinel: Any, name: str) -> None:
    if sentinel is not None:
        raise ValueError(f"Only call `{name}` with named arguments (labels=..., logits=..., ...)")


def softmax_cross_entropy_with_logits_v2(
    labels: Any, logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None
) -> Tensor:
    """``-sum(labels · log_softmax(logits))`` along ``axis``; gradients go to both.

    ``labels`` and ``logits`` have one shape; each row of labels should be a probability distribution.
    """
    scores, given = convert_to_tensor(logits), convert_to_tensor(labels)
    if given.dtype is not scores.dtype:
        given = convert_to_tensor(given)
        from .ops_math import cast

        given = cast(given, scores.dtype)
    chosen = either(axis, dim, "axis", "dim")
    at = -1 if chosen is None else int(chosen)
    if not scores.shape.is_compatible_with(given.shape):
        raise ValueError(
            f"logits and labels must have the same shape, got logits of shape {scores.shape} and labels of shape {given.shape}"
        )

    def kernel(x: Any, y: Any) -> Any:
        if x.shape != y.shape:
            raise ValueError(
                f"logits and labels must be broadcastable: logits_size={list(x.shape)} labels_size={list(y.shape)}"
            )
        return -(y * rl.log_softmax(x, at)).sum(at)

    extents = scores.shape.merge_with(given.shape).extents
    shape = UNKNOWN if extents is None else [e for i, e in enumerate(extents) if i != at % len(extents)]
    return node(
        "SoftmaxCrossEntropyWithLogits",
        kernel,
        [scores, given],
        scores.dtype,
        shape,
        name or "softmax_cross_entropy_with_logits",
    )


def softmax_cross_entropy_with_logits(
    _sentinel: Any = None,
    labels: Any = None,
    logits: Any = None,
    dim: int = -1,
    name: str | None = None,
    axis: int | None = None,
) -> Tensor:
    """``-sum(labels · log_softmax(logits))`` along ``dim``; the labels count as constants in gradients.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     loss = tf.nn.softmax_cross_entropy_with_logits(labels=[[0.0, 1.0]], logits=[[0.0, 0.0]])
        ...     print(session.run(loss).round(4))
        [0.6931]
    """
    from .ops_array import stop_gradient

    _need_keywords(_sentinel, "softmax_cross_entropy_with_logits")
    if labels is None or logits is None:
        raise ValueError("Both labels and logits must be provided.")
    return softmax_cross_entropy_with_logits_v2(
        stop_gradient(labels), logits, dim if axis is None else axis, name
    )


def sparse_softmax_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Tensor:
    """``-log_softmax(logits)[label]`` for class numbers ``labels`` (…) and ``logits`` (…, classes).

    A label out of range is an ``InvalidArgumentError`` when it runs.
    """
    _need_keywords(_sentinel, "sparse_softmax_cross_entropy_with_logits")
    if labels is None or logits is None:
        raise ValueError("Both labels and logits must be provided.")
    scores, classes = convert_to_tensor(logits), convert_to_tensor(labels)
    if not classes.dtype.is_integer:
        raise TypeError(
            f"Value passed to parameter 'labels' has DataType {classes.dtype.name} not in list of allowed values: int32, int64"
        )
    if scores.shape.ndims == 0:
        raise ValueError(f"Logits cannot be scalars - received shape {scores.shape}.")
    if (
        scores.shape.ndims is not None
        and classes.shape.ndims is not None
        and classes.shape.ndims != scores.shape.ndims - 1
    ):
        raise ValueError(
            f"Rank mismatch: Rank of labels (received {classes.shape.ndims}) should equal rank of logits minus 1 (received "
            f"{scores.shape.ndims})."
        )

    def kernel(x: Any, y: Any) -> Any:
        count = x.shape[-1]
        flat = y.reshape(-1).to(rl.int64)
        outside = f"which is outside the valid range of [0, {count})."
        if is_static():
            check_range(flat, count, ValueError, "Received a label value of {bad} " + outside)
        elif flat.numel() and (int(flat.min()) < 0 or int(flat.max()) >= count):
            bad = int(flat.min()) if int(flat.min()) < 0 else int(flat.max())
            values = " ".join(map(str, flat.tolist()[:20]))
            raise ValueError(f"Received a label value of {bad} {outside}  Label values: {values}")
        return F.cross_entropy(x.reshape(-1, count), flat, reduction="none").reshape(y.shape)

    return node(
        "SparseSoftmaxCrossEntropyWithLogits",
        kernel,
        [scores, classes],
        scores.dtype,
        classes.shape,
        name or "SparseSoftmaxCrossEntropyWithLogits",
    )


def sigmoid_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Tensor:
    """``-labels · log(sigmoid(logits)) - (1 - labels) · log(1 - sigmoid(logits))``, without overflow."""
    _need_keywords(_sentinel, "sigmoid_cross_entropy_with_logits")
    if labels is None or logits is None:
        raise ValueError("Both labels and logits must be provided.")
    scores = convert_to_tensor(logits)
    given = convert_to_tensor(labels, scores.dtype)
    if not given.shape.is_compatible_with(scores.shape):
        raise ValueError(f"logits and labels must have the same shape ({scores.shape} vs {given.shape})")

    def kernel(x: Any, z: Any) -> Any:
        return F.softplus(-rl.abs(x)) + rl.relu(x) - x * z

    return node(
        "SigmoidCrossEntropyWithLogits",
        kernel,
        [scores, given],
        scores.dtype,
        scores.shape,
        name or "logistic_loss",
    )


def weighted_cross_entropy_with_logits(
    labels: Any = None,
    logits: Any = None,
    pos_weight: Any = 1.0,
    name: str | None = None,
    targets: Any = None,
) -> Tensor:
    """The sigmoid cross entropy with the positive part times ``pos_weight``."""
    scores = convert_to_tensor(logits)
    given = convert_to_tensor(targets if labels is None else labels, scores.dtype)
    weight = convert_to_tensor(pos_weight, scores.dtype)

    def kernel(x: Any, z: Any, w: Any) -> Any:
        return (1 - z) * x + (1 + (w - 1) * z) * (F.softplus(-rl.abs(x)) + rl.relu(-x))

    return node("WeightedCrossEntropy", kernel, [scores, given, weight], scores.dtype, scores.shape, name)


def bias_add(value: Any, bias: Any, data_format: str | None = None, name: str | None = None) -> Tensor:
    """``value`` plus a vector for its channels: the last axis, or with ``data_format`` "NCHW" the second."""
    x = convert_to_tensor(value)
    b = convert_to_tensor(bias, x.dtype)
    first = data_format is not None and data_format.startswith("NC")
    if x.shape.extents and b.shape.extents and first is False:
        last, count = x.shape.extents[-1], b.shape.extents[0]
        if last is not None and count is not None and last != count:
            raise ValueError(
                f"Dimensions must be equal, but are {last} and {count} for 'BiasAdd' (op: 'BiasAdd') with input shapes: "
                f"{x.shape}, {b.shape}."
            )

    def kernel(v: Any, w: Any) -> Any:
        return v + (w.reshape(-1, *[1] * (v.ndim - 2)) if first else w)

    return node("BiasAdd", kernel, [x, b], x.dtype, x.shape, name)


def dropout(
    x: Any,
    keep_prob: Any = None,
    noise_shape: Any = None,
    seed: int | None = None,
    name: str | None = None,
    rate: Any = None,
) -> Tensor:
    """Each element with probability ``keep_prob`` divided by it, otherwise 0.

    ``rate`` is ``1 - keep_prob``. Both may be tensors. ``noise_shape`` has 1 where one decision counts for a whole axis.

    Raises ``ValueError`` unless the probability is in (0, 1].
    """
    value = convert_to_tensor(x)
    if not value.dtype.is_floating:
        raise ValueError(
            f"x has to be a floating point tensor since it's going to be scaled. Got a {value.dtype.name} tensor instead."
        )
    if keep_prob is None and rate is None:
        raise ValueError("You must provide a rate to dropout.")
    if rate is not None:
        keep_prob = 1.0 - rate
    if isinstance(keep_prob, int | float):
        if not 0 < keep_prob <= 1:
            raise ValueError(
                f"keep_prob must be a scalar tensor or a float in the range (0, 1], got {keep_prob:g}"
            )
        if keep_prob == 1:
            return value
    keep = convert_to_tensor(keep_prob, value.dtype)
    decided = None if noise_shape is None else list(noise_shape)

    def draw(generator: Any, v: Any, p: Any) -> Any:
        shape = tuple(v.shape) if decided is None else tuple(decided)
        mask = rl.rand(shape, dtype=v.dtype, generator=generator) < p
        return rl.where(mask, v / p, rl.zeros((), dtype=v.dtype))

    return drawing("Dropout", [value, keep], value.dtype, value.shape, draw, seed, name or "dropout")


def embedding_lookup(
    params: Any,
    ids: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    validate_indices: bool = True,
    max_norm: Any = None,
) -> Tensor:
    """The rows of ``params`` at ``ids``, which may have any shape. Its gradient is dense."""
    if isinstance(params, list | tuple):
        if len(params) != 1:
            raise NotImplementedError(
                "embedding_lookup: give one table; tables in several parts are not available"
            )
        params = params[0]
    rows = gather(params, ids, name=name or "embedding_lookup")
    if max_norm is not None:
        from .clipping import clip_by_norm

        return clip_by_norm(rows, max_norm, axes=[-1])
    return rows


def l2_loss(t: Any, name: str | None = None) -> Tensor:
    """Half the sum of squares."""
    x = convert_to_tensor(t)
    return node("L2Loss", lambda value: (value * value).sum() / 2, [x], x.dtype, [], name)


def l2_normalize(
    x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None, dim: Any = None
) -> Tensor:
    """``x / sqrt(max(sum(x²), epsilon))`` along ``axis``."""
    from .ops_math import maximum, rsqrt

    with name_scope(name, "l2_normalize"):
        value = convert_to_tensor(x)
        total = reduce_sum(square(value), either(axis, dim, "axis", "dim"), keepdims=True)
        scale: Tensor = rsqrt(maximum(total, epsilon))
        return value * scale


def moments(
    x: Any,
    axes: Any,
    shift: Any = None,
    name: str | None = None,
    keep_dims: bool | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """The mean and the variance (divided by the number of elements) over ``axes``."""
    from .ops_array import stop_gradient
    from .ops_math import squared_difference

    keep = bool(either(keepdims, keep_dims, "keepdims", "keep_dims"))
    with name_scope(name, "moments"):
        value = convert_to_tensor(x)
        mean = reduce_mean(value, axes, keepdims=True, name="mean")
        variance = reduce_mean(
            squared_difference(value, stop_gradient(mean)), axes, keepdims=True, name="variance"
        )
        if keep:
            return mean, variance
        over = [axes] if isinstance(axes, int) else list(axes)
        return squeeze(mean, over), squeeze(variance, over)


def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    offset: Any,
    scale: Any,
    variance_epsilon: float,
    name: str | None = None,
) -> Tensor:
    """``(x - mean) / sqrt(variance + variance_epsilon) · scale + offset``; scale and offset may be None."""
    from .ops_math import rsqrt

    with name_scope(name, "batchnorm"):
        value = convert_to_tensor(x)
        factor: Tensor = rsqrt(convert_to_tensor(variance, value.dtype) + variance_epsilon)
        if scale is not None:
            factor = factor * scale
        shift = -convert_to_tensor(mean, value.dtype) * factor
        return value * factor + (shift if offset is None else shift + offset)


def local_response_normalization(
    input: Any,
    depth_radius: int = 5,
    bias: float = 1.0,
    alpha: float = 1.0,
    beta: float = 0.5,
    name: str | None = None,
) -> Tensor:
    """Each element divided by ``(bias + alpha · sum of squares of the channels around it) ** beta``; the last axis has them."""
    x = convert_to_tensor(input)

    def kernel(value: Any) -> Any:
        channels = value.shape[-1]
        squares = F.pad(value * value, (depth_radius, depth_radius))
        total = squares[..., 0:channels]
        for i in range(1, 2 * depth_radius + 1):
            total = total + squares[..., i : i + channels]
        return value / (bias + alpha * total) ** beta

    return node("LRN", kernel, [x], x.dtype, x.shape, name)


lrn = local_response_normalization


def xw_plus_b(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """``matmul(x, weights) + biases``."""
    from .ops_math import matmul

    with name_scope(name, "xw_plus_b"):
        return bias_add(matmul(x, weights), biases)


def relu_layer(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """``relu(matmul(x, weights) + biases)``."""
    return relu(xw_plus_b(x, weights, biases), name=name)


def zero_fraction(value: Any, name: str | None = None) -> Tensor:
    """The share of elements that are 0."""
    x = convert_to_tensor(value)
    return node("ZeroFraction", lambda v: (v == 0).to(rl.float32).mean(), [x], dtypes.float32, [], name)


def log_poisson_loss(targets: Any, log_input: Any, name: str | None = None) -> Tensor:
    """``exp(log_input) - log_input · targets``."""
    x = convert_to_tensor(log_input)
    z = convert_to_tensor(targets, x.dtype)
    return node("LogPoissonLoss", lambda v, t: rl.exp(v) - v * t, [x, z], x.dtype, x.shape, name)
