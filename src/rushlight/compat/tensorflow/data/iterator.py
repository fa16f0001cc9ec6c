"""Iterators: operations that give the next element of a data set whenever the graph runs.

A session draws an element before the step that needs it and hands it over like a fed value, so that the step itself has
no side effects and can become a native program.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes, errors
from ..conversion import convert_to_tensor
from ..dtypes import as_dtype
from ..graph import Operation, Tensor, get_default_graph, node
from ..tensor_shape import SCALAR, as_shape
from .element import Part, as_value, leaves, mapped, packed

_numbers = itertools.count()
_BY_HANDLE: dict[bytes, Iterator] = {}


def _parts(types: Any, shapes: Any) -> Any:
    """The structure of types and shapes as one of :class:`Part`."""
    if isinstance(types, list):
        types = tuple(types)
    if shapes is None:
        return mapped(lambda kind: Part(as_dtype(kind), as_shape(None)), types)
    found = iter(_shape_leaves(types, shapes))
    return packed(types, [Part(as_dtype(kind), as_shape(next(found))) for kind in leaves(types)])


def _shape_leaves(types: Any, shapes: Any) -> list[Any]:
    if isinstance(types, dict):
        return [leaf for key in sorted(types) for leaf in _shape_leaves(types[key], shapes[key])]
    if isinstance(types, tuple):
        return [
            leaf for kind, shape in zip(types, shapes, strict=True) for leaf in _shape_leaves(kind, shape)
        ]
    return [shapes]


class Iterator:
    """A place in a data set, for each session another one. Made by ``make_one_shot_iterator`` and the like."""

    def __init__(self, parts: Any, dataset: Any = None, one_shot: bool = False, handle: Any = None) -> None:
        self._parts = parts
        self._dataset = dataset
        self._one_shot = one_shot
        self._handle = handle
        self._name = b"iterator-%d" % next(_numbers)
        self._initializer: Operation | None = None
        self._graph = get_default_graph()
        _BY_HANDLE[self._name] = self
        if dataset is not None and not one_shot:
            self._initializer = self._started_by(dataset, "MakeIterator")

    @staticmethod
    def from_structure(
        output_types: Any,
        output_shapes: Any = None,
        shared_name: str | None = None,
        output_classes: Any = None,
    ) -> Iterator:
        """An iterator without a data set: operations made with :meth:`make_initializer` give it one."""
        return Iterator(_parts(output_types, output_shapes))

    @staticmethod
    def from_string_handle(
        string_handle: Any, output_types: Any, output_shapes: Any = None, output_classes: Any = None
    ) -> Iterator:
        """An iterator that stands for the one whose :meth:`string_handle` is fed."""
        handle = convert_to_tensor(string_handle, dtypes.string)
        return Iterator(_parts(output_types, output_shapes), handle=handle)

    @property
    def initializer(self) -> Operation:
        """The operation that begins (again) at the first element; ``ValueError`` for one that needs none."""
        if self._initializer is None:
            raise ValueError(
                "The iterator does not have an initializer: a one-shot iterator needs none, and one made with "
                "from_structure has make_initializer(dataset)"
            )
        return self._initializer

    def make_initializer(self, dataset: Any, name: str | None = None) -> Operation:
        """An operation that puts this iterator at the first element of ``dataset``."""
        own, other = leaves(self._parts), leaves(dataset._parts)
        if [part.dtype for part in own] != [part.dtype for part in other]:
            raise TypeError(
                f"Expected output types {self.output_types!r} but got dataset with output types {dataset.output_types!r}."
            )
        for a, b in zip(own, other, strict=True):
            if not a.shape.is_compatible_with(b.shape):
                raise TypeError(
                    f"Expected output shapes compatible with {a.shape} but got dataset with output shapes {b.shape}."
                )
        return self._started_by(dataset, name or "MakeIterator")

    def _started_by(self, dataset: Any, name: str) -> Operation:
        sources = dataset._all_sources()

        def bind(binding: Any) -> Callable[..., tuple[Any, ...]]:
            def kernel(*values: Any) -> tuple[Any, ...]:
                start = dataset._start(dict(zip(sources, values, strict=True)), binding.state)
                binding.state.resources[self] = start()
                return ()

            return kernel

        return self._graph.create_op("MakeIterator", sources, [], bind=bind, name=name)

    @property
    def output_types(self) -> Any:
        """The types of the elements' components."""
        return mapped(lambda part: part.dtype, self._parts)

    @property
    def output_shapes(self) -> Any:
        """What is known of the shapes of the elements' components."""
        return mapped(lambda part: part.shape, self._parts)

    @property
    def output_classes(self) -> Any:
        """``tf.Tensor`` for each component."""
        return mapped(lambda part: Tensor, self._parts)

    def string_handle(self, name: str | None = None) -> Tensor:
        """A string that stands for this iterator, to be fed where :meth:`from_string_handle` asks for one."""
        value = np.empty((), dtype=object)
        value[()] = self._name
        return node("IteratorToStringHandle", lambda: value, [], dtypes.string, SCALAR, name)

    def get_next(self, name: str | None = None) -> Any:
        """The next element, in each run that needs it; ``OutOfRangeError`` after the last one."""
        parts = leaves(self._parts)
        made: list[Operation] = []

        def draw(state: Any, handle: Any = None) -> tuple[Any, ...]:
            return self._draw(state, made[0], handle)

        def bind(binding: Any) -> Callable[..., tuple[Any, ...]]:
            return lambda *handle: draw(binding.state, *handle)

        inputs = [] if self._handle is None else [self._handle]
        op = self._graph.create_op(
            "IteratorGetNext",
            inputs,
            [tuple(part) for part in parts],
            bind=bind,
            name=name,
            attributes={"many": True, "draw": draw},
        )
        made.append(op)
        return packed(self._parts, op.outputs)

    def _draw(self, state: Any, op: Operation, handle: Any) -> tuple[Any, ...]:
        source = self
        if handle is not None:
            found = _BY_HANDLE.get(np.asarray(handle, dtype=object).item())
            if found is None:
                raise errors.NotFoundError(None, op, "The string handle is not that of an iterator")
            source = found
        running = state.resources.get(source)
        if running is None:
            if not source._one_shot:
                raise errors.FailedPreconditionError(
                    None,
                    op,
                    "GetNext() failed because the iterator has not been initialized. Ensure that you have run the "
                    f"initializer operation for this iterator before getting the next element.\n\t [[node {op.name} "
                    f"(defined at {op.defined_at}) ]]",
                )
            running = state.resources[source] = source._dataset._begin(state)
        try:
            element = next(running, None)
        except errors.OpError as error:
            if error._op is None:
                error._op = op
            raise
        if element is None:
            raise errors.OutOfRangeError(
                None, op, f"End of sequence\n\t [[node {op.name} (defined at {op.defined_at}) ]]"
            )
        return tuple([as_value(array) for array in element])
