"""Finding the places where a graph computes what a smaller graph does."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from .graph import Graph
from .node import Node

__all__ = ["InternalMatch", "SubgraphMatcher"]


class InternalMatch:
    """One place: ``anchors`` are the pattern's last nodes, ``nodes_map`` has the graph's node for each of the pattern's,
    ``placeholder_nodes`` the values that go in and ``returning_nodes`` those that come out."""

    def __init__(self, anchors: list[Node]) -> None:
        self.anchors = anchors
        self.nodes_map: dict[Node, Any] = {}
        self.placeholder_nodes: list[Any] = []
        self.returning_nodes: list[Node] = []
        self.pattern_order: list[Node] = []
        self.pattern_inputs: list[Node] = []
        self.name_node_map: dict[str, Node] = {}

    def __copy__(self) -> InternalMatch:
        other = InternalMatch(self.anchors)
        other.nodes_map = dict(self.nodes_map)
        other.placeholder_nodes = list(self.placeholder_nodes)
        other.returning_nodes = list(self.returning_nodes)
        return other


class SubgraphMatcher:
    """Finds ``pattern`` in graphs: from its last nodes backwards.

    ``match_placeholder``: inputs of the pattern fit only inputs. ``remove_overlapping_matches``: a node is in one place only.
    ``ignore_literals``: numbers and words fit any other.
    """

    def __init__(
        self,
        pattern: Graph,
        match_output: bool = False,
        match_placeholder: bool = False,
        remove_overlapping_matches: bool = True,
        ignore_literals: bool = False,
    ) -> None:
        if not len(pattern.nodes):
            raise ValueError("SubgraphMatcher cannot be initialized with an empty pattern")
        for node in pattern.nodes:
            if node.op != "output" and not node.users and node.op != "placeholder":
                raise AssertionError("SubgraphMatcher cannot be initialized with an pattern with dead code")
        self.pattern = pattern
        self.match_output = match_output
        self.match_placeholder = match_placeholder
        self.remove_overlapping_matches = remove_overlapping_matches
        self.ignore_literals = ignore_literals
        self.pattern_placeholder_nodes = [node for node in pattern.nodes if node.op == "placeholder"]
        output = pattern.output_node()
        self.pattern_returning_nodes = output.all_input_nodes
        self.pattern_anchors: list[Node] = []
        if match_output:
            self.pattern_anchors = [output]
        else:
            # The last ones only: what also goes on inside the pattern is found on the way.
            self.pattern_anchors = [node for node in output.all_input_nodes if len(node.users) == 1]

    def match(self, graph: Graph, node_name_match: str = "") -> list[InternalMatch]:
        """The places in ``graph``."""
        candidates = [
            [node for node in graph.nodes if self._equal(anchor, node)] for anchor in self.pattern_anchors
        ]
        found: list[InternalMatch] = []
        for match in self._all(candidates):
            match.placeholder_nodes = [match.nodes_map.get(node) for node in self.pattern_placeholder_nodes]
            match.returning_nodes = [match.nodes_map[node] for node in self.pattern_returning_nodes]
            match.pattern_order = [node for node in self.pattern.nodes if node in match.nodes_map]
            match.pattern_inputs = self.pattern_placeholder_nodes
            if self._is_contained(match):
                found.append(match)
        if not self.remove_overlapping_matches:
            return found
        kept: list[InternalMatch] = []
        taken: set[Node] = set()
        for match in found:
            inside = [
                value for node, value in match.nodes_map.items() if node.op not in ("placeholder", "output")
            ]
            if not any([node in taken for node in inside]):
                kept.append(match)
                taken.update(inside)
        return kept

    def _all(self, candidates: list[list[Node]]) -> Iterator[InternalMatch]:
        def go_on(place: int, match: InternalMatch) -> Iterator[InternalMatch]:
            if place == len(candidates):
                yield match
                return
            for node in candidates[place]:
                attempt = copy.copy(match)
                if self._match(self.pattern_anchors[place], node, attempt):
                    yield from go_on(place + 1, attempt)

        if candidates:
            yield from go_on(0, InternalMatch(self.pattern_anchors))

    def _equal(self, mine: Node, other: Any) -> bool:
        if not isinstance(other, Node):
            return False
        if not self.match_placeholder and mine.op == "placeholder":
            return True
        if mine.op != other.op:
            return False
        if mine.op in ("placeholder", "output"):
            return True
        if mine.op == "get_attr":
            return bool(_attribute_kind(mine) == _attribute_kind(other))
        return bool(mine.target == other.target)

    def _match(self, mine: Node, other: Any, match: InternalMatch) -> bool:
        if mine in match.nodes_map:
            return bool(match.nodes_map[mine] is other)
        # Two inputs may be one value; two calls are two.
        if mine.op != "placeholder" and isinstance(other, Node) and other in match.nodes_map.values():
            return False
        if not self._equal(mine, other):
            return False
        match.nodes_map[mine] = other
        if mine.op == "placeholder":
            return True
        mine_args, other_args = _arguments(mine, other)
        if mine_args is None or not self._match_values(mine_args, other_args, match):
            match.nodes_map.pop(mine, None)
            return False
        return True

    def _match_values(self, mine: Any, other: Any, match: InternalMatch) -> bool:
        if isinstance(mine, Node):
            if isinstance(other, Node):
                return self._match(mine, other, match)
            if mine.op == "placeholder" and self.ignore_literals is False:
                return self._match_literal(mine, other, match)
            return mine.op == "placeholder" and self._match_literal(mine, other, match)
        if isinstance(other, Node):
            return False
        if isinstance(mine, list | tuple):
            return (
                isinstance(other, list | tuple)
                and len(mine) == len(other)
                and all([self._match_values(a, b, match) for a, b in zip(mine, other, strict=True)])
            )
        if isinstance(mine, dict):
            return (
                isinstance(other, dict)
                and mine.keys() == other.keys()
                and all([self._match_values(value, other[key], match) for key, value in mine.items()])
            )
        return self.ignore_literals or (type(mine) is type(other) and mine == other)

    def _match_literal(self, mine: Node, other: Any, match: InternalMatch) -> bool:
        if mine in match.nodes_map:
            return bool(match.nodes_map[mine] == other)
        match.nodes_map[mine] = other
        return True

    def _is_contained(self, match: InternalMatch) -> bool:
        """Whether nobody outside uses a value inside, but those that come out."""
        inside = {
            value
            for node, value in match.nodes_map.items()
            if node.op != "placeholder" and isinstance(value, Node)
        }
        return all(
            [
                user in inside
                for node in inside
                if node not in match.returning_nodes and node.op != "output"
                for user in node.users
            ]
        )


def _arguments(mine: Node, other: Node) -> tuple[Any, Any]:
    """Both nodes' arguments; by name where one was called in another way."""
    if len(mine.args) == len(other.args) and mine.kwargs.keys() == other.kwargs.keys():
        return (mine.args, dict(mine.kwargs)), (other.args, dict(other.kwargs))
    if mine.op != "call_function":
        return None, None
    from .operator_schemas import normalize_function

    by_name = [
        normalize_function(node.target, node.args, dict(node.kwargs), normalize_to_only_use_kwargs=True)
        for node in (mine, other)
    ]
    if by_name[0] is None or by_name[1] is None:
        return None, None
    return by_name[0].kwargs, by_name[1].kwargs


def _attribute_kind(node: Node) -> Any:
    from .graph_module import _get_attr, _has_attr

    owner = node.graph.owning_module
    if owner is None or not _has_attr(owner, node.target):
        return node.target
    return type(_get_attr(owner, node.target))
