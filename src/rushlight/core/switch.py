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


_stand_ins: dict[tuple[str, int], CodeType] = {}


def stand_in_code(source: str, outer_variables: int) -> CodeType:
    """The code of ``def stand_in(...)`` in ``source``, to be given to a function that has so many outer variables.

    A function's code must name as many as the function has, whether it uses them or not; and it must fetch them, as the
    compiler lets it, because a frame that has not can't be looked at (by a debugger, by a traceback) without a crash.
    """
    found = _stand_ins.get((source, outer_variables))
    if found is None:
        names = [f"outer{number}" for number in range(outer_variables)]
        lines = ["    " + line for line in source.strip().splitlines()]
        never = [f"        if False: ({', '.join(names)},)"] if names else []
        text = "\n".join([f"def outside({', '.join(names)}):", *lines, *never, "    return stand_in"])
        space: dict[str, Any] = {}
        exec(text, space)
        found = _stand_ins[source, outer_variables] = space["outside"](*names).__code__
    return found
