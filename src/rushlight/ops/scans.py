"""Running sums, products, extrema; differences; and integrals by the trapezoid rule."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, F64, I64, INEXACT, LOW_PRECISION, dtype
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node
from ..core.return_types import maker
from ..core.shapes import count, wrap_dim
from ..core.tensor import Tensor, make_tensor
from .complex_numbers import conj_of
from .define import Primitive
from .dispatch import apply, compute, not_implemented, type_name, write_out
from .extrema import named_result, selected_often_vjp
from .inplace import overwrite
from .joining import cat
from .movement import cast, narrow, unsqueeze
from .numpy_names import numpy_names
from .placement import tensor_beside
from .reductions import apply_to_one, check_one_dim, check_tensor, over_a_matrix, reduced_type, sum

Array = NDArray[Any]
ndarray = np.ndarray
grad_enabled = GRAD_MODE.get
CummaxResult, CumminResult = maker("cummax"), maker("cummin")
WIDE = 128  # elements of a row from which running sums go row by row
LOOPED = 64  # steps up to which a linear scan runs as a loop


# --- cumsum, cumprod --------------------------------------------------------------------------------------------------


def _accumulate(ufunc: Any, x: Array, dim: int) -> Array:
    """Accumulated in double precision, as PyTorch's kernels do it, and rounded once."""
    if not x.ndim:
        return x.copy()
    if x.dtype == F32 or x.dtype in LOW_PRECISION:
        width = count(x.shape[dim + 1 :])
        if width >= WIDE and x.size > 16 * WIDE:
            return _accumulate_rows(ufunc, x, dim, width)
        return ufunc.accumulate(x, dim, F64).astype(x.dtype, order="C")  # type: ignore[no-any-return]
    return np.ascontiguousarray(ufunc.accumulate(x, dim, x.dtype))


def _accumulate_rows(ufunc: Any, x: Array, dim: int, width: int) -> Array:
    """Row by row, which is quicker than NumPy's accumulate where rows are wide."""
    result = np.empty(x.shape, x.dtype)
    for source, target in zip(
        x.reshape(-1, x.shape[dim], width), result.reshape(-1, x.shape[dim], width), strict=True
    ):
        total = source[0].astype(F64)
        target[0] = source[0]
        for i in range(1, len(source)):
            ufunc(total, source[i], total)
            target[i] = total
    return result


def _cumsum_impl(x: Array, dim: int, reverse: bool) -> Array:
    if reverse and x.ndim:
        return np.flip(_accumulate(np.add, np.flip(x, dim), dim), dim)
    return _accumulate(np.add, x, dim)


def _cumsum_vjp(g: Tensor, node: Node) -> Tensor:
    attrs = node.attrs
    return apply_to_one(CUMSUM, g, {"dim": attrs["dim"], "reverse": not attrs["reverse"]})  # type: ignore[no-any-return]


def _cumprod_vjp(g: Tensor, node: Node) -> Tensor:
    # result[i] = x[0] ... x[i], so x[k] gets sum over i >= k of g[i] * result[i] / x[k]: the product of what is before k
    # times a recurrence from the end, s[k] = g[k] + x[k+1] * s[k+1]. No division: zeros do no harm.
    (x,) = node.unpack()
    dim = node.attrs["dim"]
    shape = x._array.shape
    if not shape:
        return g
    n = shape[dim]
    if n == 0:
        return g
    x = conj_of(x)
    rates = _shifted(x.flip(dim), dim)
    later: Tensor = linear_scan(rates, g.flip(dim), dim).flip(dim)
    return exclusive_cumprod(x, dim) * later


def _shifted(x: Tensor, dim: int, first: int = 1) -> Tensor:
    """``x`` moved one place back along ``dim``, with ``first`` in front."""
    return _led_by(first, narrow(x, dim, 0, x._array.shape[dim] - 1), dim)


def _led_by(first: int, x: Tensor, dim: int) -> Tensor:
    array = x._array
    shape = tuple([1 if i == dim else n for i, n in enumerate(array.shape)])
    return cat([tensor_beside(x, np.full(shape, first, array.dtype)), x], dim)


def exclusive_cumprod(x: Tensor, dim: int) -> Tensor:
    """At each place along ``dim`` the product of the elements before it."""
    return cumprod(_shifted(x, dim), dim)


ALONG: tuple[dict[str, Any], ...] = ({"dim": 1}, {"dim": 0})
CUMSUM = Primitive(
    "cumsum",
    _cumsum_impl,
    _cumsum_vjp,
    samples=over_a_matrix({"dim": 1, "reverse": False}, {"dim": 0, "reverse": True}),
)
CUMPROD = Primitive(
    "cumprod",
    lambda x, dim: _accumulate(np.multiply, x, dim),
    _cumprod_vjp,
    saves=((0, (0,)),),
    samples=over_a_matrix(*ALONG),
)


def _scan_input(
    name: str, input: Tensor, dim: Any, dtype: dtype | None, out: Tensor | None
) -> tuple[Tensor, int]:
    check_tensor(name, input)
    if dim is None:
        raise TypeError(f'{name}() missing 1 required positional arguments: "dim"')
    check_one_dim(name, dim)
    wanted = reduced_type(dtype, input._array, out)
    if wanted.kind == "b":
        raise not_implemented(f"{name}_out", wanted)
    return cast(input, wanted), wrap_dim(dim, input._array.ndim)


def cumsum(
    input: Tensor,
    dim: int | None = None,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    """The running sums along ``dim``; integers and bools are summed in int64.

    Example:
        >>> import rushlight as torch
        >>> torch.cumsum(torch.tensor([1.0, 2.0, 3.0]), dim=0)
        tensor([1., 3., 6.])
    """
    if dtype is None and out is None and type(dim) is int and isinstance(input, Tensor):
        array = input._array
        edge = input._node
        if (
            (array.dtype is F32 or array.dtype is F64)
            and -array.ndim <= dim < array.ndim
            and type(array) is ndarray
            and array.size < CUMSUM.large
        ):
            dim %= array.ndim
            total = compute(_accumulate, (np.add, array, dim), {})
            if edge is None or not grad_enabled():
                return make_tensor(total)
            return make_tensor(total, Node(CUMSUM, (edge,), total, None, {"dim": dim, "reverse": False}))
    input, dim = _scan_input("cumsum", input, dim if axis is None else axis, dtype, out)
    result: Tensor = apply_to_one(CUMSUM, input, {"dim": dim, "reverse": False})
    return result if out is None else write_out(out, result, "cumsum")


def cumprod(
    input: Tensor,
    dim: int | None = None,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    """The running products along ``dim``; integers and bools are multiplied in int64.

    Example:
        >>> import rushlight as torch
        >>> torch.cumprod(torch.tensor([1.0, 2.0, 3.0]), dim=0)
        tensor([1., 2., 6.])
    """
    input, dim = _scan_input("cumprod", input, dim if axis is None else axis, dtype, out)
    result: Tensor = apply_to_one(CUMPROD, input, {"dim": dim})
    return result if out is None else write_out(out, result, "cumprod")


def _in_place(function: Any, name: str) -> Any:
    def inplace(
        self: Tensor, dim: int | None = None, *, dtype: dtype | None = None, axis: int | None = None
    ) -> Tensor:
        own = self._array.dtype
        if dtype is not None and dtype.numpy != own:
            raise RuntimeError(
                f"Bad in-place call: input tensor dtype {type_name(own).lower()} and output tensor dtype "
                f"{type_name(dtype.numpy).lower()} should match"
            )
        return overwrite(self, _same_type(function), (dim if axis is None else axis,), {}, name + "_")

    inplace.__name__ = inplace.__qualname__ = name + "_"
    inplace.__doc__ = f"In-place form of ``{name}``."
    return inplace


def _same_type(function: Any) -> Any:
    return lambda self, dim: cast(function(self, dim), self._array.dtype)


# --- linear recurrences -----------------------------------------------------------------------------------------------


def _linear_scan_impl(rates: Array, x: Array, dim: int) -> Array:
    dtype = x.dtype
    if dtype in LOW_PRECISION:
        rates, x = rates.astype(F32), x.astype(F32)
    a = np.moveaxis(rates, dim, 0).copy()
    h = np.moveaxis(x, dim, 0).copy()
    n = len(h)
    if n <= LOOPED or h.size >= 256 * n:
        for i in range(1, n):
            h[i] += a[i] * h[i - 1]
    else:  # by doubling: after each round, every place has the terms of twice as many places before it
        reach = 1
        while reach < n:
            h[reach:] += a[reach:] * h[:-reach]
            a[reach:] *= a[:-reach].copy()
            reach *= 2
    return np.moveaxis(h, 0, dim).astype(dtype, copy=False)


def _linear_scan_vjp(g: Tensor, node: Node) -> Any:
    # The adjoint runs the other way: u[i] = g[i] + a[i+1] * u[i+1]; x[i] gets u[i], a[i] gets u[i] * h[i-1].
    rates, h = node.unpack()
    dim = node.attrs["dim"]
    rates, h = conj_of(rates), conj_of(h)
    u = linear_scan(_shifted(rates.flip(dim), dim), g.flip(dim), dim).flip(dim)
    if node.edges[0] is None:
        return None, u
    return u * _shifted(h, dim, 0), u


LINEAR_SCAN = Primitive(
    "linear_scan",
    _linear_scan_impl,
    _linear_scan_vjp,
    saves=((0, (0, 1)),),
    saves_output=True,
    samples=lambda: [
        ((np.array([[0.5, -1.5], [0.0, 1.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])), way) for way in ALONG
    ],
)


def linear_scan(rates: Tensor, x: Tensor, dim: int) -> Tensor:
    """``h`` with ``h[0] = x[0]`` and ``h[i] = rates[i] * h[i - 1] + x[i]`` along ``dim``; both of one shape and dtype."""
    return apply(LINEAR_SCAN, (rates, x), {"dim": dim})  # type: ignore[no-any-return]


# --- cummax, cummin ---------------------------------------------------------------------------------------------------


def _running(ufunc: Any, at_least: Any) -> Any:
    def impl(x: Array, dim: int) -> Any:
        if not x.ndim:
            return x.copy(), np.zeros((), I64)
        if not x.size:
            return x.copy(), np.zeros(x.shape, I64)
        values = ufunc.accumulate(x, dim)
        last = np.moveaxis(x, dim, -1)
        running = np.moveaxis(values, dim, -1)
        # The last element that is as extreme as all before it; from a nan on, the last nan.
        new = at_least(last, running)
        if x.dtype.kind not in "iub":
            new |= np.isnan(last)
        places = np.where(new, np.arange(last.shape[-1]), 0)
        indices = np.moveaxis(np.maximum.accumulate(places, -1), -1, dim)
        return values, indices

    return impl


CUMMAX = Primitive(
    "cummax",
    _running(np.maximum, np.greater_equal),
    selected_often_vjp,
    saves_output=(1,),
    samples=over_a_matrix(*ALONG),
)
CUMMIN = Primitive(
    "cummin",
    _running(np.minimum, np.less_equal),
    selected_often_vjp,
    saves_output=(1,),
    samples=over_a_matrix(*ALONG),
)


@numpy_names
def cummax(input: Tensor, dim: int, *, out: tuple[Tensor, Tensor] | None = None) -> Any:
    """The running maxima along ``dim`` and the index of the last element that each comes from, as ``(values, indices)``.

    Example:
        >>> import rushlight as torch
        >>> torch.cummax(torch.tensor([1.0, 3.0, 2.0]), dim=0).values
        tensor([1., 3., 3.])
    """
    return _running_form(CUMMAX, CummaxResult, input, dim, out)


@numpy_names
def cummin(input: Tensor, dim: int, *, out: tuple[Tensor, Tensor] | None = None) -> Any:
    """The running minima along ``dim`` and the index of the last element that each comes from, as ``(values, indices)``.

    Example:
        >>> import rushlight as torch
        >>> torch.cummin(torch.tensor([3.0, 1.0, 2.0]), dim=0).values
        tensor([3., 1., 1.])
    """
    return _running_form(CUMMIN, CumminResult, input, dim, out)


def _running_form(record: Primitive, result_type: Any, input: Tensor, dim: int, out: Any) -> Any:
    check_tensor(record.name, input)
    check_one_dim(record.name, dim)
    if input._array.dtype.kind == "c":
        raise not_implemented(record.name, input._array.dtype)
    results = apply_to_one(record, input, {"dim": wrap_dim(dim, input._array.ndim)})
    return named_result(record.name, result_type, results, out)


# --- logcumsumexp -----------------------------------------------------------------------------------------------------


def _logcumsumexp_impl(x: Array, dim: int) -> Array:
    if not x.ndim or not x.size:
        return x.copy()
    if x.dtype.kind == "c":
        return _complex_logcumsumexp(x, dim)
    if x.dtype in LOW_PRECISION or x.dtype == F32:
        return np.logaddexp.accumulate(x, dim, F64).astype(x.dtype)
    return np.logaddexp.accumulate(x, dim)


def _complex_logcumsumexp(x: Array, dim: int) -> Array:
    result = np.moveaxis(x, dim, 0).copy()
    for i in range(1, len(result)):
        a, b = result[i - 1], result[i]
        swap = a.real > b.real
        low, high = np.where(swap, b, a), np.where(swap, a, b)
        ratio = np.where(np.isinf(high.real) & (high.real < 0), 0, np.exp(low - high))
        result[i] = high + np.log1p(ratio)
    return np.moveaxis(result, 0, dim)


def _logcumsumexp_vjp(g: Tensor, node: Node) -> Tensor:
    # x[k] gets the sum over i >= k of g[i] * exp(x[k] - result[i]) = exp(x[k] - result[k]) * s[k], with
    # s[k] = g[k] + exp(result[k] - result[k+1]) * s[k+1]: the results never fall, so no exponential overflows.
    x, result = node.unpack()
    dim = node.attrs["dim"]
    if not x._array.ndim or not x._array.size:
        return g
    own = (x - result).exp()
    before = narrow(result, dim, 0, x._array.shape[dim] - 1)
    behind = narrow(result, dim, 1, x._array.shape[dim] - 1)
    rates = (before - behind).exp()
    own, rates = conj_of(own), conj_of(rates)
    if x._array.dtype.kind != "c":
        # Where nothing has been added yet the difference is inf - inf; such terms weigh nothing.
        rates = rates.masked_fill(before.eq(float("-inf")), 0)
    rates = _led_by(0, rates.flip(dim), dim)
    return own * linear_scan(rates, g.flip(dim), dim).flip(dim)  # type: ignore[no-any-return]


LOGCUMSUMEXP = Primitive(
    "logcumsumexp",
    _logcumsumexp_impl,
    _logcumsumexp_vjp,
    saves=((0, (0,)),),
    saves_output=True,
    samples=over_a_matrix(*ALONG),
)


@numpy_names
def logcumsumexp(input: Tensor, dim: int, *, out: Tensor | None = None) -> Tensor:
    """The logarithms of the running sums of ``exp(input)`` along ``dim``, without overflow.

    Example:
        >>> import rushlight as torch
        >>> torch.logcumsumexp(torch.tensor([0.0, 0.0]), dim=0)
        tensor([0.0000, 0.6931])
    """
    check_tensor("logcumsumexp", input)
    check_one_dim("logcumsumexp", dim)
    dim = wrap_dim(dim, input._array.ndim)
    if input._array.dtype not in INEXACT:
        raise not_implemented("logcumsumexp_out", input._array.dtype)
    result: Tensor = apply_to_one(LOGCUMSUMEXP, input, {"dim": dim})
    return result if out is None else write_out(out, result, "logcumsumexp")


# --- differences, integrals -------------------------------------------------------------------------------------------


@numpy_names
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The ``n``-th differences of neighbours along ``dim`` (of bools: whether they differ), with ``prepend`` and ``append``
    joined to ``input`` first.

    Example:
        >>> import rushlight as torch
        >>> torch.diff(torch.tensor([1, 3, 6]))
        tensor([2, 3])
    """
    check_tensor("diff", input)
    ndim = input._array.ndim
    if not ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = wrap_dim(dim, ndim)
    parts = [prepend, input, append]
    for part in (prepend, append):
        if part is None:
            continue
        shape = part._array.shape
        if len(shape) != ndim:
            raise RuntimeError("diff expects prepend or append to be the same dimension as input")
        if [e for i, e in enumerate(shape) if i != dim] != [
            e for i, e in enumerate(input._array.shape) if i != dim
        ]:
            raise RuntimeError(
                f"diff expects the shape of tensor to prepend or append to match that of input except along the differencing "
                f"dimension; input.shape = {list(input._array.shape)}, but got {list(shape)} for dim {dim}"
            )
    if n and (prepend is not None or append is not None):
        input = cat([part for part in parts if part is not None], dim)
    result = input.clone() if n == 0 else input
    for _ in range(min(n, result._array.shape[dim])):
        extent = max(result._array.shape[dim] - 1, 0)
        before, behind = narrow(result, dim, 0, extent), narrow(result, dim, min(1, extent + 1), extent)
        result = behind.logical_xor(before) if result._array.dtype.kind == "b" else behind - before
    return result if out is None else write_out(out, result, "diff")


def _trapezoid_areas(name: str, y: Tensor, x: Tensor | None, dx: Any, dim: int) -> tuple[Tensor | None, int]:
    """The areas between neighbours along ``dim``; None where there are no neighbours."""
    check_tensor(name, y)
    dim = wrap_dim(dim, y._array.ndim, scalar_ok=False)
    if y._array.dtype.kind == "b":
        raise RuntimeError(f"{name}: received a bool input for `y`, but bool is not supported")
    n = y._array.shape[dim]
    if x is None:
        if n < 2:
            return None, dim
        if not isinstance(dx, int | float | complex | Tensor) or isinstance(dx, bool):
            raise TypeError(f"{name}(): argument 'dx' must be a number, not {type(dx).__name__}")
        return (narrow(y, dim, 0, n - 1) + narrow(y, dim, 1, n - 1)) * (dx / 2.0), dim
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}(): argument 'x' must be Tensor, not {type(x).__name__}")
    if x._array.dtype.kind == "b":
        raise RuntimeError(f"{name}: received a bool input for `x`, but bool is not supported")
    if not x._array.ndim:
        if n < 2:
            return None, dim
        return (narrow(y, dim, 0, n - 1) + narrow(y, dim, 1, n - 1)) * 0.0, dim
    if x._array.ndim == 1:
        if x._array.shape[0] != n:
            raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
        for _ in range(y._array.ndim - 1 - dim):
            x = unsqueeze(x, -1)
        x_dim = 0
    else:
        x_dim = dim - y._array.ndim + x._array.ndim
        if x_dim < 0 or x._array.shape[x_dim] != n:
            raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
    if n < 2:
        return None, dim
    steps = narrow(x, x_dim, 1, n - 1) - narrow(x, x_dim, 0, n - 1)
    return steps * (narrow(y, dim, 0, n - 1) + narrow(y, dim, 1, n - 1)) / 2.0, dim


@numpy_names
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1) -> Tensor:
    """The integral of the samples ``y`` along ``dim`` by the trapezoid rule, at the places ``x`` or in steps of ``dx``.

    Example:
        >>> import rushlight as torch
        >>> torch.trapezoid(torch.tensor([1.0, 2.0, 3.0]))
        tensor(4.)
    """
    areas, dim = _trapezoid_areas("trapezoid", y, x, dx, dim)
    if areas is None:
        return sum(narrow(y, dim, 0, 0), dim)
    return sum(areas, dim - y._array.ndim)


trapz = trapezoid


@numpy_names
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1) -> Tensor:
    """The running integrals of the samples ``y`` along ``dim``: one element less than ``y``; see ``trapezoid``.

    Example:
        >>> import rushlight as torch
        >>> torch.cumulative_trapezoid(torch.tensor([1.0, 2.0, 3.0]))
        tensor([1.5000, 4.0000])
    """
    areas, dim = _trapezoid_areas("cumulative_trapezoid", y, x, dx, dim)
    if areas is None:
        return narrow(y, dim, 0, 0).clone()  # type: ignore[no-any-return]
    return cumsum(areas, dim - y._array.ndim)


METHODS: dict[str, Any] = {
    "cumsum": cumsum,
    "cumsum_": _in_place(cumsum, "cumsum"),
    "cumprod": cumprod,
    "cumprod_": _in_place(cumprod, "cumprod"),
    "cummax": cummax,
    "cummin": cummin,
    "logcumsumexp": logcumsumexp,
    "diff": diff,
}
