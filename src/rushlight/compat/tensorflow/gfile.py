"""``tf.gfile``: files by TensorFlow's names."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from typing import IO, Any

from . import errors


def Exists(path: str) -> bool:
    """Whether there is a file or folder."""
    return os.path.exists(path)


def IsDirectory(path: str) -> bool:
    """Whether it is a folder."""
    return os.path.isdir(path)


def MakeDirs(path: str) -> None:
    """Make a folder and those above it, unless they exist."""
    os.makedirs(path, exist_ok=True)


MkDir = MakeDirs


def ListDirectory(path: str) -> list[str]:
    """The names in a folder; ``NotFoundError`` if there is none."""
    if not os.path.isdir(path):
        raise errors.NotFoundError(None, None, f"Could not find directory {path}")
    return os.listdir(path)


def Glob(pattern: str) -> list[str]:
    """The files that fit a pattern."""
    return sorted(glob.glob(pattern))


def Remove(path: str) -> None:
    """Delete a file; ``NotFoundError`` if there is none."""
    try:
        os.remove(path)
    except FileNotFoundError as error:
        raise errors.NotFoundError(None, None, f"{path}; No such file or directory") from error


def DeleteRecursively(path: str) -> None:
    """Delete a folder with all that is in it; ``NotFoundError`` if there is none."""
    if not os.path.isdir(path):
        raise errors.NotFoundError(None, None, f"{path}; No such file or directory")
    shutil.rmtree(path)


def Copy(oldpath: str, newpath: str, overwrite: bool = False) -> None:
    """Copy a file; ``AlreadyExistsError`` if the new one exists and is not to be overwritten."""
    if os.path.exists(newpath) and not overwrite:
        raise errors.AlreadyExistsError(None, None, f"file already exists: {newpath}")
    shutil.copyfile(oldpath, newpath)


def Rename(oldname: str, newname: str, overwrite: bool = False) -> None:
    """Rename a file; ``AlreadyExistsError`` if the new one exists and is not to be overwritten."""
    if os.path.exists(newname) and not overwrite:
        raise errors.AlreadyExistsError(None, None, f"file already exists: {newname}")
    os.replace(oldname, newname)


def Walk(top: str, topdown: bool = True) -> Iterator[Any]:
    """The folders below ``top``, as ``os.walk`` gives them."""
    return os.walk(top, topdown)


def GFile(name: str, mode: str = "r") -> IO[Any]:
    """Open a file; ``NotFoundError`` if it is to be read and does not exist."""
    try:
        return open(name, mode, encoding=None if "b" in mode else "utf-8")
    except FileNotFoundError as error:
        raise errors.NotFoundError(None, None, f"{name}; No such file or directory") from error


FastGFile = Open = GFile
