"""Graphs as pictures: well-formed, every node there once, nothing on top of anything else."""

from __future__ import annotations

import random
from xml.etree import ElementTree

import numpy as np
import pytest

from rushlight.ir.drawing import MOST_NODES, draw
from rushlight.ir.graph import Graph, Kind, Node, Output
from rushlight.ir.layering import lay_out
from rushlight.ir.scalar import ScalarOp

F32 = np.dtype(np.float32)
SVG = "{http://www.w3.org/2000/svg}"


def a_graph(count, seed=0, inputs=3):
    """Additions of values that came shortly before."""
    rng = random.Random(seed)
    nodes = [Node(Kind.INPUT, (), (i,), (4, 5), F32) for i in range(inputs)]
    nodes.append(Node(Kind.CONST, (), (2.5,), (), F32))
    while len(nodes) < count:
        operands = tuple(rng.randrange(max(0, len(nodes) - 12), len(nodes)) for _ in range(2))
        nodes.append(Node(Kind.MAP, operands, (ScalarOp.ADD,), (4, 5), F32))
    return Graph(tuple(nodes), tuple(range(inputs)), (Output(len(nodes) - 1, -1), Output(len(nodes) - 1, 0)))


def boxes(svg, kind):
    found = []
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        if kind in group.get("class", "").split():
            rect = group.find(f"{SVG}rect")
            found.append([float(rect.get(name)) for name in ("x", "y", "width", "height")])
    return found


def apart(a, b, least=0.0):
    return (
        a[0] + a[2] <= b[0] - least
        or b[0] + b[2] <= a[0] - least
        or a[1] + a[3] <= b[1]
        or b[1] + b[3] <= a[1]
    )


def assert_apart(found):
    for i, a in enumerate(found):
        for b in found[:i]:
            assert apart(a, b, -0.2), (a, b)  # coordinates are rounded to 0.1


@pytest.mark.parametrize("seed", range(5))
def test_every_node_is_drawn_once_and_alone(seed):
    graph = a_graph(40, seed)
    svg = graph.draw()
    found = boxes(svg, "rl-node")
    assert len(found) == 39  # constants are written where they are used
    assert_apart(found)
    root = ElementTree.fromstring(svg)
    width, height = float(root.get("width")), float(root.get("height"))
    for x, y, w, h in found:
        assert x >= 0 and y >= 0 and x + w <= width + 0.2 and y + h <= height + 0.2


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_frames(seed):
    graph = a_graph(60, seed)
    groups = [(f"group {i} <&>", range(start, start + 8)) for i, start in enumerate(range(10, 50, 8))]
    svg = draw(graph, groups, lambda number: f"details of {number} & more")
    frames, nodes = boxes(svg, "rl-group"), boxes(svg, "rl-node")
    assert len(frames) == 5 and len(nodes) == 59
    assert_apart(frames)
    assert_apart(nodes)
    inside = [
        [
            n
            for n in nodes
            if f[0] <= n[0] and n[0] + n[2] <= f[0] + f[2] + 0.2 and f[1] <= n[1] <= f[1] + f[3]
        ]
        for f in frames
    ]
    assert [len(part) for part in inside] == [8] * 5
    assert "details of 3 &amp; more" in svg


def test_groups_that_need_each_other():
    graph = a_graph(30)
    svg = draw(graph, [("even", range(4, 30, 2)), ("odd", range(5, 30, 2))])
    assert_apart(boxes(svg, "rl-group"))


@pytest.mark.parametrize("count", [MOST_NODES + 40, 4000])
def test_large_graphs_are_drawn_by_groups(count):
    graph = a_graph(count)
    svg = graph.draw()
    found = boxes(svg, "rl-node")
    assert 10 < len(found) <= MOST_NODES
    assert_apart(found)
    grouped = draw(graph, [("left", range(4, count // 2)), ("right", range(count // 2, count))])
    assert len(boxes(grouped, "rl-node")) == 2


def test_arrows_go_down():
    """All edges lead from a box to one below it."""
    edges = [(0, 1), (0, 3), (1, 2), (2, 3), (0, 4)]
    layout = lay_out([(10.0, 10.0)] * 5, edges)
    for a, b in edges:
        assert layout.top[a] + 10 <= layout.top[b]
        heights = [layout.top[a] + 10, *[y for _, y in layout.ways[a, b]], layout.top[b]]
        assert heights == sorted(heights)


def test_what_is_shown():
    x = Node(Kind.INPUT, (), (0,), (2, 3), F32)
    two = Node(Kind.CONST, (), (2.0,), (), F32)
    graph = Graph((x, two, Node(Kind.MAP, (0, 1), (ScalarOp.MUL,), (2, 3), F32)), (0,), (Output(2, -1),))
    svg = graph.draw()
    assert "mul 2" in svg and "float32[2,3]" in svg and "a result" in svg
    assert "<svg" in Graph((), (), ()).draw()
