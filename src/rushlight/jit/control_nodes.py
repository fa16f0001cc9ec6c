"""Control flow as nodes of a static graph, and their gradients.

Each of the three is a call with branches or a body that were recorded as sub-graphs. As a node it is one CALL with a record
of its own (``ControlRecord``); for autograd it is one ``Function``. Its gradient is such a call again: the gradient of a branch
is recorded on the branch's own tape, behind the branch (which it computes again), so gradients of gradients come for free.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..autograd.differentiate import grad
from ..autograd.function import Function
from ..core.dtypes import INEXACT
from ..core.grad_mode import GRAD_MODE
from ..core.tensor import Tensor, make_tensor
from ..runtime.pending import Pending, pending
from .static_tape import get_array, get_node
from .subgraph import SubGraph, SubTape, inside


class Value(NamedTuple):
    """A value of a sub-tape: its node, what it is, and the tensor that it is in, if it is in one."""

    node: int
    shape: Any
    dtype: Any
    tensor: Tensor | None = None


def value_of(tape: SubTape, tensor: Tensor) -> Value:
    """``tensor`` (inside of the tape) as a value."""
    array = tensor._array
    return Value(tape.read(array), array.shape, array.dtype, tensor)


def node_value(tape: SubTape, node: int) -> Value:
    """A node's value without a tensor."""
    return Value(node, *tape.types[node])


class Part:
    """A branch or body: what is given to it (values inside, and the tensors outside that they get), and its results."""

    def __init__(
        self, tape: SubTape, parameters: Sequence[Value], arguments: Sequence[Tensor], results: Sequence[Value]
    ) -> None:
        self.tape = tape
        self.parameters = tuple(parameters)
        self.arguments = tuple(arguments)
        self.results = tuple(results)

    def graph(self, effects: bool) -> SubGraph:
        """The part as a function on arrays."""
        return SubGraph(
            self.tape, [p.node for p in self.parameters], [r.node for r in self.results], effects
        )

    def leaf_edges(self) -> list[Tensor]:
        """For each leaf of the tape a tensor with its history outside."""
        return [_edge(leaf.inner, leaf.node) for leaf in self.tape.leaves.values()]

    def differentiable(self, number: int) -> bool:
        """Whether a gradient can go through this result."""
        tensor = self.results[number].tensor
        return tensor is not None and get_node(tensor) is not None

    def gradients(
        self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor | None], create: bool
    ) -> list[Tensor | None]:
        """The gradients of ``inputs`` for gradients of the results, all inside."""
        pairs = [
            (result.tensor, output)
            for result, output in zip(self.results, outputs, strict=True)
            if output is not None and result.tensor is not None and get_node(result.tensor) is not None
        ]
        wanted = [tensor for tensor in inputs if tensor is not None]
        if not pairs or not wanted:
            return [None] * len(inputs)
        found = iter(
            grad(
                [tensor for tensor, _ in pairs],
                wanted,
                [output for _, output in pairs],
                retain_graph=True,
                create_graph=create,
                allow_unused=True,
            )
        )
        return [None if tensor is None else next(found) for tensor in inputs]


def _edge(like: Tensor, node: Any) -> Tensor:
    """A tensor without content that has a history."""
    array = get_array(like)
    return make_tensor(np.broadcast_to(np.zeros((), array.dtype), array.shape), node)


def is_leaf_kind(dtype: Any) -> bool:
    """Whether values of a dtype can have gradients."""
    return dtype in INEXACT


# --- records ----------------------------------------------------------------------------------------------------------------


class ControlRecord:
    """What stands in the place of a primitive's record. ``key``: what two equal records have in common."""

    value_dependent = False

    def __init__(self, name: str, key: tuple[Any, ...], effects: bool) -> None:
        self.name = f"control_flow.{name}"
        self.key = (name, *key)
        self.effects = effects
        self._hash = hash(self.key)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.key == other.key  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"<{self.name}>"


class CondRecord(ControlRecord):
    """One of several graphs. The first ``shared`` results are of whichever ran; the others are each graph's own, and zeros
    where another ran."""

    def __init__(self, graphs: tuple[SubGraph, ...], counts: tuple[int, ...], shared: int) -> None:
        super().__init__("cond", (graphs, counts, shared), any(g.effects for g in graphs))
        self.graphs, self.counts, self.shared = graphs, counts, shared

    def impl(self, chosen: Any, *arrays: Any) -> tuple[Any, ...]:
        """Run the first graph if ``chosen`` is true, else the second."""
        taken = 0 if chosen.any() else 1
        own: list[Any] = []
        common: list[Any] = []
        for number, graph in enumerate(self.graphs):
            given, arrays = arrays[: self.counts[number]], arrays[self.counts[number] :]
            if number == taken:
                results = graph.run(given)
                common, results = results[: self.shared], results[self.shared :]
                own += results
            else:
                own += [np.zeros(shape, dtype) for shape, dtype in graph.types[self.shared :]]
        return (*common, *own)


class ScanRecord(ControlRecord):
    """A graph once for each slice: ``carried`` values go from one time to the next, the other results are stacked."""

    def __init__(self, graph: SubGraph, carried: int, sliced: int, length: int, reverse: bool) -> None:
        super().__init__("scan", (graph, carried, sliced, length, reverse), graph.effects)
        self.graph, self.carried, self.sliced = graph, carried, sliced
        self.length, self.reverse = length, reverse

    def impl(self, *arrays: Any) -> tuple[Any, ...]:
        """From the carried values, the arrays whose slices are used, and what else the graph needs."""
        count, graph = self.carried, self.graph
        carry = list(arrays[:count])
        slices = arrays[count : count + self.sliced]
        others = arrays[count + self.sliced :]
        stacks = [np.empty((self.length, *shape), dtype) for shape, dtype in graph.types[count:]]
        order = range(self.length - 1, -1, -1) if self.reverse else range(self.length)
        for i in order:
            new = [np.empty(shape, dtype) for shape, dtype in graph.types[:count]]
            outputs = [*new, *[stack[i, ...] for stack in stacks]]
            graph.run([*carry, *[array[i, ...] for array in slices], *others], outputs)
            carry = new
        return (*carry, *stacks)


class WhileRecord(ControlRecord):
    """A graph again and again while another gives true."""

    def __init__(self, test: SubGraph, body: SubGraph, carried: int, tested: int) -> None:
        super().__init__("while_loop", (test, body, carried, tested), test.effects or body.effects)
        self.test, self.body, self.carried, self.tested = test, body, carried, tested

    def impl(self, *arrays: Any) -> tuple[Any, ...]:
        """From the carried values and what else the two graphs need."""
        *_, last = self.values(arrays)
        return tuple(last)

    def values(self, arrays: Sequence[Any]) -> list[Any]:
        """The carried values before every iteration and after the last."""
        carry = list(arrays[: self.carried])
        for_test = arrays[self.carried : self.carried + self.tested]
        for_body = arrays[self.carried + self.tested :]
        history = [carry]
        while self.test.run([*carry, *for_test])[0].any():
            carry = self.body.run([*carry, *for_body])
            history.append(carry)
        return history

    def last(self, arrays: Sequence[Any]) -> list[Any]:
        """The carried values after the last iteration."""
        carry = list(arrays[: self.carried])
        for_test = arrays[self.carried : self.carried + self.tested]
        for_body = arrays[self.carried + self.tested :]
        while self.test.run([*carry, *for_test])[0].any():
            carry = self.body.run([*carry, *for_body])
        return carry


class WhileGradientRecord(ControlRecord):
    """The gradient of a ``WhileRecord``: forward once more, keeping the carried values, then back."""

    def __init__(self, loop: WhileRecord, backward: SubGraph, gradients: int, leaves: int) -> None:
        super().__init__("while_loop_gradient", (loop, backward, gradients, leaves), False)
        self.loop, self.backward, self.gradients, self.leaves = loop, backward, gradients, leaves

    def impl(self, *arrays: Any) -> tuple[Any, ...]:
        """From gradients of carried values, zeros for the leaves, the loop's own operands, and what else is needed."""
        state = list(arrays[: self.gradients + self.leaves])
        arrays = arrays[self.gradients + self.leaves :]
        loop = self.loop
        operands = loop.carried + len(loop.test.captures_given) + len(loop.body.captures_given)
        own, others = arrays[:operands], arrays[operands:]
        for carry in reversed(loop.values(own)[:-1]):
            state = self.backward.run([*state, *carry, *others])
        return tuple(state)
