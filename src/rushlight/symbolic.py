"""``torch.SymInt`` and its kin. Sizes are plain Python numbers here, so the classes have no members and the functions are
Python's own; programs that are written for both forms take their ordinary branch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any


class SymInt:
    """A size that is not known yet: never made here, so ``isinstance(n, SymInt)`` is False."""


class SymFloat:
    """A number that is not known yet: never made here."""


class SymBool:
    """A condition that is not known yet: never made here."""


def sym_int(a: Any) -> int:
    """``int(a)``."""
    return int(a)


def sym_float(a: Any) -> float:
    """``float(a)``."""
    return float(a)


def sym_not(a: Any) -> bool:
    """``not a``."""
    return not a


def sym_max(a: Any, b: Any) -> Any:
    """The larger number; a float if either is one.

    Example:
        >>> sym_max(3, 2.0)
        3.0
    """
    return max(float(a), float(b)) if isinstance(a, float) or isinstance(b, float) else max(a, b)


def sym_min(a: Any, b: Any) -> Any:
    """The smaller number; a float if either is one."""
    return min(float(a), float(b)) if isinstance(a, float) or isinstance(b, float) else min(a, b)


def sym_sum(*args: Any) -> Any:
    """The sum of numbers, or of those in one sequence."""
    return sum(args[0] if len(args) == 1 and isinstance(args[0], Iterable) else args)


def sym_sqrt(a: Any) -> float:
    """``math.sqrt(a)``."""
    return math.sqrt(a)


def sym_ite(b: bool, t: Any, f: Any) -> Any:
    """``t if b else f``."""
    return t if b else f
