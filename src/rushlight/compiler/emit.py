"""From a schedule to the lines of a plan: native launches, and calls of Python functions where there is no kernel."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from ..ir.evaluate import evaluate_node
from ..ir.graph import Graph, Kind, Node, contiguous_strides
from ..ir.loops import Argument, ColumnKernel, Instruction, Leaf, RowKernel, Stage, Step as Stride
from ..ir.scalar import ScalarOp
from .access import Access, root_of
from .groups import CHEAP, Form, Group, external_roots, factor_of, matrix_access, share_of_zeros
from .launch import HostLaunch, KernelCall, Launch, Place, Pointer, Role, Space
from .loop_kernels import LoopPlan
from .memory import Buffer
from .product_targets import Target, accumulated
from .schedule import Copy, Schedule, Step, is_check

_HAVE_LLVM = importlib.util.find_spec("llvmlite") is not None
# What an expensive operation costs, in additions.
_HEAVY = 16


class Line(NamedTuple):
    """A line of the plan with what it was made of, for ``explain`` and for tests. ``kernel``: None but for loop kernels."""

    line: Launch | HostLaunch
    nodes: tuple[int, ...]
    kernel: RowKernel | ColumnKernel | None = None


def kernel_key(kernel: Any) -> Any:
    """A kernel as a key: 0.0 and -0.0 are equal as numbers, and True and 1."""
    stages = kernel.stages if isinstance(kernel, RowKernel) else (kernel.body, kernel.finish)
    constants = tuple([repr(i.payload) for s in stages for i in s.code if i.op is Leaf.CONST])
    return kernel, constants


_texts: dict[Any, str | None] = {}


def kernel_text(kernel: RowKernel | ColumnKernel) -> str | None:
    """The kernel's code in LLVM IR; None where there is no native form."""
    if not _HAVE_LLVM:
        return None
    key = kernel_key(kernel)
    if key not in _texts:
        from .codegen import loops

        make: Any = loops.row_kernel if isinstance(kernel, RowKernel) else loops.column_kernel
        try:
            _texts[key] = make(kernel)
        except NotImplementedError:
            _texts[key] = None
        if len(_texts) > 4096:
            del _texts[next(iter(_texts))]
    return _texts[key]


@lru_cache(maxsize=256)
def _copy_kernel(dtype: Any, constant: str | None) -> RowKernel:
    """Elements copied one by one, or all set to a number."""
    if constant is None:
        arguments = (Argument(dtype, (Stride.ONE,)), Argument(dtype, (Stride.ONE,), True))
        code = Instruction(Leaf.LOAD, (), dtype, 0)
        return RowKernel(0, 1, arguments, (Stage(True, (code,), ((1, 0),)),))
    number = {"b": lambda t: t == "True", "f": float, "V": float, "c": complex}.get(dtype.kind, int)(constant)
    code = Instruction(Leaf.CONST, (), dtype, number)
    return RowKernel(0, 1, (Argument(dtype, (Stride.ONE,), True),), (Stage(True, (code,), ((0, 0),)),))


# A range of bytes: space, number, first, end.
Extent = tuple[Space, int, int, int]


def _extent(place: Place, nbytes: int) -> Extent:
    return place.space, place.number, place.offset, place.offset + nbytes


def _nbytes(node: Node) -> int:
    return int(node.size * node.dtype.itemsize)


def _touch(some: list[Extent], others: list[Extent]) -> bool:
    return any(a[0] is b[0] and a[1] == b[1] and a[2] < b[3] and b[2] < a[3] for a in some for b in others)


class _HostGroup:
    """The nodes of a group evaluated one by one in NumPy. Called with the memory that the group reads."""

    def __init__(self, graph: Graph, reads: Sequence[int], results: Sequence[int]) -> None:
        self.nodes = graph.nodes
        self.reads = tuple(reads)
        self.results = tuple(results)

    def __call__(self, *arrays: Any) -> Any:
        values: dict[int, Any] = {
            root: array.reshape(self.nodes[root].shape)
            for root, array in zip(self.reads, arrays, strict=True)
        }
        found = [self._value(number, values) for number in self.results]
        return found[0] if len(found) == 1 else tuple(found)

    def _value(self, number: int, values: dict[int, Any]) -> Any:
        if number not in values:
            node = self.nodes[number]
            values[number] = evaluate_node(node, [self._value(i, values) for i in node.operands])
        return values[number]


class _HostCall:
    """A primitive's own function on its operands."""

    def __init__(self, node: Node, wanted: Sequence[int] | None) -> None:
        self.node = node
        self.wanted = wanted

    def __call__(self, *arrays: Any) -> Any:
        result = evaluate_node(self.node, arrays)
        if self.wanted is None:
            return result
        if len(self.wanted) == 1:
            return result[self.wanted[0]]
        return tuple([result[i] for i in self.wanted])


# Copies of fewer elements are left to the loop that they are anyway.
_EXCHANGED_FROM = 4096


def _exchange(plan: LoopPlan) -> tuple[str, list[int], int, int, tuple[int, int]] | None:
    """A kernel that copies in blocks where ``plan`` only copies an array into another order of dimensions: its code, integers,
    units and grain, and which of the arguments it reads and writes."""
    kernel = plan.kernel
    if not isinstance(kernel, RowKernel) or len(kernel.stages) != 1 or len(plan.arguments) != 2:
        return None
    (stage,) = kernel.stages
    if len(stage.code) != 1 or stage.reductions or plan.units * plan.work < _EXCHANGED_FROM:
        return None
    if stage.code[0].op is not Leaf.LOAD or len(stage.stores) != 1:
        return None
    read, written = stage.code[0].payload, stage.stores[0][0]
    source, target = plan.arguments[read], plan.arguments[written]
    if source.dtype != target.dtype or source.written or not target.written:
        return None
    from .kernels.transposing import STRETCH, block_extent, copy_of

    itemsize = int(target.dtype.itemsize)
    way = copy_of(plan.extents, source.strides, target.strides, itemsize)
    if way is None:
        return None
    grain = max(1, 16384 // (STRETCH * block_extent(itemsize)))
    return (*way, grain, (read, written))


class Emitter:
    def __init__(self, graph: Graph, plan: Schedule) -> None:
        self.graph = graph
        self.nodes = graph.nodes
        self.schedule = plan
        self.lines: list[Line] = []
        self.checks: list[tuple[Place, Any]] = []
        self.arena = self._top = plan.arena
        self._together: list[
            tuple[list[Extent], list[Extent]]
        ] = []  # what the lines that run at one time read and write

    def run(self) -> list[Line]:
        for position, step in enumerate(self.schedule.steps):
            self._top = self.schedule.arena
            for copy in step.before:
                self._copy(copy)
            if step.group.form in (Form.ROWS, Form.COLUMNS):
                self._loop(position, step)
            elif step.group.form is Form.PRODUCT:
                self._product(step)
            else:
                self._call(step)
        for copy in self.schedule.after:
            self._copy(copy)
        for source, target in self.schedule.last:
            assert source.place is not None and target.place is not None
            self._copy_memory(source.place, target.place, target, "copy")
        return self.lines

    def _launch(
        self,
        launch: Launch,
        reads: list[Extent],
        writes: list[Extent],
        nodes: tuple[int, ...],
        kernel: Any = None,
    ) -> None:
        """Append a native line; it overlaps the ones before if they have no memory in common that one of them writes."""
        free = bool(self._together) and isinstance(self.lines[-1].line, Launch)
        for other_reads, other_writes in self._together if free else ():
            if _touch(writes, other_reads) or _touch(writes, other_writes) or _touch(reads, other_writes):
                free = False
                break
        if not free:
            self._together = []
        self._together.append((reads, writes))
        self.lines.append(Line(launch._replace(overlaps=free), nodes, kernel))

    def _host(self, launch: HostLaunch, nodes: tuple[int, ...]) -> None:
        self._together = []
        self.lines.append(Line(launch, nodes))

    # --- places -------------------------------------------------------------------------------------------------------

    def place(self, root: int) -> Place:
        """Where the node's memory is."""
        node = self.nodes[root]
        buffer = self.schedule.buffers.get(root)
        if buffer is None:
            if node.kind is not Kind.INPUT:
                raise AssertionError(f"node {root} has no memory")
            return Place(Space.INPUT, node.attrs[0], 0)
        assert buffer.place is not None
        return buffer.place

    def _workspace(self, size: int) -> Place:
        """Memory for the launches of one step, behind everything that the schedule has put into the arena."""
        place = Place(Space.ARENA, 0, self._top)
        self._top += -(-max(size, 1) // 64) * 64
        self.arena = max(self.arena, self._top)
        return place

    def _sites(self, numbers: Sequence[int]) -> tuple[Any, ...]:
        return tuple(dict.fromkeys([self.nodes[i].site for i in numbers if self.nodes[i].site is not None]))

    # --- loops --------------------------------------------------------------------------------------------------------

    def _loop(self, position: int, step: Step) -> None:
        plan, group = step.plan, step.group
        text = None if plan is None else kernel_text(plan.kernel)
        if not any(self.nodes[i].size for i in step.stores):
            return
        if plan is None or text is None:
            self._host_group(step)
            return
        places = []
        reads: list[Extent] = []
        writes: list[Extent] = []
        for argument in plan.arguments:
            if argument.root in plan.spills:
                buffer = self.schedule.spills[position, argument.root]
                assert buffer.place is not None
                base = buffer.place
            else:
                base = self.place(argument.root)
            itemsize = argument.dtype.itemsize
            (writes if argument.written else reads).append(_extent(base, _nbytes(self.nodes[argument.root])))
            places.append(base._replace(offset=base.offset + argument.offset * itemsize))
        ints = [*plan.extents]
        for argument in plan.arguments:
            ints += argument.strides
        total = plan.units * plan.work
        size = sum([self._bytes_of(a, plan) for a in plan.arguments])
        flops = total * _cost(plan.kernel)
        numbers = (*group.inlined, *group.members)
        units, grain = plan.units, _grain(plan)
        exchange = _exchange(plan)
        if exchange is not None:
            text, ints, units, grain, order = exchange
            places = [places[i] for i in order]
        launch = Launch(
            text, "kernel", tuple(ints), tuple(places), units, grain, 0,
            self._label(group), self._sites(numbers), flops, size,
        )  # fmt: skip
        self._launch(launch, reads, writes, numbers, plan.kernel)

    def _bytes_of(self, argument: Any, plan: LoopPlan) -> int:
        touched = 1
        for extent, stride in zip(plan.extents, argument.strides, strict=True):
            if stride:
                touched *= extent
        return touched * int(argument.dtype.itemsize)

    def _label(self, group: Group) -> str:
        names = []
        for number in sorted([*group.inlined, *group.members]):
            node = self.nodes[number]
            name = repr(node.attrs[0]) if node.kind in (Kind.MAP, Kind.REDUCE) else node.kind.name.lower()
            names.append(name)
        text = " ".join(names[:8])
        return text if len(names) <= 8 else f"{text} … ({len(names)})"

    def _host_group(self, step: Step) -> None:
        reads = list(external_roots(self.graph, step.group))
        results = [i for i in step.stores if self.nodes[i].size]
        for number in step.group.members:
            node = self.nodes[number]
            base = node.operands[0] if node.kind is Kind.WRITE else accumulated(self.nodes, node)
            if base is not None:
                base = root_of(self.nodes, base)
                if self.nodes[base].kind is not Kind.CONST and base not in reads:
                    reads.append(base)
        launch = HostLaunch(
            _HostGroup(self.graph, reads, results),
            tuple([(self.place(i), self.nodes[i].shape, self.nodes[i].dtype) for i in reads]),
            tuple([(self.place(i), self.nodes[i].shape, self.nodes[i].dtype) for i in results]),
            self._label(step.group),
            self._sites(step.group.members),
        )
        self._host(launch, tuple(step.group.members))

    # --- copies -------------------------------------------------------------------------------------------------------

    def _copy(self, copy: Copy) -> None:
        target = copy.target
        assert target.place is not None
        if not target.size:
            return
        node = self.nodes[copy.source]
        if node.kind is Kind.CONST:
            kernel = _copy_kernel(node.dtype, repr(node.attrs[0]))
            text = kernel_text(kernel)
            if text is None:
                function: Callable[..., Any] = _Constant(node)
                self._host(
                    HostLaunch(function, (), ((target.place, node.shape, node.dtype),), "fill"),
                    (copy.source,),
                )
                return
            launch = Launch(
                text,
                "kernel",
                (target.size, 1),
                (target.place,),
                target.size,
                16384,
                0,
                "fill",
                (),
                0,
                target.nbytes,
            )
            self._launch(launch, [], [_extent(target.place, target.nbytes)], (copy.source,), kernel)
            return
        source = self.place(copy.source)
        if source != target.place:
            self._copy_memory(source, target.place, target, "copy")

    def _copy_memory(self, source: Place, into: Place, target: Buffer, label: str) -> None:
        kernel = _copy_kernel(target.dtype, None)
        text = kernel_text(kernel)
        if text is None:
            described = ((target.size,), target.dtype)
            line = HostLaunch(_same, ((source, *described),), ((into, *described),), label)
            self._host(line, ())
            return
        launch = Launch(
            text,
            "kernel",
            (target.size, 1, 1),
            (source, into),
            target.size,
            16384,
            0,
            label,
            (),
            0,
            2 * target.nbytes,
        )
        self._launch(launch, [_extent(source, target.nbytes)], [_extent(into, target.nbytes)], (), kernel)

    # --- products and slots -------------------------------------------------------------------------------------------

    def _product(self, step: Step) -> None:
        number = step.group.members[0]
        node = self.nodes[number]
        if not node.size:
            return
        target = self.schedule.direct.get(number)
        calls = product_calls(self.graph, number, target)
        if calls is None:
            self._host_group(step)
            return
        roots = [matrix_access(self.nodes, operand).root for operand in node.operands[:2]]
        for operand in node.operands[3:]:
            roots += factor_of(self.nodes, operand)[1]
        into = number if target is None else target.node
        self._kernel_calls(calls, roots, [(self.place(into), self.nodes[into])], step)

    def _kernel_calls(
        self,
        calls: Sequence[KernelCall],
        operands: Sequence[int],
        results: Sequence[tuple[Place, Node]],
        step: Step,
    ) -> None:
        """The launches of a product or a slot. ``operands``: whose memory is read."""
        sites = self._sites(step.group.members)
        sizes = calls[0].workspaces if calls else ()
        spaces = [self._workspace(size) for size in sizes]
        sources = [self.place(root) for root in operands]
        reads = [_extent(place, _nbytes(self.nodes[i])) for place, i in zip(sources, operands, strict=True)]
        writes = [
            *[_extent(place, _nbytes(node)) for place, node in results],
            *[_extent(place, size) for place, size in zip(spaces, sizes, strict=True)],
        ]
        moved = sum([extent[3] - extent[2] for extent in (*reads, *writes)])
        places_of = {
            Role.OPERAND: sources,
            Role.RESULT: [place for place, _ in results],
            Role.WORKSPACE: spaces,
        }
        cleared: set[int] = set()
        for call in calls:
            for result in call.accumulates:
                if result not in cleared:
                    cleared.add(result)
                    place, node = results[result]
                    self._fill(Buffer(node.size, node.dtype, 0, 0, place))
            places = []
            for pointer in call.pointers:
                base = places_of[pointer.role][pointer.number]
                places.append(base._replace(offset=base.offset + pointer.offset))
            launch = Launch(
                call.text, call.name, call.ints, tuple(places), call.units, call.grain, call.scratch, call.label, sites,
                call.flops, moved,
            )  # fmt: skip
            self._launch(launch, reads, writes, tuple(step.group.members))

    def _fill(self, target: Buffer) -> None:
        assert target.place is not None
        kernel = _copy_kernel(target.dtype, "0.0" if target.dtype.kind in "fV" else "0")
        text = kernel_text(kernel)
        assert text is not None
        launch = Launch(
            text,
            "kernel",
            (target.size, 1),
            (target.place,),
            target.size,
            16384,
            0,
            "fill",
            (),
            0,
            target.nbytes,
        )
        self._launch(launch, [], [_extent(target.place, target.nbytes)], (), kernel)

    def _slot(
        self,
        step: Step,
        every: Sequence[int],
        results: Sequence[int],
        operands: Sequence[Node],
        roots: Sequence[int],
    ) -> bool:
        """The lines of a record that has kernels of its own; whether it has."""
        if not _HAVE_LLVM:
            return False
        record, literals, parameters = self.nodes[step.group.members[0]].attrs
        made = [self.nodes[i] for i in every]
        zeros = [share_of_zeros(self.nodes, i) for i in roots]
        calls = _slot(record.name, operands, made, dict(parameters), literals, zeros)
        if calls is None:
            return False
        places = self._result_places(every, results)
        self._kernel_calls(calls, roots, list(zip(places, made, strict=True)), step)
        return True

    def _result_places(self, every: Sequence[int], results: Sequence[int]) -> list[Place]:
        """What nobody reads is computed all the same, into memory for the moment."""
        return [self.place(i) if i in results else self._workspace(_nbytes(self.nodes[i])) for i in every]

    def _call(self, step: Step) -> None:
        first, *items = step.group.members
        node = self.nodes[first]
        record = node.attrs[0]
        if is_check(node):
            self.checks.append((self.place(root_of(self.nodes, node.operands[0])), record.impl))
            return
        every = sorted(items, key=lambda i: self.nodes[i].attrs[0]) if node.several else [first]
        results = [i for i in every if i in self.schedule.buffers and self.nodes[i].size]
        operands = [self.nodes[i] for i in node.operands]
        roots = [root_of(self.nodes, i) for i in node.operands]
        complete = not node.several or [self.nodes[i].attrs[0] for i in every] == list(range(len(every)))
        if results and complete and self._slot(step, every, results, operands, roots):
            return
        if not results and not getattr(record, "effects", False):
            return
        wanted = [self.nodes[i].attrs[0] for i in results] if node.several or not results else None
        function: Any = _HostCall(node, wanted)
        if getattr(record, "into", None) and node.several and complete and len(results) == len(every):
            function = _HostCallInto(node)
        call = HostLaunch(
            function,
            tuple([(self.place(r), n.shape, n.dtype) for r, n in zip(roots, operands, strict=True)]),
            tuple([(self.place(i), self.nodes[i].shape, self.nodes[i].dtype) for i in results]),
            record.name,
            self._sites(step.group.members),
        )
        self._host(call, tuple(step.group.members))


class _HostCallInto:
    """A primitive's own function that writes to its results' memory itself."""

    def __init__(self, node: Node) -> None:
        record, self.literals, parameters = node.attrs
        self.everywhere = getattr(record, "everywhere", False)  # whether it takes a GPU's arrays
        self.write = record.into
        self.parameters = dict(parameters)

    def into(self, results: Sequence[Any], operands: Sequence[Any]) -> None:
        arguments = list(operands)
        for position, value in self.literals:
            arguments.insert(position, value)
        self.write(results, *arguments, **self.parameters)


class _Constant:
    def __init__(self, node: Node) -> None:
        self.node = node

    def __call__(self) -> Any:
        return evaluate_node(self.node, ())


def _same(x: Any) -> Any:
    return x


def _slot(
    name: str,
    operands: Sequence[Node],
    results: Sequence[Node],
    parameters: dict[str, Any],
    literals: Any,
    zeros: Sequence[float],
) -> Sequence[KernelCall] | None:
    try:
        from .kernels import calls_for
    except ImportError:  # without llvmlite there are no kernels
        return None
    return calls_for(
        name,
        tuple([n.shape for n in operands]),
        tuple([n.dtype for n in operands]),
        tuple([n.shape for n in results]),
        parameters,
        tuple(literals),
        zeros,
    )


def product_calls(graph: Graph, number: int, target: Target | None = None) -> Sequence[KernelCall] | None:
    """The launches of a MATMUL, into memory of its own or ``target``; None where NumPy must do it."""
    if not _HAVE_LLVM:
        return None
    from .kernels import gemm

    nodes, node = graph.nodes, graph.nodes[number]
    x, y = [matrix_access(nodes, operand) for operand in node.operands[:2]]
    itemsize = node.dtype.itemsize
    lead = len(node.shape) - 2

    def strides(access: Access) -> tuple[int, ...]:
        own = access.shape[:-2]
        before = [0] * (lead - len(own))
        along = [0 if n == 1 else s for n, s in zip(own, access.strides, strict=False)]
        return (*before, *along, *access.strides[-2:])

    factors: dict[str, Any] = {}
    position = 2
    for name, operand in zip(("alpha", "beta"), node.operands[3:], strict=False):
        constant, roots = factor_of(nodes, operand)
        numbers = tuple([(Pointer(Role.OPERAND, position + i), nodes[r].dtype) for i, r in enumerate(roots)])
        position += len(roots)
        factors[name] = gemm.Coefficient(constant, numbers)
    return gemm.matmul_calls(
        node.shape[-2],
        node.shape[-1],
        x.shape[-1],
        node.dtype,
        batch=node.shape[:-2],
        a_strides=strides(x),
        b_strides=strides(y),
        c_strides=contiguous_strides(node.shape) if target is None else target.strides,
        a=Pointer(Role.OPERAND, 0, x.offset * itemsize),
        b=Pointer(Role.OPERAND, 1, y.offset * itemsize),
        c=Pointer(Role.RESULT, 0, 0 if target is None else target.offset * itemsize),
        zeros=(share_of_zeros(nodes, x.root) >= 0.5, share_of_zeros(nodes, y.root) >= 0.5),
        **factors,
    )


def _cost(kernel: RowKernel | ColumnKernel) -> int:
    stages = kernel.stages if isinstance(kernel, RowKernel) else (kernel.body, kernel.finish)
    total = 0
    for stage in stages:
        if stage.loops:
            for instruction in stage.code:
                if isinstance(instruction.op, ScalarOp):
                    total += 1 if instruction.op in CHEAP else _HEAVY
    return total


def _grain(plan: LoopPlan) -> int:
    """Units that a worker takes at a time: a few microseconds of work."""
    return max(1, 8192 // max(plan.work, 1))


__all__ = ["Emitter", "Line", "kernel_text", "product_calls"]
