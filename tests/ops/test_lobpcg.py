"""``lobpcg`` finds what PyTorch's finds, and draws the random numbers that PyTorch's draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

ROWS = np.random.default_rng(0).standard_normal((12, 12))
SYMMETRIC = ROWS @ ROWS.T
POSITIVE = np.eye(12) * 2 + np.ones((12, 12)) * 0.1


def found(library: Any, arguments: dict[str, Any], matrix: Any = SYMMETRIC, *, sparse: bool = False) -> Any:
    values = {name: library.tensor(v) if isinstance(v, np.ndarray) else v for name, v in arguments.items()}
    library.manual_seed(1)
    given = library.tensor(matrix)
    pairs = library.lobpcg(given.to_sparse() if sparse else given, **values)
    return pairs[0].tolist(), pairs[1].tolist(), library.rand(1).item()


@pytest.mark.parametrize(
    "arguments",
    [
        {}, {"k": 2}, {"k": 2, "largest": False}, {"k": 4}, {"k": 2, "n": 3}, {"X": ROWS[:, :3]}, {"k": 2, "X": ROWS[:, :3]},
        {"k": 2, "B": POSITIVE}, {"k": 2, "B": POSITIVE, "largest": False}, {"k": 2, "method": "basic"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("sparse", [False, True])
def test_pairs(arguments: dict[str, Any], sparse: bool) -> None:
    values, vectors, drawn = found(torch, arguments, sparse=sparse)
    ours, our_vectors, our_drawn = found(rushlight, arguments, sparse=sparse)
    assert our_drawn == drawn
    # PyTorch's iteration stops at about the square root of the rounding error.
    np.testing.assert_allclose(ours, values, rtol=1e-6)
    np.testing.assert_allclose(np.abs(our_vectors), np.abs(vectors), atol=1e-4)
    inner = arguments.get("B", np.eye(12))
    np.testing.assert_allclose(SYMMETRIC @ our_vectors, inner @ our_vectors * ours, atol=1e-9)


def test_batches() -> None:
    batch = np.stack([SYMMETRIC, POSITIVE])
    np.testing.assert_allclose(
        found(rushlight, {"k": 2}, batch)[0], found(torch, {"k": 2}, batch)[0], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("shape", "k", "error"), [((3, 4), 1, AssertionError), ((4,), 1, IndexError), ((6, 6), 3, ValueError)]
)
def test_errors(shape: tuple[int, ...], k: int, error: type[Exception]) -> None:
    for library in (torch, rushlight):
        with pytest.raises(error):
            library.lobpcg(library.ones(shape), k)


def test_gradients() -> None:
    gradients = []
    for library in (torch, rushlight):
        matrix = library.tensor(SYMMETRIC, requires_grad=True)
        library.lobpcg(matrix, 2)[0].sum().backward()
        gradients.append(matrix.grad.numpy())
    # The gradient of PyTorch's vectors, which are as exact as its iteration.
    np.testing.assert_allclose(gradients[1], gradients[0], atol=1e-4)
