"""Interpolation of small images goes over to a program that must have the bits of the operations one by one."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

import rushlight as torch
from rushlight.nn import functional as F

CALLS = 25  # more than a kind of call takes to be compiled


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_grid_sample(dims: int, padding_mode: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, *(5, 6, 4)[:dims])
    grid = torch.rand(2, *(4, 3, 2)[:dims], dims) * 2.6 - 1.3
    for mode, corners in product(("bilinear", "nearest", "bicubic")[: 5 - dims], (False, True)):
        results = [F.grid_sample(x, grid, mode, padding_mode, corners) for _ in range(CALLS)]
        assert all(torch.equal(result, results[0]) for result in results)


@pytest.mark.parametrize(("mode", "dims"), [("linear", 1), ("bilinear", 2), ("bicubic", 2), ("trilinear", 3)])
def test_interpolate(mode: str, dims: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, *(5, 6, 4)[:dims])
    for size, corners in product(((7, 5, 9), (3, 2, 4), (5, 6, 4)), (False, True)):
        options: Any = {"size": size[:dims], "mode": mode, "align_corners": corners}
        results = [F.interpolate(x, **options) for _ in range(CALLS)]
        assert all(torch.equal(result, results[0]) for result in results)


def test_gradients_are_those_of_the_operations_after_many_calls_without() -> None:
    torch.manual_seed(0)
    x, grid = torch.randn(1, 2, 4, 4, dtype=torch.float64), torch.rand(1, 3, 3, 2, dtype=torch.float64)
    for _ in range(CALLS):
        F.grid_sample(x, grid, align_corners=False)
    x.requires_grad_()
    grid.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: F.grid_sample(a, b, align_corners=False), (x, grid))
