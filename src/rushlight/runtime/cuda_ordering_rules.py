"""Sorting, order statistics, distinct elements, searching and counting, by CuPy's stable sort.

CuPy sorts like NumPy: equal elements keep their order, nan comes last. Every rule has PyTorch's order of ties and place of
nan, as ``ops.sorting`` has them on a CPU. Functions of (cupy, arrays, parameters), see ``cuda_rules``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.dtypes import BOOL, F32, F64, I64
from .cuda_scan_rules import running

# --- sorting ----------------------------------------------------------------------------------------------------------


def _stable_order(cupy: Any, x: Any, axis: int, descending: bool) -> Any:
    """The indices along ``axis`` that sort ``x``, nan last (first if descending), equal elements in their order."""
    if x.dtype == BOOL:
        x = x.astype(np.uint8)
    if not descending:
        return cupy.argsort(x, axis=axis)
    # Reversed twice: nan comes first, equal elements keep their order.
    back = cupy.argsort(cupy.flip(x, axis), axis=axis)
    return x.shape[axis] - 1 - cupy.flip(back, axis)


def _nothing_to_sort(cupy: Any, x: Any, shape: Any) -> Any:
    """The results where there is nothing to sort: a number, or no elements."""
    if not x.ndim:
        return x.copy(), cupy.zeros((), I64)
    return cupy.zeros(shape, x.dtype), cupy.zeros(shape, I64)


def _sort(cupy: Any, x: Any, dim: int, descending: bool) -> Any:
    if not x.ndim or not x.size:
        return _nothing_to_sort(cupy, x, x.shape)
    order = _stable_order(cupy, x, dim, descending)
    return cupy.take_along_axis(x, order, dim), order


def _topk(cupy: Any, x: Any, k: int, dim: int, largest: bool) -> Any:
    shape = tuple([k if i == dim else n for i, n in enumerate(x.shape)])
    if not x.ndim or 0 in shape:
        return _nothing_to_sort(cupy, x, shape)
    if k == 1 and (largest or x.dtype.kind != "f"):  # nan is the largest, also of the smallest
        find = cupy.argmax if largest else cupy.argmin
        order = find(x, axis=dim, keepdims=True).astype(I64, copy=False)
        return cupy.take_along_axis(x, order, dim), order
    return _from_order(cupy, x, _stable_order(cupy, x, dim, largest), dim, k)


def _from_order(cupy: Any, x: Any, order: Any, dim: int, k: int) -> Any:
    first = cupy.ascontiguousarray(order[(slice(None),) * dim + (slice(k),)])
    return cupy.take_along_axis(x, first, dim), first


def _at_indices(cupy: Any, x: Any, indices: Any, dim: int, keepdims: bool) -> Any:
    """The elements at ``indices`` (of extent 1 along ``dim``) and the indices, without that dimension unless kept."""
    values = cupy.take_along_axis(x, indices, dim)
    if keepdims:
        return values, cupy.ascontiguousarray(indices)
    return values.squeeze(dim), cupy.ascontiguousarray(indices.squeeze(dim))


def _kth_order(cupy: Any, x: Any, k: int, dim: int) -> Any:
    return _stable_order(cupy, x, dim, False)[(slice(None),) * dim + (slice(k, k + 1),)]


def _kthvalue(cupy: Any, x: Any, k: int, dim: int, keepdims: bool) -> Any:
    if not x.ndim:
        return _nothing_to_sort(cupy, x, ())
    if not x.size:
        return NotImplemented
    return _at_indices(cupy, x, _kth_order(cupy, x, k - 1, dim), dim, keepdims)


# --- medians and modes ------------------------------------------------------------------------------------------------


def _median(cupy: Any, x: Any) -> Any:
    if not x.size:
        return NotImplemented
    ordered = cupy.sort(x.reshape(-1))
    middle = ordered[(x.size - 1) // 2]
    if x.dtype.kind != "f":
        return middle.copy()
    return cupy.where(cupy.isnan(ordered[-1]), ordered[-1], middle)


def _nanmedian(cupy: Any, x: Any) -> Any:
    if not x.size:
        return NotImplemented
    if x.dtype.kind != "f":
        return _median(cupy, x)
    ordered = cupy.sort(x.reshape(-1))
    numbers = x.size - cupy.count_nonzero(cupy.isnan(ordered))
    return cupy.take(ordered, cupy.maximum(numbers - 1, 0) // 2)


def _median_dim(cupy: Any, x: Any, dim: int, keepdims: bool) -> Any:
    if not x.ndim:
        return _nothing_to_sort(cupy, x, ())
    if not x.size:
        return NotImplemented
    indices = _kth_order(cupy, x, (x.shape[dim] - 1) // 2, dim)
    if x.dtype.kind == "f":
        unordered = cupy.isnan(x)
        first = cupy.argmax(unordered, axis=dim, keepdims=True)
        indices = cupy.where(cupy.any(unordered, axis=dim, keepdims=True), first, indices)
    return _at_indices(cupy, x, indices, dim, keepdims)


def _nanmedian_dim(cupy: Any, x: Any, dim: int, keepdims: bool) -> Any:
    if x.dtype.kind != "f" or not x.ndim:
        return _median_dim(cupy, x, dim, keepdims)
    if not x.size:
        return NotImplemented
    unordered = cupy.isnan(x)
    numbers = cupy.sum(~unordered, axis=dim, dtype=I64, keepdims=True)
    order = _stable_order(cupy, x, dim, False)
    indices = cupy.take_along_axis(order, cupy.maximum(numbers - 1, 0) // 2, dim)
    # Where all are nan, the first of them, as where one decides.
    return _at_indices(cupy, x, indices, dim, keepdims)


def _mode(cupy: Any, x: Any, dim: int, keepdims: bool) -> Any:
    if not x.ndim:
        return _nothing_to_sort(cupy, x, ())
    if not x.size:
        return NotImplemented
    order = _stable_order(cupy, x, dim, False)
    ordered = cupy.moveaxis(cupy.take_along_axis(x, order, dim), dim, -1)
    places = cupy.arange(ordered.shape[-1])
    starts = cupy.ones(ordered.shape, BOOL)
    starts[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    # How many equal elements end here: the first place with most of them ends the run of the smallest mode.
    begins = running(cupy, cupy.maximum, cupy.where(starts, places, 0), ordered.ndim - 1)
    ends = cupy.expand_dims(cupy.argmax(places - begins, axis=-1), dim)
    return _at_indices(cupy, x, cupy.take_along_axis(order, ends, dim), dim, keepdims)


# --- distinct elements ------------------------------------------------------------------------------------------------


def _run_lengths(cupy: Any, starts: Any) -> Any:
    first = cupy.flatnonzero(starts)
    ends = cupy.concatenate([first[1:], cupy.full(1, starts.size, I64)]) if first.size else first
    return (ends - first).astype(I64, copy=False)


def _places(cupy: Any, order: Any, starts: Any) -> Any:
    places = cupy.empty(order.shape, I64)
    places[order] = cupy.cumsum(starts, dtype=I64) - 1
    return places


def _starts(cupy: Any, rows: Any) -> Any:
    """Which rows differ from the row before them."""
    starts = cupy.ones(rows.shape[0], BOOL)
    if rows.shape[0] > 1:
        other = rows[1:] != rows[:-1]
        starts[1:] = other if rows.ndim == 1 else cupy.any(other, axis=1)
    return starts


def _rows(cupy: Any, x: Any, dim: int) -> Any:
    first = cupy.moveaxis(x, dim, 0)
    return first.reshape(first.shape[0], int(np.prod(first.shape[1:], dtype=np.int64)))


def _unique(cupy: Any, x: Any, dim: int | None, inverse: bool) -> Any:
    none = cupy.empty(0, I64)
    if dim is None:
        flat = x.reshape(-1)
        if not flat.size:
            return flat.copy(), (cupy.zeros(x.shape, I64) if inverse else none), none
        order = _stable_order(cupy, flat, 0, False)
        ordered = cupy.take(flat, order)
        starts = _starts(cupy, ordered)
        places = _places(cupy, order, starts).reshape(x.shape) if inverse else none
        return ordered[starts], places, _run_lengths(cupy, starts)
    rows = _rows(cupy, x, dim)
    if not rows.size:
        return NotImplemented
    keys = rows.astype(np.uint8) if x.dtype == BOOL else rows
    order = cupy.lexsort(keys.T[::-1])
    starts = _starts(cupy, cupy.take(rows, order, axis=0))
    kept = order[cupy.flatnonzero(starts)]
    return cupy.take(x, kept, axis=dim), _places(cupy, order, starts), _run_lengths(cupy, starts)


def _unique_consecutive(cupy: Any, x: Any, dim: int | None) -> Any:
    rows = x.reshape(-1) if dim is None else _rows(cupy, x, dim)
    if not rows.size:
        return NotImplemented
    starts = _starts(cupy, rows)
    inverse = cupy.cumsum(starts, dtype=I64) - 1
    first = cupy.flatnonzero(starts)
    if dim is None:
        return cupy.take(rows, first), inverse.reshape(x.shape), _run_lengths(cupy, starts)
    return cupy.take(x, first, axis=dim), inverse, _run_lengths(cupy, starts)


# --- searching --------------------------------------------------------------------------------------------------------


def _comparable(cupy: Any, *arrays: Any) -> list[Any]:
    """The arrays in one dtype that has an order in CuPy's kernels."""
    common = np.result_type(*[array.dtype for array in arrays])
    return [array.astype(np.uint8 if common == BOOL else common, copy=False) for array in arrays]


def _searchsorted(cupy: Any, sequence: Any, values: Any, sorter: Any, right: bool) -> Any:
    sequence, values = _comparable(cupy, sequence, values)
    if not values.size or not sequence.size:
        return cupy.zeros(values.shape, I64)
    if sequence.ndim == 1:
        # CuPy looks at the sorter's elements with `take`.
        return cupy.searchsorted(sequence, values, "right" if right else "left", sorter)
    if sorter is not None:
        sequence = cupy.take_along_axis(sequence, sorter, -1)
    # CuPy searches one sequence at a time: all sequences are halved together.
    n = sequence.shape[-1]
    low, high = cupy.zeros(values.shape, I64), cupy.full(values.shape, n, I64)
    for _ in range(n.bit_length()):
        middle = (low + high) // 2
        probe = cupy.take_along_axis(sequence, cupy.minimum(middle, n - 1), -1)
        behind = ~_before(cupy, values, probe) if right else _before(cupy, probe, values)
        open_ = low < high
        low = cupy.where(open_ & behind, middle + 1, low)
        high = cupy.where(open_ & ~behind, middle, high)
    return low


def _before(cupy: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind != "f":
        return x < y
    return (x < y) | (cupy.isnan(y) & ~cupy.isnan(x))


def _isin(cupy: Any, x: Any, among: Any) -> Any:
    x, among = [cupy.asarray(a) if not hasattr(a, "dtype") else a for a in (x, among)]
    x, among = _comparable(cupy, x, among)
    if not x.size or not among.size:
        return cupy.zeros(x.shape, BOOL)
    ordered = cupy.sort(among.reshape(-1))
    places = cupy.minimum(cupy.searchsorted(ordered, x), ordered.size - 1)
    return cupy.take(ordered, places) == x


def _nonzero(cupy: Any, x: Any) -> Any:
    if not x.ndim:
        return cupy.zeros((int(x != 0), 0), I64)
    found = x.nonzero()
    if x.ndim == 1:
        return found[0].astype(I64, copy=False)[:, None]
    return cupy.stack(list(found), axis=1).astype(I64, copy=False)


def _repeated_numbers(cupy: Any, counts: Any, extent: int) -> Any:
    if not extent:
        return NotImplemented
    every = cupy.broadcast_to(counts.reshape(-1), (extent,)).astype(I64)
    ends = cupy.cumsum(every)
    return cupy.searchsorted(ends, cupy.arange(int(ends[-1])), "right")


# --- counting ---------------------------------------------------------------------------------------------------------


def _bincount(cupy: Any, x: Any, weights: Any, minlength: int) -> Any:
    if not x.size:
        return cupy.zeros(minlength, I64)
    if weights is None:
        return cupy.bincount(x, minlength=minlength).astype(I64, copy=False)
    kept = F32 if weights.dtype == F32 else F64
    return cupy.bincount(x, weights.astype(F64), minlength).astype(kept, copy=False)


def _counted(cupy: Any, places: Any, weights: Any, bins: int) -> Any:
    if not places.size:
        return cupy.zeros(bins, F64)
    return cupy.bincount(places, weights, bins)


def _histc(cupy: Any, x: Any, bins: int, low: float, high: float) -> Any:
    if low == high and x.size:
        low, high = float(cupy.amin(x)), float(cupy.amax(x))
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        return NotImplemented  # the CPU raises, in PyTorch's words
    if low == high:
        low, high = low - 1, high + 1
    wide = x.reshape(-1).astype(F64)
    inside = wide[(wide >= low) & (wide <= high)]
    places = ((inside - low) * (bins / (high - low))).astype(I64)
    return _counted(cupy, cupy.minimum(places, bins - 1), None, bins).astype(x.dtype)


def _edges(cupy: Any, points: Any, i: int, bins: int, limits: Any) -> Any:
    if limits is not None:
        low, high = limits[2 * i], limits[2 * i + 1]
    elif len(points):
        low, high = float(cupy.amin(points[:, i])), float(cupy.amax(points[:, i]))
    else:
        low, high = 0.0, 1.0
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        return None
    if low == high:
        low, high = low - 0.5, high + 0.5
    return cupy.linspace(low, high, bins + 1).astype(points.dtype)


def _histogramdd(
    cupy: Any, points: Any, weight: Any, *given: Any, bins: Any, range: Any, density: bool
) -> Any:
    points = points.reshape(-1, points.shape[-1])
    edges = [
        _edges(cupy, points, i, bins[i], range) if edge is None else edge.copy()
        for i, edge in enumerate(given)
    ]
    if any([edge is None for edge in edges]):
        return NotImplemented  # the CPU raises, in PyTorch's words
    shape = [len(edge) - 1 for edge in edges]
    inside = cupy.ones(len(points), BOOL)
    flat = cupy.zeros(len(points), I64)
    for i, edge in enumerate(edges):
        x = cupy.ascontiguousarray(points[:, i])
        place = cupy.searchsorted(edge, x, "right") - 1
        place = cupy.where(x == edge[-1], len(edge) - 2, place)
        inside &= (x >= edge[0]) & (x <= edge[-1])
        flat = flat * shape[i] + cupy.clip(place, 0, len(edge) - 2)
    weights = None if weight is None else weight.reshape(-1)[inside].astype(F64)
    hist = _counted(cupy, flat[inside], weights, int(np.prod(shape, dtype=np.int64)))
    hist = hist.reshape(shape).astype(points.dtype)
    if density:
        hist = hist / cupy.sum(hist)
        for i, edge in enumerate(edges):
            hist = hist / (edge[1:] - edge[:-1]).reshape([-1 if j == i else 1 for j, _ in enumerate(edges)])
    return (hist.astype(points.dtype, copy=False), *edges)


ORDERING: Final[dict[str, Callable[..., Any]]] = {
    "sort": _sort, "topk": _topk, "kthvalue": _kthvalue, "median": _median, "nanmedian": _nanmedian,
    "median_dim": _median_dim, "nanmedian_dim": _nanmedian_dim, "mode": _mode, "unique": _unique,
    "unique_consecutive": _unique_consecutive, "searchsorted": _searchsorted, "isin": _isin, "nonzero": _nonzero,
    "repeated_numbers": _repeated_numbers, "bincount": _bincount, "histc": _histc, "histogramdd": _histogramdd,
}  # fmt: skip
