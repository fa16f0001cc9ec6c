"""Modules as functions of their parameters: ``functional_call`` and ``stack_module_state``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..nn.module import Module
from ..nn.utils.stateless import call_with
from ..ops.joining import stack


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``module(*args, **kwargs)`` with other tensors in the places of its parameters and buffers.

    ``parameter_and_buffer_dicts`` is one dictionary from dotted names to tensors, or several. With ``tie_weights`` a
    tensor given for one name of a shared parameter stands for all its names; with ``strict`` every parameter and buffer
    must be given. Raises ``ValueError``, ``RuntimeError``, ``TypeError`` or ``AttributeError`` for names and values that do
    not fit.

    Example:
        >>> import rushlight as torch
        >>> layer = torch.nn.Linear(1, 1, bias=False)
        >>> torch.func.functional_call(layer, {"weight": torch.tensor([[3.0]])}, torch.ones(1))
        tensor([3.])
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        tensors = parameter_and_buffer_dicts
    elif isinstance(parameter_and_buffer_dicts, Sequence):
        if not all(isinstance(part, dict) for part in parameter_and_buffer_dicts):
            raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
        tensors = {}
        repeated = []
        for part in parameter_and_buffer_dicts:
            repeated += [key for key in part if key in tensors]
            tensors.update(part)
        if repeated:
            raise ValueError(
                f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous"
            )
    else:
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(parameter_and_buffer_dicts)}"
        )
    return call_with(module, tensors, args, kwargs, tie_weights=tie_weights, strict=strict)


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of several models of one class, each stacked in a new first dimension.

    For an ensemble: ``vmap`` a function that calls ``functional_call`` over them. Raises ``RuntimeError`` for no model and
    for models that differ in class, mode or what requires a gradient.

    Example:
        >>> import rushlight as torch
        >>> params, buffers = torch.func.stack_module_state([torch.nn.Linear(3, 2) for _ in range(4)])
        >>> {name: tuple(p.shape) for name, p in params.items()}, buffers
        ({'weight': (4, 2, 3), 'bias': (4, 2)}, {})
    """
    if len(models) == 0:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({model.training for model in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if any(type(model) is not type(models[0]) for model in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = [dict(model.named_parameters()) for model in models]
    buffers = [dict(model.named_buffers()) for model in models]
    return (
        {name: _stacked(name, [part[name] for part in parameters]) for name in parameters[0]},
        {name: _stacked(name, [part[name] for part in buffers]) for name in buffers[0]},
    )


def _stacked(name: str, tensors: list[Any]) -> Any:
    wanted = {tensor.requires_grad for tensor in tensors}
    if len(wanted) > 1:
        raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
    return stack(tensors).detach().requires_grad_(wanted == {True})
