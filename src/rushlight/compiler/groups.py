"""Groups: which nodes one kernel computes."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from ..ir.graph import Graph, Kind, Node, Shape, contiguous_strides
from ..ir.scalar import ScalarOp
from .access import Access, dims_of, refined, resolve, root_of, split_strides


class Form(Enum):
    """What becomes of a group."""

    ROWS = "rows"  # a RowKernel
    COLUMNS = "columns"  # a ColumnKernel
    PRODUCT = "product"  # matrix product: GEMM
    CALL = "call"  # a kernel slot or a host call

    def __hash__(self) -> int:
        return hash(self.value)


class Level(Enum):
    """Where in a loop kernel a node is computed."""

    FULL = "full"  # for each element of the space
    ROW = "row"  # once for each point of the dimensions that are not reduced

    def __hash__(self) -> int:
        return hash(self.value)


class Group:
    """Nodes of one kernel.

    ``space``: the extents (none of them 1) of the index space, of which every member of level FULL has each element once,
    in C order. ``reduced``: the dimensions that the group's reductions run over (None: it has none yet).
    ``inlined``: nodes of other groups that are computed here once more rather than read from memory.
    """

    __slots__ = ("form", "inlined", "levels", "members", "number", "reduced", "size", "space")

    def __init__(self, number: int, form: Form, space: Shape = (), size: int = 0) -> None:
        self.number = number
        self.form = form
        self.members: list[int] = []
        self.levels: dict[int, Level] = {}
        self.inlined: dict[int, Level] = {}
        self.space = space
        self.size = size
        self.reduced: frozenset[int] | None = None

    @property
    def outer(self) -> Shape:
        """The extents of the dimensions that are not reduced."""
        reduced = self.reduced or frozenset()
        return tuple([n for i, n in enumerate(self.space) if i not in reduced])

    def level(self, node: int) -> Level | None:
        """How ``node`` is computed here; None if it is not."""
        return self.levels.get(node) or self.inlined.get(node)

    def add(self, node: int, level: Level) -> None:
        self.members.append(node)
        self.levels[node] = level


VIRTUAL = frozenset((Kind.CONST, Kind.INDEX, Kind.VIEW, Kind.ITEM, Kind.INPUT))
CHEAP = frozenset(
    (
        ScalarOp.ADD, ScalarOp.SUB, ScalarOp.MUL, ScalarOp.NEG, ScalarOp.ABS, ScalarOp.MAXIMUM, ScalarOp.MINIMUM,
        ScalarOp.LESS, ScalarOp.LESS_EQUAL, ScalarOp.EQUAL, ScalarOp.NOT_EQUAL, ScalarOp.IS_NAN, ScalarOp.AND,
        ScalarOp.OR, ScalarOp.XOR, ScalarOp.NOT, ScalarOp.WHERE, ScalarOp.SIGN, ScalarOp.COPYSIGN, ScalarOp.REAL,
        ScalarOp.IMAG, ScalarOp.COMPLEX,
    )
)  # fmt: skip


def domain_of(nodes: Sequence[Node], node: Node) -> Shape:
    """The shape of the index space that a loop over ``node`` walks."""
    if node.kind is Kind.REDUCE:
        return nodes[node.operands[0]].shape
    if node.kind is Kind.WRITE:
        return nodes[node.operands[1]].shape
    return node.shape


def loop_operands(node: Node) -> tuple[int, ...]:
    """The operands that a loop reads for each element (of a WRITE: the value; its base is memory)."""
    return node.operands[1:] if node.kind is Kind.WRITE else node.operands


# The accesses of the graph that was looked at last: fusion, scheduling and code ask for the same ones many times.
_accesses: tuple[Sequence[Node], dict[int, list[Access]]] = ((), {})


def accesses_of(nodes: Sequence[Node], number: int) -> list[Access]:
    """How a node that a loop computes reads its operands."""
    global _accesses
    known = _accesses
    if known[0] is not nodes:
        known = _accesses = (nodes, {})
    found = known[1].get(number)
    if found is None:
        found = known[1][number] = _accesses_of(nodes, number)
    return found


def _accesses_of(nodes: Sequence[Node], number: int) -> list[Access]:
    node = nodes[number]
    if node.kind is Kind.VIEW:
        return [resolve(nodes, number, node.shape)]
    domain = domain_of(nodes, node)
    return [resolve(nodes, operand, domain) for operand in loop_operands(node)]


def without_ones(shape: Shape) -> Shape:
    return tuple([n for n in shape if n != 1])


def is_row_broadcast(access: Access, space: Shape, reduced: frozenset[int]) -> bool:
    """Whether an access over ``space`` reads, whatever the reduced indices are, the element of the outer point's number."""
    if access.offset or access.dtype is not None:
        return False
    strides = split_strides(access.shape, access.strides, space)
    step = 1
    for dim in range(len(space) - 1, -1, -1):
        if dim in reduced:
            if strides[dim]:
                return False
        else:
            if strides[dim] != step:
                return False
            step *= space[dim]
    return True


def refine_space(
    space: Shape, reduced: frozenset[int] | None, shape: Shape
) -> tuple[Shape, frozenset[int] | None] | None:
    """The space with dimensions split so that ``shape``'s are products of them; None where that is not possible."""
    finer = refined(space, shape)
    if finer is None:
        return None
    if finer == space or reduced is None:
        return finer, reduced
    return finer, dims_of(space, sorted(reduced), finer)


def refine_outer(space: Shape, reduced: frozenset[int], shape: Shape) -> tuple[Shape, frozenset[int]] | None:
    """The space with outer dimensions split so that ``shape``'s, of a value for each row, are products of them."""
    outer = tuple([n for i, n in enumerate(space) if i not in reduced])
    finer = refined(outer, shape)
    if finer is None:
        return None
    if len(finer) == len(outer):
        return space, reduced
    result: list[int] = []
    marks = []
    rest = iter(finer)
    for i, n in enumerate(space):
        if i in reduced:
            marks.append(len(result))
            result.append(n)
            continue
        while n != 1:
            part = next(rest)
            result.append(part)
            n //= part
    return tuple(result), frozenset(marks)


def external_roots(graph: Graph, group: Group) -> dict[int, None]:
    """The nodes whose memory the group reads (without bases that a WRITE only replaces parts of)."""
    nodes = graph.nodes
    roots: dict[int, None] = {}
    if group.form in (Form.ROWS, Form.COLUMNS):
        for number in [*group.inlined, *group.members]:
            node = nodes[number]
            if node.kind in (Kind.CONST, Kind.INDEX):
                continue
            if node.kind is Kind.INPUT:
                roots[number] = None
                continue
            for access in accesses_of(nodes, number):
                root = access.root
                if group.level(root) is None and nodes[root].kind not in (Kind.CONST, Kind.INDEX):
                    roots[root] = None
        return roots
    for number in group.members:
        node = nodes[number]
        if group.form is Form.PRODUCT and node.kind is not Kind.MATMUL:
            continue  # where the product is written to
        if node.kind is Kind.ITEM:
            continue
        if node.kind is Kind.MATMUL:
            for operand in node.operands[:2]:
                roots[matrix_access(nodes, operand).root] = None
            for operand in node.operands[3:]:
                for root in factor_of(nodes, operand)[1]:
                    roots[root] = None
            continue
        for operand in node.operands:
            roots[root_of(nodes, operand)] = None
    return roots


def matrix_access(nodes: Sequence[Node], operand: int) -> Access:
    """How a product reads an operand: through strides of its own dimensions."""
    shape = nodes[operand].shape
    access = resolve(nodes, operand, shape)
    if access.shape == shape and access.dtype is None and nodes[access.root].kind is not Kind.INDEX:
        return access
    return Access(root_of(nodes, operand), shape, contiguous_strides(shape), 0)


def factor_of(nodes: Sequence[Node], operand: int) -> tuple[float, tuple[int, ...]]:
    """A product's 0-dim factor as a number times what is in the memory of some nodes."""
    root = root_of(nodes, operand)
    node = nodes[root]
    if node.kind is Kind.CONST:
        return float(node.attrs[0]), ()
    if node.kind is Kind.MAP and node.attrs[0] is ScalarOp.NEG:
        number, roots = factor_of(nodes, node.operands[0])
        return -number, roots
    return 1.0, (root,)


def share_of_zeros(nodes: Sequence[Node], number: int) -> float:
    """About how much of a value is zero, by what it is made of: behind ReLU half, and in what goes back through ReLU and
    max pooling more."""
    node = nodes[root_of(nodes, number)]
    if node.kind is Kind.CALL and node.attrs[0].name == "max_pool_gradient":
        # The largest of each window gets what there is.
        return max(0.0, 1.0 - nodes[node.operands[0]].size / max(1, node.size))
    if node.kind is not Kind.MAP:
        return 0.0
    op, operands = node.attrs[0], node.operands
    if op is ScalarOp.MAXIMUM:
        return 0.5 if any(_is_zero(nodes, operand) for operand in operands) else 0.0
    if op is ScalarOp.WHERE:
        condition = nodes[root_of(nodes, operands[0])]
        compares = condition.kind is Kind.MAP and condition.attrs[0] in (ScalarOp.LESS, ScalarOp.LESS_EQUAL)
        if not compares or condition.size != node.size or not any(_is_zero(nodes, i) for i in operands[1:]):
            return 0.0
        passed = [share_of_zeros(nodes, i) for i in operands[1:] if not _is_zero(nodes, i)]
        return 1.0 - 0.5 * (1.0 - max(passed, default=1.0))
    return share_of_zeros(nodes, operands[0]) if op is ScalarOp.NEG else 0.0


def _is_zero(nodes: Sequence[Node], number: int) -> bool:
    node = nodes[number]
    while node.kind is Kind.VIEW:
        node = nodes[node.operands[0]]
    return node.kind is Kind.CONST and bool(node.attrs[0] == 0)
