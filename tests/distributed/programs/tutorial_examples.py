# ruff: noqa - as programs for PyTorch are written
"""pytorch/examples distributed/ddp main.py style + mnist ddp with workers, SyncBN, resume, metrics."""

import os, sys, tempfile, time, argparse, random
import numpy as np
import torch, torch.nn as nn, torch.nn.functional as F, torch.optim as optim
import torch.distributed as dist, torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler
from torch.optim.lr_scheduler import StepLR


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, 1)
        self.bn = nn.BatchNorm2d(4)
        self.dropout1 = nn.Dropout(0.25)
        self.fc1 = nn.Linear(4 * 3 * 3, 10)

    def forward(self, x):
        x = F.relu(self.bn(self.conv1(x)))
        x = F.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        return F.log_softmax(self.fc1(x), dim=1)


def train(model, device, loader, optimizer, epoch, rank):
    model.train()
    total = torch.zeros(2)
    loader.sampler.set_epoch(epoch)
    for batch_idx, (data, target) in enumerate(loader):
        data, target = data.to(device, non_blocking=True), target.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        total[0] += loss.item() * len(data)
        total[1] += len(data)
    dist.all_reduce(total, op=dist.ReduceOp.SUM)
    if rank == 0:
        print("Train Epoch: {} \tLoss: {:.5f}".format(epoch, total[0] / total[1]), flush=True)


@torch.no_grad()
def test(model, device, loader, rank):
    model.eval()
    stats = torch.zeros(3)
    for data, target in loader:
        output = model(data)
        stats[0] += F.nll_loss(output, target, reduction="sum").item()
        stats[1] += output.argmax(dim=1).eq(target).sum().item()
        stats[2] += len(data)
    dist.reduce(stats, 0)
    if rank == 0:
        print(
            "Test: Average loss: {:.4f}, Accuracy: {:.2f}".format(
                stats[0] / stats[2], 100.0 * stats[1] / stats[2]
            ),
            flush=True,
        )


def main_worker(rank, args):
    dist.init_process_group(
        args.backend, init_method=f"tcp://127.0.0.1:{args.port}", world_size=args.world, rank=rank
    )
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    g = torch.Generator().manual_seed(3)
    X = torch.randn(203, 1, 8, 8, generator=g)
    Y = (X.mean((1, 2, 3)) * 20).long().clamp(-4, 5) + 4
    ds = TensorDataset(X, Y)
    loader = DataLoader(
        ds,
        batch_size=16,
        sampler=DistributedSampler(ds, shuffle=True, seed=5),
        num_workers=args.workers,
        pin_memory=True,
        persistent_workers=True,
    )
    test_loader = DataLoader(ds, batch_size=50, sampler=DistributedSampler(ds, shuffle=False, drop_last=True))
    model = nn.SyncBatchNorm.convert_sync_batchnorm(Net()) if args.sync else Net()
    try:
        model = DDP(model, broadcast_buffers=True)
    except Exception as e:
        print(type(e), e)
        raise
    optimizer = optim.Adadelta(model.parameters(), lr=1.0)
    sched = StepLR(optimizer, 1, 0.7)
    path = os.path.join(args.dir, "ck.pt")
    for epoch in range(1, 3):
        train(model, "cpu", loader, optimizer, epoch, rank)
        test(model, "cpu", test_loader, rank)
        sched.step()
    if rank == 0:
        torch.save(
            {
                "model": model.module.state_dict(),
                "opt": optimizer.state_dict(),
                "sched": sched.state_dict(),
                "epoch": 2,
            },
            path,
        )
    dist.barrier()
    ck = torch.load(path, map_location="cpu", weights_only=True)
    m2 = Net()
    m2.load_state_dict(ck["model"])
    m2 = DDP(m2)
    o2 = optim.Adadelta(m2.parameters(), lr=1.0)
    o2.load_state_dict(ck["opt"])
    train(m2, "cpu", loader, o2, 3, rank)
    print(rank, "end", round(sum(p.double().sum().item() for p in m2.parameters()), 4), flush=True)
    stop = torch.tensor([1 if rank == 0 else 0])
    dist.broadcast(stop, src=0)
    print(rank, "stop", bool(stop), flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--backend", default="gloo")
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--world", type=int, default=2)
    p.add_argument("--sync", action="store_true")
    p.add_argument("--port", type=int, default=29512)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as d:
        a.dir = d
        mp.spawn(main_worker, nprocs=a.world, args=(a,))
