"""PyTorch's checkpoint files, at the level of arrays: both ways for its zip format, reading for its older one.

An archive holds ``data.pkl`` (the object, with each tensor as a window on a numbered storage), ``data/N`` (the bytes
of storage N), and a few records that describe the format.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections import OrderedDict
from typing import Any, BinaryIO, Final

from .allowed_globals import AllowedGlobals, set_state, storage_identifier
from .atomic_file import replacing
from .codec import STORAGE_CLASSES, AnyArray, Kind, TensorCodec, TensorRecord
from .legacy_format import read_legacy, write_legacy
from .numpy_values import reduce_numpy
from .objects import TrustingUnpickler, reduce_object
from .pickle_reader import Unpickler
from .pickle_writer import Call, Global, Made, Persistent, Pickler
from .stored_data import (
    CountedStorages,
    StoredData,
    assumed_byte_order,
    check_location,
    other_byte_order,
)
from .zip_archive import ALIGNMENT, ArchiveReader, ArchiveWriter, ByteArray

_VERSION: Final = 3  # what PyTorch 2.13 writes
_HIGHEST_VERSION: Final = 10  # what it reads
_MAGIC: Final = b"PK\x03\x04"


def write_checkpoint(target: Any, obj: Any, *, codec: TensorCodec, legacy: bool = False) -> None:
    """Write ``obj`` to a path or to an object with a ``write`` method; with ``legacy`` in the format before the zip format.

    A file at the path is replaced as a whole, once all is written; see ``replacing``.

    Raises:
        pickle.PicklingError: for a value that can't be pickled; nothing is written then.
        RuntimeError: if the path's folder does not exist, or tensors of different dtypes share memory.
        AttributeError: if ``target`` is neither a path nor has ``write``.
    """
    is_path = isinstance(target, str | os.PathLike)
    if not is_path and not hasattr(target, "write"):
        raise AttributeError(
            "expected 'f' to be string, path, or a file-like object with a 'write' attribute"
        )
    reducer = _Reducer(codec, legacy)
    pickled = Pickler(reducer.reduce).dump(obj)

    def write(file: Any) -> None:
        if legacy:
            write_legacy(file, pickled, reducer.storages)
        else:
            _write_records(file, pickled, reducer.storages, _folder_for(target) if is_path else "archive")

    if is_path:
        with replacing(target) as file:
            write(file)
    else:
        write(target)
        # Whoever opens the file by its name next, while the program still has it open, finds all of it.
        if callable(flush := getattr(target, "flush", None)):
            flush()


def _folder_for(path: Any) -> str:
    """The folder inside of an archive, which PyTorch calls as the file is called, without its extension."""
    name = os.path.basename(os.fspath(path))
    name = name.decode("ascii", "replace") if isinstance(name, bytes) else name
    return (name.rpartition(".")[0] or name) if name.isascii() and name else "archive"


def _write_records(file: Any, pickled: bytes, storages: list[AnyArray], folder: str) -> None:
    archive = ArchiveWriter(file, folder)
    archive.add("data.pkl", pickled)
    archive.add(".format_version", b"1")
    archive.add(".storage_alignment", str(ALIGNMENT).encode())
    archive.add("byteorder", sys.byteorder.encode())
    for key, storage in enumerate(storages):
        archive.add(f"data/{key}", storage.view("uint8").data)
    archive.add("version", b"%d\n" % _VERSION)
    archive.add(".data/serialization_id", b"%040d" % archive.fingerprint)
    archive.close()


class _Reducer:
    """Turns tensors into the calls that PyTorch makes when it loads them, and collects their storages."""

    def __init__(self, codec: TensorCodec, legacy: bool = False) -> None:
        self._codec = codec
        self._end: tuple[None, ...] = (
            (None,) if legacy else ()
        )  # of an identifier: no part of another storage
        self.storages: list[AnyArray] = []
        self._keys: dict[tuple[int, int], str] = {}

    def reduce(self, value: Any) -> Global | Call | Made | Persistent:
        codec = self._codec
        kind = codec.kind(value)
        if kind is Kind.STORAGE:
            elements, dtype_name = codec.storage_parts(value)
            storage_class = STORAGE_CLASSES.get(dtype_name or "")
            named = (
                Global("torch.storage", "UntypedStorage")
                if storage_class is None
                else Global("torch", storage_class)
            )
            size = elements.nbytes if storage_class is None else elements.size
            return Persistent(("storage", named, self._key_of(elements), "cpu", size, *self._end))
        if kind is None:
            return reduce_numpy(value) or reduce_object(value)
        if kind is Kind.TENSOR:
            call = self._special_call(value) or self._tensor_call(codec.describe(value))
            attributes = codec.attributes(value)
            if not attributes:
                return call
            arguments = (call.function, Global("torch", "Tensor"), call.arguments, attributes)
            return Call(Global("torch._tensor", "_rebuild_from_type_v2"), arguments)
        if kind is Kind.PARAMETER:
            requires_grad = bool(value.requires_grad)
            data = self._special_call(value, False) or self._tensor_call(
                codec.describe(value)._replace(requires_grad=False)
            )
            attributes = codec.attributes(value)
            if not attributes:
                return _torch_utils("_rebuild_parameter", data, requires_grad, OrderedDict())
            return _torch_utils(
                "_rebuild_parameter_with_state", data, requires_grad, OrderedDict(), attributes
            )
        if kind is Kind.DTYPE:
            return Global("torch", codec.dtype_name(value))
        if kind is Kind.SIZE:
            return Call(Global("torch", "Size"), (tuple(value),))
        return Call(Global("torch", "device"), codec.device_arguments(value))

    def _special_call(self, value: Any, requires_grad: bool | None = None) -> Call | None:
        """The call that makes a sparse tensor again, or one on the meta device; None for an ordinary one. PyTorch does not save
        the ``requires_grad`` of a sparse one."""
        if self._codec.is_without_data(value):
            return _torch_utils(
                "_rebuild_meta_tensor_no_storage",
                Global("torch", self._codec.dtype_name(value.dtype)),
                tuple(value.shape),
                tuple(value.stride()),
                value.requires_grad if requires_grad is None else requires_grad,
            )
        found = self._codec.sparse_parts(value)
        if found is None:
            return None
        name, parts, shape, is_coalesced = found
        layout = Call(Global("torch.serialization", "_get_layout"), (f"torch.{name}",))
        calls = [self._tensor_call(self._codec.describe(part)) for part in parts]
        size = Call(Global("torch", "Size"), (tuple(shape),))
        data = (*calls, size) if is_coalesced is None else (*calls, size, is_coalesced)
        return _torch_utils("_rebuild_sparse_tensor", layout, data)

    def _tensor_call(self, record: TensorRecord) -> Call:
        key = self._key_of(record.storage)
        storage_class = STORAGE_CLASSES.get(record.dtype_name)
        if storage_class is None:
            data = (
                "storage",
                Global("torch.storage", "UntypedStorage"),
                key,
                record.location,
                record.storage.nbytes,
                *self._end,
            )
            return _torch_utils(
                "_rebuild_tensor_v3",
                Persistent(data),
                record.offset,
                tuple(record.shape),
                tuple(record.strides),
                record.requires_grad,
                OrderedDict(),
                Global("torch", record.dtype_name),
            )
        size = record.storage.size
        identifier = ("storage", Global("torch", storage_class), key, record.location, size, *self._end)
        return _torch_utils(
            "_rebuild_tensor_v2",
            Persistent(identifier),
            record.offset,
            tuple(record.shape),
            tuple(record.strides),
            record.requires_grad,
            OrderedDict(),
        )

    def _key_of(self, storage: AnyArray) -> str:
        place = (storage.__array_interface__["data"][0], storage.nbytes)
        known = self._keys.get(place) if storage.nbytes else None
        if known is None:
            # Kept until the end, so that its address stays its own.
            self.storages.append(storage)
            known = self._keys[place] = str(len(self.storages) - 1)
        elif self.storages[int(known)].dtype != storage.dtype:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different types: "
                f"{self.storages[int(known)].dtype} and {storage.dtype}; save a clone() of one of them"
            )
        return known


def _torch_utils(name: str, *arguments: Any) -> Call:
    return Call(Global("torch._utils", name), arguments)


def read_checkpoint(
    source: Any, *, codec: TensorCodec, map_location: Any = None, mmap: bool = False, is_trusted: bool = False
) -> Any:
    """The object in a file of PyTorch's zip format or of its older one.

    Args:
        source: a path, or a binary file that can seek.
        codec: makes the tensors.
        map_location: ``None``, a device, a string, a dict from location to location, or a function of
            (storage, location); all data ends on the CPU or is refused.
        mmap: leave the data in the file, and read what is used when it is used. Changes stay in memory.
        is_trusted: make objects of any class, which runs what the file names.

    Raises:
        EOFError: for an empty file.
        RuntimeError: for a damaged archive, and where data, sizes and offsets do not fit together.
        pickle.UnpicklingError: for what is no checkpoint, and for one that names anything that is not allowed.
        OSError: if the file cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            value = _read(file, codec, map_location, mmap, os.fspath(source), is_trusted)
        codec.check_sparse()
        return value
    if mmap:
        raise ValueError("f must be a file path in order to use the mmap argument")
    for method in ("seek", "tell", "read"):
        if not hasattr(source, method):
            raise AttributeError(
                f"'{type(source).__name__}' object has no attribute '{method}'. You can only torch.load from a "
                "file that is seekable. Please pre-load the data into a buffer like io.BytesIO and try to load from it "
                "instead."
            )
    value = _read(source, codec, map_location, False, None, is_trusted)
    codec.check_sparse()
    return value


def _read(
    file: BinaryIO, codec: TensorCodec, map_location: Any, mmap: bool, path: Any, is_trusted: bool
) -> Any:
    start = file.tell()
    magic = file.read(len(_MAGIC))
    if not isinstance(magic, bytes | bytearray):
        raise TypeError("load: the file is open in text mode; open it with mode 'rb'")
    if not magic:
        raise EOFError("load: the file is empty (Ran out of input)")
    file.seek(start)
    if magic != _MAGIC:
        if mmap:
            raise RuntimeError(
                "mmap can only be used with files saved with "
                f"`torch.save({path}, _use_new_zipfile_serialization=True), please torch.save your checkpoint with "
                "this option in order to use mmap."
            )
        return read_legacy(file, codec, map_location, is_trusted)
    mapping = None
    if mmap:
        import mmap as memory_map

        mapping = memory_map.mmap(file.fileno(), 0, access=memory_map.ACCESS_COPY)
    return _read_archive(ArchiveReader(file), codec, map_location, mapping, is_trusted)


def _read_archive(
    archive: ArchiveReader, codec: TensorCodec, map_location: Any, mapping: Any, is_trusted: bool
) -> Any:
    if archive.has("constants.pkl"):
        raise RuntimeError(
            "load: Cannot use ``weights_only=True`` with TorchScript archives, which hold programs; load it with "
            "PyTorch (torch.jit.load) and save its state_dict()"
        )
    if not archive.has("data.pkl") and any(name.endswith(".npy") for name in archive.names()):
        raise RuntimeError("load: this is a NumPy archive (.npz), not a checkpoint; use numpy.load")
    pickled = archive.read("data.pkl")
    _check_version(archive)
    byte_order = (
        archive.read("byteorder").tobytes().decode("ascii", "replace")
        if archive.has("byteorder")
        else assumed_byte_order()
    )
    must_swap = other_byte_order(byte_order)
    raw: dict[str, ByteArray] = {}
    known: dict[tuple[str, str | None], StoredData] = {}

    def load_storage(identifier: Any) -> StoredData:
        dtype_name, key, location, nbytes = storage_identifier(identifier)
        data = known.get((key, dtype_name))
        if data is None:
            record = f"data/{key}"
            if archive.has(record) and archive.size_of(record) != nbytes:
                raise RuntimeError(
                    f"load: record size ({archive.size_of(record)} bytes) of {record} does not match expected size "
                    f"({nbytes} bytes)"
                )
            content = raw.get(key)
            if content is None:
                content = raw[key] = archive.read(record) if mapping is None else archive.map(record, mapping)
            elif must_swap:
                raise pickle.UnpicklingError(
                    f"load: {record} is read as two dtypes and comes from another byte order"
                )
            data = known[key, dtype_name] = StoredData(content, dtype_name, must_swap, location)
            check_location(data, map_location)
        return data

    allowed = AllowedGlobals(codec)
    counted = CountedStorages(load_storage, allowed)
    if is_trusted:
        value = TrustingUnpickler(pickled, allowed, counted.load).load()
    else:
        value = Unpickler(pickled, allowed.find, counted.load, set_state).load()
    return counted.finished(value, codec)


def _check_version(archive: ArchiveReader) -> None:
    text = archive.read("version").tobytes().strip()
    if not text.isdigit() or len(text) > 9:
        raise RuntimeError(f"load: the archive's version is {text[:20]!r}; it should be a number")
    if int(text) > _HIGHEST_VERSION:
        raise RuntimeError(
            f"load: Attempted to read a PyTorch file with version {int(text)}, but the maximum supported version for "
            f"reading is {_HIGHEST_VERSION}. Save it with PyTorch 2.13"
        )
