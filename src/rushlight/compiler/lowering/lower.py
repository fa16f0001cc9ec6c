"""The pass that turns CALLs into the compiler's own nodes."""

from __future__ import annotations

from ...ir.graph import Graph, Kind, Output
from . import (  # noqa: F401 - they fill the table
    complex_numbers,
    linear,
    losses,
    movement,
    pointwise,
    reductions,
    ufuncs,
)
from .builder import GraphBuilder
from .table import lowered_call


def lower(graph: Graph) -> Graph:
    """The graph with every CALL that the table knows replaced by its formula."""
    b = GraphBuilder()
    numbers: list[int] = []
    parts: dict[int, list[int]] = {}  # of CALLs with several results, by their old numbers
    for number, node in enumerate(graph.nodes):
        b.site = node.site
        if node.kind is Kind.INPUT:
            b.inputs.append(len(b.nodes))
            b.nodes.append(node)
            numbers.append(len(b.nodes) - 1)
            continue
        if node.kind is Kind.ITEM and node.operands[0] in parts:
            numbers.append(parts[node.operands[0]][node.attrs[0]])
            continue
        operands = [numbers[i] for i in node.operands]
        if node.kind is Kind.CALL:
            made = lowered_call(b, node, operands)
            if isinstance(made, list):
                parts[number] = made
                numbers.append(-1)
                continue
            if made is not None:
                numbers.append(made)
                continue
        elif node.kind is Kind.VIEW:
            strides, offset = node.attrs
            numbers.append(b.value(operands[0]).view(node.shape, strides, offset, node.dtype).number)
            continue
        elif node.kind is Kind.CAST:
            numbers.append(b.value(operands[0]).cast(node.dtype).number)
            continue
        numbers.append(b.add(node._replace(operands=tuple(operands))))
    outputs = tuple([Output(numbers[node], into) for node, into in graph.outputs])
    return Graph(tuple(b.nodes), tuple(b.inputs), outputs)
