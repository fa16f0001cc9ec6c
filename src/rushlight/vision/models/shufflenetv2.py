"""ShuffleNet V2. Ma et al., "ShuffleNet V2: practical guidelines for efficient CNN architecture design", 2018."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ... import nn
from ...core.tensor import Tensor
from ...ops.joining import cat
from .weights import builder, weights_class

_SIZES = {
    "0_5": ((24, 48, 96, 192, 1024), "shufflenetv2_x0.5-f707e7126e.pth"),
    "1_0": ((24, 116, 232, 464, 1024), "shufflenetv2_x1-5666bf0f80.pth"),
    "1_5": ((24, 176, 352, 704, 1024), "shufflenetv2_x1_5-3c479a10.pth"),
    "2_0": ((24, 244, 488, 976, 2048), "shufflenetv2_x2_0-8be3c8ee.pth"),
}
BUILDERS = tuple(f"shufflenet_v2_x{size}" for size in _SIZES)
(
    ShuffleNet_V2_X0_5_Weights,
    ShuffleNet_V2_X1_0_Weights,
    ShuffleNet_V2_X1_5_Weights,
    ShuffleNet_V2_X2_0_Weights,
) = (
    weights_class(f"ShuffleNet_V2_X{size}_Weights", IMAGENET1K_V1=file) for size, (_, file) in _SIZES.items()
)


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """The channels of ``(N, C, H, W)`` by turns from ``groups`` equal parts."""
    batch, channels, height, width = x.shape
    parts = x.reshape(batch, groups, channels // groups, height, width)
    return parts.transpose(1, 2).reshape(batch, channels, height, width)  # type: ignore[no-any-return]


def _depthwise(channels: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)


def _full(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel_size=1, stride=1, padding=0, bias=False)


class InvertedResidual(nn.Module):
    """Half of the channels (or all, with stride 2) through convolutions; then the channels are mixed."""

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        if not 1 <= stride <= 3:
            raise ValueError("illegal stride value")
        half = oup // 2
        if stride == 1 and inp != half << 1:
            raise ValueError(
                f"Invalid combination of stride {stride}, inp {inp} and oup {oup} values. If stride == 1 then inp should be "
                "equal to oup // 2 << 1."
            )
        self.stride = stride
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                _depthwise(inp, stride),
                nn.BatchNorm2d(inp),
                _full(inp, half),
                nn.BatchNorm2d(half),
                nn.ReLU(inplace=True),
            )
        self.branch2 = nn.Sequential(
            _full(inp if stride > 1 else half, half),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            _depthwise(half, stride),
            nn.BatchNorm2d(half),
            _full(half, half),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inp, H, W)`` to ``(N, oup, H / stride, W / stride)``."""
        if self.stride == 1:
            kept, changed = x.chunk(2, dim=1)
            return channel_shuffle(cat((kept, self.branch2(changed)), 1), 2)
        return channel_shuffle(cat((self.branch1(x), self.branch2(x)), 1), 2)


class ShuffleNetV2(nn.Module):
    """Pictures ``(N, 3, H, W)`` to scores ``(N, num_classes)``.

    Raises ``ValueError`` unless there are three ``stages_repeats`` and five ``stages_out_channels``.
    """

    def __init__(
        self,
        stages_repeats: Sequence[int],
        stages_out_channels: Sequence[int],
        num_classes: int = 1000,
        inverted_residual: Callable[..., nn.Module] = InvertedResidual,
    ) -> None:
        super().__init__()
        if len(stages_repeats) != 3:
            raise ValueError("expected stages_repeats as list of 3 positive ints")
        if len(stages_out_channels) != 5:
            raise ValueError("expected stages_out_channels as list of 5 positive ints")
        first, *widths, last = stages_out_channels
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU(inplace=True)
        )
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        channels = first
        self.stage2: nn.Sequential
        self.stage3: nn.Sequential
        self.stage4: nn.Sequential
        for number, (repeats, width) in enumerate(zip(stages_repeats, widths, strict=True), 2):
            blocks = [inverted_residual(channels, width, 2)]
            blocks += [inverted_residual(width, width, 1) for _ in range(repeats - 1)]
            setattr(self, f"stage{number}", nn.Sequential(*blocks))
            channels = width
        self.conv5 = nn.Sequential(
            nn.Conv2d(channels, last, 1, 1, 0, bias=False), nn.BatchNorm2d(last), nn.ReLU(inplace=True)
        )
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """The classes' scores."""
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        scores: Tensor = self.fc(x.mean([2, 3]))
        return scores


shufflenet_v2_x0_5, shufflenet_v2_x1_0, shufflenet_v2_x1_5, shufflenet_v2_x2_0 = (
    builder(
        f"shufflenet_v2_x{size}",
        weights,
        ShuffleNetV2,
        f"ShuffleNet V2 of the width {size.replace('_', '.')}.",
        stages_repeats=(4, 8, 4),
        stages_out_channels=widths,
    )
    for (size, (widths, _)), weights in zip(
        _SIZES.items(),
        (
            ShuffleNet_V2_X0_5_Weights,
            ShuffleNet_V2_X1_0_Weights,
            ShuffleNet_V2_X1_5_Weights,
            ShuffleNet_V2_X2_0_Weights,
        ),
        strict=True,
    )
)
