"""Making tensors: from data, filled, ranges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.device import DeviceLike, require_available
from ..core.dtypes import (
    BOOL,
    I64,
    OF_NUMPY,
    NumpyDType,
    default_complex_numpy,
    default_numpy,
    dtype,
    from_numpy_dtype,
)
from ..core.history import LeafNode
from ..core.shapes import as_shape
from ..core.tensor import Tensor, make_tensor
from .dispatch import number_array, write_out

Dtype = dtype | None


def _finish(array: Any, requires_grad: bool) -> Tensor:
    tensor = make_tensor(array)
    if requires_grad:
        tensor.requires_grad_(True)
    return tensor


def _numpy_dtype(given: Dtype) -> NumpyDType:
    if given is None:
        return default_numpy()
    if not isinstance(given, dtype):  # a program may pass Python's float or int
        if given in (float, int, bool, complex):
            return {float: default_numpy(), int: I64, bool: BOOL, complex: default_complex_numpy()}[given]
        raise TypeError(f"dtype: expected a rushlight.dtype such as torch.float32, got {given!r}")
    return given.numpy


def check_layout(layout: object) -> None:
    if layout is not None and str(layout) != "torch.strided":
        raise NotImplementedError(f"layout {layout}: only torch.strided tensors are supported")


def _shape_of(size: tuple[Any, ...], kwargs_size: Any, name: str) -> tuple[int, ...]:
    shape = as_shape(size if kwargs_size is None else (tuple(kwargs_size),), name)
    for extent in shape:
        if extent < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {extent}: {list(shape)}")
    return shape


# --- from data --------------------------------------------------------------------------------------------------------


def array_from(data: Any, wanted: NumpyDType | None) -> Any:
    """A fresh array with the content of ``data``: a number, nested sequences of numbers or tensors, or an array."""
    if isinstance(data, Tensor):
        source = data._array
        return np.array(source, dtype=wanted or source.dtype, copy=True, order="K")
    if isinstance(data, np.ndarray | np.generic):
        source = np.asarray(data)
        from_numpy_dtype(source.dtype.newbyteorder("="))
        return _convert(source, wanted or source.dtype.newbyteorder("="))
    if hasattr(data, "__array_interface__") or (
        hasattr(data, "__array__") and not isinstance(data, list | tuple)
    ):
        return array_from(np.asarray(data), wanted)
    return _convert(*_from_python(data, wanted))


def _convert(source: Any, wanted: NumpyDType) -> Any:
    if wanted.kind in "iub" and source.dtype.kind == "c":
        raise RuntimeError("value cannot be converted to an integer type without overflow: it is complex")
    with np.errstate(all="ignore"):
        return np.array(source, dtype=wanted, copy=True, order="C")


def _from_python(data: Any, wanted: NumpyDType | None) -> tuple[Any, NumpyDType]:
    if isinstance(data, bool | int | float | complex):
        return _python_array(data, wanted)
    if isinstance(data, list | tuple) or (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        if isinstance(data, str | bytes):
            raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
        shape = _nested_shape(data)
        leaves: list[Any] = []
        _flatten(data, shape, 0, leaves)
        if leaves and any(isinstance(leaf, Tensor | np.generic | np.ndarray) for leaf in leaves):
            leaves = [_leaf_value(leaf) for leaf in leaves]
            kinds = [leaf.dtype for leaf in leaves if isinstance(leaf, np.generic)]
            if wanted is None and len(kinds) == len(leaves) and len(set(kinds)) == 1:
                wanted = kinds[0]
        if not leaves:
            return np.empty(shape, wanted or default_numpy()), wanted or default_numpy()
        array, found = _python_array(leaves, wanted)
        return array.reshape(shape), found
    raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")


def _leaf_value(leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        leaf = leaf._array
    return leaf[()] if isinstance(leaf, np.ndarray) else leaf


def _nested_shape(data: Any) -> tuple[int, ...]:
    shape: list[int] = []
    while not isinstance(data, str | bytes) and (
        isinstance(data, list | tuple) or (hasattr(data, "__len__") and hasattr(data, "__getitem__"))
    ):
        if isinstance(data, Tensor | np.ndarray):
            return (*shape, *data.shape)
        shape.append(len(data))
        if not data:
            break
        data = data[0]
        if len(shape) > 100:
            raise ValueError("too many dimensions: the data is nested more than 100 levels deep")
    return tuple(shape)


def _flatten(data: Any, shape: tuple[int, ...], depth: int, leaves: list[Any]) -> None:
    if depth == len(shape):
        if isinstance(data, list | tuple):
            raise ValueError(f"expected a number at dimension {depth}, but got a sequence")
        leaves.append(data)
        return
    if isinstance(data, Tensor):
        data = data._array
    if not hasattr(data, "__len__"):
        raise TypeError(
            f"not a sequence: {type(data).__name__} at dimension {depth} (expected length {shape[depth]})"
        )
    if len(data) != shape[depth]:
        raise ValueError(f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})")
    if depth == len(shape) - 1 and isinstance(data, list | tuple):
        for item in data:
            if isinstance(item, list | tuple):
                raise ValueError(f"expected a number at dimension {depth + 1}, but got a sequence")
        leaves.extend(data)
        return
    for item in data:
        _flatten(item, shape, depth + 1, leaves)


def _python_array(data: Any, wanted: NumpyDType | None) -> tuple[Any, NumpyDType]:
    items = data if isinstance(data, list) else [data]
    for item in items:
        if not isinstance(item, bool | int | float | complex | np.generic):
            if hasattr(item, "__index__") or hasattr(item, "__float__"):
                continue
            kind = type(item).__name__
            if isinstance(item, str):
                raise ValueError(f"too many dimensions '{kind}'")
            raise RuntimeError(f"Could not infer dtype of {kind}")
    if wanted is None:
        if any(isinstance(item, complex) for item in items):
            wanted = default_complex_numpy()
        elif any(
            isinstance(item, float | np.floating) or not hasattr(item, "__index__") for item in items
        ) and not all(isinstance(item, bool | np.bool_) for item in items):
            wanted = default_numpy()
        else:
            wanted = BOOL if all(isinstance(item, bool | np.bool_) for item in items) else I64
    if wanted.kind in "iu" and any(isinstance(item, float) for item in items):
        try:
            items = [int(item) for item in items]
        except (OverflowError, ValueError) as error:
            raise RuntimeError(
                f"value cannot be converted to type {wanted.name} without overflow: {error}"
            ) from None
        data = items if isinstance(data, list) else items[0]
    try:
        return np.asarray(data, wanted), wanted
    except OverflowError:
        if wanted == I64:
            raise RuntimeError("Overflow when unpacking long long") from None
        raise RuntimeError(f"value cannot be converted to type {wanted.name} without overflow") from None
    except TypeError as error:
        raise TypeError(f"tensor(): {error}") from None


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
    require_available(device)
    if isinstance(data, Tensor):
        import warnings

        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
    return _finish(array_from(data, None if dtype is None else _numpy_dtype(dtype)), requires_grad)


def from_numpy(ndarray: Any) -> Tensor:
    """A tensor that shares memory with a NumPy array. Raises ``TypeError`` for dtypes PyTorch does not have."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    from_numpy_dtype(ndarray.dtype)
    if any(stride < 0 for stride in ndarray.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
            "currently supported. (You can probably work around this by making a copy of your array with array.copy().)"
        )
    if not ndarray.flags.writeable:
        import warnings

        warnings.warn(
            "The given NumPy array is not writable, and tensors do not support that: writing to this tensor is undefined. "
            "Copy the array to protect its data.",
            UserWarning,
            stacklevel=2,
        )
    return make_tensor(ndarray.view(np.ndarray))


def as_tensor(data: Any, dtype: Dtype = None, device: DeviceLike | None = None) -> Tensor:
    """``data`` as a tensor, sharing memory with a tensor or NumPy array where the dtype allows."""
    require_available(device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray) and (dtype is None or dtype.numpy == data.dtype):
        return from_numpy(data)
    return make_tensor(array_from(data, None if dtype is None else _numpy_dtype(dtype)))


def asarray(
    obj: Any,
    *,
    dtype: Dtype = None,
    device: DeviceLike | None = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """``obj`` as a tensor; ``copy=True`` always copies, ``copy=False`` raises ``ValueError`` where it can't share."""
    shared = isinstance(obj, Tensor | np.ndarray) and (
        dtype is None or np.dtype(dtype.numpy) == _dtype_of(obj)
    )
    if copy is False and not shared:
        raise ValueError("asarray: can't alias the given object without copying; pass copy=None or copy=True")
    if shared and not copy:
        result = obj.detach() if isinstance(obj, Tensor) else from_numpy(obj)
        return result.requires_grad_(True) if requires_grad else result
    return _finish(array_from(obj, None if dtype is None else _numpy_dtype(dtype)), requires_grad)


def _dtype_of(obj: Any) -> NumpyDType:
    return obj._array.dtype if isinstance(obj, Tensor) else obj.dtype  # type: ignore[no-any-return]


# --- filled -----------------------------------------------------------------------------------------------------------


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
        shape = _shape_of(size, _named_size(name, named_size), name)
        require_available(device)
        check_layout(layout)
        if out is not None:
            return write_out(out, make_tensor(make(shape, out._array.dtype)), name)
        return _finish(make(shape, _numpy_dtype(dtype)), requires_grad)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _named_size(name: str, named: dict[str, Any]) -> Any:
    size = named.pop("size", None)
    if named:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(named))}'")
    return size


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
    shape = _shape_of((size,), None, "full")
    require_available(device)
    check_layout(layout)
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    if dtype is None:
        wanted = array_from(fill_value, None).dtype if out is None else out._array.dtype
    else:
        wanted = _numpy_dtype(dtype)
    result = np.full(shape, number_array(fill_value, wanted))
    return _finish(result, requires_grad) if out is None else write_out(out, make_tensor(result), "full")


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
        require_available(device)
        check_layout(layout)
        array = input._array
        result = make(array, array.dtype if dtype is None else _numpy_dtype(dtype))
        return _finish(result, requires_grad)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


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
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    result._array[...] = number_array(fill_value, result._array.dtype)
    return result


# --- ranges -----------------------------------------------------------------------------------------------------------


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
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
    require_available(device)
    if end is None:
        start, end = 0, start
    start, end, step = (v.item() if isinstance(v, Tensor | np.generic) else v for v in (start, end, step))
    for value in (start, end, step):
        if isinstance(value, float) and not math.isfinite(value):
            raise RuntimeError(f"unsupported range: {start} -> {end}")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if dtype is not None:
        wanted = _numpy_dtype(dtype)
    elif out is not None:
        wanted = out._array.dtype
    elif any(isinstance(v, float) for v in (start, end, step)):
        wanted = default_numpy()
    else:
        wanted = I64
    if wanted.kind in "iu":
        start, end, step = int(start), end if isinstance(end, float) else int(end), int(step) or step
    length = max(0, math.ceil((end - start) / step))
    if wanted.kind in "iu":
        values = int(start) + int(step) * np.arange(length, dtype=np.int64)
    else:
        values = start + step * np.arange(length, dtype=np.float64)
    with np.errstate(all="ignore"):
        result = values.astype(wanted)
    return _finish(result, requires_grad) if out is None else write_out(out, make_tensor(result), "arange")


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: Dtype = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` evenly spaced values from ``start`` to ``end``, both included."""
    require_available(device)
    start, end = (v.item() if isinstance(v, Tensor) else v for v in (start, end))
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    if dtype is None and (isinstance(start, complex) or isinstance(end, complex)):
        wanted = default_complex_numpy()
    else:
        wanted = _numpy_dtype(dtype)
    result = _linspace(start, end, int(steps), wanted)
    return _finish(result, requires_grad) if out is None else write_out(out, make_tensor(result), "linspace")


def _linspace(start: Any, end: Any, steps: int, wanted: NumpyDType) -> Any:
    if wanted.kind in "iu":
        # PyTorch computes the step in float64's place with the integer type's own ends, and truncates.
        start, end = int(start), int(end)
    kind = np.complex128 if wanted.kind == "c" else np.float64
    if steps == 1:
        return np.array([start], kind).astype(wanted)
    step = (end - start) / (steps - 1) if steps else 0.0
    index = np.arange(steps, dtype=np.int64)
    # Counted from both ends, as PyTorch does, so that the last value is exactly `end`.
    values = np.where(index < steps // 2, start + step * index, end - step * (steps - index - 1))
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
    requires_grad: bool = False,
) -> Tensor:
    """``base`` to the powers of ``linspace(start, end, steps)``."""
    require_available(device)
    start, end = (v.item() if isinstance(v, Tensor) else v for v in (start, end))
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    wanted = _numpy_dtype(dtype)
    kind = np.dtype(np.complex128 if wanted.kind == "c" else np.float64)
    with np.errstate(all="ignore"):
        result = np.power(kind.type(base), _linspace(start, end, int(steps), kind)).astype(wanted)
    return _finish(result, requires_grad) if out is None else write_out(out, make_tensor(result), "logspace")


def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: Dtype = None,
    layout: object = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The ``n`` × ``m`` matrix with ones on its diagonal."""
    require_available(device)
    if n < 0 or (m is not None and m < 0):
        raise RuntimeError(f"n must be greater or equal to 0, got {n if n < 0 else m}")
    result = np.eye(n, m, dtype=_numpy_dtype(dtype) if out is None or dtype is not None else out._array.dtype)
    return _finish(result, requires_grad) if out is None else write_out(out, make_tensor(result), "eye")


_ = (LeafNode, OF_NUMPY)
