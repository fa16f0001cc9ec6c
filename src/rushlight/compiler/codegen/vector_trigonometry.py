"""Trigonometric functions in float64, and with ``short`` polynomials for float32 results that are computed in float64.

Angles are reduced by pi/2 in three parts (Cody and Waite), which is good to 2**30; beyond, a lane calls the C library.
"""

from __future__ import annotations

from .loop_text import Body, Value
from .vector_float64 import nearest

INFINITY = float("inf")
TWO_OVER_PI = 0.6366197723675814
PI_2 = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)
PI_4, PI_4_REST = 0.7853981633974483, 3.061616997868383e-17
PI, PI_REST = 3.141592653589793, 1.2246467991473532e-16
LARGE = 2.0**30

# sin r = r + r z P(z), cos r = 1 - z/2 + z² P(z), z = r², |r| <= pi/4
SIN_SHORT = (-0.1666666716337204, 0.008333329111337662, -0.00019839330343529582, 2.7182745725440327e-06)
SIN = (-0.16666666666666632, 0.00833333333332237, -0.00019841269829771235, 2.755731367869195e-06,
       -2.505075596583176e-08, 1.589666677704614e-10)  # fmt: skip
COS_SHORT = (0.0416666679084301, -0.0013888883404433727, 2.4799515813356265e-05, -2.720989300541987e-07)
COS = (0.0416666666666666, -0.0013888888888874064, 2.4801587289443593e-05, -2.755731434069284e-07,
       2.0875721628388824e-09, -1.135955957653993e-11)  # fmt: skip
# atan x = x + x z P(z), |x| <= tan(pi/8); asin x likewise, |x| <= 1/2
ATAN_SHORT = (
    -0.333333151716897,
    0.19998470403432314,
    -0.14243511015191096,
    0.10593639600132332,
    -0.06077758911564098,
)
ATAN = (-0.33333333333333326, 0.19999999999997645, -0.14285714285385398, 0.11111111088034435, -0.09090908139974185,
        0.0769228266814743, -0.06666225585686975, 0.05877011778097872, -0.05218348347436837, 0.04503352781738205,
        -0.033470541863882784, 0.01519179371367083)  # fmt: skip
ASIN_SHORT = (0.16666667181922412, 0.07499948752704945, 0.04466001364920931, 0.03011198458026326, 0.024608248314665897,
              0.0074981724178480305, 0.03466037153382073)  # fmt: skip
ASIN = (0.1666666666666676, 0.07499999999970633, 0.044642857174779664, 0.030381942699351367, 0.022372215235400734,
        0.0173516073901613, 0.01398087794959606, 0.011398427035196737, 0.010783056346825564, 0.003695510519532661,
        0.021734694862137804, -0.021038633661945617, 0.032653989690520524)  # fmt: skip


def _reduce(b: Body, x: Value) -> tuple[Value, Value, Value]:
    """The quadrant, and the angle in it in two parts."""
    quadrant, n = nearest(b, x, TWO_OVER_PI)
    first = b.fma(n, -PI_2[0], x)  # exact
    product = n * PI_2[1]
    high = first - product
    back = first - high
    low = (first - (high + back)) + (back - product)  # what the subtraction lost (TwoSum)
    low = low - b.fma(n, PI_2[1], -product)
    return quadrant, high, b.fma(n, -PI_2[2], low)


def _sin_cos(b: Body, r: Value, low: Value, short: bool) -> tuple[Value, Value]:
    z = r * r
    half = z * 0.5
    sine = r + b.fma(b.polynomial(z, SIN_SHORT if short else SIN), r * z, b.fma(-half, low, low))
    rest = 1.0 - half
    tail = b.fma(b.polynomial(z, COS_SHORT if short else COS), z * z, -(r * low))
    cosine = rest + (((1.0 - rest) - half) + tail)
    return sine, cosine


def _turned(b: Body, quadrant: Value, sine: Value, cosine: Value) -> Value:
    value = b.select((quadrant & 1).same(0), sine, cosine)
    return b.select((quadrant & 2).same(0), value, -value)


def sin(b: Body, x: Value, short: bool = False) -> Value:
    quadrant, r, low = _reduce(b, x)
    sine, cosine = _sin_cos(b, r, low, short)
    return b.select(x.same(0.0), x, _turned(b, quadrant, sine, cosine))


def cos(b: Body, x: Value, short: bool = False) -> Value:
    quadrant, r, low = _reduce(b, x)
    sine, cosine = _sin_cos(b, r, low, short)
    return _turned(b, quadrant + 1, sine, cosine)


def tan(b: Body, x: Value, short: bool = False) -> Value:
    quadrant, r, low = _reduce(b, x)
    sine, cosine = _sin_cos(b, r, low, short)
    even = (quadrant & 1).same(0)
    result = b.select(even, sine, -cosine) / b.select(even, cosine, sine)
    return b.select(x.same(0.0), x, result)


def _atan_of_ratio(b: Body, y: Value, x: Value, short: bool) -> Value:
    """The angle of a point in the first quadrant, not both zero nor both infinite, with one division."""
    steep = y > x * 2.414213562373095  # tan(3 pi/8)
    flat = y <= x * 0.41421356237309503  # tan(pi/8)
    above = b.select(steep, -x, b.select(flat, y, y - x))
    below = b.select(steep, y, b.select(flat, x, y + x))
    base = b.select(steep, b.const(x.type, PI_2[0]), b.select(flat, b.const(x.type, 0.0), PI_4))
    rest = b.select(steep, b.const(x.type, PI_2[1]), b.select(flat, b.const(x.type, 0.0), PI_4_REST))
    t = above / below
    z = t * t
    return base + (t + b.fma(b.polynomial(z, ATAN_SHORT if short else ATAN), t * z, rest))


def atan(b: Body, x: Value, short: bool = False) -> Value:
    return b.copysign(_atan_of_ratio(b, b.fabs(x), b.const(x.type, 1.0), short), x)


def atan2(b: Body, y: Value, x: Value, short: bool = False) -> Value:
    up, right = b.fabs(y), b.fabs(x)
    both = up.same(INFINITY) & right.same(INFINITY)
    up, right = b.select(both, 1.0, up), b.select(both, 1.0, right)
    factor = b.select((up > 2.0**1000) | (right > 2.0**1000), b.const(x.type, 2.0**-100), 1.0)
    right = b.select(up.same(0.0) & right.same(0.0), 1.0, right)
    angle = _atan_of_ratio(b, up * factor, right * factor, short)
    angle = b.select(x.bits() < 0, PI - (angle - PI_REST), angle)
    angle = b.select(x.is_nan(), x, b.select(y.is_nan(), y, angle))
    return b.copysign(angle, y)


def _asin_parts(b: Body, size: Value, short: bool) -> tuple[Value, Value, Value]:
    """Whether the number is above 1/2; t, which is it or sqrt((1 - it) / 2); asin t - t."""
    far = size > 0.5
    half = b.fma(size, -0.5, 0.5)
    t = b.select(far, b.sqrt(half), size)
    z = b.select(far, half, size * size)
    return far, t, b.polynomial(z, ASIN_SHORT if short else ASIN) * z * t


def asin(b: Body, x: Value, short: bool = False) -> Value:
    far, t, rest = _asin_parts(b, b.fabs(x), short)
    t2, rest2 = t + t, rest + rest
    return b.copysign(b.select(far, PI_2[0] - (t2 + (rest2 - PI_2[1])), t + rest), x)


def acos(b: Body, x: Value, short: bool = False) -> Value:
    far, t, rest = _asin_parts(b, b.fabs(x), short)
    t2, rest2 = t + t, rest + rest
    beyond = b.select(x < 0.0, PI - (t2 + (rest2 - PI_REST)), t2 + rest2)
    signed = b.copysign(t, x)
    near = PI_2[0] - (signed + (b.copysign(rest, x) - PI_2[1]))
    return b.select(far, beyond, near)
