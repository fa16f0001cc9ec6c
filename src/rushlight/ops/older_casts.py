"""``torch._cast_Long`` and its kin: casts by the names that early programs call."""

from __future__ import annotations

from typing import Any

from ..core.dtypes import by_name
from ..core.tensor import Tensor
from .movement import cast


def _casting(short: str, dtype_name: str) -> Any:
    kind = by_name(dtype_name).numpy

    def function(input: Tensor, non_blocking: bool = False) -> Tensor:
        return cast(input, kind)

    function.__name__ = function.__qualname__ = f"_cast_{short}"
    function.__doc__ = f"``input`` cast to {dtype_name}; itself if it has that dtype."
    return function


_cast_Byte = _casting("Byte", "uint8")  # noqa: N816 - PyTorch's names
_cast_Char = _casting("Char", "int8")  # noqa: N816
_cast_Double = _casting("Double", "float64")  # noqa: N816
_cast_Float = _casting("Float", "float32")  # noqa: N816
_cast_Half = _casting("Half", "float16")  # noqa: N816
_cast_Int = _casting("Int", "int32")  # noqa: N816
_cast_Long = _casting("Long", "int64")  # noqa: N816
_cast_Short = _casting("Short", "int16")  # noqa: N816
