"""``torch.cuda`` as it answers on a machine without a GPU: truthfully. This version computes on the CPU only."""

from __future__ import annotations

from typing import Any, NoReturn

from .core.device import require_available


def is_available() -> bool:
    """False: this version computes on the CPU only."""
    return False


def device_count() -> int:
    """0."""
    return 0


def is_initialized() -> bool:
    """False: there is nothing to initialise."""
    return False


def is_bf16_supported() -> bool:
    """False: there is no GPU."""
    return False


def manual_seed(seed: int) -> None:
    """Accepted and without effect: there is no GPU generator to seed."""


def manual_seed_all(seed: int) -> None:
    """Accepted and without effect: there are no GPU generators to seed."""


def empty_cache() -> None:
    """Accepted and without effect: there is no GPU memory."""


def memory_allocated(device: Any = None) -> int:
    """0: there is no GPU memory."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def _unavailable(*args: Any, **kwargs: Any) -> NoReturn:
    require_available("cuda")
    raise AssertionError("unreachable: require_available raises for 'cuda'")


current_device = get_device_name = get_device_properties = synchronize = set_device = init = (
    current_stream
) = _unavailable
get_device_capability = mem_get_info = _unavailable
