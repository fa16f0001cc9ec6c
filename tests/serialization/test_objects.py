"""Objects of any class in checkpoints: loaded where a program trusts the file, or has declared their classes."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import io
import pickle
from typing import Any

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.serialization import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 3)
        self.norm = nn.BatchNorm1d(3)
        self.tied = self.linear.weight
        self.activation = torch.relu
        self.last = functools.partial(nn.functional.leaky_relu, negative_slope=0.2)

    def forward(self, x: Any) -> Any:
        return self.last(self.activation(self.norm(self.linear(x))))


@dataclasses.dataclass
class Point:
    x: int = 1
    y: Any = None


class Color(enum.Enum):
    RED = "r"


class WithState:
    def __init__(self, value: int) -> None:
        self.value = value

    def __getstate__(self) -> Any:
        return {"twice": self.value * 2}

    def __setstate__(self, state: Any) -> None:
        self.value = state["twice"] // 2


class Tagged(torch.Tensor):
    pass


class Words(list):  # type: ignore[type-arg]
    pass


Pair = collections.namedtuple("Pair", "a b")


def saved(obj: Any) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(obj, file)
    file.seek(0)
    return file


def trusted(obj: Any) -> Any:
    return torch.load(saved(obj), weights_only=False)


def test_modules() -> None:
    model = Net()
    copy = trusted(model)
    x = torch.randn(4, 2)
    assert torch.equal(model(x), copy(x)) and type(copy) is Net
    assert copy.tied is copy.linear.weight and copy.linear.weight is not model.linear.weight
    assert copy.activation is torch.relu


def test_optimizers_and_schedules() -> None:
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
    model(torch.randn(4, 2)).sum().backward()
    optimizer.step()
    together = trusted({"model": model, "optimizer": optimizer})
    assert together["optimizer"].param_groups[0]["params"][0] is together["model"].linear.weight
    assert together["optimizer"].state_dict()["state"][0]["step"] == 1
    schedule = trusted(torch.optim.lr_scheduler.StepLR(optimizer, 2))
    assert schedule.step_size == 2 and schedule.optimizer.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize(
    "value",
    [
        Point(3, "y"), Color.RED, Pair(1, 2), Words([1, 2]), collections.defaultdict(list, {1: [2]}), collections.deque([1], 3),
        int, len, ..., NotImplemented, type(None), Net.forward, torch.sqrt, nn.functional.relu, torch.float32,
    ],
)  # fmt: skip
def test_values(value: Any) -> None:
    found = trusted([value])[0]
    assert found == value and type(found) is type(value)


def test_state_identity_and_cycles() -> None:
    state = WithState(4)
    first, second = trusted([state, state])
    assert first is second and first.value == 4
    loop: list[Any] = []
    loop.append(Point(1, loop))
    made = trusted(loop)
    assert made[0].y is made
    assert trusted(trusted).__name__ == "trusted"
    assert trusted(Point().__init__)(5) is None  # type: ignore[misc]  # a bound method


def test_subclasses_of_tensor() -> None:
    tagged = torch.ones(2).as_subclass(Tagged)
    tagged.tag = "t"
    found = trusted({"a": tagged})["a"]
    assert type(found) is Tagged and found.tag == "t" and found.tolist() == [1, 1]
    with pytest.raises(pickle.UnpicklingError):
        torch.load(saved(tagged))


def test_nothing_is_made_without_trust() -> None:
    for value in (Point(), Net(), len, Words([1])):
        for given in ({}, {"weights_only": True}):
            with pytest.raises(pickle.UnpicklingError, match="Unsupported global"):
                torch.load(saved(value), **given)


def test_declared_classes() -> None:
    file = saved([Point(2, torch.ones(1)), WithState(3)])
    before = get_safe_globals()
    with safe_globals([Point, (WithState, f"{__name__}.WithState")]):
        point, state = torch.load(file)
        assert point.x == 2 and point.y.tolist() == [1] and state.value == 3
    assert get_safe_globals() == before
    file.seek(0)
    with safe_globals([Point]), pytest.raises(pickle.UnpicklingError, match="WithState"):
        torch.load(file)
    add_safe_globals([Point])
    clear_safe_globals()
    assert get_safe_globals() == []
    with pytest.raises(ValueError, match="tuple of 2 items"), safe_globals([(Point,)]):
        torch.load(file)


def test_files_of_pytorch(tmp_path: Any) -> None:
    theirs = pytest.importorskip("torch")
    model = theirs.nn.Sequential(theirs.nn.Linear(2, 3), theirs.nn.BatchNorm1d(3), theirs.nn.LSTM(3, 2))
    theirs.save({"model": model, "f": theirs.nn.functional.gelu, "g": theirs.sqrt}, tmp_path / "m.pt")
    found = torch.load(tmp_path / "m.pt", weights_only=False)
    assert type(found["model"]) is nn.Sequential and found["g"] is torch.sqrt
    x = theirs.randn(5, 2)
    assert torch.allclose(
        found["model"](torch.from_numpy(x.numpy()))[0],
        torch.from_numpy(model(x)[0].detach().numpy()),
        atol=1e-6,
    )


def test_public_functions_are_found_by_their_names() -> None:
    for name in (
        "relu",
        "gelu",
        "layer_norm",
        "leaky_relu",
        "cross_entropy",
        "scaled_dot_product_attention",
        "silu",
    ):
        function = getattr(nn.functional, name)
        assert pickle.loads(pickle.dumps(function)) is function
