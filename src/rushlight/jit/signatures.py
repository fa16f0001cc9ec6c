"""What a static recording is made for: the arguments by shape and value, and the context of the call."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import numpy as np

from ..autograd.anomaly_mode import MODE as ANOMALY
from ..core.device import device_of
from ..core.dtypes import default_numpy
from ..core.grad_mode import DECIDING
from ..core.history import LeafNode, Node
from ..core.tensor import Tensor

ndarray = np.ndarray
_value_of = ContextVar.get


def key_of(args: Any, kwargs: Any, tensors: list[Tensor]) -> Any:
    """What a recording is made for: the arguments, whose tensors go to ``tensors``, and the context."""
    if not kwargs and (plain := _plain_tensors(args)) is not None:
        tensors += args
        return plain, modes()
    key = (signature(args, tensors), signature(kwargs, tensors) if kwargs else None, modes())
    places = {id(tensor._array): number for number, tensor in enumerate(tensors)}
    if len(places) == len(tensors):
        return key
    return (
        *key,
        tuple([places[id(tensor._array)] for tensor in tensors]),
    )  # which of them are the same memory


def _plain_tensors(args: tuple[Any, ...]) -> Any:
    """A short key for what most calls are given: tensors on the CPU, no two of the same memory, without history, gradients
    or attributes. None for others."""
    key: list[Any] = []
    arrays = set()
    for value in args:
        if type(value) is not Tensor or value._node is not None or value._grad is not None or value.__dict__:
            return None
        array = value._array
        if type(array) is not ndarray:
            return None
        arrays.add(id(array))
        key += (array.shape, array.dtype)
    return tuple(key) if len(arrays) == len(args) else None


def signature(value: Any, tensors: list[Tensor]) -> Any:
    """A key for arguments: tensors by shape, dtype and whether they need gradients, everything else by value."""
    if isinstance(value, Tensor):
        for number, other in enumerate(tensors):
            if other is value:
                return ("again", number)
        tensors.append(value)
        array = value._array
        gradient = value._grad
        if gradient is not None:
            tensors.append(gradient)
        where = None if type(array) is ndarray else device_of(array)
        more = value.__dict__
        return (
            type(value),
            array.shape,
            array.dtype,
            _kind_of_history(value._node),
            gradient is None,
            where,
            signature(more, tensors) if more else None,
        )
    kind = type(value)
    if kind is tuple or kind is list:
        return (kind, tuple([signature(part, tensors) for part in value]))
    if isinstance(value, dict):
        return (kind, tuple([(key, signature(part, tensors)) for key, part in value.items()]))
    if isinstance(value, ndarray):
        raise TypeError(
            "compile(fullgraph=True): a NumPy array among the arguments would become part of the graph; pass "
            "from_numpy(array)"
        )
    try:
        hash(value)
    except TypeError:
        # What it holds is compared as the function's state is (``PythonState``), or refused there.
        return (kind, OneObject(value))
    return (kind, value.hex() if kind is float else value)


class OneObject:
    """An argument that has no hash, in a key: that very object."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OneObject) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def _kind_of_history(node: Node | None) -> Any:
    if node is None:
        return None
    return (True, node.special) if isinstance(node, LeafNode) else False


def modes() -> Any:
    """The values of everything in the context that decides what operations do."""
    return (default_numpy(), ANOMALY.enabled, *map(_value_of, DECIDING))


def python_randomness() -> Any:
    import random

    state: Any = np.random.get_state(legacy=False)
    return (random.getstate(), state["state"]["pos"], state["state"]["key"].tobytes())
