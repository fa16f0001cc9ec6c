"""Models on several devices or processes: ``torch.nn.parallel``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...missing import lazily as _lazily
from .data_parallel import DataParallel as DataParallel, data_parallel as data_parallel

if not TYPE_CHECKING:
    # Written in a layer above this one, and imported only by programs that use it.
    __getattr__ = _lazily(
        __name__,
        {
            "DistributedDataParallel": "rushlight.distributed.data_parallel:DistributedDataParallel",
            "distributed": "rushlight.nn.parallel.distributed",
            "gather": "rushlight.nn.parallel.scatter_gather:gather",
            "scatter": "rushlight.nn.parallel.scatter_gather:scatter",
        },
    )
