"""``assert_close`` and random test tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.dtypes import FLOATS, NumpyDType, dtype, promote_types
from ..core.tensor import Tensor, make_tensor as wrap
from ..ops.creation import as_tensor

# relative and absolute tolerance by dtype: about half the digits, as PyTorch has it
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: Any = None,
) -> None:
    """Raise ``AssertionError`` unless ``|actual - expected| <= atol + rtol * |expected|`` everywhere.

    Takes tensors, numbers, arrays, and sequences or mappings of them. The tolerances follow the dtype unless both are
    given; integers must be equal.

    Example:
        >>> import rushlight as torch
        >>> torch.testing.assert_close(torch.tensor(1.0), torch.tensor(1.0 + 1e-7))
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            f"Both rtol and atol must be specified or both left out, but got rtol={rtol} and atol={atol}"
        )
    problem = _difference(actual, expected, rtol, atol, equal_nan, check_dtype, check_stride, "")
    if problem is not None:
        if callable(msg):
            problem = msg(problem)
        raise AssertionError(msg if isinstance(msg, str) else problem)


def _difference(
    actual: Any, expected: Any, rtol: float | None, atol: float | None, equal_nan: bool, check_dtype: bool,
    check_stride: bool, where: str,
) -> str | None:  # fmt: skip
    options = (rtol, atol, equal_nan, check_dtype, check_stride)
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        if set(actual) != set(expected):
            return f"The keys of the mappings do not match{where}: {sorted(map(str, set(actual) ^ set(expected)))}"
        return _first(
            _difference(actual[k], expected[k], *options, f" at key {k!r}{where}") for k in expected
        )
    if _is_sequence(expected) and _is_sequence(actual):
        if len(actual) != len(expected):
            return f"The length of the sequences mismatch{where}: {len(actual)} != {len(expected)}"
        pairs = enumerate(zip(actual, expected, strict=True))
        return _first(_difference(a, e, *options, f" at index {i}{where}") for i, (a, e) in pairs)
    if actual is None or expected is None:
        return None if actual is expected else f"None mismatch{where}: {actual} is not {expected}"
    numbers = not isinstance(actual, Tensor | np.ndarray) and not isinstance(expected, Tensor | np.ndarray)
    a, e = as_tensor(actual), as_tensor(expected)
    if a.shape != e.shape:
        return f"The values for attribute 'shape' do not match{where}: {a.shape} != {e.shape}."
    if check_dtype and a.dtype is not e.dtype and not numbers:
        return f"The values for attribute 'dtype' do not match{where}: {a.dtype} != {e.dtype}."
    if check_stride and a.stride() != e.stride():
        return f"The values for attribute 'stride()' do not match{where}: {a.stride()} != {e.stride()}."
    return _values(a, e, rtol, atol, equal_nan, where, numbers)


def _values(
    a: Tensor, e: Tensor, rtol: float | None, atol: float | None, equal_nan: bool, where: str, numbers: bool
) -> str | None:
    if rtol is None or atol is None:
        pairs = [
            _TOLERANCES.get("float64" if numbers and t.dtype.is_floating_point else t.dtype.name, (0.0, 0.0))
            for t in (a, e)
        ]
        rtol, atol = max(p[0] for p in pairs), max(p[1] for p in pairs)
    x, y = _wide(a, promote_types(a.dtype, e.dtype)), _wide(e, promote_types(a.dtype, e.dtype))
    with np.errstate(all="ignore"):
        gap = np.abs(x - y)
        close = (x == y) | (gap <= atol + rtol * np.abs(y)) & np.isfinite(y)
        if equal_nan:
            close |= np.isnan(x) & np.isnan(y)
        if close.all():
            return None
        wrong = np.argwhere(~close)
        relative = np.nan_to_num(np.where(y == x, 0, gap / np.abs(y)), nan=np.inf, posinf=np.inf)
    count, total = len(wrong), close.size
    if not close.ndim:
        kind = "Scalars" if numbers else "Tensor-likes"
        return (
            f"{kind} are not close{where}!\n\nExpected {e.item()} but got {a.item()}.\n"
            f"Absolute difference: {gap} (up to {atol} allowed)\n"
            f"Relative difference: {relative} (up to {rtol} allowed)"
        )
    at = tuple(
        int(i)
        for i in np.unravel_index(
            int(np.nanargmax(np.where(close, -1, np.nan_to_num(gap, nan=np.inf)))), gap.shape
        )
    )
    return (
        f"Tensor-likes are not close{where}!\n\nMismatched elements: {count} / {total} ({100 * count / total:.1f}%)\n"
        f"Greatest absolute difference: {gap[at]} at index {at} (up to {atol} allowed)\n"
        f"Greatest relative difference: {np.max(relative)} (up to {rtol} allowed)"
    )


def _wide(tensor: Tensor, common: dtype) -> Any:
    array = tensor.detach()._array
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    if common.is_floating_point or array.dtype in FLOATS:
        return array.astype(np.float64)
    return array.astype(np.complex128 if common.is_complex else np.int64)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _first(problems: Any) -> str | None:
    return next((problem for problem in problems if problem is not None), None)


def make_tensor(
    *shape: Any,
    dtype: dtype,
    device: Any = "cpu",
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
) -> Tensor:
    """A tensor of random values for tests, from ``low`` to ``high`` (by default -9 to 9, 0 to 9 for unsigned types)."""
    from ..core.shapes import as_shape
    from ..ops.random import rand

    extents = as_shape(shape, "make_tensor")
    kind: NumpyDType = dtype.numpy
    if kind.kind == "b":
        low, high = 0, 2
    bottom = (0.0 if kind.kind == "u" else -9.0) if low is None else low
    top = (10.0 if kind.kind in "iu" else 9.0) if high is None else high
    drawn = rand(*extents, dtype=_float64())._array
    values = bottom + (top - bottom) * drawn
    if kind.kind == "c":
        values = values + 1j * (bottom + (top - bottom) * rand(*extents, dtype=_float64())._array)
    array = np.floor(values).astype(kind) if kind.kind in "iub" else values.astype(kind)
    if exclude_zero:
        array[array == 0] = 1
    if noncontiguous and array.size > 1:
        spread = np.empty((*extents[:-1], extents[-1] * 2), kind)
        spread[..., ::2] = array
        array = spread[..., ::2]
    return wrap(array).requires_grad_(requires_grad)


def _float64() -> dtype:
    from ..core.dtypes import float64

    return float64
