"""NumPy's arrays, scalars and dtypes in a checkpoint: numbers, bools and strings, both ways.

PyTorch writes them too. When it loads them it asks for ``torch.serialization.add_safe_globals`` first.
"""

from __future__ import annotations

import math
import pickle
import sys
from typing import Any, Final

import numpy as np

from .codec import AnyArray
from .pickle_reader import Constructor
from .pickle_writer import Call, Global

_KINDS: Final = "biufcSU"
_MODULE: Final = "numpy._core.multiarray"
_MODULES: Final = ("numpy.core.multiarray", _MODULE)  # NumPy 1 and 2


def _refuse(message: str) -> Any:
    raise pickle.UnpicklingError(f"load: {message}")


def reduce_numpy(value: Any) -> Call | None:
    """How to write ``value``, as NumPy itself reduces it; None if it is no NumPy value that can be loaded again."""
    if isinstance(value, np.dtype):
        return _reduce_dtype(value)
    if isinstance(value, np.generic) and value.dtype.kind in _KINDS and value.dtype.itemsize:
        return Call(Global(_MODULE, "scalar"), (value.dtype, value.tobytes()))
    if type(value) is np.ndarray and value.dtype.kind in _KINDS:
        by_columns = value.flags.f_contiguous and not value.flags.c_contiguous
        raw = value.tobytes("F" if by_columns else "C")
        call = Call(Global(_MODULE, "_reconstruct"), (Global("numpy", "ndarray"), (0,), b"b"))
        return call._replace(state=(1, value.shape, value.dtype, by_columns, raw))
    return None


def _reduce_dtype(dtype: np.dtype[Any]) -> Call | None:
    if dtype.kind not in _KINDS or dtype.subdtype is not None:
        return None
    order = {"=": "<" if sys.byteorder == "little" else ">"}.get(dtype.byteorder, dtype.byteorder)
    sizes = (dtype.itemsize, dtype.alignment) if dtype.kind in "SU" else (-1, -1)
    state = (3, order, None, None, None, *sizes, 0)
    return Call(Global("numpy", "dtype"), (dtype.str[1:], False, True), state=state)


def _dtype(code: Any, align: Any = False, copy: Any = False) -> np.dtype[Any]:
    if type(code) is not str or code[:1] not in _KINDS or not code[1:].isdecimal() or len(code) > 10:
        _refuse(f"numpy.dtype {code!r} is not allowed: only those of numbers, bools and strings are")
    made: np.dtype[Any] = np.dtype(code, align=False, copy=True)
    return made


def _scalar(dtype: Any, raw: Any) -> Any:
    if not isinstance(dtype, np.dtype) or type(raw) is not bytes or len(raw) != dtype.itemsize or not raw:
        _refuse("malformed NumPy scalar")
    return np.frombuffer(raw, dtype)[0]


def _array(kind: Any, shape: Any, code: Any) -> AnyArray:
    if kind is not NUMPY_GLOBALS["numpy", "ndarray"]:
        _refuse("malformed NumPy array")
    return np.empty(0, np.int8)  # its state follows


def _no_call(*_arguments: Any) -> Any:
    return _refuse("numpy.ndarray is not called in a checkpoint")


def set_numpy_state(target: Any, state: Any) -> bool:
    """Give an array or dtype its state from a file; False if ``target`` is neither."""
    if type(target) is np.ndarray:
        _set_array_state(target, state)
    elif isinstance(target, np.dtype):
        _set_dtype_state(target, state)
    else:
        return False
    return True


def _set_dtype_state(dtype: np.dtype[Any], state: Any) -> None:
    # Only the byte order is the file's to choose: NumPy would believe a wrong item size.
    sizes = (dtype.itemsize, dtype.alignment) if dtype.kind in "SU" else (-1, -1)
    if type(state) is not tuple or len(state) != 8 or state[0] != 3 or state[1] not in ("<", ">", "|", "="):
        _refuse("malformed numpy.dtype")
    if state[2:5] != (None, None, None) or state[5:7] != sizes:
        _refuse("malformed numpy.dtype")
    dtype.__setstate__((3, state[1], None, None, None, *sizes, 0))  # type: ignore[attr-defined]


def _set_array_state(array: AnyArray, state: Any) -> None:
    if type(state) is not tuple or len(state) != 5:
        _refuse("malformed NumPy array")
    _, shape, dtype, by_columns, raw = state
    if not isinstance(dtype, np.dtype) or dtype.kind not in _KINDS or type(raw) is not bytes:
        _refuse("malformed NumPy array")
    is_shape = type(shape) is tuple and all(type(extent) is int and extent >= 0 for extent in shape)
    if not is_shape or len(shape) > 64 or math.prod(shape) * dtype.itemsize != len(raw):
        _refuse("malformed NumPy array: its bytes do not fit its shape")
    array.__setstate__((1, shape, dtype, bool(by_columns), raw))  # type: ignore[arg-type]


NUMPY_GLOBALS: Final[dict[tuple[str, str], Any]] = {
    ("numpy", "dtype"): Constructor("numpy.dtype", _dtype),
    ("numpy", "ndarray"): Constructor("numpy.ndarray", _no_call),
    **{(module, "scalar"): Constructor("NumPy scalar", _scalar) for module in _MODULES},
    **{(module, "_reconstruct"): Constructor("NumPy array", _array) for module in _MODULES},
}
