"""The backward half of a recorded forward pass.

A compiled model gives a result that is differentiated outside: ``loss = criterion(compiled(x), y); loss.backward()``. Its
history must then be part of the recording too. While the tape is still open, the engine runs backward over the history of the
results, from gradients that are inputs of the graph, down to the tensors from outside; that is recorded as everything is. What
the two halves have in common is cut: values of the forward half that the backward half reads become results of the one and
inputs of the other. A call then runs the first program and leaves one node in the history, whose vjp runs the second.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any, Final, cast

import numpy as np

from ..autograd.engine import run_backward
from ..autograd.saved_tensors import HOOKS
from ..core.device import CPU, device_of, empty_on, on_host, placed
from ..core.grad_mode import GRAD_MODE
from ..core.history import RELEASED, LeafNode, Node, OutputNode, UntrackedNode, versions_of
from ..core.tensor import Tensor, make_tensor
from ..ir.graph import Graph
from ..runtime.batched import Batched
from ..runtime.pending import Pending
from ..runtime.programs import program_for
from ..runtime.recording import span
from ..runtime.tape_keys import CALL, CAST, CONST, INPUT, ITEM, VIEW, graph_of
from .own_functions import NotPlain, PlainCode
from .second_order import KeptHistory, NotKept, real_array
from .static_tape import StaticTape, ValueNeeded, get_array, get_node, operands_of, with_all_results
from .structures import tensors_in

ndarray = np.ndarray


class NoJointGraph(Exception):
    """The history of a result can't be cut off here."""


class Root:
    """Stands for the history of result number ``index`` until its node is made."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


class _Below:
    """Stands for the history of result number ``index`` where it is a part of another result's."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


def record_backward(tape: StaticTape, arguments: Sequence[Tensor], result: Any, first: int) -> Stages | None:
    """The backward half for ``result``, whose history is taken off; None if nothing of it can be differentiated.

    ``first``: the order of the first node that the call made. Raises ``NoJointGraph`` where the history leads to what is not
    known at the next call.
    """
    roots: list[Tensor] = []
    for tensor in tensors_in(result):
        node = get_node(tensor)
        if node is None or any(tensor is other for other in (*roots, *arguments)):
            continue
        if type(get_array(tensor)) is Pending and node.order >= first and not isinstance(node, LeafNode):
            roots.append(tensor)
    if not roots:
        return None
    if HOOKS.get():
        raise NoJointGraph("hooks on saved tensors are in force")
    _check_memory(roots)
    nodes = [get_node(tensor) for tensor in roots]
    outer = _outer_nodes(nodes, first)
    if outer is None:
        return None  # backward has been through it already
    owners = {node: _owner(node, tape, arguments) for node in outer}
    seen_outside = {
        id(get_array(tensor).buffer) for tensor in tensors_in(result) if type(get_array(tensor)) is Pending
    }

    def is_of_call(tensor: Tensor) -> bool:
        array = get_array(tensor)
        return type(array) is Pending and array.buffer.fresh and id(array.buffer) not in seen_outside

    try:
        own = PlainCode([node for node in _reached(nodes, first) if node.order >= first], is_of_call)
    except NotPlain as reason:
        raise NoJointGraph(f"Python runs in its backward pass: {reason}") from reason
    stages: list[Backward] = []
    below: dict[Node, _Below] = {}
    for numbers in _levels(nodes, first):
        of_stage = [nodes[number] for number in numbers]
        ends = _outer_nodes(of_stage, first, below)
        assert ends is not None
        history: KeptHistory | str
        try:
            history = KeptHistory(tape, of_stage, ends, arguments, first)
        except NotKept as reason:
            if own.by_what_arrives:
                raise NoJointGraph(str(reason)) from reason
            history = str(reason)
        stage = [roots[number] for number in numbers]
        ways = [below[node] if node in below else owners[node] for node in ends]
        stages.append(Backward(tape, numbers, stage, ends, ways, first, history, own, below))
        below.update({nodes[number]: _Below(number) for number in numbers})
    for number, tensor in enumerate(roots):
        tensor._node = Root(number)  # type: ignore[assignment]  # the real one comes with every run
        tensor._view = None  # what it was a view of has the history of the first half
    return Stages(stages, own)


def _check_memory(roots: Sequence[Tensor]) -> None:
    """Raise ``NoJointGraph`` where a change of one result in place is a change of the history of another tensor."""
    arrays = [get_array(tensor) for tensor in roots]
    for number, array in enumerate(arrays):
        if not array.buffer.fresh:
            raise NoJointGraph("a result is a view of a tensor from outside")
        for other in arrays[:number]:
            if other.buffer is array.buffer and np.may_share_memory(other.memory, array.memory):
                raise NoJointGraph("results are views of each other")


def _levels(nodes: Sequence[Node], first: int) -> list[list[int]]:
    """The results (by number) in groups, of which each comes after those that its history goes through. Results with nothing
    in common are in groups of their own, since eager mode may go back from each without the others."""
    if len(nodes) == 1:
        return [[0]]
    under = [_reached([node], first) - {node} for node in nodes]
    waiting = list(range(len(nodes)))
    levels: list[list[int]] = []
    below: set[Node] = set()
    while waiting:
        level = [n for n in waiting if not any([nodes[other] in under[n] for other in waiting])]
        groups: list[tuple[list[int], set[Node]]] = []
        for number in level:
            own = {
                node
                for node in _reached([nodes[number]], first, below)
                if node.order >= first and node not in below and not isinstance(node, LeafNode)
            }
            joined = [group for group in groups if not own.isdisjoint(group[1])]
            groups = [group for group in groups if group not in joined]
            numbers = sorted([number, *[n for group, _ in joined for n in group]])
            groups.append((numbers, own.union(*[reached for _, reached in joined])))
        levels += [numbers for numbers, _ in groups]
        below.update([nodes[number] for number in level])
        waiting = [n for n in waiting if n not in level]
    return levels


def _outer_nodes(roots: Sequence[Node], first: int, below: Container[Node] = ()) -> list[Node] | None:
    """The nodes from before the call that the history leads to, or of results ``below``; None if its saved values are gone."""
    outer: list[Node] = []
    seen = set(roots)
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node in below:
            outer.append(node)
            continue
        if node.saved is RELEASED:
            return None
        if isinstance(node, LeafNode) and getattr(node, "closed", False):
            continue  # what a transform that is over differentiated by: nobody asks for its gradient
        if isinstance(node, LeafNode) or node.order < first:
            if isinstance(node, UntrackedNode):
                raise NoJointGraph("a view was taken without recording")
            outer.append(node)
            continue
        if node.special and not isinstance(node, OutputNode):
            raise NoJointGraph("a hook was put on a result half-way")
        if isinstance(node, OutputNode) and (node.pre_hooks or node.retain_into):
            raise NoJointGraph("a hook was put on a result half-way")
        for edge in node.edges:
            if edge is not None and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    return outer


def _reached(roots: Sequence[Node], first: int, below: Container[Node] = ()) -> set[Node]:
    """The nodes that can be reached without going through one from before the call, or of a result ``below``."""
    seen = set(roots)
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node.order >= first and node not in below:
            new = [edge for edge in node.edges if edge is not None and edge not in seen]
            seen.update(new)
            stack += new
    return seen


def _owner(node: Node, tape: StaticTape, arguments: Sequence[Tensor]) -> Any:
    """Whose history ``node`` is: the number of an argument, or a tensor from outside."""
    for number, tensor in enumerate(arguments):
        if get_node(tensor) is node:
            return number
    for tensor, _ in tape.states.values():
        if get_node(tensor) is node:
            return tensor
    raise NoJointGraph("the history leads to something that is not known")


class _LastingNode(Node):
    """Of a program in place of operations that keep nothing: backward may go through it any number of times."""

    __slots__ = ()

    def release(self) -> None:
        """Let nothing go."""


class Stages:
    """The backward half: one program, or several where results have others in their history, as a loss has what the model
    gave. So gradients stop at each result, for its hooks. ``saved``: nodes of the first half that are results for them."""

    def __init__(self, stages: list[Backward], own: PlainCode) -> None:
        self.stages = stages
        self.codes = own.codes  # of the program, which ran; what these read is compared when gradients arrive
        self.saved = [number for stage in stages for number in stage.saved]
        # Why there is no history for gradients that are differentiated; None if there is.
        self.not_kept = next((stage.history for stage in stages if isinstance(stage.history, str)), None)

    def nodes(
        self, tensors: Sequence[Tensor], saved: Sequence[Any], arrays: Sequence[Any]
    ) -> dict[int, Node]:
        """The histories of the results ``arrays`` of a call, by their numbers."""
        found: dict[int, Node] = {}
        start = 0
        for stage in self.stages:
            end = start + len(stage.saved)
            made = stage.node(tensors, saved[start:end], [arrays[number] for number in stage.numbers], found)
            found.update(zip(stage.numbers, made, strict=True))
            start = end
        return found


class Backward:
    """A program of the backward half, and how it hangs together with the first. ``numbers``: of the results; ``saved``:
    nodes of the first that are results for it."""

    name = "compiled_function"
    grad_name: Final = "CompiledFunctionBackward"

    def __init__(
        self,
        tape: StaticTape,
        numbers: list[int],
        roots: list[Tensor],
        outer: list[Node],
        owners: list[Any],
        first: int,
        history: KeptHistory | str,
        own: PlainCode,
        below: Container[Node],
    ) -> None:
        """``history``: for gradients that are differentiated; or why there is none. ``own``: the program's code in it.
        ``below``: the histories of results that it ends at."""
        self.numbers = numbers
        self._of_program = own
        self.owners = owners
        self.history = history
        self.types = [(get_array(tensor).shape, get_array(tensor).dtype) for tensor in roots]
        self.homes = [device_of(get_array(tensor)) for tensor in roots]
        self.saved: list[int] = []
        self.sources: list[tuple[str, Any]] = []
        self._keys: list[Any] = []
        self._types: list[Any] = []
        self._program: Any = None
        forward = len(tape.keys)
        half = _FirstHalf(tape)
        passing = _passing(tape)
        reached = [_reached([get_node(tensor)], first, below) for tensor in roots]
        self._keeps_nothing = all(
            [
                node.saved is None and node.output is None and "packed_output" not in node.__dict__
                for nodes in reached
                for node in nodes
                if node.order >= first and node not in below
            ]
        )
        # By which results' gradients each tensor from outside gets one.
        self._from = [{number for number, nodes in enumerate(reached) if node in nodes} for node in outer]
        try:
            gradients = self._record(tape, roots, outer)
        except ValueNeeded:
            raise
        except (
            Exception
        ) as error:  # what eager mode would raise if backward were called, which it may never be
            half.restore(tape)
            raise NoJointGraph(str(error)) from error
        if half.is_changed(tape):
            half.restore(tape)
            raise NoJointGraph("backward changes something in place")
        self._cut(tape, forward, gradients, passing)
        self._own = len(self.sources)  # those that the second program reads
        if not isinstance(history, str):
            history.cut(tape, self.sources, self.saved, passing)
        # What is read again in backward is checked for changes in between, where a tensor is known to hold it.
        by_root = {id(root): array for root, array in _roots(tape)}
        holders = {id(array): tensor for tensor, array in tape.states.values()}
        self._states = [
            holders.get(id(by_root.get(id(where)))) if kind == "array" else None
            for kind, where in self.sources
        ]
        half.restore(tape)

    @staticmethod
    def _record(tape: StaticTape, roots: list[Tensor], outer: list[Node]) -> list[int | None]:
        """Backward as nodes of the tape: those with the gradients."""
        weights = []
        for number, tensor in enumerate(roots):
            array = get_array(tensor)
            stand_in = empty_on(device_of(array), array.shape, array.dtype)
            tape.argument_arrays[id(stand_in)] = -1 - number
            weights.append(make_tensor(cast(Any, tape.wrap(stand_in))))
        hooked = [node for node in outer if node.special]
        edges = [(node, node.edges) for node in outer]
        for node in outer:
            node.edges = ()  # gradients end here, also where one of these is in the history of another
        for node in hooked:  # their hooks run when gradients arrive, not now
            node.special = False
        try:
            found = run_backward(
                [get_node(tensor) for tensor in roots],
                weights,
                retain_graph=True,
                create_graph=False,
                targets=outer,
                collect=False,
            )
        finally:
            for node in hooked:
                node.special = True
            for node, own in edges:
                node.edges = own
        return [None if gradient is None else tape.read(gradient._array) for gradient in found]

    def _cut(self, tape: StaticTape, forward: int, gradients: list[int | None], passing: set[int]) -> None:
        """A graph of its own from the nodes after the first ``forward`` ones. ``passing``: see there."""
        keys, types = tape.keys, tape.types
        number_of: dict[int, int] = {}

        def add(old: int, key: Any) -> int:
            self._keys.append(key)
            self._types.append(types[old])
            number_of[old] = len(self._keys) - 1
            return number_of[old]

        def add_input(old: int, source: tuple[str, Any]) -> int:
            self.sources.append(source)
            where = tape.home_of(old)
            key = (INPUT, len(self.sources) - 1, id(types[old]))
            return add(old, key if where is CPU else (*key, where))

        def take(old: int) -> int:
            """The node of the new graph for one that has been seen or lies before the cut."""
            known = number_of.get(old)
            if known is not None:
                return known
            key = keys[old]
            kind = key[0]
            if kind is INPUT:
                kind_of, where = tape.sources[key[1]]
                root = tape.inputs[key[1]]
                if kind_of == "argument" and where[0] < 0:
                    return add_input(old, ("gradient", -1 - where[0]))
                if id(root) not in passing:
                    if kind_of == "argument":
                        return add_input(old, ("argument", where))
                    return add_input(old, ("array", root))
            elif kind is CONST:
                return add(old, key)
            elif kind is VIEW:
                return add(old, (VIEW, take(key[1]), *key[2:]))
            self.saved.append(old)
            return add_input(old, ("saved", len(self.saved) - 1))

        needed = _needed(keys, [node for node in gradients if node is not None], forward)
        for old in sorted(needed):
            key = keys[old]
            kind = key[0]
            if kind is INPUT or kind is CONST:
                take(old)
            elif kind is CALL:
                add(old, (CALL, key[1], tuple([take(i) for i in key[2]]), *key[3:]))
            elif kind is VIEW or kind is CAST or kind is ITEM:
                add(old, (kind, take(key[1]), *key[2:]))
            else:
                add(old, (kind, take(key[1]), take(key[2]), *key[3:]))
        self._gradients = [None if node is None else take(node) for node in gradients]
        self._outputs = [(node, -1) for node in self._gradients if node is not None]
        homes = [tape.home_of(node) for node in gradients if node is not None]
        self._results = list(zip(homes, [self._types[node] for node, _ in self._outputs], strict=True))

    # --- every run --------------------------------------------------------------------------------------------------

    def node(
        self, tensors: Sequence[Tensor], saved: Sequence[Any], arrays: Sequence[Any], below: dict[int, Node]
    ) -> list[Node]:
        """The histories of the results ``arrays`` of a call. ``below``: those that are made already, by number."""
        edges = tuple(
            [
                tensors[o]._node if type(o) is int else below[o.index] if type(o) is _Below else o._node
                for o in self.owners
            ]
        )
        kept: list[Any] = []
        for (kind, where), state in zip(self.sources, self._states, strict=True):
            if kind == "saved":
                kept.append(make_tensor(saved[where]))
            elif kind == "argument":
                kept.append(tensors[where[0]])
            else:
                kept.append(state)
        values = tuple(kept)
        node_class = _LastingNode if self._keeps_nothing else Node
        node = node_class(self, edges, arrays[0], values, None, None, versions_of(values))
        if len(arrays) == 1:
            return [node]
        node.outputs = tuple([(array.shape, array.dtype) for array in arrays])
        return [OutputNode(node, index, array) for index, array in enumerate(arrays)]

    def vjp(self, gradient: Any, node: Node) -> tuple[Tensor | None, ...]:
        """The gradients of the tensors from outside, by the second program."""
        kept = node.unpack()
        gradients = gradient if type(gradient) is list else [gradient]
        again = GRAD_MODE.get()
        history = self.history
        arrived = {index for index, given in enumerate(gradients) if given is not None}
        of_all = len(arrived) == len(gradients)
        in_python = not (of_all or isinstance(history, str)) and self._of_program.by_what_arrives
        in_python = in_python or not self._of_program.holds()
        if again or in_python or any([g is not None and type(g._array) is Batched for g in gradients]):
            if isinstance(history, str):
                raise RuntimeError(
                    "compile: the backward pass of this compiled function is a program, which can't be differentiated again "
                    f"(create_graph=True) or run on batches, because {history}; compile a function that computes the "
                    'gradients itself, or compile with options={"replay": False} and without fullgraph=True'
                )
            return history.gradients(gradients, node, self.sources, kept, again)
        inputs = []
        for (kind, where), value in zip(self.sources[: self._own], kept, strict=False):
            if kind == "gradient":
                given = gradients[where]
                shape, dtype = self.types[where]
                inputs.append(_gradient(given, shape, dtype, self.homes[where]))
            elif kind == "argument":
                array = real_array(value._array)
                inputs.append(span(array) if where[1] else array)
            elif kind == "saved":
                inputs.append(real_array(value._array))
            else:
                inputs.append(where)
        outputs = [empty_on(where, shape, dtype) for where, (shape, dtype) in self._results]
        self._program_for(inputs, outputs).run(inputs, outputs)
        if not of_all and any([_has_nan(array) for array in outputs]):
            # Zeros stand for the gradients that did not arrive: times infinity, they make what eager mode never computes.
            if isinstance(history, str):
                raise RuntimeError(
                    "compile: the gradients of some of this compiled function's results are NaN where others have none, and "
                    f"whether that follows from these alone can't be told, because {history}; compile without fullgraph=True "
                    'and with options={"replay": False}'
                )
            return history.gradients(gradients, node, self.sources, kept, again)
        made = iter(outputs)
        found = [None if number is None else make_tensor(next(made)) for number in self._gradients]
        return tuple([g if arrived & from_ else None for g, from_ in zip(found, self._from, strict=True)])

    def _program_for(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """The second program, compiled when it is first needed."""
        if self._program is None:
            make: Callable[[], Graph] = lambda: graph_of(self._keys, self._types, self._outputs)  # noqa: E731
            key = (tuple(self._keys), tuple(self._outputs))
            self._program = program_for(key, make, inputs, outputs)
        return self._program


def _gradient(given: Any, shape: Any, dtype: Any, where: Any) -> Any:
    """The array of a result's gradient: zeros where none arrived."""
    if given is None:
        return placed(np.zeros(shape, dtype), where)
    array = given._array
    if type(array) is Pending:
        array = array.tape.share(array)
    if type(array) is ndarray:
        array = np.ascontiguousarray(array)
    elif not array.flags.c_contiguous:
        array = array.copy()
    return array.reshape(shape)


def _has_nan(array: Any) -> bool:
    return array.dtype.kind in "fcV" and bool(np.isnan(on_host(array).sum(dtype=_wide(array.dtype))))


def _wide(dtype: Any) -> Any:
    """What the elements are added up in, so that the sum of a few large ones is not infinite."""
    return np.complex128 if dtype.kind == "c" else np.float32 if dtype.itemsize < 4 else dtype


def _needed(keys: list[Any], wanted: Sequence[int], forward: int) -> set[int]:
    """The nodes after the first ``forward`` ones that ``wanted`` are computed from, and those with effects."""
    effects = [
        i for i in range(forward, len(keys)) if keys[i][0] is CALL and getattr(keys[i][1], "effects", False)
    ]
    needed: set[int] = set()
    stack = [*wanted, *effects]
    while stack:
        number = stack.pop()
        if number >= forward and number not in needed:
            needed.add(number)
            stack += operands_of(keys[number])
    return {number for number in with_all_results(keys, needed) if number >= forward}


def _passing(tape: StaticTape) -> set[int]:
    """The ids of memory from outside whose content in this call may be wanted when it is gone: what the call changes, and what
    it has copied, since a copy is a name for the same node of the tape."""
    inputs = set()
    for buffer in _buffers_of(tape):
        node = buffer.node
        while node >= 0 and tape.keys[node][0] is VIEW:
            node = tape.keys[node][1]
        if node >= 0 and tape.keys[node][0] is INPUT:
            root = tape.inputs[tape.keys[node][1]]
            if root is not buffer.root:
                inputs.add(id(root))
    return inputs.union([id(buffer.root) for buffer in tape.changed])


def _roots(tape: StaticTape) -> list[tuple[Any, Any]]:
    return [(root, tape.array_of[id(root)]) for root in tape.inputs if id(root) in tape.array_of]


class _FirstHalf:
    """What a tape holds when its backward half is about to be recorded, to take that half off it again."""

    def __init__(self, tape: StaticTape) -> None:
        self._nodes, self._inputs, self._changed = len(tape.keys), len(tape.inputs), len(tape.changed)
        self._contents = {id(buffer): (buffer, buffer.node, buffer.number) for buffer in _buffers_of(tape)}
        self._versions = [(storage, storage.version) for storage, _ in tape.versions.values()]

    def is_changed(self, tape: StaticTape) -> bool:
        """Whether something that the first half has read or made was changed in place since."""
        return len(tape.changed) != self._changed or any(
            [buffer.node != node for buffer, node, _ in self._contents.values() if node >= 0]
        )

    def restore(self, tape: StaticTape) -> None:
        """Take everything that came since off the tape."""
        del tape.keys[self._nodes :], tape.types[self._nodes :]
        if tape.sites is not None:
            del tape.sites[self._nodes :]
        del tape.inputs[self._inputs :], tape.sources[self._inputs :]
        for buffer in _buffers_of(tape):  # a hook may have kept a new one
            _, buffer.node, buffer.number = self._contents.get(id(buffer), (None, -1, -1))
        for buffer in tape.changed[self._changed :]:
            buffer.changed = False
        del tape.changed[self._changed :]
        for storage, version in self._versions:
            storage.version = version
        tape.views = {key: number for key, number in tape.views.items() if number < self._nodes}


def _buffers_of(tape: StaticTape) -> list[Any]:
    """Those that are alive."""
    fresh = [buffer for reference in tape.buffers if (buffer := reference()) is not None]
    return [*fresh, *tape.outside.values()]
