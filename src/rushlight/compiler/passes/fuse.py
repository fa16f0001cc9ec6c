"""Fusion: which nodes one kernel computes.

Nodes are taken in order; each joins the group of an operand (or of another reader of the same memory) where both walk the
same index space, and where the group is not needed by something that the node needs in turn (that would be a circle).
Groups that a node brings together become one. Then values that another group could as well compute from what is in
memory anyway are computed there again (``inlined``), so that they need no memory of their own.
"""

from __future__ import annotations

from typing import Any

from ...ir.graph import Graph, Kind, Node
from ...ir.regions import count
from ..access import Access, dims_of, root_of
from ..groups import (
    CHEAP,
    VIRTUAL,
    Form,
    Group,
    Level,
    accesses_of,
    domain_of,
    is_row_broadcast,
    matrix_access,
    refine_outer,
    refine_space,
    without_ones,
)
from ..lowering.builder import has_effects

_MOST_MEMBERS = 120
_MOST_READ = 28
_MOST_INLINED = 8
# Sums over columns that are so few nodes apart are made in one kernel even if they share no operand.
_NEAR = 80


class _Fuser:
    def __init__(self, graph: Graph) -> None:
        self.nodes = graph.nodes
        self.graph = graph
        self.groups: dict[int, Group] = {}
        self.owner: dict[int, int] = {}
        self.before: dict[int, int] = {}  # for each group bits: all groups that it needs, directly or not
        self.direct: dict[int, set[int]] = {}
        self.after: dict[int, set[int]] = {}
        self.readers: dict[
            int, list[int]
        ] = {}  # of memory that is in no loop group: groups that read all of it
        self.reads: dict[int, set[int]] = {}  # roots in memory that a group reads
        self.scalars = -1
        self.last_effect = -1
        self.columns: dict[
            tuple[int, int], list[int]
        ] = {}  # by size and number of columns: sums over columns
        self.made = 0

    # --- which group needs which --------------------------------------------------------------------------------------

    def _new(self, form: Form, node: Node, size: int) -> Group:
        shape = () if form in (Form.CALL, Form.PRODUCT) else without_ones(domain_of(self.nodes, node))
        group = Group(self.made, form, shape, size)
        self.made += 1
        self.groups[group.number] = group
        self.before[group.number] = 0
        self.direct[group.number] = set()
        self.after[group.number] = set()
        self.reads[group.number] = set()
        return group

    def _sources(self, number: int) -> set[int]:
        """The groups that the node's operands are computed in."""
        node = self.nodes[number]
        found = set()
        for operand in node.operands:
            root = operand
            while self.nodes[root].kind is Kind.VIEW:
                root = self.nodes[root].operands[0]
            own = self.owner.get(root)
            if own is not None:
                found.add(own)
        return found

    def _needs(self, group: int, sources: set[int]) -> None:
        """Note that ``group`` needs ``sources``; everything that needs it needs them, too."""
        bits = 0
        for source in sources:
            if source != group:
                bits |= self.before[source] | 1 << source
                self.direct[group].add(source)
                self.after[source].add(group)
        waiting = [group]
        while waiting:
            current = waiting.pop()
            if bits & ~self.before[current]:
                self.before[current] |= bits
                waiting.extend(self.after[current])

    def _circle(self, group: int, sources: set[int]) -> bool:
        """Whether one of the sources needs the group."""
        return any(source != group and self.before[source] >> group & 1 for source in sources)

    def _mergeable(self, a: int, b: int) -> bool:
        """Whether no third group lies between two groups."""
        for first, second in ((a, b), (b, a)):
            for source in self.direct[second]:
                if source != first and self.before[source] >> first & 1:
                    return False
        return True

    # --- whether a node fits ------------------------------------------------------------------------------------------

    def _fit(self, group: Group, number: int) -> tuple[Level, object, object] | None:
        """The level, space and reduced dimensions with which the node could join the group."""
        node = self.nodes[number]
        if group.form not in (Form.ROWS, Form.COLUMNS) or len(group.members) >= _MOST_MEMBERS:
            return None
        domain = domain_of(self.nodes, node)
        size = count(domain)
        accesses = accesses_of(self.nodes, number)
        if node.kind is Kind.WRITE:
            base = root_of(self.nodes, node.operands[0])
            if self.owner.get(base) == group.number or self._is_copied_from(base, group):
                return None
        if size == group.size and not (
            group.reduced is not None and group.form is Form.COLUMNS and node.kind is not Kind.REDUCE
        ):
            return self._fit_full(group, number, node, domain, accesses)
        if node.kind is not Kind.REDUCE and group.reduced is not None and size == count(group.outer):
            return self._fit_row(group, domain, accesses)
        return None

    def _is_copied_from(self, root: int, group: Group) -> bool:
        """Whether a VIEW that must be in memory of its own is one of something that the group computes: its copy is made
        after the group, so nothing in the group can read it."""
        if self.nodes[root].kind is not Kind.VIEW:
            return False
        while self.nodes[root].kind is Kind.VIEW:
            root = self.nodes[root].operands[0]
        return root in group.levels

    def _is_written(self, root: int) -> bool:
        """Whether a node is memory of which a WRITE changes a region: what is read of it is not what the loop has just made
        for the same index, even where it is as many elements."""
        return self.nodes[root].kind is Kind.WRITE

    def _fit_full(
        self, group: Group, number: int, node: Node, domain: tuple[int, ...], accesses: list[Access]
    ) -> tuple[Level, object, object] | None:
        space, reduced = group.space, group.reduced
        for shape in (domain, *[access.shape for access in accesses]):
            finer = refine_space(space, reduced, shape)
            if finer is None:
                return None
            space, reduced = finer
        for access in accesses:
            level = group.levels.get(access.root)
            if level is not None and self._is_written(access.root):
                return None
            if self._is_copied_from(access.root, group):
                return None
            if level is Level.FULL:
                if not access.is_identity(self.nodes[access.root].size):
                    return None
            elif level is Level.ROW:
                assert reduced is not None
                if node.kind is Kind.REDUCE or group.form is Form.COLUMNS:
                    return None
                if not is_row_broadcast(access, space, reduced):
                    return None
        if node.kind is not Kind.REDUCE:
            return Level.FULL, space, reduced
        own = dims_of(domain, node.attrs[1], space)
        if reduced is not None and own != reduced:
            return None
        if not own:
            return None
        form = Form.ROWS if len(space) - 1 in own else Form.COLUMNS
        if form is not group.form and (group.form is Form.COLUMNS or form is Form.COLUMNS):
            return None
        return Level.ROW, space, own

    def _fit_row(
        self, group: Group, domain: tuple[int, ...], accesses: list[Access]
    ) -> tuple[Level, object, object] | None:
        space, reduced = group.space, group.reduced
        assert reduced is not None
        inside = False
        for shape in (domain, *[access.shape for access in accesses]):
            finer = refine_outer(space, reduced, shape)
            if finer is None:
                return None
            space, reduced = finer
        for access in accesses:
            level = group.levels.get(access.root)
            if level is Level.FULL or self._is_copied_from(access.root, group):
                return None
            if level is Level.ROW:
                if not access.is_identity(self.nodes[access.root].size):
                    return None
                inside = True
        return (Level.ROW, space, reduced) if inside else None

    # --- joining ------------------------------------------------------------------------------------------------------

    def _join(self, group: Group, number: int, fit: tuple[Level, object, object], sources: set[int]) -> None:
        level, group.space, group.reduced = fit  # type: ignore[assignment]
        group.add(number, level)
        self.owner[number] = group.number
        self._needs(group.number, sources)
        self._note_reads(group, number)

    def _note_reads(self, group: Group, number: int) -> None:
        for access in accesses_of(self.nodes, number):
            root = access.root
            own = self.owner.get(root)
            if own != group.number and self.nodes[root].kind not in (Kind.CONST, Kind.INDEX):
                self.reads[group.number].add(root)
                if count(access.shape) == group.size:
                    known = self.readers.setdefault(root, [])
                    if group.number not in known:
                        known.append(group.number)

    def _merge(self, a: Group, b: Group) -> Group | None:
        """One group of both, if their spaces go together; None if not."""
        if a.form is not b.form or a.size != b.size or len(a.members) + len(b.members) > _MOST_MEMBERS:
            return None
        if len(self.reads[a.number] | self.reads[b.number]) > _MOST_READ or not self._mergeable(
            a.number, b.number
        ):
            return None
        space, reduced = a.space, a.reduced
        finer = refine_space(space, reduced, b.space)
        if finer is None:
            return None
        space, reduced = finer
        other = None if b.reduced is None else dims_of(b.space, sorted(b.reduced), space)
        if reduced is not None and other is not None and reduced != other:
            return None
        if a.form is Form.COLUMNS and reduced != other:
            return None
        reduced = other if reduced is None else reduced
        if not self._still_fits(a, b, space, reduced) or not self._still_fits(b, a, space, reduced):
            return None
        a.space, a.reduced = space, reduced
        a.members = sorted([*a.members, *b.members])
        a.levels.update(b.levels)
        for member in b.members:
            self.owner[member] = a.number
        self.reads[a.number] |= self.reads.pop(b.number)
        self.reads[a.number] = {r for r in self.reads[a.number] if self.owner.get(r) != a.number}
        for source in self.direct.pop(b.number):
            self.after[source].discard(b.number)
            if source != a.number:
                self.direct[a.number].add(source)
                self.after[source].add(a.number)
        for target in self.after.pop(b.number):
            self.direct[target].discard(b.number)
            if target != a.number:
                self.direct[target].add(a.number)
                self.after[a.number].add(target)
        self.direct[a.number].discard(b.number)
        self.after[a.number].discard(b.number)
        bits = (self.before[a.number] | self.before.pop(b.number)) & ~(1 << a.number | 1 << b.number)
        del self.groups[b.number]
        self.before[a.number] = bits
        mine, gone = 1 << a.number, 1 << b.number
        for number, needed in self.before.items():
            if number != a.number and needed & (mine | gone):
                self.before[number] = (needed | mine | bits) & ~gone
        if self.scalars == b.number:
            self.scalars = a.number
        return a

    def _still_fits(self, reader: Group, source: Group, space: tuple[int, ...], reduced: object) -> bool:
        """Whether what ``reader`` reads of ``source``'s members can be passed on inside of one kernel."""
        for number in reader.members:
            if self.nodes[number].kind is Kind.INPUT:
                continue
            for access in accesses_of(self.nodes, number):
                level = source.levels.get(access.root)
                if self._is_copied_from(access.root, source):
                    return False
                if level is None:
                    continue
                if self._is_written(access.root):
                    return False
                own = reader.levels[number]
                if self.nodes[number].kind is Kind.REDUCE:
                    own = Level.FULL
                size = self.nodes[access.root].size
                if level is own:
                    if not access.is_identity(size):
                        return False
                elif level is Level.ROW and own is Level.FULL:
                    if self.nodes[number].kind is Kind.REDUCE or not isinstance(reduced, frozenset):
                        return False
                    finer = refine_space(space, reduced, access.shape)
                    if finer is None or finer[0] != space or not is_row_broadcast(access, space, reduced):
                        return False
                else:
                    return False
            node = self.nodes[number]
            if node.kind is Kind.WRITE:
                base = root_of(self.nodes, node.operands[0])
                if source.level(base) is not None or self._is_copied_from(base, source):
                    return False
        return True

    # --- the walk -----------------------------------------------------------------------------------------------------

    def _candidates(self, number: int, sources: set[int]) -> list[int]:
        accesses = accesses_of(self.nodes, number)
        found: list[int] = []
        for access in accesses:
            own = self.owner.get(access.root)
            if own is not None and self.groups[own].form in (Form.ROWS, Form.COLUMNS) and own not in found:
                found.append(own)
        found.sort(key=lambda g: (-self.groups[g].size, -g))
        siblings = []
        for access in accesses:
            if self.nodes[access.root].kind in (Kind.CONST, Kind.INDEX):
                continue
            for reader in reversed(self.readers.get(access.root, ())[-4:]):
                if reader in self.groups and reader not in found and reader not in siblings:
                    siblings.append(reader)
        return found + siblings

    def _place(self, number: int) -> None:
        node = self.nodes[number]
        sources = self._sources(number)
        if node.kind in (Kind.MATMUL, Kind.CALL):
            form = Form.PRODUCT if node.kind is Kind.MATMUL else Form.CALL
            group = self._new(form, node, 0 if node.several else node.size)
            group.add(number, Level.FULL)
            self.owner[number] = group.number
            if has_effects(
                node
            ):  # in the program's order: no kernel may be needed by one and need an earlier one
                if self.last_effect >= 0:
                    sources = sources | {self.last_effect}
                self.last_effect = group.number
            self._needs(group.number, sources)
            return
        joined: Group | None = None
        size = count(domain_of(self.nodes, node))
        candidates = self._candidates(number, sources)
        if (
            size == 1
            and node.kind is not Kind.REDUCE
            and self.scalars >= 0
            and self.scalars not in candidates
        ):
            candidates.append(self.scalars)
        if node.kind is Kind.REDUCE:
            recent = self.columns.get((size, node.size), [])[-3:]
            near = [g for g in recent if g in self.groups and number - self.groups[g].members[-1] < _NEAR]
            candidates += [g for g in near if g not in candidates]
        for candidate in candidates:
            if candidate not in self.groups:
                continue
            group = self.groups[candidate]
            if joined is None:
                if self._circle(candidate, sources) or len(self.reads[candidate]) > _MOST_READ:
                    continue
                fit = self._fit(group, number)
                if fit is None:
                    continue
                self._join(group, number, fit, sources)
                joined = group
            elif candidate in sources and candidate != joined.number:
                joined = self._merge(joined, group) or joined
        if joined is None:
            self._alone(number, node, size, sources)

    def _alone(self, number: int, node: Node, size: int, sources: set[int]) -> None:
        form = Form.ROWS
        reduced = None
        domain = domain_of(self.nodes, node)
        if node.kind is Kind.REDUCE:
            space = without_ones(domain)
            for access in accesses_of(self.nodes, number):
                finer = refine_space(space, None, access.shape)
                if finer is not None:
                    space = finer[0]
            reduced = dims_of(domain, node.attrs[1], space)
            form = Form.ROWS if not space or len(space) - 1 in reduced else Form.COLUMNS
        group = self._new(form, node, size)
        for access in accesses_of(self.nodes, number):
            finer = refine_space(group.space, None, access.shape)
            if finer is not None:
                group.space = finer[0]
        group.reduced = reduced
        if form is Form.COLUMNS:
            self.columns.setdefault((size, node.size), []).append(group.number)
        level = Level.FULL if reduced is None else Level.ROW
        group.add(number, level)
        self.owner[number] = group.number
        self._needs(group.number, sources)
        self._note_reads(group, number)
        if size == 1 and node.kind is not Kind.REDUCE:
            self.scalars = group.number

    def run(self) -> list[Group]:
        for number, node in enumerate(self.nodes):
            if node.kind is Kind.ITEM:
                own = self.owner[node.operands[0]]
                self.owner[number] = own
                self.groups[own].add(number, Level.FULL)
            elif node.kind not in VIRTUAL:
                self._place(number)
        groups = list(self.groups.values())
        for group in groups:
            group.members.sort()
        _Inliner(self.graph, groups, self.owner).run()
        for i, group in enumerate(groups):
            group.number = i
        return groups


class _Inliner:
    """Values that their readers compute themselves, from what is in memory anyway."""

    def __init__(self, graph: Graph, groups: list[Group], owner: dict[int, int]) -> None:
        self.nodes = graph.nodes
        self.groups = groups
        self.by_number = {group.number: group for group in groups}
        self.owner = owner
        self.users: dict[
            int, list[tuple[Group, Level | None]]
        ] = {}  # outside readers: at which level, if one by one
        self.kept = {root_of(graph.nodes, output.node) for output in graph.outputs}
        self.reads: dict[int, set[int]] = {group.number: set() for group in groups}  # element by element

    def run(self) -> None:
        for group in self.groups:
            loops = group.form in (Form.ROWS, Form.COLUMNS)
            for number in group.members:
                node = self.nodes[number]
                if node.kind in (Kind.ITEM, Kind.INPUT):
                    continue
                if not loops:
                    for operand in node.operands:
                        self.kept.add(matrix_access(self.nodes, operand).root)
                        self.kept.add(root_of(self.nodes, operand))
                    continue
                if node.kind is Kind.WRITE:
                    self.kept.add(root_of(self.nodes, node.operands[0]))
                full = node.kind is Kind.REDUCE or group.levels[number] is Level.FULL
                for access in accesses_of(self.nodes, number):
                    if self.owner.get(access.root) != group.number:
                        identity = access.is_identity(self.nodes[access.root].size)
                        level = (Level.FULL if full else Level.ROW) if identity else None
                        self.users.setdefault(access.root, []).append((group, level))
                        if identity:
                            self.reads[group.number].add(access.root)
        # From the last value back: what reads an inlined value's operands is known before they are looked at.
        for number in sorted(self.users, reverse=True):
            self._consider(number)

    def _consider(self, number: int) -> None:
        own = self.by_number.get(self.owner.get(number, -1))
        if (
            own is None
            or own.form is not Form.ROWS
            or number in self.kept
            or own.levels.get(number) is not Level.FULL
        ):
            return
        node = self.nodes[number]
        if node.kind not in (Kind.MAP, Kind.CAST):
            return
        users = self.users[number]
        level = users[0][1]
        if level is None or any(
            other is not level or not _matches(group, own, level) for group, other in users
        ):
            return
        inside = {id(group): group for group, _ in users}
        alone = len(inside) == 1 and not self._read_inside(number, own)
        found = self._chain(number, own, alone)
        if found is None:
            return
        chain, large = found
        # What is read instead must not be more than what is read now.
        if not alone and any(len(large - self.reads[group.number]) > 1 for group in inside.values()):
            return
        for group in inside.values():
            space, reduced = group.space, group.reduced
            for member in chain:
                for access in accesses_of(self.nodes, member):
                    finer: Any
                    if level is Level.FULL:
                        finer = refine_space(space, reduced, access.shape)
                    else:
                        finer = refine_outer(space, reduced or frozenset(), access.shape)
                    if finer is None:
                        return
                    space, reduced = finer
            if space != group.space:
                return
        for group in inside.values():
            self.reads[group.number] |= large
            for member in chain:
                group.inlined[member] = level
            for member in chain:
                for access in accesses_of(self.nodes, member):
                    if access.root not in chain and self.owner.get(access.root) not in (None, group.number):
                        identity = access.is_identity(self.nodes[access.root].size)
                        self.users.setdefault(access.root, []).append((group, level if identity else None))

    def _read_inside(self, number: int, own: Group) -> bool:
        return any(
            access.root == number
            for member in own.members
            if member > number and self.nodes[member].kind is not Kind.INPUT
            for access in accesses_of(self.nodes, member)
        )

    def _chain(self, number: int, own: Group, alone: bool) -> tuple[list[int], set[int]] | None:
        """The nodes to compute for ``number``, and the large values in memory that they read; None where that is too much."""
        chain: dict[int, None] = {}
        large: set[int] = set()
        waiting = [number]
        while waiting:
            current = waiting.pop()
            if current in chain:
                continue
            node = self.nodes[current]
            if node.kind is Kind.MAP and node.attrs[0] not in CHEAP and not alone:
                return None
            chain[current] = None
            if len(chain) > (24 if alone else _MOST_INLINED):
                return None
            for access in accesses_of(self.nodes, current):
                root = access.root
                if self.nodes[root].kind in (Kind.CONST, Kind.INDEX):
                    continue
                level = own.levels.get(root)
                if (
                    level is Level.FULL
                    and self.nodes[root].kind in (Kind.MAP, Kind.CAST)
                    and root not in self.kept
                ):
                    waiting.append(root)
                    continue
                if level is not None and root not in self.kept and level is Level.FULL:
                    return None
                if access.is_identity(self.nodes[root].size):
                    large.add(root)
        return (sorted(chain), large) if len(large) <= (6 if alone else 2) else None


def _matches(group: Group, own: Group, level: Level) -> bool:
    """Whether the values of ``own`` are one for each element of ``group`` at that level."""
    if level is Level.FULL:
        return group.size == own.size
    return group.reduced is not None and count(group.outer) == own.size


def fuse(graph: Graph) -> list[Group]:
    """The groups of all nodes that are computed, in no particular order."""
    return _Fuser(graph).run()
