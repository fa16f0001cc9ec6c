"""``rushlight launch``: a program in several processes, through the mpiexec that came with MPI.

The command only finds mpiexec, adds what torchrun's users expect (the threads' limit, the variables that ``cli.launched`` sets
in each process) and becomes mpiexec: signals and exit codes are that program's.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from rushlight.cli import complain

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = """\
usage: rushlight launch -n N [options] PROGRAM [ARGS]
       rushlight launch -n N [options] -m MODULE [ARGS]

Runs N processes of a program, as `rushlight run` would, that find each other through
torch.distributed.init_process_group(). Sets RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and torchrun's
other variables, and, unless it is set, OMP_NUM_THREADS to this machine's processors divided by N.

options:
  -n, --nproc-per-node N  how many processes (torchrun's spelling with underscores is taken too)
  --hosts A,B             the hosts to run on, by turns; this one if left out
  --ppn K                 with --hosts: how many processes follow each other on one host
  --label                 begin every line of output with its rank
  --mpiexec PATH          the mpiexec to use; otherwise the one beside this Python, then the one on the PATH
"""


class _Request(NamedTuple):
    """What the command line asks for."""

    processes: int
    hosts: str | None
    per_host: int | None
    label: bool
    mpiexec: str | None
    program: list[str]


class _Wrong(Exception):
    """The command line makes no sense."""


def main(arguments: Sequence[str]) -> int:
    """Become mpiexec; returns only where that is impossible: 2, or on Windows with mpiexec's exit code."""
    if list(arguments[:1]) in (["-h"], ["--help"]):
        print(USAGE, end="")
        return 0
    try:
        command = command_line(arguments)
    except _Wrong as error:
        return complain("rushlight launch", str(error), "see `rushlight launch --help`")
    sys.stdout.flush()
    if os.name == "nt":
        import subprocess

        return subprocess.run(command, check=False).returncode
    os.execv(command[0], command)


def command_line(arguments: Sequence[str]) -> list[str]:
    """mpiexec's command line for ours; sets OMP_NUM_THREADS, which the processes inherit."""
    request = _parse(list(arguments))
    mpiexec = request.mpiexec or _find_mpiexec()
    from rushlight.core.machine import processors

    here = request.per_host or request.processes
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, processors().usable // here)))
    if request.hosts:
        os.environ.setdefault("MASTER_ADDR", request.hosts.split(",")[0].split(":")[0])
    command = [mpiexec]
    if request.hosts:
        command += ["-hosts", request.hosts]
    if request.per_host:
        command += ["-ppn", str(request.per_host)]
    if request.label:
        command += ["-l"]
    command += ["-n", str(request.processes), sys.executable, "-m", "rushlight.cli.launched"]
    return command + request.program


def _parse(arguments: list[str]) -> _Request:
    found: dict[str, str] = {}
    label = False
    names = {
        "-n": "n",
        "-np": "n",
        "--nproc-per-node": "n",
        "--hosts": "hosts",
        "--ppn": "ppn",
        "--mpiexec": "mpiexec",
    }
    while arguments and arguments[0].startswith("-") and arguments[0] != "-m":
        option, equals, value = arguments.pop(0).partition("=")
        option = option.replace("_", "-")
        if option == "--label":
            label = True
        elif option in names:
            if not equals:
                if not arguments:
                    raise _Wrong(f"{option} needs a value")
                value = arguments.pop(0)
            found[names[option]] = value
        else:
            raise _Wrong(f"unknown option {option!r}")
    if "n" not in found:
        raise _Wrong("say with -n how many processes to run")
    if not arguments or arguments == ["-m"]:
        raise _Wrong("name the program to run")
    return _Request(
        _positive("-n", found["n"]),
        found.get("hosts"),
        _positive("--ppn", found["ppn"]) if "ppn" in found else None,
        label,
        found.get("mpiexec"),
        arguments,
    )


def _positive(option: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise _Wrong(f"{option} takes a positive number, not {text!r}")
    return int(text)


def _find_mpiexec() -> str:
    from importlib import util

    if util.find_spec("mpi4py") is None:
        raise _Wrong('mpi4py is not installed: pip install "rushlight[mpi]"')
    import shutil
    import sysconfig

    folders = [os.path.dirname(sys.executable), sysconfig.get_path("scripts")]
    # A MPI library that is not the wheel's is chosen on purpose, and has its own mpiexec on the PATH.
    for folder in folders if not os.environ.get("MPI4PY_LIBMPI") else []:
        for name in ("mpiexec.hydra", "mpiexec", "mpiexec.exe"):
            path = os.path.join(folder, name)
            if os.access(path, os.X_OK) and not os.path.isdir(path):
                return path
    found = shutil.which("mpiexec")
    if found is None:
        raise _Wrong(
            'no mpiexec was found beside Python or on the PATH: pip install "rushlight[mpi]", or give --mpiexec'
        )
    return found
