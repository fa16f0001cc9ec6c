"""Limits on values and on norms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl

from . import errors
from .conversion import convert_to_tensor
from .graph import Tensor, name_scope, node
from .ops_math import add_n, maximum, minimum, multiply, sqrt
from .ops_reduce import axes_argument, either, reduce_sum


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Tensor:
    """``t`` with what is below ``clip_value_min`` or above ``clip_value_max`` set to that."""
    with name_scope(name, "clip_by_value") as scope:
        value = convert_to_tensor(t)
        result: Tensor = maximum(minimum(value, clip_value_max), clip_value_min, name=scope)
        value.shape.assert_is_compatible_with(result.shape)
        return result


def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """``t`` scaled down, if need be, to have at most the Euclidean norm ``clip_norm`` (over ``axes``)."""
    value = convert_to_tensor(t)
    limit = convert_to_tensor(clip_norm, value.dtype)
    over = axes_argument(axes)

    def kernel(x: Any, most: Any) -> Any:
        total = (x * x).sum(over, keepdim=True) if over is not None else (x * x).sum()
        # The inner choice keeps the gradient of the square root away from 0.
        norm = rl.where(total > 0, rl.sqrt(rl.where(total > 0, total, rl.ones_like(total))), total)
        return x * most / rl.where(norm > most, norm, most)

    return node("ClipByNorm", kernel, [value, limit], value.dtype, value.shape, name)


def global_norm(t_list: Sequence[Any], name: str | None = None) -> Tensor:
    """The Euclidean norm of all elements of all tensors; None among them is passed over."""
    with name_scope(name, "global_norm"):
        squares = [reduce_sum(multiply(t, t)) for t in map(_tensor_or_none, t_list) if t is not None]
        result: Tensor = sqrt(add_n(squares))
        return result


def _tensor_or_none(value: Any) -> Any:
    return None if value is None else convert_to_tensor(value)


def clip_by_global_norm(
    t_list: Sequence[Any], clip_norm: Any, use_norm: Any = None, name: str | None = None
) -> tuple[list[Any], Tensor]:
    """The tensors, all scaled by ``clip_norm / max(global norm, clip_norm)``, and the norm from before."""
    if not isinstance(t_list, Sequence) or isinstance(t_list, str):
        raise TypeError("t_list should be a sequence")
    with name_scope(name, "clip_by_global_norm"):
        norm = global_norm(t_list) if use_norm is None else use_norm
        factor = clip_norm / maximum(norm, clip_norm)
        return [None if t is None else t * factor for t in map(_tensor_or_none, t_list)], norm


def norm(
    tensor: Any,
    ord: Any = "euclidean",
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """A vector norm of all elements, or over ``axis``: "euclidean", 1, 2, infinity or another positive number."""
    import math

    from .ops_math import abs, pow
    from .ops_reduce import reduce_max

    keep = either(keepdims, keep_dims, "keepdims", "keep_dims")
    x = convert_to_tensor(tensor)
    if ord in ("euclidean", "fro", 2):
        result: Tensor = sqrt(reduce_sum(multiply(x, x), axis, keep))
        return result
    if ord == math.inf:
        return reduce_max(abs(x), axis, keep)
    if not isinstance(ord, int | float) or ord <= 0:
        raise ValueError(f"'ord' must be a supported vector norm, got {ord}")
    if ord == 1:
        return reduce_sum(abs(x), axis, keep)
    powered: Tensor = pow(reduce_sum(pow(abs(x), float(ord)), axis, keep), 1.0 / ord)
    return powered


def check_numerics(tensor: Any, message: str, name: str | None = None) -> Tensor:
    """``tensor``, unless it holds infinities or NaN: then an ``InvalidArgumentError`` with ``message``."""
    x = convert_to_tensor(tensor)

    def kernel(value: Any) -> Any:
        found = [
            kind for kind, test in (("Inf", rl.isinf), ("NaN", rl.isnan)) if bool(test(value).any().item())
        ]
        if found:
            raise errors.InvalidArgumentError(
                None, None, f"{message} : Tensor had {' and '.join(found)} values"
            )
        return value.view_as(value)

    return node("CheckNumerics", kernel, [x], x.dtype, x.shape, name)


def clip_by_average_norm(t: Any, clip_norm: Any, name: str | None = None) -> Tensor:
    """``t`` scaled so that its norm divided by the number of elements is at most ``clip_norm``."""
    x = convert_to_tensor(t)
    limit = convert_to_tensor(clip_norm, x.dtype)

    def kernel(value: Any, most: Any) -> Any:
        average = rl.sqrt((value * value).sum()) / value.numel()
        return value * most / rl.maximum(average, most)

    return node("ClipByAverageNorm", kernel, [x, limit], x.dtype, x.shape, name)
