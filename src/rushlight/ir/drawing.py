"""Graphs as pictures: SVG with boxes for nodes, frames for the groups that one kernel computes, and arrows for values."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from itertools import pairwise
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
.rl-graph .rl-label { font-weight: bold; paint-order: stroke; stroke: var(--rl-frame, #e8eef6); stroke-width: 4px; }
.rl-graph .rl-edge { fill: none; stroke: var(--rl-edge, #6c7786); stroke-width: 1.1; }
.rl-graph marker path { fill: var(--rl-edge, #6c7786); }
"""
DARK: Final = (
    "--rl-ink: #e6ebf2; --rl-soft: #aab4c2; --rl-box: #1b222c; --rl-line: #66717f; --rl-input: #1f3526; --rl-product: #41331a; "
    "--rl-call: #3a2540; --rl-output: #7db4f0; --rl-frame: #252e3b; --rl-edge: #93a0b0;"
)
_DARK_STYLE: Final = f"@media (prefers-color-scheme: dark) {{ .rl-graph {{ {DARK} background: #12171e; }} }}"


class _Box(NamedTuple):
    """Something drawn: the nodes that it stands for, what is written in it, and what is shown on hovering."""

    nodes: tuple[int, ...]
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
    name: str = "",
    dark: bool = True,
) -> str:
    """The graph as SVG.

    Args:
        graph: any graph.
        groups: (label, numbers of nodes) for each frame; a node in several is drawn in the first.
        details: what hovering over the frame with a number shows, beside its label.
        name: what tells the picture apart from others in the same page.
        dark: whether the picture has its own dark colours where the reader prefers those.

    Returns:
        The text of one ``<svg>`` element. Above 300 nodes each group is one box, and inputs are left out; where no groups
        are given, nodes that come from one line of the program, or else are recorded one after the other, are taken together.

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
    return _picture(graph, frames, title, details, name, dark)


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


def _summaries(
    graph: Graph, drawn: Sequence[int], groups: Sequence[tuple[str, Sequence[int]]]
) -> list[_Frame]:
    """A box for each group."""
    here = set(drawn)
    frames = []
    for number, (label, members) in enumerate(groups):
        own = [i for i in sorted(set(members)) if i in here]
        if own:
            here.difference_update(own)
            names = dict.fromkeys([_operation(graph, i) for i in own])
            text = ", ".join([name for name in names if name])
            kind = "product" if any(graph.nodes[i].kind is Kind.MATMUL for i in own) else "group"
            last = graph.nodes[own[-1]]
            lines = (_cut(label), _cut(text), _cut(type_text(last)))
            frames.append(
                _Frame("", number, [_Box(tuple(own), lines, kind, f"{label}: {len(own)} nodes\n{text}")])
            )
    return frames


def _stretches(graph: Graph, drawn: Sequence[int]) -> list[tuple[str, list[int]]]:
    """Nodes one after the other, in so few groups that they can be drawn. No group depends on a later one."""
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
    return _Box((number,), (_cut(_operation(graph, number)), _cut(type_text(node))), kind, details)


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


def _edges(graph: Graph, owner: dict[int, int]) -> list[tuple[int, int]]:
    """Pairs of boxes of which the second reads the first, past nodes that are not drawn. ``owner``: each node's box."""
    sources: list[frozenset[int]] = []
    found: dict[tuple[int, int], None] = {}
    for number, node in enumerate(graph.nodes):
        read: frozenset[int] = frozenset().union(*[sources[i] for i in node.operands])
        own = owner.get(number)
        if own is None:
            sources.append(read)
            continue
        for source in sorted(read):
            if source != own:
                found[source, own] = None
        sources.append(frozenset((own,)))
    return list(found)


def _in_order(count: int, edges: Sequence[tuple[int, int]], first: Sequence[int]) -> list[int]:
    """Numbers so that edges go forward (but for those of a circle), otherwise by ``first``."""
    waiting = [0] * count
    after: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges:
        waiting[b] += 1
        after[a].append(b)
    order: list[int] = []
    left = set(range(count))
    ready = [(first[i], i) for i in left if not waiting[i]]
    heapq.heapify(ready)
    while left:
        number = heapq.heappop(ready)[1] if ready else min(left, key=first.__getitem__)
        if number not in left:
            continue
        left.remove(number)
        order.append(number)
        for user in after[number]:
            waiting[user] -= 1
            if not waiting[user] and user in left:
                heapq.heappush(ready, (first[user], user))
    return order


def _picture(
    graph: Graph,
    frames: list[_Frame],
    title: str,
    details: Callable[[int], str] | None,
    name: str,
    dark: bool,
) -> str:
    boxes = [box for frame in frames for box in frame.boxes]
    frame_of = [i for i, frame in enumerate(frames) for _ in frame.boxes]
    edges = _edges(graph, {node: i for i, box in enumerate(boxes) for node in box.nodes})
    between = list(
        dict.fromkeys([(frame_of[a], frame_of[b]) for a, b in edges if frame_of[a] != frame_of[b]])
    )
    order = _in_order(len(frames), between, [min(f.boxes[0].nodes) for f in frames])
    rank = {frame: i for i, frame in enumerate(order)}

    # Inside each frame, then the frames.
    inside = []
    sizes = []
    start = 0
    starts = []
    for frame in frames:
        starts.append(start)
        stop = start + len(frame.boxes)
        own = [(a - start, b - start) for a, b in edges if start <= a < stop and start <= b < stop]
        layout = lay_out([box.size for box in frame.boxes], own, 14.0, 22.0)
        inside.append(layout)
        pad = _PADDING if frame.label else 0.0
        above = _LINE + 4 if frame.label else 0.0
        least = len(_cut(frame.label)) * _CHARACTER if frame.label else 0.0
        sizes.append((max(layout.width, least) + 2 * pad, layout.height + 2 * pad + above))
        start = stop
    outside = lay_out([sizes[i] for i in order], [(rank[a], rank[b]) for a, b in between])

    corners = []
    for number, frame in enumerate(frames):
        x, y = outside.left[rank[number]] + _MARGIN, outside.top[rank[number]] + _MARGIN
        pad, above = (_PADDING, _LINE + 4) if frame.label else (0.0, 0.0)
        shift = (sizes[number][0] - 2 * pad - inside[number].width) / 2
        for left, top in zip(inside[number].left, inside[number].top, strict=True):
            corners.append((x + pad + shift + left, y + pad + above + top))

    parts = []
    labels = []
    for number, frame in enumerate(frames):
        if frame.label:
            x, y = outside.left[rank[number]] + _MARGIN, outside.top[rank[number]] + _MARGIN
            shown = frame.label if details is None else f"{frame.label}\n{details(frame.number)}"
            parts.append(
                f'<g class="rl-group" data-group="{frame.number}"><title>{escape(shown)}</title>'
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{sizes[number][0]:.1f}" height="{sizes[number][1]:.1f}" rx="6"/></g>'
            )
            labels.append(
                f'<text class="rl-label" x="{x + _PADDING:.1f}" y="{y + _LINE:.1f}">{escape(_cut(frame.label))}</text>'
            )
    for a, b in edges:
        ends = [_port(corners[a], boxes[a], True), _port(corners[b], boxes[b], False)]
        f, g = frame_of[a], frame_of[b]
        if f == g:
            way = [
                (x - inside[f].left[0] + corners[starts[f]][0], y - inside[f].top[0] + corners[starts[f]][1])
                for x, y in inside[f].ways.get((a - starts[f], b - starts[f]), ())
            ]
        else:
            way = [(x + _MARGIN, y + _MARGIN) for x, y in outside.ways.get((rank[f], rank[g]), ())]
        parts.append(
            f'<path class="rl-edge" marker-end="url(#rl-arrow{name})" d="{_curve([ends[0], *way, ends[1]])}"/>'
        )
    parts += labels  # above the edges, which may cross them
    for i, box in enumerate(boxes):
        parts.append(_box_text(box, corners[i], frames[frame_of[i]].number, details))
    width, height = outside.width + 2 * _MARGIN, outside.height + 2 * _MARGIN
    style = STYLE + (_DARK_STYLE if dark else "")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="rl-graph" role="img" aria-label={quoteattr(title)} '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">'
        f"<title>{escape(title)}</title><style>{style}</style>"
        f'<defs><marker id="rl-arrow{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0.8 L8 4 L0 7.2 z"/></marker></defs>' + "\n".join(parts) + "</svg>"
    )


def _port(corner: tuple[float, float], box: _Box, bottom: bool) -> tuple[float, float]:
    """Where edges leave a box, or come to it."""
    width, height = box.size
    return corner[0] + width / 2, corner[1] + (height if bottom else 0.0)


def _curve(points: Sequence[tuple[float, float]]) -> str:
    """A path through points that leaves and reaches each of them vertically."""
    text = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x, y), (u, v) in pairwise(points):
        bend = (v - y) / 2 if v > y else 20.0
        text += f" C{x:.1f} {y + bend:.1f} {u:.1f} {v - bend:.1f} {u:.1f} {v:.1f}"
    return text


def _box_text(
    box: _Box, corner: tuple[float, float], group: int, details: Callable[[int], str] | None
) -> str:
    x, y = corner
    width, height = box.size
    shown = box.details
    if len(box.nodes) > 1 and details is not None and group >= 0:
        shown += "\n" + details(group)
    lines = "".join(
        [
            f'<text x="{x + width / 2:.1f}" y="{y + 15 + i * _LINE:.1f}" text-anchor="middle"'
            + (' class="rl-type"' if i == len(box.lines) - 1 else "")
            + f">{escape(line)}</text>"
            for i, line in enumerate(box.lines)
        ]
    )
    attribute = f' data-group="{group}"' if group >= 0 else ""
    return (
        f'<g class="rl-node rl-{box.kind}"{attribute}><title>{escape(shown)}</title>'
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="3"/>{lines}</g>'
    )
