"""The in-place operations that optimizers live on: ``add_`` with ``alpha``, ``addcmul_``, ``addcdiv_``, ``lerp_``.

Each is the general in-place form (out of place, then ``commit``) behind a quick path: float tensors of one shape and dtype
outside the graph are updated by two or three NumPy calls with one temporary. That is what an update costs in
``optim``, where it counts: a step on ten small parameters is seventy of these calls.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..core.dtypes import F32, F64
from ..core.grad_mode import GRAD_MODE
from ..core.storage import Storage
from ..core.tensor import Tensor
from .dispatch import FloatingPointReport, inplace_form, named
from .inplace import announce
from .pointwise import add_general_, addcdiv_method, addcmul_method, lerp_method

ndarray = np.ndarray
asarray = np.asarray
grad_enabled = GRAD_MODE.get
getframe = sys._getframe

_addcmul_general_ = inplace_form("addcmul", addcmul_method)
_addcdiv_general_ = inplace_form("addcdiv", addcdiv_method)
_lerp_general_ = inplace_form("lerp", lerp_method)


def _quick(self: Tensor, other: Any, factor: Any) -> bool:
    """Whether ``self`` can be updated by ``other`` and a number without history, casts or broadcasting."""
    if not isinstance(other, Tensor) or (type(factor) is not float and type(factor) is not int):
        return False
    x, y = self._array, other._array
    return (
        x.dtype is y.dtype
        and (x.dtype is F32 or x.dtype is F64)
        and type(x) is ndarray
        and type(y) is ndarray
        and self._view is None
        and (other._storage is None or other._storage is not self._storage or other is self)
        and x.shape == y.shape != ()  # of 0-dim arrays NumPy makes scalars, which nothing can be written into
        and 0 not in x.strides
        and ((self._node is None and other._node is None) or not grad_enabled())
    )


def _end(self: Tensor, storage: Storage) -> Tensor:
    storage.version += 1
    # The line that called: in an optimizer's step that is the line of its update, which says more than who called step.
    frame = getframe(2)
    storage.changed_at = (frame.f_code, frame.f_lasti)
    return self


def _run(ufunc: Any, a: Any, b: Any, out: Any = None) -> Any:
    try:
        return ufunc(a, b, out)
    except FloatingPointReport:
        if out is not None:
            return out  # the report comes after the last value was written
        with np.errstate(all="ignore"):
            return ufunc(a, b)


def add_(self: Tensor, other: Any, third: Any = None, *, alpha: Any = 1) -> Tensor:
    """``self += alpha * other``."""
    if third is None and _quick(self, other, alpha):
        x = self._array
        storage = announce(self, "add")
        y = other._array if alpha == 1 else _run(np.multiply, other._array, asarray(alpha, x.dtype))
        _run(np.add, x, y, x)
        return _end(self, storage)
    return add_general_(self, other, third, alpha=alpha)  # type: ignore[no-any-return]


def addcmul_(self: Tensor, tensor1: Any, tensor2: Any, third: Any = None, *, value: Any = 1) -> Tensor:
    """``self += value * tensor1 * tensor2``."""
    if third is None and _quick(self, tensor1, value) and _quick(self, tensor2, value):
        x = self._array
        storage = announce(self, "addcmul")
        y = _run(np.multiply, tensor1._array, asarray(value, x.dtype))
        _run(np.multiply, y, tensor2._array, y)
        _run(np.add, x, y, x)
        return _end(self, storage)
    return _addcmul_general_(self, tensor1, tensor2, third, value=value)  # type: ignore[no-any-return]


def addcdiv_(self: Tensor, tensor1: Any, tensor2: Any, third: Any = None, *, value: Any = 1) -> Tensor:
    """``self += value * tensor1 / tensor2``."""
    if third is None and _quick(self, tensor1, value) and _quick(self, tensor2, value):
        x = self._array
        storage = announce(self, "addcdiv")
        y = _run(np.multiply, tensor1._array, asarray(value, x.dtype))
        _run(np.divide, y, tensor2._array, y)
        _run(np.add, x, y, x)
        return _end(self, storage)
    return _addcdiv_general_(self, tensor1, tensor2, third, value=value)  # type: ignore[no-any-return]


def lerp_(self: Tensor, end: Tensor, weight: Any) -> Tensor:
    """``self += weight * (end - self)``."""
    if _quick(self, end, weight):
        x, y = self._array, end._array
        storage = announce(self, "lerp")
        if abs(weight) < 0.5:  # from the nearer end, so that a weight of 1 gives `end` exactly
            span = _run(np.subtract, y, x)
            _run(np.multiply, span, asarray(weight, x.dtype), span)
            _run(np.add, x, span, x)
        else:
            span = _run(np.subtract, y, x)
            _run(np.multiply, span, asarray(1 - weight, x.dtype), span)
            _run(np.subtract, y, span, x)
        return _end(self, storage)
    return _lerp_general_(self, end, weight)  # type: ignore[no-any-return]


METHODS: dict[str, Any] = {
    function.__name__: named(function, function.__name__) for function in (add_, addcmul_, addcdiv_, lerp_)
}
