"""Groups of dtypes, each as a function that gives a tuple, as PyTorch's test files name them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...core.dtypes import (
    bfloat16,
    bool_,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)

_FLOATING = (float32, float64)
_COMPLEX = (complex64, complex128)
_INTEGRAL = (uint8, int8, int16, int32, int64)


def _given(group: tuple[Any, ...]) -> Callable[[], tuple[Any, ...]]:
    return lambda: group


def _extended(group: tuple[Any, ...]) -> Callable[..., tuple[Any, ...]]:
    def with_others(*dtypes: Any) -> tuple[Any, ...]:
        return group + tuple([dtype for dtype in dtypes if dtype not in group])

    return with_others


floating_types, floating_types_and = _given(_FLOATING), _extended(_FLOATING)
floating_types_and_half = _given((*_FLOATING, float16))
complex_types, complex_types_and = _given(_COMPLEX), _extended(_COMPLEX)
floating_and_complex_types = _given(_FLOATING + _COMPLEX)
floating_and_complex_types_and = _extended(_FLOATING + _COMPLEX)
double_types = _given((float64, complex128))
integral_types, integral_types_and = _given(_INTEGRAL), _extended(_INTEGRAL)
all_types, all_types_and = _given(_FLOATING + _INTEGRAL), _extended(_FLOATING + _INTEGRAL)
all_types_and_half = _given((*_FLOATING, *_INTEGRAL, float16))
all_types_and_complex = _given(_FLOATING + _INTEGRAL + _COMPLEX)
all_types_and_complex_and = _extended(_FLOATING + _INTEGRAL + _COMPLEX)
custom_types = _extended(())
empty_types, float8_types, get_all_qint_dtypes = _given(()), _given(()), _given(())


def highest_precision_float(device: Any) -> Any:
    """The widest floating-point dtype of a device."""
    return float64


def get_all_dtypes(
    include_half: bool = True,
    include_bfloat16: bool = True,
    include_bool: bool = True,
    include_complex: bool = True,
    include_complex32: bool = False,
    include_qint: bool = False,
) -> list[Any]:
    """All dtypes that have tensors, without those that are ruled out."""
    chosen: list[Any] = [*get_all_int_dtypes(), *get_all_fp_dtypes(include_half, include_bfloat16)]
    return chosen + ([bool_] if include_bool else []) + (list(_COMPLEX) if include_complex else [])


def get_all_math_dtypes(device: Any) -> list[Any]:
    """The dtypes that arithmetic on ``device`` takes."""
    return [*_INTEGRAL, *_FLOATING, *_COMPLEX]


def get_all_complex_dtypes(include_complex32: bool = False) -> list[Any]:
    """The complex dtypes."""
    return list(_COMPLEX)


def get_all_int_dtypes() -> list[Any]:
    """The integer dtypes."""
    return list(_INTEGRAL)


def get_all_fp_dtypes(include_half: bool = True, include_bfloat16: bool = True) -> list[Any]:
    """The floating-point dtypes."""
    return [*_FLOATING, *((float16,) if include_half else ()), *((bfloat16,) if include_bfloat16 else ())]


float_to_corresponding_complex_type_map = {float32: complex64, float64: complex128}
