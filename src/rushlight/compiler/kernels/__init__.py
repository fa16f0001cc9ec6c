"""Kernels that are written out: for records that are no pointwise operation, reduction or matrix product.

``calls_for`` is all that the planner needs; one file a family.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from ..launch import KernelCall
from . import (
    convolution,
    convolution_weights,
    indexing,
    pooling,
    recurrent,
    scans,
    sifted_convolution,
    sifted_convolution_weights,
)

Shapes = tuple[tuple[int, ...], ...]
Maker = Callable[[Shapes, Any, Shapes, dict[str, Any], Any], tuple[KernelCall, ...] | None]
SiftedMaker = Callable[
    [Shapes, Any, Shapes, dict[str, Any], tuple[float, ...]], tuple[KernelCall, ...] | None
]

MAKERS: Final[dict[str, Maker]] = {
    "convolution": convolution.forward,
    "convolution_input_gradient": convolution.input_gradient,
    "convolution_weight_gradient": convolution_weights.weight_gradient,
    "max_pool": pooling.max_pool,
    "max_pool_gradient": pooling.max_pool_gradient,
    "max_pool_gather": pooling.max_pool_gather,
    "adaptive_max_pool": pooling.adaptive_max_pool,
    "avg_pool": pooling.avg_pool,
    "avg_pool_gradient": pooling.avg_pool_gradient,
    "adaptive_avg_pool": pooling.adaptive_avg_pool,
    "adaptive_avg_pool_gradient": pooling.adaptive_avg_pool_gradient,
    "rnn_layer": recurrent.rnn,
    "rnn_layer_gradient": recurrent.rnn_gradient,
    "lstm_layer": recurrent.lstm,
    "lstm_layer_gradient": recurrent.lstm_gradient,
    "gru_layer": recurrent.gru,
    "gru_layer_gradient": recurrent.gru_gradient,
    "index": indexing.index,
    "index_put": indexing.index_put,
    "embedding": indexing.embedding,
    "embedding_dense_backward": indexing.embedding_gradient,
    "gather": indexing.gather,
    "scatter": indexing.scatter,
    "cumsum": scans.cumsum,
    "cumprod": scans.cumprod,
    "cummax": scans.cummax,
    "cummin": scans.cummin,
}
#: The same for operands of which much is zero: with the share of zeros in each.
SIFTED: Final[dict[str, SiftedMaker]] = {
    "convolution": sifted_convolution.forward,
    "convolution_input_gradient": sifted_convolution.input_gradient,
    "convolution_weight_gradient": sifted_convolution_weights.weight_gradient,
}


def calls_for(
    record_name: str,
    operand_shapes: Shapes,
    operand_dtypes: tuple[Any, ...],
    result_shapes: Shapes,
    parameters: dict[str, Any],
    literals: tuple[tuple[int, Any], ...] = (),
    zeros: Sequence[float] = (),
) -> tuple[KernelCall, ...] | None:
    """The launches that compute the record on contiguous arrays, in order; None where a host call must do it.

    ``operand_shapes`` and ``operand_dtypes`` are those of the operands that are arrays; ``literals`` are the others, as
    pairs of position and value. ``zeros``: about how much of each operand is zero, if it is known (a matter of speed alone).
    All calls of the answer share one list of workspaces.
    """
    if any(zeros):
        calls = calls_without_zeros(
            record_name, operand_shapes, operand_dtypes, result_shapes, parameters, zeros
        )
        if calls is not None:
            return calls
    maker = MAKERS.get(record_name)
    if maker is None:
        return None
    return maker(operand_shapes, operand_dtypes, result_shapes, parameters, literals)


def calls_without_zeros(
    record_name: str,
    operand_shapes: Shapes,
    operand_dtypes: tuple[Any, ...],
    result_shapes: Shapes,
    parameters: dict[str, Any],
    zeros: Sequence[float],
) -> tuple[KernelCall, ...] | None:
    """The launches that leave out operands' zeros; None where that is no gain, or there are none."""
    maker = SIFTED.get(record_name)
    if maker is None:
        return None
    return maker(operand_shapes, operand_dtypes, result_shapes, parameters, tuple(zeros))
