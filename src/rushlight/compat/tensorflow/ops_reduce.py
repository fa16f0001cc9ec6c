"""Reductions, scans and searches along axes, under TensorFlow's names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl

from . import dtypes, shape_rules
from .conversion import constant_value, convert_to_tensor
from .dtypes import DType, as_dtype
from .graph import Operand, Tensor, node
from .tensor_shape import UNKNOWN, TensorShape


def axes_argument(axis: Any) -> tuple[int, ...] | None:
    """An ``axis`` argument as a tuple of numbers, None for all; ``ValueError`` if it is not known yet."""
    if axis is None:
        return None
    if isinstance(axis, int):
        return (axis,)
    known = constant_value(axis) if isinstance(axis, Operand) else axis
    if known is None:
        raise ValueError(
            "axis must be known when the graph is built; give numbers, not a tensor that is computed"
        )
    if hasattr(known, "tolist"):
        known = known.tolist()
    return (int(known),) if isinstance(known, int) else tuple([int(item) for item in known])


def either(new: Any, old: Any, new_name: str, old_name: str) -> Any:
    """The value of an argument that has an older name too; ``ValueError`` if both are given."""
    if new is not None and old is not None:
        raise ValueError(f"Cannot specify both '{new_name}' and '{old_name}'")
    return old if new is None else new


def _reduction(
    kind: str, kernel: Callable[..., Any], doc: str, result: Callable[[DType], DType] | None = None
) -> Callable[..., Tensor]:
    def reduce(
        input_tensor: Any,
        axis: Any = None,
        keepdims: bool | None = None,
        name: str | None = None,
        reduction_indices: Any = None,
        keep_dims: bool | None = None,
    ) -> Tensor:
        x = convert_to_tensor(input_tensor)
        axes = axes_argument(either(axis, reduction_indices, "axis", "reduction_indices"))
        keep = bool(either(keepdims, keep_dims, "keepdims", "keep_dims"))
        shape = shape_rules.reduced(x.shape, axes, keep)
        if axes is None and x.shape.ndims is not None and keep:
            axes = tuple(range(x.shape.ndims))
        dtype = result(x.dtype) if result else x.dtype
        return node(kind, _reducer(kernel, axes, keep), [x], dtype, shape, name, attributes={"axis": axes})

    reduce.__doc__ = (
        f"{doc}\n\n    ``axis`` (a number, several, or None for all) says what to reduce; the reduced axes stay, with "
        "extent 1, if ``keepdims``."
    )
    return reduce


def _reducer(kernel: Callable[..., Any], axes: tuple[int, ...] | None, keep: bool) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        over = tuple(range(x.ndim)) if axes is None else axes
        return kernel(x, over, keep) if over or x.ndim == 0 else kernel(x[None], (0,), False)

    return run


def _sum(x: Any, axes: Sequence[int], keep: bool) -> Any:
    return rl.sum(x, axes, keep, dtype=x.dtype)


def _mean(x: Any, axes: Sequence[int], keep: bool) -> Any:
    if x.is_floating_point() or x.is_complex():
        return rl.mean(x, axes, keep)
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    return rl.div(rl.sum(x, axes, keep, dtype=x.dtype), count, rounding_mode="trunc").to(x.dtype)


def _one_by_one(function: Callable[..., Any]) -> Callable[..., Any]:
    """For reductions that take one axis at a time: all of them, the last first so that the others keep their places."""

    def kernel(x: Any, axes: Sequence[int], keep: bool) -> Any:
        for axis in sorted([axis % max(x.ndim, 1) for axis in axes], reverse=True):
            if x.ndim:
                x = function(x, axis, keep)
        return x

    return kernel


def _variance(x: Any, axes: Sequence[int], keep: bool) -> Any:
    return rl.var(x, axes, correction=0, keepdim=keep)


def _logsumexp(x: Any, axes: Sequence[int], keep: bool) -> Any:
    return rl.logsumexp(x, axes, keep)


def _to_bool(dtype: DType) -> DType:
    return dtypes.bool_


def _largest(x: Any, axes: Sequence[int], keep: bool) -> Any:
    return rl.amax(x, axes, keep)


def _least(x: Any, axes: Sequence[int], keep: bool) -> Any:
    return rl.amin(x, axes, keep)


def _product(x: Any, axis: int, keep: bool) -> Any:
    return rl.prod(x, axis, keep, dtype=x.dtype)


reduce_sum = _reduction("Sum", _sum, "The sum; integers keep their type.")
reduce_mean = _reduction("Mean", _mean, "The mean; of integers an integer, as in TensorFlow.")
reduce_max = _reduction("Max", _largest, "The largest element.")
reduce_min = _reduction("Min", _least, "The smallest element.")
reduce_prod = _reduction("Prod", _one_by_one(_product), "The product.")
reduce_all = _reduction("All", _one_by_one(rl.all), "Whether all elements are true.", _to_bool)
reduce_any = _reduction("Any", _one_by_one(rl.any), "Whether an element is true.", _to_bool)
reduce_logsumexp = _reduction("LogSumExp", _logsumexp, "``log(sum(exp(x)))`` without overflow.")
reduce_variance = _reduction("Variance", _variance, "The variance, divided by the number of elements.")


def _std(x: Any, axes: Sequence[int], keep: bool) -> Any:
    return rl.sqrt(_variance(x, axes, keep))


reduce_std = _reduction("Std", _std, "The standard deviation, divided by the number of elements.")


def _euclidean(x: Any, axes: Sequence[int], keep: bool) -> Any:
    return rl.sqrt((x * x).sum(axes, keep))


reduce_euclidean_norm = _reduction("EuclideanNorm", _euclidean, "The root of the sum of squares.")


def count_nonzero(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    dtype: Any = dtypes.int64,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """How many elements are not 0."""
    from .ops_math import cast, not_equal

    x = convert_to_tensor(input_tensor)
    nonzero = cast(not_equal(x, convert_to_tensor(0, x.dtype)), dtype)
    return reduce_sum(nonzero, axis, keepdims, name, reduction_indices, keep_dims)


def _search(kind: str, function: Callable[..., Any], doc: str) -> Callable[..., Tensor]:
    def public(
        input: Any,
        axis: Any = None,
        name: str | None = None,
        dimension: Any = None,
        output_type: Any = dtypes.int64,
    ) -> Tensor:
        x = convert_to_tensor(input)
        axes = axes_argument(either(axis, dimension, "axis", "dimension"))
        along = axes[0] if axes else 0
        dtype = as_dtype(output_type)

        def kernel(value: Any) -> Any:
            found = function(value, along)
            return found if dtype is dtypes.int64 else found.to(dtype.rushlight)

        return node(kind, kernel, [x], dtype, shape_rules.reduced(x.shape, (along,), False), name)

    public.__doc__ = f"{doc} along ``axis``, which is 0 by default."
    return public


argmax = _search("ArgMax", rl.argmax, "The index of the first largest element")
argmin = _search("ArgMin", rl.argmin, "The index of the first smallest element")


def _scan(kind: str, function: Callable[..., Any], doc: str) -> Callable[..., Tensor]:
    def public(
        x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
    ) -> Tensor:
        x = convert_to_tensor(x)
        along = (axes_argument(axis) or (0,))[0]
        start = 0 if kind == "Cumsum" else 1

        def kernel(value: Any) -> Any:
            if reverse:
                value = rl.flip(value, (along,))
            total = function(value, along, dtype=value.dtype)
            if exclusive:
                first = rl.full_like(total.narrow(along, 0, min(1, total.shape[along])), start)
                total = rl.cat([first, total.narrow(along, 0, max(total.shape[along] - 1, 0))], along)
            return rl.flip(total, (along,)) if reverse else total

        return node(kind, kernel, [x], x.dtype, x.shape, name)

    public.__doc__ = (
        f"{doc} along ``axis``; ``exclusive`` leaves each element itself out, ``reverse`` begins at the end."
    )
    return public


cumsum = _scan("Cumsum", rl.cumsum, "Running sums")
cumprod = _scan("Cumprod", rl.cumprod, "Running products")


def top_k(input: Any, k: Any = 1, sorted: bool = True, name: str | None = None) -> Any:
    """The ``k`` largest elements of the last axis, and their indices (int32), as a named tuple ``(values, indices)``."""
    from collections import namedtuple

    x = convert_to_tensor(input)
    known = constant_value(k)
    if known is None:
        raise ValueError("top_k: k must be known when the graph is built")
    count = int(known)
    shape = UNKNOWN
    if x.shape.ndims:
        last = x.shape.as_list()[-1]
        if last is not None and last < count:
            raise ValueError(f"input must have last dimension >= k = {count} but is {last}")
        shape = TensorShape([*x.shape.as_list()[:-1], count])

    def kernel(value: Any) -> Any:
        # A stable sort: of equal elements the first comes first, as in TensorFlow.
        values, indices = rl.sort(value, dim=-1, descending=True, stable=True)
        return values[..., :count], indices[..., :count].to(rl.int32)

    op = x.graph.create_op("TopKV2", [x], [(x.dtype, shape), (dtypes.int32, shape)], kernel, name=name)
    return namedtuple("TopKV2", ["values", "indices"])(*op.outputs)


def in_top_k(predictions: Any, targets: Any, k: int, name: str | None = None) -> Tensor:
    """For each row of ``predictions`` (batch, classes): whether fewer than ``k`` are larger than ``targets``' one."""
    scores, classes = convert_to_tensor(predictions), convert_to_tensor(targets)

    def kernel(values: Any, wanted: Any) -> Any:
        chosen = rl.gather(values, 1, wanted.to(rl.int64)[:, None])
        return ((values > chosen).sum(1) < k) & rl.isfinite(chosen[:, 0])

    return node("InTopKV2", kernel, [scores, classes], dtypes.bool_, classes.shape, name)
