"""Training with a checkpoint after each epoch, which a restarted job goes on from. Run by test_resume.py.

Arguments: the folder for the checkpoint, how many epochs, and optionally the step at which rank 1 kills itself.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import rushlight as torch
import rushlight.distributed as dist
from rushlight import nn
from rushlight.nn.parallel import DistributedDataParallel as DDP
from rushlight.utils.data import DataLoader, DistributedSampler, TensorDataset

folder, epochs = Path(sys.argv[1]), int(sys.argv[2])
killed_at = int(sys.argv[3]) if len(sys.argv) > 3 else -1
dist.init_process_group()
rank = dist.get_rank()
torch.manual_seed(0)
data = TensorDataset(torch.randn(48, 6), torch.randint(0, 3, (48,)))
sampler = DistributedSampler(data)
loader = DataLoader(data, batch_size=4, sampler=sampler)
model = DDP(nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3)))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
torch.manual_seed(100 + rank)  # each rank's own dropout
first, path = 0, folder / "checkpoint.pt"
if path.exists():
    saved = torch.load(path, weights_only=True)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    first = saved["epoch"]
    torch.set_rng_state(saved["random"][rank])
step = 0
for epoch in range(first, epochs):
    sampler.set_epoch(epoch)
    for x, y in loader:
        step += 1
        if rank == 1 and step == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    states = [torch.empty_like(torch.get_rng_state()) for _ in range(dist.get_world_size())]
    dist.all_gather(states, torch.get_rng_state())
    if rank == 0:
        saved = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "epoch": epoch + 1,
            "random": states,
        }
        torch.save(saved, folder / "new")
        os.replace(folder / "new", path)  # a checkpoint is there whole or not at all
    dist.barrier()
digest = b"".join(v.numpy().tobytes() for v in model.state_dict().values())
(folder / f"weights.{rank}").write_bytes(digest)
