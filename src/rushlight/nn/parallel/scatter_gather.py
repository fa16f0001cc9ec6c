"""``scatter`` and ``gather``: batches in parts, one for each device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.tensor import Tensor
from ...ops.joining import cat
from ...ops.splitting import chunk


def is_namedtuple(obj: Any) -> bool:
    """Whether ``obj`` is a named tuple."""
    return isinstance(obj, tuple) and hasattr(obj, "_asdict") and hasattr(obj, "_fields")


def scatter(inputs: Any, target_gpus: Sequence[Any], dim: int = 0) -> Any:
    """For each device a part of the tensors in ``inputs``, along ``dim``; what is no tensor goes to each as it is.

    Example:
        >>> import rushlight as torch
        >>> scatter({"x": torch.arange(3), "n": 1}, ["cpu", "cpu"])
        [{'x': tensor([0, 1]), 'n': 1}, {'x': tensor([2]), 'n': 1}]
    """
    if isinstance(inputs, Tensor):
        parts = chunk(inputs, len(target_gpus), dim)
        return tuple([part.to(_place(device)) for part, device in zip(parts, target_gpus, strict=False)])
    if is_namedtuple(inputs):
        return [type(inputs)(*args) for args in zip(*_each(inputs, target_gpus, dim), strict=False)]
    if isinstance(inputs, tuple) and inputs:
        return list(zip(*_each(inputs, target_gpus, dim), strict=False))
    if isinstance(inputs, list) and inputs:
        return [list(part) for part in zip(*_each(inputs, target_gpus, dim), strict=False)]
    if isinstance(inputs, dict) and inputs:
        return [type(inputs)(part) for part in zip(*_each(inputs.items(), target_gpus, dim), strict=False)]
    return [inputs for _ in target_gpus]


def _place(device: Any) -> Any:
    return f"cuda:{device}" if isinstance(device, int) else device


def _each(values: Any, target_gpus: Sequence[Any], dim: int) -> list[Any]:
    return [scatter(value, target_gpus, dim) for value in values]


def scatter_kwargs(
    inputs: tuple[Any, ...], kwargs: dict[str, Any] | None, target_gpus: Sequence[Any], dim: int = 0
) -> tuple[tuple[Any, ...], tuple[dict[str, Any], ...]]:
    """``scatter`` of positional and of named arguments, as many of both."""
    positional = list(scatter(inputs, target_gpus, dim)) if inputs else []
    named = list(scatter(kwargs, target_gpus, dim)) if kwargs else []
    count = max(len(positional), len(named))
    positional += [() for _ in range(count - len(positional))]
    named += [{} for _ in range(count - len(named))]
    return tuple(positional), tuple(named)


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """The tensors of all devices joined along ``dim``, on one device; containers part by part.

    Raises ``ValueError`` for dicts with different keys.
    """
    first = outputs[0]
    if isinstance(first, Tensor):
        whole = [each.reshape(1) if each.ndim == 0 else each for each in outputs]
        return cat(whole, dim).to(_place(target_device))
    if first is None:
        return None
    if isinstance(first, dict):
        if any(len(first) != len(each) for each in outputs):
            raise ValueError("All dicts must have the same number of keys")
        return type(first)(
            (key, gather([each[key] for each in outputs], target_device, dim)) for key in first
        )
    parts = [gather(list(part), target_device, dim) for part in zip(*outputs, strict=True)]
    return type(first)(*parts) if is_namedtuple(first) else type(first)(parts)
