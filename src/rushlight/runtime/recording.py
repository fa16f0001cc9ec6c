"""The recorder: a tape of operations on arrays that are not computed yet, and how it is run.

While a compiled function runs, its tensors hold ``Pending`` arrays (``pending.py``), and every operation on them is noted
here instead of computed. Memory is functional on the tape: a ``Buffer`` knows the node that is its present content, a
change in place gives it another node, and a view reads the buffer's node through strides. When values are needed, or the
function ends, the notes are looked up by their structure; what is found, or else compiled, is a program that computes
what anybody can still see: the buffers that are alive, and the memory from outside that was changed.

Correct before quick: memory that somebody outside of the tape may be looking at (a NumPy array that shares it, a tensor
that was not adopted) is written at once (``Buffer.exposed``), and whatever a graph can't hold is computed on the spot.
"""

from __future__ import annotations

import _thread
import itertools
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..core.device import CPU, OF_ARRAYS, RECORDED, device, on_host, placed, strided
from ..core.sparse_arrays import SparseArray
from ..core.storage import Storage
from .pending import NOT_RECORDED, NeedsValues, Pending, address, pending
from .programs import carry_out
from .tape_keys import CALL, CAST, CONST, INPUT, ITEM, VIEW, WRITE, exact, graph_of, interned

if TYPE_CHECKING:
    from ..ir.graph import Graph

ndarray = np.ndarray
get_ident = _thread.get_ident
getrefcount: Any = getattr(sys, "getrefcount", None)
_PATIENCE: Final = 30.0  # seconds, for another thread's recording
LONGEST: Final = 50_000  # nodes: a longer tape is run in pieces
_MOST_KNOWN: Final = 50_000  # calls whose results' types are remembered


class Buffer:
    """One block of memory: ``root``, a C-contiguous array, and the node that is or will be in it.

    ``node`` is -1 while the content is in memory already and nothing on the tape has read it. ``changed``: the memory is
    from outside (or of an earlier run) and the tape has replaced its content. ``exposed``: somebody may look at the
    memory itself, so it must never lag behind. ``lent``: and may change it without a word, so what is read is copied.
    """

    __slots__ = ("__weakref__", "changed", "exposed", "fresh", "lent", "node", "number", "root")

    def __init__(self, root: Any, node: int, fresh: bool) -> None:
        self.root = root
        self.node = node
        self.number = -1
        self.fresh = fresh
        self.changed = False
        self.exposed = False
        self.lent = False


_set_changed_by: Final[Any] = Storage.changed_by  # type: ignore[misc]  # the slot
_WATCHED: Final[dict[int, Tape]] = {}


class _WatchedStorage(Storage):
    """The storage of memory that a recording has met and that other tensors share. Whoever changes a tensor in place sets
    ``changed_by`` before it writes: that is where the recording computes what it has read of the old content."""

    __slots__ = ()

    @property
    def changed_by(self) -> str:
        return _set_changed_by.__get__(self)  # type: ignore[no-any-return]

    @changed_by.setter
    def changed_by(self, value: str) -> None:
        tape = _WATCHED.get(id(self))
        if tape is not None and tape.thread == get_ident():
            tape.flush()
        _set_changed_by.__set__(self, value)


class Tape:
    """A recording in the making. ``run(graph key, make graph, inputs, outputs)`` is how finished pieces are executed."""

    # Where in the program each node comes from, for tapes that note it (``jit/observed.py``): most do not spend the time.
    sites: list[Any] | None = None
    refuses = (
        False  # while something is tried that must not cost a run: asking for values raises ``NeedsValues``
    )
    homes: Any = (
        None  # of a tape that has met arrays of a GPU: the devices of its nodes (``device_recording.Homes``)
    )

    def __init__(self, execute: Callable[[Any, Callable[[], Graph], list[Any], list[Any]], Any]) -> None:
        self.execute = execute
        self.thread = get_ident()
        self.buffers: list[weakref.ref[Buffer]] = []  # fresh ones, to find out which are still alive
        self.outside: dict[int, Buffer] = {}  # by id of the array
        self.parts: list[Buffer] = []  # of these, the ones that may share memory with others
        self.blocks: dict[Any, list[Buffer]] = {}  # those on devices, by the allocation that they are in
        self.kept: list[Any] = []  # the arrays of ``outside``, so that their ids stay theirs
        self.holders: list[weakref.ref[Any]] = []  # tensors that hold a Pending of this tape
        self.adopted: list[weakref.ref[Any]] = []  # tensors from outside that hold one until the end
        self.watched: list[Any] = []  # storages of adopted tensors that others have as well
        self.pieces = 0
        self.values_read = False  # whether anybody outside of the tape has looked at a value
        self.calm = False  # set by the recorded mode
        self.looks: Any = None  # called with the nodes and types of every piece (``jit/light.py``)
        self.ran: Any = None  # what executed the last piece
        self.finished = False
        self._begin()

    def _begin(self) -> None:
        self.keys: list[Any] = []  # one hashable entry for each node: its structure
        self.types: list[Any] = []  # shape and dtype of each
        self.inputs: list[Any] = []  # arrays
        self.changed: list[Buffer] = []
        self.views: dict[Any, int] = {}

    # --- nodes ----------------------------------------------------------------------------------------------------

    def node(self, key: Any, type_: Any) -> int:
        keys = self.keys
        keys.append(key)
        self.types.append(type_)
        return len(keys) - 1

    def _input(self, root: Any) -> int:
        number = len(self.inputs)
        self.inputs.append(root)
        type_ = interned(root.shape, root.dtype)
        if type(root) is ndarray:
            return self.node((INPUT, number, id(type_)), type_)
        return self.node((INPUT, number, id(type_), OF_ARRAYS[type(root)].device_of(root)), type_)

    def home_of(self, node: int) -> device:
        """The device of a node."""
        where: device = CPU if self.homes is None else self.homes.of(node)
        return where

    def on_devices(self) -> None:
        """From now on there may be arrays of other devices than the CPU here."""
        if self.homes is None and not self.finished:
            from .device_recording import Homes

            self.homes = Homes(self)
            for backend in OF_ARRAYS.values():
                if (tapes := getattr(backend, "tapes", None)) is not None:
                    tapes[self.thread] = self

    def fresh(self, node: int, shape: Any, dtype: Any) -> Pending:
        root = np.empty(shape, dtype)
        buffer = Buffer(root, node, True)
        self.buffers.append(weakref.ref(buffer))
        if len(self.keys) > LONGEST:
            self.flush()
        return pending(self, buffer, root)

    def fresh_in(self, node: int, root: Any) -> Pending:
        """``node``, to be computed into the new array ``root``."""
        buffer = Buffer(root, node, True)
        self.buffers.append(weakref.ref(buffer))
        if len(self.keys) > LONGEST:
            self.flush()
        return pending(self, buffer, root)

    def buffer_node(self, buffer: Buffer) -> int:
        """The node that holds the buffer's content."""
        node = buffer.node
        if node < 0:
            node = buffer.node = self._input(buffer.root)
            buffer.number = len(self.inputs) - 1
        return node

    def read(self, array: Any) -> int:
        """The node with the content of ``array``: a Pending, or a NumPy array from outside."""
        if type(array) is not Pending:
            return self._read_outside(array)
        buffer = array.buffer
        node = buffer.node
        if node < 0:
            if buffer.lent:
                return self._input(np.array(array.memory, order="C"))
            node = self.buffer_node(buffer)
        real = array.memory
        root = buffer.root
        if real is root:
            return node
        value = array.value
        if value is not None and value[0] == node and value[2] is self.keys:
            return value[1]  # type: ignore[no-any-return]
        part = self._view(node, real, root)
        array.value = (node, part, self.keys)
        return part

    def _view(self, node: int, real: Any, root: Any) -> int:
        shape = real.shape
        if real.size == root.size and real.flags.c_contiguous and real.dtype == root.dtype:
            if shape == root.shape:
                return node
            strides, offset = None, 0
        else:
            itemsize = real.itemsize
            strides = tuple([s // itemsize for s in real.strides])
            offset = (address(real) - address(root)) // itemsize if real.size else 0
        key: Any = (VIEW, node, shape, strides, offset)
        if real.dtype != root.dtype:  # parts of complex numbers, whose strides may be those of another view
            key = (*key, real.dtype)
        known = self.views.get(key)
        if known is None:
            known = self.views[key] = self.node(key, interned(shape, real.dtype))
        return known

    def _read_outside(self, array: Any) -> int:
        if not array.ndim and array.base is None and type(array) is ndarray and id(array) not in self.outside:
            value = array.item()
            if value in _STRUCTURAL and array.dtype.kind in "fi":
                return self.constant(value, (), array.dtype)
            return self._input(array)
        if type(array) is ndarray and id(array) not in self.outside:
            array = array.copy()  # of no tensor that takes part, so nobody would say when it is changed
        wrapped = self.wrap(array)
        return self.read(wrapped)

    def wrap(self, array: Any) -> Pending:
        """``array``, which exists, as a Pending."""
        if type(array) is not ndarray:
            if type(array) in RECORDED:
                self.on_devices()
            elif isinstance(array, SparseArray):
                raise NotImplementedError(
                    "compile(fullgraph=True): sparse tensors can't be part of a static graph; compile without fullgraph"
                )
            else:
                array = np.asarray(array)
        buffer = self.outside.get(id(array))
        if buffer is not None:
            return pending(self, buffer, array)
        root = array if array.flags.c_contiguous else span(array)
        part = root.base is not None or type(root) is not ndarray
        if self.changed and part and any([other.changed for other in self._sharing(root, self.changed)]):
            self.flush()
        buffer = Buffer(root, -1, False)
        buffer.exposed = root is not array
        if type(root) is not ndarray:
            self.blocks.setdefault(OF_ARRAYS[type(root)].block(root), []).append(buffer)
        elif part:
            self.parts.append(buffer)
        self.outside[id(array)] = buffer
        self.kept.append(array)
        return pending(self, buffer, array)

    def _sharing(self, root: Any, buffers: Sequence[Buffer]) -> list[Buffer]:
        """Those of ``buffers`` (of a device's arrays: of all) that have memory in common with ``root``."""
        if type(root) is not ndarray:
            start, end = address(root), address(root) + root.nbytes
            return [
                other
                for other in self.blocks.get(OF_ARRAYS[type(root)].block(root), ())
                if other.root is not root
                and start < address(other.root) + other.root.nbytes
                and address(other.root) < end
            ]
        return [
            other
            for other in buffers
            if other.root is not root
            and type(other.root) is ndarray
            and np.may_share_memory(root, other.root)
        ]

    # --- tensors --------------------------------------------------------------------------------------------------

    def adopt(self, tensor: Any) -> None:
        """Let ``tensor``, which holds a NumPy array, hold a Pending until the recording ends."""
        array = tensor._array
        if isinstance(array, SparseArray):
            self.values_read = True  # what is computed of it is no part of a program that could run again
            return
        if type(array) is Pending or (type(array) in OF_ARRAYS and type(array) not in RECORDED):
            return  # by another thread, meanwhile; or an array whose operations are done at once
        storage = tensor._storage
        shared = storage is not None and getrefcount is not None and getrefcount(storage) > _OF_ONE_TENSOR
        lent = _may_be_lent(storage, array, shared) and _held_by_others(array)
        wrapped = self.wrap(array)
        self.adopted.append(
            weakref.ref(tensor)
        )  # first: whatever is raised from here on, it gets its array back
        tensor._array = wrapped
        if shared:
            self._watch(storage, wrapped)
        if lent:
            wrapped.buffer.exposed = wrapped.buffer.lent = True

    def _watch(self, storage: Any, wrapped: Pending) -> None:
        """Other tensors (views, a base, ``detach()``) have this memory too, and are not part of the recording: it must never
        lag behind, and what was read of it is computed before one of them is changed."""
        wrapped.buffer.exposed = True
        if type(storage) is Storage:
            storage.__class__ = _WatchedStorage
            _WATCHED[id(storage)] = self
            self.watched.append(storage)

    # --- operations -----------------------------------------------------------------------------------------------

    def constant(self, value: Any, shape: Any, dtype: Any, where: device = CPU) -> int:
        """A node with ``value`` everywhere."""
        key = (CONST, exact(value), shape, dtype)
        return self.node(key if where is CPU else (*key, where), interned(shape, dtype))

    def call(
        self,
        record: Any,
        arrays: Sequence[Any],
        attrs: dict[str, Any],
        types_of: Callable[[], Any] | None = None,
    ) -> Any:
        """``record`` on ``arrays`` as a node: a Pending or a tuple of them; NOT_RECORDED if a graph can't hold it."""
        if record.value_dependent or self.finished:
            return NOT_RECORDED
        operands = []
        literals: tuple[Any, ...] = ()
        types = self.types
        kinds = []
        for position, array in enumerate(arrays):
            if type(array) is Pending:
                buffer = array.buffer
                node = buffer.node
                if node < 0 or array.memory is not buffer.root:
                    node = self.read(array)
            elif type(array) is ndarray or type(array) in RECORDED:
                node = self._read_outside(array)
            else:
                try:
                    literals = (*literals, (position, exact(array)))
                except TypeError:
                    return NOT_RECORDED
                continue
            operands.append(node)
            kinds.append(id(types[node]))
        try:
            parameters = tuple([(name, exact(value)) for name, value in attrs.items()]) if attrs else ()
            signature = (record, tuple(kinds), literals, parameters)
            result = _RESULTS.get(signature)
        except TypeError:  # something that can't be compared
            return NOT_RECORDED
        if result is None or (result is NOT_RECORDED and types_of is not None):
            if len(_RESULTS) > _MOST_KNOWN:
                _RESULTS.clear()
            result = _RESULTS[signature] = (
                _result_types(record, arrays, attrs) if types_of is None else _types_of(types_of())
            )
        if result is NOT_RECORDED:
            return NOT_RECORDED
        node = self.node((CALL, record, tuple(operands), literals, parameters), result)
        if type(result) is not list:
            return self.fresh(node, *result)
        return tuple(
            [self.fresh(self.node((ITEM, node, i), type_), *type_) for i, type_ in enumerate(result)]
        )

    def ufunc(self, ufunc: Any, inputs: tuple[Any, ...]) -> Any:
        """A NumPy ufunc on arrays and numbers; NotImplemented where that is not one of the records' functions."""
        record = _UFUNCS.get(ufunc)
        if record is None:
            record = _UFUNCS[ufunc] = UfuncRecord(ufunc)
        arrays = []
        for value in inputs:
            if type(value) is Pending or type(value) is ndarray or type(value) in RECORDED:
                arrays.append(value)
            elif isinstance(value, bool | int | float | complex):
                arrays.append(_weak_number(value, inputs))
            elif isinstance(value, np.generic):
                arrays.append(np.asarray(value))
            else:
                return NotImplemented
        result = self.call(record, arrays, {})
        return NotImplemented if result is NOT_RECORDED else result

    def cast(self, array: Pending, dtype: Any) -> Pending:
        """``array`` in another dtype."""
        if self.finished:
            return self._settled(array).astype(dtype)  # type: ignore[no-any-return]
        node = self.read(array)
        shape = array.memory.shape
        return self.fresh(self.node((CAST, node, dtype), interned(shape, dtype)), shape, dtype)

    def copied(self, array: Pending) -> Pending:
        """The same content in memory of its own."""
        if self.finished:
            return self._settled(array).copy()  # type: ignore[no-any-return]
        return self.fresh(self.read(array), array.memory.shape, array.memory.dtype)

    def write(self, target: Pending, value: Any) -> None:
        """``target[...] = value``."""
        if self.thread != get_ident():
            self.seen_elsewhere(target)[...] = np.asarray(value)
            return
        if type(value) is Pending and value.tape is not self:
            value = value.tape.share(value)
        if self.finished:
            self._settled(target)[...] = np.asarray(value)
            return
        real = target.memory
        if type(value) is not Pending:
            value = self.wrap(value) if type(value) in RECORDED else np.asarray(value)
        if value.shape != real.shape:
            if value.ndim > real.ndim:
                value = value.reshape(value.shape[value.ndim - real.ndim :])
            value = np.broadcast_to(value, real.shape)
        if value.dtype != real.dtype:
            value = value.astype(real.dtype)
        if not real.size:
            return
        buffer = target.buffer
        root = buffer.root
        part = root.base is not None or type(root) is not ndarray
        if not buffer.fresh and not buffer.changed and (self.parts or part):
            sharing = self._sharing(root, list(self.outside.values()) if part else self.parts)
            if sharing:
                # Other arrays are parts of this memory: what was read through them is computed before the change, and
                # the change is made at once.
                buffer.exposed = True
                if any([other.node >= 0 for other in sharing]):
                    self.flush()
        node = self.read(value)
        whole = real.size == root.size and real.flags.c_contiguous and real.dtype == root.dtype
        if real is root or whole:
            if real.shape != root.shape:
                node = self.node((VIEW, node, root.shape, None, 0), interned(root.shape, root.dtype))
            if not buffer.fresh:
                self.buffer_node(buffer)  # the memory must be among the inputs to be written
        else:
            old = self.buffer_node(buffer)
            itemsize = real.itemsize
            strides = tuple([s // itemsize for s in real.strides])
            offset = (address(real) - address(root)) // itemsize
            node = self.node(
                (WRITE, old, node, real.shape, strides, offset), interned(root.shape, root.dtype)
            )
        buffer.node = node
        if not buffer.fresh:
            if not buffer.changed:
                if getrefcount is None or self._unexplained(buffer):
                    buffer.exposed = True
                buffer.changed = True
                self.changed.append(buffer)
            if buffer.exposed:
                self.flush()

    def _unexplained(self, buffer: Buffer) -> bool:
        """Whether something holds the memory of ``buffer`` that is not a Pending of this tape."""
        if type(buffer.root) is not ndarray:
            return False  # all operations on a device's arrays come here while this tape is open
        # Each Pending holds the buffer once and the root once (a view through its base), the list of inputs holds the root.
        return bool(getrefcount(buffer.root) - getrefcount(buffer) > _EXPLAINED)

    # --- values ---------------------------------------------------------------------------------------------------

    def seen_elsewhere(self, array: Any) -> Any:
        """The real array for another thread than the one that records: at once if the recording has only read it."""
        buffer = array.buffer
        deadline = time.monotonic() + _PATIENCE
        while not self.finished and (buffer.changed or (buffer.fresh and buffer.node >= 0)):
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"compile: another thread waited {_PATIENCE} s for a tensor that a compiled function is computing. Threads "
                    "that a compiled function waits for must not use its tensors: pass them their values."
                )
            time.sleep(0.0002)
        return array.memory

    def settle(self, array: Any) -> Any:
        """The real array, computed, for somebody who reads its values."""
        if self.refuses:
            raise NeedsValues
        self.values_read = True
        return self._settled(array)

    def _settled(self, array: Any) -> Any:
        if self.thread != get_ident():
            return self.seen_elsewhere(array)
        buffer = array.buffer
        if buffer.changed or (buffer.fresh and buffer.node >= 0):
            self.flush()
        return array.memory

    def share(self, array: Any) -> Any:
        """The real array, computed, for somebody who may keep or change it."""
        if self.thread != get_ident():
            return self.seen_elsewhere(array)
        if self.refuses:
            raise NeedsValues
        self.values_read = True
        array.buffer.exposed = True
        real = self._settled(array)
        buffer = array.buffer
        if not buffer.fresh and buffer.node >= 0:
            # It may be changed behind the tape's back: what was read so far is computed before that.
            self.flush()
        return real

    def moved(self, array: Pending, where: device) -> Any:
        """``array`` on another device."""
        return placed(self.settle(array), where)

    def check_range(self, array: Any, extent: int, error: type[Exception], message: str, lowest: int) -> None:
        """Raise ``error`` for an index of which an element is not in [lowest, extent)."""
        RangeCheck(extent, error, message, lowest).impl(self._settled(array))

    def item(self, array: Any) -> Any:
        """What ``Tensor.item`` gives for this array."""
        value = on_host(self.settle(array)).item()
        return value if isinstance(value, bool | int | float | complex) else float(value)

    # --- running --------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Compute everything on the tape that anybody can see, and begin the next piece."""
        alive = [buffer for reference in self.buffers if (buffer := reference()) is not None]
        outputs, arrays = self.fresh_outputs(alive)
        for buffer in self.changed:
            outputs.append((buffer.node, buffer.number))
        keys, types, inputs, sites = self.keys, self.types, self.inputs, self.sites
        changed = self.changed
        outside = list(self.outside.values())
        begun = False
        try:
            if self.looks is not None:
                self.looks(keys, types)
            self._begin()
            if outputs:
                self.pieces += 1
                structure = (tuple(keys), tuple(outputs))
                begun = True
                self.ran = self.execute(
                    structure, lambda: graph_of(keys, types, outputs, sites), inputs, arrays
                )
        except BaseException:
            if (
                outputs and not begun
            ):  # a signal's handler has raised: what was recorded has happened all the same
                self._begin()
                carry_out(graph_of(keys, types, outputs), inputs, arrays)
            raise
        finally:
            for buffer in alive:
                buffer.node = buffer.number = -1
                buffer.fresh = False
                self.outside[id(buffer.root)] = buffer
                if type(buffer.root) is not ndarray:
                    block = OF_ARRAYS[type(buffer.root)].block(buffer.root)
                    self.blocks.setdefault(block, []).append(buffer)
            for buffer in outside:
                buffer.node = buffer.number = -1
            for buffer in changed:
                buffer.changed = False
        self.buffers = []

    @staticmethod
    def fresh_outputs(alive: list[Buffer]) -> tuple[list[tuple[int, int]], list[Any]]:
        """The outputs that go to memory of their own, and that memory."""
        wanted = [buffer for buffer in alive if buffer.node >= 0]
        return [(buffer.node, -1) for buffer in wanted], [buffer.root for buffer in wanted]

    def mend(self) -> None:
        """After an error, which a signal's handler may have raised anywhere: drop a node that is only half there."""
        whole = min(len(self.keys), len(self.types))
        del self.keys[whole:], self.types[whole:]
        if self.sites is not None:
            del self.sites[whole:]
        del self.inputs[sum([key[0] is INPUT for key in self.keys]) :]

    def finish(self) -> None:
        """The end of the recording: compute what is left, and give the tensors their arrays."""
        try:
            self.flush()
        except BaseException:
            if self.keys:  # interrupted before anything was run
                self.flush()
            raise
        finally:
            self.close()

    def close(self) -> None:
        """Give the tensors their arrays; whatever else holds a Pending of this tape finds the real array in it."""
        if not self.finished:
            self.finished = True
            if self.homes is not None:
                self.homes.end()
                self.homes = None
            for reference in itertools.chain(self.holders, self.adopted):
                tensor = reference()
                if tensor is not None:
                    if type(tensor._array) is Pending:
                        tensor._array = tensor._array.memory
                    gradient = tensor._grad
                    if gradient is not None and type(gradient._array) is Pending:
                        gradient._array = gradient._array.memory
            for storage in self.watched:
                storage.__class__ = Storage
                del _WATCHED[id(storage)]
            self.watched = []
            self.holders = []
            self.adopted = []
            self.outside = {}
            self.parts = []
            self.blocks = {}
            self.kept = []


def span(array: Any) -> Any:
    """The memory from the first to the last element of an array with gaps or in another order, as one dimension."""
    itemsize = array.itemsize
    span = 1 + sum([(n - 1) * s for n, s in zip(array.shape, array.strides, strict=True)]) // itemsize
    if any([s < 0 or s % itemsize for s in array.strides]):
        raise AssertionError("a tensor's strides are whole and not negative")
    return strided(array, (span if array.size else 0,), (itemsize,))


# Numbers that say what is computed rather than with what: they are part of the structure, so that the compiler can use them.
_STRUCTURAL: Final = frozenset((0.0, 1.0, -1.0, 2.0, -2.0, 0.5))


class UfuncRecord:
    """A NumPy ufunc met on its own, in the place of a primitive's record."""

    value_dependent = False

    def __init__(self, ufunc: Any) -> None:
        self.name = ufunc.__name__
        self.impl = ufunc

    def __repr__(self) -> str:
        return f"<ufunc {self.name}>"


class RangeCheck:
    """That an index stays inside, in the place of a primitive's record: gives nothing, raises when it runs."""

    value_dependent = False
    effects = True
    name = "check_range"

    def __init__(self, extent: int, error: type[Exception], message: str, lowest: int) -> None:
        self.key = (extent, error, message, lowest)

    def impl(self, index: Any) -> Any:
        """Check a NumPy array."""
        extent, error, message, lowest = self.key
        if index.size:
            low, high = int(index.min()), int(index.max())
            if low < lowest or high >= extent:
                raise error(message.format(bad=low if low < lowest else high))
        return np.zeros((), np.bool_)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeCheck) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return "<check_range>"


def _weak_number(value: Any, inputs: tuple[Any, ...]) -> Any:
    """A Python number among arrays takes their dtype where it can, as in NumPy."""
    dtypes = [i.dtype for i in inputs if type(i) is Pending or type(i) is ndarray]
    return np.asarray(value, np.result_type(*dtypes, value))


_UFUNCS: dict[Any, UfuncRecord] = {}
_RESULTS: dict[Any, Any] = {}


def _result_types(record: Any, arrays: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """Shape and dtype of what ``record`` gives (a list for several), found by running it on ones of the same shapes."""
    outline = getattr(record, "outline", None)
    if outline is not None:  # running it would be seen elsewhere
        return _types_of(outline(*arrays, **attrs))
    dummies = []
    for array in arrays:
        if type(array) is Pending or type(array) is ndarray or type(array) in RECORDED:
            make = np.zeros if array.dtype.kind in "iub" else np.ones
            dummies.append(make(array.shape, array.dtype))
        else:
            dummies.append(array)
    try:
        with np.errstate(all="ignore"):
            result = record.impl(*dummies, **attrs)
    except Exception:
        return NOT_RECORDED  # the operation runs on the real arrays, and raises there if it must
    return _types_of(result)


def _types_of(result: Any) -> Any:
    if isinstance(result, tuple):
        return [interned(np.shape(part), np.asarray(part).dtype) for part in result]
    if type(result) not in RECORDED:
        result = np.asarray(result)
    return interned(result.shape, result.dtype)


class _OneTensor:
    __slots__ = ("storage",)

    def __init__(self) -> None:
        self.storage: Any = Storage()


def _may_be_lent(storage: Any, array: Any, shared: bool) -> bool:
    """Whether a NumPy array of the program's may share the memory of a tensor: it came from one, or was asked for."""
    if type(array) is not ndarray:
        return False
    return getattr(storage, "lent", False) or (not shared and array.base is not None)


def _held_by_others(array: Any) -> bool:
    """Whether something holds the memory of a tensor's array beside that tensor."""
    if getrefcount is None:
        return True
    owner = array.base
    if owner is None:
        return bool(getrefcount(array) > _OF_A_TENSOR)
    while type(owner) is ndarray and owner.base is not None:
        owner = owner.base
    return type(owner) is not ndarray or getrefcount(owner) > _OF_A_VIEW


def _references_of_a_tensor() -> tuple[int, int]:
    """What ``_held_by_others`` counts for a tensor's array, and for what it is a view of, where nobody else has them."""
    if getrefcount is None:
        return 0, 0

    def counted(array: Any) -> int:
        owner = array.base
        return int(getrefcount(array) if owner is None else getrefcount(owner))

    def adopted(holder: _OneTensor) -> int:
        array = holder.storage
        return counted(array)

    whole, part = _OneTensor(), _OneTensor()
    whole.storage, part.storage = np.zeros(4), np.zeros(4)[:2]
    return adopted(whole), adopted(part)


_OF_A_TENSOR, _OF_A_VIEW = _references_of_a_tensor()


def _calibrate() -> int:
    """What ``_unexplained`` measures for a buffer that nothing but a tape looks at."""
    if getrefcount is None:
        return 0
    measured = []

    class Measuring(Tape):
        def _unexplained(self, buffer: Buffer) -> bool:
            measured.append(getrefcount(buffer.root) - getrefcount(buffer))
            return False

    class Holder:
        __slots__ = ("__weakref__", "_array", "_storage")
        _array: Any
        _storage: Any

    tape = Measuring(lambda key, make, inputs, outputs: None)
    holder = Holder()
    holder._array, holder._storage = np.zeros(4), None
    tape.adopt(holder)
    tape.write(holder._array, np.ones(4))
    return int(measured[0])


_EXPLAINED: Final = _calibrate()


def _references_of_one_tensor() -> int:
    """The references to a storage that ``adopt`` counts where one tensor has it."""
    if getrefcount is None:
        return 0
    holder = _OneTensor()
    storage = holder.storage
    return int(getrefcount(storage))


_OF_ONE_TENSOR: Final = _references_of_one_tensor()
