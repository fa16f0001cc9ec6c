"""The Huber loss and the smooth L1 loss of tensors of one shape and dtype, as one operation.

With d the difference and c the same clipped to [-bound, bound], both are c·(d - c/2), times 1/bound for the smooth L1 loss:
half a square inside the bounds, linear outside of them. The slope is c, so that backward is one product.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ...core.dtypes import F32, F64
from ...core.grad_mode import GRAD_MODE
from ...core.history import Node
from ...core.numpy_clip import clip
from ...core.storage import program_site
from ...core.tensor import Tensor, make_tensor
from ...ops.comparison import lt, where
from ...ops.dispatch import compute
from ...ops.functions import abs as abs_of
from ...ops.pointwise import SUB, mul, neg

grad_enabled = GRAD_MODE.get
ndarray = np.ndarray
asarray = np.asarray
_HALF: Final = {F32: np.array(0.5, F32), F64: np.array(0.5, F64)}
_MOST: Final = 8_192  # elements: one dot product of BLAS adds them up on one thread


def _clipped(difference: Any, bound: float) -> Any:
    kind = difference.dtype
    return asarray(clip(difference, asarray(-bound, kind), asarray(bound, kind)))


def _forward(x: Any, y: Any, bound: float, factor: float, whole: bool) -> tuple[Any, Any]:
    """The losses times ``factor``, or their sum (``whole``), and the differences."""
    difference = asarray(x - y)
    inside = _clipped(difference, bound)
    rest = asarray(inside * _HALF[x.dtype])
    np.subtract(difference, rest, rest)
    losses = inside.reshape(-1).dot(rest.reshape(-1)) if whole else np.multiply(inside, rest, rest)
    return asarray(losses if factor == 1 else losses * asarray(factor, x.dtype)), difference


class _ClippedError:
    """What stands for one of the two losses in histories."""

    def __init__(self, name: str, grad_name: str) -> None:
        self.name, self.grad_name = name, grad_name

    @staticmethod
    def vjp(g: Tensor, node: Node) -> tuple[Tensor | None, Tensor | None]:
        (difference,) = node.unpack()
        bound = node.attrs["bound"]
        slope = make_tensor(_clipped(difference._array, bound))
        if grad_enabled():
            # The saved array is input - target: said here, where its history matters.
            difference = make_tensor(difference._array, Node(SUB, node.edges, difference._array))
            slope = where(lt(abs_of(difference), bound), difference, slope)
        gradient = mul(slope, mul(g, node.attrs["factor"]))
        edge_x, edge_y = node.edges
        return None if edge_x is None else gradient, None if edge_y is None else neg(gradient)


SMOOTH_L1: Final = _ClippedError("smooth_l1_loss", "SmoothL1LossBackward0")
HUBER: Final = _ClippedError("huber_loss", "HuberLossBackward0")


def clipped_error(
    record: _ClippedError, input: Tensor, target: Tensor, bound: Any, reduction: str
) -> Tensor | None:
    """The loss; None for what does not go this way: other dtypes and arrays, operands that broadcast, many elements."""
    x, y = input._array, target._array
    kind = x.dtype
    if (
        type(x) is not ndarray
        or type(y) is not ndarray
        or kind is not y.dtype
        or (kind is not F32 and kind is not F64)
        or x.shape != y.shape
        or not 0 < x.size <= _MOST
        or type(bound) not in (float, int)
        or not math.isfinite(bound)
        or reduction not in ("mean", "sum", "none")
    ):
        return None
    factor = 1.0 / bound if record is SMOOTH_L1 else 1.0
    if reduction == "mean":
        factor /= x.size
    array, difference = compute(_forward, (x, y, bound, factor, reduction != "none"), {})
    edges = (input._node, target._node)
    if (edges[0] is None and edges[1] is None) or not grad_enabled():
        return make_tensor(array)
    attrs = {"bound": bound, "factor": factor}
    return make_tensor(array, Node(record, edges, array, (make_tensor(difference),), attrs, program_site()))
