"""The arguments of a call by the signature of what is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["ArgsKwargsPair", "get_signature_for_torch_op", "normalize_function", "normalize_module"]


class ArgsKwargsPair(NamedTuple):
    """The arguments of a call."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def get_signature_for_torch_op(op: Callable[..., Any], return_schemas: bool = False) -> Any:
    """A list with the signature of a function; None where it has none. ``return_schemas`` adds None for the schemas.

    Example:
        >>> import rushlight as torch
        >>> list(get_signature_for_torch_op(torch.cat)[0].parameters)[:2]
        ['tensors', 'dim']
    """
    try:
        found: Any = [inspect.signature(op)]
    except (TypeError, ValueError):
        found = None
    return (found, None) if return_schemas else found


def _normalized(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], only_kwargs: bool
) -> ArgsKwargsPair | None:
    try:
        signature = inspect.signature(function)
        bound = signature.bind(*args, **kwargs)
    except (TypeError, ValueError):
        return None
    bound.apply_defaults()
    positional: list[Any] = []
    named: dict[str, Any] = {}
    required = True
    for count, (name, parameter) in enumerate(signature.parameters.items()):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            if bound.arguments.get(name):
                return None
            continue
        required = required and count < len(args) and parameter.kind is not parameter.KEYWORD_ONLY
        if (required and not only_kwargs) or (
            parameter.kind is parameter.POSITIONAL_ONLY and not only_kwargs
        ):
            positional.append(bound.arguments[name])
        else:
            named[name] = bound.arguments[name]
    return ArgsKwargsPair(tuple(positional), named)


def normalize_function(
    target: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    arg_types: tuple[Any, ...] | None = None,
    kwarg_types: dict[str, Any] | None = None,
    normalize_to_only_use_kwargs: bool = False,
) -> ArgsKwargsPair | None:
    """The arguments with the defaults filled in, by name if asked; None where the signature is not known or does not fit.

    Example:
        >>> import rushlight as torch
        >>> normalize_function(torch.cat, ([1, 2],), {"dim": 1}, normalize_to_only_use_kwargs=True).kwargs["dim"]
        1
    """
    return _normalized(target, args, dict(kwargs or {}), normalize_to_only_use_kwargs)


def normalize_module(
    root: Any,
    target: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    normalize_to_only_use_kwargs: bool = False,
) -> ArgsKwargsPair | None:
    """The same for a call of the module at a dotted path of ``root``. ``RuntimeError`` where there is none."""
    try:
        module = root.get_submodule(target)
    except AttributeError as error:
        raise RuntimeError(
            f"Tried to normalize node with target {target} but root did not have that target!"
        ) from error
    return _normalized(module.forward, args, dict(kwargs or {}), normalize_to_only_use_kwargs)
