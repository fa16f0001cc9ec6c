"""What the two Inception nets share."""

from __future__ import annotations

import warnings
from typing import Any

from ... import nn
from ...core.tensor import Tensor
from ...ops.joining import cat


class BasicConv2d(nn.Module):
    """A convolution, a norm and a ReLU."""

    def __init__(self, in_channels: int, out_channels: int, **options: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **options)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H', W')``."""
        return nn.functional.relu(self.bn(self.conv(x)), inplace=True)


def as_trained(x: Tensor) -> Tensor:
    """Pictures normalized by ImageNet's mean and deviation as the nets were trained with them: by 0.5 and 0.5."""
    return cat(
        [
            x[:, i : i + 1] * (deviation / 0.5) + (mean - 0.5) / 0.5
            for i, (mean, deviation) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225)))
        ],
        1,
    )


def asked_for(init_weights: bool | None, name: str) -> bool:
    """Whether to initialise; warns where the program did not say, because the truncated normal distribution is slow."""
    if init_weights is not None:
        return init_weights
    warnings.warn(
        f"The default weight initialization of {name} will be changed in future releases of torchvision. If you wish to "
        "keep the old behavior (which leads to long initialization times due to scipy/scipy#11299), please set "
        "init_weights=True.",
        FutureWarning,
        stacklevel=4,
    )
    return True


def initialise(model: nn.Module, usual: float) -> None:
    """Truncated normal weights, with a module's own ``stddev`` or the ``usual`` one."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            deviation = float(getattr(module, "stddev", usual))
            nn.init.trunc_normal_(module.weight, mean=0.0, std=deviation, a=-2, b=2)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.weight, 1)
            nn.init.constant_(module.bias, 0)
