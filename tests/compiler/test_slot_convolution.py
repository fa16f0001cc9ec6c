"""Native convolutions against the records' NumPy implementations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rushlight.compiler.kernels import convolution, convolution_weights
from rushlight.compiler.kernels.vector_registers import Registers
from rushlight.ops.convolution import CONV, INPUT_GRADIENT, WEIGHT_GRADIENT

from . import slot_runner

pytest.importorskip("llvmlite")

Shape = tuple[int, ...]


class Case:
    """A convolution; ``padding`` is (before, after) for each dimension."""

    def __init__(
        self,
        samples: int,
        channels: int,
        outputs: int,
        spatial: Shape,
        kernel: Shape,
        stride: Shape | None = None,
        padding: tuple[Shape, ...] | None = None,
        dilation: Shape | None = None,
        groups: int = 1,
    ) -> None:
        dims = len(spatial)
        self.x, self.w = (samples, channels, *spatial), (outputs, channels // groups, *kernel)
        self.window: dict[str, Any] = {
            "stride": stride or (1,) * dims,
            "padding": padding or ((0, 0),) * dims,
            "dilation": dilation or (1,) * dims,
            "groups": groups,
        }


CASES = {
    "plain": Case(2, 3, 5, (7, 9), (3, 3), padding=((1, 1), (1, 1))),
    "points": Case(2, 4, 8, (7, 9), (1, 1)),
    "points, strided": Case(2, 8, 16, (9, 9), (1, 1), (2, 2)),
    "points, long": Case(1, 3, 2, (40, 900), (1, 1)),
    "groups, all uneven": Case(2, 4, 6, (8, 9), (3, 2), (2, 3), ((1, 0), (2, 1)), (1, 2), 2),
    "groups, outputs in part of a tile": Case(2, 6, 14, (6, 5), (3, 3), groups=2),
    "depthwise": Case(2, 4, 4, (8, 40), (3, 3), padding=((1, 1), (1, 1)), dilation=(2, 2), groups=4),
    "depthwise, several outputs": Case(1, 3, 6, (9, 9), (3, 3), groups=3),
    "stride along rows alone": Case(1, 2, 3, (9, 8), (3, 3), (2, 1)),
    "more stride than kernel": Case(1, 2, 3, (11, 12), (2, 2), (3, 4)),
    "one dimension": Case(1, 3, 4, (300,), (11,), (4,), ((5, 5),)),
    "one dimension, cut": Case(1, 64, 16, (3000,), (5,), padding=((1, 1),)),
    "three dimensions": Case(1, 2, 7, (5, 6, 7), (2, 3, 3), (1, 2, 1), ((1, 1), (0, 0), (1, 1)), (1, 1, 2)),
    "many row taps": Case(2, 2, 7, (15, 16), (11, 9), (1, 2), ((1, 1), (0, 0))),
    "kernel of the input's size": Case(3, 4, 5, (6, 7), (6, 7)),
    "one output": Case(1, 5, 1, (4, 4), (3, 3)),
    "rows cut": Case(1, 48, 33, (40, 30), (3, 3), padding=((1, 1), (1, 1))),
    "more samples than parts": Case(19, 1, 4, (5, 5), (3, 3)),
}


def values(shape: Shape, dtype: Any, seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def tolerance(dtype: Any, length: int) -> float:
    """For sums of ``length`` products in two orders: the errors of each grow as its root, relative to a large result."""
    return float(np.finfo(dtype).eps) * (8 + 2 * length**0.5)


@pytest.mark.parametrize(
    "record", [CONV, INPUT_GRADIENT, WEIGHT_GRADIENT], ids=lambda record: str(record.name)
)
def test_samples(record: Any) -> None:
    for arguments, attrs in slot_runner.samples_of(record):
        slot_runner.compare(record, arguments, attrs, tolerance(np.float64, 9))


@pytest.mark.parametrize(("dtype", "bias"), [(np.float32, True), (np.float64, False)])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_forward(case: Case, dtype: Any, bias: bool) -> None:
    x, w = values(case.x, dtype, 0), values(case.w, dtype, 1)
    b = values(case.w[:1], dtype, 2) if bias else None
    slot_runner.compare(CONV, (x, w, b), case.window, tolerance(dtype, w[0].size))


@pytest.mark.parametrize(("dtype", "bias"), [(np.float32, True), (np.float64, False)])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_input_gradient(case: Case, dtype: Any, bias: bool) -> None:
    x, w = values(case.x, dtype, 0), values(case.w, dtype, 1)
    g = values(CONV.impl(x, w, None, **case.window).shape, dtype, 2)
    b = values(case.x[1:2], dtype, 3) if bias else None
    attrs = {**case.window, "spatial": case.x[2:]}
    length = w[:, 0].size // case.window["groups"]
    slot_runner.compare(INPUT_GRADIENT, (g, w, b), attrs, tolerance(dtype, length))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_weight_gradient(case: Case, dtype: Any) -> None:
    x = values(case.x, dtype, 0)
    g = values(CONV.impl(x, values(case.w, dtype, 1), None, **case.window).shape, dtype, 2)
    attrs = {**case.window, "kernel": case.w[2:]}
    length = g[:, 0].size
    slot_runner.compare(WEIGHT_GRADIENT, (g, x), attrs, tolerance(dtype, length))


def test_generated_shapes() -> None:
    """Twenty convolutions drawn at random, all three directions."""
    rng = np.random.default_rng(7)
    done = 0
    while done < 20:
        dims = int(rng.integers(1, 4))
        groups = int(rng.choice([1, 1, 2, 3]))

        def each(low: int, high: int, dims: int = dims) -> Shape:
            return tuple(rng.integers(low, high, dims).tolist())

        kernel, dilation = each(1, 5), each(1, 3)
        case = Case(
            int(rng.integers(1, 4)), groups * int(rng.integers(1, 5)), groups * int(rng.integers(1, 10)), each(3, 20), kernel,
            each(1, 4), tuple([tuple(rng.integers(0, 3, 2).tolist()) for _ in range(dims)]), dilation, groups,
        )  # fmt: skip
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        room = [n + sum(p) for n, p in zip(case.x[2:], case.window["padding"], strict=True)]
        if any(r > n for r, n in zip(reach, room, strict=True)):
            continue
        done += 1
        x, w = values(case.x, np.float32, done), values(case.w, np.float32, -done % 1000)
        slot_runner.compare(CONV, (x, w, None), case.window, tolerance(np.float32, w[0].size))
        g = values(CONV.impl(x, w, None, **case.window).shape, np.float32, done + 1)
        slot_runner.compare(
            INPUT_GRADIENT,
            (g, w, None),
            {**case.window, "spatial": x.shape[2:]},
            tolerance(np.float32, w[:, 0].size),
        )
        slot_runner.compare(
            WEIGHT_GRADIENT, (g, x), {**case.window, "kernel": kernel}, tolerance(np.float32, g[:, 0].size)
        )


@pytest.mark.parametrize("machine", [Registers(16, 32), Registers(32, 16)], ids=["AVX2", "Neon"])
@pytest.mark.parametrize("name", ["plain", "groups, all uneven", "depthwise", "rows cut"])
def test_as_for_other_processors(name: str, machine: Registers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles for other registers: slower here, and right all the same."""
    for module in (convolution, convolution_weights):
        monkeypatch.setattr(module, "registers", lambda: machine)
    case = CASES[name]
    test_forward(case, np.float32, True)
    test_input_gradient(case, np.float32, True)
    test_weight_gradient(case, np.float32)


def test_patches() -> None:
    """Strides beyond what is read at once, more row taps than are unrolled, and too many phases for the input's gradient."""
    case = Case(2, 3, 8, (48, 64), (16, 16), (16, 16))
    test_forward(case, np.float32, True)
    test_weight_gradient(case, np.float32)
    g, w = values((2, 8, 3, 4), np.float32, 0), values(case.w, np.float32, 1)
    slot_runner.compare(INPUT_GRADIENT, (g, w, None), {**case.window, "spatial": (48, 64)}, 0.0, native=False)


def test_an_empty_batch_and_other_dtypes_are_left_to_the_host() -> None:
    window = CASES["plain"].window
    empty, w = np.zeros((0, 3, 7, 9), np.float32), np.zeros((5, 3, 3, 3), np.float32)
    slot_runner.compare(CONV, (empty, w, None), window, 0.0, native=False)
    slot_runner.compare(
        CONV, (np.zeros((1, 3, 7, 9), np.int64), w.astype(np.int64), None), window, 0.0, native=False
    )
