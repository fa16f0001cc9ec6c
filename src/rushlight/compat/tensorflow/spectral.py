"""``tf.spectral`` and ``tf.signal``: Fourier transforms of the last axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl

from . import dtypes
from .conversion import convert_to_tensor, make_array
from .graph import Tensor, node
from .tensor_shape import UNKNOWN, TensorShape


def _transform(kind: str, function: Callable[..., Any], axes: int) -> Callable[..., Tensor]:
    over = tuple(range(-axes, 0))

    def public(input: Any, name: str | None = None) -> Tensor:
        x = convert_to_tensor(input)
        if not x.dtype.is_complex:
            raise TypeError(
                f"Value passed to parameter 'input' has DataType {x.dtype.name} not in list of allowed values: complex64, "
                "complex128"
            )
        return node(kind, lambda v: function(v, dim=over), [x], x.dtype, x.shape, name)

    public.__doc__ = f"The {'inverse ' if kind[0] == 'I' else ''}Fourier transform of the last {axes} axes, complex numbers."
    return public


fft, ifft = _transform("FFT", rl.fft.fftn, 1), _transform("IFFT", rl.fft.ifftn, 1)
fft2d, ifft2d = _transform("FFT2D", rl.fft.fftn, 2), _transform("IFFT2D", rl.fft.ifftn, 2)
fft3d, ifft3d = _transform("FFT3D", rl.fft.fftn, 3), _transform("IFFT3D", rl.fft.ifftn, 3)


def rfft(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
    """The Fourier transform of real numbers along the last axis: its first ``n // 2 + 1`` complex numbers."""
    x = convert_to_tensor(input_tensor)
    length = None if fft_length is None else int(make_array(fft_length).reshape(-1)[0])
    shape = UNKNOWN
    if x.shape.extents is not None:
        count = length if length is not None else x.shape.extents[-1]
        shape = TensorShape([*x.shape.extents[:-1], None if count is None else count // 2 + 1])
    dtype = dtypes.complex128 if x.dtype is dtypes.float64 else dtypes.complex64
    return node("RFFT", lambda v: rl.fft.rfft(v, length), [x], dtype, shape, name)


def irfft(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
    """The real numbers whose :func:`rfft` this is: ``2 · (n - 1)`` of them, or ``fft_length``."""
    x = convert_to_tensor(input_tensor)
    length = None if fft_length is None else int(make_array(fft_length).reshape(-1)[0])
    shape = UNKNOWN
    if x.shape.extents is not None:
        last = x.shape.extents[-1]
        count = length if length is not None else None if last is None else 2 * (last - 1)
        shape = TensorShape([*x.shape.extents[:-1], count])
    return node("IRFFT", lambda v: rl.fft.irfft(v, length), [x], x.dtype.real_dtype, shape, name)
