"""Which arrays came into being and went away while a profile runs, so that it can say who allocated how much.

An array that an operation returns and that is not memory of its arguments was allocated by it. A weak reference to it
tells when it goes; the bytes then count as freed by whatever is running. What an operation allocates and frees again
before it returns adds up to nothing and is not seen.
"""

from __future__ import annotations

import weakref
from typing import Any, Final

import numpy as np

from ..core.tensor import Tensor
from . import recording
from .recording import MEMORY, OPEN, Recorded, get_ident

_LIVE: Final[dict[int, Any]] = {}


def owner(array: Any) -> Any:
    """The array that holds the memory of ``array``; None where it is no NumPy array."""
    if type(array) is not np.ndarray:
        return None
    while type(array.base) is np.ndarray:
        array = array.base
    return array


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors in a call's arguments or results: themselves, or in lists, tuples and dicts."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, list | tuple):
        return [tensor for entry in value for tensor in tensors_in(entry)]
    if isinstance(value, dict):
        return [tensor for entry in value.values() for tensor in tensors_in(entry)]
    return []


def owners_of(args: Any, kwargs: Any) -> set[int]:
    """The ids of the memory that a call is given."""
    return {id(owner(tensor._array)) for tensor in tensors_in((args, kwargs))}


def count_results(result: Any, given: set[int], event: Recorded) -> None:
    """Count the memory of ``result`` that is neither among ``given`` nor known already as allocated by ``event``."""
    for tensor in tensors_in(result):
        memory = owner(tensor._array)
        if memory is None or id(memory) in given or id(memory) in _LIVE:
            continue
        size, key = int(memory.nbytes), id(memory)

        def gone(_: Any, size: int = size, key: int = key) -> None:
            _LIVE.pop(key, None)
            _freed(size)

        _LIVE[key] = weakref.ref(memory, gone)
        event.memory += size


def _freed(size: int) -> None:
    if not recording.WISHES.memory:
        return
    running = OPEN.innermost
    if running is not None:
        running.memory -= size
        return
    event = Recorded("[memory]", MEMORY, None, get_ident(), recording.FORWARD_SCOPE)
    event.memory, event.end = -size, event.start
    recording.noted(event)


def forget() -> None:
    """Follow no array any longer."""
    _LIVE.clear()
