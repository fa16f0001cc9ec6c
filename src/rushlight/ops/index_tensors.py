"""Reading and writing at index tensors: what ``x[...]`` (see ``subscript``), ``index_select``, masks and the gradients of
many operations are made of.

``INDEX`` reads and ``INDEX_PUT`` writes at the places that index tensors name; each is (part of) the other's gradient.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.device import OF_ARRAYS
from ..core.dtypes import BOOL, I64, INEXACT, LOW_PRECISION
from ..core.errors import no_memory
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node, versions_of
from ..core.shapes import count
from ..core.storage import program_site
from ..core.tensor import Tensor, make_tensor
from ..runtime.batched import Batched, bottom
from ..runtime.pending import Pending
from .accumulation import add_along, counted_from_front, extremes, update_at
from .define import Primitive
from .dispatch import arrays_of, as_array, compute, held, run
from .inplace import announce, changed, check_leaf, check_no_overlap, check_partial_overlap
from .movement import cast
from .placement import tensor_beside

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
    array = as_array(result)
    if grad_enabled() and array.dtype in INEXACT:
        edges = tuple([operand._node if isinstance(operand, Tensor) else None for operand in operands])
        if edges.count(None) != len(edges):
            if type(array) is Batched:
                from .batching import lifted_edges  # its rules are built on dispatch

                edges = lifted_edges(operands, array)
            site = program_site(getframe(1))
            node = Node(record, edges, array, saved, attrs, site, versions_of(saved))
            return held(make_tensor(array, node))
    return held(make_tensor(array))


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
    arrays = [o._array if isinstance(o, Tensor) else o for o in operands]
    for array in arrays:
        if type(array) is Pending and type(self._array) is not Pending:
            array.tape.adopt(self)
    target = self._array
    if type(target) is Pending:
        arrays = arrays_of((self, *operands))[1:]
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
    if type(target) is not ndarray:
        target[...] = run(record, (target, *arrays), attrs)
    else:
        compute(write, (target, *arrays), attrs)
    if not recording:
        return changed(self, storage, None)
    edges = (self._node, *[o._node if isinstance(o, Tensor) else None for o in operands])
    if type(target) is Batched:
        from .batching import lifted_edges  # its rules are built on dispatch

        edges = lifted_edges((self, *operands), target)
    versions = versions_of(saved)
    return changed(
        self, storage, Node(record, edges, target, saved, attrs, program_site(getframe(1)), versions)
    )


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
        if not x.size:
            return np.empty(_empty_selection(x, arrays, dims), x.dtype)
        raise cast_index_error(error) from None
    except MemoryError as error:
        raise no_memory(error) from None
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
    masks = accumulate and all([array.dtype == BOOL for array in arrays])
    try:
        if not target.size or not value.size:
            np.broadcast_to(value, _empty_selection(target, arrays, dims))
        elif not accumulate or (fresh and masks):
            target[numpy_index(arrays, dims)] = value
        elif masks and len(arrays) == 1:
            target[numpy_index(arrays, dims)] += value
        else:
            _accumulate_at(target, value, arrays, dims, fresh)
    except IndexError as error:
        raise cast_index_error(error) from None
    except (ValueError, TypeError) as error:
        if not any(word in str(error) for word in ("broadcast", "assign", "more dimensions")):
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


def _empty_selection(target: Any, arrays: tuple[Any, ...], dims: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of what the arrays select. PyTorch looks at their numbers only where there is something to select."""
    numbers = [array for array in arrays if array.dtype != BOOL]
    some = 0 not in np.broadcast_shapes(*[array.shape for array in numbers])
    some = some and all(array.any() for array in arrays if array.dtype == BOOL)
    for dim, array in zip(dims, arrays, strict=True):
        if array.dtype != BOOL and some and not target.shape[dim]:
            raise IndexError("index is out of bounds for dimension with size 0")
    inside = [array if array.dtype == BOOL else np.zeros_like(array) for array in arrays]
    return target[numpy_index(inside, dims)].shape  # type: ignore[no-any-return]


def _accumulate_at(
    target: Any, value: Any, arrays: tuple[Any, ...], dims: tuple[int, ...], fresh: bool
) -> None:
    if (
        target.ndim == 1
        and len(arrays) == 1
        and np.shape(value) == arrays[0].shape
        and target.dtype not in LOW_PRECISION
    ):
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
        add_along(target.reshape(count(lead), *target.shape[len(dims) :]), 0, np.asarray(index), value, fresh)
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
        old = g if accumulate else put_at(g, tensor_beside(g, np.zeros((), g._array.dtype)), saved, attrs)
    return (old, None if value_edge is None else read_at(g, saved, dims), *[None] * len(rest))


INDEX_PUT = Primitive("index_put", _put_impl, _put_vjp)


def read_at(x: Tensor, indices: tuple[Tensor, ...], dims: tuple[int, ...]) -> Tensor:
    """The elements of ``x`` at index tensors, of which each stands at its dimension."""
    arrays = [index._array for index in indices]
    attrs = {"dims": dims}
    if any([type(array) is not ndarray for array in arrays]) or type(x._array) is not ndarray:
        selected = _selected(*_first_and_rest(arrays_of((x, *indices))), attrs)
    else:
        selected = np.asarray(_index_impl(x._array, *arrays, dims=dims))
    if x._node is None:
        return held(make_tensor(selected))
    return recorded(INDEX, (x, *indices), attrs, selected, indices)


def _first_and_rest(values: list[Any]) -> tuple[Any, list[Any]]:
    return values[0], values[1:]


def _selected(x: Any, arrays: list[Any], attrs: dict[str, Any]) -> Any:
    if any([array.dtype == BOOL for array in arrays]):  # how many there are depends on the mask
        if type(x) is Batched or type(x) in OF_ARRAYS or any([type(array) is Batched for array in arrays]):
            return run(INDEX, (x, *arrays), attrs)
        return np.asarray(_index_impl(np.asarray(x), *[np.asarray(array) for array in arrays], **attrs))
    return run(INDEX, (x, *arrays), attrs)


def put_at(x: Tensor | None, value: Tensor, indices: tuple[Tensor, ...], attrs: dict[str, Any]) -> Tensor:
    """``x`` (or zeros of ``attrs["shape"]``) with ``value`` written, or added, at index tensors."""
    arrays = arrays_of((x, value, *indices))
    return recorded(INDEX_PUT, (x, value, *indices), attrs, run(INDEX_PUT, arrays, attrs), indices)


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
        self,
        INDEX_PUT,
        (value, *indices),
        attrs,
        indices,
        write_at,
        name,
        name in ("index_put_", "index_fill_"),
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


_WORD = np.dtype(np.uint64)


def check_range(index: Tensor, extent: int, error: type[Exception], message: str, lowest: int = 0) -> None:
    """Raise ``error`` with ``message`` (which may name ``{bad}``) if an element of ``index`` is not in [lowest, extent)."""
    check_array_range(index._array, extent, error, message, lowest)


def check_array_range(array: Any, extent: int, error: type[Exception], message: str, lowest: int = 0) -> None:
    """``check_range`` of an array; in a recording, when it runs."""
    if type(array) is not ndarray:
        if type(array) is Batched and type(bottom(array)) is Pending:
            array = bottom(array)
        if type(array) is Pending:
            array.tape.check_range(array, extent, error, message, lowest)
            return
        if type(array) is Batched:
            array = array.memory
    if array.size:
        if array.dtype is I64 and not lowest and type(array) is ndarray and array.flags.c_contiguous:
            words = array.view(_WORD)  # in which a negative number is larger than any extent
            if words.item(words.argmax()) < extent:
                return
        low, high = extremes(array)
        if low < lowest or high >= extent:
            raise error(message.format(bad=low if low < lowest else high))
