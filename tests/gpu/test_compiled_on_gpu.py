"""Recorded and static programs on CUDA tensors, with kernels compiled for the host: whole training steps equal the CPU's."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.runtime import cuda_operations, cuda_plan

functional = torch.nn.functional
pytestmark = pytest.mark.usefixtures("with_kernels")
STEPS = 8


def tutorial(where: str) -> Any:
    x, y = torch.randn(8, 20).to(where), torch.randn(8, 3).to(where)
    w1, w2 = (torch.randn(*shape).to(where).requires_grad_() for shape in ((20, 10), (10, 3)))

    def step(x: Any, y: Any) -> Any:
        loss = (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()
        loss.backward()
        with torch.no_grad():
            for w in (w1, w2):
                w -= 1e-4 * w.grad
                w.grad = None
        return loss

    return step, (x, y)


def trained(net: Any, optimizer: Any, x: Any, y: Any) -> Any:
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, (x, y)


def nn_and_adam(where: str) -> Any:
    net = torch.nn.Sequential(torch.nn.Linear(20, 10), torch.nn.Tanh(), torch.nn.Linear(10, 3)).to(where)
    x, y = torch.randn(8, 20).to(where), torch.randint(3, (8,)).to(where)
    return trained(net, torch.optim.Adam(net.parameters(), lr=0.01), x, y)


def convolutions(where: str) -> Any:
    layers = (torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.MaxPool2d(2))
    net = torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(36, 3)).to(where)
    x, y = torch.randn(5, 1, 8, 8).to(where), torch.randint(3, (5,)).to(where)
    return trained(net, torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9), x, y)


def complex_numbers(where: str) -> Any:
    """Parts of complex numbers as views, a complex parameter changed in place, functions and reductions of them."""
    x, y = (torch.randn(8, 3, dtype=torch.complex64).to(where) for _ in range(2))
    w = torch.randn(1, 3, dtype=torch.complex64).to(where).requires_grad_()
    optimizer = torch.optim.Adam([w], lr=0.05)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        gap = torch.exp(0.3j * (x * w)) / (1 + w.abs()) - y
        loss = (gap * gap.conj()).real.mean() + w.real.square().sum() * 0.01
        loss.backward()
        optimizer.step()
        return loss

    return step, (x, y)


def with_random_numbers(where: str) -> Any:
    net = torch.nn.Sequential(torch.nn.Linear(20, 10), torch.nn.Dropout(0.5), torch.nn.Linear(10, 3)).to(
        where
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    x = torch.randn(8, 20).to(where)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (net(x) + torch.randn(8, 3, device=where)).pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step, (x,)


def of_both_devices(where: str) -> Any:
    count, w, host, out = torch.zeros(()), torch.randn(4).to(where), torch.randn(4), torch.zeros(4)

    def step(w: Any, host: Any) -> Any:
        count.add_(1)
        w.mul_(1 - 0.01 * count)
        z = host.to(where) * w
        out.copy_(z)
        host.add_(out * 0.1)
        return z.sum() + count

    return step, (w, host)


def losses(make: Any, where: str, mode: str) -> list[float]:
    """Of some steps. Tensors are arguments: what no argument leads to is not recorded in recorded mode."""
    torch.manual_seed(0)
    step, args = make(where)
    if mode != "eager":
        step = torch.compile(step, fullgraph=mode == "static")
    return [float(step(*args)) for _ in range(STEPS)]


@pytest.mark.parametrize("mode", ["eager", "recorded", "static"])
@pytest.mark.parametrize(
    "make",
    [tutorial, nn_and_adam, convolutions, complex_numbers, of_both_devices],
    ids=lambda f: f.__name__,
)
def test_training_equals_the_cpu(make: Any, mode: str, with_kernels: Any) -> None:
    cuda_operations.HOST_TRIPS.clear()
    counts = with_kernels.pretend_cuda.COUNTS
    replays = counts["replays"]
    np.testing.assert_allclose(losses(make, "cuda", mode), losses(make, "cpu", "eager"), rtol=1e-4)
    assert not cuda_operations.HOST_TRIPS
    if mode != "eager" and make is not of_both_devices:
        assert counts["replays"] > replays, "no CUDA graph was replayed"


@pytest.mark.parametrize("mode", ["recorded", "static"])
def test_random_numbers_are_those_of_eager_mode(mode: str) -> None:
    """On the device's generator, in the order of the program."""
    np.testing.assert_allclose(
        losses(with_random_numbers, "cuda", mode), losses(with_random_numbers, "cuda", "eager"), rtol=1e-5
    )


@pytest.mark.parametrize("mode", ["recorded", "static"])
def test_a_forward_pass_that_is_differentiated_outside(mode: str) -> None:
    found = []
    for where, how in (("cpu", "eager"), ("cuda", mode)):
        torch.manual_seed(0)
        net = torch.nn.Linear(6, 4).to(where)
        run: Any = net if how == "eager" else torch.compile(net, fullgraph=mode == "static")
        x = torch.randn(3, 6).to(where)
        for _ in range(6):
            run(x).tanh().sum().backward()
        assert net.weight.grad is not None and net.weight.grad.device == x.device
        found.append(net.weight.grad.cpu().numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)


@pytest.mark.parametrize("static", [False, True])
def test_devices_are_checked_as_in_eager_mode(static: bool) -> None:
    add = torch.compile(lambda a, b: a + b, fullgraph=static)
    x, host = torch.ones(3).cuda(), torch.ones(3)
    with pytest.raises(RuntimeError, match="at least two devices, cuda:0 and cpu"):
        add(x, host)
    with pytest.raises(RuntimeError, match="at least two devices, cuda:0 and cuda:1"):
        add(x, host.cuda(1))
    assert add(x, torch.tensor(2.0)).tolist() == [3.0] * 3 and add(host, host).device.type == "cpu"
    on_second = add(host.cuda(1), host.cuda(1))
    assert on_second.device == torch.device("cuda:1") and on_second.tolist() == [2.0] * 3


def test_views_and_other_tensors_of_one_memory() -> None:
    base = torch.zeros(2, 3).cuda()
    row = base[0]

    @torch.compile
    def change(x: Any) -> Any:
        x += 1
        row.mul_(2)  # the same memory, which the function knows from elsewhere
        return x.sum() + row.sum(), row.cpu().tolist()

    for _ in range(2):
        before = base.cpu().numpy().copy()
        total, seen = change(base)
        after = before + 1
        after[0] *= 2
        np.testing.assert_array_equal(base.cpu().numpy(), after)
        assert float(total) == after.sum() + after[0].sum() and seen == after[0].tolist()


def test_faults_are_raised_where_values_become_visible() -> None:
    table, index = torch.ones(4, 2).cuda(), torch.tensor([1, 9]).cuda()
    pick = torch.compile(lambda t, i: functional.embedding(i, t), fullgraph=True)
    with pytest.raises(IndexError):
        pick(table, index).cpu()
    result = pick(table, torch.tensor([1, 2]).cuda())
    assert result.tolist() == [[1.0, 1.0]] * 2
    cuda_plan.check_faults()
    for look in (torch.cuda.synchronize, torch.cuda.current_stream().synchronize):
        with pytest.raises(IndexError):
            pick(table, index)
            look()


def test_tf32_reaches_compiled_programs(with_kernels: Any) -> None:
    computed_in = with_kernels.pretend_cuda.COMPUTED_IN
    x = torch.ones(4, 4).cuda()
    f = torch.compile(lambda a: a @ a + 1, fullgraph=True)
    kinds = []
    for allowed in (False, True, False):
        torch.backends.cuda.matmul.allow_tf32 = allowed
        for _ in range(3):
            f(x)
        kinds.append(computed_in[-1])
    torch.set_float32_matmul_precision("high")
    f(x)
    kinds.append(computed_in[-1])
    torch.set_float32_matmul_precision("highest")
    assert kinds == [68, 77, 68, 77]


def test_explained() -> None:
    x = torch.ones(4, 8).cuda()
    explanation = torch.explain(torch.compile(lambda a: (a @ a.T).relu().sum()), x)
    text = str(explanation)
    assert "cuBLAS float32" in text and "<<<" in text and "on cuda:0" in text
    (program,) = explanation.programs
    assert "__global__" in program.cuda_source
    page = explanation.html()
    assert "__global__" in page and "Launches, and their devices" in page
    assert explanation.result.item() == 128.0


def test_explained_with_the_device_of_each_line() -> None:
    count = torch.zeros(())

    def f(x: Any, count: Any) -> Any:
        count += 1
        noise = torch.empty(4, 4, device="cuda").exponential_()  # no kernel of ours draws these
        y = (x @ x * noise).sort(0)[0] * count
        y = torch.cond(y.sum() > 0, lambda a: a * 2, lambda a: a - 1, (y,))
        return y.sum().cpu() + 1

    f(
        torch.ones(4, 4).cuda(), count
    )  # what is imported late: pytest watches imports, in Python, and would be recorded
    explanation = torch.explain(torch.compile(f, fullgraph=True), torch.ones(4, 4).cuda(), count)
    (program,) = explanation.programs
    assert set(program.devices) == {"cpu", "cuda:0"}
    lines = [line for part in program.parts for line in part.lines]
    by = {line.by: line.device for line in lines}
    assert by["native code"] == "cpu"
    for what in ("kernel", "cuBLAS", "CuPy", "sub-graphs", "random numbers"):
        assert by[what] == "cuda:0", what
    computed = {node for part in program.parts for node in part.nodes}
    assert computed == {node for _, nodes in program.groups for node in nodes}
    text, page = str(explanation), explanation.html()
    for part in program.parts:
        assert part.heading in text and part.heading in page
    for line in lines:
        assert any(line.device in row and line.text in row for row in text.splitlines())
    assert "count += 1" in text and 'data-value="cpu"' in page and "part 1 · cpu" in page


def test_what_has_no_kernel_runs_on_the_cpu_in_between() -> None:
    x = torch.tensor([[2.0, 1.0], [0.0, 3.0]]).cuda()
    inverse = torch.compile(lambda a: torch.linalg.inv(a * 2) + 1, fullgraph=True)
    choice = torch.compile(
        lambda a: torch.cond(a.sum() > 2, lambda b: b * 2, lambda b: b - 1, (a,)), fullgraph=True
    )
    for _ in range(3):
        torch.testing.assert_close(inverse(x).cpu(), torch.linalg.inv(x.cpu() * 2) + 1)
        assert choice(x).tolist() == (x * 2).tolist() and choice(-x).tolist() == (-x - 1).tolist()
        assert inverse(x).is_cuda and choice(x).is_cuda


def test_calm_recorded_calls_are_replayed() -> None:
    net = torch.nn.Linear(4, 3).cuda()
    optimizer = torch.optim.Adam(net.parameters())

    @torch.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = net(x).pow(2).sum()
        loss.backward()
        optimizer.step()
        return loss.detach()

    x = torch.ones(2, 4).cuda()
    found = [step(x) for _ in range(14)]
    (kind,) = step._compiled.replay.kinds.values()
    assert kind.programs and all(float(b) < float(a) for a, b in pairwise(found))
