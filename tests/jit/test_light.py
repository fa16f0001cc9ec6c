"""Functions whose operations are too small to be worth recording run eagerly, and the same is computed."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as torch
from rushlight.jit import light


@pytest.fixture(autouse=True)
def with_a_compiler() -> None:
    from rushlight.runtime.programs import compiles

    if not compiles():
        pytest.skip("there is no compiler here")


class Steps:
    """A function that reads a value in every line, and how it was run."""

    def __init__(self) -> None:
        self.tapes: list[bool] = []
        self.compiling: list[bool] = []

    def __call__(self, x: Any, factor: float = 1.0) -> Any:
        from rushlight.jit.recorded import ACTIVE

        self.tapes.append(getattr(ACTIVE, "tape", None) is not None)
        self.compiling.append(torch.compiler.is_compiling())
        total = 0.0
        for k in range(4):
            x = (x * 0.5 + k * factor).tanh()
            total += x.sum().item()
        return x * total


def test_light_calls_are_not_recorded_any_more() -> None:
    steps = Steps()
    compiled = torch.compile(steps.__call__)
    for k in range(light.CALLS + 10):
        x = torch.full((5,), 0.1 * k)
        torch.testing.assert_close(compiled(x), Steps()(x))
    assert steps.tapes == [True] * light.CALLS + [False] * 10
    assert all(steps.compiling)


def test_one_call_in_many_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(light, "EAGER", 5)
    steps = Steps()
    compiled = torch.compile(steps.__call__)
    for _ in range(light.CALLS + 12):
        compiled(torch.ones(3))
    assert steps.tapes[light.CALLS :] == [*[False] * 5, True] * 2


def test_a_larger_argument_is_recorded() -> None:
    steps = Steps()
    compiled = torch.compile(steps.__call__)
    for _ in range(light.CALLS + 1):
        compiled(torch.ones(3))
    assert not steps.tapes[-1]
    for given in ((torch.ones(200_000),), (torch.ones(3),)):
        compiled(*given)
        assert steps.tapes[-1]


def test_keyword_arguments_are_looked_at_too() -> None:
    steps = Steps()
    compiled = torch.compile(steps.__call__)
    for _ in range(light.CALLS + 1):
        compiled(x=torch.ones(3))
    assert not steps.tapes[-1]
    compiled(x=torch.ones(4000))
    assert steps.tapes[-1]


def test_work_on_large_arrays_is_recorded() -> None:
    steps = Steps()
    compiled = torch.compile(steps.__call__)
    for _ in range(light.CALLS + 4):
        compiled(torch.ones(100_000))
    assert all(steps.tapes)


def test_large_arrays_that_come_from_small_arguments_are_recorded() -> None:
    from rushlight.jit.recorded import ACTIVE

    tapes = []

    def function(x: Any) -> Any:
        tapes.append(getattr(ACTIVE, "tape", None) is not None)
        y = x[:, None] * x
        return y.sum().item() + (y + 1).sum().item()

    compiled = torch.compile(function)
    for _ in range(light.CALLS + 4):
        compiled(torch.ones(500))
    assert all(tapes)


def test_python_on_every_call_is_recorded_where_one_asks_for_it() -> None:
    steps = Steps()
    compiled = torch.compile(steps.__call__, options={"replay": False})
    for _ in range(light.CALLS + 4):
        compiled(torch.ones(3))
    assert all(steps.tapes)


def test_what_can_be_replayed_is_replayed() -> None:
    runs = []

    def function(x: Any) -> Any:
        return (x * 2 + 1).tanh()

    compiled = torch.compile(function)
    for _ in range(light.CALLS + 10):
        runs.append(compiled(torch.ones(3)))
    assert not compiled._compiled.light.eager
    assert any(kind.programs for kind in compiled._compiled.replay.kinds.values())


def test_gradients_and_errors_in_eager_calls() -> None:
    w = torch.ones(3, requires_grad=True)

    def function(x: Any, fails: bool = False) -> Any:
        y = (w * x).sum()
        if y.item() > 100 or fails:
            raise ValueError("too large")
        return y

    compiled = torch.compile(function)
    for _ in range(light.CALLS + 3):
        w.grad = None
        compiled(torch.ones(3)).backward()
        assert w.grad.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="too large"):
        compiled(torch.ones(3), True)
    assert not torch.compiler.is_compiling()


def test_explain_says_so() -> None:
    steps = Steps()
    compiled = torch.compile(steps.__call__)
    compiled(torch.ones(3))
    assert "eagerly" not in str(torch.explain(compiled, torch.ones(3)))
    for _ in range(light.CALLS):
        compiled(torch.ones(3))
    assert "run eagerly" in str(torch.explain(compiled, torch.ones(3)))
