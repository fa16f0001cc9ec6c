"""``tf.contrib.metrics``: ``tf.metrics`` under older names, with the predictions before the labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import metrics as _metrics
from ..conversion import convert_to_tensor
from ..graph import name_scope
from ..ops_math import cast, equal
from ..ops_reduce import reduce_mean, reduce_sum
from ..ops_segments import confusion_matrix as confusion_matrix


def accuracy(predictions: Any, labels: Any, weights: Any = None, name: str | None = None) -> Any:
    """How often ``predictions`` equal ``labels`` in this batch alone."""
    with name_scope(name, "accuracy"):
        hits = cast(equal(convert_to_tensor(predictions), labels), "float32")
        if weights is None:
            return reduce_mean(hits)
        factors = cast(convert_to_tensor(weights), "float32")
        return reduce_sum(hits * factors) / reduce_sum(factors + hits * 0)


def _streaming(name: str) -> Callable[..., Any]:
    function = getattr(_metrics, name)

    def streaming(predictions: Any, labels: Any, *args: Any, **options: Any) -> Any:
        return function(labels, predictions, *args, **options)

    streaming.__name__ = streaming.__qualname__ = f"streaming_{name}"
    streaming.__doc__ = f"``tf.metrics.{name}`` with the predictions first: ``(value, update)``."
    return streaming


streaming_accuracy = _streaming("accuracy")
streaming_auc = _streaming("auc")
streaming_false_negatives = _streaming("false_negatives")
streaming_false_positives = _streaming("false_positives")
streaming_mean_absolute_error = _streaming("mean_absolute_error")
streaming_mean_iou = _streaming("mean_iou")
streaming_mean_squared_error = _streaming("mean_squared_error")
streaming_precision = _streaming("precision")
streaming_recall = _streaming("recall")
streaming_root_mean_squared_error = _streaming("root_mean_squared_error")
streaming_true_positives = _streaming("true_positives")
streaming_mean = _metrics.mean


def aggregate_metric_map(names_to_tuples: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """``{name: (value, update)}`` as the dict of the values and the dict of the updates."""
    return (
        {name: pair[0] for name, pair in names_to_tuples.items()},
        {name: pair[1] for name, pair in names_to_tuples.items()},
    )


def aggregate_metrics(*value_update_tuples: Any) -> tuple[list[Any], list[Any]]:
    """``(value, update)`` pairs as the list of the values and the list of the updates."""
    if not value_update_tuples:
        raise ValueError("Expected at least one value_tensor/update_op pair")
    values, updates = zip(*value_update_tuples, strict=True)
    return list(values), list(updates)
