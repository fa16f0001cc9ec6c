"""float32 functions computed in float32: the ones that training spends its time in.

Each takes the function being written and its operand and gives the result, for any number of lanes. Ranges are
reduced after Cody and Waite ("Software Manual for the Elementary Functions", 1980) with fused multiply-add; the
polynomials are minimax fits (Remez) of this project. Accuracy is stated and tested in ``vector_math``.
"""

from __future__ import annotations

from .loop_text import Body, Value

INFINITY, NAN = float("inf"), float("nan")
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = (
    0.693359375,
    -2.12194440054690583e-4,
)  # the first has 10 bits: its products with exponents are exact
ROUND = 12582912.0  # 1.5 * 2**23: adding it leaves the nearest integer in the low bits
ROUND_BITS = 0x4B400000

# e**r = 1 + r + r² P(r) for |r| <= ln(2)/2, to 2**-28 of e**r; the second to 2**-31.8 of e**r - 1
EXP = (
    0.4999999403953552,
    0.1666652113199234,
    0.04166838899254799,
    0.008368716575205326,
    0.0013814597623422742,
)
EXPM1 = (0.5, 0.1666666716337204, 0.04166632518172264, 0.008333220146596432, 0.0013943208614364266,
         0.00019962128135375679)  # fmt: skip
# log(1 + f) = f - f²/2 + f³ P(f) for sqrt(1/2) - 1 <= f <= sqrt(2) - 1, to 2**-30.3 of it
LOG = (0.3333331346511841, -0.25000008940696716, 0.20002120733261108, -0.1666799634695053, 0.1421952098608017,
       -0.12405548989772797, 0.11888373643159866, -0.11676019430160522, 0.06746606528759003)  # fmt: skip


def power_of_two(exponent: Value) -> Value:
    """2**exponent of an integer in -126 ... 127."""
    return ((exponent + 127) << 23).float_of_bits()


def reduce_exponent(b: Body, x: Value) -> tuple[Value, Value]:
    """The integer n next to x / ln 2, and x - n ln 2."""
    shifted = b.fma(x, LOG2_E, ROUND)
    n = shifted - ROUND
    return shifted.bits() - ROUND_BITS, b.fma(n, -LN2_LOW, b.fma(n, -LN2_HIGH, x))


def scale(value: Value, n: Value) -> Value:
    """value * 2**n for n in -252 ... 254, rounded once: in two steps, since 2**n need not be a number."""
    half = n >> 1
    return value * power_of_two(half) * power_of_two(n - half)


def exp(b: Body, x: Value) -> Value:
    x = b.larger(-104.0, b.smaller(89.0, x))  # beyond, the result is 0 or infinity; NaN stays
    n, r = reduce_exponent(b, x)
    return scale(b.fma(b.polynomial(r, EXP), r * r, r) + 1.0, n)


def sigmoid(b: Body, x: Value) -> Value:
    small = exp(b, -b.fabs(x))
    return b.select(x < 0.0, small, 1.0) / (small + 1.0)


def tanh(b: Body, x: Value) -> Value:
    size = b.smaller(9.1, b.fabs(x))  # tanh is 1 from 9.02 on
    n, r = reduce_exponent(b, size + size)
    power = power_of_two(n)
    e = b.fma(b.polynomial(r, EXPM1), r * r, r)  # exp(2|x|) = power * (1 + e)
    return b.copysign(b.fma(e, power, power - 1.0) / b.fma(e, power, power + 1.0), x)


def log(b: Body, x: Value) -> Value:
    subnormal = x < 1.1754943508222875e-38
    bits = b.select(subnormal, x * 8388608.0, x).bits()
    exponent = (bits - 0x3F3504F3) >> 23  # of x over sqrt(1/2)
    f = (bits - (exponent << 23)).float_of_bits() - 1.0
    k = (exponent + b.select(subnormal, b.const(exponent.type, -23), 0)).convert("sitofp", "float")
    square = f * f
    tail = b.fma(b.polynomial(f, LOG) * f, square, square * -0.5)
    result = b.fma(k, LN2_HIGH, f + b.fma(k, LN2_LOW, tail))
    return log_edges(b, x, result)


def log_edges(b: Body, x: Value, result: Value) -> Value:
    """The logarithm of infinity and NaN, zero, and negative numbers."""
    result = b.select(x < INFINITY, result, x)
    result = b.select(x.same(0.0), -INFINITY, result)
    return b.select(x < 0.0, NAN, result)
