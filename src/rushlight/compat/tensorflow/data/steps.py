"""Steps of pipelines over elements that are lists of arrays: batches, padding, turns of several sources, random picks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import dtypes, errors
from ..conversion import make_array
from ..tensor_shape import TensorShape
from .element import Part

Element = list[Any]


def interleaved(
    elements: Iterator[Element],
    opened: Callable[[Element], Iterator[Element]],
    width: int,
    block: int,
) -> Iterator[Element]:
    running: list[Iterator[Element] | None] = []
    for element in elements:
        running.append(opened(element))
        if len(running) == width:
            break
    place = 0
    while any(item is not None for item in running):
        current = running[place]
        if current is not None:
            for _ in range(block):
                found = next(current, None)
                if found is None:
                    # Its place is taken by the next data set, which begins with its own turn at once.
                    following = next(elements, None)
                    running[place] = None if following is None else opened(following)
                    place -= 1 if following is not None else 0
                    break
                yield found
        place = (place + 1) % len(running)


def taken(waiting: list[Element], draw: Any) -> Element:
    i = int(draw.integers(len(waiting)))
    waiting[i], waiting[-1] = waiting[-1], waiting[i]
    return waiting.pop()


def groups(elements: Iterator[Element], size: int, drop: bool) -> Iterator[list[Element]]:
    group: list[Element] = []
    for element in elements:
        group.append(element)
        if len(group) == size:
            yield group
            group = []
    if group and not drop:
        yield group


def stacked(column: Sequence[Any]) -> Any:
    first = np.asarray(column[0])
    if any(np.shape(item) != first.shape for item in column):
        other = next(i for i, item in enumerate(column) if np.shape(item) != first.shape)
        raise errors.InvalidArgumentError(
            None,
            None,
            "Cannot batch tensors with different shapes in component 0. First element had shape "
            f"{list(first.shape)} and element {other} had shape {list(np.shape(column[other]))}.",
        )
    if first.dtype.kind == "O" or not isinstance(column[0], np.ndarray | np.generic):
        made = np.empty((len(column), *first.shape), dtype=object)
        for i, item in enumerate(column):
            made[i] = item if first.ndim else (item.item() if isinstance(item, np.ndarray) else item)
        return made
    return np.stack(column)


def padded(column: Sequence[Any], shape: TensorShape, filler: Any, part: Part) -> Any:
    arrays = [np.asarray(item) for item in column]
    extents = [
        max([array.shape[axis] for array in arrays]) if extent is None else extent
        for axis, extent in enumerate(shape.extents or ())
    ]
    empty: Any = b"" if part.dtype is dtypes.string else 0
    if filler is not None:
        empty = make_array(filler, part.dtype).item()
    made = np.full((len(arrays), *extents), empty, dtype=part.dtype.numpy)
    for i, array in enumerate(arrays):
        if any(have > limit for have, limit in zip(array.shape, extents, strict=True)):
            raise errors.DataLossError(
                None,
                None,
                f"Attempted to pad to a smaller size than the input element: {list(array.shape)} to {extents}",
            )
        place: Any = (i, *[slice(0, extent) for extent in array.shape])
        made[place] = array
    return made
