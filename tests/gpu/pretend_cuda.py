"""CUDA as CuPy offers it, without a GPU: devices, memory, streams, events, and kernels compiled for the host.

Part of the stand-in for CuPy (``pretend_cupy``). Kernels are compiled by g++ (``host_cuda``) where there is one; without it
asking for one raises ``CompileException``, except for those that ``KERNELS`` has in Python. While a stream captures, launches,
products and copies are kept with their addresses, and done when the graph is launched, as CUDA has it.
"""

from __future__ import annotations

import ctypes
import types
import weakref
from typing import Any, ClassVar

import host_cuda
import numpy as np

_SCALARS = (bool, int, float, complex, np.generic)


class CUDARuntimeError(RuntimeError):
    """What CuPy raises when the CUDA runtime reports an error."""


class OutOfMemoryError(MemoryError):
    """What CuPy raises when the device's memory does not suffice."""


class CompileException(Exception):
    """What CuPy raises when NVRTC refuses a kernel."""


class Memory:
    """One block of the pretended device's memory."""

    def __init__(self, nbytes: int, device_id: int) -> None:
        rounded = -(-nbytes // 512) * 512
        POOL.settle()
        if POOL._limit and POOL._used + rounded > POOL._limit:
            raise OutOfMemoryError(
                f"Out of memory allocating {nbytes:,} bytes (allocated so far: {POOL._used:,} bytes, "
                f"limit set to: {POOL._limit:,} bytes)."
            )
        POOL._used += rounded
        self.device_id = device_id
        self.size = nbytes
        held = _Held(self, POOL._freed.append)  # no Python runs when it goes: recordings would see it
        held.nbytes = rounded
        POOL._held[id(held)] = held


class _Held(weakref.ref):  # type: ignore[type-arg]
    """A block of memory that is in use, and its size."""

    __slots__ = ("nbytes",)
    nbytes: int


class _Pool:
    def __init__(self) -> None:
        self._used = self._kept = 0
        self._limit = 0

        self._held: dict[int, _Held] = {}
        self._freed: list[Any] = []

    def settle(self) -> None:
        """Take note of the blocks that are not in use any more."""
        while self._freed:
            held = self._held.pop(id(self._freed.pop()))
            self._used -= held.nbytes
            self._kept += held.nbytes

    def used_bytes(self) -> int:
        self.settle()
        return self._used

    def free_bytes(self) -> int:
        self.settle()
        return self._kept

    def total_bytes(self) -> int:
        self.settle()
        return self._used + self._kept

    def n_free_blocks(self) -> int:
        self.settle()
        return int(self._kept > 0)

    def free_all_blocks(self, stream: Any = None) -> None:
        self.settle()
        self._kept = 0

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        self._limit = int(size or 0)

    def get_limit(self) -> int:
        return self._limit


POOL = _Pool()
_current_device = 0
DEVICES = 2


class RawModule:
    """CUDA C, compiled for the host."""

    def __init__(
        self, *, code: str | None = None, path: Any = None, options: Any = (), backend: str = "nvrtc",
        translate_cucomplex: bool = False, enable_cooperative_groups: bool = False, name_expressions: Any = None,
        jitify: bool = False,
    ) -> None:  # fmt: skip
        self.code = code or ""

    def get_function(self, name: str) -> RawKernel:
        if host_cuda.COMPILER is None:
            raise CompileException(host_cuda.WHY_NOT)
        kernel = RawKernel(self.code, name)
        kernel.compiled = host_cuda.compile_one(self.code, name)
        return kernel


class RawKernel:
    """One kernel: compiled for the host, or in Python (``KERNELS``)."""

    def __init__(self, code: str, name: str, options: Any = (), backend: str = "nvrtc", **more: Any) -> None:
        self.code, self.name, self.options = code, name, options
        self.compiled: Any = None

    def __call__(self, grid: Any, block: Any, args: Any, *, shared_mem: int = 0) -> None:
        for arg in args:
            if not (isinstance(arg, np.generic) or hasattr(arg, "_host")):
                raise TypeError(
                    f"Unsupported type {type(arg)}: kernels take arrays and numbers of a fixed size"
                )
        if self.compiled is None:
            issue(lambda: KERNELS[self.name](*args))
            return
        given = [
            arg._host.__array_interface__["data"][0] if hasattr(arg, "_host") else int(arg) for arg in args
        ]
        issue(lambda: self.compiled(int(grid[0]), int(block[0]), given))


def _philox(words: Any, n: Any, threads: Any, blocks: Any, seed: Any, first: Any) -> None:
    from rushlight.runtime.cuda_random import philox_words

    words._host[...] = philox_words(int(n), int(threads), int(blocks), int(seed) % 2**64, int(first))


# What kernels do, in Python: `test_philox.py` compares the kernel's own text, compiled for the host, with this.
KERNELS = {"philox_words": _philox}


# --- capture ----------------------------------------------------------------------------------------------------------

_captured: list[Any] | None = None
COUNTS = {"launches": 0, "captures": 0, "replays": 0}


def issue(work: Any) -> None:
    """Do the work, or keep it for the graph that is being captured."""
    if _captured is not None:
        _captured.append(work)
    else:
        COUNTS["launches"] += 1
        work()


def no_capture(what: str) -> None:
    """What waits for the device can't be part of a graph."""
    if _captured is not None:
        raise CUDARuntimeError(f"cudaErrorStreamCaptureUnsupported: {what} while a stream is capturing")


class Graph:
    """``cupy.cuda.graph.Graph``."""

    def __init__(self, work: list[Any]) -> None:
        self.work = work

    def launch(self, stream: Any = None) -> None:
        COUNTS["replays"] += 1
        for one in self.work:
            one()


# --- cupy.cuda --------------------------------------------------------------------------------------------------------


class Device:
    """``cupy.cuda.Device``."""

    def __init__(self, device: Any = None) -> None:
        self.id = _current_device if device is None else int(device)
        self._before: list[int] = []

    def __int__(self) -> int:
        return self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __enter__(self) -> Device:
        self._before.append(_current_device)
        self.use()
        return self

    def __exit__(self, *exc: object) -> None:
        global _current_device
        _current_device = self._before.pop()

    def use(self) -> None:
        global _current_device
        if not 0 <= self.id < DEVICES:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        _current_device = self.id

    def synchronize(self) -> None:
        pass

    compute_capability = property(lambda self: "90")
    mem_info = property(lambda self: (80 * 2**30 - POOL.total_bytes(), 80 * 2**30))
    attributes = property(lambda self: {"MultiProcessorCount": 132, "MaxThreadsPerMultiProcessor": 2048})


class Event:
    """``cupy.cuda.Event``: time passes by one millisecond from record to record."""

    _clock = 0.0

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        self.disable_timing = disable_timing
        self.done = True
        self._at: float | None = None

    def record(self, stream: Any = None) -> None:
        Event._clock += 1.0
        self._at = Event._clock

    def synchronize(self) -> None:
        pass


def get_elapsed_time(start: Event, end: Event) -> float:
    if start.disable_timing or end.disable_timing or start._at is None or end._at is None:
        raise CUDARuntimeError("cudaErrorInvalidResourceHandle: invalid resource handle")
    return end._at - start._at


class Stream:
    """``cupy.cuda.Stream``."""

    _current: ClassVar[list[Any]] = []
    _next = 1

    def __init__(
        self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: int | None = None
    ) -> None:
        self.null = null
        self.priority = priority or 0
        self.ptr = 0 if null else Stream._next
        Stream._next += not null
        self.done = True
        self.device_id = _current_device
        self._entered = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.ptr == self.ptr

    def __hash__(self) -> int:
        return hash(self.ptr)

    def __enter__(self) -> Stream:
        Stream._current.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        Stream._current.pop()

    def begin_capture(self, mode: int | None = None) -> None:
        global _captured
        if self.null:
            raise CUDARuntimeError("cudaErrorStreamCaptureUnsupported: the null stream can't be captured")
        _captured = []

    def end_capture(self) -> Graph:
        global _captured
        work, _captured = _captured, None
        assert work is not None
        COUNTS["captures"] += 1
        return Graph(work)

    def use(self) -> Stream:
        Stream._current[:] = [self]
        return self

    def synchronize(self) -> None:
        no_capture("waiting")

    def record(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        pass


_NULL_STREAM = Stream(null=True)


def get_current_stream(device_id: int = -1) -> Stream:
    return Stream._current[-1] if Stream._current else _NULL_STREAM


def _device_count() -> int:
    return DEVICES


def _properties(device: int) -> dict[str, Any]:
    return {
        "name": b"Pretended GPU", "totalGlobalMem": 80 * 2**30, "major": 9, "minor": 0, "multiProcessorCount": 132,
        "maxThreadsPerMultiProcessor": 2048, "warpSize": 32, "maxThreadsPerBlock": 1024, "sharedMemPerBlock": 49152,
        "l2CacheSize": 50 * 2**20, "regsPerMultiprocessor": 65536,
    }  # fmt: skip


def current_device() -> int:
    return _current_device


def _copy(target: int, source: int, size: int, kind: int, stream: int = 0) -> None:
    if kind in (1, 2):  # from or to pageable memory
        no_capture("a copy from or to the host")
    issue(lambda: ctypes.memmove(int(target), int(source), int(size)))


def _set(pointer: int, value: int, size: int, stream: int = 0) -> None:
    issue(lambda: ctypes.memset(int(pointer), value, int(size)))


class PinnedMemory(bytearray):
    """``cupy.cuda.PinnedMemoryPointer``: page-locked memory that kernels reach at the same address."""

    @property
    def ptr(self) -> int:
        return ctypes.addressof(ctypes.c_char.from_buffer(self))


# --- cuBLAS -----------------------------------------------------------------------------------------------------------

_DTYPES = {0: "float32", 1: "float64", 2: "float16", 14: "bfloat16"}
COMPUTED_IN: list[int] = []  # the last products' compute types
_pointer_mode = [0]


def _set_pointer_mode(handle: int, mode: int) -> None:
    _pointer_mode[0] = mode


def _product(
    transposed: Any, sizes: Any, alpha: int, a: Any, b: Any, beta: int, c: Any, batch: int, compute: int
) -> None:
    from rushlight.compiler.cuda_lines import CudaProduct

    dtype = _DTYPES[a[1]]
    assert a[1] == b[1] == c[1]
    wide = np.float64 if dtype == "float64" else np.float32
    on_device = _pointer_mode[0] == 1
    # Numbers of the host are read when the call is made, those of the device when it runs.
    factors = [at if on_device else host_cuda._memory(at, np.dtype(wide), 1)[0] for at in (alpha, beta)]
    line = CudaProduct(
        dtype, tuple([bool(f) for f in transposed]), *sizes, (a[2], b[2], c[2]), batch, (a[3], b[3], c[3]),
        (), 1.0, 0.0, "", (), 0,
    )  # fmt: skip
    COMPUTED_IN[:] = [*COMPUTED_IN[-8:], compute]
    engine = host_cuda.HostEngine()
    issue(lambda: engine._product(line, [a[0], b[0], c[0]], factors, on_device))


def _gemm(
    handle: int, transa: int, transb: int, m: int, n: int, k: int, alpha: int, A: int, Atype: int, lda: int, B: int,
    Btype: int, ldb: int, beta: int, C: int, Ctype: int, ldc: int, computeType: int, algo: int,
) -> None:  # fmt: skip
    _product((transa, transb), (m, n, k), alpha, (A, Atype, lda, 0), (B, Btype, ldb, 0), beta, (C, Ctype, ldc, 0), 1,
             computeType)  # fmt: skip


def _gemm_batched(
    handle: int, transa: int, transb: int, m: int, n: int, k: int, alpha: int, A: int, Atype: int, lda: int,
    strideA: int, B: int, Btype: int, ldb: int, strideB: int, beta: int, C: int, Ctype: int, ldc: int, strideC: int,
    batchCount: int, computeType: int, algo: int,
) -> None:  # fmt: skip
    _product((transa, transb), (m, n, k), alpha, (A, Atype, lda, strideA), (B, Btype, ldb, strideB), beta,
             (C, Ctype, ldc, strideC), batchCount, computeType)  # fmt: skip


def module(name: str, **names: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(names)
    return module


runtime = module(
    "cupy.cuda.runtime", CUDARuntimeError=CUDARuntimeError, getDeviceCount=_device_count,
    getDeviceProperties=_properties, getDevice=current_device, memGetInfo=lambda: Device().mem_info,
    memcpyAsync=_copy, memsetAsync=_set, memcpyDefault=4, memcpyHostToDevice=1, memcpyDeviceToHost=2,
    setDevice=lambda index: Device(index).use(), runtimeGetVersion=lambda: 12090, driverGetVersion=lambda: 12090,
    deviceCanAccessPeer=lambda a, b: 1, deviceSynchronize=lambda: None,
)  # fmt: skip
cuda = module(
    "cupy.cuda", Device=Device, Event=Event, Stream=Stream, get_elapsed_time=get_elapsed_time, runtime=runtime,
    get_current_stream=get_current_stream, is_available=lambda: True,
    memory=module("cupy.cuda.memory", OutOfMemoryError=OutOfMemoryError),
    compiler=module("cupy.cuda.compiler", CompileException=CompileException),
    ExternalStream=lambda ptr, device_id=-1: _NULL_STREAM,
    alloc_pinned_memory=PinnedMemory, get_cublas_handle=lambda: 1, PinnedMemoryPointer=PinnedMemory,
    nvtx=module("cupy.cuda.nvtx", RangePush=lambda message, *a: None, RangePop=lambda: None, Mark=lambda m, *a: None),
)  # fmt: skip


def get_default_memory_pool() -> _Pool:
    return POOL


def get_default_pinned_memory_pool() -> Any:
    return module("pool", free_all_blocks=lambda: None)


libs = module(
    "cupy_backends.cuda.libs",
    cublas=module(
        "cupy_backends.cuda.libs.cublas",
        gemmEx=_gemm,
        gemmStridedBatchedEx=_gemm_batched,
        setPointerMode=_set_pointer_mode,
    ),
)


class PinnedMemoryPointer(bytearray):
    """Page-locked memory."""


def empty_pinned(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    nbytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    return np.ndarray(shape, dtype, PinnedMemoryPointer(nbytes), order=order)  # type: ignore[call-overload]


COMPUTE_TYPES: dict[str, int] = {}
core = module(
    "cupy._core",
    set_compute_type=lambda dtype, value: COMPUTE_TYPES.__setitem__(np.dtype(dtype).char, value),
    _routines_linalg=module("cupy._core._routines_linalg", COMPUTE_TYPE_DEFAULT=1, COMPUTE_TYPE_TF32=7),
)
