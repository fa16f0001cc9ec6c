"""``tf.image``: resizing, cropping, turning and recolouring images (height, width, channels), or batches of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rushlight as rl
import rushlight.nn.functional as F

from . import dtypes
from .control_flow import cond
from .conversion import constant_value, convert_to_tensor, numbers_of
from .dtypes import as_dtype
from .graph import Operand, Tensor, node
from .image_files import (
    decode_bmp as decode_bmp,
    decode_gif as decode_gif,
    decode_image as decode_image,
    decode_jpeg as decode_jpeg,
    decode_png as decode_png,
    encode_jpeg as encode_jpeg,
    encode_png as encode_png,
    extract_jpeg_shape as extract_jpeg_shape,
    is_jpeg as is_jpeg,
)
from .image_regions import (
    draw_bounding_boxes as draw_bounding_boxes,
    resize_image_with_pad as resize_image_with_pad,
    rgb_to_yiq as rgb_to_yiq,
    rgb_to_yuv as rgb_to_yuv,
    yiq_to_rgb as yiq_to_rgb,
    yuv_to_rgb as yuv_to_rgb,
)
from .ops_math import cast, floordiv, multiply, saturate_cast
from .ops_random import random_crop as random_crop, random_uniform
from .ops_rearranging import extract_image_patches as extract_image_patches
from .tensor_shape import UNKNOWN, TensorShape

extract_patches = extract_image_patches


class ResizeMethod:
    """How :func:`resize_images` finds the new pixels."""

    BILINEAR, NEAREST_NEIGHBOR, BICUBIC, AREA = range(4)


def _batched(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``function`` of a batch, for one image too."""

    def kernel(images: Any) -> Any:
        if images.ndim == 3:
            return function(images.unsqueeze(0)).squeeze(0)
        if images.ndim != 4:
            raise ValueError("'images' must have either 3 or 4 dimensions.")
        return function(images)

    return kernel


def _with_size(shape: TensorShape, height: int | None, width: int | None) -> TensorShape:
    extents = shape.extents
    if extents is None:
        return UNKNOWN
    if len(extents) not in (3, 4):
        raise ValueError("'images' must have either 3 or 4 dimensions.")
    return TensorShape([*extents[:-3], height, width, extents[-1]])


# --- sizes --------------------------------------------------------------------------------------------------------------


@functools.lru_cache(64)
def _weights(method: int, given: int, wanted: int, align: bool, half: bool) -> NDArray[np.float32]:
    """The share of each of ``given`` pixels in each of ``wanted`` ones: (wanted, given)."""
    scale = (given - 1) / (wanted - 1) if align and wanted > 1 else given / wanted
    places = np.arange(wanted) * scale if not half else (np.arange(wanted) + 0.5) * scale - 0.5
    shares = np.zeros((wanted, given), np.float64)
    rows = np.arange(wanted)
    if method == ResizeMethod.NEAREST_NEIGHBOR:
        nearest = np.floor(places + 0.5) if align or half else np.floor(places)
        if half:
            nearest = np.floor((np.arange(wanted) + 0.5) * scale)
        shares[rows, np.clip(nearest, 0, given - 1).astype(int)] = 1
    elif method == ResizeMethod.BILINEAR:
        low = np.floor(places)
        share = places - low
        np.add.at(shares, (rows, np.clip(low, 0, given - 1).astype(int)), 1 - share)
        np.add.at(shares, (rows, np.clip(low + 1, 0, given - 1).astype(int)), share)
    elif method == ResizeMethod.BICUBIC:
        low = np.floor(places)
        # The library keeps the curve in a table of 1024 steps.
        share = np.rint((places - low) * 1024) / 1024
        for offset in range(-1, 3):
            distance = np.abs(share - offset)
            np.add.at(shares, (rows, np.clip(low + offset, 0, given - 1).astype(int)), _cubic(distance))
    else:
        for row in rows:
            begin, end = row * scale, (row + 1) * scale
            for i in range(math.floor(begin), min(math.ceil(end), given)):
                shares[row, i] = (min(end, i + 1) - max(begin, i)) / (end - begin)
    return shares.astype(np.float32)


def _cubic(distance: NDArray[Any]) -> NDArray[Any]:
    a = -0.75
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((distance - 5) * distance + 8) * distance * a - 4 * a
    result: NDArray[Any] = np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
    return result


def _resized(
    images: Any, size: Any, method: int, align: bool, half: bool, name: str | None, keep_type: bool = False
) -> Tensor:
    x = convert_to_tensor(images)
    known = constant_value(size)
    height, width = (None, None) if known is None else [int(n) for n in known]
    computed = [] if known is not None else [convert_to_tensor(size)]
    keeps = keep_type or method == ResizeMethod.NEAREST_NEIGHBOR
    dtype = x.dtype if keeps else dtypes.float32

    def kernel(values: Any, *run_time: Any) -> Any:
        rows, columns = numbers_of(run_time[0]) if run_time else (height or 0, width or 0)

        def one(batch: Any) -> Any:
            pixels = batch if keeps and method == ResizeMethod.NEAREST_NEIGHBOR else batch.to(rl.float32)
            for axis, wanted in ((1, rows), (2, columns)):
                shares = _weights(method, batch.shape[axis], wanted, align, half)
                if method == ResizeMethod.NEAREST_NEIGHBOR:
                    pixels = rl.index_select(pixels, axis, rl.from_numpy(shares.argmax(1)))
                else:
                    matrix = rl.from_numpy(shares.copy())
                    pixels = rl.movedim(rl.tensordot(matrix, pixels, dims=([1], [axis])), 0, axis)
            return pixels

        return _batched(one)(values)

    return node("ResizeImages", kernel, [x, *computed], dtype, _with_size(x.shape, height, width), name)


def resize_images(
    images: Any,
    size: Any,
    method: Any = ResizeMethod.BILINEAR,
    align_corners: bool = False,
    preserve_aspect_ratio: bool = False,
    name: str | None = None,
) -> Tensor:
    """Images of another ``size`` (height, width), float32 (for "nearest" of the same type).

    As in TensorFlow 1, the new pixel ``i`` is at ``i · old / new`` of the old ones; ``align_corners`` keeps the corners.
    """
    names = {"bilinear": 0, "nearest": 1, "bicubic": 2, "area": 3}
    how = names[method] if isinstance(method, str) else int(method)
    x = convert_to_tensor(images)
    known = constant_value(size)
    extents = x.shape.extents
    if preserve_aspect_ratio:
        if known is None or extents is None or None in extents[-3:-1]:
            raise ValueError("resize_images: preserve_aspect_ratio needs sizes that are known")
        factor = min(int(known[0]) / (extents[-3] or 1), int(known[1]) / (extents[-2] or 1))
        known = np.array([round((extents[-3] or 1) * factor), round((extents[-2] or 1) * factor)])
        size = known
    if known is not None and extents is not None and list(known) == list(extents[-3:-1]):
        return x  # as in TensorFlow, nothing is converted then
    return _resized(x, size, how, align_corners, False, name)


resize = resize_images


def _resizer(method: int, doc: str) -> Callable[..., Tensor]:
    def public(
        images: Any,
        size: Any,
        align_corners: bool = False,
        name: str | None = None,
        half_pixel_centers: bool = False,
    ) -> Tensor:
        return _resized(images, size, method, align_corners, half_pixel_centers, name)

    public.__doc__ = doc
    return public


resize_bilinear = _resizer(ResizeMethod.BILINEAR, "Images of another size, with bilinear interpolation.")
resize_nearest_neighbor = _resizer(
    ResizeMethod.NEAREST_NEIGHBOR, "Images of another size, of the nearest pixels."
)
resize_bicubic = _resizer(ResizeMethod.BICUBIC, "Images of another size, with bicubic interpolation.")
resize_area = _resizer(ResizeMethod.AREA, "Images of another size, each pixel the mean of an area.")


def _cropped(x: Tensor, top: int, left: int, height: int, width: int, name: str | None = None) -> Tensor:
    rows, columns = (None, None) if x.shape.extents is None else x.shape.extents[-3:-1]
    if (rows is not None and top + height > rows) or (columns is not None and left + width > columns):
        raise ValueError(
            "width must be >= target + offset." if columns is not None else "height must be >= target"
        )

    def kernel(images: Any) -> Any:
        return images[..., top : top + height, left : left + width, :]

    return node("Crop", kernel, [x], x.dtype, _with_size(x.shape, height, width), name)


def crop_to_bounding_box(
    image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int
) -> Tensor:
    """The part of the image from ``(offset_height, offset_width)`` on."""
    return _cropped(convert_to_tensor(image), offset_height, offset_width, target_height, target_width)


def pad_to_bounding_box(
    image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int
) -> Tensor:
    """The image inside a larger one of zeros."""
    x = convert_to_tensor(image)

    def kernel(images: Any) -> Any:
        below = target_height - offset_height - images.shape[-3]
        right = target_width - offset_width - images.shape[-2]
        if below < 0 or right < 0:
            raise ValueError("target size must be >= offset + image")
        return F.pad(images, (0, 0, offset_width, right, offset_height, below))

    return node("PadToBox", kernel, [x], x.dtype, _with_size(x.shape, target_height, target_width))


def resize_image_with_crop_or_pad(image: Any, target_height: int, target_width: int) -> Tensor:
    """The image cut, or filled up with zeros, around its middle."""
    x = convert_to_tensor(image)

    def kernel(images: Any) -> Any:
        for axis, wanted in ((-3, target_height), (-2, target_width)):
            extent = images.shape[axis]
            if extent > wanted:
                images = images.narrow(axis, (extent - wanted) // 2, wanted)
            elif extent < wanted:
                before = (wanted - extent) // 2
                amounts = [0, 0] * (-axis - 1) + [before, wanted - extent - before]
                images = F.pad(images, amounts)
        return images

    return node("CropOrPad", kernel, [x], x.dtype, _with_size(x.shape, target_height, target_width))


resize_with_crop_or_pad = resize_image_with_crop_or_pad


def central_crop(image: Any, central_fraction: float) -> Tensor:
    """The middle of the image, with this share of its height and width."""
    if not 0.0 < central_fraction <= 1.0:
        raise ValueError("central_fraction must be within (0, 1]")
    x = convert_to_tensor(image)
    if central_fraction == 1.0:
        return x
    if x.shape.extents is None or None in x.shape.extents[-3:-1]:
        raise ValueError("central_crop: the height and width of the image must be known")
    rows, columns = [int(n or 0) for n in x.shape.extents[-3:-1]]
    top = int((rows - rows * central_fraction) / 2)
    left = int((columns - columns * central_fraction) / 2)
    return _cropped(x, top, left, rows - 2 * top, columns - 2 * left)


def crop_and_resize(
    image: Any,
    boxes: Any,
    box_ind: Any = None,
    crop_size: Any = None,
    method: str = "bilinear",
    extrapolation_value: float = 0,
    name: str | None = None,
    box_indices: Any = None,
) -> Tensor:
    """Parts of images (batch, height, width, channels), each brought to ``crop_size``.

    ``boxes`` (n, 4) are (y1, x1, y2, x2) as shares of the image; ``box_ind`` says which image each is of.
    """
    x, b = convert_to_tensor(image), convert_to_tensor(boxes)
    index = convert_to_tensor(box_indices if box_ind is None else box_ind)
    size = constant_value(crop_size)
    if size is None:
        raise ValueError("crop_and_resize: crop_size must be known when the graph is built")
    rows, columns = [int(n) for n in size]
    how = {"bilinear": 0, "nearest": 1}[method]

    def kernel(images: Any, corners: Any, which: Any) -> Any:
        height, width = images.shape[1], images.shape[2]
        chosen = rl.index_select(images.to(rl.float32), 0, which.to(rl.int64))

        def places(first: Any, last: Any, count: int, extent: int) -> Any:
            if count == 1:
                return (0.5 * (first + last) * (extent - 1)).reshape(-1, 1)
            step = (last - first) * (extent - 1) / (count - 1)
            return first.reshape(-1, 1) * (extent - 1) + rl.arange(count).reshape(1, -1) * step.reshape(-1, 1)

        def at(ys: Any, xs: Any) -> Any:
            boxes_ = rl.arange(chosen.shape[0]).reshape(-1, 1, 1)
            return chosen[boxes_, ys.clamp(0, height - 1).unsqueeze(-1), xs.clamp(0, width - 1).unsqueeze(1)]

        y = places(corners[:, 0], corners[:, 2], rows, height)
        z = places(corners[:, 1], corners[:, 3], columns, width)
        inside = ((y >= 0) & (y <= height - 1)).unsqueeze(-1) & ((z >= 0) & (z <= width - 1)).unsqueeze(1)
        if how == 1:
            found = at(rl.round(y).to(rl.int64), rl.round(z).to(rl.int64))
        else:
            top, left = rl.floor(y), rl.floor(z)
            dy, dx = (y - top).unsqueeze(-1).unsqueeze(-1), (z - left).unsqueeze(1).unsqueeze(-1)
            t, u = top.to(rl.int64), left.to(rl.int64)
            upper = at(t, u) * (1 - dx) + at(t, u + 1) * dx
            lower = at(t + 1, u) * (1 - dx) + at(t + 1, u + 1) * dx
            found = upper * (1 - dy) + lower * dy
        return rl.where(inside.unsqueeze(-1), found, extrapolation_value)

    channels = None if x.shape.extents is None else x.shape.extents[-1]
    count = b.shape.extents[0] if b.shape.extents else None
    return node(
        "CropAndResize", kernel, [x, b, index], dtypes.float32, [count, rows, columns, channels], name
    )


# --- turning ------------------------------------------------------------------------------------------------------------


def _turning(kind: str, function: Callable[[Any], Any], swaps: bool, doc: str) -> Callable[..., Tensor]:
    def public(image: Any, name: str | None = None) -> Tensor:
        x = convert_to_tensor(image)
        shape = x.shape
        if swaps and shape.extents is not None:
            shape = _with_size(shape, shape.extents[-2], shape.extents[-3])
        return node(kind, function, [x], x.dtype, shape, name)

    public.__doc__ = doc
    return public


flip_left_right = _turning(
    "FlipLeftRight", lambda x: rl.flip(x, (-2,)), False, "The image, left and right exchanged."
)
flip_up_down = _turning(
    "FlipUpDown", lambda x: rl.flip(x, (-3,)), False, "The image, top and bottom exchanged."
)
transpose_image = _turning(
    "TransposeImage", lambda x: rl.transpose(x, -3, -2), True, "The image, rows and columns exchanged."
)
transpose = transpose_image


def rot90(image: Any, k: int = 1, name: str | None = None) -> Tensor:
    """The image turned counter-clockwise by ``k`` right angles."""
    x = convert_to_tensor(image)
    shape = x.shape
    if k % 2 and shape.extents is not None:
        shape = _with_size(shape, shape.extents[-2], shape.extents[-3])
    return node("Rot90", lambda v: rl.rot90(v, k, (-3, -2)), [x], x.dtype, shape, name)


def _chance(image: Any, seed: int | None, function: Callable[[Any], Tensor]) -> Tensor:
    x = convert_to_tensor(image)
    result: Tensor = cond(random_uniform([], seed=seed) < 0.5, lambda: function(x), lambda: x)
    return result


def random_flip_left_right(image: Any, seed: int | None = None) -> Tensor:
    """The image, with left and right exchanged in half of the runs."""
    return _chance(image, seed, flip_left_right)


def random_flip_up_down(image: Any, seed: int | None = None) -> Tensor:
    """The image, with top and bottom exchanged in half of the runs."""
    return _chance(image, seed, flip_up_down)


# --- values -------------------------------------------------------------------------------------------------------------


def convert_image_dtype(image: Any, dtype: Any, saturate: bool = False, name: str | None = None) -> Tensor:
    """The image in another type: floats in [0, 1), integers up to their largest value."""
    x, kind = convert_to_tensor(image), as_dtype(dtype)
    if x.dtype is kind:
        return x
    if x.dtype.is_integer and kind.is_integer:
        if x.dtype.max > kind.max:
            smaller: Tensor = floordiv(x, (x.dtype.max + 1) // (kind.max + 1))
            return cast(smaller, kind, name)
        larger: Tensor = cast(x, kind) * ((kind.max + 1) // (x.dtype.max + 1))
        return larger
    if x.dtype.is_floating and kind.is_floating:
        return cast(x, kind, name)
    if x.dtype.is_integer:
        return multiply(cast(x, kind), 1.0 / x.dtype.max, name=name)  # type: ignore[no-any-return]
    scaled = multiply(x, kind.max + 0.5)
    return saturate_cast(scaled, kind, name) if saturate else cast(scaled, kind, name)


def per_image_standardization(image: Any) -> Tensor:
    """Each image less its mean, divided by its deviation (at least ``1 / sqrt(elements)``), float32."""
    x = cast(convert_to_tensor(image), dtypes.float32)

    def kernel(v: Any) -> Any:
        count = v.shape[-1] * v.shape[-2] * v.shape[-3]
        axes = (-3, -2, -1)
        mean = rl.mean(v, axes, True)
        spread = rl.sqrt(rl.var(v, axes, correction=0, keepdim=True))
        return (v - mean) / rl.clamp(spread, min=1.0 / math.sqrt(count))

    return node("ImageStandardization", kernel, [x], dtypes.float32, x.shape)


per_image_whitening = per_image_standardization


def _as_float(image: Any, change: Callable[[Tensor], Tensor]) -> Tensor:
    """``change`` of the image as floats, in the image's own type."""
    x = convert_to_tensor(image)
    if x.dtype.is_floating:
        return change(x)
    return convert_image_dtype(change(convert_image_dtype(x, dtypes.float32)), x.dtype, saturate=True)


def adjust_brightness(image: Any, delta: Any) -> Tensor:
    """``delta`` added to all pixels."""
    return _as_float(image, lambda x: x + convert_to_tensor(delta, x.dtype))


def adjust_contrast(images: Any, contrast_factor: Any) -> Tensor:
    """The distance from each channel's mean times ``contrast_factor``."""

    def change(x: Tensor) -> Tensor:
        factor = convert_to_tensor(contrast_factor, x.dtype)

        def kernel(v: Any, f: Any) -> Any:
            mean = rl.mean(v, (-3, -2), True)
            return (v - mean) * f + mean

        return node("AdjustContrast", kernel, [x, factor], x.dtype, x.shape)

    return _as_float(images, change)


def adjust_gamma(image: Any, gamma: Any = 1, gain: Any = 1) -> Tensor:
    """``gain · image ** gamma``, for floats."""
    x = convert_to_tensor(image)
    return _as_float(x, lambda v: v ** convert_to_tensor(gamma, v.dtype) * gain)


def _between(low: float, high: float, seed: int | None) -> Tensor:
    return random_uniform([], low, high, seed=seed)


def random_brightness(image: Any, max_delta: float, seed: int | None = None) -> Tensor:
    """The brightness changed by up to ``max_delta``."""
    if max_delta < 0:
        raise ValueError("max_delta must be non-negative.")
    return adjust_brightness(image, _between(-max_delta, max_delta, seed))


def random_contrast(image: Any, lower: float, upper: float, seed: int | None = None) -> Tensor:
    """The contrast times something between ``lower`` and ``upper``."""
    if upper <= lower:
        raise ValueError("upper must be > lower.")
    return adjust_contrast(image, _between(lower, upper, seed))


def random_hue(image: Any, max_delta: float, seed: int | None = None) -> Tensor:
    """The hue turned by up to ``max_delta``."""
    return adjust_hue(image, _between(-max_delta, max_delta, seed))


def random_saturation(image: Any, lower: float, upper: float, seed: int | None = None) -> Tensor:
    """The saturation times something between ``lower`` and ``upper``."""
    return adjust_saturation(image, _between(lower, upper, seed))


# --- colors -------------------------------------------------------------------------------------------------------------


def rgb_to_grayscale(images: Any, name: str | None = None) -> Tensor:
    """One channel: 0.2989 red, 0.587 green and 0.114 blue."""

    def change(x: Tensor) -> Tensor:
        def kernel(v: Any) -> Any:
            return (v * rl.tensor([0.2989, 0.587, 0.114], dtype=v.dtype)).sum(-1, True)

        shape = UNKNOWN if x.shape.extents is None else TensorShape([*x.shape.extents[:-1], 1])
        return node("RgbToGrayscale", kernel, [x], x.dtype, shape, name)

    return _as_float(images, change)


def grayscale_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """Three equal channels."""
    x = convert_to_tensor(images)
    shape = UNKNOWN if x.shape.extents is None else TensorShape([*x.shape.extents[:-1], 3])
    return node("GrayscaleToRgb", lambda v: rl.cat([v, v, v], -1), [x], x.dtype, shape, name)


def _to_hsv(v: Any) -> Any:
    r, g, b = rl.unbind(v, -1)
    value, least = rl.amax(v, -1), rl.amin(v, -1)
    span = value - least
    safe = rl.where(span > 0, span, rl.ones_like(span))
    saturation = rl.where(
        value > 0, span / rl.where(value > 0, value, rl.ones_like(value)), rl.zeros_like(value)
    )
    hue = rl.where(
        r == value,
        (g - b) / safe,
        rl.where(g == value, (b - r) / safe + 2.0, (r - g) / safe + 4.0),
    )
    hue = rl.where(span > 0, hue / 6.0, rl.zeros_like(hue))
    return rl.stack([rl.where(hue < 0, hue + 1.0, hue), saturation, value], -1)


def _to_rgb(v: Any) -> Any:
    h, s, value = rl.unbind(v, -1)
    sixth = h * 6.0
    weights = [
        rl.clamp(rl.abs(sixth - 3.0) - 1.0, 0, 1),
        rl.clamp(2.0 - rl.abs(sixth - 2.0), 0, 1),
        rl.clamp(2.0 - rl.abs(sixth - 4.0), 0, 1),
    ]
    return rl.stack([((1 - s) + s * weight) * value for weight in weights], -1)


def rgb_to_hsv(images: Any, name: str | None = None) -> Tensor:
    """Hue, saturation and value, each in [0, 1], of red, green and blue in [0, 1]."""
    x = convert_to_tensor(images)
    return node("RGBToHSV", _to_hsv, [x], x.dtype, x.shape, name)


def hsv_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """The opposite of :func:`rgb_to_hsv`."""
    x = convert_to_tensor(images)
    return node("HSVToRGB", _to_rgb, [x], x.dtype, x.shape, name)


def _in_hsv(image: Any, amount: Any, change: Callable[[Any, Any], Any]) -> Tensor:
    def of_floats(x: Tensor) -> Tensor:
        by = convert_to_tensor(amount, x.dtype)
        return node("AdjustHSV", lambda v, a: _to_rgb(change(_to_hsv(v), a)), [x, by], x.dtype, x.shape)

    return _as_float(image, of_floats)


def adjust_hue(image: Any, delta: Any, name: str | None = None) -> Tensor:
    """The hue turned by ``delta``, in [-1, 1]."""

    def change(hsv: Any, by: Any) -> Any:
        return rl.cat([(hsv[..., :1] + by) % 1.0, hsv[..., 1:]], -1)

    return _in_hsv(image, delta, change)


def adjust_saturation(image: Any, saturation_factor: Any, name: str | None = None) -> Tensor:
    """The saturation times ``saturation_factor``."""

    def change(hsv: Any, by: Any) -> Any:
        return rl.cat([hsv[..., :1], rl.clamp(hsv[..., 1:2] * by, 0, 1), hsv[..., 2:]], -1)

    return _in_hsv(image, saturation_factor, change)


# --- measures -----------------------------------------------------------------------------------------------------------


def total_variation(images: Any, name: str | None = None) -> Tensor:
    """The sum of absolute differences of neighbouring pixels, for each image."""
    x = convert_to_tensor(images)

    def kernel(v: Any) -> Any:
        axes = (-3, -2, -1)
        rows = rl.abs(v[..., 1:, :, :] - v[..., :-1, :, :]).sum(axes)
        return rows + rl.abs(v[..., :, 1:, :] - v[..., :, :-1, :]).sum(axes)

    shape = UNKNOWN if x.shape.extents is None else TensorShape(x.shape.extents[:-3])
    return node("TotalVariation", kernel, [x], x.dtype, shape, name)


def psnr(a: Any, b: Any, max_val: Any, name: str | None = None) -> Tensor:
    """The peak signal-to-noise ratio of two images, in dB."""
    x, y = [convert_image_dtype(convert_to_tensor(item), dtypes.float32) for item in (a, b)]
    kind = convert_to_tensor(a).dtype
    peak = float(max_val) / (1.0 if kind.is_floating else float(kind.max))

    def kernel(p: Any, q: Any) -> Any:
        return 20 * math.log10(peak) - 10 * rl.log10(((p - q) ** 2).mean((-3, -2, -1)))

    shape = UNKNOWN if x.shape.extents is None else TensorShape(x.shape.extents[:-3])
    return node("PSNR", kernel, [x, y], dtypes.float32, shape, name)


def ssim(
    img1: Any,
    img2: Any,
    max_val: float,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Tensor:
    """The structural similarity of two images, 1 if they are equal.

    Source: Z. Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004.
    """
    x, y = convert_to_tensor(img1), convert_to_tensor(img2)

    def kernel(a: Any, b: Any) -> Any:
        lead = a.shape[:-3]
        a, b = [rl.movedim(v.reshape(-1, *v.shape[-3:]), -1, 1) for v in (a, b)]
        steps = rl.arange(filter_size, dtype=a.dtype) - (filter_size - 1) / 2
        line = rl.softmax(-(steps**2) / (2 * filter_sigma**2), 0)
        window = (line.unsqueeze(0) * line.unsqueeze(1)).expand(a.shape[1], 1, filter_size, filter_size)

        def blurred(v: Any) -> Any:
            return rl.conv2d(v, window, None, 1, 0, 1, a.shape[1])

        c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
        mean_a, mean_b = blurred(a), blurred(b)
        both, squares = mean_a * mean_b * 2, mean_a**2 + mean_b**2
        luminance = (both + c1) / (squares + c1)
        contrast = (blurred(a * b) * 2 - both + c2) / (blurred(a * a + b * b) - squares + c2)
        return (luminance * contrast).mean((1, 2, 3)).reshape(lead)

    shape = UNKNOWN if x.shape.extents is None else TensorShape(x.shape.extents[:-3])
    return node("SSIM", kernel, [x, y], x.dtype, shape)


def image_gradients(image: Any) -> tuple[Tensor, Tensor]:
    """The differences to the next row, and to the next column; 0 at the end."""
    x = convert_to_tensor(image)

    def difference(axis: int) -> Tensor:
        def kernel(v: Any) -> Any:
            later = v.narrow(axis, 1, v.shape[axis] - 1) - v.narrow(axis, 0, v.shape[axis] - 1)
            return rl.cat([later, rl.zeros_like(v.narrow(axis, 0, 1))], axis)

        return node("ImageGradient", kernel, [x], x.dtype, x.shape)

    return difference(1), difference(2)


def sobel_edges(image: Any) -> Tensor:
    """Sobel's derivatives (…, 2): down and to the right, with mirrored borders."""
    x = convert_to_tensor(image)
    down = rl.tensor([[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]])

    def kernel(v: Any) -> Any:
        v = rl.movedim(v, -1, 1)
        padded = F.pad(v, (1, 1, 1, 1), mode="reflect")
        results = []
        for matrix in (down, down.T):
            weight = matrix.to(v.dtype).reshape(1, 1, 3, 3).expand(v.shape[1], 1, 3, 3)
            results.append(rl.movedim(rl.conv2d(padded, weight, None, 1, 0, 1, v.shape[1]), 1, -1))
        return rl.stack(results, -1)

    shape = UNKNOWN if x.shape.extents is None else TensorShape([*x.shape.extents, 2])
    return node("SobelEdges", kernel, [x], x.dtype, shape)


def non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: float = 0.5,
    score_threshold: float = float("-inf"),
    name: str | None = None,
) -> Tensor:
    """The indices of the boxes (y1, x1, y2, x2) with the best scores that overlap no better one by more than a share."""
    b, s = convert_to_tensor(boxes), convert_to_tensor(scores)
    limit = constant_value(max_output_size) if isinstance(max_output_size, Operand) else max_output_size
    if limit is None:
        raise ValueError("non_max_suppression: max_output_size must be known when the graph is built")

    def kernel(corners: Any, values: Any) -> Any:
        box, score = corners.detach().numpy().astype(np.float64), values.detach().numpy()
        low, high = np.minimum(box[:, :2], box[:, 2:]), np.maximum(box[:, :2], box[:, 2:])
        area = np.prod(high - low, axis=1)
        kept: list[int] = []
        for i in np.argsort(-score, kind="stable"):
            if len(kept) == int(limit) or score[i] <= score_threshold:
                break
            overlap = np.clip(np.minimum(high[i], high[kept]) - np.maximum(low[i], low[kept]), 0, None)
            shared = np.prod(overlap, axis=1)
            union = area[i] + area[kept] - shared
            if not np.any(shared / np.where(union > 0, union, 1) > iou_threshold):
                kept.append(int(i))
        return rl.tensor(kept, dtype=rl.int32)

    return node("NonMaxSuppressionV3", kernel, [b, s], dtypes.int32, [None], name)
