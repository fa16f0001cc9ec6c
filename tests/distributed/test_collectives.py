"""Collectives give what NumPy gives, on one to four ranks."""

from __future__ import annotations

import pytest

from .job import must_succeed


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_collectives_give_what_numpy_gives(ranks: int) -> None:
    printed = must_succeed("collectives.py", ranks, seconds=120)
    assert sorted(printed.split("\n")[:-1]) == [f"fine {rank}" for rank in range(ranks)]
