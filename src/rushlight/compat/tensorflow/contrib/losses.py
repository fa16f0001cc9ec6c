"""``tf.contrib.losses``: ``tf.losses`` with the predictions before the labels, as it was before TensorFlow 1.0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import losses as _losses
from ..losses import (
    add_loss as add_loss,
    compute_weighted_loss as compute_weighted_loss,
    get_losses as get_losses,
    get_regularization_losses as get_regularization_losses,
    get_total_loss as get_total_loss,
)


def _turned(name: str) -> Callable[..., Any]:
    function = getattr(_losses, name)

    def loss(
        predictions: Any, labels: Any = None, weights: Any = 1.0, scope: str | None = None, **more: Any
    ) -> Any:
        return function(labels, predictions, weights=weights, scope=scope, **more)

    loss.__name__ = loss.__qualname__ = name
    loss.__doc__ = f"``tf.losses.{name}`` with the predictions first."
    return loss


absolute_difference = _turned("absolute_difference")
hinge_loss = _turned("hinge_loss")
log_loss = _turned("log_loss")
mean_squared_error = _turned("mean_squared_error")


def softmax_cross_entropy(
    logits: Any, onehot_labels: Any, weights: Any = 1.0, label_smoothing: float = 0, scope: str | None = None
) -> Any:
    """``tf.losses.softmax_cross_entropy`` with the logits first."""
    return _losses.softmax_cross_entropy(onehot_labels, logits, weights, label_smoothing, scope)


def sparse_softmax_cross_entropy(
    logits: Any, labels: Any, weights: Any = 1.0, scope: str | None = None
) -> Any:
    """``tf.losses.sparse_softmax_cross_entropy`` with the logits first."""
    return _losses.sparse_softmax_cross_entropy(labels, logits, weights, scope)


def sigmoid_cross_entropy(
    logits: Any,
    multi_class_labels: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
) -> Any:
    """``tf.losses.sigmoid_cross_entropy`` with the logits first."""
    return _losses.sigmoid_cross_entropy(multi_class_labels, logits, weights, label_smoothing, scope)
