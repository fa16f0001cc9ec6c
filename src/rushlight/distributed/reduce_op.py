"""How values of several ranks become one."""

from __future__ import annotations

from enum import Enum
from typing import Any


class ReduceOp(Enum):
    """The reduction that a collective applies.

    ``AVG`` divides the sum by the number of ranks (integers: rounded toward zero). ``BAND``, ``BOR`` and ``BXOR`` take
    integers and bools. Complex tensors take ``SUM`` and ``AVG`` alone.

    Example:
        >>> from rushlight.distributed import ReduceOp
        >>> ReduceOp.SUM.name
        'SUM'
    """

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7
    PREMUL_SUM = 8


ReduceOp.RedOpType = ReduceOp  # type: ignore[attr-defined]  # PyTorch's name for the class of the members


class PremultipliedSum:
    """A sum of the ranks' tensors, each first multiplied by ``factor`` (a number or a tensor that broadcasts)."""

    name = "PREMUL_SUM"

    def __init__(self, factor: Any) -> None:
        self.factor = factor


Reduction = ReduceOp | PremultipliedSum


def premul_sum(factor: Any) -> PremultipliedSum:
    """The reduction that multiplies by ``factor``, then sums.

    Example:
        >>> premul_sum(0.5).factor
        0.5
    """
    return PremultipliedSum(factor)


def check_reduction(operation: str, op: Any, *, complex_input: bool) -> Reduction:
    """``op`` if it is a reduction that ``operation`` can apply; raises ``ValueError`` or ``TypeError``."""
    if not isinstance(op, ReduceOp | PremultipliedSum):
        raise TypeError(f"{operation}: got {op!r} as op; give one of torch.distributed.ReduceOp")
    if op is ReduceOp.PREMUL_SUM:
        raise ValueError(
            f"{operation}: PREMUL_SUM needs its factor; make it with torch.distributed._make_nccl_premul_sum(factor)"
        )
    if complex_input and op not in (ReduceOp.SUM, ReduceOp.AVG):
        raise ValueError(f"{operation} does not support ReduceOp.{op.name} on complex tensors")
    return op
