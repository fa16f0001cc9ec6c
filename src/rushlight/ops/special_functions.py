"""Bessel functions, orthogonal polynomials, incomplete gamma functions, and ``frexp``, as operations.

The numbers come from ``runtime.bessel``, ``runtime.orthogonal_polynomials`` and ``runtime.incomplete_gamma``: float64,
rounded once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, F64, FLOATS
from ..core.history import Node
from ..core.return_types import maker
from ..core.tensor import Tensor
from ..runtime import bessel
from ..runtime.special_functions import in_float64
from .comparison import eq, where
from .define import Primitive, Rule
from .dispatch import apply, binary, unary, write_out
from .functions import lgamma, of_tensors, sgn
from .pointwise import BOTH, mul, neg
from .powers import INPUT, by_derivative, exp, log

Array = NDArray[Any]
FLOAT = Rule.PROMOTE_FLOAT
FrexpResult = maker("frexp")

i0: Any
i1: Any
i0e: Any
i1e: Any

# --- modified Bessel functions of the first kind, which have derivatives ----------------------------------------------


def _i1_slope(x: Tensor) -> Tensor:
    at_zero = eq(x, 0)
    safe = where(at_zero, 1.0, x)
    return where(at_zero, 0.5, i0(safe) - i1(safe) / safe)  # type: ignore[no-any-return]


def _i1e_slope(x: Tensor) -> Tensor:
    at_zero = eq(x, 0)
    safe = where(at_zero, 1.0, x)
    return where(at_zero, 0.5, i0e(safe) - i1e(safe) * (sgn(safe) + 1 / safe))  # type: ignore[no-any-return]


_MODIFIED = {
    function: in_float64(function, bessel.kernel_of_i(order, scaled))
    for function, order, scaled in (
        (bessel.i0, 0, False),
        (bessel.i1, 1, False),
        (bessel.i0e, 0, True),
        (bessel.i1e, 1, True),
    )
}


def _of_floats(name: str, function: Any, derivative: Any) -> Primitive:
    return Primitive(
        name,
        _MODIFIED[function],
        None if derivative is None else by_derivative(derivative),
        rule=FLOAT,
        saves=() if derivative is None else INPUT,
        refuses="c",
    )


I0 = _of_floats("i0", bessel.i0, lambda x: i1(x))  # noqa: PLW0108 - defined below
I1 = _of_floats("special_i1", bessel.i1, _i1_slope)
I0E = _of_floats("special_i0e", bessel.i0e, lambda x: i1e(x) - sgn(x) * i0e(x))
I1E = _of_floats("special_i1e", bessel.i1e, _i1e_slope)
i0 = unary(I0, "The modified Bessel function of the first kind of order 0.")
i1 = unary(I1, "The modified Bessel function of the first kind of order 1.")
i0e = unary(I0E, "``i0`` times exp(-abs(x)), which does not overflow.")
i1e = unary(I1E, "``i1`` times exp(-abs(x)), which does not overflow.")

# --- Bessel functions without derivatives -----------------------------------------------------------------------------

_KINDS = {
    "airy_ai": (bessel.airy_ai, "Airy's function Ai."),
    "bessel_j0": (bessel.j0, "The Bessel function of the first kind of order 0."),
    "bessel_j1": (bessel.j1, "The Bessel function of the first kind of order 1."),
    "bessel_y0": (bessel.y0, "The Bessel function of the second kind of order 0: -inf at 0 and nan below."),
    "bessel_y1": (bessel.y1, "The Bessel function of the second kind of order 1: -inf at 0 and nan below."),
    "modified_bessel_i0": (bessel.i0, "The modified Bessel function of the first kind of order 0."),
    "modified_bessel_i1": (bessel.i1, "The modified Bessel function of the first kind of order 1."),
    "modified_bessel_k0": (
        bessel.k0, "The modified Bessel function of the second kind of order 0: inf at 0 and nan below.",
    ),
    "modified_bessel_k1": (
        bessel.k1, "The modified Bessel function of the second kind of order 1: inf at 0 and nan below.",
    ),
    "scaled_modified_bessel_k0": (bessel.k0e, "``modified_bessel_k0`` times exp(x)."),
    "scaled_modified_bessel_k1": (bessel.k1e, "``modified_bessel_k1`` times exp(x)."),
    "spherical_bessel_j0": (bessel.spherical_j0, "sin(x) / x: the spherical Bessel function of order 0."),
}  # fmt: skip


def _bessel_impl(x: Array, kind: str) -> Any:
    function = _KINDS[kind][0]
    return (_MODIFIED.get(function) or in_float64(function))(x)


BESSEL = Primitive("special_bessel", _bessel_impl, rule=FLOAT, refuses="c")


def _bessel(kind: str) -> Any:
    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"special_{kind}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
            )
        _only_wide(input, kind)
        result = apply(BESSEL, (input,), {"kind": kind})
        return result if out is None else write_out(out, result, f"special_{kind}")

    function.__name__ = function.__qualname__ = f"special_{kind}"
    function.__doc__ = _KINDS[kind][1] + " Of float32 and float64, elementwise, without a derivative."
    return function


def _only_wide(value: object, name: str) -> None:
    if isinstance(value, Tensor) and value._array.dtype in FLOATS and value._array.dtype not in (F32, F64):
        raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{value.dtype}'")


airy_ai = _bessel("airy_ai")
bessel_j0, bessel_j1 = _bessel("bessel_j0"), _bessel("bessel_j1")
bessel_y0, bessel_y1 = _bessel("bessel_y0"), _bessel("bessel_y1")
modified_bessel_i0, modified_bessel_i1 = _bessel("modified_bessel_i0"), _bessel("modified_bessel_i1")
modified_bessel_k0, modified_bessel_k1 = _bessel("modified_bessel_k0"), _bessel("modified_bessel_k1")
scaled_modified_bessel_k0 = _bessel("scaled_modified_bessel_k0")
scaled_modified_bessel_k1 = _bessel("scaled_modified_bessel_k1")
spherical_bessel_j0 = _bessel("spherical_bessel_j0")

# --- orthogonal polynomials -------------------------------------------------------------------------------------------


def _polynomial_impl(x: Array, n: Array, kind: str) -> Any:
    from ..runtime.orthogonal_polynomials import evaluate

    return evaluate(x.astype(F64, copy=False), n.astype(F64, copy=False), kind).astype(x.dtype)


POLYNOMIAL = Primitive("special_polynomial", _polynomial_impl, rule=FLOAT, refuses="c")


def _polynomial(kind: str, doc: str) -> Any:
    def function(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
        if not isinstance(input, Tensor) and not isinstance(n, Tensor):
            raise TypeError(
                f"special_{kind}(): expected a Tensor, got {type(input).__name__} and {type(n).__name__}"
            )
        _only_wide(input, kind)
        result = apply(POLYNOMIAL, (input, n), {"kind": kind})
        return result if out is None else write_out(out, result, f"special_{kind}")

    function.__name__ = function.__qualname__ = f"special_{kind}"
    function.__doc__ = (
        doc + " ``input`` and the degree ``n`` broadcast; 0 below degree 0. There is no derivative."
    )
    return function


chebyshev_polynomial_t = _polynomial("chebyshev_polynomial_t", "Chebyshev's polynomial of the first kind.")
chebyshev_polynomial_u = _polynomial("chebyshev_polynomial_u", "Chebyshev's polynomial of the second kind.")
chebyshev_polynomial_v = _polynomial("chebyshev_polynomial_v", "Chebyshev's polynomial of the third kind.")
chebyshev_polynomial_w = _polynomial("chebyshev_polynomial_w", "Chebyshev's polynomial of the fourth kind.")
shifted_chebyshev_polynomial_t = _polynomial(
    "shifted_chebyshev_polynomial_t", "Chebyshev's polynomial of the first kind, at 2x - 1."
)
shifted_chebyshev_polynomial_u = _polynomial(
    "shifted_chebyshev_polynomial_u", "Chebyshev's polynomial of the second kind, at 2x - 1."
)
shifted_chebyshev_polynomial_v = _polynomial(
    "shifted_chebyshev_polynomial_v", "Chebyshev's polynomial of the third kind, at 2x - 1."
)
shifted_chebyshev_polynomial_w = _polynomial(
    "shifted_chebyshev_polynomial_w", "Chebyshev's polynomial of the fourth kind, at 2x - 1."
)
hermite_polynomial_h = _polynomial("hermite_polynomial_h", "The physicist's Hermite polynomial.")
hermite_polynomial_he = _polynomial("hermite_polynomial_he", "The probabilist's Hermite polynomial.")
laguerre_polynomial_l = _polynomial("laguerre_polynomial_l", "Laguerre's polynomial.")
legendre_polynomial_p = _polynomial("legendre_polynomial_p", "Legendre's polynomial.")

# --- zeta and the incomplete gamma functions --------------------------------------------------------------------------


def _in_float64(name: str) -> Any:
    """The two-operand function of that name in ``runtime.incomplete_gamma``, rounded once."""

    def impl(a: Array, x: Array, out: Array | None = None) -> Any:
        from ..runtime import incomplete_gamma

        function = getattr(incomplete_gamma, name)
        return function(a.astype(F64, copy=False), x.astype(F64, copy=False)).astype(a.dtype)

    return impl


def _zeta_vjp(g: Tensor, node: Node) -> Any:
    x, q = node.unpack()
    if node.edges[0] is not None:
        raise NotImplementedError(
            "the derivative for 'special_zeta' with respect to 'self' is not implemented."
        )
    return None, mul(g, -x * zeta(x + 1.0, q))


def _igamma_slope(a: Any, x: Any) -> Any:
    return exp((a - 1) * log(x) - x - lgamma(a if isinstance(a, Tensor) else x * 0 + a))


def _igamma_vjp(sign: int, name: str) -> Any:
    def vjp(g: Tensor, node: Node) -> Any:
        a, x = node.unpack()
        if node.edges[0] is not None:
            raise NotImplementedError(f"the derivative for '{name}: input' is not implemented.")
        slope = _igamma_slope(a, x)
        return None, mul(g, slope if sign > 0 else neg(slope))

    return vjp


_KEPT = ((0, BOTH), (1, BOTH))
ZETA = Primitive("special_zeta", _in_float64("zeta"), _zeta_vjp, rule=FLOAT, saves=_KEPT, refuses="c")
IGAMMA = Primitive(
    "igamma", _in_float64("igamma"), _igamma_vjp(1, "igamma"), rule=FLOAT, saves=_KEPT, refuses="biuc"
)
IGAMMAC = Primitive(
    "igammac", _in_float64("igammac"), _igamma_vjp(-1, "igammac"), rule=FLOAT, saves=_KEPT, refuses="biuc"
)
zeta = binary(ZETA, "Hurwitz's zeta function: the sum of (q + k) to the power -x.", float_only=True)
igamma = of_tensors(
    binary(IGAMMA, float_only=True),
    "igamma",
    "The regularized lower incomplete gamma function of a (first) and x.",
)
igammac = of_tensors(
    binary(IGAMMAC, float_only=True),
    "igammac",
    "The regularized upper incomplete gamma function of a (first) and x.",
)

# --- frexp ------------------------------------------------------------------------------------------------------------


def _frexp_impl(x: Array) -> Any:
    if x.dtype in (F32, F64):
        mantissa, exponent = np.frexp(x)
    else:
        mantissa, exponent = np.frexp(x.astype(F32))
    finite = np.isfinite(x)
    return mantissa.astype(x.dtype), np.where(finite, exponent, 0).astype(np.int32)


def _frexp_vjp(g: Any, node: Node) -> Any:
    (x,) = node.unpack()
    exponent = frexp(x)[1]
    return None if g[0] is None else mul(g[0], (exponent * 0 + 2.0) ** neg(exponent))


FREXP = Primitive("frexp", _frexp_impl, _frexp_vjp, saves=INPUT)


def frexp(input: Tensor, *, out: tuple[Tensor, Tensor] | None = None) -> Any:
    """The numbers as ``mantissa * 2**exponent`` with the mantissa in [0.5, 1): a named tuple, exponents in int32.

    Raises ``RuntimeError`` for a dtype that is not floating-point.

    Example:
        >>> import rushlight as torch
        >>> torch.frexp(torch.tensor([6.0])).exponent
        tensor([3], dtype=torch.int32)
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"frexp(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    if input._array.dtype not in FLOATS:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    results = apply(FREXP, (input,))
    if out is not None:
        results = tuple(write_out(o, r, "frexp") for o, r in zip(out, results, strict=True))
    return FrexpResult(results)


def _frexp(self: Tensor) -> Any:
    return frexp(self)


METHODS: dict[str, Any] = {
    "i0": I0.method,
    "i0_": I0.inplace,
    "igamma": igamma.method,
    "igamma_": igamma.inplace,
    "igammac": igammac.method,
    "igammac_": igammac.inplace,
    "frexp": _frexp,
}
