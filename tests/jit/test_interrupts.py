"""A signal's handler that raises in the middle of a compiled call leaves what eager mode would have left."""

from __future__ import annotations

import gc
import sys
from typing import Any

import pytest

import rushlight as torch
from rushlight.jit import static_tape
from rushlight.jit.recorded import ACTIVE
from rushlight.runtime import programs, recording
from rushlight.runtime.pending import Pending

MODES: dict[str, dict[str, Any]] = {
    "recorded": {"options": {"replay": False}},
    "replayed": {},
    "static": {"fullgraph": True},
}


class Interrupt(BaseException):
    pass


class Program:
    """A step that changes tensors, keeps new ones and has gradients; the constants make every one a new program."""

    made = 0

    def __init__(self) -> None:
        Program.made += 1
        self.factor = 3.0 + Program.made / 1024
        self.first, self.second = torch.zeros(3), torch.zeros(3)
        self.weight = torch.nn.Parameter(torch.ones(3))
        self.kept: list[Any] = [None]

    def step(self, x: Any) -> Any:
        self.first.add_(1)
        y = (x * self.weight * self.factor).sin()
        self.second.add_(y.detach())
        y.sum().backward()
        return y

    def keep(self, x: Any) -> None:
        self.first.add_(1)
        self.kept[0] = x * self.factor

    def check_as_it_was(self) -> None:
        assert getattr(ACTIVE, "tape", None) is None
        assert not static_tape.tracing.locked()
        assert sys.getprofile() is None
        assert gc.isenabled()
        for tensor in (self.first, self.second, self.weight):
            assert type(tensor._array) is not Pending or tensor._array.tape.finished


def interrupted(function: Any, *arguments: Any) -> None:
    with pytest.raises(Interrupt):
        function(*arguments)


@pytest.mark.parametrize("mode", MODES)
def test_an_interrupt_while_a_program_is_compiled(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program()
    step = torch.compile(program.step, **MODES[mode])
    x = torch.ones(3)

    def interrupt(*arguments: Any) -> Any:
        raise Interrupt

    programs.forget()  # what an earlier test compiled
    with monkeypatch.context() as patch:
        patch.setattr(programs, "built", interrupt)
        interrupted(step, x)
    program.check_as_it_was()
    # All operations that had been asked for are done. (A recording may be run before the function ends.)
    expected = (x * program.factor).sin()
    assert program.first.tolist() == [1, 1, 1]
    assert torch.allclose(program.second, expected)
    gradient = program.weight.grad
    assert gradient is not None or mode != "static"
    assert gradient is None or torch.allclose(gradient, (x * program.factor).cos() * program.factor)
    for _ in range(8):
        assert torch.allclose(step(x).detach(), expected)
    assert program.first.tolist() == [9, 9, 9]


@pytest.mark.parametrize("mode", ["recorded", "replayed"])
def test_tensors_that_a_call_keeps_are_computed(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program()
    keep = torch.compile(program.keep, **MODES[mode])

    def interrupt(*arguments: Any) -> Any:
        raise Interrupt

    programs.forget()  # what an earlier test compiled
    with monkeypatch.context() as patch:
        patch.setattr(programs, "built", interrupt)
        interrupted(keep, torch.full((3,), 2.0))
    assert torch.allclose(program.kept[0], torch.full((3,), 2 * program.factor))


@pytest.mark.parametrize("mode", MODES)
def test_an_interrupt_between_two_operations(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program()
    step = torch.compile(program.step, **MODES[mode])
    node = recording.Tape.node

    class Half:
        def __init__(self, stop: int) -> None:
            self.stop, self.count = stop, 0

        def __call__(self, tape: Any, key: Any, type_: Any) -> Any:
            self.count += 1
            if self.count == self.stop:
                tape.keys.append(key)  # and nothing of the node beside
                raise Interrupt
            return node(tape, key, type_)

    for stop in range(2, 12):
        first = float(program.first[0])
        half = Half(stop)
        with monkeypatch.context() as patch:
            patch.setattr(recording.Tape, "node", lambda tape, key, type_, half=half: half(tape, key, type_))
            interrupted(step, torch.ones(3))
        program.check_as_it_was()
        assert float(program.first[0]) - first in (0.0, 1.0)
        program.weight.grad = None
    first = float(program.first[0])
    assert torch.allclose(step(torch.ones(3)).detach(), torch.full((3,), program.factor).sin())
    assert float(program.first[0]) == first + 1


def test_an_interrupt_while_a_replay_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program()
    step = torch.compile(program.step)
    x = torch.ones(3)

    def interrupt(*arguments: Any) -> Any:
        raise Interrupt

    stopped = 0
    for call in range(8):
        with monkeypatch.context() as patch:
            if not stopped:
                patch.setattr(static_tape.StaticTape, "program", interrupt)
            try:
                step(x)
            except Interrupt:
                stopped = call
                program.check_as_it_was()
                assert program.first.tolist() == [call] * 3  # nothing of it has happened
    assert stopped
    assert program.first.tolist() == [7, 7, 7]
