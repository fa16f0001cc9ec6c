"""What one operation costs in eager mode, against PyTorch in the same run.

Every row is measured in turns (Rushlight, PyTorch, Rushlight, …), each turn long enough to swamp the clock; a row shows
the median of the turns and the ratio of the medians. The two libraries run the same source text, in namespaces that
differ only in what ``torch`` is. Learning rates are tiny, so that thousands of steps change nothing: a net that has
converged computes with denormal numbers, which are slow on both sides. Run it on an idle machine:

    python benchmarks/eager.py [--rounds 15] [--write benchmarks/eager.md]

PyTorch keeps its own thread settings; NumPy's BLAS keeps its own. Needs the `parity` extra.
"""

from __future__ import annotations

import argparse
import gc
import platform
import statistics
import sys
import time
from typing import Any

SETUP = """
import random
nn, optim, F = torch.nn, torch.optim, torch.nn.functional
torch.manual_seed(0)
a, b = torch.randn(10), torch.randn(10)
ag = torch.randn(10, requires_grad=True)
m, w = torch.randn(10, 10), torch.randn(10, 10, requires_grad=True)
linear = nn.Linear(10, 10)
big = torch.randn(100, 100)
picks = torch.randint(0, 10, (10, 1))
norm = nn.LayerNorm(10)
conv, image = nn.Conv2d(3, 8, 3, padding=1), torch.randn(1, 3, 12, 12)

def chain():
    y = ag
    for _ in range(100):
        y = y + b
    y.sum().backward()

def small_optimizer(kind, **options):
    params = [nn.Parameter(torch.randn(10)) for _ in range(10)]
    for p in params:
        p.grad = torch.randn(10)
    return kind(params, lr=1e-3, **options).step

sgd_step = small_optimizer(optim.SGD)
momentum_step = small_optimizer(optim.SGD, momentum=0.9)
adam_step = small_optimizer(optim.Adam)

N, D_in, H, D_out = 64, 1000, 100, 10
x, y = torch.randn(N, D_in), torch.randn(N, D_out)

def weights(requires_grad):
    return (torch.randn(D_in, H, requires_grad=requires_grad), torch.randn(H, D_out, requires_grad=requires_grad))

def manual_form():
    w1, w2 = weights(False)
    rate = 1e-12
    def step():
        nonlocal w1, w2
        h = x.mm(w1)
        h_relu = h.clamp(min=0)
        y_pred = h_relu.mm(w2)
        loss = (y_pred - y).pow(2).sum().item()
        grad_y_pred = 2.0 * (y_pred - y)
        grad_w2 = h_relu.t().mm(grad_y_pred)
        grad_h_relu = grad_y_pred.mm(w2.t())
        grad_h = grad_h_relu.clone()
        grad_h[h < 0] = 0
        grad_w1 = x.t().mm(grad_h)
        w1 -= rate * grad_w1
        w2 -= rate * grad_w2
        return loss
    return step

class Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return input.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        input, = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[input < 0] = 0
        return grad_input

def autograd_form(relu):
    w1, w2 = weights(True)
    rate = 1e-12
    def step():
        nonlocal w1, w2
        loss = (relu(x.mm(w1)).mm(w2) - y).pow(2).sum()
        loss.backward()
        with torch.no_grad():
            w1 -= rate * w1.grad
            w2 -= rate * w2.grad
            w1.grad.zero_()
            w2.grad.zero_()
        return loss.item()
    return step

class Dynamic(nn.Module):
    def __init__(self):
        super().__init__()
        self.input_linear = nn.Linear(D_in, H)
        self.middle_linear = nn.Linear(H, H)
        self.output_linear = nn.Linear(H, D_out)

    def forward(self, x):
        h_relu = self.input_linear(x).clamp(min=0)
        for _ in range(2):
            h_relu = self.middle_linear(h_relu).clamp(min=0)
        return self.output_linear(h_relu)

def module_form(model, make_optimizer):
    optimizer = make_optimizer(model.parameters())
    criterion = nn.MSELoss(reduction='sum')
    def step():
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()
    return step

def sequential():
    return nn.Sequential(nn.Linear(D_in, H), nn.ReLU(), nn.Linear(H, D_out))

manual_step = manual_form()
autograd_step = autograd_form(lambda h: h.clamp(min=0))
function_step = autograd_form(Relu.apply)
nn_sgd_step = module_form(sequential(), lambda p: optim.SGD(p, lr=1e-12))
nn_adam_step = module_form(sequential(), lambda p: optim.Adam(p, lr=1e-9))
dynamic_step = module_form(Dynamic(), lambda p: optim.SGD(p, lr=1e-12, momentum=0.9))
"""

ROWS = [
    ("add, 10 elements", "a + b"),
    ("add, with grad", "ag + b"),
    ("mul, 10 elements", "a * b"),
    ("mul, with grad", "ag * b"),
    ("mul by a number", "a * 2.0"),
    ("matmul 10x10", "m @ m"),
    ("matmul 10x10, with grad", "w @ m"),
    ("sum, 10 elements", "a.sum()"),
    ("sum, with grad", "ag.sum()"),
    ("100 adds, forward + backward", "chain()"),
    ("index x[0]", "a[0]"),
    ("index x[0], with grad", "ag[0]"),
    ("slice x[2:8]", "a[2:8]"),
    ("index m[:, 3]", "m[:, 3]"),
    ("view", "a.view(2, 5)"),
    ("Linear(10, 10)", "linear(m)"),
    ("LayerNorm(10)", "norm(m)"),
    ("Conv2d, a small image", "conv(image)"),
    ("gather, one of each row", "m.gather(1, picks)"),
    ("SGD step, 10 small parameters", "sgd_step()"),
    ("SGD momentum step, 10 small parameters", "momentum_step()"),
    ("Adam step, 10 small parameters", "adam_step()"),
    ("tutorial: manual gradients", "manual_step()"),
    ("tutorial: autograd", "autograd_step()"),
    ("tutorial: custom Function", "function_step()"),
    ("tutorial: nn + SGD", "nn_sgd_step()"),
    ("tutorial: nn + Adam", "nn_adam_step()"),
    ("tutorial: DynamicNet, SGD momentum", "dynamic_step()"),
]


def namespace(torch: Any) -> dict[str, Any]:
    space = {"torch": torch}
    exec(SETUP, space)
    return space


def turn(code: Any, space: dict[str, Any], repeats: int) -> float:
    loop = range(repeats)
    start = time.perf_counter()
    for _ in loop:
        eval(code, space)
    return (time.perf_counter() - start) / max(repeats, 1)


# Whole training steps are measured as they are in a program that has run for a while: Rushlight's larger products go over to
# compiled tiles when a program has done many of them (docs/design/eager.md).
_LONG = 100e-6
_WARM = 1.0
# Before each of their turns the threads of whoever ran last go on spinning for a while: seconds that are not counted.
_SETTLE = 0.03


def overhead(repeats: int = 20_000) -> float:
    """What the loop and ``eval`` cost by themselves; subtracted from both sides."""
    return min(turn(compile("0", "row", "eval"), {}, repeats) for _ in range(5))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--turn-ms", type=float, default=20.0, help="length of one turn")
    parser.add_argument("--write", metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--only", help="rows whose name or code contains this")
    options = parser.parse_args()

    import numpy
    import torch

    import rushlight

    spaces = [namespace(rushlight), namespace(torch)]
    empty = overhead()
    lines = []
    ratios = []
    print(f"{'row':42}{'rushlight':>12}{'torch':>12}{'ratio':>8}")
    for name, source in ROWS:
        if options.only and options.only not in name and options.only not in source:
            continue
        code = compile(source, "row", "eval")
        once = max(turn(code, space, 3) for space in spaces)
        repeats = max(3, int(options.turn_ms / 1000 / once))
        settling = int(_SETTLE / once) if once > _LONG else 0
        if settling:
            for space in spaces:
                until = time.perf_counter() + _WARM
                while time.perf_counter() < until:
                    turn(code, space, 1)
        gc.collect()
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(options.rounds):
            for space, mine in zip(spaces, times, strict=True):
                turn(code, space, settling)
                mine.append(turn(code, space, repeats) - empty)
        ours, theirs = (statistics.median(t) * 1e6 for t in times)
        ratios.append(ours / theirs)
        print(f"{name:42}{ours:10.2f}us{theirs:10.2f}us{ours / theirs:8.2f}", flush=True)
        lines.append(f"| {name} | `{source}` | {ours:.2f} | {theirs:.2f} | {ours / theirs:.2f} |")
    print(f"{'median ratio':66}{statistics.median(ratios):8.2f}")
    if options.write:
        head = (
            f"# Eager mode against PyTorch\n\nMade by `python benchmarks/eager.py --write benchmarks/eager.md` on "
            f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, NumPy {numpy.__version__}, "
            f"torch {torch.__version__} ({torch.get_num_threads()} threads). Times in microseconds, medians of "
            f"{options.rounds} alternating turns; a ratio below 1 means that Rushlight is faster.\n\n"
            "| row | code | Rushlight | PyTorch | ratio |\n|---|---|---:|---:|---:|\n"
        )
        tail = f"| **median** | | | | **{statistics.median(ratios):.2f}** |\n"
        with open(options.write, "w", encoding="utf-8") as file:
            file.write(head + "\n".join(lines) + "\n" + tail)


if __name__ == "__main__":
    sys.exit(main())
