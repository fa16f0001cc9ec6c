"""Reading and writing at indices: index, index_put, gather, scatter, scatter_reduce, masked_scatter, unpooling.

Masks become index arrays, as PyTorch's kernels have it: how many elements they select is read back, which waits for the
device. Sums at repeated indices are CuPy's atomic additions; int64 is added as uint64 (the same bits), smaller integers as
int32, float16 and bfloat16 in float32 and rounded once. Functions of (cupy, arrays, parameters), see ``cuda_rules``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.dtypes import BF16, BOOL, F16, F32, F64, I64

_U64: Final = np.dtype(np.uint64)
_I32: Final = np.dtype(np.int32)


def as_bits(x: Any) -> Any:
    """A bfloat16 array as its bits, which can be moved; another one as it is."""
    return x.view(np.uint16) if x.dtype == BF16 else x


def in_range(cupy: Any, index: Any, extent: int, lowest: int) -> bool:
    """Whether all elements are in [lowest, extent): CuPy itself would wrap the others around. Waits for the device."""
    if not index.size:
        return True
    return bool(((index >= lowest) & (index < extent)).all())


def _added_in(dtype: Any) -> Any:
    """The dtype in which atomic additions to ``dtype`` are done."""
    if dtype == F16:
        return F32
    if dtype == I64:
        return _U64
    return _I32 if dtype.kind in "iub" and dtype.itemsize < 4 else dtype


def _into(kind: Any, x: Any) -> Any:
    """``x`` in the dtype that ``_added_in`` names."""
    return x.view(_U64) if kind == _U64 and x.dtype == I64 else x.astype(kind)


def _back(dtype: Any, x: Any) -> Any:
    if x.dtype == _U64 and dtype == I64:
        return x.view(I64)
    return x != 0 if dtype == BOOL else x.astype(dtype, copy=False)


def _add_at(target: Any, places: Any, values: Any) -> None:
    """``target[places] += values``, every repetition counted; complex numbers part by part."""
    if target.dtype.kind == "c":
        target.real.scatter_add(places, values.real)
        target.imag.scatter_add(places, values.imag)
    else:
        target.scatter_add(places, values)


def _start(cupy: Any, x: Any, shape: Any, dtype: Any) -> Any:
    return cupy.zeros(shape, dtype) if x is None else cupy.array(x, dtype, copy=True, order="C")


# --- index tensors ----------------------------------------------------------------------------------------------------


def _places(cupy: Any, shape: Any, arrays: Any, dims: Any) -> Any:
    """The index (a tuple) that the arrays at ``dims`` are, masks as the indices that they select; None for one out of range,
    which the CPU reports in PyTorch's words."""
    parts: list[Any] = [slice(None)] * len(shape)
    for array, dim in zip(arrays, dims, strict=True):
        if array.dtype == BOOL:
            if not array.ndim or array.shape != tuple(shape[dim : dim + array.ndim]):
                return None
            parts[dim : dim + array.ndim] = [found.astype(I64, copy=False) for found in array.nonzero()]
            continue
        if not in_range(cupy, array, shape[dim], -shape[dim]):
            return None
        parts[dim] = array
    while parts and isinstance(parts[-1], slice):
        parts.pop()
    return tuple(parts)


def take(cupy: Any, x: Any, index: Any, dim: int) -> Any:
    """The slices of ``x`` at the numbers of ``index`` along ``dim``."""
    return cupy.take(as_bits(x), index, axis=dim).view(x.dtype)


def _index(cupy: Any, x: Any, *arrays: Any, dims: tuple[int, ...]) -> Any:
    if not x.size:
        return NotImplemented
    if len(arrays) == 1 and arrays[0].dtype != BOOL:
        (array,), (dim,) = arrays, dims
        if not in_range(cupy, array, x.shape[dim], -x.shape[dim]):
            return NotImplemented
        return take(cupy, x, array, dim)
    places = _places(cupy, x.shape, arrays, dims)
    if places is None:
        return NotImplemented
    # A mask's numbers are 1-D, and so is what they select.
    return cupy.ascontiguousarray(as_bits(x)[places]).view(x.dtype)


def _index_put(
    cupy: Any, x: Any, value: Any, *arrays: Any, dims: tuple[int, ...], accumulate: bool, shape: Any = None
) -> Any:
    extents = tuple(shape) if x is None else x.shape
    dtype = value.dtype if x is None else x.dtype
    if 0 in extents or not value.size or value.dtype != dtype:
        return NotImplemented
    places = _places(cupy, extents, arrays, dims)
    if places is None:
        return NotImplemented
    selected = _selected_shape(extents, places)
    value = _fitting(value, selected)
    if value is None:
        return NotImplemented  # the CPU raises, in PyTorch's words
    if not accumulate or (x is None and all([a.dtype == BOOL for a in arrays])):
        # Where an index repeats, which value stays is not defined on a GPU, for PyTorch neither.
        result = _start(cupy, None if x is None else as_bits(x), extents, as_bits(value).dtype)
        result[places] = as_bits(value)
        return result.view(dtype)
    kind = _added_in(dtype)
    result = _into(kind, _start(cupy, x, extents, dtype))
    if 0 not in selected:
        _add_at(result, places, _into(kind, value))
    return _back(dtype, result)


def _selected_shape(extents: Any, places: Any) -> tuple[int, ...]:
    """The shape of what an index selects."""
    shape = np.broadcast_shapes(*[part.shape for part in places if not isinstance(part, slice)])
    where = [i for i, part in enumerate(places) if not isinstance(part, slice)]
    rest = [n for i, n in enumerate(extents) if i not in where]
    together = where[-1] - where[0] == len(where) - 1
    lead = where[0] if together else 0
    return (*rest[:lead], *shape, *rest[lead:])


def _fitting(value: Any, shape: tuple[int, ...]) -> Any:
    """``value`` without leading dimensions that ``shape`` has not; None where it does not broadcast to ``shape``."""
    extra = value.ndim - len(shape)
    if extra > 0:
        if any([n != 1 for n in value.shape[:extra]]):
            return None
        value = value.reshape(value.shape[extra:])
    pairs = zip(value.shape[::-1], shape[::-1], strict=False)
    return value if all([n in (1, m) for n, m in pairs]) else None


# --- gather and scatter -----------------------------------------------------------------------------------------------


def _gather(cupy: Any, x: Any, index: Any, dim: int) -> Any:
    if not index.size:
        return cupy.empty(index.shape, x.dtype)
    if not x.ndim or not index.ndim:
        line = x.reshape(1) if not x.ndim else x
        numbers = index.reshape(1) if not index.ndim else index
        if line.ndim != 1 or not in_range(cupy, numbers, line.shape[0], 0):
            return NotImplemented
        return take(cupy, line, numbers, 0).reshape(index.shape)
    if index.ndim != x.ndim or not in_range(cupy, index, x.shape[dim], 0):
        return NotImplemented
    corner = tuple([slice(None) if d == dim else slice(0, n) for d, n in enumerate(index.shape)])
    return cupy.take_along_axis(as_bits(x)[corner], index, dim).view(x.dtype)


def _positions(cupy: Any, shape: Any, dim: int, index: Any) -> Any:
    """Where, in a C-contiguous array of ``shape``, the elements lie that ``index`` names along ``dim``; None where one is
    out of range."""
    shape = tuple(shape) or (1,)
    index = index if index.ndim else index.reshape(1)
    if index.ndim != len(shape) or not in_range(cupy, index, shape[dim], 0):
        return None
    positions = index.astype(I64, copy=False)
    step = 1
    for d in range(len(shape) - 1, -1, -1):
        if d == dim:
            positions = positions * step if step != 1 else positions
            break
        step *= shape[d]
    step = 1
    for d in range(len(shape) - 1, -1, -1):
        n = index.shape[d]
        if d != dim and n > 1:
            positions = positions + (cupy.arange(n) * step).reshape((-1,) + (1,) * (index.ndim - d - 1))
        step *= shape[d]
    return positions.reshape(-1)


def _corner(cupy: Any, src: Any, index: Any) -> Any:
    """The part of ``src`` that ``index`` reaches, as a row; None where the shapes do not go together."""
    if not src.ndim or (src.size == 1 and src.shape != index.shape):
        return cupy.broadcast_to(src.reshape(1), (index.size,))
    if src.ndim != index.ndim:
        return None
    return src[tuple([slice(0, n) for n in index.shape])].reshape(-1)


def _scatter(cupy: Any, x: Any, src: Any, index: Any, dim: int, accumulate: bool, shape: Any = None) -> Any:
    extents = tuple(shape) if x is None else x.shape
    dtype = src.dtype if x is None else x.dtype
    if not index.size:
        return cupy.zeros(extents, dtype) if x is None else x.copy()
    positions, values = _positions(cupy, extents, dim, index), _corner(cupy, src, index)
    if positions is None or values is None or src.dtype != dtype:
        return NotImplemented
    if not accumulate:
        result = _start(cupy, None if x is None else as_bits(x), extents, as_bits(src).dtype)
        result.reshape(-1)[positions] = as_bits(values)
        return result.view(dtype)
    kind = _added_in(dtype)
    result = _into(kind, _start(cupy, x, extents, dtype))
    _add_at(result.reshape(-1), (positions,), _into(kind, values))
    return _back(dtype, result)


def _scatter_reduce(
    cupy: Any, x: Any, src: Any, index: Any, dim: int, reduce: str, include_self: bool
) -> Any:
    if not index.size:
        return x.copy()
    positions, values = _positions(cupy, x.shape, dim, index), _corner(cupy, src, index)
    if positions is None or values is None or src.dtype != x.dtype:
        return NotImplemented
    kind = F32 if x.dtype == F16 else _I32 if x.dtype.kind in "iub" and x.dtype.itemsize < 4 else x.dtype
    result = cupy.array(x, kind, copy=True, order="C")
    flat, values = result.reshape(-1), values.astype(kind)
    if not include_self:
        flat[positions] = _identity(reduce, x.dtype)
    if reduce in ("sum", "mean"):
        added = _added_in(kind)
        _add_at(flat.view(_U64) if added == _U64 else flat, (positions,), _into(added, values))
    elif reduce == "prod":
        _multiply_at(cupy, flat, positions, values)
    else:
        _extreme_at(cupy, flat, positions, values, reduce)
    if reduce == "mean":
        counts = cupy.bincount(positions, minlength=flat.size).reshape(result.shape) + int(include_self)
        counts = cupy.maximum(counts, 1).astype(kind)
        result = result // counts if kind.kind in "iu" else result / counts
    return _back(x.dtype, result)


def _identity(reduce: str, dtype: Any) -> Any:
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    if dtype.kind == "f":
        return -np.inf if reduce == "amax" else np.inf
    if dtype.kind == "b":
        return int(reduce == "amin")
    limits = np.iinfo(dtype)
    return limits.min if reduce == "amax" else limits.max


def _extreme_at(cupy: Any, flat: Any, positions: Any, values: Any, reduce: str) -> None:
    """The atomic maximum of floats passes over nan, which must win: where one is or arrives is counted apart."""
    unordered = None
    if flat.dtype.kind == "f":
        unordered = cupy.isnan(flat).astype(_I32)
        unordered.scatter_add((positions,), cupy.isnan(values).astype(_I32))
    if flat.dtype == I64:  # in the order of unsigned numbers, which the atomic functions take
        sign = np.uint64(1 << 63)
        ordered = flat.view(_U64) ^ sign
        _extreme(ordered, positions, values.view(_U64) ^ sign, reduce)
        flat[...] = (ordered ^ sign).view(I64)
    else:
        _extreme(flat, positions, values, reduce)
    if unordered is not None:
        flat[...] = cupy.where(unordered > 0, flat.dtype.type(np.nan), flat)


def _extreme(flat: Any, positions: Any, values: Any, reduce: str) -> None:
    (flat.scatter_max if reduce == "amax" else flat.scatter_min)((positions,), values)


def _multiply_at(cupy: Any, flat: Any, positions: Any, values: Any) -> None:
    """There is no atomic product: the factors of one place stand together after sorting, and are multiplied by doubling."""
    order = cupy.argsort(positions)
    at, products = cupy.take(positions, order), cupy.take(values, order)
    reach = 1
    while reach < at.size:
        same = at[reach:] == at[:-reach]
        later = cupy.where(same, products[reach:] * products[:-reach], products[reach:])
        if not bool(same.any()):
            break
        products[reach:] = later
        reach *= 2
    last = cupy.ones(at.shape, BOOL)
    last[:-1] = at[1:] != at[:-1]
    places = at[last]
    flat[places] = cupy.take(flat, places) * products[last]


def _masked_scatter(cupy: Any, x: Any, source: Any, mask: Any) -> Any:
    if mask.shape != x.shape or source.dtype != x.dtype:
        return NotImplemented
    result = cupy.array(as_bits(x), copy=True, order="C")
    places = cupy.flatnonzero(mask)
    if places.size > source.size:
        return NotImplemented  # the CPU raises, in PyTorch's words
    if places.size:
        result.reshape(-1)[places] = as_bits(source).reshape(-1)[: places.size]
    return result.view(x.dtype)


# --- rows of a table --------------------------------------------------------------------------------------------------


def _embedding(
    cupy: Any, weight: Any, indices: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False
) -> Any:
    if not in_range(cupy, indices, weight.shape[0], 0):
        return NotImplemented
    return take(cupy, weight, indices, 0)


def _embedding_gradient(
    cupy: Any, g: Any, indices: Any, rows: int, padding_idx: int, scale_grad_by_freq: bool
) -> Any:
    kind = F32 if g.dtype == F16 else g.dtype
    result = cupy.zeros((rows, g.shape[-1]), kind)
    if not g.size:
        return result.astype(g.dtype, copy=False)
    places = indices.reshape(-1)
    given = g.reshape(-1, g.shape[-1]).astype(kind, copy=False)
    if scale_grad_by_freq:
        given = given / cupy.take(cupy.bincount(places, minlength=rows), places).astype(kind)[:, None]
    result.scatter_add((places,), given)
    if padding_idx >= 0:
        result[padding_idx] = 0
    return result.astype(g.dtype, copy=False)


# --- places within a plane --------------------------------------------------------------------------------------------


def _in_planes(cupy: Any, indices: Any, size: int) -> Any:
    """The places in all planes one after the other; ``indices``: (samples, channels, *spatial) of places in a plane."""
    planes = indices.shape[0] * indices.shape[1]
    rows = indices.reshape(planes, -1) + (cupy.arange(planes) * size)[:, None]
    return rows.reshape(-1)


def _max_unpool(cupy: Any, x: Any, indices: Any, output: Any) -> Any:
    size = int(np.prod(output, dtype=np.int64))
    if not x.size or indices.shape != x.shape or indices.dtype != I64 or x.dtype.kind not in "fV":
        return NotImplemented
    if not size or not in_range(cupy, indices, size, 0):
        return NotImplemented
    result = cupy.zeros(x.shape[0] * x.shape[1] * size, as_bits(x).dtype)
    result[_in_planes(cupy, indices, size)] = as_bits(x).reshape(-1)
    return result.view(x.dtype).reshape(*x.shape[:2], *output)


def _unpool_gather(cupy: Any, h: Any, indices: Any, output: Any) -> Any:
    return _plane_gather(cupy, h, indices)


def _plane_gather(cupy: Any, h: Any, indices: Any) -> Any:
    size = int(np.prod(h.shape[2:], dtype=np.int64))
    if not h.size or not indices.size or not in_range(cupy, indices, size, 0):
        return NotImplemented
    flat = as_bits(h).reshape(-1)
    return cupy.take(flat, _in_planes(cupy, indices, size)).view(h.dtype).reshape(indices.shape)


def _plane_scatter(cupy: Any, g: Any, indices: Any, spatial: Any) -> Any:
    size = int(np.prod(spatial, dtype=np.int64))
    if not g.size or g.dtype not in (F16, F32, F64) or not in_range(cupy, indices, size, 0):
        return NotImplemented
    kind = F32 if g.dtype == F16 else g.dtype
    result = cupy.zeros(g.shape[0] * g.shape[1] * size, kind)
    result.scatter_add((_in_planes(cupy, indices, size),), g.reshape(-1).astype(kind, copy=False))
    return result.astype(g.dtype, copy=False).reshape(*g.shape[:2], *spatial)


# These take bfloat16 arrays as they are.
MOVING: Final = frozenset(
    ("index", "gather", "embedding", "masked_scatter", "max_unpool", "max_unpool_gather", "max_pool_gather")
)
SCATTERING: Final[dict[str, Callable[..., Any]]] = {
    "index": _index, "index_put": _index_put, "gather": _gather, "scatter": _scatter,
    "scatter_reduce": _scatter_reduce, "masked_scatter": _masked_scatter, "embedding": _embedding,
    "embedding_dense_backward": _embedding_gradient, "max_unpool": _max_unpool, "max_unpool_gather": _unpool_gather,
    "max_pool_gather": _plane_gather, "max_pool_gradient": _plane_scatter,
}  # fmt: skip
