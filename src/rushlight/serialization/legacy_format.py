"""PyTorch's checkpoint format before version 1.6, still written with ``_use_new_zipfile_serialization=False``.

One pickle after the other: a magic number, the protocol version, facts about the machine, the object, the keys of
the storages; then, for each key, the number of elements and the bytes.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any, BinaryIO, Final, NoReturn

import numpy as np

from .allowed_globals import AllowedGlobals, set_state, storage_identifier
from .codec import NUMPY_DTYPES, AnyArray, TensorCodec
from .objects import TrustingUnpickler
from .pickle_reader import Unpickler
from .pickle_writer import Global, Pickler
from .stored_data import CountedStorages, StoredData, check_location, other_byte_order
from .tar_format import is_tar, read_tar

_MAGIC_NUMBER: Final = 0x1950A86A20F9469CFC6C
_PROTOCOL: Final = 1001


def write_legacy(file: Any, pickled: bytes, storages: list[AnyArray]) -> None:
    """Write an object to a file in this format.

    Args:
        file: an object with a ``write`` method.
        pickled: the object's pickle, in which storages have their numbers in ``storages`` as keys.
        storages: what the keys stand for.
    """
    facts = {
        "protocol_version": _PROTOCOL,
        "little_endian": sys.byteorder == "little",
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    keys = sorted(map(str, range(len(storages))))
    for part in (_MAGIC_NUMBER, _PROTOCOL, facts):
        file.write(Pickler(_nothing_else).dump(part))
    file.write(pickled)
    file.write(Pickler(_nothing_else).dump(keys))
    for key in keys:
        storage = storages[int(key)]
        file.write(storage.size.to_bytes(8, "little"))
        file.write(storage.view("uint8").data)


def _nothing_else(value: Any) -> Global:
    raise TypeError(f"{type(value).__name__} in the header of a checkpoint")


def read_legacy(file: BinaryIO, codec: TensorCodec, map_location: Any, is_trusted: bool = False) -> Any:
    """The object in ``file``, from its current position; the position after it is the file's then.

    Raises ``pickle.UnpicklingError`` for what is no checkpoint; for damaged ones see ``read_checkpoint``.
    """
    start = file.tell()
    data = file.read()
    if is_tar(data):
        return read_tar(data, codec, map_location)
    reader = _LegacyReader(data, codec, map_location, is_trusted)
    value = reader.read()
    file.seek(start + reader.position)
    return value


class _LegacyReader:
    def __init__(self, data: bytes, codec: TensorCodec, map_location: Any, is_trusted: bool) -> None:
        self._is_trusted = is_trusted
        self._data = data
        self._codec = codec
        self._map_location = map_location
        self._storages: dict[str, StoredData] = {}
        self._raw: dict[str, Any] = {}
        self._windows: dict[tuple[str, str], StoredData] = {}
        self._must_swap = False
        self._bytes_left = len(data)
        self.position = 0

    def read(self) -> Any:
        self._check_magic()
        if self._next_plain() != _PROTOCOL:
            raise RuntimeError(f"load: Invalid protocol version; only {_PROTOCOL} is known")
        facts = self._next_plain()
        if type(facts) is not dict:
            raise pickle.UnpicklingError("load: malformed header of a legacy checkpoint")
        self._must_swap = other_byte_order("little" if facts.get("little_endian", True) else "big")
        allowed = AllowedGlobals(self._codec)
        counted = CountedStorages(self._load_storage, allowed)
        unpickler: Any
        if self._is_trusted:
            unpickler = TrustingUnpickler(self._data, allowed, counted.load, self.position)
        else:
            unpickler = Unpickler(self._data, allowed.find, counted.load, set_state, self.position)
        value = unpickler.load()
        self.position = unpickler.position
        keys = self._next_plain()
        if type(keys) is not list or any(type(key) is not str for key in keys):
            raise pickle.UnpicklingError("load: malformed list of storages in a legacy checkpoint")
        for key in keys:
            self._fill(key)
        if missing := self._storages.keys() - set(keys):
            raise RuntimeError(f"load: the data of storage {min(missing)} is not in the file. It is damaged")
        return counted.finished(value, self._codec)

    def _check_magic(self) -> None:
        try:
            magic = self._next_plain()
        except EOFError:
            raise
        except Exception:
            magic = None
        if magic != _MAGIC_NUMBER:
            raise pickle.UnpicklingError(
                "load: invalid magic number: the file is neither a zip archive nor a legacy checkpoint of torch.save"
            )

    def _next_plain(self) -> Any:
        return self._next(_no_globals)

    def _next(self, find_global: Any) -> Any:
        unpickler = Unpickler(self._data, find_global, self._load_storage, set_state, self.position)
        value = unpickler.load()
        self.position = unpickler.position
        return value

    def _load_storage(self, identifier: Any) -> StoredData:
        dtype_name, key, location, nbytes = storage_identifier(identifier)
        data = self._storages.get(key)
        if data is None:
            if nbytes > self._bytes_left:
                raise RuntimeError(
                    f"load: storage {key} of {nbytes} bytes is larger than the file. It is damaged"
                )
            self._bytes_left -= nbytes
            raw = self._raw[key] = np.zeros(nbytes, np.uint8)
            data = self._storages[key] = StoredData(raw, dtype_name, False, location)
            check_location(data, self._map_location)
        elif data.dtype_name != dtype_name or data.nbytes() != nbytes:
            raise pickle.UnpicklingError(f"load: malformed storage: two descriptions of storage {key} differ")
        view = identifier[5] if len(identifier) == 6 else None
        return data if view is None else self._window(data, key, dtype_name, view)

    def _window(self, data: StoredData, key: str, dtype_name: str | None, view: Any) -> StoredData:
        """A storage that is a part of another, as versions before 0.4 had them: (key, offset, size)."""
        if type(view) is not tuple or tuple(map(type, view)) != (str, int, int):
            raise pickle.UnpicklingError(
                "load: malformed storage: its part of another storage is not described"
            )
        view_key, offset, size = view
        known = self._windows.get((key, view_key))
        if known is not None:
            return known
        itemsize = NUMPY_DTYPES[dtype_name or "uint8"].itemsize
        if offset < 0 or size < 0 or (offset + size) * itemsize > data.nbytes():
            raise RuntimeError("load: malformed storage: its part of another storage is outside of that")
        part = self._raw[key][offset * itemsize : (offset + size) * itemsize]
        window = self._windows[key, view_key] = StoredData(part, dtype_name, False, data.location)
        return window

    def _fill(self, key: str) -> None:
        data = self._storages.get(key)
        if data is None:
            raise pickle.UnpicklingError(f"load: malformed list of storages: nothing uses {key[:40]!r}")
        dtype = NUMPY_DTYPES[data.dtype_name or "uint8"]
        numel = int.from_bytes(self._take(8), "little", signed=True)
        if numel * dtype.itemsize != data.nbytes():
            raise RuntimeError(
                f"load: storage {key} has {numel} elements in the file and {data.nbytes() // dtype.itemsize} by its "
                "description. The file is damaged"
            )
        raw = self._raw[key]
        raw[:] = np.frombuffer(self._take(data.nbytes()), np.uint8)
        word = dtype.itemsize // 2 if dtype.kind == "c" else dtype.itemsize
        if self._must_swap and word > 1:
            raw.view(f"u{word}").byteswap(inplace=True)

    def _take(self, count: int) -> memoryview:
        stop = self.position + count
        if stop > len(self._data):
            missing = stop - len(self._data)
            raise RuntimeError(
                f"load: unexpected EOF, expected {missing} more bytes. The file might be corrupted."
            )
        piece = memoryview(self._data)[self.position : stop]
        self.position = stop
        return piece


def _no_globals(module: str, name: str) -> NoReturn:
    raise pickle.UnpicklingError(f"load: GLOBAL {module}.{name} in the header of a legacy checkpoint")
