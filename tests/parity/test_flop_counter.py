"""``FlopCounterMode`` against PyTorch's: totals and modules."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.parity


def counts(module: Any) -> tuple[int, dict[str, dict[str, int]]]:
    if module is torch:
        from torch.utils.flop_counter import FlopCounterMode
    else:
        from rushlight.utils.flop_counter import FlopCounterMode
    nn = module.nn
    body = nn.Sequential(nn.Conv1d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))
    model = nn.Sequential(body, nn.Linear(3, 2, bias=False))
    with FlopCounterMode(display=False) as counter:
        model(module.ones(2, 1, 10)) @ module.ones(2, 5)
    found = counter.get_flop_counts()
    return counter.get_total_flops(), {
        name: {str(operator): count for operator, count in each.items()}
        for name, each in found.items()
        if each
    }


def test_forward() -> None:
    expected, given = counts(torch), counts(rushlight)
    assert given[0] == expected[0]
    assert {n: sum(f.values()) for n, f in given[1].items()} == {
        n: sum(f.values()) for n, f in expected[1].items()
    }


def training_counts(module: Any, inputs_too: bool) -> dict[str, int]:
    if module is torch:
        from torch.utils.flop_counter import FlopCounterMode
    else:
        from rushlight.utils.flop_counter import FlopCounterMode
    nn = module.nn
    body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.ConvTranspose2d(8, 4, 3, stride=2))
    model = nn.Sequential(body, nn.Linear(9, 5), nn.ReLU(), nn.Linear(5, 2, bias=False))
    with FlopCounterMode(display=False) as counter:
        model(module.ones(2, 3, 6, 6, requires_grad=inputs_too)).sum().backward()
    return {name: sum(each.values()) for name, each in counter.get_flop_counts().items()}


@pytest.mark.parametrize("inputs_too", [False, True])
def test_backward(inputs_too: bool) -> None:
    assert training_counts(rushlight, inputs_too) == training_counts(torch, inputs_too)


def einsum_count(module: Any, equation: str, shapes: tuple[tuple[int, ...], ...]) -> int:
    if module is torch:
        from torch.utils.flop_counter import FlopCounterMode
    else:
        from rushlight.utils.flop_counter import FlopCounterMode
    factors = [module.ones(*shape, requires_grad=True) for shape in shapes]
    with FlopCounterMode(display=False) as counter:
        module.einsum(equation, *factors).sum().backward()
    return counter.get_total_flops()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", ((2, 3), (3, 4))),
        ("bij,bjk->bik", ((5, 2, 3), (5, 3, 4))),
        ("bhid, bhjd -> bhij", ((2, 3, 4, 5), (2, 3, 6, 5))),
        ("ij,kj", ((2, 3), (4, 3))),
    ],
)
def test_einsum(equation: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    assert einsum_count(rushlight, equation, shapes) == einsum_count(torch, equation, shapes) > 0


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    from rushlight.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(depth=1):
        rushlight.nn.Sequential(rushlight.nn.Linear(4, 3))(rushlight.ones(2, 4))
    printed = capsys.readouterr().out
    assert "Global" in printed and "Sequential" in printed and "Sequential.0" not in printed
    with pytest.raises(NotImplementedError, match="custom_mapping"):
        FlopCounterMode(custom_mapping={1: 2})
