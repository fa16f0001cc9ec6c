"""Steps that are run again and again, as static graphs: recorded once by Rushlight's compiler, then run as native programs.

A step that can't be one, because it needs values while it runs (``tf.py_func``, shapes that follow from values, …), goes on
running eagerly. Finding that out has no effect: a recording that fails is thrown away before anything was computed.
"""

from __future__ import annotations

import _thread
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import rushlight as rl

from . import errors
from .graph import Operation

# What a recording would do once instead of at every run: calls of the program's functions, messages, and what is known only to
# the session.
_KEPT_EAGER: Final = frozenset(
    (
        "Assert",
        "CustomGradient",
        "InitializeTable",
        "InitializedValue",
        "IsVariableInitialized",
        "IteratorGetNext",
        "LookupTableFind",
        "LookupTableSize",
        "MakeIterator",
        "Print",
        "PrintV2",
        "PyFunc",
        "MatchingFiles",
        "QueueOp",
        "ReaderReadV2",
        "ReportUninitialized",
        "TensorArrayV3",
    )
)
_EAGER_RUNS: Final = 1  # most steps run once: initializers, restoring, a look at a value
_LAYOUTS: Final = 4  # recordings for feeds of different strides


def can_be_static(ops: Iterable[Operation]) -> bool:
    """Whether running these operations does nothing that a recording could not repeat."""
    return not any(op.type in _KEPT_EAGER for op in ops)


def is_static() -> bool:
    """Whether the step is being recorded as a static graph: no value can be read then."""
    from rushlight.jit.attempt import is_recording_statically

    return is_recording_statically()


class StaticStep:
    """A step that runs ``eager``, and as a static graph from the second time on.

    ``slots``: gives the places of the variables that it uses, whose tensors are part of a recording. ``constants``: the
    values that the graph itself holds.
    """

    def __init__(
        self, eager: Callable[..., tuple[Any, ...]], slots: Callable[[], list[Any]], constants: Sequence[Any]
    ) -> None:
        self.eager = eager
        self.recordings: list[tuple[Any, list[tuple[Any, Any]]]] = []
        self.given_up: str | None = None  # why it stays eager
        self._slots = slots
        self._constants = [value for value in constants if isinstance(value, rl.Tensor)]
        self._runs = 0
        self._lock = _thread.RLock()

    def __call__(self, *feeds: Any) -> tuple[Any, ...]:
        if self.given_up is not None:
            return self.eager(*feeds)
        with self._lock:
            arguments = list(feeds)
            for attempt, slots in self.recordings:
                if all([slot.tensor is tensor for slot, tensor in slots]) and attempt.fits(arguments):
                    return self._guarded(attempt.run, arguments)
            self._runs += 1
            if self._runs <= _EAGER_RUNS or self.given_up is not None:
                return self.eager(*feeds)
            return self._record(arguments)

    def _record(self, arguments: list[Any]) -> tuple[Any, ...]:
        from rushlight.jit.attempt import Attempt, NotStatic, is_recording, pays

        if is_recording():
            return self.eager(*arguments)
        slots = [(slot, slot.tensor) for slot in self._slots()]
        reason = None
        if not pays():
            reason = "there is no native compiler here"
        elif len(self.recordings) == _LAYOUTS:
            reason = "the layouts of the feeds keep changing"
        elif not all(isinstance(feed, rl.Tensor) for feed in arguments):
            reason = "a feed is no numeric tensor"
        elif any(tensor is None or not slot.variable.shape.is_fully_defined() for slot, tensor in slots):
            reason = "a variable has no fixed shape"
        if reason is None:
            try:
                states = [tensor for _, tensor in slots]
                attempt = Attempt(self._on_their_own, arguments, self._constants, states)
            except NotStatic as error:
                reason = str(error)
        for slot, tensor in slots:
            slot.tensor = tensor
        if reason is not None:
            self.given_up = reason
            self.recordings.clear()
            return self.eager(*arguments)
        results = self._guarded(lambda _: attempt.first_run(), arguments)
        if attempt.again:
            self.recordings.append((attempt, slots))
        else:
            self.given_up = "it leaves tensors behind"
        return results

    def _on_their_own(self, *feeds: Any) -> tuple[Any, ...]:
        """The results, for a recording: new tensors, but for those that are there in any case."""
        there = {
            id(tensor) for tensor in (*feeds, *self._constants, *[slot.tensor for slot in self._slots()])
        }
        return tuple(
            [
                value if id(value) in there or not isinstance(value, rl.Tensor) else value.detach().clone()
                for value in self.eager(*feeds)
            ]
        )

    @staticmethod
    def _guarded(run: Callable[[list[Any]], Any], arguments: list[Any]) -> tuple[Any, ...]:
        """``run`` with what it raises in TensorFlow's words. It is not tried again: variables may have been changed."""
        try:
            return run(arguments)  # type: ignore[no-any-return]
        except errors.OpError:
            raise
        except (RuntimeError, ValueError, IndexError, TypeError, ZeroDivisionError) as error:
            raise errors.InvalidArgumentError(None, None, str(error)) from error
