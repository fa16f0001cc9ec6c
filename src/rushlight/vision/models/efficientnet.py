"""EfficientNet. Tan & Le, "EfficientNet: rethinking model scaling for convolutional neural networks", 2019, and
"EfficientNetV2: smaller models and faster training", 2021.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ... import nn
from ...core.tensor import Tensor
from ...ops.views import flatten
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation, StochasticDepth
from .net_parts import divisible, initialise
from .weights import builder, weights_class

# Expansion, kernel size, stride, channels before and after, repetitions.
_B0 = (
    (1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3), (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1),
)  # fmt: skip
# Of the second version: how many of the rows are fused ones, and the rows.
_V2 = {
    "s": (3, (
        (1, 3, 1, 24, 24, 2), (4, 3, 2, 24, 48, 4), (4, 3, 2, 48, 64, 4), (4, 3, 2, 64, 128, 6), (6, 3, 1, 128, 160, 9),
        (6, 3, 2, 160, 256, 15),
    )),
    "m": (3, (
        (1, 3, 1, 24, 24, 3), (4, 3, 2, 24, 48, 5), (4, 3, 2, 48, 80, 5), (4, 3, 2, 80, 160, 7), (6, 3, 1, 160, 176, 14),
        (6, 3, 2, 176, 304, 18), (6, 3, 1, 304, 512, 5),
    )),
    "l": (3, (
        (1, 3, 1, 32, 32, 4), (4, 3, 2, 32, 64, 7), (4, 3, 2, 64, 96, 7), (4, 3, 2, 96, 192, 10), (6, 3, 1, 192, 224, 19),
        (6, 3, 2, 224, 384, 25), (6, 3, 1, 384, 640, 7),
    )),
}  # fmt: skip
Norm = Callable[..., nn.Module]


class _Config:
    """The numbers of a stage."""

    block: Callable[..., nn.Module]

    def __init__(self, expand_ratio: float, kernel: int, stride: int, input_channels: int, out_channels: int,
                 num_layers: int) -> None:  # fmt: skip
        self.expand_ratio, self.kernel, self.stride = expand_ratio, kernel, stride
        self.input_channels, self.out_channels, self.num_layers = input_channels, out_channels, num_layers

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        """``channels`` scaled, a multiple of eight."""
        return max(divisible(channels * width_mult, 8), min_value or 0)


class MBConvConfig(_Config):
    """A stage of :class:`MBConv`, with scaled channels and repetitions."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        width_mult: float = 1.0,
        depth_mult: float = 1.0,
        block: Callable[..., nn.Module] | None = None,
    ) -> None:
        before, after = (self.adjust_channels(count, width_mult) for count in (input_channels, out_channels))
        super().__init__(expand_ratio, kernel, stride, before, after, math.ceil(num_layers * depth_mult))
        self.block = block or MBConv


class FusedMBConvConfig(_Config):
    """A stage of :class:`FusedMBConv`."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        block: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__(expand_ratio, kernel, stride, input_channels, out_channels, num_layers)
        self.block = block or FusedMBConv


class _Block(nn.Module):
    block: nn.Sequential
    stochastic_depth: StochasticDepth
    use_res_connect: bool

    def forward(self, input: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, out_channels, H / stride, W / stride)``."""
        result: Tensor = self.block(input)
        return self.stochastic_depth(result) + input if self.use_res_connect else result

    def _finish(self, layers: list[nn.Module], cnf: _Config, probability: float) -> None:
        if not 1 <= cnf.stride <= 2:
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(probability, "row")
        self.out_channels = cnf.out_channels


class MBConv(_Block):
    """Widen, filter each channel, weigh the channels, narrow again; the input is added where the shapes agree."""

    def __init__(
        self,
        cnf: MBConvConfig,
        stochastic_depth_prob: float,
        norm_layer: Norm,
        se_layer: Callable[..., nn.Module] = SqueezeExcitation,
    ) -> None:
        super().__init__()
        width = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        layers: list[nn.Module] = []
        if width != cnf.input_channels:
            layers.append(unit(cnf.input_channels, width, kernel_size=1))
        layers.append(unit(width, width, kernel_size=cnf.kernel, stride=cnf.stride, groups=width))
        squeezed = max(1, cnf.input_channels // 4)
        layers.append(se_layer(width, squeezed, activation=partial(nn.SiLU, inplace=True)))
        layers.append(unit(width, cnf.out_channels, kernel_size=1, activation_layer=None))
        self._finish(layers, cnf, stochastic_depth_prob)


class FusedMBConv(_Block):
    """:class:`MBConv` with one full convolution for the widening and the filtering."""

    def __init__(self, cnf: FusedMBConvConfig, stochastic_depth_prob: float, norm_layer: Norm) -> None:
        super().__init__()
        width = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        if width == cnf.input_channels:
            layers = [unit(width, cnf.out_channels, kernel_size=cnf.kernel, stride=cnf.stride)]
        else:
            layers = [
                unit(cnf.input_channels, width, kernel_size=cnf.kernel, stride=cnf.stride),
                unit(width, cnf.out_channels, kernel_size=1, activation_layer=None),
            ]
        self._finish(list(layers), cnf, stochastic_depth_prob)


def _initialise_linear(layer: nn.Linear) -> None:
    reach = 1.0 / math.sqrt(layer.out_features)
    nn.init.uniform_(layer.weight, -reach, reach)


class EfficientNet(nn.Module):
    """Pictures ``(N, 3, H, W)`` to scores ``(N, num_classes)``. Raises ``ValueError`` for an empty setting, ``TypeError`` for
    one of other things than configurations of stages.
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[_Config],
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Norm | None = None,
        last_channel: int | None = None,
    ) -> None:
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not all(isinstance(row, _Config) for row in inverted_residual_setting):
            raise TypeError("The inverted_residual_setting should be List[MBConvConfig]")
        norm = norm_layer or nn.BatchNorm2d
        unit = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.SiLU)
        layers: list[nn.Module] = [
            unit(3, inverted_residual_setting[0].input_channels, kernel_size=3, stride=2)
        ]
        total = sum(row.num_layers for row in inverted_residual_setting)
        number = 0
        for row in inverted_residual_setting:
            stage = []
            for repetition in range(row.num_layers):
                part = _Config(
                    row.expand_ratio, row.kernel, row.stride, row.input_channels, row.out_channels, 1
                )
                if repetition:
                    part.input_channels, part.stride = part.out_channels, 1
                stage.append(row.block(part, stochastic_depth_prob * float(number) / total, norm))
                number += 1
            layers.append(nn.Sequential(*stage))
        before = inverted_residual_setting[-1].out_channels
        last = 4 * before if last_channel is None else last_channel
        layers.append(unit(before, last, kernel_size=1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(last, num_classes))
        initialise(self, _initialise_linear)

    def forward(self, x: Tensor) -> Tensor:
        """The classes' scores."""
        scores: Tensor = self.classifier(flatten(self.avgpool(self.features(x)), 1))
        return scores


def _first(
    width: float, depth: float, dropout: float, norm_layer: Norm | None = None, **options: Any
) -> EfficientNet:
    setting = [MBConvConfig(*row, width_mult=width, depth_mult=depth) for row in _B0]
    return EfficientNet(setting, options.pop("dropout_rate", dropout), norm_layer=norm_layer, **options)


def _second(size: str, dropout: float, norm_layer: Norm | None = None, **options: Any) -> EfficientNet:
    fused, rows = _V2[size]
    setting: list[_Config] = [
        FusedMBConvConfig(*row) if i < fused else MBConvConfig(*row) for i, row in enumerate(rows)
    ]
    norm = norm_layer or partial(nn.BatchNorm2d, eps=1e-03)
    return EfficientNet(setting, dropout, norm_layer=norm, **({"last_channel": 1280} | options))


# Width, depth, dropout, files.
_SCALES: dict[str, tuple[float, float, float, tuple[str, ...]]] = {
    "b0": (1.0, 1.0, 0.2, ("efficientnet_b0_rwightman-7f5810bc.pth",)),
    "b1": (1.0, 1.1, 0.2, ("efficientnet_b1_rwightman-bac287d4.pth", "efficientnet_b1-c27df63c.pth")),
    "b2": (1.1, 1.2, 0.3, ("efficientnet_b2_rwightman-c35c1473.pth",)),
    "b3": (1.2, 1.4, 0.3, ("efficientnet_b3_rwightman-b3899882.pth",)),
    "b4": (1.4, 1.8, 0.4, ("efficientnet_b4_rwightman-23ab8bcd.pth",)),
    "b5": (1.6, 2.2, 0.4, ("efficientnet_b5_lukemelas-1a07897c.pth",)),
    "b6": (1.8, 2.6, 0.5, ("efficientnet_b6_lukemelas-24a108a5.pth",)),
    "b7": (2.0, 3.1, 0.5, ("efficientnet_b7_lukemelas-c5b4e57e.pth",)),
}
_SECOND_SCALES = {
    "s": (0.2, "efficientnet_v2_s-dd5fe13b.pth"),
    "m": (0.3, "efficientnet_v2_m-dc08266a.pth"),
    "l": (0.4, "efficientnet_v2_l-59c71312.pth"),
}
BUILDERS = tuple(
    [f"efficientnet_{size}" for size in _SCALES] + [f"efficientnet_v2_{size}" for size in _SECOND_SCALES]
)


def _weights(name: str, files: Sequence[str]) -> Any:
    return weights_class(name, **{f"IMAGENET1K_V{i}": file for i, file in enumerate(files, 1)})


def _build_first(size: str) -> tuple[Any, Any]:
    width, depth, dropout, files = _SCALES[size]
    weights = _weights(f"EfficientNet_{size.upper()}_Weights", files)
    norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01) if size in ("b5", "b6", "b7") else None
    return weights, builder(
        f"efficientnet_{size}",
        weights,
        _first,
        f"EfficientNet {size.upper()}.",
        width=width,
        depth=depth,
        dropout=dropout,
        norm_layer=norm,
    )


def _build_second(size: str) -> tuple[Any, Any]:
    dropout, file = _SECOND_SCALES[size]
    weights = _weights(f"EfficientNet_V2_{size.upper()}_Weights", [file])
    doc = f"EfficientNet V2 {size.upper()}."
    return weights, builder(f"efficientnet_v2_{size}", weights, _second, doc, size=size, dropout=dropout)


EfficientNet_B0_Weights, efficientnet_b0 = _build_first("b0")
EfficientNet_B1_Weights, efficientnet_b1 = _build_first("b1")
EfficientNet_B2_Weights, efficientnet_b2 = _build_first("b2")
EfficientNet_B3_Weights, efficientnet_b3 = _build_first("b3")
EfficientNet_B4_Weights, efficientnet_b4 = _build_first("b4")
EfficientNet_B5_Weights, efficientnet_b5 = _build_first("b5")
EfficientNet_B6_Weights, efficientnet_b6 = _build_first("b6")
EfficientNet_B7_Weights, efficientnet_b7 = _build_first("b7")
EfficientNet_V2_S_Weights, efficientnet_v2_s = _build_second("s")
EfficientNet_V2_M_Weights, efficientnet_v2_m = _build_second("m")
EfficientNet_V2_L_Weights, efficientnet_v2_l = _build_second("l")
