"""Pooling layers against windows written out, and their gradients against finite differences."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight import nn
from rushlight.autograd import gradcheck, gradgradcheck


def numbers(*shape: int, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64).requires_grad_()


def windows(x: Any, kernel: int, stride: int, padding: int, fill: float) -> Any:
    """The position of each window with its elements, over all spatial dimensions of (N, C, *)."""
    dims = x.ndim - 2
    padded = np.pad(x, [(0, 0), (0, 0), *[(padding, padding)] * dims], constant_values=fill)
    counts = [(n - kernel) // stride + 1 for n in padded.shape[2:]]
    for at in product(*map(range, counts)):
        part = padded[(slice(None), slice(None), *(slice(a * stride, a * stride + kernel) for a in at))]
        yield at, part.reshape(*x.shape[:2], -1)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1)])
def test_fixed_windows(dims: int, kernel: int, stride: int, padding: int) -> None:
    x = numbers(2, 3, *(6,) * dims).detach()
    largest = getattr(nn, f"MaxPool{dims}d")(kernel, stride, padding)(x)
    average = getattr(nn, f"AvgPool{dims}d")(kernel, stride, padding)(x)
    for at, part in windows(x.numpy(), kernel, stride, padding, -np.inf):
        np.testing.assert_array_equal(largest.numpy()[(..., *at)], part.max(-1))
    for at, part in windows(x.numpy(), kernel, stride, padding, 0.0):
        np.testing.assert_allclose(average.numpy()[(..., *at)], part.mean(-1), rtol=1e-12, atol=1e-15)
    norm = getattr(nn, f"LPPool{dims}d")(3, kernel, stride)(x.abs())
    for at, part in windows(x.abs().numpy(), kernel, stride, 0, 0.0):
        np.testing.assert_allclose(norm.numpy()[(..., *at)], (part**3).sum(-1) ** (1 / 3), rtol=1e-12)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("output", [1, 2, 4, 7])
def test_adaptive_windows(dims: int, output: int) -> None:
    x = numbers(2, 3, *(5,) * dims).detach()
    average = getattr(nn, f"AdaptiveAvgPool{dims}d")(output)(x).numpy()
    largest, where = getattr(nn, f"AdaptiveMaxPool{dims}d")(output, return_indices=True)(x)
    bounds = [(i * 5 // output, -(-(i + 1) * 5 // output)) for i in range(output)]
    for at in product(range(output), repeat=dims):
        part = x.numpy()[(slice(None), slice(None), *(slice(*bounds[a]) for a in at))].reshape(2, 3, -1)
        np.testing.assert_allclose(average[(..., *at)], part.mean(-1), rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(largest.numpy()[(..., *at)], part.max(-1))
    flat = x.numpy().reshape(2, 3, -1)
    taken = np.take_along_axis(flat, where.numpy().reshape(2, 3, -1), 2)
    np.testing.assert_array_equal(taken.reshape(largest.shape), largest.numpy())


def test_adaptive_pooling_keeps_an_extent() -> None:
    x = torch.ones(2, 3, 6, 7)
    assert nn.AdaptiveAvgPool2d((None, 2))(x).shape == (2, 3, 6, 2)
    assert nn.AdaptiveMaxPool2d((4, None))(x[0]).shape == (3, 4, 7)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_unpooling_puts_the_maxima_back(dims: int) -> None:
    x = numbers(2, 3, *(7,) * dims)
    values, where = getattr(nn, f"MaxPool{dims}d")(2, return_indices=True)(x)
    unpool = getattr(nn, f"MaxUnpool{dims}d")(2)
    back = unpool(values, where, output_size=x.shape)
    assert back.shape == x.shape
    kept = back != 0
    assert int(kept.sum()) == values.numel()
    assert torch.equal(back[kept], x[kept])
    assert unpool(values, where % 6**dims).shape == (2, 3, *(6,) * dims)


CASES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "MaxPool1d": (lambda: nn.MaxPool1d(2, stride=1), (2, 2, 5)),
    "MaxPool2d": (lambda: nn.MaxPool2d(2, padding=1), (1, 2, 4, 3)),
    "MaxPool2d dilated": (lambda: nn.MaxPool2d(2, dilation=2, stride=1, ceil_mode=True), (2, 4, 4)),
    "MaxPool3d": (lambda: nn.MaxPool3d((1, 2, 2)), (1, 1, 2, 2, 4)),
    "AvgPool1d": (lambda: nn.AvgPool1d(3, stride=1, padding=1, count_include_pad=False), (1, 2, 5)),
    "AvgPool2d": (lambda: nn.AvgPool2d((2, 3), padding=1, ceil_mode=True), (1, 2, 4, 4)),
    "AvgPool3d": (lambda: nn.AvgPool3d(2, divisor_override=3), (1, 1, 2, 2, 4)),
    "AdaptiveAvgPool1d": (lambda: nn.AdaptiveAvgPool1d(3), (2, 2, 5)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((1, 2)), (1, 2, 3, 4)),
    "AdaptiveAvgPool3d": (lambda: nn.AdaptiveAvgPool3d(2), (1, 1, 3, 2, 2)),
    "AdaptiveMaxPool1d": (lambda: nn.AdaptiveMaxPool1d(3), (2, 2, 5)),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d((1, 2)), (1, 2, 3, 4)),
    "AdaptiveMaxPool3d": (lambda: nn.AdaptiveMaxPool3d(2), (1, 1, 3, 2, 2)),
    "LPPool1d": (lambda: nn.LPPool1d(3, 2), (1, 2, 6)),
    "LPPool2d": (lambda: nn.LPPool2d(2, 2, stride=1), (1, 1, 3, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients(name: str) -> None:
    build, shape = CASES[name]
    x = numbers(*shape)
    if name.startswith("LPPool"):
        x = (x.detach().abs() + 0.5).requires_grad_()  # away from where a root of 0 has no derivative
    assert gradcheck(build(), (x,))
    assert gradgradcheck(build(), (x,))


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_gradients_of_unpooling(dims: int) -> None:
    where = getattr(nn, f"MaxPool{dims}d")(2, return_indices=True)(numbers(1, 2, *(4,) * dims))[1]
    unpool = getattr(nn, f"MaxUnpool{dims}d")(2)
    x = numbers(1, 2, *(2,) * dims, seed=1)
    assert gradcheck(lambda x: unpool(x, where), (x,))
    assert gradgradcheck(lambda x: unpool(x, where), (x,))


def test_the_gradient_of_windows_that_overlap_adds_up() -> None:
    x = torch.tensor([[1.0, 5.0, 2.0, 0.0]], requires_grad=True)
    nn.MaxPool1d(2, stride=1)(x).sum().backward()
    assert x.grad.tolist() == [[0.0, 2.0, 1.0, 0.0]]


def test_nan_is_the_largest() -> None:
    x = torch.tensor([[1.0, float("nan"), 2.0, 3.0]])
    values, where = nn.MaxPool1d(2, return_indices=True)(x)
    assert values.isnan().tolist() == [[True, False]]
    assert where.tolist() == [[1, 3]]


def test_how_they_print() -> None:
    assert repr(nn.MaxPool2d((3, 2), padding=1)) == (
        "MaxPool2d(kernel_size=(3, 2), stride=(3, 2), padding=1, dilation=1, ceil_mode=False)"
    )
    assert repr(nn.AvgPool1d(3)) == "AvgPool1d(kernel_size=(3,), stride=(3,), padding=(0,))"
    assert repr(nn.AdaptiveAvgPool2d((None, 3))) == "AdaptiveAvgPool2d(output_size=(None, 3))"
    assert repr(nn.MaxUnpool2d(3, 2)) == "MaxUnpool2d(kernel_size=(3, 3), stride=(2, 2), padding=(0, 0))"
    assert repr(nn.LPPool1d(2, 3)) == "LPPool1d(norm_type=2, kernel_size=3, stride=None, ceil_mode=False)"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (nn.MaxPool2d(2.5), TypeError, "kernel_size"),
        (nn.MaxPool2d((2, 2, 2)), RuntimeError, "kernel_size"),
        (nn.MaxPool2d(2, stride=0), RuntimeError, "stride should not be zero"),
        (nn.MaxPool2d(2, padding=2), RuntimeError, "at most half of effective kernel size"),
        (nn.MaxPool2d(9), RuntimeError, "Output size is too small"),
        (lambda x: nn.MaxPool2d(2)(x[0, 0]), RuntimeError, "3D or 4D"),
        (lambda x: nn.MaxPool2d(2)(x > 0), NotImplementedError, "Bool"),
        (lambda x: nn.MaxPool2d(2)([1.0]), TypeError, "must be Tensor, not list"),
        (nn.AvgPool2d(2, divisor_override=0), RuntimeError, "divisor must be not zero"),
        (nn.AdaptiveAvgPool2d(-1), RuntimeError, "greater than or equal to 0"),
        (nn.AdaptiveAvgPool2d((1, 1, 1, 1)), ValueError, "at least 5"),
        (lambda x: nn.MaxUnpool2d(2)(x, torch.full(x.shape, 999)), RuntimeError, "invalid max index"),
        (lambda x: nn.MaxUnpool2d(2)(x, x), RuntimeError, "int64"),
        (
            lambda x: nn.MaxUnpool2d(2)(x, torch.zeros(x.shape, dtype=torch.int64), output_size=(99, 8)),
            ValueError,
            "must be between",
        ),
    ],
)
def test_what_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(torch.ones(1, 2, 4, 4))
