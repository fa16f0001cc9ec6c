"""Powers, roots, exponentials and logarithms."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dtypes import (
    BOOL,
    COMPLEXES,
    F16,
    F32,
    F64,
    FLOATS,
    INEXACT,
    LOW_PRECISION,
    default_numpy,
    scalar_dtype,
)
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node, known_as
from ..core.storage import LIBRARY, program_site
from ..core.tensor import Tensor, make_tensor
from .comparison import eq, ge, logical_and, where
from .complex_numbers import conj_of, real
from .creation import zeros_like
from .define import Primitive, Rule
from .dispatch import (
    FloatingPointReport,
    apply,
    compute,
    inplace_form,
    is_number,
    not_implemented,
    number_array,
    type_name,
    unary,
    write_out,
)
from .inplace import overwrite
from .movement import cast
from .pointwise import BOTH, PROMOTE, div, mul, reciprocal, require_tensor
from .quick_inplace import unary_inplace

FLOAT = Rule.PROMOTE_FLOAT
INPUT = ((0, (0,)),)
ndarray = np.ndarray
asarray = np.asarray
grad_enabled = GRAD_MODE.get
getframe = sys._getframe


def by_derivative(derivative: Callable[[Any], Any]) -> Callable[[Tensor, Node], Tensor]:
    """The vjp of a function whose derivative is a formula in what it saved: its input, or its result."""
    return lambda g, node: mul(g, conj_of(derivative(node.unpack()[0])))


def by_inverse(inverse: Callable[[Any], Any]) -> Callable[[Tensor, Node], Tensor]:
    """As ``by_derivative``, for the derivative's reciprocal."""
    return lambda g, node: div(g, conj_of(inverse(node.unpack()[0])))


# --- powers of e and logarithms ---------------------------------------------------------------------------------------

EXP = Primitive("exp", np.exp, by_derivative(lambda y: y), rule=FLOAT, saves_output=True)
EXPM1 = Primitive("expm1", np.expm1, by_derivative(lambda y: y + 1), rule=FLOAT, saves_output=True)
EXP2 = Primitive("exp2", np.exp2, by_derivative(lambda y: y * math.log(2)), rule=FLOAT, saves_output=True)
LOG = Primitive("log", np.log, by_inverse(lambda x: x), rule=FLOAT, saves=INPUT)
LOG2 = Primitive("log2", np.log2, by_inverse(lambda x: x * math.log(2)), rule=FLOAT, saves=INPUT)
LOG10 = Primitive("log10", np.log10, by_inverse(lambda x: x * math.log(10)), rule=FLOAT, saves=INPUT)
LOG1P = Primitive(
    "log1p", np.log1p, by_inverse(lambda x: x + 1), rule=FLOAT, saves=INPUT, grad_name="Log1PBackward0"
)
SQRT = Primitive("sqrt", np.sqrt, by_inverse(lambda y: y * 2), rule=FLOAT, saves_output=True)

exp = unary(EXP, "e to the power of every element.")
expm1 = unary(EXPM1, "exp(x) - 1, exact for small x too.")
exp2 = unary(EXP2, "2 to the power of every element.")
log = unary(LOG, "The natural logarithm; -inf at 0 and nan below.")
log2 = unary(LOG2, "The logarithm to base 2.")
log10 = unary(LOG10, "The logarithm to base 10.")
log1p = unary(LOG1P, "log(1 + x), exact for small x too.")
sqrt = unary(SQRT, "The square root; nan below 0.")

# --- powers -----------------------------------------------------------------------------------------------------------


def _check_powers(x: Any, y: Any) -> Any:
    """Integer powers with negative exponents, which NumPy refuses, as C has them: 0 unless the base is 1 or -1."""
    negative = y < 0
    result = np.power(x, np.where(negative, y.dtype.type(0), y))
    sign = (
        np.where((x == -1) & (y % 2 != 0), x.dtype.type(-1), x.dtype.type(1))
        if x.dtype.kind == "i"
        else x.dtype.type(1)
    )
    return np.where(negative, np.where(np.abs(x) == 1, sign, x.dtype.type(0)), result)


def _pow_impl(x: Any, y: Any) -> Any:
    if x.dtype.kind == "i" and (y < 0).any():
        return _check_powers(x, y)
    return np.power(x, y)


def _pow_vjp(g: Tensor, node: Node) -> Any:
    x, y, result = node.unpack()
    for_x = for_y = None
    if node.edges[0] is not None:
        for_x = where(eq(y, 0), 0, g * conj_of(y * x ** (y - 1)))
    if node.edges[1] is not None:
        logarithm = log(x) if isinstance(x, Tensor) else _log_of_number(x, y)
        slope = g * conj_of(result * logarithm)
        exponent = real(y)
        if isinstance(x, Tensor):
            for_y = where(logical_and(eq(x, 0), ge(exponent, 0)), 0, slope)
        else:
            for_y = where(ge(exponent, 0), 0, slope) if x == 0 else slope
    return for_x, for_y


def _log_of_number(number: Any, like: Tensor) -> Tensor:
    dtype = scalar_dtype(number, like._array.dtype)
    with np.errstate(all="ignore"):
        return make_tensor(np.log(number_array(number, dtype if dtype in INEXACT else default_numpy())))


POW = Primitive(
    "pow",
    _pow_impl,
    _pow_vjp,
    rule=PROMOTE,
    saves=((0, BOTH), (1, BOTH)),
    saves_output=True,
    refuses="b",
    grad_name="PowBackward1",
)


def _power_of(x: Any, exponent: Any) -> Any:
    """``x`` to the power of a number, with PyTorch's shortcuts, which round otherwise than a general power does."""
    if exponent == 2:
        return x * x
    if exponent == 3:
        return x * x * x if x.dtype != F16 else np.power(x.astype(F32), F32.type(3)).astype(F16)
    if exponent == 1:
        return x.copy()
    if x.dtype.kind in "iu":
        if exponent < 0:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
        return np.power(x, number_array(exponent, x.dtype))
    if exponent == 0.5:
        return np.sqrt(x)
    if exponent == -1:
        return np.reciprocal(x)
    if exponent == -2:
        return np.reciprocal(x * x)
    if x.dtype in LOW_PRECISION:  # the exponent is rounded as well
        wide = x.astype(F32)
        if exponent == -0.5:
            return np.reciprocal(np.sqrt(wide)).astype(x.dtype)
        return np.power(wide, asarray(exponent, x.dtype).astype(F32)).astype(x.dtype)
    if exponent == -0.5:
        return np.reciprocal(np.sqrt(x))
    return np.power(x, asarray(exponent, x.dtype))


def _power_of_vjp(g: Tensor, node: Node) -> Tensor:
    (x,) = node.unpack()
    exponent = node.attrs["exponent"]
    if exponent == 0:
        return zeros_like(g)  # type: ignore[no-any-return]
    if exponent == 2:
        return g * conj_of(x * 2.0)  # type: ignore[no-any-return]
    return g * conj_of(pow(x, exponent - 1) * exponent)  # type: ignore[no-any-return]


POW_NUMBER = Primitive("pow_number", _power_of, _power_of_vjp, saves=((0, (0,)),), grad_name="PowBackward0")


def _pow_operator(self: Tensor, exponent: Any, modulo: None = None) -> Any:
    x = self._array
    if (
        (type(exponent) is int or type(exponent) is float)
        and (x.dtype is F32 or x.dtype is F64)
        and type(x) is ndarray
    ):
        try:
            array = _power_of(x, exponent)
        except FloatingPointReport:
            array = compute(_power_of, (x, exponent), {})
        if type(array) is not ndarray:
            array = asarray(array)
        edge = self._node
        if edge is None or not grad_enabled():
            return make_tensor(array)
        frame: Any = getframe(1)
        code = frame.f_code
        site = program_site(frame) if code.co_filename.startswith(LIBRARY) else (code, frame.f_lasti)
        storage = self._storage
        versions = None if storage is None else (storage.version,)
        return make_tensor(
            array, Node(POW_NUMBER, (edge,), array, (self,), {"exponent": exponent}, site, versions)
        )
    if isinstance(exponent, Tensor):
        return apply(POW, (self, exponent))
    if not is_number(exponent):
        return NotImplemented
    dtype = scalar_dtype(exponent, x.dtype)
    if x.dtype != dtype:
        self = cast(self, dtype)
    if dtype == BOOL:
        return make_tensor(self._array.copy() if exponent else np.ones_like(self._array))
    return apply(POW_NUMBER, (self,), {"exponent": exponent})


def _pow_method(self: Tensor, exponent: Any) -> Tensor:
    result = _pow_operator(self, exponent)
    if result is NotImplemented:
        raise TypeError(
            f"pow(): argument 'exponent' (position 1) must be Tensor or Number, not {type(exponent).__name__}"
        )
    return result  # type: ignore[no-any-return]


def _rpow(self: Tensor, other: Any) -> Any:
    if is_number(other):
        return known_as(apply(POW, (other, self)), "PowBackward2")
    return apply(POW, (other, self)) if isinstance(other, Tensor) else NotImplemented


def pow(input: Any, exponent: Any, *, out: Tensor | None = None) -> Tensor:
    """``input`` to the power of ``exponent``; one of them may be a number.

    Integers to negative numbers raise ``RuntimeError``; so does a bool tensor to a bool tensor.

    Example:
        >>> import rushlight as torch
        >>> torch.pow(torch.tensor([1.0, 2.0, 3.0]), 2)
        tensor([1., 4., 9.])
    """
    if isinstance(input, Tensor):
        result = _pow_method(input, exponent)
    elif isinstance(exponent, Tensor):
        result = known_as(apply(POW, (input, exponent)), "PowBackward2")
    else:
        raise TypeError(f"pow(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    return result if out is None else write_out(out, result, "pow")


def _float_power(self: Any, exponent: Any) -> Tensor:
    """``self`` to the power of ``exponent`` in float64 (or complex128)."""
    is_complex = any(
        isinstance(v, complex) or (isinstance(v, Tensor) and v._array.dtype in COMPLEXES)
        for v in (self, exponent)
    )
    dtype = np.dtype(np.complex128 if is_complex else np.float64)
    if isinstance(exponent, Tensor):
        exponent = cast(exponent, dtype)
    base = cast(self, dtype) if isinstance(self, Tensor) else self
    return pow(base, exponent)


def _float_power_inplace(self: Tensor, exponent: Any) -> Tensor:
    result = _float_power(self, exponent)
    if self._array.dtype != result._array.dtype:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {type_name(self._array.dtype)} but the operation's result "
            f"requires dtype {type_name(result._array.dtype)}"
        )
    return overwrite(self, _float_power, (exponent,), {}, "float_power_")


def float_power(input: Any, exponent: Any, *, out: Tensor | None = None) -> Tensor:
    """``input`` to the power of ``exponent``, computed in float64 (complex128 for complex operands)."""
    result = _float_power(input, exponent)
    if out is not None and out._array.dtype != result._array.dtype:
        raise RuntimeError(
            f"the output given to float_power has dtype {type_name(out._array.dtype)} but the operation's result requires "
            f"dtype {type_name(result._array.dtype)}"
        )
    return result if out is None else write_out(out, result, "float_power")


def _square(self: Tensor) -> Tensor:
    return _pow_operator(self, 2)  # type: ignore[no-any-return]


def square(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """x * x."""
    result = _square(input)
    return result if out is None else write_out(out, result, "square")


def _rsqrt(self: Tensor) -> Tensor:
    if self._array.dtype in LOW_PRECISION:
        return known_as(cast(reciprocal(SQRT.method(cast(self, F32))), self._array.dtype), "RsqrtBackward0")
    return known_as(reciprocal(SQRT.method(self)), "RsqrtBackward0")


def rsqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """1 / sqrt(x)."""
    result = _rsqrt(input)
    return result if out is None else write_out(out, result, "rsqrt")


def _ldexp(self: Tensor, other: Tensor) -> Tensor:
    if not isinstance(other, Tensor):
        raise TypeError(f"ldexp(): argument 'other' must be Tensor, not {type(other).__name__}")
    dtype = self._array.dtype
    if dtype in INEXACT and other._array.dtype not in INEXACT:
        if other._array.dtype == BOOL and dtype in FLOATS:
            raise not_implemented("ldexp", other._array.dtype)
        return cast(mul(cast(self, F32) if dtype in LOW_PRECISION else self, pow(2.0, other)), dtype)
    return mul(self, pow(2.0, other))  # type: ignore[no-any-return]


def ldexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``input * 2**other``."""
    require_tensor("ldexp", input)
    result = _ldexp(input, other)
    return known_as(result, "LdexpBackward0") if out is None else write_out(out, result, "ldexp")


METHODS: dict[str, Any] = {
    "__pow__": _pow_operator,
    "__rpow__": _rpow,
    "__ipow__": inplace_form("pow", _pow_method),
    "pow": _pow_method,
    "pow_": inplace_form("pow", _pow_method),
    "float_power": _float_power,
    "float_power_": _float_power_inplace,
    "square": _square,
    "square_": inplace_form("square", _square),
    "rsqrt": _rsqrt,
    "rsqrt_": inplace_form("rsqrt", _rsqrt),
    "ldexp": _ldexp,
    "ldexp_": inplace_form("ldexp", _ldexp),
}
for _record in (EXP, EXPM1, EXP2, LOG, LOG2, LOG10, LOG1P, SQRT):
    METHODS[_record.name] = _record.method
    METHODS[_record.name + "_"] = unary_inplace(_record)
