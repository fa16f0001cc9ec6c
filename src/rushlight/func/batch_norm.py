"""``replace_all_batch_norm_modules_``: batch normalisation without running statistics, for ``vmap``."""

from __future__ import annotations

from typing import Any

from ..nn.module import Module
from ..nn.normalization import _BatchNorm


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """Make every ``BatchNorm`` in ``root``, in place, normalise by the statistics of its input alone; ``root`` comes back.

    Running statistics would be written to from every example of ``vmap``, which is refused (``RuntimeError``).

    Example:
        >>> import rushlight as torch
        >>> net = torch.func.replace_all_batch_norm_modules_(torch.nn.Sequential(torch.nn.BatchNorm1d(2)))
        >>> net[0].running_mean is None
        True
    """
    for module in root.modules():
        _without_statistics(module)
    return root


def _without_statistics(module: Any) -> None:
    if isinstance(module, _BatchNorm) and module.track_running_stats:
        module.running_mean = module.running_var = module.num_batches_tracked = None
        module.track_running_stats = False
