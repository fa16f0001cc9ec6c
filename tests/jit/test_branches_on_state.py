"""Static graphs of functions that branch on the content of small buffers."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as torch
from rushlight import nn


class Started(nn.Module):
    """Takes its first batch's mean for a start, as codebooks of quantizers do."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("initted", torch.tensor([False]))
        self.register_buffer("center", torch.zeros(3))
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x: Any) -> Any:
        if not self.initted:
            self.center.copy_(x.detach().mean(0))
            self.initted.copy_(torch.tensor([True]))
        elif self.training:
            self.center.mul_(0.9).add_(x.detach().mean(0), alpha=0.1)
        return (x - self.center) * self.scale


class Counting(nn.Module):
    """Draws new directions every fourth call, as performers do."""

    def __init__(self, limit: int = 4) -> None:
        super().__init__()
        self.register_buffer("calls", torch.tensor(0))
        self.register_buffer("direction", torch.ones(3))
        self.limit = limit

    def forward(self, x: Any) -> Any:
        if self.training and self.calls >= self.limit:
            self.direction.copy_(torch.randn(3))
            self.calls.zero_()
        else:
            self.calls += 1
        return x * self.direction


@pytest.mark.parametrize("make", [Started, Counting])
def test_every_call_goes_the_way_that_eager_mode_goes(make: Any) -> None:
    plain, model = make(), make()
    compiled = torch.compile(model, fullgraph=True)
    inputs = [torch.randn(5, 3) for _ in range(11)]
    found = []
    for function, module in ((plain, plain), (compiled, model)):
        torch.manual_seed(3)
        for number, x in enumerate(inputs):
            if number == 8:
                module.eval()
            found.append(function(x).detach())
        found.extend(module.buffers())
    half = len(found) // 2
    for expected, given in zip(found[:half], found[half:], strict=True):
        torch.testing.assert_close(given, expected)


def test_what_others_change_is_seen() -> None:
    model = Started()
    compiled = torch.compile(model, fullgraph=True)
    x = torch.ones(2, 3)
    for _ in range(3):
        compiled(x)
    model.initted.zero_()
    assert compiled(x * 5).abs().sum() == 0
    model.load_state_dict(Started().state_dict())
    assert compiled(x * 7).abs().sum() == 0 and bool(model.initted)


def test_training_steps() -> None:
    losses: list[list[float]] = []
    for use in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 3), Started(), Counting(), nn.Linear(3, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss.detach()

        run = torch.compile(step, fullgraph=True) if use else step
        losses.append([float(run(torch.full((2, 3), 0.1 * i))) for i in range(12)])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_arguments_parameters_and_large_state_are_refused() -> None:
    weight = nn.Parameter(torch.ones(1))
    large = torch.ones(1000)
    for function in (
        lambda x: x + 1 if x.sum() > 0 else x,
        lambda x: x + 1 if weight > 0 else x,
        lambda x: x + 1 if large.sum() > 0 else x,
        lambda x: x + 1 if (large[:1] * x.sum()) > 0 else x,
    ):
        with pytest.raises(RuntimeError, match="value of a tensor is needed"):
            torch.compile(function, fullgraph=True)(torch.ones(3))


def test_a_value_that_is_another_in_every_call_is_refused_in_the_end() -> None:
    calls = torch.tensor(0)

    def function(x: Any) -> Any:
        calls.add_(1)
        return x * (2 if int(calls) % 1000 else 3) if bool(calls > -1) and calls.tolist() else x

    compiled = torch.compile(function, fullgraph=True)
    with pytest.raises(RuntimeError, match="value of a tensor is needed"):
        for number in range(100):
            assert compiled(torch.ones(1)).item() == 2, number
    assert int(calls) >= 30
