"""Optimizers that share their work out among ranks: ``torch.distributed.optim``."""

from __future__ import annotations

from .zero_redundancy_optimizer import ZeroRedundancyOptimizer as ZeroRedundancyOptimizer
