"""Attention in several heads, as a layer."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..ops.creation import empty
from . import functional, init
from .linear import Linear
from .module import Module
from .parameter import Parameter


class NonDynamicallyQuantizableLinear(Linear):
    """``Linear`` under the name that the output projection of attention has when printed."""


class MultiheadAttention(Module):
    """Lets ``query`` attend to ``key`` and ``value`` in ``num_heads`` heads, each ``embed_dim / num_heads`` wide.

    A call takes ``query`` (L, N, E), ``key`` (S, N, kdim) and ``value`` (S, N, vdim) — with ``batch_first`` (N, L, E) and so
    on; without N for a single sample — and gives the result, shaped as ``query``, with the attention weights (N, L, S):
    of each head if not ``average_attn_weights``, None if not ``need_weights``. Masks are those of
    ``nn.functional.multi_head_attention_forward``. Raises ``ValueError`` or ``AssertionError`` for sizes that do not
    divide. Vaswani et al., "Attention is all you need", 2017.

    Example:
        >>> import rushlight as torch
        >>> attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)
        >>> x = torch.ones(3, 5, 8)
        >>> result, weights = attention(x, x, x)
        >>> result.shape, weights.shape
        (torch.Size([3, 5, 8]), torch.Size([3, 5, 5]))
    """

    __constants__ = ("batch_first",)
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads} "
                "instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")

        def parameter(*shape: int) -> Parameter:
            return Parameter(empty(shape, device=device, dtype=dtype))

        if self._qkv_same_embed_dim:
            self.in_proj_weight = parameter(3 * embed_dim, embed_dim)
            for name in ("q", "k", "v"):
                self.register_parameter(f"{name}_proj_weight", None)
        else:
            self.q_proj_weight = parameter(embed_dim, embed_dim)
            self.k_proj_weight = parameter(embed_dim, self.kdim)
            self.v_proj_weight = parameter(embed_dim, self.vdim)
            self.register_parameter("in_proj_weight", None)
        self.register_parameter("in_proj_bias", parameter(3 * embed_dim) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(
            embed_dim, embed_dim, bias=bias, device=device, dtype=dtype
        )
        if add_bias_kv:
            self.bias_k = parameter(1, 1, embed_dim)
            self.bias_v = parameter(1, 1, embed_dim)
        else:
            self.bias_k = self.bias_v = None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        names = ("in",) if self._qkv_same_embed_dim else ("q", "k", "v")
        for name in names:
            init.xavier_uniform_(getattr(self, f"{name}_proj_weight"))
        if self.in_proj_bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({"_qkv_same_embed_dim": True, **state})  # absent from very old checkpoints

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        turned = self.batch_first and query.dim() == 3
        if turned:
            # One tensor in several places stays one: it decides how the projections are taken.
            distinct = {id(t): t.transpose(0, 1) if t.dim() > 1 else t for t in (query, key, value)}
            query, key, value = (distinct[id(t)] for t in (query, key, value))
        result, weights = functional.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight if not self._qkv_same_embed_dim else None,
            k_proj_weight=self.k_proj_weight if not self._qkv_same_embed_dim else None,
            v_proj_weight=self.v_proj_weight if not self._qkv_same_embed_dim else None,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (result.transpose(0, 1) if turned else result), weights

    def merge_masks(
        self, attn_mask: Tensor | None, key_padding_mask: Tensor | None, query: Tensor
    ) -> tuple[Tensor | None, int | None]:
        """Both masks as one, and its kind: 0 for an attention mask, 1 for a padding mask, 2 for both merged."""
        merged, kind = (attn_mask, 0) if key_padding_mask is None else (key_padding_mask, 1)
        if attn_mask is None:
            return merged, kind if merged is not None else None
        batch, length = query.shape[:2]
        if attn_mask.dim() == 3:
            expanded = attn_mask.reshape(batch, -1, length, length)
        else:
            expanded = attn_mask.reshape(1, 1, length, length).expand(batch, self.num_heads, -1, -1)
        if key_padding_mask is not None:
            padded = key_padding_mask.reshape(batch, 1, 1, length).expand(-1, self.num_heads, -1, -1)
            expanded = expanded + padded
        return expanded, 2
