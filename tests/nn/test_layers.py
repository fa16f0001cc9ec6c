"""Layers in what only they do: modes, tables, initial values, places of elements."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn import functional as F, init


def test_linear_starts_with_the_numbers_of_its_seed() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    bound = 1 / math.sqrt(3)
    torch.manual_seed(0)
    weight = torch.rand(2, 3) * 2 * bound - bound
    bias = torch.rand(2) * 2 * bound - bound
    assert torch.allclose(layer.weight, weight)
    assert torch.allclose(layer.bias, bias)


def test_linear_with_reparametrized_weight() -> None:
    layer = nn.Linear(2, 2)
    weight = layer.weight
    del layer.weight
    layer.weight = (weight * 2).detach()  # a plain attribute now
    expected = torch.ones(1, 2) @ (weight * 2).t() + layer.bias
    assert torch.allclose(layer(torch.ones(1, 2)), expected)


@pytest.mark.parametrize("kind", ["Dropout", "AlphaDropout"])
def test_dropout_only_in_training(kind: str) -> None:
    layer = getattr(nn, kind)(0.5)
    x = torch.ones(100)
    torch.manual_seed(0)
    assert not torch.equal(layer(x), x)
    layer.eval()
    assert layer(x) is x


def test_dropout_keeps_the_mean() -> None:
    torch.manual_seed(0)
    y = F.dropout(torch.ones(20_000), 0.3)
    assert y.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert y.mean().item() == pytest.approx(1, abs=0.02)


def test_channel_dropout_drops_channels() -> None:
    torch.manual_seed(0)
    y = F.dropout2d(torch.ones(8, 16, 3, 3), 0.5)
    assert torch.equal(y, y[:, :, :1, :1].expand(8, 16, 3, 3))
    assert set(y.unique().tolist()) == {0.0, 2.0}


def test_dropout_in_place() -> None:
    x = torch.ones(50)
    torch.manual_seed(0)
    expected = F.dropout(x, 0.5)
    torch.manual_seed(0)
    y = F.dropout(x, 0.5, inplace=True)
    assert y is x
    assert torch.equal(x, expected)


def test_in_place_activation_of_a_leaf_is_refused() -> None:
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        nn.ReLU(inplace=True)(x)


def test_embedding_gradients_add_up_and_spare_the_padding() -> None:
    table = nn.Embedding(4, 2, padding_idx=3)
    assert table.weight[3].tolist() == [0, 0]
    table(torch.tensor([1, 1, 3])).sum().backward()
    assert table.weight.grad.tolist() == [[0, 0], [2, 2], [0, 0], [0, 0]]


def test_embedding_by_frequency() -> None:
    table = nn.Embedding(3, 1, scale_grad_by_freq=True)
    table(torch.tensor([1, 1, 2])).sum().backward()
    assert table.weight.grad.tolist() == [[0], [1], [1]]


def test_embedding_limits_norms_in_place() -> None:
    table = nn.Embedding.from_pretrained(torch.tensor([[3.0, 4.0], [30.0, 40.0], [0.3, 0.4]]), max_norm=1.0)
    rows = table(torch.tensor([0, 2]))
    assert rows.tolist() == [pytest.approx([0.6, 0.8]), pytest.approx([0.3, 0.4])]
    assert table.weight[1].tolist() == [30, 40]
    assert table.weight[0].tolist() == pytest.approx([0.6, 0.8])


def test_embedding_out_of_range() -> None:
    with pytest.raises(IndexError, match="out of range"):
        nn.Embedding(3, 2)(torch.tensor([3]))
    with pytest.raises(IndexError, match="out of range"):
        nn.Embedding(3, 2)(torch.tensor([-1]))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_are_reductions_of_rows(mode: str) -> None:
    torch.manual_seed(0)
    bag = nn.EmbeddingBag(6, 3, mode=mode)
    index, offsets = torch.tensor([0, 5, 2, 2, 1]), torch.tensor([0, 2, 2])
    rows = bag.weight[index]
    result = bag(index, offsets)
    for i, part in enumerate((rows[:2], rows[2:2], rows[2:])):
        if len(part):
            expected = part.max(0).values if mode == "max" else getattr(part, mode)(0)
        else:
            expected = torch.zeros(3)
        assert torch.allclose(result[i], expected)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("reflect", [3, 2, 1, 2, 3, 2]), ("replicate", [1, 1, 1, 2, 3, 3]), ("circular", [2, 3, 1, 2, 3, 1]),
     ("constant", [9, 9, 1, 2, 3, 9])],
)  # fmt: skip
def test_what_padding_adds(mode: str, expected: list[int]) -> None:
    x = torch.tensor([[1, 2, 3]])
    options = {"value": 9} if mode == "constant" else {}
    assert F.pad(x, (2, 1), mode, **options)[0].tolist() == expected


def test_negative_padding_takes_away() -> None:
    x = torch.arange(12.0).reshape(3, 4)
    assert torch.equal(F.pad(x, (-1, -1, 1, -1)), F.pad(x[:-1, 1:-1], (0, 0, 1, 0)))
    assert F.pad(x, (-4, 0)).shape == (3, 0)


def test_pixel_shuffle_and_back() -> None:
    x = torch.arange(48.0).reshape(1, 12, 2, 2)
    assert torch.equal(F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2), x)


def test_fold_adds_what_overlaps() -> None:
    x = torch.ones(1, 1, 4, 4)
    counts = F.fold(F.unfold(x, 3), (4, 4), 3)
    assert counts[0, 0].tolist() == [[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]]


def test_interpolation_of_a_ramp_is_a_ramp() -> None:
    x = torch.arange(4.0).reshape(1, 1, 4)
    assert F.interpolate(x, 7, mode="linear", align_corners=True).flatten().tolist() == pytest.approx(
        [0, 0.5, 1, 1.5, 2, 2.5, 3]
    )
    assert F.interpolate(x, scale_factor=2).flatten().tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_attention_by_its_formula() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 5, 4, dtype=torch.float64) for _ in range(3))
    expected = torch.softmax(q @ k.mT / 2, -1) @ v
    assert torch.allclose(F.scaled_dot_product_attention(q, k, v), expected)
    causal = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert torch.allclose(causal[:, 0], v[:, 0])
    assert torch.allclose(causal[:, -1], expected[:, -1])


def test_attention_to_nothing_is_zero() -> None:
    q = torch.randn(1, 2, 4, requires_grad=True)
    mask = torch.tensor([[True, False], [False, False]])
    out = F.scaled_dot_product_attention(q, q, q, mask)
    assert out[0, 1].tolist() == [0, 0, 0, 0]
    out.sum().backward()
    assert torch.isfinite(q.grad).all()


def test_attention_with_fewer_key_heads() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(1, 4, 3, 2), torch.randn(1, 2, 5, 2), torch.randn(1, 2, 5, 2)
    shared = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    assert torch.allclose(shared[:, 1], F.scaled_dot_product_attention(q[:, 1], k[:, 0], v[:, 0]))
    assert torch.allclose(shared[:, 2], F.scaled_dot_product_attention(q[:, 2], k[:, 1], v[:, 1]))


def test_hard_gumbel_choices_are_one_hot_with_soft_gradients() -> None:
    x = torch.zeros(6, 4, requires_grad=True)
    y = F.gumbel_softmax(x, hard=True)
    assert torch.allclose(y.detach().sum(1), torch.ones(6))
    assert torch.allclose(y.detach().max(1).values, torch.ones(6))
    (y * torch.arange(4.0)).sum().backward()
    assert x.grad.any()


@pytest.mark.parametrize(
    "kind", ["ReLU", "Linear", "Embedding", "Dropout", "CrossEntropyLoss", "PReLU", "Upsample"]
)
def test_layers_survive_pickling(kind: str) -> None:
    arguments: dict[str, tuple[Any, ...]] = {"Linear": (2, 3), "Embedding": (4, 2), "Upsample": (3,)}
    layer = getattr(nn, kind)(*arguments.get(kind, ()))
    back = pickle.loads(pickle.dumps(layer))
    assert repr(back) == repr(layer)
    assert all(torch.equal(a, b) for a, b in zip(back.parameters(), layer.parameters(), strict=True))


# --- initial values ---------------------------------------------------------------------------------------------------


def test_fans_and_bounds() -> None:
    torch.manual_seed(0)
    w = torch.empty(40, 30, 3)
    bound = math.sqrt(6 / (30 * 3 + 40 * 3))
    init.xavier_uniform_(w)
    assert bound * 0.98 < w.abs().max().item() <= bound
    init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu")
    assert w.std().item() == pytest.approx(math.sqrt(2 / 120), rel=0.03)
    init.trunc_normal_(w, std=2.0, a=-1.0, b=3.0)
    assert w.min().item() >= -1
    assert w.max().item() <= 3
    init.trunc_normal_(w, mean=0.0, std=1.0, a=2.0, b=3.0)  # where few normal numbers lie
    assert w.min().item() >= 2
    assert w.max().item() <= 3
    assert w.mean().item() == pytest.approx(2.32, abs=0.02)  # (φ(2) - φ(3)) / (Φ(3) - Φ(2))


@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (5, 5), (3, 2, 4)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    w = init.orthogonal_(torch.empty(*shape, dtype=torch.float64), gain=2.0).reshape(shape[0], -1)
    product = w @ w.t() if w.shape[0] <= w.shape[1] else w.t() @ w
    assert torch.allclose(product, 4 * torch.eye(len(product), dtype=torch.float64))


def test_sparse_columns() -> None:
    w = init.sparse_(torch.empty(10, 6), sparsity=0.35)
    assert (w == 0).sum(0).tolist() == [4] * 6


def test_dirac_hands_channels_on() -> None:
    w = init.dirac_(torch.empty(2, 2, 3))
    x = torch.arange(10.0).reshape(1, 2, 5)
    assert torch.equal(F.conv1d(x, w, padding=1), x)


def test_initialisers_write_leaves_without_history() -> None:
    w = torch.empty(2, 2, requires_grad=True)
    for fill in (
        init.ones_,
        init.zeros_,
        init.normal_,
        init.uniform_,
        init.xavier_uniform_,
        init.eye_,
        init.orthogonal_,
    ):
        assert fill(w) is w
        assert w.grad_fn is None
        assert w.is_leaf


def test_old_names_warn() -> None:
    with pytest.warns(FutureWarning, match="xavier_normal_"):
        init.xavier_normal(torch.empty(2, 2))
