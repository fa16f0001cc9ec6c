"""Functions of ``nn.functional`` under the signatures that they have in ``torch`` itself: arguments in another order, and
a reduction as a number (0 none, which is the default as in PyTorch, 1 mean, 2 sum)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core import dtypes
from ...core.tensor import Tensor, make_tensor
from ...ops import indexing
from ...ops.convolution import convolution as direct_convolution, convolution_transpose
from ...ops.creation import ones_like, zeros_like
from ...ops.distances import norm
from ...ops.pointwise import mul
from ...ops.random import dropout_noise
from . import ctc, loss, margin_loss, normalization
from .attention import causal_mask, for_each_head
from .loss_reduction import reduced
from .regularization import dropout
from .sparse import embedding_bag as embedding_of_bags, sparsely

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


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    """``nn.functional.layer_norm``; ``cudnn_enable`` is accepted."""
    return normalization.layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    """``nn.functional.group_norm``; ``cudnn_enabled`` is accepted."""
    return normalization.group_norm(input, num_groups, weight, bias, eps)


def embedding(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """``nn.functional.embedding`` with the table first; no row is padding where ``padding_idx`` is negative.

    Example:
        >>> import rushlight as torch
        >>> torch.embedding(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1]))
        tensor([[3., 4.]])
    """
    if sparse:
        return sparsely(weight, indices, padding_idx, scale_grad_by_freq)
    return indexing.embedding(weight, indices, padding_idx, scale_grad_by_freq)


def embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``nn.functional.embedding_bag`` with ``mode`` 0 sum, 1 mean, 2 max: (bags, bag of each index, sizes, empty).

    Of PyTorch's four results the first is what programs use; the last, for max, is empty here.
    """
    if mode not in (0, 1, 2):
        raise ValueError(f"embedding_bag: mode {mode}; allowed are 0 sum, 1 mean, 2 max")
    result = embedding_of_bags(
        indices, weight, offsets, None, 2.0, scale_grad_by_freq, _BAG_MODES[mode], sparse,
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


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Tensor:
    """A convolution or, if ``transposed``, a transposed one, over one, two or three dimensions by the rank of ``weight``.

    Example:
        >>> import rushlight as torch
        >>> x, w = torch.ones(1, 1, 4, 4), torch.ones(1, 1, 2, 2)
        >>> torch.convolution(x, w, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1).shape
        torch.Size([1, 1, 3, 3])
    """
    dims = weight.dim() - 2
    if transposed:
        return convolution_transpose(
            input, weight, bias, stride, padding, output_padding, groups, dilation, dims
        )
    return direct_convolution(input, weight, bias, stride, padding, dilation, groups, dims)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """The convolution of ``input`` (time, batch, channels) with ``weight`` (kernel, channels, outputs).

    Example:
        >>> import rushlight as torch
        >>> torch.conv_tbc(torch.ones(5, 2, 3), torch.ones(2, 3, 4), torch.zeros(4)).shape
        torch.Size([4, 2, 4])
    """
    if input.dim() != 3 or weight.dim() != 3:
        raise RuntimeError(
            "Input must have 3 dims: time, batch, in_channel; weight: kernel, in_channel, out_channel"
        )
    result = direct_convolution(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, 1, pad, 1, 1, 1)
    return result.permute(2, 0, 1)  # type: ignore[no-any-return]


def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """``dropout``, and the bool mask of the elements that it kept.

    Example:
        >>> import rushlight as torch
        >>> torch.native_dropout(torch.ones(2), 0.0, True)
        (tensor([1., 1.]), tensor([True, True]))
    """
    if train is False or not input.numel():
        return input.clone(), ones_like(input, dtype=dtypes.bool_)
    if p == 1:
        return input * 0, zeros_like(input, dtype=dtypes.bool_)
    noise = make_tensor(dropout_noise(input, p))
    return mul(input, noise), noise.ne(0)


def native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """``batch_norm``, and in training the mean of each channel and 1 / √(variance + eps) (else empty tensors).

    Example:
        >>> import rushlight as torch
        >>> y, mean, inverse = torch.native_batch_norm(torch.tensor([[1.0], [3.0]]), None, None, None, None, True, 0.1, 0.0)
        >>> mean, inverse
        (tensor([2.]), tensor([1.]))
    """
    result = normalization.batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps or 1e-30
    )
    if not training:
        return result, input.new_empty(0), input.new_empty(0)
    wide = input.detach().float() if input.element_size() == 2 else input.detach()
    dims = (0, *range(2, input.dim()))
    return result, wide.mean(dims), (wide.var(dims, unbiased=False) + eps).rsqrt()


def native_layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """``layer_norm``, and the mean and 1 / √(variance + eps) over the last dimensions, which are kept with extent 1.

    Example:
        >>> import rushlight as torch
        >>> torch.native_layer_norm(torch.tensor([[1.0, 3.0]]), [2], None, None, 0.0)[1:]
        (tensor([[2.]]), tensor([[1.]]))
    """
    result = normalization.layer_norm(input, list(normalized_shape), weight, bias, eps)
    dims = tuple(range(input.dim() - len(normalized_shape), input.dim()))
    values = input.detach()
    return (
        result,
        values.mean(dims, keepdim=True),
        (values.var(dims, unbiased=False, keepdim=True) + eps).rsqrt(),
    )


def native_group_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """``group_norm``, and the mean and 1 / √(variance + eps) of each sample's groups: (N, group) each.

    Example:
        >>> import rushlight as torch
        >>> torch.native_group_norm(torch.tensor([[1.0, 3.0]]), None, None, 1, 2, 1, 1, 0.0)[1:]
        (tensor([[2.]]), tensor([[1.]]))
    """
    result = normalization.group_norm(input, group, weight, bias, eps)
    values = input.detach().reshape(N, group, -1)
    return result, values.mean(2), (values.var(2, unbiased=False) + eps).rsqrt()


def batch_norm_update_stats(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, momentum: float
) -> tuple[Tensor, Tensor]:
    """Move the running statistics toward those of ``input``; gives its mean and its biased variance for each channel.

    Raises ``RuntimeError`` for an input without elements.

    Example:
        >>> import rushlight as torch
        >>> mean, variance = torch.zeros(1), torch.ones(1)
        >>> torch.batch_norm_update_stats(torch.tensor([[1.0], [3.0]]), mean, variance, 0.5)
        (tensor([2.]), tensor([1.]))
        >>> mean, variance
        (tensor([1.]), tensor([1.5000]))
    """
    if not input.numel():
        raise RuntimeError(
            f"input tensor must have at least one element, but got input_sizes = {list(input.shape)}"
        )
    values = input.detach()
    dims = (0, *range(2, input.dim()))
    mean, variance = values.mean(dims), values.var(dims, unbiased=False)
    size = input.numel() // input.shape[1]
    for running, observed in ((running_mean, mean), (running_var, variance * (size / max(size - 1, 1)))):
        if running is not None:
            running.mul_(1 - momentum).add_(observed, alpha=momentum)
    return mean, variance


def _fused_sdp_choice(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> int:
    """Which implementation of attention PyTorch takes on a CPU: 1, the fused one, or 0, the formula, where it drops weights."""
    return 0 if dropout_p else 1


def _masked_softmax(
    input: Tensor, mask: Tensor, dim: int | None = None, mask_type: int | None = None
) -> Tensor:
    """The softmax along ``dim`` (the last) of what the bool ``mask`` leaves: what is true there counts for nothing."""
    return input.masked_fill(mask, -math.inf).softmax(-1 if dim is None else dim)  # type: ignore[no-any-return]


def _scaled_dot_product_attention_math(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    dropout_mask: Tensor | None = None,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> tuple[Tensor, Tensor]:
    """Attention and its weights, by the formula: products, softmax, products."""
    if is_causal:
        attn_mask = causal_mask(query, key, attn_mask)
    if enable_gqa:
        key, value = for_each_head(query, key), for_each_head(query, value)
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    weights: Any = (query * factor) @ key.transpose(-2, -1)
    if attn_mask is not None:
        weights = (
            weights.masked_fill(attn_mask.logical_not(), -math.inf)
            if attn_mask.dtype is dtypes.bool_
            else weights + attn_mask
        )
    weights = weights.softmax(-1)
    if dropout_mask is not None:
        weights = weights.masked_fill(dropout_mask.logical_not(), 0.0) / (1 - dropout_p)
    elif dropout_p:
        weights = dropout(weights, dropout_p)
    return weights @ value, weights


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
