"""Data sets of what is in files: lines, records of one length, records of ``tf.python_io``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator as PythonIterator
from typing import Any

import numpy as np

from .. import dtypes, errors
from ..conversion import convert_to_tensor
from ..tensor_shape import SCALAR
from .dataset import Dataset, Env, Start
from .element import Part
from .steps import Element


def _from_files(filenames: Any, read: Callable[[str], PythonIterator[bytes]]) -> Dataset:
    if isinstance(filenames, Dataset):
        names, sources, inputs = filenames, [], [filenames]
    else:
        given = convert_to_tensor(filenames, dtypes.string)
        names, sources, inputs = None, [given], []

    def start(env: Env, state: Any) -> Start:
        def run() -> PythonIterator[Element]:
            if names is not None:
                files = [
                    np.asarray(element[0], dtype=object).item() for element in names._start(env, state)()
                ]
            else:
                files = np.asarray(env[sources[0]], dtype=object).ravel().tolist()
            for file in files:
                path = os.fsdecode(file)
                if not os.path.exists(path):
                    raise errors.NotFoundError(None, None, f"{path}; No such file or directory")
                for record in read(path):
                    value = np.empty((), dtype=object)
                    value[()] = record
                    yield [value]

        return run

    return Dataset(Part(dtypes.string, SCALAR), start, sources, inputs)


def TextLineDataset(
    filenames: Any, compression_type: Any = None, buffer_size: Any = None, **_: Any
) -> Dataset:
    """The lines of text files, as strings without the line ends."""

    def read(path: str) -> PythonIterator[bytes]:
        with open(path, "rb") as file:
            for line in file:
                yield line.rstrip(b"\r\n")

    return _from_files(filenames, read)


def FixedLengthRecordDataset(
    filenames: Any, record_bytes: int, header_bytes: int = 0, footer_bytes: int = 0, **_: Any
) -> Dataset:
    """The records of ``record_bytes`` bytes in files, after ``header_bytes`` that are skipped."""

    def read(path: str) -> PythonIterator[bytes]:
        with open(path, "rb") as file:
            content = file.read()[header_bytes:]
        content = content[: len(content) - footer_bytes]
        for begin in range(0, len(content) - record_bytes + 1, record_bytes):
            yield content[begin : begin + record_bytes]

    return _from_files(filenames, read)


def TFRecordDataset(filenames: Any, compression_type: Any = None, **_: Any) -> Dataset:
    """The records of files that ``tf.python_io.TFRecordWriter`` wrote, as strings."""
    from ..python_io import tf_record_iterator

    return _from_files(filenames, tf_record_iterator)
