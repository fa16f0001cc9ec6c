"""Sums by plans: the right value for every shape, layout and choice of dimensions, as accurate as NumPy's."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.ops import summation
from rushlight.ops.summation import PLANS32, plan_for

SHAPES = [
    (), (1,), (7,), (4096,), (4097,), (70000,), (1, 1), (2, 3), (100, 7), (1000, 9), (7, 5000), (5000, 7), (3, 2, 5),
    (30, 20, 50), (5, 1, 6000), (3, 3, 3, 3), (16, 8, 12, 12), (2000, 1, 3), (1, 20000), (20000, 1), (600, 600), (0, 3),
    (3, 0), (513, 1025), (2, 40000), (100, 2, 3, 100), (64, 8, 8),
]  # fmt: skip


def choices(ndim: int) -> list[Any]:
    dims = range(ndim)
    return [None] + [c for r in range(1, ndim + 1) for c in itertools.combinations(dims, r)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums(shape: tuple[int, ...], dtype: Any) -> None:
    array = np.random.default_rng(0).random(shape).astype(dtype)
    layouts = [array, np.ascontiguousarray(array.T).T]
    if array.ndim > 1:
        layouts.append(np.repeat(array, 2, -1)[..., ::2])
    for x, dim, keepdim in itertools.product(layouts, choices(len(shape)), (False, True)):
        exact = x.astype(np.longdouble).sum(dim, keepdims=keepdim)
        found = np.asarray(plan_for(x.shape, dim, keepdim, x.dtype)(x))
        assert found.dtype == dtype
        assert found.shape == exact.shape
        numpy_is_off = np.abs(np.add.reduce(x, dim, keepdims=keepdim) - exact).max(initial=0)
        # No worse than NumPy's own sum, or than a few roundings of the result.
        allowed = max(2 * numpy_is_off, 8 * np.finfo(dtype).eps * np.abs(exact).max(initial=0))
        assert np.abs(found - exact).max(initial=0) <= allowed, (dim, keepdim)


def test_sums_do_not_alias() -> None:
    for shape, dim in [((5, 1), 1), ((1, 6000), 0), ((1,), 0), ((3, 1, 5), 1)]:
        x = torch.ones(shape)
        x.sum(dim).zero_()
        x.mean(dim).zero_()
        assert x.sum().item() == np.prod(shape)


def test_special_values_survive() -> None:
    for size in (3, 5000, 70000):
        x = torch.ones(size)
        x[1] = float("inf")
        assert x.sum().item() == float("inf")
        x[2] = float("-inf")
        assert np.isnan(x.sum().item())
        assert np.isnan(x.mean().item())


def test_plans_are_bounded() -> None:
    for n in range(1, summation._KEPT + 50):
        torch.ones(n).sum()
        torch.ones(n).sum()
    assert len(PLANS32) <= summation._KEPT


def test_same_result_whether_or_not_a_plan_exists() -> None:
    PLANS32.clear()
    x = torch.from_numpy(np.random.default_rng(1).random((37, 53)).astype(np.float32))
    for arguments in (
        {},
        {"dim": 0},
        {"dim": 1, "keepdim": True},
        {"dim": (0, 1)},
        {"dim": [1]},
        {"axis": 0},
    ):
        first, second = x.sum(**arguments), x.sum(**arguments)
        assert torch.equal(first, second)
        assert torch.equal(x.mean(**arguments), x.mean(**arguments))
    with pytest.raises(IndexError):
        x.sum(2)
    with pytest.raises(RuntimeError, match="appears multiple times"):
        x.sum((0, 0))


def test_quick_and_general_paths_record_the_same_history() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    for function, name in ((torch.sum, "Sum"), (torch.mean, "Mean")):
        for _ in range(2):  # the second call finds a plan
            assert function(x).grad_fn.name() == f"{name}Backward0"
            assert function(x, 1).grad_fn.name() == f"{name}Backward1"
            assert function(x, -1).grad_fn.attrs["axis"] == (1,)
    with torch.no_grad():
        assert x.sum().grad_fn is None
