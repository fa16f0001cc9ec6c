"""One small network, written five ways: how much PyTorch's layers of convenience take off your hands.

The network is ``y = relu(x @ w1) @ w2`` with a squared error, trained on random data by gradient descent. Every form is a
generator of losses, one for each step, so that they can be run side by side (see ``train_all.py``). Run this file to see
the first and the last loss of each:

    python examples/two_layer_net.py
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import rushlight as torch
from rushlight import nn

BATCH, INPUTS, HIDDEN, OUTPUTS = 64, 1000, 100, 10


def data() -> tuple[torch.Tensor, torch.Tensor]:
    """Random inputs and targets."""
    return torch.randn(BATCH, INPUTS), torch.randn(BATCH, OUTPUTS)


def manual_gradients(steps: int) -> Iterator[float]:
    """Tensors alone: the gradients are worked out by hand with the chain rule."""
    x, y = data()
    w1, w2 = torch.randn(INPUTS, HIDDEN), torch.randn(HIDDEN, OUTPUTS)
    for _ in range(steps):
        hidden = x @ w1
        active = hidden.clamp(min=0)
        error = active @ w2 - y
        yield error.pow(2).sum().item()
        grad_output = 2 * error
        grad_w2 = active.t() @ grad_output
        grad_hidden = grad_output @ w2.t()
        grad_hidden[hidden < 0] = 0
        w1 -= 1e-6 * (x.t() @ grad_hidden)
        w2 -= 1e-6 * grad_w2


def autograd(steps: int, relu: Callable[[torch.Tensor], torch.Tensor] | None = None) -> Iterator[float]:
    """Autograd: ``backward`` finds the same gradients."""
    x, y = data()
    w1 = torch.randn(INPUTS, HIDDEN, requires_grad=True)
    w2 = torch.randn(HIDDEN, OUTPUTS, requires_grad=True)
    for _ in range(steps):
        hidden = x @ w1
        active = hidden.clamp(min=0) if relu is None else relu(hidden)
        loss = (active @ w2 - y).pow(2).sum()
        yield loss.item()
        loss.backward()
        with torch.no_grad():
            for weight in (w1, w2):
                weight -= 1e-6 * weight.grad
                weight.grad = None


class Relu(torch.autograd.Function):
    """A function of our own: its forward, and how a gradient passes back through it."""

    @staticmethod
    def forward(ctx: Any, input: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(input)
        return input.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> torch.Tensor:
        (input,) = ctx.saved_tensors
        return grad_output * (input > 0)


def custom_function(steps: int) -> Iterator[float]:
    """The same with a ReLU that we taught autograd."""
    return autograd(steps, Relu.apply)


def nn_and_optim(steps: int) -> Iterator[float]:
    """Layers that own their parameters, and an optimizer that updates them."""
    x, y = data()
    model = nn.Sequential(nn.Linear(INPUTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, OUTPUTS))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss_of = nn.MSELoss(reduction="sum")
    for _ in range(steps):
        loss = loss_of(model(x), y)
        yield loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


class DynamicNet(nn.Module):
    """A network whose depth is drawn anew in every step: the middle layer is used 0 to 3 times, with shared weights."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layer = nn.Linear(INPUTS, HIDDEN)
        self.middle_layer = nn.Linear(HIDDEN, HIDDEN)
        self.output_layer = nn.Linear(HIDDEN, OUTPUTS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.input_layer(x).clamp(min=0)
        for _ in range(random.randint(0, 3)):
            x = self.middle_layer(x).clamp(min=0)
        return self.output_layer(x)


def dynamic_net(steps: int) -> Iterator[float]:
    """Python's own control flow decides the graph, step by step."""
    x, y = data()
    model = DynamicNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    loss_of = nn.MSELoss(reduction="sum")
    for _ in range(steps):
        loss = loss_of(model(x), y)
        yield loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


FORMS: dict[str, Callable[[int], Iterator[float]]] = {
    "manual gradients": manual_gradients,
    "autograd": autograd,
    "custom Function": custom_function,
    "nn + optim": nn_and_optim,
    "DynamicNet": dynamic_net,
}


if __name__ == "__main__":
    for name, form in FORMS.items():
        torch.manual_seed(0)
        random.seed(0)
        losses = list(form(200))
        print(f"{name:20} {losses[0]:14.2f} -> {losses[-1]:12.6f}")
