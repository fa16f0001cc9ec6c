"""``torch.utils.data.dataloader``: the names that programs import from there."""

from __future__ import annotations

from .collate import default_collate as default_collate, default_convert as default_convert
from .dataset import Dataset as Dataset, IterableDataset as IterableDataset
from .loader import DataLoader as DataLoader
from .sampler import (
    BatchSampler as BatchSampler,
    RandomSampler as RandomSampler,
    Sampler as Sampler,
    SequentialSampler as SequentialSampler,
)
from .worker import get_worker_info as get_worker_info
