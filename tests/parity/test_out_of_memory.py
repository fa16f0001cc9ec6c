"""What no memory holds is a RuntimeError, as in PyTorch, not Python's MemoryError."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight as torch
from rushlight.nn import functional as F

HUGE = 10**15  # more bytes than any address space here has


def long() -> Any:
    return torch.ones(1).expand(HUGE)


CASES: dict[str, Callable[[], Any]] = {
    "rand": lambda: torch.rand(HUGE),
    "randn": lambda: torch.randn(HUGE),
    "randint": lambda: torch.randint(0, 5, (HUGE,)),
    "randperm": lambda: torch.randperm(HUGE),
    "normal": lambda: torch.normal(0.0, 1.0, (HUGE,)),
    "rand_like": lambda: torch.rand_like(long()),
    "zeros_like": lambda: torch.zeros_like(long()),
    "linspace": lambda: torch.linspace(0, 1, HUGE),
    "logspace": lambda: torch.logspace(0, 1, HUGE),
    "hann_window": lambda: torch.hann_window(HUGE),
    "tile": lambda: torch.ones(10).tile(HUGE),
    "repeat": lambda: torch.ones(10).repeat(HUGE),
    "repeat_interleave": lambda: torch.ones(10).repeat_interleave(HUGE),
    "pad": lambda: F.pad(torch.ones(3), (HUGE, 0)),
    "pad with itself": lambda: F.pad(torch.ones(1, 3), (HUGE, 0), mode="replicate"),
    "clone": lambda: long().clone(),
    "contiguous": lambda: long().contiguous(),
    "reshape": lambda: torch.ones(1, 2).expand(HUGE, 2).t().reshape(-1),
    "add": lambda: long() + 1,
    "exp": lambda: long().exp(),
    "cat": lambda: torch.cat([long(), long()]),
    "stack": lambda: torch.stack([long(), long()]),
    "index": lambda: torch.ones(1)[torch.zeros(1, dtype=torch.int64).expand(HUGE)],
    "gather": lambda: torch.ones(1).gather(0, torch.zeros(1, dtype=torch.int64).expand(HUGE)),
    "softmax": lambda: long().softmax(0),
    "where": lambda: torch.where(long() > 0, 1.0, 2.0),
    "dropout": lambda: F.dropout(long()),
}


@pytest.mark.parametrize("name", CASES)
def test_too_large(name: str) -> None:
    with pytest.raises(RuntimeError, match="memory"):
        CASES[name]()


@pytest.mark.parametrize("dtype", [None, "float32", "int64", "int32"])
@pytest.mark.parametrize(
    "bounds",
    [
        (2**63 - 1, 2**63),
        (2**63, 2**63 + 2),
        (2**63 + 5, 0, -(2**62)),
        (0, 2**63 + 1, 2**62),
        (0, 2**64),
        (2**64, 2**64 + 1),
        (-(2**63) - 1, 0),
        (0, 1, 2**64),
    ],
)
def test_arange_of_whole_numbers_beyond_int64(bounds: tuple[int, ...], dtype: str | None) -> None:
    oracle = pytest.importorskip("torch")

    def made(library: Any) -> Any:
        try:
            return library.arange(*bounds, dtype=dtype and getattr(library, dtype)).tolist()
        except (RuntimeError, OverflowError) as error:
            return type(error)

    assert made(torch) == made(oracle)


@pytest.mark.parametrize("bounds", [(0, 1e300, 1e298), (0.0, 3e38, 1e36), (1e30, 2e30, 1e28)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_arange_of_huge_steps(bounds: Any, dtype: str) -> None:
    """Floating-point bounds have no limit but their dtype's."""
    oracle = pytest.importorskip("torch")

    def made(library: Any) -> Any:
        try:
            return library.arange(*bounds, dtype=getattr(library, dtype)).tolist()
        except RuntimeError:
            return RuntimeError

    expected, actual = made(oracle), made(torch)
    assert actual == (expected if expected is RuntimeError else pytest.approx(expected, rel=1e-6))
