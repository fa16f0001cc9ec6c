"""Shape and argument rules of convolution and pooling: the sizes of the results, and the errors that PyTorch raises.

Arguments are tuples with one entry for each spatial dimension (1, 2 or 3 of them); inputs are batched: (samples,
channels, *spatial). All functions are cached by their arguments, so that a training loop checks each shape once.
"""

from __future__ import annotations

from functools import lru_cache

from ..core.dtypes import OF_NUMPY, Category, NumpyDType
from ..core.shapes import Shape, count

Pairs = tuple[tuple[int, int], ...]

# The names that PyTorch's messages use for its CPU scalar types.
_SCALAR_NAMES = {
    "bool": "Bool",
    "uint8": "Byte",
    "int8": "Char",
    "int16": "Short",
    "int32": "Int",
    "int64": "Long",
    "bfloat16": "BFloat16",
    "float16": "Half",
    "float32": "Float",
    "float64": "Double",
    "complex64": "ComplexFloat",
    "complex128": "ComplexDouble",
}


def _times(sizes: Shape) -> str:
    return " x ".join(map(str, sizes))


def scalar_name(dtype: NumpyDType) -> str:
    """The name that PyTorch's messages give a dtype: ``float32`` is ``Float``."""
    known = OF_NUMPY.get(dtype)
    return _SCALAR_NAMES[known.name] if known is not None else str(dtype)


@lru_cache(maxsize=64)
def check_conv_dtypes(operation: str, first: NumpyDType, second: NumpyDType) -> None:
    """``RuntimeError`` unless both dtypes are the same; ``NotImplementedError`` for bool."""
    if first != second:
        raise RuntimeError(
            f"{operation}: Input type ({scalar_name(first)}) and weight type ({scalar_name(second)}) should be the "
            "same; convert one of them"
        )
    if OF_NUMPY[first].category is Category.BOOL:
        raise NotImplementedError(
            f"\"{operation}\" not implemented for 'Bool'; convert both arguments to a number type"
        )


@lru_cache(maxsize=256)
def check_pool_dtype(operation: str, dtype: NumpyDType) -> None:
    """``NotImplementedError`` for a dtype that PyTorch's CPU kernel of this operation does not take.

    The maximum is taken of every real number type; averages of floating-point numbers, and of int64 where the windows
    are fixed; the adaptive ones and the unpooling take floating-point numbers only.
    """
    category = OF_NUMPY[dtype].category
    if category is Category.FLOAT or (category is Category.INT and operation == "max_pool"):
        return
    if operation == "avg_pool" and OF_NUMPY[dtype].name == "int64":
        return
    raise NotImplementedError(
        f"\"{operation}\" not implemented for '{scalar_name(dtype)}'; convert the input to a floating-point type"
    )


def _check_lengths(spatial: int, **arguments: tuple[object, ...]) -> None:
    for name, values in arguments.items():
        if len(values) != spatial:
            raise RuntimeError(
                f"expected {name} to be a single integer value or a list of {spatial} values to match the "
                f"convolution dimensions, but got {name}={list(values)}"
            )


def _check_conv_arguments(
    input_shape: Shape,
    weight_shape: Shape,
    stride: Shape,
    padding: Pairs,
    dilation: Shape,
    groups: int,
    transposed: bool,
) -> None:
    spatial = len(weight_shape) - 2
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    _check_lengths(spatial, stride=stride, padding=padding, dilation=dilation)
    if any(side < 0 for pair in padding for side in pair):
        raise RuntimeError("negative padding is not supported")
    if any(s <= 0 for s in stride):
        raise RuntimeError("non-positive stride is not supported")
    if any(d <= 0 for d in dilation):
        raise RuntimeError("dilation should be greater than zero")
    shown = list(weight_shape)
    if len(input_shape) != len(weight_shape):
        raise RuntimeError(
            f"Expected {len(shown)}-dimensional input for {len(shown)}-dimensional weight {shown}, but got "
            f"{len(input_shape)}-dimensional input of size {list(input_shape)} instead"
        )
    if any(k <= 0 for k in weight_shape[2:]):
        raise RuntimeError(f"kernel size should be greater than zero, but got {_times(weight_shape[2:])}")
    if weight_shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size "
            f"{shown} instead"
        )
    if weight_shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of "
            f"size [{shown}] instead"
        )
    channels = weight_shape[0] if transposed else weight_shape[1] * groups
    if input_shape[1] != channels:
        kind = "transposed=1" if transposed else f"groups={groups}"
        raise RuntimeError(
            f"Given {kind}, weight of size {shown}, expected input{list(input_shape)} to have {channels} channels, "
            f"but got {input_shape[1]} channels instead"
        )
    if not transposed:
        _refuse_small_input(input_shape, weight_shape, padding, dilation)
    if input_shape[0] and input_shape[1] and not count(input_shape):
        # An empty plane could give a result through its padding; PyTorch refuses it all the same.
        raise RuntimeError(
            f"Only zero batch or zero channel inputs are supported, but got input shape: {list(input_shape)}"
        )


def _refuse_small_input(input_shape: Shape, weight_shape: Shape, padding: Pairs, dilation: Shape) -> None:
    padded = tuple([n + sum(pair) for n, pair in zip(input_shape[2:], padding, strict=True)])
    reach = tuple([(k - 1) * d + 1 for k, d in zip(weight_shape[2:], dilation, strict=True)])
    if any(k > n for k, n in zip(reach, padded, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({_times(padded)}). Kernel size: ({_times(reach)}). "
            "Kernel size can't be greater than actual input size"
        )


@lru_cache(maxsize=512)
def conv_output_shape(
    input_shape: Shape, weight_shape: Shape, stride: Shape, padding: Pairs, dilation: Shape, groups: int
) -> Shape:
    """The shape of a convolution's result.

    In each dimension it is ⌊(size + padding − (kernel − 1)·dilation − 1) / stride⌋ + 1.
    ``weight_shape`` is (outputs, channels / groups, *kernel) and ``padding`` a pair (before, after) for each dimension.
    Raises ``RuntimeError`` in PyTorch's words where the arguments do not fit each other.

    Example:
        >>> from rushlight.runtime.window_shapes import conv_output_shape
        >>> conv_output_shape((64, 1, 28, 28), (32, 1, 3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 1)
        (64, 32, 14, 14)
    """
    _check_conv_arguments(input_shape, weight_shape, stride, padding, dilation, groups, transposed=False)
    sizes = [
        (n + sum(pair) - (k - 1) * d - 1) // s + 1
        for n, k, s, pair, d in zip(input_shape[2:], weight_shape[2:], stride, padding, dilation, strict=True)
    ]
    return (input_shape[0], weight_shape[0], *sizes)


@lru_cache(maxsize=512)
def conv_transpose_output_shape(
    input_shape: Shape,
    weight_shape: Shape,
    stride: Shape,
    padding: Pairs,
    output_padding: Shape,
    dilation: Shape,
    groups: int,
) -> Shape:
    """The shape of a transposed convolution's result.

    In each dimension it is (size − 1)·stride − padding + (kernel − 1)·dilation + 1 + output_padding.
    ``weight_shape`` is (channels, outputs / groups, *kernel). Raises ``RuntimeError`` in PyTorch's words where the
    arguments do not fit each other.

    Example:
        >>> from rushlight.runtime.window_shapes import conv_transpose_output_shape
        >>> conv_transpose_output_shape((8, 64, 7, 7), (64, 32, 4, 4), (2, 2), ((1, 1), (1, 1)), (0, 0), (1, 1), 1)
        (8, 32, 14, 14)
    """
    _check_conv_arguments(input_shape, weight_shape, stride, padding, dilation, groups, transposed=True)
    _check_lengths(len(weight_shape) - 2, output_padding=output_padding)
    if any(extra < 0 for extra in output_padding):
        raise RuntimeError("negative output_padding is not supported")
    if any(e >= s and e >= d for e, s, d in zip(output_padding, stride, dilation, strict=True)):
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got "
            f"output_padding: {list(output_padding)} stride: {list(stride)} dilation: {list(dilation)}"
        )
    sizes = tuple(
        [
            (n - 1) * s - sum(pair) + (k - 1) * d + 1 + extra
            for n, k, s, pair, d, extra in zip(
                input_shape[2:], weight_shape[2:], stride, padding, dilation, output_padding, strict=True
            )
        ]
    )
    if any(n < 0 for n in sizes):
        raise RuntimeError(
            f"Given input size per channel: ({_times(input_shape[2:])}). Calculated output size per channel: "
            f"({_times(sizes)}). Output size is too small"
        )
    return (input_shape[0], weight_shape[1] * groups, *sizes)


def _windows_along(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    windows = (span + (stride - 1 if ceil_mode else 0)) // stride + 1
    # A window may hang over the end, but not begin in the padding after it.
    if ceil_mode and (windows - 1) * stride >= size + padding:
        windows -= 1
    return windows


@lru_cache(maxsize=512)
def pool_output_shape(
    input_shape: Shape,
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    ceil_mode: bool,
    whole_kernel: bool = False,
) -> Shape:
    """The shape of a max or average pooling's result; raises ``RuntimeError`` in PyTorch's words for arguments that
    do not fit each other. ``whole_kernel`` refuses, as PyTorch's ``avg_pool3d`` does, a kernel larger than the input
    even where ``ceil_mode`` or padding would allow it.

    Example:
        >>> from rushlight.runtime.window_shapes import pool_output_shape
        >>> pool_output_shape((64, 16, 7, 7), (2, 2), (2, 2), (0, 0), (1, 1), True)
        (64, 16, 4, 4)
    """
    spatial = input_shape[2:]
    for name, values in (
        ("kernel_size", kernel),
        ("stride", stride),
        ("padding", padding),
        ("dilation", dilation),
    ):
        if len(values) != len(spatial):
            raise RuntimeError(
                f"pool: {name} must either be a single int, or a tuple of {len(spatial)} ints, got {list(values)}"
            )
    if any(s == 0 for s in stride):
        raise RuntimeError("stride should not be zero")
    for name, values in (("kernel size", kernel), ("stride", stride), ("dilation", dilation)):
        if any(v <= 0 for v in values):
            raise RuntimeError(f"{name} should be greater than zero, but got {list(values)}")
    for pad, k, d in zip(padding, kernel, dilation, strict=True):
        if pad < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {pad}")
        if pad > ((k - 1) * d + 1) // 2:
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={pad}, kernel_size={k} and "
                f"dilation={d}"
            )
        if pad > k // 2:
            raise RuntimeError(
                f"pad should be smaller than or equal to half of kernel size, but got padding {list(padding)}, "
                f"kernel_size {list(kernel)}"
            )
    if not count(input_shape[1:]):
        raise RuntimeError(
            f"Expected {len(spatial) + 1}D or {len(spatial) + 2}D (batch mode) tensor with optional 0 dim batch size "
            f"for input, but got:{list(input_shape)}"
        )
    if whole_kernel and any(k > n for k, n in zip(kernel, spatial, strict=True)):
        raise RuntimeError(f"input image ({_times(spatial)}) smaller than kernel size ({_times(kernel)})")
    sizes = tuple(
        [
            _windows_along(n, k, s, p, d, ceil_mode)
            for n, k, s, p, d in zip(spatial, kernel, stride, padding, dilation, strict=True)
        ]
    )
    if any(n < 1 for n in sizes):
        given = "x".join(map(str, input_shape[1:]))
        computed = "x".join(map(str, (input_shape[1], *sizes)))
        raise RuntimeError(
            f"Given input size: ({given}). Calculated output size: ({computed}). Output size is too small"
        )
    return (*input_shape[:2], *sizes)


@lru_cache(maxsize=256)
def adaptive_pool_output_shape(input_shape: Shape, output_spatial: Shape, operation: str) -> Shape:
    """The shape of an adaptive pooling's result; raises ``RuntimeError`` for negative sizes and for empty inputs.

    Example:
        >>> from rushlight.runtime.window_shapes import adaptive_pool_output_shape
        >>> adaptive_pool_output_shape((8, 3, 10, 7), (4, 4), "adaptive_avg_pool2d")
        (8, 3, 4, 4)
    """
    spatial = input_shape[2:]
    if len(output_spatial) != len(spatial):
        raise RuntimeError(
            f"{operation}: output_size must be {len(spatial)} ints, got {list(output_spatial)}"
        )
    if any(n < 0 for n in output_spatial):
        raise RuntimeError(
            f"{operation}: elements of output_size must be greater than or equal to 0 but received "
            f"{list(output_spatial)}"
        )
    # PyTorch's averages over one and two dimensions accept an input without channels; its other adaptive pools do not.
    first = 2 if "avg" in operation and len(spatial) < 3 else 1
    for axis in range(first, len(input_shape)):
        if input_shape[axis] == 0:
            raise RuntimeError(
                f"{operation}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes "
                f"{list(input_shape)} with dimension {axis} being empty"
            )
    return (*input_shape[:2], *output_spatial)


@lru_cache(maxsize=256)
def adaptive_bounds(size: int, windows: int) -> tuple[tuple[int, int], ...]:
    """The (start, end) of each of ``windows`` windows over ``size`` positions.

    Window i goes from ⌊i·size/windows⌋ to ⌈(i+1)·size/windows⌉.

    Example:
        >>> from rushlight.runtime.window_shapes import adaptive_bounds
        >>> adaptive_bounds(5, 3)
        ((0, 2), (1, 4), (3, 5))
    """
    return tuple([(i * size // windows, -(-(i + 1) * size // windows)) for i in range(windows)])


@lru_cache(maxsize=1024)
def meeting(length: int, positions: int, step: int, offset: int) -> tuple[slice, slice]:
    """For t in range(positions) with 0 <= t · step + offset < length: the slice of those sums, and the slice of t."""
    low = max(0, -(offset // step))
    high = max(low, min(positions, (length - offset + step - 1) // step))
    begin = max(0, low * step + offset)
    return slice(begin, begin + (high - low) * step, step), slice(low, high)
