"""Arrays as MPI takes them: contiguous memory of a type that it can reduce.

Messages that are only moved go as bytes, so every dtype can travel. For reductions

- float16 and bfloat16 go as float32 and are rounded once, at the end;
- bool goes as uint8 of 0 and 1: a sum or maximum is `or`, a product or minimum `and`;
- complex numbers go as pairs of floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import LOW_PRECISION
from . import engine
from .reduce_op import PremultipliedSum, ReduceOp, Reduction

Array = NDArray[Any]


def as_bytes(array: Array) -> Array:
    """The memory of a C-contiguous array as a vector of bytes."""
    return array.reshape(-1).view(np.uint8)


def contiguous(array: Array) -> Array:
    """``array``, or a C-contiguous copy of it."""
    return np.ascontiguousarray(array).reshape(array.shape)  # ascontiguousarray makes 0-dim arrays 1-dim


def check_reducible(operation: str, dtype: np.dtype[Any], op: Reduction) -> None:
    """``RuntimeError`` for a reduction that has no meaning for the dtype."""
    if op in (ReduceOp.BAND, ReduceOp.BOR, ReduceOp.BXOR) and dtype.kind not in "iub":
        raise RuntimeError(f"{operation}: cannot use ReduceOp.{op.name} with non-integral dtype {dtype.name}")
    if op is ReduceOp.AVG and dtype.kind == "b":
        raise RuntimeError(f"{operation}: cannot use ReduceOp.AVG with bool; convert the tensor, or use SUM")


def to_wire(array: Array, op: Reduction) -> Array:
    """``array``'s values as a flat array that MPI can reduce; its own memory where that is possible."""
    dtype = array.dtype
    if isinstance(op, PremultipliedSum):
        factor = getattr(op.factor, "_array", op.factor)
        wide = array.astype(np.float32) if dtype in LOW_PRECISION else array
        array = np.asarray(np.multiply(wide, factor), wide.dtype)
    if dtype in LOW_PRECISION:
        return contiguous(array.astype(np.float32, copy=False)).reshape(-1)
    flat = contiguous(array).reshape(-1)
    if dtype.kind == "b":
        return flat.view(np.uint8)
    if dtype.kind == "c":
        return flat.view(np.float32 if dtype.itemsize == 8 else np.float64)
    return flat


def from_wire(flat: Array, shape: tuple[int, ...], dtype: np.dtype[Any], op: Reduction, size: int) -> Array:
    """The reduced values in the shape and dtype that they came from; ``AVG`` divides here, in ``flat``'s memory."""
    if op is ReduceOp.AVG:
        if flat.dtype.kind in "iu":  # rounds toward zero
            np.multiply(np.sign(flat), np.abs(flat) // flat.dtype.type(size), out=flat)
        else:
            np.divide(flat, flat.dtype.type(size), out=flat)
    values: Array = flat.astype(dtype) if dtype in LOW_PRECISION else flat.view(dtype)
    return values.reshape(shape)


def mpi_op(op: Reduction, dtype: np.dtype[Any]) -> Any:
    """MPI's operation for a reduction of arrays that were ``dtype`` before ``to_wire``."""
    module = engine.mpi()
    if isinstance(op, PremultipliedSum):
        return module.SUM
    if dtype.kind == "b" and op is not ReduceOp.BXOR:
        return module.MAX if op in (ReduceOp.SUM, ReduceOp.MAX, ReduceOp.BOR) else module.MIN
    return {
        ReduceOp.SUM: module.SUM,
        ReduceOp.AVG: module.SUM,
        ReduceOp.PRODUCT: module.PROD,
        ReduceOp.MIN: module.MIN,
        ReduceOp.MAX: module.MAX,
        ReduceOp.BAND: module.BAND,
        ReduceOp.BOR: module.BOR,
        ReduceOp.BXOR: module.BXOR,
    }[op]
