"""Random numbers that kernels of compiled programs draw: those of eager mode, in one graph launch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight as torch
from rushlight.runtime.device_programs import DeviceProgram

functional = torch.nn.functional
pytestmark = pytest.mark.usefixtures("with_kernels")
F32, F16, BF16 = torch.float32, torch.float16, torch.bfloat16


def drawn(function: Callable[..., Any], *args: Any, runs: int = 6) -> tuple[list[Any], Any]:
    """Results of some runs, and the generator's state after them."""
    torch.manual_seed(5)
    found = [function(*args).cpu() for _ in range(runs)]
    return found, torch.cuda.get_rng_state()


def programs(function: Any) -> list[DeviceProgram]:
    """Those that ``function``, compiled, has run."""
    from rushlight.runtime import programs as kept

    return [program for program in kept._programs.values() if isinstance(program, DeviceProgram)]


@pytest.fixture(autouse=True)
def _no_other_programs() -> None:
    from rushlight.runtime import programs as kept

    kept.forget()


DRAWS: dict[str, tuple[Callable[[Any, Any], Any], float]] = {
    "dropout": (lambda x, new: functional.dropout(x, 0.3) + 1, 0),
    "uniform": (lambda x, new: new().uniform_(-2, 3) * x, 0),
    # The logarithm and the sine may differ in the last place: NumPy's here, those of C in the kernel.
    "normal": (lambda x, new: new().normal_(-2, 3) + x, 2e-6),
    "bernoulli": (lambda x, new: new().bernoulli_(0.3) * x, 0),
    "integers": (lambda x, new: new().random_(3, 90) * x, 0),
}


@pytest.mark.parametrize("shape", [(8,), (3, 5), (6,), (1000, 7), (2, 300_000)], ids=str)
@pytest.mark.parametrize("name", sorted(DRAWS))
def test_numbers_are_those_of_eager_mode(name: str, shape: Any) -> None:
    """Sizes for each order of a thread's numbers, and for more than one draw of a thread."""
    function, tolerance = DRAWS[name]
    x = torch.ones(shape, device="cuda")

    def run(x: Any) -> Any:
        return function(x, lambda: torch.empty(shape, device="cuda"))

    (eager, wanted), (static, found) = drawn(run, x), drawn(torch.compile(run, fullgraph=True), x)
    for one, other in zip(static, eager, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)
    assert not torch.equal(static[0], static[1])
    torch.testing.assert_close(found, wanted)
    (program,) = programs(run)
    assert all(part.draw is None for part in program.parts), "drawn outside of the program"


@pytest.mark.parametrize("dtype", [BF16, F16])
@pytest.mark.parametrize("name", ["dropout", "normal", "uniform", "bernoulli"])
def test_short_floats(name: str, dtype: Any) -> None:
    function, tolerance = DRAWS[name]
    x = torch.ones(101, device="cuda", dtype=dtype)

    def run(x: Any) -> Any:
        return function(x, lambda: torch.empty(101, device="cuda", dtype=dtype))

    (eager, wanted), (static, found) = drawn(run, x), drawn(torch.compile(run, fullgraph=True), x)
    for one, other in zip(static, eager, strict=True):
        assert one.dtype == dtype
        # A last place of float32 may change how a number is rounded to the short dtype.
        close = 2.0**-7 if tolerance else 0
        torch.testing.assert_close(one.float(), other.float(), rtol=close, atol=close)
    torch.testing.assert_close(found, wanted)


def several(x: Any) -> Any:
    y = functional.dropout(x * torch.rand(100, device="cuda"), 0.3)
    torch.rand(7, device="cuda")  # nobody reads it, and the stream goes on
    return y + torch.randint(0, 9, (100,), device="cuda")


def with_the_cpu_between(x: Any) -> Any:
    late = torch.rand(100, device="cuda") * (x.cpu() * 2).cuda()
    return late + torch.rand(100, device="cuda")


def with_one_that_has_no_kernel(x: Any) -> Any:
    return (
        functional.dropout(x, 0.3)
        + torch.empty(100, device="cuda").exponential_() * 0
        + torch.rand(100, device="cuda")
    )


@pytest.mark.parametrize("function", [several, with_the_cpu_between, with_one_that_has_no_kernel])
def test_the_programs_order_is_kept(function: Any) -> None:
    x = torch.ones(100, device="cuda")
    (eager, wanted), (static, found) = drawn(function, x), drawn(torch.compile(function, fullgraph=True), x)
    for one, other in zip(static, eager, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    torch.testing.assert_close(found, wanted)


def test_others_draw_in_between() -> None:
    """Seeds, draws outside, another program of the same generator, a state that is set back."""

    def numbers(first: Any, second: Any) -> list[Any]:
        x = torch.ones(50, device="cuda")
        torch.manual_seed(1)
        found = [first(x), second(x), torch.rand(3, device="cuda"), first(x)]
        state = torch.cuda.get_rng_state()
        found += [first(x), first(x), second(x)]
        torch.cuda.set_rng_state(state)
        found += [second(x), first(x)]
        torch.manual_seed(7)
        return [one.cpu() for one in (*found, first(x), first(x))]

    def noisy(x: Any) -> Any:
        return functional.dropout(x, 0.5) * 2

    def shifted(x: Any) -> Any:
        return x + torch.rand(50, device="cuda")

    static = numbers(torch.compile(noisy, fullgraph=True), torch.compile(shifted, fullgraph=True))
    for one, other in zip(static, numbers(noisy, shifted), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_generator_of_the_programs_own() -> None:
    def numbers(compiled: bool) -> list[Any]:
        generator = torch.Generator("cuda").manual_seed(3)

        def draw(x: Any) -> Any:
            return x + torch.rand(20, device="cuda", generator=generator)

        run = torch.compile(draw, fullgraph=True) if compiled else draw
        return [run(torch.ones(20, device="cuda")).cpu() for _ in range(4)]

    for one, other in zip(numbers(True), numbers(False), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_step_with_dropout_is_one_graph_launch(with_kernels: Any) -> None:
    counts = with_kernels.pretend_cuda.COUNTS
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(20, 10), torch.nn.Dropout(0.5), torch.nn.Linear(10, 3)).cuda()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    x = torch.randn(8, 20, device="cuda")

    @torch.compile(fullgraph=True)
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = net(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(20):  # until every address has its slot
        loss = step(x)
    before = dict(counts)
    for _ in range(5):
        loss = step(x)
    assert counts["replays"] == before["replays"] + 5
    # Beside the graph there is at most one copy: of the gradient of mean(), which the CPU makes of a number.
    assert counts["launches"] <= before["launches"] + 5
    assert loss.item() > 0
