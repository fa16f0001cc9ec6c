"""Views beyond reshape and permute: flatten, movedim, the transposing properties, diagonal, unfold, as_strided; the forms
that change a tensor's own shape in place; and copies with a view of them replaced (``select_scatter`` and the like)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided as np_as_strided

from ..core.dtypes import COMPLEXES
from ..core.grad_mode import GRAD_MODE
from ..core.history import LeafNode, Node
from ..core.shapes import Shape, Size, as_shape, broadcast_shape, count, infer_shape, wrap_dim
from ..core.tensor import Tensor, make_tensor, storage_of
from .conversion import copy_, data_ptr, memory_root, storage_offset
from .define import Primitive
from .dispatch import apply, write_out
from .indexing import put_at, read_at
from .inplace import LAYOUT_DEPENDENT, check_leaf, follow
from .movement import (
    clone,
    expand,
    make_view,
    narrow,
    permute,
    reshape,
    select,
    squeeze,
    t,
    transpose,
    unsqueeze,
    view,
    view_of,
)
from .complex_numbers import conj

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

    Raises ``RuntimeError`` where there is none.

    Example:
        >>> import rushlight as torch
        >>> torch.broadcast_shapes((2, 1), (3,), (1, 1, 1))
        torch.Size([1, 2, 3])
    """
    given = [
        (shape,) if isinstance(shape, int) else as_shape((tuple(shape),), "broadcast_shapes")
        for shape in shapes
    ]
    for shape in given:
        for extent in shape:
            if extent < 0:
                raise RuntimeError(f"Trying to create tensor with negative dimension ({extent}): ({extent})")
    return Size(broadcast_shape(*given))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from ``start_dim`` to ``end_dim`` as one: a view where strides allow, else a copy.

    Example:
        >>> import rushlight as torch
        >>> torch.flatten(torch.zeros(2, 3, 4), 1).shape
        torch.Size([2, 12])
    """
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
    import warnings

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
    import warnings

    warnings.warn(
        f"{name} is deprecated on 0-D tensors. Consider using {instead}.", UserWarning, stacklevel=3
    )


def _conjugated(self: Tensor) -> Tensor:
    return conj(self) if self._array.dtype in COMPLEXES else self  # type: ignore[no-any-return]


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
    result = x.diagonal(offset, dim1, dim2)
    if not result.flags.writeable and x.flags.writeable:
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
    ndim = input._array.ndim
    if ndim == 1:
        result = diag_embed(input, diagonal)
    elif ndim == 2:
        attrs = {"offset": operator.index(diagonal), "dim1": 0, "dim2": 1}
        result = clone(view_of(DIAGONAL, input, attrs))
    else:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {ndim}D")
    return result if out is None else write_out(out, result, "diag")


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements of ``input`` on its diagonal.

    Example:
        >>> import rushlight as torch
        >>> torch.diagflat(torch.tensor([[1, 2]]))
        tensor([[1, 0],
                [0, 2]])
    """
    return diag_embed(ravel(input), offset)


# --- windows ----------------------------------------------------------------------------------------------------------


def _unfold_impl(x: Any, dim: int, size: int, step: int) -> Any:
    if not x.ndim:
        return np_as_strided(x, (size,), (x.itemsize,))
    windows = (x.shape[dim] - size) // step + 1
    shape = (*x.shape[:dim], windows, *x.shape[dim + 1 :], size)
    strides = (*x.strides[:dim], x.strides[dim] * step, *x.strides[dim + 1 :], x.strides[dim])
    return np_as_strided(x, shape, strides)


def _unfold_vjp(g: Tensor, node: Node) -> Tensor:
    edge = node.edges[0]
    assert edge is not None
    dim, size, step = node.attrs["dim"], node.attrs["size"], node.attrs["step"]
    if not edge.shape:
        return reshape(g, ()) if size else make_tensor(np.zeros((), g._array.dtype))
    windows = (edge.shape[dim] - size) // step + 1
    index = make_tensor(np.arange(windows)[:, None] * step + np.arange(size))
    return put_at(
        None, movedim(g, -1, dim + 1), (index,), {"dims": (dim,), "accumulate": True, "shape": edge.shape}
    )


UNFOLD = Primitive("unfold", _unfold_impl, _unfold_vjp)


def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of ``size`` elements along ``dimension``, every ``step``; the elements of a window are the last dimension.

    A view: windows that overlap share memory.

    Example:
        >>> import rushlight as torch
        >>> torch.arange(5).unfold(0, 3, 2)
        tensor([[0, 1, 2],
                [2, 3, 4]])
    """
    shape = self._array.shape
    dim = wrap_dim(dimension, len(shape))
    extent = shape[dim] if shape else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > extent:
        raise RuntimeError(f"maximum size for tensor at dimension {dim} is {extent} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    return view_of(UNFOLD, self, {"dim": dim, "size": size, "step": step})


# --- as_strided -------------------------------------------------------------------------------------------------------


def _strided_impl(x: Any, size: Shape, stride: Shape, offset: int, parent: Any = None) -> Any:
    """The elements of the memory of ``x``, counted from ``offset`` elements behind its first one."""
    root = memory_root(x)
    start = x.__array_interface__["data"][0] - root.__array_interface__["data"][0] + offset * x.itemsize
    last = sum([(n - 1) * s for n, s in zip(size, stride, strict=True)])
    if 0 in size:
        return np.empty(size, x.dtype)
    if not root.flags.forc and not _is_dense(root):
        raise RuntimeError(
            "as_strided: the memory of this tensor does not belong to a contiguous array; clone() it first"
        )
    if start < 0 or start + (last + 1) * x.itemsize > root.nbytes:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {start // x.itemsize}, and itemsize "
            f"{x.itemsize} requiring a storage size of {start + (last + 1) * x.itemsize} are out of bounds for storage of size "
            f"{root.nbytes}"
        )
    memory = np_as_strided(root, (root.size,), (root.itemsize,)).view(np.uint8)
    elements = memory[start : start + (last + 1) * x.itemsize].view(x.dtype)
    return np_as_strided(elements, size, tuple([s * x.itemsize for s in stride]))


def _is_dense(array: Any) -> bool:
    """Whether the elements fill a block of memory, in whatever order of dimensions."""
    expected = array.itemsize
    for stride, extent in sorted(zip(array.strides, array.shape, strict=True)):
        if extent > 1:
            if stride != expected:
                return False
            expected *= extent
    return True


def _element_positions(size: Shape, stride: Shape, offset: int) -> Any:
    positions = np.full((1,) * len(size), offset, np.intp)
    for i, (n, s) in enumerate(zip(size, stride, strict=True)):
        positions = positions + (np.arange(n) * s).reshape((n,) + (1,) * (len(size) - i - 1))
    return positions.reshape(size)


def _strided_vjp(g: Tensor, node: Node) -> Tensor:
    size, stride, offset = node.attrs["size"], node.attrs["stride"], node.attrs["offset"]
    shape, strides = node.attrs["parent"]
    first = min(offset, 0)
    read = _element_positions(size, stride, offset - first)
    own = _element_positions(shape, strides, -first)
    length = 1 + max(int(read.max()) if read.size else 0, int(own.max()) if own.size else 0)
    attrs = {"dims": (0,), "accumulate": True, "shape": (length,)}
    memory = put_at(None, g, (make_tensor(read),), attrs)
    gradient = read_at(memory, (make_tensor(own),), (0,))
    if 0 in strides:
        # Elements of an expanded parent share a place: each gets its part.
        times = np.bincount(own.reshape(-1), minlength=length)[own]
        if (times > 1).any():
            gradient = gradient / make_tensor(times.astype(g._array.dtype))
    return gradient


AS_STRIDED = Primitive("as_strided", _strided_impl, _strided_vjp)
LAYOUT_DEPENDENT.add(AS_STRIDED)


def _strided_attrs(self: Tensor, size: Any, stride: Any, storage_offset_: int | None) -> dict[str, Any]:
    shape, strides = as_shape((tuple(size),), "as_strided"), as_shape((tuple(stride),), "as_strided")
    if len(shape) != len(strides):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(s < 0 for s in strides):
        raise RuntimeError(
            f"as_strided: Negative strides are not supported at the moment, got strides: {list(strides)}"
        )
    if any(n < 0 for n in shape):
        raise RuntimeError(f"as_strided: sizes must not be negative, got {list(shape)}")
    offset = 0
    if storage_offset_ is not None:
        if storage_offset_ < 0:
            raise RuntimeError(f"as_strided: storage_offset must not be negative, got {storage_offset_}")
        offset = storage_offset_ - storage_offset(self)
    array = self._array
    parent = (array.shape, tuple([s // array.itemsize for s in array.strides]))
    return {"size": shape, "stride": strides, "offset": offset, "parent": parent}


def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """A view of the memory of ``input`` with any shape and strides (in elements, not negative), from ``storage_offset``.

    Raises ``RuntimeError`` where that would leave the memory.

    Example:
        >>> import rushlight as torch
        >>> torch.as_strided(torch.arange(6), (2, 2), (1, 3))
        tensor([[0, 3],
                [1, 4]])
    """
    return view_of(AS_STRIDED, input, _strided_attrs(input, size, stride, storage_offset))


# --- a tensor's own shape, in place -----------------------------------------------------------------------------------


def _become(
    self: Tensor, change: Callable[[Tensor], Tensor], undo: Callable[[Tensor], Tensor], name: str
) -> Tensor:
    """Give ``self`` the shape, strides and history of ``change(self)``, a view of it; ``undo`` is the way back."""
    if self._node is not None and grad_enabled():
        check_leaf(self)
    token = GRAD_MODE.set(True)  # a view taken without recording would not say how it was taken
    try:
        viewed = change(self)
    finally:
        GRAD_MODE.reset(token)
    old_array, old_node, old_view = self._array, self._node, self._view
    assert viewed._view is not None
    storage = storage_of(self)
    views = storage.views or []
    _, record, attrs = viewed._view
    alive = [view for reference in views if (view := reference()) is not None and view is not viewed]
    children = [view for view in alive if view._view is not None and view._view[0] is self]
    self._array = viewed._array
    if isinstance(old_node, LeafNode):
        old_node.shape = self._array.shape
    elif old_node is not None:
        self._node = Node(record, (old_node,), self._array, None, attrs) if record is not None else old_node
    storage.mark_changed(name)
    if old_view is not None or children:
        # The shape that self had lives on in a tensor of its own: what self, if it is a view, or its views are views of.
        former: Tensor
        if old_view is not None:
            former = make_tensor(old_array, old_node)
            former._storage, former._view = storage, old_view
            self._view = (former, record, attrs)
        else:
            token = GRAD_MODE.set(True)
            former = undo(self)
            GRAD_MODE.reset(token)
        for child in children:
            assert child._view is not None
            child._view = (former, *child._view[1:])
        # Parents stay before their children in the list.
        storage.views = None
        if old_view is None:
            storage.add_view(former)
        for other in alive:
            if other is self:
                storage.add_view(former)
            storage.add_view(other)
        base = self._base
        follow(self if base is None else base)
    return self


def squeeze_(self: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Drop dimensions of extent 1 from this tensor itself."""
    shape = self._array.shape
    return _become(self, lambda x: squeeze(x, dim), lambda x: view(x, shape), "squeeze_")


def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    """Insert a dimension of extent 1 into this tensor itself."""
    shape = self._array.shape
    return _become(self, lambda x: unsqueeze(x, dim), lambda x: view(x, shape), "unsqueeze_")


def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dimensions of this tensor itself."""
    return _become(self, lambda x: transpose(x, dim0, dim1), lambda x: transpose(x, dim0, dim1), "transpose_")


def t_(self: Tensor) -> Tensor:
    """Transpose this matrix itself."""
    if self._array.ndim > 2:
        raise RuntimeError(f"t_() expects a tensor with <= 2 dimensions, but self is {self._array.ndim}D")
    return _become(self, t, t, "t_")


def as_strided_(self: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """Give this tensor itself another shape and strides over its memory."""
    attrs = _strided_attrs(self, size, stride, storage_offset)
    shape, strides = attrs["parent"]
    back = {
        "size": shape,
        "stride": strides,
        "offset": -attrs["offset"],
        "parent": (attrs["size"], attrs["stride"]),
    }
    return _become(
        self, lambda x: view_of(AS_STRIDED, x, attrs), lambda x: view_of(AS_STRIDED, x, back), "as_strided_"
    )


# --- copies with a view of them replaced ------------------------------------------------------------------------------


def _with_replaced(
    input: Tensor, src: Tensor, take: Callable[[Tensor], Tensor], strict: bool = True
) -> Tensor:
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
    attrs = _strided_attrs(input, size, stride, storage_offset)
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
    "diagonal": diagonal,
    "diag": diag,
    "diag_embed": diag_embed,
    "diagflat": diagflat,
    "unfold": unfold,
    "as_strided": as_strided,
    "squeeze_": squeeze_,
    "unsqueeze_": unsqueeze_,
    "transpose_": transpose_,
    "swapaxes_": transpose_,
    "swapdims_": transpose_,
    "t_": t_,
    "as_strided_": as_strided_,
    "select_scatter": select_scatter,
    "slice_scatter": slice_scatter,
    "diagonal_scatter": diagonal_scatter,
    "as_strided_scatter": as_strided_scatter,
    "narrow_copy": narrow_copy,
}

_ = (data_ptr, make_view)
