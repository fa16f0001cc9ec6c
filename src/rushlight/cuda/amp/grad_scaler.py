"""The older name of the scaler of gradients on a GPU."""

from __future__ import annotations

from ...amp.grad_scaler import OptState as OptState
from ...amp.older_names import OlderGradScaler


class GradScaler(OlderGradScaler):
    """``torch.amp.GradScaler("cuda", …)``."""

    of_device = "cuda"
