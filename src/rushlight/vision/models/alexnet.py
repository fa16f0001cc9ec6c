"""AlexNet, in the one-column form of Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014."""

from __future__ import annotations

from typing import Any

from ... import nn
from ...core.tensor import Tensor
from ...ops.views import flatten
from .weights import chosen, filled, weights_class

BUILDERS = ("alexnet",)
AlexNet_Weights = weights_class("AlexNet_Weights", IMAGENET1K_V1="alexnet-owt-7be5be79.pth")


class AlexNet(nn.Module):
    """Pictures ``(N, 3, H, W)``, 63 pixels or more, to scores ``(N, num_classes)``."""

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The classes' scores."""
        scores: Tensor = self.classifier(flatten(self.avgpool(self.features(x)), 1))
        return scores


def alexnet(weights: Any = None, progress: bool = True, **options: Any) -> AlexNet:
    """An ``AlexNet``: 61 million parameters. ``weights`` as for ``resnet18``."""
    weights = chosen(weights, options, AlexNet_Weights)
    return filled(AlexNet(**options), weights)


alexnet.weights = AlexNet_Weights  # type: ignore[attr-defined]
