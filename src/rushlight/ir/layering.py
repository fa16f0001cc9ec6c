"""Where the boxes of a drawn graph lie: in layers from top to bottom, so that edges go down.

The method of Sugiyama, Tagawa and Toda (1981): layers by longest paths, edges over several layers through points in between,
the order within a layer by the mean position of neighbours, and last the coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

_SWEEPS: Final = 6
_POINT: Final = 6.0  # the width of a place where an edge passes through a layer

Edge = tuple[int, int]


class Layout(NamedTuple):
    """``left`` and ``top`` of each box, the points that each edge passes through on its way, and the size of it all."""

    left: list[float]
    top: list[float]
    ways: dict[Edge, list[tuple[float, float]]]
    width: float
    height: float


def lay_out(
    sizes: Sequence[tuple[float, float]], edges: Sequence[Edge], across: float = 18.0, down: float = 34.0
) -> Layout:
    """Places for boxes of ``sizes`` (width, height), with edges from one to another by number.

    Boxes are given in an order in which most edges go forward; those that do not take no part in the layers. ``across`` and
    ``down``: the gaps.
    """
    if not sizes:
        return Layout([], [], {}, 0.0, 0.0)
    forward = [(a, b) for a, b in dict.fromkeys(edges) if a < b]
    layer = _layers(len(sizes), forward)
    widths = [width for width, _ in sizes]
    chains: dict[Edge, list[int]] = {}
    links: list[Edge] = []
    for a, b in forward:
        chain = []
        for between in range(layer[a] + 1, layer[b]):
            chain.append(len(widths))
            widths.append(_POINT)
            layer.append(between)
        chains[a, b] = chain
        path = [a, *chain, b]
        links += list(pairwise(path))
    rows: list[list[int]] = [[] for _ in range(max(layer) + 1)]
    for box, level in enumerate(layer):
        rows[level].append(box)
    above: list[list[int]] = [[] for _ in widths]
    below: list[list[int]] = [[] for _ in widths]
    for a, b in links:
        above[b].append(a)
        below[a].append(b)
    _order(rows, above, below)
    left = _coordinates(rows, widths, above, below, across)
    top = [0.0] * len(widths)
    y = 0.0
    middles = []
    for boxes in rows:
        tallest = max([sizes[box][1] for box in boxes if box < len(sizes)], default=0.0)
        middles.append((y, y + tallest))
        for box in boxes:
            top[box] = y
        y += tallest + down
    ways = {
        edge: [(left[point] + _POINT / 2, end) for point in chain for end in middles[layer[point]]]
        for edge, chain in chains.items()
    }
    width = max([x + w for x, w in zip(left, widths, strict=True)])
    return Layout(left[: len(sizes)], top[: len(sizes)], ways, width, y - down)


def _layers(count: int, edges: Sequence[Edge]) -> list[int]:
    """The layer of each box: below all that it is reached from."""
    layer = [0] * count
    incoming = [0] * count
    users: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges:
        users[a].append(b)
        incoming[b] += 1
    for box in range(count):  # edges go forward
        for user in users[box]:
            layer[user] = max(layer[user], layer[box] + 1)
    for box in range(count - 1, -1, -1):
        # Further down where that makes no edges longer in all: inputs and views stand by whoever reads them.
        if users[box] and incoming[box] <= len(users[box]):
            layer[box] = min([layer[user] for user in users[box]]) - 1
    return layer


def _order(rows: list[list[int]], above: list[list[int]], below: list[list[int]]) -> None:
    """Order each row by where its neighbours are, down and up in turns."""
    place: dict[int, float] = {}

    def note(row: list[int]) -> None:
        for position, box in enumerate(row):
            place[box] = (position + 0.5) / len(row)

    for row in rows:
        note(row)
    for sweep in range(_SWEEPS):
        neighbours = below if sweep % 2 else above
        for row in reversed(rows) if sweep % 2 else rows:
            wanted = {}
            for box in row:
                near = neighbours[box]
                wanted[box] = sum([place[other] for other in near]) / len(near) if near else place[box]
            row.sort(key=wanted.__getitem__)
            note(row)


def _coordinates(
    rows: list[list[int]], widths: list[float], above: list[list[int]], below: list[list[int]], gap: float
) -> list[float]:
    """The left edge of each box, near to the middle of its neighbours, in the rows' order and without overlaps."""
    left = [0.0] * len(widths)
    for row in rows:
        x = 0.0
        for box in row:
            left[box] = x
            x += widths[box] + gap
    for sweep in range(2 * _SWEEPS):
        neighbours = below if sweep % 2 else above
        for row in reversed(rows) if sweep % 2 else rows:
            wanted = []
            for box in row:
                near = neighbours[box] or [box]
                middle = sum([left[other] + widths[other] / 2 for other in near]) / len(near)
                wanted.append(middle - widths[box] / 2)
            # Pushed apart to the right, and to the left; the mean of both has no overlaps either.
            right, back = wanted[:], wanted[:]
            for i in range(1, len(row)):
                right[i] = max(right[i], right[i - 1] + widths[row[i - 1]] + gap)
            for i in range(len(row) - 2, -1, -1):
                back[i] = min(back[i], back[i + 1] - widths[row[i]] - gap)
            for box, x, y in zip(row, right, back, strict=True):
                left[box] = (x + y) / 2
    least = min(left)
    return [x - least for x in left]
