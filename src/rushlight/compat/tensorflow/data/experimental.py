"""``tf.data.experimental`` and ``tf.contrib.data``: transformations for ``Dataset.apply``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .dataset import Dataset

AUTOTUNE = -1
Transformation = Callable[[Dataset], Dataset]


def shuffle_and_repeat(buffer_size: Any, count: Any = None, seed: Any = None) -> Transformation:
    """Shuffle, then repeat."""
    return lambda dataset: dataset.shuffle(buffer_size, seed).repeat(count)


def map_and_batch(
    map_func: Callable[..., Any],
    batch_size: Any,
    num_parallel_batches: Any = None,
    drop_remainder: bool = False,
    num_parallel_calls: Any = None,
) -> Transformation:
    """Map, then batch."""
    return lambda dataset: dataset.map(map_func).batch(batch_size, drop_remainder)


def batch_and_drop_remainder(batch_size: Any) -> Transformation:
    """Batches without an incomplete last one."""
    return lambda dataset: dataset.batch(batch_size, drop_remainder=True)


def prefetch_to_device(device: str, buffer_size: Any = None) -> Transformation:
    """The data set itself: nothing is fetched ahead."""
    return lambda dataset: dataset


def ignore_errors() -> Transformation:
    """The elements that could be made, without those that failed."""
    return lambda dataset: dataset._ignoring_errors()


def unbatch() -> Transformation:
    """The entries of each batch as elements."""
    return lambda dataset: dataset.unbatch()


def enumerate_dataset(start: int = 0) -> Transformation:
    """Pairs of a number and an element."""
    return lambda dataset: dataset.enumerate(start)


def parallel_interleave(
    map_func: Callable[..., Any], cycle_length: int, block_length: int = 1, **_: Any
) -> Transformation:
    """Interleave, in order."""
    return lambda dataset: dataset.interleave(map_func, cycle_length, block_length)
