"""Variance and its kind, covariance, and histograms. Medians and quantiles: ``order_statistics``."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arguments import check_flag, check_tensor as check_tensor_argument, type_of
from ..core.dtypes import F32, F64, I64, INEXACT, LOW_PRECISION, OF_NUMPY, NumpyDType, get_default_dtype
from ..core.history import Node
from ..core.once import depth_in_library
from ..core.return_types import maker
from ..core.shapes import count, wrap_dims
from ..core.tensor import Tensor
from ..runtime.batched import whole
from .define import Primitive
from .dispatch import apply, not_implemented, write_out
from .linalg import write_exact
from .movement import reshape
from .reductions import (
    WAYS,
    Dims,
    apply_to_one,
    check_dims,
    check_tensor,
    mean,
    no_derivative,
    over_a_matrix,
    restore_dims,
    sum,
    sum_array,
)
from .summation import ONES, SMALL, plan_for

Array = NDArray[Any]
Correction = int | float | None
HistogramResult, HistogramddResult = maker("histogram"), maker("histogramdd")
_BY_DEFAULT: Any = object()


def warn(message: str) -> None:
    """A ``UserWarning`` at the line of the program that called the operation."""
    warnings.warn(message, UserWarning, stacklevel=depth_in_library())


# --- variance ---------------------------------------------------------------------------------------------------------


def _spread_impl(
    x: Array, axis: tuple[int, ...] | None, correction: float, keepdims: bool, root: bool
) -> Any:
    """The variance, or its root."""
    dtype = x.dtype
    n = x.size if axis is None else count([x.shape[i] for i in axis])
    divisor = max(0.0, n - correction)
    if dtype.kind == "c":
        real = _spread_impl(x.real, axis, correction, keepdims, False)
        result = real + _spread_impl(x.imag, axis, correction, keepdims, False)
        return np.sqrt(result) if root else result
    if dtype in LOW_PRECISION:
        x = x.astype(F32)
    if x.size > SMALL:
        gap = x - np.true_divide(sum_array(x, axis, True), n)
        # In x's own precision the mean is rounded and the gaps do not add up to 0; what is left over corrects their squares.
        left = sum_array(gap, axis, keepdims)
        squares = sum_array(np.multiply(gap, gap, gap), axis, keepdims)
        result = np.true_divide(squares - left * left / n, divisor)
    elif not keepdims and n and (axis is None or len(axis) == x.ndim):
        wide = x.astype(F64).reshape(-1)
        gap = wide - ONES[F64][:n].dot(wide) / n
        result = gap.dot(gap) / divisor
        return np.asarray(math.sqrt(result) if root else result, dtype)
    else:
        gap = x.astype(F64)
        center = plan_for(x.shape, axis, True, F64)(gap)
        center /= n
        gap -= center
        result = np.asarray(plan_for(x.shape, axis, keepdims, F64)(np.multiply(gap, gap, gap)))
        result /= divisor
    return np.asarray(np.sqrt(result) if root else result).astype(dtype, copy=False)


def _var_impl(x: Array, axis: tuple[int, ...] | None, correction: float, keepdims: bool) -> Any:
    return _spread_impl(x, axis, correction, keepdims, False)


def _std_impl(x: Array, axis: tuple[int, ...] | None, correction: float, keepdims: bool) -> Any:
    return _spread_impl(x, axis, correction, keepdims, True)


def _var_gradient(g: Tensor, x: Tensor, attrs: dict[str, Any]) -> Tensor:
    axis, shape = attrs["axis"], x._array.shape
    n = count(shape if axis is None else [shape[i] for i in axis])
    left = n - attrs["correction"]
    scale = 2.0 / left if left else math.inf
    g = restore_dims(g, shape, axis, attrs["keepdims"])
    return g * scale * (x - mean(x, axis, True))


def _var_vjp(g: Tensor, node: Node) -> Tensor:
    (x,) = node.unpack()
    return _var_gradient(g, x, node.attrs)


def _std_vjp(g: Tensor, node: Node) -> Tensor:
    x, result = node.unpack()
    # At 0 the square root has no slope; PyTorch's choice is 0.
    return _var_gradient((g / (result * 2)).masked_fill(result.eq(0), 0), x, node.attrs)


_CORRECTED = [{**way, "correction": 0.5} for way in WAYS]
VAR = Primitive(
    "var",
    _var_impl,
    _var_vjp,
    saves=((0, (0,)),),
    grad_name="VarBackward0",
    samples=over_a_matrix(*_CORRECTED),
)
STD = Primitive(
    "std",
    _std_impl,
    _std_vjp,
    saves=((0, (0,)),),
    saves_output=True,
    grad_name="StdBackward0",
    samples=over_a_matrix(*_CORRECTED),
)


def _spread(
    record: Primitive, input: Tensor, dim: Any, unbiased: bool | None, keepdim: bool, correction: Any, axis: Dims,
    name: str = "",
) -> Tensor:  # fmt: skip
    name = name or record.name
    check_tensor(name, input)
    if isinstance(dim, bool):  # std(input, unbiased)
        if unbiased is not None:
            raise TypeError(f"{name}(): argument 'dim' must be int or tuple of ints, not bool")
        dim, unbiased = None, dim
    if unbiased is not None and correction is not _BY_DEFAULT:
        raise TypeError(f"{name}() takes either 'unbiased' or 'correction', not both")
    if correction is _BY_DEFAULT or correction is None:
        correction = 0 if unbiased is False else 1
    dim = dim if axis is None else axis
    array = input._array
    if array.dtype not in INEXACT:
        raise RuntimeError(
            f"{name}: std and var only support floating point and complex dtypes, got {input.dtype}"
        )
    if dim is None and keepdim is False:
        axes, n = None, array.size
    else:
        check_dims(name, dim, keepdim)
        axes = wrap_dims(dim, array.ndim)
        n = count([array.shape[i] for i in axes])
    if n <= correction:
        warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor (input "
            "numel divided by output numel)."
        )
    attrs = {"axis": axes, "correction": correction, "keepdims": keepdim}
    return apply_to_one(record, input, attrs)  # type: ignore[no-any-return]


def var(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Correction = _BY_DEFAULT,
    out: Tensor | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """The variance over ``dim`` (an int, several, or None for all): squares' sum over ``n - correction``.

    ``correction`` is 1 unless given (Bessel's); ``unbiased=False`` is ``correction=0``. Of complex numbers: of the real
    plus of the imaginary parts. Where ``n <= correction`` the result is nan or inf, with a ``UserWarning``. Raises
    ``RuntimeError`` for integers and bools.

    Example:
        >>> import rushlight as torch
        >>> torch.var(torch.tensor([[1.0, 3.0], [2.0, 6.0]]), dim=1)
        tensor([2., 8.])
    """
    keepdim = keepdims or keepdim
    result = _spread(VAR, input, dim, unbiased, keepdim, correction, axis)
    return result if out is None else write_out(out, result, "var")


def std(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Correction = _BY_DEFAULT,
    out: Tensor | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """The standard deviation over ``dim``: the square root of ``var``, with the same parameters.

    Example:
        >>> import rushlight as torch
        >>> torch.std(torch.tensor([1.0, 3.0, 5.0]))
        tensor(2.)
    """
    keepdim = keepdims or keepdim
    result = _spread(STD, input, dim, unbiased, keepdim, correction, axis)
    return result if out is None else write_out(out, result, "std")


def var_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Correction = _BY_DEFAULT,
    axis: Dims = None,
    keepdims: bool = False,
) -> tuple[Tensor, Tensor]:
    """The variance and the mean over ``dim``, with the parameters of ``var``.

    Example:
        >>> import rushlight as torch
        >>> torch.var_mean(torch.tensor([1.0, 3.0]))
        (tensor(2.), tensor(2.))
    """
    keepdim = keepdims or keepdim
    spread = _spread(VAR, input, dim, unbiased, keepdim, correction, axis, "var_mean")
    return spread, mean(input, None if isinstance(dim, bool) else dim if axis is None else axis, keepdim)


def std_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Correction = _BY_DEFAULT,
    axis: Dims = None,
    keepdims: bool = False,
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean over ``dim``, with the parameters of ``var``.

    Example:
        >>> import rushlight as torch
        >>> torch.std_mean(torch.tensor([1.0, 3.0, 5.0]))
        (tensor(2.), tensor(3.))
    """
    keepdim = keepdims or keepdim
    spread = _spread(STD, input, dim, unbiased, keepdim, correction, axis, "std_mean")
    return spread, mean(input, None if isinstance(dim, bool) else dim if axis is None else axis, keepdim)


# --- covariance -------------------------------------------------------------------------------------------------------


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariance matrix of variables in rows, observations in columns (a vector is one variable).

    ``fweights`` (integers) says how often each observation occurs, ``aweights`` how much it counts. Raises
    ``RuntimeError`` for more than two dimensions or weights that do not fit.

    Example:
        >>> import rushlight as torch
        >>> torch.cov(torch.tensor([[0.0, 2.0], [4.0, 0.0]]))
        tensor([[ 2., -4.],
                [-4.,  8.]])
    """
    check_tensor("cov", input)
    array = input._array
    if array.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {array.ndim} dimensions"
        )
    if array.dtype.kind == "b":
        raise RuntimeError("cov(): bool dtype is not supported for input")
    observed = reshape(input, (1, array.size)) if array.ndim < 2 else input
    number = observed._array.shape[1]
    weights = _observation_weights(fweights, aweights, number)
    if observed._array.dtype not in INEXACT:
        observed = observed.to(_default_float())
    if weights is None or not number:
        average, total = mean(observed, 1, True), None
    else:
        total = sum(weights)
        if not total._array > 0:
            raise RuntimeError("cov(): weights sum to zero, can't be normalized")
        average = sum(observed * weights, 1, True) / total
    left: Any
    if weights is None or total is None:
        left = number - correction
    elif correction and aweights is not None:
        left = total - correction * sum(weights * aweights) / total
    else:
        left = total - correction
    if float(left) <= 0:
        warn(
            "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations."
        )
        left = 0.0
    gaps = observed - average
    weighted = gaps if weights is None else gaps * weights
    product = gaps.mm(weighted.t().conj() if array.dtype.kind == "c" else weighted.t())
    result: Tensor = product / left if isinstance(left, Tensor) else product.true_divide(left)
    return result.squeeze()  # type: ignore[no-any-return]


def _default_float() -> Any:
    return get_default_dtype()


def _observation_weights(fweights: Tensor | None, aweights: Tensor | None, number: int) -> Tensor | None:
    weights: Tensor | None = None
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is None:
            continue
        array = given._array
        integral = array.dtype.kind in "iu"
        if array.ndim > 1:
            raise RuntimeError(
                f"cov(): expected {name} to have one or fewer dimensions but got {name} with {array.ndim} dimensions"
            )
        if name == "fweights" and not integral:
            raise RuntimeError(
                f"cov(): expected fweights to have integral dtype but got fweights with {given.dtype} dtype"
            )
        if name == "aweights" and (integral or array.dtype.kind in "bc"):
            raise RuntimeError(
                f"cov(): expected aweights to have floating point dtype but got aweights with {given.dtype} dtype"
            )
        if array.size != number:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are observations in the input but got {array.size} "
                f"!= {number}"
            )
        if array.size and whole(array).min() < 0:
            raise RuntimeError(f"cov(): {name} cannot be negative")
        given = reshape(given, (array.size,))
        weights = given if weights is None else weights * given
    return weights


def corrcoef(input: Tensor) -> Tensor:
    """Pearson's correlation coefficients of variables in rows, observations in columns.

    Example:
        >>> import rushlight as torch
        >>> torch.corrcoef(torch.tensor([[0.0, 2.0], [4.0, 0.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    check_tensor("corrcoef", input)
    if input._array.ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input._array.ndim} dimensions"
        )
    c = cov(input)
    if not c._array.ndim:
        return c / c
    own = c.diag()
    spread = (own.real if own._array.dtype.kind == "c" else own).sqrt()
    c = c / spread.unsqueeze(-1) / spread.unsqueeze(0)
    if c._array.dtype.kind == "c":
        from .complex_numbers import complex as from_parts

        return from_parts(c.real.clip(-1, 1), c.imag.clip(-1, 1))
    return c.clip(-1, 1)  # type: ignore[no-any-return]


# --- histograms -------------------------------------------------------------------------------------------------------


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, … occurs in a vector of integers that are not negative, or the sum of their ``weights``.

    The result has ``max(input) + 1`` elements, at least ``minlength``: int64, or the type of float weights (float64 for
    integer ones).

    Example:
        >>> import rushlight as torch
        >>> torch.bincount(torch.tensor([1, 1, 3]))
        tensor([0, 2, 0, 1])
    """
    check_tensor("bincount", input)
    array = input._array
    if array.dtype.kind not in "iu":
        raise not_implemented("bincount", array.dtype)
    if isinstance(minlength, bool) or not hasattr(minlength, "__index__"):
        raise TypeError(f"bincount(): argument 'minlength' must be int, not {type_of(minlength)}")
    minlength = index(minlength)
    if minlength < 0:
        raise RuntimeError(f"minlength should be >= 0, got {minlength}")
    if array.ndim != 1 or (array.size and whole(array).min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is not None:
        check_tensor_argument("bincount", "weights", weights)
        if array.size and weights._array.shape != array.shape:
            raise RuntimeError("weights should be 1-d and have the same length as input")
    return apply(BINCOUNT, (input, weights), {"minlength": minlength})  # type: ignore[no-any-return]


_LONGEST = 1 << 59  # elements of 8 bytes that an int64 can count


def _bincount_impl(x: Array, weights: Array | None, minlength: int) -> Any:
    longest = max(int(x.max()) + 1 if x.size else 0, minlength)
    if longest >= _LONGEST:  # NumPy counts up to the greatest int64 in memory that it does not have
        raise RuntimeError(f"bincount: Storage size calculation overflowed with sizes={[longest]}")
    if not x.size:
        return np.zeros(minlength, I64)
    if weights is None:
        return np.bincount(x, minlength=minlength).astype(I64, copy=False)
    kept = weights.dtype if weights.dtype == F32 else F64
    return np.bincount(x, weights.astype(F64), minlength).astype(kept)


BINCOUNT = Primitive("bincount", _bincount_impl, no_derivative("bincount"), value_dependent=True)


def histc(
    input: Tensor, bins: int = 100, min: float = 0, max: float = 0, *, out: Tensor | None = None
) -> Tensor:
    """How many elements fall into each of ``bins`` equal parts of ``[min, max]`` (of the data's range if both are equal).

    Elements outside are not counted. Raises ``RuntimeError`` for a range that is not finite or empty.

    Example:
        >>> import rushlight as torch
        >>> torch.histc(torch.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
        tensor([0., 2., 1., 0.])
    """
    check_tensor("histc", input)
    array = input._array
    _check_bins(bins)
    if array.dtype not in INEXACT or array.dtype.kind == "c":
        raise not_implemented("histogram", array.dtype)
    result: Tensor = apply_to_one(HISTC, input, {"bins": int(bins), "low": float(min), "high": float(max)})
    return result if out is None else write_exact(out, result)


def _histc_impl(x: Array, bins: int, low: float, high: float) -> Array:
    if low == high and x.size:
        low, high = float(np.min(x)), float(np.max(x))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"torch.histc: range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError("torch.histc: max must be larger than min")
    if low == high:
        low, high = low - 1, high + 1
    wide = x.reshape(-1).astype(F64)
    inside = wide[(wide >= low) & (wide <= high)]
    places = ((inside - low) * (bins / (high - low))).astype(I64)
    return np.bincount(np.minimum(places, bins - 1), None, bins).astype(x.dtype)


HISTC = Primitive("histc", _histc_impl)


def _check_bins(bins: int, dim: int = 0) -> None:
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension {dim}")


def histogram(
    input: Tensor,
    bins: int | Tensor,
    *,
    range: tuple[float, float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
    out: tuple[Tensor, Tensor] | None = None,
) -> Any:
    """A histogram over ``bins`` equal parts of ``range`` (of the data's own if None), or between the edges in ``bins``.

    Returns ``(hist, bin_edges)``. ``weight`` is what each element counts; ``density`` makes the area 1. Each bin holds its
    left edge, the last one both.

    Example:
        >>> import rushlight as torch
        >>> torch.histogram(torch.tensor([1.0, 2.0, 1.0]), bins=4, range=(0.0, 3.0)).hist
        tensor([0., 2., 1., 0.])
    """
    check_tensor("histogram", input)
    check_flag("histogram", "density", density)
    column = reshape(input, (input._array.size, 1))
    given = [bins] if isinstance(bins, Tensor) else int(bins)
    if weight is not None and weight._array.shape != input._array.shape:
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor, but got input "
            f"with shape {list(input._array.shape)} and weight with shape {list(weight._array.shape)}"
        )
    flat = None if weight is None else reshape(weight, (weight._array.size,))
    hist, edges = histogramdd(column, given, range=range, weight=flat, density=density)
    if out is not None:
        return HistogramResult((write_exact(out[0], hist), write_exact(out[1], edges[0])))
    return HistogramResult((hist, edges[0]))


def histogramdd(
    input: Tensor,
    bins: int | Sequence[int] | Sequence[Tensor],
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """A histogram of the points in the rows of ``input``; ``bins`` for each column: a number of equal parts, or edges.

    ``range`` is ``(min, max)`` of each column, one after the other. Returns ``(hist, bin_edges)`` with a tuple of edges.

    Example:
        >>> import rushlight as torch
        >>> torch.histogramdd(torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]), bins=[2, 2]).hist
        tensor([[0., 1.],
                [1., 1.]])
    """
    check_tensor("histogramdd", input)
    check_flag("histogramdd", "density", density)
    points = input._array
    if points.dtype not in (F32, F64):
        raise not_implemented("histogramdd", points.dtype)
    if points.ndim < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions")
    columns = points.shape[-1]
    leading = points.shape[:-1]
    number: Any = [bins] * columns if isinstance(bins, int) else bins
    if len(number) != columns:
        raise RuntimeError(
            f"torch.histogramdd: expected {columns} sequences of bin edges for a {columns}-dimensional histogram but got "
            f"{len(number)}"
        )
    if weight is not None:
        if weight._array.dtype != points.dtype:
            raise RuntimeError(
                "torch.histogramdd: if weight tensor is provided, input tensor and weight tensor should have the same dtype, "
                f"but got input(dtype={input.dtype}), and weight(dtype={weight.dtype})"
            )
        if weight._array.shape != leading:
            raise RuntimeError(
                "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor excluding "
                f"its innermost dimension, but got input with shape {list(input._array.shape)} and weight with shape "
                f"{list(weight._array.shape)}"
            )
    if range is not None and len(range) != 2 * columns:
        raise RuntimeError(
            f"torch.histogramdd: for a {columns}-dimensional histogram range should have {2 * columns} elements, but got "
            f"{len(range)}"
        )
    given = [edges if isinstance(edges, Tensor) else None for edges in number]
    for i, edges in enumerate(given):
        if edges is None:
            _check_bins(int(number[i]), i)
        else:
            _check_edges(edges._array, points.dtype, i)
    attrs = {
        "bins": tuple([0 if isinstance(edges, Tensor) else int(edges) for edges in number]),
        "range": None if range is None else tuple([float(limit) for limit in range]),
        "density": bool(density),
    }
    hist, *found = apply(HISTOGRAMDD, (input, weight, *given), attrs)
    return HistogramddResult((hist, tuple(found)))


def _histogramdd_impl(
    points: Array,
    weight: Array | None,
    *given: Array | None,
    bins: tuple[int, ...],
    range: tuple[float, ...] | None,
    density: bool,
) -> Any:
    """The histogram, then the edges of each column: ``given`` ones, or those of ``bins`` equal parts."""
    points = points.reshape(-1, points.shape[-1])
    edges = [
        _equal_parts(points, i, bins[i], range) if edge is None else edge.copy()
        for i, edge in enumerate(given)
    ]
    shape = [len(edge) - 1 for edge in edges]
    inside = np.ones(len(points), bool)
    flat = np.zeros(len(points), I64)
    for i, edge in enumerate(edges):
        x = points[:, i]
        place = np.searchsorted(edge, x, "right") - 1
        place[x == edge[-1]] = len(edge) - 2
        inside &= (x >= edge[0]) & (x <= edge[-1])
        flat = flat * shape[i] + np.clip(place, 0, len(edge) - 2)
    weights = None if weight is None else weight.reshape(-1)[inside].astype(F64)
    hist = np.bincount(flat[inside], weights, count(shape)).reshape(shape).astype(points.dtype)
    if density:
        hist = hist / hist.sum()
        for i, edge in enumerate(edges):
            hist = hist / np.diff(edge).reshape([-1 if j == i else 1 for j in _indices(len(edges))])
    return (hist.astype(points.dtype), *edges)


HISTOGRAMDD = Primitive(
    "histogramdd", _histogramdd_impl, no_derivative("_histogramdd_from_bin_cts"), value_dependent=True
)
_indices = range


def _check_edges(edges: Array, dtype: NumpyDType, i: int) -> None:
    if edges.dtype != dtype:
        raise RuntimeError(
            "torch.histogramdd: input tensor and bins tensors should have the same dtype, but got input with dtype "
            f"{OF_NUMPY[dtype].name} and bins for dimension {i} with dtype {OF_NUMPY[edges.dtype].name}"
        )
    if edges.ndim != 1:
        raise RuntimeError(
            f"torch.histogramdd: bins tensor should have one dimension, but got {edges.ndim} dimensions in the bins tensor "
            f"for dimension {i}"
        )
    if not edges.size:
        raise RuntimeError(
            f"torch.histogramdd: bins tensor should have at least 1 element, but got 0 elements in the bins tensor for "
            f"dimension {i}"
        )


def _equal_parts(points: Array, i: int, bins: int, range: tuple[float, ...] | None) -> Array:
    if range is not None:
        low, high = range[2 * i], range[2 * i + 1]
    elif len(points):
        low, high = float(np.min(points[:, i])), float(np.max(points[:, i]))
    else:
        low, high = 0.0, 1.0
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"torch.histogramdd: dimension {i}'s range [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(
            f"torch.histogramdd: min should not exceed max, but got min {low:g} max {high:g} for dimension {i}"
        )
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1).astype(points.dtype)


METHODS: dict[str, Any] = {
    "var": var,
    "std": std,
    "cov": cov,
    "corrcoef": corrcoef,
    "bincount": bincount,
    "histc": histc,
    "histogram": histogram,
}
