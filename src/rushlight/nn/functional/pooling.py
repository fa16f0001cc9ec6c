"""Pooling: maxima and averages of windows."""

from __future__ import annotations

from typing import Any

from ...core.tensor import Tensor
from ...ops import pooling as ops
from ...ops.convolution import per_dimension


def _window(kernel_size: Any, stride: Any, padding: Any, dims: int) -> dict[str, Any]:
    kernel = per_dimension(kernel_size, dims, "kernel_size")
    steps = kernel if stride is None or (not isinstance(stride, int) and not len(stride)) else per_dimension(stride, dims, "stride")
    return {"kernel": kernel, "stride": steps, "padding": per_dimension(padding, dims, "padding")}


def _max_pool(dims: int) -> Any:
    name = f"max_pool{dims}d"

    def max_pool(
        input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:  # fmt: skip
        attrs = _window(kernel_size, stride, padding, dims)
        attrs["dilation"] = per_dimension(dilation, dims, "dilation")
        attrs["ceil_mode"] = ceil_mode
        values, indices = ops.run_with_indices(ops.MAX_POOL, input, attrs, dims, name)
        return (values, indices) if return_indices else values

    max_pool.__name__ = max_pool.__qualname__ = name
    max_pool.__doc__ = f"The maximum of each window over {dims} spatial dimensions (with its index, if asked for)."
    return max_pool


max_pool1d, max_pool2d, max_pool3d = _max_pool(1), _max_pool(2), _max_pool(3)


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
    attrs = _window(kernel_size, stride, padding, dims)
    attrs.update(ceil_mode=ceil_mode, count_include_pad=count_include_pad, divisor_override=divisor_override)
    return ops.run_single(ops.AVG_POOL, input, attrs, dims, f"avg_pool{dims}d")


def avg_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The average of each window of ``input`` (N, C, L)."""
    return _avg_pool(input, kernel_size, stride, padding, ceil_mode, count_include_pad, None, 1)


def avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The average of each window of ``input`` (N, C, H, W)."""
    return _avg_pool(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, 2)


def avg_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The average of each window of ``input`` (N, C, D, H, W)."""
    return _avg_pool(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, 3)


def _adaptive_output(output_size: Any, spatial: tuple[int, ...]) -> tuple[int, ...]:
    if isinstance(output_size, int):
        return (output_size,) * len(spatial)
    sizes = tuple(output_size)
    if len(sizes) == 1:
        sizes = sizes * len(spatial)
    if len(sizes) != len(spatial):
        raise ValueError(f"adaptive pooling: output_size {sizes} for {len(spatial)} spatial dimensions")
    return tuple([n if size is None else int(size) for size, n in zip(sizes, spatial, strict=True)])


def _adaptive_avg_pool(input: Tensor, output_size: Any, dims: int) -> Tensor:
    output = _adaptive_output(output_size, input._array.shape[-dims:])
    return ops.run_single(ops.ADAPTIVE_AVG_POOL, input, {"output": output}, dims, f"adaptive_avg_pool{dims}d")


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
    output = _adaptive_output(output_size, input._array.shape[-dims:])
    pair = ops.run_with_indices(ops.ADAPTIVE_MAX_POOL, input, {"output": output}, dims, f"adaptive_max_pool{dims}d")
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


def _max_unpool(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any, padding: Any, output_size: Any, dims: int
) -> Tensor:
    window = _window(kernel_size, stride, padding, dims)
    spatial = input._array.shape[-dims:]
    usual = tuple(
        [(n - 1) * s + k - 2 * p for n, k, s, p in zip(spatial, *(window[w] for w in ("kernel", "stride", "padding")), strict=True)]
    )
    if output_size is None:
        output = usual
    else:
        output = tuple(output_size)[-dims:]
        for given, expected, step in zip(output, usual, window["stride"], strict=True):
            if not expected - step < given < expected + step:
                raise ValueError(
                    f'invalid output_size "{output}" (each dim must be within one stride of {usual})'
                )
    return ops.max_unpool(input, indices, output, dims, f"max_unpool{dims}d")


def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """The values of ``max_pool1d`` put back at their indices, zeros elsewhere."""
    return _max_unpool(input, indices, kernel_size, stride, padding, output_size, 1)


def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """The values of ``max_pool2d`` put back at their indices, zeros elsewhere."""
    return _max_unpool(input, indices, kernel_size, stride, padding, output_size, 2)


def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """The values of ``max_pool3d`` put back at their indices, zeros elsewhere."""
    return _max_unpool(input, indices, kernel_size, stride, padding, output_size, 3)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: int, stride: int | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of ``input`` (N, C, L)."""
    return _lp_pool(input, norm_type, kernel_size, stride, ceil_mode, 1)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of ``input`` (N, C, H, W)."""
    return _lp_pool(input, norm_type, kernel_size, stride, ceil_mode, 2)


def _lp_pool(input: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool, dims: int) -> Tensor:
    size = 1
    for k in per_dimension(kernel_size, dims, "kernel_size"):
        size *= k
    mean = _avg_pool(input**norm_type, kernel_size, stride, 0, ceil_mode, True, None, dims)
    sums: Tensor = (mean.sign() * mean.abs().relu()) * size
    return sums ** (1.0 / norm_type)
