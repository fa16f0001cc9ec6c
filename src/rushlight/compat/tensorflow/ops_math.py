"""Arithmetic, comparisons and products under TensorFlow's names, and the operators of tensors and variables."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

import rushlight as rl

from . import dtypes, shape_rules
from .conversion import constant_value, convert_n_to_tensor, convert_to_tensor
from .dtypes import DType, as_dtype
from .graph import Operand, Tensor, name_scope, node
from .tensor_shape import TensorShape

# Binary operations of these types take a Python number for a constant operand: the executor hands it over as one.
TAKES_NUMBERS: Final = "takes_numbers"


def _pair(kind: str, x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """Both operands as tensors of one type: a Python value takes the type of the other operand."""
    if not isinstance(x, Operand) and isinstance(y, Operand):
        y = convert_to_tensor(y)
        x = convert_to_tensor(x, y.dtype, name="x")
    else:
        x = convert_to_tensor(x, name="x")
        y = (
            convert_to_tensor(y, name="y")
            if isinstance(y, Operand)
            else convert_to_tensor(y, x.dtype, name="y")
        )
    if x.dtype is not y.dtype:
        raise TypeError(
            f"Input 'y' of '{kind}' Op has type {y.dtype.name} that does not match type {x.dtype.name} of argument 'x'."
        )
    return x, y


def _binary(
    kind: str,
    function: Callable[..., Any],
    doc: str,
    result: DType | None = None,
    name: str | None = None,
    takes_numbers: bool = True,
) -> Any:
    """The public function of a two-operand operation; ``result`` is the result's type where it is not the operands'."""
    default = name or kind

    def public(x: Any, y: Any, name: str | None = None) -> Tensor:
        with name_scope(name, default) as scope:
            a, b = _pair(kind, x, y)
            if a.dtype is dtypes.string and kind not in ("Equal", "NotEqual", "Add"):
                raise TypeError(
                    f"Value passed to parameter 'x' has DataType string not in list of allowed values for {kind}"
                )
            shape = shape_rules.broadcast(kind, scope[:-1], (a, b))
            if a.dtype is dtypes.string:
                return node(kind, _of_texts(function, result), [a, b], result or a.dtype, shape, scope)
            attributes = {TAKES_NUMBERS: True} if takes_numbers else None
            return node(kind, function, [a, b], result or a.dtype, shape, scope, attributes=attributes)

    return _described(public, default, doc)


def _of_texts(function: Callable[..., Any], result: DType | None) -> Callable[..., Any]:
    """An operation on texts, which are arrays of objects: NumPy's own results may be single objects."""

    def kernel(x: Any, y: Any) -> Any:
        value = np.asarray(function(x, y), dtype=object if result is None else bool)
        return value if result is None else rl.from_numpy(np.array(value))

    return kernel


def _described(function: Any, name: str, doc: str) -> Any:
    function.__doc__ = doc
    function.__name__ = function.__qualname__ = name
    return function


def _unary(
    kind: str, function: Callable[[Any], Any], doc: str, result: Callable[[DType], DType] | None = None
) -> Any:
    def public(x: Any, name: str | None = None) -> Tensor:
        x = convert_to_tensor(x)
        return node(kind, function, [x], result(x.dtype) if result else x.dtype, x.shape, name)

    return _described(public, kind, doc)


def _larger(x: Any, y: Any) -> Any:
    # Not rl.maximum: where the two are equal, TensorFlow's gradient goes to the first, PyTorch's is split.
    return rl.where(x < y, y, x)


def _smaller(x: Any, y: Any) -> Any:
    return rl.where(x > y, y, x)


def _truncated_quotient(x: Any, y: Any) -> Any:
    return rl.div(x, y, rounding_mode="trunc")


def _squared_difference(x: Any, y: Any) -> Any:
    difference = x - y
    return difference * difference


def _no_nan_quotient(x: Any, y: Any) -> Any:
    # The inner choice keeps the division, and so the gradient, away from 0.
    safe = rl.where(y == 0, rl.ones_like(y), y)
    return rl.where(y == 0, rl.zeros_like(x / safe), x / safe)


def _floor_quotient(x: Any, y: Any) -> Any:
    return rl.floor_divide(x, y)


_ELEMENTWISE = "of operands of one type, element by element, with broadcasting."
add = _binary("Add", operator.add, f"The sum {_ELEMENTWISE}")
subtract = _binary("Sub", operator.sub, f"The difference {_ELEMENTWISE}")
multiply = _binary("Mul", operator.mul, f"The product {_ELEMENTWISE}")
_real_div = _binary("RealDiv", operator.truediv, f"The quotient {_ELEMENTWISE}", name="truediv")
floordiv = _binary(
    "FloorDiv",
    _floor_quotient,
    f"The quotient, rounded down, {_ELEMENTWISE}",
    name="floordiv",
    takes_numbers=False,
)
floormod = _binary("FloorMod", operator.mod, f"The remainder, with the divisor's sign, {_ELEMENTWISE}")
truncatediv = _binary(
    "TruncateDiv", _truncated_quotient, f"The quotient, rounded to 0, {_ELEMENTWISE}", takes_numbers=False
)
truncatemod = _binary(
    "TruncateMod", rl.fmod, f"The remainder, with the dividend's sign, {_ELEMENTWISE}", takes_numbers=False
)
pow = _binary("Pow", operator.pow, f"The power {_ELEMENTWISE}")
maximum = _binary("Maximum", _larger, f"The larger {_ELEMENTWISE}", takes_numbers=False)
minimum = _binary("Minimum", _smaller, f"The smaller {_ELEMENTWISE}", takes_numbers=False)
squared_difference = _binary("SquaredDifference", _squared_difference, f"``(x - y)²`` {_ELEMENTWISE}")
atan2 = _binary("Atan2", rl.atan2, f"The angle of the point (y, x) {_ELEMENTWISE}", takes_numbers=False)
div_no_nan = _binary(
    "DivNoNan", _no_nan_quotient, f"The quotient, 0 where the divisor is, {_ELEMENTWISE}", takes_numbers=False
)
equal = _binary("Equal", operator.eq, f"Whether they are equal, {_ELEMENTWISE}", dtypes.bool_)
not_equal = _binary("NotEqual", operator.ne, f"Whether they differ, {_ELEMENTWISE}", dtypes.bool_)
less = _binary("Less", operator.lt, f"Whether x < y, {_ELEMENTWISE}", dtypes.bool_)
less_equal = _binary("LessEqual", operator.le, f"Whether x ≤ y, {_ELEMENTWISE}", dtypes.bool_)
greater = _binary("Greater", operator.gt, f"Whether x > y, {_ELEMENTWISE}", dtypes.bool_)
greater_equal = _binary("GreaterEqual", operator.ge, f"Whether x ≥ y, {_ELEMENTWISE}", dtypes.bool_)
logical_and = _binary(
    "LogicalAnd", rl.logical_and, f"Whether both are true, {_ELEMENTWISE}", dtypes.bool_, takes_numbers=False
)
logical_or = _binary(
    "LogicalOr", rl.logical_or, f"Whether one is true, {_ELEMENTWISE}", dtypes.bool_, takes_numbers=False
)
logical_xor = _binary(
    "LogicalXor",
    rl.logical_xor,
    f"Whether just one is true, {_ELEMENTWISE}",
    dtypes.bool_,
    takes_numbers=False,
)
mod = floormod
sub, mul = subtract, multiply
realdiv, floor_div = _real_div, floordiv


def truediv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The quotient of operands of one type; integers are divided as floats (float64; 8 and 16 bits: float32).

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     print(session.run(tf.truediv(1, 2)))
        0.5
    """
    with name_scope(name, "truediv") as scope:
        a, b = _pair("RealDiv", x, y)
        if a.dtype.is_integer:
            wider = dtypes.float32 if a.dtype.size <= 2 else dtypes.float64
            a, b = cast(a, wider), cast(b, wider)
        result: Tensor = _real_div(a, b, name=scope)
        return result


def divide(x: Any, y: Any, name: str | None = None) -> Tensor:
    """``x / y`` as Python 3 has it: see :func:`truediv`."""
    return truediv(x, y, name)


def div(x: Any, y: Any, name: str | None = None) -> Tensor:
    """``x / y`` as Python 2 has it: integers give an integer, rounded down."""
    a, b = _pair("Div", x, y)
    result: Tensor = floordiv(a, b, name or "div") if a.dtype.is_integer else _real_div(a, b, name or "div")
    return result


def _real_of(dtype: DType) -> DType:
    return dtype.real_dtype


def _to_bool(dtype: DType) -> DType:
    return dtypes.bool_


def _softplus(x: Any) -> Any:
    return rl.nn.functional.softplus(x)


def _floating(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``function`` for floats; integers are what they are."""

    def kernel(x: Any) -> Any:
        return function(x) if x.is_floating_point() else x.clone()

    return kernel


_EACH = "of each element."
negative = _unary("Neg", rl.neg, f"The negative {_EACH}")
abs = _unary("Abs", rl.abs, f"The absolute value {_EACH}", _real_of)
sign = _unary("Sign", rl.sign, f"-1, 0 or 1, the sign {_EACH}")
square = _unary("Square", rl.square, f"The square {_EACH}")
sqrt = _unary("Sqrt", rl.sqrt, f"The square root {_EACH}")
rsqrt = _unary("Rsqrt", rl.rsqrt, f"One over the square root {_EACH}")
reciprocal = _unary("Reciprocal", rl.reciprocal, f"One over the value {_EACH}")
exp = _unary("Exp", rl.exp, f"The exponential {_EACH}")
expm1 = _unary("Expm1", rl.expm1, f"``exp(x) - 1``, exact near 0, {_EACH}")
log = _unary("Log", rl.log, f"The natural logarithm {_EACH}")
log1p = _unary("Log1p", rl.log1p, f"``log(1 + x)``, exact near 0, {_EACH}")
sin = _unary("Sin", rl.sin, f"The sine {_EACH}")
cos = _unary("Cos", rl.cos, f"The cosine {_EACH}")
tan = _unary("Tan", rl.tan, f"The tangent {_EACH}")
asin = _unary("Asin", rl.asin, f"The inverse sine {_EACH}")
acos = _unary("Acos", rl.acos, f"The inverse cosine {_EACH}")
atan = _unary("Atan", rl.atan, f"The inverse tangent {_EACH}")
sinh = _unary("Sinh", rl.sinh, f"The hyperbolic sine {_EACH}")
cosh = _unary("Cosh", rl.cosh, f"The hyperbolic cosine {_EACH}")
tanh = _unary("Tanh", rl.tanh, f"The hyperbolic tangent {_EACH}")
asinh = _unary("Asinh", rl.asinh, f"The inverse hyperbolic sine {_EACH}")
acosh = _unary("Acosh", rl.acosh, f"The inverse hyperbolic cosine {_EACH}")
atanh = _unary("Atanh", rl.atanh, f"The inverse hyperbolic tangent {_EACH}")
sigmoid = _unary("Sigmoid", rl.sigmoid, f"``1 / (1 + exp(-x))`` {_EACH}")
softplus = _unary("Softplus", _softplus, f"``log(1 + exp(x))`` {_EACH}")
erf = _unary("Erf", rl.erf, f"The error function {_EACH}")
erfc = _unary("Erfc", rl.erfc, f"One minus the error function {_EACH}")
lgamma = _unary("Lgamma", rl.lgamma, f"The logarithm of the absolute gamma function {_EACH}")
digamma = _unary("Digamma", rl.digamma, f"The derivative of lgamma {_EACH}")
floor = _unary("Floor", _floating(rl.floor), f"The next integer below {_EACH}")
ceil = _unary("Ceil", _floating(rl.ceil), f"The next integer above {_EACH}")
round = _unary("Round", _floating(rl.round), f"The nearest integer, halves to even, {_EACH}")
rint = _unary("Rint", _floating(rl.round), f"The nearest integer, halves to even, {_EACH}")
logical_not = _unary("LogicalNot", rl.logical_not, f"The opposite truth {_EACH}", _to_bool)
is_nan = _unary("IsNan", rl.isnan, f"Whether it is not a number, {_EACH}", _to_bool)
is_inf = _unary("IsInf", rl.isinf, f"Whether it is infinite, {_EACH}", _to_bool)
is_finite = _unary("IsFinite", rl.isfinite, f"Whether it is finite, {_EACH}", _to_bool)
real = _unary("Real", rl.real, f"The real part {_EACH}", _real_of)
conj = _unary("Conj", lambda x: rl.resolve_conj(rl.conj(x)), f"The complex conjugate {_EACH}")
angle = _unary("Angle", rl.angle, f"The argument (0 or π for real numbers) {_EACH}", _real_of)
erfinv = _unary("Erfinv", rl.erfinv, f"The inverse error function {_EACH}")
ceiling, neg = ceil, negative


def log_sigmoid(x: Any, name: str | None = None) -> Tensor:
    """``log(sigmoid(x))`` of each element."""
    result: Tensor = _log_sigmoid(x, name)
    return result


_log_sigmoid = _unary("LogSigmoid", rl.nn.functional.logsigmoid, "")
igamma = _binary(
    "Igamma", rl.special.gammainc, f"The lower incomplete gamma function {_ELEMENTWISE}", takes_numbers=False
)
igammac = _binary(
    "Igammac",
    rl.special.gammaincc,
    f"The upper incomplete gamma function {_ELEMENTWISE}",
    takes_numbers=False,
)
xlogy = _binary("Xlogy", rl.xlogy, f"``x · log(y)``, 0 where x is, {_ELEMENTWISE}", takes_numbers=False)


def polygamma(a: Any, x: Any, name: str | None = None) -> Tensor:
    """The derivative of order ``a`` (a number, 0 or more) of ``digamma``."""
    order = constant_value(a)
    if order is None or order.size != 1:
        raise NotImplementedError(
            "polygamma: the order must be one number that is known when the graph is built"
        )
    value = convert_to_tensor(x)
    return node(
        "Polygamma", lambda v: rl.polygamma(int(order.item()), v), [value], value.dtype, value.shape, name
    )


def _zero_times(x: Any, y: Any) -> Any:
    return rl.where(y == 0, rl.zeros_like(x * y), x * y)


multiply_no_nan = _binary(
    "MulNoNan", _zero_times, f"The product, 0 where y is, {_ELEMENTWISE}", takes_numbers=False
)


def polyval(coeffs: Sequence[Any], x: Any, name: str | None = None) -> Tensor:
    """The polynomial with these coefficients, the highest power's first, at ``x``."""
    if not isinstance(coeffs, list):
        raise ValueError(f"Argument coeffs must be list type found {type(coeffs)}.")
    value = convert_to_tensor(x)
    total = convert_to_tensor(coeffs[0] if coeffs else 0, value.dtype)
    for coefficient in coeffs[1:]:
        total = total * value + convert_to_tensor(coefficient, value.dtype)
    return total


def lbeta(x: Any, name: str | None = None) -> Tensor:
    """The logarithm of the absolute beta function of the last axis."""
    value = convert_to_tensor(x)
    shape = TensorShape(None if value.shape.extents is None else value.shape.extents[:-1])
    return node(
        "Lbeta", lambda v: rl.lgamma(v).sum(-1) - rl.lgamma(v.sum(-1)), [value], value.dtype, shape, name
    )


def imag(input: Any, name: str | None = None) -> Tensor:
    """The imaginary part of each element; zeros for a real tensor."""
    x = convert_to_tensor(input)
    kernel = rl.imag if x.dtype.is_complex else rl.zeros_like
    return node("Imag", kernel, [x], x.dtype.real_dtype, x.shape, name)


def complex(real: Any, imag: Any, name: str | None = None) -> Tensor:
    """Complex numbers from real and imaginary parts."""
    a, b = _pair("Complex", real, imag)
    dtype = dtypes.complex128 if a.dtype is dtypes.float64 else dtypes.complex64
    return node(
        "Complex",
        rl.complex,
        [a, b],
        dtype,
        shape_rules.broadcast("Complex", name or "Complex", (a, b)),
        name,
    )


def cast(x: Any, dtype: Any, name: str | None = None) -> Tensor:
    """``x`` in another type; floats are cut to integers towards 0.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     print(session.run(tf.cast([1.7, -1.7], tf.int32)).tolist())
        [1, -1]
    """
    target = as_dtype(dtype)
    given = convert_to_tensor(x)
    if given.dtype is target:
        return given
    if target.rushlight is None or given.dtype is dtypes.string:
        raise TypeError(f"Cast {given.dtype.name} to {target.name} is not supported")
    to = target.rushlight

    def kernel(value: Any) -> Any:
        return rl.real(value).to(to) if value.is_complex() and not to.is_complex else value.to(to)

    return node("Cast", kernel, [given], target, given.shape, name)


def saturate_cast(value: Any, dtype: Any, name: str | None = None) -> Tensor:
    """``value`` in another type, first limited to what that type can hold."""
    target, value = as_dtype(dtype), convert_to_tensor(value)
    if target.is_integer and value.dtype.is_floating:
        value = minimum(maximum(value, float(target.min)), float(target.max))
    return cast(value, target, name)


def _to(dtype: DType) -> Any:
    def public(x: Any, name: str | None = None) -> Tensor:
        return cast(x, dtype, name)

    return _described(public, f"to_{dtype.name}", f"``x`` as {dtype.name}.")


to_float, to_double, to_int32, to_int64 = map(
    _to, (dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64)
)
to_bfloat16, to_complex64, to_complex128 = map(_to, (dtypes.bfloat16, dtypes.complex64, dtypes.complex128))


def matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """The matrix product of ``a`` (..., m, k) and ``b`` (..., k, n), which may each be transposed first.

    Raises:
        ValueError: if the inner extents differ or an operand has fewer than two dimensions.
        TypeError: if the types differ.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     print(session.run(tf.matmul([[1.0, 2.0]], [[3.0], [4.0]])))
        [[11.]]
    """
    x, y = _pair("MatMul", a, b)
    shape = shape_rules.matmul(name or "MatMul", x, y, transpose_a or adjoint_a, transpose_b or adjoint_b)

    def kernel(left: Any, right: Any) -> Any:
        if transpose_a or adjoint_a:
            left = rl.transpose(rl.conj(left) if adjoint_a else left, -1, -2)
        if transpose_b or adjoint_b:
            right = rl.transpose(rl.conj(right) if adjoint_b else right, -1, -2)
        return rl.matmul(left, right)

    plain = not (transpose_a or adjoint_a or transpose_b or adjoint_b)
    attributes = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    return node("MatMul", rl.matmul if plain else kernel, [x, y], x.dtype, shape, name, attributes=attributes)


def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> Tensor:
    """Products of ``a`` and ``b`` summed over ``axes``: a number of axes, or a list of axes of each."""
    x, y = _pair("Tensordot", a, b)
    if isinstance(axes, Operand) or not isinstance(axes, int):
        given = constant_value(axes)
        if given is None:
            raise ValueError("tensordot: axes must be known when the graph is built")
        axes = given.tolist()
    if not isinstance(axes, int):
        axes = [[item] if isinstance(item, int) else item for item in axes]
    shape = TensorShape(None)
    if x.shape.ndims is not None and y.shape.ndims is not None:
        left, right = x.shape.as_list(), y.shape.as_list()
        over = [range(len(left) - axes, len(left)), range(axes)] if isinstance(axes, int) else axes
        gone = [
            {axis % len(extents) for axis in part} for part, extents in zip(over, (left, right), strict=True)
        ]
        shape = TensorShape(
            [e for i, e in enumerate(left) if i not in gone[0]]
            + [e for i, e in enumerate(right) if i not in gone[1]]
        )
    return node("Tensordot", lambda p, q: rl.tensordot(p, q, dims=axes), [x, y], x.dtype, shape, name)


def einsum(equation: str, *inputs: Any, name: str | None = None) -> Tensor:
    """Einstein's summation, as ``numpy.einsum`` has it."""
    operands = convert_n_to_tensor(inputs)
    shape = TensorShape(None)
    spaced = equation.replace(" ", "")
    if "->" in spaced and "." not in spaced:
        terms, result = spaced.split("->")
        extents: dict[str, int | None] = {}
        for term, operand in zip(terms.split(","), operands, strict=True):
            for letter, extent in zip(term, operand.shape.extents or [None] * len(term), strict=True):
                known = extents.get(letter)
                if known is not None and extent is not None and known != extent and 1 not in (known, extent):
                    raise ValueError(
                        f"Dimensions must be equal, but are {known} and {extent} for '{name or 'einsum/Einsum'}' (op: 'Einsum')"
                    )
                extents[letter] = known or extent
        shape = TensorShape([extents[letter] for letter in result])
    return node(
        "Einsum", lambda *values: rl.einsum(equation, *values), operands, operands[0].dtype, shape, name
    )


def add_n(inputs: Sequence[Any], name: str | None = None) -> Tensor:
    """The sum of tensors of one shape and type; ``ValueError`` for an empty list."""
    if not isinstance(inputs, list | tuple) or not inputs:
        raise ValueError(
            "inputs must be a list of at least one Tensor/IndexedSlices with the same dtype and shape"
        )
    operands = convert_n_to_tensor(inputs)
    shape = operands[0].shape
    for operand in operands:
        shape = shape.merge_with(operand.shape)

    def kernel(first: Any, *others: Any) -> Any:
        for other in others:
            first = first + other
        return first

    if len(operands) == 1:
        from .ops_array import identity

        return identity(operands[0], name) if name else operands[0]
    return node("AddN", kernel, operands, operands[0].dtype, shape, name)


def accumulate_n(
    inputs: Sequence[Any], shape: Any = None, tensor_dtype: Any = None, name: str | None = None
) -> Tensor:
    """The sum of tensors of one shape and type."""
    return add_n(inputs, name or "AccumulateNV2")


def scalar_mul(scalar: Any, x: Any) -> Tensor:
    """``x`` times a number or 0-dim tensor."""
    x = convert_to_tensor(x)
    scalar = convert_to_tensor(scalar, x.dtype)
    if scalar.shape.ndims not in (0, None):
        raise ValueError(f"Only scalar multiply works, got shape {scalar.shape}")
    result: Tensor = multiply(scalar, x)
    return result


# --- operators ----------------------------------------------------------------------------------------------------------


def _logical(boolean: Callable[..., Any]) -> Callable[..., Any]:
    def operation(x: Any, y: Any, name: str | None = None) -> Any:
        x = convert_to_tensor(x)
        if x.dtype is not dtypes.bool_:
            raise TypeError(f"The operators &, | and ^ take bool tensors, not {x.dtype.name}; see tf.bitwise")
        return boolean(x, y, name)

    return operation


def _operator(function: Callable[..., Any], name: str, reflected: bool) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, Operand):
            other = convert_to_tensor(other, self.dtype, name="x" if reflected else "y")
        return function(other, self, name=name) if reflected else function(self, other, name=name)

    return method


_BINARY_OPERATORS: Final = {
    "add": (add, "add"),
    "sub": (subtract, "sub"),
    "mul": (multiply, "mul"),
    "truediv": (truediv, "truediv"),
    "floordiv": (floordiv, "floordiv"),
    "mod": (floormod, "mod"),
    "pow": (pow, "pow"),
    "matmul": (matmul, "matmul"),
    "and": (_logical(logical_and), "and"),
    "or": (_logical(logical_or), "or"),
    "xor": (_logical(logical_xor), "xor"),
}
_COMPARISONS: Final = {"lt": less, "le": less_equal, "gt": greater, "ge": greater_equal}


def _prefix(function: Callable[..., Any]) -> Callable[[Any], Any]:
    def method(self: Any) -> Any:
        return function(self)

    return method


def _bind_operators() -> None:
    for name, (function, op_name) in _BINARY_OPERATORS.items():
        setattr(Operand, f"__{name}__", _operator(function, op_name, reflected=False))
        setattr(Operand, f"__r{name}__", _operator(function, op_name, reflected=True))
    for name, function in _COMPARISONS.items():
        setattr(Operand, f"__{name}__", _operator(function, function.__name__, reflected=False))
    for name, function in {"neg": negative, "abs": abs, "invert": logical_not}.items():
        setattr(Operand, f"__{name}__", _prefix(function))


_bind_operators()
