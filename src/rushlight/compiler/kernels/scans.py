"""Running sums and products along one dimension, in double precision as in eager mode, and running extrema."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any, Final

import numpy as np
from llvmlite import ir

from ..codegen.structured import F32, F64, I64, Function
from ..launch import KernelCall, Pointer, Role

_TYPES: Final = {np.dtype(np.float32): F32, np.dtype(np.float64): F64, np.dtype(np.int64): I64}
_LANES: Final = 8


@lru_cache(maxsize=16)
def _text(dtype: np.dtype[Any], product: bool, reverse: bool, lanes: int) -> str:
    """Units: (lead, block of ``lanes`` columns). ints: extent, columns, blocks."""
    f = Function("kernel", as_written=True)
    element = _TYPES[dtype]
    extent, columns, blocks = [f.int_(i) for i in range(3)]
    vector = ir.VectorType(I64 if element == I64 else F64, lanes)
    combine = (f.b.mul if product else f.b.add) if element == I64 else (f.b.fmul if product else f.b.fadd)
    initial = ir.Constant(
        vector, [(1 if element == I64 else 1.0) if product else (0 if element == I64 else 0.0)] * lanes
    )
    with f.loop(f.begin, f.end) as unit:
        first = f.mul(f.remainder(unit, blocks), lanes)
        start = f.add(f.mul(f.mul(f.divide(unit, blocks), extent), columns), first)
        mask = None if lanes == 1 else f.lanes_below(f.sub(columns, first), lanes)
        with f.carried(0, extent, [initial]) as (i, current):
            row = f.sub(f.sub(extent, 1), i) if reverse else i
            at = f.add(start, f.mul(row, columns))
            x = f.load_vector(element, lanes, f.pointer(0), at, mask)
            current[0] = combine(current[0], f.b.fpext(x, vector) if element == F32 else x)
            rounded = f.b.fptrunc(current[0], ir.VectorType(F32, lanes)) if element == F32 else current[0]
            f.store_vector(rounded, f.pointer(1), at, mask)
    return f.finish()


def _scan(
    shapes: Any, dtypes: Any, parameters: dict[str, Any], product: bool, label: str
) -> tuple[KernelCall, ...] | None:
    return _along_columns(
        shapes[0], dtypes[0], parameters["dim"], label, 1,
        lambda lanes: _text(dtypes[0], product, parameters.get("reverse", False), lanes),
    )  # fmt: skip


def _along_columns(
    shape: Any, dtype: Any, dim: int, label: str, results: int, text: Callable[[int], str]
) -> tuple[KernelCall, ...] | None:
    """The call of a kernel that goes along ``dim`` for blocks of columns, ``text(lanes)``; ints: extent, columns, blocks."""
    if dtype not in _TYPES or not shape or not prod(shape):
        return None
    columns = prod(shape[dim + 1 :])
    lanes = 1 if columns == 1 else _LANES
    blocks = -(-columns // lanes)
    return (
        KernelCall(
            text(lanes), "kernel", (shape[dim], columns, blocks),
            (Pointer(Role.OPERAND, 0), *[Pointer(Role.RESULT, i) for i in range(results)]), prod(shape[:dim]) * blocks,
            max(1, 4096 // (shape[dim] * lanes)), label=label,
        ),
    )  # fmt: skip


def cumsum(
    shapes: Any, dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``cumsum`` of float32, float64 and int64."""
    return _scan(shapes, dtypes, parameters, False, "cumsum")


def cumprod(
    shapes: Any, dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``cumprod`` of float32, float64 and int64."""
    return _scan(shapes, dtypes, parameters, True, "cumprod")


@lru_cache(maxsize=16)
def _extrema_text(dtype: np.dtype[Any], greatest: bool, lanes: int) -> str:
    """Units: (lead, block of ``lanes`` columns). ints: extent, columns, blocks. Results: the extrema, and the place of the last
    element that each comes from; from a nan on, those of the last nan."""
    f = Function("kernel", as_written=True)
    element = _TYPES[dtype]
    extent, columns, blocks = [f.int_(i) for i in range(3)]
    order = ">=" if greatest else "<="
    with f.loop(f.begin, f.end) as unit:
        first = f.mul(f.remainder(unit, blocks), lanes)
        start = f.add(f.mul(f.mul(f.divide(unit, blocks), extent), columns), first)
        mask = None if lanes == 1 else f.lanes_below(f.sub(columns, first), lanes)
        begin = f.load_vector(element, lanes, f.pointer(0), start, mask)
        nowhere = ir.Constant(ir.VectorType(I64, lanes), [0] * lanes)
        with f.carried(0, extent, [begin, nowhere]) as (i, current):
            at = f.add(start, f.mul(i, columns))
            x = f.load_vector(element, lanes, f.pointer(0), at, mask)
            if element == I64:
                new = f.b.icmp_signed(order, x, current[0])
            else:
                new = f.b.or_(f.b.fcmp_ordered(order, x, current[0]), f.b.fcmp_unordered("uno", x, x))
            current[0] = f.b.select(new, x, current[0])
            current[1] = f.b.select(new, f.splat(i, lanes), current[1])
            f.store_vector(current[0], f.pointer(1), at, mask)
            f.store_vector(current[1], f.pointer(2), at, mask)
    return f.finish()


def _extrema(
    shapes: Any, dtypes: Any, parameters: dict[str, Any], greatest: bool
) -> tuple[KernelCall, ...] | None:
    return _along_columns(
        shapes[0], dtypes[0], parameters["dim"], "cummax" if greatest else "cummin", 2,
        lambda lanes: _extrema_text(dtypes[0], greatest, lanes),
    )  # fmt: skip


def cummax(
    shapes: Any, dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``cummax`` of float32, float64 and int64."""
    return _extrema(shapes, dtypes, parameters, True)


def cummin(
    shapes: Any, dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``cummin`` of float32, float64 and int64."""
    return _extrema(shapes, dtypes, parameters, False)
