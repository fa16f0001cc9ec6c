"""The recorded mode of ``compile``: Python runs on every call, what it asks of tensors runs as native code."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ..core.sparse_arrays import SparseArray
from ..core.tensor import Tensor
from ..runtime.pending import Pending
from ..runtime.programs import execute
from ..runtime.recording import Tape
from .light import Light
from .structures import tensors_in

ACTIVE = threading.local()


# Calls without any tensor that is known: how many of them are searched for tensors, of which there may be so many; and how many
# in a row may be recorded without ever being replayed.
_SOUGHT: Final = 3
_MOST_WITHIN_REACH: Final = 4096
_ALONE: Final = 12


def _within_reach(function: Callable[..., Any], args: Any, kwargs: Any) -> list[Tensor]:
    """Tensors in the function's closure, in the globals that it names, in the modules and optimizers there. None if there are
    too many: a list of samples, say, of which a call sees few."""
    from .python_state import PythonState  # which few functions need: most have tensors for arguments

    found = PythonState(function, (args, kwargs)).tensors
    if len(found) > _MOST_WITHIN_REACH:
        return []
    return [tensor for tensor in found if not isinstance(tensor._array, Pending | SparseArray)]


def _is_unread(tensor: Tensor) -> bool:
    """Whether the recording has not met a tensor that it holds. (To be asked before anything was computed.)"""
    array = tensor._array
    return type(array) is Pending and array.buffer.number < 0


class Recorded:
    """``function`` with the tensor operations of every call recorded and run as compiled programs."""

    def __init__(
        self,
        function: Callable[..., Any],
        make_tape: Callable[[], Tape] | None = None,
        always_python: bool = False,
    ) -> None:
        self.function = function
        self.make_tape = partial(Tape, execute) if make_tape is None else make_tape
        self.replay: Any = (
            False if always_python or make_tape is not None else None
        )  # None: made when it is needed
        # What earlier calls met: parameters, optimizer state. Adopted from the start, so that a call is one recording.
        # By id, since tensors compare elementwise.
        self.met: dict[int, weakref.ref[Tensor]] = {}
        self.light = Light()
        self._may_seek = (
            _SOUGHT  # how many more calls without such tensors are searched for what the function can reach
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if getattr(ACTIVE, "tape", None) is not None:
            return self.function(*args, **kwargs)  # part of the recording that is going on
        replay = self.replay
        if replay is False:
            return self._record(args, kwargs)[0]
        if replay is None:
            from .replay import Replay  # it is built on the static mode, which is built on this one

            replay = self.replay = Replay(self.function, self._record_and_look, self.met, self.light)
        elif self.light.eager and self.light.takes(args, kwargs):
            outer, ACTIVE.light = getattr(ACTIVE, "light", False), True
            try:
                return self.function(*args, **kwargs)
            finally:
                ACTIVE.light = outer
        return replay(args, kwargs)

    def knows(self, args: Any, kwargs: Any) -> bool:
        """Whether there was a call with arguments like these, as far as calls are told apart."""
        if not self.replay:
            return self.replay is False  # True: Python runs on every call, nothing is kept by its arguments
        known: bool = self.replay.knows(args, kwargs)
        return known

    def _record_and_look(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """``_record``, of which ``light`` is told what it worked on."""
        looks = self.light.begin(args, kwargs)
        made = self._record(args, kwargs, looks)
        if looks is not None:
            self.light.end()
        return made

    def _record(self, args: Any, kwargs: Any, looks: Any = None) -> tuple[Any, Any]:
        """The function's result; and the program that computed all that it asked for, None if there was more than one, or
        if a value was read on the way."""
        tape = self.make_tape()
        tape.looks = looks
        ACTIVE.tape = tape
        met = self.met
        arguments = 0
        sought = False
        try:
            for tensor in tensors_in((args, kwargs)):
                if type(tensor._array) is not Pending:
                    tape.adopt(tensor)
            arguments = len(tape.adopted)
            for key, reference in list(met.items()):
                known = reference()
                if known is None:
                    met.pop(key, None)
                elif type(known._array) is not Pending:
                    tape.adopt(known)
            if self._may_seek and not tape.adopted:
                # Operations on what is not recorded yet are recorded as soon as they meet something that is.
                self._may_seek -= 1
                sought = True
                for tensor in _within_reach(self.function, args, kwargs):
                    tape.adopt(tensor)
            self.light.in_python += 1
            result = self.function(*args, **kwargs)
            tape.calm = not tape.pieces and not tape.values_read
            for tensor in tensors_in(result):
                if type(tensor._array) is Pending:  # it gets its array when the recording ends
                    tensor._array.held_by(tensor)
        except BaseException:
            tape.mend()
            raise
        finally:
            ACTIVE.tape = None
            try:
                for reference in tape.adopted[arguments:]:
                    known = reference()
                    if known is not None and not (sought and not tape.pieces and _is_unread(known)):
                        met[id(known)] = reference
                if not arguments and self.light.in_python > _ALONE:
                    # It gets no tensors and is never replayed (say an optimizer's step, with new gradients each time): with
                    # nothing to begin from, nothing is recorded, and it runs eagerly.
                    met.clear()
                    self._may_seek = 0
            finally:
                try:
                    tape.finish()
                finally:
                    if not tape.finished:  # a signal's handler raised before it had begun
                        tape.finish()
        return result, tape.ran if tape.calm else None
