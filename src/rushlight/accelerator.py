"""``torch.accelerator``: the machine's accelerator, whatever its kind: here a CUDA GPU, or none."""

from __future__ import annotations

from typing import Any

from .core.device import device as _device
from .missing import lazily as _lazily
from .runtime.cuda import usable as _usable

__getattr__ = _lazily(__name__)


def is_available() -> bool:
    """Whether there is a GPU that can be used.

    Example:
        >>> import rushlight as torch
        >>> where = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
    """
    return _usable()


def device_count() -> int:
    """How many GPUs there are."""
    from . import cuda

    return cuda.device_count()


def current_accelerator(check_available: bool = False) -> _device | None:
    """``device("cuda")`` where there is a GPU; else None."""
    return _device("cuda") if _usable() else None


def empty_cache() -> None:
    """Give the memory that no tensor uses back to the driver; nothing where no GPU is in use."""
    from . import cuda

    cuda.empty_cache()


def _cuda() -> Any:
    if not _usable():
        raise RuntimeError("Cannot access accelerator device when none is available: compute on the CPU")
    from . import cuda

    return cuda


class device_index:
    """``with torch.accelerator.device_index(n):`` GPU ``n`` is the current one in the block; None changes nothing.

    Raises ``RuntimeError`` where there is no GPU and ``n`` is not None.

    Example:
        >>> import rushlight as torch
        >>> with torch.accelerator.device_index(None):
        ...     pass
    """

    def __init__(self, device: int | None, /) -> None:
        self.idx = device
        self.prev_idx: int | None = None

    def __enter__(self) -> None:
        if self.idx is not None:
            self.prev_idx = current_device_index()
            set_device_index(self.idx)

    def __exit__(self, *exc: object) -> None:
        if self.prev_idx is not None:
            set_device_index(self.prev_idx)


def synchronize(device: Any = None) -> None:
    """Wait until a GPU has done everything that was asked of it; ``RuntimeError`` where there is none."""
    _cuda().synchronize(device)


def set_device_index(device: Any) -> None:
    """Make a GPU the current one; ``RuntimeError`` where there is none."""
    _cuda().set_device(device)


def current_device_index() -> int:
    """The current GPU's number; ``RuntimeError`` where there is none."""
    return int(_cuda().current_device())


set_device_idx, current_device_idx = set_device_index, current_device_index
