"""A job in which rank 1 fails in the way that is asked for. Run by test_faults.py."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import timedelta

import rushlight as torch
import rushlight.distributed as dist

how, rank = sys.argv[1], int(os.environ["PMI_RANK"])
if rank == 1 and how == "raise early":
    raise ValueError("this rank is broken")
if rank == 1 and how == "leave early":
    sys.exit(0)
dist.init_process_group(timeout=timedelta(seconds=2 if how.startswith(("hang", "stopped")) else 1800))
x = torch.ones(1000)
dist.all_reduce(x)
step = dist.all_reduce
in_background = how.endswith(" with async_op")
how = how.removesuffix(" with async_op")
if how.endswith(" in a graph"):
    how = how.removesuffix(" in a graph")

    @torch.compile(fullgraph=True)
    def step(x: torch.Tensor) -> None:
        y = x * 2
        work = dist.all_reduce(y, async_op=in_background)
        if work is not None:
            work.wait()
        x += y

    for _ in range(3):
        step(x)
if how == "raise in backward":
    net = torch.nn.Sequential(torch.nn.Linear(50, 600), torch.nn.Linear(600, 600))
    model = torch.nn.parallel.DistributedDataParallel(net, bucket_cap_mb=0.05)

    def broken(gradient: torch.Tensor) -> None:
        if rank == 1:
            raise ValueError("this rank is broken")

    model.module[0].weight.register_hook(broken)
    model(torch.ones(4, 50)).sum().backward()
if rank == 1:
    if how == "raise":
        raise ValueError("this rank is broken")
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "leave":
        sys.exit(3)
    if how == "leave at once":
        os._exit(0)
    if how == "destroy":
        dist.destroy_process_group()
        time.sleep(20)
    if how.startswith("hang"):
        time.sleep(60)
    if how == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    if how == "other shape":
        x = torch.ones(999)
    if how == "other dtype":
        x = torch.ones(1000, dtype=torch.float64)
    if how == "other call":
        dist.broadcast(x, 0)
    if how == "other order":
        dist.barrier()
if how == "hang in monitored barrier":
    dist.monitored_barrier(wait_all_ranks=True)
step(x)
print("went on")
