"""Special functions on float64 arrays: erf, erfc, erfinv, the logarithm of the gamma function and its derivatives.

Each is one published approximation, evaluated for every region on the elements that lie in it. The coefficients are
those of the papers named at each function; accuracy is a few units in the last place of a float64, so a float32 result,
which is computed in float64 and rounded (``in_float64``), is right to its last bit but for ties. ``erf_float32`` is
quicker, for activations of large arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
F32, F64 = np.dtype(np.float32), np.dtype(np.float64)


def in_float64(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """``function`` for arrays of any floating-point dtype: computed in float64 and rounded once."""

    def rounded(x: Array) -> Array:
        flat = x.reshape(-1)  # a row has elements that can be assigned, which a 0-dim result has not
        result = function(flat if x.dtype is F64 else flat.astype(F64))
        return in_order_of(x, result.astype(x.dtype, copy=False).reshape(x.shape))

    return rounded


def in_order_of(x: Array, result: Array) -> Array:
    """``result`` in the order of memory that ``x`` has, as NumPy's own functions give it."""
    if x.flags.c_contiguous:
        return result
    ordered = np.empty_like(x, result.dtype, subok=False)
    ordered[...] = result
    return ordered


def polynomial(x: Array, coefficients: Sequence[Any]) -> Array:
    """The polynomial with the given coefficients, the highest power's first, by Horner's rule."""
    result: Array = x * coefficients[0]
    result += coefficients[1]
    for coefficient in coefficients[2:]:
        result *= x
        result += coefficient
    return result


# --- the error function -----------------------------------------------------------------------------------------------
# W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23 (1969), 631-637.
# Numerators and denominators from the highest power down.

_ERF_SMALL = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_ERFC_MIDDLE = (
    (
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
        2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
        3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
    ),
)  # fmt: skip
_ERFC_LARGE = (
    (
        1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
        1.60837851487422766e-2, 6.58749161529837803e-4,
    ),
    (
        1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)  # fmt: skip
_INVERSE_SQRT_PI = 5.6418958354775628695e-1


def _erfc_of_large(y: Array, scaled: bool = False) -> Array:
    """erfc of ``y`` > 0.46875; times exp(y**2) if ``scaled``."""
    result = np.empty_like(y)
    middle = y <= 4.0
    z = y[middle]
    result[middle] = polynomial(z, _ERFC_MIDDLE[0]) / polynomial(z, _ERFC_MIDDLE[1])
    large = ~middle
    z = y[large]
    inverse_square = 1.0 / (z * z)
    tail = (
        inverse_square
        * polynomial(inverse_square, _ERFC_LARGE[0])
        / polynomial(inverse_square, _ERFC_LARGE[1])
    )
    result[large] = (_INVERSE_SQRT_PI - tail) / z
    if scaled:
        return result
    # exp(-y*y) with y split so that the square of its first part is exact.
    head = np.trunc(np.minimum(y, 30.0) * 16.0) / 16.0
    result *= np.exp(-head * head) * np.exp(-(y - head) * (y + head))
    return result


def erf(x: Array) -> Array:
    """The error function: 2/sqrt(pi) times the integral of exp(-t**2) from 0 to x."""
    magnitude = np.abs(x)
    small = magnitude <= 0.46875
    result = np.empty_like(x)
    z = x[small]
    square = z * z
    result[small] = z * (polynomial(square, _ERF_SMALL[0]) / polynomial(square, _ERF_SMALL[1]))
    rest = ~small
    result[rest] = np.copysign(1.0 - _erfc_of_large(magnitude[rest]), x[rest])
    return result


def erfc(x: Array) -> Array:
    """1 - erf(x), without the loss of digits where erf is near 1."""
    magnitude = np.abs(x)
    small = magnitude <= 0.46875
    result = np.empty_like(x)
    result[small] = 1.0 - erf(x[small])
    rest = ~small
    tail = _erfc_of_large(magnitude[rest])
    result[rest] = np.where(x[rest] < 0, 2.0 - tail, tail)
    return result


def erfcx(x: Array) -> Array:
    """exp(x**2) * erfc(x), which does not underflow for large x."""
    large = x > 0.46875
    result = np.empty_like(x)
    result[large] = _erfc_of_large(x[large], scaled=True)
    rest = ~large
    z = x[rest]
    result[rest] = np.exp(z * z) * erfc(z)
    return result


# For float32: polynomials fitted for this project by iteratively reweighted least squares, with relative errors below
# 5e-10 and 2e-9. erf(x) = x + x * P(x**2) for abs(x) < 0.93, and 1 - exp(-Q(abs(x))) beyond.
_ERF32_SMALL = tuple(
    np.asarray(c, F32)  # 0-dim arrays: NumPy takes them twice as fast as its scalars
    for c in (
        8.316778985317796e-05, -0.0008130015921778977, 0.005199907347559929, -0.026858942583203316,
        0.11283687502145767, -0.37612631916999817, 0.12837916612625122,
    )
)  # fmt: skip
_ERF32_LARGE = tuple(
    np.asarray(c, F32)
    for c in (
        -0.00019477927708067, 0.0030318356584757566, -0.022181449458003044, 0.1038370430469513,
        0.6372902393341064, 1.1276112794876099, 0.00021129066590219736,
    )
)  # fmt: skip
_ERF32_BORDER, _ERF32_END, _ONE32 = np.asarray(0.93, F32), np.asarray(4.0, F32), np.asarray(1.0, F32)
_BLOCK = 8192  # elements that stay in the cache through all passes


def erf_float32(x: Array) -> Array:
    """erf of a float32 array within 1.5 units in the last place, computed in float32."""
    flat = x.reshape(-1)
    result = np.empty_like(flat)
    for start in range(0, flat.size, _BLOCK):
        z = flat[start : start + _BLOCK]
        magnitude = np.abs(z)
        large = magnitude > _ERF32_BORDER
        np.minimum(magnitude, _ERF32_END, out=magnitude)
        tail = np.negative(polynomial(magnitude, _ERF32_LARGE))
        np.subtract(_ONE32, np.exp(tail, tail), tail)
        np.copysign(tail, z, tail)
        square = z * z
        center = polynomial(square, _ERF32_SMALL)
        center *= z
        center += z
        np.copyto(center, tail, where=large)
        result[start : start + _BLOCK] = center
    return in_order_of(x, result.reshape(x.shape))


# --- the inverse error function ---------------------------------------------------------------------------------------
# M. J. Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37 (1988),
# 477-484.

_NORMAL_CENTER = (
    (
        2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
        1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0,
    ),
    (
        5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
        5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0,
    ),
)  # fmt: skip
_NORMAL_MIDDLE = (
    (
        7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
        3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
        6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0,
    ),
)  # fmt: skip
_NORMAL_TAIL = (
    (
        2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
        2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0,
    ),
    (
        2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
        1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0,
    ),
)  # fmt: skip


def _normal_quantile(q: Array, tail: Array) -> Array:
    """The standard normal quantile of 0.5 + ``q``; ``tail`` = 0.5 - abs(q), given apart so that it keeps its digits."""
    result = np.empty_like(q)
    center = np.abs(q) <= 0.425
    z = q[center]
    r = 0.180625 - z * z
    result[center] = z * polynomial(r, _NORMAL_CENTER[0]) / polynomial(r, _NORMAL_CENTER[1])
    rest = ~center
    root = np.sqrt(-np.log(tail[rest]))
    near = root <= 5.0
    value = np.empty_like(root)
    r = root[near] - 1.6
    value[near] = polynomial(r, _NORMAL_MIDDLE[0]) / polynomial(r, _NORMAL_MIDDLE[1])
    r = np.minimum(root[~near], 30.0) - 5.0
    value[~near] = polynomial(r, _NORMAL_TAIL[0]) / polynomial(r, _NORMAL_TAIL[1])
    value = np.where(
        tail[rest] == 0, np.inf, value
    )  # the ends; outside them the root is nan, and so is the value
    result[rest] = np.copysign(value, q[rest])
    return result


def erfinv(x: Array) -> Array:
    """The y with erf(y) = x: infinite at -1 and 1, nan outside."""
    return _normal_quantile(0.5 * x, 0.5 * (1.0 - np.abs(x))) * math.sqrt(0.5)


def ndtri(p: Array) -> Array:
    """The quantile of the standard normal distribution."""
    return _normal_quantile(p - 0.5, np.minimum(p, 1.0 - p))


# --- the gamma function -----------------------------------------------------------------------------------------------
# W. J. Cody and K. E. Hillstrom, "Chebyshev approximations for the natural logarithm of the gamma function",
# Mathematics of Computation 21 (1967), 198-203, in the precision of Cody's later program ALGAMA.

_LOG_GAMMA_1 = (
    -5.772156649015328605195174e-1,
    (
        4.945235359296727046734888e0, 2.018112620856775083915565e2, 2.290838373831346393026739e3,
        1.131967205903380828685045e4, 2.855724635671635335736389e4, 3.848496228443793359990269e4,
        2.637748787624195437963534e4, 7.225813979700288197698961e3,
    ),
    (
        1.0, 6.748212550303777196073036e1, 1.113332393857199323513008e3, 7.738757056935398733233834e3,
        2.763987074403340708898585e4, 5.499310206226157329794414e4, 6.161122180066002127833352e4,
        3.635127591501940507276287e4, 8.785536302431013170870835e3,
    ),
)  # fmt: skip
_LOG_GAMMA_2 = (
    4.227843350984671393993777e-1,
    (
        4.974607845568932035012064e0, 5.424138599891070494101986e2, 1.550693864978364947665077e4,
        1.847932904445632425417223e5, 1.088204769468828767498470e6, 3.338152967987029735917223e6,
        5.106661678927352456275255e6, 3.074109054850539556250927e6,
    ),
    (
        1.0, 1.830328399370592604055942e2, 7.765049321445005871323047e3, 1.331903827966074194402448e5,
        1.136705821321969608938755e6, 5.267964117437946917577538e6, 1.346701454311101692290052e7,
        1.782736530353274213975932e7, 9.533095591844353613395747e6,
    ),
)  # fmt: skip
_LOG_GAMMA_4 = (
    1.791759469228055000094023e0,
    (
        1.474502166059939948905062e4, 2.426813369486704502836312e6, 1.214755574045093227939592e8,
        2.663432449630976949898078e9, 2.940378956634553899906876e10, 1.702665737765398868392998e11,
        4.926125793377430887588120e11, 5.606251856223951465078242e11,
    ),
    (
        -1.0, 2.690530175870899333379843e3, 6.393885654300092398984238e5, 4.135599930241388052042842e7,
        1.120872109616147941376570e9, 1.488613728678813811542398e10, 1.016803586272438228077304e11,
        3.417476345507377132798597e11, 4.463158187419713286462081e11,
    ),
)  # fmt: skip
# B(2k) / (2k (2k-1)): Stirling's series for log(gamma), the highest power of 1/x**2 first.
_STIRLING = (-1 / 360360 * 691, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12)
_HALF_LOG_TWO_PI = 0.9189385332046727417803297


def _near(x: Array, fit: tuple[float, tuple[float, ...], tuple[float, ...]]) -> Array:
    slope, numerator, denominator = fit
    return x * (slope + x * (polynomial(x, numerator) / polynomial(x, denominator)))


def _log_gamma_positive(x: Array) -> Array:
    result = np.empty_like(x)
    large = x > 12.0
    z = x[large]
    inverse = 1.0 / z
    series = polynomial(inverse * inverse, _STIRLING) * inverse
    result[large] = (z - 0.5) * np.log(z) - z + _HALF_LOG_TWO_PI + series
    result[x == np.inf] = np.inf
    middle = (x > 4.0) & ~large
    z = x[middle] - 4.0
    result[middle] = _LOG_GAMMA_4[0] + z * polynomial(z, _LOG_GAMMA_4[1]) / polynomial(z, _LOG_GAMMA_4[2])
    two = (x > 1.5) & (x <= 4.0)
    result[two] = _near(x[two] - 2.0, _LOG_GAMMA_2)
    one = (x >= 0.6796875) & (x <= 1.5)
    z = x[one] - 1.0
    result[one] = _near(z, _LOG_GAMMA_1)
    # log(gamma(x)) = log(gamma(x + 1)) - log(x)
    below_one = (x > 0.5) & (x < 0.6796875)
    z = x[below_one]
    result[below_one] = _near(z - 1.0, _LOG_GAMMA_2) - np.log(z)
    small = x <= 0.5
    z = x[small]
    result[small] = _near(z, _LOG_GAMMA_1) - np.log(z)
    result[np.isnan(x)] = np.nan
    return result


def lgamma(x: Array) -> Array:
    """The logarithm of the absolute value of the gamma function; infinite at 0, -1, -2, …"""
    result = np.empty_like(x)
    negative = x <= 0
    positive = ~negative
    result[positive] = _log_gamma_positive(x[positive])
    z = x[negative]
    # gamma(z) gamma(1 - z) = pi / sin(pi z); the sine of the distance to the next integer keeps its digits.
    sine = np.abs(np.sin(math.pi * (z - np.rint(z))))
    reflected = math.log(math.pi) - np.log(sine) - _log_gamma_positive(1.0 - z)
    result[negative] = np.where(np.isinf(z), np.inf, reflected)
    return result


_BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330,
)  # fmt: skip
# B(2k) / 2k: the asymptotic series of digamma, from the highest power of 1/x**2 down.
_DIGAMMA = tuple(b / (2 * k) for k, b in reversed(list(enumerate(_BERNOULLI[:8], 1))))


def digamma(x: Array) -> Array:
    """The derivative of log(gamma): nan at negative integers, -inf at 0 and inf at -0.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 6.3.5 (recurrence), 6.3.7 (reflection) and 6.3.18.
    """
    reflect = x < 0
    z = np.where(reflect, 1.0 - x, x)
    shift = np.zeros_like(z)
    for _ in range(10):
        below = z < 10.0
        if not below.any():
            break
        shift[below] += 1.0 / z[below]
        z = np.where(below, z + 1.0, z)
    inverse = 1.0 / z
    square = inverse * inverse
    result = np.log(z) - 0.5 * inverse - square * polynomial(square, _DIGAMMA) - shift
    result[x == np.inf] = np.inf
    fraction = x[reflect] - np.rint(x[reflect])
    cotangent = np.where(fraction == 0, np.nan, 1.0 / np.tan(math.pi * fraction))
    result[reflect] -= math.pi * cotangent
    zero = x == 0
    result[zero] = np.copysign(np.inf, -x[zero])
    return result


def polygamma(n: int, x: Array) -> Array:
    """The derivative of order ``n`` of digamma (``n`` = 0: digamma itself).

    For positive arguments (-1)**(n+1) n! zeta(n+1, x), the Hurwitz zeta function by the sum of its first terms and the
    Euler-Maclaurin formula for the rest (Handbook of Mathematical Functions, 6.4.10 and 23.1.30); for negative ones the
    reflection 6.4.7.
    """
    if n == 0:
        return digamma(x)
    sign = -1.0 if n % 2 == 0 else 1.0
    factorial = math.factorial(n) if n <= 170 else math.inf
    result = np.empty_like(x)
    negative = x < 0
    positive = ~negative
    result[positive] = sign * factorial * hurwitz_zeta(n + 1, x[positive])
    z = x[negative]
    fraction = z - np.rint(z)
    cotangent = 1.0 / np.tan(math.pi * fraction)
    derivative = polynomial(cotangent, _cotangent_derivative(n)) * math.pi ** (n + 1)
    # psi_n(1 - z) + (-1)**(n+1) psi_n(z) = (-1)**n pi d^n/dz^n cot(pi z)
    reflected = -derivative - factorial * hurwitz_zeta(n + 1, 1.0 - z)
    result[negative] = np.where(fraction == 0, sign * np.inf, reflected)
    return result


@lru_cache(maxsize=64)
def _cotangent_derivative(n: int) -> tuple[float, ...]:
    """The polynomial P (highest power first) with d^n/dz^n cot(z) = P(cot(z)): cot' = -(1 + cot**2)."""
    powers = [0.0, 1.0]  # the lowest power first
    for _ in range(n):
        slopes = [k * c for k, c in enumerate(powers)][1:]
        powers = [0.0] * (len(slopes) + 2)
        for k, c in enumerate(slopes):
            powers[k] -= c
            powers[k + 2] -= c
    return tuple(reversed(powers))


def hurwitz_zeta(s: float, q: Array) -> Array:
    """The sum of (q + k)**-s over k = 0, 1, 2, … for s > 1 and q > 0 (infinite at q = 0)."""
    terms = 12
    total = np.zeros_like(q)
    for k in range(terms):
        total += (q + k) ** -s
    z = q + terms
    power = z**-s
    total += z * power / (s - 1) + 0.5 * power
    factor = s
    power = power / z
    for k, bernoulli in enumerate(_BERNOULLI, 1):
        total += bernoulli / math.factorial(2 * k) * factor * power
        factor *= (s + 2 * k - 1) * (s + 2 * k)
        power = power / (z * z)
    total[np.isinf(q)] = 0.0
    return total
