"""What passes share: going through a graph node by node and building the next one."""

from __future__ import annotations

from collections.abc import Callable

from ...ir.graph import Graph, Kind, Node, Output
from ..lowering.builder import GraphBuilder

# Gives the number of the new node for a node with its operands' new numbers, or None to keep the node.
Rule = Callable[[GraphBuilder, int, Node, tuple[int, ...]], int | None]


def rewrite(graph: Graph, rule: Rule) -> Graph:
    """The graph with every node replaced by what ``rule`` makes of it; equal nodes become one."""
    b = GraphBuilder()
    numbers: list[int] = []
    for number, node in enumerate(graph.nodes):
        b.site = node.site
        operands = tuple([numbers[i] for i in node.operands])
        made = rule(b, number, node, operands)
        if made is None:
            made = copy_node(b, node, operands)
        numbers.append(made)
    outputs = tuple([Output(numbers[node], into) for node, into in graph.outputs])
    return Graph(tuple(b.nodes), tuple(b.inputs), outputs)


def copy_node(b: GraphBuilder, node: Node, operands: tuple[int, ...]) -> int:
    """``node`` in ``b`` on the given operands."""
    if node.kind is Kind.INPUT:
        b.inputs.append(len(b.nodes))
        b.nodes.append(node)
        return len(b.nodes) - 1
    return b.add(node if operands == node.operands else node._replace(operands=operands))
