"""The lines of a graph's plan on a GPU: the same passes and the same memory plan as on a CPU, other kernels.

``plan_of(graph)`` is ``pipeline.build`` up to the lines. Loop kernels become CUDA C (``codegen/cuda_loops``), products are
cuBLAS's where it can express them, records with kernels of their own have them in ``codegen/cuda_slots``,
``cuda_windows`` and ``cuda_recurrent``, and what is left runs in NumPy between two stretches of the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product as indices_of
from math import prod
from typing import Any, Final, NamedTuple

import numpy as np

from ..ir.graph import Graph, Kind, Node, contiguous_strides
from .access import Access, root_of
from .codegen import cuda_draws, cuda_products
from .codegen.cuda_loops import fill_kernel, loop_kernel
from .cuda_lines import DRAW_STATE, FAULT_WORDS, CudaClear, CudaCopy, CudaLaunch, CudaProduct, Lines, placed
from .emit import Emitter, Line
from .groups import Group, factor_of, matrix_access
from .launch import Place, Pointer, Role
from .memory import Buffer
from .passes.fuse import fuse
from .pipeline import optimize
from .schedule import Copy, Schedule, Step, schedule

NOTHING: Final = -(1 << 63)  # in a word that a check looks at: nothing is wrong
FIRST_CHECK: Final = 8  # the word of the first check; before it are those of ``kernels.faults``
_MOST_PRODUCTS: Final = 16  # launches of cuBLAS for one product whose batch has no single distance


class CudaPlan(NamedTuple):
    """What ``runtime.cuda_plan`` runs. ``checks``: functions that look at a word of the fault memory after a run."""

    before: Graph
    after: Graph
    groups: tuple[Group, ...]
    lines: tuple[Line, ...]
    arena_bytes: int
    checks: tuple[Any, ...]


def plan_of(graph: Graph) -> CudaPlan:
    """The lines that compute ``graph`` on a GPU."""
    after = optimize(graph)
    planned = schedule(after, fuse(after))
    emitter = CudaEmitter(after, planned)
    lines = emitter.run()
    groups = tuple([step.group for step in planned.steps])
    return CudaPlan(graph, after, groups, tuple(lines), emitter.arena, tuple(emitter.word_checks))


class CudaEmitter(Emitter):
    """Lines for a GPU. See ``emit.Emitter`` for what comes when."""

    def __init__(self, graph: Graph, plan: Schedule) -> None:
        super().__init__(graph, plan)
        self.word_checks: list[Any] = []  # for each word of the fault memory from FIRST_CHECK on
        self.drawn = 0  # blocks of random numbers that a run takes

    def run(self) -> list[Line]:
        lines = super().run()
        for place, check in self.checks:
            source, name = cuda_products.keep_kernel()
            self._line(CudaLaunch(source, name, 1, 1, (place, self._word(check)), (), "check"), ())
        if self.drawn:
            source, name = cuda_draws.advance_kernel()
            self._line(CudaLaunch(source, name, 1, 1, (DRAW_STATE,), (self.drawn,), "count draws"), ())
        return lines

    def _word(self, check: Any) -> Place:
        """The word that ``check`` looks at after a run."""
        self.word_checks.append(check)
        return FAULT_WORDS._replace(offset=8 * (FIRST_CHECK + len(self.word_checks) - 1))

    def _line(self, line: Any, nodes: Sequence[int], kernel: Any = None) -> None:
        self.lines.append(Line(line, tuple(nodes), kernel))

    # --- loops --------------------------------------------------------------------------------------------------------

    def _loop(self, position: int, step: Step) -> None:
        plan, group = step.plan, step.group
        if not any(self.nodes[i].size for i in step.stores):
            return
        if plan is None:
            self._host_group(step)
            return
        try:
            made = loop_kernel(plan.kernel, plan.extents, [a.strides for a in plan.arguments])
        except NotImplementedError:
            self._host_group(step)
            return
        places = []
        for argument in plan.arguments:
            if argument.root in plan.spills:
                buffer = self.schedule.spills[position, argument.root]
                assert buffer.place is not None
                base = buffer.place
            else:
                base = self.place(argument.root)
            itemsize = argument.dtype.itemsize
            places.append(base._replace(offset=base.offset + argument.offset * itemsize))
        numbers = (*group.inlined, *group.members)
        moved = sum([self._bytes_of(a, plan) for a in plan.arguments])
        line = CudaLaunch(
            made.source, made.name, made.grid, made.block, tuple(places), made.ints, self._label(group),
            self._sites(numbers), plan.units * plan.work, moved,
        )  # fmt: skip
        self._line(line, numbers, plan.kernel)

    # --- copies -------------------------------------------------------------------------------------------------------

    def _copy(self, copy: Copy) -> None:
        target = copy.target
        assert target.place is not None
        if not target.size:
            return
        node = self.nodes[copy.source]
        if node.kind is not Kind.CONST:
            source = self.place(copy.source)
            if source != target.place:
                self._copy_memory(source, target.place, target, "copy")
            return
        pattern = np.array(node.attrs[0], node.dtype).tobytes()
        if not any(pattern):
            self._line(CudaClear((target.place,), target.nbytes, "fill"), (copy.source,))
        elif len(pattern) in (1, 2, 4, 8):
            source_text, name = fill_kernel(len(pattern))
            bits = int.from_bytes(pattern, "little", signed=len(pattern) == 8)
            grid = max(1, min(-(-target.size // 256), 4096))
            line = CudaLaunch(
                source_text,
                name,
                grid,
                256,
                (target.place,),
                (target.size, bits),
                "fill",
                (),
                0,
                target.nbytes,
            )
            self._line(line, (copy.source,))
        else:
            super()._copy(copy)

    def _copy_memory(self, source: Place, into: Place, target: Buffer, label: str) -> None:
        self._line(CudaCopy((source, into), target.nbytes, label), ())

    # --- products -----------------------------------------------------------------------------------------------------

    def _product(self, step: Step) -> None:
        number = step.group.members[0]
        node = self.nodes[number]
        if not node.size:
            return
        made = self._product_lines(number, node)
        if made is None:
            self._host_group(step)
            return
        target = self.schedule.direct.get(number)
        into = number if target is None else target.node
        roots = [matrix_access(self.nodes, operand).root for operand in node.operands[:2]]
        for operand in node.operands[3:]:
            roots += factor_of(self.nodes, operand)[1]
        self._placed(made, roots, [self.place(into)], step)

    def _product_lines(self, number: int, node: Node) -> Lines | None:
        nodes = self.nodes
        target = self.schedule.direct.get(number)
        x, y = [matrix_access(nodes, operand) for operand in node.operands[:2]]
        k = x.shape[-1]
        if not k or node.dtype.kind == "c":
            return None
        lead = len(node.shape) - 2

        def strides(access: Access) -> tuple[int, ...]:
            own = access.shape[:-2]
            along = [0 if n == 1 else s for n, s in zip(own, access.strides, strict=False)]
            return (*[0] * (lead - len(own)), *along, *access.strides[-2:])

        factors = []
        position = 2
        for operand in node.operands[3:]:
            constant, roots = factor_of(nodes, operand)
            read = [(Pointer(Role.OPERAND, position + i), nodes[r].dtype) for i, r in enumerate(roots)]
            position += len(roots)
            factors.append((constant, tuple(read)))
        alpha, beta = factors or [(1.0, ()), (0.0, ())]
        itemsize = node.dtype.itemsize
        into = contiguous_strides(node.shape) if target is None else target.strides
        return _matmul(
            node.dtype, node.shape, k, (strides(x), strides(y), into),
            (
                Pointer(Role.OPERAND, 0, x.offset * itemsize), Pointer(Role.OPERAND, 1, y.offset * itemsize),
                Pointer(Role.RESULT, 0, 0 if target is None else target.offset * itemsize),
            ),
            alpha, beta,
        )  # fmt: skip

    # --- records ------------------------------------------------------------------------------------------------------

    def _call(self, step: Step) -> None:
        first = step.group.members[0]
        node = self.nodes[first]
        record = node.attrs[0]
        if getattr(record, "in_kernel", False):
            self._draw(step, record)
            return
        if record.name != "check_range" or not hasattr(record, "key"):
            super()._call(step)
            return
        # That an index stays inside is looked at by a kernel, and raised when somebody looks at the word.
        extent, error, message, lowest = record.key
        index = self.nodes[node.operands[0]]
        made = cuda_products.range_kernel(index.dtype)
        if made is None:
            super()._call(step)
            return
        word = self._word(_Outside(error, message))
        place = self.place(root_of(self.nodes, node.operands[0]))
        grid = max(1, min(-(-index.size // 256), 1024))
        ints = (index.size, lowest, extent)
        if index.size:
            self._line(
                CudaLaunch(made[0], made[1], grid, 256, (place, word), ints, "check_range"),
                step.group.members,
            )
        if first in self.schedule.buffers:
            self._line(CudaClear((self.place(first),), node.size * node.dtype.itemsize), step.group.members)

    def _draw(self, step: Step, record: Any) -> None:
        """Random numbers (``runtime.device_draws.KernelDraw``)."""
        first = step.group.members[0]
        self.drawn = record.total
        if first not in self.schedule.buffers:
            return  # nobody reads them: only the stream goes on
        node = self.nodes[first]
        source, name = cuda_draws.draw_kernel(record.name, node.dtype, record.numbers, record.together)
        blocks = record.threads * record.calls
        grid = max(1, min(-(-blocks // cuda_draws.THREADS), 65535))
        line = CudaLaunch(
            source, name, grid, cuda_draws.THREADS, (self.place(first), DRAW_STATE),
            (node.size, record.threads, blocks, record.skip), record.name, self._sites(step.group.members), 0,
            node.size * node.dtype.itemsize,
        )  # fmt: skip
        self._line(line, step.group.members)

    def _slot(
        self,
        step: Step,
        every: Sequence[int],
        results: Sequence[int],
        operands: Sequence[Node],
        roots: Sequence[int],
    ) -> bool:
        record, literals, parameters = self.nodes[step.group.members[0]].attrs
        maker = _makers().get(record.name)
        if maker is None:
            return False
        made = maker(
            tuple([n.shape for n in operands]),
            tuple([n.dtype for n in operands]),
            tuple([self.nodes[i].shape for i in every]),
            dict(parameters),
            tuple(literals),
        )
        if made is None:
            return False
        self._placed(made, roots, self._result_places(every, results), step)
        return True

    def _placed(self, made: Lines, operands: Sequence[int], results: Sequence[Place], step: Step) -> None:
        sources = [self.place(root) for root in operands]
        spaces = [self._workspace(size) for size in made.workspaces]
        sites = self._sites(step.group.members)

        def place_of(pointer: Pointer) -> Place:
            if pointer.role is Role.WORKSPACE and pointer.number < 0:
                return FAULT_WORDS
            bases = {Role.OPERAND: sources, Role.RESULT: results, Role.WORKSPACE: spaces}[pointer.role]
            base = bases[pointer.number]
            return base._replace(offset=base.offset + pointer.offset)

        for line in made.lines:
            self._line(placed(line, place_of, sites), step.group.members)


class _Outside:
    """Raises for an index that a kernel found outside."""

    def __init__(self, error: type[Exception], message: str) -> None:
        self.error = error
        self.message = message

    def __call__(self, worst: Any) -> None:
        raise self.error(self.message.format(bad=int(worst)))


@lru_cache(maxsize=1)
def _makers() -> dict[str, Any]:
    from .codegen import cuda_recurrent, cuda_slots, cuda_windows

    return {**cuda_slots.MAKERS, **cuda_windows.MAKERS, **cuda_recurrent.MAKERS}


# --- products ---------------------------------------------------------------------------------------------------------

_BLAS: Final = frozenset({"float32", "float64", "float16", "bfloat16"})


class _Matrix(NamedTuple):
    """An operand as cuBLAS sees it: whether it is transposed, and its leading dimension."""

    transposed: bool
    leading: int


def _seen(first: int, second: int, extent_first: int, extent_second: int) -> _Matrix | None:
    """A matrix whose steps along its two dimensions are ``first`` and ``second``, in column order."""
    if extent_first == 1:
        first = 1 if second != 1 or extent_second == 1 else first
    if extent_second == 1:
        second = max(extent_first, 1) if first == 1 else 1
    if first == 1 and second >= max(1, extent_first):
        return _Matrix(False, second)
    if second == 1 and (first >= max(1, extent_second) or extent_first == 1):
        return _Matrix(True, max(first, extent_second))
    return None


def _collapsed(batch: Sequence[int], strides: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """The batch's dimensions with neighbours joined that every operand walks as one, and ones left out."""
    extents: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for d, n in enumerate(batch):
        if n == 1:
            continue
        if extents and all(own[-1] == s[d] * n for own, s in zip(steps, strides, strict=True)):
            extents[-1] *= n
            for own, s in zip(steps, strides, strict=True):
                own[-1] = s[d]
            continue
        extents.append(n)
        for own, s in zip(steps, strides, strict=True):
            own.append(s[d])
    return extents, steps


def _matmul(
    dtype: Any,
    shape: tuple[int, ...],
    k: int,
    strides: tuple[Sequence[int], Sequence[int], Sequence[int]],
    pointers: tuple[Pointer, Pointer, Pointer],
    alpha: tuple[float, Any],
    beta: tuple[float, Any],
) -> Lines | None:
    """``c = alpha · a @ b + beta · c``. Strides are in elements, the batch's dimensions first."""
    m, n = shape[-2:]
    batch, steps = _collapsed(shape[:-2], strides)
    lines: list[Any] = []
    workspaces: tuple[int, ...] = ()
    factors: tuple[Any, Any] = (alpha[0], beta[0])
    if alpha[1] or beta[1]:
        made = cuda_products.factors_kernel(
            dtype.name == "float64",
            (alpha[0], tuple([d for _, d in alpha[1]])),
            (beta[0], tuple([d for _, d in beta[1]])),
        )
        if made is None:
            return None
        words = Pointer(Role.WORKSPACE, 0)
        read = tuple([pointer for pointer, _ in (*alpha[1], *beta[1])])
        lines.append(CudaLaunch(made[0], made[1], 1, 1, (*read, words), (), "factors"))
        workspaces = (16,)
        factors = (words, words._replace(offset=8))
    (ar, ac), (br, bc), (cr, cc) = [tuple(own[-2:]) for own in strides]
    a, b, c = pointers
    flops = 2 * prod(shape) * k
    if dtype.name in _BLAS:
        # cuBLAS has columns first: it computes cᵀ = bᵀ @ aᵀ where c's rows lie in memory, else c itself.
        straight = cc != 1 and n != 1
        into = _seen(cr, cc, m, n) if straight else _seen(cc, cr, n, m)
        left = _seen(ar, ac, m, k) if straight else _seen(bc, br, n, k)
        right = _seen(br, bc, k, n) if straight else _seen(ac, ar, k, m)
        outer = batch[:-1] if batch else []
        inner = batch[-1] if batch else 1
        if batch and prod(outer) > _MOST_PRODUCTS:  # the longest dimension goes into one call
            longest = max(range(len(batch)), key=lambda d: batch[d])
            order = [*[d for d in range(len(batch)) if d != longest], longest]
            batch, steps = [batch[d] for d in order], [[own[d] for d in order] for own in steps]
            outer, inner = batch[:-1], batch[-1]
        if into is not None and not into.transposed and left and right and prod(outer) <= _MOST_PRODUCTS:
            own = [s[-1] if s else 0 for s in steps]
            for index in indices_of(*[range(extent) for extent in outer]):
                at = [sum([i * s for i, s in zip(index, some, strict=False)]) for some in steps]
                moved = [
                    p._replace(offset=p.offset + o * dtype.itemsize)
                    for p, o in zip((a, b, c), at, strict=True)
                ]
                first, second = (0, 1) if straight else (1, 0)
                lines.append(
                    CudaProduct(
                        dtype.name, (left.transposed, right.transposed), *((m, n) if straight else (n, m)), k,
                        (left.leading, right.leading, into.leading), inner, (own[first], own[second], own[2]),
                        (moved[first], moved[second], moved[2]), *factors, "matmul", (), flops // max(1, prod(outer)),
                    )
                )  # fmt: skip
            return Lines(tuple(lines), workspaces)
    made_line = cuda_products.strided_product(
        dtype, m, n, k, batch, steps, ((ar, ac), (br, bc), (cr, cc)), pointers, factors
    )
    if made_line is None:
        return None
    return Lines((*lines, made_line), workspaces)


__all__ = ["CudaEmitter", "CudaPlan", "plan_of"]
