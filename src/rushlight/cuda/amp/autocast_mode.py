"""The older names of mixed precision on a GPU, which warn and do nothing without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...amp.autocast_mode import custom_bwd as general_bwd, custom_fwd as general_fwd
from ...amp.older_names import OlderAutocast, warn_of


class autocast(OlderAutocast):
    """``torch.autocast("cuda", …)``."""

    of_device = "cuda"


def custom_fwd(fwd: Callable[..., Any] | None = None, *, cast_inputs: Any = None) -> Callable[..., Any]:
    """``torch.amp.custom_fwd(…, device_type="cuda")``."""
    warn_of("cuda", "custom_fwd")
    return general_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """``torch.amp.custom_bwd(…, device_type="cuda")``."""
    warn_of("cuda", "custom_bwd")
    return general_bwd(bwd, device_type="cuda")
