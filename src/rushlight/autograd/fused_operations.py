"""Composites of ``ops`` that run as one kernel each way where they are large: the same functions otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.tensor import Tensor
from ..ops import bounds, pointwise, scans
from ..ops.dispatch import named, write_out
from .fused import fused

_LARGE = 8_192
_addcmul: Callable[..., Tensor] = fused(pointwise.addcmul_method, name="addcmul", from_size=_LARGE)
_addcdiv: Callable[..., Tensor] = fused(pointwise.addcdiv_method, name="addcdiv", from_size=_LARGE)
_lerp: Callable[..., Tensor] = fused(pointwise.lerp_method, name="lerp", from_size=_LARGE)
_nan_to_num: Callable[..., Tensor] = fused(bounds.nan_to_num_method, name="nan_to_num", from_size=_LARGE)
trapezoid: Callable[..., Tensor] = fused(scans.trapezoid, name="trapezoid", from_size=_LARGE)


def addcmul(
    input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1, out: Tensor | None = None
) -> Tensor:
    """``input + value * tensor1 * tensor2``, of shapes that broadcast.

    Example:
        >>> import rushlight as torch
        >>> torch.addcmul(torch.ones(2), torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), value=0.5)
        tensor([2.5000, 5.0000])
    """
    result = _addcmul(input, tensor1, tensor2, value=value)
    return result if out is None else write_out(out, result, "addcmul")


def addcdiv(
    input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1, out: Tensor | None = None
) -> Tensor:
    """``input + value * tensor1 / tensor2``, of shapes that broadcast; no integers (``RuntimeError``).

    Example:
        >>> import rushlight as torch
        >>> torch.addcdiv(torch.ones(2), torch.tensor([1.0, 2.0]), torch.tensor([4.0, 4.0]))
        tensor([1.2500, 1.5000])
    """
    result = _addcdiv(input, tensor1, tensor2, value=value)
    return result if out is None else write_out(out, result, "addcdiv")


def lerp(input: Tensor, end: Tensor, weight: Any, *, out: Tensor | None = None) -> Tensor:
    """``input + weight * (end - input)``: from ``input`` at weight 0 to ``end`` at weight 1.

    Example:
        >>> import rushlight as torch
        >>> torch.lerp(torch.tensor([0.0]), torch.tensor([10.0]), 0.25)
        tensor([2.5000])
    """
    result = _lerp(input, end, weight)
    return result if out is None else write_out(out, result, "lerp")


def nan_to_num(
    input: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The elements with nan replaced (by 0), inf (by the dtype's largest number) and -inf (by its smallest).

    Example:
        >>> import rushlight as torch
        >>> torch.nan_to_num(torch.tensor([torch.nan, 1.0, torch.inf]), posinf=9.0)
        tensor([0., 1., 9.])
    """
    result = _nan_to_num(input, nan, posinf, neginf)
    return result if out is None else write_out(out, result, "nan_to_num")


for _function in (addcmul, addcdiv, lerp, nan_to_num):
    named(_function, _function.__name__)
del _function

METHODS: dict[str, Any] = {
    "addcmul": _addcmul,
    "addcdiv": _addcdiv,
    "lerp": _lerp,
    "nan_to_num": _nan_to_num,
}
