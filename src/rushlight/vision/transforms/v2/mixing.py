"""Batches mixed with themselves: ``MixUp`` and ``CutMix``; and noise."""

from __future__ import annotations

import math
from typing import Any

from .... import nn
from ....core.tensor import Tensor
from ....ops.random import randint


class _Mixing(nn.Module):
    """What is done to a batch ``(images, labels)``: labels become shares of classes."""

    def __init__(
        self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: Any = "default"
    ) -> None:
        super().__init__()
        from ....distributions import Beta

        self.alpha, self.num_classes = float(alpha), num_classes
        self._dist = Beta(alpha, alpha)

    def forward(self, images: Any, labels: Any = None) -> tuple[Tensor, Tensor]:
        """Images ``(N, C, H, W)`` and labels, ``(N,)`` of classes or ``(N, classes)`` of shares; also as one tuple.

        Raises ``ValueError`` where the shapes do not fit or the number of classes is not known.
        """
        if labels is None:
            images, labels = images
        if images.ndim != 4:
            raise ValueError(
                f"Expected a batched input with 4 dims, but got {images.ndim} dimensions instead."
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (1D)")
        if labels.ndim not in (1, 2) or len(labels) != len(images):
            raise ValueError(
                f"labels should be index based with shape (batch_size,) or probability based with shape (batch_size, "
                f"num_classes), but got a tensor of shape {tuple(labels.shape)} instead."
            )
        if labels.ndim == 1:
            labels = nn.functional.one_hot(labels, self.num_classes or -1)
        labels = labels if labels.is_floating_point() else labels.float()
        share = float(self._dist.sample(()))
        mixed, share = self._mixed(images, share)
        return mixed, labels.roll(1, 0) * (1.0 - share) + labels * share

    def _mixed(self, images: Tensor, share: float) -> tuple[Tensor, float]:
        raise NotImplementedError


class MixUp(_Mixing):
    """Each image with a random share of its neighbour in the batch. Zhang et al., "mixup", 2017."""

    def _mixed(self, images: Tensor, share: float) -> tuple[Tensor, float]:
        return images.roll(1, 0) * (1.0 - share) + images * share, share


class CutMix(_Mixing):
    """Each image with a random rectangle of its neighbour in the batch. Yun et al., "CutMix", 2019."""

    def _mixed(self, images: Tensor, share: float) -> tuple[Tensor, float]:
        height, width = images.shape[-2:]
        x, y = int(randint(width, (1,)).item()), int(randint(height, (1,)).item())
        half = 0.5 * math.sqrt(1.0 - share)
        wide, high = int(half * width), int(half * height)
        left, top = max(x - wide, 0), max(y - high, 0)
        right, bottom = min(x + wide, width), min(y + high, height)
        result = images.clone()
        result[..., top:bottom, left:right] = images.roll(1, 0)[..., top:bottom, left:right]
        return result, float(1.0 - (right - left) * (bottom - top) / (width * height))


class GaussianNoise(nn.Module):
    """Normal noise added to a tensor of floats, which is brought back into [0, 1] with ``clip``.

    Raises ``ValueError`` for other tensors and a negative ``sigma``.
    """

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        super().__init__()
        self.mean, self.sigma, self.clip = mean, sigma, clip

    def forward(self, inpt: Tensor) -> Tensor:
        """The tensor with noise."""
        from ....ops.random import randn_like

        if not inpt.is_floating_point():
            raise ValueError(f"Input tensor is expected to be in float dtype, got dtype={inpt.dtype}")
        if self.sigma < 0:
            raise ValueError(f"sigma shouldn't be negative. Got {self.sigma}")
        noisy = inpt + (self.mean + randn_like(inpt) * self.sigma)
        return noisy.clamp(0, 1) if self.clip else noisy  # type: ignore[no-any-return]
