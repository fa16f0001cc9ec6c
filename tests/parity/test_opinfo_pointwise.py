"""Pointwise operations, comparisons and activations against PyTorch on its own samples."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight
from rushlight.ops import activations

from . import opinfo

pytestmark = pytest.mark.parity

NAMES = [
    "__radd__", "__rand__", "__rdiv__", "__rmod__", "__rmul__", "__ror__", "__rpow__", "__rsub__", "__rxor__",
    "abs", "acos", "acosh", "add", "addcdiv", "addcmul", "allclose", "angle", "asin", "asinh", "atan",
    "atan2", "atanh", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift",
    "bitwise_xor", "ceil", "clamp", "clamp_max", "clamp_min", "complex", "conj", "conj_physical", "copysign",
    "cos", "cosh", "deg2rad", "digamma", "div", "eq", "equal", "erf", "erfc", "erfinv", "exp", "exp2",
    "expm1", "float_power", "floor", "floor_divide", "fmax", "fmin", "fmod", "frac", "gcd", "ge", "gt",
    "heaviside", "hypot", "imag", "isclose", "isfinite", "isinf", "isnan", "isneginf", "isposinf", "isreal",
    "lcm", "ldexp", "le", "lerp", "lgamma", "log", "log10", "log1p", "log2", "log_softmax", "logaddexp",
    "logaddexp2", "logical_and", "logical_not", "logical_or", "logical_xor", "logit", "lt", "maximum",
    "minimum", "mul", "mvlgamma", "nan_to_num", "ne", "neg", "nextafter", "polar", "polygamma", "positive",
    "pow", "rad2deg", "real", "reciprocal", "remainder", "resolve_conj", "resolve_neg", "round", "rsqrt",
    "rsub", "sgn", "sigmoid", "sign", "signbit", "sin", "sinc", "sinh", "softmax", "special.entr",
    "special.erfcx", "special.log_ndtr", "special.ndtr", "special.ndtri", "special.polygamma",
    "special.xlog1py", "sqrt", "square", "sub", "tan", "tanh", "true_divide", "trunc", "view_as_complex",
    "view_as_real", "where", "xlogy",
]  # fmt: skip

ACTIVATIONS = [
    "celu", "elu", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
    "logsigmoid", "mish", "prelu", "relu", "relu6", "rrelu", "selu", "silu", "softmin", "softplus",
    "softshrink", "softsign", "tanhshrink", "threshold",
]  # fmt: skip
FUNCTIONS: dict[str, Any] = {f"nn.functional.{name}": getattr(activations, name) for name in ACTIVATIONS}
NAMES += FUNCTIONS
# The database calls these with their arguments in another order.
FUNCTIONS["polygamma"] = lambda x, n, **kwargs: rushlight.polygamma(n, x, **kwargs)
FUNCTIONS["special.polygamma"] = lambda x, n, **kwargs: rushlight.special.polygamma(n, x, **kwargs)
FUNCTIONS["where"] = lambda x, condition, other, **kwargs: rushlight.where(condition, x, other, **kwargs)
for name in ("tanh", "sigmoid", "softmax", "log_softmax"):  # nn.functional's own have their own tests
    FUNCTIONS[f"nn.functional.{name}"] = getattr(rushlight, name)

# What falls short, each with the reason.
KNOWN: dict[tuple[str, str], str] = {}

TOLERANCES: dict[str, Any] = {
    # PyTorch computes these in float32, which loses digits near the poles; here they are computed in float64.
    "polygamma": {"float32": (1e-4, 1e-4)},
    "special.polygamma": {"float32": (1e-4, 1e-4)},
    # PyTorch rounds the sum's logarithm to the low precision before it subtracts it.
    "log_softmax": {"float16": (1e-3, 5e-4), "bfloat16": (1.6e-2, 5e-3)},
}
ALL = (
    "float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64",
    "complex128",
)  # fmt: skip
WIDE = ("float32", "float64", "float16", "bfloat16")
DTYPES = {
    # There is no complex32 here.
    "complex": ("float32", "float64"),
    "view_as_complex": ("float32", "float64"),
    # Negative integers are poles: inf here, a large number of no meaning in PyTorch.
    "polygamma": WIDE,
    "special.polygamma": WIDE,
    # In low precision PyTorch rounds after every step, which costs it up to 3%.
    "special.ndtr": tuple(name for name in ALL if name not in ("float16", "bfloat16")),
}


def options(check: str, name: str) -> dict[str, Any]:
    return {
        "functions": FUNCTIONS,
        "tolerance": TOLERANCES.get(name),
        "dtypes": DTYPES.get(name, ALL if check == "forward" else opinfo.DTYPES),
        # Random slopes: see test_random_slopes.
        "accept": lambda sample: not sample.kwargs.get("training", False),
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", opinfo.CHECKS)
def test_opinfo(check: str, name: str) -> None:
    opinfo.run(check, name, known=KNOWN, **options(check, name))
