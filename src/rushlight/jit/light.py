"""Functions that cost more to record than to run: small arrays, and Python that has to run on every call.

Recording costs about 10 µs for an operation, an operation on a small array 2 µs. Where a recording can't be replayed, because
values are read on every other line (line searches, games) or because the function does something else in Python, eager mode is
the quicker way. Whether that is so is counted, not measured, so that a program does the same on every machine:

* a call is *light* if it was recorded in Python and its operations worked on ``MOST_PER_OPERATION`` elements in the mean and
  none of them on more than ``MOST``;
* after ``CALLS`` light calls in a row the function runs eagerly, without being recorded, ``EAGER`` times; then one call is
  recorded again, and decides anew;
* an argument that is larger than any in the light calls is recorded.
"""

from __future__ import annotations

from math import prod
from typing import Any, Final

import numpy as np

from ..core.tensor import Tensor
from ..runtime.tape_keys import CALL, CAST, WRITE

CALLS: Final = 16
EAGER: Final = 255
MOST_PER_OPERATION: Final = 4096
MOST: Final = 1 << 16
_HEAVY: Final = 15  # calls that are not looked at after a heavy one, since looking costs time

_ndarray = np.ndarray


class Light:
    """What is known of a function's last calls. ``eager``: how many calls may still run eagerly. ``in_python``: how many in a
    row were recorded in Python."""

    __slots__ = ("_elements", "_heavy", "_largest", "_operations", "_seen", "_skip", "eager", "in_python")

    def __init__(self) -> None:
        self.eager = self.in_python = 0
        self._seen = 0  # light calls in a row
        self._skip = 0
        self._largest = 0  # the largest argument of these
        self._heavy = False
        self._elements = self._operations = 0

    def takes(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether this call, of those that may run eagerly, is one: no argument is larger than it was."""
        for value in args:
            if isinstance(value, Tensor):
                if value._array.size > self._largest:
                    break
            elif type(value) is _ndarray and value.size > self._largest:
                break
        else:
            if not kwargs or _largest_of(tuple(kwargs.values())) <= self._largest:
                self.eager -= 1
                return True
        self.eager = self._seen = self._largest = 0
        return False

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What a tape shall call with the nodes of each of its pieces; None if nobody wants to know."""
        if self._skip:
            self._skip -= 1
            return None
        self._largest = max(self._largest, _largest_of((*args, *kwargs.values())))
        self._heavy = False
        self._elements = self._operations = 0
        return self._piece

    def _piece(self, keys: list[Any], types: list[Any]) -> None:
        for key, type_ in zip(keys, types, strict=True):
            kind = key[0]
            if kind == CALL:
                operands = key[2]
            elif kind == CAST:
                operands = key[1:2]
            elif kind == WRITE:
                operands = key[1:3]
            else:
                continue
            # Several results are nodes of their own: the type of such a node is a list.
            made = [prod(type_[0])] if type(type_) is tuple else [prod(one[0]) for one in type_]
            sizes = [*made, *[prod(types[node][0]) for node in operands if type(types[node]) is tuple]]
            self._operations += 1
            self._elements += sum(sizes)
            self._heavy = self._heavy or max(sizes) > MOST

    def end(self) -> None:
        """A call that was recorded and looked at is over."""
        if self._heavy or self._elements > MOST_PER_OPERATION * max(self._operations, 1):
            self._seen = self._largest = 0
            self._skip = _HEAVY
            return
        self._seen += 1
        if self._seen >= CALLS:
            self.eager = EAGER

    def replayed(self) -> None:
        """A call ran without Python, which is quicker still."""
        self._seen = self.in_python = 0


def _largest_of(values: tuple[Any, ...]) -> int:
    sizes = [
        value._array.size if isinstance(value, Tensor) else value.size
        for value in values
        if isinstance(value, Tensor | _ndarray)
    ]
    return max(sizes, default=0)
