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


def empty_host_cache() -> None:
    """Accepted where there is a GPU; ``RuntimeError`` where there is none."""
    _cuda()


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


# Of the GPU that is current, or given; RuntimeError where there is none.


def current_stream(device: Any = None, /) -> Any:
    """The stream in which work is done now."""
    return _cuda().current_stream(device)


def set_stream(stream: Any) -> None:
    """Do all further work in ``stream``."""
    _cuda().set_stream(stream)


def get_memory_info(device_index: Any = None, /) -> tuple[int, int]:
    """The free and all of the memory, in bytes."""
    free, total = _cuda().mem_get_info(device_index)
    return int(free), int(total)


def get_device_capability(device: Any = None, /) -> dict[str, Any]:
    """What it computes with: ``{"supported_dtypes": set}``."""
    from .core.dtypes import OF_NUMPY

    _cuda()
    return {"supported_dtypes": set(OF_NUMPY.values())}


def memory_allocated(device_index: Any = None, /) -> int:
    """How many bytes tensors take up."""
    return int(_cuda().memory_allocated(device_index))


def max_memory_allocated(device_index: Any = None, /) -> int:
    """The greatest ``memory_allocated`` since the last ``reset_peak_memory_stats``."""
    return int(_cuda().max_memory_allocated(device_index))


def memory_reserved(device_index: Any = None, /) -> int:
    """How many bytes are taken from the driver."""
    return int(_cuda().memory_reserved(device_index))


def max_memory_reserved(device_index: Any = None, /) -> int:
    """The greatest ``memory_reserved`` since the last ``reset_peak_memory_stats``."""
    return int(_cuda().max_memory_reserved(device_index))


def memory_stats(device_index: Any = None, /) -> Any:
    """The allocator's counters."""
    return _cuda().memory_stats(device_index)


def reset_peak_memory_stats(device_index: Any = None, /) -> None:
    """Count the greatest values anew."""
    _cuda().reset_peak_memory_stats(device_index)


def reset_accumulated_memory_stats(device_index: Any = None, /) -> None:
    """Count from here; as ``reset_peak_memory_stats``."""
    reset_peak_memory_stats(device_index)
