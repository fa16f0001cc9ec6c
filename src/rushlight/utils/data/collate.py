"""Samples into batches."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ...core.dtypes import float64
from ...core.tensor import Tensor
from ...ops.creation import as_tensor, tensor
from ...ops.joining import stack

CollateMap = dict[Any, Callable[..., Any]]


def default_collate(batch: Sequence[Any]) -> Any:
    """A batch of samples: tensors stacked along a new first dimension, numbers made a tensor, strings kept as a list,
    and dictionaries, tuples and lists collated entry by entry.

    Raises ``RuntimeError`` for entries of different length or shape, ``TypeError`` for anything else.

    Example:
        >>> import rushlight as torch
        >>> torch.utils.data.default_collate([(1, 2.0), (3, 4.0)])
        [tensor([1, 3]), tensor([2., 4.], dtype=torch.float64)]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Any:
    """``default_collate`` with a table of one's own, from classes to the functions that collate their instances.

    A function gets the batch and the table by the name ``collate_fn_map``. Containers are taken apart whatever the table says.
    Raises ``RuntimeError`` for entries of different length or shape, ``TypeError`` for what the table does not have.
    """
    first = batch[0]
    kind = type(first)
    if collate_fn_map is not None:
        function = collate_fn_map.get(kind)
        if function is None:
            function = next((f for kinds, f in collate_fn_map.items() if isinstance(first, kinds)), None)
        if function is not None:
            return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        collated = {
            key: collate([sample[key] for sample in batch], collate_fn_map=collate_fn_map) for key in first
        }
        try:
            return _like(first, collated.items()) if isinstance(first, MutableMapping) else kind(collated)
        except TypeError:
            return collated
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*[collate(part, collate_fn_map=collate_fn_map) for part in zip(*batch, strict=True)])
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        parts = [collate(part, collate_fn_map=collate_fn_map) for part in zip(*batch, strict=True)]
        if isinstance(first, tuple):
            return parts
        try:
            return _like(first, enumerate(parts)) if isinstance(first, MutableSequence) else kind(parts)
        except TypeError:
            return parts
    raise TypeError(default_collate_err_msg_format.format(kind))


def _like(first: Any, entries: Any) -> Any:
    """A copy of the container with other entries: what else a subclass holds stays."""
    made = copy.copy(first)
    for key, value in entries:
        made[key] = value
    return made


def collate_tensor_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Tensor:
    """Tensors, stacked. Raises ``RuntimeError`` where their shapes differ."""
    return stack(list(batch), 0)


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Arrays as tensors, stacked. Raises ``TypeError`` for arrays of texts or objects."""
    if np_str_obj_array_pattern.search(batch[0].dtype.str) is not None:
        raise TypeError(default_collate_err_msg_format.format(batch[0].dtype))
    return collate([as_tensor(array) for array in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Tensor:
    """NumPy's scalars, as one tensor of their dtype."""
    return as_tensor(np.asarray(batch))


def collate_float_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Tensor:
    """Python's floats, as one tensor of float64."""
    return tensor(list(batch), dtype=float64)


def collate_int_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Tensor:
    """Integers or bools, as one tensor."""
    return tensor(list(batch))


def collate_str_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Texts, as they are."""
    return batch


default_collate_err_msg_format = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)
np_str_obj_array_pattern = re.compile("[SaUO]")
# Programs add their own classes to it.
default_collate_fn_map: CollateMap = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_convert(data: Any) -> Any:
    """``data`` with NumPy arrays in it made tensors (what a loader without batching does to a sample)."""
    if isinstance(data, Tensor | str | bytes):
        return data
    if isinstance(data, np.ndarray | np.generic):
        return data if np.asarray(data).dtype.kind in "SUO" else as_tensor(np.asarray(data))
    if isinstance(data, Mapping):
        return {key: default_convert(value) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*[default_convert(value) for value in data])
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, Sequence):
        return [default_convert(value) for value in data]
    return data
