"""What control flow is when a static graph runs: records whose ``impl`` runs sub-graphs on arrays.

They stand in the place of primitives' records in CALL nodes. Records of one structure are equal, so programs with them are
found by structure like all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .subgraph import SubGraph


class ControlRecord:
    """The base. ``key``: what two equal records have in common; ``effects``: whether random numbers are drawn inside."""

    value_dependent = False

    def __init__(self, name: str, key: tuple[Any, ...], effects: bool) -> None:
        self.name = f"control_flow.{name}"
        self.key = (name, *key)
        self.effects = effects
        self._hash = hash(self.key)

    def impl(self, *arrays: Any) -> tuple[Any, ...]:
        """Run it on arrays."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ControlRecord) and self._hash == other._hash and self.key == other.key

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"<{self.name}>"


class CondRecord(ControlRecord):
    """One of two graphs. The first ``shared`` results are of whichever ran; the others are each graph's own, and zeros where
    the other ran. ``counts``: how many of the operands each graph has."""

    def __init__(self, graphs: tuple[SubGraph, ...], counts: tuple[int, ...], shared: int) -> None:
        super().__init__("cond", (graphs, counts, shared), any(graph.effects for graph in graphs))
        self.graphs, self.counts, self.shared = graphs, counts, shared

    def impl(self, *arrays: Any) -> tuple[Any, ...]:
        """Run the first graph if the first array is true, else the second."""
        taken = 0 if arrays[0].any() else 1
        common: list[Any] = []
        own: list[Any] = []
        start = 1
        for number, (graph, count) in enumerate(zip(self.graphs, self.counts, strict=True)):
            if number == taken:
                results = graph.run(arrays[start : start + count])
                common, results = results[: self.shared], results[self.shared :]
                own += results
            else:
                own += [np.zeros(shape, dtype) for shape, dtype in graph.types[self.shared :]]
            start += count
        return (*common, *own)


class ScanRecord(ControlRecord):
    """A graph once for each slice: ``carried`` values go from one time to the next, the other results are stacked."""

    def __init__(self, graph: SubGraph, carried: int, sliced: int, length: int, reverse: bool) -> None:
        super().__init__("scan", (graph, carried, sliced, length, reverse), graph.effects)
        self.graph, self.carried, self.sliced = graph, carried, sliced
        self.length, self.reverse = length, reverse

    def impl(self, *arrays: Any) -> tuple[Any, ...]:
        """From the carried values, the arrays that are sliced, and what else the graph needs."""
        count, graph = self.carried, self.graph
        carry = list(arrays[:count])
        slices = [np.asarray(array, order="C") for array in arrays[count : count + self.sliced]]
        others = arrays[count + self.sliced :]
        stacks = [np.empty((self.length, *shape), dtype) for shape, dtype in graph.types[count:]]
        for i in range(self.length - 1, -1, -1) if self.reverse else range(self.length):
            new = [np.empty(shape, dtype) for shape, dtype in graph.types[:count]]
            outputs = [*new, *[stack[i, ...] for stack in stacks]]
            graph.run([*carry, *[array[i, ...] for array in slices], *others], outputs)
            carry = new
        return (*carry, *stacks)


class WhileRecord(ControlRecord):
    """A graph again and again while another gives true. ``tested``: how many operands besides the carried ones the test has."""

    def __init__(self, test: SubGraph, body: SubGraph, carried: int, tested: int) -> None:
        super().__init__("while_loop", (test, body, carried, tested), test.effects or body.effects)
        self.test, self.body, self.carried, self.tested = test, body, carried, tested

    def impl(self, *arrays: Any) -> tuple[Any, ...]:
        """From the carried values, what else the test needs, and what else the body needs."""
        return tuple(self.run(arrays, None))

    def run(self, arrays: Sequence[Any], history: list[list[Any]] | None) -> list[Any]:
        """The last carried values; those before every iteration go to ``history``."""
        carry = list(arrays[: self.carried])
        for_test = arrays[self.carried : self.carried + self.tested]
        for_body = arrays[self.carried + self.tested :]
        while self.test.run([*carry, *for_test])[0].any():
            if history is not None:
                history.append(carry)
            carry = self.body.run([*carry, *for_body])
        return carry


class WhileGradientRecord(ControlRecord):
    """The gradient of a ``WhileRecord``: forward once more, keeping the carried values, then back with ``backward``.

    ``state``: how many values go back from iteration to iteration; ``operands``: how many operands the loop has.
    """

    def __init__(self, loop: WhileRecord, backward: SubGraph, state: int, operands: int) -> None:
        super().__init__("while_loop_gradient", (loop, backward, state, operands), False)
        self.loop, self.backward, self.state, self.operands = loop, backward, state, operands

    def impl(self, *arrays: Any) -> tuple[Any, ...]:
        """From the state, the loop's operands, and what else the gradient of the body needs."""
        state = list(arrays[: self.state])
        of_loop = arrays[self.state : self.state + self.operands]
        others = arrays[self.state + self.operands :]
        history: list[list[Any]] = []
        self.loop.run(of_loop, history)
        for carry in reversed(history):
            state = self.backward.run([*state, *carry, *others])
        return tuple(state)
