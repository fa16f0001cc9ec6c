"""DataLoader: batches of a dataset, in order or shuffled, made here or in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...core.tensor import Tensor
from .collate import default_collate, default_convert
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler


class _Endless(Sampler):
    """What stands for the sampler of an iterable dataset: it has no indices."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader:
    """Iterates over a dataset in batches.

    Args:
        dataset: with ``[index]`` and ``len``, or iterable.   batch_size: samples in a batch; None: single samples.
        shuffle: a new random order in each epoch, PyTorch's for the same seed.   sampler, batch_sampler: orders of your
        own.   num_workers: processes that load ahead; 0 loads here.   collate_fn: makes a batch of a list of samples.
        drop_last: leave out a shorter last batch.   timeout: seconds to wait for a worker's batch.   worker_init_fn:
        called with the worker's number when it starts.   generator: the source of the order and of the workers' seeds.
        prefetch_factor: batches each worker loads ahead.   persistent_workers: keep workers between epochs.

    Raises ``ValueError`` for options that exclude each other; an error in a worker is raised here with its traceback.

    Example:
        >>> import rushlight as torch
        >>> loader = torch.utils.data.DataLoader(list(range(5)), batch_size=2)
        >>> [batch.tolist() for batch in loader]
        [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError(
                "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing."
            )
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing. let num_workers > 0 to enable "
                "multiprocessing, otherwise set prefetch_factor to None."
            )
        if prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        iterable = isinstance(dataset, IterableDataset)
        if iterable:
            if shuffle:
                raise ValueError(
                    f"DataLoader with IterableDataset: expected unspecified shuffle option, but got shuffle={shuffle}"
                )
            if sampler is not None or batch_sampler is not None:
                given = "sampler" if sampler is not None else "batch_sampler"
                raise ValueError(f"DataLoader with IterableDataset: expected unspecified {given} option")
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
            )
        if sampler is None:
            if iterable:
                sampler = _Endless()
            else:
                sampler = (
                    RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
                )
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self.collate_fn = collate_fn or (default_collate if self._auto_collation else default_convert)
        self._kept_workers: Any = None

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    def __iter__(self) -> Iterator[Any]:
        from ...ops.random import draw_seed

        if self._kept_workers is not None:
            return self._kept_workers.epoch(self, None, keep=True)  # type: ignore[no-any-return]
        # Drawn by PyTorch for every new set of workers, also where there are none: the stream must agree.
        seed = draw_seed(self.generator)
        if self.num_workers == 0:
            return _Here(self)
        from .worker import WorkerPool

        if self.persistent_workers:
            self._kept_workers = WorkerPool(self)
            return self._kept_workers.epoch(self, seed, keep=True)  # type: ignore[no-any-return]
        return WorkerPool(self).epoch(self, seed, keep=False)

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            length = len(self.dataset)  # type: ignore[arg-type]
            if self.batch_size is None:
                return length
            return length // self.batch_size if self.drop_last else -(-length // self.batch_size)
        return len(self._index_sampler)


class _Here:
    """One epoch made in this process."""

    def __init__(self, loader: DataLoader) -> None:
        self._length = loader.__len__
        self._pins = loader.pin_memory
        self._indices = iter(loader._index_sampler)
        self._fetch = make_fetcher(
            loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last
        )

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        batch = self._fetch(next(self._indices))
        return pinned(batch) if self._pins else batch

    def __len__(self) -> int:
        return self._length()


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
    dataset: Any, batched: bool, collate: Callable[[Any], Any], drop_last: bool
) -> Callable[[Any], Any]:
    """The function from what the index sampler gives to a batch; raises ``StopIteration`` at a stream's end."""
    if isinstance(dataset, IterableDataset):
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
