"""Special functions of arrays by kernels of ours (``compiler.kernels.special``), where NumPy would make dozens of passes.

A kernel takes arrays of any shape and is called at once. It computes in float64, by the approximations of
``special_functions``, and its results differ from those by a few units in the last place of a float64: float32 results are
the same but for a few in a hundred million, so these are used on small arrays too, from the hundredth call of a function.
float64 ones are used where eager mode goes over to compiled kernels anyway: on large arrays, from the second call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, F64
from .programs import compiles

Array = NDArray[Any]
_SIGNATURE: Final = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_LARGE: Final = 2_048
_PATIENCE: Final = 100


class SpecialKernel:
    """The kernels of one function, for float32 and float64, made when calls have been made that are worth it.

    ``text(itemsize)`` gives a kernel's text. Example::

        kernel = SpecialKernel(lambda itemsize: special.text("digamma", itemsize))
        result = kernel(x)                  # None: not yet, or not for such arrays
    """

    __slots__ = ("_calls", "_of_float32", "_of_float64", "_text")

    def __init__(self, text: Callable[[int], str]) -> None:
        self._text = text
        self._calls = 0
        self._of_float32: Any = None
        self._of_float64: Any = None

    def __call__(self, x: Array) -> Array | None:
        """The function of ``x``, in its dtype and C order; None where NumPy has to compute it."""
        dtype = x.dtype
        if dtype is F32:
            run = self._of_float32
        elif dtype is F64 and x.size >= _LARGE:
            run = self._of_float64
        else:
            return None
        if run is None:
            self._calls += _PATIENCE if x.size >= _LARGE else 1
            if self._calls <= _PATIENCE:
                return None
            run = self._make(dtype)
        if not run:
            return None
        if not x.flags.carray:
            x = np.array(x, order="C")
        result = np.empty(x.shape, dtype)
        run(x.size, x.__array_interface__["data"][0], result.__array_interface__["data"][0])
        return result

    def _make(self, dtype: np.dtype[Any]) -> Any:
        run: Any = False
        if compiles():
            from ..compiler import native

            run = _SIGNATURE(native.load(self._text(dtype.itemsize)))
        if dtype is F32:
            self._of_float32 = run
        else:
            self._of_float64 = run
        return run


def kernel_of(function: str) -> SpecialKernel:
    """The kernels of one of ``vector_special.FUNCTIONS``."""

    def text(itemsize: int) -> str:
        from ..compiler.kernels import special

        return special.text(function, itemsize)

    return SpecialKernel(text)
