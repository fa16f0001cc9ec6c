"""Kernels that are written out: for records that are no pointwise operation, reduction or matrix product.

``calls_for`` is all that the planner needs; one file a family.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..launch import KernelCall
from . import convolution

Shapes = tuple[tuple[int, ...], ...]
Maker = Callable[[Shapes, Any, Shapes, dict[str, Any], Any], tuple[KernelCall, ...] | None]

MAKERS: Final[dict[str, Maker]] = {
    "convolution": convolution.forward,
    "convolution_input_gradient": convolution.input_gradient,
}


def calls_for(
    record_name: str,
    operand_shapes: Shapes,
    operand_dtypes: tuple[Any, ...],
    result_shapes: Shapes,
    parameters: dict[str, Any],
    literals: tuple[tuple[int, Any], ...] = (),
) -> tuple[KernelCall, ...] | None:
    """The launches that compute the record on contiguous arrays, in order; None where a host call must do it.

    ``operand_shapes`` and ``operand_dtypes`` are those of the operands that are arrays; ``literals`` are the others, as
    pairs of position and value. All calls of the answer share one list of workspaces.
    """
    maker = MAKERS.get(record_name)
    if maker is None:
        return None
    return maker(operand_shapes, operand_dtypes, result_shapes, parameters, literals)
