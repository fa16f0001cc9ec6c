"""Writing a file so that its path always holds a whole file: the old one or the new one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file to write; leaving the ``with`` block puts it at ``path``, an exception (or a kill) does not.

    The bytes go to ``.rushlight-*.tmp`` in the same folder, are flushed to the disk, and take the path by one
    rename. A failure removes the temporary file; only a kill of the process leaves it behind. A symbolic link
    stays one, a replaced file's permissions stay, and a path that is no regular file (``/dev/null``, a pipe) is
    written directly. Into an empty file, which holds nothing to lose, the finished bytes are copied: a program that has
    it open (``NamedTemporaryFile``) reads them there.

    Raises:
        RuntimeError: if the parent folder does not exist, or the path is a folder.
        OSError: if the file cannot be written.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {folder} does not exist.")
    if os.path.isdir(target):
        raise RuntimeError(f"save: {os.fspath(path)} is a directory; give the path of a file")
    exists = os.path.exists(target)
    if exists and not os.path.isfile(target):
        with open(target, "wb") as device:
            yield device
        return
    if exists and not os.access(target, os.W_OK):
        # The rename would need no permission on the file itself: a read-only file must still be safe.
        raise PermissionError(f"save: {target} is read-only; the file was left as it is")

    temporary = os.path.join(folder, f".rushlight-{os.urandom(6).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(temporary, flags, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if exists:
                os.chmod(temporary, os.stat(target).st_mode & 0o7777)
            yield file
            file.flush()
            os.fsync(file.fileno())
        if exists and os.path.getsize(target) == 0:
            _fill(target, temporary)
        else:
            os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _flush_folder(folder)


def _fill(target: str, temporary: str) -> None:
    """Copy the finished file into the empty one, which is empty again if that fails."""
    import shutil

    with open(temporary, "rb") as source, open(target, "r+b") as file:
        try:
            shutil.copyfileobj(source, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(0)
            raise
    os.unlink(temporary)


def _flush_folder(folder: str) -> None:
    """Make the rename itself survive a power cut, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
