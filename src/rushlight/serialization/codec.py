"""What the checkpoint format needs to know about tensors, so that it can be written without knowing Tensor."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, Final, NamedTuple, Protocol

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

AnyArray = NDArray[Any]

# PyTorch's storage classes name the element type of the bytes they hold.
STORAGE_CLASSES: Final[dict[str, str]] = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "complex64": "ComplexFloatStorage",
    "complex128": "ComplexDoubleStorage",
}
# Dtypes without a storage class of their own: their bytes are stored, and each tensor says its dtype.
WITHOUT_CLASS: Final = (
    "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
)  # fmt: skip
NUMPY_DTYPES: Final[dict[str, np.dtype[Any]]] = {
    name: np.dtype(getattr(ml_dtypes, name) if name == "bfloat16" or name.startswith("float8") else name)
    for name in (*STORAGE_CLASSES, *WITHOUT_CLASS)
}


class Kind(Enum):
    """What a value to be saved is to the codec; everything else is plain Python data or is refused."""

    TENSOR = auto()
    PARAMETER = auto()
    DTYPE = auto()
    SIZE = auto()
    DEVICE = auto()
    STORAGE = auto()


class TensorRecord(NamedTuple):
    """A tensor as a window on a storage. ``storage`` is one-dimensional and contiguous, of the tensor's dtype;
    tensors that share memory give the same stretch of it. Offset and strides count elements."""

    storage: AnyArray
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype_name: str
    requires_grad: bool
    location: str = "cpu"


class TensorCodec(Protocol):
    """Takes tensors apart for the writer and puts them together for the reader."""

    def kind(self, value: Any) -> Kind | None: ...

    def describe(self, tensor: Any) -> TensorRecord: ...

    def sparse_parts(self, tensor: Any) -> tuple[str, tuple[Any, ...], tuple[int, ...], bool | None] | None:
        """Of a sparse tensor its layout's name, the tensors that it is made of, its shape, and whether it is coalesced (None
        where that is no question); None for a dense tensor."""
        ...

    def attributes(self, tensor: Any) -> dict[str, Any]:
        """The Python attributes that the program has put on the tensor."""
        ...

    def storage_parts(self, value: Any) -> tuple[AnyArray, str | None]:
        """Of a storage object its elements, one-dimensional, and their dtype's name (None for bytes)."""
        ...

    def make_storage(self, elements: AnyArray, dtype_name: str | None) -> Any:
        """The storage object; tensors of the file may share its memory."""
        ...

    def dtype_name(self, dtype: Any) -> str: ...

    def device_arguments(self, device: Any) -> tuple[Any, ...]:
        """``("cpu",)`` or ``("cuda", 0)``."""
        ...

    def make_tensor(self, record: TensorRecord) -> Any:
        """The tensor of a record that the reader has checked: it lies inside its storage. Records of shared memory
        come with the same ``storage`` object."""
        ...

    def make_sparse(
        self, layout: str, parts: tuple[Any, ...], shape: tuple[int, ...], is_coalesced: bool | None
    ) -> Any:
        """The sparse tensor that ``sparse_parts`` took apart. What its parts hold is not read yet: in a file of the old format
        it comes later."""
        ...

    def check_sparse(self) -> None:
        """Once the file is read: raise where the parts of a sparse tensor do not go together."""
        ...

    def is_without_data(self, tensor: Any) -> bool:
        """Whether it is on the meta device."""
        ...

    def make_without_data(self, record: TensorRecord) -> Any:
        """The tensor on the meta device; the record's storage has no elements."""
        ...

    def make_parameter(self, tensor: Any, requires_grad: bool) -> Any: ...

    def set_attributes(self, tensor: Any, attributes: dict[str, Any]) -> None: ...

    def make_dtype(self, name: str) -> Any: ...

    def make_size(self, shape: tuple[int, ...]) -> Any: ...

    def make_device(self, *arguments: Any) -> Any: ...


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides in elements, as PyTorch counts them: an extent of 0 counts as 1."""
    strides: list[int] = []
    step = 1
    for extent in reversed(shape):
        strides.append(step)
        step *= max(extent, 1)
    return tuple(reversed(strides))


def window_of(array: AnyArray) -> tuple[AnyArray, int, tuple[int, ...]]:
    """The memory that ``array`` looks into, as ``(storage, offset, strides)``; see ``TensorRecord``.

    The storage is all of the array that owns the memory (as PyTorch saves it), so arrays that share memory give
    the same one. An array that is no such window (negative strides, an offset that is no whole element) is
    copied. An empty array has an empty storage.
    """
    itemsize = array.itemsize
    if array.size == 0:
        return np.empty(0, array.dtype), 0, contiguous_strides(array.shape)
    owner = array
    while (base := _base_of(owner)) is not None:
        owner = base
    spans_memory = not any(step < 0 for step in owner.strides) and owner.size > 0
    if spans_memory:
        nbytes = owner.itemsize + sum(
            (n - 1) * step for n, step in zip(owner.shape, owner.strides, strict=True)
        )
        offset = array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
        # The step of a dimension of one element is never taken, and NumPy lets it be anything.
        natural = contiguous_strides(array.shape)
        steps = [
            step if n > 1 else own * itemsize
            for n, step, own in zip(array.shape, array.strides, natural, strict=True)
        ]
        if all(step >= 0 and step % itemsize == 0 for step in steps) and offset % itemsize == 0:
            memory = np.lib.stride_tricks.as_strided(_bytes_at_start(owner), (nbytes,), (1,), writeable=False)
            storage = memory[: nbytes // itemsize * itemsize].view(array.dtype)
            return storage, offset // itemsize, tuple(step // itemsize for step in steps)
    copy = np.array(array, order="C")
    return copy.reshape(-1), 0, contiguous_strides(array.shape)


def _base_of(array: AnyArray) -> AnyArray | None:
    base: Any = array.base
    if base is not None and not isinstance(base, np.ndarray):
        base = getattr(base, "base", None)  # as_strided puts an object of its own between a view and its base
    return base if isinstance(base, np.ndarray) else None


def _bytes_at_start(owner: AnyArray) -> AnyArray:
    first: AnyArray = owner[(0,) * owner.ndim + (None,)]  # a view of one element, of shape (1,)
    return first.view(np.uint8)
