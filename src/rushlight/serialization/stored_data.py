"""A storage on its way from a file to tensors, and where ``map_location`` wants it."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from typing import Any, Final

from .codec import NUMPY_DTYPES, AnyArray
from .zip_archive import ByteArray

_NO_CUDA: Final = (
    "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are running on a "
    "CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your storages to the CPU."
)


class StoredData:
    """The bytes of one storage, and the element type that its identifier in the file gives it.

    It stands for the storage also where a program sees it: as the first argument of a ``map_location`` function.
    """

    __slots__ = ("_arrays", "_bytes", "_must_swap", "dtype_name", "location", "target")

    def __init__(self, data: ByteArray, dtype_name: str | None, must_swap: bool, location: str) -> None:
        self._bytes = data
        self._must_swap = must_swap
        self._arrays: dict[str, AnyArray] = {}
        self.dtype_name = dtype_name
        self.location = location
        self.target = "cpu"  # the device that its tensors are to be on

    def elements(self, dtype_name: str | None = None) -> AnyArray:
        """The elements, one-dimensional: the same array object at every call, so that tensors share it."""
        name = dtype_name or self.dtype_name
        if name is None:
            raise pickle.UnpicklingError("load: malformed tensor: its storage has no element type")
        array = self._arrays.get(name)
        if array is None:
            dtype = NUMPY_DTYPES[name]
            if self._must_swap:
                self._swap(dtype.itemsize // 2 if dtype.kind == "c" else dtype.itemsize)
            whole = self._bytes.nbytes // dtype.itemsize * dtype.itemsize
            data = self._bytes[:whole]
            # A mapped file may hold records at any address; compiled kernels need aligned elements.
            if data.ctypes.data % dtype.alignment:
                data = data.copy()
            array = self._arrays[name] = data.view(dtype)
        return array

    def _swap(self, size: int) -> None:
        if self._arrays:
            raise pickle.UnpicklingError(
                "load: one storage read as two dtypes, from a machine of the other byte order; save copies (clone())"
            )
        if size > 1:
            self._bytes[: self._bytes.nbytes // size * size].view(f"u{size}").byteswap(inplace=True)

    @property
    def device(self) -> str:
        """Where its tensors will be."""
        return self.target

    def nbytes(self) -> int:
        """The number of bytes."""
        return self._bytes.nbytes

    def size(self) -> int:
        """The number of bytes, as for PyTorch's untyped storages."""
        return self._bytes.nbytes

    def cpu(self) -> StoredData:
        """The storage itself, to be on the CPU."""
        self.target = "cpu"
        return self

    def cuda(self, device: Any = None) -> StoredData:
        """The storage itself, to be on a GPU; ``RuntimeError`` where there is none."""
        name = "cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else str(device)
        self.target = restored(name)
        return self


class CountedStorages:
    """Notices storages that a file holds as values of their own, beside those that its tensors are made from."""

    def __init__(self, load: Callable[[Any], StoredData], allowed: Any) -> None:
        self._load = load
        self._allowed = allowed
        self._loaded = 0

    def load(self, identifier: Any) -> StoredData:
        """The storage that the identifier stands for."""
        self._loaded += 1
        return self._load(identifier)

    def finished(self, value: Any, codec: Any) -> Any:
        """``value`` with storage objects where it has storages, at any depth of lists, tuples and dicts."""
        if self._loaded == self._allowed.storages_used:
            return value
        made: dict[int, Any] = {}

        def replaced(part: Any, depth: int) -> Any:
            if type(part) is StoredData:
                if id(part) not in made:
                    made[id(part)] = codec.make_storage(
                        part.elements(part.dtype_name or "uint8"), part.dtype_name
                    )
                return made[id(part)]
            if depth > 200:
                return part
            if type(part) is tuple:
                return tuple([replaced(entry, depth + 1) for entry in part])
            if isinstance(part, list | dict):
                for key in range(len(part)) if isinstance(part, list) else list(part):
                    new = replaced(part[key], depth + 1)
                    if new is not part[key]:
                        part[key] = new
            return part

        return replaced(value, 0)


def assumed_byte_order() -> str:
    """The byte order of files that do not say theirs: little, unless the program set another."""
    options = sys.modules.get(f"{__package__}.options")
    chosen = None if options is None else options.get_default_load_endianness()
    if chosen is None:
        return "little"
    return sys.byteorder if chosen.name == "NATIVE" else str(chosen.name.lower())


def other_byte_order(byte_order: str) -> bool:
    """Whether numbers written in ``byte_order`` must be swapped here; ``ValueError`` for an unknown order."""
    if byte_order not in ("little", "big"):
        raise ValueError(f"Unknown endianness type: {byte_order}")
    return byte_order != sys.byteorder


def check_location(data: StoredData, map_location: Any) -> None:
    """Set where the storage is to be, by its tag and by ``map_location``; raise where that can't be.

    ``map_location`` is as ``rushlight.load`` takes it. ``RuntimeError`` where PyTorch, on a machine without a GPU,
    raises it; ``TypeError`` for what is none of the allowed kinds.
    """
    tag = data.location
    if map_location is None:
        data.target = restored(tag)
    elif isinstance(map_location, str):
        data.target = restored(map_location)
    elif isinstance(map_location, dict):
        data.target = restored(str(map_location.get(tag, tag)))
    elif callable(map_location):
        result = map_location(data, tag)
        if result is None:
            data.target = restored(tag)
        elif result is not data:
            raise TypeError(
                f"load: map_location returned {type(result).__name__}; it must return the storage that it was given, "
                "or None"
            )
    elif isinstance(getattr(map_location, "type", None), str):
        data.target = restored(str(map_location))
    else:
        raise TypeError(
            f"load: map_location is {type(map_location).__name__}; give None, a device, a string, a dict of strings "
            "or a function of (storage, location)"
        )


def restored(location: str) -> str:
    """The device that a location means."""
    name = location.partition(":")[0]
    if name in ("cpu", "meta"):
        return name
    if name == "cuda":
        from ..core.device import USABLE, require_available

        if "cuda" not in USABLE or not USABLE["cuda"]():
            raise RuntimeError(_NO_CUDA)
        return str(require_available(location))
    raise RuntimeError(
        f"don't know how to restore data location of torch.storage.UntypedStorage (tagged with {location}); "
        "give map_location='cpu'"
    )
