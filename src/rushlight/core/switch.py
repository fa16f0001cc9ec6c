"""Two bodies for one function: the usual one, and one that also does what a rarely used mode asks for.

Anomaly detection, saved-tensor hooks and inference mode have to see every node or every tensor that is made. A test
on that path would cost every operation of every program; exchanging the function's code while such a mode is on costs
the others nothing. (Rebinding a method would do too, but a class whose attributes change too often is never again cached
by the interpreter.)
"""

from __future__ import annotations

import _thread
from types import CodeType, FunctionType
from typing import Any


class Switch:
    """``function`` runs ``other``'s code between ``turn_on`` and the matching ``turn_off``; calls may nest.

    Both must be of one module, with the same parameters and no closure.

    Example:
        >>> def plain(): return "plain"
        >>> def watched(): return "watched"
        >>> switch = Switch(plain, watched)
        >>> switch.turn_on(); plain(); switch.turn_off(); plain()
        'watched'
        'plain'
    """

    __slots__ = ("_code", "_function", "_lock", "_other", "_users", "original")
    original: Any  # the function with its own code, whatever the switch says

    def __init__(self, function: Any, other: Any) -> None:
        self._function = function
        self._code: CodeType = function.__code__
        self._other: CodeType = other.__code__
        self._users = 0
        self._lock = _thread.allocate_lock()
        self.original = FunctionType(
            self._code, function.__globals__, function.__name__, function.__defaults__
        )

    def turn_on(self) -> None:
        """Run the other body from now on."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._function.__code__ = self._other

    def turn_off(self) -> None:
        """Undo one ``turn_on``."""
        with self._lock:
            self._users -= 1
            if not self._users:
                self._function.__code__ = self._code
