"""``finfo`` and ``iinfo``: what the numbers of a dtype can be."""

from __future__ import annotations

from typing import Any, Final

import ml_dtypes
import numpy as np

from .dtypes import dtype, float64, get_default_dtype

_DEFAULT: Final = object()


class finfo:
    """The limits of a floating-point dtype (of a complex one's parts); the default dtype unless given.

    Raises ``TypeError`` for integer and bool dtypes.

    Example:
        >>> import rushlight as torch
        >>> torch.finfo(torch.float16).max
        65504.0
    """

    def __init__(self, type: Any = _DEFAULT) -> None:
        kind = float64 if type is float else get_default_dtype() if type is _DEFAULT else type
        if not isinstance(kind, dtype):
            raise TypeError(f"finfo(): expected a dtype, got {kind!r}")
        if not (kind.is_floating_point or kind.is_complex):
            raise TypeError(
                f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{kind.name}'"
            )
        real = kind.to_real()
        limits: Any = ml_dtypes.finfo(real.numpy)  # type: ignore[no-untyped-call]
        self.dtype = real.name
        self.bits = 8 * real.itemsize
        self.eps = float(limits.eps)
        self.max = float(limits.max)
        self.min = float(limits.min)
        self.tiny = self.smallest_normal = float(limits.tiny)
        self.resolution = 10.0**-limits.precision

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """The limits of an integer dtype. Raises ``TypeError`` for others.

    Example:
        >>> import rushlight as torch
        >>> torch.iinfo(torch.int8).max
        127
    """

    def __init__(self, type: dtype) -> None:
        if not isinstance(type, dtype):
            raise TypeError(f"iinfo(): expected a dtype, got {type!r}")
        if type.is_floating_point or type.is_complex:
            raise TypeError(
                f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type.name}'"
            )
        if type.name == "bool":
            raise TypeError("torch.bool is not supported by torch.iinfo")
        limits = np.iinfo(type.numpy)
        self.dtype = type.name
        self.bits = limits.bits
        self.min = int(limits.min)
        self.max = int(limits.max)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
