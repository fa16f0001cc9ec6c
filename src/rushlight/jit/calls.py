"""One call of a function on a static tape: what both the static mode and the replay begin with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from ..autograd.engine import run_backward
from ..core.history import next_order
from ..core.tensor import Tensor
from .joint import NoJointGraph, Stages, record_backward
from .recorded import ACTIVE
from .results import tensors_of
from .signatures import modes, python_randomness
from .static_program import Marks, StaticProgram
from .static_tape import StaticTape, ValueNeeded, tracing, watching
from .structures import leaves, same_leaves
from .witness import Witness

ENGINE: Final = run_backward.__code__


class StaticCall:
    """The call, recorded and not carried out: nothing but Python's state has been changed by it.

    Raises what the function raises, ``ValueNeeded`` and the like; then the tape is still open.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: Any,
        kwargs: Any,
        tensors: Sequence[Tensor],
        state: Any,
        tape: StaticTape,
        witness: Witness | None = None,
        second_order: bool = False,
    ) -> None:
        """``state``: what the function is known to read of Python's, taken down before this. Without a ``witness`` the
        function is the library's own, and has no backward half. ``second_order``: refuse (``NoJointGraph``) what has a
        history that can't be kept for gradients that are differentiated again."""
        self.tensors = tensors
        self.state = state
        self.tape = tape
        self.backward: Stages | None = None
        self.ran_backward = True
        arguments = (args, kwargs)
        given = leaves(arguments)
        randomness, settings = python_randomness(), modes()
        self.before = [Marks(tensor) for tensor in {id(t): t for t in (*tensors, *state.tensors)}.values()]
        tape.take_arguments(tensors)
        self.first = next_order()
        ACTIVE.tape = tape
        refusals: list[ValueNeeded] = []
        ACTIVE.refusals = refusals
        try:
            with tracing, watching(tape):
                if witness is None:
                    self.result = function(*args, **kwargs)
                else:
                    with witness:
                        self.result = function(*args, **kwargs)
                        self.ran_backward = witness.saw(ENGINE)
                        self.backward = self._backward_half(second_order)
        except Exception as error:
            if refusals and error is not refusals[0]:
                raise refusals[0] from error
            raise
        finally:
            ACTIVE.tape = ACTIVE.refusals = None
        if refusals:
            raise refusals[0]  # the function has caught it
        self.drew = python_randomness() != randomness  # from Python's or NumPy's generators
        self.changed: str | None = state.changed()
        # Whether all of that are things that were not there before: caches, what is made when it is first needed.
        self.filled_only = self.changed is not None and state.filled_only()
        if self.changed is None and not same_leaves(given, leaves(arguments)):
            self.changed = "an argument that is no tensor"
        if self.changed is None and modes() != settings:
            self.changed = "the grad mode, or another setting of the context"

    def _backward_half(self, second_order: bool) -> Stages | None:
        """The backward half of what the tape holds, where the results need one and it can be had."""
        tape, result = self.tape, tensors_of(self.result, self.state.knows)
        if not second_order:
            try:
                return record_backward(tape, self.tensors, result, self.first)
            except NoJointGraph:
                return None
        backward = record_backward(tape, self.tensors, result, self.first)
        if backward is not None and backward.not_kept is not None:
            raise NoJointGraph(backward.not_kept)  # Python's own history can be differentiated twice
        return backward

    def program(self) -> StaticProgram:
        """The recording, compiled; ``first_run`` carries the call out."""
        made = StaticProgram(
            self.tape,
            self.state,
            list(self.tensors),
            self.result,
            self.first,
            self.backward,
            self.ran_backward,
            self.before,
        )
        made.prepare()
        return made
