"""Attention masks of another dtype than the queries, results given as ``out=`` that cannot hold what is computed, and bytes
that do not fill a tensor: what PyTorch takes, and how it words what it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight

theirs = pytest.importorskip("torch")


@pytest.mark.parametrize("name", ["float64", "float16", "bfloat16"])
def test_a_float32_mask_goes_with_any_query(name: str) -> None:
    def attend(torch: Any) -> Any:
        x = torch.linspace(-1, 1, 24).reshape(2, 3, 4).to(getattr(torch, name))
        mask = torch.linspace(-1, 1, 9).reshape(3, 3)
        return torch.nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=mask)

    got, want = attend(rushlight), attend(theirs)
    assert str(got.dtype) == str(want.dtype)
    # PyTorch's kernel for bfloat16 rounds in other places: two steps of its 8 bits.
    near = {"float64": 1e-12, "float16": 2e-3, "bfloat16": 2e-2}[name]
    assert got.double().flatten().tolist() == pytest.approx(want.double().flatten().tolist(), abs=near)


def mixed_attention(torch: Any) -> Any:
    x = torch.ones(1, 2, 4)
    return torch.nn.functional.scaled_dot_product_attention(x, x.double(), x)


def half_mask(torch: Any) -> Any:
    x = torch.ones(1, 2, 4)
    return torch.nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=torch.ones(2, 2).half())


CASES: list[Callable[[Any], Any]] = [
    mixed_attention,
    half_mask,
    lambda torch: torch.linalg.eigvals(torch.eye(2), out=torch.empty(2)),
    lambda torch: torch.linalg.eig(torch.eye(2), out=(torch.empty(2), torch.empty(2, 2))),
    lambda torch: torch.linalg.pinv(torch.eye(2), out=torch.empty(2, 2, dtype=torch.int)),
    lambda torch: torch.frombuffer(bytearray(b"abc"), dtype=torch.float32),
    lambda torch: torch.frombuffer(bytearray(b""), dtype=torch.float32),
    lambda torch: torch.frombuffer(bytearray(b"ab"), dtype=torch.uint8, count=0),
    lambda torch: torch.frombuffer(bytearray(b"abcd"), dtype=torch.uint8, offset=9),
    lambda torch: torch.frombuffer(bytearray(b"abcd"), dtype=torch.uint8, count=9),
    lambda torch: torch.frombuffer([1, 2], dtype=torch.uint8),
    lambda torch: torch.optim.lr_scheduler.CyclicLR(
        torch.optim.Rprop([torch.zeros(1, requires_grad=True)]), 0.1, 0.2
    ),
    lambda torch: torch.utils.data.RandomSampler([]),
]


@pytest.mark.parametrize("call", CASES)
def test_the_words_of_errors(call: Callable[[Any], Any]) -> None:
    with pytest.raises(Exception) as want:
        call(theirs)
    with pytest.raises(want.type) as got:
        call(rushlight)
    assert str(got.value) == str(want.value)


def test_results_that_can_be_cast_to_out() -> None:
    out = rushlight.empty(2, dtype=rushlight.complex128)
    assert rushlight.linalg.eigvals(rushlight.eye(2), out=out).dtype == rushlight.complex128
    wide = rushlight.empty(2, 2, dtype=rushlight.float64)
    assert rushlight.linalg.pinv(rushlight.eye(2), out=wide).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_groups_added_after_the_schedule() -> None:
    def rates(torch: Any, low: Any) -> Any:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=low)
        optimizer.add_param_group({"params": [torch.zeros(1, requires_grad=True)], "lr": 0.5})
        for metric in (1.0, 2.0, 3.0):
            schedule.step(metric)
        return [group["lr"] for group in optimizer.param_groups]

    assert rates(rushlight, 0.02) == pytest.approx(rates(theirs, 0.02))
    with pytest.raises(RuntimeError, match="number of param groups"):
        rates(rushlight, [0.02])
