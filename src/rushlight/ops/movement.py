"""Views and copies: operations that move elements without computing on them."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.device import OF_ARRAYS, strided
from ..core.dtypes import F32, F64, FLOATS, OF_NUMPY, NumpyDType, dtype, dtype as Dtype, float8_e4m3fn
from ..core.errors import no_memory
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node, UntrackedNode, known_as
from ..core.memory_order import ordered_like
from ..core.shapes import Shape, as_shape, infer_shape, wrap_dim, wrap_dims
from ..core.sparse_arrays import SparseArray
from ..core.storage import Storage
from ..core.tensor import Tensor, make_tensor
from ..runtime.large import run_large
from ..runtime.pending import Pending
from ..runtime.transposed_copy import contiguous as row_major
from .define import Primitive
from .dispatch import apply, attach, compute, held, named
from .numpy_names import required_dim

grad_enabled = GRAD_MODE.get
_new = object.__new__
weak = weakref.ref


def make_view(record: Primitive, parent: Tensor, array: Any, attrs: dict[str, Any]) -> Tensor:
    """A tensor around ``array``, which is a view of ``parent``'s memory by ``record`` with ``attrs``."""
    tensor = _new(Tensor)
    tensor._array = array
    tensor._grad = None
    storage = parent._storage
    if storage is None:
        storage = parent._storage = Storage()
    tensor._storage = storage
    edge = parent._node
    if grad_enabled():
        tensor._node = None if edge is None else Node(record, (edge,), array, None, attrs)
        tensor._view = (parent, record, attrs)
    else:
        tensor._node = None if edge is None else UntrackedNode(tensor)
        tensor._view = (parent, None, None)
    if type(array) is Pending:
        array.held_by(tensor)
    views = storage.views
    if views is None:
        storage.add_view(tensor)
    else:
        views.append(weak(tensor))
        if len(views) > storage.limit:
            storage.prune()
    return tensor


def view_of(record: Primitive, parent: Tensor, attrs: dict[str, Any]) -> Tensor:
    """The view of ``parent`` by ``record``."""
    return make_view(record, parent, record.impl(parent._array, **attrs), attrs)


# --- reshape ----------------------------------------------------------------------------------------------------------


def _reshape_impl(x: Any, shape: Shape) -> Any:
    return x.reshape(shape)


def _reshape_vjp(g: Tensor, node: Node) -> Tensor:
    (edge,) = node.edges
    assert edge is not None
    return reshape(g, edge.shape)


VIEW = Primitive("view", _reshape_impl, _reshape_vjp)
# The same under the names that PyTorch's graphs show.
SQUEEZE = Primitive("squeeze", _reshape_impl, _reshape_vjp)
UNSQUEEZE = Primitive("unsqueeze", _reshape_impl, _reshape_vjp)
RESHAPED_COPY = Primitive("reshape", _reshape_impl, _reshape_vjp, grad_name="ReshapeAliasBackward0")


def reshape(input: Tensor, *extents: Any, shape: Any = None) -> Tensor:
    """``input`` in another shape with the same elements in the same order: a view where strides allow, else a copy.

    One extent may be -1: it is inferred. Raises ``RuntimeError`` if the number of elements differs.
    """
    array = input._array
    if len(extents) == 1 and isinstance(extents[0], tuple):
        shape = extents[0]
    elif shape is None:
        shape = extents
    try:
        # The flag first: asking reshape not to copy costs four times the reshape itself.
        result = array.reshape(shape) if array.flags.c_contiguous else array.reshape(shape, copy=False)
    except (ValueError, TypeError):
        target = infer_shape(as_shape(tuple(shape), "reshape"), array.size)
        try:
            result = array.reshape(target, copy=False)
        except ValueError:
            copied = (row_major(array) if type(array) is np.ndarray else array).reshape(target)
            return attach(RESHAPED_COPY, (input,), {"shape": target}, copied)  # type: ignore[no-any-return]
    return make_view(VIEW, input, result, {"shape": result.shape})


def handed_over(fresh: Tensor, shape: Shape) -> Tensor:
    """``fresh``, which nothing else holds, in another shape, and no view of it."""
    return attach(RESHAPED_COPY, (fresh,), {"shape": shape}, fresh._array.reshape(shape))  # type: ignore[no-any-return]


def view(self: Tensor, *shape: Any, size: Any = None, dtype: Any = None) -> Tensor:
    """``self`` in another shape, sharing memory; ``view(dtype)`` reinterprets the bytes.

    Also by keyword: ``view(size=(2, 3))``, ``view(dtype=torch.int32)``.

    Raises ``RuntimeError`` where the strides do not allow a view, or the number of elements differs.
    """
    array = self._array
    if not shape and (dtype is not None or size is not None):
        shape = (dtype,) if size is None else (size,)
    given = shape
    if len(given) == 1 and isinstance(given[0], tuple):
        shape = given[0]
    try:
        result = array.reshape(shape) if array.flags.c_contiguous else array.reshape(shape, copy=False)
    except (ValueError, TypeError):
        if len(given) == 1 and isinstance(given[0], Dtype):
            return view_dtype(self, given[0])
        target = infer_shape(as_shape(given, "view"), array.size)
        try:
            result = array.reshape(target, copy=False)
        except ValueError:
            raise RuntimeError(
                "view size is not compatible with input tensor's size and stride (at least one dimension spans across "
                "two contiguous subspaces). Use .reshape(...) instead."
            ) from None
    return make_view(VIEW, self, result, {"shape": result.shape})


def view_dtype(self: Tensor, target: dtype) -> Tensor:
    """The bytes of ``self`` seen as another dtype; the last dimension grows or shrinks with the item size."""
    array = self._array
    if array.dtype == target.numpy:
        return make_view(VIEW, self, array[...], {"shape": array.shape})
    if self._node is not None and grad_enabled():
        raise RuntimeError(
            "view(dtype): a tensor that requires grad can't be reinterpreted; detach() it first"
        )
    try:
        result = array.view(target.numpy)
    except (ValueError, TypeError):
        raise RuntimeError(
            f"self.size(-1) must be divisible by {target.itemsize // array.itemsize or 1} to view {self.dtype} as {target} "
            f"(different element sizes), and contiguous in the last dimension, but got {list(array.shape)}"
        ) from None
    tensor = make_tensor(result)
    if self._storage is None:
        self._storage = Storage()
    tensor._storage = self._storage
    return tensor


# --- permutations -----------------------------------------------------------------------------------------------------


def _permute_vjp(g: Tensor, node: Node) -> Tensor:
    dims = node.attrs["dims"]
    inverse = [0] * len(dims)
    for position, dim in enumerate(dims):
        inverse[dim] = position
    return view_of(PERMUTE, g, {"dims": tuple(inverse)})


PERMUTE = Primitive("permute", lambda x, dims: x.transpose(dims), _permute_vjp)
TRANSPOSE: Primitive = Primitive(
    "transpose",
    lambda x, dim0, dim1: x.swapaxes(dim0, dim1) if x.ndim else x[...],
    lambda g, node: view_of(TRANSPOSE, g, node.attrs),
)
T: Primitive = Primitive("t", lambda x: x.T, lambda g, node: view_of(T, g, {}), grad_name="TBackward0")


def permute(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """A view with the dimensions in the given order."""
    given = args if dims is None else (dims,)
    order = given[0] if len(given) == 1 and type(given[0]) is tuple else as_shape(given, "permute")
    array = input._array
    try:
        result = array.transpose(order)
    except (ValueError, TypeError):
        raise _permutation_error(order, array.ndim) from None
    if order and min(order) < 0:
        order = tuple([dim % array.ndim for dim in order])
    return make_view(PERMUTE, input, result, {"dims": order})


def _permutation_error(order: Shape, ndim: int) -> Exception:
    if len(order) != ndim:
        return RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {ndim} is not equal to len(dims) = {len(order)}"
        )
    for dim in order:
        wrap_dim(dim, ndim)  # raises outside of the range
    return RuntimeError(f"permute(): duplicate dims are not allowed, got {list(order)}")


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with two dimensions swapped."""
    array = input._array
    try:
        result = array.swapaxes(dim0, dim1)
    except (ValueError, TypeError):
        for dim in (dim0, dim1):
            wrap_dim(dim, array.ndim)  # raises outside of the range
        result = array[...]  # of a 0-dim tensor
    return make_view(TRANSPOSE, input, result, {"dim0": dim0, "dim1": dim1})


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix, as a view; vectors and 0-dim tensors come back as views of themselves."""
    array = input._array
    if array.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {array.ndim}D")
    return make_view(T, input, array.T, {})


# --- basic indexing ---------------------------------------------------------------------------------------------------


def _slice_backward_impl(g: Any, shape: Shape, index: Any) -> Any:
    result = np.zeros(shape, g.dtype)
    result[index] = g
    return result


SLICE = Primitive(
    "slice",
    lambda x, index: x[index],
    lambda g, node: apply(SLICE_BACKWARD, (g,), {"shape": node.edges[0].shape, "index": node.attrs["index"]}),
)
SLICE_BACKWARD: Primitive = Primitive(
    "slice_backward",
    _slice_backward_impl,
    lambda g, node: view_of(SLICE, g, {"index": node.attrs["index"]}),
)
SELECT = Primitive(
    "select",
    lambda x, index: x[index],
    lambda g, node: apply(SLICE_BACKWARD, (g,), {"shape": node.edges[0].shape, "index": node.attrs["index"]}),
)


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The view at ``index`` of dimension ``dim``, which is dropped."""
    array = input._array
    if array.ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, array.ndim)
    extent = array.shape[dim]
    if not -extent <= index < extent:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(array.shape)} at dimension {dim}"
        )
    where: Any = (*(slice(None),) * dim, int(index), ...)
    return make_view(SELECT, input, array[where], {"index": where})


def narrow(input: Tensor, dim: int, start: int | Tensor, length: int) -> Tensor:
    """The view of ``length`` elements from ``start`` along ``dim``."""
    array = input._array
    if array.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, array.ndim)
    extent = array.shape[dim]
    if isinstance(start, Tensor) and (start._array.ndim or start._array.dtype.kind not in "iu"):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    start, length = int(start), int(length)
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -extent <= start <= extent:
        raise IndexError(
            f"start out of range (expected to be in range of [{-extent}, {extent}], but got {start})"
        )
    if start < 0:
        start += extent
    if start + length > extent:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({extent}).")
    where: Any = (*(slice(None),) * dim, slice(start, start + length), ...)
    return make_view(SLICE, input, array[where], {"index": where})


# --- expand, squeeze --------------------------------------------------------------------------------------------------


def _expand_impl(x: Any, shape: Shape) -> Any:
    """``x`` in ``shape``, in which -1 keeps an extent, with strides of 0 where its own extent of 1 is repeated."""
    lead = len(shape) - x.ndim
    strides = [0] * lead
    target = list(shape[:lead]) if lead >= 0 else []
    if lead < 0 or (lead and min(target) < 0):
        raise _expansion_error(x.shape, shape)
    for own, stride, extent in zip(x.shape, x.strides, shape[lead:], strict=True):
        if extent in (own, -1):
            target.append(own)
            strides.append(stride)
        elif own == 1 and extent >= 0:
            target.append(extent)
            strides.append(0)
        else:
            raise _expansion_error(x.shape, shape)
    if type(x) is not np.ndarray:
        return strided(x, target, strides) if type(x) in OF_ARRAYS else x.through(strided, target, strides)
    if x.flags.c_contiguous:
        try:
            return np.ndarray(target, x.dtype, x, 0, strides)  # a tenth of the time of as_strided
        except (ValueError, TypeError, BufferError):
            pass  # an empty array, or a dtype that is not NumPy's own
    return strided(x, target, strides)


def _expansion_error(shape: Shape, target: Shape) -> RuntimeError:
    lead = len(target) - len(shape)
    if lead < 0:
        return RuntimeError(
            f"expand(tensor of shape {list(shape)}, size={list(target)}): the number of sizes provided ({len(target)}) must "
            f"be greater or equal to the number of dimensions in the tensor ({len(shape)})"
        )
    for i, extent in enumerate(target):
        own = shape[i - lead] if i >= lead else None
        if extent == -1 and own is None:
            return RuntimeError(
                f"The expanded size of the tensor ({extent}) isn't allowed in a leading, non-existing dimension {i}"
            )
        if extent >= 0 and own is not None and own not in (1, extent):
            return RuntimeError(
                f"The expanded size of the tensor ({extent}) must match the existing size ({own}) at non-singleton "
                f"dimension {i}.  Target sizes: {list(target)}.  Tensor sizes: {list(shape)}"
            )
    return RuntimeError(f"expand: sizes must be -1 or not negative, got {list(target)}")


EXPAND = Primitive("expand", _expand_impl, lambda g, node: sum_to_shape(g, node.edges[0].shape))


def expand(self: Tensor, *sizes: Any, size: Any = None, implicit: bool = False) -> Tensor:
    """A view in which dimensions of extent 1 are repeated without copying; -1 keeps an extent."""
    if sizes and type(sizes[0]) is int and type(sizes[-1]) is int:
        target = sizes
    else:
        given = sizes if size is None else (size,)
        target = given[0] if len(given) == 1 and type(given[0]) is tuple else as_shape(given, "expand")
    result = _expand_impl(self._array, target)
    return make_view(EXPAND, self, result, {"shape": result.shape})


def squeeze(
    input: Tensor, dim: int | Sequence[int] | None = None, *, axis: int | Sequence[int] | None = None
) -> Tensor:
    """A view without the dimensions of extent 1 (all of them, or those in ``dim``)."""
    if axis is not None:
        dim = axis
    array = input._array
    if dim is None:
        result = array.squeeze()
    else:
        shape = array.shape
        drop = (
            (wrap_dim(dim, len(shape)),)
            if isinstance(dim, int)
            else wrap_dims(tuple(dim), len(shape))
            if dim
            else ()
        )
        result = array.reshape([n for i, n in enumerate(shape) if i not in drop or n != 1])
    view = make_view(SQUEEZE, input, result, {"shape": result.shape})
    if dim is None or view._node is None:
        return view
    return known_as(view, "SqueezeBackward1" if isinstance(dim, int) else "SqueezeBackward2")


def unsqueeze(input: Tensor, dim: int | None = None, *, axis: int | None = None) -> Tensor:
    """A view with a dimension of extent 1 inserted at ``dim``."""
    if dim is None:
        dim = required_dim("unsqueeze", axis)
    array = input._array
    shape = array.shape
    at = dim if type(dim) is int and 0 <= dim <= len(shape) else wrap_dim(dim, len(shape) + 1)
    result = array.reshape((*shape[:at], 1, *shape[at:]))
    return make_view(UNSQUEEZE, input, result, {"shape": result.shape})


# --- copies -----------------------------------------------------------------------------------------------------------


CLONE = Primitive("clone", lambda x: x.copy(), lambda g, node: g)
CONTIGUOUS = Primitive("contiguous", row_major, lambda g, node: g, grad_name="CloneBackward0")


_E4M3 = float8_e4m3fn.numpy


def _cast_impl(x: Any, dtype: NumpyDType) -> Any:
    kind, source = dtype.kind, x.dtype.kind
    if 0 in x.strides and x.size and not isinstance(x, SparseArray):
        # An expanded tensor's layout is not kept.
        x = np.ascontiguousarray(x).reshape(x.shape) if type(x) is np.ndarray else x.copy()
    if kind == "b":
        return x.astype(dtype)
    if source == "c" and kind != "c":
        x, source = x.real, "f"
    if kind in "iu" and source in "fV" and dtype.itemsize < 8:
        # C truncates through int64, so that 300.0 becomes 44 as a uint8, as in PyTorch.
        return x.astype(np.int64).astype(dtype)
    if dtype == _E4M3 and source in "fV":  # it has no infinity: PyTorch takes the largest number
        return np.clip(x.astype(F32), -448.0, 448.0).astype(dtype)
    if dtype.itemsize == 2 and x.dtype == F64:  # to half precision by way of float32, as PyTorch rounds
        return x.astype(F32).astype(dtype)
    return x.astype(dtype)


CAST = Primitive("to_copy", _cast_impl, lambda g, node: g, grad_name="ToCopyBackward0")


def clone(input: Tensor, *, memory_format: object = None) -> Tensor:
    """A copy with its own memory; gradients flow through it."""
    array = input._array
    if memory_format is not None:
        check_rank(array, memory_format)
    # A tensor whose elements do not overlap keeps its layout; an expanded one becomes contiguous.
    try:
        copied = array.copy() if 0 in array.strides and array.size > 1 else array.copy(order="K")
    except MemoryError as error:
        raise no_memory(error) from None
    edge = input._node
    if edge is None or not grad_enabled():
        return held(make_tensor(copied))
    return held(make_tensor(copied, Node(CLONE, (edge,), copied)))


def check_rank(array: Any, memory_format: object) -> None:
    """Raise ``RuntimeError`` for a memory format of other numbers of dimensions than the array has."""
    name = str(memory_format)
    rank = 4 if name == "torch.channels_last" else 5 if name == "torch.channels_last_3d" else None
    if rank is not None and array.ndim != rank:
        raise RuntimeError(f"required rank {rank} tensor to use {name[6:]} format")


def ordered_as(result: Tensor, input: Tensor) -> Tensor:
    """``result`` in the order of memory that PyTorch's operation on ``input`` gives: channels-last if ``input`` is."""
    array = input._array
    if array.ndim < 4 or type(array) is not np.ndarray or array.flags.c_contiguous:
        return result
    ordered = ordered_like(result._array, array)
    return result if ordered is result._array else attach(CLONE, (result,), {}, ordered)


def contiguous(self: Tensor, *, memory_format: object = None) -> Tensor:
    """``self`` if its elements lie in memory in row-major order, else a copy that does."""
    array = self._array
    if array.flags.c_contiguous:
        return self
    copied = row_major(array) if type(array) is np.ndarray else array.copy()
    return attach(CONTIGUOUS, (self,), {}, copied)  # type: ignore[no-any-return]


def cast(input: Tensor, numpy_dtype: NumpyDType) -> Tensor:
    """``input`` in another dtype (itself if it has it already); gradients flow between floating-point types."""
    array = input._array
    if array.dtype == numpy_dtype:
        return input
    if type(array) in OF_ARRAYS:
        return apply(CAST, (input,), {"dtype": numpy_dtype})  # type: ignore[no-any-return]
    if array.size >= CAST.large and type(array) is np.ndarray and numpy_dtype in FLOATS:
        result = run_large(CAST, (array,), {"dtype": numpy_dtype})
    else:
        result = compute(_cast_impl, (array, numpy_dtype), {})
    return attach(CAST, (input,), {"dtype": numpy_dtype}, result)  # type: ignore[no-any-return]


def sum_to_shape(input: Tensor, shape: Shape) -> Tensor:
    """``input`` summed over the dimensions that broadcasting from ``shape`` added or repeated."""
    from .reductions import sum_dims  # reductions' own gradients expand

    have = input._array.shape
    if have == shape:
        return input
    lead = len(have) - len(shape)
    if lead < 0:
        return expand(reshape(input, have), shape)
    dims = tuple(range(lead)) + tuple(
        [i + lead for i, n in enumerate(shape) if n == 1 and have[i + lead] != 1]
    )
    if dims:
        input = sum_dims(input, dims, True)
    return reshape(input, shape) if lead else input


def element_type(tensor: Tensor) -> dtype:
    return OF_NUMPY[tensor._array.dtype]


for _function in (
    reshape,
    view,
    permute,
    transpose,
    t,
    select,
    narrow,
    expand,
    squeeze,
    unsqueeze,
    clone,
    contiguous,
):
    named(_function, _function.__name__)

METHODS: dict[str, Any] = {
    "reshape": reshape,
    "view": view,
    "permute": permute,
    "transpose": transpose,
    "t": t,
    "select": select,
    "narrow": narrow,
    "expand": expand,
    "squeeze": squeeze,
    "unsqueeze": unsqueeze,
}
