"""Programs for graphs that are not on the CPU alone: the graph cut into parts, each on one device.

A training step on a GPU is mostly one part. What makes more of it: counters and numbers that live on the CPU (an
optimizer's step), tensors that are moved, and random numbers, which the device's generator draws in the order in which
the program asked for them. A node is on the device of its operands, as it was while it was recorded
(``device_recording.Homes``); constants are wherever they are used. Parts are run in the order of their levels: a value
that another part needs is computed in an earlier level.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np

from ..core.device import CPU, LOADERS, device, device_of, empty_on, on_host, placed
from ..ir.evaluate import evaluate_node
from ..ir.graph import Graph, Kind, Node, Output
from .cuda import started
from .device_draws import kernel_draws
from .device_recording import Move, drawn_on
from .programs import builder

ndarray = np.ndarray


class _Source(NamedTuple):
    """Where an array comes from: an input of the whole graph, or a value that an earlier part left."""

    is_input: bool
    number: int


class Part(NamedTuple):
    """Nodes that one program computes on one device. ``draw``: a CALL that draws random numbers there, in place of one.

    ``sources``: of its inputs; ``values``: for each of its fresh outputs the number of the value, or of the whole graph's
    output (negative: -1 for the first); ``fresh``: their shapes and dtypes. ``nodes``: the numbers in the whole graph of what
    it computes; ``site``: where the program asks for what is drawn.
    """

    where: device
    program: Any
    draw: Any
    sources: tuple[_Source, ...]
    values: tuple[int, ...]
    fresh: tuple[tuple[Any, Any], ...]
    nodes: tuple[int, ...] = ()
    site: Any = None


class DeviceProgram:
    """A compiled graph with arrays of several devices: ``run`` as ``compiler.pipeline.Program`` has it."""

    def __init__(
        self,
        graph: Graph,
        parts: Sequence[Part],
        copies: Sequence[tuple[_Source, int, int]],
        early: Sequence[tuple[int, int]],
        values: dict[int, Any],
        draws: Any = None,
    ) -> None:
        """``copies``: what is left to be copied to outputs in the end: from where, to which input or fresh output (-1: not
        there). ``early``: inputs that are kept as values before anything runs. ``values``: those that are constants.
        ``draws``: a ``KernelDraw`` if kernels draw."""
        self.graph_before = graph
        self.parts = tuple(parts)
        self.launches = tuple([line for part in parts if part.program for line in part.program.launches])
        self._copies, self._early = tuple(copies), tuple(early)
        self._values = values  # kept between runs, so that captured graphs keep their addresses
        self._draws = draws
        self._lock = allocate_lock()

    def run(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Compute the graph on arrays of the devices that it was made for. Raises what its parts raise, in PyTorch's types:
        ``torch.OutOfMemoryError``, ``RuntimeError`` for a kernel that does not compile."""
        try:
            self._run_parts(inputs, outputs)
        except Exception as error:
            backend = started()
            other = None if backend is None else backend.translated(error)
            if other is not None:
                raise other from error
            raise

    def _run_parts(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        with self._lock:
            if self._draws is not None:
                start = self._draws.source.take_blocks(self._draws.total)
                for part in self.parts:
                    if getattr(part.program, "draws", False):
                        part.program.start_draws(*start)
            for which, number in self._early:
                with _on(device_of(inputs[which])):
                    self._values[number] = inputs[which].copy()
            for part in self.parts:
                self._run(part, inputs, outputs)
            for source, into, fresh in self._copies:
                self._copy(source, into, fresh, inputs, outputs)

    def synchronize(self) -> None:
        """Wait until everything that runs have launched is done."""
        for part in self.parts:
            if hasattr(part.program, "engine"):
                with part.program.engine.here():
                    part.program.engine.synchronize()

    def _array(self, source: _Source, inputs: Sequence[Any]) -> Any:
        return inputs[source.number] if source.is_input else self._values[source.number]

    def _copy(
        self, source: _Source, into: int, fresh: int, inputs: Sequence[Any], outputs: Sequence[Any]
    ) -> None:
        target = inputs[into] if into >= 0 else outputs[fresh]
        where = device_of(target)
        with _on(where):
            value = placed(self._array(source, inputs), where)
            target[...] = value if where is CPU or value.ndim else value.reshape(target.shape)

    def _run(self, part: Part, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        where = part.where
        with _on(where):
            given = []
            for source in part.sources:
                array = self._array(source, inputs)
                if where is CPU:
                    array = on_host(array)
                elif type(array) is not ndarray and device_of(array) != where:
                    array = placed(array, where)
                given.append(array)
            results = []
            for number, (shape, dtype) in zip(part.values, part.fresh, strict=True):
                if number < 0:
                    results.append(outputs[-1 - number])
                    continue
                array = self._values.get(number)
                if array is None:
                    array = self._values[number] = empty_on(where, shape, dtype)
                results.append(array)
            if part.draw is None:
                part.program.run(given, results)
            else:
                _draw(part, given, results)


def _draw(part: Part, given: Sequence[Any], results: Sequence[Any]) -> None:
    record, literals = part.draw
    arguments = [placed(array, part.where) for array in given]
    for position, value in literals:
        arguments.insert(position, value)
    made = record.on(record.source, *arguments)
    for target, value in zip(results, made if isinstance(made, tuple) else (made,), strict=False):
        target[...] = value


def _on(where: device) -> Any:
    """A context in which ``where`` is the current device."""
    if where is CPU:
        return nullcontext()
    backend: Any = LOADERS[where.type]()
    return nullcontext() if backend.count == 1 else backend.on(where)


# --- cutting ----------------------------------------------------------------------------------------------------------


class _Cut:
    """The nodes of a graph by device and level."""

    def __init__(self, graph: Graph, inputs: Sequence[device], outputs: Sequence[device]) -> None:
        """``inputs``, ``outputs``: the devices of the inputs and of the fresh outputs."""
        self.graph = graph
        self.nodes = graph.nodes
        self.in_kernels = kernel_draws(graph)
        self.inputs = list(inputs)
        self.homes: list[device | None] = []
        self.made_on: dict[int, device] = {}  # of what is made of constants, which eager mode has on a GPU
        self.levels: list[int] = []
        self.origin: list[int] = []  # the node that a move copies, seen through all moves
        drawn = {True: 0, False: 0}  # the level of the last random numbers: drawn on a device, or on the CPU
        told: tuple[int, device | None] = (0, None)  # the level and the device of the last collective
        for number, node in enumerate(self.nodes):
            self.origin.append(self._origin(number, node))
            home = self._home(node)
            if home is None:
                found = (
                    node.attrs[1] if node.kind is Kind.CONST and len(node.attrs) > 1 else self._made_on(node)
                )
                if found is not None:
                    self.made_on[number] = found
            record = node.attrs[0] if node.kind is Kind.CALL else None
            drawing = drawn_on(record) is not None and number not in self.in_kernels
            level = 0
            if type(record) is Move:
                self.homes.append(home)
                self.levels.append(self.levels[self.origin[number]])
                continue
            for operand in node.operands:
                level = max(level, self._needs(self.origin[operand], home, drawing))
            if drawing or (getattr(record, "source", None) is not None and number not in self.in_kernels):
                level = max(level, drawn[drawing])
                drawn[drawing] = level
            if getattr(record, "everywhere", False):  # all ranks make these calls in one order
                level = max(level, told[0] + (told[1] not in (None, home)))
                told = (level, home)
            self.homes.append(home)
            self.levels.append(level)
        fresh = iter(outputs)
        self.targets = [self.inputs[into] if into >= 0 else next(fresh, CPU) for _, into in graph.outputs]

    def _origin(self, number: int, node: Node) -> int:
        if node.kind is Kind.CALL and type(node.attrs[0]) is Move:
            return self.origin[node.operands[0]]
        return number

    def _home(self, node: Node) -> device | None:
        if node.kind is Kind.INPUT:
            where: device = self.inputs[node.attrs[0]]
            return where
        if node.kind is Kind.CALL:
            record = node.attrs[0]
            if type(record) is Move:
                target: device = record.target
                return target
            if getattr(record, "everywhere", False):
                return next((device(value) for name, value in node.attrs[2] if name == "device"), CPU)
            drawn = drawn_on(record)
            if drawn is not None:
                return drawn
        homes: list[device | None] = [self.homes[operand] for operand in node.operands]
        if node.kind is Kind.MAP and node.dtype.kind != "c" and homes and not any(homes):
            return None  # made of constants alone: wherever it is used, too
        if node.kind in (Kind.CALL, Kind.MAP, Kind.MATMUL) or (node.kind is Kind.WRITE and homes[0] is None):
            for home in homes:
                if home is not None and home is not CPU:
                    return home
            return self._made_on(node) or CPU
        return homes[0] if homes else None  # of a constant: wherever it is used

    def _made_on(self, node: Node) -> device | None:
        """The GPU that an operand, which is constant, is on in eager mode."""
        return next((self.made_on[operand] for operand in node.operands if operand in self.made_on), None)

    def is_drawn(self, number: int) -> bool:
        """Whether a device draws the node's value, or what it is an item of."""
        node = self.nodes[number]
        if number in self.in_kernels:
            return False
        if node.kind is Kind.ITEM:
            node = self.nodes[node.operands[0]]
        return node.kind is Kind.CALL and drawn_on(node.attrs[0]) is not None

    def _needs(self, operand: int, home: device | None, drawing: bool) -> int:
        """The first level in which a node on ``home`` can have this operand."""
        if (
            self.nodes[operand].kind is Kind.INPUT
            or self.homes[operand] is None
            or self.nodes[operand].several
        ):
            return self.levels[operand]
        return self.levels[operand] + (self.homes[operand] != home or drawing or self.is_drawn(operand))


_Key = tuple[int, str, int]  # level, device, and for what is drawn its node


class _Builder:
    """See ``build``."""

    def __init__(self, graph: Graph, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        self.graph = graph
        self.cut = cut = _Cut(graph, [device_of(a) for a in inputs], [device_of(a) for a in outputs])
        self.members: dict[_Key, list[int]] = {}
        self.part_of: dict[int, _Key] = {}
        for number, node in enumerate(cut.nodes):
            home = cut.homes[number]
            if node.kind is Kind.INPUT or home is None or cut.origin[number] != number:
                continue
            drawn = node.operands[0] if node.kind is Kind.ITEM else number
            key = (cut.levels[number], str(home), drawn if cut.is_drawn(number) else len(cut.nodes))
            self.members.setdefault(key, []).append(number)
            self.part_of[number] = key
        self._join()
        self.order = sorted(self.members)
        self.wanted: set[int] = set()  # values that leave their part
        self.reads = {key: self._read_by(key) for key in self.order}
        self.direct: dict[_Key, list[tuple[int, int, int]]] = {key: [] for key in self.order}
        self.copies: list[tuple[_Source, int, int]] = []
        self.early: list[tuple[int, int]] = []
        self.values: dict[int, Any] = {}
        self._assign_outputs()

    def _join(self) -> None:
        """Move what an early part computes into the next part on its device, where nothing in between reads it: a step that
        waits for a number of the CPU in its last lines is one part, and one graph launch."""
        readers: dict[_Key, set[_Key]] = {key: set() for key in self.members}
        for key, members in self.members.items():
            for number in members:
                for source in self._sources_of(number):
                    if source != key:
                        readers[source].add(key)
        whole = len(self.cut.nodes)
        parts = [key for key in self.members if key[2] == whole]
        for early in sorted(parts, key=lambda key: (key[1] == str(CPU), key[0])):
            later = [key for key in self.members if key[1:] == early[1:] and key[0] > early[0]]
            if not later:
                continue
            late = min(later)
            if any([key != late and key[0] <= late[0] for key in readers[early]]):
                continue
            if self._tells(early) and any(
                [
                    key[1] != early[1] and early[0] <= key[0] <= late[0] and self._tells(key)
                    for key in self.members
                ]
            ):
                continue  # a collective of another device comes in between
            self.members[late] = sorted([*self.members[late], *self.members.pop(early)])
            for number in self.members[late]:
                self.part_of[number] = late
            readers[late] |= readers.pop(early) - {late}
            for found in readers.values():
                if early in found:
                    found.remove(early)
                    found.add(late)

    def _tells(self, key: _Key) -> bool:
        """Whether a part has a collective."""
        nodes = self.cut.nodes
        calls = [nodes[n].attrs[0] for n in self.members[key] if nodes[n].kind is Kind.CALL]
        return any([getattr(record, "everywhere", False) for record in calls])

    def _sources_of(self, number: int) -> set[_Key]:
        """The parts that a node's operands come from."""
        found = set()
        waiting = list(self.cut.nodes[number].operands)
        while waiting:
            origin = self.cut.origin[waiting.pop()]
            own = self.part_of.get(origin)
            if own is not None:
                found.add(own)
            elif self.cut.homes[origin] is None:
                waiting += self.cut.nodes[origin].operands
        return found

    def _read_by(self, key: _Key) -> set[int]:
        """What a part reads that is not its own: inputs, values of other parts, and constants with what they are made of."""
        cut, found = self.cut, set[int]()
        stack = [
            cut.origin[operand] for number in self.members[key] for operand in cut.nodes[number].operands
        ]
        while stack:
            one = stack.pop()
            if self.part_of.get(one) == key or one in found:
                continue
            found.add(one)
            if cut.nodes[one].kind is not Kind.INPUT:
                if cut.homes[one] is None:
                    stack += [cut.origin[operand] for operand in cut.nodes[one].operands]
                else:
                    self.wanted.add(one)
        return found

    def _assign_outputs(self) -> None:
        cut, nodes = self.cut, self.cut.nodes
        written = {into for _, into in self.graph.outputs if into >= 0}
        last_read: dict[int, int] = {}
        for position, key in enumerate(self.order):
            for one in self.reads[key]:
                if nodes[one].kind is Kind.INPUT:
                    last_read[nodes[one].attrs[0]] = position
        fresh = -1
        for (number, into), target in zip(self.graph.outputs, cut.targets, strict=True):
            fresh += into < 0
            at = -1 if into >= 0 else fresh
            origin = cut.origin[number]
            own = self.part_of.get(origin)
            if nodes[origin].kind is Kind.INPUT:
                source = nodes[origin].attrs[0]
                if source in written and source != into:  # its content before anything is changed
                    self.early.append((source, origin))
                    self.copies.append((_Source(False, origin), into, at))
                elif source != into:
                    self.copies.append((_Source(True, source), into, at))
            elif own is None:  # a constant
                self.values[origin] = _constant(nodes, origin)
                self.copies.append((_Source(False, origin), into, at))
            elif (
                cut.homes[origin] != target
                or cut.is_drawn(origin)
                or (into >= 0 and last_read.get(into, -1) > self.order.index(own))
            ):
                self.wanted.add(origin)
                self.copies.append((_Source(False, origin), into, at))
            else:
                self.direct[own].append((origin, into, at))

    def part(self, key: _Key) -> Part:
        """A part with its program."""
        cut, nodes = self.cut, self.cut.nodes
        members = self.members[key]
        where = cut.homes[members[0]]
        assert where is not None
        record = nodes[members[0]].attrs[0] if cut.is_drawn(members[0]) else None
        if record is not None:
            return self._draw(members, where)
        local: dict[int, int] = {}
        made: list[Node] = []
        sources: list[_Source] = []
        input_nodes: list[int] = []
        of_input: dict[int, int] = {}

        def add_input(node: Node, source: _Source) -> int:
            made.append(Node(Kind.INPUT, (), (len(sources),), node.shape, node.dtype, node.site))
            if source.is_input:
                of_input[source.number] = len(sources)
            sources.append(source)
            input_nodes.append(len(made) - 1)
            return len(made) - 1

        for number in sorted(self.reads[key] | set(members)):
            node = nodes[number]
            if node.kind is Kind.INPUT:
                local[number] = add_input(node, _Source(True, node.attrs[0]))
            elif self.part_of.get(number) not in (None, key):
                local[number] = add_input(node, _Source(False, number))
            else:
                draw = cut.in_kernels.get(number)
                if draw is not None:
                    node = node._replace(attrs=(draw, (), ()))
                if node.kind is Kind.CONST:
                    node = node._replace(attrs=node.attrs[:1])
                made.append(node._replace(operands=tuple([local[cut.origin[o]] for o in node.operands])))
                local[number] = len(made) - 1
        leaving: list[Output] = []
        into_inputs: list[Output] = []
        values: list[int] = []
        for number in members:
            if number in self.wanted:
                leaving.append(Output(local[number], -1))
                values.append(number)
        for number, into, at in self.direct[key]:
            if into < 0:
                leaving.append(Output(local[number], -1))
                values.append(-1 - at)
                continue
            if into not in of_input:
                add_input(
                    next(n for n in nodes if n.kind is Kind.INPUT and n.attrs[0] == into), _Source(True, into)
                )
            into_inputs.append(Output(local[number], of_input[into]))
        graph = Graph(tuple(made), tuple(input_nodes), (*leaving, *into_inputs))
        fresh = tuple([(made[n].shape, made[n].dtype) for n, _ in leaving])
        return Part(where, _program(graph, where), None, tuple(sources), tuple(values), fresh, tuple(members))

    def _draw(self, members: Sequence[int], where: device) -> Part:
        nodes = self.cut.nodes
        call = next(n for n in members if nodes[n].kind is Kind.CALL)
        record, literals, _ = nodes[call].attrs
        sources = []
        for operand in nodes[call].operands:
            origin = self.cut.origin[operand]
            node = nodes[origin]
            if self.part_of.get(origin) is None and node.kind is not Kind.INPUT:
                self.values[origin] = _constant(nodes, origin)
            is_input = node.kind is Kind.INPUT
            sources.append(_Source(is_input, node.attrs[0] if is_input else origin))
        items = {nodes[n].attrs[0]: n for n in members if nodes[n].kind is Kind.ITEM} or {0: call}
        numbers = tuple([items.get(i, call) for i in range(max(items) + 1)])
        fresh = tuple([(nodes[n].shape, nodes[n].dtype) for n in numbers])
        return Part(
            where, None, (record, literals), tuple(sources), numbers, fresh, tuple(members), nodes[call].site
        )


def _constant(nodes: Sequence[Node], number: int) -> Any:
    """The value of a node that is made of constants alone."""
    node = nodes[number]
    return evaluate_node(node, [_constant(nodes, operand) for operand in node.operands])


def _program(graph: Graph, where: device) -> Any:
    """The program of one part."""
    if where is CPU:
        return builder()(graph)
    from .cuda_plan import build as build_for_gpu

    with _on(where):
        return build_for_gpu(graph)


def build(graph: Graph, inputs: Sequence[Any], outputs: Sequence[Any]) -> DeviceProgram:
    """The program that computes ``graph`` for arrays on the devices of ``inputs`` and ``outputs`` (its fresh ones)."""
    made = _Builder(graph, inputs, outputs)
    parts = [made.part(key) for key in made.order]
    draws = next(iter(made.cut.in_kernels.values()), None)
    return DeviceProgram(graph, parts, made.copies, made.early, made.values, draws)


def output_homes(graph: Graph, inputs: Sequence[device]) -> list[device]:
    """The devices on which a graph's outputs are computed where its inputs are on these."""
    homes = _Cut(graph, inputs, ()).homes
    of_constants = next((where for where in inputs if where is not CPU), CPU)
    found = [homes[number] for number, _ in graph.outputs]
    return [of_constants if where is None else where for where in found]


__all__ = ["DeviceProgram", "Part", "build", "output_homes"]
