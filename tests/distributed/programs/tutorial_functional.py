# ruff: noqa - as programs for PyTorch are written
import os
import torch, torch.nn as nn
import torch.distributed as dist
import torch.distributed.nn.functional as dfn
import torch.distributed.nn as dnn
import torch.multiprocessing as mp


def p(*a):
    print(*a, flush=True)


def worker(rank, n):
    dist.init_process_group("gloo", init_method="tcp://127.0.0.1:29505", rank=rank, world_size=n)
    x = torch.arange(4.0, requires_grad=True)
    xs = x * (rank + 1)
    y = dfn.all_reduce(xs)
    (y * torch.arange(4.0)).sum().backward()
    p(rank, "ar", y.tolist(), x.grad.tolist())
    x.grad = None
    y = dfn.all_gather(x * (rank + 1))
    sum((i + 1) * t.sum() for i, t in enumerate(y)).backward()
    p(rank, "ag", [t.tolist() for t in y], x.grad.tolist())
    x.grad = None
    y = dfn.broadcast(x * (rank + 1), 0)
    (y * (rank + 2)).sum().backward()
    p(rank, "bc", y.tolist(), x.grad.tolist())
    x.grad = None
    y = dfn.reduce(x * (rank + 1), 0)
    (y * (rank + 2)).sum().backward()
    p(rank, "red", y.tolist() if rank == 0 else None, x.grad.tolist())
    x.grad = None
    # contrastive: all-gather features with gradient
    torch.manual_seed(rank)
    enc = nn.Linear(4, 3)
    f = nn.functional.normalize(enc(torch.randn(2, 4)), dim=1)
    allf = torch.cat(dnn.all_gather(f))
    logits = f @ allf.t()
    loss = nn.functional.cross_entropy(logits, torch.arange(2) + 2 * rank)
    loss.backward()
    p(rank, "contrastive", round(loss.item(), 6), [round(v, 6) for v in enc.weight.grad.flatten().tolist()])
    # all_to_all
    a = torch.arange(4) + rank * 4
    outs = list(torch.empty(4, dtype=torch.int64).chunk(2))

    class G(torch.autograd.Function):
        @staticmethod
        def forward(ctx, t):
            out = [torch.zeros_like(t) for _ in range(dist.get_world_size())]
            dist.all_gather(out, t)
            return tuple(out)

        @staticmethod
        def backward(ctx, *grads):
            allg = torch.stack(grads)
            dist.all_reduce(allg)
            return allg[dist.get_rank()]

    w = torch.ones(2, requires_grad=True)
    o = torch.cat(G.apply(w * (rank + 1)))
    (o * torch.arange(4.0)).sum().backward()
    p(rank, "G", o.tolist(), w.grad.tolist())
    # send/recv any source, batch
    if rank == 0:
        t = torch.zeros(2)
        src = dist.recv(t)
        p("recv", src, t.tolist())
        dist.send(torch.tensor([5, 6, 7], dtype=torch.int16), 1)
    else:
        dist.send(torch.tensor([1.0, 2.0]), 0)
        t = torch.zeros(3, dtype=torch.int16)
        dist.recv(t, 0)
        p(t.tolist())
    s = torch.full((2,), float(rank))
    r = torch.zeros(2)
    ops = [dist.P2POp(dist.isend, s, (rank + 1) % n), dist.P2POp(dist.irecv, r, (rank - 1) % n)]
    for q in dist.batch_isend_irecv(ops):
        q.wait()
    p(rank, r.tolist())
    t = torch.zeros(2)
    dist.scatter(t, [torch.full((2,), float(i)) for i in range(n)] if rank == 0 else None, src=0)
    p(rank, "sc", t.tolist())
    o = torch.zeros(2)
    dist.reduce_scatter(o, [torch.full((2,), float(i + rank)) for i in range(n)])
    p(rank, "rs", o.tolist())
    ot = torch.zeros(2 * n)
    dist.all_gather_into_tensor(ot, torch.full((2,), float(rank)))
    p(rank, ot.tolist())
    b = torch.tensor([rank == 0, True])
    dist.all_reduce(b, op=dist.ReduceOp.MIN) if False else None
    w = dist.all_reduce(torch.ones(2), async_op=True)
    p(w.wait(), w.is_completed())
    g = dist.new_group([1])
    p(rank, dist.get_rank(g), dist.get_world_size(g) if rank == 1 else "-")
    ts = [torch.ones(2) * rank, torch.ones(3)]
    dist.all_reduce_coalesced(ts)
    p(rank, [t.tolist() for t in ts])
    from torch.distributed.distributed_c10d import _get_default_group

    p(dist.get_rank(_get_default_group()), dist.get_process_group_ranks(dist.group.WORLD))
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(worker, args=(2,), nprocs=2)
