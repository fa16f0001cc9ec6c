"""Gradients for each example, ensembles and Hessians of whole networks against PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

import rushlight

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN:UserWarning"),
    pytest.mark.filterwarnings(
        "ignore:There is a performance drop because we have not yet implemented:UserWarning"
    ),
]

EXAMPLES = 3


@pytest.fixture(scope="module")
def torch() -> Any:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def recurrent(kind: str, **options: Any) -> Callable[[Any], Any]:
    @cache
    def net(t: Any) -> Any:
        class Net(t.nn.Module):  # type: ignore[misc,name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.layer = getattr(t.nn, kind)(3, 4, batch_first=True, **options)
                self.head = t.nn.Linear(self.width(), 2)

            def width(self) -> int:
                return (options.get("proj_size") or 4) * (2 if options.get("bidirectional") else 1)

            def forward(self, x: Any) -> Any:
                return self.head(self.layer(x)[0].sum(1))

        return Net

    return lambda t: net(t)()


@cache
def transformer(t: Any) -> Any:
    class Net(t.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.embedding = t.nn.Embedding(7, 8, padding_idx=0)
            layer = t.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, norm_first=True)
            self.layers = t.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = t.nn.Linear(8, 2)

        def forward(self, x: Any) -> Any:
            mask = t.nn.Transformer.generate_square_subsequent_mask(x.shape[1])
            return self.head(self.layers(self.embedding(x), mask=mask)).mean(1)

    return Net


NETS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "perceptron": (lambda t: t.nn.Sequential(t.nn.Linear(4, 5), t.nn.Tanh(), t.nn.Linear(5, 2)), (1, 4)),
    "convolution": (
        lambda t: t.nn.Sequential(
            t.nn.Conv2d(2, 4, 3, padding=1, stride=2), t.nn.ReLU(), t.nn.Conv2d(4, 4, 2, groups=2), t.nn.Flatten(),
            t.nn.Linear(16, 2),
        ),
        (1, 2, 6, 6),
    ),
    "depthwise and transposed": (
        lambda t: t.nn.Sequential(
            t.nn.Conv1d(3, 3, 3, groups=3), t.nn.ConvTranspose1d(3, 2, 2, stride=2), t.nn.AvgPool1d(2), t.nn.Flatten(),
            t.nn.Linear(8, 2),
        ),
        (1, 3, 6),
    ),
    "convolution of volumes": (
        lambda t: t.nn.Sequential(t.nn.Conv3d(1, 2, 2), t.nn.MaxPool3d(2), t.nn.Flatten(), t.nn.Linear(2, 2)),
        (1, 1, 3, 3, 3),
    ),
    "normalisations": (
        lambda t: t.nn.Sequential(
            t.nn.Conv1d(2, 4, 2), t.nn.GroupNorm(2, 4), t.nn.InstanceNorm1d(4, affine=True), t.nn.Flatten(),
            t.nn.LayerNorm(12), t.nn.Linear(12, 2),
        ),
        (2, 2, 4),
    ),
    "batch norm": (
        lambda t: t.func.replace_all_batch_norm_modules_(
            t.nn.Sequential(t.nn.Linear(3, 4), t.nn.BatchNorm1d(4), t.nn.ReLU(), t.nn.Linear(4, 2))
        ),
        (4, 3),
    ),
    "batch norm in evaluation": (
        lambda t: t.nn.Sequential(t.nn.Linear(3, 4), t.nn.BatchNorm1d(4), t.nn.ReLU(), t.nn.Linear(4, 2)).eval(),
        (4, 3),
    ),
    "RNN": (recurrent("RNN", nonlinearity="relu"), (2, 4, 3)),
    "LSTM": (recurrent("LSTM", num_layers=2), (2, 4, 3)),
    "LSTM, projected": (recurrent("LSTM", proj_size=2), (2, 4, 3)),
    "GRU": (recurrent("GRU", bidirectional=True), (2, 4, 3)),
    "transformer": (lambda t: transformer(t)(), (2, 5)),
}  # fmt: skip
# PyTorch has no batching rule for what recurrent layers run when their weights are batched, or refuses their random
# operations: there the loop over the examples says what is right.
LOOPED_THERE = frozenset({"RNN", "LSTM", "LSTM, projected", "GRU"})


def made(t: Any, name: str, seed: int = 0) -> Any:
    t.manual_seed(seed)
    return NETS[name][0](t)


def data(name: str) -> tuple[Any, Any]:
    shape = NETS[name][1]
    generator = np.random.default_rng(0)
    if name == "transformer":
        x = generator.integers(0, 7, (EXAMPLES, *shape))
    else:
        x = generator.standard_normal((EXAMPLES, *shape)).astype(np.float32)
    return x, generator.integers(0, 2, (EXAMPLES, shape[0]))


def close(own: Any, told: Any) -> None:
    assert list(own) == list(told)
    for key in told:
        np.testing.assert_allclose(
            own[key].detach().numpy(), told[key].detach().numpy(), rtol=5e-5, atol=5e-5, err_msg=key
        )


def loss_of(t: Any, net: Any) -> Callable[..., Any]:
    buffers = dict(net.named_buffers())

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        scores = t.func.functional_call(net, (parameters, buffers), (x,))
        return t.nn.functional.cross_entropy(scores, y, label_smoothing=0.1)

    return loss


def per_example(t: Any, name: str, looped: bool, **options: Any) -> Any:
    net = made(t, name)
    x, y = [t.tensor(array) for array in data(name)]
    parameters = {k: v.detach() for k, v in net.named_parameters()}
    gradient = t.func.grad(loss_of(t, net))
    if not looped:
        return t.vmap(gradient, (None, 0, 0), **options)(parameters, x, y)
    rows = [gradient(parameters, x[i], y[i]) for i in range(EXAMPLES)]
    return {key: t.stack([row[key] for row in rows]) for key in rows[0]}


@pytest.mark.parametrize("chunk", [None, 2])
@pytest.mark.parametrize("name", NETS)
def test_gradients_for_each_example(name: str, chunk: int | None, torch: Any) -> None:
    close(
        per_example(rushlight, name, False, chunk_size=chunk),
        per_example(torch, name, name in LOOPED_THERE),
    )


def ensemble(t: Any, name: str, looped: bool) -> Any:
    nets = [made(t, name, seed) for seed in range(EXAMPLES)]
    parameters, buffers = t.func.stack_module_state(nets)
    x, y = [t.tensor(array[0]) for array in data(name)]

    def call(p: Any, b: Any) -> Any:
        scores = t.func.functional_call(nets[0], (p, b), (x,))
        return t.nn.functional.cross_entropy(scores, y), scores

    gradient = t.func.grad(call, has_aux=True)
    detached = {k: v.detach() for k, v in parameters.items()}
    if not looped:
        gradients, scores = t.vmap(gradient)(detached, buffers)
    else:
        rows = [
            gradient({k: v[i] for k, v in detached.items()}, {k: v[i] for k, v in buffers.items()})
            for i in range(EXAMPLES)
        ]
        gradients = {key: t.stack([row[0][key] for row in rows]) for key in detached}
        scores = t.stack([row[1] for row in rows])
    return {**gradients, "scores": scores}


@pytest.mark.parametrize("name", NETS)
def test_ensembles(name: str, torch: Any) -> None:
    close(ensemble(rushlight, name, False), ensemble(torch, name, name in LOOPED_THERE))


@pytest.mark.parametrize("name", ["perceptron", "convolution", "batch norm", "transformer"])
@pytest.mark.parametrize("mode", ["forward over reverse", "reverse over reverse"])
def test_hessian_vector_products_for_each_example(name: str, mode: str, torch: Any) -> None:
    def program(t: Any) -> Any:
        net = made(t, name)
        x, y = [t.tensor(array) for array in data(name)]
        parameters = {k: v.detach() for k, v in net.named_parameters()}
        direction = {k: v * 0.5 + 0.1 for k, v in parameters.items()}
        loss = loss_of(t, net)

        def product(x: Any, y: Any) -> Any:
            slope = t.func.grad(lambda p: loss(p, x, y))
            if mode == "forward over reverse":
                return t.func.jvp(slope, (parameters,), (direction,))[1]
            _, pull_back = t.func.vjp(slope, parameters)
            return pull_back(direction)[0]

        # PyTorch's forward mode has no formula for its fused attention, and its vmap none for the fused backward.
        if t is not rushlight and name == "transformer":
            rows = [_by_backward(t, loss, parameters, direction, x[i], y[i]) for i in range(EXAMPLES)]
            return {key: t.stack([row[key] for row in rows]) for key in rows[0]}
        return t.vmap(product)(x, y)

    close(program(rushlight), program(torch))


def _by_backward(t: Any, loss: Any, parameters: Any, direction: Any, x: Any, y: Any) -> Any:
    leaves = {k: v.clone().requires_grad_() for k, v in parameters.items()}
    with t.nn.attention.sdpa_kernel(t.nn.attention.SDPBackend.MATH):
        slopes = t.autograd.grad(loss(leaves, x, y), list(leaves.values()), create_graph=True)
        total = sum((s * d).sum() for s, d in zip(slopes, direction.values(), strict=True))
        return dict(zip(leaves, t.autograd.grad(total, list(leaves.values())), strict=True))


def test_dropout_draws_what_pytorch_draws(torch: Any) -> None:
    def program(t: Any) -> Any:
        t.manual_seed(0)
        net = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Dropout(0.5), t.nn.Linear(4, 1))
        parameters = {k: v.detach() for k, v in net.named_parameters()}
        gradient = t.func.grad(lambda p, x: t.func.functional_call(net, p, (x,)).sum())
        results = {}
        for how in ("same", "different"):
            t.manual_seed(5)
            found = t.vmap(gradient, (None, 0), randomness=how)(parameters, t.ones(4, 3))
            results.update({f"{how} {key}": value for key, value in found.items()})
        return results

    close(program(rushlight), program(torch))
