"""GoogLeNet. Szegedy et al., "Going deeper with convolutions", 2014."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from ... import nn
from ...core.tensor import Tensor
from ...ops.joining import cat
from ...ops.views import flatten
from .inception_parts import BasicConv2d, as_trained, asked_for, initialise
from .weights import chosen, filled, weights_class

BUILDERS = ("googlenet",)
GoogLeNet_Weights = weights_class("GoogLeNet_Weights", IMAGENET1K_V1="googlenet-1378be20.pth")
GoogLeNetOutputs = namedtuple("GoogLeNetOutputs", ["logits", "aux_logits2", "aux_logits1"])

# Channels: of 1 × 1; before and after 3 × 3; before and after the second 3 × 3; behind the pooling.
_INCEPTIONS = {
    "3a": (192, 64, 96, 128, 16, 32, 32),
    "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}


class Inception(nn.Module):
    """Convolutions of several sizes, and a pooling, side by side."""

    def __init__(self, in_channels: int, ch1x1: int, ch3x3red: int, ch3x3: int, ch5x5red: int, ch5x5: int,
                 pool_proj: int) -> None:  # fmt: skip
        super().__init__()
        self.branch1 = BasicConv2d(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            BasicConv2d(in_channels, ch3x3red, kernel_size=1),
            BasicConv2d(ch3x3red, ch3x3, kernel_size=3, padding=1),
        )
        # 3 × 3 where the paper has 5 × 5: so the published weights have it.
        self.branch3 = nn.Sequential(
            BasicConv2d(in_channels, ch5x5red, kernel_size=1),
            BasicConv2d(ch5x5red, ch5x5, kernel_size=3, padding=1),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            BasicConv2d(in_channels, pool_proj, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, all branches' channels, H, W)``."""
        return cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """Scores from the middle of the net, for training."""

    def __init__(self, in_channels: int, num_classes: int, dropout: float = 0.7) -> None:
        super().__init__()
        self.conv = BasicConv2d(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, num_classes)``."""
        x = flatten(self.conv(nn.functional.adaptive_avg_pool2d(x, (4, 4))), 1)
        scores: Tensor = self.fc2(self.dropout(nn.functional.relu(self.fc1(x), inplace=True)))
        return scores


class GoogLeNet(nn.Module):
    """Pictures ``(N, 3, H, W)`` to scores ``(N, num_classes)``; in training with ``aux_logits`` to ``GoogLeNetOutputs``."""

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool | None = None,
        blocks: Any = None,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ) -> None:
        super().__init__()
        conv, inception, aux = blocks or (BasicConv2d, Inception, InceptionAux)
        initialised = asked_for(init_weights, "GoogleNet")
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for name, widths in _INCEPTIONS.items():
            setattr(self, f"inception{name}", inception(*widths))
            if name == "3b":
                self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
            elif name == "4e":
                self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.aux1 = aux(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = aux(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(1024, num_classes)
        if initialised:
            initialise(self, 0.01)

    def forward(self, x: Tensor) -> Any:
        """The classes' scores."""
        if self.transform_input:
            x = as_trained(x)
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        aux = []
        for name in _INCEPTIONS:
            x = getattr(self, f"inception{name}")(x)
            if name == "3b":
                x = self.maxpool3(x)
            elif name == "4e":
                x = self.maxpool4(x)
            # aux2 sees what 4d gives, which 4e then takes.
            scorer = {"4a": self.aux1, "4d": self.aux2}.get(name)
            if scorer is not None and self.training:
                aux.append(scorer(x))
        scores = self.fc(self.dropout(flatten(self.avgpool(x), 1)))
        return GoogLeNetOutputs(scores, aux[1], aux[0]) if aux else scores


def googlenet(*, weights: Any = None, progress: bool = True, **options: Any) -> GoogLeNet:
    """GoogLeNet. With ``weights`` (as for ``resnet18``) it is made without the auxiliary scores, unless they are asked for."""
    weights = chosen(weights, options, GoogLeNet_Weights)
    if weights is None:
        return GoogLeNet(**options)
    wanted = options.pop("aux_logits", False)
    model = GoogLeNet(**({"transform_input": True, "init_weights": False, "aux_logits": True} | options))
    filled(model, weights)
    if not wanted:
        model.aux_logits = False
        model.aux1 = model.aux2 = None
    return model


vars(googlenet)["weights"] = GoogLeNet_Weights
