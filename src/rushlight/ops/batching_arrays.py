"""Rules for batches: reductions, operations along a dimension, joining, and reading and writing at index tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.device import placed_beside
from ..core.shapes import count
from ..runtime import batched as arrays_of
from ..runtime.batched import Batched, batch_size, lined_up, spread, wrap
from .batching_core import Arrays, belongs, direct, inward, looped, refused, run_batched
from .define import PRIMITIVES, Primitive

# --- reductions and what runs along a dimension -----------------------------------------------------------------------


def _reshaped(level: int, result: Any, shape: tuple[int, ...]) -> Any:
    """Every result with ``shape`` for each example."""
    if isinstance(result, tuple):
        return tuple([_reshaped(level, part, shape) for part in result])
    return result.reshape(shape)


def _over_axes(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Reductions over ``axis``: a tuple, or None for all dimensions."""
    (x,) = arrays
    axis = attrs["axis"]
    if not x.ndim:
        attrs = {**attrs, "axis": (1,), "keepdims": False} if "keepdims" in attrs else {"axis": (1,)}
        return inward(record, level, [x.value.reshape((-1, 1))], attrs)
    if axis is not None and not axis:
        # Over no dimension: over a new one that each element has to itself.
        one = {**attrs, "axis": (x.ndim + 1,)}
        if "keepdims" in one:
            one["keepdims"] = False
        return inward(record, level, [x.value[..., None]], one)
    return inward(record, level, [x.value], {**attrs, "axis": x.axes(axis)})


def _over_dim(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Operations along ``dim`` of one tensor; None is all of it, flat."""
    x = arrays[0]
    dim = attrs["dim"]
    if dim is None:
        flat = x.value.reshape((x.value.shape[0], x.size))
        result = inward(record, level, [flat], {**attrs, "dim": 1, "keepdims": False})
        return _reshaped(level, result, (1,) * x.ndim) if attrs.get("keepdims") else result
    if x.ndim == 0:
        return _reshaped(level, inward(record, level, [x.value.reshape((-1, 1))], {**attrs, "dim": 1}), ())
    return inward(record, level, [x.value], {**attrs, "dim": x.axis(dim)})


def _middle(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """``median`` and ``nanmedian`` of all elements."""
    (x,) = arrays
    if not x.size:
        return looped(record, level, arrays, attrs)
    flat = x.value.reshape((x.value.shape[0], x.size))
    along = PRIMITIVES[f"{record.name}_dim"]
    return inward(along, level, [flat], {"dim": 1, "keepdims": False})[0]


def _turned(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """``flip`` and ``roll``: several dimensions of one tensor."""
    x = arrays[0]
    dims = tuple([x.ndim + d if d < 0 else d for d in attrs["dims"]]) if x.ndim else ()
    given = {**attrs, "dims": tuple([d + 1 for d in dims])}
    if not x.ndim and "shifts" in given:
        given["shifts"] = ()
    return inward(record, level, [x.value], given)


def _all_along(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Operations of several tensors of one rank along ``dim``."""
    size = batch_size(arrays, level)
    dim = attrs["dim"]
    values = [None if a is None else spread(a, level, size) for a in arrays]
    return inward(record, level, values, {**attrs, "dim": dim + 1 if dim >= 0 else dim})


def _gathering(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """``gather`` and ``scatter``: tensors of one rank, where one without dimensions goes as one of one element.

    What ``scatter`` writes may be one number for all places.
    """
    size = batch_size(arrays, level)
    index = arrays[1 if record.name == "gather" else 2]
    given = attrs.get("shape")
    if given is not None:
        attrs = {**attrs, "shape": (size, *(given or (1,)))}
    shape = index.shape if record.name == "gather" else given if arrays[0] is None else arrays[0].shape
    values = []
    for place, array in enumerate(arrays):
        value = None if array is None else spread(array, level, size)
        if value is not None and value.ndim == 1:
            value = value.reshape((size, *(1,) * max(index.ndim, 1)))
            if place == 1 and index.ndim and record.name != "gather":
                value = np.broadcast_to(value, (size, *index.shape))
        values.append(value)
    dim = attrs["dim"]
    result = inward(record, level, values, {**attrs, "dim": dim + 1 if dim >= 0 else dim})
    return result if shape else result.reshape(())


def _joining(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    ndim = max([a.ndim for a in arrays])
    if any([a.ndim != ndim for a in arrays]):  # empty 1-dim tensors, which are skipped
        kept = [a for a in arrays if a.ndim == ndim]
        if not any([belongs(a, level) for a in kept]):
            return looped(record, level, arrays, attrs)
        arrays = kept
    dim = attrs["dim"]
    size = batch_size(arrays, level)
    values = [spread(a, level, size) for a in arrays]
    return inward(record, level, values, {**attrs, "dim": dim + 1 if dim >= 0 else dim})


def _padding(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    pads = tuple(attrs["pads"])
    return inward(record, level, [arrays[0].value], {**attrs, "pads": ((0, 0), *pads)})


def _slice_gradient(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    index = attrs["index"]
    parts = index if type(index) is tuple else (index,)
    value = arrays[0].value
    shape = (value.shape[0], *attrs["shape"])
    return inward(record, level, [value], {"shape": shape, "index": (slice(None), *parts)})


def _copied(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    old, value = arrays
    return (
        wrap(level, np.broadcast_to(lined_up(value, old.ndim), (value.value.shape[0], *old.shape)))
        if belongs(value, level)
        else np.broadcast_to(value, old.shape)
    )


def _embedded(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Zeros of ``shape`` with the values in the part of them that a view shows."""
    (values,) = arrays
    result = np.zeros_like(values, shape=attrs["shape"])
    run_batched(attrs["record"], [result], attrs["attrs"])[...] = values
    return result


def _fft(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    x = arrays[0]
    return inward(record, level, [x.value], {**attrs, "axes": x.axes(tuple(attrs["axes"]))})


# --- index tensors ----------------------------------------------------------------------------------------------------


def _as_numbers(indices: Arrays, dims: tuple[int, ...]) -> tuple[Arrays, tuple[int, ...]] | None:
    """The index arrays with masks as the numbers of their true elements; None if a mask has no dimensions.

    Raises ``RuntimeError`` for a batched mask: how much it selects is different for each example.
    """
    if not any([index.dtype == np.bool_ for index in indices]):
        return indices, dims
    numbers: Arrays = []
    places: list[int] = []
    for index, dim in zip(indices, dims, strict=True):
        if index.dtype != np.bool_:
            numbers.append(index)
            places.append(dim)
            continue
        if type(index) is Batched:
            raise arrays_of.dynamic_shape("index")
        if not index.ndim:
            return None
        numbers += index.nonzero()
        places += range(dim, dim + index.ndim)
    return numbers, tuple(places)


def _adjacent(dims: tuple[int, ...]) -> bool:
    return list(dims) == list(range(dims[0], dims[0] + len(dims)))


def _counted(indices: Arrays, level: int, size: int) -> tuple[Arrays, int]:
    """The values of index arrays behind a count of the examples, and the rank of what they are for one example."""
    rank = max([index.ndim for index in indices])
    values = [lined_up(index, rank) if belongs(index, level) else index for index in indices]
    count_of_examples = placed_beside(np.arange(size), values[0]).reshape(size, *(1,) * rank)
    return [count_of_examples, *values], rank


def _reading(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """``x[index tensors]``: a batched index goes with a count of the examples in front."""
    x, *given = arrays
    found = _as_numbers(given, attrs["dims"])
    if found is None:
        return looped(record, level, arrays, attrs)
    indices, dims = found
    adjacent = _adjacent(dims)
    if not any([belongs(index, level) for index in indices]):
        result = run_batched(record, [x.value, *indices], {**attrs, "dims": tuple([d + 1 for d in dims])})
        # Index arrays that are apart from each other put their dimensions first, before the batch's.
        return wrap(level, result if adjacent else np.moveaxis(result, max([i.ndim for i in indices]), 0))
    values, rank = _counted(indices, level, batch_size(indices, level))
    if not belongs(x, level):
        result = run_batched(record, [x, *values[1:]], {**attrs, "dims": dims})
        return wrap(level, np.moveaxis(result, dims[0], 0) if adjacent else result)
    result = run_batched(record, [x.value, *values], {**attrs, "dims": (0, *[d + 1 for d in dims])})
    if adjacent and dims[0] and rank:
        # The count and the indices were apart; for one example the indices' dimensions stay where they were.
        source = tuple(range(1, 1 + rank))
        result = np.moveaxis(result, source, tuple([d + dims[0] for d in source]))
    return wrap(level, result)


def _writing(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """``x[index tensors] = value``, with the dimensions that are indexed brought to the front."""
    x, value, *given = arrays
    found = _as_numbers(given, attrs["dims"])
    shape = tuple(x.shape if x is not None else attrs["shape"])
    if found is None:
        return looped(record, level, arrays, attrs)
    indices, dims = found
    size = batch_size(arrays, level)
    places, rank = _counted(indices, level, size)
    order = (*dims, *[d for d in range(len(shape)) if d not in dims])
    selected = rank + len(shape) - len(dims)
    if value.ndim > selected:
        if any([extent != 1 for extent in value.shape[: value.ndim - selected]]):
            return looped(record, level, arrays, attrs)
        value = value.reshape(value.shape[value.ndim - selected :])
    lead = dims[0] if _adjacent(dims) else 0
    if lead and value.ndim > selected - lead:
        # For one example the dimensions before the indexed ones come first in the value.
        value = value.reshape((*(1,) * (selected - value.ndim), *value.shape))
        value = np.moveaxis(value, tuple(range(lead)), tuple(range(rank, rank + lead)))
    in_front = order == tuple(range(len(shape)))
    target = None if x is None else spread(x, level, size)
    if target is not None and not in_front:
        target = target.transpose((0, *[d + 1 for d in order]))
    if attrs.get("shape") is not None:
        attrs = {**attrs, "shape": (size, *[shape[d] for d in order])}
    values = [target, lined_up(value, selected) if belongs(value, level) else value, *places]
    result = run_batched(record, values, {**attrs, "dims": tuple(range(len(dims) + 1))})
    if not in_front:
        back = sorted(range(len(order)), key=order.__getitem__)
        result = result.transpose((0, *[d + 1 for d in back]))
    return wrap(level, result)


def _masked_scatter(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """The n-th true element of the mask takes the n-th element of the source: counted by a running sum."""
    x, source, mask = arrays
    if not source.size or not mask.size:
        return looped(record, level, arrays, attrs)
    places = np.cumsum(mask.reshape((-1,)), 0) - 1
    places = np.clip(places, 0, source.size - 1)
    taken = np.take_along_axis(source.reshape((-1,)), places, 0).reshape(mask.shape)
    return np.where(mask, taken, x)


# --- searching --------------------------------------------------------------------------------------------------------


def _searched(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    sequence, values, sorter = arrays
    if not belongs(sequence, level) and not belongs(sorter, level) and sequence.ndim == 1:
        return inward(record, level, [sequence, values.value, sorter], attrs)
    size = batch_size(arrays, level)
    shape = values.shape
    wanted = spread(values, level, size)
    if sequence.ndim == 1:
        wanted = wanted.reshape((size, count(shape)))
    order = None if sorter is None else spread(sorter, level, size)
    return inward(record, level, [spread(sequence, level, size), wanted, order], attrs).reshape(shape)


def _among(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    x, among = arrays
    if not belongs(among, level):
        return inward(record, level, [x.value, among], attrs)
    return np.equal(x.reshape((*x.shape, 1)), among.reshape((-1,))).any(-1)


RULES: Final[dict[str, Callable[..., Any]]] = {
    **dict.fromkeys(
        [
            "view", "squeeze", "unsqueeze", "reshape", "permute", "transpose", "t", "slice", "select", "expand", "clone",
            "unbind", "split", "split_with_sizes", "with_new_dimension", "diagonal", "untracked_view", "overwritten", "unfold",
            "alias", "conj", "copy_slices", "as_strided",
        ],
        direct,
    ),
    **dict.fromkeys(["nonzero", "unique", "unique_consecutive"], refused),
    **dict.fromkeys(
        [
            "sum", "mean", "prod", "logsumexp", "all", "any", "count_nonzero", "max", "min", "amax", "amin", "var", "std",
            "linalg_vector_norm",
        ],
        _over_axes,
    ),
    **dict.fromkeys(
        [
            "softmax", "log_softmax", "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "sort", "topk", "kthvalue",
            "median_dim", "nanmedian_dim", "mode", "max_dim", "min_dim", "argmax", "argmin",
        ],
        _over_dim,
    ),
    **dict.fromkeys(("median", "nanmedian"), _middle),
    **dict.fromkeys(("flip", "roll"), _turned),
    **dict.fromkeys(("gather", "scatter", "scatter_reduce"), _gathering),
    **dict.fromkeys(("cross", "linear_scan"), _all_along),
    **dict.fromkeys(("cat", "stack"), _joining),
    "index": _reading,
    "index_put": _writing,
    "masked_scatter": _masked_scatter,
    "slice_backward": _slice_gradient,
    "embed_view": _embedded,
    "copy": _copied,
    "constant_pad_nd": _padding,
    "searchsorted": _searched,
    "isin": _among,
    **dict.fromkeys(("fft_complex", "fft_real_to_half", "fft_half_to_real"), _fft),
}  # fmt: skip

__all__ = ["RULES"]
