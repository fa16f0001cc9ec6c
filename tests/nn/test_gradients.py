"""First and second derivatives of every differentiable layer and loss, by finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.autograd import gradcheck, gradgradcheck
from rushlight.nn import functional as F


def numbers(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    """Normal numbers that are leaves."""
    torch.manual_seed(seed)
    return (scale * torch.randn(*shape, dtype=torch.float64)).requires_grad_()


def chances(*shape: int, seed: int = 0) -> Tensor:
    """Numbers in (0.1, 0.9) that are leaves."""
    torch.manual_seed(seed)
    return (0.1 + 0.8 * torch.rand(*shape, dtype=torch.float64)).requires_grad_()


def classes(*shape: int, n: int, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return torch.randint(0, n, shape)


def signs(*shape: int) -> Tensor:
    return torch.randint(0, 2, shape).to(torch.float64) * 2 - 1


# A layer and what it is called with. Kinks (at 0, ±0.5, 1, 6, ±3) are no place for finite differences: normal numbers
# do not hit them.
LAYERS: dict[str, tuple[Callable[[], nn.Module], Callable[[], tuple[Tensor, ...]]]] = {
    **{
        kind: (getattr(nn, kind), lambda: (numbers(3, 4),))  # type: ignore[misc]
        for kind in (
            "CELU", "ELU", "GELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "Identity", "LeakyReLU",
            "LogSigmoid", "Mish", "PReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softplus", "Softshrink", "Softsign",
            "Tanh", "Tanhshrink",
        )
    },
    "GELU tanh": (lambda: nn.GELU("tanh"), lambda: (numbers(3, 4),)),
    "GLU": (nn.GLU, lambda: (numbers(3, 4),)),
    "PReLU of channels": (lambda: nn.PReLU(3), lambda: (numbers(2, 3, 2),)),
    "RReLU": (lambda: nn.RReLU().eval(), lambda: (numbers(3, 4),)),
    "Threshold": (lambda: nn.Threshold(0.3, 2.0), lambda: (numbers(3, 4),)),
    "Softmax": (lambda: nn.Softmax(1), lambda: (numbers(3, 4),)),
    "Softmax2d": (nn.Softmax2d, lambda: (numbers(2, 3, 2, 1),)),
    "Softmin": (lambda: nn.Softmin(0), lambda: (numbers(3, 4),)),
    "LogSoftmax": (lambda: nn.LogSoftmax(-1), lambda: (numbers(3, 4),)),
    "Linear": (lambda: nn.Linear(4, 3), lambda: (numbers(2, 4),)),
    "Linear of a vector": (lambda: nn.Linear(4, 3), lambda: (numbers(4),)),
    "Linear of a batch of matrices": (lambda: nn.Linear(4, 3, bias=False), lambda: (numbers(2, 2, 4),)),
    "Bilinear": (lambda: nn.Bilinear(2, 3, 2), lambda: (numbers(2, 2), numbers(2, 3, seed=1))),
    "Flatten": (nn.Flatten, lambda: (numbers(2, 2, 2),)),
    "Unflatten": (lambda: nn.Unflatten(1, (2, 2)), lambda: (numbers(2, 4),)),
    "Dropout": (lambda: nn.Dropout(0.5).eval(), lambda: (numbers(3, 4),)),
    "Embedding": (lambda: nn.Embedding(5, 3), lambda: (torch.tensor([0, 4, 4]),)),
    "EmbeddingBag mean": (lambda: nn.EmbeddingBag(5, 3), lambda: (torch.tensor([0, 4, 4]), torch.tensor([0, 1]))),
    "EmbeddingBag max": (lambda: nn.EmbeddingBag(5, 3, mode="max"), lambda: (torch.tensor([[0, 3], [4, 1]]),)),
    "EmbeddingBag weighted": (
        lambda: nn.EmbeddingBag(5, 3, mode="sum"),
        lambda: (torch.tensor([0, 4, 4]), torch.tensor([0, 2]), numbers(3)),
    ),
    "ZeroPad2d": (lambda: nn.ZeroPad2d((1, -1, 0, 2)), lambda: (numbers(1, 2, 3),)),
    "ConstantPad1d": (lambda: nn.ConstantPad1d(2, 3.0), lambda: (numbers(2, 3),)),
    "ReflectionPad2d": (lambda: nn.ReflectionPad2d((1, 2, 0, 1)), lambda: (numbers(1, 1, 2, 3),)),
    "ReplicationPad3d": (lambda: nn.ReplicationPad3d(1), lambda: (numbers(1, 1, 2, 1),)),
    "CircularPad1d": (lambda: nn.CircularPad1d((2, 1)), lambda: (numbers(1, 2, 3),)),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), lambda: (numbers(1, 4, 1, 2),)),
    "PixelUnshuffle": (lambda: nn.PixelUnshuffle(2), lambda: (numbers(1, 1, 2, 4),)),
    "ChannelShuffle": (lambda: nn.ChannelShuffle(2), lambda: (numbers(1, 4, 1, 2),)),
    "Upsample nearest": (lambda: nn.Upsample(scale_factor=2), lambda: (numbers(1, 1, 2),)),
    "Upsample bilinear": (lambda: nn.Upsample((3, 4), mode="bilinear"), lambda: (numbers(1, 1, 2, 2),)),
    "Upsample bicubic": (
        lambda: nn.Upsample((3, 2), mode="bicubic", align_corners=True),
        lambda: (numbers(1, 1, 2, 3),),
    ),
    "Unfold": (lambda: nn.Unfold((2, 1), padding=1), lambda: (numbers(1, 2, 2, 2),)),
    "Fold": (lambda: nn.Fold((2, 3), (2, 2)), lambda: (numbers(1, 4, 2),)),
    "CosineSimilarity": (nn.CosineSimilarity, lambda: (numbers(2, 3), numbers(2, 3, seed=1))),
    "PairwiseDistance": (nn.PairwiseDistance, lambda: (numbers(2, 3), numbers(2, 3, seed=1))),
}  # fmt: skip

PAIR = lambda: (numbers(3, 4), numbers(3, 4, seed=1))
LOSSES: dict[str, tuple[Callable[..., nn.Module], Callable[[], tuple[Tensor, ...]]]] = {
    "MSELoss": (nn.MSELoss, PAIR),
    "L1Loss": (nn.L1Loss, PAIR),
    "SmoothL1Loss": (lambda **o: nn.SmoothL1Loss(beta=0.5, **o), PAIR),
    "HuberLoss": (lambda **o: nn.HuberLoss(delta=0.5, **o), PAIR),
    "CrossEntropyLoss": (nn.CrossEntropyLoss, lambda: (numbers(3, 4), classes(3, n=4))),
    "CrossEntropyLoss weighted": (
        lambda **o: nn.CrossEntropyLoss(torch.tensor([1.0, 2.0, 0.5, 0.0], dtype=torch.float64), ignore_index=1, **o),
        lambda: (numbers(5, 4), torch.tensor([0, 1, 2, 3, 1])),
    ),
    "CrossEntropyLoss of images": (nn.CrossEntropyLoss, lambda: (numbers(2, 3, 2, 1), classes(2, 2, 1, n=3))),
    "CrossEntropyLoss of one": (nn.CrossEntropyLoss, lambda: (numbers(4), torch.tensor(2))),
    "CrossEntropyLoss smoothed": (
        lambda **o: nn.CrossEntropyLoss(label_smoothing=0.2, **o), lambda: (numbers(3, 4), classes(3, n=4))
    ),
    "CrossEntropyLoss of probabilities": (nn.CrossEntropyLoss, lambda: (numbers(3, 4), chances(3, 4))),
    "NLLLoss": (nn.NLLLoss, lambda: (numbers(3, 4), classes(3, n=4))),
    "NLLLoss weighted": (
        lambda **o: nn.NLLLoss(torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64), ignore_index=1, **o),
        lambda: (numbers(2, 3, 2), torch.tensor([[0, 1], [2, 2]])),
    ),
    "BCELoss": (nn.BCELoss, lambda: (chances(3, 4), chances(3, 4, seed=1))),
    "BCEWithLogitsLoss": (nn.BCEWithLogitsLoss, lambda: (numbers(3, 4), chances(3, 4, seed=1))),
    "BCEWithLogitsLoss weighted": (
        lambda **o: nn.BCEWithLogitsLoss(
            torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64), pos_weight=torch.tensor(3.0, dtype=torch.float64), **o
        ),
        lambda: (numbers(2, 3), chances(2, 3, seed=1)),
    ),
    "KLDivLoss": (nn.KLDivLoss, lambda: (numbers(3, 4), chances(3, 4))),
    "KLDivLoss of logarithms": (lambda **o: nn.KLDivLoss(log_target=True, **o), PAIR),
    "PoissonNLLLoss": (lambda **o: nn.PoissonNLLLoss(full=True, **o), lambda: (numbers(3), 3 * chances(3).detach())),
    "PoissonNLLLoss of rates": (lambda **o: nn.PoissonNLLLoss(False, **o), lambda: (chances(3), chances(3, seed=1))),
    "GaussianNLLLoss": (nn.GaussianNLLLoss, lambda: (numbers(3, 2), numbers(3, 2, seed=1), chances(3, 2))),
    "CosineEmbeddingLoss": (nn.CosineEmbeddingLoss, lambda: (numbers(4, 3), numbers(4, 3, seed=1), signs(4))),
    "MarginRankingLoss": (lambda **o: nn.MarginRankingLoss(0.5, **o), lambda: (numbers(4), numbers(4, seed=1), signs(4))),
    "HingeEmbeddingLoss": (nn.HingeEmbeddingLoss, lambda: (numbers(6), signs(6))),
    "SoftMarginLoss": (nn.SoftMarginLoss, lambda: (numbers(6), signs(6))),
    "MultiLabelMarginLoss": (
        nn.MultiLabelMarginLoss, lambda: (numbers(2, 4), torch.tensor([[3, 0, -1, 1], [1, -1, 0, 0]]))
    ),
    "MultiLabelSoftMarginLoss": (nn.MultiLabelSoftMarginLoss, lambda: (numbers(2, 4), chances(2, 4))),
    "MultiMarginLoss": (lambda **o: nn.MultiMarginLoss(p=2, **o), lambda: (numbers(3, 4), classes(3, n=4))),
    "TripletMarginLoss": (
        nn.TripletMarginLoss, lambda: (numbers(3, 2), numbers(3, 2, seed=1), numbers(3, 2, seed=2))
    ),
    "TripletMarginWithDistanceLoss": (
        lambda **o: nn.TripletMarginWithDistanceLoss(swap=True, **o),
        lambda: (numbers(3, 2), numbers(3, 2, seed=1), numbers(3, 2, seed=2)),
    ),
}  # fmt: skip


def check(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """gradcheck and gradgradcheck for the inputs and the parameters."""
    module.double()
    parameters = list(module.parameters())

    def call(*values: Tensor) -> Any:
        return module(*values[: len(inputs)])

    leaves = (*inputs, *parameters)
    assert gradcheck(call, leaves)
    assert gradgradcheck(call, leaves)


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name: str) -> None:
    make, inputs = LAYERS[name]
    torch.manual_seed(3)
    check(make(), inputs())


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_loss(name: str, reduction: str) -> None:
    make, inputs = LOSSES[name]
    check(make(reduction=reduction), inputs())


def test_attention() -> None:
    q, k, v = numbers(2, 3, 4), numbers(2, 5, 4, seed=1), numbers(2, 5, 2, seed=2)
    mask = torch.rand(3, 5) > 0.4
    mask[1] = False  # a row that attends nowhere
    for options in ({}, {"is_causal": True}, {"attn_mask": mask}, {"attn_mask": numbers(3, 5, seed=3)}):
        call = lambda q, k, v, options=options: F.scaled_dot_product_attention(q, k, v, **options)
        assert gradcheck(call, (q, k, v))
        assert gradgradcheck(call, (q, k, v))


def test_dropout_with_a_fixed_mask() -> None:
    def drop(name: str) -> Callable[[Tensor], Tensor]:
        def call(x: Tensor) -> Tensor:
            torch.manual_seed(4)
            return getattr(F, name)(x, 0.4, True)

        return call

    for name, shape in [
        ("dropout", (3, 4)), ("dropout1d", (2, 3, 2)), ("dropout2d", (2, 3, 2, 1)), ("dropout3d", (1, 3, 1, 2, 1)),
        ("alpha_dropout", (3, 4)), ("feature_alpha_dropout", (3, 4, 1)),
    ]:  # fmt: skip
        assert gradcheck(drop(name), (numbers(*shape),))
        assert gradgradcheck(drop(name), (numbers(*shape),))


NOT_CONTIGUOUS: dict[str, Callable[[Tensor], Tensor]] = {
    "transposed": lambda x: x.t(),
    "every other column": lambda x: x[:, ::2],
    "expanded": lambda x: x[:, :1].expand(4, 6),
    "flipped": lambda x: x.flip(0),
}


@pytest.mark.parametrize("layout", NOT_CONTIGUOUS)
def test_inputs_that_are_not_contiguous(layout: str) -> None:
    view = NOT_CONTIGUOUS[layout]
    x = numbers(4, 6)
    rows, columns = view(x).shape
    target = classes(rows, n=columns)
    linear = nn.Linear(columns, 2).double()
    other = numbers(rows, columns, seed=1)
    for call in (
        linear,
        nn.Softmax(1),
        lambda v: F.cross_entropy(v, target),
        lambda v: F.cross_entropy(v, target, reduction="none"),
        lambda v: F.nll_loss(v, target),
        lambda v: F.mse_loss(v, other),
        lambda v: F.mse_loss(other, v, reduction="sum"),
        lambda v: F.binary_cross_entropy_with_logits(v, other.detach().sigmoid()),
        lambda v: F.pad(v, (1, -1)),
        lambda v: F.pad(v, (1, 0), mode="reflect"),
        F.gelu,
    ):
        assert gradcheck(lambda x, call=call: call(view(x)), (x,))
        assert torch.allclose(call(view(x)), call(view(x).contiguous()))


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_nothing_at_all(reduction: str) -> None:
    x = torch.empty(0, 3, requires_grad=True)
    none = torch.empty(0, dtype=torch.int64)
    for loss in (
        F.cross_entropy(x, none, reduction=reduction),
        F.nll_loss(x, none, reduction=reduction),
        F.mse_loss(x, torch.empty(0, 3), reduction=reduction),
        F.l1_loss(x, torch.empty(0, 3), reduction=reduction),
        F.binary_cross_entropy_with_logits(x, torch.empty(0, 3), reduction=reduction),
    ):
        assert float(loss.sum()) == 0
        (gradient,) = torch.autograd.grad(loss.sum(), x)
        assert gradient.shape == (0, 3)
    for layer in (nn.Linear(3, 2), nn.ReLU(), nn.Dropout(), nn.Softmax(1), nn.ZeroPad2d(1)):
        assert len(layer(x)) == 0 or isinstance(layer, nn.ZeroPad2d)
    layer = nn.Linear(3, 2)
    layer(x).sum().backward()
    assert layer.weight.grad is not None
    assert not layer.weight.grad.any()
