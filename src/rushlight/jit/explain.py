"""``explain``: what a compiled function became, kernel by kernel, with what each costs.

The function runs once. Times are measured afterwards, on copies of the arrays that its programs were given, so that the
function's state is that after one call.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np

from ..compiler import native
from ..compiler.launch import Launch, Space
from ..compiler.lowering.builder import has_effects
from ..compiler.passes.fuse import fuse
from ..compiler.pipeline import PASSES
from ..compiler.schedule import Schedule, schedule
from ..core.device import empty_on
from ..core.storage import describe_site
from ..ir.graph import Graph, Kind
from .kernel_facts import Facts, SourceLine, facts_of
from .observed import Piece, copied, observe

_WARMING: Final = 3  # runs that are not counted
_RUNS: Final = (5, 50)  # at least, at most
_SECONDS: Final = 0.5  # after which the least number is enough


class Kernel:
    """One kernel of a program: ``facts`` (see ``kernel_facts.Facts``) and what was measured.

    ``number``: from 1 on in its program. ``seconds``: the median of runs on one thread, None where nothing was
    measured. ``shared_seconds``: the same in runs on all threads, by the calling thread's clock: what it waited for others
    counts, and what they had done before it came does not. ``together``: it may run at the same time as a neighbour then.
    ``least``: seconds that the machine's measured limits allow one thread; ``bound``: what sets that limit,
    "arithmetic" or "memory".
    """

    def __init__(
        self, number: int, facts: Facts, seconds: float | None, shared: float | None, limits: Any
    ) -> None:
        self.number = number
        self.facts = facts
        self.seconds = seconds
        self.shared_seconds = shared
        self.together = facts.overlaps
        self.least: float | None = None
        self.bound = ""
        if limits is not None and facts.form != "Python call":
            total = facts.read + facts.written
            self.least = limits.seconds(facts.flops, total, facts.dtype)
            self.bound = "arithmetic" if self.least > limits.seconds(0, total) else "memory"

    @property
    def share(self) -> float | None:
        """The part of one thread's measured limit that it reaches. More than 1: its data was in a nearer cache than the
        limit's, or the machine was busier while the limit was measured."""
        return self.least / self.seconds if self.least is not None and self.seconds else None

    @property
    def gflops(self) -> float | None:
        """10⁹ operations a second on one thread; an estimate unless ``facts.exact``."""
        return None if not self.seconds or not self.facts.flops else self.facts.flops / self.seconds / 1e9

    @property
    def bandwidth(self) -> float | None:
        """Gigabytes a second on one thread, read and written."""
        if not self.seconds or self.facts.form == "Python call":
            return None
        return (self.facts.read + self.facts.written) / self.seconds / 1e9

    @property
    def modules(self) -> list[Launch]:
        """Its native launches, those of one code only once."""
        found = {(one.text, one.name): one for one in self.facts.launches if isinstance(one, Launch)}
        return list(found.values())

    @property
    def llvm(self) -> str:
        """The LLVM IR of its launches, before LLVM's own passes; empty for Python calls."""
        return "\n".join([one.text for one in self.modules])

    @property
    def assembly(self) -> str:
        """The machine's code of its launches."""
        return "\n".join([native.assembly(one.text, one.name) for one in self.modules])


class Block(NamedTuple):
    """A place in the arena: ``nbytes`` from ``offset`` on hold the values ``nodes`` from kernel ``first`` to ``last``
    (numbers of kernels in the program, from 1 on)."""

    offset: int
    nbytes: int
    first: int
    last: int
    nodes: tuple[int, ...]


class DevicePart(NamedTuple):
    """A part of a program with arrays of a GPU. ``nodes``: their numbers in the graph as recorded; ``lines``: each with its
    device, in the order in which they run."""

    device: str
    heading: str
    nodes: tuple[int, ...]
    lines: tuple[Any, ...]


def _device_parts(program: Any) -> list[DevicePart]:
    from ..runtime.cuda_plan_report import heading, placed_lines

    lines = placed_lines(program)
    return [
        DevicePart(
            str(part.where),
            heading(program, number),
            part.nodes,
            tuple([one for one in lines if one.part == number]),
        )
        for number, part in enumerate(program.parts, 1)
    ]


class ExplainedProgram:
    """One program that the call ran.

    ``before`` and ``after``: the graph as recorded and after the passes; ``passes``: (name, graph) after each;
    ``calls``: how often the call ran it; ``ended``: why it ends where it does; ``seconds``: the median of whole runs, None
    where nothing was measured (``untimed`` says why);
    ``arena_bytes`` and ``memory``: its own memory, and what lies in it when. ``devices``: where its parts run; ``parts``: of a
    program with arrays of a GPU, for each part its heading, its nodes in ``before``, and its lines (``PlacedLine``), each with
    its device.
    """

    def __init__(self, piece: Piece, limits: Any) -> None:
        program = piece.program
        self.before: Graph = piece.graph
        self.calls = piece.calls
        self.native = hasattr(program, "plan")
        self.passes: list[tuple[str, Graph]] = []
        self.after: Graph = piece.graph
        self.ended = piece.ended
        if piece.ended_at is not None:
            self.ended += " at " + describe_site(piece.ended_at)
        self.kernels: list[Kernel] = []
        self.arena_bytes = 0
        self.memory: list[Block] = []
        self.untimed = ""
        times: tuple[list[float] | None, list[float] | None] = (None, None)
        self.seconds: float | None = None
        self.runs = 0
        unknown = _unknown_effects(piece.graph)
        if unknown:
            self.untimed = f"{unknown} does more than compute values, so it was not run again for timing"
        else:
            times, self.seconds, self.runs = _measure(piece)
        self.devices: tuple[str, ...] = ("cpu",)
        self.parts: list[DevicePart] = []
        self._parts = getattr(program, "parts", ())
        if self._parts:
            self.devices = tuple(dict.fromkeys([str(part.where) for part in self._parts]))
            self.parts = _device_parts(program)
            return
        if not self.native:
            self.untimed = (
                self.untimed or "NumPy runs it operation by operation (llvmlite is missing or switched off)"
            )
            return
        self.after = program.graph_after
        self.passes = _passes(piece.graph)
        self.arena_bytes = program.arena_bytes
        self._group_of = {
            node: number for number, group in enumerate(program.groups) for node in group.members
        }
        for number, facts in enumerate(facts_of(self.after, program.lines), 1):
            stop = facts.first + len(facts.launches)
            alone, shared = [None if line is None else sum(line[facts.first : stop]) for line in times]
            self.kernels.append(Kernel(number, facts, alone, shared, limits))
        for kernel, after in pairwise(self.kernels):
            kernel.together = kernel.together or after.facts.overlaps
        self.memory = self._memory()

    @property
    def cuda_source(self) -> str:
        """The CUDA C of the kernels of a program on a GPU; empty for others."""
        from ..runtime.cuda_plan_report import cuda_source

        return "\n".join(
            [cuda_source(part.program) for part in self._parts if hasattr(part.program, "engine")]
        )

    @property
    def ptx(self) -> str:
        """The PTX of the same, where NVRTC is installed; else empty."""
        from ..compiler import cuda_nvrtc
        from ..runtime.cuda_plan_report import ptx

        if not cuda_nvrtc.available():
            return ""
        return "\n".join([ptx(part.program) for part in self._parts if hasattr(part.program, "engine")])

    @property
    def groups(self) -> list[tuple[str, list[int]]]:
        """For each kernel with nodes its label and their numbers in ``after``; those that another computes too belong to
        the one that stores them, or else to the first. Of a program with arrays of a GPU: for each part."""
        if self.parts:
            return [(f"part {n} · {part.device}", list(part.nodes)) for n, part in enumerate(self.parts, 1)]
        return [
            (f"{kernel.number} · {kernel.facts.form}", self._own(kernel))
            for kernel in self.kernels
            if kernel.facts.nodes
        ]

    def _own(self, kernel: Kernel) -> list[int]:
        nodes = kernel.facts.nodes
        group = self._group_of.get(nodes[-1])
        return [i for i in nodes if self._group_of.get(i, group) == group]

    def _memory(self) -> list[Block]:
        planned = schedule(self.after, fuse(self.after))
        kernels = self._kernels_of_steps(planned)
        holders: dict[int, tuple[Any, list[int]]] = {}
        for node, buffer in [*planned.buffers.items(), *[(n, b) for (_, n), b in planned.spills.items()]]:
            if buffer.place is not None and buffer.place.space is Space.ARENA:
                holders.setdefault(id(buffer), (buffer, []))[1].append(node)
        end = len(self.kernels)
        blocks = [
            Block(
                buffer.place.offset,
                buffer.nbytes,
                kernels.get(buffer.first, end),
                kernels.get(buffer.last, end),
                tuple(sorted(set(nodes))),
            )
            for buffer, nodes in holders.values()
        ]
        for kernel in self.kernels:  # what the launches of one kernel hand on to each other
            places = [p for one in kernel.facts.launches if isinstance(one, Launch) for p in one.places]
            starts = sorted(
                {p.offset for p in places if p.space is Space.ARENA and p.offset >= planned.arena}
            )
            for start, stop in pairwise([*starts, self.arena_bytes]):
                blocks.append(Block(start, stop - start, kernel.number, kernel.number, ()))
        return sorted(blocks, key=lambda block: (block.offset, block.first))

    def _kernels_of_steps(self, planned: Schedule) -> dict[int, int]:
        """For the position of each step that has a kernel, the kernel's number."""
        waiting = [k for k in self.kernels if k.facts.form not in ("copy", "fill")]
        found = {}
        at = 0
        for position, step in enumerate(planned.steps):
            own = {*step.group.members}
            if at < len(waiting) and own and own <= set(waiting[at].facts.nodes):
                found[position] = waiting[at].number
                at += 1
            else:
                found[position] = waiting[at].number if at < len(waiting) else len(self.kernels)
        return found


class Explanation:
    """What ``explain`` gives. ``print`` it, or ``save`` it as a page; ``result`` is what the call returned.

    ``programs``: an ``ExplainedProgram`` for each part of the call that ran as one native program; ``limits``: the
    machine's measured limits (None without llvmlite), ``threads``: how many a run may use. ``note``: how other calls run, if
    not like this one.
    """

    def __init__(
        self,
        name: str,
        mode: str,
        result: Any,
        programs: list[ExplainedProgram],
        limits: Any,
        threads: int,
        note: str = "",
    ) -> None:
        self.name = name
        self.mode = mode
        self.result = result
        self.programs = programs
        self.limits = limits
        self.threads = threads
        self.note = note

    @property
    def kernels(self) -> list[Kernel]:
        """The kernels of all programs."""
        return [kernel for program in self.programs for kernel in program.kernels]

    @property
    def lines(self) -> list[SourceLine]:
        """The program's lines that became kernels."""
        return list(dict.fromkeys([line for kernel in self.kernels for line in kernel.facts.lines]))

    def __str__(self) -> str:
        from .explain_text import report

        return report(self)

    def __repr__(self) -> str:
        counted = f"{len(self.programs)} programs, {len(self.kernels)} kernels"
        return f"<Explanation of {self.name}: {counted}>"

    def html(self, *, assembly: bool = True) -> str:
        """A page of HTML that needs nothing else. ``assembly=False`` leaves out the kernels' LLVM IR and assembly, which
        are the most of it."""
        from .explain_html import page

        return page(self, assembly)

    def save(self, path: str | os.PathLike[str], *, assembly: bool = True) -> None:
        """Write ``html()`` to a file. Raises ``OSError`` where that is not possible."""
        text = self.html(assembly=assembly)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def explain(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Explanation:
    """How ``fn(*args, **kwargs)`` runs as native code: its kernels, where they come from, what they cost.

    ``fn``: what ``compile`` gave, recorded or static (``fullgraph=True``), or a function or module that is compiled for
    this. It is called once, so random numbers, parameters and optimizer state go on as after any call; a static one is
    recorded anew. Times are medians of runs of its programs on copies of their arrays.

    Args:
        fn: function or module; tensors in ``args`` and ``kwargs`` have any shapes and dtypes that it takes.

    Returns:
        An ``Explanation``: text by ``print``, a page of HTML by ``save(path)``.

    Raises ``TypeError`` for what can't be called, and whatever the call raises.

    Example:
        >>> import rushlight as torch
        >>> explanation = torch.explain(lambda a, b: (a @ b).relu(), torch.ones(4, 8), torch.ones(8, 2))
        >>> explanation.result.shape
        torch.Size([4, 2])
        >>> explanation.kernels[0].facts.flops
        128
    """
    if not callable(fn):
        raise TypeError(f"explain(): expected a function or a module, got {type(fn).__name__}")
    seen = observe(fn, args, kwargs)
    limits, threads = None, 1
    if any(hasattr(piece.program, "plan") for piece in seen.pieces):
        from ..runtime.limits import limits as measured_limits
        from ..runtime.workers import threads as most

        limits, threads = measured_limits(), most()
    programs = [ExplainedProgram(piece, limits) for piece in seen.pieces]
    return Explanation(seen.name, seen.mode, seen.result, programs, limits, threads, seen.note)


def _passes(graph: Graph) -> list[tuple[str, Graph]]:
    """The graph after each of the passes."""
    stages = []
    for one in PASSES:
        graph = one(graph)
        stages.append((one.__name__, graph))
    return stages


def _unknown_effects(graph: Graph) -> str:
    """A node that must not run again; empty if there is none. Draws from a generator can be undone."""
    for node in graph.nodes:
        if has_effects(node):
            record = node.attrs[0]
            if (
                not hasattr(getattr(record, "source", None), "set_state_bytes")
                and record.name != "check_range"
            ):
                return str(record.name)
    return ""


def _measure(piece: Piece) -> tuple[tuple[list[float] | None, list[float] | None], float, int]:
    """Median seconds of each line on one thread and on all (None where NumPy runs it), and of whole runs, and how many runs."""
    program = piece.program
    sources: list[Any] = [
        getattr(node.attrs[0], "source", None) for node in piece.graph.nodes if node.kind is Kind.CALL
    ]
    states = [(source, source.state_bytes()) for source in sources if hasattr(source, "set_state_bytes")]
    inputs = [copied(array) for array in piece.inputs]
    outputs = [
        empty_on(where, shape, dtype)
        for where, (shape, dtype) in zip(piece.places, piece.outputs, strict=True)
    ]
    wait = getattr(program, "synchronize", None)  # of a program on a GPU: its run returns before it is done
    changed = sorted({output.into for output in piece.graph.outputs if output.into >= 0})
    plan = getattr(program, "plan", None)
    wholes: list[float] = []

    def profiled(alone: bool) -> list[float] | None:
        """Median seconds of each line."""
        if plan is None:
            return None
        lines: list[list[int]] = []
        begun = time.perf_counter()
        while len(lines) < _RUNS[0] or (len(lines) < _RUNS[1] and time.perf_counter() - begun < _SECONDS):
            plan.profile(alone=alone)
            run()
            lines.append([line.nanoseconds for line in plan.times()])
        return [float(np.median(values)) / 1e9 for values in zip(*lines, strict=True)]

    def run() -> float:
        for number in changed:  # every run begins with the same values: they must not drift away
            inputs[number][...] = piece.inputs[number]
        start = time.perf_counter()
        program.run(inputs, outputs)
        if wait is not None:
            wait()
        return time.perf_counter() - start

    try:
        first = run()
        for _ in range(_WARMING - 1 if first < _SECONDS else 0):
            run()
        begun = time.perf_counter()
        while len(wholes) < _RUNS[0] or (len(wholes) < _RUNS[1] and time.perf_counter() - begun < _SECONDS):
            wholes.append(run())
        times = profiled(True), profiled(False)
    finally:
        if plan is not None:
            plan.profile(False)
        for source, state in states:
            source.set_state_bytes(state)
    return times, float(np.median(wholes)), len(wholes)


__all__ = ["Block", "DevicePart", "ExplainedProgram", "Explanation", "Kernel", "explain"]
