"""What every rule for operations on batches is built on: ``run_batched``, and the rules that many records share.

A rule computes a record on arrays of which some are batches (``runtime.batched``) of one level. It is called as
``rule(record, level, arrays, attrs)`` and returns batches of that level. ``RULES`` has them by the records' names; the
modules ``batching_*`` define them and ``batching`` puts them in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..runtime import batched as arrays_of
from ..runtime.batched import Batched, each, lined_up, top_level, wrap
from .define import Primitive
from .dispatch import as_array, compute

Arrays = list[Any]
RULES: Final[dict[str, Callable[..., Any]]] = {}


def run_batched(record: Primitive, arrays: Any, attrs: dict[str, Any]) -> Any:
    """``record`` on arrays of which at least one is a batch: batches come back."""
    level = top_level(arrays)
    if level < 0:
        return compute(record.impl, arrays, attrs)
    arrays = _without_repetition(list(arrays), level)
    rule: Callable[..., Any] = RULES.get(record.name, looped)
    return rule(record, level, list(arrays), attrs)


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
