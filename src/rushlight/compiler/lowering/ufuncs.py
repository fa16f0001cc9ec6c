"""NumPy ufuncs that the recorder met on their own: operands of several dtypes, which NumPy brings to one."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.scalar import ScalarOp
from .builder import Value
from .table import TABLE, require

S = ScalarOp
_POINTWISE = {
    "subtract": S.SUB, "multiply": S.MUL, "divide": S.DIV, "negative": S.NEG, "absolute": S.ABS, "power": S.POW,
    "arcsin": S.ASIN, "arccos": S.ACOS, "arctan": S.ATAN, "arctan2": S.ATAN2, "arcsinh": S.ASINH, "arccosh": S.ACOSH,
    "arctanh": S.ATANH, "rint": S.ROUND, "equal": S.EQUAL, "not_equal": S.NOT_EQUAL, "less": S.LESS,
    "less_equal": S.LESS_EQUAL, "invert": S.NOT, "isnan": S.IS_NAN, "logical_not": S.NOT, "logical_and": S.AND,
    "logical_or": S.OR, "logical_xor": S.XOR,
}  # fmt: skip


def _kinds(op: ScalarOp, values: tuple[Value, ...]) -> Any:
    dtypes = [x.dtype for x in values]
    if op in (S.AND, S.OR, S.XOR, S.NOT):
        require(all(d.kind in "biu" for d in dtypes))
    if op in (S.DIV, S.POW, S.ASIN, S.ACOS, S.ATAN, S.ATAN2, S.ASINH, S.ACOSH, S.ATANH, S.IS_NAN, S.NEG):
        require(all(d.kind == "f" for d in dtypes))
    return dtypes[0] if len(dtypes) == 1 else np.result_type(*dtypes)


def _enter(name: str, op: ScalarOp) -> None:
    def lower(*values: Value) -> Value:
        dtype = _kinds(op, values)
        if name.startswith("logical_"):
            require(dtype.kind == "b")
        first, *rest = [x.cast(dtype) for x in values]
        return first.map(op, *rest)

    TABLE[name] = lower


for _name, _op in _POINTWISE.items():
    _enter(_name, _op)


def _greater(op: ScalarOp) -> Any:
    def lower(x: Value, y: Value) -> Value:
        dtype = np.result_type(x.dtype, y.dtype)
        return y.cast(dtype).map(op, x.cast(dtype))

    return lower


TABLE["greater"] = _greater(S.LESS)
TABLE["greater_equal"] = _greater(S.LESS_EQUAL)


def _square(x: Value) -> Value:
    return x * x


TABLE["square"] = _square


def _matmul(x: Value, y: Value) -> Value:
    require(x.dtype == y.dtype and x.dtype.kind == "f" and len(x.shape) >= 2 and len(y.shape) >= 2)
    require(x.dtype.itemsize > 2)
    return x.matmul(y)


TABLE["matmul"] = _matmul
