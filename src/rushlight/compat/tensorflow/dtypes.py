"""TensorFlow's element types (``tf.float32`` and so on), each with the NumPy and the Rushlight type that holds it."""

from __future__ import annotations

from typing import Any, Final

import ml_dtypes
import numpy as np

import rushlight as rl
from rushlight.core.dtypes import by_name

NumpyDType = np.dtype[Any]


class DType:
    """An element type. Compares equal to another :class:`DType`, to a NumPy type and to a name.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> tf.float32.name, tf.float32 == "float32", tf.int64.is_integer
        ('float32', True, True)
    """

    __slots__ = ("name", "numpy", "rushlight", "wire_name")

    def __init__(
        self, name: str, numpy_type: Any, rushlight_type: rl.dtype | None, wire_name: str = ""
    ) -> None:
        self.name: Final = name
        self.numpy: Final[NumpyDType] = np.dtype(numpy_type)
        self.rushlight: Final = rushlight_type
        self.wire_name: Final = wire_name or name  # what error messages of the runtime call it

    @property
    def as_numpy_dtype(self) -> Any:
        """The NumPy scalar type."""
        return self.numpy.type

    @property
    def base_dtype(self) -> DType:
        """This type itself: a variable's type is not told from its value's here."""
        return self

    @property
    def real_dtype(self) -> DType:
        """The real type of the same precision."""
        return {"complex64": float32, "complex128": float64}.get(self.name, self)

    @property
    def is_floating(self) -> bool:
        """Whether this is a floating-point type."""
        return self.rushlight is not None and self.rushlight.is_floating_point

    @property
    def is_complex(self) -> bool:
        """Whether this is a complex type."""
        return self.rushlight is not None and self.rushlight.is_complex

    @property
    def is_integer(self) -> bool:
        """Whether this is an integer type; bool is none."""
        return self.numpy.kind in "iu" and self.rushlight is not None

    @property
    def is_bool(self) -> bool:
        """Whether this is ``tf.bool``."""
        return self is bool_

    @property
    def is_numpy_compatible(self) -> bool:
        """Always true: every type here has a NumPy type."""
        return True

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return self.numpy.itemsize

    @property
    def min(self) -> Any:
        """The smallest finite value."""
        return _limits(self).min

    @property
    def max(self) -> Any:
        """The largest finite value."""
        return _limits(self).max

    def is_compatible_with(self, other: Any) -> bool:
        """Whether a tensor of type ``other`` can stand where this type is asked for."""
        return self is as_dtype(other)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DType):
            return self is other
        try:
            return other is not None and self is as_dtype(other)
        except TypeError:
            return False

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"tf.{self.name}"

    def __str__(self) -> str:
        return f"<dtype: {self.name!r}>"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return as_dtype, (self.name,)


def _limits(dtype: DType) -> Any:
    if dtype.is_integer:
        return np.iinfo(dtype.numpy)
    if dtype.is_floating:
        return ml_dtypes.finfo(dtype.numpy)  # type: ignore[no-untyped-call]
    raise TypeError(f"Cannot find the range of {dtype}.")


float16 = half = DType("float16", np.float16, rl.float16, "half")
bfloat16 = DType("bfloat16", ml_dtypes.bfloat16, rl.bfloat16)
float32 = DType("float32", np.float32, rl.float32, "float")
float64 = double = DType("float64", np.float64, rl.float64, "double")
uint8 = DType("uint8", np.uint8, rl.uint8)
int8 = DType("int8", np.int8, rl.int8)
int16 = DType("int16", np.int16, rl.int16)
int32 = DType("int32", np.int32, rl.int32)
int64 = DType("int64", np.int64, rl.int64)
bool_ = DType("bool", np.bool_, by_name("bool"))
complex64 = DType("complex64", np.complex64, rl.complex64)
complex128 = DType("complex128", np.complex128, rl.complex128)
string = DType("string", np.object_, None)  # values are NumPy arrays of bytes objects, not tensors

ALL: Final = (
    float16, bfloat16, float32, float64, uint8, int8, int16, int32, int64, bool_, complex64, complex128, string,
)  # fmt: skip
_BY_NAME: Final = {dtype.name: dtype for dtype in ALL} | {"half": half, "float": float32, "double": double}
_BY_NUMPY: Final = {dtype.numpy: dtype for dtype in ALL}
_BY_RUSHLIGHT: Final = {dtype.rushlight: dtype for dtype in ALL if dtype.rushlight is not None}
_BY_PYTHON: Final[dict[Any, DType]] = {
    float: float32,
    int: int32,
    bool: bool_,
    complex: complex128,
    str: string,
}


# TensorFlow's own numbers of its types, which some programs write.
_BY_NUMBER: Final = {
    1: float32, 2: float64, 3: int32, 4: uint8, 5: int16, 6: int8, 7: string, 8: complex64, 9: int64, 10: bool_, 14: bfloat16,
    18: complex128, 19: float16,
}  # fmt: skip


def as_dtype(value: Any) -> DType:
    """The :class:`DType` for a DType, a NumPy type, a Python type, a name or TensorFlow's number of a type.

    Raises:
        TypeError: if there is no such type.
    """
    if isinstance(value, DType):
        return value
    found = None
    if type(value) is int:
        found = _BY_NUMBER.get(value)
        value = str(value) if found is None else value
    elif isinstance(value, str):
        found = _BY_NAME.get(value)
    elif isinstance(value, rl.dtype):
        found = _BY_RUSHLIGHT.get(value)
    elif isinstance(value, type) and value in _BY_PYTHON:
        found = _BY_PYTHON[value]
    if found is None and value is not None and not (isinstance(value, str) and value.isdigit()):
        try:
            numpy_type = np.dtype(value)
        except TypeError:
            numpy_type = None
        if numpy_type is not None:
            found = string if numpy_type.kind in "SU" else _BY_NUMPY.get(numpy_type)
    if found is None:
        raise TypeError(f"Cannot convert value {value!r} to a TensorFlow DType.")
    return found
