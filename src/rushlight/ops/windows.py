"""Windows of signal processing: computed in float64 and rounded once.

Source: F. J. Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform", 1978; A. H.
Nuttall, "Some windows with very good sidelobe behavior", 1981.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.device import DeviceLike, placed, require_available
from ..core.dtypes import F32, F64, OF_NUMPY, default_numpy, dtype
from ..core.shapes import LONG_DIMENSION, check_fits
from ..core.tensor import Tensor, make_tensor
from .conversion import STRIDED

Array = NDArray[Any]
Dtype = dtype | None

# --- the formulas, of M points of which the last is that of the end (symmetric) or one before it ----------------------


def _positions(M: int, symmetric: bool) -> tuple[Array, float]:
    """0, 1, … and what the end of the window is."""
    return np.arange(M, dtype=F64), max(1.0, M - 1.0 if symmetric else float(M))


def cosine_sum(M: int, coefficients: list[float], symmetric: bool) -> Array:
    """The sum of a_i (-1)^i cos(2 pi i n / end)."""
    n, end = _positions(M, symmetric)
    if M == 1:
        return np.ones(1)
    window = np.zeros(M)
    for i, a in enumerate(coefficients):
        window += (-1) ** i * a * np.cos(2 * math.pi * i / end * n)
    return window


def triangle(M: int, symmetric: bool) -> Array:
    n, end = _positions(M, symmetric)
    return np.ones(1) if M == 1 else 1 - np.abs(2 * n / end - 1)


def kaiser_bessel(M: int, beta: float, symmetric: bool) -> Array:
    n, end = _positions(M, symmetric)
    if M == 1:
        return np.ones(1)
    inside = np.maximum(1 - (2 * n / end - 1) ** 2, 0)
    return np.asarray(np.i0(beta * np.sqrt(inside)) / np.i0(np.float64(beta)), F64)


# --- torch.signal.windows ---------------------------------------------------------------------------------------------


def _made(
    name: str, M: Any, given: Dtype, layout: Any, requires_grad: bool, device: Any, formula: Any
) -> Tensor:
    kind = default_numpy() if given is None else given.numpy
    if layout is not None and layout is not STRIDED:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if kind not in (F32, F64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {OF_NUMPY[kind]}")
    if not hasattr(M, "__index__"):
        raise TypeError(f"{name}: M must be an int, not {type(M).__name__}")
    M = M.__index__()
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    result = make_tensor(placed((formula(M) if M else np.zeros(0)).astype(kind), require_available(device)))
    return result.requires_grad_(requires_grad) if requires_grad else result


def general_cosine(
    M: int,
    *,
    a: Iterable[float],
    sym: bool = True,
    dtype: Dtype = None,
    layout: Any = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A window of ``M`` points, the sum of cosines with the coefficients ``a``; ``sym=False`` for spectral analysis.

    Raises ``ValueError`` for a negative ``M``, no coefficients, or another dtype than float32 and float64.

    Example:
        >>> import rushlight as torch
        >>> torch.signal.windows.general_cosine(5, a=[0.5, 0.5])
        tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    if not isinstance(a, list | tuple):
        if isinstance(a, Iterable):
            a = list(a)
        else:
            raise TypeError("Coefficients must be a list/tuple")
    if not a:
        raise ValueError("Coefficients cannot be empty")
    weights = [float(x) for x in a]
    return _made(
        "general_cosine", M, dtype, layout, requires_grad, device, lambda n: cosine_sum(n, weights, sym)
    )


def _cosines(name: str, coefficients: tuple[float, ...], doc: str) -> Any:
    def window(
        M: int,
        *,
        sym: bool = True,
        dtype: Dtype = None,
        layout: Any = None,
        device: DeviceLike | None = None,
        requires_grad: bool = False,
    ) -> Tensor:
        return general_cosine(
            M, a=coefficients, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad
        )

    window.__name__ = window.__qualname__ = name
    window.__doc__ = doc
    return window


hann = _cosines(
    "hann", (0.5, 0.5), "The Hann window, a raised cosine that ends in 0; see ``general_cosine``."
)
hamming = _cosines("hamming", (0.54, 0.46), "The Hamming window; see ``general_cosine``.")
blackman = _cosines("blackman", (0.42, 0.5, 0.08), "The Blackman window; see ``general_cosine``.")
nuttall = _cosines(
    "nuttall",
    (0.3635819, 0.4891775, 0.1365995, 0.0106411),
    "Nuttall's window of four terms; see ``general_cosine``.",
)


def general_hamming(
    M: int,
    *,
    alpha: float = 0.54,
    sym: bool = True,
    dtype: Dtype = None,
    layout: Any = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """``general_cosine`` with the coefficients ``alpha`` and ``1 - alpha``."""
    return general_cosine(
        M,
        a=[alpha, 1.0 - alpha],
        sym=sym,
        dtype=dtype,
        layout=layout,
        device=device,
        requires_grad=requires_grad,
    )


def bartlett(
    M: int,
    *,
    sym: bool = True,
    dtype: Dtype = None,
    layout: Any = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The triangular window that ends in 0.

    Example:
        >>> import rushlight as torch
        >>> torch.signal.windows.bartlett(5)
        tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return _made("bartlett", M, dtype, layout, requires_grad, device, lambda n: triangle(n, sym))


def cosine(
    M: int,
    *,
    sym: bool = True,
    dtype: Dtype = None,
    layout: Any = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The window sin(pi (n + 1/2) / M): half a wave."""

    def formula(M: int) -> Array:
        if M == 1:
            return np.ones(1)
        window: Array = np.sin(math.pi / (M if sym else M + 1) * (np.arange(M) + 0.5))
        return window

    return _made("cosine", M, dtype, layout, requires_grad, device, formula)


def exponential(
    M: int,
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    dtype: Dtype = None,
    layout: Any = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The window exp(-abs(n - center) / tau); ``center`` (the middle by default) needs ``sym=False``."""
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")

    def formula(M: int) -> Array:
        middle = (M if not sym and M > 1 else M - 1) / 2 if center is None else center
        window: Array = np.exp(-np.abs(np.arange(M) - middle) / tau)
        return window

    return _made("exponential", M, dtype, layout, requires_grad, device, formula)


def gaussian(
    M: int,
    *,
    std: float = 1.0,
    sym: bool = True,
    dtype: Dtype = None,
    layout: Any = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The Gaussian window of standard deviation ``std``."""
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")

    def formula(M: int) -> Array:
        middle = (M if not sym and M > 1 else M - 1) / 2
        return np.exp(-(((np.arange(M) - middle) / std) ** 2) / 2)

    return _made("gaussian", M, dtype, layout, requires_grad, device, formula)


def kaiser(
    M: int,
    *,
    beta: float = 12.0,
    sym: bool = True,
    dtype: Dtype = None,
    layout: Any = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The Kaiser window of shape ``beta``: a ratio of modified Bessel functions of the first kind."""
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    return _made("kaiser", M, dtype, layout, requires_grad, device, lambda n: kaiser_bessel(n, beta, sym))


# --- torch.hann_window and its kind -----------------------------------------------------------------------------------


def _window(
    name: str, length: Any, given: Dtype, layout: Any, requires_grad: bool, device: Any, formula: Any
) -> Tensor:
    kind = default_numpy() if given is None else given.numpy
    if not OF_NUMPY[kind].is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {OF_NUMPY[kind]}")
    if not hasattr(length, "__index__"):
        raise TypeError(
            f"{name}(): argument 'window_length' (position 1) must be int, not {type(length).__name__}"
        )
    length = length.__index__()
    if length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={length}")
    if length > LONG_DIMENSION:
        check_fits((length,), 8)
    result = make_tensor(
        placed((formula(length) if length else np.zeros(0)).astype(kind), require_available(device))
    )
    return result.requires_grad_(requires_grad) if requires_grad else result


def hann_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Dtype = None,
    layout: Any = None,
    device: DeviceLike | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The Hann window; ``periodic``: for spectral analysis, without the point at the end.

    Raises ``RuntimeError`` for a negative length or a dtype that is not floating-point.

    Example:
        >>> import rushlight as torch
        >>> torch.hann_window(4)
        tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return hamming_window(
        window_length,
        periodic,
        0.5,
        0.5,
        dtype=dtype,
        layout=layout,
        device=device,
        requires_grad=requires_grad,
    )


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: Dtype = None,
    layout: Any = None,
    device: DeviceLike | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The window alpha - beta cos(2 pi n / N); ``periodic`` as in ``hann_window``."""
    return _window(
        "hamming_window",
        window_length,
        dtype,
        layout,
        requires_grad,
        device,
        lambda n: cosine_sum(n, [alpha, beta], not periodic),
    )


def bartlett_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Dtype = None,
    layout: Any = None,
    device: DeviceLike | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The triangular window; ``periodic`` as in ``hann_window``."""
    return _window(
        "bartlett_window",
        window_length,
        dtype,
        layout,
        requires_grad,
        device,
        lambda n: triangle(n, not periodic),
    )


def blackman_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Dtype = None,
    layout: Any = None,
    device: DeviceLike | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The Blackman window; ``periodic`` as in ``hann_window``."""
    return _window(
        "blackman_window",
        window_length,
        dtype,
        layout,
        requires_grad,
        device,
        lambda n: cosine_sum(n, [0.42, 0.5, 0.08], not periodic),
    )


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: Dtype = None,
    layout: Any = None,
    device: DeviceLike | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The Kaiser window of shape ``beta``; ``periodic`` as in ``hann_window``."""
    return _window(
        "kaiser_window",
        window_length,
        dtype,
        layout,
        requires_grad,
        device,
        lambda n: kaiser_bessel(n, beta, not periodic),
    )
