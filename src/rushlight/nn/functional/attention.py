"""Scaled dot-product attention."""

from __future__ import annotations

import math
from contextvars import ContextVar
from typing import Final

import numpy as np

from ...core.dtypes import BOOL, F32, FLOATS
from ...core.tensor import Tensor
from ...ops.activations import softmax
from ...ops.comparison import where
from ...ops.dispatch import type_name
from ...ops.linalg import c_name, matmul, mT_of
from ...ops.movement import cast
from ...ops.placement import tensor_beside
from ...ops.pointwise import add, mul
from ...ops.rearranging import repeat_interleave
from .regularization import dropout
from .small_attention import small_attention

# What ``nn.attention.sdpa_kernel`` chose; None: nothing.
CHOSEN: Final[ContextVar[tuple[int, ...] | None]] = ContextVar("sdp_backends", default=None)
# Two of the numbers in it (``nn.attention.SDPBackend``): the formula, and the fused kernel that PyTorch has for the CPU.
FORMULA: Final = 0
ONE_KERNEL: Final = 1


def check_choice(chosen: tuple[int, ...]) -> None:
    """Raise unless PyTorch would find an implementation for the CPU among ``chosen``."""
    if FORMULA not in chosen and ONE_KERNEL not in chosen:
        raise RuntimeError(
            "No viable backend for scaled_dot_product_attention was found. This is likely due to turning off both the math "
            "kernel and the fused kernels."
        )


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``softmax(query @ key.mT * scale + mask) @ value``: (…, L, E), (…, S, E) and (…, S, V) to (…, L, V).

    ``scale`` is ``1 / sqrt(E)`` unless given. ``attn_mask``, broadcast to (…, L, S), is added, or if bool tells where to
    attend; a row that attends nowhere gives zeros. ``is_causal`` lets position i attend to 0 … i. ``dropout_p`` drops
    attention weights, whether training or not. With ``enable_gqa`` key and value may have fewer heads (dimension -3),
    each serving several of the query's. Raises ``RuntimeError`` for dtypes and shapes that do not go together.
    Vaswani et al., "Attention is all you need", 2017.

    Example:
        >>> import rushlight as torch
        >>> q, k, v = torch.zeros(1, 2, 4), torch.zeros(1, 3, 4), torch.tensor([[[1.0], [2.0], [6.0]]])
        >>> torch.nn.functional.scaled_dot_product_attention(q, k, v)
        tensor([[[3.],
                 [3.]]])
    """
    q, k, v = query._array, key._array, value._array
    if q.ndim < 2 or k.ndim < 2 or v.ndim < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{q.ndim} key.dim: {k.ndim} and value.dim: {v.ndim} instead."
        )
    if not q.dtype == k.dtype == v.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{c_name(q.dtype)} key.dtype: {c_name(k.dtype)} and value.dtype: {c_name(v.dtype)} instead."
        )
    if q.dtype not in FLOATS:
        raise RuntimeError(f"expected scalar type Float but found {type_name(q.dtype)}")
    if not 0.0 <= dropout_p <= 1.0:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout_p}")
    factor = 1.0 / math.sqrt(q.shape[-1] or 1) if scale is None else scale
    if attn_mask is None and dropout_p == 0 and not enable_gqa and q.ndim == 4:
        result = small_attention(query, key, value, is_causal, factor, _in_steps)
        if result is not None:
            return result
    if is_causal:
        attn_mask = causal_mask(query, key, attn_mask)
    if attn_mask is not None and attn_mask._array.dtype not in (BOOL, F32, q.dtype):
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{c_name(attn_mask._array.dtype)} and  query.dtype: {c_name(q.dtype)} instead."
        )
    if attn_mask is not None and attn_mask._array.dtype not in (BOOL, q.dtype):
        attn_mask = cast(attn_mask, q.dtype)  # float32 is taken with queries of any dtype
    if enable_gqa:
        key, value = for_each_head(query, key), for_each_head(query, value)
    return _composed(query, key, value, attn_mask, factor, dropout_p)


def _in_steps(query: Tensor, key: Tensor, value: Tensor, is_causal: bool, factor: float) -> Tensor:
    mask = causal_mask(query, key, None) if is_causal else None
    return _composed(query, key, value, mask, factor, 0.0)


def _composed(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None, factor: float, dropout_p: float
) -> Tensor:
    scores = matmul(mul(query, factor), mT_of(key))
    if attn_mask is None:
        weights = softmax(scores, -1)
    else:
        weights = _masked_softmax(scores, attn_mask)
    if dropout_p > 0:
        weights = dropout(weights, dropout_p)
    return matmul(weights, value)


def _masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    if mask._array.dtype == BOOL:
        scores = where(mask, scores, -math.inf)
    else:
        scores = add(scores, mask)
    nowhere = scores.detach().eq(-math.inf).all(-1, keepdim=True)
    # A row without any place to attend to would be nan, and so would its gradient.
    weights = softmax(where(nowhere, 0.0, scores), -1)
    return where(nowhere, 0.0, weights)  # type: ignore[no-any-return]


def causal_mask(query: Tensor, key: Tensor, attn_mask: Tensor | None) -> Tensor:
    """Where ``is_causal`` lets (…, L, E) attend to (…, S, E). Raises ``RuntimeError`` where there is another mask already."""
    if attn_mask is not None:
        raise RuntimeError(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
        )
    return tensor_beside(query, np.tri(query._array.shape[-2], key._array.shape[-2], dtype=np.bool_))


def for_each_head(query: Tensor, shared: Tensor) -> Tensor:
    """``shared``, whose heads (dimension -3) serve several of the query's each, once for every head of the query."""
    heads, groups = query._array.shape[-3], shared._array.shape[-3]
    if not groups or heads % groups:
        raise RuntimeError(
            f"Number of heads in key and value must divide the number of heads in query, got {groups} and {heads}"
        )
    return repeat_interleave(shared, heads // groups, -3) if groups != heads else shared
