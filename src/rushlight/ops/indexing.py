"""Indexing by tensors: records and functions. What ``x[...]`` means is in ``subscript``; ``gather`` and ``scatter`` in
``scattering``.

``INDEX`` reads and ``INDEX_PUT`` writes at the places that index tensors name; each is (part of) the other's gradient, and
``index_select``, ``index_add``, ``index_copy``, ``index_fill``, ``take`` and ``put`` are both with other arguments.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.dtypes import BOOL, I64, INEXACT, LOW_PRECISION
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node, versions_of
from ..core.shapes import wrap_dim
from ..core.storage import program_site
from ..core.tensor import Tensor, make_tensor
from .accumulation import add_along, counted_from_front, extremes, update_at
from .conversion import element_array
from .define import Primitive
from .dispatch import compute, is_number, type_name, write_out
from .inplace import announce, changed, check_leaf, check_no_overlap, check_partial_overlap, overwrite
from .movement import cast, clone, reshape

grad_enabled = GRAD_MODE.get
getframe = sys._getframe
I32 = np.dtype(np.int32)
INDEX_TYPES = frozenset((I64, I32))
FULL = slice(None)
ndarray = np.ndarray


# --- how operations that keep index tensors are recorded --------------------------------------------------------------


def recorded(
    record: Primitive, operands: tuple[Any, ...], attrs: dict[str, Any], result: Any, saved: tuple[Any, ...]
) -> Tensor:
    """``result`` as a tensor with the history of ``record`` on ``operands``; ``saved`` is what backward will unpack.

    ``dispatch.attach`` does this for records whose ``saves`` is fixed; an index is a list of tensors of any length.
    """
    array = result if type(result) is ndarray else np.asarray(result)
    if grad_enabled() and array.dtype in INEXACT:
        edges = tuple([operand._node if isinstance(operand, Tensor) else None for operand in operands])
        if edges.count(None) != len(edges):
            site = program_site(getframe(1))
            return make_tensor(array, Node(record, edges, array, saved, attrs, site, versions_of(saved)))
    return make_tensor(array)


def write_in_place(
    self: Tensor,
    record: Primitive,
    operands: tuple[Any, ...],
    attrs: dict[str, Any],
    saved: tuple[Any, ...],
    write: Callable[..., None],
    name: str,
    overlaps: bool = False,
) -> Tensor:
    """``self`` changed by ``write(array, *operand arrays, **attrs)``, with the history of ``record`` on (self, *operands).

    Only for operations whose backward does not need the old value of ``self``. ``overlaps``: ``self`` may be an expanded
    tensor (PyTorch allows that, with a warning, where it is filled).
    """
    target = self._array
    recording = grad_enabled() and (
        self._node is not None or any(isinstance(o, Tensor) and o._node is not None for o in operands)
    )
    if recording:
        check_leaf(self)
    if overlaps and 0 in target.strides:
        _warn_expanded(target, name)
    else:
        check_no_overlap(target)
    shared = self._storage
    if shared is not None:
        for operand in operands:
            if isinstance(operand, Tensor) and operand._storage is shared and operand._array.size > 1:
                check_partial_overlap(target, operand._array)
    storage = announce(self, name)
    compute(write, (target, *[o._array if isinstance(o, Tensor) else o for o in operands]), attrs)
    if not recording:
        return changed(self, storage, None)
    edges = (self._node, *[o._node if isinstance(o, Tensor) else None for o in operands])
    versions = versions_of(saved)
    return changed(self, storage, Node(record, edges, target, saved, attrs, program_site(getframe(1)), versions))


def _warn_expanded(target: Any, name: str) -> None:
    if target.size and any(s == 0 and n > 1 for s, n in zip(target.strides, target.shape, strict=True)):
        import warnings

        warnings.warn(
            f"Use of {name} on expanded tensors is deprecated. Please clone() the tensor before performing this operation. "
            "This also applies to advanced indexing e.g. tensor[indices] = tensor",
            UserWarning,
            stacklevel=4,
        )


def cast_index_error(error: IndexError) -> IndexError:
    """NumPy's ``IndexError`` in PyTorch's words."""
    text = str(error)
    if text.startswith("shape mismatch: indexing arrays could not be broadcast"):
        shapes = (
            text[text.find("shapes ") + 7 :].strip().replace(" (", ", [").replace("(", "[").replace(")", "]")
        )
        text = (
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}".replace(
                ",]", "]"
            )
        )
    return IndexError(text.replace(" for axis ", " for dimension "))


# --- reading and writing at index tensors -----------------------------------------------------------------------------


def numpy_index(arrays: Sequence[Any], dims: tuple[int, ...]) -> tuple[Any, ...]:
    """NumPy's index for arrays of which each stands at its dimension; a mask takes as many as it has."""
    parts: list[Any] = []
    for dim, array in zip(dims, arrays, strict=True):
        parts.extend([FULL] * (dim - len(parts)))
        parts.append(array)
        if array.dtype == BOOL and array.ndim > 1:
            # A mask stands for several dimensions in one part: count them by adding placeholders, dropped below.
            parts.extend([None] * (array.ndim - 1))
    return tuple([part for part in parts if part is not None])


def _index_impl(x: Any, *arrays: Any, dims: tuple[int, ...]) -> Any:
    try:
        if len(arrays) == 1 and arrays[0].dtype != BOOL:
            return x.take(arrays[0], dims[0])
        result = x[arrays[0]] if len(arrays) == 1 and dims[0] == 0 else x[numpy_index(arrays, dims)]
    except IndexError as error:
        raise cast_index_error(error) from None
    return result if result.flags.c_contiguous else np.ascontiguousarray(result)


def _index_vjp(g: Tensor, node: Node) -> tuple[Any, ...]:
    saved = node.unpack()
    (edge, *rest) = node.edges
    assert edge is not None
    attrs = {"dims": node.attrs["dims"], "accumulate": True, "shape": edge.shape}
    return (put_at(None, g, saved, attrs), *[None] * len(rest))


INDEX = Primitive("index", _index_impl, _index_vjp)


def write_at(
    target: Any, value: Any, *arrays: Any, dims: tuple[int, ...], accumulate: bool, shape: Any = None
) -> None:
    """``target[index] = value``, or ``+=`` with every repetition counted."""
    fresh = shape is not None
    try:
        if not accumulate or (fresh and all(array.dtype == BOOL for array in arrays)):
            target[numpy_index(arrays, dims)] = value
        elif all(array.dtype == BOOL for array in arrays) and len(arrays) == 1:
            target[numpy_index(arrays, dims)] += value
        else:
            _accumulate_at(target, value, arrays, dims, fresh)
    except IndexError as error:
        raise cast_index_error(error) from None
    except (ValueError, TypeError) as error:
        if "broadcast" not in str(error) and "assign" not in str(error):
            raise
        try:
            wanted = list(np.broadcast_to(False, target.shape)[numpy_index(arrays, dims)].shape)
        except IndexError as outside:
            if any(target.shape[dim] == 0 for dim in dims):
                raise cast_index_error(outside) from None
            wanted = ["?"]
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(np.shape(value))} cannot be broadcast to indexing result of shape "
            f"{wanted}"
        ) from None


def _accumulate_at(
    target: Any, value: Any, arrays: tuple[Any, ...], dims: tuple[int, ...], fresh: bool
) -> None:
    if target.ndim == 1 and len(arrays) == 1 and np.shape(value) == arrays[0].shape and target.dtype not in LOW_PRECISION:
        np.add.at(target, arrays[0], value)
        return
    if not target.flags.c_contiguous:
        whole = np.ascontiguousarray(target)
        _accumulate_at(whole, value, arrays, dims, fresh)
        target[...] = whole
        return
    if len(arrays) == 1:
        dim = dims[0]
        add_along(target, dim, counted_from_front(arrays[0], target.shape[dim], dim=dim), value, fresh)
    elif dims == tuple(range(len(dims))) and all(array.dtype != BOOL for array in arrays):
        # Index tensors for the leading dimensions: one for those dimensions taken together.
        lead = target.shape[: len(dims)]
        each = [
            counted_from_front(array, extent, dim=i)
            for i, (array, extent) in enumerate(zip(arrays, lead, strict=True))
        ]
        try:
            index = (
                np.ravel_multi_index(np.broadcast_arrays(*each), lead)
                if 0 not in lead
                else np.broadcast_arrays(*each)[0]
            )
        except ValueError:
            target[numpy_index(arrays, dims)]  # raises what reading there raises
            raise
        add_along(target.reshape(-1, *target.shape[len(dims) :]), 0, np.asarray(index), value, fresh)
    else:
        positions = np.arange(target.size).reshape(target.shape)[numpy_index(arrays, dims)]
        update_at(target, positions, np.broadcast_to(value, positions.shape))


def _put_impl(
    x: Any, value: Any, *arrays: Any, dims: tuple[int, ...], accumulate: bool, shape: Any = None
) -> Any:
    result = np.zeros(shape, value.dtype) if x is None else x.copy()
    write_at(result, value, *arrays, dims=dims, accumulate=accumulate, shape=shape)
    return result


def _put_vjp(g: Tensor, node: Node) -> tuple[Any, ...]:
    saved = node.unpack()
    edge, value_edge, *rest = node.edges
    dims, accumulate = node.attrs["dims"], node.attrs["accumulate"]
    old = None
    if edge is not None:
        attrs = {"dims": dims, "accumulate": False}
        old = g if accumulate else put_at(g, make_tensor(np.zeros((), g._array.dtype)), saved, attrs)
    return (old, None if value_edge is None else read_at(g, saved, dims), *[None] * len(rest))


INDEX_PUT = Primitive("index_put", _put_impl, _put_vjp)


def read_at(x: Tensor, indices: tuple[Tensor, ...], dims: tuple[int, ...]) -> Tensor:
    """The elements of ``x`` at index tensors, of which each stands at its dimension."""
    arrays = [index._array for index in indices]
    if x._node is None:
        return make_tensor(np.asarray(_index_impl(x._array, *arrays, dims=dims)))
    attrs = {"dims": dims}
    return recorded(INDEX, (x, *indices), attrs, _index_impl(x._array, *arrays, dims=dims), indices)


def put_at(x: Tensor | None, value: Tensor, indices: tuple[Tensor, ...], attrs: dict[str, Any]) -> Tensor:
    """``x`` (or zeros of ``attrs["shape"]``) with ``value`` written, or added, at index tensors."""
    arrays = [None if x is None else x._array, value._array, *[index._array for index in indices]]
    return recorded(INDEX_PUT, (x, value, *indices), attrs, compute(_put_impl, arrays, attrs), indices)


def put_at_(
    self: Tensor,
    value: Tensor,
    indices: tuple[Tensor, ...],
    dims: tuple[int, ...],
    accumulate: bool,
    name: str,
) -> Tensor:
    """``put_at`` in place."""
    attrs = {"dims": dims, "accumulate": accumulate}
    return write_in_place(
        self, INDEX_PUT, (value, *indices), attrs, indices, write_at, name, name in ("index_put_", "index_fill_")
    )


# --- index tensors ----------------------------------------------------------------------------------------------------


def checked_index(index: Any, masks: bool = True) -> Tensor:
    """``index`` if it can select: an int64 or int32 tensor, or a bool mask (uint8 ones become such, with a warning)."""
    if not isinstance(index, Tensor):
        raise TypeError(f"expected Tensor as an index, but got {type(index).__name__}")
    dtype = index._array.dtype
    if dtype in INDEX_TYPES or (masks and dtype == BOOL):
        return index
    if masks and dtype == np.uint8:
        import warnings

        warnings.warn(
            "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.",
            UserWarning,
            stacklevel=3,
        )
        return cast(index, BOOL)
    raise IndexError("tensors used as indices must be long, int, byte or bool tensors")


def index_dims(x: Tensor, indices: Sequence[Any]) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    """The tensors of an index given as a list (None for a whole dimension), and the dimension at which each stands."""
    kept, dims = [], []
    at = 0
    shape = x._array.shape
    for position, index in enumerate(indices):
        if index is None:
            at += 1
            continue
        index = checked_index(index)
        array = index._array
        kept.append(index)
        dims.append(at)
        if array.dtype == BOOL:
            for i, extent in enumerate(array.shape):
                if at + i < len(shape) and shape[at + i] != extent:
                    raise IndexError(
                        f"The shape of the mask {list(array.shape)} at index {i} does not match the shape of the indexed "
                        f"tensor {list(shape)} at index {at + i}"
                    )
            at += array.ndim
        else:
            at += 1
        if at > len(shape):
            raise IndexError(
                f"too many indices for tensor of dimension {len(shape)} (got {len(indices)}; number {position + 1} is too many)"
            )
    return tuple(kept), tuple(dims)


def index_put_(self: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False) -> Tensor:
    """``self[indices] = values`` in place; with ``accumulate``, ``+=``, where an element named twice gets both.

    Raises ``RuntimeError`` if the dtypes differ or ``values`` can't be broadcast, ``IndexError`` for an index out of range.

    Example:
        >>> import rushlight as torch
        >>> torch.zeros(3).index_put_((torch.tensor([1, 1]),), torch.tensor(2.0), accumulate=True)
        tensor([0., 4., 0.])
    """
    if not isinstance(indices, tuple | list):
        raise TypeError(
            f"index_put_(): argument 'indices' must be tuple of Tensors, not {type(indices).__name__}"
        )
    if grad_enabled() and (self._node is not None or values._node is not None):
        check_leaf(self)
    kept, dims = index_dims(self, indices)
    _check_put_dtype(self, values)
    return put_at_(self, values, kept, dims, accumulate, "index_put_")


def index_put(input: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of ``input`` changed as by ``index_put_``.

    Example:
        >>> import rushlight as torch
        >>> torch.index_put(torch.zeros(3), (torch.tensor([0, 2]),), torch.tensor([1.0, 2.0]))
        tensor([1., 0., 2.])
    """
    kept, dims = index_dims(input, indices)
    _check_put_dtype(input, values)
    return put_at(input, values, kept, {"dims": dims, "accumulate": accumulate})


def _check_put_dtype(x: Tensor, value: Tensor) -> None:
    if value._array.dtype != x._array.dtype:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {type_name(x._array.dtype)} for the destination and "
            f"{type_name(value._array.dtype)} for the source."
        )


# --- one dimension: index_select, index_add, index_copy, index_fill ---------------------------------------------------


def _vector(
    index: Any, name: str, kinds: frozenset[Any] = INDEX_TYPES, error: type[Exception] = RuntimeError
) -> Tensor:
    """``index`` as a vector of integers; a 0-dim one is a vector of one."""
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}(): argument 'index' must be Tensor, not {type(index).__name__}")
    array = index._array
    if array.dtype not in kinds:
        wanted = "int32 or int64" if len(kinds) > 1 else "int64 (a long tensor)"
        raise error(f"{name}(): Expected dtype {wanted} for index, but got {type_name(index._array.dtype)}")
    if array.ndim > 1:
        raise IndexError(
            f"{name}(): Index is supposed to be a vector, but got dim: {array.ndim} and size: {list(array.shape)}"
        )
    return index if array.ndim else reshape(index, (1,))


def check_range(index: Tensor, extent: int, error: type[Exception], message: str, lowest: int = 0) -> None:
    """Raise ``error`` with ``message`` (which may name ``{bad}``) if an element of ``index`` is not in [lowest, extent)."""
    array = index._array
    if array.size:
        low, high = extremes(array)
        if low < lowest or high >= extent:
            raise error(message.format(bad=low if low < lowest else high))


def _at_least_vector(x: Tensor) -> Tensor:
    return x if x._array.ndim else reshape(x, (1,))


def index_select(input: Tensor, dim: int, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The slices of ``input`` along ``dim`` whose numbers are in ``index`` (a vector of int32 or int64).

    Raises ``IndexError`` for a number outside ``[0, input.shape[dim])``.

    Example:
        >>> import rushlight as torch
        >>> torch.index_select(torch.tensor([[1, 2], [3, 4], [5, 6]]), 0, torch.tensor([2, 0]))
        tensor([[5, 6],
                [1, 2]])
    """
    dim = wrap_dim(dim, input._array.ndim)
    index = _vector(index, "index_select")
    source = _at_least_vector(input)
    if index._array.size and source._array.ndim > 1 and not source._array.shape[dim]:
        raise RuntimeError("index_select(): self indexing axis dim should be positive")
    check_range(index, source._array.shape[dim], IndexError, "index out of range in self")
    result = read_at(source, (index,), (dim,))
    if not input._array.ndim:
        if index._array.size != 1:
            raise RuntimeError("index_select(): Index to scalar can have only 1 value")
        result = reshape(result, ())
    return result if out is None else write_out(out, result, "index_select")


def _checked_source(self: Tensor, dim: int, index: Tensor, source: Any, name: str) -> Tensor:
    if not isinstance(source, Tensor):
        raise TypeError(f"{name}(): argument 'source' must be Tensor, not {type(source).__name__}")
    x, s = self._array, source._array
    if x.dtype != s.dtype:
        raise RuntimeError(
            f"{name}(): self ({type_name(self._array.dtype)}) and source ({type_name(source._array.dtype)}) must have the same scalar type"
        )
    length = s.shape[dim] if dim < s.ndim else 1
    if index._array.size != length and (s.ndim or index._array.size != 1):
        kind = RuntimeError if name != "index_copy_" else IndexError
        raise kind(
            f"{name}(): Number of indices ({index._array.size}) should be equal to source.size(dim): ({length}), for dim: {dim}"
        )
    if s.ndim == 0 or x.ndim == 0:
        if s.size != 1 and x.ndim == 0:
            raise RuntimeError(f"{name}(): source of shape {list(s.shape)} does not fit a 0-dim tensor")
        if s.ndim == 0 and x.ndim > 1:
            raise (RuntimeError if name != "index_copy_" else IndexError)(
                f"{name}(): source is a scalar and self has {x.ndim} dimensions; give a source with {x.ndim}"
            )
        return source
    rest, own = list(s.shape), list(x.shape)
    del rest[dim], own[dim]
    if rest != own:
        raise (RuntimeError if name != "index_copy_" else IndexError)(
            f"{name}(): source of shape {list(s.shape)} must match self of shape {list(x.shape)} in every dimension but {dim}"
        )
    return source


def _index_update(
    self: Tensor, dim: int, index: Tensor, source: Tensor, accumulate: bool, name: str, in_place: bool
) -> Tensor:
    dim = wrap_dim(dim, self._array.ndim)
    kinds = INDEX_TYPES if accumulate else frozenset((I64,))
    index = _vector(index, name, kinds)
    source = _checked_source(self, dim, index, source, name)
    error = RuntimeError if accumulate else IndexError
    message = (
        "{bad} is out of bounds for dimension "
        + f"{dim} with size {self._array.shape[dim] if self._array.ndim else 1}"
    )
    check_range(
        index,
        self._array.shape[dim] if self._array.ndim else 1,
        error,
        ("index " if accumulate else f"{name}: index ") + message,
    )
    if not self._array.ndim:
        if in_place:
            put_at_(_at_least_vector(self), reshape(source, (1,)), (index,), (0,), accumulate, name)
            return self
        return reshape(
            put_at(
                reshape(self, (1,)), reshape(source, (1,)), (index,), {"dims": (0,), "accumulate": accumulate}
            ),
            (),
        )
    if in_place:
        return put_at_(self, source, (index,), (dim,), accumulate, name)
    return put_at(self, source, (index,), {"dims": (dim,), "accumulate": accumulate})


def _times(source: Tensor, alpha: Any) -> Tensor:
    return source if alpha is None or (isinstance(alpha, int) and alpha == 1) else source * alpha


def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1, out: Tensor | None = None
) -> Tensor:
    """A copy of ``input`` with ``alpha * source`` added: slice i of ``source`` to slice ``index[i]``, along ``dim``.

    Example:
        >>> import rushlight as torch
        >>> torch.index_add(torch.zeros(3), 0, torch.tensor([0, 0, 2]), torch.ones(3))
        tensor([2., 0., 1.])
    """
    result = _index_update(input, dim, index, _times(source, alpha), True, "index_add_", False)
    return result if out is None else write_out(out, result, "index_add")


def index_add_(self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """In-place form of ``index_add``."""
    return _index_update(self, dim, index, _times(source, alpha), True, "index_add_", True)


def index_copy(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """A copy of ``input`` in which slice ``index[i]`` along ``dim`` is slice i of ``source``.

    Example:
        >>> import rushlight as torch
        >>> torch.index_copy(torch.zeros(3), 0, torch.tensor([2, 0]), torch.tensor([5.0, 6.0]))
        tensor([6., 0., 5.])
    """
    result = _index_update(input, dim, index, source, False, "index_copy_", False)
    return result if out is None else write_out(out, result, "index_copy")


def index_copy_(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """In-place form of ``index_copy``."""
    return _index_update(self, dim, index, source, False, "index_copy_", True)


def scalar_content(value: Any, like: Tensor, name: str) -> Tensor:
    """``value``, a number or a 0-dim tensor, as a 0-dim tensor of the dtype of ``like``."""
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise RuntimeError(
                f"{name} only supports a 0-dimensional value tensor, but got tensor with {value._array.ndim} dimension(s)."
            )
        return cast(value, like._array.dtype)
    if not is_number(value):
        raise TypeError(
            f"{name}(): argument 'value' must be Number or 0-dim Tensor, not {type(value).__name__}"
        )
    return make_tensor(element_array(value, like._array.dtype))


def _checked_fill(self: Tensor, dim: int, index: Tensor, value: Any) -> tuple[int, Tensor, Tensor]:
    dim = wrap_dim(dim, self._array.ndim)
    if isinstance(index, Tensor) and index._array.ndim > 1:
        raise RuntimeError("index_fill_(): Index has to be a vector/scalar")
    index = _vector(index, "index_fill_", frozenset((I64,)), IndexError)
    extent = self._array.shape[dim] if self._array.ndim else 1
    message = "index {bad} is out of bounds for dimension " + f"{dim} with size {extent}"
    check_range(index, extent, IndexError, message, lowest=-extent)
    content = scalar_content(value, self, "index_fill_")
    if content._node is not None and index._array.size > 1:
        # A number that comes twice must not give the value its gradient twice.
        index = make_tensor(np.unique(np.where(index._array < 0, index._array + extent, index._array)))
    return dim, index, content


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy of ``input`` with ``value`` (a number or a 0-dim tensor) in the slices ``index`` along ``dim``.

    Example:
        >>> import rushlight as torch
        >>> torch.index_fill(torch.zeros(3), 0, torch.tensor([0, 2]), -1)
        tensor([-1.,  0., -1.])
    """
    dim, index, content = _checked_fill(input, dim, index, value)
    attrs = {"dims": (dim,), "accumulate": False}
    result = put_at(_at_least_vector(input), content, (index,), attrs)
    return result if input._array.ndim else reshape(result, ())


def index_fill_(self: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """In-place form of ``index_fill``."""
    dim, index, content = _checked_fill(self, dim, index, value)
    put_at_(_at_least_vector(self), content, (index,), (dim,), False, "index_fill_")
    return self


# --- the tensor as one list of elements: take, put --------------------------------------------------------------------


def _checked_flat_index(x: Tensor, index: Tensor, name: str) -> Tensor:
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}(): argument 'index' must be Tensor, not {type(index).__name__}")
    if index._array.dtype != I64:
        raise RuntimeError(
            f"{name}(): Expected a long tensor for index, but got {type_name(index._array.dtype)}"
        )
    size = x._array.size
    if not size and index._array.size:
        raise IndexError(f"{name}(): tried to take from an empty tensor")
    message = "out of range: tried to access index {bad} on a tensor of " + f"{size} elements."
    check_range(index, size, IndexError, message, lowest=-size)
    return index


def take(input: Tensor, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements at ``index`` (int64, any shape) of ``input`` seen as one row of elements.

    Example:
        >>> import rushlight as torch
        >>> torch.take(torch.tensor([[4, 3], [2, 1]]), torch.tensor([0, 3]))
        tensor([4, 1])
    """
    index = _checked_flat_index(input, index, "take")
    result = read_at(reshape(input, (-1,) if input._array.size else (0,)), (index,), (0,))
    return result if out is None else write_out(out, result, "take")


def _checked_put(self: Tensor, index: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
    index = _checked_flat_index(self, index, "put_")
    if source._array.dtype != self._array.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = {type_name(self._array.dtype)} and "
            f"source.dtype = {type_name(source._array.dtype)}"
        )
    if source._array.size != index._array.size:
        raise RuntimeError(
            f"put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source._array.size}, index.numel() = {index._array.size}"
        )
    return index, reshape(source, index._array.shape)


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of ``input`` with the elements of ``source`` at ``index``, counted as in ``take``; or added there.

    Example:
        >>> import rushlight as torch
        >>> torch.tensor([[4, 3], [2, 1]]).put(torch.tensor([1, 2]), torch.tensor([9, 10]))
        tensor([[ 4,  9],
                [10,  1]])
    """
    index, source = _checked_put(input, index, source)
    if not input._array.size:
        return clone(input)
    flat = put_at(reshape(input, (-1,)), source, (index,), {"dims": (0,), "accumulate": accumulate})
    return reshape(flat, input._array.shape)


def put_(self: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """In-place form of ``put``."""
    return overwrite(self, put, (index, source, accumulate), {}, "put_", keeps_inputs=False)


# --- embedding --------------------------------------------------------------------------------------------------------


def _embedding_vjp(g: Tensor, node: Node) -> Any:
    (indices,) = node.unpack()
    edge = node.edges[0]
    assert edge is not None
    attrs = {"rows": edge.shape[0], **node.attrs}
    result = _embedding_backward_impl(g._array, indices._array, **attrs)
    return (recorded(EMBEDDING_BACKWARD, (g, indices), attrs, result, (indices,)), None)


def _embedding_backward_impl(
    g: Any, indices: Any, rows: int, padding_idx: int, scale_grad_by_freq: bool
) -> Any:
    columns = g.shape[-1]
    result = np.zeros((rows, columns), g.dtype)
    index = indices.reshape(-1)
    values = g.reshape(-1, columns)
    if index.size and columns:
        if scale_grad_by_freq:
            values = values / np.bincount(index, minlength=rows)[index][:, None].astype(g.real.dtype)
        add_along(result, 0, index.astype(np.intp, copy=False), values, True)
        if padding_idx >= 0:
            result[padding_idx] = 0
    return result


def _embedding_backward_vjp(gg: Tensor, node: Node) -> Any:
    (indices,) = node.unpack()
    edge = node.edges[0]
    assert edge is not None
    rows, padding_idx, scale = node.attrs["rows"], node.attrs["padding_idx"], node.attrs["scale_grad_by_freq"]
    result = read_at(gg, (indices,), (0,))
    index = indices._array
    factor = None
    if scale:
        factor = 1 / np.bincount(index.reshape(-1), minlength=rows)[index].astype(edge.dtype)
    if padding_idx >= 0:
        kept = (index != padding_idx).astype(edge.dtype)
        factor = kept if factor is None else factor * kept
    return (result if factor is None else result * make_tensor(factor[..., None]), None)


EMBEDDING = Primitive(
    "embedding",
    lambda weight, indices, padding_idx=-1, scale_grad_by_freq=False: weight.take(indices, 0),
    _embedding_vjp,
)
EMBEDDING_BACKWARD = Primitive("embedding_dense_backward", _embedding_backward_impl, _embedding_backward_vjp)


def embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False
) -> Tensor:
    """Rows of ``weight`` (rows, columns) by number: ``indices`` of any shape gives shape ``(*indices.shape, columns)``.

    The gradient adds up over repeated indices; row ``padding_idx`` (none if negative) gets none, and with
    ``scale_grad_by_freq`` each row's is divided by how often it was taken. Raises ``IndexError`` out of range.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.ops.indexing import embedding
        >>> embedding(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1, 1]))
        tensor([[3., 4.],
                [3., 4.]])
    """
    if not isinstance(indices, Tensor) or not isinstance(weight, Tensor):
        raise TypeError("embedding(): arguments 'weight' and 'indices' must be Tensors")
    table, index = weight._array, indices._array
    if index.dtype not in INDEX_TYPES:
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"torch.{type_name(indices._array.dtype)}Tensor instead (while checking arguments for embedding)"
        )
    if table.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    if index.size:
        low, high = extremes(index)
        if low < 0 or high >= table.shape[0]:
            raise IndexError("index out of range in self")
    rows = table.take(index, 0) if index.size else np.empty((*index.shape, table.shape[1]), table.dtype)
    if weight._node is None:
        return make_tensor(rows)
    attrs = {"padding_idx": padding_idx, "scale_grad_by_freq": scale_grad_by_freq}
    return recorded(EMBEDDING, (weight, indices), attrs, rows, (indices,))


METHODS: dict[str, Any] = {
    "index_select": index_select,
    "index_add": index_add,
    "index_add_": index_add_,
    "index_copy": index_copy,
    "index_copy_": index_copy_,
    "index_fill": index_fill,
    "index_fill_": index_fill_,
    "index_put": index_put,
    "index_put_": index_put_,
    "take": take,
    "put": put,
    "put_": put_,
}
