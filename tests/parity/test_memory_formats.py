"""Orders of memory: the strides of results are PyTorch's where operands are channels-last."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

import rushlight

pytestmark = pytest.mark.parity

SHAPES = [(2, 3, 4, 5), (1, 3, 4, 5), (2, 1, 4, 4), (2, 4, 8, 8), (2, 3, 1, 1)]

# (torch, x in channels-last order, the same in row-major order) -> tensor; f is torch.nn.functional, n torch.nn
OPERATIONS: dict[str, Callable[[Any, Any, Any, Any, Any, Any], Any]] = {
    "contiguous": lambda t, f, n, x, y, last: y.contiguous(memory_format=last),
    "to": lambda t, f, n, x, y, last: y.to(memory_format=last),
    "to row-major": lambda t, f, n, x, y, last: x.to(memory_format=t.contiguous_format),
    "to with dtype": lambda t, f, n, x, y, last: y.to(t.double, memory_format=last),
    "double": lambda t, f, n, x, y, last: x.double(),
    "double in order": lambda t, f, n, x, y, last: y.double(memory_format=last),
    "double row-major": lambda t, f, n, x, y, last: x.double(memory_format=t.contiguous_format),
    "cpu": lambda t, f, n, x, y, last: x.cpu(memory_format=t.contiguous_format),
    "clone": lambda t, f, n, x, y, last: x.clone(),
    "clone preserved": lambda t, f, n, x, y, last: x.clone(memory_format=t.preserve_format),
    "clone row-major": lambda t, f, n, x, y, last: x.clone(memory_format=t.contiguous_format),
    "clone in order": lambda t, f, n, x, y, last: y.clone(memory_format=last),
    "deepcopy": lambda t, f, n, x, y, last: copy.deepcopy(x),
    "empty": lambda t, f, n, x, y, last: t.empty(x.shape, memory_format=last),
    "empty_like": lambda t, f, n, x, y, last: t.empty_like(x),
    "zeros_like": lambda t, f, n, x, y, last: t.zeros_like(y, memory_format=last),
    "rand_like": lambda t, f, n, x, y, last: t.rand_like(x),
    "rand_like in order": lambda t, f, n, x, y, last: t.rand_like(y, memory_format=last) * 0 + x,
    "randint_like": lambda t, f, n, x, y, last: t.randint_like(x, 4),
    "resize_": lambda t, f, n, x, y, last: t.empty(3).resize_(x.shape, memory_format=last),
    "resize_ to the same": lambda t, f, n, x, y, last: y.clone().resize_(x.shape, memory_format=last),
    "resize_as_": lambda t, f, n, x, y, last: y.clone().resize_as_(x, memory_format=t.preserve_format),
    "add": lambda t, f, n, x, y, last: x + x,
    "relu": lambda t, f, n, x, y, last: x.relu(),
    "gelu": lambda t, f, n, x, y, last: f.gelu(x),
    "erf": lambda t, f, n, x, y, last: x.erf(),
    "lgamma": lambda t, f, n, x, y, last: x.lgamma(),
    "cat channels": lambda t, f, n, x, y, last: t.cat([x, x], 1),
    "cat samples": lambda t, f, n, x, y, last: t.cat([x, x]),
    "cat mixed": lambda t, f, n, x, y, last: t.cat([x, y], 1),
    "flip": lambda t, f, n, x, y, last: x.flip(2),
    "pad": lambda t, f, n, x, y, last: f.pad(x, (1, 1, 1, 1)),
    "pad replicate": lambda t, f, n, x, y, last: f.pad(x, (1, 0, 0, 0), mode="replicate"),
    "pad circular": lambda t, f, n, x, y, last: f.pad(x, (1, 1, 0, 0), mode="circular"),
    "local_response_norm": lambda t, f, n, x, y, last: f.local_response_norm(x, 2),
    "max_pool2d": lambda t, f, n, x, y, last: f.max_pool2d(x, 2),
    "max_pool2d indices": lambda t, f, n, x, y, last: f.max_pool2d(x, 2, return_indices=True)[1],
    "avg_pool2d": lambda t, f, n, x, y, last: f.avg_pool2d(x, 2),
    "adaptive_avg_pool2d": lambda t, f, n, x, y, last: f.adaptive_avg_pool2d(x, 2),
    "adaptive_max_pool2d": lambda t, f, n, x, y, last: f.adaptive_max_pool2d(x, 2),
    "interpolate": lambda t, f, n, x, y, last: f.interpolate(x, scale_factor=2),
    "interpolate bilinear": lambda t, f, n, x, y, last: f.interpolate(x, scale_factor=2, mode="bilinear"),
    "interpolate bicubic": lambda t, f, n, x, y, last: f.interpolate(x, scale_factor=2, mode="bicubic"),
    "channel_shuffle": lambda t, f, n, x, y, last: f.channel_shuffle(x, 1),
    "pixel_unshuffle": lambda t, f, n, x, y, last: f.pixel_unshuffle(x, 2),
    "batch_norm": lambda t, f, n, x, y, last: f.batch_norm(x, None, None, training=True),
    "BatchNorm2d eval": lambda t, f, n, x, y, last: n.BatchNorm2d(x.shape[1]).eval()(x),
    "group_norm": lambda t, f, n, x, y, last: f.group_norm(x, 1),
    "conv2d": lambda t, f, n, x, y, last: f.conv2d(x, t.ones(6, x.shape[1], 2, 2)),
    "conv2d by weight": lambda t, f, n, x, y, last: f.conv2d(
        y, t.ones(6, x.shape[1], 2, 2).to(memory_format=last)
    ),
    "conv2d of points by weight": lambda t, f, n, x, y, last: f.conv2d(
        y, t.ones(6, x.shape[1], 1, 1).to(memory_format=last)
    ),
    "conv2d to one channel": lambda t, f, n, x, y, last: f.conv2d(x, t.ones(1, x.shape[1], 2, 2)),
    "conv_transpose2d": lambda t, f, n, x, y, last: f.conv_transpose2d(x, t.ones(x.shape[1], 6, 2, 2)),
    "Module.to": lambda t, f, n, x, y, last: n.Conv2d(x.shape[1], 4, 1).to(memory_format=last)(y),
    "weight of Module.to": lambda t, f, n, x, y, last: (
        n.Conv2d(x.shape[1], 4, 2).to(memory_format=last).weight
    ),
    "converted weight": lambda t, f, n, x, y, last: (
        n.utils.convert_conv2d_weight_memory_format(n.Conv2d(x.shape[1], 4, 2), last).weight
    ),
}


def strides(torch: Any, name: str, shape: tuple[int, ...]) -> Any:
    torch.manual_seed(0)
    y = torch.rand(shape) + 0.5
    x = y.contiguous(memory_format=torch.channels_last)
    try:
        result = OPERATIONS[name](torch, torch.nn.functional, torch.nn, x, y, torch.channels_last)
    except (RuntimeError, ValueError) as error:
        return type(error).__name__
    return (
        tuple(result.shape),
        tuple(result.stride()),
        result.is_contiguous(),
        result.is_contiguous(memory_format=torch.channels_last),
    )


@pytest.mark.parametrize("name", OPERATIONS)
def test_strides(name: str) -> None:
    torch = pytest.importorskip("torch")
    for shape in SHAPES:
        if shape[2:] == (1, 1) and not name.startswith(
            ("contiguous", "to", "clone", "empty", "cat", "resize")
        ):
            continue  # orders of planes without extent are open
        assert strides(rushlight, name, shape) == strides(torch, name, shape), shape


@pytest.mark.parametrize(
    "operation",
    [
        lambda f, x, w: f.conv3d(x, w),
        lambda f, x, w: f.max_pool3d(x, 2),
        lambda f, x, w: f.avg_pool3d(x, 2),
        lambda f, x, w: f.batch_norm(x, None, None, training=True),
        lambda f, x, w: f.interpolate(x, scale_factor=2),
        lambda f, x, w: f.group_norm(x, 1),
    ],
)
def test_strides_of_volumes(operation: Callable[[Any, Any, Any], Any]) -> None:
    torch = pytest.importorskip("torch")

    def story(torch: Any) -> Any:
        x = torch.ones(2, 3, 4, 5, 6).contiguous(memory_format=torch.channels_last_3d)
        return tuple(operation(torch.nn.functional, x, torch.ones(6, 3, 2, 2, 2)).stride())

    assert story(rushlight) == story(torch)


def test_values_do_not_depend_on_the_order() -> None:
    torch = rushlight
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(8, 4, 1), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
    )  # fmt: skip
    ordered = copy.deepcopy(net).to(memory_format=torch.channels_last)
    x = torch.rand(2, 3, 8, 8)
    expected, actual = net(x), ordered(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(actual, expected)
    expected.sum().backward()
    actual.sum().backward()
    for ours, theirs in zip(ordered.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)
    assert ordered[0].weight.grad.is_contiguous(memory_format=torch.channels_last)


def test_compiled_functions_take_channels_last() -> None:
    torch = rushlight
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2)).to(
        memory_format=torch.channels_last
    )
    x = torch.rand(2, 3, 8, 8).to(memory_format=torch.channels_last)
    torch.testing.assert_close(torch.compile(net)(x), net(x))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda t: t.ones(2, 3).contiguous(memory_format=t.channels_last),
        lambda t: t.ones(2, 3, 4).to(memory_format=t.channels_last_3d),
        lambda t: t.ones(2, 3).t().contiguous(memory_format=t.preserve_format),
        lambda t: t.ones(2).contiguous(memory_format="channels_last"),
        lambda t: t.empty(24).resize_(2, 3, 4, memory_format=t.channels_last),
        lambda t: t.nn.Conv3d(1, 1, 1).to(memory_format=t.channels_last),
    ],
)
def test_errors(wrong: Callable[[Any], Any]) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises((RuntimeError, TypeError)) as theirs:
        wrong(torch)
    with pytest.raises(theirs.type):
        wrong(rushlight)
