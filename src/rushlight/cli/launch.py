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
  -n, --nproc-per-node N  how many processes (torchrun's spelling with underscores is taken too); auto: one for
                          each processor, gpu: one for each GPU
  --hosts A,B             the hosts to run on, by turns; this one if left out
  --ppn K                 with --hosts: how many processes follow each other on one host
  --label                 begin every line of output with its rank
  --mpiexec PATH          the mpiexec to use; otherwise the one beside this Python, then the one on the PATH
  --master-addr, --master-port
                          what MASTER_ADDR and MASTER_PORT are set to; MPI needs neither

torchrun's other options (--standalone, --nnodes=1, --rdzv-backend, --max-restarts ...) are taken and change nothing.
"""


class _Request(NamedTuple):
    """What the command line asks for."""

    processes: int
    hosts: str | None
    per_host: int | None
    label: bool
    mpiexec: str | None
    program: list[str]
    pass_local_rank: bool


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
    if request.pass_local_rank:
        command += ["--pass-local-rank"]
    return command + request.program


def _parse(arguments: list[str]) -> _Request:
    found: dict[str, str] = {}
    label = pass_local_rank = False
    names = {
        "-n": "n",
        "-np": "n",
        "--nproc-per-node": "n",
        "--hosts": "hosts",
        "--ppn": "ppn",
        "--mpiexec": "mpiexec",
        "--nnodes": "nnodes",
        "--node-rank": "node_rank",
        "--master-addr": "MASTER_ADDR",
        "--master-port": "MASTER_PORT",
        **dict.fromkeys(_OF_TORCHRUN, "ignored"),
    }
    while arguments and arguments[0].startswith("-") and arguments[0] != "-m":
        option, equals, value = arguments.pop(0).partition("=")
        option = option.replace("_", "-")
        if option == "--label":
            label = True
        elif option == "--pass-local-rank":
            pass_local_rank = True
        elif option in _FLAGS_OF_TORCHRUN:
            continue
        elif option in names:
            if not equals:
                if not arguments:
                    raise _Wrong(f"{option} needs a value")
                value = arguments.pop(0)
            found[names[option]] = value
        else:
            raise _Wrong(f"unknown option {option!r}")
    if found.get("nnodes", "1") not in ("1", "1:1") or found.get("node_rank", "0") != "0":
        raise _Wrong(
            "one command starts the processes of all hosts: -n N --hosts A,B --ppn K, in the place of --nnodes"
        )
    for variable in ("MASTER_ADDR", "MASTER_PORT"):
        if variable in found:
            os.environ[variable] = found[variable]
    if "n" not in found:
        raise _Wrong("say with -n how many processes to run")
    if not arguments or arguments == ["-m"]:
        raise _Wrong("name the program to run")
    return _Request(
        _processes(found["n"]),
        found.get("hosts"),
        _positive("--ppn", found["ppn"]) if "ppn" in found else None,
        label,
        found.get("mpiexec"),
        arguments,
        pass_local_rank,
    )


# Options of torchrun that say how its processes find and watch each other, which mpiexec does; with a value, and without.
_OF_TORCHRUN = (
    "--rdzv-backend", "--rdzv-endpoint", "--rdzv-id", "--rdzv-conf", "--max-restarts", "--monitor-interval", "--start-method",
    "--role", "--log-dir", "--redirects", "-r", "--tee", "-t", "--local-addr", "--log-line-prefix-template", "--logs-specs",
    "--local-ranks-filter",
)  # fmt: skip
_FLAGS_OF_TORCHRUN = ("--standalone", "--use-env", "--signals-to-handle")


def _processes(text: str) -> int:
    """torchrun's words for the number of processes on this host, or a number."""
    if text in ("auto", "cpu", "gpu"):
        from rushlight.core.machine import processors
        from rushlight.cuda import device_count

        devices = device_count() if text != "cpu" else 0
        if text == "gpu" and not devices:
            raise _Wrong("-n gpu: there is no GPU here; give the number of processes")
        return devices or processors().usable
    return _positive("-n", text)


def _positive(option: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise _Wrong(f"{option} takes a positive number, not {text!r}")
    return int(text)


def _find_mpiexec() -> str:
    from importlib import util

    if util.find_spec("mpi4py") is None:
        raise _Wrong('mpi4py is not installed: pip install "rushlight[mpi]"')
    from rushlight.distributed.environment import find_mpiexec

    found = find_mpiexec()
    if found is None:
        raise _Wrong(
            'no mpiexec was found beside Python or on the PATH: pip install "rushlight[mpi]", or give --mpiexec'
        )
    return found
