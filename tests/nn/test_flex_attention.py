"""``nn.attention.flex_attention``: changed scores and masks, against attention by hand and PyTorch's own function."""

from __future__ import annotations

import math
from typing import Any

import pytest

import rushlight as torch
from rushlight.nn.attention.flex_attention import (
    and_masks,
    create_block_mask,
    create_mask,
    flex_attention,
    or_masks,
)


def causal(b: Any, h: Any, q: Any, k: Any) -> Any:
    return q >= k


def near(b: Any, h: Any, q: Any, k: Any) -> Any:
    return (q - k).abs() <= 1


def inputs(heads: int = 2) -> list[Any]:
    torch.manual_seed(0)
    return [torch.randn(2, heads, 5, 4, requires_grad=True) for _ in range(3)]


def test_a_mask_is_attention_with_that_mask_and_so_are_its_gradients() -> None:
    q, k, v = inputs()
    for mask_mod in (causal, and_masks(causal, near), or_masks(causal, near)):
        ours = flex_attention(q, k, v, block_mask=create_block_mask(mask_mod, None, None, 5, 5))
        plain = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=create_mask(mask_mod, None, None, 5, 5)
        )
        torch.testing.assert_close(ours, plain)
        for one, other in zip(
            torch.autograd.grad(ours.sum(), (q, k, v)),
            torch.autograd.grad(plain.sum(), (q, k, v)),
            strict=True,
        ):
            torch.testing.assert_close(one, other)


def test_scores_see_every_position_and_may_index_tensors() -> None:
    q, k, v = inputs()
    bias = torch.randn(2, 2, 5, 5)
    ours = flex_attention(q, k, v, score_mod=lambda score, b, h, i, j: score + bias[b, h, i, j])
    torch.testing.assert_close(
        ours, torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    )


def test_a_query_that_keeps_nothing_gives_zeros() -> None:
    q, k, v = inputs()
    mask = create_block_mask(lambda b, h, i, j: (i > 0) & (j >= 0), None, None, 5, 5)
    out, lse = flex_attention(q, k, v, block_mask=mask, return_lse=True)
    assert (out[:, :, 0] == 0).all() and (lse[:, :, 0] == -math.inf).all()
    assert out.isfinite().all()
    (gradient,) = torch.autograd.grad(out.sum(), q)
    assert gradient.isfinite().all()


def test_fewer_heads_of_keys() -> None:
    q, _, _ = inputs(4)
    _, k, v = inputs(2)
    ours = flex_attention(q, k, v, enable_gqa=True)
    torch.testing.assert_close(
        ours, torch.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    )
    with pytest.raises(ValueError, match="enable_gqa"):
        flex_attention(q, k, v)


def test_block_masks() -> None:
    mask = create_block_mask(causal, 2, None, 256, 384)
    assert mask.shape == (2, 1, 256, 384)
    assert mask.to_dense()[0, 0].tolist() == [[1, 0, 0], [1, 1, 0]]
    assert mask.sparsity() == 50.0
    q, k, v = inputs()
    with pytest.raises(ValueError, match="block_mask"):
        flex_attention(q, k, v, block_mask=mask)
    with pytest.raises(RuntimeError, match="callable"):
        and_masks(causal, 3)  # type: ignore[arg-type]


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore:flex_attention called without")  # PyTorch's own wants to be compiled
def test_as_pytorch() -> None:
    theirs = pytest.importorskip("torch")
    from torch.nn.attention import flex_attention as module

    torch.manual_seed(0)
    arrays = [torch.randn(1, 2, 16, 8).numpy() for _ in range(3)]

    def scored(score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return score * 0.5 + (i - j) * 0.1 * (h + 1)

    expected = module.flex_attention(
        *[theirs.from_numpy(a) for a in arrays],
        score_mod=scored,
        block_mask=module.create_block_mask(causal, None, None, 16, 16, device="cpu"),
    )
    actual = flex_attention(
        *[torch.from_numpy(a) for a in arrays],
        score_mod=scored,
        block_mask=create_block_mask(causal, None, None, 16, 16),
    )
    torch.testing.assert_close(actual, torch.from_numpy(expected.numpy()))
