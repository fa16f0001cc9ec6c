"""Optimizers and schedules against PyTorch: the same parameters after the same steps, the same state."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "amsgrad": True}),
    ("Adam", {"lr": 0.05, "maximize": True, "decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.2, "amsgrad": True}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.9, "centered": True, "weight_decay": 0.01, "alpha": 0.9}),
    ("RMSprop", {"maximize": True}),
    ("Adagrad", {}),
    (
        "Adagrad",
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.01, "initial_accumulator_value": 0.5, "eps": 1e-3},
    ),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-4, "weight_decay": 0.01, "maximize": True}),
]


def _start(library: Any, dtype: str) -> list[Any]:
    rng = np.random.default_rng(0)
    kind = getattr(library, dtype)
    values = [rng.normal(size=shape) for shape in ((3, 4), (5,), ())]
    return [library.tensor(v, dtype=kind, requires_grad=True) for v in values]


def _train(library: Any, optimizer: Any, params: list[Any], steps: int) -> None:
    rng = np.random.default_rng(1)
    for _ in range(steps):
        optimizer.zero_grad()
        for i, p in enumerate(params):
            p.grad = library.tensor(rng.normal(size=tuple(p.shape)), dtype=p.dtype)
            if i == 1 and rng.random() < 0.2:
                p.grad = None
        optimizer.step()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_steps_agree(name: str, options: dict[str, Any], dtype: str) -> None:
    results = []
    for library in (rushlight, torch):
        params = _start(library, dtype)
        optimizer = getattr(library.optim, name)(params, **options)
        _train(library, optimizer, params, 25)
        state = optimizer.state_dict()
        results.append((params, state))
    (ours, our_state), (theirs, their_state) = results
    # 25 steps, each a handful of roundings of the parameter's size
    rtol = 25 * 8 * np.finfo(dtype).eps
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=rtol, atol=rtol)
    assert our_state["param_groups"] == their_state["param_groups"]
    assert our_state["state"].keys() == their_state["state"].keys()
    for key, entry in their_state["state"].items():
        mine = our_state["state"][key]
        assert list(mine) == list(entry)
        for field, value in entry.items():
            if value is None:
                assert mine[field] is None
                continue
            assert str(mine[field].dtype) == str(value.dtype)
            np.testing.assert_allclose(mine[field].numpy(), value.numpy(), rtol=rtol, atol=rtol)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_state_goes_on_after_loading(name: str, options: dict[str, Any]) -> None:
    params = _start(rushlight, "float64")
    optimizer = getattr(rushlight.optim, name)(params, **options)
    _train(rushlight, optimizer, params, 5)
    copies = [p.detach().clone().requires_grad_() for p in params]
    second = getattr(rushlight.optim, name)(copies, lr=123.0)
    second.load_state_dict(optimizer.state_dict())
    _train(rushlight, optimizer, params, 5)
    _train(rushlight, second, copies, 5)
    for p, q in zip(params, copies, strict=True):
        assert rushlight.equal(p, q)


def test_printing_and_groups_agree() -> None:
    texts = []
    for library in (rushlight, torch):
        a, b = library.ones(2, requires_grad=True), library.ones(3, requires_grad=True)
        optimizer = library.optim.SGD([{"params": [a], "lr": 0.5}, {"params": b}], lr=0.1, momentum=0.9)
        texts.append(repr(optimizer))
    assert texts[0] == texts[1]


def _raised(action: Any) -> type[Exception] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            action()
        except Exception as error:
            return type(error)
    return None


@pytest.mark.parametrize(
    "build",
    [
        lambda lib: lib.optim.SGD([], lr=0.1),
        lambda lib: lib.optim.SGD(lib.ones(2), lr=0.1),
        lambda lib: lib.optim.SGD([1.0], lr=0.1),
        lambda lib: lib.optim.SGD([lib.ones(2, requires_grad=True) * 2], lr=0.1),
        lambda lib: lib.optim.SGD([lib.ones(2, requires_grad=True)], lr=-0.1),
        lambda lib: lib.optim.SGD([lib.ones(2, requires_grad=True)], lr=0.1, momentum=-1),
        lambda lib: lib.optim.SGD([lib.ones(2, requires_grad=True)], lr=0.1, nesterov=True),
        lambda lib: lib.optim.Adam([lib.ones(2, requires_grad=True)], betas=(1.0, 0.9)),
        lambda lib: lib.optim.Adam([lib.ones(2, requires_grad=True)], eps=-1),
        lambda lib: lib.optim.RMSprop([lib.ones(2, requires_grad=True)], alpha=-1),
        lambda lib: lib.optim.Adadelta([lib.ones(2, requires_grad=True)], rho=2),
        lambda lib: lib.optim.SGD([{"params": [p]} for p in [lib.ones(1)] * 2], lr=0.1),
        lambda lib: lib.optim.SGD({lib.ones(1, requires_grad=True)}, lr=0.1).add_param_group(
            {"params": {lib.ones(1)}}
        ),
        lambda lib: lib.optim.SGD([lib.ones(1, requires_grad=True)], lr=0.1).load_state_dict(
            {"state": {}, "param_groups": []}
        ),
    ],
)
def test_errors_agree(build: Any) -> None:
    expected = _raised(lambda: build(torch))
    assert expected is not None
    assert _raised(lambda: build(rushlight)) is expected


SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.3}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 4}),
    ("LinearLR", {"start_factor": 0.2, "end_factor": 0.9, "total_iters": 6}),
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.95**epoch}),
    ("LambdaLR", {"lr_lambda": [lambda epoch: 0.95**epoch, lambda epoch: epoch / 10]}),
    ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.8}),
    ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 30}),
    (
        "OneCycleLR",
        {
            "max_lr": [1.0, 0.5],
            "epochs": 5,
            "steps_per_epoch": 6,
            "three_phase": True,
            "anneal_strategy": "linear",
        },
    ),
]


def _two_groups(library: Any, kind: str = "SGD") -> Any:
    a, b = library.ones(2, requires_grad=True), library.ones(3, requires_grad=True)
    options = {"momentum": 0.9} if kind == "SGD" else {}
    return getattr(library.optim, kind)([{"params": [a], "lr": 0.5}, {"params": [b]}], lr=0.1, **options)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize(("name", "options"), SCHEDULES)
def test_rates_agree(name: str, options: dict[str, Any], kind: str) -> None:
    histories = []
    for library in (rushlight, torch):
        optimizer = _two_groups(library, kind)
        schedule = getattr(library.optim.lr_scheduler, name)(optimizer, **options)
        seen = []
        for _ in range(25):
            seen.append(
                [
                    *schedule.get_last_lr(),
                    *[g.get("momentum", g.get("betas")) for g in optimizer.param_groups],
                ]
            )
            optimizer.step()
            schedule.step()
        histories.append((seen, schedule.last_epoch, schedule._step_count))
    assert histories[0][1:] == histories[1][1:]
    for mine, its in zip(histories[0][0], histories[1][0], strict=True):
        for x, y in zip(mine, its, strict=True):
            assert np.allclose(x, y, rtol=1e-12, atol=0)


def test_a_schedule_resumes_from_its_state() -> None:
    optimizer = _two_groups(rushlight)
    schedule = rushlight.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    for _ in range(4):
        optimizer.step()
        schedule.step()
    other = _two_groups(rushlight)
    resumed = rushlight.optim.lr_scheduler.CosineAnnealingLR(other, T_max=3)
    resumed.load_state_dict(schedule.state_dict())
    other.load_state_dict(optimizer.state_dict())
    for _ in range(4):
        for o, s in ((optimizer, schedule), (other, resumed)):
            o.step()
            s.step()
    assert schedule.get_last_lr() == resumed.get_last_lr()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mode": "max", "threshold_mode": "abs", "threshold": 0.05},
        {"factor": 0.5, "patience": 1, "cooldown": 2, "min_lr": 0.02},
    ],
)
def test_reduce_on_plateau_agrees(options: dict[str, Any]) -> None:
    metrics = [1.0, 0.9, 0.91, 0.92, 0.9, 0.89, math.nan, 0.95, *[0.9] * 14, 0.1, *[0.2] * 12]
    histories = []
    for library in (rushlight, torch):
        optimizer = _two_groups(library)
        schedule = library.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **{"patience": 3, **options})
        seen = []
        for metric in metrics:
            schedule.step(metric)
            seen.append((schedule.get_last_lr(), schedule.num_bad_epochs, schedule.best))
        histories.append(seen)
    assert histories[0] == histories[1]


@pytest.mark.parametrize(
    "build",
    [
        lambda lib: lib.optim.lr_scheduler.StepLR("no optimizer", 3),
        lambda lib: lib.optim.lr_scheduler.LambdaLR(_two_groups(lib), [lambda e: 1.0]),
        lambda lib: lib.optim.lr_scheduler.OneCycleLR(_two_groups(lib), max_lr=1.0),
        lambda lib: lib.optim.lr_scheduler.OneCycleLR(_two_groups(lib), max_lr=1.0, total_steps=-1),
        lambda lib: lib.optim.lr_scheduler.OneCycleLR(
            _two_groups(lib), max_lr=1.0, total_steps=3, pct_start=2.0
        ),
        lambda lib: lib.optim.lr_scheduler.ReduceLROnPlateau(_two_groups(lib), factor=1.0),
        lambda lib: lib.optim.lr_scheduler.ReduceLROnPlateau(_two_groups(lib), mode="sideways"),
        lambda lib: lib.optim.lr_scheduler.StepLR(_two_groups(lib), 3, last_epoch=4),
        lambda lib: lib.optim.lr_scheduler.LinearLR(_two_groups(lib), start_factor=0),
    ],
)
def test_schedule_errors_agree(build: Any) -> None:
    expected = _raised(lambda: build(torch))
    assert expected is not None
    assert _raised(lambda: build(rushlight)) is expected


def test_a_schedule_before_the_optimizer_warns() -> None:
    optimizer = _two_groups(rushlight)
    schedule = rushlight.optim.lr_scheduler.StepLR(optimizer, 3)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        schedule.step()


def test_an_optimizer_of_ones_own_in_pytorch_style() -> None:
    class Plain(rushlight.optim.Optimizer):
        def __init__(self, params: Any, lr: float) -> None:
            super().__init__(params, {"lr": lr})

        @rushlight.no_grad()
        def step(self, closure: Any = None) -> Any:
            loss = None
            if closure is not None:
                with rushlight.enable_grad():
                    loss = closure()
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.add_(p.grad, alpha=-group["lr"])
                        self.state[p]["count"] = self.state[p].get("count", 0) + 1
            return loss

    w = rushlight.tensor([1.0, 2.0], requires_grad=True)
    optimizer = Plain([w], lr=0.25)
    calls = []
    optimizer.register_step_pre_hook(lambda *args: calls.append("before"))
    optimizer.register_step_post_hook(lambda *args: calls.append("after"))

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 5.0
    assert w.tolist() == [0.5, 1.0]
    assert optimizer.state_dict()["state"] == {0: {"count": 1}}
    assert calls == ["before", "after"]
