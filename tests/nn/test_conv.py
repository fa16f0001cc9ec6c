"""Convolution layers against sums written out, and their gradients against finite differences."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight import nn
from rushlight.autograd import gradcheck, gradgradcheck
from rushlight.nn import functional as F


def numbers(*shape: int, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64).requires_grad_()


def correlate(x: Any, w: Any, stride: int, dilation: int, groups: int) -> Any:
    """The definition, position by position, for an input that is padded already."""
    spatial = x.shape[2:]
    kernel = w.shape[2:]
    output = [(n - (k - 1) * dilation - 1) // stride + 1 for n, k in zip(spatial, kernel, strict=True)]
    result = np.zeros((len(x), len(w), *output))
    per_group, channels = len(w) // groups, w.shape[1]
    for o in range(len(w)):
        first = o // per_group * channels
        part = x[:, first : first + channels]
        for at in product(*map(range, output)):
            window = tuple(
                slice(a * stride, a * stride + (k - 1) * dilation + 1, dilation)
                for a, k in zip(at, kernel, strict=True)
            )
            axes = tuple(range(1, x.ndim))
            result[(slice(None), o, *at)] = (part[(slice(None), slice(None), *window)] * w[o]).sum(axes)
    return result


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize(("stride", "dilation", "groups"), [(1, 1, 1), (2, 1, 2), (1, 2, 4)])
def test_a_convolution_is_what_its_definition_says(
    dims: int, mode: str, stride: int, dilation: int, groups: int
) -> None:
    conv = getattr(nn, f"Conv{dims}d")(
        4, 8, 2, stride, 1, dilation, groups, padding_mode=mode, dtype=torch.float64
    )
    x = numbers(2, 4, *(4,) * dims).detach()
    numpy_mode = {"zeros": "constant", "replicate": "edge", "circular": "wrap"}.get(mode, mode)
    padded = np.pad(x.numpy(), [(0, 0), (0, 0), *[(1, 1)] * dims], mode=numpy_mode)
    expected = correlate(padded, conv.weight.detach().numpy(), stride, dilation, groups)
    expected += conv.bias.detach().numpy().reshape(-1, *(1,) * dims)
    np.testing.assert_allclose(conv(x).detach().numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("dilation", [1, 3])
@pytest.mark.parametrize("mode", ["zeros", "circular"])
def test_same_padding_keeps_the_size(kernel: int, dilation: int, mode: str) -> None:
    conv = nn.Conv2d(1, 1, (kernel, 1), padding="same", dilation=dilation, padding_mode=mode)
    assert conv(torch.ones(1, 1, 12, 5)).shape == (1, 1, 12, 5)
    assert nn.Conv1d(1, 1, kernel, padding="valid")(torch.ones(1, 1, 9)).shape == (1, 1, 10 - kernel)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(
    ("stride", "padding", "extra", "dilation", "groups"), [(1, 0, 0, 1, 1), (2, 1, 1, 1, 2), (3, 2, 2, 2, 1)]
)
def test_a_transposed_convolution_is_the_adjoint(
    dims: int, stride: int, padding: int, extra: int, dilation: int, groups: int
) -> None:
    up = getattr(nn, f"ConvTranspose{dims}d")(
        4, 6, 3, stride, padding, extra, groups, bias=False, dilation=dilation, dtype=torch.float64
    )
    x = numbers(2, 4, *(4,) * dims)
    y = up(x)
    z = numbers(*y.shape, seed=1)
    down = getattr(F, f"conv{dims}d")(z, up.weight, None, stride, padding, dilation, groups)
    # The extra output may make room for more windows than the input had positions.
    down = down[(slice(None), slice(None), *(slice(4) for _ in range(dims)))]
    assert torch.allclose((y * z).sum(), (x * down).sum())


def test_output_size_of_a_transposed_convolution() -> None:
    up = nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1)
    x = torch.ones(1, 1, 4, 4)
    assert up(x).shape == (1, 1, 7, 7)
    assert up(x, output_size=(8, 7)).shape == (1, 1, 8, 7)
    assert up(x[0], output_size=(1, 7, 8)).shape == (1, 7, 8)
    with pytest.raises(ValueError, match=r"valid sizes range from \[7, 7\] to \[8, 8\]"):
        up(x, output_size=(9, 7))


CASES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "Conv1d": (lambda: nn.Conv1d(2, 3, 2, stride=2, padding=1), (2, 2, 5)),
    "Conv1d without batch": (lambda: nn.Conv1d(2, 1, 2, dilation=2), (2, 4)),
    "Conv2d": (lambda: nn.Conv2d(2, 2, (2, 1), padding=(0, 1)), (2, 2, 3, 2)),
    "Conv2d in groups": (lambda: nn.Conv2d(4, 2, 2, groups=2, bias=False), (1, 4, 2, 3)),
    "Conv2d for each channel": (lambda: nn.Conv2d(2, 4, 2, groups=2), (1, 2, 3, 2)),
    "Conv2d reflecting": (lambda: nn.Conv2d(1, 2, 2, padding=1, padding_mode="reflect"), (1, 1, 3, 2)),
    "Conv2d replicating": (
        lambda: nn.Conv2d(1, 2, 2, padding="same", padding_mode="replicate"),
        (1, 1, 3, 2),
    ),
    "Conv2d circular": (lambda: nn.Conv2d(1, 1, 2, padding=1, padding_mode="circular"), (1, 1, 3, 2)),
    "Conv3d": (lambda: nn.Conv3d(1, 2, 2, padding=(1, 0, 0)), (1, 1, 1, 2, 2)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(2, 3, 2, stride=3, output_padding=1), (1, 2, 3)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(2, 4, 2, stride=2, padding=1, groups=2), (1, 2, 2, 3)),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(1, 2, (1, 2, 1), bias=False), (1, 1, 2, 2, 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients(name: str) -> None:
    build, shape = CASES[name]
    torch.manual_seed(1)
    module = build().double()
    # Finite differences change the parameters in place, so the module sees them.
    operands = (numbers(*shape), *module.parameters())

    def call(x: Any, *_: Any) -> Any:
        return module(x)

    assert gradcheck(call, operands)
    assert gradgradcheck(call, operands)


def test_initial_parameters() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(1, 1, 2)
    # What PyTorch draws for this seed.
    expected = torch.tensor([[[[-0.0037, 0.2682], [-0.4115, -0.3680]]]])
    assert torch.allclose(conv.weight, expected, atol=5e-5)
    assert torch.allclose(conv.bias, torch.tensor([-0.1926]), atol=5e-5)


def test_how_they_print_and_what_they_keep() -> None:
    conv = nn.Conv2d(2, 4, 3, (2, 1), 1, groups=2, bias=False, padding_mode="circular")
    assert repr(conv) == (
        "Conv2d(2, 4, kernel_size=(3, 3), stride=(2, 1), padding=(1, 1), groups=2, bias=False, padding_mode=circular)"
    )
    assert list(conv.state_dict()) == ["weight"]
    assert repr(nn.ConvTranspose1d(1, 1, 2, 2, output_padding=1)) == (
        "ConvTranspose1d(1, 1, kernel_size=(2,), stride=(2,), output_padding=(1,))"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding": "some"}, "Invalid padding string 'some'"),
        ({"padding": "same", "stride": 2}, "padding='same' is not supported for strided convolutions"),
        ({"padding_mode": "some"}, "padding_mode must be one of"),
        ({"groups": 3}, "in_channels must be divisible by groups"),
        ({"groups": 0}, "groups must be a positive integer"),
    ],
)
def test_arguments_that_do_not_go_together(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nn.Conv2d(4, 6, 3, **options)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 3, 5, 5), r"to have 4 channels, but got 3 channels instead"),
        ((1, 4, 2, 5), r"Kernel size can't be greater than actual input size"),
        ((5, 5), r"Expected 3D \(unbatched\) or 4D \(batched\) input to conv2d"),
    ],
)
def test_inputs_that_do_not_fit(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        nn.Conv2d(4, 6, 3)(torch.ones(shape))


def test_a_batch_of_none() -> None:
    x = torch.ones(0, 4, 5, 5, requires_grad=True)
    conv = nn.Conv2d(4, 6, 3)
    y = conv(x)
    assert y.shape == (0, 6, 3, 3)
    y.sum().backward()
    assert x.grad is not None and x.grad.shape == x.shape
    assert conv.weight.grad is not None and not conv.weight.grad.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bit_numbers_are_rounded_once(dtype: Any) -> None:
    conv = nn.Conv2d(8, 4, 3, padding=1).to(dtype)
    torch.manual_seed(0)
    x = torch.randn(2, 8, 5, 5).to(dtype)
    exact = F.conv2d(x.float(), conv.weight.float(), conv.bias.float(), padding=1)
    assert torch.equal(conv(x), exact.to(dtype))


def test_a_convolution_with_many_small_products_gives_the_sums() -> None:
    """Shapes at which the gradient of the weight is a sum of products, one for each sample."""
    torch.manual_seed(0)
    x, g = torch.randn(40, 16, 8, 8), torch.randn(40, 32, 8, 8)
    weight = torch.zeros(32, 16, 3, 3, requires_grad=True)
    F.conv2d(x, weight, padding=1).backward(g)
    padded = np.pad(x.double().numpy(), [(0, 0), (0, 0), (1, 1), (1, 1)])
    for i, j in product(range(3), range(3)):
        expected = np.einsum("nohw,nchw->oc", g.double().numpy(), padded[:, :, i : i + 8, j : j + 8])
        np.testing.assert_allclose(weight.grad[:, :, i, j].numpy(), expected, rtol=1e-4, atol=1e-3)
