"""Convolution: three records that differentiate into each other (see ``runtime.convolution``)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.dtypes import LOW_PRECISION
from ..core.history import Node
from ..core.memory_order import ordered_like
from ..core.shapes import Shape
from ..core.tensor import Tensor
from ..runtime.window_shapes import conv_transpose_output_shape
from .define import Primitive
from .dispatch import apply
from .movement import reshape
from .pointwise import conj_of
from .reductions import sum_dims

if TYPE_CHECKING:
    from ..runtime.conv_tiles import Pairs

BOTH = ((0, (1,)), (1, (0,)))


def _with_bias(values: Any, bias: Any) -> Any:
    if bias is not None:
        # The values were made just now: nothing else sees them, so the bias can go on top of them in place.
        values += bias.reshape(-1, *(1,) * (values.ndim - 2))
    return values


def _widened(impl: Any) -> Any:
    """``impl`` with 16-bit operands computed in float32 throughout, the bias too, and rounded once."""

    def computed(x: Any, w: Any, bias: Any, *args: Any, **attrs: Any) -> Any:
        if bias is None or x.dtype not in LOW_PRECISION or x.dtype != w.dtype:
            return impl(x, w, bias, *args, **attrs)
        wide = [array.astype(np.float32) for array in (x, w, bias)]
        return impl(*wide, *args, **attrs).astype(x.dtype)

    return computed


def _bias_gradient(g: Tensor, node: Node) -> Tensor | None:
    if len(node.edges) < 3 or node.edges[2] is None:
        return None
    return sum_dims(g, (0, *range(2, g.ndim)), False)


# What computes is a fiftieth of the time that `import rushlight` takes: it is imported by the first convolution.


def _forward_impl(x: Any, w: Any, bias: Any, output: Any = None, **window: Any) -> Any:
    from ..runtime.convolution import conv_forward

    result = _with_bias(conv_forward(x, w, **window, output_spatial_shape=output), bias)
    return ordered_like(result, x, w)


def _window(node: Node) -> dict[str, Any]:
    return {key: node.attrs[key] for key in ("stride", "padding", "dilation", "groups")}


def _forward_vjp(g: Tensor, node: Node) -> Any:
    x, w = node.unpack()
    edge_x, edge_w = node.edges[:2]
    window = _window(node)
    return (
        None
        if edge_x is None
        else apply(INPUT_GRADIENT, (g, conj_of(w), None), {**window, "spatial": edge_x.shape[2:]}),
        None
        if edge_w is None
        else apply(WEIGHT_GRADIENT, (g, conj_of(x)), {**window, "kernel": edge_w.shape[2:]}),
        _bias_gradient(g, node),
    )


def _input_gradient_impl(g: Any, w: Any, bias: Any, spatial: Any, **window: Any) -> Any:
    from ..runtime.convolution import conv_input_gradient

    result = _with_bias(conv_input_gradient(g, w, spatial, **window), bias)
    return ordered_like(result, g, w)


def _input_gradient_vjp(h: Tensor, node: Node) -> Any:
    g, w = node.unpack()
    edge_g, edge_w = node.edges[:2]
    window = _window(node)
    return (
        None
        if edge_g is None
        else apply(CONV, (h, conj_of(w), None), {**window, "output": edge_g.shape[2:]}),
        None
        if edge_w is None
        else apply(WEIGHT_GRADIENT, (conj_of(g), h), {**window, "kernel": edge_w.shape[2:]}),
        _bias_gradient(h, node),
    )


def _weight_gradient_impl(g: Any, x: Any, kernel: Any, **window: Any) -> Any:
    from ..runtime.convolution import conv_weight_gradient

    return conv_weight_gradient(g, x, kernel, **window)


def _weight_gradient_vjp(h: Tensor, node: Node) -> Any:
    g, x = node.unpack()
    edge_g, edge_x = node.edges
    window = _window(node)
    return (
        None
        if edge_g is None
        else apply(CONV, (conj_of(x), h, None), {**window, "output": edge_g.shape[2:]}),
        None
        if edge_x is None
        else apply(INPUT_GRADIENT, (conj_of(g), h, None), {**window, "spatial": edge_x.shape[2:]}),
    )


_WINDOW: dict[str, Any] = {"stride": (2,), "padding": ((1, 0),), "dilation": (1,), "groups": 1}
_INPUT, _KERNEL, _OUTPUT = (
    np.arange(12.0).reshape(1, 2, 6),
    np.ones((3, 2, 3)),
    np.arange(9.0).reshape(1, 3, 3),
)
CONV = Primitive(
    "convolution",
    _widened(_forward_impl),
    _forward_vjp,
    saves=BOTH,
    samples=lambda: [((_INPUT, _KERNEL, np.ones(3)), _WINDOW), ((_INPUT, _KERNEL, None), _WINDOW)],
)
INPUT_GRADIENT = Primitive(
    "convolution_input_gradient",
    _widened(_input_gradient_impl),
    _input_gradient_vjp,
    saves=BOTH,
    grad_name="ConvolutionBackward0",
    samples=lambda: [((_OUTPUT, _KERNEL, None), {**_WINDOW, "spatial": (6,)})],
)
WEIGHT_GRADIENT = Primitive(
    "convolution_weight_gradient",
    _weight_gradient_impl,
    _weight_gradient_vjp,
    saves=BOTH,
    grad_name="ConvolutionBackwardBackward0",
    samples=lambda: [((_OUTPUT, _INPUT), {**_WINDOW, "kernel": (3,)})],
)


def per_dimension(value: Any, dims: int, operation: str, name: str) -> Shape:
    """One int for each spatial dimension, from one for all or from a sequence of one or of ``dims``.

    Raises ``TypeError`` for what is no int and ``RuntimeError`` for another number of them.
    """
    if type(value) is int:
        return (value,) * dims
    if type(value) is tuple and len(value) == dims:
        for v in value:
            if type(v) is not int:
                break
        else:
            return value  # what modules pass
    values = value if isinstance(value, tuple | list) else (value,)
    if any(isinstance(v, bool | str) or not hasattr(v, "__index__") for v in values):
        raise TypeError(f"{operation}(): argument '{name}' must be tuple of ints, not {value!r}")
    if len(values) == dims:
        return tuple([int(v) for v in values])
    if len(values) == 1:
        return (int(values[0]),) * dims
    if operation.startswith("conv"):
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {dims} values to match the convolution dimensions, "
            f"but got {name}={list(values)}"
        )
    raise RuntimeError(
        f"{operation}: {name} must either be a single int, or a tuple of {_NUMBERS[dims]}, but got {name}={list(values)}"
    )


_NUMBERS = ("", "one int", "two ints", "three ints")


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    dims: int,
) -> Tensor:
    """A convolution over ``dims`` spatial dimensions of ``input`` (N, C, *spatial), or (C, *spatial) without a batch.

    ``padding`` may be ``"same"`` (stride 1 only) or ``"valid"``. Raises ``RuntimeError`` where shapes do not fit.
    """
    name = f"conv{dims}d"
    steps = per_dimension(stride, dims, name, "stride")
    spread = per_dimension(dilation, dims, name, "dilation")
    _check_operands(input, weight, bias, dims, name)
    _check_bias(input, weight, bias, weight._array.shape[0])
    pads: Pairs
    if isinstance(padding, str):
        if padding == "same":
            if any(s != 1 for s in steps):
                raise RuntimeError("padding='same' is not supported for strided convolutions")
            total = [d * (k - 1) for d, k in zip(spread, weight._array.shape[2:], strict=True)]
            pads = tuple([(t // 2, t - t // 2) for t in total])
            if _EVEN_LENGTHS and any([t % 2 for t in total]):
                _warn_of_even_lengths()
        elif padding == "valid":
            pads = ((0, 0),) * dims
        else:
            raise RuntimeError(f"Invalid padding string: '{padding}'")
    else:
        pads = tuple([(p, p) for p in per_dimension(padding, dims, name, "padding")])
    window = {"stride": steps, "padding": pads, "dilation": spread, "groups": groups}
    if input._array.ndim == dims + 2:
        return apply(CONV, (input, weight, bias), window)  # type: ignore[no-any-return]
    result = apply(CONV, (reshape(input, (1, *input._array.shape)), weight, bias), window)
    return reshape(result, result._array.shape[1:])


_EVEN_LENGTHS = [True]  # whether the warning of them is still to come


def _warn_of_even_lengths() -> None:
    _EVEN_LENGTHS.clear()
    warnings.warn(
        "Using padding='same' with even kernel lengths and odd dilation may require a zero-padded copy of the input be "
        "created",
        UserWarning,
        stacklevel=4,
    )


def convolution_transpose(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
    dims: int,
) -> Tensor:
    """The transposed convolution (the gradient of a convolution in its input) over ``dims`` spatial dimensions."""
    name = f"conv_transpose{dims}d"
    steps = per_dimension(stride, dims, name, "stride")
    spread = per_dimension(dilation, dims, name, "dilation")
    pads = tuple([(p, p) for p in per_dimension(padding, dims, name, "padding")])
    extra = per_dimension(output_padding, dims, name, "output_padding")
    _check_operands(input, weight, bias, dims, name)
    shape = input._array.shape
    single = len(shape) == dims + 1
    batch = (1, *shape) if single else shape
    shape = conv_transpose_output_shape(batch, weight._array.shape, steps, pads, extra, spread, groups)
    _check_bias(input, weight, bias, weight._array.shape[1] * groups)
    window = {"stride": steps, "padding": pads, "dilation": spread, "groups": groups, "spatial": shape[2:]}
    if not single:
        return apply(INPUT_GRADIENT, (input, weight, bias), window)  # type: ignore[no-any-return]
    result = apply(INPUT_GRADIENT, (reshape(input, batch), weight, bias), window)
    return reshape(result, result._array.shape[1:])


def _check_operands(input: Tensor, weight: Tensor, bias: Tensor | None, dims: int, name: str) -> None:
    for what, operand in (("input", input), ("weight", weight)):
        if not isinstance(operand, Tensor):
            raise TypeError(f"{name}(): argument '{what}' must be Tensor, not {type(operand).__name__}")
    if bias is not None and not isinstance(bias, Tensor):
        raise TypeError(f"{name}(): argument 'bias' must be Tensor, not {type(bias).__name__}")
    if input._array.ndim not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {name}, but got input of size: "
            f"{list(input._array.shape)}"
        )
    if weight._array.ndim != dims + 2:
        raise RuntimeError(
            f"{name}: weight should have {dims + 2} dimensions, but has shape {list(weight._array.shape)}"
        )


def _check_bias(input: Tensor, weight: Tensor, bias: Tensor | None, outputs: int) -> None:
    if bias is None:
        return
    if bias._array.shape != (outputs,):
        raise RuntimeError(
            f"Given weight of size {list(weight._array.shape)}, expected bias to be 1-dimensional with {outputs} "
            f"elements, but got bias of size {list(bias._array.shape)} instead"
        )
    if bias._array.dtype != input._array.dtype:
        kinds = [_KIND_NAMES.get(str(t.dtype), str(t.dtype)) for t in (input, bias)]
        raise RuntimeError(f"Input type ({kinds[0]}) and bias type ({kinds[1]}) should be the same")


# As C++ calls them, in whose words PyTorch says it.
_KIND_NAMES = {
    "torch.float32": "float",
    "torch.float64": "double",
    "torch.float16": "c10::Half",
    "torch.bfloat16": "c10::BFloat16",
    "torch.int64": "long int",
    "torch.int32": "int",
    "torch.uint8": "unsigned char",
    "torch.bool": "bool",
    "torch.complex64": "c10::complex<float>",
    "torch.complex128": "c10::complex<double>",
}
