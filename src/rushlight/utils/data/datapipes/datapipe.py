"""The bases of pipes, and the table of the steps that every pipe has as methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, ClassVar, Self

from ....ops.random import draw_seed
from ..dataset import Dataset, IterableDataset


class DataChunk(list[Any]):
    """A batch: a list that ``unbatch`` takes apart again."""

    def __init__(self, items: Any) -> None:
        items = list(items)
        super().__init__(items)
        self.items = items

    def as_str(self, indent: str = "") -> str:
        """The elements in brackets, the brackets indented."""
        return indent + "[" + ", ".join(map(str, iter(self))) + "]"

    def raw_iterator(self) -> Iterator[Any]:
        """The elements as they are."""
        yield from self.items


class _WithSteps:
    """What has the registered steps as methods: ``pipe.batch(2)`` is ``Batcher(pipe, 2)``."""

    functions: ClassVar[dict[str, Callable[..., Any]]]

    def __getattr__(self, name: str) -> Any:
        step = type(self).functions.get(name)
        if step is None:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}")
        return partial(step, self)

    @classmethod
    def register_function(cls, function_name: str, function: Callable[..., Any]) -> None:
        """Give every pipe a method ``function_name``: ``function`` of the pipe and the arguments."""
        cls.functions[function_name] = function

    @classmethod
    def register_datapipe_as_function(
        cls, function_name: str, cls_to_register: Callable[..., Any], enable_df_api_tracing: bool = False
    ) -> None:
        """Give every pipe a method that makes the step ``cls_to_register``.

        Raises ``Exception`` for a name that is there already.
        """
        if function_name in cls.functions:
            raise Exception(f"Unable to add DataPipe function name {function_name} as it is already taken")
        cls.register_function(function_name, cls_to_register)

    def __repr__(self) -> str:
        return type(self).__qualname__

    def reset(self) -> None:
        """Called before each pass."""


class IterDataPipe(_WithSteps, IterableDataset):
    """A stream made of steps: define ``__iter__``. The steps are methods, like ``map``, ``filter`` and ``batch``."""

    functions: ClassVar[dict[str, Callable[..., Any]]] = {}


class MapDataPipe(_WithSteps, Dataset):
    """Samples by index, made of steps: define ``__getitem__`` and ``__len__``."""

    functions: ClassVar[dict[str, Callable[..., Any]]] = {}

    def __iter__(self) -> Iterator[Any]:
        for i in range(len(self)):
            yield self[i]


class InBatches:
    """What the steps share that make batches of ``batch_size`` elements; ``drop_last`` leaves a shorter last one out."""

    def __init__(
        self, datapipe: Any, batch_size: int, drop_last: bool = False, wrapper_class: Any = DataChunk
    ) -> None:
        if batch_size <= 0:
            raise AssertionError("Batch size is required to be larger than 0!")
        self.datapipe, self.batch_size, self.drop_last = datapipe, batch_size, drop_last
        self.wrapper_class = wrapper_class

    def __len__(self) -> int:
        count = len(self.datapipe)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


class Shuffling:
    """What the steps share that shuffle."""

    datapipe: Any
    _enabled = True
    _seed: int | None = None

    def set_shuffle(self, shuffle: bool = True) -> Self:
        """Shuffle, or pass the elements on as they come."""
        self._enabled = shuffle
        return self

    def set_seed(self, seed: int) -> Self:
        """The seed of the next pass; others draw theirs from the default generator."""
        self._seed = seed
        return self

    def _generator(self) -> Any:
        """Python's random numbers for a new pass."""
        import random

        seed, self._seed = self._seed, None
        return random.Random(draw_seed(None) if seed is None else seed)

    def __len__(self) -> int:
        return len(self.datapipe)


def set_shuffling(pipe: Any, shuffle: bool) -> None:
    """Let the shuffling steps of a pipe, and of those that it is made of, shuffle or not."""
    if hasattr(pipe, "set_shuffle"):
        pipe.set_shuffle(shuffle)
    for value in vars(pipe).values():
        for part in value if isinstance(value, list | tuple) else (value,):
            if isinstance(part, IterDataPipe | MapDataPipe):
                set_shuffling(part, shuffle)


class functional_datapipe:
    """Decorator: a pipe's class as a method of that name of all pipes of its kind."""

    def __init__(self, name: str, enable_df_api_tracing: bool = False) -> None:
        self.name = name

    def __call__(self, cls: Any) -> Any:
        if not (isinstance(cls, type) and issubclass(cls, IterDataPipe | MapDataPipe)):
            raise TypeError("`functional_datapipe` can only decorate IterDataPipe or MapDataPipe")
        cls.register_datapipe_as_function(self.name, cls)
        return cls
