"""Attention in several heads: what ``nn.MultiheadAttention`` computes."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ...core.tensor import Tensor
from ...ops.activations import softmax
from ...ops.creation import zeros, zeros_like
from ...ops.joining import cat
from ...ops.linalg import bmm
from ...ops.linear import linear
from ...ops.pointwise import add, mul
from .attention import scaled_dot_product_attention
from .padding import pad
from .regularization import dropout


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of ``query`` (L, N, E) on ``key`` (S, N, Ek) and ``value`` (S, N, Ev) in ``num_heads`` heads.

    Gives (L, N, E) and the attention weights: (N, L, S), of each head (N, heads, L, S) where they are not averaged, None
    where they are not needed. All may come without the batch dimension N. ``key_padding_mask`` (N, S) and ``attn_mask``
    (L, S) or (N·heads, L, S) are added to the scores, or if bool say where not to attend. Raises ``AssertionError`` or
    ``RuntimeError`` for shapes that do not go together.
    Vaswani et al., "Attention is all you need", 2017.
    """
    batched = _mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        # One tensor in several places stays one: it decides how the projections are taken.
        distinct = {id(t): t.unsqueeze(1) for t in (query, key, value)}
        query, key, value = (distinct[id(t)] for t in (query, key, value))
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    source = key.shape[0]
    key_padding_mask = _canonical_mask(
        key_padding_mask,
        "key_padding_mask",
        other_type=_none_or_dtype(attn_mask),
        other_name="attn_mask",
        target_type=query.dtype,
    )
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None  # the hint says it all
    else:
        attn_mask = _canonical_mask(
            attn_mask,
            "attn_mask",
            other_type=None,
            other_name="",
            target_type=query.dtype,
            check_other=False,
        )
        is_causal = is_causal and key_padding_mask is None
    if width != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    head_width = width // num_heads
    if head_width * num_heads != width:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(
                f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
            )
        biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
        q, k, v = _in_projection(query, key, value, q_proj_weight, k_proj_weight, v_proj_weight, *biases)
    else:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _in_projection_packed(query, key, value, in_proj_weight, in_proj_bias)
    if attn_mask is not None:
        attn_mask = _mask_of_heads(attn_mask, length, source, batch * num_heads)
    if bias_k is not None and bias_v is not None:
        if static_k is not None or static_v is not None:
            raise AssertionError("bias cannot be added to static key or value.")
        k = cat([k, bias_k.repeat(1, batch, 1)])
        v = cat([v, bias_v.repeat(1, batch, 1)])
        attn_mask, key_padding_mask = _one_more_column(attn_mask), _one_more_column(key_padding_mask)
    q = q.reshape(length, batch * num_heads, head_width).transpose(0, 1)
    k = _heads_of(k, static_k, "static_k", batch * num_heads, head_width)
    v = _heads_of(v, static_v, "static_v", batch * num_heads, head_width)
    if add_zero_attn:
        none = zeros((batch * num_heads, 1, head_width), dtype=k.dtype, device=k.device)
        k, v = cat([k, none], 1), cat([v, none], 1)
        attn_mask, key_padding_mask = _one_more_column(attn_mask), _one_more_column(key_padding_mask)
    source = k.shape[1]
    if key_padding_mask is not None:
        for dim, extent in enumerate((batch, source)):
            if key_padding_mask.shape[dim] != extent:
                raise AssertionError(
                    f"Expected key_padded_mask.shape[{dim}] to be {extent}, but got {key_padding_mask.shape[dim]}"
                )
        padded = (
            key_padding_mask.reshape(batch, 1, 1, source)
            .expand(-1, num_heads, -1, -1)
            .reshape(batch * num_heads, 1, source)
        )
        attn_mask = padded if attn_mask is None else add(attn_mask, padded)
    if not training:
        dropout_p = 0.0
    weights: Tensor | None = None
    if need_weights:
        scores = bmm(mul(q, math.sqrt(1.0 / head_width)), k.transpose(1, 2))
        if attn_mask is not None:
            scores = add(attn_mask, scores)
        weights = softmax(scores, -1)
        if dropout_p > 0.0:
            weights = dropout(weights, dropout_p)
        attended = bmm(weights, v).transpose(0, 1)
        weights = weights.reshape(batch, num_heads, length, source)
        if average_attn_weights:
            weights = weights.mean(1)
    else:
        if attn_mask is not None:
            attn_mask = (
                attn_mask.unsqueeze(0)
                if attn_mask.shape[0] == 1
                else attn_mask.reshape(batch, num_heads, -1, source)
            )
        attended = scaled_dot_product_attention(
            q.reshape(batch, num_heads, length, head_width),
            k.reshape(batch, num_heads, source, head_width),
            v.reshape(batch, num_heads, source, head_width),
            attn_mask,
            dropout_p,
            is_causal,
        ).permute(2, 0, 1, 3)
    projected = linear(attended.reshape(length * batch, width), out_proj_weight, out_proj_bias)
    result = projected.reshape(length, batch, projected.shape[1])
    if batched:
        return result, weights
    return result.squeeze(1), None if weights is None else weights.squeeze(0)


def _mha_shape_check(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    num_heads: int,
) -> bool:
    """Whether there is a batch dimension; ``AssertionError`` where the numbers of dimensions do not go together."""
    dims = query.dim()
    if dims not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {dims}-D query tensor"
        )
    kind = "batched (3-D)" if dims == 3 else "unbatched (2-D)"
    if key.dim() != dims or value.dim() != dims:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {dims}-D but found {key.dim()}-D and {value.dim()}-D "
            "tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != dims - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {dims - 1}-D but found "
            f"{key_padding_mask.dim()}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.dim() not in (2, 3):
            raise AssertionError(
                f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.dim()}-D tensor "
                "instead"
            )
        if dims == 2 and attn_mask.dim() == 3:
            expected = (num_heads, query.shape[0], key.shape[0])
            if attn_mask.shape != expected:
                raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}")
    return bool(dims == 3)


def _none_or_dtype(mask: Tensor | None) -> Any:
    return None if mask is None else mask.dtype


def _canonical_mask(
    mask: Tensor | None,
    mask_name: str,
    other_type: Any,
    other_name: str,
    target_type: Any,
    check_other: bool = True,
) -> Tensor | None:
    """``mask`` as something to add to the scores: -inf where a bool mask is true."""
    if mask is None:
        return None
    is_float = mask.dtype.is_floating_point
    if not is_float and str(mask.dtype) != "torch.bool":
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and mask.dtype != other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=3,
        )
    if is_float:
        return mask
    return zeros_like(mask, dtype=target_type).masked_fill_(mask, -math.inf)  # type: ignore[no-any-return]


def _mask_of_heads(mask: Tensor, length: int, source: int, heads: int) -> Tensor:
    if mask.dim() == 2:
        if mask.shape != (length, source):
            raise RuntimeError(
                f"The shape of the 2D attn_mask is {mask.shape}, but should be {(length, source)}."
            )
        return mask.unsqueeze(0)  # type: ignore[no-any-return]
    if mask.shape != (heads, length, source):
        raise RuntimeError(
            f"The shape of the 3D attn_mask is {mask.shape}, but should be {(heads, length, source)}."
        )
    return mask


def _one_more_column(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else pad(mask, (0, 1))


def _heads_of(projected: Tensor, given: Tensor | None, name: str, heads: int, width: int) -> Tensor:
    if given is None:
        return projected.reshape(projected.shape[0], heads, width).transpose(0, 1)  # type: ignore[no-any-return]
    for dim, extent in ((0, heads), (2, width)):
        if given.shape[dim] != extent:
            raise AssertionError(f"expecting {name}.size({dim}) of {extent}, but got {given.shape[dim]}")
    return given


def _in_projection_packed(
    query: Tensor, key: Tensor, value: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, ...]:
    width = query.shape[-1]
    if key is value:
        if query is key:
            return tuple(linear(query, weight, bias).chunk(3, -1))
        parts = [width, 2 * width]
        biases = (None, None) if bias is None else bias.split(parts)
        weights = weight.split(parts)
        both = linear(key, weights[1], biases[1])
        return (linear(query, weights[0], biases[0]), *both.chunk(2, -1))
    q_weight, k_weight, v_weight = weight.chunk(3)
    three = (None, None, None) if bias is None else bias.chunk(3)
    return _in_projection(query, key, value, q_weight, k_weight, v_weight, *three)


def _in_projection(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    q_weight: Any,
    k_weight: Any,
    v_weight: Any,
    q_bias: Tensor | None = None,
    k_bias: Tensor | None = None,
    v_bias: Tensor | None = None,
) -> tuple[Tensor, ...]:
    for name, weight in (("q", q_weight), ("k", k_weight), ("v", v_weight)):
        if weight is None:
            raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
    pairs = ((query, q_weight, q_bias), (key, k_weight, k_bias), (value, v_weight, v_bias))
    return tuple(linear(x, weight, b) for x, weight, b in pairs)
