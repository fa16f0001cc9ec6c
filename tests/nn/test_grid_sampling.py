"""Grids of affine maps, and sampling at their points."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("extents", [(28, 28), (7, 5), (16, 33), (3, 4, 6)])
def test_the_identitys_grid_has_pytorchs_bits(
    kind: str, align_corners: bool, extents: tuple[int, ...]
) -> None:
    # Its points fall on pixels, where the gradient by the grid jumps: a spatial transformer begins there.
    oracle = pytest.importorskip("torch")
    dims = len(extents)

    def grid(module):
        theta = module.eye(dims, dims + 1, dtype=getattr(module, kind))[None]
        return module.nn.functional.affine_grid(theta, (1, 1, *extents), align_corners=align_corners).numpy()

    assert (grid(torch) == grid(oracle)).all()


@pytest.mark.parametrize("align_corners", [False, True])
def test_the_gradient_by_the_identitys_grid_is_of_pytorchs_side(align_corners: bool) -> None:
    oracle = pytest.importorskip("torch")

    def gradient(module):
        F = module.nn.functional
        theta = module.eye(2, 3)[None]
        grid = F.affine_grid(theta, (1, 1, 28, 28), align_corners=align_corners).requires_grad_()
        image = module.arange(784.0).reshape(1, 1, 28, 28).sin()
        F.grid_sample(image, grid, align_corners=align_corners).sum().backward()
        return grid.grad.numpy()

    np.testing.assert_allclose(gradient(torch), gradient(oracle), rtol=1e-4, atol=1e-4)
