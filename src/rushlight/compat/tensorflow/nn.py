"""``tf.nn``: activations, losses by element, normalization, convolution and recurrent nets."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import rushlight as rl
import rushlight.nn.functional as F
from rushlight.ops.index_tensors import check_range

from . import dtypes, rnn_cell as rnn_cell
from .candidates import (
    compute_accidental_hits as compute_accidental_hits,
    fixed_unigram_candidate_sampler as fixed_unigram_candidate_sampler,
    learned_unigram_candidate_sampler as learned_unigram_candidate_sampler,
    log_uniform_candidate_sampler as log_uniform_candidate_sampler,
    nce_loss as nce_loss,
    sampled_softmax_loss as sampled_softmax_loss,
    uniform_candidate_sampler as uniform_candidate_sampler,
)
from .conversion import convert_to_tensor
from .ctc import ctc_greedy_decoder as ctc_greedy_decoder, ctc_loss as ctc_loss
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
from .ops_rearranging import (
    depth_to_space as depth_to_space,
    space_to_batch as space_to_batch,
    space_to_depth as space_to_depth,
)
from .ops_reduce import (
    either,
    in_top_k as in_top_k,
    reduce_mean,
    reduce_sum,
    top_k as top_k,
)
from .ops_windows import (
    atrous_conv2d as atrous_conv2d,
    atrous_conv2d_transpose as atrous_conv2d_transpose,
    avg_pool1d as avg_pool1d,
    avg_pool2d as avg_pool2d,
    avg_pool3d as avg_pool3d,
    conv3d_transpose as conv3d_transpose,
    convolution as convolution,
    dilation2d as dilation2d,
    erosion2d as erosion2d,
    fused_batch_norm as fused_batch_norm,
    max_pool1d as max_pool1d,
    max_pool2d as max_pool2d,
    max_pool3d as max_pool3d,
    max_pool_with_argmax as max_pool_with_argmax,
    pool as pool,
    separable_conv2d as separable_conv2d,
)
from .rnn import (
    bidirectional_dynamic_rnn as bidirectional_dynamic_rnn,
    dynamic_rnn as dynamic_rnn,
    raw_rnn as raw_rnn,
    static_bidirectional_rnn as static_bidirectional_rnn,
    static_rnn as static_rnn,
)
from .sparse_tensor import embedding_lookup_sparse as embedding_lookup_sparse
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
silu = swish = _activation("Swish", F.silu, "``x · sigmoid(x)`` of each element.")
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
        params = params[0] if len(params) == 1 else _whole_table(params, partition_strategy)
    rows = gather(params, ids, name=name or "embedding_lookup")
    if max_norm is not None:
        from .clipping import clip_by_norm

        return clip_by_norm(rows, max_norm, axes=[-1])
    return rows


def _whole_table(parts: Any, strategy: str) -> Tensor:
    """The parts of a table as one: with "mod" row ``i`` is in part ``i % n``, with "div" the parts follow each other."""
    from .ops_array import concat

    tables = [convert_to_tensor(part) for part in parts]
    if strategy == "div":
        return concat(tables, 0)
    count = len(tables)

    def kernel(*values: Any) -> Any:
        rows = sum([value.shape[0] for value in values])
        order = rl.cat([rl.arange(i, i + count * len(v), count) for i, v in enumerate(values)])
        base = rl.zeros((rows, *values[0].shape[1:]), dtype=values[0].dtype)
        return rl.index_copy(base, 0, order, rl.cat(values))

    extents = [table.shape.extents[0] if table.shape.extents else None for table in tables]
    rows = None if None in extents else sum([extent or 0 for extent in extents])
    rest = tables[0].shape.extents
    known = UNKNOWN if rest is None else [rows, *rest[1:]]
    return node("PartitionedTable", kernel, tables, tables[0].dtype, known)


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
depthwise_conv2d_native = depthwise_conv2d


def xw_plus_b(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """``matmul(x, weights) + biases``."""
    from .ops_math import matmul

    with name_scope(name, "xw_plus_b") as scope:
        return bias_add(matmul(x, weights), biases, name=scope)


def relu_layer(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """``relu(matmul(x, weights) + biases)``."""
    return relu(xw_plus_b(x, weights, biases), name=name)


def zero_fraction(value: Any, name: str | None = None) -> Tensor:
    """The share of elements that are 0."""
    x = convert_to_tensor(value)
    return node("ZeroFraction", lambda v: (v == 0).to(rl.float32).mean(), [x], dtypes.float32, [], name)


def log_poisson_loss(
    targets: Any, log_input: Any, compute_full_loss: bool = False, name: str | None = None
) -> Tensor:
    """``exp(log_input) - log_input · targets``, with ``compute_full_loss`` plus Stirling's approximation of log(targets!)."""
    x = convert_to_tensor(log_input)
    z = convert_to_tensor(targets, x.dtype)

    def kernel(v: Any, t: Any) -> Any:
        loss = rl.exp(v) - v * t
        if not compute_full_loss:
            return loss
        stirling = t * rl.log(t) - t + 0.5 * rl.log(2 * math.pi * t)
        return loss + rl.where((t >= 0) & (t <= 1), rl.zeros_like(t), stirling)

    return node("LogPoissonLoss", kernel, [x, z], x.dtype, x.shape, name)


def weighted_moments(
    x: Any,
    axes: Any,
    frequency_weights: Any,
    name: str | None = None,
    keep_dims: bool | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """The mean and the variance over ``axes``, with weights that are broadcast to ``x``."""
    from .ops_array import ones_like

    keep = bool(either(keepdims, keep_dims, "keepdims", "keep_dims"))
    with name_scope(name, "weighted_moments"):
        value = convert_to_tensor(x)
        weights = convert_to_tensor(frequency_weights, value.dtype) * ones_like(value)
        total = reduce_sum(weights, axes, keepdims=True)
        mean = reduce_sum(weights * value, axes, keepdims=True) / total
        variance = reduce_sum(weights * square(value - mean), axes, keepdims=True) / total
        if keep:
            return mean, variance
        over = [axes] if isinstance(axes, int) else list(axes)
        return squeeze(mean, over), squeeze(variance, over)


def sufficient_statistics(
    x: Any,
    axes: Any,
    shift: Any = None,
    keep_dims: bool | None = None,
    name: str | None = None,
    keepdims: bool | None = None,
) -> tuple[Any, Tensor, Tensor, Any]:
    """The number of elements, their sum and sum of squares over ``axes`` (less ``shift``), and the shift."""
    from .ops_array import size
    from .ops_math import cast

    keep = bool(either(keepdims, keep_dims, "keepdims", "keep_dims"))
    with name_scope(name, "sufficient_statistics"):
        value = convert_to_tensor(x)
        moved = value if shift is None else value - shift
        total = reduce_sum(moved, axes, keep)
        count = cast(size(value), value.dtype) / cast(size(total), value.dtype)
        extents = value.shape.extents
        over = [axes] if isinstance(axes, int) else list(axes)
        if extents is not None and all(extents[axis] is not None for axis in over):
            number = 1
            for axis in over:
                number *= extents[axis] or 0
            count = convert_to_tensor(float(number), value.dtype)
        given = None if shift is None else convert_to_tensor(shift, value.dtype)
        return count, total, reduce_sum(square(moved), axes, keep), given


def normalize_moments(
    counts: Any, mean_ss: Any, variance_ss: Any, shift: Any, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """Mean and variance from what :func:`sufficient_statistics` gives."""
    with name_scope(name, "normalize"):
        total = convert_to_tensor(mean_ss)
        share = 1.0 / convert_to_tensor(counts, total.dtype)
        moved = total * share
        mean = moved if shift is None else moved + shift
        return mean, convert_to_tensor(variance_ss) * share - square(moved)
