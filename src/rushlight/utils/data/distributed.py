"""A sampler for data that several processes share out: ``torch.utils.data.distributed``."""

from __future__ import annotations

__all__ = ["DistributedSampler"]

import sys
from collections.abc import Iterator
from typing import Any

from .sampler import Sampler


class DistributedSampler(Sampler):
    """The part of a dataset's indices that one of ``num_replicas`` processes visits: every ``num_replicas``-th one.

    All processes shuffle alike, by ``seed`` plus the epoch: call ``set_epoch`` before each epoch, or all are in one order. The
    parts have one size: the last indices are left out (``drop_last``) or the first come again.

    ``num_replicas`` and ``rank`` default to those of ``torch.distributed``. Raises ``ValueError`` for a rank out of range, and
    where the defaults are wanted and there is no process group.

    Example:
        >>> import rushlight as torch
        >>> list(torch.utils.data.DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False))
        [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None:
            num_replicas = _distributed().get_world_size()
        if rank is None:
            rank = _distributed().get_rank()
        if not 0 <= rank < num_replicas:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        count = len(dataset)
        if drop_last and count % num_replicas:
            self.num_samples = -(-(count - num_replicas) // num_replicas)
        else:
            self.num_samples = -(-count // num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        if self.shuffle:
            from ...ops.random import Generator, randperm

            generator = Generator()
            generator.manual_seed(self.seed + self.epoch)
            indices: list[int] = randperm(count, generator=generator).tolist()
        else:
            indices = list(range(count))
        if self.drop_last:
            indices = indices[: self.total_size]
        elif indices:
            rounds = -(-self.total_size // count)
            indices = (indices * rounds)[: self.total_size]
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Shuffle in another way: call it on every process before the epoch's iterator is made."""
        self.epoch = epoch


def _distributed() -> Any:
    # Not an import: whoever made a process group has imported that package, which is of a layer above this one.
    package = sys.modules.get("rushlight.distributed")
    if package is None:
        raise ValueError(
            "Default process group has not been initialized, please make sure to call init_process_group."
        )
    return package
