"""Numbers that are not known yet: what ``item()`` gives while a static graph is recorded."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor, init_fields


class PendingNumber(Tensor):
    """A Python number of the future: a 0-dim float64 (or int64, bool) tensor whose value can't be asked for.

    Arithmetic on it is recorded like any other. Where a compiled function returns it, the caller gets the number.
    """

    __slots__ = ()


def pending_number(array: Any) -> PendingNumber:
    """A number around a 0-dim array of a recording."""
    number: PendingNumber = object.__new__(PendingNumber)
    init_fields(number, array)
    return number
