"""Sums and other reductions by group, partitions, counts and sets, under TensorFlow's names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import rushlight as rl

from . import dtypes
from .conversion import convert_to_tensor, known_extent
from .dtypes import as_dtype
from .graph import Operand, Tensor, get_default_graph, node
from .tensor_shape import UNKNOWN, TensorShape

_STARTS = {"sum": 0, "mean": 0, "sqrt_n": 0, "prod": 1}
_REDUCTIONS = {"max": "amax", "min": "amin", "prod": "prod"}


def _by_group(kind: str, rows: Any, ids: Any, count: int, empty: Any) -> Any:
    """``rows`` (n, ...) reduced by their group numbers ``ids`` (n,), of which negative ones count for nothing."""
    shape = (count + 1, *rows.shape[1:])
    ids = ids.to(rl.int64)
    ids = rl.where(ids < 0, rl.full_like(ids, count), ids)
    if kind in ("sum", "mean", "sqrt_n"):
        total = rl.index_add(rl.zeros(shape, dtype=rows.dtype), 0, ids, rows)
        if kind != "sum":
            sizes = rl.index_add(
                rl.zeros(count + 1, dtype=rows.dtype), 0, ids, rl.ones_like(ids, dtype=rows.dtype)
            )
            sizes = rl.clamp(sizes, min=1).reshape(-1, *[1] * (rows.ndim - 1))
            sizes = rl.sqrt(sizes) if kind == "sqrt_n" else sizes
            total = total / sizes if rows.is_floating_point() else rl.floor_divide(total, sizes)
        return total[:count]
    base = rl.full(shape, empty, dtype=rows.dtype)
    where = ids.reshape(-1, *[1] * (rows.ndim - 1)).expand(rows.shape)
    return rl.scatter_reduce(base, 0, where, rows, _REDUCTIONS[kind], include_self=False)[:count]


def _lowest(kind: str, dtype: Any) -> Any:
    """What a group without rows has in ``unsorted_segment_max`` and ``_min``: the type's limit."""
    if kind not in ("max", "min"):
        return _STARTS[kind]
    limits = rl.finfo(dtype) if dtype.is_floating_point else rl.iinfo(dtype)
    return limits.min if kind == "max" else limits.max


def _segments(kind: str) -> Callable[..., Tensor]:
    def public(data: Any = None, segment_ids: Any = None, name: str | None = None, **options: Any) -> Tensor:
        x, ids = convert_to_tensor(data), convert_to_tensor(segment_ids)

        def kernel(rows: Any, groups: Any) -> Any:
            if not groups.numel():
                return rows[:0]
            if bool((groups[1:] < groups[:-1]).any()):
                raise ValueError("segment ids are not increasing")
            return _by_group(kind, rows, groups, int(groups[-1].item()) + 1, _STARTS.get(kind, 0))

        known = UNKNOWN if x.shape.extents is None else TensorShape([None, *x.shape.extents[1:]])
        return node(f"Segment{kind.title()}", kernel, [x, ids], x.dtype, known, name)

    public.__doc__ = (
        f"The {kind} of the rows of ``data`` with the same number in ``segment_ids``, which is sorted."
    )
    return public


segment_sum, segment_mean, segment_prod = _segments("sum"), _segments("mean"), _segments("prod")
segment_max, segment_min = _segments("max"), _segments("min")


def _unsorted(kind: str) -> Callable[..., Tensor]:
    def public(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
        x, ids = convert_to_tensor(data), convert_to_tensor(segment_ids)
        known = known_extent(num_segments)
        counted = [] if known is not None else [convert_to_tensor(num_segments)]

        def kernel(rows: Any, groups: Any, *run_time: Any) -> Any:
            count = int(run_time[0].item()) if run_time else int(known or 0)
            rows = rows.reshape(groups.numel(), *rows.shape[groups.ndim :])
            return _by_group(kind, rows, groups.reshape(-1), count, _lowest(kind, rows.dtype))

        shape = UNKNOWN
        if x.shape.extents is not None and ids.shape.ndims is not None:
            shape = TensorShape([known, *x.shape.extents[ids.shape.ndims :]])
        return node(f"UnsortedSegment{kind.title()}", kernel, [x, ids, *counted], x.dtype, shape, name)

    public.__doc__ = (
        f"The {kind} of the slices of ``data`` with the same number in ``segment_ids``, for the numbers below ``num_segments``."
        "\n\n    A negative number leaves its slice out."
    )
    return public


unsorted_segment_sum, unsorted_segment_mean = _unsorted("sum"), _unsorted("mean")
unsorted_segment_max, unsorted_segment_min = _unsorted("max"), _unsorted("min")
unsorted_segment_prod, unsorted_segment_sqrt_n = _unsorted("prod"), _unsorted("sqrt_n")


def _sparse_segments(kind: str) -> Callable[..., Tensor]:
    def public(
        data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None
    ) -> Tensor:
        from .ops_indexing import gather

        x = convert_to_tensor(data)
        rows, ids = gather(x, indices), convert_to_tensor(segment_ids)
        count = known_extent(num_segments) if num_segments is not None else None

        def kernel(values: Any, groups: Any) -> Any:
            number = count if count is not None else int(groups[-1].item()) + 1 if groups.numel() else 0
            return _by_group(kind, values, groups, number, 0)

        known = UNKNOWN if x.shape.extents is None else TensorShape([count, *x.shape.extents[1:]])
        return node(f"SparseSegment{kind.title()}", kernel, [rows, ids], x.dtype, known, name)

    public.__doc__ = f"The {kind} of the rows ``indices`` of ``data`` by the groups ``segment_ids``."
    return public


sparse_segment_sum, sparse_segment_mean = _sparse_segments("sum"), _sparse_segments("mean")
sparse_segment_sqrt_n = _sparse_segments("sqrt_n")


# --- parts --------------------------------------------------------------------------------------------------------------


def dynamic_partition(data: Any, partitions: Any, num_partitions: int, name: str | None = None) -> list[Any]:
    """The slices of ``data`` in ``num_partitions`` lists, as ``partitions`` says for each; the order stays."""
    x, ids = convert_to_tensor(data), convert_to_tensor(partitions)
    rest = None if x.shape.extents is None or ids.shape.ndims is None else x.shape.extents[ids.shape.ndims :]
    shape = UNKNOWN if rest is None else TensorShape([None, *rest])

    def kernel(values: Any, groups: Any) -> tuple[Any, ...]:
        flat = groups.reshape(-1)
        rows = values.reshape(flat.numel(), *values.shape[groups.ndim :])
        if flat.numel() and (int(flat.min()) < 0 or int(flat.max()) >= num_partitions):
            raise ValueError(f"partitions must be in [0, {num_partitions})")
        return tuple([rows[flat == i] for i in range(num_partitions)])

    results = [(x.dtype, shape)] * num_partitions
    op = x.graph.create_op(
        "DynamicPartition", [x, ids], results, kernel, name=name, attributes={"many": True}
    )
    return list(op.outputs)


def dynamic_stitch(indices: Sequence[Any], data: Sequence[Any], name: str | None = None) -> Tensor:
    """A tensor whose rows ``indices[i]`` are ``data[i]``; of rows that are given twice the last one counts."""
    places = [convert_to_tensor(item) for item in indices]
    parts = [convert_to_tensor(item) for item in data]
    width = len(places)

    def kernel(*operands: Any) -> Any:
        flat = rl.cat([item.reshape(-1).to(rl.int64) for item in operands[:width]])
        rest = operands[width].shape[operands[0].ndim :]
        rows = rl.cat([item.reshape(-1, *rest) for item in operands[width:]])
        count = int(flat.max().item()) + 1 if flat.numel() else 0
        # The last of several rows for one place: where each place is found last.
        last = rl.zeros(count, dtype=rl.int64)
        last = rl.scatter_reduce(last, 0, flat, rl.arange(flat.numel()), "amax", include_self=False)
        return rl.index_select(rows, 0, last)

    first, rank = parts[0].shape.extents, places[0].shape.ndims
    shape = UNKNOWN if first is None or rank is None else TensorShape([None, *first[rank:]])
    return node("DynamicStitch", kernel, [*places, *parts], parts[0].dtype, shape, name)


def invert_permutation(x: Any, name: str | None = None) -> Tensor:
    """The permutation that undoes ``x``."""
    given = convert_to_tensor(x)

    def kernel(order: Any) -> Any:
        return rl.argsort(order).to(order.dtype)

    return node("InvertPermutation", kernel, [given], given.dtype, given.shape, name)


# --- counts and sets ----------------------------------------------------------------------------------------------------


def _extent_of(*tensors: Any) -> int:
    return max([int(tensor.max().item()) + 1 if tensor.numel() else 0 for tensor in tensors])


def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
    weights: Any = None,
) -> Tensor:
    """How often each class (row) was predicted as each class (column), or the sums of ``weights``.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     print(session.run(tf.confusion_matrix([0, 1, 1], [0, 0, 1])).tolist())
        [[1, 0], [1, 1]]
    """
    truths, guesses, kind = convert_to_tensor(labels), convert_to_tensor(predictions), as_dtype(dtype)
    given = [] if weights is None else [convert_to_tensor(weights)]
    count = None if num_classes is None else known_extent(num_classes)

    def kernel(a: Any, b: Any, *factors: Any) -> Any:
        size = count if count is not None else _extent_of(a, b)
        flat = a.reshape(-1).to(rl.int64) * size + b.reshape(-1).to(rl.int64)
        values = (
            factors[0].reshape(-1).to(kind.rushlight) if factors else rl.ones_like(flat).to(kind.rushlight)
        )
        total = rl.index_add(rl.zeros(size * size, dtype=values.dtype), 0, flat, values)
        return total.reshape(size, size)

    return node("ConfusionMatrix", kernel, [truths, guesses, *given], kind, [count, count], name)


def bincount(
    arr: Any,
    weights: Any = None,
    minlength: Any = None,
    maxlength: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
) -> Tensor:
    """How often each number from 0 on occurs in ``arr``, or the sums of ``weights``."""
    x = convert_to_tensor(arr)
    given = [] if weights is None else [convert_to_tensor(weights)]
    kind = given[0].dtype if given else as_dtype(dtype)

    def kernel(values: Any, *factors: Any) -> Any:
        flat = values.reshape(-1).to(rl.int64)
        found = rl.bincount(flat, factors[0].reshape(-1) if factors else None, int(minlength or 0))
        return (found if maxlength is None else found[: int(maxlength)]).to(kind.rushlight)

    return node("Bincount", kernel, [x, *given], kind, [None], name)


def histogram_fixed_width_bins(
    values: Any, value_range: Any, nbins: int = 100, dtype: Any = dtypes.int32, name: str | None = None
) -> Tensor:
    """The number of the bin, of ``nbins`` equal ones in ``value_range``, that each value falls into."""
    x, kind = convert_to_tensor(values), as_dtype(dtype)
    limits = convert_to_tensor(value_range, x.dtype)

    def kernel(v: Any, edges: Any) -> Any:
        share = (v - edges[0]) / (edges[1] - edges[0])
        return rl.clamp(rl.floor(share * nbins), 0, nbins - 1).to(kind.rushlight)

    return node("HistogramBins", kernel, [x, limits], kind, x.shape, name)


def histogram_fixed_width(
    values: Any, value_range: Any, nbins: int = 100, dtype: Any = dtypes.int32, name: str | None = None
) -> Tensor:
    """How many values fall into each of ``nbins`` equal bins; those outside count for the outermost ones."""
    bins = histogram_fixed_width_bins(values, value_range, nbins)
    kind = as_dtype(dtype)

    def kernel(numbers: Any) -> Any:
        return rl.bincount(numbers.reshape(-1).to(rl.int64), minlength=nbins).to(kind.rushlight)

    return node("HistogramFixedWidth", kernel, [bins], kind, [nbins], name)


def unique_with_counts(x: Any, out_idx: Any = dtypes.int32, name: str | None = None) -> Any:
    """The different values in the order of their first occurrence, where each is found among them, and how often."""
    from collections import namedtuple

    given, kind = convert_to_tensor(x), as_dtype(out_idx)

    def kernel(values: Any) -> tuple[Any, ...]:
        array = values.detach().numpy() if isinstance(values, rl.Tensor) else values
        _, first, inverse, counts = np.unique(
            array, return_index=True, return_inverse=True, return_counts=True
        )
        order = np.argsort(first)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        found = array[first[order]]
        return (
            rl.from_numpy(found) if isinstance(values, rl.Tensor) else found,
            rl.from_numpy(place[inverse.reshape(-1)].astype(kind.numpy)),
            rl.from_numpy(counts[order].astype(kind.numpy)),
        )

    results = [(given.dtype, TensorShape([None])), (kind, given.shape), (kind, TensorShape([None]))]
    op = given.graph.create_op("UniqueWithCounts", [given], results, kernel, name=name)
    return namedtuple("UniqueWithCounts", ["y", "idx", "count"])(*op.outputs)


def setdiff1d(x: Any, y: Any, index_dtype: Any = dtypes.int32, name: str | None = None) -> Any:
    """The values of ``x`` that are not in ``y``, in their order, and where they are: ``(out, idx)``."""
    from collections import namedtuple

    a, kind = convert_to_tensor(x), as_dtype(index_dtype)
    b = convert_to_tensor(y, a.dtype)

    def kernel(left: Any, right: Any) -> tuple[Any, ...]:
        kept = rl.nonzero(~rl.isin(left, right)).reshape(-1)
        return left[kept], kept.to(kind.rushlight)

    results = [(a.dtype, TensorShape([None])), (kind, TensorShape([None]))]
    op = a.graph.create_op("ListDiff", [a, b], results, kernel, name=name)
    return namedtuple("ListDiff", ["out", "idx"])(*op.outputs)


def edit_distance(hypothesis: Any, truth: Any, normalize: bool = True, name: str = "edit_distance") -> Tensor:
    """The Levenshtein distance between the sequences in two ``SparseTensor`` s, by their leading indices.

    With ``normalize`` it is divided by the length of the truth. Both have the rank of the result plus one.
    """
    parts = [*_sparse_parts(hypothesis), *_sparse_parts(truth)]

    def kernel(*operands: Any) -> Any:
        arrays = [value.numpy() if isinstance(value, rl.Tensor) else value for value in operands]
        guessed, wanted = _sequences(*arrays[:2]), _sequences(*arrays[3:5])
        extents = np.maximum(arrays[2][:-1], arrays[5][:-1])
        result = np.zeros(tuple(extents), np.float32)
        for place in np.ndindex(*extents):
            a, b = guessed.get(place, []), wanted.get(place, [])
            distance = float(_levenshtein(a, b))
            if normalize:
                distance = distance / len(b) if b else float("inf") if a else 0.0
            result[place] = distance
        return rl.from_numpy(result)

    graph = get_default_graph()
    extents = hypothesis.get_shape().extents
    shape = UNKNOWN if extents is None else TensorShape(extents[:-1])
    return graph.create_op("EditDistance", parts, [(dtypes.float32, shape)], kernel, name=name).outputs[0]


def _sparse_parts(sparse: Any) -> list[Tensor]:
    return [sparse.indices, sparse.values, sparse.dense_shape]


def _sequences(indices: Any, values: Any) -> dict[tuple[int, ...], list[Any]]:
    found: dict[tuple[int, ...], list[Any]] = {}
    for index, value in zip(indices.tolist(), values.tolist(), strict=True):
        found.setdefault(tuple(index[:-1]), []).append(value)
    return found


def _levenshtein(a: Sequence[Any], b: Sequence[Any]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


def count_up_to(ref: Any, limit: int, name: str | None = None) -> Tensor:
    """An operation that adds 1 to a variable and gives the value from before; see ``Variable.count_up_to``."""
    if not isinstance(ref, Operand):
        raise TypeError(f"count_up_to: {ref!r} is no variable")
    result: Tensor = ref.count_up_to(limit)  # type: ignore[attr-defined]
    return result
