# ruff: noqa - as programs for PyTorch are written
"""parameter averaging, async hogwild-like server by send/recv, tensor-parallel linear."""

import os, torch, torch.nn as nn, torch.distributed as dist
from torch.multiprocessing import Process, Queue, set_start_method


class ColumnLinear(nn.Module):
    def __init__(self, i, o, rank, n):
        super().__init__()
        full = nn.Linear(i, o)
        k = o // n
        self.weight = nn.Parameter(full.weight[rank * k : (rank + 1) * k].clone())
        self.bias = nn.Parameter(full.bias[rank * k : (rank + 1) * k].clone())

    def forward(self, x):
        return nn.functional.linear(x, self.weight, self.bias)


class RowLinear(nn.Module):
    def __init__(self, i, o, rank, n):
        super().__init__()
        full = nn.Linear(i, o)
        k = i // n
        self.weight = nn.Parameter(full.weight[:, rank * k : (rank + 1) * k].clone())
        self.bias = nn.Parameter(full.bias.clone())

    def forward(self, x):
        return Reduce.apply(nn.functional.linear(x, self.weight)) + self.bias


class Copy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x

    @staticmethod
    def backward(ctx, g):
        g = g.clone()
        dist.all_reduce(g)
        return g


class Reduce(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, g):
        return g


def run(rank, n, q):
    dist.init_process_group("gloo", init_method="tcp://localhost:29515", rank=rank, world_size=n)
    torch.manual_seed(0)
    a = ColumnLinear(6, 8, rank, n)
    b = RowLinear(8, 3, rank, n)
    x = torch.randn(5, 6, requires_grad=True)
    y = b(torch.relu(a(Copy.apply(x))))
    y.pow(2).sum().backward()
    print(
        rank,
        "tp",
        round(y.sum().item(), 5),
        round(x.grad.sum().item(), 5),
        round(a.weight.grad.sum().item(), 5),
        flush=True,
    )
    torch.manual_seed(rank)
    net = nn.Linear(3, 1)
    opt = torch.optim.SGD(net.parameters(), 0.05)
    with torch.no_grad():
        for p in net.parameters():
            dist.broadcast(p, 0)
    for it in range(6):
        d = torch.randn(8, 3)
        opt.zero_grad()
        (net(d) - d.sum(1, keepdim=True)).pow(2).mean().backward()
        opt.step()
        if it % 2 == 1:
            with torch.no_grad():
                for p in net.parameters():
                    dist.all_reduce(p)
                    p.div_(n)
    print(rank, "avg", [round(v, 5) for v in net.weight.flatten().tolist()], flush=True)
    if rank == 0:
        w = torch.zeros(2)
        for _ in range(2 * (n - 1)):
            g = torch.zeros(2)
            src = dist.recv(g)
            w -= 0.1 * g
        for dst in range(1, n):
            dist.send(w, dst)
    else:
        for i in range(2):
            dist.send(torch.full((2,), float(rank + i)), 0)
        w = torch.zeros(2)
        dist.recv(w, 0)
    print(rank, "ps", [round(v, 4) for v in w.tolist()], flush=True)
    q.put(rank)


if __name__ == "__main__":
    q = Queue()
    ps = []
    for r in range(2):
        p = Process(target=run, args=(r, 2, q))
        p.start()
        ps.append(p)
    print(sorted(q.get() for _ in ps))
    [p.join() for p in ps]
