"""MobileNet V3. Howard et al., "Searching for MobileNetV3", 2019."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ... import nn
from ...core.tensor import Tensor
from ...ops.views import flatten
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from .net_parts import divisible, initialise
from .weights import builder, weights_class

BUILDERS = ("mobilenet_v3_large", "mobilenet_v3_small")
MobileNet_V3_Large_Weights = weights_class(
    "MobileNet_V3_Large_Weights",
    IMAGENET1K_V1="mobilenet_v3_large-8738ca79.pth",
    IMAGENET1K_V2="mobilenet_v3_large-5c1a4163.pth",
)
MobileNet_V3_Small_Weights = weights_class(
    "MobileNet_V3_Small_Weights", IMAGENET1K_V1="mobilenet_v3_small-047dcff4.pth"
)

# Channels before, kernel size, channels between, after, squeeze and excitation, activation, stride. Of the last three
# rows the channels (and in a dilated net the steps) depend on the options.
_LARGE = (
    (16, 3, 16, 16, False, "RE", 1), (16, 3, 64, 24, False, "RE", 2), (24, 3, 72, 24, False, "RE", 1),
    (24, 5, 72, 40, True, "RE", 2), (40, 5, 120, 40, True, "RE", 1), (40, 5, 120, 40, True, "RE", 1),
    (40, 3, 240, 80, False, "HS", 2), (80, 3, 200, 80, False, "HS", 1), (80, 3, 184, 80, False, "HS", 1),
    (80, 3, 184, 80, False, "HS", 1), (80, 3, 480, 112, True, "HS", 1), (112, 3, 672, 112, True, "HS", 1),
    (112, 5, 672, 160, True, "HS", 2), (160, 5, 960, 160, True, "HS", 1), (160, 5, 960, 160, True, "HS", 1),
)  # fmt: skip
_SMALL = (
    (16, 3, 16, 16, True, "RE", 2), (16, 3, 72, 24, False, "RE", 2), (24, 3, 88, 24, False, "RE", 1),
    (24, 5, 96, 40, True, "HS", 2), (40, 5, 240, 40, True, "HS", 1), (40, 5, 240, 40, True, "HS", 1),
    (40, 5, 120, 48, True, "HS", 1), (48, 5, 144, 48, True, "HS", 1), (48, 5, 288, 96, True, "HS", 2),
    (96, 5, 576, 96, True, "HS", 1), (96, 5, 576, 96, True, "HS", 1),
)  # fmt: skip
_EXCITATION = partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)


class InvertedResidualConfig:
    """The numbers of one block."""

    def __init__(self, input_channels: int, kernel: int, expanded_channels: int, out_channels: int, use_se: bool,
                 activation: str, stride: int, dilation: int, width_mult: float) -> None:  # fmt: skip
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel = kernel
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.use_se = use_se
        self.use_hs = activation == "HS"
        self.stride, self.dilation = stride, dilation

    @staticmethod
    def adjust_channels(channels: int, width_mult: float) -> int:
        """``channels`` scaled, a multiple of eight."""
        return divisible(channels * width_mult, 8)


class InvertedResidual(nn.Module):
    """Widen, filter each channel, weigh the channels, narrow again; the input is added where the shapes agree."""

    def __init__(
        self,
        cnf: InvertedResidualConfig,
        norm_layer: Callable[..., nn.Module],
        se_layer: Callable[..., nn.Module] = _EXCITATION,
    ) -> None:
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        activation = nn.Hardswish if cnf.use_hs else nn.ReLU
        width = cnf.expanded_channels
        layers: list[nn.Module] = []
        if width != cnf.input_channels:
            layers.append(
                Conv2dNormActivation(
                    cnf.input_channels, width, 1, norm_layer=norm_layer, activation_layer=activation
                )
            )
        layers.append(
            Conv2dNormActivation(
                width,
                width,
                cnf.kernel,
                stride=1 if cnf.dilation > 1 else cnf.stride,
                dilation=cnf.dilation,
                groups=width,
                norm_layer=norm_layer,
                activation_layer=activation,
            )
        )
        if cnf.use_se:
            layers.append(se_layer(width, divisible(width // 4, 8)))
        layers.append(
            Conv2dNormActivation(width, cnf.out_channels, 1, norm_layer=norm_layer, activation_layer=None)
        )
        self.block = nn.Sequential(*layers)
        self.out_channels = cnf.out_channels
        self._is_cn = cnf.stride > 1

    def forward(self, input: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, out_channels, H / stride, W / stride)``."""
        result: Tensor = self.block(input)
        return result + input if self.use_res_connect else result


class MobileNetV3(nn.Module):
    """Pictures ``(N, 3, H, W)`` to scores ``(N, num_classes)``. Raises ``ValueError`` for an empty setting, ``TypeError`` for
    one of other things than ``InvertedResidualConfig``.
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[InvertedResidualConfig],
        last_channel: int,
        num_classes: int = 1000,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not all(isinstance(row, InvertedResidualConfig) for row in inverted_residual_setting):
            raise TypeError("The inverted_residual_setting should be List[InvertedResidualConfig]")
        make = block or InvertedResidual
        norm = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        first = inverted_residual_setting[0].input_channels
        last = inverted_residual_setting[-1].out_channels
        layers = [
            Conv2dNormActivation(3, first, 3, stride=2, norm_layer=norm, activation_layer=nn.Hardswish),
            *[make(row, norm) for row in inverted_residual_setting],
            Conv2dNormActivation(last, 6 * last, 1, norm_layer=norm, activation_layer=nn.Hardswish),
        ]
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * last, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(p=dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """The classes' scores."""
        scores: Tensor = self.classifier(flatten(self.avgpool(self.features(x)), 1))
        return scores


def _make(
    rows: Sequence[Sequence[Any]],
    last: int,
    width_mult: float = 1.0,
    reduced_tail: bool = False,
    dilated: bool = False,
    **options: Any,
) -> MobileNetV3:
    divider = 2 if reduced_tail else 1
    dilation = 2 if dilated else 1
    setting = []
    for number, (before, kernel, between, after, squeezed, activation, stride) in enumerate(rows):
        tail = number - (len(rows) - 3)
        if tail >= 0:
            after //= divider
            if tail:
                before, between = before // divider, between // divider
        setting.append(
            InvertedResidualConfig(
                before,
                kernel,
                between,
                after,
                squeezed,
                activation,
                stride,
                dilation if tail >= 0 else 1,
                width_mult,
            )
        )
    channels = InvertedResidualConfig.adjust_channels(last // divider, width_mult)
    return MobileNetV3(setting, channels, **options)


mobilenet_v3_large = builder(
    "mobilenet_v3_large", MobileNet_V3_Large_Weights, _make, "The large MobileNet V3.", rows=_LARGE, last=1280
)
mobilenet_v3_small = builder(
    "mobilenet_v3_small", MobileNet_V3_Small_Weights, _make, "The small MobileNet V3.", rows=_SMALL, last=1024
)
