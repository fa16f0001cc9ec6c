"""Optimizers by their formulas, without PyTorch at hand."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as torch

# Adadelta starts with steps of about the root of its epsilon, so it gets a larger factor.
RATES = {"SGD": 0.1, "Adam": 0.1, "AdamW": 0.1, "RMSprop": 0.1, "Adagrad": 0.1, "Adadelta": 20.0}


@pytest.mark.parametrize("kind", RATES)
def test_every_optimizer_goes_downhill(kind: str) -> None:
    w = torch.tensor([3.0, -2.0], requires_grad=True)
    optimizer = getattr(torch.optim, kind)([w], lr=RATES[kind])
    first = float((w * w).sum())
    for _ in range(50):
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        optimizer.step()
    assert float((w * w).sum()) < 0.9 * first


def test_sgd_with_momentum_by_hand() -> None:
    w = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.5, momentum=0.9)
    w.grad = torch.tensor([2.0], dtype=torch.float64)
    optimizer.step()  # the buffer starts as the gradient
    assert w.item() == pytest.approx(1.0 - 0.5 * 2.0)
    optimizer.step()
    assert w.item() == pytest.approx(0.0 - 0.5 * (0.9 * 2.0 + 2.0))


def test_adams_first_step_is_the_rate_times_the_sign() -> None:
    w = torch.tensor([1.0, 1.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=0.1)
    w.grad = torch.tensor([1e-3, -1e3], dtype=torch.float64)
    optimizer.step()
    assert w.tolist() == pytest.approx([0.9, 1.1], abs=1e-6)


def test_adamw_shrinks_by_the_rate_times_the_decay() -> None:
    w = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.AdamW([w], lr=0.1, weight_decay=0.5)
    w.grad = torch.zeros(1, dtype=torch.float64)
    optimizer.step()
    assert w.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5))


def test_parameters_without_a_gradient_stay() -> None:
    w, v = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([w, v], lr=1.0)
    w.grad = torch.ones(1)
    optimizer.step()
    assert (w.item(), v.item()) == (0.0, 1.0)


def test_groups_have_options_of_their_own() -> None:
    w, v = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([{"params": [w], "lr": 0.5}, {"params": [v]}], lr=0.1)
    w.grad, v.grad = torch.ones(1), torch.ones(1)
    optimizer.step()
    assert w.item() == pytest.approx(0.5)
    assert v.item() == pytest.approx(0.9)


def test_an_optimizer_is_an_initial_state_and_an_update() -> None:
    class Averaging(torch.optim.Optimizer):
        def __init__(self, params: Any, lr: float) -> None:
            super().__init__(params, {"lr": lr})

        def init_state(self, param: torch.Tensor, group: Any) -> Any:
            return {"mean": torch.zeros_like(param)}

        def update(self, param: torch.Tensor, grad: torch.Tensor, state: Any, group: Any) -> None:
            state["mean"].lerp_(grad, 0.5)
            param.sub_(state["mean"], alpha=group["lr"])

    w = torch.ones(1, requires_grad=True)
    optimizer = Averaging([w], lr=1.0)
    w.grad = torch.ones(1)
    optimizer.step()
    assert w.item() == 0.5
    assert optimizer.state_dict()["state"][0]["mean"].tolist() == [0.5]


def test_a_step_is_a_change_that_backward_notices() -> None:
    w = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
