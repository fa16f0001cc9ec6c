"""Comparisons, logic and bits, and choosing by a condition."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arguments import check_flag, check_tensor as check_tensor_argument
from ..core.dtypes import BOOL, COMPLEXES, F32, F64, I64, INEXACT, OF_NUMPY, default_numpy
from ..core.history import Node
from ..core.shapes import broadcast_shape
from ..core.tensor import Tensor, make_tensor
from ..runtime.large import run_large
from ..runtime.selection import select
from .complex_numbers import imag, real
from .define import Primitive, Rule
from .dispatch import (
    apply,
    arrays_of,
    attach,
    binary,
    check_tensors,
    common_dtype,
    inplace_form,
    is_number,
    named,
    named_in_place,
    number_array,
    run,
    type_name,
    write_out,
)
from .movement import cast

ndarray = np.ndarray
asarray = np.asarray
_INT64_END = 1 << 63

# --- comparisons ------------------------------------------------------------------------------------------------------


def _comparison(name: str, compare: Any, doc: str, refuses: str = "") -> Any:
    """The public function of a comparison: its result has no history, so the path is shorter than ``binary``'s."""
    record = Primitive(name, compare, rule=Rule.PROMOTE, refuses=refuses)
    large = record.large

    def operator(self: Tensor, other: Any) -> Any:
        x = self._array
        if isinstance(other, Tensor):
            y = other._array
            if (
                x.dtype is not y.dtype
                or x.dtype.kind in refuses
                or type(x) is not ndarray
                or type(y) is not ndarray
            ):
                return apply(record, (self, other))
        elif type(x) is not ndarray and is_number(other):
            return apply(record, (self, other))
        elif (type(other) is float or type(other) is int) and (x.dtype is F32 or x.dtype is F64):
            y = asarray(other, x.dtype)
        elif type(other) is int and x.dtype is I64 and -_INT64_END <= other < _INT64_END:
            y = asarray(other, I64)
        elif is_number(other):
            return apply(record, (self, other))
        elif isinstance(other, np.ndarray) and name == "eq" and other.dtype in OF_NUMPY:
            return apply(
                record, (self, make_tensor(other))
            )  # without an answer Python would compare identities
        else:
            return NotImplemented
        try:
            array = compare(x, y) if x.size < large else run_large(record, (x, y), {})
        except ValueError:
            broadcast_shape(x.shape, y.shape)
            raise
        return make_tensor(array if type(array) is ndarray else asarray(array))

    def method(self: Tensor, other: Any) -> Tensor:
        result = operator(self, other)
        if result is NotImplemented:
            raise TypeError(
                f"{name}(): argument 'other' must be Tensor or number, not {type(other).__name__}"
            )
        return result  # type: ignore[no-any-return]

    def function(input: Tensor, other: Any, *, out: Tensor | None = None) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
            )
        result = method(input, other)
        return result if out is None else write_out(out, result, name)

    record.method = named(method, name, doc)
    record.function = named(function, name, doc)
    record.inplace = inplace_form(name, method)
    function.operator = operator  # type: ignore[attr-defined]
    function.method = method  # type: ignore[attr-defined]
    function.inplace = record.inplace  # type: ignore[attr-defined]
    return function


eq = _comparison("eq", np.equal, "Whether the elements are equal; a nan equals nothing.")
ne = _comparison("ne", np.not_equal, "Whether the elements differ; a nan differs from everything.")
lt = _comparison("lt", np.less, "Whether ``input`` is less than ``other``.", refuses="c")
le = _comparison("le", np.less_equal, "Whether ``input`` is less than or equal to ``other``.", refuses="c")
gt = _comparison("gt", np.greater, "Whether ``input`` is greater than ``other``.", refuses="c")
ge = _comparison(
    "ge", np.greater_equal, "Whether ``input`` is greater than or equal to ``other``.", refuses="c"
)

_INEXACT_KINDS = "fcV"
BITWISE_AND = Primitive("bitwise_and", np.bitwise_and, rule=Rule.PROMOTE, refuses=_INEXACT_KINDS)
BITWISE_OR = Primitive("bitwise_or", np.bitwise_or, rule=Rule.PROMOTE, refuses=_INEXACT_KINDS)
BITWISE_XOR = Primitive("bitwise_xor", np.bitwise_xor, rule=Rule.PROMOTE, refuses=_INEXACT_KINDS)
bitwise_and = binary(BITWISE_AND, "The bits that both have; of bools, whether both are true.")
bitwise_or = binary(BITWISE_OR, "The bits that one of them has; of bools, whether one is true.")
bitwise_xor = binary(BITWISE_XOR, "The bits in which they differ; of bools, whether they differ.")


def _shift_limit(x: Any) -> int:
    """Shifting by so many bits (or a negative number of them) leaves nothing but the sign."""
    return 8 * x.itemsize - (x.dtype.kind == "i")  # type: ignore[no-any-return]


def _left_shift(x: Any, y: Any) -> Any:
    return np.where((y < 0) | (y >= 8 * x.itemsize), x.dtype.type(0), np.left_shift(x, y))


def _right_shift(x: Any, y: Any) -> Any:
    limit = _shift_limit(x)
    return np.right_shift(x, np.where((y < 0) | (y >= limit), x.dtype.type(limit), y))


LSHIFT = Primitive("bitwise_left_shift", _left_shift, rule=Rule.PROMOTE, refuses="bfcV")
RSHIFT = Primitive("bitwise_right_shift", _right_shift, rule=Rule.PROMOTE, refuses="bfcV")
bitwise_left_shift = binary(LSHIFT, "The bits moved up by ``other`` places.", float_only=True)
bitwise_right_shift = binary(
    RSHIFT, "The bits moved down by ``other`` places; the sign stays.", float_only=True
)


BITWISE_NOT = Primitive("bitwise_not", np.invert, refuses=_INEXACT_KINDS)
np_invert = np.invert


def _bitwise_not(self: Tensor) -> Tensor:
    array = self._array
    if array.dtype.kind in _INEXACT_KINDS or not array.ndim:
        return apply(BITWISE_NOT, (self,))  # type: ignore[no-any-return]
    return make_tensor(np_invert(array))


def bitwise_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Every bit turned over; of bools, the opposite."""
    result = _bitwise_not(input)
    return result if out is None else write_out(out, result, "bitwise_not")


def _invert(self: Tensor) -> Tensor:
    if self._array.dtype.kind in _INEXACT_KINDS:
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return _bitwise_not(self)


# --- logic ------------------------------------------------------------------------------------------------------------


def _logical(name: str, combine: Any, doc: str) -> Any:
    def method(self: Tensor, other: Tensor) -> Tensor:
        if not isinstance(other, Tensor):
            raise TypeError(f"{name}(): argument 'other' must be Tensor, not {type(other).__name__}")
        return combine(cast(self, BOOL), cast(other, BOOL))  # type: ignore[no-any-return]

    def function(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
            )
        result = method(input, other)
        return result if out is None else write_out(out, result, name)

    function.method = named(method, name, doc)  # type: ignore[attr-defined]
    function.inplace = inplace_form(name, method)  # type: ignore[attr-defined]
    return named(function, name, doc)


logical_and = _logical("logical_and", bitwise_and, "Whether both are true (not zero).")
logical_or = _logical("logical_or", bitwise_or, "Whether one of them is true (not zero).")
logical_xor = _logical("logical_xor", bitwise_xor, "Whether exactly one of them is true (not zero).")


def _logical_not(self: Tensor) -> Tensor:
    return _bitwise_not(cast(self, BOOL))


def logical_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether the element is zero (false)."""
    result = _logical_not(input)
    return result if out is None else write_out(out, result, "logical_not")


# --- what kind of number ----------------------------------------------------------------------------------------------


def isnan(input: Tensor) -> Tensor:
    """Whether the element is nan (a complex one: whether a part is)."""
    return ne(input, input)  # type: ignore[no-any-return]


def isinf(input: Tensor) -> Tensor:
    """Whether the element is infinite (a complex one: whether a part is)."""
    check_tensor_argument("isinf", "input", input)
    dtype = input._array.dtype
    if dtype in COMPLEXES:
        return bitwise_or(isinf(real(input)), isinf(imag(input)))  # type: ignore[no-any-return]
    if dtype not in INEXACT:
        return ne(input, input)  # type: ignore[no-any-return]
    return bitwise_or(eq(input, np.inf), eq(input, -np.inf))  # type: ignore[no-any-return]


def isfinite(input: Tensor) -> Tensor:
    """Whether the element is neither nan nor infinite (a complex one: both parts)."""
    check_tensor_argument("isfinite", "input", input)
    dtype = input._array.dtype
    if dtype in COMPLEXES:
        return bitwise_and(isfinite(real(input)), isfinite(imag(input)))  # type: ignore[no-any-return]
    if dtype not in INEXACT:
        return eq(input, input)  # type: ignore[no-any-return]
    return bitwise_and(lt(input, np.inf), gt(input, -np.inf))  # type: ignore[no-any-return]


def _infinite(name: str, value: float, doc: str) -> Any:
    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        dtype = input._array.dtype
        if dtype in COMPLEXES:
            raise RuntimeError(f"{name} does not support complex inputs.")
        result = eq(input, value) if dtype in INEXACT else ne(input, input)
        return result if out is None else write_out(out, result, name)

    return named(function, name, doc)


isposinf = _infinite("isposinf", np.inf, "Whether the element is inf.")
isneginf = _infinite("isneginf", -np.inf, "Whether the element is -inf.")


def isreal(input: Tensor) -> Tensor:
    """Whether the element is real: of a complex one, whether its imaginary part is zero."""
    check_tensor_argument("isreal", "input", input)
    return eq(imag(input) if input._array.dtype in COMPLEXES else input.new_zeros(input.shape), 0)  # type: ignore[no-any-return]


# --- equality of whole tensors ----------------------------------------------------------------------------------------


def _isclose_impl(x: Any, y: Any, rtol: float, atol: float, equal_nan: bool) -> Any:
    close = x == y
    if equal_nan:
        close |= np.isnan(x) & np.isnan(y)
    if rtol == 0 and atol == 0:
        return close
    if x.dtype not in INEXACT:
        x, y = x.astype(default_numpy()), y.astype(default_numpy())
    difference = np.abs(x - y)
    return close | (np.isfinite(difference) & (difference <= atol + np.abs(rtol * y)))


ISCLOSE = Primitive("isclose", _isclose_impl, rule=Rule.PROMOTE)


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """Whether abs(input - other) ≤ atol + rtol * abs(other); infinities are close to themselves alone.

    Raises ``RuntimeError`` where the dtypes differ or a tolerance is negative.
    """
    check_flag("isclose", "equal_nan", equal_nan)
    for position, operand in enumerate((input, other), 1):
        if not isinstance(operand, Tensor):
            raise TypeError(f"isclose(): argument {position} must be Tensor, not {type(operand).__name__}")
    a, b = input._array.dtype, other._array.dtype
    if a != b:
        raise RuntimeError(f"{type_name(a)} did not match {type_name(b)}")
    tolerances: tuple[Any, Any] = rtol, atol
    rtol, atol = [float(value) if isinstance(value, Tensor) else value for value in tolerances]
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value}")
    return apply(  # type: ignore[no-any-return]
        ISCLOSE, (input.detach(), other.detach()), {"rtol": rtol, "atol": atol, "equal_nan": equal_nan}
    )


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close, as ``isclose`` has it.

    Example:
        >>> import rushlight as torch
        >>> torch.allclose(torch.tensor([1.0]), torch.tensor([1.0 + 1e-7]))
        True
    """
    check_flag("allclose", "equal_nan", equal_nan)
    return bool(isclose(input, other, rtol, atol, equal_nan)._array.all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same elements (no nan among them)."""
    if not isinstance(other, Tensor):
        raise TypeError(f"equal(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}")
    if not isinstance(input, Tensor):
        raise TypeError(f"equal(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    a, b = input._array, other._array
    return a.shape == b.shape and bool((a == b).all())


# --- choosing ---------------------------------------------------------------------------------------------------------


def _where_vjp(g: Tensor, node: Node) -> Any:
    condition = node.unpack()[0]
    return (
        None,
        None if node.edges[1] is None else where(condition, g, 0),
        None if node.edges[2] is None else where(condition, 0, g),
    )


WHERE = Primitive("where", select, _where_vjp, saves=((0, (1, 2)),))


def where(condition: Tensor, input: Any = None, other: Any = None, *, out: Tensor | None = None) -> Any:
    """The elements of ``input`` where ``condition`` is true, of ``other`` elsewhere: tensors (broadcast) or numbers.

    With ``condition`` alone: the indices of its true elements, one tensor for each dimension.

    Example:
        >>> import rushlight as torch
        >>> x = torch.tensor([-1.0, 2.0])
        >>> torch.where(x > 0, x, 0.0)
        tensor([0., 2.])
    """
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    c = condition._array
    if type(c) is not ndarray:
        arrays_of((condition, input, other))
    elif type(getattr(input, "_array", c)) is not ndarray or type(getattr(other, "_array", c)) is not ndarray:
        c = arrays_of((condition, input, other))[0]
    if c.dtype is not BOOL:
        c = _as_condition(c)
    if isinstance(input, Tensor):
        x = input._array
        if isinstance(other, Tensor):
            y = other._array
            quick = x.dtype is y.dtype
        else:
            quick = (type(other) is int or type(other) is float) and (x.dtype is F32 or x.dtype is F64)
            y = asarray(other, x.dtype) if quick else other
    elif isinstance(other, Tensor):
        y = other._array
        quick = (type(input) is int or type(input) is float) and (y.dtype is F32 or y.dtype is F64)
        x = asarray(input, y.dtype) if quick else input
    else:
        x, y, quick = input, other, False
    if not quick:
        check_tensors("where", (input, other))
        dtype = common_dtype((input, other))
        x = x.astype(dtype) if isinstance(input, Tensor) else number_array(x, dtype)
        y = y.astype(dtype) if isinstance(other, Tensor) else number_array(y, dtype)
    try:
        array = select(c, x, y) if type(c) is type(x) is type(y) is ndarray else run(WHERE, (c, x, y), {})
    except ValueError:
        broadcast_shape(c.shape, broadcast_shape(x.shape, y.shape))
        raise
    saved = condition if c is condition._array else make_tensor(c)
    result: Tensor = attach(WHERE, (saved, input, other), {}, array)
    return result if out is None else write_out(out, result, "where")


def _as_condition(array: Any) -> Any:
    if array.dtype == np.uint8:
        import warnings

        warnings.warn(
            "where received a uint8 condition tensor. This behavior is deprecated and will be removed in a future "
            "version of PyTorch. Use a boolean condition instead.",
            UserWarning,
            stacklevel=3,
        )
    elif array.dtype != BOOL:
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype {type_name(array.dtype)}"
        )
    return array.astype(BOOL)


def _where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    return where(condition, self, other)  # type: ignore[no-any-return]


METHODS: dict[str, Any] = {
    "__eq__": eq.operator,
    "__ne__": ne.operator,
    "__lt__": lt.operator,
    "__le__": le.operator,
    "__gt__": gt.operator,
    "__ge__": ge.operator,
    "__and__": bitwise_and.operator,
    "__rand__": bitwise_and.reflected,
    "__iand__": BITWISE_AND.inplace,
    "__or__": bitwise_or.operator,
    "__ror__": bitwise_or.reflected,
    "__ior__": BITWISE_OR.inplace,
    "__xor__": bitwise_xor.operator,
    "__rxor__": bitwise_xor.reflected,
    "__ixor__": BITWISE_XOR.inplace,
    "__lshift__": bitwise_left_shift.operator,
    "__rlshift__": bitwise_left_shift.reflected,
    "__ilshift__": LSHIFT.inplace,
    "__rshift__": bitwise_right_shift.operator,
    "__rrshift__": bitwise_right_shift.reflected,
    "__irshift__": RSHIFT.inplace,
    "__invert__": _invert,
    "bitwise_not": _bitwise_not,
    "bitwise_not_": inplace_form("bitwise_not", _bitwise_not),
    "logical_not": _logical_not,
    "logical_not_": inplace_form("logical_not", _logical_not),
    "isnan": isnan,
    "isinf": isinf,
    "isfinite": isfinite,
    "isposinf": isposinf,
    "isneginf": isneginf,
    "isreal": isreal,
    "isclose": isclose,
    "allclose": allclose,
    "equal": equal,
    "where": _where_method,
}
for _name, _record in (
    ("bitwise_and", BITWISE_AND), ("bitwise_or", BITWISE_OR), ("bitwise_xor", BITWISE_XOR),
    ("bitwise_left_shift", LSHIFT), ("bitwise_right_shift", RSHIFT),
):  # fmt: skip
    METHODS[_name] = _record.method
    METHODS[_name + "_"] = named_in_place(_record.inplace, _name + "_")
for _names, _function in (
    (("eq",), eq), (("ne", "not_equal"), ne), (("lt", "less"), lt), (("le", "less_equal"), le),
    (("gt", "greater"), gt), (("ge", "greater_equal"), ge), (("logical_and",), logical_and),
    (("logical_or",), logical_or), (("logical_xor",), logical_xor),
):  # fmt: skip
    for _name in _names:
        METHODS[_name] = _function.method
        METHODS[_name + "_"] = _function.inplace
