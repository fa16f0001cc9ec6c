"""Learning-rate schedules and weight averaging: one program for both libraries, which must tell the same story."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .stories import Story, compare, message, raised

pytestmark = pytest.mark.parity


class Torch:
    """What the programs below use of a library."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.L = torch.optim.lr_scheduler
        self.S = torch.optim.swa_utils

    def sgd(self, groups: int = 1, kind: str = "SGD", **options: Any) -> Any:
        params = [
            {"params": [self.torch.nn.Parameter(self.torch.ones(2))], "lr": 0.1 * (i + 1)}
            for i in range(groups)
        ]
        if kind == "SGD":
            options.setdefault("momentum", 0.9)
        return getattr(self.torch.optim, kind)(params, lr=0.1, **options)


def walk(optimizer: Any, schedule: Any, steps: int = 12, story: Story | None = None) -> Story:
    story = [] if story is None else story
    for _ in range(steps):
        group = optimizer.param_groups[0]
        story.append(
            [
                schedule.get_last_lr(),
                [g["lr"] for g in optimizer.param_groups],
                group.get("momentum"),
                group.get("betas"),
                getattr(schedule, "last_epoch", None),
            ]
        )
        optimizer.step()
        schedule.step()
    state = {
        key: value
        for key, value in schedule.state_dict().items()
        if key not in ("milestones", "_scale_fn_ref")
    }
    return [*story, state, sorted(key for key in optimizer.param_groups[0] if key != "params")]


KINDS: dict[str, Callable[[Torch, Any], Any]] = {
    "StepLR": lambda t, o: t.L.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda t, o: t.L.MultiStepLR(o, [2, 4, 4, 7], 0.5),
    "ConstantLR": lambda t, o: t.L.ConstantLR(o, 0.25, 4),
    "LinearLR": lambda t, o: t.L.LinearLR(o, 0.25, 0.75, 5),
    "ExponentialLR": lambda t, o: t.L.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda t, o: t.L.PolynomialLR(o, 6, 2.0),
    "CosineAnnealingLR": lambda t, o: t.L.CosineAnnealingLR(o, 4, 0.01),
    "LambdaLR": lambda t, o: t.L.LambdaLR(o, lambda epoch: 0.9**epoch),
    "MultiplicativeLR": lambda t, o: t.L.MultiplicativeLR(o, lambda epoch: 0.9 + 0.01 * epoch),
    "WarmRestarts": lambda t, o: t.L.CosineAnnealingWarmRestarts(o, 3),
    "WarmRestarts growing": lambda t, o: t.L.CosineAnnealingWarmRestarts(o, 2, 2, 0.01),
    "CyclicLR": lambda t, o: t.L.CyclicLR(o, 0.01, 0.1, 3),
    "CyclicLR uneven": lambda t, o: t.L.CyclicLR(o, 0.01, 0.1, 2, 4, "triangular2", base_momentum=0.5),
    "CyclicLR exp": lambda t, o: t.L.CyclicLR(
        o, 0.01, 0.1, 2, mode="exp_range", gamma=0.9, cycle_momentum=False
    ),
    "CyclicLR own": lambda t, o: t.L.CyclicLR(o, 0.01, 0.1, 2, scale_fn=lambda x: 1 / x, scale_mode="cycle"),
    "OneCycleLR": lambda t, o: t.L.OneCycleLR(o, 0.5, 12),
    "OneCycleLR linear": lambda t, o: t.L.OneCycleLR(
        o, 0.5, epochs=3, steps_per_epoch=5, anneal_strategy="linear", three_phase=True, pct_start=0.25
    ),
    "SWALR": lambda t, o: t.S.SWALR(o, 0.5, 4),
    "SWALR linear": lambda t, o: t.S.SWALR(o, 0.05, 3, "linear"),
    "SWALR at once": lambda t, o: t.S.SWALR(o, 0.05, 0),
    "SequentialLR": lambda t, o: t.L.SequentialLR(
        o, [t.L.ConstantLR(o, 0.5, 3), t.L.ExponentialLR(o, 0.9), t.L.StepLR(o, 2, 0.1)], [3, 6]
    ),
    "SequentialLR warm": lambda t, o: t.L.SequentialLR(
        o,
        [t.L.LinearLR(o, 0.1, 1, 3), t.L.CosineAnnealingLR(o, 5), t.L.CosineAnnealingWarmRestarts(o, 2)],
        [3, 8],
    ),
    "SequentialLR nested": lambda t, o: t.L.SequentialLR(
        o,
        [
            t.L.SequentialLR(o, [t.L.LinearLR(o, 0.1, 1, 2), t.L.ExponentialLR(o, 0.9)], [2]),
            t.L.PolynomialLR(o, 4),
        ],
        [5],
    ),
    "SequentialLR one cycle": lambda t, o: t.L.SequentialLR(
        o, [t.L.ConstantLR(o, 0.5, 3), t.L.OneCycleLR(o, 0.9, 12)], [3]
    ),
    "ChainedScheduler": lambda t, o: t.L.ChainedScheduler(
        [t.L.ConstantLR(o, 0.5, 3), t.L.ExponentialLR(o, 0.9)]
    ),
    "ChainedScheduler three": lambda t, o: t.L.ChainedScheduler(
        [t.L.LinearLR(o, 0.5, 1, 3), t.L.StepLR(o, 2, 0.5), t.L.CosineAnnealingLR(o, 6)], o
    ),
}


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_rates(kind: str, groups: int) -> None:
    def program(torch: Any) -> Story:
        given = Torch(torch)
        optimizer = given.sgd(groups)
        return walk(optimizer, KINDS[kind](given, optimizer))

    compare(program)


@pytest.mark.parametrize("kind", KINDS)
def test_first_beta_for_momentum(kind: str) -> None:
    def program(torch: Any) -> Story:
        given = Torch(torch)
        optimizer = given.sgd(kind="Adam")
        return walk(optimizer, KINDS[kind](given, optimizer), 5)

    compare(program)


@pytest.mark.parametrize("kind", KINDS)
def test_state_carries_over(kind: str) -> None:
    def program(torch: Any) -> Story:
        given = Torch(torch)
        optimizer = given.sgd()
        schedule = KINDS[kind](given, optimizer)
        walk(optimizer, schedule, 5)
        other = given.sgd()
        resumed = KINDS[kind](given, other)
        other.load_state_dict(optimizer.state_dict())
        resumed.load_state_dict(schedule.state_dict())
        return walk(other, resumed, 5)

    compare(program)


RESUMING: dict[str, Callable[[Torch, Any], Any]] = {
    "StepLR": lambda t, o: t.L.StepLR(o, 3, 0.5, last_epoch=2),
    "MultiStepLR": lambda t, o: t.L.MultiStepLR(o, [3, 5], 0.5, last_epoch=2),
    "ConstantLR": lambda t, o: t.L.ConstantLR(o, 0.25, 4, last_epoch=2),
    "LinearLR": lambda t, o: t.L.LinearLR(o, 0.25, 0.75, 5, last_epoch=2),
    "ExponentialLR": lambda t, o: t.L.ExponentialLR(o, 0.9, last_epoch=2),
    "PolynomialLR": lambda t, o: t.L.PolynomialLR(o, 6, 2.0, last_epoch=2),
    "CosineAnnealingLR": lambda t, o: t.L.CosineAnnealingLR(o, 4, 0.01, last_epoch=2),
    "LambdaLR": lambda t, o: t.L.LambdaLR(o, lambda epoch: 0.9**epoch, last_epoch=2),
    "MultiplicativeLR": lambda t, o: t.L.MultiplicativeLR(o, lambda epoch: 0.9, last_epoch=2),
    "WarmRestarts": lambda t, o: t.L.CosineAnnealingWarmRestarts(o, 3, 2, last_epoch=2),
    "CyclicLR": lambda t, o: t.L.CyclicLR(o, 0.01, 0.1, 3, cycle_momentum=False, last_epoch=2),
}


@pytest.mark.parametrize("kind", RESUMING)
def test_resumed_by_number(kind: str) -> None:
    def program(torch: Any) -> Story:
        given = Torch(torch)
        optimizer = given.sgd()
        story = [raised(lambda: RESUMING[kind](given, optimizer))]
        for group in optimizer.param_groups:
            group["initial_lr"] = 0.2
        return walk(optimizer, RESUMING[kind](given, optimizer), 5, story)

    compare(program)


@pytest.mark.parametrize(
    "kind", ["StepLR", "ExponentialLR", "WarmRestarts growing", "CosineAnnealingLR", "PolynomialLR"]
)
def test_step_with_an_epoch(kind: str) -> None:
    def program(torch: Any) -> Story:
        given = Torch(torch)
        optimizer = given.sgd()
        schedule = KINDS[kind](given, optimizer)
        story: Story = []
        for epoch in (1, 3, 2, 7, 0):
            optimizer.step()
            schedule.step(epoch)
            story.append([schedule.get_last_lr(), schedule.last_epoch])
        if "Warm" in kind:
            for epoch in (0.5, 1.25, 6.5, 9):
                schedule.step(epoch)
                story.append([schedule.get_last_lr(), schedule.last_epoch, schedule.T_cur, schedule.T_i])
        return story

    compare(program)


@pytest.mark.parametrize("kind", ["StepLR", "LinearLR", "CosineAnnealingLR", "ExponentialLR", "LambdaLR"])
def test_rate_as_a_tensor(kind: str) -> None:
    def program(torch: Any) -> Story:
        given = Torch(torch)
        rate = torch.tensor(0.1)
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=rate)
        schedule = KINDS[kind](given, optimizer)
        story: Story = []
        for _ in range(6):
            optimizer.step()
            schedule.step()
            story.append([rate, schedule.get_last_lr(), optimizer.param_groups[0]["lr"] is rate])
        return story

    compare(program)


def test_wrong_arguments() -> None:
    def program(torch: Any) -> Story:
        given = Torch(torch)
        L, S = given.L, given.S
        one, other = given.sgd(), given.sgd()
        plateau = L.ReduceLROnPlateau(one)
        calls = [
            lambda: L.CyclicLR(given.sgd(kind="Adagrad"), 0.1, 0.2),
            lambda: L.CyclicLR(one, 0.1, 0.2, mode="x"),
            lambda: L.CyclicLR(one, [0.1, 0.1], 0.2),
            lambda: L.CyclicLR(3, 0.1, 0.2),
            lambda: L.CosineAnnealingWarmRestarts(one, 0),
            lambda: L.CosineAnnealingWarmRestarts(one, 1, 1.5),
            lambda: L.CosineAnnealingWarmRestarts(one, 1, eta_min="a"),
            lambda: L.CosineAnnealingWarmRestarts(one, 3).step(-1),
            lambda: L.SequentialLR(one, [], []),
            lambda: L.SequentialLR(one, [L.StepLR(one, 1)], [1]),
            lambda: L.SequentialLR(one, [L.StepLR(one, 1), L.StepLR(other, 1)], [1]),
            lambda: L.SequentialLR(one, [plateau, L.StepLR(one, 1)], [1]),
            lambda: L.ChainedScheduler([]),
            lambda: L.ChainedScheduler([L.StepLR(one, 1), L.StepLR(other, 1)]),
            lambda: L.ChainedScheduler([plateau]),
            lambda: L.LambdaLR(one, [1, 2]),
            lambda: L.ReduceLROnPlateau(one, min_lr=[1, 2]),
            lambda: S.SWALR(one, [0.1, 0.2]),
            lambda: S.SWALR(one, 0.1, anneal_strategy="x"),
            lambda: S.SWALR(one, 0.1, -1),
            lambda: S.get_ema_avg_fn(2),
            lambda: S.get_ema_multi_avg_fn(-1),
            lambda: S.AveragedModel(torch.nn.Linear(1, 1), avg_fn=1, multi_avg_fn=2),
            lambda: L.StepLR(one, 1).get_lr(),
        ]
        return [message(call) for call in calls]

    compare(program)


@pytest.mark.parametrize("way", ["mean", "own", "ema", "ema_multi", "swa", "swa_multi", "buffers"])
def test_averaged_model(way: str) -> None:
    def program(torch: Any) -> Story:
        S = torch.optim.swa_utils
        options: dict[str, Any] = {
            "mean": {},
            "own": {"avg_fn": lambda average, value, count: 0.25 * average + 0.75 * value + count},
            "ema": {"avg_fn": S.get_ema_avg_fn(0.9)},
            "ema_multi": {"multi_avg_fn": S.get_ema_multi_avg_fn(0.9), "use_buffers": True},
            "swa": {"avg_fn": S.get_swa_avg_fn()},
            "swa_multi": {"multi_avg_fn": S.get_swa_multi_avg_fn()},
            "buffers": {"use_buffers": True},
        }[way]
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        average = S.AveragedModel(model, **options)
        data = torch.randn(6, 5, 3)
        for batch in data:
            optimizer.zero_grad()
            (model(batch) ** 2).sum().backward()
            optimizer.step()
            average.update_parameters(model)
        story: Story = [dict(average.state_dict()), repr(average), average.training]
        S.update_bn(data, average)
        story.append(dict(average.state_dict()))
        average.eval()
        S.update_bn([(batch, 1) for batch in data], average)
        return [
            *story,
            dict(average.state_dict()),
            average.training,
            average(data[0]),
            average.module[1].momentum,
        ]

    compare(program)


def test_update_bn_without_norms() -> None:
    def program(torch: Any) -> Story:
        torch.optim.swa_utils.update_bn(iter(()), torch.nn.Linear(1, 1))
        return []

    compare(program)
