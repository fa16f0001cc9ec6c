"""Data loading against PyTorch: the same batches in the same order for the same seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")


def _listed(batches: Any) -> Any:
    if hasattr(batches, "tolist"):
        return (str(batches.dtype), batches.tolist())
    if isinstance(batches, dict):
        return {key: _listed(value) for key, value in batches.items()}
    if isinstance(batches, list | tuple):
        return [_listed(value) for value in batches]
    return batches


def _both(run: Any) -> tuple[Any, Any]:
    results = []
    for library in (rushlight, torch):
        library.manual_seed(7)
        results.append(_listed(run(library)))
    return results[0], results[1]


def _tensors(lib: Any) -> Any:
    return lib.utils.data.TensorDataset(lib.arange(23), lib.arange(46).reshape(23, 2).float())


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 5},
        {"batch_size": 5, "shuffle": True},
        {"batch_size": 5, "shuffle": True, "drop_last": True},
        {"batch_size": None},
        {"batch_size": None, "shuffle": True},
    ],
)
def test_batches_agree_over_two_epochs(options: dict[str, Any]) -> None:
    def run(lib: Any) -> Any:
        loader = lib.utils.data.DataLoader(_tensors(lib), **options)
        batches = [list(loader), list(loader)]
        return [len(loader), batches, lib.rand(1)]  # the stream is at the same place afterwards

    ours, theirs = _both(run)
    assert ours == theirs


def test_workers_give_the_same_batches() -> None:
    def run(lib: Any, workers: int) -> Any:
        generator = lib.Generator().manual_seed(3)
        loader = lib.utils.data.DataLoader(
            _tensors(lib), 4, shuffle=True, num_workers=workers, generator=generator
        )
        return [list(loader), list(loader)]

    assert _listed(run(rushlight, 2)) == _listed(run(rushlight, 0)) == _listed(run(torch, 0))


@pytest.mark.parametrize(
    "sampler",
    [
        lambda lib: lib.utils.data.RandomSampler(range(10)),
        lambda lib: lib.utils.data.RandomSampler(range(10), replacement=True, num_samples=70),
        lambda lib: lib.utils.data.RandomSampler(range(10), num_samples=25),
        lambda lib: lib.utils.data.RandomSampler(range(10), num_samples=4),
        lambda lib: lib.utils.data.RandomSampler(range(10), generator=lib.Generator().manual_seed(5)),
        lambda lib: lib.utils.data.SubsetRandomSampler([3, 5, 7, 9]),
        lambda lib: lib.utils.data.WeightedRandomSampler([0.1, 0.5, 0.4], 12),
        lambda lib: lib.utils.data.WeightedRandomSampler([0.1, 0.5, 0.4], 3, replacement=False),
        lambda lib: lib.utils.data.BatchSampler(lib.utils.data.SequentialSampler(range(7)), 3, False),
        lambda lib: lib.utils.data.BatchSampler(lib.utils.data.SequentialSampler(range(7)), 3, True),
    ],
)
def test_samplers_agree(sampler: Any) -> None:
    def run(lib: Any) -> Any:
        made = sampler(lib)
        return [list(made), len(made), list(made), lib.rand(1)]

    ours, theirs = _both(run)
    assert ours == theirs


@pytest.mark.parametrize("lengths", [[3, 7], [0.5, 0.3, 0.2], [0.33, 0.33, 0.34]])
def test_random_split_agrees(lengths: list[Any]) -> None:
    ours, theirs = _both(lambda lib: [list(part) for part in lib.utils.data.random_split(range(10), lengths)])
    assert ours == theirs


@pytest.mark.parametrize(
    "make",
    [
        lambda lib: [1, 2, 3],
        lambda lib: [1.5, 2.0],
        lambda lib: [True, False],
        lambda lib: ["a", "b"],
        lambda lib: [(1, 2.0, "x"), (3, 4.0, "y")],
        lambda lib: [{"a": 1, "b": [1.0, 2.0]}, {"a": 2, "b": [3.0, 4.0]}],
        lambda lib: [np.ones(2, np.float32), np.zeros(2, np.float32)],
        lambda lib: [np.float32(1), np.float32(2)],
        lambda lib: [lib.ones(2), lib.zeros(2)],
        lambda lib: [{"n": (lib.ones(1), 3)}, {"n": (lib.zeros(1), 4)}],
    ],
)
def test_collation_agrees(make: Any) -> None:
    ours, theirs = _both(lambda lib: lib.utils.data.default_collate(make(lib)))
    assert ours == theirs


def _raised(action: Any) -> type[Exception] | None:
    try:
        action()
    except Exception as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    "build",
    [
        lambda data, lib: data.DataLoader([1], batch_size=0),
        lambda data, lib: data.DataLoader([1], num_workers=-1),
        lambda data, lib: data.DataLoader([1], shuffle=True, sampler=[0]),
        lambda data, lib: data.DataLoader([1], batch_sampler=[[0]], batch_size=2),
        lambda data, lib: data.DataLoader([1], batch_size=None, drop_last=True),
        lambda data, lib: data.DataLoader([1], prefetch_factor=2),
        lambda data, lib: data.DataLoader([1], persistent_workers=True),
        lambda data, lib: data.DataLoader([1], timeout=-1),
        lambda data, lib: data.RandomSampler([1], replacement="yes"),
        lambda data, lib: data.WeightedRandomSampler([1.0], 0),
        lambda data, lib: data.BatchSampler([0], 0, False),
        lambda data, lib: data.BatchSampler([0], 1, 3),
        lambda data, lib: data.random_split(range(3), [1, 1]),
        lambda data, lib: data.TensorDataset(lib.ones(2), lib.ones(3)),
        lambda data, lib: data.ConcatDataset([]),
        lambda data, lib: data.default_collate([lib.ones(2), lib.ones(3)]),
        lambda data, lib: data.default_collate([[1, 2], [1]]),
        lambda data, lib: data.default_collate([object()]),
    ],
)
def test_errors_agree(build: Any) -> None:
    expected = _raised(lambda: build(torch.utils.data, torch))
    assert expected is not None
    assert _raised(lambda: build(rushlight.utils.data, rushlight)) is expected


def test_iterations_by_pytorch_s_names() -> None:
    from rushlight.utils.data.dataloader import (
        _BaseDataLoaderIter,
        _DatasetKind,
        _MultiProcessingDataLoaderIter,
        _SingleProcessDataLoaderIter,
    )

    class Stream:
        """What fastai hands to an iteration: no DataLoader, only its attributes."""

        _IterableDataset_len_called, _auto_collation, drop_last, in_order = None, False, False, True
        generator, prefetch_factor, pin_memory, timeout, persistent_workers = None, 2, False, 0, False
        _index_sampler, _dataset_kind, num_workers = range(100), _DatasetKind.Iterable, 0
        worker_init_fn = multiprocessing_context = None

        def __init__(self) -> None:
            self.dataset = self

        def __iter__(self) -> Any:
            return iter(range(3))

        @staticmethod
        def collate_fn(sample: Any) -> Any:
            return sample * 10

    assert list(_SingleProcessDataLoaderIter(Stream())) == [0, 10, 20]
    several = Stream()
    several.num_workers = 1
    assert list(_MultiProcessingDataLoaderIter(several)) == [0, 10, 20]
    for module in (torch, rushlight):
        loader = module.utils.data.DataLoader([1, 2, 3])
        assert type(iter(loader)).__name__ == "_SingleProcessDataLoaderIter" and len(iter(loader)) == 3
        assert loader._dataset_kind == _DatasetKind.Map and loader._iterator is None
        assert isinstance(module.utils.data.DataLoader[int]([1]), module.utils.data.DataLoader)
    assert isinstance(iter(loader), _BaseDataLoaderIter)


def test_fixed_attributes_and_contexts() -> None:
    for module in (torch, rushlight):
        make = module.utils.data.DataLoader
        loader = make([1, 2, 3])
        for name in ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"):
            with pytest.raises(ValueError, match=f"{name} attribute should not be set after DataLoader is"):
                setattr(loader, name, 3)
        loader.collate_fn = len
        assert list(loader) == [1, 1, 1]
        assert make([1], num_workers=1, multiprocessing_context="fork").multiprocessing_context is not None
        with pytest.raises(ValueError, match="can only be used with multi-process loading"):
            make([1], multiprocessing_context="fork")
        with pytest.raises(ValueError, match="valid start method"):
            make([1], num_workers=1, multiprocessing_context="frok")
        with pytest.raises(TypeError, match="valid context object"):
            make([1], num_workers=1, multiprocessing_context=3)


def test_a_stream_longer_than_its_length() -> None:
    for module in (torch, rushlight):

        class Long(module.utils.data.IterableDataset):
            def __iter__(self) -> Any:
                return iter(range(4))

            def __len__(self) -> int:
                return 3

        loader = module.utils.data.DataLoader(Long())
        assert len(loader) == 3
        with pytest.warns(UserWarning, match="was reported to be 3"):
            assert len(list(loader)) == 4


def test_collating_by_a_table() -> None:
    class Point:
        def __init__(self, x: float) -> None:
            self.x = x

    class Named(dict):  # type: ignore[type-arg]
        name = "plain"

    results = []
    for module in (torch, rushlight):
        if module is torch:
            from torch.utils.data._utils.collate import collate, default_collate_fn_map
        else:
            from rushlight.utils.data._utils.collate import collate, default_collate_fn_map
        table = {**default_collate_fn_map, Point: lambda batch, *, collate_fn_map=None: [p.x for p in batch]}
        first = Named(a=1, p=Point(2.0))
        first.name = "own"
        made = collate([first, Named(a=3, p=Point(4.0))], collate_fn_map=table)
        with pytest.raises(TypeError, match="must contain tensors"):
            collate([Point(1.0)], collate_fn_map=default_collate_fn_map)
        with pytest.raises(TypeError, match="<U1"):
            collate([np.array(["a"])], collate_fn_map=table)
        results.append((type(made), made.name, made["a"].tolist(), made["p"], first["a"]))
    assert results[0] == results[1]
