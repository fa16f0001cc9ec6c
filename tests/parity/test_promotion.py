"""Type promotion: every pair of dtypes, as tensors, 0-dim tensors and Python numbers, against PyTorch.

For each operation the whole table is compared: the result's dtype, its values, and which pairs raise.
"""

from __future__ import annotations

import itertools
import operator
import warnings
from typing import Any

import pytest

import rushlight

from . import opinfo

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

DTYPES = (
    "bool", "uint8", "int8", "int16", "int32", "int64", "bfloat16", "float16", "float32", "float64", "complex64",
    "complex128",
)  # fmt: skip
NUMBERS = (True, 2, 1.5, 2 + 1j)
FIRST, SECOND = (1, 3, 2), (2, 1, 3)

FUNCTIONS = (
    "add", "sub", "rsub", "mul", "div", "true_divide", "floor_divide", "remainder", "fmod", "pow", "float_power",
    "maximum", "minimum", "fmax", "fmin", "eq", "ne", "lt", "le", "gt", "ge", "bitwise_and", "bitwise_or",
    "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "logical_and", "logical_or", "logical_xor", "atan2",
    "hypot", "copysign", "nextafter", "logaddexp", "logaddexp2", "xlogy", "gcd", "lcm", "ldexp", "heaviside",
    "isclose", "equal", "result_type", "clamp_min", "clamp_max",
)  # fmt: skip
OPERATORS = {
    name: getattr(operator, name)
    for name in (
        "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor", "lshift", "rshift", "eq", "ne",
        "lt", "le", "gt", "ge",
    )
}  # fmt: skip
INPLACE = (
    "add_",
    "sub_",
    "mul_",
    "div_",
    "floor_divide_",
    "remainder_",
    "pow_",
    "eq_",
    "bitwise_and_",
    "copysign_",
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def operands(values: tuple[int, ...]) -> list[Any]:
    """A row and a 0-dim tensor of each dtype, and a number of each kind."""
    found: list[Any] = [torch.tensor(list(values)).to(getattr(torch, name)) for name in DTYPES]
    found += [torch.tensor(values[0]).to(getattr(torch, name)) for name in DTYPES]
    return [*found, *NUMBERS]


def table(expected: Any, actual: Any, pairs: Any) -> list[str]:
    """What differs between the two libraries over all pairs of operands."""
    wrong = []
    for a, b in pairs:
        if not isinstance(a, torch.Tensor) and not isinstance(b, torch.Tensor):
            continue
        if needs_complex32(a, b, getattr(expected, "__name__", "")):
            continue
        want, error = opinfo.call(expected, (clone(a), clone(b)), {})
        got, own_error = opinfo.call(actual, (opinfo.to_rushlight(a), opinfo.to_rushlight(b)), {})
        what = f"({opinfo.describe(a)}, {opinfo.describe(b)})"
        if error is not None:
            if not isinstance(own_error, type(error)):
                wrong.append(f"{what}: {got if own_error is None else own_error!r}, expected {error!r:.120}")
        elif own_error is not None:
            wrong.append(f"{what}: {own_error!r}, expected {want!r}")
        else:
            difference = opinfo.difference(got, want)
            if difference:
                wrong.append(f"{what}: {difference}")
    return wrong


def needs_complex32(a: Any, b: Any, name: str) -> bool:
    """Whether PyTorch's result is of the one dtype that is missing here: what float16 becomes beside a complex number."""
    if torch.result_type(a, b) is torch.complex32:
        return True
    # ldexp first takes 2 to the power of its second operand, beside the first's category.
    return (
        name == "ldexp"
        and isinstance(b, torch.Tensor)
        and b.dtype is torch.float16
        and torch.is_complex(torch.as_tensor(a))
    )


def clone(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else value


def check(wrong: list[str]) -> None:
    assert not wrong, f"{len(wrong)} pairs differ\n" + "\n".join(wrong[:12])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    pairs = itertools.product(operands(FIRST), operands(SECOND))
    check(table(getattr(torch, name), getattr(rushlight, name), pairs))


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name: str) -> None:
    pairs = itertools.product(operands(FIRST), operands(SECOND))
    check(table(OPERATORS[name], OPERATORS[name], pairs))


@pytest.mark.parametrize("name", INPLACE)
def test_inplace(name: str) -> None:
    pairs = [
        pair
        for pair in itertools.product(operands(FIRST), operands(SECOND))
        if isinstance(pair[0], torch.Tensor)
    ]

    def method(self: Any, other: Any) -> Any:
        return getattr(self, name)(other)

    check(table(method, method, pairs))


def test_where() -> None:
    mask = torch.tensor([True, False, True])
    own_mask = opinfo.to_rushlight(mask)
    pairs = itertools.product(operands(FIRST), operands(SECOND))
    check(table(lambda a, b: torch.where(mask, a, b), lambda a, b: rushlight.where(own_mask, a, b), pairs))


@pytest.mark.parametrize("alpha", [2, 0.5, True])
@pytest.mark.parametrize("name", ["add", "sub"])
def test_alpha(name: str, alpha: Any) -> None:
    pairs = itertools.product(operands(FIRST), operands(SECOND))

    def scaled(library: Any) -> Any:
        return lambda a, b: getattr(library, name)(a, b, alpha=alpha)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(table(scaled(torch), scaled(rushlight), pairs))


@pytest.mark.parametrize("bounds", [(0, 2), (0.5, None), (None, 1.5), (True, 2)])
def test_clamp_numbers(bounds: tuple[Any, Any]) -> None:
    pairs = [(tensor, 0) for tensor in operands(FIRST) if isinstance(tensor, torch.Tensor)]
    check(table(lambda x, _: torch.clamp(x, *bounds), lambda x, _: rushlight.clamp(x, *bounds), pairs))


@pytest.mark.parametrize("default", ["float64", "float16"])
def test_default_dtype_decides_what_numbers_make_of_integers(default: str) -> None:
    torch.set_default_dtype(getattr(torch, default))
    rushlight.set_default_dtype(getattr(rushlight, default))
    try:
        pairs = list(itertools.product(operands(FIRST), operands(SECOND)))
        for name in ("add", "div", "atan2", "pow"):
            check(table(getattr(torch, name), getattr(rushlight, name), pairs))
    finally:
        torch.set_default_dtype(torch.float32)
        rushlight.set_default_dtype(rushlight.float32)


UNARY = (
    "abs", "neg", "positive", "sign", "sgn", "square", "sqrt", "rsqrt", "reciprocal", "exp", "exp2", "expm1", "log",
    "log2", "log10", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh",
    "atanh", "sinc", "sigmoid", "logit", "erf", "erfc", "erfinv", "lgamma", "digamma", "floor", "ceil", "round",
    "trunc", "fix", "frac", "isnan", "isinf", "isfinite", "isposinf", "isneginf", "isreal", "logical_not",
    "bitwise_not", "signbit", "deg2rad", "rad2deg", "nan_to_num", "angle", "conj", "conj_physical", "real", "imag",
    "relu", "selu", "celu", "hardshrink",
)  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str) -> None:
    """The dtype of the result for every dtype, and which dtypes are refused."""
    pairs = [(tensor, 0) for tensor in operands(FIRST) if isinstance(tensor, torch.Tensor)]
    check(table(lambda x, _: getattr(torch, name)(x), lambda x, _: getattr(rushlight, name)(x), pairs))


def test_can_cast_and_promote_types() -> None:
    for a, b in itertools.product(DTYPES, DTYPES):
        own = rushlight.promote_types(getattr(rushlight, a), getattr(rushlight, b))
        assert str(own) == str(torch.promote_types(getattr(torch, a), getattr(torch, b))), (a, b)
        assert rushlight.can_cast(getattr(rushlight, a), getattr(rushlight, b)) == torch.can_cast(
            getattr(torch, a), getattr(torch, b)
        ), (a, b)
