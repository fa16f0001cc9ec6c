"""Values and gradients where functions have corners, poles, ties, nan and inf, against PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import rushlight
from rushlight.autograd.engine import run_backward
from rushlight.ops import activations

from . import opinfo

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

NAN, INF = math.nan, math.inf
POINTS = (-INF, -800.0, -2.5, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.5, 30.0, 800.0, INF, NAN)

UNARY = (
    "abs", "neg", "sign", "sgn", "square", "sqrt", "rsqrt", "reciprocal", "exp", "exp2", "expm1", "log", "log2",
    "log10", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
    "sinc", "sigmoid", "logit", "erf", "erfc", "erfinv", "floor", "ceil", "round", "trunc", "frac", "nan_to_num",
    "deg2rad", "angle", "relu", "selu", "celu", "hardshrink", "lgamma",
)  # fmt: skip
ACTIVATIONS = (
    "relu", "relu6", "hardtanh", "leaky_relu", "elu", "selu", "celu", "softplus", "logsigmoid", "silu", "mish", "gelu",
    "hardswish", "hardsigmoid", "softsign", "tanhshrink", "softshrink", "hardshrink",
)  # fmt: skip
WITH_NUMBERS: dict[str, Callable[[Any, Any], Any]] = {
    "x ** 0": lambda L, x: x**0,
    "x ** 1": lambda L, x: x**1,
    "x ** 2": lambda L, x: x**2,
    "x ** 3": lambda L, x: x**3,
    "x ** 0.5": lambda L, x: x**0.5,
    "x ** -0.5": lambda L, x: x**-0.5,
    "x ** -1": lambda L, x: x**-1,
    "x ** -2": lambda L, x: x**-2,
    "x ** 1.7": lambda L, x: x**1.7,
    "x ** inf": lambda L, x: x**INF,
    "0 ** x": lambda L, x: 0**x,
    "2 ** x": lambda L, x: 2**x,
    "1 ** x": lambda L, x: 1**x,
    "-2 ** x": lambda L, x: (-2) ** x,
    "2 / x": lambda L, x: 2 / x,
    "3 - x": lambda L, x: 3 - x,
    "x / 0": lambda L, x: x / 0,
    "x // 2": lambda L, x: (x // 2).detach(),
    "x // 0": lambda L, x: (x // 0).detach(),
    "x % 2": lambda L, x: x % 2,
    "x % -2": lambda L, x: x % -2,
    "x % 0": lambda L, x: x % 0,
    "x % inf": lambda L, x: x % INF,
    "5 % x": lambda L, x: (5 % x).detach(),  # PyTorch has no derivative there
    "fmod": lambda L, x: L.fmod(x, 2),
    "div floor": lambda L, x: L.div(x, 2, rounding_mode="floor"),
    "div trunc": lambda L, x: L.div(x, 0.3, rounding_mode="trunc"),
    "clamp min": lambda L, x: x.clamp(min=0),
    "clamp max": lambda L, x: x.clamp(max=0.5),
    "clamp": lambda L, x: L.clamp(x, -0.5, 1),
    "clamp crossed": lambda L, x: L.clamp(x, 1, -1),
    "clamp nan": lambda L, x: L.clamp(x, NAN),
    "logit eps": lambda L, x: L.logit(x, 0.25),
    "copysign": lambda L, x: L.copysign(x, -0.0),
    "xlogy": lambda L, x: L.xlogy(x, 0.0),
    "xlogy of a number": lambda L, x: L.xlogy(0.0, x),
    "round decimals": lambda L, x: L.round(x, decimals=1),
    "round tens": lambda L, x: L.round(x, decimals=-1),
    "where": lambda L, x: L.where(x > 0, x, 0),
    "nan_to_num": lambda L, x: L.nan_to_num(x, 1.0, 2.0, 3.0),
    "lerp low": lambda L, x: L.lerp(x, x * 2, 0.3),
    "lerp high": lambda L, x: L.lerp(x, x * 2, 0.8),
    "softmax": lambda L, x: L.softmax(x[2:11], 0),
    "softmax with inf": lambda L, x: L.softmax(x, 0),
    "log_softmax": lambda L, x: L.log_softmax(x[1:11], 0),
    "log_softmax with -inf": lambda L, x: L.log_softmax(x[:11], 0),
}
BINARY = (
    "add", "sub", "mul", "div", "pow", "maximum", "minimum", "fmax", "fmin", "atan2", "copysign", "nextafter", "xlogy",
    "logaddexp", "logaddexp2", "remainder", "fmod", "ldexp",
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def compare(
    expected: Callable[..., Any], actual: Callable[..., Any], *columns: Any, dtype: Any = torch.float64
) -> None:
    theirs = [torch.tensor(column, dtype=dtype, requires_grad=True) for column in columns]
    own = [opinfo.to_rushlight(tensor) for tensor in theirs]
    want, got = expected(*theirs), actual(*own)
    wrong = opinfo.difference(got, want)
    assert wrong is None, wrong
    if not want.requires_grad:
        return
    gradients = torch.autograd.grad(want, theirs, torch.ones_like(want), allow_unused=True)
    run_backward([got._node], [rushlight.ones_like(got)], retain_graph=False, create_graph=False)
    for position, (gradient, tensor) in enumerate(zip(gradients, own, strict=True)):
        if gradient is not None:
            wrong = opinfo.difference(tensor.grad, gradient)
            assert wrong is None, f"gradient {position}: {wrong}"


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str) -> None:
    # PyTorch takes the slope at -0.0 from the right, though 1 / (x * (1 - x)) is -inf there.
    points = [x for x in POINTS if name != "logit" or math.copysign(1, x) > 0 or x]
    compare(getattr(torch, name), getattr(rushlight, name), points)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    points = [*POINTS, -3.0, 3.0, 6.0, 20.0]
    if name in ("elu", "selu", "celu", "hardshrink"):
        # PyTorch's gradient at nan depends on how many elements there are (vectors of eight, then one by one).
        points = [x for x in points if not math.isnan(x)]
    compare(getattr(torch.nn.functional, name), getattr(activations, name), points)


@pytest.mark.parametrize("name", WITH_NUMBERS)
def test_with_numbers(name: str) -> None:
    function = WITH_NUMBERS[name]
    compare(lambda x: function(torch, x), lambda x: function(rushlight, x), POINTS)


@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str) -> None:
    pairs = [(a, b) for a in POINTS for b in POINTS]
    compare(getattr(torch, name), getattr(rushlight, name), *zip(*pairs, strict=True))


def test_clamp_by_tensors() -> None:
    points = (-1.0, 0.0, 0.5, 1.0, NAN)
    rows = [(x, low, high) for x in points for low in points for high in points]
    columns = tuple(zip(*rows, strict=True))
    compare(torch.clamp, rushlight.clamp, *columns)
    compare(lambda x, low: torch.clamp(x, min=low), lambda x, low: rushlight.clamp(x, min=low), *columns[:2])
    compare(
        lambda x, high: torch.clamp(x, max=high), lambda x, high: rushlight.clamp(x, max=high), *columns[:2]
    )


@pytest.mark.parametrize("exponent", [2, 3, 0.5, -0.5, -1, -2, 1, 0, 2.5, -3])
def test_powers_of_float32_round_as_pytorch_does(exponent: float) -> None:
    x = torch.rand(1000, generator=torch.Generator().manual_seed(0)) + 0.1
    want, got = x**exponent, opinfo.to_rushlight(x) ** exponent
    if exponent in (2.5, -3, 0.5):  # the mathematical libraries differ in the last place, for the root too
        assert opinfo.difference(got, want, (1.2e-7, 0)) is None
    else:
        assert opinfo.difference(got, want, (0, 0)) is None


def test_numbers_divided_by_tensors_round_as_pytorch_does() -> None:
    x = torch.rand(1000, generator=torch.Generator().manual_seed(0)) + 0.1
    assert opinfo.difference(3.3 / opinfo.to_rushlight(x), 3.3 / x, (0, 0)) is None
    assert opinfo.difference(rushlight.div(3.3, opinfo.to_rushlight(x)), torch.div(3.3, x), (0, 0)) is None


def test_random_slopes() -> None:
    """rrelu in training draws as PyTorch does: one number for each element that is not above 0."""
    x = torch.randn(50, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(3)
    rushlight.manual_seed(3)
    want = torch.nn.functional.rrelu(x, 0.1, 0.3, training=True)
    got = activations.rrelu(opinfo.to_rushlight(x), 0.1, 0.3, training=True)
    assert opinfo.difference(got, want) is None
