"""What is known of a data set's elements: a structure of types and shapes; and how values are told from structures.

In a pipeline a tuple is a structure, and a list is a value that becomes one tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import rushlight as rl

from ..dtypes import DType
from ..tensor_shape import UNKNOWN, TensorShape


class Part(NamedTuple):
    """Type and shape of one component of the elements."""

    dtype: DType
    shape: TensorShape


def leaves(structure: Any) -> list[Any]:
    """The components of a structure of tuples and dicts."""
    return list(_leaves(structure))


def _leaves(structure: Any) -> Iterator[Any]:
    if isinstance(structure, Mapping):
        for key in sorted(structure):
            yield from _leaves(structure[key])
    elif isinstance(structure, tuple) and not isinstance(structure, Part):
        for item in structure:
            yield from _leaves(item)
    else:
        yield structure


def packed(structure: Any, parts: Sequence[Any]) -> Any:
    """The structure with ``parts`` as its components."""
    return _packed(structure, iter(parts))


def _packed(structure: Any, parts: Iterator[Any]) -> Any:
    if isinstance(structure, Mapping):
        values = {key: _packed(structure[key], parts) for key in sorted(structure)}
        kind: Any = type(structure)
        return kind([(key, values[key]) for key in structure])
    if isinstance(structure, tuple) and not isinstance(structure, Part):
        items = [_packed(item, parts) for item in structure]
        return type(structure)(*items) if hasattr(structure, "_fields") else tuple(items)
    return next(parts)


def mapped(function: Callable[[Any], Any], structure: Any) -> Any:
    """``function`` of each component, in the structure."""
    return packed(structure, [function(leaf) for leaf in leaves(structure)])


def batched(part: Part, count: int | None) -> Part:
    """The component of batches of ``count`` elements (None: not known)."""
    return Part(part.dtype, TensorShape([count]).concatenate(part.shape))


def entry(part: Part) -> Part:
    """The component of one entry of a batch."""
    return Part(part.dtype, UNKNOWN if part.shape.extents is None else TensorShape(part.shape.extents[1:]))


def either(a: Part, b: Part) -> Part:
    """What is known of a component that is one of two; ``TypeError`` if the types differ."""
    if a.dtype is not b.dtype:
        raise TypeError(f"Two datasets to concatenate have different types {a.dtype!r} and {b.dtype!r}")
    x, y = a.shape.extents, b.shape.extents
    if x is None or y is None or len(x) != len(y):
        return Part(a.dtype, UNKNOWN)
    return Part(a.dtype, TensorShape([m if m == n else None for m, n in zip(x, y, strict=True)]))


def as_array(value: Any) -> Any:
    """A value of the graph as a NumPy array, as pipelines have them."""
    return value.detach().numpy() if isinstance(value, rl.Tensor) else value


def as_value(array: Any) -> Any:
    """An array as a value of the graph. It is copied where a pipeline still has its memory."""
    if isinstance(array, bytes | str):  # an entry of an array of texts
        text = np.empty((), dtype=object)
        text[()] = array.encode() if isinstance(array, str) else array
        return text
    array = np.asarray(array)
    if array.dtype.kind == "O":
        return array
    return rl.from_numpy(np.array(array) if array.base is not None or not array.flags.writeable else array)
