"""The functions of ``nn.functional`` that are not convolution, pooling, normalization or recurrent, on PyTorch's samples."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight.nn as nn
import rushlight.nn.functional as F

from . import opinfo

pytestmark = pytest.mark.parity

NAMES = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "bilinear", "channel_shuffle",
    "cosine_embedding_loss", "cosine_similarity", "cross_entropy", "embedding", "embedding_bag",
    "gaussian_nll_loss", "hinge_embedding_loss", "huber_loss", "interpolate", "kl_div", "l1_loss", "linear",
    "margin_ranking_loss", "mse_loss", "multi_margin_loss", "multilabel_margin_loss",
    "multilabel_soft_margin_loss", "nll_loss", "normalize", "pad", "pairwise_distance", "pixel_shuffle",
    "pixel_unshuffle", "poisson_nll_loss", "scaled_dot_product_attention", "smooth_l1_loss", "soft_margin_loss",
    "softmin", "triplet_margin_loss", "triplet_margin_with_distance_loss", "unfold", "upsample_bilinear",
    "upsample_nearest",
]  # fmt: skip

# The database calls these with the weight first.
FUNCTIONS: dict[str, Any] = {
    "nn.functional.embedding": lambda weight, indices, **options: F.embedding(indices, weight, **options),
    "nn.functional.embedding_bag": lambda weight, indices, *args, **options: F.embedding_bag(
        indices, weight, *args, **options
    ),
    # Samples bring a module of torch; Rushlight's own takes its place.
    "nn.functional.triplet_margin_with_distance_loss": lambda *args, distance_function=None, **options: (
        F.triplet_margin_with_distance_loss(*args, distance_function=nn.PairwiseDistance(), **options)
    ),
}
OPTIONS: dict[str, dict[str, Any]] = {
    # Dropout is random; tests/parity/test_dropout.py compares it with seeds.
    # The samples' scores reach 200, where float32 numbers are 1.5e-5 apart, and their exponentials differ by that ratio.
    "scaled_dot_product_attention": {
        "accept": lambda sample: not sample.kwargs.get("dropout_p"),
        "tolerance": {"float32": (5e-5, 5e-5)},
    },
}
KNOWN: dict[tuple[str, str], str] = {}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", opinfo.CHECKS)
def test_opinfo(check: str, name: str) -> None:
    opinfo.run(check, f"nn.functional.{name}", known=KNOWN, functions=FUNCTIONS, **OPTIONS.get(name, {}))
