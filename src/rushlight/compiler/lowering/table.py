"""The table of lowered records, and what the functions in it share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.evaluate import is_low_precision
from ...ir.graph import Node, Shape
from .builder import F32, GraphBuilder, Value

# A function takes a record's arguments (values, numbers, None) and its parameters; it gives the results.
Lowering = Callable[..., Any]
TABLE: dict[str, Lowering] = {}
# Of records with complex operands or results (``complex_numbers.py``); the names of UNCHANGED are taken from TABLE.
COMPLEX_TABLE: dict[str, Lowering] = {}
UNCHANGED: set[str] = set()  # records that only move elements


class NotLowered(Exception):
    """This case of the record stays a CALL."""


def lowers(*names: str) -> Callable[[Lowering], Lowering]:
    """Enter a function in the table."""

    def enter(function: Lowering) -> Lowering:
        for name in names:
            if name in TABLE:
                raise AssertionError(f"{name} is lowered twice")
            TABLE[name] = function
        return function

    return enter


def widened(function: Lowering) -> Lowering:
    """A formula for float16 and bfloat16 computed in float32 and rounded once."""

    def computed(*arguments: Any, **parameters: Any) -> Any:
        first = next(x for x in arguments if isinstance(x, Value))
        dtype = first.dtype
        if not is_low_precision(dtype):
            return function(*arguments, **parameters)
        wide = [x.cast(F32) if isinstance(x, Value) and is_low_precision(x.dtype) else x for x in arguments]
        return function(*wide, **parameters).cast(dtype)

    return computed


def require(condition: Any) -> None:
    """Leave the record a CALL unless ``condition`` holds."""
    if not condition:
        raise NotLowered


def common(*operands: Any) -> list[Value]:
    """Operands of one dtype: numbers take that of the values; ``NotLowered`` where values' dtypes differ."""
    values = [x for x in operands if isinstance(x, Value)]
    require(values and all(x.dtype == values[0].dtype for x in values))
    return [values[0].like(x) for x in operands]


def axes_of(axis: Any, shape: Shape) -> tuple[int, ...]:
    """A reduction's ``axis`` parameter as sorted axes."""
    if axis is None:
        return tuple(range(len(shape)))
    if isinstance(axis, int):
        axis = (axis,)
    return tuple(sorted([a % len(shape) for a in axis])) if shape else ()


def lowered_call(b: GraphBuilder, node: Node, operands: list[int]) -> Any:
    """What a CALL becomes: the number of a node, a list of numbers where it has several results (None for one that is
    not an array), or None where it stays as it is."""
    record, literals, parameters = node.attrs
    arguments: list[Any] = [Value(b, number) for number in operands]
    table = TABLE
    if (not node.several and node.dtype.kind == "c") or any(v.dtype.kind == "c" for v in arguments):
        table = TABLE if record.name in UNCHANGED else COMPLEX_TABLE
    function = table.get(record.name)
    if function is None:
        return None
    for position, literal in literals:
        if isinstance(literal, np.ndarray):
            if literal.ndim:
                return None
            literal = b.const(literal, literal.dtype)
        arguments.insert(position, literal)
    try:
        given = dict(parameters)
        if getattr(function, "needs_record", False):
            given["record"] = record
        result = function(*arguments, **given)
    except NotLowered:
        return None
    if node.several:
        return [part.number for part in result] if isinstance(result, tuple) else None
    if isinstance(result, tuple):
        return None
    if result.shape != node.shape or result.dtype != node.dtype:
        return None
    return result.number
