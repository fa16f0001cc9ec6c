"""``nn.utils`` against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .stories import Story, compare, raised

pytestmark = pytest.mark.parity


def parameters(torch: Any, *gradients: list[float] | None) -> list[Any]:
    made = []
    for gradient in gradients:
        p = torch.nn.Parameter(torch.zeros(2 if gradient is None else len(gradient)))
        p.grad = None if gradient is None else torch.tensor(gradient)
        made.append(p)
    return made


def clipping(torch: Any) -> Story:
    utils = torch.nn.utils
    story: Story = []
    for max_norm, norm_type in [
        (1.0, 2.0),
        (1, 1),
        (100.0, 2),
        (1.0, float("inf")),
        (1.0, "inf"),
        (2.0, 3),
        (1.0, 0),
        (0.0, 2),
    ]:
        given = parameters(torch, [3.0, 4.0], [0.0, 12.0, -1.0], None)
        story.append(utils.clip_grad_norm_(given, max_norm, norm_type))
        story.append([None if p.grad is None else p.grad for p in given])
    nan, inf = float("nan"), float("inf")
    calls: list[Callable[[], Any]] = [
        lambda: utils.clip_grad_norm_(parameters(torch, [3.0, 4.0])[0], 10.0),
        lambda: utils.clip_grad_norm_([], 1.0),
        lambda: utils.clip_grad_norm_(parameters(torch, None), 1.0),
        lambda: utils.clip_grad_norm_((p for p in parameters(torch, [3.0, 4.0])), 1.0),
        lambda: utils.clip_grad_norm_((p for p in ()), 1.0),
        lambda: utils.clip_grad_norm_(parameters(torch, [nan, 1.0]), 1.0),
        lambda: utils.clip_grad_norm_(parameters(torch, [nan, 1.0]), 1.0, error_if_nonfinite=True),
        lambda: utils.clip_grad_norm_(parameters(torch, [inf, 1.0]), 1.0, error_if_nonfinite=True),
        lambda: utils.clip_grad_norm(parameters(torch, [3.0, 4.0]), 1.0),
        lambda: utils.get_total_norm([torch.tensor([3.0, 4.0]), torch.tensor(12.0)]),
        lambda: utils.get_total_norm(torch.tensor([3.0, 4.0])),
        lambda: utils.get_total_norm([]),
        lambda: utils.get_total_norm([torch.tensor([inf])], error_if_nonfinite=True),
        lambda: utils.clip_grads_with_norm_(parameters(torch, [3.0, 4.0]), 1.0, torch.tensor(5.0)),
    ]
    story += [raised(call) for call in calls]
    for bound in (0.5, -0.5, 100):
        given = parameters(torch, [3.0, -4.0], [0.1, 0.0], None)
        story.append(utils.clip_grad_value_(given, bound))
        story.append([p.grad for p in given])
    mixed = [*parameters(torch, [3.0, 4.0]), torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))]
    mixed[1].grad = torch.tensor([0.0, 12.0], dtype=torch.float64)
    story.append(utils.clip_grad_norm_(mixed, 1.0))
    story.append([p.grad for p in mixed])
    return story


def vectors(torch: Any) -> Story:
    utils = torch.nn.utils
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    vector = utils.parameters_to_vector(net.parameters())
    story: Story = [vector.shape[0], vector.requires_grad]
    (vector**2).sum().backward()
    story.append(torch.equal(net[0].weight.grad, 2 * net[0].weight))
    numbers = torch.arange(13.0)
    utils.vector_to_parameters(numbers, net.parameters())
    story += [p.detach() for p in net.parameters()]
    numbers[0] = 100
    story.append(net[0].weight.detach())
    story += [
        raised(lambda: utils.parameters_to_vector([])),
        raised(lambda: utils.vector_to_parameters([1.0], net.parameters())),
        raised(lambda: utils.vector_to_parameters(torch.ones(3), net.parameters())),
        raised(lambda: utils.vector_to_parameters(torch.ones(99), net.parameters())),
    ]
    return story


@pytest.mark.parametrize("program", [clipping, vectors])
def test_program(program: Any) -> None:
    compare(program)
