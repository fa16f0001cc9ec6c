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


PARTS = {
    "neighbours": lambda x: x[:, 1:] - x[:, :-1],
    "rows": lambda x: x[1:] * x[:-1],
    "every other row": lambda x: x[::2, 3:] + 2,
    "with a whole array": lambda x: x[:, :1].exp() + x,
    "of three dimensions": lambda x: x.view(6, 100, 70)[:, ::3, 2:].tanh(),
    "turned": lambda x: x.t()[3:] - x.t()[:-3],
    "another order": lambda x: x.view(6, 100, 70).permute(1, 0, 2)[:, :, 1:] + 1.5,
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_of_arrays(name, monkeypatch):
    monkeypatch.setattr(PRIMITIVES["exp"], "large", 1)
    x = torch.tensor(RNG.standard_normal((600, 70)).astype(np.float32))
    record = PRIMITIVES["sub"]
    large._kinds.clear()
    array = x.numpy()
    for _ in range(3):
        found = run_large(record, (array[:, 1:], array[:, :-1]), {})
    assert any(kind is not NEVER and kind.run is not None for kind in large._kinds.values())
    np.testing.assert_array_equal(found, array[:, 1:] - array[:, :-1])
    results = [PARTS[name](x) for _ in range(3)]
    for result in results:
        np.testing.assert_allclose(result.numpy(), results[0].numpy(), rtol=1e-6)
        assert result.stride() == results[0].stride()


def test_what_is_part_of_something_else():
    memory = np.zeros(40 * 50 * 4 + 1, np.uint8)
    odd = memory[1:].view(np.float32).reshape(40, 50)  # not aligned
    x = RNG.standard_normal((40, 50)).astype(np.float32)
    odd[...] = x
    for _ in range(3):
        np.testing.assert_array_equal(run_large(PRIMITIVES["neg"], (odd[:, 1:],), {}), -x[:, 1:])
        np.testing.assert_array_equal(run_large(PRIMITIVES["neg"], (x[:, ::-1],), {}), -x[:, ::-1])


def test_small_kinds_wait(monkeypatch):
    monkeypatch.setattr(large, "_PATIENCE", 5)
    large._kinds.clear()
    x = RNG.standard_normal((4, 5)).astype(np.float32)
    for count in range(8):
        run_large(PRIMITIVES["neg"], (x,), {})
        (kind,) = large._kinds.values()
        assert (kind.run is not None) == (count > 5)


@pytest.mark.parametrize("name", ["cummax", "cummin"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_running_extrema(name, dtype):
    x = np.round(RNG.standard_normal((5, 30, 11)) * 3).astype(dtype)
    if dtype is not np.int64:
        x[RNG.random(x.shape) < 0.1] = np.nan
        x[RNG.random(x.shape) < 0.1] = -0.0
    record = PRIMITIVES[name]
    for dim in range(3):
        for found, wanted in zip(compiled(record, (x,), {"dim": dim}), record.impl(x, dim), strict=True):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("shapes", [((512, 1), (512,)), ((40, 1, 60), (1, 90, 60)), ((60,), (700, 700, 1))])
def test_results_that_are_larger_than_the_operands(shapes):
    a, b = (RNG.uniform(0.5, 2, shape).astype(np.float32) for shape in shapes)
    for _ in range(3):
        result = torch.from_numpy(a) * torch.from_numpy(b)
        np.testing.assert_array_equal(result.numpy(), a * b)


def test_convolutions_leave_out_zeros_where_there_are_many() -> None:
    """Where there are few they run as before; and infinity in the weights makes NaN of zeros all the same."""
    from rushlight.compiler.kernels.vector_registers import registers

    if registers().number < 32 or registers().size < 64:
        pytest.skip("lists of what is not zero are made by instructions of AVX-512")
    rng = np.random.default_rng(0)
    shape, window = (
        (8, 32, 24, 24),
        {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1},
    )
    dense = rng.standard_normal(shape).astype(np.float32)
    many = np.where(rng.random(shape) < 0.2, dense, np.float32(0))
    weight = rng.standard_normal((32, 32, 3, 3)).astype(np.float32)
    picture = rng.standard_normal((8, 32, 26, 26)).astype(np.float32)
    infinite = weight.copy()
    infinite[0, 0, 0, 0] = np.inf
    for record, other, attrs in (
        (PRIMITIVES["convolution_input_gradient"], (weight, None), {**window, "spatial": (26, 26)}),
        (PRIMITIVES["convolution_input_gradient"], (infinite, None), {**window, "spatial": (26, 26)}),
        (PRIMITIVES["convolution_weight_gradient"], (picture,), {**window, "kernel": (3, 3)}),
    ):
        large._kinds.clear()
        for first, sifted in ((dense, False), (dense, False), (many, True), (many, True), (dense, True)):
            with np.errstate(invalid="ignore"):
                expected = record.impl(first, *other, **attrs)
            found = run_large(record, (first, *other), attrs)
            if record.name == "convolution_input_gradient":
                # At the rim NumPy's form multiplies the weights with zeros that are not there.
                found, expected = found[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2]
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-3)
            (kind,) = large._kinds.values()
            assert any(kind.sifting.values()) == sifted
