"""Collectives inside of compiled functions: as in eager mode, in both modes. Run by test_graphs.py."""

from __future__ import annotations

import sys
from typing import Any

import rushlight as torch
import rushlight.distributed as dist
from rushlight import nn
from rushlight.distributed.algorithms.ddp_comm_hooks import default_hooks
from rushlight.distributed.nn import functional as differentiable
from rushlight.distributed.optim import ZeroRedundancyOptimizer
from rushlight.jit.explain import explain
from rushlight.nn.parallel import DistributedDataParallel as DDP

dist.init_process_group("gloo")
RANK, SIZE = dist.get_rank(), dist.get_world_size()
F = nn.functional
MODES: list[dict[str, Any]] = [{}, {"fullgraph": True}]


def refused(kind: type[Exception], words: str, call: Any, *args: Any, **kwargs: Any) -> None:
    try:
        call(*args, **kwargs)
    except kind as error:
        assert words in str(error), f"rank {RANK}: {error}"
    else:
        raise AssertionError(f"rank {RANK}: not refused: {words}")


def value(*shape: int) -> Any:
    """Different on each rank, and exact in sums."""
    x = torch.arange(float(max(1, torch.Size(shape).numel())))
    return x.reshape(shape) * (RANK + 1) + RANK


def same_in_graphs(function: Any, *args: Any) -> None:
    """``function`` gives the same compiled, three times each, and leaves the same in its arguments."""
    expected_args = [arg.clone() for arg in args]
    expected = function(*expected_args)
    for options in MODES:
        compiled = torch.compile(function, **options)
        for _ in range(3):
            given = [arg.clone() for arg in args]
            found = compiled(*given)
            torch.testing.assert_close(found, expected, rtol=0, atol=0)
            torch.testing.assert_close(given, expected_args, rtol=0, atol=0)


def in_the_background() -> None:
    """With async_op a collective is under way while a plan does what does not need its result."""

    def both(x: Any, a: Any) -> Any:
        y = x * 2
        work = dist.all_reduce(y, async_op=True)
        other = dist.broadcast(x, SIZE - 1, async_op=True)
        b = a @ a
        work.wait()
        other.wait()
        c = b @ a
        return y + 1, c, x * 3

    same_in_graphs(both, value(3, 2), value(40, 40))

    def several(x: Any) -> Any:
        parts = [torch.zeros(3, 2) for _ in range(SIZE)]
        whole = torch.cat([x * n for n in range(SIZE)])
        out, swapped, total = torch.zeros(3, 2), torch.zeros_like(whole), x + 1
        works = [
            dist.all_gather(parts, x, async_op=True),
            dist.reduce_scatter_tensor(out, whole, async_op=True),
            dist.all_to_all_single(swapped, whole, async_op=True),
            dist.reduce(total, 0, async_op=True),
        ]
        for work in works:
            work.wait()
        return torch.cat(parts), out, swapped, total if RANK == 0 else x

    same_in_graphs(several, value(3, 2))
    plan = str(explain(both, value(3, 2), value(40, 40)))
    marks = ("Python call: distributed", "matrix product: matmul")
    lines = [line for line in plan.splitlines() if any(mark in line for mark in marks)]
    order = ["begin" if "begin" in line else "end" if "_end" in line else "product" for line in lines]
    assert order == ["begin", "begin", "product", "product", "end", "end"], plan


def in_place() -> None:
    """Each collective between operations that it depends on and that depend on it."""
    op = dist.ReduceOp
    for reduction in (op.SUM, op.AVG, op.MAX, op.MIN, op.PRODUCT):

        def reduced(x: Any, reduction: Any = reduction) -> Any:
            y = x * 2
            dist.all_reduce(y, reduction)
            z = y + x
            dist.reduce(z, 0, reduction)
            return y, z if RANK == 0 else y

        same_in_graphs(reduced, value(3, 2))

    def premultiplied(x: Any) -> Any:
        y = x + 1
        dist.all_reduce(y, dist.premul_sum(0.5))
        return y

    same_in_graphs(premultiplied, value(3, 2))

    def spread(x: Any) -> Any:
        y = x.t() + 1
        work = dist.broadcast(y, SIZE - 1, async_op=True)
        assert work.wait()
        dist.barrier()
        dist.broadcast(x, 0)  # an argument changes
        return y - x.t()

    same_in_graphs(spread, value(3, 2))

    def gathered(x: Any) -> Any:
        every = [torch.zeros(rank + 1, 2) for rank in range(SIZE)]
        dist.all_gather(every, x[: RANK + 1] * 3)
        joined, stacked = torch.zeros(SIZE * 4, 2), torch.zeros(SIZE, 4, 2)
        dist.all_gather_into_tensor(joined, x)
        dist.all_gather_into_tensor(stacked, x + joined[:4])
        there = [torch.zeros(4, 2) for _ in range(SIZE)] if RANK == SIZE - 1 else None
        dist.gather(x - 1, there, SIZE - 1)
        return every, stacked, there

    same_in_graphs(gathered, value(4, 2))

    def scattered(x: Any) -> Any:
        mine = torch.zeros(2)
        dist.scatter(mine, [x[i, :2] * 2 for i in range(SIZE)] if RANK == 0 else None, 0)
        part = torch.zeros(2)
        dist.reduce_scatter(part, [x[i, 2:] + 1 for i in range(SIZE)])
        row = torch.zeros(4)
        dist.reduce_scatter_tensor(row, x[:SIZE].contiguous() * 3, op.MAX)
        return mine, part, row

    same_in_graphs(scattered, value(4, 4))

    def exchanged(x: Any) -> Any:
        received = [torch.zeros(3) for _ in range(SIZE)]
        dist.all_to_all(received, [x[i, :3] * 2 for i in range(SIZE)])
        whole = torch.zeros(4 * SIZE)
        dist.all_to_all_single(whole, x[:SIZE].reshape(-1) + 1)
        sizes = [rank + 1 for rank in range(SIZE)]
        uneven = torch.zeros(SIZE * (RANK + 1))
        dist.all_to_all_single(
            uneven, torch.cat([x[0, : rank + 1] for rank in range(SIZE)]), [RANK + 1] * SIZE, sizes
        )
        return received, whole, uneven

    same_in_graphs(exchanged, value(4, 4))


def gradients() -> None:
    """Differentiable collectives, forward and backward inside of one graph."""

    def step(x: Any) -> Any:
        w = x.detach().clone().requires_grad_()
        total = differentiable.all_reduce(w * w)
        mean = differentiable.all_reduce(w.sin(), dist.ReduceOp.AVG)
        every = torch.stack(differentiable.all_gather(w * 3))
        first = differentiable.broadcast(w * 2, 0)
        at_root = differentiable.reduce(w.exp(), 0)
        there = differentiable.gather(w + 1, SIZE - 1)
        part = differentiable.scatter([w * i for i in range(SIZE)], 0)
        own = differentiable.reduce_scatter(w[0], [w[i] * w[i] for i in range(SIZE)])
        swapped = differentiable.all_to_all_single(torch.empty(SIZE, 4), w[:SIZE] * 5)
        terms = (total, mean, every, first, at_root, *there, part, own, swapped)
        loss = sum([(term * (i + 1 + RANK)).sum() for i, term in enumerate(terms)])
        return loss, torch.autograd.grad(loss, w)[0]

    x = value(4, 4) / 16
    expected = step(x)
    for options in MODES:
        compiled = torch.compile(step, **options)
        for _ in range(2):
            torch.testing.assert_close(
                compiled(x), expected, rtol=1e-5, atol=1e-5
            )  # fused code rounds otherwise


def order() -> None:
    """Ranks that read values at other times make the same calls all the same."""

    def uneven(x: Any, y: Any) -> Any:
        dist.all_reduce(x)
        x *= 2
        if RANK == 0:
            x.sum().item()  # runs what is recorded, here alone
        dist.all_reduce(y, dist.ReduceOp.MAX)  # of a tensor that nothing pending has touched
        every: list[Any] = [None] * SIZE
        dist.all_gather_object(every, RANK)
        dist.broadcast(x, 0)
        if SIZE > 1 and RANK < 2:
            if RANK == 0:
                dist.send(x + 1, 1)
            else:
                dist.recv(y, 0)
        return x + y, every

    expected = uneven(value(5), value(5))
    compiled = torch.compile(uneven)
    for _ in range(3):
        torch.testing.assert_close(compiled(value(5), value(5)), expected, rtol=0, atol=0)
    static = torch.compile(lambda: dist.all_gather_object([None] * SIZE, 1), fullgraph=True)
    refused(RuntimeError, "can't be part of a static graph", static)

    def loop(x: Any) -> Any:
        def body(i: Any, s: Any) -> Any:
            return i + 1, differentiable.all_reduce(s) / SIZE + 1

        return torch.while_loop(lambda i, s: i < 3, body, (torch.zeros((), dtype=torch.int64), x))[1]

    same_in_graphs(loop, value(3))


def disagreement() -> None:
    """Ranks whose programs differ are told, with all their shapes, and go on."""
    if SIZE == 1:
        return

    def mixed(x: Any) -> Any:
        y = x[: 2 + (RANK == 1)] * 2
        dist.all_reduce(y)
        return y

    for options in MODES:
        compiled = torch.compile(mixed, **options)
        for _ in range(2):
            refused(RuntimeError, "rank 1: all_reduce of float32 [3]", compiled, value(4))
            refused(RuntimeError, "rank 0: all_reduce of float32 [2]", compiled, value(4))
    dist.barrier()


# --- training ---------------------------------------------------------------------------------------------------------

torch.manual_seed(5)
X, Y = torch.randn(24, 8, dtype=torch.float64), torch.randn(24, 4, dtype=torch.float64)
MINE = slice(RANK * (24 // SIZE), (RANK + 1) * (24 // SIZE))


def mlp(seed: int = 0, width: int = 16) -> Any:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(8, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 4)
    ).double()


def stepper(model: Any, optimizer: Any) -> Any:
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def train(model: Any, options: Any, x: Any, y: Any, make: Any, steps: int = 6) -> Any:
    step = stepper(model, make(model.parameters()))
    if options is not None:
        step = torch.compile(step, **options)
    return [step(x, y) for _ in range(steps)]


def close(found: Any, expected: Any) -> None:
    for one, other in zip(found.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


def bits(model: Any) -> list[bytes]:
    return [p.detach().numpy().tobytes() for p in model.parameters()]


def data_parallel() -> None:
    for make in (
        lambda params: torch.optim.Adam(params, lr=0.01),
        lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9),
    ):
        for width, settings in (
            (16, {"bucket_cap_mb": 0.0002}),
            (16, {}),
            (300, {}),
            (300, {"gradient_as_bucket_view": True}),
        ):
            alone = mlp(width=width)
            train(alone, None, X, Y, make)
            for options in MODES:
                repeats = []
                for _ in range(2):
                    own = mlp(seed=RANK, width=width)  # rank 0's weights count
                    train(DDP(own, **settings), options, X[MINE], Y[MINE], make)
                    close(own, alone)
                    repeats.append(bits(own))
                assert repeats[0] == repeats[1]
                every: list[Any] = [None] * SIZE
                dist.all_gather_object(every, repeats[0])
                assert all(one == every[0] for one in every)
    # Ranks that compile and ranks that do not work together.
    alone, own = mlp(width=300), mlp(width=300)

    def adam(params: Any) -> Any:
        return torch.optim.Adam(params, lr=0.01)

    train(alone, None, X, Y, adam)
    train(DDP(own), MODES[0] if RANK == 0 else None, X[MINE], Y[MINE], adam)
    close(own, alone)


def accumulated() -> None:
    """no_sync, gradients that add up, buffers from rank 0, unused parameters."""
    alone, model = mlp(), DDP(mlp())
    for rank in range(SIZE):
        part = slice(rank * (24 // SIZE), (rank + 1) * (24 // SIZE))
        for _ in range(2):
            (F.mse_loss(alone(X[part]), Y[part]) / SIZE).backward()

    def twice(x: Any, y: Any) -> None:
        with model.no_sync():
            F.mse_loss(model(x), y).backward()
        F.mse_loss(model(x), y).backward()

    for options in MODES:
        model.zero_grad()
        torch.compile(twice, **options)(X[MINE], Y[MINE])
        for one, other in zip(model.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-12, atol=1e-14)

    statistics = []
    for options in (None, *MODES):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.Linear(6, 4)).double()
        train(DDP(net), options, X[MINE] + RANK, Y[MINE], lambda params: torch.optim.SGD(params, lr=0.1))
        statistics.append(net[1].running_mean)
        torch.testing.assert_close(statistics[-1], statistics[0], rtol=1e-9, atol=1e-11)

    # The model alone compiled, and its backward outside.
    for options in MODES:
        net = DDP(mlp())
        forward = torch.compile(net, **options)
        for _ in range(8):
            net.zero_grad()
            (F.mse_loss(forward(X[MINE]), Y[MINE]) * 2).backward()
            for one, other in zip(net.parameters(), alone.parameters(), strict=True):
                torch.testing.assert_close(one.grad, other.grad, rtol=1e-12, atol=1e-14)

    for momentum in (0.1, None) if SIZE > 1 else (0.1,):
        statistics = []
        for options in (None, *MODES):
            torch.manual_seed(0)
            net = nn.Sequential(
                nn.Linear(8, 6), nn.BatchNorm1d(6, momentum=momentum), nn.Linear(6, 4)
            ).double()
            net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
            train(DDP(net), options, X[MINE] + RANK, Y[MINE], lambda params: torch.optim.SGD(params, lr=0.1))
            statistics.append(net[1].running_var)
            torch.testing.assert_close(statistics[-1], statistics[0], rtol=1e-9, atol=1e-11)


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.never = (nn.Linear(8, 4).double() for _ in range(3))

    def forward(self, x: Any, both: bool) -> Any:
        return self.first(x) + self.second(x) if both else self.first(x)


def unused() -> None:
    """The search for unused parameters is part of a static graph where the ranks use the same ones."""
    for settings in (
        {"find_unused_parameters": True},
        {"static_graph": True},
        {"find_unused_parameters": True, "hook": 1},
    ):
        results = []
        for options in (None, *MODES):
            torch.manual_seed(0)
            settings = dict(settings)
            hook = settings.pop("hook", None)
            model = DDP(Branches(), bucket_cap_mb=0.0002, **settings)
            if hook:
                model.register_comm_hook(None, default_hooks.allreduce_hook)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)

            def step(x: Any, both: bool, model: Any = model, optimizer: Any = optimizer) -> Any:
                optimizer.zero_grad()
                loss = model(x, both).square().mean()
                loss.backward()
                optimizer.step()
                return loss.detach()

            run = step if options is None else torch.compile(step, **options)
            for number in range(12):
                run(X[MINE] + number, number % 4 != 1)
            assert model.module.never.weight.grad is None
            assert model.module.never.weight not in optimizer.state
            # Kept where it was not made anew: not used by any rank, left alone.
            for parameter in model.parameters():
                parameter.grad = torch.ones_like(parameter)
            again = (
                run
                if options is None
                else torch.compile(lambda x, m=model: m(x, False).sum().backward(), **options)
            )
            again(X[MINE]) if options is not None else model(X[MINE], False).sum().backward()
            assert torch.equal(model.module.never.weight.grad, torch.ones(4, 8).double())
            results.append([p.detach().clone() for p in model.parameters()])
        for other in results[1:]:
            for one, expected in zip(other, results[0], strict=True):
                torch.testing.assert_close(one, expected, rtol=1e-12, atol=1e-14)
    # Ranks that do not use the same: known in eager and recorded mode; a static graph says what to do, and changes nothing.
    for options in MODES:
        torch.manual_seed(0)
        model = DDP(Branches(), find_unused_parameters=True)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        before = model.module.first.weight.detach().clone()

        def uneven(x: Any, model: Any = model, optimizer: Any = optimizer) -> None:
            model(x, RANK == 0).sum().backward()
            optimizer.step()

        if SIZE > 1 and options:
            refused(
                dist.RanksDisagree,
                "some ranks use second.weight, second.bias",
                torch.compile(uneven, **options),
                X[MINE],
            )
            assert torch.equal(before, model.module.first.weight)
        else:
            torch.compile(uneven, **options)(X[MINE])
            assert (model.module.second.weight.grad is not None) and not torch.equal(
                before, model.module.first.weight
            )


def hooks() -> None:
    """Communication hooks are traced like the rest of the step."""

    def nothing(state: Any, bucket: Any) -> Any:
        future: Any = torch.futures.Future()
        future.set_result(bucket.buffer())
        return future

    def scaled(state: Any, bucket: Any) -> Any:
        for gradient in bucket.gradients():
            gradient.mul_(2)
        assert sum(g.numel() for g in bucket.gradients()) == bucket.buffer().numel()
        assert [p.shape for p in bucket.parameters()] == [g.shape for g in bucket.gradients()]
        future = dist.all_reduce(bucket.buffer(), group=state, async_op=True).get_future()
        return future.then(lambda done: done.value()[0] / SIZE)

    def counting(state: Any, bucket: Any) -> Any:
        state.append(bucket.index())
        return default_hooks.allreduce_hook(None, bucket)

    for hook, state in (
        (default_hooks.allreduce_hook, None), (default_hooks.allreduce_hook, dist.group.WORLD),
        (default_hooks.fp16_compress_hook, None), (default_hooks.bf16_compress_hook, None), (scaled, dist.group.WORLD),
    ):  # fmt: skip
        results = []
        for options in (None, *MODES):
            own = mlp()
            model = DDP(own, bucket_cap_mb=0.0002)
            model.register_comm_hook(state, hook)
            train(
                model, options, X[MINE], Y[MINE], lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9)
            )
            results.append([p.detach() for p in own.parameters()])
        for other in results[1:]:
            for one, expected in zip(other, results[0], strict=True):
                torch.testing.assert_close(one, expected, rtol=1e-7, atol=1e-8)
    # A future of one's own has a lock, which a static graph refuses; what a hook keeps in Python too.
    model = DDP(mlp(), bucket_cap_mb=0.0002)
    model.register_comm_hook(None, nothing)
    recorded = torch.compile(lambda x: model(x).sum().backward())
    for _ in range(3):
        model.zero_grad()
        recorded(X[MINE])
    alone = mlp()
    alone(X[MINE]).sum().backward()
    for one, expected in zip(model.module.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(one.grad, expected.grad, rtol=1e-12, atol=1e-14)
    model, seen = DDP(mlp(), bucket_cap_mb=0.0002), []
    model.register_comm_hook(seen, counting)
    step = torch.compile(lambda x: model(x).sum().backward())
    for _ in range(20):
        step(X[MINE])
    assert len(seen) == 20 * len(model.reducer.buckets)
    static = torch.compile(lambda x: model(x).sum().backward(), fullgraph=True)
    refused(RuntimeError, "Python's state", static, X[MINE])


def sharded() -> None:
    alone, own = mlp(), mlp()
    train(alone, None, X, Y, lambda params: torch.optim.Adam(params, lr=0.01))

    def zero(params: Any) -> Any:
        return ZeroRedundancyOptimizer(params, torch.optim.Adam, lr=0.01)

    train(DDP(own), {}, X[MINE], Y[MINE], zero)
    close(own, alone)


for check in (
    in_place,
    in_the_background,
    gradients,
    order,
    disagreement,
    data_parallel,
    accumulated,
    unused,
    hooks,
    sharded,
):
    if len(sys.argv) < 2 or check.__name__ in sys.argv[1:]:
        check()
dist.destroy_process_group()
sys.stdout.write(f"fine {RANK}\n")
