"""Tensor's sparse methods. What they do is imported when a program first calls one of them."""

from __future__ import annotations

from typing import Any

from ..core.dtypes import OF_NUMPY, get_default_dtype
from ..core.printing import format_sparse
from ..core.sparse_arrays import COO, CSR, CompressedArray
from ..core.tensor import Tensor


def _late(name: str, doc: str, place: str = "sparse_functions") -> Any:
    function: list[Any] = []

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not function:
            from importlib import import_module

            function.append(getattr(import_module("." + place, __package__), name))
        return function[0](self, *args, **kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = doc
    return method


def formatted(self: Tensor) -> str:
    """A sparse tensor as text."""
    array = self._array
    if isinstance(array, CompressedArray):
        rows = array.layout == CSR
        names = ("crow_indices", "col_indices") if rows else ("ccol_indices", "row_indices")
        parts = [(names[0], array.starts), (names[1], array.others)]
    else:
        parts = [("indices", array.indices)]
    dtype = OF_NUMPY[array.dtype].name
    default = get_default_dtype().name
    suffixes = [f"size={tuple(array.shape)}", f"nnz={array.nnz}"]
    if dtype not in (default, "int64", "bool", "complex128" if default == "float64" else "complex64"):
        suffixes.append(f"dtype=torch.{dtype}")
    suffixes.append(f"layout=torch.{array.layout}")
    node = self.grad_fn
    if node is not None:
        suffixes.append(f"grad_fn=<{node.name().rpartition(':')[2]}>")
    elif self._node is not None:
        suffixes.append("requires_grad=True")
    is_parameter = getattr(type(self), "_is_param", False)
    own_line = array.layout == COO
    return format_sparse(
        [*parts, ("values", array.values)], suffixes, on_own_line=own_line, is_parameter=is_parameter
    )


METHODS: dict[str, Any] = {
    "to_sparse": _late("to_sparse", "The elements that are not zero, in a sparse layout (COO unless given)."),
    "to_sparse_coo": _late("to_sparse", "The elements that are not zero, in COO layout."),
    "to_sparse_csr": _late("to_sparse_csr", "A matrix in CSR layout."),
    "to_sparse_csc": _late("to_sparse_csc", "A matrix in CSC layout."),
    "to_sparse_bsr": _late(
        "no_blocks", "Raises ``NotImplementedError``: there are no sparse tensors of blocks."
    ),
    "to_sparse_bsc": _late(
        "no_blocks", "Raises ``NotImplementedError``: there are no sparse tensors of blocks."
    ),
    "to_dense": _late("to_dense", "A sparse tensor with all its elements in memory; a dense one itself."),
    "sparse_mask": _late("sparse_mask", "The elements at the places that a sparse tensor has."),
    "sparse_resize_": _late("sparse_resize_", "Another size of a COO tensor, in place."),
    "sparse_resize_and_clear_": _late(
        "sparse_resize_and_clear_", "Another size of a COO tensor, in place, without elements."
    ),
    "coalesce": _late("coalesced", "A COO tensor with each element listed once, in order."),
    "is_coalesced": _late(
        "is_coalesced", "Whether a COO tensor is known to list each element once, in order."
    ),
    "_coalesced_": _late("mark_coalesced", "Say, unchecked, whether a COO tensor is coalesced."),
    "indices": _late("indices", "The coordinates of a coalesced COO tensor's elements."),
    "_indices": _late("raw_indices", "The coordinates of a COO tensor's elements."),
    "values": _late("values", "The values of a sparse tensor's elements, with history."),
    "_values": _late("raw_values", "The values of a sparse tensor's elements, without history."),
    "_nnz": _late("nnz", "How many elements a sparse tensor lists."),
    "sparse_dim": _late("sparse_dim", "How many dimensions are sparse."),
    "_dimI": _late("sparse_dim", "How many dimensions are sparse."),
    "dense_dim": _late("dense_dim", "How many dimensions are dense."),
    "_dimV": _late("dense_dim", "How many dimensions are dense."),
    "crow_indices": _late("crow_indices", "Where each row of a CSR tensor starts."),
    "col_indices": _late("col_indices", "The column of each element of a CSR tensor."),
    "ccol_indices": _late("ccol_indices", "Where each column of a CSC tensor starts."),
    "row_indices": _late("row_indices", "The row of each element of a CSC tensor."),
    "smm": _late("smm", "``torch.smm``", "sparse_products"),
    "sspaddmm": _late("sspaddmm", "``torch.sspaddmm``", "sparse_products"),
    "hspmm": _late("hspmm", "``torch.hspmm``", "sparse_products"),
}
