"""Medians, modes and quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, F64, I64, LOW_PRECISION, int64
from ..core.history import Node
from ..core.return_types import maker
from ..core.shapes import wrap_dim
from ..core.tensor import Tensor
from .define import Primitive
from .dispatch import is_number, not_implemented, write_out
from .extrema import named_result, selected_vjp
from .movement import reshape
from .numpy_names import numpy_names
from .placement import tensor_beside
from .reductions import ONE_DIM, apply_to_one, check_one_dim, check_tensor, over_a_matrix
from .sorting import at_indices, kth_order, sort, stable_order

Array = NDArray[Any]
MedianResult, NanmedianResult, ModeResult = maker("median"), maker("nanmedian"), maker("mode")


# --- median -----------------------------------------------------------------------------------------------------------


def _median_impl(x: Array) -> Any:
    if not x.size:
        return _of_nothing(x)
    flat = (x.astype(F32) if x.dtype in LOW_PRECISION else x).flatten()
    top = flat[flat.argmax()]
    if np.isnan(top):
        return np.asarray(top).astype(x.dtype)
    k = (x.size - 1) // 2
    flat.partition(k)
    return np.asarray(flat[k]).astype(x.dtype, copy=False)


def _nanmedian_impl(x: Array) -> Any:
    if not x.size:
        return _of_nothing(x)
    flat = (x.astype(F32) if x.dtype in LOW_PRECISION else x).flatten()
    k = (x.size - 1) // 2
    if flat.dtype.kind == "f":
        numbers = x.size - int(np.count_nonzero(np.isnan(flat)))
        k = max(numbers - 1, 0) // 2
    flat.partition(k)
    return np.asarray(flat[k]).astype(x.dtype, copy=False)


def _of_nothing(x: Array) -> Array:
    if x.dtype.kind in "iu":
        return np.asarray(np.iinfo(x.dtype).min, x.dtype)
    return np.asarray(np.nan).astype(x.dtype)


def _median_vjp(g: Tensor, node: Node) -> Tensor:
    """Shared evenly among the elements that equal the median (nan included)."""
    x, result = node.unpack()
    x, result = x.detach(), result.detach()
    winners = x.eq(result).logical_or(x.isnan().logical_and(result.isnan())).to(g.dtype)
    return g * (winners / winners.sum())  # type: ignore[no-any-return]


def _median_dim_impl(x: Array, dim: int, keepdims: bool) -> Any:
    if not x.ndim:
        return x.copy(), np.zeros((), I64)
    indices = kth_order(x, (x.shape[dim] - 1) // 2, dim)
    if x.dtype.kind not in "iu":
        unordered = np.isnan(x)
        if unordered.any():
            first = unordered.argmax(dim, None, keepdims=True)
            indices = np.where(unordered.any(dim, keepdims=True), first, indices)
    return at_indices(x, indices, dim, keepdims)


def _nanmedian_dim_impl(x: Array, dim: int, keepdims: bool) -> Any:
    if not x.ndim:
        return x.copy(), np.zeros((), I64)
    if x.dtype.kind in "iu" or not np.isnan(x).any():
        return _median_dim_impl(x, dim, keepdims)
    numbers = np.count_nonzero(~np.isnan(x), dim, keepdims=True)
    indices = np.take_along_axis(stable_order(x, dim, False), np.maximum(numbers - 1, 0) // 2, dim)
    return at_indices(x, indices, dim, keepdims)


MEDIAN = Primitive(
    "median", _median_impl, _median_vjp, saves=((0, (0,)),), saves_output=True, samples=over_a_matrix({})
)
NANMEDIAN = Primitive(
    "nanmedian",
    _nanmedian_impl,
    _median_vjp,
    saves=((0, (0,)),),
    saves_output=True,
    samples=over_a_matrix({}),
)
MEDIAN_DIM = Primitive(
    "median_dim",
    _median_dim_impl,
    selected_vjp,
    saves_output=(1,),
    grad_name="MedianBackward1",
    samples=over_a_matrix(*ONE_DIM),
)
NANMEDIAN_DIM = Primitive(
    "nanmedian_dim",
    _nanmedian_dim_impl,
    selected_vjp,
    saves_output=(1,),
    grad_name="NanmedianBackward1",
    samples=over_a_matrix(*ONE_DIM),
)


@numpy_names
def median(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: tuple[Tensor, Tensor] | None = None
) -> Any:
    """``median(input)``: the median of all elements; ``median(input, dim)``: those over a dimension and their indices, as
    ``(values, indices)``.

    Of an even number the lower of the two in the middle. nan if there is a nan. Raises ``IndexError`` over nothing.

    Example:
        >>> import rushlight as torch
        >>> torch.median(torch.tensor([4.0, 1.0, 3.0, 2.0]))
        tensor(2.)
    """
    return _median_of("median", MEDIAN, MEDIAN_DIM, MedianResult, input, dim, keepdim, out)


@numpy_names
def nanmedian(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: tuple[Tensor, Tensor] | None = None
) -> Any:
    """As ``median``, of what is not nan.

    Example:
        >>> import rushlight as torch
        >>> torch.nanmedian(torch.tensor([4.0, float("nan"), 3.0]))
        tensor(3.)
    """
    return _median_of("nanmedian", NANMEDIAN, NANMEDIAN_DIM, NanmedianResult, input, dim, keepdim, out)


def _median_of(
    name: str,
    whole: Primitive,
    over_dim: Primitive,
    result_type: Any,
    input: Tensor,
    dim: Any,
    keepdim: Any,
    out: Any,
) -> Any:
    check_tensor(name, input)
    array = input._array
    if array.dtype.kind in "bc":
        raise not_implemented("median", array.dtype)
    check_one_dim(name, dim, keepdim)
    if dim is None:
        if keepdim:
            raise TypeError(f'{name}() missing 1 required positional arguments: "dim"')
        result = apply_to_one(whole, input, {})
        return result if out is None else write_out(out, result, name)
    dim = wrap_dim(dim, array.ndim)
    if array.ndim and not array.shape[dim]:
        raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")
    return named_result(
        name, result_type, apply_to_one(over_dim, input, {"dim": dim, "keepdims": keepdim}), out
    )


# --- mode -------------------------------------------------------------------------------------------------------------


def _mode_impl(x: Array, dim: int, keepdims: bool) -> Any:
    if not x.ndim:
        return x.copy(), np.zeros((), I64)
    order = stable_order(x, dim, False)
    ordered = np.moveaxis(np.take_along_axis(x, order, dim), dim, -1)
    places = np.arange(ordered.shape[-1])
    starts = np.ones(ordered.shape, bool)
    starts[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    # How many equal elements end here: the first place with most of them ends the run of the smallest mode.
    length = places - np.maximum.accumulate(np.where(starts, places, 0), -1)
    ends = np.expand_dims(length.argmax(-1), dim)
    return at_indices(x, np.take_along_axis(order, ends, dim), dim, keepdims)


MODE = Primitive("mode", _mode_impl, selected_vjp, saves_output=(1,), samples=over_a_matrix(*ONE_DIM))


@numpy_names
def mode(
    input: Tensor, dim: int = -1, keepdim: bool = False, *, out: tuple[Tensor, Tensor] | None = None
) -> Any:
    """The most frequent elements over ``dim``, the smallest of equally frequent ones, with the index of their last
    occurrence, as ``(values, indices)``.

    Example:
        >>> import rushlight as torch
        >>> torch.mode(torch.tensor([1, 2, 2, 3, 3]))
        torch.return_types.mode(
        values=tensor(2),
        indices=tensor(2))
    """
    check_tensor("mode", input)
    check_one_dim("mode", dim, keepdim)
    array = input._array
    dim = wrap_dim(dim, array.ndim)
    if array.dtype.kind == "c":
        raise not_implemented("mode", array.dtype)
    if array.ndim and not array.shape[dim]:
        raise IndexError(f"mode(): Expected reduction dim {dim} to have non-zero size.")
    return named_result("mode", ModeResult, apply_to_one(MODE, input, {"dim": dim, "keepdims": keepdim}), out)


# --- quantiles --------------------------------------------------------------------------------------------------------

INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


@numpy_names
def quantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """The ``q``-th quantiles over ``dim`` (None: of all elements); a vector ``q`` adds a leading dimension.

    Between two elements ``interpolation`` decides: ``linear``, ``lower``, ``higher``, ``midpoint`` or ``nearest``. nan where
    there is a nan. Raises ``RuntimeError`` for other dtypes than float32 and float64, an empty ``input``, and ``q`` outside
    ``[0, 1]``.

    Example:
        >>> import rushlight as torch
        >>> torch.quantile(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0.0, 0.75]))
        tensor([1., 3.])
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, out, ignore_nan=False)


@numpy_names
def nanquantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """As ``quantile``, of what is not nan.

    Example:
        >>> import rushlight as torch
        >>> torch.nanquantile(torch.tensor([1.0, float("nan"), 2.0]), 0.5)
        tensor(1.5000)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, out, ignore_nan=True)


def _quantile(
    name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str, out: Tensor | None,
    *, ignore_nan: bool,
) -> Tensor:  # fmt: skip
    check_tensor(name, input)
    array = input._array
    if not isinstance(q, float | Tensor) and (isinstance(q, complex) or not is_number(q)):
        raise TypeError(f"{name}(): argument 'q' must be float or Tensor, not {type(q).__name__}")
    check_one_dim(name, dim, keepdim)
    if not array.size:
        raise RuntimeError("quantile() input tensor must be non-empty")
    if array.dtype not in (F32, F64):
        raise RuntimeError("quantile() input tensor must be either float or double dtype")
    if interpolation not in INTERPOLATIONS:
        raise RuntimeError(
            "quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, but got "
            f"{interpolation}"
        )
    if isinstance(q, Tensor):
        if q._array.ndim > 1:
            raise RuntimeError("quantile() q must be a scalar or 1D tensor")
        if q._array.dtype != array.dtype:
            raise RuntimeError("quantile() q tensor must be same dtype as the input tensor")
        if not ((q._array >= 0) & (q._array <= 1)).all():
            raise RuntimeError("quantile() q values must be in the range [0, 1]")
    else:
        if not 0 <= q <= 1:
            raise RuntimeError(f"quantile() q must be in the range [0, 1] but got {q}")
        q = tensor_beside(input, np.asarray(q, array.dtype))
    if out is not None and isinstance(out, Tensor) and out._array.dtype != array.dtype:
        raise RuntimeError("quantile() out tensor must be same dtype as the input tensor")
    result = _interpolated(input, q, dim, keepdim, interpolation, ignore_nan)
    return result if out is None else write_out(out, result, name)


def _interpolated(
    input: Tensor, q: Tensor, dim: int | None, keepdim: bool, interpolation: str, ignore_nan: bool
) -> Tensor:
    ndim = input._array.ndim
    if dim is None or not ndim:
        rows = reshape(input, (input._array.size,))
    else:
        dim = wrap_dim(dim, ndim)
        rows = input.movedim(dim, -1)
    rows = sort(rows).values
    n = rows._array.shape[-1]
    unordered = rows.isnan()
    probabilities = q if q._array.ndim else reshape(q, (1,))
    if ignore_nan:
        last = unordered.logical_not().sum(-1, True) - 1
        ranks = (probabilities * last.clamp(min=0)).to(q.dtype)
    else:
        # A row with a nan has it at the end, and its quantiles are nan.
        ranks = (probabilities * (n - 1)).expand((*rows._array.shape[:-1], probabilities._array.size))
        ranks = ranks.masked_fill(unordered.any(-1, True), n - 1)
    if interpolation == "lower":
        ranks = ranks.floor()
    elif interpolation == "higher":
        ranks = ranks.ceil()
    elif interpolation == "nearest":
        ranks = ranks.round()
    below = ranks.floor().to(int64)
    result = rows.gather(-1, below)
    if interpolation in ("linear", "midpoint"):
        above = rows.gather(-1, ranks.ceil().to(int64))
        weight: Any = 0.5 if interpolation == "midpoint" else ranks - below
        result = result.lerp(above, weight)
    result = result.movedim(-1, 0)
    if keepdim and dim is None:
        result = reshape(result, (result._array.shape[0], *(1,) * ndim))
    elif keepdim and ndim and dim is not None:
        result = result.unsqueeze(dim + 1)
    return result if q._array.ndim else result.squeeze(0)  # type: ignore[no-any-return]


METHODS: dict[str, Any] = {
    "median": median,
    "nanmedian": nanmedian,
    "mode": mode,
    "quantile": quantile,
    "nanquantile": nanquantile,
}
