"""Measurements and comparisons print as PyTorch's, whatever the times, labels and options."""

from __future__ import annotations

import random
from typing import Any

import pytest

import rushlight.utils.benchmark as ours

torch = pytest.importorskip("torch")
theirs = pytest.importorskip("torch.utils.benchmark")
pytestmark = pytest.mark.parity


def _measurement(module: Any, draw: random.Random) -> Any:
    task = module.TaskSpec(
        stmt=draw.choice(["a", "a\nb", "foo(x)"]),
        setup=draw.choice(["", "pass", "s=1", "s=1\nt=2"]),
        label=draw.choice([None, "L"]),
        sub_label=draw.choice([None, "S"]),
        description=draw.choice([None, "D"]),
        env=draw.choice([None, "E"]),
        num_threads=draw.choice([1, 2, 8]),
    )
    # PyTorch calls times below a nanosecond seconds; ours stay nanoseconds.
    time, spread = 10 ** draw.uniform(-5.5, 2), draw.choice([0.001, 0.05, 0.1, 0.3])
    times = [time * (1 + draw.uniform(-spread, spread)) for _ in range(draw.choice([1, 2, 3, 4, 5, 9]))]
    return module.Measurement(draw.choice([1, 10, 100]), times, task)


@pytest.mark.parametrize("seed", range(40))
def test_measurements(seed: int) -> None:
    def described(module: Any) -> Any:
        measured = _measurement(module, random.Random(seed))
        text = repr(measured).split("\n", 1)[1]  # behind the class's place
        facts = [
            getattr(measured, name) for name in ("title", "as_row_name", "env", "has_warnings", "num_threads")
        ]
        return text, measured.significant_figures, facts

    assert described(ours) == described(theirs)


def _comparison(module: Any, draw: random.Random) -> Any:
    time = 10 ** draw.uniform(-7, 1)
    environments = draw.choice([[None], ["e1", "environment"]])
    threads = draw.choice([[1], [2, 1]])
    measured = [
        module.Measurement(
            1,
            [
                time * (1 + draw.choice([0, 0.005, 0.05, 0.3, 1.5, 6])) * (1 + draw.uniform(-0.02, 0.02))
                for _ in range(5)
            ],
            module.TaskSpec(
                "s", "", label=label, sub_label=row, description=column, env=env, num_threads=count
            ),
        )
        for label in draw.choice([["L"], ["Label one", "M"]])
        for row in ("a", "longer row", "mid")
        for column in ("d1", "a long column", "c")
        for env in environments
        for count in threads
        if draw.random() < 0.9
    ]
    compare = module.Compare(measured)
    if draw.random() < 0.5:
        compare.trim_significant_figures()
    colors = draw.choice([None, False, True])
    if colors is not None:
        compare.colorize(rowwise=colors)
    if draw.random() < 0.5:
        compare.highlight_warnings()
    return str(compare)


@pytest.mark.parametrize("seed", range(40))
def test_comparisons(seed: int) -> None:
    assert _comparison(ours, random.Random(seed)) == _comparison(theirs, random.Random(seed))
