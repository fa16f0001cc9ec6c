"""``out=``: a function's result written into a tensor that the program gives."""

from __future__ import annotations

from typing import Any

from ..core.dtypes import OF_NUMPY, can_cast
from ..core.grad_mode import GRAD_MODE
from ..core.storage import Storage
from ..core.tensor import Tensor
from .inplace import check_no_overlap
from .operand_types import type_name

grad_enabled = GRAD_MODE.get


def write_out(out: Any, result: Tensor, name: str) -> Tensor:
    """``result`` written into ``out`` (``out=`` of the public functions), which is resized if it has another shape.

    Raises ``RuntimeError`` where ``out`` or an input needs a gradient, and where the result's dtype can't go into it.
    """
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if grad_enabled() and (out._node is not None or result._node is not None):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad."
        )
    source, target = result._array, out._array
    check_no_overlap(target)
    if not can_cast(OF_NUMPY[source.dtype], OF_NUMPY[target.dtype]):
        raise RuntimeError(
            f"result type {type_name(source.dtype)} can't be cast to the desired output type {type_name(target.dtype)}"
        )
    if target.shape != source.shape:
        if target.size:
            import warnings

            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(target.shape)}, which does "
                f"not match the required output shape {list(source.shape)}. This behavior is deprecated.",
                UserWarning,
                stacklevel=3,
            )
        out._array = source.astype(target.dtype, copy=True)
        return out
    storage = out._storage
    if storage is None:
        storage = out._storage = Storage()
    storage.mark_changed(name)  # before anything is written: a recording may have read it
    target[...] = source
    return out
