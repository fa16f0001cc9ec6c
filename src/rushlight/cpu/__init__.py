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


def get_capabilities() -> dict[str, Any]:
    """What the processor is and can do, in PyTorch's names: ``"architecture"``, ``"cpu_name"``, ``"avx2"``, ...

    Example:
        >>> import rushlight as torch
        >>> isinstance(torch.cpu.get_capabilities()["architecture"], str)
        True
    """
    import os
    import platform

    import numpy as np

    # NumPy asks the processor, under names such as AVX512F; PyTorch's are such as avx512_f.
    asked: dict[str, bool] = getattr(
        getattr(getattr(np, "_core", None), "_multiarray_umath", None), "__cpu_features__", {}
    )
    found: dict[str, Any] = {
        "architecture": platform.machine(),
        "cpu_name": platform.processor(),
        "num_logical_cores": os.cpu_count() or 1,
    }
    for name, there in asked.items():
        spoken = name.lower().replace("sse4", "sse4_").replace("avx512", "avx512_").replace("__", "_")
        found[spoken] = bool(there)
    return found


def synchronize(device: Any = None) -> None:
    """Accepted: every operation is done when it returns."""


def set_device(device: Any) -> None:
    """Accepted: there is one CPU."""


# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
