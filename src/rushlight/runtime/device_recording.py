"""Recordings with arrays of several devices: which device each node is on.

A tape that meets an array of a GPU asks this module, from then on, where results belong (``Homes``); one that never does
pays nothing. A node is on the device of its operands; 0-dim operands and indices may come from the CPU, everything else
raises what eager mode raises. What goes from one device to another is the node of a ``Move``, or an operand on another
device than the node: ``device_programs`` cuts the graph there.
"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

import numpy as np

from ..core.device import CPU, LOADERS, OF_ARRAYS, device, device_of, on_host, placed
from .device_calls import is_control_flow
from .pending import NOT_RECORDED, Pending
from .recording import Buffer, Tape
from .tape_keys import CALL, CONST, INPUT, ITEM, interned

# Records whose other operands, from this position on, may be index tensors of the CPU.
INDEXED: Final[dict[str, int]] = {"index": 1, "index_put": 2}


def refuse_two_devices(one: object, other: object) -> NoReturn:
    """``RuntimeError`` in PyTorch's words."""
    raise RuntimeError(
        f"Expected all tensors to be on the same device, but found at least two devices, {one} and {other}!"
    )


def refuse_indices() -> NoReturn:
    """``RuntimeError`` for index tensors of a GPU and an indexed one of the CPU, in PyTorch's words."""
    raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")


class Move:
    """A copy on another device, in the place of a primitive's record."""

    value_dependent = False
    name = "to_device"

    def __init__(self, target: device) -> None:
        self.target = target

    def impl(self, array: Any) -> Any:
        """The copy, as the NumPy evaluator of graphs sees it."""
        return np.array(array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Move) and self.target == other.target

    def __hash__(self) -> int:
        return hash(("to_device", self.target))

    def __repr__(self) -> str:
        return f"<to {self.target}>"


def drawn_on(record: Any) -> device | None:
    """The device on which a record draws random numbers; None for other records, and on the CPU."""
    source = getattr(record, "source", None)
    where = None if source is None or not source.elsewhere else source.device
    return where if isinstance(where, device) else None


class Homes:
    """The devices of a tape's nodes. It takes the place of the tape's ``fresh``, ``call``, ``moved``
    and ``write``."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self._keys: Any = None
        self._known: dict[int, device] = {}
        tape.fresh = self.fresh  # type: ignore[method-assign]
        tape.call = self.call  # type: ignore[method-assign]
        tape.moved = self.moved  # type: ignore[method-assign]
        tape.write = self.write  # type: ignore[method-assign]

    def end(self) -> None:
        """The recording is over: the tape is let go."""
        tape = self.tape
        del tape.fresh, tape.call, tape.moved, tape.write
        for backend in OF_ARRAYS.values():
            tapes = getattr(backend, "tapes", None)
            if tapes is not None and tapes.get(tape.thread) is tape:
                del tapes[tape.thread]

    # --- where nodes are ----------------------------------------------------------------------------------------------

    def of(self, node: int) -> device:
        """The device of a node."""
        keys = self.tape.keys
        if keys is not self._keys:
            self._keys, self._known = keys, {}
        known = self._known
        passed = []
        while (found := known.get(node)) is None:
            key = keys[node]
            kind = key[0]
            if kind is INPUT:
                found = key[3] if len(key) > 3 else CPU
            elif kind is CONST:
                found = key[4] if len(key) > 4 else CPU
            elif kind is CALL:
                found = self._of_call(key[1], key[2])
            elif kind is ITEM and is_control_flow(keys[key[1]][1]):
                found = keys[key[1]][1].homes()[key[2]]
            if found is not None:
                known[node] = found
                break
            passed.append(node)
            node = key[1]
        for one in passed:
            known[one] = found
        return found

    def _of_call(self, record: Any, operands: Sequence[int]) -> device:
        if type(record) is Move:
            return record.target
        found = CPU
        if is_control_flow(record):  # its operands go to different operations inside
            homes = [self.of(operand) for operand in operands]
            return next((home for home in homes if home is not CPU), CPU)
        loose = []
        for position, operand in enumerate(operands):
            home = self.of(operand)
            if home is CPU:
                loose.append((position, operand))
            elif found is CPU:
                found = home
            elif home != found:
                refuse_two_devices(found, home)
        if found is not CPU and loose:
            types = self.tape.types
            first_index = INDEXED.get(record.name, len(operands))
            for position, operand in loose:
                if types[operand][0] != () and position < first_index:
                    if position == 0 and first_index < len(operands):
                        refuse_indices()
                    refuse_two_devices(found, "cpu")
        drawn = drawn_on(record)
        return found if drawn is None else drawn

    # --- in the place of the tape's -----------------------------------------------------------------------------------

    def fresh(self, node: int, shape: Any, dtype: Any) -> Pending:
        """Memory for a node where it belongs."""
        tape = self.tape
        try:
            home = self.of(node)
        except RuntimeError:
            first = tape.keys[node][1] if tape.keys[node][0] is ITEM else node
            del tape.keys[first:], tape.types[first:]
            if tape.sites is not None:
                del tape.sites[first:]
            raise
        if home is CPU:
            return type(tape).fresh(tape, node, shape, dtype)
        root = LOADERS[home.type]().made("empty", shape, dtype, home)
        return tape.fresh_in(node, root)

    def call(
        self,
        record: Any,
        arrays: Sequence[Any],
        attrs: dict[str, Any],
        types_of: Callable[[], Any] | None = None,
    ) -> Any:
        """``Tape.call``; what a graph can't hold is computed at once, on the operands' device."""
        tape = self.tape
        result = type(tape).call(tape, record, arrays, attrs, types_of)
        if result is NOT_RECORDED:
            real = [tape.share(a) if type(a) is Pending else a for a in arrays]
            for array in real:
                mode = getattr(OF_ARRAYS.get(type(array)), "mode", None)
                if mode is not None:
                    return mode.call(record, real, attrs)
        return result

    def moved(self, array: Pending, where: device) -> Any:
        """``array`` on another device, as a node."""
        tape = self.tape
        if tape.thread != get_ident():
            return placed(tape.seen_elsewhere(array), where)
        if device_of(array) == where:
            return array
        shape, dtype = array.shape, array.dtype
        node = tape.node((CALL, Move(where), (tape.read(array),), (), ()), interned(shape, dtype))
        return self.fresh(node, shape, dtype)

    def write(self, target: Pending, value: Any) -> None:
        """``Tape.write``, of a value that is moved first to where the target is."""
        tape = self.tape
        if tape.thread == get_ident():
            where = device_of(target)
            if type(value) is Pending:
                value = self.moved(value, where)
            elif where is CPU:
                value = on_host(value)
            elif getattr(value, "ndim", 0) or type(value) in OF_ARRAYS:
                value = placed(value, where)
        type(tape).write(tape, target, value)

    def before_reading(self, array: Any) -> None:
        """Somebody reads a real array past the tape: changes of its memory that wait are made first."""
        tape = self.tape
        buffers: Sequence[Buffer] = tape.blocks.get(OF_ARRAYS[type(array)].block(array), ())
        if any([buffer.changed for buffer in buffers]) and not getattr(tape, "over", False):
            tape.flush()


__all__ = ["INDEXED", "Homes", "Move", "drawn_on", "refuse_indices", "refuse_two_devices"]
