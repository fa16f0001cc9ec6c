"""Calling a module with other parameters than its own."""

from __future__ import annotations

__all__ = ["functional_call"]

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ...core.tensor import Tensor
from ..module import Module

_NONE = object()


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """The older name of ``torch.func.functional_call``, for one dictionary."""
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be removed in a future version "
        "of PyTorch. Please use `torch.func.functional_call` instead which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return call_with(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict)


def call_with(
    module: Module,
    tensors: dict[str, Any],
    args: Any,
    kwargs: dict[str, Any] | None,
    *,
    tie_weights: bool,
    strict: bool,
) -> Any:
    """``module(*args, **kwargs)`` with ``tensors`` by dotted name in the places of its parameters and buffers."""
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    with replaced(module, tensors, tie_weights=tie_weights, strict=strict):
        return module(*arguments, **(kwargs or {}))


@contextmanager
def replaced(module: Module, tensors: dict[str, Any], *, tie_weights: bool, strict: bool) -> Iterator[None]:
    """Within this context ``tensors`` stand in the places of the module's parameters and buffers.

    Buffers that the module replaces meanwhile are put into ``tensors``.
    """
    named: dict[str, Any] = dict(module.named_parameters(remove_duplicate=False))
    named.update(module.named_buffers(remove_duplicate=False))
    wanted = _with_tied(named, tensors) if tie_weights else tensors
    if strict:
        _check_keys(module, named, wanted)
    for value in wanted.values():
        if not isinstance(value, Tensor) and value is not None:
            raise TypeError(f"{value} is not an instance of torch.Tensor")
    places = {name: _place_of(module, name) for name in wanted}
    own = {name: table.get(key, _NONE) for name, (table, key) in places.items()}
    try:
        for name, (table, key) in places.items():
            table[key] = wanted[name]
        yield
    finally:
        for name, (table, key) in places.items():
            if name in tensors:
                tensors[name] = table.get(key, tensors[name])
            if own[name] is _NONE:
                table.pop(key, None)
            else:
                table[key] = own[name]


def _reparametrize_module(
    module: Module,
    parameters_and_buffers: dict[str, Any],
    *,
    tie_weights: bool = False,
    strict: bool = False,
    stack_weights: bool = False,
) -> Any:
    """A context in which ``parameters_and_buffers`` stand in the places of the module's own. Libraries use it under this
    name of PyTorch's; ``stack_weights`` (the order of putting back) makes no difference here."""
    return replaced(module, parameters_and_buffers, tie_weights=tie_weights, strict=strict)


def _with_tied(named: Mapping[str, Any], tensors: dict[str, Any]) -> dict[str, Any]:
    """``tensors`` with the value of one name of a shared parameter under its other names, too."""
    groups: dict[int, list[str]] = {}
    for name, tensor in named.items():
        groups.setdefault(id(tensor), []).append(name)
    result = dict(tensors)
    for names in groups.values():
        given = [name for name in names if name in tensors]
        if len(names) == 1 or not given:
            continue
        if any(tensors[name] is not tensors[given[0]] for name in given):
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(given)}, which are tied. Consider using "
                "tie_weights=False"
            )
        for name in names:
            result[name] = tensors[given[0]]
    return result


def _check_keys(module: Module, named: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
    errors = []
    for kind, keys in (
        ("Unexpected", [name for name in tensors if name not in named]),
        ("Missing", [name for name in named if name not in tensors]),
    ):
        if keys:
            errors.append(f"{kind} key(s): {', '.join(map(repr, sorted(keys)))}.")
    if errors:
        listed = "\n\t".join(errors)
        raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t{listed}")


def _place_of(module: Module, name: str) -> tuple[dict[str, Any], str]:
    path, _, key = name.rpartition(".")
    owner: Any = module
    for part in path.split(".") if path else ():
        if not hasattr(owner, part):
            raise AttributeError(f"{owner._get_name()} has no attribute `{part}`")
        owner = getattr(owner, part)
        if not isinstance(owner, Module):
            raise TypeError(f"submodule `{part}`: {owner} is not an instance of torch.nn.Module")
    if not key:
        raise KeyError('tensor name can\'t be empty string ""')
    for table in (owner._parameters, owner._buffers):
        if key in table:
            return table, key
    present = getattr(owner, key, None)
    if present is not None and not isinstance(present, Tensor):
        raise TypeError(f"attribute `{key}`: {present} is not an instance of torch.Tensor")
    return (
        owner.__dict__,
        key,
    )  # a name that the module does not have is an attribute for the time of the call
