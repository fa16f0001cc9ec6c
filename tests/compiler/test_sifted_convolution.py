"""Convolutions that leave out zeros: the results of the others, for every shape, also where there is infinity or NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.compiler.groups import share_of_zeros
from rushlight.compiler.kernels import SIFTED, calls_for, sifted_convolution, sifted_convolution_weights
from rushlight.compiler.kernels.vector_registers import registers
from rushlight.ir.graph import Kind, Node
from rushlight.ir.scalar import ScalarOp
from rushlight.ops.convolution import CONV, INPUT_GRADIENT, WEIGHT_GRADIENT

from . import slot_runner
from .test_slot_convolution import CASES, Case, tolerance, values

pytestmark = pytest.mark.skipif(
    registers().number < 32 or registers().size < 64, reason="lists are made by instructions of AVX-512"
)
MOST = (0.9, 0.9)
SUITED = {
    name: case
    for name, case in CASES.items()
    if len(case.x) < 5 and case.window["groups"] == 1 and case.w[-1] <= 16
} | {
    "rows of lists": Case(3, 32, 48, (20, 26), (3, 3)),
    "several parts": Case(2, 130, 20, (6, 5), (3, 3), padding=((1, 1), (1, 1))),
    "several tiles": Case(1, 20, 150, (5, 18), (3, 5), padding=((1, 0), (2, 2))),
    "wide padding": Case(1, 17, 16, (4, 5), (3, 3), padding=((4, 3), (5, 2))),
    "strided, dilated": Case(2, 16, 33, (17, 16), (3, 4), (2, 3), ((1, 1), (2, 2)), (2, 1)),
}


@pytest.fixture(autouse=True)
def small_convolutions_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sifted_convolution, sifted_convolution_weights):
        for name in ("_WORK_FROM", "_CHANNELS_FROM", "_CHANNELS_FROM_FORWARD"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, 0)
        monkeypatch.setattr(module, "_WASTE", 100.0)


def sparse(shape: Any, dtype: Any, seed: int, share: float) -> Any:
    """``share`` of it is not zero."""
    return np.where(
        np.random.default_rng(seed + 99).random(shape) < share, values(shape, dtype, seed), 0
    ).astype(dtype)


def is_plain(case: Case) -> bool:
    return all(step == 1 for step in (*case.window["stride"], *case.window["dilation"]))


shares = pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@shares
@dtypes
@pytest.mark.parametrize("case", [c for c in SUITED.values() if is_plain(c)])
def test_forward(case: Case, dtype: Any, share: float) -> None:
    x, w = sparse(case.x, dtype, 0, share), values(case.w, dtype, 1)
    for b in (values(case.w[:1], dtype, 2), None):
        slot_runner.compare(CONV, (x, w, b), case.window, tolerance(dtype, w[0].size), zeros=MOST)


@shares
@dtypes
@pytest.mark.parametrize("case", [c for c in SUITED.values() if is_plain(c)])
def test_input_gradient(case: Case, dtype: Any, share: float) -> None:
    w = values(case.w, dtype, 1)
    shape = CONV.impl(values(case.x, dtype, 0), w, None, **case.window).shape
    attrs = {**case.window, "spatial": case.x[2:]}
    for b in (values(case.x[1:2], dtype, 3), None):
        slot_runner.compare(
            INPUT_GRADIENT, (sparse(shape, dtype, 2, share), w, b), attrs, tolerance(dtype, w[:, 0].size), zeros=MOST
        )  # fmt: skip


@shares
@dtypes
@pytest.mark.parametrize("sifted", [0, 1], ids=["gradient", "input"])
@pytest.mark.parametrize("case", SUITED.values())
def test_weight_gradient(case: Case, sifted: int, dtype: Any, share: float) -> None:
    x = sparse(case.x, dtype, 0, share if sifted else 1.0)
    shape = CONV.impl(x, values(case.w, dtype, 1), None, **case.window).shape
    g = sparse(shape, dtype, 2, 1.0 if sifted else share)
    zeros = (0.0, 0.9) if sifted else (0.9, 0.0)
    attrs = {**case.window, "kernel": case.w[2:]}
    slot_runner.compare(WEIGHT_GRADIENT, (g, x), attrs, tolerance(dtype, g[:, 0].size), zeros=zeros)


def test_they_are_what_runs() -> None:
    """(Or the tests above would compare the usual kernels.)"""
    case = SUITED["rows of lists"]
    x, w = values(case.x, np.float32, 0), values(case.w, np.float32, 1)
    g = CONV.impl(x, w, None, **case.window)
    for record, operands, result, attrs in (
        (CONV, (x, w), g, case.window),
        (INPUT_GRADIENT, (g, w), x, {**case.window, "spatial": x.shape[2:]}),
        (WEIGHT_GRADIENT, (g, x), w, {**case.window, "kernel": w.shape[2:]}),
    ):
        assert record.name in SIFTED
        for zeros, sifted in (((0.9, 0.0), True), ((0.0, 0.0), False), ((), False)):
            found = calls_for(
                record.name, tuple([o.shape for o in operands]), tuple([o.dtype for o in operands]), (result.shape,), attrs,
                (), zeros,
            )  # fmt: skip
            assert found is not None
            assert any("without zeros" in call.label for call in found) == sifted


@pytest.mark.parametrize("special", [np.inf, np.nan])
def test_zero_times_infinity_is_nan(special: float) -> None:
    case = Case(2, 16, 20, (9, 10), (3, 3))
    x, w = sparse(case.x, np.float32, 0, 0.4), values(case.w, np.float32, 1)
    shape = (2, 20, 7, 8)
    g = sparse(shape, np.float32, 2, 0.3)

    def same(record: Any, operands: Any, attrs: Any, zeros: Any = MOST) -> None:
        arguments = operands if record is WEIGHT_GRADIENT else (*operands, None)
        with np.errstate(invalid="ignore"):
            expected = record.impl(*arguments, **attrs)
        literals = () if record is WEIGHT_GRADIENT else ((2, None),)
        ready = slot_runner.prepared(
            record.name, list(operands), [(expected.shape, expected.dtype)], attrs, literals, zeros
        )
        assert ready is not None
        ready.run()
        assert np.isnan(expected).any() and not np.isnan(expected).all()
        np.testing.assert_allclose(ready.results[0], expected, rtol=1e-3, atol=1e-4)

    bad = w.copy()
    bad[3, 5, 1, 1] = special
    same(CONV, (x, bad), case.window)
    same(INPUT_GRADIENT, (g, bad), {**case.window, "spatial": (9, 10)})
    attrs = {**case.window, "kernel": (3, 3)}
    wrong = x.copy()
    wrong[1, 4, 5, 5] = special
    same(WEIGHT_GRADIENT, (g, wrong), attrs, (0.9, 0.0))
    wrong = g.copy()
    wrong[0, 4, 5, 5] = special
    same(WEIGHT_GRADIENT, (wrong, x), attrs, (0.0, 0.9))


def losses_of(compiled: bool) -> list[float]:
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(16, 32, 3), torch.nn.ReLU(), torch.nn.Conv2d(32, 32, 3, padding=1), torch.nn.ReLU(),
        torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(32 * 25, 4),
    )  # fmt: skip
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    x, y = torch.randn(6, 16, 12, 12), torch.randint(0, 4, (6,))

    def step() -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run = torch.compile(step, fullgraph=True) if compiled else step
    return [float(run()) for _ in range(6)]


def test_a_net_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    from rushlight.compiler import kernels

    labels: list[str] = []
    for name, maker in SIFTED.items():

        def noted(*given: Any, maker: Any = maker) -> Any:
            calls = maker(*given)
            labels.extend([] if calls is None else [call.label for call in calls])
            return calls

        monkeypatch.setitem(kernels.SIFTED, name, noted)
    np.testing.assert_allclose(losses_of(True), losses_of(False), rtol=2e-5)
    # The second convolution reads what ReLU made; gradients come back through ReLU, and for the second through max pooling.
    for name in SIFTED:
        assert f"{name} without zeros" in labels


def test_what_is_zero_whatever_comes_back_is_known_to_be() -> None:
    """The gradient of zero, through a ReLU: both of what is chosen from are zero."""
    shape, kind = (2, 3), np.dtype(np.float32)
    nodes = [
        Node(Kind.INPUT, (), (0,), shape, kind),
        Node(Kind.CONST, (), (0.0,), shape, kind),
        Node(Kind.CONST, (), (0.0,), shape, kind),
        Node(Kind.MAP, (0, 1), (ScalarOp.LESS_EQUAL,), shape, np.dtype(np.bool_)),
        Node(Kind.MAP, (3, 1, 2), (ScalarOp.WHERE,), shape, kind),
        Node(Kind.MAP, (3, 1, 0), (ScalarOp.WHERE,), shape, kind),
    ]
    assert [share_of_zeros(nodes, i) for i in (0, 4, 5)] == [0.0, 1.0, 0.5]
