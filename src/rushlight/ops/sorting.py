"""Sorting, and finding the largest, smallest and k-th elements with their indices.

nan counts as larger than every number, as in PyTorch. Every order here is stable: equal elements keep their order, so the
indices of ``sort`` are PyTorch's; among equal elements ``topk`` and ``kthvalue`` take the first, where PyTorch's choice
is what its partial sort happens to leave.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, F64, I64, LOW_PRECISION
from ..core.return_types import maker
from ..core.shapes import wrap_dim
from ..core.tensor import Tensor
from .accumulation import positions_along
from .define import Primitive
from .dispatch import not_implemented
from .extrema import named_result, selected_vjp
from .linalg import write_exact
from .memory_overlap import check_apart
from .numpy_names import numpy_names
from .reductions import ONE_DIM, apply_to_one, check_one_dim, check_tensor, over_a_matrix

Array = NDArray[Any]
SMALL = 512  # elements up to which NumPy's stable argsort is the quickest
SortResult, TopkResult, KthvalueResult = maker("sort"), maker("topk"), maker("kthvalue")


# --- orders of arrays -------------------------------------------------------------------------------------------------


def order_keys(x: Array, descending: bool) -> Array | None:
    """int64 keys, all different along the last dimension, that sort ``x`` stably; None where 64 bits do not hold them.

    The high bits are the value, made an integer that orders as the values do; the low bits are the index, for
    ``take_indices``. NumPy sorts int64 by SIMD, several times as fast as it finds a stable order of floats.
    """
    n = x.shape[-1]
    bits = n.bit_length()
    if bits > 31:
        return None
    if x.dtype == F32 or x.dtype in LOW_PRECISION:
        values = _ordered_integers(x).astype(I64)
    elif x.dtype.kind in "iub":
        values = x.astype(I64)
        if x.itemsize > 4 and x.size:
            low, high = int(x.min()), int(x.max())
            if max(abs(low), abs(high)) >> (62 - bits):
                return None
    else:
        return None
    if descending:
        np.invert(values, out=values)
    values <<= bits
    values |= np.arange(n)
    return values


def _ordered_integers(x: Array) -> Array:
    """int32 numbers that order as the floats of at most 32 bits do, nan last."""
    if x.dtype in LOW_PRECISION:
        x = x.astype(F32)
    values: Array = (x + np.float32(0)).view(np.int32)  # -0.0 becomes 0.0, which it equals
    values ^= (values >> 31) & np.int32(0x7FFFFFFF)
    unordered = np.isnan(x)
    if unordered.any():
        values[unordered] = 0x7FFFFFFF
    return values


# Elements of a row from which on NumPy's stable argsort of uint16, a radix sort, beats the sort of 64-bit keys: once for
# integers in a narrow range (100,000 of them: 3.9 → 0.4 ms), or twice, for 32 bits (1.0 ms).
_ONCE_FROM: Final = 512
_TWICE_FROM: Final = 1024


def _radix_order(x: Array, descending: bool) -> Array | None:
    """The stable order along the last dimension; None where keys are as quick, or 32 bits do not hold the values."""
    n = x.shape[-1]
    if n < _ONCE_FROM:
        return None
    if x.dtype.kind in "iub":
        low, high = int(x.min()), int(x.max())
        if high - low >= 1 << 32 or high >= 1 << 63 or (high - low >= 1 << 16 and n < _TWICE_FROM):
            return None
        offsets: Any = x.astype(I64, order="C")
        offsets -= low
        bits: Any = offsets.astype(np.uint16 if high - low < 1 << 16 else np.uint32)
    elif n >= _TWICE_FROM and (x.dtype == F32 or x.dtype in LOW_PRECISION):
        bits = np.ascontiguousarray(_ordered_integers(x)).view(np.uint32)
        bits ^= np.uint32(1 << 31)
    else:
        return None
    if descending:
        np.invert(bits, out=bits)
    order: Array = bits.astype(np.uint16).argsort(-1, kind="stable")  # of the low half
    if bits.itemsize == 2:
        return order
    flat = (bits >> np.uint32(16)).astype(np.uint16).reshape(-1)
    starts = np.arange(0, x.size, n).reshape(*x.shape[:-1], 1)
    order += starts
    again = flat.take(order).argsort(-1, kind="stable")
    again += starts
    order = order.reshape(-1).take(again)
    order -= starts
    return order


def take_indices(keys: Array, n: int) -> Array:
    """The indices that keys for ``n`` elements hold, written over the keys."""
    keys &= (1 << n.bit_length()) - 1
    return keys


def stable_order(x: Array, axis: int, descending: bool) -> Array:
    """The indices along ``axis`` that sort ``x``, nan last (first if descending), equal elements in their order."""
    if x.size > SMALL:
        last = np.moveaxis(x, axis, -1)
        order = _radix_order(last, descending)
        if order is not None:
            return np.moveaxis(order, -1, axis)
        keys = order_keys(last, descending)
        if keys is not None:
            keys.sort(-1)
            return np.moveaxis(take_indices(keys, last.shape[-1]), -1, axis)
    if x.dtype in LOW_PRECISION:
        x = x.astype(F32)
    if not descending:
        return _argsort(x, axis)
    if x.dtype.kind in "iub":
        return _argsort(np.invert(x), axis)
    # Reversed twice: nan comes first, equal elements keep their order.
    back = (slice(None),) * axis + (slice(None, None, -1),)
    order = _argsort(x[back], axis)[back]
    return np.subtract(x.shape[axis] - 1, order)  # type: ignore[no-any-return]


def _argsort(x: Array, axis: int) -> Array:
    if x.dtype == F64 and x.size > SMALL:
        order = x.argsort(axis)  # by SIMD; unless elements are equal, it is the stable order
        ordered = np.moveaxis(np.take_along_axis(x, order, axis), axis, -1)
        before, behind = ordered[..., :-1], ordered[..., 1:]
        if not ((before == behind) | np.isnan(before)).any():
            return order
    return x.argsort(axis, kind="stable")


def take_along(x: Array, indices: Array, axis: int) -> Array:
    """The elements of ``x`` at ``indices`` along ``axis``."""
    if x.ndim == 1:
        return x[indices]
    if x.size <= SMALL:  # where what ``take_along_axis`` does before it reads takes most of its time
        return x.reshape(-1).take(positions_along(x.shape, axis, indices))
    return np.take_along_axis(x, indices, axis)


def _top_indices(x: Array, k: int, axis: int, largest: bool) -> Array:
    """The first ``k`` indices of the stable order."""
    n = x.shape[axis]
    if x.size > SMALL and 0 < k < n:
        if k <= 16 and n >= 16 * k:
            found = _top_one_by_one(np.moveaxis(x, axis, -1), k, largest)
            if found is not None:
                return np.moveaxis(found, -1, axis)
        last = np.moveaxis(x, axis, -1)
        keys = order_keys(last, largest)
        if keys is not None:
            keys.partition(k - 1, -1)
            return np.moveaxis(take_indices(np.sort(keys[..., :k], -1), n), -1, axis)
    return stable_order(x, axis, largest)[(slice(None),) * axis + (slice(k),)]


def _top_one_by_one(x: Array, k: int, largest: bool) -> Array | None:
    """As ``_top_indices`` by ``k`` searches for one element; None where what marks taken elements is among the data."""
    if x.dtype in LOW_PRECISION:
        x = x.astype(F32)
    if x.dtype.kind == "f":
        taken: Any = -np.inf if largest else np.inf
        if not largest and np.isnan(x).any():
            return None
    else:
        limits = np.iinfo(x.dtype)
        taken = limits.min if largest else limits.max
    left = np.array(x, order="C").reshape(-1, x.shape[-1])
    rows = np.arange(len(left))
    found = np.empty((len(left), k), I64)
    find = left.argmax if largest else left.argmin
    for i in range(k):
        at = find(-1)
        if (left[rows, at] == taken).any():
            return None
        found[:, i] = at
        left[rows, at] = taken
    return found.reshape(*x.shape[:-1], k)


# --- sort -------------------------------------------------------------------------------------------------------------


def _sort_impl(x: Array, dim: int, descending: bool) -> Any:
    if not x.ndim:
        return x.copy(), np.zeros((), I64)
    order = stable_order(x, dim, descending)
    return take_along(x, order, dim), order


SORT = Primitive(
    "sort",
    _sort_impl,
    selected_vjp,
    saves_output=(1,),
    samples=over_a_matrix({"dim": 1, "descending": False}, {"dim": 0, "descending": True}),
)


def sort(
    input: Tensor,
    dim: int = -1,
    descending: bool = False,
    *,
    stable: bool | None = False,
    out: tuple[Tensor, Tensor] | None = None,
    axis: int | None = None,
) -> Any:
    """The elements in order along ``dim`` and the indices that they had, as ``(values, indices)``.

    nan comes last (first if ``descending``). Equal elements keep their order whether or not ``stable`` asks for it. Raises
    ``RuntimeError`` for complex tensors.

    Example:
        >>> import rushlight as torch
        >>> values, indices = torch.sort(torch.tensor([3, 1, 2]))
        >>> values, indices
        (tensor([1, 2, 3]), tensor([1, 2, 0]))
    """
    check_tensor("sort", input)
    dim = dim if axis is None else axis
    check_one_dim("sort", dim)
    if not isinstance(descending, bool):
        raise TypeError(f"sort(): argument 'descending' must be bool, not {type(descending).__name__}")
    array = input._array
    if array.dtype.kind == "c":
        raise RuntimeError(" Sort does not support complex dtypes on CPU")
    attrs = {"dim": wrap_dim(dim, array.ndim), "descending": descending}
    return named_result("sort", SortResult, apply_to_one(SORT, input, attrs), out)


def argsort(
    input: Tensor,
    dim: int = -1,
    descending: bool = False,
    *,
    stable: bool = False,
    axis: int | None = None,
) -> Tensor:
    """The indices that sort the elements along ``dim``; see ``sort``.

    Example:
        >>> import rushlight as torch
        >>> torch.argsort(torch.tensor([3, 1, 2]))
        tensor([1, 2, 0])
    """
    check_tensor("argsort", input)
    return sort(input.detach(), dim, descending, axis=axis).indices  # type: ignore[no-any-return]


def msort(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements in order along the first dimension.

    Example:
        >>> import rushlight as torch
        >>> torch.msort(torch.tensor([[3, 1], [2, 2]]))
        tensor([[2, 1],
                [3, 2]])
    """
    check_tensor("msort", input)
    result: Tensor = sort(input, 0).values
    return result if out is None else write_exact(out, result)


# --- topk, kthvalue ---------------------------------------------------------------------------------------------------


def _topk_impl(x: Array, k: int, dim: int, largest: bool) -> Any:
    if not x.ndim:
        return x.copy(), np.zeros((), I64)
    # A part of an order, or one that was turned round: results are contiguous, so that programs may view() them.
    indices = np.ascontiguousarray(_top_indices(x, k, dim, largest))
    return take_along(x, indices, dim), indices


TOPK = Primitive(
    "topk",
    _topk_impl,
    selected_vjp,
    saves_output=(1,),
    samples=over_a_matrix({"k": 2, "dim": 1, "largest": True}, {"k": 1, "dim": 0, "largest": False}),
)


def topk(
    input: Tensor,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
    *,
    out: tuple[Tensor, Tensor] | None = None,
    axis: int | None = None,
) -> Any:
    """The ``k`` largest (or smallest) elements along ``dim`` in order, and their indices, as ``(values, indices)``.

    nan counts as the largest. Raises ``RuntimeError`` if ``k`` is negative or more than there are, and for complex and
    bool tensors. ``sorted=False`` promises no order; the result is in order all the same.

    Example:
        >>> import rushlight as torch
        >>> torch.topk(torch.tensor([1.0, 5.0, 3.0]), 2)
        torch.return_types.topk(
        values=tensor([5., 3.]),
        indices=tensor([1, 2]))
    """
    if axis is not None:
        dim = axis
    check_tensor("topk", input)
    check_one_dim("topk", dim)
    array = input._array
    if isinstance(k, bool) or not hasattr(k, "__index__"):
        raise TypeError(f"topk(): argument 'k' must be int, not {type(k).__name__}")
    k = int(k)
    dim = wrap_dim(dim, array.ndim)
    if not 0 <= k <= (array.shape[dim] if array.ndim else 1):
        raise RuntimeError("selected index k out of range")
    if array.dtype.kind in "bc":
        raise RuntimeError(
            f"topk does not support {'bool' if array.dtype.kind == 'b' else 'complex'} dtypes on CPU"
        )
    attrs = {"k": k, "dim": dim, "largest": largest}
    return named_result("topk", TopkResult, apply_to_one(TOPK, input, attrs), out)


def kth_order(x: Array, k: int, axis: int) -> Array:
    """The indices along ``axis`` (kept, at extent 1) of the elements at place ``k`` (from 0) of the stable order."""
    n = x.shape[axis]
    if x.size > SMALL:
        if x.ndim == 1 and x.dtype.kind in "iuf":
            return _place_of_kth(x, k)
        last = np.moveaxis(x, axis, -1)
        keys = order_keys(last, False)
        if keys is not None:
            keys.partition(k, -1)
            return np.moveaxis(take_indices(keys[..., k : k + 1], n), -1, axis)
        if x.dtype == F64:
            return np.argpartition(x, k, axis)[(slice(None),) * axis + (slice(k, k + 1),)]
    return stable_order(x, axis, False)[(slice(None),) * axis + (slice(k, k + 1),)]


def _place_of_kth(x: Array, k: int) -> Array:
    """``kth_order`` of one row: the value first, then which of its places it is."""
    value = np.partition(x, k)[k]
    if np.isnan(value):  # which come last
        places = np.isnan(x).nonzero()[0]
        k -= x.size - len(places)
    else:
        places = (x == value).nonzero()[0]
        k -= int(np.count_nonzero(x < value))
    return places[k : k + 1]


def at_indices(x: Array, indices: Array, dim: int, keepdims: bool) -> tuple[Array, Array]:
    """The elements at ``indices`` (of extent 1 along ``dim``) and the indices, without that dimension unless kept."""
    values, indices = take_along(x, indices, dim), np.ascontiguousarray(indices)
    if keepdims:
        return values, indices
    return values.squeeze(dim), indices.squeeze(dim)


def _kthvalue_impl(x: Array, k: int, dim: int, keepdims: bool) -> Any:
    if not x.ndim:
        return x.copy(), np.zeros((), I64)
    return at_indices(x, kth_order(x, k - 1, dim), dim, keepdims)


KTHVALUE = Primitive(
    "kthvalue",
    _kthvalue_impl,
    selected_vjp,
    saves_output=(1,),
    samples=over_a_matrix(*[{"k": 2, **way} for way in ONE_DIM]),
)


@numpy_names
def kthvalue(
    input: Tensor, k: int, dim: int = -1, keepdim: bool = False, *, out: tuple[Tensor, Tensor] | None = None
) -> Any:
    """The ``k``-th smallest elements along ``dim`` (1 is the smallest) and their indices, as ``(values, indices)``.

    Raises ``RuntimeError`` if ``k`` is less than 1 or more than there are, ``IndexError`` if there is none.

    Example:
        >>> import rushlight as torch
        >>> torch.kthvalue(torch.tensor([5.0, 1.0, 3.0]), 2).values
        tensor(3.)
    """
    check_tensor("kthvalue", input)
    check_one_dim("kthvalue", dim, keepdim)
    array = input._array
    dim = wrap_dim(dim, array.ndim)
    extent = array.shape[dim] if array.ndim else 1
    if not extent:
        raise IndexError(f"kthvalue(): Expected reduction dim {dim} to have non-zero size.")
    if not 1 <= k <= extent:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}")
    if array.dtype.kind in "bc":
        raise not_implemented("kthvalue", array.dtype)
    attrs = {"k": int(k), "dim": dim, "keepdims": keepdim}
    results = apply_to_one(KTHVALUE, input, attrs)
    if out is not None:
        check_apart(out[0], results[0]._array.shape, array)
    return named_result("kthvalue", KthvalueResult, results, out)


METHODS: dict[str, Any] = {
    "sort": sort,
    "argsort": argsort,
    "msort": msort,
    "topk": topk,
    "kthvalue": kthvalue,
}
