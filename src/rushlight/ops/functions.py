"""Mathematical functions of one and two arguments: powers of e, logarithms, trigonometry, rounding, special functions.

Where an element has no value (the logarithm of -1) the result is nan, and where it has none that is finite it is inf;
neither is reported. Integers and bools are taken as the default float dtype, except by the rounding functions, which
give integers back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np

from ..core.arguments import check_tensor as check_tensor_argument
from ..core.dtypes import COMPLEXES, F32, F64, LOW_PRECISION, default_numpy
from ..core.history import Node, known_as
from ..core.tensor import Tensor, as_array
from ..runtime import special_functions
from ..runtime.special_functions import in_float64
from ..runtime.special_kernels import kernel_of
from .comparison import bitwise_and, eq, gt, isnan, le, logical_and, logical_or, lt, where
from .complex_numbers import check_parts, complex, conj_of, imag, real, write_complex_out
from .creation import zeros_like
from .define import Primitive, Rule
from .dispatch import (
    apply,
    binary,
    inplace_form,
    is_number,
    named,
    named_in_place,
    not_implemented,
    plain_number,
    unary,
    write_out,
)
from .movement import cast
from .pointwise import BOTH, div, in_float32, in_float32_vjp, mul, neg, require_tensor, sub
from .powers import FLOAT, INPUT, by_derivative, by_inverse, exp, exp2, rsqrt, square
from .quick_inplace import unary_inplace, wrote

_negative, _exp, _add, _reciprocal = np.negative, np.exp, np.add, np.reciprocal
_ONE = {F32: np.asarray(1, F32), F64: np.asarray(1, F64)}


def widened(impl: Callable[..., Any]) -> Callable[..., Any]:
    """``impl`` with float16 and bfloat16 computed in float32 and rounded once, as PyTorch's kernels do."""

    def computed(*arrays: Any, **attrs: Any) -> Any:
        dtype = arrays[0].dtype
        if dtype in LOW_PRECISION:
            return as_array(impl(*[array.astype(F32) for array in arrays], **attrs)).astype(dtype)
        return impl(*arrays, **attrs)

    return computed


def _no_slope(g: Tensor, node: Node) -> Tensor:
    return zeros_like(g)  # type: ignore[no-any-return]


# --- trigonometry and hyperbolic functions ----------------------------------------------------------------------------


def _acosh_slope(x: Tensor) -> Tensor:
    if x._array.dtype in COMPLEXES:
        return rsqrt(x - 1) * rsqrt(x + 1)  # the root of x**2 - 1 would lose the branch
    return rsqrt(square(x) - 1)


SIN = Primitive("sin", np.sin, by_derivative(lambda x: cos(x)), rule=FLOAT, saves=INPUT)  # noqa: PLW0108 - defined below
COS = Primitive("cos", np.cos, by_derivative(lambda x: neg(sin(x))), rule=FLOAT, saves=INPUT)
TAN = Primitive("tan", np.tan, by_derivative(lambda y: square(y) + 1), rule=FLOAT, saves_output=True)
ASIN = Primitive("asin", np.arcsin, by_derivative(lambda x: rsqrt(1 - square(x))), rule=FLOAT, saves=INPUT)
ACOS = Primitive(
    "acos", np.arccos, by_derivative(lambda x: neg(rsqrt(1 - square(x)))), rule=FLOAT, saves=INPUT
)
ATAN = Primitive("atan", np.arctan, by_inverse(lambda x: square(x) + 1), rule=FLOAT, saves=INPUT)
SINH = Primitive("sinh", np.sinh, by_derivative(lambda x: cosh(x)), rule=FLOAT, saves=INPUT)  # noqa: PLW0108 - defined below
COSH = Primitive("cosh", np.cosh, by_derivative(lambda x: sinh(x)), rule=FLOAT, saves=INPUT)  # noqa: PLW0108 - defined below
TANH = Primitive(
    "tanh", np.tanh, in_float32_vjp(by_derivative(lambda y: 1 - square(y))), rule=FLOAT, saves_output=True
)
ASINH = Primitive("asinh", np.arcsinh, by_derivative(lambda x: rsqrt(square(x) + 1)), rule=FLOAT, saves=INPUT)
ACOSH = Primitive("acosh", np.arccosh, by_derivative(_acosh_slope), rule=FLOAT, saves=INPUT)
ATANH = Primitive("atanh", np.arctanh, by_inverse(lambda x: 1 - square(x)), rule=FLOAT, saves=INPUT)

sin: Any = unary(SIN, "The sine of an angle in radians.")
cos: Any = unary(COS, "The cosine of an angle in radians.")
tan = unary(TAN, "The tangent of an angle in radians.")
asin = unary(ASIN, "The angle in radians with this sine; nan outside [-1, 1].")
acos = unary(ACOS, "The angle in radians with this cosine; nan outside [-1, 1].")
atan = unary(ATAN, "The angle in radians with this tangent.")
sinh: Any = unary(SINH, "The hyperbolic sine.")
cosh: Any = unary(COSH, "The hyperbolic cosine.")
tanh = unary(TANH, "The hyperbolic tangent.")
asinh = unary(ASINH, "The inverse hyperbolic sine.")
acosh = unary(ACOSH, "The inverse hyperbolic cosine; nan below 1.")
atanh = unary(ATANH, "The inverse hyperbolic tangent; nan outside [-1, 1].")


def _atan2_vjp(g: Tensor, node: Node) -> Any:
    y, x = node.unpack()
    squares = x * x + y * y
    by = where(eq(squares, 0), 0, g / squares)
    return (
        None if node.edges[0] is None else by * x,
        None if node.edges[1] is None else by * neg(y),
    )


def _hypot_vjp(g: Tensor, node: Node) -> Any:
    x, y, length = node.unpack()
    return (
        None if node.edges[0] is None else g * (x / length),
        None if node.edges[1] is None else g * (y / length),
    )


ATAN2 = Primitive("atan2", np.arctan2, _atan2_vjp, rule=FLOAT, saves=((0, BOTH), (1, BOTH)), refuses="c")
HYPOT = Primitive(
    "hypot",
    np.hypot,
    _hypot_vjp,
    rule=Rule.PROMOTE,
    saves=((0, (0,)), (1, (1,))),
    saves_output=True,
    refuses="biuc",
)


def of_tensors(function: Any, name: str, doc: str) -> Any:
    """A function of two tensors, from a ``binary`` one that takes numbers too."""
    operator = function.operator

    def method(self: Tensor, other: Tensor) -> Tensor:
        if not isinstance(other, Tensor):
            raise TypeError(f"{name}(): argument 'other' must be Tensor, not {type(other).__name__}")
        return operator(self, other)  # type: ignore[no-any-return]

    def checked(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
            )
        result = method(input, other)
        return result if out is None else write_out(out, result, name)

    checked.method = named(method, name, doc)  # type: ignore[attr-defined]
    checked.inplace = inplace_form(name, method)  # type: ignore[attr-defined]
    return named(checked, name, doc)


atan2 = of_tensors(
    binary(ATAN2, float_only=True),
    "atan2",
    "The angle in radians of the point (other, input), by the quadrant it is in.",
)
hypot = of_tensors(
    binary(HYPOT, float_only=True), "hypot", "The length of the hypotenuse, without overflow on the way."
)

# --- sigmoid and its inverse ------------------------------------------------------------------------------------------


def _sigmoid_impl(x: Any) -> Any:
    one = _ONE.get(x.dtype)
    if one is None or not x.ndim:
        if x.dtype in LOW_PRECISION:
            return as_array(_sigmoid_impl(x.astype(F32))).astype(x.dtype)
        return 1 / (1 + np.exp(-x))
    result = _negative(x)
    _exp(result, result)
    _add(result, one, result)
    return _reciprocal(result, result)


def _logit_impl(x: Any, eps: float | None) -> Any:
    if eps is not None:
        x = np.minimum(np.maximum(x, x.dtype.type(eps)), x.dtype.type(1) - x.dtype.type(eps))
    return np.log(x / (1 - x))


def _logit_vjp(g: Tensor, node: Node) -> Tensor:
    (x,) = node.unpack()
    eps = node.attrs["eps"]
    slope = g / (x * (1 - x))
    if eps is None:
        return where(logical_or(lt(x, 0), gt(x, 1)), math.nan, slope)  # type: ignore[no-any-return]
    return where(logical_or(lt(x, eps), gt(x, 1 - eps)), 0.0, slope)  # type: ignore[no-any-return]


SIGMOID = Primitive(
    "sigmoid",
    _sigmoid_impl,
    in_float32_vjp(by_derivative(lambda y: y * (1 - y))),
    rule=FLOAT,
    saves_output=True,
)
LOGIT = Primitive("logit", _logit_impl, _logit_vjp, rule=FLOAT, saves=INPUT, refuses="c")
sigmoid = unary(SIGMOID, "1 / (1 + exp(-x)): any number brought into (0, 1).")


def logit(input: Tensor, eps: Any = None, *, out: Tensor | None = None) -> Tensor:
    """The inverse of ``sigmoid``: log(x / (1 - x)), with x first brought into [eps, 1 - eps] if ``eps`` is given.

    Example:
        >>> import rushlight as torch
        >>> torch.logit(torch.tensor([0.5, 1.0]), eps=0.25)
        tensor([0.0000, 1.0986])
    """
    check_tensor_argument("logit", "input", input)
    if isinstance(eps, Tensor):
        eps = plain_number("logit", "eps", eps)
    if eps is not None and not is_number(eps):
        raise TypeError(f"logit(): argument 'eps' must be float, not {type(eps).__name__}")
    result = apply(LOGIT, (input,), {"eps": eps})
    return result if out is None else write_out(out, result, "logit")


# --- rounding ---------------------------------------------------------------------------------------------------------


def _keeping_integers(function: Any) -> Any:
    return lambda x: x.copy() if x.dtype.kind in "iu" else function(x)


def _rounding(name: str, function: Any) -> Primitive:
    return Primitive(name, _keeping_integers(function), _no_slope, refuses="bc")


FLOOR, CEIL, ROUND, TRUNC = (
    _rounding("floor", np.floor), _rounding("ceil", np.ceil), _rounding("round", np.rint), _rounding("trunc", np.trunc),
)  # fmt: skip
floor = unary(FLOOR, "The greatest integer that is not above the element.")
ceil = unary(CEIL, "The smallest integer that is not below the element.")
trunc = unary(TRUNC, "The integer part.")
_round = unary(ROUND)


def _round_method(self: Tensor, *, decimals: int = 0) -> Tensor:
    if not decimals:
        return ROUND.method(self)  # type: ignore[no-any-return]
    if self._array.dtype.kind in "biuc":
        raise not_implemented("round", self._array.dtype)
    if self._array.dtype in LOW_PRECISION:
        return in_float32(lambda x: _round_method(x, decimals=decimals), self)
    decimals = index(decimals)
    places = max(decimals, -decimals)
    scale = 10.0**places if places < 309 else math.inf
    if decimals > 0:
        return div(_round(mul(self, scale)), scale)
    return mul(_round(div(self, scale)), scale)  # type: ignore[no-any-return]


def round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:
    """The nearest integer, halves to the even one; or the nearest number with ``decimals`` digits after the point.

    Example:
        >>> import rushlight as torch
        >>> torch.round(torch.tensor([0.5, 1.5, 2.6]))
        tensor([0., 2., 3.])
    """
    result = _round_method(input, decimals=decimals)
    return result if out is None else write_out(out, result, "round")


def _frac(self: Tensor) -> Tensor:
    if self._array.dtype.kind in "biuc":
        raise not_implemented("frac", self._array.dtype)
    return sub(self, trunc(self))  # type: ignore[no-any-return]


def frac(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The part after the point, with the element's sign."""
    result = _frac(input)
    return known_as(result, "FracBackward0") if out is None else write_out(out, result, "frac")


# --- magnitude and sign -----------------------------------------------------------------------------------------------


def _sgn_impl(x: Any) -> Any:
    kind = x.dtype.kind
    if kind == "b":
        return x.copy()
    if kind == "c":
        magnitude = np.abs(x)
        return np.where(magnitude == 0, x.dtype.type(0), x / magnitude)
    if kind in "iu":
        return np.sign(x)
    return np.subtract(x > 0, x < 0, dtype=np.int8).astype(x.dtype)  # nan has the sign 0


def _sgn_vjp(g: Tensor, node: Node) -> Tensor:
    edge = node.edges[0]
    if edge is not None and edge.dtype not in COMPLEXES:
        return zeros_like(g)  # type: ignore[no-any-return]  # whatever became of the result meanwhile
    x, y = node.unpack()
    magnitude = abs(x)
    slope = g / magnitude - real(g / x) * y
    return where(eq(magnitude, 0), 0, slope)  # type: ignore[no-any-return]


ABS = Primitive("abs", np.abs, lambda g, node: mul(g, sgn(node.unpack()[0])), saves=INPUT, refuses="b")
SGN = Primitive("sgn", _sgn_impl, _sgn_vjp, saves=INPUT, saves_output=True)
abs = unary(ABS, "The absolute value; of a complex number its magnitude, which is real.")
sgn: Any = unary(SGN, "The sign: -1, 0 or 1; of a complex number the one of magnitude 1 in its direction.")


def _sign(self: Tensor) -> Tensor:
    if self._array.dtype in COMPLEXES:
        raise NotImplementedError(
            "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead."
        )
    return SGN.method(self)  # type: ignore[no-any-return]


def sign(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sign of real elements: -1, 0 or 1."""
    result = _sign(input)
    return result if out is None else write_out(out, result, "sign")


def _abs_inplace(self: Tensor) -> Tensor:
    if self._array.dtype in COMPLEXES:
        raise RuntimeError("In-place abs is not supported for complex tensors.")
    return self if wrote(self, "abs", np.abs) else ABS.inplace(self)


def _copysign_vjp(g: Tensor, node: Node) -> Any:
    x, _, y = node.unpack()
    ratio = where(eq(x, 0), 0, div(y, x))
    return None if node.edges[0] is None else g * ratio, None if node.edges[1] is None else zeros_like(g)


COPYSIGN = Primitive(
    "copysign",
    np.copysign,
    _copysign_vjp,
    rule=FLOAT,
    saves=((0, BOTH), (1, ())),
    saves_output=True,
    refuses="c",
)
_copysign = binary(COPYSIGN, float_only=True)


def copysign(input: Tensor, other: Any, *, out: Tensor | None = None) -> Tensor:
    """The magnitudes of ``input`` with the signs of ``other`` (-0.0 is negative)."""
    require_tensor("copysign", input)
    return _copysign(input, other, out=out)  # type: ignore[no-any-return]


def signbit(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether the sign bit is set: below zero, and at -0.0."""
    if input._array.dtype in COMPLEXES:
        raise NotImplementedError("signbit is not implemented for complex tensors.")
    floating = input._array.dtype.kind in "fV"
    result = lt(_copysign(1.0, input.detach()), 0) if floating else lt(input, 0)
    return result if out is None else write_out(out, result, "signbit")


def _nextafter_impl(x: Any, y: Any) -> Any:
    return np.nextafter(x, y)


def _nextafter_vjp(g: Tensor, node: Node) -> Any:
    x, y = node.unpack()
    same = eq(x, y)
    return (
        None if node.edges[0] is None else where(same, 0, g),
        None if node.edges[1] is None else zeros_like(g),
    )


NEXTAFTER = Primitive(
    "nextafter",
    _nextafter_impl,
    _nextafter_vjp,
    rule=Rule.PROMOTE,
    saves=((0, BOTH), (1, BOTH)),
    refuses="biuc",
)
nextafter = of_tensors(
    binary(NEXTAFTER, float_only=True),
    "nextafter",
    "The next number after ``input`` in the direction of ``other``.",
)

# --- special functions ------------------------------------------------------------------------------------------------

_erf64 = in_float64(special_functions.erf)


def _erf_impl(x: Any) -> Any:
    return special_functions.erf_float32(x) if x.dtype is F32 else _erf64(x)


_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)


def _bell(x: Tensor) -> Tensor:
    return exp(neg(square(x)))  # type: ignore[no-any-return]


def _few_by_python(function: Callable[[float], float], impl: Any, few: int, kernel: Any = None) -> Any:
    """``impl``, and for up to ``few`` float32 numbers Python's ``function``, as good before it is rounded: dozens of NumPy's
    operations on a few numbers take longer than the numbers one by one."""

    def computed(x: Any) -> Any:
        if kernel is not None and x.size > 8:
            result = kernel(x)
            if result is not None:
                return special_functions.in_order_of(x, result)
        if x.size <= few and x.dtype is F32 and type(x) is np.ndarray:
            try:
                numbers = [function(number) for number in x.reshape(-1).tolist()]
            except (ValueError, OverflowError):  # a pole, or a result that is infinite
                return impl(x)
            return special_functions.in_order_of(x, np.array(numbers, F32).reshape(x.shape))
        return impl(x)

    return computed


ERF = Primitive(
    "erf",
    _few_by_python(math.erf, _erf_impl, 128),
    by_derivative(lambda x: _bell(x) * _TWO_OVER_ROOT_PI),
    rule=FLOAT,
    saves=INPUT,
    refuses="c",
)
ERFC = Primitive(
    "erfc",
    _few_by_python(math.erfc, in_float64(special_functions.erfc), 512),
    by_derivative(lambda x: _bell(x) * -_TWO_OVER_ROOT_PI),
    rule=FLOAT,
    saves=INPUT,
    refuses="c",
)
ERFINV = Primitive(
    "erfinv",
    in_float64(special_functions.erfinv, kernel_of("erfinv")),
    by_derivative(lambda y: exp(square(y)) * (1 / _TWO_OVER_ROOT_PI)),
    rule=FLOAT,
    saves_output=True,
    refuses="c",
)
LGAMMA = Primitive(
    "lgamma",
    _few_by_python(math.lgamma, in_float64(special_functions.lgamma), 1024, kernel_of("lgamma")),
    by_derivative(lambda x: digamma(x)),  # noqa: PLW0108 - defined below
    rule=FLOAT,
    saves=INPUT,
    refuses="c",
)


def _polygamma_impl(x: Any, n: int) -> Any:
    if n > 10_000:  # of so high an order the factorial is inf and the zeta function 0 to float64's precision
        return np.full_like(x, np.nan)
    return special_functions.polygamma_of_floats(n)(x)


POLYGAMMA = Primitive(
    "polygamma",
    _polygamma_impl,
    lambda g, node: mul(g, polygamma(node.attrs["n"] + 1, node.unpack()[0])),
    rule=FLOAT,
    saves=INPUT,
    refuses="c",
)
erf = unary(ERF, "The error function: 2/√π times the integral of exp(-t²) from 0 to x.")
erfc = unary(ERFC, "1 - erf(x), exact where erf is near 1 too.")
erfinv = unary(ERFINV, "The inverse of ``erf``: infinite at -1 and 1, nan outside.")
lgamma = unary(LGAMMA, "The logarithm of the absolute value of the gamma function.")


def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The derivative of order ``n`` ≥ 0 of ``digamma``.

    Example:
        >>> import rushlight as torch
        >>> torch.polygamma(1, torch.tensor([1.0]))  # π²/6
        tensor([1.6449])
    """
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"polygamma(): argument 'n' (position 1) must be int, not {type(n).__name__}")
    n = index(n)
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    if n >= 1 << 63:
        raise ValueError(f"Overflow when unpacking long long: {n}")
    result = apply(POLYGAMMA, (input,), {"n": n})
    return result if out is None else write_out(out, result, "polygamma")


def _polygamma_method(self: Tensor, n: int) -> Tensor:
    return polygamma(n, self)


def _digamma_method(self: Tensor) -> Tensor:
    return known_as(apply(POLYGAMMA, (self,), {"n": 0}), "DigammaBackward0")


def digamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The derivative of ``lgamma``."""
    check_tensor_argument("digamma", "input", input)
    result = _digamma_method(input)
    return known_as(result, "DigammaBackward0") if out is None else write_out(out, result, "digamma")


def _xlogy_vjp(g: Tensor, node: Node) -> Any:
    x, y = node.unpack()
    for_x = for_y = None
    if node.edges[0] is not None:
        no_slope = logical_and(eq(x, 0), le(y, 0)) if isinstance(y, Tensor) else bitwise_and(eq(x, 0), y <= 0)
        for_x = where(no_slope, 0, xlogy(g, y))
    if node.edges[1] is not None:
        for_y = g * x / y
    return for_x, for_y


def _xlogy_impl(x: Any, y: Any) -> Any:
    result = x * np.log(y)
    return np.where((x == 0) & ~np.isnan(y), x.dtype.type(0), result)


XLOGY = Primitive("xlogy", _xlogy_impl, _xlogy_vjp, rule=FLOAT, saves=((0, BOTH), (1, BOTH)), refuses="c")
xlogy = binary(XLOGY, "x * log(y); 0 where x is 0, unless y is nan.", float_only=True)


def _logaddexp_impl(x: Any, y: Any) -> Any:
    if x.dtype.kind != "c":
        return np.logaddexp(x, y)
    larger = np.where(x.real < y.real, y, x)
    finite = np.isfinite(larger.real)
    shift = np.where(finite, larger, 0)
    total = np.log(np.exp(x - shift) + np.exp(y - shift)) + shift
    return np.where(finite | (x != y), total, x).astype(x.dtype)


def _logaddexp_vjp(power: Callable[[Any], Any]) -> Callable[[Tensor, Node], Any]:
    def vjp(g: Tensor, node: Node) -> Any:
        x, y = node.unpack()
        return (
            None if node.edges[0] is None else g / conj_of(power(sub(y, x)) + 1),
            None if node.edges[1] is None else g / conj_of(power(sub(x, y)) + 1),
        )

    return vjp


LOGADDEXP = Primitive(
    "logaddexp",
    widened(_logaddexp_impl),
    _logaddexp_vjp(exp),
    rule=Rule.PROMOTE,
    saves=((0, BOTH), (1, BOTH)),
    refuses="biu",
)
LOGADDEXP2 = Primitive(
    "logaddexp2",
    widened(np.logaddexp2),
    _logaddexp_vjp(exp2),
    rule=Rule.PROMOTE,
    saves=((0, BOTH), (1, BOTH)),
    refuses="biuc",
)
logaddexp = of_tensors(
    binary(LOGADDEXP, float_only=True), "logaddexp", "log(exp(x) + exp(y)), without overflow on the way."
)
logaddexp2 = of_tensors(
    binary(LOGADDEXP2, float_only=True),
    "logaddexp2",
    "The logarithm to base 2 of 2**x + 2**y, without overflow.",
)


def _sinc(self: Tensor) -> Tensor:
    if self._array.dtype in LOW_PRECISION:
        return in_float32(_sinc, self)
    at_zero = eq(self, 0)
    angle = mul(where(at_zero, 1, self), math.pi)
    return where(at_zero, 1.0, div(sin(angle), angle))  # type: ignore[no-any-return]


def sinc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """sin(πx) / (πx), and 1 at 0."""
    result = _sinc(input)
    return known_as(result, "SincBackward0") if out is None else write_out(out, result, "sinc")


# --- angles and complex numbers ---------------------------------------------------------------------------------------


def _deg2rad(self: Tensor) -> Tensor:
    return _scaled(self, math.pi / 180, "deg2rad")


def _rad2deg(self: Tensor) -> Tensor:
    return _scaled(self, 180 / math.pi, "rad2deg")


def _scaled(self: Tensor, factor: float, name: str) -> Tensor:
    if self._array.dtype in COMPLEXES:
        raise RuntimeError(f"{name} is not supported for complex tensors.")
    return mul(self, factor)  # type: ignore[no-any-return]


def deg2rad(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Degrees as radians."""
    result = _deg2rad(input)
    return known_as(result, "Deg2RadBackward0") if out is None else write_out(out, result, "deg2rad")


def rad2deg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Radians as degrees."""
    result = _rad2deg(input)
    return known_as(result, "Rad2DegBackward0") if out is None else write_out(out, result, "rad2deg")


def angle(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle in radians of complex numbers; of real ones 0, or π below zero."""
    check_tensor_argument("angle", "input", input)
    if input._array.dtype in COMPLEXES:
        result = atan2(imag(input), real(input))
    else:
        source = input if input._array.dtype.kind in "fV" else cast(input, default_numpy())
        flat = mul(sgn(source), 0.0)  # zeros without a slope: the angle is constant on either side of 0
        result = where(isnan(source), math.nan, where(lt(source, 0), math.pi, flat))
    return result if out is None else write_out(out, result, "angle")


def polar(abs: Tensor, angle: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Complex numbers of the given magnitudes and angles in radians, two tensors of one dtype (float32 or float64)."""
    check_parts("polar", abs, angle)
    result = complex(abs * cos(angle), abs * sin(angle))
    return result if out is None else write_complex_out(out, result, "polar")


METHODS: dict[str, Any] = {
    "__abs__": ABS.method,
    "abs_": _abs_inplace,
    "absolute": ABS.method,
    "absolute_": _abs_inplace,
    "sign": _sign,
    "sign_": inplace_form("sign", _sign),
    "round": _round_method,
    "round_": inplace_form("round", _round_method),
    "fix": TRUNC.method,
    "fix_": TRUNC.inplace,
    "frac": _frac,
    "frac_": inplace_form("frac", _frac),
    "logit": lambda self, eps=None: logit(self, eps),
    "logit_": inplace_form("logit", logit),
    "atan2": atan2.method,
    "atan2_": atan2.inplace,
    "arctan2": atan2.method,
    "arctan2_": atan2.inplace,
    "hypot": hypot.method,
    "hypot_": hypot.inplace,
    "nextafter": nextafter.method,
    "nextafter_": nextafter.inplace,
    "logaddexp": logaddexp.method,
    "logaddexp2": logaddexp2.method,
    "copysign": COPYSIGN.method,
    "copysign_": named_in_place(COPYSIGN.inplace, "copysign_"),
    "xlogy": XLOGY.method,
    "xlogy_": XLOGY.inplace,
    "signbit": signbit,
    "sinc": _sinc,
    "sinc_": inplace_form("sinc", _sinc),
    "digamma": _digamma_method,
    "digamma_": inplace_form("digamma", _digamma_method),
    "polygamma": _polygamma_method,
    "polygamma_": inplace_form("polygamma", _polygamma_method),
    "deg2rad": _deg2rad,
    "deg2rad_": inplace_form("deg2rad", _deg2rad),
    "rad2deg": _rad2deg,
    "rad2deg_": inplace_form("rad2deg", _rad2deg),
    "angle": angle,
}
for _record in (
    SIN, COS, TAN, ASIN, ACOS, ATAN, SINH, COSH, TANH, ASINH, ACOSH, ATANH, SIGMOID, FLOOR, CEIL, TRUNC, SGN, ERF, ERFC,
    ERFINV, LGAMMA, ABS,
):  # fmt: skip
    METHODS[_record.name] = _record.method
    METHODS.setdefault(_record.name + "_", unary_inplace(_record))
    if _record.name.startswith("a") and _record is not ABS:  # asin is arcsin too
        METHODS["arc" + _record.name[1:]] = _record.method
        METHODS["arc" + _record.name[1:] + "_"] = METHODS[_record.name + "_"]
