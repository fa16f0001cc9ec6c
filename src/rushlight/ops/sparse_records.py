"""The primitives between sparse tensors and their values, on which their other operations and gradients are built.

A sparse tensor is differentiable through its values: ``values_of`` takes them out, ``rebuilt`` puts others in their places.
The gradient of a sparse tensor is sparse, with the elements of the tensor itself, or dense, where an operation's gradient
is (``matmul``, as in PyTorch).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.history import Node
from ..core.sparse_arrays import COO, CompressedArray, CooArray, SparseArray
from ..core.tensor import Tensor, make_tensor
from .define import Primitive
from .dispatch import attach
from .index_tensors import read_at
from .movement import expand, reshape, unsqueeze
from .sparse_patterns import coalesced, dense_of, find, in_layout, sparse_of

Array = NDArray[Any]


def is_sparse(tensor: Tensor) -> bool:
    """Whether the tensor is of any sparse layout."""
    return isinstance(tensor._array, SparseArray)


def gathered(source: Tensor, pattern: SparseArray) -> Tensor:
    """The elements of ``source``, dense or sparse (0 where it has none), at the places of ``pattern``: a dense tensor."""
    indices = pattern.coordinates()
    if not is_sparse(source):
        if not len(indices):
            return expand(unsqueeze(source, 0), (pattern.nnz, *source._array.shape))
        return read_at(source, tuple([make_tensor(row) for row in indices]), tuple(range(len(indices))))
    if _same_places(source._array, pattern):
        return values_of(source)
    merged = coalesce(convert(source, COO))
    places, there = find(merged._array.indices, indices, pattern.shape[: len(indices)])
    values = values_of(merged)
    if not there.all():
        if not merged._array.nnz:
            return make_tensor(np.zeros((len(there), *values._array.shape[1:]), values._array.dtype))
        from .masking import masked_fill  # masking is built on much else

        missing = make_tensor(~there)
        missing = reshape(missing, (len(there), *(1,) * (values._array.ndim - 1)))
        return masked_fill(read_at(values, (make_tensor(places),), (0,)), missing, 0)
    return read_at(values, (make_tensor(places),), (0,))


def _same_places(a: Any, b: Any) -> bool:
    if type(a) is not type(b) or a.layout != b.layout:
        return False
    if isinstance(a, CompressedArray):
        return a.starts is b.starts and a.others is b.others
    return bool(a.indices is b.indices and a.coalesced)


def _rebuild_vjp(g: Tensor, node: Node) -> Tensor:
    return gathered(g, node.attrs["pattern"])


REBUILD = Primitive(
    "sparse_rebuild",
    lambda values, pattern: pattern.with_values(values),
    _rebuild_vjp,
    grad_name="SparseCooTensorWithDimsAndTensorsBackward0",
)


def rebuilt(values: Tensor, pattern: SparseArray) -> Tensor:
    """A sparse tensor with the places of ``pattern`` and these values, one for each."""
    return attach(REBUILD, (values,), {"pattern": pattern}, pattern.with_values(values._array))  # type: ignore[no-any-return]


REBUILD_COMPRESSED = Primitive(
    "sparse_rebuild_compressed", REBUILD.impl, _rebuild_vjp, grad_name="SparseCompressedTensorBackward0"
)


def rebuilt_compressed(values: Tensor, pattern: SparseArray) -> Tensor:
    """``rebuilt``, under the name that PyTorch's graphs show for CSR and CSC tensors."""
    result = pattern.with_values(values._array)
    return attach(REBUILD_COMPRESSED, (values,), {"pattern": pattern}, result)  # type: ignore[no-any-return]


VALUES = Primitive(
    "sparse_values",
    lambda x, pattern: x.values,
    lambda g, node: rebuilt(g, node.attrs["pattern"]),
    grad_name="ValuesBackward0",
)


def values_of(tensor: Tensor) -> Tensor:
    """The values of a sparse tensor, with history. Each place must be listed once (``coalesce``) where that matters."""
    array = tensor._array
    return attach(VALUES, (tensor,), {"pattern": array}, array.values)  # type: ignore[no-any-return]


def _to_dense_vjp(g: Tensor, node: Node) -> Tensor:
    if is_sparse(g):
        return g
    pattern = node.attrs["pattern"]
    if isinstance(pattern, CooArray):
        pattern = coalesced(pattern)
    return rebuilt(gathered(g, pattern), pattern)


TO_DENSE = Primitive(
    "sparse_to_dense", lambda x, pattern: dense_of(x), _to_dense_vjp, grad_name="ToDenseBackward0"
)


def to_dense(tensor: Tensor) -> Tensor:
    """The tensor with all its elements in memory; a dense one is given back as it is."""
    array = tensor._array
    if not is_sparse(tensor):
        return tensor
    return attach(TO_DENSE, (tensor,), {"pattern": array}, dense_of(array))  # type: ignore[no-any-return]


TO_SPARSE = Primitive("to_sparse", sparse_of, lambda g, node: to_dense(g), grad_name="ToSparseBackward0")


def to_coo(tensor: Tensor, sparse_dim: int) -> Tensor:
    """The elements of a dense tensor that are not zero."""
    attrs = {"sparse_dim": sparse_dim}
    return attach(TO_SPARSE, (tensor,), attrs, sparse_of(tensor._array, sparse_dim))  # type: ignore[no-any-return]


COALESCE = Primitive("coalesce", coalesced, lambda g, node: g)


def coalesce(tensor: Tensor) -> Tensor:
    """A COO tensor with its elements sorted, and those of one place added up; itself if it is so already."""
    array = tensor._array
    if array.coalesced:
        return tensor
    return attach(COALESCE, (tensor,), {}, coalesced(array))  # type: ignore[no-any-return]


def _convert_vjp(g: Tensor, node: Node) -> Tensor:
    return convert(g, node.attrs["source"]) if is_sparse(g) else g


CONVERT = Primitive(
    "sparse_convert",
    lambda x, source, layout: in_layout(x, layout),
    _convert_vjp,
    grad_name="ToSparseBackward1",
)


def convert(tensor: Tensor, layout: str) -> Tensor:
    """A sparse tensor in another sparse layout; itself if it is of that one."""
    array = tensor._array
    if array.layout == layout:
        return tensor
    attrs = {"source": array.layout, "layout": layout}
    return attach(CONVERT, (tensor,), attrs, in_layout(array, layout))  # type: ignore[no-any-return]


def _sparse_embedding_vjp(g: Tensor, node: Node) -> Any:
    weight = node.edges[0]
    assert weight is not None
    (indices,) = node.unpack()
    if node.attrs["scale_grad_by_freq"]:
        raise RuntimeError("embedding_backward: scale_grad_by_freq not supported with sparse gradients")
    rows = indices._array.reshape(-1).astype(np.int64, copy=False)
    values = reshape(g, (len(rows), weight.shape[1]))
    if node.attrs["padding_idx"] >= 0:
        kept = np.flatnonzero(rows != node.attrs["padding_idx"])
        if len(kept) < len(rows):
            rows, values = rows[kept], read_at(values, (make_tensor(kept),), (0,))
    return rebuilt(values, CooArray(rows[None], values._array, weight.shape, False)), None


SPARSE_EMBEDDING = Primitive(
    "sparse_embedding",
    lambda weight, indices, padding_idx=-1, scale_grad_by_freq=False: weight.take(indices, 0),
    _sparse_embedding_vjp,
    saves=((1, (0,)),),
    grad_name="EmbeddingBackward0",
)


def with_sparse_gradient(
    rows: Tensor, weight: Tensor, indices: Tensor, padding_idx: int, scale_grad_by_freq: bool
) -> Tensor:
    """``rows``, which are those of ``weight`` at ``indices``, with a history that gives ``weight`` a sparse gradient."""
    from . import sparse_rules  # which tells dispatch of the sparse arrays

    assert sparse_rules.RULES
    attrs = {"padding_idx": padding_idx, "scale_grad_by_freq": scale_grad_by_freq}
    return attach(SPARSE_EMBEDDING, (weight, indices), attrs, rows._array)  # type: ignore[no-any-return]


def _sparse_gather_vjp(g: Tensor, node: Node) -> Any:
    edge = node.edges[0]
    assert edge is not None
    (index,) = node.unpack()
    places, dim = index._array, node.attrs["axis"]
    coordinates = np.indices(places.shape or (1,)).reshape(len(edge.shape), -1)
    coordinates[dim] = places.reshape(-1)
    values = reshape(g, (places.size,))
    return rebuilt(values, CooArray(coordinates, values._array, edge.shape, False)), None


SPARSE_GATHER = Primitive(
    "sparse_gather",
    np.take_along_axis,
    _sparse_gather_vjp,
    saves=((1, (0,)),),
    grad_name="GatherBackward0",
)


def gathered_with_sparse_gradient(result: Tensor, input: Tensor, index: Tensor, dim: int) -> Tensor:
    """``result``, which are the elements of ``input`` at ``index``, with a history that gives ``input`` a sparse gradient."""
    from . import sparse_rules  # which tells dispatch of the sparse arrays

    assert sparse_rules.RULES
    return attach(SPARSE_GATHER, (input, index), {"axis": dim}, result._array)  # type: ignore[no-any-return]


def sorted_once(tensor: Tensor) -> Tensor:
    """The tensor with each element listed once: itself, or a COO tensor coalesced."""
    return coalesce(tensor) if isinstance(tensor._array, CooArray) else tensor
