"""``torch.storage``: a tensor's memory as an object."""

from __future__ import annotations

__all__ = ["TypedStorage", "UntypedStorage"]

import os
from typing import Any as _Any

from .core import dtypes as _dtypes
from .core.tensor import Tensor as _Tensor
from .missing import lazily as _lazily
from .ops.memory import TypedStorage as TypedStorage, UntypedStorage as UntypedStorage

__getattr__ = _lazily(__name__)


def from_file(
    filename: str | os.PathLike[str],
    shared: bool | None = None,
    size: int | None = 0,
    *,
    dtype: _Any = None,
    layout: _Any = None,
    device: _Any = None,
    pin_memory: bool | None = None,
    requires_grad: bool = False,
) -> _Tensor:
    """A tensor of the first ``size`` elements of a file, which is read as they are needed.

    Args:
        filename: the file.
        shared: whether changes of the tensor go to the file, which is made or made longer where it does not suffice.
        size: the number of elements, shape (size,).
        dtype: of the elements; the default dtype.

    Raises ``RuntimeError`` where the file can't be opened, and, unless ``shared``, where it is too short.

    Example:
        >>> import os, tempfile
        >>> import rushlight as torch
        >>> path = os.path.join(tempfile.mkdtemp(), "numbers")
        >>> numbers = torch.from_file(path, shared=True, size=3)
        >>> _ = numbers.fill_(2.0)
        >>> torch.from_file(path, size=2)
        tensor([2., 2.])
    """
    import numpy as np

    from .core.dtypes import default_numpy
    from .core.tensor import make_tensor

    kind = default_numpy() if dtype is None else dtype.numpy
    count = size or 0
    needed = count * kind.itemsize
    if needed < 0:
        raise RuntimeError(f"unable to mmap {needed} bytes from file <{filename}>: size must not be negative")
    try:
        with open(filename, "ab" if shared else "rb") as file:
            found = os.fstat(file.fileno()).st_size
            if shared and found < needed:
                file.truncate(needed)
    except OSError as error:
        mode = "read-write" if shared else "read-only"
        raise RuntimeError(
            f"unable to open file <{filename}> in {mode} mode: {error.strerror} ({error.errno})"
        ) from None
    if not shared and found < needed:
        raise RuntimeError(
            f"file <{filename}> size <{found}> is smaller than the required mapping size <{needed}>"
        )
    array = (
        np.asarray(np.memmap(filename, kind, "r+" if shared else "c", shape=(count,)))
        if needed
        else np.empty(0, kind)
    )
    return make_tensor(array).requires_grad_(requires_grad)


class _StorageOfOneDtype(type):
    """``FloatStorage`` and the like: calling one makes a ``TypedStorage`` of its dtype, which is also its instance."""

    dtype: _Any

    def __call__(cls, *args: _Any, wrap_storage: UntypedStorage | None = None) -> TypedStorage:
        return TypedStorage(*args, wrap_storage=wrap_storage, dtype=cls.dtype)

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, TypedStorage) and value.dtype == cls.dtype


def _of_dtype(name: str, dtype: _Any) -> _Any:
    body = {"dtype": dtype, "__doc__": f"``TypedStorage`` of {dtype}.", "__module__": "rushlight"}
    return _StorageOfOneDtype(name, (TypedStorage,), body)


FloatStorage = _of_dtype("FloatStorage", _dtypes.float32)
DoubleStorage = _of_dtype("DoubleStorage", _dtypes.float64)
HalfStorage = _of_dtype("HalfStorage", _dtypes.float16)
BFloat16Storage = _of_dtype("BFloat16Storage", _dtypes.bfloat16)
LongStorage = _of_dtype("LongStorage", _dtypes.int64)
IntStorage = _of_dtype("IntStorage", _dtypes.int32)
ShortStorage = _of_dtype("ShortStorage", _dtypes.int16)
CharStorage = _of_dtype("CharStorage", _dtypes.int8)
ByteStorage = _of_dtype("ByteStorage", _dtypes.uint8)
BoolStorage = _of_dtype("BoolStorage", _dtypes.bool_)
ComplexFloatStorage = _of_dtype("ComplexFloatStorage", _dtypes.complex64)
ComplexDoubleStorage = _of_dtype("ComplexDoubleStorage", _dtypes.complex128)


def is_storage(obj: object, /) -> bool:
    """Whether ``obj`` is a storage.

    Example:
        >>> import rushlight as torch
        >>> torch.is_storage(torch.ones(2).untyped_storage()), torch.is_storage(torch.ones(2))
        (True, False)
    """
    return isinstance(obj, UntypedStorage)
