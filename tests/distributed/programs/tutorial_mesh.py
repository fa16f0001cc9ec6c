# ruff: noqa - as programs for PyTorch are written
import os
import torch, torch.nn as nn
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.nn import SyncBatchNorm


def p(*a):
    print(*a, flush=True)


class Branchy(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 3)
        self.b = nn.Linear(3, 3)
        self.c = nn.Linear(3, 3)

    def forward(self, x, which):
        return self.a(x) if which == 0 else self.b(x)


def worker(rank, n):
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    os.environ["MASTER_PORT"] = "29506"
    os.environ["RANK"] = str(rank)
    os.environ["WORLD_SIZE"] = str(n)
    dist.init_process_group()
    p(dist.is_available(), dist.is_initialized(), dist.get_backend())
    torch.manual_seed(0)
    m = DDP(Branchy(), find_unused_parameters=True)
    opt = torch.optim.SGD(m.parameters(), 0.1)
    for i in range(4):
        opt.zero_grad()
        m(torch.ones(2, 3) * (i + rank), (i + rank) % 2).sum().backward()
        opt.step()
    p(
        rank,
        "unused",
        [round(v, 5) for q in m.parameters() for v in q.flatten().tolist()],
        m.module.c.weight.grad,
    )
    m = DDP(Branchy())
    try:
        for i in range(2):
            m(torch.ones(2, 3), 0).sum().backward()
    except RuntimeError as e:
        p(rank, "RuntimeError", "Expected to have finished reduction" in str(e))
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    net(torch.zeros(1, 2, 5, 5))
    with torch.no_grad():
        for q in net.parameters():
            q.fill_(0.05)
    s = DDP(net, broadcast_buffers=True)
    g = torch.Generator().manual_seed(rank)
    for _ in range(3):
        s(torch.randn(4, 2, 5, 5, generator=g)).sum().backward()
    p(
        rank,
        "bn",
        [round(v, 5) for v in net[1].running_mean.tolist()],
        [round(v, 4) for v in net[1].running_var.tolist()],
    )
    mesh = dist.init_device_mesh("cpu", (n,), mesh_dim_names=("dp",))
    p(mesh.get_rank(), mesh.size(), mesh["dp"].get_local_rank(), mesh.mesh_dim_names)
    gr = mesh.get_group("dp")
    x = torch.ones(2) * rank
    dist.all_reduce(x, group=gr)
    p(x.tolist())
    sub, subs = dist.new_subgroups(1)
    p(dist.get_world_size(sub), len(subs))
    p(dist.get_rank(), os.environ.get("LOCAL_RANK"))
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.start_processes(worker, args=(2,), nprocs=2, start_method="fork")
