"""Taking tensors apart into views: ``split``, ``chunk``, ``unbind``, ``tensor_split`` and their relatives."""

from __future__ import annotations

import operator
import weakref
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..core.arguments import check_tensor as check_tensor_argument
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node, OutputNode, UntrackedNode
from ..core.shapes import as_shape, wrap_dim
from ..core.storage import Storage
from ..core.tensor import Tensor, make_tensor
from .define import Primitive
from .dispatch import apply, held
from .inplace import SEVERAL_VIEWS
from .joining import cat, stack
from .movement import SLICE, SLICE_BACKWARD, make_view
from .numpy_names import numpy_names

grad_enabled = GRAD_MODE.get
FULL = slice(None)
_new = object.__new__
_weak = weakref.ref
np_concatenate = np.concatenate


def _part_vjp(g: Any, node: Node) -> Any:
    # Regenerated after a change in place, one result has a node of its own; `gradient` is a list for all of them together.
    edge = node.edges[0]
    assert edge is not None
    if not isinstance(g, list):
        return apply(SLICE_BACKWARD, (g,), {"shape": edge.shape, "index": node.attrs["index"]})
    dim, stacked = node.attrs["dim"], node.attrs["stacked"]
    outputs = node.outputs or ()
    parts = [
        make_tensor(np.zeros(shape, dtype)) if part is None else part
        for part, (shape, dtype) in zip(g, outputs, strict=True)
    ]
    return stack(parts, dim) if stacked else cat(parts, dim)


UNBIND = Primitive("unbind", lambda x, index: x[index], _part_vjp)
SPLIT = Primitive("split", lambda x, index: x[index], _part_vjp)
SPLIT_WITH_SIZES = Primitive("split_with_sizes", lambda x, index: x[index], _part_vjp)
SEVERAL_VIEWS.update((UNBIND, SPLIT, SPLIT_WITH_SIZES))


def _views(record: Primitive, self: Tensor, dim: int, indices: list[Any]) -> tuple[Tensor, ...]:
    """One view for each index, with one node for all of them: their gradients are joined once, not padded one by one."""
    array = self._array
    storage = self._storage
    if storage is None:
        storage = self._storage = Storage()
    edge = self._node
    recording = grad_enabled()
    parts = [array[index] for index in indices]
    parent = None
    if edge is not None and recording and parts:
        parent = Node(record, (edge,), array, None, {"dim": dim, "stacked": record is UNBIND})
        parent.outputs = tuple([(part.shape, part.dtype) for part in parts])
    tensors = []
    for i, (part, index) in enumerate(zip(parts, indices, strict=True)):
        tensor = _new(Tensor)
        tensor._array = part
        tensor._grad = None
        tensor._storage = storage
        if recording:
            tensor._node = None if parent is None else OutputNode(parent, i, part)
            tensor._view = (self, record, {"index": index})
        else:
            tensor._node = None if edge is None else UntrackedNode(tensor)
            tensor._view = (self, None, None)
        tensors.append(tensor if type(part) is np.ndarray else held(tensor))
    if tensors:
        storage.add_view(tensors[0])
        if storage.views is not None:
            storage.views.extend([_weak(tensor) for tensor in tensors[1:]])
    return tuple(tensors)


def unbind(input: Tensor, dim: int = 0, *, axis: int | None = None) -> tuple[Tensor, ...]:
    """The slices along ``dim``, which they lack, as views.

    Example:
        >>> import rushlight as torch
        >>> torch.unbind(torch.tensor([[1, 2], [3, 4]]))
        (tensor([1, 2]), tensor([3, 4]))
    """
    if axis is not None:
        dim = axis
    dim = wrap_dim(dim, input._array.ndim, scalar_ok=False)
    lead = (FULL,) * dim
    return _views(UNBIND, input, dim, [(*lead, i, ...) for i in range(input._array.shape[dim])])


def _slices(self: Tensor, dim: int, bounds: Sequence[int]) -> list[Any]:
    lead = (FULL,) * dim
    return [(*lead, slice(start, end)) for start, end in pairwise(bounds)]


def split(
    tensor: Tensor, split_size_or_sections: Any = None, dim: int = 0, *, split_size: Any = None
) -> tuple[Tensor, ...]:
    """Views of ``split_size`` elements along ``dim`` (the last may be shorter), or of the given list of lengths.

    Raises ``RuntimeError`` for a negative size and for lengths that do not add up.

    Example:
        >>> import rushlight as torch
        >>> torch.split(torch.arange(5), 2)
        (tensor([0, 1]), tensor([2, 3]), tensor([4]))
        >>> torch.split(torch.arange(5), [1, 4])
        (tensor([0]), tensor([1, 2, 3, 4]))
    """
    size = split_size_or_sections if split_size is None else split_size
    if isinstance(size, tuple | list):
        return split_with_sizes(tensor, size, dim)
    try:
        size = operator.index(size)
    except TypeError:
        raise TypeError(
            f"split(): argument 'split_size' must be int or a list of ints, not {type(split_size_or_sections).__name__}"
        ) from None
    shape = tensor._array.shape
    if not shape:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    if size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
    dim = wrap_dim(dim, len(shape))
    return _views(SPLIT, tensor, dim, _slices(tensor, dim, _even_bounds(shape[dim], size)))


def _even_bounds(extent: int, size: int) -> list[int]:
    if size == 0:
        if extent:
            raise RuntimeError(
                f"split_size can only be 0 if dimension size is 0, but got dimension size of {extent}"
            )
        return [0, 0]
    return [*range(0, max(extent, 1), size), extent]


def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of the given lengths along ``dim``."""
    shape = input._array.shape
    if not shape:
        raise RuntimeError("split_with_sizes expects at least a 1-dimensional tensor")
    dim = wrap_dim(dim, len(shape))
    sizes = as_shape((tuple(split_sizes),), "split_with_sizes")
    if any(size < 0 for size in sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={list(sizes)}"
        )
    if sum(sizes) != shape[dim]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {shape[dim]} (input tensor's size at dimension {dim}), "
            f"but got split_sizes={list(sizes)}"
        )
    bounds = [0]
    for size in sizes:
        bounds.append(bounds[-1] + size)
    return _views(SPLIT_WITH_SIZES, input, dim, _slices(input, dim, bounds))


def _chunk_bounds(self: Tensor, chunks: int, dim: int) -> tuple[int, list[int]]:
    shape = self._array.shape
    if not shape:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    dim = wrap_dim(dim, len(shape))
    extent = shape[dim]
    chunks = operator.index(chunks)
    size = -(-extent // chunks)
    return dim, [0] * (chunks + 1) if size == 0 else _even_bounds(extent, size)


def chunk(input: Tensor, chunks: int, dim: int = 0, *, axis: int | None = None) -> tuple[Tensor, ...]:
    """At most ``chunks`` views along ``dim``, all of one length but the last, which may be shorter.

    Example:
        >>> import rushlight as torch
        >>> torch.chunk(torch.arange(5), 3)
        (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    check_tensor_argument("chunk", "input", input)
    if axis is not None:
        dim = axis
    dim, bounds = _chunk_bounds(input, chunks, dim)
    return _views(SPLIT, input, dim, _slices(input, dim, bounds))


def _copies(views: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    # PyTorch's unsafe_ forms are not tracked as views: each may be changed in place by itself.
    copies = []
    for view in views:
        tensor = make_tensor(view._array, view._node)
        tensor._storage = Storage()
        copies.append(tensor)
    return tuple(copies)


def unsafe_split(tensor: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """``split`` whose results are not tracked as views of ``tensor``: change either in place, but not both."""
    return _copies(split(tensor, split_size, dim))


def unsafe_split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """``split_with_sizes`` whose results are not tracked as views of ``input``."""
    return _copies(split_with_sizes(input, split_sizes, dim))


@numpy_names
def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """``chunk`` whose results are not tracked as views of ``input``."""
    return _copies(chunk(input, chunks, dim))


_MOST_VIEWS = 1 << 28


@numpy_names
def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """Views along ``dim``: that many of nearly equal length, or cut at the given indices (ints or an int64 tensor).

    Example:
        >>> import rushlight as torch
        >>> torch.tensor_split(torch.arange(5), 2)
        (tensor([0, 1, 2]), tensor([3, 4]))
        >>> torch.tensor_split(torch.arange(5), (1, 3))
        (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    where: Any = next(
        (given for given in (indices_or_sections, indices, sections) if given is not None), None
    )
    shape = input._array.shape
    if not shape:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    dim = wrap_dim(dim, len(shape))
    extent = shape[dim]
    if isinstance(where, Tensor):
        array = where._array
        if array.dtype != np.int64:
            raise RuntimeError(
                f"tensor_split expected tensor_indices_or_sections to have dtype of long, but got {where.dtype}"
            )
        if array.ndim > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but got "
                f"a tensor with {array.ndim} dims"
            )
        where = array.tolist()
    if isinstance(where, tuple | list):
        cuts = list(as_shape((tuple(where),), "tensor_split"))
        pairs = list(zip([0, *cuts], [*cuts, extent], strict=True))
        bounds = [slice(start, end).indices(extent)[:2] for start, end in pairs]
        bounds = [(start, max(start, end)) for start, end in bounds]
    else:
        try:
            count = operator.index(where)
        except TypeError:
            raise TypeError(
                f"tensor_split(): expected an int or a list of ints, not {type(where).__name__}"
            ) from None
        if count <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {count}")
        if count > _MOST_VIEWS:
            raise RuntimeError(f"tensor_split: {count} sections are more tensors than memory holds")
        small, larger = divmod(extent, count)
        edges = [i * small + min(i, larger) for i in range(count + 1)]
        bounds = list(pairwise(edges))
    lead = (FULL,) * dim
    views = []
    for start, end in bounds:
        index: Any = (*lead, slice(start, end), ...)
        views.append(make_view(SLICE, input, input._array[index], {"index": index}))
    return tuple(views)


def _split_along(input: Tensor, where: Any, dim: int, name: str, least: int) -> tuple[Tensor, ...]:
    shape = input._array.shape
    if len(shape) < least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with {len(shape)} dimensions!"
        )
    if isinstance(where, int):
        if where <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {where}")
        if shape[dim] % where:
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension {shape[dim]} is not "
                f"divisible by the split_size {where}!"
            )
    return tensor_split(input, where, dim)


def hsplit(
    input: Tensor, indices_or_sections: Any = None, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """``tensor_split`` along the second dimension (of a vector, its only one); an int must divide the extent.

    Example:
        >>> import rushlight as torch
        >>> torch.hsplit(torch.arange(4), 2)
        (tensor([0, 1]), tensor([2, 3]))
    """
    check_tensor_argument("hsplit", "input", input)
    where = next((given for given in (indices_or_sections, indices, sections) if given is not None), None)
    return _split_along(input, where, 0 if input._array.ndim == 1 else 1, "hsplit", 1)


def vsplit(
    input: Tensor, indices_or_sections: Any = None, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """``tensor_split`` of a tensor of at least two dimensions along the first.

    Example:
        >>> import rushlight as torch
        >>> [part.shape for part in torch.vsplit(torch.zeros(4, 2), 2)]
        [torch.Size([2, 2]), torch.Size([2, 2])]
    """
    check_tensor_argument("vsplit", "input", input)
    where = next((given for given in (indices_or_sections, indices, sections) if given is not None), None)
    return _split_along(input, where, 0, "vsplit", 2)


def dsplit(
    input: Tensor, indices_or_sections: Any = None, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """``tensor_split`` of a tensor of at least three dimensions along the third.

    Example:
        >>> import rushlight as torch
        >>> [part.shape for part in torch.dsplit(torch.zeros(1, 2, 4), 2)]
        [torch.Size([1, 2, 2]), torch.Size([1, 2, 2])]
    """
    check_tensor_argument("dsplit", "input", input)
    where = next((given for given in (indices_or_sections, indices, sections) if given is not None), None)
    return _split_along(input, where, 2, "dsplit", 3)


METHODS: dict[str, Any] = {
    "unbind": unbind,
    "split": split,
    "split_with_sizes": split_with_sizes,
    "chunk": chunk,
    "unsafe_split": unsafe_split,
    "unsafe_split_with_sizes": unsafe_split_with_sizes,
    "unsafe_chunk": unsafe_chunk,
    "tensor_split": tensor_split,
    "hsplit": hsplit,
    "vsplit": vsplit,
    "dsplit": dsplit,
}
