"""Scans, differences and integrals against PyTorch on its own samples."""

from __future__ import annotations

import pytest

from . import opinfo

pytestmark = pytest.mark.parity
NAMES = [
    "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "diff", "trapezoid", "trapz", "cumulative_trapezoid",
]  # fmt: skip
KNOWN: dict[tuple[str, str], str] = {}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", opinfo.CHECKS)
def test_opinfo(check: str, name: str) -> None:
    opinfo.run(check, name, known=KNOWN)
