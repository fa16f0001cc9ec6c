"""Native reading and writing at index tensors, and running sums, against the records' NumPy implementations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rushlight.compiler.kernels import faults
from rushlight.ops.index_tensors import INDEX, INDEX_PUT
from rushlight.ops.indexing import EMBEDDING, EMBEDDING_BACKWARD
from rushlight.ops.scans import CUMPROD, CUMSUM
from rushlight.ops.scattering import GATHER, SCATTER

from . import slot_runner

pytest.importorskip("llvmlite")

ROWS = 11
EPS = 2.0**-23


def values(shape: Any, dtype: Any, seed: int = 0) -> Any:
    return (np.random.default_rng(seed).standard_normal(shape) * 10).astype(dtype)


@pytest.fixture(params=[np.int64, np.int32])
def numbers(request: Any) -> Any:
    """Numbers of rows, of shape (4, 7); many of them several times."""
    return np.random.default_rng(5).integers(0, ROWS, (4, 7)).astype(request.param)


@pytest.fixture(autouse=True)
def no_faults() -> Any:
    yield
    faults.check()


@pytest.mark.parametrize("columns", [1, 5, 64, 300])
def test_embedding(numbers: Any, columns: int) -> None:
    slot_runner.compare(EMBEDDING, (values((ROWS, columns), np.float32), numbers), {}, 0.0)
    for padding in (-1, 3):
        attrs = {"rows": ROWS, "padding_idx": padding, "scale_grad_by_freq": False}
        gradient = values((4, 7, columns), np.float32)
        slot_runner.compare(EMBEDDING_BACKWARD, (gradient, numbers), attrs, numbers.size * EPS)
    slot_runner.compare(
        EMBEDDING_BACKWARD, (gradient, numbers), {**attrs, "scale_grad_by_freq": True}, 0.0, native=False
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.bool_, np.uint8, np.complex64])
def test_index(numbers: Any, dtype: Any) -> None:
    x = values((5, ROWS, 6), dtype)
    slot_runner.compare(INDEX, (x, numbers), {"dims": (1,)}, 0.0)
    slot_runner.compare(INDEX, (x, numbers - 3), {"dims": (1,)}, 0.0)
    slot_runner.compare(INDEX, (x, numbers % 5, numbers), {"dims": (0, 1)}, 0.0)
    slot_runner.compare(INDEX, (x, numbers % 5, numbers, numbers % 6), {"dims": (0, 1, 2)}, 0.0)
    slot_runner.compare(INDEX, (x, numbers % 5, numbers % 6), {"dims": (0, 2)}, 0.0, native=False)


@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int32, np.uint8])
def test_index_put(numbers: Any, dtype: Any, adds: bool) -> None:
    native = not adds or dtype is not np.uint8
    attrs = {"dims": (0, 1), "accumulate": adds}
    x, new, number = values((5, ROWS, 6), dtype), values((4, 7, 6), dtype, 1), np.array(2, dtype)
    places = (numbers % 5, numbers)
    tolerance = numbers.size * EPS
    slot_runner.compare(INDEX_PUT, (x, new, *places), attrs, tolerance, native)
    slot_runner.compare(INDEX_PUT, (x, number, *places), attrs, tolerance, native)
    slot_runner.compare(INDEX_PUT, (None, new, *places), {**attrs, "shape": x.shape}, tolerance, native)


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
def test_gather_and_scatter(dtype: Any, dim: int) -> None:
    x = values((5, ROWS, 6), dtype)
    shape = (*x.shape[:dim], 4, *x.shape[dim + 1 :])
    index = np.random.default_rng(2).integers(0, x.shape[dim], shape)
    slot_runner.compare(GATHER, (x, index), {"dim": dim}, 0.0)
    slot_runner.compare(GATHER, (x, index[:, :2, :2]), {"dim": dim}, 0.0, native=False)
    for adds in (False, True):
        native = not adds or dtype is not np.uint8
        attrs = {"dim": dim, "accumulate": adds, "shape": None}
        new, number = values(shape, dtype, 1), np.array(2, dtype)
        slot_runner.compare(SCATTER, (x, new, index), attrs, 4 * EPS, native)
        slot_runner.compare(SCATTER, (x, number, index), attrs, 4 * EPS, native)
        slot_runner.compare(SCATTER, (None, new, index), {**attrs, "shape": x.shape}, 4 * EPS, native)


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_running_sums_and_products(dtype: Any, dim: int) -> None:
    x = values((4, 50, 9), dtype)
    # Both are accumulated in float64, in the same order.
    for reverse in (False, True):
        slot_runner.compare(
            CUMSUM, (x,), {"dim": dim, "reverse": reverse}, 2.0**-40 if dtype is np.float64 else EPS
        )
    slot_runner.compare(CUMPROD, (x / 8 if dtype is not np.int64 else x,), {"dim": dim}, EPS)


@pytest.mark.parametrize("record", [CUMSUM, CUMPROD], ids=lambda record: str(record.name))
def test_samples(record: Any) -> None:
    for arguments, attrs in slot_runner.samples_of(record):
        slot_runner.compare(record, arguments, attrs, 1e-14)


def test_an_index_out_of_range_is_an_error_and_reads_nothing() -> None:
    weights = values((3, 4), np.float32)
    for number in (3, -1):
        ready = slot_runner.prepared(
            "embedding", [weights, np.array([0, number, 2])], [((3, 4), np.float32)], {"padding_idx": -1}
        )
        assert ready is not None
        ready.run()
        np.testing.assert_array_equal(ready.results[0], [weights[0], np.zeros(4), weights[2]])
        with pytest.raises(IndexError, match="index out of range in self"):
            faults.check()
        faults.check()  # said once


def test_an_index_out_of_range_writes_nothing() -> None:
    ready = slot_runner.prepared(
        "scatter", [np.ones(2, np.float32), np.array([1, 7])], [((3,), np.float32)],
        {"dim": 0, "accumulate": True, "shape": (3,)}, ((0, None),),
    )  # fmt: skip
    assert ready is not None
    ready.run()
    np.testing.assert_array_equal(ready.results[0], [0, 1, 0])
    with pytest.raises(RuntimeError, match="index 7 is out of bounds for dimension 0 with size 3"):
        faults.check()
