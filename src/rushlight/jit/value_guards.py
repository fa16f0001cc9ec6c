"""Branches on small state: ``if not self.initted``, ``if self.calls >= self.limit``, with tensors for attributes.

A static graph can't ask for a tensor's value while it runs. But where the value follows from the content of small tensors from
outside alone (a flag, a counter: buffers without history, no arguments), it is known when the graph is recorded, and can be
found again before every run from what the tensors hold then. If it is another, the graph is not for this call.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..ir.evaluate import evaluate_node

LARGEST: Final = 64  # elements of a tensor that is looked at before every run
MOST_RECORDINGS: Final = 32  # of one signature; a value that is another in every call can't be waited for


class ValueGuard:
    """A value that the recording depends on. ``inputs``: the memory that it follows from, by the number of the node; ``steps``:
    the nodes on the way, in order."""

    __slots__ = ("inputs", "result", "seen", "steps", "value")

    def __init__(
        self, inputs: dict[int, Any], steps: list[tuple[int, Any]], constants: dict[int, Any], result: int
    ) -> None:
        self.inputs = list(inputs.items())
        self.steps = [
            (number, node, {n: constants[n] for n in node.operands if n in constants})
            for number, node in steps
        ]
        self.result = result
        self.seen = self._content()
        self.value = self._computed()

    def _content(self) -> list[bytes]:
        return [array.tobytes() for _, array in self.inputs]

    def _computed(self) -> Any:
        values: dict[int, Any] = dict(self.inputs)
        for number, node, constants in self.steps:
            values[number] = evaluate_node(
                node, [constants[n] if n in constants else values[n] for n in node.operands]
            )
        return np.array(values[self.result])

    def holds(self) -> bool:
        """Whether it is the same now."""
        content = self._content()
        if content != self.seen:
            if self._computed().tobytes() != self.value.tobytes():
                return False
            self.seen = content
        return True
