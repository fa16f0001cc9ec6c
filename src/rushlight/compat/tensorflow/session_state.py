"""What a session keeps between runs: the variables' tensors and the random generators."""

from __future__ import annotations

import os
from typing import Any, Final

import rushlight as rl

from .graph import Operation


class Slot:
    """A variable's place in one session. ``tensor`` stays the same object, with the same memory, once it is there."""

    __slots__ = ("initialised", "tensor", "variable")

    def __init__(self, variable: Any) -> None:
        self.variable: Final = variable
        self.tensor: Any = None
        self.initialised = False
        shape = variable.shape
        if shape.is_fully_defined() and variable.dtype.rushlight is not None:
            self.tensor = rl.empty(shape.as_list(), dtype=variable.dtype.rushlight)

    def assign(self, value: Any) -> Any:
        """Copy ``value`` into the variable's memory; only one of another shape gets new memory."""
        if not isinstance(value, rl.Tensor):
            self.tensor = value.copy()
        elif self.tensor is None or self.tensor.shape != value.shape:
            self.tensor = value.detach().clone()
        else:
            self.tensor.copy_(value.detach())
        return self.tensor


class SessionState:
    """The variables and random generators of one session."""

    def __init__(self) -> None:
        self.slots: dict[Any, Slot] = {}
        self._generators: dict[Operation, Any] = {}
        self.resources: dict[Any, Any] = {}  # what else lasts: iterators over data sets, queues

    def slot(self, variable: Any) -> Slot:
        """The variable's place, made when it is first asked for."""
        slot = self.slots.get(variable.key)
        if slot is None:
            slot = self.slots[variable.key] = Slot(variable)
        return slot

    def generator(self, op: Operation) -> Any:
        """The operation's own stream of random numbers.

        It follows from the graph's seed and the operation's; without either, every session has another one.
        """
        generator = self._generators.get(op)
        if generator is None:
            generator = self._generators[op] = rl.Generator()
            graph_seed, op_seed = op.attributes["seeds"]
            if graph_seed is None and op_seed is None:
                seed = int.from_bytes(os.urandom(7), "little")
            else:
                # An odd multiplier keeps neighbouring pairs of seeds apart.
                seed = (
                    (graph_seed or 0) * 0x9E3779B97F4A7C15 + (op_seed or 0) * 0xBF58476D1CE4E5B9 + 1
                ) % 2**63
            generator.manual_seed(seed)
        return generator
