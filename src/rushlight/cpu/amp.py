"""The older names of mixed precision on the CPU."""

from __future__ import annotations

from ..amp.older_names import OlderAutocast, OlderGradScaler


class autocast(OlderAutocast):
    """``torch.autocast("cpu", …)``."""

    of_device = "cpu"


class GradScaler(OlderGradScaler):
    """``torch.amp.GradScaler("cpu", …)``."""

    of_device = "cpu"
