"""Kernels on the places of sparse elements: sorting, merging, finding, and turning one layout into another."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, LOW_PRECISION
from ..core.sparse_arrays import COO, CSR, CompressedArray, CooArray, SparseArray

Array = NDArray[Any]
Shape = tuple[int, ...]


def flat_places(indices: Array, extents: Shape) -> Array:
    """The row-major number of each element among all that the sparse dimensions have room for."""
    places = np.zeros(indices.shape[1], np.int64)
    room = 1
    for extent in extents:
        room *= max(extent, 1)
    if room >= 1 << 63:
        raise RuntimeError(f"sparse tensor of size {list(extents)}: more places than 64 bits can count")
    for row, extent in zip(indices, extents, strict=True):
        places *= extent
        places += row
    return places


def unflattened(places: Array, extents: Shape) -> Array:
    """The coordinates of row-major places."""
    indices = np.empty((len(extents), len(places)), np.int64)
    rest = places
    for dim in range(len(extents) - 1, -1, -1):
        rest, indices[dim] = np.divmod(rest, max(extents[dim], 1))
    return indices


def summed_runs(values: Array, starts: Array) -> Array:
    """The sums of ``values`` over runs that begin at ``starts``, none of them empty; bools are or-ed."""
    if not len(starts):
        return np.zeros((0, *values.shape[1:]), values.dtype)
    if values.dtype == np.bool_:
        return np.logical_or.reduceat(values, starts, 0)
    if values.dtype in LOW_PRECISION:
        return np.add.reduceat(values.astype(F32), starts, 0).astype(values.dtype)
    return np.add.reduceat(values, starts, 0, values.dtype)


def coalesced(array: CooArray) -> CooArray:
    """The same elements sorted by coordinates, with those of one place added up."""
    if array.coalesced:
        return array
    if array.nnz < 2 or not array.sparse_dim:
        values = array.values
        if array.nnz > 1:
            values = values.sum(0, dtype=values.dtype)[None]
        return CooArray(array.indices[:, : len(values)], values, array.shape, True)
    places = flat_places(array.indices, array.shape[: array.sparse_dim])
    if (places[1:] > places[:-1]).all():
        return CooArray(array.indices, array.values, array.shape, True)
    order = np.argsort(places, kind="stable")
    places = places[order]
    starts = np.flatnonzero(np.concatenate(([True], places[1:] != places[:-1])))
    values = array.values[order]
    if len(starts) != len(places):
        values = summed_runs(values, starts)
    return CooArray(array.indices[:, order[starts]], values, array.shape, True)


def find(indices: Array, wanted: Array, extents: Shape) -> tuple[Array, Array]:
    """Where each of the ``wanted`` coordinates is among ``indices`` (sorted, each once): places, and whether it is there."""
    if not len(extents):
        there = np.full(wanted.shape[1], bool(indices.shape[1]))
        return np.zeros(wanted.shape[1], np.int64), there
    have = flat_places(indices, extents)
    asked = flat_places(wanted, extents)
    places = np.searchsorted(have, asked)
    inside = places < len(have)
    places[~inside] = 0
    there = inside & (have[places] == asked) if len(have) else np.zeros(len(asked), bool)
    return places, there


def dense_of(array: SparseArray) -> Array:
    """The dense array; elements of one place are added up."""
    dense = np.zeros(array.shape, array.dtype)
    values = array.values
    if not array.sparse_dim:
        return values.sum(0, dtype=values.dtype)  # type: ignore[no-any-return]
    if not dense.size or not len(values):
        return dense
    places = tuple(array.coordinates())
    if getattr(array, "coalesced", False):
        dense[places] = values
    elif array.dtype == np.bool_:
        np.logical_or.at(dense, places, values)
    elif array.dtype in LOW_PRECISION:
        wide = np.zeros(array.shape, F32)
        np.add.at(wide, places, values.astype(F32))
        dense = wide.astype(array.dtype)
    else:
        np.add.at(dense, places, values)
    return dense


def sparse_of(dense: Array, sparse_dim: int) -> CooArray:
    """The elements of ``dense`` that are not zero (not all zero, in the dense dimensions)."""
    if not dense.ndim:
        filled = dense.reshape(1)[dense.reshape(1) != 0]
        return CooArray(np.zeros((0, len(filled)), np.int64), filled, (), True)
    mask = dense != 0
    if sparse_dim < dense.ndim:
        mask = mask.any(tuple(range(sparse_dim, dense.ndim)))
    indices = np.stack(np.nonzero(mask)).astype(np.int64, copy=False)
    return CooArray(indices, dense[tuple(indices)], dense.shape, True)


def starts_of(lines: Array, count: int) -> Array:
    """Where each line begins among elements sorted by line: the compressed form of ``lines``."""
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(lines, minlength=count), out=starts[1:])
    return starts


def in_layout(array: SparseArray, layout: str) -> Any:
    """The same elements as an array of ``layout``; those of one place are added up on the way to a compressed one."""
    if array.layout == layout:
        return array
    if array.sparse_dim != 2:
        raise RuntimeError(
            f"to_sparse_{layout[-3:]}: expected a tensor of 2 sparse dimensions, got {array.sparse_dim}"
        )
    indices, values = array.coordinates(), array.values
    if layout == COO:
        made = CooArray(indices, values, array.shape, False)
        return coalesced(made) if array.layout != CSR else CooArray(indices, values, array.shape, True)
    if isinstance(array, CooArray):
        merged = coalesced(array)
        indices, values = merged.indices, merged.values
    lines, others = indices if layout == CSR else indices[::-1]
    extent = array.shape[0 if layout == CSR else 1]
    if not (layout == CSR and isinstance(array, CooArray)):
        order = np.lexsort((others, lines))
        lines, others, values = lines[order], others[order], values[order]
    return CompressedArray(layout, starts_of(lines, extent), others, values, array.shape)


def row_pointers(array: SparseArray) -> tuple[Array, Array, Array]:
    """(starts, columns, order) of a matrix by rows; ``order`` brings its values into that order (all of them)."""
    if isinstance(array, CompressedArray) and array.layout == CSR:
        return array.starts, array.others, np.arange(array.nnz)
    rows, columns = array.coordinates()
    if isinstance(array, CooArray) and array.coalesced:
        return starts_of(rows, array.shape[0]), columns, np.arange(array.nnz)
    order = np.lexsort((columns, rows))
    return starts_of(rows, array.shape[0]), columns[order], order


_BLOCK = 1 << 22  # elements of the products that lie in memory at a time


def product_by_rows(starts: Array, columns: Array, values: Array, dense: Array, rows: int) -> Array:
    """The product of a sparse matrix, given by rows, and a dense one."""
    if values.dtype in LOW_PRECISION:
        wide = product_by_rows(starts, columns, values.astype(F32), dense.astype(F32), rows)
        return wide.astype(values.dtype)
    width = dense.shape[1]
    result = np.zeros((rows, width), values.dtype)
    if not len(values) or not width:
        return result
    filled = np.flatnonzero(starts[1:] > starts[:-1])
    at = 0
    step = max(1, _BLOCK // width)
    while at < len(filled):
        first = int(starts[filled[at]])
        # As many rows as fit; a row that is longer than a block is one block.
        end = max(at + 1, int(np.searchsorted(starts[filled + 1], first + step, side="right")))
        last = int(starts[filled[end - 1] + 1])
        part = values[first:last, None] * dense[columns[first:last]]
        result[filled[at:end]] = np.add.reduceat(part, starts[filled[at:end]] - first, 0, part.dtype)
        at = end
    return result


def pairs_of_product(
    a: tuple[Array, Array], b_starts: Array, b_columns: Array
) -> tuple[Array, Array, Array, Array]:
    """For the product of two sparse matrices: of each product of elements its row, its column, and the two elements' numbers.

    ``a``: the rows and columns of the left matrix's elements; the right one is given by rows.
    """
    rows, middle = a
    counts = b_starts[middle + 1] - b_starts[middle]
    left = np.repeat(np.arange(len(middle)), counts)
    ends = np.cumsum(counts)
    within = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - counts, counts)
    right = np.repeat(b_starts[middle], counts) + within
    return rows[left], b_columns[right], left, right
