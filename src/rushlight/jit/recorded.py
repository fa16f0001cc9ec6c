"""The recorded mode of ``compile``: Python runs on every call, what it asks of tensors runs as native code."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from ..core.tensor import Tensor
from ..runtime.pending import Pending
from ..runtime.programs import execute
from ..runtime.recording import Tape
from .structures import tensors_in

ACTIVE = threading.local()


class Recorded:
    """``function`` with the tensor operations of every call recorded and run as compiled programs."""

    def __init__(self, function: Callable[..., Any], make_tape: Callable[[], Tape] | None = None) -> None:
        self.function = function
        self.make_tape = partial(Tape, execute) if make_tape is None else make_tape
        # What earlier calls met: parameters, optimizer state. Adopted from the start, so that a call is one recording.
        # By id, since tensors compare elementwise.
        self.met: dict[int, weakref.ref[Tensor]] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if getattr(ACTIVE, "tape", None) is not None:
            return self.function(*args, **kwargs)  # part of the recording that is going on
        tape = self.make_tape()
        ACTIVE.tape = tape
        for tensor in tensors_in((args, kwargs)):
            if type(tensor._array) is not Pending:
                tape.adopt(tensor)
        arguments = len(tape.adopted)
        met = self.met
        for key, reference in list(met.items()):
            known = reference()
            if known is None:
                met.pop(key, None)
            elif type(known._array) is not Pending:
                tape.adopt(known)
        try:
            result = self.function(*args, **kwargs)
            for tensor in tensors_in(result):
                if type(tensor._array) is Pending:  # it gets its array when the recording ends
                    tensor._array.held_by(tensor)
            return result
        finally:
            ACTIVE.tape = None
            for reference in tape.adopted[arguments:]:
                known = reference()
                if known is not None:
                    met[id(known)] = reference
            tape.finish()
