"""``tf.python_io``: files of records, as ``TFRecordDataset`` reads them."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from . import errors, event_file


class TFRecordOptions:
    """Options of record files; compression is not available."""

    def __init__(self, compression_type: Any = None) -> None:
        if compression_type not in (None, "", 0):
            raise NotImplementedError("TFRecordOptions: compressed files are not available")


class TFRecordCompressionType:
    """Kinds of compression, of which only NONE is available."""

    NONE, ZLIB, GZIP = range(3)


class TFRecordWriter:
    """Writes records to a file, each with its length and checksums."""

    def __init__(self, path: str | os.PathLike[str], options: Any = None) -> None:
        self._file: Any = open(path, "wb")  # noqa: SIM115  (open until close())

    def write(self, record: Any) -> None:
        """Append one record, which is bytes."""
        self._file.write(event_file.record(record.encode() if isinstance(record, str) else bytes(record)))

    def flush(self) -> None:
        """Bring what was written to the file."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> TFRecordWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def tf_record_iterator(path: str | os.PathLike[str], options: Any = None) -> Iterator[bytes]:
    """The records of a file; ``DataLossError`` if it ends in the middle of one."""
    with open(path, "rb") as file:
        while True:
            head = file.read(12)
            if not head:
                return
            if len(head) < 12:
                raise errors.DataLossError(
                    None, None, f"truncated record at {file.tell()} in {os.fspath(path)}"
                )
            (length,) = struct.unpack("<Q", head[:8])
            record = file.read(length)
            tail = file.read(4)
            if len(record) < length or len(tail) < 4:
                raise errors.DataLossError(
                    None, None, f"truncated record at {file.tell()} in {os.fspath(path)}"
                )
            yield record
