"""The composites that run as one kernel each way where they are large: the same functions otherwise."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...autograd.fused import fused
from ...core.device import RECORDED
from ...core.history import known_as
from ...core.tensor import Tensor
from ...ops.activations import (
    celu as _celu,
    elu as _elu,
    gelu as _gelu,
    glu as _glu,
    hardshrink as _hardshrink,
    hardsigmoid as _hardsigmoid,
    hardswish as _hardswish,
    leaky_relu as _leaky_relu,
    logsigmoid as _logsigmoid,
    mish as _mish,
    prelu as _prelu,
    selu as _selu,
    silu as _silu,
    softshrink as _softshrink,
)
from ...ops.batching import ACTIVE as BATCHES
from ...ops.movement import contiguous, permute
from ...runtime.pending import Pending
from .attention import CHOSEN, ONE_KERNEL, check_choice, scaled_dot_product_attention as _attention
from .distance import cosine_similarity as _cosine_similarity
from .loss import huber_loss as _huber_loss, smooth_l1_loss as _smooth_l1_loss
from .normalization import group_norm as _group_norm, layer_norm as _layer_norm, rms_norm as _rms_norm

ndarray = np.ndarray
_LARGE = 8_192

gelu: Callable[..., Tensor] = fused(_gelu, name="gelu", from_size=4_096)
rms_norm: Callable[..., Tensor] = fused(_rms_norm, name="fused_rms_norm", from_size=4_096)
layer_norm: Callable[..., Tensor] = fused(_layer_norm, name="native_layer_norm", from_size=8_192)
group_norm: Callable[..., Tensor] = fused(_group_norm, name="native_group_norm", from_size=8_192)
prelu: Callable[..., Tensor] = fused(_prelu, name="prelu_kernel", from_size=8_192)
glu: Callable[..., Tensor] = fused(_glu, name="glu", from_size=8_192)
logsigmoid: Callable[..., Tensor] = fused(_logsigmoid, name="log_sigmoid", from_size=8_192)
cosine_similarity: Callable[..., Tensor] = fused(
    _cosine_similarity, name="cosine_similarity", from_size=8_192
)
smooth_l1_loss: Callable[..., Tensor] = fused(_smooth_l1_loss, name="smooth_l1_loss", from_size=8_192)
huber_loss: Callable[..., Tensor] = fused(_huber_loss, name="huber_loss", from_size=8_192)


def _or_in_place(function: Any, name: str, place: int = 1) -> Callable[..., Tensor]:
    """``function`` with large calls compiled, but for those in place; ``place``: where ``inplace`` is among the arguments."""
    large = fused(function, name=name, from_size=_LARGE)

    @functools.wraps(function)
    def activation(*args: Any, **kwargs: Any) -> Tensor:
        first = args[0] if args else None
        if type(first) is Tensor and type(first._array) is ndarray and first._array.size < _LARGE:
            return function(*args, **kwargs)  # type: ignore[no-any-return]
        in_place = kwargs.get("inplace") or (len(args) > place and args[place])
        return (function if in_place else large)(*args, **kwargs)  # type: ignore[no-any-return]

    return activation


def _or_out(function: Any, name: str) -> Callable[..., Tensor]:
    """``function`` with large calls compiled, but for those with ``out``."""
    large = fused(function, name=name, from_size=8_192)

    @functools.wraps(function)
    def activation(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
        if out is None:
            return large(*args, **kwargs)  # type: ignore[no-any-return]
        return function(*args, out=out, **kwargs)  # type: ignore[no-any-return]

    return activation


softshrink = _or_out(_softshrink, "softshrink")
hardshrink = _or_out(_hardshrink, "hardshrink")
silu = _or_in_place(_silu, "silu")
mish = _or_in_place(_mish, "mish")
hardswish = _or_in_place(_hardswish, "hardswish")
hardsigmoid = _or_in_place(_hardsigmoid, "hardsigmoid")
selu = _or_in_place(_selu, "elu")
elu = _or_in_place(_elu, "elu", 2)
celu = _or_in_place(_celu, "elu", 2)
leaky_relu = _or_in_place(_leaky_relu, "leaky_relu", 2)


_large_attention: Callable[..., Tensor] = fused(
    _attention, name="scaled_dot_product_attention", from_size=16_384
)


def _wrap_attention() -> Callable[..., Tensor]:
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
        chosen = CHOSEN.get()
        if chosen is not None and query.device.type == "cpu":
            check_choice(chosen)
        function = (
            _large_attention if dropout_p == 0 else _attention
        )  # a fused formula draws no random numbers
        result = function(query, key, value, attn_mask, dropout_p, *args, **kwargs)
        if dropout_p or (chosen is not None and ONE_KERNEL not in chosen):
            return result
        return _as_one_kernel(result, query, key, value, attn_mask)

    return scaled_dot_product_attention


def _as_one_kernel(result: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """``result`` as PyTorch's fused kernel gives it, where that takes the operands: laid out in memory as ``query`` is.

    Programs count on it: ``heads.transpose(1, 2).view(...)`` after attention works for queries that were transposed so.
    """
    q = query._array
    if (
        q.ndim != 4
        or not q.size
        or result._array.shape != q.shape
        or BATCHES.get()
        or not (type(q) is ndarray or type(q) is Pending or type(q) in RECORDED)
        or (mask is not None and (mask.requires_grad or mask._array.ndim not in (2, 4)))
        or q.strides[-1] != q.itemsize
        or key._array.strides[-1] != key._array.itemsize
        or value._array.strides[-1] != value._array.itemsize
    ):
        return result
    if not q.flags.c_contiguous:
        strides = q.strides
        order = sorted([0, 1, 2], key=lambda dim: -strides[dim])
        if order != [0, 1, 2]:
            back = [order.index(dim) for dim in (0, 1, 2)]
            result = permute(contiguous(permute(result, (*order, 3))), (*back, 3))
    return known_as(result, "ScaledDotProductFlashAttentionForCpuBackward0")


scaled_dot_product_attention = _wrap_attention()

# Each says where it is found, not where its formula is: pickle looks a function up by that.
for _function in (
    gelu, layer_norm, group_norm, rms_norm, prelu, glu, logsigmoid, cosine_similarity, smooth_l1_loss, huber_loss, silu, mish,
    hardswish, hardsigmoid, selu, elu, celu, leaky_relu, softshrink, hardshrink, scaled_dot_product_attention,
):  # fmt: skip
    _function.__module__, _function.__qualname__ = __name__, _function.__name__
del _function
