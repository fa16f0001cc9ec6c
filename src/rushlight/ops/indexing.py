"""Functions that take index tensors: ``index_put``, ``index_select``, ``index_add``, ``index_copy``, ``index_fill``, ``take``,
``put`` and ``embedding``. ``gather`` and ``scatter`` are in ``scattering``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.arguments import check_tensor as check_tensor_argument
from ..core.dtypes import BOOL, I64
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node, known_as
from ..core.shapes import wrap_dim
from ..core.tensor import Tensor, make_tensor
from .accumulation import add_along
from .comparison import ne, where
from .define import Primitive
from .dispatch import arrays_of, held, is_number, run, type_name, write_out
from .index_tensors import (
    INDEX_TYPES,
    check_array_range,
    check_range,
    index_dims,
    put_at,
    put_at_,
    read_at,
    recorded,
)
from .inplace import check_leaf, overwrite
from .memory_overlap import check_apart
from .movement import cast, clone, handed_over, reshape
from .numpy_names import numpy_names
from .overwriting import element_array
from .placement import tensor_beside

grad_enabled = GRAD_MODE.get


# --- any dimensions: index_put ----------------------------------------------------------------------------------------


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
            "Index put requires the source and destination dtypes match, got "
            f"{type_name(x._array.dtype)} for the destination and {type_name(value._array.dtype)} for the source."
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


def _at_least_vector(x: Tensor) -> Tensor:
    return x if x._array.ndim else reshape(x, (1,))


def write_same_type(out: Tensor, result: Tensor, name: str) -> Tensor:
    """``out=`` of what takes no other dtype than the input's."""
    if isinstance(out, Tensor) and out._array.dtype != result._array.dtype:
        raise RuntimeError(
            f"{name}(): self and result must have the same scalar type: {result.dtype} and {out.dtype}"
        )
    return write_out(out, result, name)


@numpy_names
def index_select(input: Tensor, dim: int, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The slices of ``input`` along ``dim`` whose numbers are in ``index`` (a vector of int32 or int64).

    Raises ``IndexError`` for a number outside ``[0, input.shape[dim])``.

    Example:
        >>> import rushlight as torch
        >>> torch.index_select(torch.tensor([[1, 2], [3, 4], [5, 6]]), 0, torch.tensor([2, 0]))
        tensor([[5, 6],
                [1, 2]])
    """
    check_tensor_argument("index_select", "input", input)
    check_tensor_argument("index_select", "index", index)
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
        result = handed_over(result, ())
    return (
        known_as(result, "IndexSelectBackward0")
        if out is None
        else write_same_type(out, result, "index_select")
    )


def _checked_source(self: Tensor, dim: int, index: Tensor, source: Any, name: str) -> Tensor:
    if not isinstance(source, Tensor):
        raise TypeError(f"{name}(): argument 'source' must be Tensor, not {type(source).__name__}")
    x, s = self._array, source._array
    if x.dtype != s.dtype:
        raise RuntimeError(
            f"{name}(): self ({type_name(x.dtype)}) and source ({type_name(s.dtype)}) must have the same scalar type"
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
        return handed_over(
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


@numpy_names
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
    return known_as(result, "IndexAddBackward0") if out is None else write_out(out, result, "index_add")


@numpy_names
def index_add_(self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """In-place form of ``index_add``."""
    return _index_update(self, dim, index, _times(source, alpha), True, "index_add_", True)


@numpy_names
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
    return known_as(result, "IndexCopyBackward0") if out is None else write_out(out, result, "index_copy")


@numpy_names
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
    return dim, index, scalar_content(value, self, "index_fill_")


@numpy_names
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy of ``input`` with ``value`` (a number or a 0-dim tensor) in the slices ``index`` along ``dim``.

    Example:
        >>> import rushlight as torch
        >>> torch.index_fill(torch.zeros(3), 0, torch.tensor([0, 2]), -1)
        tensor([-1.,  0., -1.])
    """
    dim, index, content = _checked_fill(input, dim, index, value)
    if content._node is not None:
        return known_as(_fill_by_mask(input, dim, index, content), "IndexFillBackward0")
    attrs = {"dims": (dim,), "accumulate": False}
    result = put_at(_at_least_vector(input), content, (index,), attrs)
    return known_as(result, "IndexFillBackward0") if input._array.ndim else handed_over(result, ())


def _fill_by_mask(x: Tensor, dim: int, index: Tensor, content: Tensor) -> Tensor:
    # A number that comes twice in the index must not give the value its gradient twice.
    extent = x._array.shape[dim] if x._array.ndim else 1
    nothing = tensor_beside(x, np.zeros(extent, BOOL))
    mask = put_at(nothing, tensor_beside(x, np.ones((), BOOL)), (index,), {"dims": (0,), "accumulate": False})
    behind = (1,) * (x._array.ndim - dim - 1)
    return where(reshape(mask, (extent, *behind) if x._array.ndim else ()), content, x)  # type: ignore[no-any-return]


@numpy_names
def index_fill_(self: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """In-place form of ``index_fill``."""
    dim, index, content = _checked_fill(self, dim, index, value)
    if content._node is not None:
        return overwrite(self, _fill_by_mask, (dim, index, content), {}, "index_fill_", keeps_inputs=False)
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
    if out is not None:
        check_apart(out, result._array.shape, input._array, index._array)
        return write_same_type(out, result, "take")
    return known_as(result, "TakeBackward0")


def _checked_put(self: Tensor, index: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
    index = _checked_flat_index(self, index, "put_")
    if source._array.dtype != self._array.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = {type_name(self._array.dtype)} and "
            f"source.dtype = {type_name(source._array.dtype)}"
        )
    if source._array.size != index._array.size:
        raise IndexError(
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
    return known_as(handed_over(flat, input._array.shape), "PutBackward0")


def put_(self: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """In-place form of ``put``."""
    return overwrite(self, put, (index, source, accumulate), {}, "put_", keeps_inputs=False)


# --- embedding --------------------------------------------------------------------------------------------------------


def _embedding_vjp(g: Tensor, node: Node) -> Any:
    (indices,) = node.unpack()
    edge = node.edges[0]
    assert edge is not None
    attrs = {"rows": edge.shape[0], **node.attrs}
    result = run(EMBEDDING_BACKWARD, arrays_of((g, indices)), attrs)
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
    shape = (node.attrs["rows"], 1)
    result = read_at(gg, (indices,), (0,))
    if node.attrs["scale_grad_by_freq"]:
        ones = tensor_beside(indices, np.ones((*indices._array.shape, 1), edge.dtype))
        times = put_at(None, ones, (indices,), {"dims": (0,), "accumulate": True, "shape": shape})
        result = result / read_at(times, (indices,), (0,))
    if node.attrs["padding_idx"] >= 0:
        kept = cast(ne(indices, node.attrs["padding_idx"]), edge.dtype)
        result = result * reshape(kept, (*indices._array.shape, 1))
    return (result, None)


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
    check_array_range(index, table.shape[0], IndexError, "index out of range in self")
    attrs = {"padding_idx": padding_idx, "scale_grad_by_freq": scale_grad_by_freq}
    if index.size:
        if type(index) is not np.ndarray or type(table) is not np.ndarray:
            table, index = arrays_of((weight, indices))
        rows = run(EMBEDDING, (table, index), attrs)
    else:
        rows = np.empty((*index.shape, table.shape[1]), table.dtype)
    if weight._node is None:
        return held(make_tensor(rows))
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
