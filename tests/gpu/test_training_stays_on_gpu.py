"""Steps of training on a CUDA device copy nothing between host and device but what the program moves itself; errors in
the middle of one leave the process as it was. With the stand-in for CuPy and kernels compiled for the host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.runtime import cuda
from rushlight.runtime.cuda_operations import HOST_TRIPS
from rushlight.runtime.cuda_plan_engine import CupyEngine

pytestmark = [pytest.mark.usefixtures("with_kernels"), pytest.mark.slow]
nn, F, optim = torch.nn, torch.nn.functional, torch.optim


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The copies between the host and the device, as they are made. Numbers are arguments of kernels, and are not copied."""
    found: list[str] = []
    torch.ones(1, device="cuda")
    place, to_host = cuda.Cuda.place, cuda.Cuda.to_host

    def placed(self: Any, array: Any, where: Any) -> Any:
        if type(array) is np.ndarray and array.ndim:
            found.append(f"to the device: {array.shape}")
        return place(self, array, where)

    def brought(self: Any, array: Any) -> Any:
        found.append(f"to the host: {array.shape}")
        return to_host(self, array)

    monkeypatch.setattr(cuda.Cuda, "place", placed)
    monkeypatch.setattr(cuda.Cuda, "to_host", brought)
    yield found


def mlp() -> Any:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))


def images() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(36, 4)
    )  # fmt: skip


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(4, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True, activation="gelu")
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)

    def forward(self, x: Any) -> Any:
        return self.layers(self.embedding(x))[:, 0, :4]


class Sequence(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.LSTM(6, 4, 2, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.layers(x)[0][:, -1]


NETS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "conv net": (images, lambda: torch.randn(3, 1, 8, 8, device="cuda")),
    "transformer": (Words, lambda: torch.randint(0, 4, (3, 5), device="cuda")),
    "LSTM": (Sequence, lambda: torch.randn(3, 5, 6, device="cuda")),
}
OPTIMIZERS = (
    "SGD",
    "Adam",
    "AdamW",
    "RMSprop",
    "Adagrad",
    "Adadelta",
    "Adamax",
    "NAdam",
    "RAdam",
    "ASGD",
    "Rprop",
)


def step_of(
    model: Any, optimizer: Any, x: Any, scheduler: Any = None, clip: bool = False
) -> Callable[[], None]:
    labels = torch.randint(0, 4, (3,), device="cuda")

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), labels).backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()

    return step


def stays(step: Callable[[], Any], copies: list[str], allowed: int = 0) -> None:
    step()
    step()
    copies.clear()
    HOST_TRIPS.clear()
    step()
    assert not HOST_TRIPS and len(copies) == allowed, (dict(HOST_TRIPS), copies)


@pytest.mark.parametrize("name", NETS)
def test_nets(name: str, copies: list[str]) -> None:
    make, data = NETS[name]
    model = make().cuda()
    stays(step_of(model, optim.SGD(model.parameters(), 0.1, momentum=0.9), data(), clip=True), copies)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_and_schedulers(name: str, copies: list[str]) -> None:
    model = mlp().cuda()
    optimizer = getattr(optim, name)(model.parameters(), lr=0.01)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    stays(step_of(model, optimizer, torch.randn(3, 6, device="cuda"), scheduler), copies)


def test_a_gradient_scaler_reads_one_number_in_a_step(copies: list[str]) -> None:
    model, x = mlp().cuda(), torch.randn(3, 6, device="cuda")
    optimizer, scaler = optim.SGD(model.parameters(), 0.1), torch.amp.GradScaler("cuda")

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.float16):
            loss = model(x).square().mean()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    stays(step, copies, allowed=1)
    scale = scaler.get_scale()
    model[0].weight.data[0, 0] = float("inf")
    before = model[2].weight.detach().clone()
    step()
    assert scaler.get_scale() == scale / 2 and torch.equal(before, model[2].weight)


def test_numbers_are_those_of_the_call() -> None:
    x = torch.ones(3, device="cuda")
    number = torch.tensor(2.0)
    first = x * number
    number.fill_(3.0)
    assert (x * number).tolist() == [3.0] * 3 and first.tolist() == [2.0] * 3
    assert (x * -0.0).signbit().all() and not (x * 0.0).signbit().any()
    assert [(x * i).sum().item() for i in range(600)] == [3.0 * i for i in range(600)]
    with torch.cuda.stream(torch.cuda.Stream()):
        assert (x * 2.0).tolist() == [2.0] * 3
    assert (x.double() * 2).dtype is torch.float64 and (x.to("cuda:1") * 2).device == torch.device("cuda:1")


@pytest.mark.parametrize("options", [{}, {"fullgraph": True}])
def test_the_gradient_of_a_mean_is_made_on_the_device(options: dict[str, Any]) -> None:
    model, x = nn.Linear(4, 3).cuda(), torch.randn(5, 4, device="cuda")
    optimizer = optim.SGD(model.parameters(), 0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    compiled = torch.compile(step, **options)
    before = model.bias.detach().clone()
    for _ in range(3):
        compiled(x)
    torch.testing.assert_close(model.bias.detach(), before - 0.1)
    text = str(torch.explain(step, x))
    assert " cpu " not in text and "on cuda:0" in text, text


def step_and_model() -> tuple[Any, Any]:
    model = mlp().cuda()
    optimizer = optim.SGD(model.parameters(), 0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step, model


@pytest.mark.parametrize("options", [None, {}, {"fullgraph": True}], ids=["eager", "recorded", "static"])
@pytest.mark.parametrize("fault", ["memory", "kernel"])
def test_after_an_error_in_a_step_the_process_goes_on(
    fault: str, options: Any, monkeypatch: pytest.MonkeyPatch, with_kernels: Any
) -> None:
    step, model = step_and_model()
    run = step if options is None else torch.compile(step, **options)
    x = torch.randn(5, 6, device="cuda")
    before = model[0].weight.detach().cpu()
    attribute = "allocate" if fault == "memory" else "compile"

    def failing(self: Any, *args: Any) -> Any:
        if fault == "memory":
            raise with_kernels.OutOfMemoryError("Out of memory allocating 512 bytes")
        raise with_kernels.cuda.compiler.CompileException("error: nvrtc", "source", "name", (), "nvrtc")

    from rushlight.runtime import cuda_plan, programs

    programs.forget()
    cuda_plan._calls.clear()
    with monkeypatch.context() as patch:
        patch.setattr(CupyEngine, attribute, failing)
        kind: Any = torch.OutOfMemoryError if fault == "memory" else RuntimeError
        with pytest.raises(kind, match="CUDA"):
            run(x)
    assert torch.equal(model[0].weight.detach().cpu(), before)
    other, copy = step_and_model()
    copy.load_state_dict(model.state_dict())
    for _ in range(3):
        torch.testing.assert_close(run(x), other(x))
