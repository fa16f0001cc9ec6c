"""``set_device``: the device that factory functions use inside ``with``, under PyTorch's private path."""

from __future__ import annotations

from ..core.device import device as device

set_device = device
