"""Rushlight's tensors, taken apart and put together for the checkpoint format."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.device import device
from ..core.shapes import Size
from ..core.tensor import Tensor, make_tensor, storage_of
from . import PARAMETER_CLASS
from .codec import AnyArray, Kind, TensorRecord, window_of

_OWN_PACKAGE = __name__.partition(".")[0] + "."


class RushlightCodec:
    """A ``TensorCodec``, for one file: it remembers which tensors it made share memory."""

    def __init__(self) -> None:
        # By the storage array's identity; the array is kept so that its identity stays its own.
        self._made: dict[int, tuple[AnyArray, Tensor]] = {}

    def kind(self, value: Any) -> Kind | None:
        if isinstance(value, Tensor):
            if isinstance(value, tuple(PARAMETER_CLASS)):
                return Kind.PARAMETER
            # A program's own subclass could not be found again when loading.
            is_known = type(value) is Tensor or type(value).__module__.startswith(_OWN_PACKAGE)
            return Kind.TENSOR if is_known else None
        if isinstance(value, dtypes.dtype):
            return Kind.DTYPE
        if type(value) is Size:
            return Kind.SIZE
        return Kind.DEVICE if isinstance(value, device) else None

    def describe(self, tensor: Tensor) -> TensorRecord:
        array = tensor._array
        storage, offset, strides = window_of(array)
        return TensorRecord(storage, offset, array.shape, strides, tensor.dtype.name, tensor.requires_grad)

    def attributes(self, tensor: Tensor) -> dict[str, Any]:
        return tensor.__dict__

    def dtype_name(self, dtype: dtypes.dtype) -> str:
        return dtype.name

    def device_arguments(self, device: device) -> tuple[Any, ...]:
        return (device.type,) if device.index is None else (device.type, device.index)

    def make_tensor(self, record: TensorRecord) -> Tensor:
        storage = record.storage
        itemsize = storage.itemsize
        # Through the bytes, because NumPy does not take a bfloat16 array for a buffer.
        array: AnyArray = np.ndarray(
            record.shape,
            storage.dtype,
            storage.view(np.uint8),
            record.offset * itemsize,
            tuple(step * itemsize for step in record.strides),
        )
        tensor = make_tensor(array)
        known = self._made.get(id(storage))
        if known is None:
            self._made[id(storage)] = (storage, tensor)
        else:
            tensor._storage = storage_of(known[1])
        if record.requires_grad:
            tensor.requires_grad_(True)
        return tensor

    def make_parameter(self, tensor: Any, requires_grad: bool) -> Any:
        if not PARAMETER_CLASS:
            raise RuntimeError("load: the file holds parameters; import rushlight.nn first")
        return PARAMETER_CLASS[0](tensor, requires_grad)

    def set_attributes(self, tensor: Tensor, attributes: dict[str, Any]) -> None:
        tensor.__dict__.update(attributes)

    def make_dtype(self, name: str) -> dtypes.dtype:
        return dtypes.by_name(name)

    def make_size(self, shape: tuple[int, ...]) -> Size:
        return Size(shape)

    def make_device(self, *arguments: Any) -> device:
        return device(*arguments)
