"""Fourier transforms by cuFFT, complex numbers, and the special functions of ``cupyx.scipy.special``.

Functions of (cupy, arrays, parameters), see ``cuda_rules``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.dtypes import C64, C128, F16, F32, F64
from .special_functions import _cotangent_derivative

# --- Fourier transforms -----------------------------------------------------------------------------------------------

_FORWARD: Final = ("backward", "ortho", "forward")  # NumPy's names of the scales 0, 1, 2, for sums over e^-i
_INVERSE: Final = ("forward", "ortho", "backward")


def _complex_of(dtype: Any) -> Any:
    return C128 if dtype in (F64, C128) else C64


def _fft_complex(cupy: Any, x: Any, axes: tuple[int, ...], scale: int, forward: bool) -> Any:
    if not axes or not x.size:
        return x.astype(_complex_of(x.dtype))
    if forward:
        return cupy.fft.fftn(x, axes=axes, norm=_FORWARD[scale])
    return cupy.fft.ifftn(x, axes=axes, norm=_INVERSE[scale])


def _fft_half(cupy: Any, x: Any, axes: tuple[int, ...], scale: int) -> Any:
    if not x.size:
        shape = list(x.shape)
        shape[axes[-1]] = shape[axes[-1]] // 2 + 1
        return cupy.zeros(shape, _complex_of(x.dtype))
    half = cupy.fft.rfft(x, axis=axes[-1], norm=_FORWARD[scale])
    return cupy.fft.fftn(half, axes=axes[:-1], norm=_FORWARD[scale]) if axes[:-1] else half


def _fft_whole(cupy: Any, x: Any, axes: tuple[int, ...], scale: int, length: int) -> Any:
    last = axes[-1]
    if not x.size:
        shape = list(x.shape)
        shape[last] = length
        return cupy.zeros(shape, F64 if x.dtype in (F64, C128) else F32)
    half = x.astype(_complex_of(x.dtype))
    if axes[:-1]:
        half = cupy.fft.ifftn(half, axes=axes[:-1], norm=_INVERSE[scale])
    # What stands for itself is real; cuFFT, unlike NumPy, does not promise to pass over another imaginary part.
    for place in (0, length // 2) if length % 2 == 0 else (0,):
        if place < half.shape[last]:
            half.imag[(slice(None),) * last + (place,)] = 0
    return cupy.fft.irfft(half, n=length, axis=last, norm=_INVERSE[scale])


# --- complex numbers --------------------------------------------------------------------------------------------------


def _complex(cupy: Any, real: Any, imag: Any) -> Any:
    shape = np.broadcast_shapes(real.shape, imag.shape)
    result = cupy.empty(shape, C64 if real.dtype == F32 else C128)
    result.real = real
    result.imag = imag
    return result


def _conj(cupy: Any, x: Any) -> Any:
    return cupy.conjugate(x) if x.dtype.kind == "c" else x.copy()


def _sgn(cupy: Any, x: Any) -> Any:
    if x.dtype.kind == "b":
        return x.copy()
    if x.dtype.kind != "c":
        result = cupy.sign(x)
        # CuPy's sign has nan for nan; PyTorch's has 0.
        return cupy.where(cupy.isnan(x), x.dtype.type(0), result) if x.dtype.kind == "f" else result
    size = cupy.abs(x)
    return cupy.where(size == 0, x.dtype.type(0), x / cupy.where(size == 0, size.dtype.type(1), size))


# --- special functions ------------------------------------------------------------------------------------------------

# Records, and what SciPy calls them.
_OF_ONE: Final = {
    "lgamma": "gammaln", "erf": "erf", "erfc": "erfc", "erfinv": "erfinv", "erfcx": "erfcx", "ndtri": "ndtri", "i0": "i0",
    "special_i0e": "i0e", "special_i1": "i1", "special_i1e": "i1e", "entr": "entr",
}  # fmt: skip
_OF_TWO: Final = {"igamma": "gammainc", "igammac": "gammaincc"}
_BESSEL: Final = {
    "bessel_j0": "j0", "bessel_j1": "j1", "bessel_y0": "y0", "bessel_y1": "y1", "modified_bessel_i0": "i0",
    "modified_bessel_i1": "i1", "modified_bessel_k0": "k0", "modified_bessel_k1": "k1",
    "scaled_modified_bessel_k0": "k0e", "scaled_modified_bessel_k1": "k1e",
}  # fmt: skip


# Where SciPy's functions, by products of infinity and zero, come to nan: the argument, and the limit.
_INF: Final = np.inf
_AT_INFINITY: Final = {
    "i0": ((_INF, _INF), (-_INF, _INF)), "i1": ((_INF, _INF), (-_INF, -_INF)), "j0": ((_INF, 0.0), (-_INF, 0.0)),
    "j1": ((_INF, 0.0), (-_INF, 0.0)),
}  # fmt: skip


def _special(name: str, *arrays: Any) -> Any:
    """SciPy's function of that name, in float64 and rounded once, as the CPU has it."""
    import cupyx.scipy.special

    wide = [array.astype(F64, copy=False) for array in arrays]
    found = getattr(cupyx.scipy.special, name)(*wide)
    for at, value in _AT_INFINITY.get(name, ()):
        found[wide[0] == at] = value
    return found.astype(arrays[0].dtype, copy=False)


def _of_one(name: str) -> Callable[..., Any]:
    return lambda cupy, x: _special(name, x)


def _of_two(name: str) -> Callable[..., Any]:
    return lambda cupy, a, x: _special(name, a, x)


def _bessel(cupy: Any, x: Any, kind: str) -> Any:
    name = _BESSEL.get(kind)
    if name is not None:
        return _special(name, x)
    if kind == "spherical_bessel_j0":
        wide = x.astype(F64, copy=False)
        near = cupy.abs(wide) < 1e-4
        far = cupy.where(near, 1.0, wide)
        quotient = cupy.where(cupy.isinf(far), 0.0, cupy.sin(far) / far)
        return cupy.where(near, 1 - wide * wide / 6, quotient).astype(x.dtype)
    return NotImplemented  # airy_ai: CuPy has no Airy functions


def _polygamma(cupy: Any, x: Any, n: int) -> Any:
    """As on the CPU (``special_functions.polygamma``): (-1)**(n+1) n! zeta(n+1, x), and the reflection below zero."""
    if n == 0:
        # SciPy has nan at zero, PyTorch an infinity with the sign of the other side.
        found = _special("digamma", x)
        return cupy.where(x == 0, cupy.copysign(x.dtype.type(np.inf), -x), found)
    import cupyx.scipy.special

    wide = x.astype(F64, copy=False)
    sign = -1.0 if n % 2 == 0 else 1.0
    factorial = math.factorial(n) if n <= 170 else math.inf
    negative = wide < 0
    argument = cupy.where(negative, 1.0 - wide, wide)
    tail = factorial * cupyx.scipy.special.zeta(cupy.full_like(wide, n + 1), argument)
    tail = cupy.where(cupy.isinf(argument), 0.0, cupy.where(argument == 0, np.inf, tail))
    fraction = wide - cupy.rint(wide)
    cotangent = 1.0 / cupy.tan(np.pi * fraction)
    slope = cupy.zeros_like(wide)
    for coefficient in _cotangent_derivative(n):
        slope = slope * cotangent + coefficient
    reflected = cupy.where(fraction == 0, sign * np.inf, -slope * np.pi ** (n + 1) - tail)
    return cupy.where(negative, reflected, sign * tail).astype(x.dtype)


def _zeta(cupy: Any, x: Any, q: Any) -> Any:
    return _special("zeta", *cupy.broadcast_arrays(x, q))


# --- orthogonal polynomials: as ``orthogonal_polynomials`` has them, over whole arrays ---------------------------------

_LARGE: Final = 2048  # above this degree the recurrence has overflowed, or takes too long
# p(1) from x; p(k + 1) from k, x, p(k), p(k - 1); inside (-1, 1) above degree 6, from the angle whose cosine is x.
_POLYNOMIALS: Final[dict[str, tuple[Any, Any, Any]]] = {
    "t": (lambda x: x, None, lambda cupy, angle, n: cupy.cos(n * angle)),
    "u": (lambda x: 2 * x, None, lambda cupy, angle, n: cupy.sin((n + 1) * angle) / cupy.sin(angle)),
    "v": (
        lambda x: 2 * x - 1,
        None,
        lambda cupy, angle, n: cupy.cos((n + 0.5) * angle) / cupy.cos(angle / 2),
    ),
    "w": (
        lambda x: 2 * x + 1,
        None,
        lambda cupy, angle, n: cupy.sin((n + 0.5) * angle) / cupy.sin(angle / 2),
    ),
    "h": (lambda x: 2 * x, lambda k, x, now, before: 2 * (x * now - k * before), None),
    "he": (lambda x: x, lambda k, x, now, before: x * now - k * before, None),
    "l": (lambda x: 1 - x, lambda k, x, now, before: ((2 * k + 1 - x) * now - k * before) / (k + 1), None),
    "p": (lambda x: x, lambda k, x, now, before: ((2 * k + 1) * x * now - k * before) / (k + 1), None),
}


def _polynomial(cupy: Any, x: Any, n: Any, kind: str) -> Any:
    dtype = x.dtype
    x, n = cupy.broadcast_arrays(x.astype(F64), n.astype(F64))
    if not x.size:
        return x.astype(dtype)
    degree = cupy.trunc(n)
    degree = cupy.where(cupy.isfinite(degree), degree, np.nan)
    if kind.startswith("shifted"):
        x = 2 * x - 1
    first, step, of_angle = _POLYNOMIALS[kind.rpartition("_")[2]]
    inside = (cupy.abs(x) < 1) & (degree > 6) if of_angle is not None else None
    steps = degree if inside is None else cupy.where(inside, 0.0, degree)
    before, now = cupy.ones_like(x), first(x)
    result = cupy.where(degree == 0, before, cupy.where(degree == 1, now, 0.0))
    top = float(cupy.amax(cupy.where(cupy.isnan(steps), 0.0, steps)))
    for k in range(1, int(min(top, _LARGE))):
        later = 2 * x * now - before if step is None else step(k, x, now, before)
        before, now = now, later
        result = cupy.where(degree == k + 1, now, result)
    result = cupy.where((degree > _LARGE) | cupy.isnan(x), np.nan, result)
    if inside is not None:
        angle = cupy.arccos(cupy.where(inside, x, 0.0))
        result = cupy.where(inside, of_angle(cupy, angle, degree), result)
    return result.astype(dtype)


_BITS: Final = {2: np.int16, 4: np.int32, 8: np.int64}


def _nextafter(cupy: Any, x: Any, y: Any) -> Any:
    """On the bits: CuPy's own function takes the smallest numbers for zeros."""
    kind: Any = _BITS[x.dtype.itemsize]
    most, one = kind(np.iinfo(kind).max), kind(1)
    infinite = np.asarray(np.inf, x.dtype).view(kind)[()]
    a, b = x.view(kind), y.view(kind)
    size, other = a & most, b & most
    up = cupy.where(b < 0, -other, other) > cupy.where(a < 0, -size, size)
    found = a + cupy.where(up == (a > 0), one, -one)  # the size grows away from zero, whatever the sign
    found = cupy.where(size == 0, cupy.where(b < 0, kind(np.iinfo(kind).min) + one, one), found)
    found = cupy.where((a == b) | ((size == 0) & (other == 0)), b, found)
    unordered = (size > infinite) | (other > infinite)
    return cupy.where(unordered, np.asarray(np.nan, x.dtype).view(kind)[()], found).view(x.dtype)


def _frexp(cupy: Any, x: Any) -> Any:
    mantissa, exponent = cupy.frexp(x.astype(F32) if x.dtype == F16 else x)
    finite = cupy.isfinite(x)
    # A number that is not finite is its own mantissa.
    return cupy.where(finite, mantissa.astype(x.dtype), x), cupy.where(finite, exponent, 0).astype(np.int32)


SPECTRAL: Final[dict[str, Callable[..., Any]]] = {
    "fft_complex": _fft_complex, "fft_real_to_half": _fft_half, "fft_half_to_real": _fft_whole, "complex": _complex,
    "conj": _conj, "sgn": _sgn, "special_bessel": _bessel, "polygamma": _polygamma, "special_zeta": _zeta,
    "nextafter": _nextafter, "frexp": _frexp, "special_polynomial": _polynomial,
    **{record: _of_one(name) for record, name in _OF_ONE.items()},
    **{record: _of_two(name) for record, name in _OF_TWO.items()},
}  # fmt: skip
