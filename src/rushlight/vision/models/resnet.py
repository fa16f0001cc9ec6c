"""Residual networks. He et al., "Deep residual learning for image recognition", 2015; Xie et al., "Aggregated residual
transformations for deep neural networks", 2016; Zagoruyko & Komodakis, "Wide residual networks", 2016."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ... import nn
from ...core.tensor import Tensor
from ...ops.views import flatten
from .weights import chosen, filled, weights_class

BUILDERS = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
    "wide_resnet50_2", "wide_resnet101_2",
)  # fmt: skip
Norm = Callable[[int], nn.Module]
ResNet18_Weights = weights_class(
    "ResNet18_Weights",
    IMAGENET1K_V1="resnet18-f37072fd.pth",
)
ResNet34_Weights = weights_class(
    "ResNet34_Weights",
    IMAGENET1K_V1="resnet34-b627a593.pth",
)
ResNet50_Weights = weights_class(
    "ResNet50_Weights",
    IMAGENET1K_V1="resnet50-0676ba61.pth",
    IMAGENET1K_V2="resnet50-11ad3fa6.pth",
)
ResNet101_Weights = weights_class(
    "ResNet101_Weights",
    IMAGENET1K_V1="resnet101-63fe2227.pth",
    IMAGENET1K_V2="resnet101-cd907fc2.pth",
)
ResNet152_Weights = weights_class(
    "ResNet152_Weights",
    IMAGENET1K_V1="resnet152-394f9c45.pth",
    IMAGENET1K_V2="resnet152-f82ba261.pth",
)


def conv3x3(before: int, after: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A convolution of 3 × 3 that keeps the size at stride 1."""
    return nn.Conv2d(
        before,
        after,
        kernel_size=3,
        stride=stride,
        padding=dilation,
        groups=groups,
        bias=False,
        dilation=dilation,
    )


def conv1x1(before: int, after: int, stride: int = 1) -> nn.Conv2d:
    """A convolution of 1 × 1."""
    return nn.Conv2d(before, after, kernel_size=1, stride=stride, bias=False)


class BasicBlock(nn.Module):
    """Two convolutions of 3 × 3 beside a shortcut: ``(N, inplanes, H, W)`` to ``(N, planes, H / stride, W / stride)``."""

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64")
        if dilation > 1:
            raise NotImplementedError("Dilation > 1 not supported in BasicBlock")
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """The block's result."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        result: Tensor = self.relu(out)
        return result


class Bottleneck(nn.Module):
    """Narrow by 1 × 1, filter by 3 × 3 (with the stride), widen by 1 × 1, beside a shortcut; four times ``planes`` come out."""

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """The block's result."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        result: Tensor = self.relu(out)
        return result


class ResNet(nn.Module):
    """Pictures ``(N, 3, H, W)`` to scores ``(N, num_classes)``: four stages of ``layers`` blocks each.

    Raises ``ValueError`` for other than three entries in ``replace_stride_with_dilation``.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes, self.dilation = 64, 1
        dilate = (
            (False, False, False) if replace_stride_with_dilation is None else replace_stride_with_dilation
        )
        if len(dilate) != 3:
            raise ValueError(
                f"replace_stride_with_dilation should be None or a 3-element tuple, got {dilate}"
            )
        self.groups, self.base_width = groups, width_per_group
        self.conv1 = nn.Conv2d(3, self.inplanes, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(self.inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2, dilate=dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2, dilate=dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2, dilate=dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)
        if zero_init_residual:  # every block then begins as the identity
            for module in self.modules():
                if isinstance(module, Bottleneck | BasicBlock):
                    last: Any = module.bn3 if isinstance(module, Bottleneck) else module.bn2
                    nn.init.constant_(last.weight, 0)

    def _make_layer(
        self,
        block: type[BasicBlock | Bottleneck],
        planes: int,
        blocks: int,
        stride: int = 1,
        dilate: bool = False,
    ) -> nn.Sequential:
        norm, before = self._norm_layer, self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        downsample = None
        width = planes * block.expansion
        if stride != 1 or self.inplanes != width:
            downsample = nn.Sequential(conv1x1(self.inplanes, width, stride), norm(width))
        groups = self.groups, self.base_width
        stage = [block(self.inplanes, planes, stride, downsample, *groups, before, norm)]
        self.inplanes = width
        for _ in range(1, blocks):
            stage.append(block(width, planes, 1, None, *groups, self.dilation, norm))
        return nn.Sequential(*stage)

    def forward(self, x: Tensor) -> Tensor:
        """The classes' scores."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        scores: Tensor = self.fc(flatten(self.avgpool(x), 1))
        return scores


def _resnet(
    block: type[BasicBlock | Bottleneck],
    layers: tuple[int, ...],
    known: Any,
    weights: Any,
    options: dict[str, Any],
) -> ResNet:
    weights = chosen(weights, options, known)
    return filled(ResNet(block, layers, **options), weights)


def resnet18(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """A ``ResNet`` of 18 layers: 11.7 million parameters.

    ``weights``: None, or a published checkpoint (``ResNet18_Weights.DEFAULT`` or its name), whose file must lie in
    ``torch.hub.get_dir()/checkpoints``: nothing is downloaded. ``options`` are the class's.

    Example:
        >>> import rushlight as torch
        >>> model = torch.vision.models.resnet18(num_classes=10).eval()
        >>> model(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 10])
    """
    return _resnet(BasicBlock, (2, 2, 2, 2), ResNet18_Weights, weights, options)


def resnet34(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """A ``ResNet`` of 34 layers. Arguments as for ``resnet18``."""
    return _resnet(BasicBlock, (3, 4, 6, 3), ResNet34_Weights, weights, options)


def resnet50(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """A ``ResNet`` of 50 layers. Arguments as for ``resnet18``."""
    return _resnet(Bottleneck, (3, 4, 6, 3), ResNet50_Weights, weights, options)


def resnet101(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """A ``ResNet`` of 101 layers. Arguments as for ``resnet18``."""
    return _resnet(Bottleneck, (3, 4, 23, 3), ResNet101_Weights, weights, options)


def resnet152(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """A ``ResNet`` of 152 layers. Arguments as for ``resnet18``."""
    return _resnet(Bottleneck, (3, 8, 36, 3), ResNet152_Weights, weights, options)


def resnext50_32x4d(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """A ``ResNet`` with ``groups=32, width_per_group=4``. Arguments as for ``resnet18``, without checkpoints."""
    return _resnet(Bottleneck, (3, 4, 6, 3), None, weights, dict(groups=32, width_per_group=4, **options))


def resnext101_32x8d(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """A ``ResNet`` with ``groups=32, width_per_group=8``. Arguments as for ``resnet18``, without checkpoints."""
    return _resnet(Bottleneck, (3, 4, 23, 3), None, weights, dict(groups=32, width_per_group=8, **options))


def wide_resnet50_2(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """A ``ResNet`` with ``width_per_group=128``. Arguments as for ``resnet18``, without checkpoints."""
    return _resnet(Bottleneck, (3, 4, 6, 3), None, weights, dict(width_per_group=128, **options))


def wide_resnet101_2(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """A ``ResNet`` with ``width_per_group=128``. Arguments as for ``resnet18``, without checkpoints."""
    return _resnet(Bottleneck, (3, 4, 23, 3), None, weights, dict(width_per_group=128, **options))


for _builder, _known in (
    (resnet18, ResNet18_Weights),
    (resnet34, ResNet34_Weights),
    (resnet50, ResNet50_Weights),
    (resnet101, ResNet101_Weights),
    (resnet152, ResNet152_Weights),
):
    _builder.weights = _known  # type: ignore[attr-defined]
