"""``x * factor + offset`` rounded once, as the processor instruction that PyTorch's kernels use rounds it.

NumPy has no such operation, and rounding the product first gives another last bit in about half of all cases.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_SPLITTER: Final = 134217729.0  # 2**27 + 1 cuts a float64 in two halves of 26 bits
_DROPPED_BITS: Final = np.array((1 << 29) - 1, np.int64)  # of a float64 that becomes a float32
_HALFWAY: Final = np.array(1 << 28, np.int64)
_ZERO: Final = np.array(0.0, np.float32)
_PIECE: Final = 1 << 14  # numbers worked on at once, so that they stay in the cache


def fused32(
    x: NDArray[np.float32], factor: float, offset: float, exact_in_float64: bool = False
) -> NDArray[np.float32]:
    """``x * factor + offset`` of float32 numbers (``factor`` and ``offset`` are rounded to float32 first).

    ``exact_in_float64`` says that the caller knows every sum to fit into float64's 53 bits.

    Example:
        >>> import numpy as np
        >>> from rushlight.core.fused_multiply_add import fused32
        >>> fused32(np.float32([0.1]), 3.0, -0.3).item()
        -7.450580596923828e-09
    """
    if offset == 0.0:
        # Adding 0 turns -0 into 0, as the instruction does.
        return np.add(x if factor == 1.0 else np.multiply(x, np.float32(factor)), _ZERO)
    wide_factor = np.array(np.float32(factor), np.float64)
    wide_offset = np.array(np.float32(offset), np.float64)
    result = np.empty(x.shape, np.float32)
    for start in range(0, x.size, _PIECE):
        some = slice(start, start + _PIECE)
        product = x[some].astype(np.float64)
        np.multiply(product, wide_factor, product)  # exact: 24 bits times 24 bits
        total = np.add(product, wide_offset)
        if not exact_in_float64:
            # Two roundings differ from one only where the first ended halfway between two float32 numbers.
            halfway = np.equal(np.bitwise_and(total.view(np.int64), _DROPPED_BITS), _HALFWAY)
            if np.count_nonzero(halfway):
                sums, error = _two_sum(product[halfway], wide_offset)
                total[halfway] = np.where(error == 0.0, sums, np.nextafter(sums, np.copysign(np.inf, error)))
        result[some] = total
    return result


def fused64(x: NDArray[np.float64], factor: float, offset: float) -> NDArray[np.float64]:
    """``x * factor + offset`` of float64 numbers, by error-free sums and products and one sum rounded to odd.

    Source: S. Boldo and G. Melquiond, "Emulation of a FMA and correctly rounded sums", 2008.

    Example:
        >>> import numpy as np
        >>> from rushlight.core.fused_multiply_add import fused64
        >>> fused64(np.float64([0.1]), 10.0, -1.0).item()
        5.551115123125783e-17
    """
    if offset == 0.0:
        return np.add(np.multiply(x, factor), 0.0)
    if not 2.0**-900 < abs(factor) < 2.0**900:  # the halves of the product would overflow or vanish
        return np.add(np.multiply(x, factor), offset)
    result = np.empty(x.shape, np.float64)
    for start in range(0, x.size, _PIECE):
        some = slice(start, start + _PIECE)
        result[some] = _fused64(x[some], np.float64(factor), np.float64(offset))
    return result


def _fused64(x: Any, factor: Any, offset: Any) -> Any:
    product = x * factor
    x_high = _high_half(x)
    x_low = x - x_high
    factor_high = _high_half(factor)
    factor_low = factor - factor_high
    product_error = x_low * factor_low - (
        ((product - x_high * factor_high) - x_low * factor_high) - x_high * factor_low
    )
    partial, partial_error = _two_sum(product_error, offset)
    total, total_error = _two_sum(product, partial)
    rest, rest_error = _two_sum(total_error, partial_error)
    # To odd: where the sum was rounded and is even, take its neighbour on the side of the true value.
    even = (rest.view(np.int64) & 1) == 0
    towards = np.nextafter(rest, np.copysign(np.inf, rest_error))
    return total + np.where((rest_error != 0.0) & even, towards, rest)


def _high_half(x: Any) -> Any:
    scaled = x * _SPLITTER
    return scaled - (scaled - x)


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """``a + b`` rounded, and what the rounding lost (D. Knuth)."""
    total = a + b
    b_part = total - a
    return total, (a - (total - b_part)) + (b - b_part)


def sums_rounded_once(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float32]:
    """``x + y`` as float32 numbers, as if there were no float64 between."""
    total = np.add(x, y)
    halfway = np.equal(np.bitwise_and(total.view(np.int64), _DROPPED_BITS), _HALFWAY)
    if halfway.any():
        sums, error = _two_sum(x[halfway], y[halfway])
        if error.any():
            total[halfway] = np.where(error == 0.0, sums, np.nextafter(sums, np.copysign(np.inf, error)))
    return total.astype(np.float32)


def evenly_spaced32(start: float, end: float, steps: int) -> NDArray[np.float32] | None:
    """``linspace`` for two steps or more: the near half counted from ``start``, the far one from ``end``, each element a
    product and a sum rounded once. None where the step is not finite.

    Example:
        >>> from rushlight.core.fused_multiply_add import evenly_spaced32
        >>> evenly_spaced32(0.0, 1.0, 3).tolist()
        [0.0, 0.5, 1.0]
    """
    first, last = np.float32(start), np.float32(end)
    step = (last - first) / np.float32(steps - 1)
    if not np.isfinite(step):
        return None
    half = steps // 2
    values = np.arange(steps, dtype=np.float64)
    values[half:] -= steps - 1
    values *= float(step)  # exact, as products of two float32 numbers are
    ends = np.empty(steps)
    ends[:half] = first
    ends[half:] = last
    return sums_rounded_once(values, ends)
