"""One call of a compiled function with a record of the programs that it ran, for ``explain``.

The function is called once, on its own tensors, so its state afterwards is that after any other call. What is measured
later runs on copies of the arrays that the programs were given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from ..autograd import engine
from ..core.device import OF_ARRAYS, device_of
from ..core.storage import Site, program_site
from ..ir.graph import Graph
from ..runtime.programs import built
from ..runtime.recording import Tape
from .compile import compile
from .recorded import Recorded
from .static import Static
from .static_tape import StaticTape

_ENGINE = engine.__file__


class Origin(NamedTuple):
    """Where a node comes from: the program's line, and for gradients the line of the operation that they belong to."""

    line: Site | None
    forward: Site | None = None


class Piece:
    """A program that a call ran, ``calls`` times: one structure is one piece.

    ``inputs``: copies of what it was first given; ``outputs``: shapes and dtypes of its fresh memory; ``ended``: why the
    recording ended there, and ``ended_at`` which line.
    """

    def __init__(
        self,
        graph: Graph,
        program: Any,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        ended: str,
        ended_at: Site | None,
    ) -> None:
        self.graph = graph
        self.program = program
        self.inputs = [copied(array) for array in inputs]
        self.places = [device_of(array) for array in outputs]
        self.outputs = [(array.shape, array.dtype) for array in outputs]
        self.ended = ended
        self.ended_at = ended_at
        self.calls = 1


def copied(array: Any) -> Any:
    """A copy of an array, on its device."""
    return array.copy() if type(array) in OF_ARRAYS else np.array(array, order="C")


class Observation(NamedTuple):
    """What a call gave, how it ran ("recorded" or "static"), and its programs in their order. ``note``: how other calls run."""

    result: Any
    mode: str
    name: str
    pieces: list[Piece]
    note: str = ""


_LIGHT = (
    "Other calls run eagerly, without being recorded: the last ones asked for few operations on small arrays, and Python "
    "has to run every time, since values are read on the way or the function does something else that would show."
)


def observe(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observation:
    """Call ``function``, which is compiled first if it was not, once. Raises what the call raises."""
    run = _compiled_form(function)
    if run is None:
        function = compile(function)
        run = _compiled_form(function)
    if not isinstance(run, Recorded | Static):
        raise TypeError(
            f"explain(): {type(function).__name__} is no compiled function, and compile() does not make one of it"
        )
    pieces: list[Piece] = []
    recorded = run if isinstance(run, Recorded) else run.recorded
    observed = Recorded(recorded.function, lambda: _RecordedTape(pieces))
    observed.met = recorded.met
    name = _name_of(recorded.function)
    if isinstance(run, Recorded):
        return Observation(
            observed(*args, **kwargs), "recorded", name, pieces, _LIGHT if run.light.eager else ""
        )
    # Recorded anew, for the lines; later calls find the new recording before the old ones.
    static = Static(run.function, lambda: _StaticTape(pieces))
    static.recorded, static.use_recorded = observed, run.use_recorded
    result = static(*args, **kwargs)
    for key, programs in static.variants.items():
        run.add(key, programs)
    return Observation(result, "static", name, pieces)


def _compiled_form(function: Any) -> Any:
    """The ``Recorded`` or ``Static`` behind what ``compile`` made; None for anything else."""
    own = getattr(function, "__dict__", {})
    call = own.get("_call")  # of a compiled module
    return own.get("_compiled") or getattr(call, "_compiled", None)


def _name_of(function: Any) -> str:
    owner = getattr(function, "__self__", None)
    if owner is not None and getattr(function, "__name__", "") in ("__call__", "_call"):
        return type(owner).__name__
    name = getattr(function, "__qualname__", None) or type(function).__name__
    return str(name).rpartition("<locals>.")[2]


def _origin() -> Origin:
    """Where the program is, seen from a tape's ``_node``."""
    frame: FrameType | None = sys._getframe(2)
    line = program_site(frame)
    forward = None
    while frame is not None and (line is None or frame.f_code is not line[0]):
        if frame.f_code.co_filename == _ENGINE:
            variables = frame.f_locals
            node = variables.get("node")
            if node is not None:
                forward = getattr(node, "site", None)
            if type(variables) is dict:
                # Python keeps this snapshot; the references in it would keep arrays alive that nobody needs.
                variables.clear()
            if node is not None:
                break
        frame = frame.f_back
    return Origin(line, forward)


class _RecordedTape(Tape):
    """A tape that notes the line of each node, and what becomes of its pieces."""

    def __init__(self, pieces: list[Piece]) -> None:
        self.observed = pieces
        self.known: dict[Any, Piece] = {}
        self.reason = "the program asks for it"
        super().__init__(self._execute)

    def _begin(self) -> None:
        super()._begin()
        self.sites: list[Any] = []

    def node(self, key: Any, type_: Any) -> int:
        self.sites.append(_origin())
        return super().node(key, type_)

    def settle(self, array: Any) -> Any:
        with self._because("a value is needed"):
            return super().settle(array)

    def write(self, target: Any, value: Any) -> None:
        with self._because("memory that something else looks at is changed"):
            super().write(target, value)

    def finish(self) -> None:
        with self._because("the call ends"):
            super().finish()

    @contextmanager
    def _because(self, reason: str) -> Iterator[None]:
        before, self.reason = self.reason, reason
        try:
            yield
        finally:
            self.reason = before

    def _execute(self, key: Any, make: Callable[[], Graph], inputs: list[Any], outputs: list[Any]) -> None:
        piece = self.known.get(key)
        if piece is None:
            graph = make()
            at = None if self.reason == "the call ends" else program_site()
            piece = self.known[key] = Piece(
                graph, built(graph, inputs, outputs), inputs, outputs, self.reason, at
            )
            self.observed.append(piece)
        else:
            piece.calls += 1
        piece.program.run(inputs, outputs)


class _StaticTape(StaticTape):
    """The same for the static mode."""

    def __init__(self, pieces: list[Piece]) -> None:
        self.observed = pieces
        super().__init__()

    def _begin(self) -> None:
        super()._begin()
        self.sites: list[Any] = []

    def node(self, key: Any, type_: Any) -> int:
        self.sites.append(_origin())
        return super().node(key, type_)

    def program(self, key: Any, make: Callable[[], Graph], outputs: Sequence[Any]) -> Any:
        graph = make()
        program = built(graph, self.inputs, outputs)
        self.observed.append(Piece(graph, program, self.inputs, outputs, "the call ends", None))
        return program
