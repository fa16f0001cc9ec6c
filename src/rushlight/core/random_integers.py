"""Whole random numbers: PyTorch's ``randint``, ``random_`` and ``randperm`` on NumPy arrays."""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
from numpy.typing import NDArray

from . import native_draws
from .dtypes import BF16, BOOL, F16, F32, F64, I64, NumpyDType
from .generator import Generator, words64
from .random_dtypes import DIGITS, LARGEST, NAMES, Array, Shape, narrowed, not_implemented, size_of

_NATIVE_SHUFFLE: Final = (
    128  # numbers from which on compiled code, once loaded, shuffles faster than a loop in Python
)
_IN_PYTHON: Final = 64  # numbers up to which Python's own arithmetic costs less than NumPy's calls
_LARGE_PERMUTATION: Final = (2**32 - 1) // 20
_PIECE: Final = 1 << 15  # numbers worked on at once, so that they stay in the cache


def random_integers(generator: Generator, shape: Shape, dtype: NumpyDType, low: int, high: int) -> Array:
    """Whole numbers in [low, high): ``randint`` and ``random_(from, to)``, for integer, bool and float dtypes.

    A range of 2**28 and more takes 64-bit draws. Raises ``RuntimeError`` for an empty range or one that the dtype
    can't hold; warns, as PyTorch does, where a float dtype skips whole numbers of the range.

    Example:
        >>> import numpy as np
        >>> from rushlight.core.generator import Generator
        >>> from rushlight.core.random_integers import random_integers
        >>> random_integers(Generator().manual_seed(0), 5, np.dtype(np.int64), 0, 10).tolist()
        [4, 9, 3, 0, 3]
    """
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if dtype in DIGITS:
        low, high = _representable_from(dtype, low), _representable_to(dtype, high)
        if low >= high:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, "
                f"but got from={low} >= to={high}"
            )
    if dtype is not I64 or low < -(2**63) or high > 2**63:
        _check_integer_bounds(dtype, low, high - 1)
    return _integers(generator, size_of(shape), dtype, low, high - low).reshape(shape)


def random_integers_from(generator: Generator, shape: Shape, dtype: NumpyDType, low: int) -> Array:
    """``random_(from, None)``: whole numbers from ``low`` to the largest that the dtype has.

    For a float dtype that is the last before it skips whole numbers. From -2**63 all 64 bits are used.
    """
    if low == -(2**63):
        if dtype != I64 and dtype not in (F32, F64, BF16):
            if dtype == F16:
                raise not_implemented("random_full_64_bits_range_kernel_cpu", dtype)
            raise RuntimeError(
                "random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16"
            )
        return _narrowed_integers(generator.take64(size_of(shape)).view(np.int64), dtype).reshape(shape)
    if dtype in DIGITS:
        low, last = _representable_from(dtype, low), 2 ** DIGITS[dtype]
        if low >= last:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to dtype, "
                f"but got from={low} > to_inc={last}"
            )
    else:
        last = 1 if dtype == BOOL else _integer_limits(dtype)[1]
    _check_integer_bounds(dtype, low, last)
    return _integers(generator, size_of(shape), dtype, low, last - low + 1).reshape(shape)


def random_integers_default(generator: Generator, shape: Shape, dtype: NumpyDType) -> Array:
    """``random_()``: from 0 to the dtype's largest whole number; for a float dtype to 2 to its digits.

    Example:
        >>> import numpy as np
        >>> from rushlight.core.generator import Generator
        >>> from rushlight.core.random_integers import random_integers_default
        >>> random_integers_default(Generator().manual_seed(0), 3, np.dtype(np.int8)).tolist()
        [44, 47, 117]
    """
    size = size_of(shape)
    if dtype in (I64, F64):
        last = 2**63 - 1 if dtype == I64 else 2**53
        numbers = generator.take64(size)
        return _narrowed_integers((numbers % np.uint64(last + 1)).view(np.int64), dtype).reshape(shape)
    if dtype in DIGITS:
        last = 2 ** DIGITS[dtype]
    elif dtype.kind not in "biu":
        raise not_implemented("random_kernel_cpu", dtype)
    else:
        last = 1 if dtype == BOOL else _integer_limits(dtype)[1]
    bits = generator.take(size)
    return _narrowed_integers((bits % np.uint32(last + 1)).astype(I64), dtype).reshape(shape)


def _integers(generator: Generator, size: int, dtype: NumpyDType, low: int, span: int) -> Array:
    if span < 1 << 28:
        bits = generator.take(size)
        divisor = np.array(span, np.uint32)
        if size <= _PIECE:
            numbers = np.remainder(bits, divisor).astype(I64)
        else:
            numbers = np.empty(size, I64)
            for start in range(0, size, _PIECE):
                some = slice(start, start + _PIECE)
                numbers[some] = np.remainder(bits[some], divisor)
        if low:
            np.add(numbers, low, numbers)
    else:
        wide = np.remainder(generator.take64(size), np.array(span, np.uint64))
        # Sums past 2**63 wrap around into the negative numbers that they stand for.
        numbers = np.add(wide, np.array(low % 2**64, np.uint64), wide).view(np.int64)
    return _narrowed_integers(numbers, dtype)


def _narrowed_integers(numbers: NDArray[np.int64], dtype: NumpyDType) -> Array:
    if dtype == I64:
        return numbers
    return narrowed(numbers, dtype) if dtype in DIGITS else numbers.astype(dtype)


def _integer_limits(dtype: NumpyDType) -> tuple[int, int]:
    limits = _limits.get(dtype)
    if limits is None:
        info = np.iinfo(dtype)
        limits = _limits[dtype] = (int(info.min), int(info.max))
    return limits


_limits: dict[NumpyDType, tuple[int, int]] = {}


def _check_integer_bounds(dtype: NumpyDType, low: int, last: int) -> None:
    c_name = NAMES[dtype][1] if dtype in NAMES else str(dtype)
    bounds = (("from", low), ("to - 1", last))
    if dtype in DIGITS:
        largest, digits = LARGEST[dtype], DIGITS[dtype]
        for bound, value in bounds:
            if not -largest <= value <= largest:
                raise RuntimeError(f"{bound} is out of bounds for {c_name}")
            if not -(2**digits) <= value <= 2**digits:
                warnings.warn(
                    f"{bound} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision limitations "
                    f"{c_name} can support discrete uniform distribution only within this range.",
                    UserWarning,
                    stacklevel=3,
                )
        return
    if dtype.kind not in "biu":
        raise RuntimeError("check_random_bounds handles only integral, floating-point and boolean types")
    smallest, greatest = (0, 1) if dtype == BOOL else _integer_limits(dtype)
    for bound, value in bounds:
        if not smallest <= value <= greatest:
            raise RuntimeError(f"{bound} is out of bounds for {c_name}")


def _rounded_integer(dtype: NumpyDType, value: int) -> int:
    if abs(value) > LARGEST[dtype]:  # left for the bounds check to report
        return value
    rounded = int(narrowed(np.array([value], I64), dtype)[0])
    return rounded if rounded < 2**63 else -(2**63)  # as the processor converts what no int64 holds


def _gap_above(dtype: NumpyDType, value: int) -> int:
    """The distance between neighbours of ``dtype`` near ``value`` (0 and 1 count as 1)."""
    exponent = max(abs(value).bit_length() - 1, 0)
    return 1 << max(exponent - DIGITS[dtype] + 1, 0)


def _representable_from(dtype: NumpyDType, low: int) -> int:
    """``low``, or the next number of the float ``dtype`` where rounding would go below it."""
    rounded = _rounded_integer(dtype, low + 1)
    return rounded + _gap_above(dtype, low + 1) if rounded < low else low


def _representable_to(dtype: NumpyDType, high: int) -> int:
    """``high``, or the last number of the float ``dtype`` before rounding would reach it."""
    rounded = _rounded_integer(dtype, high - 1)
    return rounded - _gap_above(dtype, high - 1) if rounded >= high else high


def permutation(generator: Generator, n: int, dtype: NumpyDType = I64) -> Array:
    """The numbers 0 to n - 1 in random order: ``randperm``, by the Fisher-Yates shuffle from the front (from the
    inside out, which takes minutes in Python, for ``n`` above 2e8).

    Raises ``RuntimeError`` for a negative ``n`` or one too large for the dtype, ``NotImplementedError`` for bool and
    complex.

    Example:
        >>> from rushlight.core.generator import Generator
        >>> from rushlight.core.random_integers import permutation
        >>> permutation(Generator().manual_seed(0), 4).tolist()
        [0, 1, 3, 2]
    """
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    if dtype in DIGITS:
        if dtype != BF16 and n > 2 ** DIGITS[dtype] + 1:
            raise RuntimeError(f"n cannot be greater than 2^{DIGITS[dtype]}+1 for {NAMES[dtype][0]} type.")
    elif dtype.kind not in "iu":
        raise not_implemented("randperm", dtype)
    elif n - 1 > _integer_limits(dtype)[1]:
        raise RuntimeError(f"randperm: value {n} cannot be converted to type {dtype}_t without overflow")
    if n >= _LARGE_PERMUTATION:
        return _large_permutation(generator, n).astype(dtype, copy=False)
    steps = max(n - 1, 0)
    native = native_draws.found(50 * n) if n >= _NATIVE_SHUFFLE else None  # what the loop below takes
    if native is not None:
        shuffled = np.arange(n)
        native.shuffle(generator.take(steps), shuffled)
        return _narrowed_integers(shuffled, dtype)
    order = list(range(n))
    if n <= _IN_PYTHON:
        for i, word in enumerate(generator.take(steps).tolist()):
            place = i + word % (n - i)
            order[i], order[place] = order[place], order[i]
        return _narrowed_integers(np.array(order, I64), dtype)
    distances = np.remainder(generator.take(steps), np.arange(n, n - steps, -1, dtype=np.uint32))
    for i, place in enumerate(np.add(distances, np.arange(steps)).tolist()):
        order[i], order[place] = order[place], order[i]
    return _narrowed_integers(np.array(order, I64), dtype)


def _large_permutation(generator: Generator, n: int) -> NDArray[np.int64]:
    """The shuffle that PyTorch uses where 32-bit draws would favour some places: inside out, 64 bits a step."""
    shuffled = np.empty(n, I64)
    order = shuffled.data  # reads and writes a number faster than the array itself
    with generator.lock:
        for start in range(0, n, _PIECE):
            bounds = np.arange(start + 1, min(start + _PIECE, n) + 1, dtype=np.uint64)
            words = words64(generator.take_unlocked(2 * bounds.size))
            for i, place in enumerate(np.remainder(words, bounds).tolist(), start):
                order[i] = order[place]
                order[place] = i
    return shuffled
