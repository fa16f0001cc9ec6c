"""``FloatTensor``, ``LongTensor`` and the like: early PyTorch's names for tensors of one dtype."""

from __future__ import annotations

from typing import Any

from ..core.dtypes import by_name
from ..core.tensor import Tensor, make_tensor
from .creation import legacy_array
from .dispatch import alias_of


class _TypedTensorType(type):
    """Lets ``isinstance(x, FloatTensor)`` ask for the dtype; calling the class makes a plain tensor of it."""

    dtype_name: str

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Tensor) and value.dtype.name == cls.dtype_name

    def __call__(cls, *args: Any) -> Tensor:
        kind = by_name(cls.dtype_name).numpy
        if len(args) == 1 and isinstance(args[0], Tensor):
            if args[0]._array.dtype != kind:
                wanted = by_name(cls.dtype_name)
                raise TypeError(
                    f"{cls.__name__}: expected a tensor of {wanted}, got {args[0].dtype}; use tensor.to(dtype)"
                )
            return alias_of(args[0])
        return make_tensor(legacy_array(args, kind, cls.__name__))

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


def _typed(short: str, dtype_name: str) -> Any:
    doc = f"Tensors of dtype {dtype_name}: ``{short}Tensor([1, 2])`` or ``{short}Tensor(2, 3)`` (uninitialised)."
    return _TypedTensorType(f"{short}Tensor", (), {"dtype_name": dtype_name, "__doc__": doc})


FloatTensor = _typed("Float", "float32")
DoubleTensor = _typed("Double", "float64")
HalfTensor = _typed("Half", "float16")
BFloat16Tensor = _typed("BFloat16", "bfloat16")
LongTensor = _typed("Long", "int64")
IntTensor = _typed("Int", "int32")
ShortTensor = _typed("Short", "int16")
CharTensor = _typed("Char", "int8")
ByteTensor = _typed("Byte", "uint8")
BoolTensor = _typed("Bool", "bool")
