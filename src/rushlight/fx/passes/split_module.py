"""Splitting a graph module into several."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..graph import Graph
from ..graph_module import GraphModule
from ..node import Node, map_arg

__all__ = ["split_module"]


class _Part:
    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[Node] = []
        self.inputs: dict[Node, None] = {}
        self.outputs: dict[Node, None] = {}
        self.needs: dict[str, None] = {}
        self.graph = Graph()
        self.values: dict[Node, Node] = {}


def split_module(
    m: GraphModule,
    root_m: Any,
    split_callback: Callable[[Node], int],
    qualname_map: dict[str, str] | None = None,
    keep_original_order: bool | None = False,
    keep_original_node_name: bool | None = False,
    keep_original_input_name: bool = True,
    *,
    partition_affix: str | None = None,
) -> GraphModule:
    """A module whose children ``submod_0``, ``submod_1``, ... each run the nodes that ``split_callback`` gives this number.

    ``qualname_map`` gets, for each module that moved, its new name → its old one. ``keep_original_node_name``: the nodes of the
    parts are named as in ``m``. ``RuntimeError`` where two parts need
    each other's values.

    Example:
        >>> import rushlight as torch
        >>> traced = torch.fx.symbolic_trace(lambda x: torch.relu(x + 1) * 2)
        >>> parts = split_module(traced, None, lambda node: int(node.name != "add"))
        >>> [node.name for node in parts.graph.nodes], parts(torch.zeros(1))
        (['x', 'submod_0', 'submod_1', 'output'], tensor([2.]))
    """
    parts: dict[str, _Part] = {}
    of: dict[Node, str] = {}
    for node in m.graph.nodes:
        if node.op in ("placeholder", "get_attr", "output"):
            continue
        name = str(split_callback(node))
        of[node] = name
        parts.setdefault(
            name, _Part(f"submod_{partition_affix}_{name}" if partition_affix else f"submod_{name}")
        ).nodes.append(node)
    for node in m.graph.nodes:
        mine = of.get(node)
        for used in node._input_nodes:
            theirs = of.get(used)
            if theirs == mine:
                continue
            if theirs is not None:
                parts[theirs].outputs.setdefault(used)
            if mine is not None:
                parts[mine].inputs.setdefault(used)
                if theirs is not None:
                    parts[mine].needs.setdefault(theirs)
    order = _ordered(parts)
    base: dict[str, Any] = {}
    whole = Graph()
    values: dict[Node, Any] = {}
    for node in m.graph.nodes:
        if node.op == "placeholder":
            default = node.args[0] if node.args else inspect.Signature.empty
            values[node] = whole.placeholder(node.target, node.type, default)
            values[node].meta = dict(node.meta)
        elif node.op == "get_attr":
            values[node] = whole.get_attr(node.target)
            values[node].meta = dict(node.meta)
            base[node.target] = _attribute(m, node.target)
    for name in order:
        part = parts[name]
        base[part.name] = _module_of(m, part, qualname_map, bool(keep_original_node_name))
        called = whole.call_module(part.name, tuple([values[node] for node in part.inputs]))
        outputs = list(part.outputs)
        if len(outputs) == 1:
            values[outputs[0]] = called
        else:
            import operator

            for place, node in enumerate(outputs):
                values[node] = whole.call_function(operator.getitem, (called, place))
    for node in m.graph.nodes:
        if node.op == "output":
            whole.output(map_arg(node.args[0], lambda n: values[n]), node.type).meta = dict(node.meta)
    return GraphModule(base, whole)


def _attribute(m: Any, path: str) -> Any:
    for name in path.split("."):
        m = getattr(m, name)
    return m


def _ordered(parts: dict[str, _Part]) -> list[str]:
    order: list[str] = []
    waiting = dict(parts)
    while waiting:
        ready = [name for name, part in waiting.items() if all([need in order for need in part.needs])]
        if not ready:
            raise RuntimeError("cycle exists between partitions!")
        order.append(ready[0])
        del waiting[ready[0]]
    return order


def _module_of(
    m: GraphModule, part: _Part, qualname_map: dict[str, str] | None, keep_names: bool
) -> GraphModule:
    targets: dict[str, Any] = {}
    for node in part.inputs:
        part.values[node] = part.graph.placeholder(node.name, node.type)
        part.values[node].meta = dict(node.meta)

    def value(node: Node) -> Node:
        return part.values[node]

    for node in part.nodes:
        args, kwargs = map_arg(node.args, value), map_arg(node.kwargs, value)
        target = node.target
        if node.op == "call_module":
            target = node.target.replace(".", "_")
            targets[target] = _attribute(m, node.target)
            if qualname_map is not None:
                qualname_map[f"{part.name}.{target}"] = node.target
        part.values[node] = part.graph.create_node(
            node.op, target, tuple(args), dict(kwargs), node.name if keep_names else None, node.type
        )
        part.values[node].meta = dict(node.meta)
    results = [part.values[node] for node in part.outputs]
    part.graph.output(results[0] if len(results) == 1 else tuple(results))
    return GraphModule(targets, part.graph)
