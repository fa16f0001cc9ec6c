# ruff: noqa - as programs for PyTorch are written
import os, torch, torch.nn as nn, torch.distributed as dist, torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel as DDP


def p(*a):
    print(*a, flush=True)


def w(rank, n, q):
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    os.environ["MASTER_PORT"] = "29514"
    dist.init_process_group(backend="gloo", rank=rank, world_size=n)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    m = DDP(net, static_graph=True)
    for s in range(2):
        m(torch.ones(3, 4) * (rank + s)).sum().backward()
    p(rank, [round(v, 4) for v in net[0].bias.grad.tolist()])
    # hand-written data parallel with flattened grads
    from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

    grads = [x.grad.data for x in net.parameters()]
    flat = _flatten_dense_tensors(grads)
    dist.all_reduce(flat)
    flat /= n
    for a, b in zip(grads, _unflatten_dense_tensors(flat, grads)):
        a.copy_(b)
    p(rank, round(flat.sum().item(), 4))
    vec = torch.nn.utils.parameters_to_vector(net.parameters())
    dist.broadcast(vec.data, 0)
    torch.nn.utils.vector_to_parameters(vec, net.parameters())
    # gather variable-size
    t = torch.arange(rank + 1)
    sizes = [torch.zeros(1, dtype=torch.long) for _ in range(n)]
    dist.all_gather(sizes, torch.tensor([t.numel()]))
    mx = max(s.item() for s in sizes)
    pad = torch.cat([t, torch.zeros(mx - t.numel(), dtype=torch.long)])
    outs = [torch.zeros(mx, dtype=torch.long) for _ in range(n)]
    dist.all_gather(outs, pad)
    p(rank, [o[:s].tolist() for o, s in zip(outs, sizes)])
    g1 = dist.new_group(ranks=[0, 1])
    if rank < 2:
        x = torch.tensor(float(rank))
        dist.all_reduce(x, group=g1)
        p(rank, x.item())
    lst = [None] if rank else [{"cfg": {"lr": 0.1}, "names": ["a"]}]
    dist.broadcast_object_list(lst, src=0)
    p(rank, lst)
    o = [None]
    dist.scatter_object_list(o, [f"r{i}" for i in range(n)] if rank == 0 else None, src=0)
    p(rank, o)
    go = [None] * n if rank == 0 else None
    dist.gather_object({"r": rank}, go, dst=0)
    p(rank, go)
    try:
        dist.all_reduce(torch.ones(2), group="x")
    except Exception as e:
        p(rank, "err")
    try:
        dist.send(torch.ones(1), dst=rank)
    except ValueError as e:
        p(rank, str(e)[:60])
    try:
        dist.init_process_group("gloo", rank=rank, world_size=n)
    except ValueError as e:
        p(rank, e)
    s = dist.all_reduce(torch.ones(1), op=dist.ReduceOp.SUM, async_op=True)
    s.wait()
    p(rank, s.is_completed(), s.is_success() if hasattr(s, "is_success") else True)
    r = dist.irecv(torch.zeros(1), src=(rank - 1) % n)
    dist.isend(torch.ones(1), dst=(rank + 1) % n).wait()
    r.wait()
    q.put((rank, os.getpid() > 0))
    dist.barrier()
    dist.destroy_process_group()
    p(dist.is_initialized())
    try:
        dist.get_rank()
    except ValueError as e:
        p("no group", str(e)[:50])


if __name__ == "__main__":
    ctx = mp.get_context("spawn")
    q = ctx.Queue()
    mp.spawn(w, args=(3, q), nprocs=3)
    print(sorted(q.get() for _ in range(3)))
