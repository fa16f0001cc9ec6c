"""Views beyond reshape and permute: flatten, movedim, the transposing properties, diagonals; and copies with a view of them
replaced (``select_scatter`` and the like)."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.arguments import check_tensor as check_tensor_argument
from ..core.dtypes import COMPLEXES
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node
from ..core.shapes import Shape, Size, as_shape, broadcast_shape, count, infer_shape, wrap_dim
from ..core.tensor import Tensor
from ..runtime.batched import Batched
from .complex_numbers import conj
from .define import Primitive
from .dispatch import apply, write_out
from .linalg import write_exact
from .movement import (
    clone,
    expand,
    narrow,
    permute,
    reshape,
    select,
    t,
    transpose,
    view,
    view_of,
)
from .overwriting import copy_, fill_
from .strided import AS_STRIDED, strided_attrs

grad_enabled = GRAD_MODE.get


# --- shapes of another tensor -----------------------------------------------------------------------------------------


def view_as(self: Tensor, other: Tensor) -> Tensor:
    """``self.view(other.shape)``.

    Example:
        >>> import rushlight as torch
        >>> torch.arange(4).view_as(torch.zeros(2, 2))
        tensor([[0, 1],
                [2, 3]])
    """
    return view(self, other._array.shape)


def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """``self.reshape(other.shape)``.

    Example:
        >>> import rushlight as torch
        >>> torch.arange(4).reshape_as(torch.zeros(2, 2)).shape
        torch.Size([2, 2])
    """
    return reshape(self, other._array.shape)


def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """``self.expand(other.shape)``.

    Example:
        >>> import rushlight as torch
        >>> torch.ones(1, 3).expand_as(torch.zeros(2, 3)).shape
        torch.Size([2, 3])
    """
    return expand(self, other._array.shape)


def broadcast_to(input: Tensor, *size: Any) -> Tensor:
    """``input`` expanded to a shape, as a view.

    Example:
        >>> import rushlight as torch
        >>> torch.broadcast_to(torch.tensor([1, 2]), (2, 2))
        tensor([[1, 2],
                [1, 2]])
    """
    return expand(input, as_shape(size, "broadcast_to"))


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these shapes broadcast to; an int is a shape of one dimension.

    Raises ``RuntimeError`` where there is none, ``ValueError`` for a negative extent.

    Example:
        >>> import rushlight as torch
        >>> torch.broadcast_shapes((2, 1), (3,), (1, 1, 1))
        torch.Size([1, 2, 3])
    """
    for shape in shapes:
        if not isinstance(shape, int | tuple | list):
            raise RuntimeError(
                f"Input shapes should be of type ints, a tuple of ints, or a list of ints, got {shape}"
            )
    given = [
        (shape,) if isinstance(shape, int) else as_shape((tuple(shape),), "broadcast_shapes")
        for shape in shapes
    ]
    for shape in given:
        for extent in shape:
            if extent < 0:
                raise ValueError("Attempting to broadcast a dimension with negative length!")
    return Size(broadcast_shape(*given))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from ``start_dim`` to ``end_dim`` as one: a view where strides allow, else a copy.

    Example:
        >>> import rushlight as torch
        >>> torch.flatten(torch.zeros(2, 3, 4), 1).shape
        torch.Size([2, 12])
    """
    check_tensor_argument("flatten", "input", input)
    shape = input._array.shape
    ndim = len(shape)
    if start_dim == 0 and end_dim == -1 and ndim > 1:
        return reshape(input, (input._array.size,))
    start, end = wrap_dim(start_dim, ndim), wrap_dim(end_dim, ndim)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if ndim == 0:
        return reshape(input, (1,))
    if start == end:
        return input
    return reshape(input, (*shape[:start], count(shape[start : end + 1]), *shape[end + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """A view with dimension ``dim`` split into ``sizes``, of which one may be -1.

    Example:
        >>> import rushlight as torch
        >>> torch.unflatten(torch.zeros(2, 6), 1, (3, -1)).shape
        torch.Size([2, 3, 2])
    """
    shape = input._array.shape
    dim = wrap_dim(dim, len(shape))
    given = as_shape((tuple(sizes),), "unflatten")
    if not given:
        raise RuntimeError("unflatten: sizes must be non-empty")
    try:
        parts = infer_shape(given, shape[dim])
    except RuntimeError as error:
        if "only one dimension" in str(error):
            raise
        raise RuntimeError(
            f"unflatten: Provided sizes {list(given)} don't multiply up to the size of dim {dim} ({shape[dim]}) in the input "
            "tensor"
        ) from None
    return view(input, (*shape[:dim], *parts, *shape[dim + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension: a view where the elements lie in order, else a copy.

    Example:
        >>> import rushlight as torch
        >>> torch.ravel(torch.tensor([[1, 2], [3, 4]]))
        tensor([1, 2, 3, 4])
    """
    return reshape(input, (input._array.size,))


# --- orders of dimensions ---------------------------------------------------------------------------------------------


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """A view with the ``source`` dimensions moved to the ``destination`` places; the others keep their order.

    Example:
        >>> import rushlight as torch
        >>> torch.movedim(torch.zeros(2, 3, 4), 0, -1).shape
        torch.Size([3, 4, 2])
    """
    check_tensor_argument("movedim", "input", input)
    ndim = input._array.ndim
    given = [
        as_shape((dims,) if isinstance(dims, int) else (tuple(dims),), "movedim")
        for dims in (source, destination)
    ]
    if len(given[0]) != len(given[1]):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(given[0])} dims) should contain the same number of "
            f"dims as destination ({list(given[1])} dims)"
        )
    sources, targets = [[wrap_dim(d, ndim) for d in dims] for dims in given]
    for name, dims in (("source", sources), ("destination", targets)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({dims})")
    if ndim == 0:
        return view(input, ())
    order = [-1] * ndim
    for origin, target in zip(sources, targets, strict=True):
        order[target] = origin
    rest = iter([dim for dim in range(ndim) if dim not in sources])
    return permute(input, tuple([next(rest) if dim == -1 else dim for dim in order]))


def moveaxis(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Another name of ``movedim``."""
    return movedim(input, source, destination)


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Another name of ``transpose``."""
    return transpose(input, axis0, axis1)


def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Another name of ``transpose``."""
    return transpose(input, dim0, dim1)


def _reversed(self: Tensor) -> Tensor:
    ndim = self._array.ndim
    if ndim == 2:
        return t(self)
    warnings.warn(
        "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw an error "
        "in a future release. Consider `x.mT` to transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, "
        "-1))` to reverse the dimensions of a tensor.",
        UserWarning,
        stacklevel=2,
    )
    return permute(self, tuple(range(ndim - 1, -1, -1)))


def _matrices(self: Tensor, name: str) -> None:
    ndim = self._array.ndim
    if ndim < 2:
        raise RuntimeError(
            f"tensor.{name} is only supported on matrices or batches of matrices. Got {ndim}-D tensor."
        )


def _matrix_transpose(self: Tensor) -> Tensor:
    if self._array.ndim:
        _matrices(self, "mT")
        return transpose(self, -2, -1)
    _warn_scalar("mT")
    return self


def _warn_scalar(name: str, instead: str = "x") -> None:
    warnings.warn(
        f"{name} is deprecated on 0-D tensors. Consider using {instead}.", UserWarning, stacklevel=3
    )


def _conjugated(self: Tensor) -> Tensor:
    return conj(self) if self._array.dtype in COMPLEXES else self


def adjoint(input: Tensor) -> Tensor:
    """The conjugate transpose of the last two dimensions: a view for real dtypes.

    Example:
        >>> import rushlight as torch
        >>> torch.adjoint(torch.zeros(5, 2, 3)).shape
        torch.Size([5, 3, 2])
    """
    if not input._array.ndim:
        _warn_scalar("adjoint()", "x.conj()")
        return _conjugated(input)
    _matrices(input, "adjoint()")
    return _conjugated(transpose(input, -2, -1))


def _matrix_adjoint(self: Tensor) -> Tensor:
    if self._array.ndim:
        _matrices(self, "mH")
    return adjoint(self)


def _hermitian(self: Tensor) -> Tensor:
    ndim = self._array.ndim
    if ndim == 0:
        _warn_scalar("tensor.H", "x.conj()")
        return _conjugated(self)
    if ndim != 2:
        hint = ". For batches of matrices, consider using tensor.mH" if ndim > 2 else "."
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {ndim}-D tensor{hint}")
    return adjoint(self)


# --- diagonal ---------------------------------------------------------------------------------------------------------


def _embed_impl(values: Any, shape: Shape, record: Primitive, attrs: dict[str, Any]) -> Any:
    result = np.zeros(shape, values.dtype)
    record.impl(result, **attrs)[...] = values
    return result


# Zeros with values at a view of them: the gradient of a view in which no element appears twice.
EMBED_VIEW = Primitive(
    "embed_view",
    _embed_impl,
    lambda g, node: view_of(node.attrs["record"], g, node.attrs["attrs"]),
    grad_name="DiagonalBackwardBackward0",
)


def _embedded(values: Tensor, shape: Shape, record: Primitive, attrs: dict[str, Any]) -> Tensor:
    return apply(EMBED_VIEW, (values,), {"shape": shape, "record": record, "attrs": attrs})  # type: ignore[no-any-return]


def _diagonal_impl(x: Any, offset: int, dim1: int, dim2: int) -> Any:
    farthest = max(x.shape[dim1], x.shape[dim2])  # from there on diagonals are empty; NumPy takes 32 bits
    result = x.diagonal(max(-farthest, min(offset, farthest)), dim1, dim2)
    if type(result) is np.ndarray and not result.flags.writeable and x.flags.writeable:
        result.flags.writeable = True  # NumPy guards diagonals against the time when they were copies
    return result


def _diagonal_vjp(g: Tensor, node: Node) -> Tensor:
    edge = node.edges[0]
    assert edge is not None
    return _embedded(g, edge.shape, DIAGONAL, node.attrs)


DIAGONAL = Primitive("diagonal", _diagonal_impl, _diagonal_vjp)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of the matrices that ``dim1`` and ``dim2`` span, as the last dimension of a view.

    ``offset`` > 0 counts diagonals above the main one, < 0 below.

    Example:
        >>> import rushlight as torch
        >>> torch.diagonal(torch.tensor([[1, 2], [3, 4]]))
        tensor([1, 4])
    """
    check_tensor_argument("diagonal", "input", input)
    ndim = input._array.ndim
    first, second = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return view_of(DIAGONAL, input, {"offset": operator.index(offset), "dim1": first, "dim2": second})


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices, spanned by ``dim1`` and ``dim2`` of the result, with the last dimension of ``input`` on a diagonal.

    Example:
        >>> import rushlight as torch
        >>> torch.diag_embed(torch.tensor([1, 2]))
        tensor([[1, 0],
                [0, 2]])
    """
    check_tensor_argument("diag_embed", "input", input)
    shape = input._array.shape
    ndim = len(shape) + 1
    if not shape:
        wrap_dim(dim1, 0)
        wrap_dim(-2, 1)
    first, second = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    extent = shape[-1] + abs(offset)
    rest = iter(shape[:-1])
    target = tuple([extent if dim in (first, second) else next(rest) for dim in range(ndim)])
    return _embedded(input, target, DIAGONAL, {"offset": offset, "dim1": first, "dim2": second})


def diag(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The diagonal of a matrix, as a copy; or the matrix with a vector on its diagonal.

    Example:
        >>> import rushlight as torch
        >>> torch.diag(torch.tensor([1, 2]))
        tensor([[1, 0],
                [0, 2]])
    """
    check_tensor_argument("diag", "input", input)
    ndim = input._array.ndim
    if ndim == 1:
        result = diag_embed(input, diagonal)
    elif ndim == 2:
        attrs = {"offset": operator.index(diagonal), "dim1": 0, "dim2": 1}
        result = clone(view_of(DIAGONAL, input, attrs))
    else:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {ndim}D")
    return result if out is None else write_exact(out, result, "diag")


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements of ``input`` on its diagonal.

    Example:
        >>> import rushlight as torch
        >>> torch.diagflat(torch.tensor([[1, 2]]))
        tensor([[1, 0],
                [0, 2]])
    """
    check_tensor_argument("diagflat", "input", input)
    return diag_embed(ravel(input), offset)


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """The main diagonal set to a number, in place; with ``wrap`` it starts again below in a matrix that is taller than wide.

    Example:
        >>> import rushlight as torch
        >>> torch.zeros(2, 2).fill_diagonal_(3)
        tensor([[3., 0.],
                [0., 3.]])
    """
    shape = self._array.shape
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    if len(shape) == 2:
        fill_(view_of(DIAGONAL, self, {"offset": 0, "dim1": 0, "dim2": 1}), fill_value)
        rows, columns = shape
        if wrap:
            for start in range(columns + 1, rows, columns + 1):
                below = narrow(self, 0, start, rows - start)
                fill_(view_of(DIAGONAL, below, {"offset": 0, "dim1": 0, "dim2": 1}), fill_value)
        return self
    for i in range(shape[0]):
        self[(i,) * len(shape)] = fill_value
    return self


def sum_to_size(self: Tensor, *args: Any, size: Any = None) -> Tensor:
    """The sum over the dimensions that broadcasting from ``size`` would have added or repeated.

    Example:
        >>> import rushlight as torch
        >>> torch.ones(2, 3).sum_to_size(1, 3)
        tensor([[2., 2., 2.]])
    """
    target = as_shape(args if size is None else (size,), "sum_to_size")
    shape = self._array.shape
    lead = len(shape) - len(target)
    if lead < 0 or any(n not in (1, own) for n, own in zip(target, shape[lead:], strict=True)):
        raise RuntimeError(f"size {{{list(target)}}} is not expandable to size {{{list(shape)}}}.")
    dims = (*range(lead), *[d for d in range(lead, len(shape)) if target[d - lead] == 1 and shape[d] != 1])
    if target and not dims:
        return self
    from .reductions import sum  # which imports this module's neighbours

    # As a sum, so that integers and bools give int64, of one element too.
    return reshape(sum(self, dims or None, True), target)


# --- copies with a view of them replaced ------------------------------------------------------------------------------


def _with_replaced(
    input: Tensor, src: Tensor, take: Callable[[Tensor], Tensor], strict: bool = True
) -> Tensor:
    if type(src._array) is Batched:
        from .batching import alike  # its rules are built on this package's operations

        input = alike(input, src)
    result = clone(input)
    region = take(result)
    if strict and region._array.shape != src._array.shape:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src._array.shape)}, slice size = {list(region._array.shape)}"
        )
    copy_(region, src)
    return result


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of ``input`` with ``src`` in place of ``input.select(dim, index)``.

    Example:
        >>> import rushlight as torch
        >>> torch.select_scatter(torch.zeros(2, 2), torch.ones(2), 0, 0)
        tensor([[1., 1.],
                [0., 0.]])
    """
    return _with_replaced(input, src, lambda x: select(x, dim, index))


def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of ``input`` with ``src`` in place of its slice ``start:end:step`` along ``dim``.

    Example:
        >>> import rushlight as torch
        >>> torch.slice_scatter(torch.zeros(3), torch.ones(2), start=1)
        tensor([0., 1., 1.])
    """
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    dim = wrap_dim(dim, input._array.ndim)
    index = (*(slice(None),) * dim, slice(start, end, step))
    result = _with_replaced(input, src, lambda x: x[index])
    return result if out is None else write_out(out, result, "slice_scatter")


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of ``input`` with ``src`` in place of ``input.diagonal(offset, dim1, dim2)``.

    Example:
        >>> import rushlight as torch
        >>> torch.diagonal_scatter(torch.zeros(2, 2), torch.ones(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    check_tensor_argument("diagonal_scatter", "input", input)
    check_tensor_argument("diagonal_scatter", "src", src)
    return _with_replaced(input, src, lambda x: diagonal(x, offset, dim1, dim2))


def as_strided_scatter(
    input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Tensor:
    """A copy of ``input`` with ``src`` in place of ``input.as_strided(size, stride, storage_offset)``.

    Example:
        >>> import rushlight as torch
        >>> torch.as_strided_scatter(torch.zeros(4), torch.ones(2), (2,), (2,))
        tensor([1., 0., 1., 0.])
    """
    attrs = strided_attrs(input, size, stride, storage_offset)
    shape, strides = attrs["parent"]
    if input._array.size and not input._array.flags.forc:
        input = clone(input)
        shape = input._array.shape
        strides = tuple([s // input._array.itemsize for s in input._array.strides])
        attrs["parent"] = (shape, strides)
    return _with_replaced(input, src, lambda x: view_of(AS_STRIDED, x, attrs))


def narrow_copy(
    input: Tensor, dim: int, start: int | Tensor, length: int, *, out: Tensor | None = None
) -> Tensor:
    """``narrow`` as a copy.

    Example:
        >>> import rushlight as torch
        >>> torch.narrow_copy(torch.arange(4), 0, 1, 2)
        tensor([1, 2])
    """
    check_tensor_argument("narrow_copy", "input", input)
    if dim >= input._array.ndim:
        raise RuntimeError(f"narrow_copy: dim {dim} is not a dimension of a tensor with {input._array.ndim}")
    result = clone(narrow(input, dim, start, length))
    return result if out is None else write_out(out, result, "narrow_copy")


METHODS: dict[str, Any] = {
    "view_as": view_as,
    "reshape_as": reshape_as,
    "expand_as": expand_as,
    "broadcast_to": broadcast_to,
    "flatten": flatten,
    "unflatten": unflatten,
    "ravel": ravel,
    "movedim": movedim,
    "moveaxis": moveaxis,
    "swapaxes": swapaxes,
    "swapdims": swapdims,
    "T": property(_reversed, doc="The dimensions in reverse order: a matrix's transpose, as a view."),
    "mT": property(_matrix_transpose, doc="The last two dimensions swapped, as a view."),
    "H": property(_hermitian, doc="The conjugate transpose of a matrix."),
    "mH": property(_matrix_adjoint, doc="The conjugate transpose of the last two dimensions."),
    "adjoint": adjoint,
    # PyTorch's address of the tensor itself (not of its memory), by which libraries ask whether two are one.
    "_cdata": property(id),
    "diagonal": diagonal,
    "diag": diag,
    "diag_embed": diag_embed,
    "diagflat": diagflat,
    "fill_diagonal_": fill_diagonal_,
    "sum_to_size": sum_to_size,
    "select_scatter": select_scatter,
    "slice_scatter": slice_scatter,
    "diagonal_scatter": diagonal_scatter,
    "as_strided_scatter": as_strided_scatter,
    "narrow_copy": narrow_copy,
}
