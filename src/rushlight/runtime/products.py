"""Eager matrix products: by OpenBLAS, or in the compiler's register tiles, shared by the plans' workers.

OpenBLAS on one thread does a product of medium size at half the machine's speed, and on several threads it stops for
milliseconds when another program has a processor (``gemm``). The tiles that compiled programs use have neither fault, and
where they cut the sums as OpenBLAS does (``compiler.kernels.tile_products``) they give its bits. So a program starts on
OpenBLAS, which needs no compiler, and goes over to tiles once it has multiplied so much that loading the compiler was worth
it. Each kind of product is compared with OpenBLAS when it goes over, and stays there if a single bit differs: doing the same
twice shall give the same.

Where many elements of an operand are zero (what a ReLU gives, or its gradient; pictures; what dropout leaves) a large product
leaves them out (``compiler.kernels.sifted_products``), with the same bits. A few elements are looked at before each.
"""

from __future__ import annotations

import _thread
import os
from collections import OrderedDict
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, F64
from . import workers
from .gemm import THREADED_FROM, OneThread, on_one_thread
from .pending import address
from .programs import compiles
from .zeros import zeros_among_some

Array = NDArray[Any]

# Up to so many multiplications OpenBLAS's threads gain little.
_THREADS_PAY_FROM: Final = 8_000_000
# From so many on there are tiles.
_TILES_FROM: Final = 1 << 20
# How many a program must have done before the compiler is loaded for them (a tenth of a second, against 12 ps saved for
# each), and how many of one kind before its plan is made (a millisecond).
_WORTH_LOADING: Final = 8_000_000_000
_WORTH_A_PLAN: Final = 100_000_000
_KEPT: Final = 256
# From how many multiplications on an operand is looked at, and which share of zeros is much: leaving them out costs as much as
# it saves where a quarter is zero.
_LOOKED_AT_FROM: Final = 1 << 24
_MANY_ZEROS: Final = 0.4
# What the lists of all such plans may take; a plan keeps its memory.
_BYTES_OF_LISTS: Final = 256 << 20

_kinds: OrderedDict[Any, _Kind] = OrderedDict()
_lock = _thread.allocate_lock()
_multiplied = [0]
_bytes_of_lists = [0]


class _Kind:
    """What is known of products of one kind: how much of it was done, and its plan."""

    __slots__ = ("lists", "never", "own", "run", "sifting", "work")

    def __init__(self, x: Array, y: Array, places: tuple[_Place, _Place]) -> None:
        self.work = 0
        self.run: Any = None
        # Plans that leave out the zeros of the left or the right operand: None before they were wanted, False for never.
        self.sifting: list[Any] = [None, None]
        self.lists = 0  # bytes of their lists
        # A matrix times its own transpose: NumPy makes half of it, and copies the other half.
        self.own = x.shape[-2:] == y.shape[:-3:-1] and x.strides[-2:] == y.strides[:-3:-1]
        self.never = (
            x.dtype != y.dtype
            or x.dtype not in (F32, F64)
            or x.shape[:-2] != y.shape[:-2]
            or x.shape[-1] != y.shape[-2]
            or not all([_suits(array, place) for array, place in zip((x, y), places, strict=True)])
            or not _may_compile()
        )


class _Part(NamedTuple):
    """A part of a contiguous array."""

    shape: tuple[int, ...]
    offset: int  # in bytes


class _Turned(NamedTuple):
    """An array that is contiguous with its dimensions in this order."""

    order: tuple[int, ...]


# Where an operand lies: None where it is contiguous; False where a plan can't say it.
_Place = _Part | _Turned | Literal[False] | None


def product(x: Array, y: Array) -> Array:
    """``x.dot(y)`` of two matrices."""
    work = x.size * y.shape[1]
    if work < THREADED_FROM or x.dtype.kind not in "fc":
        return x.dot(y)  # type: ignore[no-any-return]
    if work >= _TILES_FROM:
        result, may_go_over = _by_tiles(x, y, work)
        if result is not None:
            return result
        if work > _THREADS_PAY_FROM and not may_go_over:
            return x.dot(y)  # type: ignore[no-any-return]
    return on_one_thread(x, y)


def stacked(x: Array, y: Array) -> Array:
    """``np.matmul(x, y)`` of stacks of matrices."""
    work = x.size * y.shape[-1]
    if work >= _TILES_FROM and x.dtype.kind == "f" and x.ndim == y.ndim:
        result, _ = _by_tiles(x, y, work)
        if result is not None:
            return result
    # OpenBLAS waits for its threads once for each of them.
    each = x.shape[-1] * y.shape[-1] * (x.shape[-2] if x.ndim > 1 else 1)
    if each < THREADED_FROM:
        return np.matmul(x, y)  # type: ignore[no-any-return]
    with OneThread(each):
        return np.matmul(x, y)  # type: ignore[no-any-return]


def _by_tiles(x: Array, y: Array, work: int) -> tuple[Array | None, bool]:
    """``np.matmul(x, y)`` of two matrices or stacks of them, of ``work`` multiplications, by tiles; None where OpenBLAS should
    do it. And whether such products may go over one day: until then OpenBLAS must do them on one thread, because on several
    it cuts long sums otherwise."""
    kind, (x_place, y_place) = _kind_of(x, y)
    if kind.never or (kind.own and address(x) == address(y)):
        return None, not kind.never
    run = kind.run
    if run is None:
        kind.work += work
        _multiplied[0] += work
        if kind.work < _WORTH_A_PLAN or (_multiplied[0] < _WORTH_LOADING and not workers.loaded()):
            return None, True
        return _gone_over(kind, x, y, x_place, y_place), True
    wholes = (_whole(x, x_place), _whole(y, y_place))
    if work >= _LOOKED_AT_FROM and x.ndim == 2:
        run = _sifting(kind, x, y, x_place, y_place, wholes) or run
    out = np.empty((*x.shape[:-1], y.shape[-1]), x.dtype)
    run(wholes, (out,))
    return out, True


def _sifting(
    kind: _Kind, x: Array, y: Array, x_place: _Place, y_place: _Place, wholes: tuple[Array, Array]
) -> Any:
    """The plan that leaves out the zeros of an operand that has many; None where neither has, or there is no such plan."""
    for side, whole in enumerate(wholes):
        if kind.sifting[side] is False:
            continue
        if zeros_among_some(whole) < _MANY_ZEROS:
            continue
        if kind.sifting[side] is None:
            run = _plan(kind, x, y, x_place, y_place, (side == 0, side == 1))
            if run is not None:
                result, again = [np.empty((x.shape[0], y.shape[1]), x.dtype) for _ in range(2)]
                kind.run(wholes, (result,))
                run(wholes, (again,))
                if not np.array_equal(result, again, equal_nan=True):
                    run = None
            kind.sifting[side] = run or False
        return kind.sifting[side]
    return None


def _kind_of(x: Array, y: Array) -> tuple[_Kind, tuple[_Place, _Place]]:
    places = (_place_of(x), _place_of(y))
    key = (x.shape, y.shape, x.strides, y.strides, x.dtype, y.dtype, places)
    kind = _kinds.get(key)
    if kind is None:
        kind = _Kind(x, y, places)
        with _lock:
            _kinds[key] = kind
            if len(_kinds) > _KEPT:
                _, dropped = _kinds.popitem(last=False)
                _bytes_of_lists[0] -= dropped.lists
    return kind, places


def _place_of(array: Array) -> _Place:
    if array.flags.c_contiguous:
        return None
    strides = array.strides
    order = sorted(range(array.ndim), key=[-step for step in strides].__getitem__)
    if array.transpose(order).flags.c_contiguous:
        return _Turned(tuple(order))
    base = array.base
    if type(base) is not np.ndarray or base.dtype is not array.dtype or not base.flags.c_contiguous:
        return False
    return _Part(base.shape, address(array) - address(base))


def _whole(array: Array, place: _Place) -> Any:
    """The contiguous array that an operand is, or is a part of."""
    if place is None:
        return array
    return array.transpose(place.order) if type(place) is _Turned else array.base


def _suits(array: Array, place: _Place) -> bool:
    steps, item = array.strides, array.itemsize
    return (
        place is not False
        and array.flags.aligned
        and array.dtype.isnative
        and all([step >= 0 and step % item == 0 for step in steps])
    )


def _may_compile() -> bool:
    """Whether there is a compiler, asked without loading it."""
    from importlib.util import find_spec

    return os.environ.get("RUSHLIGHT_COMPILER", "").lower() != "numpy" and find_spec("llvmlite") is not None


def _gone_over(kind: _Kind, x: Array, y: Array, x_place: _Place, y_place: _Place) -> Array:
    """The product by OpenBLAS; and from now on by tiles, if those give its bits."""
    result = on_one_thread(x, y)
    run = _plan(kind, x, y, x_place, y_place)
    if run is not None:
        again = np.empty_like(result)
        run((_whole(x, x_place), _whole(y, y_place)), (again,))
        if np.array_equal(result, again, equal_nan=True):
            kind.run = run
            return result
    kind.never = True
    return result


def _plan(
    kind: _Kind,
    x: Array,
    y: Array,
    x_place: _Place,
    y_place: _Place,
    zeros: tuple[bool, bool] = (False, False),
) -> Any:
    if not compiles():
        return None
    from ..compiler.kernels import gemm
    from ..compiler.launch import Place, Space
    from ..ir.graph import contiguous_strides
    from .eager_plans import plan_of_calls

    m, k, n, dtype = x.shape[-2], x.shape[-1], y.shape[-1], x.dtype
    result = (*x.shape[:-1], n)
    x_steps, y_steps = (tuple([step // dtype.itemsize for step in array.strides]) for array in (x, y))
    calls = gemm.tiles(m, n, k, dtype, x.shape[:-2], x_steps, y_steps, contiguous_strides(result), zeros)
    if calls is None:
        return None
    bases, operands = [], []
    for number, (array, place) in enumerate(((x, x_place), (y, y_place))):
        shape, offset = place if isinstance(place, _Part) else (_whole(array, place).shape, 0)
        bases.append((shape, dtype))
        operands.append(Place(Space.INPUT, number, offset))
    flops, moved = 2 * x.size * n, (x.size + y.size) * dtype.itemsize
    lists = sum(calls[0].workspaces)
    if _bytes_of_lists[0] + lists > _BYTES_OF_LISTS:
        return None
    _bytes_of_lists[0] += lists
    kind.lists += lists
    return plan_of_calls(calls, operands, bases, [(result, dtype)], "matmul", flops, moved).run
