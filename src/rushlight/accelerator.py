"""``torch.accelerator`` on a machine whose accelerator, if any, is not used: this version computes on the CPU only."""

from __future__ import annotations

from typing import Any, NoReturn

from .missing import lazily as _lazily

__getattr__ = _lazily(__name__)


def is_available() -> bool:
    """False.

    Example:
        >>> import rushlight as torch
        >>> torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
        'cpu'
    """
    return False


def device_count() -> int:
    """0."""
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """None: there is no accelerator."""


def empty_cache() -> None:
    """Accepted and without effect."""


def _unavailable(*args: Any, **kwargs: Any) -> NoReturn:
    raise RuntimeError("Cannot access accelerator device when none is available: compute on the CPU")


synchronize = set_device_index = set_device_idx = current_device_index = current_device_idx = _unavailable
