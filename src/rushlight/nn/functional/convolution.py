"""Convolutions and their transposes."""

from __future__ import annotations

from typing import Any

from ...core.tensor import Tensor
from ...ops.convolution import convolution, convolution_transpose


def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """The convolution of ``input`` (N, C, L) with ``weight`` (O, C / groups, K); see ``nn.Conv1d``."""
    return convolution(input, weight, bias, stride, padding, dilation, groups, 1)


def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """The convolution of ``input`` (N, C, H, W) with ``weight`` (O, C / groups, kH, kW); see ``nn.Conv2d``.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2)).shape
        torch.Size([1, 1, 2, 2])
    """
    return convolution(input, weight, bias, stride, padding, dilation, groups, 2)


def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """The convolution of ``input`` (N, C, D, H, W) with ``weight`` (O, C / groups, kD, kH, kW)."""
    return convolution(input, weight, bias, stride, padding, dilation, groups, 3)


def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The transposed convolution of ``input`` (N, C, L) with ``weight`` (C, O / groups, K)."""
    return convolution_transpose(input, weight, bias, stride, padding, output_padding, groups, dilation, 1)


def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The transposed convolution of ``input`` (N, C, H, W) with ``weight`` (C, O / groups, kH, kW)."""
    return convolution_transpose(input, weight, bias, stride, padding, output_padding, groups, dilation, 2)


def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The transposed convolution of ``input`` (N, C, D, H, W) with ``weight`` (C, O / groups, kD, kH, kW)."""
    return convolution_transpose(input, weight, bias, stride, padding, output_padding, groups, dilation, 3)
