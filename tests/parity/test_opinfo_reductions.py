"""Reductions against PyTorch on its own samples."""

from __future__ import annotations

import pytest

from . import opinfo

pytestmark = pytest.mark.parity
NAMES = [
    "sum", "nansum", "mean", "nanmean", "prod", "logsumexp", "all", "any", "count_nonzero",
    "max", "min", "amax", "amin", "aminmax", "argmax", "argmin",
    "std", "var", "std_mean", "var_mean", "cov", "corrcoef", "bincount", "histc", "histogram", "histogramdd",
    "norm", "dist", "cdist", "renorm", "nn.functional.pairwise_distance", "nn.functional.pdist",
]  # fmt: skip
KNOWN: dict[tuple[str, str], str] = {}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", opinfo.CHECKS)
def test_opinfo(check: str, name: str) -> None:
    opinfo.run(check, name, known=KNOWN)
