"""Products of matrices and vectors."""

from __future__ import annotations

from typing import Any

from .builder import F32, Value
from .table import lowers, require, widened


def _floats(*operands: Value) -> None:
    require(all(x.dtype == operands[0].dtype and x.dtype.kind == "f" for x in operands))


@lowers("mm")
@widened
def _mm(x: Value, y: Value, transposed: bool = False) -> Value:
    _floats(x, y)
    return x.matmul(y)


@lowers("mm_nt")
@widened
def _mm_nt(x: Value, y: Value) -> Value:
    _floats(x, y)
    return x.matmul(y.transpose())


@lowers("mm_tn")
@widened
def _mm_tn(x: Value, y: Value) -> Value:
    _floats(x, y)
    return x.transpose().matmul(y)


@lowers("bmm")
@widened
def _bmm(x: Value, y: Value) -> Value:
    _floats(x, y)
    return x.matmul(y)


@lowers("mv", "dot")
@widened
def _vector(x: Value, y: Value) -> Value:
    _floats(x, y)
    if len(x.shape) == 1 and len(y.shape) == 1:
        return (x * y).sum(None, False)
    if len(y.shape) == 1:
        return x.matmul(y.reshape((*y.shape, 1))).reshape(x.shape[:-1])
    return x.reshape((1, *x.shape)).matmul(y).reshape(y.shape[1:])


def _scaled(x: Value, factor: Any) -> Value:
    return x if factor == 1 else x * factor


@lowers("addmm", "baddbmm")
@widened
def _addmm(c: Value, x: Value, y: Value, beta: Any, alpha: Any) -> Value:
    _floats(x, y)
    product = _scaled(x.matmul(y), alpha)
    return product if beta == 0 else _scaled(c, beta) + product


@lowers("addmv")
@widened
def _addmv(c: Value, x: Value, y: Value, beta: Any, alpha: Any) -> Value:
    product = _scaled(_vector(x, y), alpha)
    return product if beta == 0 else _scaled(c, beta) + product


@lowers("linear")
def _linear(bias: Value | None, x: Value, w: Value) -> Value:
    dtype = x.dtype
    if dtype.itemsize == 2:
        x, w = x.cast(F32), w.cast(F32)
        bias = None if bias is None else bias.cast(F32)
    _floats(x, w)
    flat = (
        x.reshape((x.node.size // x.shape[-1] if x.shape[-1] else 0, x.shape[-1])) if len(x.shape) != 2 else x
    )
    require(x.shape[-1])
    product = flat.matmul(w.transpose())
    if bias is not None:
        product = product + bias
    return product.reshape((*x.shape[:-1], w.shape[0])).cast(dtype)
