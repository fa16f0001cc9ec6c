"""Padding layers; ``padding`` is one amount for all sides, or (left, right, top, bottom, front, back)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.tensor import Tensor
from .functional.padding import pad
from .module import Module


def _sides(padding: int | Sequence[int], count: int) -> tuple[int, ...]:
    if isinstance(padding, int):
        return (padding,) * count
    if not isinstance(padding, tuple | list):
        raise TypeError(f"padding must be an int or a sequence of {count} ints, got {type(padding).__name__}")
    return tuple(padding)


class _Pad(Module):
    """Pads the last ``_dims`` dimensions in ``_mode``."""

    __constants__: Any = ("padding",)
    _dims: int
    _mode: str
    padding: tuple[int, ...]

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        self.padding = _sides(padding, 2 * self._dims)

    def forward(self, input: Tensor) -> Tensor:
        return pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    __constants__ = ("padding", "value")
    value: float

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """``value`` added at both ends of the last dimension.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.ConstantPad1d((1, 2), 5.0)(torch.zeros(1, 2))
        tensor([[5., 0., 0., 5., 5.]])
    """

    _dims = 1


class ConstantPad2d(_ConstantPad):
    """``value`` added around the last two dimensions."""

    _dims = 2


class ConstantPad3d(_ConstantPad):
    """``value`` added around the last three dimensions."""

    _dims = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """Zeros added at both ends of the last dimension."""

    _dims = 1


class ZeroPad2d(_ZeroPad):
    """Zeros added around the last two dimensions."""

    _dims = 2


class ZeroPad3d(_ZeroPad):
    """Zeros added around the last three dimensions."""

    _dims = 3


class ReflectionPad1d(_Pad):
    """The last dimension mirrored at both ends.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.ReflectionPad1d(2)(torch.tensor([[0.0, 1.0, 2.0]]))
        tensor([[2., 1., 0., 1., 2., 1., 0.]])
    """

    _dims, _mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The last two dimensions mirrored at the border."""

    _dims, _mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """The last three dimensions mirrored at the border."""

    _dims, _mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The ends of the last dimension repeated."""

    _dims, _mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The border of the last two dimensions repeated."""

    _dims, _mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """The border of the last three dimensions repeated."""

    _dims, _mode = 3, "replicate"


class _CircularPad(_Pad):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        if input._array.ndim not in (self._dims + 1, self._dims + 2):
            raise ValueError(
                f"expected {self._dims + 1}D or {self._dims + 2}D input (got {input._array.ndim}D input)"
            )
        return super().forward(input)


class CircularPad1d(_CircularPad):
    """The last dimension continued with what is at its other end."""

    _dims = 1


class CircularPad2d(_CircularPad):
    """The last two dimensions continued with what is at their other ends."""

    _dims = 2


class CircularPad3d(_CircularPad):
    """The last three dimensions continued with what is at their other ends."""

    _dims = 3
