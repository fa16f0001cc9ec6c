"""Orders of arrays of every dtype and size against the obvious way to find them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import rushlight as torch
from rushlight.ops import sorting
from rushlight.ops.sorting import stable_order

DTYPES = [
    np.bool_,
    np.uint8,
    np.int8,
    np.int32,
    np.int64,
    np.float16,
    ml_dtypes.bfloat16,
    np.float32,
    np.float64,
]
SIZES = [(5,), (700,), (3, 300), (300, 3), (2, 40, 20), (1100,), (2, 1030)]


def array_of(dtype: Any, shape: tuple[int, ...], spread: int) -> Any:
    """Few different values, so that many are equal; nan, infinities, both zeros and the extremes of integers among them."""
    rng = np.random.default_rng(spread)
    array = (
        rng.integers(-spread, spread, shape).astype(dtype)
        if dtype is not np.bool_
        else rng.random(shape) > 0.5
    )
    flat = array.reshape(-1)
    if np.dtype(dtype).kind in "iu":
        limits = np.iinfo(dtype)
        flat[1], flat[3] = limits.max, limits.min
    elif dtype is not np.bool_:
        flat[0], flat[1], flat[2], flat[3] = np.nan, np.inf, -np.inf, -0.0
        flat[len(flat) // 2] = np.nan
    return array


def expected_order(array: Any, axis: int, descending: bool) -> Any:
    """Sorted by Python, slice by slice; nan counts as the largest."""
    moved = np.moveaxis(array, axis, -1)
    rows = moved.reshape(-1, moved.shape[-1])

    def key(value: Any) -> tuple[bool, float]:
        unordered = bool(value != value)
        return (unordered, 0 if unordered else value.item() if hasattr(value, "item") else value)

    orders = []
    for row in rows:
        places = range(len(row))
        orders.append(
            sorted(places, key=lambda i, row=row: key(row[i]), reverse=descending)
            if not descending
            else sorted(sorted(places, reverse=True), key=lambda i, row=row: key(row[i]))[::-1]
        )
    return np.moveaxis(np.array(orders).reshape(moved.shape), -1, axis)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
def test_stable_order(dtype: Any, shape: tuple[int, ...], descending: bool) -> None:
    for spread in (2, 100):
        array = array_of(dtype, shape, spread)
        for axis in range(len(shape)):
            found = stable_order(array, axis, descending)
            np.testing.assert_array_equal(found, expected_order(array, axis, descending))


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES[1:], ids=lambda d: np.dtype(d).name)
def test_topk_is_the_head_of_the_order(dtype: Any, shape: tuple[int, ...], largest: bool) -> None:
    array = array_of(dtype, shape, 100)
    for axis in range(len(shape)):
        for k in {1, 3, min(20, shape[axis]), shape[axis]}:
            if k <= shape[axis]:
                found = sorting._top_indices(array, k, axis, largest)
                head = expected_order(array, axis, largest)[(slice(None),) * axis + (slice(k),)]
                np.testing.assert_array_equal(found, head, err_msg=f"axis {axis}, k {k}")


@pytest.mark.parametrize("fill", [-np.inf, np.inf, np.nan])
def test_topk_of_what_marks_taken_elements(fill: float) -> None:
    x = torch.full((2, 400), fill)
    x[:, 7] = 1.0
    for largest in (True, False):
        values, indices = x.topk(3, largest=largest)
        assert len(set(indices[0].tolist())) == 3
        np.testing.assert_array_equal(values.numpy(), x.gather(1, indices).numpy())


@pytest.mark.parametrize("dtype", DTYPES[1:], ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_kthvalue_median_mode(dtype: Any, shape: tuple[int, ...]) -> None:
    array = array_of(dtype, shape, 100)
    x = (
        torch.from_numpy(array)
        if dtype is not ml_dtypes.bfloat16
        else torch.from_numpy(array.astype(np.float32)).bfloat16()
    )
    for axis in range(len(shape)):
        ordered = np.take_along_axis(array, expected_order(array, axis, False), axis)
        for k in (1, shape[axis] // 2 + 1, shape[axis]):
            values, indices = x.kthvalue(k, axis)
            same(values, np.take(ordered, k - 1, axis))
            same(x.gather(axis, indices.unsqueeze(axis)).squeeze(axis), np.take(ordered, k - 1, axis))
        values, indices = x.median(axis)
        middle = np.take(ordered, (shape[axis] - 1) // 2, axis)
        if np.dtype(dtype).kind not in "iu":
            middle = np.where(np.isnan(array.astype(np.float32)).any(axis), np.nan, middle.astype(np.float32))
        same(values, middle)
        same(x.gather(axis, indices.unsqueeze(axis)).squeeze(axis), middle)


def same(tensor: Any, array: Any) -> None:
    np.testing.assert_array_equal(tensor.double().numpy(), np.asarray(array).astype(np.float64))


def test_unique_of_many() -> None:
    array = np.random.default_rng(0).integers(0, 50, (40, 3))
    values, inverse, counts = torch.unique(
        torch.from_numpy(array), return_inverse=True, return_counts=True, dim=0
    )
    expected = np.unique(array, axis=0, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(values.numpy(), expected[0])
    np.testing.assert_array_equal(inverse.numpy(), expected[1].reshape(-1))
    np.testing.assert_array_equal(counts.numpy(), expected[2])


def test_results_do_not_alias_the_input() -> None:
    for x in (torch.tensor(3.0), torch.tensor([3.0]), torch.tensor([[3.0], [1.0]])):
        before = x.clone()
        for values, _ in (x.sort(), x.topk(1), x.median(-1), x.mode(), x.kthvalue(1), x.max(-1), x.cummax(0)):
            values.zero_()
        for value in (
            x.max(),
            x.min(),
            x.amax(-1),
            x.median(),
            x.cumsum(0),
            x.cumprod(0),
            x.unique(),
            x.prod(),
        ):
            value.zero_()
        assert torch.equal(x, before)
