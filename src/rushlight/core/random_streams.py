"""PyTorch's CPU random functions on NumPy arrays: for the same generator state, the same numbers.

Every function takes a generator and a shape (or a size) and returns a new C-contiguous array. What agrees with
PyTorch to the last bit, and what can't, is in docs/design/random.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from . import native_draws
from .box_muller import standard_normals
from .dtypes import BOOL, F32, F64, NumpyDType
from .fused_multiply_add import fused32, fused64
from .generator import Generator
from .random_dtypes import DIGITS, LARGEST, NAMES, REAL_OF, Array, Shape, narrowed, not_implemented, size_of
from .random_integers import permutation, random_integers, random_integers_default, random_integers_from

__all__ = [
    "axes_in_memory_order",
    "bernoulli",
    "bernoulli_from_array",
    "cauchy",
    "dropout_noise",
    "exponential",
    "fill_in_memory_order",
    "geometric",
    "log_normal",
    "multinomial",
    "normal",
    "normal_from_arrays",
    "permutation",
    "poisson",
    "random_integers",
    "random_integers_default",
    "random_integers_from",
    "truncated_normal",
    "uniform",
]

_VECTOR: Final = 16  # normals are made sixteen at a time
_BLOCKS_AT_ONCE: Final = 1024
_SHORT: Final = 512  # numbers: up to here normals are made for what follows too
_ZERO: Final = np.array(0.0)
_COMPARED_AT_ONCE: Final = 1 << 18  # numbers: a search in each row costs as much as to compare a few thousand


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
    if (dtype is F32 or dtype == F32) and low == 0.0 and high == 1.0:
        return generator.units32(size_of(shape)).reshape(shape)
    real = REAL_OF.get(dtype)
    if real is not None:
        return _complex_from_parts(uniform(generator, 2 * size_of(shape), real, low, high), dtype, shape)
    if dtype not in DIGITS:
        raise not_implemented("check_uniform_bounds", dtype)
    check_uniform_bounds(dtype, low, high)
    size = size_of(shape)
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
        values = narrowed(values, dtype)
    # Rounding can end on `high`, which the interval excludes: PyTorch gives `low` then.
    top = np.float32(high) if dtype == F32 else narrowed(np.array(high), dtype)
    ends = values == top
    if np.count_nonzero(ends):
        values[ends] = narrowed(np.array(low), dtype)
    return values.reshape(shape)


def check_uniform_bounds(dtype: NumpyDType, low: float, high: float) -> None:
    largest = LARGEST[dtype]
    name, c_name = NAMES[dtype]
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
    real = REAL_OF.get(dtype)
    size = size_of(shape)
    if real is not None:
        parts = normal(generator, 2 * size, real, mean, std / math.sqrt(2.0), contiguous)
        return _complex_from_parts(parts, dtype, shape)
    if dtype not in DIGITS:
        raise not_implemented("normal_kernel_cpu", dtype)
    if size < _VECTOR or not contiguous:
        serial = np.array(generator.serial_normals(size), F64)
        if std == 1.0 and mean == 0.0:
            np.add(serial, _ZERO, serial)  # -0 becomes 0
        else:
            serial = fused64(serial, std, mean)
        return narrowed(serial, dtype).reshape(shape)
    if dtype == F64:
        return fused64(_vector_normals64(generator, size), std, mean).reshape(shape)
    values = _vector_normals32(generator, size, tail_after_all=dtype == F32)
    return narrowed(fused32(values, std, mean), dtype).reshape(shape)


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


def _normals_of_bits(bits: NDArray[np.uint32]) -> NDArray[np.float32]:
    # Box-Muller takes NumPy as long as so many draws.
    native = native_draws.found(10 * bits.size + 15_000)
    made: NDArray[np.float32] = (standard_normals if native is None else native.normals)(bits)
    return made


def _vector_normals32(generator: Generator, size: int, tail_after_all: bool) -> NDArray[np.float32]:
    if size <= _SHORT and not size % _VECTOR:
        normals = generator.block_normals(size, _normals_of_bits)
        if normals is not None:
            return normals
    # float32 draws `size` numbers and then the tail's; the 16-bit types draw nothing for a started block.
    tail_start = size if tail_after_all else size // _VECTOR * _VECTOR
    bits = generator.take(tail_start + _VECTOR if size % _VECTOR else size)
    return _without_overlap(_normals_of_bits(_tail_last(bits, size, tail_start)), size)


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


def truncated_normal(
    generator: Generator,
    shape: Shape,
    dtype: NumpyDType = F32,
    mean: float = 0.0,
    std: float = 1.0,
    low: float = -2.0,
    high: float = 2.0,
    contiguous: bool = True,
) -> Array:
    """Normal numbers between ``low`` and ``high``: ``nn.init.trunc_normal_``, by rejection.

    Where at least three of ten normal numbers fall between the bounds, normals are proposed, else uniform numbers.
    Every round proposes for all elements and keeps what is still missing.

    Raises ``ValueError`` where ``mean`` or ``std`` is not finite or the bounds are too far out for rejection,
    ``ZeroDivisionError`` for ``std`` 0, and what ``normal`` and ``uniform`` raise.

    Example:
        >>> from rushlight.core.generator import Generator
        >>> from rushlight.core.random_streams import truncated_normal
        >>> truncated_normal(Generator().manual_seed(0), 2, low=0.0, high=1.0).tolist()
        [0.40334683656692505, 0.5684312582015991]
    """
    if not (math.isfinite(mean) and math.isfinite(std)):
        raise ValueError(f"trunc_normal_: mean {mean} and std {std} must be finite")
    first, last = (low - mean) / std, (high - mean) / std
    likely = math.erf(last / math.sqrt(2.0)) - math.erf(first / math.sqrt(2.0)) >= 0.6
    # The density is compared with its maximum between the bounds.
    peak = 0.0 if first <= 0.0 <= last else first if first > 0.0 else last
    if abs(peak) * abs(last - first) > 1e7:  # about as many rounds as this would be needed
        raise ValueError(
            f"trunc_normal_: the bounds [{low}, {high}] are {abs(peak):g} standard deviations from the mean and "
            f"{abs(last - first):g} apart; give bounds nearer to the mean"
        )
    values = np.zeros(size_of(shape), dtype)
    missing = np.ones(values.size, np.bool_)
    while missing.any():
        if likely:
            proposed = normal(generator, values.size, dtype, mean, std, contiguous)
            accepted = (proposed >= low) & (proposed <= high)
        else:
            proposed = uniform(generator, values.size, dtype, low, high)
            below_peak = _half_distance_to_peak(proposed, mean, std, peak)
            with np.errstate(divide="ignore"):  # a draw of exactly 0 is accepted
                accepted = np.log(uniform(generator, values.size, dtype)) <= below_peak
        taken = missing & accepted
        values[taken] = proposed[taken]
        missing &= ~accepted
    return values.reshape(shape)


def _half_distance_to_peak(x: Array, mean: float, std: float, peak: float) -> Array:
    """``(peak**2 - z**2) / 2`` for ``z = (x - mean) / std``, rounded to x's dtype after every step."""
    number = F64.type if x.dtype == F64 else F32.type  # a Python number keeps this much next to a 16-bit type
    for step in (
        lambda z: np.subtract(z, number(mean)),
        lambda z: np.divide(z, number(std)),
        lambda z: np.multiply(z, z),
        lambda z: np.subtract(number(peak * peak), z),
    ):
        x = narrowed(step(x.astype(number, copy=False)), x.dtype)  # type: ignore[no-untyped-call]
    halved: Array = np.multiply(x, x.dtype.type(0.5))
    return halved


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
        [3.508326292037964]
    """
    if dtype not in DIGITS:
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. "
            f"dtype must be a floating point but you specified {NAMES[dtype][0]}"
        )
    if not rate > 0.0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={rate:g}")
    units = np.negative(generator.units64(size_of(shape)))
    scale = -1.0 / rate
    if dtype == F64:
        return np.multiply(_each(math.log1p, units), scale).reshape(shape)
    # NumPy's logarithm is fast, and its error reaches a float32 only next to a border between two of them.
    values = np.multiply(np.log1p(units), scale)
    uncertain = np.flatnonzero(_near_float32_border(values))
    values[uncertain] = _each(math.log1p, units[uncertain]) * scale
    return narrowed(values, dtype).reshape(shape)


def bernoulli(generator: Generator, shape: Shape, dtype: NumpyDType, p: float) -> Array:
    """1 with probability ``p``, else 0: ``bernoulli_(p)``, a float64 draw for each.

    Raises ``RuntimeError`` where ``p`` is outside [0, 1], ``NotImplementedError`` for a complex dtype.

    Example:
        >>> import numpy as np
        >>> from rushlight.core.generator import Generator
        >>> from rushlight.core.random_streams import bernoulli
        >>> bernoulli(Generator().manual_seed(0), 4, np.dtype(np.float32), 0.5).tolist()
        [0.0, 0.0, 1.0, 0.0]
    """
    if not 0.0 <= p <= 1.0:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
    if dtype in REAL_OF:
        raise not_implemented("bernoulli_scalar_cpu_", dtype)
    return (generator.units64(size_of(shape)) < p).astype(dtype, copy=False).reshape(shape)


def bernoulli_from_array(generator: Generator, p: Array, dtype: NumpyDType | None = None) -> Array:
    """1 with the probabilities ``p``: ``torch.bernoulli(p)``; a float64 draw for a float64 ``p``, else a float32 one.

    Raises ``RuntimeError`` where a probability is outside [0, 1], ``NotImplementedError`` where ``p`` is no float.
    """
    if p.dtype not in DIGITS:
        raise not_implemented("bernoulli_tensor_cpu_p_", p.dtype)
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
    kept = generator.units64(size_of(shape)) < 1.0 - p
    computed = F64 if dtype == F64 else F32
    scale = np.asarray(computed.type(1.0) / computed.type(1.0 - p))
    noise: Array = np.multiply(kept, scale if dtype == computed else narrowed(scale, dtype))
    return noise.reshape(shape)


def geometric(generator: Generator, shape: Shape, dtype: NumpyDType, p: float) -> Array:
    """How many trials of probability ``p`` until the first success: ``geometric_``.

    Raises ``RuntimeError`` where ``p`` is not inside (0, 1), ``NotImplementedError`` for bool and complex.
    """
    if not 0.0 < p < 1.0:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    if dtype == BOOL or dtype in REAL_OF:
        raise not_implemented("geometric_cpu", dtype)
    units = generator.units64(size_of(shape))
    logs = _each(lambda u: math.log(u) if u else -math.inf, units)
    return narrowed(np.ceil(logs / math.log1p(-p)), dtype).reshape(shape)


def log_normal(
    generator: Generator, shape: Shape, dtype: NumpyDType = F32, mean: float = 1.0, std: float = 2.0
) -> Array:
    """Numbers whose logarithm is normal: ``log_normal_``.

    Raises ``RuntimeError`` for a ``std`` that is not positive, ``NotImplementedError`` for a dtype that is not real
    floating.
    """
    if not std > 0.0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    if dtype not in DIGITS:
        raise not_implemented("log_normal_cpu", dtype)
    exponents = fused64(np.array(generator.serial_normals(size_of(shape)), F64), std, mean)
    return narrowed(_each(_exp, exponents), dtype).reshape(shape)


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def cauchy(
    generator: Generator, shape: Shape, dtype: NumpyDType = F32, median: float = 0.0, sigma: float = 1.0
) -> Array:
    """Cauchy numbers: ``cauchy_``. Raises ``RuntimeError`` for an integer dtype or a ``sigma`` that is not positive."""
    if dtype not in DIGITS:
        raise RuntimeError(
            "Cauchy distribution is a continuous probability distribution. "
            f"dtype must be a floating point but you specified {NAMES[dtype][0]}"
        )
    if not sigma > 0.0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    tangents = _each(math.tan, math.pi * (generator.units64(size_of(shape)) - 0.5))
    return narrowed(fused64(tangents, sigma, median), dtype).reshape(shape)


def poisson(generator: Generator, rates: Array) -> Array:
    """A Poisson number for each rate, in the rates' dtype: ``torch.poisson``.

    Raises ``RuntimeError`` for a negative rate, ``NotImplementedError`` where the rates are no floats.

    Source: for rates from 10 on W. Hoermann, "The transformed rejection method for generating Poisson random
    variables", 1993; below, D. Knuth's products of uniforms.
    """
    if rates.dtype not in DIGITS:
        raise not_implemented("poisson_cpu", rates.dtype)
    if rates.size and (rates < 0).any():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    with generator.lock:
        draw = generator.units64_unlocked().__next__
        counts = [
            0.0 if rate == 0.0 else _poisson_large(draw, rate) if rate >= 10.0 else _poisson_small(draw, rate)
            for rate in rates.reshape(-1).tolist()
        ]
    return narrowed(np.array(counts, F64), rates.dtype).reshape(rates.shape)


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
        [2, 1, 1, 2]
    """
    dtype = weights.dtype
    if dtype not in DIGITS:
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {NAMES[dtype][0]}"
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
    if replacement and count > 1:  # for a single one PyTorch takes the other way
        chosen = _with_replacement(generator, rows, count)
    else:
        chosen = _without_replacement(generator, rows, count)
    return np.ascontiguousarray(chosen).reshape(*weights.shape[:-1], count)


def _with_replacement(generator: Generator, rows: Array, count: int) -> NDArray[np.int64]:
    units = generator.units64(rows.shape[0] * count).reshape(-1, count)
    chosen = np.empty(units.shape, np.int64)
    computed = rows.dtype if rows.dtype == F64 else F32
    sums = np.cumsum(rows.astype(computed), axis=1, dtype=computed)
    if (
        units.size * rows.shape[1] <= _COMPARED_AT_ONCE and len(rows) > 1
    ):  # what the searches below find, row by row
        chances = (sums / sums[:, -1:]).astype(F64)
        np.sum(chances[:, None] < units[:, :, None], 2, out=chosen)
        return chosen
    for row, (row_sums, row_units) in enumerate(zip(sums, units, strict=True)):
        chosen[row] = np.searchsorted((row_sums / row_sums[-1]).astype(F64), row_units)
    return chosen


def _without_replacement(generator: Generator, rows: Array, count: int) -> NDArray[np.int64]:
    """The largest of weight / exponential number, largest first (an exponential race)."""
    times = exponential(generator, rows.shape, rows.dtype)
    if not rows.flags.c_contiguous and 0 not in rows.strides:
        # PyTorch fills a tensor laid out as the weights are
        laid_out = np.empty_like(rows)
        fill_in_memory_order(laid_out, times)
        times = laid_out
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


def arranged_in_memory_order(like: Array, values: Array) -> Array:
    """``values``, in the order in which they were drawn, as an array that lies in memory as ``like`` does (without gaps).

    Example:
        >>> import numpy as np
        >>> from rushlight.core.random_streams import arranged_in_memory_order
        >>> arranged_in_memory_order(np.zeros((2, 2)).T, np.arange(4)).tolist()
        [[0, 2], [1, 3]]
    """
    axes = axes_in_memory_order(like)
    places = [axes.index(axis) for axis in range(like.ndim)]
    return values.reshape(tuple([like.shape[axis] for axis in axes])).transpose(places)


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
