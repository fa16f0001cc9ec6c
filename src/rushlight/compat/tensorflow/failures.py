"""Exceptions of Rushlight's operations in TensorFlow's words, with the graph operation that they came from."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import rushlight as rl

from . import errors
from .graph import Operation

_BROADCASTS = frozenset(
    (
        "Add", "Sub", "Mul", "RealDiv", "Div", "FloorDiv", "FloorMod", "TruncateDiv", "TruncateMod", "Pow", "Maximum",
        "Minimum", "SquaredDifference", "Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual", "LogicalAnd",
        "LogicalOr", "LogicalXor", "Atan2", "DivNoNan",
    )
)  # fmt: skip


def translated(error: Exception, file: str, ops: dict[int, Operation]) -> Exception:
    """The ``OpError`` for an exception raised in a step, whose lines belong to ``ops``.

    Failures that are no matter of the values, and those of other kinds than Rushlight's operations raise, come back as
    they are.
    """
    op, frame = _where(error.__traceback__, file, ops)
    if op is None or not isinstance(
        error, RuntimeError | ValueError | IndexError | TypeError | ZeroDivisionError
    ):
        return error
    text = _worded(op, error, frame)
    return errors.InvalidArgumentError(
        None, op, f"{text}\n\t [[node {op.name} (defined at {op.defined_at}) ]]"
    )


def _where(
    trace: TracebackType | None, file: str, ops: dict[int, Operation]
) -> tuple[Operation | None, dict[str, Any]]:
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            return ops.get(trace.tb_lineno), trace.tb_next.tb_frame.f_locals if trace.tb_next else {}
        trace = trace.tb_next
    return None, {}


def _worded(op: Operation, error: Exception, frame: dict[str, Any]) -> str:
    shapes = [list(value.shape) for value in frame.values() if isinstance(value, rl.Tensor)][:2]
    if len(shapes) == 2 and op.type in _BROADCASTS and not _fit(*shapes):
        return f"Incompatible shapes: {_text(shapes[0])} vs. {_text(shapes[1])}"
    return f"{op.type}: {error}"


def _fit(a: list[int], b: list[int]) -> bool:
    return all(x == y or 1 in (x, y) for x, y in zip(reversed(a), reversed(b), strict=False))


def _text(shape: list[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
