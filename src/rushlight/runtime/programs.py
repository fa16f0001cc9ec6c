"""Recorded pieces and the native programs that they became, looked up by structure."""

from __future__ import annotations

import _thread
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..core.device import RECORDED, on_host, placed_beside

if TYPE_CHECKING:  # the compiler imports it for those programs that are compiled
    from ..ir.graph import Graph

# How many different structures are kept; the one that was used longest ago goes first.
KEPT: Final = 512
_programs: OrderedDict[Any, Any] = OrderedDict()
_lock = _thread.allocate_lock()
_build: list[Callable[[Graph], Any]] = []


def execute(key: Any, make: Callable[[], Graph], inputs: list[Any], outputs: list[Any]) -> Any:
    """Run the piece with this structure on these arrays; it is compiled when it is seen for the first time. The program."""
    try:
        program = program_for(key, make, inputs, outputs)
    except BaseException:
        # Of a signal's handler, most likely (Ctrl-C while something is compiled). The operations have happened for the program
        # that asked for them: it must not find memory that was never written.
        carry_out(make(), inputs, outputs)
        raise
    program.run(inputs, outputs)
    return program


def program_for(
    key: Any, make: Callable[[], Graph], inputs: Sequence[Any] = (), outputs: Sequence[Any] = ()
) -> Any:
    """The program for a structure, made for arrays on the devices of ``inputs`` and ``outputs`` (of fresh memory)."""
    program = _programs.get(key)
    if program is None:
        program = built(make(), inputs, outputs)
        with _lock:
            _programs[key] = program
            if len(_programs) > KEPT:
                _programs.popitem(last=False)
    return program


def built(graph: Graph, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """The program of ``graph`` for arrays on the devices of these."""
    if RECORDED and any([type(array) in RECORDED for array in (*inputs, *outputs)]):
        from .device_programs import build

        return build(graph, inputs, outputs)
    return builder()(graph)


def builder() -> Callable[[Graph], Any]:
    """What makes programs of graphs: the compiler, or NumPy where llvmlite is missing or ``RUSHLIGHT_COMPILER=numpy``."""
    if not _build:
        _build.append(_choose())
    return _build[0]


def _choose() -> Callable[[Graph], Any]:
    if os.environ.get("RUSHLIGHT_COMPILER", "").lower() == "numpy":
        return ReferenceProgram
    try:
        import llvmlite.binding  # noqa: F401
    except ImportError:
        return ReferenceProgram
    from ..compiler.pipeline import build

    return build


def compiles() -> bool:
    """Whether graphs become native code here."""
    return builder() is not ReferenceProgram


def native_program(make: Callable[[], Graph]) -> Any:
    """The program of a graph if it is native code throughout; None if some of it would run in Python."""
    if not compiles():
        return None
    from ..compiler.launch import HostLaunch

    program = builder()(make())
    return None if any([isinstance(line, HostLaunch) for line in program.launches]) else program


class ReferenceProgram:
    """A graph run by NumPy, operation by operation."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def run(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Compute the graph's outputs into ``outputs`` and into the inputs that they replace."""
        carry_out(self.graph, inputs, outputs)


def carry_out(graph: Graph, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
    """Compute the graph's outputs by NumPy into ``outputs`` and into the inputs that they replace."""
    from .reference import evaluate

    fresh = iter(outputs)
    targets = [inputs[out.into] if out.into >= 0 else next(fresh) for out in graph.outputs]
    # Copied before anything is written.
    values = [np.array(value) for value in evaluate(graph, [on_host(array) for array in inputs])]
    for target, value in zip(targets, values, strict=True):
        target[...] = placed_beside(value, target)


def forget() -> None:
    """Drop all programs (the cache of compiled code on disk stays)."""
    with _lock:
        _programs.clear()
