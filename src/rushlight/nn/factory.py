"""``torch.nn.factory_kwargs``, with which layers of a program's own hand on where and in which dtype to make parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = ("device", "dtype", "memory_format")


def factory_kwargs(kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    """``device``, ``dtype`` and ``memory_format`` of ``kwargs``, and what its ``factory_kwargs`` has, as one dict.

    Raises ``TypeError`` for other names, and for one that is given in both.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.factory_kwargs({"device": "cpu", "factory_kwargs": {"dtype": torch.float64}})
        {'dtype': torch.float64, 'device': 'cpu'}
    """
    if kwargs is None:
        return {}
    unexpected = kwargs.keys() - {*_NAMES, "factory_kwargs"}
    if unexpected:
        raise TypeError(f"unexpected kwargs {unexpected}")
    found = dict(kwargs.get("factory_kwargs", {}))
    for name in _NAMES:
        if name in kwargs:
            if name in found:
                raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
            found[name] = kwargs[name]
    return found
