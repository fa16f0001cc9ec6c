"""Inception v3. Szegedy et al., "Rethinking the Inception architecture for computer vision", 2015."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from ... import nn
from ...core.tensor import Tensor
from ...ops.joining import cat
from ...ops.views import flatten
from .inception_parts import BasicConv2d, as_trained, asked_for, initialise
from .weights import chosen, filled, weights_class

BUILDERS = ("inception_v3",)
Inception_V3_Weights = weights_class("Inception_V3_Weights", IMAGENET1K_V1="inception_v3_google-0cc3c7bd.pth")
InceptionOutputs = namedtuple("InceptionOutputs", ["logits", "aux_logits"])
_Conv = Any


def _pooled(x: Tensor) -> Tensor:
    return nn.functional.avg_pool2d(x, kernel_size=3, stride=1, padding=1)


def _halved(x: Tensor) -> Tensor:
    found: Tensor = nn.functional.max_pool2d(x, kernel_size=3, stride=2)
    return found


class InceptionA(nn.Module):
    """Convolutions of 1, 5 and twice 3 pixels."""

    def __init__(self, in_channels: int, pool_features: int, conv_block: _Conv = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch1x1 = conv(in_channels, 64, kernel_size=1)
        self.branch5x5_1 = conv(in_channels, 48, kernel_size=1)
        self.branch5x5_2 = conv(48, 64, kernel_size=5, padding=2)
        self.branch3x3dbl_1 = conv(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = conv(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = conv(96, 96, kernel_size=3, padding=1)
        self.branch_pool = conv(in_channels, pool_features, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, 224 + pool_features, H, W)``."""
        twice = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        parts = [
            self.branch1x1(x),
            self.branch5x5_2(self.branch5x5_1(x)),
            twice,
            self.branch_pool(_pooled(x)),
        ]
        return cat(parts, 1)


class InceptionB(nn.Module):
    """Half the size: convolutions of 3 and twice 3 pixels, and a pooling."""

    def __init__(self, in_channels: int, conv_block: _Conv = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch3x3 = conv(in_channels, 384, kernel_size=3, stride=2)
        self.branch3x3dbl_1 = conv(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = conv(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = conv(96, 96, kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, 480 + C, H / 2, W / 2)``."""
        twice = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return cat([self.branch3x3(x), twice, _halved(x)], 1)


class InceptionC(nn.Module):
    """Convolutions of 7 pixels down and across."""

    def __init__(self, in_channels: int, channels_7x7: int, conv_block: _Conv = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        width = channels_7x7
        across: dict[str, Any] = {"kernel_size": (1, 7), "padding": (0, 3)}
        down: dict[str, Any] = {"kernel_size": (7, 1), "padding": (3, 0)}
        self.branch1x1 = conv(in_channels, 192, kernel_size=1)
        self.branch7x7_1 = conv(in_channels, width, kernel_size=1)
        self.branch7x7_2 = conv(width, width, **across)
        self.branch7x7_3 = conv(width, 192, **down)
        self.branch7x7dbl_1 = conv(in_channels, width, kernel_size=1)
        self.branch7x7dbl_2 = conv(width, width, **down)
        self.branch7x7dbl_3 = conv(width, width, **across)
        self.branch7x7dbl_4 = conv(width, width, **down)
        self.branch7x7dbl_5 = conv(width, 192, **across)
        self.branch_pool = conv(in_channels, 192, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, 768, H, W)``."""
        once = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return cat([self.branch1x1(x), once, twice, self.branch_pool(_pooled(x))], 1)


class InceptionD(nn.Module):
    """Half the size: convolutions of 3 and of 7 and 3 pixels, and a pooling."""

    def __init__(self, in_channels: int, conv_block: _Conv = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch3x3_1 = conv(in_channels, 192, kernel_size=1)
        self.branch3x3_2 = conv(192, 320, kernel_size=3, stride=2)
        self.branch7x7x3_1 = conv(in_channels, 192, kernel_size=1)
        self.branch7x7x3_2 = conv(192, 192, kernel_size=(1, 7), padding=(0, 3))
        self.branch7x7x3_3 = conv(192, 192, kernel_size=(7, 1), padding=(3, 0))
        self.branch7x7x3_4 = conv(192, 192, kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, 512 + C, H / 2, W / 2)``."""
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return cat([self.branch3x3_2(self.branch3x3_1(x)), self.branch7x7x3_4(seven), _halved(x)], 1)


class InceptionE(nn.Module):
    """Convolutions of 3 pixels down and across, side by side."""

    def __init__(self, in_channels: int, conv_block: _Conv = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        across: dict[str, Any] = {"kernel_size": (1, 3), "padding": (0, 1)}
        down: dict[str, Any] = {"kernel_size": (3, 1), "padding": (1, 0)}
        self.branch1x1 = conv(in_channels, 320, kernel_size=1)
        self.branch3x3_1 = conv(in_channels, 384, kernel_size=1)
        self.branch3x3_2a = conv(384, 384, **across)
        self.branch3x3_2b = conv(384, 384, **down)
        self.branch3x3dbl_1 = conv(in_channels, 448, kernel_size=1)
        self.branch3x3dbl_2 = conv(448, 384, kernel_size=3, padding=1)
        self.branch3x3dbl_3a = conv(384, 384, **across)
        self.branch3x3dbl_3b = conv(384, 384, **down)
        self.branch_pool = conv(in_channels, 192, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, 2048, H, W)``."""
        three = self.branch3x3_1(x)
        twice = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        parts = [self.branch1x1(x), self.branch3x3_2a(three), self.branch3x3_2b(three)]
        parts += [self.branch3x3dbl_3a(twice), self.branch3x3dbl_3b(twice), self.branch_pool(_pooled(x))]
        return cat(parts, 1)


class InceptionAux(nn.Module):
    """Scores from the middle of the net, for training."""

    def __init__(self, in_channels: int, num_classes: int, conv_block: _Conv = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.conv0 = conv(in_channels, 128, kernel_size=1)
        self.conv1 = conv(128, 768, kernel_size=5)
        self.conv1.stddev = 0.01
        self.fc = nn.Linear(768, num_classes)
        self.fc.stddev = 0.001

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, num_classes)``."""
        x = self.conv1(self.conv0(nn.functional.avg_pool2d(x, kernel_size=5, stride=3)))
        scores: Tensor = self.fc(flatten(nn.functional.adaptive_avg_pool2d(x, (1, 1)), 1))
        return scores


class Inception3(nn.Module):
    """Pictures ``(N, 3, 299, 299)`` to scores ``(N, num_classes)``; in training with ``aux_logits`` to ``InceptionOutputs``."""

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        inception_blocks: Any = None,
        init_weights: bool | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        blocks = inception_blocks or (
            BasicConv2d,
            InceptionA,
            InceptionB,
            InceptionC,
            InceptionD,
            InceptionE,
            InceptionAux,
        )
        initialised = asked_for(init_weights, "inception_v3")
        conv, a, b, c, d, e, aux = blocks
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.Conv2d_1a_3x3 = conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Mixed_5b = a(192, pool_features=32)
        self.Mixed_5c = a(256, pool_features=64)
        self.Mixed_5d = a(288, pool_features=64)
        self.Mixed_6a = b(288)
        self.Mixed_6b = c(768, channels_7x7=128)
        self.Mixed_6c = c(768, channels_7x7=160)
        self.Mixed_6d = c(768, channels_7x7=160)
        self.Mixed_6e = c(768, channels_7x7=192)
        self.AuxLogits: Any = aux(768, num_classes) if aux_logits else None
        self.Mixed_7a = d(768)
        self.Mixed_7b = e(1280)
        self.Mixed_7c = e(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(2048, num_classes)
        if initialised:
            initialise(self, 0.1)

    def forward(self, x: Tensor) -> Any:
        """The classes' scores."""
        if self.transform_input:
            x = as_trained(x)
        x = self.maxpool1(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
        x = self.maxpool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
        for mixed in (self.Mixed_5b, self.Mixed_5c, self.Mixed_5d, self.Mixed_6a):
            x = mixed(x)
        for mixed in (self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e):
            x = mixed(x)
        aux = self.AuxLogits(x) if self.AuxLogits is not None and self.training else None
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        scores = self.fc(flatten(self.dropout(self.avgpool(x)), 1))
        return InceptionOutputs(scores, aux) if self.training and self.aux_logits else scores


def inception_v3(*, weights: Any = None, progress: bool = True, **options: Any) -> Inception3:
    """Inception v3, for pictures of 299 × 299. ``weights`` as for ``resnet18``; with them ``aux_logits=False`` takes the
    auxiliary scores away after loading.
    """
    weights = chosen(weights, options, Inception_V3_Weights)
    if weights is None:
        return Inception3(**options)
    wanted = options.pop("aux_logits", True)
    model = Inception3(**({"transform_input": True, "init_weights": False, "aux_logits": True} | options))
    filled(model, weights)
    if not wanted:
        model.aux_logits, model.AuxLogits = False, None
    return model


vars(inception_v3)["weights"] = Inception_V3_Weights
