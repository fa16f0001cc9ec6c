"""Making sparse tensors: from coordinates and values, from compressed rows or columns, from diagonals; and their checks."""

from __future__ import annotations

from functools import wraps
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..core.device import require_available
from ..core.dtypes import I64, INEXACT, dtype as Dtype
from ..core.shapes import as_shape
from ..core.sparse_arrays import COO, CSC, CSR, CompressedArray, CooArray, from_parts
from ..core.tensor import Tensor, make_tensor
from . import creation, sparse_rules
from .conversion import LAYOUTS, layout as Layout
from .movement import cast
from .sparse_patterns import flat_places
from .sparse_records import convert, rebuilt, rebuilt_compressed

Array = NDArray[Any]
assert sparse_rules.RULES  # imported for what it tells dispatch

# Whether the costly checks are made too; see ``check_sparse_tensor_invariants``.
INVARIANTS: Final[dict[str, bool]] = {"checked": False}


def _values(values: Any, dtype: Dtype | None) -> Tensor:
    made = values if isinstance(values, Tensor) else creation.tensor(values)
    return made if dtype is None else cast(made, creation.numpy_dtype(dtype))


def _index_array(indices: Any, name: str) -> Array:
    array = indices._array if isinstance(indices, Tensor) else creation.tensor(indices)._array
    if array.dtype.kind not in "iuf" and array.size:
        raise RuntimeError(f"{name}: indices must be integers, got {array.dtype}")
    return np.asarray(array)


def _finished(made: Tensor, requires_grad: bool) -> Tensor:
    if not requires_grad:
        return made
    if made._array.dtype not in INEXACT:
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
    leaf = make_tensor(made._array)
    return leaf.requires_grad_(True)


def sparse_coo_tensor(
    indices: Any = None,
    values: Any = None,
    size: Any = None,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> Tensor:
    """A sparse tensor with ``values`` at coordinates ``indices``; what is listed twice is added up.

    ``indices``: (sparse dimensions, elements). ``values``: (elements, *extents of the dense dimensions). ``size`` is the
    smallest that holds all of them unless given; ``sparse_coo_tensor(size)`` has no elements. Raises ``RuntimeError`` where
    numbers of elements or dimensions differ, and for an index out of range (which PyTorch checks only with
    ``check_invariants``).

    Example:
        >>> import rushlight as torch
        >>> s = torch.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3))
        >>> s.to_dense()
        tensor([[0., 0., 3.],
                [4., 0., 5.]])
    """
    require_available(device)
    if values is None:
        extents = as_shape((size if indices is None else indices,), "sparse_coo_tensor")
        return _finished(make_tensor(empty_coo(extents, creation.numpy_dtype(dtype))), requires_grad)
    given = _index_array(indices, "sparse_coo_tensor")
    content = _values(values, dtype)
    places = given.astype(I64) if given.dtype != I64 else given
    if places.ndim == 1 and isinstance(indices, list | tuple):
        places = places.reshape(-1, 1)  # as PyTorch's Python constructor reads a flat list
    if places.ndim != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {list(places.shape)}")
    if not content._array.ndim:
        content = content.reshape(1)
    shape = _checked_places(places, content._array, size)
    if is_coalesced and (check_invariants or INVARIANTS["checked"]):
        flat = flat_places(places, shape[: len(places)])
        if (flat[1:] <= flat[:-1]).any():
            raise RuntimeError(
                "cannot set is_coalesced to true if indices correspond to uncoalesced COO tensor"
            )
    pattern = CooArray(places, content._array, shape, bool(is_coalesced))
    return _finished(rebuilt(content, pattern), requires_grad)


def _checked_places(places: Array, values: Array, size: Any) -> tuple[int, ...]:
    """The shape, once indices and values are known to go together and to lie inside."""
    sparse, nnz = places.shape
    if nnz != len(values):
        raise RuntimeError(
            f"indices and values must have same nnz, but got nnz from indices: {nnz}, nnz from values: {len(values)}"
        )
    dense = values.shape[1:]
    if size is None:
        if nnz and sparse and places.min() < 0:
            dim = int(np.argmax(places.min(1) < 0))
            raise RuntimeError(f"found negative index {places[dim].min()} for dim {dim}")
        largest = places.max(1) + 1 if nnz else np.zeros(sparse, I64)
        return (*[int(extent) for extent in largest], *dense)
    shape = tuple(as_shape((size,), "sparse_coo_tensor"))
    if any(extent < 0 for extent in shape):
        raise RuntimeError(f"sparse_coo_tensor: size {list(shape)} has a negative extent")
    if len(shape) != sparse + len(dense):
        raise RuntimeError(
            f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(shape)}, sparse_dim = {sparse}, "
            f"dense_dim = {len(dense)}"
        )
    if shape[sparse:] != dense:
        raise RuntimeError(
            f"values has incorrect size, expected {[nnz, *shape[sparse:]]}, got {list(values.shape)}"
        )
    for dim in range(sparse if nnz else 0):
        low, high = int(places[dim].min()), int(places[dim].max())
        if low < 0:
            raise RuntimeError(f"found negative index {low} for dim {dim}")
        if high >= shape[dim]:
            raise RuntimeError(
                f"size is inconsistent with indices: for dim {dim}, size is {shape[dim]} but found index {high}"
            )
    return shape


def empty_coo(shape: Any, dtype: Any) -> Any:
    """An array without elements, all of whose dimensions are sparse."""
    if any(extent < 0 for extent in shape):
        raise RuntimeError(f"sparse_coo_tensor: size {list(shape)} has a negative extent")
    return CooArray(np.zeros((len(shape), 0), I64), np.zeros(0, dtype), tuple(shape), True)


# --- compressed rows and columns --------------------------------------------------------------------------------------


def _compressed(
    layout: str,
    starts: Any,
    others: Any,
    values: Any,
    size: Any,
    dtype: Dtype | None,
    device: Any,
    requires_grad: bool,
    check_invariants: bool | None,
) -> Tensor:
    require_available(device)
    name = f"{layout}_tensor"
    one, two = ("crow_indices", "col_indices") if layout == CSR else ("ccol_indices", "row_indices")
    first, second = _index_array(starts, name), _index_array(others, name)
    content = _values(values, dtype)
    array = content._array
    if first.ndim > 1 or second.ndim > 1:
        raise NotImplementedError(f"{name}: batches of sparse matrices; make one tensor for each matrix")
    if first.ndim != 1 or second.ndim != 1 or not array.ndim or not len(first):
        raise RuntimeError(
            f"{name}: expected vectors as {one} (one more than there are lines) and {two}, and values of at least one "
            f"dimension, got {first.ndim}, {second.ndim} and {array.ndim} dimensions"
        )
    first, second = (part if part.dtype.kind in "iu" else part.astype(I64) for part in (first, second))
    lines, dense = len(first) - 1, array.shape[1:]
    across = 0 if layout == CSR else 1
    if size is None:
        extent = int(second.max()) + 1 if second.size else 0
        shape = ((lines, extent) if layout == CSR else (extent, lines)) + dense
    else:
        shape = tuple(as_shape((size,), name))
    if len(shape) != 2 + len(dense) or shape[2:] != dense:
        raise RuntimeError(
            f"{name}: size {list(shape)} must have two sparse dimensions and then those of each value, {list(dense)}"
        )
    if len(second) != len(array):
        raise RuntimeError(
            f"{name}: {two} and values must have the same number of elements, got {len(second)} and {len(array)}"
        )
    if lines != shape[across]:
        raise RuntimeError(
            f"{name}: `{one}.shape[-1] == {shape[across]} + 1` is not satisfied: its length is {len(first)}"
        )
    if first[0] != 0:
        raise RuntimeError(f"`{one}[..., 0] == 0` is not satisfied.")
    if first[-1] != len(second):
        raise RuntimeError(f"`{one}[..., -1] == nnz` is not satisfied.")
    if (first[1:] < first[:-1]).any():
        raise RuntimeError(f"`0 <= {one}[..., 1:] - {one}[..., :-1]` is not satisfied.")
    if second.size and (second.min() < 0 or second.max() >= shape[1 - across]):
        raise RuntimeError(f"`0 <= {two} < {'ncols' if layout == CSR else 'nrows'}` is not satisfied.")
    made = CompressedArray(layout, first, second, array, shape)
    if check_invariants or INVARIANTS["checked"]:
        places = np.repeat(np.arange(lines), np.diff(first)) * max(shape[1 - across], 1) + second
        if (places[1:] <= places[:-1]).any():
            raise RuntimeError(
                f"`{two}[..., {one}[..., i - 1]:{one}[..., i]] for all i = 1, ..., {'nrows' if layout == CSR else 'ncols'} are "
                "sorted and distinct along the last dimension values` is not satisfied."
            )
    return _finished(rebuilt_compressed(content, made), requires_grad)


def sparse_csr_tensor(
    crow_indices: Any,
    col_indices: Any,
    values: Any,
    size: Any = None,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Tensor:
    """A sparse matrix by rows: row ``i`` has ``values[crow_indices[i]:crow_indices[i + 1]]`` in the columns of the same part
    of ``col_indices``.

    Raises ``RuntimeError`` where the three do not go together (PyTorch looks only with ``check_invariants``, which here
    also asks for sorted columns).

    Example:
        >>> import rushlight as torch
        >>> torch.sparse_csr_tensor([0, 1, 3], [2, 0, 2], [3.0, 4.0, 5.0], (2, 3)).to_dense()
        tensor([[0., 0., 3.],
                [4., 0., 5.]])
    """
    return _compressed(
        CSR, crow_indices, col_indices, values, size, dtype, device, requires_grad, check_invariants
    )


def sparse_csc_tensor(
    ccol_indices: Any,
    row_indices: Any,
    values: Any,
    size: Any = None,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Tensor:
    """A sparse matrix by columns; see ``sparse_csr_tensor``.

    Example:
        >>> import rushlight as torch
        >>> torch.sparse_csc_tensor([0, 1, 2], [1, 0], [3.0, 4.0]).to_dense()
        tensor([[0., 4.],
                [3., 0.]])
    """
    return _compressed(
        CSC, ccol_indices, row_indices, values, size, dtype, device, requires_grad, check_invariants
    )


def sparse_compressed_tensor(
    compressed_indices: Any,
    plain_indices: Any,
    values: Any,
    size: Any = None,
    *,
    layout: Any,
    dtype: Dtype | None = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Tensor:
    """``sparse_csr_tensor`` or ``sparse_csc_tensor``, as ``layout`` says; ``RuntimeError`` for any other.

    Example:
        >>> import rushlight as torch
        >>> torch.sparse_compressed_tensor([0, 1], [0], [2.0], layout=torch.sparse_csr).layout
        torch.sparse_csr
    """
    name = layout_name(layout, "sparse_compressed_tensor")
    if name not in (CSR, CSC):
        raise RuntimeError(
            f"sparse_compressed_tensor: expected layout torch.sparse_csr or torch.sparse_csc, got {layout}"
        )
    parts = compressed_indices, plain_indices, values, size, dtype, device, requires_grad, check_invariants
    return _compressed(name, *parts)


def sparse_bsr_tensor(*args: Any, **options: Any) -> Tensor:
    """Raises ``NotImplementedError``: there are no sparse tensors of blocks; use ``sparse_csr_tensor``."""
    raise NotImplementedError("sparse_bsr_tensor: sparse tensors of blocks; use torch.sparse_csr_tensor")


def sparse_bsc_tensor(*args: Any, **options: Any) -> Tensor:
    """Raises ``NotImplementedError``: there are no sparse tensors of blocks; use ``sparse_csc_tensor``."""
    raise NotImplementedError("sparse_bsc_tensor: sparse tensors of blocks; use torch.sparse_csc_tensor")


def layout_name(layout: Any, function: str) -> str:
    """The name of a layout object; ``NotImplementedError`` for layouts of blocks, ``TypeError`` for other things."""
    if not isinstance(layout, Layout):
        raise TypeError(f"{function}(): argument 'layout' must be torch.layout, not {type(layout).__name__}")
    if layout.name not in LAYOUTS:
        raise NotImplementedError(f"{function}: layout {layout}; use torch.sparse_csr")
    return layout.name


def empty_in_layout(shape: tuple[int, ...], dtype: Any, layout: str) -> Any:
    """An array of zeros, none of them listed."""
    if layout == COO:
        return empty_coo(shape, dtype)
    if len(shape) != 2:
        raise RuntimeError(f"torch.{layout}: expected a size of two dimensions, got {list(shape)}")
    lines = shape[0 if layout == CSR else 1]
    return CompressedArray(layout, np.zeros(lines + 1, I64), np.zeros(0, I64), np.zeros(0, dtype), shape)


def unchecked(layout: str, parts: tuple[Tensor, ...], shape: tuple[int, ...], is_coalesced: bool) -> Tensor:
    """A sparse tensor of the parts of a file; what they hold is looked at by ``check_content``."""
    arrays = tuple([part._array for part in parts])
    if any([type(array) is not np.ndarray or not array.ndim for array in arrays]):
        raise RuntimeError("load: malformed sparse tensor: its parts are no dense tensors with dimensions")
    return make_tensor(from_parts(layout, arrays, shape, is_coalesced))


def check_content(tensor: Tensor) -> None:
    """Raise ``RuntimeError`` where the parts of a tensor that ``unchecked`` made do not go together."""
    layout, parts, shape, is_coalesced = tensor._array.parts()
    for part in parts[:-1]:
        if part.dtype.kind not in "iu" or (layout == COO and part.dtype != I64):
            raise RuntimeError(f"load: malformed sparse tensor: its indices are of dtype {part.dtype}")
    tensors = [make_tensor(part) for part in parts]
    if layout == COO:
        sparse_coo_tensor(tensors[0], tensors[1], shape, is_coalesced=is_coalesced, check_invariants=True)
    else:
        _compressed(layout, tensors[0], tensors[1], tensors[2], shape, None, None, False, True)


# --- diagonals --------------------------------------------------------------------------------------------------------


def spdiags(diagonals: Tensor, offsets: Tensor, shape: Any, layout: Any = None) -> Tensor:
    """A sparse matrix with the rows of ``diagonals`` on its diagonals ``offsets`` (0 the main one, 1 the one above it).

    Element ``j`` of a row goes to column ``j``. Raises ``RuntimeError`` where the numbers of rows and offsets differ, and
    for an offset given twice.

    Example:
        >>> import rushlight as torch
        >>> torch.sparse.spdiags(torch.ones(1, 2), torch.tensor([1]), (2, 2)).to_dense()
        tensor([[0., 1.],
                [0., 0.]])
    """
    lines = diagonals._array if diagonals._array.ndim == 2 else diagonals._array[None]
    if diagonals._array.ndim > 2:
        raise RuntimeError("Diagonals must be vector or matrix")
    if offsets._array.dtype != I64:
        raise RuntimeError(f"Offset Tensor must have dtype Long but got {offsets.dtype}")
    places = offsets._array.reshape(-1)
    extents = tuple(as_shape((shape,), "spdiags"))
    if len(extents) != 2:
        raise RuntimeError("Output shape must be 2d")
    if len(places) != len(lines):
        raise RuntimeError(
            f"Number of diagonals ({len(lines)}) does not match the number of offsets ({len(places)})"
        )
    if len(np.unique(places)) != len(places):
        raise RuntimeError("Offset tensor contains duplicate values")
    target = COO if layout is None else layout_name(layout, "spdiags")
    rows, cols, taken = [], [], []
    for number, offset in enumerate(places.tolist()):
        start, stop = max(0, offset), min(lines.shape[1], extents[1], extents[0] + offset)
        columns = np.arange(start, max(start, stop))
        rows.append(columns - offset)
        cols.append(columns)
        taken.append(columns + number * lines.shape[1])
    picked = np.concatenate(taken) if taken else np.zeros(0, I64)
    values = diagonals.reshape(-1)[make_tensor(picked)]
    indices = np.stack([np.concatenate(rows), np.concatenate(cols)]) if rows else np.zeros((2, 0), I64)
    made = rebuilt(values, CooArray(indices, values._array, extents, False))
    return made if target == COO else convert(made, target)


class check_sparse_tensor_invariants:
    """Whether constructors make the costly checks (sorted, each element once): a context manager, decorator and switch.

    Example:
        >>> import rushlight as torch
        >>> with torch.sparse.check_sparse_tensor_invariants():
        ...     torch.sparse.check_sparse_tensor_invariants.is_enabled()
        True
    """

    def __init__(self, enable: bool = True) -> None:
        self.state = enable
        self.saved_state: bool | None = None

    @staticmethod
    def is_enabled() -> bool:
        """Whether the checks are on."""
        return INVARIANTS["checked"]

    @staticmethod
    def enable() -> None:
        """Turn the checks on."""
        INVARIANTS["checked"] = True

    @staticmethod
    def disable() -> None:
        """Turn the checks off."""
        INVARIANTS["checked"] = False

    def __enter__(self) -> None:
        if self.saved_state is not None:
            raise RuntimeError(
                "This context manager instance is already activated. Use a different context manager instance for context "
                "nesting."
            )
        self.saved_state = INVARIANTS["checked"]
        INVARIANTS["checked"] = self.state

    def __exit__(self, *exc: object) -> None:
        INVARIANTS["checked"] = bool(self.saved_state)
        self.saved_state = None

    def __call__(self, function: Any) -> Any:
        @wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.state):
                return function(*args, **kwargs)

        return checked
