"""Linear, convolution and normalisation layers that take the number of input features from their first input."""

from __future__ import annotations

from typing import Any

from ..core.grad_mode import GRAD_MODE
from ..core.tensor import Tensor
from ..ops.creation import tensor
from . import conv, normalization
from .lazy import LazyModuleMixin
from .linear import Linear
from .parameter import UninitializedBuffer, UninitializedParameter


class LazyLinear(LazyModuleMixin, Linear):
    """``Linear`` whose ``in_features`` is the last extent of the first input.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.LazyLinear(30)(torch.ones(128, 20)).shape
        torch.Size([128, 30])
    """

    cls_to_become = Linear
    weight: Any

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw weight and bias, once there are any."""
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        if not self.has_uninitialized_params():
            if self.in_features == 0:
                self.in_features = self.weight.shape[-1]  # a checkpoint was loaded
            return
        token = GRAD_MODE.set(False)
        try:
            self.in_features = input.shape[-1]
            self.weight.materialize((self.out_features, self.in_features))
            if self.bias is not None:
                self.bias.materialize((self.out_features,))
            self.reset_parameters()
        finally:
            GRAD_MODE.reset(token)


class _LazyConvXdMixin(LazyModuleMixin):
    _dims: int
    weight: Any
    bias: Any
    in_channels: int
    groups: int

    def reset_parameters(self) -> None:
        """Draw weight and bias, once there are any."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]

    def _defer(self, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def _channels_of(self, input: Any) -> int:
        dims = self._dims
        if input.dim() not in (dims + 1, dims + 2):
            raise RuntimeError(
                f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {type(self).__name__}, but got input of "
                f"size: {input.shape}"
            )
        return int(input.shape[-dims - 1])

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        module: Any = self
        if not self.has_uninitialized_params():
            return  # a checkpoint was loaded; as in PyTorch in_channels stays 0
        self.in_channels = self._channels_of(input)
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        first, second = self.out_channels, self.in_channels
        if module.transposed:
            first, second = second, first
        token = GRAD_MODE.set(False)
        try:
            self.weight.materialize((first, second // self.groups, *module.kernel_size))
            if self.bias is not None:
                self.bias.materialize((self.out_channels,))
            self.reset_parameters()
        finally:
            GRAD_MODE.reset(token)


class _LazyConvolution(_LazyConvXdMixin):
    def __init__(
        self,
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
        # bias=False: it has no shape yet either
        super().__init__(
            0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype
        )
        self._defer(out_channels, bias, device, dtype)


class _LazyTransposedConvolution(_LazyConvXdMixin):
    def __init__(
        self,
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
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode, device, dtype
        )  # fmt: skip
        self._defer(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConvolution, conv.Conv1d):
    """``Conv1d`` whose ``in_channels`` are those of the first input."""

    cls_to_become = conv.Conv1d


class LazyConv2d(_LazyConvolution, conv.Conv2d):
    """``Conv2d`` whose ``in_channels`` are those of the first input.

    Example:
        >>> import rushlight as torch
        >>> layer = torch.nn.LazyConv2d(4, 3, padding=1)
        >>> layer(torch.ones(1, 2, 5, 5)).shape, layer.in_channels
        (torch.Size([1, 4, 5, 5]), 2)
    """

    cls_to_become = conv.Conv2d


class LazyConv3d(_LazyConvolution, conv.Conv3d):
    """``Conv3d`` whose ``in_channels`` are those of the first input."""

    cls_to_become = conv.Conv3d


class LazyConvTranspose1d(_LazyTransposedConvolution, conv.ConvTranspose1d):
    """``ConvTranspose1d`` whose ``in_channels`` are those of the first input."""

    cls_to_become = conv.ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposedConvolution, conv.ConvTranspose2d):
    """``ConvTranspose2d`` whose ``in_channels`` are those of the first input."""

    cls_to_become = conv.ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposedConvolution, conv.ConvTranspose3d):
    """``ConvTranspose3d`` whose ``in_channels`` are those of the first input."""

    cls_to_become = conv.ConvTranspose3d


class _LazyNormBase(LazyModuleMixin):
    weight: Any
    bias: Any
    running_mean: Any
    running_var: Any

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        # affine and track_running_stats follow below: there are no features to make them for
        super().__init__(0, eps, momentum, False, False, device, dtype)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = tensor(0, device=device)

    def reset_parameters(self) -> None:
        """Set scale, shift and running statistics, once there are any."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Tensor) -> None:
        if not self.has_uninitialized_params():
            return  # a checkpoint was loaded; as in PyTorch num_features stays 0
        self.num_features = input.shape[1]
        for name in ("weight", "bias", "running_mean", "running_var"):
            own = getattr(self, name)
            if own is not None:
                own.materialize((self.num_features,))
        self.reset_parameters()


class LazyBatchNorm1d(_LazyNormBase, normalization.BatchNorm1d):  # type: ignore[misc]
    """``BatchNorm1d`` whose ``num_features`` are the channels of the first input."""

    cls_to_become = normalization.BatchNorm1d


class LazyBatchNorm2d(_LazyNormBase, normalization.BatchNorm2d):  # type: ignore[misc]
    """``BatchNorm2d`` whose ``num_features`` are the channels of the first input.

    Example:
        >>> import rushlight as torch
        >>> norm = torch.nn.LazyBatchNorm2d()
        >>> norm(torch.ones(2, 3, 4, 4)).shape, norm.num_features
        (torch.Size([2, 3, 4, 4]), 3)
    """

    cls_to_become = normalization.BatchNorm2d


class LazyBatchNorm3d(_LazyNormBase, normalization.BatchNorm3d):  # type: ignore[misc]
    """``BatchNorm3d`` whose ``num_features`` are the channels of the first input."""

    cls_to_become = normalization.BatchNorm3d


class LazyInstanceNorm1d(_LazyNormBase, normalization.InstanceNorm1d):  # type: ignore[misc]
    """``InstanceNorm1d`` whose ``num_features`` are the channels of the first input."""

    cls_to_become = normalization.InstanceNorm1d


class LazyInstanceNorm2d(_LazyNormBase, normalization.InstanceNorm2d):  # type: ignore[misc]
    """``InstanceNorm2d`` whose ``num_features`` are the channels of the first input."""

    cls_to_become = normalization.InstanceNorm2d


class LazyInstanceNorm3d(_LazyNormBase, normalization.InstanceNorm3d):  # type: ignore[misc]
    """``InstanceNorm3d`` whose ``num_features`` are the channels of the first input."""

    cls_to_become = normalization.InstanceNorm3d
