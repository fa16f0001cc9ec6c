# ruff: noqa: E402 - the stand-in must be in its place before the package is imported
"""Collectives and data-parallel training on pretended GPUs, one for each rank. Run by test_nccl.py, in several processes."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("RUSHLIGHT_CUDA_KERNELS", "0")

import pretend_cuda
import pretend_cupy
import pretend_nccl

pretend_cupy.install()
if "without" not in sys.argv:
    pretend_nccl.install(pretend_cupy)

import ml_dtypes
import numpy as np

import rushlight as torch
import rushlight.distributed as dist
import rushlight.distributed.nn.functional as dist_functional
from rushlight.distributed.algorithms.ddp_comm_hooks import default_hooks
from rushlight.nn.parallel import DistributedDataParallel

RANK, SIZE = int(os.environ["PMI_RANK"]), int(os.environ["PMI_SIZE"])
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.uint8, torch.int16,
          torch.int32, torch.int64, torch.bool, torch.complex64, torch.complex128]  # fmt: skip
DEVICE = torch.device("cuda", RANK % 2)
torch.cuda.set_device(DEVICE)
OVER_NCCL = "without" not in sys.argv


def data(rank: int, shape: tuple[int, ...], dtype: Any, salt: int = 0) -> Any:
    """What rank ``rank`` gives: every rank can say it of all."""
    generator = np.random.default_rng(1000 * salt + rank)
    return torch.tensor(generator.integers(0, 3, shape)).to(dtype)


def same(found: Any, expected: Any) -> None:
    assert found.device == DEVICE, found.device
    assert found.dtype == expected.dtype, (found.dtype, expected.dtype)
    wide = [one.cpu().float() if one.dtype is torch.bfloat16 else one.cpu() for one in (found, expected)]
    np.testing.assert_array_equal(wide[0].numpy(), wide[1].numpy())


def collectives() -> None:
    for dtype in DTYPES:
        for shape in ((3, 4), (5,), (), (0, 2)):
            every = [data(rank, shape, dtype) for rank in range(SIZE)]
            total = every[0].clone()
            for one in every[1:]:
                total = (total | one) if dtype is torch.bool else total + one
            x = every[RANK].to(DEVICE)
            dist.all_reduce(x)
            same(x, total)
            x = every[RANK].to(DEVICE)
            work = dist.all_reduce(x, async_op=True)
            assert work.wait()
            same(x, total)
            x = every[RANK].to(DEVICE)
            dist.reduce(x, SIZE - 1)
            same(x, total if RANK == SIZE - 1 else every[RANK])
            x = every[RANK].to(DEVICE)
            dist.broadcast(x, SIZE - 1)
            same(x, every[SIZE - 1])
            gathered = [torch.zeros(shape, dtype=dtype, device=DEVICE) for _ in range(SIZE)]
            dist.all_gather(gathered, every[RANK].to(DEVICE))
            for one, expected in zip(gathered, every, strict=True):
                same(one, expected)
            if shape:
                joined = torch.zeros((SIZE * shape[0], *shape[1:]), dtype=dtype, device=DEVICE)
                dist.all_gather_into_tensor(joined, every[RANK].to(DEVICE))
                same(joined, torch.cat(every))
                whole = torch.cat([data(0, shape, dtype, rank) for rank in range(SIZE)]).to(DEVICE)
                part = torch.zeros(shape, dtype=dtype, device=DEVICE)
                dist.reduce_scatter_tensor(part, whole)
                mine = data(0, shape, dtype, RANK)
                expected = mine.clone()
                for _ in range(SIZE - 1):
                    expected = (expected | mine) if dtype is torch.bool else expected + mine
                same(part, expected)
                swapped = torch.zeros_like(whole)
                dist.all_to_all_single(swapped, whole)
                same(swapped, torch.cat([data(0, shape, dtype, RANK)] * SIZE))
            targets = (
                [torch.zeros(shape, dtype=dtype, device=DEVICE) for _ in range(SIZE)] if RANK == 0 else None
            )
            dist.gather(every[RANK].to(DEVICE), targets, 0)
            for one, expected in zip(targets or [], every, strict=False):
                same(one, expected)
            x = torch.zeros(shape, dtype=dtype, device=DEVICE)
            dist.scatter(x, [one.to(DEVICE) for one in every] if RANK == 0 else None, 0)
            same(x, every[RANK])
            if SIZE > 1:
                if RANK == 0:
                    dist.send(every[0].to(DEVICE), 1)
                elif RANK == 1:
                    x = torch.zeros(shape, dtype=dtype, device=DEVICE)
                    assert dist.recv(x, 0) == 0
                    same(x, every[0])
    # Parts of several sizes, strides, reductions, groups.
    mine = torch.ones(RANK + 1, 2, device=DEVICE) * RANK
    parts = [torch.zeros(rank + 1, 2, device=DEVICE) for rank in range(SIZE)]
    dist.all_gather(parts, mine)
    for rank, one in enumerate(parts):
        same(one, torch.ones(rank + 1, 2) * rank)
    out = torch.zeros(RANK + 1, device=DEVICE)
    dist.reduce_scatter(out, [torch.ones(rank + 1, device=DEVICE) for rank in range(SIZE)])
    same(out, torch.full((RANK + 1,), float(SIZE)))
    turned = torch.arange(6.0, device=DEVICE).reshape(2, 3).t()
    dist.all_reduce(turned)
    same(turned, SIZE * torch.arange(6.0).reshape(2, 3).t())
    for op, expected in (
        (dist.ReduceOp.MAX, SIZE - 1), (dist.ReduceOp.MIN, 0), (dist.ReduceOp.AVG, (SIZE - 1) / 2),
        (dist.ReduceOp.PRODUCT, 0), (dist._make_nccl_premul_sum(0.5), SIZE * (SIZE - 1) / 4),
    ):  # fmt: skip
        x = torch.full((3,), float(RANK), device=DEVICE)
        dist.all_reduce(x, op=op)
        same(x, torch.full((3,), float(expected)))
    sent = [torch.full((rank + 1,), float(RANK), device=DEVICE) for rank in range(SIZE)]
    came = [torch.zeros(RANK + 1, device=DEVICE) for _ in range(SIZE)]
    dist.all_to_all(came, sent)
    for rank, one in enumerate(came):
        same(one, torch.full((RANK + 1,), float(rank)))
    tensors = [torch.ones(2, device=DEVICE), torch.ones(3, dtype=torch.int64, device=DEVICE)]
    dist.all_reduce_coalesced(tensors)
    same(tensors[0], torch.full((2,), float(SIZE)))
    same(tensors[1], torch.full((3,), SIZE))
    everybody: list[Any] = [None] * SIZE
    dist.all_gather_object(everybody, {"rank": RANK})
    assert everybody == [{"rank": rank} for rank in range(SIZE)]
    dist.barrier()
    group = dist.new_group([0])
    if RANK == 0:
        x = torch.ones(2, device=DEVICE)
        dist.all_reduce(x, group=group)
        same(x, torch.ones(2))
    if SIZE > 1:
        left, right = (RANK - 1) % SIZE, (RANK + 1) % SIZE
        got = torch.zeros(2, device=DEVICE)
        ops = [dist.P2POp(dist.isend, torch.full((2,), float(RANK), device=DEVICE), right),
               dist.P2POp(dist.irecv, got, left)]  # fmt: skip
        for work in dist.batch_isend_irecv(ops):
            work.wait()
        same(got, torch.full((2,), float(left)))
        try:
            if RANK == 0:
                dist.send(torch.ones(3, device=DEVICE), 1)
            elif RANK == 1:
                dist.recv(torch.zeros(4, device=DEVICE), 0)
        except dist.DistBackendError as error:
            assert RANK == 1 and "sent 12 bytes" in str(error)
        else:
            assert RANK != 1
    if OVER_NCCL:
        try:
            dist.all_reduce(torch.ones(2, dtype=torch.int32, device=DEVICE), op=dist.ReduceOp.BXOR)
        except RuntimeError as error:
            assert "Cannot use ReduceOp.BXOR with NCCL" in str(error)
        else:
            raise AssertionError
    try:
        dist.all_reduce(torch.ones(2 + RANK, device=DEVICE))
    except dist.RanksDisagree as error:
        assert "float32 [2]" in str(error) and "float32 [3]" in str(error)
    else:
        assert SIZE == 1


def training() -> None:
    def net() -> Any:
        torch.manual_seed(3)
        return torch.nn.Sequential(
            torch.nn.Linear(6, 40), torch.nn.Tanh(), torch.nn.BatchNorm1d(40), torch.nn.Linear(40, 3)
        )

    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(4 * SIZE, 6, generator=generator), torch.randn(4 * SIZE, 3, generator=generator)
    mine = slice(4 * RANK, 4 * RANK + 4)
    for options in (
        {},
        {"gradient_as_bucket_view": True},
        {"find_unused_parameters": True},
        {"bucket_cap_mb": 1e-4},
    ):
        model = net().to(DEVICE)
        model[2].eval()
        wrapped = DistributedDataParallel(model, device_ids=[DEVICE.index], **options)
        wrapped.module[2].eval()
        alone = net()
        alone[2].eval()
        first, second = (torch.optim.SGD(m.parameters(), 0.1, momentum=0.9) for m in (wrapped, alone))
        pretend_nccl.CALLS.clear()
        for step in range(3):
            first.zero_grad()
            if step == 1:
                with wrapped.no_sync():
                    (
                        torch.nn.functional.mse_loss(wrapped(x[mine].to(DEVICE)), y[mine].to(DEVICE)) * 0
                    ).backward()
            torch.nn.functional.mse_loss(wrapped(x[mine].to(DEVICE)), y[mine].to(DEVICE)).backward()
            first.step()
            second.zero_grad()
            torch.nn.functional.mse_loss(alone(x), y).backward()
            second.step()
        for a, b in zip(wrapped.module.parameters(), alone.parameters(), strict=True):
            np.testing.assert_allclose(a.detach().cpu().numpy(), b.detach().numpy(), rtol=2e-5, atol=1e-6)
        if OVER_NCCL and SIZE > 1:
            sums = pretend_nccl.CALLS.count("allReduce")
            assert sums == 3 * len(wrapped.reducer.buckets), pretend_nccl.CALLS
    half = DistributedDataParallel(torch.nn.Linear(4, 2).to(DEVICE).to(torch.bfloat16))
    half(torch.ones(1, 4, device=DEVICE, dtype=torch.bfloat16) * (RANK + 1)).sum().backward()
    expected = np.full((2, 4), (SIZE + 1) / 2).astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(half.module.weight.grad.float().cpu().numpy(), expected)


def streams() -> None:
    """NCCL's stream waits for the current one, and the current one for it; the processor for neither."""
    calls = pretend_nccl.CALLS
    kind = pretend_cuda.Stream
    record, wait = kind.record, kind.wait_event

    def recorded(self: Any, event: Any = None) -> Any:
        event = record(self, event)
        event.done, event.of = self.null, self  # a GPU that is never done with what is not in the null stream
        return event

    def waited(self: Any, event: Any) -> None:
        calls.append(
            f"{'current' if self.null else 'side'} waits for {'current' if event.of.null else 'side'}"
        )
        wait(self, event)

    kind.record, kind.wait_event = recorded, waited  # type: ignore[method-assign]
    try:
        x = torch.ones(3, device=DEVICE)
        calls.clear()
        dist.all_reduce(x)
        assert calls == ["side waits for current", "allReduce", "current waits for side"], calls
        calls.clear()
        work = dist.all_reduce(x, async_op=True)
        until = time.monotonic() + 30
        while not calls and time.monotonic() < until:
            assert not work.is_completed()
        assert not work.is_completed() and calls == ["side waits for current", "allReduce"], calls
        assert work.wait() and work.is_completed()
        assert calls[-1] == "current waits for side", calls
        model = DistributedDataParallel(torch.nn.Linear(3, 2).to(DEVICE), bucket_cap_mb=1e-6)
        calls.clear()
        model(x.reshape(1, 3)).sum().backward()
        assert calls.count("side waits for current") == calls.count("allReduce") == 2, calls
        assert calls[-1] == "current waits for side", calls
    finally:
        kind.record, kind.wait_event = record, wait  # type: ignore[method-assign]


def compiled() -> None:
    """Collectives of CUDA tensors are part of recorded and static graphs, in the program's order."""
    import host_cuda

    from rushlight.jit import witness
    from rushlight.runtime.cuda_operations import HOST_TRIPS

    if host_cuda.COMPILER is None:  # the stand-in has nothing to compile kernels with
        return
    witness._BENEATH = witness._BENEATH | {"pretend_cupy", "pretend_cuda", "host_cuda", "pretend_nccl"}
    total = SIZE * (SIZE - 1) / 2

    def reductions(x: Any) -> Any:
        y = x * 2
        dist.all_reduce(y)
        work = dist.all_reduce(x, async_op=True)
        z = y + 1
        work.wait()
        return z, x * 1

    def every_kind(x: Any) -> Any:
        group, found = dist.group.WORLD, []
        parts = [torch.empty_like(x) for _ in range(SIZE)]
        dist.all_gather(parts, x + 1)
        found.append(torch.cat(parts))
        first = x * 1
        dist.broadcast(first, SIZE - 1)
        dist.reduce(y := x * 3, 0)
        found += [first, y, *dist_functional.all_gather(x)]
        mean = x + 0.5
        dist.all_reduce(mean, op=dist.ReduceOp.AVG)
        own = torch.empty_like(x)
        dist.reduce_scatter(own, [x + rank for rank in range(SIZE)])
        swapped = [torch.empty_like(x) for _ in range(SIZE)]
        dist.all_to_all(swapped, [x * (rank + 1) for rank in range(SIZE)])
        dist.barrier(group)
        on_the_cpu = torch.ones(2) * (RANK + 1)
        dist.all_reduce(on_the_cpu)  # a part of the graph on another device
        mine = torch.empty_like(x)
        dist.scatter(mine, [first + rank for rank in range(SIZE)] if RANK == 0 else None, 0)
        targets = [torch.empty_like(x) for _ in range(SIZE)] if RANK == 0 else None
        dist.gather(x, targets, 0)
        return [*found, mean, own, *swapped, mine, *(targets or ())], on_the_cpu

    def with_gradients(x: Any) -> Any:
        x = x.detach().requires_grad_()
        gathered = dist_functional.all_gather(dist_functional.all_reduce(x * 2))
        (gathered[0] * 3).sum().backward()
        return x.grad

    for options in ({}, {"fullgraph": True}):
        for function in (reductions, every_kind, with_gradients):
            run = torch.compile(function, **options)
            for salt in range(4):
                x = torch.full((2, 3), float(RANK + salt), device=DEVICE)
                HOST_TRIPS.clear()
                expected = flat(function(x.clone()))
                pretend_nccl.CALLS.clear()
                for one, other in zip(flat(run(x)), expected, strict=True):
                    assert one.device == other.device
                    np.testing.assert_allclose(one.cpu().numpy(), other.cpu().numpy(), rtol=1e-6)
                assert not HOST_TRIPS, HOST_TRIPS
                assert bool(pretend_nccl.CALLS) == OVER_NCCL
        found = torch.compile(reductions, **options)(torch.full((4,), float(RANK), device=DEVICE))
        same(found[0], torch.full((4,), 2 * total + 1))
        same(found[1], torch.full((4,), total))
        try:
            torch.compile(reductions, **options)(torch.ones(2 + RANK, device=DEVICE))
        except dist.RanksDisagree as error:
            assert "float32 [2]" in str(error) and "float32 [3]" in str(error)
        else:
            assert SIZE == 1
    training_in_graphs()


def flat(value: Any) -> list[Any]:
    return [leaf for part in value for leaf in flat(part)] if isinstance(value, tuple | list) else [value]


def training_in_graphs() -> None:
    """A step of DDP, recorded and static, gives what it gives in eager mode."""
    generator = torch.Generator().manual_seed(1)
    batches = [(torch.randn(4, 6, generator=generator) + RANK).to(DEVICE) for _ in range(6)]
    for dtype, options in (
        (torch.float32, {}), (torch.float32, {"gradient_as_bucket_view": True}), (torch.float32, {"bucket_cap_mb": 1e-4}),
        (torch.bfloat16, {}), (torch.float32, {"find_unused_parameters": True}), (torch.float32, {"hook": True}),
    ):  # fmt: skip
        weights, calls = [], []
        hooked = options.pop("hook", False)
        for how in (None, {}, {"fullgraph": True}):
            torch.manual_seed(3)
            net = torch.nn.Sequential(
                torch.nn.Linear(6, 40), torch.nn.Tanh(), torch.nn.BatchNorm1d(40), torch.nn.Linear(40, 3)
            )
            model = DistributedDataParallel(net.to(DEVICE).to(dtype), **options)
            if hooked:
                model.register_comm_hook(None, default_hooks.fp16_compress_hook)
            optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)

            def step(x: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
                optimizer.zero_grad()
                loss = model(x).square().mean()
                loss.backward()
                optimizer.step()
                return loss.detach()

            run = step if how is None else torch.compile(step, **how)
            for x in batches:
                pretend_nccl.CALLS.clear()
                run(x.to(dtype))
            calls.append(pretend_nccl.CALLS.count("allReduce"))
            weights.append([value.cpu().float().numpy() for value in model.state_dict().values()])
        assert calls == ([len(model.reducer.buckets)] * 3 if OVER_NCCL else [0] * 3), calls
        for other in weights[1:]:
            for a, b in zip(weights[0], other, strict=True):
                np.testing.assert_allclose(
                    a,
                    b,
                    *((5e-2, 5e-2) if dtype is torch.bfloat16 else (1e-3, 1e-4) if hooked else (1e-5, 1e-6)),
                )
    whole = [
        (torch.randn(4 * SIZE, 6, generator=torch.Generator().manual_seed(9))).to(DEVICE) for _ in range(3)
    ]
    found = []
    for parallel in (True, False):
        torch.manual_seed(3)
        net = torch.nn.Linear(6, 3).to(DEVICE)
        optimizer = torch.optim.Adam(net.parameters(), 0.1)

        def one(x: Any, net: Any = net, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss.detach(), net(x)

        train = dist.data_parallel_step(one, net) if parallel else one
        results = [train(x) for x in whole]
        found.append(
            [*[t.detach().cpu().numpy() for pair in results for t in pair], net.weight.detach().cpu().numpy()]
        )
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


if __name__ == "__main__":
    assert pretend_cuda.DEVICES == 2
    dist.init_process_group(
        "gloo" if "without" in sys.argv else "cpu:gloo,cuda:nccl" if "both" in sys.argv else "nccl"
    )
    assert dist.is_nccl_available() == OVER_NCCL
    collectives()
    training()
    if OVER_NCCL:
        streams()
    if "both" not in sys.argv and (OVER_NCCL or SIZE == 2):  # the same lines as under the other names
        compiled()
    dist.barrier()
    sys.stdout.write(f"fine {RANK}\n")
    sys.stdout.flush()
