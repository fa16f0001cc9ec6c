"""The short-time Fourier transform and its inverse, as composites.

Source: D. Griffin and J. Lim, "Signal estimation from modified short-time Fourier transform", 1984 (the inverse: overlapping
frames added up, over the sum of the squares of their windows).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import INEXACT
from ..core.tensor import Tensor
from .complex_numbers import real, view_as_real
from .creation import ones, zeros
from .dispatch import type_name
from .extrema import amin
from .fourier import fft, ifft, irfft, resized, rfft
from .functions import abs as abs_of
from .indexing import index_add
from .joining import cat
from .movement import expand, narrow, reshape, squeeze, transpose, unsqueeze
from .placement import tensor_beside
from .pointwise import div, mul
from .powers import square
from .rearranging import flip
from .strided import unfold

PAD_MODES = ("reflect", "constant", "replicate", "circular")


def _padded(x: Tensor, before: int, after: int, mode: str) -> Tensor:
    """(B, L) with that many elements more along the last dimension."""
    n = x._array.shape[1]
    if mode not in PAD_MODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if mode == "reflect":
        if max(before, after) >= n:
            raise RuntimeError(
                "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding "
                f"({before}, {after}) at dimension 1 of input [1, {', '.join(map(str, x._array.shape))}]"
            )
        left = flip(narrow(x, 1, 1, before), 1)
        right = flip(narrow(x, 1, n - 1 - after, after), 1)
    elif mode == "circular":
        if max(before, after) > n:
            raise RuntimeError("Padding value causes wrapping around more than once.")
        left, right = narrow(x, 1, n - before, before), narrow(x, 1, 0, after)
    elif mode == "replicate":
        left = expand(narrow(x, 1, 0, 1), x._array.shape[0], before)
        right = expand(narrow(x, 1, n - 1, 1), x._array.shape[0], after)
    else:
        left = zeros(x._array.shape[0], before, dtype=x.dtype)
        right = zeros(x._array.shape[0], after, dtype=x.dtype)
    return cat([left, x, right], 1)


def _frame_window(
    window: Tensor | None, win_length: int, n_fft: int, like: Tensor, fail: Any
) -> Tensor | None:
    """The window in the middle of ``n_fft`` points; None where that is all ones."""
    if window is not None and window._array.shape != (win_length,):
        raise fail(
            f"expected a 1D window tensor of size equal to win_length={win_length}, but got window with size "
            f"{list(window._array.shape)}"
        )
    if win_length == n_fft:
        return window
    if window is None:
        window = ones(win_length, dtype=like.dtype)
    left = (n_fft - win_length) // 2
    before = tensor_beside(window, np.zeros(left, window._array.dtype))
    return resized(cat([before, window], 0), 0, n_fft)


def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """The Fourier transforms of frames of ``n_fft`` points of ``input`` (L) or (B, L), ``hop_length`` apart (a quarter).

    Gives (frequencies, frames) or (B, frequencies, frames), complex; with ``return_complex=False`` real numbers with a last
    dimension of 2. ``center``: the signal is padded (``pad_mode``) so that frame t is centered at t * hop_length.
    ``onesided`` (the default for real input and window): only the first half of the frequencies. ``normalized``: divided by
    the root of ``n_fft``. ``window`` (win_length) is centered in the frame.
    Raises ``RuntimeError`` for arguments that do not fit, and where ``return_complex`` is missing for real input.

    Example:
        >>> import rushlight as torch
        >>> torch.stft(torch.ones(16), 4, return_complex=True).shape
        torch.Size([3, 17])
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"stft(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length

    def fail(what: str) -> RuntimeError:
        sizes = ", ".join(map(str, input._array.shape))
        return RuntimeError(
            f"stft(torch.{type_name(input._array.dtype)}Tensor[{sizes}], n_fft={n_fft}, hop_length={hop}, "
            f"win_length={width}) : {what}"
        )

    kind = input._array.dtype
    complex_window = window is not None and window._array.dtype.kind == "c"
    if return_complex is None:
        if kind.kind != "c" and not complex_window:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will further require that "
                "return_complex=True in a future PyTorch release."
            )
        return_complex = True
    if kind not in INEXACT:
        raise fail("expected a tensor of floating point or complex values")
    if input._array.ndim not in (1, 2):
        raise fail("expected a 1D or 2D tensor")
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    single = input._array.ndim == 1
    signal = unsqueeze(input, 0) if single else input
    if center and n_fft > 0:
        signal = _padded(signal, n_fft // 2, n_fft // 2, pad_mode)
    length = signal._array.shape[1]
    if not 0 < n_fft <= length:
        raise fail(f"expected 0 < n_fft < {length}, but got n_fft={n_fft}")
    if hop <= 0:
        raise fail(f"expected hop_length > 0, but got hop_length={hop}")
    if not 0 < width <= n_fft:
        raise fail(f"expected 0 < win_length <= n_fft, but got win_length={width}")
    frame_window = _frame_window(window, width, n_fft, input, fail)
    if align_to_window:
        signal = _padded(signal, (n_fft - width) // 2, n_fft - width - (n_fft - width) // 2, "constant")
    frames = unfold(signal, 1, n_fft, hop)
    if frame_window is not None:
        frames = mul(frames, frame_window)
    is_complex = frames._array.dtype.kind == "c"
    if onesided is None:
        onesided = not is_complex
    if onesided and is_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    norm = "ortho" if normalized else None
    spectra = transpose(rfft(frames, norm=norm) if onesided else fft(frames, norm=norm), 1, 2)
    if single:
        spectra = squeeze(spectra, 0)
    return spectra if return_complex else view_as_real(spectra)


def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The signal of which ``input`` (frequencies, frames) or (B, frequencies, frames) is the ``stft``, by least squares.

    The arguments are those of ``stft``; ``length``: how long the signal was. Raises ``RuntimeError`` where they do not fit,
    or the windows leave a point of the signal uncovered.

    Example:
        >>> import rushlight as torch
        >>> x, w = torch.arange(16.), torch.hann_window(8)
        >>> y = torch.istft(torch.stft(x, 8, window=w, return_complex=True), 8, window=w)
        >>> torch.allclose(x, y, atol=1e-5)
        True
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"istft(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length

    def fail(what: str) -> RuntimeError:
        sizes = ", ".join(map(str, input._array.shape))
        return RuntimeError(
            f"istft({type_name(input._array.dtype)}[{sizes}], n_fft={n_fft}, hop_length={hop}, win_length={width}) : "
            f"{what}"
        )

    if input._array.dtype.kind != "c":
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True."
        )
    if not input._array.size:
        raise fail("input tensor cannot be empty.")
    if input._array.ndim not in (2, 3):
        kind = IndexError if input._array.ndim < 2 else RuntimeError
        raise kind(f"istft: expected an input of 2 or 3 dimensions, got {list(input._array.shape)}")
    rows, count = input._array.shape[-2:]
    if onesided is None:
        onesided = rows != n_fft
    if onesided and rows != n_fft // 2 + 1:
        raise fail(
            "expected the frequency dimension (3rd to the last) of the input tensor to match n_fft / 2 + 1 when "
            f"onesided=True, but got {rows}"
        )
    if not onesided and rows != n_fft:
        raise fail(
            "expected the frequency dimension (3rd to the last) of the input tensor to match n_fft when "
            f"onesided=False, but got {rows}"
        )
    if not 0 < hop <= width:
        raise fail("expected 0 < hop_length <= win_length")
    if not 0 < width <= n_fft:
        raise fail("expected 0 < win_length <= n_fft")
    if onesided and (return_complex or (window is not None and window._array.dtype.kind == "c")):
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    frame_window = _frame_window(window, width, n_fft, real(input), fail)
    single = input._array.ndim == 2
    spectra = transpose(unsqueeze(input, 0) if single else input, 1, 2)
    norm = "ortho" if normalized else None
    if onesided:
        frames = irfft(spectra, n_fft, norm=norm)
    elif return_complex:
        frames = ifft(spectra, norm=norm)
    else:
        frames = irfft(narrow(spectra, 2, 0, n_fft // 2 + 1), n_fft, norm=norm)
    if frame_window is None:
        frame_window = ones(n_fft, dtype=real(input).dtype, device=input.device)
    whole = n_fft + hop * (count - 1)
    places = tensor_beside(input, (np.arange(n_fft) + hop * np.arange(count)[:, None]).ravel())
    frames = mul(frames, frame_window)
    batch = frames._array.shape[0]
    signal = index_add(
        zeros(batch, whole, dtype=frames.dtype, device=frames.device),
        1,
        places,
        reshape(frames, (batch, count * n_fft)),
    )
    squares = reshape(expand(square(frame_window), count, n_fft), (count * n_fft,))
    cover = index_add(zeros(whole, dtype=squares.dtype, device=squares.device), 0, places, squares)
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else whole - (n_fft // 2 if center else 0)
    if end <= start:
        raise RuntimeError(f"istft: nothing is left of the signal between {start} and {end}")
    taken = min(end, whole) - start
    signal, cover = narrow(signal, 1, start, taken), narrow(cover, 0, start, taken)
    if float(amin(abs_of(cover)).item()) <= 1e-11:
        raise fail("window overlap add min: 1")
    signal = div(signal, cover)
    if end > whole:
        from .statistics import warn

        warn(
            "The length of signal is shorter than the length parameter. Result is being padded with zeros in the tail. "
            "Please check your center and hop_length settings."
        )
        signal = resized(signal, 1, end - start)
    return squeeze(signal, 0) if single else signal


METHODS: dict[str, Any] = {"stft": stft, "istft": istft}
