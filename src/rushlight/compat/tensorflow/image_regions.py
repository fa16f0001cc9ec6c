"""``tf.image``: boxes drawn on images, images fitted into frames, and other color spaces."""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl

from .conversion import constant_value, convert_to_tensor
from .graph import Operand, Tensor, node
from .ops_math import tensordot

_YIQ = [
    [0.299, 0.59590059, 0.2115],
    [0.587, -0.27455667, -0.52273617],
    [0.114, -0.32134392, 0.31119955],
]
_YUV = [
    [0.299, -0.14714119, 0.61497538],
    [0.587, -0.28886916, -0.51496512],
    [0.114, 0.43601035, -0.10001026],
]


def _mixed(images: Any, matrix: Any) -> Tensor:
    x = convert_to_tensor(images)
    rows = convert_to_tensor(np.asarray(matrix), x.dtype)
    found: Tensor = tensordot(x, rows, 1)
    found.set_shape(x.shape)
    return found


def rgb_to_yiq(images: Any) -> Tensor:
    """Red, green and blue as luma and the two chrominances of NTSC."""
    return _mixed(images, _YIQ)


def yiq_to_rgb(images: Any) -> Tensor:
    """The inverse of :func:`rgb_to_yiq`."""
    return _mixed(
        images, [[1, 1, 1], [0.95598634, -0.27201283, -1.10674021], [0.6208248, -0.64720424, 1.70423049]]
    )


def rgb_to_yuv(images: Any) -> Tensor:
    """Red, green and blue as luma and the two chrominances of PAL."""
    return _mixed(images, _YUV)


def yuv_to_rgb(images: Any) -> Tensor:
    """The inverse of :func:`rgb_to_yuv`."""
    return _mixed(images, [[1, 1, 1], [0, -0.394642334, 2.03206185], [1.13988303, -0.58062185, 0]])


def draw_bounding_boxes(images: Any, boxes: Any, name: str | None = None, colors: Any = None) -> Tensor:
    """Images (batch, height, width, channels) with frames around ``boxes`` (batch, number, 4) of shares ``y1, x1, y2, x2``.

    ``colors`` (number, channels) are used in turn; without them, yellow, blue, red, green, … are.
    """
    x, frames = convert_to_tensor(images), convert_to_tensor(boxes)
    palette = constant_value(colors) if isinstance(colors, Operand) else colors
    usual = [[1, 1, 0, 1], [0, 0, 1, 1], [1, 0, 0, 1], [0, 1, 0, 1], [0.5, 0, 0.5, 1], [0.5, 0.5, 0, 1]]
    usual += [[0.5, 0, 0, 1], [0, 0, 0.5, 1], [0, 1, 1, 1], [1, 0, 1, 1]]
    tints = np.asarray(usual if palette is None else palette, np.float32)

    def kernel(value: Any, corners: Any) -> Any:
        array, box = value.detach().numpy().copy(), corners.detach().numpy()
        height, width, channels = array.shape[1:]
        for picture, rows in zip(array, box, strict=True):
            for i, (top, left, bottom, right) in enumerate(rows):
                tint = tints[i % len(tints)][:channels]
                y1, y2 = int(top * (height - 1)), int(bottom * (height - 1))
                x1, x2 = int(left * (width - 1)), int(right * (width - 1))
                if y1 > y2 or x1 > x2 or y1 >= height or y2 < 0 or x1 >= width or x2 < 0:
                    continue
                across = slice(max(x1, 0), min(x2, width - 1) + 1)
                down = slice(max(y1, 0), min(y2, height - 1) + 1)
                for y in (y1, y2):
                    if 0 <= y < height:
                        picture[y, across] = tint
                for column in (x1, x2):
                    if 0 <= column < width:
                        picture[down, column] = tint
        return rl.from_numpy(array)

    return node("DrawBoundingBoxesV2", kernel, [x, frames], x.dtype, x.shape, name)


def resize_image_with_pad(
    image: Any, target_height: int, target_width: int, method: int = 0, align_corners: bool = False
) -> Tensor:
    """``image`` as large as it fits into the wanted size, in the middle of zeros."""
    from .image import pad_to_bounding_box, resize_images

    x = convert_to_tensor(image)
    height, width = (x.shape[axis].value for axis in ((0, 1) if x.shape.ndims == 3 else (1, 2)))
    if height is None or width is None:
        raise ValueError("resize_image_with_pad: the size of the image must be known when the graph is built")
    ratio = max(width / target_width, height / target_height)
    new_height, new_width = int(height / ratio), int(width / ratio)
    resized = resize_images(x, [new_height, new_width], method, align_corners)
    top, left = max((target_height - new_height) // 2, 0), max((target_width - new_width) // 2, 0)
    found: Tensor = pad_to_bounding_box(resized, top, left, target_height, target_width)
    return found
