"""Groups, messages, objects, gradients of collectives, and what happens where ranks disagree."""

from __future__ import annotations

import pytest

from .job import must_succeed


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_groups_messages_objects_gradients_and_disagreement(ranks: int) -> None:
    printed = must_succeed("groups.py", ranks)
    assert sorted(printed.split("\n")[:-1]) == [f"fine {rank}" for rank in range(ranks)]
