"""Normalisation layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.tensor import Tensor
from ..ops.creation import empty, ones, tensor, zeros
from ..ops.linalg import matmul
from . import functional, init
from .module import Module
from .parameter import Parameter


class _NormBase(Module):
    """What batch and instance normalisation share: scale, shift, and running statistics."""

    __constants__ = ("track_running_stats", "momentum", "eps", "num_features", "affine")
    _version = 2  # since 2 with num_batches_tracked
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        scale = Parameter(empty(num_features, device=device, dtype=dtype)) if affine else None
        shift = Parameter(empty(num_features, device=device, dtype=dtype)) if affine and bias else None
        self.register_parameter("weight", scale)
        self.register_parameter("bias", shift)
        if track_running_stats:
            self.register_buffer("running_mean", zeros(num_features, device=device, dtype=dtype))
            self.register_buffer("running_var", ones(num_features, device=device, dtype=dtype))
            self.register_buffer("num_batches_tracked", tensor(0, device=device))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Set the running mean to 0, the variance to 1, and the count of batches to 0."""
        if self.track_running_stats:
            assert self.running_mean is not None
            self.running_mean.zero_()
            self.running_var.fill_(1)  # type: ignore[union-attr]
            self.num_batches_tracked.zero_()  # type: ignore[union-attr]

    def reset_parameters(self) -> None:
        """Set scale 1, shift 0, and the running statistics to their start."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        raise NotImplementedError

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: Mapping[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        version = local_metadata.get("version")
        if (version is None or version < 2) and self.track_running_stats:
            # Checkpoints of the time before the count was kept.
            key = prefix + "num_batches_tracked"
            if key not in state_dict:
                own = self.num_batches_tracked
                state_dict = {**state_dict, key: tensor(0) if own is None or own.is_meta else own}
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class _BatchNorm(_NormBase):
    """Batch normalisation of inputs with any number of spatial dimensions."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        training = self.training
        momentum = self.momentum
        buffers, parameters = self._buffers, self._parameters
        mean, variance = buffers["running_mean"], buffers["running_var"]
        if (
            "weight" not in parameters or "bias" not in parameters
        ):  # a reparametrization made it a plain attribute
            parameters = {"weight": self.weight, "bias": self.bias}
        if training and self.track_running_stats:
            counter = buffers["num_batches_tracked"]
            if counter is not None:
                counter.add_(1)
                if momentum is None:  # the average over all batches
                    momentum = 1.0 / float(counter)
        use_batch = training or (mean is None and variance is None)
        if training and not self.track_running_stats:
            mean = variance = None
        return functional.batch_norm(
            input,
            mean,
            variance,
            parameters["weight"],
            parameters["bias"],
            use_batch,
            0.0 if momentum is None else momentum,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Standardises each channel of ``(N, C)`` or ``(N, C, L)`` over the batch, then scales and shifts it.

    In training by the batch's own statistics; running ones are kept (mean and unbiased variance, moved by ``momentum``, or
    with ``momentum=None`` the average over all batches) and used in evaluation. Raises ``ValueError`` for another number
    of dimensions, and in training for a single value in each channel.
    Ioffe & Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate shift", 2015.

    Example:
        >>> import rushlight as torch
        >>> norm = torch.nn.BatchNorm1d(1, momentum=0.5)
        >>> norm(torch.tensor([[1.0], [3.0]])).detach().round(decimals=3)
        tensor([[-1.],
                [ 1.]])
        >>> norm.running_mean
        tensor([1.])
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input._array.ndim not in (2, 3):
            raise ValueError(f"expected 2D or 3D input (got {input._array.ndim}D input)")


class BatchNorm2d(_BatchNorm):
    """Standardises each channel of ``(N, C, H, W)`` over batch and plane. See ``BatchNorm1d``.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.BatchNorm2d(3)(torch.randn(2, 3, 4, 4)).shape
        torch.Size([2, 3, 4, 4])
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input._array.ndim != 4:
            raise ValueError(f"expected 4D input (got {input._array.ndim}D input)")


class BatchNorm3d(_BatchNorm):
    """Standardises each channel of ``(N, C, D, H, W)`` over batch and volume. See ``BatchNorm1d``."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input._array.ndim != 5:
            raise ValueError(f"expected 5D input (got {input._array.ndim}D input)")


class _InstanceNorm(_NormBase):
    _dims: int

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def _check_input_dim(self, input: Tensor) -> None:
        ndim = input._array.ndim
        if ndim not in (self._dims + 1, self._dims + 2):
            raise ValueError(f"expected {self._dims + 1}D or {self._dims + 2}D input (got {ndim}D input)")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        single = input._array.ndim == self._dims + 1
        dim = 0 if single else 1
        channels = input._array.shape[dim]
        if channels != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={dim} to match num_features ({self.num_features}), but got: {channels}."
                )
            import warnings

            warnings.warn(
                f"input's size at dim={dim} does not match num_features. You can silence this warning by not passing in "
                "num_features, which is not used because affine=False",
                stacklevel=2,
            )
        result = functional.instance_norm(
            input.unsqueeze(0) if single else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return result.squeeze(0) if single else result

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: Mapping[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        if local_metadata.get("version") is None and not self.track_running_stats:
            stale = [key for key in (prefix + "running_mean", prefix + "running_var") if key in state_dict]
            if stale:
                listed = " and ".join([f'"{key}"' for key in stale])
                error_msgs.append(
                    f"Unexpected running stats buffer(s) {listed} for {type(self).__name__} with "
                    "track_running_stats=False. If state_dict is a checkpoint saved before 0.4.0, this may be expected "
                    f"because {type(self).__name__} does not track running stats by default since 0.4.0. Please remove these "
                    "keys from state_dict. If the running stats are actually needed, instead set "
                    "track_running_stats=True to enable them. See the documentation of "
                    f"{type(self).__name__} for details."
                )
                state_dict = {key: value for key, value in state_dict.items() if key not in stale}
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class InstanceNorm1d(_InstanceNorm):
    """Standardises every channel of every sample of ``(N, C, L)`` or ``(C, L)`` by itself.

    Unlike batch normalisation it has no scale and shift, and keeps no running statistics, unless asked to. Raises
    ``ValueError`` for a length of 1. Ulyanov, Vedaldi & Lempitsky, "Instance normalization", 2016.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.InstanceNorm1d(1)(torch.tensor([[[1.0, 3.0]]])).detach().round(decimals=3)
        tensor([[[-1.,  1.]]])
    """

    _dims = 1


class InstanceNorm2d(_InstanceNorm):
    """Standardises every channel of every sample of ``(N, C, H, W)`` or ``(C, H, W)``. See ``InstanceNorm1d``."""

    _dims = 2


class InstanceNorm3d(_InstanceNorm):
    """Standardises every channel of every sample of ``(N, C, D, H, W)`` or ``(C, D, H, W)``. See ``InstanceNorm1d``."""

    _dims = 3


class LayerNorm(Module):
    """Standardises over the last dimensions, which are ``normalized_shape``, then scales and shifts element by element.

    Raises ``RuntimeError`` for inputs whose shape does not end so. Ba, Kiros & Hinton, "Layer normalization", 2016.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.LayerNorm(10)(torch.randn(20, 5, 10)).shape
        torch.Size([20, 5, 10])
    """

    __constants__ = ("normalized_shape", "eps", "elementwise_affine")

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape = shape
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        scale = Parameter(empty(shape, device=device, dtype=dtype)) if elementwise_affine else None
        shift = Parameter(empty(shape, device=device, dtype=dtype)) if elementwise_affine and bias else None
        self.register_parameter("weight", scale)
        self.register_parameter("bias", shift)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set scale 1 and shift 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        parameters = self._parameters
        try:
            weight, bias = parameters["weight"], parameters["bias"]
        except KeyError:  # a reparametrization made them plain attributes
            weight, bias = self.weight, self.bias
        return functional.layer_norm(input, self.normalized_shape, weight, bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Divides by the root of the mean square over the last dimensions, then scales element by element.

    ``eps`` is the dtype's own unless given. Zhang & Sennrich, "Root mean square layer normalization", 2019.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.RMSNorm(10)(torch.randn(20, 5, 10)).shape
        torch.Size([20, 5, 10])
    """

    __constants__ = ("normalized_shape", "eps", "elementwise_affine")

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape = shape
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        scale = Parameter(empty(shape, device=device, dtype=dtype)) if elementwise_affine else None
        self.register_parameter("weight", scale)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set scale 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """Standardises each of ``num_groups`` groups of channels of ``(N, C, …)``; scale and shift are the channels'.

    Raises ``ValueError`` if the groups do not divide the channels. Wu & He, "Group normalization", 2018.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.GroupNorm(3, 6)(torch.randn(20, 6, 10, 10)).shape
        torch.Size([20, 6, 10, 10])
    """

    __constants__ = ("num_groups", "num_channels", "eps", "affine")

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        scale = Parameter(empty(num_channels, device=device, dtype=dtype)) if affine else None
        shift = Parameter(empty(num_channels, device=device, dtype=dtype)) if affine and bias else None
        self.register_parameter("weight", scale)
        self.register_parameter("bias", shift)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set scale 1 and shift 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return functional.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"


class LocalResponseNorm(Module):
    """Divides each element of ``(N, C, …)`` by a power of the mean square over ``size`` neighbouring channels.

    ``x / (k + alpha · mean of squares) ** beta``. Krizhevsky, Sutskever & Hinton, "ImageNet classification with deep
    convolutional neural networks", 2012.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.LocalResponseNorm(2)(torch.randn(32, 5, 24, 24)).shape
        torch.Size([32, 5, 24, 24])
    """

    __constants__ = ("size", "alpha", "beta", "k")

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        return functional.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(Module):
    """``LocalResponseNorm`` of ``(N, C, H, W)`` as Torch 7 had it: the first channel stays in every later window.

    Raises ``ValueError`` for another number of dimensions. Gradients are those of what is computed (PyTorch's leave out
    some terms).
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.dim()}D instead.")
        reach = int((self.size - 1) / 2)
        channels = input.shape[1]
        window = [
            [float((c - reach <= other or not other) and other <= c + reach) for other in range(channels)]
            for c in range(channels)
        ]
        sums = matmul(tensor(window, dtype=input.dtype), (input * input).flatten(2)).reshape(input.shape)
        return input * (self.k + sums * (self.alpha / self.size)) ** -self.beta  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


# What computes batch normalisation over the batches of several processes: ``rushlight.distributed`` puts a function
# ``(module, input) -> Tensor or None`` here; None leaves it to this process alone.
ACROSS_PROCESSES: list[Any] = []


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation by the statistics of all processes of a group; in one process, as ``BatchNorm1d`` … ``3d``.

    Takes ``(N, C, …)`` with at least 2 dimensions; ``ValueError`` for fewer or for no channels.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.SyncBatchNorm(3)(torch.randn(2, 3, 4)).shape
        torch.Size([2, 3, 4])
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any | None = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")
        if input.shape[1] == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    def forward(self, input: Tensor) -> Tensor:
        if ACROSS_PROCESSES and (self.training or not self.track_running_stats):
            self._check_input_dim(input)
            result: Tensor | None = ACROSS_PROCESSES[-1](self, input)
            if result is not None:
                return result
        return super().forward(input)

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any | None = None) -> Module:
        """``module`` with every batch normalisation in it replaced by a ``SyncBatchNorm`` of the same state."""
        converted = module
        if isinstance(module, _BatchNorm):
            converted = SyncBatchNorm(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
            )
            for name in ("weight", "bias"):
                converted.register_parameter(name, module._parameters[name])
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                converted._buffers[name] = module._buffers[name]
            converted.training = module.training
        for name, child in module.named_children():
            converted.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return converted
