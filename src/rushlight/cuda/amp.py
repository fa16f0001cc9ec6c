"""``torch.cuda.amp``: the older names of mixed precision on a GPU, which warn and do nothing without one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ..amp.autocast_mode import (
    autocast as general_autocast,
    custom_bwd as general_bwd,
    custom_fwd as general_fwd,
)
from ..amp.grad_scaler import GradScaler as GeneralScaler


def _deprecated(name: str) -> None:
    warnings.warn(
        f"`torch.cuda.amp.{name}(args...)` is deprecated. Please use `torch.amp.{name}('cuda', args...)` instead.",
        FutureWarning,
        stacklevel=3,
    )


class autocast(general_autocast):
    """``torch.autocast("cuda", …)``."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        _deprecated("autocast")
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(GeneralScaler):
    """``torch.amp.GradScaler("cuda", …)``."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        _deprecated("GradScaler")
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


def custom_fwd(fwd: Callable[..., Any] | None = None, *, cast_inputs: Any = None) -> Callable[..., Any]:
    """``torch.amp.custom_fwd(…, device_type="cuda")``."""
    _deprecated("custom_fwd")
    return general_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """``torch.amp.custom_bwd(…, device_type="cuda")``."""
    _deprecated("custom_bwd")
    return general_bwd(bwd, device_type="cuda")
