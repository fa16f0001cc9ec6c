"""PyTorch's first checkpoint format, a tar archive (version 0.1), which PyTorch still reads and nothing writes any more.

Three members: ``storages`` (each with its key, location, type, number of elements and bytes; then parts of others that are
storages too), ``tensors`` (each with its key, storage, sizes, strides and offset as plain integers), and ``pickle``: the
object, in which tensors and storages stand as their keys.
"""

from __future__ import annotations

import io
import pickle
import struct
from typing import Any, Final

import numpy as np

from .allowed_globals import AllowedGlobals, StorageClass, set_state
from .codec import NUMPY_DTYPES, TensorCodec
from .pickle_reader import Unpickler
from .stored_data import StoredData, check_location, other_byte_order

_MEMBERS: Final = ("storages", "tensors", "pickle")
_MOST_DIMENSIONS: Final = 64


def is_tar(data: bytes) -> bool:
    """Whether ``data`` begins like a tar archive."""
    return data[257:262] == b"ustar"


def read_tar(data: bytes, codec: TensorCodec, map_location: Any) -> Any:
    """The object in a tar checkpoint.

    Raises ``RuntimeError`` for a damaged one and ``pickle.UnpicklingError`` for what is not allowed in one.
    """
    import tarfile

    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            files = [archive.extractfile(name) for name in _MEMBERS]
            parts = [file.read() for file in files if file is not None]
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise RuntimeError(f"load: this tar archive is no checkpoint, or damaged: {error}") from error
    if len(parts) != len(_MEMBERS):
        raise RuntimeError("load: this tar archive is no checkpoint: a member is no file")
    return _TarReader(codec, map_location).read(*parts)


class _TarReader:
    def __init__(self, codec: TensorCodec, map_location: Any) -> None:
        self._globals = AllowedGlobals(codec)
        self._map_location = map_location
        self._objects: dict[int, Any] = {}

    def read(self, storages: bytes, tensors: bytes, content: bytes) -> Any:
        try:
            self._read_storages(_Member(storages, self._find))
            self._read_tensors(_Member(tensors, self._find))
        except struct.error:
            raise RuntimeError(
                "load: unexpected end of a tar checkpoint. The file might be corrupted."
            ) from None
        return Unpickler(content, self._globals.find, self._known, set_state, 0).load()

    def _find(self, module: str, name: str) -> Any:
        """What the types of storages and tensors are: their names are all that is used."""
        if module in ("torch", "torch.cuda") and name.endswith("Tensor"):
            return name
        return self._globals.find(module, name)

    def _known(self, identifier: Any) -> Any:
        if type(identifier) is tuple and identifier:  # a class, with its source text
            return identifier[0]
        try:
            return self._objects[int(identifier)]
        except (KeyError, TypeError, ValueError):
            raise pickle.UnpicklingError(
                "load: malformed tar checkpoint: an object is not in the file"
            ) from None

    def _read_storages(self, member: _Member) -> None:
        raw: dict[int, Any] = {}
        for _ in range(member.count()):
            key, location, kind = member.triple()
            if type(kind) is not StorageClass or type(location) is not str:
                raise pickle.UnpicklingError("load: malformed storage in a tar checkpoint")
            dtype = NUMPY_DTYPES[kind.dtype_name or "uint8"]
            (count,) = member.integers("<q", 1)
            raw[key] = member.take(count * dtype.itemsize)
            self._add(key, raw[key], kind.dtype_name, location)
        views = member.value()
        if type(views) is not list or any(type(view) is not tuple or len(view) != 4 for view in views):
            raise pickle.UnpicklingError("load: malformed parts of storages in a tar checkpoint")
        for key, root, offset, size in views:
            whole = self._objects.get(root)
            if (
                type(whole) is not StoredData
                or type(key) is not int
                or type(offset) is not int
                or type(size) is not int
            ):
                raise pickle.UnpicklingError("load: malformed part of a storage in a tar checkpoint")
            itemsize = NUMPY_DTYPES[whole.dtype_name or "uint8"].itemsize
            if offset < 0 or size < 0 or (offset + size) * itemsize > raw[root].nbytes:
                raise RuntimeError("load: malformed storage: its part of another storage is outside of that")
            raw[key] = raw[root][offset * itemsize : (offset + size) * itemsize]
            self._add(key, raw[key], whole.dtype_name, whole.location)

    def _add(self, key: int, raw: Any, dtype_name: str | None, location: str) -> None:
        data = StoredData(raw, dtype_name, other_byte_order("little"), location)
        check_location(data, self._map_location)
        self._objects[key] = data

    def _read_tensors(self, member: _Member) -> None:
        rebuild = self._globals.find("torch._utils", "_rebuild_tensor")
        for _ in range(member.count()):
            key, storage, _kind = member.triple()
            (dimensions, _) = member.integers("<ii", 2)  # written as 8 bytes of which 4 count
            if not 0 <= dimensions <= _MOST_DIMENSIONS:
                raise pickle.UnpicklingError(f"load: malformed tensor of {dimensions} dimensions")
            shape = member.integers(f"<{dimensions}q", dimensions)
            strides = member.integers(f"<{dimensions}q", dimensions)
            (offset,) = member.integers("<q", 1)
            self._objects[key] = rebuild.build(self._objects.get(storage), offset, shape, strides)


class _Member:
    """One file of the archive, read from the front."""

    def __init__(self, data: bytes, find: Any) -> None:
        self._data = data
        self._find = find
        self._position = 0

    def value(self) -> Any:
        unpickler = Unpickler(self._data, self._find, _no_reference, set_state, self._position)
        found = unpickler.load()
        self._position = unpickler.position
        return found

    def count(self) -> int:
        found = self.value()
        if type(found) is not int or found < 0:
            raise pickle.UnpicklingError("load: malformed tar checkpoint: a number of entries is none")
        return found

    def triple(self) -> tuple[int, Any, Any]:
        found = self.value()
        if type(found) is not tuple or len(found) != 3 or type(found[0]) is not int:
            raise pickle.UnpicklingError("load: malformed entry in a tar checkpoint")
        return found

    def integers(self, form: str, count: int) -> tuple[int, ...]:
        size = struct.calcsize(form)
        found = struct.unpack(form, self._data[self._position : self._position + size])
        self._position += size
        assert len(found) == count
        return found

    def take(self, count: int) -> Any:
        stop = self._position + count
        if count < 0 or stop > len(self._data):
            raise RuntimeError("load: unexpected end of a tar checkpoint. The file might be corrupted.")
        piece = np.frombuffer(self._data[self._position : stop], np.uint8).copy()
        self._position = stop
        return piece


def _no_reference(identifier: Any) -> Any:
    raise pickle.UnpicklingError("load: malformed header of a tar checkpoint")
