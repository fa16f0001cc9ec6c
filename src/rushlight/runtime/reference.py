"""The NumPy evaluator of graphs: slow, obvious, and what every pass and every kernel is held to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from ..ir.evaluate import evaluate_nodes
from ..ir.graph import Graph


def evaluate(graph: Graph, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """The values of ``graph.outputs`` in their order (those that go into an input too) for arrays as inputs.

    Nothing is written to ``inputs``. Raises what the records of the graph's CALLs raise.

    Example:
        >>> import numpy as np
        >>> from rushlight.ir.graph import Graph, Kind, Node, Output
        >>> from rushlight.ir.scalar import ScalarOp
        >>> float32 = np.dtype(np.float32)
        >>> x = Node(Kind.INPUT, (), (0,), (2,), float32)
        >>> twice = Node(Kind.MAP, (0, 0), (ScalarOp.ADD,), (2,), float32)
        >>> evaluate(Graph((x, twice), (0,), (Output(1, -1),)), [np.array([1, 2], np.float32)])
        [array([2., 4.], dtype=float32)]
    """
    values = evaluate_nodes(graph, inputs)
    return [values[output.node] for output in graph.outputs]
