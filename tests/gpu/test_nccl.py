"""Collectives of CUDA tensors, over a stand-in for NCCL and, without it, over MPI through the host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from importlib import util
from pathlib import Path
from typing import Any

import pytest

from . import host_cuda

PROGRAM = Path(__file__).parent / "nccl_program.py"
# What CuPy 14 documents: NcclCommunicator's methods with their parameters, in order.
DOCUMENTED = {
    "allReduce": "sendbuf recvbuf count datatype op stream",
    "reduce": "sendbuf recvbuf count datatype op root stream",
    "broadcast": "sendbuff recvbuff count datatype root stream",
    "bcast": "buff count datatype root stream",
    "reduceScatter": "sendbuf recvbuf recvcount datatype op stream",
    "allGather": "sendbuf recvbuf count datatype stream",
    "send": "sendbuf count datatype peer stream",
    "recv": "recvbuf count datatype peer stream",
    "destroy": "", "abort": "", "device_id": "", "rank_id": "", "size": "", "check_async_error": "",
}  # fmt: skip


def run(folder: Path, ranks: int, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    if util.find_spec("mpi4py") is None:
        pytest.skip("mpi4py is not installed: pip install 'rushlight[mpi]'")
    folders = (Path(sys.executable).parent, Path(sysconfig.get_path("scripts")))
    mpiexec = next((folder / "mpiexec" for folder in folders if (folder / "mpiexec").exists()), None)
    if mpiexec is None:
        pytest.skip("no mpiexec beside this Python: pip install 'rushlight[mpi]'")
    root = Path(__file__).parents[2] / "src"
    drop = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    kept = {name: value for name, value in os.environ.items() if name not in drop}
    return subprocess.run(
        [str(mpiexec), "-n", str(ranks), sys.executable, "-W", "error", str(PROGRAM), *arguments],
        env={
            **kept,
            "TMPDIR": str(folder),
            "HOST_CUDA_FOLDER": str(host_cuda._folder()),
            "PYTHONPATH": str(root),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ranks", "how"),
    [(1, "nccl"), (2, "nccl"), (2, "both"), (2, "without"), (3, "nccl"), (3, "without")],
)
def test_collectives_and_training_on_gpus(ranks: int, how: str, tmp_path: Path) -> None:
    # Three ranks share two pretended GPUs, which the real NCCL refuses.
    done = run(tmp_path, ranks, how, **({"PRETEND_NCCL_ONE_GPU": "1"} if ranks > 2 else {}))
    assert done.returncode == 0, done.stderr[-3000:]
    assert sorted(done.stdout.split("\n")[:-1]) == [f"fine {rank}" for rank in range(ranks)]


def test_two_ranks_on_one_gpu_are_an_error_that_says_so(tmp_path: Path) -> None:
    done = run(tmp_path, 3, "nccl")
    assert done.returncode != 0
    assert "each rank needs a GPU of its own (torch.cuda.set_device(local_rank))" in done.stderr


def test_nccl_that_is_not_there_is_an_error_that_says_what_to_install(pretended: Any) -> None:
    from rushlight import ones
    from rushlight.distributed import nccl

    class Group:
        backend = "nccl"

    with pytest.raises(RuntimeError, match=re.escape("pip install nvidia-nccl-cu12")):
        nccl.carries(Group(), ones(1, device="cuda")._array)  # type: ignore[arg-type]
    Group.backend = "undefined"
    assert not nccl.carries(Group(), ones(1, device="cuda")._array)  # type: ignore[arg-type]


def test_the_stand_in_has_what_cupy_documents(pretended: Any) -> None:
    import inspect

    import pretend_nccl

    public = {n for n in vars(pretend_nccl.NcclCommunicator) if not n.startswith("_")}
    assert public == set(DOCUMENTED)
    for name, parameters in DOCUMENTED.items():
        found = list(inspect.signature(getattr(pretend_nccl.NcclCommunicator, name)).parameters)[1:]
        assert found == parameters.split(), name
