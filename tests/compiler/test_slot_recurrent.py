"""Native recurrent layers against the records' NumPy implementations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rushlight.compiler.kernels import recurrent_products
from rushlight.compiler.kernels.vector_registers import Registers
from rushlight.ops.recurrence import GRU, GRU_GRADIENT, LSTM, LSTM_GRADIENT, RNN, RNN_GRADIENT

from . import slot_runner

pytest.importorskip("llvmlite")

# batch sizes of the steps, hidden
LAYERS: dict[str, Any] = {
    "even": ([3, 3, 3], 5),
    "packed": ([9, 9, 7, 3, 1], 37),
    "one sequence": ([1, 1], 64),
    "packed, whole vectors": ([20, 20, 12], 16),
    "units of more rows": ([70, 70], 33),
}


class Layer:
    """Operands for a layer of ``gates`` gates."""

    def __init__(self, name: str, gates: int, reverse: bool, dtype: Any) -> None:
        sizes, self.hidden = LAYERS[name]
        self.batch, self.elements, self.gates = max(sizes), sum(sizes), gates
        self.attrs: dict[str, Any] = {"batch_sizes": tuple(sizes), "reverse": reverse}
        self.rng, self.dtype = np.random.default_rng(0), dtype
        # Products of ``hidden`` terms of about 1/hidden, a few operations on them, and all of that once for each step.
        self.tolerance = float(np.finfo(dtype).eps) * (16 + 4 * len(sizes))

    def values(self, *shape: int) -> Any:
        return self.rng.standard_normal(shape).astype(self.dtype)

    def x(self) -> Any:
        return self.values(self.elements, self.gates * self.hidden)

    def weights(self) -> Any:
        w = self.values(self.gates * self.hidden, self.hidden)
        return (w / self.hidden**0.5).astype(self.dtype)

    def state(self) -> Any:
        return self.values(self.batch, self.hidden)

    def gradient(self) -> Any:
        return self.values(self.elements, self.hidden)


@pytest.fixture(params=LAYERS)
def name(request: Any) -> str:
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["forwards", "reverse"])
def reverse(request: Any) -> bool:
    return bool(request.param)


@pytest.fixture(params=[np.float32, np.float64])
def dtype(request: Any) -> Any:
    return request.param


@pytest.mark.parametrize("record", [RNN, LSTM, GRU], ids=lambda record: str(record.name))
def test_samples(record: Any) -> None:
    for arguments, attrs in slot_runner.samples_of(record):
        slot_runner.compare(record, arguments, attrs, 32 * 2.0**-52)


@pytest.mark.parametrize("relu", [False, True])
def test_rnn(name: str, reverse: bool, dtype: Any, relu: bool) -> None:
    layer = Layer(name, 1, reverse, dtype)
    attrs = {**layer.attrs, "relu": relu}
    x, w, h0 = layer.x(), layer.weights(), layer.state()
    slot_runner.compare(RNN, (x, w, h0), attrs, layer.tolerance)
    states = RNN.impl(x, w, h0, **attrs)
    slot_runner.compare(RNN_GRADIENT, (layer.gradient(), states, w, h0), attrs, layer.tolerance)


@pytest.mark.parametrize("of_cells", [False, True])
def test_lstm(name: str, reverse: bool, dtype: Any, of_cells: bool) -> None:
    layer = Layer(name, 4, reverse, dtype)
    arguments = (layer.x(), layer.weights(), layer.state(), layer.state(), None)
    slot_runner.compare(LSTM, arguments, layer.attrs, layer.tolerance)
    results = LSTM.impl(*arguments, **layer.attrs)
    given = (layer.gradient(), layer.gradient() if of_cells else None)
    slot_runner.compare(LSTM_GRADIENT, (*given, *results, *arguments[1:]), layer.attrs, layer.tolerance)


@pytest.mark.parametrize("bias", [False, True])
def test_gru(name: str, reverse: bool, dtype: Any, bias: bool) -> None:
    layer = Layer(name, 3, reverse, dtype)
    x, w, h0 = layer.x(), layer.weights(), layer.state()
    b = layer.values(3 * layer.hidden) if bias else None
    slot_runner.compare(GRU, (x, w, b, h0), layer.attrs, layer.tolerance)
    results = GRU.impl(x, w, b, h0, **layer.attrs)
    slot_runner.compare(GRU_GRADIENT, (layer.gradient(), *results, w, h0), layer.attrs, layer.tolerance)


@pytest.mark.parametrize("machine", [Registers(16, 32), Registers(32, 16)], ids=["AVX2", "Neon"])
def test_as_for_other_processors(machine: Registers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recurrent_products, "registers", lambda: machine)
    test_lstm("packed", False, np.float32, True)
    test_gru("packed", True, np.float32, True)


def test_a_projection_is_left_to_the_host() -> None:
    layer = Layer("even", 4, False, np.float32)
    projection = layer.values(2, layer.hidden)
    arguments = (layer.x(), layer.values(20, 2), layer.values(3, 2), layer.state(), projection)
    slot_runner.compare(LSTM, arguments, layer.attrs, 0.0, native=False)
