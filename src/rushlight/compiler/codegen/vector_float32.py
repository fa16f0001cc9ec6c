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
# e**-r, by the same polynomial
EXP_OF_NEGATIVE = (1.0, -1.0, *((-1) ** k * coefficient for k, coefficient in enumerate(EXP)))
EXPM1 = (0.5, 0.1666666716337204, 0.04166632518172264, 0.008333220146596432, 0.0013943208614364266,
         0.00019962128135375679)  # fmt: skip
# log(1 + f) = f - f²/2 + f³ P(f) for sqrt(1/2) - 1 <= f <= sqrt(2) - 1, to 2**-30.3 of it
LOG = (0.3333331346511841, -0.25000008940696716, 0.20002120733261108, -0.1666799634695053, 0.1421952098608017,
       -0.12405548989772797, 0.11888373643159866, -0.11676019430160522, 0.06746606528759003)  # fmt: skip

# 2**r = 1 + r P(r) for |r| <= 1/2, to 2**-28.5
EXP2 = (0.6931472420692444, 0.24022652208805084, 0.055503103882074356, 0.009617692790925503, 0.0013406643411144614,
        0.00015594655997119844)  # fmt: skip
# tanh x = x + x³ P(x²) for |x| <= 0.55, to 2**-29.8
TANH = (
    -0.33333316445350647,
    0.13332585990428925,
    -0.05385231226682663,
    0.02107168175280094,
    -0.006274242419749498,
)
TWO_OVER_PI = 0.6366197723675814
PI_2 = (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15)
LARGE = 131072.0  # where the reduction by pi/2 in three parts ends
# sin r = r + r z P(z), cos r = 1 - z/2 + z² P(z), z = r², |r| <= pi/4
SIN = (-0.16666655242443085, 0.008332176133990288, -0.00019516977772582322)
COS = (0.04166664555668831, -0.0013887364184483886, 2.443809171381872e-05)
# erf x = x + x P(x²) for |x| <= 0.9; above, erfc a = exp(-a Q(a))
ERF = (0.12837915122509003, -0.3761252462863922, 0.11282140761613846, -0.02677890844643116, 0.005011962726712227,
       -0.0006090360693633556)  # fmt: skip
ERFC = (1.128519892692566, 0.6356993913650513, 0.10528683662414551, -0.022906018421053886, 0.003219970967620611,
        -0.00021459443087223917)  # fmt: skip


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
    """1 / (1 + exp(-x)), both sides of the fraction times 2**-64: so the power of two fits in a float for every result,
    also for subnormal ones."""
    x = b.larger(-104.0, b.smaller(44.0, x))  # beyond, the result is 0 or 1; NaN stays
    shifted = b.fma(x, -LOG2_E, ROUND + 63.0)
    n = shifted - (ROUND + 63.0)
    r = b.fma(n, LN2_LOW, b.fma(n, LN2_HIGH, x))  # exp(-x) = 2**n exp(-r)
    power = (shifted.bits() << 23).float_of_bits()  # 2**(n - 64): the exponent's bits without those of ROUND
    return 2.0**-64 / b.fma(b.polynomial(r, EXP_OF_NEGATIVE), power, 2.0**-64)


def tanh(b: Body, x: Value) -> Value:
    size = b.smaller(9.1, b.fabs(x))  # tanh is 1 from 9.02 on
    n, r = reduce_exponent(b, size + size)
    power = power_of_two(n)
    below = b.fma(b.fma(b.polynomial(r, EXP), r * r, r), power, power + 1.0)  # exp(2|x|) + 1
    z = x * x
    near = b.fma(b.polynomial(z, TANH) * z, x, x)
    return b.copysign(b.select(size < 0.55, near, 1.0 - 2.0 / below), x)


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


def log1p(b: Body, x: Value) -> Value:
    """As ``log`` of 1 + x, with what rounding that sum loses added to the fraction; near 0 the fraction is x itself."""
    above = x + 1.0
    lost = x - (above - 1.0)
    bits = above.bits()
    exponent = (bits - 0x3F3504F3) >> 23
    power = -(exponent << 23)
    scale = b.intrinsic(
        "smax", power + 0x3F800000, b.const(power.type, 0)
    )  # of the largest numbers, which lose nothing
    f = b.fma(lost, scale.float_of_bits(), (bits + power).float_of_bits() - 1.0)
    k = exponent.convert("sitofp", "float")
    square = f * f
    tail = b.fma(b.polynomial(f, LOG) * f, square, square * -0.5)
    result = b.fma(k, LN2_HIGH, f + b.fma(k, LN2_LOW, tail))
    return b.select(x.same(0.0), x, log_edges(b, above, result))


def log_edges(b: Body, x: Value, result: Value) -> Value:
    """The logarithm of infinity and NaN, zero, and negative numbers."""
    result = b.select(x < INFINITY, result, x)
    result = b.select(x.same(0.0), -INFINITY, result)
    return b.select(x < 0.0, NAN, result)


def exp2(b: Body, x: Value) -> Value:
    x = b.larger(-151.0, b.smaller(129.0, x))
    shifted = x + ROUND
    r = x - (shifted - ROUND)
    return scale(b.fma(b.polynomial(r, EXP2), r, 1.0), shifted.bits() - ROUND_BITS)


def expm1(b: Body, x: Value) -> Value:
    n, r = reduce_exponent(b, b.larger(-20.0, b.smaller(89.0, x)))
    power = power_of_two(n - 1)
    half = b.fma(b.fma(b.polynomial(r, EXPM1), r * r, r), power, power - 0.5)
    return b.copysign(half + half, x)


def _turn(b: Body, x: Value, quarters: int) -> Value:
    """sin(x + quarters pi/2), of numbers below ``LARGE``."""
    shifted = b.fma(x, TWO_OVER_PI, ROUND)
    n = shifted - ROUND
    quadrant = shifted.bits() + quarters
    r = b.fma(n, -PI_2[2], b.fma(n, -PI_2[1], b.fma(n, -PI_2[0], x)))
    z = r * r
    sine = b.fma(b.polynomial(z, SIN) * z, r, r)
    cosine = b.fma(b.polynomial(z, COS), z * z, b.fma(z, -0.5, 1.0))
    value = b.select((quadrant & 1).same(0), sine, cosine)
    return (value.bits() ^ ((quadrant & 2) << 30)).float_of_bits()


def sin(b: Body, x: Value) -> Value:
    return b.select(x.same(0.0), x, _turn(b, x, 0))


def cos(b: Body, x: Value) -> Value:
    return _turn(b, x, 1)


def erf(b: Body, x: Value) -> Value:
    size = b.fabs(x)
    near = b.fma(b.polynomial(x * x, ERF), x, x)
    size = b.smaller(3.95, size)  # erf is 1 from 3.92 on
    n, r = reduce_exponent(b, -(size * b.polynomial(size, ERFC)))
    power = power_of_two(n)
    far = 1.0 - b.fma(b.fma(b.polynomial(r, EXP), r * r, r), power, power)
    return b.select(size > 0.9, b.copysign(far, x), near)
