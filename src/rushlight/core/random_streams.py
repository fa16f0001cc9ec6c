"""PyTorch's CPU random functions on NumPy arrays: for the same generator state, the same numbers.

Every function takes a generator and a shape (or a size) and returns a new C-contiguous array. What agrees with
PyTorch to the last bit, and what can't, is in docs/design/random.md.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .box_muller import standard_normals
from .dtypes import BF16, BOOL, C64, C128, F16, F32, F64, I64, LOW_PRECISION, NumpyDType
from .fused_multiply_add import fused32, fused64
from .generator import Generator, words64

Shape = int | tuple[int, ...]
Array = NDArray[Any]

_REAL_OF: Final = {C64: F32, C128: F64}
# As PyTorch's messages call them: in "not implemented for" and in "out of bounds for".
_NAMES: Final[dict[NumpyDType, tuple[str, str]]] = {
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
_DIGITS: Final = {F16: 11, BF16: 8, F32: 24, F64: 53}
_LARGEST: Final = {
    F16: 65504.0,
    BF16: float.fromhex("0x1.fep127"),
    F32: float.fromhex("0x1.fffffep127"),
    F64: float.fromhex("0x1.fffffffffffffp1023"),
}
_VECTOR: Final = 16  # normals are made sixteen at a time
_BLOCKS_AT_ONCE: Final = 1024
_LARGE_PERMUTATION: Final = (2**32 - 1) // 20
_PIECE: Final = 1 << 15  # numbers worked on at once, so that they stay in the cache


def _size(shape: Shape) -> int:
    return shape if isinstance(shape, int) else math.prod(shape)


def _not_implemented(kernel: str, dtype: NumpyDType) -> NotImplementedError:
    return NotImplementedError(f"\"{kernel}\" not implemented for '{_NAMES[dtype][0]}'")


def _narrowed(values: Array, dtype: NumpyDType) -> Array:
    """``values`` as ``dtype``; 16-bit types are rounded from float32, as PyTorch's are. Too large is infinite."""
    if values.dtype == dtype:
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        if dtype in LOW_PRECISION and values.dtype != F32:
            values = values.astype(F32)
        return values.astype(dtype)


def _complex_from_parts(parts: Array, dtype: NumpyDType, shape: Shape) -> Array:
    return parts.view(dtype).reshape(shape)


def _each(function: Callable[[float], float], values: Array) -> NDArray[np.float64]:
    """A function of the C library on each value: NumPy's own logarithms and tangents differ in the last bit."""
    return np.fromiter(map(function, values.tolist()), F64, values.size)


# Uniform and normal


def uniform(
    generator: Generator, shape: Shape, dtype: NumpyDType = F32, low: float = 0.0, high: float = 1.0
) -> Array:
    """Numbers in [low, high): ``rand`` and ``uniform_``. Complex ones have both parts from there.

    Raises ``NotImplementedError`` for a dtype that is not floating, ``RuntimeError`` for bounds that the dtype
    can't hold or in the wrong order.

    Example:
        >>> from rushlight.core.generator import Generator
        >>> from rushlight.core.random_streams import uniform
        >>> uniform(Generator().manual_seed(0), 2).tolist()
        [0.49625658988952637, 0.7682217955589294]
    """
    if dtype == F32 and low == 0.0 and high == 1.0:
        return generator.units32(_size(shape)).reshape(shape)
    real = _REAL_OF.get(dtype)
    if real is not None:
        return _complex_from_parts(uniform(generator, 2 * _size(shape), real, low, high), dtype, shape)
    if dtype not in _DIGITS:
        raise _not_implemented("check_uniform_bounds", dtype)
    _check_uniform_bounds(dtype, low, high)
    size = _size(shape)
    if dtype == F64:
        values: Array = generator.units64(size)
        if low != 0.0 or high != 1.0:
            values = fused64(values, high - low, low)
    else:
        values = generator.units32(size)
        if low != 0.0 or high != 1.0:
            span = float(np.float32(high) - np.float32(low))
            # The product counts in steps of span * 2**-47 and no sum exceeds 16 spans: 52 bits hold them all.
            exact = max(abs(low), abs(high)) <= 16.0 * span
            values = fused32(values, span, low, exact_in_float64=exact)
        values = _narrowed(values, dtype)
    # Rounding can end on `high`, which the interval excludes: PyTorch gives `low` then.
    top = _narrowed(np.array(high), dtype)
    ends = values == top
    if np.count_nonzero(ends):
        values[ends] = _narrowed(np.array(low), dtype)
    return values.reshape(shape)


def _check_uniform_bounds(dtype: NumpyDType, low: float, high: float) -> None:
    largest = _LARGEST[dtype]
    name, c_name = _NAMES[dtype]
    for bound, value in (("from", low), ("to", high)):
        if not -largest <= value <= largest:
            raise RuntimeError(f"{bound} is out of bounds for {c_name}")
    if low > high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}"
        )
    if high - low > largest:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{name}>::max(), but found to={high:g} "
            f"and from={low:g} which result in to-from to exceed the limit"
        )


def normal(
    generator: Generator,
    shape: Shape,
    dtype: NumpyDType = F32,
    mean: float = 0.0,
    std: float = 1.0,
    contiguous: bool = True,
) -> Array:
    """Normal numbers: ``randn`` and ``normal_``. Both parts of complex ones have ``std / sqrt(2)``.

    ``contiguous`` says whether the tensor that they are for is contiguous: PyTorch fills others, and those of
    fewer than 16 elements, number by number, which draws from another part of the stream.

    Raises ``NotImplementedError`` for a dtype that is not floating, ``RuntimeError`` for a negative ``std``.

    Example:
        >>> from rushlight.core.generator import Generator
        >>> from rushlight.core.random_streams import normal
        >>> normal(Generator().manual_seed(0), 1).tolist()
        [1.5409960746765137]
    """
    if not std >= 0.0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    real = _REAL_OF.get(dtype)
    size = _size(shape)
    if real is not None:
        parts = normal(generator, 2 * size, real, mean, std / math.sqrt(2.0), contiguous)
        return _complex_from_parts(parts, dtype, shape)
    if dtype not in _DIGITS:
        raise _not_implemented("normal_kernel_cpu", dtype)
    if size < _VECTOR or not contiguous:
        serial = np.array(generator.serial_normals(size), F64)
        return _narrowed(fused64(serial, std, mean), dtype).reshape(shape)
    if dtype == F64:
        return fused64(_vector_normals64(generator, size), std, mean).reshape(shape)
    values = _vector_normals32(generator, size, tail_after_all=dtype == F32)
    return _narrowed(fused32(values, std, mean), dtype).reshape(shape)


def _tail_last(numbers: Array, size: int, tail_start: int) -> Array:
    """Whole blocks of 16 for ``size`` normals from the drawn ``numbers``, shape ``(blocks, 16)``.

    Where ``size`` is no multiple of 16, PyTorch makes the last 16 normals again from 16 more draws.
    """
    whole = size // _VECTOR * _VECTOR
    if whole == size:
        return numbers.reshape(-1, _VECTOR)
    blocks = np.empty(whole + _VECTOR, numbers.dtype)
    blocks[:whole] = numbers[:whole]
    blocks[whole:] = numbers[tail_start:]
    return blocks.reshape(-1, _VECTOR)


def _without_overlap(blocks: Array, size: int) -> Array:
    """The ``size`` normals that blocks of ``_tail_last`` made."""
    normals = blocks.reshape(-1)
    if normals.size == size:
        return normals
    values = np.empty(size, normals.dtype)
    values[: normals.size - _VECTOR] = normals[:-_VECTOR]
    values[size - _VECTOR :] = normals[-_VECTOR:]
    return values


def _vector_normals32(generator: Generator, size: int, tail_after_all: bool) -> NDArray[np.float32]:
    # float32 draws `size` numbers and then the tail's; the 16-bit types draw nothing for a started block.
    tail_start = size if tail_after_all else size // _VECTOR * _VECTOR
    bits = generator.take(tail_start + _VECTOR if size % _VECTOR else size)
    return _without_overlap(standard_normals(_tail_last(bits, size, tail_start)), size)


def _vector_normals64(generator: Generator, size: int) -> NDArray[np.float64]:
    units = generator.units64(size + _VECTOR if size % _VECTOR else size)
    blocks = _tail_last(units, size, size)
    normals = np.empty(blocks.shape)
    for start in range(0, blocks.shape[0], _BLOCKS_AT_ONCE):
        some = blocks[start : start + _BLOCKS_AT_ONCE]
        radii = np.sqrt(-2.0 * _each(math.log, (1.0 - some[:, :8]).reshape(-1))).reshape(-1, 8)
        # NumPy passes a complex exponential to the C library too: exp(0) = 1 times its own cosine and sine.
        angles = np.zeros(some[:, 8:].shape, np.complex128)
        np.multiply(some[:, 8:], 2.0 * math.pi, angles.imag)
        turned = np.exp(angles)
        np.multiply(radii, turned.real, normals[start : start + _BLOCKS_AT_ONCE, :8])
        np.multiply(radii, turned.imag, normals[start : start + _BLOCKS_AT_ONCE, 8:])
    return _without_overlap(normals, size)


def normal_from_arrays(generator: Generator, mean: Array | float, std: Array | float) -> Array:
    """``torch.normal`` with an array of means, of standard deviations, or of both (broadcast).

    The dtype is the means' where they are an array, else the deviations'. Raises ``RuntimeError`` for a negative
    or complex deviation.

    Example:
        >>> import numpy as np
        >>> from rushlight.core.generator import Generator
        >>> from rushlight.core.random_streams import normal_from_arrays
        >>> normal_from_arrays(Generator().manual_seed(0), 10.0, np.float32([0.0])).tolist()
        [10.0]
    """
    if isinstance(std, np.ndarray):
        if std.dtype.kind == "c":
            raise RuntimeError("normal expects standard deviation to be non-complex")
        if std.size and not std.min() >= 0:
            raise RuntimeError("normal expects all elements of std >= 0.0")
    if isinstance(mean, np.ndarray):
        dtype = mean.dtype
        if not isinstance(std, np.ndarray):
            shifted: Array = np.add(normal(generator, mean.shape, dtype, 0.0, std), mean)
            return shifted
        shape = np.broadcast_shapes(mean.shape, std.shape)
    elif isinstance(std, np.ndarray):
        dtype, shape = std.dtype, std.shape
    else:
        raise TypeError("normal_from_arrays: mean and std are both numbers; use normal for those")
    scaled = (normal(generator, shape, dtype) * std).astype(dtype, copy=False)
    moved: Array = np.add(scaled, mean if isinstance(mean, np.ndarray) else dtype.type(mean))
    return moved.astype(dtype, copy=False)


# Integers


def random_integers(generator: Generator, shape: Shape, dtype: NumpyDType, low: int, high: int) -> Array:
    """Whole numbers in [low, high): ``randint`` and ``random_(from, to)``, for integer, bool and float dtypes.

    A range of 2**28 and more takes 64-bit draws. Raises ``RuntimeError`` for an empty range or one that the dtype
    can't hold; warns, as PyTorch does, where a float dtype skips whole numbers of the range.

    Example:
        >>> import numpy as np
        >>> from rushlight.core.generator import Generator
        >>> from rushlight.core.random_streams import random_integers
        >>> random_integers(Generator().manual_seed(0), 5, np.dtype(np.int64), 0, 10).tolist()
        [4, 9, 3, 0, 3]
    """
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if dtype in _DIGITS:
        low, high = _representable_from(dtype, low), _representable_to(dtype, high)
        if low >= high:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, "
                f"but got from={low} >= to={high}"
            )
    _check_integer_bounds(dtype, low, high - 1)
    return _integers(generator, _size(shape), dtype, low, high - low).reshape(shape)


def random_integers_from(generator: Generator, shape: Shape, dtype: NumpyDType, low: int) -> Array:
    """``random_(from, None)``: whole numbers from ``low`` to the largest that the dtype has.

    For a float dtype that is the last before it skips whole numbers. From -2**63 all 64 bits are used.
    """
    if low == -(2**63):
        if dtype != I64 and dtype not in (F32, F64, BF16):
            if dtype == F16:
                raise _not_implemented("random_full_64_bits_range_kernel_cpu", dtype)
            raise RuntimeError(
                "random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16"
            )
        return _narrowed_integers(generator.take64(_size(shape)).view(np.int64), dtype).reshape(shape)
    if dtype in _DIGITS:
        low, last = _representable_from(dtype, low), 2 ** _DIGITS[dtype]
        if low >= last:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to dtype, "
                f"but got from={low} > to_inc={last}"
            )
    else:
        last = 1 if dtype == BOOL else _integer_limits(dtype)[1]
    _check_integer_bounds(dtype, low, last)
    return _integers(generator, _size(shape), dtype, low, last - low + 1).reshape(shape)


def random_integers_default(generator: Generator, shape: Shape, dtype: NumpyDType) -> Array:
    """``random_()``: from 0 to the dtype's largest whole number; for a float dtype to 2 to its digits.

    Example:
        >>> import numpy as np
        >>> from rushlight.core.generator import Generator
        >>> from rushlight.core.random_streams import random_integers_default
        >>> random_integers_default(Generator().manual_seed(0), 3, np.dtype(np.int8)).tolist()
        [44, 47, 117]
    """
    size = _size(shape)
    if dtype in (I64, F64):
        last = 2**63 - 1 if dtype == I64 else 2**53
        numbers = generator.take64(size)
        return _narrowed_integers((numbers % np.uint64(last + 1)).view(np.int64), dtype).reshape(shape)
    if dtype in _DIGITS:
        last = 2 ** _DIGITS[dtype]
    elif dtype.kind not in "biu":
        raise _not_implemented("random_kernel_cpu", dtype)
    else:
        last = 1 if dtype == BOOL else _integer_limits(dtype)[1]
    bits = generator.take(size)
    return _narrowed_integers((bits % np.uint32(last + 1)).astype(I64), dtype).reshape(shape)


def _integers(generator: Generator, size: int, dtype: NumpyDType, low: int, span: int) -> Array:
    if span < 1 << 28:
        numbers = np.remainder(generator.take(size), np.array(span, np.uint32)).astype(I64)
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
    return _narrowed(numbers, dtype) if dtype in _DIGITS else numbers.astype(dtype)


def _integer_limits(dtype: NumpyDType) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def _check_integer_bounds(dtype: NumpyDType, low: int, last: int) -> None:
    c_name = _NAMES[dtype][1] if dtype in _NAMES else str(dtype)
    bounds = (("from", low), ("to - 1", last))
    if dtype in _DIGITS:
        largest, digits = _LARGEST[dtype], _DIGITS[dtype]
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
    if abs(value) > _LARGEST[dtype]:  # left for the bounds check to report
        return value
    return int(_narrowed(np.array([value], I64), dtype)[0])


def _gap_above(dtype: NumpyDType, value: int) -> int:
    """The distance between neighbours of ``dtype`` near ``value`` (0 and 1 count as 1)."""
    exponent = max(abs(value).bit_length() - 1, 0)
    return 1 << max(exponent - _DIGITS[dtype] + 1, 0)


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
        >>> from rushlight.core.random_streams import permutation
        >>> permutation(Generator().manual_seed(0), 4).tolist()
        [2, 0, 1, 3]
    """
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    if dtype in _DIGITS:
        if dtype != BF16 and n > 2 ** _DIGITS[dtype] + 1:
            raise RuntimeError(f"n cannot be greater than 2^{_DIGITS[dtype]}+1 for {_NAMES[dtype][0]} type.")
    elif dtype.kind not in "iu":
        raise _not_implemented("randperm", dtype)
    elif n - 1 > _integer_limits(dtype)[1]:
        raise RuntimeError(f"randperm: value {n} cannot be converted to type {dtype}_t without overflow")
    if n >= _LARGE_PERMUTATION:
        return _large_permutation(generator, n).astype(dtype, copy=False)
    steps = max(n - 1, 0)
    distances = np.remainder(generator.take(steps), np.arange(n, n - steps, -1, dtype=np.uint32))
    order = list(range(n))
    for i, place in enumerate(np.add(distances, np.arange(steps)).tolist()):
        order[i], order[place] = order[place], order[i]
    return _narrowed_integers(np.array(order, I64), dtype)


def _large_permutation(generator: Generator, n: int) -> NDArray[np.int64]:
    """The shuffle that PyTorch uses where 32-bit draws would favour some places: inside out, 64 bits a step."""
    shuffled = np.empty(n, I64)
    order = memoryview(shuffled)  # reads and writes a number faster than the array
    with generator.lock:
        for start in range(0, n, _PIECE):
            bounds = np.arange(start + 1, min(start + _PIECE, n) + 1, dtype=np.uint64)
            words = words64(generator.take_unlocked(2 * bounds.size))
            for i, place in enumerate(np.remainder(words, bounds).tolist(), start):
                order[i] = order[place]
                order[place] = i
    return shuffled


# Other distributions


def _near_float32_border(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where an error of 16 units in the last place can change the float32 to which a float64 is rounded."""
    dropped = np.bitwise_and(values.view(np.int64), (1 << 29) - 1)
    np.subtract(dropped, (1 << 28) - 16, dropped)
    return np.less_equal(dropped.view(np.uint64), 32)


def exponential(generator: Generator, shape: Shape, dtype: NumpyDType = F32, rate: float = 1.0) -> Array:
    """Exponential numbers of the given rate: ``exponential_``.

    Raises ``RuntimeError`` for an integer dtype and for a rate that is not positive.

    Example:
        >>> from rushlight.core.generator import Generator
        >>> from rushlight.core.random_streams import exponential
        >>> exponential(Generator().manual_seed(0), 1).tolist()
        [1.460637092590332]
    """
    if dtype not in _DIGITS:
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. "
            f"dtype must be a floating point but you specified {_NAMES[dtype][0]}"
        )
    if not rate > 0.0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={rate:g}")
    units = np.negative(generator.units64(_size(shape)))
    scale = -1.0 / rate
    if dtype == F64:
        return np.multiply(_each(math.log1p, units), scale).reshape(shape)
    # NumPy's logarithm is fast, and its error reaches a float32 only next to a border between two of them.
    values = np.multiply(np.log1p(units), scale)
    uncertain = np.flatnonzero(_near_float32_border(values))
    values[uncertain] = _each(math.log1p, units[uncertain]) * scale
    return _narrowed(values, dtype).reshape(shape)


def bernoulli(generator: Generator, shape: Shape, dtype: NumpyDType, p: float) -> Array:
    """1 with probability ``p``, else 0: ``bernoulli_(p)``, a float64 draw for each.

    Raises ``RuntimeError`` where ``p`` is outside [0, 1], ``NotImplementedError`` for a complex dtype.

    Example:
        >>> import numpy as np
        >>> from rushlight.core.generator import Generator
        >>> from rushlight.core.random_streams import bernoulli
        >>> bernoulli(Generator().manual_seed(0), 4, np.dtype(np.float32), 0.5).tolist()
        [0.0, 1.0, 1.0, 0.0]
    """
    if not 0.0 <= p <= 1.0:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
    if dtype in _REAL_OF:
        raise _not_implemented("bernoulli_scalar_cpu_", dtype)
    return (generator.units64(_size(shape)) < p).astype(dtype, copy=False).reshape(shape)


def bernoulli_from_array(generator: Generator, p: Array, dtype: NumpyDType | None = None) -> Array:
    """1 with the probabilities ``p``: ``torch.bernoulli(p)``; a float64 draw for a float64 ``p``, else a float32 one.

    Raises ``RuntimeError`` where a probability is outside [0, 1], ``NotImplementedError`` where ``p`` is no float.
    """
    if p.dtype not in _DIGITS:
        raise _not_implemented("bernoulli_tensor_cpu_p_", p.dtype)
    if p.size and not (p.min() >= 0 and p.max() <= 1):
        raise RuntimeError(
            "Expected p_in >= 0 && p_in <= 1 to be true: bernoulli needs probabilities in [0, 1]"
        )
    if p.dtype == F64:
        ones = generator.units64(p.size).reshape(p.shape) < p
    else:
        ones = generator.units32(p.size).reshape(p.shape) < p.astype(F32, copy=False)
    return ones.astype(p.dtype if dtype is None else dtype, copy=False)


def dropout_noise(generator: Generator, shape: Shape, dtype: NumpyDType, p: float) -> Array:
    """What dropout multiplies its input by: 1 / (1 - p) with probability 1 - p, else 0.

    With ``p`` 0 or 1 nothing is drawn. Raises ``ValueError`` where ``p`` is outside [0, 1].
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if p in (0.0, 1.0):
        return np.full(shape, 1.0 - p).astype(dtype)
    kept = generator.units64(_size(shape)) < 1.0 - p
    computed = F64 if dtype == F64 else F32
    scale = _narrowed(np.ones(1, computed) / computed.type(1.0 - p), dtype)
    return np.multiply(kept, scale, dtype=dtype).reshape(shape)


def geometric(generator: Generator, shape: Shape, dtype: NumpyDType, p: float) -> Array:
    """How many trials of probability ``p`` until the first success: ``geometric_``.

    Raises ``RuntimeError`` where ``p`` is not inside (0, 1), ``NotImplementedError`` for bool and complex.
    """
    if not 0.0 < p < 1.0:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    if dtype == BOOL or dtype in _REAL_OF:
        raise _not_implemented("geometric_cpu", dtype)
    units = generator.units64(_size(shape))
    logs = _each(lambda u: math.log(u) if u else -math.inf, units)
    return _narrowed(np.ceil(logs / math.log1p(-p)), dtype).reshape(shape)


def log_normal(
    generator: Generator, shape: Shape, dtype: NumpyDType = F32, mean: float = 1.0, std: float = 2.0
) -> Array:
    """Numbers whose logarithm is normal: ``log_normal_``.

    Raises ``RuntimeError`` for a ``std`` that is not positive, ``NotImplementedError`` for a dtype that is not real
    floating.
    """
    if not std > 0.0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    if dtype not in _DIGITS:
        raise _not_implemented("log_normal_cpu", dtype)
    exponents = fused64(np.array(generator.serial_normals(_size(shape)), F64), std, mean)
    return _narrowed(_each(_exp, exponents), dtype).reshape(shape)


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def cauchy(
    generator: Generator, shape: Shape, dtype: NumpyDType = F32, median: float = 0.0, sigma: float = 1.0
) -> Array:
    """Cauchy numbers: ``cauchy_``. Raises ``RuntimeError`` for an integer dtype or a ``sigma`` that is not positive."""
    if dtype not in _DIGITS:
        raise RuntimeError(
            "Cauchy distribution is a continuous probability distribution. "
            f"dtype must be a floating point but you specified {_NAMES[dtype][0]}"
        )
    if not sigma > 0.0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    tangents = _each(math.tan, math.pi * (generator.units64(_size(shape)) - 0.5))
    return _narrowed(fused64(tangents, sigma, median), dtype).reshape(shape)


def poisson(generator: Generator, rates: Array) -> Array:
    """A Poisson number for each rate, in the rates' dtype: ``torch.poisson``.

    Raises ``RuntimeError`` for a negative rate, ``NotImplementedError`` where the rates are no floats.

    Source: for rates from 10 on W. Hoermann, "The transformed rejection method for generating Poisson random
    variables", 1993; below, D. Knuth's products of uniforms.
    """
    if rates.dtype not in _DIGITS:
        raise _not_implemented("poisson_cpu", rates.dtype)
    if rates.size and (rates < 0).any():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    with generator.lock:
        draw = generator.units64_unlocked().__next__
        counts = [
            0.0 if rate == 0.0 else _poisson_large(draw, rate) if rate >= 10.0 else _poisson_small(draw, rate)
            for rate in rates.reshape(-1).tolist()
        ]
    return _narrowed(np.array(counts, F64), rates.dtype).reshape(rates.shape)


def _poisson_small(draw: Callable[[], float], rate: float) -> float:
    limit = math.exp(-rate)
    count = 0
    product = draw()
    while product > limit:
        count += 1
        product *= draw()
    return float(count)


def _poisson_large(draw: Callable[[], float], rate: float) -> float:
    log_rate = math.log(rate)
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    sure = 0.9277 - 3.6224 / (b - 2)
    while True:
        u = draw() - 0.5
        v = draw()
        distance = 0.5 - abs(u)
        if distance == 0.0:  # a draw of exactly 0: infinitely far out, never accepted
            continue
        count = math.floor((2 * a / distance + b) * u + rate + 0.43)
        if distance >= 0.07 and v <= sure:
            return float(count)
        if count < 0 or (distance < 0.013 and v > distance):
            continue
        bound = -rate + count * log_rate - math.lgamma(count + 1)
        accepted = math.log(v) if v else -math.inf
        if accepted + math.log(inverse_alpha) - math.log(a / (distance * distance) + b) <= bound:
            return float(count)


def multinomial(
    generator: Generator, weights: Array, count: int, replacement: bool = False
) -> NDArray[np.int64]:
    """``count`` category numbers for each row of ``weights`` (1-D or 2-D): ``torch.multinomial``.

    Raises ``RuntimeError`` for weights that are no floats, negative, not finite or all zero in a row, for a
    ``count`` below 1, and without replacement for one above the number of categories.

    Example:
        >>> import numpy as np
        >>> from rushlight.core.generator import Generator
        >>> from rushlight.core.random_streams import multinomial
        >>> multinomial(Generator().manual_seed(0), np.float32([0, 3, 1]), 4, True).tolist()
        [1, 1, 1, 1]
    """
    dtype = weights.dtype
    if dtype not in _DIGITS:
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {_NAMES[dtype][0]}"
        )
    if weights.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    categories = weights.shape[-1]
    if count <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and count > categories:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    if categories > 2**24:
        raise RuntimeError("number of categories cannot exceed 2^24")
    rows = weights.reshape(-1, categories)
    if rows.size == 0:
        return np.zeros((*weights.shape[:-1], count), np.int64)
    if not (np.isfinite(rows).all() and (rows >= 0).all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if not (rows > 0).any(axis=1).all():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    if replacement:
        chosen = _with_replacement(generator, rows, count)
    else:
        chosen = _without_replacement(generator, rows, count)
    return chosen.reshape(*weights.shape[:-1], count)


def _with_replacement(generator: Generator, rows: Array, count: int) -> NDArray[np.int64]:
    units = generator.units64(rows.shape[0] * count).reshape(-1, count)
    chosen = np.empty(units.shape, np.int64)
    computed = rows.dtype if rows.dtype == F64 else F32
    sums = np.cumsum(rows.astype(computed), axis=1, dtype=computed)
    for row, (row_sums, row_units) in enumerate(zip(sums, units, strict=True)):
        chosen[row] = np.searchsorted((row_sums / row_sums[-1]).astype(F64), row_units)
    return chosen


def _without_replacement(generator: Generator, rows: Array, count: int) -> NDArray[np.int64]:
    """The largest of weight / exponential number, largest first (an exponential race)."""
    times = exponential(generator, rows.shape, rows.dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        speeds = rows / times
    if count == 1:
        winners: NDArray[np.int64] = np.argmax(speeds, axis=1, keepdims=True)
        return winners
    order: NDArray[np.int64] = np.argsort(-speeds, axis=1, kind="stable")
    return order[:, :count]


# Tensors that are not contiguous


def axes_in_memory_order(array: Array) -> tuple[int, ...]:
    """The array's axes from the longest stride to the shortest: PyTorch fills tensors in this order.

    Example:
        >>> import numpy as np
        >>> from rushlight.core.random_streams import axes_in_memory_order
        >>> axes_in_memory_order(np.zeros((2, 3)).T)
        (1, 0)
    """
    strides = array.strides
    return tuple(sorted(range(array.ndim), key=lambda axis: -strides[axis]))


def fill_in_memory_order(target: Array, values: Array) -> None:
    """Write ``values``, in the order in which they were drawn, into ``target`` as PyTorch's in-place functions do.

    Example:
        >>> import numpy as np
        >>> from rushlight.core.random_streams import fill_in_memory_order
        >>> target = np.zeros((2, 2)).T
        >>> fill_in_memory_order(target, np.arange(4))
        >>> target.tolist()
        [[0.0, 2.0], [1.0, 3.0]]
    """
    ordered = target.transpose(axes_in_memory_order(target))
    ordered[...] = values.reshape(ordered.shape)
