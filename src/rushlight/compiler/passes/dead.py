"""Dead code: nodes that no output needs go."""

from __future__ import annotations

from ...ir.graph import Graph, Kind, Node, Output
from ..lowering.builder import has_effects


def remove_dead(graph: Graph) -> Graph:
    """The graph without the nodes that no output needs. Inputs stay, and what has effects."""
    nodes = graph.nodes
    needed = bytearray(len(nodes))
    for output in graph.outputs:
        needed[output.node] = 1
    for number in range(len(nodes) - 1, -1, -1):
        node = nodes[number]
        if needed[number] or node.kind is Kind.INPUT or has_effects(node):
            needed[number] = 1
            for operand in node.operands:
                needed[operand] = 1
    for number, node in enumerate(nodes):
        if node.kind is Kind.ITEM and needed[node.operands[0]]:
            needed[number] = 1  # kernels give all results of a CALL
    if all(needed):
        return graph
    numbers: list[int] = []
    kept: list[Node] = []
    for number, node in enumerate(nodes):
        numbers.append(len(kept))
        if needed[number]:
            kept.append(node._replace(operands=tuple([numbers[i] for i in node.operands])))
    outputs = tuple([Output(numbers[node], into) for node, into in graph.outputs])
    return Graph(tuple(kept), tuple([numbers[i] for i in graph.inputs]), outputs)
