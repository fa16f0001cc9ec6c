"""Graphs as text, one line for each node."""

from __future__ import annotations

from typing import Any

from .graph import Graph, Kind, Node, Shape, contiguous_strides


def text_of(graph: Graph) -> str:
    """A readable listing: ``%3 f32[64,100] = maximum %1 %2``, then the outputs.

    Example:
        >>> import numpy as np
        >>> from rushlight.ir.graph import Graph, Kind, Node, Output
        >>> x = Node(Kind.INPUT, (), (0,), (2, 3), np.dtype(np.float32))
        >>> print(text_of(Graph((x,), (0,), (Output(0, -1),))))
        %0 float32[2,3] = input 0
        return %0
    """
    lines = [f"%{number} {type_text(node)} = {node_text(node)}" for number, node in enumerate(graph.nodes)]
    results = [f"%{node}" if into < 0 else f"%{node} into input {into}" for node, into in graph.outputs]
    lines.append("return " + ", ".join(results))
    return "\n".join(lines)


def type_text(node: Node) -> str:
    """``float32[64,100]``."""
    if node.several:
        return "(...)"
    return f"{node.dtype}[{_extents(node.shape)}]"


def node_text(node: Node) -> str:
    """The operation, its operands and its parameters."""
    operands = " ".join([f"%{i}" for i in node.operands])
    return f"{_operation(node)} {operands}{_parameters(node)}".replace("  ", " ").rstrip()


def _extents(shape: Any) -> str:
    return ",".join([str(n) for n in shape])


def _operation(node: Node) -> str:
    if node.kind in (Kind.MAP, Kind.REDUCE):
        return repr(node.attrs[0])
    if node.kind is Kind.CALL:
        return f"call {node.attrs[0].name}"
    if node.kind in (Kind.INPUT, Kind.CONST, Kind.ITEM, Kind.INDEX):
        return f"{node.kind.name.lower()} {node.attrs[0]!r}"
    return node.kind.name.lower()


def _parameters(node: Node) -> str:
    if node.kind is Kind.REDUCE:
        return f" over {_extents(node.attrs[1])}" + (", kept" if node.attrs[2] else "")
    if node.kind is Kind.VIEW:
        strides, offset = node.attrs
        return _region(node.shape, strides, offset)
    if node.kind is Kind.WRITE:
        shape, strides, offset = node.attrs
        return f" at [{_extents(shape)}]" + _region(shape, strides, offset)
    if node.kind is Kind.CALL:
        _, literals, parameters = node.attrs
        given = [f"{position}: {value!r}" for position, value in literals]
        given += [f"{name}={value!r}" for name, value in parameters]
        return f" ({', '.join(given)})" if given else ""
    return ""


def _region(shape: Shape, strides: Shape, offset: int) -> str:
    text = "" if strides == contiguous_strides(shape) else f" strides {_extents(strides)}"
    return text + (f" from {offset}" if offset else "")
