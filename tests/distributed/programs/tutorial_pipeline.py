# ruff: noqa - as programs for PyTorch are written
import os, torch, torch.nn as nn, torch.distributed as dist
import torch.multiprocessing as mp


def run(rank, world, q):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29507")
    dist.init_process_group("gloo", rank=rank, world_size=world)
    torch.manual_seed(rank)
    stage = nn.Sequential(nn.Linear(6, 6), nn.ReLU()) if rank < world - 1 else nn.Linear(6, 2)
    opt = torch.optim.SGD(stage.parameters(), lr=0.1)
    g = torch.Generator().manual_seed(42)
    xs, ys = torch.randn(8, 6, generator=g), torch.randint(0, 2, (8,), generator=g)
    for epoch in range(3):
        opt.zero_grad()
        losses = []
        saved = []
        for mb in range(4):
            if rank == 0:
                inp = xs[mb * 2 : mb * 2 + 2]
            else:
                inp = torch.empty(2, 6)
                dist.recv(inp, rank - 1, tag=mb)
                inp.requires_grad_()
            out = stage(inp)
            saved.append((inp, out))
            if rank < world - 1:
                dist.send(out.detach(), rank + 1, tag=mb)
        for mb in range(4):
            inp, out = saved[mb]
            if rank == world - 1:
                loss = nn.functional.cross_entropy(out, ys[mb * 2 : mb * 2 + 2]) / 4
                losses.append(loss.item())
                loss.backward()
            else:
                gr = torch.empty_like(out)
                dist.recv(gr, rank + 1, tag=100 + mb)
                out.backward(gr)
            if rank > 0:
                dist.send(inp.grad, rank - 1, tag=100 + mb)
        opt.step()
        if losses:
            print("epoch", epoch, round(sum(losses), 6), flush=True)
    q.put((rank, round(sum(p.sum().item() for p in stage.parameters()), 5)))


if __name__ == "__main__":
    ctx = mp.get_context("spawn")
    q = ctx.SimpleQueue()
    ps = [ctx.Process(target=run, args=(r, 3, q)) for r in range(3)]
    [x.start() for x in ps]
    print(sorted(q.get() for _ in range(3)))
    [x.join() for x in ps]
    print([x.exitcode for x in ps])
