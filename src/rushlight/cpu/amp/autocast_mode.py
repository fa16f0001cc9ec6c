"""The older name of mixed precision on the CPU."""

from __future__ import annotations

from ...amp.older_names import OlderAutocast


class autocast(OlderAutocast):
    """``torch.autocast("cpu", …)``."""

    of_device = "cpu"
