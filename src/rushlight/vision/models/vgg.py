"""VGG. Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import nn
from ...core.tensor import Tensor
from ...ops.views import flatten
from .net_parts import initialise
from .weights import chosen, filled, weights_class

BUILDERS = ("vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn")
VGG11_Weights = weights_class("VGG11_Weights", IMAGENET1K_V1="vgg11-8a719046.pth")
VGG11_BN_Weights = weights_class("VGG11_BN_Weights", IMAGENET1K_V1="vgg11_bn-6002323d.pth")
VGG13_Weights = weights_class("VGG13_Weights", IMAGENET1K_V1="vgg13-19584684.pth")
VGG13_BN_Weights = weights_class("VGG13_BN_Weights", IMAGENET1K_V1="vgg13_bn-abd245e5.pth")
VGG16_Weights = weights_class("VGG16_Weights", IMAGENET1K_V1="vgg16-397923af.pth")
VGG16_BN_Weights = weights_class("VGG16_BN_Weights", IMAGENET1K_V1="vgg16_bn-6c64b313.pth")
VGG19_Weights = weights_class("VGG19_Weights", IMAGENET1K_V1="vgg19-dcbb9e9d.pth")
VGG19_BN_Weights = weights_class("VGG19_BN_Weights", IMAGENET1K_V1="vgg19_bn-c79401a0.pth")

# Channels of the convolutions in turn; 0 (programs write "M") is a pooling.
_CONFIGURATIONS = {
    11: (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0),
    13: (64, 64, 0, 128, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0),
    16: (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0),
    19: (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512, 512, 512, 512, 0),
}


class VGG(nn.Module):
    """Pictures ``(N, 3, H, W)``, 32 pixels or more, to scores ``(N, num_classes)``, over given convolutions ``features``."""

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """The classes' scores."""
        scores: Tensor = self.classifier(flatten(self.avgpool(self.features(x)), 1))
        return scores


def make_layers(cfg: Sequence[int | str], batch_norm: bool = False) -> nn.Sequential:
    """Convolutions of 3 by 3 with these numbers of channels in turn; "M" (or 0) is a pooling to half the size."""
    layers: list[nn.Module] = []
    before = 3
    for after in cfg:
        if not after or isinstance(after, str):
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(before, after, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(after))
        layers.append(nn.ReLU(inplace=True))
        before = after
    return nn.Sequential(*layers)


def _vgg(depth: int, batch_norm: bool, known: Any, weights: Any, options: dict[str, Any]) -> VGG:
    weights = chosen(weights, options, known)
    if weights is not None:
        options["init_weights"] = False
    return filled(VGG(make_layers(_CONFIGURATIONS[depth], batch_norm), **options), weights)


def vgg11(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """A ``VGG`` of 11 layers. ``weights`` as for ``resnet18``."""
    return _vgg(11, False, VGG11_Weights, weights, options)


def vgg11_bn(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """A ``VGG`` of 11 layers with batch normalisation. ``weights`` as for ``resnet18``."""
    return _vgg(11, True, VGG11_BN_Weights, weights, options)


def vgg13(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """A ``VGG`` of 13 layers. ``weights`` as for ``resnet18``."""
    return _vgg(13, False, VGG13_Weights, weights, options)


def vgg13_bn(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """A ``VGG`` of 13 layers with batch normalisation. ``weights`` as for ``resnet18``."""
    return _vgg(13, True, VGG13_BN_Weights, weights, options)


def vgg16(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """A ``VGG`` of 16 layers. ``weights`` as for ``resnet18``."""
    return _vgg(16, False, VGG16_Weights, weights, options)


def vgg16_bn(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """A ``VGG`` of 16 layers with batch normalisation. ``weights`` as for ``resnet18``."""
    return _vgg(16, True, VGG16_BN_Weights, weights, options)


def vgg19(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """A ``VGG`` of 19 layers. ``weights`` as for ``resnet18``."""
    return _vgg(19, False, VGG19_Weights, weights, options)


def vgg19_bn(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """A ``VGG`` of 19 layers with batch normalisation. ``weights`` as for ``resnet18``."""
    return _vgg(19, True, VGG19_BN_Weights, weights, options)


for _builder, _known in (
    (vgg11, VGG11_Weights),
    (vgg11_bn, VGG11_BN_Weights),
    (vgg13, VGG13_Weights),
    (vgg13_bn, VGG13_BN_Weights),
    (vgg16, VGG16_Weights),
    (vgg16_bn, VGG16_BN_Weights),
    (vgg19, VGG19_Weights),
    (vgg19_bn, VGG19_BN_Weights),
):
    _builder.weights = _known  # type: ignore[attr-defined]
