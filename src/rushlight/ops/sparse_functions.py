"""What sparse tensors are asked and made into (``torch.sparse`` and Tensor's methods); products live in ``sparse_rules``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import INEXACT, dtype as Dtype
from ..core.grad_mode import GRAD_MODE
from ..core.shapes import as_shape, wrap_dims
from ..core.sparse_arrays import COO, CSC, CSR, SPOKEN, CompressedArray, CooArray, SparseArray
from ..core.storage import Storage
from ..core.tensor import Tensor, make_tensor
from .conversion import layout as Layout
from .movement import cast
from .pointwise import add
from .sparse_creation import layout_name
from .sparse_records import (
    coalesce,
    convert,
    is_sparse,
    to_coo,
    to_dense as dense_form,
    values_of,
)
from .sparse_rules import masked_by, summed


def _layout_of(tensor: Tensor) -> str:
    array = tensor._array
    return array.layout if isinstance(array, SparseArray) else "strided"


def _coo(tensor: Tensor, name: str) -> CooArray:
    array = tensor._array
    if not isinstance(array, CooArray):
        raise RuntimeError(
            f"{name} expected sparse coordinate tensor layout but got {SPOKEN[_layout_of(tensor)]}"
        )
    return array


def _sparse(tensor: Tensor, name: str) -> SparseArray:
    array = tensor._array
    if not isinstance(array, SparseArray):
        raise NotImplementedError(
            f"{name}: expected a sparse tensor, got one of layout torch.strided; call to_sparse() first"
        )
    return array


# --- questions --------------------------------------------------------------------------------------------------------


def indices(self: Tensor) -> Tensor:
    """The coordinates (sparse dimensions, elements) of a coalesced COO tensor."""
    array = _coo(self, "indices")
    if not array.coalesced:
        raise RuntimeError("Cannot get indices on an uncoalesced tensor, please call .coalesce() first")
    return make_tensor(array.indices)


def raw_indices(self: Tensor) -> Tensor:
    """The coordinates of a COO tensor, coalesced or not."""
    if not is_sparse(self):
        _sparse(self, "_indices")
    return make_tensor(_coo(self, "_indices").indices)


def values(self: Tensor) -> Tensor:
    """The values (elements, *dense dimensions) of a coalesced COO tensor or of a compressed one, with history."""
    array = self._array
    if not isinstance(array, SparseArray):
        raise RuntimeError("values expected sparse tensor layout but got Strided")
    if isinstance(array, CooArray) and not array.coalesced:
        raise RuntimeError("Cannot get values on an uncoalesced tensor, please call .coalesce() first")
    return values_of(self)


def raw_values(self: Tensor) -> Tensor:
    """The values of a sparse tensor, coalesced or not, without history."""
    return make_tensor(_sparse(self, "_values").values)


def is_coalesced(self: Tensor) -> bool:
    """Whether a COO tensor is known to list each element once, in order."""
    return _coo(self, "is_coalesced").coalesced


def mark_coalesced(self: Tensor, coalesced: bool) -> Tensor:
    """Say, unchecked, whether the tensor is coalesced."""
    _coo(self, "_coalesced_").coalesced = bool(coalesced)
    return self


def nnz(self: Tensor) -> int:
    """How many elements a sparse tensor lists."""
    return _sparse(self, "_nnz").nnz


def sparse_dim(self: Tensor) -> int:
    """How many dimensions are sparse."""
    array = self._array
    return array.sparse_dim if isinstance(array, SparseArray) else 0


def dense_dim(self: Tensor) -> int:
    """How many dimensions are dense."""
    array = self._array
    return array.dense_dim if isinstance(array, SparseArray) else array.ndim


def _compressed_part(self: Tensor, name: str, layout: str, starts: bool) -> Tensor:
    array = self._array
    if not isinstance(array, CompressedArray) or array.layout != layout:
        lines = "row" if layout == CSR else "column"
        raise RuntimeError(
            f"{name} expected sparse {lines} compressed tensor layout but got {SPOKEN[_layout_of(self)]}"
        )
    return make_tensor(array.starts if starts else array.others)


def crow_indices(self: Tensor) -> Tensor:
    """Where each row of a CSR tensor starts."""
    return _compressed_part(self, "crow_indices", CSR, True)


def col_indices(self: Tensor) -> Tensor:
    """The column of each element of a CSR tensor."""
    return _compressed_part(self, "col_indices", CSR, False)


def ccol_indices(self: Tensor) -> Tensor:
    """Where each column of a CSC tensor starts."""
    return _compressed_part(self, "ccol_indices", CSC, True)


def row_indices(self: Tensor) -> Tensor:
    """The row of each element of a CSC tensor."""
    return _compressed_part(self, "row_indices", CSC, False)


# --- from one layout to another ---------------------------------------------------------------------------------------


def to_dense(self: Tensor, dtype: Dtype | None = None, *, masked_grad: bool | None = None) -> Tensor:
    """All elements in memory. The gradient of a sparse tensor has its places, unless ``masked_grad`` is false."""
    if masked_grad is False and is_sparse(self) and self._node is not None and GRAD_MODE.get():
        from .creation import zeros

        result: Tensor = add(zeros(self._array.shape, dtype=self.dtype), self)
    else:
        result = dense_form(self)
    return result if dtype is None else cast(result, dtype.numpy)


def to_sparse(
    self: Tensor,
    sparse_dim: Any = None,
    *,
    layout: Any = None,
    blocksize: Any = None,
    dense_dim: int | None = None,
) -> Tensor:
    """The elements that are not zero: in COO layout, with the first ``sparse_dim`` dimensions sparse (all unless given),
    or in ``layout``."""
    if blocksize is not None:
        raise NotImplementedError("to_sparse: sparse tensors of blocks; leave blocksize out")
    if isinstance(sparse_dim, Layout):
        sparse_dim, layout = None, sparse_dim
    target = COO if layout is None else layout_name(layout, "to_sparse")
    array = self._array
    if isinstance(array, SparseArray):
        if sparse_dim is not None and sparse_dim != array.sparse_dim:
            raise RuntimeError(
                "to_sparse: conversion from Sparse to Sparse with sparse_dim argument !=self.sparse_dim() is not supported"
            )
        return dense_form(self) if target == "strided" else convert(self, target)
    if target == "strided":
        return self
    if target != COO:
        return _compressed(self, target, dense_dim)
    ndim = array.ndim
    if sparse_dim is None:
        sparse_dim = ndim if dense_dim is None else ndim - dense_dim
    if not 0 <= sparse_dim <= ndim:
        raise RuntimeError(
            f"dense_to_sparse: sparse_dim argument must be in [0,{ndim}] range, but {sparse_dim} is given"
        )
    if not sparse_dim and ndim:
        raise RuntimeError("dense_to_sparse: sparse_dim argument must be in >0 when self.dim()>0")
    return to_coo(self, sparse_dim)


def _compressed(self: Tensor, layout: str, dense_dim: int | None) -> Tensor:
    ndim = self._array.ndim - (dense_dim or 0)
    if ndim < 2:
        raise IndexError(f"to_{layout}: expected at least two sparse dimensions, got {ndim}")
    if ndim > 2:
        raise NotImplementedError(f"to_{layout}: batches of sparse matrices; convert one matrix at a time")
    return convert(to_coo(self, 2), layout)


def to_sparse_csr(self: Tensor, dense_dim: int | None = None) -> Tensor:
    """A matrix in CSR layout."""
    return convert(self, CSR) if is_sparse(self) else _compressed(self, CSR, dense_dim)


def to_sparse_csc(self: Tensor, dense_dim: int | None = None) -> Tensor:
    """A matrix in CSC layout."""
    return convert(self, CSC) if is_sparse(self) else _compressed(self, CSC, dense_dim)


def coalesced(self: Tensor) -> Tensor:
    """A COO tensor with its elements in order, those of one place added up."""
    _coo(self, "coalesce")
    return coalesce(self)


def sparse_mask(self: Tensor, mask: Tensor) -> Tensor:
    """The elements of this tensor at the places of the sparse tensor ``mask``, whose values do not matter."""
    _sparse(mask, "sparse_mask")
    return masked_by(self, mask)


def sparse_resize_(self: Tensor, size: Any, sparse_dim: int, dense_dim: int) -> Tensor:
    """Another size in place: elements are kept, so sparse extents may only grow while there are any."""
    array = _coo(self, "sparse_resize_")
    shape = tuple(as_shape((size,), "sparse_resize_"))
    if len(shape) != sparse_dim + dense_dim:
        raise RuntimeError(
            f"number of dimensions must be sparse_dim ({sparse_dim}) + dense_dim ({dense_dim}), but got {len(shape)}"
        )
    if array.nnz:
        if sparse_dim != array.sparse_dim or dense_dim != array.dense_dim:
            raise RuntimeError(
                "changing the number of sparse or dense dimensions on a non-empty sparse tensor is not supported."
            )
        if any(new < old for new, old in zip(shape, array.shape, strict=True)):
            raise RuntimeError(
                "shrinking the size of dimensions on a non-empty sparse tensor is not supported."
            )
        if shape[sparse_dim:] != array.shape[sparse_dim:]:
            grown = np.zeros((array.nnz, *shape[sparse_dim:]), array.dtype)
            grown[tuple([slice(extent) for extent in array.values.shape])] = array.values
            array.values = grown
        array.shape = shape
        return _changed(self, "sparse_resize_")
    return sparse_resize_and_clear_(self, size, sparse_dim, dense_dim)


def sparse_resize_and_clear_(self: Tensor, size: Any, sparse_dim: int, dense_dim: int) -> Tensor:
    """Another size in place, without elements."""
    array = _coo(self, "sparse_resize_and_clear_")
    shape = tuple(as_shape((size,), "sparse_resize_and_clear_"))
    if len(shape) != sparse_dim + dense_dim:
        raise RuntimeError(
            f"number of dimensions must be sparse_dim ({sparse_dim}) + dense_dim ({dense_dim}), but got {len(shape)}"
        )
    array.indices = np.zeros((sparse_dim, 0), np.int64)
    array.values = np.zeros((0, *shape[sparse_dim:]), array.dtype)
    array.shape = shape
    array.coalesced = True
    return _changed(self, "sparse_resize_and_clear_")


def _changed(self: Tensor, name: str) -> Tensor:
    storage = self._storage
    if storage is None:
        storage = self._storage = Storage()
    storage.mark_changed(name)
    return self


# --- torch.sparse -----------------------------------------------------------------------------------------------------


def sparse_sum(input: Tensor, dim: Any = None, dtype: Dtype | None = None) -> Tensor:
    """The sum over ``dim`` (all dimensions unless given): sparse where a sparse dimension is left. Gradients have the places
    of ``input``.

    Example:
        >>> import rushlight as torch
        >>> torch.sparse.sum(torch.eye(2).to_sparse(), 0).to_dense()
        tensor([1., 1.])
    """
    if not is_sparse(input):
        raise RuntimeError("coalesce expected sparse coordinate tensor layout but got Strided")
    if dtype is not None:
        input = cast(input, dtype.numpy)
    elif input._array.dtype not in INEXACT:
        input = cast(input, np.dtype(np.int64))
    axes = None if dim is None else wrap_dims(dim, input._array.ndim)
    return summed(input, axes, False)


def no_blocks(self: Tensor, *args: Any, **options: Any) -> Tensor:
    """Raises ``NotImplementedError``."""
    raise NotImplementedError("to_sparse_bsr, to_sparse_bsc: sparse tensors of blocks; use to_sparse_csr()")
