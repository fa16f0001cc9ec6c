"""Reductions and normalisations of the elements that a mask marks: the others are replaced by what changes nothing.

All are composites of the functions without a mask. ``mask`` is a tensor of bools that broadcasts to the input, True for
the elements that count; None: all of them. A reduction over no element gives the operation's identity (a sum 0, a maximum
the smallest number), or nan where it has none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.dtypes import INEXACT, OF_NUMPY, dtype
from ..core.tensor import Tensor
from . import activations, extrema, functions, norms, order_statistics, reductions, scans
from .comparison import where
from .conversion import to
from .creation import full_like, ones_like
from .movement import expand
from .powers import sqrt

Dims = int | Sequence[int] | None
Mask = Tensor | None
Dtype = dtype | None


def _check(name: str, input: Any) -> None:
    if not isinstance(input, Tensor):
        raise TypeError(f"masked.{name}: expected a Tensor, got {type(input).__name__}")


def _broadcast(input: Tensor, mask: Tensor) -> Tensor:
    """The mask in the input's shape."""
    if mask._array.ndim > input._array.ndim:
        raise IndexError(
            "_input_mask expected broadcastable mask (got mask dimensionality higher than of the input)"
        )
    if mask._array.dtype.kind != "b":
        mask = to(mask, OF_NUMPY[np.dtype(bool)])
    return expand(mask, *input._array.shape) if mask._array.shape != input._array.shape else mask


def _only(input: Tensor, mask: Mask, other: Any) -> Tensor:
    """``input`` with ``other`` in place of the elements that do not count."""
    if mask is None:
        return input
    return where(_broadcast(input, mask), input, full_like(input.detach(), other))  # type: ignore[no-any-return]


def _as(input: Tensor, given: Dtype) -> Tensor:
    return input if given is None or input.dtype == given else to(input, given)


def _lowest(name: str, input: Tensor) -> Any:
    """What a maximum over nothing gives."""
    kind = input._array.dtype
    if kind.kind in "bc":
        raise NotImplementedError(f"identity of {name} on {input.dtype} input")
    return -math.inf if kind in INEXACT else np.iinfo(kind).min


def _highest(name: str, input: Tensor) -> Any:
    return math.inf if _lowest(name, input) == -math.inf else np.iinfo(input._array.dtype).max


def _dims(dim: Dims, input: Tensor) -> Any:
    if dim is None or (not isinstance(dim, int) and not tuple(dim)):
        return tuple(range(input._array.ndim))
    return dim if isinstance(dim, int) else tuple(dim)


def _summed_type(input: Tensor, given: Dtype) -> Dtype:
    if given is None and input._array.dtype not in INEXACT:
        return OF_NUMPY[np.dtype(np.int64)]
    return given


def sum(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Dtype = None, mask: Mask = None
) -> Tensor:
    """The sum over ``dim`` (all by default) of the elements that ``mask`` marks; integers give int64.

    Example:
        >>> import rushlight as torch
        >>> torch.masked.sum(torch.tensor([1., 2., 4.]), mask=torch.tensor([True, False, True]))
        tensor(5.)
    """
    _check("sum", input)
    input = _as(input, _summed_type(input, dtype))
    return reductions.sum(_only(input, mask, 0), _dims(dim, input), bool(keepdim))


def prod(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Dtype = None, mask: Mask = None
) -> Tensor:
    """The product over ``dim`` (all by default) of the elements that ``mask`` marks; integers give int64."""
    _check("prod", input)
    result = _only(_as(input, _summed_type(input, dtype)), mask, 1)
    ndim = input._array.ndim
    dims = _dims(dim, input)
    for d in sorted((d % max(ndim, 1) for d in ((dims,) if isinstance(dims, int) else dims)), reverse=True):
        result = reductions.prod(result, d, bool(keepdim))
    return result


def amax(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Dtype = None, mask: Mask = None
) -> Tensor:
    """The maximum over ``dim`` (all by default) of the elements that ``mask`` marks."""
    _check("amax", input)
    input = _as(input, dtype)
    filled = _only(input, mask, _lowest("amax", input))
    return extrema.amax(filled, _dims(dim, input), bool(keepdim))


def amin(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Dtype = None, mask: Mask = None
) -> Tensor:
    """The minimum over ``dim`` (all by default) of the elements that ``mask`` marks."""
    _check("amin", input)
    input = _as(input, dtype)
    filled = _only(input, mask, _highest("amin", input))
    return extrema.amin(filled, _dims(dim, input), bool(keepdim))


def argmax(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool | None = False,
    dtype: Dtype = None,
    mask: Mask = None,
) -> Tensor:
    """Where the maximum is, among the elements that ``mask`` marks; in the input's dtype, as PyTorch has it."""
    _check("argmax", input)
    input = _as(input, dtype)
    filled = _only(input, mask, _lowest("argmax", input))
    return to(extrema.argmax(filled, dim, bool(keepdim)), input.dtype)


def argmin(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool | None = False,
    dtype: Dtype = None,
    mask: Mask = None,
) -> Tensor:
    """Where the minimum is, among the elements that ``mask`` marks; in the input's dtype, as PyTorch has it."""
    _check("argmin", input)
    input = _as(input, dtype)
    filled = _only(input, mask, _highest("argmin", input))
    return to(extrema.argmin(filled, dim, bool(keepdim)), input.dtype)


def _count(input: Tensor, dim: Dims, keepdim: bool, mask: Mask, kind: dtype) -> Tensor:
    marked = ones_like(input.detach(), dtype=kind)
    return reductions.sum(_only(marked, mask, 0), _dims(dim, input), keepdim)


def mean(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Dtype = None, mask: Mask = None
) -> Tensor:
    """The mean over ``dim`` (all by default) of the elements that ``mask`` marks; nan of none.

    Raises ``ValueError`` for integers, unless ``dtype`` is given.
    """
    _check("mean", input)
    if dtype is None and input._array.dtype not in INEXACT:
        raise ValueError(
            "mean(): Could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {input.dtype}"
        )
    input = _as(input, dtype)
    total = reductions.sum(_only(input, mask, 0), _dims(dim, input), bool(keepdim))
    return total / _count(input, dim, bool(keepdim), mask, input.dtype)


def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Dtype = None, mask: Mask = None
) -> Tensor:
    """The median along ``dim`` of the elements that ``mask`` marks; nan of none.

    Raises ``ValueError`` where a row of integers has none.
    """
    _check("median", input)
    input = _as(input, dtype)
    if input._array.dtype in INEXACT:
        return order_statistics.nanmedian(_only(input, mask, math.nan), dim, keepdim).values  # type: ignore[no-any-return]
    if mask is not None and not bool(reductions.all(reductions.any(_broadcast(input, mask), dim))):
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
    as_float = to(input, OF_NUMPY[np.dtype(np.float64)])
    found = order_statistics.nanmedian(_only(as_float, mask, math.nan), dim, keepdim).values
    return to(found, input.dtype)


def norm(
    input: Tensor,
    ord: float | None = 2.0,
    dim: Dims = None,
    *,
    keepdim: bool | None = False,
    dtype: Dtype = None,
    mask: Mask = None,
) -> Tensor:
    """The vector norm of order ``ord`` over ``dim`` (all by default) of the elements that ``mask`` marks."""
    _check("norm", input)
    input = _as(input, dtype)
    order = 2.0 if ord is None else float(ord)
    filled = _only(input, mask, 0 if order >= 0 else math.inf)
    return norms.vector_norm(filled, order, _dims(dim, input), bool(keepdim))


def _spread(
    input: Tensor,
    dim: Dims,
    unbiased: bool | None,
    correction: float | None,
    keepdim: bool,
    given: Dtype,
    mask: Mask,
) -> Tensor:
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    less = 1.0 if correction is None else float(correction)
    if unbiased is not None:
        less = float(unbiased)
    if input._array.dtype.kind == "b":
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, "
            "use the `~` or `logical_not()` operator instead."
        )
    if given is None and input._array.dtype not in INEXACT:
        given = OF_NUMPY[np.dtype(np.float32)]
    input = _as(input, given)
    count = _count(input, dim, True, mask, input.dtype)
    center = reductions.sum(_only(input, mask, 0), _dims(dim, input), True) / count
    gap = input - center
    squares = _only(gap * gap.conj() if input._array.dtype.kind == "c" else gap * gap, mask, 0)
    total = reductions.sum(squares, _dims(dim, input), keepdim)
    real = input.dtype.to_real()
    count = _count(to(input.detach(), real), dim, keepdim, mask, real) - less
    return total / where(count > 0, count, count * 0)  # type: ignore[no-any-return]


def var(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool | None = False,
    dtype: Dtype = None,
    mask: Mask = None,
) -> Tensor:
    """The variance over ``dim`` (all by default) of the elements that ``mask`` marks; nan of none."""
    _check("var", input)
    return _spread(input, dim, unbiased, correction, bool(keepdim), dtype, mask)


def std(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    *,
    correction: int | None = None,
    keepdim: bool | None = False,
    dtype: Dtype = None,
    mask: Mask = None,
) -> Tensor:
    """The standard deviation over ``dim`` (all by default) of the elements that ``mask`` marks; nan of none."""
    _check("std", input)
    return sqrt(_spread(input, dim, unbiased, correction, bool(keepdim), dtype, mask))  # type: ignore[no-any-return]


def logsumexp(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: Dtype = None, mask: Mask = None
) -> Tensor:
    """The logarithm of the sum of exponentials of the elements that ``mask`` marks, in the input's dtype."""
    _check("logsumexp", input)
    input = _as(input, dtype)
    filled = _only(input, mask, -math.inf if input._array.dtype.kind == "c" else _lowest("logsumexp", input))
    return to(reductions.logsumexp(filled, _dims(dim, input), keepdim), input.dtype)


def cumsum(input: Tensor, dim: int, *, dtype: Dtype = None, mask: Mask = None) -> Tensor:
    """The sums along ``dim`` up to each element of those that ``mask`` marks."""
    _check("cumsum", input)
    input = _as(input, _summed_type(input, dtype))
    return scans.cumsum(_only(input, mask, 0), dim)


def cumprod(input: Tensor, dim: int, *, dtype: Dtype = None, mask: Mask = None) -> Tensor:
    """The products along ``dim`` up to each element of those that ``mask`` marks."""
    _check("cumprod", input)
    input = _as(input, _summed_type(input, dtype))
    return scans.cumprod(_only(input, mask, 1), dim)


def softmax(input: Tensor, dim: int, *, dtype: Dtype = None, mask: Mask = None) -> Tensor:
    """``softmax`` along ``dim`` of the elements that ``mask`` marks; the others give 0, and nan where none is.

    Example:
        >>> import rushlight as torch
        >>> torch.masked.softmax(torch.tensor([1., 9., 1.]), 0, mask=torch.tensor([True, False, True]))
        tensor([0.5000, 0.0000, 0.5000])
    """
    _check("softmax", input)
    input = _as(input, dtype)
    return activations.softmax(_only(input, mask, _lowest("amax", input)), dim)


def log_softmax(input: Tensor, dim: int, *, dtype: Dtype = None, mask: Mask = None) -> Tensor:
    """``log_softmax`` along ``dim`` of the elements that ``mask`` marks; the others give -inf."""
    _check("log_softmax", input)
    input = _as(input, dtype)
    return activations.log_softmax(_only(input, mask, _lowest("amax", input)), dim)


def softmin(input: Tensor, dim: int, *, dtype: Dtype = None, mask: Mask = None) -> Tensor:
    """``softmax`` of the negated elements."""
    _check("softmin", input)
    input = _as(input, dtype)
    return activations.softmax(-_only(input, mask, _highest("amin", input)), dim)


def normalize(
    input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: Dtype = None, mask: Mask = None
) -> Tensor:
    """The elements over their norm of order ``ord`` along ``dim``, or over ``eps`` where that is larger."""
    _check("normalize", input)
    input = _as(input, dtype)
    size = norm(input, ord, dim, keepdim=True, mask=mask)
    least = full_like(size.detach(), eps)
    return _only(input, mask, 0) / where(size > least, size, least)  # type: ignore[no-any-return]


def logaddexp(
    input: Tensor,
    other: Tensor,
    *,
    dtype: Dtype = None,
    input_mask: Mask = None,
    other_mask: Mask = None,
) -> Tensor:
    """``logaddexp`` of the elements that the masks mark; the others count as -inf."""
    _check("logaddexp", input)
    _check("logaddexp", other)
    input, other = _as(input, dtype), _as(other, dtype)
    low = _lowest("logaddexp", input)
    return functions.logaddexp(_only(input, input_mask, low), _only(other, other_mask, low))  # type: ignore[no-any-return]


METHODS: dict[str, Any] = {}
