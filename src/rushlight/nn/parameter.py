"""Parameters and buffers: the tensors that a module owns."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import default_numpy
from ..core.tensor import Tensor, init_fields, make_tensor
from ..serialization import PARAMETER_CLASS


class Parameter(Tensor):
    """A tensor that a module learns: assigned to a module's attribute, it appears in ``module.parameters()``.

    Shares memory with ``data`` (a fresh empty tensor if None) and requires a gradient unless told otherwise.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.Parameter(torch.zeros(2))
        Parameter containing:
        tensor([0., 0.], requires_grad=True)
    """

    __slots__ = ()
    _is_param = True  # printed as one

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = make_tensor(np.empty(0, default_numpy()))
        parameter: Parameter = object.__new__(cls)
        _share(parameter, data)
        if requires_grad:
            parameter.requires_grad_(True)
        return parameter

    def __reduce_ex__(self, protocol: Any) -> Any:
        return (_rebuild, (type(self), self._array, self.requires_grad, dict(self.__dict__)))


class Buffer(Tensor):
    """A tensor that belongs to a module's state but is not learned; the same as ``register_buffer``."""

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        if data is None:
            data = make_tensor(np.empty(0, default_numpy()))
        buffer: Buffer = object.__new__(cls)
        _share(buffer, data)
        buffer._node = data._node
        buffer.persistent = persistent  # type: ignore[attr-defined]
        return buffer


def _share(tensor: Tensor, data: Tensor) -> None:
    if not isinstance(data, Tensor):
        raise TypeError(f"Parameter: expected a Tensor as data, got {type(data).__name__}")
    alias = data.detach()
    init_fields(tensor, alias._array)
    tensor._storage = alias._storage


def _rebuild(cls: type[Parameter], array: Any, requires_grad: bool, extra: dict[str, Any]) -> Parameter:
    parameter = cls(make_tensor(array), requires_grad)
    parameter.__dict__.update(extra)
    return parameter


PARAMETER_CLASS.append(Parameter)
