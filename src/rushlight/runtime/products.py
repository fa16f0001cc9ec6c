"""Eager matrix products in the compiler's register tiles, shared by the plans' workers.

OpenBLAS on one thread does a product of medium size at half the machine's speed, and on several threads it stops for
milliseconds when another program has a processor (``gemm``). The tiles that compiled programs use have neither fault, and
where they cut the sums as OpenBLAS does (``compiler.kernels.tile_products``) they give its bits. So a program starts on
OpenBLAS, which needs no compiler, and goes over to tiles once it has multiplied so much that loading the compiler was worth
it. Each kind of product is compared with OpenBLAS when it goes over, and stays there if a single bit differs: doing the same
twice shall give the same.
"""

from __future__ import annotations

import _thread
import os
from collections import OrderedDict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, F64
from . import workers
from .programs import compiles

Array = NDArray[Any]

# From so many multiplications on there are tiles.
TILES_FROM: Final = 1 << 20
# How many a program must have done before the compiler is loaded for them (a tenth of a second, against 12 ps saved for
# each), and how many of one kind before its plan is made (a millisecond).
_WORTH_LOADING: Final = 8_000_000_000
_WORTH_A_PLAN: Final = 100_000_000
_KEPT: Final = 256

_kinds: OrderedDict[Any, _Kind] = OrderedDict()
_lock = _thread.allocate_lock()
_multiplied = [0]


class _Kind:
    """What is known of products of one kind: how much of it was done, and its plan."""

    __slots__ = ("never", "own", "run", "turned", "work")

    def __init__(self, x: Array, y: Array) -> None:
        self.work = 0
        self.run: Any = None
        self.turned = (not x.flags.c_contiguous, not y.flags.c_contiguous)
        # A matrix times its own transpose: NumPy makes half of it, and copies the other half.
        self.own = x.shape == y.shape[::-1] and x.strides == y.strides[::-1]
        self.never = not _suits(x, y)


def product(x: Array, y: Array, work: int) -> Array | None:
    """``x.dot(y)`` of two matrices, by tiles; None while, or where, OpenBLAS should do it, on one thread.

    ``work``: how many multiplications that is, at least ``TILES_FROM``.
    """
    key = (x.shape, y.shape, x.strides, y.strides, x.dtype, y.dtype)
    kind = _kinds.get(key)
    if kind is None:
        kind = _Kind(x, y)
        with _lock:
            _kinds[key] = kind
            if len(_kinds) > _KEPT:
                _kinds.popitem(last=False)
    if kind.never or (kind.own and _address(x) == _address(y)):
        return None
    run = kind.run
    if run is None:
        kind.work += work
        _multiplied[0] += work
        if kind.work < _WORTH_A_PLAN or (_multiplied[0] < _WORTH_LOADING and not workers.loaded()):
            return None
        return _gone_over(kind, x, y)
    x_turned, y_turned = kind.turned
    out = np.empty((x.shape[0], y.shape[1]), x.dtype)
    run((x.T if x_turned else x, y.T if y_turned else y), (out,))
    return out


def waits(x: Array, y: Array) -> bool:
    """Whether such products may go over to tiles one day, so that OpenBLAS must do them on one thread until then: on
    several it cuts long sums otherwise."""
    kind = _kinds.get((x.shape, y.shape, x.strides, y.strides, x.dtype, y.dtype))
    return kind is not None and not kind.never


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def _suits(x: Array, y: Array) -> bool:
    if x.dtype != y.dtype or x.dtype not in (F32, F64) or x.shape[1] != y.shape[0]:
        return False
    for matrix in (x, y):
        flags = matrix.flags
        if not flags.aligned or not matrix.dtype.isnative or not (flags.c_contiguous or flags.f_contiguous):
            return False
    return _may_compile()


def _may_compile() -> bool:
    """Whether there is a compiler, asked without loading it."""
    from importlib.util import find_spec

    return os.environ.get("RUSHLIGHT_COMPILER", "").lower() != "numpy" and find_spec("llvmlite") is not None


def _gone_over(kind: _Kind, x: Array, y: Array) -> Array:
    """The product by OpenBLAS; and from now on by tiles, if those give its bits."""
    from .gemm import on_one_thread

    result = on_one_thread(x, y)
    run = _plan(x, y, kind.turned)
    if run is not None:
        again = np.empty_like(result)
        x_turned, y_turned = kind.turned
        run((x.T if x_turned else x, y.T if y_turned else y), (again,))
        if np.array_equal(result, again, equal_nan=True):
            kind.run = run
            return result
    kind.never = True
    return result


def _plan(x: Array, y: Array, turned: tuple[bool, bool]) -> Any:
    if not compiles():
        return None
    from ..compiler.kernels import gemm
    from ..compiler.launch import Launch, Place, Space
    from .plan import Plan

    (m, k), n = x.shape, y.shape[1]
    call = gemm.tiles(
        m, n, k, x.dtype, (1, m) if turned[0] else (k, 1), (1, k) if turned[1] else (n, 1), (n, 1)
    )
    if call is None:
        return None
    places = (Place(Space.INPUT, 0, 0), Place(Space.INPUT, 1, 0), Place(Space.OUTPUT, 0, 0))
    line = Launch(
        call.text,
        call.name,
        call.ints,
        places,
        call.units,
        call.grain,
        call.scratch,
        label="matmul",
        flops=2 * m * n * k,
        bytes=(m * k + k * n + m * n) * x.itemsize,
    )
    left, right = x.T.shape if turned[0] else x.shape, y.T.shape if turned[1] else y.shape
    return Plan([line], 0, [(left, x.dtype), (right, x.dtype)], [((m, n), x.dtype)]).run
