"""Making tensors: from data, filled, ranges."""

from __future__ import annotations

import math
import operator
import warnings
from typing import Any

import numpy as np

from ..core.device import (
    CPU,
    LOADERS,
    OF_ARRAYS,
    DeviceLike,
    device as Device,
    device_of,
    fill_array,
    placed,
    require_available,
    strided,
)
from ..core.dtypes import (
    BOOL,
    C64,
    C128,
    F32,
    F64,
    I64,
    LOW_PRECISION,
    OF_NUMPY,
    NumpyDType,
    default_complex_numpy,
    default_numpy,
    dtype,
    natural_dtype,
)
from ..core.errors import no_memory
from ..core.fused_multiply_add import evenly_spaced32, fused32, fused64
from ..core.memory_order import in_channels_last
from ..core.shapes import LONG_DIMENSION, Size, as_shape, check_fits
from ..core.tensor import Tensor, make_tensor, storage_of
from ..runtime import direct
from ..runtime.batched import Batched
from .array_data import LARGEST, array_from, check_memory, checked_shape, is_sequence, shape_of
from .dispatch import type_name, write_out
from .movement import cast, clone
from .placement import moved

Dtype = dtype | None
_SHORT = 1 << 31  # a range of fewer integers needs no checks


def _finish(array: Any, requires_grad: bool, where: Device = CPU) -> Tensor:
    tensor = make_tensor(array if where is CPU else placed(array, where))
    if requires_grad:
        if array.dtype.kind in "iub":
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        tensor.requires_grad_(True)
    return tensor


def numpy_dtype(given: Any) -> NumpyDType:
    """The NumPy dtype meant by a dtype (None: the default one) or by Python's float, int, bool or complex."""
    if given is None:
        return default_numpy()
    if not isinstance(given, dtype):  # a program may pass Python's float or int
        if given is float or given is int or given is bool or given is complex:
            return {float: F64, int: I64, bool: BOOL, complex: C128}[given]
        raise TypeError(f"dtype: expected a rushlight.dtype such as torch.float32, got {given!r}")
    return given.numpy


def check_layout(layout: object) -> None:
    if layout is not None and str(layout) != "torch.strided":
        raise NotImplementedError(f"layout {layout}: only torch.strided tensors are supported")


# --- from data --------------------------------------------------------------------------------------------------------


def tensor(
    data: Any,
    *,
    dtype: Dtype = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A new leaf tensor with a copy of ``data``: a number, nested lists, a NumPy array or a tensor.

    The dtype follows the data (floats: the default dtype; ints: int64) unless given. Raises ``ValueError`` for ragged
    nesting and ``TypeError`` for things that are not numbers.

    Example:
        >>> import rushlight as torch
        >>> torch.tensor([[1, 2], [3, 4]])
        tensor([[1, 2],
                [3, 4]])
    """
    where = require_available(device)
    if isinstance(data, Tensor):
        if device is None:
            where = device_of(data._array)
        import warnings

        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
    return _finish(array_from(data, None if dtype is None else numpy_dtype(dtype)), requires_grad, where)


def from_numpy(ndarray: Any) -> Tensor:
    """A tensor that shares memory with a NumPy array. Raises ``TypeError`` for dtypes PyTorch does not have."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    check_memory(ndarray)
    if not ndarray.flags.writeable:
        _warn_read_only("NumPy array")
    tensor = make_tensor(ndarray.view(np.ndarray))
    storage_of(tensor).lent = True
    return tensor


def as_tensor(data: Any, dtype: Dtype = None, device: DeviceLike | None = None) -> Tensor:
    """``data`` as a tensor, sharing memory with a tensor or NumPy array where the dtype allows."""
    where = require_available(device)
    wanted = None if dtype is None else numpy_dtype(dtype)
    if isinstance(data, Tensor):
        if device is not None:
            data = moved(data, where)
        return data if wanted is None else cast(data, wanted)
    if isinstance(data, np.ndarray) and (wanted is None or wanted == data.dtype):
        return moved(from_numpy(data), where)
    return _finish(array_from(data, wanted), False, where)


def asarray(
    obj: Any,
    *,
    dtype: Dtype = None,
    device: DeviceLike | None = None,
    copy: bool | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """``obj`` as a tensor; ``copy=True`` always copies, ``copy=False`` raises ``ValueError`` where it can't share.

    A tensor keeps its history, unless ``requires_grad`` is given as False.
    """
    where = require_available(device)
    wanted = None if dtype is None else numpy_dtype(dtype)
    if isinstance(obj, Tensor) and device is not None and device_of(obj._array) != where:
        if copy is False:
            raise ValueError("asarray: can't alias a tensor of another device; pass copy=None or copy=True")
        obj = moved(obj, where)
    if isinstance(obj, np.generic) and obj.dtype in OF_NUMPY:
        obj = np.asarray(obj)
    elif isinstance(obj, bytes | bytearray | memoryview):
        obj = frombuffer(obj, dtype=OF_NUMPY[wanted or default_numpy()])
    shared = isinstance(obj, Tensor | np.ndarray) and (wanted is None or wanted == _dtype_of(obj))
    if copy is False and not shared:
        raise ValueError("asarray: can't alias the given object without copying; pass copy=None or copy=True")
    if isinstance(obj, Tensor):
        result = obj if shared and not copy else clone(obj) if shared else cast(obj, wanted or _dtype_of(obj))
        if requires_grad is False and not result.is_leaf:
            return result.detach()  # type: ignore[no-any-return]
        return result if requires_grad is None else result.requires_grad_(requires_grad)
    if shared and not copy:
        return _finish(from_numpy(obj)._array, bool(requires_grad), where)
    return _finish(array_from(obj, wanted), bool(requires_grad), where)


def _dtype_of(obj: Any) -> NumpyDType:
    return obj._array.dtype if isinstance(obj, Tensor) else obj.dtype  # type: ignore[no-any-return]


# --- filled -----------------------------------------------------------------------------------------------------------


def out_dtype(out: Any, given: Dtype, name: str) -> NumpyDType:
    """The dtype of ``out``; ``RuntimeError`` where another one is given."""
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    found = out._array.dtype
    if given is not None and numpy_dtype(given) != found:
        raise RuntimeError(f"dtype {given} does not match dtype of out parameter ({OF_NUMPY[found]})")
    return found  # type: ignore[no-any-return]


def allocated(make: Any, shape: tuple[int, ...], kind: NumpyDType) -> Any:
    """``make(shape, kind)``; ``RuntimeError`` as in PyTorch where the memory does not suffice."""
    try:
        return make(shape, kind)
    except (MemoryError, ValueError) as error:
        raise RuntimeError(f"not enough memory for a tensor of shape {list(shape)}: {error}") from None


def laid_out(array: Any, memory_format: Any) -> Any:
    """``array`` in the order of memory that ``memory_format`` names."""
    name = str(memory_format)
    if name == "torch.preserve_format":
        return array
    if name == "torch.contiguous_format":
        return np.ascontiguousarray(array)
    rank = 4 if name == "torch.channels_last" else 5
    if array.ndim != rank:
        raise RuntimeError(f"required rank {rank} tensor to use {name.removeprefix('torch.')} format")
    return in_channels_last(array)


_SPARSE = {f"torch.{name}": name for name in ("sparse_coo", "sparse_csr", "sparse_csc")}


def _filler(name: str, make: Any, doc: str) -> Any:
    def function(
        *size: Any,
        out: Tensor | None = None,
        dtype: Dtype = None,
        layout: object = None,
        device: DeviceLike | None = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
        memory_format: object = None,
        **named_size: Any,
    ) -> Tensor:
        shape = shape_of(size, named_size, name)
        where = require_available(device)
        if layout is not None and str(layout) in _SPARSE and name != "ones":
            from .sparse_creation import empty_in_layout  # only who wants sparse tensors needs it

            return _finish(empty_in_layout(shape, numpy_dtype(dtype), _SPARSE[str(layout)]), requires_grad)
        check_layout(layout)
        if out is not None:
            return write_out(out, make_tensor(make(shape, out_dtype(out, dtype, name))), name)
        if where is not CPU and memory_format is None:
            return _finish(made_on(where, name, shape, numpy_dtype(dtype)), requires_grad, where)
        array = allocated(make, shape, numpy_dtype(dtype))
        return _finish(
            array if memory_format is None else laid_out(array, memory_format), requires_grad, where
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def made_on(where: Device, name: str, shape: tuple[int, ...], kind: NumpyDType, value: Any = None) -> Any:
    """A new array of another device than the CPU, "empty" or filled: "zeros", "ones", "full"."""
    return LOADERS[where.type]().made(name, shape, kind, where, value)


zeros = _filler("zeros", np.zeros, "A tensor of zeros of the given shape, in the default dtype unless given.")
ones = _filler("ones", np.ones, "A tensor of ones of the given shape, in the default dtype unless given.")
empty = _filler("empty", np.empty, "A tensor of the given shape with whatever the memory held.")


def full(
    size: Any,
    fill_value: Any,
    *,
    out: Tensor | None = None,
    dtype: Dtype = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of shape ``size`` filled with ``fill_value``; the dtype follows the value unless given."""
    if isinstance(size, int):
        raise TypeError("full(): argument 'size' (position 1) must be tuple of ints, not int")
    shape = checked_shape((size,), "full")
    where = require_available(device)
    check_layout(layout)
    given = numpy_dtype(dtype)  # raises for what is no dtype
    fill_value = _fill_number(fill_value, "full")
    if out is not None:
        wanted = out_dtype(out, dtype, "full")
    else:
        wanted = natural_dtype(fill_value) if dtype is None else given
    from .overwriting import element_array  # overwriting is built on creation

    value = element_array(fill_value, wanted)
    if where is not CPU and out is None:
        return _finish(made_on(where, "full", shape, wanted, value), requires_grad, where)
    result = allocated(np.empty, shape, wanted)
    result[...] = value
    return _finish(result, requires_grad) if out is None else write_out(out, make_tensor(result), "full")


def scalar_tensor(
    s: Any,
    *,
    dtype: Dtype = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The 0-dim tensor of a number, in the default dtype unless given."""
    return full(
        (),
        s,
        dtype=OF_NUMPY[default_numpy()] if dtype is None else dtype,
        device=device,
        requires_grad=requires_grad,
    )


def empty_strided(
    size: Any,
    stride: Any,
    *,
    dtype: Dtype = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Uninitialised memory seen in the given shape and strides (counted in elements)."""
    where = require_available(device)
    shape, strides = checked_shape((size,), "empty_strided"), as_shape((stride,), "empty_strided")
    if len(shape) != len(strides):
        raise RuntimeError(
            f"dimensionality of sizes ({len(shape)}) must match dimensionality of strides ({len(strides)})"
        )
    if any(step < 0 for step in strides):
        raise RuntimeError(f"empty_strided: strides must not be negative, got {list(strides)}")
    kind = numpy_dtype(dtype)
    elements = 0 if 0 in shape else 1 + sum([(n - 1) * s for n, s in zip(shape, strides, strict=True)])
    memory = allocated(np.empty, checked_shape((elements,), "empty_strided"), kind)
    array = strided(placed(memory, where), shape, [s * kind.itemsize for s in strides])
    return _finish(array, requires_grad, where)


def frombuffer(
    buffer: Any, *, dtype: dtype, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A 1-dim tensor that shares memory with ``buffer``, anything with Python's buffer interface.

    Raises ``ValueError`` where the buffer is empty or does not hold ``count`` elements after ``offset`` bytes.
    """
    kind = numpy_dtype(dtype)
    try:
        size = memoryview(buffer).nbytes
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    left, step = size - offset, kind.itemsize
    wrong = ""
    if not size or not count:
        wrong = f"both buffer length ({size}) and count ({count}) must not be 0"
    elif not 0 <= offset < size:
        wrong = f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({size} bytes) minus 1"
    elif count < 0 and left % step:
        wrong = f"buffer length ({left} bytes) after offset ({offset} bytes) must be a multiple of element size ({step})"
    elif count * step > left:
        wrong = f"requested buffer length ({count} * {step} bytes) after offset ({offset} bytes) must not be greater than "
        wrong += f"actual buffer length ({size} bytes)"
    if wrong:
        raise ValueError(wrong)
    array = np.frombuffer(buffer, kind, count, offset)
    if not array.flags.writeable:
        _warn_read_only("buffer")
    return _finish(array, requires_grad)


def _warn_read_only(what: str) -> None:
    warnings.warn(
        f"The given {what} is not writable, and tensors do not support that: writing to this tensor is undefined. "
        f"Copy the {what} to protect its data.",
        UserWarning,
        stacklevel=3,
    )


def legacy_array(args: tuple[Any, ...], kind: NumpyDType, name: str) -> Any:
    """What early PyTorch's ``FloatTensor(...)`` holds: nothing, a shape's uninitialised memory, or a copy of data."""
    if not args:
        return np.empty(0, kind)
    if len(args) == 1:
        (data,) = args
        if isinstance(data, Size):
            return allocated(np.empty, checked_shape((data,), name), kind)
        if isinstance(data, Tensor | np.ndarray | str) or is_sequence(data):
            return array_from(data, kind)
    if any(isinstance(extent, bool | float) or not hasattr(extent, "__index__") for extent in args):
        kinds = ", ".join(type(extent).__name__ for extent in args)
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({kinds}), but expected ints or data"
        )
    return allocated(np.empty, checked_shape(args, name), kind)


def _fill_number(value: Any, name: str) -> Any:
    if isinstance(value, Tensor):
        if value._array.ndim or value._node is not None:
            raise TypeError(
                f"{name}(): argument 'fill_value' must be Number, not Tensor; use a number or a 0-dim tensor"
            )
        return value.item()
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, bool | int | float | complex):
        raise TypeError(f"{name}(): argument 'fill_value' must be Number, not {type(value).__name__}")
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise OverflowError(f"{name}(): {value} does not fit into 64 bits")
    return value


def _like(name: str, make: Any, doc: str) -> Any:
    def function(
        input: Tensor,
        *,
        dtype: Dtype = None,
        layout: object = None,
        device: DeviceLike | None = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
        memory_format: object = None,
    ) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
            )
        array = input._array
        where = device_of(array) if device is None else require_available(device)
        check_layout(layout)
        kind = array.dtype if dtype is None else numpy_dtype(dtype)
        if where is CPU and type(array) not in OF_ARRAYS:
            try:
                result = make(array, kind)
            except MemoryError as error:
                raise no_memory(error) from None
        else:
            flat = (
                make(_ONE.astype(kind), kind)
                if where is CPU
                else made_on(where, name[:-5], (array.size,), kind)
            )
            if where is CPU:
                flat = flat.repeat(array.size)
            result = strided(flat, array.shape, dense_strides(array, kind.itemsize))
        return _finish(
            result if memory_format is None else laid_out(result, memory_format), requires_grad, where
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


_ONE = np.zeros(1)


def dense_strides(array: Any, itemsize: int) -> tuple[int, ...]:
    """The strides of a new array without gaps whose dimensions lie in memory in the order that those of ``array`` do."""
    strides, step = [0] * array.ndim, itemsize
    if 0 in array.strides:
        order = list(range(array.ndim))
    else:
        order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    for axis in reversed(order):
        strides[axis] = step
        step *= max(array.shape[axis], 1)
    return tuple(strides)


def _like_maker(make: Any) -> Any:
    # An expanded tensor's zero strides would make elements of the new one share memory.
    return lambda a, d: make(a, dtype=d, order="C" if 0 in a.strides else "K", subok=False)


zeros_like = _like("zeros_like", _like_maker(np.zeros_like), "Zeros in the shape and dtype of ``input``.")
ones_like = _like("ones_like", _like_maker(np.ones_like), "Ones in the shape and dtype of ``input``.")
empty_like = _like(
    "empty_like", _like_maker(np.empty_like), "Uninitialised memory in the shape and dtype of ``input``."
)


def full_like(input: Tensor, fill_value: Any, *, dtype: Dtype = None, **options: Any) -> Tensor:
    """``fill_value`` in the shape and dtype of ``input``."""
    result: Tensor = empty_like(input, dtype=dtype, **options)
    from .overwriting import element_array  # overwriting is built on creation

    fill_array(result._array, element_array(_fill_number(fill_value, "full_like"), result._array.dtype))
    return result


# --- ranges -----------------------------------------------------------------------------------------------------------


def arange(
    start: Any = None,
    end: Any = None,
    step: Any = None,
    *,
    out: Tensor | None = None,
    dtype: Dtype = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The values ``start, start + step, …`` below ``end``: int64 if all three are integers, else the default float.

    Raises ``RuntimeError`` for a step of 0 or bounds that the step leads away from.
    """
    where = require_available(device)
    if end is None:
        if type(start) is int and 0 <= start < _SHORT and step is None and dtype is None and out is None:
            return _finish(np.arange(start), requires_grad, where)
        if step is not None or start is None:
            raise TypeError("arange() received an invalid combination of arguments: the end is not given")
        start, end = 0, start
    start, end, step = (
        _number_argument(v, "arange")
        for v in (0 if start is None else start, end, 1 if step is None else step)
    )
    if dtype is not None and numpy_dtype(dtype).kind in "bc":
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{type_name(numpy_dtype(dtype))}'")
    for value in (start, end, step):
        if isinstance(value, complex):
            raise RuntimeError("arange: the bounds must be real numbers, got a complex one")
        if isinstance(value, float) and not math.isfinite(value):
            raise RuntimeError(f"unsupported range: {start} -> {end}")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if out is not None:
        wanted = out_dtype(out, dtype, "arange")
    elif dtype is not None:
        wanted = numpy_dtype(dtype)
    elif any(isinstance(v, float) for v in (start, end, step)):
        wanted = default_numpy()
    else:
        wanted = I64
    given = (start, end, step)
    if wanted.kind in "iu":
        start, end, step = int(start), int(end) if wanted == I64 else end, int(step) or step
        if wanted == I64 and isinstance(step, float):
            raise ValueError(f"arange: a step of {step} is 0 as an int64; use a floating-point dtype")
    for counted, value in zip((True, wanted == I64, True), given, strict=True):
        whole = isinstance(value, int)
        beyond = whole and not -(2**63) <= value < 2**64
        if beyond or (counted and wanted.kind in "iu" and not -(2**63) <= value <= 2**63 - whole):
            error = OverflowError if beyond else RuntimeError
            raise error(f"arange: {value} cannot be converted to type int64_t without overflow")
    try:
        # Of the integer types only int64 counts with whole bounds.
        first, last, by = (start, end, step) if wanted == I64 else map(float, given)
        length = max(0, math.ceil((last - first) / by))
    except OverflowError:
        length = LARGEST
    if length > LARGEST // 64:
        raise RuntimeError(f"invalid size, possible overflow? arange would have {length} elements")
    result = None
    if wanted in (F32, F64) and length >= direct.RAMP_FROM:
        result = allocated(np.empty, (length,), wanted)
        # In float64 a start makes PyTorch's loop one of fused operations.
        if not direct.ramp(result, 0, 1, float(step), float(start), wanted == F64 and bool(start)):
            result = None
    if result is None:
        index = allocated(
            lambda extents, kind: np.arange(extents[0], dtype=kind),
            (length,),
            I64 if wanted.kind in "iu" else F64,
        )
        if wanted.kind in "iu":
            if int(step) != 1:
                index *= int(step)
            if int(start):
                index += int(start)
            values = index
        elif wanted == F64 and start:
            values = fused64(index, float(step), float(start))
        else:
            values = start + step * index
        with np.errstate(all="ignore"):
            result = values.astype(wanted, copy=False)
    return (
        _finish(result, requires_grad, where)
        if out is None
        else write_out(out, make_tensor(result), "arange")
    )


def range_(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    out: Tensor | None = None,
    dtype: Dtype = None,
    layout: object = None,
    device: DeviceLike | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``torch.range``: like ``arange`` with ``end`` included, in the default dtype. Deprecated; use ``arange``."""
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with "
        "Python's range builtin. Instead, use torch.arange, which produces values in [start, end).",
        stacklevel=2,
    )
    where = require_available(device)
    if end is None:
        start, end = 0, start
    start, end, step = (_number_argument(v, "range") for v in (start, end, step))
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not math.isfinite(end - start):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    wanted = numpy_dtype(dtype) if out is None else out_dtype(out, dtype, "range")
    length = math.floor((end - start) / step) + 1
    index = allocated(lambda extents, kind: np.arange(extents[0], dtype=kind), (length,), F64)
    with np.errstate(all="ignore"):
        result = (start + step * index).astype(wanted)
    return (
        _finish(result, requires_grad, where) if out is None else write_out(out, make_tensor(result), "range")
    )


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: Dtype = None,
    layout: object = None,
    device: DeviceLike | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` evenly spaced values from ``start`` to ``end``, both included."""
    where = require_available(device)
    if out is None and any(
        isinstance(value, Tensor) and type(value._array) is Batched for value in (start, end)
    ):
        from .batching import for_each_example  # its rules are built on this package's operations

        return for_each_example(linspace, (start, end, steps), dtype=dtype)  # type: ignore[no-any-return]
    start, end, steps = _interval(start, end, steps, "linspace")
    if out is not None:
        wanted = out_dtype(out, dtype, "linspace")
    elif isinstance(start, complex) or isinstance(end, complex):
        wanted = default_complex_numpy() if dtype is None else numpy_dtype(dtype)
        if wanted.kind != "c":
            raise RuntimeError(
                f"torch.linspace(): inferred dtype c10::complex<float> can't be safely cast to passed dtype "
                f"{type_name(wanted)}"
            )
    else:
        wanted = numpy_dtype(dtype)
    result = evenly_spaced(start, end, int(steps), wanted)
    return (
        _finish(result, requires_grad, where)
        if out is None
        else write_out(out, make_tensor(result), "linspace")
    )


def _number_argument(value: Any, name: str) -> Any:
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise TypeError(
                f"{name}(): expected a number or a 0-dim tensor, got one of {value._array.ndim} dimensions"
            )
        return value.item()
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, int | float | complex):
        raise TypeError(f"{name}(): expected a number, got {type(value).__name__}")
    return value


def _interval(start: Any, end: Any, steps: Any, name: str) -> tuple[Any, Any, int]:
    for value in (start, end):
        if isinstance(value, Tensor) and value._array.ndim:
            raise RuntimeError(f"{name} only supports 0-dimensional start and end tensors")
    if isinstance(steps, bool):
        raise TypeError(f"{name}(): argument 'steps' must be int, not bool")
    steps = operator.index(steps)
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    if steps > LARGEST // 64:
        raise RuntimeError(f"{name}: {steps} steps need more memory than there can be")
    return _number_argument(start, name), _number_argument(end, name), steps


def evenly_spaced(start: Any, end: Any, steps: int, wanted: NumpyDType) -> Any:
    """The array of ``linspace``, to PyTorch's bits; ``RuntimeError`` where the memory does not suffice."""
    if steps > LONG_DIMENSION:
        check_fits((steps,), wanted.itemsize)
    if wanted.kind == "c":
        start, end, part = complex(start), complex(end), F32 if wanted == C64 else F64
        result = np.empty(steps, wanted)
        result.real = evenly_spaced(start.real, end.real, steps, part)
        result.imag = evenly_spaced(start.imag, end.imag, steps, part)
        return result
    # Counted from both ends, as PyTorch does, so that the last value is exactly `end`; in the dtype itself, with sums and
    # products rounded once (integers: by way of float64).
    kind = F64 if wanted.kind in "iu" else wanted
    if wanted == F32 and 1 < steps < direct.RAMP_FROM:
        short = evenly_spaced32(float(start), float(end), steps)
        if short is not None:
            return short
    if wanted.kind in "iu":
        start, end = (int(np.array(int(value), I64).astype(wanted)) for value in (start, end))
    with np.errstate(all="ignore"):
        if wanted.kind == "b" and steps > 1:
            raise NotImplementedError("\"linspace_cpu\" not implemented for 'Bool'")
        ends = np.array([start, end], F64).astype(kind)
        if steps < 2:
            return ends[:steps].astype(wanted)
        step = (ends[1] - ends[0]) / kind.type(steps - 1)
        if steps >= direct.RAMP_FROM and kind in (F32, F64) and np.isfinite([*ends, step]).all():
            values, half = np.empty(steps, kind), steps // 2
            if direct.ramp(values[:half], 0, 1, float(step), float(ends[0]), True):
                direct.ramp(values[half:], steps - 1 - half, -1, -float(step), float(ends[1]), True)
                return values.astype(wanted, copy=False)
        near = np.arange(steps // 2).astype(kind)
        far = np.arange(steps - 1 - steps // 2, -1, -1).astype(kind)
        if kind in LOW_PRECISION:
            values = np.concatenate([ends[0] + step * near, ends[1] - step * far])
        else:
            fused: Any = fused32 if kind == F32 else fused64
            if not np.isfinite([*ends, step]).all():
                values = np.concatenate([ends[0] + step * near, ends[1] - step * far])
            else:
                values = np.concatenate(
                    [fused(near, float(step), float(ends[0])), fused(far, -float(step), float(ends[1]))]
                )
        return values.astype(wanted)


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: Dtype = None,
    layout: object = None,
    device: DeviceLike | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``base`` to the powers of ``linspace(start, end, steps)``."""
    where = require_available(device)
    if out is None and any(
        isinstance(value, Tensor) and type(value._array) is Batched for value in (start, end)
    ):
        from .batching import for_each_example  # its rules are built on this package's operations

        return for_each_example(logspace, (start, end, steps, base), dtype=dtype)  # type: ignore[no-any-return]
    start, end, steps = _interval(start, end, steps, "logspace")
    wanted = numpy_dtype(dtype) if out is None else out_dtype(out, dtype, "logspace")
    if wanted.kind in "iu":
        start, end = int(start), int(end)
    kind = np.dtype(np.complex128 if wanted.kind == "c" else np.float64)
    with np.errstate(all="ignore"):
        result = np.power(kind.type(base), evenly_spaced(start, end, int(steps), kind)).astype(wanted)
    return (
        _finish(result, requires_grad, where)
        if out is None
        else write_out(out, make_tensor(result), "logspace")
    )


def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: Dtype = None,
    layout: object = None,
    device: DeviceLike | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The ``n`` × ``m`` matrix with ones on its diagonal."""
    where = require_available(device)
    if isinstance(n, bool) or isinstance(m, bool):
        raise TypeError("eye(): the sizes must be ints, not bool")
    shape = (operator.index(n), operator.index(n if m is None else m))
    if min(shape) < 0:
        raise RuntimeError(f"n and m must be greater or equal to 0, got {shape[0]} and {shape[1]}")
    wanted = numpy_dtype(dtype) if out is None else out_dtype(out, dtype, "eye")
    result = allocated(
        lambda extents, kind: np.eye(*extents, dtype=kind), checked_shape(shape, "eye"), wanted
    )
    return (
        _finish(result, requires_grad, where) if out is None else write_out(out, make_tensor(result), "eye")
    )
