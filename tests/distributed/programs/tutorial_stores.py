# ruff: noqa - as programs for PyTorch are written
import os, tempfile, sys
from datetime import timedelta
import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def worker(rank, n, path):
    store = dist.TCPStore("127.0.0.1", 29504, n, rank == 0, timedelta(seconds=30))
    if rank == 0:
        store.set("first_key", "first_value")
    print(rank, store.get("first_key"), flush=True)
    store.add("counter", 1 + rank)
    store.wait(["counter"], timedelta(seconds=10))
    dist.init_process_group("gloo", store=store, rank=rank, world_size=n)
    dist.barrier()
    print(rank, "counter", store.get("counter"), int(store.add("counter", 0)), flush=True)
    dist.monitored_barrier(timeout=timedelta(seconds=20))
    x = torch.arange(3) + rank
    dist.all_reduce(x, op=dist.ReduceOp.MAX)
    print(rank, x.tolist(), flush=True)
    dist.destroy_process_group()
    fs = dist.FileStore(path, n)
    fs.set(f"k{rank}", str(rank))
    print(rank, [fs.get(f"k{i}") for i in range(n)], flush=True)
    ps = dist.PrefixStore("p", fs)
    if rank == 0:
        ps.set("x", "1")
    print(rank, ps.get("x"), ps.check(["x"]), fs.check(["nope"]), flush=True)
    dist.init_process_group("gloo", init_method=f"file://{path}2", rank=rank, world_size=n)
    out = [torch.zeros(2) for _ in range(n)]
    dist.all_gather(out, torch.full((2,), float(rank)))
    print(rank, out, flush=True)
    dist.destroy_process_group()
    hs = dist.HashStore()
    hs.set("a", "b")
    print(hs.get("a"), hs.num_keys(), hs.delete_key("a"), flush=True)
    try:
        fs.set_timeout(timedelta(milliseconds=50))
        fs.get("never")
    except Exception as e:
        print(isinstance(e, RuntimeError), flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as d:
        mp.spawn(worker, args=(2, d + "/f"), nprocs=2)
