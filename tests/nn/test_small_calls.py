"""Operations that take a short way on few elements: the same results and gradients there as PyTorch's, the second ones too,
and the same as on the long way."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import rushlight
from rushlight.autograd import gradcheck, gradgradcheck
from rushlight.nn import functional as F


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


def results(library: Any, function: Any, arrays: Any, once: bool = False) -> list[Any]:
    """The result, its gradients and the gradients of those; ``once``: the first array's tensor as every argument."""
    tensors = [
        library.tensor(a).requires_grad_() if a.dtype.kind == "f" else library.tensor(a) for a in arrays
    ]
    y = function(library, *([tensors[0]] * len(tensors) if once else tensors))
    leaves = [t for t in tensors[: 1 if once else None] if t.requires_grad]
    weights = library.tensor(np.cos(np.arange(y.numel(), dtype=arrays[0].dtype)).reshape(tuple(y.shape)))
    first = library.autograd.grad((y * weights).sum(), leaves, create_graph=True)
    second = [None for _ in leaves]
    if any(g.requires_grad for g in first):  # those of a likelihood are constant
        second = library.autograd.grad(sum((g * g).sum() for g in first), leaves, allow_unused=True)
    second = [leaf * 0 if g is None else g for leaf, g in zip(leaves, second, strict=True)]
    return [x.detach().numpy() for x in (y, *first, *second)]


def compare(torch: Any, function: Any, arrays: Any, once: bool = False) -> None:
    ours, theirs = (results(library, function, arrays, once) for library in (rushlight, torch))
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-11, strict=True)


# --- losses -----------------------------------------------------------------------------------------------------------

SHAPES = [(), (5,), (8, 32), (3, 1, 4)]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("bound", [1.0, 0.3, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_clipped_errors(torch: Any, shape: tuple[int, ...], bound: float, reduction: str) -> None:
    generator = np.random.default_rng(0)
    pair = [np.asarray(generator.normal(size=shape) * 2) for _ in range(2)]
    for name, key in (("smooth_l1_loss", "beta"), ("huber_loss", "delta")):
        options = {key: bound, "reduction": reduction}
        compare(torch, lambda lib, x, y, n=name, o=options: getattr(lib.nn.functional, n)(x, y, **o), pair)


def test_clipped_errors_of_what_is_not_finite(torch: Any) -> None:
    far = [float("inf"), -float("inf"), float("nan"), 1.0]
    for name in ("smooth_l1_loss", "huber_loss"):
        ours, theirs = (
            getattr(lib.nn.functional, name)(lib.tensor(far), lib.zeros(4), reduction="none").numpy()
            for lib in (rushlight, torch)
        )
        np.testing.assert_array_equal(ours, theirs)


def test_clipped_errors_keep_their_own_difference() -> None:
    x = rushlight.randn(4).requires_grad_()
    target = rushlight.zeros(4)
    loss = F.smooth_l1_loss(x, target)
    target.fill_(9.0)  # which backward does not need
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), x.detach().clamp(-1, 1).numpy() / 4, rtol=1e-6)
    assert loss.grad_fn.name() == "SmoothL1LossBackward0"


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("rows", "classes"), [(1, 1), (4, 3), (8, 32), (3, 2000)])
def test_likelihoods(torch: Any, rows: int, classes: int, reduction: str) -> None:
    generator = np.random.default_rng(1)
    arrays = generator.normal(size=(rows, classes)), generator.integers(0, classes, rows)
    for name in ("nll_loss", "cross_entropy"):
        compare(
            torch, lambda lib, x, t, n=name: getattr(lib.nn.functional, n)(x, t, reduction=reduction), arrays
        )


@pytest.mark.parametrize("target", [[-1, 0], [0, 3], [5, -7]])
@pytest.mark.parametrize("name", ["nll_loss", "cross_entropy"])
def test_targets_that_are_no_classes(name: str, target: list[int]) -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        getattr(F, name)(rushlight.ones(2, 3), rushlight.tensor(target))


@pytest.mark.parametrize("name", ["nll_loss", "cross_entropy"])
def test_targets_that_are_ignored(torch: Any, name: str) -> None:
    x = np.random.default_rng(2).normal(size=(2, 3))
    compare(torch, lambda lib, a: getattr(lib.nn.functional, name)(a, lib.tensor([-100, 1])), [x])


# --- attention --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize(
    "sizes", [(1, 2, 5, 5, 8), (2, 1, 3, 7, 4), (1, 1, 1, 1, 1), (2, 3, 7, 3, 5)], ids=str
)
def test_attention(torch: Any, sizes: tuple[int, ...], is_causal: bool) -> None:
    batch, heads, queries, keys, width = sizes
    generator = np.random.default_rng(3)
    arrays = [generator.normal(size=(batch, heads, n, width)) for n in (queries, keys, keys)]

    def attend(lib: Any, q: Any, k: Any, v: Any) -> Any:
        return lib.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=is_causal, scale=0.4)

    with torch.nn.attention.sdpa_kernel(
        torch.nn.attention.SDPBackend.MATH
    ):  # the others have no second gradients
        compare(torch, attend, arrays)
        if queries == keys:
            compare(torch, attend, arrays, once=True)


@pytest.mark.parametrize("length", [8, 64])  # one operation; one compiled program each way
def test_one_tensor_as_query_key_and_value(torch: Any, length: int) -> None:
    x = np.random.default_rng(4).normal(size=(1, 8, length, 64))
    attend = "scaled_dot_product_attention"
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        for _ in range(3):
            compare(torch, lambda lib, *xs: getattr(lib.nn.functional, attend)(*xs), [x, x, x], once=True)


def test_attention_notices_changed_inputs() -> None:
    q, k, v = (rushlight.randn(1, 2, 3, 4).requires_grad_() for _ in range(3))
    key = k * 1.0
    y = F.scaled_dot_product_attention(q, key, v)
    with rushlight.no_grad():
        key.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


# --- normalization ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("affine", ["", "weight", "weight and bias"])
@pytest.mark.parametrize(
    "shape", [(1, 7), (5, 3), (8, 32), (2, 4, 6), (1, 6, 5), (6, 6, 3, 3), (2, 8, 9, 7)], ids=str
)
def test_normalization(torch: Any, shape: tuple[int, ...], affine: str) -> None:
    generator = np.random.default_rng(5)
    x = generator.normal(size=shape) * 3 + 1
    channels = shape[1]

    def given(extents: Any) -> list[Any]:
        return [x, *[generator.normal(size=extents) for word in ("weight", "bias") if word in affine]]

    for groups in (1, 2, 3, channels):
        if channels % groups == 0 and x.size // shape[0] // groups > 1:
            compare(
                torch, lambda lib, a, *p, g=groups: lib.nn.functional.group_norm(a, g, *p), given(channels)
            )
    compare(torch, lambda lib, a, *p: lib.nn.functional.layer_norm(a, shape[1:], *p), given(shape[1:]))
    if x.size > channels:
        batch = "batch_norm"
        compare(
            torch,
            lambda lib, a, *p: getattr(lib.nn.functional, batch)(a, None, None, *p, training=True),
            given(channels),
        )
    if len(shape) > 2:
        compare(
            torch,
            lambda lib, a, *p: lib.nn.functional.instance_norm(a, None, None, *p),
            given(channels),
        )


@pytest.mark.parametrize("shape", [(3, 4), (1, 4), (2, 4, 5), (2, 4, 3, 3)], ids=str)
def test_known_statistics(shape: tuple[int, ...]) -> None:
    x, extents = rushlight.randn(*shape, dtype=rushlight.float64), (1, 4, *(1,) * (len(shape) - 2))
    mean, weight, bias = (rushlight.randn(4, dtype=rushlight.float64) for _ in range(3))
    variance = rushlight.rand(4, dtype=rushlight.float64)
    m, v, w, b = (t.reshape(extents) for t in (mean, variance, weight, bias))
    for scaled, shifted in itertools.product((True, False), repeat=2):
        y = F.batch_norm(x, mean, variance, weight if scaled else None, bias if shifted else None)
        expected = (x - m) / (v + 1e-5).sqrt() * (w if scaled else 1) + (b if shifted else 0)
        np.testing.assert_allclose(y.numpy(), expected.numpy(), rtol=1e-10, atol=1e-12)


def test_gradients_by_differences() -> None:
    rushlight.manual_seed(0)
    x, y = (rushlight.randn(3, 4, dtype=rushlight.float64).requires_grad_() for _ in range(2))
    for function in (
        lambda a, b: F.layer_norm(a, (4,), b[0]),
        lambda a, b: F.smooth_l1_loss(a, b),
        lambda a, b: F.softmax(a, 1) * b,
        lambda a, b: F.log_softmax(a, 0) * b,
        lambda a, b: F.linear(a.reshape(1, 3, 4), b, b[:, 0]),
    ):
        assert gradcheck(function, (x, y))
        assert gradgradcheck(function, (x, y))


def test_counters_in_place() -> None:
    steps = rushlight.tensor(3)
    steps += 1
    steps.mul_(2)
    assert steps.dtype == rushlight.int64
    assert steps.item() == 8
    assert steps._version == 2
    with pytest.raises(RuntimeError):
        steps.div_(2)
