"""Choosing and indexing elements, under TensorFlow's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import rushlight as rl

from . import dtypes
from .conversion import (
    constant_value,
    convert_n_to_tensor,
    convert_to_tensor,
    known_extent,
    make_array,
    numbers_of,
    shape_argument,
)
from .dtypes import as_dtype
from .graph import Operand, Tensor, node
from .tensor_shape import UNKNOWN, TensorShape

# --- choosing -----------------------------------------------------------------------------------------------------------


def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """Elements of ``x`` where ``condition``, else of ``y``; without them, the indices (int64) of what is true.

    A vector ``condition`` chooses whole rows of ``x`` and ``y``.
    """
    chosen = convert_to_tensor(condition)
    if x is None and y is None:
        return node("Where", rl.argwhere, [chosen], dtypes.int64, [None, chosen.shape.ndims], name)
    if x is None or y is None:
        raise ValueError("x and y must both be non-None or both be None.")
    a, b = convert_n_to_tensor([x, y])
    known = a.shape.merge_with(b.shape) if a.shape.is_compatible_with(b.shape) else UNKNOWN

    def kernel(mask: Any, first: Any, second: Any) -> Any:
        if mask.ndim == 1 and first.ndim > 1:
            mask = mask.reshape(-1, *[1] * (first.ndim - 1))
        return rl.where(mask, first, second)

    return node("Select", kernel, [chosen, a, b], a.dtype, known, name)


def gather(
    params: Any, indices: Any, validate_indices: Any = None, name: str | None = None, axis: Any = None
) -> Tensor:
    """The slices of ``params`` along ``axis`` (0) at ``indices``, which may have any shape.

    Raises ``InvalidArgumentError`` when it runs, if an index is out of range.
    """
    x, chosen = convert_to_tensor(params), convert_to_tensor(indices)
    along = int(axis or 0)
    known = UNKNOWN
    if x.shape.extents is not None and chosen.shape.extents is not None:
        at = along % len(x.shape.extents)
        known = TensorShape([*x.shape.extents[:at], *chosen.shape.extents, *x.shape.extents[at + 1 :]])

    def kernel(value: Any, index: Any) -> Any:
        at = along % value.ndim
        flat = rl.index_select(value, at, index.reshape(-1).to(rl.int64))
        return flat.reshape(*value.shape[:at], *index.shape, *value.shape[at + 1 :])

    return node("GatherV2", kernel, [x, chosen], x.dtype, known, name)


def gather_nd(params: Any, indices: Any, name: str | None = None) -> Tensor:
    """Slices of ``params`` at index tuples, which are the last axis of ``indices``."""
    x, chosen = convert_to_tensor(params), convert_to_tensor(indices)
    known = UNKNOWN
    if (
        x.shape.extents is not None
        and chosen.shape.extents is not None
        and chosen.shape.extents[-1] is not None
    ):
        known = TensorShape([*chosen.shape.extents[:-1], *x.shape.extents[chosen.shape.extents[-1] :]])

    def kernel(value: Any, index: Any) -> Any:
        return value[tuple(rl.unbind(index.to(rl.int64), -1))]

    return node("GatherNd", kernel, [x, chosen], x.dtype, known, name)


def scatter_nd(indices: Any, updates: Any, shape: Any, name: str | None = None) -> Tensor:
    """Zeros of ``shape`` with ``updates`` added at index tuples, which are the last axis of ``indices``."""
    chosen, values = convert_to_tensor(indices), convert_to_tensor(updates)
    numbers, computed, known = shape_argument(shape)

    def kernel(index: Any, update: Any, *run_time: Any) -> Any:
        base = rl.zeros(numbers_of(run_time[0]) if run_time else numbers, dtype=update.dtype)
        return rl.index_put(base, tuple(rl.unbind(index.to(rl.int64), -1)), update, accumulate=True)

    inputs = [chosen, values] if computed is None else [chosen, values, computed]
    return node("ScatterNd", kernel, inputs, values.dtype, known, name)


def boolean_mask(tensor: Any, mask: Any, name: str = "boolean_mask", axis: int | None = None) -> Tensor:
    """The elements, or slices, of ``tensor`` where ``mask`` is true."""
    x, chosen = convert_to_tensor(tensor), convert_to_tensor(mask)
    if chosen.shape.ndims == 0:
        raise ValueError("mask cannot be scalar.")
    at = axis or 0
    known = UNKNOWN
    if x.shape.extents is not None and chosen.shape.ndims is not None:
        known = TensorShape([*x.shape.extents[:at], None, *x.shape.extents[at + chosen.shape.ndims :]])

    def kernel(value: Any, where_: Any) -> Any:
        return value[(*[slice(None)] * at, where_)]

    return node("BooleanMask", kernel, [x, chosen], x.dtype, known, name)


def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """``on_value`` (1) at each index along a new axis of extent ``depth``, ``off_value`` (0) elsewhere.

    An index outside ``[0, depth)`` gives no ``on_value`` at all.
    """
    index = convert_to_tensor(indices)
    if not index.dtype.is_integer:
        raise TypeError(
            f"Value passed to parameter 'indices' has DataType {index.dtype.name} not in list of allowed values: uint8, int32, "
            "int64"
        )
    count = known_extent(depth)
    if count is None:
        raise ValueError("one_hot: depth must be known when the graph is built")
    kind = as_dtype(dtype) if dtype is not None else dtypes.float32
    if dtype is None:
        for value in (on_value, off_value):
            if value is not None:
                kind = as_dtype(make_array(value).dtype)
    on, off = 1 if on_value is None else on_value, 0 if off_value is None else off_value
    at = -1 if axis is None else axis
    known = UNKNOWN
    if index.shape.extents is not None:
        extents = list(index.shape.extents)
        extents.insert(at if at >= 0 else len(extents) + 1 + at, count)
        known = TensorShape(extents)

    def kernel(value: Any) -> Any:
        hot = value.unsqueeze(-1) == rl.arange(count, dtype=value.dtype)
        filled_in = rl.where(
            hot, rl.full((), on, dtype=kind.rushlight), rl.full((), off, dtype=kind.rushlight)
        )
        return filled_in if at == -1 else rl.movedim(filled_in, -1, at)

    return node("OneHot", kernel, [index], kind, known, name or "one_hot")


def sequence_mask(
    lengths: Any, maxlen: Any = None, dtype: Any = dtypes.bool_, name: str | None = None
) -> Tensor:
    """For each length n, n trues and then falses, ``maxlen`` (the longest) in all."""
    counts, kind = convert_to_tensor(lengths), as_dtype(dtype)
    extent = None if maxlen is None else known_extent(maxlen)
    inputs = [counts] if maxlen is None or extent is not None else [counts, convert_to_tensor(maxlen)]

    def kernel(value: Any, *longest: Any) -> Any:
        end = extent if extent is not None else int((longest[0] if longest else value.max()).item())
        return (rl.arange(end, dtype=value.dtype) < value.unsqueeze(-1)).to(kind.rushlight)

    return node("SequenceMask", kernel, inputs, kind, counts.shape.concatenate([extent]), name)


def unique(x: Any, out_idx: Any = dtypes.int32, name: str | None = None) -> Any:
    """The different elements of a vector in order of first appearance, and for each element which of them it is."""
    from collections import namedtuple

    values, kind = convert_to_tensor(x), as_dtype(out_idx)

    def kernel(value: Any) -> Any:
        array = value.numpy()
        _, first, inverse = np.unique(array, return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        return rl.from_numpy(array[np.sort(first)]), rl.from_numpy(place[inverse].astype(kind.numpy))

    results = [(values.dtype, TensorShape([None])), (kind, values.shape)]
    op = values.graph.create_op("Unique", [values], results, kernel, name=name)
    return namedtuple("Unique", ["y", "idx"])(*op.outputs)


# --- slicing ------------------------------------------------------------------------------------------------------------


def slice_(input_: Any, begin: Any, size: Any, name: str | None = None) -> Tensor:
    """The part that begins at ``begin`` and has ``size`` elements along each axis (-1: all the rest)."""
    x = convert_to_tensor(input_)
    starts, computed_starts, _ = shape_argument(begin)
    sizes, computed_sizes, wanted = shape_argument(size)
    known = wanted
    if starts is not None and sizes is not None and x.shape.extents is not None:
        rows = zip(x.shape.extents, starts, sizes, strict=True)
        known = TensorShape([(None if e is None else e - s) if n == -1 else n for e, s, n in rows])
    inputs = [x, *[item for item in (computed_starts, computed_sizes) if item is not None]]

    def kernel(value: Any, *run_time: Any) -> Any:
        rest = iter(run_time)
        first = starts if starts is not None else numbers_of(next(rest))
        count = sizes if sizes is not None else numbers_of(next(rest))
        return value[tuple([slice(s, None if n == -1 else s + n) for s, n in zip(first, count, strict=True)])]

    return node("Slice", kernel, inputs, x.dtype, known, name)


def subscript(x: Tensor, index: Any, name: str = "strided_slice") -> Tensor:
    """``x[index]``: integers, slices, ``...``, ``tf.newaxis``, and 0-dim integer tensors in any of their places."""
    items = index if isinstance(index, tuple) else (index,)
    computed: list[Tensor] = []
    plan: list[Any] = []

    def part(value: Any) -> Any:
        if isinstance(value, Operand):
            number = constant_value(value)
            if number is not None:
                return int(number)
            computed.append(convert_to_tensor(value))
            return _Computed(len(computed) - 1)
        return None if value is None else int(value)

    for item in items:
        if isinstance(item, slice):
            plan.append(slice(part(item.start), part(item.stop), part(item.step)))
        elif item is None or item is Ellipsis:
            plan.append(item)
        elif isinstance(item, Operand) and getattr(item, "dtype", None) is dtypes.bool_:
            return boolean_mask(x, item)
        elif isinstance(item, int | np.integer | Operand) or hasattr(item, "__index__"):
            plan.append(part(item))
        else:
            raise TypeError(
                f"Only integers, slices (`:`), ellipsis (`...`), tf.newaxis (`None`) and scalar tf.int32/tf.int64 tensors "
                f"are valid indices, got {item!r}"
            )

    def kernel(value: Any, *run_time: Any) -> Any:
        numbers = [int(number.item()) for number in run_time]
        return _take(value, [_filled_in(item, numbers) for item in plan])

    attributes = {"index": tuple(plan)}
    return node(
        "StridedSlice", kernel, [x, *computed], x.dtype, _sliced(x.shape, plan), name, attributes=attributes
    )


class _Computed:
    """Stands in an index for a number that is computed when the graph runs."""

    def __init__(self, place: int) -> None:
        self.place = place


def _filled_in(item: Any, numbers: Sequence[int]) -> Any:
    if isinstance(item, slice):
        return slice(*[_filled_in(part, numbers) for part in (item.start, item.stop, item.step)])
    return numbers[item.place] if isinstance(item, _Computed) else item


def _take(value: Any, plan: Sequence[Any]) -> Any:
    # Rushlight's slices, like PyTorch's, go forwards only: an axis that is read backwards is turned round first.
    if not any(isinstance(item, slice) and item.step is not None and item.step < 0 for item in plan):
        return value[tuple(plan)]
    axis, turned, index = 0, [], []
    consumed = sum(1 for item in plan if item is not None and item is not Ellipsis)
    for item in plan:
        if item is Ellipsis:
            axis += value.ndim - consumed
        elif isinstance(item, slice) and item.step is not None and item.step < 0:
            extent = value.shape[axis]
            start, stop, step = item.indices(extent)
            turned.append(axis)
            item = slice(extent - 1 - start, extent - 1 - stop, -step)
            axis += 1
        elif item is not None:
            axis += 1
        index.append(item)
    return rl.flip(value, tuple(turned))[tuple(index)]


def _sliced(known: TensorShape, plan: Sequence[Any]) -> TensorShape:
    if known.extents is None:
        return UNKNOWN
    extents = list(known.extents)
    consumed = sum(1 for item in plan if item is not None and item is not Ellipsis)
    if consumed > len(extents):
        raise ValueError(
            f"Index out of range using input dim {len(extents)}; input has only {len(extents)} dims"
        )
    result: list[int | None] = []
    axis = 0
    for item in plan:
        if item is Ellipsis:
            rest = len(extents) - consumed
            result += extents[axis : axis + rest]
            axis += rest
        elif item is None:
            result.append(1)
        elif isinstance(item, slice):
            parts = (item.start, item.stop, item.step)
            extent = extents[axis]
            if parts == (None, None, None):
                result.append(extent)
            elif extent is None or any(isinstance(part, _Computed) for part in parts):
                result.append(None)
            else:
                result.append(len(np.arange(extent)[item]))
            axis += 1
        else:
            extent = extents[axis]
            if isinstance(item, int) and extent is not None and not -extent <= item < extent:
                raise ValueError(f"slice index {item} of dimension {axis} out of bounds.")
            axis += 1
    return TensorShape([*result, *extents[axis:]])


def strided_slice(
    input_: Any,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    name: str | None = None,
) -> Tensor:
    """``input_[begin[0]:end[0]:strides[0], …]``; a set bit i of a mask leaves axis i's beginning or end open."""
    x = convert_to_tensor(input_)
    starts, ends = make_array(begin), make_array(end)
    steps = np.ones_like(starts) if strides is None else make_array(strides)
    parts = [
        slice(None if begin_mask >> i & 1 else int(a), None if end_mask >> i & 1 else int(b), int(c))
        for i, (a, b, c) in enumerate(zip(starts, ends, steps, strict=True))
    ]
    return subscript(x, tuple(parts), name or "StridedSlice")


def _get_item(self: Operand, index: Any) -> Tensor:
    return subscript(convert_to_tensor(self), index)


setattr(Operand, "__getitem__", _get_item)  # noqa: B010  (a method that mypy knows by its declaration)
