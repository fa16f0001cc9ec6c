"""Recorded calls whose Python has nothing left to say: they run without it.

Recorded mode runs the function's Python on every call, which costs microseconds for each operation. Most training steps
ask for the same operations every time, and do nothing in Python that would show. Whether that is so is not guessed but
found out: after a few calls of one signature that recorded the same program and read no value, one call is watched by a
``Witness``. If the code that ran does nothing but work on tensors, and all the state that it can read can be compared
(``PythonState``), the next call is recorded as a static graph, and from then on a call compares the state and runs the program.

Whenever the state differs, Python runs again. A function that prints, reads a clock, draws from Python's generators,
keeps results in attributes, or reads values is never replayed: ``Replay.reason`` says why.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.device import RECORDED
from ..core.tensor import Tensor
from ..runtime.programs import compiles
from .calls import StaticCall
from .light import Light
from .python_state import PythonState
from .signatures import key_of, python_randomness
from .static import VARIANTS
from .static_program import StaticProgram
from .static_tape import StaticTape
from .structures import leaves, same_leaves
from .witness import Witness

ndarray = np.ndarray
# Calls of one kind in a row that recorded the same program as the one before, until one is watched.
CALM: Final = 2
_MOST_CALM: Final = 1 << 12
_MOST_KINDS: Final = 64


class _Kind:
    """What is known of the calls with one signature."""

    __slots__ = ("calm", "last", "needed", "never", "programs", "state", "witness")

    def __init__(self) -> None:
        self.calm = 0
        self.needed = CALM
        self.last: Any = None  # the program of the last recording
        self.witness: Witness | None = None
        self.state: PythonState | None = None  # all that the code reads, as the second watched call left it
        self.programs: list[StaticProgram] = []
        self.never = False


class Replay:
    """``run_recorded(args, kwargs)`` makes a recording and gives (result, the one program that it ran or None)."""

    def __init__(
        self,
        function: Callable[..., Any],
        run_recorded: Callable[[Any, Any], tuple[Any, Any]],
        met: dict[int, Any],
        light: Light,
    ) -> None:
        self.function = function
        self.run_recorded = run_recorded
        self.met = met
        self.light = light
        self.kinds: dict[Any, _Kind] = {}
        self.reason: str | None = None if compiles() else "there is no compiler"
        self._lock = threading.RLock()

    def __call__(self, args: Any, kwargs: Any) -> Any:
        """The call's result, by a replay where there is one that fits."""
        if self.reason is not None:
            return self.run_recorded(args, kwargs)[0]
        tensors: list[Tensor] = []
        try:
            key = key_of(args, kwargs, tensors)
        except TypeError as error:
            self.reason = str(error)
            return self.run_recorded(args, kwargs)[0]
        if sys.gettrace() is not None or any(
            [type(tensor._array) is not ndarray and type(tensor._array) not in RECORDED for tensor in tensors]
        ):
            return self.run_recorded(args, kwargs)[0]  # somebody debugs; or they are batches
        kind = self.kinds.get(key)
        if kind is None:
            if len(self.kinds) >= _MOST_KINDS:
                self.kinds.clear()
            kind = self.kinds[key] = _Kind()
        if kind.programs:
            with self._lock:
                for program in kind.programs:
                    if program.is_valid(tensors):
                        self.light.replayed()
                        return program.run(tensors)
            # The state has changed. If it does so often, recording again and again would cost more than it brings.
            kind.needed = min(2 * kind.needed, _MOST_CALM)
            kind.calm, kind.witness, kind.state = 0, None, None
            if len(kind.programs) == VARIANTS:
                kind.programs.clear()
        elif kind.never:
            return self.run_recorded(args, kwargs)[0]
        if kind.state is not None:
            # Like the call before in all that it reads, so what it does in Python is known to leave nothing behind: it
            # may be tried, and done again in another way.
            if kind.state.changed() is not None:
                kind.calm, kind.witness, kind.state = 0, None, None
            elif (done := self._attempt(kind, tensors, args, kwargs)) is not None:
                return done[0]
        elif kind.witness is not None:
            return self._watched(kind, args, kwargs)
        if kind.calm >= kind.needed and not kind.never:
            return self._watched(kind, args, kwargs)
        result, program = self.run_recorded(args, kwargs)
        kind.calm = kind.calm + 1 if program is not None and program is kind.last else 0
        kind.last = program
        return result

    def knows(self, args: Any, kwargs: Any) -> bool:
        """Whether there was a call with arguments like these, or calls are no longer told apart."""
        if self.reason is not None:
            return True
        try:
            return key_of(args, kwargs, []) in self.kinds
        except TypeError:
            return True

    def _watched(self, kind: _Kind, args: Any, kwargs: Any) -> Any:
        """A recorded call with a witness. There are two of these: the second one knows before it what the code reads, and
        whether it changes that."""
        arguments = (args, kwargs)
        randomness, before = python_randomness(), leaves(arguments)
        first, kind.witness = kind.witness, None
        state = self._state(first, args, kwargs)
        with Witness() as witness:
            result, _ = self.run_recorded(args, kwargs)
        kind.calm = 0
        reason = witness.reason
        if reason is None and python_randomness() != randomness:
            reason = "random numbers of Python or NumPy are drawn"
        if reason is None and (changed := state.changed()) is not None:
            reason = f"{changed} is changed"
        if reason is None and not same_leaves(before, leaves(arguments)):
            reason = "an argument that is no tensor is changed"
        if reason is None and first is None:
            state.note(witness.contexts, witness.not_found)
            state.extend(witness.codes, witness.library, witness.names, before_the_call=True)
            reason = state.incomplete
        if reason is None and first is None:
            kind.witness = witness
        elif reason is None and set(witness.codes) <= set(first.codes if first is not None else ()):
            kind.witness, kind.state = witness, state
        elif (
            reason is None or witness.blind
        ):  # other code ran; or somebody watches: until nobody does any more
            kind.needed = min(2 * kind.needed, _MOST_CALM)
        else:
            self.reason = reason
            self.kinds.clear()
        return result

    def _state(self, witness: Witness | None, args: Any, kwargs: Any) -> PythonState:
        """What the code that a call ran reads of Python's state, as it is now."""
        state = PythonState(self.function, (args, kwargs))
        if witness is not None:
            state.note(witness.contexts, witness.not_found)
            state.extend(witness.codes, witness.library, witness.names, before_the_call=True)
        return state

    def _attempt(self, kind: _Kind, tensors: list[Tensor], args: Any, kwargs: Any) -> tuple[Any] | None:
        """The call recorded as a static graph, and its result; None, with everything as it was, if it can't be one."""
        witness, kind.witness, kind.state, kind.calm = kind.witness, None, None, 0
        assert witness is not None
        state = self._state(witness, args, kwargs)
        known = [reference() for reference in list(self.met.values())]
        gradients = [(t, t._grad) for t in (*tensors, *state.tensors, *known) if t is not None]
        tape, again = StaticTape(), Witness()
        try:
            call = StaticCall(self.function, args, kwargs, tensors, state, tape, again, second_order=True)
            if tape.rebound or again.reason is not None or call.drew:
                raise _NotAlike
            program = call.program()
        except BaseException as error:
            # Whatever it was, the recorded call that follows meets it too, or does not; but an interrupt is the program's.
            tape.discard()
            for tensor, gradient in gradients:
                tensor._grad = gradient
            if not isinstance(error, Exception):
                raise
            kind.never = not kind.programs
            return None
        finished = program.first_run()
        ran = set(again.codes) - (set() if call.backward is None else call.backward.codes)
        if (
            call.changed is not None
            or program.stored
            or program.history_goes_on
            or program.not_again is not None
            or state.incomplete is not None
        ):
            kind.never = True
        elif ran <= set(witness.codes):  # else there is state that was not taken down
            kind.programs.insert(0, program)
        return (finished,)


class _NotAlike(Exception):
    """A call did something that the call before did not do."""
