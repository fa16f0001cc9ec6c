"""Prints this process's torchrun variables, as `rushlight launch` sets them, and what `import torch` finds."""

import os
import sys

import torch
import torch.distributed as dist

dist.init_process_group(
    "gloo", init_method="env://", rank=int(os.environ["RANK"]), world_size=int(os.environ["WORLD_SIZE"])
)
x = torch.ones(1) * int(os.environ["LOCAL_RANK"])
dist.all_reduce(x)
names = (
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "OMP_NUM_THREADS",
)
line = " ".join(
    [
        os.path.basename(os.path.dirname(torch.__file__)),
        str(x.item()),
        *[os.environ[name] for name in names],
        *sys.argv[1:],
    ]
)
sys.stdout.write(line + "\n")
sys.stdout.flush()
dist.destroy_process_group()
