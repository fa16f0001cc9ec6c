"""What ordinary model code does in Python is part of a static graph where that is safe, and refused where it is not."""

from __future__ import annotations

import warnings

import pytest

import rushlight as torch

from .programs_with_ordinary_code import PROGRAMS, REFUSED
from .test_adversarial import same, seed


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in PROGRAMS if name not in REFUSED])
def test_a_static_graph_does_it(name: str) -> None:
    seed()
    expected = PROGRAMS[name](lambda function: function)
    seed()
    same(PROGRAMS[name](lambda function: torch.compile(function, fullgraph=True)), expected)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_static_graph_would_be_wrong(name: str) -> None:
    with pytest.raises(RuntimeError, match=r"compile\(fullgraph=True\)"):
        PROGRAMS[name](lambda function: torch.compile(function, fullgraph=True))


def test_a_warning_is_given_when_the_graph_is_recorded() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        warnings.warn("careful", UserWarning, stacklevel=2)
        return x * 2

    compiled = torch.compile(function, fullgraph=True)
    with pytest.warns(UserWarning, match="careful"):
        assert compiled(torch.ones(1)).item() == 2.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiled(torch.ones(1)).item() == 2.0  # later calls do not run Python


def test_what_is_made_when_it_is_first_needed_costs_one_recording_more() -> None:
    cache: dict[int, torch.Tensor] = {}
    runs = []

    def function(x: torch.Tensor) -> torch.Tensor:
        if len(x) not in cache:
            cache[len(x)] = torch.arange(len(x)) * 2.0
        return x + cache[len(x)]

    compiled = torch.compile(function, fullgraph=True)
    for _ in range(4):
        assert compiled(torch.ones(3)).tolist() == [1.0, 3.0, 5.0]
        runs.append(len(compiled._compiled.variants))
    assert runs == [0, 1, 1, 1]
    assert list(cache) == [3]


def test_getattr_is_itself_again() -> None:
    import builtins

    before = builtins.getattr, builtins.hasattr
    compiled = torch.compile(lambda x: x * getattr(x, "missing", 2), fullgraph=True)
    assert compiled(torch.ones(1)).item() == 2.0
    with pytest.raises(RuntimeError, match="value of a tensor"):
        torch.compile(lambda x: x if x.sum() > 0 else -x, fullgraph=True)(torch.ones(1))
    assert (builtins.getattr, builtins.hasattr) == before


def test_dataclasses_among_the_arguments_are_read_on_every_call() -> None:
    import dataclasses

    @dataclasses.dataclass
    class Options:
        gain: float = 2.0

    compiled = torch.compile(lambda x, options: x * options.gain, fullgraph=True)
    options = Options()
    assert compiled(torch.ones(1), options).item() == 2.0
    assert compiled(torch.ones(1), options).item() == 2.0
    options.gain = 3.0
    assert compiled(torch.ones(1), options).item() == 3.0
    assert compiled(torch.ones(1), Options(4.0)).item() == 4.0
