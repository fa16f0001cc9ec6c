"""Work on real arrays in the middle of a recording."""

from __future__ import annotations

import contextlib
from _thread import get_ident
from collections.abc import Iterator
from typing import Any

from ..autograd.grad_mode import no_grad
from ..core.device import OF_ARRAYS
from ..jit.recorded import ACTIVE


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Inside, operations on real arrays run at once and without history, though this thread may be making a recording.

    A recording that holds a GPU's arrays would otherwise keep what is done with any array of that GPU for later.
    """
    tape = getattr(ACTIVE, "tape", None)
    with no_grad():
        if tape is None:
            yield
            return
        tape.flush()
        with set_aside():
            yield


@contextlib.contextmanager
def set_aside() -> Iterator[None]:
    """Inside, this thread makes no recording; nothing of the one that it makes has run for that."""
    tape, thread = getattr(ACTIVE, "tape", None), get_ident()
    every: list[dict[int, Any]] = [getattr(backend, "tapes", {}) for backend in OF_ARRAYS.values()]
    held = [(tapes, tapes.pop(thread)) for tapes in every if thread in tapes]
    ACTIVE.tape = None
    try:
        yield
    finally:
        ACTIVE.tape = tape
        for tapes, own in held:
            tapes[thread] = own
