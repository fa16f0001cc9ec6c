"""Optimizers that share their work out among ranks: ``torch.distributed.optim``."""

from __future__ import annotations

from ...absent import absent_class as _absent_class
from .zero_redundancy_optimizer import ZeroRedundancyOptimizer as ZeroRedundancyOptimizer

_INSTEAD = "an optimizer of torch.optim beside DistributedDataParallel, or ZeroRedundancyOptimizer"
DistributedOptimizer = _absent_class(__name__, "DistributedOptimizer", _INSTEAD)
PostLocalSGDOptimizer = _absent_class(__name__, "PostLocalSGDOptimizer", _INSTEAD)
