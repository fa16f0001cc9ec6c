"""Native pooling against the records' NumPy implementations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rushlight.ops.pooling import (
    ADAPTIVE_AVG_POOL,
    ADAPTIVE_AVG_POOL_GRADIENT,
    ADAPTIVE_MAX_POOL,
    AVG_POOL,
    AVG_POOL_GRADIENT,
    GATHER,
    MAX_POOL,
    SCATTER,
)

from . import slot_runner

pytest.importorskip("llvmlite")

EPS = {np.float32: 2.0**-23, np.float64: 2.0**-52}
# spatial, kernel, stride, padding, dilation
WINDOWS: dict[str, Any] = {
    "halves": ((24, 24), (2, 2), (2, 2), (0, 0), (1, 1)),
    "overlapping": ((25, 19), (3, 3), (2, 2), (1, 1), (1, 1)),
    "stride 1": ((25, 40), (3, 2), (1, 1), (1, 0), (1, 1)),
    "dilated": ((25, 19), (3, 3), (2, 2), (1, 1), (2, 3)),
    "large stride": ((25, 19), (3, 3), (2, 5), (1, 1), (1, 1)),
    "one dimension": ((33,), (3,), (3,), (1,), (1,)),
    "many taps": ((33,), (11,), (2,), (1,), (1,)),
    "three dimensions": ((5, 6, 7), (2, 3, 2), (2, 1, 3), (1, 1, 0), (1, 1, 1)),
    "windows in the padding alone": ((3, 3), (2, 2), (2, 2), (1, 1), (2, 2)),
}


def values(shape: Any, dtype: Any, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize(
    "record",
    [MAX_POOL, SCATTER, GATHER, AVG_POOL, ADAPTIVE_AVG_POOL, ADAPTIVE_MAX_POOL],
    ids=lambda r: str(r.name),
)
def test_samples(record: Any) -> None:
    for arguments, attrs in slot_runner.samples_of(record):
        slot_runner.compare(record, arguments, attrs, 4 * EPS[np.float64])


@pytest.mark.parametrize("content", ["normal", "with nan and infinities", "lowest"])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_max_pool_and_what_goes_back(window: Any, dtype: Any, ceil_mode: bool, content: str) -> None:
    spatial, kernel, stride, padding, dilation = window
    x = values((2, 3, *spatial), dtype)
    if content == "with nan and infinities":
        rng = np.random.default_rng(1)
        x[rng.random(x.shape) < 0.2] = np.nan
        x[rng.random(x.shape) < 0.1] = -np.inf
    elif content == "lowest":
        x[...] = -np.inf
    attrs = {
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "ceil_mode": ceil_mode,
    }
    slot_runner.compare(MAX_POOL, (x,), attrs, 0.0)
    highest, indices = MAX_POOL.impl(x, **attrs)
    # No more than this many windows meet at one element.
    meeting = int(np.prod(kernel))
    slot_runner.compare(
        SCATTER, (values(highest.shape, dtype, 2), indices), {"spatial": spatial}, meeting * EPS[dtype]
    )
    slot_runner.compare(GATHER, (values(x.shape, dtype, 3), indices), {}, 0.0)


@pytest.mark.parametrize("divisor", [None, 3])
@pytest.mark.parametrize("include", [False, True])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [name for name, window in WINDOWS.items() if max(window[4]) == 1])
def test_avg_pool(name: str, dtype: Any, ceil_mode: bool, include: bool, divisor: int | None) -> None:
    spatial, kernel, stride, padding, _ = WINDOWS[name]
    x = values((2, 3, *spatial), dtype)
    attrs = {
        "kernel": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode, "count_include_pad": include,
        "divisor_override": divisor,
    }  # fmt: skip
    tolerance = (2 + int(np.prod(kernel))) * EPS[dtype]
    slot_runner.compare(AVG_POOL, (x,), attrs, tolerance)
    g = values(AVG_POOL.impl(x, **attrs).shape, dtype, 1)
    slot_runner.compare(AVG_POOL_GRADIENT, (g,), {**attrs, "input_shape": x.shape}, tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("spatial", "output"),
    [((8, 8), (1, 1)), ((10, 7), (4, 3)), ((30,), (7,)), ((3, 4, 5), (2, 2, 5)), ((3,), (5,))],
)
def test_adaptive(spatial: Any, output: Any, dtype: Any) -> None:
    x = values((2, 3, *spatial), dtype)
    tolerance = (2 + int(np.prod(spatial))) * EPS[dtype]
    slot_runner.compare(ADAPTIVE_AVG_POOL, (x,), {"output": output}, tolerance)
    slot_runner.compare(
        ADAPTIVE_AVG_POOL_GRADIENT, (values((2, 3, *output), dtype, 1),), {"spatial": spatial}, tolerance
    )
    slot_runner.compare(ADAPTIVE_MAX_POOL, (x,), {"output": output}, 0.0)
    x[np.random.default_rng(2).random(x.shape) < 0.2] = np.nan
    slot_runner.compare(ADAPTIVE_MAX_POOL, (x,), {"output": output}, 0.0)


def test_integers_are_left_to_the_host() -> None:
    attrs = {"kernel": (2,), "stride": (2,), "padding": (0,), "dilation": (1,), "ceil_mode": False}
    slot_runner.compare(MAX_POOL, (np.arange(8).reshape(1, 1, 8),), attrs, 0.0, native=False)
