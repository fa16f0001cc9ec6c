"""Graphs as pictures: SVG with boxes for nodes, frames for the groups that one kernel computes, and arrows for values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from .graph import Graph, Kind, Node
from .layering import lay_out
from .printer import node_text, type_text

# Nodes drawn one by one; of larger graphs only groups are drawn.
MOST_NODES: Final = 300
_CHARACTER: Final = 6.3
_LINE: Final = 14.0
_LONGEST: Final = 34  # characters of a label
_MARGIN: Final = 12.0
_PADDING: Final = 8.0

# Names of variables and classes are prefixed: the picture may stand inside a page.
STYLE: Final = """
.rl-graph { font: 11px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.rl-graph text { fill: var(--rl-ink, #1c2430); }
.rl-graph .rl-type { fill: var(--rl-soft, #55606e); }
.rl-graph .rl-node rect { fill: var(--rl-box, #ffffff); stroke: var(--rl-line, #8a94a3); }
.rl-graph .rl-input rect { fill: var(--rl-input, #e3f1e5); }
.rl-graph .rl-product rect { fill: var(--rl-product, #fdeccf); }
.rl-graph .rl-call rect { fill: var(--rl-call, #f3e2f4); }
.rl-graph .rl-output rect { stroke-width: 2.5; stroke: var(--rl-output, #2563a8); }
.rl-graph .rl-group > rect { fill: var(--rl-frame, #e8eef6); stroke: var(--rl-line, #8a94a3); }
.rl-graph .rl-group > text { font-weight: bold; }
.rl-graph .rl-edge { fill: none; stroke: var(--rl-edge, #6c7786); stroke-width: 1.1; }
.rl-graph marker path { fill: var(--rl-edge, #6c7786); }
"""
DARK: Final = (
    "--rl-ink: #e6ebf2; --rl-soft: #aab4c2; --rl-box: #1b222c; --rl-line: #66717f; --rl-input: #1f3526; --rl-product: #41331a; "
    "--rl-call: #3a2540; --rl-output: #7db4f0; --rl-frame: #252e3b; --rl-edge: #93a0b0;"
)
_DARK_STYLE: Final = f"@media (prefers-color-scheme: dark) {{ .rl-graph {{ {DARK} background: #12171e; }} }}"


class _Box(NamedTuple):
    """Something drawn: ``key`` is a node's number (or -1 - a group's), with what is written in it and shown on hovering."""

    key: int
    lines: tuple[str, ...]
    kind: str
    details: str

    @property
    def size(self) -> tuple[float, float]:
        return max([len(line) for line in self.lines]) * _CHARACTER + 14, len(self.lines) * _LINE + 8


class _Frame(NamedTuple):
    """Boxes that are drawn together. ``label`` is empty for a box alone."""

    label: str
    number: int
    boxes: list[_Box]


def draw(
    graph: Graph,
    groups: Sequence[tuple[str, Sequence[int]]] = (),
    details: Callable[[int], str] | None = None,
    *,
    dark: bool = True,
) -> str:
    """The graph as SVG.

    Args:
        graph: any graph.
        groups: (label, numbers of nodes) for each frame; a node in several is drawn in the first.
        details: what hovering over the frame with a number shows, beside its label.
        dark: whether the picture has its own dark colours where the reader prefers those.

    Returns:
        The text of one ``<svg>`` element. Above 300 nodes each group is one box, and inputs are left out; where no groups are given,
        nodes that come from one line of the program, or else are recorded one after the other, are taken together.

    Example:
        >>> import numpy as np
        >>> from rushlight.ir.graph import Graph, Kind, Node, Output
        >>> x = Node(Kind.INPUT, (), (0,), (2, 3), np.dtype(np.float32))
        >>> Graph((x,), (0,), (Output(0, -1),)).draw()[:4]
        '<svg'
    """
    drawn = [i for i, node in enumerate(graph.nodes) if node.kind is not Kind.CONST or _is_output(graph, i)]
    if len(drawn) <= MOST_NODES:
        frames = _frames(graph, drawn, groups)
        note = ""
    else:
        frames = _summaries(graph, drawn, list(groups) or _stretches(graph, drawn))
        note = f" ({len(drawn)} nodes: drawn by groups, without inputs and views)"
    title = f"Graph of {len(graph.nodes)} nodes{note}"
    return _picture(graph, frames, title, details, dark)


def _is_output(graph: Graph, number: int) -> bool:
    return any(output.node == number for output in graph.outputs)


# --- what is drawn ------------------------------------------------------------------------------------------------------


def _frames(graph: Graph, drawn: Sequence[int], groups: Sequence[tuple[str, Sequence[int]]]) -> list[_Frame]:
    """A frame for each group, and one without a label for each node that is in none."""
    here = set(drawn)
    placed: set[int] = set()
    frames = []
    for number, (label, members) in enumerate(groups):
        own = [i for i in sorted(set(members)) if i in here and i not in placed]
        placed.update(own)
        if own:
            frames.append(_Frame(label, number, [_node_box(graph, i) for i in own]))
    frames += [_Frame("", -1, [_node_box(graph, i)]) for i in drawn if i not in placed]
    return frames


def _summaries(graph: Graph, drawn: Sequence[int], groups: Sequence[tuple[str, Sequence[int]]]) -> list[_Frame]:
    """A box for each group."""
    here = set(drawn)
    frames = []
    for number, (label, members) in enumerate(groups):
        own = [i for i in members if i in here]
        if own:
            names = dict.fromkeys([_operation(graph, i) for i in own])
            text = ", ".join([name for name in names if name])
            kind = "product" if any(graph.nodes[i].kind is Kind.MATMUL for i in own) else "group"
            last = graph.nodes[own[-1]]
            lines = (_cut(label), _cut(text), _cut(type_text(last)))
            frames.append(_Frame("", number, [_Box(-1 - number, lines, kind, f"{label}: {len(own)} nodes\n{text}")]))
    return frames


def _stretches(graph: Graph, drawn: Sequence[int]) -> list[tuple[str, list[int]]]:
    """Nodes one after the other, in so few groups that they can be drawn. As nodes are in order, no group depends on a later one."""
    most = -(-len(drawn) // (MOST_NODES // 2))
    groups: list[tuple[str, list[int]]] = []
    site: object = None
    for i in drawn:
        node = graph.nodes[i]
        if node.kind is Kind.INPUT:
            continue
        if not groups or len(groups[-1][1]) >= most * 4 or (node.site != site and len(groups[-1][1]) >= most):
            groups.append((f"nodes from {i}", []))
        site = node.site
        groups[-1][1].append(i)
    return groups


def _node_box(graph: Graph, number: int) -> _Box:
    node = graph.nodes[number]
    kind = {Kind.INPUT: "input", Kind.MATMUL: "product", Kind.CALL: "call"}.get(node.kind, "plain")
    if _is_output(graph, number):
        kind += " rl-output"
    details = f"%{number} {type_text(node)} = {node_text(node)}"
    where = [("a result" if into < 0 else f"into input {into}") for n, into in graph.outputs if n == number]
    if where:
        details += "\n→ " + ", ".join(where)
    return _Box(number, (_cut(_operation(graph, number)), _cut(type_text(node))), kind, details)


def _operation(graph: Graph, number: int) -> str:
    """A node's operation, with those of its operands that are constants."""
    node = graph.nodes[number]
    if node.kind in (Kind.MAP, Kind.REDUCE):
        name = repr(node.attrs[0])
    elif node.kind is Kind.CALL:
        name = str(node.attrs[0].name)
    elif node.kind in (Kind.INPUT, Kind.CONST, Kind.ITEM, Kind.INDEX):
        name = f"{node.kind.name.lower()} {node.attrs[0]!r}"
    else:
        name = node.kind.name.lower()
    constants = [_number(graph.nodes[i]) for i in node.operands if graph.nodes[i].kind is Kind.CONST]
    return " ".join([name, *constants])


def _number(node: Node) -> str:
    value = node.attrs[0]
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


# --- where, and the text of the picture ---------------------------------------------------------------------------------


def _edges(graph: Graph, boxed: dict[int, int]) -> list[tuple[int, int]]:
    """Pairs of boxes' keys of which the second reads the first, past nodes that are not drawn."""
    sources: list[frozenset[int]] = []
    found: dict[tuple[int, int], None] = {}
    for number, node in enumerate(graph.nodes):
        read = frozenset().union(*[sources[i] for i in node.operands]) if node.operands else frozenset()
        own = boxed.get(number)
        if own is None:
            sources.append(read if node.kind is not Kind.INPUT else frozenset())
            continue
        for source in sorted(read):
            if source != own:
                found[source, own] = None
        sources.append(frozenset((own,)))
    return list(found)


def _picture(
    graph: Graph, frames: list[_Frame], title: str, details: Callable[[int], str] | None, dark: bool
) -> str:
    boxed: dict[int, int] = {}
    for frame in frames:
        for box in frame.boxes:
            boxed[box.key] = box.key
    summaries = {frame.number for frame in frames for box in frame.boxes if box.key < 0}
    first: dict[int, int] = {}  # where in the graph each box is, for their order
    if summaries:
        boxed = {}
        for frame in frames:
            for number in _members_of(graph, frame):
                boxed.setdefault(number, -1 - frame.number)
    for number, key in boxed.items():
        first[key] = min(first.get(key, number), number)
    frame_of = {box.key: frame for frame in frames for box in frame.boxes}
    return _render(frames, _edges(graph, boxed), frame_of, title, details, dark)
