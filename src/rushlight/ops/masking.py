"""Masks: filling, selecting and scattering where a bool tensor is true; and finding where a tensor is not zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arguments import check_tensor as check_tensor_argument
from ..core.device import on_host
from ..core.dtypes import BOOL, OF_NUMPY
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node
from ..core.shapes import broadcast_shape
from ..core.tensor import Tensor, make_tensor
from ..runtime.batched import Batched, whole
from ..runtime.selection import select
from .comparison import logical_not
from .define import Primitive
from .dispatch import apply, arrays_of, held, is_number, run, type_name, write_out
from .index_tensors import read_at, recorded, write_in_place
from .inplace import check_inplace_shape
from .memory_overlap import check_apart
from .movement import cast, contiguous, expand, reshape, sum_to_shape
from .overwriting import element_array
from .placement import tensor_beside

grad_enabled = GRAD_MODE.get


def _checked_mask(mask: Any, name: str) -> Tensor:
    if not isinstance(mask, Tensor):
        raise TypeError(f"{name}(): argument 'mask' must be Tensor, not {type(mask).__name__}")
    if mask._array.dtype != BOOL:
        raise RuntimeError(
            f"{name} only supports boolean masks, but got mask with dtype {OF_NUMPY[mask._array.dtype].name}"
        )
    return mask


# --- masked_fill ------------------------------------------------------------------------------------------------------


def _fill_impl(x: Any, value: Any, mask: Any) -> Any:
    if value.dtype == x.dtype:
        return select(mask, value, x)
    if mask.shape == x.shape or x.ndim >= mask.ndim:
        result = x.copy()
        try:
            np.copyto(result, value, where=mask)
            return result
        except ValueError:
            pass  # the mask is the larger one
    result = np.broadcast_to(x, broadcast_shape(x.shape, mask.shape)).copy()
    np.copyto(result, value, where=mask)
    return result


def _fill_write(target: Any, value: Any, mask: Any) -> None:
    np.copyto(target, value, where=mask)


def _fill_vjp(g: Tensor, node: Node) -> Any:
    (mask,) = node.unpack()
    old, value, _ = node.edges
    zero = tensor_beside(g, np.zeros((), g._array.dtype))
    kept = None if old is None else _filled(g, zero, mask)
    taken = None
    if value is not None:
        taken = sum_to_shape(_filled(g, zero, logical_not(mask)), ())
    return (kept, taken, None)


MASKED_FILL = Primitive("masked_fill", _fill_impl, _fill_vjp)


def _filled(x: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    arrays = arrays_of((x, value, mask))
    try:
        result = run(MASKED_FILL, arrays, {})
    except ValueError:
        broadcast_shape(x._array.shape, mask._array.shape)  # raises in PyTorch's words
        raise
    if x._node is None and value._node is None:
        return held(make_tensor(result))
    return recorded(MASKED_FILL, (x, value, mask), {}, result, (mask,))


def _fill_value(value: Any, like: Tensor) -> Tensor:
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise RuntimeError(
                "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value._array.ndim} dimension(s)."
            )
        if value._array.dtype.kind == "c" and like._array.dtype.kind != "c":
            raise RuntimeError(f"value cannot be converted to type {OF_NUMPY[like._array.dtype].name}")
        return cast(value, like._array.dtype)
    if not is_number(value):
        raise TypeError(
            f"masked_fill(): argument 'value' must be Number or 0-dim Tensor, not {type(value).__name__}"
        )
    return make_tensor(element_array(value, like._array.dtype))


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """A copy of ``input`` with ``value`` (a number or a 0-dim tensor) where ``mask`` is true; both are broadcast.

    Raises ``RuntimeError`` for a mask that is not bool.

    Example:
        >>> import rushlight as torch
        >>> torch.masked_fill(torch.zeros(3), torch.tensor([True, False, True]), 7)
        tensor([7., 0., 7.])
    """
    mask = _checked_mask(mask, "masked_fill_")
    if not input._array.flags.c_contiguous:
        input = contiguous(input)  # the result lies row by row in PyTorch, whatever its operands do
    return _filled(input, _fill_value(value, input), mask)


def masked_fill_(self: Tensor, mask: Tensor, value: Any) -> Tensor:
    """In-place form of ``masked_fill``; the mask must broadcast to this tensor's shape."""
    mask = _checked_mask(mask, "masked_fill_")
    content = _fill_value(value, self)
    check_inplace_shape(self._array.shape, mask._array.shape)
    return write_in_place(
        self, MASKED_FILL, (content, mask), {}, (mask,), _fill_write, "masked_fill_", overlaps=True
    )


# --- masked_select, masked_scatter ------------------------------------------------------------------------------------


def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements of ``input`` where ``mask`` is true, as a vector; both are broadcast.

    Example:
        >>> import rushlight as torch
        >>> x = torch.tensor([3, 1, 2])
        >>> torch.masked_select(x, torch.tensor([True, False, True]))
        tensor([3, 2])
    """
    check_tensor_argument("masked_select", "input", input)
    check_tensor_argument("masked_select", "mask", mask)
    if not isinstance(mask, Tensor):
        raise TypeError(f"masked_select(): argument 'mask' must be Tensor, not {type(mask).__name__}")
    if mask._array.dtype != BOOL:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    if out is not None and out._array.dtype != input._array.dtype:
        raise RuntimeError("masked_select(): self and result must have the same scalar type")
    shape = broadcast_shape(input._array.shape, mask._array.shape) or (1,)
    source = input if input._array.shape == shape else expand(input, shape)
    where = mask if mask._array.shape == shape else expand(mask, shape)
    result = read_at(source, (where,), (0,))
    if out is not None:
        check_apart(out, result._array.shape, input._array, mask._array)
        return write_out(out, result, "masked_select")
    return result


def _scatter_write(target: Any, source: Any, mask: Any) -> None:
    target[mask] = source.reshape(-1)[: int(np.count_nonzero(mask))]


def _scatter_impl(x: Any, source: Any, mask: Any) -> Any:
    result = x.copy()
    _scatter_write(result, source, mask)
    return result


def _scatter_vjp(g: Tensor, node: Node) -> Any:
    (mask,) = node.unpack()
    old, source, _ = node.edges
    zero = tensor_beside(g, np.zeros((), g._array.dtype))
    kept = None if old is None else _filled(g, zero, mask)
    taken = None
    if source is not None:
        from .joining import cat  # joining's gradients are views

        taken = read_at(g, (mask,), (0,))
        size = int(np.prod(source.shape, dtype=np.int64))
        rest = size - taken._array.size
        if rest:
            taken = cat([taken, tensor_beside(g, np.zeros(rest, g._array.dtype))])
        taken = reshape(taken, source.shape)
    return (kept, taken, None)


MASKED_SCATTER = Primitive("masked_scatter", _scatter_impl, _scatter_vjp)


def _checked_scatter(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    if not isinstance(mask, Tensor) or not isinstance(source, Tensor):
        raise TypeError("masked_scatter(): arguments 'mask' and 'source' must be Tensors")
    if self._array.dtype != source._array.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got {type_name(self._array.dtype)} and "
            f"{type_name(source._array.dtype)}"
        )
    if mask._array.dtype != BOOL:
        raise RuntimeError(
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {type_name(mask._array.dtype)}"
        )
    shape = self._array.shape
    where = mask if mask._array.shape == shape else expand(mask, shape)
    if type(where._array) is not Batched and int(np.count_nonzero(whole(where._array))) > source._array.size:
        raise RuntimeError("masked_scatter: Number of elements of source < number of ones in mask")
    return where


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy of ``input`` in which the places where ``mask`` is true hold the first elements of ``source``, in order.

    Example:
        >>> import rushlight as torch
        >>> torch.zeros(3).masked_scatter(torch.tensor([True, False, True]), torch.tensor([5.0, 6.0, 7.0]))
        tensor([5., 0., 6.])
    """
    check_tensor_argument("masked_scatter", "input", input)
    check_tensor_argument("masked_scatter", "mask", mask)
    check_tensor_argument("masked_scatter", "source", source)
    shape = broadcast_shape(input._array.shape, mask._array.shape) if isinstance(mask, Tensor) else None
    if shape is not None and shape != input._array.shape:
        input = expand(input, shape)
    where = _checked_scatter(input, mask, source)
    result = run(MASKED_SCATTER, arrays_of((input, source, where)), {})
    return recorded(MASKED_SCATTER, (input, source, where), {}, result, (where,))


def masked_scatter_(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """In-place form of ``masked_scatter``."""
    where = _checked_scatter(self, mask, source)
    return write_in_place(
        self, MASKED_SCATTER, (source, where), {}, (where,), _scatter_write, "masked_scatter_"
    )


# --- nonzero ----------------------------------------------------------------------------------------------------------


def _nonzero_impl(x: Any) -> Any:
    if not x.ndim:
        return np.zeros((int(x != 0), 0), np.int64)
    found = x.nonzero()
    return np.array(found).T  # column by column in memory, as PyTorch has it


NONZERO = Primitive(
    "nonzero",
    _nonzero_impl,
    value_dependent=True,
)


def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: bool = False) -> Any:
    """Where ``input`` is not zero: an int64 matrix of shape (found, ndim), or one index vector for each dimension.

    Example:
        >>> import rushlight as torch
        >>> torch.nonzero(torch.tensor([[0, 7], [8, 0]]))
        tensor([[0, 1],
                [1, 0]])
        >>> torch.nonzero(torch.tensor([0, 7, 8]), as_tuple=True)
        (tensor([1, 2]),)
    """
    array = input._array
    if as_tuple:
        found = np.nonzero(array if array.ndim else array.reshape(1))
        # Those of several dimensions are columns of one matrix.
        return tuple(
            [make_tensor(places if places.flags.c_contiguous else places.copy()) for places in found]
        )
    if out is not None and out._array.dtype != np.int64:
        raise RuntimeError(
            f"nonzero: Expected out tensor to have scalar type Long but got scalar type{type_name(out._array.dtype)}"
        )
    result: Tensor = apply(NONZERO, (input,))
    return result if out is None else write_out(out, result, "nonzero")


def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1, out: Tensor | None = None) -> Tensor:
    """The first ``size`` rows of ``nonzero(input)``, with rows of ``fill_value`` where there are not as many.

    Example:
        >>> import rushlight as torch
        >>> torch.nonzero_static(torch.tensor([0, 7, 8]), size=3)
        tensor([[ 1],
                [ 2],
                [-1]])
    """
    check_tensor_argument("nonzero_static", "input", input)
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    if type(input._array) is Batched:
        from .batching import for_each_example  # its rules are built on this package's operations

        return for_each_example(nonzero_static, (input,), size=size, fill_value=fill_value)  # type: ignore[no-any-return]
    found = on_host(apply(NONZERO, (input,))._array)[:size]
    padded = np.full((size, found.shape[1]), fill_value, np.int64)
    padded[: len(found)] = found
    result = tensor_beside(input, padded)
    return result if out is None else write_out(out, result, "nonzero_static")


def argwhere(input: Tensor) -> Tensor:
    """Where ``input`` is not zero, one row of indices for each place.

    Example:
        >>> import rushlight as torch
        >>> torch.argwhere(torch.tensor([0, 5, 6]))
        tensor([[1],
                [2]])
    """
    check_tensor_argument("argwhere", "input", input)
    if type(input._array) is Batched:
        from .batching import for_each_example  # its rules are built on this package's operations

        return for_each_example(argwhere, (input,))  # type: ignore[no-any-return]
    return nonzero(input)  # type: ignore[no-any-return]


METHODS: dict[str, Any] = {
    "masked_fill": masked_fill,
    "masked_fill_": masked_fill_,
    "masked_select": masked_select,
    "masked_scatter": masked_scatter,
    "masked_scatter_": masked_scatter_,
    "nonzero": nonzero,
    "nonzero_static": nonzero_static,
    "argwhere": argwhere,
}
