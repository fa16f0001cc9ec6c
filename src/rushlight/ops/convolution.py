"""Convolution: three records that differentiate into each other (see ``runtime.convolution``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.dtypes import LOW_PRECISION
from ..core.history import Node
from ..core.tensor import Tensor
from ..runtime.conv_tiles import Pairs
from ..runtime.convolution import conv_forward, conv_input_gradient, conv_weight_gradient
from ..runtime.window_shapes import conv_transpose_output_shape
from .define import Primitive
from .dispatch import apply
from .movement import reshape
from .pointwise import conj_of
from .reductions import sum_dims

BOTH = ((0, (1,)), (1, (0,)))


def _with_bias(values: Any, bias: Any) -> Any:
    if bias is None:
        return values
    # The values were made just now: nothing else sees them, so the bias can go on top of them in place.
    shaped = bias.reshape(-1, *(1,) * (values.ndim - 2))
    if values.dtype in LOW_PRECISION:
        return (values.astype("float32") + shaped.astype("float32")).astype(values.dtype)
    values += shaped
    return values


def _bias_gradient(g: Tensor, node: Node) -> Tensor | None:
    if len(node.edges) < 3 or node.edges[2] is None:
        return None
    return sum_dims(g, (0, *range(2, g.ndim)), False)


def _forward_impl(x: Any, w: Any, bias: Any, output: Any = None, **window: Any) -> Any:
    return _with_bias(conv_forward(x, w, **window, output_spatial_shape=output), bias)


def _window(node: Node) -> dict[str, Any]:
    return {key: node.attrs[key] for key in ("stride", "padding", "dilation", "groups")}


def _forward_vjp(g: Tensor, node: Node) -> Any:
    x, w = node.unpack()
    edge_x, edge_w = node.edges[:2]
    window = _window(node)
    return (
        None if edge_x is None else apply(INPUT_GRADIENT, (g, conj_of(w), None), {**window, "spatial": edge_x.shape[2:]}),
        None if edge_w is None else apply(WEIGHT_GRADIENT, (g, conj_of(x)), {**window, "kernel": edge_w.shape[2:]}),
        _bias_gradient(g, node),
    )


def _input_gradient_impl(g: Any, w: Any, bias: Any, spatial: Any, **window: Any) -> Any:
    return _with_bias(conv_input_gradient(g, w, spatial, **window), bias)


def _input_gradient_vjp(h: Tensor, node: Node) -> Any:
    g, w = node.unpack()
    edge_g, edge_w = node.edges[:2]
    window = _window(node)
    return (
        None if edge_g is None else apply(CONV, (h, conj_of(w), None), {**window, "output": edge_g.shape[2:]}),
        None if edge_w is None else apply(WEIGHT_GRADIENT, (conj_of(g), h), {**window, "kernel": edge_w.shape[2:]}),
        _bias_gradient(h, node),
    )


def _weight_gradient_vjp(h: Tensor, node: Node) -> Any:
    g, x = node.unpack()
    edge_g, edge_x = node.edges
    window = _window(node)
    return (
        None if edge_g is None else apply(CONV, (conj_of(x), h, None), {**window, "output": edge_g.shape[2:]}),
        None
        if edge_x is None
        else apply(INPUT_GRADIENT, (conj_of(g), h, None), {**window, "spatial": edge_x.shape[2:]}),
    )


CONV = Primitive("convolution", _forward_impl, _forward_vjp, saves=BOTH)
INPUT_GRADIENT = Primitive(
    "convolution_input_gradient", _input_gradient_impl, _input_gradient_vjp, saves=BOTH, grad_name="ConvolutionBackward0"
)
WEIGHT_GRADIENT = Primitive(
    "convolution_weight_gradient",
    lambda g, x, kernel, **window: conv_weight_gradient(g, x, kernel, **window),
    _weight_gradient_vjp,
    saves=BOTH,
    grad_name="ConvolutionBackwardBackward0",
)


def per_dimension(value: Any, dims: int, name: str) -> tuple[int, ...]:
    """One int for each spatial dimension, from one for all or from a sequence of one or of ``dims``."""
    if isinstance(value, Sequence):
        if len(value) == 1:
            return (int(value[0]),) * dims
        if len(value) != dims:
            raise RuntimeError(f"expected {name} to be a single integer value or a list of {dims} values, but got {value}")
        return tuple([int(v) for v in value])
    return (int(value),) * dims


def convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, groups: int, dims: int
) -> Tensor:
    """A convolution over ``dims`` spatial dimensions of ``input`` (N, C, *spatial), or (C, *spatial) without a batch.

    ``padding`` may be ``"same"`` (stride 1 only) or ``"valid"``. Raises ``RuntimeError`` where shapes do not fit.
    """
    steps = per_dimension(stride, dims, "stride")
    spread = per_dimension(dilation, dims, "dilation")
    _check_operands(input, weight, bias, weight._array.shape[0] if weight._array.ndim else 0, dims)
    pads: Pairs
    if isinstance(padding, str):
        if padding == "same":
            if any(s != 1 for s in steps):
                raise RuntimeError("padding='same' is not supported for strided convolutions")
            total = [d * (k - 1) for d, k in zip(spread, weight._array.shape[2:], strict=True)]
            pads = tuple([(t // 2, t - t // 2) for t in total])
        elif padding == "valid":
            pads = ((0, 0),) * dims
        else:
            raise RuntimeError(f"Invalid padding string: '{padding}'")
    else:
        pads = tuple([(p, p) for p in per_dimension(padding, dims, "padding")])
    window = {"stride": steps, "padding": pads, "dilation": spread, "groups": groups}
    single = input._array.ndim == dims + 1
    batch = reshape(input, (1, *input._array.shape)) if single else input
    result: Tensor = apply(CONV, (batch, weight, bias), window)
    return reshape(result, result._array.shape[1:]) if single else result


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
    steps = per_dimension(stride, dims, "stride")
    spread = per_dimension(dilation, dims, "dilation")
    pads = tuple([(p, p) for p in per_dimension(padding, dims, "padding")])
    extra = per_dimension(output_padding, dims, "output_padding")
    w = weight._array
    _check_operands(input, weight, bias, w.shape[1] * groups if w.ndim > 1 else 0, dims)
    single = input._array.ndim == dims + 1
    batch = reshape(input, (1, *input._array.shape)) if single else input
    shape = conv_transpose_output_shape(batch._array.shape, w.shape, steps, pads, extra, spread, groups)
    window = {"stride": steps, "padding": pads, "dilation": spread, "groups": groups, "spatial": shape[2:]}
    result: Tensor = apply(INPUT_GRADIENT, (batch, weight, bias), window)
    return reshape(result, result._array.shape[1:]) if single else result


def _check_operands(input: Tensor, weight: Tensor, bias: Tensor | None, outputs: int, dims: int) -> None:
    name = f"conv{dims}d"
    for what, operand in (("input", input), ("weight", weight)):
        if not isinstance(operand, Tensor):
            raise TypeError(f"{name}(): argument '{what}' must be Tensor, not {type(operand).__name__}")
    if input._array.ndim not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {name}, but got input of size: "
            f"{list(input._array.shape)}"
        )
    if weight._array.ndim != dims + 2:
        raise RuntimeError(
            f"weight should have {dims + 2} dimensions for {name}, but has shape {list(weight._array.shape)}"
        )
    if bias is not None:
        if bias._array.shape != (outputs,):
            raise RuntimeError(
                f"Given weight of size {list(weight._array.shape)}, expected bias to be 1-dimensional with {outputs} "
                f"elements, but got bias of size {list(bias._array.shape)} instead"
            )
        if bias._array.dtype != input._array.dtype:
            raise RuntimeError(f"Input type ({input.dtype}) and bias type ({bias.dtype}) should be the same")
