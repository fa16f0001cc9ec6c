"""Which GPUs there are, and which one is current."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core.device import device as Device, device_of as where_is
from ..runtime import cuda as runtime


def gpu(where: Any = None) -> tuple[runtime.Cuda, int]:
    """The backend and the number of the GPU meant by None (the current one), a number, a device or a string.

    Raises as ``runtime.cuda.backend`` where there is none, ``ValueError`` for a device that is no GPU.
    """
    backend = started()
    if where is None:
        return backend, backend.current()
    if isinstance(where, int) and not isinstance(where, bool):
        if where < 0:
            return backend, backend.current()
        where = Device("cuda", where)
    found = where if isinstance(where, Device) else Device(where)
    if found.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {found}")
    index = backend.ready(found).index
    assert index is not None
    return backend, index


def started() -> runtime.Cuda:
    """The backend, started as asking for a CUDA device starts it."""
    from ..core.device import LOADERS

    backend: Any = LOADERS["cuda"]()
    return backend  # type: ignore[no-any-return]


def is_available() -> bool:
    """Whether there is a GPU that CuPy can use; never raises.

    Example:
        >>> import rushlight as torch
        >>> device = "cuda" if torch.cuda.is_available() else "cpu"
    """
    return runtime.usable()


def device_count() -> int:
    """How many GPUs there are; 0 where none can be used."""
    found = runtime.started()
    if found is not None:
        return found.count
    return started().count if runtime.usable() else 0


def is_initialized() -> bool:
    """Whether a CUDA device has been asked for yet."""
    return runtime.started() is not None


def init() -> None:
    """Start CUDA now; raises where it can't be used."""
    started()


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the current GPU computes in bfloat16 (compute capability 8.0; by way of float32, all do)."""
    if not is_available():
        return False
    return including_emulation or get_device_capability() >= (8, 0)


def current_device() -> int:
    """The number of the current GPU: the one that ``device("cuda")`` means."""
    return started().current()


def set_device(device: Any) -> None:
    """Make a GPU the current one; a negative number does nothing."""
    if isinstance(device, int) and device < 0:
        return
    backend, index = gpu(device)
    backend.cupy.cuda.Device(index).use()


class device:
    """``with torch.cuda.device(1): …``: another GPU is the current one inside; None or -1 changes nothing."""

    def __init__(self, device: Any) -> None:
        self.idx = -1 if device is None or (isinstance(device, int) and device < 0) else gpu(device)[1]
        self.prev_idx = -1

    def __enter__(self) -> device:
        if self.idx >= 0:
            self.prev_idx = current_device()
            set_device(self.idx)
        return self

    def __exit__(self, *exc: object) -> None:
        if self.idx >= 0:
            set_device(self.prev_idx)


class device_of(device):
    """``with torch.cuda.device_of(tensor): …``: the tensor's GPU is the current one inside; nothing for a CPU tensor."""

    def __init__(self, obj: Any) -> None:
        where = where_is(obj._array)
        super().__init__(where.index if where.type == "cuda" else None)


def get_device_name(device: Any = None) -> str:
    """The GPU's name, such as ``'NVIDIA H100 80GB HBM3'``."""
    return get_device_properties(device).name


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The GPU's compute capability: (9, 0) for an H100."""
    properties = get_device_properties(device)
    return properties.major, properties.minor


class _CudaDeviceProperties(NamedTuple):
    """What ``get_device_properties`` answers."""

    name: str
    major: int
    minor: int
    total_memory: int
    multi_processor_count: int
    max_threads_per_multi_processor: int
    warp_size: int
    L2_cache_size: int
    regs_per_multiprocessor: int
    shared_memory_per_block: int


def get_device_properties(device: Any = None) -> _CudaDeviceProperties:
    """Name, capability, bytes of memory, number of multiprocessors and other facts of a GPU."""
    backend, index = gpu(device)
    facts = backend.cupy.cuda.runtime.getDeviceProperties(index)
    name = facts["name"]
    return _CudaDeviceProperties(
        name.decode() if isinstance(name, bytes) else str(name),
        int(facts["major"]),
        int(facts["minor"]),
        int(facts["totalGlobalMem"]),
        int(facts["multiProcessorCount"]),
        int(facts["maxThreadsPerMultiProcessor"]),
        int(facts["warpSize"]),
        int(facts["l2CacheSize"]),
        int(facts["regsPerMultiprocessor"]),
        int(facts["sharedMemPerBlock"]),
    )


def get_arch_list() -> list[str]:
    """The architectures that kernels are compiled for: that of each GPU here, as kernels are compiled when they are used."""
    if not is_available():
        return []
    found = {"sm_{}{}".format(*get_device_capability(i)) for i in range(device_count())}
    return sorted(found)


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """Whether one GPU can read another's memory directly."""
    backend, index = gpu(device)
    other = gpu(peer_device)[1]
    return bool(backend.cupy.cuda.runtime.deviceCanAccessPeer(index, other))


def synchronize(device: Any = None) -> None:
    """Wait until a GPU has done everything that was asked of it."""
    backend, index = gpu(device)
    with backend.memory_errors():
        backend.cupy.cuda.Device(index).synchronize()
        runtime.check_faults()


def current_blas_handle() -> int:
    """The address of the cuBLAS handle that the current GPU's matrix products use."""
    backend, index = gpu()
    return int(backend.cupy.cuda.Device(index).cublas_handle)


def ipc_collect() -> None:
    """Accepted and without effect: no memory is shared between processes here."""
