"""Limits on gradients before an optimizer uses them."""

from __future__ import annotations

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_"]

import math
import warnings
from collections.abc import Iterable

from ...core.grad_mode import GRAD_MODE
from ...core.tensor import Tensor
from ...ops.bounds import clamp
from ...ops.creation import tensor
from ...ops.joining import stack
from ...ops.movement import cast
from ...ops.norms import vector_norm
from ...ops.pointwise import add, div


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p._grad for p in listed if p._grad is not None]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The ``norm_type``-norm of all elements of ``tensors`` together, as a 0-dim tensor.

    Raises ``RuntimeError`` if it is not finite and ``error_if_nonfinite``. ``foreach`` is accepted for compatibility.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.utils.get_total_norm([torch.tensor([3.0, 4.0]), torch.tensor([12.0])])
        tensor(13.)
    """
    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    norm_type = float(norm_type)
    token = GRAD_MODE.set(False)
    try:
        if not listed:
            return tensor(0.0)
        norms = [vector_norm(t, norm_type) for t in listed]
        widest = norms[0]
        if any([norm._array.dtype is not widest._array.dtype for norm in norms]):
            for norm in norms[1:]:
                widest = add(widest, norm)
            norms = [cast(norm, widest._array.dtype) for norm in norms]
        total = vector_norm(stack(norms), norm_type)
    finally:
        GRAD_MODE.reset(token)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be clipped. To "
            "disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale the gradients, in place, by ``max_norm / total_norm`` where that is below 1."""
    gradients = _gradients(parameters)
    token = GRAD_MODE.set(False)
    try:
        # Always a product, also by 1: whether it is needed would have to be read from the norm first.
        factor = clamp(div(float(max_norm), add(total_norm, 1e-6)), max=1.0)
        for gradient in gradients:
            gradient.mul_(cast(factor, gradient._array.dtype))
    finally:
        GRAD_MODE.reset(token)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients, in place, so that all of them together have a norm of at most ``max_norm``; the norm before.

    Raises ``RuntimeError`` if the norm is not finite and ``error_if_nonfinite``.
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", 2013.

    Example:
        >>> import rushlight as torch
        >>> w = torch.nn.Parameter(torch.zeros(2))
        >>> w.grad = torch.tensor([3.0, 4.0])
        >>> torch.nn.utils.clip_grad_norm_([w], 1.0), w.grad
        (tensor(5.), tensor([0.6000, 0.8000]))
    """
    if not isinstance(parameters, Tensor):
        from types import GeneratorType

        generated = isinstance(parameters, GeneratorType)
        parameters = list(parameters)
        if generated and not parameters:
            warnings.warn(
                "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2
            )
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


def clip_grad_norm(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The old name of ``clip_grad_norm_``."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Bring every element of the gradients, in place, into ``[-clip_value, clip_value]``."""
    bound = float(clip_value)
    token = GRAD_MODE.set(False)
    try:
        for gradient in _gradients(parameters):
            gradient.clamp_(min=-bound, max=bound)
    finally:
        GRAD_MODE.reset(token)
