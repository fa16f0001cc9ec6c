"""Pointwise operations against PyTorch on its own samples."""

from __future__ import annotations

import pytest

from . import opinfo

pytestmark = pytest.mark.parity
NAMES = ["add", "neg"]

@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", opinfo.CHECKS)
def test_opinfo(check: str, name: str) -> None:
    opinfo.run(check, name)
