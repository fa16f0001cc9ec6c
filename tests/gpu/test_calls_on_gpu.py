"""Lines without a kernel in compiled programs, and control flow: on the GPU, and on the CPU only where eager mode is."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import rushlight as torch
from rushlight.runtime import cuda_operations

nn = torch.nn
pytestmark = pytest.mark.usefixtures("with_kernels")


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The sizes of what compiled programs copy to the host while they run."""
    from rushlight.runtime.cuda_plan_engine import CupyEngine

    found: list[int] = []
    original = CupyEngine.to_host

    def to_host(self: Any, array: Any, source: int) -> None:
        found.append(array.size)
        original(self, array, source)

    monkeypatch.setattr(CupyEngine, "to_host", to_host)
    yield found


def tensors_in(value: Any) -> list[Any]:
    if isinstance(value, torch.Tensor):
        return [value]
    return [part for item in value for part in tensors_in(item)] if isinstance(value, tuple | list) else []


def same(static: Any, eager: Any) -> None:
    """Values, devices and dtypes are those of eager mode."""
    found, wanted = tensors_in(static), tensors_in(eager)
    assert len(found) == len(wanted) > 0
    for a, b in zip(found, wanted, strict=True):
        assert a.device == b.device
        torch.testing.assert_close(a.detach(), b.detach(), rtol=1e-5, atol=1e-6)


# --- what has no kernel -------------------------------------------------------------------------------------------------


CALLS: dict[str, Callable[[Any], Any]] = {
    "sort": lambda x: (x * 2).sort(0)[0] + 1,
    "sorted and back": lambda x: torch.sort(x.relu() - x, descending=True)[1] * 2,
    "complex": lambda x: (torch.complex(x, x + 1) * torch.complex(x, -x)).abs() * 2,
    "fft": lambda x: torch.fft.rfft(x * 2).abs() + 1,
    "inverse": lambda x: torch.linalg.inv(x[:4, :4] @ x[:4, :4].T + torch.eye(4, device=x.device)) * 2,
    "complex copy": lambda x: torch.complex(x, x).t().contiguous().conj().resolve_conj() + x.sum(),
}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_calls_what_eager_mode_calls(name: str, copies: list[int], with_kernels: Any) -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 4).cuda()
    function = CALLS[name]
    trips = cuda_operations.HOST_TRIPS
    trips.clear()
    eager = function(x)
    in_eager = {operation for operation, count in trips.items() if count}
    run = torch.compile(function, fullgraph=True)
    run(x)
    trips.clear()
    copies.clear()
    for _ in range(3):
        same(run(x), eager)
    assert set(trips) <= in_eager, "a trip to the CPU that eager mode does not make"
    assert copies == [], "a line in NumPy"


def test_stretches_on_both_sides_of_a_call_are_captured(with_kernels: Any) -> None:
    counts = with_kernels.pretend_cuda.COUNTS
    x = torch.randn(6, 6).cuda()
    run = torch.compile(lambda a: (((a @ a).relu() * 2).sort(0)[0] @ a).sum(0) * 3, fullgraph=True)
    out = [run(x) for _ in range(3)]
    before = counts["replays"]
    for _ in range(12):
        out.append(run(x))
    assert counts["replays"] >= before + 12
    same(out[-1], (((x @ x).relu() * 2).sort(0)[0] @ x).sum(0) * 3)


def test_errors_of_a_call_are_those_of_eager_mode() -> None:
    singular = torch.zeros(3, 3).cuda()
    with pytest.raises(RuntimeError) as eager:
        torch.linalg.inv(singular)
    with pytest.raises(RuntimeError) as static:
        torch.compile(lambda a: torch.linalg.inv(a * 1.5) + 1, fullgraph=True)(singular)
    assert type(static.value) is type(eager.value) and str(static.value) == str(eager.value)


# --- control flow -------------------------------------------------------------------------------------------------------


torch.manual_seed(0)
LAYERS = {"cpu": nn.Linear(4, 4)}
TABLES = {"cpu": torch.arange(4.0)}


def layer_of(x: Any) -> Any:
    kind = x.device.type
    if kind not in LAYERS:
        LAYERS[kind] = copy.deepcopy(LAYERS["cpu"]).to(x.device)
    return LAYERS[kind]


def table_of(x: Any) -> Any:
    kind = x.device.type
    if kind not in TABLES:
        TABLES[kind] = TABLES["cpu"].to(x.device)
    return TABLES[kind]


def branches(x: Any) -> Any:
    w = layer_of(x).weight.detach()
    return torch.cond(x.sum() > 200, lambda a: a @ w, lambda a: a @ w - torch.ones(4, device=a.device), (x,))


def until_large(x: Any) -> Any:
    return torch.while_loop(lambda y: y.abs().sum() < 300, lambda y: (y * 2,), (x,))


def counted(x: Any) -> Any:
    layer = layer_of(x)
    _, y = torch.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, torch.tanh(layer(y))), (0, x))
    return y


def scanned(x: Any) -> Any:
    layer = layer_of(x)
    return torch.scan(
        lambda c, r: ((n := torch.tanh(layer(r) + c)), n * 2),
        torch.zeros(4, device=x.device),
        x,
        reverse=True,
    )


def mapped(x: Any) -> Any:
    return torch.map_fn(lambda row: row.sort()[0] * 2, x)


def counter_on_the_cpu(x: Any) -> Any:
    table = table_of(x)
    return torch.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y + table * i), (torch.tensor(0), x))


def moved_inside(x: Any) -> Any:
    return torch.cond(x.sum() > -1e3, lambda a: (a.cpu() * 2).to(a.device) + 1, lambda a: a - 1, (x,))


def result_on_the_cpu(x: Any) -> Any:
    host = torch.ones(3)
    return torch.cond(x.sum() > -1e3, lambda a: a * 2, lambda a: a - 1, (host,))


def brought_to_the_cpu(x: Any) -> Any:
    return torch.cond(x.sum() > -1e3, lambda a: a.cpu() * 2, lambda a: a.cpu() - 1, (x,))


def nested(x: Any) -> Any:
    def body(i: Any, y: Any) -> Any:
        return i + 1, torch.cond(y.sum() > 0, lambda z: z.sort(0)[0] - 1, lambda z: z + 1, (y,))

    return torch.while_loop(lambda i, y: i < 3, body, (0, x))[1]


def changed_outside(x: Any) -> Any:
    total = torch.zeros(4, device=x.device)
    result = torch.cond(x.sum() > -1e3, lambda a: (total.add_(a[0]), a * 2)[1], lambda a: a - 1, (x,))
    return result, total * 1


def gradients(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def differentiated(x: Any) -> Any:
        x = x.detach().requires_grad_()
        results = [r for r in tensors_in(function(x)) if r.requires_grad]
        total = sum([r.pow(2).sum() for r in results])
        return torch.autograd.grad(total, [x, *layer_of(x).parameters()], allow_unused=True)

    differentiated.__name__ = f"gradients_of_{function.__name__}"
    return differentiated


def gradient_of_gradient(x: Any) -> Any:
    x = x.detach().requires_grad_()
    _, y = torch.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, torch.tanh(y) * y), (0, x))
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    return torch.autograd.grad(g.pow(2).sum(), x)


ON_DEVICE: list[Callable[[Any], Any]] = [
    branches, until_large, counted, scanned, mapped, counter_on_the_cpu, nested, changed_outside, gradients(branches),
    gradients(counted), gradients(scanned), gradient_of_gradient,
]  # fmt: skip
WITH_THE_CPU: list[Callable[[Any], Any]] = [moved_inside, result_on_the_cpu, brought_to_the_cpu]


@pytest.mark.parametrize("function", [*ON_DEVICE, *WITH_THE_CPU], ids=lambda f: f.__name__)
def test_control_flow_is_that_of_eager_mode(function: Any, copies: list[int]) -> None:
    torch.manual_seed(1)
    x = torch.randn(5, 4).cuda()
    cuda_operations.HOST_TRIPS.clear()
    eager = function(x)
    same([t.cpu() for t in tensors_in(eager)], [t.cpu() for t in tensors_in(function(x.cpu()))])
    run = torch.compile(function, fullgraph=True)
    run(x)
    copies.clear()
    for _ in range(3):
        same(run(x), eager)
    assert not cuda_operations.HOST_TRIPS
    assert copies == [], "a body, or its operands, came to the CPU"


def test_on_the_second_gpu() -> None:
    x = torch.randn(3, 4).cuda(1)
    result = torch.compile(until_large, fullgraph=True)(x)
    assert tensors_in(result)[0].device == torch.device("cuda:1")
    same(result, until_large(x))


def test_random_numbers_in_a_body_are_those_of_eager_mode() -> None:
    dropout = nn.Dropout(0.5)
    x = torch.randn(5, 4).cuda()

    def noisy(x: Any) -> Any:
        return torch.map_fn(lambda row: dropout(row) * torch.rand(4, device=row.device), x)

    run = torch.compile(noisy, fullgraph=True)
    torch.manual_seed(1)
    wanted = [noisy(x) for _ in range(3)]
    torch.manual_seed(1)
    for one in wanted:
        same(run(x), one)
