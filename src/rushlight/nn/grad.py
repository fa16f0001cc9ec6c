"""``torch.nn.grad``: the gradients of convolutions as functions of their own."""

from __future__ import annotations

from typing import Any

from ..autograd.differentiate import grad
from ..autograd.grad_mode import enable_grad
from ..core.grad_mode import GRAD_MODE
from ..core.tensor import Tensor
from ..ops.creation import empty
from .functional.convolution import conv1d, conv2d, conv3d


def _of_input(
    convolution: Any, input_size: Any, weight: Tensor, grad_output: Tensor, options: tuple[Any, ...]
) -> Tensor:
    with enable_grad():
        # A convolution is linear in its input: any input has this gradient.
        input = empty(tuple(input_size), dtype=weight.dtype, device=weight.device).zero_().requires_grad_()
        result = convolution(input, weight, None, *options)
    _check(result, grad_output)
    further = GRAD_MODE.get() and (weight.requires_grad or grad_output.requires_grad)
    gradient: Tensor = grad(result, input, grad_output, create_graph=further)[0]
    return gradient


def _of_weight(
    convolution: Any, input: Tensor, weight_size: Any, grad_output: Tensor, options: tuple[Any, ...]
) -> Tensor:
    with enable_grad():
        weight = empty(tuple(weight_size), dtype=input.dtype, device=input.device).zero_().requires_grad_()
        result = convolution(input, weight, None, *options)
    _check(result, grad_output)
    further = GRAD_MODE.get() and (input.requires_grad or grad_output.requires_grad)
    gradient: Tensor = grad(result, weight, grad_output, create_graph=further)[0]
    return gradient


def _check(result: Tensor, grad_output: Tensor) -> None:
    if result.shape != grad_output.shape:
        raise RuntimeError(
            f"Expected grad_output to have shape {list(result.shape)} (that of the convolution's result), but got "
            f"{list(grad_output.shape)}"
        )


def conv1d_input(
    input_size: Any,
    weight: Tensor,
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of ``conv1d`` with respect to its input of shape ``input_size``, which it does not depend on.

    ``grad_output`` has the shape of the result, else ``RuntimeError``; the other arguments are ``conv1d``'s.
    """
    return _of_input(conv1d, input_size, weight, grad_output, (stride, padding, dilation, groups))


def conv1d_weight(
    input: Tensor,
    weight_size: Any,
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of ``conv1d`` with respect to its weight of shape ``weight_size``.

    ``grad_output`` has the shape of the result, else ``RuntimeError``; the other arguments are ``conv1d``'s.
    """
    return _of_weight(conv1d, input, weight_size, grad_output, (stride, padding, dilation, groups))


def conv2d_input(
    input_size: Any,
    weight: Tensor,
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of ``conv2d`` with respect to its input of shape ``input_size``, which it does not depend on.

    ``grad_output`` has the shape of the result, else ``RuntimeError``; the other arguments are ``conv2d``'s.
    """
    return _of_input(conv2d, input_size, weight, grad_output, (stride, padding, dilation, groups))


def conv2d_weight(
    input: Tensor,
    weight_size: Any,
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of ``conv2d`` with respect to its weight of shape ``weight_size``.

    ``grad_output`` has the shape of the result, else ``RuntimeError``; the other arguments are ``conv2d``'s.
    """
    return _of_weight(conv2d, input, weight_size, grad_output, (stride, padding, dilation, groups))


def conv3d_input(
    input_size: Any,
    weight: Tensor,
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of ``conv3d`` with respect to its input of shape ``input_size``, which it does not depend on.

    ``grad_output`` has the shape of the result, else ``RuntimeError``; the other arguments are ``conv3d``'s.
    """
    return _of_input(conv3d, input_size, weight, grad_output, (stride, padding, dilation, groups))


def conv3d_weight(
    input: Tensor,
    weight_size: Any,
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of ``conv3d`` with respect to its weight of shape ``weight_size``.

    ``grad_output`` has the shape of the result, else ``RuntimeError``; the other arguments are ``conv3d``'s.
    """
    return _of_weight(conv3d, input, weight_size, grad_output, (stride, padding, dilation, groups))
