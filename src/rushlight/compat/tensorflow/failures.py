"""Exceptions of Rushlight's operations in TensorFlow's words, with the graph operation that they came from."""

from __future__ import annotations

from types import FrameType, TracebackType

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
    op, frames = _where(error.__traceback__, file, ops)
    if op is None or not isinstance(
        error, RuntimeError | ValueError | IndexError | TypeError | ZeroDivisionError
    ):
        return error
    text = _worded(op, error, frames)
    return errors.InvalidArgumentError(
        None, op, f"{text}\n\t [[node {op.name} (defined at {op.defined_at}) ]]"
    )


def _where(
    trace: TracebackType | None, file: str, ops: dict[int, Operation]
) -> tuple[Operation | None, list[FrameType]]:
    """The operation whose line failed, and the frames that it called, outermost first."""
    while trace is not None and trace.tb_frame.f_code.co_filename != file:
        trace = trace.tb_next
    if trace is None:
        return None, []
    op, frames = ops.get(trace.tb_lineno), []
    while trace.tb_next is not None:
        trace = trace.tb_next
        frames.append(trace.tb_frame)
    return op, frames


def _worded(op: Operation, error: Exception, frames: list[FrameType]) -> str:
    if op.type in _BROADCASTS:
        # The operands are arguments of one of the calls, by name or gathered in a tuple: some operations have a short
        # way in front of the long one.
        for frame in frames:
            values = frame.f_locals.values()
            gathered = [part for value in values if type(value) is tuple for part in value]
            shapes = [list(each.shape) for each in (*values, *gathered) if isinstance(each, rl.Tensor)][:2]
            if len(shapes) == 2 and not _fit(*shapes):
                return f"Incompatible shapes: {_text(shapes[0])} vs. {_text(shapes[1])}"
    return f"{op.type}: {error}"


def _fit(a: list[int], b: list[int]) -> bool:
    return all(x == y or 1 in (x, y) for x, y in zip(reversed(a), reversed(b), strict=False))


def _text(shape: list[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
