"""Pooling layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..core.tensor import Tensor
from .functional import pooling as functional
from .module import Module


class _MaxPoolNd(Module):
    __constants__ = ("kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode")

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def _arguments(self) -> tuple[Any, ...]:
        return self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """The maximum of each window of ``(N, C, L)`` or ``(C, L)``.

    ``stride`` is ``kernel_size`` unless given; with ``return_indices`` a call gives also where the maxima were, for
    ``MaxUnpool1d``; with ``ceil_mode`` windows may hang over the end. Raises ``RuntimeError`` for windows that do not fit.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.MaxPool1d(2)(torch.tensor([[1.0, 3.0, 2.0, 0.0]]))
        tensor([[3., 2.]])
    """

    def forward(self, input: Tensor) -> Any:
        return functional.max_pool1d(input, *self._arguments())


class MaxPool2d(_MaxPoolNd):
    """The maximum of each window of ``(N, C, H, W)`` or ``(C, H, W)``; arguments may be pairs. See ``MaxPool1d``.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.MaxPool2d((3, 2), stride=(2, 1))(torch.ones(20, 16, 50, 32)).shape
        torch.Size([20, 16, 24, 31])
    """

    def forward(self, input: Tensor) -> Any:
        return functional.max_pool2d(input, *self._arguments())


class MaxPool3d(_MaxPoolNd):
    """The maximum of each window of ``(N, C, D, H, W)`` or ``(C, D, H, W)``; arguments may be triples. See ``MaxPool1d``."""

    def forward(self, input: Tensor) -> Any:
        return functional.max_pool3d(input, *self._arguments())


def _each_dimension(value: Any, dims: int) -> Any:
    return tuple(value) if isinstance(value, Iterable) else (value,) * dims


class _MaxUnpoolNd(Module):
    _dims: int

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = _each_dimension(kernel_size, self._dims)
        self.stride = _each_dimension(kernel_size if stride is None else stride, self._dims)
        self.padding = _each_dimension(padding, self._dims)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Puts the values of ``MaxPool1d(…, return_indices=True)`` back where they were; the rest is zero.

    ``output_size`` tells apart the input sizes that pool to one size. Raises ``ValueError`` for one that does not, and
    ``RuntimeError`` for indices outside the result.

    Example:
        >>> import rushlight as torch
        >>> values, indices = torch.nn.MaxPool1d(2, return_indices=True)(torch.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
        >>> torch.nn.MaxUnpool1d(2)(values, indices)
        tensor([[[0., 3., 2., 0.]]])
    """

    _dims = 1

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return functional.max_unpool1d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool2d(_MaxUnpoolNd):
    """Puts the values of ``MaxPool2d(…, return_indices=True)`` back where they were. See ``MaxUnpool1d``."""

    _dims = 2

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return functional.max_unpool2d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool3d(_MaxUnpoolNd):
    """Puts the values of ``MaxPool3d(…, return_indices=True)`` back where they were. See ``MaxUnpool1d``."""

    _dims = 3

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return functional.max_unpool3d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class _AvgPoolNd(Module):
    __constants__: tuple[str, ...] = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """The average of each window of ``(N, C, L)`` or ``(C, L)``.

    ``count_include_pad`` says whether padding counts in a window's size.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.AvgPool1d(2)(torch.tensor([[1.0, 3.0, 2.0, 0.0]]))
        tensor([[2., 1.]])
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = _each_dimension(kernel_size, 1)
        self.stride = _each_dimension(kernel_size if stride is None else stride, 1)
        self.padding = _each_dimension(padding, 1)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return functional.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )


class _AvgPoolWithDivisor(_AvgPoolNd):
    __constants__ = (*_AvgPoolNd.__constants__, "divisor_override")

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def _arguments(self) -> tuple[Any, ...]:
        return (
            self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad, self.divisor_override,
        )  # fmt: skip


class AvgPool2d(_AvgPoolWithDivisor):
    """The average of each window of ``(N, C, H, W)`` or ``(C, H, W)``: its sum over its size, or over ``divisor_override``.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.AvgPool2d(3, stride=2)(torch.ones(20, 16, 50, 32)).shape
        torch.Size([20, 16, 24, 15])
    """

    def forward(self, input: Tensor) -> Tensor:
        return functional.avg_pool2d(input, *self._arguments())


class AvgPool3d(_AvgPoolWithDivisor):
    """The average of each window of ``(N, C, D, H, W)`` or ``(C, D, H, W)``. See ``AvgPool2d``."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.avg_pool3d(input, *self._arguments())


class _LPPoolNd(Module):
    __constants__ = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, ceil_mode={self.ceil_mode}"


class LPPool1d(_LPPoolNd):
    """The p-norm of each window of ``(N, C, L)``: the ``norm_type``-th root of the sum of ``norm_type``-th powers.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.LPPool1d(2, 2)(torch.tensor([[[3.0, 4.0, 6.0, 8.0]]]))
        tensor([[[ 5., 10.]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return functional.lp_pool1d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool2d(_LPPoolNd):
    """The p-norm of each window of ``(N, C, H, W)``. See ``LPPool1d``."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.lp_pool2d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool3d(_LPPoolNd):
    """The p-norm of each window of ``(N, C, D, H, W)``. See ``LPPool1d``."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.lp_pool3d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class _AdaptiveMaxPoolNd(Module):
    __constants__ = ("output_size", "return_indices")

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The maxima of ``output_size`` windows that cover the length evenly: window i is ``⌊i·L/n⌋`` to ``⌈(i+1)·L/n⌉``.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.AdaptiveMaxPool1d(2)(torch.tensor([[1.0, 3.0, 2.0, 0.0, 4.0]]))
        tensor([[3., 4.]])
    """

    def forward(self, input: Tensor) -> Any:
        return functional.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The maxima of a grid of windows; ``output_size`` is a number or a pair, None keeps the input's extent."""

    def forward(self, input: Tensor) -> Any:
        return functional.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The maxima of a grid of windows; ``output_size`` is a number or a triple, None keeps the input's extent."""

    def forward(self, input: Tensor) -> Any:
        return functional.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class _AdaptiveAvgPoolNd(Module):
    __constants__ = ("output_size",)

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """The averages of ``output_size`` windows that cover the length evenly: window i is ``⌊i·L/n⌋`` to ``⌈(i+1)·L/n⌉``.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.AdaptiveAvgPool1d(2)(torch.tensor([[1.0, 3.0, 2.0, 0.0]]))
        tensor([[2., 1.]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return functional.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """The averages of a grid of windows; ``output_size`` is a number or a pair, None keeps the input's extent."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """The averages of a grid of windows; ``output_size`` is a number or a triple, None keeps the input's extent."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.adaptive_avg_pool3d(input, self.output_size)


class _FractionalMaxPoolNd(Module):
    __constants__ = ("kernel_size", "return_indices", "output_size", "output_ratio")
    _dims: int

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        name, dims = type(self).__name__, self._dims

        def each(value: Any) -> Any:
            return tuple(value) if isinstance(value, Iterable) else (value,) * dims

        self.kernel_size = each(kernel_size)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else each(output_size)
        self.output_ratio = None if output_ratio is None else each(output_ratio)
        if output_size is None and output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output size, or a pooling ratio")
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Tensor) -> Any:
        from . import functional as all_functions

        pool = getattr(all_functions, f"fractional_max_pool{self._dims}d")
        return pool(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """Maxima of windows at random places, so that ``(N, C, H, W)`` shrinks by any factor.

    Give ``output_size``, or ``output_ratio`` between 0 and 1 of the input's size. Raises ``ValueError`` for both or neither.
    Graham, "Fractional max-pooling", 2014.
    """

    _dims = 2


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """Maxima of windows at random places of ``(N, C, D, H, W)``. See ``FractionalMaxPool2d``."""

    _dims = 3
