"""Arrays of Python data: nested sequences of numbers, NumPy's arrays and scalars, tensors; and shapes given as arguments."""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

import numpy as np

from ..core.dtypes import (
    BF16,
    BOOL,
    F32,
    I64,
    INEXACT,
    LOW_PRECISION,
    OF_NUMPY,
    PROMOTED,
    NumpyDType,
    default_complex_numpy,
    default_numpy,
    from_numpy_dtype,
)
from ..core.shapes import as_shape
from ..core.tensor import Tensor
from .dispatch import compute
from .movement import CAST


def shape_of(size: tuple[Any, ...], named: dict[str, Any], name: str) -> tuple[int, ...]:
    """The shape given as ``f(2, 3)``, ``f((2, 3))`` or ``f(size=(2, 3))``, checked."""
    if "size" in named:
        if size:
            raise TypeError(f"{name}() received an invalid combination of arguments: the size is given twice")
        size = (named.pop("size"),)
        if isinstance(size[0], int):
            raise TypeError(f"{name}(): argument 'size' must be tuple of ints, not int")
    elif not size:
        raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
    if named:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(named))}'")
    return checked_shape(size, name)


def checked_shape(size: tuple[Any, ...], name: str) -> tuple[int, ...]:
    """``as_shape`` without negative extents, bools, and numbers of elements that no memory holds."""
    given = size[0] if len(size) == 1 and type(size[0]) is tuple else size
    total = 16  # bytes of the largest element
    for extent in given:
        if type(extent) is not int or extent < 0:
            break
        total *= extent
    else:
        if total <= LARGEST:  # nearly every call's sizes
            return given
    first = size[0] if len(size) == 1 else None
    if (
        first is True
        or first is False
        or not (first is None or hasattr(first, "__index__") or is_sequence(first))
    ):
        raise TypeError(f"{name}(): argument 'size' must be tuple of ints, but found {type(first).__name__}")
    if isinstance(first, range | dict):
        raise TypeError(f"{name}(): argument 'size' must be tuple of ints, not {type(first).__name__}")
    shape = as_shape(size, name)
    total = 16  # bytes of the largest element
    for extent in shape:
        if extent < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {extent}: {list(shape)}")
        if extent > LARGEST:
            raise TypeError(
                f"{name}(): argument 'size' must be tuple of ints, but {extent} does not fit into 64 bits"
            )
        total *= extent
    if total > LARGEST and 0 not in shape:
        raise RuntimeError(f"{name}: a tensor of shape {list(shape)} needs more memory than there can be")
    return shape


LARGEST = 2**63 - 1


def array_from(data: Any, wanted: NumpyDType | None) -> Any:
    """A fresh array with the content of ``data``: a number, nested sequences of numbers or tensors, or an array."""
    if isinstance(data, Tensor):
        return _copied(data._array, wanted)
    if isinstance(data, np.ndarray):
        check_memory(data)
        return _copied(data, wanted)
    if not isinstance(data, list | tuple | np.generic | float | int) and (
        hasattr(data, "__array_interface__") or (hasattr(data, "__array__") and not isinstance(data, dict))
    ):
        return array_from(np.asarray(data), wanted)
    return _from_python(data, wanted)


def _copied(source: Any, wanted: NumpyDType | None) -> Any:
    if wanted is None or wanted is source.dtype:
        return source.copy(order="K")
    return compute(CAST.impl, (source,), {"dtype": wanted})


def check_memory(array: Any) -> None:
    """Raise for NumPy arrays that tensors can't share: other dtypes, another byte order, negative strides."""
    if not array.dtype.isnative and array.dtype.newbyteorder("=") in OF_NUMPY:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between byte orders is "
            "currently not supported."
        )
    from_numpy_dtype(array.dtype)
    if any(stride < 0 for stride in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
            "currently supported. (You can probably work around this by making a copy of your array with array.copy().)"
        )


_NUMBERS = frozenset((bool, int, float, complex))
_DEEPEST = 100


def _from_python(data: Any, wanted: NumpyDType | None) -> Any:
    if not is_sequence(data):
        return _array_of([data], wanted).reshape(())
    shape = _nested_shape(data)
    leaves: list[Any] = []
    if 0 in shape:
        return np.empty(shape, _found_dtype(data) if wanted is None else wanted)
    _flatten(data, shape, 0, leaves)
    return _array_of(leaves, wanted).reshape(shape)


def is_sequence(data: Any) -> bool:
    """What PyTorch goes into: anything indexed by position but texts, mappings and tensors, which count as numbers."""
    if isinstance(data, list | tuple):
        return True
    return (
        hasattr(data, "__len__")
        and hasattr(data, "__getitem__")
        and not isinstance(data, str | bytes | dict | Tensor | np.generic)
    )


def _nested_shape(data: Any) -> tuple[int, ...]:
    shape: list[int] = []
    while is_sequence(data):
        shape.append(len(data))
        if not data if isinstance(data, list | tuple) else not shape[-1]:
            break
        data = data[0]
        if len(shape) > _DEEPEST:
            raise ValueError(f"too many dimensions: the data is nested more than {_DEEPEST} levels deep")
    if isinstance(data, str) and shape:
        raise ValueError(f"too many dimensions '{type(data).__name__}'")
    return tuple(shape)


def _flatten(data: Any, shape: tuple[int, ...], depth: int, leaves: list[Any]) -> None:
    if not hasattr(data, "__len__") or isinstance(data, Tensor | dict):
        raise TypeError(
            f"not a sequence: {type(data).__name__} at dimension {depth} (expected length {shape[depth]})"
        )
    if len(data) != shape[depth]:
        raise ValueError(f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})")
    if depth == len(shape) - 1:
        leaves.extend(data)
        return
    for item in data:
        _flatten(item, shape, depth + 1, leaves)


def _found_dtype(data: Any) -> NumpyDType:
    """The dtype of nested sequences of which some are empty: those count as of the default dtype."""
    if not is_sequence(data):
        return _leaf_dtype(data)
    found = {_found_dtype(item) for item in data} if len(data) else {default_numpy()}
    return reduce(lambda a, b: PROMOTED[a, b], found)


def _leaf_dtype(leaf: Any) -> NumpyDType:
    if isinstance(leaf, Tensor):
        return leaf._array.dtype  # type: ignore[no-any-return]
    if isinstance(leaf, np.generic | np.ndarray):
        if leaf.dtype in OF_NUMPY:
            return leaf.dtype
        if isinstance(leaf, str | bytes):
            raise TypeError(f"new(): invalid data type '{type(leaf).__name__}'")
        from_numpy_dtype(leaf.dtype)
    if isinstance(leaf, bool):
        return BOOL
    if isinstance(leaf, int):
        return I64
    if isinstance(leaf, float):
        return default_numpy()
    if isinstance(leaf, complex):
        return default_complex_numpy()
    kind = type(leaf).__name__
    if isinstance(leaf, str | bytes):
        raise TypeError(f"new(): invalid data type '{kind}'")
    if is_sequence(leaf):
        raise TypeError(f"expected a number, got a sequence: {kind}; the data is nested unevenly")
    raise RuntimeError(f"Could not infer dtype of {kind}")


def _array_of(leaves: list[Any], wanted: NumpyDType | None) -> Any:
    """A 1-dim array of numbers, in the dtype that holds them all unless given."""
    kinds = set(map(type, leaves))
    if wanted is None:
        if kinds == {float}:
            wanted = default_numpy()
        elif kinds == {int}:
            wanted = I64
        else:
            # One number of each type stands for all: only tensors and arrays of one type have different dtypes.
            found = (
                dict(zip(map(type, leaves), leaves, strict=True)).values()
                if not any(issubclass(kind, Tensor | np.ndarray) for kind in kinds)
                else leaves
            )
            wanted = reduce(lambda a, b: PROMOTED[a, b], {_leaf_dtype(leaf) for leaf in found})
    target = wanted.kind
    if not kinds <= _NUMBERS:
        leaves = [leaf if type(leaf) in _NUMBERS else _number(leaf, wanted) for leaf in leaves]
        kinds = set(map(type, leaves))
    if target == "b":
        return np.array([bool(leaf) for leaf in leaves], BOOL)
    if target == "c":
        return _rounded(np.array(leaves, np.complex128), wanted)
    if complex in kinds:
        raise TypeError(
            "'complex' object cannot be interpreted as an integer"
            if target in "iu"
            else "must be real number, not complex"
        )
    if target not in "iu":
        return _rounded(np.array(leaves, np.float64), wanted)
    return _integers(leaves, wanted, float in kinds)


def _rounded(values: Any, wanted: NumpyDType) -> Any:
    return compute(_as_type, (values, wanted), {})


def _as_type(values: Any, wanted: NumpyDType) -> Any:
    # Half precision by way of float32, as PyTorch rounds.
    return (values.astype(F32) if wanted in LOW_PRECISION else values).astype(wanted, copy=False)


def _integers(leaves: list[Any], wanted: NumpyDType, floats: bool) -> Any:
    limits = np.iinfo(wanted)
    least = (
        limits.min if wanted.kind == "i" else -limits.max
    )  # of negative integers, unsigned types take the low bits
    refused = f"value cannot be converted to type {OF_NUMPY[wanted].name} without overflow"
    if floats:
        for leaf in leaves:
            if type(leaf) is float and not limits.min <= leaf <= limits.max:  # and nan
                raise RuntimeError(refused)
        leaves = [int(leaf) for leaf in leaves]
    try:
        values = np.array(leaves, I64)
    except OverflowError:
        if wanted == np.uint64 and all([0 <= leaf <= limits.max for leaf in leaves]):
            return np.array(leaves, wanted)
        raise ValueError("Overflow when unpacking long long") from None
    if wanted is I64:
        return values
    if values.size and not (least <= int(values.min()) and int(values.max()) <= limits.max):
        raise RuntimeError(refused)
    return values.astype(wanted)


def _number(leaf: Any, wanted: NumpyDType) -> Any:
    """A leaf that is not a plain Python number as one, by the conversion that ``wanted`` asks for."""
    if isinstance(leaf, Tensor):
        array = leaf._array
        if wanted.kind in "iub" and (array.size != 1 or array.dtype in INEXACT):
            raise TypeError("only integer tensors of a single element can be converted to an index")
        if array.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        if array.dtype.kind == "c" and wanted.kind != "c":
            raise RuntimeError("value cannot be converted to a real type without overflow: it is complex")
        return float(array.item()) if array.dtype == BF16 else array.item()
    if isinstance(leaf, np.ndarray):
        if leaf.size != 1:
            raise TypeError("only arrays of one element can be converted to Python scalars")
        leaf = leaf.reshape(-1)[0]
    if isinstance(leaf, bool | int | float | complex) and not isinstance(leaf, np.generic):
        kinds: tuple[Any, ...] = (bool, int, float, complex)  # a subclass as the number that it is
        return next(kind for kind in kinds if isinstance(leaf, kind))(leaf)
    if isinstance(leaf, np.bool_) and wanted.kind != "b" and wanted.kind not in "iu":
        return bool(leaf)
    if wanted.kind == "b" and isinstance(leaf, np.bool_ | np.float64 | np.complex128):
        return bool(leaf)
    if wanted.kind == "c":
        return complex(leaf) if not isinstance(leaf, str | bytes) else _not_a_number(leaf)
    if wanted.kind in "iub":
        return int(leaf) if isinstance(leaf, np.float64) else operator.index(leaf)
    if isinstance(leaf, np.complexfloating):
        return float(leaf.real)
    if isinstance(leaf, str | bytes):
        _not_a_number(leaf)
    return float(leaf)


def _not_a_number(leaf: Any) -> Any:
    raise TypeError(f"must be a number, not {type(leaf).__name__}")
