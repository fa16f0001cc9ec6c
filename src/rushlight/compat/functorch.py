"""``import functorch``: the package in which ``torch.func`` began, which PyTorch still installs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rushlight.func import (
    functional_call,
    functionalize as functionalize,
    grad as grad,
    grad_and_value as grad_and_value,
    hessian as hessian,
    jacfwd as jacfwd,
    jacrev as jacrev,
    jvp as jvp,
    stack_module_state,
    vjp as vjp,
    vmap as vmap,
)
from rushlight.missing import lazily as _lazily
from rushlight.nn import Module, Parameter

__all__ = [
    "combine_state_for_ensemble", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp",
    "make_functional", "make_functional_with_buffers", "vjp", "vmap",
]  # fmt: skip


def make_functional(
    model: Module, disable_autograd_tracking: bool = False
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """``(function, parameters)`` with ``function(parameters, *args)`` what ``model(*args)`` gives with these parameters.

    The older form of ``torch.func.functional_call``. The parameters share memory with the model's;
    ``disable_autograd_tracking`` gives them without gradients. A model with buffers needs ``make_functional_with_buffers``:
    this raises ``RuntimeError`` for one.

    Example:
        >>> import rushlight as torch
        >>> function, parameters = make_functional(torch.nn.Linear(2, 1))
        >>> function([torch.ones(1, 2), torch.zeros(1)], torch.ones(3, 2)).flatten()
        tensor([2., 2., 2.])
    """
    if any(True for _ in model.buffers()):
        raise RuntimeError(
            "make_functional(model): `model` has buffers. Please use make_functional_with_buffers(model) instead."
        )
    names = [name for name, _ in model.named_parameters()]

    def function(parameters: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        return functional_call(model, dict(zip(names, parameters, strict=True)), args, kwargs)

    return function, _parameters(model, disable_autograd_tracking)


def make_functional_with_buffers(
    model: Module, disable_autograd_tracking: bool = False
) -> tuple[Callable[..., Any], tuple[Any, ...], tuple[Any, ...]]:
    """As ``make_functional``, for ``function(parameters, buffers, *args)``: ``(function, parameters, buffers)``.

    Example:
        >>> import rushlight as torch
        >>> function, parameters, buffers = make_functional_with_buffers(torch.nn.BatchNorm1d(3))
        >>> len(parameters), len(buffers)
        (2, 3)
    """
    names = [name for name, _ in model.named_parameters()]
    buffer_names = [name for name, _ in model.named_buffers()]

    def function(parameters: Sequence[Any], buffers: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(names, parameters, strict=True)) | dict(zip(buffer_names, buffers, strict=True))
        return functional_call(model, given, args, kwargs)

    buffers = tuple([buffer.detach() for buffer in model.buffers()])
    return function, _parameters(model, disable_autograd_tracking), buffers


def combine_state_for_ensemble(
    models: Sequence[Module],
) -> tuple[Callable[..., Any], tuple[Any, ...], tuple[Any, ...]]:
    """``(function, parameters, buffers)`` of models of one architecture: their states stacked, for ``vmap`` over them.

    Raises ``RuntimeError`` for no models, for models of different classes, and for some in training mode and some not.

    Example:
        >>> import rushlight as torch
        >>> models = [torch.nn.Linear(2, 1) for _ in range(3)]
        >>> function, parameters, buffers = combine_state_for_ensemble(models)
        >>> torch.vmap(function, in_dims=(0, 0, None))(parameters, buffers, torch.ones(4, 2)).shape
        torch.Size([3, 4, 1])
    """
    parameters, buffers = stack_module_state(list(models))
    function, _, _ = make_functional_with_buffers(models[0])
    return function, tuple(parameters.values()), tuple(buffers.values())


def _parameters(model: Module, without_gradients: bool) -> tuple[Any, ...]:
    found = []
    for parameter in model.parameters():
        copy = Parameter(parameter.detach(), requires_grad=parameter.requires_grad)
        found.append(copy.requires_grad_(False) if without_gradients else copy)
    return tuple(found)


# Names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
