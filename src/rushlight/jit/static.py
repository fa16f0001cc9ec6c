"""The static mode of ``compile``: recorded once for a signature, then only the plan runs.

The first call with a signature runs the function with every tensor that it touches on a tape (``StaticCall``). What comes of
it is a ``StaticProgram``. What the function reads of Python's state is taken down (``PythonState``) and compared before each
run; where something has changed, the function is recorded again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from ..core.tensor import Tensor
from .calls import StaticCall
from .python_state import PythonState
from .recorded import ACTIVE, Recorded
from .signatures import key_of
from .static_program import StaticProgram
from .static_tape import StaticTape, ValueNeeded
from .value_guards import MOST_RECORDINGS
from .witness import Witness

VARIANTS: Final = 16  # recordings kept for one signature
_RESTARTS: Final = 3  # recordings in a row that leave something behind
_MISSES: Final = 16  # recordings of a signature in a row of which none fitted the next call
_MOST_CODE: Final = 10_000
_MOST_KEYS: Final = 256  # signatures: objects among the arguments are part of them


class Static:
    """``function`` as a static graph for each signature that it is called with."""

    def __init__(
        self, function: Callable[..., Any], make_tape: Callable[[], StaticTape] | None = None
    ) -> None:
        self.function = function
        self.make_tape = StaticTape if make_tape is None else make_tape
        self.variants: dict[Any, list[StaticProgram]] = {}
        self.recorded = Recorded(function)
        # Signatures whose results carry a history that goes on outside, and those with which tensors are kept in attributes.
        self.use_recorded: set[Any] = set()
        self._lock = threading.RLock()
        self._restarts = 0
        self._missed: dict[Any, int] = {}  # by signature: recordings since one of them fitted a call
        self._guarded: dict[Any, int] = {}  # by signature: recordings that depend on values of state
        self._again: Any = None  # the signature of the last recording
        # What calls have run, see ``PythonState.extend``.
        self._ran: tuple[dict[Any, Any], list[Any], set[str]] = ({}, [], set())
        self._contexts: dict[int, Any] = {}  # context variables that they asked, by id

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if getattr(ACTIVE, "tape", None) is not None:
            return self.function(*args, **kwargs)
        tensors: list[Tensor] = []
        key = key_of(args, kwargs, tensors)
        with self._lock:
            for program in self.variants.get(key, ()):
                if program.is_valid(tensors):
                    if self._missed:
                        self._missed.clear()
                    return program.run(tensors)
            if key in self.use_recorded:
                return self.recorded(*args, **kwargs)
            return self._record(key, tensors, args, kwargs)

    def knows(self, args: Any, kwargs: Any) -> bool:
        """Whether there was a recording for arguments like these."""
        key = key_of(args, kwargs, [])
        return key in self.variants or key in self.use_recorded

    def _record(self, key: Any, tensors: list[Tensor], args: Any, kwargs: Any) -> Any:
        state = PythonState(self.function, (args, kwargs))
        if self._ran[0]:
            state.note([*self._contexts.values()], ())
            state.extend(*self._ran, before_the_call=True)
            state.incomplete = None  # what matters is what this call runs
        witness = Witness(recording=True)
        tape = self.make_tape()
        tape.may_look_at_values = False
        if self._guarded.get(key, 0) < MOST_RECORDINGS:
            tape.guards = []
        try:
            call = StaticCall(self.function, args, kwargs, tensors, state, tape, witness)
            known = state.extent()
            self._ran = (
                {**self._ran[0], **witness.codes},
                [*self._ran[1], *witness.library][-_MOST_CODE:],
                self._ran[2] | witness.names,
            )
            self._contexts.update({id(variable): variable for variable in witness.contexts})
            state.note(witness.contexts, witness.not_found)
            state.extend(witness.codes, witness.library, witness.names, before_the_call=False)
            _check_repeats(call, witness)
            program = call.program()
            if tape.guards:
                self._guarded[key] = self._guarded.get(key, 0) + 1
        except BaseException:
            tape.abandon()
            raise
        finished = program.first_run()
        if program.not_again is not None:
            raise RuntimeError(
                f"compile(fullgraph=True): {program.not_again}, {_place_of(self.function)}, which a static graph can't make "
                "again. (This call was carried out.) Return tensors, numbers, or tuples, lists and dicts of them, or leave out "
                "fullgraph=True."
            )
        if call.changed is not None and not call.filled_only:
            if state.keeps_tensors_only():
                # Say a layer that remembers its last attention: Python runs for that.
                self.use_recorded.add(key)
                return finished
            raise RuntimeError(
                f"compile(fullgraph=True): the function changes Python's state ({call.changed}), which a static graph would "
                "not do again. (This call was carried out.) Return the value instead, keep it in a tensor that is changed in "
                "place, or leave out fullgraph=True."
            )
        if program.history_goes_on and call.changed is None:
            self.use_recorded.add(key)
        elif (left := _left_behind(call, program, witness)) is not None:
            # An optimizer's first step makes its state, a cache is filled: the next recording finds it there.
            self._restarts += 1
            if self._restarts > _RESTARTS and program.history_goes_on:
                self.use_recorded.add(key)
            elif self._restarts > _RESTARTS:
                raise RuntimeError(
                    f"compile(fullgraph=True): every call {left}, or leave out fullgraph=True."
                )
        elif state.extent() == known or self._again == key:
            self._restarts = 0
            self.add(key, [program])
            # What it reads is something else at every call (an optimizer's step alone: gradients that are new each time; a
            # number that counts): to record would cost a compilation each time, so Python runs.
            # (A value that is another each time is refused in the end, see ``value_guards``.)
            missed = self._missed[key] = self._missed.get(key, 0) + (not tape.guards)
            if missed > _MISSES:
                self.use_recorded.add(key)
        # else this call may have changed what is known of only now: the next one is recorded again
        self._again = key
        return finished

    def add(self, key: Any, programs: Sequence[StaticProgram]) -> None:
        """Keep recordings for a signature, before those that are there."""
        while len(self.variants) >= _MOST_KEYS and key not in self.variants:
            del self.variants[next(iter(self.variants))]  # what was recorded for the oldest signature
        variants = self.variants.setdefault(key, [])
        variants[:0] = programs
        del variants[VARIANTS:]


def _left_behind(call: StaticCall, program: StaticProgram, witness: Witness) -> str | None:
    """What the call has left that one more call need not leave again, and what to do if every one does."""
    if program.stored:
        return "stores a new tensor outside of the function. Change a tensor in place (copy_) instead"
    if call.changed is not None:
        return f"adds to Python's state ({call.changed}), which a static graph would not do. Return the value instead"
    if witness.logged is not None:
        return f"logs a message ({witness.logged[1]}), which a static graph would not do. Take that out of the function"
    return None


def _check_repeats(call: StaticCall, witness: Witness) -> None:
    """Raise ``ValueNeeded`` where a later call of the function would have to do something in Python again."""
    if call.drew:
        raise ValueNeeded(
            "compile(fullgraph=True): Python's or NumPy's random numbers were drawn while the graph was recorded: "
            "every later call would repeat them. Use rushlight's random functions, or leave out fullgraph=True."
        )
    if call.tape.rebound:
        raise ValueNeeded(
            "compile(fullgraph=True): a tensor from outside was given other memory (`.data = ...`) at "
            f"{call.tape.rebound[0]}: change it in place instead."
        )
    if witness.blind:
        return
    if witness.called is not None:
        raise ValueNeeded(
            f"compile(fullgraph=True): {witness.called[0]}, {witness.called[1]}: a static graph would not do that again, and "
            "what it gives would stay as it is now. Take it out of the function, or leave out fullgraph=True."
        )
    if call.state.incomplete is not None:
        raise ValueNeeded(
            f"compile(fullgraph=True): {call.state.incomplete}, so that a change of it would not be noticed. Pass what the "
            "function needs of it as an argument or keep it in a tensor, a number or a list, or leave out fullgraph=True."
        )


def _place_of(function: Any) -> str:
    """Where a function or a module's forward is defined."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return "its return" if code is None else f'file "{code.co_filename}", line {code.co_firstlineno}'
