"""``tf.signal``: windows, frames, short-time Fourier transforms and cosine transforms, beside those of ``tf.spectral``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import rushlight as rl

from . import dtypes
from .conversion import as_runtime, constant_value, convert_to_tensor
from .dtypes import as_dtype
from .graph import Operand, Tensor, node
from .ops_math import multiply
from .spectral import (
    fft as fft,
    fft2d as fft2d,
    fft3d as fft3d,
    ifft as ifft,
    ifft2d as ifft2d,
    ifft3d as ifft3d,
    irfft as irfft,
    rfft as rfft,
)
from .tensor_shape import UNKNOWN, TensorShape


def _number(value: Any, what: str) -> int:
    found = constant_value(value) if isinstance(value, Operand) else value
    if found is None:
        raise ValueError(f"{what} must be known when the graph is built")
    return int(found)


def _raised_cosine(length: Any, periodic: bool, dtype: Any, a: float, name: str | None) -> Tensor:
    count = _number(length, "window_length")
    # As in TensorFlow: an odd window is symmetric in either case.
    around = count if periodic and count % 2 == 0 else count - 1
    if count == 1:
        values = np.ones(1)
    else:
        values = a - (1 - a) * np.cos(2 * np.pi * np.arange(count) / around)
    return convert_to_tensor(values.astype(as_dtype(dtype).as_numpy_dtype))


def hann_window(
    window_length: Any, periodic: bool = True, dtype: Any = dtypes.float32, name: str | None = None
) -> Tensor:
    """A Hann window (length,)."""
    return _raised_cosine(window_length, periodic, dtype, 0.5, name)


def hamming_window(
    window_length: Any, periodic: bool = True, dtype: Any = dtypes.float32, name: str | None = None
) -> Tensor:
    """A Hamming window (length,)."""
    return _raised_cosine(window_length, periodic, dtype, 0.54, name)


def frame(
    signal: Any,
    frame_length: Any,
    frame_step: Any,
    pad_end: bool = False,
    pad_value: float = 0,
    axis: int = -1,
    name: str | None = None,
) -> Tensor:
    """The overlapping pieces of an axis, which becomes two: (…, pieces, frame_length, …)."""
    x = convert_to_tensor(signal)
    length, step = _number(frame_length, "frame_length"), _number(frame_step, "frame_step")

    def pieces(extent: int) -> int:
        return -(-extent // step) if pad_end else max(0, 1 + (extent - length) // step)

    def kernel(value: Any) -> Any:
        rows = rl.movedim(value, axis, -1)
        count = pieces(rows.shape[-1])
        missing = (count - 1) * step + length - rows.shape[-1]
        if pad_end and missing > 0:
            rows = rl.nn.functional.pad(rows, (0, missing), value=pad_value)
        if count == 0:
            found = rows[..., :0].reshape(*rows.shape[:-1], 0, length)
        else:
            found = rows.unfold(-1, length, step)
        at = axis % value.ndim
        return rl.movedim(found, (-2, -1), (at, at + 1))

    known = UNKNOWN
    if x.shape.extents is not None:
        extents = list(x.shape.extents)
        at = axis % len(extents)
        extent = extents[at]
        extents[at : at + 1] = [None if extent is None else pieces(extent), length]
        known = TensorShape(extents)
    return node("Frame", kernel, [x], x.dtype, known, name)


def _window(window_fn: Any, length: int, dtype: Any) -> Tensor | None:
    return None if window_fn is None else window_fn(length, dtype=dtype)


def stft(
    signals: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: Callable[..., Any] | None = hann_window,
    pad_end: bool = False,
    name: str | None = None,
) -> Tensor:
    """The short-time Fourier transform of ``signals`` (…, samples): (…, frames, fft_length // 2 + 1), complex numbers.

    ``fft_length`` is the next power of two from ``frame_length`` on if it is not given.
    """
    length = _number(frame_length, "frame_length")
    size = 1 << (length - 1).bit_length() if fft_length is None else _number(fft_length, "fft_length")
    framed = frame(signals, length, frame_step, pad_end)
    window = _window(window_fn, length, framed.dtype)
    return rfft(framed if window is None else multiply(framed, window), [size])


def overlap_and_add(signal: Any, frame_step: Any, name: str | None = None) -> Tensor:
    """The sum of frames (…, frames, length), each ``frame_step`` after the one before: (…, samples)."""
    x = convert_to_tensor(signal)
    step = _number(frame_step, "frame_step")

    def kernel(value: Any) -> Any:
        lead, count, length = value.shape[:-2], value.shape[-2], value.shape[-1]
        total = (count - 1) * step + length
        columns = value.reshape(-1, count, length).transpose(1, 2)
        found = rl.nn.functional.fold(columns, (1, total), (1, length), stride=(1, step))
        return found.reshape(*lead, total)

    known = UNKNOWN
    extents = x.shape.extents
    if extents is not None:
        count, length = extents[-2:]
        total = None if count is None or length is None else (count - 1) * step + length
        known = TensorShape([*extents[:-2], total])
    return node("OverlapAndAdd", kernel, [x], x.dtype, known, name)


def inverse_stft_window_fn(
    frame_step: Any, forward_window_fn: Callable[..., Any] = hann_window, name: str | None = None
) -> Callable[..., Tensor]:
    """The window with which :func:`inverse_stft` gives back what :func:`stft` with ``forward_window_fn`` was given."""
    step = _number(frame_step, "frame_step")

    def inverse(frame_length: Any, dtype: Any) -> Tensor:
        length = _number(frame_length, "frame_length")
        window = constant_value(forward_window_fn(length, dtype=dtype))
        if window is None:
            raise ValueError("inverse_stft_window_fn: the window must be known when the graph is built")
        parts = -(-length // step)
        squares = np.zeros(parts * step)
        squares[:length] = np.asarray(window, np.float64) ** 2
        sums = np.tile(squares.reshape(parts, step).sum(0), parts)[:length]
        return convert_to_tensor((window / sums).astype(window.dtype))

    return inverse


def inverse_stft(
    stfts: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: Callable[..., Any] | None = hann_window,
    name: str | None = None,
) -> Tensor:
    """The signals (…, samples) of short-time Fourier transforms (…, frames, fft_length // 2 + 1)."""
    length = _number(frame_length, "frame_length")
    size = 1 << (length - 1).bit_length() if fft_length is None else _number(fft_length, "fft_length")
    frames = irfft(stfts, [size])
    if size > length:
        frames = frames[..., :length]
    elif size < length:
        from .ops_array import pad

        frames = pad(frames, [[0, 0]] * ((frames.shape.ndims or 2) - 1) + [[0, length - size]])
    window = _window(window_fn, length, frames.dtype)
    return overlap_and_add(frames if window is None else multiply(frames, window), frame_step)


def dct(
    input: Any,
    type: int = 2,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The discrete cosine transform of the last axis, of type 1, 2 or 3; ``norm="ortho"`` makes it orthogonal."""
    x = convert_to_tensor(input)
    if type not in (1, 2, 3):
        raise ValueError(f"dct: types I, II and III (I)DCT are supported, got {type}")
    if norm not in (None, "ortho"):
        raise ValueError(f"Unknown normalization. Expected None or 'ortho', got: {norm}")
    if axis != -1:
        raise NotImplementedError(f"axis must be -1. Got: {axis}")

    def kernel(value: Any) -> Any:
        size = value.shape[-1]
        count = size if n is None else n
        if count < size:
            value = value[..., :count]
        elif count > size:
            value = rl.nn.functional.pad(value, (0, count - size))
        return value @ as_runtime(_cosines(count, type, norm == "ortho").astype(x.dtype.as_numpy_dtype))

    extents = x.shape.extents
    known = UNKNOWN if extents is None else TensorShape([*extents[:-1], extents[-1] if n is None else n])
    return node("DCT", kernel, [x], x.dtype, known, name)


def _cosines(count: int, type: int, orthogonal: bool) -> Any:
    """The matrix (samples, coefficients) of a cosine transform."""
    k, i = np.arange(count), np.arange(count)[:, None]
    if type == 1:
        matrix = 2 * np.cos(np.pi * i * k / max(count - 1, 1))
        matrix[[0, -1]] /= 2
        return matrix
    matrix = 2 * np.cos(np.pi * (2 * i + 1) * k / (2 * count))
    if type == 3:
        matrix = matrix.T.copy()
        matrix[0] = matrix[0] / 2
    if orthogonal:
        scale = np.full(count, np.sqrt(1 / (2 * count)))
        scale[0] = np.sqrt(1 / (4 * count))
        if type == 2:
            return matrix * scale
        matrix[0] *= 2
        return matrix * scale[:, None]
    return matrix


def idct(
    input: Any,
    type: int = 2,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The inverse of :func:`dct`, up to a factor without ``norm="ortho"``."""
    return dct(input, {1: 1, 2: 3, 3: 2}.get(type, type), n, axis, norm, name)


def linear_to_mel_weight_matrix(
    num_mel_bins: int = 20,
    num_spectrogram_bins: int = 129,
    sample_rate: float = 8000,
    lower_edge_hertz: float = 125.0,
    upper_edge_hertz: float = 3800.0,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """The shares (spectrogram bins, mel bins) of frequencies in triangular bands of the mel scale."""
    for ok, message in (
        (num_mel_bins > 0, f"num_mel_bins must be positive. Got: {num_mel_bins}"),
        (lower_edge_hertz >= 0, f"lower_edge_hertz must be non-negative. Got: {lower_edge_hertz}"),
        (
            lower_edge_hertz < upper_edge_hertz,
            f"lower_edge_hertz {lower_edge_hertz:.1f} >= upper_edge_hertz {upper_edge_hertz:.1f}",
        ),
    ):
        if not ok:
            raise ValueError(message)

    def mel(hertz: Any) -> Any:
        return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

    frequencies = mel(np.linspace(0, float(sample_rate) / 2, num_spectrogram_bins)[1:])[:, None]
    edges = np.linspace(mel(lower_edge_hertz), mel(upper_edge_hertz), num_mel_bins + 2)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    shares = np.minimum((frequencies - low) / (middle - low), (high - frequencies) / (high - middle))
    matrix = np.concatenate([np.zeros((1, num_mel_bins)), np.maximum(shares, 0)])
    return convert_to_tensor(matrix.astype(as_dtype(dtype).as_numpy_dtype))


def mfccs_from_log_mel_spectrograms(log_mel_spectrograms: Any, name: str | None = None) -> Tensor:
    """The mel-frequency cepstral coefficients (…, bins) of logarithmic mel spectrograms (…, bins)."""
    x = convert_to_tensor(log_mel_spectrograms)
    bins = x.shape[-1].value
    if not bins:
        raise ValueError(f"num_mel_bins must be positive. Got: {x.shape[-1]}")
    found: Tensor = multiply(dct(x, 2), convert_to_tensor(float(1 / np.sqrt(2.0 * bins)), x.dtype))
    return found
