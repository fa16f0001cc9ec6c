"""`rushlight launch`, and what is known of launchers."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import rushlight
from rushlight.cli import launch, main
from rushlight.distributed import environment

from .job import PROGRAMS, mpiexec, run_job


def test_launch_sets_what_torchrun_sets_and_answers_import_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run_job("environment.py", 2, "--flag", "word", launch=True)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        f"rushlight 1.0 {rank} {rank} 2 2 127.0.0.1 29500 1 --flag word" for rank in range(2)
    ]


def test_mpiexec_is_found_without_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    beside = mpiexec()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    command = launch.command_line(
        ["--nproc_per_node=2", "--hosts", "a,b", "--ppn", "1", "--label", "-m", "module", "x"]
    )
    assert os.path.dirname(command[0]) == os.path.dirname(beside)
    assert command[1:] == [
        "-hosts", "a,b", "-ppn", "1", "-l", "-n", "2", sys.executable, "-m", "rushlight.cli.launched", "-m", "module", "x",
    ]  # fmt: skip
    assert os.environ["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say with -n how many"),
        (["-n", "0", "x.py"], "takes a positive number, not '0'"),
        (["-n", "two", "x.py"], "takes a positive number, not 'two'"),
        (["-n"], "-n needs a value"),
        (["-n", "2"], "name the program"),
        (["-n", "2", "-m"], "name the program"),
        (["--what", "x.py"], "unknown option '--what'"),
    ],
)
def test_launch_refuses_what_makes_no_sense(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["launch", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_launch_shows_its_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", "--help"]) == 0
    assert "--nproc-per-node" in capsys.readouterr().out


def test_launch_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["launch", "-n", "2", "x.py"]) == 2
    assert 'pip install "rushlight[mpi]"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({}, None),
        ({"PMI_RANK": "3", "PMI_SIZE": "8", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2"}, (3, 8, 1, 2, "mpiexec")),
        (
            {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_RANK": "0"},
            (1, 2, 0, 2, "Open MPI's mpiexec"),
        ),
        (
            {"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8", "SLURM_LOCALID": "1", "SLURM_TASKS_PER_NODE": "4(x2)"},
            (5, 8, 1, 4, "srun"),
        ),
        (
            {"PMI_RANK": "5", "PMI_SIZE": "8", "SLURM_LOCALID": "1", "SLURM_TASKS_PER_NODE": "4(x2)"},
            (5, 8, 1, 4, "mpiexec"),
        ),
        # In a batch script, outside of srun, a program runs once though the job has eight tasks.
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_LOCALID": "0"}, None),
        ({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}, (1, 2, 1, 2, "torchrun")),
        ({"RANK": "one", "WORLD_SIZE": "2"}, None),
    ],
)  # fmt: skip
def test_the_place_that_a_launcher_gives(variables: dict[str, str], place: tuple[object, ...] | None) -> None:
    assert environment.find_place(variables) == place


def _alone(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    mpiexec()
    root = str(PROGRAMS.parents[2] / "src")
    kept = {
        k: v
        for k, v in os.environ.items()
        if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    }
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**kept, "PYTHONPATH": root, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_process_by_itself_is_a_job_of_one() -> None:
    done = _alone(
        "import rushlight as torch; d = torch.distributed; d.init_process_group('gloo', rank=0, world_size=1)\n"
        "print(d.get_rank(), d.get_world_size(), d.get_backend())"
    )
    assert (done.returncode, done.stdout) == (0, "0 1 gloo\n"), done.stderr


@pytest.mark.parametrize(
    ("call", "variables", "said"),
    [
        ("world_size=2", {}, "rank parameter missing: pass rank"),
        ("rank=1", {}, "world_size parameter missing"),
        (
            "'gloo'",
            {"RANK": "0", "WORLD_SIZE": "2"},
            "environment variable MASTER_ADDR expected, but not set",
        ),
        ("'gloo'", {"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, "give srun the option --mpi=pmi2"),
        ("'smoke'", {}, "got backend 'smoke'"),
        ("timeout=3", {}, "Expected timeout argument to be of type datetime.timedelta"),
    ],
)
def test_init_refuses_what_is_not_so(call: str, variables: dict[str, str], said: str) -> None:
    done = _alone(f"import rushlight.distributed as d; d.init_process_group({call})", **variables)
    assert done.returncode == 1
    assert said in done.stderr


def test_without_mpi4py_the_error_says_what_to_install() -> None:
    done = _alone(
        "import sys; sys.modules['mpi4py'] = None; import rushlight.distributed as d; d.init_process_group()"
    )
    assert done.returncode == 1
    assert 'pip install "rushlight[mpi]"' in done.stderr


def test_importing_rushlight_imports_neither_mpi4py_nor_this_package() -> None:
    done = _alone(
        "import sys, rushlight\nprint([m for m in sys.modules if 'mpi4py' in m or 'rushlight.distributed' in m])"
    )
    assert done.stdout == "[]\n", done.stderr
    assert "distributed" in dir(rushlight) or rushlight.distributed.is_available()
