"""Python and NumPy values as graph tensors: ``tf.constant`` and ``tf.convert_to_tensor``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import rushlight as rl

from . import dtypes
from .dtypes import DType, as_dtype
from .graph import Operand, Operation, Tensor, node
from .tensor_shape import UNKNOWN, Dimension, TensorShape, as_shape

Array = NDArray[Any]
CONST: Final = "Const"
_KIND_NAMES: Final = {"b": "bool", "i": "int", "u": "int", "f": "float", "c": "complex", "O": "string"}
_KINDS_TAKEN: Final = {"f": "biuf", "i": "iu", "u": "iu", "c": "biufc", "b": "b", "V": "biuf", "O": "O"}


def as_runtime(array: Array) -> Any:
    """What stands for ``array`` while a graph runs: a Rushlight tensor; an array of bytes stays an array."""
    return (
        array if array.dtype.kind == "O" else rl.from_numpy(array if array.flags.writeable else array.copy())
    )


def make_array(value: Any, dtype: DType | None = None) -> Array:
    """``value`` as an array of a type that TensorFlow would choose: Python floats are float32, integers int32.

    Raises:
        TypeError: if the values don't fit ``dtype``, in TensorFlow's words.
        ValueError: if the value is None or a ragged list.
    """
    if value is None:
        raise ValueError("None values not supported.")
    if isinstance(value, rl.Tensor):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.kind in "SU":
            return _strings(array)
        if array.dtype.kind == "O" and dtype is not dtypes.string:
            array = np.asarray(array.tolist())
        if dtype is None:
            return array.astype(as_dtype(array.dtype).numpy)
        if array.dtype.kind in "fc" and dtype.is_integer:
            raise TypeError(f"Expected {dtype.name}, got array of type {array.dtype} instead.")
        return array.astype(dtype.numpy)
    if isinstance(value, TensorShape):
        value = value.as_list()
        if None in value:
            raise ValueError(
                f"Cannot convert a partially known TensorShape to a Tensor: {TensorShape(value)}"
            )
    if isinstance(value, Dimension):
        value = int(value)
    try:
        array = np.asarray(_plain(value))
    except ValueError as error:
        raise ValueError(
            f"Argument must be a dense tensor: {value!r}; the lists in it have different lengths"
        ) from error
    if array.dtype.kind in "SU":
        if dtype not in (None, dtypes.string):
            raise TypeError(f"Expected {dtype.name if dtype else '?'}, got {value!r} of type 'str' instead.")
        return _strings(array)
    if array.dtype.kind == "O":
        if dtype in (None, dtypes.string) and all(isinstance(item, str | bytes) for item in array.ravel()):
            return _strings(array)
        raise TypeError(f"Failed to convert object of type {type(value)} to Tensor. Contents: {value!r}. ")
    if dtype is None:
        if array.size == 0 and array.dtype == np.float64:
            return array.astype(np.float32)
        if array.dtype == np.int64 and not _holds_numpy(value):
            info = np.iinfo(np.int32)
            return array.astype(
                np.int64 if array.size and (array.max() > info.max or array.min() < info.min) else np.int32
            )
        return array.astype(np.float32) if array.dtype == np.float64 and not _holds_numpy(value) else array
    if array.size and array.dtype.kind not in _KINDS_TAKEN[dtype.numpy.kind]:
        item = array.ravel()[0].item()
        if dtype.is_integer and array.dtype.kind == "f":
            item = next((entry for entry in array.ravel().tolist() if isinstance(entry, float)), item)
        raise TypeError(f"Expected {dtype.name}, got {item!r} of type {type(item).__name__!r} instead.")
    return array.astype(dtype.numpy)


def _plain(value: Any) -> Any:
    """Lists with Dimensions in them as lists of numbers."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Dimension):
        return int(value)
    return value.detach().numpy() if isinstance(value, rl.Tensor) else value


def _holds_numpy(value: Any) -> bool:
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return isinstance(value, np.ndarray | np.generic)


def _strings(array: Array) -> Array:
    flat = [item.encode() if isinstance(item, str) else bytes(item) for item in array.ravel().tolist()]
    result = np.empty(len(flat), dtype=object)
    result[:] = flat
    return result.reshape(array.shape)


def constant(
    value: Any, dtype: Any = None, shape: Any = None, name: str = "Const", verify_shape: bool = False
) -> Tensor:
    """A tensor that always has this value.

    Args:
        value: a number, string, (nested) list of them, or array.
        dtype: the element type; by default float32, int32, bool or string for Python values, and an array's own.
        shape: if given, the result's shape; a value with fewer elements is filled up with its last one.
        name: the operation's name.
        verify_shape: refuse a ``value`` of another shape than ``shape``.

    Raises:
        TypeError: if the value does not fit ``dtype``.
        ValueError: if there are more values than ``shape`` has room for.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> tf.constant([1, 2, 3]).dtype, tf.constant(0.5, shape=[2, 2]).shape.as_list()
        (tf.int32, [2, 2])
    """
    array = make_array(value, None if dtype is None else as_dtype(dtype))
    if shape is not None:
        wanted = as_shape(shape)
        count = wanted.num_elements()
        if count is None:
            raise ValueError(f"constant: shape is {wanted}; it must be fully defined")
        if verify_shape and wanted.as_list() != list(array.shape):
            raise TypeError(f"Expected Tensor's shape: {wanted}, got {array.shape}.")
        if array.size > count:
            raise ValueError(f"Too many elements provided. Needed at most {count}, but received {array.size}")
        if array.size < count:
            if not array.size:
                raise ValueError(f"Too few elements provided. Needed at least 1 of {count}, but received 0")
            array = np.concatenate([array.ravel(), np.repeat(array.ravel()[-1:], count - array.size)])
        array = array.reshape([extent or 0 for extent in wanted.as_list()])
    return constant_of(array, name)


def constant_of(array: Array, name: str | None = None) -> Tensor:
    """The constant operation for an array, which nobody changes afterwards."""
    value = as_runtime(array if array.base is None and array.flags.owndata else array.copy())
    dtype = as_dtype(array.dtype)
    return node(
        CONST,
        lambda: value,
        [],
        dtype,
        array.shape,
        name or CONST,
        attributes={"value": array, "dtype": dtype},
    )


# Types outside this module say how they become a tensor: variables, for one.
CONVERSIONS: Final[list[tuple[Any, Callable[[Any], Tensor]]]] = []


def convert_to_tensor(
    value: Any, dtype: Any = None, name: str | None = None, preferred_dtype: Any = None
) -> Tensor:
    """``value`` as a tensor: itself if it is one, a variable's value, or a constant.

    Raises:
        ValueError: if it is a tensor of another type than ``dtype``.
        TypeError: if it can't be a tensor.
    """
    wanted = None if dtype is None else as_dtype(dtype)
    if not isinstance(value, Tensor):
        for kind, convert in CONVERSIONS:
            if isinstance(value, kind):
                value = convert(value)
                break
        else:
            return _converted(value, wanted, name, preferred_dtype)
    if wanted is not None and value.dtype is not wanted:
        raise ValueError(
            f"Tensor conversion requested dtype {wanted.name} for Tensor with dtype {value.dtype.name}: {str(value)!r}"
        )
    tensor: Tensor = value
    return tensor


def _converted(value: Any, wanted: DType | None, name: str | None, preferred: Any) -> Tensor:
    if isinstance(value, Operation):
        raise TypeError(
            f"Can't convert Operation {value.name!r} to Tensor (target dtype=None, name=None, as_ref=False)"
        )
    if isinstance(value, list | tuple) and _holds_operands(value):
        from .ops_array import stack  # packing is an operation of its own

        dtype = wanted or _dtype_within(value)
        return stack([convert_to_tensor(item, dtype) for item in value], name=name or "packed")
    if wanted is None and preferred is not None:
        try:
            return constant_of(make_array(value, as_dtype(preferred)), name)
        except TypeError:
            pass
    return constant_of(make_array(value, wanted), name)


def _holds_operands(value: Sequence[Any]) -> bool:
    return any(
        isinstance(item, Operand) or (isinstance(item, list | tuple) and _holds_operands(item))
        for item in value
    )


def _dtype_within(value: Sequence[Any]) -> DType | None:
    for item in value:
        if isinstance(item, Operand):
            return item.dtype  # type: ignore[attr-defined, no-any-return]
        if isinstance(item, list | tuple):
            found = _dtype_within(item)
            if found is not None:
                return found
    return None


def convert_n_to_tensor(values: Sequence[Any], dtype: Any = None) -> list[Tensor]:
    """Several values as tensors; Python numbers among them take the type of the first tensor or array."""
    wanted = as_dtype(dtype) if dtype is not None else _dtype_within(values)
    if wanted is None and values and isinstance(values[0], np.ndarray):
        wanted = as_dtype(values[0].dtype)
    return [convert_to_tensor(value, wanted) for value in values]


def is_tensor(value: Any) -> bool:
    """Whether ``value`` is a tensor or a variable of a graph."""
    return isinstance(value, Operand)


# --- values that are known before the graph runs ------------------------------------------------------------------------


def constant_value(tensor: Any) -> Array | None:
    """The value of a tensor that is a constant, or made of constants in the ways that shapes are; otherwise None."""
    if not isinstance(tensor, Operand):
        return make_array(tensor)
    if not isinstance(tensor, Tensor):
        return None
    op = tensor.op
    if op.type == CONST:
        value: Array = op.attributes["value"]
        return value
    fold = _FOLDED.get(op.type)
    if fold is None:
        return None
    parts = [constant_value(item) for item in op.inputs]
    if any(part is None for part in parts):
        return None
    return np.asarray(fold(op, parts)).astype(tensor.dtype.numpy)


_FOLDED: Final[dict[str, Callable[[Operation, list[Any]], Any]]] = {
    "Pack": lambda op, parts: np.stack(parts, axis=op.attributes["axis"]),
    "ConcatV2": lambda op, parts: np.concatenate(parts, axis=op.attributes["axis"]),
    "Cast": lambda op, parts: parts[0],
    "Identity": lambda op, parts: parts[0],
    "StridedSlice": lambda op, parts: parts[0][op.attributes["index"]] if len(parts) == 1 else None,
    "Mul": lambda op, parts: parts[0] * parts[1],
    "Add": lambda op, parts: parts[0] + parts[1],
    "Sub": lambda op, parts: parts[0] - parts[1],
    "FloorDiv": lambda op, parts: parts[0] // parts[1],
}


def known_extent(value: Any) -> int | None:
    """One extent of a shape: a number, or None where it is a tensor whose value is not known (or -1)."""
    if isinstance(value, Operand):
        array = constant_value(value)
        if array is None:
            return None
        value = array
    if isinstance(value, Dimension):
        value = value.value
    return None if value is None or int(value) < 0 else int(value)


def shape_argument(shape: Any) -> tuple[list[int] | None, Tensor | None, TensorShape]:
    """A ``shape`` argument, which may hold tensors: its numbers if they are all known, else a tensor that will have
    them; and what is known of it. -1 stands for an extent that follows from the others."""
    if isinstance(shape, TensorShape):
        shape = shape.as_list()
    if isinstance(shape, Tensor):
        array = constant_value(shape)
        if array is not None:
            numbers = [int(item) for item in array.ravel()]
            return numbers, None, _static(numbers)
        return None, shape, _static_of_tensor(shape)
    if isinstance(shape, Operand):
        return None, convert_to_tensor(shape), UNKNOWN
    if isinstance(shape, np.ndarray):
        shape = shape.tolist()
    if not isinstance(shape, list | tuple):
        shape = [shape]
    if any(isinstance(item, Operand) for item in shape):
        known = [known_extent(item) for item in shape]
        if None not in known:
            return [extent or 0 for extent in known], None, TensorShape(known)
        items = [-1 if isinstance(item, Dimension) and item.value is None else item for item in shape]
        return None, convert_to_tensor(items, _dtype_within(items)), TensorShape(known)
    for item in shape:
        if item is None or (isinstance(item, Dimension) and item.value is None):
            raise ValueError(f"Cannot convert a partially known shape to a Tensor: {tuple(shape)}")
    try:
        numbers = [int(item) for item in shape]
    except (TypeError, ValueError):
        raise TypeError(f"Failed to convert {shape!r} to a shape; give integers or integer tensors") from None
    return numbers, None, _static(numbers)


def _static(numbers: Sequence[int]) -> TensorShape:
    return TensorShape([number if number >= 0 else None for number in numbers])


def _static_of_tensor(tensor: Tensor) -> TensorShape:
    """What is known of the shape that ``tensor``'s value will be."""
    op = tensor.op
    if op.type == "Shape":
        return op.inputs[0].shape
    if op.type == "Pack":
        return TensorShape([known_extent(item) for item in op.inputs])
    if op.type == "ConcatV2":
        result = TensorShape([])
        for item in op.inputs:
            array = constant_value(item)
            result = result.concatenate(_static_of_tensor(item) if array is None else _static(array.tolist()))
        return result
    extents = tensor.shape.extents
    return TensorShape([None] * extents[0]) if extents and extents[0] is not None else UNKNOWN


def numbers_of(value: Any) -> list[int]:
    """The integers in a shape's run-time value."""
    return [int(item) for item in value.tolist()]
