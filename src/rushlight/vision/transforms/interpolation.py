"""How values between pixels are found."""

from __future__ import annotations

from enum import Enum
from typing import Any


class InterpolationMode(Enum):
    """The ways of interpolation; tensors know the first four."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"

    @property
    def pillow(self) -> int:
        """Pillow's number for it."""
        return _PILLOW[self.value]


_PILLOW = {
    "nearest": 0,
    "nearest-exact": 0,
    "lanczos": 1,
    "bilinear": 2,
    "bicubic": 3,
    "box": 4,
    "hamming": 5,
}


def mode_of(interpolation: Any) -> InterpolationMode:
    """An ``InterpolationMode``, also from Pillow's number. Raises ``TypeError`` for anything else."""
    if isinstance(interpolation, InterpolationMode):
        return interpolation
    if isinstance(interpolation, int):
        for mode in InterpolationMode:
            if mode.pillow == int(interpolation) and mode is not InterpolationMode.NEAREST_EXACT:
                return mode
    raise TypeError(
        f"interpolation: got {interpolation!r}; allowed are InterpolationMode and Pillow's numbers 0 to 5"
    )
