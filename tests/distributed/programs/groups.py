"""Groups, messages, objects, gradients of collectives, and disagreement. Run by test_groups.py."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from datetime import timedelta
from typing import Any

import rushlight as torch
import rushlight.distributed as dist
import rushlight.distributed.nn as dnn

dist.init_process_group("nccl", timeout=timedelta(seconds=30))
RANK, SIZE = dist.get_rank(), dist.get_world_size()


def refused(kind: type[Exception], words: str, call: Any, *args: Any, **kwargs: Any) -> None:
    try:
        call(*args, **kwargs)
    except kind as error:
        assert words in str(error), f"rank {RANK}: {error}"
    else:
        raise AssertionError(f"rank {RANK}: not refused: {words}")


def questions() -> None:
    assert dist.is_initialized() and dist.is_available() and dist.is_mpi_available()
    assert dist.get_backend() == "nccl"
    assert os.environ["RANK"] == str(RANK) and os.environ["WORLD_SIZE"] == str(SIZE)
    assert dist.get_node_local_rank() == RANK
    assert dist.get_process_group_ranks(None) == list(range(SIZE))
    assert dist.get_world_size(dist.group.WORLD) == SIZE
    refused(ValueError, "twice", dist.init_process_group, "gloo")
    refused(TypeError, "timedelta", dist.new_group, [0], 5)
    refused(ValueError, "within the world_size", dist.new_group, [SIZE])
    refused(ValueError, "each may come once", dist.new_group, [0, 0])


def groups() -> None:
    evens = dist.new_group(list(range(0, SIZE, 2)))
    odds = dist.new_group(list(range(1, SIZE, 2))) if SIZE > 1 else dist.GroupMember.NON_GROUP_MEMBER
    own, other = (odds, evens) if RANK % 2 else (evens, odds)
    assert other is dist.GroupMember.NON_GROUP_MEMBER
    assert dist.get_rank(own) == RANK // 2 and dist.get_rank(other) == -1 and dist.get_world_size(other) == -1
    x = torch.tensor([float(RANK)])
    dist.all_reduce(x, group=own)
    assert x.item() == sum(range(RANK % 2, SIZE, 2))
    x = torch.tensor([RANK])
    dist.broadcast(x, RANK % 2, group=own)  # roots are world ranks
    assert x.item() == RANK % 2
    x = torch.tensor([RANK])
    dist.broadcast(x, group=own, group_src=0)
    assert x.item() == RANK % 2
    if SIZE > 1:
        refused(ValueError, "is not part of group", dist.broadcast, x, 1 - RANK % 2, group=own)
        assert dist.get_global_rank(own, 0) == RANK % 2 and dist.get_group_rank(own, RANK) == RANK // 2
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            dist.all_reduce(x, group=other)
        assert "does not belong to the given group" in str(caught[0].message)
    if SIZE == 4:
        mine, every = dist.new_subgroups(2)
        assert dist.get_process_group_ranks(mine) == [RANK // 2 * 2, RANK // 2 * 2 + 1] and len(every) == 2
        pair = dist.new_group([1, 3], use_local_synchronization=True)
        if RANK in (1, 3):
            dist.barrier(pair)
    # Operations of two groups, waited for in different orders on different ranks.
    whole = dist.new_group()
    a, b = torch.ones(4), torch.ones(4)
    first = dist.all_reduce(a, group=whole, async_op=True)
    second = dist.all_reduce(b, async_op=True)
    for work in (first, second) if RANK % 2 else (second, first):
        work.wait()
    assert (a == SIZE).all() and (b == SIZE).all()
    dist.destroy_process_group(whole)


def messages() -> None:
    if SIZE == 1:
        refused(ValueError, "should not be the same", dist.send, torch.ones(1), 0)
        return
    following, previous = (RANK + 1) % SIZE, (RANK - 1) % SIZE
    x, y = torch.arange(6.0).reshape(2, 3).t() + RANK, torch.zeros(4, 4)[:3, :2]
    ops = [dist.P2POp(dist.isend, x, following), dist.P2POp(dist.irecv, y, previous)]
    for work in dist.batch_isend_irecv(ops):
        work.wait()
    assert torch.equal(y, x - RANK + previous)
    # By tag, in the other order.
    one, two = torch.zeros(1), torch.zeros(1, dtype=torch.bfloat16)
    sent = [
        dist.isend(torch.ones(1), following, tag=1),
        dist.isend(torch.full((1,), 2.0).to(torch.bfloat16), following, tag=2),
    ]
    dist.recv(two, previous, tag=2)
    assert dist.recv(one, tag=1) == previous
    for work in sent:
        work.wait()
    assert one.item() == 1 and two.item() == 2
    # A send whose handle is dropped still arrives whole.
    dist.isend(torch.full((300_000,), float(RANK)), following)
    gc.collect()
    noise = [torch.zeros(300_000) for _ in range(3)]
    large = torch.zeros(300_000)
    dist.recv(large, previous)
    assert (large == previous).all() and len(noise) == 3
    dist.barrier()
    if RANK == 0:
        for rank in range(1, SIZE):
            dist.send(torch.full((100_000,), float(rank)), rank)
            dist.send(torch.ones(0), rank)
    else:
        large = torch.zeros(100_000)
        dist.recv(large, 0)
        assert (large == RANK).all()
        dist.recv(torch.ones(0), 0)
    if RANK == 0:
        dist.send(torch.ones(2), 1)
        dist.send(torch.ones(5), 1)
    elif RANK == 1:
        refused(dist.DistBackendError, "takes 12", dist.recv, torch.ones(3), 0)
        refused(dist.DistBackendError, "truncated", dist.recv, torch.ones(3), 0)
    dist.barrier()
    dist.monitored_barrier()


def objects() -> None:
    every: list[Any] = [None] * SIZE
    dist.all_gather_object(every, {"rank": RANK, "text": "x" * RANK, "tensor": torch.ones(2) * RANK})
    assert [one["rank"] for one in every] == list(range(SIZE)) and (every[-1]["tensor"] == SIZE - 1).all()
    three = [RANK, "a", None] if RANK == 0 else [None, None, 7]
    dist.broadcast_object_list(three)
    assert three == [0, "a", None]
    found: list[Any] | None = [None] * SIZE if RANK == SIZE - 1 else None
    dist.gather_object(("r", RANK), found, dst=SIZE - 1)
    assert found is None or found == [("r", rank) for rank in range(SIZE)]
    place = [None]
    dist.scatter_object_list(place, [str(i) * i for i in range(SIZE)] if RANK == 0 else None, src=0)
    assert place == [str(RANK) * RANK]
    if SIZE > 1:
        if RANK == 0:
            dist.send_object_list([1, "b"], 1)
        if RANK == 1:
            got = [None, None]
            assert dist.recv_object_list(got, 0) == 0 and got == [1, "b"]


def gradients() -> None:
    total = SIZE * (SIZE + 1) / 2
    factor = RANK + 1.0

    def grad_of(function: Any, shape: tuple[int, ...] = (2,)) -> Any:
        x = torch.full(shape, factor, dtype=torch.float64, requires_grad=True)
        (function(x) * factor).sum().backward()
        return x.grad

    # What follows is the derivative of the sum of all ranks' results, each times its factor.
    assert (grad_of(dnn.all_reduce) == total).all()
    assert torch.allclose(
        grad_of(lambda x: dnn.all_reduce(x, dist.ReduceOp.AVG)), torch.tensor(total / SIZE).double()
    )
    assert (grad_of(lambda x: dnn.broadcast(x, 0)) == (total if RANK == 0 else 0)).all()
    assert (grad_of(lambda x: dnn.reduce(x, 0)) == 1).all()
    assert (grad_of(lambda x: torch.stack(dnn.all_gather(x))[RANK]) == factor).all()
    assert (grad_of(lambda x: torch.stack(dnn.all_gather(x))[0]) == (total if RANK == 0 else 0)).all()
    assert (grad_of(lambda x: torch.stack(dnn.gather(x, 0))) == 1).all()
    assert (
        grad_of(lambda x: dnn.scatter([x * i for i in range(SIZE)], 0))
        == (sum((r + 1) * r for r in range(SIZE)) if RANK == 0 else 0)
    ).all()
    out = torch.empty(2, dtype=torch.float64)
    found = grad_of(lambda x: dnn.reduce_scatter(out, [x * i for i in range(SIZE)]))
    assert (found == sum((r + 1) * r for r in range(SIZE))).all()
    found = grad_of(lambda x: torch.stack(dnn.all_to_all([out] * SIZE, [x * i for i in range(SIZE)])))
    assert (found == sum((r + 1) * r for r in range(SIZE))).all()
    whole = torch.empty(SIZE, 2, dtype=torch.float64)
    found = grad_of(lambda x: dnn.all_to_all_single(whole, x), (SIZE, 2))
    assert (found == torch.arange(1, SIZE + 1).reshape(-1, 1)).all()
    # Twice: the second derivative of sum(all_reduce(x)^3).
    x = torch.full((1,), factor, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(dnn.all_reduce(x).pow(3).sum(), x, create_graph=True)
    assert first.item() == SIZE * 3 * total**2
    (second,) = torch.autograd.grad(first.sum(), x)
    assert second.item() == SIZE * SIZE * 6 * total


def disagreement() -> None:
    if SIZE == 1:
        return
    shape = (2, 3) if RANK == 0 else (3, 2)
    try:
        dist.all_reduce(torch.zeros(shape))
        raise AssertionError("not refused")
    except dist.RanksDisagree as error:
        assert "rank 0: all_reduce of float32 [2, 3]" in str(
            error
        ) and "rank 1: all_reduce of float32 [3, 2]" in str(error)
    kinds = (torch.float32, torch.float64)
    refused(RuntimeError, "float64 [2]", dist.broadcast, torch.zeros(2, dtype=kinds[RANK == 0]), 0)
    refused(RuntimeError, "source 1", dist.broadcast, torch.zeros(2), int(RANK == 0))
    if RANK == 0:
        refused(RuntimeError, "barrier", dist.barrier)
    else:
        refused(RuntimeError, "barrier", dist.all_reduce, torch.zeros(1))
    refused(RuntimeError, "op MAX", dist.all_reduce, torch.zeros(1), list(dist.ReduceOp)[0 if RANK else 4])
    places = [torch.zeros(1 + (RANK == 0)) for _ in range(SIZE)]
    refused(RuntimeError, "1 elements where", dist.all_to_all, places, [torch.zeros(1)] * SIZE)
    x = torch.ones(1)
    dist.all_reduce(x)  # and the group goes on working
    assert x.item() == SIZE
    refused(TypeError, "Expected parameter `tensor` of type torch.Tensor", dist.all_reduce, [1])
    refused(TypeError, "ReduceOp", dist.all_reduce, x, "sum")
    refused(ValueError, "one for each", dist.all_gather, [x] * (SIZE + 1), x)
    refused(ValueError, "one dtype", dist.all_gather, [x.double()] * SIZE, x)
    refused(ValueError, "does not hold", dist.all_gather_into_tensor, torch.zeros(SIZE + 1), x)
    refused(
        RuntimeError, "cannot be cut", dist.all_to_all_single, torch.zeros(SIZE + 1), torch.zeros(SIZE + 1)
    )
    refused(RuntimeError, "add up to", dist.all_to_all_single, x, x, [1] * SIZE, [1] * SIZE)
    refused(
        ValueError,
        "must be specified" if RANK == 0 else "must NOT",
        dist.gather,
        x,
        None if RANK == 0 else [x],
    )


questions()
groups()
messages()
objects()
gradients()
disagreement()
dist.destroy_process_group()
refused(ValueError, "Default process group has not been initialized", dist.get_rank)
sys.stdout.write(f"fine {RANK}\n")
