"""Cumulative operations: CuPy's running sums and products, and the others by doubling.

By doubling: after round r each place holds the result over the 2**r places up to it, so n places take log2(n) rounds, each of
which is one of CuPy's elementwise kernels. Functions of (cupy, arrays, parameters), see ``cuda_rules``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..core.dtypes import BOOL, F16, F32, F64, I64


def running(cupy: Any, combine: Any, x: Any, dim: int) -> Any:
    """At each place along ``dim`` (counted from the front) the associative ``combine`` of all elements up to it."""
    result = x.copy()
    lead = (slice(None),) * dim
    reach = 1
    while reach < x.shape[dim]:
        here, before = (*lead, slice(reach, None)), (*lead, slice(None, -reach))
        later = combine(result[here], result[before])
        result[here] = later
        reach *= 2
    return result


def _cumsum(cupy: Any, x: Any, dim: int, reverse: bool) -> Any:
    if not x.ndim or not x.size:
        return x.copy()
    kind = F64 if x.dtype in (F32, F16) else I64 if x.dtype == BOOL else x.dtype
    if reverse:
        return cupy.flip(cupy.cumsum(cupy.flip(x, dim), axis=dim, dtype=kind), dim).astype(x.dtype)
    return cupy.cumsum(x, axis=dim, dtype=kind).astype(x.dtype, copy=False)


def _cumprod(cupy: Any, x: Any, dim: int) -> Any:
    if not x.ndim or not x.size:
        return x.copy()
    kind = F64 if x.dtype in (F32, F16) else I64 if x.dtype == BOOL else x.dtype
    return cupy.cumprod(x, axis=dim, dtype=kind).astype(x.dtype, copy=False)


def _running_extremum(ufunc: str) -> Callable[..., Any]:
    def rule(cupy: Any, x: Any, dim: int) -> Any:
        if not x.ndim or not x.size:
            return x.copy(), cupy.zeros(x.shape, I64)
        values = running(cupy, getattr(cupy, ufunc), x, dim)  # nan stays, from the first on
        new = x == values
        if x.dtype.kind == "f":
            new |= cupy.isnan(x)
        places = cupy.arange(x.shape[dim]).reshape([-1 if i == dim else 1 for i in range(x.ndim)])
        # The last element that is as extreme as all before it; from a nan on, the last nan.
        return values, running(cupy, cupy.maximum, cupy.where(new, places, 0), dim)

    return rule


def _logcumsumexp(cupy: Any, x: Any, dim: int) -> Any:
    if not x.ndim or not x.size:
        return x.copy()
    if x.dtype.kind == "c":
        return running(cupy, lambda a, b: _log_of_sum(cupy, a, b), x, dim)
    wide = x.astype(F64, copy=False)
    return running(cupy, cupy.logaddexp, wide, dim).astype(x.dtype, copy=False)


def _log_of_sum(cupy: Any, a: Any, b: Any) -> Any:
    """log(exp(a) + exp(b)) of complex numbers, from the one with the larger real part."""
    swap = a.real > b.real
    low, high = cupy.where(swap, b, a), cupy.where(swap, a, b)
    nothing = cupy.isinf(high.real) & (high.real < 0)
    ratio = cupy.where(nothing, a.dtype.type(0), cupy.exp(low - high))
    return high + cupy.log1p(ratio)


def _linear_scan(cupy: Any, rates: Any, x: Any, dim: int) -> Any:
    if not x.ndim or not x.size:
        return x.copy()
    kind = F32 if x.dtype == F16 else x.dtype
    a, h = rates.astype(kind), x.astype(kind)
    lead = (slice(None),) * dim
    reach = 1
    while reach < x.shape[dim]:
        here, before = (*lead, slice(reach, None)), (*lead, slice(None, -reach))
        sums, rate = h[here] + a[here] * h[before], a[here] * a[before]
        h[here], a[here] = sums, rate
        reach *= 2
    return h.astype(x.dtype, copy=False)


SCANS: Final[dict[str, Callable[..., Any]]] = {
    "cumsum": _cumsum, "cumprod": _cumprod, "cummax": _running_extremum("maximum"),
    "cummin": _running_extremum("minimum"), "logcumsumexp": _logcumsumexp, "linear_scan": _linear_scan,
}  # fmt: skip
