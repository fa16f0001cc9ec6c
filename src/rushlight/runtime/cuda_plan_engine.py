"""What compiled programs ask of a GPU, answered by CuPy: memory, kernels, products, copies, CUDA graphs.

CuPy is imported when the first program is made. Kernels are compiled by NVRTC for the device's own architecture and kept
on disk by CuPy, by their text.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

OPTIONS: Final = ("--std=c++17",)
# cuBLAS's and CUDA's numbers.
_TYPES: Final = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 14}
_COMPUTE_32F: Final = 68
_COMPUTE_64F: Final = 70
_COMPUTE_TF32: Final = 77
_POINTERS_ON_HOST, _POINTERS_ON_DEVICE = 0, 1
_MATH_DEFAULT, _MATH_PEDANTIC = 0, 2
_DEFAULT_ALGORITHM: Final = -1


class Engine(Protocol):
    """A GPU, or what stands for one in tests. Addresses are integers."""

    captures: bool
    takes_numpy: bool

    @property
    def setting(self) -> Any: ...
    def here(self) -> Any: ...
    def compile(self, sources: Sequence[tuple[str, str]]) -> list[Any]: ...
    def allocate(self, nbytes: int) -> Any: ...
    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any: ...
    def address_of(self, array: Any) -> int: ...
    def host_words(self, count: int) -> tuple[NDArray[Any], int]: ...
    def launch(self, function: Any, grid: int, block: int, arguments: Sequence[int]) -> None: ...
    def product(self, line: Any, places: Sequence[int], factors: Sequence[Any], on_device: bool) -> None: ...
    def copy(self, target: int, source: int, nbytes: int) -> None: ...
    def clear(self, target: int, nbytes: int) -> None: ...
    def copy_in(self, target: int, array: Any) -> None: ...
    def copy_out(self, array: Any, source: int) -> None: ...
    def to_host(self, array: NDArray[Any], source: int) -> None: ...
    def to_device(self, target: int, array: NDArray[Any]) -> None: ...
    def view(self, memory: Any, offset: int, shape: tuple[int, ...], dtype: Any) -> Any: ...
    def called(self, function: Any, operands: Sequence[Any]) -> Any: ...
    def assign(self, target: Any, value: Any) -> None: ...
    def capture(self, issue: Callable[[], None]) -> Any: ...
    def replay(self, graph: Any) -> None: ...
    def synchronize(self) -> None: ...


class CudaCompileError(RuntimeError):
    """NVRTC refused a kernel. The message has the kernel's name and NVRTC's own."""


_kernels: dict[tuple[int, str, str], Any] = {}
_engines: dict[int, CupyEngine] = {}
_tf32: list[bool] = [False]


def allow_tf32(allowed: bool) -> None:
    """Whether float32 products may round their operands to TF32 (``torch.backends.cuda.matmul.allow_tf32``)."""
    _tf32[0] = allowed


def engine() -> CupyEngine:
    """The engine of the current device. ``RuntimeError`` that says what is missing where there is none."""
    try:
        import cupy
    except ImportError as error:
        raise RuntimeError(
            f"compiled program on a GPU: CuPy can't be imported ({error}); install it with pip install 'rushlight[cuda]'"
        ) from error
    try:
        device = cupy.cuda.Device().id
    except Exception as error:
        raise RuntimeError(
            f"compiled program on a GPU: there is no usable CUDA device ({error}); check the driver with nvidia-smi"
        ) from error
    found = _engines.get(device)
    if found is None:
        found = _engines[device] = CupyEngine(cupy, device)
    return found


class CupyEngine:
    """See ``Engine``. All work goes to CuPy's current stream."""

    captures = True
    takes_numpy = False

    def __init__(self, cupy: Any, device: int) -> None:
        self.cupy = cupy
        self.device = device
        self.runtime = cupy.cuda.runtime
        self._kept: list[Any] = []
        self._private: Any = None

    @property
    def setting(self) -> Any:
        """What decides how products are computed: captured graphs are made again when it changes."""
        return _tf32[0]

    def here(self) -> Any:
        """A context in which this engine's GPU is the current one."""
        return self.cupy.cuda.Device(self.device)

    # Kernels

    def compile(self, sources: Sequence[tuple[str, str]]) -> list[Any]:
        return [self._kernel(source, name) for source, name in sources]

    def _kernel(self, source: str, name: str) -> Any:
        key = (self.device, source, name)
        found = _kernels.get(key)
        if found is None:
            try:
                found = self.cupy.RawModule(code=source, options=OPTIONS, backend="nvrtc").get_function(name)
            except self.cupy.cuda.compiler.CompileException as error:
                raise CudaCompileError(
                    f"kernel {name}: NVRTC refused it; this is a fault of the compiler, please report it. NVRTC says:\n{error}"
                ) from error
            _kernels[key] = found
        return found

    def launch(self, function: Any, grid: int, block: int, arguments: Sequence[int]) -> None:
        function((grid,), (block,), tuple([np.int64(a) for a in arguments]))

    # Memory

    def allocate(self, nbytes: int) -> Any:
        return self.cupy.empty(nbytes, np.uint8)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return self.cupy.empty(shape, dtype)

    def address_of(self, array: Any) -> int:
        return int(array.data.ptr)

    def host_words(self, count: int) -> tuple[NDArray[Any], int]:
        """64-bit words in pinned memory, which kernels write to at the same address."""
        memory = self.cupy.cuda.alloc_pinned_memory(8 * count)
        self._kept.append(memory)
        return np.frombuffer(memory, np.int64, count), int(memory.ptr)

    def _stream(self) -> int:
        return int(self.cupy.cuda.get_current_stream().ptr)

    def copy(self, target: int, source: int, nbytes: int) -> None:
        self.runtime.memcpyAsync(target, source, nbytes, self.runtime.memcpyDefault, self._stream())

    def clear(self, target: int, nbytes: int) -> None:
        self.runtime.memsetAsync(target, 0, nbytes, self._stream())

    def copy_in(self, target: int, array: Any) -> None:
        if isinstance(array, np.ndarray):
            # From pageable memory the call returns when the array has been read.
            self.runtime.memcpyAsync(
                target, array.ctypes.data, array.nbytes, self.runtime.memcpyHostToDevice, self._stream()
            )
        else:
            self.copy(target, self.address_of(array), array.nbytes)

    def copy_out(self, array: Any, source: int) -> None:
        if isinstance(array, np.ndarray):
            self.to_host(array, source)
        else:
            self.copy(self.address_of(array), source, array.nbytes)

    def to_host(self, array: NDArray[Any], source: int) -> None:
        self.runtime.memcpyAsync(
            array.ctypes.data, source, array.nbytes, self.runtime.memcpyDeviceToHost, self._stream()
        )
        self.synchronize()

    def to_device(self, target: int, array: NDArray[Any]) -> None:
        self.copy_in(target, array)

    def view(self, memory: Any, offset: int, shape: tuple[int, ...], dtype: Any) -> Any:
        """A contiguous array in ``memory``, ``offset`` bytes from its beginning."""
        if not offset and memory.shape == shape and memory.dtype == dtype:
            return memory
        nbytes = prod(shape) * dtype.itemsize
        if not nbytes:
            return self.cupy.empty(shape, dtype)
        return memory.reshape(-1).view(np.uint8)[offset : offset + nbytes].view(dtype).reshape(shape)

    def called(self, function: Any, operands: Sequence[Any]) -> Any:
        """What eager mode computes in the place of a line without a kernel; NotImplemented where NumPy does."""
        from .device_calls import computed

        return computed(function, operands)

    def assign(self, target: Any, value: Any) -> None:
        """Copy a result to where the plan wants it."""
        from .device_calls import assign

        value = value.reshape(target.shape)
        if value.dtype != target.dtype:
            value = value.astype(target.dtype)
        assign(target, value)

    def synchronize(self) -> None:
        self.cupy.cuda.get_current_stream().synchronize()

    # Products

    def product(self, line: Any, places: Sequence[int], factors: Sequence[Any], on_device: bool) -> None:
        cublas = importlib.import_module("cupy_backends.cuda.libs").cublas

        handle = self.cupy.cuda.get_cublas_handle()
        double = line.dtype == "float64"
        if on_device:
            alpha, beta = factors
        else:
            numbers = np.array(factors, np.float64 if double else np.float32)
            alpha, beta = numbers.ctypes.data, numbers.ctypes.data + numbers.itemsize
        type_ = _TYPES[line.dtype]
        compute = _COMPUTE_64F if double else _COMPUTE_32F
        if line.dtype == "float32" and _tf32[0]:
            compute = _COMPUTE_TF32
        flags = [int(t) for t in line.transposed]  # cuBLAS: 0 as it is, 1 transposed
        a, b, c = places
        cublas.setPointerMode(handle, _POINTERS_ON_DEVICE if on_device else _POINTERS_ON_HOST)
        try:
            sizes = (line.m, line.n, line.k)
            if line.batch == 1:
                cublas.gemmEx(
                    handle, *flags, *sizes, alpha, a, type_, line.leading[0], b, type_, line.leading[1], beta, c, type_,
                    line.leading[2], compute, _DEFAULT_ALGORITHM,
                )  # fmt: skip
            else:
                cublas.gemmStridedBatchedEx(
                    handle, *flags, *sizes, alpha, a, type_, line.leading[0], line.strides[0], b, type_, line.leading[1],
                    line.strides[1], beta, c, type_, line.leading[2], line.strides[2], line.batch, compute,
                    _DEFAULT_ALGORITHM,
                )  # fmt: skip
        finally:
            if on_device:
                cublas.setPointerMode(handle, _POINTERS_ON_HOST)

    # Graphs

    def capture(self, issue: Callable[[], None]) -> Any:
        """The launches of ``issue`` as a graph; None where the driver does not capture one of them."""
        if self._private is None:
            self._private = self.cupy.cuda.Stream(non_blocking=True)
        stream = self._private
        try:
            with stream:
                stream.begin_capture()
                try:
                    issue()
                finally:
                    graph = stream.end_capture()
        except self.runtime.CUDARuntimeError:
            return None
        return graph

    def replay(self, graph: Any) -> None:
        graph.launch(self.cupy.cuda.get_current_stream())
