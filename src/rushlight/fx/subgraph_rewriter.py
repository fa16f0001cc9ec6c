"""Exchanging parts of a graph: wherever a pattern's calls stand, another function's calls are put."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ._symbolic_trace import symbolic_trace
from .graph import Graph
from .graph_module import GraphModule
from .matching import InternalMatch, SubgraphMatcher
from .node import Node

__all__ = ["Match", "ReplacedPatterns", "replace_pattern", "replace_pattern_with_filters"]


class Match(NamedTuple):
    """A place where the pattern was found: the pattern's last node, and the graph's node for each of the pattern's."""

    anchor: Node
    nodes_map: dict[Node, Node]


class ReplacedPatterns:
    """A place that was exchanged: as :class:`Match`, and the new nodes."""

    def __init__(self, anchor: Node, nodes_map: dict[Node, Node], replacements: list[Node]) -> None:
        self.anchor, self.nodes_map, self.replacements = anchor, nodes_map, replacements

    def __repr__(self) -> str:
        return f"ReplacedPatterns(anchor={self.anchor!r}, nodes_map={self.nodes_map!r}, replacements={self.replacements!r})"


def _graph_of(source: Any) -> Graph:
    if isinstance(source, GraphModule):
        return source.graph
    if isinstance(source, Graph):
        return source
    return symbolic_trace(source).graph


def replace_pattern(
    gm: GraphModule, pattern: Callable[..., Any] | GraphModule, replacement: Callable[..., Any] | GraphModule
) -> list[Match]:
    """Put ``replacement`` wherever ``gm`` computes ``pattern``; both are functions of the same inputs. The places.

    A place is left alone where something else uses a value inside of it, or where it overlaps with one that is exchanged.
    ``gm`` is compiled again.

    Example:
        >>> import rushlight as torch
        >>> traced = torch.fx.symbolic_trace(lambda x, y: torch.relu(x + y) * 2)
        >>> found = replace_pattern(traced, lambda a, b: torch.relu(a + b), lambda a, b: torch.clamp(a + b, min=0))
        >>> len(found), [node.name for node in traced.graph.nodes]
        (1, ['x', 'y', 'add_1', 'clamp', 'mul', 'output'])
    """
    return [
        Match(anchor=found.anchor, nodes_map=found.nodes_map) for found in _replace(gm, pattern, replacement)
    ]


def replace_pattern_with_filters(
    gm: GraphModule,
    pattern: Callable[..., Any] | Graph | GraphModule,
    replacement: Callable[..., Any] | Graph | GraphModule | None = None,
    match_filters: list[Callable[[InternalMatch, Graph, Graph], bool]] | None = None,
    ignore_literals: bool = False,
    replacement_callback: Callable[[InternalMatch, Graph, Graph], Graph] | None = None,
    node_name_match: str = "",
) -> list[ReplacedPatterns]:
    """``replace_pattern`` where all of ``match_filters`` agree. ``ignore_literals``: numbers in the pattern fit any other.
    ``replacement_callback`` makes the graph to put there, in the place of ``replacement``."""
    return _replace(gm, pattern, replacement, match_filters, ignore_literals, replacement_callback)


def _replace(
    gm: GraphModule,
    pattern: Any,
    replacement: Any,
    filters: Any = None,
    ignore_literals: bool = False,
    replacement_callback: Any = None,
) -> list[ReplacedPatterns]:
    filters = filters or []
    original = gm.graph
    pattern_graph = _graph_of(pattern)
    matcher = SubgraphMatcher(pattern_graph, ignore_literals=ignore_literals)
    matches = [
        match
        for match in matcher.match(original)
        if all([keep(match, original, pattern_graph) for keep in filters])
    ]
    replacement_graph = _graph_of(replacement) if replacement is not None else None
    if replacement_graph is None and replacement_callback is None:
        raise AssertionError("Must provide either replacement GraphModule or replacement_callback")
    done: list[ReplacedPatterns] = []
    # Values that an earlier exchange took away, and what stands for them now.
    exchanged: dict[Node, Node] = {}
    for match in matches:
        put = (
            replacement_callback(match, original, pattern_graph)
            if replacement_callback is not None
            else replacement_graph
        )
        done.append(_exchange(original, match, put, exchanged))
    gm.recompile()
    if isinstance(replacement, GraphModule):
        _replace_attributes(gm, replacement)
    return done


def _exchange(
    original: Graph, match: InternalMatch, put: Any, exchanged: dict[Node, Node]
) -> ReplacedPatterns:
    inputs = [node for node in put.nodes if node.op == "placeholder"]
    if len(match.placeholder_nodes) != len(inputs):
        raise AssertionError(
            f"the pattern has {len(match.placeholder_nodes)} inputs and the replacement {len(inputs)}; give both the same"
        )
    values: dict[Node, Any] = {}
    for place, (theirs, ours) in enumerate(zip(inputs, match.placeholder_nodes, strict=True)):
        if isinstance(ours, Node):
            ours = exchanged.get(ours, ours)
            match.placeholder_nodes[place] = ours
            match.nodes_map[match.pattern_inputs[place]] = ours
        values[theirs] = ours
    users = {
        user for node in match.returning_nodes for user in node.users if user not in match.nodes_map.values()
    }
    if match.returning_nodes and users:
        point = original.inserting_before(min(users))
    else:
        point = original.inserting_before(max(match.nodes_map.values()).next)
    there = set(original.nodes)
    with point:
        copied = original.graph_copy(put, values)
    results = [copied] if isinstance(copied, Node) else list(copied or ())
    if len(results) != len(match.returning_nodes):
        raise AssertionError(
            f"the pattern gives {len(match.returning_nodes)} values and the replacement {len(results)}; give both the same"
        )
    for old, new in zip(match.returning_nodes, results, strict=True):
        old.replace_all_uses_with(new)
        exchanged[old] = new
    for node in reversed(list(match.pattern_order)):
        if node.op not in ("placeholder", "output"):
            ours = match.nodes_map[node]
            if not ours._erased and not ours.users:
                original.erase_node(ours)
    made = [node for node in original.nodes if node not in there]
    return ReplacedPatterns(anchor=match.anchors[0], nodes_map=match.nodes_map, replacements=made)


def _replace_attributes(gm: GraphModule, replacement: Any) -> None:
    """Give ``gm`` the modules and parameters that the replacement's nodes use."""
    gm.delete_all_unused_submodules()
    if isinstance(replacement, GraphModule):
        replacement.graph.lint()
    from .graph_module import _copy_attr, _has_attr

    for node in gm.graph.nodes:
        if node.op not in ("call_module", "get_attr"):
            continue
        if not _has_attr(gm, node.target):
            if not _has_attr(replacement, node.target):
                raise RuntimeError(
                    f'Attempted to create a "{node.op}" node during subgraph rewriting with target {node.target}, but the '
                    "referenced attribute does not exist in either the original GraphModule `gm` or the replacement "
                    "GraphModule `replacement`"
                )
            _copy_attr(replacement, gm, node.target)
    gm.graph.lint()
