"""Steps of a stream."""

from __future__ import annotations

import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from typing import Any

from ..collate import default_collate
from ..worker import get_worker_info
from .datapipe import DataChunk, InBatches, IterDataPipe as IterDataPipe, Shuffling, functional_datapipe


class IterableWrapperIterDataPipe(IterDataPipe):
    """What is iterable as a pipe; copied for each pass, so that a pass changes nothing, unless ``deepcopy`` is False."""

    def __init__(self, iterable: Any, deepcopy: bool = True) -> None:
        self.iterable, self.deepcopy = iterable, deepcopy

    def __iter__(self) -> Iterator[Any]:
        source = self.iterable
        if self.deepcopy:
            import copy

            try:
                source = copy.deepcopy(source)
            except TypeError:  # iterators and generators cannot be copied
                import warnings

                warnings.warn(
                    "The input iterable can not be deepcopied, please be aware of in-place modification would affect "
                    "source data.",
                    stacklevel=2,
                )
        yield from source

    def __len__(self) -> int:
        return len(self.iterable)


@functional_datapipe("map")
class MapperIterDataPipe(IterDataPipe):
    """``fn`` of each element, or of its parts ``input_col``; the result replaces the element, or its part ``output_col``."""

    def __init__(
        self, datapipe: Any, fn: Callable[..., Any], input_col: Any = None, output_col: Any = None
    ) -> None:
        if input_col is None and output_col is not None:
            raise ValueError("`output_col` must be None when `input_col` is None.")
        if isinstance(output_col, list | tuple):
            if len(output_col) > 1:
                raise ValueError("`output_col` must be a single-element list or tuple")
            output_col = output_col[0]
        self.datapipe, self.fn, self.input_col, self.output_col = datapipe, fn, input_col, output_col

    def _applied(self, data: Any) -> Any:
        column = self.input_col
        if column is None:
            return self.fn(data)
        several = isinstance(column, list | tuple)
        result = self.fn(*[data[c] for c in column]) if several else self.fn(data[column])
        changed: Any = dict(data) if isinstance(data, dict) else list(data)
        if self.output_col is None:
            if several:
                changed[column[0]] = result
                rest = column[1:]
                # From the back, so that what is deleted moves none of the others.
                for extra in rest if isinstance(changed, dict) else sorted(rest, reverse=True):
                    del changed[extra]
            else:
                changed[column] = result
        elif self.output_col == -1 and isinstance(changed, list):
            changed.append(result)
        else:
            changed[self.output_col] = result
        return tuple(changed) if isinstance(data, tuple) else changed

    def __iter__(self) -> Iterator[Any]:
        for data in self.datapipe:
            yield self._applied(data)

    def __len__(self) -> int:
        return len(self.datapipe)


@functional_datapipe("collate")
class CollatorIterDataPipe(MapperIterDataPipe):
    """``collate_fn`` of each batch."""

    def __init__(self, datapipe: Any, conversion: Any = None, collate_fn: Any = None) -> None:
        super().__init__(datapipe, collate_fn or conversion or default_collate)


@functional_datapipe("filter")
class FilterIterDataPipe(IterDataPipe):
    """The elements for which ``filter_fn`` (of the element, or of its parts ``input_col``) is true."""

    def __init__(self, datapipe: Any, filter_fn: Callable[..., Any], input_col: Any = None) -> None:
        self.datapipe, self.filter_fn, self.input_col = datapipe, filter_fn, input_col

    def __iter__(self) -> Iterator[Any]:
        for data in self.datapipe:
            column = self.input_col
            if column is None:
                kept = self.filter_fn(data)
            elif isinstance(column, list | tuple):
                kept = self.filter_fn(*[data[c] for c in column])
            else:
                kept = self.filter_fn(data[column])
            if not isinstance(kept, bool):
                raise ValueError(
                    "Boolean output is required for `filter_fn` of FilterIterDataPipe, got", type(kept)
                )
            if kept:
                yield data


@functional_datapipe("batch")
class BatcherIterDataPipe(InBatches, IterDataPipe):
    """Batches of ``batch_size`` elements; ``drop_last`` leaves a shorter last one out."""

    def __iter__(self) -> Iterator[Any]:
        batch: list[Any] = []
        for data in self.datapipe:
            batch.append(data)
            if len(batch) == self.batch_size:
                yield self.wrapper_class(batch)
                batch = []
        if batch and not self.drop_last:
            yield self.wrapper_class(batch)


@functional_datapipe("unbatch")
class UnBatcherIterDataPipe(IterDataPipe):
    """The elements of batches, ``unbatch_level`` levels deep; -1 for all."""

    def __init__(self, datapipe: Any, unbatch_level: int = 1) -> None:
        self.datapipe, self.unbatch_level = datapipe, unbatch_level

    def __iter__(self) -> Iterator[Any]:
        for data in self.datapipe:
            yield from self._dive(data, self.unbatch_level)

    def _dive(self, data: Any, level: int) -> Iterator[Any]:
        if level < -1:
            raise ValueError("unbatch_level must be -1 or >= 0")
        is_batch = isinstance(data, list)
        if level == 0 or (level == -1 and not is_batch):
            yield data
        elif is_batch:
            for part in data:
                yield from self._dive(part, level if level == -1 else level - 1)
        else:
            raise IndexError(f"unbatch_level {self.unbatch_level} exceeds the depth of the DataPipe")


@functional_datapipe("shuffle")
class ShufflerIterDataPipe(Shuffling, IterDataPipe):
    """The elements in a random order, as far as a buffer of ``buffer_size`` of them allows."""

    def __init__(self, datapipe: Any, *, buffer_size: int = 10000, unbatch_level: int = 0) -> None:
        if buffer_size <= 0:
            raise ValueError("buffer_size should be larger than 0")
        self.datapipe = datapipe if unbatch_level == 0 else UnBatcherIterDataPipe(datapipe, unbatch_level)
        self.buffer_size = buffer_size

    def __iter__(self) -> Iterator[Any]:
        if not self._enabled:
            yield from self.datapipe
            return
        generator = self._generator()
        buffer: list[Any] = []
        for data in self.datapipe:
            if len(buffer) == self.buffer_size:
                i = generator.randint(0, len(buffer) - 1)
                chosen, buffer[i] = buffer[i], data
                yield chosen
            else:
                buffer.append(data)
        while buffer:
            yield buffer.pop(generator.randint(0, len(buffer) - 1))


@functional_datapipe("sharding_filter")
class ShardingFilterIterDataPipe(IterDataPipe):
    """Every n-th element, where n workers (or those of ``apply_sharding``) share the work."""

    def __init__(self, source_datapipe: Any, sharding_group_filter: Any = None) -> None:
        self.source_datapipe = source_datapipe
        self.num_of_instances, self.instance_id = 1, 0

    def apply_sharding(self, num_of_instances: int, instance_id: int, sharding_group: Any = None) -> None:
        """Take elements ``instance_id``, ``instance_id + num_of_instances`` and so on. ``ValueError`` for one out of range."""
        if instance_id >= num_of_instances:
            raise ValueError(
                f"instance_id({instance_id}) should be smaller than num_of_instances({num_of_instances})"
            )
        self.num_of_instances, self.instance_id = num_of_instances, instance_id

    def __iter__(self) -> Iterator[Any]:
        every, own = self.num_of_instances, self.instance_id
        worker = get_worker_info()
        if worker is not None:
            every, own = every * worker.num_workers, own * worker.num_workers + worker.id
        for i, data in enumerate(self.source_datapipe):
            if i % every == own:
                yield data

    def __len__(self) -> int:
        count = len(self.source_datapipe)
        return count // self.num_of_instances + (self.instance_id < count % self.num_of_instances)


def _check_pipes(datapipes: tuple[Any, ...], name: str) -> None:
    if not all(isinstance(pipe, IterDataPipe) for pipe in datapipes):
        raise TypeError(f"All inputs are required to be `IterDataPipe` for `{name}`.")


@functional_datapipe("zip")
class ZipperIterDataPipe(IterDataPipe):
    """Tuples of one element of each pipe, until one ends."""

    def __init__(self, *datapipes: Any) -> None:
        _check_pipes(datapipes, "ZipIterDataPipe")
        self.datapipes = datapipes

    def __iter__(self) -> Iterator[Any]:
        yield from zip(*self.datapipes, strict=False)

    def __len__(self) -> int:
        return min(len(pipe) for pipe in self.datapipes)


@functional_datapipe("concat")
class ConcaterIterDataPipe(IterDataPipe):
    """One pipe after another."""

    def __init__(self, *datapipes: Any) -> None:
        if not datapipes:
            raise ValueError("Expected at least one DataPipe, but got nothing")
        _check_pipes(datapipes, "ConcatIterDataPipe")
        self.datapipes = datapipes

    def __iter__(self) -> Iterator[Any]:
        for pipe in self.datapipes:
            yield from pipe

    def __len__(self) -> int:
        return sum(len(pipe) for pipe in self.datapipes)


@functional_datapipe("mux")
class MultiplexerIterDataPipe(IterDataPipe):
    """One element of each pipe in turn, until one ends."""

    def __init__(self, *datapipes: Any) -> None:
        self.datapipes = datapipes

    def __iter__(self) -> Iterator[Any]:
        for together in zip(*self.datapipes, strict=False):
            yield from together

    def __len__(self) -> int:
        return min(len(pipe) for pipe in self.datapipes) * len(self.datapipes)


@functional_datapipe("groupby")
class GrouperIterDataPipe(IterDataPipe):
    """Batches of elements with one value of ``group_key_fn``, of ``group_size`` each; the rest at the end."""

    def __init__(
        self,
        datapipe: Any,
        group_key_fn: Callable[[Any], Any],
        *,
        keep_key: bool = False,
        buffer_size: int = 10000,
        group_size: int | None = None,
        guaranteed_group_size: int | None = None,
        drop_remaining: bool = False,
    ) -> None:
        self.datapipe, self.group_key_fn, self.keep_key = datapipe, group_key_fn, keep_key
        self.buffer_size, self.group_size, self.drop_remaining = buffer_size, group_size, drop_remaining
        self.guaranteed_group_size = group_size if guaranteed_group_size is None else guaranteed_group_size

    def _made(self, key: Any, group: list[Any]) -> Any:
        return (key, DataChunk(group)) if self.keep_key else DataChunk(group)

    def __iter__(self) -> Iterator[Any]:
        groups: dict[Any, list[Any]] = defaultdict(list)
        held = 0
        for data in self.datapipe:
            key = self.group_key_fn(data)
            groups[key].append(data)
            held += 1
            if self.group_size is not None and len(groups[key]) == self.group_size:
                held -= self.group_size
                yield self._made(key, groups.pop(key))
            if held == self.buffer_size:
                largest = max(groups, key=lambda key: len(groups[key]))
                group = groups.pop(largest)
                held -= len(group)
                enough = self.guaranteed_group_size is None or len(group) >= self.guaranteed_group_size
                if not enough and not self.drop_remaining:
                    raise RuntimeError(f"Failed to group items: {group}")
                if enough:
                    yield self._made(largest, group)
        for key in list(groups):
            group = groups.pop(key)
            if (
                not self.drop_remaining
                or self.guaranteed_group_size is None
                or len(group) >= self.guaranteed_group_size
            ):
                yield self._made(key, group)


class _Source:
    """What the branches of one pipe share: its elements, and for each branch those that it has yet to take.

    ``routes`` says to which branches an element goes; ``measure`` (``max`` or ``sum``), which of the lengths of what waits
    ``buffer_size`` limits; a negative one does not.
    """

    def __init__(
        self, pipe: Any, routes: Callable[[Any], list[int]], name: str, buffer_size: int, measure: Callable[..., int]
    ) -> None:  # fmt: skip
        self.pipe, self.routes = pipe, routes
        self.name, self.buffer_size, self.measure = name, buffer_size, measure
        self.stream: Iterator[Any] | None = None
        self.waiting: defaultdict[int, deque[Any]] = defaultdict(deque)
        self.begun: set[int] = set()  # the branches that are in this pass

    def begin(self, branch: int) -> None:
        """A branch begins a pass: a new one for all if it has been in this one."""
        if self.stream is None or branch in self.begun:
            self.stream, self.waiting, self.begun = iter(self.pipe), defaultdict(deque), set()
        self.begun.add(branch)

    def take(self, branch: int) -> Any:
        """The branch's next element. Raises ``StopIteration`` at the end, ``BufferError`` where too many wait for others."""
        assert self.stream is not None
        own = self.waiting[branch]
        while not own:
            data = next(self.stream)
            for place in self.routes(data):
                self.waiting[place].append(data)
            held = self.measure(
                [len(queue) for place, queue in self.waiting.items() if place != branch] or [0]
            )
            if 0 <= self.buffer_size < held:
                raise BufferError(
                    f"{self.name} buffer overflow, buffer size {self.buffer_size} is insufficient."
                )
        return own.popleft()


class _Branch(IterDataPipe):
    """One of several pipes with one source: elements wait for those that have not come to them yet."""

    def __init__(self, source: _Source, number: int, copied: Callable[[Any], Any] | None = None) -> None:
        self.source, self.number, self.copied = source, number, copied

    def __iter__(self) -> Iterator[Any]:
        self.source.begin(self.number)
        while True:
            try:
                data = self.source.take(self.number)
            except StopIteration:
                return
            yield data if self.copied is None else self.copied(data)


def _checked_count(num_instances: int) -> None:
    if num_instances < 1:
        raise ValueError(f"Expected `num_instances` larger than 0, but {num_instances} is found")


def ForkerIterDataPipe(
    datapipe: Any, num_instances: int, buffer_size: int = 1000, copy: str | None = None
) -> Any:
    """``num_instances`` pipes with all the elements each; the source is read once.

    ``copy``: "shallow" or "deep" for elements that are copies. A pipe that is more than ``buffer_size`` elements ahead of
    another (unless that is negative) raises ``BufferError``.
    """
    _checked_count(num_instances)
    if copy not in (None, "shallow", "deep"):
        raise ValueError(f"Unknown copy method `{copy}` requested, choose one of None, `shallow` or `deep`.")
    if num_instances == 1:
        return [datapipe]
    copied: Callable[[Any], Any] | None = None
    if copy is not None:
        import copy as copies

        copied = copies.copy if copy == "shallow" else copies.deepcopy
    everywhere = list(range(num_instances))
    source = _Source(datapipe, lambda data: everywhere, "ForkerIterDataPipe", buffer_size, max)
    return [_Branch(source, i, copied) for i in everywhere]


def DemultiplexerIterDataPipe(
    datapipe: Any,
    num_instances: int,
    classifier_fn: Callable[[Any], int | None],
    drop_none: bool = False,
    buffer_size: int = 1000,
) -> Any:
    """``num_instances`` pipes; ``classifier_fn`` gives the number of the one that an element goes to.

    More than ``buffer_size`` elements that wait for others (unless that is negative) raise ``BufferError``.
    """
    _checked_count(num_instances)

    def routes(data: Any) -> list[int]:
        place = classifier_fn(data)
        if place is None and drop_none:
            return []
        if place is None or not 0 <= place < num_instances:
            raise ValueError(
                f"Output of the classification fn should be between 0 and {num_instances - 1}. {place} is returned."
            )
        return [place]

    source = _Source(datapipe, routes, "DemultiplexerIterDataPipe", buffer_size, sum)
    return [_Branch(source, i) for i in range(num_instances)]


IterDataPipe.register_function("fork", ForkerIterDataPipe)
IterDataPipe.register_function("demux", DemultiplexerIterDataPipe)

# PyTorch has the steps in several modules.
__path__: list[str] = []
combinatorics = combining = grouping = sys.modules[__name__]

IterableWrapper = IterableWrapperIterDataPipe
Batcher, UnBatcher, Collator = BatcherIterDataPipe, UnBatcherIterDataPipe, CollatorIterDataPipe
Mapper, Filter, Grouper = MapperIterDataPipe, FilterIterDataPipe, GrouperIterDataPipe
Shuffler, ShardingFilter = ShufflerIterDataPipe, ShardingFilterIterDataPipe
Zipper, Concater, Multiplexer = ZipperIterDataPipe, ConcaterIterDataPipe, MultiplexerIterDataPipe
Forker, Demultiplexer = ForkerIterDataPipe, DemultiplexerIterDataPipe
