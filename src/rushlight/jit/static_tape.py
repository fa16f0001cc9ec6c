"""The tape of the static mode: every tensor that is touched belongs to it, and no value can be read."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.device import CPU, RECORDED, device_of, empty_on, on_host, placed
from ..core.history import LeafNode
from ..core.storage import Storage, describe_site, program_site
from ..core.tensor import Tensor
from ..ir.evaluate import evaluate_node
from ..ir.graph import Graph
from ..ops import random as random_operations
from ..ops.dispatch import check_shapes, compute
from ..runtime.batched import Batched, wrap
from ..runtime.pending import NOT_RECORDED, NeedsValues, Pending, pending
from ..runtime.programs import carry_out, program_for
from ..runtime.recording import Buffer, RangeCheck, Tape
from ..runtime.reference import evaluate
from ..runtime.tape_keys import CALL, CONST, INPUT, ITEM, WRITE, graph_of
from .numbers import pending_number
from .recorded import ACTIVE
from .value_guards import LARGEST, ValueGuard

slot: Any = Tensor.__dict__["_array"]
get_array: Callable[[Tensor], Any] = slot.__get__
set_array: Callable[[Tensor, Any], None] = slot.__set__
get_node: Callable[[Tensor], Any] = Tensor.__dict__["_node"].__get__
tracing = threading.Lock()


class ValueNeeded(RuntimeError):
    """The value of a tensor was asked for while a static graph was recorded.

    Those of a recording are kept (``ACTIVE.refusals``): a program that catches one would go on in a way that it does not go in
    eager mode.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        refusals = getattr(ACTIVE, "refusals", None)
        if refusals is not None:
            refusals.append(self)


class StaticTape(Tape):
    """See the module. ``sources`` says for each input of the graph where its array comes from at every run."""

    # Whether checks of values may try to; a graph that the program asked for has none.
    may_look_at_values = True

    def __init__(self) -> None:
        super().__init__(_never)
        self.thread = threading.get_ident()
        self.states: dict[int, tuple[Tensor, Any]] = {}  # tensors from outside, with the arrays that they had
        self.histories: dict[int, Any] = {}  # and the histories
        self.views_of: dict[int, Any] = {}  # and what they were views of
        self.versions: dict[int, tuple[Storage, int]] = {}
        self.made: dict[int, weakref.ref[Tensor]] = {}  # tensors that were made while recording
        self.rebound: list[str] = []
        self.argument_arrays: dict[int, int] = {}  # id of an argument's array: its number
        self.sources: list[tuple[str, Any]] = []
        self.array_of: dict[int, Any] = {}  # by id of the root: the array that it is the memory of
        self.without_history: set[int] = set()  # ids of arguments that came without one
        self.over = False
        self.fixed: dict[int, list[Any]] = {}  # tensors that never change, with their Pendings
        self.sub_graphs = False  # whether there are graphs inside
        # Values of state that the recording depends on; None where it must not depend on any.
        self.guards: list[ValueGuard] | None = None

    def take_arguments(self, tensors: Sequence[Tensor]) -> None:
        """The arrays of these tensors come from the call's arguments, in their order, at every run."""
        self.without_history.update([id(tensor) for tensor in tensors if get_node(tensor) is None])
        for number, tensor in enumerate(tensors):
            array = get_array(tensor)
            if type(array) is np.ndarray or type(array) in RECORDED:
                self.argument_arrays.setdefault(id(array), number)

    # --- whose tensors ----------------------------------------------------------------------------------------------

    def meet(self, tensor: Tensor, array: Any) -> Any:
        """A tensor that holds a real array is touched: its Pending."""
        if id(tensor) in self.fixed:
            known = self.fixed[id(tensor)]
            if known[1] is None:
                known[1] = self._constant(array, kept=False)
            return known[1]
        if id(tensor) in self.made and self.made[id(tensor)]() is tensor:
            wrapped = self._constant(array)
            self.holders.append(weakref.ref(tensor))
        else:
            wrapped = self.wrap(array)
            self.states[id(tensor)] = (tensor, array)
            self.histories[id(tensor)] = get_node(tensor)
            self.views_of[id(tensor)] = tensor._view
            storage = tensor._storage
            if storage is None:
                storage = tensor._storage = Storage()
            if id(storage) not in self.versions:
                self.versions[id(storage)] = (storage, storage.version)
            self.adopted.append(weakref.ref(tensor))
        set_array(tensor, wrapped)
        return wrapped

    def note_made(self, tensor: Tensor) -> None:
        """A tensor got a real array while recording."""
        if id(tensor) in self.states:
            self.rebound.append(_where())
        else:
            self.made[id(tensor)] = weakref.ref(tensor)

    def adopt(self, tensor: Any) -> None:
        self.meet(tensor, get_array(tensor))

    def see(self, tensor: Tensor, array: Any) -> Any:
        """The array on this tape of a tensor."""
        return array if type(array) is Pending else self.meet(tensor, array)

    def history_of(self, tensor: Tensor, array: Any) -> Any:
        """What ``tensor._node`` is while this tape records (sub-graphs have another answer)."""
        return get_node(tensor)

    def fix(self, tensor: Tensor) -> None:
        """``tensor``, from outside, never changes: its content is part of the graph."""
        self.fixed[id(tensor)] = [tensor, None]

    def _constant(self, array: Any, kept: bool = True) -> Pending:
        """A tensor made from Python's numbers: its content is part of the graph, its memory is the graph's."""
        where = device_of(array)
        content = np.array(on_host(array), order="C", copy=True)
        if (
            content.size
            and (content.size == 1 or (content == content.flat[0]).all())
            and content.dtype.kind in "fiub"
        ):
            value = content.flat[0].item()
            node = self.constant(value, content.shape, content.dtype, where)
        else:
            content = placed(content, where)
            node = self._input(content)
        root = empty_on(where, content.shape, content.dtype) if kept else placed(content, where)
        if where is not CPU:
            self.on_devices()
        buffer = Buffer(root, node, True)
        if kept:
            self.buffers.append(weakref.ref(buffer))
        return pending(self, buffer, root)

    def batch(self, array: Batched) -> Batched:
        """A batch with what is under its levels on this tape, where it was made from Python's numbers."""
        if type(array.value) is Batched:
            inner = self.batch(array.value)
            return array if inner is array.value else wrap(array.level, inner)
        return wrap(array.level, self._constant(array.value)) if type(array.value) is np.ndarray else array

    def _input(self, root: Any) -> int:
        array = self.array_of.get(id(root))
        if array is None:
            self.sources.append(("constant", root))
        elif id(array) in self.argument_arrays:
            self.sources.append(("argument", (self.argument_arrays[id(array)], array is not root)))
        else:
            self.sources.append(("state", root))
        return super()._input(root)

    # --- values -----------------------------------------------------------------------------------------------------

    def settle(self, array: Any) -> Any:
        if self.over:
            return array.memory
        known = self._known(array)
        if known is not None:
            return known
        return self.share(array)

    def share(self, array: Any) -> Any:
        if self.over:
            return array.memory
        if self.refuses:
            raise NeedsValues
        raise ValueNeeded(
            f"compile(fullgraph=True): the value of a tensor is needed while the graph is recorded, at {_where()}. A static "
            "graph can't depend on values in Python: use where(), cond() or while_loop(), return the value, or leave out "
            "fullgraph=True."
        )

    def _known(self, array: Any) -> Any:
        """The value of an array that follows from constants of the graph alone (a shape, for example), or from small state,
        which is then looked at before every run; None for others."""
        keys = self.keys
        result = self.read(array)
        needed: set[int] = set()
        values: dict[int, Any] = {}
        states: dict[int, Any] = {}
        waiting = [result]
        while waiting:
            number = waiting.pop()
            if number in needed:
                continue
            key = keys[number]
            if key[0] is INPUT:
                value = self._known_input(key[1])
                if value is None:
                    value = states[number] = self._small_state(key[1])
                    if value is None:
                        return None
                values[number] = value
            elif key[0] is CALL and getattr(key[1], "effects", False):
                return None
            needed.add(number)
            waiting += operands_of(key)
        nodes = graph_of(keys, self.types, []).nodes
        if states:
            assert self.guards is not None
            constants = {number: value for number, value in values.items() if number not in states}
            steps = [(number, nodes[number]) for number in sorted(needed) if number not in values]
            guard = ValueGuard(states, steps, constants, result)
            self.guards.append(guard)
            return np.array(guard.value)
        for number in sorted(needed):
            node = nodes[number]
            if number not in values:
                values[number] = evaluate_node(node, [values[i] for i in node.operands])
        return np.array(values[result])

    def _known_input(self, number: int) -> Any:
        return on_host(self.inputs[number]) if self.sources[number][0] == "constant" else None

    def _small_state(self, number: int) -> Any:
        """The memory of input ``number``, if the recording may depend on what is in it."""
        root = self.inputs[number]
        if self.guards is None or self.sources[number][0] != "state" or type(root) is not np.ndarray:
            return None
        if root.size > LARGEST:
            return None
        array = self.array_of.get(id(root))
        for tensor, own in self.states.values():
            if own is array and self.histories[id(tensor)] is not None:
                return None
        return root

    def item(self, array: Any) -> Any:
        if self.over:
            return array.memory.item()
        if array.size != 1:
            return self.settle(array)
        array = array.reshape(())
        kind = array.dtype.kind
        if kind in "fV" and array.dtype != np.float64:
            array = array.astype(np.dtype(np.float64))
        elif kind in "iu" and array.dtype != np.int64:
            array = array.astype(np.dtype(np.int64))
        return pending_number(array)

    def wrap(self, array: Any) -> Pending:
        wrapped = super().wrap(array)
        # Every tensor is seen here, so nobody looks at the memory meanwhile (except through NumPy, which is documented).
        wrapped.buffer.exposed = False
        self.array_of[id(wrapped.buffer.root)] = array
        return wrapped

    def _unexplained(self, buffer: Buffer) -> bool:
        return False

    def abandon(self) -> None:
        """After an error: what was recorded so far is carried out, as it would have been without recording."""
        try:
            self.mend()
            del self.sources[len(self.inputs) :]
            alive = [buffer for reference in self.buffers if (buffer := reference()) is not None]
            outputs, arrays = self.fresh_outputs(alive)
            outputs += [(buffer.node, buffer.number) for buffer in self.changed]
            self.over = True
            carry_out(graph_of(self.keys, self.types, outputs), self.inputs, arrays)
        finally:
            self.over = True
            self.close()

    def discard(self) -> None:
        """After an error: forget what was recorded. Nothing that it would have changed has been changed."""
        for storage, version in self.versions.values():
            storage.version = version
        self.over = True
        self.close()
        for tensor, array in self.states.values():
            # Some changes are the tensor's alone: its shape, its history.
            node = self.histories[id(tensor)]
            set_array(tensor, array)
            tensor._node, tensor._view = node, self.views_of[id(tensor)]
            if isinstance(node, LeafNode):
                node.shape = array.shape

    def flush(self) -> None:
        if not self.over and len(self.keys):
            raise ValueNeeded(
                "compile(fullgraph=True): memory that is shared with something outside of the graph is changed, at "
                f"{_where()}: leave out fullgraph=True, or work on a clone()."
            )

    def check_range(self, array: Any, extent: int, error: type[Exception], message: str, lowest: int) -> None:
        self.call(RangeCheck(extent, error, message, lowest), (array,), {})

    def call(
        self,
        record: Any,
        arrays: Sequence[Any],
        attrs: dict[str, Any],
        types_of: Callable[[], Any] | None = None,
    ) -> Any:
        result = super().call(record, arrays, attrs, types_of)
        if result is NOT_RECORDED and types_of is None and not record.value_dependent and not self.finished:
            # Its results' shapes were not found with made-up values: they are with those of this first call.
            values = self._values(arrays)
            try:
                result = super().call(record, arrays, attrs, lambda: compute(record.impl, values, attrs))
            except ValueError as error:
                check_shapes(record, arrays, error)
                raise
        return result

    def _values(self, arrays: Sequence[Any]) -> list[Any]:
        """What the arrays hold in this call, found without running anything twice that has an effect."""
        if any([key[0] is CALL and hasattr(key[1], "outline") for key in self.keys]):
            raise ValueNeeded(  # messages to other processes, which are sent once
                f"compile(fullgraph=True): what an operation after a collective gives depends on values, at {_where()}; leave "
                "out fullgraph=True"
            )
        nodes = [self.read(array) if type(array) is Pending else None for array in arrays]
        graph = graph_of(self.keys, self.types, [(node, -1) for node in nodes if node is not None])
        sources = {key[1].source for key in self.keys if isinstance(key[1], DrawRecord)}
        states = [(source, source.state_bytes()) for source in sources]
        found = iter(evaluate(graph, [on_host(array) for array in self.inputs]))
        for source, state in states:
            source.set_state_bytes(state)
        return [
            np.array(next(found)) if node is not None else array
            for node, array in zip(nodes, arrays, strict=True)
        ]

    def program(self, key: Any, make: Callable[[], Graph], outputs: Sequence[Any]) -> Any:
        """The program for the finished graph; ``outputs``: the fresh memory that it will first run on."""
        return program_for(key, make, self.inputs, outputs)

    # --- random numbers ---------------------------------------------------------------------------------------------

    def draw(self, function: Any, source: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Random numbers as a node: drawn anew at every run, in the order in which they were recorded."""
        copy = type(source)(source.device) if source.elsewhere else type(source)()
        copy.set_state_bytes(source.state_bytes())
        record = DrawRecord(function, source, kwargs)
        result = self.call(record, args, {}, types_of=lambda: record.on(copy, *[_dummy(a) for a in args]))
        if result is NOT_RECORDED:
            raise ValueNeeded(f"compile(fullgraph=True): random numbers can't be recorded at {_where()}")
        return result


class DrawRecord:
    """Drawing from a generator, in the place of a primitive's record. Never merged with another, never left out."""

    value_dependent = False
    effects = True

    def __init__(self, function: Any, source: Any, kwargs: dict[str, Any]) -> None:
        self.name = function.__name__
        self.function = function
        self.source = source
        self.kwargs = kwargs

    def on(self, source: Any, *args: Any) -> Any:
        if source.elsewhere:
            return source.draw(self.function, *args, **self.kwargs)
        return self.function(source, *args, **self.kwargs)

    def impl(self, *args: Any) -> Any:
        made = self.on(self.source, *args)
        return tuple([on_host(one) for one in made]) if isinstance(made, tuple) else on_host(made)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, DrawRecord)
            and self.function is other.function
            and self.source is other.source
            and self.kwargs == other.kwargs
        )

    def __hash__(self) -> int:
        return hash((self.function, id(self.source)))

    def __repr__(self) -> str:
        return f"<draw {self.name}>"


def _dummy(value: Any) -> Any:
    if isinstance(value, Pending):
        return placed(np.full(value.shape, 0.5, value.dtype), device_of(value))
    return value


def _never(key: Any, make: Any, inputs: Any, outputs: Any) -> None:
    raise AssertionError("a static tape runs no pieces: see flush")


def operands_of(key: Any) -> Sequence[int]:
    """The nodes that an entry of a tape's ``keys`` reads."""
    kind = key[0]
    if kind is CALL:
        return key[2]  # type: ignore[no-any-return]
    if kind is WRITE:
        return key[1:3]  # type: ignore[no-any-return]
    return () if kind is INPUT or kind is CONST else key[1:2]


def with_all_results(keys: Sequence[Any], needed: set[int]) -> set[int]:
    """``needed`` (nodes of a tape), with all results of those of them that give several: kernels compute all or none."""
    return needed.union([number for number, key in enumerate(keys) if key[0] is ITEM and key[1] in needed])


def strayed() -> ValueNeeded:
    """For a tensor of another recording."""
    return ValueNeeded(
        "compile(fullgraph=True): a tensor that was made inside a branch or body (or in another recording) is used outside of "
        f"it, at {_where()}; return it instead"
    )


def _where() -> str:
    return describe_site(program_site())


class Watched:
    """Takes the place of ``Tensor._array`` while one thread records: every tensor that it touches joins the tape."""

    def __init__(self, tape: StaticTape) -> None:
        self.tape = tape
        self.thread = tape.thread
        self.busy = False

    def __get__(self, tensor: Any, owner: Any = None) -> Any:
        if tensor is None:
            return self
        array = get_array(tensor)
        if threading.get_ident() != self.thread or type(array) is Batched:
            return array
        if type(array) is Pending:
            if array.tape is not self.tape and not array.tape.finished:
                raise strayed()
            return array
        return self.tape.meet(tensor, array)

    def __set__(self, tensor: Any, value: Any) -> None:
        if threading.get_ident() == self.thread:
            if type(value) is Pending:
                value.held_by(tensor)
            elif type(value) is Batched:
                value = self.tape.batch(value)
            else:
                self.tape.note_made(tensor)
        set_array(tensor, value)


class watching:
    """``with tracing, watching(tape):`` every tensor that this thread touches belongs to the tape. One thread at a time."""

    def __init__(self, tape: StaticTape) -> None:
        self.tape = tape

    def __enter__(self) -> None:
        try:
            random_operations.DRAW = self._draw
            type.__setattr__(Tensor, "_array", Watched(self.tape))
        except BaseException:  # of a signal's handler
            self.__exit__()
            raise

    def _draw(self, function: Any, source: Any, args: Any, kwargs: Any) -> Any:
        if threading.get_ident() != self.tape.thread:
            return (
                source.draw(function, *args, **kwargs)
                if source.elsewhere
                else function(source, *args, **kwargs)
            )
        return self.tape.draw(function, source, args, kwargs)

    def __exit__(self, *exc: object) -> None:
        random_operations.DRAW = None
        type.__setattr__(Tensor, "_array", slot)
