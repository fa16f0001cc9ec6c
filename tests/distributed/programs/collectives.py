"""Every collective against NumPy: all dtypes, any strides, no elements. Run by test_collectives.py."""

from __future__ import annotations

import functools
import sys
from typing import Any

import ml_dtypes  # noqa: F401 - NumPy's bfloat16
import numpy as np

import rushlight as torch
import rushlight.distributed as dist

dist.init_process_group("gloo")
RANK, SIZE = dist.get_rank(), dist.get_world_size()
Op = dist.ReduceOp
DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bfloat16, torch.float16,
    torch.float32, torch.float64, torch.complex64, torch.complex128,
]  # fmt: skip


def values(dtype: Any, shape: tuple[int, ...], rank: int, salt: int = 0) -> Any:
    """What ``rank`` gives: small whole numbers, so that no reduction rounds in any dtype."""
    random = np.random.default_rng(1000 * rank + salt)
    numbers = random.integers(0, 4, shape)
    if dtype.is_complex:
        numbers = numbers + 1j * random.integers(0, 4, shape)
    return np.asarray(numbers, dtype.numpy)


def layouts(dtype: Any, salt: int = 0) -> Any:
    """This rank's tensor and all ranks' arrays: contiguous, transposed, strided, 0-dim, empty."""
    for shape in ((5,), (3, 4), (), (0,), (2, 0, 3)):
        every = [values(dtype, shape, rank, salt) for rank in range(SIZE)]
        yield torch.from_numpy(every[RANK].copy()), every
    every = [values(dtype, (3, 4), rank, salt) for rank in range(SIZE)]
    yield torch.from_numpy(np.ascontiguousarray(every[RANK].T)).t(), every
    base = torch.zeros(6, 8, dtype=dtype)
    base[::2, 1::2] = torch.from_numpy(every[RANK])
    yield base[::2, 1::2], every


def same(found: Any, expected: Any, what: str) -> None:
    array = found.numpy() if isinstance(found, torch.Tensor) and found.dtype is not torch.bfloat16 else found
    if isinstance(array, torch.Tensor):
        array, expected = array.float().numpy(), np.asarray(expected, np.float32)
    assert array.shape == np.shape(expected), (
        f"rank {RANK}, {what}: shape {array.shape}, not {np.shape(expected)}"
    )
    assert np.array_equal(array, np.asarray(expected, array.dtype)), (
        f"rank {RANK}, {what}:\n{array}\n{expected}"
    )


def reduced(every: list[Any], op: Any, dtype: Any) -> Any:
    if dtype is torch.bool:
        by_op = {
            Op.SUM: np.logical_or, Op.MAX: np.logical_or, Op.BOR: np.logical_or, Op.PRODUCT: np.logical_and,
            Op.MIN: np.logical_and, Op.BAND: np.logical_and, Op.BXOR: np.logical_xor,
        }  # fmt: skip
        return functools.reduce(by_op[op], every)
    wide = [np.asarray(one, np.complex128 if dtype.is_complex else np.float64) for one in every]
    if op in (Op.BAND, Op.BOR, Op.BXOR):
        return functools.reduce(
            {Op.BAND: np.bitwise_and, Op.BOR: np.bitwise_or, Op.BXOR: np.bitwise_xor}[op], every
        )
    by_op = {Op.SUM: np.add, Op.AVG: np.add, Op.PRODUCT: np.multiply, Op.MIN: np.minimum, Op.MAX: np.maximum}
    total = functools.reduce(by_op[op], wide)
    if op is Op.AVG:
        # By parts: NumPy divides complex numbers with one more rounding.
        total = total.real / SIZE + (1j * (total.imag / SIZE) if dtype.is_complex else 0)
        if not (dtype.is_floating_point or dtype.is_complex):
            total = np.trunc(total)
    return total.astype(dtype.numpy)


def allowed(op: Any, dtype: Any) -> bool:
    if op in (Op.BAND, Op.BOR, Op.BXOR):
        return not (dtype.is_floating_point or dtype.is_complex)
    if dtype.is_complex:
        return op in (Op.SUM, Op.AVG)
    return not (op is Op.AVG and dtype is torch.bool)


OPS = [op for op in Op if op is not Op.PREMUL_SUM]


def check_reductions(dtype: Any) -> None:
    for op in OPS:
        if not allowed(op, dtype):
            try:
                dist.all_reduce(torch.zeros(2, dtype=dtype), op=op)
            except (RuntimeError, ValueError):
                continue
            raise AssertionError(f"{op} of {dtype} was not refused")
        for number, (x, every) in enumerate(layouts(dtype)):
            if op is not Op.SUM and number not in (1, 3, 6):
                continue  # strides matter to none of the reductions differently
            version = x._version
            dist.all_reduce(x, op=op)
            same(x, reduced(every, op, dtype), f"all_reduce {op} {dtype} {x.shape} {x.stride()}")
            assert x._version > version, "a change in place was not counted"
    for root in {0, SIZE - 1}:
        for x, every in layouts(dtype):
            dist.reduce(x, root)
            expected = reduced(every, Op.SUM, dtype) if root == RANK else every[RANK]
            same(x, expected, f"reduce to {root} {dtype}")
    parts = [[values(dtype, (2, 3), rank, 10 + i) for i in range(SIZE)] for rank in range(SIZE)]
    expected = reduced([parts[rank][RANK] for rank in range(SIZE)], Op.SUM, dtype)
    out = torch.empty(2, 3, dtype=dtype)
    dist.reduce_scatter(out, [torch.from_numpy(part) for part in parts[RANK]])
    same(out, expected, f"reduce_scatter {dtype}")
    whole = torch.from_numpy(np.concatenate(parts[RANK]))
    out = torch.empty(3, 2, dtype=dtype).t()
    dist.reduce_scatter_tensor(out, whole)
    same(out, expected, f"reduce_scatter_tensor {dtype}")
    empty = torch.empty(0, 3, dtype=dtype)
    dist.reduce_scatter_tensor(empty, torch.empty(0, 3, dtype=dtype))


def check_moves(dtype: Any) -> None:
    for root in {0, SIZE - 1}:
        for x, every in layouts(dtype):
            dist.broadcast(x, root)
            same(x, every[root], f"broadcast from {root} {dtype} {x.shape} {x.stride()}")
        for x, every in layouts(dtype):
            places = [torch.empty_like(x) for _ in range(SIZE)] if root == RANK else None
            dist.gather(x, places, root)
            for place, expected in zip(places or [], every, strict=False):
                same(place, expected, f"gather to {root} {dtype}")
        for x, every in layouts(dtype):
            given = [torch.from_numpy(one) for one in every] if root == RANK else None
            dist.scatter(x, given, root)
            same(x, every[RANK], f"scatter from {root} {dtype}")
    for x, every in layouts(dtype):
        places = [torch.empty_like(x) for _ in range(SIZE)]
        dist.all_gather(places, x)
        for place, expected in zip(places, every, strict=True):
            same(place, expected, f"all_gather {dtype}")
        stacked = torch.empty(SIZE, *x.shape, dtype=dtype)
        dist.all_gather_into_tensor(stacked, x)
        same(stacked, np.stack(every), f"all_gather_into_tensor {dtype}")
        if x.dim():
            joined = torch.empty(SIZE * x.shape[0], *x.shape[1:], dtype=dtype)
            dist.all_gather_into_tensor(joined, x)
            same(joined, np.concatenate(every), f"all_gather_into_tensor {dtype}, joined")
    uneven = [values(dtype, (rank, 2), rank) for rank in range(SIZE)]
    places = [torch.empty(rank, 2, dtype=dtype) for rank in range(SIZE)]
    dist.all_gather(places, torch.from_numpy(uneven[RANK]))
    for place, expected in zip(places, uneven, strict=True):
        same(place, expected, f"uneven all_gather {dtype}")
    # What rank a sends to rank b has a + 2b rows.
    sent = [[values(dtype, (a + 2 * b, 2), a, b) for b in range(SIZE)] for a in range(SIZE)]
    places = [torch.empty(a + 2 * RANK, 2, dtype=dtype) for a in range(SIZE)]
    dist.all_to_all(places, [torch.from_numpy(part) for part in sent[RANK]])
    for a, place in enumerate(places):
        same(place, sent[a][RANK], f"all_to_all {dtype}")
    out = torch.empty(sum(a + 2 * RANK for a in range(SIZE)), 2, dtype=dtype)
    dist.all_to_all_single(
        out,
        torch.from_numpy(np.concatenate(sent[RANK])),
        [a + 2 * RANK for a in range(SIZE)],
        [RANK + 2 * b for b in range(SIZE)],
    )
    same(out, np.concatenate([sent[a][RANK] for a in range(SIZE)]), f"all_to_all_single {dtype}")
    even = [values(dtype, (2 * SIZE,), rank) for rank in range(SIZE)]
    out = torch.empty(2 * SIZE, dtype=dtype)
    dist.all_to_all_single(out, torch.from_numpy(even[RANK]))
    same(out, np.concatenate([e[2 * RANK : 2 * RANK + 2] for e in even]), f"even all_to_all_single {dtype}")


for dtype in DTYPES:
    check_reductions(dtype)
    check_moves(dtype)

# Large enough to go in pieces; many at once, waited for in another order than they were begun.
x = torch.full((300_000,), float(RANK + 1))
dist.all_reduce(x)
assert (x == SIZE * (SIZE + 1) / 2).all()
tensors = [torch.full((1000 * (i + 1),), float(RANK + i)) for i in range(8)]
works = [dist.all_reduce(tensor, async_op=True) for tensor in tensors]
for i in reversed(range(8)):
    assert works[i].wait()
    assert works[i].is_completed() and works[i].is_success()
    assert (tensors[i] == SIZE * i + SIZE * (SIZE - 1) / 2).all()
future = dist.all_reduce(torch.ones(2), async_op=True).get_future().then(lambda f: f.value()[0] * 2)
same(future.wait(), np.full(2, 2.0 * SIZE), "future")

x = torch.ones(3) * (RANK + 1)
dist.all_reduce(x, op=dist._make_nccl_premul_sum(0.5))
same(x, np.full(3, SIZE * (SIZE + 1) / 4), "premultiplied sum")

# 16-bit sums are made in float32 and rounded once: 256 + 1 + 1 is 258 in bfloat16, but 256 + 1 is 256.
if SIZE == 3:
    x = torch.tensor([256.0, 1.0, 1.0][RANK]).to(torch.bfloat16)
    dist.all_reduce(x)
    assert x.item() == 258

# A leaf that needs a gradient may be written to, and an expanded tensor may not.
w = torch.ones(2, requires_grad=True)
dist.all_reduce(w)
assert w.requires_grad and w.is_leaf and (w == SIZE).all()
try:
    dist.all_reduce(torch.ones(1).expand(3))
    raise AssertionError("an expanded tensor was written to")
except RuntimeError:
    pass
dist.barrier()
dist.destroy_process_group()
assert not dist.is_initialized()
dist.init_process_group()  # a second time in one process
dist.barrier()
assert dist.get_world_size() == SIZE
sys.stdout.write(f"fine {RANK}\n")
