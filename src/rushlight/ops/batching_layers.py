"""Rules for batches: convolution, pooling, normalisation, embeddings and the losses' own kernels.

What works on many images or rows at once takes the examples as more of them. What has weights takes batched ones as more
channels: a convolution of each example with weights of its own is one convolution in groups.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.device import placed_beside
from ..core.dtypes import F32, LOW_PRECISION
from ..core.shapes import count
from ..runtime.batched import batch_size, spread, whole, wrap
from .batching_core import Arrays, belongs, inward, lined, looped, run_batched
from .define import PRIMITIVES, Primitive

# --- images -----------------------------------------------------------------------------------------------------------


def _folding(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Operations of images ``(n, ...)`` whose first operand alone is batched: the examples become more images."""
    x, *rest = arrays
    if not belongs(x, level) or any([belongs(a, level) for a in rest]) or x.ndim < 3:
        return looped(record, level, arrays, attrs)
    value = x.value
    size, images = value.shape[:2]
    if not size * images:
        return looped(record, level, arrays, attrs)
    attrs = {
        key: (size * images, *v[1:]) if key in ("input_shape", "shape") and v is not None else v
        for key, v in attrs.items()
    }
    folded = run_batched(record, [value.reshape((size * images, *value.shape[2:])), *rest], attrs)
    return _unfolded(level, folded, size, images)


def _unfolded(level: int, result: Any, size: int, images: int) -> Any:
    if isinstance(result, tuple):
        return tuple([_unfolded(level, part, size, images) for part in result])
    return wrap(level, result.reshape((size, images, *result.shape[1:])))


def _pairs_folding(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """As ``_folding`` for operations on pairs of images with the same leading dimension."""
    if any([a is None or a.ndim < 3 for a in arrays]):
        return looped(record, level, arrays, attrs)
    size = batch_size(arrays, level)
    values = [spread(a, level, size) for a in arrays]
    images = values[0].shape[1]
    if not size * images:
        return looped(record, level, arrays, attrs)
    folded = run_batched(record, [v.reshape((size * images, *v.shape[2:])) for v in values], attrs)
    return _unfolded(level, folded, size, images)


def _as_channels(array: Any, level: int, size: int) -> Any:
    """Images ``(n, c, ...)`` of all examples as ``(n, size·c, ...)``."""
    value = spread(array, level, size).swapaxes(0, 1)
    return value.reshape((value.shape[0], size * value.shape[2], *value.shape[3:]))


def _from_channels(level: int, result: Any, size: int) -> Any:
    channels = result.shape[1] // size
    return wrap(level, result.reshape((result.shape[0], size, channels, *result.shape[2:])).swapaxes(0, 1))


def _rows_folded(array: Any, level: int, size: int) -> Any:
    """``(rows, ...)`` of all examples as ``(size·rows, ...)``: of weights ``(o, c, ...)``, all examples' outputs."""
    value = spread(array, level, size)
    return value.reshape((size * value.shape[1], *value.shape[2:]))


def _biased(result: Any, bias: Any) -> Any:
    return result if bias is None else result + bias.reshape((-1, *(1,) * (result.ndim - 2)))


def _convolved(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """A convolution, or its gradient by the input."""
    x, w, bias = arrays
    size = batch_size(arrays, level)
    if not size or 0 in x.shape or 0 in w.shape:
        return looped(record, level, arrays, attrs)
    if bias is not None and (belongs(bias, level) or belongs(w, level)):
        kind = x.dtype
        if kind in LOW_PRECISION:
            x, w, bias = x.astype(F32), w.astype(F32), bias.astype(F32)
        if not belongs(x, level) and not belongs(w, level):
            plain = run_batched(record, [x, w, None], attrs)
            result = plain + bias.reshape((-1, *(1,) * (plain.ndim - 2)))
        else:
            result = _biased(_convolved(record, level, [x, w, None], attrs), bias)
        return result.astype(kind) if kind in LOW_PRECISION else result
    if not belongs(w, level):
        return _folding(record, level, arrays, attrs)
    groups = attrs["groups"]
    if groups == 1 and not belongs(x, level):
        # The examples' outputs beside each other, from the same input.
        if record.name == "convolution":
            values = [x, _rows_folded(w, level, size), None]
        else:
            values = [x, _as_channels(w, level, size), None]
        return _from_channels(level, run_batched(record, values, attrs), size)
    values = [_as_channels(x, level, size), _rows_folded(w, level, size), None]
    return _from_channels(level, run_batched(record, values, {**attrs, "groups": size * groups}), size)


def _weight_gradient(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    g, x = arrays
    size = batch_size(arrays, level)
    groups = attrs["groups"]
    if not size or 0 in g.shape or 0 in x.shape:
        return looped(record, level, arrays, attrs)
    if groups == 1 and not belongs(g, level):
        return _from_channels(level, run_batched(record, [g, _as_channels(x, level, size)], attrs), size)
    if groups == 1 and not belongs(x, level):
        result = run_batched(record, [_as_channels(g, level, size), x], attrs)
    else:
        values = [_as_channels(g, level, size), _as_channels(x, level, size)]
        result = run_batched(record, values, {**attrs, "groups": size * groups})
    return wrap(level, result.reshape((size, result.shape[0] // size, *result.shape[1:])))


# --- normalisation ----------------------------------------------------------------------------------------------------


def _samples(x: Any, columns: int, positions: int) -> tuple[int, int, int]:
    """The shape of an array that is read as columns."""
    return (count(x.shape) // (columns * positions) if columns * positions else 0, columns, positions)


def _scaled(y: Any, w: Any, b: Any, columns: int, positions: int) -> Any:
    """``y`` with each column times its number of ``w``, plus that of ``b``."""
    shape = y.shape
    y = y.reshape(_samples(y, columns, positions))
    if w is not None:
        y = y * w.reshape((columns, 1)).astype(y.dtype)
    if b is not None:
        y = y + b.reshape((columns, 1)).astype(y.dtype)
    return y.reshape(shape)


def _normalized(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    x, w, b = arrays
    size = batch_size(arrays, level)
    kind, columns, positions = x.dtype, attrs["columns"], attrs["positions"]
    if not size or not x.size:
        return looped(record, level, arrays, attrs)
    if not belongs(x, level):
        # The statistics are the same for all examples.
        wide = x.astype(F32) if kind in LOW_PRECISION else x
        y, *statistics = run_batched(record, [wide, None, None], attrs)
        y = _scaled(y, w, b, columns, positions)
        y = y if belongs(y, level) else wrap(level, spread(y, level, size))
        return (y.astype(kind), *[wrap(level, spread(part, level, size)) for part in statistics])
    shape = x.shape
    if attrs["rows"] is None:
        folded = _as_channels(x.reshape(_samples(x, columns, positions)), level, size)
        scale, shift = [
            None if v is None else spread(v.reshape((columns,)), level, size).reshape((size * columns,))
            for v in (w, b)
        ]
        results = run_batched(record, [folded, scale, shift], {**attrs, "columns": size * columns})
        y = _from_channels(level, results[0], size).reshape(shape)
        return (y, *[wrap(level, part.reshape((size, columns))) for part in results[1:]])
    shared = not belongs(w, level) and not belongs(b, level)
    value = x.value.astype(F32) if kind in LOW_PRECISION and not shared else x.value
    results = run_batched(record, [value, w, b] if shared else [value, None, None], attrs)
    y = wrap(level, results[0])
    if not shared:
        y = _scaled(y, w, b, columns, positions).astype(kind)
    return (y, *[wrap(level, part.reshape((size, part.shape[0] // size))) for part in results[1:]])


def _normalized_gradient(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    g, x, mean, inverse, w = arrays
    size = batch_size(arrays, level)
    columns, positions = attrs["columns"], attrs["positions"]
    if not size or not g.size:
        return looped(record, level, arrays, attrs)
    shape, by_column = g.shape, _samples(g, columns, positions)
    if attrs["rows"] is None:
        values = [_as_channels(a.reshape(by_column), level, size) for a in (g, x)]
        values += [
            None if v is None else spread(v.reshape((columns,)), level, size).reshape((size * columns,))
            for v in (mean, inverse, w)
        ]
        total, scale, shift = run_batched(record, values, {**attrs, "columns": size * columns})
        return (
            _from_channels(level, total, size).reshape(shape),
            wrap(level, scale.reshape((size, columns))),
            wrap(level, shift.reshape((size, columns))),
        )
    kind, wide = g.dtype, mean.dtype
    rows = attrs["rows"]
    g, x = g.astype(wide, copy=False), x.astype(wide, copy=False)
    standard = (x.reshape((-1, rows)) - mean.reshape((-1, 1))) * inverse.reshape((-1, 1))
    given = g.reshape(by_column)
    scale, shift = (given * standard.reshape(by_column)).sum((0, 2)), given.sum((0, 2))
    weighted = _scaled(g, w, None, columns, positions)
    values = [spread(a, level, size) for a in (weighted, x)]
    values += [spread(a, level, size).reshape((-1,)) for a in (mean, inverse)]
    total = wrap(level, run_batched(record, [*values, None], attrs)[0])
    return tuple(
        [
            part if belongs(part, level) else wrap(level, spread(part, level, size))
            for part in (total.astype(kind, copy=False), scale, shift)
        ]
    )


def _column_scale(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    x, scale, shift = arrays
    if belongs(x, level) and not belongs(scale, level) and not belongs(shift, level):
        return inward(record, level, [x.value, scale, shift], attrs)
    kind = x.dtype
    wide = x.astype(F32) if kind in LOW_PRECISION else x
    result = _scaled(wide, scale, shift, attrs["columns"], attrs["positions"])
    return result.astype(kind, copy=False)


# --- embeddings -------------------------------------------------------------------------------------------------------


def _numbered(indices: Any, level: int, size: int, rows: int) -> Any:
    """Row numbers of all examples, in the rows of all examples one after the other.

    Raises ``IndexError`` for a row that an example does not have.
    """
    numbers = whole(indices)
    if numbers.size and (numbers.min() < 0 or numbers.max() >= rows):
        raise IndexError("index out of range in self")
    value = spread(indices, level, size).astype(np.int64, copy=False)
    starts = (np.arange(size) * rows).reshape(size, *(1,) * (value.ndim - 1))
    return value + placed_beside(starts, value)


def _embedding(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    weight, indices = arrays
    if not belongs(weight, level):
        return inward(record, level, [weight, indices.value], attrs)
    size, rows, columns = weight.value.shape
    if not belongs(indices, level):
        # The columns of all examples beside each other.
        beside = weight.value.swapaxes(0, 1).reshape((rows, size * columns))
        taken = run_batched(record, [beside, indices], attrs)
        return wrap(level, np.moveaxis(taken.reshape((*indices.shape, size, columns)), -2, 0))
    numbers = _numbered(indices, level, size, rows)
    return inward(record, level, [weight.value.reshape((size * rows, columns)), numbers], attrs)


def _embedding_gradient(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    g, indices = arrays
    size, rows, padding = batch_size(arrays, level), attrs["rows"], attrs["padding_idx"]
    attrs = {**attrs, "rows": size * rows, "padding_idx": -1}
    values = [spread(g, level, size), _numbered(indices, level, size, rows)]
    result = run_batched(record, values, attrs)
    result = result.reshape((size, rows, result.shape[1]))
    if padding >= 0:
        result[:, padding] = 0
    return wrap(level, result)


# --- losses -----------------------------------------------------------------------------------------------------------


def _reduced(losses: Any, reduction: str, kind: Any) -> Any:
    """Losses of each element as ``reduction`` has them for each example."""
    if reduction != "none":
        losses = losses.sum() if reduction == "sum" else losses.mean()
    return losses.astype(kind, copy=False)


def _element_loss(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Losses of each element, then reduced."""
    kind, reduction = arrays[0].dtype, attrs["reduction"]
    if kind in LOW_PRECISION:
        arrays = [None if a is None else a.astype(F32) for a in arrays]
    if not belongs(arrays[0], level):  # what is computed is written into arrays of its shape
        arrays = [wrap(level, spread(arrays[0], level, batch_size(arrays, level))), *arrays[1:]]
    losses = lined(record, level, arrays, {**attrs, "reduction": "none"})
    return _reduced(losses, reduction, kind)


def _chosen(level: int, size: int, x: Any, target: Any, ignore_index: int) -> Any:
    """``-x`` at the targets, 0 at ignored ones, of the targets' shape for each example; classes are dimension 1 of ``x``."""
    attrs = {"reduction": "none", "ignore_index": ignore_index}
    values = [_rows_folded(x, level, size), _rows_folded(target, level, size), None]
    result = run_batched(PRIMITIVES["nll_loss"], values, attrs)
    return wrap(level, result.reshape((size, *target.shape)))


def _class_shares(
    level: int, size: int, like: Any, target: Any, weight: Any, ignore_index: int, shape: tuple[int, ...]
) -> Any:
    """What each target's loss counts: its class's weight, or 1; 0 if it is ignored. ``shape``: that of the losses' input."""
    if weight is None:
        ones: Any = np.broadcast_to(placed_beside(np.full((), -1, like.dtype), like), shape)
    else:
        weight = weight.astype(like.dtype, copy=False)
        ones = np.broadcast_to(-weight.reshape((-1, *(1,) * (len(shape) - 2))), shape)
    return _chosen(level, size, ones, target, ignore_index)


def _in_rows(x: Any, target: Any) -> tuple[Any, Any]:
    """Of one row of classes: rows of one, and their targets."""
    return (x.reshape((1, *x.shape)), target.reshape((1,))) if x.ndim == 1 else (x, target)


def _class_loss(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    x, target, weight = arrays
    size = batch_size(arrays, level)
    kind, reduction, ignored = x.dtype, attrs["reduction"], attrs["ignore_index"]
    shape = target.shape if x.ndim > 1 else ()
    x, target = _in_rows(x.astype(F32) if kind in LOW_PRECISION else x, target)
    losses = _chosen(level, size, x, target, ignored)
    shares = None
    if weight is not None or reduction == "mean":
        shares = _class_shares(level, size, x, target, weight, ignored, x.shape)
    if weight is not None:
        # A share of 0 leaves 0, also of the losses that are ignored; nan of an infinite one.
        losses = losses * shares
    if reduction == "none":
        return losses.reshape(shape).astype(kind, copy=False)
    total = losses.sum()
    return (total / shares.sum() if shares is not None and reduction == "mean" else total).astype(kind)


def _class_loss_gradient(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    g, target, weight = arrays
    size = batch_size(arrays, level)
    reduction, ignored, shape = attrs["reduction"], attrs["ignore_index"], tuple(attrs["shape"])
    rows = shape if len(shape) > 1 else (1, *shape)
    target = target if len(shape) > 1 else target.reshape((1,))
    kind = g.dtype
    wide = g.astype(F32) if kind in LOW_PRECISION else g
    if reduction == "none":
        wide = wide.reshape(target.shape)
    shares = _class_shares(level, size, wide, target, weight, ignored, rows)
    if reduction == "mean":
        wide = wide / shares.sum()
    wide = np.where(shares == 0, wide.dtype.type(0), wide * shares).astype(kind)
    if not size * count(rows):
        return wrap(level, placed_beside(np.zeros((size, *shape), kind), g))
    inside = {"reduction": "none", "ignore_index": ignored, "shape": (size * rows[0], *rows[1:])}
    values = [_rows_folded(wide, level, size), _rows_folded(target, level, size), None]
    return wrap(level, run_batched(record, values, inside).reshape((size, *shape)))


def _fused_class_loss(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Cross-entropy is the loss of the logarithm of softmax."""
    x, *rest = arrays
    dim = 1 if x.ndim > 1 else 0
    return run_batched(
        PRIMITIVES["nll_loss"], [run_batched(PRIMITIVES["log_softmax"], [x], {"dim": dim}), *rest], attrs
    )


def _fused_class_loss_gradient(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Linear in the gradient that arrives: computed once for a gradient of ones, if nothing else is batched."""
    g, *rest = arrays
    if any([belongs(a, level) for a in rest]):
        return looped(record, level, arrays, attrs)
    slope = run_batched(record, [placed_beside(np.ones(g.shape, g.dtype), g), *rest], attrs)
    if attrs["reduction"] == "none" and len(attrs["shape"]) > 1:
        g = g.reshape((g.shape[0], 1, *g.shape[1:]))
    return g * slope


RULES: Final[dict[str, Callable[..., Any]]] = {
    "convolution": _convolved,
    "convolution_input_gradient": _convolved,
    "convolution_weight_gradient": _weight_gradient,
    **dict.fromkeys(
        [
            "max_pool", "adaptive_max_pool", "avg_pool", "avg_pool_gradient", "adaptive_avg_pool",
            "adaptive_avg_pool_gradient",
        ],
        _folding,
    ),
    **dict.fromkeys(("max_pool_gradient", "max_pool_gather", "max_unpool", "max_unpool_gather"), _pairs_folding),
    "normalize": _normalized,
    "normalize_gradient": _normalized_gradient,
    "scale_and_shift": _column_scale,
    "embedding": _embedding,
    "embedding_dense_backward": _embedding_gradient,
    "mse_loss": _element_loss,
    "binary_cross_entropy_with_logits": _element_loss,
    "nll_loss": _class_loss,
    "nll_loss_backward": _class_loss_gradient,
    "cross_entropy_loss": _fused_class_loss,
    "cross_entropy_loss_backward": _fused_class_loss_gradient,
}  # fmt: skip

__all__ = ["RULES"]
