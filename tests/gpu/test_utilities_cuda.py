"""What goes with layers, on a pretended GPU: optimizers, initial values, parametrizations, pruning, packed sequences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as torch

nn: Any = torch.nn
OPTIMIZERS = sorted(
    name
    for name, kind in vars(torch.optim).items()
    if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)
    if name not in ("Optimizer", "SparseAdam", "Muon")
)


@pytest.fixture(autouse=True)
def on_the_gpu(pretended: Any) -> None:
    """Everything here runs with two pretended GPUs."""


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name: str) -> None:
    found = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        start, x = nn.Linear(3, 2), torch.randn(5, 3).to(device)
        model = start.to(device)
        optimizer = getattr(torch.optim, name)(model.parameters())

        def closure(model: Any = model, optimizer: Any = optimizer, x: Any = x) -> Any:
            optimizer.zero_grad()
            loss = (model(x) ** 2).sum()
            loss.backward()
            return loss

        for _ in range(3):
            optimizer.step(closure)
        optimizer.load_state_dict(optimizer.state_dict())
        optimizer.step(closure)
        found.append(model.weight.detach().cpu().numpy())
    np.testing.assert_allclose(*found, atol=1e-5)


def test_initial_values() -> None:
    torch.manual_seed(0)
    weight = torch.empty(6, 4, device="cuda")
    nn.init.orthogonal_(weight)
    assert torch.allclose(weight.mT @ weight, torch.eye(4, device="cuda"), atol=1e-5)
    nn.init.trunc_normal_(weight, std=2.0, a=-1.0, b=1.0)
    assert float(weight.abs().max()) <= 1
    nn.init.trunc_normal_(weight, std=0.1)
    assert 0 < float(weight.std()) < 1
    nn.init.sparse_(weight, 0.5)
    assert int((weight == 0).sum()) >= 12


@pytest.mark.parametrize("name", ("weight_norm", "spectral_norm", "orthogonal"))
@pytest.mark.parametrize("first", (True, False))
def test_parametrizations(name: str, first: bool) -> None:
    made = getattr(nn.utils.parametrizations, name)
    layer = made(nn.Linear(4, 3)).cuda() if first else made(nn.Linear(4, 3).cuda())
    result = layer(torch.ones(2, 4, device="cuda"))
    result.sum().backward()
    assert result.is_cuda and all(parameter.grad.is_cuda for parameter in layer.parameters())


def test_pruning() -> None:
    layer = nn.Linear(4, 3).cuda()
    nn.utils.prune.l1_unstructured(layer, "weight", 2)
    nn.utils.prune.random_structured(layer, "weight", 1, dim=0)
    assert layer(torch.ones(1, 4, device="cuda")).is_cuda and int((layer.weight == 0).sum()) >= 4


def test_packed_sequences() -> None:
    torch.manual_seed(0)
    parts = [torch.randn(n, 3) for n in (2, 4, 1)]
    layer = nn.LSTM(3, 5)
    found = []
    for device in ("cpu", "cuda"):
        rnn = nn.utils.rnn
        padded = rnn.pad_sequence([part.to(device) for part in parts])
        packed = rnn.pack_padded_sequence(padded, [2, 4, 1], enforce_sorted=False)
        result, lengths = rnn.pad_packed_sequence(layer.to(device)(packed)[0])
        assert result.device.type == device and lengths.tolist() == [2, 4, 1]
        found.append(result.detach().cpu().numpy())
    np.testing.assert_allclose(*found, atol=1e-6)


def test_numbers_instead_of_errors() -> None:
    singular = torch.zeros(3, 3, device="cuda")
    found = torch.linalg.solve_ex(singular, torch.ones(3, 1, device="cuda"))
    assert found.info.is_cuda and found.info.item() == 1 and bool(found.result.isnan().all())
    assert (
        torch.linalg.inv_ex(singular).info.item() == 1 and torch.linalg.cholesky_ex(singular).info.item() == 1
    )
