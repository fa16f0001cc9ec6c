"""float16 and bfloat16 on a CPU: where PyTorch rounds, and where it computes in float32 and rounds once."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight

from .expressions import check_all, oracle

# Long enough for PyTorch's vector loops, and a whole number of their steps: the scalar loop at an array's end rounds otherwise.
VALUES = (
    "g = torch.Generator().manual_seed(5); dt = {dtype}; x = torch.randn(320, generator=g).to(dt); "
    "y = torch.randn(320, generator=g).to(dt); z = torch.randn(320, generator=g).to(dt); p = x.abs() + 1.5; "
    "m = x.view(16, 20); t = torch.arange(16) % 20; F = torch.nn.functional; "
)
# A number beside a tensor is rounded to its dtype, but for products and quotients.
NUMBERS = [
    "x + 0.3", "x - 0.3", "0.3 - x", "x * 0.3", "x / 0.3", "0.3 / p", "p % 0.3", "torch.fmod(x, 0.3)", "x // 0.3",
    "torch.div(x, 0.3, rounding_mode='floor')", "torch.div(x, 0.3, rounding_mode='trunc')", "p ** 0.3", "0.3 ** x", "p ** 2.5",
    "x + torch.tensor(0.3)", "x * torch.tensor(0.3)", "x / torch.tensor(0.3)", "x == 0.3",
    "x < 0.3001", "x >= torch.tensor(0.3)", "x.add(y, alpha=0.7)", "x.sub(y, alpha=0.7)", "x.add(0.3, alpha=0.7)",
    "torch.rsub(x, y, alpha=0.3)", "x.clone().add_(0.3)", "x.clone().mul_(0.3)", "x.clone().add_(y, alpha=0.3)",
    "x[:25].add(y[:25], alpha=0.7)", "x.addcmul(y, z, value=0.3)", "x.addcdiv(y, p, value=0.3)", "x.clamp(-0.3333, 0.777)",
    "torch.where(x > 0, x, 0.3)", "F.threshold(x, 0.2001, 0.3)", "F.softshrink(x, 0.3)", "F.hardshrink(x, 0.3)",
]  # fmt: skip
ONCE = [
    "F.silu(x)", "F.mish(x)", "F.hardswish(x)", "F.hardsigmoid(x)", "F.glu(m)", "torch.rsqrt(p)", "m.softmax(1)",
    "x.round(decimals=2)", "torch.tanh(x)", "torch.sigmoid(x)", "F.mse_loss(x, y)", "F.smooth_l1_loss(x, y, reduction='none')",
]  # fmt: skip
IN_STEPS = [
    "m.log_softmax(1)", "m.log_softmax(0)", "m.logsumexp(1)", "torch.xlogy(x, p)", "torch.special.entr(p)",
    "torch.special.ndtr(x)",
    "torch.special.xlog1py(x, p)", "p ** -1", "p ** 0.5", "torch.logit(x.sigmoid())",
    "F.mse_loss(x, y, reduction='none')", "F.nll_loss(m, t)", "F.nll_loss(m, t, reduction='sum')", "F.cross_entropy(m, t)",
    "F.cross_entropy(m, t, reduction='none')", "F.cross_entropy(m, t, reduction='sum')",
    "F.cross_entropy(torch.randn(1000, 5, generator=g).to(dt), torch.arange(1000) % 5, reduction='sum')",
    "torch.manual_seed(3); F.alpha_dropout(x, 0.5, True)", "torch.manual_seed(3); F.feature_alpha_dropout(m, 0.5, True)",
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["torch.bfloat16", "torch.float16"])
@pytest.mark.parametrize("sources", [NUMBERS, ONCE, IN_STEPS], ids=["numbers", "once", "in steps"])
def test_values(sources: list[str], dtype: str) -> None:
    check_all([VALUES.format(dtype=dtype) + source for source in sources])


@pytest.mark.parametrize(
    "function",
    ["silu", "mish", "hardsigmoid", "tanh", "sigmoid", "gelu", "softmax", "log_softmax"],
)
def test_gradients(function: str) -> None:
    def gradient(torch: Any) -> Any:
        generator = torch.Generator().manual_seed(5)
        x = torch.randn(16, 20, generator=generator).bfloat16().requires_grad_()
        g = torch.randn(16, 20, generator=generator).bfloat16()
        name = getattr(torch.nn.functional, function)
        (name(x, dim=1) if "softmax" in function else name(x)).backward(g)
        return x.grad.float().tolist()

    assert gradient(rushlight) == gradient(oracle())


def test_losses_add_up_in_the_order_of_the_kernel() -> None:
    for size in (1, 2, 16, 17, 33, 300, 5000):
        check_all(
            [
                f"x = torch.linspace(-3, 3, {size * 4}).view({size}, 4).bfloat16(); "
                f"torch.nn.functional.cross_entropy(x, torch.arange({size}) % 4, reduction='{reduction}')"
                for reduction in ("sum", "mean")
            ]
        )


def test_a_program_that_does_the_same_twice_sees_the_same() -> None:
    x = rushlight.randn(1000, 10).bfloat16()
    first = x.log_softmax(1)
    assert all(rushlight.equal(x.log_softmax(1), first) for _ in range(5))
