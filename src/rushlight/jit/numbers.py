"""Numbers that are not known yet: what ``item()`` gives while a static graph is recorded."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor, init_fields
from ..runtime.pending import Pending


class PendingNumber(Tensor):
    """A Python number of the future: a 0-dim float64 (or int64, bool) tensor whose value can't be asked for.

    Arithmetic on it is recorded like any other. Where a compiled function returns it, the caller gets the number.
    """

    __slots__ = ()

    def __float__(self) -> float:
        return float(_value(self))

    def __int__(self) -> int:
        return int(_value(self))

    def __index__(self) -> int:
        return _value(self).__index__()  # type: ignore[no-any-return]

    def __complex__(self) -> complex:
        return complex(_value(self))


def _value(number: PendingNumber) -> Any:
    """The number, once the recording is over; until then the tape raises."""
    array = number._array
    return (array.tape.settle(array) if type(array) is Pending else array)[()]


def pending_number(array: Any) -> PendingNumber:
    """A number around a 0-dim array of a recording."""
    number: PendingNumber = object.__new__(PendingNumber)
    init_fields(number, array)
    return number
