"""``linear_cross_entropy``: a linear layer and the cross-entropy of its outputs in one call."""

from __future__ import annotations

from typing import Any

from ...core.shapes import count
from ...core.tensor import Tensor
from ...ops.linear import linear
from ...ops.movement import reshape
from .cross_entropy import cross_entropy


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """``cross_entropy(linear(input, linear_weight, linear_bias), target)``.

    ``input`` (in_features) or (N, in_features); ``linear_weight`` (C, in_features), or (C, d1, …, in_features) for targets
    (N, d1, …). ``options`` says in PyTorch how the work is cut to save memory; here it changes nothing.

    Raises ``RuntimeError`` for an input of other dimensions.

    Example:
        >>> import rushlight as torch
        >>> x, w = torch.ones(2, 3), torch.zeros(4, 3)
        >>> torch.nn.functional.linear_cross_entropy(x, w, torch.tensor([0, 1]))
        tensor(1.3863)
    """
    if input._array.ndim not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input._array.ndim}")
    if input._array.ndim == 1 and linear_weight._array.ndim > 2:
        raise RuntimeError(
            f"K-dimensional loss defined by a linear_weight of {linear_weight._array.ndim} dimensions requires a batched "
            "input"
        )
    features = linear_weight._array.shape[-1]
    logits = linear(input, reshape(linear_weight, (count(linear_weight._array.shape[:-1]), features)))
    if linear_bias is not None:
        logits = logits + reshape(linear_bias, (-1,))
    lead, out = input._array.shape[:-1], linear_weight._array.shape[:-1]
    logits = reshape(logits, (*lead, *out))
    return cross_entropy(
        logits,
        target,
        weight=weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
