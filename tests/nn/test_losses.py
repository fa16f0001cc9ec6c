"""Losses by their formulas, at the edges, and in what they keep."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn import functional as F
from rushlight.nn.functional.loss import sum_of_squares


def test_mse_by_hand() -> None:
    x, y = torch.tensor([1.0, 2.0, 4.0], requires_grad=True), torch.tensor([0.0, 4.0, 4.0])
    assert F.mse_loss(x, y).item() == pytest.approx(5 / 3)
    assert F.mse_loss(x, y, reduction="sum").item() == 5
    assert F.mse_loss(x, y, reduction="none").tolist() == [1, 4, 0]
    F.mse_loss(x, y).backward()
    assert x.grad.tolist() == pytest.approx([2 / 3, -4 / 3, 0])


def test_mse_broadcasts_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="different to the input size"):
        loss = F.mse_loss(torch.ones(2, 1), torch.zeros(3))
    assert loss.item() == 1


def test_mse_sends_gradients_to_what_was_broadcast() -> None:
    x, y = torch.ones(2, 1, requires_grad=True), torch.zeros(1, 3, requires_grad=True)
    with pytest.warns(UserWarning, match="different to the input size"):
        F.mse_loss(x, y, reduction="sum").backward()
    assert x.grad.tolist() == [[6], [6]]
    assert y.grad.tolist() == [[-4, -4, -4]]


@pytest.mark.parametrize("size", [0, 1, 8191, 8192, 8193, 100_003])
def test_sum_of_squares_of_any_size(size: int) -> None:
    x = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    exact = float((x.astype(np.float64) ** 2).sum())
    assert float(sum_of_squares(x)) == pytest.approx(exact, rel=1e-6)


def test_sum_of_squares_of_a_transposed_matrix() -> None:
    x = np.arange(12.0).reshape(3, 4).T
    assert sum_of_squares(x) == (np.arange(12.0) ** 2).sum()


def test_cross_entropy_by_hand() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], requires_grad=True)
    loss = F.cross_entropy(x, torch.tensor([2, 0]))
    first = -math.log(math.exp(3) / (math.exp(1) + math.exp(2) + math.exp(3)))
    assert loss.item() == pytest.approx((first + math.log(3)) / 2)
    loss.backward()
    p = np.exp([1.0, 2.0, 3.0]) / np.exp([1.0, 2.0, 3.0]).sum()
    assert x.grad.tolist()[0] == pytest.approx(list((p - [0, 0, 1]) / 2), rel=1e-6)
    assert x.grad.tolist()[1] == pytest.approx([-1 / 3, 1 / 6, 1 / 6])


def test_cross_entropy_is_nll_of_log_softmax() -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 5, 2, dtype=torch.float64)
    t = torch.randint(0, 5, (6, 2))
    w = torch.rand(5, dtype=torch.float64)
    for options in ({}, {"weight": w}, {"ignore_index": 2}, {"weight": w, "ignore_index": 0}):
        for reduction in ("mean", "sum", "none"):
            fused = F.cross_entropy(x, t, reduction=reduction, **options)  # type: ignore[arg-type]
            parts = F.nll_loss(F.log_softmax(x, 1), t, reduction=reduction, **options)  # type: ignore[arg-type]
            assert torch.allclose(fused, parts)


def test_one_hot_probabilities_are_class_numbers() -> None:
    torch.manual_seed(0)
    x, t = torch.randn(6, 5), torch.randint(0, 5, (6,))
    assert torch.allclose(F.cross_entropy(x, t), F.cross_entropy(x, F.one_hot(t, 5).float()))
    smooth = F.one_hot(t, 5).float() * 0.8 + 0.2 / 5
    assert torch.allclose(F.cross_entropy(x, t, label_smoothing=0.2), F.cross_entropy(x, smooth))


def test_cross_entropy_of_huge_logits_is_exact() -> None:
    x = torch.tensor([[1e30, -1e30], [-1e4, 1e4]], requires_grad=True)
    loss = F.cross_entropy(x, torch.tensor([0, 0]), reduction="none")
    assert loss.tolist() == [0, 2e4]
    loss.sum().backward()
    assert x.grad.tolist() == [[0, 0], [-1, 1]]


def test_ignored_targets_neither_count_nor_learn() -> None:
    x = torch.randn(3, 4, requires_grad=True)
    t = torch.tensor([1, -100, 2])
    loss = F.cross_entropy(x, t)
    assert torch.allclose(loss, F.cross_entropy(x[[0, 2]], t[[0, 2]]))
    loss.backward()
    assert x.grad[1].tolist() == [0, 0, 0, 0]
    x.grad = None
    F.cross_entropy(x, torch.tensor([-100, -100, -100]), reduction="sum").backward()
    assert not x.grad.any()


@pytest.mark.parametrize("target", [[0, 4], [0, -1], [4, 0]])
@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
@pytest.mark.parametrize("options", [{}, {"reduction": "none"}, {"ignore_index": 3}, {"reduction": "sum"}])
def test_a_target_that_is_no_class(loss: Any, target: list[int], options: dict[str, Any]) -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        loss(torch.zeros(2, 4), torch.tensor(target), **options)


def test_more_rows_than_the_quick_path_takes() -> None:
    torch.manual_seed(0)
    x = torch.randn(5000, 3, dtype=torch.float64, requires_grad=True)
    t = torch.randint(0, 3, (5000,))
    loss = F.cross_entropy(x, t)
    assert torch.allclose(loss, F.cross_entropy(x, t, reduction="none").mean())
    loss.backward()
    expected = (x.detach().softmax(1) - F.one_hot(t, 3)) / 5000
    assert torch.allclose(x.grad, expected)


def test_targets_changed_after_forward_are_noticed() -> None:
    x, t = torch.zeros(2, 3, requires_grad=True), torch.tensor([0, 1])
    loss = F.cross_entropy(x, t)
    t[0] = 2
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_backward_twice_needs_retain_graph() -> None:
    for loss in (
        F.cross_entropy(torch.zeros(2, 3, requires_grad=True), torch.tensor([0, 1])),
        F.mse_loss(torch.zeros(2, 3, requires_grad=True), torch.ones(2, 3)),
    ):
        loss.backward(retain_graph=True)
        loss.backward()
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()


def test_binary_losses_agree() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(4, 3, dtype=torch.float64), torch.rand(4, 3, dtype=torch.float64)
    assert torch.allclose(
        F.binary_cross_entropy_with_logits(x, y), F.binary_cross_entropy(torch.sigmoid(x), y)
    )
    weighted = F.binary_cross_entropy_with_logits(
        x, y, pos_weight=torch.tensor(3.0, dtype=torch.float64), reduction="none"
    )
    p = torch.sigmoid(x)
    assert torch.allclose(weighted, -(3 * y * p.log() + (1 - y) * (1 - p).log()))


def test_logits_of_any_size_give_finite_losses() -> None:
    x = torch.tensor([-1e30, -800.0, 0.0, 800.0, 1e30], requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(x, torch.ones(5), reduction="none")
    assert loss.tolist() == pytest.approx([1e30, 800, math.log(2), 0, 0])
    loss.sum().backward()
    assert x.grad.tolist() == [-1, -1, -0.5, 0, 0]


def test_losses_in_half_precision_keep_the_dtype() -> None:
    for dtype in (torch.float16, torch.bfloat16):
        x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=dtype, requires_grad=True)
        y = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=dtype)
        for loss in (
            F.cross_entropy(x, torch.tensor([0, 1])),
            F.mse_loss(x, y),
            F.l1_loss(x, y),
            F.binary_cross_entropy_with_logits(x, y),
        ):
            assert loss.dtype is dtype
            (gradient,) = torch.autograd.grad(loss, x)
            assert gradient.dtype is dtype


def test_weights_are_buffers() -> None:
    loss = nn.CrossEntropyLoss(torch.tensor([1.0, 2.0]))
    assert list(loss.state_dict()) == ["weight"]
    loss.double()
    assert loss(torch.zeros(1, 2, dtype=torch.float64), torch.tensor([1])).dtype is torch.float64


def test_old_arguments_say_which_reduction_they_mean() -> None:
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert nn.MSELoss(size_average=False).reduction == "sum"
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert nn.L1Loss(reduce=False).reduction == "none"


def test_losses_compute_without_recording() -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    with torch.no_grad():
        assert F.cross_entropy(x, torch.tensor([0, 1])).grad_fn is None
        assert F.mse_loss(x, torch.ones(2, 3)).grad_fn is None


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shape", [(300, 400), (70, 50, 5, 4)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("options", [{}, {"weight": True}, {"ignore_index": 3}])
def test_large_cross_entropy_is_nll_of_log_softmax(
    dtype: Any, shape: tuple[int, ...], reduction: str, options: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    x, t = torch.randn(shape, dtype=dtype), torch.randint(0, 40, (shape[0], *shape[2:]))
    if options.get("weight"):
        options = {"weight": torch.rand(shape[1], dtype=dtype)}
    scale = torch.rand(()).item()
    parts = x.clone().requires_grad_()
    expected = F.nll_loss(F.log_softmax(parts, 1), t, reduction=reduction, **options)
    (expected.sum() * scale).backward()
    # Sums of 300 · 20 losses of size 5: float32 rounds each partial sum to 2**-24 of it.
    tolerance = {"rtol": 1e-10, "atol": 1e-12} if dtype == torch.float64 else {"rtol": 2e-5, "atol": 1e-6}
    for _ in range(3):  # by its parts, then recorded, then compiled
        own = x.clone().requires_grad_()
        loss = F.cross_entropy(own, t, reduction=reduction, **options)
        (loss.sum() * scale).backward()
        assert loss.shape == expected.shape and loss.dtype == dtype
        assert torch.allclose(loss, expected, **tolerance)
        assert torch.allclose(own.grad, parts.grad, **tolerance)


def test_large_cross_entropy_checks_its_targets_in_every_call() -> None:
    x, t = torch.randn(300, 400, requires_grad=True), torch.zeros(300, dtype=torch.int64)
    wrong = t.clone()
    wrong[7] = 400
    for _ in range(4):
        F.cross_entropy(x, t).backward()
        with pytest.raises(IndexError, match="out of bounds"):
            F.cross_entropy(x, wrong)
    loss = F.cross_entropy(x, t)
    t[0] = 2
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_large_cross_entropy_of_rows_that_are_all_ignored() -> None:
    x, t = torch.randn(300, 400, requires_grad=True), torch.full((300,), -100)
    for _ in range(3):
        assert math.isnan(F.cross_entropy(x, t).item())
        F.cross_entropy(x, t, reduction="sum").backward()
        assert not x.grad.any()
