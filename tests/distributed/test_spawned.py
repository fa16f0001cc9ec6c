"""Programs that start their ranks themselves, with multiprocessing or one by one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rushlight.distributed.environment import find_mpiexec
from rushlight.distributed.joining import Meeting, announced

from .job import PROGRAMS, mpiexec

BOUND = 60  # for what takes a few seconds on a machine that has time


def run(program: str, *arguments: str, torch: bool = False) -> subprocess.CompletedProcess[str]:
    mpiexec()
    root = str(PROGRAMS.parents[2] / "src")
    drop = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    kept = {name: value for name, value in os.environ.items() if name not in drop}
    before = [] if torch else ["-m", "rushlight", "run"]
    return subprocess.run(
        [sys.executable, *before, str(PROGRAMS / program), *arguments],
        env={
            **kept,
            "PYTHONPATH": root,
            "PYTHONUNBUFFERED": "",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=BOUND + 40,
        check=False,
    )


@pytest.mark.parametrize(
    ("way", "how", "address"),
    [
        ("mp.spawn", "again", ""),
        ("fork", "again", ""),
        ("spawn", "", "tcp://127.0.0.1:29873"),
        ("forkserver", "", "file"),
        ("parent", "", ""),
        ("terminals", "", ""),
    ],
)
def test_ranks_that_the_program_starts_find_each_other(
    way: str, how: str, address: str, tmp_path: Path
) -> None:
    done = run("spawned.py", way, how, f"file://{tmp_path}/meet" if address == "file" else address)
    assert done.returncode == 0, done.stderr
    lines = sorted(done.stdout.splitlines())
    assert lines[-2:] == [f"sum [3.0, 3.0, 3.0] {rank} of 2" for rank in range(2)]
    assert lines[:-2] == ([] if way == "mp.spawn" else ["codes [0, 0]"])
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("way", "how", "shown", "codes"),
    [
        ("mp.spawn", "raise", "-- Process 1 terminated with the following error", ""),
        ("mp.spawn", "killed", "process 1 terminated with signal 9", ""),
        ("mp.spawn", "leave", "process 1 terminated with exit code 3", ""),
        ("fork", "raise", "ValueError: this rank is broken", "[1, 1]"),
        ("fork", "killed", "rank 1 of 2 ended without a word", "[1, -9]"),
        ("fork", "leave quietly", "rank 0 waits for rank 1, which has left the job", "[1, 0]"),
        ("fork", "hang", "all_reduce: rank 0 waited 3 s for the other ranks", "[1, -15]"),
        ("spawn", "late", "timed out after 3 s: rank 0 of 2 waited for rank 1", "[1, -15]"),
        ("terminals", "raise", "ValueError: this rank is broken", "[1, 1]"),
        ("terminals", "killed", "rank 1 of 2 ended without a word", "[1, -9]"),
    ],
)
def test_a_rank_that_fails_ends_the_others(way: str, how: str, shown: str, codes: str) -> None:
    began = time.monotonic()
    done = run("spawned.py", way, how)
    assert time.monotonic() - began < BOUND
    assert done.stderr.count(shown) == 1, done.stderr
    assert f"codes {codes}" in done.stdout or not codes
    if way == "mp.spawn":
        assert done.returncode == 1
        assert done.stderr.count("ValueError: this rank is broken") == (1 if how == "raise" else 0)


@pytest.mark.parity
@pytest.mark.slow
@pytest.mark.parametrize(
    "program",
    [
        "tutorial_processes.py",
        "tutorial_trainer.py",
        "tutorial_join_and_hooks.py",
        "tutorial_counter.py",
        "tutorial_functional.py",
        "tutorial_mesh.py",
        "tutorial_pipeline.py",
        "tutorial_stores.py",
        "tutorial_examples.py",
        "tutorial_sharded.py",
        "tutorial_odds_and_ends.py",
        "tutorial_by_hand.py",
        "tutorial_getting_started.py",
    ],
)
def test_tutorial_programs_print_what_they_print_under_pytorch(program: str) -> None:
    pytest.importorskip("torch")
    ours = run(program)
    # PyTorch's processes abort at their end now and then ("terminate called without an active exception"): it shows in its own
    # exit codes, or ends spawn with SIGABRT.
    for _ in range(5):
        theirs = run(program, torch=True)
        if not re.search(r"\[[-\d, ]*-6\b", theirs.stdout) and "SIGABRT" not in theirs.stderr:
            break
    assert theirs.returncode == 0, theirs.stderr
    assert ours.returncode == 0, ours.stderr
    assert _values(ours.stdout) == pytest.approx(_values(theirs.stdout), rel=2e-5, abs=2e-5)
    assert _words(ours.stdout) == _words(theirs.stdout)


def _ordered(text: str) -> list[str]:
    # The ranks' lines come in any order, and two lines of two ranks may run into one. PyTorch's gloo says something too.
    own = re.sub(
        r"\[Gloo\] Rank \d+ is connected to \d+ peer ranks. Expected number of connected peer ranks is : \d+",
        "",
        text,
    )
    return sorted(own.replace("\n", " ").split())


def _is_number(word: str) -> bool:
    try:
        float(word.strip("[](),{}'"))
    except ValueError:
        return False
    return True


def _values(text: str) -> list[float]:
    return sorted(float(word.strip("[](),{}'")) for word in _ordered(text) if _is_number(word))


def _words(text: str) -> list[str]:
    return [word for word in _ordered(text) if not _is_number(word)]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ((None, -1, -1, {}), None),
        ((None, 0, 1, {}), None),
        (
            (None, 1, 2, {"MASTER_ADDR": "h", "MASTER_PORT": "1"}),
            Meeting(1, 2, "h", "tcp 1"),
        ),
        (
            ("env://", -1, -1, {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "h", "MASTER_PORT": "1"}),
            Meeting(0, 2, "h", "tcp 1"),
        ),
        (("tcp://[::1]:5?rank=1&world_size=3", -1, -1, {}), Meeting(1, 3, "::1", "tcp 5")),
    ],
)
def test_what_a_program_says_of_its_ranks(arguments: tuple[object, ...], found: Meeting | None) -> None:
    assert announced(*arguments) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((None, -1, 2, {}), "rank parameter missing"),
        ((None, 1, -1, {}), "world_size parameter missing"),
        ((None, 0, 2, {}), "MASTER_ADDR expected, but not set; or start the program with `rushlight launch -n 2`"),
        ((None, 2, 2, {}), "got rank 2 of world_size 2"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(arguments: tuple[object, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        announced(*arguments)  # type: ignore[arg-type]


def test_other_hosts_are_for_launch() -> None:
    program = "import rushlight.distributed as d; d.init_process_group('gloo', 'tcp://192.0.2.7:1', rank=1, world_size=2)"
    mpiexec()
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(PROGRAMS.parents[2] / "src")},
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    assert done.returncode == 1
    assert "rushlight launch -n 2 --hosts A,B" in done.stderr


@pytest.mark.parametrize("script", ["exit 1", 'while [ "$1" != -I ]; do shift; done; exec python3 "$@"'])
def test_an_mpiexec_that_cannot_do_it_is_an_error_that_names_launch(script: str, tmp_path: Path) -> None:
    other = tmp_path / "mpiexec"
    other.write_text(f"#!/bin/sh\n{script}\n")
    other.chmod(0o755)
    mpiexec()
    program = "import rushlight.distributed as d; d.init_process_group('gloo', 'tcp://localhost:29877', rank=0, world_size=2)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ, "PYTHONPATH": str(PROGRAMS.parents[2] / "src"), "MPI4PY_LIBMPI": "elsewhere",
            "PATH": f"{tmp_path}:{os.environ['PATH']}", "TMPDIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "has no -pmi-port" in done.stderr and "rushlight launch -n 2" in done.stderr


def test_mpiexec_is_beside_python() -> None:
    beside = os.path.dirname(mpiexec())
    found = find_mpiexec()
    assert found is not None
    assert os.path.dirname(found) == beside
