"""float64 functions; and, with ``short`` polynomials, the float32 functions that are computed in float64.

With ``short`` the relative error is below 2**-29 or so: what a float32 result needs in order to be rounded right nearly
always. Accuracy is stated and tested in ``vector_math``.
"""

from __future__ import annotations

from .loop_text import Body, Value

INFINITY, NAN = float("inf"), float("nan")
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # the first has 32 bits
ROUND = 6755399441055744.0  # 1.5 * 2**52
ROUND_BITS = 0x4338000000000000

# e**r = 1 + r + r² P(r) for |r| <= ln(2)/2, to 2**-34 of e**r and to 2**-58.4 of e**r - 1
EXP_SHORT = (0.5000000067682993, 0.16666665868939634, 0.04166629494632508, 0.008333497075592696, 0.0013944659627525785,
             0.00019790340514376083)  # fmt: skip
EXP = (0.5000000000000001, 0.1666666666666667, 0.04166666666665229, 0.008333333333326153, 0.0013888888895597102,
       0.00019841269874765256, 2.480157453814465e-05, 2.755725546169155e-06, 2.756792715151514e-07,
       2.510519423430117e-08, 1.768773121365763e-09)  # fmt: skip
# log(1 + f) = 2s + s z P(z) with s = f / (2 + f) and z = s², for sqrt(1/2) <= 1 + f <= sqrt(2)
LOG_SHORT = (0.6666666564505327, 0.40000335291224204, 0.28537301650784297, 0.2358229097246218)
LOG = (0.6666666666666734, 0.3999999999941432, 0.2857142874247487, 0.22222198563491763, 0.18183564866289198,
       0.15314035845230295, 0.14796105337179)  # fmt: skip


def power_of_two(exponent: Value) -> Value:
    """2**exponent of an integer in -1022 ... 1023."""
    return ((exponent + 1023) << 52).float_of_bits()


def nearest(b: Body, x: Value, factor: float = 1.0) -> tuple[Value, Value]:
    """The integer nearest to x * factor, as an integer and as a float."""
    shifted = b.fma(x, factor, ROUND)
    return shifted.bits() - ROUND_BITS, shifted - ROUND


def reduce_exponent(b: Body, x: Value) -> tuple[Value, Value, Value]:
    """The integer n next to x / ln 2 (twice), and x - n ln 2."""
    integer, n = nearest(b, x, LOG2_E)
    return integer, n, b.fma(n, -LN2_LOW, b.fma(n, -LN2_HIGH, x))


def scale(b: Body, value: Value, n: Value, n_float: Value) -> Value:
    """value * 2**n, rounded once: in two steps, since 2**n need not be a number."""
    half, _ = nearest(b, n_float, 0.5)
    return value * power_of_two(half) * power_of_two(n - half)


def exp_minus_one(b: Body, r: Value, short: bool = False) -> Value:
    """e**r - 1 for |r| <= ln(2)/2."""
    return b.fma(b.polynomial(r, EXP_SHORT if short else EXP), r * r, r)


def exp(b: Body, x: Value, short: bool = False) -> Value:
    x = b.larger(-746.0, b.smaller(710.0, x))
    n, n_float, r = reduce_exponent(b, x)
    return scale(b, exp_minus_one(b, r, short) + 1.0, n, n_float)


def sigmoid(b: Body, x: Value, short: bool = False) -> Value:
    small = exp(b, -b.fabs(x), short)
    return b.select(x < 0.0, small, 1.0) / (small + 1.0)


def tanh(b: Body, x: Value, short: bool = False) -> Value:
    size = b.smaller(19.5, b.fabs(x))  # tanh is 1 from 19.07 on
    n, _, r = reduce_exponent(b, size + size)
    power = power_of_two(n)
    e = exp_minus_one(b, r, short)  # exp(2|x|) = power * (1 + e)
    return b.copysign(b.fma(e, power, power - 1.0) / b.fma(e, power, power + 1.0), x)


def split(b: Body, x: Value) -> tuple[Value, Value]:
    """x = 2**k (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2), of a positive number: k (a float) and f."""
    subnormal = x < 2.2250738585072014e-308
    bits = b.select(subnormal, x * 4503599627370496.0, x).bits()
    exponent = (bits - 0x3FE6A09E667F3BCD) >> 52
    f = (bits - (exponent << 52)).float_of_bits() - 1.0
    k = (exponent + b.select(subnormal, b.const(exponent.type, -52), 0)).convert("trunc", "i32")
    return k.convert("sitofp", "double"), f


def log(b: Body, x: Value, short: bool = False) -> Value:
    k, f = split(b, x)
    s = f / (f + 2.0)
    z = s * s
    half_square = f * f * 0.5
    tail = s * b.fma(
        b.polynomial(z, LOG_SHORT if short else LOG), z, half_square
    )  # log(1 + f) = f - (f²/2 - tail)
    result = b.fma(k, LN2_HIGH, f - (half_square - b.fma(k, LN2_LOW, tail)))
    return log_edges(b, x, result)


def log_edges(b: Body, x: Value, result: Value) -> Value:
    """The logarithm of infinity and NaN, zero, and negative numbers."""
    result = b.select(x < INFINITY, result, x)
    result = b.select(x.same(0.0), -INFINITY, result)
    return b.select(x < 0.0, NAN, result)
