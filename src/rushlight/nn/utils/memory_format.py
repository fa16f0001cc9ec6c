"""Memory formats of convolution weights."""

from __future__ import annotations

from typing import Any

from ..conv import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d
from ..module import Module


def convert_conv2d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """``module``, with the weights of its two-dimensional convolutions in ``memory_format``; their results follow it.

    Example:
        >>> import rushlight as torch
        >>> layer = torch.nn.Conv2d(3, 4, 2)
        >>> torch.nn.utils.convert_conv2d_weight_memory_format(layer, torch.channels_last).weight.stride()
        (12, 1, 6, 3)
    """
    return _converted(module, memory_format, (Conv2d, ConvTranspose2d))


def convert_conv3d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """``module``, with the weights of its three-dimensional convolutions in ``memory_format``; their results follow it."""
    return _converted(module, memory_format, (Conv3d, ConvTranspose3d))


def _converted(module: Module, memory_format: Any, kinds: tuple[type[Module], ...]) -> Module:
    for each in module.modules():
        if isinstance(each, kinds):
            weight: Any = each.weight
            weight.data = weight.detach().clone(memory_format=memory_format)
    return module
