"""MNASNet. Tan et al., "MnasNet: platform-aware neural architecture search for mobile", 2018."""

from __future__ import annotations

from ... import nn
from ...core.tensor import Tensor
from .net_parts import divisible
from .weights import builder, weights_class

BUILDERS = ("mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3")
MNASNet0_5_Weights = weights_class(
    "MNASNet0_5_Weights", IMAGENET1K_V1="mnasnet0.5_top1_67.823-3ffadce67e.pth"
)
MNASNet0_75_Weights = weights_class("MNASNet0_75_Weights", IMAGENET1K_V1="mnasnet0_75-7090bc5f.pth")
MNASNet1_0_Weights = weights_class(
    "MNASNet1_0_Weights", IMAGENET1K_V1="mnasnet1.0_top1_73.512-f206786ef8.pth"
)
MNASNet1_3_Weights = weights_class("MNASNet1_3_Weights", IMAGENET1K_V1="mnasnet1_3-a4c69d6f.pth")

# TensorFlow's momentum 0.9997, as PyTorch counts it.
_MOMENTUM = 1 - 0.9997
_DEPTHS = (32, 16, 24, 40, 80, 96, 192, 320)
# Kernel size, stride of the first, expansion, repetitions.
_STACKS = ((3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1))


class _InvertedResidual(nn.Module):
    def __init__(self, before: int, after: int, size: int, stride: int, expansion: int) -> None:
        super().__init__()
        middle = before * expansion
        self.apply_residual = before == after and stride == 1
        self.layers = nn.Sequential(
            nn.Conv2d(before, middle, 1, bias=False),
            nn.BatchNorm2d(middle, momentum=_MOMENTUM),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, middle, size, padding=size // 2, stride=stride, groups=middle, bias=False),
            nn.BatchNorm2d(middle, momentum=_MOMENTUM),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, after, 1, bias=False),
            nn.BatchNorm2d(after, momentum=_MOMENTUM),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y + x if self.apply_residual else y


class MNASNet(nn.Module):
    """Pictures ``(N, 3, H, W)`` to scores ``(N, num_classes)``; ``alpha`` scales the channels.

    Raises ``ValueError`` for an alpha of zero or less.
    """

    _version = 2

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        if alpha <= 0.0:
            raise ValueError(f"alpha should be greater than 0.0 instead of {alpha}")
        self.alpha, self.num_classes = alpha, num_classes
        depths = [divisible(depth * alpha, 8) for depth in _DEPTHS]
        first, second = depths[:2]
        layers: list[nn.Module] = [
            nn.Conv2d(3, first, 3, padding=1, stride=2, bias=False),
            nn.BatchNorm2d(first, momentum=_MOMENTUM),
            nn.ReLU(inplace=True),
            nn.Conv2d(first, first, 3, padding=1, stride=1, groups=first, bias=False),
            nn.BatchNorm2d(first, momentum=_MOMENTUM),
            nn.ReLU(inplace=True),
            nn.Conv2d(first, second, 1, padding=0, stride=1, bias=False),
            nn.BatchNorm2d(second, momentum=_MOMENTUM),
        ]
        for before, after, (size, stride, expansion, repeats) in zip(
            depths[1:], depths[2:], _STACKS, strict=False
        ):
            blocks = [_InvertedResidual(before, after, size, stride, expansion)]
            blocks += [_InvertedResidual(after, after, size, 1, expansion) for _ in range(repeats - 1)]
            layers.append(nn.Sequential(*blocks))
        layers += [
            nn.Conv2d(depths[7], 1280, 1, padding=0, stride=1, bias=False),
            nn.BatchNorm2d(1280, momentum=_MOMENTUM),
            nn.ReLU(inplace=True),
        ]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(1280, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.kaiming_uniform_(module.weight, mode="fan_out", nonlinearity="sigmoid")
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The classes' scores."""
        scores: Tensor = self.classifier(self.layers(x).mean([2, 3]))
        return scores


mnasnet0_5 = builder("mnasnet0_5", MNASNet0_5_Weights, MNASNet, "MNASNet of half the width.", alpha=0.5)
mnasnet0_75 = builder(
    "mnasnet0_75", MNASNet0_75_Weights, MNASNet, "MNASNet of 0.75 of the width.", alpha=0.75
)
mnasnet1_0 = builder("mnasnet1_0", MNASNet1_0_Weights, MNASNet, "MNASNet.", alpha=1.0)
mnasnet1_3 = builder("mnasnet1_3", MNASNet1_3_Weights, MNASNet, "MNASNet of 1.3 times the width.", alpha=1.3)
