"""float64 functions; and, with ``short`` polynomials, the float32 functions that are computed in float64.

With ``short`` the relative error is below 2**-29 or so: what a float32 result needs in order to be rounded right nearly
always. Accuracy is stated and tested in ``vector_math``.
"""

from __future__ import annotations

from .loop_text import Body, Value

INFINITY, NAN = float("inf"), float("nan")
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # the first has 32 bits
LN2 = 0.6931471805599453
# The same from the third term on: log(1 + f) = 2s + 2/3 s³ + s³ z P(z), to 2**-73
LOG_TAIL = (0.3999999999999998, 0.2857142857144511, 0.22222222217536483, 0.18181818870311775, 0.15384556871211166,
            0.13336317410890478, 0.11674818663337955, 0.11989011969435119)  # fmt: skip
TWO_THIRDS, TWO_THIRDS_REST = 0.6666666666666666, 3.700743415417188e-17
LOG2_E_REST = 2.0355273740931033e-17
LOG10_E, LOG10_E_REST = 0.4342944819032518, 1.098319650216765e-17
LOG10_2_HIGH, LOG10_2_LOW = 0.30102999566383914, 1.42050232272661e-13  # the first has 42 bits
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
# erf(x) = x + x P(x²) for |x| <= 1; R of erfc (see below) for 0.4 <= a <= 28
ERF_SHORT = (0.12837916572665267, -0.3761262582409769, 0.11283585148319321, -0.026853811951148818, 0.0051883277524193225,
             -0.0008010194456951496, 7.853864757317043e-05)  # fmt: skip
ERF = (0.1283791670955126, -0.3761263890318375, 0.11283791670954857, -0.026866170645072893, 0.005223977624780849,
       -0.0008548326978741269, 0.00012055331036868164, -1.492559350619007e-05, 1.6460972806618236e-06,
       -1.6350025120702728e-07, 1.4657879211358474e-08, -1.1365663730813639e-09, 5.94525831785618e-11)  # fmt: skip
ERFC_SHORT = (1.25300805821465, -0.13562110381406145, -0.0475622870066292, 0.1296450520304425,
              -0.11927382058585809, 0.06830944228094236, -0.023769293481272637, 0.002521274738034769,
              0.0018844049644188893, -0.0007568235401753378, -9.814191600232722e-05, 9.261418611221053e-05,
              2.778960801569126e-07)  # fmt: skip
ERFC = (1.2530080582697296, -0.13562110612458117, -0.04756229435345047, 0.12964515870276047, -0.11927366341532561,
        0.06830802734401711, -0.023770514918214917, 0.00252939181482056, 0.0018886903527495658,
        -0.0007798322544500553, -0.0001051597378045772, 0.00012509921375222283, 4.949099649591356e-06,
        -2.0099904106962655e-05, -7.299686667574942e-07, 3.4703902483371615e-06, 3.528517444482719e-07,
        -6.126927100522276e-07, -1.3501481979208079e-07, 9.706190670739975e-08, 3.513460145419328e-08,
        -1.0015007030145561e-08, -4.749299106953042e-09)  # fmt: skip


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


def corrected(b: Body, ratio: Value, above: Value, below: Value, lost: Value, inverse: Value) -> Value:
    """The quotient above / (below + lost) from that of above / below. ``inverse``: about 1 / below."""
    rest = b.fma(-ratio, below, above) - ratio * lost
    return b.fma(rest, inverse, ratio)


def sigmoid(b: Body, x: Value, short: bool = False) -> Value:
    small = exp(b, -b.fabs(x), short)
    above = b.select(x < 0.0, small, 1.0)
    below = small + 1.0
    return corrected(b, above / below, above, below, small - (below - 1.0), b.fma(small, -0.5, 1.0))


def tanh(b: Body, x: Value, short: bool = False) -> Value:
    size = b.smaller(19.5, b.fabs(x))  # tanh is 1 from 19.07 on
    n, _, r = reduce_exponent(b, size + size)
    power = power_of_two(n)
    e = b.fma(exp_minus_one(b, r, short), power, power - 1.0)  # exp(2|x|) - 1
    small = e < 4.0  # e / (e + 2), or 1 - 2 / (e + 2) where that is more accurate
    below = e + 2.0
    above = b.select(small, e, 2.0)
    ratio = above / below
    near = corrected(b, ratio, above, below, e - (below - 2.0), b.fma(ratio, -0.5, 0.5))
    return b.copysign(b.select(small, near, 1.0 - ratio), x)


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


# Relatives of the exponential


def exp2(b: Body, x: Value, short: bool = False) -> Value:
    x = b.larger(-1080.0, b.smaller(1025.0, x))
    n, n_float = nearest(b, x)
    return scale(b, exp_minus_one(b, (x - n_float) * LN2, short) + 1.0, n, n_float)


def half_expm1(b: Body, x: Value, short: bool = False) -> Value:
    """(e**x - 1) / 2, which overflows later than e**x - 1; x up to 710."""
    n, _, r = reduce_exponent(b, b.larger(-40.0, b.smaller(710.0, x)))
    power = power_of_two(n - 1)
    return b.fma(exp_minus_one(b, r, short), power, power - 0.5)


def expm1(b: Body, x: Value, short: bool = False) -> Value:
    half = half_expm1(b, x, short)
    return b.copysign(half + half, x)


def half_exp(b: Body, x: Value, short: bool = False) -> Value:
    """e**x / 2 of a number that is not negative."""
    n, n_float, r = reduce_exponent(b, b.smaller(712.0, x))
    return scale(b, exp_minus_one(b, r, short) + 1.0, n - 1, n_float - 1.0)


def sinh(b: Body, x: Value, short: bool = False) -> Value:
    size = b.fabs(x)
    half = half_expm1(b, size, short)
    small = half + half / (half + half + 1.0)
    return b.copysign(b.select(size > 30.0, half_exp(b, size, short), small), x)


def cosh(b: Body, x: Value, short: bool = False) -> Value:
    half = half_exp(b, b.fabs(x), short)
    return half + 0.25 / half


# Relatives of the logarithm


def log_in_parts(b: Body, x: Value, short: bool) -> tuple[Value, Value, Value]:
    """log(x) = k ln 2 + high + low, of a positive number."""
    k, f = split(b, x)
    s = f / (f + 2.0)
    half_square = f * f * 0.5
    rest = half_square - s * b.fma(b.polynomial(s * s, LOG_SHORT if short else LOG), s * s, half_square)
    high = f - rest
    return k, high, (f - high) - rest


def log2(b: Body, x: Value, short: bool = False) -> Value:
    return log_edges(b, x, log2_of_positive(b, x, short))


def log2_of_positive(b: Body, x: Value, short: bool) -> Value:
    k, high, low = log_in_parts(b, x, short)
    return k + b.fma(high, LOG2_E, b.fma(high, LOG2_E_REST, low * LOG2_E))


def log10(b: Body, x: Value, short: bool = False) -> Value:
    k, high, low = log_in_parts(b, x, short)
    small = b.fma(high, LOG10_E_REST, b.fma(low, LOG10_E, k * LOG10_2_LOW))
    return log_edges(b, x, b.fma(k, LOG10_2_HIGH, b.fma(high, LOG10_E, small)))


def log1p(b: Body, x: Value, short: bool = False) -> Value:
    """The logarithm of u = 1 + x as rounded, and what the rounding took away: log(1 + x) = log(u) + c / u."""
    u = x + 1.0
    c = b.select(x < 1.0, x - (u - 1.0), 1.0 - (u - x))
    k, f = split(b, u)
    s = f / (f + 2.0)
    half_square = f * f * 0.5
    tail = s * b.fma(b.polynomial(s * s, LOG_SHORT if short else LOG), s * s, half_square)
    rest = b.fma(k, LN2_LOW, tail) + c / u
    result = b.fma(k, LN2_HIGH, f - (half_square - rest))
    result = b.select(b.fabs(x) < 1e-20, x, result)  # also keeps the sign of zero
    return log_edges(b, u, result)


def asinh(b: Body, x: Value, short: bool = False) -> Value:
    size = b.fabs(x)
    big = size > 2.0**28
    square = size * size
    inside = b.select(big, size - 1.0, size + square / (b.sqrt(square + 1.0) + 1.0))
    return b.copysign(log1p(b, inside, short) + b.select(big, b.const(x.type, LN2), 0.0), x)


def acosh(b: Body, x: Value, short: bool = False) -> Value:
    big = x > 2.0**28
    t = x - 1.0
    inside = b.select(big, t, t + b.sqrt(b.fma(t, t, t + t)))
    result = log1p(b, inside, short) + b.select(big, b.const(x.type, LN2), 0.0)
    return b.select(x < 1.0, NAN, result)


def atanh(b: Body, x: Value, short: bool = False) -> Value:
    size = b.fabs(x)
    return b.copysign(log1p(b, (size + size) / (1.0 - size), short) * 0.5, x)


# The error function. erfc(a) = exp(-a²) R(u) / (1 + 2a) with u = (a - 3) / (a + 3); R is nearly constant


def _erfc_tail(b: Body, size: Value, short: bool) -> Value:
    """erfc of a number of at least 0.4."""
    size = b.smaller(28.0, size)
    square = size * size
    lost = b.fma(size, size, -square)  # of the square: exp(-a²) = exp(-square) (1 - lost)
    n, n_float, r = reduce_exponent(b, -square)
    power = exp_minus_one(b, r, short) + 1.0
    ratio = b.polynomial((size - 3.0) / (size + 3.0), ERFC_SHORT if short else ERFC) / b.fma(size, 2.0, 1.0)
    return scale(b, b.fma(-lost, power, power) * ratio, n, n_float)


def _erf_near_zero(b: Body, x: Value, short: bool) -> Value:
    return b.fma(b.polynomial(x * x, ERF_SHORT if short else ERF), x, x)


def erf(b: Body, x: Value, short: bool = False) -> Value:
    size = b.fabs(x)
    far = b.copysign(1.0 - _erfc_tail(b, size, short), x)
    return b.select(size > 1.0, far, _erf_near_zero(b, x, short))


def erfc(b: Body, x: Value, short: bool = False) -> Value:
    size = b.fabs(x)
    tail = _erfc_tail(b, size, short)
    far = b.select(x < 0.0, 2.0 - tail, tail)
    return b.select(size > 0.5, far, 1.0 - _erf_near_zero(b, x, short))


# Powers


def _precise_log(b: Body, x: Value) -> tuple[Value, Value]:
    """The natural logarithm of a positive number as a sum of two, good to about 2**-64 of it."""
    k, f = split(b, x)
    below = f + 2.0
    lost = f - (below - 2.0)
    s = f / below
    s_low = b.fma(-s, lost, b.fma(-s, below, f)) / below
    z = s * s
    z_low = b.fma(s, s, -z) + (s + s) * s_low
    cube = s * z
    cube_low = b.fma(s, z, -cube) + b.fma(s, z_low, s_low * z)
    third = cube * TWO_THIRDS  # the second term of the series, 2/3 s³
    third_low = b.fma(cube, TWO_THIRDS, -third) + b.fma(cube, TWO_THIRDS_REST, cube_low * TWO_THIRDS)
    twice = s + s
    high = twice + third
    low = ((twice - high) + third) + (b.fma(s_low, 2.0, third_low) + b.polynomial(z, LOG_TAIL) * (cube * z))
    whole = k * LN2_HIGH  # exact
    total = whole + high
    low = low + b.fma(k, LN2_LOW, (whole - total) + high)
    result = total + low
    return result, (total - result) + low


def power(b: Body, x: Value, y: Value, short: bool = False) -> Value:
    """x**y as exp(y log |x|), with a sign. ``short``: as 2**(y log2 |x|) without the product's lower half."""
    size = b.fabs(x)
    if short:
        result = exp2(b, y * log_edges(b, size, log2_of_positive(b, size, short)), short)
    else:
        high, low = _precise_log(b, size)
        high = log_edges(b, size, high)
        product = b.larger(-760.0, b.smaller(720.0, y * high))
        within = (product > -760.0) & (product < 720.0)  # beyond, the result is 0 or infinity
        rest = b.select(within, b.fma(y, high, -product) + y * low, 0.0)
        n, n_float, r = reduce_exponent(b, product)
        result = scale(b, exp_minus_one(b, r + rest) + 1.0, n, n_float)
    whole = b.intrinsic("trunc", y).same(y)
    half = y * 0.5
    odd = whole & b.intrinsic("trunc", half).compare("une", half)
    negative = x.bits() < 0
    result = b.select(negative & odd, -result, result)
    result = b.select((x < 0.0) & (x > -INFINITY) & ~whole, NAN, result)
    one = x.same(1.0) | y.same(0.0) | (size.same(1.0) & b.fabs(y).same(INFINITY))
    return b.select(one, 1.0, result)
