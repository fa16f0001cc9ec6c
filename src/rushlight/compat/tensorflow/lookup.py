"""``tf.lookup`` and ``tf.contrib.lookup``: tables from texts to numbers and back, filled by ``tf.tables_initializer``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes, errors
from .conversion import as_runtime, convert_to_tensor, make_array
from .dtypes import DType, as_dtype
from .graph import GraphKeys, Operation, Tensor, get_default_graph
from .ops_math import cast
from .sparse_tensor import SparseTensor
from .tensor_shape import SCALAR


class TextFileIndex:
    """What of a line is meant: its number, or the whole of it."""

    WHOLE_LINE, LINE_NUMBER = -2, -1


class KeyValueTensorInitializer:
    """Fills a table with ``keys`` and ``values``, two tensors of the same length."""

    def __init__(
        self, keys: Any, values: Any, key_dtype: Any = None, value_dtype: Any = None, name: str | None = None
    ) -> None:
        self.keys = _typed(keys, key_dtype)
        self.values = _typed(values, value_dtype)
        self.key_dtype, self.value_dtype = self.keys.dtype, self.values.dtype
        self.inputs = [self.keys, self.values]

    @staticmethod
    def pairs(keys: Any, values: Any) -> list[tuple[Any, Any]]:
        """Keys and values, of the inputs' values."""
        return list(zip(_items(keys), _items(values), strict=True))


class TextFileInitializer:
    """Fills a table from the lines of a file."""

    def __init__(
        self,
        filename: Any,
        key_dtype: Any,
        key_index: int,
        value_dtype: Any,
        value_index: int,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str | None = None,
        value_index_offset: int = 0,
    ) -> None:
        self.filename = convert_to_tensor(filename, dtypes.string)
        self.key_dtype, self.value_dtype = as_dtype(key_dtype), as_dtype(value_dtype)
        self._places, self._size, self._delimiter = (key_index, value_index), vocab_size, delimiter.encode()
        self._offset = value_index_offset
        self.inputs = [self.filename]

    def pairs(self, filename: Any) -> list[tuple[Any, Any]]:
        """Keys and values, of the file's name."""
        path = _items(filename)[0].decode()
        try:
            with open(path, "rb") as file:
                lines = file.read().split(b"\n")
        except OSError as error:
            raise errors.NotFoundError(None, None, f"{path}; No such file or directory") from error
        if lines and not lines[-1]:
            lines.pop()
        lines = [line.rstrip(b"\r") for line in lines]
        if self._size is not None:
            if len(lines) < self._size:
                raise errors.InvalidArgumentError(
                    None, None, f"Invalid vocab_size in {path}: expected {self._size} but got {len(lines)}"
                )
            lines = lines[: self._size]
        return [
            (
                self._part(number, line, self._places[0], self.key_dtype),
                self._part(number, line, self._places[1], self.value_dtype),
            )
            for number, line in enumerate(lines)
        ]

    def _part(self, number: int, line: bytes, place: int, kind: DType) -> Any:
        if place == TextFileIndex.LINE_NUMBER:
            return number + self._offset
        text = line if place == TextFileIndex.WHOLE_LINE else line.split(self._delimiter)[place]
        return text if kind is dtypes.string else kind.as_numpy_dtype(text)


def _typed(value: Any, kind: Any) -> Tensor:
    return convert_to_tensor(value, None if kind is None else as_dtype(kind))


def _items(value: Any) -> list[Any]:
    array = value.detach().numpy() if hasattr(value, "detach") else np.asarray(value, dtype=object)
    found: list[Any] = array.ravel().tolist()
    return found


class StaticHashTable:
    """A table that does not change once ``tf.tables_initializer`` has filled it.

    Args:
        initializer: a :class:`KeyValueTensorInitializer` or :class:`TextFileInitializer`.
        default_value: what unknown keys give.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     pairs = tf.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2])
        ...     table = tf.lookup.StaticHashTable(pairs, -1)
        ...     session.run(tf.tables_initializer())
        ...     print(session.run(table.lookup(tf.constant(["b", "c"]))))
        [ 2 -1]
    """

    def __init__(
        self, initializer: Any, default_value: Any, shared_name: str | None = None, name: str | None = None
    ) -> None:
        self._source = initializer
        self._default = default_value.encode() if isinstance(default_value, str) else default_value
        self.key_dtype, self.value_dtype = initializer.key_dtype, initializer.value_dtype
        self.default_value = convert_to_tensor(default_value, self.value_dtype)
        self.name = name or "hash_table"

        def bind(binding: Any) -> Callable[..., tuple[Any, ...]]:
            def kernel(*values: Any) -> tuple[Any, ...]:
                found: dict[Any, Any] = {}
                for key, value in initializer.pairs(*values):
                    if found.setdefault(key, value) != value:
                        raise errors.FailedPreconditionError(
                            None,
                            None,
                            f"HashTable has different value for same key. Key {key!r} has {found[key]!r} and trying "
                            f"to add value {value!r}",
                        )
                binding.state.resources[self] = found
                return ()

            return kernel

        graph = get_default_graph()
        self.initializer: Operation = graph.create_op(
            "InitializeTable", initializer.inputs, [], bind=bind, name=f"{self.name}/table_init"
        )
        graph.add_to_collection(GraphKeys.TABLE_INITIALIZERS, self.initializer)
        self.init = self.initializer

    def _filled(self, state: Any) -> dict[Any, Any]:
        found: dict[Any, Any] | None = state.resources.get(self)
        if found is None:
            raise errors.FailedPreconditionError(None, None, "Table not initialized.")
        return found

    def _value(self, table: dict[Any, Any], key: Any) -> Any:
        return table.get(key, self._default)

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The values of ``keys``, a tensor or SparseTensor; ``TypeError`` if they are of another type than the table's."""
        if isinstance(keys, SparseTensor):
            return SparseTensor(keys.indices, self.lookup(keys.values, name), keys.dense_shape)
        wanted = convert_to_tensor(keys)
        if wanted.dtype is not self.key_dtype:
            if wanted.dtype is dtypes.int32 and self.key_dtype is dtypes.int64:
                wanted = cast(wanted, dtypes.int64)
            else:
                raise TypeError(
                    f"Dtype of argument `keys` must be {self.key_dtype!r}, received: {wanted.dtype!r}"
                )

        def bind(binding: Any) -> Callable[..., Any]:
            def kernel(value: Any) -> tuple[Any, ...]:
                table = self._filled(binding.state)
                extents = tuple(value.shape)
                found = [self._value(table, key) for key in _items(value)]
                if self.value_dtype is dtypes.string:
                    texts = np.empty(len(found), dtype=object)
                    texts[:] = found
                    return (texts.reshape(extents),)
                return (as_runtime(make_array(found, self.value_dtype).reshape(extents)),)

            return kernel

        return wanted.graph.create_op(
            "LookupTableFind",
            [wanted],
            [(self.value_dtype, wanted.shape)],
            bind=bind,
            name=name or f"{self.name}_Lookup/LookupTableFind",
            attributes={"many": True},
        ).outputs[0]

    __getitem__ = lookup

    def size(self, name: str | None = None) -> Tensor:
        """How many keys there are, int64."""

        def bind(binding: Any) -> Callable[..., Any]:
            return lambda: (as_runtime(np.asarray(self._count(self._filled(binding.state)), np.int64)),)

        return (
            get_default_graph()
            .create_op(
                "LookupTableSize",
                [],
                [(dtypes.int64, SCALAR)],
                bind=bind,
                name=name or f"{self.name}_Size/LookupTableSize",
                attributes={"many": True},
            )
            .outputs[0]
        )

    def _count(self, table: dict[Any, Any]) -> int:
        return len(table)


HashTable = StaticHashTable


class StaticVocabularyTable(StaticHashTable):
    """A table of texts that gives an unknown one a number behind the known ones, by its hash."""

    def __init__(
        self,
        initializer: Any,
        num_oov_buckets: int,
        lookup_key_dtype: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(initializer, -1, name=name or "string_to_index")
        self._buckets = num_oov_buckets

    def _value(self, table: dict[Any, Any], key: Any) -> Any:
        from zlib import crc32

        found = table.get(key)
        text = key if isinstance(key, bytes) else str(key).encode()
        return len(table) + crc32(text) % self._buckets if found is None else found

    def _count(self, table: dict[Any, Any]) -> int:
        return len(table) + self._buckets


IdTableWithHashBuckets = StaticVocabularyTable


def _indexed(initializer: Any, num_oov_buckets: int, default_value: int, name: str | None) -> StaticHashTable:
    if num_oov_buckets < 0:
        raise ValueError(f"num_oov_buckets must be greater or equal than 0, got {num_oov_buckets}.")
    if num_oov_buckets:
        return StaticVocabularyTable(initializer, num_oov_buckets, name=name)
    return StaticHashTable(initializer, default_value, name=name or "string_to_index")


def index_table_from_tensor(
    vocabulary_list: Any = None,
    num_oov_buckets: int = 0,
    default_value: int = -1,
    hasher_spec: Any = None,
    dtype: Any = dtypes.string,
    name: str | None = None,
    mapping: Any = None,
) -> StaticHashTable:
    """A table that gives each text of a list its place in it, int64."""
    words = mapping if vocabulary_list is None else vocabulary_list
    if words is None:
        raise ValueError("`vocabulary_list` must be specified.")
    keys = convert_to_tensor(words)
    count = keys.shape[0].value
    if keys.dtype is not dtypes.string:
        keys = cast(keys, dtypes.int64)
    places = np.arange(count, dtype=np.int64)
    return _indexed(KeyValueTensorInitializer(keys, places), num_oov_buckets, default_value, name)


def index_table_from_file(
    vocabulary_file: Any = None,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: int = -1,
    hasher_spec: Any = None,
    key_dtype: Any = dtypes.string,
    name: str | None = None,
    key_column_index: int = TextFileIndex.WHOLE_LINE,
    value_column_index: int = TextFileIndex.LINE_NUMBER,
    delimiter: str = "\t",
) -> StaticHashTable:
    """A table that gives each line of a file its number, int64."""
    if not isinstance(vocabulary_file, Tensor) and not vocabulary_file:
        raise ValueError("vocabulary_file must be specified and must not be empty.")
    source = TextFileInitializer(
        vocabulary_file, key_dtype, key_column_index, dtypes.int64, value_column_index, vocab_size, delimiter
    )
    return _indexed(source, num_oov_buckets, default_value, name)


def index_to_string_table_from_tensor(
    vocabulary_list: Any = None, default_value: str = "UNK", name: str | None = None, mapping: Any = None
) -> StaticHashTable:
    """A table that gives each place (int64) the text there."""
    words = mapping if vocabulary_list is None else vocabulary_list
    if words is None:
        raise ValueError("`vocabulary_list` must be specified.")
    values = convert_to_tensor(words)
    places = np.arange(values.shape[0].value, dtype=np.int64)
    return StaticHashTable(
        KeyValueTensorInitializer(places, values), default_value, name=name or "index_to_string"
    )


def index_to_string_table_from_file(
    vocabulary_file: Any,
    vocab_size: int | None = None,
    default_value: str = "UNK",
    name: str | None = None,
    key_column_index: int = TextFileIndex.LINE_NUMBER,
    value_column_index: int = TextFileIndex.WHOLE_LINE,
    delimiter: str = "\t",
) -> StaticHashTable:
    """A table that gives each number (int64) the line of a file."""
    if not isinstance(vocabulary_file, Tensor) and not vocabulary_file:
        raise ValueError("vocabulary_file must be specified.")
    source = TextFileInitializer(
        vocabulary_file,
        dtypes.int64,
        key_column_index,
        dtypes.string,
        value_column_index,
        vocab_size,
        delimiter,
    )
    return StaticHashTable(source, default_value, name=name or "index_to_string")


def index_to_string(tensor: Any, mapping: Any, default_value: str = "UNK", name: str | None = None) -> Tensor:
    """The texts of ``mapping`` at the places ``tensor``."""
    found: Tensor = index_to_string_table_from_tensor(mapping, default_value).lookup(tensor, name)
    return found


def string_to_index(tensor: Any, mapping: Any, default_value: int = -1, name: str | None = None) -> Tensor:
    """The places of the texts ``tensor`` in ``mapping``."""
    found: Tensor = index_table_from_tensor(mapping, default_value=default_value).lookup(tensor, name)
    return found
