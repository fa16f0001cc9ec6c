"""Normalisation layers: what they compute, running statistics, train and eval, gradients by finite differences."""

from __future__ import annotations

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


def standardized(x: Any, axes: tuple[int, ...], eps: float = 1e-5) -> Any:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


# Small planes and large ones, few samples and many, arrays in one block and in several.
SHAPES = [(6, 4), (3, 4, 5), (2, 4, 20, 20), (600, 4, 3), (300_000, 4), (5, 4, 200, 40), (2, 4, 3, 3, 3)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm(shape: tuple[int, ...]) -> None:
    x = (numbers(*shape) * 2 + 3).detach()
    norm = getattr(nn, {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d", 5: "BatchNorm3d"}[len(shape)])(
        4
    )
    norm = norm.double()
    with torch.no_grad():
        norm.weight.copy_(torch.arange(1.0, 5.0))
        norm.bias.copy_(torch.arange(4.0))
    axes = (0, *range(2, len(shape)))
    column = (-1, *(1,) * (len(shape) - 2))
    expected = standardized(x.numpy(), axes)
    expected = expected * np.arange(1.0, 5.0).reshape(column) + np.arange(4.0).reshape(column)
    np.testing.assert_allclose(norm(x).detach().numpy(), expected, rtol=1e-9, atol=1e-9)
    mean, unbiased = x.numpy().mean(axes), x.numpy().var(axes, ddof=1)
    np.testing.assert_allclose(norm.running_mean.numpy(), 0.1 * mean, rtol=1e-9)
    np.testing.assert_allclose(norm.running_var.numpy(), 0.9 + 0.1 * unbiased, rtol=1e-9)
    assert norm.num_batches_tracked.item() == 1
    norm.eval()
    frozen = (x.numpy() - 0.1 * mean.reshape(column)) / np.sqrt(0.9 + 0.1 * unbiased.reshape(column) + 1e-5)
    expected = frozen * np.arange(1.0, 5.0).reshape(column) + np.arange(4.0).reshape(column)
    np.testing.assert_allclose(norm(x).detach().numpy(), expected, rtol=1e-9, atol=1e-9)
    assert norm.num_batches_tracked.item() == 1


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_others(shape: tuple[int, ...]) -> None:
    x = numbers(*shape).detach()
    size = np.prod(shape[1:], dtype=int)
    layer = nn.LayerNorm(shape[1:], dtype=torch.float64)
    torch.manual_seed(1)
    with torch.no_grad():
        layer.weight.normal_()
        layer.bias.normal_()
    expected = standardized(x.numpy().reshape(-1, size), (1,)).reshape(shape)
    expected = expected * layer.weight.detach().numpy() + layer.bias.detach().numpy()
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-9, atol=1e-9)
    group = nn.GroupNorm(2, 4, dtype=torch.float64)
    with torch.no_grad():
        group.weight.normal_()
        group.bias.normal_()
    column = (4, *(1,) * (len(shape) - 2))
    expected = standardized(x.numpy().reshape(shape[0], 2, -1), (2,)).reshape(shape)
    expected = expected * group.weight.detach().numpy().reshape(column) + group.bias.detach().numpy().reshape(
        column
    )
    np.testing.assert_allclose(group(x).detach().numpy(), expected, rtol=1e-9, atol=1e-9)
    rms = nn.RMSNorm(shape[1:], eps=1e-3, dtype=torch.float64)
    flat = x.numpy().reshape(-1, size)
    expected = (flat / np.sqrt((flat**2).mean(1, keepdims=True) + 1e-3)).reshape(shape)
    np.testing.assert_allclose(rms(x).detach().numpy(), expected, rtol=1e-9, atol=1e-12)
    if len(shape) > 2:
        expected = standardized(x.numpy(), tuple(range(2, len(shape))))
        instance = getattr(nn, f"InstanceNorm{len(shape) - 2}d")(4)
        np.testing.assert_allclose(instance(x).numpy(), expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(instance(x[0]).numpy(), expected[0], rtol=1e-9, atol=1e-9)


def test_gradients_of_arrays_in_several_blocks() -> None:
    """The loops over blocks give what the formulas in tensor operations (as under create_graph) give."""
    for call, shape in (
        (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), (4, 3, 200, 100)),
        (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), (1500, 3, 40)),
        (lambda x, w, b: F.group_norm(x, 3, w, b), (7, 3, 100, 90)),
        (lambda x, w, b: F.instance_norm(x, None, None, w, b), (3, 3, 300, 200)),
        (lambda x, w, b: F.layer_norm(x, (3,), w, b), (100_000, 3)),
    ):
        operands = numbers(*shape), numbers(3, seed=1), numbers(3, seed=2)
        y = call(*operands)
        g = numbers(*y.shape, seed=3).detach()
        quick = torch.autograd.grad(y, operands, g, retain_graph=True)
        slow = torch.autograd.grad(y, operands, g, create_graph=True)
        for a, b in zip(quick, slow, strict=True):
            torch.testing.assert_close(a, b.detach(), rtol=1e-8, atol=1e-9)


def test_float32_keeps_its_digits() -> None:
    """Of a column of a million numbers around 100, whose squares' sum has lost the variance's digits."""
    torch.manual_seed(0)
    x = torch.randn(1_000_000, 2) + 100
    norm = nn.BatchNorm1d(2, momentum=1.0)
    y = norm(x).detach()
    exact = x.double().numpy()
    np.testing.assert_allclose(norm.running_mean.numpy(), exact.mean(0), rtol=1e-6)
    np.testing.assert_allclose(norm.running_var.numpy(), exact.var(0), rtol=1e-4)
    np.testing.assert_allclose(y.numpy(), standardized(exact, (0,)), atol=1e-4)


CASES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "BatchNorm1d": (lambda: nn.BatchNorm1d(2), (3, 2)),
    "BatchNorm1d of sequences": (lambda: nn.BatchNorm1d(2, affine=False), (2, 2, 3)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(2), (2, 2, 2, 1)),
    "BatchNorm2d in evaluation": (lambda: nn.BatchNorm2d(2).eval(), (2, 2, 2, 1)),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(2, bias=False), (2, 2, 1, 2, 1)),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(2, affine=True), (2, 2, 3)),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(2), (2, 2, 2)),
    "InstanceNorm3d": (lambda: nn.InstanceNorm3d(2, affine=True, bias=False), (1, 2, 1, 2, 2)),
    "InstanceNorm1d by running statistics": (lambda: nn.InstanceNorm1d(2, track_running_stats=True).eval(), (2, 2, 3)),
    "LayerNorm": (lambda: nn.LayerNorm(4), (2, 4)),
    "LayerNorm over two": (lambda: nn.LayerNorm((2, 2), bias=False), (2, 2, 2)),
    "LayerNorm plain": (lambda: nn.LayerNorm(3, elementwise_affine=False), (3, 3)),
    "RMSNorm": (lambda: nn.RMSNorm(4), (2, 4)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (2, 4, 2)),
    "GroupNorm of one group": (lambda: nn.GroupNorm(1, 3, bias=False), (2, 3, 1)),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(2, alpha=0.5, k=2.0), (1, 3, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_gradients(name: str) -> None:
    build, shape = CASES[name]
    module = build().double()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    # Finite differences change the parameters in place, so the module sees them.
    operands = (numbers(*shape), *module.parameters())

    def call(x: Any, *_: Any) -> Any:
        return module(x)

    assert gradcheck(call, operands)
    assert gradgradcheck(call, operands)


def test_the_average_over_all_batches() -> None:
    norm = nn.BatchNorm1d(1, momentum=None)
    for value in (2.0, 4.0, 9.0):
        norm(torch.tensor([[value - 1], [value + 1]]))
    assert torch.allclose(norm.running_mean, torch.tensor([5.0]))
    assert torch.allclose(norm.running_var, torch.tensor([2.0]))
    assert norm.num_batches_tracked.item() == 3
    norm.reset_running_stats()
    assert (norm.running_mean.item(), norm.running_var.item(), norm.num_batches_tracked.item()) == (0, 1, 0)


def test_without_running_statistics_evaluation_uses_the_batch() -> None:
    norm = nn.BatchNorm1d(3, track_running_stats=False)
    x = torch.randn(4, 3)
    assert torch.equal(norm(x), norm.eval()(x))
    assert list(norm.state_dict()) == ["weight", "bias"]


def test_running_statistics_of_instance_norm() -> None:
    norm = nn.InstanceNorm1d(2, momentum=0.5, track_running_stats=True).double()
    x = numbers(3, 2, 4).detach()
    norm(x)
    np.testing.assert_allclose(norm.running_mean.numpy(), 0.5 * x.numpy().mean((0, 2)))
    np.testing.assert_allclose(norm.running_var.numpy(), 0.5 + 0.5 * x.numpy().var(2, ddof=1).mean(0))


def test_state() -> None:
    norm = nn.BatchNorm2d(3)
    keys = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(norm.state_dict()) == keys
    assert norm.state_dict()._metadata[""] == {"version": 2}
    assert norm.num_batches_tracked.dtype is torch.int64
    older = {key: value for key, value in norm.state_dict().items() if key != "num_batches_tracked"}
    other = nn.BatchNorm2d(3)
    other(torch.randn(2, 3, 2, 2))
    other.load_state_dict(older)
    assert torch.equal(other.running_mean, norm.running_mean)
    newer = norm.state_dict()
    del newer["num_batches_tracked"]
    with pytest.raises(RuntimeError, match="num_batches_tracked"):
        other.load_state_dict(newer)
    with pytest.raises(RuntimeError, match="Unexpected running stats buffer"):
        nn.InstanceNorm1d(3).load_state_dict(
            {"running_mean": torch.zeros(3), "running_var": torch.ones(3)}, strict=False
        )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("weights", ["own", "float32"])
def test_16_bit_numbers_are_computed_in_float32(dtype: Any, weights: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 4, 5).to(dtype)
    norm = nn.BatchNorm1d(4)
    exact = norm(x.float()).to(dtype)
    again = nn.BatchNorm1d(4)
    if weights == "own":
        again = again.to(dtype)
    assert torch.equal(again(x), exact)
    layer = nn.LayerNorm(5)
    assert torch.equal(layer(x), layer(x.float()).to(dtype))


def test_views_and_other_layouts() -> None:
    x = numbers(5, 3, 4).detach()
    norm = nn.BatchNorm1d(3).double()
    turned = x.transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    straight = x.clone().requires_grad_()
    y, z = norm(turned), norm(straight)
    assert torch.equal(y, z)
    y.pow(2).sum().backward()
    z.pow(2).sum().backward()
    torch.testing.assert_close(turned.grad, straight.grad)


def test_the_result_may_be_changed_in_place() -> None:
    """A rectifier that writes over the result of the layer before it, as in many models."""
    x = numbers(4, 3)
    norm = nn.BatchNorm1d(3).double()
    norm(x).relu_().sum().backward()
    inplace = x.grad.clone()
    x.grad = None
    norm(x).relu().sum().backward()
    assert torch.equal(inplace, x.grad)
    y = norm(x * 1)
    z = x * 1
    y = norm(z)
    z.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.BatchNorm1d(3)(torch.ones(1, 3)), ValueError, "Expected more than 1 value per channel"),
        (lambda: nn.BatchNorm1d(3)(torch.ones(2, 3, 4, 5)), ValueError, r"expected 2D or 3D input \(got 4D input\)"),
        (lambda: nn.BatchNorm2d(3)(torch.ones(2, 3)), ValueError, r"expected 4D input \(got 2D input\)"),
        (lambda: nn.BatchNorm1d(3)(torch.ones(2, 4)), RuntimeError, "running_mean should contain 4 elements not 3"),
        (lambda: nn.BatchNorm1d(3)(torch.ones(2, 3).double()), RuntimeError, "mixed dtype"),
        (lambda: nn.BatchNorm1d(3)(torch.ones(2, 3).long()), NotImplementedError, "Long"),
        (lambda: nn.BatchNorm1d(3, eps=0)(torch.ones(2, 3)), ValueError, "eps must be positive"),
        (lambda: nn.LayerNorm(3)(torch.ones(2, 4)), RuntimeError, r"expected input with shape \[\*, 3\]"),
        (lambda: nn.LayerNorm(())(torch.ones(2)), RuntimeError, "at least 1-dimensional"),
        (lambda: nn.GroupNorm(2, 5), ValueError, r"num_channels \(5\) must be divisible by num_groups \(2\)"),
        (lambda: nn.GroupNorm(2, 4)(torch.ones(2, 6)), RuntimeError, "vector of size equal to the number of channels"),
        (lambda: nn.InstanceNorm1d(3)(torch.ones(2, 3, 1)), ValueError, "more than 1 spatial element"),
        (lambda: nn.InstanceNorm1d(3, affine=True)(torch.ones(2, 4, 4)), ValueError, "to match num_features"),
        (lambda: nn.LocalResponseNorm(2)(torch.ones(2, 3)), ValueError, "3D or higher"),
        (lambda: nn.RMSNorm(3)(torch.ones(2, 3).long()), NotImplementedError, "rms_norm"),
    ],
)  # fmt: skip
def test_what_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_warning_about_unused_features() -> None:
    with pytest.warns(UserWarning, match="does not match num_features"):
        nn.InstanceNorm1d(3)(torch.randn(2, 4, 4))


def test_batches_of_none() -> None:
    norm = nn.BatchNorm1d(3)
    x = torch.ones(0, 3, 4, requires_grad=True)
    y = norm(x)
    y.sum().backward()
    assert y.shape == x.shape == x.grad.shape
    assert norm.running_mean.tolist() == [0.0, 0.0, 0.0]
    assert nn.LayerNorm(4)(x).shape == (0, 3, 4)
    assert nn.GroupNorm(3, 3)(x).shape == (0, 3, 4)


def test_how_they_print() -> None:
    assert repr(nn.BatchNorm2d(3, momentum=None, affine=False)) == (
        "BatchNorm2d(3, eps=1e-05, momentum=None, affine=False, bias=False, track_running_stats=True)"
    )
    assert (
        repr(nn.LayerNorm([3, 4], bias=False))
        == "LayerNorm((3, 4), eps=1e-05, elementwise_affine=True, bias=False)"
    )
    assert repr(nn.GroupNorm(2, 4)) == "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)"
    assert repr(nn.RMSNorm(3)) == "RMSNorm((3,), eps=None, elementwise_affine=True)"
