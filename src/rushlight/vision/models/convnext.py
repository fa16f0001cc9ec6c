"""ConvNeXt. Liu et al., "A ConvNet for the 2020s", 2022."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ... import nn
from ...core.tensor import Tensor
from ...ops.creation import ones
from ..ops.misc import Conv2dNormActivation, Permute, StochasticDepth
from .weights import builder, weights_class

Norm = Callable[..., nn.Module]

# Channels and blocks of the stages, the probability of dropping the last block, the file.
_SIZES: dict[str, tuple[tuple[int, ...], tuple[int, ...], float, str]] = {
    "tiny": ((96, 192, 384, 768), (3, 3, 9, 3), 0.1, "convnext_tiny-983f1562.pth"),
    "small": ((96, 192, 384, 768), (3, 3, 27, 3), 0.4, "convnext_small-0c510722.pth"),
    "base": ((128, 256, 512, 1024), (3, 3, 27, 3), 0.5, "convnext_base-6075fbad.pth"),
    "large": ((192, 384, 768, 1536), (3, 3, 27, 3), 0.5, "convnext_large-ea097f82.pth"),
}
BUILDERS = tuple(f"convnext_{size}" for size in _SIZES)


class LayerNorm2d(nn.LayerNorm):
    """``LayerNorm`` over the channels of ``(N, C, H, W)``."""

    def forward(self, x: Tensor) -> Tensor:
        """The same shape, each pixel normalized over its channels."""
        rows = x.permute(0, 2, 3, 1)
        rows = nn.functional.layer_norm(rows, self.normalized_shape, self.weight, self.bias, self.eps)
        return rows.permute(0, 3, 1, 2)  # type: ignore[no-any-return]


class CNBlock(nn.Module):
    """A wide filter of each channel, a norm, an MLP over the channels; scaled, and added to the input."""

    def __init__(
        self, dim: int, layer_scale: float, stochastic_depth_prob: float, norm_layer: Norm | None = None
    ) -> None:
        super().__init__()
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim, bias=True),
            Permute([0, 2, 3, 1]),
            norm(dim),
            nn.Linear(in_features=dim, out_features=4 * dim, bias=True),
            nn.GELU(),
            nn.Linear(in_features=4 * dim, out_features=dim, bias=True),
            Permute([0, 3, 1, 2]),
        )
        self.layer_scale = nn.Parameter(ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: Tensor) -> Tensor:
        """``(N, dim, H, W)`` to the same shape."""
        return self.stochastic_depth(self.layer_scale * self.block(input)) + input  # type: ignore[no-any-return]


class CNBlockConfig:
    """The numbers of a stage; ``out_channels`` is None for the last."""

    def __init__(self, input_channels: int, out_channels: int | None, num_layers: int) -> None:
        self.input_channels, self.out_channels, self.num_layers = input_channels, out_channels, num_layers

    def __repr__(self) -> str:
        return (
            f"CNBlockConfig(input_channels={self.input_channels}, out_channels={self.out_channels}, "
            f"num_layers={self.num_layers})"
        )


class ConvNeXt(nn.Module):
    """Pictures ``(N, 3, H, W)`` to scores ``(N, num_classes)``. Raises ``ValueError`` for an empty setting, ``TypeError`` for
    one of other things than ``CNBlockConfig``.
    """

    def __init__(
        self,
        block_setting: Sequence[CNBlockConfig],
        stochastic_depth_prob: float = 0.0,
        layer_scale: float = 1e-6,
        num_classes: int = 1000,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        if not block_setting:
            raise ValueError("The block_setting should not be empty")
        if not all(isinstance(row, CNBlockConfig) for row in block_setting):
            raise TypeError("The block_setting should be List[CNBlockConfig]")
        make = block or CNBlock
        norm = norm_layer or partial(LayerNorm2d, eps=1e-6)
        layers: list[nn.Module] = [
            Conv2dNormActivation(
                3,
                block_setting[0].input_channels,
                kernel_size=4,
                stride=4,
                padding=0,
                norm_layer=norm,
                activation_layer=None,
                bias=True,
            )
        ]
        total = sum(row.num_layers for row in block_setting)
        number = 0
        for row in block_setting:
            stage = []
            for _ in range(row.num_layers):
                probability = stochastic_depth_prob * number / (total - 1.0)
                stage.append(make(row.input_channels, layer_scale, probability))
                number += 1
            layers.append(nn.Sequential(*stage))
            if row.out_channels is not None:
                halved = nn.Conv2d(row.input_channels, row.out_channels, kernel_size=2, stride=2)
                layers.append(nn.Sequential(norm(row.input_channels), halved))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        last = block_setting[-1]
        width = last.input_channels if last.out_channels is None else last.out_channels
        self.classifier = nn.Sequential(norm(width), nn.Flatten(1), nn.Linear(width, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The classes' scores."""
        scores: Tensor = self.classifier(self.avgpool(self.features(x)))
        return scores


def _make(widths: Sequence[int], depths: Sequence[int], **options: Any) -> ConvNeXt:
    setting = [
        CNBlockConfig(before, after, count)
        for before, after, count in zip(widths, [*widths[1:], None], depths, strict=True)
    ]
    return ConvNeXt(setting, **options)


def _build(size: str) -> tuple[Any, Any]:
    widths, depths, probability, file = _SIZES[size]
    weights = weights_class(f"ConvNeXt_{size.title()}_Weights", IMAGENET1K_V1=file)
    return weights, builder(
        f"convnext_{size}",
        weights,
        _make,
        f"The {size} ConvNeXt.",
        widths=widths,
        depths=depths,
        stochastic_depth_prob=probability,
    )


ConvNeXt_Tiny_Weights, convnext_tiny = _build("tiny")
ConvNeXt_Small_Weights, convnext_small = _build("small")
ConvNeXt_Base_Weights, convnext_base = _build("base")
ConvNeXt_Large_Weights, convnext_large = _build("large")
