"""DenseNet. Huang et al., "Densely connected convolutional networks", 2017."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from ... import nn
from ...core.tensor import Tensor
from ...ops.joining import cat
from ...ops.views import flatten
from .weights import chosen, filled, weights_class

BUILDERS = ("densenet121", "densenet161", "densenet169", "densenet201")
DenseNet121_Weights = weights_class("DenseNet121_Weights", IMAGENET1K_V1="densenet121-a639ec97.pth")
DenseNet161_Weights = weights_class("DenseNet161_Weights", IMAGENET1K_V1="densenet161-8d451a50.pth")
DenseNet169_Weights = weights_class("DenseNet169_Weights", IMAGENET1K_V1="densenet169-b2777c0a.pth")
DenseNet201_Weights = weights_class("DenseNet201_Weights", IMAGENET1K_V1="densenet201-c1103571.pth")


class _DenseLayer(nn.Module):
    """``growth_rate`` new channels from all that there are."""

    def __init__(
        self,
        num_input_features: int,
        growth_rate: int,
        bn_size: int,
        drop_rate: float,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        narrow = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, narrow, kernel_size=1, stride=1, bias=False)
        self.norm2 = nn.BatchNorm2d(narrow)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(narrow, growth_rate, kernel_size=3, stride=1, padding=1, bias=False)
        self.drop_rate = float(drop_rate)
        self.memory_efficient = memory_efficient

    def bn_function(self, inputs: list[Tensor]) -> Tensor:
        """The narrow features of all that there are."""
        narrow: Tensor = self.conv1(self.relu1(self.norm1(cat(inputs, 1))))
        return narrow

    def forward(self, input: Tensor | list[Tensor]) -> Tensor:
        """The new channels."""
        inputs = [input] if isinstance(input, Tensor) else input
        if self.memory_efficient and any(each.requires_grad for each in inputs):
            from ...utils.checkpoint import checkpoint

            narrow = checkpoint(lambda *parts: self.bn_function(list(parts)), *inputs, use_reentrant=False)
        else:
            narrow = self.bn_function(inputs)
        new: Tensor = self.conv2(self.relu2(self.norm2(narrow)))
        if self.drop_rate > 0:
            new = nn.functional.dropout(new, p=self.drop_rate, training=self.training)
        return new


class _DenseBlock(nn.ModuleDict):
    """Layers each of which sees the channels of all before it."""

    def __init__(
        self,
        num_layers: int,
        num_input_features: int,
        bn_size: int,
        growth_rate: int,
        drop_rate: float,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        for i in range(num_layers):
            before = num_input_features + i * growth_rate
            self.add_module(
                f"denselayer{i + 1}", _DenseLayer(before, growth_rate, bn_size, drop_rate, memory_efficient)
            )

    def forward(self, init_features: Tensor) -> Tensor:
        """The input's channels and all new ones."""
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return cat(features, 1)


class _Transition(nn.Sequential):
    """Fewer channels, half the size."""

    def __init__(self, num_input_features: int, num_output_features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(num_input_features, num_output_features, kernel_size=1, stride=1, bias=False)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


class DenseNet(nn.Module):
    """Pictures ``(N, 3, H, W)``, 29 pixels or more, to scores ``(N, num_classes)``."""

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                conv0=nn.Conv2d(3, num_init_features, kernel_size=7, stride=2, padding=3, bias=False),
                norm0=nn.BatchNorm2d(num_init_features),
                relu0=nn.ReLU(inplace=True),
                pool0=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
            )
        )
        width = num_init_features
        for i, count in enumerate(block_config):
            block = _DenseBlock(count, width, bn_size, growth_rate, drop_rate, memory_efficient)
            self.features.add_module(f"denseblock{i + 1}", block)
            width += count * growth_rate
            if i != len(block_config) - 1:
                self.features.add_module(f"transition{i + 1}", _Transition(width, width // 2))
                width //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)
            elif isinstance(module, nn.Linear):
                nn.init.constant_(module.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        """The classes' scores."""
        features = nn.functional.relu(self.features(x), inplace=True)
        scores: Tensor = self.classifier(flatten(nn.functional.adaptive_avg_pool2d(features, (1, 1)), 1))
        return scores


def _densenet(
    growth: int, blocks: Sequence[int], first: int, known: Any, weights: Any, options: dict[str, Any]
) -> DenseNet:
    weights = chosen(weights, options, known)
    return filled(DenseNet(growth, blocks, first, **options), weights)


def densenet121(weights: Any = None, progress: bool = True, **options: Any) -> DenseNet:
    """A ``DenseNet`` of 121 layers. ``weights`` as for ``resnet18``."""
    return _densenet(32, (6, 12, 24, 16), 64, DenseNet121_Weights, weights, options)


def densenet161(weights: Any = None, progress: bool = True, **options: Any) -> DenseNet:
    """A ``DenseNet`` of 161 layers. ``weights`` as for ``resnet18``."""
    return _densenet(48, (6, 12, 36, 24), 96, DenseNet161_Weights, weights, options)


def densenet169(weights: Any = None, progress: bool = True, **options: Any) -> DenseNet:
    """A ``DenseNet`` of 169 layers. ``weights`` as for ``resnet18``."""
    return _densenet(32, (6, 12, 32, 32), 64, DenseNet169_Weights, weights, options)


def densenet201(weights: Any = None, progress: bool = True, **options: Any) -> DenseNet:
    """A ``DenseNet`` of 201 layers. ``weights`` as for ``resnet18``."""
    return _densenet(32, (6, 12, 48, 32), 64, DenseNet201_Weights, weights, options)


for _builder, _known in (
    (densenet121, DenseNet121_Weights),
    (densenet161, DenseNet161_Weights),
    (densenet169, DenseNet169_Weights),
    (densenet201, DenseNet201_Weights),
):
    _builder.weights = _known  # type: ignore[attr-defined]
