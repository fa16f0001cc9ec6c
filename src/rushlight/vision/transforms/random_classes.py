"""Transforms that draw from the default generator, in torchvision's order of draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ... import nn
from ...ops.creation import empty
from ...ops.random import rand, randint, randperm
from . import functional as F
from .classes import pair
from .interpolation import InterpolationMode


def _uniform(low: float, high: float) -> float:
    return float(empty(1).uniform_(low, high).item())


def _below(limit: int) -> int:
    return int(randint(0, limit, (1,)).item())


class _Chance(nn.Module):
    """Does something with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def extra_repr(self) -> str:
        return f"p={self.p}"


class RandomHorizontalFlip(_Chance):
    """Left and right exchanged with probability ``p``.

    Example:
        >>> import rushlight as torch
        >>> RandomHorizontalFlip(1.0)(torch.tensor([[[1, 2]]]))
        tensor([[[2, 1]]])
    """

    def forward(self, img: Any) -> Any:
        """The picture, or its mirror image."""
        return F.hflip(img) if float(rand(1)) < self.p else img


class RandomVerticalFlip(_Chance):
    """Upside down with probability ``p``."""

    def forward(self, img: Any) -> Any:
        """The picture, or it upside down."""
        return F.vflip(img) if float(rand(1)) < self.p else img


class RandomGrayscale(_Chance):
    """Gray, in as many channels, with probability ``p``."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def forward(self, img: Any) -> Any:
        """The picture, or it in gray."""
        channels = F.get_dimensions(img)[0]
        return F.rgb_to_grayscale(img, channels) if float(rand(1)) < self.p else img


class RandomInvert(_Chance):
    """The negative with probability ``p``."""

    def forward(self, img: Any) -> Any:
        """The picture, or its negative."""
        return F.invert(img) if float(rand(1)) < self.p else img


def _name_of(interpolation: Any) -> Any:
    return getattr(interpolation, "value", interpolation)


class RandomApply(nn.Module):
    """All of some transforms with probability ``p``, else none."""

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: float = 0.5) -> None:
        super().__init__()
        self.transforms, self.p = transforms, p

    def forward(self, img: Any) -> Any:
        """The picture, transformed or not."""
        if self.p < float(rand(1)):
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return "\n".join(
            ["RandomApply(", f"    p={self.p}", *[f"    {each}" for each in self.transforms], ")"]
        )


class RandomChoice(nn.Module):
    """One of some transforms, chosen by Python's ``random`` as in torchvision; ``p`` are weights."""

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: Sequence[float] | None = None) -> None:
        super().__init__()
        self.transforms, self.p = transforms, p

    def forward(self, img: Any) -> Any:
        """The transformed picture."""
        import random

        return random.choices(self.transforms, weights=self.p)[0](img)

    def __repr__(self) -> str:
        return "\n".join(["RandomChoice(", *[f"    {each}" for each in self.transforms], f")(p={self.p})"])


class RandomCrop(nn.Module):
    """A part of (height, width) ``size`` at a random place, after ``padding``.

    ``pad_if_needed`` pads smaller pictures; without it they raise ``ValueError``.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = pair(size)
        self.padding, self.pad_if_needed = padding, pad_if_needed
        self.fill, self.padding_mode = fill, padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Draw (top, left, height, width)."""
        _, height, width = F.get_dimensions(img)
        wanted_height, wanted_width = output_size
        if height < wanted_height or width < wanted_width:
            raise ValueError(
                f"Required crop size {(wanted_height, wanted_width)} is larger than input image size {(height, width)}"
            )
        if (width, height) == (wanted_width, wanted_height):
            return 0, 0, height, width
        top = _below(height - wanted_height + 1)
        return top, _below(width - wanted_width + 1), wanted_height, wanted_width

    def forward(self, img: Any) -> Any:
        """The part."""
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, height, width = F.get_dimensions(img)
        if self.pad_if_needed and width < self.size[1]:
            img = F.pad(img, [self.size[1] - width, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and height < self.size[0]:
            img = F.pad(img, [0, self.size[0] - height], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def extra_repr(self) -> str:
        return f"size={self.size}, padding={self.padding}"


class RandomResizedCrop(nn.Module):
    """A part of random area (``scale`` of the whole) and shape (``ratio`` of width to height), resized to ``size``."""

    def __init__(
        self,
        size: int | Sequence[int],
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = pair(size)
        self.scale, self.ratio = scale, ratio
        self.interpolation, self.antialias = interpolation, antialias

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """Draw (top, left, height, width); the middle where ten draws do not fit."""
        _, height, width = F.get_dimensions(img)
        low, high = math.log(ratio[0]), math.log(ratio[1])
        for _ in range(10):
            area = height * width * _uniform(scale[0], scale[1])
            aspect = math.exp(_uniform(low, high))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                top = _below(height - h + 1)
                return top, _below(width - w + 1), h, w
        w, h = width, height
        if width / height < min(ratio):
            h = round(w / min(ratio))
        elif width / height > max(ratio):
            w = round(h * max(ratio))
        return (height - h) // 2, (width - w) // 2, h, w

    def forward(self, img: Any) -> Any:
        """The resized part."""
        place = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *place, self.size, self.interpolation, self.antialias)

    def extra_repr(self) -> str:
        scale, ratio = (tuple([round(bound, 4) for bound in bounds]) for bounds in (self.scale, self.ratio))
        return (
            f"size={self.size}, scale={scale}, ratio={ratio}, interpolation={_name_of(self.interpolation)}, "
            f"antialias={self.antialias}"
        )


class RandomRotation(nn.Module):
    """Turned by an angle from ``degrees``: (low, high), or one number for both directions.

    Raises ``ValueError`` for one negative number.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: Any = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        if isinstance(degrees, int | float):
            if degrees < 0:
                raise ValueError("If degrees is a single number, it must be positive.")
            degrees = (-degrees, degrees)
        self.degrees = [float(d) for d in degrees]
        self.interpolation, self.expand, self.center, self.fill = interpolation, expand, center, fill

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """Draw an angle."""
        return _uniform(float(degrees[0]), float(degrees[1]))

    def forward(self, img: Any) -> Any:
        """The turned picture."""
        fill = self.fill
        if isinstance(fill, int | float) and F.is_picture(img) is False:
            fill = [float(fill)] * F.get_dimensions(img)[0]
        return F.rotate(
            img, self.get_params(self.degrees), self.interpolation, self.expand, self.center, fill
        )

    def extra_repr(self) -> str:
        shown = f"degrees={self.degrees}, interpolation={_name_of(self.interpolation)}, expand={self.expand}"
        if self.center is not None:
            shown += f", center={self.center}"
        return shown + (f", fill={self.fill}" if self.fill is not None else "")


def _range(name: str, value: Any, center: float = 1.0, low: float = 0.0, high: float = math.inf) -> Any:
    if isinstance(value, int | float):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be non negative.")
        value = [
            max(center - value, low) if name != "hue" else -value,
            center + value if name != "hue" else value,
        ]
    elif len(value) != 2:
        raise TypeError(f"{name} should be a single number or a list/tuple with length 2.")
    if not low <= value[0] <= value[1] <= high:
        raise ValueError(f"{name} values should be between ({low}, {high}), but got {list(value)}.")
    return None if value[0] == value[1] == center else (float(value[0]), float(value[1]))


class ColorJitter(nn.Module):
    """Brightness, contrast, saturation and hue changed at random, in random order.

    One number means a factor from max(0, 1 - it) to 1 + it (hue: ± it), a pair the range itself. Raises ``ValueError``
    outside of what the functions take.
    """

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0) -> None:
        super().__init__()
        self.brightness = _range("brightness", brightness)
        self.contrast = _range("contrast", contrast)
        self.saturation = _range("saturation", saturation)
        self.hue = _range("hue", hue, 0.0, -0.5, 0.5)

    @staticmethod
    def get_params(brightness: Any, contrast: Any, saturation: Any, hue: Any) -> tuple[Any, ...]:
        """Draw the order and the factors (None where the range is)."""
        order = randperm(4)
        return (
            order,
            *(None if each is None else _uniform(*each) for each in (brightness, contrast, saturation, hue)),
        )

    def forward(self, img: Any) -> Any:
        """The changed picture."""
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        changes = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for number in order.tolist():
            if factors[number] is not None:
                img = changes[number](img, factors[number])
        return img

    def extra_repr(self) -> str:
        return f"brightness={self.brightness}, contrast={self.contrast}, saturation={self.saturation}, hue={self.hue}"


class GaussianBlur(nn.Module):
    """Blurred by a Gaussian whose deviation is drawn from ``sigma``."""

    def __init__(
        self, kernel_size: int | Sequence[int], sigma: float | tuple[float, float] = (0.1, 2.0)
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.sigma = (sigma, sigma) if isinstance(sigma, int | float) else sigma

    def forward(self, img: Any) -> Any:
        """The blurred picture."""
        deviation = _uniform(*self.sigma)
        return F.gaussian_blur(img, self.kernel_size, [deviation, deviation])

    def extra_repr(self) -> str:
        return f"kernel_size={pair(self.kernel_size)}, sigma={self.sigma}"


class RandomErasing(nn.Module):
    """A random rectangle of a tensor set to ``value`` with probability ``p`` ("random": to normal noise).

    Zhong et al., "Random erasing data augmentation", 2017.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError("Random erasing probability should be between 0 and 1")
        self.p, self.scale, self.ratio, self.value, self.inplace = p, scale, ratio, value, inplace

    def forward(self, img: Any) -> Any:
        """The tensor, with or without the rectangle."""
        if not float(rand(1)) < self.p:
            return img
        channels, height, width = F.get_dimensions(img)
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for _ in range(10):
            area = height * width * _uniform(self.scale[0], self.scale[1])
            aspect = math.exp(_uniform(low, high))
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if not (h < height and w < width):
                continue
            if self.value == "random":
                value = empty((channels, h, w)).normal_()
            else:
                numbers = [self.value] if isinstance(self.value, int | float) else list(self.value)
                value = img.new_tensor([float(n) for n in numbers]).reshape(-1, 1, 1)
            top = _below(height - h + 1)
            return F.erase(img, top, _below(width - w + 1), h, w, value, self.inplace)
        return img

    def extra_repr(self) -> str:
        return ", ".join(
            [f"{name}={getattr(self, name)}" for name in ("p", "scale", "ratio", "value", "inplace")]
        )
