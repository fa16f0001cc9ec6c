"""The container of a checkpoint: a zip archive of uncompressed records that start at multiples of 64 bytes."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from typing import Any, BinaryIO, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

ByteArray = NDArray[np.uint8]

ALIGNMENT: Final = 64
_CHUNK: Final = 1 << 24
_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
_END64: Final = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64: Final = struct.Struct("<4sIQI")
_UTF8_NAMES: Final = 0x800
_DATE: Final = 0x21  # 1980-01-01: zip's first day, so that equal content gives equal files
_LIMIT32: Final = 0xFFFFFFFF
_DAMAGED: Final = "The file is damaged or was cut short: copy or download it again"


def fail(what: str) -> NoReturn:
    raise RuntimeError(f"PytorchStreamReader failed reading zip archive: {what}. {_DAMAGED}.") from None


class ArchiveWriter:
    """Writes records one after the other; needs only a ``write`` function, so it can feed a pipe."""

    def __init__(self, file: Any, folder: str = "archive") -> None:
        self._write: Callable[[Any], Any] = file.write
        # Only real files are known to take any buffer; somebody's object with a `write` may want bytes.
        self._takes_buffers = isinstance(file, io.IOBase)
        self._folder = folder
        self._position = 0
        self._entries: list[tuple[bytes, int, int, int]] = []  # name, checksum, size, position of the header
        self._checksums = 0

    def add(self, name: str, data: bytes | memoryview) -> None:
        """Append the record ``name`` with the bytes of ``data``."""
        import zlib

        view = memoryview(data)
        size, checksum = view.nbytes, zlib.crc32(view)
        encoded = f"{self._folder}/{name}".encode()
        header_at = self._position
        is_large = size >= _LIMIT32
        wide = struct.pack("<2H2Q", 1, 16, size, size) if is_large else b""
        # The padding is an extra field, with an identifier and a length of its own (4 bytes).
        unpadded = header_at + _LOCAL.size + len(encoded) + len(wide) + 4
        padding = -unpadded % ALIGNMENT
        extra = wide + struct.pack("<2sH", b"FB", padding) + b"Z" * padding
        size32 = _LIMIT32 if is_large else size
        self._put(
            _LOCAL.pack(
                b"PK\x03\x04", 45 if is_large else 20, _UTF8_NAMES, 0, 0, _DATE, checksum, size32, size32,
                len(encoded), len(extra),
            )
            + encoded
            + extra
        )  # fmt: skip
        self._put(view)
        self._entries.append((encoded, checksum, size, header_at))
        self._checksums = zlib.crc32(b"%s %08x %d;" % (encoded, checksum, size), self._checksums)

    @property
    def fingerprint(self) -> int:
        """A checksum over the names and contents of the records so far."""
        return self._checksums

    def close(self) -> None:
        """Write the directory. The file itself stays open."""
        directory_at = self._position
        for encoded, checksum, size, header_at in self._entries:
            wide = [value for value in (size, size, header_at) if value >= _LIMIT32]
            extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
            size32 = min(size, _LIMIT32)
            self._put(
                _CENTRAL.pack(
                    b"PK\x01\x02", 45 if wide else 20, 45 if wide else 20, _UTF8_NAMES, 0, 0, _DATE, checksum,
                    size32, size32, len(encoded), len(extra), 0, 0, 0, 0, min(header_at, _LIMIT32),
                )
                + encoded
                + extra
            )  # fmt: skip
        end_at, count = self._position, len(self._entries)
        length = end_at - directory_at
        if count >= 0xFFFF or directory_at >= _LIMIT32 or length >= _LIMIT32:
            self._put(
                _END64.pack(b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, directory_at)
                + _LOCATOR64.pack(b"PK\x06\x07", 0, end_at, 1)
            )
        count16 = min(count, 0xFFFF)
        self._put(
            _END.pack(
                b"PK\x05\x06", 0, 0, count16, count16, min(length, _LIMIT32), min(directory_at, _LIMIT32), 0
            )
        )

    def _put(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        size = view.nbytes
        done = 0
        while done < size:
            chunk = view[done : done + _CHUNK]
            written = self._write(chunk if self._takes_buffers else bytes(chunk))
            # An unbuffered file may take less than it was given; an object that returns nothing took all.
            done += written if isinstance(written, int) and 0 < written < len(chunk) else len(chunk)
        self._position += size


class ArchiveReader:
    """Reads records by name, each checked against the archive's own sizes and checksums.

    A hostile archive costs no more memory than its own size: compressed records are refused, and so is reading
    the same bytes again under other names.
    """

    def __init__(self, file: BinaryIO) -> None:
        import zipfile

        try:
            with zipfile.ZipFile(file) as archive:
                infos = archive.infolist()
            self._size = file.seek(0, os.SEEK_END)
        except (OSError, MemoryError):
            raise
        except (
            Exception
        ) as error:  # zipfile lets struct.error, UnicodeDecodeError and others out of bad input
            fail(f"failed finding central directory ({error})")
        self._file = file
        self._infos = {info.filename: info for info in infos}
        self._left = self._size
        first_folder = infos[0].filename.partition("/")[0] if infos else ""
        folders = [
            first_folder,
            *(name[: -len("/data.pkl")] for name in self._infos if name.endswith("/data.pkl")),
        ]
        self._folder = next(
            (folder for folder in folders if f"{folder}/data.pkl" in self._infos), first_folder
        )

    def names(self) -> list[str]:
        """The full names of all entries, as stored."""
        return list(self._infos)

    def has(self, name: str) -> bool:
        return f"{self._folder}/{name}" in self._infos

    def size_of(self, name: str) -> int:
        return int(self._info(name).file_size)

    def read(self, name: str) -> ByteArray:
        """The record's bytes in new memory."""
        import zlib

        start, size, checksum = self._locate(name)
        data = np.empty(size, np.uint8)
        self._file.seek(start)
        self._fill(data, name)
        # torch.serialization.set_crc32_options(False) writes 0 for "not computed".
        if checksum and zlib.crc32(data.data) != checksum:
            fail(f"the bytes of {name} do not match their checksum")
        return data

    def map(self, name: str, mapping: Any) -> ByteArray:
        """The record's bytes as a window on ``mapping``, which maps the whole file."""
        start, size, _ = self._locate(name)
        if size == 0:
            return np.empty(0, np.uint8)
        return np.frombuffer(mapping, np.uint8, size, start)

    def _fill(self, data: ByteArray, name: str) -> None:
        view = data.data
        done = 0
        read_into = getattr(self._file, "readinto", None)
        while done < len(view):
            part = view[done : done + _CHUNK]
            if read_into is not None:
                count = read_into(part)
            else:
                piece = self._file.read(len(part))
                count = len(piece)
                part[:count] = piece
            if not count:
                fail(f"the file ends inside {name}")
            done += count

    def _info(self, name: str) -> Any:
        info = self._infos.get(f"{self._folder}/{name}")
        if info is None:
            fail(f"failed locating file {name}: file not found")
        return info

    def _locate(self, name: str) -> tuple[int, int, int]:
        """Where the record's bytes begin, how many there are, and their checksum."""
        info = self._info(name)
        if info.compress_type != 0 or info.flag_bits & 1:
            how = "encrypted" if info.flag_bits & 1 else "compressed"
            raise RuntimeError(
                f"load: the record {name} is {how}; the records of a checkpoint are stored as they are. Unpack the "
                "archive and pack it again without compression (zip -0 -r)"
            )
        size = info.file_size
        header = b""
        if 0 <= info.header_offset <= self._size - _LOCAL.size:
            self._file.seek(info.header_offset)
            header = self._file.read(_LOCAL.size)
        if len(header) != _LOCAL.size or header[:4] != b"PK\x03\x04":
            fail(f"the header of {name} is not where the directory says")
        name_length, extra_length = _LOCAL.unpack(header)[-2:]
        start = info.header_offset + _LOCAL.size + name_length + extra_length
        if info.compress_size != size or start + size > self._size:
            fail(f"{name} has {size} bytes by the directory, but the file ends before them")
        if size > self._left:
            fail("its records overlap, so that they are larger together than the file")
        self._left -= size
        return start, size, info.CRC
