"""CuPy's libraries without a GPU: sorting, linear algebra, Fourier transforms, ``cupyx.scipy``. Part of ``pretend_cupy``.

They refuse what CuPy's refuse: other dtypes than float32, float64, complex64 and complex128 in solvers, leading dimensions
that differ, keyword arguments that CuPy lacks. A matrix that a solver can't take gives nan unless
``cupyx.errstate(linalg="raise")`` asks for an error, as on a GPU.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import cupy_ufuncs
import numpy as np
from pretend_cuda import module

_state = threading.local()
LinAlgError = np.linalg.LinAlgError


@contextlib.contextmanager
def errstate(
    *, divide: Any = None, over: Any = None, under: Any = None, invalid: Any = None, linalg: Any = None
) -> Iterator[None]:
    """``cupyx.errstate``: of NumPy's names only ``linalg`` means something there."""
    if not (divide is over is under is invalid is None) or linalg not in (None, "ignore", "raise"):
        raise NotImplementedError
    before = getattr(_state, "linalg", "ignore")
    _state.linalg = linalg or before
    try:
        yield
    finally:
        _state.linalg = before


def _refused(shape: Any, dtype: Any) -> Any:
    """What a solver that found an error gives: nobody knows, here nan."""
    if getattr(_state, "linalg", "ignore") == "raise":
        raise LinAlgError("Error reported by a solver in cuSOLVER. devInfo = [1].")
    return np.full(shape, np.nan, dtype)


# --- sorting ----------------------------------------------------------------------------------------------------------


def orders(ndarray: Any, wrapped: Callable[[Any], Any]) -> tuple[Any, ...]:
    """CuPy's sort, argsort, lexsort, searchsorted, bincount and repeat."""

    def sort(a: Any, axis: int | None = -1, kind: Any = None) -> Any:
        if a.ndim == 0:
            raise np.exceptions.AxisError("Sorting arrays with the rank of zero is not supported")
        _no_bfloat16(a)
        return wrapped(np.sort(a._host, axis, kind="stable"))

    def argsort(a: Any, axis: int | None = -1, kind: Any = None) -> Any:
        if a.ndim == 0:
            raise np.exceptions.AxisError("Sorting arrays with the rank of zero is not supported")
        _no_bfloat16(a)
        return wrapped(np.argsort(a._host, axis, kind="stable"))

    def lexsort(keys: Any) -> Any:
        if keys.ndim != 2:
            raise NotImplementedError("Keys with the rank of three or more is not supported in lexsort")
        if keys.dtype.kind == "b":
            raise TypeError("lexsort of bool")
        _no_bfloat16(keys)
        return wrapped(np.lexsort(keys._host))

    def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
        if not isinstance(a, ndarray):
            raise NotImplementedError("Only int or ndarray are supported for a")
        if a.ndim != 1:
            raise ValueError("object too deep for desired array")
        if not isinstance(v, ndarray):
            if not isinstance(v, int | float | complex):
                raise NotImplementedError("Only python scalars or ndarrays are supported for v")
        else:
            _no_bfloat16(a, v)
            if a.dtype != v.dtype or a.dtype.kind == "b":
                raise TypeError(f"searchsorted: {a.dtype} and {v.dtype}")
        order = None if sorter is None else sorter._host
        found = np.searchsorted(a._host, v._host if isinstance(v, ndarray) else v, side, order)  # type: ignore[call-overload]
        return wrapped(np.asarray(found))

    def bincount(x: Any, weights: Any = None, minlength: Any = None) -> Any:
        if x.ndim != 1:
            raise ValueError("object too deep for desired array")
        if x.dtype.kind not in "iub":
            raise TypeError("x must be int array")
        if weights is not None and (not isinstance(weights, ndarray) or weights.shape != x.shape):
            raise ValueError("The weights and list don't have the same length.")
        if not x.size:
            return wrapped(np.zeros(int(minlength or 0), np.intp))
        return wrapped(np.bincount(x._host, None if weights is None else weights._host, int(minlength or 0)))

    def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
        if isinstance(repeats, ndarray):
            raise ValueError("cupy.ndaray cannot be specified as `repeats` argument.")
        return wrapped(np.repeat(a._host, repeats, axis))

    return sort, argsort, lexsort, searchsorted, bincount, repeat


def _no_bfloat16(*arrays: Any) -> None:
    if any(a.dtype.kind == "V" for a in arrays):
        raise TypeError("bfloat16 has no order here")


# --- linear algebra ---------------------------------------------------------------------------------------------------


def linalg(ndarray: Any, wrapped: Callable[[Any], Any], host: Callable[[Any], Any]) -> Any:
    """``cupy.linalg``."""

    def check(*arrays: Any, square: bool = False) -> None:
        for a in arrays:
            if not isinstance(a, ndarray):
                raise LinAlgError("cupy.linalg only supports cupy.ndarray")
            if a.ndim < 2:
                raise LinAlgError(f"{a.ndim}-dimensional array given. Array must be at least two-dimensional")
            if a.dtype.char == "e":
                raise TypeError("float16 is unsupported in linalg")
            if a.dtype.char not in "fdFD":
                raise TypeError(f"{a.dtype}: Rushlight gives linalg inexact dtypes only")
            if square and a.shape[-1] != a.shape[-2]:
                raise LinAlgError("Last 2 dimensions of the array must be square")

    def attempted(function: Callable[..., Any], a: Any, *args: Any) -> Any:
        try:
            return wrapped(function(a._host, *args))
        except LinAlgError:
            return wrapped(_refused(a.shape, a.dtype))

    def solve(a: Any, b: Any) -> Any:
        check(a, square=True)
        check(b)
        if a.shape[:-1] != b.shape[:-1] or a.dtype != b.dtype:
            raise ValueError(
                "a must have (..., M, M) shape and b must have (..., M, K) for multidimensional b"
            )
        try:
            return wrapped(np.linalg.solve(a._host, b._host))
        except LinAlgError:
            return wrapped(_refused(b.shape, b.dtype))

    def inv(a: Any) -> Any:
        check(a, square=True)
        return attempted(np.linalg.inv, a)

    def cholesky(a: Any) -> Any:
        check(a, square=True)
        return attempted(np.linalg.cholesky, a)

    def qr(a: Any, mode: str = "reduced") -> Any:
        check(a)
        if mode not in ("reduced", "complete", "r", "raw"):
            raise ValueError(f"Unrecognized mode '{mode}'")
        found = np.linalg.qr(a._host, mode)  # type: ignore[call-overload]
        return wrapped(tuple(found) if isinstance(found, tuple) else found)

    def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
        check(a)
        found = np.linalg.svd(a._host, full_matrices, compute_uv)
        return wrapped(tuple(found) if compute_uv else found)

    def eigh(a: Any, UPLO: str = "L") -> Any:
        check(a, square=True)
        return wrapped(tuple(np.linalg.eigh(a._host, UPLO)))  # type: ignore[arg-type]

    def eigvalsh(a: Any, UPLO: str = "L") -> Any:
        check(a, square=True)
        return wrapped(np.linalg.eigvalsh(a._host, UPLO))  # type: ignore[arg-type]

    def eig(a: Any) -> Any:
        check(a, square=True)
        kind = a.dtype.char.upper()
        return wrapped(tuple([part.astype(kind) for part in np.linalg.eig(a._host)]))

    def slogdet(a: Any) -> Any:
        check(a, square=True)
        return wrapped(tuple([np.asarray(part) for part in np.linalg.slogdet(a._host)]))

    def det(a: Any) -> Any:
        check(a, square=True)
        return wrapped(np.asarray(np.linalg.det(a._host)))

    def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
        return wrapped(np.asarray(np.linalg.norm(x._host, ord, axis, keepdims)))

    functions = (solve, inv, cholesky, qr, svd, eigh, eigvalsh, eig, slogdet, det, norm)
    return module("cupy.linalg", LinAlgError=LinAlgError, **{f.__name__: f for f in functions})


# --- Fourier transforms -----------------------------------------------------------------------------------------------


def fft(wrapped: Callable[[Any], Any], host: Callable[[Any], Any]) -> Any:
    """``cupy.fft``: NumPy's functions and parameters, but ``out``."""

    def made(name: str) -> Any:
        original = getattr(np.fft, name)
        signature = inspect.signature(original)
        parameters = [p for n, p in signature.parameters.items() if n != "out"]

        def function(*args: Any, **kwargs: Any) -> Any:
            bound = signature.replace(parameters=parameters).bind(*args, **kwargs)
            a = bound.arguments["a"]
            if a.dtype.char not in "fdFD":
                raise TypeError(f"{name}: {a.dtype} would be float64 here, unlike NumPy's")
            if "irfft" in name and np.any(_self_conjugate(a._host, bound.arguments)):
                raise ValueError(f"{name}: what stands for itself is not real, which cuFFT leaves undefined")
            bound.arguments["a"] = a._host
            return wrapped(original(*bound.args, **bound.kwargs))

        function.__name__ = name
        return function

    return module(
        "cupy.fft", **{name: made(name) for name in ("fft", "ifft", "rfft", "irfft", "fftn", "ifftn")}
    )


def _self_conjugate(half: Any, arguments: Any) -> Any:
    """The imaginary parts that must be zero."""
    axis, n = arguments["axis"], arguments["n"]
    first = np.take(half, [0] + ([n // 2] if n % 2 == 0 and n // 2 < half.shape[axis] else []), axis)
    return first.imag != 0


# --- cupyx.scipy ------------------------------------------------------------------------------------------------------


def scipy(
    ndarray: Any,
    wrapped: Callable[[Any], Any],
    host: Callable[[Any], Any],
    result_kinds: Callable[..., Any],
) -> Any:
    """``cupyx.scipy`` with ``linalg`` and ``special``, by SciPy's functions of the same names."""

    def solve_triangular(
        a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False,
        overwrite_b: bool = False, check_finite: bool = False,
    ) -> Any:  # fmt: skip
        if a.dtype != b.dtype or a.dtype.char not in "fdFD":
            raise TypeError(f"solve_triangular: {a.dtype} and {b.dtype}")
        if a.shape[:-2] != b.shape[:-2] or a.shape[-1] != a.shape[-2] or a.shape[-1] != b.shape[-2]:
            raise ValueError("incompatible dimensions")
        triangle = np.tril(a._host) if lower else np.triu(a._host)
        x = b._host.copy()
        n = a.shape[-1]
        with np.errstate(all="ignore"):
            for i in range(n) if lower else reversed(range(n)):
                if not unit_diagonal:
                    x[..., i, :] /= triangle[..., i, i, None]
                rest = slice(i + 1, n) if lower else slice(0, i)
                x[..., rest, :] -= triangle[..., rest, i, None] * x[..., None, i, :]
        return wrapped(x)

    def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
        if a.ndim != 2:
            raise LinAlgError(f"{a.ndim}-dimensional array given. Array must be two-dimensional")
        if a.dtype.char not in "fdFD":
            raise NotImplementedError("Only float32, float64, complex64 and complex128 are supported.")
        import scipy.linalg

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            factors, pivots = scipy.linalg.lu_factor(a._host, check_finite=False)
        zero = np.flatnonzero(np.diagonal(factors) == 0)
        if zero.size:
            warnings.warn(
                f"Diagonal number {zero[0] + 1} is exactly zero. Singular matrix.",
                RuntimeWarning,
                stacklevel=2,
            )
        return wrapped(factors), wrapped(pivots.astype(np.intc))

    def special(name: str) -> Any:
        loops = cupy_ufuncs.SPECIAL[name]
        other = {"digamma": "psi"}.get(name, name)

        def function(*args: Any) -> Any:
            import scipy.special

            if not all(isinstance(a, ndarray) for a in args):
                raise TypeError(f"{name}: arrays of the GPU are asked for here")
            hosts = [a._host for a in args]
            (kind,) = result_kinds(name, loops, hosts)
            with np.errstate(all="ignore"):
                return wrapped(np.asarray(getattr(scipy.special, other)(*hosts)).astype(kind))

        function.__name__ = name
        return function

    return module(
        "cupyx.scipy",
        linalg=module("cupyx.scipy.linalg", solve_triangular=solve_triangular, lu_factor=lu_factor),
        special=module("cupyx.scipy.special", **{name: special(name) for name in cupy_ufuncs.SPECIAL}),
    )
