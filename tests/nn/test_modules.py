"""``Module`` without PyTorch at hand: what its parts promise. Its agreement with PyTorch is in ``tests/parity``."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import rushlight as torch
from rushlight import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
        self.head = nn.Linear(3, 1)
        self.register_buffer("steps", torch.zeros(1))

    def forward(self, x: Any) -> Any:
        return self.head(self.body(x))


def test_parameters_are_found_once() -> None:
    net = Net()
    net.again = net.body
    assert [name for name, _ in net.named_parameters()] == [
        "body.0.weight",
        "body.0.bias",
        "head.weight",
        "head.bias",
    ]
    assert len(list(net.state_dict())) == 7  # the state names what is shared twice


def test_training_reaches_all_parameters() -> None:
    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
    x = torch.randn(32, 2)
    y = x[:, :1] * x[:, 1:].sign() * 0.5
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert all(p.grad is not None for p in net.parameters())


def test_state_shares_memory_and_loads_by_copy() -> None:
    net, other = Net(), Net()
    state = net.state_dict()
    with torch.no_grad():
        net.head.bias.fill_(7)
    assert state["head.bias"].tolist() == [7]
    bias = other.head.bias
    other.load_state_dict(state)
    assert other.head.bias is bias
    assert bias.tolist() == [7]
    with torch.no_grad():
        net.head.bias.fill_(8)
    assert bias.tolist() == [7]


def test_a_misfit_names_every_problem() -> None:
    state = Net().state_dict()
    state["head.weight"] = torch.ones(2, 2)
    del state["body.0.bias"]
    state["tail"] = torch.ones(1)
    with pytest.raises(RuntimeError) as caught:
        Net().load_state_dict(state)
    text = str(caught.value)
    assert 'Missing key(s) in state_dict: "body.0.bias"' in text
    assert 'Unexpected key(s) in state_dict: "tail"' in text
    assert "size mismatch for head.weight" in text


def test_a_failing_forward_leaves_the_hooks_in_order() -> None:
    net = Net()
    seen: list[str] = []
    net.register_forward_pre_hook(lambda module, args: seen.append("pre"))
    net.register_forward_hook(lambda module, args, output: seen.append("post"))
    with pytest.raises(RuntimeError):
        net(torch.ones(1, 5))
    net(torch.ones(1, 2))
    assert seen == ["pre", "pre", "post"]


def test_backward_hooks_see_and_change_gradients() -> None:
    layer = nn.Linear(2, 1, bias=False)
    seen: list[Any] = []

    def hook(module: Any, grad_input: Any, grad_output: Any) -> Any:
        seen.append((grad_input, grad_output))
        return (grad_input[0] * 0 + 5,)

    handle = layer.register_full_backward_hook(hook)
    x = torch.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.tolist() == [[5, 5]]
    assert torch.equal(seen[0][0][0], layer.weight)
    assert seen[0][1][0].tolist() == [[1]]
    handle.remove()
    x.grad = None
    layer(x).sum().backward()
    assert torch.equal(x.grad, layer.weight)


def test_deep_copies_share_nothing() -> None:
    net = Net()
    twin = copy.deepcopy(net)
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
    assert any(p.any() for p in twin.parameters())
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in twin.parameters())


def test_shared_weights_stay_shared_in_a_copy() -> None:
    net = Net()
    net.other = nn.Linear(2, 3)
    net.other.weight = net.body[0].weight
    twin = copy.deepcopy(net)
    assert twin.other.weight is twin.body[0].weight


def test_casting_moves_parameters_gradients_and_buffers() -> None:
    net = Net()
    net(torch.ones(1, 2)).sum().backward()
    weight = net.head.weight
    net.double()
    assert net.head.weight is weight
    assert {p.dtype for p in net.parameters()} == {torch.float64}
    assert {p.grad.dtype for p in net.parameters()} == {torch.float64}
    assert net.steps.dtype is torch.float64
    assert net(torch.ones(1, 2, dtype=torch.float64)).dtype is torch.float64


def test_where_there_is_no_gpu() -> None:
    with pytest.raises((RuntimeError, AssertionError)):
        Net().to("cuda")
    with pytest.raises((RuntimeError, AssertionError)):
        Net().cuda()


def test_a_module_without_init_says_so() -> None:
    class Bad(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"before Module\.__init__"):
        Bad()


def test_printing_nests() -> None:
    assert repr(Net()) == (
        "Net(\n"
        "  (body): Sequential(\n"
        "    (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "    (1): Tanh()\n"
        "  )\n"
        "  (head): Linear(in_features=3, out_features=1, bias=True)\n"
        ")"
    )


def test_pytorchs_other_paths_lead_to_the_same_classes() -> None:
    from rushlight.nn.modules.batchnorm import BatchNorm1d

    import rushlight
    from rushlight.nn.modules import Conv2d, Linear
    from rushlight.nn.modules.utils import _pair, _triple

    assert rushlight.nn.modules.linear.Linear is nn.Linear is Linear
    assert BatchNorm1d is nn.BatchNorm1d
    assert Conv2d is nn.Conv2d
    assert _pair(3) == (3, 3)
    assert _triple((1, 2, 3)) == (1, 2, 3)
    with pytest.raises(AttributeError):
        assert nn.modules.Nothing
