"""Losses of numbers that are infinite or none: values and gradients are PyTorch's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity
POINTS = [math.inf, -math.inf, math.nan, 0.0, 1.0, -2.0, 100.0]
N = len(POINTS) ** 2
LABELS = [0, 1, 1, 0, 0, 1, 0] * len(POINTS)
LISTS = [[0, -1], [1, -1], [0, 1], [-1, -1], [1, 0], [0, -1], [1, -1]] * len(POINTS)
CASES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "logits": lambda t, x, y: t.nn.functional.binary_cross_entropy_with_logits(x, y, reduction="none"),
    "logits_weight": lambda t, x, y: t.nn.functional.binary_cross_entropy_with_logits(
        x, y, weight=t.tensor([0.5]), reduction="none"
    ),
    "smooth_l1": lambda t, x, y: t.nn.functional.smooth_l1_loss(x, y, reduction="none"),
    "smooth_l1_beta": lambda t, x, y: t.nn.functional.smooth_l1_loss(x, y, beta=2.0, reduction="none"),
    "huber": lambda t, x, y: t.nn.functional.huber_loss(x, y, reduction="none", delta=1.5),
    "mse": lambda t, x, y: t.nn.functional.mse_loss(x, y, reduction="none"),
    "l1": lambda t, x, y: t.nn.functional.l1_loss(x, y, reduction="none"),
    "gaussian": lambda t, x, y: t.nn.functional.gaussian_nll_loss(x, t.zeros(N), y.abs(), reduction="none"),
    "kl_div": lambda t, x, y: t.nn.functional.kl_div(x, y, reduction="none"),
    "poisson": lambda t, x, y: t.nn.functional.poisson_nll_loss(x, y, reduction="none"),
    "multi_margin": lambda t, x, y: t.nn.functional.multi_margin_loss(
        t.stack([x, y], 1), t.tensor(LABELS), reduction="none"
    ),
    "multilabel_margin": lambda t, x, y: t.nn.functional.multilabel_margin_loss(
        t.stack([x, y], 1), t.tensor(LISTS), reduction="none"
    ),
    "cross_entropy": lambda t, x, y: t.nn.functional.cross_entropy(
        t.stack([x, y], 1), t.tensor(LABELS), reduction="none"
    ),
    "nll_ignored_and_weighted": lambda t, x, y: t.nn.functional.nll_loss(
        t.stack([x, y], 1), t.tensor(LABELS), weight=t.tensor([0.0, 2.0]), ignore_index=1, reduction="none"
    ),
    "nll_ignored_class_of_weight_0": lambda t, x, y: t.nn.functional.nll_loss(
        t.stack([x, y], 1), t.tensor(LABELS), weight=t.tensor([0.0, 2.0]), ignore_index=0, reduction="none"
    ),
}


def _values_and_gradients(library: Any, name: str) -> list[Any]:
    x = library.tensor([a for a in POINTS for _ in POINTS], requires_grad=True)
    y = library.tensor([b for _ in POINTS for b in POINTS], requires_grad=True)
    losses = CASES[name](library, x, y)
    gradients = library.autograd.grad(losses.sum(), [x, y], allow_unused=True)
    return [losses.detach().numpy(), *[None if g is None else g.numpy() for g in gradients]]


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name: str) -> None:
    for expected, found in zip(
        _values_and_gradients(torch, name), _values_and_gradients(rushlight, name), strict=True
    ):
        assert (expected is None) == (found is None)
        if expected is not None:
            np.testing.assert_allclose(found, expected, rtol=1.3e-6, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["logits", "nll_ignored_and_weighted", "nll_ignored_class_of_weight_0", "huber"]
)
def test_compiled_code_gives_the_same(name: str) -> None:
    x = rushlight.tensor([a for a in POINTS for _ in POINTS])
    y = rushlight.tensor([b for _ in POINTS for b in POINTS])
    losses = rushlight.compile(lambda x, y: CASES[name](rushlight, x, y), fullgraph=True)(x, y)
    np.testing.assert_allclose(losses.numpy(), _values_and_gradients(torch, name)[0], rtol=1.3e-6, atol=1e-6)
