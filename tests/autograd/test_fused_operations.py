"""Composites that are one kernel where they are large: the same values and gradients as where they are small."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight.autograd import fused

RNG = np.random.default_rng(0)
F = torch.nn.functional
CASES = {
    "addcmul": (lambda a, b, c: torch.addcmul(a, b, c, value=0.5), 3),
    "addcmul_method": (lambda a, b, c: a.addcmul(b, c), 3),
    "addcdiv": (lambda a, b, c: torch.addcdiv(a, b, c.exp(), value=-2), 3),
    "lerp": (lambda a, b: torch.lerp(a, b, 0.3), 2),
    "lerp_of_tensors": (lambda a, b, c: a.lerp(b, c), 3),
    "nan_to_num": (lambda a: torch.nan_to_num(a / (a > 0)), 1),
    "trapezoid": (lambda a: torch.trapezoid(a, dx=0.5), 1),
    "trapezoid_at": (lambda a, b: torch.trapezoid(a, b, dim=0), 2),
    "prelu": (lambda a, b: F.prelu(a, b[0]), 2),
    "prelu_of_one": (lambda a, b: F.prelu(a, b[0, :1]), 2),
}


def values_and_gradients(function, count, shape=(96, 100)):
    operands = [torch.tensor(x, requires_grad=True) for x in RNG.standard_normal((count, *shape))]
    result = function(*operands)
    result.square().sum().backward()
    return [x.detach().numpy() for x in operands], [
        result.detach().numpy(),
        *[x.grad.numpy() for x in operands],
    ]


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name):
    function, count = CASES[name]
    for _ in range(3):
        operands, found = values_and_gradients(function, count)
        wide = [torch.tensor(x, requires_grad=True) for x in operands]
        token = fused._programs.copy()
        fused._programs.clear()  # the first call of a kind is the formula's
        result = function(*wide)
        result.square().sum().backward()
        fused._programs.update(token)
        for a, b in zip(found, [result.detach().numpy(), *[x.grad.numpy() for x in wide]], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def test_out_and_other_arguments():
    a, b = torch.randn(100, 100), torch.randn(100, 100)
    for _ in range(3):
        out = torch.empty(100, 100)
        assert torch.lerp(a, b, 0.25, out=out) is out
        assert torch.equal(out, torch.lerp(a, b, 0.25))
        assert torch.equal(torch.addcmul(a, b, b, value=2, out=out), a.addcmul(b, b, value=2))
        assert torch.equal(torch.nan_to_num(a / 0, posinf=1.0, neginf=-1.0), a.sign())
    with pytest.raises(RuntimeError):
        torch.addcdiv(torch.ones(100, 100, dtype=torch.int64), a.long(), b.long())


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_sampling_of_large_images(mode, padding):
    image = torch.tensor(RNG.standard_normal((2, 8, 20, 17)), requires_grad=True)
    grid = torch.tensor(RNG.uniform(-1.3, 1.3, (2, 6, 5, 2)), requires_grad=True)
    found = []
    for _ in range(3):
        image.grad = grid.grad = None
        y = F.grid_sample(image, grid, mode, padding, align_corners=False)
        y.square().sum().backward()
        found.append(
            [y.detach().numpy(), image.grad.numpy(), None if mode == "nearest" else grid.grad.numpy()]
        )
    for first, last in zip(found[0], found[2], strict=True):
        if first is not None:
            np.testing.assert_allclose(last, first, rtol=1e-9, atol=1e-9)
