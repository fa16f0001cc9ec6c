"""Pooling: maxima and averages of windows."""

from __future__ import annotations

from typing import Any

from ...core.shapes import LONG_DIMENSION, check_fits, count
from ...core.tensor import Tensor
from ...ops import pooling as ops
from ...ops.convolution import per_dimension
from ...ops.dispatch import write_out


def _window(
    input: Tensor, kernel_size: Any, stride: Any, padding: Any, dims: int, name: str
) -> dict[str, Any]:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    kernel = per_dimension(kernel_size, dims, name, "kernel_size")
    as_kernel = stride is None or (isinstance(stride, tuple | list) and not stride)
    steps = kernel if as_kernel else per_dimension(stride, dims, name, "stride")
    return {"kernel": kernel, "stride": steps, "padding": per_dimension(padding, dims, name, "padding")}


def _max_pool(
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
    dims: int,
) -> Any:
    name = f"max_pool{dims}d"
    attrs = _window(input, kernel_size, stride, padding, dims, name)
    attrs["dilation"] = per_dimension(dilation, dims, name, "dilation")
    attrs["ceil_mode"] = bool(ceil_mode)
    pair = ops.run_with_indices(ops.MAX_POOL, input, attrs, dims, name)
    return pair if return_indices else pair[0]


def max_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum of each window of ``input`` (N, C, L) or (C, L); with ``return_indices`` also where it was."""
    return _max_pool(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, 1)


def max_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum of each window of ``input`` (N, C, H, W) or (C, H, W); with ``return_indices`` also where it was.

    ``stride`` is ``kernel_size`` unless given; with ``ceil_mode`` windows may hang over the end. Raises ``RuntimeError``
    for windows that do not fit.

    Example:
        >>> import rushlight as torch
        >>> x = torch.tensor([[[1.0, 5.0], [2.0, 3.0]]])
        >>> torch.nn.functional.max_pool2d(x, 2, return_indices=True)
        (tensor([[[5.]]]), tensor([[[1]]]))
    """
    return _max_pool(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, 2)


def max_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum of each window of ``input`` (N, C, D, H, W) or (C, D, H, W); with ``return_indices`` also where it was."""
    return _max_pool(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, 3)


def max_pool1d_with_indices(input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """``max_pool1d`` with ``return_indices=True``."""
    return max_pool1d(input, *args, **{**kwargs, "return_indices": True})


def max_pool2d_with_indices(input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """``max_pool2d`` with ``return_indices=True``."""
    return max_pool2d(input, *args, **{**kwargs, "return_indices": True})


def max_pool3d_with_indices(input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """``max_pool3d`` with ``return_indices=True``."""
    return max_pool3d(input, *args, **{**kwargs, "return_indices": True})


def _avg_pool(
    input: Tensor, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool,
    divisor_override: int | None, dims: int,
) -> Tensor:  # fmt: skip
    attrs = _window(input, kernel_size, stride, padding, dims, f"avg_pool{dims}d")
    attrs.update(
        ceil_mode=bool(ceil_mode), count_include_pad=count_include_pad, divisor_override=divisor_override
    )
    return ops.run_single(ops.AVG_POOL, input, attrs, dims, f"avg_pool{dims}d")


def avg_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The average of each window of ``input`` (N, C, L)."""
    return _avg_pool(input, kernel_size, stride, padding, ceil_mode, count_include_pad, None, 1)


def avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None, *, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The average of each window of ``input`` (N, C, H, W)."""
    result = _avg_pool(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, 2)
    return result if out is None else write_out(out, result, "avg_pool2d")


def avg_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None, *, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The average of each window of ``input`` (N, C, D, H, W)."""
    result = _avg_pool(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, 3)
    return result if out is None else write_out(out, result, "avg_pool3d")


def _adaptive_output(input: Tensor, output_size: Any, dims: int, name: str) -> tuple[int, ...]:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    shape = input._array.shape
    if dims > 1 and isinstance(output_size, tuple | list):
        if len(shape) <= len(output_size):
            raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
        if len(output_size) == dims:
            kept = shape[-dims:]
            output_size = [n if size is None else size for size, n in zip(output_size, kept, strict=True)]
        elif len(output_size) == 1:
            raise RuntimeError(f"{name}: output_size must be {dims}")
    output = per_dimension(output_size, dims, name, "output_size")
    if max(output) > LONG_DIMENSION:
        check_fits((*shape[: len(shape) - dims], *output), input._array.dtype.itemsize)
    return output


def _adaptive_avg_pool(input: Tensor, output_size: Any, dims: int) -> Tensor:
    name = f"adaptive_avg_pool{dims}d"
    output = _adaptive_output(input, output_size, dims, name)
    return ops.run_single(ops.ADAPTIVE_AVG_POOL, input, {"output": output}, dims, name)


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Averages over ``output_size`` windows that cover the length evenly."""
    return _adaptive_avg_pool(input, output_size, 1)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Averages over a grid of ``output_size`` windows that cover the plane evenly."""
    return _adaptive_avg_pool(input, output_size, 2)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Averages over ``output_size`` windows that cover the volume evenly."""
    return _adaptive_avg_pool(input, output_size, 3)


def _adaptive_max_pool(input: Tensor, output_size: Any, return_indices: bool, dims: int) -> Any:
    name = f"adaptive_max_pool{dims}d"
    output = _adaptive_output(input, output_size, dims, name)
    pair = ops.run_with_indices(ops.ADAPTIVE_MAX_POOL, input, {"output": output}, dims, name)
    return pair if return_indices else pair[0]


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over ``output_size`` windows that cover the length evenly."""
    return _adaptive_max_pool(input, output_size, return_indices, 1)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over a grid of ``output_size`` windows that cover the plane evenly."""
    return _adaptive_max_pool(input, output_size, return_indices, 2)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over ``output_size`` windows that cover the volume evenly."""
    return _adaptive_max_pool(input, output_size, return_indices, 3)


def adaptive_max_pool1d_with_indices(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """``adaptive_max_pool1d`` with ``return_indices=True``."""
    return _adaptive_max_pool(input, output_size, True, 1)


def adaptive_max_pool2d_with_indices(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """``adaptive_max_pool2d`` with ``return_indices=True``."""
    return _adaptive_max_pool(input, output_size, True, 2)


def adaptive_max_pool3d_with_indices(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """``adaptive_max_pool3d`` with ``return_indices=True``."""
    return _adaptive_max_pool(input, output_size, True, 3)


def _max_unpool(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any, padding: Any, output_size: Any, dims: int
) -> Tensor:
    name = f"max_unpool{dims}d"
    window = _window(input, kernel_size, stride, padding, dims, name)
    spatial = input._array.shape[-dims:]
    steps = window["stride"]
    usual = tuple(
        [
            (n - 1) * s + k - 2 * p
            for n, s, k, p in zip(spatial, steps, window["kernel"], window["padding"], strict=True)
        ]
    )
    output = usual
    if output_size is not None:
        output = tuple(output_size)
        if len(output) == dims + 2:
            output = output[2:]
        if len(output) != dims:
            raise ValueError(
                f"output_size should be a sequence containing {dims} or {dims + 2} elements, but it has a length of "
                f"'{len(output)}'"
            )
        for dim, (given, expected, step) in enumerate(zip(output, usual, steps, strict=True)):
            if not expected - step < given < expected + step:
                raise ValueError(
                    f'invalid output_size "{output}" (dim {dim} must be between {expected - step} and {expected + step})'
                )
    return ops.max_unpool(input, indices, output, dims, name)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """The values of ``max_pool1d`` put back at their indices, zeros elsewhere."""
    return _max_unpool(input, indices, kernel_size, stride, padding, output_size, 1)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """The values of ``max_pool2d`` put back at their indices, zeros elsewhere."""
    return _max_unpool(input, indices, kernel_size, stride, padding, output_size, 2)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """The values of ``max_pool3d`` put back at their indices, zeros elsewhere."""
    return _max_unpool(input, indices, kernel_size, stride, padding, output_size, 3)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: int, stride: int | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of ``input`` (N, C, L): the ``norm_type``-th root of the sum of ``norm_type``-th powers."""
    return _lp_pool(input, norm_type, kernel_size, stride, ceil_mode, 1)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of ``input`` (N, C, H, W)."""
    return _lp_pool(input, norm_type, kernel_size, stride, ceil_mode, 2)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of ``input`` (N, C, D, H, W)."""
    return _lp_pool(input, norm_type, kernel_size, stride, ceil_mode, 3)


def _lp_pool(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool, dims: int
) -> Tensor:
    size = count(per_dimension(kernel_size, dims, f"lp_pool{dims}d", "kernel_size"))
    if norm_type == float("inf"):
        return _max_pool(input.abs(), kernel_size, stride, 0, 1, ceil_mode, False, dims)  # type: ignore[no-any-return]
    mean = _avg_pool(input**norm_type, kernel_size, stride, 0, ceil_mode, True, None, dims)
    sums: Tensor = (mean.sign() * mean.abs().relu()) * size
    return sums ** (1.0 / norm_type)
