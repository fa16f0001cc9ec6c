"""Data loading: workers, streams, errors."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    StackDataset,
    get_worker_info,
)


class Squares(Dataset):
    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Any:
        return torch.tensor(index * index)


class Draws(Squares):
    def __getitem__(self, index: int) -> Any:
        info = get_worker_info()
        assert info is not None
        return info.id, info.seed, torch.rand(1).item(), float(np.random.rand())


class Stream(IterableDataset):
    def __iter__(self) -> Iterator[int]:
        info = get_worker_info()
        number, count = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(number, 10, count))


class Failing(Squares):
    def __getitem__(self, index: int) -> Any:
        if index == 6:
            raise ValueError("sample six is broken")
        return index


class Dying(Squares):
    def __getitem__(self, index: int) -> Any:
        if index == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        return index


def test_workers_load_in_order_in_every_epoch() -> None:
    loader = DataLoader(Squares(), batch_size=3, num_workers=2)
    expected = [[0, 1, 4], [9, 16, 25], [36, 49, 64], [81]]
    assert [b.tolist() for b in loader] == expected
    assert [b.tolist() for b in loader] == expected


def test_persistent_workers_survive_an_epoch_that_was_left_early() -> None:
    loader = DataLoader(Squares(), batch_size=3, num_workers=2, persistent_workers=True)
    next(iter(loader))
    assert [b.tolist() for b in loader] == [[0, 1, 4], [9, 16, 25], [36, 49, 64], [81]]
    loader._iterator.pool.stop()


def test_workers_have_seeds_that_differ_and_change_with_the_epoch() -> None:
    torch.manual_seed(0)
    loader = DataLoader(Draws(), batch_size=None, num_workers=2)
    first, second = list(loader), list(loader)
    assert {sample[0] for sample in first} == {0, 1}
    seeds = {sample[1] for sample in first} | {sample[1] for sample in second}
    assert len(seeds) == 4
    draws = [sample[2] for sample in first + second]
    assert len(set(draws)) == len(draws)
    assert len({sample[3] for sample in first + second}) == len(draws)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_a_stream_is_shared_by_workers() -> None:
    assert sorted(
        np.concatenate([b.tolist() for b in DataLoader(Stream(), batch_size=2, num_workers=3)])
    ) == list(range(10))
    assert [b.tolist() for b in DataLoader(Stream(), batch_size=4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [b.tolist() for b in DataLoader(Stream(), batch_size=4, drop_last=True)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
    ]


def test_an_error_in_a_worker_is_raised_with_its_traceback() -> None:
    with pytest.raises(ValueError, match=r"worker process 0(?s:.*)sample six is broken"):
        list(DataLoader(Failing(), batch_size=2, num_workers=1))


def test_a_dead_worker_ends_the_epoch() -> None:
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(DataLoader(Dying(), batch_size=2, num_workers=1))


def test_worker_init_fn_runs_in_each_worker() -> None:
    def init(number: int) -> None:
        torch.manual_seed(100 + number)

    loader = DataLoader(Draws(), batch_size=None, num_workers=2, worker_init_fn=init)
    samples = list(loader)
    torch.manual_seed(100)
    assert samples[0][2] == torch.rand(1).item()


def test_datasets_side_by_side_and_in_a_row() -> None:
    both = StackDataset(a=Squares(), b=range(10))
    assert both[3] == {"a": torch.tensor(9), "b": 3}
    row = ConcatDataset([Squares(), Squares()])
    assert len(row) == 20
    assert row[13].item() == row[-7].item() == 9
    with pytest.raises(ValueError, match="absolute value of index"):
        row[-21]


def test_collate_fn_gets_the_samples() -> None:
    loader = DataLoader([1, 2, 3], batch_size=2, collate_fn=lambda samples: samples)
    assert list(loader) == [[1, 2], [3]]
