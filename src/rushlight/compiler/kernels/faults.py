"""What native kernels find wrong with values: an index out of range.

A kernel can't raise. It leaves zeros in place of what it could not read, writes nothing outside of its memory, and notes the
fault in a few words of memory that belong to the process; whoever ran the plan calls ``check`` afterwards.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

import numpy as np

from ..codegen.structured import I64, PTR, Function

# kind (0: none), the index, the dimension, its size
_WORDS: Final = np.zeros(4, np.int64)


class Fault(Enum):
    """What went wrong, as eager mode says it."""

    EMBEDDING = 1
    INDEX = 2
    PLACE = 3

    def __hash__(self) -> int:
        return int(self.value)


_MESSAGES: Final[dict[Fault, tuple[type[Exception], str]]] = {
    Fault.EMBEDDING: (IndexError, "index out of range in self"),
    Fault.INDEX: (IndexError, "index {index} is out of bounds for dimension {dim} with size {size}"),
    Fault.PLACE: (RuntimeError, "index {index} is out of bounds for dimension {dim} with size {size}"),
}


def address() -> int:
    """Where kernels note a fault: goes into their ints."""
    return int(_WORDS.ctypes.data)


def note(f: Function, place: Any, kind: Any, index: Any, dim: Any, size: Any) -> None:
    """Code that notes a fault; ``place`` is ``address()``."""
    words = f.b.inttoptr(place, PTR)
    for number, value in enumerate((kind, index, dim, size)):
        f.b.store(f.i64(value), f.at(I64, words, number))


def check() -> None:
    """Raise what a kernel has noted since the last call, if anything: ``IndexError`` or ``RuntimeError``."""
    if _WORDS[0]:
        kind, index, dim, size = _WORDS.tolist()
        _WORDS[0] = 0
        raise message(Fault(kind), index, dim, size)


def message(kind: Fault, index: int, dim: int, size: int) -> Exception:
    """The exception that says what went wrong."""
    error, text = _MESSAGES[kind]
    return error(text.format(index=index, dim=dim, size=size))
