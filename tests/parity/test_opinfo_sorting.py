"""Sorting, order statistics and distinct elements against PyTorch on its own samples."""

from __future__ import annotations

import pytest

from . import opinfo

pytestmark = pytest.mark.parity
NAMES = [
    "sort", "argsort", "msort", "topk", "kthvalue", "median", "nanmedian", "mode", "quantile", "nanquantile",
    "unique", "unique_consecutive", "isin",
]  # fmt: skip
KNOWN: dict[tuple[str, str], str] = {}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", opinfo.CHECKS)
def test_opinfo(check: str, name: str) -> None:
    opinfo.run(check, name, known=KNOWN)
