"""DistributedDataParallel, ZeRO and synchronised batch normalisation. Run by test_data_parallel.py.

With a folder that has the digits, and a name, as arguments, the weights after training the digits net are saved there.
"""

from __future__ import annotations

import hashlib
import sys
from collections import OrderedDict
from typing import Any

import numpy as np

import rushlight as torch
import rushlight.distributed as dist
from rushlight import nn
from rushlight.distributed.algorithms.ddp_comm_hooks import default_hooks
from rushlight.distributed.optim import ZeroRedundancyOptimizer
from rushlight.distributed.sync_batch_norm import sync_batch_norm
from rushlight.nn.parallel import DistributedDataParallel as DDP

dist.init_process_group("gloo")
RANK, SIZE = dist.get_rank(), dist.get_world_size()
F = nn.functional


def refused(kind: type[Exception], words: str, call: Any, *args: Any, **kwargs: Any) -> None:
    try:
        call(*args, **kwargs)
    except kind as error:
        assert words in str(error), f"rank {RANK}: {error}"
    else:
        raise AssertionError(f"rank {RANK}: not refused: {words}")


def mlp(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 4)).double()


torch.manual_seed(5)
X, Y = torch.randn(24, 8, dtype=torch.float64), torch.randn(24, 4, dtype=torch.float64)
PER_RANK = 24 // SIZE
MINE = slice(RANK * PER_RANK, (RANK + 1) * PER_RANK)


def close(found: Any, expected: Any) -> None:
    for one, other in zip(found.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


def same_everywhere(model: Any) -> str:
    digest = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()
    every: list[Any] = [None] * SIZE
    dist.all_gather_object(every, digest)
    assert len(set(every)) == 1, "the ranks' weights differ"
    return digest


def train(model: Any, data: Any, steps: int = 6, set_to_none: bool = True, make: Any = None) -> Any:
    make = make or (lambda params: torch.optim.Adam(params, lr=0.01))
    optimizer = make(model.parameters())
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=set_to_none)
        F.mse_loss(model(X[data]), Y[data]).backward()
        optimizer.step()
    return optimizer


def like_one_process() -> None:
    alone = mlp()
    train(alone, slice(None))
    for options in (
        {},
        {"bucket_cap_mb": 0.0002},
        {"bucket_cap_mb": 0.001, "gradient_as_bucket_view": True},
        {"static_graph": True},
    ):
        for set_to_none in (True, False):
            own = mlp(seed=RANK)  # rank 0's weights count
            model = DDP(own, **options)
            assert next(iter(model.state_dict())) == "module.0.weight"
            train(model, MINE, set_to_none=set_to_none)
            close(own, alone)
            same_everywhere(own)
    assert len(DDP(mlp(), bucket_cap_mb=0.0002).reducer.buckets) > 2


def large() -> None:
    """Gradients that are summed where they lie, beside small ones in other dtypes and layouts."""

    def make() -> Any:
        torch.manual_seed(3)
        net = nn.Sequential(
            nn.Linear(8, 300), nn.Linear(300, 600), nn.Linear(600, 4), nn.Linear(4, 70_000)
        ).double()
        net[1].weight = nn.Parameter(torch.randn(300, 600, dtype=torch.float64).t())  # not contiguous
        return net

    alone = make()
    for options in ({}, {"gradient_as_bucket_view": True}, {"find_unused_parameters": True}):
        own = make()
        model = DDP(own, **options)
        assert any(bucket.lends for bucket in model.reducer.buckets)
        for data, net in ((slice(None), alone), (MINE, model)):
            net.zero_grad()
            net(X[data]).pow(2).mean().backward()
            net(X[data]).pow(2).mean().backward()  # adds up
        for one, other in zip(own.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-11, atol=1e-13)


def accumulate() -> None:
    alone = mlp()
    for start in (0, 12):
        for rank in range(SIZE):
            part = slice(start + rank * (12 // SIZE), start + (rank + 1) * (12 // SIZE))
            (F.mse_loss(alone(X[part]), Y[part]) / SIZE).backward()
    model = DDP(mlp(), bucket_cap_mb=0.0002)
    first = slice(RANK * (12 // SIZE), (RANK + 1) * (12 // SIZE))
    second = slice(12 + first.start, 12 + first.stop)
    with model.no_sync():
        F.mse_loss(model(X[first]), Y[first]).backward()
    if SIZE > 1:
        every = [torch.zeros(16, 8, dtype=torch.float64) for _ in range(SIZE)]
        dist.all_gather(every, model.module[0].weight.grad)
        assert not torch.equal(every[0], every[1]), "gradients were averaged inside no_sync"
    F.mse_loss(model(X[second]), Y[second]).backward()
    for one, other in zip(model.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-12, atol=1e-14)


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.never = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x: Any, use_b: bool) -> Any:
        self.count += RANK + 1
        return {"y": [self.b(self.a(x)) if use_b else self.a(x)]}


def unused() -> None:
    torch.manual_seed(0)
    model = DDP(Branches(), find_unused_parameters=True)
    for _ in range(2):
        model.zero_grad()
        model(torch.ones(1, 2), use_b=RANK == 0)["y"][0].sum().backward()
        assert model.module.never.weight.grad is None  # by no rank: left alone
        expected = torch.ones(1, 2) @ model.module.a.weight.T + model.module.a.bias
        # Rank 0 alone uses b: the mean divides by all ranks.
        torch.testing.assert_close(model.module.b.weight.grad, expected.expand(2, 2).detach() / SIZE)
        same = [torch.zeros(2, 2) for _ in range(SIZE)]
        dist.all_gather(same, model.module.a.weight.grad)
        assert all(torch.equal(one, same[0]) for one in same)
    # Buffers come from rank 0 before each forward: 1 after the first, then 1 + own.
    assert model.module.count.item() == 1 + RANK + 1
    strict = DDP(Branches(), broadcast_buffers=False)
    strict(torch.ones(1, 2), use_b=True)["y"][0].sum().backward()
    refused(RuntimeError, "did not receive grad for rank", strict, torch.ones(1, 2), use_b=True)


def hooks() -> None:
    alone, model = mlp(), DDP(mlp(), bucket_cap_mb=0.0002)
    model.register_comm_hook(None, default_hooks.allreduce_hook)
    train(alone, slice(None))
    train(model, MINE)
    close(model.module, alone)
    refused(RuntimeError, "only be called once", model.register_comm_hook, None, default_hooks.allreduce_hook)
    refused(TypeError, "callable", DDP(mlp()).register_comm_hook, None, 3)
    rounded = DDP(mlp())
    rounded.register_comm_hook(None, default_hooks.bf16_compress_hook)
    F.mse_loss(rounded(X[MINE]), Y[MINE]).backward()
    grad = rounded.module[0].weight.grad
    assert torch.equal(grad, grad.to(torch.bfloat16).double())


def uneven() -> None:
    model = DDP(mlp(), bucket_cap_mb=0.0002)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with model.join():
        for _ in range(2 + RANK):
            optimizer.zero_grad()
            F.mse_loss(model(X[MINE]), Y[MINE]).backward()
            optimizer.step()
    same_everywhere(model)


def refusals() -> None:
    refused(RuntimeError, "any parameters that require a gradient", DDP, nn.ReLU())
    refused(ValueError, "positive", DDP, mlp(), bucket_cap_mb=0)
    if SIZE > 1:
        refused(RuntimeError, "float32 [3, 2]", DDP, nn.Linear(2 + (RANK == 1), 3))
        refused(RuntimeError, "inconsistent", DDP, nn.Linear(2, 3, bias=RANK == 0))


def sharded() -> None:
    alone, own = mlp(), mlp()
    model = DDP(own)
    plain = train(alone, slice(None))
    zero = train(model, MINE, make=lambda p: ZeroRedundancyOptimizer(p, torch.optim.Adam, lr=0.01))
    close(own, alone)
    same_everywhere(own)
    assert len(zero.optim.state) < len(plain.state) or SIZE == 1
    refused(RuntimeError, "has not been consolidated", zero.state_dict)
    zero.consolidate_state_dict(to=0)
    saved = [None]
    if RANK == 0:
        saved = [zero.state_dict()]
        expected = plain.state_dict()
        assert saved[0]["param_groups"] == expected["param_groups"]
        assert list(saved[0]["state"]) == list(expected["state"])
        for number, state in expected["state"].items():
            for key, value in state.items():
                torch.testing.assert_close(saved[0]["state"][number][key], value, rtol=1e-10, atol=1e-13)
    dist.broadcast_object_list(saved)
    # A copy goes on exactly as the original.
    copied = mlp()
    copied.load_state_dict(own.state_dict())
    other = ZeroRedundancyOptimizer(copied.parameters(), torch.optim.Adam, lr=0.5)
    other.load_state_dict(saved[0])
    scheduler = torch.optim.lr_scheduler.StepLR(other, 1, gamma=0.5)
    for optimizer, net in ((zero, model), (other, DDP(copied))):
        optimizer.zero_grad()
        F.mse_loss(net(X[MINE]), Y[MINE]).backward()
        optimizer.step()
    for one, two in zip(own.parameters(), copied.parameters(), strict=True):
        assert torch.equal(one, two)
    scheduler.step()
    other.step()
    assert other.optim.param_groups[0]["lr"] == 0.005
    other.add_param_group({"params": [nn.Parameter(torch.zeros(3))], "lr": 0.3})
    refused(
        NotImplementedError,
        "overlap_with_ddp",
        ZeroRedundancyOptimizer,
        own.parameters(),
        torch.optim.SGD,
        overlap_with_ddp=True,
    )


def batch_norm() -> None:
    torch.manual_seed(1)
    for shape, dtype in (
        ((12, 3, 2, 2), torch.float64),
        ((12, 3), torch.float64),
        ((12, 3, 4), torch.bfloat16),
    ):
        whole = torch.randn(*shape, dtype=torch.float64).to(dtype)
        upstream = torch.randn(*shape, dtype=torch.float64).to(dtype)
        # Parts of different sizes; with four ranks the last one's is empty.
        sizes = {1: [12], 2: [5, 7], 4: [1, 5, 6, 0]}[SIZE]
        start = sum(sizes[:RANK])
        part = slice(start, start + sizes[RANK])
        results = []
        for data, up, norm in (
            (whole, upstream, F.batch_norm),
            (whole[part], upstream[part], None),
        ):
            x = data.clone().requires_grad_()
            weight = torch.tensor([0.5, 1.0, 2.0], requires_grad=True)
            bias = torch.tensor([0.0, 1.0, -1.0], requires_grad=True)
            if dtype is torch.float64:
                weight, bias = (
                    weight.detach().double().requires_grad_(),
                    bias.detach().double().requires_grad_(),
                )
            mean, variance = torch.zeros(3, dtype=weight.dtype), torch.ones(3, dtype=weight.dtype)
            if norm is None:
                y = sync_batch_norm(x, mean, variance, weight, bias, 0.1, 1e-5)
            else:
                y = norm(x, mean, variance, weight, bias, True, 0.1, 1e-5)
            (y * up).sum().backward()
            if norm is None:
                dist.all_reduce(weight.grad)
                dist.all_reduce(bias.grad)
            results.append((y.detach(), x.grad, weight.grad, bias.grad, mean, variance))
        expected, found = results
        loose = {"rtol": 2e-2, "atol": 3e-2} if dtype is torch.bfloat16 else {"rtol": 1e-10, "atol": 1e-12}
        for i in (0, 1):
            torch.testing.assert_close(found[i], expected[i][part], **loose)
        for i in (2, 3, 4, 5):
            torch.testing.assert_close(found[i], expected[i], **loose)


def batch_norm_module() -> None:
    """A net with SyncBatchNorm, trained in parts, is the net with BatchNorm1d, trained on the whole batch."""

    def make() -> Any:
        torch.manual_seed(2)
        return nn.Sequential(
            nn.Linear(8, 6), nn.BatchNorm1d(6, momentum=None), nn.Tanh(), nn.Linear(6, 4)
        ).double()

    alone, own = make(), nn.SyncBatchNorm.convert_sync_batchnorm(make())
    assert isinstance(own[1], nn.SyncBatchNorm)
    model = DDP(own)
    train(alone, slice(None))
    train(model, MINE)
    for (name, one), other in zip(own.state_dict().items(), alone.state_dict().values(), strict=True):
        # The bias before a normalisation has a gradient of rounding errors alone, which Adam makes steps of.
        if name != "0.bias" and name != "1.running_mean":
            torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)
    alone.eval()
    own.eval()
    torch.testing.assert_close(model(X), alone(X), rtol=1e-8, atol=1e-10)


class Digits(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(1, 8, 3, padding=1),
                relu1=nn.ReLU(),
                pool=nn.MaxPool2d(2),
                conv2=nn.Conv2d(8, 16, 3),
                relu2=nn.ReLU(),
                flat=nn.Flatten(),
                out=nn.Linear(64, 10),
            )
        )

    def forward(self, x: Any) -> Any:
        return self.body(x)


def digits(parallel: bool) -> Any:
    data = np.load(f"{sys.argv[1]}/digits.npz")
    images = torch.tensor(data["images"] / 16, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(data["labels"])
    torch.manual_seed(0)
    net = Digits()
    model = DDP(net) if parallel else net
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(2):
        order = torch.randperm(512, generator=torch.Generator().manual_seed(epoch))
        for start in range(0, 512, 64):
            batch = order[start : start + 64]
            if parallel:
                batch = batch[RANK * (64 // SIZE) : (RANK + 1) * (64 // SIZE)]
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            loss.backward()
            optimizer.step()
    return net


if len(sys.argv) > 1:
    net, alone = digits(parallel=True), digits(parallel=False)
    same_everywhere(net)
    for one, two in zip(net.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=2e-6)  # float32, 16 steps
    # The name without its ending is in the file, which is compared bit for bit: the same for all.
    torch.save(net.state_dict(), f"{sys.argv[1]}/{sys.argv[2]}/weights.{RANK}")
else:
    for check in (
        like_one_process,
        large,
        accumulate,
        unused,
        hooks,
        uneven,
        refusals,
        sharded,
        batch_norm,
        batch_norm_module,
    ):
        check()
sys.stdout.write(f"fine {RANK}\n")
