"""Products over named or chosen dimensions: ``einsum``, ``tensordot``, ``kron``, ``cross``, ``vecdot``, chains."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, INEXACT, LOW_PRECISION
from ..core.history import Node, known_as
from ..core.once import warn_once
from ..core.shapes import Shape, broadcast_shape, count, wrap_dim
from ..core.tensor import Tensor
from .complex_numbers import conj_of
from .define import Primitive
from .dispatch import apply, type_name, write_out
from .linalg import (
    batched,
    c_name,
    check_not_bool,
    check_operands,
    check_scalar_types,
    matmul,
    mm,
)
from .movement import cast, expand, permute, reshape, squeeze, transpose, unsqueeze
from .numpy_names import numpy_names
from .pointwise import add, mul
from .reductions import sum as sum_of
from .views import diagonal

Array = NDArray[Any]
Labels = tuple[int, ...]

# --- einsum: the notation ---------------------------------------------------------------------------------------------

# A label is 0..51 for A..Z, a..z, and -1, -2, … for the dimensions under an ellipsis, counted from the last.
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ELLIPSIS = 52


def _label_name(label: int) -> str:
    return _LETTERS[label]


def _parse_term(text: str, start: int, owner: str) -> Labels:
    """The labels of one term, which begins at ``start`` of the equation; ``owner`` names it in errors."""
    labels: list[int] = []
    i = 0
    while i < len(text):
        letter = text[i]
        if letter == " ":
            i += 1
        elif letter == ".":
            if _ELLIPSIS in labels:
                if owner == "output":
                    raise RuntimeError(
                        "einsum(): found '.' for output but an ellipsis (...) was already found"
                    )
                raise RuntimeError(f"einsum(): found '.' for {owner} for which an ellipsis was already found")
            if text[i : i + 3] != "...":
                raise RuntimeError(f"einsum(): found '.' for {owner} that is not part of any ellipsis")
            labels.append(_ELLIPSIS)
            i += 3
        else:
            label = _LETTERS.find(letter)
            if label < 0:
                raise RuntimeError(
                    f"einsum(): invalid subscript given at index {start + i} in the equation string, "
                    "subscripts must be in [a-zA-Z]"
                )
            labels.append(label)
            i += 1
    return tuple(labels)


@lru_cache(maxsize=256)
def _parse_equation(equation: str) -> tuple[tuple[Labels, ...], Labels | None]:
    """The labels of the operands and of the result; None for a result that the equation leaves implicit."""
    left, arrow, right = equation.partition("->")
    terms: list[Labels] = []
    start = 0
    for number, term in enumerate(left.split(",")):
        terms.append(_parse_term(term, start, f"operand {number}"))
        start += len(term) + 1
    return tuple(terms), _parse_term(right, len(left) + 2, "output") if arrow else None


def _labels_of_sublist(sublist: Sequence[Any]) -> Labels:
    labels = []
    for entry in sublist:
        if entry is Ellipsis:
            labels.append(_ELLIPSIS)
        elif isinstance(entry, int) and 0 <= entry < 52:
            labels.append(entry)
        else:
            raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
    return tuple(labels)


def _parse_sublists(args: tuple[Any, ...]) -> tuple[tuple[Labels, ...], Labels | None, tuple[Any, ...]]:
    """``operand, sublist, operand, sublist, …, [result's sublist]``."""
    operands, terms = args[0 : len(args) - 1 : 2], args[1::2]
    output = _labels_of_sublist(args[-1]) if len(args) % 2 else None
    return tuple([_labels_of_sublist(term) for term in terms]), output, operands


# --- einsum: the plan -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _spread(
    terms: tuple[Labels, ...], output: Labels | None, shapes: tuple[Shape, ...]
) -> tuple[list[Labels], Labels]:
    """The labels with ellipses spelt out and the result's found, checked against the operands' shapes."""
    if len(shapes) > len(terms):
        raise RuntimeError("einsum(): more operands were provided than specified in the equation")
    if len(shapes) < len(terms):
        raise RuntimeError("einsum(): fewer operands were provided than specified in the equation")
    spread: list[Labels] = []
    extents: dict[int, int] = {}
    widest = 0
    for number, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        named = len(term) - (_ELLIPSIS in term)
        hidden = len(shape) - named
        if hidden < 0 or (hidden and _ELLIPSIS not in term):
            more = "" if _ELLIPSIS in term else " and no ellipsis was given"
            compared = "does not match" if _ELLIPSIS not in term else "is more than"
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) {compared} the number of dimensions "
                f"({len(shape)}) for operand {number}{more}"
            )
        labels: list[int] = []
        for label in term:
            labels.extend(range(-hidden, 0) if label == _ELLIPSIS else (label,))
        if _ELLIPSIS in term:
            widest = max(widest, hidden)
        own: dict[int, int] = {}
        for label, extent in zip(labels, shape, strict=True):
            if own.setdefault(label, extent) != extent:
                raise RuntimeError(
                    f"einsum(): subscript {_label_name(label)} is repeated for operand {number} but the sizes don't "
                    f"match, {extent} != {own[label]}"
                )
            seen = extents.get(label, 1)
            if extent not in (1, seen) and seen != 1:
                if label < 0:
                    raise RuntimeError(
                        f"einsum(): dimension {label + widest} covered by ellipsis in operand {number} has size "
                        f"{extent} "
                        f"which does not broadcast with previously seen ellipsis with size {seen} for the respective "
                        "dimension"
                    )
                raise RuntimeError(
                    f"einsum(): subscript {_label_name(label)} has size {extent} for operand {number} which does not "
                    f"broadcast with previously seen size {seen}"
                )
            extents[label] = max(seen, extent) if extent else extent
        spread.append(tuple(labels))
    under_ellipsis = tuple(range(-widest, 0))
    if output is None:
        written = [label for term in terms for label in term if label != _ELLIPSIS]
        return spread, under_ellipsis + tuple(
            sorted([label for label in set(written) if written.count(label) == 1])
        )
    result: list[int] = []
    for label in output:
        if label == _ELLIPSIS:
            result.extend(under_ellipsis)
        elif label in result:
            raise RuntimeError(
                f"einsum(): output subscript {_label_name(label)} appears more than once in the output"
            )
        elif label not in extents:
            raise RuntimeError(
                f"einsum(): output subscript {_label_name(label)} does not appear in the equation for any input operand"
            )
        else:
            result.append(label)
    return spread, tuple(result)


class _Side:
    """What is done to an operand of a pair: ``summed`` dimensions go, the rest are permuted, then reshaped."""

    __slots__ = ("order", "shape", "summed")

    def __init__(
        self, labels: Labels, shape: Shape, groups: Sequence[Labels], merged: Sequence[bool]
    ) -> None:
        wanted = [label for group in groups for label in group]
        extents = dict(zip(labels, shape, strict=True))
        self.summed = tuple([i for i, label in enumerate(labels) if label not in wanted and shape[i] != 1])
        # Dimensions of extent 1 that are not wanted stay until the reshape, at the end where they do no harm.
        kept = [label for i, label in enumerate(labels) if i not in self.summed]
        order = [kept.index(label) for label in wanted] + [
            i for i, label in enumerate(kept) if label not in wanted
        ]
        self.order = None if order == list(range(len(order))) else tuple(order)
        target: list[int] = []
        for group, merge in zip(groups, merged, strict=True):
            sizes = [extents[label] for label in group]
            target.extend([count(sizes)] if merge else sizes)
        self.shape = tuple(target)

    def arrange(self, tensor: Tensor) -> Tensor:
        if self.summed:
            tensor = sum_of(tensor, self.summed)
        if self.order is not None:
            tensor = permute(tensor, self.order)
        return tensor if tensor._array.shape == self.shape else reshape(tensor, self.shape)


@lru_cache(maxsize=512)
def _plan_pair(
    a: Labels, shape_a: Shape, b: Labels, shape_b: Shape, needed: frozenset[int]
) -> tuple[_Side, _Side, bool, Shape, Labels]:
    """How two operands become one: both sides' arrangement, whether it is a matrix product, and the result.

    Labels that both have and something later needs are the product's batch; labels that both have and nothing needs
    are contracted; an operand with extent 1 where the other has more does without that label.
    """
    extent_a, extent_b = dict(zip(a, shape_a, strict=True)), dict(zip(b, shape_b, strict=True))
    in_a = [label for label in a if extent_a[label] != 1 or extent_b.get(label, 1) == 1]
    in_b = [label for label in b if extent_b[label] != 1 or extent_a.get(label, 1) == 1]
    both = [label for label in in_a if label in in_b]
    batch = tuple([label for label in both if label in needed])
    contracted = tuple([label for label in both if label not in needed])
    left = tuple([label for label in in_a if label not in in_b and label in needed])
    right = tuple([label for label in in_b if label not in in_a and label in needed])
    shape = tuple([extent_a[label] for label in batch + left] + [extent_b[label] for label in right])
    labels = batch + left + right
    if contracted:
        return (
            _Side(a, shape_a, (batch, left, contracted), (False, True, True)),
            _Side(b, shape_b, (batch, contracted, right), (False, True, True)),
            True,
            shape,
            labels,
        )
    side_a = _Side(a, shape_a, (batch, left), (False, False))
    side_a.shape += (1,) * len(right)
    side_b = _Side(b, shape_b, (batch, right), (False, False))
    side_b.shape = side_b.shape[: len(batch)] + (1,) * len(left) + side_b.shape[len(batch) :]
    return side_a, side_b, False, shape, labels


def _contract(
    a: Tensor, labels_a: Labels, b: Tensor, labels_b: Labels, needed: frozenset[int]
) -> tuple[Tensor, Labels]:
    side_a, side_b, is_product, shape, labels = _plan_pair(
        labels_a, a._array.shape, labels_b, b._array.shape, needed
    )
    a, b = side_a.arrange(a), side_b.arrange(b)
    if not is_product:
        return mul(a, b), labels
    check_scalar_types(a._array, b._array)
    check_not_bool(a._array, "bmm")
    result = batched(a, b)
    return (result if result._array.shape == shape else reshape(result, shape)), labels


def _without_repeats(tensor: Tensor, labels: Labels) -> tuple[Tensor, Labels]:
    """A label that an operand has twice stands for its diagonal."""
    remaining = list(labels)
    for label in labels:
        while remaining.count(label) > 1:
            first = remaining.index(label)
            second = remaining.index(label, first + 1)
            tensor = diagonal(tensor, 0, first, second)  # the diagonal becomes the last dimension
            del remaining[second], remaining[first]
            remaining.append(label)
    return tensor, tuple(remaining)


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sums of products of elements, by Einstein's notation: ``einsum("bik,bkj->bij", a, b)``.

    Each letter names a dimension; letters that the result (after ``->``; by default the letters that occur once, in
    alphabetical order) does not have are summed over; a letter twice in one operand takes the diagonal; ``...`` stands
    for dimensions that broadcast. Also ``einsum(a, [0, 1], b, [1, 2], [0, 2])``. Operands are contracted in pairs from
    left to right, each pair by one (batched) matrix product.

    Raises ``RuntimeError`` where the equation and the operands do not fit.

    Example:
        >>> import rushlight as torch
        >>> torch.einsum("ij,j->i", torch.tensor([[1., 2.], [3., 4.]]), torch.tensor([1., 1.]))
        tensor([3., 7.])
    """
    terms: tuple[Labels, ...]
    output: Labels | None
    if not operands:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
            "subscripts list"
        )
    if isinstance(equation, Tensor):
        terms, output, operands = _parse_sublists((equation, *operands))
    elif isinstance(equation, str):
        if len(operands) == 1 and isinstance(operands[0], list | tuple):
            operands = tuple(operands[0])
        terms, output = _parse_equation(equation)
    else:
        raise TypeError(
            f"einsum(): argument 'equation' (position 1) must be str, not {type(equation).__name__}"
        )
    for number, operand in enumerate(operands):
        if not isinstance(operand, Tensor):
            raise TypeError(
                f"expected Tensor as element {number} in argument 1, but got {type(operand).__name__}"
            )
    labels, result_labels = _spread(terms, output, tuple([operand._array.shape for operand in operands]))
    result, have = _without_repeats(operands[0], labels[0])
    for number in range(1, len(operands)):
        other, other_labels = _without_repeats(operands[number], labels[number])
        needed = frozenset(result_labels).union(*labels[number + 1 :])
        result, have = _contract(result, have, other, other_labels, needed)
    unneeded = tuple([i for i, label in enumerate(have) if label not in result_labels])
    if unneeded:
        result = sum_of(result, unneeded)
        have = tuple([label for label in have if label in result_labels])
    if have != result_labels:
        result = permute(result, tuple([have.index(label) for label in result_labels]))
    return result


# --- tensordot and kron -----------------------------------------------------------------------------------------------


def _dims_pair(dims: Any, a: Tensor, b: Tensor) -> tuple[list[int], list[int]]:
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a._array.ndim, b._array.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        return list(range(-dims, 0)), list(range(dims))
    dims_a, dims_b = dims
    for position, given in enumerate((dims_a, dims_b), 3):
        if not isinstance(given, list | tuple):
            name = "dims_self" if position == 3 else "dims_other"
            raise TypeError(
                f"tensordot(): argument '{name}' (position {position}) must be tuple of ints, "
                f"not {type(given).__name__}"
            )
    return list(dims_a), list(dims_b)


def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Tensor:
    """The products of ``a`` and ``b`` summed over pairs of dimensions.

    ``dims``: how many (the last of ``a`` with the first of ``b``), or two lists of dimensions. The result has the
    other dimensions of ``a``, then those of ``b``.

    Example:
        >>> import rushlight as torch
        >>> torch.tensordot(torch.ones(2, 3, 4), torch.ones(4, 3), dims=([1, 2], [1, 0])).shape
        torch.Size([2])
    """
    check_operands("tensordot", a=a, b=b)
    dims_a, dims_b = _dims_pair(dims, a, b)
    if len(dims_a) != len(dims_b):
        raise RuntimeError("both dimension lists should have same length")
    if a._array.dtype != b._array.dtype:
        raise RuntimeError("both inputs should have same dtype")
    check_not_bool(a._array, "dot")
    for i, j in zip(dims_a, dims_b, strict=True):
        dim_a, dim_b = wrap_dim(i, a._array.ndim), wrap_dim(j, b._array.ndim)
        extent_a, extent_b = a._array.shape[dim_a], b._array.shape[dim_b]
        if extent_a == extent_b:
            continue
        if extent_b == 1:
            a = cast(sum_of(a, dim_a, True), a._array.dtype)  # integers are summed in int64
        elif extent_a == 1:
            b = cast(sum_of(b, dim_b, True), b._array.dtype)
        else:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {extent_a} in dim {i} and second has size "
                f"{extent_b} in dim {j}"
            )
    ndim_a, ndim_b = a._array.ndim, b._array.ndim
    inner_a, inner_b = [wrap_dim(d, ndim_a) for d in dims_a], [wrap_dim(d, ndim_b) for d in dims_b]
    for inner in (inner_a, inner_b):
        if len(set(inner)) != len(inner):
            raise RuntimeError(
                f"dim {max(inner, key=inner.count)} appears multiple times in the list of dims"
            )
    free_a, free_b = _others(ndim_a, inner_a), _others(ndim_b, inner_b)
    shape_a, shape_b = a._array.shape, b._array.shape
    contracted = count([shape_a[d] for d in inner_a])
    lead, trail = tuple([shape_a[d] for d in free_a]), tuple([shape_b[d] for d in free_b])
    rows = _as_matrix(a, (*free_a, *inner_a), (count(lead), contracted))
    columns = _as_matrix(b, (*inner_b, *free_b), (contracted, count(trail)))
    result = mm(rows, columns)
    if result._array.shape != lead + trail:
        result = reshape(result, lead + trail)
    return result if out is None else write_out(out, result, "tensordot")


def _as_matrix(tensor: Tensor, order: tuple[int, ...], shape: Shape) -> Tensor:
    if order != tuple(range(len(order))):
        tensor = permute(tensor, order)
    return tensor if tensor._array.shape == shape else reshape(tensor, shape)


def _others(ndim: int, dims: Sequence[int]) -> list[int]:
    return [d for d in range(ndim) if d not in dims]


def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Kronecker product: ``other`` scaled by each element of ``input``, laid out as blocks; of the common dtype.

    Example:
        >>> import rushlight as torch
        >>> torch.kron(torch.tensor([1, 10]), torch.tensor([1, 2]))
        tensor([ 1,  2, 10, 20])
    """
    check_operands("kron", input=input, other=other)
    ndim = max(input._array.ndim, other._array.ndim)
    shape_a = (1,) * (ndim - input._array.ndim) + input._array.shape
    shape_b = (1,) * (ndim - other._array.ndim) + other._array.shape
    spread_a = tuple([extent for n in shape_a for extent in (n, 1)])
    spread_b = tuple([extent for n in shape_b for extent in (1, n)])
    product = mul(reshape(input, spread_a), reshape(other, spread_b))
    result = reshape(product, tuple([n * m for n, m in zip(shape_a, shape_b, strict=True)]))
    return result if out is None else write_out(out, result, "kron")


def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal; integers are summed in int64.

    Example:
        >>> import rushlight as torch
        >>> torch.trace(torch.eye(3))
        tensor(3.)
    """
    array = input._array
    if array.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {array.ndim}")
    check_not_bool(array, "trace")
    return known_as(sum_of(diagonal(input)), "TraceBackward0")


# --- cross and vecdot -------------------------------------------------------------------------------------------------


def _cross_impl(a: Array, b: Array, dim: int) -> Any:
    if a.dtype in LOW_PRECISION:
        return _cross_impl(a.astype(F32), b.astype(F32), dim).astype(a.dtype)
    # np.cross of three dimensions, without its moving of axes.
    before: Any = (slice(None),) * (dim % a.ndim)
    result = np.empty(np.broadcast_shapes(a.shape, b.shape), np.result_type(a, b))
    (a0, a1, a2), (b0, b1, b2), parts = [
        [each[(*before, i, ...)] for i in range(3)] for each in (a, b, result)
    ]
    for part, (p, q, r, s) in zip(parts, ((a1, b2, a2, b1), (a2, b0, a0, b2), (a0, b1, a1, b0)), strict=True):
        np.multiply(p, q, out=part)
        part -= r * s
    return result


def _cross_vjp(g: Tensor, node: Node) -> Any:
    a, b = node.unpack()
    edge_a, edge_b = node.edges
    return (
        None if edge_a is None else apply(CROSS, (conj_of(b), g), node.attrs),
        None if edge_b is None else apply(CROSS, (g, conj_of(a)), node.attrs),
    )


CROSS = Primitive(
    "cross",
    _cross_impl,
    _cross_vjp,
    saves=((0, (1,)), (1, (0,))),
    grad_name="LinalgCrossBackward0",
    samples=lambda: [((np.eye(3), np.ones((1, 3))), {"dim": -1})],
)


def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """The cross products of vectors of length 3 along ``dim``; the other dimensions broadcast.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.cross(torch.tensor([1., 0., 0.]), torch.tensor([0., 1., 0.]))
        tensor([0., 0., 1.])
    """
    check_operands("linalg_cross", input=input, other=other)
    a, b = input._array, other._array
    if a.ndim != b.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    at = wrap_dim(dim, a.ndim)
    if a.ndim == 0 or a.shape[at] != 3 or b.shape[at] != 3:
        sizes = (a.shape[at], b.shape[at]) if a.ndim else (1, 1)
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {sizes[0]} and {sizes[1]}"
        )
    broadcast_shape(a.shape, b.shape)
    check_scalar_types(a, b)
    check_not_bool(a, "cross")
    result: Tensor = apply(CROSS, (input, other), {"dim": at})
    return result if out is None else write_out(out, result, "cross")


@numpy_names
def cross(input: Tensor, other: Tensor, dim: int | None = None, *, out: Tensor | None = None) -> Tensor:
    """As ``linalg.cross``; without ``dim``, along the first dimension of extent 3.

    Example:
        >>> import rushlight as torch
        >>> torch.cross(torch.tensor([1., 0., 0.]), torch.tensor([0., 1., 0.]), dim=0)
        tensor([0., 0., 1.])
    """
    check_operands("cross", input=input, other=other)
    if dim is None:
        warn_once(
            "Using torch.cross without specifying the dim arg is deprecated.\nPlease either pass the dim explicitly or simply "
            "use torch.linalg.cross.\nThe default value of dim will change to agree with that of linalg.cross in a future "
            "release."
        )
        shape = input._array.shape
        if 3 not in shape:
            raise RuntimeError("no dimension of size 3 in input")
        dim = shape.index(3)
    return linalg_cross(input, other, dim=dim, out=out)


@numpy_names
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """The dot products of vectors along ``dim``, ``x`` conjugated; the dimensions broadcast.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.vecdot(torch.ones(2, 3), torch.ones(3))
        tensor([3., 3.])
    """
    check_operands("linalg_vecdot", x=x, y=y)
    if x._array.dtype not in INEXACT:
        raise RuntimeError(
            "linalg.vecdot: Expected a floating point or complex tensor as input. "
            f"Got {type_name(x._array.dtype)}"
        )
    if x._array.dtype != y._array.dtype:
        raise RuntimeError(
            f"linalg.vecdot: Expected x and y to have the same dtype, but found x of type {type_name(x._array.dtype)} "
            f"and y of type {type_name(y._array.dtype)} instead"
        )
    shape = broadcast_shape(x._array.shape, y._array.shape)
    at = wrap_dim(dim, len(shape))
    if not shape:
        result: Tensor = mul(conj_of(x), y)
    else:
        rows = unsqueeze(transpose(expand(conj_of(x), shape), at, -1), -2)
        columns = unsqueeze(transpose(expand(y, shape), at, -1), -1)
        result = squeeze(squeeze(batched(rows, columns), -1), -1)
        if at < len(shape) - 1:
            # The swap above put the last dimension where `dim` was.
            dims = list(range(len(shape) - 1))
            dims.append(dims.pop(at))
            result = permute(result, tuple(dims))
    return result if out is None else write_out(out, result, "linalg_vecdot")


# --- chains -----------------------------------------------------------------------------------------------------------


def _cheapest_order(extents: Sequence[int]) -> list[list[int]]:
    """Where to split each chain of matrices ``i..j`` for the fewest multiplications, matrix ``i`` being
    ``extents[i] × extents[i + 1]`` (Cormen et al., Introduction to Algorithms, section 15.2)."""
    n = len(extents) - 1
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            costs = [
                cost[i][k] + cost[k + 1][j] + extents[i] * extents[k + 1] * extents[j + 1]
                for k in range(i, j)
            ]
            cost[i][j] = min(costs)
            split[i][j] = i + costs.index(cost[i][j])
    return split


def _multiply_chain(tensors: Sequence[Tensor], split: list[list[int]], i: int, j: int) -> Tensor:
    if i == j:
        return tensors[i]
    k = split[i][j]
    return mm(_multiply_chain(tensors, split, i, k), _multiply_chain(tensors, split, k + 1, j))


def multi_dot(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The product of two or more matrices, multiplied in the order that takes the fewest operations.

    The first and the last may be vectors: a row and a column.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.multi_dot([torch.ones(2, 3), torch.ones(3, 4), torch.ones(4)]).shape
        torch.Size([2])
    """
    tensors = list(tensors)
    n = len(tensors)
    if n < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {n}")
    for name, tensor in (("first", tensors[0]), ("last", tensors[-1])):
        if tensor._array.ndim not in (1, 2):
            raise RuntimeError(
                f"multi_dot(): the {name} tensor must be 1D or 2D but got {tensor._array.ndim}D"
            )
    for i, tensor in enumerate(tensors):
        array = tensor._array
        if 0 < i < n - 1 and array.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {i} must be 2D but got {array.ndim}D")
        if array.dtype != tensors[0]._array.dtype:
            raise RuntimeError(
                "multi_dot(): all tensors must have be the same dtype but tensor 0 is "
                f"{c_name(tensors[0]._array.dtype)} and tensor {i} {c_name(array.dtype)}"
            )
    shapes = [tensor._array.shape for tensor in tensors]
    matrices = list(tensors)
    if len(shapes[0]) == 1:
        matrices[0] = unsqueeze(tensors[0], 0)
    if len(shapes[-1]) == 1:
        matrices[-1] = unsqueeze(tensors[-1], 1)
    for i in range(n - 1):
        if matrices[i]._array.shape[1] != matrices[i + 1]._array.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(shapes[i])} and {list(shapes[i + 1])} "
                "cannot be multiplied"
            )
    extents = [matrix._array.shape[0] for matrix in matrices] + [matrices[-1]._array.shape[1]]
    result = _multiply_chain(matrices, _cheapest_order(extents), 0, n - 1)
    result = reshape(result, shapes[0][:-1] + (shapes[-1][1:] if len(shapes[-1]) == 2 else ()))
    return result if out is None else write_out(out, result, "multi_dot")


def chain_matmul(*matrices: Any, out: Tensor | None = None) -> Tensor:
    """The product of one or more matrices; the older name of ``linalg.multi_dot``.

    Example:
        >>> import rushlight as torch
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):  # that it is deprecated
        ...     torch.chain_matmul(torch.ones(2, 3), torch.ones(3, 4)).shape
        torch.Size([2, 4])
    """
    warn_once(
        "torch.chain_matmul is deprecated and will be removed in a future PyTorch release. Use torch.linalg.multi_dot instead, "
        "which accepts a list of two or more tensors rather than multiple parameters."
    )
    if len(matrices) == 1 and isinstance(matrices[0], list | tuple):
        matrices = tuple(matrices[0])
    for matrix in matrices:
        if matrix._array.ndim != 2:
            raise RuntimeError(f"Tensor dimension is {matrix._array.ndim}, expected 2 instead.")
    if len(matrices) == 1:
        result: Tensor = matrices[0]
        return result if out is None else write_out(out, result, "chain_matmul")
    return multi_dot(matrices, out=out)


# --- bilinear ---------------------------------------------------------------------------------------------------------


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``y[..., o] = sum_ij input1[..., i] weight[o, i, j] input2[..., j] + bias[o]``.

    Shapes: ``(..., i)``, ``(..., j)``, ``(o, i, j)``, ``(o)``; the leading dimensions are equal.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.ops.products import bilinear
        >>> bilinear(torch.ones(2, 3), torch.ones(2, 4), torch.ones(1, 3, 4))
        tensor([[12.],
                [12.]])
    """
    check_operands("bilinear", input1=input1, input2=input2, weight=weight)
    x, y, w = input1._array, input2._array, weight._array
    if x.ndim != y.ndim:
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {x.ndim} and {y.ndim}")
    for d in range(x.ndim - 1):
        if x.shape[d] != y.shape[d]:
            raise RuntimeError(
                f"bilinear(): input batch dimensions do not match at dim {d}: got {x.shape[d]} and {y.shape[d]}"
            )
    for number, array in enumerate((x, y), 1):
        if array.shape[-1] != w.shape[number]:
            raise RuntimeError(
                f"bilinear(): input{number} size does not match weight size: got {array.shape[-1]} but expected "
                f"{w.shape[number]}"
            )
    if bias is not None and bias._array.shape[0] != w.shape[0]:
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias._array.shape[0]} but expected {w.shape[0]}"
        )
    scaled = tensordot(input1, weight, ([-1], [1]))  # (..., o, j)
    result = squeeze(matmul(scaled, unsqueeze(input2, -1)), -1)
    return result if bias is None else add(result, bias)


METHODS: dict[str, Any] = {
    "kron": kron,
    "trace": trace,
    "cross": cross,
}
