"""Distinct elements, and membership."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, I64, LOW_PRECISION
from ..core.shapes import count, wrap_dim
from ..core.tensor import Tensor
from .define import Primitive
from .dispatch import apply, is_number, not_implemented, type_name
from .linalg import write_exact
from .reductions import apply_to_one, check_tensor, no_derivative
from .sorting import stable_order

Array = NDArray[Any]


def _results(parts: tuple[Tensor, ...], return_inverse: bool, return_counts: bool) -> Any:
    """What was asked for of (distinct elements, inverse, counts): one tensor or a tuple."""
    chosen = [parts[0]]
    if return_inverse:
        chosen.append(parts[1])
    if return_counts:
        chosen.append(parts[2])
    return chosen[0] if len(chosen) == 1 else tuple(chosen)


def _rows(x: Array, dim: int) -> Array:
    """The slices of ``x`` at each index of ``dim`` as rows."""
    first = np.moveaxis(x, dim, 0)
    return first.reshape(first.shape[0], count(first.shape[1:]))


def _unique_impl(x: Array, dim: int | None, inverse: bool) -> Any:
    """The distinct elements in order (slices of ``dim`` in lexicographic order), the place of each in them (nothing unless
    ``inverse``), and their counts."""
    if dim is None:
        values, places, counts = _distinct_elements(x.reshape(-1), inverse)
        return values, places.reshape(x.shape) if inverse else places, counts
    rows = _rows(x.astype(F32) if x.dtype in LOW_PRECISION else x, dim)
    order = np.lexsort(rows.T[::-1]) if rows.shape[1] else np.arange(len(rows))
    ordered = rows[order]
    starts = np.ones(len(rows), bool)
    starts[1:] = (ordered[1:] != ordered[:-1]).any(1)
    return np.take(x, order[starts], dim), _places(order, starts), _run_lengths(starts)


def _distinct_elements(flat: Array, inverse: bool) -> tuple[Array, Array, Array]:
    none = np.empty(0, I64)
    if flat.dtype.kind in "iub" and flat.size:
        low = int(flat.min())
        if int(flat.max()) - low <= 2 * flat.size + 1000:  # counting is quicker than sorting
            offsets = flat.astype(I64) - low
            occurrences = np.bincount(offsets)
            present = occurrences > 0
            values = np.flatnonzero(present)
            counts = occurrences[values].astype(I64, copy=False)
            values = (values + low).astype(flat.dtype)
            return values, (np.cumsum(present) - 1)[offsets] if inverse else none, counts
    order = stable_order(flat, 0, False) if inverse else none
    wide = flat.astype(F32) if flat.dtype in LOW_PRECISION else flat
    ordered = wide[order] if inverse else np.sort(wide)
    starts = np.ones(len(flat), bool)
    starts[1:] = ordered[1:] != ordered[:-1]
    return (
        ordered[starts].astype(flat.dtype),
        _places(order, starts) if inverse else none,
        _run_lengths(starts),
    )


def _places(order: Array, starts: Array) -> Array:
    places = np.empty(len(order), I64)
    places[order] = np.cumsum(starts) - 1
    return places


def _run_lengths(starts: Array) -> Array:
    return np.diff(np.append(np.flatnonzero(starts), len(starts))).astype(I64, copy=False)


def _consecutive_impl(x: Array, dim: int | None) -> Any:
    rows = x.reshape(-1, 1) if dim is None else _rows(x, dim)
    starts = np.ones(len(rows), bool)
    starts[1:] = (rows[1:] != rows[:-1]).any(1)
    inverse = (np.cumsum(starts) - 1).astype(I64)
    counts = _run_lengths(starts)
    if dim is None:
        return x.reshape(-1)[starts], inverse.reshape(x.shape), counts
    return np.compress(starts, x, dim), inverse, counts


UNIQUE = Primitive(
    "unique",
    _unique_impl,
    no_derivative("unique"),
    value_dependent=True,
    grad_name=lambda attrs: "Unique2Backward0" if attrs["dim"] is None else "UniqueDimBackward0",
)
UNIQUE_CONSECUTIVE = Primitive(
    "unique_consecutive", _consecutive_impl, no_derivative("unique_consecutive"), value_dependent=True
)


def _distinct(
    record: Primitive, input: Tensor, return_inverse: bool, return_counts: bool, dim: int | None
) -> Any:
    check_tensor(record.name, input)
    array = input._array
    if array.dtype.kind == "c":
        raise not_implemented(record.name, array.dtype)
    if dim is not None:
        dim = wrap_dim(dim, array.ndim)
        if not array.ndim:
            dim = None
        elif not array.size and any(not n for i, n in enumerate(array.shape) if i != dim):
            raise RuntimeError(
                "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
            )
    attrs: dict[str, Any] = {"dim": dim}
    if record is UNIQUE:
        attrs["inverse"] = return_inverse
    return _results(apply_to_one(record, input, attrs), return_inverse, return_counts)


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements (or, with ``dim``, slices) in order; also, if asked for, where each element went and how often
    each distinct one occurs. nans are all distinct. Not differentiable: backward raises ``NotImplementedError``.

    Example:
        >>> import rushlight as torch
        >>> torch.unique(torch.tensor([3, 1, 3]), return_inverse=True, return_counts=True)
        (tensor([1, 3]), tensor([1, 0, 1]), tensor([1, 2]))
    """
    return _distinct(UNIQUE, input, return_inverse, return_counts, dim)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements (or, with ``dim``, slices) without those that equal the one before; see ``unique``.

    Example:
        >>> import rushlight as torch
        >>> torch.unique_consecutive(torch.tensor([1, 1, 2, 1]), return_counts=True)
        (tensor([1, 2, 1]), tensor([2, 1, 1]))
    """
    return _distinct(UNIQUE_CONSECUTIVE, input, return_inverse, return_counts, dim)


def _isin_impl(x: Any, among: Any) -> Any:
    return np.isin(x, among)


ISIN = Primitive("isin", _isin_impl)


def isin(
    elements: Tensor | float,
    test_elements: Tensor | float,
    *,
    assume_unique: bool = False,
    invert: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """For each of ``elements`` whether it is among ``test_elements`` (or, with ``invert``, not); one of both may be a number.

    Example:
        >>> import rushlight as torch
        >>> torch.isin(torch.tensor([1, 2, 3]), torch.tensor([2, 3]))
        tensor([False,  True,  True])
    """
    if not (isinstance(elements, Tensor) or isinstance(test_elements, Tensor)):
        raise TypeError(
            f"isin() received an invalid combination of arguments - got ({type(elements).__name__}, "
            f"{type(test_elements).__name__}); one of the two must be a Tensor"
        )
    operands: list[Any] = []
    for given in (elements, test_elements):
        if not isinstance(given, Tensor):
            if not is_number(given):
                raise TypeError(f"isin(): arguments must be Tensors or numbers, not {type(given).__name__}")
            operands.append(given)
            continue
        dtype = given._array.dtype
        if dtype.kind in "bc":
            raise RuntimeError(f"Unsupported input type encountered for isin(): {type_name(dtype)}")
        operands.append(given.float() if dtype in LOW_PRECISION else given)
    result: Tensor = apply(ISIN, tuple(operands))
    if invert:
        result = result.logical_not()
    return result if out is None else write_exact(out, result)


METHODS: dict[str, Any] = {
    "unique": unique,
    "unique_consecutive": unique_consecutive,
}
