"""Compiled programs on a GPU: what ``compiler/cuda.py`` planned, run on CuPy's arrays.

The first run of a program with some arrays launches line by line; the second with the same addresses is captured as a CUDA
graph, and from then on a run is one launch of that graph. A graph has addresses in it, so there is one for every
tuple of addresses, ``MOST_GRAPHS`` at most. A program that meets ever new addresses (a fresh batch in every step) gets
*slots*: the arrays whose addresses changed are copied to memory of the program's own before a run, or from it after
one, and the graph has the slots' addresses. Parameters, whose addresses stay, are never copied.

Lines without a kernel divide the plan into stretches, each with graphs of its own. They call what eager mode calls on the
GPU's arrays (``device_calls``), in the stream's order; where that is NumPy, the stream is waited for, operands come to the
host, and results go back.

What is asked of the machine is in ``cuda_plan_engine.Engine``, so that tests can run plans without a GPU.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ..compiler.cuda import FIRST_CHECK, NOTHING, plan_of
from ..compiler.cuda_lines import DRAW_STATE, CudaClear, CudaCopy, CudaLaunch, CudaProduct
from ..compiler.launch import HostLaunch, Place, Space
from ..ir.graph import Graph, Kind, Node, Output
from .cuda import FAULTS

MOST_GRAPHS: Final = 4
_MOST_SEEN: Final = 16
# Copying more than this for a run costs more than launches do.
_MOST_SLOT_BYTES: Final = 256 << 20
_NUMBER: Final = 16  # bytes: arrays of the host up to this size are numbers, which go to the GPU together


class _Stretch(NamedTuple):
    """Lines between two host calls. ``calls``: what the engine launches, with places for addresses."""

    calls: tuple[Any, ...]
    graphs: OrderedDict[Any, Any]


class CudaProgram:
    """A graph compiled for a GPU: what ``pipeline.Program`` is for a CPU.

    ``run`` returns when everything has been launched. A fault that kernels find (an index out of range) is raised by the
    next run of the program, or by ``check_faults``.
    """

    def __init__(self, graph: Graph, engine: Any = None, captures: bool = True) -> None:
        """``captures``: whether runs may become CUDA graphs; not for single operations, whose arrays are ever new."""
        if engine is None:
            from .cuda_plan_engine import engine as current

            engine = current()
        self.engine = engine
        plan = plan_of(graph)
        self.graph_before, self.graph_after = plan.before, plan.after
        self.groups, self.lines, self.arena_bytes = plan.groups, plan.lines, plan.arena_bytes
        self.launches: tuple[Any, ...] = tuple([line.line for line in plan.lines])
        nodes = self.graph_after.nodes
        self.inputs = tuple([(nodes[i].shape, nodes[i].dtype) for i in self.graph_after.inputs])
        self.outputs = tuple(
            [(nodes[n].shape, nodes[n].dtype) for n, into in self.graph_after.outputs if into < 0]
        )
        self._written = frozenset([into for _, into in self.graph_after.outputs if into >= 0])
        self._checks = plan.checks
        self._signatures = (*self.inputs, *self.outputs)
        self._lock = allocate_lock()
        self._ready = False
        self._may_have_graphs = captures
        self._is_watched = False  # whether a kernel of it may find something wrong
        self._setting: Any = None
        self.draws = any(
            [isinstance(line, CudaLaunch) and DRAW_STATE in line.places for line in self.launches]
        )
        self._drawing = (0, 0)  # seed and first block of the next run's random numbers
        self._drawn: tuple[int, int] | None = None  # what the GPU's memory has
        self._numbers: Any = None  # the GPU's memory for numbers of the host
        self._staged: Any = None
        self._sent = b""
        self._places: dict[int, int] = {}

    # --- building -----------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        engine = self.engine
        sources = [(line.source, line.name) for line in self.launches if isinstance(line, CudaLaunch)]
        functions = iter(engine.compile(sources))
        self._arena = engine.allocate(max(self.arena_bytes, 64))
        self._words, words_address = engine.host_words(FIRST_CHECK + len(self._checks))
        self._words[:FIRST_CHECK] = 0
        self._words[FIRST_CHECK:] = NOTHING
        self._draw_state = engine.allocate(64)
        self._bases = (engine.address_of(self._arena), words_address, engine.address_of(self._draw_state))
        self._drawn = None
        self._blocks = max(
            [0, *[line.ints[0] for line in self.launches if getattr(line, "label", "") == "count draws"]]
        )
        stretches: list[list[Any]] = [[]]
        self._hosts: list[HostLaunch] = []
        for line in self.launches:
            if isinstance(line, HostLaunch):
                self._hosts.append(line)
                stretches.append([])
            elif isinstance(line, CudaLaunch):
                stretches[-1].append((next(functions), line))
            else:
                stretches[-1].append((None, line))
        self._stretches = [_Stretch(tuple(calls), OrderedDict()) for calls in stretches]
        self._seen: OrderedDict[Any, int] = OrderedDict()
        self._last: tuple[int, ...] = ()
        self._slots: dict[int, Any] = {}
        self._moving: set[int] = set()
        self._captures = engine.captures and self._may_have_graphs
        self._ready = True
        if self._checks or any(
            isinstance(line, CudaLaunch) and any(p.space is Space.ARENA and p.number for p in line.places)
            for line in self.launches
        ):
            self._is_watched = True

    # --- running ------------------------------------------------------------------------------------------------------

    def run(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Compute the graph. ``inputs``: C-contiguous arrays on the GPU, of which those that outputs go into are changed, or
        NumPy arrays, which are copied there (and back, if they are changed); ``outputs``: fresh C-contiguous arrays for
        the other outputs. Raises ``ValueError`` for other arrays, what a line in NumPy raises, and what an earlier run's
        kernels found wrong (``IndexError``)."""
        with self._lock:
            if not self._ready:
                self._build()
            self.raise_faults()
            arrays = (*inputs, *outputs)
            if len(inputs) != len(self.inputs) or len(arrays) != len(self._signatures):
                raise ValueError(
                    f"run: {len(inputs)} inputs and {len(outputs)} outputs; the program has {len(self.inputs)} and "
                    f"{len(self.outputs)}"
                )
            addresses, before, after = self._bind(arrays)
            slots = {number for number, _ in (*before, *after)}
            memories = [self._slots[n] if n in slots else array for n, array in enumerate(arrays)]
            for number, place in self._places.items():
                if type(arrays[number]) is np.ndarray and not self.engine.takes_numpy:
                    memories[number] = self._numbers[_NUMBER * place :]
            engine = self.engine
            if self._is_watched:
                _unchecked[id(self)] = self
            if engine.setting != self._setting:  # captured graphs have the old one
                self._setting = engine.setting
                for stretch in self._stretches:
                    stretch.graphs.clear()
            for number, array in before:
                engine.copy_in(self._address_of_slot(number), array)
            if self.draws and self._drawn != self._drawing:
                seed, first = self._drawing
                engine.copy_in(self._bases[2], np.array([seed, first], np.uint64).view(np.int64))
            key = tuple(addresses)
            capture = self._may_capture(key)
            for position, stretch in enumerate(self._stretches):
                if position:
                    self._call(self._hosts[position - 1], memories, addresses)
                self._run_stretch(stretch, key, addresses, capture)
            for number, array in after:
                engine.copy_out(array, self._address_of_slot(number))
            if self.draws:
                self._drawn = (self._drawing[0], self._drawing[1] + self._blocks)

    def start_draws(self, seed: int, first: int) -> None:
        """The next run's random numbers begin at block ``first`` of the stream of ``seed``."""
        self._drawing = (seed, first)

    def _bind(self, arrays: Sequence[Any]) -> tuple[list[int], list[tuple[int, Any]], list[tuple[int, Any]]]:
        """The address of every array, and which are copied into slots before and out of them afterwards."""
        engine = self.engine
        addresses: list[int] = []
        before: list[tuple[int, Any]] = []
        after: list[tuple[int, Any]] = []
        count = len(self.inputs)
        numbers: list[tuple[int, Any]] = []
        for number, (array, (shape, dtype)) in enumerate(zip(arrays, self._signatures, strict=True)):
            what = f"output {number - count}" if number >= count else f"input {number}"
            if tuple(array.shape) != shape or array.dtype != dtype:
                raise ValueError(
                    f"run: {what} is {array.dtype} of shape {tuple(array.shape)}; the program was made for {dtype} of "
                    f"shape {shape}"
                )
            if not array.flags.c_contiguous:
                raise ValueError(f"run: {what} is not contiguous; pass a contiguous copy")
            if isinstance(array, np.ndarray) and not engine.takes_numpy:
                slot = True
            else:
                slot = number in self._moving
            if not slot:
                addresses.append(engine.address_of(array))
                continue
            if (
                type(array) is np.ndarray
                and number < count
                and number not in self._written
                and array.nbytes <= _NUMBER
            ):
                addresses.append(self._address_of_number(number))
                numbers.append((number, array))
                continue
            addresses.append(self._address_of_slot(number))
            if number < count:
                before.append((number, array))
            if number >= count or number in self._written:
                after.append((number, array))
        if numbers:
            self._send(numbers)
        return addresses, before, after

    def _address_of_number(self, number: int) -> int:
        """Where a number of the host is on the GPU: all of them lie together."""
        place = self._places.setdefault(number, len(self._places))
        if self._numbers is None:
            self._numbers = self.engine.allocate(_NUMBER * len(self.inputs))
            self._staged = np.zeros(_NUMBER * len(self.inputs), np.uint8)
        return int(self.engine.address_of(self._numbers)) + _NUMBER * place

    def _send(self, numbers: Sequence[tuple[int, Any]]) -> None:
        """Bring the host's numbers to the GPU, by one copy, if one of them has changed."""
        staged = self._staged
        for number, array in numbers:
            start = _NUMBER * self._places[number]
            staged[start : start + array.nbytes] = array.reshape(-1).view(np.uint8)
        content = staged[: _NUMBER * len(self._places)]
        if content.tobytes() != self._sent:
            self.engine.copy_in(self.engine.address_of(self._numbers), content)
            self._sent = content.tobytes()

    def _address_of_slot(self, number: int) -> int:
        slot = self._slots.get(number)
        if slot is None:
            shape, dtype = self._signatures[number]
            size = dtype.itemsize
            for extent in shape:
                size *= extent
            slot = self._slots[number] = self.engine.allocate(max(size, 64))
        return self.engine.address_of(slot)  # type: ignore[no-any-return]

    def _may_capture(self, key: tuple[int, ...]) -> bool:
        """Whether the run is to make graphs, if it has none; notes which addresses move."""
        if not self._captures:
            return False
        times = self._seen.pop(key, 0) + 1
        self._seen[key] = times
        if times == 1 and len(self._seen) > MOST_GRAPHS and len(self._last) == len(key):
            moved = {i for i, (old, new) in enumerate(zip(self._last, key, strict=True)) if old != new}
            wanted = self._moving | moved
            if sum([self._nbytes(i) for i in wanted]) <= _MOST_SLOT_BYTES:
                self._moving = wanted
                self._seen.clear()
                for stretch in self._stretches:
                    stretch.graphs.clear()
        if len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)
        self._last = key
        return times > 1

    def _nbytes(self, number: int) -> int:
        shape, dtype = self._signatures[number]
        size = int(dtype.itemsize)
        for extent in shape:
            size *= extent
        return size

    def _run_stretch(self, stretch: _Stretch, key: Any, addresses: list[int], capture: bool) -> None:
        if not stretch.calls:
            return
        engine = self.engine
        graph = stretch.graphs.get(key)
        if graph is None and capture and len(stretch.calls) > 1:
            graph = engine.capture(lambda: self._issue(stretch, addresses))
            if graph is None:
                self._captures = False
            else:
                stretch.graphs[key] = graph
                if len(stretch.graphs) > MOST_GRAPHS:
                    stretch.graphs.popitem(last=False)
        if graph is not None:
            engine.replay(graph)
        else:
            self._issue(stretch, addresses)

    def _resolve(self, place: Place, addresses: list[int]) -> int:
        if place.space is Space.ARENA:
            return int(self._bases[place.number]) + place.offset
        number = place.number if place.space is Space.INPUT else len(self.inputs) + place.number
        return addresses[number] + place.offset

    def _issue(self, stretch: _Stretch, addresses: list[int]) -> None:
        """Launch the lines of a stretch, one after the other."""
        engine = self.engine
        for function, line in stretch.calls:
            places = [self._resolve(place, addresses) for place in line.places]
            if isinstance(line, CudaLaunch):
                engine.launch(function, line.grid, line.block, [*places, *line.ints])
            elif isinstance(line, CudaProduct):
                factors = [
                    self._resolve(f, addresses) if isinstance(f, Place) else f
                    for f in (line.alpha, line.beta)
                ]
                engine.product(line, places, factors, isinstance(line.alpha, Place))
            elif isinstance(line, CudaCopy):
                engine.copy(places[1], places[0], line.bytes)
            elif isinstance(line, CudaClear):
                engine.clear(places[0], line.bytes)
            else:
                raise AssertionError(f"a line of type {type(line).__name__}")

    def _call(self, line: HostLaunch, memories: Sequence[Any], addresses: list[int]) -> None:
        """A line without a kernel: on the GPU's arrays, or in NumPy."""
        engine = self.engine

        def array_of(place: Place, shape: Any, dtype: Any) -> Any:
            if place.space is Space.ARENA:
                return engine.view(self._arena, place.offset, shape, dtype)
            number = place.number if place.space is Space.INPUT else len(self.inputs) + place.number
            return engine.view(memories[number], place.offset, shape, dtype)

        operands = [array_of(*operand) for operand in line.operands]
        if getattr(line.function, "everywhere", False):
            line.function.into([array_of(*described) for described in line.results], operands)
            return
        results = engine.called(line.function, operands)
        if results is NotImplemented:
            self._host(line, addresses)
            return
        if not isinstance(results, tuple | list):
            results = (results,)
        for described, value in zip(line.results, results, strict=False):
            engine.assign(array_of(*described), value)

    def _host(self, line: HostLaunch, addresses: list[int]) -> None:
        """A line in NumPy: the stream is waited for."""
        engine = self.engine
        operands = []
        for place, shape, dtype in line.operands:
            array = np.empty(shape, dtype)
            engine.to_host(array, self._resolve(place, addresses))
            operands.append(array)
        results: Any
        into = getattr(line.function, "into", None)
        if into is not None:
            results = [np.empty(shape, dtype) for _, shape, dtype in line.results]
            into(results, operands)
        else:
            results = line.function(*operands)
            if len(line.results) == 1 and not isinstance(results, tuple):
                results = (results,)
        for (place, shape, dtype), value in zip(line.results, results or (), strict=False):
            array = np.ascontiguousarray(np.asarray(value).reshape(shape), dtype)
            engine.to_device(self._resolve(place, addresses), array)

    # --- faults -------------------------------------------------------------------------------------------------------

    def raise_faults(self) -> None:
        """Raise what kernels have noted so far: ``IndexError`` or ``RuntimeError``."""
        if not self._ready:
            return
        words = self._words
        if not words[0] and not self._checks:
            return
        noted = words.copy()
        # All of one fault's traces go: a check and the kernel behind it both see an index that is out of range.
        words[:FIRST_CHECK] = 0
        words[FIRST_CHECK:] = NOTHING
        for number, check in enumerate(self._checks):
            if noted[FIRST_CHECK + number] != NOTHING:
                check(noted[FIRST_CHECK + number])
        if noted[0]:
            from ..compiler.kernels.faults import Fault, message

            kind, index, dim, size = noted[:4].tolist()
            raise message(Fault(kind), index, dim, size)


# The programs whose kernels may have noted something since somebody looked.
_unchecked: dict[int, CudaProgram] = {}


def check_faults() -> None:
    """Wait for the GPU and raise what any program's kernels found wrong. For whoever brings values to the host."""
    while _unchecked:
        _, program = _unchecked.popitem()
        with program.engine.here():
            program.engine.synchronize()
        program.raise_faults()


FAULTS.append(check_faults)


def build(graph: Graph, engine: Any = None) -> CudaProgram:
    """The program that computes ``graph`` on the current GPU: as ``compiler.pipeline.build`` for a CPU. Kernels are compiled
    when it is first run; ``RuntimeError`` with the kernel's name and the compiler's messages if one is refused."""
    return CudaProgram(graph, engine)


# --- single operations ------------------------------------------------------------------------------------------------

_MOST_CALLS: Final = 1024
# Elements: results of larger operands are not found by computing them.
_MOST_TRIED: Final = 1 << 18
_calls: OrderedDict[Any, Any] = OrderedDict()


def eager_call(record: Any, arrays: Sequence[Any], attrs: dict[str, Any], engine: Any = None) -> Any:
    """One primitive on arrays of the GPU, by the kernels of compiled programs; NotImplemented where it has none.

    ``arrays``: C-contiguous arrays, or None and Python numbers where the record has such arguments. Gives an array, or
    a tuple for records with several results. Programs are kept by shapes, kernels by their form: another
    shape costs planning, not compilation.
    """
    engine = engine or _engine()
    literals = tuple([(i, a) for i, a in enumerate(arrays) if not hasattr(a, "dtype")])
    operands = [a for a in arrays if hasattr(a, "dtype")]
    try:
        key = (
            id(engine), record.name, tuple([(tuple(a.shape), a.dtype) for a in operands]), literals,
            tuple([type(v) for _, v in literals]), tuple(sorted(attrs.items())),
        )  # fmt: skip
        found = _calls.get(key)
    except TypeError:
        return NotImplemented
    if found is None:
        found = _calls[key] = _single(record, operands, literals, attrs, engine)
        if len(_calls) > _MOST_CALLS:
            _calls.popitem(last=False)
    if found is NotImplemented or any(not a.flags.c_contiguous for a in operands):
        return NotImplemented
    program, several = found
    results = [engine.empty(shape, dtype) for shape, dtype in program.outputs]
    program.run(operands, results)
    return tuple(results) if several else results[0]


def _engine() -> Any:
    from .cuda_plan_engine import engine

    return engine()


def _results_of(record: Any, nodes: Sequence[Node], literals: Any, attrs: dict[str, Any]) -> Any:
    """Arrays of the results' shapes and dtypes: from the record's own function, on ones; of large arrays on arrays without
    values (``meta_results``). None where that is not possible: the eager path says what is wrong."""
    large = sum([node.size for node in nodes]) > _MOST_TRIED
    arguments: list[Any] = []
    if large:
        from .meta_arrays import made as without_values

        arguments = [without_values(node.shape, node.dtype) for node in nodes]
    else:
        arguments = [np.ones(node.shape, node.dtype) for node in nodes]
    for position, value in literals:
        arguments.insert(position, value)
    try:
        if large:
            from .meta_results import function_results

            return function_results(record.impl, tuple(arguments), attrs, record.name)
        with np.errstate(all="ignore"):
            return record.impl(*arguments, **attrs)
    except Exception:
        return None


def _single(record: Any, operands: Sequence[Any], literals: Any, attrs: dict[str, Any], engine: Any) -> Any:
    """A program of one CALL, and whether it has several results; NotImplemented if a line of it would run in NumPy."""
    if getattr(record, "effects", False) or getattr(record, "value_dependent", False):
        return NotImplemented
    nodes = [Node(Kind.INPUT, (), (i,), tuple(a.shape), np.dtype(a.dtype)) for i, a in enumerate(operands)]
    made = _results_of(record, nodes, literals, attrs)
    if made is None:
        return NotImplemented
    several = isinstance(made, tuple)
    call = (record, literals, tuple(sorted(attrs.items())))
    inputs = tuple(range(len(nodes)))
    if several:
        nodes.append(Node(Kind.CALL, inputs, call, None, None))  # type: ignore[arg-type]
        first = len(nodes) - 1
        for number, one in enumerate(made):
            if one is None:
                return NotImplemented
            nodes.append(Node(Kind.ITEM, (first,), (number,), tuple(one.shape), np.dtype(one.dtype)))
        outputs = tuple([Output(first + 1 + i, -1) for i in range(len(made))])
    else:
        if not hasattr(made, "dtype"):
            made = np.asarray(made)
        nodes.append(Node(Kind.CALL, inputs, call, tuple(made.shape), np.dtype(made.dtype)))
        outputs = (Output(len(nodes) - 1, -1),)
    program = CudaProgram(Graph(tuple(nodes), inputs, outputs), engine, captures=False)
    if any(isinstance(line, HostLaunch) for line in program.launches):
        return NotImplemented
    return program, several
