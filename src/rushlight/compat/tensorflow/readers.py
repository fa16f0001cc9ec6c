"""Readers of files whose names come from a queue: ``tf.TextLineReader``, ``tf.TFRecordReader`` and their kin."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import rushlight as rl

from . import dtypes, errors
from .conversion import convert_to_tensor
from .graph import Operation, Tensor, get_default_graph
from .tensor_shape import SCALAR, TensorShape

READER: str = "ReaderReadV2"
Records = Iterator[tuple[bytes, bytes]]


def _text(value: bytes) -> Any:
    made = np.empty((), dtype=object)
    made[()] = value
    return made


class _Position:
    """How far a reader has come in one session."""

    def __init__(self) -> None:
        self.records: Records | None = None
        self.produced = self.completed = 0


class ReaderBase:
    """The base of readers. A reader takes a file's name from a queue whenever it has come to the end of a file."""

    _type = "Reader"

    def __init__(self, name: str | None = None) -> None:
        self._graph = get_default_graph()
        self._name = self._graph.unique_name(name or self._type)

    def _open(self, path: str) -> Records:
        raise NotImplementedError

    def _records(self, work: bytes) -> Records:
        path = os.fsdecode(work)
        if not os.path.exists(path):
            raise errors.NotFoundError(None, None, f"{path}; No such file or directory")
        return self._open(path)

    def _position(self, state: Any) -> _Position:
        found = state.resources.get(self)
        if found is None:
            found = state.resources.setdefault(self, _Position())
        return found  # type: ignore[no-any-return]

    def _next(self, state: Any, queue: Any, may_wait: bool = True) -> tuple[bytes, bytes] | None:
        """The next record. Not ``may_wait``: None at the end of a file."""
        position = self._position(state)
        while True:
            if position.records is None:
                if not may_wait:
                    return None
                (work,) = queue._store(state).take(queue.name, 1, True)[0]
                position.records = self._records(np.asarray(work, dtype=object).item())
            record = next(position.records, None)
            if record is not None:
                position.produced += 1
                return record
            position.records = None
            position.completed += 1

    def _operation(
        self, results: Any, run: Callable[..., tuple[Any, ...]], inputs: Any = (), name: Any = None
    ) -> Operation:
        def bind(binding: Any) -> Callable[..., tuple[Any, ...]]:
            return lambda *values: run(binding.state, *values)

        return self._graph.create_op(
            READER, list(inputs), results, bind=bind, name=name, attributes={"many": True}
        )

    def read(self, queue: Any, name: str | None = None) -> list[Tensor]:
        """The next record of the files that ``queue`` names, as ``[key, value]``, two strings.

        When run, ``OutOfRangeError`` at the end of the last file of a closed queue and ``NotFoundError`` for a missing file.
        """

        def run(state: Any) -> tuple[Any, ...]:
            record = self._next(state, queue)
            assert record is not None
            return tuple([_text(part) for part in record])

        results = [(dtypes.string, SCALAR), (dtypes.string, SCALAR)]
        return list(self._operation(results, run, name=name or f"{self._name}Read").outputs)

    def read_up_to(self, queue: Any, num_records: Any, name: str | None = None) -> list[Tensor]:
        """Up to ``num_records`` records of one file, as vectors of keys and values."""
        count = convert_to_tensor(num_records)

        def run(state: Any, number: Any) -> tuple[Any, ...]:
            found = [self._next(state, queue)]
            while len(found) < int(number) and (record := self._next(state, queue, False)) is not None:
                found.append(record)
            columns = []
            for part in range(2):
                column = np.empty(len(found), dtype=object)
                column[:] = [record[part] for record in found if record is not None]
                columns.append(column)
            return tuple(columns)

        results = [(dtypes.string, TensorShape([None]))] * 2
        return list(self._operation(results, run, [count], name or f"{self._name}ReadUpTo").outputs)

    def _count(self, what: str, name: str | None) -> Tensor:
        def run(state: Any) -> tuple[Any, ...]:
            return (rl.tensor(getattr(self._position(state), what), dtype=rl.int64),)

        return self._operation([(dtypes.int64, SCALAR)], run, name=name).outputs[0]

    def num_records_produced(self, name: str | None = None) -> Tensor:
        """The number of records that were read, int64."""
        return self._count("produced", name)

    def num_work_units_completed(self, name: str | None = None) -> Tensor:
        """The number of files that were read to the end, int64."""
        return self._count("completed", name)

    def reset(self, name: str | None = None) -> Operation:
        """An operation that brings the reader back to its beginning."""

        def run(state: Any) -> tuple[Any, ...]:
            state.resources.pop(self, None)
            return ()

        return self._operation([], run, name=name)

    @property
    def supports_serialize(self) -> bool:
        """Whether the state could be written to a file: it can't."""
        return False


class TextLineReader(ReaderBase):
    """The lines of files, without the line ends; keys are ``file:line``."""

    _type = "TextLineReader"

    def __init__(self, skip_header_lines: int | None = None, name: str | None = None) -> None:
        super().__init__(name)
        self._skip = skip_header_lines or 0

    def _open(self, path: str) -> Records:
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if number > self._skip:
                    yield f"{path}:{number}".encode(), line.rstrip(b"\r\n")


class WholeFileReader(ReaderBase):
    """Whole files; keys are their names."""

    _type = "WholeFileReader"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)

    def _open(self, path: str) -> Records:
        with open(path, "rb") as file:
            content = file.read()
        yield os.fsencode(path), content


class FixedLengthRecordReader(ReaderBase):
    """Records of ``record_bytes`` bytes, ``hop_bytes`` after each other, between a header and a footer."""

    _type = "FixedLengthRecordReader"

    def __init__(
        self,
        record_bytes: int,
        header_bytes: int | None = None,
        footer_bytes: int | None = None,
        hop_bytes: int | None = None,
        name: str | None = None,
        encoding: str | None = None,
    ) -> None:
        super().__init__(name)
        if encoding:
            raise NotImplementedError("FixedLengthRecordReader: compressed files are not available")
        self._length, self._hop = int(record_bytes), int(hop_bytes or record_bytes)
        self._header, self._footer = int(header_bytes or 0), int(footer_bytes or 0)

    def _open(self, path: str) -> Records:
        with open(path, "rb") as file:
            content = file.read()
        content = content[self._header : len(content) - self._footer]
        for number, begin in enumerate(range(0, len(content) - self._length + 1, self._hop)):
            yield f"{path}:{number}".encode(), content[begin : begin + self._length]


class TFRecordReader(ReaderBase):
    """The records of files that ``tf.python_io.TFRecordWriter`` wrote; keys are ``file:offset``."""

    _type = "TFRecordReader"

    def __init__(self, name: str | None = None, options: Any = None) -> None:
        super().__init__(name)

    def _open(self, path: str) -> Records:
        from .python_io import tf_record_iterator

        offset = 0
        for record in tf_record_iterator(path):
            yield f"{path}:{offset}".encode(), record
            offset += len(record) + 16


class IdentityReader(ReaderBase):
    """What the queue holds, as keys and values."""

    _type = "IdentityReader"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)

    def _records(self, work: bytes) -> Records:
        yield work, work


def matching_files(pattern: Any, name: str | None = None) -> Tensor:
    """The names of the files that fit a pattern, or one of several, sorted: a string vector, found whenever the graph runs."""
    patterns = convert_to_tensor(pattern, dtypes.string)

    def kernel(value: Any) -> Any:
        found: list[bytes] = []
        for one in np.asarray(value, dtype=object).ravel().tolist():
            found += [os.fsencode(path) for path in glob.glob(os.fsdecode(one))]
        result = np.empty(len(found), dtype=object)
        result[:] = sorted(found)
        return result

    return patterns.graph.create_op(
        "MatchingFiles", [patterns], [(dtypes.string, TensorShape([None]))], kernel, name=name
    ).outputs[0]


def match_filenames_once(pattern: Any, name: str | None = None) -> Any:
    """A local variable with the names of the files that fit a pattern, found when it is initialised."""
    from .graph import GraphKeys
    from .variables import Variable

    return Variable(
        matching_files(pattern),
        trainable=False,
        validate_shape=False,
        name=name or "matching_filenames",
        collections=[GraphKeys.LOCAL_VARIABLES],
    )
