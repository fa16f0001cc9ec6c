"""``torch.types``: names for annotations."""

from __future__ import annotations

from builtins import (
    bool as _bool,
    bytes as _bytes,
    complex as _complex,
    float as _float,
    int as _int,
    str as _str,
)
from collections.abc import Callable as _Callable, Sequence
from os import PathLike
from typing import IO, Any as _Any, TypeAlias

from .core.device import device as _device
from .core.dtypes import dtype as _dtype
from .core.shapes import Size as Size
from .core.tensor import Tensor as _Tensor

Number: TypeAlias = _int | _float | _bool
Device: TypeAlias = _device | _str | _int | None
FileLike: TypeAlias = _str | PathLike[_str] | IO[_bytes]
_MapLocation: TypeAlias = _Callable[[_Any, _str], _Any] | _device | _str | dict[_str, _str] | None
_size: TypeAlias = Size | list[_int] | tuple[_int, ...]
_symsize: TypeAlias = Size | Sequence[_int]
_dispatchkey: TypeAlias = _str
_TensorOrTensors: TypeAlias = _Tensor | Sequence[_Tensor]

__all__ = ["Device", "FileLike", "Number", "Size", "_complex", "_device", "_dtype", "_size"]
