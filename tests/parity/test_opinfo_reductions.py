"""Reductions against PyTorch on its own samples."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight

from . import opinfo

pytestmark = pytest.mark.parity
NAMES = [
    "sum", "nansum", "mean", "nanmean", "prod", "logsumexp", "all", "any", "count_nonzero",
    "max", "min", "amax", "amin", "aminmax", "argmax", "argmin",
    "std", "var", "std_mean", "var_mean", "cov", "corrcoef", "bincount", "histc", "histogram", "histogramdd",
    "norm", "dist", "cdist", "renorm", "nn.functional.pairwise_distance", "nn.functional.pdist",
]  # fmt: skip
KNOWN: dict[tuple[str, str], str] = {}
TOLERANCES: dict[tuple[str, str], Any] = {
    # PyTorch adds the weights up one by one in float32, Rushlight in float64.
    **{("histogram", check): {"float32": (1e-5, 1e-5)} for check in ("forward", "methods", "out")},
    # The gradient of float32 weights of complex128 observations is a difference of large float32 numbers.
    ("cov", "gradients"): {"complex128": (3e-5, 1e-4)},
}
FUNCTIONS = {
    "nn.functional.pairwise_distance": rushlight.pairwise_distance,
    "nn.functional.pdist": rushlight.pdist,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", opinfo.CHECKS)
def test_opinfo(check: str, name: str) -> None:
    tolerance = TOLERANCES.get((name, check))
    opinfo.run(check, name, known=KNOWN, tolerance=tolerance, functions=FUNCTIONS)
