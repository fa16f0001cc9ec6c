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
        adopt_all(tape, args)
        adopt_all(tape, kwargs)
        arguments = len(tape.adopted)
        met = self.met
        for key, reference in list(met.items()):
            tensor = reference()
            if tensor is None:
                met.pop(key, None)
            elif type(tensor._array) is not Pending:
                tape.adopt(tensor)
        try:
            result = self.function(*args, **kwargs)
            hold_all(result)
            return result
        finally:
            ACTIVE.tape = None
            for reference in tape.adopted[arguments:]:
                tensor = reference()
                if tensor is not None:
                    met[id(tensor)] = reference
            tape.finish()


def adopt_all(tape: Tape, value: Any) -> None:
    """Adopt the tensors in ``value``: a tensor, or tuples, lists and dicts of them."""
    if isinstance(value, Tensor):
        if type(value._array) is not Pending:
            tape.adopt(value)
    elif isinstance(value, tuple | list):
        for part in value:
            adopt_all(tape, part)
    elif isinstance(value, dict):
        for part in value.values():
            adopt_all(tape, part)


def hold_all(value: Any) -> None:
    """See to it that the tensors in a result get their arrays when the recording ends."""
    if isinstance(value, Tensor):
        if type(value._array) is Pending:
            value._array.held_by(value)
    elif isinstance(value, tuple | list):
        for part in value:
            hold_all(part)
    elif isinstance(value, dict):
        for part in value.values():
            hold_all(part)
