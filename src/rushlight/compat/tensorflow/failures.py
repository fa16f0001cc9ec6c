"""Exceptions of Rushlight's operations in TensorFlow's words, with the graph operation that they came from."""

from __future__ import annotations

from types import FrameType

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


def translated(error: Exception, file: str, source: str, ops: dict[int, Operation]) -> Exception:
    """The ``OpError`` for an exception raised in a step, made of ``source``, whose lines belong to ``ops``.

    Failures that are no matter of the values, and those of other kinds than Rushlight's operations raise, come back as
    they are.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != file:
        trace = trace.tb_next
    op = None if trace is None else ops.get(trace.tb_lineno)
    if (
        trace is None
        or op is None
        or not isinstance(error, RuntimeError | ValueError | IndexError | TypeError | ZeroDivisionError)
    ):
        return error
    text = f"{op.type}: {error}"
    if op.type in _BROADCASTS:
        shapes = _operand_shapes(source.splitlines()[trace.tb_lineno - 1], trace.tb_frame)
        if len(shapes) == 2 and not _fit(*shapes):
            text = f"Incompatible shapes: {_text(shapes[0])} vs. {_text(shapes[1])}"
    return errors.InvalidArgumentError(
        None, op, f"{text}\n\t [[node {op.name} (defined at {op.defined_at}) ]]"
    )


def _operand_shapes(line: str, frame: FrameType) -> list[list[int]]:
    """The shapes of the tensors that ``name = function(operand, operand)``, a line of a step, hands over."""
    operands = line.partition("(")[2].rstrip().removesuffix(")")
    values = eval(f"({operands},)", frame.f_globals, frame.f_locals)
    return [list(value.shape) for value in values if isinstance(value, rl.Tensor)]


def _fit(a: list[int], b: list[int]) -> bool:
    return all(x == y or 1 in (x, y) for x, y in zip(reversed(a), reversed(b), strict=False))


def _text(shape: list[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
