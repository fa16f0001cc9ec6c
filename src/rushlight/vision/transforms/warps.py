"""Pictures moved, scaled, sheared and seen from the side, and parts of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import nn
from ...core.tensor import Tensor
from ...ops.random import rand, randint
from . import functional as F
from .interpolation import InterpolationMode, mode_of
from .random_classes import _uniform


def _filling(img: Any, fill: Any) -> Any:
    """``fill`` as Pillow wants it."""
    bands = len(img.getbands())
    value = 0 if fill is None else fill
    if isinstance(value, int | float):
        return (int(value),) * bands if bands > 1 else value
    values = tuple(int(each) for each in value)
    return values if len(values) == bands or (bands > 1 and len(values) > 1) else values * bands


def _inverse(center: Any, angle: float, move: Any, scale: float, shear: Any) -> list[float]:
    """Where a place of the result comes from, as six numbers: turned, sheared, scaled about ``center``, then moved."""
    turn, across, down = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    a = math.cos(turn - down) / math.cos(down)
    b = -math.cos(turn - down) * math.tan(across) / math.cos(down) - math.sin(turn)
    c = math.sin(turn - down) / math.cos(down)
    d = -math.sin(turn - down) * math.tan(across) / math.cos(down) + math.cos(turn)
    rows = [value / scale for value in (d, -b, 0.0, -c, a, 0.0)]
    x, y = -center[0] - move[0], -center[1] - move[1]
    rows[2] = rows[0] * x + rows[1] * y + center[0]
    rows[5] = rows[3] * x + rows[4] * y + center[1]
    return rows


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: Any = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    """The picture turned by ``angle`` degrees with the clock, scaled, sheared by degrees (x, y), and moved by pixels (x, y).

    ``center`` (x, y) stays where it is but for the move: the middle unless given. Raises ``ValueError`` for a scale of
    zero or less, or other numbers of values.
    """
    tensor = F._need("affine", img)
    mode = mode_of(interpolation)
    if len(translate) != 2:
        raise ValueError("translate should be a sequence of length 2")
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    shears = [float(shear), 0.0] if isinstance(shear, int | float) else [float(each) for each in shear]
    shears = [shears[0], shears[0]] if len(shears) == 1 else shears
    if len(shears) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    _, height, width = F.get_dimensions(img)
    if not tensor:
        middle = [width * 0.5, height * 0.5] if center is None else list(center)
        rows = _inverse(middle, angle, translate, scale, shears)
        kind = _transform_kinds().AFFINE
        return img.transform((width, height), kind, rows, mode.pillow, fillcolor=_filling(img, fill))
    middle = [0.0, 0.0] if center is None else [center[0] - width * 0.5, center[1] - height * 0.5]
    rows = _inverse(middle, angle, [float(each) for each in translate], scale, shears)
    places = F._places(np.reshape(rows, (2, 3)), (height, width), (height, width))
    return F._sampled(img, places, mode, fill)


def _transform_kinds() -> Any:
    from PIL import Image

    return Image.Transform


def perspective(
    img: Any,
    startpoints: Sequence[Sequence[float]],
    endpoints: Sequence[Sequence[float]],
    interpolation: Any = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """The picture whose corners (x, y) go from ``startpoints`` to ``endpoints``; four each."""
    tensor = F._need("perspective", img)
    mode = mode_of(interpolation)
    rows = []
    for (x, y), (u, v) in zip(endpoints, startpoints, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    goal = np.asarray(startpoints, np.float64).reshape(8)
    found = np.linalg.lstsq(np.asarray(rows, np.float64), goal, rcond=None)[0].astype(np.float32)
    c = [float(value) for value in found]
    _, height, width = F.get_dimensions(img)
    if not tensor:
        kind = _transform_kinds().PERSPECTIVE
        return img.transform((width, height), kind, c, mode.pillow, fillcolor=_filling(img, fill))
    y, x = np.mgrid[0:height, 0:width].astype(np.float64) + 0.5
    below = c[6] * x + c[7] * y + 1.0
    source_x = (c[0] * x + c[1] * y + c[2]) / (0.5 * width) / below - 1.0
    source_y = (c[3] * x + c[4] * y + c[5]) / (0.5 * height) / below - 1.0
    return F._sampled(img, np.stack([source_x, source_y], -1), mode, fill)


def five_crop(img: Any, size: Any) -> tuple[Any, ...]:
    """The corners (top left, top right, bottom left, bottom right) and the middle, each (height, width) ``size``.

    Raises ``ValueError`` where the picture is smaller.
    """
    high, wide = (size, size) if isinstance(size, int) else (tuple(size) * 2)[:2]
    _, height, width = F.get_dimensions(img)
    if wide > width or high > height:
        raise ValueError(f"Requested crop size {(high, wide)} is bigger than input size {(height, width)}")
    places = ((0, 0), (0, width - wide), (height - high, 0), (height - high, width - wide))
    corners = [F.crop(img, top, left, high, wide) for top, left in places]
    return (*corners, F.center_crop(img, [high, wide]))


def ten_crop(img: Any, size: Any, vertical_flip: bool = False) -> tuple[Any, ...]:
    """:func:`five_crop` of the picture and of its mirror image (upside down with ``vertical_flip``)."""
    turned = F.vflip(img) if vertical_flip else F.hflip(img)
    return five_crop(img, size) + five_crop(turned, size)


class FiveCrop(nn.Module):
    """``five_crop`` as a transform."""

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = (size, size) if isinstance(size, int) else tuple(size)

    def forward(self, img: Any) -> tuple[Any, ...]:
        """The five parts."""
        return five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class TenCrop(nn.Module):
    """``ten_crop`` as a transform."""

    def __init__(self, size: Any, vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.vertical_flip = vertical_flip

    def forward(self, img: Any) -> tuple[Any, ...]:
        """The ten parts."""
        return ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"


def _angles(value: Any, name: str, lengths: tuple[int, ...]) -> list[float]:
    if isinstance(value, int | float):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be positive.")
        return [-float(value), float(value)]
    if len(value) not in lengths:
        raise ValueError(f"{name} should be a sequence of length {' or '.join(map(str, lengths))}.")
    return [float(each) for each in value]


def _colors(img: Any, fill: Any) -> Any:
    """``fill`` for each channel of a tensor; as it is for Pillow."""
    if not isinstance(img, Tensor):
        return fill
    if isinstance(fill, int | float):
        return [float(fill)] * F.get_dimensions(img)[0]
    return [float(each) for each in fill]


class RandomAffine(nn.Module):
    """``affine`` with random numbers.

    Args:
        degrees: angles from (low, high), or a number for both directions.
        translate: shares of the width and height by which the picture is moved at most.
        scale: (low, high).
        shear: degrees: a number, (low, high) along x, or four numbers.

    Raises ``ValueError`` for shares outside of [0, 1], scales of zero or less, negative single numbers.
    """

    def __init__(
        self,
        degrees: Any,
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: Any = None,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.degrees = _angles(degrees, "degrees", (2,))
        if translate is not None and not all(0.0 <= share <= 1.0 for share in translate):
            raise ValueError("translation values should be between 0 and 1")
        if scale is not None and not all(each > 0 for each in scale):
            raise ValueError("scale values should be positive")
        self.translate, self.scale = translate, scale
        self.shear = None if shear is None else _angles(shear, "shear", (2, 4))
        self.interpolation, self.fill, self.center = interpolation, 0 if fill is None else fill, center

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Draw an angle, a move, a scale and shears for a picture of (width, height) ``img_size``."""
        angle = _uniform(float(degrees[0]), float(degrees[1]))
        move = (0, 0)
        if translate is not None:
            x, y = (float(share * extent) for share, extent in zip(translate, img_size, strict=True))
            move = (round(_uniform(-x, x)), round(_uniform(-y, y)))
        scale = 1.0 if scale_ranges is None else _uniform(scale_ranges[0], scale_ranges[1])
        across = down = 0.0
        if shears is not None:
            across = _uniform(shears[0], shears[1])
            if len(shears) == 4:
                down = _uniform(shears[2], shears[3])
        return angle, move, scale, (across, down)

    def forward(self, img: Any) -> Any:
        """The picture, changed."""
        _, height, width = F.get_dimensions(img)
        drawn = self.get_params(self.degrees, self.translate, self.scale, self.shear, [width, height])
        return affine(
            img, *drawn, interpolation=self.interpolation, fill=_colors(img, self.fill), center=self.center
        )

    def extra_repr(self) -> str:
        shown = [f"degrees={self.degrees}"]
        shown += [
            f"{name}={getattr(self, name)}"
            for name in ("translate", "scale", "shear")
            if getattr(self, name) is not None
        ]
        if self.interpolation is not InterpolationMode.NEAREST:
            shown.append(f"interpolation={self.interpolation.value}")
        shown += [f"fill={self.fill}"] if self.fill != 0 else []
        return ", ".join(shown + ([f"center={self.center}"] if self.center is not None else []))


class RandomPerspective(nn.Module):
    """With probability ``p``, the picture with its corners moved inwards by up to ``distortion_scale`` of half its size."""

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.p, self.interpolation, self.distortion_scale = p, interpolation, distortion_scale
        self.fill = 0 if fill is None else fill

    @staticmethod
    def get_params(
        width: int, height: int, distortion_scale: float
    ) -> tuple[list[list[int]], list[list[int]]]:
        """Draw where the corners go: four (x, y) and four more."""
        across, down = int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))

        def corner(right: bool, bottom: bool) -> list[int]:
            x = (width - across - 1, width) if right else (0, across + 1)
            y = (height - down - 1, height) if bottom else (0, down + 1)
            return [int(randint(*x, (1,)).item()), int(randint(*y, (1,)).item())]

        start = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        return start, [corner(False, False), corner(True, False), corner(True, True), corner(False, True)]

    def forward(self, img: Any) -> Any:
        """The picture, changed or not."""
        _, height, width = F.get_dimensions(img)
        if not float(rand(1)) < self.p:
            return img
        start, end = self.get_params(width, height, self.distortion_scale)
        return perspective(img, start, end, self.interpolation, _colors(img, self.fill))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomOrder(nn.Module):
    """All of some transforms, in an order that Python's ``random`` draws, as in torchvision."""

    def __init__(self, transforms: Sequence[Any]) -> None:
        super().__init__()
        self.transforms = transforms

    def forward(self, img: Any) -> Any:
        """The picture after all of them."""
        import random

        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for number in order:
            img = self.transforms[number](img)
        return img


class LinearTransformation(nn.Module):
    """``(tensor.flatten() − mean) · matrix``, for whitening. Raises ``ValueError`` where the sizes do not fit."""

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        rows, columns = transformation_matrix.shape
        if rows != columns:
            raise ValueError(
                f"transformation_matrix should be square. Got {rows} x {columns} rectangular matrix."
            )
        if mean_vector.shape[0] != rows:
            raise ValueError(
                f"mean_vector should have the same length {mean_vector.shape[0]} as any one of the dimensions of the "
                f"transformation_matrix [{rows} x {columns}]"
            )
        self.transformation_matrix, self.mean_vector = transformation_matrix, mean_vector

    def forward(self, tensor: Tensor) -> Tensor:
        """A tensor of the same shape."""
        size = int(np.prod(tensor.shape[-3:]))
        if size != self.transformation_matrix.shape[0]:
            raise ValueError(
                f"Input tensor and transformation matrix have incompatible shape: {size} numbers for "
                f"{self.transformation_matrix.shape[0]} rows"
            )
        flat = tensor.reshape(-1, size) - self.mean_vector
        return (flat @ self.transformation_matrix).reshape(tensor.shape)  # type: ignore[no-any-return]
