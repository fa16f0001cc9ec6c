"""Sparse arrays: what stands in a tensor where a dense one has its NumPy array.

A ``CooArray`` lists the coordinates of its elements, a ``CompressedArray`` (CSR, CSC) has them sorted by row or column with
the place where each row or column starts. Both have the attributes of an array that say what it is (``shape``, ``dtype``)
and none of those that compute: NumPy's functions and methods raise ``NotImplementedError`` here, so that an operation that
does not know sparse arrays can't compute something wrong. Their content is replaced (``array[...] = other``), never
written through, so what made a copy of the fields is not changed by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]

COO: Final = "sparse_coo"
CSR: Final = "sparse_csr"
CSC: Final = "sparse_csc"
# How PyTorch's messages call them.
SPOKEN: Final = {COO: "Sparse", CSR: "SparseCsr", CSC: "SparseCsc", "strided": "Strided"}


def unsupported(operation: str, layout: str) -> NotImplementedError:
    """The error of an operation that sparse tensors do not have."""
    return NotImplementedError(
        f"{operation}: not implemented for tensors of layout torch.{layout}; call to_dense() on the tensor first, or use an "
        "operation that sparse tensors have (see docs/how-to/sparse.md)"
    )


class SparseNotImplementedError(NotImplementedError, AttributeError):
    """What asking a sparse array for an attribute of dense ones raises: an error for programs, ``False`` for hasattr."""


class _Flags:
    """The flags of memory that has no order."""

    c_contiguous = f_contiguous = forc = fnc = False
    writeable = True


_FLAGS: Final = _Flags()


class SparseArray(NDArrayOperatorsMixin):
    """What both kinds share: a shape, a dtype, and the values of the elements that are listed."""

    __slots__ = ("__weakref__", "shape", "values")
    shape: Shape
    values: Array  # (number of listed elements, *extents of the dense dimensions)
    layout = ""

    @property
    def dtype(self) -> Any:
        return self.values.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        size = 1
        for extent in self.shape:
            size *= extent
        return size

    @property
    def itemsize(self) -> int:
        return self.values.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.values.itemsize

    @property
    def strides(self) -> Shape:
        """Zeros, as PyTorch says."""
        return (0,) * len(self.shape)

    @property
    def flags(self) -> Any:
        return _FLAGS

    @property
    def base(self) -> None:
        return None

    @property
    def nnz(self) -> int:
        """How many elements are listed."""
        return len(self.values)

    @property
    def sparse_dim(self) -> int:
        """How many dimensions are sparse: the first ones."""
        raise NotImplementedError

    @property
    def dense_dim(self) -> int:
        """How many dimensions the value of each listed element has."""
        return self.values.ndim - 1

    def transpose(self, order: Sequence[int]) -> Any:
        """The same elements with the dimensions in another order; ``ValueError`` if that is no order of them."""
        raise NotImplementedError

    def swapaxes(self, dim0: int, dim1: int) -> Any:
        """The same elements with two dimensions exchanged; ``ValueError`` if there are no such dimensions."""
        ndim = len(self.shape)
        if not (-ndim <= dim0 < ndim and -ndim <= dim1 < ndim):
            raise ValueError("no such dimension")
        order = list(range(ndim))
        order[dim0], order[dim1] = order[dim1], order[dim0]
        return self.transpose(order)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def with_values(self, values: Array) -> Any:
        """The same elements with other values (of the same number; the dense dimensions may be others)."""
        raise NotImplementedError

    def coordinates(self) -> Array:
        """(sparse dimensions, listed elements): where each one is, in the order of the values."""
        raise NotImplementedError

    def take_over(self, other: Any) -> None:
        """Have the content of ``other``, an array of the same kind and shape."""
        raise NotImplementedError

    def emptied(self) -> Any:
        """No elements in the same shape."""
        raise NotImplementedError

    def add_to(self, dense: Array) -> None:
        """Add the elements to a dense array of this shape, in place."""
        if self.sparse_dim:
            np.add.at(dense, tuple(self.coordinates()), self.values.astype(dense.dtype, copy=False))
        else:
            dense += self.values.sum(0, dtype=dense.dtype)

    def parts(self) -> tuple[str, tuple[Array, ...], Shape, bool]:
        """(layout, its arrays, shape, whether it is coalesced): what ``from_parts`` takes."""
        raise NotImplementedError

    # --- the little that arrays do ---------------------------------------------------------------------------------

    def alias(self) -> Any:
        """Another array with the same content."""
        return self.with_values(self.values)

    def copy(self, order: str = "K") -> Any:
        return self.with_values(self.values.copy())

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        if not copy and dtype == self.dtype:
            return self
        return self.with_values(self.values.astype(dtype))

    @property
    def real(self) -> Any:
        return self.with_values(self.values.real)

    @property
    def imag(self) -> Any:
        return self.with_values(self.values.imag)

    def item(self) -> Any:
        """The one element, listed or not, as a Python number."""
        return self.values.sum(dtype=self.values.dtype).item()

    def __bool__(self) -> bool:
        return bool(self.item())

    def __iter__(self) -> Any:
        raise unsupported("iteration", self.layout)

    __hash__ = object.__hash__

    def __setitem__(self, index: Any, value: Any) -> None:
        if index is not Ellipsis:
            raise unsupported("index_put_", self.layout)
        if isinstance(value, int | float) and value == 0:
            value = self.emptied()
        if type(value) is not type(self) or value.layout != self.layout:
            raise unsupported("copy_ of another layout or fill_", self.layout)
        if value.shape != self.shape:
            raise unsupported("copy_ with broadcasting", self.layout)
        self.take_over(value if value.dtype == self.dtype else value.astype(self.dtype))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise unsupported("this operation", self.layout)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        raise unsupported(ufunc.__name__, self.layout)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is np.zeros_like or function is np.empty_like:
            made = args[0].emptied()
            dtype = kwargs.get("dtype")
            return made if dtype is None else made.astype(dtype)
        if function is np.concatenate:
            return concatenated(*args, **kwargs)
        if function is np.expand_dims:
            array, at = args
            return array.reshape((*array.shape[:at], 1, *array.shape[at:]))
        raise unsupported(function.__name__, self.layout)

    def __dlpack__(self, **options: Any) -> Any:
        raise BufferError("Can't export tensors with layout other than torch.strided")

    def __dlpack_device__(self) -> Any:
        raise BufferError("Can't export tensors with layout other than torch.strided")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        raise SparseNotImplementedError(str(unsupported(name, self.layout)))


class CooArray(SparseArray):
    """Elements by coordinates. ``coalesced``: they are known to be sorted and each listed once."""

    __slots__ = ("coalesced", "indices")
    indices: Array  # (sparse dimensions, listed elements), int64
    layout = COO

    def __init__(self, indices: Array, values: Array, shape: Shape, coalesced: bool = False) -> None:
        self.indices = indices
        self.values = values
        self.shape = shape
        self.coalesced = coalesced

    @property
    def sparse_dim(self) -> int:
        return len(self.indices)

    def with_values(self, values: Array) -> CooArray:
        return CooArray(
            self.indices, values, (*self.shape[: len(self.indices)], *values.shape[1:]), self.coalesced
        )

    def coordinates(self) -> Array:
        return self.indices

    def take_over(self, other: CooArray) -> None:
        self.indices, self.values, self.coalesced = other.indices, other.values, other.coalesced

    def emptied(self) -> CooArray:
        values = np.zeros((0, *self.values.shape[1:]), self.values.dtype)
        return CooArray(np.zeros((len(self.indices), 0), np.int64), values, self.shape, True)

    def parts(self) -> tuple[str, tuple[Array, ...], Shape, bool]:
        return COO, (self.indices, self.values), self.shape, self.coalesced

    # --- views, all of them arrays of their own ---------------------------------------------------------------------

    def transpose(self, order: Sequence[int]) -> CooArray:
        ndim, sparse = len(self.shape), len(self.indices)
        wrapped = [dim + ndim if dim < 0 else dim for dim in order]
        if sorted(wrapped) != list(range(ndim)):
            raise ValueError("the order is no permutation")
        if any(dim >= sparse for dim in wrapped[:sparse]):
            raise RuntimeError("transpose: a sparse dimension can't change places with a dense one")
        if wrapped == list(range(ndim)):
            return self.alias()  # type: ignore[no-any-return]
        values = self.values.transpose((0, *[dim - sparse + 1 for dim in wrapped[sparse:]]))
        return CooArray(
            self.indices[wrapped[:sparse]],
            values,
            tuple([self.shape[dim] for dim in wrapped]),
            self.coalesced and wrapped[:sparse] == list(range(sparse)),
        )

    @property
    def T(self) -> CooArray:
        return self.transpose(range(len(self.shape))[::-1])

    def take(self, numbers: Array, axis: int) -> CooArray:
        """The slices along a dimension whose numbers are given, as often as they are."""
        sparse = len(self.indices)
        shape = (*self.shape[:axis], len(numbers), *self.shape[axis + 1 :])
        if numbers.ndim != 1:
            raise unsupported("indexing by tensors", COO)
        if axis >= sparse:
            return CooArray(self.indices, self.values.take(numbers, axis - sparse + 1), shape, self.coalesced)
        # Which elements each number takes: those of its slice, found among the elements sorted by slice.
        row = self.indices[axis]
        order = np.argsort(row, kind="stable")
        ends = np.searchsorted(row[order], numbers, side="right")
        counts = ends - np.searchsorted(row[order], numbers)
        total = np.cumsum(counts)
        within = np.arange(int(total[-1]) if len(total) else 0) - np.repeat(total - counts, counts)
        taken = order[np.repeat(ends - counts, counts) + within]
        indices = self.indices[:, taken]
        indices[axis] = np.repeat(np.arange(len(numbers)), counts)
        return CooArray(indices, self.values[taken], shape, False)

    def reshape(self, *shape: Any, copy: Any = None) -> CooArray:
        """With dimensions of extent 1 added or taken away among the sparse ones."""
        given = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        target = tuple([int(extent) for extent in given])
        sparse, dense = len(self.indices), self.shape[len(self.indices) :]
        if target == self.shape:
            return self.alias()  # type: ignore[no-any-return]
        head = target[: len(target) - len(dense)]
        own = self.shape[:sparse]
        if target[len(head) :] != dense or [n for n in head if n != 1] != [n for n in own if n != 1]:
            raise RuntimeError(
                "reshape is not implemented for sparse tensors (but for dimensions of extent 1); call to_dense() first"
            )
        rows = iter([row for row, extent in zip(self.indices, own, strict=True) if extent != 1])
        indices = np.zeros((len(head), self.nnz), np.int64)
        for place, extent in enumerate(head):
            if extent != 1:
                indices[place] = next(rows)
        return CooArray(indices, self.values, target, self.coalesced)

    def __getitem__(self, index: Any) -> Any:
        """For ints, full slices, None and Ellipsis; where no sparse dimension is left, a dense array."""
        parts = list(index) if isinstance(index, tuple) else [index]
        if all(part is Ellipsis for part in parts):
            return self.alias()
        taken = sum(1 for part in parts if part is not None and part is not Ellipsis)
        if taken > len(self.shape):
            raise IndexError("too many indices for array")
        if Ellipsis in parts:
            at = parts.index(Ellipsis)
            parts[at : at + 1] = [slice(None)] * (len(self.shape) - taken)
        else:
            parts += [slice(None)] * (len(self.shape) - taken)
        kept = np.ones(self.nnz, bool)
        rows: list[Any] = []
        extents: list[int] = []
        inner: list[Any] = [slice(None)]
        dim = 0
        for part in parts:
            sparse = dim < len(self.indices)
            if part is None:
                if dim > len(self.indices):
                    raise unsupported("indexing with None among dense dimensions", COO)
                rows.append(np.zeros(self.nnz, np.int64))
                extents.append(1)
                continue
            extent = self.shape[dim]
            if isinstance(part, int | np.integer):
                if not -extent <= part < extent:
                    raise IndexError(f"index {part} is out of bounds for axis {dim} with size {extent}")
                if sparse:
                    kept &= self.indices[dim] == part % extent
                else:
                    inner.append(int(part))
            elif isinstance(part, slice) and (sparse and part.indices(extent) != (0, extent, 1)):
                start, stop, step = part.indices(extent)
                place = self.indices[dim]
                kept &= (place >= start) & (place < stop) & ((place - start) % step == 0)
                rows.append((place - start) // step)
                extents.append(len(range(start, stop, step)))
            elif isinstance(part, slice):
                if sparse:
                    rows.append(self.indices[dim])
                    extents.append(extent)
                else:
                    inner.append(part)
            else:
                raise unsupported("indexing by tensors", COO)
            dim += 1
        values = self.values[kept][tuple(inner)]
        if not rows:
            return values.sum(0, dtype=values.dtype)
        indices = np.stack([row[kept] for row in rows]) if rows else np.zeros((0, len(values)), np.int64)
        return CooArray(indices, values, (*extents, *values.shape[1:]), self.coalesced)


class CompressedArray(SparseArray):
    """A matrix sorted by rows (CSR) or columns (CSC): ``starts[i]`` is the place of row i's first element."""

    __slots__ = ("layout", "others", "starts")
    starts: Array  # one more than there are rows (columns of a CSC matrix)
    others: Array  # the column (the row of a CSC matrix) of each element
    layout: str

    def __init__(self, layout: str, starts: Array, others: Array, values: Array, shape: Shape) -> None:
        self.layout = layout
        self.starts = starts
        self.others = others
        self.values = values
        self.shape = shape

    @property
    def sparse_dim(self) -> int:
        return 2

    def with_values(self, values: Array) -> CompressedArray:
        return CompressedArray(
            self.layout, self.starts, self.others, values, (*self.shape[:2], *values.shape[1:])
        )

    def coordinates(self) -> Array:
        lines = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        others = self.others.astype(np.int64, copy=False)
        return np.stack([lines, others] if self.layout == CSR else [others, lines])

    def take_over(self, other: CompressedArray) -> None:
        self.starts, self.others, self.values = other.starts, other.others, other.values

    def emptied(self) -> CompressedArray:
        values = np.zeros((0, *self.values.shape[1:]), self.values.dtype)
        return CompressedArray(
            self.layout, np.zeros_like(self.starts), self.others[:0].copy(), values, self.shape
        )

    def parts(self) -> tuple[str, tuple[Array, ...], Shape, bool]:
        return self.layout, (self.starts, self.others, self.values), self.shape, True

    @property
    def T(self) -> CompressedArray:
        if self.dense_dim:
            raise unsupported("transpose with dense dimensions", self.layout)
        layout = CSC if self.layout == CSR else CSR
        return CompressedArray(layout, self.starts, self.others, self.values, self.shape[::-1])

    def transpose(self, order: Sequence[int]) -> CompressedArray:
        wrapped = [dim % len(self.shape) for dim in order]
        if sorted(wrapped) != list(range(len(self.shape))):
            raise ValueError("the order is no permutation")
        if wrapped == list(range(len(self.shape))):
            return self.alias()  # type: ignore[no-any-return]
        return self.T

    def __getitem__(self, index: Any) -> Any:
        if index is Ellipsis or index == (Ellipsis,):
            return self.alias()
        return CooArray(self.coordinates(), self.values, self.shape, False)[index]


def from_parts(layout: str, parts: tuple[Array, ...], shape: Shape, coalesced: bool) -> Any:
    """The array that ``SparseArray.parts`` took apart."""
    if layout == COO:
        return CooArray(parts[0], parts[1], tuple(shape), coalesced)
    return CompressedArray(layout, parts[0], parts[1], parts[2], tuple(shape))


def concatenated(arrays: Sequence[Any], axis: int = 0) -> CooArray:
    """COO arrays joined along a sparse or a dense dimension."""
    for position, array in enumerate(arrays):
        if type(array) is CompressedArray:
            raise unsupported("cat", array.layout)
        if type(array) is not CooArray:
            raise RuntimeError(
                f"Concatenating sparse tensors, but a dense tensor was found at position {position}."
            )
    first: CooArray = arrays[0]
    sparse = first.sparse_dim
    if any(array.sparse_dim != sparse for array in arrays):
        raise RuntimeError("All tensors must have the same sparse_dim and dense_dim to be concatenated")
    for array in arrays:
        if any(a != b for i, (a, b) in enumerate(zip(array.shape, first.shape, strict=True)) if i != axis):
            raise ValueError("sizes must match but in the dimension of concatenation")
    extents = [array.shape[axis] for array in arrays]
    shape = (*first.shape[:axis], sum(extents), *first.shape[axis + 1 :])
    indices = np.concatenate([array.indices for array in arrays], 1)
    if axis < sparse:
        offset = 0
        at = 0
        for array, extent in zip(arrays, extents, strict=True):
            indices[axis, at : at + array.nnz] += offset
            at += array.nnz
            offset += extent
        return CooArray(indices, np.concatenate([array.values for array in arrays]), shape, False)
    values = np.zeros((indices.shape[1], *shape[sparse:]), first.dtype)
    at = offset = 0
    for array, extent in zip(arrays, extents, strict=True):
        where: list[Any] = [slice(None)] * values.ndim
        where[0] = slice(at, at + array.nnz)
        where[axis - sparse + 1] = slice(offset, offset + extent)
        values[tuple(where)] = array.values
        at += array.nnz
        offset += extent
    return CooArray(indices, values, shape, False)
