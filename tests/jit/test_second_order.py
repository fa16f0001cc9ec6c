"""Gradients of gradients through compiled forward passes, in the recorded, replayed and static modes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight import nn
from rushlight.autograd import grad

CALLS = 8  # of a recorded function; from the sixth on it is replayed
MODES = {
    "recorded": {"options": {"replay": False}},
    "replayed": {},
    "static": {"fullgraph": True},
}
modes = pytest.mark.parametrize("mode", MODES)


@pytest.fixture(autouse=True)
def with_a_compiler() -> None:
    from rushlight.runtime.programs import compiles

    if not compiles():
        pytest.skip("there is no compiler here: the recorded mode runs")


def close(own: Any, expected: Any) -> None:
    for a, b in zip(own, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def is_joint(tensor: Any) -> bool:
    nodes, seen = [tensor.grad_fn], []
    while nodes:
        node = nodes.pop()
        if node is not None:
            seen.append(node.name())
            nodes += [edge for edge, _ in node.next_functions]
    return "CompiledFunctionBackward" in seen


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, factor: float) -> Any:
        ctx.factor = factor
        ctx.save_for_backward(x)
        return factor * x * x, x.sin()

    @staticmethod
    def backward(ctx: Any, g: Any, h: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * ctx.factor * x * g + x.cos() * h, None


class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = x.exp()
        ctx.save_for_backward(y)
        ctx.unchecked = x.detach() * 1
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (y,) = ctx.saved_tensors
        return g * y + 0 * ctx.unchecked


class Functions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        a, b = Square.apply(self.layer(x), 1.5)
        return Exp.apply(a.tanh()) * b


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(4))

    def forward(self, x: Any) -> Any:
        h = x * self.scale
        h[:, 1:3] *= h[:, :2].exp()
        h.add_(x.sin())
        return h.tanh_() * h.detach()


class Indexing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(6, 4))

    def forward(self, x: Any) -> Any:
        rows = self.table[torch.tensor([0, 2, 5, 2, 1])]
        parts = torch.cat([rows * x, x.flip(1)], 1).split(3, 1)
        best, _ = parts[0].max(1)
        return best * parts[1].gather(1, torch.tensor([[0], [1], [0], [2], [1]])).squeeze(1) + parts[2].prod(
            1
        )


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.layer(x[None], x[None], x[None])[0]


class Recurrent(nn.Module):
    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.layer = kind(4, 3, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.layer(x[None])[0]


class Images(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 3, 2),
            nn.GroupNorm(1, 3),
            nn.SiLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(3, 2, 1),
            nn.Flatten(),
        )

    def forward(self, x: Any) -> Any:
        return self.layers(x.reshape(1, 1, 5, 4))


class Draws(nn.Module):
    def forward(self, x: Any) -> Any:
        noise = torch.randn_like(x)
        return ((x + noise).sin() * torch.rand(4)).exp() * F.dropout(x, 0.5)


class Counts(nn.Module):
    """Changes a buffer that the derivative needs as it was."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.ones(4))

    def forward(self, x: Any) -> Any:
        before = self.total * 2
        self.total += x.detach().mean(0)
        return (x * before).sin() * (x * self.total.clone()).exp()


BUILD: dict[str, Callable[[], Any]] = {
    "linear": lambda: nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)),
    "activations": lambda: nn.Sequential(
        nn.Linear(4, 6), nn.GELU(), nn.Softplus(), nn.ELU(), nn.Sigmoid(), nn.LogSoftmax(1)
    ),
    "tanh gelu": lambda: nn.Sequential(nn.GELU("tanh"), nn.Mish(), nn.Softmax(1)),
    "layer norm": lambda: nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Hardswish()),
    "batch norm": lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh()),
    "batch norm, eval": lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh()).eval(),
    "bilinear": lambda: Bilinear(),
    "images": Images,
    "attention": Attention,
    "transformer": lambda: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0),
    "rnn": lambda: Recurrent(nn.RNN),
    "gru": lambda: Recurrent(nn.GRU),
    "lstm": lambda: Recurrent(nn.LSTM),
    "functions": Functions,
    "in place": InPlace,
    "indexing": Indexing,
    "draws": Draws,
    "counts": Counts,
    "weight norm": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)),
    "spectral norm": lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3)),
}


class Bilinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Bilinear(4, 4, 3)

    def forward(self, x: Any) -> Any:
        return self.layer(x, x.cos())


def second_order(model: Any, net: Any, x: Any) -> list[Any]:
    """Gradients of a penalty on the gradients, by the input and the parameters, and by ``.grad``."""
    x = x.clone().requires_grad_()
    parameters = [p for p in model.parameters() if p.requires_grad]
    for p in parameters:
        p.grad = None
    y = net(x)
    first = grad(y.square().sum(), [x, *parameters], create_graph=True, allow_unused=True)
    penalty = sum((g * g).sum() for g in first if g is not None)
    (penalty + y.sum()).backward()
    return [y.detach(), *first, x.grad, *[p.grad for p in parameters]]


@modes
@pytest.mark.parametrize("name", BUILD)
def test_gradients_of_gradients_of_a_compiled_model(name: str, mode: str) -> None:
    torch.manual_seed(0)
    model = BUILD[name]().double()
    twin = copy.deepcopy(model)
    net = torch.compile(model, **MODES[mode])
    batches = [torch.randn(5, 4, dtype=torch.float64) for _ in range(CALLS)]
    for i, x in enumerate(batches):
        torch.manual_seed(i)
        expected = second_order(twin, twin, x)
        torch.manual_seed(i)
        found = second_order(model, net, x)
        close(found, expected)
    close(model.buffers(), twin.buffers())
    if mode == "static":
        y = net(batches[0].clone().requires_grad_())
        assert is_joint(y)


@modes
def test_derivatives_of_any_order(mode: str) -> None:
    w = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64, requires_grad=True)

    def f(x: Any) -> Any:
        return (w * x).sin() * (x * 2).exp()

    compiled = torch.compile(f, **MODES[mode])
    for _ in range(CALLS):
        x = torch.randn(3, dtype=torch.float64, requires_grad=True)
        orders = []
        for function in (f, compiled):
            value, found = function(x).sum(), []
            for _ in range(4):
                value = sum(part.sum() for part in grad(value, [x, w], create_graph=True))
                found.append(value.detach())
            orders.append(found)
        close(orders[1], orders[0])


@modes
def test_gradient_penalty(mode: str) -> None:
    def train(compiled: bool) -> list[Any]:
        torch.manual_seed(0)
        critic = nn.Sequential(
            nn.Linear(6, 8), nn.LeakyReLU(0.2), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1)
        ).double()
        net = torch.compile(critic, **MODES[mode]) if compiled else critic
        optimizer = torch.optim.Adam(critic.parameters(), 1e-2, betas=(0.5, 0.9))
        losses = []
        for _ in range(CALLS):
            real, fake = torch.randn(4, 6, dtype=torch.float64), torch.rand(4, 6, dtype=torch.float64)
            share = torch.rand(4, 1, dtype=torch.float64)
            between = (share * real + (1 - share) * fake).requires_grad_()
            scores = net(between)
            (slopes,) = grad(scores, between, torch.ones_like(scores), create_graph=True, retain_graph=True)
            loss = net(fake).mean() - net(real).mean() + 10 * (slopes.norm(2, dim=1) - 1).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return [*losses, *critic.parameters()]

    close(train(True), train(False))


@modes
def test_inner_loops_of_meta_learning(mode: str) -> None:
    def train(compiled: bool) -> list[Any]:
        torch.manual_seed(0)

        def forward(x: Any, w1: Any, b1: Any, w2: Any) -> Any:
            return F.linear(F.linear(x, w1, b1).tanh(), w2)

        net = torch.compile(forward, **MODES[mode]) if compiled else forward
        weights = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in ((5, 1), (5,), (1, 5))]
        optimizer = torch.optim.SGD(weights, 1e-2)
        losses = []
        for _ in range(CALLS):
            x, shift = torch.randn(6, 1, dtype=torch.float64), torch.rand(1, dtype=torch.float64)
            y = (x + shift).sin()
            fast = list(weights)
            for _ in range(2):
                loss = F.mse_loss(net(x, *fast), y)
                fast = [w - 0.1 * g for w, g in zip(fast, grad(loss, fast, create_graph=True), strict=True)]
            loss = F.mse_loss(net(x, *fast), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return [*losses, *weights]

    close(train(True), train(False))


@modes
def test_hessian_vector_products(mode: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    net = torch.compile(model, **MODES[mode])
    x, target = torch.randn(5, 3, dtype=torch.float64), torch.randint(0, 2, (5,))
    direction = [torch.randn_like(p) for p in model.parameters()]
    for _ in range(CALLS):
        products = []
        for one in (model, net):
            slopes = grad(F.cross_entropy(one(x), target), list(model.parameters()), create_graph=True)
            along = sum((g * v).sum() for g, v in zip(slopes, direction, strict=True))
            products.append(grad(along, list(model.parameters())))
        close(products[1], products[0])


@modes
def test_forward_mode_and_batched_gradients(mode: str) -> None:
    import rushlight.autograd.forward_ad as forward_ad

    w = torch.randn(3, dtype=torch.float64, requires_grad=True)

    def f(x: Any) -> Any:
        return (w * x).sin() * x

    compiled = torch.compile(f, **MODES[mode])
    for _ in range(CALLS):
        x, tangent = torch.randn(2, 3, dtype=torch.float64)
        found = []
        for function in (f, compiled):
            with forward_ad.dual_level():
                found.append([forward_ad.unpack_dual(function(forward_ad.make_dual(x, tangent))).tangent])
        close(*found)
        x = x.detach().requires_grad_()
        rows = torch.eye(3, dtype=torch.float64)
        close(
            grad(compiled(x), [x, w], rows, is_grads_batched=True),
            grad(f(x), [x, w], rows, is_grads_batched=True),
        )


@modes
def test_hooks_run_once_for_each_gradient(mode: str) -> None:
    w = torch.ones(3, requires_grad=True)
    compiled = torch.compile(lambda x: (w * x).exp(), **MODES[mode])
    seen: list[str] = []
    w.register_hook(lambda g: seen.append("w"))
    for _ in range(CALLS):
        y = compiled(torch.ones(3))
        seen.clear()
        (slope,) = grad(y.sum(), w, create_graph=True)
        assert seen == ["w"]
        slope.sum().backward()
        assert seen == ["w", "w"]


@modes
def test_a_weight_that_is_changed_between_the_gradients_is_an_error(mode: str) -> None:
    w = torch.ones(3, requires_grad=True)
    compiled = torch.compile(lambda x: (w * x).exp(), **MODES[mode])
    for _ in range(CALLS):
        x = torch.ones(3, requires_grad=True)
        (slope,) = grad(compiled(x).sum(), x, create_graph=True)
        with torch.no_grad():
            w.mul_(0.9)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            slope.sum().backward()


@modes
def test_create_graph_with_backward_accumulates(mode: str) -> None:
    w = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    compiled = torch.compile(lambda x: (w * x).exp(), **MODES[mode])
    for n in range(1, CALLS):
        w.grad = None
        x = torch.full((2,), float(n), dtype=torch.float64)
        compiled(x).sum().backward(create_graph=True)
        first = w.grad
        (second,) = grad(first.sum(), w)
        close([first, second], [x * (w * x).exp(), x * x * (w * x).exp()])
        w.grad = None
