"""Joining tensors: ``cat``, ``stack`` and their relatives, ``block_diag``, grids and combinations."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from itertools import combinations as index_combinations, combinations_with_replacement
from typing import Any

import numpy as np

from ..core.arguments import check_flag, check_tensor as check_tensor_argument
from ..core.dtypes import PROMOTED
from ..core.errors import no_memory
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node
from ..core.memory_order import in_channels_last, suggests_channels_last
from ..core.shapes import LONG_DIMENSION, broadcast_shape, check_fits, wrap_dim
from ..core.tensor import Tensor, make_tensor
from ..runtime.batched import Batched
from ..runtime.transposed_copy import contiguous as row_major
from .define import Primitive
from .dispatch import apply, arrays_of, common_dtype, held, run, type_name, write_out
from .index_tensors import read_at
from .memory_overlap import check_apart
from .movement import SELECT, SLICE, SLICE_BACKWARD, cast, expand, make_view, reshape
from .placement import tensor_beside

ndarray = np.ndarray
grad_enabled = GRAD_MODE.get
FULL = slice(None)
_new = object.__new__
_weak = weakref.ref
np_concatenate = np.concatenate


# --- cat and stack ----------------------------------------------------------------------------------------------------


def _cat_vjp(g: Tensor, node: Node) -> tuple[Any, ...]:
    dim = node.attrs["dim"]
    lead = (FULL,) * dim
    parts: list[Any] = []
    start = 0
    for edge, length in zip(node.edges, node.attrs["lengths"], strict=True):
        end = start + length
        if edge is None:
            parts.append(None)
        elif length == 0 and len(edge.shape) != len(node.shape):
            parts.append(
                tensor_beside(g, np.zeros(edge.shape, edge.dtype))
            )  # an empty vector that cat skipped
        else:
            index = (*lead, slice(start, end))
            parts.append(make_view(SLICE, g, g._array[index], {"index": index}))
        start = end
    return tuple(parts)


def _cat_impl(*arrays: Any, dim: int, lengths: Any = None) -> Any:
    return np.concatenate(
        [array for array in arrays if array.ndim > dim and (array.size or array.ndim > 1)] or arrays, dim
    )


CAT = Primitive("cat", _cat_impl, _cat_vjp)


def _check_list(tensors: Any, name: str) -> Any:
    if isinstance(tensors, Tensor) or not isinstance(tensors, tuple | list):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not {type(tensors).__name__}"
        )
    for i, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(tensor).__name__}")
    return tensors


def cat(
    tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None, axis: int | None = None
) -> Tensor:
    """The tensors joined along ``dim``; their other extents must be equal. dtypes are promoted.

    Empty vectors (shape ``(0,)``) are skipped whatever the others' rank is, as in PyTorch. Raises ``RuntimeError`` for
    shapes that do not go together, ``ValueError`` for an empty list.

    Example:
        >>> import rushlight as torch
        >>> torch.cat([torch.zeros(1, 2), torch.ones(2, 2)])
        tensor([[0., 0.],
                [1., 1.],
                [1., 1.]])
    """
    if type(tensors) is not list and type(tensors) is not tuple:
        _check_list(tensors, "cat")
    if axis is not None:
        dim = axis
    arrays: list[Any] = []
    mixed = elsewhere = needs_grad = False
    dtype: Any = None
    ndim = 0
    try:
        for tensor in tensors:
            array = tensor._array
            if not arrays:
                dtype, ndim = array.dtype, array.ndim
            elif array.dtype is not dtype or array.ndim != ndim:
                mixed = True
            if type(array) is not ndarray:
                elsewhere = True
            if tensor._node is not None:
                needs_grad = True
            arrays.append(array)
    except AttributeError:
        _check_list(tensors, "cat")
        raise
    if not arrays:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    operands: Sequence[Tensor] = tensors
    parts = arrays
    if mixed:
        operands, arrays, ndim = _prepared(tensors, dim)
        parts = [array for array in arrays if array.ndim == ndim]
    if not -ndim <= dim < ndim or not ndim:
        if not ndim:
            _refuse_shapes(arrays, 0)
        dim = wrap_dim(dim, ndim)
    if dim < 0:
        dim += ndim
    try:
        if elsewhere and any([type(part) is not ndarray for part in parts]):
            parts = arrays_of(operands)
            joined = run(CAT, [a for a in parts if a.ndim == ndim] if mixed else parts, {"dim": dim})
        else:
            joined = np_concatenate(parts, dim)
        if not joined.flags.c_contiguous:  # NumPy keeps the order of transposed parts
            joined = row_major(joined) if type(joined) is ndarray else joined.copy()
        if ndim > 3 and type(joined) is ndarray and not parts[0].flags.c_contiguous:
            joined = _ordered(joined, parts)
    except MemoryError as error:
        raise no_memory(error) from None
    except ValueError:
        _refuse_shapes(arrays, dim)
        raise
    result = held(make_tensor(joined))
    if needs_grad and grad_enabled() and joined.dtype.kind not in "iub":
        edges = _edges(operands, joined)
        lengths = [a.shape[dim] if a.ndim == ndim else 0 for a in arrays]
        result._node = Node(CAT, edges, joined, None, {"dim": dim, "lengths": lengths})
    return result if out is None else _cat_out(out, result, arrays)


def _ordered(joined: Any, parts: list[Any]) -> Any:
    """``joined``, in channels-last order if all parts are."""
    return in_channels_last(joined) if all([suggests_channels_last(part) for part in parts]) else joined


def _edges(operands: Sequence[Tensor], joined: Any) -> tuple[Node | None, ...]:
    if type(joined) is Batched:
        from .batching import lifted_edges  # its rules are built on this module

        return lifted_edges(operands, joined)
    return tuple([operand._node for operand in operands])


def _prepared(tensors: Sequence[Tensor], dim: int) -> tuple[Sequence[Tensor], list[Any], int]:
    """The operands in their common dtype, and the rank that counts: that of those which are not skipped."""
    dtype = tensors[0]._array.dtype
    for tensor in tensors[1:]:
        dtype = PROMOTED[dtype, tensor._array.dtype]
    operands = [cast(tensor, dtype) for tensor in tensors]
    arrays = [operand._array for operand in operands]
    counted = [array for array in arrays if array.shape != (0,)]
    if not counted:
        return operands, arrays, 1
    ndim = counted[0].ndim
    if any(array.ndim != ndim for array in counted):
        _refuse_shapes(arrays, dim)
    return operands, arrays, ndim


def _refuse_shapes(arrays: list[Any], dim: int) -> None:
    for i, array in enumerate(arrays):
        if not array.ndim:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    counted = [array for array in arrays if array.shape != (0,)]
    first = counted[0]
    for i, array in enumerate(arrays):
        if array.shape == (0,):
            continue
        if array.ndim != first.ndim:
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {first.ndim} and {array.ndim}"
            )
        for at, (have, wanted) in enumerate(zip(array.shape, first.shape, strict=True)):
            if at != dim and have != wanted:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {wanted} but got size {have} for "
                    f"tensor number {i} in the list."
                )


def _cat_out(out: Any, result: Tensor, arrays: list[Any]) -> Tensor:
    check_apart(out, result._array.shape, *arrays)
    try:
        return write_out(out, result, "cat")
    except RuntimeError as error:
        if "can't be cast" in str(error):
            raise TypeError(
                f"torch.cat(): input types can't be cast to the desired output type {type_name(out._array.dtype)}"
            ) from None
        raise


def concat(
    tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None, axis: int | None = None
) -> Tensor:
    """Another name of ``cat``."""
    return cat(tensors, dim, out=out, axis=axis)


def concatenate(
    tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None, axis: int | None = None
) -> Tensor:
    """Another name of ``cat``."""
    return cat(tensors, dim, out=out, axis=axis)


def _stack_vjp(g: Tensor, node: Node) -> tuple[Any, ...]:
    lead = (FULL,) * node.attrs["dim"]
    array = g._array
    parts: list[Any] = []
    for i, edge in enumerate(node.edges):
        if edge is None:
            parts.append(None)
        else:
            index = (*lead, i, ...)
            parts.append(make_view(SELECT, g, array[index], {"index": index}))
    return tuple(parts)


STACK = Primitive(
    "stack", lambda *arrays, dim: np.concatenate([np.expand_dims(a, dim) for a in arrays], dim), _stack_vjp
)


def stack(
    tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None, axis: int | None = None
) -> Tensor:
    """The tensors, all of one shape, joined along a new dimension at ``dim``. dtypes are promoted.

    Example:
        >>> import rushlight as torch
        >>> torch.stack([torch.tensor([1, 2]), torch.tensor([3, 4])])
        tensor([[1, 2],
                [3, 4]])
    """
    if axis is not None:
        dim = axis
    if type(tensors) is not list and type(tensors) is not tuple:
        _check_list(tensors, "stack")
    arrays: list[Any] = []
    mixed = elsewhere = needs_grad = False
    other: int | None = None  # one whose shape is not that of the first
    dtype: Any = None
    shape: tuple[int, ...] = ()
    try:
        for tensor in tensors:
            array = tensor._array
            if not arrays:
                shape, dtype = array.shape, array.dtype
            elif array.shape != shape:
                other = len(arrays) if other is None else other
            elif array.dtype is not dtype:
                mixed = True
            if type(array) is not ndarray:
                elsewhere = True
            if tensor._node is not None:
                needs_grad = True
            arrays.append(array)
    except AttributeError:
        _check_list(tensors, "stack")
        raise
    if not arrays:
        raise RuntimeError("stack expects a non-empty TensorList")
    dim = wrap_dim(dim, len(shape) + 1)
    if other is not None:
        raise RuntimeError(
            f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and {list(arrays[other].shape)} at "
            f"entry {other}"
        )
    operands: Sequence[Tensor] = tensors
    if mixed:
        operands, arrays = _stackable(tensors)
    if elsewhere:
        joined = run(STACK, arrays_of(operands), {"dim": dim})
    else:
        try:
            if dim == 0 and shape:
                joined = np_concatenate(arrays).reshape(len(arrays), *shape)
            else:
                inserted = (*shape[:dim], 1, *shape[dim:])
                joined = np_concatenate([array.reshape(inserted) for array in arrays], dim)
        except MemoryError as error:
            raise no_memory(error) from None
    if not joined.flags.c_contiguous:  # NumPy keeps the order of transposed parts
        joined = row_major(joined) if type(joined) is ndarray else joined.copy()
    node = None
    if (needs_grad or elsewhere) and grad_enabled() and joined.dtype.kind not in "iub":
        edges = _edges(operands, joined)
        if edges.count(None) != len(edges):
            node = Node(STACK, edges, joined, None, {"dim": dim})
    result = held(make_tensor(joined, node))
    return result if out is None else write_out(out, result, "stack")


def _stackable(tensors: Sequence[Tensor]) -> tuple[Sequence[Tensor], list[Any]]:
    dtype = tensors[0]._array.dtype
    for tensor in tensors[1:]:
        dtype = PROMOTED[dtype, tensor._array.dtype]
    operands = [cast(tensor, dtype) for tensor in tensors]
    return operands, [operand._array for operand in operands]


def atleast_1d(*tensors: Any) -> Any:
    """The tensor (or a tuple of the tensors) with at least one dimension.

    Example:
        >>> import rushlight as torch
        >>> torch.atleast_1d(torch.tensor(3))
        tensor([3])
    """
    return _each(tensors, lambda x: reshape(x, (1,)) if x._array.ndim == 0 else x)


def atleast_2d(*tensors: Any) -> Any:
    """The tensor (or a tuple of the tensors) with at least two dimensions; new ones come first.

    Example:
        >>> import rushlight as torch
        >>> torch.atleast_2d(torch.tensor([1, 2])).shape
        torch.Size([1, 2])
    """
    return _each(tensors, lambda x: x if x._array.ndim > 1 else reshape(x, (1, x._array.size)))


def atleast_3d(*tensors: Any) -> Any:
    """The tensor (or a tuple of the tensors) with at least three dimensions: (n,) → (1, n, 1), (m, n) → (m, n, 1).

    Example:
        >>> import rushlight as torch
        >>> torch.atleast_3d(torch.tensor([1, 2])).shape
        torch.Size([1, 2, 1])
    """

    def widen(x: Tensor) -> Tensor:
        shape = x._array.shape
        if len(shape) > 2:
            return x
        return reshape(x, (*shape, 1) if len(shape) == 2 else (1, *shape, 1) if shape else (1, 1, 1))

    return _each(tensors, widen)


def _each(tensors: tuple[Any, ...], change: Any) -> Any:
    if len(tensors) == 1:
        if isinstance(tensors[0], Tensor):
            return change(tensors[0])
        tensors = tuple(tensors[0])
    for i, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"expected Tensor as element {i}, but got {type(tensor).__name__}")
    return tuple([change(tensor) for tensor in tensors])


def _joined(tensors: Any, name: str, change: Any, dim: Any, out: Tensor | None) -> Tensor:
    _check_list(tensors, name)
    if not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    parts = [change(tensor) for tensor in tensors]
    return cat(parts, dim(parts[0]), out=out)


def hstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors joined along their second dimension (vectors along their only one).

    Example:
        >>> import rushlight as torch
        >>> torch.hstack([torch.tensor([1, 2]), torch.tensor([3])])
        tensor([1, 2, 3])
    """
    return _joined(tensors, "hstack", atleast_1d, lambda first: 0 if first._array.ndim == 1 else 1, out)


def vstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors joined along their first dimension; vectors count as rows.

    Example:
        >>> import rushlight as torch
        >>> torch.vstack([torch.tensor([1, 2]), torch.tensor([3, 4])])
        tensor([[1, 2],
                [3, 4]])
    """
    return _joined(tensors, "vstack", atleast_2d, lambda first: 0, out)


def row_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Another name of ``vstack``."""
    return vstack(tensors, out=out)


def dstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors joined along their third dimension, once ``atleast_3d``.

    Example:
        >>> import rushlight as torch
        >>> torch.dstack([torch.tensor([1, 2]), torch.tensor([3, 4])]).shape
        torch.Size([1, 2, 2])
    """
    return _joined(tensors, "dstack", atleast_3d, lambda first: 2, out)


def column_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors joined along their second dimension; vectors count as columns.

    Example:
        >>> import rushlight as torch
        >>> torch.column_stack([torch.tensor([1, 2]), torch.tensor([3, 4])])
        tensor([[1, 3],
                [2, 4]])
    """

    def columns(x: Tensor) -> Tensor:
        return x if x._array.ndim > 1 else reshape(x, (x._array.size, 1))

    return _joined(tensors, "column_stack", columns, lambda first: 1, out)


def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with the given ones (vectors count as rows, 0-dim tensors as 1 × 1) along its diagonal, zeros elsewhere.

    Example:
        >>> import rushlight as torch
        >>> torch.block_diag(torch.tensor([[1, 2]]), torch.tensor(3))
        tensor([[1, 2, 0],
                [0, 0, 3]])
    """
    for i, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"block_diag(): expected Tensor as element {i}, but got {type(tensor).__name__}")
        if tensor._array.ndim > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input "
                f"{i} has {tensor._array.ndim} dimensions"
            )
    if not tensors:
        return make_tensor(np.zeros((1, 0), np.float32))
    blocks = [atleast_2d(tensor) for tensor in tensors]
    width = sum([block._array.shape[1] for block in blocks])
    dtype = common_dtype(tuple(blocks))
    rows = []
    start = 0
    for block in blocks:
        height, columns = block._array.shape
        index = (FULL, slice(start, start + columns))
        rows.append(apply(SLICE_BACKWARD, (cast(block, dtype),), {"shape": (height, width), "index": index}))
        start += columns
    return cat(rows)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Each tensor expanded to the common shape, as views.

    Example:
        >>> import rushlight as torch
        >>> a, b = torch.broadcast_tensors(torch.zeros(3), torch.zeros(2, 1))
        >>> a.shape, b.shape
        (torch.Size([2, 3]), torch.Size([2, 3]))
    """
    if len(tensors) == 1 and isinstance(tensors[0], tuple | list):
        tensors = tuple(tensors[0])
    _check_list(tensors, "broadcast_tensors")
    shape = broadcast_shape(*[tensor._array.shape for tensor in tensors])
    return tuple([tensor if tensor._array.shape == shape else expand(tensor, shape) for tensor in tensors])


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """For vectors (or 0-dim tensors), grids of their values: result i has shape (n0, n1, …) and varies along dimension i.

    ``indexing="xy"`` swaps the first two dimensions; without the argument PyTorch's warning is given and ``"ij"`` is meant.

    Example:
        >>> import rushlight as torch
        >>> x, y = torch.meshgrid(torch.tensor([1, 2]), torch.tensor([3, 4, 5]), indexing="ij")
        >>> x
        tensor([[1, 1, 1],
                [2, 2, 2]])
    """
    if len(tensors) == 1 and isinstance(tensors[0], tuple | list):
        tensors = tuple(tensors[0])
    if indexing is None:
        import warnings

        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.",
            UserWarning,
            stacklevel=2,
        )
        indexing = "ij"
    elif indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    _check_list(tensors, "meshgrid")
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for tensor in tensors:
        if tensor._array.ndim > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {list(tensor._array.shape)}"
            )
        if tensor._array.dtype != tensors[0]._array.dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    swap = indexing == "xy" and len(tensors) > 1
    parts = [tensors[1], tensors[0], *tensors[2:]] if swap else list(tensors)
    shape = tuple([part._array.size for part in parts])
    grids = []
    for i, part in enumerate(parts):
        along = tuple([n if j == i else 1 for j, n in enumerate(shape)])
        grids.append(expand(reshape(part, along), shape))
    return (grids[1], grids[0], *grids[2:]) if swap else tuple(grids)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All tuples of one element from each vector, as rows; one vector comes back as it is.

    Example:
        >>> import rushlight as torch
        >>> torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([3, 4])).tolist()
        [[1, 3], [1, 4], [2, 3], [2, 4]]
    """
    for tensor in tensors:
        if tensor._array.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(tensor._array.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    grids = meshgrid(*tensors, indexing="ij")
    return stack([reshape(grid, (-1,) if grid._array.size else (0,)) for grid in grids], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All subsets of ``r`` elements of a vector, as rows, in ``itertools.combinations``' order.

    Example:
        >>> import rushlight as torch
        >>> torch.combinations(torch.tensor([1, 2, 3])).tolist()
        [[1, 2], [1, 3], [2, 3]]
    """
    check_tensor_argument("combinations", "input", input)
    check_flag("combinations", "with_replacement", with_replacement)
    if input._array.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input._array.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return tensor_beside(input, np.empty(0, input._array.dtype))
    n = input._array.size
    rows = math.comb(n + r - 1, r) if with_replacement and n else math.comb(n, r)
    if rows * r >= 1 << 63:
        raise RuntimeError(f"numel: integer multiplication overflow: {rows} combinations of {r} elements")
    if rows * r > LONG_DIMENSION:
        check_fits((rows, r), 8)
    choose = combinations_with_replacement if with_replacement else index_combinations
    # (Without any, Python would still make room for r indices.)
    chosen = np.array(list(choose(range(n), r)) if rows else [], np.int64).reshape(rows, r)
    return read_at(input, (make_tensor(chosen),), (0,))


METHODS: dict[str, Any] = {}
