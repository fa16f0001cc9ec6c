"""Scattered updates of NumPy arrays: the loops under the gradients of indexing, ``index_add``, ``scatter`` and ``embedding``.

Everything here adds (or multiplies, …) in the order in which the updates are given, so that results do not depend on
which way was taken. NumPy's ``ufunc.at`` is fast only where the array, the index and the values are all one-dimensional
and need no casts; the functions here bring other cases to that form, or to whole rows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, LOW_PRECISION
from ..core.errors import no_memory
from ..core.shapes import count
from ..runtime import direct
from ..runtime.batched import whole

Array = NDArray[Any]
# Below this many columns one flat pass beats sorting rows (measured: 100 rows × 8 columns to 50,000 × 256).
_FEW_COLUMNS: Final = 32
# From how many elements on a kernel of ours adds them.
_NATIVE_FROM: Final = 4096


def counted_from_front(index: Array, extent: int, wrap: bool = True, dim: int = 0) -> Array:
    """``index`` as intp numbers in [0, extent), from ones in [-extent, extent) (or, without ``wrap``, in [0, extent)).

    Raises ``IndexError`` with PyTorch's words for one outside.
    """
    if index.dtype != np.intp:
        index = index.astype(np.intp)
    if not index.size:
        return index
    low, high = extremes(index)
    if low < 0 and wrap:
        if low < -extent:
            raise IndexError(f"index {low} is out of bounds for dimension {dim} with size {extent}")
        index = np.where(index < 0, index + extent, index)
    elif low < 0:
        raise IndexError(f"index {low} is out of bounds for dimension {dim} with size {extent}")
    if high >= extent:
        raise IndexError(f"index {high} is out of bounds for dimension {dim} with size {extent}")
    return index


def extremes(index: Array) -> tuple[int, int]:
    """The least and the greatest number of an index that is not empty."""
    if type(index) is not np.ndarray:
        index = whole(index)
        if type(index) is not np.ndarray:  # on a GPU
            return int(index.min()), int(index.max())
    if index.size <= 24:  # for which Python's min and max of a short list are quicker than NumPy's
        numbers = index.ravel().tolist()
        return min(numbers), max(numbers)
    # Where they are: half the time of asking NumPy what they are, which starts a reduction in Python.
    try:
        return index.item(index.argmin()), index.item(index.argmax())
    except MemoryError as error:  # an expanded index, which is copied first
        raise no_memory(error) from None


def all_different(index: Array, extent: int) -> bool:
    """Whether no number appears twice in ``index`` (one-dimensional, in [0, extent))."""
    if index.size < 2:
        return True
    if index.size > extent:
        return False
    if extent <= 4 * index.size:
        return int(np.bincount(index, minlength=extent).max()) < 2
    ordered = np.sort(index)
    return not bool(np.equal(ordered[1:], ordered[:-1]).any())


def update_at(target: Array, positions: Array, values: Array, ufunc: Any = np.add) -> None:
    """``target[p] = ufunc(target[p], v)`` for each flat position and value, in order; ``target`` is C-contiguous."""
    flat = target.reshape(-1)
    if values.shape != positions.shape:
        values = np.broadcast_to(values, positions.shape)
    values = np.ascontiguousarray(values).reshape(-1)
    if values.dtype != target.dtype:
        values = values.astype(target.dtype)
    positions = np.ascontiguousarray(positions).reshape(-1)
    if target.dtype in LOW_PRECISION:
        # One rounding at the end, not one for each update.
        wide = flat.astype(F32)
        ufunc.at(wide, positions, values.astype(F32))
        flat[...] = wide.astype(target.dtype)
    elif ufunc is not np.add or positions.size < _NATIVE_FROM or not direct.add_rows(flat, positions, values):
        ufunc.at(flat, positions, values)


def add_rows(target: Array, index: Array, values: Array, fresh: bool = False) -> None:
    """``target[index[i]] += values[i]`` for each i, in order.

    ``target`` has shape (rows, columns) and is C-contiguous, ``index`` shape (n,) with numbers in [0, rows), ``values``
    shape (n, columns). ``fresh`` says that the target holds zeros.
    """
    rows, columns = target.shape
    if target.dtype in LOW_PRECISION:
        wide = target.astype(F32)
        add_rows(wide, index, values.astype(F32), fresh)
        target[...] = wide.astype(target.dtype)
    elif columns == 1:
        update_at(target, index, values.reshape(-1))
    elif values.size >= _NATIVE_FROM and direct.add_rows(target, index, values):
        pass
    elif fresh and index.size > 64 and all_different(index, rows):
        target[index] = values
    elif columns < _FEW_COLUMNS or index.size < 8:
        update_at(target, (index * columns)[:, None] + np.arange(columns), values)
    elif index.size:
        _add_sorted_rows(target, index, values, fresh)


def _add_sorted_rows(target: Array, index: Array, values: Array, fresh: bool) -> None:
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    counts = np.diff(starts, append=index.size)
    rows = ordered[starts]
    most = int(counts.max())
    # Either every row's n-th update at once, for n = 0, 1, …, or one row after the other: whichever are fewer steps.
    if most <= rows.size:
        by_count = np.argsort(-counts, kind="stable")
        firsts, falling = starts[by_count], -counts[by_count]
        sums = values[order[firsts]]
        for step in range(1, most):
            still = int(np.searchsorted(falling, -step, side="left"))
            sums[:still] += values[order[firsts[:still] + step]]
        rows = rows[by_count]
    else:
        grouped = values[order]
        ends = starts + counts
        sums = np.empty((rows.size, target.shape[1]), target.dtype)
        for i, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            np.add.reduce(grouped[start:end], 0, out=sums[i])
    if fresh:
        target[rows] = sums
    else:
        target[rows] += sums


def add_along(target: Array, dim: int, index: Array, values: Array, fresh: bool = False) -> None:
    """``target.take(index, dim)`` (as it would be were it a view) ``+= values``.

    ``index`` has any shape and numbers in [0, target.shape[dim]); ``values`` broadcasts to ``target``'s shape with
    dimension ``dim`` replaced by ``index``'s shape. ``target`` is C-contiguous.
    """
    shape = target.shape
    wanted = (*shape[:dim], *index.shape, *shape[dim + 1 :])
    if values.shape != wanted:
        values = np.broadcast_to(values, wanted)
    flat_index = index.reshape(-1)
    lead, columns = count(shape[:dim]), count(shape[dim + 1 :])
    if not target.size or not flat_index.size:
        return
    if values.dtype != target.dtype:
        values = values.astype(target.dtype)
    if lead == 1:
        add_rows(
            target.reshape(shape[dim], columns), flat_index, values.reshape(flat_index.size, columns), fresh
        )
        return
    starts = (np.arange(lead)[:, None] * shape[dim] + flat_index) * columns
    positions = starts if columns == 1 else starts[:, :, None] + np.arange(columns)
    update_at(target, positions, values.reshape(positions.shape))


def positions_along(shape: tuple[int, ...], dim: int, index: Array) -> Array:
    """Where, in a C-contiguous array of ``shape``, lie the elements that ``gather(dim, index)`` reads."""
    step, offsets = (_few_places if index.size <= _FEW else _places)(shape, dim, index.shape)
    positions = index if step == 1 else index * step
    return positions if offsets is None else positions + offsets


def _places(shape: tuple[int, ...], dim: int, extents: tuple[int, ...]) -> tuple[int, Array | None]:
    """The step from one number of an index of shape ``extents`` to the next, and what its place in the other dimensions
    adds (None for nothing)."""
    strides = [1] * max(len(shape), 1)
    for i in range(len(shape) - 1, 0, -1):
        strides[i - 1] = strides[i] * shape[i]
    offsets: Array | None = None
    for i, extent in enumerate(extents):
        if i != dim and extent > 1:
            stride = strides[i]
            numbers = np.arange(0, extent * stride, stride) if stride else np.zeros(extent, np.intp)
            numbers = numbers.reshape((extent,) + (1,) * (len(extents) - i - 1))
            offsets = numbers if offsets is None else offsets + numbers
    return strides[dim], offsets


# For few numbers these take longer to make than to add.
_FEW: Final = 1024
_few_places = lru_cache(maxsize=256)(_places)
