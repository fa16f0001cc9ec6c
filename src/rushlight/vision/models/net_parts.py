"""What nets of several families share: widths that are multiples, and the weights that they begin with."""

from __future__ import annotations

from collections.abc import Callable

from ... import nn


def divisible(value: float, divisor: int) -> int:
    """The multiple of ``divisor`` next to ``value``, and not more than a tenth below it."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def _narrow(layer: nn.Linear) -> None:
    nn.init.normal_(layer.weight, 0, 0.01)


def initialise(model: nn.Module, initialise_linear: Callable[[nn.Linear], None] = _narrow) -> None:
    """Convolutions by their outputs (He et al., "Delving deep into rectifiers", 2015), norms one, biases zero.

    ``initialise_linear`` sets the weight of a linear layer: a normal distribution of deviation 0.01 unless given.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            initialise_linear(module)
            nn.init.zeros_(module.bias)
