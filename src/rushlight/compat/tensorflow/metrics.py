"""``tf.metrics``: running means over many runs. Each gives ``(value, update)`` and keeps its counts in local variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl

from . import dtypes
from .control_flow import group
from .conversion import convert_to_tensor
from .graph import GraphKeys, Tensor, get_default_graph, node
from .ops_array import identity, ones_like, reshape, squeeze, zeros
from .ops_math import abs as absolute, cast, div_no_nan, equal, multiply, sqrt, squared_difference
from .ops_reduce import reduce_sum
from .ops_segments import confusion_matrix
from .variable_scope import variable_scope
from .variables import Variable, assign_add, update as update_variables


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


# --- counts of right and wrong ------------------------------------------------------------------------------------------


def _local(shape: list[int], name: str, dtype: Any = dtypes.float32) -> Variable:
    return Variable(
        lambda: zeros(shape, dtype),
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES],
        name=name,
    )


def _added(kind: str, variables: list[Variable], inputs: list[Tensor], kernel: Any) -> Any:
    return update_variables(variables, inputs, kernel, kind)


def _reported(value: Tensor, update: Tensor, metrics_collections: Any, updates_collections: Any) -> Any:
    graph = get_default_graph()
    graph.add_to_collections(list(metrics_collections or []), value)
    graph.add_to_collections(list(updates_collections or []), update)
    return value, update


def _weights(weights: Any, like: Tensor) -> Tensor:
    if weights is None:
        return ones_like(cast(like, dtypes.float32))
    return cast(convert_to_tensor(weights), dtypes.float32)


def _truths(labels: Any, predictions: Any) -> tuple[Tensor, Tensor]:
    a, b = cast(convert_to_tensor(labels), dtypes.bool_), cast(convert_to_tensor(predictions), dtypes.bool_)
    return a, b


_CELLS = ("true_positives", "false_negatives", "true_negatives", "false_positives")


def _counting(
    default: str, wanted: tuple[str, ...], ratio: bool, doc: str
) -> Callable[..., tuple[Tensor, Tensor]]:
    """A metric made of how often labels and predictions were true or false together."""

    def public(
        labels: Any,
        predictions: Any,
        weights: Any = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> tuple[Tensor, Tensor]:
        with variable_scope(name, default_name=default):
            truths, guesses = _truths(labels, predictions)
            factors = _weights(weights, guesses)
            counts = [_local([], cell) for cell in wanted]

            def kernel(*operands: Any) -> None:
                truth, guess, factor = [operand.reshape(-1) for operand in operands[len(counts) :]]
                factor = rl.broadcast_to(factor, truth.shape)
                for cell, total in zip(wanted, operands, strict=False):
                    right = guess == truth if cell.startswith("true") else guess != truth
                    hit = right & (guess if cell.endswith("positives") else ~guess)
                    total.add_((hit.to(rl.float32) * factor).sum())

            added = _added("CountCells", counts, [truths, guesses, factors], kernel)

            def result(title: str) -> Tensor:
                parts = [identity(count) for count in counts]
                if not ratio:
                    return identity(parts[0], title)
                share: Tensor = div_no_nan(parts[0], parts[0] + parts[1], name=title)
                return share

            value = result("value")
            with get_default_graph().control_dependencies([added]):
                update = result("update_op")
        return _reported(value, update, metrics_collections, updates_collections)  # type: ignore[no-any-return]

    public.__doc__ = f"{doc}, so far, and the operation that adds the present ones."
    return public


true_positives = _counting(
    "true_positives", ("true_positives",), False, "How many predictions are rightly true"
)
false_positives = _counting("false_positives", ("false_positives",), False, "How many are wrongly true")
true_negatives = _counting("true_negatives", ("true_negatives",), False, "How many are rightly false")
false_negatives = _counting("false_negatives", ("false_negatives",), False, "How many are wrongly false")
precision = _counting(
    "precision", ("true_positives", "false_positives"), True, "The share of true predictions that are right"
)
recall = _counting(
    "recall", ("true_positives", "false_negatives"), True, "The share of true labels that were predicted"
)


def _at_thresholds(labels: Any, predictions: Any, thresholds: list[float], weights: Any) -> tuple[Any, Any]:
    """Local variables with the four counts for each threshold, and the operation that adds the present ones."""
    truths = cast(convert_to_tensor(labels), dtypes.bool_)
    scores = cast(convert_to_tensor(predictions), dtypes.float32)
    factors = _weights(weights, scores)
    counts = [_local([len(thresholds)], cell) for cell in _CELLS]
    edges = rl.tensor(thresholds, dtype=rl.float32)

    def kernel(tp: Any, fn: Any, tn: Any, fp: Any, truth: Any, score: Any, factor: Any) -> None:
        truth, score = truth.reshape(1, -1), score.reshape(1, -1)
        factor = rl.broadcast_to(factor.reshape(1, -1), score.shape)
        guess = score > edges.reshape(-1, 1)
        for total, hit in (
            (tp, guess & truth),
            (fn, ~guess & truth),
            (tn, ~guess & ~truth),
            (fp, guess & ~truth),
        ):
            total.add_((hit.to(rl.float32) * factor).sum(1))

    return counts, _added("CountAtThresholds", counts, [truths, scores, factors], kernel)


def auc(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    curve: str = "ROC",
    name: str | None = None,
    summation_method: str = "trapezoidal",
    thresholds: Any = None,
) -> tuple[Tensor, Tensor]:
    """The area under the curve of true over false positives ("ROC"), or of precision over recall ("PR").

    The curve has a point for each of ``num_thresholds`` thresholds between 0 and 1.
    """
    if curve not in ("ROC", "PR"):
        raise ValueError(f"curve must be either ROC or PR, {curve} unknown")
    small = 1e-7
    edges = [-small, *[(i + 1) / (num_thresholds - 1) for i in range(num_thresholds - 2)], 1.0 + small]

    def area(tp: Any, fn: Any, tn: Any, fp: Any) -> Any:
        epsilon = 1e-6
        recall_ = (tp + epsilon) / (tp + fn + epsilon)
        if curve == "ROC":
            x, y = fp / (fp + tn + epsilon), recall_
        else:
            x, y = recall_, (tp + epsilon) / (tp + fp + epsilon)
        if curve == "PR" and summation_method == "careful_interpolation":
            return _interpolated(tp, fp, fn)
        heights = {
            "trapezoidal": lambda: (y[:-1] + y[1:]) / 2,
            "careful_interpolation": lambda: (y[:-1] + y[1:]) / 2,
            "minoring": lambda: rl.minimum(y[:-1], y[1:]),
            "majoring": lambda: rl.maximum(y[:-1], y[1:]),
        }[summation_method]()
        return ((x[:-1] - x[1:]) * heights).sum()

    with variable_scope(name, default_name="auc"):
        counts, added = _at_thresholds(labels, predictions, edges, weights)
        value = node("AUC", area, [identity(c) for c in counts], dtypes.float32, [], "value")
        with get_default_graph().control_dependencies([added]):
            update = node("AUC", area, [identity(c) for c in counts], dtypes.float32, [], "update_op")
    return _reported(value, update, metrics_collections, updates_collections)  # type: ignore[no-any-return]


def _interpolated(tp: Any, fp: Any, fn: Any) -> Any:
    """The area under the precision-recall curve, with true positives between two points taken to grow evenly.

    Source: J. Davis and M. Goadrich, "The Relationship Between Precision-Recall and ROC Curves", 2006.
    """
    change, positives = tp[:-1] - tp[1:], tp + fp
    spread = rl.clamp(positives[:-1] - positives[1:], min=0)
    slope = rl.where(spread > 0, change / rl.clamp(spread, min=1e-30), rl.zeros_like(change))
    offset = tp[1:] - slope * positives[1:]
    ratio = positives[:-1] / rl.clamp(positives[1:], min=1e-30)
    usable = (positives[:-1] > 0) & (positives[1:] > 0)
    grown = rl.where(usable, rl.log(rl.clamp(ratio, min=1e-30)), rl.zeros_like(change))
    whole = rl.clamp(tp[1:] + fn[1:], min=1e-30)
    return (slope * (change + offset * grown) / whole).sum()


def _ratio_at_thresholds(default: str, other: int, doc: str) -> Callable[..., tuple[Tensor, Tensor]]:
    def public(
        labels: Any,
        predictions: Any,
        thresholds: Any,
        weights: Any = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> tuple[Tensor, Tensor]:
        with variable_scope(name, default_name=default):
            counts, added = _at_thresholds(labels, predictions, list(thresholds), weights)

            def result(title: str) -> Tensor:
                hits, rest = identity(counts[0]), identity(counts[other])
                return node(
                    "Ratio", lambda a, b: a / (1e-7 + a + b), [hits, rest], dtypes.float32, hits.shape, title
                )

            value = result("value")
            with get_default_graph().control_dependencies([added]):
                update = result("update_op")
        return _reported(value, update, metrics_collections, updates_collections)  # type: ignore[no-any-return]

    public.__doc__ = f"{doc} for each threshold, so far, and the operation that adds the present ones."
    return public


precision_at_thresholds = _ratio_at_thresholds("precision_at_thresholds", 3, "The precision")
recall_at_thresholds = _ratio_at_thresholds("recall_at_thresholds", 1, "The recall")


def _from_confusion(default: str, function: Any, doc: str) -> Callable[..., tuple[Tensor, Tensor]]:
    def public(
        labels: Any,
        predictions: Any,
        num_classes: int,
        weights: Any = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> tuple[Tensor, Tensor]:
        with variable_scope(name, default_name=default):
            total = _local([num_classes, num_classes], "total_confusion_matrix", dtypes.float64)
            present = confusion_matrix(
                reshape(labels, [-1]),
                reshape(predictions, [-1]),
                num_classes,
                dtypes.float64,
                weights=None if weights is None else reshape(weights, [-1]),
            )
            update = assign_add(total, present)
            value = node(default, function, [identity(total)], dtypes.float32, [], default)
        return _reported(value, update, metrics_collections, updates_collections)  # type: ignore[no-any-return]

    public.__doc__ = (
        f"{doc} of ``num_classes`` classes so far, and the operation that adds the present ones to a matrix."
    )
    return public


def _mean_overlap(matrix: Any) -> Any:
    hits = rl.diagonal(matrix)
    union = matrix.sum(0) + matrix.sum(1) - hits
    valid = (union != 0).to(rl.float32).sum()
    shares = hits / rl.where(union > 0, union, rl.ones_like(union))
    return (shares.sum() / rl.clamp(valid, min=1)).to(rl.float32)


mean_iou = _from_confusion("mean_iou", _mean_overlap, "The mean intersection over union")


def mean_per_class_accuracy(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The mean over classes of the share of each that was recognised, and the operation that adds the present ones."""

    def share(total: Any, count: Any) -> Any:
        return count / rl.where(total > 0, total, rl.ones_like(total))

    with variable_scope(name, default_name="mean_accuracy"):
        truths, guesses = reshape(labels, [-1]), reshape(predictions, [-1])
        total, count = _local([num_classes], "total"), _local([num_classes], "count")
        factors = reshape(_weights(weights, guesses), [-1])

        def kernel(every: Any, right: Any, truth: Any, guess: Any, factor: Any) -> None:
            factor = rl.broadcast_to(factor, truth.shape)
            every.index_add_(0, truth.to(rl.int64), factor)
            right.index_add_(0, truth.to(rl.int64), factor * (truth == guess).to(rl.float32))

        added = _added("CountClasses", [total, count], [truths, cast(guesses, truths.dtype), factors], kernel)
        value = node(
            "MeanShare",
            lambda every, right: share(every, right).mean(),
            [identity(total), identity(count)],
            dtypes.float32,
            [],
            "mean_accuracy",
        )
        with get_default_graph().control_dependencies([added]):
            update = node(
                "Share", share, [identity(total), identity(count)], dtypes.float32, [num_classes], "update_op"
            )
    return _reported(value, update, metrics_collections, updates_collections)  # type: ignore[no-any-return]


def mean_tensor(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The weighted mean of each element so far, and the operation that adds the present ones."""
    with variable_scope(name, default_name="mean"):
        numbers = cast(convert_to_tensor(values), dtypes.float32)
        extents = [int(extent or 0) for extent in numbers.shape.as_list()]
        total, count = _local(extents, "total_tensor"), _local(extents, "count_tensor")
        factors = ones_like(numbers) * _weights(weights, numbers)
        added = group(assign_add(total, numbers * factors), assign_add(count, factors))
        value = div_no_nan(total, count, name="value")
        with get_default_graph().control_dependencies([added]):
            update = div_no_nan(total, count, name="update_op")
    return _reported(value, update, metrics_collections, updates_collections)  # type: ignore[no-any-return]


def percentage_below(
    values: Any,
    threshold: float,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The share of values below ``threshold`` so far, and the operation that adds the present ones."""
    from .ops_math import less

    below = less(convert_to_tensor(values), threshold)
    return _ratio(
        below, weights, name, "percentage_below_threshold", metrics_collections, updates_collections
    )


def mean_relative_error(
    labels: Any,
    predictions: Any,
    normalizer: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The mean of ``|labels - predictions| / normalizer`` so far, and the operation that adds the present ones."""
    difference = absolute(convert_to_tensor(predictions) - labels)
    errors = div_no_nan(difference, convert_to_tensor(normalizer, difference.dtype))
    return _ratio(errors, weights, name, "mean_relative_error", metrics_collections, updates_collections)


def mean_cosine_distance(
    labels: Any,
    predictions: Any,
    dim: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """One minus the mean product of unit vectors along ``dim`` so far, and the operation that adds the present ones."""
    products = reduce_sum(multiply(convert_to_tensor(predictions), labels), [dim], keepdims=True)
    value, update = _ratio(products, weights, name, "mean_cosine_distance", None, None)
    return _reported(1.0 - value, 1.0 - update, metrics_collections, updates_collections)  # type: ignore[no-any-return]


def recall_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """How often a label is among the ``k`` highest predictions so far, and the operation that adds the present ones."""
    if class_id is not None:
        raise NotImplementedError("recall_at_k: class_id is not available")
    scores, classes = convert_to_tensor(predictions), convert_to_tensor(labels)

    def hits(values: Any, truth: Any) -> Any:
        best = rl.sort(values, dim=-1, descending=True, stable=True)[1][..., :k]
        truth = truth.to(rl.int64).reshape(values.shape[0], -1)
        return (truth.unsqueeze(-1) == best.unsqueeze(1)).any(-1).to(rl.float32)

    found = node("HitsAtK", hits, [scores, classes], dtypes.float32, [None, None])
    return _ratio(found, weights, name, f"recall_at_{k}", metrics_collections, updates_collections)
