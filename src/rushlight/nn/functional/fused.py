"""The composites that run as one kernel each way where they are large: the same functions otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...autograd.fused import fused
from ...core.tensor import Tensor
from ...ops.activations import gelu as _gelu, hardswish as _hardswish, mish as _mish, silu as _silu
from .attention import scaled_dot_product_attention as _attention
from .normalization import rms_norm as _rms_norm

gelu: Callable[..., Tensor] = fused(_gelu, name="gelu", from_size=4_096)
rms_norm: Callable[..., Tensor] = fused(_rms_norm, name="fused_rms_norm", from_size=4_096)


def _or_in_place(function: Any, name: str) -> Callable[..., Tensor]:
    import functools

    large = fused(function, name=name, from_size=8_192)

    @functools.wraps(function)
    def activation(input: Tensor, inplace: bool = False) -> Tensor:
        return function(input, True) if inplace else large(input)  # type: ignore[no-any-return]

    return activation


silu = _or_in_place(_silu, "silu")
mish = _or_in_place(_mish, "mish")
hardswish = _or_in_place(_hardswish, "hardswish")


_large_attention: Callable[..., Tensor] = fused(
    _attention, name="scaled_dot_product_attention", from_size=16_384
)


def _wrap_attention() -> Callable[..., Tensor]:
    import functools

    @functools.wraps(_attention)
    def scaled_dot_product_attention(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        function = (
            _large_attention if dropout_p == 0 else _attention
        )  # a fused formula draws no random numbers
        return function(query, key, value, attn_mask, dropout_p, *args, **kwargs)

    return scaled_dot_product_attention


scaled_dot_product_attention = _wrap_attention()
