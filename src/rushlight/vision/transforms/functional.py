"""What the transforms do, as functions of a picture: Pillow's, or a tensor ``(…, C, H, W)`` where that says so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import nn
from ...core import dtypes
from ...core.dtypes import dtype as Dtype
from ...core.tensor import Tensor, make_tensor
from ..pillow import is_picture as is_picture, require
from .interpolation import InterpolationMode, mode_of


def _refuse(name: str, value: Any) -> TypeError:
    return TypeError(
        f"{name}: got {type(value).__name__}; allowed are a Pillow image and a tensor (..., C, H, W)"
    )


def _need(name: str, image: Any) -> bool:
    """Whether ``image`` is a tensor; raises ``TypeError`` if it is no picture at all."""
    if isinstance(image, Tensor):
        if image.ndim < 2:
            raise TypeError(f"{name}: got a tensor of shape {tuple(image.shape)}; it needs (..., C, H, W)")
        return True
    if not is_picture(image):
        raise _refuse(name, image)
    return False


def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width]."""
    if _need("get_dimensions", img):
        return [1 if img.ndim == 2 else int(img.shape[-3]), int(img.shape[-2]), int(img.shape[-1])]
    return [len(img.getbands()), img.height, img.width]


def get_image_size(img: Any) -> list[int]:
    """[width, height]."""
    _, height, width = get_dimensions(img)
    return [width, height]


def get_image_num_channels(img: Any) -> int:
    """The number of channels."""
    return get_dimensions(img)[0]


# --- between pictures and tensors ---------------------------------------------------------------------------------------


def pil_to_tensor(pic: Any) -> Tensor:
    """A Pillow image as a tensor ``(C, H, W)`` of its own values (uint8 for most). ``TypeError`` for anything else."""
    if not is_picture(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    array = np.array(pic, copy=True)
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    elif array.dtype == np.uint16:
        array = array.astype(np.int32)
    if array.ndim == 2:
        array = array[:, :, None]
    return make_tensor(np.ascontiguousarray(array.transpose(2, 0, 1)))


def to_tensor(pic: Any) -> Tensor:
    """A Pillow image or an array ``(H, W)`` or ``(H, W, C)`` as ``(C, H, W)``; uint8 becomes float32 in [0, 1].

    Raises ``TypeError`` for anything else and ``ValueError`` for an array of other dimensions.

    Example:
        >>> import numpy as np
        >>> to_tensor(np.full((2, 2, 1), 255, np.uint8))
        tensor([[[1., 1.],
                 [1., 1.]]])
    """
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        planes = pic[:, :, None] if pic.ndim == 2 else pic
        tensor = make_tensor(np.array(planes.transpose(2, 0, 1), order="C"))
    elif is_picture(pic):
        tensor = pil_to_tensor(pic)
    else:
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    if tensor.dtype is dtypes.uint8:
        return tensor.to(dtypes.get_default_dtype()).div(255)  # type: ignore[no-any-return]
    return tensor


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor ``(C, H, W)`` (floats in [0, 1]) or an array ``(H, W, C)`` as a Pillow image of 1, 3 or 4 channels.

    Raises ``TypeError`` for other types and ``ValueError`` for other shapes.
    """
    image = require("to_pil_image")
    if isinstance(pic, Tensor):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        pic = pic.detach()
        if pic.dtype.is_floating_point and mode != "F":
            pic = pic.mul(255).to(dtypes.uint8)
        array = pic.numpy()
        array = array[:, :, None] if array.ndim == 2 else array.transpose(1, 2, 0)
    elif isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = pic[:, :, None] if pic.ndim == 2 else pic
    else:
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    channels = array.shape[2]
    if channels > 4:
        raise ValueError(f"pic should not have > 4 channels. Got {channels} channels.")
    if channels == 1:
        plane = np.ascontiguousarray(array[:, :, 0])
        if plane.dtype not in (np.uint8, np.int16, np.int32, np.float32):
            raise TypeError(f"Input type {plane.dtype} is not supported")
        picture = image.fromarray(plane)
        return picture if mode is None or picture.mode == mode else picture.convert(mode)
    if array.dtype != np.uint8:
        raise TypeError(f"Input type {array.dtype} is not supported")
    allowed = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}[channels]
    if mode is not None and mode not in allowed:
        raise ValueError(f"Only modes {list(allowed)} are supported for {channels}D inputs")
    return _from_planes(image, np.ascontiguousarray(array), mode or allowed[0])


def _from_planes(image: Any, array: Any, mode: str) -> Any:
    return image.frombytes(mode, (array.shape[1], array.shape[0]), array.tobytes())


def convert_image_dtype(image: Tensor, dtype: Dtype = dtypes.float32) -> Tensor:
    """A tensor in another dtype, its values scaled: floats lie in [0, 1], integers up to their largest.

    Raises ``RuntimeError`` where the target can't hold the source's values apart, ``TypeError`` for other than tensors.
    """
    if not isinstance(image, Tensor):
        raise TypeError("Input img should be Tensor Image")
    source = image.dtype
    if source is dtype:
        return image
    largest = {each: int(np.iinfo(name).max) for each, name in _INTEGERS}
    if source.is_floating_point:
        if dtype.is_floating_point:
            return image.to(dtype)  # type: ignore[no-any-return]
        if (source is dtypes.float32 and dtype in (dtypes.int32, dtypes.int64)) or (
            source is dtypes.float64 and dtype is dtypes.int64
        ):
            raise RuntimeError(f"The cast from {source} to {dtype} cannot be performed safely.")
        return image.mul(largest[dtype] + 1.0 - 1e-3).to(dtype)  # type: ignore[no-any-return]
    if dtype.is_floating_point:
        scaled: Tensor = image.to(dtype) / largest[source]
        return scaled
    if largest[source] > largest[dtype]:
        return image.div((largest[source] + 1) // (largest[dtype] + 1), rounding_mode="floor").to(dtype)  # type: ignore[no-any-return]
    grown: Tensor = image.to(dtype) * int((largest[dtype] + 1) // (largest[source] + 1))
    return grown


_INTEGERS = (
    (dtypes.uint8, "uint8"), (dtypes.int8, "int8"), (dtypes.int16, "int16"), (dtypes.int32, "int32"), (dtypes.int64, "int64"),
)  # fmt: skip


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """``(tensor - mean) / std`` for each channel of a float tensor ``(…, C, H, W)``.

    Raises ``TypeError`` for other than float tensors, ``ValueError`` for other shapes and a deviation of 0.

    Example:
        >>> import rushlight as torch
        >>> normalize(torch.ones(1, 1, 2), [0.5], [0.25])
        tensor([[[2., 2.]]])
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    if not tensor.dtype.is_floating_point:
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise ValueError(
            f"Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = {tensor.size()}"
        )
    means, deviations = tensor.new_tensor(mean), tensor.new_tensor(std)
    if bool((deviations == 0).any()):
        raise ValueError(
            f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero."
        )
    result = tensor if inplace else tensor.clone()
    return result.sub_(means.reshape(-1, 1, 1)).div_(deviations.reshape(-1, 1, 1))  # type: ignore[no-any-return]


# --- geometry -----------------------------------------------------------------------------------------------------------


def resized_to(img: Any, size: int | Sequence[int], max_size: int | None = None) -> tuple[int, int]:
    """The (height, width) that ``resize`` gives: one number is the shorter side's length."""
    _, height, width = get_dimensions(img)
    if not isinstance(size, int) and len(size) == 2:
        return int(size[0]), int(size[1])
    wanted = size if isinstance(size, int) else size[0]
    short, long = sorted((width, height))
    new_short, new_long = wanted, int(wanted * long / short)
    if max_size is not None:
        if max_size <= wanted:
            raise ValueError(
                f"max_size = {max_size} must be strictly greater than the requested size for the smaller edge size = {size}"
            )
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_long, new_short) if width <= height else (new_short, new_long)


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """The picture in another size: (height, width), or one number for its shorter side, the longer at most ``max_size``."""
    mode = mode_of(interpolation)
    tensor = _need("resize", img)
    height, width = resized_to(img, size, max_size)
    if get_dimensions(img)[1:] == [height, width]:
        return img
    if not tensor:
        return img.resize((width, height), mode.pillow)
    if mode not in (
        InterpolationMode.NEAREST,
        InterpolationMode.NEAREST_EXACT,
        InterpolationMode.BILINEAR,
        InterpolationMode.BICUBIC,
    ):
        raise ValueError(
            f"resize: {mode.value} is for Pillow images; tensors take nearest, nearest-exact, bilinear, bicubic"
        )
    return _as_batch(img, lambda batch: _interpolated(batch, (height, width), mode.value, bool(antialias)))


def _interpolated(batch: Tensor, size: tuple[int, int], mode: str, antialias: bool) -> Tensor:
    smooth = mode in ("bilinear", "bicubic")
    options: dict[str, Any] = {"align_corners": False, "antialias": antialias} if smooth else {}
    return nn.functional.interpolate(batch, size=size, mode=mode, **options)


def _as_batch(img: Tensor, function: Any) -> Tensor:
    """``function`` of floats ``(N, C, H, W)``, whatever the tensor's dtype and leading dimensions."""
    shape, dtype = img.shape, img.dtype
    batch = img.reshape(-1, *shape[-3:]) if img.ndim > 2 else img.reshape(1, 1, *shape)
    if not dtype.is_floating_point:
        result = function(batch.to(dtypes.float32)).round().clamp(*_range(dtype)).to(dtype)
    else:
        result = function(batch)
    return result.reshape(*shape[:-2], *result.shape[-2:])  # type: ignore[no-any-return]


def _range(dtype: Dtype) -> tuple[float, float]:
    limits = np.iinfo(dict(_INTEGERS).get(dtype, "uint8"))
    return float(limits.min), float(limits.max)


def pad(img: Any, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> Any:
    """The picture with a border: one width, (left and right, top and bottom), or (left, top, right, bottom).

    ``padding_mode``: "constant" (``fill``), "edge", "reflect" or "symmetric". Raises ``ValueError`` for anything else.
    """
    tensor = _need("pad", img)
    widths = [padding] if isinstance(padding, int) else list(padding)
    if len(widths) not in (1, 2, 4):
        raise ValueError(
            f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(widths)} element tuple"
        )
    left, top, right, bottom = widths * (4 // len(widths))
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    if not tensor and padding_mode == "constant":
        from PIL import ImageOps

        filling: Any = fill if isinstance(fill, int | float) else tuple(fill)
        if len(img.getbands()) > 1 and isinstance(filling, int | float):
            filling = (int(filling),) * len(img.getbands())
        if img.mode in ("RGB", "RGBA", "L", "P", "1", "I"):
            filling = tuple(int(n) for n in filling) if isinstance(filling, tuple) else int(filling)
        return ImageOps.expand(img, border=(left, top, right, bottom), fill=filling)
    if min(left, top, right, bottom) < 0:
        img = crop(img, max(-top, 0), max(-left, 0), *_shrunk(img, left, top, right, bottom))
        left, top, right, bottom = (max(n, 0) for n in (left, top, right, bottom))
    array = img.numpy() if tensor else np.asarray(img)
    borders = [(top, bottom), (left, right)]
    before = [(0, 0)] * (array.ndim - 2)
    widths_of = [*before, *borders] if tensor else [*borders, *before]
    if padding_mode == "constant":
        if not isinstance(fill, int | float):
            fill = fill[0]
        array = np.pad(array, widths_of, constant_values=fill)
    else:
        array = np.pad(array, widths_of, mode=padding_mode)  # type: ignore[call-overload]
    if tensor:
        return make_tensor(np.ascontiguousarray(array))
    return (
        require("pad").fromarray(array) if array.ndim == 2 else _from_planes(require("pad"), array, img.mode)
    )


def _shrunk(img: Any, left: int, top: int, right: int, bottom: int) -> tuple[int, int]:
    _, height, width = get_dimensions(img)
    return height + min(top, 0) + min(bottom, 0), width + min(left, 0) + min(right, 0)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """The part of a picture; what lies outside of it is 0."""
    if not _need("crop", img):
        return img.crop((left, top, left + width, top + height))
    h, w = img.shape[-2:]
    right, bottom = left + width, top + height
    inside = img[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if left < 0 or top < 0 or right > w or bottom > h:
        border = [max(min(right, 0) - left, 0), max(right - max(w, left), 0)]
        border += [max(min(bottom, 0) - top, 0), max(bottom - max(h, top), 0)]
        return nn.functional.pad(inside, border)
    return inside


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The middle (height, width) of a picture, which is first padded with 0 where it is smaller."""
    size = [output_size] if isinstance(output_size, int) else list(output_size)
    wanted_height, wanted_width = size if len(size) == 2 else size * 2
    _, height, width = get_dimensions(img)
    if wanted_width > width or wanted_height > height:
        across, down = max(wanted_width - width, 0), max(wanted_height - height, 0)
        img = pad(img, [across // 2, down // 2, (across + 1) // 2, (down + 1) // 2])
        _, height, width = get_dimensions(img)
        if (wanted_height, wanted_width) == (height, width):
            return img
    top = round((height - wanted_height) / 2.0)
    left = round((width - wanted_width) / 2.0)
    return crop(img, top, left, wanted_height, wanted_width)


def resized_crop(
    img: Any, top: int, left: int, height: int, width: int, size: Any,
    interpolation: Any = InterpolationMode.BILINEAR, antialias: bool | None = True,
) -> Any:  # fmt: skip
    """``resize`` of ``crop``."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img: Any) -> Any:
    """The picture with left and right exchanged."""
    if _need("hflip", img):
        return img.flip(-1)
    return img.transpose(require("hflip").Transpose.FLIP_LEFT_RIGHT)


def vflip(img: Any) -> Any:
    """The picture upside down."""
    if _need("vflip", img):
        return img.flip(-2)
    return img.transpose(require("vflip").Transpose.FLIP_TOP_BOTTOM)


def rotate(
    img: Any,
    angle: float,
    interpolation: Any = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    """The picture turned by ``angle`` degrees against the clock around ``center`` (x, y), its middle unless given.

    ``expand`` makes room for the corners; ``fill`` colors what comes in.
    """
    mode = mode_of(interpolation)
    if not _need("rotate", img):
        filling = None if fill is None else fill if isinstance(fill, int | float) else tuple(fill)
        if isinstance(filling, int | float) and len(img.getbands()) > 1:
            filling = (int(filling),) * len(img.getbands())
        place = None if center is None else (float(center[0]), float(center[1]))
        return img.rotate(angle, mode.pillow, expand, place, fillcolor=filling)
    height, width = int(img.shape[-2]), int(img.shape[-1])
    x0, y0 = (0.0, 0.0) if center is None else (center[0] - width * 0.5, center[1] - height * 0.5)
    turn = math.radians(angle)
    cos, sin = math.cos(turn), math.sin(turn)
    out_width, out_height = width, height
    if expand:
        corners = np.array([[-0.5 * width, -0.5 * height], [-0.5 * width, 0.5 * height],
                            [0.5 * width, 0.5 * height], [0.5 * width, -0.5 * height]])  # fmt: skip
        turned = corners @ np.array([[cos, sin], [-sin, cos]])
        # Rounded so that a quarter turn does not gain a pixel by the error of cos.
        extent = np.ceil(np.round(turned.max(0), 6)) - np.floor(np.round(turned.min(0), 6))
        out_width, out_height = int(extent[0]), int(extent[1])
    rows = [[cos, -sin, x0 - cos * x0 + sin * y0], [sin, cos, y0 - sin * x0 - cos * y0]]
    return _sampled(img, _places(rows, (height, width), (out_height, out_width)), mode, fill)


def _places(rows: Any, size: tuple[int, int], out_size: tuple[int, int]) -> NDArray[Any]:
    """Where the pixels of a result of (height, width) ``out_size`` come from in a picture of ``size``: (H, W, 2), from −1 to 1.

    ``rows`` (2, 3) is the map of (x, y, 1), in pixels from the middles.
    """
    # In float32 and as one product, as torchvision has it: a nearest pixel may hang on the last digit.
    (height, width), (out_height, out_width) = size, out_size
    y, x = np.mgrid[0:out_height, 0:out_width].astype(np.float32)
    x, y = x + np.float32(0.5 - out_width * 0.5), y + np.float32(0.5 - out_height * 0.5)
    base = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3)
    half = np.array([0.5 * width, 0.5 * height], np.float32)
    places: NDArray[Any] = base @ (np.array(rows, np.float32).T / half)
    return places.reshape(out_height, out_width, 2)


def _sampled(img: Tensor, places: NDArray[Any], mode: InterpolationMode, fill: Any) -> Tensor:
    """The tensor at ``places`` (H, W, 2), from −1 to 1; outside of it ``fill``."""
    if mode not in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR):
        raise ValueError(f"{mode.value} is for Pillow images; tensors take nearest and bilinear")
    grid = places[None].astype(np.float32)

    def at(batch: Tensor) -> Tensor:
        where = make_tensor(np.repeat(grid, batch.shape[0], 0)).to(batch.dtype)

        def sampled(values: Tensor) -> Tensor:
            return nn.functional.grid_sample(values, where, mode.value, "zeros", align_corners=False)

        found = sampled(batch)
        if fill is None:
            return found
        colors = [fill] * batch.shape[1] if isinstance(fill, int | float) else list(fill)
        filling = batch.new_tensor(colors).reshape(1, -1, 1, 1)
        seen = sampled(batch.new_ones((batch.shape[0], 1, *batch.shape[2:])))
        if mode is InterpolationMode.NEAREST:
            return (seen >= 0.5) * found + (seen < 0.5) * filling  # type: ignore[no-any-return]
        # As torchvision mixes them: what lies half outside has been weighted before.
        mixed: Tensor = found * seen + (1 - seen) * filling
        return mixed

    return _as_batch(img, at)


# --- colors -------------------------------------------------------------------------------------------------------------


def _blended(img: Tensor, other: Any, ratio: float) -> Tensor:
    bound = 1.0 if img.dtype.is_floating_point else 255.0
    mixed = (
        img.to(dtypes.float32) * ratio + (1.0 - ratio) * other
        if not img.dtype.is_floating_point
        else (img * ratio + (1.0 - ratio) * other)
    )
    return mixed.clamp(0, bound).to(img.dtype)  # type: ignore[no-any-return]


def _enhanced(name: str, img: Any, factor: float) -> Any:
    from PIL import ImageEnhance

    return getattr(ImageEnhance, name)(img).enhance(factor)


def _check_factor(name: str, factor: float) -> None:
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """Luminance, 0.2989 R + 0.587 G + 0.114 B, in 1 or 3 equal channels. Raises ``ValueError`` for other numbers."""
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    if not _need("rgb_to_grayscale", img):
        gray = img.convert("L")
        return gray if num_output_channels == 1 else require("rgb_to_grayscale").merge("RGB", (gray,) * 3)
    if img.shape[-3] == 3:
        r, g, b = img.unbind(-3)
        gray_tensor = (0.2989 * r + 0.587 * g + 0.114 * b).to(img.dtype).unsqueeze(-3)
    else:
        gray_tensor = img.clone()
    if num_output_channels == 3:
        return gray_tensor.expand(*img.shape[:-3], 3, *img.shape[-2:])
    return gray_tensor


to_grayscale = rgb_to_grayscale


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """0 is black, 1 the picture, 2 twice as bright. Raises ``ValueError`` below 0."""
    _check_factor("brightness_factor", brightness_factor)
    if not _need("adjust_brightness", img):
        return _enhanced("Brightness", img, brightness_factor)
    return _blended(img, 0.0, brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """0 is even gray, 1 the picture. Raises ``ValueError`` below 0."""
    _check_factor("contrast_factor", contrast_factor)
    if not _need("adjust_contrast", img):
        return _enhanced("Contrast", img, contrast_factor)
    gray = rgb_to_grayscale(img).to(img.dtype if img.dtype.is_floating_point else dtypes.float32)
    return _blended(img, gray.mean(dim=(-3, -2, -1), keepdim=True), contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """0 is gray, 1 the picture. Raises ``ValueError`` below 0."""
    _check_factor("saturation_factor", saturation_factor)
    if not _need("adjust_saturation", img):
        return _enhanced("Color", img, saturation_factor)
    if img.shape[-3] == 1:
        return img
    gray = rgb_to_grayscale(img)
    return _blended(img, gray if img.dtype.is_floating_point else gray.to(dtypes.float32), saturation_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Colors turned by ``hue_factor`` of the circle. Raises ``ValueError`` outside of [-0.5, 0.5]."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    if not _need("adjust_hue", img):
        if img.mode in ("L", "1", "I", "F"):
            return img
        image = require("adjust_hue")
        h, s, v = img.convert("HSV").split()
        turned = np.asarray(h, np.uint8) + np.int32(hue_factor * 255).astype(np.uint8)
        return image.merge("HSV", (image.fromarray(turned), s, v)).convert(img.mode)
    if img.shape[-3] == 1:
        return img
    dtype = img.dtype
    rgb = np.moveaxis(convert_image_dtype(img, dtypes.float32).numpy(), -3, 0)
    turned_rgb = _with_hue(rgb, hue_factor)
    result = make_tensor(np.ascontiguousarray(np.moveaxis(turned_rgb, 0, -3)).astype(np.float32))
    return convert_image_dtype(result, dtype)


def _with_hue(rgb: Any, by: float) -> Any:
    r, g, b = rgb
    high, low = rgb.max(0), rgb.min(0)
    flat = high == low
    span = np.where(flat, 1, high - low)
    rest_r, rest_g, rest_b = (high - r) / span, (high - g) / span, (high - b) / span
    hue = np.where(high == r, rest_b - rest_g, np.where(high == g, 2 + rest_r - rest_b, 4 + rest_g - rest_r))
    hue = np.where(flat, 0, (hue / 6 + 1) % 1)
    hue = (hue + by) % 1
    saturation = np.where(high > 0, (high - low) / np.where(high > 0, high, 1), 0)
    sector = np.floor(hue * 6)
    part = hue * 6 - sector
    p = np.clip(high * (1 - saturation), 0, 1)
    q = np.clip(high * (1 - saturation * part), 0, 1)
    t = np.clip(high * (1 - saturation * (1 - part)), 0, 1)
    which = sector.astype(np.int64) % 6
    return np.stack([np.choose(which, each) for each in (
        (high, q, p, p, t, high), (t, high, high, q, p, p), (p, p, t, high, high, q))])  # fmt: skip


def invert(img: Any) -> Any:
    """The negative."""
    if _need("invert", img):
        return (1 if img.dtype.is_floating_point else 255) - img
    from PIL import ImageOps

    return ImageOps.invert(img)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Tensor:
    """A tensor with the rectangle at row ``i``, column ``j`` set to ``v``. Raises ``TypeError`` for other than tensors."""
    if not isinstance(img, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(img)}")
    result: Tensor = img if inplace else img.clone()
    result[..., i : i + h, j : j + w] = v
    return result


def gaussian_blur(
    img: Any, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None
) -> Any:
    """The picture blurred by a Gaussian of odd (width, height) ``kernel_size``; edges are reflected.

    Raises ``ValueError`` for even sizes and deviations of 0 or less.
    """
    tensor = _need("gaussian_blur", img)
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if sigma is None:
        sigmas = [size * 0.15 + 0.35 for size in sizes]
    else:
        sigmas = [float(sigma)] * 2 if isinstance(sigma, int | float) else list(sigma)
        sigmas = sigmas * (2 // len(sigmas))
    if any(size % 2 == 0 or size < 0 for size in sizes):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {sizes}")
    if any(s <= 0 for s in sigmas):
        raise ValueError(f"sigma should have positive values. Got {sigmas}")
    pixels: Tensor = img if tensor else pil_to_tensor(img)

    def blurred(batch: Tensor) -> Tensor:
        weights = []
        for size, deviation in zip(sizes, sigmas, strict=True):
            x = np.linspace(-(size - 1) * 0.5, (size - 1) * 0.5, size)
            bell = np.exp(-0.5 * (x / deviation) ** 2)
            weights.append(bell / bell.sum())
        channels = batch.shape[1]
        kernel = np.outer(weights[1], weights[0])[None, None].repeat(channels, 0)
        wide, high = sizes[0] // 2, sizes[1] // 2
        bordered = nn.functional.pad(batch, (wide, wide, high, high), mode="reflect")
        return nn.functional.conv2d(bordered, batch.new_tensor(kernel), groups=channels)

    result = _as_batch(pixels, blurred)
    return result if tensor else to_pil_image(result, mode=img.mode)


# Defined elsewhere with the help of these functions: given away when a program asks.
_ELSEWHERE = {
    "warps": ("affine", "five_crop", "perspective", "ten_crop"),
    "tones": ("adjust_gamma", "adjust_sharpness", "autocontrast", "equalize", "posterize", "solarize"),
}


def __getattr__(name: str) -> Any:
    for module, names in _ELSEWHERE.items():
        if name in names:
            from importlib import import_module

            return getattr(import_module(f"{__package__}.{module}"), name)
    raise AttributeError(f"module 'torchvision.transforms.functional' has no attribute {name!r}")
