"""``tensorflow.python.lib.io.file_io``: ``tf.gfile`` under its older names."""

from __future__ import annotations

# ruff: noqa: F401, N813  (imported to be given away, under the older names)
from ..gfile import (
    Copy as copy,
    DeleteRecursively as delete_recursively,
    Exists as file_exists,
    GFile as FileIO,
    Glob as get_matching_files,
    IsDirectory as is_directory,
    ListDirectory as list_directory,
    MakeDirs as recursive_create_dir,
    MkDir as create_dir,
    Remove as delete_file,
    Rename as rename,
)


def read_file_to_string(filename: str, binary_mode: bool = False) -> str | bytes:
    """All of a file."""
    with FileIO(filename, "rb" if binary_mode else "r") as file:
        found: str | bytes = file.read()
        return found


def write_string_to_file(filename: str, file_content: str) -> None:
    """Write a file."""
    with FileIO(filename, "w") as file:
        file.write(file_content)
