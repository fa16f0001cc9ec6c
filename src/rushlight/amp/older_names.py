"""What ``torch.cuda.amp`` and ``torch.cpu.amp`` have in common: older names, which warn, of mixed precision on one device."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from .autocast_mode import autocast as general_autocast
from .grad_scaler import GradScaler as GeneralScaler


def warn_of(device: str, name: str) -> None:
    """Tell the caller's caller what to use instead."""
    warnings.warn(
        f"`torch.{device}.amp.{name}(args...)` is deprecated. Please use `torch.amp.{name}('{device}', args...)` instead.",
        FutureWarning,
        stacklevel=3,
    )


class OlderAutocast(general_autocast):
    """``torch.autocast`` of ``of_device``."""

    of_device: ClassVar[str]

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        warn_of(self.of_device, "autocast")
        super().__init__(self.of_device, dtype, enabled, cache_enabled)


class OlderGradScaler(GeneralScaler):
    """``torch.amp.GradScaler`` of ``of_device``."""

    of_device: ClassVar[str]

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        warn_of(self.of_device, "GradScaler")
        super().__init__(self.of_device, init_scale, growth_factor, backoff_factor, growth_interval, enabled)
