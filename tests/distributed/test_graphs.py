"""Collectives and data-parallel training inside of compiled functions."""

from __future__ import annotations

import pytest

from .job import must_succeed

pytest.importorskip("llvmlite")


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_collectives_in_graphs_are_those_of_eager_mode(ranks: int) -> None:
    printed = must_succeed("graphs.py", ranks, seconds=150)
    assert sorted(printed.split("\n")[:-1]) == [f"fine {rank}" for rank in range(ranks)]


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_a_step_of_all_ranks_is_that_of_one_process(ranks: int) -> None:
    printed = must_succeed("parallel_step.py", ranks, seconds=150)
    assert sorted(printed.split("\n")[:-1]) == [f"fine {rank}" for rank in range(ranks)]


@pytest.mark.parametrize("ranks", [1, 2])
def test_collectives_in_tensorflow_graphs(ranks: int) -> None:
    printed = must_succeed("tensorflow.py", ranks, seconds=100)
    assert sorted(printed.split("\n")[:-1]) == [f"fine {rank}" for rank in range(ranks)]
