# ruff: noqa - as programs for PyTorch are written
import os, torch, torch.distributed as dist, torch.multiprocessing as mp, torch.nn as nn, torch.optim as optim
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel as DDP


def print_peak_memory(prefix, device):
    print(f"{prefix}: ok", flush=True)


def example(rank, world_size, use_zero):
    torch.manual_seed(0)
    os.environ["MASTER_ADDR"] = "localhost"
    os.environ["MASTER_PORT"] = "29513"
    dist.init_process_group("gloo", rank=rank, world_size=world_size)
    model = nn.Sequential(*[nn.Linear(20, 20) for _ in range(6)])
    ddp_model = DDP(model, device_ids=None)
    loss_fn = nn.MSELoss()
    if use_zero:
        optimizer = ZeroRedundancyOptimizer(ddp_model.parameters(), optimizer_class=torch.optim.Adam, lr=0.01)
    else:
        optimizer = torch.optim.Adam(ddp_model.parameters(), lr=0.01)
    sched = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    torch.manual_seed(rank)
    for _ in range(4):
        optimizer.zero_grad()
        loss_fn(ddp_model(torch.randn(20, 20)), torch.randn(20, 20)).backward()
        optimizer.step()
        sched.step()
    print(
        f"params sum is: {sum(model.parameters()).sum() if False else sum(p.sum().item() for p in model.parameters()):.5f}",
        optimizer.param_groups[0]["lr"],
        flush=True,
    )
    if use_zero:
        optimizer.consolidate_state_dict(to=0)
        if rank == 0:
            sd = optimizer.state_dict()
            print(len(sd["state"]), sorted(sd["param_groups"][0])[:3], flush=True)
    dist.barrier()


def main():
    for z in (True, False):
        print("zero", z, flush=True)
        mp.spawn(example, args=(2, z), nprocs=2, join=True)


if __name__ == "__main__":
    main()
