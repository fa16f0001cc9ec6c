"""``torch.utils.data.dataloader``: the names that programs import from there."""

from __future__ import annotations

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

from collections.abc import Callable
from typing import Any

from .collate import default_collate as default_collate, default_convert as default_convert
from .dataset import Dataset as Dataset, IterableDataset as IterableDataset
from .iteration import _BaseDataLoaderIter as _BaseDataLoaderIter, _DatasetKind as _DatasetKind
from .loader import (
    DataLoader as DataLoader,
    _InfiniteConstantSampler as _InfiniteConstantSampler,
    _SingleProcessDataLoaderIter as _SingleProcessDataLoaderIter,
)
from .sampler import (
    BatchSampler as BatchSampler,
    RandomSampler as RandomSampler,
    Sampler as Sampler,
    SequentialSampler as SequentialSampler,
)
from .worker import (
    _MultiProcessingDataLoaderIter as _MultiProcessingDataLoaderIter,
    get_worker_info as get_worker_info,
)

# For annotations.
_worker_init_fn_t = Callable[[int], None]
_collate_fn_t = Callable[[list[Any]], Any]
