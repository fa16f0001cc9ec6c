"""Image files inside a graph: ``tf.image.decode_jpeg``, ``encode_png`` and the like, through Pillow where it is installed."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

import rushlight as rl

from . import dtypes, errors
from .conversion import convert_to_tensor
from .graph import Tensor, node
from .ops_math import cast
from .tensor_shape import SCALAR, UNKNOWN, TensorShape

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def _opened(data: Any, what: str, gray: bool = False) -> Any:
    from rushlight.vision.pillow import require

    image = require(f"tf.image.{what}")
    contents = np.asarray(data, dtype=object).item()
    try:
        picture = image.open(io.BytesIO(contents))
        if gray:
            picture.draft("L", picture.size)  # a JPEG file has the brightness by itself
        picture.load()
    except OSError as error:
        raise errors.InvalidArgumentError(
            None,
            None,
            f"{what}: the contents ({len(contents)} bytes, beginning with {contents[:8]!r}) are no image that can be read: "
            f"{error}",
        ) from error
    return picture


def _pixels(picture: Any, channels: int) -> Any:
    if channels == 0:
        channels = {"L": 1, "1": 1, "I;16": 1, "RGBA": 4, "LA": 4}.get(picture.mode, 3)
        if picture.mode == "P":
            channels = 4 if "transparency" in picture.info else 3
    if channels == 1 and picture.mode in ("RGB", "RGBA", "P"):
        # The weights and the rounding (down) of libpng.
        colors = np.array(picture.convert("RGB"), dtype=np.int64)
        array = ((colors @ np.array([9798, 19235, 3735])) >> 15).astype(np.uint8)
    else:
        array = np.array(picture.convert(_MODES[channels]), dtype=np.uint8)
    return rl.from_numpy(array.reshape(array.shape[0], array.shape[1], channels))


def _decoder(what: str, doc: str) -> Any:
    def public(
        contents: Any,
        channels: int = 0,
        ratio: int = 1,
        dtype: Any = dtypes.uint8,
        name: str | None = None,
        **_: Any,
    ) -> Tensor:
        data = convert_to_tensor(contents, dtypes.string)
        count = int(channels or 0)
        if count not in (0, 1, 3, 4):
            raise ValueError(f"{what}: channels must be 0, 1, 3, or 4, got {count}")

        def kernel(value: Any) -> Any:
            return _pixels(_opened(value, what, gray=count == 1), count)

        shape = TensorShape([None, None, count or None])
        found = node(what.title().replace("_", ""), kernel, [data], dtypes.uint8, shape, name)
        return found if dtypes.as_dtype(dtype) is dtypes.uint8 else _scaled(found, dtype)

    public.__name__ = public.__qualname__ = what
    public.__doc__ = doc
    return public


def _scaled(pixels: Tensor, dtype: Any) -> Tensor:
    from .image import convert_image_dtype

    found: Tensor = convert_image_dtype(pixels, dtype)
    return found


decode_jpeg = _decoder(
    "decode_jpeg",
    "The pixels (height, width, channels) of a JPEG file's bytes, uint8; ``channels`` 0 keeps the file's.",
)
decode_png = _decoder(
    "decode_png",
    "The pixels (height, width, channels) of a PNG file's bytes, uint8; ``channels`` 0 keeps the file's.",
)
decode_bmp = _decoder("decode_bmp", "The pixels (height, width, channels) of a BMP file's bytes, uint8.")


def _frames(picture: Any) -> Any:
    frames = []
    for number in range(getattr(picture, "n_frames", 1)):
        picture.seek(number)
        frames.append(np.array(picture.convert("RGB"), dtype=np.uint8))
    return rl.from_numpy(np.stack(frames))


def decode_gif(contents: Any, name: str | None = None) -> Tensor:
    """The pictures (number, height, width, 3) of a GIF file's bytes, uint8."""
    data = convert_to_tensor(contents, dtypes.string)

    def kernel(value: Any) -> Any:
        return _frames(_opened(value, "decode_gif"))

    return node("DecodeGif", kernel, [data], dtypes.uint8, TensorShape([None, None, None, 3]), name)


def decode_image(
    contents: Any,
    channels: int | None = None,
    dtype: Any = dtypes.uint8,
    name: str | None = None,
    expand_animations: bool = True,
) -> Tensor:
    """The pixels of a JPEG, PNG, BMP or GIF file's bytes; a GIF's have four axes, unless ``expand_animations`` is False."""
    data = convert_to_tensor(contents, dtypes.string)

    def kernel(value: Any) -> Any:
        picture = _opened(value, "decode_image", gray=channels == 1)
        if picture.format == "GIF":
            frames = _frames(picture)
            return frames if expand_animations else frames[0]
        return _pixels(picture, int(channels or 0))

    found = node("DecodeImage", kernel, [data], dtypes.uint8, UNKNOWN, name)
    return found if dtypes.as_dtype(dtype) is dtypes.uint8 else _scaled(found, dtype)


def _encoder(what: str, form: str, doc: str) -> Any:
    def public(
        image: Any, format: str = "", quality: int = 95, compression: int = -1, name: str | None = None
    ) -> Tensor:
        pixels = convert_to_tensor(image)
        if pixels.dtype is not dtypes.uint8:
            raise TypeError(
                f"Value passed to parameter 'image' has DataType {pixels.dtype.name} not in list of allowed values: uint8"
            )

        def kernel(value: Any) -> Any:
            from rushlight.vision.pillow import require

            array = value.detach().numpy()
            if array.ndim != 3 or array.shape[2] not in _MODES:
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"image must be 3-dimensional with 1, 3 or 4 channels, got {list(array.shape)}",
                )
            picture = require(f"tf.image.{what}").fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
            file = io.BytesIO()
            picture.save(file, form, **({"quality": quality} if form == "JPEG" else {}))
            result = np.empty((), dtype=object)
            result[()] = file.getvalue()
            return result

        return node(what.title().replace("_", ""), kernel, [pixels], dtypes.string, SCALAR, name)

    public.__name__ = public.__qualname__ = what
    public.__doc__ = doc
    return public


encode_jpeg = _encoder(
    "encode_jpeg", "JPEG", "The bytes of a JPEG file with these pixels (height, width, 1 or 3), uint8."
)
encode_png = _encoder(
    "encode_png", "PNG", "The bytes of a PNG file with these pixels (height, width, 1, 3 or 4), uint8."
)


def is_jpeg(contents: Any, name: str | None = None) -> Tensor:
    """Whether bytes begin as a JPEG file does."""
    data = convert_to_tensor(contents, dtypes.string)

    def kernel(value: Any) -> Any:
        return rl.tensor(np.asarray(value, dtype=object).item()[:3] == b"\xff\xd8\xff")

    return node("IsJpeg", kernel, [data], dtypes.bool_, SCALAR, name)


def extract_jpeg_shape(contents: Any, output_type: Any = dtypes.int32, name: str | None = None) -> Tensor:
    """The height, width and number of channels of a JPEG file's bytes."""
    data = convert_to_tensor(contents, dtypes.string)

    def kernel(value: Any) -> Any:
        picture = _opened(value, "extract_jpeg_shape")
        return rl.tensor([picture.height, picture.width, len(picture.getbands())], dtype=rl.int32)

    return cast(node("ExtractJpegShape", kernel, [data], dtypes.int32, [3], name), output_type)


__all__ = [
    "decode_bmp",
    "decode_gif",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "encode_jpeg",
    "encode_png",
    "extract_jpeg_shape",
    "is_jpeg",
]
