"""Pictures from and to files and bytes, as uint8 tensors ``(C, H, W)``: Pillow reads and writes them. Videos are not here."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from ..absent import absent_class, absent_function
from ..core.tensor import Tensor
from ..missing import lazily as _lazily
from ..ops.creation import frombuffer
from .pillow import require
from .transforms.functional import pil_to_tensor, to_pil_image

__getattr__ = _lazily(__name__)

_VIDEO: Final = "a library that decodes videos, and torch.from_numpy"
read_video = absent_function(__name__, "read_video", _VIDEO)
read_video_timestamps = absent_function(__name__, "read_video_timestamps", _VIDEO)
write_video = absent_function(__name__, "write_video", _VIDEO)
VideoReader: Any = absent_class(__name__, "VideoReader", _VIDEO)


class ImageReadMode(Enum):
    """Which channels a picture is read with: those that it has, or gray or color, with or without opacity."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


_MODES: Final = {
    ImageReadMode.GRAY: "L", ImageReadMode.GRAY_ALPHA: "LA", ImageReadMode.RGB: "RGB", ImageReadMode.RGB_ALPHA: "RGBA",
}  # fmt: skip


def read_file(path: str) -> Tensor:
    """The bytes of a file, as a uint8 tensor of one dimension. Raises ``OSError`` where it can't be read."""
    with open(path, "rb") as file:
        content = bytearray(file.read())
    from ..core.dtypes import uint8
    from ..ops.creation import empty

    return frombuffer(content, dtype=uint8) if content else empty(0, dtype=uint8)


def write_file(filename: str, data: Tensor) -> None:
    """Write the bytes of a uint8 tensor of one dimension. Raises ``RuntimeError`` for other tensors."""
    if data.dtype.name != "uint8" or data.dim() != 1:
        raise RuntimeError("Input tensor dtype should be uint8 and 1-dimensional")
    with open(filename, "wb") as file:
        file.write(data.numpy().tobytes())


def decode_image(
    input: Tensor | str,
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """The picture in the bytes of a file (a uint8 tensor), or at a path, as a uint8 tensor ``(C, H, W)``.

    Raises ``RuntimeError`` for bytes that are no picture, ``OSError`` for a path that can't be read.

    Example:
        >>> import rushlight as torch
        >>> decode_image(encode_png(torch.full((3, 2, 4), 7, dtype=torch.uint8)))[:, 0, 0]
        tensor([7, 7, 7], dtype=torch.uint8)
    """
    import io

    Image = require("torchvision.io.decode_image")
    if not isinstance(input, Tensor):
        input = read_file(str(input))
    if isinstance(mode, str):
        mode = ImageReadMode[mode.upper()]
    try:
        picture = Image.open(io.BytesIO(input.numpy().tobytes()))
        picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise RuntimeError(f"decode_image: the bytes hold no picture that Pillow reads: {error}") from error
    if apply_exif_orientation:
        from PIL import ImageOps

        picture = ImageOps.exif_transpose(picture)
    if mode in _MODES:
        picture = picture.convert(_MODES[mode])
    elif picture.mode in ("P", "1", "CMYK"):
        picture = picture.convert("RGB" if picture.mode != "1" else "L")
    return pil_to_tensor(picture)


def read_image(
    path: str, mode: ImageReadMode | str = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False
) -> Tensor:
    """The picture at a path as a uint8 tensor ``(C, H, W)``. Raises as ``decode_image`` does."""
    return decode_image(read_file(str(path)), mode, apply_exif_orientation)


def decode_png(
    input: Tensor, mode: ImageReadMode = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False
) -> Tensor:
    """``decode_image``."""
    return decode_image(input, mode, apply_exif_orientation)


def decode_jpeg(
    input: Tensor,
    mode: ImageReadMode = ImageReadMode.UNCHANGED,
    device: Any = "cpu",
    apply_exif_orientation: bool = False,
) -> Tensor:
    """``decode_image``."""
    return decode_image(input, mode, apply_exif_orientation)


decode_gif = decode_webp = decode_image


def _encoded(picture: Tensor, kind: str, **options: Any) -> Tensor:
    import io

    from ..core.dtypes import uint8

    if picture.dtype is not uint8:
        raise RuntimeError(f"Input tensor dtype should be uint8, got {picture.dtype}")
    if picture.dim() != 3 or picture.shape[0] not in (1, 3):
        raise RuntimeError(
            f"Input data should be a 3-dimensional tensor of 1 or 3 channels, got {list(picture.shape)}"
        )
    file = io.BytesIO()
    to_pil_image(picture).save(file, kind, **options)
    return frombuffer(bytearray(file.getvalue()), dtype=uint8)


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """The bytes of a PNG file of a uint8 picture ``(1 or 3, H, W)``. Raises ``RuntimeError`` for other tensors."""
    return _encoded(input, "PNG", compress_level=compression_level)


def encode_jpeg(input: Tensor, quality: int = 75) -> Tensor:
    """The bytes of a JPEG file of a uint8 picture ``(1 or 3, H, W)``. Raises ``RuntimeError`` for other tensors."""
    if not 1 <= quality <= 100:
        raise ValueError("Image quality should be a positive number between 1 and 100")
    return _encoded(input, "JPEG", quality=quality)


def write_png(input: Tensor, filename: str, compression_level: int = 6) -> None:
    """Write a uint8 picture ``(1 or 3, H, W)`` as a PNG file."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Tensor, filename: str, quality: int = 75) -> None:
    """Write a uint8 picture ``(1 or 3, H, W)`` as a JPEG file."""
    write_file(filename, encode_jpeg(input, quality))
