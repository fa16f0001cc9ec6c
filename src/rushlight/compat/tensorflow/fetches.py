"""What a run is asked for, any nesting of lists, tuples and dicts, and what it is fed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rushlight as rl

from . import dtypes
from .conversion import as_runtime
from .graph import Graph, Operation, Tensor


class Fetches:
    """The tensors and operations in a structure of fetches, and how to build the structure of their values."""

    def __init__(self, graph: Graph, fetches: Any) -> None:
        self.tensors: list[Tensor] = []
        self.targets: list[Operation] = []
        self._places: dict[Tensor, int] = {}
        self._graph = graph
        self.build: Callable[[list[Any]], Any] = self._builder(fetches)

    def _builder(self, fetch: Any) -> Callable[[list[Any]], Any]:
        if fetch is None:
            raise TypeError(
                f"Fetch argument {fetch!r} has invalid type {type(fetch)!r}, must be a string or Tensor. (Can not convert a "
                "NoneType into a Tensor or Operation.)"
            )
        if isinstance(fetch, Tensor):
            return self._leaf(fetch)
        components = getattr(fetch, "_components", None)  # a sparse tensor
        if components is not None:
            inner = [self._leaf(tensor) for tensor in components()]
            return lambda values: fetch._from_values([part(values) for part in inner])
        if isinstance(fetch, list | tuple):
            parts = [self._builder(item) for item in fetch]
            kind = type(fetch)
            if hasattr(fetch, "_fields"):
                return lambda values: kind(*[part(values) for part in parts])
            return lambda values: kind([part(values) for part in parts])
        if isinstance(fetch, Mapping):
            named = {key: self._builder(item) for key, item in fetch.items()}
            mapping: Any = type(fetch)
            return lambda values: mapping([(key, part(values)) for key, part in named.items()])
        return self._leaf(fetch)

    def _leaf(self, fetch: Any) -> Callable[[list[Any]], Any]:
        try:
            element = self._graph.as_graph_element(fetch)
        except TypeError as error:
            raise TypeError(
                f"Fetch argument {fetch!r} has invalid type {type(fetch)!r}, must be a string or Tensor. ({error})"
            ) from None
        except (ValueError, KeyError) as error:
            text = error.args[0] if error.args else error
            raise ValueError(
                f"Fetch argument {fetch!r} cannot be interpreted as a Tensor. ({text})"
            ) from None
        op = element if isinstance(element, Operation) else element.op
        if op.block is not None:
            kind = "Operation" if element is op else "Tensor"
            raise ValueError(
                f"{kind} {element.name!r} has been marked as not fetchable: it is inside a branch or loop body."
            )
        if isinstance(element, Operation):
            self.targets.append(element)
            return lambda values: None
        place = self._places.get(element)
        if place is None:
            place = self._places[element] = len(self.tensors)
            self.tensors.append(element)
        return lambda values: values[place]


def feed_tensor(graph: Graph, key: Any) -> Tensor:
    """The tensor that a key of ``feed_dict`` names.

    Raises:
        TypeError: if it is no tensor of this graph.
        ValueError: if it can't be fed.
    """
    try:
        tensor = graph.as_graph_element(key, allow_operation=False)
    except (TypeError, ValueError, KeyError) as error:
        text = error.args[0] if error.args else error
        raise TypeError(f"Cannot interpret feed_dict key as Tensor: {text}") from None
    assert isinstance(tensor, Tensor)
    if tensor.op.block is not None:
        raise ValueError(f"Tensor {tensor.name} may not be fed.")
    return tensor


def feed_value(tensor: Tensor, value: Any) -> Any:
    """What stands for ``value`` in the run, as a tensor of ``tensor``'s type.

    Raises:
        TypeError: if the value is a graph's tensor.
        ValueError: if its shape does not fit.
    """
    if isinstance(value, Tensor):
        raise TypeError(
            "The value of a feed cannot be a tf.Tensor object. Acceptable feed values include Python scalars, strings, "
            f"lists, numpy ndarrays, or TensorHandles. For reference, the tensor object was {value} which was passed to "
            f"the feed with key {tensor}."
        )
    if isinstance(value, rl.Tensor):
        value = value.detach().numpy()
    if tensor.dtype is dtypes.string:
        from .conversion import make_array

        array = make_array(value, dtypes.string)
    else:
        array = np.asarray(value, tensor.dtype.numpy)
    extents = tensor.shape.extents
    if extents is not None and (
        len(extents) != array.ndim
        or any(e is not None and e != n for e, n in zip(extents, array.shape, strict=True))
    ):
        raise ValueError(
            f"Cannot feed value of shape {array.shape!r} for Tensor {tensor.name!r}, which has shape {str(tensor.shape)!r}"
        )
    return as_runtime(array)


def as_fetched(value: Any, kept: set[int]) -> Any:
    """A run's result as NumPy: an array of its own, never memory that is still in use, whose ids are ``kept``."""
    array: NDArray[Any] = value._array if isinstance(value, rl.Tensor) else value
    if array.ndim == 0:
        return array.item() if array.dtype.kind == "O" else array[()]
    if array.base is not None or id(array) in kept:
        return array.copy()
    return array
