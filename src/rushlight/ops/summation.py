"""How floats are added up: plans for sums over dimensions, one for each shape.

NumPy's reduction costs about 0.8 µs for any size, and over short rows or few columns it runs at a fiftieth of the memory's
speed. A product with a vector of ones is the same sum: BLAS does it at the memory's speed and starts in a third of the
time. Blocks keep it as accurate as NumPy's pairwise sum (a running total takes at most ``LONGEST`` addends for each of
BLAS's lanes before it meets others of its size) and below the size at which OpenBLAS would wake its threads, whose
barrier can cost milliseconds where other programs run.

A plan is a function of the array alone, chosen once for a shape, the dimensions, and ``keepdim``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import methodcaller
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, F64, NumpyDType
from ..core.shapes import Shape, count, wrap_dims

Array = NDArray[Any]
Plan = Callable[[Array], Any]
add_reduce: Any = np.add.reduce

SMALL: Final = 4096  # elements: one BLAS call for all of them is as accurate as a pairwise sum
LONGEST: Final = 512  # addends of one running total
BLOCK: Final = 32768  # elements of one BLAS call
WIDE: Final = 256  # columns from which NumPy's own sum over rows runs at the memory's speed
TALL: Final = 128  # rows of one such sum: each row is one more addend of the running totals
_KEPT: Final = 1024  # plans of one dtype

ONES: Final = {F32: np.ones(SMALL, F32), F64: np.ones(SMALL, F64)}
PLANS32: Final[dict[Any, Plan]] = {}
PLANS64: Final[dict[Any, Plan]] = {}


def plan_for(shape: Shape, dim: Any, keepdim: bool, dtype: NumpyDType) -> Plan:
    """The plan for float32 or float64 arrays of ``shape``, kept under ``(shape, dim, keepdim)``.

    Raises what PyTorch raises for a ``dim`` that is out of range or given twice.
    """
    plans = PLANS32 if dtype == F32 else PLANS64
    key = (shape, tuple(dim) if isinstance(dim, list) else dim, keepdim)
    plan = plans.get(key)
    if plan is None:
        plan = _make_plan(shape, tuple(sorted(wrap_dims(dim, len(shape)))), keepdim, ONES[dtype])
        if len(plans) >= _KEPT:
            plans.clear()
        plans[key] = plan
    return plan


def _make_plan(shape: Shape, axis: tuple[int, ...], keepdim: bool, ones: Array) -> Plan:
    size = count(shape)
    plan: Plan | None = None
    if size and axis and count([shape[i] for i in axis]) == 1:
        plan = _copy_plan(shape, axis)
    elif size and axis:
        plan = _small_plan(shape, axis, ones) if size <= SMALL else _large_plan(shape, axis, ones)
    if plan is None:
        return lambda x: add_reduce(x, axis, None, None, keepdim)
    if not keepdim:
        return plan
    if len(shape) == 2 and len(axis) == 1 and shape[axis[0]] > 1 and size <= SMALL:
        return ones[None, : shape[0]].dot if axis == (0,) else methodcaller("dot", ones[: shape[1], None])
    kept = tuple([1 if i in axis else n for i, n in enumerate(shape)])
    return lambda x: np.asarray(plan(x)).reshape(kept)


def _copy_plan(shape: Shape, axis: tuple[int, ...]) -> Plan:
    left = tuple([n for i, n in enumerate(shape) if i not in axis])
    return lambda x: x.copy().reshape(left)


def _small_plan(shape: Shape, axis: tuple[int, ...], ones: Array) -> Plan | None:
    ndim = len(shape)
    if len(axis) == ndim:
        return ones[: shape[0]].dot if ndim == 1 else partial(np.vdot, ones[: count(shape)].reshape(shape))
    if ndim == 2:
        return ones[: shape[0]].dot if axis == (0,) else methodcaller("dot", ones[: shape[1]])
    if axis[0] == ndim - len(axis):  # the last ones
        left = shape[: axis[0]]
        length = count(shape[axis[0] :])
        ones = ones[:length]
        return lambda x: x.reshape(-1, length).dot(ones).reshape(left)
    if axis == (ndim - 2,) and shape[-1] * shape[-2] >= 64:
        return partial(np.matmul, ones[: shape[-2]])
    return None


def _large_plan(shape: Shape, axis: tuple[int, ...], ones: Array) -> Plan:
    if len(axis) == len(shape):
        if count(shape) < 2 * BLOCK:
            return lambda x: add_reduce(x, None)
        return partial(_sum_all, ones=ones[:LONGEST])
    left = tuple([n for i, n in enumerate(shape) if i not in axis])
    steps = _steps(shape, axis, ones)

    def plan(x: Array) -> Any:
        if not x.flags.c_contiguous:
            return _sum_permuted(x, axis, left)
        for step in steps:
            x = step(x)
        return x.reshape(left)

    return plan


def _sum_all(x: Array, ones: Array) -> Any:
    flags = x.flags
    if not flags.forc:
        return add_reduce(x, None)
    flat = x.reshape(-1) if flags.c_contiguous else x.T.reshape(-1)
    whole = len(flat) // BLOCK * BLOCK
    total = add_reduce(np.matmul(flat[:whole].reshape(-1, BLOCK // LONGEST, LONGEST), ones), None)
    return total + add_reduce(flat[whole:], None)


def _sum_permuted(x: Array, axis: tuple[int, ...], left: Shape) -> Array:
    """An array whose dimensions lie in memory in another order is summed in that order."""
    order = sorted(range(x.ndim), key=lambda i: -x.strides[i])
    ordered = x.transpose(order)
    if not ordered.flags.c_contiguous:
        return add_reduce(x, axis)  # type: ignore[no-any-return]
    dims = tuple([order.index(i) for i in axis])
    inverse = sorted(range(x.ndim), key=order.__getitem__)
    sums: Array = plan_for(ordered.shape, dims, True, x.dtype)(ordered).transpose(inverse)
    return sums.reshape(left)


def _steps(shape: Shape, axis: tuple[int, ...], ones: Array) -> list[Plan]:
    """Sums over the trailing dimensions by rows, then over each other run of dimensions by columns."""
    steps: list[Plan] = []
    extents: list[int] = []  # of runs of dimensions that are all reduced, or all kept
    reduced: list[bool] = []
    for i, n in enumerate(shape):
        if extents and (n == 1 or reduced[-1] == (i in axis)):
            extents[-1] *= n
        else:
            extents.append(n)
            reduced.append(i in axis)
    if reduced[-1]:
        reduced.pop()
        steps.append(partial(_sum_rows, length=extents.pop(), ones=ones))
    while True in reduced:
        at = len(reduced) - 1 - reduced[::-1].index(True)
        steps.append(partial(_sum_columns, rows=extents[at], columns=count(extents[at + 1 :]), ones=ones))
        del extents[at], reduced[at]
    return steps


def _sum_rows(x: Array, length: int, ones: Array) -> Array:
    """The sums of the rows of the contiguous ``x`` seen as ``(rows, length)``."""
    if length == 1:
        return x.reshape(-1)
    if length > 2 * LONGEST:
        high = min(length // LONGEST, BLOCK // LONGEST)
        blocks = length // (high * LONGEST)
        whole = blocks * high * LONGEST
        x = x.reshape(-1, length)
        parts = np.matmul(x[:, :whole].reshape(-1, blocks, high, LONGEST), ones[:LONGEST])
        sums = add_reduce(parts, (1, 2)) if blocks > 1 else _sum_rows(parts, high, ones)
        return sums + add_reduce(x[:, whole:], 1) if whole < length else sums
    x = x.reshape(-1, length)
    ones = ones[:length]
    rows = len(x)
    height = BLOCK // length
    if rows <= height:
        return x.dot(ones)  # type: ignore[no-any-return]
    blocks = rows // height
    whole = blocks * height
    sums = np.empty(rows, x.dtype)
    np.matmul(x[:whole].reshape(blocks, height, length), ones, sums[:whole].reshape(blocks, height))
    if whole < rows:
        np.matmul(x[whole:], ones, sums[whole:])
    return sums


def _sum_columns(x: Array, rows: int, columns: int, ones: Array) -> Array:
    """The sums over the middle dimension of the contiguous ``x`` seen as ``(-1, rows, columns)``."""
    x = x.reshape(-1, rows, columns)
    height = min(LONGEST, max(1, BLOCK // columns)) if columns < WIDE else TALL
    if rows <= height:
        if columns >= WIDE or rows * columns < 64:
            return add_reduce(x, 1)  # type: ignore[no-any-return]
        return ones[:rows].dot(x[0])[None] if len(x) == 1 else np.matmul(ones[:rows], x)  # type: ignore[no-any-return]
    blocks = rows // height
    whole = blocks * height
    tall = x[:, :whole].reshape(-1, height, columns)
    parts = add_reduce(tall, 1) if columns >= WIDE else np.matmul(ones[:height], tall)
    sums = _sum_columns(parts, blocks, columns, ones)
    if whole == rows:
        return sums
    rest = x[:, whole:]
    return sums + (add_reduce(rest, 1) if columns >= WIDE else np.matmul(ones[: rows - whole], rest))  # type: ignore[no-any-return]
