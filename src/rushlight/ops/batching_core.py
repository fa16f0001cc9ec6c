"""What every rule for operations on batches is built on: ``run_batched``, and the rules that many records share.

A rule computes a record on arrays of which some are batches (``runtime.batched``) of one level. It is called as
``rule(record, level, arrays, attrs)`` and returns batches of that level. ``RULES`` has them by the records' names; the
modules ``batching_*`` define them and ``batching`` puts them in.
"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.device import OF_ARRAYS, device_of, placed
from ..runtime import batched as arrays_of
from ..runtime.batched import Batched, bottom, each, lined_up, top_level, wrap
from ..runtime.pending import NOT_RECORDED, NeedsValues, Pending
from .define import Primitive
from .dispatch import as_array, compute, run

Arrays = list[Any]
RULES: Final[dict[str, Callable[..., Any]]] = {}


def run_batched(record: Primitive, arrays: Any, attrs: dict[str, Any]) -> Any:
    """``record`` on arrays of which at least one is a batch: batches come back."""
    level = top_level(arrays)
    if level < 0:
        for array in arrays:
            if type(array) is Pending or type(array) in OF_ARRAYS:
                return run(record, arrays, attrs)
        return compute(record.impl, arrays, attrs)
    tape = _tape_under(arrays)
    if tape is not None:
        return _recorded(tape, record, arrays, attrs)
    return _by_rule(record, level, arrays, attrs)


def _by_rule(record: Primitive, level: int, arrays: Any, attrs: dict[str, Any]) -> Any:
    arrays = list(arrays)
    if OF_ARRAYS:
        arrays = _on_one_device(record, arrays)
    arrays = _without_repetition(arrays, level)
    rule: Callable[..., Any] = RULES.get(record.name, looped)
    return rule(record, level, list(arrays), attrs)


def _on_one_device(record: Primitive, arrays: Arrays) -> Arrays:
    """The operands, with numbers and indices of the CPU on the device of the others, as ``cuda_operations`` has it; raises
    ``RuntimeError`` for other operands of two devices."""
    places = [device_of(bottom(a)) if hasattr(a, "ndim") else None for a in arrays]
    if len({place for place in places if place is not None}) < 2:
        return arrays
    from ..runtime.device_recording import INDEXED, refuse_two_devices

    where = next(place for place in places if place is not None and place.type != "cpu")
    first_index = INDEXED.get(record.name, len(arrays))
    for position, (array, place) in enumerate(zip(arrays, places, strict=True)):
        if place is None or place == where:
            continue
        if place.type != "cpu" or (array.ndim and position < first_index):
            refuse_two_devices(where, place)
        arrays[position] = placed(array, where)
    return arrays


# --- in a recording ---------------------------------------------------------------------------------------------------


def _tape_under(arrays: Any) -> Any:
    """The recording that the content of the batches belongs to, None if it is known."""
    for array in arrays:
        under = bottom(array)
        if type(under) is Pending and not under.tape.finished and under.tape.thread == get_ident():
            return under.tape
    return None


def _recorded(tape: Any, record: Primitive, arrays: Any, attrs: dict[str, Any]) -> Any:
    """``record`` on batches whose content is not computed yet: by its rule, where that comes down to operations that a graph
    holds; else as one node, which runs the rule when the graph runs."""
    level = top_level(arrays)
    if record.name not in _ONE_NODE:
        tape.refuses = True
        try:
            return _by_rule(record, level, arrays, attrs)
        except NeedsValues:
            pass
        finally:
            tape.refuses = False
    if record.value_dependent:
        return _by_rule(record, level, arrays, attrs)
    node = BatchedRecord(record, arrays, attrs)
    bottoms = [bottom(array) for array in arrays if array is not None]
    try:
        node.on_examples(bottoms)
    except Exception:  # made-up values won't do
        return _by_rule(record, level, arrays, attrs)
    found = tape.call(node, bottoms, {}, lambda: node.on_examples(bottoms))
    if found is NOT_RECORDED:
        return _by_rule(record, level, arrays, attrs)
    return node.wrapped(found, bottoms)


_ONE_NODE: Final[frozenset[str]] = frozenset()


class BatchedRecord:
    """A record on batches in the place of a primitive's record: on the arrays under all levels.

    ``levels``: for each operand its levels from the outside in, by their rank among all, so that equal structures are equal;
    None for an operand that is left out.
    """

    value_dependent = False

    def __init__(self, record: Primitive, arrays: Any, attrs: dict[str, Any]) -> None:
        self.record = record
        self.name = f"batched_{record.name}"
        every = [None if array is None else _levels_of(array) for array in arrays]
        self.own = sorted({level for levels in every if levels is not None for level in levels})
        self.levels = tuple(
            [None if levels is None else tuple([self.own.index(n) for n in levels]) for levels in every]
        )
        self.attrs = attrs
        self.key = (
            record.name,
            self.levels,
            tuple([(name, _frozen(value)) for name, value in attrs.items()]),
        )

    def impl(self, *arrays: Any) -> Any:
        """Run the rule on NumPy arrays; several results are a tuple."""
        _, values = _unwrapped(self._run(arrays))
        return tuple(values) if len(values) > 1 else values[0]

    def _run(self, arrays: Any) -> Any:
        given = iter(arrays)
        operands = []
        for levels in self.levels:
            array = None if levels is None else next(given)
            for level in reversed(levels or ()):
                array = wrap(level, array)
            operands.append(array)
        return run_batched(self.record, operands, self.attrs)

    def on_examples(self, arrays: Any) -> Any:
        """What it gives for made-up values."""
        made = [(np.zeros if a.dtype.kind in "iub" else np.ones)(a.shape, a.dtype) for a in arrays]
        with np.errstate(all="ignore"):
            return self.impl(*made)

    def wrapped(self, found: Any, arrays: Any) -> Any:
        """The results, whose content is ``found``, as batches."""
        types = (self, *[(a.shape, a.dtype) for a in arrays])
        kinds = _STRUCTURES.get(types)
        if kinds is None:
            made = [(np.zeros if a.dtype.kind in "iub" else np.ones)(a.shape, a.dtype) for a in arrays]
            with np.errstate(all="ignore"):
                kinds = _unwrapped(self._run(made))[0]
            if len(_STRUCTURES) > _MOST_STRUCTURES:
                _STRUCTURES.clear()
            _STRUCTURES[types] = kinds
        several, levels_of_each = kinds
        values = list(found) if isinstance(found, tuple) else [found]
        results = []
        for levels, value in zip(levels_of_each, values, strict=True):
            for level in reversed(levels):
                value = wrap(self.own[level], value)
            results.append(value)
        return tuple(results) if several else results[0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BatchedRecord) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"<{self.name}>"


_STRUCTURES: Final[dict[Any, Any]] = {}
_MOST_STRUCTURES: Final = 10_000


def _levels_of(array: Any) -> tuple[int, ...]:
    levels = []
    while type(array) is Batched:
        levels.append(array.level)
        array = array.value
    return tuple(levels)


def _unwrapped(result: Any) -> tuple[tuple[bool, tuple[Any, ...]], list[Any]]:
    """How many results and their levels; and the arrays under these."""
    several = isinstance(result, tuple)
    parts = list(result) if several else [result]
    return (several, tuple([_levels_of(part) for part in parts])), [as_array(bottom(part)) for part in parts]


def _frozen(value: Any) -> Any:
    """A parameter so that it can be compared and has a hash."""
    if isinstance(value, tuple | list):
        return (type(value), tuple([_frozen(part) for part in value]))
    if isinstance(value, dict):
        return (dict, tuple([(name, _frozen(part)) for name, part in value.items()]))
    if isinstance(value, slice):
        return (slice, value.start, value.stop, value.step)
    if type(value) is float:
        return (float, value.hex())
    return (type(value), value)


def _without_repetition(arrays: Arrays, level: int) -> Arrays:
    """The arrays, with those that are the same for all examples given as what they repeat, unless all are."""
    plain = [_repeated(a, level) for a in arrays]
    if any([kept and belongs(a, level) for a, kept in zip(arrays, [p is None for p in plain], strict=True)]):
        return [a if p is None else p for a, p in zip(arrays, plain, strict=True)]
    return arrays


def _repeated(array: Any, level: int) -> Any:
    if belongs(array, level):
        value = array.value
        if value.shape[0] > 1 and value.strides[0] == 0:
            return value[0, ...]
    return None


class Mode:
    """What ``dispatch.apply`` hands an operation on batches to, in place of a recording's tape."""

    finished = False

    @staticmethod
    def call(record: Primitive, arrays: Any, attrs: dict[str, Any]) -> Any:
        return run_batched(record, arrays, attrs)


MODE: Final = Mode()


def inward(record: Primitive, level: int, values: Any, attrs: dict[str, Any]) -> Any:
    """``record`` one level further in; the results are batches of ``level``."""
    return _wrapped(level, run_batched(record, values, attrs))


def _wrapped(level: int, result: Any) -> Any:
    if isinstance(result, tuple):
        return tuple([_wrapped(level, part) for part in result])
    return wrap(level, as_array(result))


def belongs(array: Any, level: int) -> bool:
    return type(array) is Batched and array.level == level


# --- the general rules -----------------------------------------------------------------------------------------------


def looped(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Once for each example."""

    def one(*arrays: Any, **attrs: Any) -> Any:
        return run_batched(record, arrays, attrs)

    one.__name__ = record.name
    return each(one, arrays, attrs)


def direct(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """The implementation is made of NumPy's functions and methods that batches have."""
    return compute(record.impl, arrays, attrs)


def lined(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Element by element: dimensions lined up from the last one."""
    ndim = max([a.ndim for a in arrays if hasattr(a, "ndim")])
    values = [lined_up(a, ndim) if belongs(a, level) else a for a in arrays]
    if any([type(v) is Batched and v.level == level for v in attrs.values()]):
        return looped(record, level, arrays, attrs)
    return inward(record, level, values, attrs)


def refused(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """The shape of the result depends on the values."""
    raise arrays_of.dynamic_shape(record.name)
