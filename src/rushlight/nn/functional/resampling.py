"""Images in another size, and pixels in another place: interpolation, shuffles, and sliding blocks."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ...autograd.fused import fused
from ...core.arguments import check_tensor as check_tensor_argument
from ...core.dtypes import F32, F64, FLOATS, I64, LOW_PRECISION, NumpyDType
from ...core.history import known_as
from ...core.shapes import LONG_DIMENSION, check_fits, count
from ...core.tensor import Tensor, make_tensor
from ...ops.creation import zeros
from ...ops.dispatch import not_implemented
from ...ops.indexing import index_add, index_select
from ...ops.linalg import matmul
from ...ops.movement import cast, clone, contiguous, ordered_as, permute, reshape
from ...ops.placement import tensor_beside
from ...ops.pointwise import add, mul
from .padding import pad

# --- interpolation ----------------------------------------------------------------------------------------------------

_NDIM = {"linear": 3, "bilinear": 4, "bicubic": 4, "trilinear": 5}
# Elements up to which what is done around the arithmetic takes most of the time.
_FEW = 1_024
_SMOOTH = ("linear", "bilinear", "bicubic", "trilinear")
_MODES = "nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact"


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """``input`` (N, C, and one to three spatial dimensions) resampled to ``size``, or by ``scale_factor``.

    ``mode``: ``"nearest"``, ``"nearest-exact"``, ``"area"`` in any number of dimensions, ``"linear"`` in one,
    ``"bilinear"`` and ``"bicubic"`` in two, ``"trilinear"`` in three. ``align_corners`` makes the corner pixels' centres
    coincide; otherwise the borders do. ``antialias`` widens the filters when an image gets smaller.
    Raises ``ValueError`` and ``NotImplementedError`` for arguments that do not go together.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.interpolate(torch.tensor([[[1.0, 2.0]]]), scale_factor=2)
        tensor([[[1., 1., 2., 2.]]])
    """
    if mode in _SMOOTH:
        align_corners = bool(align_corners)
    elif align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
    shape = input._array.shape
    spatial = len(shape) - 2
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    sizes: list[int]
    scales: list[float] | None = None
    if size is not None:
        sizes = _sizes(size, shape)
    elif scale_factor is not None:
        scales = _scales(scale_factor, shape)
        sizes = [math.floor(float(n) * s) for n, s in zip(shape[2:], scales, strict=True)]
    else:
        raise ValueError("either size or scale_factor should be defined")
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if recompute_scale_factor:
        scales = None
    if antialias and not (mode in ("bilinear", "bicubic") and len(shape) == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )
    if spatial not in (1, 2, 3) or mode not in ("nearest", "nearest-exact", "area", *_SMOOTH):
        raise _unsupported(len(shape), mode)
    if mode in _NDIM and len(shape) != _NDIM[mode]:
        if mode == "bicubic":
            raise _unsupported(len(shape), mode)
        raise NotImplementedError(f"Got {len(shape)}D input, but {mode} mode needs {_NDIM[mode]}D input")
    if mode == "area":
        from .pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

        pool: Any = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[spatial - 1]
        return pool(input, sizes)  # type: ignore[no-any-return]
    _check_extents(input, sizes, mode)
    if max(sizes, default=0) > LONG_DIMENSION:
        check_fits((*shape[:2], *sizes), input._array.dtype.itemsize)
    given_input = input
    for i, out in enumerate(sizes):
        given = None if scales is None else scales[i]
        if mode in ("nearest", "nearest-exact"):
            input = _nearest(input, 2 + i, out, given, 0.5 if mode == "nearest-exact" else 0.0)
    if mode in _SMOOTH:
        smooth = _smooth if antialias or given_input._array.size > _FEW else _smooth_by_taps
        input = smooth(
            input,
            tuple(sizes),
            None if scales is None else tuple(scales),
            mode,
            bool(align_corners),
            antialias,
        )
        if antialias and given_input._array.flags.c_contiguous:
            input = contiguous(input)
    return known_as(ordered_as(input, given_input), _upsampling_name(mode, spatial, antialias))


def _upsampling_name(mode: str, spatial: int, antialias: bool) -> str:
    kind = "".join([part.capitalize() for part in mode.split("-")])
    return f"Upsample{kind}{spatial}D{'Aa' if antialias else ''}Backward0"


def _unsupported(ndim: int, mode: str) -> NotImplementedError:
    return NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {ndim}D) for the modes: {_MODES} (got {mode})"
    )


def _sizes(size: int | Sequence[int], shape: tuple[int, ...]) -> list[int]:
    spatial = shape[2:]
    if isinstance(size, list | tuple):
        if len(size) != len(spatial):
            raise ValueError(
                "Input and output must have the same number of spatial dimensions, but got input with spatial dimensions of "
                f"{list(spatial)} and output size of {size}. Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
                "output size in (o1, o2, ...,oK) format."
            )
        if not all(hasattr(extent, "__index__") for extent in size):
            raise TypeError(
                "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], but got size with "
                f"types {[type(extent) for extent in size]}"
            )
        return [int(extent) for extent in size]
    return [int(size)] * len(spatial)  # type: ignore[arg-type]


def _scales(scale_factor: float | Sequence[float], shape: tuple[int, ...]) -> list[float]:
    spatial = shape[2:]
    if isinstance(scale_factor, list | tuple):
        if len(scale_factor) != len(spatial):
            raise ValueError(
                "Input and scale_factor must have the same number of spatial dimensions, but got input with spatial dimensions "
                f"of {list(spatial)} and scale_factor of shape {scale_factor}. Please provide input tensor in (N, C, d1, d2, "
                "...,dK) format and scale_factor in (s1, s2, ...,sK) format."
            )
        return [float(scale) for scale in scale_factor]
    return [float(scale_factor)] * len(spatial)  # type: ignore[arg-type]


def _check_extents(input: Tensor, sizes: list[int], mode: str) -> None:
    shape = input._array.shape
    if not all(n > 0 for n in (*shape[2:], *sizes)):
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input {list(shape[2:])} output {sizes}"
        )
    if not shape[1]:
        raise RuntimeError(
            f"Non-empty {len(shape)}D data tensor expected but got a tensor with sizes {list(shape)}"
        )
    dtype = input._array.dtype
    if dtype not in FLOATS and not (dtype == np.uint8 and (len(shape) == 4 or mode.startswith("nearest"))):
        raise not_implemented(f"upsample_{mode.replace('-', '_')}{len(shape) - 2}d", dtype)


def _nearest(input: Tensor, dim: int, out: int, given: float | None, offset: float) -> Tensor:
    places = _nearest_places(input._array.shape[dim], out, given, offset)
    return index_select(input, dim, tensor_beside(input, places))


@lru_cache(maxsize=128)
def _nearest_places(extent: int, out: int, given: float | None, offset: float) -> Any:
    scale = np.float32(1.0 / given if given else extent / out)
    places = np.floor((np.arange(out, dtype=F32) + np.float32(offset)) * scale).astype(I64)
    if out == extent and not given:
        places = np.arange(out)
    return np.minimum(places, extent - 1)


def _source_scale(extent: int, out: int, given: float | None, align_corners: bool) -> float:
    if align_corners:
        return (extent - 1) / (out - 1) if out > 1 else 0.0
    return 1.0 / given if given is not None and given > 0 else extent / out


def _linear_taps(extent: int, out: int, scale: float, align_corners: bool) -> tuple[Any, Any]:
    """For each output the two places that it mixes and their weights: (2, out) each."""
    at = np.arange(out, dtype=np.float64)
    at = at * scale if align_corners else np.maximum((at + 0.5) * scale - 0.5, 0.0)
    low = np.minimum(np.floor(at).astype(I64), extent - 1)
    high = np.minimum(low + 1, extent - 1)
    share = np.clip(at - low, 0.0, 1.0)
    return np.stack([low, high]), np.stack([1.0 - share, share])


_CUBIC = -0.75  # Keys's parameter, PyTorch's choice; with antialiasing it is Pillow's, -0.5


def _keys(x: Any, a: float) -> Any:
    """Keys's cubic kernel. "Cubic convolution interpolation for digital image processing", 1981."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _cubic_taps(extent: int, out: int, scale: float, align_corners: bool) -> tuple[Any, Any]:
    at = np.arange(out, dtype=np.float64)
    at = at * scale if align_corners else (at + 0.5) * scale - 0.5
    base = np.floor(at)
    share = at - base
    places = np.stack([base.astype(I64) + k for k in (-1, 0, 1, 2)])
    weights = np.stack([_keys(share - k, _CUBIC) for k in (-1, 0, 1, 2)])
    return places.clip(0, extent - 1), weights


@lru_cache(maxsize=128)
def _taps(
    extent: int, out: int, scale: float, align_corners: bool, cubic: bool, kind: NumpyDType, behind: int
) -> list[tuple[Any, Any]]:
    """For each of the places that an output mixes: where they are, and their weights, as they meet an array with ``behind``
    dimensions behind this one."""
    places, weights = (_cubic_taps if cubic else _linear_taps)(extent, out, scale, align_corners)
    return list(zip(places, weights.astype(kind).reshape(len(weights), out, *(1,) * behind), strict=True))


def _filter_matrix(extent: int, out: int, scale: float, align_corners: bool, cubic: bool) -> Any:
    """The (out, extent) matrix of a filter that is as wide as an output pixel in the input, at least its own width."""
    matrix = np.zeros((out, extent))
    stretch = max(scale, 1.0)
    radius = (2.0 if cubic else 1.0) * stretch
    for i in range(out):
        centre = scale * (i + 0.5)
        first = max(int(centre - radius + 0.5), 0)
        last = min(int(centre + radius + 0.5), extent)
        x = (np.arange(first, last) - centre + 0.5) / stretch
        weights = _keys(x, -0.5) if cubic else np.maximum(1.0 - np.abs(x), 0.0)
        matrix[i, first:last] = weights / weights.sum()
    return matrix


def _smooth(
    input: Tensor,
    sizes: tuple[int, ...],
    scales: tuple[float, ...] | None,
    mode: str,
    align_corners: bool,
    antialias: bool,
) -> Tensor:
    dtype = input._array.dtype
    wide = F64 if dtype == F64 else F32
    result = cast(input, wide)
    for i in reversed(range(len(sizes))):  # the last dimension first: its elements lie together
        dim, out = 2 + i, sizes[i]
        extent = input._array.shape[dim]
        scale = _source_scale(extent, out, None if scales is None else scales[i], align_corners)
        if out == extent and scale == 1.0:
            continue
        if antialias:
            matrix = _filter_matrix(extent, out, scale, align_corners, mode == "bicubic")
            result = _along(result, dim, tensor_beside(input, matrix.astype(wide)))
            continue
        total: Tensor | None = None
        for place, weight in _taps(
            extent, out, scale, align_corners, mode == "bicubic", wide, len(sizes) - 1 - i
        ):
            part = mul(
                index_select(result, dim, tensor_beside(input, place)),
                tensor_beside(input, weight),
            )
            total = part if total is None else add(total, part)
        assert total is not None
        result = total
    if dtype in LOW_PRECISION:
        return cast(result, dtype)
    if dtype == np.uint8:
        # Halves go up.
        return cast((result + 0.5).floor().clamp(0, 255), dtype)
    return clone(result) if result is input else result


# Without filters, whose sums may be in another order: taken and weighted element by element.
_smooth_by_taps: Callable[..., Tensor] = fused(_smooth, name="upsample", from_size=_FEW + 1, exact=True)


def _along(input: Tensor, dim: int, matrix: Tensor) -> Tensor:
    """``matrix`` applied to the vectors along ``dim``."""
    order = [i for i in range(input._array.ndim) if i != dim] + [dim]
    back = sorted(range(len(order)), key=order.__getitem__)
    return permute(matmul(permute(input, tuple(order)), matrix.t()), tuple(back))


def upsample(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """The old name of ``interpolate``."""
    _warn_of_old_name("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Tensor:
    """The old name of ``interpolate(mode="nearest")``."""
    _warn_of_old_name("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Tensor:
    """The old name of ``interpolate(mode="bilinear", align_corners=True)``."""
    _warn_of_old_name("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _warn_of_old_name(name: str) -> None:
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=3
    )


# --- shuffles ---------------------------------------------------------------------------------------------------------


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels become pixels: ``(…, C r², H, W)`` to ``(…, C, H r, W r)``.

    Shi et al., "Real-time single image and video super-resolution", 2016. Raises ``RuntimeError`` where the channels can't
    be divided so.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.pixel_shuffle(torch.arange(4.0).reshape(1, 4, 1, 1), 2)
        tensor([[[[0., 1.],
                  [2., 3.]]]])
    """
    check_tensor_argument("pixel_shuffle", "input", input)
    shape = input._array.shape
    r = upscale_factor
    _check_images("pixel_shuffle", "upscale_factor", shape, r)
    *batch, channels, height, width = shape
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but "
            f"input.size(-3)={channels} is not divisible by {r * r}"
        )
    parts = reshape(input, (count(batch), channels // (r * r), r, r, height, width))
    return known_as(
        reshape(permute(parts, (0, 1, 4, 2, 5, 3)), (*batch, channels // (r * r), height * r, width * r)),
        "PixelShuffleBackward0",
    )


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Pixels become channels: ``(…, C, H r, W r)`` to ``(…, C r², H, W)``; the reverse of ``pixel_shuffle``."""
    shape = input._array.shape
    r = downscale_factor
    _check_images("pixel_unshuffle", "downscale_factor", shape, r)
    *batch, channels, height, width = shape
    for name, dim, extent in (("height", -2, height), ("width", -1, width)):
        if extent % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but input.size({dim})={extent} is not "
                f"divisible by {r}"
            )
    parts = reshape(input, (count(batch), channels, height // r, r, width // r, r))
    result = reshape(permute(parts, (0, 1, 3, 5, 2, 4)), (*batch, channels * r * r, height // r, width // r))
    return known_as(ordered_as(result, input), "PixelUnshuffleBackward0")


def _check_images(name: str, argument: str, shape: tuple[int, ...], factor: int) -> None:
    if len(shape) < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {len(shape)} dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"{name} expects a positive {argument}, but got {factor}")


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The channels (dimension 1) dealt out: the first of each of ``groups`` groups, then the second of each, and so on.

    Zhang et al., "ShuffleNet", 2018.
    """
    check_tensor_argument("channel_shuffle", "input", input)
    shape = input._array.shape
    if len(shape) <= 2:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(shape)}"
        )
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    if shape[1] % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {shape[1]} channels and {groups} groups."
        )
    order = np.arange(shape[1]).reshape(groups, -1).T.reshape(-1)
    return known_as(
        ordered_as(index_select(input, 1, tensor_beside(input, np.ascontiguousarray(order))), input),
        "ChannelShuffleBackward0",
    )


# --- sliding blocks ---------------------------------------------------------------------------------------------------


def _pair(value: Any, name: str) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    if len(value) == 1:
        return value[0], value[0]
    if len(value) != 2:
        raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(value)}")
    return value[0], value[1]


class _Blocks:
    """Where sliding blocks lie in a padded image: their number in each dimension, and the places of their elements."""

    def __init__(
        self, image: tuple[int, int], kernel_size: Any, dilation: Any, padding: Any, stride: Any
    ) -> None:
        self.kernel = kernel = _pair(kernel_size, "kernel_size")
        self.dilation = dilation = _pair(dilation, "dilation")
        self.padding = padding = _pair(padding, "padding")
        self.stride = stride = _pair(stride, "stride")
        for name, (height, width) in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
            if min(height, width) <= 0:
                what = "kernel size" if name == "kernel" else name
                raise RuntimeError(
                    f"{what} should be greater than zero, but got {name}_height: {height} {name}_width: {width}"
                )
        if min(padding) < 0:
            raise RuntimeError(
                f"padding should be non-negative, but got pad_height: {padding[0]} pad_width: {padding[1]}"
            )
        self.padded = (image[0] + 2 * padding[0], image[1] + 2 * padding[1])
        self.counts = tuple(
            [(self.padded[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in (0, 1)]
        )
        self.described = f"kernel_size={kernel}, dilation={dilation}, padding={padding}" + (
            f", stride={stride}" if stride else ""
        )

    def places(self) -> Any:
        """The places in the flat padded image: (elements of a block, blocks), flat."""
        rows, columns = [
            np.arange(self.kernel[i])[:, None] * self.dilation[i] + np.arange(self.counts[i]) * self.stride[i]
            for i in (0, 1)
        ]
        flat = rows[:, None, :, None] * self.padded[1] + columns[None, :, None, :]
        return make_tensor(np.ascontiguousarray(flat.reshape(-1)))


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The sliding blocks of images as columns: ``(N, C, H, W)`` to ``(N, C * elements of a block, blocks)``.

    Also takes ``(C, H, W)``. Raises ``RuntimeError`` where no block fits.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.unfold(torch.arange(6.0).reshape(1, 1, 2, 3), (2, 2))
        tensor([[[0., 1.],
                 [1., 2.],
                 [3., 4.],
                 [4., 5.]]])
    """
    shape = input._array.shape
    if len(shape) not in (3, 4) or 0 in shape[-3:]:
        error = IndexError if len(shape) < 3 else RuntimeError
        raise error(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but "
            f"got: {list(shape)}"
        )
    if input._array.dtype.kind in "iu":
        raise not_implemented("im2col_out", input._array.dtype)
    blocks = _Blocks((shape[-2], shape[-1]), kernel_size, dilation, padding, stride)
    if min(blocks.counts) < 1:
        raise RuntimeError(
            f"Given input with spatial size {shape[-2:]}, {blocks.described}, calculated shape of the array of sliding blocks "
            f"as {blocks.counts}, but its components must be at least one."
        )
    down, right = blocks.padding
    padded = pad(input, (right, right, down, down)) if down or right else input
    flat = reshape(padded, (*shape[:-2], count(blocks.padded)))
    columns = index_select(flat, len(shape) - 2, blocks.places())
    return known_as(
        reshape(columns, (*shape[:-3], shape[-3] * count(blocks.kernel), count(blocks.counts))),
        "Im2ColBackward0",
    )


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Sums up sliding blocks in images of ``output_size``: ``(N, C * elements of a block, blocks)`` to ``(N, C, H, W)``.

    The reverse of ``unfold``, but for what overlaps, which is added. Also takes unbatched input.
    """
    shape = input._array.shape
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, "
            f"but got: {list(shape)}"
        )
    image = _pair(output_size, "output_size")
    blocks = _Blocks(image, kernel_size, dilation, padding, stride)
    elements, number = count(blocks.kernel), count(blocks.counts)
    if shape[-2] % elements:
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={shape[-2]} and kernel_size={blocks.kernel}."
        )
    if shape[-1] != number or min(blocks.counts) < 1:
        raise RuntimeError(
            f"Given output_size={image}, {blocks.described}, expected size of input's dimension 2 to match the calculated "
            f"number of sliding blocks {blocks.counts[0]} * {blocks.counts[1]} = {number}, but got input.size(2)={shape[-1]}."
        )
    if input._array.dtype.kind in "iu":
        raise not_implemented("col2im_out", input._array.dtype)
    lead = (*shape[:-2], shape[-2] // elements)
    start = zeros((*lead, count(blocks.padded)), dtype=input.dtype)
    columns = reshape(input, (*lead, elements * number))
    total = index_add(start, len(lead), blocks.places(), columns)
    down, right = blocks.padding
    return known_as(
        pad(reshape(total, (*lead, *blocks.padded)), (-right, -right, -down, -down)), "Col2ImBackward0"
    )
