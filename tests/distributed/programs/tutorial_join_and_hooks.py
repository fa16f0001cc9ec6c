# ruff: noqa - as programs for PyTorch are written
import os, sys
import torch, torch.nn as nn
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.distributed.algorithms.join import Join
from torch.distributed.optim import ZeroRedundancyOptimizer as ZeRO
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks as default

BACKEND = "gloo"
NUM_INPUTS = 5


def worker(rank, world_size):
    os.environ["MASTER_ADDR"] = "localhost"
    os.environ["MASTER_PORT"] = "29502"
    dist.init_process_group(BACKEND, rank=rank, world_size=world_size)
    torch.manual_seed(0)
    model = DDP(torch.nn.Linear(1, 1))
    inputs = [torch.tensor([1]).float() for _ in range(NUM_INPUTS + rank)]
    num_inputs = 0
    with Join([model]):
        for input in inputs:
            num_inputs += 1
            loss = model(input).sum()
            loss.backward()
    print(f"Rank {rank} has exhausted all {num_inputs} of its inputs!", flush=True)
    print(rank, model.module.weight.item(), flush=True)
    # with ZeRO
    model = DDP(torch.nn.Linear(3, 2))
    optim = ZeRO(model.parameters(), torch.optim.Adam, lr=0.01)
    num_inputs = 0
    g = torch.Generator().manual_seed(rank)
    inputs = [torch.randn(4, 3, generator=g) for _ in range(3 + rank)]
    with Join([model, optim]):
        for input in inputs:
            num_inputs += 1
            loss = model(input).sum()
            loss.backward()
            optim.step()
    print(
        f"Rank {rank} zero {num_inputs}",
        [round(v, 6) for v in model.module.weight.flatten().tolist()],
        flush=True,
    )
    with model.join():
        for input in inputs:
            model(input).pow(2).sum().backward()
    print(rank, "join", [round(v, 5) for v in model.module.weight.flatten().tolist()], flush=True)
    # comm hooks
    model = DDP(torch.nn.Linear(3, 2))
    model.register_comm_hook(None, default.fp16_compress_hook)
    model(inputs[0]).pow(2).sum().backward()
    print(rank, "fp16", [round(v, 4) for v in model.module.weight.grad.flatten().tolist()], flush=True)
    model = DDP(torch.nn.Linear(3, 2))
    model.register_comm_hook(dist.group.WORLD, default.allreduce_hook)
    model(inputs[0]).pow(2).sum().backward()
    print(rank, "allreduce", [round(v, 4) for v in model.module.weight.grad.flatten().tolist()], flush=True)

    def noop(state, bucket):
        fut = torch.futures.Future()
        fut.set_result(bucket.buffer())
        return fut

    model = DDP(torch.nn.Linear(3, 2))
    model.register_comm_hook(None, noop)
    model(inputs[0]).pow(2).sum().backward()
    print(rank, "noop", [round(v, 4) for v in model.module.weight.grad.flatten().tolist()], flush=True)

    def encode_and_decode(state, bucket):
        t = bucket.buffer() / dist.get_world_size()
        fut = dist.all_reduce(t, async_op=True).get_future()

        def decode(fut):
            return fut.value()[0] * 1.0

        return fut.then(decode)

    model = DDP(torch.nn.Linear(3, 2))
    model.register_comm_hook(None, encode_and_decode)
    model(inputs[0]).pow(2).sum().backward()
    print(rank, "then", [round(v, 4) for v in model.module.weight.grad.flatten().tolist()], flush=True)
    dist.destroy_process_group()


def main():
    if len(sys.argv) > 1:
        pass
    mp.spawn(worker, nprocs=2, args=(2,), join=True)


if __name__ == "__main__":
    main()
