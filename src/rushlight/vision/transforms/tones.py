"""The tones of pictures: posterized, solarized, sharpened, stretched and equalized."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import nn
from ...core import dtypes
from ...core.tensor import Tensor, make_tensor
from ...ops.random import rand
from . import functional as F
from .random_classes import _Chance


def _ops(name: str, img: Any, *args: Any) -> Any:
    from PIL import ImageOps

    return getattr(ImageOps, name)(img, *args)


def _bytes_alone(name: str, img: Tensor) -> None:
    if img.dtype is not dtypes.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {img.dtype} ({name})")


def posterize(img: Any, bits: int) -> Any:
    """The picture with ``bits`` bits for each number. Raises ``TypeError`` for tensors other than uint8."""
    if not F._need("posterize", img):
        return _ops("posterize", img, bits)
    _bytes_alone("posterize", img)
    return make_tensor(img.numpy() & np.uint8(256 - 2 ** (8 - bits)))


def solarize(img: Any, threshold: float) -> Any:
    """The picture with the numbers from ``threshold`` on negated. Raises ``TypeError`` for a threshold that is too great."""
    if not F._need("solarize", img):
        return _ops("solarize", img, threshold)
    bound = 1 if img.dtype.is_floating_point else 255
    if threshold > bound:
        raise TypeError("Threshold should be less than bound of img.")
    return F.invert(img) * (img >= threshold) + img * (img < threshold)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """The picture blurred (0), as it is (1), or sharpened (2). Raises ``ValueError`` for a negative factor."""
    if not F._need("adjust_sharpness", img):
        return F._enhanced("Sharpness", img, sharpness_factor)
    F._check_factor("sharpness_factor", sharpness_factor)
    if img.shape[-1] <= 2 or img.shape[-2] <= 2:
        return img
    weights = np.ones((3, 3))
    weights[1, 1] = 5.0

    def smooth(batch: Tensor) -> Tensor:
        kernel = batch.new_tensor((weights / weights.sum())[None, None].repeat(batch.shape[1], 0))
        result: Tensor = batch.clone()
        result[..., 1:-1, 1:-1] = nn.functional.conv2d(batch, kernel, groups=batch.shape[1])
        return result

    return F._blended(img, F._as_batch(img, smooth), sharpness_factor)


def autocontrast(img: Any) -> Any:
    """Each channel stretched from its least and greatest number to the whole range."""
    if not F._need("autocontrast", img):
        return _ops("autocontrast", img)
    bound = 1.0 if img.dtype.is_floating_point else 255.0
    values = img if img.dtype.is_floating_point else img.to(dtypes.float32)
    low, high = values.amin((-2, -1), keepdim=True), values.amax((-2, -1), keepdim=True)
    flat = high == low
    # A channel of one number stays as it is.
    low = low.masked_fill(flat, 0.0)
    scale = bound / (high - low).masked_fill(flat, bound)
    return ((values - low) * scale).clamp(0, bound).to(img.dtype)


def equalize(img: Any) -> Any:
    """The picture with each tone about as often as any other. Raises ``TypeError`` for tensors other than uint8."""
    if not F._need("equalize", img):
        return _ops("equalize", img)
    _bytes_alone("equalize", img)
    array = img.numpy()
    planes = array.reshape(-1, *array.shape[-2:])
    return make_tensor(np.stack([_equalized(plane) for plane in planes]).reshape(array.shape))


def _equalized(plane: Any) -> Any:
    counts = np.bincount(plane.ravel(), minlength=256)
    present = counts[counts != 0]
    step = int(present[:-1].sum()) // 255
    if step == 0:
        return plane
    table = (np.cumsum(counts) + step // 2) // step
    return np.concatenate([[0], table[:-1]]).clip(0, 255).astype(np.uint8)[plane]


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """The picture with each share of the greatest number raised to ``gamma`` and multiplied by ``gain``.

    Raises ``ValueError`` for a negative gamma.
    """
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    if not F._need("adjust_gamma", img):
        mode = img.mode
        table = [int((255 + 1 - 1e-3) * gain * pow(tone / 255.0, gamma)) for tone in range(256)] * 3
        return img.convert("RGB").point(table).convert(mode)
    shares = img if img.dtype.is_floating_point else F.convert_image_dtype(img, dtypes.float32)
    return F.convert_image_dtype((gain * shares**gamma).clamp(0, 1), img.dtype)


class RandomPosterize(_Chance):
    """``posterize`` with probability ``p``."""

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def forward(self, img: Any) -> Any:
        """The picture, changed or not."""
        return posterize(img, self.bits) if float(rand(1)) < self.p else img

    def extra_repr(self) -> str:
        return f"bits={self.bits},p={self.p}"


class RandomSolarize(_Chance):
    """``solarize`` with probability ``p``."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def forward(self, img: Any) -> Any:
        """The picture, changed or not."""
        return solarize(img, self.threshold) if float(rand(1)) < self.p else img

    def extra_repr(self) -> str:
        return f"threshold={self.threshold},p={self.p}"


class RandomAdjustSharpness(_Chance):
    """``adjust_sharpness`` with probability ``p``."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def forward(self, img: Any) -> Any:
        """The picture, changed or not."""
        return adjust_sharpness(img, self.sharpness_factor) if float(rand(1)) < self.p else img

    def extra_repr(self) -> str:
        return f"sharpness_factor={self.sharpness_factor},p={self.p}"


class RandomAutocontrast(_Chance):
    """``autocontrast`` with probability ``p``."""

    def forward(self, img: Any) -> Any:
        """The picture, changed or not."""
        return autocontrast(img) if float(rand(1)) < self.p else img


class RandomEqualize(_Chance):
    """``equalize`` with probability ``p``."""

    def forward(self, img: Any) -> Any:
        """The picture, changed or not."""
        return equalize(img) if float(rand(1)) < self.p else img
