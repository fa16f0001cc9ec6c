"""PyTorch's float32 Box-Muller transform, reproduced to the last bit with NumPy.

PyTorch's CPU ``normal_`` turns every sixteen 24-bit fractions into sixteen normals: the first eight give
radii ``sqrt(-2 log(1 - u))``, the last eight angles ``2 pi u``. On a machine with AVX2 its logarithm, sine and
cosine are the single-precision polynomials of the Cephes library, evaluated with fused multiply-adds.

NumPy has no fused multiply-add. One of float32 numbers is a float64 product, which is exact, a float64 sum, and
a rounding to float32. That rounds twice, which differs from rounding once only where the float64 sum is rounded
and lies halfway between two float32 numbers. A radius depends on 24 bits and so does an angle's sine and cosine,
so all 2**24 inputs of each could be tried: the two roundings never show.

Source: G. E. P. Box and M. E. Muller, "A note on the generation of random normal deviates", 1958; the
polynomials are those of S. L. Moshier's Cephes library (``logf``, ``sinf``, ``cosf``).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy import add, bitwise_and, bitwise_xor, left_shift, multiply, right_shift, sqrt, subtract
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

# Constants are 0-d arrays, and casts are assignments (`wide[...] = single`): both cost a ufunc call half of what
# NumPy scalars and mixed dtypes cost, and a call on 16 numbers is all overhead.


def _single(value: float) -> FloatArray:
    return np.array(value, np.float32)


def _wide(value: float) -> DoubleArray:
    """``value`` as float32 has it, ready for float64 arithmetic."""
    return np.array(np.float32(value), np.float64)


def _integer(value: int) -> IntArray:
    return np.array(value, np.int32)


# log(1 + x) = x - x**2 / 2 + x**3 P(x), 1 + x in [sqrt(1/2), sqrt(2)); and log(2) in two parts.
_LOG_FIRST: Final = _wide(7.0376836292e-2)
_LOG_REST: Final = tuple(
    _wide(c)
    for c in (
        -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
        -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    )
)  # fmt: skip
_LOG2_LOW: Final = _single(-2.12194440e-4)
_LOG2_HIGH: Final = _single(0.693359375)

# sin(x) = x + x**3 P(x**2), cos(x) = 1 - x**2 / 2 + x**4 Q(x**2), x in [-pi/4, pi/4].
_SINE_FIRST: Final = _wide(-1.9515295891e-4)
_COSINE_FIRST: Final = _wide(2.443315711809948e-5)
_TRIG_REST: Final = (
    (_wide(8.3321608736e-3), _wide(-1.388731625493765e-3)),
    (_wide(-1.6666654611e-1), _wide(4.166664568298827e-2)),
)
_FOUR_OVER_PI: Final = _single(1.27323954473516)
# pi / 4 in three parts; multiples of the first two are exact in float32.
_EIGHTH_TURN_HIGH: Final = _single(0.78515625)
_EIGHTH_TURN_MIDDLE: Final = _single(2.4187564849853515625e-4)
_EIGHTH_TURN_LOW: Final = _wide(-3.77489497744594108e-8)
# PyTorch multiplies the fraction, k / 2**24, by 2 pi in float32; scaling by a power of two rounds nothing.
_TURN_PER_STEP: Final = _single(float(np.float32(2 * np.pi)) * 2.0**-24)

_ONE: Final = _single(1.0)
_HALF: Final = _single(0.5)
_MINUS_HALF: Final = _single(-0.5)
_MINUS_TWO: Final = _single(-2.0)
_STEPS: Final = _integer(1 << 24)
_STEPS_EXPONENT: Final = _single(24.0)
_LOW_24: Final = _integer((1 << 24) - 1)
_SQRT_HALF_BITS: Final = _integer(0x3F3504F3)
_EXPONENT_FIELD: Final = _integer(-(1 << 23))
_MANTISSA_BITS: Final = _integer(23)
_INT_ONE: Final = _integer(1)
_INT_TWO: Final = _integer(2)
_INT_FOUR: Final = _integer(4)
_EVEN: Final = _integer(-2)
_TO_SIGN_FROM_4: Final = _integer(29)
_TO_SIGN_FROM_2: Final = _integer(30)
_SIGN_TO_ALL: Final = _integer(31)

# 16,384 pairs: their scratch arrays (1 MB) fit a second-level cache, and the cost of a hundred calls is small.
_BLOCKS_AT_ONCE: Final = 2048
_EIGHT_NUMBERS: Final = np.dtype("V32")  # eight 4-byte numbers copied as one item


class _Scratch:
    """Arrays for ``count`` pairs. Made once for a call: fresh memory costs as much as the arithmetic in it."""

    __slots__ = ("count", "integers", "pair", "radii", "result", "wide")

    def __init__(self, count: int) -> None:
        self.count = count
        self.radii = np.empty(count, np.float32)
        self.pair = np.empty((2, count), np.float32)
        self.result = np.empty((2, count), np.float32)
        self.wide = np.empty((2, 2, count), np.float64)
        self.integers = np.empty((2, count), np.int32)


def _radii(steps: IntArray, scratch: _Scratch) -> FloatArray:
    """``sqrt(-2 log(1 - steps / 2**24))``."""
    x = scratch.radii
    square, y = scratch.pair
    exponent = scratch.result[0]
    shifted, field = scratch.integers
    wide, factor = scratch.wide[0]
    x_bits = x.view(np.int32)
    # 2**24 - steps has the float32 mantissa of 1 - u; its exponent is 24 too high.
    subtract(_STEPS, steps, shifted)
    x[...] = shifted
    # Exponent, and mantissa in [sqrt(1/2), sqrt(2)): the subtraction moves the border between binades.
    subtract(x_bits, _SQRT_HALF_BITS, shifted)
    bitwise_and(shifted, _EXPONENT_FIELD, field)
    subtract(x_bits, field, x_bits)
    right_shift(shifted, _MANTISSA_BITS, shifted)
    exponent[...] = shifted
    subtract(exponent, _STEPS_EXPONENT, exponent)
    subtract(x, _ONE, x)
    multiply(x, x, square)
    factor[...] = x
    multiply(factor, _LOG_FIRST, wide)
    for coefficient in _LOG_REST:
        add(wide, coefficient, wide)
        y[...] = wide
        wide[...] = y
        multiply(wide, factor, wide)
    y[...] = wide
    wide[...] = y
    factor[...] = square
    multiply(wide, factor, wide)
    multiply(exponent, _LOG2_LOW, y)
    factor[...] = y
    add(wide, factor, wide)
    y[...] = wide
    multiply(square, _HALF, square)
    subtract(y, square, y)
    add(x, y, x)
    multiply(exponent, _LOG2_HIGH, exponent)
    add(x, exponent, x)
    multiply(x, _MINUS_TWO, x)
    return sqrt(x, x)


def _sines_and_cosines(steps: IntArray, scratch: _Scratch) -> FloatArray:
    """Two rows: the sine and the cosine of ``2 pi steps / 2**24``."""
    pair, result = scratch.pair, scratch.result
    wide, factor = scratch.wide
    octant, sign = scratch.integers
    angle, square = pair
    # The angle's even octant: 0, 2, 4, 6 or 8.
    angle[...] = steps
    multiply(angle, _TURN_PER_STEP, angle)
    multiply(angle, _FOUR_OVER_PI, square)
    octant[...] = square
    add(octant, _INT_ONE, octant)
    bitwise_and(octant, _EVEN, octant)
    # What is left of the angle, in [-pi/4, pi/4].
    turned, product = result
    turned[...] = octant
    multiply(turned, _EIGHTH_TURN_HIGH, product)
    subtract(angle, product, angle)
    multiply(turned, _EIGHTH_TURN_MIDDLE, product)
    subtract(angle, product, angle)
    low, rest = wide
    low[...] = octant
    multiply(low, _EIGHTH_TURN_LOW, low)
    rest[...] = angle
    add(rest, low, rest)
    angle[...] = rest
    multiply(angle, angle, square)
    # Both polynomials side by side: multiplications and roundings take the two rows at once.
    wide_sine, wide_cosine = wide
    factor[...] = square
    multiply(factor[0], _SINE_FIRST, wide_sine)
    multiply(factor[0], _COSINE_FIRST, wide_cosine)
    for sine_coefficient, cosine_coefficient in _TRIG_REST:
        add(wide_sine, sine_coefficient, wide_sine)
        add(wide_cosine, cosine_coefficient, wide_cosine)
        result[...] = wide
        wide[...] = result
        multiply(wide, factor, wide)
    result[...] = wide
    wide[...] = result
    factor[...] = pair
    multiply(wide, factor, wide)
    multiply(square, _MINUS_HALF, square)
    factor[...] = pair
    add(wide, factor, wide)
    result[...] = wide
    cosine = result[1]
    add(cosine, _ONE, cosine)
    # Octants 2 and 6 swap the two; the sine is negative in 4 and 6, the cosine in 2 and 4.
    bits = result.view(np.int32)
    sine_bits, cosine_bits = bits
    left_shift(octant, _TO_SIGN_FROM_2, sign)
    right_shift(sign, _SIGN_TO_ALL, sign)
    exchange = pair[0].view(np.int32)
    bitwise_xor(sine_bits, cosine_bits, exchange)
    bitwise_and(exchange, sign, exchange)
    bitwise_xor(bits, exchange, bits)
    bitwise_and(octant, _INT_FOUR, sign)
    left_shift(sign, _TO_SIGN_FROM_4, sign)
    bitwise_xor(sine_bits, sign, sine_bits)
    add(octant, _INT_TWO, octant)
    bitwise_and(octant, _INT_FOUR, octant)
    left_shift(octant, _TO_SIGN_FROM_4, octant)
    bitwise_xor(cosine_bits, octant, cosine_bits)
    return result


def standard_normals(bits: NDArray[np.uint32]) -> FloatArray:
    """Standard normals from the low 24 bits of ``bits``, an array of shape ``(blocks, 16)``; the same shape.

    Example:
        >>> import numpy as np
        >>> from rushlight.core.box_muller import standard_normals
        >>> standard_normals(np.full((1, 16), 1 << 22, dtype=np.uint32))[0, 8].item()
        0.7585275769233704
    """
    blocks = bits.shape[0]
    normals = np.empty((blocks, 16), np.float32)
    halves_in = bits.view(_EIGHT_NUMBERS)
    halves_out = normals.view(_EIGHT_NUMBERS)
    scratch = _Scratch(8 * min(blocks, _BLOCKS_AT_ONCE))
    for start in range(0, blocks, _BLOCKS_AT_ONCE):
        some = slice(start, start + _BLOCKS_AT_ONCE)
        first = halves_in[some, 0].copy().view(np.int32)
        second = halves_in[some, 1].copy().view(np.int32)
        if first.size != scratch.count:
            scratch = _Scratch(first.size)
        radii = _radii(bitwise_and(first, _LOW_24, first), scratch)
        scaled = _sines_and_cosines(bitwise_and(second, _LOW_24, second), scratch)
        multiply(scaled, radii, scaled)
        eights = scaled.view(_EIGHT_NUMBERS)
        halves_out[some, 0] = eights[1]
        halves_out[some, 1] = eights[0]
    return normals
