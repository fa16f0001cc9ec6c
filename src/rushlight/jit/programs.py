"""Recorded pieces and the native programs that they became, looked up by structure."""

from __future__ import annotations

import _thread
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from ..ir.graph import Graph

# How many different structures are kept; the one that was used longest ago goes first.
KEPT: Final = 512
_programs: OrderedDict[Any, Any] = OrderedDict()
_lock = _thread.allocate_lock()


def execute(key: Any, make: Callable[[], Graph], inputs: list[Any], outputs: list[Any]) -> None:
    """Run the piece with this structure on these arrays; it is compiled when it is seen for the first time."""
    program_for(key, make).run(inputs, outputs)


def program_for(key: Any, make: Callable[[], Graph]) -> Any:
    """The program for a structure."""
    program = _programs.get(key)
    if program is None:
        from ..compiler.pipeline import build

        program = build(make())
        with _lock:
            _programs[key] = program
            if len(_programs) > KEPT:
                _programs.popitem(last=False)
    return program


def forget() -> None:
    """Drop all programs (the cache of compiled code on disk stays)."""
    with _lock:
        _programs.clear()
