"""Losses that ask for a margin: between classes, between a pair, or between a triplet's distances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.arguments import check_tensor as check_tensor_argument
from ...core.device import on_host
from ...core.dtypes import FLOATS, I64
from ...core.history import known_as
from ...core.tensor import Tensor
from ...ops.activations import logsigmoid, softplus
from ...ops.bounds import clamp_min, minimum
from ...ops.comparison import eq, gt, ne, where
from ...ops.dispatch import not_implemented, type_name
from ...ops.distances import pairwise_distance
from ...ops.indexing import index_select
from ...ops.movement import reshape, unsqueeze
from ...ops.placement import tensor_beside
from ...ops.pointwise import add, div, mul, neg, sub
from ...ops.powers import sqrt, square
from ...ops.reductions import sum as sum_of
from ...ops.scattering import gather
from ...runtime.batched import each, whole
from .loss_reduction import check_reduction, chosen_reduction, reduced, refuse_gradient

_EPSILON = 1e-12  # under the root of a squared length, as in PyTorch


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, -target * (input1 - input2) + margin)``: target 1 says that the first should be greater, -1 the second.

    Raises ``RuntimeError`` unless all three have as many dimensions.

    Example:
        >>> import rushlight as torch
        >>> one = torch.tensor([1.0])
        >>> torch.nn.functional.margin_ranking_loss(one, one * 3, one)
        tensor(2.)
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    if not input1._array.ndim == input2._array.ndim == target._array.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    return reduced(clamp_min(add(mul(neg(target), sub(input1, input2)), margin), 0), reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``input`` where the target is 1 and ``max(0, margin - input)`` where it is -1."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    apart = where(eq(target, 1), 0.0, clamp_min(sub(margin, input), 0))
    together = where(eq(target, -1), 0.0, input)
    return reduced(add(apart, together), reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``log(1 + exp(-target * input))`` for targets 1 and -1."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    return known_as(
        reduced(softplus(mul(neg(target), input), 1.0, float("inf")), reduction), "SoftMarginLossBackward0"
    )


def _rows_of_classes(input: Tensor) -> tuple[Tensor, int, int]:
    shape = input._array.shape
    if len(shape) > 2 or (len(shape) == 2 and not shape[1]) or shape == (0,):
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(shape)}"
        )
    rows = shape[0] if len(shape) == 2 else 1
    classes = shape[-1] if shape else 1
    return reshape(input, (rows, classes)), rows, classes


def _positive_part(margins: Tensor) -> Tensor:
    """What is above 0: nan is not, and at 0 there is no slope."""
    return where(gt(margins, 0), margins, 0.0)  # type: ignore[no-any-return]


def _marked(labels: Any, dtype: Any) -> tuple[Any, Any]:
    """Which of each row's labels count, those before the first -1, and for each class whether it is one of them."""
    listed = np.logical_and.accumulate(labels >= 0, axis=1)
    is_target = np.zeros(labels.shape, dtype)
    row, place = np.nonzero(listed)
    is_target[row, labels[row, place]] = 1
    return listed, is_target


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The margins by which a row's target classes exceed the others: ``max(0, 1 - (input[y] - input[i])) / C``, summed.

    ``target`` (int64, the input's shape) lists the target classes of each row up to the first -1.
    Raises ``RuntimeError`` for a target that is no class.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    scores, rows, classes = _rows_of_classes(input)
    if target._array.shape != input._array.shape:
        raise RuntimeError(
            f"inconsistent target size: {list(target._array.shape)} for input of size: {list(input._array.shape)}"
        )
    if target._array.dtype != I64:
        raise RuntimeError(f"expected scalar type Long but found {type_name(target._array.dtype)}")
    if input._array.dtype not in FLOATS:
        raise not_implemented("multilabel_margin_loss_forward_out_frame", input._array.dtype)
    every = whole(target._array)
    if every.size and (every.min() < -1 or every.max() >= classes):
        raise RuntimeError("argument #2 'target' is out of range")
    labels = on_host(target._array).reshape(rows, classes)
    mark: Any = _marked if type(labels) is np.ndarray else (lambda *args: each(_marked, args, {}))
    listed, is_target = mark(labels, input._array.dtype)
    chosen = gather(scores, 1, tensor_beside(scores, np.where(listed, labels, 0)))
    # (rows, targets, classes): every listed target against every class that is none.
    margins = _positive_part(add(sub(1.0, unsqueeze(chosen, 2)), unsqueeze(scores, 1)))
    counted = listed[:, :, None] & (is_target == 0)[:, None, :]
    losses = div(sum_of(where(tensor_beside(margins, counted), margins, 0.0), (1, 2)), classes)
    return reduced(losses if input._array.ndim == 2 else reshape(losses, ()), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over classes (last dimension) of the binary cross-entropies of logits ``input`` and targets 0 and 1."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    losses = neg(add(mul(target, logsigmoid(input)), mul(sub(1, target), logsigmoid(neg(input)))))
    if weight is not None:
        losses = mul(losses, weight)
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not valid")
    dim = input._array.ndim - 1
    return reduced(div(sum_of(losses, dim), input._array.shape[dim]), reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, margin - input[y] + input[i])**p`` summed over the classes but the target ``y``, over their number.

    ``weight`` (C) multiplies the terms of a target class before the power. ``p`` is 1 or 2 (``ValueError`` otherwise).
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight._array.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    if not isinstance(margin, int | float):
        raise TypeError(
            f"multi_margin_loss(): argument 'margin' (position 4) must be Number, not {type(margin).__name__}"
        )
    scores, rows, classes = _rows_of_classes(input)
    shape = target._array.shape
    if len(shape) > 1 or target._array.size != rows:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch size). "
            f"Expected target size [{rows}], but got {list(shape)}. Input has shape {list(input._array.shape)}."
        )
    if target._array.dtype != I64:
        raise RuntimeError(f"expected scalar type Long but found {type_name(target._array.dtype)}")
    if input._array.dtype not in FLOATS:
        raise not_implemented("multi_margin_loss", input._array.dtype)
    refuse_gradient("multi_margin_loss", "weight", weight)
    labels = target._array.reshape(rows)
    every = whole(labels)
    if labels.size and (every.min() < 0 or every.max() >= classes):
        raise RuntimeError("target out of range")
    at_target = reshape(target, (rows, 1))
    margins = _positive_part(add(sub(margin, gather(scores, 1, at_target)), scores))
    if p == 2:
        margins = square(margins)
    if weight is not None:
        if weight._array.shape != (classes,):
            raise RuntimeError(
                f"inconsistent weight size, expected {classes} but got {list(weight._array.shape)}"
            )
        margins = mul(margins, unsqueeze(index_select(weight, 0, reshape(target, (rows,))), 1))
    others = ne(tensor_beside(at_target, np.arange(classes)), at_target)
    losses = div(sum_of(where(others, margins, 0.0), 1), classes)
    return known_as(
        reduced(reshape(losses, shape) if reduction == "none" else losses, reduction),
        "MultiMarginLossBackward0",
    )


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``1 - cos`` of two vectors where the target is 1 and ``max(0, cos - margin)`` where it is -1.

    Takes ``(N, D)`` with targets ``(N)``, or ``(D)`` with a 0-dim target.
    """
    check_tensor_argument("cosine_embedding_loss", "input1", input1)
    check_tensor_argument("cosine_embedding_loss", "input2", input2)
    check_tensor_argument("cosine_embedding_loss", "target", target)
    reduction = chosen_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    ndim = target._array.ndim
    if ndim > 1 or not input1._array.ndim == input2._array.ndim == ndim + 1:
        if ndim > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        raise RuntimeError(
            f"{ndim}D target tensor expects {ndim + 1}D input tensors, but found inputs with sizes "
            f"{list(input1._array.shape)} and {list(input2._array.shape)}."
        )
    product = sum_of(mul(input1, input2), ndim)
    lengths = mul(
        add(sum_of(square(input1), ndim), _EPSILON),
        add(sum_of(square(input2), ndim), _EPSILON),
    )
    cosines = div(product, sqrt(lengths))
    together = where(eq(target, 1), sub(1.0, cosines), 0.0)
    apart = where(eq(target, -1), clamp_min(sub(cosines, margin), 0), 0.0)
    return reduced(add(together, apart), reduction)


def _check_triplet(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float) -> None:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    a, p, n = anchor._array.ndim, positive._array.ndim, negative._array.ndim
    if not a == p == n:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {a}D, positive {p}D, and negative {n}D inputs"
        )


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, d(anchor, positive) - d(anchor, negative) + margin)`` with the distances ``pairwise_distance``.

    With ``swap`` the distance of the positive from the negative counts where it is smaller.
    Balntas et al., "Learning shallow convolutional feature descriptors with triplet losses", 2016.
    """
    check_tensor_argument("triplet_margin_loss", "anchor", anchor)
    check_tensor_argument("triplet_margin_loss", "positive", positive)
    check_tensor_argument("triplet_margin_loss", "negative", negative)
    reduction = chosen_reduction(size_average, reduce, reduction)
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=lambda x, y: pairwise_distance(x, y, p, eps),
        margin=margin,
        swap=swap,
        reduction=reduction,
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """``triplet_margin_loss`` with any distance of two tensors; ``pairwise_distance`` unless given."""
    check_reduction(reduction)
    _check_triplet(anchor, positive, negative, margin)
    distance = pairwise_distance if distance_function is None else distance_function
    near = distance(anchor, positive)
    far = distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced(clamp_min(add(sub(near, far), margin), 0), reduction)
