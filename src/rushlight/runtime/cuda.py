"""The CUDA device: where its arrays are, how they get there and back, and who computes with them.

A CUDA tensor's array is a ``cupy.ndarray``. CuPy is imported when a program first asks for a CUDA device, never before. What
an operation does with such arrays is in ``cuda_operations``; the streams of random numbers are in ``cuda_random``.
"""

from __future__ import annotations

import os
import sys
from _thread import get_ident
from typing import Any, Final

import numpy as np

from ..core.device import OF_ARRAYS, RECORDED, STAND_INS, device, device_of
from ..core.errors import OutOfMemoryError
from ..core.generator import SEEDS_ELSEWHERE
from .batched import Batched
from .pending import Pending

INSTALL: Final = "pip install 'rushlight[cuda]'"
NOT_INSTALLED: Final = (
    "Torch not compiled with CUDA enabled: Rushlight computes on NVIDIA GPUs through CuPy, which is not installed; "
    f"{INSTALL}, or use device 'cpu'"
)
NO_DRIVER: Final = (
    "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver from "
    "http://www.nvidia.com/Download/index.aspx"
)
FORKED: Final = (
    "Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must use the 'spawn' start "
    "method"
)


class Cuda:
    """The CUDA backend, made once, when CuPy is there and finds a GPU. ``cupy`` is the module."""

    def __init__(self, cupy: Any, count: int) -> None:
        self.cupy: Final = cupy
        self.ndarray: Final = cupy.ndarray
        self.count: Final = count
        self.process: Final = os.getpid()
        self.devices: Final = tuple([device("cuda", index) for index in range(count)])
        self.generators: Final[dict[int, Any]] = {}
        self.peaks: Final[dict[int, tuple[int, int]]] = {}
        self.mode: Any = None  # what computes operations at once (``ops.placement`` puts it here)
        self.tapes: Final[dict[int, Any]] = {}  # by thread: the recording that holds arrays of this backend

    # --- devices --------------------------------------------------------------------------------------------------

    def current(self) -> int:
        """The index of the current device."""
        return int(self.cupy.cuda.runtime.getDevice())

    def ready(self, where: device) -> device:
        """``where`` with its index. Raises ``RuntimeError`` for a GPU that is not there, and in a forked process."""
        if self.process != os.getpid():
            raise RuntimeError(FORKED)
        index = self.current() if where.index is None else where.index
        if index >= self.count:
            raise RuntimeError(
                f"CUDA error: invalid device ordinal: cuda:{index} was asked for, and there "
                + (
                    "is 1 GPU: cuda:0"
                    if self.count == 1
                    else f"are {self.count} GPUs: cuda:0 to cuda:{self.count - 1}"
                )
            )
        return self.devices[index]

    def device_of(self, array: Any) -> device:
        """Where the array is."""
        where: device = self.devices[array.data.device_id]
        return where

    def on(self, where: device) -> Any:
        """A context in which new arrays are on ``where``."""
        return self.cupy.cuda.Device(where.index)

    # --- arrays ---------------------------------------------------------------------------------------------------

    def place(self, array: Any, where: device) -> Any:
        """A NumPy array, or one of another GPU, copied to ``where``, in its own layout; one that is there as it is."""
        if where.index is None:
            where = self.ready(where)
        if type(array) is Pending and not array.tape.finished:
            if device_of(array) == where:
                return array
            array.tape.on_devices()
            return array.tape.moved(array, where)
        if type(array) is Batched:
            return array.moved_to(where)
        if type(array) is self.ndarray:
            if array.data.device_id == where.index:
                return array
            with self.on(where), self.memory_errors():
                return (array if array.flags.forc else self._gathered(array)).copy(order="A")
        source = np.asarray(array)
        if (
            not source.ndim and source.itemsize > 1
        ):  # an argument of a kernel: no copy, which the processor would wait for
            return self.made("full", (), source.dtype, where, source)
        if not source.flags.forc:
            source = source.copy(order="K")
        with self.on(where), self.memory_errors():
            memory = self.cupy.empty(source.size, source.dtype)
            # In the order of memory, so that what lies there in another order (channels last) does here too.
            flat = _in_memory_order(source)
            if flat is None:
                source = np.ascontiguousarray(source)
                flat = source.reshape(-1)
            if source.size:
                memory.set(flat)
            return self.strided(memory, source.shape, source.strides) if source.ndim != 1 else memory

    def _gathered(self, array: Any) -> Any:
        with self.on(self.device_of(array)):
            return self.cupy.ascontiguousarray(array)

    def to_host(self, array: Any) -> Any:
        """The array's elements in a new NumPy array of the same layout."""
        if self.tapes and (tape := self.tapes.get(get_ident())) is not None:
            tape.homes.before_reading(array)
        if array.flags.forc or 0 in array.strides:
            found = array.get(order="A")
        else:
            order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
            back = [order.index(axis) for axis in range(array.ndim)]
            found = array.transpose(order).get().transpose(back)
        check_faults()
        return found

    def strided(self, array: Any, shape: Any, strides: Any) -> Any:
        """The view of the memory from the array's first element on."""
        return self.cupy.lib.stride_tricks.as_strided(array, tuple(shape), tuple(strides))

    def address(self, array: Any) -> int:
        """Where the first element is in the device's memory."""
        return int(array.data.ptr)

    def block(self, array: Any) -> Any:
        """What tells the allocation that an array is in from others."""
        return id(array.data.mem)

    def made(self, name: str, shape: Any, dtype: Any, where: device, value: Any = None) -> Any:
        """A new array on ``where``: ``name`` is "empty", "zeros", "ones" or "full"."""
        with self.on(where), self.memory_errors():
            array = self.cupy.empty(shape, dtype)
            if name != "empty" and array.size:
                self.fill(array, np.asarray({"zeros": 0, "ones": 1}.get(name, value), dtype))
            return array

    def as_dtype(self, array: Any, dtype: Any) -> Any:
        """The array in another dtype: bfloat16 through its bits, for CuPy does not convert it."""
        if array.dtype.kind == "V" or np.dtype(dtype).kind == "V":
            from .cuda_rules import RULES

            return RULES["to_copy"](self.cupy, array, np.dtype(dtype))
        return array.astype(dtype)

    def fill(self, array: Any, value: Any) -> None:
        """Every element set to ``value``, a 0-dim NumPy array of the dtype."""
        if type(value) is self.ndarray:
            array[...] = value
        elif array.dtype.kind == "V":  # bfloat16: CuPy has no kernels for it
            array.view(np.uint16).fill(int(np.asarray(value, array.dtype).view(np.uint16)))
        else:
            array.fill(np.asarray(value, array.dtype)[()])

    def pinned(self, array: Any) -> Any:
        """A copy of a NumPy array in page-locked memory."""
        import cupyx

        with self.memory_errors():
            copy = cupyx.empty_pinned((array.nbytes,), np.uint8).view(array.dtype).reshape(array.shape)
        copy[...] = array
        return copy

    def is_pinned(self, array: Any) -> bool:
        """Whether a NumPy array is one that ``pinned`` made, or part of one."""
        if type(array) is not np.ndarray:
            return False
        base = array
        while isinstance(base, np.ndarray) and base.base is not None:
            base = base.base
        return type(base).__name__ == "PinnedMemoryPointer"

    # --- generators -----------------------------------------------------------------------------------------------

    @property
    def generator_class(self) -> Any:
        """The class of this device's generators."""
        from .cuda_random import CudaGenerator

        return CudaGenerator

    def generator(self, where: device) -> Any:
        """The GPU's default generator."""
        where = self.ready(where)
        index = where.index or 0
        if index not in self.generators:
            from .cuda_random import CudaGenerator

            self.generators[index] = CudaGenerator(where)
            seed = SEEDS_ELSEWHERE.get(index, SEEDS_ELSEWHERE.get(-1))
            if seed is not None:
                self.generators[index].manual_seed(seed)
        return self.generators[index]

    # --- errors ---------------------------------------------------------------------------------------------------

    def memory_errors(self) -> _MemoryErrors:
        """A context in which CuPy's errors become PyTorch's."""
        return _MemoryErrors(self)

    def translated(self, error: BaseException) -> Exception | None:
        """What PyTorch would raise for an error of CuPy's; None for an error that is not one of those."""
        if isinstance(error, self.cupy.cuda.memory.OutOfMemoryError):
            free, total = self.cupy.cuda.runtime.memGetInfo()
            pool = self.cupy.get_default_memory_pool()
            return OutOfMemoryError(
                f"CUDA out of memory. {error} GPU {self.current()} has a total capacity of {total / 2**30:.2f} GiB of which "
                f"{free / 2**30:.2f} GiB is free; this process uses {pool.used_bytes() / 2**30:.2f} GiB and keeps "
                f"{pool.free_bytes() / 2**30:.2f} GiB for itself (rushlight.cuda.empty_cache() gives it back)"
            )
        if isinstance(error, self.cupy.cuda.compiler.CompileException):
            return RuntimeError(
                f"CUDA: a kernel does not compile: {error}. Check that NVRTC and the CUDA headers go with the driver: "
                f"{INSTALL}"
            )
        return None


class _MemoryErrors:
    def __init__(self, backend: Cuda) -> None:
        self.backend = backend

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None and not isinstance(error, OutOfMemoryError):
            other = self.backend.translated(error)
            if other is not None:
                raise other from error


def _in_memory_order(array: Any) -> Any:
    """The elements of an array without gaps as they lie in memory; None for one with gaps or in reverse."""
    if array.flags.c_contiguous:
        return array.reshape(-1)
    order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    turned = array.transpose(order)
    return turned.reshape(-1) if turned.flags.c_contiguous else None


# --- finding it -------------------------------------------------------------------------------------------------------

_found: list[Cuda] = []
# What looks for faults that kernels have noted (``cuda_plan`` enters it), called where values become visible.
FAULTS: Final[list[Any]] = []


def check_faults() -> None:
    """Raise what kernels of compiled programs have found wrong so far (``IndexError``, ``RuntimeError``)."""
    for check in FAULTS:
        check()


_TF32: Final = [False]


def allow_tf32(allowed: bool) -> None:
    """Whether products of float32 matrices may round their factors to TF32: now, or from when CUDA is first used."""
    _TF32[0] = allowed
    if not _found:
        return
    core = _found[0].cupy._core
    kinds = core._routines_linalg
    core.set_compute_type(np.float32, kinds.COMPUTE_TYPE_TF32 if allowed else kinds.COMPUTE_TYPE_DEFAULT)
    from .cuda_plan_engine import allow_tf32 as in_plans

    in_plans(allowed)


def started() -> Cuda | None:
    """The backend, if a program has asked for it."""
    return _found[0] if _found else None


def backend() -> Cuda:
    """The backend, started now if it was not. ``AssertionError`` where CuPy is missing (PyTorch's type for a build without
    CUDA), ``RuntimeError`` where there is no driver or no GPU, in a forked process, or where CuPy does not load."""
    if not _found:
        _start()
    return _found[0]


def _start() -> None:
    cupy = _import()
    try:
        count = int(cupy.cuda.runtime.getDeviceCount())
    except Exception as error:
        raise RuntimeError(_explained(error)) from None
    if not count:
        raise RuntimeError("No CUDA GPUs are available")
    found = Cuda(cupy, count)
    OF_ARRAYS[cupy.ndarray] = found
    RECORDED.add(cupy.ndarray)
    STAND_INS.update((Pending, Batched))
    _found.append(found)
    allow_tf32(_TF32[0])


def _import() -> Any:
    try:
        import cupy
    except ImportError as error:
        if getattr(error, "name", None) == "cupy":
            raise AssertionError(NOT_INSTALLED) from None
        raise RuntimeError(f"CUDA: CuPy is installed but does not load ({error}); {INSTALL}") from error
    return cupy


def _explained(error: Exception) -> str:
    text = str(error)
    if "InsufficientDriver" in text or "NoDevice" in text:
        return f"{NO_DRIVER} ({text})"
    return f"CUDA: the driver or the CUDA runtime does not answer: {text}; {INSTALL}, and check nvidia-smi"


def usable() -> bool:
    """Whether ``backend()`` would give one; never raises, and takes no time where there is no driver."""
    if _found:
        return True
    if "cupy" not in sys.modules:
        from importlib.util import find_spec

        try:
            if find_spec("cupy") is None or not _driver_is_there():
                return False
        except (ImportError, ValueError):
            return False
    try:
        return int(_import().cuda.runtime.getDeviceCount()) > 0
    except Exception:  # whatever is wrong with CUDA here, the answer is no
        return False


def _driver_is_there() -> bool:
    if not sys.platform.startswith("linux"):
        return True
    import ctypes

    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


__all__ = ["Cuda", "check_faults", "allow_tf32", "backend", "started", "usable"]
