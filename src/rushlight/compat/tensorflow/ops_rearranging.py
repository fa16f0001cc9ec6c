"""Sorting, rolling, blocks and depth, diagonals, and elements written into copies, under TensorFlow's names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import rushlight as rl
import rushlight.nn.functional as F

from . import dtypes, shape_rules
from .conversion import constant_value, convert_to_tensor, make_array
from .dtypes import as_dtype
from .graph import Tensor, node
from .ops_array import identity, shape
from .ops_conv import same_padding
from .shape_rules import windows
from .tensor_shape import UNKNOWN, TensorShape, as_shape

# --- order --------------------------------------------------------------------------------------------------------------


def _is_descending(direction: str) -> bool:
    if direction not in ("ASCENDING", "DESCENDING"):
        raise ValueError("Unsupported direction, must be one of ['ASCENDING', 'DESCENDING']")
    return direction == "DESCENDING"


def sort(values: Any, axis: int = -1, direction: str = "ASCENDING", name: str | None = None) -> Tensor:
    """The elements in order along ``axis``."""
    x, down = convert_to_tensor(values), _is_descending(direction)
    return node(
        "Sort", lambda v: rl.sort(v, dim=axis, descending=down, stable=True)[0], [x], x.dtype, x.shape, name
    )


def argsort(
    values: Any, axis: int = -1, direction: str = "ASCENDING", stable: bool = False, name: str | None = None
) -> Tensor:
    """The indices (int32) that put the elements in order along ``axis``."""
    x, down = convert_to_tensor(values), _is_descending(direction)

    def kernel(v: Any) -> Any:
        return rl.argsort(v, dim=axis, descending=down, stable=True).to(rl.int32)

    return node("ArgSort", kernel, [x], dtypes.int32, x.shape, name)


def searchsorted(
    sorted_sequence: Any,
    values: Any,
    side: str = "left",
    out_type: Any = dtypes.int32,
    name: str | None = None,
) -> Tensor:
    """Where each of ``values`` belongs in the sorted last axis of ``sorted_sequence``."""
    x, kind = convert_to_tensor(sorted_sequence), as_dtype(out_type)
    v = convert_to_tensor(values, x.dtype)

    def kernel(order: Any, wanted: Any) -> Any:
        return rl.searchsorted(order, wanted, right=side == "right").to(kind.rushlight)

    return node("SearchSorted", kernel, [x, v], kind, v.shape, name)


def roll(input: Any, shift: Any, axis: Any, name: str | None = None) -> Tensor:
    """The elements moved on by ``shift`` along ``axis``; what leaves at the end comes back at the beginning."""
    x = convert_to_tensor(input)
    by, along = make_array(shift).reshape(-1).tolist(), make_array(axis).reshape(-1).tolist()
    return node("Roll", lambda v: rl.roll(v, by, along), [x], x.dtype, x.shape, name)


def cross(a: Any, b: Any, name: str | None = None) -> Tensor:
    """The vector products of the last axes, which have 3 elements."""
    x = convert_to_tensor(a)
    y = convert_to_tensor(b, x.dtype)
    return node("Cross", lambda u, v: rl.linalg.cross(u, v, dim=-1), [x, y], x.dtype, x.shape, name)


def unravel_index(indices: Any, dims: Any, name: str | None = None) -> Tensor:
    """The indices along each axis of ``dims`` that flat ``indices`` stand for: (axes, …)."""
    x = convert_to_tensor(indices)
    extents = make_array(dims).tolist()

    def kernel(v: Any) -> Any:
        found, rest = [], v
        for extent in reversed(extents):
            found.append(rest % extent)
            rest = rl.floor_divide(rest, extent)
        return rl.stack(found[::-1])

    known = UNKNOWN if x.shape.extents is None else TensorShape([len(extents), *x.shape.extents])
    return node("UnravelIndex", kernel, [x], x.dtype, known, name)


# --- blocks and depth ---------------------------------------------------------------------------------------------------


def _scaled(value: int | None, factor: int, up: bool) -> int | None:
    return None if value is None else value * factor if up else value // factor


def space_to_depth(input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC") -> Tensor:
    """Each block of ``block_size``² places of (batch, height, width, channels) as the channels of one place."""
    x, n = convert_to_tensor(input), int(block_size)
    _need_nhwc(data_format, "space_to_depth")

    def kernel(v: Any) -> Any:
        batch, height, width, channels = v.shape
        v = v.reshape(batch, height // n, n, width // n, n, channels)
        return rl.permute(v, (0, 1, 3, 2, 4, 5)).reshape(batch, height // n, width // n, n * n * channels)

    known = _resized(x, n, up=False)
    return node("SpaceToDepth", kernel, [x], x.dtype, known, name)


def depth_to_space(input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC") -> Tensor:
    """The opposite of :func:`space_to_depth`."""
    x, n = convert_to_tensor(input), int(block_size)
    _need_nhwc(data_format, "depth_to_space")

    def kernel(v: Any) -> Any:
        batch, height, width, channels = v.shape
        v = v.reshape(batch, height, width, n, n, channels // (n * n))
        return rl.permute(v, (0, 1, 3, 2, 4, 5)).reshape(batch, height * n, width * n, -1)

    return node("DepthToSpace", kernel, [x], x.dtype, _resized(x, n, up=True), name)


def _need_nhwc(data_format: str, name: str) -> None:
    if data_format != "NHWC":
        raise NotImplementedError(f"{name}: data_format is {data_format!r}; only 'NHWC' is available")


def _resized(x: Tensor, n: int, up: bool) -> TensorShape:
    if x.shape.extents is None:
        return UNKNOWN
    batch, height, width, channels = x.shape.extents
    return TensorShape(
        [batch, _scaled(height, n, up), _scaled(width, n, up), _scaled(channels, n * n, not up)]
    )


def space_to_batch_nd(input: Any, block_shape: Any, paddings: Any, name: str | None = None) -> Tensor:
    """The places of each block of the (padded) axes after the first as further batch entries."""
    x = convert_to_tensor(input)
    blocks, borders = make_array(block_shape).tolist(), make_array(paddings).tolist()
    count = len(blocks)

    def kernel(v: Any) -> Any:
        amounts = [0, 0] * (v.ndim - 1 - count)
        for before, after in reversed(borders):
            amounts += [before, after]
        v = F.pad(v, amounts) if any(amounts) else v
        split: list[int] = [v.shape[0]]
        for extent, block in zip(v.shape[1 : 1 + count], blocks, strict=True):
            split += [extent // block, block]
        rest = list(v.shape[1 + count :])
        axes = [*range(2, 2 * count + 1, 2), 0, *range(1, 2 * count + 1, 2)]
        axes += range(2 * count + 1, 2 * count + 1 + len(rest))
        return rl.permute(v.reshape(split + rest), axes).reshape(-1, *split[1::2], *rest)

    known = UNKNOWN
    if x.shape.extents is not None:
        batch: int | None = x.shape.extents[0]
        inner: list[int | None] = []
        for extent, block, (before, after) in zip(x.shape.extents[1:], blocks, borders, strict=False):
            batch = None if batch is None else batch * block
            inner.append(None if extent is None else (extent + before + after) // block)
        known = TensorShape([batch, *inner, *x.shape.extents[1 + count :]])
    return node("SpaceToBatchND", kernel, [x], x.dtype, known, name)


def batch_to_space_nd(input: Any, block_shape: Any, crops: Any, name: str | None = None) -> Tensor:
    """The opposite of :func:`space_to_batch_nd`."""
    x = convert_to_tensor(input)
    blocks, borders = make_array(block_shape).tolist(), make_array(crops).tolist()
    count = len(blocks)
    product = int(np.prod(blocks))

    def kernel(v: Any) -> Any:
        rest = list(v.shape[1 + count :])
        inner = list(v.shape[1 : 1 + count])
        split = v.reshape([*blocks, v.shape[0] // product, *inner, *rest])
        axes = [count]
        for i in range(count):
            axes += [count + 1 + i, i]
        axes += range(2 * count + 1, 2 * count + 1 + len(rest))
        whole = rl.permute(split, axes).reshape(
            -1, *[extent * block for extent, block in zip(inner, blocks, strict=True)], *rest
        )
        for i, (before, after) in enumerate(borders):
            whole = whole.narrow(i + 1, before, whole.shape[i + 1] - before - after)
        return whole

    known = UNKNOWN
    if x.shape.extents is not None:
        batch = x.shape.extents[0]
        sizes = [
            None if extent is None else extent * block - before - after
            for extent, block, (before, after) in zip(x.shape.extents[1:], blocks, borders, strict=False)
        ]
        known = TensorShape(
            [None if batch is None else batch // product, *sizes, *x.shape.extents[1 + count :]]
        )
    return node("BatchToSpaceND", kernel, [x], x.dtype, known, name)


def space_to_batch(
    input: Any, paddings: Any, block_size: int | None = None, name: str | None = None, block_shape: Any = None
) -> Tensor:
    """:func:`space_to_batch_nd` with square blocks."""
    blocks = block_shape if block_size is None else [block_size, block_size]
    return space_to_batch_nd(input, blocks, paddings, name)


def batch_to_space(
    input: Any, crops: Any, block_size: int | None = None, name: str | None = None, block_shape: Any = None
) -> Tensor:
    """:func:`batch_to_space_nd` with square blocks."""
    blocks = block_shape if block_size is None else [block_size, block_size]
    return batch_to_space_nd(input, blocks, crops, name)


def extract_image_patches(
    images: Any,
    ksizes: Any = None,
    strides: Any = None,
    rates: Any = None,
    padding: str | None = None,
    name: str | None = None,
    sizes: Any = None,
) -> Tensor:
    """The windows of (batch, height, width, channels), each as the last axis: row by row, channels innermost."""
    x = convert_to_tensor(images)
    rows, columns = [int(n) for n in (sizes if ksizes is None else ksizes)][1:3]
    steps, spread = [int(n) for n in strides][1:3], [int(n) for n in rates][1:3]
    border = str(padding).upper()

    def kernel(v: Any) -> Any:
        batch, height, width, channels = v.shape
        v = rl.permute(v, (0, 3, 1, 2))
        if border == "SAME":
            v = F.pad(v, same_padding((height, width), (rows, columns), steps, spread))
        counts = [
            (extent - (size - 1) * rate - 1) // step + 1
            for extent, size, rate, step in zip(v.shape[2:], (rows, columns), spread, steps, strict=True)
        ]
        kind = v.dtype
        whole = v if x.dtype.is_floating else v.to(rl.float64)
        found = F.unfold(whole, (rows, columns), dilation=tuple(spread), stride=tuple(steps)).to(kind)
        found = found.reshape(batch, channels, rows * columns, *counts)
        return rl.permute(found, (0, 3, 4, 2, 1)).reshape(batch, *counts, rows * columns * channels)

    known = UNKNOWN
    if x.shape.extents is not None:
        batch, height, width, channels = x.shape.extents
        high, wide = [
            windows(extent, size, step, border, rate)
            for extent, size, step, rate in zip((height, width), (rows, columns), steps, spread, strict=True)
        ]
        known = TensorShape([batch, high, wide, None if channels is None else channels * rows * columns])
    return node("ExtractImagePatches", kernel, [x], x.dtype, known, name)


# --- diagonals ----------------------------------------------------------------------------------------------------------


def matrix_diag(diagonal: Any, name: str | None = None) -> Tensor:
    """Matrices with the last axis of ``diagonal`` on their diagonals."""
    x = convert_to_tensor(diagonal)
    known = UNKNOWN if x.shape.extents is None else TensorShape([*x.shape.extents, x.shape.extents[-1]])
    return node("MatrixDiag", rl.diag_embed, [x], x.dtype, known, name)


def matrix_set_diag(input: Any, diagonal: Any, name: str | None = None) -> Tensor:
    """``input`` (…, m, n) with ``diagonal`` on its diagonals."""
    x = convert_to_tensor(input)
    d = convert_to_tensor(diagonal, x.dtype)
    return node(
        "MatrixSetDiag", lambda v, w: rl.diagonal_scatter(v, w, 0, -2, -1), [x, d], x.dtype, x.shape, name
    )


# --- copies with other elements -----------------------------------------------------------------------------------------


def _tensor_scatter(kind: str, what: str) -> Callable[..., Tensor]:
    def public(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        x, chosen = convert_to_tensor(tensor), convert_to_tensor(indices)
        values = convert_to_tensor(updates, x.dtype)

        def kernel(base: Any, index: Any, update: Any) -> Any:
            places = tuple(rl.unbind(index.to(rl.int64), -1))
            if kind == "Update":
                return rl.index_put(base, places, update)
            if kind in ("Max", "Min"):
                better = rl.maximum if kind == "Max" else rl.minimum
                return rl.index_put(base, places, better(base[places], update))
            return rl.index_put(base, places, -update if kind == "Sub" else update, accumulate=True)

        return node(f"TensorScatter{kind}", kernel, [x, chosen, values], x.dtype, x.shape, name)

    public.__doc__ = (
        f"A copy of ``tensor`` with ``updates`` {what} at the index tuples in the last axis of ``indices``."
    )
    return public


tensor_scatter_nd_update = _tensor_scatter("Update", "written")
tensor_scatter_nd_add = _tensor_scatter("Add", "added")
tensor_scatter_nd_sub = _tensor_scatter("Sub", "subtracted")
tensor_scatter_nd_max = _tensor_scatter("Max", "compared, the larger kept,")
tensor_scatter_nd_min = _tensor_scatter("Min", "compared, the smaller kept,")


def bitcast(input: Any, type: Any, name: str | None = None) -> Tensor:
    """The same bytes as another type of the same size."""
    x, kind = convert_to_tensor(input), as_dtype(type)
    if x.dtype.size != kind.size:
        raise NotImplementedError("bitcast: both types must have the same size")
    return node("Bitcast", lambda v: v.view(kind.rushlight), [x], kind, x.shape, name)


# --- shapes -------------------------------------------------------------------------------------------------------------


def identity_n(input: Sequence[Any], name: str | None = None) -> list[Tensor]:
    """Tensors with the same values."""
    return [identity(item, name) for item in input]


def shape_n(input: Sequence[Any], out_type: Any = dtypes.int32, name: str | None = None) -> list[Tensor]:
    """The shapes, as vectors."""
    return [shape(item, name, out_type) for item in input]


def ensure_shape(x: Any, shape: Any, name: str | None = None) -> Tensor:
    """``x``, of which ``shape`` is known from then on; another one is an ``InvalidArgumentError`` when it runs."""
    value, wanted = convert_to_tensor(x), as_shape(shape)
    known = value.shape.merge_with(wanted)

    def kernel(v: Any) -> Any:
        extents = wanted.extents
        if extents is not None and (
            len(extents) != v.ndim
            or any(e is not None and e != n for e, n in zip(extents, v.shape, strict=True))
        ):
            raise ValueError(
                f"Shape of tensor {value.op.name} {list(v.shape)} is not compatible with {wanted}"
            )
        return v.view_as(v) if isinstance(v, rl.Tensor) else v

    return node("EnsureShape", kernel, [value], value.dtype, known, name)


def broadcast_static_shape(shape_x: Any, shape_y: Any) -> TensorShape:
    """The shape of operands with these static shapes, broadcast; ``ValueError`` if they don't fit."""
    a, b = as_shape(shape_x), as_shape(shape_y)
    if a.extents is None or b.extents is None:
        return UNKNOWN
    rank = max(len(a.extents), len(b.extents))
    result: list[int | None] = []
    left: list[int | None] = [*[1] * (rank - len(a.extents)), *a.extents]
    right: list[int | None] = [*[1] * (rank - len(b.extents)), *b.extents]
    for x, y in zip(left, right, strict=True):
        if y in (x, 1):
            result.append(x)
        elif x == 1:
            result.append(y)
        elif x is None or y is None:
            result.append(y if x is None else x)
        else:
            raise ValueError(f"Incompatible shapes for broadcasting: {a} and {b}")
    return TensorShape(result)


def broadcast_dynamic_shape(shape_x: Any, shape_y: Any) -> Tensor:
    """The shape, as a vector, of operands with these shapes (vectors), broadcast."""
    a, b = convert_to_tensor(shape_x), convert_to_tensor(shape_y)

    def kernel(x: Any, y: Any) -> Any:
        return rl.tensor(list(np.broadcast_shapes(tuple(x.tolist()), tuple(y.tolist()))), dtype=x.dtype)

    extents = [t.shape.extents[0] if t.shape.extents else None for t in (a, b)]
    count = None if None in extents else max(extent or 0 for extent in extents)
    return node("BroadcastArgs", kernel, [a, b], a.dtype, [count])


def batch_gather(params: Any, indices: Any, name: str | None = None) -> Tensor:
    """For each batch entry, the slices of ``params`` (batch, n, …) at ``indices`` (batch, m)."""
    x, chosen = convert_to_tensor(params), convert_to_tensor(indices)

    def kernel(values: Any, index: Any) -> Any:
        rows = rl.arange(values.shape[0]).reshape(-1, *[1] * (index.ndim - 1))
        return values[rows, index.to(rl.int64)]

    known = UNKNOWN
    if x.shape.extents is not None and chosen.shape.extents is not None:
        known = TensorShape([*chosen.shape.extents, *x.shape.extents[2:]])
    return node("BatchGather", kernel, [x, chosen], x.dtype, known, name)


def repeat(input: Any, repeats: Any, axis: int | None = None, name: str | None = None) -> Tensor:
    """Each slice along ``axis`` (each element of the flat tensor, without one) ``repeats`` times."""
    x, times = convert_to_tensor(input), convert_to_tensor(repeats)
    known = constant_value(times)

    def kernel(v: Any, count: Any) -> Any:
        number = int(known) if known is not None and known.ndim == 0 else count.to(rl.int64)
        return rl.repeat_interleave(v, number, dim=axis)

    shape_known = UNKNOWN
    if x.shape.extents is not None:
        at = 0 if axis is None else axis % len(x.shape.extents)
        inner = [x.shape.num_elements()] if axis is None else list(x.shape.extents)
        extent = inner[at]
        if known is None or extent is None:
            inner[at] = None
        else:
            inner[at] = int(np.broadcast_to(known, (extent,)).sum())
        shape_known = TensorShape(inner)
    return node("Repeat", kernel, [x, times], x.dtype, shape_known, name)


def where_v2(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """Elements of ``x`` where ``condition``, else of ``y``, all broadcast; without them the indices of what is true."""
    from .conversion import convert_n_to_tensor
    from .ops_indexing import where

    if x is None or y is None:
        return where(condition, x, y, name)
    chosen = convert_to_tensor(condition)
    a, b = convert_n_to_tensor([x, y])
    known = shape_rules.broadcast("SelectV2", name or "SelectV2", (chosen, a, b))
    return node("SelectV2", rl.where, [chosen, a, b], a.dtype, known, name)
