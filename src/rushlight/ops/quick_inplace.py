"""In-place changes of float tensors that nothing records: one NumPy call that writes where it reads."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..core.dtypes import F32, F64
from ..core.grad_mode import GRAD_MODE
from ..core.storage import LIBRARY, program_site
from ..core.tensor import Tensor
from .define import Primitive
from .dispatch import FloatingPointReport, named
from .inplace import announce

grad_enabled = GRAD_MODE.get
getframe = sys._getframe


def wrote(self: Tensor, name: str, ufunc: Any, *operands: Any) -> bool:
    """Change ``self`` to ``ufunc(self, *operands)``; False, and nothing done, where the general way must be taken.

    ``operands`` are arrays of the tensor's dtype that broadcast to its shape.
    """
    x = self._array
    if (
        (self._node is not None and grad_enabled())
        or not (x.dtype is F32 or x.dtype is F64)
        or 0 in x.strides
        or type(x) is not np.ndarray
    ):
        return False
    storage = announce(self, name)
    try:  # noqa: SIM105 - suppress() costs as much as the operation
        ufunc(x, *operands, out=x)
    except FloatingPointReport:
        pass  # reported after the whole array was written
    storage.version += 1
    frame: Any = getframe(2)
    code = frame.f_code
    storage.changed_at = (
        program_site(frame) if code.co_filename.startswith(LIBRARY) else (code, frame.f_lasti)
    )
    return True


def unary_inplace(record: Primitive) -> Any:
    """``x.name_()`` of a one-operand record: quick where its implementation is one NumPy function."""
    general, ufunc, name = record.inplace, record.impl, record.name
    if not isinstance(ufunc, np.ufunc):
        return general

    def inplace(self: Tensor) -> Tensor:
        return self if wrote(self, name, ufunc) else general(self)

    return named(inplace, name + "_", f"In-place form of ``{name}``.")
