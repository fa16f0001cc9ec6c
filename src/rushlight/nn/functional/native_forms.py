"""Functions of ``nn.functional`` under the signatures that they have in ``torch`` itself: arguments in another order, and
a reduction as a number (0 none, which is the default as in PyTorch, 1 mean, 2 sum)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.tensor import Tensor, make_tensor
from ...ops.distances import norm
from . import ctc, loss, margin_loss, normalization, sparse
from .loss_reduction import reduced

_REDUCTIONS = ("none", "mean", "sum")
_BAG_MODES = ("sum", "mean", "max")


def _reduction(number: int) -> str:
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"reduction must be int (0 none, 1 mean, 2 sum), not {type(number).__name__}")
    if not 0 <= number <= 2:
        raise ValueError(f"{number} is not a valid value for reduction; allowed are 0 none, 1 mean, 2 sum")
    return _REDUCTIONS[number]


def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Tensor:
    """``nn.functional.batch_norm`` with its arguments in this order; ``cudnn_enabled`` is accepted.

    Example:
        >>> import rushlight as torch
        >>> torch.batch_norm(torch.tensor([[1.0], [3.0]]), None, None, None, None, True, 0.1, 1e-12, False)
        tensor([[-1.],
                [ 1.]])
    """
    return normalization.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Tensor:
    """``nn.functional.instance_norm`` with its arguments in this order; ``cudnn_enabled`` is accepted."""
    return normalization.instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


def embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse_: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``nn.functional.embedding_bag`` with ``mode`` 0 sum, 1 mean, 2 max: (bags, bag of each index, sizes, empty).

    Of PyTorch's four results the first is what programs use; the last, for max, is empty here.
    """
    if mode not in (0, 1, 2):
        raise ValueError(f"embedding_bag: mode {mode}; allowed are 0 sum, 1 mean, 2 max")
    result = sparse.embedding_bag(
        indices, weight, offsets, None, 2.0, scale_grad_by_freq, _BAG_MODES[mode], sparse_,
        per_sample_weights, include_last_offset, padding_idx,
    )  # fmt: skip
    starts = offsets._array[:-1] if include_last_offset else offsets._array
    sizes = np.diff(np.append(starts, indices._array.size)).astype(np.int64)
    bag_of = np.repeat(np.arange(sizes.size), sizes)
    return result, make_tensor(bag_of), make_tensor(sizes), make_tensor(np.zeros(0, np.int64))


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 0,
    zero_infinity: bool = False,
) -> Tensor:
    """``nn.functional.ctc_loss`` with the reduction as a number."""
    return ctc.ctc_loss(
        log_probs, targets, input_lengths, target_lengths, blank, _reduction(reduction), zero_infinity
    )


def kl_div(input: Tensor, target: Tensor, reduction: int = 0, *, log_target: bool = False) -> Tensor:
    """``nn.functional.kl_div`` with the reduction as a number.

    Example:
        >>> import rushlight as torch
        >>> torch.kl_div(torch.zeros(2), torch.ones(2), 2)
        tensor(0.)
    """
    # Without the warning that nn.functional's has for "mean".
    losses = loss.kl_div(input, target, reduction="none", log_target=log_target)
    return reduced(losses, _reduction(reduction))


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: int = 0,
) -> Tensor:
    """``nn.functional.binary_cross_entropy_with_logits`` with the reduction as a number."""
    return loss.binary_cross_entropy_with_logits(
        input, target, weight, reduction=_reduction(reduction), pos_weight=pos_weight
    )


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int
) -> Tensor:
    """``nn.functional.poisson_nll_loss`` with the reduction as a number."""
    return loss.poisson_nll_loss(input, target, log_input, full, eps=eps, reduction=_reduction(reduction))


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """``nn.functional.cosine_embedding_loss`` with the reduction as a number."""
    return margin_loss.cosine_embedding_loss(input1, input2, target, margin, reduction=_reduction(reduction))


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 0) -> Tensor:
    """``nn.functional.hinge_embedding_loss`` with the reduction as a number."""
    return margin_loss.hinge_embedding_loss(input, target, margin, reduction=_reduction(reduction))


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """``nn.functional.margin_ranking_loss`` with the reduction as a number."""
    return margin_loss.margin_ranking_loss(input1, input2, target, margin, reduction=_reduction(reduction))


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-06,
    swap: bool = False,
    reduction: int = 0,
) -> Tensor:
    """``nn.functional.triplet_margin_loss`` with the reduction as a number."""
    return margin_loss.triplet_margin_loss(
        anchor, positive, negative, margin, p, eps, swap, reduction=_reduction(reduction)
    )


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The ``pow``-norm over all dimensions but ``dim``, which keeps its place; over all of them for ``dim`` -1.

    Example:
        >>> import rushlight as torch
        >>> torch.norm_except_dim(torch.tensor([[3.0, 4.0], [0.0, 2.0]]))
        tensor([[5.],
                [2.]])
    """
    if dim == -1:
        return norm(v, pow)
    return norm(v, pow, [d for d in range(v.ndim) if d != dim % v.ndim], keepdim=True)


def frobenius_norm(input: Tensor, dim: int | Sequence[int] = (), keepdim: bool = False) -> Tensor:
    """The square root of the sum of squares over ``dim`` (all dimensions if empty)."""
    dims = [dim] if isinstance(dim, int) else list(dim)
    return norm(input, 2, dims or None, keepdim)


def nuclear_norm(input: Tensor, dim: Sequence[int] = (0, 1), keepdim: bool = False) -> Tensor:
    """The sum of a matrix's singular values."""
    return norm(input, "nuc", list(dim), keepdim)
