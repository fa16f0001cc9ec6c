"""``torch.cpu``: what programs ask every device type."""

from __future__ import annotations

from typing import Any

from ..missing import lazily as _lazily
from . import amp as amp


def is_available() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1."""
    return 1


def current_device() -> str:
    """``"cpu"``."""
    return "cpu"


def synchronize(device: Any = None) -> None:
    """Accepted: every operation is done when it returns."""


def set_device(device: Any) -> None:
    """Accepted: there is one CPU."""


# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
