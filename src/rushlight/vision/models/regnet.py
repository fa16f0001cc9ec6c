"""RegNet. Radosavovic et al., "Designing network design spaces", 2020."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ... import nn
from ...core.tensor import Tensor
from ...ops.views import flatten
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from .net_parts import divisible
from .weights import builder, weights_class

Make = Callable[..., nn.Module]

# Depth, first width, slope, multiplier of the widths, width of a group; files of the two versions.
_SIZES: dict[str, tuple[int, int, float, float, int, tuple[str, ...]]] = {
    "x_400mf": (22, 24, 24.48, 2.54, 16, ("regnet_x_400mf-adf1edd5.pth", "regnet_x_400mf-62229a5f.pth")),
    "x_800mf": (16, 56, 35.73, 2.28, 16, ("regnet_x_800mf-ad17e45c.pth", "regnet_x_800mf-94a99ebd.pth")),
    "x_1_6gf": (18, 80, 34.01, 2.25, 24, ("regnet_x_1_6gf-e3633e7f.pth", "regnet_x_1_6gf-a12f2b72.pth")),
    "x_3_2gf": (25, 88, 26.31, 2.25, 48, ("regnet_x_3_2gf-f342aeae.pth", "regnet_x_3_2gf-7071aa85.pth")),
    "x_8gf": (23, 80, 49.56, 2.88, 120, ("regnet_x_8gf-03ceed89.pth", "regnet_x_8gf-2b70d774.pth")),
    "x_16gf": (22, 216, 55.59, 2.1, 128, ("regnet_x_16gf-2007eb11.pth", "regnet_x_16gf-ba3796d7.pth")),
    "x_32gf": (23, 320, 69.86, 2.0, 168, ("regnet_x_32gf-9d47f8d0.pth", "regnet_x_32gf-6eb8fdc6.pth")),
    "y_400mf": (16, 48, 27.89, 2.09, 8, ("regnet_y_400mf-c65dace8.pth", "regnet_y_400mf-e6988f5f.pth")),
    "y_800mf": (14, 56, 38.84, 2.4, 16, ("regnet_y_800mf-1b27b58c.pth", "regnet_y_800mf-58fc7688.pth")),
    "y_1_6gf": (27, 48, 20.71, 2.65, 24, ("regnet_y_1_6gf-b11a554e.pth", "regnet_y_1_6gf-0d7bc02a.pth")),
    "y_3_2gf": (21, 80, 42.63, 2.66, 24, ("regnet_y_3_2gf-b5a9779c.pth", "regnet_y_3_2gf-9180c971.pth")),
    "y_8gf": (17, 192, 76.82, 2.19, 56, ("regnet_y_8gf-d0d0e4a8.pth", "regnet_y_8gf-dc2b1b54.pth")),
    "y_16gf": (18, 200, 106.23, 2.48, 112, ("regnet_y_16gf-9e6ed7dd.pth", "regnet_y_16gf-3e4a00f9.pth")),
    "y_32gf": (20, 232, 115.89, 2.53, 232, ("regnet_y_32gf-4dee3f7a.pth", "regnet_y_32gf-8db6d4b5.pth")),
}
BUILDERS = tuple(f"regnet_{size}" for size in _SIZES)


class SimpleStemIN(Conv2dNormActivation):
    """The first convolution, to half the size."""

    def __init__(self, width_in: int, width_out: int, norm_layer: Make, activation_layer: Make) -> None:
        super().__init__(
            width_in,
            width_out,
            kernel_size=3,
            stride=2,
            norm_layer=norm_layer,
            activation_layer=activation_layer,
        )


class BlockParams:
    """The numbers of the stages: depths, widths, groups, bottlenecks, strides."""

    def __init__(
        self,
        depths: list[int],
        widths: list[int],
        group_widths: list[int],
        bottleneck_multipliers: list[float],
        strides: list[int],
        se_ratio: float | None = None,
    ) -> None:
        self.depths, self.widths, self.group_widths = depths, widths, group_widths
        self.bottleneck_multipliers, self.strides, self.se_ratio = bottleneck_multipliers, strides, se_ratio

    @classmethod
    def from_init_params(
        cls,
        depth: int,
        w_0: int,
        w_a: float,
        w_m: float,
        group_width: int,
        bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
        **_: Any,
    ) -> BlockParams:
        """Widths that grow by ``w_a`` a block, brought to steps of ``w_m`` and to multiples of the groups.

        Raises ``ValueError`` for numbers of which no net can be made.
        """
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8 != 0:
            raise ValueError("Invalid RegNet settings")
        wanted = np.arange(depth) * w_a + w_0
        step = np.round(np.log(wanted / w_0) / math.log(w_m))
        widths = (np.round(w_0 * w_m**step / 8) * 8).astype(int).tolist()
        stages = sorted(set(widths))
        depths = [widths.count(width) for width in stages]
        groups, found = [], []
        for width in stages:
            group = min(group_width, int(width * bottleneck_multiplier))
            groups.append(group)
            inner = divisible(int(width * bottleneck_multiplier), group)
            found.append(int(inner / bottleneck_multiplier))
        count = len(stages)
        return cls(depths, found, groups, [bottleneck_multiplier] * count, [2] * count, se_ratio)


class _Bottleneck(nn.Sequential):
    def __init__(self, before: int, after: int, stride: int, norm: Make, activation: Make, group: int,
                 multiplier: float, se_ratio: float | None) -> None:  # fmt: skip
        width = round(after * multiplier)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["a"] = Conv2dNormActivation(
            before, width, kernel_size=1, stride=1, norm_layer=norm, activation_layer=activation
        )
        layers["b"] = Conv2dNormActivation(
            width,
            width,
            kernel_size=3,
            stride=stride,
            groups=width // group,
            norm_layer=norm,
            activation_layer=activation,
        )
        if se_ratio:
            layers["se"] = SqueezeExcitation(width, round(se_ratio * before), activation=activation)
        layers["c"] = Conv2dNormActivation(
            width, after, kernel_size=1, stride=1, norm_layer=norm, activation_layer=None
        )
        super().__init__(layers)


_Bottleneck.__name__ = _Bottleneck.__qualname__ = "BottleneckTransform"


class ResBottleneckBlock(nn.Module):
    """A bottleneck with groups, added to its input (projected where the shapes differ)."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        norm_layer: Make,
        activation_layer: Make,
        group_width: int = 1,
        bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
    ) -> None:
        super().__init__()
        self.proj: nn.Module | None = None
        if width_in != width_out or stride != 1:
            self.proj = Conv2dNormActivation(
                width_in,
                width_out,
                kernel_size=1,
                stride=stride,
                norm_layer=norm_layer,
                activation_layer=None,
            )
        self.f = _Bottleneck(
            width_in,
            width_out,
            stride,
            norm_layer,
            activation_layer,
            group_width,
            bottleneck_multiplier,
            se_ratio,
        )
        self.activation = activation_layer(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, width_in, H, W)`` to ``(N, width_out, H / stride, W / stride)``."""
        kept = x if self.proj is None else self.proj(x)
        result: Tensor = self.activation(kept + self.f(x))
        return result


class RegNet(nn.Module):
    """Pictures ``(N, 3, H, W)`` to scores ``(N, num_classes)``."""

    def __init__(
        self,
        block_params: BlockParams,
        num_classes: int = 1000,
        stem_width: int = 32,
        stem_type: Make | None = None,
        block_type: Make | None = None,
        norm_layer: Make | None = None,
        activation: Make | None = None,
    ) -> None:
        super().__init__()
        norm, act = norm_layer or nn.BatchNorm2d, activation or nn.ReLU
        make = block_type or ResBottleneckBlock
        self.stem = (stem_type or SimpleStemIN)(3, stem_width, norm, act)
        width = stem_width
        stages: OrderedDict[str, nn.Module] = OrderedDict()
        rows = zip(
            block_params.widths,
            block_params.strides,
            block_params.depths,
            block_params.group_widths,
            block_params.bottleneck_multipliers,
            strict=True,
        )
        for number, (after, stride, depth, group, multiplier) in enumerate(rows, 1):
            blocks: OrderedDict[str, nn.Module] = OrderedDict()
            for i in range(depth):
                blocks[f"block{number}-{i}"] = make(
                    after if i else width,
                    after,
                    1 if i else stride,
                    norm,
                    act,
                    group,
                    multiplier,
                    block_params.se_ratio,
                )
            stages[f"block{number}"] = nn.Sequential(blocks)
            width = after
        self.trunk_output = nn.Sequential(stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, mean=0.0, std=math.sqrt(2.0 / fan))
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, mean=0.0, std=0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The classes' scores."""
        scores: Tensor = self.fc(flatten(self.avgpool(self.trunk_output(self.stem(x))), 1))
        return scores


def _make(size: str, norm_layer: Make | None = None, **options: Any) -> RegNet:
    depth, first, slope, multiplier, group, _ = _SIZES[size]
    ratio = 0.25 if size.startswith("y") else None
    parameters = BlockParams.from_init_params(depth, first, slope, multiplier, group, se_ratio=ratio)
    norm = norm_layer or partial(nn.BatchNorm2d, eps=1e-05, momentum=0.1)
    return RegNet(parameters, norm_layer=norm, **options)


def _build(size: str) -> tuple[Any, Any]:
    name = "RegNet_" + size.upper() + "_Weights"
    weights = weights_class(name, **{f"IMAGENET1K_V{i}": file for i, file in enumerate(_SIZES[size][5], 1)})
    return weights, builder(
        f"regnet_{size}", weights, _make, f"RegNet {size.upper().replace('_', ' ')}.", size=size
    )


RegNet_X_400MF_Weights, regnet_x_400mf = _build("x_400mf")
RegNet_X_800MF_Weights, regnet_x_800mf = _build("x_800mf")
RegNet_X_1_6GF_Weights, regnet_x_1_6gf = _build("x_1_6gf")
RegNet_X_3_2GF_Weights, regnet_x_3_2gf = _build("x_3_2gf")
RegNet_X_8GF_Weights, regnet_x_8gf = _build("x_8gf")
RegNet_X_16GF_Weights, regnet_x_16gf = _build("x_16gf")
RegNet_X_32GF_Weights, regnet_x_32gf = _build("x_32gf")
RegNet_Y_400MF_Weights, regnet_y_400mf = _build("y_400mf")
RegNet_Y_800MF_Weights, regnet_y_800mf = _build("y_800mf")
RegNet_Y_1_6GF_Weights, regnet_y_1_6gf = _build("y_1_6gf")
RegNet_Y_3_2GF_Weights, regnet_y_3_2gf = _build("y_3_2gf")
RegNet_Y_8GF_Weights, regnet_y_8gf = _build("y_8gf")
RegNet_Y_16GF_Weights, regnet_y_16gf = _build("y_16gf")
RegNet_Y_32GF_Weights, regnet_y_32gf = _build("y_32gf")
