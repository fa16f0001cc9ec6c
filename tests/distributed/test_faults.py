"""A rank that fails ends the job, soon and with one report."""

from __future__ import annotations

import pytest

from .job import run_job

# The bound is 30 seconds. Starting takes one or two; the slowest way to notice, a timeout, takes 2 here.
BOUND = 30


@pytest.mark.parametrize(
    ("how", "shown"),
    [
        ("raise", "ValueError: this rank is broken"),
        ("raise early", "ValueError: this rank is broken"),
        ("killed", "Killed (signal 9)"),
        ("leave", "rank 0 waits for rank 1, which has left the job"),
        ("leave at once", "rank 0 waits for rank 1, which has left the job"),
        ("raise in backward", "ValueError: this rank is broken"),
        ("stopped", "all_reduce: rank 0 waited 2 s for the other ranks of its group of 3"),
        ("leave early", "rank 0 waits for rank 1, whose program has ended"),
        ("destroy", "rank 0 waits for rank 1, which has left the job"),
        ("hang", "all_reduce: rank 0 waited 2 s for the other ranks of its group of 3"),
        ("hang in monitored barrier", "Rank 1 failed to pass monitoredBarrier"),
        ("raise in a graph", "ValueError: this rank is broken"),
        ("leave in a graph", "rank 0 waits for rank 1, which has left the job"),
        ("hang in a graph", "all_reduce: rank 0 waited 2 s for the other ranks of its group of 3"),
        ("other shape in a graph", "rank 1: all_reduce of float32 [999], op SUM"),
        ("other shape", "rank 1: all_reduce of float32 [999], op SUM"),
        ("other dtype", "rank 1: all_reduce of float64 [1000], op SUM"),
        ("other call", "rank 1: broadcast of float32 [1000], source 0"),
        ("other order", "rank 1: barrier"),
        ("other shape in a graph with async_op", "rank 1: all_reduce of float32 [999], op SUM"),
    ],
)
def test_a_failing_rank_ends_the_job_with_one_report(how: str, shown: str) -> None:
    done = run_job("faults.py", 3, how, seconds=BOUND)
    assert done.returncode != 0
    assert "went on" not in done.stdout
    assert done.stderr.count(shown) == 1 or (how == "killed" and shown in done.stdout), (
        done.stdout,
        done.stderr,
    )
    assert done.stderr.count("Traceback") == (0 if how == "killed" else 1), done.stderr


def test_under_launch_a_rank_that_leaves_with_a_code_ends_the_job_with_it() -> None:
    done = run_job("faults.py", 2, "leave", seconds=BOUND, launch=True)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
