"""``tf.losses``: weighted losses as one number, kept in ``GraphKeys.LOSSES``."""

from __future__ import annotations

from typing import Any

from . import nn
from .conversion import convert_to_tensor
from .graph import GraphKeys, Tensor, get_default_graph, name_scope, node
from .ops_array import ones_like, squeeze
from .ops_math import (
    abs as absolute,
    add_n,
    cast,
    div_no_nan,
    log as logarithm,
    minimum,
    multiply,
    not_equal,
    squared_difference,
)
from .ops_reduce import reduce_sum


class Reduction:
    """How the losses of the elements become one number."""

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_OVER_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """Every way."""
        return cls.NONE, cls.SUM, cls.MEAN, cls.SUM_OVER_BATCH_SIZE, cls.SUM_BY_NONZERO_WEIGHTS


def compute_weighted_loss(
    losses: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """``losses`` times ``weights`` (which broadcast), as one number; by default the mean over what has a weight.

    Raises ``ValueError`` for an unknown ``reduction``.
    """
    if reduction not in Reduction.all():
        raise ValueError(f"Invalid Reduction Key {reduction}.")
    with name_scope(scope, "weighted_loss"):
        values = convert_to_tensor(losses)
        factors = cast(convert_to_tensor(weights), values.dtype)
        loss: Tensor = multiply(values, factors)
        if reduction != Reduction.NONE:
            total = reduce_sum(loss)
            spread = multiply(ones_like(values), factors)
            if reduction == Reduction.MEAN:
                total = div_no_nan(total, reduce_sum(spread), name="value")
            elif reduction == Reduction.SUM_BY_NONZERO_WEIGHTS:
                total = div_no_nan(total, reduce_sum(cast(not_equal(spread, 0), values.dtype)), name="value")
            elif reduction == Reduction.SUM_OVER_BATCH_SIZE:
                total = div_no_nan(total, reduce_sum(ones_like(values)), name="value")
            loss = total
    if loss_collection:
        get_default_graph().add_to_collection(loss_collection, loss)
    return loss


def _both(labels: Any, predictions: Any) -> tuple[Tensor, Tensor]:
    if labels is None:
        raise ValueError("labels must not be None.")
    if predictions is None:
        raise ValueError("predictions must not be None.")
    guesses = convert_to_tensor(predictions)
    truths = cast(convert_to_tensor(labels), guesses.dtype)
    guesses.shape.assert_is_compatible_with(truths.shape)
    return truths, guesses


def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """The mean of ``(predictions - labels)²``.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     print(session.run(tf.losses.mean_squared_error([1.0, 2.0], [2.0, 4.0])))
        2.5
    """
    truths, guesses = _both(labels, predictions)
    return compute_weighted_loss(
        squared_difference(guesses, truths),
        weights,
        scope or "mean_squared_error",
        loss_collection,
        reduction,
    )


def absolute_difference(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """The mean of ``|predictions - labels|``."""
    truths, guesses = _both(labels, predictions)
    return compute_weighted_loss(
        absolute(guesses - truths), weights, scope or "absolute_difference", loss_collection, reduction
    )


def huber_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    delta: float = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """The mean of ``d²/2`` where the difference d is at most ``delta``, and ``delta · |d| - delta²/2`` beyond."""
    truths, guesses = _both(labels, predictions)
    size = absolute(guesses - truths)
    near = minimum(size, delta)
    loss = 0.5 * near * near + delta * (size - near)
    return compute_weighted_loss(loss, weights, scope or "huber_loss", loss_collection, reduction)


def log_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    epsilon: float = 1e-7,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """The mean of ``-labels · log(predictions + epsilon) - (1 - labels) · log(1 - predictions + epsilon)``."""
    truths, guesses = _both(labels, predictions)
    loss = -(truths * logarithm(guesses + epsilon)) - (1.0 - truths) * logarithm(1.0 - guesses + epsilon)
    return compute_weighted_loss(loss, weights, scope or "log_loss", loss_collection, reduction)


def hinge_loss(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """The mean of ``max(0, 1 - y · logits)``, with y = ±1 for labels 1 and 0."""
    truths, scores = _both(labels, logits)
    loss = nn.relu(1.0 - (2.0 * truths - 1.0) * scores)
    return compute_weighted_loss(loss, weights, scope or "hinge_loss", loss_collection, reduction)


def softmax_cross_entropy(
    onehot_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """The mean cross entropy of distributions ``onehot_labels`` and ``softmax(logits)``, both (batch, classes)."""
    scores = convert_to_tensor(logits)
    truths = cast(convert_to_tensor(onehot_labels), scores.dtype)
    scores.shape.assert_is_compatible_with(truths.shape)
    if label_smoothing > 0:
        classes = scores.shape[-1].value
        if classes is None:
            raise ValueError("softmax_cross_entropy: label_smoothing needs a known number of classes")
        truths = truths * (1 - label_smoothing) + label_smoothing / classes
    loss = nn.softmax_cross_entropy_with_logits(labels=truths, logits=scores)
    return compute_weighted_loss(
        loss, weights, scope or "softmax_cross_entropy_loss", loss_collection, reduction
    )


def sparse_softmax_cross_entropy(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """The mean cross entropy of class numbers ``labels`` (…) and ``logits`` (…, classes)."""
    scores, classes = convert_to_tensor(logits), convert_to_tensor(labels)
    if classes.shape.ndims is not None and classes.shape.ndims == scores.shape.ndims:
        classes = squeeze(classes, [-1])
    loss = nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=scores)
    return compute_weighted_loss(
        loss, weights, scope or "sparse_softmax_cross_entropy_loss", loss_collection, reduction
    )


def sigmoid_cross_entropy(
    multi_class_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """The mean cross entropy of independent labels in [0, 1] and ``sigmoid(logits)``."""
    truths, scores = _both(multi_class_labels, logits)
    if label_smoothing > 0:
        truths = truths * (1 - label_smoothing) + 0.5 * label_smoothing
    loss = nn.sigmoid_cross_entropy_with_logits(labels=truths, logits=scores)
    return compute_weighted_loss(
        loss, weights, scope or "sigmoid_cross_entropy_loss", loss_collection, reduction
    )


def mean_pairwise_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
) -> Tensor:
    """The mean squared error of the differences of pairs of elements of a batch entry, summed over the entries."""
    truths, guesses = _both(labels, predictions)
    factors = convert_to_tensor(weights, guesses.dtype)

    def kernel(truth: Any, guess: Any, weight: Any) -> Any:
        error = (guess - truth).reshape(guess.shape[0], -1)
        count = error.shape[1]
        pairs = max(count - 1, 1)
        squares = 2 * (error**2).sum(1) / pairs
        loss = squares - 2 * error.sum(1) ** 2 / (count * pairs)
        loss = loss * weight.reshape(-1) if weight.numel() > 1 else loss * weight.reshape(())
        return loss.sum()

    loss = node("MeanPairwiseSquaredError", kernel, [truths, guesses, factors], guesses.dtype, [], scope)
    add_loss(loss, loss_collection)
    return loss


def cosine_distance(
    labels: Any,
    predictions: Any,
    axis: int | None = None,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
    dim: int | None = None,
) -> Tensor:
    """The mean of ``1 - sum(labels · predictions)`` along ``axis``; both should be normalized."""
    truths, guesses = _both(labels, predictions)
    at = dim if axis is None else axis
    if at is None:
        raise ValueError("You must specify 'axis'.")
    loss = 1 - reduce_sum(truths * guesses, at, keepdims=True)
    return compute_weighted_loss(loss, weights, scope or "cosine_distance_loss", loss_collection, reduction)


def add_loss(loss: Any, loss_collection: Any = GraphKeys.LOSSES) -> None:
    """Put a loss of your own into the collection."""
    if loss_collection:
        get_default_graph().add_to_collection(loss_collection, loss)


def get_losses(scope: str | None = None, loss_collection: Any = GraphKeys.LOSSES) -> list[Any]:
    """The losses so far."""
    return get_default_graph().get_collection(loss_collection, scope)


def get_regularization_losses(scope: str | None = None) -> list[Any]:
    """The penalties on variables so far."""
    return get_default_graph().get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


def get_regularization_loss(scope: str | None = None, name: str = "total_regularization_loss") -> Tensor:
    """The sum of the penalties on variables; 0 if there are none."""
    found = get_regularization_losses(scope)
    return add_n(found, name=name) if found else convert_to_tensor(0.0)


def get_total_loss(
    add_regularization_losses: bool = True, name: str = "total_loss", scope: str | None = None
) -> Tensor:
    """The sum of the losses and, if asked for, of the penalties on variables."""
    found = get_losses(scope)
    if add_regularization_losses:
        found += get_regularization_losses(scope)
    return add_n(found, name=name)
