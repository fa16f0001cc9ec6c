"""In which order the groups run, and in whose memory each value is.

A change in place reuses the memory that it changes where nothing reads the old value afterwards; a value that must end up
in an input's or an output's memory is computed there where no reader of the old content comes later; and a loop kernel
writes onto an operand that dies in it. All of that is decided here; everything else gets a place in the arena.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

from ..ir.graph import Graph, Kind, Node, contiguous_strides
from .access import resolve, root_of
from .groups import Form, Group, Level, external_roots, without_ones
from .launch import Place, Space
from .loop_kernels import LoopPlan, loop_plan
from .lowering.builder import has_effects
from .memory import Buffer, allocate
from .product_targets import Target, accumulated, target_of

_NEVER = 1 << 60


class Copy(NamedTuple):
    """Content brought into memory by a launch of its own: of ``source`` (a node's memory, or a number everywhere)."""

    source: int
    target: Buffer
    into_input: int = -1


class Step(NamedTuple):
    """A group, its kernel if it has a loop kernel, and the copies that must run before it."""

    group: Group
    plan: LoopPlan | None
    stores: tuple[int, ...]
    before: tuple[Copy, ...]


class Schedule(NamedTuple):
    steps: tuple[Step, ...]
    after: tuple[Copy, ...]
    last: tuple[tuple[Buffer, Buffer], ...]  # (from, to): brought into inputs after everything else
    buffers: dict[int, Buffer]
    spills: dict[tuple[int, int], Buffer]  # by (number of the step, node)
    direct: dict[int, Target]  # products that are written to another node's memory
    arena: int


class Scheduler:
    def __init__(self, graph: Graph, groups: list[Group]) -> None:
        self.graph = graph
        self.nodes = graph.nodes
        self.groups = groups
        self.owner: dict[int, Group] = {}
        for group in groups:
            for member in group.members:
                self.owner[member] = group
        self.roots: dict[int, dict[int, None]] = {}
        self.stored: dict[int, dict[int, None]] = {}  # by group: members that must be in memory

    # --- what must be in memory ---------------------------------------------------------------------------------------

    def _collect(self) -> None:
        waiting = list(self.groups)
        outputs = [root_of(self.nodes, output.node) for output in self.graph.outputs]
        self.output_roots = outputs
        needed = {root for root in outputs if self.nodes[root].kind is not Kind.INPUT}
        for root in outputs:
            waiting += self._own(root)
        done = 0
        while done < len(waiting):
            group = waiting[done]
            done += 1
            roots = external_roots(self.graph, group)
            self.roots[group.number] = roots
            for root in [*roots, *self._bases(group)]:
                if self.nodes[root].kind is Kind.INPUT:
                    continue
                if self.nodes[root].kind is Kind.CONST and root not in roots:
                    continue  # a base that is one number: the copy writes it
                needed.add(root)
                waiting += self._own(root)
        for group in self.groups:
            self.stored[group.number] = {}
        for group in self.groups:
            for member in group.members:
                if member in needed or self.nodes[member].kind is Kind.WRITE:
                    self.stored[group.number][member] = None

    def _own(self, root: int) -> list[Group]:
        """A group for a value that only reads memory and must have its own all the same; none if it has one."""
        node = self.nodes[root]
        if node.kind is Kind.INPUT or root in self.owner:
            return []
        group = Group(len(self.groups), Form.ROWS, without_ones(node.shape), node.size)
        group.add(root, Level.FULL)
        if node.kind is Kind.VIEW:
            access = resolve(self.nodes, root, node.shape)
            if access.shape != node.shape:
                from .access import refined

                space = refined(group.space, access.shape)
                group.space = group.space if space is None else space
        self.groups.append(group)
        self.owner[root] = group
        return [group]

    def _bases(self, group: Group) -> list[int]:
        """The memory whose content the group's WRITEs and accumulating products change a part of."""
        bases = []
        for number in group.members:
            node = self.nodes[number]
            if node.kind is Kind.WRITE:
                bases.append(root_of(self.nodes, node.operands[0]))
            else:
                added = accumulated(self.nodes, node)
                if added is not None:
                    bases.append(root_of(self.nodes, added))
        return bases

    def _products(self) -> None:
        """Let products be written to where their only reader would bring them."""
        readers: dict[int, list[Group]] = {}
        for group in self.groups:
            for root in [*self.roots[group.number], *self._bases(group)]:
                readers.setdefault(root, []).append(group)
        self.direct: dict[int, Target] = {}
        for group in self.groups:
            if group.form is not Form.PRODUCT:
                continue
            number = group.members[0]
            users = readers.get(number, [])
            if len(users) != 1 or number in self.output_roots:
                continue
            (user,) = users
            last = user.members[-1]
            if len(user.members) != 1 or user.inlined or self.nodes[last].kind not in (Kind.VIEW, Kind.WRITE):
                continue
            if accumulated(self.nodes, self.nodes[number]) is not None:
                continue
            target = target_of(self.nodes, number, last)
            if target is None or number in self._bases(user):
                continue
            self.direct[number] = target
            user.members = []
            group.add(last, Level.FULL)
            self.owner[last] = group
            del self.stored[group.number][number]
            self.stored[group.number][last] = None
            self.stored[user.number] = {}
            self.roots[user.number] = {}

    # --- order --------------------------------------------------------------------------------------------------------

    def _order(self) -> None:
        count = len(self.groups)
        before: list[set[int]] = [set() for _ in range(count)]
        readers: dict[int, list[int]] = {}
        for group in self.groups:
            for root in [*self.roots[group.number], *self._bases(group)]:
                source = self.owner.get(root)
                if source is None:
                    readers.setdefault(root, []).append(group.number)
                elif source is not group:
                    before[group.number].add(source.number)
        previous = -1
        self.late: set[int] = set()  # groups that wait for another process: see ``_sorted``
        self.early: list[int] = []  # groups that begin what those wait for
        for number, node in enumerate(self.nodes):
            if has_effects(node):
                if getattr(node.attrs[0], "late", False):
                    self.late.add(self.owner[number].number)
                    continue
                if getattr(node.attrs[0], "early", False):
                    self.early.append(self.owner[number].number)
                own = self.owner[number].number
                if previous >= 0 and previous != own:
                    before[own].add(previous)
                previous = own
        # Who replaces an input's content comes after those that read it, where that makes no circle.
        ranks = self._sorted(before)
        position = {g: i for i, g in enumerate(ranks)}
        ancestors: dict[int, int] | None = None
        for output, root in zip(self.graph.outputs, self.output_roots, strict=True):
            writer = self.owner.get(root)
            if output.into < 0 or writer is None:
                continue
            for reader in readers.get(self.graph.inputs[output.into], ()):
                if reader == writer.number:
                    continue
                if ancestors is None:
                    ancestors = _ancestors(ranks, before)
                if ancestors[reader] >> writer.number & 1:
                    continue
                before[writer.number].add(reader)
                if position[reader] > position[writer.number]:
                    ranks = self._sorted(before)
                    position = {g: i for i, g in enumerate(ranks)}
                    ancestors = _ancestors(ranks, before)
                elif not ancestors[writer.number] >> reader & 1:
                    ancestors = _ancestors(ranks, before)
        self.order = [self.groups[i] for i in ranks]
        self.position = position

    def _sorted(self, before: list[set[int]]) -> list[int]:
        """Group numbers so that each comes after those before it; in the program's order otherwise.

        What waits for another process (a record says so by ``late``) comes just before the first group that needs it, and
        what that process waits for (``early``) is not put off by what its operands are computed together with.
        """
        after: list[list[int]] = [[] for _ in before]
        missing = [len(b) for b in before]
        for number, sources in enumerate(before):
            for source in sources:
                after[source].append(number)
        place: list[float] = [group.members[-1] for group in self.groups]
        for number in self.late:
            place[number] = min([place[target] for target in after[number]], default=_NEVER) - 0.5
        for number in self.early:
            waiting = [number]
            while waiting:
                for source in before[waiting.pop()]:
                    if place[source] > place[number]:
                        place[source] = place[number]
                        waiting.append(source)
        ready = [(place[i], i) for i, n in enumerate(missing) if not n]
        heapq.heapify(ready)
        order = []
        while ready:
            _, number = heapq.heappop(ready)
            order.append(number)
            for target in after[number]:
                missing[target] -= 1
                if not missing[target]:
                    heapq.heappush(ready, (place[target], target))
        if len(order) != len(before):
            raise AssertionError("the groups depend on each other in a circle")
        return order

    # --- buffers ------------------------------------------------------------------------------------------------------

    def run(self) -> Schedule:
        self._collect()
        self._products()
        self.groups = [g for g in self.groups if g.form is Form.CALL or self.stored[g.number]]
        renumbered = {g.number: i for i, g in enumerate(self.groups)}
        self.roots = {renumbered[n]: r for n, r in self.roots.items() if n in renumbered}
        self.stored = {renumbered[n]: s for n, s in self.stored.items() if n in renumbered}
        for i, group in enumerate(self.groups):
            group.number = i
        self._order()
        self._lives()
        plans: list[LoopPlan | None] = []
        for group in self.order:
            plans.append(self._plan(group))
        self._pins(plans)
        return self._assign(plans)

    def _plan(self, group: Group) -> LoopPlan | None:
        if group.form not in (Form.ROWS, Form.COLUMNS) or not group.size:
            return None
        try:
            return loop_plan(self.graph, group, list(self.stored[group.number]))
        except NotImplementedError:
            return None

    def _lives(self) -> None:
        """Where each root is read last, and by whom."""
        self.readers: dict[int, set[int]] = {}
        for position, group in enumerate(self.order):
            for root in [*self.roots[group.number], *self._bases(group)]:
                self.readers.setdefault(root, set()).add(position)
        self.targets: dict[int, list[Place]] = {}
        fresh = 0
        for output, root in zip(self.graph.outputs, self.output_roots, strict=True):
            if output.into >= 0:
                place = Place(Space.INPUT, output.into, 0)
                if root == self.graph.inputs[output.into]:
                    continue
            else:
                place = Place(Space.OUTPUT, fresh, 0)
                fresh += 1
            self.targets.setdefault(root, []).append(place)

    def _takes_over(self, number: int, base: int, position: int) -> bool:
        """Whether the node may change its base's memory: nobody else reads the old content then or later."""
        if self.nodes[base].kind is Kind.CONST or base in self.targets:
            return False
        group = self.order[position]
        if any(p > position or is_check(self.nodes[self.order[p].members[0]]) for p in self.readers[base]):
            return False
        if self._bases(group).count(base) > 1:
            return False
        return base not in self.roots[group.number] or self._reads_only_there(number, base, position)

    def _reads_only_there(self, number: int, base: int, position: int) -> bool:
        """Whether the kernel reads of the base only the very elements that it replaces, before it does."""
        plan = self.plans[position]
        if plan is None:
            return False
        own = next(a for a in plan.arguments if a.root == number)
        reads = [a for a in plan.arguments if a.root == base]
        return (
            all((a.strides, a.offset, a.dtype) == (own.strides, own.offset, own.dtype) for a in reads)
            and plan.reads[base][0] <= plan.stores[number]
        )

    def _pins(self, plans: list[LoopPlan | None]) -> None:
        """Who takes over its base's memory; and, back from the outputs, in which memory each value is to be."""
        self.plans = plans
        self.base_of: dict[int, int] = {}
        self.pins: dict[int, Place] = {root: places[0] for root, places in self.targets.items()}
        writes = []
        for position, group in enumerate(self.order):
            for number in group.members:
                node = self.nodes[number]
                added = node.operands[0] if node.kind is Kind.WRITE else accumulated(self.nodes, node)
                if added is not None:
                    base = root_of(self.nodes, added)
                    if self._takes_over(number, base, position):
                        self.base_of[number] = base
                        writes.append((position, number, base))
        for _, number, base in reversed(writes):
            pin = self.pins.get(number)
            if self.nodes[base].kind is Kind.INPUT:
                if pin != Place(Space.INPUT, self.nodes[base].attrs[0], 0):
                    del self.base_of[number]  # the input keeps its content: the change is made in a copy
            elif pin is not None:
                self.pins.setdefault(base, pin)

    def _may_be_at(self, number: int, place: Place, position: int) -> bool:
        """Whether the memory is free for the node when it is first written."""
        if place.space is not Space.INPUT:
            return True
        source = self.graph.inputs[place.number]
        if source in self.targets:
            return False  # its content goes elsewhere at the end
        for reader in self.readers.get(source, ()):
            if reader > position:
                return False
            if reader == position and self.base_of.get(number) != source:
                plan = self.plans[position]
                if plan is None:
                    if self.order[position].form in (Form.ROWS, Form.COLUMNS):
                        continue  # computed as a whole before any of it is copied there
                    return False
                stage, identity = plan.reads.get(source, (_NEVER, False))
                if not identity or number not in plan.stores or stage > plan.stores[number]:
                    return False
                if self.nodes[number].kind is Kind.WRITE:
                    return False
        return True

    def _assign(self, plans: list[LoopPlan | None]) -> Schedule:
        buffers: dict[int, Buffer] = {}
        spills: dict[tuple[int, int], Buffer] = {}
        arena: list[Buffer] = []
        steps: list[Step] = []
        ends = dict.fromkeys(self.targets, _NEVER)
        for group in self.order:
            if is_check(self.nodes[group.members[0]]):  # looked at when everything has run
                ends.update(dict.fromkeys(self.roots[group.number], _NEVER))
        copied: dict[int, Buffer] = {}
        for position, (group, plan) in enumerate(zip(self.order, plans, strict=True)):
            before: list[Copy] = []
            taken: set[int] = set()
            self.shared_here: set[int] = set()
            for number in self.stored[group.number]:
                node = self.nodes[number]
                last = ends.get(number, max(self.readers.get(number, {position})))
                base = self.base_of.get(number)
                buffer: Buffer | None = None
                if base is not None and self.nodes[base].kind is Kind.INPUT:
                    place = self.pins[number]
                    if self._may_be_at(number, place, position):
                        buffer = Buffer(node.size, node.dtype, position, last, place)
                    else:
                        base = None
                elif base is not None:
                    buffer = buffers[base]
                    buffer.last = max(buffer.last, last)
                if buffer is None:
                    pin = self.pins.get(number)
                    if pin is not None and self._may_be_at(number, pin, position):
                        buffer = Buffer(node.size, node.dtype, position, last, pin)
                    else:
                        if number in self.targets:
                            last = _NEVER
                        buffer = self._reused(number, position, plan, buffers, taken, last)
                        if buffer is None:
                            buffer = Buffer(node.size, node.dtype, position, last)
                            arena.append(buffer)
                    if node.kind is Kind.WRITE:
                        source = root_of(self.nodes, node.operands[0])
                        if self.nodes[source].kind is not Kind.CONST or not self._covered(number):
                            before.append(Copy(source, buffer))
                    else:
                        added = accumulated(self.nodes, node)
                        if added is not None:
                            before.append(Copy(root_of(self.nodes, added), buffer))
                buffers[number] = buffer
            if plan is not None:
                for number in plan.spills:
                    spills[position, number] = self._spill(number, position, plan, buffers, arena)
            steps.append(Step(group, plan, tuple(self.stored[group.number]), tuple(before)))
        after: list[Copy] = []
        final: list[tuple[Buffer, Buffer]] = []
        end = len(steps)
        for root, places in self.targets.items():
            node = self.nodes[root]
            own = buffers.get(root)
            for place in places:
                if own is not None and own.place == place:
                    continue
                target = Buffer(node.size, node.dtype, end, end, place)
                if place.space is Space.OUTPUT:
                    after.append(Copy(root, target))
                elif own is not None:
                    final.append((own, target))
                else:  # from one input to another: all are read before any is written
                    if root not in copied:
                        copied[root] = Buffer(node.size, node.dtype, end, end + 1)
                        arena.append(copied[root])
                        after.append(Copy(root, copied[root]))
                    final.append((copied[root], target))
        for buffer in arena:
            buffer.last = min(buffer.last, end + 1)
        return Schedule(
            tuple(steps), tuple(after), tuple(final), buffers, spills, self.direct, allocate(arena)
        )

    def _reused(
        self,
        number: int,
        position: int,
        plan: LoopPlan | None,
        buffers: dict[int, Buffer],
        taken: set[int],
        last: int,
    ) -> Buffer | None:
        """The buffer of an operand that dies in this very kernel, which reads each element before it is written."""
        node = self.nodes[number]
        if plan is None or node.kind is Kind.WRITE:
            return None
        nbytes = node.size * node.dtype.itemsize
        for root, (stage, identity) in plan.reads.items():
            buffer = buffers.get(root)
            if (
                buffer is not None
                and identity
                and buffer.place is None
                and buffer.last == position
                and buffer.nbytes == nbytes
                and self.nodes[root].size
                == node.size  # else an element lies where others are still to be read
                and stage <= plan.stores[number]
                and id(buffer) not in taken
                and not self._read_otherwise(plan, root, buffer, buffers)
            ):
                taken.add(id(buffer))
                buffer.last = last
                self.shared_here.add(id(buffer))
                return buffer
        return None

    @staticmethod
    def _read_otherwise(plan: LoopPlan, root: int, buffer: Buffer, buffers: dict[int, Buffer]) -> bool:
        """Whether the kernel reads the same memory as another node's, too."""
        return any(other != root and buffers.get(other) is buffer for other in plan.reads)

    def _spill(
        self, number: int, position: int, plan: LoopPlan, buffers: dict[int, Buffer], arena: list[Buffer]
    ) -> Buffer:
        """Memory for a value between two stages: that of a result stored after its last use, or its own."""
        node = self.nodes[number]
        nbytes = node.size * node.dtype.itemsize
        for stored, moment in plan.stores.items():
            other = buffers[stored]
            if (
                other.nbytes == nbytes
                and other.size == node.size
                and self.nodes[stored].kind is not Kind.WRITE
                and moment >= plan.spills[number]
                and id(other) not in self.shared_here
                and (other.place is None or other.place.space is Space.OUTPUT)
                and len(plan.spills) == 1
            ):
                return other
        buffer = Buffer(node.size, node.dtype, position, position)
        arena.append(buffer)
        return buffer

    def _covered(self, number: int) -> bool:
        """Whether the WRITEs into a fresh array, of which ``number`` is the first, replace all of it."""
        shape = self.nodes[number].shape
        strides = contiguous_strides(shape)
        slabs: dict[int, set[tuple[int, int]]] = {}
        while True:
            node = self.nodes[number]
            region, steps, offset = node.attrs
            axes = [i for i, (n, m) in enumerate(zip(region, shape, strict=False)) if n != m]
            if len(region) != len(shape) or len(axes) > 1:
                return False
            if self.nodes[node.operands[1]].dtype != node.dtype:
                return False
            if any(s != t and n != 1 for n, s, t in zip(region, steps, strides, strict=True)):
                return False
            if not axes:
                return bool(offset == 0)
            (axis,) = axes
            if offset % strides[axis]:
                return False
            slabs.setdefault(axis, set()).add((offset // strides[axis], region[axis]))
            reach = 0
            for start, length in sorted(slabs[axis]):
                if start > reach:
                    break
                reach = max(reach, start + length)
            if reach >= shape[axis]:
                return True
            following = [
                w for w, base in self.base_of.items() if base == number and self.nodes[w].kind is Kind.WRITE
            ]
            # What reads the array before it is whole would see what nobody wrote.
            if len(following) != 1 or len(self.readers[number]) != 1 or number in self.targets:
                return False
            number = following[0]


def is_check(node: Node) -> bool:
    """Whether a node only looks at a number after the run, to raise an error."""
    return node.kind is Kind.CALL and getattr(node.attrs[0], "after_run", False)


def _ancestors(order: list[int], before: list[set[int]]) -> dict[int, int]:
    """For each group a set of bits: all that run before it because of what it needs."""
    result: dict[int, int] = {}
    for number in order:
        bits = 0
        for source in before[number]:
            bits |= result[source] | 1 << source
        result[number] = bits
    return result


def schedule(graph: Graph, groups: list[Group]) -> Schedule:
    """The order of the groups and the memory of every value."""
    return Scheduler(graph, groups).run()
