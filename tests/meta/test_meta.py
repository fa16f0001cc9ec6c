"""Tensors on the ``meta`` device: everything but values."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import rushlight as torch
from rushlight import nn


def ones(*shape: int, **options: Any) -> Any:
    return torch.ones(shape, device="meta", **options)


def test_repr() -> None:
    assert repr(ones(2, 3)) == "tensor(..., device='meta', size=(2, 3))"
    assert repr(ones(2, dtype=torch.int64)) == "tensor(..., device='meta', size=(2,), dtype=torch.int64)"
    assert repr(ones(2, requires_grad=True)) == "tensor(..., device='meta', size=(2,), requires_grad=True)"
    assert repr(nn.Parameter(ones(2))).startswith("Parameter containing:\ntensor(..., device='meta'")


@pytest.mark.parametrize("read", [lambda x: x.item(), bool, float, int, lambda x: 1 in x])
def test_values_are_not_there(read: Any) -> None:
    with pytest.raises(RuntimeError, match=r"Tensor.item\(\) cannot be called on meta tensors"):
        read(ones())


@pytest.mark.parametrize(
    "read", [lambda x: x.tolist(), lambda x: x.cpu(), lambda x: x.to("cpu"), lambda x: torch.ones(2).copy_(x)]
)
def test_values_can_not_be_copied(read: Any) -> None:
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor; no data!"):
        read(ones(2))


def test_numpy() -> None:
    with pytest.raises(TypeError, match="can't convert meta device type tensor to numpy"):
        ones(2).numpy()


@pytest.mark.parametrize(
    "operation",
    [torch.nonzero, torch.unique, lambda x: x[x > 0], lambda x: torch.masked_select(x, x > 0)],
)
def test_results_that_depend_on_values(operation: Any) -> None:
    with pytest.raises(NotImplementedError):
        operation(ones(3))


def test_two_devices() -> None:
    here, there = torch.ones(2, 3), ones(2, 3)
    with pytest.raises(RuntimeError, match="Tensor on device cpu is not on the expected device meta!"):
        there + here
    with pytest.raises(RuntimeError, match="Tensor on device meta is not on the expected device cpu!"):
        here + there
    with pytest.raises(RuntimeError, match="is not on the expected device"):
        torch.cat([here, there])
    assert (there + torch.ones(())).device.type == "meta"
    assert there[torch.tensor([0, 1])].shape == (2, 3)


def test_views_share_and_strides_are_kept() -> None:
    x = ones(4, 6)
    assert x.T.stride() == (1, 6) and x[1:, ::2].stride() == (6, 2) and x[1:, ::2].storage_offset() == 6
    assert x.T.contiguous().stride() == (4, 1) and (x.T * 2).stride() == (1, 6)
    assert x.view(24)._base is x and x.data_ptr() == 0
    assert x.untyped_storage().nbytes() == 96
    y = ones(3)
    y[0] = 5.0
    y.add_(1).mul_(ones(3))
    assert y._version == 3
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        y.add_(ones(2, 3))


def test_default_device_and_contexts() -> None:
    with torch.device("meta"):
        assert torch.zeros(2).is_meta and torch.arange(3).is_meta and torch.randn(2).is_meta
        assert nn.Linear(2, 3).weight.is_meta
        with torch.device("cpu"):
            assert not torch.zeros(2).is_meta
    torch.set_default_device("meta")
    try:
        assert torch.tensor([1.0]).is_meta and torch.get_default_device().type == "meta"
    finally:
        torch.set_default_device(None)
    assert not torch.zeros(2).is_meta


def test_nothing_is_drawn() -> None:
    before = torch.get_rng_state()
    nn.Linear(3, 4, device="meta")
    torch.randn(5, device="meta"), ones(3).uniform_(), torch.dropout(ones(4), 0.5, True)
    assert torch.equal(before, torch.get_rng_state())


def test_huge_modules() -> None:
    with torch.device("meta"):
        model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8192, 64, 32768, batch_first=True), 8)
        assert sum(p.numel() for p in model.parameters()) > 6_000_000_000
        result = model(torch.randn(64, 512, 8192))
    assert result.shape == (64, 512, 8192)
    result.sum().backward()
    assert model.layers[0].linear1.weight.grad.shape == (32768, 8192)


def test_convolutions() -> None:
    with torch.device("meta"):
        model = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
            nn.Conv2d(64, 128, 3, 2, 1, groups=4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10),
        )  # fmt: skip
        result = model(torch.randn(256, 3, 224, 224))
        nn.functional.cross_entropy(result, torch.randint(0, 10, (256,))).backward()
    assert result.shape == (256, 10) and model[0].weight.grad.shape == (64, 3, 7, 7)


def test_from_meta_to_values() -> None:
    model, source = nn.Linear(2, 3, device="meta"), nn.Linear(2, 3)
    with pytest.raises(NotImplementedError, match=r"Please use torch.nn.Module.to_empty\(\)"):
        model.to("cpu")
    assert model.to_empty(device="cpu").weight.device.type == "cpu"
    model = nn.Linear(2, 3, device="meta")
    with pytest.warns(UserWarning, match="which is a no-op"):
        model.load_state_dict(source.state_dict())
    assert model.weight.is_meta
    model.load_state_dict(source.state_dict(), assign=True)
    assert not model.weight.is_meta and torch.equal(model.weight, source.weight)
    assert not nn.utils.skip_init(nn.Linear, 2, 3).weight.is_meta
    assert nn.Linear(2, 3).to("meta").weight.is_meta


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_optimizers(optimizer: Any) -> None:
    model = nn.Linear(10_000, 10_000, device="meta")
    step = optimizer(model.parameters(), lr=0.1)
    model(ones(2, 10_000)).sum().backward()
    step.step()
    assert model.weight.is_meta


def test_copies_and_pickles() -> None:
    x = ones(3, 4)[1:].requires_grad_()
    for other in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert other.is_meta and other.shape == (2, 4) and other.requires_grad
    assert copy.deepcopy(nn.Linear(2, 3, device="meta")).weight.is_meta


def test_gradients() -> None:
    x = ones(3, requires_grad=True)
    (first,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert second.is_meta and second.shape == (3,)


def test_shapes_that_do_not_go_together() -> None:
    with pytest.raises(RuntimeError):
        ones(100_000, 3) @ ones(4, 100_000)
    with pytest.raises(RuntimeError):
        ones(100_000, 3) + ones(4)
