"""The older name of the scaler of gradients on the CPU."""

from __future__ import annotations

from ...amp.grad_scaler import OptState as OptState
from ...amp.older_names import OlderGradScaler


class GradScaler(OlderGradScaler):
    """``torch.amp.GradScaler("cpu", …)``."""

    of_device = "cpu"
