"""Steps with a history: gradients with respect to parameters, gradients, states and options of the optimizer."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as torch

FIELDS: dict[str, tuple[str, ...]] = {
    "SGD": ("momentum_buffer",),
    "Adam": ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"),
    "AdamW": ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"),
    "RMSprop": ("square_avg",),
    "Adadelta": ("square_avg", "acc_delta"),
    "Adagrad": ("sum",),
    "Adamax": ("exp_avg", "exp_inf"),
    "NAdam": ("exp_avg", "exp_avg_sq"),
    "RAdam": ("exp_avg", "exp_avg_sq"),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.3, "weight_decay": 0.1},
    "Adam": {"amsgrad": True},
    "AdamW": {"amsgrad": True},
}


def stepped(
    kind: str, param: Any, grad: Any, state: dict[str, Any], options: dict[str, Any]
) -> tuple[Any, ...]:
    param = param.clone()
    param.grad = grad
    optimizer = getattr(torch.optim, kind)([param], differentiable=True, **options)
    own = {name: value.clone() for name, value in state.items()}
    if kind != "SGD":
        own["step"] = torch.tensor(10.0, dtype=torch.float64)
    if kind == "NAdam":
        own["mu_product"] = torch.tensor(0.5, dtype=torch.float64)
    optimizer.state[param].update(own)
    optimizer.step()
    made = [optimizer.state[param][name] for name in state]
    return (param, *made)


@pytest.mark.parametrize("kind", FIELDS)
def test_gradients_through_a_step(kind: str) -> None:
    torch.manual_seed(0)
    names = FIELDS[kind]
    given = [torch.rand(4, dtype=torch.float64, requires_grad=True) for _ in range(2 + len(names))]

    def step(param: Any, grad: Any, *state: Any) -> Any:
        options = {"lr": 0.9, **OPTIONS.get(kind, {})}
        return stepped(kind, param, grad, dict(zip(names, state, strict=True)), options)

    assert torch.autograd.gradcheck(step, given)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW"])
def test_gradients_of_the_options(kind: str) -> None:
    torch.manual_seed(0)
    names = FIELDS[kind]
    tensors = [torch.rand(4, dtype=torch.float64) for _ in range(2 + len(names))]
    rate, decay = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.1, 0.2))
    betas = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.9, 0.99)]

    def step(rate: Any, decay: Any, *betas: Any) -> Any:
        options = {
            "lr": rate,
            "weight_decay": decay,
            **({"betas": betas} if kind != "SGD" else {"momentum": 0.5}),
        }
        return stepped(kind, tensors[0], tensors[1], dict(zip(names, tensors[2:], strict=True)), options)

    assert torch.autograd.gradcheck(step, (rate, decay, *(betas if kind != "SGD" else [])))


def test_a_learned_learning_rate_has_pytorchs_gradient() -> None:
    theirs = pytest.importorskip("torch")

    def gradient(torch: Any) -> float:
        rate = torch.tensor(0.05, dtype=torch.float64, requires_grad=True)
        w = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True).clone()
        w.retain_grad()
        optimizer = torch.optim.SGD([w], lr=rate, differentiable=True)
        for _ in range(3):
            (w.grad,) = torch.autograd.grad(((2 * w - 1) ** 2).sum(), w, create_graph=True)
            optimizer.step()
        ((2 * w - 1) ** 2).sum().backward()
        return float(rate.grad)

    assert gradient(torch) == pytest.approx(gradient(theirs), rel=1e-12)


def test_hooks_get_the_optimizer_among_the_arguments() -> None:
    w = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    seen: list[Any] = []

    def before(this: Any, args: Any, kwargs: Any) -> Any:
        seen.append(args)
        return (this, lambda: 7.0), kwargs

    optimizer.register_step_pre_hook(before)
    optimizer.register_step_post_hook(lambda this, args, kwargs: seen.append(args))
    assert optimizer.step() == 7.0
    assert seen[0] == (optimizer,) and seen[1][0] is optimizer and len(seen[1]) == 2
    assert list(optimizer._optimizer_step_pre_hooks.values()) == [before]
