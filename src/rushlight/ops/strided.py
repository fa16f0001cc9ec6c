"""Views that need the strides: windows (``unfold``) and ``as_strided``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arguments import check_tensor as check_tensor_argument
from ..core.device import placed_beside, strided
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node
from ..core.shapes import Shape, as_shape, wrap_dim
from ..core.tensor import Tensor, make_tensor
from ..runtime.batched import Batched
from ..runtime.pending import address
from .conversion import memory_root, storage_offset
from .define import Primitive
from .index_tensors import put_at, read_at
from .inplace import LAYOUT_DEPENDENT
from .movement import permute, reshape, view_of
from .placement import tensor_beside

grad_enabled = GRAD_MODE.get


# --- windows ----------------------------------------------------------------------------------------------------------


def _unfold_impl(x: Any, dim: int, size: int, step: int) -> Any:
    if type(x) is not np.ndarray and hasattr(x, "through"):
        return x.through(_unfold_impl, dim, size, step)
    if not x.ndim:
        return strided(x, (size,), (x.itemsize,))
    windows = (x.shape[dim] - size) // step + 1
    shape = (*x.shape[:dim], windows, *x.shape[dim + 1 :], size)
    strides = (*x.strides[:dim], x.strides[dim] * step, *x.strides[dim + 1 :], x.strides[dim])
    return strided(x, shape, strides)


def _unfold_vjp(g: Tensor, node: Node) -> Tensor:
    edge = node.edges[0]
    assert edge is not None
    dim, size, step = node.attrs["dim"], node.attrs["size"], node.attrs["step"]
    if not edge.shape:
        return reshape(g, ()) if size else tensor_beside(g, np.zeros((), g._array.dtype))
    windows = (edge.shape[dim] - size) // step + 1
    index = tensor_beside(g, np.arange(windows)[:, None] * step + np.arange(size))
    last = g._array.ndim - 1
    order = (*range(dim + 1), last, *range(dim + 1, last))  # a window's elements next to the windows
    return put_at(
        None, permute(g, order), (index,), {"dims": (dim,), "accumulate": True, "shape": edge.shape}
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
    if type(x) is not np.ndarray and hasattr(x, "through"):
        if type(x) is Batched:
            _check_inside_example(x, size, stride, offset)
        return x.through(_strided_impl, size, stride, offset)
    root = memory_root(x)
    # Then the first elements of both are the same.
    whole = root.nbytes == x.nbytes and root.flags.c_contiguous and x.flags.c_contiguous
    start = offset * x.itemsize
    if not whole:
        start += address(x) - address(root)
    last = sum([(n - 1) * s for n, s in zip(size, stride, strict=True)])
    if 0 in size:
        return placed_beside(np.empty(size, x.dtype), x)
    if not whole and not root.flags.forc and not _is_dense(root):
        raise RuntimeError(
            "as_strided: the memory of this tensor does not belong to a contiguous array; clone() it first"
        )
    if start < 0 or start + (last + 1) * x.itemsize > root.nbytes:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {start // x.itemsize}, and itemsize "
            f"{x.itemsize} requiring a storage size of {start + (last + 1) * x.itemsize} are out of bounds for storage of size "
            f"{root.nbytes}"
        )
    if whole and type(root) is np.ndarray and x.dtype.kind in "fciub":
        return np.ndarray(size, x.dtype, root, start, [s * x.itemsize for s in stride])
    memory = strided(root, (root.size,), (root.itemsize,)).view(np.uint8)
    elements = memory[start : start + (last + 1) * x.itemsize].view(x.dtype)
    return strided(elements, size, tuple([s * x.itemsize for s in stride]))


def _check_inside_example(x: Any, size: Shape, stride: Shape, offset: int) -> None:
    """Behind the last element of an example the memory is another's, or nobody's."""
    last = offset + sum([(n - 1) * s for n, s in zip(size, stride, strict=True)])
    end = sum([(n - 1) * (s // x.itemsize) for n, s in zip(x.shape, x.strides, strict=True)])
    if 0 not in size and (offset < 0 or last > end):
        raise RuntimeError(
            f"result = tensor.as_strided({list(size)}, {list(stride)}, {offset}) can access memory outside of `tensor`. "
            f"`result` can access some memory in range [{offset}, {last + 1}], but `tensor` can only access some memory in "
            f"range [0, {end + 1}]. This is not supported inside of vmap, please try to rewrite the `as_strided` call as a "
            "sequence of PyTorch view operations"
        )


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


def strided_attrs(self: Tensor, size: Any, stride: Any, storage_offset_: int | None) -> dict[str, Any]:
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
    check_tensor_argument("as_strided", "input", input)
    return view_of(AS_STRIDED, input, strided_attrs(input, size, stride, storage_offset))


METHODS: dict[str, Any] = {
    "unfold": unfold,
    "as_strided": as_strided,
}
