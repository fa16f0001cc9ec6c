"""From a group to a loop kernel: which stage computes what, what is kept in memory between stages, and the arguments.

Code is made on demand, from what must be stored and reduced back to what is read, stage by stage. A value that an earlier
stage computed is computed again where that is cheap, and else stored there and read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir.graph import Graph, Kind, Node, Shape, contiguous_strides
from ..ir.loops import Argument, ColumnKernel, Instruction, Leaf, RowKernel, Stage, Step
from ..ir.regions import compose, count
from ..ir.scalar import ScalarOp
from .access import Access, resolve, split_strides
from .groups import CHEAP, Form, Group, Level, domain_of

I64 = np.dtype(np.int64)
_MOST_RECOMPUTED = 12  # instructions


class LoopArgument(NamedTuple):
    """An array that a kernel is given: the node whose memory it is, and how the kernel walks it (in elements of ``dtype``)."""

    root: int
    strides: Shape
    offset: int
    written: bool
    dtype: np.dtype[Any]


class LoopPlan(NamedTuple):
    """A kernel with its extents and arguments. ``reads``: for each root the last stage that reads it, and whether that is
    element by element; ``stores``: the stage that stores each node; ``spills``: nodes stored only to be read back, and
    when last."""

    kernel: RowKernel | ColumnKernel
    extents: Shape
    arguments: tuple[LoopArgument, ...]
    reads: dict[int, tuple[int, bool]]
    stores: dict[int, int]
    spills: dict[int, int]
    units: int
    work: int  # elements of one unit
    instructions: int


class _Stage:
    def __init__(self, loops: bool) -> None:
        self.loops = loops
        self.code: list[Instruction] = []
        self.known: dict[Any, int] = {}
        self.stores: list[tuple[int, int]] = []
        self.reductions: list[tuple[Any, int]] = []

    def add(self, instruction: Instruction) -> int:
        key = instruction
        if instruction.op is Leaf.CONST:
            key = (Leaf.CONST, repr(instruction.payload), instruction.dtype)  # type: ignore[assignment]
        number = self.known.get(key)
        if number is None:
            number = self.known[key] = len(self.code)
            self.code.append(instruction)
        return number


class LoopBuilder:
    """Makes the kernel of one group. ``stores``: the members whose value must be in memory afterwards."""

    def __init__(self, graph: Graph, group: Group, stores: Sequence[int]) -> None:
        self.nodes = graph.nodes
        self.group = group
        self.wanted = list(stores)
        self.space = group.space
        self.reduced = group.reduced or frozenset()
        dims = range(len(self.space))
        self.order = [d for d in dims if d not in self.reduced] + [d for d in dims if d in self.reduced]
        self.outer = len(self.space) - len(self.reduced)
        self.arguments: list[LoopArgument] = []
        self.numbers: dict[Any, int] = {}
        self.loops: list[_Stage] = []
        self.rows: list[_Stage] = []  # rows[k] runs before loops[k]; the last one after all
        self.registers: dict[int, tuple[_Stage, int]] = {}
        self.emitted: dict[int, tuple[int, int]] = {}  # full nodes: where they were computed first
        self.spilled: dict[int, int] = {}
        self.stored: dict[int, int] = {}
        self.reads: dict[int, tuple[int, bool]] = {}
        self.indexed: set[int] = set()
        self.heavy: dict[int, tuple[int, bool]] = {}
        self._stages()

    # --- stages -------------------------------------------------------------------------------------------------------

    def _stages(self) -> None:
        """The first loop in which each FULL member can be computed, and before which each ROW member is known."""
        group = self.group
        self.ready: dict[int, int] = {}
        last = 0
        for number in sorted([*group.members, *group.inlined]):
            node = self.nodes[number]
            stage = 0
            if node.kind not in (Kind.INPUT, Kind.CONST, Kind.INDEX, Kind.VIEW):
                domain = domain_of(self.nodes, node)
                for operand in node.operands[1:] if node.kind is Kind.WRITE else node.operands:
                    root = resolve(self.nodes, operand, domain).root
                    stage = max(stage, self.ready.get(root, 0))
            if group.form is Form.COLUMNS and group.level(number) is Level.ROW:
                stage = max(
                    stage, int(node.kind is not Kind.REDUCE)
                )  # rows are computed when all is summed up
            if node.kind is Kind.REDUCE:
                stage += 1
                last = max(last, stage)
            elif group.level(number) is Level.FULL and number in self.wanted:
                last = max(last, stage + 1)
            self.ready[number] = stage
        self.count = last
        self.loops = [_Stage(True) for _ in range(last)]
        self.rows = [_Stage(False) for _ in range(last + 1)]

    # --- memory -------------------------------------------------------------------------------------------------------

    def _argument(
        self, root: int, strides: Shape, offset: int, written: bool, dtype: np.dtype[Any] | None = None
    ) -> int:
        dtype = dtype or self.nodes[root].dtype
        key = (root, strides, offset, dtype)
        number = self.numbers.get(key)
        if number is None:
            number = self.numbers[key] = len(self.arguments)
            self.arguments.append(LoopArgument(root, strides, offset, written, dtype))
        elif written:
            self.arguments[number] = self.arguments[number]._replace(written=True)
        return number

    def _strides(self, access: Access, level: Level) -> Shape:
        """Along the kernel's dimensions, in their order."""
        if level is Level.FULL:
            natural = split_strides(access.shape, access.strides, self.space)
            return tuple([natural[d] for d in self.order])
        outer = tuple([n for i, n in enumerate(self.space) if i not in self.reduced])
        return split_strides(access.shape, access.strides, outer) + (0,) * len(self.reduced)

    def _full_strides(self) -> Shape:
        natural = contiguous_strides(self.space)
        return tuple([natural[d] for d in self.order])

    def _row_strides(self) -> Shape:
        outer = tuple([n for i, n in enumerate(self.space) if i not in self.reduced])
        return contiguous_strides(outer) + (0,) * len(self.reduced)

    def _load(self, stage: _Stage, moment: int, access: Access, level: Level) -> int:
        node = self.nodes[access.root]
        dtype = access.dtype or node.dtype
        number = self._argument(access.root, self._strides(access, level), access.offset, False, dtype)
        identity = access.is_identity(node.size)
        before = self.reads.get(access.root)
        self.reads[access.root] = (
            max(moment, before[0] if before else moment),
            identity and (before is None or before[1]),
        )
        return stage.add(Instruction(Leaf.LOAD, (), dtype, number))

    # --- code ---------------------------------------------------------------------------------------------------------

    def _operand(self, stage: _Stage, loop: int, operand: int, domain: Shape, level: Level) -> int:
        """The instruction of ``stage`` that has the operand. ``loop``: the loop that the stage is or runs before."""
        access = resolve(self.nodes, operand, domain)
        root = access.root
        node = self.nodes[root]
        if node.kind is Kind.CONST:
            return stage.add(Instruction(Leaf.CONST, (), node.dtype, node.attrs[0]))
        if node.kind is Kind.INDEX:
            return self._index(stage, access, node, level)
        own = self.group.level(root)
        if own is None or (node.kind is Kind.INPUT):
            return self._load(stage, 2 * loop + (level is Level.FULL), access, level)
        if own is Level.ROW:
            return self._register(stage, root)
        return self._full(stage, loop, root)

    def _index(self, stage: _Stage, access: Access, node: Node, level: Level) -> int:
        (axis,) = node.attrs
        along = tuple([int(i == axis) for i in range(len(node.shape))])
        if len(node.shape) == 1:
            composed: Any = (access.strides, access.offset)
        else:
            composed = compose(access.shape, access.strides, access.offset, node.shape, along, 0)
        if composed is None:
            raise NotImplementedError("an index read through a view that no strides say")
        strides = self._strides(Access(access.root, access.shape, *composed), level)
        total = None if not composed[1] else stage.add(Instruction(Leaf.CONST, (), I64, composed[1]))
        for dim, stride in enumerate(strides):
            if not stride:
                continue
            self.indexed.add(dim)
            part = stage.add(Instruction(Leaf.INDEX, (), I64, dim))
            if stride != 1:
                factor = stage.add(Instruction(Leaf.CONST, (), I64, stride))
                part = stage.add(Instruction(ScalarOp.MUL, (part, factor), I64))
            total = part if total is None else stage.add(Instruction(ScalarOp.ADD, (total, part), I64))
        return stage.add(Instruction(Leaf.CONST, (), I64, 0)) if total is None else total

    def _register(self, stage: _Stage, number: int) -> int:
        """A value of the row, made in an earlier stage (or in this one, if it does not loop)."""
        node = self.nodes[number]
        found = self.registers.get(number)
        if found is None:
            moment = self.ready[number]
            row = self.rows[moment]
            made = self._compute(row, moment, number, Level.ROW)
            found = self.registers[number] = (row, -1 - made)
        source, what = found
        if source is stage:
            return -1 - what
        return stage.add(Instruction(Leaf.REGISTER, (), node.dtype, (source, what)))

    def _is_heavy(self, number: int) -> tuple[int, bool]:
        """How many instructions computing a FULL node again would take, and whether one of them is expensive."""
        found = self.heavy.get(number)
        if found is None:
            node = self.nodes[number]
            size, heavy = 1, node.kind is Kind.MAP and node.attrs[0] not in CHEAP
            if node.kind in (Kind.MAP, Kind.CAST):
                for operand in node.operands:
                    root = resolve(self.nodes, operand, node.shape).root
                    if self.group.level(root) is Level.FULL and self.nodes[root].kind is not Kind.INPUT:
                        more = self._is_heavy(root)
                        size, heavy = size + more[0], heavy or more[1]
            found = self.heavy[number] = (size, heavy)
        return found

    def _full(self, stage: _Stage, loop: int, number: int) -> int:
        known = stage.known.get(number)
        if known is not None:
            return known
        first = self.emitted.get(number)
        if first is not None and first[0] < loop:
            size, heavy = self._is_heavy(number)
            if heavy or size > _MOST_RECOMPUTED:
                made = self._reload(stage, loop, number, *first)
                stage.known[number] = made
                return made
        made = self._compute(stage, loop, number, Level.FULL)
        stage.known[number] = made
        if first is None:
            self.emitted[number] = (loop, made)
        return made

    def _reload(self, stage: _Stage, loop: int, number: int, at: int, made: int) -> int:
        argument = self._argument(number, self._full_strides(), 0, True)
        if number not in self.stored:
            self.spilled[number] = max(2 * loop + 1, self.spilled.get(number, 0))
            source = self.loops[at]
            if (argument, made) not in source.stores:
                source.stores.append((argument, made))
        return stage.add(Instruction(Leaf.LOAD, (), self.nodes[number].dtype, argument))

    def _compute(self, stage: _Stage, loop: int, number: int, level: Level) -> int:
        node = self.nodes[number]
        if node.kind is Kind.CONST:
            return stage.add(Instruction(Leaf.CONST, (), node.dtype, node.attrs[0]))
        if node.kind in (Kind.INDEX, Kind.VIEW, Kind.INPUT):
            access = resolve(self.nodes, number, node.shape)
            if access.root != number and self.nodes[access.root].kind in (Kind.CONST, Kind.INDEX):
                return self._operand(stage, loop, number, node.shape, level)
            if node.kind is Kind.INDEX:
                return self._index(stage, access, node, level)
            return self._load(stage, 2 * loop + 1, access, level)
        operands = tuple([self._operand(stage, loop, x, node.shape, level) for x in node.operands])
        op = Leaf.CAST if node.kind is Kind.CAST else node.attrs[0]
        return stage.add(Instruction(op, operands, node.dtype))

    def _reduction(self, loop: int, number: int) -> None:
        node = self.nodes[number]
        stage = self.loops[loop]
        domain = domain_of(self.nodes, node)
        made = self._operand(stage, loop, node.operands[0], domain, Level.FULL)
        what = (node.attrs[0], made)
        stage.reductions.append(what)
        self.registers[number] = (stage, len(stage.reductions) - 1)

    def _store(self, number: int) -> None:
        group, node = self.group, self.nodes[number]
        level = group.level(number)
        assert level is not None
        moment = self.ready[number]
        stage = self.loops[moment] if level is Level.FULL else self.rows[moment]
        if node.kind is Kind.WRITE:
            shape, strides, offset = node.attrs
            made = self._operand(stage, moment, node.operands[1], shape, level)
            argument = self._argument(
                number,
                self._strides(Access(number, shape, strides, offset), level),
                offset,
                True,
                self.nodes[node.operands[1]].dtype,
            )
        elif level is Level.FULL:
            made = self._full(stage, moment, number)
            argument = self._argument(number, self._full_strides(), 0, True)
        else:
            made = self._register(stage, number)
            argument = self._argument(number, self._row_strides(), 0, True)
        stage.stores.append((argument, made))
        self.stored[number] = 2 * moment + (level is Level.FULL)

    def build(self) -> LoopPlan:
        group = self.group
        wanted = set(self.wanted)
        for loop in range(self.count):
            for number in group.members:
                node = self.nodes[number]
                if node.kind is Kind.REDUCE:
                    if self.ready[number] == loop + 1:
                        self._reduction(loop, number)
                elif number in wanted and group.level(number) is Level.FULL and self.ready[number] == loop:
                    self._store(number)
        for number in group.members:
            if number in wanted and group.level(number) is Level.ROW:
                self._store(number)
        if group.form is Form.COLUMNS:
            return self._columns()
        return self._rows()

    # --- the kernel ---------------------------------------------------------------------------------------------------

    def _collapsed(self, parts: Sequence[Sequence[int]]) -> list[list[int]]:
        """For each part of the dimensions: runs of them that every argument walks as one."""
        extents = [self.space[d] for d in self.order]
        result = []
        for part in parts:
            runs: list[int] = []  # the last dimension of each run
            for dim in part:
                joins = (
                    bool(runs)
                    and runs[-1] == dim - 1
                    and dim not in self.indexed
                    and dim - 1 not in self.indexed
                )
                if joins and all(a.strides[dim - 1] == a.strides[dim] * extents[dim] for a in self.arguments):
                    runs[-1] = dim
                else:
                    runs.append(dim)
            result.append(runs)
        return result

    def _finish(
        self, parts: Sequence[Sequence[int]]
    ) -> tuple[list[int], tuple[int, ...], tuple[LoopArgument, ...], tuple[Argument, ...], dict[int, int]]:
        """How many dimensions each part has, extents, arguments along them, and the new numbers of the dimensions."""
        extents = [self.space[d] for d in self.order]
        runs = self._collapsed(parts)
        kept: list[int] = []
        sizes: list[int] = []
        for part, ends in zip(parts, runs, strict=True):
            start = part[0] if part else 0
            for end in ends:
                size = 1
                for dim in range(start, end + 1):
                    size *= extents[dim]
                sizes.append(size)
                kept.append(end)
                start = end + 1
        new = {dim: i for i, dim in enumerate(kept)}
        arguments = tuple([a._replace(strides=tuple([a.strides[d] for d in kept])) for a in self.arguments])
        described = tuple(
            [Argument(a.dtype, tuple([_step(s) for s in a.strides]), a.written) for a in arguments]
        )
        return [len(ends) for ends in runs], tuple(sizes), arguments, described, new

    def _rows(self) -> LoopPlan:
        outer = list(range(self.outer))
        inner = list(range(self.outer, len(self.order)))
        plain = not inner
        if plain:
            ends = self._collapsed([outer])[0]
            if len(ends) > 1:  # the last run of dimensions is the inner loop
                inner, outer = outer[ends[-2] + 1 :], outer[: ends[-2] + 1]
            else:
                inner, outer = outer, []
        (n_outer, n_inner), extents, arguments, described, new = self._finish([outer, inner])
        if not n_inner:
            n_inner, extents = 1, (*extents, 1)
            arguments = tuple([a._replace(strides=(*a.strides, 0)) for a in arguments])
            described = tuple([a._replace(steps=(*a.steps, Step.ZERO)) for a in described])
        stages = self._used_stages()
        kernel = RowKernel(n_outer, n_inner, described, self._final(stages, new))
        rows, elements = count(extents[:n_outer]), count(extents[n_outer:])
        flat = (
            not n_outer and n_inner == 1 and len(stages) == 1 and not stages[0].reductions and stages[0].loops
        )
        units, work = (elements, 1) if flat else (rows, elements)
        return self._plan(kernel, extents, arguments, units, work, stages)

    def _columns(self) -> LoopPlan:
        outer = list(range(self.outer - 1))
        reduced = list(range(self.outer, len(self.order)))
        # The kept dimensions are first in the order; the last of them goes last.
        last = self.outer - 1
        self._rotate(last)
        reduced, columns = [d - 1 for d in reduced], [len(self.order) - 1]
        body, *more = [s for s in self.loops if s.code]
        if more or any(s.code for s in self.rows[:-1]):
            raise NotImplementedError("columns in several passes")
        (n_outer, n_reduced, _), extents, arguments, described, new = self._finish([outer, reduced, columns])
        finish = self.rows[-1]
        kernel = ColumnKernel(n_outer, n_reduced, described, *self._final([body, finish], new))
        units = count(extents[:n_outer]) * -(-extents[-1] // 64)
        return self._plan(kernel, extents, arguments, units, 64 * count(extents[n_outer:-1]), [body, finish])

    def _rotate(self, last: int) -> None:
        """Move dimension ``last`` of the kernel's order to the end."""
        self.order.append(self.order.pop(last))
        new = {
            d: d if d < last else len(self.order) - 1 if d == last else d - 1 for d in range(len(self.order))
        }
        self.arguments = [
            a._replace(strides=(*a.strides[:last], *a.strides[last + 1 :], a.strides[last]))
            for a in self.arguments
        ]
        self.indexed = {new[d] for d in self.indexed}
        for stage in (*self.loops, *self.rows):
            stage.code = [i._replace(payload=new[i.payload]) if i.op is Leaf.INDEX else i for i in stage.code]

    def _used_stages(self) -> list[_Stage]:
        stages = []
        for k in range(self.count):
            stages += [s for s in (self.rows[k], self.loops[k]) if s.code]
        if self.rows[self.count].code:
            stages.append(self.rows[self.count])
        return stages

    def _final(self, stages: list[_Stage], new: dict[int, int]) -> tuple[Stage, ...]:
        numbers = {id(stage): i for i, stage in enumerate(stages)}
        result = []
        for stage in stages:
            code = []
            for instruction in stage.code:
                if instruction.op is Leaf.REGISTER:
                    source, what = instruction.payload
                    instruction = instruction._replace(payload=(numbers[id(source)], what))
                elif instruction.op is Leaf.INDEX:
                    instruction = instruction._replace(payload=new[instruction.payload])
                code.append(instruction)
            result.append(Stage(stage.loops, tuple(code), tuple(stage.stores), tuple(stage.reductions)))
        return tuple(result)

    def _plan(
        self,
        kernel: Any,
        extents: Shape,
        arguments: tuple[LoopArgument, ...],
        units: int,
        work: int,
        stages: Any,
    ) -> LoopPlan:
        instructions = sum([len(s.code) for s in stages])
        return LoopPlan(
            kernel, extents, arguments, self.reads, self.stored, self.spilled, units, work, instructions
        )


def _step(stride: int) -> Step:
    return Step.ZERO if stride == 0 else Step.ONE if stride == 1 else Step.ANY


def loop_plan(graph: Graph, group: Group, stores: Sequence[int]) -> LoopPlan:
    """The kernel of a group that stores the values of ``stores``. ``NotImplementedError`` where there is none."""
    return LoopBuilder(graph, group, stores).build()
