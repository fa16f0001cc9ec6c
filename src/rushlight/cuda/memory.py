"""How much of a GPU's memory this process uses: CuPy's pool keeps what it got from the driver until ``empty_cache``.

The peaks are those seen when one of these functions is called or the pool runs dry, not between: CuPy's pool keeps none.
"""

from __future__ import annotations

from typing import Any

from ..runtime import cuda as runtime
from .devices import gpu


def _pool(where: Any) -> Any:
    """(bytes in use, bytes kept) on a GPU, with the peaks brought up to date; zeros where CUDA was never asked for."""
    if runtime.started() is None:
        return 0, 0
    backend, index = gpu(where)
    with backend.cupy.cuda.Device(index):
        pool = backend.cupy.get_default_memory_pool()
        used, kept = int(pool.used_bytes()), int(pool.total_bytes())
    most_used, most_kept = backend.peaks.get(index, (0, 0))
    backend.peaks[index] = (max(used, most_used), max(kept, most_kept))
    return used, kept


def memory_allocated(device: Any = None) -> int:
    """Bytes that tensors use on a GPU; 0 where none is in use."""
    return _pool(device)[0]  # type: ignore[no-any-return]


def memory_reserved(device: Any = None) -> int:
    """Bytes that this process holds on a GPU, used or kept for later; 0 where none is in use."""
    return _pool(device)[1]  # type: ignore[no-any-return]


def _peak(device: Any, which: int) -> int:
    _pool(device)
    if runtime.started() is None:
        return 0
    backend, index = gpu(device)
    return backend.peaks[index][which]


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that tensors were seen to use (see the module's description)."""
    return _peak(device, 0)


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes that this process was seen to hold."""
    return _peak(device, 1)


def reset_peak_memory_stats(device: Any = None) -> None:
    """Count the peaks from now on."""
    if runtime.started() is not None:
        backend, index = gpu(device)
        backend.peaks.pop(index, None)


reset_max_memory_allocated = reset_peak_memory_stats


def empty_cache() -> None:
    """Give the memory that no tensor uses back to the driver; nothing where no GPU is in use."""
    backend = runtime.started()
    if backend is not None:
        backend.cupy.get_default_memory_pool().free_all_blocks()
        backend.cupy.get_default_pinned_memory_pool().free_all_blocks()


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """(free, total) bytes of a GPU's memory, as the driver counts them for all processes."""
    backend, index = gpu(device)
    with backend.cupy.cuda.Device(index):
        free, total = backend.cupy.cuda.runtime.memGetInfo()
    return int(free), int(total)


def memory_stats(device: Any = None) -> dict[str, int]:
    """Figures under the names that PyTorch gives them, those that are known here."""
    used, kept = _pool(device)
    return {
        "allocated_bytes.all.current": used,
        "allocated_bytes.all.peak": max_memory_allocated(device),
        "reserved_bytes.all.current": kept,
        "reserved_bytes.all.peak": max_memory_reserved(device),
    }


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """The figures of ``memory_stats`` as a small table."""
    rows = [(name, figure) for name, figure in memory_stats(device).items()]
    width = max([len(name) for name, _ in rows])
    return "\n".join([f"{name:<{width}}  {figure / 2**20:12.1f} MiB" for name, figure in rows])


def set_per_process_memory_fraction(fraction: float, device: Any = None) -> None:
    """Let this process hold no more than that part of a GPU's memory; ``ValueError`` outside of [0, 1]."""
    if not 0 <= fraction <= 1:
        raise ValueError(f"Invalid fraction value: {fraction}. Allowed range: 0~1")
    backend, index = gpu(device)
    total = mem_get_info(index)[1]
    with backend.cupy.cuda.Device(index):
        backend.cupy.get_default_memory_pool().set_limit(size=int(fraction * total))
