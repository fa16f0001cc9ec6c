"""``rushlight.utils.benchmark``: timers, what they say, and tables."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as torch
from rushlight.utils.benchmark import Compare, Measurement, TaskSpec, Timer, select_unit, trim_sigfig


class _Clock:
    """A clock that only the measured statement moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def read(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


def test_timeit_runs_the_statement_as_often_as_it_is_told() -> None:
    calls: list[int] = []
    measured = Timer("calls.append(torch.get_num_threads())", globals={"calls": calls}, num_threads=1).timeit(
        300
    )
    assert len(calls) == 303 and set(calls) == {1}  # three to warm up
    assert measured.number_per_run == 300 and len(measured.raw_times) == 1


def test_the_number_of_threads_is_put_back() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        Timer("1 / 0", num_threads=before + 1).timeit(1)
    assert torch.get_num_threads() == before


def test_statements_of_several_lines() -> None:
    kept: list[int] = []
    Timer(
        """
        value = start + 1
        kept.append(value)
        """,
        setup="start = 4",
        globals={"kept": kept},
    ).timeit(1)
    assert set(kept) == {5}


def test_blocks_go_on_until_there_was_time_enough() -> None:
    seen: list[tuple[int, float]] = []
    clock = _Clock()
    timer = Timer("clock.move(0.01)", globals={"clock": clock}, timer=clock.read)
    measured = timer.blocked_autorange(
        callback=lambda number, time: seen.append((number, time)), min_run_time=0.095
    )
    assert len(measured.raw_times) == len(seen) == 10
    assert {number for number, _ in seen} == {measured.number_per_run} == {1}
    assert measured.raw_times == [time for _, time in seen]


def test_adaptive_blocks_end_early_when_times_agree_and_in_time_when_not() -> None:
    clock = _Clock()
    steady = Timer("clock.move(0.02)", globals={"clock": clock}, timer=clock.read)
    assert len(steady.adaptive_autorange(min_run_time=0.01, max_run_time=10.0).raw_times) == 4
    steps = [0.1, 0.5]
    wild = Timer(
        "steps.reverse(); clock.move(steps[0])", globals={"clock": clock, "steps": steps}, timer=clock.read
    )
    assert 3.0 <= sum(wild.adaptive_autorange(min_run_time=0.01, max_run_time=3.0).raw_times) < 3.6


def test_errors() -> None:
    with pytest.raises(ValueError, match="str"):
        Timer(3)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="C\\+\\+"):
        Timer("x", language="c++")
    for method in ("repeat", "autorange", "collect_callgrind"):
        with pytest.raises(NotImplementedError):
            getattr(Timer("pass"), method)()
    with pytest.raises(NameError, match="unknown_name"):
        Timer("unknown_name").timeit(1)
    with pytest.raises(ValueError, match="no times"):
        _ = Measurement(1, [], TaskSpec("", "")).median
    with pytest.raises(ValueError, match="Measurement"):
        Compare([3])  # type: ignore[list-item]
    with pytest.raises(NotImplementedError):
        _ = torch.utils.benchmark.Fuzzer


def test_figures_of_a_measurement() -> None:
    measured = Measurement(10, [10.0, 20.0, 30.0, 40.0], TaskSpec("f()", "", num_threads=2, label="L"))
    assert measured.times == [1.0, 2.0, 3.0, 4.0]
    assert (measured.median, measured.mean, measured.iqr) == (2.5, 2.5, 1.5)
    assert measured.significant_figures == 1 and measured.has_warnings
    assert measured.meets_confidence(0.7) and not measured.meets_confidence(0.5)
    assert (measured.num_threads, measured.label, measured.stmt) == (2, "L", "f()")
    with pytest.raises(AttributeError):
        _ = measured.no_such_thing
    exact = Measurement(1, [1.0] * 8, TaskSpec("f()", ""))
    assert exact.significant_figures == 4 and not exact.has_warnings


def test_merging_joins_what_was_measured_of_one_task() -> None:
    one, other = TaskSpec("f()", ""), TaskSpec("f()", "", num_threads=2)
    merged = Measurement.merge(
        [
            Measurement(10, [10.0], one),
            Measurement(1, [5.0], other),
            Measurement(2, [4.0, 6.0], TaskSpec("f()", "")),
        ]
    )
    assert [(m.num_threads, m.times) for m in merged] == [(1, [1.0, 2.0, 3.0]), (2, [5.0])]


def test_units() -> None:
    assert [select_unit(t)[0] for t in (1e-12, 5e-9, 1e-6, 2e-3, 1.0, 1e6)] == [
        "ns",
        "ns",
        "us",
        "ms",
        "s",
        "s",
    ]
    assert (trim_sigfig(1234.5, 2), trim_sigfig(0.0, 2)) == (1200.0, 0.0)


def test_a_compare_is_laid_out_by_label_row_and_column(capsys: pytest.CaptureFixture[str]) -> None:
    def measured(time: float, **task: Any) -> Measurement:
        return Measurement(1, [time] * 3, TaskSpec("s", "", label="Dot", **task))

    compare = Compare(
        [measured(1e-6, sub_label="a", description="mul"), measured(3e-6, sub_label="a", description="bmm")]
    )
    compare.extend_results([measured(2e-6, sub_label="a", description="mul", num_threads=2)])
    compare.print()
    expected = """\
[-------- Dot --------]
         |  mul  |  bmm
1 threads: ------------
      a  |  1.0  |  3.0
2 threads: ------------
      a  |  2.0  |     

Times are in microseconds (us).

"""  # noqa: W291
    assert capsys.readouterr().out == expected
    compare.colorize(rowwise=True)
    assert "\033[2m\033[91m3.0\033[0m\033[0m" in str(compare)
