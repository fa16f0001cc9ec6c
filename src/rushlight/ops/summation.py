"""How floats are added up: plans for sums over dimensions, one for each shape.

NumPy's reduction costs about 0.8 µs for any size, and for short rows or few columns it runs at a fiftieth of the memory's
speed. A product with a vector of ones is the same sum: BLAS does it at the memory's speed and starts in a third of the
time. Blocks keep it as accurate as NumPy's pairwise sum (no running total takes more than ``LONGEST`` addends before it
is added to others of its size) and below the size at which OpenBLAS would wake its threads, which costs more than it gains.

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
add_reduce = np.add.reduce

SMALL: Final = 4096  # elements: one BLAS call for all of them is as accurate as a pairwise sum
LONGEST: Final = 512  # addends of one running total
BLOCK: Final = 32768  # elements of one BLAS call
_KEPT: Final = 1024  # plans of one dtype

_ONES: Final = {F32: np.ones(SMALL, F32), F64: np.ones(SMALL, F64)}
PLANS32: Final[dict[Any, Plan]] = {}
PLANS64: Final[dict[Any, Plan]] = {}


def plan_for(shape: Shape, dim: Any, keepdim: bool, dtype: NumpyDType) -> Plan:
    """The plan for float32 or float64 arrays of ``shape``, kept under ``(shape, dim, keepdim)``.

    Raises what PyTorch raises for a ``dim`` that is out of range or given twice.
    """
    plans = PLANS32 if dtype is F32 else PLANS64
    key = (shape, tuple(dim) if isinstance(dim, list) else dim, keepdim)
    plan = plans.get(key)
    if plan is None:
        plan = _make_plan(shape, wrap_dims(dim, len(shape)), keepdim, _ONES[dtype])
        if len(plans) >= _KEPT:
            plans.clear()
        plans[key] = plan
    return plan


def _make_plan(shape: Shape, axis: tuple[int, ...], keepdim: bool, ones: Array) -> Plan:
    size, ndim = count(shape), len(shape)
    if not size or not axis:
        return lambda x: add_reduce(x, axis, None, None, keepdim)
    if size <= SMALL:
        plan = _small_plan(shape, axis, ones[:size])
        if plan is None:
            return lambda x: add_reduce(x, axis, None, None, keepdim)
    else:
        plan = _large_plan(shape, axis, ones)
    if keepdim:
        kept = tuple([1 if i in axis else n for i, n in enumerate(shape)])
        return lambda x: np.asarray(plan(x)).reshape(kept)
    if len(axis) < ndim and size > SMALL:
        left = tuple([n for i, n in enumerate(shape) if i not in axis])
        return lambda x: plan(x).reshape(left)
    return plan


def _small_plan(shape: Shape, axis: tuple[int, ...], ones: Array) -> Plan | None:
    if len(axis) == len(shape):
        return ones.dot if len(shape) == 1 else partial(np.vdot, ones.reshape(shape))
    if len(shape) == 2:
        return ones[: shape[0]].dot if axis == (0,) else methodcaller("dot", ones[: shape[1]])
    return None


def _large_plan(shape: Shape, axis: tuple[int, ...], ones: Array) -> Plan:
    """Reduces the trailing dimensions by rows, then each other run of reduced dimensions by columns."""
    full = len(axis) == len(shape)
    steps: list[Plan] = []
    extents: list[int] = []  # of runs of dimensions that are reduced or kept together
    reduced: list[bool] = []
    for i, n in enumerate(shape):
        if n == 1 and extents:
            continue
        if extents and reduced[-1] == (i in axis):
            extents[-1] *= n
        else:
            extents.append(n)
            reduced.append(i in axis)
    if reduced[-1]:
        length = extents.pop()
        reduced.pop()
        steps.append(partial(_sum_rows, length=length, ones=ones))
    while True in reduced:
        at = len(reduced) - 1 - reduced[::-1].index(True)
        after = count(extents[at + 1 :])
        steps.append(partial(_sum_columns, rows=extents[at], columns=after, ones=ones))
        del extents[at], reduced[at]

    def plan(x: Array) -> Any:
        if not x.flags.c_contiguous:
            if full and x.flags.f_contiguous:
                x = x.T
            else:
                return add_reduce(x, axis)
        for step in steps:
            x = step(x)
        return x.reshape(()) if full else x

    return plan


def _sum_rows(x: Array, length: int, ones: Array) -> Array:
    """The sums of the contiguous ``x`` as ``(rows, length)``."""
    if length == 1:
        return x.reshape(-1)
    if length > 2 * LONGEST:
        blocks = length // LONGEST
        whole = blocks * LONGEST
        x = x.reshape(-1, length)
        parts = np.matmul(x[:, :whole].reshape(-1, blocks, LONGEST), ones[:LONGEST])
        sums = _sum_rows(parts, blocks, ones)
        return sums + add_reduce(x[:, whole:], 1) if whole < length else sums
    x = x.reshape(-1, length)
    rows = len(x)
    ones = ones[:length]
    height = max(1, BLOCK // length)
    blocks = rows // height
    if blocks < 2:
        return np.dot(x, ones) if blocks == 0 or rows == height else np.asarray(x @ ones)
    whole = blocks * height
    sums = np.empty(rows, x.dtype)
    np.matmul(x[:whole].reshape(blocks, height, length), ones, sums[:whole].reshape(blocks, height))
    if whole < rows:
        np.matmul(x[whole:], ones, sums[whole:])
    return sums


def _sum_columns(x: Array, rows: int, columns: int, ones: Array) -> Array:
    """The sums over the middle dimension of the contiguous ``x`` as ``(-1, rows, columns)``."""
    x = x.reshape(-1, rows, columns)
    if rows == 1:
        return x[:, 0]
    height = min(LONGEST, max(1, BLOCK // columns))
    if rows <= height or columns > 2048:
        if rows * columns < 64 or columns > 2048:
            return add_reduce(x, 1)  # type: ignore[no-any-return]
        return np.matmul(ones[:rows], x)
    blocks = rows // height
    whole = blocks * height
    parts = np.matmul(ones[:height], x[:, :whole].reshape(-1, height, columns))
    sums = _sum_columns(parts, blocks, columns, ones)
    return sums + _sum_columns(np.ascontiguousarray(x[:, whole:]), rows - whole, columns, ones) if whole < rows else sums
