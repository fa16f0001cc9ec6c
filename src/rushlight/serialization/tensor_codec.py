"""Rushlight's tensors, taken apart and put together for the checkpoint format."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.device import OF_ARRAYS, device, device_of, on_host, placed, strided
from ..core.shapes import Size
from ..core.sparse_arrays import SparseArray
from ..core.tensor import Tensor, make_tensor, storage_of
from ..ops.conversion import written_array
from ..ops.memory import TypedStorage, UntypedStorage
from . import PARAMETER_CLASS
from .codec import AnyArray, Kind, TensorRecord, window_of

_OWN_PACKAGE = __name__.partition(".")[0] + "."


class RushlightCodec:
    """A ``TensorCodec``, for one file: it remembers which tensors it made share memory."""

    def __init__(self) -> None:
        # By the storage array's identity; the array is kept so that its identity stays its own.
        self._made: dict[int, tuple[AnyArray, Tensor]] = {}
        self._unchecked: list[Tensor] = []  # sparse tensors
        self._memories: dict[int, Any] = {}  # copies of devices' memories, by their addresses there
        self._kept: list[Any] = []
        self._moves: dict[int, Any] = {}  # storages on their devices, by the storage array's identity

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
        if isinstance(value, UntypedStorage):
            return Kind.STORAGE
        return Kind.DEVICE if isinstance(value, device) else None

    def describe(self, tensor: Tensor) -> TensorRecord:
        array = written_array(tensor._array)
        location = "cpu"
        if type(array) in OF_ARRAYS:
            location = str(device_of(array))
            array, memory = self._copied(array)
            self._kept.append(memory)
        storage, offset, strides = window_of(array)
        return TensorRecord(
            storage, offset, array.shape, strides, tensor.dtype.name, tensor.requires_grad, location
        )

    def _copied(self, array: Any) -> tuple[Any, Any]:
        """A device's array on the CPU, and all of the memory that it is part of: arrays that share memory there do here."""
        root = array if array.base is None else array.base
        backend = OF_ARRAYS[type(array)]
        key = backend.address(root)
        memory = self._memories.get(key)
        if memory is None:
            memory = self._memories[key] = on_host(root)
        gap = backend.address(array) - key
        if root.flags.c_contiguous and array.size and gap >= 0 and root.dtype == array.dtype:
            return np.ndarray(array.shape, array.dtype, memory.view(np.uint8), gap, array.strides), memory
        return on_host(array), memory

    def sparse_parts(
        self, tensor: Tensor
    ) -> tuple[str, tuple[Tensor, ...], tuple[int, ...], bool | None] | None:
        array = tensor._array
        if not isinstance(array, SparseArray):
            return None
        layout, parts, shape, coalesced = array.parts()
        is_coalesced = coalesced if layout == "sparse_coo" else None
        return layout, tuple([make_tensor(part) for part in parts]), shape, is_coalesced

    def is_without_data(self, tensor: Tensor) -> bool:
        return bool(tensor.is_meta)

    def make_without_data(self, record: TensorRecord) -> Tensor:
        from ..ops.creation import empty_strided

        return empty_strided(
            record.shape, record.strides, dtype=self.make_dtype(record.dtype_name), device="meta",
            requires_grad=record.requires_grad,
        )  # fmt: skip

    def make_sparse(
        self, layout: str, parts: tuple[Any, ...], shape: tuple[int, ...], is_coalesced: bool | None
    ) -> Tensor:
        from ..ops.sparse_creation import unchecked  # only files with sparse tensors need it

        tensor = unchecked(layout, parts, shape, bool(is_coalesced))
        self._unchecked.append(tensor)
        return tensor

    def check_sparse(self) -> None:
        for tensor in self._unchecked:
            from ..ops.sparse_creation import check_content

            check_content(tensor)

    def attributes(self, tensor: Tensor) -> dict[str, Any]:
        return tensor.__dict__

    def storage_parts(self, value: UntypedStorage) -> tuple[AnyArray, str | None]:
        name = value.dtype.name if isinstance(value, TypedStorage) else None
        elements = value._flat()
        self._kept.append(elements)
        return elements, name

    def make_storage(self, elements: AnyArray, dtype_name: str | None) -> UntypedStorage:
        return UntypedStorage(elements) if dtype_name is None else TypedStorage(elements, elements.dtype)

    def dtype_name(self, dtype: dtypes.dtype) -> str:
        return dtype.name

    def device_arguments(self, device: device) -> tuple[Any, ...]:
        return (device.type,) if device.index is None else (device.type, device.index)

    def make_tensor(self, record: TensorRecord) -> Tensor:
        storage = record.storage
        itemsize = storage.itemsize
        strides = tuple([step * itemsize for step in record.strides])
        array: AnyArray
        if record.location != "cpu":
            array = strided(self._moved(storage, record.location)[record.offset :], record.shape, strides)
        else:
            # Through the bytes, because NumPy does not take a bfloat16 array for a buffer.
            array = np.ndarray(
                record.shape, storage.dtype, storage.view(np.uint8), record.offset * itemsize, strides
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

    def _moved(self, storage: AnyArray, location: str) -> Any:
        """A storage's elements on the device that its tensors are to be on: once for all of them."""
        moved = self._moves.get(id(storage))
        if moved is None:
            moved = self._moves[id(storage)] = placed(storage, device(location))
        return moved

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
