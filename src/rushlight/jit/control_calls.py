"""Control flow while a static graph is recorded: calls with branches or a body, and their gradients.

A call is one CALL node of the graph that is recorded (``control_records``) and, for autograd, one ``Function``. Its gradient is
such a call again: the gradient of a branch is recorded on the branch's own tape, behind the branch, which it computes again. So
gradients of gradients are nothing special. Random numbers are not drawn again: they are results of the call.

What a call needs from outside is kept as it was when it ran, so a later change in place does not spoil the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..autograd.differentiate import grad
from ..autograd.function import Function
from ..core.device import CPU, device, device_of
from ..core.dtypes import INEXACT
from ..core.grad_mode import GRAD_MODE
from ..core.tensor import Tensor, make_tensor
from ..runtime.pending import Pending, pending
from .control_records import (
    CondRecord,
    ControlRecord,
    ScanRecord,
    WhileGradientRecord,
    WhileRecord,
    WhileSecondGradientRecord,
    zeros_on,
)
from .static_tape import get_array, get_node
from .subgraph import SubGraph, SubTape, inside


class Value(NamedTuple):
    """A value of a sub-tape: its node, what it is, and the tensor that it is in, if it is in one."""

    node: int
    shape: Any
    dtype: Any
    tensor: Tensor | None = None

    @property
    def differentiable(self) -> bool:
        """Whether a gradient can go through it."""
        return self.tensor is not None and get_node(self.tensor) is not None


def value_of(tape: SubTape, tensor: Tensor) -> Value:
    """``tensor``, made inside or met there, as a value (while inside)."""
    array, node = tensor._array, tensor._node
    if node is not None and get_node(tensor) is not node:
        tensor = tape.leaves[id(tensor)].inner  # the tensor itself belongs outside
    elif node is None:
        tensor = make_tensor(array)
    return Value(tape.read(array), array.shape, array.dtype, tensor)


def parameter_value(tape: SubTape, like: Any, leaf: bool, example: Any = None) -> Value:
    """A new parameter (while inside) of the shape and dtype of ``like``. ``example``: an array outside with usual values."""
    tensor = tape.parameter(like.shape, like.dtype, leaf and like.dtype in INEXACT, example, _home(like))
    return Value(tape.read(get_array(tensor)), like.shape, like.dtype, tensor)


class Part:
    """A branch or body: what is given to it (values inside, and the tensors outside that they get), and its results.

    ``captured``: by number of the tape's input, what it was when the call ran.
    """

    def __init__(
        self,
        tape: SubTape,
        parameters: Sequence[Value],
        arguments: Sequence[Tensor],
        results: Sequence[Value],
        captured: dict[int, Tensor] | None = None,
    ) -> None:
        self.tape = tape
        self.parameters = list(parameters)
        self.arguments = list(arguments)
        self.results = list(results)
        self.captured = captured or {}
        self.leaves = len(tape.leaves)

    def graph(self, effects: bool) -> SubGraph:
        """The part as a function on arrays."""
        return SubGraph(self.tape, [p.node for p in self.parameters], [r.node for r in self.results], effects)

    def capture(self, number: int) -> Any:
        """The array outside that an input of the tape is."""
        known = self.captured.get(number)
        return self.tape.origin[number] if known is None else known._array

    def captures(self) -> list[int]:
        """The inputs from outside."""
        given = {parameter.node for parameter in self.parameters}
        return [
            number
            for number, origin in enumerate(self.tape.origin)
            if origin is not None and self.tape.input_nodes[number] not in given
        ]

    def edges(self) -> list[Tensor]:
        """Tensors with the histories of what gradients are wanted for: the leaves, then the arguments."""
        leaves = list(self.tape.leaves.values())[: self.leaves]
        return [*[_edge(leaf.inner, leaf.node) for leaf in leaves], *self.arguments]

    def targets(self) -> list[Tensor | None]:
        """What ``edges`` are inside."""
        leaves = list(self.tape.leaves.values())[: self.leaves]
        return [
            *[leaf.inner for leaf in leaves],
            *[p.tensor if p.differentiable else None for p in self.parameters],
        ]

    def drawn(self) -> list[Value]:
        """Random numbers among the values."""
        given = {parameter.node for parameter in self.parameters}
        return [Value(node, *self.tape.types[node]) for node in self.tape.drawn() if node not in given]

    def gradients(self, gradients: Sequence[Value | None], create: bool) -> list[Tensor | None]:
        """The gradients of ``targets`` (while inside) for those of the results."""
        pairs = [
            (result.tensor, gradient.tensor)
            for result, gradient in zip(self.results, gradients, strict=True)
            if gradient is not None and result.differentiable
        ]
        targets = self.targets()
        wanted = [tensor for tensor in targets if tensor is not None]
        if not pairs or not wanted:
            return [None] * len(targets)
        found = iter(
            grad(
                [tensor for tensor, _ in pairs],  # type: ignore[misc]
                wanted,
                [gradient for _, gradient in pairs],
                retain_graph=True,
                create_graph=create,
                allow_unused=True,
            )
        )
        return [None if tensor is None else next(found) for tensor in targets]


def _edge(like: Tensor, node: Any) -> Tensor:
    array = get_array(like)
    return make_tensor(np.broadcast_to(np.zeros((), array.dtype), array.shape), node)


def _snapshot(array: Any, node: Any = None) -> Tensor:
    """What an array outside holds now, whatever happens to it later."""
    if type(array) is Pending:
        array = array.memory.copy() if array.tape.finished else array.tape.copied(array)
    return make_tensor(array, node)


def _zeros(like: Value) -> Tensor:
    return make_tensor(zeros_on(_home(like), like.shape, like.dtype))


def _home(like: Any) -> device:
    """The device of an array, or of a value of a sub-tape."""
    if not isinstance(like, Value):
        return device_of(like)
    return CPU if like.tensor is None else device_of(get_array(like.tensor))


# --- calls ------------------------------------------------------------------------------------------------------------------


class Call:
    """The base: ``record`` on ``operands`` (arrays outside), the parts that it runs, and which results have gradients."""

    record: ControlRecord
    types: list[Any]
    parts: list[Part]
    first: list[Tensor]  # operands that belong to no part
    kept_results: range  # results that the gradient needs

    def __init__(self, parts: list[Part], first: list[Tensor]) -> None:
        self.parts, self.first = parts, first
        self.edges = [edge for part in parts for edge in part.edges()]
        self.recording = GRAD_MODE.get() and any(edge._node is not None for edge in self.edges)
        self.kept_results = range(0)
        self.counts: list[int] = []

    def operands(self) -> list[Any]:
        """The arrays outside that the record gets."""
        raise NotImplementedError

    def differentiable(self) -> list[bool]:
        """For every result whether it has a gradient."""
        raise NotImplementedError

    def differentiate(self, kept: list[Tensor], gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        """The gradients of ``edges`` for those of the results. ``kept``: the results that were to be kept."""
        raise NotImplementedError

    def apply(self) -> tuple[Tensor, ...]:
        """The results, with a history."""
        results: tuple[Tensor, ...] = ControlFlow.apply(self, *self.edges)
        if self.recording:
            # What is needed was saved with the history, and goes with it.
            nothing = make_tensor(np.zeros(()))
            self.edges = []
            self.first = [nothing for _ in self.first]
            for part in self.parts:
                part.arguments = [nothing for _ in part.arguments]
                part.captured = {}
        return results

    def run(self) -> tuple[Any, ...]:
        """The results' arrays."""
        arrays = self.operands()
        for array in arrays:
            if type(array) is Pending and not array.tape.finished:
                return array.tape.call(self.record, arrays, {}, self._examples)  # type: ignore[no-any-return]
        return self.record.impl(*[array.memory if type(array) is Pending else array for array in arrays])

    def _examples(self) -> tuple[Any, ...]:
        return tuple([np.broadcast_to(np.zeros((), dtype), shape) for shape, dtype in self.types])

    def snapshots(self) -> list[Tensor]:
        """Everything that the gradient needs from outside."""
        saved = [_snapshot(tensor._array, tensor._node) for tensor in self.first]
        self.counts = []
        for part in self.parts:
            numbers = part.captures()
            self.counts.append(len(numbers))
            saved += [_snapshot(argument._array, argument._node) for argument in part.arguments]
            saved += [_snapshot(part.capture(number)) for number in numbers]
        return saved

    def restored(self, saved: Sequence[Tensor]) -> tuple[list[Tensor], list[Part], list[Tensor]]:
        """``first``, the parts, and the kept results, from what was saved."""
        tensors = iter(saved)
        first = [next(tensors) for _ in self.first]
        parts = []
        for part, count in zip(self.parts, self.counts, strict=True):
            arguments = [next(tensors) for _ in part.arguments]
            captured = dict(zip(part.captures()[:count], tensors, strict=False)) if count else {}
            again = Part(part.tape, part.parameters, arguments, part.results, captured)
            again.leaves = part.leaves
            parts.append(again)
        return first, parts, list(tensors)


class ControlFlow(Function):
    """A call for autograd."""

    _runs_on_batches = True

    @staticmethod
    def forward(ctx: Any, call: Call, *edges: Tensor) -> Any:
        ctx.call = call
        results = tuple([make_tensor(array) for array in call.run()])
        if call.recording:
            flags = call.differentiable()
            ctx.mark_non_differentiable(
                *[result for result, flag in zip(results, flags, strict=True) if not flag]
            )
            ctx.save_for_backward(*call.snapshots(), *[results[i] for i in call.kept_results])
        return results

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        call: Call = ctx.call
        first, parts, kept = call.restored(ctx.saved_tensors)
        again = object.__new__(type(call))
        again.__dict__.update(call.__dict__)
        again.first, again.parts = first, parts
        again.edges = [edge for part in parts for edge in part.edges()]
        return (None, *again.differentiate(kept, gradients))


class CondCall(Call):
    """``first`` is the predicate. The first ``shared`` results of the parts are one result, the others are each part's own."""

    def __init__(self, predicate: Tensor, parts: list[Part], shared: int, effects: bool = True) -> None:
        super().__init__(parts, [predicate])
        self.shared = shared
        self.draws = [part.drawn() if self.recording and effects else [] for part in parts]
        for part, drawn in zip(parts, self.draws, strict=True):
            part.results += drawn
        self.graphs = [part.graph(effects) for part in parts]
        counts = [len(p.parameters) + len(g.captures) for p, g in zip(parts, self.graphs, strict=True)]
        self.record = CondRecord(tuple(self.graphs), tuple(counts), shared)
        self.types = self.graphs[0].types[:shared]
        for graph in self.graphs:
            self.types = self.types + graph.types[shared:]
        self.kept_results = range(len(self.types)) if any(self.draws) else range(0)

    def operands(self) -> list[Any]:
        arrays = [self.first[0]._array]
        for part, graph in zip(self.parts, self.graphs, strict=True):
            arrays += [argument._array for argument in part.arguments]
            arrays += [part.capture(number) for number in graph.captures]
        return arrays

    def differentiable(self) -> list[bool]:
        shared = [any(part.results[i].differentiable for part in self.parts) for i in range(self.shared)]
        return shared + [r.differentiable for part in self.parts for r in part.results[self.shared :]]

    def differentiate(self, kept: list[Tensor], gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        create = GRAD_MODE.get()
        flags = self.differentiable()
        new_parts: list[Part] = []
        found_in: list[list[bool]] = []
        offset = self.shared
        for part, drawn in zip(self.parts, self.draws, strict=True):
            own = len(part.results) - self.shared
            numbers = [*range(self.shared), *range(offset, offset + own)]
            offset += own
            arriving = [gradients[i] if flags[i] else None for i in numbers]
            with inside(part.tape):
                inner = [
                    parameter_value(part.tape, get_array(g), create)
                    if g is not None and r.differentiable
                    else None
                    for g, r in zip(arriving, part.results, strict=True)
                ]
                found = part.gradients(inner, create)
                results = [value_of(part.tape, tensor) for tensor in found if tensor is not None]
            found_in.append([tensor is not None for tensor in found])
            new_parts.append(
                Part(
                    part.tape,
                    [*part.parameters, *drawn, *[value for value in inner if value is not None]],
                    [
                        *part.arguments,
                        *[kept[offset - len(drawn) + i] for i in range(len(drawn))],
                        *[
                            g
                            for g, value in zip(arriving, inner, strict=True)
                            if value is not None and g is not None
                        ],
                    ],
                    results,
                    part.captured,
                )
            )
        results_of = iter(CondCall(self.first[0], new_parts, 0, effects=False).apply())
        return [next(results_of) if there else None for part in found_in for there in part]


class ScanCall(Call):
    """The part's parameters, arguments and results are first ``carried`` ones, then slices; ``length`` times."""

    def __init__(self, part: Part, carried: int, length: int, reverse: bool, effects: bool = True) -> None:
        super().__init__([part], [])
        self.carried, self.length, self.reverse = carried, length, reverse
        self.draws = part.drawn() if self.recording and effects else []
        before = len(part.results)
        if self.recording:
            part.results += [*part.parameters[:carried], *self.draws]
        self.kept_results = range(before, len(part.results))
        self.graph = part.graph(effects)
        self.record = ScanRecord(self.graph, carried, len(part.parameters) - carried, length, reverse)
        self.types = [
            *self.graph.types[:carried],
            *[((length, *shape), dtype) for shape, dtype in self.graph.types[carried:]],
        ]

    def operands(self) -> list[Any]:
        part = self.parts[0]
        arrays = [argument._array for argument in part.arguments]
        return arrays + [part.capture(number) for number in self.graph.captures]

    def differentiable(self) -> list[bool]:
        (part,) = self.parts
        flags = [result.differentiable for result in part.results]
        for i in range(self.carried):  # no iteration changes what has no history at the start and gets one
            flags[i] = flags[i] or part.parameters[i].differentiable
        return flags

    def differentiate(self, kept: list[Tensor], gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        create = GRAD_MODE.get()
        (part,) = self.parts
        tape, carried = part.tape, self.carried
        with inside(tape):
            back = _Back(part, carried, create)
            slices = [
                parameter_value(tape, get_array(g)[0, ...], create)
                if g is not None and r.differentiable
                else None
                for g, r in zip(gradients[carried:], part.results[carried:], strict=True)
            ]
            found = part.gradients([*back.arriving, *slices], create)
            carry_results = back.results(found)
            of_slices = found[part.leaves + carried :]
            results = [value_of(tape, tensor) for tensor in of_slices if tensor is not None]
        new = Part(
            tape,
            [
                *back.parameters,
                *part.parameters,
                *self.draws,
                *[value for value in slices if value is not None],
            ],
            [
                *back.arguments(gradients),
                *kept[:carried],
                *part.arguments[carried:],
                *kept[carried:],
                *[
                    g
                    for g, value in zip(gradients[carried:], slices, strict=True)
                    if value is not None and g is not None
                ],
            ],
            [*carry_results, *results],
            part.captured,
        )
        state = len(back.parameters)
        outcome = ScanCall(new, state, self.length, not self.reverse, effects=False).apply()
        of_leaves, of_carry = back.split(outcome[:state])
        stacks = iter(outcome[state:])
        return [*of_leaves, *of_carry, *[None if g is None else next(stacks) for g in of_slices]]


class _Back:
    """The state of going back through a loop: gradients of the carried values, and sums for the leaves."""

    def __init__(self, part: Part, carried: int, create: bool) -> None:
        tape = part.tape
        self.part = part
        leaves = list(tape.leaves.values())[: part.leaves]
        self.carry = [
            parameter_value(tape, p, create) if p.differentiable else None for p in part.parameters[:carried]
        ]
        self.sums = [parameter_value(tape, get_array(leaf.inner), create) for leaf in leaves]
        self.parameters = [*[value for value in self.carry if value is not None], *self.sums]
        self.arriving = self.carry

    def results(self, found: Sequence[Tensor | None]) -> list[Value]:
        """The state after going back through one iteration (while inside)."""
        part, results = self.part, []
        for value, gradient in zip(self.carry, found[part.leaves :], strict=False):
            if value is not None:
                results.append(value_of(part.tape, _zeros(value) if gradient is None else gradient))
        for total, gradient in zip(self.sums, found[: part.leaves], strict=True):
            tensor: Any = total.tensor
            results.append(value_of(part.tape, tensor if gradient is None else tensor + gradient))
        return results

    def arguments(self, gradients: Sequence[Tensor | None]) -> list[Tensor]:
        """The state at the end of the loop, outside."""
        arriving = [
            _zeros(value) if gradient is None else gradient
            for value, gradient in zip(self.carry, gradients, strict=False)
            if value is not None
        ]
        return [*arriving, *[_zeros(value) for value in self.sums]]

    def split(self, state: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor | None]]:
        """From the state at the start of the loop: the gradients of the leaves and those of the carried values."""
        values = iter(state)
        carry = [None if value is None else next(values) for value in self.carry]
        return list(values), carry


class WhileCall(Call):
    """``parts``: the test and the body, which have the carried values as parameters and one set of arguments (the body's)."""

    record: WhileRecord

    def __init__(self, test: Part, body: Part) -> None:
        super().__init__([test, body], [])
        self.carried = len(body.parameters)
        self.graphs = [test.graph(True), body.graph(True)]
        self.record = WhileRecord(self.graphs[0], self.graphs[1], self.carried, len(self.graphs[0].captures))
        self.types = self.graphs[1].types

    def operands(self) -> list[Any]:
        test, body = self.parts
        arrays = [argument._array for argument in body.arguments]
        arrays += [test.capture(number) for number in self.graphs[0].captures]
        return arrays + [body.capture(number) for number in self.graphs[1].captures]

    def differentiable(self) -> list[bool]:
        body = self.parts[1]
        return [
            r.differentiable or p.differentiable for r, p in zip(body.results, body.parameters, strict=True)
        ]

    def differentiate(self, kept: list[Tensor], gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        create = GRAD_MODE.get()
        test, body = self.parts
        if body.drawn():
            raise RuntimeError(
                "while_loop: in a static graph there is no gradient through a body that draws random numbers; draw them "
                "before the loop, use scan(), or leave out fullgraph=True"
            )
        with inside(body.tape):
            back = _Back(body, self.carried, create)
            results = back.results(body.gradients(back.arriving, create))
        call = _WhileGradient(self, back, results, back.arguments(gradients))
        call.recording = create and any(edge._node is not None for edge in call.edges)
        of_leaves, of_carry = back.split(call.apply())
        return [*[None] * test.leaves, *of_leaves, *of_carry]


class _WhileGradient(Call):
    """``parts``: those of the loop; ``first``: the state at its end."""

    record: WhileGradientRecord

    def __init__(self, loop: WhileCall, back: _Back, results: list[Value], state: list[Tensor]) -> None:
        super().__init__(loop.parts, state)
        self.edges += state
        self.loop, self.back, self.results = loop.record, back, results
        self.loop_graphs = loop.graphs
        body = loop.parts[1]
        self.given = [*back.parameters, *body.parameters]
        nodes = [value.node for value in self.given]
        self.graph = SubGraph(body.tape, nodes, [value.node for value in results], False)
        self.record = WhileGradientRecord(self.loop, self.graph, len(back.parameters), len(self._of_loop()))
        self.types = self.graph.types

    def _of_loop(self) -> list[Any]:
        test, body = self.parts
        arrays = [argument._array for argument in body.arguments]
        arrays += [test.capture(number) for number in self.loop_graphs[0].captures]
        return arrays + [body.capture(number) for number in self.loop_graphs[1].captures]

    def _of_backward(self) -> list[Any]:
        return [self.parts[1].capture(number) for number in self.graph.captures]

    def operands(self) -> list[Any]:
        return [*[tensor._array for tensor in self.first], *self._of_loop(), *self._of_backward()]

    def differentiable(self) -> list[bool]:
        return [dtype in INEXACT for _, dtype in self.types]

    def differentiate(self, kept: list[Tensor], gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        test, body = self.parts
        back, tape = self.back, body.tape
        carry = [number for number, value in enumerate(back.carry) if value is not None]
        step = Part(tape, self.given, [], self.results)
        step.leaves = body.leaves
        with inside(tape):
            arriving = [parameter_value(tape, value, False) for value in self.results]
            found = step.gradients(list(arriving), False)
            of_leaves, of_state = found[: step.leaves], found[step.leaves :]
            state = len(back.parameters)
            wanted = [
                *zip(of_state[:state], back.parameters, strict=True),
                *[(of_state[state + number], body.parameters[number]) for number in carry],
                *zip(of_leaves, back.sums, strict=True),
            ]
            results = [value_of(tape, _zeros(like) if tensor is None else tensor) for tensor, like in wanted]
        graph = SubGraph(
            tape,
            [value.node for value in (*arriving, *self.given)],
            [value.node for value in results],
            False,
        )
        record = WhileSecondGradientRecord(self.record, graph, len(carry), len(self.graph.captures))
        call = _WhileSecondGradient(
            record,
            [
                *[_zeros(v) if g is None else g for g, v in zip(gradients, self.results, strict=True)],
                *self.first,
            ],
            [*self._of_loop(), *self._of_backward(), *[body.capture(number) for number in graph.captures]],
            [
                (value.shape, value.dtype)
                for value in (*back.sums, *back.parameters[: len(carry)], *self.results)
            ],
            [*self.edges, *[g for g in gradients if g is not None]],
        )
        outcome = call.apply()
        of_body, rest = outcome[: body.leaves], outcome[body.leaves :]
        of_carry: list[Tensor | None] = [None for _ in back.carry]
        for number, gradient in zip(carry, rest, strict=False):
            of_carry[number] = gradient
        return [*[None] * test.leaves, *of_body, *of_carry, *rest[len(carry) :]]


class _WhileSecondGradient(Call):
    """``others``: what else the record gets."""

    def __init__(
        self, record: Any, first: list[Tensor], others: list[Any], types: list[Any], edges: list[Tensor]
    ) -> None:
        super().__init__([], first)
        self.record, self.others, self.types, self.edges = record, others, types, edges
        self.recording = GRAD_MODE.get() and any(edge._node is not None for edge in edges)

    def operands(self) -> list[Any]:
        return [*[tensor._array for tensor in self.first], *self.others]

    def differentiable(self) -> list[bool]:
        return [dtype in INEXACT for _, dtype in self.types]

    def differentiate(self, kept: list[Tensor], gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        raise RuntimeError(
            "while_loop: in a static graph there are no third derivatives through it; use scan(), or leave out fullgraph=True"
        )


def outside_tensor(tape: Any, buffer: Any) -> Tensor:
    """The memory of ``buffer``, of the tape outside, as a tensor."""
    array: Any = pending(tape, buffer, buffer.root)
    return make_tensor(array)
