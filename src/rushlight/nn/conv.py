"""Convolution layers and their transposes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from ..core.tensor import Tensor
from ..ops.creation import empty
from . import init
from .functional.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from .module import Module
from .parameter import Parameter

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def _each_dimension(value: Any, dims: int) -> Any:
    return tuple(value) if isinstance(value, Iterable) else (value,) * dims


# By the number of spatial dimensions. The public functions: modes and tensors that override operations are asked about them.
_CONVOLUTIONS: Final[dict[int, Callable[..., Tensor]]] = {1: conv1d, 2: conv2d, 3: conv3d}
_TRANSPOSED: Final[dict[int, Callable[..., Tensor]]] = {
    1: conv_transpose1d,
    2: conv_transpose2d,
    3: conv_transpose3d,
}


class _ConvNd(Module):
    """What all convolutions share: the arguments, the parameters, and how they print."""

    __constants__ = (
        "stride", "padding", "dilation", "groups", "padding_mode", "output_padding", "in_channels", "out_channels",
        "kernel_size",
    )  # fmt: skip
    bias: Tensor | None
    weight: Tensor
    padding: Any  # "same", "valid", or an int for each dimension

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of 'same', 'valid'")
            if padding == "same" and any(s != 1 for s in stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in _PADDING_MODES:
            raise ValueError(
                f"padding_mode must be one of {', '.join(map(repr, _PADDING_MODES))}, but got padding_mode='{padding_mode}'"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        # As F.pad takes it: (before, after) from the last dimension to the first.
        self._reversed_padding_repeated_twice = _padding_from_the_last(padding, kernel_size, dilation)
        first, second = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        self.weight = Parameter(empty((first, second // groups, *kernel_size), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias again, evenly from ±1 / √(elements of the weight for each output)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        ]
        if self.padding != (0,) * len(self.padding):
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * len(self.dilation):
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != (0,) * len(self.output_padding):
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        dims = len(self.stride)
        padding = self.padding
        if self.padding_mode != "zeros":
            from .functional.padding import pad

            input = pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0,) * dims
        return _CONVOLUTIONS[dims](input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def _transpose_forward(self, input: Tensor, output_size: Sequence[int] | None) -> Tensor:
        dims = len(self.stride)
        if self.padding_mode != "zeros":
            raise ValueError(f"Only `zeros` padding mode is supported for {type(self).__name__}")
        extra = self._output_padding(input, output_size)
        return _TRANSPOSED[dims](
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

    def _output_padding(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """What to add to the smallest result to get ``output_size`` (with or without batch and channels)."""
        if output_size is None:
            return self.output_padding
        dims, ndim = len(self.stride), input._array.ndim
        outer = 2 if ndim == dims + 2 else 1
        wanted = tuple(output_size)
        if len(wanted) == dims + outer:
            wanted = wanted[outer:]
        if len(wanted) != dims:
            raise ValueError(
                f"ConvTranspose{dims}D: for {ndim}D input, output_size must have {dims} or {dims + outer} elements (got "
                f"{len(wanted)})"
            )
        least = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                input._array.shape[outer:],
                self.stride,
                self.padding,
                self.dilation,
                self.kernel_size,
                strict=True,
            )
        ]
        most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
        if any(not low <= n <= high for low, n, high in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"requested an output size of {wanted}, but valid sizes range from {least} to {most} (for an input of "
                f"{input.shape[2:]})"
            )
        return tuple([n - low for n, low in zip(wanted, least, strict=True)])


def _padding_from_the_last(
    padding: str | tuple[int, ...], kernel_size: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[int, ...]:
    pairs = [(0, 0)] * len(kernel_size)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel_size, strict=False)]
        pairs = [(t // 2, t - t // 2) for t in total]
    elif not isinstance(padding, str):
        pairs = [(p, p) for p in padding]
    return tuple([side for pair in reversed(pairs) for side in pair])


class _Convolution(_ConvNd):
    """A convolution over ``_dims`` spatial dimensions."""

    _dims: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        dims = self._dims
        super().__init__(
            in_channels,
            out_channels,
            _each_dimension(kernel_size, dims),
            _each_dimension(stride, dims),
            padding if isinstance(padding, str) else _each_dimension(padding, dims),
            _each_dimension(dilation, dims),
            False,
            (0,) * dims,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Convolution):
    """Cross-correlates ``(N, C, L)`` or ``(C, L)`` with ``weight`` ``(out_channels, in_channels / groups, kernel)``.

    Each output channel is the sum over its group's input channels, plus ``bias``. ``padding`` is a number of elements,
    ``"same"`` or ``"valid"``; ``padding_mode`` is ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
    Raises ``ValueError`` for arguments, and on call ``RuntimeError`` for inputs, that do not go together.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.Conv1d(16, 33, 3, stride=2)(torch.ones(20, 16, 50)).shape
        torch.Size([20, 33, 24])
    """

    _dims = 1


class Conv2d(_Convolution):
    """Cross-correlates ``(N, C, H, W)`` or ``(C, H, W)`` with ``weight`` ``(out_channels, in_channels / groups, kH, kW)``.

    Arguments may be pairs, for height and width. See ``Conv1d``.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))(torch.ones(20, 16, 50, 100)).shape
        torch.Size([20, 33, 28, 100])
    """

    _dims = 2


class Conv3d(_Convolution):
    """Cross-correlates ``(N, C, D, H, W)`` or ``(C, D, H, W)``; arguments may be triples. See ``Conv1d``.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.Conv3d(2, 3, 3, padding="same")(torch.ones(1, 2, 5, 6, 7)).shape
        torch.Size([1, 3, 5, 6, 7])
    """

    _dims = 3


class _ConvTransposeNd(_ConvNd):
    """A transposed convolution over ``_dims`` spatial dimensions."""

    _dims: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        dims = self._dims
        super().__init__(
            in_channels,
            out_channels,
            _each_dimension(kernel_size, dims),
            _each_dimension(stride, dims),
            _each_dimension(padding, dims),
            _each_dimension(dilation, dims),
            True,
            _each_dimension(output_padding, dims),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return self._transpose_forward(input, output_size)


class ConvTranspose1d(_ConvTransposeNd):
    """The gradient of ``Conv1d`` in its input, as a layer: ``weight`` is ``(in_channels, out_channels / groups, kernel)``.

    ``(N, C, L)`` becomes ``(N, out_channels, (L - 1)·stride - 2·padding + dilation·(kernel - 1) + output_padding + 1)``.
    A call may give ``output_size`` instead of ``output_padding``; ``ValueError`` where the stride can't reach it.

    Example:
        >>> import rushlight as torch
        >>> up = torch.nn.ConvTranspose1d(4, 2, 3, stride=2)
        >>> up(torch.ones(1, 4, 5)).shape, up(torch.ones(1, 4, 5), output_size=(12,)).shape
        (torch.Size([1, 2, 11]), torch.Size([1, 2, 12]))
    """

    _dims = 1


class ConvTranspose2d(_ConvTransposeNd):
    """The gradient of ``Conv2d`` in its input, as a layer; see ``ConvTranspose1d``.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.ConvTranspose2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))(torch.ones(20, 16, 50, 100)).shape
        torch.Size([20, 33, 93, 100])
    """

    _dims = 2


class ConvTranspose3d(_ConvTransposeNd):
    """The gradient of ``Conv3d`` in its input, as a layer; see ``ConvTranspose1d``."""

    _dims = 3
