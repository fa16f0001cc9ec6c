"""``tf.estimator.inputs``: functions that feed arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..data import Dataset


def numpy_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int = 1000,
    num_threads: int = 1,
) -> Callable[[], Any]:
    """A function that gives batches of arrays: ``(features, labels)``, or features alone without ``y``.

    Args:
        x: an array or a dict of arrays with the same number of rows; the features have the same form.
        y: an array, or a dict of arrays.
        num_epochs: how often all rows are given; None for without end. A batch may reach over the end of an epoch.
        shuffle: whether the rows are given in another order. It must be said.

    Raises:
        ValueError: if ``shuffle`` is not said, the numbers of rows differ, or ``x`` is empty (when the function is called).
        TypeError: if ``x`` is neither array nor dict (when the function is called).
    """
    if not isinstance(shuffle, bool):
        raise ValueError(
            "shuffle must be provided and explicitly set as boolean (it is recommended to set it as True for training); "
            f"got {shuffle}"
        )

    def input_fn() -> Any:
        if not isinstance(x, dict | np.ndarray):
            raise TypeError(f"x must be a dict or array; got {type(x).__name__}")
        if isinstance(x, dict) and not x:
            raise ValueError("x cannot be an empty dict")
        if isinstance(y, dict) and not y:
            raise ValueError("y cannot be empty dict, use None instead.")
        rows = {len(value) for value in (x.values() if isinstance(x, dict) else [x])}
        rows |= {len(value) for value in ([] if y is None else y.values() if isinstance(y, dict) else [y])}
        if len(rows) != 1:
            raise ValueError(
                f"Length of tensors in x and y is mismatched. All elements in x and y must have the same length: {sorted(rows)}"
            )
        data = Dataset.from_tensor_slices(x if y is None else (x, y))
        if shuffle:
            data = data.shuffle(queue_capacity)
        return data.repeat(num_epochs).batch(batch_size).make_one_shot_iterator().get_next()

    return input_fn


def pandas_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int = 1000,
    num_threads: int = 1,
    target_column: str = "target",
) -> Callable[[], Any]:
    """:func:`numpy_input_fn` of a pandas ``DataFrame`` and, for the labels, a ``Series`` or ``DataFrame``."""
    columns = {str(name): _column(x[name]) for name in x.columns}
    if y is None:
        labels: Any = None
    elif hasattr(y, "columns"):
        labels = {str(name): _column(y[name]) for name in y.columns}
    else:
        labels = _column(y)
    return numpy_input_fn(columns, labels, batch_size, num_epochs, shuffle, queue_capacity, num_threads)


def _column(series: Any) -> Any:
    return np.asarray(series)
