"""Arithmetic: sums, products, quotients, remainders, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dtypes import BOOL, COMPLEXES, F32, F64, INEXACT, LOW_PRECISION, OF_NUMPY, dtype, natural_dtype
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node, known_as
from ..core.tensor import Tensor, make_tensor
from .comparison import eq, lt, where
from .complex_numbers import conj_of, real
from .creation import zeros_like
from .define import Primitive, Rule
from .dispatch import (
    apply,
    binary,
    common_dtype,
    inplace_form,
    is_number,
    named,
    named_in_place,
    not_implemented,
    number_array,
    plain_number,
    unary,
    write_out,
)
from .inplace import check_out_overlap, overwrite
from .movement import cast
from .quick_inplace import unary_inplace, wrote

BOTH = (0, 1)
PROMOTE = Rule.PROMOTE
grad_enabled = GRAD_MODE.get


def require_tensor(name: str, input: object) -> None:
    """Raise ``TypeError`` for a number where PyTorch takes a tensor alone."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")


# --- the four operations ----------------------------------------------------------------------------------------------


def _mul_vjp(g: Tensor, node: Node) -> Any:
    a, b = node.unpack()
    edge_a, edge_b = node.edges
    return (
        None if edge_a is None else g * conj_of(b),
        None if edge_b is None else g * conj_of(a),
    )


def _div_vjp(g: Tensor, node: Node) -> Any:
    a, b = node.unpack()
    edge_a, edge_b = node.edges
    by = g / conj_of(b)
    return (
        None if edge_a is None else by,
        None if edge_b is None else -by * conj_of(a / b),
    )


def _check_subtraction(a: Any, b: Any) -> None:
    """PyTorch subtracts no bools, whatever the other operand's dtype is."""
    bools = [
        operand._array.dtype == BOOL if isinstance(operand, Tensor) else isinstance(operand, bool)
        for operand in (a, b)
    ]
    if all(bools):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
            "operator instead."
        )
    if any(bools):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, "
            "use the `~` or `logical_not()` operator instead."
        )


def _check_negation(a: Any) -> None:
    if isinstance(a, Tensor) and a._array.dtype == BOOL:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
            "the `~` or `logical_not()` operator instead."
        )


ADD = Primitive("add", np.add, lambda g, node: (g, g), rule=PROMOTE)
SUB = Primitive(
    "sub",
    np.subtract,
    lambda g, node: (g, None if node.edges[1] is None else -g),
    rule=PROMOTE,
    check=_check_subtraction,
)
MUL = Primitive("mul", np.multiply, _mul_vjp, rule=PROMOTE, saves=((0, (1,)), (1, (0,))))
DIV = Primitive("div", np.true_divide, _div_vjp, rule=Rule.PROMOTE_FLOAT, saves=((0, (1,)), (1, BOTH)))
NEG = Primitive("neg", np.negative, lambda g, node: -g, check=_check_negation)

_add = binary(ADD)
_sub = binary(SUB)
mul = binary(MUL, "The product.")
_div = binary(DIV, float_only=True)
neg = unary(NEG, "The negative.")


def _with_alpha(record: Primitive, a: Any, b: Any, alpha: Any) -> Tensor:
    """``a + alpha * b`` (or minus), where ``alpha`` counts for the result's dtype in nothing."""
    name = record.name
    alpha = plain_number(name, "alpha", alpha)
    if record.check is not None:
        record.check(a, b)
    dtype = common_dtype((a, b))
    if isinstance(alpha, bool) and dtype != BOOL:
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if dtype not in INEXACT and not isinstance(alpha, int):
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    if isinstance(alpha, complex) and dtype not in COMPLEXES:
        raise RuntimeError("For non-complex input tensors, argument alpha must not be a complex number.")
    if dtype == BOOL:
        alpha = bool(alpha)
    if (
        dtype in LOW_PRECISION
    ):  # the operands and alpha are rounded; their product is not, unless PyTorch's loop is scalar
        if isinstance(b, Tensor) and max(b._array.size, a._array.size if isinstance(a, Tensor) else 0) < 32:
            return cast(apply(record, (a, mul(cast(b, dtype), float(number_array(alpha, dtype))))), dtype)
        a, b, alpha = (
            cast(cast(o, dtype), F32) if isinstance(o, Tensor) else float(number_array(o, dtype))
            for o in (a, b, alpha)
        )
        return cast(apply(record, (a, mul(b, alpha) if isinstance(b, Tensor) else b * alpha)), dtype)
    scaled = mul(cast(b, dtype), alpha) if isinstance(b, Tensor) else b * alpha
    return cast(apply(record, (a, scaled)), dtype)


def _of_alpha(record: Primitive, operation: Any) -> tuple[Any, Any, Any]:
    """The method, in-place method and function of ``add`` and ``sub``, which take ``alpha``."""
    name, operator, inplace = record.name, operation.operator, record.inplace

    def refuse(other: object) -> TypeError:
        return TypeError(f"{name}(): argument 'other' must be Tensor or number, not {type(other).__name__}")

    def method(self: Tensor, other: Any, third: Any = None, *, alpha: Any = 1) -> Tensor:
        if alpha is not _ONE or third is not None:
            if third is not None:  # the old order: x.add(alpha, other)
                other, alpha = third, other
            if not isinstance(other, Tensor):
                if not is_number(other):
                    raise refuse(other)
            elif type(alpha) is float or type(alpha) is int:
                dtype = self._array.dtype
                if dtype is other._array.dtype and (dtype is F32 or dtype is F64):
                    return operator(self, mul.operator(other, alpha))  # type: ignore[no-any-return]
            return _with_alpha(record, self, other, alpha)
        result = operator(self, other)
        if result is NotImplemented:
            raise refuse(other)
        return result  # type: ignore[no-any-return]

    def inplace_method(self: Tensor, other: Any, third: Any = None, *, alpha: Any = 1) -> Tensor:
        if alpha is not _ONE or third is not None:
            dtype = self._array.dtype
            if (
                third is None
                and type(alpha) is float
                and isinstance(other, Tensor)
                and other._array.dtype is dtype
                and (dtype is F32 or dtype is F64)
            ):
                if type(other._array) is np.ndarray and (other._node is None or not grad_enabled()):
                    step = np.multiply(other._array, np.asarray(alpha, dtype))
                    if step.shape == self._array.shape and wrote(self, name, record.impl, step):
                        return self
                other = mul.operator(other, alpha)
            else:
                return overwrite(self, method, (other, third), {"alpha": alpha}, name + "_")
        result = inplace(self, other)
        if result is NotImplemented:
            raise refuse(other)
        return result  # type: ignore[no-any-return]

    def function(
        input: Any, other: Any, third: Any = None, *, alpha: Any = 1, out: Tensor | None = None
    ) -> Tensor:
        if isinstance(input, Tensor):
            result = method(input, other, third, alpha=alpha)
        elif isinstance(other, Tensor):
            result = (
                apply(record, (input, other)) if alpha is _ONE else _with_alpha(record, input, other, alpha)
            )
        elif is_number(input) and is_number(other):
            return function(
                make_tensor(number_array(input, natural_dtype(input))), other, third, alpha=alpha, out=out
            )
        else:
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
            )
        if out is None:
            return result
        check_out_overlap(out, input, other)
        return write_out(out, result, name)

    return named(method, name), named(inplace_method, name + "_"), named(function, name)


_ONE = 1  # the default of alpha: CPython's small integers are one object each
_add_method, _add_inplace, add = _of_alpha(ADD, _add)
_sub_method, _sub_inplace, sub = _of_alpha(SUB, _sub)
add.__doc__ = """``input + alpha * other``: two tensors that broadcast, or a tensor and a number.

Example:
    >>> import rushlight as torch
    >>> torch.add(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), alpha=10)
    tensor([31., 42.])
"""
sub.__doc__ = "``input - alpha * other``: two tensors that broadcast, or a tensor and a number; no bools."


def _rsub_method(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """``other - alpha * self``."""
    _check_subtraction(self, other)
    return known_as(
        sub(other, self, alpha=alpha), "RsubBackward0" if isinstance(other, Tensor) else "RsubBackward1"
    )


def rsub(input: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """``other - alpha * input``."""
    require_tensor("rsub", input)
    return _rsub_method(input, other, alpha=alpha)


def _positive(self: Tensor) -> Tensor:
    if self._array.dtype == BOOL:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return self


def positive(input: Tensor) -> Tensor:
    """``input`` itself; ``RuntimeError`` for bools."""
    return _positive(input)


# --- division with rounding, remainders -------------------------------------------------------------------------------


def _check_zero(x: Any, y: Any) -> None:
    if y.dtype.kind in "iu" and x.size and not y.all():  # of no elements, none is divided
        raise RuntimeError("ZeroDivisionError")


def _divide_and_round(x: Any, y: Any, rounding_mode: str) -> Any:
    _check_zero(x, y)
    if rounding_mode == "floor":
        return np.floor_divide(x, y)
    if x.dtype.kind in "iu":
        quotient = np.floor_divide(x, y)
        # The quotient was rounded down; towards zero is one up where it is negative and something is left.
        return quotient + ((quotient < 0) & (quotient * y != x)).astype(x.dtype)
    return np.trunc(np.true_divide(x, y))


def _remainder_impl(x: Any, y: Any) -> Any:
    _check_zero(x, y)
    return np.remainder(x, y)


def _fmod_impl(x: Any, y: Any) -> Any:
    _check_zero(x, y)
    return np.fmod(x, y)


def _remainder_vjp(rounding_mode: str) -> Any:
    def vjp(g: Tensor, node: Node) -> Any:
        x, y = node.unpack()
        quotient = None if node.edges[1] is None else -g * _rounded(x, y, rounding_mode)
        return (g, quotient)

    return vjp


def _zero_gradients(g: Tensor, node: Node) -> Any:
    return tuple(None if edge is None else zeros_like(g) for edge in node.edges)


def _no_derivative(name: str) -> Any:
    def vjp(g: Any, node: Node) -> Any:
        raise RuntimeError(f"derivative for aten::{name} is not implemented")

    return vjp


DIV_ROUNDED = Primitive("div_rounded", _divide_and_round, _zero_gradients, rule=PROMOTE, refuses="bc")
FLOOR_DIVIDE = Primitive(
    "floor_divide",
    lambda x, y: _divide_and_round(x, y, "floor"),
    _no_derivative("floor_divide"),
    rule=PROMOTE,
    refuses="bc",
)
REMAINDER = Primitive(
    "remainder",
    _remainder_impl,
    _remainder_vjp("floor"),
    rule=PROMOTE,
    saves=((0, (1,)), (1, (1,))),
    refuses="bc",
)
FMOD = Primitive(
    "fmod", _fmod_impl, _remainder_vjp("trunc"), rule=PROMOTE, saves=((0, (1,)), (1, (1,))), refuses="bc"
)
floor_divide = binary(
    FLOOR_DIVIDE, "The quotient rounded down. Integers divided by 0 raise ``RuntimeError``.", float_only=True
)
remainder = binary(
    REMAINDER, "What division leaves, with the sign of the divisor (Python's ``%``).", float_only=True
)
_fmod = binary(FMOD, float_only=True)


def fmod(input: Tensor, other: Any, *, out: Tensor | None = None) -> Tensor:
    """What division leaves, with the sign of the dividend (C's ``fmod``)."""
    require_tensor("fmod", input)
    return _fmod(input, other, out=out)  # type: ignore[no-any-return]


def _rounded(self: Any, other: Any, rounding_mode: str) -> Tensor:
    return apply(DIV_ROUNDED, (self, other), {"rounding_mode": rounding_mode})  # type: ignore[no-any-return]


def _check_rounding_mode(rounding_mode: object) -> None:
    if rounding_mode not in ("floor", "trunc"):
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
        )


def _div_method(self: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    if rounding_mode is None:
        return DIV.method(self, other)  # type: ignore[no-any-return]
    _check_rounding_mode(rounding_mode)
    return _rounded(self, other, rounding_mode)


def _div_inplace(self: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    if rounding_mode is None:
        result = DIV.inplace(self, other)
        if result is NotImplemented:
            raise TypeError(
                f"div_(): argument 'other' (position 1) must be Tensor or number, not {type(other).__name__}"
            )
        return result  # type: ignore[no-any-return]
    return overwrite(self, _div_method, (other,), {"rounding_mode": rounding_mode}, "div_")


def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Tensor | None = None) -> Tensor:
    """The quotient: of integers too a float, unless ``rounding_mode`` says ``"floor"`` (down) or ``"trunc"`` (to zero).

    Example:
        >>> import rushlight as torch
        >>> torch.div(torch.tensor([-7, 7]), 2, rounding_mode="trunc")
        tensor([-3,  3])
    """
    if rounding_mode is None:
        return _div(input, other, out=out)  # type: ignore[no-any-return]
    _check_rounding_mode(rounding_mode)
    result = _rounded(input, other, rounding_mode)
    return result if out is None else write_out(out, result, "div")


def true_divide(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """The quotient, of integers too a float."""
    return _div(input, other, out=out)  # type: ignore[no-any-return]


RECIPROCAL = Primitive(
    "reciprocal",
    np.reciprocal,
    lambda g, node: -g * conj_of(node.unpack()[0] * node.unpack()[0]),
    rule=Rule.PROMOTE_FLOAT,
    saves_output=True,
)
reciprocal = unary(RECIPROCAL, "1 / x.")


def _rtruediv(self: Tensor, other: Any) -> Any:
    """``other / self``, computed as PyTorch does: the reciprocal, rounded, times ``other``."""
    if isinstance(other, np.ndarray):
        return RECIPROCAL.method(self) * other
    return (
        mul(RECIPROCAL.method(self), other)
        if is_number(other) or isinstance(other, Tensor)
        else NotImplemented
    )


def result_type(tensor1: Any, tensor2: Any) -> dtype:
    """The dtype of an arithmetic operation on the two, which are tensors or numbers.

    Example:
        >>> import rushlight as torch
        >>> torch.result_type(torch.tensor([1, 2]), 1.0)
        torch.float32
    """
    return OF_NUMPY[common_dtype((tensor1, tensor2))]


# --- sums of products -------------------------------------------------------------------------------------------------


def in_float32_vjp(vjp: Callable[[Tensor, Any], Any]) -> Callable[[Tensor, Any], Any]:
    """A gradient's formula that float16 and bfloat16 go through in float32, to be rounded once at its end."""

    def wide(g: Tensor, node: Any) -> Any:
        if g._array.dtype.itemsize > 2:
            return vjp(g, node)
        return vjp(cast(g, F32), _Widened(node))

    return wide


class _Widened:
    """A node whose saved values are float32."""

    __slots__ = ("attrs", "edges", "node")

    def __init__(self, node: Node) -> None:
        self.node, self.attrs, self.edges = node, node.attrs, node.edges

    def unpack(self) -> tuple[Any, ...]:
        return tuple(
            [
                cast(v, F32) if isinstance(v, Tensor) and v._array.dtype in LOW_PRECISION else v
                for v in self.node.unpack()
            ]
        )


def in_float32(composite: Callable[..., Tensor], *operands: Any) -> Tensor:
    """A composite on float16 and bfloat16 tensors as PyTorch's kernels compute it: in float32, rounded once."""
    wide = [
        cast(o, F32) if isinstance(o, Tensor) and o._array.dtype in LOW_PRECISION else o for o in operands
    ]
    return cast(composite(*wide), operands[0]._array.dtype)


def _check_operands(name: str, operands: tuple[Any, ...]) -> None:
    for position, operand in enumerate(operands, 1):
        if not isinstance(operand, Tensor):
            kind = type(operand).__name__
            raise TypeError(
                f"{name}(): argument 'tensor{position}' (position {position + 1}) must be Tensor, not {kind}"
            )


def _addcmul(self: Tensor, tensor1: Any, tensor2: Any, third: Any = None, *, value: Any = 1) -> Tensor:
    if third is not None:  # the old order: x.addcmul(value, tensor1, tensor2)
        value, tensor1, tensor2 = tensor1, tensor2, third
    _check_operands("addcmul", (tensor1, tensor2))
    dtype = common_dtype((self, tensor1, tensor2))
    if dtype in LOW_PRECISION:
        return known_as(
            in_float32(lambda a, b, c: _addcmul(a, b, c, value=value), self, tensor1, tensor2),
            "AddcmulBackward0",
        )
    if dtype not in INEXACT:
        value = int(value)
    product = mul(tensor1, tensor2) if _is_one(value) else mul(mul(tensor1, value), tensor2)
    return known_as(_add.operator(self, product), "AddcmulBackward0")


def _is_one(factor: Any) -> bool:
    # A factor may be a number that a recording does not know yet: that is not asked for its value.
    return not isinstance(factor, Tensor) and factor == 1


def _addcdiv(self: Tensor, tensor1: Any, tensor2: Any, third: Any = None, *, value: Any = 1) -> Tensor:
    if third is not None:
        value, tensor1, tensor2 = tensor1, tensor2, third
    _check_operands("addcdiv", (tensor1, tensor2))
    if tensor1._array.dtype not in INEXACT and tensor2._array.dtype not in INEXACT:
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported; use (input + value * torch.trunc(tensor1 / "
            "tensor2)) for integers, or convert them to a floating-point dtype"
        )
    if self._array.dtype in LOW_PRECISION:
        return known_as(
            in_float32(lambda a, b, c: _addcdiv(a, b, c, value=value), self, tensor1, tensor2),
            "AddcdivBackward0",
        )
    quotient = _div(tensor1 if _is_one(value) else mul(tensor1, value), tensor2)
    return known_as(_add.operator(self, quotient), "AddcdivBackward0")


def _lerp(self: Tensor, end: Tensor, weight: Any) -> Tensor:
    dtype = self._array.dtype
    if not isinstance(end, Tensor):
        raise TypeError(f"lerp(): argument 'end' (position 1) must be Tensor, not {type(end).__name__}")
    for name, operand in (("end", end), ("weight", weight)):
        if isinstance(operand, Tensor) and operand._array.dtype != dtype:
            raise RuntimeError(
                f"expected dtype {_C_NAMES.get(self.dtype.name, self.dtype.name)} for `{name}` but got dtype "
                f"{_C_NAMES.get(operand.dtype.name, operand.dtype.name)}"
            )
    if dtype not in INEXACT:
        raise not_implemented("lerp", dtype)
    if dtype in LOW_PRECISION:
        return in_float32(_lerp, self, end, weight)
    # From the nearer end, so that a weight of 1 gives `end` exactly.
    span: Tensor = end - self
    if not isinstance(weight, Tensor):
        result: Tensor = self + span * weight if abs(weight) < 0.5 else end - span * (1 - weight)
        return known_as(result, "LerpBackward0")
    magnitude = weight if dtype not in COMPLEXES else weight.abs()
    return known_as(
        where(lt(magnitude, 0.5), self + span * weight, end - span * (1 - weight)), "LerpBackward0"
    )


_C_NAMES = {
    "float32": "float",
    "float64": "double",
    "float16": "c10::Half",
    "int64": "int64_t",
    "int32": "int",
}


# --- divisors ---------------------------------------------------------------------------------------------------------

GCD = Primitive("gcd", np.gcd, rule=PROMOTE, refuses="bfcV")
_gcd = binary(GCD, float_only=True)


def _of_integers(name: str, combine: Any, doc: str) -> Any:
    def method(self: Tensor, other: Tensor) -> Tensor:
        if not isinstance(other, Tensor):
            raise TypeError(f"{name}(): argument 'other' must be Tensor, not {type(other).__name__}")
        return combine(self, other)  # type: ignore[no-any-return]

    def function(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
        require_tensor(name, input)
        result = method(input, other)
        return result if out is None else write_out(out, result, name)

    function.method = named(method, name, doc)  # type: ignore[attr-defined]
    return named(function, name, doc)


def _least_multiple(a: Tensor, b: Tensor) -> Tensor:
    divisor = _gcd(a, b)
    safe = where(eq(divisor, 0), 1, divisor)
    return mul(floor_divide(a, safe), b).abs()  # type: ignore[no-any-return]


gcd = _of_integers("gcd", _gcd, "The greatest common divisor of integers.")
lcm = _of_integers("lcm", _least_multiple, "The least common multiple of integers.")

__all__ = ["BOTH", "METHODS", "PROMOTE", "conj_of", "real"]  # the last two belong to complex_numbers

# What `updates` puts its quick paths before.
add_general_, addcmul_method, addcdiv_method, lerp_method = _add_inplace, _addcmul, _addcdiv, _lerp

_mul_inplace, _true_divide_inplace = (
    named_in_place(MUL.inplace, "mul_"),
    named_in_place(DIV.inplace, "true_divide_"),
)

METHODS: dict[str, Any] = {
    "__add__": _add.operator,
    "__radd__": _add.reflected,
    "__iadd__": ADD.inplace,
    "add": _add_method,
    "__sub__": _sub.operator,
    "__rsub__": _sub.reflected,
    "__isub__": SUB.inplace,
    "sub": _sub_method,
    "sub_": _sub_inplace,
    "subtract": _sub_method,
    "subtract_": _sub_inplace,
    "rsub": _rsub_method,
    "__mul__": mul.operator,
    "__rmul__": mul.reflected,
    "__imul__": MUL.inplace,
    "mul": MUL.method,
    "mul_": _mul_inplace,
    "multiply": MUL.method,
    "multiply_": _mul_inplace,
    "__truediv__": _div.operator,
    "__rtruediv__": _rtruediv,
    "__rdiv__": _rtruediv,
    "__idiv__": DIV.inplace,
    "__itruediv__": DIV.inplace,
    "div": _div_method,
    "div_": _div_inplace,
    "divide": _div_method,
    "divide_": _div_inplace,
    "true_divide": DIV.method,
    "true_divide_": _true_divide_inplace,
    "__floordiv__": floor_divide.operator,
    "__rfloordiv__": floor_divide.reflected,
    "__ifloordiv__": FLOOR_DIVIDE.inplace,
    "floor_divide": FLOOR_DIVIDE.method,
    "floor_divide_": FLOOR_DIVIDE.inplace,
    "__mod__": remainder.operator,
    "__rmod__": remainder.reflected,
    "__imod__": REMAINDER.inplace,
    "remainder": REMAINDER.method,
    "remainder_": REMAINDER.inplace,
    "fmod": FMOD.method,
    "fmod_": FMOD.inplace,
    "__neg__": NEG.method,
    "neg": NEG.method,
    # Not the quick form: NumPy 2.4's negative writes to wrong places where the output's stride is a vector's length.
    "neg_": NEG.inplace,
    "negative": NEG.method,
    "negative_": NEG.inplace,
    "__pos__": _positive,
    "positive": _positive,
    "reciprocal": RECIPROCAL.method,
    "reciprocal_": unary_inplace(RECIPROCAL),
    "gcd": gcd.method,
    "gcd_": inplace_form("gcd", gcd.method),
    "lcm": lcm.method,
    "lcm_": inplace_form("lcm", lcm.method),
}
