"""What an iteration over a DataLoader is, wherever its batches are made: kinds of datasets, fetching, counting."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ...core.tensor import Tensor
from ...ops.random import draw_seed
from .dataset import IterableDataset


class _DatasetKind:
    """How a loader reads its dataset: by index, or as a stream."""

    Map: Final = 0
    Iterable: Final = 1

    @staticmethod
    def create_fetcher(
        kind: int, dataset: Any, auto_collation: bool, collate_fn: Callable[[Any], Any], drop_last: bool
    ) -> Any:
        """An object whose ``fetch`` gives the batch of what the index sampler gave."""
        return _Fetcher(make_fetcher(dataset, kind, auto_collation, collate_fn, drop_last))


class _Fetcher:
    def __init__(self, fetch: Callable[[Any], Any]) -> None:
        self.fetch = fetch


class _BaseDataLoaderIter:
    """One epoch of a loader: what iterations in this process and over workers have in common.

    ``loader`` may be any object with a loader's attributes.
    """

    def __init__(self, loader: Any) -> None:
        self._dataset = loader.dataset
        self._dataset_kind: int = loader._dataset_kind
        self._IterableDataset_len_called: int | None = loader._IterableDataset_len_called
        self._auto_collation: bool = loader._auto_collation
        self._drop_last: bool = loader.drop_last
        self._index_sampler = loader._index_sampler
        self._num_workers: int = loader.num_workers
        self._pin_memory: bool = loader.pin_memory
        self._timeout: float = loader.timeout
        self._collate_fn: Callable[[Any], Any] = loader.collate_fn
        self._persistent_workers: bool = loader.persistent_workers
        self._sampler_iter: Iterator[Any] = iter(self._index_sampler)
        # Drawn by PyTorch for every new iteration, also where there are no workers: the stream must agree.
        self._base_seed: int = draw_seed(loader.generator)
        self._num_yielded = 0

    def _reset(self, loader: Any, first_iter: bool = False) -> None:
        """Begin another epoch."""
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0
        self._IterableDataset_len_called = loader._IterableDataset_len_called

    def _next_index(self) -> Any:
        """What the index sampler gives next; may raise ``StopIteration``."""
        return next(self._sampler_iter)

    def _next_data(self) -> Any:
        """The next batch; ``StopIteration`` at the end."""
        raise NotImplementedError

    def _counted(self, batch: Any) -> Any:
        """Count a batch, and warn where a stream gives more than its length promised."""
        self._num_yielded += 1
        promised = self._IterableDataset_len_called
        if (
            promised is not None
            and self._num_yielded > promised
            and self._dataset_kind == _DatasetKind.Iterable
        ):
            warnings.warn(
                f"Length of IterableDataset {self._dataset} was reported to be {promised} (when accessing "
                f"len(dataloader)), but {self._num_yielded} samples have been fetched.",
                stacklevel=3,
            )
        return batch

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._counted(self._next_data())

    def __len__(self) -> int:
        return len(self._index_sampler)


def kind_of(dataset: Any) -> int:
    """How a loader reads ``dataset``."""
    return _DatasetKind.Iterable if isinstance(dataset, IterableDataset) else _DatasetKind.Map


def pinned(batch: Any) -> Any:
    """A batch with its tensors in page-locked memory, where a GPU is in use; what has a method ``pin_memory`` uses that."""
    if isinstance(batch, Tensor):
        return batch.pin_memory()
    if isinstance(batch, str | bytes):
        return batch
    if isinstance(batch, Mapping):
        return type(batch)({key: pinned(item) for key, item in batch.items()})  # type: ignore[call-arg]
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*[pinned(item) for item in batch])
    if isinstance(batch, list | tuple):
        return type(batch)([pinned(item) for item in batch])
    return batch.pin_memory() if hasattr(batch, "pin_memory") else batch


def make_fetcher(
    dataset: Any, kind: int, batched: bool, collate: Callable[[Any], Any], drop_last: bool
) -> Callable[[Any], Any]:
    """The function from what the index sampler gives to a batch; raises ``StopIteration`` at a stream's end."""
    if kind == _DatasetKind.Iterable:
        stream = iter(dataset)

        def from_stream(indices: Any) -> Any:
            if not batched:
                return collate(next(stream))
            samples = []
            for _ in indices:
                try:
                    samples.append(next(stream))
                except StopIteration:
                    break
            if not samples or (drop_last and len(samples) < len(indices)):
                raise StopIteration
            return collate(samples)

        return from_stream
    if not batched:
        return lambda index: collate(dataset[index])

    def from_map(indices: Any) -> Any:
        several = getattr(dataset, "__getitems__", None)
        return collate(several(indices) if callable(several) else [dataset[i] for i in indices])

    return from_map
