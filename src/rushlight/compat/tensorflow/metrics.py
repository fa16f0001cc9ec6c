"""``tf.metrics``: running means over many runs. Each gives ``(value, update)`` and keeps its counts in local variables."""

from __future__ import annotations

from typing import Any

from . import dtypes
from .control_flow import group
from .conversion import convert_to_tensor
from .graph import GraphKeys, Tensor, get_default_graph
from .ops_array import ones_like, squeeze, zeros
from .ops_math import abs as absolute, cast, div_no_nan, equal, multiply, sqrt, squared_difference
from .ops_reduce import reduce_sum
from .variable_scope import variable_scope
from .variables import Variable, assign_add


def _count(name: str) -> Variable:
    return Variable(
        lambda: zeros([], dtypes.float32),
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES],
        name=name,
    )


def _ratio(
    values: Any,
    weights: Any,
    name: str | None,
    default: str,
    metrics_collections: Any,
    updates_collections: Any,
    root: bool = False,
) -> tuple[Tensor, Tensor]:
    with variable_scope(name, default_name=default):
        total, count = _count("total"), _count("count")
        numbers = cast(convert_to_tensor(values), dtypes.float32)
        factors = ones_like(numbers)
        if weights is not None:
            factors = multiply(factors, cast(convert_to_tensor(weights), dtypes.float32))
        added = group(
            assign_add(total, reduce_sum(multiply(numbers, factors))), assign_add(count, reduce_sum(factors))
        )
        value = div_no_nan(total, count, name="value")
        with get_default_graph().control_dependencies([added]):
            # Read after the additions: the operation is new, so it runs after what it depends on.
            update = div_no_nan(total, count, name="update_op")
        if root:
            value, update = sqrt(value), sqrt(update)
    graph = get_default_graph()
    graph.add_to_collections(list(metrics_collections or []), value)
    graph.add_to_collections(list(updates_collections or []), update)
    return value, update


def mean(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The weighted mean of all values so far, and the operation that adds the present ones."""
    return _ratio(values, weights, name, "mean", metrics_collections, updates_collections)


def accuracy(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """How often ``predictions`` equal ``labels``, and the operation that adds the present ones.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     value, update = tf.metrics.accuracy([1, 2, 3, 4], [1, 2, 0, 0])
        ...     session.run(tf.local_variables_initializer())
        ...     print(session.run(update), session.run(value))
        0.5 0.5
    """
    truths, guesses = convert_to_tensor(labels), convert_to_tensor(predictions)
    ranks = truths.shape.ndims, guesses.shape.ndims
    if ranks[0] is not None and ranks[1] is not None:
        if ranks[0] == ranks[1] + 1:
            truths = squeeze(truths, [-1])
        elif ranks[1] == ranks[0] + 1:
            guesses = squeeze(guesses, [-1])
    if truths.dtype is not guesses.dtype:
        guesses = cast(guesses, truths.dtype)
    return _ratio(equal(guesses, truths), weights, name, "accuracy", metrics_collections, updates_collections)


def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The mean squared difference so far, and the operation that adds the present ones."""
    errors = squared_difference(convert_to_tensor(predictions), labels)
    return _ratio(errors, weights, name, "mean_squared_error", metrics_collections, updates_collections)


def root_mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The root of the mean squared difference so far, and the operation that adds the present ones."""
    errors = squared_difference(convert_to_tensor(predictions), labels)
    return _ratio(
        errors, weights, name, "root_mean_squared_error", metrics_collections, updates_collections, root=True
    )


def mean_absolute_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The mean absolute difference so far, and the operation that adds the present ones."""
    errors = absolute(convert_to_tensor(predictions) - labels)
    return _ratio(errors, weights, name, "mean_absolute_error", metrics_collections, updates_collections)
