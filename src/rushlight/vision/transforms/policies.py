"""Chains of changes that were found to help: AutoAugment, RandAugment and TrivialAugment."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

from ... import nn
from ...core.tensor import Tensor
from ...ops.creation import arange, linspace, tensor
from ...ops.random import rand, randint
from . import functional as F
from .interpolation import InterpolationMode
from .tones import adjust_sharpness, autocontrast, equalize, posterize, solarize
from .warps import _colors, affine

# Two changes in turn, each with its probability and how strong it is (of ten degrees). Cubuk et al., 2018.
_POLICIES = {
    "imagenet": (
        "Posterize,0.4,8 Rotate,0.6,9; Solarize,0.6,5 AutoContrast,0.6,; Equalize,0.8, Equalize,0.6,; "
        "Posterize,0.6,7 Posterize,0.6,6; Equalize,0.4, Solarize,0.2,4; Equalize,0.4, Rotate,0.8,8; Solarize,0.6,3 "
        "Equalize,0.6,; Posterize,0.8,5 Equalize,1.0,; Rotate,0.2,3 Solarize,0.6,8; Equalize,0.6, Posterize,0.4,6; "
        "Rotate,0.8,8 Color,0.4,0; Rotate,0.4,9 Equalize,0.6,; Equalize,0.0, Equalize,0.8,; Invert,0.6, "
        "Equalize,1.0,; Color,0.6,4 Contrast,1.0,8; Rotate,0.8,8 Color,1.0,2; Color,0.8,8 Solarize,0.8,7; "
        "Sharpness,0.4,7 Invert,0.6,; ShearX,0.6,5 Equalize,1.0,; Color,0.4,0 Equalize,0.6,; Equalize,0.4, "
        "Solarize,0.2,4; Solarize,0.6,5 AutoContrast,0.6,; Invert,0.6, Equalize,1.0,; Color,0.6,4 Contrast,1.0,8; "
        "Equalize,0.8, Equalize,0.6,"
    ),
    "cifar10": (
        "Invert,0.1, Contrast,0.2,6; Rotate,0.7,2 TranslateX,0.3,9; Sharpness,0.8,1 Sharpness,0.9,3; ShearY,0.5,8 "
        "TranslateY,0.7,9; AutoContrast,0.5, Equalize,0.9,; ShearY,0.2,7 Posterize,0.3,7; Color,0.4,3 "
        "Brightness,0.6,7; Sharpness,0.3,9 Brightness,0.7,9; Equalize,0.6, Equalize,0.5,; Contrast,0.6,7 "
        "Sharpness,0.6,5; Color,0.7,7 TranslateX,0.5,8; Equalize,0.3, AutoContrast,0.4,; TranslateY,0.4,3 "
        "Sharpness,0.2,6; Brightness,0.9,6 Color,0.2,8; Solarize,0.5,2 Invert,0.0,; Equalize,0.2, "
        "AutoContrast,0.6,; Equalize,0.2, Equalize,0.6,; Color,0.9,9 Equalize,0.6,; AutoContrast,0.8, "
        "Solarize,0.2,8; Brightness,0.1,3 Color,0.7,0; Solarize,0.4,5 AutoContrast,0.9,; TranslateY,0.9,9 "
        "TranslateY,0.7,9; AutoContrast,0.9, Solarize,0.8,3; Equalize,0.8, Invert,0.1,; TranslateY,0.7,9 "
        "AutoContrast,0.9,"
    ),
    "svhn": (
        "ShearX,0.9,4 Invert,0.2,; ShearY,0.9,8 Invert,0.7,; Equalize,0.6, Solarize,0.6,6; Invert,0.9, "
        "Equalize,0.6,; Equalize,0.6, Rotate,0.9,3; ShearX,0.9,4 AutoContrast,0.8,; ShearY,0.9,8 Invert,0.4,; "
        "ShearY,0.9,5 Solarize,0.2,6; Invert,0.9, AutoContrast,0.8,; Equalize,0.6, Rotate,0.9,3; ShearX,0.9,4 "
        "Solarize,0.3,3; ShearY,0.8,8 Invert,0.7,; Equalize,0.9, TranslateY,0.6,6; Invert,0.9, Equalize,0.6,; "
        "Contrast,0.3,3 Rotate,0.8,4; Invert,0.8, TranslateY,0.0,2; ShearY,0.7,6 Solarize,0.4,8; Invert,0.6, "
        "Rotate,0.8,4; ShearY,0.3,7 TranslateX,0.9,3; ShearX,0.1,6 Invert,0.6,; Solarize,0.7,2 TranslateY,0.6,7; "
        "ShearY,0.8,4 Invert,0.8,; ShearX,0.7,9 TranslateY,0.8,3; ShearY,0.8,5 AutoContrast,0.7,; ShearX,0.7,2 "
        "Invert,0.1,"
    ),
}


class AutoAugmentPolicy(Enum):
    """The data sets for which chains were learned."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


def _applied(img: Any, name: str, by: float, interpolation: Any, fill: Any) -> Any:
    """One change. ``by`` says how strong."""
    options: dict[str, Any] = {"interpolation": interpolation, "fill": fill}
    if name in ("ShearX", "ShearY"):
        degrees = math.degrees(math.atan(by))
        shear = [degrees, 0.0] if name == "ShearX" else [0.0, degrees]
        return affine(img, 0.0, [0, 0], 1.0, shear, center=[0, 0], **options)
    if name in ("TranslateX", "TranslateY"):
        move = [int(by), 0] if name == "TranslateX" else [0, int(by)]
        return affine(img, 0.0, move, 1.0, [0.0, 0.0], **options)
    if name == "Rotate":
        return F.rotate(img, by, **options)
    factors = {
        "Brightness": F.adjust_brightness,
        "Color": F.adjust_saturation,
        "Contrast": F.adjust_contrast,
        "Sharpness": adjust_sharpness,
    }
    if name in factors:
        return factors[name](img, 1.0 + by)
    if name == "Posterize":
        return posterize(img, int(by))
    if name == "Solarize":
        return solarize(img, by)
    if name == "Identity":
        return img
    return {"AutoContrast": autocontrast, "Equalize": equalize, "Invert": F.invert}[name](img)


class _Policy(nn.Module):
    def __init__(self, interpolation: Any, fill: Any) -> None:
        super().__init__()
        self.interpolation, self.fill = interpolation, fill

    def _fill(self, img: Any) -> Any:
        return None if self.fill is None else _colors(img, self.fill)

    @staticmethod
    def _space(
        bins: int, shear: float, moves: tuple[float, float], turn: float, factor: float, steps: int
    ) -> dict[str, tuple[Tensor, bool]]:
        """The changes: how strong they may be, and whether in both directions."""
        nothing = tensor(0.0)
        space = {
            "ShearX": (linspace(0.0, shear, bins), True),
            "ShearY": (linspace(0.0, shear, bins), True),
            "TranslateX": (linspace(0.0, moves[0], bins), True),
            "TranslateY": (linspace(0.0, moves[1], bins), True),
            "Rotate": (linspace(0.0, turn, bins), True),
        }
        for name in ("Brightness", "Color", "Contrast", "Sharpness"):
            space[name] = (linspace(0.0, factor, bins), True)
        space["Posterize"] = (8 - (arange(bins) / ((bins - 1) / steps)).round().int(), False)
        space["Solarize"] = (linspace(255.0, 0.0, bins), False)
        return space | {"AutoContrast": (nothing, False), "Equalize": (nothing, False)}


def _one_of(count: int) -> int:
    return int(randint(count, (1,)).item())


class AutoAugment(_Policy):
    """One of 25 pairs of changes, learned for a data set. Cubuk et al., "AutoAugment", 2018."""

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if not isinstance(policy, AutoAugmentPolicy):
            raise ValueError(f"The provided policy {policy} is not recognized.")
        self.policy = policy
        self.policies = []
        for pair in _POLICIES[policy.value].split("; "):
            parts = [change.split(",") for change in pair.split()]
            self.policies.append(tuple((name, float(p), int(by) if by else None) for name, p, by in parts))

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Tensor, Tensor]:
        """Draw which pair, two probabilities and two directions."""
        return _one_of(transform_num), rand((2,)), randint(2, (2,))

    def forward(self, img: Any) -> Any:
        """The picture after the changes."""
        fill = self._fill(img)
        chosen, chances, signs = self.get_params(len(self.policies))
        _, height, width = F.get_dimensions(img)
        moves = (150.0 / 331.0 * width, 150.0 / 331.0 * height)
        space = self._space(10, 0.3, moves, 30.0, 0.9, 4) | {"Invert": (tensor(0.0), False)}
        for i, (name, p, degree) in enumerate(self.policies[chosen]):
            if float(chances[i]) <= p:
                amounts, signed = space[name]
                by = 0.0 if degree is None else float(amounts[degree].item())
                if signed and int(signs[i]) == 0:
                    by = -by
                img = _applied(img, name, by, self.interpolation, fill)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(policy={self.policy}, fill={self.fill})"


class RandAugment(_Policy):
    """``num_ops`` random changes, all of strength ``magnitude``. Cubuk et al., "RandAugment", 2019."""

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_ops, self.magnitude, self.num_magnitude_bins = num_ops, magnitude, num_magnitude_bins

    def forward(self, img: Any) -> Any:
        """The picture after the changes."""
        fill = self._fill(img)
        _, height, width = F.get_dimensions(img)
        moves = (150.0 / 331.0 * width, 150.0 / 331.0 * height)
        space = {"Identity": (tensor(0.0), False)} | self._space(
            self.num_magnitude_bins, 0.3, moves, 30.0, 0.9, 4
        )
        for _ in range(self.num_ops):
            name = list(space)[_one_of(len(space))]
            amounts, signed = space[name]
            by = float(amounts[self.magnitude].item()) if amounts.ndim > 0 else 0.0
            if signed and _one_of(2):
                by = -by
            img = _applied(img, name, by, self.interpolation, fill)
        return img

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={getattr(self, name)}"
            for name in ("num_ops", "magnitude", "num_magnitude_bins", "interpolation", "fill")
        )
        return f"{type(self).__name__}({shown})"


class TrivialAugmentWide(_Policy):
    """One random change of random strength. Müller & Hutter, "TrivialAugment", 2021."""

    def __init__(
        self, num_magnitude_bins: int = 31, interpolation: Any = InterpolationMode.NEAREST, fill: Any = None
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def forward(self, img: Any) -> Any:
        """The picture after the change."""
        fill = self._fill(img)
        bins = self.num_magnitude_bins
        space = {"Identity": (tensor(0.0), False)} | self._space(bins, 0.99, (32.0, 32.0), 135.0, 0.99, 6)
        name = list(space)[_one_of(len(space))]
        amounts, signed = space[name]
        by = float(amounts[_one_of(len(amounts))].item()) if amounts.ndim > 0 else 0.0
        if signed and _one_of(2):
            by = -by
        return _applied(img, name, by, self.interpolation, fill)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(num_magnitude_bins={self.num_magnitude_bins}, interpolation={self.interpolation}, "
            f"fill={self.fill})"
        )
