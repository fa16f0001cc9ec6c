"""What operands are: numbers, tensors, and the dtype that they have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import FLOATS, OF_NUMPY, PROMOTED, TYPE_NAMES, NumpyDType, natural_dtype, scalar_dtype
from ..core.tensor import Tensor
from .define import Primitive

asarray = np.asarray
INT64_END = 1 << 63


def type_name(dtype: NumpyDType) -> str:
    """``"Float"``, ``"Long"``: how PyTorch's messages call a dtype."""
    return TYPE_NAMES[OF_NUMPY[dtype].name]


def not_implemented(name: str, dtype: NumpyDType) -> NotImplementedError:
    """The error for a dtype that an operation does not take, in PyTorch's words."""
    return NotImplementedError(f"\"{name}_cpu\" not implemented for '{type_name(dtype)}'")


def is_number(value: object) -> bool:
    return isinstance(value, bool | int | float | complex | np.generic)


def plain_number(name: str, argument: str, value: Any) -> Any:
    """``value`` where a number is wanted, which may come as a 0-dim tensor without history; ``TypeError`` for other things."""
    if isinstance(value, Tensor) and value._array.ndim == 0 and not value.requires_grad:
        return value.item()
    if not is_number(value):
        raise TypeError(f"{name}(): argument '{argument}' must be Number, not {type(value).__name__}")
    return value


def common_dtype(operands: tuple[Any, ...]) -> NumpyDType:
    """PyTorch's result type of tensors and numbers: tensors with dimensions decide, then 0-dim tensors, then numbers;
    a lower tier counts only when its category is higher."""
    dimensional: NumpyDType | None = None
    zero_dim: NumpyDType | None = None
    number: Any = None
    for operand in operands:
        if isinstance(operand, Tensor):
            array = operand._array
            if array.ndim:
                dimensional = array.dtype if dimensional is None else PROMOTED[dimensional, array.dtype]
            else:
                zero_dim = array.dtype if zero_dim is None else PROMOTED[zero_dim, array.dtype]
        elif operand is not None and (number is None or _rank(operand) > _rank(number)):
            number = operand
    if dimensional is None:
        result = zero_dim
    elif zero_dim is not None and OF_NUMPY[zero_dim].category > OF_NUMPY[dimensional].category:
        result = PROMOTED[dimensional, zero_dim]
        if (
            zero_dim.kind == "c" and dimensional in FLOATS
        ):  # the precision is that of the tensor with dimensions
            result = OF_NUMPY[dimensional].to_complex().numpy
    else:
        result = dimensional
    if number is None:
        assert result is not None
        return result
    return natural_dtype(number) if result is None else scalar_dtype(number, result)


def _rank(number: object) -> int:
    if isinstance(number, bool | np.bool_):
        return 0
    if isinstance(number, int | np.integer):
        return 1
    return 2 if isinstance(number, float | np.floating) else 3


def number_array(number: Any, dtype: NumpyDType) -> NDArray[Any]:
    """A Python number as a 0-dim array of ``dtype``; integers wrap around as in PyTorch."""
    try:
        return asarray(number, dtype)
    except OverflowError:
        if dtype.kind in "iu" and -INT64_END <= int(number) < 2 * INT64_END:
            bits = 8 * dtype.itemsize
            wrapped = int(number) & ((1 << bits) - 1)
            if dtype.kind == "i" and wrapped >= 1 << (bits - 1):
                wrapped -= 1 << bits
            return asarray(wrapped, dtype)
        raise
    except TypeError:
        if isinstance(number, complex):
            raise RuntimeError(
                f"value cannot be converted to type {OF_NUMPY[dtype].name} without overflow: {number} is complex"
            ) from None
        raise


def check_tensors(name: str, operands: tuple[Any, ...]) -> None:
    for position, operand in enumerate(operands):
        left_out = operand is None and name == "clamp"  # one of whose bounds may be
        if not (left_out or isinstance(operand, Tensor) or is_number(operand)):
            raise TypeError(
                f"{name}(): argument {position + 1} must be Tensor or number, not {type(operand).__name__}"
            )


_KEEPING_NUMBERS = frozenset({"mul", "div", "div_rounded", "floor_divide"})


def keeps_numbers(record: Primitive, attrs: dict[str, Any]) -> bool:
    """Whether PyTorch's kernel of the operation keeps a number (or a 0-dim tensor of another dtype) in float32 beside
    float16 and bfloat16 operands; the others round it to the operands' dtype first."""
    return record.name in _KEEPING_NUMBERS and attrs.get("rounding_mode") != "trunc"
