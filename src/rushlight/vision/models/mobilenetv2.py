"""MobileNet V2. Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ... import nn
from ...core.tensor import Tensor
from ...ops.views import flatten
from .net_parts import divisible, initialise
from .weights import chosen, filled, weights_class

BUILDERS = ("mobilenet_v2",)
MobileNet_V2_Weights = weights_class(
    "MobileNet_V2_Weights",
    IMAGENET1K_V1="mobilenet_v2-b0353104.pth",
    IMAGENET1K_V2="mobilenet_v2-7ebf99e0.pth",
)

# Expansion, channels, repetitions, stride of the first.
_SETTING = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
Norm = Callable[[int], nn.Module]


def _unit(
    before: int, after: int, norm: Norm, kernel_size: int = 3, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    convolution = nn.Conv2d(
        before, after, kernel_size, stride, (kernel_size - 1) // 2, groups=groups, bias=False
    )
    return nn.Sequential(convolution, norm(after), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow again; the input is added where the shapes agree."""

    def __init__(
        self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: Norm | None = None
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        norm = norm_layer or nn.BatchNorm2d
        hidden = round(inp * expand_ratio)
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        layers: list[nn.Module] = [] if expand_ratio == 1 else [_unit(inp, hidden, norm, 1)]
        layers += [
            _unit(hidden, hidden, norm, stride=stride, groups=hidden),
            nn.Conv2d(hidden, oup, 1, 1, 0, bias=False),
            norm(oup),
        ]
        self.conv = nn.Sequential(*layers)
        self.out_channels = oup

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inp, H, W)`` to ``(N, oup, H / stride, W / stride)``."""
        y: Tensor = self.conv(x)
        return x + y if self.use_res_connect else y


class MobileNetV2(nn.Module):
    """Pictures ``(N, 3, H, W)`` to scores ``(N, num_classes)``."""

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Norm | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        block = block or InvertedResidual
        norm = norm_layer or nn.BatchNorm2d
        setting = _SETTING if inverted_residual_setting is None else inverted_residual_setting
        if not setting or any(len(row) != 4 for row in setting):
            raise ValueError(
                f"inverted_residual_setting should be a non-empty list of 4 numbers each, got {setting}"
            )
        channels = divisible(32 * width_mult, round_nearest)
        self.last_channel = divisible(1280 * max(1.0, width_mult), round_nearest)
        features: list[nn.Module] = [_unit(3, channels, norm, stride=2)]
        for expansion, width, repetitions, first_stride in setting:
            after = divisible(width * width_mult, round_nearest)
            for number in range(repetitions):
                stride = 1 if number else first_stride
                features.append(block(channels, after, stride, expand_ratio=expansion, norm_layer=norm))
                channels = after
        features.append(_unit(channels, self.last_channel, norm, 1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes))
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """The classes' scores."""
        pooled = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        scores: Tensor = self.classifier(flatten(pooled, 1))
        return scores


def mobilenet_v2(weights: Any = None, progress: bool = True, **options: Any) -> MobileNetV2:
    """A ``MobileNetV2``: 3.5 million parameters. ``weights`` as for ``resnet18``."""
    weights = chosen(weights, options, MobileNet_V2_Weights)
    return filled(MobileNetV2(**options), weights)


mobilenet_v2.weights = MobileNet_V2_Weights  # type: ignore[attr-defined]
