"""Graphs inside a static graph: what the branches of a ``cond`` and the bodies of loops are recorded as.

A ``SubTape`` records a function while another tape is waiting. Whatever the function touches that belongs outside becomes an
input (``sources`` says which array of the outer tape it is), so a sub-graph is a function of its inputs alone. Tensors from
outside that need gradients are leaves inside: their histories are cut there, and ``outer_nodes`` says where they go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.device import CPU, OF_ARRAYS, RECORDED, device, device_of, empty_on, on_host
from ..core.history import LeafNode, Node
from ..core.storage import describe_site, program_site
from ..core.tensor import Tensor, make_tensor
from ..ir.graph import Graph
from ..ops import random as random_operations
from ..runtime.pending import Pending, pending
from ..runtime.programs import program_for
from ..runtime.recording import Buffer, RangeCheck, Tape
from ..runtime.reference import evaluate
from ..runtime.tape_keys import CALL, CONST, INPUT, ITEM, WRITE, graph_of
from .recorded import ACTIVE
from .static_tape import (
    StaticTape,
    Watched,
    get_array,
    get_node,
    operands_of,
    strayed,
    tracing,
    with_all_results,
)

set_node: Callable[[Tensor, Any], None] = Tensor.__dict__["_node"].__set__


class Leaf:
    """A tensor from outside that needs a gradient: ``inner`` stands for it inside, ``node`` is its history outside."""

    __slots__ = ("inner", "node", "outer")

    def __init__(self, outer: Tensor, inner: Tensor, node: Node) -> None:
        self.outer = outer  # kept, so that its id stays its own
        self.inner = inner
        self.node = node


class SubTape(StaticTape):
    """See the module. ``origin`` for each input: an array of the outer tape, or None for a parameter."""

    def __init__(self, outer: StaticTape) -> None:
        super().__init__()
        self.outer = outer
        outer.sub_graphs = True
        self.origin: list[Any] = []
        self.examples: list[
            Any
        ] = []  # for parameters: an array outside with values of the kind that they get
        self.input_nodes: list[int] = []
        self.leaves: dict[int, Leaf] = {}
        self.seen: dict[int, tuple[Tensor, Pending]] = {}
        self.imported: dict[
            int, tuple[Buffer, Buffer]
        ] = {}  # by id of the outer buffer: that one and the one here
        self._origin_of: dict[int, Any] = {}  # by id of a root

    # --- what comes from outside --------------------------------------------------------------------------------------

    def see(self, tensor: Tensor, array: Any) -> Any:
        """The array of a tensor that does not hold one of this tape."""
        if self._is_made(tensor):
            return super().meet(tensor, array)
        known = self.seen.get(id(tensor))
        if known is not None:
            return known[1]
        inner = self.import_array(self._outside(tensor, array))
        self.seen[id(tensor)] = (tensor, inner)
        return inner

    meet = see

    def _is_made(self, tensor: Tensor) -> bool:
        reference = self.made.get(id(tensor))
        return reference is not None and reference() is tensor

    def _outside(self, tensor: Tensor, array: Any) -> Any:
        if type(array) is Pending and array.tape is self.outer:
            return array
        if self.outer.over:
            return array.memory if type(array) is Pending else array
        return self.outer.see(tensor, array)

    def import_array(self, array: Any) -> Any:
        """An array of the outer tape as one of this."""
        if type(array) is not Pending:
            return self.wrap(array)
        if array.tape is self:
            return array
        if array.tape is not self.outer:
            if not isinstance(self.outer, SubTape):
                raise strayed()
            array = self.outer.import_array(array)
        return pending(self, self.import_buffer(array.buffer), array.memory)

    def import_buffer(self, buffer: Buffer) -> Buffer:
        """The memory here that stands for memory outside."""
        known = self.imported.get(id(buffer))
        if known is not None:
            return known[1]
        root = buffer.root
        inner = Buffer(root, -1, False)
        self.imported[id(buffer)] = (buffer, inner)
        self._origin_of[id(root)] = pending(self.outer, buffer, root)
        self.outside[id(root)] = inner
        self.kept.append(root)
        if type(root) in RECORDED:
            self.on_devices()
            self.blocks.setdefault(OF_ARRAYS[type(root)].block(root), []).append(inner)
        elif root.base is not None:
            self.parts.append(inner)
        return inner

    def on_devices(self) -> None:
        before = _tapes(self.thread)
        super().on_devices()
        if getattr(ACTIVE, "tape", None) is not self:  # operations that go on outside do not come here
            _set_tapes(self.thread, before)

    def leaf_of(self, tensor: Tensor, array: Any) -> Node | None:
        """The node that stands for the history of a tensor from outside."""
        leaf = self.leaves.get(id(tensor))
        if leaf is None:
            node = self.outer.history_of(tensor, array)
            inner = make_tensor(self.see(tensor, array))
            set_node(inner, LeafNode(inner))
            leaf = self.leaves[id(tensor)] = Leaf(tensor, inner, node)
        return get_node(leaf.inner)  # type: ignore[no-any-return]

    def history_of(self, tensor: Tensor, array: Any) -> Any:
        """What ``tensor._node`` is while this tape records."""
        node = get_node(tensor)
        if node is None or self._belongs(tensor, array):
            return node
        return self.leaf_of(tensor, array)

    def _belongs(self, tensor: Tensor, array: Any) -> bool:
        return (type(array) is Pending and array.tape is self) or self._is_made(tensor)

    def parameter(
        self, shape: Any, dtype: Any, leaf: bool, example: Any = None, where: device = CPU
    ) -> Tensor:
        """A tensor for an input that whoever runs the graph gives, on the device ``where``."""
        root = empty_on(where, shape, dtype)
        if where is not CPU:
            self.on_devices()
        node = Tape._input(self, root)
        self.origin.append(None)
        self.examples.append(example)
        self.input_nodes.append(node)
        buffer = Buffer(root, node, True)
        array: Any = pending(self, buffer, root)
        tensor = make_tensor(array)
        if leaf:
            set_node(tensor, LeafNode(tensor))
        return tensor

    def _input(self, root: Any) -> int:
        node = Tape._input(self, root)
        self.origin.append(self._origin_of.get(id(root), root))
        self.examples.append(None)
        self.input_nodes.append(node)
        return node

    def read(self, array: Any) -> int:
        if type(array) is Pending and array.tape is not self:
            array = self.import_array(array)
        return super().read(array)

    def call(
        self,
        record: Any,
        arrays: Sequence[Any],
        attrs: dict[str, Any],
        types_of: Callable[[], Any] | None = None,
    ) -> Any:
        own = [self.import_array(a) if type(a) is Pending and a.tape is not self else a for a in arrays]
        return super().call(record, own, attrs, types_of)

    # --- what must not happen -----------------------------------------------------------------------------------------

    def check_new_memory(self, tensor: Tensor) -> None:
        """A tensor's array is replaced: only those that were made inside may be."""
        try:
            array = get_array(tensor)
        except AttributeError:
            return  # it is being made
        if not self._belongs(tensor, array):
            raise RuntimeError(
                "control flow in a static graph: a tensor from outside is given other memory (`.data = ...`) inside a branch "
                f"or body, at {describe_site(program_site())}; change it in place instead"
            )

    def check_new_history(self, tensor: Tensor, node: Any) -> None:
        """A tensor's history is replaced."""
        try:
            array = get_array(tensor)
            before = get_node(tensor)
        except AttributeError:
            return
        if (
            node is not before
            and not self._belongs(tensor, array)
            and node is not self.history_of(tensor, array)
        ):
            raise RuntimeError(
                "control flow in a static graph: a tensor from outside is changed inside a branch or body in a way that "
                f"gradients would have to go through, at {describe_site(program_site())}; return the new value instead"
            )

    def check_gradients(self, what: str) -> None:
        """Refuse ``backward()`` inside."""
        for leaf in self.leaves.values():
            if leaf.inner._grad is not None:
                raise RuntimeError(
                    f"{what}: backward() inside a branch or body can't be part of a static graph; use autograd.grad and return "
                    "the gradients"
                )

    # --- values -------------------------------------------------------------------------------------------------------

    def _values(self, arrays: Sequence[Any]) -> list[Any]:
        nodes = [self.read(array) if type(array) is Pending else None for array in arrays]
        origins = [e if o is None else o for o, e in zip(self.origin, self.examples, strict=True)]
        given = self.outer._values([o for o in origins if o is not None])
        values = iter(given)
        inputs = [
            np.ones(root.shape, root.dtype)
            if o is None
            else np.asarray(on_host(next(values))).reshape(root.shape)
            for o, root in zip(origins, self.inputs, strict=True)
        ]
        graph = graph_of(self.keys, self.types, [(node, -1) for node in nodes if node is not None])
        found = iter(evaluate(graph, inputs))
        return [
            np.array(next(found)) if node is not None else array
            for node, array in zip(nodes, arrays, strict=True)
        ]

    def _known_input(self, number: int) -> Any:
        origin = self.origin[number]
        if type(origin) is Pending:
            return self.outer._known(origin)
        root = self.inputs[number]
        return root if origin is root and id(root) not in self.array_of else None

    # --- effects ------------------------------------------------------------------------------------------------------

    def drawn(self) -> list[int]:
        """The nodes with random numbers, which may not be computed a second time."""
        calls = {
            number
            for number, key in enumerate(self.keys)
            if key[0] is CALL and getattr(key[1], "effects", False) and not isinstance(key[1], RangeCheck)
        }
        return [
            number
            for number, key in enumerate(self.keys)
            if type(self.types[number]) is tuple and (number in calls or (key[0] is ITEM and key[1] in calls))
        ]

    def changed_outside(self) -> list[tuple[Buffer, int]]:
        """Memory of the outer tape that was changed, with its new content."""
        outer_of = {id(inner): outer for outer, inner in self.imported.values()}
        return [(outer_of[id(inner)], inner.node) for inner in self.changed if id(inner) in outer_of]


# --- recording into it ------------------------------------------------------------------------------------------------------


class _WatchedInside(Watched):
    """``Tensor._array`` while a sub-graph is recorded."""

    tape: SubTape

    def __get__(self, tensor: Any, owner: Any = None) -> Any:
        if tensor is None:
            return self
        array = get_array(tensor)
        if threading.get_ident() != self.thread or (type(array) is Pending and array.tape is self.tape):
            return array
        return self.tape.see(tensor, array)

    def __set__(self, tensor: Any, value: Any) -> None:
        if threading.get_ident() == self.thread:
            self.tape.check_new_memory(tensor)
        super().__set__(tensor, value)


class _WatchedHistory:
    """``Tensor._node`` while a sub-graph is recorded."""

    def __init__(self, tape: SubTape) -> None:
        self.tape = tape
        self.thread = tape.thread

    def __get__(self, tensor: Any, owner: Any = None) -> Any:
        if tensor is None:
            return self
        node = get_node(tensor)
        if node is None or threading.get_ident() != self.thread:
            return node
        return self.tape.history_of(tensor, get_array(tensor))

    def __set__(self, tensor: Any, node: Any) -> None:
        if threading.get_ident() == self.thread:
            self.tape.check_new_history(tensor, node)
        set_node(tensor, node)


class inside:
    """``with inside(tape):`` this thread records into a sub-tape; what it touches from outside becomes inputs."""

    def __init__(self, tape: SubTape) -> None:
        self.tape = tape

    def __enter__(self) -> None:
        self.tape.thread = threading.get_ident()
        watched = Tensor.__dict__["_array"]
        self.alone = not (isinstance(watched, Watched) and watched.thread == self.tape.thread)
        if self.alone:  # a gradient that is taken after the recording
            tracing.acquire()
        self.before = (
            Tensor.__dict__["_array"], Tensor.__dict__["_node"], random_operations.DRAW, getattr(ACTIVE, "tape", None),
        )  # fmt: skip
        type.__setattr__(Tensor, "_array", _WatchedInside(self.tape))
        type.__setattr__(Tensor, "_node", _WatchedHistory(self.tape))
        random_operations.DRAW = self._draw
        ACTIVE.tape = self.tape
        self.tapes = _tapes(self.tape.thread)
        if self.tape.homes is not None:
            _set_tapes(self.tape.thread, dict.fromkeys(self.tapes, self.tape))

    def _draw(self, function: Any, source: Any, args: Any, kwargs: Any) -> Any:
        if threading.get_ident() != self.tape.thread:
            return function(source, *args, **kwargs)
        return self.tape.draw(function, source, args, kwargs)

    def __exit__(self, *exc: object) -> None:
        array, node, random_operations.DRAW, ACTIVE.tape = self.before
        type.__setattr__(Tensor, "_array", array)
        type.__setattr__(Tensor, "_node", node)
        _set_tapes(self.tape.thread, self.tapes)
        if self.alone:
            tracing.release()


def _tapes(thread: int) -> dict[type, Any]:
    """For each device's type of arrays the tape that operations on them, and reading them, come to."""
    return {
        kind: backend.tapes.get(thread) for kind, backend in OF_ARRAYS.items() if hasattr(backend, "tapes")
    }


def _set_tapes(thread: int, tapes: dict[type, Any]) -> None:
    for kind, backend in OF_ARRAYS.items():
        if hasattr(backend, "tapes"):
            tape = tapes.get(kind)
            if tape is None:
                backend.tapes.pop(thread, None)
            else:
                backend.tapes[thread] = tape


# --- the finished graph -----------------------------------------------------------------------------------------------------


class SubGraph:
    """Part of a sub-tape as a function on arrays: from ``parameters`` and ``captures`` to ``results`` (all node numbers).

    ``captures``: the inputs from outside that are needed, by their number in the tape. ``key``: the structure; sub-graphs of
    one structure are equal.
    """

    def __init__(
        self, tape: SubTape, parameters: Sequence[int], results: Sequence[int], effects: bool
    ) -> None:
        keys, types = tape.keys, tape.types
        given = set(parameters)
        needed: set[int] = set()
        waiting = list(results)
        if effects:
            waiting += [
                n for n, key in enumerate(keys) if key[0] is CALL and getattr(key[1], "effects", False)
            ]
        while waiting:
            node = waiting.pop()
            if node not in needed and node not in given:
                needed.add(node)
                waiting += operands_of(keys[node])
        needed = {node for node in with_all_results(keys, needed) if node not in given}
        self.captures = [number for number, node in enumerate(tape.input_nodes) if node in needed]
        inputs = [*parameters, *[tape.input_nodes[number] for number in self.captures]]
        numbers = {node: number for number, node in enumerate(inputs)}
        new_keys: list[Any] = [(INPUT, i, *types[node]) for i, node in enumerate(inputs)]
        new_types: list[Any] = [types[node] for node in inputs]
        for node in sorted(needed):
            if keys[node][0] is not INPUT:
                numbers[node] = len(new_keys)
                new_keys.append(_renumbered(keys[node], numbers))
                new_types.append(types[node])
        self.outputs = tuple([(numbers[node], -1) for node in results])
        self.types = [types[node] for node in results]
        self.homes = [tape.home_of(node) for node in results]  # as recorded; where it runs, its inputs say
        self.effects = any(key[0] is CALL and getattr(key[1], "effects", False) for key in new_keys)
        self.key = (tuple(new_keys), self.outputs)
        self._graph = (new_keys, new_types)
        self._hash = hash(self.key)
        self._program: Any = None
        self._places: dict[Any, Sequence[device]] = {}

    def graph(self) -> Graph:
        """The sub-graph as a graph."""
        return graph_of(*self._graph, self.outputs)

    def run(self, inputs: Sequence[Any], outputs: list[Any] | None = None) -> list[Any]:
        """Compute it on arrays: into ``outputs``, or fresh ones, on the devices where its values are."""
        if RECORDED and any([type(array) in RECORDED for array in inputs]):
            return self._run_on_devices(inputs, outputs)
        program = self._program
        if program is None:
            program = self._program = program_for(self.key, self.graph)
        if outputs is None:
            outputs = self.new_outputs(inputs)
        program.run([np.asarray(array, order="C") for array in inputs], outputs)
        return outputs

    def _run_on_devices(self, inputs: Sequence[Any], outputs: list[Any] | None) -> list[Any]:
        arrays = [contiguous(array) for array in inputs]
        if outputs is None:
            outputs = self.new_outputs(arrays)
        homes = tuple([str(device_of(array)) for array in (*arrays, *outputs)])
        program_for((self.key, homes), self.graph, arrays, outputs).run(arrays, outputs)
        return outputs

    def new_outputs(self, inputs: Sequence[Any] = ()) -> list[Any]:
        """Memory for the results of ``inputs``."""
        places = self.places(inputs)
        return [empty_on(where, *type_) for where, type_ in zip(places, self.types, strict=True)]

    def places(self, inputs: Sequence[Any]) -> Sequence[device]:
        """The devices on which the results of ``inputs`` are."""
        homes = tuple([device_of(array) for array in inputs])
        if all([where is CPU for where in homes]):
            return [CPU] * len(self.types)
        if homes not in self._places:
            from ..runtime.device_programs import output_homes

            self._places[homes] = output_homes(self.graph(), homes)
        return self._places[homes]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SubGraph) and self._hash == other._hash and self.key == other.key

    def __hash__(self) -> int:
        return self._hash


def contiguous(array: Any) -> Any:
    """``array`` in C order, on its device."""
    if type(array) not in RECORDED:
        return np.asarray(array, order="C")
    return array if array.flags.c_contiguous else array.copy(order="C")


def _renumbered(key: Any, numbers: dict[int, int]) -> Any:
    kind = key[0]
    if kind is CALL:
        return (kind, key[1], tuple([numbers[n] for n in key[2]]), *key[3:])
    if kind is WRITE:
        return (kind, numbers[key[1]], numbers[key[2]], *key[3:])
    return key if kind is CONST else (kind, numbers[key[1]], *key[2:])
