"""Numbers that are not known yet: what ``item()`` gives while a static graph is recorded."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor, init_fields, make_tensor
from ..runtime.pending import Pending


class PendingNumber(Tensor):
    """A Python number of the future: a 0-dim float64 (or int64, bool) tensor whose value can't be asked for.

    Arithmetic on it is recorded like any other. Where a compiled function returns it, the caller gets the number.
    """

    __slots__ = ()

    # Arithmetic with numbers gives numbers, of Python's kinds.

    def __add__(self, other: Any) -> Any:
        return _arithmetic(Tensor.__add__, self, other)

    def __radd__(self, other: Any) -> Any:
        return _arithmetic(Tensor.__radd__, self, other)

    def __sub__(self, other: Any) -> Any:
        return _arithmetic(Tensor.__sub__, self, other)

    def __rsub__(self, other: Any) -> Any:
        return _arithmetic(Tensor.__rsub__, self, other)

    def __mul__(self, other: Any) -> Any:
        return _arithmetic(Tensor.__mul__, self, other)

    def __rmul__(self, other: Any) -> Any:
        return _arithmetic(Tensor.__rmul__, self, other)

    def __truediv__(self, other: Any) -> Any:
        return _arithmetic(Tensor.__truediv__, self, other, exact=False)

    def __rtruediv__(self, other: Any) -> Any:
        return _arithmetic(Tensor.__rtruediv__, self, other, exact=False)

    def __neg__(self) -> Any:
        return _arithmetic(Tensor.__mul__, self, -1)

    def __float__(self) -> float:
        return float(_value(self))

    def __int__(self) -> int:
        return int(_value(self))

    def __index__(self) -> int:
        return _value(self).__index__()  # type: ignore[no-any-return]

    def __complex__(self) -> complex:
        return complex(_value(self))


def _arithmetic(operation: Any, number: PendingNumber, other: Any, exact: bool = True) -> Any:
    """``operation`` on a number; what it gives is a number if ``other`` is one. ``exact``: whole numbers give whole ones."""
    if not isinstance(other, bool | int | float | PendingNumber):
        return operation(number, other)
    kinds = [
        value._array.dtype.kind
        if isinstance(value, PendingNumber)
        else "iuf"[0 if type(value) is not float else 2]
        for value in (number, other)
    ]
    left: Any = number
    if number._array.dtype.kind == "b":
        left = number.long()
    if not exact or "f" in kinds:
        left = left.double()
    if isinstance(other, PendingNumber) and other._array.dtype.kind == "b":
        other = other.long()
    return pending_number(operation(make_tensor(left._array), other)._array)


def _value(number: PendingNumber) -> Any:
    """The number, once the recording is over; until then the tape raises."""
    array = number._array
    return (array.tape.settle(array) if type(array) is Pending else array)[()]


def pending_number(array: Any) -> PendingNumber:
    """A number around a 0-dim array of a recording."""
    number: PendingNumber = object.__new__(PendingNumber)
    init_fields(number, array)
    return number
