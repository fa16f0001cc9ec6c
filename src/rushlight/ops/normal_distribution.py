"""Functions of probability theory: the normal distribution's, entropy terms, the multivariate gamma function."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.dtypes import F32, INEXACT, LOW_PRECISION
from ..core.history import Node
from ..core.shapes import LONG_DIMENSION, check_fits
from ..core.tensor import Tensor
from ..runtime import special_functions
from ..runtime.special_functions import in_float64
from ..runtime.special_kernels import kernel_of
from .comparison import bitwise_and, eq, gt, le, lt, where
from .define import Primitive, Rule
from .dispatch import binary, inplace_form, unary, write_out
from .functions import erf, erfc, lgamma
from .movement import cast
from .pointwise import BOTH, mul, neg
from .powers import INPUT, by_derivative, exp, log, log1p, square

FLOAT = Rule.PROMOTE_FLOAT


def _erfcx_vjp(g: Tensor, node: Node) -> Tensor:
    x, y = node.unpack()
    return mul(g, mul(x, y) * 2 - 2 / math.sqrt(math.pi))  # type: ignore[no-any-return]


ERFCX = Primitive(
    "erfcx",
    in_float64(special_functions.erfcx, kernel_of("erfcx")),
    _erfcx_vjp,
    rule=FLOAT,
    saves=INPUT,
    saves_output=True,
    refuses="c",
)
NDTRI = Primitive(
    "ndtri",
    in_float64(special_functions.ndtri, kernel_of("ndtri")),
    by_derivative(lambda y: exp(square(y) * 0.5) * math.sqrt(2 * math.pi)),
    rule=FLOAT,
    saves_output=True,
    refuses="c",
    grad_name="SpecialNdtriBackward0",
)
erfcx = unary(ERFCX, "exp(x²) * erfc(x), which does not underflow.")
ndtri = unary(NDTRI, "The quantile of the standard normal distribution.")


def ndtr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The standard normal distribution's function: the probability of a value below x.

    Example:
        >>> import rushlight as torch
        >>> torch.special.ndtr(torch.tensor([0.0]))
        tensor([0.5000])
    """
    if input._array.dtype in LOW_PRECISION:
        result = mul(erf(mul(input, math.sqrt(0.5))) + 1, 0.5)  # every step rounded, as in PyTorch
    else:
        result = mul(erfc(mul(input, -math.sqrt(0.5))), 0.5)
    return result if out is None else write_out(out, result, "special_ndtr")


def log_ndtr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log(ndtr(x)), without underflow for x far below 0."""
    low = lt(input, -1)
    # Each branch sees only what it can take, so that the other's gradient stays finite.
    below, above = where(low, input, -1.0), where(low, 0.0, input)
    tail = log(mul(erfcx(mul(below, -math.sqrt(0.5))), 0.5)) - square(below) * 0.5
    result = where(low, tail, log1p(mul(erfc(mul(above, math.sqrt(0.5))), -0.5)))
    return result if out is None else write_out(out, result, "special_log_ndtr")


def _xlog1py_impl(x: Any, y: Any) -> Any:
    return np.where((x == 0) & ~np.isnan(y), x.dtype.type(0), x * np.log1p(y))


def _xlog1py_vjp(g: Tensor, node: Node) -> Any:
    x, y = node.unpack()
    for_x = for_y = None
    if node.edges[0] is not None:
        no_slope = bitwise_and(eq(x, 0), le(y, -1) if isinstance(y, Tensor) else y <= -1)
        for_x = where(no_slope, 0, xlog1py(g, y))
    if node.edges[1] is not None:
        for_y = g * x / (y + 1)
    return for_x, for_y


XLOG1PY = Primitive(
    "xlog1py", _xlog1py_impl, _xlog1py_vjp, rule=FLOAT, saves=((0, BOTH), (1, BOTH)), refuses="c"
)
xlog1py = binary(XLOG1PY, "x * log1p(y); 0 where x is 0, unless y is nan.", float_only=True)


def _entr_impl(x: Any) -> Any:
    term = -x * np.log(np.where(x > 0, x, x.dtype.type(1)))
    return np.where(
        x > 0, term, np.where(x < 0, x.dtype.type(-np.inf), np.abs(x))
    )  # of 0 and nan, themselves


def _entr_vjp(g: Tensor, node: Node) -> Tensor:
    (x,) = node.unpack()
    slope = where(gt(x, 0), neg(log(where(gt(x, 0), x, 1.0)) + 1), where(lt(x, 0), math.nan, math.inf))
    return mul(g, slope)  # type: ignore[no-any-return]


ENTR = Primitive(
    "entr", _entr_impl, _entr_vjp, rule=FLOAT, saves=INPUT, refuses="c", grad_name="SpecialEntrBackward0"
)
entr = unary(ENTR, "-x * log(x): 0 at 0 and -inf below.")


def _mvlgamma(self: Tensor, p: int) -> Tensor:
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    if p > LONG_DIMENSION:
        check_fits((*self._array.shape, p), self._array.dtype.itemsize)
    if self._array.dtype not in INEXACT:
        self = self + 0.0
    steps = [lgamma(self - j / 2) for j in range(p)]
    if self._array.dtype in LOW_PRECISION:  # what is rounded is their sum
        steps = [cast(step, F32) for step in steps]
    total = steps[0]
    for step in steps[1:]:
        total = total + step
    total = cast(total, self._array.dtype)
    return total + p * (p - 1) / 4 * math.log(math.pi)


def mvlgamma(input: Tensor, p: int, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension ``p``."""
    result = _mvlgamma(input, p)
    return result if out is None else write_out(out, result, "mvlgamma")


METHODS: dict[str, Any] = {"mvlgamma": _mvlgamma, "mvlgamma_": inplace_form("mvlgamma", _mvlgamma)}
