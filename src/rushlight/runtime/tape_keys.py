"""What a tape's nodes are before they are a graph: keys, which are compared and hashed on every run, and their types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .pending import Pending

if TYPE_CHECKING:
    from ..ir.graph import Graph

# Kinds of nodes: numbers, for the same reason.
INPUT, CONST, CAST, VIEW, WRITE, CALL, ITEM = range(7)
_TYPES: Final[dict[Any, Any]] = {}


def interned(shape: Any, dtype: Any) -> Any:
    """``(shape, dtype)``, the same object for the same ones: types are compared by identity."""
    type_ = (shape, dtype)
    return _TYPES.setdefault(type_, type_)


def exact(value: Any) -> Any:
    """``value`` so that only equal ones of one type compare equal (1 == 1.0 == True, and 0.0 == -0.0)."""
    kind = type(value)
    if kind is float:
        return (kind, value.hex())
    if kind is tuple or kind is list:
        return (kind, tuple([exact(part) for part in value]))
    if kind is dict:
        return (kind, tuple([(name, exact(part)) for name, part in value.items()]))
    if kind is slice:  # compares, but has no hash before Python 3.12
        return (kind, (value.start, value.stop, value.step))
    if kind is Pending or isinstance(value, np.ndarray):
        raise TypeError("arrays are no parameters")
    hash(value)
    return (kind, value)


def plain(value: Any) -> Any:
    """What ``exact`` was made of."""
    kind, content = value
    if kind is float:
        return float.fromhex(content)
    if kind is tuple or kind is list:
        return kind([plain(part) for part in content])
    if kind is slice:
        return slice(*content)
    if kind is dict:
        return {name: plain(part) for name, part in content}
    return content


def graph_of(
    keys: Sequence[Any],
    types: Sequence[Any],
    outputs: Sequence[tuple[int, int]],
    sites: Sequence[Any] | None = None,
) -> Graph:
    """The tape as a graph. ``sites``: where each node comes from."""
    from ..ir.graph import Graph, Kind, Node, Output, contiguous_strides

    nodes = []
    inputs = []
    for number, key in enumerate(keys):
        kind = key[0]
        type_ = types[number]
        shape, dtype = type_ if type(type_) is tuple else (None, None)
        if kind is INPUT:
            inputs.append(number)
            node = Node(Kind.INPUT, (), (key[1],), shape, dtype)
        elif kind is CALL:
            _, record, operands, literals, parameters = key
            node = Node(
                Kind.CALL,
                operands,
                (
                    record,
                    tuple([(position, plain(value)) for position, value in literals]),
                    tuple([(name, plain(value)) for name, value in parameters]),
                ),
                shape,
                dtype,
            )
        elif kind is CONST:
            # That of a GPU says so; ``device_programs`` looks at it, and takes it away.
            node = Node(Kind.CONST, (), (plain(key[1]), *key[4:]), shape, dtype)
        elif kind is ITEM:
            node = Node(Kind.ITEM, (key[1],), (key[2],), shape, dtype)
        elif kind is CAST:
            node = Node(Kind.CAST, (key[1],), (), shape, dtype)
        elif kind is VIEW:
            strides = contiguous_strides(shape) if key[3] is None else key[3]
            node = Node(Kind.VIEW, (key[1],), (strides, key[4]), shape, dtype)
        else:
            _, old, value, region, strides, offset = key
            node = Node(Kind.WRITE, (old, value), (region, strides, offset), shape, dtype)
        nodes.append(node if sites is None else node._replace(site=sites[number]))
    return Graph(tuple(nodes), tuple(inputs), tuple([Output(*output) for output in outputs]))
