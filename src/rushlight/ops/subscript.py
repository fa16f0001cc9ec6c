"""``x[index]`` and ``x[index] = value``, in full.

Ints, slices, None and Ellipsis give a view; that path is written out without calls, because programs take it for every
row and every step. Everything else is parsed into a view by those parts and index tensors for the rest: PyTorch applies
ints before it places the result's dimensions (NumPy counts them among the index arrays), so ``x[0, :, [1, 2]]`` has
shape (n, 2) here and (2, n) in NumPy.
"""

from __future__ import annotations

import operator
import sys
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.dtypes import BOOL, F32, F64, I64
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node, UntrackedNode
from ..core.storage import LIBRARY, Storage, program_site
from ..core.tensor import Tensor, make_tensor
from ..runtime.batched import Batched
from ..runtime.pending import Pending
from .creation import from_numpy
from .define import Primitive
from .dispatch import type_name
from .index_tensors import cast_index_error, checked_index, put_at_, read_at
from .inplace import announce, changed, check_no_overlap, check_partial_overlap
from .masking import masked_fill_
from .movement import SELECT, SLICE, expand, make_view, reshape, unsqueeze
from .overwriting import check_expands, copy_, element_array, fill_

grad_enabled = GRAD_MODE.get
getframe = sys._getframe
_new = object.__new__
_weak = weakref.ref
FULL = slice(None)
_LARGE = 3.4e38  # what a float32 holds, nearly: numbers beyond it are looked at more closely


# A slice under the name that PyTorch's graphs show where None comes last.
WITH_NEW_DIMENSION = Primitive("with_new_dimension", SLICE.impl, SLICE.vjp, grad_name="UnsqueezeBackward0")
_VIEWS = (SELECT, SLICE, WITH_NEW_DIMENSION)


# --- reading ----------------------------------------------------------------------------------------------------------


def getitem(self: Tensor, index: Any) -> Tensor:
    """``self[index]``: a view for ints, slices, None and Ellipsis; a copy where tensors, lists or masks select.

    Raises ``IndexError`` out of range, for too many indices, and for things that can't be an index; ``ValueError`` for a
    negative step.

    Example:
        >>> import rushlight as torch
        >>> x = torch.arange(6).reshape(2, 3)
        >>> x[:, 1], x[x > 3], x[[0, 1], [2, 0]]
        (tensor([1, 4]), tensor([4, 5]), tensor([2, 3]))
    """
    array = self._array
    kind = type(index)
    record: Primitive
    if kind is int:
        where = (index, ...)
        record = SELECT
    elif kind is slice:
        if not _is_plain(index):
            return _general(self, index)
        where = index
        record = SLICE
    elif kind is tuple:
        record = SLICE
        where = index
        open_ended = True
        for part in index:
            kind = type(part)
            if kind is int:
                record = SELECT
            elif kind is slice:
                if part != FULL:
                    if not _is_plain(part):
                        return _general(self, index)
                    record = SLICE
            elif part is ... and open_ended:
                open_ended = False
            elif part is None:
                record = WITH_NEW_DIMENSION
            else:
                return _general(self, index)
        if open_ended:
            where = (*index, ...)
    elif index is None:
        where = (None, ...)
        record = WITH_NEW_DIMENSION
    else:
        if kind is Tensor:
            chosen = index._array
            if (
                chosen.ndim
                and array.ndim
                and (chosen.dtype is I64 or (chosen.dtype is BOOL and chosen.shape == array.shape))
            ):
                return read_at(self, (index,), (0,))
        elif kind is list and index and array.ndim:
            for part in index:
                if type(part) is not int:
                    break
            else:
                return read_at(self, (make_tensor(np.array(index, np.int64)),), (0,))
        return _general(self, index)
    try:
        view = array[where]
    except IndexError as error:
        raise _index_error(error, array, index) from None
    # make_view, written out.
    tensor = _new(Tensor)
    tensor._array = view
    tensor._grad = None
    storage = self._storage
    if storage is None:
        storage = self._storage = Storage()
    tensor._storage = storage
    edge = self._node
    attrs = {"index": where}
    if grad_enabled():
        tensor._node = None if edge is None else Node(record, (edge,), view, None, attrs)
        tensor._view = (self, record, attrs)
    else:
        tensor._node = None if edge is None else UntrackedNode(tensor)
        tensor._view = (self, None, None)
    if type(view) is Pending:
        view.held_by(tensor)
    views = storage.views
    if views is None:
        storage.add_view(tensor)
    else:
        views.append(_weak(tensor))
        if len(views) > storage.limit:
            storage.prune()
    return tensor


def _is_plain(part: slice) -> bool:
    """Whether all numbers of a slice are ints and the step goes forward."""
    step = part.step
    return (
        (step is None or (type(step) is int and step > 0))
        and (part.start is None or type(part.start) is int)
        and (part.stop is None or type(part.stop) is int)
    )


def _index_error(error: IndexError, array: Any, index: Any) -> Exception:
    parts = index if isinstance(index, tuple) else (index,)
    taken = sum(1 for part in parts if part is not None and part is not ...)
    if taken > array.ndim:
        if not array.ndim:
            if any(isinstance(part, slice) for part in parts):
                return IndexError("slice() cannot be applied to a 0-dim tensor.")
            return IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a "
                "0-dim tensor to a number"
            )
        return IndexError(f"too many indices for tensor of dimension {array.ndim}")
    if any(isinstance(part, int) and not -(1 << 63) <= part < 1 << 63 for part in parts):
        return ValueError("Overflow when unpacking long long: an index does not fit 64 bits")
    return cast_index_error(error)


def _general(self: Tensor, index: Any) -> Tensor:
    if type(index) is tuple and len(index) <= self._array.ndim:
        for part in index:
            if type(part) is not Tensor or part._array.dtype is not I64 or not part._array.ndim:
                break
        else:
            return read_at(self, index, tuple(range(len(index))))
    region, tensors, dims = parse(self, index)
    if tensors:
        return read_at(region, tensors, dims)
    return region if region is not self else getitem(self, (...,))


# --- parsing ----------------------------------------------------------------------------------------------------------


def parse(self: Tensor, index: Any) -> tuple[Tensor, tuple[Tensor, ...], tuple[int, ...]]:
    """The view that ints, slices, None and Ellipsis of ``index`` give, its index tensors, and each one's dimension there."""
    if isinstance(index, tuple):
        parts = index
    elif isinstance(index, list) and _stands_for_tuple(index):
        import warnings

        warnings.warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch 2.9; use "
            "x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, x[torch.tensor(seq)], "
            "which will result either in an error or a different result",
            UserWarning,
            stacklevel=4,
        )
        parts = tuple(index)
    else:
        parts = (index,)
    array = self._array
    try:
        items = [_part(part) for part in parts]
    except Exception:
        _check_number(parts, array)  # PyTorch counts before it looks at what is there
        raise
    taken = sum([_taken(item) for item in items])
    if taken > array.ndim:
        if not array.ndim:
            raise _index_error(IndexError(), array, tuple([0 if isinstance(i, Tensor) else i for i in items]))
        raise IndexError(f"too many indices for tensor of dimension {array.ndim}")
    where: list[Any] = []
    tensors: list[Tensor] = []
    dims: list[int] = []
    at = axis = 0  # the dimension in the view, and in self
    trivial, widened = True, False
    for item in items:
        if item is ...:
            if widened and taken:
                raise IndexError("an index can only have a single ellipsis ('...')")
            width = 0 if widened else array.ndim - taken
            widened = True
            where.extend([FULL] * width)
            at += width
            axis += width
        elif item is None:
            where.append(None)
            trivial = False
            at += 1
        elif isinstance(item, int) and not isinstance(item, bool):
            where.append(item)
            trivial = False
            axis += 1
        elif isinstance(item, slice):
            where.append(item)
            trivial = trivial and item == FULL
            at += 1
            axis += 1
        elif isinstance(item, bool) or (not item._array.ndim and item._array.dtype == BOOL):
            # True and False (and 0-dim masks) select from a new dimension of one element.
            where.append(None)
            trivial = False
            chosen = item if isinstance(item, bool) else bool(item._array)
            tensors.append(make_tensor(np.zeros(1 if chosen else 0, np.int64)))
            dims.append(at)
            at += 1
        else:
            width = 1
            if item._array.dtype == BOOL:
                width = item._array.ndim
                _check_mask(item, array.shape, axis, at)
            where.extend([FULL] * width)
            tensors.append(item)
            dims.append(at)
            at += width
            axis += width
    if trivial:
        return self, tuple(tensors), tuple(dims)
    plain = (*where, ...)
    try:
        view = array[plain]
    except IndexError as error:
        raise _index_error(error, array, tuple(where)) from None
    record = SELECT if any(type(part) is int for part in where) else SLICE
    return make_view(record, self, view, {"index": plain}), tuple(tensors), tuple(dims)


def _check_number(parts: tuple[Any, ...], array: Any) -> None:
    """Raise ``IndexError`` where there are more parts of an index than dimensions, whatever they are."""
    taken = 0
    for part in parts:
        if isinstance(part, Tensor):
            taken += _taken(part)
        elif not (part is None or part is ... or isinstance(part, bool)):
            taken += 1
    if taken > array.ndim:
        raise IndexError(f"too many indices for tensor of dimension {array.ndim}")


def _stands_for_tuple(index: list[Any]) -> bool:
    # PyTorch still reads x[[0, slice(None)]] and x[[[0, 1], [1, 2]]] as NumPy once did.
    return len(index) < 32 and any(
        part is None or part is ... or isinstance(part, Tensor | slice | list | tuple | range | np.ndarray)
        for part in index
    )


def _taken(item: Any) -> int:
    if item is None or item is ... or isinstance(item, bool):
        return 0
    if isinstance(item, Tensor):
        array = item._array
        return array.ndim if array.dtype == BOOL else 1
    return 1


def _check_mask(mask: Tensor, shape: tuple[int, ...], axis: int, at: int) -> None:
    for i, extent in enumerate(mask._array.shape):
        if axis + i < len(shape) and shape[axis + i] != extent:
            raise IndexError(
                f"The shape of the mask {list(mask._array.shape)} at index {i} does not match the shape of the indexed tensor "
                f"{list(shape)} at index {at + i}"
            )


def _part(part: Any) -> Any:
    """One part of an index as an int, a bool, a slice with a forward step, None, Ellipsis, or a checked index tensor."""
    if part is None or part is ... or isinstance(part, bool):
        return part
    if isinstance(part, int):
        return int(part)
    if isinstance(part, slice):
        return _forward_slice(part)
    if isinstance(part, Tensor):
        array = part._array
        if not array.ndim and array.dtype.kind in "iu" and array.dtype != np.uint8:
            return part if type(array) is Batched else int(array)
        return checked_index(part)
    if isinstance(part, np.ndarray):
        if not part.ndim and part.dtype.kind in "iu":
            return int(part)
        # Any integer type of NumPy selects, but uint8 tensors are masks.
        return checked_index(
            from_numpy(
                part
                if part.dtype in (BOOL, np.uint8) or part.dtype.kind not in "iu"
                else part.astype(np.int64)
            )
        )
    if isinstance(part, np.bool_):
        return bool(part)
    if hasattr(part, "__index__"):
        return operator.index(part)
    if isinstance(part, Sequence):
        if isinstance(part, str | bytes):
            raise TypeError(f"new(): invalid data type {type(part).__name__!r}")
        return _sequence(part)
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got "
        f"{type(part).__name__})"
    )


def _sequence(part: Sequence[Any]) -> Tensor:
    try:
        array = np.array([item._array if isinstance(item, Tensor) else item for item in part])
    except ValueError:
        raise ValueError(f"an index list must have rows of one length, got {list(part)!r}") from None
    if not array.size and array.dtype.kind == "f":
        array = array.astype(np.int64)
    if array.dtype.kind in "OUSV":
        raise TypeError(f"an index list must hold ints or bools, got {list(part)!r}")
    return make_tensor(array if array.dtype == BOOL else array.astype(np.int64))


def _forward_slice(part: slice) -> slice:
    def number(value: Any) -> int | None:
        if value is None:
            return None
        try:
            return operator.index(value)
        except TypeError:
            if isinstance(value, Tensor):
                raise
            raise TypeError("slice indices must be integers or None or have an __index__ method") from None

    step = number(part.step)
    if step is not None and step <= 0:
        raise ValueError("slice step cannot be zero" if step == 0 else "step must be greater than zero")
    return slice(number(part.start), number(part.stop), step)


# --- writing ----------------------------------------------------------------------------------------------------------


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """``self[index] = value``: a number, or a tensor that is broadcast and cast; gradients flow to it and to the rest.

    Raises ``IndexError`` as reading does, ``RuntimeError`` for a value of another shape and for a leaf that requires grad,
    ``TypeError`` for a value that is neither.

    Example:
        >>> import rushlight as torch
        >>> x = torch.zeros(2, 3)
        >>> x[:, 1] = torch.tensor([5.0, 6.0])
        >>> x[x == 0] = -1
        >>> x
        tensor([[-1.,  5., -1.],
                [-1.,  6., -1.]])
    """
    kind = type(index)
    if kind is not int and not (kind is slice and _is_plain(index)) and index is not ...:
        if kind is not tuple:
            _general_set(self, index, value)
            return
        for part in index:
            kind = type(part)
            if not (kind is int or part is None or (kind is slice and _is_plain(part)) or part is ...):
                _general_set(self, index, value)
                return
    array = self._array
    kind = type(value)
    if (self._node is not None and grad_enabled()) or 0 in array.strides:
        _view_set(getitem(self, index), value)
        return
    content: Any
    if kind is float or kind is int:
        dtype = array.dtype
        content = (
            value
            if (dtype is F32 or dtype is F64) and -_LARGE < value < _LARGE
            else element_array(value, dtype)
        )
    elif isinstance(value, Tensor):
        storage = value._storage
        if storage is not None and storage is self._storage and (value._node is None or not grad_enabled()):
            # Most often what `x[i] += y` ends with: the part is written already.
            view = value._view
            if view is not None and view[0] is self and view[1] in _VIEWS:
                where = (
                    index if type(index) is slice else (*index, ...) if type(index) is tuple else (index, ...)
                )
                if view[2]["index"] == where:
                    changed(self, announce(self, "copy_"), None)
                    return
        if (
            (value._node is not None and grad_enabled())
            or (storage is not None and storage is self._storage)
            or (value._array.dtype is not array.dtype and value._array.dtype.kind == "c")
        ):
            _view_set(getitem(self, index), value)
            return
        content = value._array
    else:
        _view_set(getitem(self, index), value)
        return
    storage = self._storage
    if storage is None:
        storage = self._storage = Storage()
    storage.changed_by = "copy_"  # before anything is written: inference tensors may refuse
    try:
        array[index] = content
    except IndexError as error:
        raise _index_error(error, array, index) from None
    except ValueError:
        # A vector of one for one element; for anything else this raises in PyTorch's words.
        _view_set(getitem(self, index), value)
        return
    storage.version += 1
    frame: Any = getframe(1)
    code = frame.f_code
    storage.changed_at = (
        program_site(frame) if code.co_filename.startswith(LIBRARY) else (code, frame.f_lasti)
    )


def _view_set(region: Tensor, value: Any) -> None:
    if not isinstance(value, Tensor):
        _fill(region, value)
    else:
        value = _without_leading_ones(value, region._array.ndim)
        shape = region._array.shape
        if value._array.shape != shape:
            check_expands(value._array.shape, shape)
            value = expand(value, shape)
        copy_(region, value)


def _fill(region: Tensor, value: Any) -> None:
    if not isinstance(value, bool | int | float | complex | np.generic):
        raise TypeError(
            f"can't assign a {type(value).__name__} to a torch.{type_name(region._array.dtype)}Tensor"
        )
    check_no_overlap(region._array)
    fill_(region, value)


def _without_leading_ones(value: Tensor, ndim: int) -> Tensor:
    shape = value._array.shape
    drop = 0
    while len(shape) - drop > ndim and shape[drop] == 1:
        drop += 1
    return reshape(value, shape[drop:]) if drop else value


def _quick_set(self: Tensor, where: Any, value: Any) -> bool:
    """``self[where] = value`` for one index or mask and no history; whether that is the case and was done."""
    array = self._array
    if (
        not where.ndim
        or (where.dtype is not I64 and (where.dtype is not BOOL or where.shape != array.shape))
        or (self._node is not None and grad_enabled())
        or 0 in array.strides
        # While a graph is recorded there are no values to choose places by; a fill by a mask needs none.
        or (where.dtype is BOOL and type(array) is not np.ndarray)
    ):
        return False
    if isinstance(value, Tensor):
        if (
            value._array.dtype is not array.dtype
            or (value._node is not None and grad_enabled())
            or (value._storage is not None and value._storage is self._storage)
        ):
            return False
        content = value._array
    elif isinstance(value, bool | int | float):
        content = element_array(value, array.dtype)
    else:
        return False
    storage = announce(self, "index_put_")
    try:
        array[where] = content
    except (IndexError, ValueError, TypeError):
        return False  # NumPy checks all before it writes; the general way says what is wrong
    changed(self, storage, None)
    return True


def _general_set(self: Tensor, index: Any, value: Any) -> None:
    if index is False:
        return
    if index is True:
        _view_set(unsqueeze(self, 0), value)
        return
    if type(index) is Tensor and _quick_set(self, index._array, value):
        return
    region, tensors, dims = parse(self, index)
    if not tensors:
        _view_set(region if region is not self else getitem(self, (...,)), value)
        return
    number = not isinstance(value, Tensor)
    if number and not isinstance(value, bool | int | float | complex | np.generic):
        raise TypeError(
            f"can't assign a {type(value).__name__} to a torch.{type_name(self._array.dtype)}Tensor"
        )
    if len(tensors) == 1 and tensors[0]._array.dtype == BOOL and (number or value._array.size == 1):
        mask = tensors[0]._array
        behind = region._array.ndim - dims[0] - mask.ndim
        masked_fill_(
            region, reshape(tensors[0], mask.shape + (1,) * behind), value if number else reshape(value, ())
        )
        return
    content = (
        make_tensor(element_array(value, region._array.dtype)) if number else _without_leading_ones(value, 0)
    )
    if content._array.dtype != region._array.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{type_name(region._array.dtype)} for the destination and {type_name(content._array.dtype)} for the source."
        )
    if content._storage is not None and content._storage is region._storage and content is not region:
        check_partial_overlap(region._array, content._array)
    put_at_(region, content, tensors, dims, False, "index_put_")


def _delete(self: Tensor, index: Any) -> None:
    raise TypeError("Tensor does not support deleting items")


METHODS: dict[str, Any] = {"__getitem__": getitem, "__setitem__": setitem, "__delitem__": _delete}
