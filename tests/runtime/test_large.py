"""Large eager operations: the compiled kernel's result is NumPy's, and what has no kernel stays NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight.ops.define import PRIMITIVES
from rushlight.runtime import large
from rushlight.runtime.large import LARGE_FROM, NEVER, run_large

pytest.importorskip("llvmlite", reason="without llvmlite every operation is NumPy's")
RNG = np.random.default_rng(0)
UNARY = [
    "exp", "expm1", "exp2", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh",
    "tanh", "asinh", "atanh", "sigmoid", "erf", "erfc", "neg", "abs", "sqrt", "reciprocal", "relu", "floor", "ceil", "trunc",
    "round",
]  # fmt: skip
BINARY = [
    "add",
    "sub",
    "mul",
    "div",
    "maximum",
    "minimum",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "atan2",
    "pow",
]


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Kinds of small calls are compiled at the second one, too."""
    monkeypatch.setattr(large, "_PATIENCE", 0)


def compiled(record, arrays, attrs):
    """The second call of a kind is the first that is compiled."""
    large._kinds.clear()
    for _ in range(3):
        result = run_large(record, arrays, attrs)
    (kind,) = large._kinds.values()
    assert kind is not NEVER, "there is no kernel"
    assert kind.program is not None
    return result


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UNARY)
def test_of_one(name, dtype):
    x = RNG.uniform(0.05, 0.95, (37, 41)).astype(dtype)
    record = PRIMITIVES[name]
    tolerance = 2e-6 if dtype is np.float32 else 1e-14
    np.testing.assert_allclose(compiled(record, (x,), {}), record.impl(x), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BINARY)
def test_of_two(name, dtype):
    x, y = (RNG.uniform(0.1, 2.0, shape).astype(dtype) for shape in ((37, 41), (41,)))
    record = PRIMITIVES[name]
    result, wanted = compiled(record, (x, y), {}), record.impl(x, y)
    assert result.dtype == wanted.dtype
    np.testing.assert_allclose(result, wanted, rtol=2e-6 if dtype is np.float32 else 1e-14)


@pytest.mark.parametrize("options", [{}, {"padding": 1, "stride": 2}, {"dilation": 2}, {"groups": 4}])
def test_convolutions(options, monkeypatch):
    x = torch.randn(3, 8, 17, 19, dtype=torch.float64)
    w = torch.randn(12, 8 // options.get("groups", 1), 3, 3, dtype=torch.float64)

    def results(limit):
        for name in ("convolution", "convolution_input_gradient", "convolution_weight_gradient"):
            monkeypatch.setattr(PRIMITIVES[name], "large", limit)
        large._kinds.clear()
        for _ in range(3):
            a, b = x.clone().requires_grad_(), w.clone().requires_grad_()
            y = torch.nn.functional.conv2d(a, b, **options)
            y.square().sum().backward()
        return [t.detach().numpy() for t in (y, a.grad, b.grad)]

    expected = results(NEVER)
    assert not large._kinds
    found = results(1)
    assert any(kind is not NEVER and kind.program is not None for kind in large._kinds.values())
    for result, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-10, atol=1e-10)


def test_other_layouts_and_dtypes_stay_numpys():
    record = PRIMITIVES["exp"]
    x = RNG.standard_normal((40, 50)).astype(np.float32)
    compiled(record, (x,), {})
    for other in (x.T, x[::2], x.astype(np.float16)):
        np.testing.assert_array_equal(run_large(record, (other,), {}), np.exp(other))


def test_every_name_is_a_record():
    assert set(LARGE_FROM) <= set(PRIMITIVES)


LAYERS = {
    "lstm": (
        lambda: torch.nn.LSTM(6, 10, batch_first=True),
        (5, 7, 6),
        ["lstm_layer", "lstm_layer_gradient"],
    ),
    "gru": (lambda: torch.nn.GRU(6, 10), (5, 7, 6), ["gru_layer", "gru_layer_gradient"]),
    "rnn": (lambda: torch.nn.RNN(6, 10), (5, 7, 6), ["rnn_layer", "rnn_layer_gradient"]),
    "batch_norm": (lambda: torch.nn.BatchNorm2d(4), (3, 4, 6, 5), ["normalize", "normalize_gradient"]),
    "max_pool": (lambda: torch.nn.MaxPool2d(2), (3, 4, 6, 5), ["max_pool", "max_pool_gradient"]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_with_several_results(name, monkeypatch):
    make, shape, records = LAYERS[name]
    torch.manual_seed(0)
    layer = make().double()
    x = torch.randn(*shape, dtype=torch.float64)

    def results(limit):
        for record in records:
            monkeypatch.setattr(PRIMITIVES[record], "large", limit)
        large._kinds.clear()
        for _ in range(3):
            layer.zero_grad()
            a = x.clone().requires_grad_()
            y = layer(a)
            y = y[0] if isinstance(y, tuple) else y
            (y * y.exp()).sum().backward()
        return [t.detach().numpy() for t in (y, a.grad, *[p.grad for p in layer.parameters()])]

    expected = results(NEVER)
    found = results(1)
    kinds = {key[0]: kind for key, kind in large._kinds.items()}
    for record in records:
        assert kinds[record] is not NEVER, "there is no kernel"
        assert kinds[record].program is not None
    for result, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-9, atol=1e-10)
