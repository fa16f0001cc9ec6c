"""``nn.functional`` where PyTorch's samples do not reach: signatures, warnings, errors, seeds, second-order gradients."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import rushlight
from rushlight.nn import functional as F

from . import opinfo
from .stories import Story, compare, raised

pytestmark = pytest.mark.parity
PROGRAMS: dict[str, Callable[[Any], Story]] = {}


def program(function: Callable[[Any], Story]) -> Callable[[Any], Story]:
    PROGRAMS[function.__name__] = function
    return function


# --- signatures -------------------------------------------------------------------------------------------------------

# PyTorch's are built in and tell no signature.
BUILT_IN = {
    "bilinear", "celu_", "channel_shuffle", "cosine_similarity", "elu_", "gelu", "hardshrink", "hardtanh_",
    "leaky_relu_", "linear", "logsigmoid", "native_channel_shuffle", "one_hot", "pairwise_distance", "pdist",
    "pixel_shuffle", "pixel_unshuffle",
    "prelu", "relu_", "rrelu_", "scaled_dot_product_attention", "selu_", "softplus", "softshrink", "threshold_",
}  # fmt: skip
SKIPPED = {
    "sigmoid": "takes out= as torch.sigmoid does", "tanh": "takes out= as torch.tanh does",
}  # fmt: skip


def own_names() -> list[str]:
    here = "conv", "pool", "norm", "rnn"
    return [
        name
        for name in dir(F)
        if callable(getattr(F, name)) and not name.startswith("_") and not any(part in name for part in here)
    ]


def test_signatures() -> None:
    torch = opinfo.oracle()
    for name in own_names():
        theirs = getattr(torch.nn.functional, name)
        if name in BUILT_IN or name in SKIPPED:
            continue
        expected = {key: p.default for key, p in inspect.signature(theirs).parameters.items()}
        actual = {key: p.default for key, p in inspect.signature(getattr(F, name)).parameters.items()}
        assert list(actual) == list(expected), name
        assert actual == expected, name


def test_all_functions_are_there() -> None:
    torch = opinfo.oracle()
    # What only other devices and other numbers need, and PyTorch's own machinery.
    missing = {
        "assert_int_or_pair",
        "boolean_dispatch",
        "grouped_mm",
        "handle_torch_function",
        "has_torch_function",
        "has_torch_function_unary",
        "has_torch_function_variadic",
        "scaled_grouped_mm",
        "scaled_mm",
    }
    theirs = {
        name
        for name in dir(torch.nn.functional)
        if not name.startswith("_") and name[0].islower() and callable(getattr(torch.nn.functional, name))
    }
    assert {name for name in theirs if not hasattr(F, name)} == missing


# --- errors and warnings ----------------------------------------------------------------------------------------------


@program
def regression_losses(torch: Any) -> Story:
    f = torch.nn.functional
    x, y, w = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 3.0])
    story: Story = []
    for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
        loss = getattr(f, name)
        story += [
            loss(x, y[:1]),
            raised(lambda loss=loss: loss(x, y[:2])),
            raised(lambda loss=loss: loss(x.long(), y.long())),
            loss(x, y.long()),
            loss(x.double(), y.double()),
            raised(lambda loss=loss: loss(x, y, reduction="x")),
            loss(x, y, reduction="none"),
            loss(x[:0], y[:0], reduction="sum"),
            str(loss(x[:0], y[:0])),
            raised(lambda loss=loss: loss(x, [1.0])),
        ]
        if name != "huber_loss":
            story += [
                loss(x, y, size_average=False),
                loss(x, y, reduce=False),
                loss(x, y, size_average=True, reduce=True),
                loss(x, y, True),
            ]
        if name != "smooth_l1_loss":
            story += [loss(x, y, reduction=r, weight=w) for r in ("mean", "sum", "none")]
            story += [
                raised(lambda loss=loss: loss(x, y, weight=w[:1])),
                raised(lambda loss=loss: loss(x, y, weight=w[:2])),
            ]
    story += [
        raised(lambda: f.smooth_l1_loss(x, y, beta=-1)),
        f.smooth_l1_loss(x, y, beta=0),
        raised(lambda: f.huber_loss(x, y, delta=0)),
        raised(lambda: f.mse_loss(x + 1j, y + 1j)),
        f.l1_loss(x + 1j, y + 1j),
    ]
    return story


@program
def class_losses(torch: Any) -> Story:
    f = torch.nn.functional
    x = torch.tensor([[1.0, -2.0, 0.5, 3.0], [0.0, 0.5, -1.0, 2.0], [2.0, 1.0, 0.0, -1.0]])
    t, w = torch.tensor([0, 3, 1]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    story: Story = []
    images = x.reshape(1, 3, 2, 2)
    for name in ("cross_entropy", "nll_loss"):
        loss = getattr(f, name)
        story += [
            raised(lambda loss=loss: loss(x, torch.tensor([0, 4, 1]))),
            raised(lambda loss=loss: loss(x, torch.tensor([0, -1, 1]))),
            raised(lambda loss=loss: loss(x, torch.tensor([0, 4, 1]), reduction="none")),
            raised(lambda loss=loss: loss(x, torch.tensor([0, 4, 1]), w)),
            raised(lambda loss=loss: loss(x[..., None], torch.tensor([0, 4, 1])[:, None])),
            raised(lambda loss=loss: loss(x, t.int())),
            loss(x, t.to(torch.uint8)),
            raised(lambda loss=loss: loss(x, t.float())),
            raised(lambda loss=loss: loss(x, t.bool())),
            raised(lambda loss=loss: loss(x, t[:2])),
            raised(lambda loss=loss: loss(x, t[:, None])),
            raised(lambda loss=loss: loss(x, t[None])),
            loss(x[0], t[0]),
            loss(x[0], t[:1]),
            loss(x[0], t[:1], reduction="none"),
            loss(x[0], t[0], reduction="none"),
            raised(lambda loss=loss: loss(x[0], t)),
            raised(lambda loss=loss: loss(x[0, 0], t[0])) != "no error",
            loss(images, torch.zeros(1, 2, 2, dtype=torch.int64)),
            raised(lambda loss=loss: loss(images, torch.zeros(1, 2, 3, dtype=torch.int64))),
            raised(lambda loss=loss: loss(images, torch.zeros(1, 2, dtype=torch.int64))),
            raised(lambda loss=loss: loss(images, torch.zeros(2, 2, 2, dtype=torch.int64))),
            raised(lambda loss=loss: loss(x, t, w[:2])),
            raised(lambda loss=loss: loss(x, t, w.double())),
            raised(lambda loss=loss: loss(x, t, w[None])),
            raised(lambda loss=loss: loss(x, t, w.clone().requires_grad_())),
            str(loss(x, t * 0 - 100)),
            loss(x, t * 0 - 100, reduction="sum"),
            loss(x, t * 0 - 100, reduction="none"),
            loss(x, t, ignore_index=3),
            str(loss(x[:0], t[:0])),
            loss(x[:0], t[:0], reduction="sum"),
            loss(x[:0], t[:0], reduction="none"),
            raised(lambda loss=loss: loss(x[:, :0], t)),
            raised(lambda loss=loss: loss(x, t, reduction="x")),
            raised(lambda loss=loss: loss(x.long(), t)),
            raised(lambda loss=loss: loss(x, [1])),
            str(loss(x, t, w * 0)),
            loss(x, t, None, True),
            loss(x, t, reduce=False),
        ]
    p = torch.softmax(x * 0.5, 1)
    story += [
        f.cross_entropy(x, p),
        f.cross_entropy(x, p, reduction="none"),
        f.cross_entropy(x, p, w),
        raised(lambda: f.cross_entropy(x, p, ignore_index=2)),
        raised(lambda: f.cross_entropy(x, p.long())),
        f.cross_entropy(x, p.double()).dtype == torch.float64,
        raised(lambda: f.cross_entropy(x, p[:2])),
        raised(lambda: f.cross_entropy(x, p, w[:2])),
        f.cross_entropy(x[0], p[0]),
        raised(lambda: f.cross_entropy(x, t, label_smoothing=1.5)),
        f.cross_entropy(x, t, label_smoothing=-0.5),
        str(f.cross_entropy(x, t * 0 - 100, label_smoothing=0.1)),
        raised(lambda: f.cross_entropy(x[:, :3], torch.zeros(3, 3, dtype=torch.int64))),
    ]
    return story


@program
def extreme_logits(torch: Any) -> Story:
    f = torch.nn.functional
    inf = float("inf")
    story: Story = []
    for row in ([1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [-inf, 0.0, 1.0], [1.0, -inf, -inf], [3e38, -3e38, 0.0]):
        x = torch.tensor([row], requires_grad=True)
        for target in (0, 1):
            loss = f.cross_entropy(x, torch.tensor([target]))
            x.grad = None
            loss.backward()
            story += [loss.detach(), x.grad]
    for value in (1e4, -1e4, 0.0, 90.0, -90.0):
        for target in (0.0, 1.0, 0.3):
            x = torch.tensor([value], requires_grad=True)
            loss = f.binary_cross_entropy_with_logits(x, torch.tensor([target]))
            loss.backward()
            story += [loss.detach(), x.grad]
    x = torch.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    loss = f.binary_cross_entropy(x, torch.tensor([0.0, 0.0, 1.0, 1.0]), reduction="none")
    loss.sum().backward()
    story += [loss.detach(), x.grad]
    return story


@program
def binary_losses(torch: Any) -> Story:
    f = torch.nn.functional
    x, y, w = torch.tensor([0.1, 0.5, 0.9]), torch.tensor([0.0, 1.0, 1.0]), torch.tensor([1.0, 2.0, 3.0])
    story: Story = []
    for name in ("binary_cross_entropy", "binary_cross_entropy_with_logits"):
        loss = getattr(f, name)
        story += [
            raised(lambda loss=loss: loss(x, y[:1])),
            raised(lambda loss=loss: loss(x[:, None], y)),
            raised(lambda loss=loss: loss(x, y, w[:2])),
            raised(lambda loss=loss: loss(x, y.long())),
            raised(lambda loss=loss: loss(x.long(), y)),
            raised(lambda loss=loss: loss(x, y, reduction="x")),
            raised(lambda loss=loss: loss(x, y, w.clone().requires_grad_())),
            str(loss(x[:0], y[:0])),
            loss(x, y, size_average=False),
            raised(lambda loss=loss: loss(x, [1.0])),
        ]
    story += [
        raised(lambda: f.binary_cross_entropy(x + 1, y)),
        raised(lambda: f.binary_cross_entropy(x * float("nan"), y)),
        raised(lambda: f.binary_cross_entropy(x, y * 3)),
        raised(lambda: f.binary_cross_entropy(x, y.double())),
        f.binary_cross_entropy_with_logits(x, y.double()).dtype == torch.float64,
        raised(lambda: f.binary_cross_entropy_with_logits(x, y, pos_weight=w[:2])),
        raised(lambda: f.binary_cross_entropy_with_logits(x, y, pos_weight=w.clone().requires_grad_())),
    ]
    return story


@program
def other_losses(torch: Any) -> Story:
    f = torch.nn.functional
    x, y = torch.tensor([0.1, 0.5, 0.9]), torch.tensor([1.0, -1.0, 1.0])
    rows, t = (
        torch.tensor([[1.0, -2.0, 0.5, 3.0], [0.0, 0.5, -1.0, 2.0], [2.0, 1.0, 0.0, -1.0]]),
        torch.tensor([0, 3, 1]),
    )
    several = torch.tensor([[1, 0, -1, 2]] * 3)
    w = torch.tensor([1.0, 2.0, 3.0, 4.0])
    calls: list[Callable[[], Any]] = [
        lambda: f.kl_div(x, y, reduction="q"),
        lambda: f.kl_div(x, y),
        lambda: f.kl_div(x, y.long()),
        lambda: f.kl_div(x[0], y[0], reduction="batchmean"),
        lambda: f.kl_div(x, y, True),
        lambda: f.poisson_nll_loss(x, y, reduction="x"),
        lambda: f.poisson_nll_loss(x, y[:2]),
        lambda: f.gaussian_nll_loss(x, y, -x),
        lambda: f.gaussian_nll_loss(x, y, -1.0),
        lambda: f.gaussian_nll_loss(x, y, 1),
        lambda: f.gaussian_nll_loss(x, y, x * 0),
        lambda: f.gaussian_nll_loss(x, y, x[:2]),
        lambda: f.gaussian_nll_loss(x, y, x, reduction="q"),
        lambda: f.gaussian_nll_loss(rows, rows, torch.ones(1, 1)),
        lambda: f.gaussian_nll_loss(rows, rows + 1, torch.ones(1, 4), reduction="none"),
        lambda: f.margin_ranking_loss(x, rows, y),
        lambda: f.margin_ranking_loss(x, x, y, reduction="x"),
        lambda: f.hinge_embedding_loss(x, y * 0, reduction="none"),
        lambda: f.hinge_embedding_loss(x, y, reduction="x"),
        lambda: f.soft_margin_loss(x, y, reduction="x"),
        lambda: f.multilabel_margin_loss(rows, several[:2]),
        lambda: f.multilabel_margin_loss(rows, several + 5),
        lambda: f.multilabel_margin_loss(rows, several - 3),
        lambda: f.multilabel_margin_loss(rows, several.float()),
        lambda: f.multilabel_margin_loss(rows[None], several[None]),
        lambda: f.multilabel_margin_loss(rows, several, reduction="x"),
        lambda: f.multilabel_margin_loss(rows[0], several[0]),
        lambda: f.multilabel_soft_margin_loss(rows, (rows > 0).float(), reduction="x"),
        lambda: f.multilabel_soft_margin_loss(rows, (rows > 0).float(), w),
        lambda: f.multi_margin_loss(rows, t, p=3),
        lambda: f.multi_margin_loss(rows, t, weight=w[None]),
        lambda: f.multi_margin_loss(rows, t, weight=w[:2]),
        lambda: f.multi_margin_loss(rows, t + 3),
        lambda: f.multi_margin_loss(rows, t[:2]),
        lambda: f.multi_margin_loss(rows[None], t),
        lambda: f.multi_margin_loss(rows, t.int()),
        lambda: f.multi_margin_loss(rows, t, reduction="x"),
        lambda: f.multi_margin_loss(rows, t, margin="a"),
        lambda: f.multi_margin_loss(rows, t, weight=w.clone().requires_grad_()),
        lambda: f.multi_margin_loss(rows[0], t[:1], reduction="none"),
        lambda: f.multi_margin_loss(rows[0], t[0], reduction="none"),
        lambda: f.cosine_embedding_loss(rows[0], rows[1], y),
        lambda: f.cosine_embedding_loss(rows, rows, y[0]),
        lambda: f.cosine_embedding_loss(rows, rows[0], y),
        lambda: f.cosine_embedding_loss(rows, rows, y, reduction="q"),
        lambda: f.triplet_margin_loss(rows, rows[0], rows),
        lambda: f.triplet_margin_loss(rows, rows, rows, margin=0),
        lambda: f.triplet_margin_loss(rows, rows, rows, reduction="q"),
        lambda: f.triplet_margin_with_distance_loss(rows, rows, rows, margin=-1),
    ]
    return [raised(call) for call in calls]


@program
def constructor_errors(torch: Any) -> Story:
    nn = torch.nn
    calls: list[Callable[[], Any]] = [
        lambda: nn.TripletMarginLoss(margin=0),
        lambda: nn.TripletMarginWithDistanceLoss(margin=-1),
        lambda: nn.MultiMarginLoss(p=3),
        lambda: nn.MultiMarginLoss(weight=torch.ones(2, 2)),
        lambda: nn.MSELoss(reduce=False).reduction,
        lambda: nn.MSELoss(False).reduction,
        lambda: nn.Dropout(1.2),
        lambda: nn.AlphaDropout(-0.1),
        lambda: nn.Hardtanh(1, -1),
        lambda: nn.Hardtanh(min_value=-2, max_value=2).min_val,
        lambda: nn.Softmax2d()(torch.ones(2)),
        lambda: nn.Softmax()(torch.ones(2)),
        lambda: nn.Embedding(3, 2, padding_idx=3),
        lambda: nn.Embedding(3, 2, padding_idx=-4),
        lambda: nn.Embedding(3, 2, _weight=torch.ones(2, 2)),
        lambda: nn.Embedding.from_pretrained(torch.ones(2)),
        lambda: nn.Embedding.from_pretrained(torch.ones(2, 3)).weight,
        lambda: nn.Embedding.from_pretrained(torch.ones(2, 3), freeze=False, padding_idx=0).weight,
        lambda: nn.EmbeddingBag.from_pretrained(torch.ones(2, 3), mode="sum").weight,
        lambda: nn.Linear(-3, 2),
        lambda: nn.Linear(0, 3).weight,
        lambda: nn.Linear("a", 2),
        lambda: nn.Linear(2, 2, dtype=torch.int64),
        lambda: nn.Linear(2, 2)(torch.ones(3)),
        lambda: nn.Linear(2, 2)([1.0]),
        lambda: nn.Linear(2, 2)(torch.ones(2).double()),
        lambda: nn.Linear(2, 2)(torch.ones(2), 1),
        lambda: nn.Bilinear(0, 2, 2),
        lambda: nn.Bilinear(2, 2, 2)(torch.ones(1, 2), torch.ones(2, 2)),
        lambda: nn.Unflatten(1, 2),
        lambda: nn.Unflatten(1, (2, "a")),
        lambda: nn.Unflatten(1, (2, 2))(torch.ones(2, 5)),
        lambda: nn.Sigmoid(3),
        lambda: nn.GLU()(torch.ones(3)),
        lambda: nn.GELU("x")(torch.ones(1)),
        lambda: nn.CrossEntropyLoss(reduction="x")(torch.ones(1, 2), torch.zeros(1, dtype=torch.int64)),
        lambda: nn.functional.gumbel_softmax(torch.zeros(2, 3), eps=1e-3).shape[0],
    ]
    return [raised(call) for call in calls]


@program
def shapes_and_modes(torch: Any) -> Story:
    f = torch.nn.functional
    y = torch.arange(6.0).reshape(1, 2, 3)
    x = torch.arange(40.0).reshape(1, 2, 4, 5)
    calls: list[Callable[[], Any]] = [
        lambda: f.pad(y, (-2, -2)),
        lambda: f.pad(y, (-2, -1)),
        lambda: f.pad(y, (1,)),
        lambda: f.pad(y, (1,) * 8),
        lambda: f.pad(y.long(), (1, 1), value=3),
        lambda: f.pad(y > 2, (1, 1), value=1),
        lambda: f.pad(y, (1, 1), mode="x"),
        lambda: f.pad(y, (1, 1), mode="reflect", value=1.0),
        lambda: f.pad(y, (1.5, 1)),
        lambda: f.pad(y, ()),
        lambda: f.pad(y[0, 0, 0], (1, 1)),
    ]
    for mode in ("reflect", "replicate", "circular"):
        for shape, amounts in [
            ((1, 2, 3), (1, 2)), ((1, 2, 3), (3, 1)), ((1, 2, 3), (1, 1, 1, 1)), ((1, 1, 2, 3), (1, 1)), ((2, 3), (1, 1)),
            ((3,), (1, 1)), ((1, 2, 3), (-1, 1)), ((1, 2, 3), (-1, -1)), ((1, 2, 3), (-2, -2)), ((1, 2, 3), (4, 1)),
            ((0, 2, 3), (1, 1)), ((1, 0, 3), (1, 1)), ((1, 2, 0), (1, 1)), ((1, 2, 3, 4, 5), (1,) * 6),
            ((1, 2, 3, 4, 5), (1,) * 4), ((1, 2, 3), (1, 1, 1)), ((1, 2, 3), ()), ((2, 2, 3), (2, -1, 0, 1)),
        ]:  # fmt: skip
            calls.append(
                lambda mode=mode, shape=shape, amounts=amounts: f.pad(
                    torch.arange(float(torch.Size(shape).numel())).reshape(shape), amounts, mode=mode
                )
            )
        calls.append(lambda mode=mode: f.pad(y > 2, (1, 1), mode=mode))
    for size, scale, mode, options in [
        (None, None, "nearest", {}), (2, 2, "nearest", {}), ((2, 3), None, "nearest", {}), ((2, 3, 4), None, "nearest", {}),
        (None, (2, 3, 4), "nearest", {}), (2, None, "q", {}), (2, None, "nearest", {"align_corners": True}),
        (2, None, "linear", {}), (2, None, "trilinear", {}), ((0, 2), None, "nearest", {}), (None, -1.0, "nearest", {}),
        (2, None, "nearest", {"antialias": True}), (2, None, "nearest", {"recompute_scale_factor": True}),
        ((2.0, 3.0), None, "nearest", {}),
    ]:  # fmt: skip
        calls.append(
            lambda size=size, scale=scale, mode=mode, options=options: f.interpolate(
                x, size, scale, mode, **options
            )
        )
    calls += [
        lambda: f.interpolate(x[0], 2, mode="bilinear"),
        lambda: f.interpolate(x[0], 2, mode="bicubic"),
        lambda: f.interpolate(x[0, 0], 2),
        lambda: f.interpolate(x.long(), 2),
        lambda: f.interpolate(x.to(torch.uint8), 2),
        lambda: f.interpolate(x[:, :0], 2),
        lambda: f.interpolate(x[:0], 2),
        lambda: f.interpolate(x[:, :, :0], 2),
        lambda: f.upsample(x, 2),
        lambda: f.upsample_nearest(x, 2),
        lambda: f.upsample_bilinear(x, (7, 9)).shape[2],
        lambda: f.unfold(x[0, 0], 2),
        lambda: f.unfold(x[None], 2),
        lambda: f.unfold(x, 9),
        lambda: f.unfold(x, 0),
        lambda: f.unfold(x, 2, stride=0),
        lambda: f.unfold(x, 2, padding=-1),
        lambda: f.unfold(x, 2, dilation=0),
        lambda: f.unfold(x.long(), 2),
        lambda: f.unfold(x, (1, 2, 3)),
        lambda: f.unfold(x[:0], 2),
        lambda: f.fold(torch.ones(7, 12), (4, 5), 2),
        lambda: f.fold(torch.ones(8, 11), (4, 5), 2),
        lambda: f.fold(torch.ones(8, 12, 1, 1), (4, 5), 2),
        lambda: f.fold(torch.ones(8, 12), (4, 5), 2, stride=0),
        lambda: f.fold(torch.ones(8, 12, dtype=torch.int64), (4, 5), 2),
        lambda: f.pixel_shuffle(torch.ones(1, 7, 2, 3), 2),
        lambda: f.pixel_shuffle(torch.ones(2, 3), 2),
        lambda: f.pixel_shuffle(torch.ones(8, 2, 3), 0),
        lambda: f.pixel_unshuffle(torch.ones(8, 4, 5), 2),
        lambda: f.pixel_unshuffle(torch.ones(8, 3, 4), 2),
        lambda: f.channel_shuffle(torch.ones(1, 7, 2, 3), 2),
        lambda: f.channel_shuffle(torch.ones(8, 2), 2),
        lambda: f.channel_shuffle(torch.ones(8, 2, 2), 0),
        lambda: f.normalize(y.long()),
        lambda: f.normalize(y, dim=5),
        lambda: f.cosine_similarity(y.long(), y.long()),
        lambda: f.cosine_similarity(y, torch.ones(4, 1)),
    ]
    return [raised(call) for call in calls]


@program
def attention_errors(torch: Any) -> Story:
    attend = torch.nn.functional.scaled_dot_product_attention
    q, k, v = torch.ones(2, 3, 4, 8), torch.ones(2, 3, 5, 8), torch.ones(2, 3, 5, 6)
    mask = torch.ones(4, 5, dtype=torch.bool)
    calls: list[Callable[[], Any]] = [
        lambda: attend(q, k, v, mask, is_causal=True),
        lambda: attend(q, k, v, torch.ones(3, 5, dtype=torch.bool)),
        lambda: attend(q, k, v, torch.ones(4, 5).double()),
        lambda: attend(q, k, v, torch.ones(4, 5).long()),
        lambda: attend(q[0, 0, 0], k[0, 0, 0], v[0, 0, 0]),
        lambda: attend(q, k[..., :7], v),
        lambda: attend(q, k[..., :4, :], v),
        lambda: attend(q, k.double(), v),
        lambda: attend(torch.ones(2, 4, 4, 8), k, v, enable_gqa=True),
        lambda: attend(torch.ones(2, 6, 4, 8), k, v),
        lambda: attend(q, k, v, dropout_p=1.5),
        lambda: attend(q.long(), k.long(), v.long()),
        lambda: attend(q, k, v, torch.zeros(4, 5, dtype=torch.bool)),
        lambda: attend(q[:, :1], k, v).shape[1],
    ]
    return [raised(call) for call in calls]


@program
def dropout_errors(torch: Any) -> Story:
    f = torch.nn.functional
    x = torch.ones(2, 6)
    story: Story = []
    for name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"):
        drop = getattr(f, name)
        story += [
            raised(lambda drop=drop: drop(x, 1.5, True)),
            raised(lambda drop=drop: drop(x, -0.1, True)),
            raised(lambda drop=drop: drop(x.long(), 0.5, True)),
            drop(x, 0.5, False) is x or name.endswith("d"),
        ]
        if name[-1] == "d" and name[-2].isdigit():
            story += [
                raised(lambda drop=drop, n=n: drop(torch.ones([2] * n), 0.5, True).ndim) for n in range(7)
            ]
    return story


# --- random numbers ---------------------------------------------------------------------------------------------------


@program
def seeds(torch: Any) -> Story:
    nn, f = torch.nn, torch.nn.functional
    x = torch.arange(24.0).reshape(4, 6) / 24
    story: Story = []

    def seeded(call: Callable[[], Any]) -> None:
        torch.manual_seed(5)
        result = call()
        story.append(result.detach())

    seeded(lambda: f.dropout(x.t(), 0.4))
    seeded(lambda: f.dropout(x[:, ::2], 0.4))
    seeded(lambda: f.dropout(x[:, :1].expand(4, 6), 0.4))
    seeded(lambda: f.alpha_dropout(x, 0.4, True))
    seeded(lambda: f.feature_alpha_dropout(x[:, :, None], 0.4, True))
    seeded(lambda: f.dropout2d(x.reshape(2, 3, 2, 2), 0.4))
    seeded(lambda: torch.dropout(x, 0.4, True))
    seeded(lambda: torch.feature_dropout(x[:, :, None], 0.4, True))
    seeded(lambda: torch.alpha_dropout_(x.clone(), 0.4, train=True))
    story.append(torch.constant_pad_nd(x, (1, 2), 3))
    seeded(lambda: f.gumbel_softmax(x))
    seeded(lambda: f.gumbel_softmax(x, tau=0.5, hard=True, dim=0))
    seeded(lambda: f.rrelu(x - 0.5, training=True))
    seeded(lambda: f.scaled_dot_product_attention(x, x, x, dropout_p=0.5))
    for name, arguments in [
        ("uniform_", (-1, 2)), ("normal_", (1, 2)), ("trunc_normal_", ()), ("trunc_normal_", (0.0, 0.02)),
        ("trunc_normal_", (0.5, 1.0, 0.0, 0.3)), ("xavier_uniform_", (2.0,)), ("xavier_normal_", ()), ("kaiming_uniform_", ()),
        ("kaiming_uniform_", (0.2, "fan_out")), ("kaiming_normal_", (0, "fan_in", "relu")), ("orthogonal_", (2,)),
        ("sparse_", (0.3,)),
    ]:  # fmt: skip
        for shape in ((5, 7), (7, 5), (3, 40)):
            seeded(
                lambda name=name, arguments=arguments, shape=shape: getattr(nn.init, name)(
                    torch.zeros(shape), *arguments
                )
            )
    seeded(lambda: nn.init.kaiming_uniform_(torch.zeros(3, 2, 3, 3)))
    seeded(lambda: nn.init.orthogonal_(torch.zeros(3, 2, 2)))
    seeded(lambda: nn.init.normal_(torch.zeros(6, 4).t()))
    generator = torch.Generator()
    generator.manual_seed(9)
    story.append(nn.init.uniform_(torch.zeros(3), generator=generator))
    return story


@program
def initialisers(torch: Any) -> Story:
    init = torch.nn.init
    calls: list[Callable[[], Any]] = [
        lambda: init.constant_(torch.ones(3, requires_grad=True), 2.0),
        lambda: init.ones_(torch.zeros(2, 2)),
        lambda: init.zeros_(torch.ones(2, 2)),
        lambda: init.eye_(torch.ones(2, 3)),
        lambda: init.eye_(torch.ones(2)),
        lambda: init.dirac_(torch.ones(4, 2, 3)),
        lambda: init.dirac_(torch.ones(4, 2, 3, 2), 2),
        lambda: init.dirac_(torch.ones(2, 4, 2, 3, 1)),
        lambda: init.dirac_(torch.ones(3)),
        lambda: init.dirac_(torch.ones(3, 2, 2), groups=2),
        lambda: init.xavier_uniform_(torch.ones(3)),
        lambda: init.kaiming_uniform_(torch.ones(3)),
        lambda: init.kaiming_uniform_(torch.ones(0, 3)),
        lambda: init.kaiming_normal_(torch.ones(3, 0)),
        lambda: init.kaiming_uniform_(torch.ones(3, 3), mode="fan_x"),
        lambda: init.kaiming_uniform_(torch.ones(3, 3), nonlinearity="x"),
        lambda: init.orthogonal_(torch.ones(3)),
        lambda: init.orthogonal_(torch.ones(0, 3)),
        lambda: init.sparse_(torch.ones(3), 0.1),
        lambda: init.normal_(torch.ones(2), 0, -1),
        lambda: init.uniform_(torch.ones(2), 1, -1),
        lambda: init.uniform_([1.0]),
        lambda: init.trunc_normal_(torch.ones(3), 0.0, 0.0),
        lambda: init.trunc_normal_(torch.ones(3), 3.0, 1.0, 2, -2),
        lambda: init.trunc_normal_(torch.ones(0), 3.0, 1.0, -2, -0.5),
        lambda: init.xavier_uniform_(torch.ones(3, 3, dtype=torch.int64)),
        lambda: init.uniform(torch.ones(0)),
        lambda: init.kaiming_normal(torch.ones(0, 2)),
        *[
            lambda name=name: init.calculate_gain(name)
            for name in (
                "linear",
                "conv2d",
                "conv_transpose3d",
                "sigmoid",
                "tanh",
                "relu",
                "leaky_relu",
                "selu",
                "x",
            )
        ],
        *[lambda p=p: init.calculate_gain("leaky_relu", p) for p in (0.3, 1, True, "a")],
    ]
    return [raised(call) for call in calls]


# --- second-order gradients -------------------------------------------------------------------------------------------


@program
def second_order(torch: Any) -> Story:
    f = torch.nn.functional
    torch.manual_seed(0)
    story: Story = []
    rows = torch.rand(3, 4, dtype=torch.float64)
    images = torch.rand(2, 3, 2, dtype=torch.float64)
    t, ti = torch.tensor([0, 3, 1]), torch.tensor([[0, 2], [1, 1]])
    w, wi = (
        torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64),
        torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64),
    )

    def note(loss: Callable[..., Any], *inputs: Any) -> None:
        leaves = [x.clone().requires_grad_() for x in inputs]
        value = loss(*leaves)
        if value.ndim:
            value = (
                value * torch.arange(1.0, 1 + value.numel(), dtype=torch.float64).reshape(value.shape)
            ).sum()
        first = torch.autograd.grad(value * value, leaves, create_graph=True)
        total = sum(
            (g * torch.cos(torch.arange(g.numel(), dtype=torch.float64)).reshape(g.shape)).sum()
            for g in first
        )
        second = torch.autograd.grad(total, leaves, allow_unused=True)
        for g in (*first, *second):
            story.append(None if g is None else g.detach())

    for reduction in ("mean", "sum", "none"):
        note(lambda x, r=reduction: f.cross_entropy(x, t, reduction=r), rows)
        note(lambda x, r=reduction: f.cross_entropy(x, t, w, reduction=r, ignore_index=3), rows)
        note(lambda x, r=reduction: f.cross_entropy(x, ti, wi, reduction=r), images)
        note(lambda x, r=reduction: f.cross_entropy(x, t, reduction=r, label_smoothing=0.2), rows)
        note(lambda x, r=reduction: f.nll_loss(x, t, w, reduction=r), rows)
        note(lambda x, y, r=reduction: f.mse_loss(x, y, reduction=r), rows, rows.flip(0))
        note(lambda x, y, r=reduction: f.huber_loss(x, y, reduction=r, delta=0.3), rows, rows.flip(0))
        note(lambda x, y, r=reduction: f.smooth_l1_loss(x, y, reduction=r, beta=0.3), rows, rows.flip(0))
        note(lambda x, y, r=reduction: f.binary_cross_entropy(x, y, reduction=r), rows, rows.flip(0))
        note(
            lambda x, y, r=reduction: f.binary_cross_entropy_with_logits(x, y, reduction=r),
            rows,
            rows.flip(0),
        )
        note(
            lambda x, r=reduction: f.binary_cross_entropy_with_logits(
                x, rows.flip(0), w, pos_weight=w.flip(0), reduction=r
            ),
            rows,
        )
    note(lambda x: f.cross_entropy(x, t[1]), rows[0])
    note(lambda x, y: f.kl_div(x, y, reduction="sum"), rows, rows.flip(0))
    note(lambda x: f.pad(x, (1, 2), mode="reflect"), rows)
    note(lambda x: f.pad(x, (1, -2, 0, 3)), rows)
    note(lambda x: f.interpolate(x[:, None], 7, mode="linear"), rows)
    note(lambda x: f.unfold(x[:, None, None], (1, 2)), rows)
    note(lambda q, k, v: f.scaled_dot_product_attention(q, k, v, is_causal=True), rows, rows * 2, rows + 1)
    note(f.cosine_similarity, rows, rows.flip(0))
    note(f.normalize, rows)
    return story


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_program(name: str) -> None:
    compare(PROGRAMS[name])


def test_gradients_of_what_is_not_needed_are_not_made() -> None:
    x = rushlight.ones(3, requires_grad=True)
    y = rushlight.zeros(3)
    loss = F.mse_loss(x, y)
    assert loss.grad_fn.next_functions[1][0] is None
