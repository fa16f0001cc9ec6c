"""What an operation does with CUDA arrays: by a compiled kernel, by CuPy, or, counted, on the CPU.

For each record there are, in this order: a kernel compiled from the record's own ``lower`` (``cuda_plan.eager_call``), a
rule of ``cuda_rules`` written for CuPy, the record's own ``impl`` where it is known to do the same with CuPy's arrays as with
NumPy's (``cuda_rules.DIRECT``), and the round trip: the operands copied to the CPU, computed there, and the results copied
back. ``HOST_TRIPS`` counts those; the environment's ``RUSHLIGHT_CUDA_HOST=warn`` names each operation once, and ``=error``
raises. ``RUSHLIGHT_CUDA_KERNELS=0`` leaves the compiled kernels out.
"""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from typing import Any, Final

import numpy as np

from ..core.dtypes import BF16
from .cuda import Cuda
from .cuda_rules import ANY_BITS, DIRECT, RULES, UFUNCS, of_bits, to_bits
from .cuda_scatter_rules import as_bits
from .device_recording import INDEXED, refuse_indices, refuse_two_devices
from .pending import Pending

# How often each operation was computed on the CPU for want of a kernel.
HOST_TRIPS: Final[Counter[str]] = Counter()
_MOST_NUMBERS: Final = 256


class CudaMode:
    """What ``ops.dispatch`` calls for operands of which one is a CUDA array."""

    def __init__(self, backend: Cuda) -> None:
        self.backend = backend
        self.compiled: Any = None  # cuda_plan.eager_call, found at the first call
        self.numbers: OrderedDict[Any, Any] = OrderedDict()  # 0-dim arrays on the GPU
        self.setting = os.environ.get("RUSHLIGHT_CUDA_HOST", "")

    def share(self, array: Any) -> Any:
        """The array itself: nothing is pending here."""
        return array

    def call(self, record: Any, arrays: Any, attrs: dict[str, Any]) -> Any:
        """The record's results on the device of its operands; ``RuntimeError`` for operands of several devices."""
        backend = self.backend
        index, arrays = self._together(record, arrays)
        cuda = backend.cupy.cuda
        if int(cuda.runtime.getDevice()) != index:
            with cuda.Device(index):
                return self._call(record, arrays, attrs)
        return self._call(record, arrays, attrs)

    def _together(self, record: Any, arrays: Any) -> tuple[int, list[Any]]:
        """The device that all operands are on, and the operands on it."""
        kind = self.backend.ndarray
        index = -1
        loose = []
        for position, array in enumerate(arrays):
            if type(array) is kind:
                found = array.data.device_id
                if index == -1:
                    index = found
                elif found != index:
                    refuse_two_devices(f"cuda:{index}", f"cuda:{found}")
            elif isinstance(array, np.ndarray | Pending):
                loose.append(position)
        if not loose:
            return index, list(arrays)
        arrays = list(arrays)
        backend = self.backend
        where = backend.devices[index]
        first_index = INDEXED.get(record.name, len(arrays))
        for position in loose:
            array = arrays[position]
            if type(array) is Pending:  # of a recording on the CPU
                array = array.tape.settle(array)
            if first_index < len(arrays) and position == 0 and array.ndim:
                refuse_indices()
            if array.ndim and position < first_index:
                refuse_two_devices(f"cuda:{index}", "cpu")
            arrays[position] = self._number(array, where) if not array.ndim else backend.place(array, where)
        return index, arrays

    def _number(self, array: Any, where: Any) -> Any:
        """A 0-dim array of the host on ``where``, by a kernel that has it as an argument: nothing is copied, and nobody waits.

        Numbers come again, so the last ones are kept (nothing writes into an operand); for each stream, since another one
        would have to wait for that kernel.
        """
        backend = self.backend
        stream = backend.cupy.cuda.get_current_stream().ptr
        key = (where.index, stream, array.dtype, array.tobytes())
        numbers = self.numbers
        found = numbers.pop(key, None)
        if found is None:
            found = backend.place(array, where)
            if len(numbers) >= _MOST_NUMBERS:
                numbers.popitem(last=False)
        numbers[key] = found
        return found

    def _call(self, record: Any, arrays: list[Any], attrs: dict[str, Any]) -> Any:
        if getattr(record, "everywhere", False):  # a collective, which knows itself how a GPU's arrays travel
            return record.impl(*arrays, **attrs)
        try:
            result = self._compiled_call(record, arrays, attrs)
            if result is not NotImplemented:
                return result
            return self._plain_call(record, arrays, attrs)
        except Exception as error:
            other = self.backend.translated(error)
            if other is not None:
                raise other from error
            raise

    def _compiled_call(self, record: Any, arrays: list[Any], attrs: dict[str, Any]) -> Any:
        if self.compiled is None:
            self.compiled = _eager_call()
        return self.compiled(record, arrays, attrs)

    def _plain_call(self, record: Any, arrays: list[Any], attrs: dict[str, Any]) -> Any:
        name = record.name
        cupy = self.backend.cupy
        rule = RULES.get(name)
        ufunc = UFUNCS.get(name)
        direct = name in DIRECT
        if rule is None and ufunc is None and not direct:
            return self._without_rule(record, arrays, attrs)
        low = any([a is not None and getattr(a, "dtype", None) == BF16 for a in arrays])
        if low and name not in ANY_BITS:
            # CuPy has no arithmetic in bfloat16: float32 takes its place, rounded once, as PyTorch's kernels do it.
            wide = [of_bits(cupy, a) if getattr(a, "dtype", None) == BF16 else a for a in arrays]
            return _narrowed(cupy, self._plain_call(record, wide, attrs), record)
        if rule is not None:
            result = rule(cupy, *arrays, **attrs)
            return self._without_rule(record, arrays, attrs) if result is NotImplemented else result
        if ufunc is not None:
            return getattr(cupy, ufunc)(*arrays, **attrs)
        return record.impl(*arrays, **attrs)

    def _without_rule(self, record: Any, arrays: list[Any], attrs: dict[str, Any]) -> Any:
        """By the compiled kernel for contiguous arrays, if the operands' layout was all that stood against it; on the CPU."""
        kind = self.backend.ndarray
        if any([type(a) is kind and not a.flags.c_contiguous for a in arrays]):
            result = self._compiled_call(
                record, [self._contiguous(a) if type(a) is kind else a for a in arrays], attrs
            )
            if result is not NotImplemented:
                return result
        return self.on_host(record, arrays, attrs)

    def _contiguous(self, array: Any) -> Any:
        if array.flags.c_contiguous:
            return array
        bits = as_bits(array)
        return self.backend.cupy.ascontiguousarray(bits).view(array.dtype)

    def on_host(self, record: Any, arrays: list[Any], attrs: dict[str, Any]) -> Any:
        """The record computed on the CPU: copied there, and its results back."""
        name = record.name
        if self.setting and (self.setting == "error" or not HOST_TRIPS[name]):
            text = f"{name}: no CUDA kernel; computed on the CPU, with copies there and back (RUSHLIGHT_CUDA_HOST)"
            if self.setting == "error":
                raise NotImplementedError(text)
            import warnings

            warnings.warn(text, UserWarning, stacklevel=2)
        HOST_TRIPS[name] += 1
        backend = self.backend
        kind = backend.ndarray
        where = backend.devices[backend.current()]
        host = [backend.to_host(a) if type(a) is kind else a for a in arrays]
        host_attrs = {k: _attr_on_host(backend, v) for k, v in attrs.items()}
        with np.errstate(all="ignore"):
            result = record.impl(*host, **host_attrs)
        if isinstance(result, tuple):
            return tuple(
                [None if part is None else backend.place(np.asarray(part), where) for part in result]
            )
        return backend.place(np.asarray(result), where)


def _narrowed(cupy: Any, result: Any, record: Any) -> Any:
    """float32 results in the place of bfloat16 ones."""
    if isinstance(result, tuple):
        return tuple([_narrowed(cupy, part, record) for part in result])
    return to_bits(cupy, result) if result is not None and result.dtype == np.float32 else result


def _attr_on_host(backend: Cuda, value: Any) -> Any:
    if type(value) is backend.ndarray:
        return backend.to_host(value)
    if type(value) is tuple or type(value) is list:
        return type(value)([_attr_on_host(backend, item) for item in value])
    return value


def _eager_call() -> Any:
    if os.environ.get("RUSHLIGHT_CUDA_KERNELS") == "0":
        return _nothing_compiled
    try:
        from .cuda_plan import eager_call
    except ImportError:
        return _nothing_compiled
    return eager_call


def _nothing_compiled(record: Any, arrays: Any, attrs: Any) -> Any:
    return NotImplemented
