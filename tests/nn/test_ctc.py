"""The CTC loss by its definition: the sum over all alignments, on a small example."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.autograd import gradcheck

SCORES = np.linspace(-1.0, 1.3, 24).reshape(4, 2, 3) ** 3


def spelled(path: tuple[int, ...]) -> tuple[int, ...]:
    """Repetitions taken out, then blanks."""
    return tuple(c for c, _ in itertools.groupby(path) if c)


def by_enumeration(log_probs: np.ndarray, labels: tuple[int, ...]) -> float:
    steps, classes = log_probs.shape
    total = sum(
        math.exp(sum(log_probs[t, c] for t, c in enumerate(path)))
        for path in itertools.product(range(classes), repeat=steps)
        if spelled(path) == labels
    )
    return -math.log(total)


def test_the_sum_over_all_alignments() -> None:
    log_probs = torch.tensor(SCORES).log_softmax(2)
    losses = F.ctc_loss(log_probs, torch.tensor([[1, 1], [2, 0]]), [4, 3], [2, 1], reduction="none")
    array = log_probs.numpy()
    expected = [by_enumeration(array[:, 0], (1, 1)), by_enumeration(array[:3, 1], (2,))]
    assert np.allclose(losses.numpy(), expected, rtol=1e-12)


def test_gradients() -> None:
    def loss(scores: torch.Tensor) -> torch.Tensor:
        return F.ctc_loss(scores.log_softmax(2), torch.tensor([1, 1, 2]), [4, 3], [2, 1])

    assert gradcheck(loss, (torch.tensor(SCORES, requires_grad=True),))


def test_impossible_targets() -> None:
    scores = torch.tensor(SCORES[:2, :1], requires_grad=True)
    targets = torch.tensor([[1, 1]])  # needs a blank between: three steps
    assert F.ctc_loss(scores.log_softmax(2), targets, [2], [2]).item() == math.inf
    loss = F.ctc_loss(scores.log_softmax(2), targets, [2], [2], zero_infinity=True)
    loss.backward()
    assert loss.item() == 0
    assert not scores.grad.any()


def test_errors() -> None:
    log_probs = torch.tensor(SCORES).log_softmax(2)
    with pytest.raises(RuntimeError, match="blank"):
        F.ctc_loss(log_probs, torch.tensor([[1], [1]]), [4, 4], [1, 1], blank=3)
    with pytest.raises(RuntimeError, match="at most 4"):
        F.ctc_loss(log_probs, torch.tensor([[1], [1]]), [5, 4], [1, 1])
    with pytest.raises(RuntimeError, match="labels outside"):
        F.ctc_loss(log_probs, torch.tensor([[1], [3]]), [4, 4], [1, 1])
