"""Scans over every dimension of arrays of every layout, against NumPy in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.ops.scans import linear_scan

SHAPES = [(), (1,), (5,), (3000,), (2, 3), (40, 300), (300, 40), (3, 40, 200), (200, 3, 40), (0, 3), (3, 0)]
REFERENCES = {"cumsum": np.cumsum, "cumprod": np.cumprod, "logcumsumexp": np.logaddexp.accumulate}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_running_sums_and_products(shape: tuple[int, ...], dtype: Any) -> None:
    rng = np.random.default_rng(0)
    # Near 1, or products leave the range of float32.
    array = np.asarray(
        rng.integers(0, 3, shape) if dtype is np.int64 else rng.uniform(0.9, 1.1, shape), dtype
    )
    for layout in (array, array.T.copy().T):
        for dim in range(-max(len(shape), 1), max(len(shape), 1)):
            for name in ("cumsum", "cumprod"):
                found = getattr(torch.from_numpy(layout), name)(dim)
                expected = REFERENCES[name](layout.astype(np.float64), dim) if shape else array
                assert found.shape == shape
                np.testing.assert_allclose(
                    found.numpy(), expected, rtol=3e-7 if dtype is np.float32 else 1e-12
                )


@pytest.mark.parametrize("shape", [(5,), (40, 300), (3, 40, 200)], ids=str)
def test_reverse_is_the_gradient(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).random(shape)
    for dim in range(-len(shape), len(shape)):
        x = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
        x.cumsum(dim).backward(torch.from_numpy(array))
        expected = np.flip(np.cumsum(np.flip(array, dim), dim), dim)
        np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(1,), (5,), (3000,), (40, 3), (3, 70), (3, 100, 2)], ids=str)
def test_running_extrema(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 20, shape).astype(np.float32)
    array.reshape(-1)[-1] = np.nan
    x = torch.from_numpy(array)
    for dim in range(len(shape)):
        for name, ufunc in (("cummax", np.maximum), ("cummin", np.minimum)):
            values, indices = getattr(x, name)(dim)
            np.testing.assert_array_equal(values.numpy(), ufunc.accumulate(array, dim))
            np.testing.assert_array_equal(x.gather(dim, indices).numpy(), values.numpy())
            places = np.arange(shape[dim]).reshape([-1 if i == dim else 1 for i in range(len(shape))])
            assert (indices.numpy() <= places).all()


@pytest.mark.parametrize("n", [1, 2, 64, 65, 500])
def test_linear_scan(n: int) -> None:
    rng = np.random.default_rng(0)
    rates, x = rng.standard_normal((2, 3, n))
    found = linear_scan(torch.from_numpy(rates), torch.from_numpy(x), 1).numpy()
    state = np.zeros(3)
    for i in range(n):
        state = rates[:, i] * state + x[:, i]
        np.testing.assert_allclose(found[:, i], state, rtol=1e-9, atol=1e-12)


def test_in_place() -> None:
    x = torch.tensor([[1, 2], [3, 4]], dtype=torch.int32)
    view = x[0]
    assert view.cumsum_(0) is view
    assert x.tolist() == [[1, 3], [3, 4]]
    y = torch.ones(3, requires_grad=True)
    (y * 2).cumprod_(0).sum().backward()
    assert y.grad.tolist() == [14.0, 12.0, 8.0]
