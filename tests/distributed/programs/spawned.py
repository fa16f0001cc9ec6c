"""Starts its ranks itself, in the way that the first argument names; rank 1 fails as the second says. Run by
test_spawned.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def work(rank: int, size: int, address: str, how: str) -> None:
    kwargs = {"init_method": address} if address else {}
    if not address:
        os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = "localhost", "29871"
    if how == "late" and rank == 1:
        time.sleep(60)
    limit = timedelta(seconds=3 if how in ("hang", "late") else 60)
    dist.init_process_group("gloo", rank=rank, world_size=size, timeout=limit, **kwargs)
    x = torch.ones(3) * (rank + 1)
    dist.all_reduce(x)
    sys.stdout.write(f"sum {x.tolist()} {dist.get_rank()} of {dist.get_world_size()}\n")
    sys.stdout.flush()
    if rank == 1:
        if how == "raise":
            raise ValueError("this rank is broken")
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "leave":
            sys.exit(3)
        if how == "leave quietly":
            sys.exit(0)
        if how == "hang":
            time.sleep(60)
    dist.all_reduce(x)
    dist.barrier()
    if how == "again":
        dist.destroy_process_group()
        dist.init_process_group("gloo", rank=rank, world_size=size, **kwargs)
        dist.barrier()


if __name__ == "__main__":
    way, how, address = (*sys.argv[1:], "", "")[:3]
    if way == "mp.spawn":
        mp.spawn(work, args=(2, address, how), nprocs=2)
    elif way == "terminals":
        call = (
            f"import runpy; runpy.run_path({__file__!r})['work'](RANK, 2, 'tcp://127.0.0.1:29872', {how!r})"
        )
        alias = "from rushlight.compat import alias; alias.install(); "
        command = [sys.executable, "-c"]
        started = [subprocess.Popen([*command, alias + call.replace("RANK", str(r))]) for r in range(2)]
        sys.stdout.write(f"codes {[one.wait() for one in started]}\n")
    elif way == "parent":
        child = mp.Process(target=work, args=(1, 2, address, how))
        child.start()
        work(0, 2, address, how)
        child.join()
        sys.stdout.write(f"codes {[0, child.exitcode]}\n")
    else:
        context = mp.get_context(way)
        processes = [context.Process(target=work, args=(r, 2, address, how)) for r in range(2)]
        for process in processes:
            process.start()
        if how in ("hang", "late"):
            processes[0].join()
            processes[1].terminate()
        for process in processes:
            process.join()
        sys.stdout.write(f"codes {[process.exitcode for process in processes]}\n")
