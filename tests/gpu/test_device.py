"""Tensors, modules, optimizers and files on a CUDA device, with the stand-in for CuPy in the place of a GPU."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import rushlight as torch

pytestmark = pytest.mark.usefixtures("pretended")
SAME_DEVICE = (
    "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and (cpu|cuda:1)!"
)


def test_names_and_places() -> None:
    x = torch.ones(2, 3).to("cuda")
    assert x.device == torch.device("cuda:0") and x.device != torch.device("cuda")
    assert x.is_cuda and not x.is_cpu and x.get_device() == 0 and x.type() == "torch.cuda.FloatTensor"
    assert x.cuda() is x and x.to("cuda") is x and x.to(x) is x and x.cpu().get_device() == -1
    assert x.cuda(1).device == torch.device("cuda", 1) == torch.device(1)
    assert x.to("cuda:1", torch.float64, non_blocking=True).dtype is torch.float64
    assert torch.ones(1).to(x).device == x.device
    assert repr(x[0]) == "tensor([1., 1., 1.], device='cuda:0')"
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.ones(1, device="cuda:2")
    with pytest.raises(RuntimeError, match="must be cuda"):
        x.cuda("cpu")


def test_what_numpy_gets() -> None:
    x = torch.arange(6.0, device="cuda").reshape(2, 3).t()
    with pytest.raises(
        TypeError, match=r"can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu\(\)"
    ):
        x.numpy()
    with pytest.raises(TypeError, match="can't convert cuda:0"):
        np.asarray(x)
    assert x.cpu().stride() == x.stride() == (1, 3)
    assert x.numpy(force=True).tolist() == x.tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    assert x[1, 1].item() == 4.0 and float(x[2, 0]) == 2.0 and bool(x[0, 1]) and x.data_ptr() != 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.zeros(2, 3, device="cuda"),
        lambda: torch.ones(2, 3, device="cuda", dtype=torch.bfloat16),
        lambda: torch.empty((2, 3), device="cuda"),
        lambda: torch.full((2, 3), 7, device="cuda"),
        lambda: torch.arange(6, device="cuda"),
        lambda: torch.linspace(0, 1, 5, device="cuda"),
        lambda: torch.eye(3, device="cuda"),
        lambda: torch.tensor([[1, 2]], device="cuda"),
        lambda: torch.as_tensor(np.ones(2), device="cuda"),
        lambda: torch.asarray([1.0], device="cuda"),
        lambda: torch.zeros_like(torch.ones(2, 3), device="cuda"),
        lambda: torch.rand_like(torch.ones(2, 3, device="cuda")),
        lambda: torch.ones(2, device="cuda").new_full((2, 2), 3.0),
        lambda: torch.ones(2, device="cuda").new_tensor([1.0]),
        lambda: torch.randn(3, device="cuda"),
        lambda: torch.randperm(5, device="cuda"),
        lambda: torch.randint(5, (4,), device="cuda"),
        lambda: torch.hann_window(8, device="cuda"),
        lambda: torch.empty_strided((2, 3), (1, 2), device="cuda"),
        lambda: torch.tril_indices(3, 3, device="cuda"),
    ],
)
def test_factories(make: Any) -> None:
    assert make().device == torch.device("cuda:0")


def test_values_of_factories() -> None:
    assert torch.full((2,), 2.5, dtype=torch.bfloat16, device="cuda").tolist() == [2.5, 2.5]
    assert torch.ones(2, dtype=torch.bfloat16, device="cuda").tolist() == [1.0, 1.0]
    like = torch.ones_like(torch.zeros(2, 3, device="cuda").t())
    assert like.stride() == (1, 3) and like.tolist() == [[1.0] * 2] * 3
    assert torch.full_like(like, 3).sum().item() == 18.0


def test_default_devices() -> None:
    with torch.device("cuda:1"):
        assert (
            torch.zeros(2).device
            == torch.randn(2).device
            == torch.tensor(1.0).device
            == torch.device("cuda:1")
        )
    torch.set_default_device("cuda")
    try:
        assert torch.ones(2).device == torch.get_default_device() == torch.device("cuda:0")
    finally:
        torch.set_default_device(None)
    assert torch.ones(1).device.type == "cpu"


def test_two_devices() -> None:
    x = torch.ones(3, device="cuda")
    for mixed in (
        lambda: x + torch.ones(3),
        lambda: torch.ones(3) * x,
        lambda: x @ torch.ones(3),
        lambda: x + torch.ones(3, device="cuda:1"),
        lambda: torch.nn.functional.linear(x, torch.ones(2, 3)),
        lambda: torch.cat([x, torch.ones(1)]),
        lambda: torch.where(x > 0, x, torch.ones(3)),
    ):
        with pytest.raises(RuntimeError, match=SAME_DEVICE):
            mixed()
    # Numbers in the form of a tensor may come from the CPU; so may index tensors.
    assert (x + torch.tensor(2.0)).tolist() == [3.0] * 3 and (torch.tensor(2.0) * x).device == x.device
    assert x[torch.tensor([0, 2])].device == x.device
    with pytest.raises(RuntimeError, match="indices should be either on cpu"):
        torch.ones(3)[torch.tensor([0], device="cuda")]


def test_changes_in_place_and_views() -> None:
    x = torch.zeros(2, 3, device="cuda")
    row = x[0]
    row += 1
    x[:, 2] = 5
    x[1, torch.tensor([0])] = 7.0
    x.t()[1].mul_(2)
    assert x.tolist() == [[1.0, 2.0, 5.0], [7.0, 0.0, 5.0]]
    x[x > 4] = -1
    assert x.tolist() == [[1.0, 2.0, -1.0], [-1.0, 0.0, -1.0]]
    host = torch.ones(2, 3)
    assert host.copy_(x).tolist() == x.tolist() and host.device.type == "cpu"
    assert x.copy_(torch.arange(3)).tolist() == [[0.0, 1.0, 2.0]] * 2
    assert x.view(-1)[4:].fill_(9).tolist() == [9.0, 9.0] and x.zero_().sum().item() == 0
    accumulated = torch.zeros(3, device="cuda").index_put_(
        (torch.tensor([1, 1], device="cuda"),), torch.tensor(2.0), True
    )
    assert accumulated.tolist() == [0.0, 4.0, 0.0]
    with pytest.raises(IndexError):
        x[torch.tensor([0, 5], device="cuda")]


def test_gradients_stay_on_the_device() -> None:
    w = torch.ones(3, device="cuda", requires_grad=True)
    host = torch.ones(3, requires_grad=True)
    loss = (w * host.cuda() * 2).sum() + w.pow(2).sum()
    loss.backward()
    loss = (w * 3).sum()
    loss.backward()
    assert w.grad.device == w.device and w.grad.tolist() == [7.0] * 3
    assert host.grad.device.type == "cpu" and host.grad.tolist() == [2.0] * 3
    (twice,) = torch.autograd.grad(torch.autograd.grad((w**3).sum(), w, create_graph=True)[0].sum(), w)
    assert twice.device == w.device and twice.tolist() == [6.0] * 3


def test_low_precision() -> None:
    x = torch.tensor([1.0, 2.0, -3.0], dtype=torch.bfloat16, device="cuda")
    host = x.cpu()
    for compute in (
        lambda t: t + t,
        lambda t: t * 3.3,
        lambda t: t.sum(),
        lambda t: t.relu(),
        lambda t: t.float(),
        lambda t: t.double(),
        lambda t: torch.outer(t, t) @ t,
        lambda t: torch.cat([t, t]),
        lambda t: t[1:].clone(),
        lambda t: t.softmax(0),
    ):
        actual, expected = compute(x).cpu(), compute(host)
        assert actual.dtype is expected.dtype
        np.testing.assert_allclose(actual.float().numpy(), expected.float().numpy(), rtol=8e-3)
    halves = torch.tensor([1.0, 1e-3, float("nan"), float("inf"), 3.3895e38], device="cuda").bfloat16()
    assert repr(halves.cpu()) == repr(halves.float().cpu().bfloat16())


def model() -> Any:
    torch.manual_seed(0)
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 8),
        nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "LBFGS"])
def test_training_gives_what_the_cpu_gives(name: str) -> None:
    torch.manual_seed(1)
    x, y = torch.randn(6, 1, 8, 8), torch.randint(3, (6,))
    losses = []
    for device in ("cpu", "cuda"):
        # Steps of LBFGS depend on differences of gradients, which are all rounding in float32.
        dtype = torch.float64 if name == "LBFGS" else torch.float32
        net = model().to(device, dtype)
        options = {"momentum": 0.9} if name == "SGD" else {}
        optimizer = getattr(torch.optim, name)(net.parameters(), lr=0.01, **options)
        xs, ys = x.to(device, dtype), y.to(device)

        def closure(net: Any = net, optimizer: Any = optimizer, xs: Any = xs, ys: Any = ys) -> Any:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(xs), ys)
            loss.backward()
            return loss

        losses.append([optimizer.step(closure).item() for _ in range(4)])
        assert all(p.device.type == device and p.grad.device.type == device for p in net.parameters())
        state = [
            v for s in optimizer.state.values() for v in s.values() if isinstance(v, torch.Tensor) and v.ndim
        ]
        assert all(v.device.type == device for v in state)
    np.testing.assert_allclose(losses[0], losses[1], rtol=2e-4)


def test_modules_move() -> None:
    net = model().cuda()
    assert {p.device for p in net.state_dict().values()} == {torch.device("cuda:0")}
    assert {p.device for p in net.to("cuda:1").parameters()} == {torch.device("cuda:1")}
    assert next(net.to("cpu", torch.float64).parameters()).dtype is torch.float64
    assert {p.device.type for p in net.cpu().parameters()} == {"cpu"}
    assert torch.nn.Linear(2, 2, device="cuda").weight.is_cuda
    net.float().cuda().load_state_dict(model().state_dict())
    assert next(net.parameters()).is_cuda
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(2, 1, 8, 8, device="cuda")).sum().backward()
    optimizer.step()
    again = torch.optim.Adam(net.parameters())
    again.load_state_dict(optimizer.state_dict())
    assert again.state[next(net.parameters())]["exp_avg"].is_cuda


@pytest.mark.parametrize(
    "kind", ["LSTM", "GRU", "TransformerEncoderLayer", "MultiheadAttention", "Embedding"]
)
def test_layers(kind: str) -> None:
    torch.manual_seed(0)
    layers: dict[str, Any] = {
        "LSTM": lambda: torch.nn.LSTM(4, 4), "GRU": lambda: torch.nn.GRU(4, 4),
        "TransformerEncoderLayer": lambda: torch.nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0),
        "MultiheadAttention": lambda: torch.nn.MultiheadAttention(4, 2), "Embedding": lambda: torch.nn.Embedding(5, 4),
    }  # fmt: skip
    layer = layers[kind]()
    x = torch.randint(5, (3, 2)) if kind == "Embedding" else torch.randn(3, 2, 4)
    inputs = (x, x, x) if kind == "MultiheadAttention" else (x,)

    def run() -> tuple[Any, Any]:
        layer.zero_grad()
        result = layer(*[i.to(next(layer.parameters()).device) for i in inputs])
        result = result[0] if isinstance(result, tuple) else result
        (result * torch.arange(result.shape[-1], device=result.device)).sum().backward()
        return result.detach().cpu().numpy(), [p.grad.cpu().numpy() for p in layer.parameters()]

    expected, gradients = run()
    layer.cuda()
    actual, found = run()
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    for a, b in zip(found, gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_files() -> None:
    a = torch.arange(6.0, device="cuda:1").reshape(2, 3)
    file = io.BytesIO()
    torch.save({"a": a, "view": a.t()[1:], "p": torch.nn.Parameter(torch.ones(2, device="cuda"))}, file)

    def load(**options: Any) -> Any:
        file.seek(0)
        return torch.load(file, **options)

    content = load()
    assert content["a"].device == torch.device("cuda:1") and content["p"].device == torch.device("cuda:0")
    assert type(content["p"]) is torch.nn.Parameter
    content["a"][0, 1] = 9.0
    assert content["view"][0, 0].item() == 9.0  # one storage, as it was
    assert load(map_location="cpu")["a"].tolist() == a.tolist()
    for where in ("cuda:0", torch.device("cuda", 0), {"cuda:1": "cuda:0"}, lambda s, _: s.cuda(0)):
        assert load(map_location=where)["a"].device == torch.device("cuda:0")


def test_loaders_pin() -> None:
    data = torch.utils.data.TensorDataset(torch.arange(4.0), torch.arange(4))
    torch.ones(1, device="cuda")
    for x, y in torch.utils.data.DataLoader(data, batch_size=2, pin_memory=True):
        assert x.is_pinned() and y.is_pinned() and not torch.ones(1).is_pinned()
        assert x.to("cuda", non_blocking=True).cpu().tolist() == x.tolist()
    with pytest.raises(RuntimeError, match="only dense CPU tensors can be pinned"):
        torch.ones(1, device="cuda").pin_memory()


def test_no_memory_left(pretended: Any) -> None:
    x = torch.ones(3, device="cuda")
    pretended.POOL.set_limit(pretended.POOL.used_bytes() + 4096)
    try:
        for much in (
            lambda: torch.zeros(1 << 20, device="cuda"),
            lambda: torch.ones(1 << 20).cuda(),
            lambda: x.expand(1 << 18, 3) + 1,
        ):
            with pytest.raises(torch.cuda.OutOfMemoryError, match="CUDA out of memory"):
                much()
    finally:
        pretended.POOL.set_limit(0)
    assert (x + 1).tolist() == [2.0] * 3  # and the process goes on


def test_round_trips_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    from rushlight.ops.dispatch import _FINDERS
    from rushlight.runtime.cuda_operations import HOST_TRIPS

    x = torch.zeros(3, device="cuda")
    airy = torch.special.airy_ai  # CuPy has no Airy functions
    before = HOST_TRIPS["special_bessel"]
    assert airy(x)[0].item() == pytest.approx(0.3550280539) and HOST_TRIPS["special_bessel"] == before + 1
    mode = _FINDERS[type(x._array)]((x,))[1]
    monkeypatch.setattr(mode, "setting", "error")
    with pytest.raises(NotImplementedError, match="special_bessel: no CUDA kernel"):
        airy(x)
    assert (x + 2).sum().item() == 6.0
    monkeypatch.setattr(mode, "setting", "warn")
    HOST_TRIPS.clear()
    with pytest.warns(UserWarning, match="special_bessel: no CUDA kernel"):
        airy(x)
    airy(x)  # once for each operation


def test_mixed_precision() -> None:
    x = torch.ones(2, 2, device="cuda")
    with torch.autocast("cuda"):
        assert (x @ x).dtype is torch.float16
    with torch.autocast("cuda", torch.bfloat16):
        assert (x @ x).dtype is torch.bfloat16
    assert torch.amp.GradScaler("cuda").is_enabled()
