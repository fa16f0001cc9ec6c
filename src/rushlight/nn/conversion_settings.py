"""How modules take converted parameters (``torch.__future__``), and the exchange of two tensors that one way of it needs."""

from __future__ import annotations

import weakref
from typing import Any, Final

from ..core.history import LeafNode
from ..core.tensor import Tensor

SETTINGS: Final = {"overwrite": False, "swap": False}

_FIELDS: Final = ("_array", "_grad", "_node", "_storage", "_view")


def swap_tensors(t1: Tensor, t2: Tensor) -> None:
    """Exchange two tensors: values, class, attributes, gradients and history. Whoever holds one of them sees the other's.

    Raises ``RuntimeError`` where something holds one of them weakly.

    Example:
        >>> import rushlight as torch
        >>> a, b = torch.zeros(2), torch.nn.Parameter(torch.ones(3))
        >>> torch.utils.swap_tensors(a, b)
        >>> a
        Parameter containing:
        tensor([1., 1., 1.], requires_grad=True)
    """
    for place, tensor in enumerate((t1, t2), 1):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"swap_tensors(): argument {place} must be Tensor, not {type(tensor).__name__}")
        own = {tensor._node.tensor_ref} if isinstance(tensor._node, LeafNode) else set()
        if any([reference not in own for reference in weakref.getweakrefs(tensor)]):
            raise RuntimeError(f"Cannot swap t{place} because it has weakref associated with it")
    t1.__class__, t2.__class__ = t2.__class__, t1.__class__
    t1.__dict__, t2.__dict__ = t2.__dict__, t1.__dict__
    for field in _FIELDS:
        one, other = getattr(t1, field), getattr(t2, field)
        setattr(t1, field, other)
        setattr(t2, field, one)
    for tensor in (t1, t2):
        if isinstance(tensor._node, LeafNode):
            tensor._node.tensor_ref = weakref.ref(tensor)


def exchange_parameter(parameter: Any, converted: Any) -> None:
    """Make ``parameter`` what ``converted`` is; what was computed from the old one can't run backward any more."""
    node = parameter._node
    if isinstance(node, LeafNode):
        node.add_pre_hook(_refuse)
    swap_tensors(parameter, converted)


def _refuse(gradient: Any) -> None:
    raise RuntimeError(
        "Trying to execute AccumulateGrad node that was poisoned by swap_tensors: a module's parameters were converted "
        "after this graph was recorded; run the forward pass again"
    )


def fits_in_place(old: Tensor, new: Tensor) -> bool:
    """Whether ``old`` may take the values of ``new`` and stay the same object."""
    return not SETTINGS["overwrite"] and old.layout == new.layout
