"""What the program that started this process says about its place in the job.

MPI itself is asked once it runs; until then, and for what MPI does not know (the torchrun variables that programs read),
the environment tells. Launchers that are known: MPICH's and Intel MPI's mpiexec (PMI), Open MPI's, SLURM's srun, torchrun.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import NamedTuple


class Place(NamedTuple):
    """One process's place: its number in the job and on its host, and how many there are."""

    rank: int
    size: int
    local_rank: int
    local_size: int
    launcher: str


# launcher, rank, size, local rank, local size
_LAUNCHERS = (
    ("mpiexec", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
    ("Open MPI's mpiexec", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
     "OMPI_COMM_WORLD_LOCAL_SIZE"),
    # The step's size: inside a batch script, outside of srun, SLURM_NTASKS is that of the whole allocation.
    ("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_TASKS_PER_NODE"),
    ("torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
)  # fmt: skip


def find_place(environment: Mapping[str, str] | None = None) -> Place | None:
    """The place that a launcher gave this process, or None where no launcher is known.

    Example:
        >>> find_place({"PMI_RANK": "1", "PMI_SIZE": "4", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2"})
        Place(rank=1, size=4, local_rank=1, local_size=2, launcher='mpiexec')
    """
    found = os.environ if environment is None else environment
    for launcher, rank, size, local_rank, local_size in _LAUNCHERS:
        if _is_count(found.get(rank)) and _is_count(found.get(size)):
            number, total = int(found[rank]), int(found[size])
            # Under srun --mpi=pmi2 the ranks have PMI's variables, but not mpiexec's of the host.
            on_host = found.get(local_rank, found.get("SLURM_LOCALID"))
            hosts_own = found.get(local_size, found.get("SLURM_TASKS_PER_NODE"))
            return Place(
                number,
                total,
                _first_count(on_host, number),
                _first_count(hosts_own, total),
                launcher,
            )
    return None


def set_torchrun_variables(place: Place, *, main_host: str = "127.0.0.1", port: int = 29500) -> None:
    """Set what torchrun sets (RANK, LOCAL_RANK, WORLD_SIZE, …) and programs read, where it is not set already.

    ``MASTER_ADDR`` and ``MASTER_PORT`` are set for programs that read them; MPI finds its peers without.
    """
    values = {
        "RANK": place.rank,
        "WORLD_SIZE": place.size,
        "LOCAL_RANK": place.local_rank,
        "LOCAL_WORLD_SIZE": place.local_size,
        "GROUP_RANK": place.rank // max(place.local_size, 1),
        "ROLE_RANK": place.rank,
        "ROLE_WORLD_SIZE": place.size,
        "MASTER_ADDR": main_host,
        "MASTER_PORT": port,
    }
    for name, value in values.items():
        os.environ.setdefault(name, str(value))


def find_mpiexec() -> str | None:
    """The path of the mpiexec beside this Python, else of the one on the PATH; None where there is neither."""
    import shutil
    import sysconfig

    folders = [os.path.dirname(sys.executable), sysconfig.get_path("scripts")]
    # A MPI library that is not the wheel's is chosen on purpose, and has its own mpiexec on the PATH.
    for folder in folders if not os.environ.get("MPI4PY_LIBMPI") else []:
        for name in ("mpiexec.hydra", "mpiexec", "mpiexec.exe"):
            path = os.path.join(folder, name)
            if os.access(path, os.X_OK) and not os.path.isdir(path):
                return path
    return shutil.which("mpiexec")


def _is_count(text: str | None) -> bool:
    return text is not None and text.isascii() and text.isdigit()


def _first_count(text: str | None, default: int) -> int:
    """The number that ``text`` begins with: SLURM writes ``4(x2)`` for four tasks on each of two hosts."""
    digits = ""
    for character in text or "":
        if not (character.isascii() and character.isdigit()):
            break
        digits += character
    return int(digits) if digits else default
