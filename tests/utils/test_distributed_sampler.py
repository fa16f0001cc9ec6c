"""The parts of a dataset that several processes visit."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight
from rushlight.utils.data import DistributedSampler


@pytest.mark.parametrize("count", [0, 1, 5, 7, 8])
@pytest.mark.parametrize("drop_last", [False, True])
def test_every_index_is_visited_by_parts_of_one_size(count: int, drop_last: bool) -> None:
    parts = [list(DistributedSampler(range(count), 3, rank, drop_last=drop_last)) for rank in range(3)]
    assert {len(part) for part in parts} == {count // 3 if drop_last else -(-count // 3)}
    visited = sorted(i for part in parts for i in part)
    if drop_last:
        assert len(set(visited)) == len(visited)
    else:
        assert set(visited) == set(range(count))


def test_epochs_differ_and_repeat() -> None:
    sampler = DistributedSampler(range(20), 2, 0, seed=3)
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert list(DistributedSampler(range(20), 2, 0, seed=4)) == list(sampler)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="Invalid rank 2"):
        DistributedSampler(range(3), 2, 2)
    with pytest.raises(ValueError, match="Default process group has not been initialized"):
        DistributedSampler(range(3))


@pytest.mark.parity
@pytest.mark.parametrize("options", [{}, {"shuffle": False}, {"seed": 5}, {"drop_last": True}])
def test_the_order_is_that_of_pytorch(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    for count in (1, 2, 10, 11):
        for rank in range(3):
            ours = rushlight.utils.data.distributed.DistributedSampler(range(count), 3, rank, **options)
            theirs = torch.utils.data.distributed.DistributedSampler(range(count), 3, rank, **options)
            ours.set_epoch(2)
            theirs.set_epoch(2)
            assert list(ours) == list(theirs)
            assert len(ours) == len(theirs)
