"""Machine code on disk: one file for each kernel, named by everything that the code depends on.

Processes share the directory without locks: an entry is written to a file of its own and then renamed, so that a reader
sees all of it or nothing; it carries a checksum, so that one damaged by a full disk or by hand is made again. When the
entries outgrow the limit, those used longest ago go. A directory that cannot be written, or that others can write to
(it holds machine code that will be run), is passed over in silence: every kernel can be compiled again.

Environment: ``RUSHLIGHT_CACHE_DIR`` (else the platform's cache directory), ``RUSHLIGHT_CACHE_SIZE`` (bytes, or with
K, M or G behind; 0 turns the cache off).
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import Final

DEFAULT_LIMIT: Final = 256 << 20
_MAGIC: Final = b"RUSHLIGHT OBJECT 1\n"
_HEADER: Final = len(_MAGIC) + 32
_SUFFIX: Final = ".o"
_PARTIAL: Final = ".partial"
# Reading an entry marks it as used, but not more often than this: a mark is a write to the disk.
_MARK_AFTER_SECONDS: Final = 3600.0
# What a process may add before it looks at the directory's size, as a share of the limit.
_LOOK_AFTER_SHARE: Final = 1 / 16


def _checksum(code: bytes) -> bytes:
    import hashlib  # which loads OpenSSL: 3 ms that a program without compiled code need not pay

    return hashlib.sha256(code).digest()


def default_directory() -> str:
    """Where the cache lies: ``RUSHLIGHT_CACHE_DIR``, else the user's cache directory on this platform."""
    chosen = os.environ.get("RUSHLIGHT_CACHE_DIR")
    if chosen:
        return chosen
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~\\AppData\\Local")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "rushlight")


def default_limit() -> int:
    """How many bytes the cache may hold: ``RUSHLIGHT_CACHE_SIZE``, or 256 MiB where it is not set or no number."""
    text = os.environ.get("RUSHLIGHT_CACHE_SIZE", "").strip().upper().removesuffix("B").removesuffix("I")
    shift = {"K": 10, "M": 20, "G": 30}.get(text[-1:], 0)
    try:
        return max(0, int(float(text[:-1] if shift else text) * (1 << shift)))
    except (ValueError, OverflowError):
        return DEFAULT_LIMIT


class ObjectCache:
    """Object code by key (a hexadecimal digest). Nothing here raises for what the disk does."""

    def __init__(self, directory: str | None = None, limit: int | None = None) -> None:
        self.limit = default_limit() if limit is None else limit
        # A directory of our own, so that its permissions say who can put machine code there.
        self.directory = os.path.join(directory or default_directory(), "kernels")
        self._usable: bool | None = None
        self._looked = False
        self._added = 0

    def read(self, key: str) -> bytes | None:
        """The object code stored under ``key``; None if there is none, or none that is whole."""
        if not self._ready():
            return None
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                entry = file.read()
                age = time.time() - os.fstat(file.fileno()).st_mtime
        except OSError:
            return None
        code = entry[_HEADER:]
        if not entry.startswith(_MAGIC) or _checksum(code) != entry[len(_MAGIC) : _HEADER]:
            _remove(path)
            return None
        if age > _MARK_AFTER_SECONDS:
            with contextlib.suppress(OSError):
                os.utime(path)
        return code

    def write(self, key: str, code: bytes) -> None:
        """Store ``code`` under ``key``, and make room if the directory has outgrown its limit."""
        size = _HEADER + len(code)
        if not self._ready() or size > self.limit:
            return
        partial = os.path.join(self.directory, f"{key}.{os.getpid()}.{time.monotonic_ns():x}{_PARTIAL}")
        try:
            with open(partial, "xb") as file:
                file.write(_MAGIC + _checksum(code) + code)
            os.replace(partial, self._path(key))
        except OSError:
            _remove(partial)
            return
        self._added += size
        if not self._looked or self._added > self.limit * _LOOK_AFTER_SHARE:
            self._looked, self._added = True, 0
            self.evict()

    def remove(self, key: str) -> None:
        """Forget an entry."""
        _remove(self._path(key))

    def evict(self) -> None:
        """Remove the entries used longest ago until seven eighths of the limit are not exceeded (if all of it was)."""
        entries, total, now = [], 0, time.time()
        try:
            with os.scandir(self.directory) as files:
                for file in files:
                    with contextlib.suppress(OSError):  # another process may have removed it
                        status = file.stat()
                        if file.name.endswith(_SUFFIX):
                            entries.append((status.st_mtime, status.st_size, file.path))
                            total += status.st_size
                        elif file.name.endswith(_PARTIAL) and now - status.st_mtime > _MARK_AFTER_SECONDS:
                            _remove(file.path)  # left by a process that died while it wrote
        except OSError:
            return
        if total <= self.limit:
            return
        for _, size, path in sorted(entries):
            _remove(path)
            total -= size
            if total <= self.limit * 7 // 8:
                break

    def _path(self, key: str) -> str:
        return os.path.join(self.directory, key + _SUFFIX)

    def _ready(self) -> bool:
        if self._usable is None:
            self._usable = self.limit > 0 and self._directory_is_ours()
        return self._usable

    def _directory_is_ours(self) -> bool:
        try:
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            status = os.stat(self.directory)
        except OSError:
            return False
        if sys.platform == "win32":
            return True
        return status.st_uid in (os.getuid(), 0) and not status.st_mode & 0o002


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.remove(path)
