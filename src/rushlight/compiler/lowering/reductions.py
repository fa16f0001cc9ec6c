"""Reductions: sums, means, extrema, norms, variances; softmax and its kin."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ir.evaluate import is_low_precision
from ...ir.regions import count
from ...ir.scalar import ReduceOp, ScalarOp
from .builder import BOOL, F32, I64, Value
from .table import axes_of, lowers, require, widened


def _size(x: Value, axes: tuple[int, ...]) -> int:
    return count(tuple([x.shape[i] for i in axes]))


def _without(x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
    """A value of which ``axes`` have extent 1, without them unless they are kept."""
    return x if keepdims else x.reshape(tuple([n for i, n in enumerate(x.shape) if i not in axes]))


@lowers("sum")
@widened
def _sum(x: Value, axis: Any, keepdims: bool) -> Value:
    return x.sum(axes_of(axis, x.shape), keepdims)


@lowers("mean")
@widened
def _mean(x: Value, axis: Any, keepdims: bool) -> Value:
    require(x.dtype.kind in "fV")
    axes = axes_of(axis, x.shape)
    n = _size(x, axes)
    return x.sum(axes, keepdims) / float(n)


@lowers("prod")
@widened
def _prod(x: Value, axis: Any, keepdims: bool) -> Value:
    return x.reduce(ReduceOp.PROD, axes_of(axis, x.shape), keepdims)


def _truth(x: Value) -> Value:
    return x if x.dtype == BOOL else x.differs(0)


@lowers("all")
def _all(x: Value, axis: Any, keepdims: bool) -> Value:
    require(x.node.size)
    result = _truth(x).reduce(ReduceOp.MIN, axes_of(axis, x.shape), keepdims)
    return result.cast(np.uint8) if x.dtype == np.uint8 else result


@lowers("any")
def _any(x: Value, axis: Any, keepdims: bool) -> Value:
    require(x.node.size)
    result = _truth(x).reduce(ReduceOp.MAX, axes_of(axis, x.shape), keepdims)
    return result.cast(np.uint8) if x.dtype == np.uint8 else result


@lowers("count_nonzero")
def _count_nonzero(x: Value, axis: Any) -> Value:
    return _truth(x).cast(I64).sum(axes_of(axis, x.shape), False)


def _extremum(op: ReduceOp) -> Any:
    def lower(x: Value, axis: Any, keepdims: bool) -> Value:
        axes = axes_of(axis, x.shape)
        require(_size(x, axes))
        return x.reduce(op, axes, keepdims)

    return lower


for _name, _op in {
    "max": ReduceOp.MAX,
    "amax": ReduceOp.MAX,
    "min": ReduceOp.MIN,
    "amin": ReduceOp.MIN,
}.items():
    lowers(_name)(_extremum(_op))


def _with_place(x: Value, op: ReduceOp, axes: tuple[int, ...]) -> tuple[Value, Value]:
    """The extremum over ``axes`` (several only if they are all) and the first place of it; the first nan's, if there is
    one. Dimensions stay."""
    best = x.reduce(op, axes)
    chosen = x.equal(best)
    if x.dtype.kind in "fV":
        chosen = chosen | x.is_nan()
    place = x.b.index(x.shape, axes[0])
    for axis in axes[1:]:
        place = place * x.shape[axis] + x.b.index(x.shape, axis)
    return best, x.b.where(chosen, place, place.like(_size(x, axes))).reduce(ReduceOp.MIN, axes)


def _selecting(op: ReduceOp) -> Any:
    def lower(x: Value, dim: int, keepdims: bool) -> Any:
        if not x.shape:
            return x, x.b.const(0, I64)
        require(x.node.size)
        axes = axes_of(dim, x.shape)
        best, place = _with_place(x, op, axes)
        return _without(best, axes, keepdims), _without(place, axes, keepdims)

    return lower


lowers("max_dim")(_selecting(ReduceOp.MAX))
lowers("min_dim")(_selecting(ReduceOp.MIN))


def _placing(op: ReduceOp) -> Any:
    def lower(x: Value, dim: Any, keepdims: bool) -> Value:
        require(x.node.size)
        if not x.shape:
            return x.b.const(0, I64)
        axes = axes_of(dim, x.shape)
        return _without(_with_place(x, op, axes)[1], axes, keepdims)

    return lower


lowers("argmax")(_placing(ReduceOp.MAX))
lowers("argmin")(_placing(ReduceOp.MIN))


# --- softmax and its kin ----------------------------------------------------------------------------------------------


def _not_number(x: Value, number: float) -> Value:
    finite = x.abs().less(math.inf)
    return x.b.where(finite, x.like(number), x.like(math.nan))


@lowers("softmax")
@widened
def _softmax(x: Value, dim: int) -> Value:
    if not x.node.size:
        return x
    if not x.shape:
        return _not_number(x, 1.0)
    axes = axes_of(dim, x.shape)
    powers = (x - x.max(axes)).exp()
    return powers / powers.sum(axes)


@lowers("log_softmax")
@widened
def _log_softmax(x: Value, dim: int) -> Value:
    if not x.node.size:
        return x
    if not x.shape:
        return _not_number(x, 0.0)
    axes = axes_of(dim, x.shape)
    shifted = x - x.max(axes)
    return shifted - shifted.exp().sum(axes).log()


@lowers("logsumexp")
@widened
def _logsumexp(x: Value, axis: Any, keepdims: bool) -> Value:
    axes = axes_of(axis, x.shape)
    require(x.node.size)
    top = x.max(axes)
    top = x.b.where(top.abs().equal(math.inf), top.like(0.0), top)
    return _without((x - top).exp().sum(axes).log() + top, axes, keepdims)


# --- variances and norms ----------------------------------------------------------------------------------------------


def _variance(x: Value, axis: Any, correction: float, keepdims: bool) -> Value:
    require(x.dtype.kind in "fV")
    axes = axes_of(axis, x.shape)
    n = _size(x, axes)
    require(n)
    divisor = max(0.0, n - correction)
    gap = x - x.sum(axes) / float(n)
    # The mean is rounded and the gaps do not add up to 0; what is left over corrects their squares.
    left, squares = gap.sum(axes), (gap * gap).sum(axes)
    return _without((squares - left * left / float(n)) / divisor, axes, keepdims)


@lowers("var")
@widened
def _var(x: Value, axis: Any, correction: float, keepdims: bool) -> Value:
    return _variance(x, axis, correction, keepdims)


@lowers("std")
@widened
def _std(x: Value, axis: Any, correction: float, keepdims: bool) -> Value:
    return _variance(x, axis, correction, keepdims).sqrt()


@lowers("linalg_vector_norm")
@widened
def _vector_norm(x: Value, ord: Any, axis: Any, keepdims: bool) -> Value:
    require(x.dtype.kind in "fV")
    axes = axes_of(axis, x.shape)
    sizes = x.abs()
    if ord == 2:
        return (x * x).sum(axes, keepdims).sqrt()
    if ord == 1:
        return sizes.sum(axes, keepdims)
    if ord == 0:
        return sizes.differs(0.0).cast(x.dtype).sum(axes, keepdims)
    if math.isinf(ord):
        require(_size(x, axes))
        return sizes.reduce(ReduceOp.MAX if ord > 0 else ReduceOp.MIN, axes, keepdims)
    return sizes.map(ScalarOp.POW, ord).sum(axes, keepdims).map(ScalarOp.POW, 1 / ord)


def wide(x: Value | None, dtype: Any) -> Value | None:
    return None if x is None else x.cast(dtype)


def computed_dtype(x: Value) -> Any:
    """The dtype that formulas on ``x`` are computed in."""
    return F32 if is_low_precision(x.dtype) else x.dtype
