"""What runs now, seen from inside a backward: PyTorch's private functions that checkpointing and hooks ask.

The engine keeps no books for them. They find its frame on the stack and read what it is about, so that a backward in
which nobody asks pays nothing.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from ..core.history import LeafNode, Node, OutputNode, named_by_class
from .engine import _reachable as reachable, _run, _ways_to as ways_to

__all__: Final = ["collects_everything", "current_node", "execution_order", "will_execute"]


def _run_frame() -> Any:
    """The frame of the innermost backward of this thread; None outside."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code is not _run.__code__:
        frame = frame.f_back
    return frame


def current_node() -> Node | None:
    """The node that backward runs now, in this thread; None outside."""
    frame = _run_frame()
    if frame is None:
        return None
    names = frame.f_locals
    node = names.get("leaf", names.get("node"))
    return named_by_class(node.parent if isinstance(node, OutputNode) else node)


def collects_everything() -> bool:
    """Whether the backward that runs now gives their gradients to all leaves: not ``autograd.grad``, no ``inputs``."""
    frame = _run_frame()
    return frame is None or (frame.f_locals["targets"] is None and frame.f_locals["collect"])


def will_execute(node: Any) -> bool:
    """Whether the backward that runs now will run ``node`` (or has run it).

    Raises ``RuntimeError`` outside of backward, for what is no node, and for leaves in ``autograd.grad``.
    """
    if not isinstance(node, Node):
        raise RuntimeError(f"_will_engine_execute_node expects an grad_fn, but got {type(node).__name__}")
    frame = _run_frame()
    if frame is None:
        raise RuntimeError("_get_should_execute_nodes should only be called during the backward pass")
    names = frame.f_locals
    targets = names["targets"]
    if targets is None:
        return node in reachable(names["roots"])
    if not names["collect"] and any(isinstance(target, LeafNode) for target in targets):
        raise RuntimeError(
            "_will_engine_execute_node: A leaf node was passed to _will_engine_execute_node but we are currently running "
            "autograd.grad(). This is currently not supported."
        )
    _, _, needed = ways_to(targets, names["roots"])
    return node in needed or (names["collect"] and node in targets)


def execution_order() -> list[Node | None]:
    """The nodes that the backward that runs now runs, in their order."""
    frame = _run_frame()
    if frame is None:
        raise RuntimeError(
            "_current_graph_task_execution_order should only be called during the backward pass"
        )
    names = frame.f_locals
    targets = names["targets"]
    nodes = reachable(names["roots"])
    if targets is not None:
        nodes = nodes.intersection(ways_to(targets, names["roots"])[2].union(targets))
    kept = [node for node in nodes if not isinstance(node, OutputNode)]
    return [named_by_class(node) for node in _in_order(kept, names["roots"])]


def _in_order(nodes: list[Node], roots: Any) -> list[Node]:
    """As the engine takes them: the latest first, and a leaf as soon as every node that leads to it ran."""
    waiting = dict.fromkeys(nodes, 0)
    for node in nodes:
        for edge in node.edges:
            edge = edge.parent if isinstance(edge, OutputNode) else edge
            if edge in waiting:
                waiting[edge] += 1
    ready = [node for node in nodes if not waiting[node]]
    order: list[Node] = []
    while ready:
        ready.sort(key=lambda node: node.order)
        node = ready.pop()
        order.append(node)
        for edge in node.edges:
            edge = edge.parent if isinstance(edge, OutputNode) else edge
            if edge in waiting:
                waiting[edge] -= 1
                if not waiting[edge]:
                    ready.append(edge)
    return order
