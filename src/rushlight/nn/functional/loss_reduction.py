"""What losses have in common: how the losses of the elements become one number, and the warnings on the way."""

from __future__ import annotations

import warnings
from typing import Any

from ...core.tensor import Tensor
from ...ops.pointwise import div, mul
from ...ops.reductions import mean, sum as sum_of

REDUCTIONS = ("mean", "sum", "none")


def chosen_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that the two old arguments stand for, with PyTorch's warning; ``reduction`` where they are None."""
    if size_average is None and reduce is None:
        return reduction
    averages = size_average is None or size_average
    meant = "none" if not (reduce is None or reduce) else "mean" if averages else "sum"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{meant}' instead.",
        stacklevel=3,
    )
    return meant


def check_reduction(reduction: str) -> None:
    """Raise ``ValueError`` for anything but ``"mean"``, ``"sum"`` and ``"none"``."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")


def check_weighted_reduction(reduction: str) -> None:
    """The same in the words of the losses with a ``weight``."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'.")


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """``losses`` as ``reduction`` says: their mean, their sum, or themselves."""
    if reduction == "mean":
        return mean(losses)
    if reduction == "sum":
        return sum_of(losses)
    check_reduction(reduction)
    return losses


def weighted(losses: Tensor, weight: Tensor, reduction: str) -> Tensor:
    """``losses`` times ``weight``; their mean is divided by the sum of the weights."""
    if weight._array.shape != losses._array.shape:
        raise ValueError("Weights and input must have the same size.")
    check_weighted_reduction(reduction)
    losses = mul(losses, weight)
    if reduction == "mean":
        return div(sum_of(losses), sum_of(weight))
    return reduced(losses, reduction)


def warn_of_shapes(input: Any, target: Any) -> None:
    """PyTorch's warning where input and target differ in shape."""
    if input._array.shape != target._array.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will likely lead "
            "to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=3,
        )


def refuse_gradient(name: str, argument: str, tensor: Tensor | None) -> None:
    """Raise ``RuntimeError`` if an argument without derivative requires a gradient."""
    if tensor is not None and tensor._node is not None:
        raise RuntimeError(
            f"The function '{name}' is not differentiable with respect to argument '{argument}'. This input cannot have "
            "requires_grad True."
        )
