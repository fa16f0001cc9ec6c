"""Records that move elements: views, copies, joins, and zeros with a view of them replaced."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.graph import Shape, contiguous_strides
from ...ir.regions import count
from ...ir.scalar import ScalarOp
from .builder import GraphBuilder, Value
from .table import UNCHANGED, common, lowers, require


def region_of(
    record_impl: Any, shape: Shape, attrs: dict[str, Any], dtype: Any = np.int8, result: Any = None
) -> tuple[Shape, Shape, int] | None:
    """Shape, strides and offset, in elements, of the view that a record makes of a contiguous array of ``shape``.

    The record itself says it, on memory of ``dtype`` that is never touched. None where it makes a copy, or a view that is
    not of the dtype ``result`` (by default ``dtype``).
    """
    memory = np.empty(shape, dtype)
    view = record_impl(memory, **attrs)
    if not isinstance(view, np.ndarray) or view.dtype != (dtype if result is None else result):
        return None
    if not view.size:
        return view.shape, (0,) * view.ndim, 0
    size = view.itemsize
    offset = view.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
    if not np.may_share_memory(view, memory):
        return None
    return (
        view.shape,
        tuple([0 if n == 1 else s // size for n, s in zip(view.shape, view.strides, strict=True)]),
        offset // size,
    )


class _ViewRecord:
    """The lowering of a view record, which asks the record's own function."""

    needs_record = True

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, x: Value, *rest: Any, record: Any = None, **attrs: Any) -> Value:
        require(record is not None and not rest)
        parent = attrs.get("parent")
        if (
            parent is not None
        ):  # as_strided reads through the layout of its parent, which must be that of a value
            require(tuple(parent[1]) == contiguous_strides(tuple(parent[0])))
        region = region_of(record.impl, x.shape, attrs)
        require(region is not None)
        assert region is not None
        return x.view(*region)


VIEWS = (
    "view", "squeeze", "unsqueeze", "reshape", "permute", "transpose", "t", "slice", "select", "expand", "unbind", "split",
    "split_with_sizes", "with_new_dimension", "unfold", "as_strided", "diagonal",
)  # fmt: skip
for _name in VIEWS:
    lowers(_name)(_ViewRecord(_name))


@lowers("contiguous")
def _contiguous(x: Value) -> Value:
    return x


@lowers("copy")
def _copy(old: Value, value: Value) -> Value:
    return value.expand(old.shape)


@lowers("overwritten")
def _overwritten(old: Value, value: Value) -> Value:
    return value.expand(old.shape)


def zeros(b: GraphBuilder, shape: Shape, dtype: Any) -> Value:
    return b.const(0, dtype, shape)


def _embedded(values: Value, shape: Shape, impl: Any, attrs: dict[str, Any]) -> Value:
    region = region_of(impl, shape, attrs)
    require(region is not None)
    assert region is not None
    target, strides, offset = region
    require(not any(s == 0 and n > 1 for n, s in zip(target, strides, strict=True)))
    return zeros(values.b, shape, values.dtype).write(values.expand(target), strides, offset)


@lowers("slice_backward")
def _slice_backward(g: Value, shape: Shape, index: Any) -> Value:
    return _embedded(g, tuple(shape), lambda x, index: x[index], {"index": index})


@lowers("embed_view")
def _embed_view(values: Value, shape: Shape, record: Any, attrs: dict[str, Any]) -> Value:
    return _embedded(values, tuple(shape), record.impl, attrs)


@lowers("copy_slices")
def _copy_slices(base: Value, value: Value, chain: Any, strides: Any) -> Value:
    if base.dtype.kind != "c":
        base, value = common(base, value)

    def impl(x: Any) -> Any:
        for record, attrs in chain:
            x = record.impl(x, **(attrs or {}))
        return x

    region = region_of(impl, base.shape, {}, base.dtype, value.dtype)
    require(region is not None)
    assert region is not None
    shape, steps, offset = region
    require(not any(s == 0 and n > 1 for n, s in zip(shape, steps, strict=True)))
    return base.write(value.expand(shape), steps, offset)


def joined(parts: list[Value], dim: int) -> Value:
    """The parts side by side along ``dim``."""
    first = parts[0]
    lengths = [x.shape[dim] for x in parts]
    shape = (*first.shape[:dim], sum(lengths), *first.shape[dim + 1 :])
    if len(parts) == 1:
        return first
    result = zeros(first.b, shape, first.dtype)
    strides = contiguous_strides(shape)
    at = 0
    for part, length in zip(parts, lengths, strict=True):
        if part.node.size:
            result = result.write(part, strides, at * strides[dim])
        at += length
    return result


@lowers("cat")
def _cat(*parts: Value, dim: int, lengths: Any = None) -> Value:
    kept = [x for x in parts if len(x.shape) > dim and (x.node.size or len(x.shape) > 1)] or list(parts)
    require(len({x.dtype for x in kept}) == 1)
    return joined(kept, dim)


@lowers("stack")
def _stack(*parts: Value, dim: int) -> Value:
    require(len({x.dtype for x in parts}) == 1)
    return joined([x.reshape((*x.shape[:dim], 1, *x.shape[dim:])) for x in parts], dim)


@lowers("constant_pad_nd")
def _pad(x: Value, pads: Any, value: Any) -> Value:
    shape = tuple([n + before + after for n, (before, after) in zip(x.shape, pads, strict=True)])
    own, strides = contiguous_strides(x.shape), contiguous_strides(shape)
    kept = tuple(
        [n + min(before, 0) + min(after, 0) for n, (before, after) in zip(x.shape, pads, strict=True)]
    )
    inside = x.view(kept, own, sum([max(-before, 0) * s for (before, _), s in zip(pads, own, strict=True)]))
    base = x.b.const(value, x.dtype, shape)
    if not count(kept):
        return base
    return base.write(
        inside, strides, sum([max(before, 0) * s for (before, _), s in zip(pads, strides, strict=True)])
    )


@lowers("flip")
def _flip(x: Value, dims: tuple[int, ...]) -> Value:
    require(x.node.size)
    own = contiguous_strides(x.shape)
    dims = tuple([d % len(x.shape) for d in dims])
    strides = tuple([-s if i in dims else s for i, s in enumerate(own)])
    return x.view(x.shape, strides, sum([(x.shape[i] - 1) * own[i] for i in set(dims)]))


@lowers("roll")
def _roll(x: Value, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Value:
    strides = contiguous_strides(x.shape)
    for shift, dim in zip(shifts, dims, strict=True):
        extent = x.shape[dim]
        if not extent or not shift % extent:
            continue
        cut = extent - shift % extent
        lengths = [extent - cut, cut]
        parts = [
            x.view((*x.shape[:dim], length, *x.shape[dim + 1 :]), strides, start * strides[dim])
            for length, start in zip(lengths, (cut, 0), strict=True)
        ]
        x = joined(parts, dim)
    return x


def _triangle(x: Value, diagonal: int, lower: bool) -> Value:
    n = len(x.shape)
    rows, columns = x.b.index(x.shape, n - 2), x.b.index(x.shape, n - 1)
    below = columns.map(ScalarOp.LESS_EQUAL, rows + (diagonal if lower else diagonal - 1))
    zero = x.like(0)
    return x.b.where(below, x, zero) if lower else x.b.where(below, zero, x)


UNCHANGED.update(VIEWS)
UNCHANGED.update(
    (
        "contiguous", "copy", "overwritten", "slice_backward", "embed_view", "copy_slices", "cat", "stack",
        "constant_pad_nd", "flip", "roll", "alias", "clone", "untracked_view", "function_view",
    )
)  # fmt: skip


@lowers("tril")
def _tril(x: Value, diagonal: int) -> Value:
    return _triangle(x, diagonal, True)


@lowers("triu")
def _triu(x: Value, diagonal: int) -> Value:
    return _triangle(x, diagonal, False)
