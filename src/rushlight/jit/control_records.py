"""What control flow is when a static graph runs: records whose ``impl`` runs sub-graphs on arrays.

They stand in the place of primitives' records in CALL nodes. Records of one structure are equal, so programs with them are
found by structure like all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.device import device, device_of, empty_on, fill_array
from .subgraph import SubGraph, contiguous


class ControlRecord:
    """The base. ``key``: what two equal records have in common; ``effects``: whether random numbers are drawn inside."""

    value_dependent = False

    def __init__(self, name: str, key: tuple[Any, ...], effects: bool) -> None:
        self.name = f"control_flow.{name}"
        self.key = (name, *key)
        self.effects = effects
        self._hash = hash(self.key)

    def impl(self, *arrays: Any) -> tuple[Any, ...]:
        """Run it on arrays, of any devices."""
        raise NotImplementedError

    def homes(self) -> Sequence[device]:
        """The devices of the results, as they were recorded."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ControlRecord) and self._hash == other._hash and self.key == other.key

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"<{self.name}>"


def zeros_on(where: device, shape: Any, dtype: Any) -> Any:
    """Zeros on a device."""
    array = empty_on(where, shape, dtype)
    fill_array(array, np.zeros((), dtype))
    return array


def _zeros_like(array: Any) -> Any:
    return zeros_on(device_of(array), array.shape, array.dtype)


def _added(one: Any, other: Any) -> Any:
    return np.asarray(one + other) if type(one) is np.ndarray else one + other


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
                types = graph.types[self.shared :]
                places = graph.places(arrays[start : start + count])[self.shared :]
                own += [zeros_on(where, *type_) for where, type_ in zip(places, types, strict=True)]
            start += count
        return (*common, *own)

    def homes(self) -> Sequence[device]:
        first, *others = self.graphs
        return [*first.homes, *[home for graph in others for home in graph.homes[self.shared :]]]


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
        slices = [contiguous(array) for array in arrays[count : count + self.sliced]]
        others = arrays[count + self.sliced :]
        places = graph.places([*carry, *[array[0, ...] for array in slices], *others])
        kinds = list(zip(places, graph.types, strict=True))
        stacks = [empty_on(where, (self.length, *shape), dtype) for where, (shape, dtype) in kinds[count:]]
        for i in range(self.length - 1, -1, -1) if self.reverse else range(self.length):
            new = [empty_on(where, *type_) for where, type_ in kinds[:count]]
            outputs = [*new, *[stack[i, ...] for stack in stacks]]
            graph.run([*carry, *[array[i, ...] for array in slices], *others], outputs)
            carry = new
        return (*carry, *stacks)

    def homes(self) -> Sequence[device]:
        return self.graph.homes


class WhileRecord(ControlRecord):
    """A graph again and again while another gives true. ``tested``: how many operands besides the carried ones the test has."""

    def __init__(self, test: SubGraph, body: SubGraph, carried: int, tested: int) -> None:
        super().__init__("while_loop", (test, body, carried, tested), test.effects or body.effects)
        self.test, self.body, self.carried, self.tested = test, body, carried, tested

    def impl(self, *arrays: Any) -> tuple[Any, ...]:
        """From the carried values, what else the test needs, and what else the body needs."""
        return tuple(self.run(arrays, None))

    def homes(self) -> Sequence[device]:
        return self.body.homes

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

    def homes(self) -> Sequence[device]:
        return self.backward.homes


class WhileSecondGradientRecord(ControlRecord):
    """The gradient of a ``WhileGradientRecord``: forward and back once more, keeping the carried values and the states; then
    along the loop with ``step``, which differentiates one step back, and back with what that found of the carried values.

    ``carried``: how many of the state's values are gradients of carried values, the rest are sums; ``captured``: how many
    operands the gradient of the body needs besides.
    """

    def __init__(self, first: WhileGradientRecord, step: SubGraph, carried: int, captured: int) -> None:
        super().__init__("while_loop_second_gradient", (first, step, carried, captured), False)
        self.first, self.step, self.carried, self.captured = first, step, carried, captured

    def impl(self, *arrays: Any) -> tuple[Any, ...]:
        """From gradients of the state at the start, the state at the end, the operands of the first gradient, and what else
        ``step`` needs: the gradients of the sums' tensors, of the carried values, and of the state at the end."""
        backward, count = self.first.backward, self.first.state
        start = 2 * count + self.first.operands
        state = list(arrays[count : 2 * count])
        others, more = arrays[start : start + self.captured], arrays[start + self.captured :]
        history: list[list[Any]] = []
        self.first.loop.run(arrays[2 * count : start], history)
        states = []
        for carry in reversed(history):
            states.append(state)
            state = backward.run([*state, *carry, *others])
        along = list(arrays[:count])
        of_carry, sums = [], [_zeros_like(array) for array in arrays[count + self.carried : 2 * count]]
        for carry in history:
            found = self.step.run([*along, *states.pop(), *carry, *more])
            along, rest = found[:count], found[count:]
            of_carry.append(rest[: self.carried])
            sums = [_added(total, part) for total, part in zip(sums, rest[self.carried :], strict=True)]
        state = [_zeros_like(array) for array in arrays[count : 2 * count]]
        for carry in reversed(history):
            state = backward.run([*state, *carry, *others])
            for i, part in enumerate(of_carry.pop()):
                state[i] = _added(state[i], part)
        totals = [_added(total, part) for total, part in zip(sums, state[self.carried :], strict=True)]
        return (*totals, *state[: self.carried], *along)

    def homes(self) -> Sequence[device]:
        state = self.first.backward.homes
        return [*state[self.carried :], *state[: self.carried], *self.step.homes[: self.first.state]]
