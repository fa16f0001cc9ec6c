"""From a graph to a program: the passes in their order. Read this first.

1. ``lower``: CALLs of primitives become scalar operations, reductions, views and products, by formula.
2. ``simplify``, ``remove_dead``: what is known is computed, what is not needed goes.
3. ``fold_products``: scalings and sums around matrix products become part of them.
4. ``split_reductions``: sums of many elements to few are made in two steps, so that all cores have work.
5. ``fuse``: which nodes one kernel computes.
6. ``schedule``: in which order, and in whose memory.
7. ``emit``: the lines of the plan.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.graph import Graph, Kind
from .emit import Emitter, Line
from .groups import Group
from .launch import Launch, Place
from .lowering.lower import lower
from .passes.dead import remove_dead
from .passes.fuse import fuse
from .passes.products import fold_products
from .passes.simplify import simplify
from .passes.split import split_reductions
from .schedule import schedule

PASSES: tuple[Any, ...] = (
    lower,
    simplify,
    remove_dead,
    fold_products,
    simplify,
    split_reductions,
    remove_dead,
)


class Program:
    """A compiled graph. ``run`` computes its outputs; everything else is for ``explain`` and tests.

    ``lines``: the plan, line by line, with the numbers of the nodes in ``graph_after`` that each computes.
    """

    def __init__(
        self, before: Graph, after: Graph, groups: Sequence[Group], lines: Sequence[Line], arena_bytes: int
    ) -> None:
        self.graph_before = before
        self.graph_after = after
        self.groups = tuple(groups)
        self.lines = tuple(lines)
        self.launches = tuple([line.line for line in lines])
        self.arena_bytes = arena_bytes
        self.inputs = tuple([(after.nodes[i].shape, after.nodes[i].dtype) for i in after.inputs])
        self.outputs = tuple(
            [(after.nodes[n].shape, after.nodes[n].dtype) for n, into in after.outputs if into < 0]
        )
        self.checks: tuple[tuple[Place, Any], ...] = ()
        self._plan: Any = None
        self._faults: Any = None

    @property
    def plan(self) -> Any:
        """The runtime's plan, built (and its kernels compiled) when it is first asked for."""
        if self._plan is None:
            # The layer above runs what this one makes.
            runtime = importlib.import_module("rushlight.runtime.plan")
            self._plan = runtime.Plan(self.launches, self.arena_bytes, self.inputs, self.outputs)
            if any(isinstance(line.line, Launch) and _is_slot(self.graph_after, line) for line in self.lines):
                from .kernels import faults

                self._faults = faults.check
        return self._plan

    def run(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Compute the graph. ``inputs``: C-contiguous arrays, of which those that outputs go into are changed;
        ``outputs``: fresh C-contiguous arrays for the other outputs, in their order. Raises what Python lines raise; an
        index out of range is raised when everything has run."""
        plan = self._plan
        if plan is None:
            plan = self.plan
        plan.run(inputs, outputs)
        if self._faults is not None:
            self._faults()
        for place, check in self.checks:
            check(plan.arena[place.offset : place.offset + 8].view(np.int64)[0])


def _is_slot(graph: Graph, line: Line) -> bool:
    """Whether a kernel for a primitive, which may find an index out of range, does the line."""
    return any(graph.nodes[number].kind is Kind.CALL for number in line.nodes)


def optimize(graph: Graph) -> Graph:
    """The graph after all passes."""
    for one in PASSES:
        graph = one(graph)
    return graph


def build(graph: Graph) -> Program:
    """The program that computes ``graph``. Whatever has no kernel is called in Python."""
    after = optimize(graph)
    groups = fuse(after)
    planned = schedule(after, groups)
    emitter = Emitter(after, planned)
    lines = emitter.run()
    program = Program(graph, after, [step.group for step in planned.steps], lines, emitter.arena)
    program.checks = tuple(emitter.checks)
    return program
