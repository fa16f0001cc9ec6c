"""What the random functions share: dtypes as PyTorch's messages name them, their digits and limits, rounding."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .dtypes import BF16, BOOL, C64, C128, F16, F32, F64, I64, LOW_PRECISION, NumpyDType

Shape = int | tuple[int, ...]
Array = NDArray[Any]

REAL_OF: Final = {C64: F32, C128: F64}
# As PyTorch's messages call them: in "not implemented for" and in "out of bounds for".
NAMES: Final[dict[NumpyDType, tuple[str, str]]] = {
    BOOL: ("Bool", "bool"),
    np.dtype(np.uint8): ("Byte", "unsigned char"),
    np.dtype(np.int8): ("Char", "signed char"),
    np.dtype(np.int16): ("Short", "short int"),
    np.dtype(np.int32): ("Int", "int"),
    I64: ("Long", "long int"),
    F16: ("Half", "c10::Half"),
    BF16: ("BFloat16", "c10::BFloat16"),
    F32: ("Float", "float"),
    F64: ("Double", "double"),
    C64: ("ComplexFloat", "c10::complex<float>"),
    C128: ("ComplexDouble", "c10::complex<double>"),
}
DIGITS: Final = {F16: 11, BF16: 8, F32: 24, F64: 53}
LARGEST: Final = {
    F16: 65504.0,
    BF16: float.fromhex("0x1.fep127"),
    F32: float.fromhex("0x1.fffffep127"),
    F64: float.fromhex("0x1.fffffffffffffp1023"),
}


def size_of(shape: Shape) -> int:
    return shape if isinstance(shape, int) else math.prod(shape)


def not_implemented(kernel: str, dtype: NumpyDType) -> NotImplementedError:
    return NotImplementedError(f"\"{kernel}\" not implemented for '{NAMES[dtype][0]}'")


def narrowed(values: Array, dtype: NumpyDType) -> Array:
    """``values`` as ``dtype``; 16-bit types are rounded from float32, as PyTorch's are. Too large is infinite."""
    if values.dtype == dtype:
        return values
    try:
        return _as_type(values, dtype)
    except (RuntimeWarning, FloatingPointError):  # the program made errors of NumPy's reports
        with np.errstate(over="ignore", invalid="ignore"):
            return _as_type(values, dtype)


def _as_type(values: Array, dtype: NumpyDType) -> Array:
    if dtype in LOW_PRECISION and values.dtype != F32:
        values = values.astype(F32)
    return values.astype(dtype)
