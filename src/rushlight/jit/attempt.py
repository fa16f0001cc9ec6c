"""A static graph where it can be had: recorded without any effect, and given up without a trace where it can't.

For callers that have another way of running the same step and know what of Python's state it reads
(``compat.tensorflow``). A program of theirs runs as ``compile(fullgraph=True)`` would; but an error while it is recorded or
compiled leaves everything as it was, so that the step can be run in the other way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.tensor import Tensor
from ..runtime.programs import compiles
from .calls import StaticCall
from .recorded import ACTIVE
from .static_tape import StaticTape


class NotStatic(Exception):
    """A step can't be a static graph; nothing has been changed."""


class _NoState:
    """The Python state of a step that reads none but tensors that its caller knows of."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.tensors = tensors

    def tests(self, named: Callable[[Any], str]) -> list[str]:
        return []

    def met(self, tensors: Sequence[Tensor]) -> None:
        pass

    def knows(self, value: Any) -> bool:
        return False

    def changed(self) -> str | None:
        return None

    def unchanged(self) -> bool:
        return True

    def gradients_changed(self) -> bool:
        return False


class Attempt:
    """One recording of a step that reads no Python state. ``again``: whether ``run`` may be called."""

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: Sequence[Tensor],
        constants: Sequence[Tensor] = (),
        states: Sequence[Tensor] = (),
    ) -> None:
        """Record and compile; raises ``NotStatic``. ``constants``: tensors that never change; ``states``: others that were
        there before."""
        tensors = list(arguments)
        tape = StaticTape()
        for tensor in constants:
            tape.fix(tensor)
        state: Any = _NoState(states)
        try:
            call = StaticCall(function, tensors, {}, tensors, state, tape)
            if tape.rebound:
                raise NotStatic(f"a tensor was given other memory at {tape.rebound[0]}")
            self._program = call.program()
        except Exception as error:
            tape.discard()
            raise NotStatic(str(error)) from error
        self.again = False

    def first_run(self) -> Any:
        """The result for the arguments of the recording."""
        program = self._program
        result = program.first_run()
        self.again = not program.stored and not program.history_goes_on
        return result

    def fits(self, arguments: list[Tensor]) -> bool:
        """Whether ``run`` is right for these arguments, which have the shapes and dtypes of those of the recording."""
        return self._program.is_valid(arguments)

    def run(self, arguments: list[Tensor]) -> Any:
        """The result for other arguments."""
        return self._program.run(arguments)


def is_recording() -> bool:
    """Whether this thread is recording, statically or not."""
    return getattr(ACTIVE, "tape", None) is not None


def is_recording_statically() -> bool:
    """Whether this thread is recording a static graph."""
    return isinstance(getattr(ACTIVE, "tape", None), StaticTape)


def pays() -> bool:
    """Whether static graphs run as native code here."""
    return compiles()
