"""The compiled benchmark's programs: the same source text for Rushlight and for PyTorch.

Each is a function that takes the library (as ``torch``) and returns a training or inference step without arguments.
Learning rates are tiny, so that thousands of steps change nothing: a net that has converged computes with denormal numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Step = Callable[[], Any]
Compile = Callable[[Any], Any]


def tutorial(torch: Any, compile: Compile) -> Step:
    """The tutorial's net 64×1000×100×10: forward, loss, backward, SGD; the loss is read as a float."""
    torch.manual_seed(0)
    x, y = torch.randn(64, 1000), torch.randn(64, 10)
    w1 = torch.randn(1000, 100, requires_grad=True)
    w2 = torch.randn(100, 10, requires_grad=True)
    rate = 1e-12

    def step(x: Any, y: Any) -> Any:
        loss = (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()
        loss.backward()
        with torch.no_grad():
            w1.sub_(rate * w1.grad)
            w2.sub_(rate * w2.grad)
            w1.grad = None
            w2.grad = None
        return loss

    run = compile(step)
    return lambda: run(x, y).item()


def tutorial_adam(torch: Any, compile: Compile) -> Step:
    """The same net as nn.Sequential with MSELoss and Adam."""
    torch.manual_seed(0)
    nn = torch.nn
    x, y = torch.randn(64, 1000), torch.randn(64, 10)
    model = nn.Sequential(nn.Linear(1000, 100), nn.ReLU(), nn.Linear(100, 10))
    return _training(
        torch,
        compile,
        model,
        nn.MSELoss(reduction="sum"),
        x,
        y,
        torch.optim.Adam(model.parameters(), lr=1e-9),
    )


def pointwise_chain(torch: Any, compile: Compile) -> Step:
    """sum(gelu_tanh(1.5x + 0.25) · sigmoid(x)) of 1e7 floats, forward and backward."""
    torch.manual_seed(0)
    x = torch.randn(10_000_000, requires_grad=True)

    def step(x: Any) -> Any:
        x.grad = None
        value = (torch.nn.functional.gelu(1.5 * x + 0.25, approximate="tanh") * torch.sigmoid(x)).sum()
        value.backward()
        return value

    run = compile(step)
    return lambda: run(x).item()


def mlp(torch: Any, compile: Compile, batch: int = 256) -> Step:
    """MLP 784-1024-1024-10, batch 256, cross-entropy, Adam."""
    torch.manual_seed(0)
    nn = torch.nn
    x, y = torch.randn(batch, 784), torch.randint(0, 10, (batch,))
    model = nn.Sequential(
        nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)
    )
    return _training(
        torch, compile, model, nn.CrossEntropyLoss(), x, y, torch.optim.Adam(model.parameters(), lr=1e-9)
    )


def mlp_inference(torch: Any, compile: Compile) -> Step:
    """The MLP on one input, no gradients."""
    torch.manual_seed(0)
    nn = torch.nn
    x = torch.randn(1, 784)
    model = nn.Sequential(
        nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)
    )
    model.eval()
    run = compile(lambda x: model(x))

    def step() -> Any:
        with torch.no_grad():
            return run(x)

    return step


def gpt(torch: Any, compile: Compile, autocast: str | None = None) -> Step:
    """A GPT-2-style step: 4 pre-LN layers, d 256, 4 heads, sequence 128, batch 8, vocabulary 1024, tied head, AdamW.

    ``autocast``: the type of device on which the forward pass is computed in bfloat16.
    """
    torch.manual_seed(0)
    nn, functional = torch.nn, torch.nn.functional
    width, heads, length, batch, vocabulary = 256, 4, 128, 8, 1024

    class Block(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            b, t, c = x.shape
            q, k, v = self.qkv(self.norm1(x)).split(width, dim=2)
            q, k, v = [part.view(b, t, heads, c // heads).transpose(1, 2) for part in (q, k, v)]
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(mixed.transpose(1, 2).reshape(b, t, c))
            return x + self.down(functional.gelu(self.up(self.norm2(x)), approximate="tanh"))

    class GPT(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
            self.blocks = nn.ModuleList([Block() for _ in range(4)])
            self.norm = nn.LayerNorm(width)

        def forward(self, x: Any) -> Any:
            x = self.tokens(x) + self.places.weight[: x.shape[1]]
            for block in self.blocks:
                x = block(x)
            return self.norm(x) @ self.tokens.weight.t()

    model = GPT()
    tokens = torch.randint(0, vocabulary, (batch, length + 1))
    x, y = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()

    def loss_of(result: Any, y: Any) -> Any:
        return functional.cross_entropy(result.reshape(-1, vocabulary), y.reshape(-1))

    def in_bfloat16(x: Any) -> Any:
        with torch.autocast(autocast, torch.bfloat16):
            return model(x)

    forward = model if autocast is None else in_bfloat16
    return _training(torch, compile, forward, loss_of, x, y, torch.optim.AdamW(model.parameters(), lr=1e-9))


def conv_net(torch: Any, compile: Compile) -> Step:
    """conv 1→32, relu, conv 32→64, relu, maxpool2, fc 9216→128, relu, fc 10; 28×28, batch 64, SGD."""
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    x, y = torch.randn(64, 1, 28, 28), torch.randint(0, 10, (64,))
    return _training(
        torch, compile, model, nn.CrossEntropyLoss(), x, y, torch.optim.SGD(model.parameters(), lr=1e-9)
    )


def resnet(torch: Any, compile: Compile) -> Step:
    """ResNet-style 16-16-32-32-64-64 on 3×32×32, batch 32, BatchNorm, SGD with momentum."""
    torch.manual_seed(0)
    nn = torch.nn

    class Block(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            self.norm1 = nn.BatchNorm2d(after)
            self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(after)
            self.short = None
            if stride != 1 or before != after:
                self.short = nn.Sequential(
                    nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
                )

        def forward(self, x: Any) -> Any:
            y = torch.relu(self.norm1(self.conv1(x)))
            y = self.norm2(self.conv2(y))
            return torch.relu(y + (x if self.short is None else self.short(x)))

    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        Block(16, 16, 1), Block(16, 16, 1), Block(16, 32, 2), Block(32, 32, 1), Block(32, 64, 2), Block(64, 64, 1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip
    x, y = torch.randn(32, 3, 32, 32), torch.randint(0, 10, (32,))
    updates = torch.optim.SGD(model.parameters(), lr=1e-9, momentum=0.9)
    return _training(torch, compile, model, nn.CrossEntropyLoss(), x, y, updates)


def lstm(torch: Any, compile: Compile) -> Step:
    """LSTM 128→256, sequence 64, batch 32, last hidden → fc 10, Adam."""
    torch.manual_seed(0)
    nn = torch.nn

    class Net(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(128, 256, batch_first=True)
            self.head = nn.Linear(256, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(x)[0][:, -1])

    model = Net()
    x, y = torch.randn(32, 64, 128), torch.randint(0, 10, (32,))
    return _training(
        torch, compile, model, nn.CrossEntropyLoss(), x, y, torch.optim.Adam(model.parameters(), lr=1e-9)
    )


def model_alone(torch: Any, compile: Compile) -> Step:
    """The model alone is compiled (as torch.compile is mostly used); loss, backward and SGD are in the program's own loop."""
    torch.manual_seed(0)
    nn = torch.nn
    x, y = torch.randn(64, 256), torch.randint(0, 10, (64,))
    model = nn.Sequential(
        nn.Linear(256, 256),
        nn.LayerNorm(256),
        nn.GELU(),
        nn.Dropout(0.1),
        nn.Linear(256, 256),
        nn.GELU(),
        nn.Linear(256, 10),
    )
    loss_of, updates = nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=1e-9)
    run = compile(model)

    def step() -> Any:
        updates.zero_grad()
        loss = loss_of(run(x), y)
        loss.backward()
        updates.step()
        return loss.item()

    return step


def _training(torch: Any, compile: Compile, model: Any, loss_of: Any, x: Any, y: Any, updates: Any) -> Step:
    def step(x: Any, y: Any) -> Any:
        updates.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        updates.step()
        return loss

    run = compile(step)
    return lambda: run(x, y).item()


# name: the program, its steps in one turn, and what issue and design ask for: Rushlight's time over PyTorch's eager time
WORKLOADS: dict[str, tuple[Callable[[Any, Compile], Step], int]] = {
    "tutorial step": (tutorial, 200),
    "tutorial nn + Adam": (tutorial_adam, 100),
    "pointwise chain 1e7": (pointwise_chain, 3),
    "MLP 256": (mlp, 6),
    "GPT-2 style": (gpt, 2),
    "conv net": (conv_net, 4),
    "ResNet style": (resnet, 4),
    "LSTM": (lstm, 4),
    "MLP, one input": (mlp_inference, 300),
    "model alone compiled": (model_alone, 100),
}
