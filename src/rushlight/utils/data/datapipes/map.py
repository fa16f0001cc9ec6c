"""Steps of samples by index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .datapipe import InBatches, IterDataPipe, MapDataPipe as MapDataPipe, Shuffling, functional_datapipe


class SequenceWrapperMapDataPipe(MapDataPipe):
    """A sequence (or mapping) as a pipe; copied first unless ``deepcopy`` is False."""

    def __init__(self, sequence: Any, deepcopy: bool = True) -> None:
        if deepcopy:
            import copy

            sequence = copy.deepcopy(sequence)
        self.sequence = sequence

    def __getitem__(self, index: Any) -> Any:
        return self.sequence[index]

    def __len__(self) -> int:
        return len(self.sequence)


@functional_datapipe("map")
class MapperMapDataPipe(MapDataPipe):
    """``fn`` of each sample."""

    def __init__(self, datapipe: Any, fn: Callable[[Any], Any] = lambda data: data) -> None:
        self.datapipe, self.fn = datapipe, fn

    def __getitem__(self, index: Any) -> Any:
        return self.fn(self.datapipe[index])

    def __len__(self) -> int:
        return len(self.datapipe)


@functional_datapipe("batch")
class BatcherMapDataPipe(InBatches, MapDataPipe):
    """Batches of ``batch_size`` samples; ``drop_last`` leaves a shorter last one out."""

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"Index {index} is out of bound.")
        stop = min((index + 1) * self.batch_size, len(self.datapipe))
        return self.wrapper_class([self.datapipe[i] for i in range(index * self.batch_size, stop)])


@functional_datapipe("zip")
class ZipperMapDataPipe(MapDataPipe):
    """Tuples of one sample of each pipe."""

    def __init__(self, *datapipes: Any) -> None:
        if not datapipes:
            raise ValueError("Expected at least one DataPipe, but got nothing")
        self.datapipes = datapipes

    def __getitem__(self, index: Any) -> Any:
        return tuple([pipe[index] for pipe in self.datapipes])

    def __len__(self) -> int:
        return min(len(pipe) for pipe in self.datapipes)


@functional_datapipe("concat")
class ConcaterMapDataPipe(MapDataPipe):
    """One pipe after another."""

    def __init__(self, *datapipes: Any) -> None:
        if not datapipes:
            raise ValueError("Expected at least one DataPipe, but got nothing")
        self.datapipes = datapipes

    def __getitem__(self, index: Any) -> Any:
        offset = 0
        for pipe in self.datapipes:
            if index - offset < len(pipe):
                return pipe[index - offset]
            offset += len(pipe)
        raise IndexError(f"Index {index} is out of range.")

    def __len__(self) -> int:
        return sum(len(pipe) for pipe in self.datapipes)


class ShufflerIterDataPipe(Shuffling, IterDataPipe):
    """The samples of ``indices`` (or all) in a random order."""

    def __init__(self, datapipe: Any, *, indices: Any = None) -> None:
        self.datapipe = datapipe
        self.indices = list(range(len(datapipe))) if indices is None else list(indices)

    def __iter__(self) -> Iterator[Any]:
        order = list(self.indices)
        if self._enabled:
            self._generator().shuffle(order)
        for index in order:
            yield self.datapipe[index]


# A step of samples by index that gives a stream.
MapDataPipe.register_function("shuffle", ShufflerIterDataPipe)

SequenceWrapper = SequenceWrapperMapDataPipe
Mapper, Batcher, Zipper = MapperMapDataPipe, BatcherMapDataPipe, ZipperMapDataPipe
Concater, Shuffler = ConcaterMapDataPipe, ShufflerIterDataPipe
