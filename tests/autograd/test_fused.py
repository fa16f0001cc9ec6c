"""Composites that run as one program where they are large: the same values, gradients and second gradients as the formula."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.autograd import fused as module
from rushlight.autograd.fused import fused

pytest.importorskip("llvmlite", reason="without llvmlite the formula itself runs")


def gradients(function, arrays):
    leaves = [torch.from_numpy(array.copy()).requires_grad_() for array in arrays]
    result = function(*leaves)
    first = torch.autograd.grad(result.square().sum(), leaves, create_graph=True)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), leaves)
    plain = [torch.from_numpy(array.copy()).requires_grad_() for array in arrays]
    function(*plain).square().sum().backward()
    return [t.detach().numpy() for t in (result, *first, *second, *[leaf.grad for leaf in plain])]


CASES = {
    "gelu": (F.gelu, F.gelu.__wrapped__, [(80, 70)]),
    "gelu tanh": (
        lambda x: F.gelu(x, approximate="tanh"),
        lambda x: F.gelu.__wrapped__(x, approximate="tanh"),
        [(80, 70)],
    ),
    "silu": (F.silu, F.silu.__wrapped__, [(100, 90)]),
    "mish": (F.mish, F.mish.__wrapped__, [(100, 90)]),
    "hardswish": (F.hardswish, F.hardswish.__wrapped__, [(100, 90)]),
    "rms_norm": (
        lambda x, w: F.rms_norm(x, (70,), w),
        lambda x, w: F.rms_norm.__wrapped__(x, (70,), w),
        [(80, 70), (70,)],
    ),
    "layer_norm": (
        lambda x, w, b: F.layer_norm(x, (90,), w, b) / 50,
        lambda x, w, b: F.layer_norm.__wrapped__(x, (90,), w, b) / 50,
        [(100, 90), (90,), (90,)],
    ),
    "group_norm": (
        lambda x, w: F.group_norm(x, 3, w) / 50,
        lambda x, w: F.group_norm.__wrapped__(x, 3, w) / 50,
        [(20, 6, 10, 9), (6,)],
    ),
    "glu": (F.glu, F.glu.__wrapped__, [(100, 90)]),
    "logsigmoid": (F.logsigmoid, F.logsigmoid.__wrapped__, [(100, 90)]),
    "cosine_similarity": (F.cosine_similarity, F.cosine_similarity.__wrapped__, [(100, 90), (100, 90)]),
    "smooth_l1_loss": (
        lambda x, y: F.smooth_l1_loss(x, y, beta=0.7),
        lambda x, y: F.smooth_l1_loss.__wrapped__(x, y, beta=0.7),
        [(100, 90), (100, 90)],
    ),
    "huber_loss": (
        lambda x, y: F.huber_loss(x, y, "sum", 0.7) / 900,
        lambda x, y: F.huber_loss.__wrapped__(x, y, "sum", 0.7) / 900,
        [(100, 90), (100, 90)],
    ),
    "hardsigmoid": (F.hardsigmoid, F.hardsigmoid.__wrapped__, [(100, 90)]),
    "elu": (lambda x: F.elu(x, 0.7), lambda x: F.elu.__wrapped__(x, 0.7), [(100, 90)]),
    "selu": (F.selu, F.selu.__wrapped__, [(100, 90)]),
    "celu": (lambda x: F.celu(x, 0.7, False), lambda x: F.celu.__wrapped__(x, 0.7), [(100, 90)]),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.2), lambda x: F.leaky_relu.__wrapped__(x, 0.2), [(100, 90)]),
    "attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda q, k, v: F.scaled_dot_product_attention.__wrapped__(q, k, v, is_causal=True),
        [(2, 4, 70, 32)] * 3,
    ),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_large_is_the_formula(name, dtype):
    function, formula, shapes = CASES[name]
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    expected = gradients(formula, arrays)
    module._programs.clear()  # an earlier test may have met the same kind of call
    for _ in range(3):
        results = gradients(function, arrays)
        # Errors of sums of up to 70·32 terms, each rounded once.
        tolerance = 1e-11 if dtype is np.float64 else 2e-4
        for result, wanted in zip(results, expected, strict=True):
            assert result.dtype == wanted.dtype
            np.testing.assert_allclose(result, wanted, rtol=tolerance, atol=tolerance)
    assert module._programs, "nothing was compiled"


@pytest.mark.parametrize(
    "name", ["silu", "mish", "hardswish", "hardsigmoid", "selu", "elu", "celu", "leaky_relu"]
)
def test_in_place_forms_change_large_tensors_too(name):
    function = getattr(F, name)
    x = torch.randn(100, 100)
    wanted = function.__wrapped__(x)
    for inplace in ({"inplace": True},) * 3:
        y = x.clone()
        assert function(y, **inplace) is y
        # By other kernels for exp and sigmoid: a few units in the last place of float32.
        np.testing.assert_allclose(y.numpy(), wanted.numpy(), rtol=2e-6, atol=1e-6)
    if name in {"elu", "celu", "leaky_relu"}:
        y = x.clone()
        assert function(y, 0.5, True) is y


def test_names_in_histories():
    x = torch.randn(100, 100, requires_grad=True)
    for _ in range(3):
        assert torch.nn.functional.silu(x).requires_grad
    assert F.silu(x).grad_fn.name() == "SiluBackward0"


def test_a_changed_input_is_noticed():
    x = torch.randn(100, 100, requires_grad=True)
    y = x * 1
    for _ in range(2):
        F.silu(y)
    z = F.silu(y)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_freed_values_are_not_used_again():
    x = torch.randn(100, 100, requires_grad=True)
    for _ in range(3):
        y = F.gelu(x)
    y.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()


def test_a_formula_that_reads_values_stays_python():
    def formula(x):
        return x * 2 if x.sum().item() > 0 else x * 3

    function = fused(formula, name="reads_values", from_size=4)
    for _ in range(4):
        np.testing.assert_allclose(function(torch.ones(8)).numpy(), 2)
        np.testing.assert_allclose(function(-torch.ones(8)).numpy(), -3)


def test_in_place_forms():
    x = torch.randn(100, 100)
    expected = F.silu.__wrapped__(x)
    for _ in range(3):
        y = x.clone()
        assert F.silu(y, inplace=True) is y
        np.testing.assert_allclose(y.numpy(), expected.numpy(), rtol=1e-6)
