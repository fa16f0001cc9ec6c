"""Compiled modules as objects: copied, pickled, saved."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import rushlight as torch


def saved(model: Any) -> Any:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("kwargs", [{}, {"fullgraph": True}, {"backend": "eager"}], ids=str)
@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("again", [lambda m: pickle.loads(pickle.dumps(m)), saved, copy.deepcopy])
def test_copies_compile_their_own(again: Callable[[Any], Any], called: bool, kwargs: dict[str, Any]) -> None:
    model = torch.compile(torch.nn.Linear(3, 2), **kwargs)
    x = torch.ones(4, 3)
    if called:
        model(x)
    model.eval()
    copied = again(model)
    assert type(copied) is type(model) and not copied.training
    assert list(copied.state_dict()) == ["_orig_mod.weight", "_orig_mod.bias"]
    assert torch.equal(copied(x), model(x))
    with torch.no_grad():
        copied.weight.zero_()
    assert copied(x).tolist() == [copied.bias.tolist()] * 4
    assert not torch.equal(copied(x), model(x))


def test_lazy_modules_take_their_sizes_from_the_first_call_of_a_static_graph():
    def outcomes(compile: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.LazyConv2d(4, 3), torch.nn.LazyBatchNorm2d(), torch.nn.Flatten(), torch.nn.LazyLinear(3)
        )
        call = torch.compile(model, fullgraph=True) if compile else model
        results = []
        for _ in range(4):
            results.append(call(torch.randn(2, 3, 6, 6)))
            results[-1].sum().backward()
        assert isinstance(model[3], torch.nn.Linear)
        if compile:
            assert call._call._compiled.variants  # the sizes known, a recording is kept
        return [*results, *(p.grad for p in model.parameters())]

    for compiled, eager in zip(outcomes(True), outcomes(False), strict=True):
        assert torch.allclose(compiled, eager, atol=1e-5)


class Remembering(torch.nn.Module):
    """Keeps what it saw last: in an attribute, in a list of an attribute, in a new list."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 3)
        self.last: torch.Tensor | None = None
        self.of_calls: list[torch.Tensor] = []
        self.both: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.last = self.linear(x).softmax(-1)
        self.of_calls.append(self.last)
        self.both = [self.last, x * 2]
        self.new = x + 1
        return self.last @ x.T


@pytest.mark.parametrize("fullgraph", [False, True])
@pytest.mark.parametrize("grad", [False, True])
def test_modules_may_keep_tensors_in_attributes(fullgraph: bool, grad: bool) -> None:
    torch.manual_seed(0)
    eager = Remembering()
    model = copy.deepcopy(eager)
    compiled = torch.compile(model, fullgraph=fullgraph)
    with torch.set_grad_enabled(grad):
        for n in range(5):
            x = torch.randn(4, 3)
            assert torch.allclose(compiled(x), eager(x), atol=1e-6)
            assert len(model.of_calls) == n + 1
            assert torch.allclose(model.last, eager.last)
            assert torch.equal(model.both[1], x * 2) and torch.equal(model.new, x + 1)
            assert model.last.requires_grad == grad
            if grad:
                for one in (model, eager):
                    (one(x).sum() + one.last[0, 0] + one.of_calls.pop()[1, 1]).backward()
    for one, other in zip(model.of_calls, eager.of_calls, strict=True):
        assert torch.allclose(one, other)
    if grad:
        assert torch.allclose(model.linear.weight.grad, eager.linear.weight.grad, atol=1e-5)


class Caching(torch.nn.Module):
    """Keeps a table, how long it is, and whether there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.length = 0
        self.made = False
        self.register_buffer("table", None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.made or len(x) > self.length:
            self.table = torch.arange(2.0 * len(x)).cos()
            self.length = 2 * len(x)
            self.made = True
        return x * self.table[: len(x)]


def test_a_static_graph_finds_the_table_that_its_first_call_has_made() -> None:
    model, eager = Caching(), Caching()
    compiled = torch.compile(model, fullgraph=True)
    for n in (3, 3, 3, 5, 5, 9, 9, 4):
        x = torch.randn(n)
        assert torch.allclose(compiled(x), eager(x), atol=1e-6)
        assert model.length == eager.length


def test_a_static_graph_still_refuses_to_count() -> None:
    class Counting(torch.nn.Module):
        calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return x * 2

    model = Counting()
    compiled = torch.compile(model, fullgraph=True)
    with pytest.raises(RuntimeError, match="Python's state"):
        for n in range(1, 7):
            compiled(torch.ones(2))
            assert model.calls == n
