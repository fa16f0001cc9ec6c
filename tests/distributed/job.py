"""Runs the programs of this folder in several processes."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from importlib import util
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"


def mpiexec() -> str:
    """The mpiexec beside this Python; skips the test where there is none."""
    if util.find_spec("mpi4py") is None:
        pytest.skip("mpi4py is not installed: pip install 'rushlight[mpi]'")
    for folder in (Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))):
        if (folder / "mpiexec").exists():
            return str(folder / "mpiexec")
    pytest.skip("no mpiexec beside this Python: pip install 'rushlight[mpi]'")


def run_job(
    program: str, ranks: int, *arguments: str, seconds: float = 60, launch: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a program of this folder in ``ranks`` processes; fails the test if it takes longer than ``seconds``."""
    path = str(PROGRAMS / program)
    found = mpiexec()
    if launch:
        command = [sys.executable, "-m", "rushlight", "launch", "-n", str(ranks), path, *arguments]
    else:
        command = [found, "-n", str(ranks), sys.executable, "-W", "error", path, *arguments]
    root = Path(__file__).parents[2] / "src"
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        environment.pop(name, None)
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=seconds, check=False
    )


def must_succeed(program: str, ranks: int, *arguments: str, seconds: float = 60) -> str:
    """What the program printed; fails the test where it, or a check of it, failed."""
    done = run_job(program, ranks, *arguments, seconds=seconds)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
