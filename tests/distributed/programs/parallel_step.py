"""A training step as one call for all ranks. Run by test_graphs.py."""

from __future__ import annotations

import sys
from typing import Any

import rushlight as torch
import rushlight.distributed as dist
from rushlight import nn

dist.init_process_group("gloo")
RANK, SIZE = dist.get_rank(), dist.get_world_size()
F = nn.functional
BATCH = 24

torch.manual_seed(5)
X, Y = torch.randn(5, BATCH, 8, dtype=torch.float64), torch.randint(0, 4, (5, BATCH))


def refused(kind: type[Exception], words: str, call: Any, *args: Any, **kwargs: Any) -> None:
    try:
        call(*args, **kwargs)
    except kind as error:
        assert words in str(error), f"rank {RANK}: {error}"
    else:
        raise AssertionError(f"rank {RANK}: not refused: {words}")


def mlp(seed: int = 0, width: int = 16) -> Any:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(8, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 4)
    ).double()


def stepper(model: Any, optimizer: Any) -> Any:
    def step(x: Any, y: Any, weight: float = 1.0) -> Any:
        optimizer.zero_grad()
        scores = model(x)
        loss = F.cross_entropy(scores, y) * weight
        loss.backward()
        optimizer.step()
        return {"loss": loss.detach(), "scores": scores.detach(), "size": len(x)}

    return step


def bits(model: Any) -> list[bytes]:
    return [p.detach().numpy().tobytes() for p in model.parameters()]


def like_one_process() -> None:
    for width in (16, 400):
        for make in (
            lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9),
            lambda params: torch.optim.AdamW(params, lr=0.01),
        ):
            alone = mlp(width=width)
            single = stepper(alone, make(alone.parameters()))
            expected = [single(x, y) for x, y in zip(X, Y, strict=True)]
            repeats = []
            for fullgraph in (True, True, False):
                model = mlp(seed=RANK, width=width)  # rank 0's weights count
                step = dist.data_parallel_step(
                    stepper(model, make(model.parameters())), model, fullgraph=fullgraph
                )
                found = [step(x, y) for x, y in zip(X, Y, strict=True)]
                for one, other in zip(found, expected, strict=True):
                    torch.testing.assert_close(one["loss"], other["loss"], rtol=1e-11, atol=1e-12)
                    torch.testing.assert_close(one["scores"], other["scores"], rtol=1e-11, atol=1e-12)
                    assert one["size"] == BATCH // SIZE
                for one, other in zip(model.parameters(), alone.parameters(), strict=True):
                    torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)
                repeats.append(bits(model))
                every: list[Any] = [None] * SIZE
                dist.all_gather_object(every, repeats[-1])
                assert all(one == every[0] for one in every), "the ranks' weights differ"
            assert repeats[0] == repeats[1], "two runs differ"


def options() -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step = dist.data_parallel_step(stepper(model, optimizer), model, gather=False)
    own = step(X[0], Y[0], weight=2.0)
    losses = [torch.zeros((), dtype=torch.float64) for _ in range(SIZE)]
    dist.all_gather(losses, own["loss"])
    assert own["scores"].shape == (BATCH // SIZE, 4)
    assert SIZE == 1 or losses[0] != losses[1]
    # A learning rate that changes, a batch of another size, and arguments that are no batch.
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = bits(model)
    step(X[0], Y[0])
    assert bits(model) == before
    assert step(X[0, : 2 * SIZE], Y[0, : 2 * SIZE])["scores"].shape == (2, 4)


def two_models() -> None:
    """A generator and a discriminator with a backward each, in one step."""

    def make() -> Any:
        torch.manual_seed(1)
        return nn.Linear(3, 8).double(), nn.Linear(8, 1).double()

    def stepper(maker: Any, judge: Any) -> Any:
        one, two = [torch.optim.SGD(m.parameters(), lr=0.1) for m in (maker, judge)]

        def step(x: Any, noise: Any) -> Any:
            two.zero_grad()
            fake = maker(noise)
            (judge(x).sigmoid().mean() - judge(fake.detach()).sigmoid().mean()).backward()
            two.step()
            one.zero_grad()
            judge(fake).sigmoid().mean().backward()
            one.step()

        return step

    noise = torch.randn(BATCH, 3, dtype=torch.float64)
    dist.broadcast(noise, 0)
    alone, own = make(), make()
    single = stepper(*alone)
    step = dist.data_parallel_step(stepper(*own), *own)
    for x in X:
        single(x, noise)
        step(x, noise)
    for model, other in zip(own, alone, strict=True):
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-11, atol=1e-12)


def refusals() -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step = dist.data_parallel_step(stepper(model, optimizer), model)
    if SIZE > 1:
        refused(ValueError, "can't be divided", step, X[0, : SIZE + 1], Y[0, : SIZE + 1])
    refused(ValueError, "all must have those of one batch", step, X[0], Y[0, :SIZE])
    refused(ValueError, "give the modules", dist.data_parallel_step, stepper(model, optimizer))
    refused(RuntimeError, "no parameters", dist.data_parallel_step, stepper(model, optimizer), nn.ReLU())
    if SIZE > 1:
        refused(
            RuntimeError,
            "DDP expects same model",
            dist.data_parallel_step,
            step,
            nn.Linear(2 + (RANK == 1), 3),
        )
    unused = mlp()
    unused.extra = nn.Linear(2, 2)
    loose = dist.data_parallel_step(lambda x: unused[0](x).sum().backward(), unused)
    for _ in range(2):
        refused(RuntimeError, "did not receive grad", loose, X[0])
    step(X[0], Y[0])  # goes on


for check in (like_one_process, options, two_models, refusals):
    if len(sys.argv) < 2 or check.__name__ in sys.argv[1:]:
        check()
sys.stdout.write(f"fine {RANK}\n")
