"""Datasets, samplers, and the loader that makes batches of them."""

from ...missing import lazily as _lazily
from .collate import default_collate as default_collate, default_convert as default_convert
from .dataset import (
    ChainDataset as ChainDataset,
    ConcatDataset as ConcatDataset,
    Dataset as Dataset,
    IterableDataset as IterableDataset,
    StackDataset as StackDataset,
    Subset as Subset,
    TensorDataset as TensorDataset,
    random_split as random_split,
)
from .distributed import DistributedSampler as DistributedSampler
from .loader import DataLoader as DataLoader
from .sampler import (
    BatchSampler as BatchSampler,
    RandomSampler as RandomSampler,
    Sampler as Sampler,
    SequentialSampler as SequentialSampler,
    SubsetRandomSampler as SubsetRandomSampler,
    WeightedRandomSampler as WeightedRandomSampler,
)
from .worker import get_worker_info as get_worker_info

# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(
    __name__,
    {
        "_DatasetKind": ".iteration:_DatasetKind",
        "DataChunk": ".datapipes.datapipe:DataChunk",
        "IterDataPipe": ".datapipes.datapipe:IterDataPipe",
        "MapDataPipe": ".datapipes.datapipe:MapDataPipe",
        "functional_datapipe": ".datapipes.datapipe:functional_datapipe",
    },
)
